// Stages of a convolution of plain arrays as a product of matrices, spread over the cores by pieces of the result.
#include "ops/cpu/conv_product.hpp"

#include <algorithm>
#include <atomic>
#include <vector>

#include "engine/core/engine.hpp"
#include "ops/cpu/onednn_conv.hpp"
#include "ops/cpu/stream.hpp"
#include "ops/cpu/target.hpp"

namespace weft {

namespace avx2 {
const ConvProductLoops* conv_product_table();
}  // namespace avx2

const ConvProductLoops* conv_product_loops() {
#if WEFT_HAVE_AVX2_TARGET
  if (cpu_has_avx2()) return avx2::conv_product_table();
#endif
  return nullptr;
}

namespace dnnl {

namespace {

constexpr double kFlopsPerNs = 90;  // one core
constexpr Dim kDepth = 320;         // rows of a strip: a tile's columns of them and its weights stay in the nearest cache
constexpr Dim kPositions = 128;     // columns of a strip, at most
constexpr Dim kGradientPositions = 256;  // summed at once in the gradient of the weights
constexpr Dim kNearValues = 1 << 15;

Dim parts_of(Dim total, Dim most) { return std::max<Dim>(1, (total + most - 1) / most); }
Dim tiled(Dim positions) { return (positions + kTileColumns - 1) / kTileColumns * kTileColumns; }

// Rows of a strip a cache line times an odd number apart: otherwise they meet in a few sets of the cache.
Dim strip_step(Dim positions) {
  Dim step = tiled(positions);
  return step / kTileColumns % 2 == 0 ? step + kTileColumns : step;
}

double cost(const Convolution& layer) {
  double taps = double(layer.kernel[0] * layer.kernel[1]);
  return 2.0 * taps * double(layer.batch * layer.in_channels) * double(layer.out_channels) *
         double(layer.out[0] * layer.out[1]) / kFlopsPerNs;
}

// A grid of positions cut into patches.
struct Patches {
  Dim rows = 0, columns = 0;  // the grid's: rows of all images
  Dim patch_rows = 1, patch_columns = 1;

  Patches() = default;
  Patches(Dim rows_, Dim columns_, Dim most, Dim most_rows) : rows(rows_), columns(columns_) {
    Dim pieces = parts_of(columns, most);
    patch_columns = pieces == 1 ? columns : tiled(parts_of(columns, pieces));
    if (pieces > 1) return;
    double best = 0;
    for (Dim r = 1; r <= std::min(most_rows, std::max<Dim>(1, most / columns)); ++r) {
      double used = double(r * columns) / double(tiled(r * columns));
      if (used < best) continue;
      best = used;
      patch_rows = r;
    }
  }
  Dim pieces() const { return parts_of(columns, patch_columns); }
  Dim count() const { return rows == 0 || columns == 0 ? 0 : parts_of(rows, patch_rows) * pieces(); }
  Dim positions() const { return patch_rows * patch_columns; }
  Patch at(Dim index) const {
    Dim row = index / pieces() * patch_rows, column = index % pieces() * patch_columns;
    return {row, std::min(patch_rows, rows - row), column, std::min(patch_columns, columns - column)};
  }
};

Windows forward_windows(const Convolution& layer) {
  Windows windows{layer.in_channels, layer.in[0], layer.in[1], layer.out[0], layer.out[1], {}, {}, {}};
  for (int axis = 0; axis < 2; ++axis) {
    windows.stride[axis] = layer.stride[axis];
    windows.taps[axis] = layer.kernel[axis];
    for (Dim i = 0; i < layer.kernel[axis]; ++i)
      windows.offset[axis][i] = i * layer.dilate[axis] - layer.pad[axis];
  }
  return windows;
}

Dim depth_of(const Windows& windows) { return windows.channels * windows.taps[0] * windows.taps[1]; }

// What will be read of channels [begin, end) at a patch.
Ahead ahead_of(const Windows& windows, const float* source, const Patch& patch, Dim begin, Dim end) {
  Dim image = patch.row / windows.rows, y = patch.row % windows.rows;
  return {&windows, source, patch, begin, end, 0, image, y, image, y};
}

// The destination's positions that lie a stride apart are one product: all of them take the same taps.
struct Phase {
  Windows windows;
  std::vector<Dim> taps;  // places of the taps in one kernel
  Dim begin[2] = {0, 0};  // of the destination's positions
  Patches patches;
  Dim depth = 0;          // rows of one strip
  size_t weights = 0;     // where its packed weights begin
};

class ProductMap : public Stage {
 public:
  ProductMap(const Convolution& layer, bool backward, Operand source, Operand weight, Operand destination,
             const Operand* bias);
  bool run(const RunArgs* args) const override;

 private:
  struct Run {
    const ProductMap* stage;
    const float *source, *weight, *bias;
    float *destination, *packed;
    bool stream;
    std::atomic<bool> good{true};
  };

  void add_phase(Dim y, Dim x);
  Dim panels() const { return parts_of(rows_, 4); }  // at most
  static void run_panels(void* context, int64_t begin, int64_t end);
  static void run_patches(void* context, int64_t begin, int64_t end);
  void pack(const Phase& phase, const float* weight, Dim row, Dim count, float* to) const;
  bool has(Dim unit) const { return unit / Dim(phases_.size()) < phase_of(unit).patches.count(); }
  const Phase& phase_of(Dim unit) const { return phases_[size_t(unit % Dim(phases_.size()))]; }
  Patch patch_of(Dim unit) const { return phase_of(unit).patches.at(unit / Dim(phases_.size())); }
  Ahead next_strip(const Run* run, Dim unit, Dim begin, Dim end) const;
  Dim result_runs(const Phase& phase, const Patch& patch, ResultRun* runs) const;
  void multiply(const Run* run, Dim unit, Dim end_unit, float* strip, float* sums, ResultRun* runs) const;

  Convolution layer_;
  bool backward_;
  Operand source_, weight_, destination_, bias_;
  Dim rows_;       // channels of the destination
  Dim height_, width_, step_[2];  // of the destination; from a position of the grid to the next one there
  size_t weight_values_ = 0, strip_values_ = 0, sum_values_ = 0;
  Dim patches_ = 0, patch_rows_ = 0;
  std::vector<Phase> phases_;
};

ProductMap::ProductMap(const Convolution& layer, bool backward, Operand source, Operand weight, Operand destination,
                       const Operand* bias)
    : layer_(layer), backward_(backward), source_(source), weight_(weight), destination_(destination),
      bias_(bias ? *bias : Operand{false, -1}) {
  ns = cost(layer);
  rows_ = backward ? layer.in_channels : layer.out_channels;
  height_ = backward ? layer_.in[0] : layer_.out[0];
  width_ = backward ? layer_.in[1] : layer_.out[1];
  for (int axis = 0; axis < 2; ++axis) step_[axis] = backward ? layer.stride[axis] : 1;
  for (Dim y = 0; y < std::min(step_[0], height_); ++y)
    for (Dim x = 0; x < std::min(step_[1], width_); ++x) add_phase(y, x);
}

void ProductMap::add_phase(Dim y, Dim x) {
  Phase phase;
  Windows& windows = phase.windows;
  Dim begin[2] = {y, x}, first[2][kMostTaps];
  if (!backward_) {
    windows = forward_windows(layer_);
    for (int axis = 0; axis < 2; ++axis)
      for (Dim i = 0; i < windows.taps[axis]; ++i) first[axis][i] = i;
  } else {
    windows = {layer_.out_channels, layer_.out[0], layer_.out[1], (height_ - y + step_[0] - 1) / step_[0],
               (width_ - x + step_[1] - 1) / step_[1], {1, 1}, {0, 0}, {}};
    for (int axis = 0; axis < 2; ++axis)
      for (Dim i = 0; i < layer_.kernel[axis]; ++i) {
        Dim distance = begin[axis] + layer_.pad[axis] - i * layer_.dilate[axis];
        if (distance % step_[axis] != 0) continue;
        first[axis][windows.taps[axis]] = i;
        windows.offset[axis][windows.taps[axis]++] = distance / step_[axis];
      }
  }
  for (Dim i = 0; i < windows.taps[0]; ++i)
    for (Dim j = 0; j < windows.taps[1]; ++j) phase.taps.push_back(first[0][i] * layer_.kernel[1] + first[1][j]);
  std::copy(begin, begin + 2, phase.begin);
  Dim total = depth_of(windows), rows = layer_.batch * windows.rows;
  phase.depth = parts_of(total, parts_of(total, kDepth));
  phase.patches = Patches(rows, windows.columns, kPositions, rows);
  phase.weights = weight_values_;
  weight_values_ += size_t(rows_ * total + 15) / 16 * 16;
  strip_values_ = std::max(strip_values_, size_t(phase.depth * strip_step(phase.patches.positions()) + kTileColumns));
  sum_values_ = std::max(sum_values_, size_t(rows_ * strip_step(phase.patches.positions())));
  patches_ = std::max(patches_, phase.patches.count());
  patch_rows_ = std::max(patch_rows_, phase.patches.patch_rows);
  phases_.push_back(std::move(phase));
}

// Rows [row, row + count) of the weights: for each part of the depth a panel, as StripProduct takes them.
void ProductMap::pack(const Phase& phase, const float* weight, Dim row, Dim count, float* to) const {
  Dim taps = Dim(phase.taps.size()), kernel = layer_.kernel[0] * layer_.kernel[1], total = depth_of(phase.windows);
  Dim by_row = backward_ ? kernel : layer_.in_channels * kernel;
  Dim by_channel = backward_ ? layer_.in_channels * kernel : kernel;
  weight += row * by_row;
  for (Dim begin = 0; begin < total; begin += phase.depth) {
    Dim depth = std::min(phase.depth, total - begin);
    float* panel = to + begin * rows_ + row * depth;
    for (Dim k = begin; k < begin + depth; ++k) {
      const float* from = weight + k / taps * by_channel + phase.taps[size_t(k % taps)];
      for (Dim r = 0; r < count; ++r) *panel++ = from[r * by_row];
    }
  }
}

void ProductMap::run_panels(void* context, int64_t begin, int64_t end) {
  Run* run = static_cast<Run*>(context);
  const ProductMap* self = run->stage;
  Dim index = 0;
  for (Dim row = 0, count; row < self->rows_; row += count, ++index) {
    count = panel_rows(self->rows_ - row);
    if (index < begin || index >= end) continue;
    for (const Phase& phase : self->phases_) self->pack(phase, run->weight, row, count, run->packed + phase.weights);
  }
}

// Rows of the matrix from `begin` on, or where these are past the end, the first ones of the next unit.
Ahead ProductMap::next_strip(const Run* run, Dim unit, Dim begin, Dim end) const {
  if (begin >= depth_of(phase_of(unit).windows)) {
    begin = 0;
    if (++unit >= end || !has(unit)) return {};
  }
  const Phase& phase = phase_of(unit);
  Dim taps = Dim(phase.taps.size()), total = depth_of(phase.windows);
  if (total == 0) return {};
  return ahead_of(phase.windows, run->source, patch_of(unit), begin / taps,
                  parts_of(std::min(total, begin + phase.depth), taps));
}

void ProductMap::multiply(const Run* run, Dim unit, Dim end_unit, float* strip, float* sums, ResultRun* runs) const {
  const Phase& phase = phase_of(unit);
  const Patch patch = patch_of(unit);
  const Windows& windows = phase.windows;
  Dim step = strip_step(patch.positions()), total = depth_of(windows);
  const float* source_end = run->source + layer_.batch * windows.channels * windows.height * windows.width;
  StripProduct product{nullptr, rows_, 0, strip, step, patch.positions(), run->bias, true, false, sums, nullptr};
  for (Dim begin = 0, end; product.fresh || begin < total; begin = end) {
    end = std::min(total, begin + phase.depth);
    conv_product_loops()->gather(&windows, &patch, run->source, source_end, begin, end, strip, step);
    product.weights = run->packed + phase.weights + begin * rows_;
    product.depth = end - begin;
    product.relu = end == total && layer_.activation == Activation::kRelu;
    Ahead ahead = next_strip(run, unit, end, end_unit);
    product.ahead = &ahead;
    conv_product_loops()->multiply(&product);
    product.fresh = false;
  }
  StripResult result{sums, step, rows_, run->destination, height_ * width_, step_[1], runs, 0, run->stream};
  result.run_count = result_runs(phase, patch, runs);
  conv_product_loops()->put(&result);
}

// Whole rows of one image are a single run where the result has no other ones between.
Dim ProductMap::result_runs(const Phase& phase, const Patch& patch, ResultRun* runs) const {
  Dim count = 0, column = 0, before = -1;
  for (Dim row = patch.row; row < patch.row + patch.rows; ++row, column += patch.columns) {
    Dim image = row / phase.windows.rows, y = row % phase.windows.rows * step_[0] + phase.begin[0];
    Dim place = (image * rows_ * height_ + y) * width_ + phase.begin[1] + patch.column * step_[1];
    if (count > 0 && step_[1] == 1 && place == before + patch.columns)
      runs[count - 1].count += patch.columns;
    else
      runs[count++] = {column, patch.columns, place};
    before = place;
  }
  return count;
}

void ProductMap::run_patches(void* context, int64_t begin, int64_t end) {
  Run* run = static_cast<Run*>(context);
  const ProductMap* self = run->stage;
  Scratch strip(self->strip_values_ * sizeof(float)), sums(self->sum_values_ * sizeof(float));
  Scratch runs(size_t(self->patch_rows_) * sizeof(ResultRun));
  if (!strip.ok() || !sums.ok() || !runs.ok()) {
    run->good.store(false, std::memory_order_relaxed);
    return;
  }
  for (int64_t unit = begin; unit < end; ++unit)
    if (self->has(unit))
      self->multiply(run, unit, end, static_cast<float*>(strip.data()), static_cast<float*>(sums.data()),
                     static_cast<ResultRun*>(runs.data()));
}

bool ProductMap::run(const RunArgs* args) const {
  Scratch packed(weight_values_ * sizeof(float));
  if (!packed.ok()) return false;
  Run run{this,
          static_cast<const float*>(source_.address(args)),
          static_cast<const float*>(weight_.address(args)),
          bias_.index < 0 ? nullptr : static_cast<const float*>(bias_.address(args)),
          static_cast<float*>(destination_.address(args)),
          static_cast<float*>(packed.data()),
          layer_.batch * rows_ * height_ * width_ * Dim(sizeof(float)) >= stream_bytes()};
  parallel_for(panels(), std::max<Dim>(1, panels() * (1 << 14) / std::max<Dim>(1, Dim(weight_values_))), &run_panels, &run);
  parallel_for(patches_ * Dim(phases_.size()), Dim(phases_.size()), &run_patches, &run);
  return run.good.load(std::memory_order_relaxed);
}

// The gradient of the weights: one matrix transposed, position by position, the other read as it is; one range of images
// for each core, whose sums are added in order, so that results do not depend on which thread did what.
class ProductWeights : public Stage {
 public:
  ProductWeights(const Convolution& layer, Operand data, Operand out_grad, Operand d_weight);
  bool run(const RunArgs* args) const override;

 private:
  struct Run {
    const ProductWeights* stage;
    const float *data, *grad;
    float *d_weight, *sums;
    std::atomic<bool> good{true};
  };
  // Some rows of the data's or the gradient's matrix at the positions of a patch.
  struct Rows {
    const float* values;
    Dim step;
  };

  static void run_ranges(void* context, int64_t begin, int64_t end);
  static void finish_panels(void* context, int64_t begin, int64_t end);
  Rows data_rows(const Run* run, const Patch& patch, Dim begin, Dim end, float* strip) const;
  Rows grad_rows(const Run* run, const Patch& patch, Dim begin) const;
  void add_patch(const Run* run, const Patch& patch, const Patch* next, bool fresh, float* sums, float* strip,
                 float* turned) const;
  Ahead straight_ahead(const Run* run, const Patch& patch, Dim begin, Dim end) const;
  Ahead turned_ahead(const Run* run, const Patch& patch) const;
  Dim image_patches() const { return parts_of(windows_.rows, patches_.patch_rows) * patches_.pieces(); }
  Dim panels() const { return parts_of(turned_rows_, kTileColumns); }
  size_t sum_values() const { return size_t(panels() * kTileColumns * straight_rows_); }

  Convolution layer_;
  Operand data_, out_grad_, d_weight_;
  Windows windows_, grad_windows_;
  Patches patches_;   // of one image
  bool turn_data_;    // the data's matrix is the transposed one
  Dim turned_rows_, straight_rows_, gathered_;
  Dim block_;         // rows that are multiplied with one panel after the other: they stay in the second cache
  Dim ranges_, per_range_;
};

ProductWeights::ProductWeights(const Convolution& layer, Operand data, Operand out_grad, Operand d_weight)
    : layer_(layer), data_(data), out_grad_(out_grad), d_weight_(d_weight), windows_(forward_windows(layer_)) {
  ns = cost(layer);
  patches_ = Patches(windows_.rows, windows_.columns, kGradientPositions, windows_.rows);
  grad_windows_ = {layer.out_channels, windows_.rows, windows_.columns, windows_.rows, windows_.columns,
                   {1, 1}, {1, 1}, {}};
  Dim depth = depth_of(windows_);
  turn_data_ = depth < layer.out_channels;
  turned_rows_ = turn_data_ ? depth : layer.out_channels;
  straight_rows_ = turn_data_ ? layer.out_channels : depth;
  block_ = std::max(kTileColumns, kNearValues / patches_.positions()) / kTileRows * kTileRows;
  gathered_ = std::min(std::max<Dim>(1, depth), turn_data_ ? kTileColumns : block_);
  ranges_ = std::min<Dim>(layer.batch, std::max(1, core_count()));
  per_range_ = parts_of(layer.batch, std::max<Dim>(1, ranges_));
  ranges_ = parts_of(layer.batch, per_range_);
}

ProductWeights::Rows ProductWeights::data_rows(const Run* run, const Patch& patch, Dim begin, Dim end,
                                               float* strip) const {
  Dim plane = windows_.height * windows_.width;
  Dim step = strip_step(patch.positions());
  conv_product_loops()->gather(&windows_, &patch, run->data, run->data + layer_.batch * windows_.channels * plane, begin,
                               end, strip, step);
  return {strip, step};
}

ProductWeights::Rows ProductWeights::grad_rows(const Run* run, const Patch& patch, Dim begin) const {
  Dim plane = windows_.rows * windows_.columns, image = patch.row / windows_.rows;
  return {run->grad + (image * layer_.out_channels + begin) * plane +
              patch.row % windows_.rows * windows_.columns + patch.column,
          plane};
}

void ProductWeights::add_patch(const Run* run, const Patch& patch, const Patch* next, bool fresh, float* sums,
                               float* strip, float* turned) const {
  const ConvProductLoops* table = conv_product_loops();
  Dim n = patch.positions();
  for (Dim row = 0; row < turned_rows_; row += kTileColumns) {
    Dim end = std::min(turned_rows_, row + kTileColumns);
    Rows rows = turn_data_ ? data_rows(run, patch, row, end, strip) : grad_rows(run, patch, row);
    float* panel = turned + row * n;
    if (end - row < kTileColumns) std::fill(panel, panel + n * kTileColumns, 0.0f);
    table->transpose(rows.values, rows.step, end - row, n, panel, kTileColumns);
  }
  for (Dim row = 0; row < straight_rows_; row += block_) {
    Dim end = std::min(straight_rows_, row + block_);
    Rows rows = turn_data_ ? grad_rows(run, patch, row) : data_rows(run, patch, row, end, strip);
    // Of the next patch the matrix to be turned first, then the rows that are read as they are.
    Ahead later{}, soon = straight_ahead(run, patch, end, std::min(straight_rows_, end + block_));
    if (end == straight_rows_ && next) {
      later = turned_ahead(run, *next);
      soon = straight_ahead(run, *next, 0, std::min(straight_rows_, block_));
    }
    for (Dim panel = 0; panel < panels(); ++panel)
      table->correlate(rows.values, rows.step, end - row, turned + panel * n * kTileColumns, n, fresh,
                       sums + (panel * straight_rows_ + row) * kTileColumns,
                       later.windows && panel < panels() / 2 ? &later : &soon);
  }
}

Ahead ProductWeights::straight_ahead(const Run* run, const Patch& patch, Dim begin, Dim end) const {
  if (begin >= end) return {};
  if (turn_data_) return ahead_of(grad_windows_, run->grad, patch, begin, end);
  Dim taps = windows_.taps[0] * windows_.taps[1];
  return ahead_of(windows_, run->data, patch, begin / taps, parts_of(end, taps));
}

Ahead ProductWeights::turned_ahead(const Run* run, const Patch& patch) const {
  if (turn_data_) return ahead_of(windows_, run->data, patch, 0, windows_.channels);
  return ahead_of(grad_windows_, run->grad, patch, 0, layer_.out_channels);
}

void ProductWeights::run_ranges(void* context, int64_t begin, int64_t end) {
  Run* run = static_cast<Run*>(context);
  const ProductWeights* self = run->stage;
  Dim n = self->patches_.positions();
  Scratch strip(size_t(self->gathered_ * strip_step(n) + kTileColumns) * sizeof(float));
  Scratch turned(size_t(self->panels() * kTileColumns * n) * sizeof(float));
  if (!strip.ok() || !turned.ok()) {
    run->good.store(false, std::memory_order_relaxed);
    return;
  }
  for (int64_t range = begin; range < end; ++range) {
    float* sums = run->sums + size_t(range) * self->sum_values();
    Dim first = range * self->per_range_, last = std::min(self->layer_.batch, first + self->per_range_);
    auto patch_at = [self, first](Dim index) {
      Patch patch = self->patches_.at(index % self->image_patches());
      patch.row += (first + index / self->image_patches()) * self->windows_.rows;
      return patch;
    };
    Dim count = (last - first) * self->image_patches();
    for (Dim i = 0; i < count; ++i) {
      Patch patch = patch_at(i), next = patch_at(i + 1);
      self->add_patch(run, patch, i + 1 < count ? &next : nullptr, i == 0, sums, static_cast<float*>(strip.data()),
                      static_cast<float*>(turned.data()));
    }
  }
}

// Adds the ranges' sums and brings them into the order of the weights.
void ProductWeights::finish_panels(void* context, int64_t begin, int64_t end) {
  Run* run = static_cast<Run*>(context);
  const ProductWeights* self = run->stage;
  Dim straight = self->straight_rows_, panel_values = straight * kTileColumns;
  for (int64_t panel = begin; panel < end; ++panel) {
    float* total = run->sums + panel * panel_values;
    for (Dim range = 1; range < self->ranges_; ++range) {
      const float* part = total + size_t(range) * self->sum_values();
      for (Dim i = 0; i < panel_values; ++i) total[i] += part[i];
    }
    Dim row = panel * kTileColumns, rows = std::min(kTileColumns, self->turned_rows_ - row);
    if (!self->turn_data_) {
      conv_product_loops()->transpose(total, kTileColumns, straight, rows, run->d_weight + row * straight, straight);
      continue;
    }
    for (Dim r = 0; r < straight; ++r)
      std::copy(total + r * kTileColumns, total + r * kTileColumns + rows, run->d_weight + r * self->turned_rows_ + row);
  }
}

bool ProductWeights::run(const RunArgs* args) const {
  Scratch sums(size_t(ranges_) * sum_values() * sizeof(float));
  if (!sums.ok()) return false;
  Run run{this, static_cast<const float*>(data_.address(args)), static_cast<const float*>(out_grad_.address(args)),
          static_cast<float*>(d_weight_.address(args)), static_cast<float*>(sums.data())};
  parallel_for(ranges_, 1, &run_ranges, &run);
  if (!run.good.load(std::memory_order_relaxed)) return false;
  parallel_for(panels(), 1, &finish_panels, &run);
  return true;
}

}  // namespace

bool product_fits(const Convolution& layer) {
  auto few = [](const Shape& shape) { return shape.size() == 2 && shape[0] <= kMostTaps && shape[1] <= kMostTaps; };
  return conv_product_loops() && few(layer.kernel) && layer.groups == 1 && layer.block == 0 && !layer.packed &&
         !layer.residual && layer.relu_or_none();
}

std::unique_ptr<Stage> make_product_map(const Convolution& layer, bool backward, Operand source, Operand weight,
                                        Operand destination, const Operand* bias) {
  return std::unique_ptr<Stage>(new ProductMap(layer, backward, source, weight, destination, bias));
}

std::unique_ptr<Stage> make_product_weights(const Convolution& layer, Operand data, Operand out_grad,
                                            Operand d_weight) {
  return std::unique_ptr<Stage>(new ProductWeights(layer, data, out_grad, d_weight));
}

}  // namespace dnnl
}  // namespace weft
