// Inner loops of row normalization and dropout, compiled once for each instruction set.
#include "ops/cpu/layers.hpp"
#include "ops/cpu/simd.hpp"

namespace weft {
inline namespace WEFT_TARGET {

namespace {

template <class T> WEFT_INLINE T add_lanes(Vec<T> x) {
  T total = 0;
  for (int k = 0; k < SimdOf<T>::lanes; ++k) total += x[k];
  return total;
}

// Calls f(place, count) for each vector of a row; the last may be part of one.
template <class T, class F> WEFT_INLINE void each(int64_t n, const F& f) {
  constexpr int lanes = SimdOf<T>::lanes;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) f(i, int64_t(lanes));
  if (i < n) f(i, n - i);
}

template <class T> WEFT_INLINE Vec<T> load_any(const T* from, int64_t count, T other = T(0)) {
  return count == SimdOf<T>::lanes ? load<T>(from) : load_part<T>(from, count, other);
}
template <class T> WEFT_INLINE void store_any(T* to, Vec<T> value, int64_t count) {
  if (count == SimdOf<T>::lanes) store<T>(to, value);
  else store_part<T>(to, value, count);
}

template <class T> void moments(const T* x, int64_t n, T* mean, T* var) {
  Vec<T> total{};
  each<T>(n, [&](int64_t i, int64_t count) { total += load_any<T>(x + i, count); });
  const T middle = add_lanes<T>(total) / T(n);
  Vec<T> squares{};
  each<T>(n, [&](int64_t i, int64_t count) {
    const Vec<T> d = load_any<T>(x + i, count, middle) - middle;
    squares += d * d;
  });
  *mean = middle;
  *var = add_lanes<T>(squares) / T(n);
}

template <class T>
void scale_row(const T* x, int64_t n, T mean, T inv, const T* gamma, const T* beta, bool vectors, T* out) {
  const Vec<T> g0 = splat<T>(*gamma * inv), b0 = splat<T>(*beta);
  each<T>(n, [&](int64_t i, int64_t count) {
    const Vec<T> g = vectors ? load_any<T>(gamma + i, count) * inv : g0;
    const Vec<T> b = vectors ? load_any<T>(beta + i, count) : b0;
    store_any<T>(out + i, (load_any<T>(x + i, count) - mean) * g + b, count);
  });
}

template <class T>
void row_sums(const T* grad, const T* x, int64_t n, T mean, T inv, const T* gamma, T* sum, T* dot) {
  Vec<T> total{}, product{};
  each<T>(n, [&](int64_t i, int64_t count) {
    Vec<T> u = load_any<T>(grad + i, count);
    if (gamma) u *= load_any<T>(gamma + i, count);
    total += u;
    product += u * (load_any<T>(x + i, count) - mean);
  });
  *sum = add_lanes<T>(total);
  *dot = add_lanes<T>(product) * inv;
}

template <class T>
void row_backward(const T* grad, const T* x, int64_t n, T mean, T inv, const T* gamma, T factor, T a, T b, T* out) {
  const T slope = b * inv;
  each<T>(n, [&](int64_t i, int64_t count) {
    Vec<T> u = load_any<T>(grad + i, count) * factor;
    if (gamma) u *= load_any<T>(gamma + i, count);
    store_any<T>(out + i, (u - a - (load_any<T>(x + i, count) - mean) * slope) * inv, count);
  });
}

template <class T> void accumulate(const T* grad, const T* x, int64_t n, T mean, T inv, T* d_gamma, T* d_beta) {
  each<T>(n, [&](int64_t i, int64_t count) {
    const Vec<T> g = load_any<T>(grad + i, count);
    const Vec<T> normal = (load_any<T>(x + i, count) - mean) * inv;
    store_any<T>(d_gamma + i, load_any<T>(d_gamma + i, count) + g * normal, count);
    store_any<T>(d_beta + i, load_any<T>(d_beta + i, count) + g, count);
  });
}

// Philox 4x32-10 (Salmon et al., 2011) on eight counters at once.
struct Philox {
  uint32_t word[4][8];
};

#if defined(__AVX2__)
// High and low halves of the products of all lanes with one number.
inline void multiply(__m256i x, __m256i factor, __m256i* high, __m256i* low) {
  const __m256i even = _mm256_mul_epu32(x, factor), odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), factor);
  *low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
  *high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
}

inline void philox_rounds(uint32_t c[4][8], uint32_t k0, uint32_t k1) {
  __m256i x[4];
  for (int w = 0; w < 4; ++w) x[w] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(c[w]));
  const __m256i m0 = _mm256_set1_epi64x(0xD2511F53), m1 = _mm256_set1_epi64x(0xCD9E8D57);
  for (int round = 0; round < 10; ++round) {
    __m256i high0, low0, high1, low1;
    multiply(x[0], m0, &high0, &low0);
    multiply(x[2], m1, &high1, &low1);
    x[0] = _mm256_xor_si256(_mm256_xor_si256(high1, x[1]), _mm256_set1_epi32(int(k0)));
    x[1] = low1;
    x[2] = _mm256_xor_si256(_mm256_xor_si256(high0, x[3]), _mm256_set1_epi32(int(k1)));
    x[3] = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int w = 0; w < 4; ++w) _mm256_storeu_si256(reinterpret_cast<__m256i*>(c[w]), x[w]);
}
#else
inline void philox_rounds(uint32_t c[4][8], uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    for (int l = 0; l < 8; ++l) {
      const uint64_t p0 = uint64_t(0xD2511F53u) * c[0][l], p1 = uint64_t(0xCD9E8D57u) * c[2][l];
      c[0][l] = uint32_t(p1 >> 32) ^ c[1][l] ^ k0;
      c[2][l] = uint32_t(p0 >> 32) ^ c[3][l] ^ k1;
      c[1][l] = uint32_t(p1);
      c[3][l] = uint32_t(p0);
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}
#endif

inline void philox(uint64_t first, uint64_t stream, uint64_t seed, Philox* result) {
  for (int l = 0; l < 8; ++l) {
    result->word[0][l] = uint32_t(first + l);
    result->word[1][l] = uint32_t((first + l) >> 32);
    result->word[2][l] = uint32_t(stream);
    result->word[3][l] = uint32_t(stream >> 32);
  }
  philox_rounds(result->word, uint32_t(seed), uint32_t(seed >> 32));
}

template <class T>
void dropout(const T* x, int64_t begin, int64_t end, uint64_t seed, uint64_t counter, uint32_t threshold, T scale,
             T* out, T* mask) {
  Philox numbers;
  for (int64_t i = begin; i < end; i += kDropoutGroup) {
    // Eight counters make the 32 numbers of a group: which element gets which does not depend on the pieces.
    philox(uint64_t(i) / kDropoutGroup * 8, counter, seed, &numbers);
    const uint32_t* drawn = &numbers.word[0][0];
    if (end - i >= kDropoutGroup) {
      for (int j = 0; j < kDropoutGroup; ++j) {
        const T factor = drawn[j] < threshold ? scale : T(0);
        mask[i + j] = factor;
        out[i + j] = x[i + j] * factor;
      }
    } else {
      for (int j = 0; j < int(end - i); ++j) {
        const T factor = drawn[j] < threshold ? scale : T(0);
        mask[i + j] = factor;
        out[i + j] = x[i + j] * factor;
      }
    }
  }
}

template <class T> LayerLoops<T> all() {
  return {moments<T>, scale_row<T>, row_sums<T>, row_backward<T>, accumulate<T>, dropout<T>};
}

}  // namespace

void layer_loops(LayerLoops<float>* single, LayerLoops<double>* wide) {
  *single = all<float>();
  *wide = all<double>();
}

}  // namespace WEFT_TARGET
}  // namespace weft
