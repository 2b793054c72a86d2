// Reductions over any axes.
#pragma once

#include <vector>

#include "ops/cpu/loops.hpp"
#include "ops/kernel.hpp"

namespace weft {

enum class ReduceOp : uint8_t { kSum, kProd, kMax, kMin, kNanSum, kNanProd, kAbsSum, kSquareSum };
constexpr int kReduceOps = 8;

// One operation on one type (float, double or int64). Accumulators have 8 bytes: double for the floats, int64.
struct Reducer {
  // Merges n neighbouring elements into one accumulator.
  void (*run)(const void* x, int64_t n, void* accumulator);
  // Merges `rows` rows of `width` elements, `stride` elements apart, into `width` accumulators.
  void (*rows)(const void* x, int64_t rows, int64_t stride, int64_t width, void* accumulators);
  void (*merge)(void* into, const void* from, int64_t n);
  double identity;  // what accumulators start from (converted to int64 for that type, saturating)
};
constexpr int64_t kReduceColumns = 1024;  // the largest width of rows()

struct ReduceSpec {
  ReduceOp op = ReduceOp::kSum;
  DType type, out_type;
  std::vector<int64_t> shape;
  std::vector<bool> reduced;  // for each axis
  bool mean = false;          // divide by the number of elements
  bool root = false;          // square root of the result
};
Kernel* make_reduce(const ReduceSpec& spec);

// Index of the largest or smallest element (the first NaN when there is one) along n of (outer, n, inner).
Kernel* make_arg_reduce(bool smallest, DType type, DType out_type, int64_t outer, int64_t n, int64_t inner);

}  // namespace weft
