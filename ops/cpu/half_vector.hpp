// float16 <-> float32: F16C where the instruction set has it, bit work elsewhere.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace weft {
inline namespace WEFT_TARGET {

#if defined(__F16C__)
inline float half_to_float(uint16_t h) { return _cvtsh_ss(h); }
inline uint16_t float_to_half(float x) { return _cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT); }
inline void halves_to_floats(const uint16_t* from, float* to) {  // 8 of them
  _mm256_storeu_ps(to, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
}
inline void floats_to_halves(const float* from, uint16_t* to) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_cvtps_ph(_mm256_loadu_ps(from), _MM_FROUND_TO_NEAREST_INT));
}
#else
inline float half_to_float(uint16_t h) {
  uint32_t sign = uint32_t(h & 0x8000) << 16, rest = h & 0x7fff, raw;
  float magnitude;
  if (rest >= 0x7c00) {  // infinity, NaN
    raw = 0x7f800000u | uint32_t(rest & 0x3ff) << 13;
    std::memcpy(&magnitude, &raw, 4);
  } else if (rest >= 0x400) {
    raw = (rest + (112u << 10)) << 13;
    std::memcpy(&magnitude, &raw, 4);
  } else {  // subnormal: a multiple of 2^-24
    magnitude = float(rest) * 5.9604644775390625e-8f;
  }
  std::memcpy(&raw, &magnitude, 4);
  raw |= sign;
  std::memcpy(&magnitude, &raw, 4);
  return magnitude;
}
inline uint16_t float_to_half(float x) {
  uint32_t raw;
  std::memcpy(&raw, &x, 4);
  const uint16_t sign = uint16_t((raw >> 16) & 0x8000);
  raw &= 0x7fffffff;
  if (raw > 0x7f800000) return sign | 0x7e00;
  if (raw >= 0x477ff000) return sign | 0x7c00;  // rounds to 65536 or more
  if (raw < 0x38800000) {  // below 2^-14: adding 0.5 rounds to a multiple of 2^-24
    float magnitude;
    std::memcpy(&magnitude, &raw, 4);
    magnitude += 0.5f;
    std::memcpy(&raw, &magnitude, 4);
    return sign | uint16_t(raw - 0x3f000000);
  }
  raw += 0xfffu + ((raw >> 13) & 1);  // nearest, ties to even
  return sign | uint16_t((raw - 0x38000000) >> 13);
}
inline void halves_to_floats(const uint16_t* from, float* to) {
  for (int k = 0; k < 8; ++k) to[k] = half_to_float(from[k]);
}
inline void floats_to_halves(const float* from, uint16_t* to) {
  for (int k = 0; k < 8; ++k) to[k] = float_to_half(from[k]);
}
#endif

}  // namespace WEFT_TARGET
}  // namespace weft
