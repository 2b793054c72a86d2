// Softmax, its logarithm, their gradients, and the gradient of softmax with cross entropy.
#pragma once

#include "ops/cpu/loops.hpp"
#include "ops/kernel.hpp"

namespace weft {

// An array seen as (outer, n, inner): the softmax runs along n.
struct SoftmaxSpec {
  DType type;
  int64_t outer, n, inner;
  double scale = 1;        // the data are multiplied by it (1 / temperature, negative for softmin)
  bool log = false;
  DType lengths = DType::kOther;  // int32 or int64: a second input says how many of the n count (inner must be 1)
};

// Each is nullptr where it does not fit (float16 only along the last axis).
Kernel* make_softmax(const SoftmaxSpec& spec);           // data, [lengths] -> out
Kernel* make_softmax_backward(const SoftmaxSpec& spec);  // out_grad, out, [lengths ignored] -> d_data

struct CrossEntropySpec {
  DType type;                 // float32 or float64, of all arrays
  int64_t outer, n, inner;    // labels are (outer, inner), or like the data when `probabilities`
  bool probabilities = false;
  bool multiply_head = false; // times out_grad
  bool use_ignore = false;
  double ignore_label = 0;
  double grad_scale = 1;
  double divisor = 1;
  bool divide_by_valid = false;  // by the number of labels that are not ignored instead
  double smooth_alpha = 0;
};
Kernel* make_cross_entropy_backward(const CrossEntropySpec& spec);  // out_grad, out, label -> d_data

// What softmax_loops.cpp has for each instruction set; T is float or double.
template <class T> struct SoftmaxLoops {
  // One contiguous row of n; `work` holds n values (may be `out`).
  // With `around` the results, aligned to 32 bytes, go around the cache.
  void (*row)(const T* x, T* work, int64_t n, T scale, bool log, T* out, bool around);
  void (*row_backward)(const T* grad, const T* y, int64_t n, T scale, bool log, T* out);
  // `width` neighbouring columns of an (n, stride) matrix; width <= kSoftmaxColumns.
  void (*columns)(const T* x, int64_t n, int64_t stride, int64_t width, T scale, bool log, T* out);
  void (*columns_backward)(const T* grad, const T* y, int64_t n, int64_t stride, int64_t width, T scale, bool log,
                           T* out);
};
constexpr int64_t kSoftmaxColumns = 64;

}  // namespace weft
