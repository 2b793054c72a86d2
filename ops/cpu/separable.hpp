// Images mapped line by line: the same sparse mix of rows, then the same sparse mix of columns, for every plane.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/cpu/loops.hpp"
#include "ops/kernel.hpp"

namespace weft {

// Result i is the sum of weights[k] * input[first[i] + k - begin[i]] for k in [begin[i], begin[i + 1]).
struct LineMixes {
  std::vector<int64_t> first, begin;
  std::vector<double> weights;
};

struct SeparableShape {
  DType type;
  int64_t planes, height, width;  // of the input
  LineMixes rows, columns;
};
Kernel* make_separable(const SeparableShape& shape);  // data -> out

}  // namespace weft
