// The loops that large arrays meet most, with stores that go around the cache: memory is then not read just to be
// overwritten. Compiled once for each instruction set.
#include "ops/cpu/vmath.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace weft {
inline namespace WEFT_TARGET {
namespace {

// `to` is aligned to 32 bytes.
WEFT_INLINE void store_around(float* to, Vec<float> v) {
#if defined(__AVX__)
  _mm256_stream_ps(to, (__m256)v);
#elif defined(__SSE2__)
  _mm_stream_ps(to, (__m128)__builtin_shufflevector(v, v, 0, 1, 2, 3));
  _mm_stream_ps(to + 4, (__m128)__builtin_shufflevector(v, v, 4, 5, 6, 7));
#else
  store<float>(to, v);
#endif
}
WEFT_INLINE void store_around(double* to, Vec<double> v) {
#if defined(__AVX__)
  _mm256_stream_pd(to, (__m256d)v);
#elif defined(__SSE2__)
  _mm_stream_pd(to, (__m128d)__builtin_shufflevector(v, v, 0, 1));
  _mm_stream_pd(to + 2, (__m128d)__builtin_shufflevector(v, v, 2, 3));
#else
  store<double>(to, v);
#endif
}

// The caller fences once a piece is stored, not after each row of a broadcast operand.
// Calls f(i, count) for the elements up to the first aligned one, f(i, lanes) for whole aligned vectors, f for the rest.
template <class T, class F> WEFT_INLINE void each_vector(T* out, intptr_t n, F f) {
  constexpr intptr_t lanes = SimdOf<T>::lanes;
  intptr_t head = ((32 - (reinterpret_cast<uintptr_t>(out) & 31)) & 31) / sizeof(T);
  if (head > n) head = n;
  if (head) f(intptr_t{0}, head);
  intptr_t i = head;
  for (; i + 4 * lanes <= n; i += 4 * lanes)  // two cache lines: 4 % less time than one vector each round
    for (int k = 0; k < 4; ++k) f(i + k * lanes, lanes);
  for (; i + lanes <= n; i += lanes) f(i, lanes);
  if (i < n) f(i, n - i);
}
template <class T> WEFT_INLINE void put(T* to, Vec<T> value, intptr_t count) {
  if (count == SimdOf<T>::lanes) store_around(to, value);
  else store_part<T>(to, value, count);
}
template <class T> WEFT_INLINE Vec<T> get(const T* from, intptr_t count) {
  return count == SimdOf<T>::lanes ? load<T>(from) : load_part<T>(from, count);
}

template <class T, class F> void stream1(char** args, const intptr_t* dimensions, const intptr_t*, void*) {
  const T* x = reinterpret_cast<const T*>(args[0]);
  T* out = reinterpret_cast<T*>(args[1]);
  each_vector<T>(out, dimensions[0],
                 [=](intptr_t i, intptr_t count) { put<T>(out + i, F::template of<T>(get<T>(x + i, count)), count); });
}
template <class T, class F> void stream2(char** args, const intptr_t* dimensions, const intptr_t* steps, void*) {
  const T *a = reinterpret_cast<const T*>(args[0]), *b = reinterpret_cast<const T*>(args[1]);
  T* out = reinterpret_cast<T*>(args[2]);
  if (steps[0] && steps[1]) {
    each_vector<T>(out, dimensions[0], [=](intptr_t i, intptr_t count) {
      put<T>(out + i, F::template of<T>(get<T>(a + i, count), get<T>(b + i, count)), count);
    });
  } else if (steps[0]) {
    const Vec<T> y = splat<T>(*b);
    each_vector<T>(out, dimensions[0], [=](intptr_t i, intptr_t count) {
      put<T>(out + i, F::template of<T>(get<T>(a + i, count), y), count);
    });
  } else if (steps[1]) {
    const Vec<T> x = splat<T>(*a);
    each_vector<T>(out, dimensions[0], [=](intptr_t i, intptr_t count) {
      put<T>(out + i, F::template of<T>(x, get<T>(b + i, count)), count);
    });
  } else {
    const Vec<T> y = F::template of<T>(splat<T>(*a), splat<T>(*b));
    each_vector<T>(out, dimensions[0], [=](intptr_t i, intptr_t count) { put<T>(out + i, y, count); });
  }
}

#define WEFT_STREAM1(Name, expression)                                                    \
  struct Name {                                                                           \
    template <class T> WEFT_INLINE static Vec<T> of(Vec<T> x) { return expression; }      \
  };
#define WEFT_STREAM2(Name, expression)                                                          \
  struct Name {                                                                                 \
    template <class T> WEFT_INLINE static Vec<T> of(Vec<T> a, Vec<T> b) { return expression; }  \
  };
WEFT_STREAM1(Relu, x < T(0) ? Vec<T>{} : x)
WEFT_STREAM1(Exp, vexp<T>(x))
WEFT_STREAM1(Log, vlog<T>(x))
WEFT_STREAM1(Tanh, vtanh<T>(x))
WEFT_STREAM1(Sigmoid, vsigmoid<T>(x))
WEFT_STREAM1(Square, x* x)
WEFT_STREAM1(Negative, -x)
WEFT_STREAM1(Abs, absolute<T>(x))
WEFT_STREAM1(Sqrt, square_root<T>(x))
WEFT_STREAM2(Add, a + b)
WEFT_STREAM2(Subtract, a - b)
WEFT_STREAM2(Multiply, a* b)
WEFT_STREAM2(Divide, a / b)
WEFT_STREAM2(Maximum, (a > b) | (a != a) ? a : b)
WEFT_STREAM2(Minimum, (a < b) | (a != a) ? a : b)
WEFT_STREAM2(TanhGrad, a*(T(1) - b * b))
WEFT_STREAM2(SigmoidGrad, a* b*(T(1) - b))
WEFT_STREAM2(ReluGrad, b > T(0) ? a : (b == b ? Vec<T>{} : b))

#define WEFT_BOTH(name, inputs, shape, Functor)                               \
  {name, DType::kFloat32, inputs, 0, 0.3f, shape<float, Functor>},            \
  {name, DType::kFloat64, inputs, 0, 0.6f, shape<double, Functor>}

const LoopEntry entries[] = {
    WEFT_BOTH("relu", 1, stream1, Relu),           WEFT_BOTH("exp", 1, stream1, Exp),
    WEFT_BOTH("log", 1, stream1, Log),             WEFT_BOTH("tanh", 1, stream1, Tanh),
    WEFT_BOTH("sigmoid", 1, stream1, Sigmoid),     WEFT_BOTH("square", 1, stream1, Square),
    WEFT_BOTH("negative", 1, stream1, Negative),   WEFT_BOTH("abs", 1, stream1, Abs),
    WEFT_BOTH("sqrt", 1, stream1, Sqrt),           WEFT_BOTH("add", 2, stream2, Add),
    WEFT_BOTH("subtract", 2, stream2, Subtract),   WEFT_BOTH("multiply", 2, stream2, Multiply),
    WEFT_BOTH("divide", 2, stream2, Divide),       WEFT_BOTH("maximum", 2, stream2, Maximum),
    WEFT_BOTH("minimum", 2, stream2, Minimum),     WEFT_BOTH("grad_tanh", 2, stream2, TanhGrad),
    WEFT_BOTH("grad_sigmoid", 2, stream2, SigmoidGrad), WEFT_BOTH("grad_relu", 2, stream2, ReluGrad),
};

}  // namespace

LoopTable stream_loops() { return {entries, sizeof(entries) / sizeof(entries[0])}; }

}  // namespace WEFT_TARGET
}  // namespace weft
