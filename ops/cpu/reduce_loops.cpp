// Reducing runs and rows. Compiled once for each instruction set.
#include <limits>

#include "ops/cpu/reduce.hpp"
#include "ops/cpu/simd.hpp"

namespace weft {
inline namespace WEFT_TARGET {
namespace {

constexpr int64_t kRun = 4096;  // single-precision sums are carried over to double after this many elements
constexpr int64_t kRows = 64;   // ... and after this many rows

// Each operation: `step` takes an element into a vector of partial results, `merge` joins partial results.
template <class V> struct Plus { WEFT_INLINE static V merge(V a, V b) { return a + b; } };
template <class V> struct Times { WEFT_INLINE static V merge(V a, V b) { return a * b; } };
template <class V> struct Larger { WEFT_INLINE static V merge(V a, V b) { return (b > a) | (b != b) ? b : a; } };
template <class V> struct Smaller { WEFT_INLINE static V merge(V a, V b) { return (b < a) | (b != b) ? b : a; } };

#define WEFT_REDUCTION(Name, Merge, start, expression)                      \
  struct Name {                                                             \
    static constexpr double identity = start;                               \
    template <class V> using Join = Merge<V>;                               \
    template <class T> WEFT_INLINE static Vec<T> element(Vec<T> x) { return expression; } \
  };
constexpr double kInfinity = std::numeric_limits<double>::infinity();
WEFT_REDUCTION(Sum, Plus, 0, x)
WEFT_REDUCTION(Prod, Times, 1, x)
WEFT_REDUCTION(Max, Larger, -kInfinity, x)
WEFT_REDUCTION(Min, Smaller, kInfinity, x)
WEFT_REDUCTION(NanSum, Plus, 0, x == x ? x : Vec<T>{})
WEFT_REDUCTION(NanProd, Times, 1, x == x ? x : splat<T>(T(1)))
WEFT_REDUCTION(AbsSum, Plus, 0, absolute<T>(x))
WEFT_REDUCTION(SquareSum, Plus, 0, x* x)

template <class T, class R> WEFT_INLINE Vec<T> step(Vec<T> partial, Vec<T> x) {
  return R::template Join<Vec<T>>::merge(partial, R::template element<T>(x));
}

// All lanes of a vector, joined in double as a tree.
template <class R> WEFT_INLINE double join_lanes(Vec<double> x) {
  using Wide = typename R::template Join<double>;
  return Wide::merge(Wide::merge(x[0], x[1]), Wide::merge(x[2], x[3]));
}
template <class R> WEFT_INLINE double join_lanes(Vec<float> x) {
  using Lanes = typename R::template Join<Vec<double>>;
  typedef float Half __attribute__((vector_size(16)));
  const Half low = __builtin_shufflevector(x, x, 0, 1, 2, 3), high = __builtin_shufflevector(x, x, 4, 5, 6, 7);
  return join_lanes<R>(Lanes::merge(__builtin_convertvector(low, Vec<double>), __builtin_convertvector(high, Vec<double>)));
}

template <class T, class R> void run(const void* data, int64_t n, void* accumulator) {
  constexpr int lanes = SimdOf<T>::lanes;
  using Wide = typename R::template Join<double>;
  const T* x = static_cast<const T*>(data);
  double total = *static_cast<double*>(accumulator);
  const Vec<T> start = splat<T>(T(R::identity));
  for (int64_t begin = 0; begin < n; begin += kRun) {
    const int64_t end = n - begin < kRun ? n : begin + kRun;
    Vec<T> part[4] = {start, start, start, start};
    int64_t i = begin;
    for (; i + 4 * lanes <= end; i += 4 * lanes)
      for (int k = 0; k < 4; ++k) part[k] = step<T, R>(part[k], load<T>(x + i + k * lanes));
    for (; i + lanes <= end; i += lanes) part[0] = step<T, R>(part[0], load<T>(x + i));
    // What is loaded behind the end is neutral.
    if (i < end) part[1] = step<T, R>(part[1], load_part<T>(x + i, end - i, T(R::identity)));
    using Lanes = typename R::template Join<Vec<T>>;
    total = Wide::merge(total, join_lanes<R>(Lanes::merge(Lanes::merge(part[0], part[1]), Lanes::merge(part[2], part[3]))));
  }
  *static_cast<double*>(accumulator) = total;
}

template <class T, class R>
void rows(const void* data, int64_t count, int64_t stride, int64_t width, void* accumulators) {
  constexpr int lanes = SimdOf<T>::lanes;
  using Wide = typename R::template Join<double>;
  const T* x = static_cast<const T*>(data);
  double* total = static_cast<double*>(accumulators);
  alignas(64) T part[kReduceColumns];
  const int64_t whole = width / lanes * lanes;
  for (int64_t begin = 0; begin < count; begin += kRows) {
    const int64_t end = count - begin < kRows ? count : begin + kRows;
    for (int64_t j = 0; j < width; ++j) part[j] = T(R::identity);
    int64_t i = begin;
    for (; i + 4 <= end; i += 4) {
      const T* row = x + i * stride;
      for (int64_t j = 0; j < whole; j += lanes) {
        Vec<T> v = load<T>(part + j);
        for (int k = 0; k < 4; ++k) v = step<T, R>(v, load<T>(row + k * stride + j));
        store<T>(part + j, v);
      }
    }
    for (; i < end; ++i)
      for (int64_t j = 0; j < whole; j += lanes)
        store<T>(part + j, step<T, R>(load<T>(part + j), load<T>(x + i * stride + j)));
    if (whole < width) {
      Vec<T> v = splat<T>(T(R::identity));
      for (i = begin; i < end; ++i)
        v = step<T, R>(v, load_part<T>(x + i * stride + whole, width - whole, T(R::identity)));
      store_part<T>(part + whole, v, width - whole);
    }
    for (int64_t j = 0; j < width; ++j) total[j] = Wide::merge(total[j], static_cast<double>(part[j]));
  }
}

template <class R> void merge(void* into, const void* from, int64_t n) {
  using Wide = typename R::template Join<double>;
  double* to = static_cast<double*>(into);
  const double* other = static_cast<const double*>(from);
  for (int64_t j = 0; j < n; ++j) to[j] = Wide::merge(to[j], other[j]);
}

// --- integers: always as int64, wrapping ---------------------------------------------------------------------

template <ReduceOp kOp> inline int64_t join(int64_t a, int64_t b) {
  if (kOp == ReduceOp::kProd || kOp == ReduceOp::kNanProd)
    return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  if (kOp == ReduceOp::kMax) return b > a ? b : a;
  if (kOp == ReduceOp::kMin) return b < a ? b : a;
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
template <ReduceOp kOp> inline int64_t element(int64_t x) {
  if (kOp == ReduceOp::kAbsSum) return x < 0 ? static_cast<int64_t>(-static_cast<uint64_t>(x)) : x;
  if (kOp == ReduceOp::kSquareSum) return static_cast<int64_t>(static_cast<uint64_t>(x) * static_cast<uint64_t>(x));
  return x;
}
template <ReduceOp kOp> void run_int(const void* data, int64_t n, void* accumulator) {
  const int64_t* x = static_cast<const int64_t*>(data);
  int64_t total = *static_cast<int64_t*>(accumulator);
  for (int64_t i = 0; i < n; ++i) total = join<kOp>(total, element<kOp>(x[i]));
  *static_cast<int64_t*>(accumulator) = total;
}
template <ReduceOp kOp>
void rows_int(const void* data, int64_t count, int64_t stride, int64_t width, void* accumulators) {
  const int64_t* x = static_cast<const int64_t*>(data);
  int64_t* total = static_cast<int64_t*>(accumulators);
  for (int64_t i = 0; i < count; ++i)
    for (int64_t j = 0; j < width; ++j) total[j] = join<kOp>(total[j], element<kOp>(x[i * stride + j]));
}
template <ReduceOp kOp> void merge_int(void* into, const void* from, int64_t n) {
  int64_t* to = static_cast<int64_t*>(into);
  const int64_t* other = static_cast<const int64_t*>(from);
  for (int64_t j = 0; j < n; ++j) to[j] = join<kOp>(to[j], other[j]);
}

template <class T, class R> Reducer reducer() { return {run<T, R>, rows<T, R>, merge<R>, R::identity}; }
template <ReduceOp kOp> Reducer reducer_int(double identity) {
  return {run_int<kOp>, rows_int<kOp>, merge_int<kOp>, identity};
}

template <class T> Reducer float_reducer(ReduceOp op) {
  switch (op) {
    case ReduceOp::kSum: return reducer<T, Sum>();
    case ReduceOp::kProd: return reducer<T, Prod>();
    case ReduceOp::kMax: return reducer<T, Max>();
    case ReduceOp::kMin: return reducer<T, Min>();
    case ReduceOp::kNanSum: return reducer<T, NanSum>();
    case ReduceOp::kNanProd: return reducer<T, NanProd>();
    case ReduceOp::kAbsSum: return reducer<T, AbsSum>();
    default: return reducer<T, SquareSum>();
  }
}

}  // namespace

Reducer reducer_of(ReduceOp op, DType type) {
  if (type == DType::kFloat32) return float_reducer<float>(op);
  if (type == DType::kFloat64) return float_reducer<double>(op);
  switch (op) {
    case ReduceOp::kProd: case ReduceOp::kNanProd: return reducer_int<ReduceOp::kProd>(1);
    case ReduceOp::kMax: return reducer_int<ReduceOp::kMax>(-kInfinity);
    case ReduceOp::kMin: return reducer_int<ReduceOp::kMin>(kInfinity);
    case ReduceOp::kAbsSum: return reducer_int<ReduceOp::kAbsSum>(0);
    case ReduceOp::kSquareSum: return reducer_int<ReduceOp::kSquareSum>(0);
    default: return reducer_int<ReduceOp::kSum>(0);
  }
}

}  // namespace WEFT_TARGET
}  // namespace weft
