// Elementary functions on vectors, within 2 to 4 units in the last place; see simd.hpp.
//
// The polynomials interpolate the functions at Chebyshev nodes of the reduced interval (computed with 50 digits);
// range reductions are the textbook ones: exp(x) = 2^n exp(r), log(m 2^e) = log(m) + e log(2).
#pragma once

#include "ops/cpu/simd.hpp"

namespace weft {
inline namespace WEFT_TARGET {

template <class T, int N> WEFT_INLINE Vec<T> horner(Vec<T> x, const T (&c)[N]) {
  Vec<T> y = splat<T>(c[N - 1]);
  for (int k = N - 2; k >= 0; --k) y = y * x + c[k];
  return y;
}

template <class T> struct ExpOf;
template <> struct ExpOf<float> {
  static constexpr float c[] = {0.5f, 0.1666657684f, 0.04166655443f, 0.008363203511f, 0.001392621414f};
  static constexpr float log2e = 1.44269504088896341f, ln2_high = 0.693359375f, ln2_low = -2.12194440054690583e-4f;
  static constexpr float low = -104.0f, high = 89.0f, tiny = 1e-8f, minus_one = -18.0f;
};
template <> struct ExpOf<double> {
  static constexpr double c[] = {0.5, 0.16666666666666671008, 0.041666666666666669767, 0.0083333333333261115321,
                                 0.0013888888888883731459, 0.00019841269874903077546, 0.00002480158732560661512,
                                 2.7557255295665127374e-6, 2.7557273568461568443e-7, 2.510526049680846156e-8,
                                 2.0914718024544207294e-9};
  static constexpr double log2e = 1.44269504088896340736, ln2_high = 6.93147180369123816490e-01,
                          ln2_low = 1.90821492927058770002e-10;
  static constexpr double low = -746.0, high = 710.0, tiny = 1e-17, minus_one = -40.0;
};

// 2^n for n within the exponents of normal numbers.
template <class T> WEFT_INLINE Vec<T> power_of_two(IVec<T> n) {
  return from_bits<T>((n + SimdOf<T>::bias) << SimdOf<T>::mantissa);
}

// exp(x) = 2^n (1 + r + tail): gives r, the tail, n.
template <class T> WEFT_INLINE void exp_parts(Vec<T> x, Vec<T>& r, Vec<T>& tail, IVec<T>& n) {
  using E = ExpOf<T>;
  Vec<T> shifted = x * E::log2e + SimdOf<T>::round_magic;
  n = bits<T>(shifted) - bits<T>(splat<T>(SimdOf<T>::round_magic));
  Vec<T> whole = shifted - SimdOf<T>::round_magic;
  r = x - whole * E::ln2_high;
  r = r - whole * E::ln2_low;
  tail = r * r * horner<T>(r, E::c);
}

template <class T> WEFT_INLINE Vec<T> vexp(Vec<T> x) {
  x = at_most<T>(at_least<T>(x, ExpOf<T>::low), ExpOf<T>::high);
  Vec<T> r, tail;
  IVec<T> n;
  exp_parts<T>(x, r, tail, n);
  // In two steps, so that results may be subnormal or infinite.
  IVec<T> half = n >> 1;
  return (r + tail + T(1)) * power_of_two<T>(half) * power_of_two<T>(n - half);
}

// exp of what is not above 0 (softmax): results below the normal numbers become 0.
template <class T> WEFT_INLINE Vec<T> vexp_nonpositive(Vec<T> x) {
  constexpr T low = sizeof(T) == 4 ? T(-87.3) : T(-708.3);
  Vec<T> z = at_least<T>(x, low);
  Vec<T> r, tail;
  IVec<T> n;
  exp_parts<T>(z, r, tail, n);
  Vec<T> y = (r + tail + T(1)) * power_of_two<T>(n);
  return x < low ? Vec<T>{} : y;
}

template <class T> WEFT_INLINE Vec<T> vexpm1(Vec<T> x) {
  using E = ExpOf<T>;
  Vec<T> z = at_most<T>(at_least<T>(x, E::minus_one), E::high);
  Vec<T> r, tail;
  IVec<T> n;
  exp_parts<T>(z, r, tail, n);
  // Half of 2^n, since 2^n itself may be too large.
  Vec<T> half = power_of_two<T>(n - 1);
  Vec<T> y = (half * r + (half * tail + (half - T(0.5)))) * T(2);
  y = n == 0 ? r + tail : y;
  return absolute<T>(x) < E::tiny ? x : y;
}

template <class T> struct LogOf;
template <> struct LogOf<float> {
  static constexpr int32_t root_half = 0x3f3504f3;
  static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440054690583e-4f, smallest = 1.17549435e-38f,
                         lift = 8388608.0f;
  static constexpr int lifted = 23;
};
template <> struct LogOf<double> {
  static constexpr int64_t root_half = 0x3fe6a09e667f3bcd;
  static constexpr double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10,
                          smallest = 2.2250738585072014e-308, lift = 4503599627370496.0;
  static constexpr int lifted = 52;
};

// log(1 + f) - f for 1 + f between sqrt(1/2) and sqrt(2).
WEFT_INLINE Vec<float> log_tail(Vec<float> f, float) {
  constexpr float c[] = {0.3333333118f,  -0.2499999696f, 0.2000071575f,  -0.1666780232f, 0.1424905765f,
                         -0.1242568733f, 0.1168541992f,  -0.1147973385f, 0.06971611471f};
  Vec<float> square = f * f;
  return square * f * horner<float>(f, c) - square * 0.5f;
}
WEFT_INLINE Vec<double> log_tail(Vec<double> f, double) {
  // With s = f / (2 + f): log(1 + f) = 2 s + s R(s^2), and f - 2 s = s f.
  constexpr double c[] = {0.66666666666666666463, 0.40000000000000883236, 0.28571428570799785031,
                          0.22222222392582045097, 0.18181795547521136235, 0.15386244737621666606,
                          0.13268638369266823879, 0.1308803485092755383};
  Vec<double> s = f / (f + 2.0), z = s * s, half = f * f * 0.5;
  return s * (half + z * horner<double>(z, c)) - half;
}

// x = (1 + f) 2^e for positive finite x.
template <class T> WEFT_INLINE void log_parts(Vec<T> x, Vec<T>& f, Vec<T>& e) {
  using L = LogOf<T>;
  IVec<T> low = x < L::smallest;
  x = low ? x * L::lift : x;
  IVec<T> raw = bits<T>(x);
  IVec<T> exponent = (raw - L::root_half) >> SimdOf<T>::mantissa;
  f = from_bits<T>(raw - (exponent << SimdOf<T>::mantissa)) - T(1);
  exponent = exponent - (low & (IVec<T>{} + L::lifted));
  e = __builtin_convertvector(exponent, Vec<T>);
}

// What log and its kin give for 0, negative numbers, infinity and NaN, and `y` otherwise.
template <class T> WEFT_INLINE Vec<T> log_edges(Vec<T> x, Vec<T> y) {
  constexpr T infinity = __builtin_inf();
  y = x > T(0) ? y : splat<T>(T(__builtin_nan("")));
  y = x == T(0) ? splat<T>(-infinity) : y;
  return x == infinity ? x : y;
}

template <class T> WEFT_INLINE Vec<T> vlog(Vec<T> x) {
  using L = LogOf<T>;
  Vec<T> f, e;
  log_parts<T>(x, f, e);
  return log_edges<T>(x, e * L::ln2_high + (f + (log_tail(f, T()) + e * L::ln2_low)));
}

// log(x) in another base: `scale` = 1 / log(base), log(2) / log(base) in two parts.
template <class T> WEFT_INLINE Vec<T> vlog_base(Vec<T> x, T scale_high, T scale_low, T two_high, T two_low) {
  Vec<T> f, e;
  log_parts<T>(x, f, e);
  Vec<T> tail = log_tail(f, T());
  // f in two parts: its product with scale_high is then exact.
  Vec<T> head = from_bits<T>(bits<T>(f) & ~((typename SimdOf<T>::Int(1) << (SimdOf<T>::mantissa / 2 + 1)) - 1));
  Vec<T> rest = (f - head) + tail;
  Vec<T> y = (rest * scale_high + (head + rest) * scale_low) + e * two_low;
  return log_edges<T>(x, e * two_high + (head * scale_high + y));
}

template <class T> WEFT_INLINE Vec<T> vlog1p(Vec<T> x) {
  using L = LogOf<T>;
  Vec<T> u = x + T(1), f, e;
  log_parts<T>(u, f, e);
  // What was lost in 1 + x, relative to u; nothing where no power of two is split off.
  Vec<T> lost = (x > T(1) ? T(1) - (u - x) : x - (u - T(1))) / u;
  f = e == T(0) ? x : f;
  lost = e == T(0) ? Vec<T>{} : lost;
  Vec<T> y = e * L::ln2_high + (f + (log_tail(f, T()) + (e * L::ln2_low + lost)));
  y = log_edges<T>(u, y);
  return x == T(__builtin_inf()) ? x : absolute<T>(x) < ExpOf<T>::tiny ? x : y;
}

template <class T> WEFT_INLINE Vec<T> vtanh(Vec<T> x) {
  constexpr T flat = sizeof(T) == 4 ? T(10) : T(20);
  Vec<T> t = vexpm1<T>(at_most<T>(absolute<T>(x), flat) * T(2));
  return copy_sign<T>(t / (t + T(2)), x);
}

template <class T> WEFT_INLINE Vec<T> vsigmoid(Vec<T> x) { return T(1) / (vexp<T>(-x) + T(1)); }

// log(1 + exp(x))
template <class T> WEFT_INLINE Vec<T> vsoftrelu(Vec<T> x) {
  Vec<T> positive = x < T(0) ? Vec<T>{} : x;  // keeps NaN
  return positive + vlog1p<T>(vexp<T>(-absolute<T>(x)));
}

// exp(-g(t)) = erfc(t) for 0.9 <= t < 7, single precision.
WEFT_INLINE Vec<float> erfc_far(Vec<float> t) {
  constexpr float c[] = {0.0001605517466f, 1.128456602f,     0.634501264f,    0.1079581752f,     -0.02547361507f,
                         0.004532876119f,  -0.0005777680171f, 4.93152149e-5f, -2.508994232e-6f, 5.72747236e-8f};
  return vexp<float>(-horner<float>(t, c));
}
WEFT_INLINE Vec<float> erf_near(Vec<float> x) {
  constexpr float c[] = {0.1283791666f,   -0.3761263369f,    0.1128369415f, -0.02685929726f,
                         0.005200729667f, -0.0008138792386f, 8.351897081e-5f};
  Vec<float> z = x * x;
  return x * horner<float>(z, c) + x;
}
constexpr float kErfNear = 0.92f;

WEFT_INLINE Vec<float> verf(Vec<float> x) {
  constexpr float c[] = {-0.0003185396624f, 1.130231055f,     0.6318239181f,   0.1100871665f,   -0.02642763715f,
                         0.004762625833f,   -0.0005975857702f, 4.616385863e-5f, -1.643063656e-6f};
  Vec<float> t = at_most<float>(absolute<float>(x), 4.0f);
  Vec<float> far = 1.0f - vexp_nonpositive<float>(-horner<float>(t, c));
  return absolute<float>(x) < kErfNear ? erf_near(x) : copy_sign<float>(far, x);
}
WEFT_INLINE Vec<double> verf(Vec<double> x) {
  Vec<double> y{};
  for (int k = 0; k < 4; ++k) y[k] = std::erf(x[k]);
  return y;
}

// (1 + erf(x / sqrt(2))) / 2, the normal distribution function, without cancellation for negative x.
WEFT_INLINE Vec<float> normal_cdf(Vec<float> x) {
  Vec<float> z = x * 0.70710678118654752f, t = at_most<float>(absolute<float>(z), 7.0f);
  Vec<float> far = erfc_far(t) * 0.5f;
  far = z < 0.0f ? far : 1.0f - far;
  Vec<float> y = t < kErfNear ? erf_near(z) * 0.5f + 0.5f : far;
  return x == x ? y : x;
}
WEFT_INLINE Vec<double> normal_cdf(Vec<double> x) {
  Vec<double> y{};
  for (int k = 0; k < 4; ++k) y[k] = 0.5 * std::erfc(x[k] * -0.70710678118654752440);
  return y;
}

}  // namespace WEFT_TARGET
}  // namespace weft
