// Sorting, sorting indices and the k first, along n of arrays seen as (outer, n, inner).
#pragma once

#include "ops/cpu/loops.hpp"
#include "ops/kernel.hpp"

namespace weft {

// NaN counts as larger than everything; equal values keep their order in both directions.
struct OrderSpec {
  DType type;
  int64_t outer, n, inner;
  int64_t k;                      // how many of the n are wanted
  bool ascending;
  int values = -1;                // output that gets the values, or -1
  int indices = -1;               // ... their places along the axis
  int mask = -1;                  // ... 1 at the chosen places, 0 elsewhere (all n of them)
  DType index_type = DType::kInt64;
};
Kernel* make_order(const OrderSpec& spec);

}  // namespace weft
