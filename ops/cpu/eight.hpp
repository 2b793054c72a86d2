// Eight float32 values as one vector, for the sources that are compiled once for each instruction set (see target.hpp).
#pragma once

#include <cstdint>

#pragma GCC diagnostic ignored "-Wpsabi"  // these are inline: no vector is passed between sources

namespace weft {
inline namespace WEFT_TARGET {

typedef float Eight __attribute__((vector_size(32)));
typedef int32_t EightMask __attribute__((vector_size(32)));

inline Eight load8(const float* at) {
  Eight value;
  __builtin_memcpy(&value, at, sizeof(value));
  return value;
}

inline void store8(float* at, const Eight& value) { __builtin_memcpy(at, &value, sizeof(value)); }

// The transpose of 8 x 8 values: pairs, then fours, then halves change places.
inline void transpose8(Eight* rows) {
  constexpr EightMask kLow = {0, 8, 1, 9, 4, 12, 5, 13}, kHigh = {2, 10, 3, 11, 6, 14, 7, 15};
  constexpr EightMask kFirst = {0, 1, 8, 9, 4, 5, 12, 13}, kSecond = {2, 3, 10, 11, 6, 7, 14, 15};
  constexpr EightMask kFront = {0, 1, 2, 3, 8, 9, 10, 11}, kBack = {4, 5, 6, 7, 12, 13, 14, 15};
  Eight pairs[8], fours[8];
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = __builtin_shuffle(rows[i], rows[i + 1], kLow);
    pairs[i + 1] = __builtin_shuffle(rows[i], rows[i + 1], kHigh);
  }
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; ++j) {
      fours[i + 2 * j] = __builtin_shuffle(pairs[i + j], pairs[i + 2 + j], kFirst);
      fours[i + 2 * j + 1] = __builtin_shuffle(pairs[i + j], pairs[i + 2 + j], kSecond);
    }
  for (int i = 0; i < 4; ++i) {
    rows[i] = __builtin_shuffle(fours[i], fours[i + 4], kFront);
    rows[i + 4] = __builtin_shuffle(fours[i], fours[i + 4], kBack);
  }
}

// The same from memory to memory; the rows lie `step` apart, those of the transpose `to_step`.
inline void transpose8(const float* from, int64_t step, float* to, int64_t to_step) {
  Eight rows[8];
  for (int k = 0; k < 8; ++k) rows[k] = load8(from + k * step);
  transpose8(rows);
  for (int k = 0; k < 8; ++k) store8(to + k * to_step, rows[k]);
}

}  // namespace WEFT_TARGET
}  // namespace weft
