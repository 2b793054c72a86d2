// Softmax of one row, or of a block of neighbouring columns. Compiled once for each instruction set.
#include <limits>

#include "ops/cpu/softmax.hpp"
#include "ops/cpu/vmath.hpp"

namespace weft {
inline namespace WEFT_TARGET {
namespace {

template <class T> WEFT_INLINE Vec<T> larger(Vec<T> a, Vec<T> b) { return a > b ? a : b; }
// All lanes joined by halves.
WEFT_INLINE Vec<float> swap_by(Vec<float> x, int step) {
  return step == 4   ? __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3)
         : step == 2 ? __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5)
                     : __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6);
}
WEFT_INLINE Vec<double> swap_by(Vec<double> x, int step) {
  return step == 2 ? __builtin_shufflevector(x, x, 2, 3, 0, 1) : __builtin_shufflevector(x, x, 1, 0, 3, 2);
}
template <class T> WEFT_INLINE T sum_lanes(Vec<T> x) {
  for (int step = SimdOf<T>::lanes / 2; step; step /= 2) x = x + swap_by(x, step);
  return x[0];
}
template <class T> WEFT_INLINE T largest_lane(Vec<T> x) {
  for (int step = SimdOf<T>::lanes / 2; step; step /= 2) x = larger<T>(x, swap_by(x, step));
  return x[0];
}
WEFT_INLINE IVec<float> lane_numbers(float) { return IVec<float>{0, 1, 2, 3, 4, 5, 6, 7}; }
WEFT_INLINE IVec<double> lane_numbers(double) { return IVec<double>{0, 1, 2, 3}; }
// The first `count` lanes of x, `other` in those behind.
template <class T> WEFT_INLINE Vec<T> keep(Vec<T> x, int64_t count, T other) {
  return lane_numbers(T()) < static_cast<typename SimdOf<T>::Int>(count) ? x : splat<T>(other);
}

template <class T> T largest_of(const T* x, int64_t n, T scale) {
  constexpr int lanes = SimdOf<T>::lanes;
  const T lowest = -std::numeric_limits<T>::infinity();
  Vec<T> m[4];
  for (auto& v : m) v = splat<T>(lowest);
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes)
    for (int k = 0; k < 4; ++k) m[k] = larger<T>(load<T>(x + i + k * lanes) * scale, m[k]);
  for (; i + lanes <= n; i += lanes) m[0] = larger<T>(load<T>(x + i) * scale, m[0]);
  if (i < n) m[1] = larger<T>(keep<T>(load_part<T>(x + i, n - i) * scale, n - i, lowest), m[1]);
  return largest_lane<T>(larger<T>(larger<T>(m[0], m[1]), larger<T>(m[2], m[3])));
}

template <class T, bool kStore> T sum_of_exp(const T* x, T* out, int64_t n, T scale, T shift) {
  constexpr int lanes = SimdOf<T>::lanes;
  Vec<T> s[2] = {};
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    for (int k = 0; k < 2; ++k) {
      Vec<T> e = vexp_nonpositive<T>(load<T>(x + i + k * lanes) * scale - shift);
      if (kStore) store<T>(out + i + k * lanes, e);
      s[k] = s[k] + e;
    }
  }
  for (; i + lanes <= n; i += lanes) {
    Vec<T> e = vexp_nonpositive<T>(load<T>(x + i) * scale - shift);
    if (kStore) store<T>(out + i, e);
    s[0] = s[0] + e;
  }
  if (i < n) {
    Vec<T> e = vexp_nonpositive<T>(load_part<T>(x + i, n - i) * scale - shift);
    if (kStore) store_part<T>(out + i, e, n - i);
    s[1] = s[1] + keep<T>(e, n - i, T(0));
  }
  return sum_lanes<T>(s[0] + s[1]);
}

template <class T, bool kAround> WEFT_INLINE void store_result(T* to, Vec<T> value) {
#if defined(__AVX__)
  if constexpr (kAround && sizeof(T) == 4) return _mm256_stream_ps(reinterpret_cast<float*>(to), (__m256)value);
  if constexpr (kAround && sizeof(T) == 8) return _mm256_stream_pd(reinterpret_cast<double*>(to), (__m256d)value);
#endif
  store<T>(to, value);
}

template <class T, bool kAround>
WEFT_INLINE void row_in(const T* x, T* work, int64_t n, T scale, bool log, T* out) {
  constexpr int lanes = SimdOf<T>::lanes;
  const T shift = largest_of<T>(x, n, scale);
  int64_t i = 0;
  if (log) {
    const T total = std::log(sum_of_exp<T, false>(x, work, n, scale, shift));
    // In two steps: the logarithm must not be lost beside a large shift.
    for (; i + lanes <= n; i += lanes) store_result<T, kAround>(out + i, (load<T>(x + i) * scale - shift) - total);
    if (i < n) store_part<T>(out + i, (load_part<T>(x + i, n - i) * scale - shift) - total, n - i);
    return;
  }
  const T factor = T(1) / sum_of_exp<T, true>(x, work, n, scale, shift);
  for (; i + lanes <= n; i += lanes) store_result<T, kAround>(out + i, load<T>(work + i) * factor);
  if (i < n) store_part<T>(out + i, load_part<T>(work + i, n - i) * factor, n - i);
}

template <class T> void row(const T* x, T* work, int64_t n, T scale, bool log, T* out, bool around) {
  if (around) row_in<T, true>(x, work, n, scale, log, out);
  else row_in<T, false>(x, work, n, scale, log, out);
}

template <class T> void row_backward(const T* grad, const T* y, int64_t n, T scale, bool log, T* out) {
  constexpr int lanes = SimdOf<T>::lanes;
  Vec<T> s[2] = {};
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes)
    for (int k = 0; k < 2; ++k) {
      Vec<T> g = load<T>(grad + i + k * lanes);
      s[k] = s[k] + (log ? g : g * load<T>(y + i + k * lanes));
    }
  for (; i < n; i += lanes) {
    const int64_t count = n - i < lanes ? n - i : lanes;
    Vec<T> g = load_part<T>(grad + i, count);
    s[0] = s[0] + (log ? g : g * load_part<T>(y + i, count));
  }
  const T total = sum_lanes<T>(s[0] + s[1]);
  for (i = 0; i < n; i += lanes) {
    const int64_t count = n - i < lanes ? n - i : lanes;
    const bool whole = count == lanes;
    Vec<T> g = whole ? load<T>(grad + i) : load_part<T>(grad + i, count);
    Vec<T> v = whole ? load<T>(y + i) : load_part<T>(y + i, count);
    Vec<T> d = (log ? g - vexp<T>(v) * total : v * (g - total)) * scale;
    if (whole) store<T>(out + i, d);
    else store_part<T>(out + i, d, count);
  }
}

// Calls f(column, count) for the vectors that cover `width` columns.
template <class T, class F> WEFT_INLINE void each_vector(int64_t width, F f) {
  constexpr int lanes = SimdOf<T>::lanes;
  for (int64_t j = 0; j < width; j += lanes) f(j, width - j < lanes ? width - j : lanes);
}
template <class T> WEFT_INLINE Vec<T> load_any(const T* from, int64_t count) {
  return count == SimdOf<T>::lanes ? load<T>(from) : load_part<T>(from, count);
}
template <class T> WEFT_INLINE void store_any(T* to, Vec<T> value, int64_t count) {
  if (count == SimdOf<T>::lanes) store<T>(to, value);
  else store_part<T>(to, value, count);
}

template <class T>
void columns(const T* x, int64_t n, int64_t stride, int64_t width, T scale, bool log, T* out) {
  T shift[kSoftmaxColumns], total[kSoftmaxColumns];
  for (int64_t j = 0; j < kSoftmaxColumns; ++j) {
    shift[j] = -std::numeric_limits<T>::infinity();
    total[j] = 0;
  }
  for (int64_t i = 0; i < n; ++i)
    each_vector<T>(width, [&](int64_t j, int64_t count) {
      store<T>(shift + j, larger<T>(load_any<T>(x + i * stride + j, count) * scale, load<T>(shift + j)));
    });
  for (int64_t i = 0; i < n; ++i)
    each_vector<T>(width, [&](int64_t j, int64_t count) {
      Vec<T> e = vexp_nonpositive<T>(load_any<T>(x + i * stride + j, count) * scale - load<T>(shift + j));
      if (!log) store_any<T>(out + i * stride + j, e, count);
      store<T>(total + j, load<T>(total + j) + e);
    });
  for (int64_t j = 0; j < width; ++j) total[j] = log ? std::log(total[j]) : T(1) / total[j];
  for (int64_t i = 0; i < n; ++i)
    each_vector<T>(width, [&](int64_t j, int64_t count) {
      const int64_t at = i * stride + j;
      Vec<T> t = load<T>(total + j);
      Vec<T> y = log ? (load_any<T>(x + at, count) * scale - load<T>(shift + j)) - t : load_any<T>(out + at, count) * t;
      store_any<T>(out + at, y, count);
    });
}

template <class T>
void columns_backward(const T* grad, const T* y, int64_t n, int64_t stride, int64_t width, T scale, bool log, T* out) {
  T total[kSoftmaxColumns] = {};
  for (int64_t i = 0; i < n; ++i)
    each_vector<T>(width, [&](int64_t j, int64_t count) {
      Vec<T> g = load_any<T>(grad + i * stride + j, count);
      store<T>(total + j, load<T>(total + j) + (log ? g : g * load_any<T>(y + i * stride + j, count)));
    });
  for (int64_t i = 0; i < n; ++i)
    each_vector<T>(width, [&](int64_t j, int64_t count) {
      Vec<T> g = load_any<T>(grad + i * stride + j, count), v = load_any<T>(y + i * stride + j, count);
      Vec<T> t = load<T>(total + j);
      store_any<T>(out + i * stride + j, (log ? g - vexp<T>(v) * t : v * (g - t)) * scale, count);
    });
}

}  // namespace

void softmax_loops(SoftmaxLoops<float>* single, SoftmaxLoops<double>* wide) {
  *single = {row<float>, row_backward<float>, columns<float>, columns_backward<float>};
  *wide = {row<double>, row_backward<double>, columns<double>, columns_backward<double>};
}

}  // namespace WEFT_TARGET
}  // namespace weft
