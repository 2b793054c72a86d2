// exp, log, tanh and their kin for float32 and float64. Compiled once for each instruction set.
#include "ops/cpu/vmath.hpp"

namespace weft {
inline namespace WEFT_TARGET {
namespace {

#define WEFT_FUNCTOR1(Name, expression)                      \
  template <class T> struct Name {                           \
    explicit Name(const double*) {}                          \
    WEFT_INLINE Vec<T> operator()(Vec<T> x) const { return expression; } \
  };

WEFT_FUNCTOR1(Exp, vexp<T>(x))
WEFT_FUNCTOR1(Expm1, vexpm1<T>(x))
WEFT_FUNCTOR1(Log, vlog<T>(x))
WEFT_FUNCTOR1(Log1p, vlog1p<T>(x))
WEFT_FUNCTOR1(Tanh, vtanh<T>(x))
WEFT_FUNCTOR1(Sigmoid, vsigmoid<T>(x))
WEFT_FUNCTOR1(Softrelu, vsoftrelu<T>(x))
WEFT_FUNCTOR1(Softsign, x / (absolute<T>(x) + T(1)))
WEFT_FUNCTOR1(Erf, verf(x))
WEFT_FUNCTOR1(Gelu, x* normal_cdf(x))
WEFT_FUNCTOR1(LogSigmoid, -vsoftrelu<T>(-x))
WEFT_FUNCTOR1(Silu, x* vsigmoid<T>(x))
WEFT_FUNCTOR1(Mish, x* vtanh<T>(vsoftrelu<T>(x)))

template <class T> struct Log2 {
  explicit Log2(const double*) {}
  WEFT_INLINE Vec<T> operator()(Vec<T> x) const {
    constexpr T high = sizeof(T) == 4 ? T(1.44238281250) : T(1.4426950216293335);
    return vlog_base<T>(x, high, T(1.4426950408889634074L - static_cast<long double>(high)), T(1), T(0));
  }
};
template <class T> struct Log10 {
  explicit Log10(const double*) {}
  WEFT_INLINE Vec<T> operator()(Vec<T> x) const {
    constexpr T high = sizeof(T) == 4 ? T(0.43408203125) : T(0.4342944622039795);
    constexpr T two = sizeof(T) == 4 ? T(0.3010253906) : T(0.3010299205780029);
    return vlog_base<T>(x, high, T(0.43429448190325182765L - static_cast<long double>(high)), two,
                        T(0.30102999566398119521L - static_cast<long double>(two)));
  }
};

#define WEFT_LOOPS1(name, Functor, ns)                                         \
  {name, DType::kFloat32, 1, 0, ns, map1<float, Functor<float>>},              \
  {name, DType::kFloat64, 1, 0, (ns) * 2, map1<double, Functor<double>>}

const LoopEntry entries[] = {
    WEFT_LOOPS1("exp", Exp, 0.6f),           WEFT_LOOPS1("expm1", Expm1, 0.8f),
    WEFT_LOOPS1("log", Log, 0.9f),           WEFT_LOOPS1("log1p", Log1p, 1.2f),
    WEFT_LOOPS1("log2", Log2, 1.0f),         WEFT_LOOPS1("log10", Log10, 1.0f),
    WEFT_LOOPS1("tanh", Tanh, 1.1f),         WEFT_LOOPS1("sigmoid", Sigmoid, 0.9f),
    WEFT_LOOPS1("softrelu", Softrelu, 2.0f), WEFT_LOOPS1("softsign", Softsign, 0.3f),
    WEFT_LOOPS1("erf", Erf, 1.2f),           WEFT_LOOPS1("gelu", Gelu, 1.4f),
    WEFT_LOOPS1("log_sigmoid", LogSigmoid, 2.0f),
    WEFT_LOOPS1("silu", Silu, 1.0f),         WEFT_LOOPS1("mish", Mish, 3.0f),
};

}  // namespace

LoopTable math_loops() { return {entries, sizeof(entries) / sizeof(entries[0])}; }

}  // namespace WEFT_TARGET
}  // namespace weft
