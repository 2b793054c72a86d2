// float16 arrays for kernels that take float32.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/kernel.hpp"

namespace weft {

// One entry for each input and output: the number of halves to convert, or -1 for an array that is handed on as it is.
struct HalfOperands {
  std::vector<int64_t> inputs, outputs;
};

// Takes over `inner`, which must not write its inputs.
Kernel* make_widened(Kernel* inner, const HalfOperands& halves);

}  // namespace weft
