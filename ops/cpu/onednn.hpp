// Kernels on top of oneDNN. Every factory returns a new kernel, or nullptr when the library is not
// open or has no implementation for the case: the caller then takes the next tier.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/kernel.hpp"

namespace weft {
namespace dnnl {

// out[b] = op(lhs[b]) op(rhs[b]), row-major matrices, op(lhs) m x k, op(rhs) k x n.
struct MatrixProduct {
  int64_t batch, m, n, k;
  bool transpose_lhs, transpose_rhs;
};
Kernel* make_matrix_product(const MatrixProduct& product);  // (lhs, rhs) -> out

// out = data weight^T + bias: data rows x depth, weight units x depth.
struct FullyConnected {
  int64_t rows, depth, units;
  bool bias;
  bool relu = false;  // of the result
};
Kernel* make_fully_connected(const FullyConnected& layer);  // (data, weight[, bias]) -> out

// Which gradients a backward kernel makes; its outputs are the wanted ones in this order.
struct Wanted {
  bool data, weight, bias;
};
// (out_grad, data, weight) -> wanted of (d_data, d_weight, d_bias)
Kernel* make_backward_fully_connected(const FullyConnected& layer, const Wanted& wanted);

// Functions that kernels apply to their result before it leaves the cache.
enum class Activation : int { kNone, kRelu, kSigmoid, kTanh, kSoftRelu, kElu, kGelu, kClip };

// A convolution over 1 to 3 spatial axes, channels first. `in` and `out` are the spatial shapes of
// the data and of the result; weights are (out_channels, in_channels / groups, kernel...).
struct Convolution {
  int64_t batch, in_channels, out_channels, groups;
  std::vector<int64_t> in, out, kernel, stride, dilate, pad;
  bool bias;
  // Arrays whose channels lie in blocks, (N, C / block, H, W, block); 0: plain ones. Of a blocked
  // convolution the data may still be plain (few channels); weights may be packed beforehand.
  int64_t block = 0;
  bool plain_data = false, packed = false;
  bool winograd = false;  // weights arrive transformed, as make_pack_weight() does it
  // Of the result: an array that is added to it, then a function (alpha: slope or lower bound, beta: upper).
  bool residual = false;
  Activation activation = Activation::kNone;
  float alpha = 0, beta = 0;
  // Nothing but what kernels of our own apply: a rectifier with a slope is another function.
  bool relu_or_none() const { return activation == Activation::kNone || (activation == Activation::kRelu && alpha == 0); }
};
// (data, weight[, bias][, residual]) -> out
Kernel* make_convolution(const Convolution& layer);
// (out_grad, data, weight) -> wanted of (d_data, d_weight, d_bias)
Kernel* make_backward_convolution(const Convolution& layer, const Wanted& wanted);

// The transpose of `layer` (a convolution from the result's side to the data's side of the
// deconvolution, so layer.in_channels is what the deconvolution makes); `bias` adds to its result.
Kernel* make_deconvolution(const Convolution& layer);  // (data, weight[, bias]) -> out
Kernel* make_backward_deconvolution(const Convolution& layer, const Wanted& wanted);

// How many channels oneDNN likes in a block on this CPU: 8, 16, or 0 where it prefers other layouts.
int64_t preferred_block();
// Whether 3 x 3 convolutions may be computed by Winograd's method (at first they may).
void allow_winograd(bool allowed);
bool winograd_suits(const Convolution& layer);  // as a forward convolution with transformed weights
// (weight) -> weight as a blocked convolution takes it
Kernel* make_pack_weight(const Convolution& layer);

}  // namespace dnnl
}  // namespace weft
