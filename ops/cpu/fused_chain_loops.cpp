// An interpreter whose registers hold 64 elements: one switch for every op and block, no load or store between ops.
// Every op computes what its loop in arithmetic.hpp does, bit for bit. Compiled once for each instruction set.
#include "ops/cpu/fused_chain.hpp"

#include <cstring>

#if defined(__AVX__)
#include <immintrin.h>
#endif

#include "ops/cpu/fused_chain_codes.hpp"

namespace weft {
inline namespace WEFT_TARGET {
namespace {

constexpr intptr_t kBlock = 64;
constexpr intptr_t kAhead = 1024;  // elements asked for ahead: measured, 512 and 2,048 gain less

typedef float V __attribute__((vector_size(32)));
typedef int VI __attribute__((vector_size(32)));
typedef float Unaligned __attribute__((vector_size(32), aligned(4), may_alias));

#define WEFT_LOAD(p) (*reinterpret_cast<const Unaligned*>(p))
// Not 0 + v: that would lose the sign of -0.
#define WEFT_SPLAT(v) (V{v, v, v, v, v, v, v, v})
#define WEFT_EIGHT(S) S(0) S(1) S(2) S(3) S(4) S(5) S(6) S(7)
#define WEFT_CHAIN1(name, expression)                       \
  case 2 * ChainCode::name:                                 \
  case 2 * ChainCode::name + 1: {                           \
    { const V a = v0; v0 = (expression); }                  \
    { const V a = v1; v1 = (expression); }                  \
    { const V a = v2; v2 = (expression); }                  \
    { const V a = v3; v3 = (expression); }                  \
    { const V a = v4; v4 = (expression); }                  \
    { const V a = v5; v5 = (expression); }                  \
    { const V a = v6; v6 = (expression); }                  \
    { const V a = v7; v7 = (expression); }                  \
    break;                                                  \
  }
// a: the running value, b: the operand, a number or an array.
#define WEFT_CHAIN2(name, expression)                                   \
  case 2 * ChainCode::name: {                                           \
    const V b = WEFT_SPLAT(*p);                                               \
    { const V a = v0; v0 = (expression); }                              \
    { const V a = v1; v1 = (expression); }                              \
    { const V a = v2; v2 = (expression); }                              \
    { const V a = v3; v3 = (expression); }                              \
    { const V a = v4; v4 = (expression); }                              \
    { const V a = v5; v5 = (expression); }                              \
    { const V a = v6; v6 = (expression); }                              \
    { const V a = v7; v7 = (expression); }                              \
    break;                                                              \
  }                                                                     \
  case 2 * ChainCode::name + 1: {                                       \
    { const V a = v0, b = WEFT_LOAD(p); v0 = (expression); }            \
    { const V a = v1, b = WEFT_LOAD(p + 8); v1 = (expression); }        \
    { const V a = v2, b = WEFT_LOAD(p + 16); v2 = (expression); }       \
    { const V a = v3, b = WEFT_LOAD(p + 24); v3 = (expression); }       \
    { const V a = v4, b = WEFT_LOAD(p + 32); v4 = (expression); }       \
    { const V a = v5, b = WEFT_LOAD(p + 40); v5 = (expression); }       \
    { const V a = v6, b = WEFT_LOAD(p + 48); v6 = (expression); }       \
    { const V a = v7, b = WEFT_LOAD(p + 56); v7 = (expression); }       \
    break;                                                              \
  }

template <bool kStream> inline void put(float* to, const V& value) {
#if defined(__AVX__)
  if (kStream) {
    _mm256_stream_ps(to, (__m256)value);
    return;
  }
#endif
  *reinterpret_cast<Unaligned*>(to) = value;
}

// `codes` are those of the ops doubled, plus one where the operand is an array.
template <bool kStream>
void block(const Chain& chain, const int* codes, const float* const* operands, bool whole, intptr_t at, float* out) {
  const V zero = V{};
  const float* x = operands[0] + (whole ? at : 0);
#define WEFT_FIRST(i) V v##i = whole ? V(WEFT_LOAD(x + (i) * 8)) : WEFT_SPLAT(*x);
  WEFT_EIGHT(WEFT_FIRST)
  for (int k = 0; k < chain.count; ++k) {
    const ChainOp& op = chain.ops[k];
    const int code = codes[k];
    const float* p = operands[op.operand] + (code & 1 ? at : 0);
    switch (code) {
      WEFT_CHAIN2(kAdd, a + b)
      WEFT_CHAIN2(kSubtract, a - b)
      WEFT_CHAIN2(kSubtractFrom, b - a)
      WEFT_CHAIN2(kMultiply, a * b)
      WEFT_CHAIN2(kDivide, a / b)
      WEFT_CHAIN2(kDivideInto, b / a)
      WEFT_CHAIN2(kMaximum, ((a > b) | (a != a)) ? a : b)
      WEFT_CHAIN2(kMaximumOf, ((b > a) | (b != b)) ? b : a)
      WEFT_CHAIN2(kMinimum, ((a < b) | (a != a)) ? a : b)
      WEFT_CHAIN2(kMinimumOf, ((b < a) | (b != b)) ? b : a)
      WEFT_CHAIN2(kReluGrad, (b > zero) ? a : ((b == b) ? zero : b))
      WEFT_CHAIN2(kStepGrad, a * ((b > zero) ? WEFT_SPLAT(1.0f) : zero))
      WEFT_CHAIN1(kRelu, (a < zero) ? zero : a)
      WEFT_CHAIN1(kAbs, V(VI(a) & 0x7fffffff))
      WEFT_CHAIN1(kNegative, -a)
      WEFT_CHAIN1(kSquare, a * a)
      case 2 * ChainCode::kClip:
      case 2 * ChainCode::kClip + 1: {
        const V low = WEFT_SPLAT(op.low), high = WEFT_SPLAT(op.high);
#define WEFT_CLIP(i) v##i = (v##i > high) ? high : ((v##i < low) ? low : v##i);
        WEFT_EIGHT(WEFT_CLIP)
        break;
      }
    }
  }
#define WEFT_PUT(i) put<kStream>(out + (i) * 8, v##i);
  WEFT_EIGHT(WEFT_PUT)
}

template <bool kStream> void run(char** args, const intptr_t* dimensions, const intptr_t* steps, void* data) {
  const Chain& chain = *static_cast<const Chain*>(data);
  const float* operands[kChainOperands];
  int codes[kChainOps];
  for (int j = 0; j < chain.operands; ++j) operands[j] = reinterpret_cast<const float*>(args[j]);
  for (int k = 0; k < chain.count; ++k)
    codes[k] = 2 * chain.ops[k].code + (chain.ops[k].operand > 0 && steps[chain.ops[k].operand] != 0);
  float* out = reinterpret_cast<float*>(args[chain.operands]);
  const bool whole = steps[0] != 0, aligned = (reinterpret_cast<uintptr_t>(out) & 31) == 0;
  const intptr_t n = dimensions[0];
  intptr_t i = 0;
  if (kStream && aligned)
    for (; i + kBlock <= n; i += kBlock) {
      // While the ops of a block are worked on, the processor fetches too little by itself.
      if (whole)
        for (int line = 0; line < 4; ++line) __builtin_prefetch(operands[0] + i + kAhead + line * 16);
      block<true>(chain, codes, operands, whole, i, out + i);
    }
  else
    for (; i + kBlock <= n; i += kBlock) block<false>(chain, codes, operands, whole, i, out + i);
  if (i == n) return;
  // The rest, in buffers of a whole block.
  float rest[kChainOperands][kBlock], result[kBlock];
  for (int j = 0; j < chain.operands; ++j) {
    if (!steps[j]) continue;
    std::memset(rest[j], 0, sizeof rest[j]);
    std::memcpy(rest[j], operands[j] + i, (n - i) * sizeof(float));
    operands[j] = rest[j];
  }
  block<false>(chain, codes, operands, whole, 0, result);
  std::memcpy(out + i, result, (n - i) * sizeof(float));
}

}  // namespace

Loop fused_chain_loop(bool stream) { return stream ? run<true> : run<false>; }

}  // namespace WEFT_TARGET
}  // namespace weft
