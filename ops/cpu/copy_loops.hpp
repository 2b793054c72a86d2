// Kernels that only move elements: transpose, slice, concat, tile, flip, repeat, pad ... are all one
// plan, a list of strided copies from inputs to outputs.
#pragma once

#include <cstdint>

#include "ops/kernel.hpp"

namespace weft {

constexpr int kMaxCopyDims = 32;
constexpr int kScalarSource = -1;

// One strided copy. Offsets and strides count elements; a source stride of 0 repeats an element.
struct CopySegment {
  int source;       // input number; kScalarSource: the first dynamic parameter, repeated
  int target;       // output number
  int64_t source_offset;
  int64_t target_offset;
  int ndim;
  int64_t dims[kMaxCopyDims];
  int64_t source_strides[kMaxCopyDims];
  int64_t target_strides[kMaxCopyDims];
};

// Number types, numbered as MXNet does.
enum ItemType : int {
  kFloat32 = 0, kFloat64 = 1, kFloat16 = 2, kUint8 = 3, kInt32 = 4, kInt8 = 5, kInt64 = 6, kBool = 7,
};

inline int item_size(int type) {
  switch (type) {
    case kFloat64: case kInt64: return 8;
    case kFloat32: case kInt32: return 4;
    case kFloat16: return 2;
    default: return 1;
  }
}

// An output filled with one value before anything is copied into it.
struct CopyFill {
  int target;
  int64_t count;
  uint64_t pattern;  // the value's bytes, low bytes first
};

// Takes copies of the lists. Rows that already lie where they should are left alone.
Kernel* make_copy_kernel(const CopySegment* segments, int n_segments, const CopyFill* fills,
                         int n_fills, int item_type, double cost_ns);

// dst[i] = pattern for `count` items of `item_bytes`, spread over the free cores.
void fill_items(void* target, int64_t count, int item_bytes, uint64_t pattern);

}  // namespace weft
