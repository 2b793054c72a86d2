// Vectors for the sources that are compiled once for each instruction set (see target.hpp).
//
// GCC's vector extensions carry the arithmetic: 32 bytes everywhere, which the compiler splits where registers
// are narrower. A loop is written as a functor on vectors and run by map1/map2/map3.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "ops/cpu/loops.hpp"

#pragma GCC diagnostic ignored "-Wpsabi"
#define WEFT_INLINE inline __attribute__((always_inline))

namespace weft {
inline namespace WEFT_TARGET {

template <class T> struct SimdOf;
template <> struct SimdOf<float> {
  typedef float V __attribute__((vector_size(32)));
  typedef int32_t I __attribute__((vector_size(32)));
  typedef float Unaligned __attribute__((vector_size(32), aligned(4), may_alias));
  using Int = int32_t;
  static constexpr int lanes = 8, mantissa = 23, bias = 127;
  static constexpr int32_t abs_mask = 0x7fffffff;
  static constexpr float round_magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
};
template <> struct SimdOf<double> {
  typedef double V __attribute__((vector_size(32)));
  typedef int64_t I __attribute__((vector_size(32)));
  typedef double Unaligned __attribute__((vector_size(32), aligned(8), may_alias));
  using Int = int64_t;
  static constexpr int lanes = 4, mantissa = 52, bias = 1023;
  static constexpr int64_t abs_mask = 0x7fffffffffffffff;
  static constexpr double round_magic = 6755399441055744.0;
};
template <class T> using Vec = typename SimdOf<T>::V;
template <class T> using IVec = typename SimdOf<T>::I;

// Not 0 + value: that would lose the sign of -0.
WEFT_INLINE SimdOf<float>::V splat_lanes(float v) { return SimdOf<float>::V{v, v, v, v, v, v, v, v}; }
WEFT_INLINE SimdOf<double>::V splat_lanes(double v) { return SimdOf<double>::V{v, v, v, v}; }
template <class T> WEFT_INLINE Vec<T> splat(T value) { return splat_lanes(value); }
template <class T> WEFT_INLINE Vec<T> load(const T* from) {
  return *reinterpret_cast<const typename SimdOf<T>::Unaligned*>(from);
}
template <class T> WEFT_INLINE void store(T* to, Vec<T> value) {
  *reinterpret_cast<typename SimdOf<T>::Unaligned*>(to) = value;
}
// The first `count` elements, the others as given; memory behind them is not touched.
#if defined(__AVX2__)
alignas(32) constexpr int32_t kPartMask32[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
alignas(32) constexpr int64_t kPartMask64[8] = {-1, -1, -1, -1};
WEFT_INLINE __m256i part_mask(const float*, intptr_t count) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kPartMask32 + 8 - count));
}
WEFT_INLINE __m256i part_mask(const double*, intptr_t count) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kPartMask64 + 4 - count));
}
template <class T> WEFT_INLINE Vec<T> load_part(const T* from, intptr_t count, T other = T(0)) {
  const __m256i mask = part_mask(from, count);
  Vec<T> value;
  if constexpr (sizeof(T) == 4) value = (Vec<T>)_mm256_maskload_ps(reinterpret_cast<const float*>(from), mask);
  else value = (Vec<T>)_mm256_maskload_pd(reinterpret_cast<const double*>(from), mask);
  return (IVec<T>)mask != 0 ? value : splat<T>(other);
}
template <class T> WEFT_INLINE void store_part(T* to, Vec<T> value, intptr_t count) {
  const __m256i mask = part_mask(to, count);
  if constexpr (sizeof(T) == 4) _mm256_maskstore_ps(reinterpret_cast<float*>(to), mask, (__m256)value);
  else _mm256_maskstore_pd(reinterpret_cast<double*>(to), mask, (__m256d)value);
}
#else
template <class T> WEFT_INLINE Vec<T> load_part(const T* from, intptr_t count, T other = T(0)) {
  Vec<T> value = splat<T>(other);
  for (intptr_t k = 0; k < count; ++k) value[k] = from[k];
  return value;
}
template <class T> WEFT_INLINE void store_part(T* to, Vec<T> value, intptr_t count) {
  for (intptr_t k = 0; k < count; ++k) to[k] = value[k];
}
#endif

template <class T> WEFT_INLINE IVec<T> bits(Vec<T> x) { return (IVec<T>)x; }
template <class T> WEFT_INLINE Vec<T> from_bits(IVec<T> x) { return (Vec<T>)x; }
template <class T> WEFT_INLINE Vec<T> absolute(Vec<T> x) {
  return from_bits<T>(bits<T>(x) & SimdOf<T>::abs_mask);
}
template <class T> WEFT_INLINE Vec<T> copy_sign(Vec<T> magnitude, Vec<T> sign) {
  return from_bits<T>((bits<T>(magnitude) & SimdOf<T>::abs_mask) | (bits<T>(sign) & ~SimdOf<T>::abs_mask));
}
// These return the first argument when it is NaN, so that NaN goes through a clamp.
template <class T> WEFT_INLINE Vec<T> at_least(Vec<T> x, T low) { return x < low ? splat<T>(low) : x; }
template <class T> WEFT_INLINE Vec<T> at_most(Vec<T> x, T high) { return x > high ? splat<T>(high) : x; }
template <class T> WEFT_INLINE bool any(IVec<T> mask) {
#if defined(__AVX2__)
  return !_mm256_testz_si256((__m256i)mask, (__m256i)mask);
#else
  typename SimdOf<T>::Int all = 0;
  for (int k = 0; k < SimdOf<T>::lanes; ++k) all |= mask[k];
  return all != 0;
#endif
}
template <class T> WEFT_INLINE Vec<T> square_root(Vec<T> x) {
  Vec<T> y{};
  for (int k = 0; k < SimdOf<T>::lanes; ++k) y[k] = std::sqrt(x[k]);
  return y;
}

// --- running a functor over arrays --------------------------------------------------------------------------

constexpr intptr_t kGather = 256;  // elements gathered at a time when the steps are odd

// Runs `self` on contiguous copies: for steps that are neither 0 nor the size of an element.
template <class T, int kInputs>
__attribute__((noinline)) void run_strided(Loop self, char** args, intptr_t n, const intptr_t* steps, void* data) {
  T buffers[kInputs + 1][kGather];
  for (intptr_t begin = 0; begin < n; begin += kGather) {
    intptr_t count = n - begin < kGather ? n - begin : kGather;
    char* pointers[kInputs + 1];
    intptr_t tight[kInputs + 1];
    for (int j = 0; j <= kInputs; ++j) {
      pointers[j] = reinterpret_cast<char*>(buffers[j]);
      tight[j] = sizeof(T);
      if (j < kInputs)
        for (intptr_t k = 0; k < count; ++k)
          std::memcpy(&buffers[j][k], args[j] + (begin + k) * steps[j], sizeof(T));
    }
    self(pointers, &count, tight, data);
    for (intptr_t k = 0; k < count; ++k)
      std::memcpy(args[kInputs] + (begin + k) * steps[kInputs], &buffers[kInputs][k], sizeof(T));
  }
}

template <class T> inline bool is_tight(const intptr_t* steps, int inputs) {
  for (int j = 0; j < inputs; ++j)
    if (steps[j] != sizeof(T) && steps[j] != 0) return false;
  return steps[inputs] == sizeof(T);
}

// A functor F has `Vec<T> operator()(Vec<T>...) const` and is made from the loop's parameters.
template <class T, class F> void map1(char** args, const intptr_t* dimensions, const intptr_t* steps, void* data) {
  const intptr_t n = dimensions[0];
  if (steps[0] != sizeof(T) || steps[1] != sizeof(T)) return run_strided<T, 1>(map1<T, F>, args, n, steps, data);
  const F f(static_cast<const double*>(data));
  const T* x = reinterpret_cast<const T*>(args[0]);
  T* out = reinterpret_cast<T*>(args[1]);
  constexpr int lanes = SimdOf<T>::lanes;
  intptr_t i = 0;
  for (; i + lanes <= n; i += lanes) store<T>(out + i, f(load<T>(x + i)));
  if (i < n) store_part<T>(out + i, f(load_part<T>(x + i, n - i)), n - i);
}

template <class T, class F, bool kSplatA, bool kSplatB>
WEFT_INLINE void map2_tight(const T* a, const T* b, T* out, intptr_t n, const F& f) {
  constexpr int lanes = SimdOf<T>::lanes;
  const Vec<T> a0 = kSplatA ? splat<T>(*a) : Vec<T>{}, b0 = kSplatB ? splat<T>(*b) : Vec<T>{};
  intptr_t i = 0;
  for (; i + lanes <= n; i += lanes)
    store<T>(out + i, f(kSplatA ? a0 : load<T>(a + i), kSplatB ? b0 : load<T>(b + i)));
  if (i < n)
    store_part<T>(out + i, f(kSplatA ? a0 : load_part<T>(a + i, n - i), kSplatB ? b0 : load_part<T>(b + i, n - i)),
                  n - i);
}

template <class T, class F> void map2(char** args, const intptr_t* dimensions, const intptr_t* steps, void* data) {
  const intptr_t n = dimensions[0];
  if (!is_tight<T>(steps, 2)) return run_strided<T, 2>(map2<T, F>, args, n, steps, data);
  const F f(static_cast<const double*>(data));
  const T *a = reinterpret_cast<const T*>(args[0]), *b = reinterpret_cast<const T*>(args[1]);
  T* out = reinterpret_cast<T*>(args[2]);
  if (steps[0] && steps[1]) return map2_tight<T, F, false, false>(a, b, out, n, f);
  if (steps[0]) return map2_tight<T, F, false, true>(a, b, out, n, f);
  if (steps[1]) return map2_tight<T, F, true, false>(a, b, out, n, f);
  const Vec<T> value = f(splat<T>(*a), splat<T>(*b));
  for (intptr_t i = 0; i < n; ++i) out[i] = value[0];
}

// Three inputs; broadcasting ones are read again for each vector.
template <class T, class F> void map3(char** args, const intptr_t* dimensions, const intptr_t* steps, void* data) {
  const intptr_t n = dimensions[0];
  if (!is_tight<T>(steps, 3)) return run_strided<T, 3>(map3<T, F>, args, n, steps, data);
  const F f(static_cast<const double*>(data));
  const T* in[3];
  for (int j = 0; j < 3; ++j) in[j] = reinterpret_cast<const T*>(args[j]);
  T* out = reinterpret_cast<T*>(args[3]);
  constexpr int lanes = SimdOf<T>::lanes;
  const bool spread[3] = {steps[0] == 0, steps[1] == 0, steps[2] == 0};
  for (intptr_t i = 0; i < n; i += lanes) {
    const intptr_t count = n - i < lanes ? n - i : lanes;
    Vec<T> v[3];
    for (int j = 0; j < 3; ++j)
      v[j] = spread[j] ? splat<T>(*in[j]) : count == lanes ? load<T>(in[j] + i) : load_part<T>(in[j] + i, count);
    const Vec<T> y = f(v[0], v[1], v[2]);
    if (count == lanes) store<T>(out + i, y);
    else store_part<T>(out + i, y, count);
  }
}

}  // namespace WEFT_TARGET
}  // namespace weft
