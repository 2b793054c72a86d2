// Stores that go around the cache, for results too large to stay in it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "ops/cpu/target.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace weft {

inline bool stream_available() {
#if defined(__SSE2__)
  return true;
#else
  return false;
#endif
}

// Results from this size on are gone from the cache before anyone reads them: half of the last-level cache.
inline int64_t stream_bytes() {
  static const int64_t bytes = std::max<int64_t>(8 << 20, last_level_cache() / 2);
  return bytes;
}

// Copies `bytes`; the middle that fills whole 16-byte units of `to` goes around the cache.
inline void stream_copy(char* to, const char* from, int64_t bytes) {
#if defined(__SSE2__)
  int64_t head = (16 - (reinterpret_cast<uintptr_t>(to) & 15)) & 15;
  if (head > bytes) head = bytes;
  std::memcpy(to, from, head);
  int64_t i = head;
  for (; i + 64 <= bytes; i += 64) {
    const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i));
    const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i + 16));
    const __m128i c = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i + 32));
    const __m128i d = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i + 48));
    _mm_stream_si128(reinterpret_cast<__m128i*>(to + i), a);
    _mm_stream_si128(reinterpret_cast<__m128i*>(to + i + 16), b);
    _mm_stream_si128(reinterpret_cast<__m128i*>(to + i + 32), c);
    _mm_stream_si128(reinterpret_cast<__m128i*>(to + i + 48), d);
  }
  std::memcpy(to + i, from + i, bytes - i);
#else
  std::memcpy(to, from, bytes);
#endif
}

// Makes streamed stores visible to other threads before what follows.
inline void stream_fence() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

}  // namespace weft
