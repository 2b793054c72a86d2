// Rows of scores and steps between states of CTC. Compiled once for each instruction set.
#include "ops/cpu/ctc.hpp"
#include "ops/cpu/vmath.hpp"

namespace weft {
inline namespace WEFT_TARGET {

template <class T> const CtcRowLoops<T>* ctc_row_loops();
const CtcStateLoops* ctc_state_loops();

namespace {

// Calls body(i, lanes) for vectors of n values; the last one may be a part.
template <class T, class Body> WEFT_INLINE void each_vector(int64_t n, const Body& body) {
  constexpr int lanes = SimdOf<T>::lanes;
  for (int64_t i = 0; i < n; i += lanes) body(i, n - i < lanes ? n - i : int64_t(lanes));
}
template <class T> WEFT_INLINE Vec<T> get(const T* at, int64_t count, T other) {
  return count == SimdOf<T>::lanes ? load<T>(at) : load_part<T>(at, count, other);
}
template <class T> WEFT_INLINE void put(T* at, Vec<T> value, int64_t count) {
  if (count == SimdOf<T>::lanes) store<T>(at, value);
  else store_part<T>(at, value, count);
}

template <class T> RowTotal<T> total(const T* row, int64_t n) {
  constexpr int lanes = SimdOf<T>::lanes;
  const T lowest = -T(INFINITY);
  Vec<T> most = splat<T>(lowest), sum = {};
  each_vector<T>(n, [&](int64_t i, int64_t count) {
    const Vec<T> x = get<T>(row + i, count, lowest);
    most = x > most ? x : most;
  });
  RowTotal<T> result = {most[0], 0};
  for (int lane = 1; lane < lanes; ++lane) result.most = most[lane] > result.most ? most[lane] : result.most;
  each_vector<T>(n, [&](int64_t i, int64_t count) { sum += vexp<T>(get<T>(row + i, count, lowest) - result.most); });
  for (int lane = 0; lane < lanes; ++lane) result.sum += double(sum[lane]);
  return result;
}

template <class T> void soften(const T* row, int64_t n, RowTotal<T> total, T* out) {
  const T factor = T(1 / total.sum);
  each_vector<T>(n, [&](int64_t i, int64_t count) {
    put<T>(out + i, vexp<T>(get<T>(row + i, count, T(0)) - total.most) * factor, count);
  });
}

void advance(const double* stay, const double* next, const double* skip, const double* allowed, const double* chance, int64_t n,
             double* after) {
  each_vector<double>(n, [&](int64_t i, int64_t count) {
    const Vec<double> a = get<double>(stay + i, count, 0), b = get<double>(next + i, count, 0);
    const Vec<double> c = get<double>(skip + i, count, 0) + get<double>(allowed + i, count, 0);
    Vec<double> most = a > b ? a : b;
    most = c > most ? c : most;
    most = most == -INFINITY ? Vec<double>{} : most;  // no path: the logarithm of 0, not of infinity less infinity
    const Vec<double> sum = vexp<double>(a - most) + vexp<double>(b - most) + vexp<double>(c - most);
    put<double>(after + i, get<double>(chance + i, count, 0) + most + vlog<double>(sum), count);
  });
}

void shares(const double* alpha, const double* beta, const double* chance, double total, int64_t n, double* out) {
  each_vector<double>(n, [&](int64_t i, int64_t count) {
    const Vec<double> x =
        get<double>(alpha + i, count, 0) + get<double>(beta + i, count, 0) - get<double>(chance + i, count, 0);
    put<double>(out + i, x - x == 0.0 ? vexp<double>(x - total) : Vec<double>{}, count);
  });
}

}  // namespace

template <class T> const CtcRowLoops<T>* ctc_row_loops() {
  static constexpr CtcRowLoops<T> table = {total<T>, soften<T>};
  return &table;
}
template const CtcRowLoops<float>* ctc_row_loops<float>();
template const CtcRowLoops<double>* ctc_row_loops<double>();

const CtcStateLoops* ctc_state_loops() {
  static constexpr CtcStateLoops table = {advance, shares};
  return &table;
}

}  // namespace WEFT_TARGET
}  // namespace weft
