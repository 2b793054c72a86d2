// Pooling, batch normalization and local response normalization, spread over planes and channels.
#include "ops/cpu/planes.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/core/engine.hpp"
#include "ops/cpu/target.hpp"

namespace weft {

namespace baseline { const PlaneLoops* plane_loops(); }
namespace avx2 { const PlaneLoops* plane_loops(); }

namespace {

constexpr double kGrainNs = 20000;  // smaller pieces are not worth another thread

const PlaneLoops* loops() {
#if WEFT_HAVE_AVX2_TARGET
  if (cpu_has_avx2()) return avx2::plane_loops();
#endif
  return baseline::plane_loops();
}

int64_t grain(double ns, int64_t items) {
  return std::max<int64_t>(1, int64_t(kGrainNs * double(items) / std::max(ns, 1.0)));
}

template <class Self>
void destroy_as(Kernel* kernel) {
  delete static_cast<Self*>(kernel);
}

// ---- pooling ---------------------------------------------------------------------------------

struct Pooling : Kernel {
  PoolWindow window;
  int64_t planes;
  const PlaneLoops* table = loops();
  bool backward;

  Pooling(const PoolWindow& window_, int64_t planes_, bool backward_)
      : Kernel(&run_kernel, &destroy_as<Pooling>, 0), window(window_), planes(planes_),
        backward(backward_) {
    double taps = double(window.out_plane()) * double(window.kernel[2]);
    double rows = double(window.in_plane()) + double(window.out[0] * window.out[1]) *
                  double(window.kernel[0] * window.kernel[1] * window.in[2]) / 4;
    cost_ns = 200 + double(planes) * (backward ? 2 * (taps + rows) : taps / 2 + rows / 2);
  }
  static int run_kernel(Kernel* self, const RunArgs* args);
};

struct PoolRun {
  const Pooling* kernel;
  const RunArgs* args;
  std::atomic<bool> good{true};
};

void run_planes(void* context, int64_t begin, int64_t end) {
  PoolRun* run = static_cast<PoolRun*>(context);
  const PoolWindow& window = run->kernel->window;
  size_t bytes = size_t(window.scratch()) * sizeof(float);
  float* scratch = static_cast<float*>(pool_allocate(bytes));
  if (!scratch) {
    run->good.store(false, std::memory_order_relaxed);
    return;
  }
  int64_t in = window.in_plane(), out = window.out_plane();
  const RunArgs* args = run->args;
  auto input = [&](int i) { return static_cast<const float*>(args->inputs[i]); };
  float* result = static_cast<float*>(args->outputs[0]);
  for (int64_t plane = begin; plane < end; ++plane) {
    if (run->kernel->backward)
      run->kernel->table->pool_backward(&window, input(0) + plane * out, input(1) + plane * in,
                                        input(2) + plane * out, result + plane * in, scratch);
    else
      run->kernel->table->pool(&window, input(0) + plane * in, result + plane * out, scratch);
  }
  pool_free(scratch, bytes);
}

int Pooling::run_kernel(Kernel* self, const RunArgs* args) {
  Pooling* kernel = static_cast<Pooling*>(self);
  PoolRun run{kernel, args};
  parallel_for(kernel->planes, grain(kernel->cost_ns, kernel->planes), &run_planes, &run);
  if (run.good.load(std::memory_order_relaxed)) return 0;
  std::snprintf(args->error, kErrorBytes, "out of memory for a row of %lld values",
                static_cast<long long>(kernel->window.scratch()));
  return 1;
}

// ---- batch normalization ---------------------------------------------------------------------

struct BatchNorm : Kernel {
  BatchNormShape shape;
  const PlaneLoops* table = loops();
  void (*channels)(void* context, int64_t begin, int64_t end);

  BatchNorm(const BatchNormShape& shape_, bool backward);
  int64_t count() const { return shape.batch * shape.plane; }
  // Calls f(offset) for each plane of a channel.
  template <class F>
  void each_plane(int64_t channel, F f) const {
    for (int64_t n = 0; n < shape.batch; ++n) f((n * shape.channels + channel) * shape.plane);
  }
  static int run_kernel(Kernel* self, const RunArgs* args);
};

struct BatchNormRun {
  const BatchNorm* kernel;
  const RunArgs* args;
  const float* input(int i) const { return static_cast<const float*>(args->inputs[i]); }
  float* output(int i) const { return static_cast<float*>(args->outputs[i]); }
};

void forward_channels(void* context, int64_t begin, int64_t end) {
  const BatchNormRun* run = static_cast<BatchNormRun*>(context);
  const BatchNorm& kernel = *run->kernel;
  const BatchNormShape& shape = kernel.shape;
  const float* data = run->input(0);
  for (int64_t c = begin; c < end; ++c) {
    float mean = run->input(3)[c], variance = run->input(4)[c];
    if (shape.batch_statistics) {
      double sum = 0, squares = 0, count = double(kernel.count());
      kernel.each_plane(c, [&](int64_t at) { sum += kernel.table->sum(data + at, shape.plane); });
      mean = float(sum / count);
      kernel.each_plane(c, [&](int64_t at) {
        squares += kernel.table->square_sum(data + at, shape.plane, mean);
      });
      variance = float(squares / count);
    }
    float invstd = 1.0f / std::sqrt(variance + float(shape.eps));
    float scale = shape.fix_gamma ? invstd : invstd * run->input(1)[c];
    float shift = run->input(2)[c] - mean * scale;
    kernel.each_plane(c, [&](int64_t at) {
      kernel.table->scale(data + at, shape.plane, scale, shift, run->output(0) + at);
    });
    run->output(1)[c] = mean;
    run->output(2)[c] = invstd;
  }
}

void move(float* moving, float batch, double momentum) {
  *moving = *moving * float(momentum) + batch * float(1 - momentum);
}

void backward_channels(void* context, int64_t begin, int64_t end) {
  const BatchNormRun* run = static_cast<BatchNormRun*>(context);
  const BatchNorm& kernel = *run->kernel;
  const BatchNormShape& shape = kernel.shape;
  const float *grad = run->input(0), *data = run->input(1);
  float* moving_mean = static_cast<float*>(run->args->inputs[5]);
  float* moving_var = static_cast<float*>(run->args->inputs[6]);
  for (int64_t c = begin; c < end; ++c) {
    float mean = shape.batch_statistics ? run->input(3)[c] : moving_mean[c];
    float invstd = shape.batch_statistics ? run->input(4)[c]
                                          : 1.0f / std::sqrt(moving_var[c] + float(shape.eps));
    double sum = 0, product = 0;
    kernel.each_plane(c, [&](int64_t at) {
      sum += kernel.table->sum(grad + at, shape.plane);
      product += kernel.table->product_sum(data + at, grad + at, shape.plane, mean);
    });
    float d_gamma = float(product * invstd);
    float scale = shape.fix_gamma ? invstd : invstd * run->input(2)[c];
    float factor = 0, shift = 0;
    if (shape.batch_statistics) {  // d = (g - sum/n - (x - mean) invstd d_gamma/n) scale
      factor = float(-double(scale) * invstd * d_gamma / double(kernel.count()));
      shift = float(-double(scale) * sum / double(kernel.count()) - double(factor) * mean);
      move(moving_mean + c, mean, shape.momentum);
      move(moving_var + c, 1.0f / (invstd * invstd) - float(shape.eps), shape.momentum);
    }
    kernel.each_plane(c, [&](int64_t at) {
      kernel.table->blend(grad + at, data + at, shape.plane, scale, factor, shift,
                          run->output(0) + at);
    });
    run->output(1)[c] = shape.fix_gamma ? 0.0f : d_gamma;
    run->output(2)[c] = float(sum);
  }
}

BatchNorm::BatchNorm(const BatchNormShape& shape_, bool backward)
    : Kernel(&run_kernel, &destroy_as<BatchNorm>, 0), shape(shape_),
      channels(backward ? &backward_channels : &forward_channels) {
  double values = double(count()) * double(shape.channels);
  cost_ns = 300 + values * (backward ? 0.6 : 0.4) + double(shape.batch * shape.channels) * 10;
}

int BatchNorm::run_kernel(Kernel* self, const RunArgs* args) {
  BatchNorm* kernel = static_cast<BatchNorm*>(self);
  BatchNormRun run{kernel, args};
  parallel_for(kernel->shape.channels, grain(kernel->cost_ns, kernel->shape.channels),
               kernel->channels, &run);
  return 0;
}

// ---- local response normalization ------------------------------------------------------------

constexpr int64_t kStrip = 128;  // positions at a time: the strips of all channels stay in the cache

struct ResponseNorm : Kernel {
  ChannelWindow window;
  const PlaneLoops* table = loops();
  bool backward;
  int64_t strips;  // of one image

  ResponseNorm(const ChannelWindow& window_, bool backward_)
      : Kernel(&run_kernel, &destroy_as<ResponseNorm>, 0), window(window_), backward(backward_),
        strips((window_.plane + kStrip - 1) / kStrip) {
    double values = double(window.batch) * double(window.channels) * double(window.plane);
    double power = window.beta == 0.75f ? 1 : 15;
    cost_ns = 300 + values * (double(2 * window.half + 1) * 0.2 + power + (backward ? 1 : 0));
  }
  static int run_kernel(Kernel* self, const RunArgs* args);
};

struct ResponseRun {
  const ResponseNorm* kernel;
  const RunArgs* args;
  std::atomic<bool> good{true};
};

void run_strips(void* context, int64_t begin, int64_t end) {
  ResponseRun* run = static_cast<ResponseRun*>(context);
  const ResponseNorm& kernel = *run->kernel;
  const ChannelWindow& window = kernel.window;
  size_t bytes = kernel.backward ? size_t((window.channels + 1) * kStrip) * sizeof(float) : 0;
  float* scratch = bytes ? static_cast<float*>(pool_allocate(bytes)) : nullptr;
  if (bytes && !scratch) {
    run->good.store(false, std::memory_order_relaxed);
    return;
  }
  for (int64_t strip = begin; strip < end; ++strip) {
    int64_t image = strip / kernel.strips * window.channels * window.plane;
    int64_t from = strip % kernel.strips * kStrip, to = std::min(window.plane, from + kStrip);
    auto input = [&](int i) { return static_cast<const float*>(run->args->inputs[i]) + image; };
    auto output = [&](int i) { return static_cast<float*>(run->args->outputs[i]) + image; };
    if (kernel.backward)
      kernel.table->respond_backward(&window, input(0), input(1), input(2), from, to, output(0), scratch);
    else
      kernel.table->respond(&window, input(0), from, to, output(0), output(1));
  }
  if (scratch) pool_free(scratch, bytes);
}

int ResponseNorm::run_kernel(Kernel* self, const RunArgs* args) {
  ResponseNorm* kernel = static_cast<ResponseNorm*>(self);
  ResponseRun run{kernel, args};
  int64_t strips = kernel->window.batch * kernel->strips;
  parallel_for(strips, grain(kernel->cost_ns, strips), &run_strips, &run);
  if (run.good.load(std::memory_order_relaxed)) return 0;
  std::snprintf(args->error, kErrorBytes, "out of memory for a strip of %lld channels",
                static_cast<long long>(kernel->window.channels));
  return 1;
}

}  // namespace

Kernel* make_response_norm(const ChannelWindow& window) { return new ResponseNorm(window, false); }

Kernel* make_backward_response_norm(const ChannelWindow& window) {
  return new ResponseNorm(window, true);
}

Kernel* make_pooling(const PoolWindow& window, int64_t planes) {
  return new Pooling(window, planes, false);
}

Kernel* make_backward_pooling(const PoolWindow& window, int64_t planes) {
  return new Pooling(window, planes, true);
}

Kernel* make_batch_norm(const BatchNormShape& shape) { return new BatchNorm(shape, false); }

Kernel* make_backward_batch_norm(const BatchNormShape& shape) { return new BatchNorm(shape, true); }

}  // namespace weft
