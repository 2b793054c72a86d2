// Deformable convolutions, plain and modulated: windows whose elements read at offsets of their own; float32 and float64.
#pragma once

#include <cstdint>

#include "ops/cpu/loops.hpp"
#include "ops/kernel.hpp"

namespace weft {

struct DeformableShape {
  DType type;
  int64_t batch, channels, height, width;  // of the data
  int64_t filters, rows, columns;          // of the result
  int64_t kernel[2], stride[2], dilate[2], pad[2];
  int64_t groups, offset_groups;
  bool modulated;  // a factor for each element of the window
  bool bias;
  bool library;  // oneDNN is open

  int64_t window() const { return kernel[0] * kernel[1]; }
  int64_t depth() const { return channels / groups * window(); }  // of one product
  int64_t pixels() const { return height * width; }
  int64_t places() const { return rows * columns; }
};
Kernel* make_deformable(const DeformableShape& shape);  // (data, offset[, mask], weight[, bias]) -> out
// (out_grad, data, offset[, mask], weight) -> gradients of data, offset[, mask], weight[, bias]
Kernel* make_backward_deformable(const DeformableShape& shape);

}  // namespace weft
