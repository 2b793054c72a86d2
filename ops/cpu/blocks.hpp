// Kernels on arrays whose channels lie in blocks, (N, C / block, H, W, block) float32 with 8 or 16
// channels a block: changes of layout, pooling, batch normalization. A block is a vector register's
// worth, so that every loop runs over channels side by side.
#pragma once

#include <cstdint>

#include "ops/cpu/planes.hpp"

namespace weft {

struct Blocking {
  int64_t batch, channels, plane, block;
};

// Sums over some positions of one block of channels, in terms of values less `pivot`.
struct BlockSums {
  double first[16], second[16];
};

struct BlockLoops {
  void (*to_blocked)(const float* in, int64_t plane, int64_t block, float* out);    // one block of channels
  void (*from_blocked)(const float* in, int64_t plane, int64_t block, float* out);
  void (*pool)(const PoolWindow* window, int64_t block, const float* in, float* out);
  void (*pool_backward)(const PoolWindow* window, int64_t block, const float* grad, const float* in,
                        const float* out, float* d_in);
  // first += sum of (in - pivot), second += sum of its squares
  void (*moments)(const float* in, int64_t n, int64_t block, const float* pivot, BlockSums* sums);
  // out = in * scale + shift, not below `lowest`
  void (*normalize)(const float* in, int64_t n, int64_t block, const float* scale, const float* shift,
                    float lowest, float* out);
  // first += sum of grad, second += sum of grad * (in - pivot), where in * scale + shift > lowest
  void (*products)(const float* in, const float* grad, int64_t n, int64_t block, const float* pivot,
                   const float* scale, const float* shift, float lowest, BlockSums* sums);
  // out = grad * scale + in * factor + offset, grad counted as in products()
  void (*blend)(const float* in, const float* grad, int64_t n, int64_t block, const float* scale,
                const float* shift, float lowest, const float* factor, const float* offset, float* out);
};

Kernel* make_to_blocked(const Blocking& blocking);    // (plain) -> blocked
Kernel* make_from_blocked(const Blocking& blocking);  // (blocked) -> plain
// (data) -> out;  (out_grad, data, out) -> d_data; planes: images times blocks of channels
Kernel* make_block_pooling(const PoolWindow& window, int64_t planes, int64_t block);
Kernel* make_backward_block_pooling(const PoolWindow& window, int64_t planes, int64_t block);
// (data, gamma, beta, moving_mean, moving_var) -> out, mean, inverse deviation; relu: out = max(out, 0)
Kernel* make_block_batch_norm(const BatchNormShape& shape, int64_t block, bool relu);
// (out_grad, data, gamma, beta, mean, inverse deviation, moving_mean, moving_var) -> d_data, d_gamma, d_beta
Kernel* make_backward_block_batch_norm(const BatchNormShape& shape, int64_t block, bool relu);

}  // namespace weft
