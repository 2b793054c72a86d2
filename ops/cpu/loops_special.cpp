// Functions for which the C library's own scalar code is good enough, and the special functions.
#include <cmath>
#include <limits>

#include "ops/cpu/loops.hpp"

extern "C" double lgamma_r(double, int*);  // lgamma without its global sign

namespace weft {
namespace {

template <class T, T (*kFunction)(T)>
void apply1(char** args, const intptr_t* dimensions, const intptr_t* steps, void*) {
  for (intptr_t i = 0; i < dimensions[0]; ++i)
    *reinterpret_cast<T*>(args[1] + i * steps[1]) = kFunction(*reinterpret_cast<const T*>(args[0] + i * steps[0]));
}
template <class T, T (*kFunction)(T, T)>
void apply2(char** args, const intptr_t* dimensions, const intptr_t* steps, void*) {
  for (intptr_t i = 0; i < dimensions[0]; ++i)
    *reinterpret_cast<T*>(args[2] + i * steps[2]) = kFunction(*reinterpret_cast<const T*>(args[0] + i * steps[0]),
                                                               *reinterpret_cast<const T*>(args[1] + i * steps[1]));
}

constexpr double kPi = 3.14159265358979323846;

double log_gamma(double x) {
  int sign;
  return lgamma_r(x, &sign);
}
double gamma_of(double x) {
  // Negative whole numbers are poles of either sign.
  if (x < 0 && x == std::floor(x)) return std::numeric_limits<double>::quiet_NaN();
  return std::tgamma(x);
}

// The derivative of log gamma: recurrence up to x >= 10, then the asymptotic series.
double digamma(double x) {
  if (x <= 0 && x == std::floor(x)) return std::numeric_limits<double>::infinity();  // poles: plus, as in MXNet
  double result = 0;
  if (x < 0) {
    result = -kPi / std::tan(kPi * (x - std::nearbyint(x)));  // reflection
    x = 1 - x;
  }
  for (; x < 10; x += 1) result -= 1 / x;
  const double z = 1 / (x * x);
  const double series =
      z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760))))));
  return result + std::log(x) - 0.5 / x - series;
}

// The inverse of erf: Winitzki's start, then Halley steps on erf (erfc in the tails).
double erf_inverse(double y) {
  if (!(std::fabs(y) <= 1)) return std::numeric_limits<double>::quiet_NaN();
  if (std::fabs(y) == 1) return std::copysign(std::numeric_limits<double>::infinity(), y);
  const double size = std::fabs(y);
  if (size < 1e-8) return y * 0.88622692545275801365;
  constexpr double a = 0.147;
  const double logarithm = std::log1p(-size * size), part = 2 / (kPi * a) + logarithm / 2;
  double x = std::sqrt(std::sqrt(part * part - logarithm / a) - part);
  for (int step = 0; step < 3; ++step) {
    const double error = size < 0.5 ? std::erf(x) - size : (1 - size) - std::erfc(x);
    const double newton = error / (1.12837916709551257390 * std::exp(-x * x));
    x -= newton / (1 + x * newton);
  }
  return std::copysign(x, y);
}

template <class T> T gamma_t(T x) { return static_cast<T>(gamma_of(x)); }
template <class T> T log_gamma_t(T x) { return static_cast<T>(log_gamma(x)); }
template <class T> T digamma_t(T x) { return static_cast<T>(digamma(x)); }
template <class T> T erf_inverse_t(T x) { return static_cast<T>(erf_inverse(x)); }
template <class T> T tan_t(T x) { return std::tan(x); }
template <class T> T arcsin_t(T x) { return std::asin(x); }
template <class T> T arccos_t(T x) { return std::acos(x); }
template <class T> T arctan_t(T x) { return std::atan(x); }
template <class T> T sinh_t(T x) { return std::sinh(x); }
template <class T> T cosh_t(T x) { return std::cosh(x); }
template <class T> T arcsinh_t(T x) { return std::asinh(x); }
template <class T> T arccosh_t(T x) { return std::acosh(x); }
template <class T> T arctanh_t(T x) { return std::atanh(x); }
template <class T> T hypot_t(T a, T b) { return std::hypot(a, b); }
template <class T> T arctan2_t(T a, T b) { return std::atan2(a, b); }
template <class T> T ldexp_t(T a, T b) { return a * std::exp2(b); }
template <class T> T copysign_t(T a, T b) { return std::copysign(a, b); }
template <class T> T grad_gamma_t(T g, T x) { return g * static_cast<T>(gamma_of(x) * digamma(x)); }
template <class T> T grad_log_gamma_t(T g, T x) { return g * static_cast<T>(digamma(x)); }
template <class T> T grad_erf_inverse_t(T g, T y) {  // y is the output
  return g * static_cast<T>(0.88622692545275801365 * std::exp(double(y) * y));
}
template <class T> T sin_t(T x) { return std::sin(x); }
template <class T> T cos_t(T x) { return std::cos(x); }
template <class T> T grad_sin_t(T g, T x) { return g * std::cos(x); }
template <class T> T grad_cos_t(T g, T x) { return -g * std::sin(x); }
template <class T> T power_t(T a, T b) { return std::pow(a, b); }
template <class T> T cbrt_t(T x) { return std::cbrt(x); }
template <class T> T rcbrt_t(T x) { return T(1) / std::cbrt(x); }

#define WEFT_SPECIAL1(name, function, ns)                              \
  {name, DType::kFloat32, 1, 0, ns, apply1<float, function<float>>},   \
  {name, DType::kFloat64, 1, 0, ns, apply1<double, function<double>>}
#define WEFT_SPECIAL2(name, function, ns)                              \
  {name, DType::kFloat32, 2, 0, ns, apply2<float, function<float>>},   \
  {name, DType::kFloat64, 2, 0, ns, apply2<double, function<double>>}

const LoopEntry entries[] = {
    WEFT_SPECIAL1("gamma", gamma_t, 40),        WEFT_SPECIAL1("gammaln", log_gamma_t, 40),
    WEFT_SPECIAL1("digamma", digamma_t, 40),    WEFT_SPECIAL1("erfinv", erf_inverse_t, 150),
    WEFT_SPECIAL1("tan", tan_t, 15),            WEFT_SPECIAL1("arcsin", arcsin_t, 10),
    WEFT_SPECIAL1("arccos", arccos_t, 10),      WEFT_SPECIAL1("arctan", arctan_t, 10),
    WEFT_SPECIAL1("sinh", sinh_t, 12),          WEFT_SPECIAL1("cosh", cosh_t, 12),
    WEFT_SPECIAL1("arcsinh", arcsinh_t, 20),    WEFT_SPECIAL1("arccosh", arccosh_t, 15),
    WEFT_SPECIAL1("arctanh", arctanh_t, 15),    WEFT_SPECIAL2("hypot", hypot_t, 8),
    WEFT_SPECIAL2("arctan2", arctan2_t, 25),    WEFT_SPECIAL2("ldexp", ldexp_t, 8),
    WEFT_SPECIAL2("copysign", copysign_t, 1),   WEFT_SPECIAL2("grad_gamma", grad_gamma_t, 80),
    WEFT_SPECIAL2("grad_gammaln", grad_log_gamma_t, 40),
    WEFT_SPECIAL2("grad_erfinv", grad_erf_inverse_t, 10),
    // For the types that the vector loops leave out.
    WEFT_SPECIAL1("sin", sin_t, 12),            WEFT_SPECIAL1("cos", cos_t, 12),
    WEFT_SPECIAL2("grad_sin", grad_sin_t, 12),  WEFT_SPECIAL2("grad_cos", grad_cos_t, 12),
    WEFT_SPECIAL2("power", power_t, 20),        WEFT_SPECIAL1("cbrt", cbrt_t, 15),
    WEFT_SPECIAL1("rcbrt", rcbrt_t, 16),
};

}  // namespace

LoopTable special_loops() { return {entries, sizeof(entries) / sizeof(entries[0])}; }

}  // namespace weft
