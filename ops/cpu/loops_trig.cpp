// Functions of float32 that are worked out in float64: sin, cos, power, cube roots; and the gradients that need
// exp or tanh. Compiled once for each instruction set.
#include "ops/cpu/vmath.hpp"

namespace weft {
inline namespace WEFT_TARGET {
namespace {

typedef float F8 __attribute__((vector_size(32)));
typedef float F4 __attribute__((vector_size(16)));
typedef double D4 __attribute__((vector_size(32)));
typedef int64_t L4 __attribute__((vector_size(32)));
typedef int32_t I4 __attribute__((vector_size(16)));

WEFT_INLINE void widen(F8 x, D4& low, D4& high) {
  low = __builtin_convertvector(__builtin_shufflevector(x, x, 0, 1, 2, 3), D4);
  high = __builtin_convertvector(__builtin_shufflevector(x, x, 4, 5, 6, 7), D4);
}
WEFT_INLINE F8 narrow(D4 low, D4 high) {
  return __builtin_shufflevector(__builtin_convertvector(low, F4), __builtin_convertvector(high, F4), 0, 1, 2, 3, 4, 5,
                                 6, 7);
}

// x = r + n pi/2 with |r| <= pi/4, for |x| < 2^30.
WEFT_INLINE D4 quarter_turns(D4 x, L4& n) {
  D4 shifted = x * 0.63661977236758134308 + 6755399441055744.0;
  n = (L4)shifted;
  D4 whole = shifted - 6755399441055744.0;
  // pi/2 in a part of 33 bits, whose multiples are exact, and the rest
  return (x - whole * 1.57079632673412561417e+00) - whole * 6.07710050650619224932e-11;
}

template <bool kCosine> WEFT_INLINE F8 sine(F8 x) {
  if (any<float>(absolute<float>(x) > 1073741824.0f)) {  // rare: exact reduction by the C library
    F8 y{};
    for (int k = 0; k < 8; ++k) y[k] = kCosine ? std::cos(x[k]) : std::sin(x[k]);
    return y;
  }
  D4 low, high;
  L4 n_low, n_high;
  widen(x, low, high);
  F8 r = narrow(quarter_turns(low, n_low), quarter_turns(high, n_high));
  IVec<float> n = __builtin_shufflevector((IVec<float>)n_low, (IVec<float>)n_high, 0, 2, 4, 6, 8, 10, 12, 14);
  if (kCosine) n = n + 1;
  F8 z = r * r;
  constexpr float s[] = {-0.1666666664f, 0.008333331874f, -0.000198400865f, 2.724989523e-6f};
  constexpr float c[] = {0.04166666466f, -0.001388830292f, 2.454791685e-5f};
  F8 sin_r = r + r * z * horner<float>(z, s);
  F8 cos_r = (1.0f - z * 0.5f) + z * z * horner<float>(z, c);
  F8 y = (n & 1) != 0 ? cos_r : sin_r;
  y = from_bits<float>(bits<float>(y) ^ ((n & 2) << 30));
  return !kCosine ? (x == 0.0f ? x : y) : y;  // keeps the sign of zero
}

// log2 of positive finite numbers, to 1e-11.
WEFT_INLINE D4 log2_wide(D4 x) {
  constexpr double c[] = {0.66666666667378685659, 0.39999998792441688583, 0.28571755535032942409,
                          0.2219133742806578374, 0.19363884986633199356};
  D4 f, e;
  log_parts<double>(x, f, e);
  D4 s = f / (f + 2.0), z = s * s;
  return e + (s * 2.0 + s * z * horner<double>(z, c)) * 1.44269504088896340736;
}
WEFT_INLINE D4 exp2_wide(D4 x) {
  constexpr double c[] = {0.50000000134989077842,   0.16666666681659989757,   0.041666464594739956618,
                          0.0083333108887728824704, 0.0013933686670748734314, 0.00019891031551803869566};
  x = at_most<double>(at_least<double>(x, -200.0), 200.0);
  D4 shifted = x + 6755399441055744.0;
  L4 n = (L4)shifted - (L4)splat<double>(6755399441055744.0);
  D4 r = (x - (shifted - 6755399441055744.0)) * 0.69314718055994530942;
  return (r * r * horner<double>(r, c) + r + 1.0) * power_of_two<double>(n);
}

WEFT_INLINE F8 power_of(F8 a, F8 b) {
  // The plain case: a positive and finite, b finite.
  IVec<float> odd = ~((a > 0.0f) & (a < 3.4e38f) & (absolute<float>(b) < 3.4e38f));
  if (any<float>(odd)) {
    F8 y{};
    for (int k = 0; k < 8; ++k) y[k] = std::pow(a[k], b[k]);
    return y;
  }
  D4 a_low, a_high, b_low, b_high;
  widen(a, a_low, a_high);
  widen(b, b_low, b_high);
  return narrow(exp2_wide(log2_wide(a_low) * b_low), exp2_wide(log2_wide(a_high) * b_high));
}

// A power of |x| with x's sign.
WEFT_INLINE F8 signed_power(F8 x, double exponent) {
  F8 size = absolute<float>(x);
  D4 low, high;
  widen(size, low, high);
  F8 y = narrow(exp2_wide(log2_wide(low) * exponent), exp2_wide(log2_wide(high) * exponent));
  constexpr float infinity = __builtin_inff();
  const float at_zero = exponent > 0 ? 0.0f : infinity, at_infinity = exponent > 0 ? infinity : 0.0f;
  y = size == 0.0f ? splat<float>(at_zero) : y;
  y = size == infinity ? splat<float>(at_infinity) : y;
  return x == x ? copy_sign<float>(y, x) : x;
}

struct Sin {
  explicit Sin(const double*) {}
  WEFT_INLINE F8 operator()(F8 x) const { return sine<false>(x); }
};
struct Cos {
  explicit Cos(const double*) {}
  WEFT_INLINE F8 operator()(F8 x) const { return sine<true>(x); }
};
struct SinGrad {  // g, x
  explicit SinGrad(const double*) {}
  WEFT_INLINE F8 operator()(F8 g, F8 x) const { return g * sine<true>(x); }
};
struct CosGrad {
  explicit CosGrad(const double*) {}
  WEFT_INLINE F8 operator()(F8 g, F8 x) const { return -g * sine<false>(x); }
};
struct Cbrt {
  explicit Cbrt(const double*) {}
  WEFT_INLINE F8 operator()(F8 x) const { return signed_power(x, 1.0 / 3); }
};
struct Rcbrt {
  explicit Rcbrt(const double*) {}
  WEFT_INLINE F8 operator()(F8 x) const { return signed_power(x, -1.0 / 3); }
};
struct Power {
  explicit Power(const double*) {}
  WEFT_INLINE F8 operator()(F8 a, F8 b) const { return power_of(a, b); }
};

// x ** 2 and the like: a scalar exponent is common enough to look at.
void power_loop(char** args, const intptr_t* dimensions, const intptr_t* steps, void* data) {
  const intptr_t n = dimensions[0];
  if (n > 0 && steps[0] == sizeof(float) && steps[1] == 0 && steps[2] == sizeof(float)) {
    const float exponent = *reinterpret_cast<const float*>(args[1]);
    const float* x = reinterpret_cast<const float*>(args[0]);
    float* out = reinterpret_cast<float*>(args[2]);
    if (exponent == 2.0f || exponent == 3.0f || exponent == 1.0f || exponent == -1.0f) {
#define WEFT_CASE(value, expression)                                           \
  if (exponent == value) {                                                     \
    _Pragma("GCC ivdep") for (intptr_t i = 0; i < n; ++i) out[i] = expression; \
  }
      WEFT_CASE(2.0f, x[i] * x[i])
      WEFT_CASE(3.0f, x[i] * x[i] * x[i])
      WEFT_CASE(1.0f, x[i])
      WEFT_CASE(-1.0f, 1.0f / x[i])
      return;
    }
  }
  map2<float, Power>(args, dimensions, steps, data);
}

// Gradients in one pass: g is the gradient of the result.
template <class T> struct ErfGrad {  // g, x
  explicit ErfGrad(const double*) {}
  WEFT_INLINE Vec<T> operator()(Vec<T> g, Vec<T> x) const {
    return g * (vexp<T>(-(x * x)) * T(1.12837916709551257390));
  }
};
template <class T> struct GeluGrad {  // g, x
  explicit GeluGrad(const double*) {}
  WEFT_INLINE Vec<T> operator()(Vec<T> g, Vec<T> x) const {
    return g * (normal_cdf(x) + x * (vexp<T>(x * x * T(-0.5)) * T(0.39894228040143267794)));
  }
};
template <class T> struct SoftreluGrad {  // g, output y: 1 - exp(-y)
  explicit SoftreluGrad(const double*) {}
  WEFT_INLINE Vec<T> operator()(Vec<T> g, Vec<T> y) const { return -g * vexpm1<T>(-y); }
};
template <class T> struct SoftreluGradX {  // g, x
  explicit SoftreluGradX(const double*) {}
  WEFT_INLINE Vec<T> operator()(Vec<T> g, Vec<T> x) const { return g * vsigmoid<T>(x); }
};
template <class T> struct LogSigmoidGrad {  // g, output y: 1 - exp(y)
  explicit LogSigmoidGrad(const double*) {}
  WEFT_INLINE Vec<T> operator()(Vec<T> g, Vec<T> y) const { return -g * vexpm1<T>(y); }
};
template <class T> struct SiluGrad {  // g, x
  explicit SiluGrad(const double*) {}
  WEFT_INLINE Vec<T> operator()(Vec<T> g, Vec<T> x) const {
    Vec<T> s = vsigmoid<T>(x);
    return g * s * (x * (T(1) - s) + T(1));
  }
};
template <class T> struct MishGrad {  // g, x
  explicit MishGrad(const double*) {}
  WEFT_INLINE Vec<T> operator()(Vec<T> g, Vec<T> x) const {
    Vec<T> t = vtanh<T>(vsoftrelu<T>(x));
    return g * (t + x * vsigmoid<T>(x) * (T(1) - t * t));
  }
};
template <class T> struct Elu {  // parameter slope
  T slope;
  explicit Elu(const double* p) : slope(T(p[0])) {}
  WEFT_INLINE Vec<T> operator()(Vec<T> x) const { return x > T(0) ? x : vexpm1<T>(x) * slope; }
};
template <class T> struct EluGradX {  // g, x; parameter slope
  T slope;
  explicit EluGradX(const double* p) : slope(T(p[0])) {}
  WEFT_INLINE Vec<T> operator()(Vec<T> g, Vec<T> x) const { return x <= T(0) ? g * vexp<T>(x) * slope : g; }
};
template <class T> struct Prelu {  // x, slope
  explicit Prelu(const double*) {}
  WEFT_INLINE Vec<T> operator()(Vec<T> x, Vec<T> slope) const { return x > T(0) ? x : x * slope; }
};
template <class T> struct Selu {
  static constexpr T alpha = T(1.6732632423543772848170429916717), scale = T(1.0507009873554804934193349852946);
  explicit Selu(const double*) {}
  WEFT_INLINE Vec<T> operator()(Vec<T> x) const { return scale * (x > T(0) ? x : vexpm1<T>(x) * alpha); }
};
template <class T> struct SeluGrad {  // g, output
  explicit SeluGrad(const double*) {}
  WEFT_INLINE Vec<T> operator()(Vec<T> g, Vec<T> y) const {
    constexpr T scale = Selu<T>::scale, bottom = Selu<T>::scale * Selu<T>::alpha;
    return g * (y > T(0) ? splat<T>(scale) : y + bottom);
  }
};

template <class T> struct SeluGradX {  // g, x
  explicit SeluGradX(const double*) {}
  WEFT_INLINE Vec<T> operator()(Vec<T> g, Vec<T> x) const {
    constexpr T scale = Selu<T>::scale, bottom = Selu<T>::scale * Selu<T>::alpha;
    return g * (x > T(0) ? splat<T>(scale) : vexp<T>(x) * bottom);
  }
};

#define WEFT_GRAD2(name, Functor, ns)                              \
  {name, DType::kFloat32, 2, 0, ns, map2<float, Functor<float>>},  \
  {name, DType::kFloat64, 2, 0, (ns) * 2, map2<double, Functor<double>>}

const LoopEntry entries[] = {
    {"sin", DType::kFloat32, 1, 0, 1.3f, map1<float, Sin>},
    {"cos", DType::kFloat32, 1, 0, 1.3f, map1<float, Cos>},
    {"grad_sin", DType::kFloat32, 2, 0, 1.3f, map2<float, SinGrad>},
    {"grad_cos", DType::kFloat32, 2, 0, 1.3f, map2<float, CosGrad>},
    {"cbrt", DType::kFloat32, 1, 0, 3.0f, map1<float, Cbrt>},
    {"rcbrt", DType::kFloat32, 1, 0, 3.0f, map1<float, Rcbrt>},
    {"power", DType::kFloat32, 2, 0, 3.0f, power_loop},
    WEFT_GRAD2("grad_erf", ErfGrad, 0.8f),
    WEFT_GRAD2("grad_gelu", GeluGrad, 2.0f),
    WEFT_GRAD2("grad_softrelu", SoftreluGrad, 0.9f),
    WEFT_GRAD2("grad_softrelu_x", SoftreluGradX, 1.0f),
    WEFT_GRAD2("grad_log_sigmoid", LogSigmoidGrad, 0.9f),
    WEFT_GRAD2("grad_silu", SiluGrad, 1.1f),
    WEFT_GRAD2("grad_mish", MishGrad, 4.0f),
    {"elu", DType::kFloat32, 1, 1, 0.9f, map1<float, Elu<float>>},
    {"elu", DType::kFloat64, 1, 1, 1.8f, map1<double, Elu<double>>},
    {"selu", DType::kFloat32, 1, 0, 0.9f, map1<float, Selu<float>>},
    {"selu", DType::kFloat64, 1, 0, 1.8f, map1<double, Selu<double>>},
    WEFT_GRAD2("grad_selu", SeluGrad, 0.2f),
    WEFT_GRAD2("grad_selu_x", SeluGradX, 1.0f),
    WEFT_GRAD2("prelu", Prelu, 0.15f),
    {"grad_elu_x", DType::kFloat32, 2, 1, 0.9f, map2<float, EluGradX<float>>},
    {"grad_elu_x", DType::kFloat64, 2, 1, 1.8f, map2<double, EluGradX<double>>},
};

}  // namespace

LoopTable trig_loops() { return {entries, sizeof(entries) / sizeof(entries[0])}; }

}  // namespace WEFT_TARGET
}  // namespace weft
