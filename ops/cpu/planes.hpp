// Kernels that work on whole channel planes of (N, C, ...) float32 arrays: pooling, batch
// normalization, local response normalization. Bound by memory, so plain loops suffice.
#pragma once

#include <cstdint>

#include "ops/kernel.hpp"

namespace weft {

enum class PoolKind : int { kMax, kAverage, kSum };

// Windows of one pooling. Missing leading axes have size, kernel and stride one, pad zero.
struct PoolWindow {
  PoolKind kind;
  bool include_pad;  // averages count padding
  int64_t in[3], out[3], kernel[3], stride[3], pad[3];

  int64_t in_plane() const { return in[0] * in[1] * in[2]; }
  int64_t out_plane() const { return out[0] * out[1] * out[2]; }
  int64_t scratch() const { return in[2] + out[2] + 2; }  // values that the loops need
};

struct BatchNormShape {
  int64_t batch, channels, plane;
  double eps, momentum;
  bool fix_gamma;
  bool batch_statistics;  // else normalize by the moving ones
};

// Local response normalization: norm = knorm + scale * sum of squares of 2 half + 1 neighbouring
// channels; out = data * norm^-beta.
struct ChannelWindow {
  int64_t batch, channels, plane, half;
  float scale, knorm, beta;
};

// One copy for each instruction set (see target.hpp).
struct PlaneLoops {
  // Scratch: window->scratch() values.
  void (*pool)(const PoolWindow* window, const float* in, float* out, float* scratch);
  void (*pool_backward)(const PoolWindow* window, const float* grad, const float* in,
                        const float* out, float* d_in, float* scratch);
  double (*sum)(const float* in, int64_t n);
  double (*square_sum)(const float* in, int64_t n, float mean);              // of in - mean
  double (*product_sum)(const float* in, const float* grad, int64_t n, float mean);  // (in-mean)*grad
  void (*scale)(const float* in, int64_t n, float scale, float shift, float* out);  // in*scale+shift
  // out = a*scale + in*factor + shift
  void (*blend)(const float* a, const float* in, int64_t n, float scale, float factor, float shift,
                float* out);
  // Positions [begin, end) of all channels of one image.
  void (*respond)(const ChannelWindow* window, const float* in, int64_t begin, int64_t end,
                  float* out, float* norm);
  // Scratch: (channels + 1) * (end - begin) values.
  void (*respond_backward)(const ChannelWindow* window, const float* grad, const float* in,
                           const float* norm, int64_t begin, int64_t end, float* d_in,
                           float* scratch);
};

// (data) -> out;  (out_grad, data, out) -> d_data
Kernel* make_pooling(const PoolWindow& window, int64_t planes);
Kernel* make_backward_pooling(const PoolWindow& window, int64_t planes);
// (data, gamma, beta, moving_mean, moving_var) -> out, mean, inverse deviation
Kernel* make_batch_norm(const BatchNormShape& shape);
// (out_grad, data, gamma, mean, inverse deviation, moving_mean, moving_var) -> d_data, d_gamma, d_beta
Kernel* make_backward_batch_norm(const BatchNormShape& shape);
// (data) -> out, norm;  (out_grad, data, norm) -> d_data
Kernel* make_response_norm(const ChannelWindow& window);
Kernel* make_backward_response_norm(const ChannelWindow& window);

}  // namespace weft
