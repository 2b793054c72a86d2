// Kernels that choose elements by index arrays: take, pick, gather, scatter, one_hot, where.
#pragma once

#include <cstdint>

#include "ops/cpu/copy_loops.hpp"
#include "ops/kernel.hpp"

namespace weft {

enum IndexMode : int { kClip = 0, kWrap = 1, kRaise = 2 };

// Data seen as (outer, axis, inner); `count` indices select along the axis.
struct TakeShape {
  int64_t outer, axis, inner, count;
};

// (data, indices) -> (outer, count, inner)
Kernel* make_take(TakeShape shape, int item_bytes, int index_type, int mode, double cost_ns);
// (out_grad, ..., indices at input `index_input`) -> sum of the gradients of each row, (outer, axis, inner)
Kernel* make_take_gradient(TakeShape shape, int item_type, int index_type, int index_input, int mode,
                           double cost_ns);

// (data (outer, axis, inner), indices (outer, inner)) -> (outer, inner)
Kernel* make_pick(TakeShape shape, int item_bytes, int index_type, int mode, double cost_ns);
// (out_grad (outer, inner), ..., indices) -> zeros but for the picked places
Kernel* make_pick_gradient(TakeShape shape, int item_bytes, int index_type, int index_input,
                           int mode, double cost_ns);

Kernel* make_one_hot(int64_t count, int64_t depth, int item_bytes, int index_type, uint64_t on,
                     uint64_t off, double cost_ns);

constexpr int kMaxIndexDims = 32;

// `count` places, each named by `ndim` rows of the (ndim, count) index array; each a block of items.
struct NdShape {
  int ndim;
  int64_t dims[kMaxIndexDims];
  int64_t count, block;
};

Kernel* make_gather_nd(const NdShape& shape, int item_bytes, int index_type, double cost_ns);

enum ScatterMode : int { kScatterSet = 0, kScatterAdd = 1, kScatterInto = 2 };
// kScatterSet, kScatterAdd: (data, indices) -> zeros with data written or added there.
// kScatterInto: (base, data, indices) -> base with data written there.
// The indices are input number `index_input`.
Kernel* make_scatter_nd(const NdShape& shape, int item_type, int index_type, int index_input,
                        int mode, double cost_ns);

// condition ? x : y; the condition has `count` entries, each deciding `block` items.
Kernel* make_where(int64_t count, int64_t block, int item_bytes, int condition_type,
                   double cost_ns);
// (out_grad, condition) -> (gradient of x, gradient of y)
Kernel* make_where_gradient(int64_t count, int64_t block, int item_bytes, int condition_type,
                            double cost_ns);

// Converts `count` indices of any number type.
void read_indices(const void* source, int type, int64_t count, int64_t* target);

}  // namespace weft
