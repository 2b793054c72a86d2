// What a pooling window covers, for the sources that are compiled once for each instruction set (see target.hpp).
#pragma once

#include "ops/cpu/planes.hpp"

namespace weft {
inline namespace WEFT_TARGET {

struct Range {
  int64_t begin, end;
  int64_t size() const { return end > begin ? end - begin : 0; }
};

// The elements of axis `axis` in window `index`, padding left out.
inline Range inside(const PoolWindow* w, int axis, int64_t index) {
  int64_t begin = index * w->stride[axis] - w->pad[axis], end = begin + w->kernel[axis];
  return {begin < 0 ? 0 : begin, end > w->in[axis] ? w->in[axis] : end};
}

// How many elements an average counts along one axis.
inline int64_t counted(const PoolWindow* w, int axis, int64_t index) {
  if (!w->include_pad) return inside(w, axis, index).size();
  int64_t begin = index * w->stride[axis] - w->pad[axis], end = begin + w->kernel[axis];
  int64_t limit = w->in[axis] + w->pad[axis];
  return (end < limit ? end : limit) - begin;
}

}  // namespace WEFT_TARGET
}  // namespace weft
