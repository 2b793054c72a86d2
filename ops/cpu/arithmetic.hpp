// The arithmetic functors, for loops_float.cpp and loops_int.cpp.
#pragma once

#include "ops/cpu/scalar_loops.hpp"

namespace weft {
inline namespace WEFT_TARGET {

WEFT_EACH2(Add, T(W(a) + W(b)))
WEFT_EACH2(Subtract, T(W(a) - W(b)))
WEFT_EACH2(Multiply, T(W(a) * W(b)))
// The larger or smaller one, NaN when either is.
WEFT_EACH2(Maximum, (a > b || a != a) ? a : b)
WEFT_EACH2(Minimum, (a < b || a != a) ? a : b)
WEFT_EACH2(Equal, T(a == b))
WEFT_EACH2(NotEqual, T(a != b))
WEFT_EACH2(Greater, T(a > b))
WEFT_EACH2(GreaterEqual, T(a >= b))
WEFT_EACH2(Less, T(a < b))
WEFT_EACH2(LessEqual, T(a <= b))
WEFT_EACH2(LogicalAnd, T((a != T(0)) & (b != T(0))))
WEFT_EACH2(LogicalOr, T((a != T(0)) | (b != T(0))))
WEFT_EACH2(LogicalXor, T((a != T(0)) ^ (b != T(0))))
WEFT_EACH1(LogicalNot, T(x == T(0)))
WEFT_EACH1(Negative, T(-Wrap<T>(x)))
WEFT_EACH1(Square, T(Wrap<T>(x) * Wrap<T>(x)))
WEFT_EACH1(Identity, x)
WEFT_EACH1(Relu, x < T(0) ? T(0) : x)
WEFT_EACH1(Sign, T(T(x > T(0)) - T(x < T(0))))
// Gradients: g is the gradient of the result, the other what the name says.
WEFT_EACH2(ReluGrad, b > T(0) ? a : (b == b ? T(0) : b))                        // g, output or input
WEFT_EACH2(StepGrad, a* T(b > T(0)))                                            // g, output or input: 0 for NaN
WEFT_EACH2(AbsGrad, T(a * T(T(b > T(0)) - T(b < T(0)))))                        // g, x
WEFT_EACH2(SquareGrad, T(W(a) * W(b) * W(2)))                                   // g, x

// A parameter as the nearest value of the type.
template <class T> inline T saturate(double value) {
  if (std::is_integral<T>::value) {
    if (value >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
    if (value <= static_cast<double>(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
  }
  return T(value);
}

// Keeps x within [low, high]; where low > high, high is asked first, as in MXNet.
template <class T> struct Clip {
  T low, high;
  explicit Clip(const double* p) : low(saturate<T>(p[0])), high(saturate<T>(p[1])) {}
  inline T operator()(T x) const { return x > high ? high : (x < low ? low : x); }
};
// The gradient passes where x is not outside [low, high]: also where x is not a number.
template <class T> struct ClipGrad {
  T low, high;
  explicit ClipGrad(const double* p) : low(saturate<T>(p[0])), high(saturate<T>(p[1])) {}
  inline T operator()(T g, T x) const { return (x < low) | (x > high) ? T(0) : g; }
};

#define WEFT_ENTRY1(name, Functor, T, code, ns) {name, code, 1, 0, ns, each1<T, Functor<T>>}
#define WEFT_ENTRY2(name, Functor, T, code, ns) {name, code, 2, 0, ns, each2<T, Functor<T>>}

// What every type has; `ns` is the cost of a cheap element.
#define WEFT_ARITHMETIC(T, code, ns)                                                                             \
  WEFT_ENTRY2("add", Add, T, code, ns), WEFT_ENTRY2("subtract", Subtract, T, code, ns),                          \
      WEFT_ENTRY2("multiply", Multiply, T, code, ns), WEFT_ENTRY2("maximum", Maximum, T, code, ns),              \
      WEFT_ENTRY2("minimum", Minimum, T, code, ns), WEFT_ENTRY2("equal", Equal, T, code, ns),                    \
      WEFT_ENTRY2("not_equal", NotEqual, T, code, ns), WEFT_ENTRY2("greater", Greater, T, code, ns),             \
      WEFT_ENTRY2("greater_equal", GreaterEqual, T, code, ns), WEFT_ENTRY2("less", Less, T, code, ns),           \
      WEFT_ENTRY2("less_equal", LessEqual, T, code, ns), WEFT_ENTRY2("logical_and", LogicalAnd, T, code, ns),    \
      WEFT_ENTRY2("logical_or", LogicalOr, T, code, ns), WEFT_ENTRY2("logical_xor", LogicalXor, T, code, ns),    \
      WEFT_ENTRY1("logical_not", LogicalNot, T, code, ns), WEFT_ENTRY1("negative", Negative, T, code, ns),       \
      WEFT_ENTRY1("square", Square, T, code, ns), WEFT_ENTRY1("identity", Identity, T, code, ns),                \
      WEFT_ENTRY1("relu", Relu, T, code, ns), WEFT_ENTRY1("sign", Sign, T, code, ns),                            \
      WEFT_ENTRY2("grad_relu", ReluGrad, T, code, ns), WEFT_ENTRY2("grad_step", StepGrad, T, code, ns), WEFT_ENTRY2("grad_abs", AbsGrad, T, code, ns),            \
      WEFT_ENTRY2("grad_square", SquareGrad, T, code, ns), {"clip", code, 1, 2, ns, each1<T, Clip<T>>},          \
      {"grad_clip", code, 2, 2, ns, each2<T, ClipGrad<T>>}

}  // namespace WEFT_TARGET
}  // namespace weft
