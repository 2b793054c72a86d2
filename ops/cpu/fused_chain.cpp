#include "ops/cpu/fused_chain.hpp"

#include "ops/cpu/fused_chain_codes.hpp"
#include "ops/cpu/target.hpp"

namespace weft {
namespace baseline {
Loop fused_chain_loop(bool stream);
}
#if WEFT_HAVE_AVX2_TARGET
namespace avx2 {
Loop fused_chain_loop(bool stream);
}
#endif

namespace {

struct Row {
  const char* name;
  int first, second;  // codes by the place of the running value; -1: not in a chain
};
constexpr Row kRows[] = {
    {"add", ChainCode::kAdd, ChainCode::kAdd},
    {"subtract", ChainCode::kSubtract, ChainCode::kSubtractFrom},
    {"multiply", ChainCode::kMultiply, ChainCode::kMultiply},
    {"divide", ChainCode::kDivide, ChainCode::kDivideInto},
    {"maximum", ChainCode::kMaximum, ChainCode::kMaximumOf},
    {"minimum", ChainCode::kMinimum, ChainCode::kMinimumOf},
    {"grad_relu", ChainCode::kReluGrad, -1},
    {"grad_step", ChainCode::kStepGrad, -1},
    {"relu", ChainCode::kRelu, -1},
    {"abs", ChainCode::kAbs, -1},
    {"negative", ChainCode::kNegative, -1},
    {"square", ChainCode::kSquare, -1},
    {"clip", ChainCode::kClip, -1},
};

}  // namespace

int chain_code(Loop loop, bool second) {
  for (const Row& row : kRows) {
    const LoopEntry* entry = find_loop(row.name, DType::kFloat32);
    if (entry && entry->loop == loop) return second ? row.second : row.first;
  }
  return -1;
}

Loop chain_loop(bool stream) {
#if WEFT_HAVE_AVX2_TARGET
  if (cpu_has_avx2()) return avx2::fused_chain_loop(stream);
#endif
  return baseline::fused_chain_loop(stream);
}

}  // namespace weft
