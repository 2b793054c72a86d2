// Arithmetic, comparisons and rounding for float32 and float64. Compiled once for each instruction set.
#include "ops/cpu/arithmetic.hpp"

namespace weft {
inline namespace WEFT_TARGET {
namespace {

WEFT_EACH2(Divide, a / b)
WEFT_EACH1(Abs, std::fabs(x))
WEFT_EACH1(Sqrt, std::sqrt(x))
WEFT_EACH1(Rsqrt, T(1) / std::sqrt(x))
WEFT_EACH1(Reciprocal, T(1) / x)
WEFT_EACH1(Floor, std::floor(x))
WEFT_EACH1(Ceil, std::ceil(x))
WEFT_EACH1(Trunc, std::trunc(x))
// Halves go away from zero in round, down in rint: as MXNet has them.
WEFT_EACH1(Round, std::fabs(x) < T(4503599627370496.0) ? std::copysign(std::floor(std::fabs(x) + T(0.5)), x) : x)
WEFT_EACH1(Rint, (x - std::floor(x)) <= (std::ceil(x) - x) ? std::floor(x) : std::ceil(x))
WEFT_EACH1(Degrees, T(x * T(57.29577951308232087680)))
WEFT_EACH1(Radians, T(x * T(0.01745329251994329577)))
WEFT_EACH1(Isnan, T(x != x))
WEFT_EACH1(Isinf, T(std::fabs(x) == std::numeric_limits<T>::infinity()))
WEFT_EACH1(Isfinite, T(std::fabs(x) < std::numeric_limits<T>::infinity()))
WEFT_EACH2(SqrtGrad, a* T(0.5) / b)                     // g, output
WEFT_EACH2(RsqrtGrad, T(-0.5) * a * std::fabs(b * b * b))  // g, output (-infinity for -0)
WEFT_EACH2(ReciprocalGrad, -a * (b * b))                // g, output
WEFT_EACH2(TanhGrad, a*(T(1) - b * b))                  // g, output
WEFT_EACH2(SigmoidGrad, a* b*(T(1) - b))                // g, output
WEFT_EACH2(Expm1Grad, a*(b + T(1)))                     // g, output
WEFT_EACH2(Log1pGrad, a / (b + T(1)))                   // g, x
WEFT_EACH2(Log2Grad, a * T(1.44269504088896340736) / b) // g, x
WEFT_EACH2(Log10Grad, a * T(0.43429448190325182765) / b) // g, x
WEFT_EACH2(SoftsignGrad, a / ((T(1) + std::fabs(b)) * (T(1) + std::fabs(b))))  // g, x
WEFT_EACH2(ArcsinGrad, a / std::sqrt(T(1) - b * b))     // g, x
WEFT_EACH2(ArccosGrad, -a / std::sqrt(T(1) - b * b))    // g, x
WEFT_EACH2(ArctanGrad, a / (T(1) + b * b))              // g, x
WEFT_EACH2(ArcsinhGrad, a / std::sqrt(T(1) + b * b))    // g, x
WEFT_EACH2(ArccoshGrad, a / std::sqrt(b * b - T(1)))    // g, x
WEFT_EACH2(ArctanhGrad, a / (T(1) - b * b))             // g, x
WEFT_EACH2(TanGrad, a*(T(1) + b * b))                   // g, output
WEFT_EACH2(CbrtGrad, a / (T(3) * b * b))                // g, output
WEFT_EACH2(RcbrtGrad, T(-1.0 / 3) * a * (b * b) * (b * b))  // g, output

// The divisor's sign, 0 for a divisor of 0, the dividend where the divisor is infinite.
template <class T> struct Mod {
  explicit Mod(const double*) {}
  inline T operator()(T a, T b) const {
    if (b == T(0)) return T(0);
    T r;
    if (sizeof(T) == 4) {
      // In double the quotient of two floats is exact enough to reduce in one step, unless it is huge.
      double x = a, y = b, q = std::trunc(x / y);
      if (std::fabs(q) < 536870912.0) {
        double rest = x - q * y;
        if (rest != 0 && (rest < 0) != (x < 0)) rest += (x < 0) == (y < 0) ? y : -y;  // q was one too large
        if (std::fabs(rest) >= std::fabs(y)) rest = 0;
        r = T(rest);
        if (std::isinf(b)) r = std::isinf(a) ? std::numeric_limits<T>::quiet_NaN() : a;
      } else {
        r = std::fmod(a, b);
      }
    } else {
      r = std::fmod(a, b);
    }
    return r != T(0) && (r < T(0)) != (b < T(0)) ? r + b : r;
  }
};

template <class T> struct HardSigmoid {  // parameters alpha, beta
  T alpha, beta;
  explicit HardSigmoid(const double* p) : alpha(T(p[0])), beta(T(p[1])) {}
  inline T operator()(T x) const {
    T y = alpha * x + beta;
    return y < T(0) ? T(0) : (y > T(1) ? T(1) : y);
  }
};
template <class T> struct HardSigmoidGrad {  // g, output
  T alpha;
  explicit HardSigmoidGrad(const double* p) : alpha(T(p[0])) {}
  inline T operator()(T g, T y) const { return (y > T(0)) & (y < T(1)) ? g * alpha : T(0); }
};
template <class T> struct SmoothL1 {  // parameter sigma
  T square, knee;
  explicit SmoothL1(const double* p) : square(T(p[0] * p[0])), knee(T(1 / (p[0] * p[0]))) {}
  inline T operator()(T x) const {
    T size = std::fabs(x);
    return size > knee ? size - T(0.5) * knee : T(0.5) * x * x * square;
  }
};
template <class T> struct SmoothL1Grad {  // g, x
  T square, knee;
  explicit SmoothL1Grad(const double* p) : square(T(p[0] * p[0])), knee(T(1 / (p[0] * p[0]))) {}
  inline T operator()(T g, T x) const {
    return g * (x > knee ? T(1) : (x < -knee ? T(-1) : square * x));
  }
};
template <class T> struct LeakyRelu {  // parameter slope
  T slope;
  explicit LeakyRelu(const double* p) : slope(T(p[0])) {}
  inline T operator()(T x) const { return x > T(0) ? x : x * slope; }
};
template <class T> struct LeakyReluGrad {  // g, x (or the output when slope > 0)
  T slope;
  explicit LeakyReluGrad(const double* p) : slope(T(p[0])) {}
  inline T operator()(T g, T x) const { return x <= T(0) ? g * slope : g; }
};
template <class T> struct EluGrad {  // g, output; parameter slope
  T slope;
  explicit EluGrad(const double* p) : slope(T(p[0])) {}
  inline T operator()(T g, T y) const { return y > T(0) ? g : g * (y + slope); }
};

#define WEFT_FLOAT(T, code, ns)                                                                                \
  WEFT_ARITHMETIC(T, code, ns), WEFT_ENTRY2("divide", Divide, T, code, (ns) * 1.5f),                            \
      WEFT_ENTRY2("mod", Mod, T, code, 4.0f), WEFT_ENTRY1("abs", Abs, T, code, ns),                             \
      WEFT_ENTRY1("sqrt", Sqrt, T, code, (ns) * 2), WEFT_ENTRY1("rsqrt", Rsqrt, T, code, (ns) * 4),             \
      WEFT_ENTRY1("reciprocal", Reciprocal, T, code, (ns) * 1.5f), WEFT_ENTRY1("floor", Floor, T, code, ns),    \
      WEFT_ENTRY1("ceil", Ceil, T, code, ns), WEFT_ENTRY1("trunc", Trunc, T, code, ns),                         \
      WEFT_ENTRY1("fix", Trunc, T, code, ns), WEFT_ENTRY1("round", Round, T, code, ns),                         \
      WEFT_ENTRY1("rint", Rint, T, code, ns), WEFT_ENTRY1("degrees", Degrees, T, code, ns),                     \
      WEFT_ENTRY1("radians", Radians, T, code, ns), WEFT_ENTRY1("isnan", Isnan, T, code, ns),                   \
      WEFT_ENTRY1("isinf", Isinf, T, code, ns), WEFT_ENTRY1("isfinite", Isfinite, T, code, ns),                 \
      WEFT_ENTRY2("grad_sqrt", SqrtGrad, T, code, (ns) * 2), WEFT_ENTRY2("grad_rsqrt", RsqrtGrad, T, code, ns), \
      WEFT_ENTRY2("grad_reciprocal", ReciprocalGrad, T, code, ns),                                              \
      WEFT_ENTRY2("grad_tanh", TanhGrad, T, code, ns), WEFT_ENTRY2("grad_sigmoid", SigmoidGrad, T, code, ns),   \
      WEFT_ENTRY2("grad_expm1", Expm1Grad, T, code, ns), WEFT_ENTRY2("grad_log1p", Log1pGrad, T, code, ns),     \
      WEFT_ENTRY2("grad_log2", Log2Grad, T, code, ns), WEFT_ENTRY2("grad_log10", Log10Grad, T, code, ns),       \
      WEFT_ENTRY2("grad_softsign", SoftsignGrad, T, code, ns),                                                  \
      WEFT_ENTRY2("grad_arcsin", ArcsinGrad, T, code, (ns) * 3),                                                \
      WEFT_ENTRY2("grad_arccos", ArccosGrad, T, code, (ns) * 3),                                                \
      WEFT_ENTRY2("grad_arctan", ArctanGrad, T, code, ns),                                                      \
      WEFT_ENTRY2("grad_arcsinh", ArcsinhGrad, T, code, (ns) * 3),                                              \
      WEFT_ENTRY2("grad_arccosh", ArccoshGrad, T, code, (ns) * 3),                                              \
      WEFT_ENTRY2("grad_arctanh", ArctanhGrad, T, code, ns), WEFT_ENTRY2("grad_tan", TanGrad, T, code, ns),     \
      WEFT_ENTRY2("grad_cbrt", CbrtGrad, T, code, ns), WEFT_ENTRY2("grad_rcbrt", RcbrtGrad, T, code, ns),       \
      {"hard_sigmoid", code, 1, 2, ns, each1<T, HardSigmoid<T>>},                                               \
      {"grad_hard_sigmoid", code, 2, 2, ns, each2<T, HardSigmoidGrad<T>>},                                      \
      {"smooth_l1", code, 1, 1, ns, each1<T, SmoothL1<T>>},                                                     \
      {"grad_smooth_l1", code, 2, 1, ns, each2<T, SmoothL1Grad<T>>},                                            \
      {"leaky_relu", code, 1, 1, ns, each1<T, LeakyRelu<T>>},                                                   \
      {"grad_leaky_relu", code, 2, 1, ns, each2<T, LeakyReluGrad<T>>},                                          \
      {"grad_elu", code, 2, 1, ns, each2<T, EluGrad<T>>}

const LoopEntry entries[] = {
    WEFT_FLOAT(float, DType::kFloat32, 0.12f),
    WEFT_FLOAT(double, DType::kFloat64, 0.25f),
};

}  // namespace

LoopTable float_loops() { return {entries, sizeof(entries) / sizeof(entries[0])}; }

}  // namespace WEFT_TARGET
}  // namespace weft
