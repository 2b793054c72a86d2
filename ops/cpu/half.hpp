// IEEE half precision to and from float, for code that meets a few halves; loops over arrays of
// them belong into multi_target_sources with F16C.
#pragma once

#include <cstdint>
#include <cstring>

namespace weft {

static inline float half_to_float(uint16_t half) {
  // Shift exponent and mantissa into place; the multiplication corrects the bias and subnormals.
  const uint32_t magnitude = uint32_t(half & 0x7fff) << 13;
  float value;
  std::memcpy(&value, &magnitude, 4);
  value *= 5.192296858534828e33f;  // 2^112
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  if ((half & 0x7c00) == 0x7c00) bits |= 0x7f800000u;  // infinity and NaN
  bits |= uint32_t(half & 0x8000) << 16;
  std::memcpy(&value, &bits, 4);
  return value;
}

static inline uint16_t float_to_half(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  const uint16_t sign = uint16_t((bits >> 16) & 0x8000);
  bits &= 0x7fffffff;
  if (bits > 0x7f800000) return uint16_t(sign | 0x7e00);   // NaN
  if (bits >= 0x477ff000) return uint16_t(sign | 0x7c00);  // rounds to infinity
  if (bits < 0x38800000) {
    // Subnormal: adding 0.5 lets the float unit round the mantissa to the right place.
    float shifted;
    std::memcpy(&shifted, &bits, 4);
    shifted += 0.5f;
    std::memcpy(&bits, &shifted, 4);
    return uint16_t(sign | (bits - 0x3f000000));
  }
  bits += 0xfff + ((bits >> 13) & 1);  // to nearest, ties to even
  return uint16_t(sign | ((bits - 0x38000000) >> 13));
}

}  // namespace weft
