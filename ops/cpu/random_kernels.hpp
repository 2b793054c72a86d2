// Kernels that draw random numbers.
#pragma once

#include "ops/cpu/loops.hpp"
#include "ops/kernel.hpp"

namespace weft {

enum class Draw : uint8_t { kUniform, kNormal };

// Uniform: parameters low, high; normal: mean, deviation. Both are the first two dynamic scalars.
// nullptr where the type is not a floating-point type.
Kernel* make_draw(Draw draw, DType type, int64_t size);
// Integers on [low, high); int32 and int64.
Kernel* make_randint(DType type, int64_t size, int64_t low, int64_t high);
// Outputs: data with a share `p` of its elements dropped and the rest scaled, and the factors.
Kernel* make_dropout(DType type, int64_t size, double p, bool active);

}  // namespace weft
