// Loops over scalar functors that the compiler vectorises by itself: arithmetic, comparisons, logic.
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>

#include "ops/cpu/loops.hpp"

namespace weft {
inline namespace WEFT_TARGET {

template <class T, class F> void each1(char** args, const intptr_t* dimensions, const intptr_t* steps, void* data) {
  const intptr_t n = dimensions[0];
  const F f(static_cast<const double*>(data));
  const T* x = reinterpret_cast<const T*>(args[0]);
  T* out = reinterpret_cast<T*>(args[1]);
  if (steps[0] == sizeof(T) && steps[1] == sizeof(T)) {
#pragma GCC ivdep
    for (intptr_t i = 0; i < n; ++i) out[i] = static_cast<T>(f(x[i]));
    return;
  }
  for (intptr_t i = 0; i < n; ++i)
    *reinterpret_cast<T*>(args[1] + i * steps[1]) =
        static_cast<T>(f(*reinterpret_cast<const T*>(args[0] + i * steps[0])));
}

template <class T, class F> void each2(char** args, const intptr_t* dimensions, const intptr_t* steps, void* data) {
  constexpr intptr_t size = sizeof(T);
  const intptr_t n = dimensions[0];
  const F f(static_cast<const double*>(data));
  const T *a = reinterpret_cast<const T*>(args[0]), *b = reinterpret_cast<const T*>(args[1]);
  T* out = reinterpret_cast<T*>(args[2]);
  if (steps[2] == size && steps[0] == size && steps[1] == size) {
#pragma GCC ivdep
    for (intptr_t i = 0; i < n; ++i) out[i] = static_cast<T>(f(a[i], b[i]));
    return;
  }
  if (steps[2] == size && steps[0] == size && steps[1] == 0) {
    const T y = *b;
#pragma GCC ivdep
    for (intptr_t i = 0; i < n; ++i) out[i] = static_cast<T>(f(a[i], y));
    return;
  }
  if (steps[2] == size && steps[0] == 0 && steps[1] == size) {
    const T x = *a;
#pragma GCC ivdep
    for (intptr_t i = 0; i < n; ++i) out[i] = static_cast<T>(f(x, b[i]));
    return;
  }
  for (intptr_t i = 0; i < n; ++i)
    *reinterpret_cast<T*>(args[2] + i * steps[2]) = static_cast<T>(
        f(*reinterpret_cast<const T*>(args[0] + i * steps[0]), *reinterpret_cast<const T*>(args[1] + i * steps[1])));
}

// Integer arithmetic wraps, which in C++ only unsigned types do.
template <class T, bool = std::is_integral<T>::value> struct WrapOf { using type = T; };
template <class T> struct WrapOf<T, true> {
  using type = typename std::conditional<(sizeof(T) < 4), unsigned, typename std::make_unsigned<T>::type>::type;
};
template <class T> using Wrap = typename WrapOf<T>::type;

#define WEFT_EACH1(Name, expression)                              \
  template <class T> struct Name {                                \
    explicit Name(const double*) {}                               \
    inline T operator()(T x) const { return (expression); }       \
  };
#define WEFT_EACH2(Name, expression)                              \
  template <class T> struct Name {                                \
    using W = Wrap<T>;                                            \
    explicit Name(const double*) {}                               \
    inline T operator()(T a, T b) const { return (expression); }  \
  };

}  // namespace WEFT_TARGET
}  // namespace weft
