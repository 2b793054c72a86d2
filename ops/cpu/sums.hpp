// Plain float32 sums that gradients of biases need. The order of additions depends on shapes only,
// so results repeat exactly whatever the number of threads.
#pragma once

#include <cstdint>

namespace weft {

// out[j] = sum over i of in[i * columns + j]
inline void sum_rows(const float* in, int64_t rows, int64_t columns, float* out) {
  for (int64_t j = 0; j < columns; ++j) out[j] = 0.0f;
  for (int64_t i = 0; i < rows; ++i, in += columns)
    for (int64_t j = 0; j < columns; ++j) out[j] += in[j];
}

// Sum of n values, in lanes so that the compiler can use vector registers.
inline float sum_values(const float* in, int64_t n) {
  constexpr int kLanes = 16;
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += in[i + lane];
  float total = 0.0f;
  for (; i < n; ++i) total += in[i];
  for (int lane = 0; lane < kLanes; ++lane) total += lanes[lane];
  return total;
}

}  // namespace weft
