// Inner loops of row normalization, compiled once for each instruction set.
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

template <class T> LayerLoops<T> all() {
  return {moments<T>, scale_row<T>, row_sums<T>, row_backward<T>, accumulate<T>};
}

}  // namespace

void layer_loops(LayerLoops<float>* single, LayerLoops<double>* wide) {
  *single = all<float>();
  *wide = all<double>();
}

}  // namespace WEFT_TARGET
}  // namespace weft
