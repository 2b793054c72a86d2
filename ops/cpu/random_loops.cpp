// Philox4x32-10 (Salmon and others, 2011): a counter goes through ten rounds of multiplications, so any part of any
// stream can be made by any thread. Compiled once for each instruction set.
#include "ops/cpu/random_loops.hpp"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace weft {
inline namespace WEFT_TARGET {

constexpr int kLanes = 8;
constexpr uint32_t kMultiply0 = 0xD2511F53u, kMultiply1 = 0xCD9E8D57u;
constexpr uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;

// Eight 32-bit numbers. The compiler does not find the widening multiplication by itself.
#if defined(__AVX2__)
struct Words {
  __m256i v;
  static Words same(uint32_t x) { return {_mm256_set1_epi32(static_cast<int>(x))}; }
  static Words load(const uint32_t* x) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x))}; }
  void store(uint32_t* x) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(x), v); }
};
static inline Words operator^(Words a, Words b) { return {_mm256_xor_si256(a.v, b.v)}; }
static inline void multiply(Words a, Words m, Words* high, Words* low) {
  const __m256i even = _mm256_mul_epu32(a.v, m.v), odd = _mm256_mul_epu32(_mm256_srli_epi64(a.v, 32), m.v);
  *high = {_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA)};
  *low = {_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA)};
}
#else
struct Words {
  uint32_t v[kLanes];
  static Words same(uint32_t x) {
    Words w;
    for (int i = 0; i < kLanes; ++i) w.v[i] = x;
    return w;
  }
  static Words load(const uint32_t* x) {
    Words w;
    for (int i = 0; i < kLanes; ++i) w.v[i] = x[i];
    return w;
  }
  void store(uint32_t* x) const {
    for (int i = 0; i < kLanes; ++i) x[i] = v[i];
  }
};
static inline Words operator^(Words a, Words b) {
  for (int i = 0; i < kLanes; ++i) a.v[i] ^= b.v[i];
  return a;
}
static inline void multiply(Words a, Words m, Words* high, Words* low) {
  for (int i = 0; i < kLanes; ++i) {
    const uint64_t product = static_cast<uint64_t>(a.v[i]) * m.v[i];
    high->v[i] = static_cast<uint32_t>(product >> 32);
    low->v[i] = static_cast<uint32_t>(product);
  }
}
#endif

// Eight blocks at a time: eight first words, eight second words, and so on.
static void philox_bits(uint32_t* out, int64_t first, int64_t count, uint64_t seed, uint64_t call) {
  const Words m0 = Words::same(kMultiply0), m1 = Words::same(kMultiply1);
  for (int64_t start = 0; start < count / 4; start += kLanes) {
    uint32_t low[kLanes], high[kLanes];
    for (int i = 0; i < kLanes; ++i) {
      const uint64_t block = static_cast<uint64_t>(first + start + i);
      low[i] = static_cast<uint32_t>(block);
      high[i] = static_cast<uint32_t>(block >> 32);
    }
    Words a = Words::load(low), b = Words::load(high);
    Words c = Words::same(static_cast<uint32_t>(call)), d = Words::same(static_cast<uint32_t>(call >> 32));
    uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
      Words p_high, p_low, q_high, q_low;
      multiply(a, m0, &p_high, &p_low);
      multiply(c, m1, &q_high, &q_low);
      a = q_high ^ b ^ Words::same(key0);
      c = p_high ^ d ^ Words::same(key1);
      b = q_low;
      d = p_low;
      key0 += kWeyl0;
      key1 += kWeyl1;
    }
    uint32_t* words = out + start * 4;
    a.store(words);
    b.store(words + kLanes);
    c.store(words + 2 * kLanes);
    d.store(words + 3 * kLanes);
  }
}

// The largest value below `high`; rounding must not reach it.
static inline float below(float high) {
  const float step = (high < 0 ? -high : high) * 5.9604645e-8f;
  return high - (step > 1e-38f ? step : 1e-38f);
}
static inline double below(double high) {
  const double step = (high < 0 ? -high : high) * 1.1102230246251565e-16;
  return high - (step > 1e-300 ? step : 1e-300);
}

static inline double unit64(const uint32_t* words) {
  const uint64_t joined = (static_cast<uint64_t>(words[0]) << 32 | words[1]) >> 11;
  return static_cast<double>(static_cast<int64_t>(joined)) * 1.1102230246251565e-16;
}

static void uniform32(const uint32_t* bits, float* out, int64_t n, float low, float high) {
  const float scale = (high - low) * 5.9604645e-8f, most = high > low ? below(high) : high;
  for (int64_t i = 0; i < n; ++i) {
    const float value = low + scale * static_cast<float>(static_cast<int32_t>(bits[i] >> 8));
    out[i] = value < high ? value : most;
  }
}

static void uniform64(const uint32_t* bits, double* out, int64_t n, double low, double high) {
  const double most = high > low ? below(high) : high;
  for (int64_t i = 0; i < n; ++i) {
    const double value = low + (high - low) * unit64(bits + 2 * i);
    out[i] = value < high ? value : most;
  }
}

static void positive32(const uint32_t* bits, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    out[i] = (static_cast<float>(static_cast<int32_t>(bits[i] >> 8)) + 0.5f) * 5.9604645e-8f;
}

static void positive64(const uint32_t* bits, double* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = unit64(bits + 2 * i) + 5.551115123125783e-17;
}

template <class T>
static inline void drop(const uint32_t* bits, const T* x, T* out, T* mask, int64_t n, int32_t threshold, T scale) {
  for (int64_t i = 0; i < n; ++i) {
    const T factor = static_cast<int32_t>(bits[i] >> 1) < threshold ? scale : T(0);
    mask[i] = factor;
    out[i] = x[i] * factor;
  }
}

static void drop32(const uint32_t* bits, const float* x, float* out, float* mask, int64_t n, int32_t threshold,
                   float scale) {
  drop(bits, x, out, mask, n, threshold, scale);
}
static void drop64(const uint32_t* bits, const double* x, double* out, double* mask, int64_t n, int32_t threshold,
                   double scale) {
  drop(bits, x, out, mask, n, threshold, scale);
}

RandomLoops random_loops() {
  return {philox_bits, uniform32, uniform64, positive32, positive64, drop32, drop64};
}

}  // namespace WEFT_TARGET
}  // namespace weft
