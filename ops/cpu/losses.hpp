// Gradients of loss layers that look at one element, or one row, at a time; float32 and float64.
#pragma once

#include "ops/cpu/loops.hpp"
#include "ops/kernel.hpp"

namespace weft {

enum class PointLoss : uint8_t {
  kDifference,  // out - label
  kSign,        // 1 where out > label, else -1
  kHinge,       // one against all, linear; label holds the class of each row
  kSquaredHinge
};

struct PointLossSpec {
  DType type;
  PointLoss kind;
  int64_t size, classes;  // classes: length of a row, for the hinge losses
  double scale, margin;
};
Kernel* make_point_loss(const PointLossSpec& spec);  // out_grad (ignored), out, label -> d_data

// MakeLoss: scale everywhere, divided by the number of elements above `threshold`.
Kernel* make_valid_loss(DType type, int64_t size, double scale, double threshold);  // out_grad (ignored), data -> d_data

// Total cross entropy of the softmax of rows with classes.
Kernel* make_row_entropy(DType type, int64_t rows, int64_t classes);           // data, label -> loss
Kernel* make_row_entropy_backward(DType type, int64_t rows, int64_t classes);  // head, data, label -> d_data

// A learnt slope below zero for each channel: out_grad, data, gamma -> d_data, d_gamma. The data are seen as
// (outer, channels, inner).
Kernel* make_prelu_backward(DType type, int64_t outer, int64_t channels, int64_t inner);

}  // namespace weft
