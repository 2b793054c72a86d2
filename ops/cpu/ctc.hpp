// Connectionist temporal classification, float32 and float64; probabilities of paths in double precision, as logarithms.
#pragma once

#include <cstdint>

#include "ops/cpu/loops.hpp"
#include "ops/kernel.hpp"

namespace weft {

struct CtcShape {
  DType type;
  int64_t time, batch, classes, labels;
  bool blank_first;  // else the last class is the blank
  // Number types of the inputs, see read_indices; -1 for one that is not given.
  int label_type, data_length_type, label_length_type;
};

// What is left of a row of scores: exp(x - most) / sum is its softmax.
template <class T> struct RowTotal {
  T most;
  double sum;
};

// One copy for each instruction set.
template <class T> struct CtcRowLoops {
  RowTotal<T> (*total)(const T* row, int64_t n);
  void (*soften)(const T* row, int64_t n, RowTotal<T> total, T* out);
};
struct CtcStateLoops {
  // after[s] = chance[s] + log(exp(stay[s]) + exp(next[s]) + exp(skip[s] + allowed[s])); `allowed` is 0 or minus infinity
  void (*advance)(const double* stay, const double* next, const double* skip, const double* allowed, const double* chance,
                  int64_t n, double* after);
  // out[s] = exp(alpha[s] + beta[s] - chance[s] - total), 0 where that is not a number
  void (*shares)(const double* alpha, const double* beta, const double* chance, double total, int64_t n, double* out);
};

// (data (time, batch, classes), label (batch, labels)[, data lengths][, label lengths]) -> losses, their gradients in data
Kernel* make_ctc_loss(const CtcShape& shape);
// (out_grad (batch), gradients) -> gradients times out_grad
Kernel* make_ctc_scale(DType type, int64_t time, int64_t batch, int64_t classes);

}  // namespace weft
