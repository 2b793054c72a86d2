// Matrix products through oneDNN's sgemm: dot, batch_dot, fully connected layers.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

#include "engine/core/engine.hpp"
#include "ops/cpu/onednn.hpp"
#include "ops/cpu/onednn_program.hpp"
#include "ops/cpu/sums.hpp"

namespace weft {
namespace dnnl {

namespace {

constexpr double kFlopsPerNs = 70;      // one core's rate, roughly; only steers the splitting
constexpr double kUnitNs = 30000;       // less work than this is not worth another thread
constexpr double kEvenNs = 4000000;     // up to here smaller units pay: cores seldom start together
constexpr Dim kEvenRows = 64;           // and as long as they are not smaller than this
constexpr Dim kTileRows = 4, kTileColumns = 24;  // what oneDNN's AVX2 kernel computes at a time
constexpr double kCallNs = 600;         // one sgemm call

// One (batched) product, cut into units of work: blocks of every matrix of the result.
struct Gemm {
  int lhs, rhs, bias;  // inputs; bias -1: none
  int out;
  Dim batch, m, n, k;
  bool transpose_lhs, transpose_rhs;
  bool relu = false;
  Dim rows = 0, columns = 0;  // of a block
  Dim row_blocks = 1, column_blocks = 1;
  Dim matrices = 1;  // of one unit

  double flops() const { return 2.0 * double(batch) * double(m) * double(n) * double(k); }
  Dim units() const { return (batch + matrices - 1) / matrices * row_blocks * column_blocks; }

  void split(double total_ns, Dim cores);
  void cut(Dim blocks);
  bool run_unit(const RunArgs* args, Dim unit) const;
  bool run_block(const float* a, const float* b, const float* bias_row, float* c, Dim block) const;
};

// Each block packs its rows of lhs and columns of rhs: cut so that they are few.
void Gemm::cut(Dim blocks) {
  double least = 0;
  for (Dim down = 1; down <= blocks; ++down) {
    Dim across = (blocks + down - 1) / down;
    double packed = double(m) / double(down) + double(n) / double(across);
    if (down > 1 && packed > least) continue;
    least = packed;
    row_blocks = down;
    column_blocks = across;
  }
  auto piece = [](Dim length, Dim parts, Dim tile) {
    return std::min(length, ((length + parts - 1) / parts + tile - 1) / tile * tile);
  };
  rows = piece(m, row_blocks, kTileRows);
  columns = piece(n, column_blocks, kTileColumns);
  row_blocks = (m + rows - 1) / rows;
  column_blocks = (n + columns - 1) / columns;
}

void Gemm::split(double total_ns, Dim cores) {
  double ns = flops() / kFlopsPerNs + kCallNs * double(batch);
  rows = m;
  columns = n;
  if (cores < 2 || total_ns < 2 * kUnitNs) {
    matrices = std::max<Dim>(batch, 1);
    return;
  }
  // More units than cores even out cores that start late, but only tall ones still run fast.
  bool even = n <= m && m >= 2 * cores * kEvenRows && ns <= kEvenNs * double(cores);
  Dim wanted = std::max<Dim>(1, std::min<Dim>(even ? 2 * cores : cores, Dim(ns / kUnitNs)));
  if (batch >= wanted)
    matrices = (batch + wanted - 1) / wanted;
  else
    cut((wanted + batch - 1) / batch);
}

bool Gemm::run_block(const float* a, const float* b, const float* bias_row, float* c,
                     Dim block) const {
  Dim row = block / column_blocks * rows, column = block % column_blocks * columns;
  Dim height = std::min(rows, m - row), width = std::min(columns, n - column);
  a += transpose_lhs ? row : row * k;
  b += transpose_rhs ? column * k : column;
  c += row * n + column;
  if (bias_row)
    for (Dim i = 0; i < height; ++i)
      std::memcpy(c + i * n, bias_row + column, size_t(width) * sizeof(float));
  bool good = api()->sgemm(transpose_lhs ? 'T' : 'N', transpose_rhs ? 'T' : 'N', height, width, k, 1.0f,
                      a, transpose_lhs ? m : k, b, transpose_rhs ? k : n, bias_row ? 1.0f : 0.0f, c,
                      n) == kSuccess;
  if (relu)
    for (Dim i = 0; i < height; ++i)
      for (Dim j = 0; j < width; ++j) c[i * n + j] = c[i * n + j] < 0 ? 0.0f : c[i * n + j];
  return good;
}

bool Gemm::run_unit(const RunArgs* args, Dim unit) const {
  const float* a = static_cast<const float*>(args->inputs[lhs]);
  const float* b = static_cast<const float*>(args->inputs[rhs]);
  const float* bias_row = bias < 0 ? nullptr : static_cast<const float*>(args->inputs[bias]);
  float* c = static_cast<float*>(args->outputs[out]);
  Dim blocks = row_blocks * column_blocks;
  Dim first = unit / blocks * matrices, last = std::min(batch, first + matrices);
  bool good = true;
  for (Dim i = first; good && i < last; ++i)
    good = run_block(a + i * m * k, b + i * k * n, bias_row, c + i * m * n, unit % blocks);
  return good;
}

// One or two products, and the sum over rows that a bias gradient is, in one parallel loop.
struct GemmKernel : Kernel {
  std::vector<Gemm> gemms;
  int sum_output = -1;  // out = column sums of input 0 (rows x columns)
  Dim sum_rows = 0, sum_columns = 0;

  GemmKernel() : Kernel(&run_kernel, &destroy_kernel, 0) {}

  void finish() {
    double ns = kCallNs;
    for (const Gemm& gemm : gemms)
      ns += gemm.flops() / kFlopsPerNs + kCallNs * double(gemm.batch);
    if (sum_output >= 0) ns += double(sum_rows) * double(sum_columns) / 8;
    cost_ns = ns;
    for (Gemm& gemm : gemms) gemm.split(ns, core_count());
  }

  static void destroy_kernel(Kernel* self) { delete static_cast<GemmKernel*>(self); }
  static int run_kernel(Kernel* self, const RunArgs* args);
};

struct GemmRun {
  const GemmKernel* kernel;
  const RunArgs* args;
  std::atomic<bool> good{true};
};

bool run_one(const GemmKernel* kernel, const RunArgs* args, Dim unit) {
  for (const Gemm& gemm : kernel->gemms) {
    if (unit < gemm.units()) return gemm.run_unit(args, unit);
    unit -= gemm.units();
  }
  sum_rows(static_cast<const float*>(args->inputs[0]), kernel->sum_rows, kernel->sum_columns,
           static_cast<float*>(args->outputs[kernel->sum_output]));
  return true;
}

void run_units(void* context, int64_t begin, int64_t end) {
  GemmRun* run = static_cast<GemmRun*>(context);
  OneThread one;
  for (int64_t unit = begin; unit < end; ++unit)
    if (!run_one(run->kernel, run->args, unit)) run->good.store(false, std::memory_order_relaxed);
}

int GemmKernel::run_kernel(Kernel* self, const RunArgs* args) {
  GemmKernel* kernel = static_cast<GemmKernel*>(self);
  GemmRun run{kernel, args};
  Dim units = kernel->sum_output >= 0 ? 1 : 0;
  for (const Gemm& gemm : kernel->gemms) units += gemm.units();
  if (kernel->cost_ns < 2 * kUnitNs)
    run_units(&run, 0, units);
  else
    parallel_for(units, 1, &run_units, &run);
  if (run.good.load(std::memory_order_relaxed)) return 0;
  std::snprintf(args->error, kErrorBytes, "oneDNN could not run a matrix product (out of memory?)");
  return 1;
}

}  // namespace

Kernel* make_matrix_product(const MatrixProduct& product) {
  if (!api()) return nullptr;
  GemmKernel* kernel = new GemmKernel();
  kernel->gemms.push_back({0, 1, -1, 0, product.batch, product.m, product.n, product.k,
                           product.transpose_lhs, product.transpose_rhs});
  kernel->finish();
  return kernel;
}

Kernel* make_fully_connected(const FullyConnected& layer) {
  if (!api()) return nullptr;
  GemmKernel* kernel = new GemmKernel();
  kernel->gemms.push_back(
      {0, 1, layer.bias ? 2 : -1, 0, 1, layer.rows, layer.units, layer.depth, false, true, layer.relu});
  kernel->finish();
  return kernel;
}

Kernel* make_backward_fully_connected(const FullyConnected& layer, const Wanted& wanted) {
  if (!api()) return nullptr;
  GemmKernel* kernel = new GemmKernel();
  int output = 0;
  if (wanted.data)
    kernel->gemms.push_back(
        {0, 2, -1, output++, 1, layer.rows, layer.depth, layer.units, false, false});
  if (wanted.weight)
    kernel->gemms.push_back(
        {0, 1, -1, output++, 1, layer.units, layer.depth, layer.rows, true, false});
  if (wanted.bias) {
    kernel->sum_output = output;
    kernel->sum_rows = layer.rows;
    kernel->sum_columns = layer.units;
  }
  kernel->finish();
  return kernel;
}

}  // namespace dnnl
}  // namespace weft
