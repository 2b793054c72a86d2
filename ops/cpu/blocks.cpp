// Pooling, batch normalization and changes of layout for blocked arrays, spread over the cores.
#include "ops/cpu/blocks.hpp"

#include <algorithm>
#include <cmath>

#include "engine/core/engine.hpp"
#include "ops/cpu/target.hpp"

namespace weft {

namespace baseline { const BlockLoops* block_loops(); }
namespace avx2 { const BlockLoops* block_loops(); }

namespace {

constexpr double kGrainNs = 20000;  // smaller pieces are not worth another thread
constexpr int64_t kMostBlock = 16;

const BlockLoops* loops() {
#if WEFT_HAVE_AVX2_TARGET
  if (cpu_has_avx2()) return avx2::block_loops();
#endif
  return baseline::block_loops();
}

// A kernel that runs over `items` planes or blocks of channels, each on its own.
struct BlockKernel : Kernel {
  const BlockLoops* table = loops();
  int64_t items = 0, block = 8;
  void (*body)(void* context, int64_t begin, int64_t end) = nullptr;

  BlockKernel(void (*destroy_)(Kernel*), double cost) : Kernel(&run_kernel, destroy_, cost) {}
  static int run_kernel(Kernel* self, const RunArgs* args);
};

struct BlockRun {
  const BlockKernel* kernel;
  const RunArgs* args;
  const float* input(int i) const { return static_cast<const float*>(args->inputs[i]); }
  float* state(int i) const { return static_cast<float*>(args->inputs[i]); }
  float* output(int i) const { return static_cast<float*>(args->outputs[i]); }
};

int BlockKernel::run_kernel(Kernel* self, const RunArgs* args) {
  BlockKernel* kernel = static_cast<BlockKernel*>(self);
  BlockRun run{kernel, args};
  double each = kernel->cost_ns / double(std::max<int64_t>(1, kernel->items));
  parallel_for(kernel->items, std::max<int64_t>(1, int64_t(kGrainNs / std::max(each, 1.0))), kernel->body, &run);
  return 0;
}

template <class Self>
void destroy_as(Kernel* kernel) {
  delete static_cast<Self*>(kernel);
}

// ---- changes of layout ---------------------------------------------------------------------------

struct Reblock : BlockKernel {
  int64_t plane;
  bool to;
  Reblock(const Blocking& blocking, bool to_)
      : BlockKernel(&destroy_as<Reblock>,
                    200 + 0.25 * double(blocking.batch * blocking.channels) * double(blocking.plane)),
        plane(blocking.plane), to(to_) {
    block = blocking.block;
    items = blocking.batch * blocking.channels / block;
    body = &run_blocks;
  }
  static void run_blocks(void* context, int64_t begin, int64_t end) {
    const BlockRun* run = static_cast<BlockRun*>(context);
    const Reblock* self = static_cast<const Reblock*>(run->kernel);
    int64_t step = self->plane * self->block;
    for (int64_t i = begin; i < end; ++i)
      (self->to ? self->table->to_blocked : self->table->from_blocked)(
          run->input(0) + i * step, self->plane, self->block, run->output(0) + i * step);
  }
};

// ---- pooling ---------------------------------------------------------------------------------------

struct BlockPooling : BlockKernel {
  PoolWindow window;
  BlockPooling(const PoolWindow& window_, int64_t planes, int64_t block_, bool backward)
      : BlockKernel(&destroy_as<BlockPooling>, 0), window(window_) {
    block = block_;
    items = planes;
    body = backward ? &run_backward : &run_forward;
    double taps = double(window.out_plane() * window.kernel[1] * window.kernel[2] * block);
    cost_ns = 200 + double(planes) * (taps * (backward ? 0.4 : 0.1) +
                                      double(window.in_plane() * block) * (backward ? 0.3 : 0.1));
  }
  static void run_forward(void* context, int64_t begin, int64_t end) {
    const BlockRun* run = static_cast<BlockRun*>(context);
    const BlockPooling* self = static_cast<const BlockPooling*>(run->kernel);
    int64_t in = self->window.in_plane() * self->block, out = self->window.out_plane() * self->block;
    for (int64_t i = begin; i < end; ++i)
      self->table->pool(&self->window, self->block, run->input(0) + i * in, run->output(0) + i * out);
  }
  static void run_backward(void* context, int64_t begin, int64_t end) {
    const BlockRun* run = static_cast<BlockRun*>(context);
    const BlockPooling* self = static_cast<const BlockPooling*>(run->kernel);
    int64_t in = self->window.in_plane() * self->block, out = self->window.out_plane() * self->block;
    for (int64_t i = begin; i < end; ++i)
      self->table->pool_backward(&self->window, self->block, run->input(0) + i * out,
                                 run->input(1) + i * in, run->input(2) + i * out, run->output(0) + i * in);
  }
};

// ---- batch normalization --------------------------------------------------------------------------------

struct BlockBatchNorm : BlockKernel {
  BatchNormShape shape;
  float lowest;  // of the result
  BlockBatchNorm(const BatchNormShape& shape_, int64_t block_, bool relu, bool backward)
      : BlockKernel(&destroy_as<BlockBatchNorm>, 0), shape(shape_),
        lowest(relu ? 0.0f : -__builtin_inff()) {
    block = block_;
    items = shape.channels / block;
    body = backward ? &run_backward : &run_forward;
    cost_ns = 300 + double(count()) * double(shape.channels) * (backward ? 0.5 : 0.3);
  }
  int64_t count() const { return shape.batch * shape.plane; }
  // Calls f(offset) for the plane of each image of one block of channels.
  template <class F>
  void each_plane(int64_t item, F f) const {
    for (int64_t n = 0; n < shape.batch; ++n)
      f((n * shape.channels + item * block) * shape.plane);
  }
  static void run_forward(void* context, int64_t begin, int64_t end);
  static void run_backward(void* context, int64_t begin, int64_t end);
};

void BlockBatchNorm::run_forward(void* context, int64_t begin, int64_t end) {
  const BlockRun* run = static_cast<BlockRun*>(context);
  const BlockBatchNorm& self = *static_cast<const BlockBatchNorm*>(run->kernel);
  const BatchNormShape& shape = self.shape;
  const float* data = run->input(0);
  for (int64_t item = begin; item < end; ++item) {
    int64_t first = item * self.block;
    float scale[kMostBlock], shift[kMostBlock];
    BlockSums sums = {};
    const float* pivot = data + first * shape.plane;  // any value of the channel keeps digits
    if (shape.batch_statistics)
      self.each_plane(item, [&](int64_t at) {
        self.table->moments(data + at, shape.plane, self.block, pivot, &sums);
      });
    for (int64_t k = 0; k < self.block; ++k) {
      int64_t c = first + k;
      double mean = run->input(3)[c], variance = run->input(4)[c];
      if (shape.batch_statistics) {
        double off = sums.first[k] / double(self.count());
        mean = double(pivot[k]) + off;
        variance = std::max(0.0, sums.second[k] / double(self.count()) - off * off);
      }
      float invstd = 1.0f / std::sqrt(float(variance) + float(shape.eps));
      scale[k] = shape.fix_gamma ? invstd : invstd * run->input(1)[c];
      shift[k] = run->input(2)[c] - float(mean) * scale[k];
      run->output(1)[c] = float(mean);
      run->output(2)[c] = invstd;
    }
    self.each_plane(item, [&](int64_t at) {
      self.table->normalize(data + at, shape.plane, self.block, scale, shift, self.lowest,
                            run->output(0) + at);
    });
  }
}

void move(float* moving, float batch, double momentum) {
  *moving = *moving * float(momentum) + batch * float(1 - momentum);
}

void BlockBatchNorm::run_backward(void* context, int64_t begin, int64_t end) {
  const BlockRun* run = static_cast<BlockRun*>(context);
  const BlockBatchNorm& self = *static_cast<const BlockBatchNorm*>(run->kernel);
  const BatchNormShape& shape = self.shape;
  const float *grad = run->input(0), *data = run->input(1);
  for (int64_t item = begin; item < end; ++item) {
    int64_t first = item * self.block;
    float mean[kMostBlock], invstd[kMostBlock], scale[kMostBlock], shift[kMostBlock];
    float factor[kMostBlock] = {}, offset[kMostBlock] = {};
    for (int64_t k = 0; k < self.block; ++k) {
      int64_t c = first + k;
      mean[k] = shape.batch_statistics ? run->input(4)[c] : run->input(6)[c];
      invstd[k] = shape.batch_statistics ? run->input(5)[c]
                                         : 1.0f / std::sqrt(run->input(7)[c] + float(shape.eps));
      scale[k] = shape.fix_gamma ? invstd[k] : invstd[k] * run->input(2)[c];
      shift[k] = run->input(3)[c] - mean[k] * scale[k];
    }
    BlockSums sums = {};
    self.each_plane(item, [&](int64_t at) {
      self.table->products(data + at, grad + at, shape.plane, self.block, mean, scale, shift,
                           self.lowest, &sums);
    });
    for (int64_t k = 0; k < self.block; ++k) {
      int64_t c = first + k;
      double count = double(self.count()), d_gamma = sums.second[k] * double(invstd[k]);
      run->output(1)[c] = shape.fix_gamma ? 0.0f : float(d_gamma);
      run->output(2)[c] = float(sums.first[k]);
      if (!shape.batch_statistics) continue;  // d = (g - sum/n - (x - mean) invstd d_gamma/n) scale
      double by_value = -double(scale[k]) * double(invstd[k]) * d_gamma / count;
      factor[k] = float(by_value);
      offset[k] = float(-double(scale[k]) * sums.first[k] / count - by_value * double(mean[k]));
      move(run->state(6) + c, mean[k], shape.momentum);
      move(run->state(7) + c, 1.0f / (invstd[k] * invstd[k]) - float(shape.eps), shape.momentum);
    }
    self.each_plane(item, [&](int64_t at) {
      self.table->blend(data + at, grad + at, shape.plane, self.block, scale, shift, self.lowest,
                        factor, offset, run->output(0) + at);
    });
  }
}

}  // namespace

Kernel* make_to_blocked(const Blocking& blocking) { return new Reblock(blocking, true); }
Kernel* make_from_blocked(const Blocking& blocking) { return new Reblock(blocking, false); }

Kernel* make_block_pooling(const PoolWindow& window, int64_t planes, int64_t block) {
  return new BlockPooling(window, planes, block, false);
}

Kernel* make_backward_block_pooling(const PoolWindow& window, int64_t planes, int64_t block) {
  return new BlockPooling(window, planes, block, true);
}

Kernel* make_block_batch_norm(const BatchNormShape& shape, int64_t block, bool relu) {
  return new BlockBatchNorm(shape, block, relu, false);
}

Kernel* make_backward_block_batch_norm(const BatchNormShape& shape, int64_t block, bool relu) {
  return new BlockBatchNorm(shape, block, relu, true);
}

}  // namespace weft
