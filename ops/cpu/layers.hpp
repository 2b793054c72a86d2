// Normalization of rows: layer, group and instance normalization.
#pragma once

#include "ops/cpu/loops.hpp"
#include "ops/kernel.hpp"

namespace weft {

// An array seen as (rows, length); every row is normalized. Scale and shift are one for each element of a row
// (`per_element`, scales == length), or one for each row: that of row % scales.
struct NormSpec {
  DType type;  // float32 or float64
  int64_t rows, length, scales;
  bool per_element;
  bool deviation;  // the second statistic is sqrt(var + eps), else the variance
  double eps;
};
Kernel* make_norm(const NormSpec& spec);           // data, gamma, beta -> out, mean, statistic
Kernel* make_norm_backward(const NormSpec& spec);  // out_grad, data, gamma, mean, statistic -> d_data, d_gamma, d_beta

// What layers_loops.cpp has for each instruction set.
template <class T> struct LayerLoops {
  void (*moments)(const T* x, int64_t n, T* mean, T* var);
  // out = (x - mean) * inv * gamma + beta
  void (*scale_row)(const T* x, int64_t n, T mean, T inv, const T* gamma, const T* beta, bool vectors, T* out);
  // Sums over a row of u and of u * normal; u is grad, times gamma if there is a vector of that.
  void (*row_sums)(const T* grad, const T* x, int64_t n, T mean, T inv, const T* gamma, T* sum, T* dot);
  // out = (u - a - normal * b) * inv
  void (*row_backward)(const T* grad, const T* x, int64_t n, T mean, T inv, const T* gamma, T factor, T a, T b,
                       T* out);
  // d_gamma += grad * normal, d_beta += grad
  void (*accumulate)(const T* grad, const T* x, int64_t n, T mean, T inv, T* d_gamma, T* d_beta);
};

}  // namespace weft
