// Compiled once for each instruction set; see target.hpp for what such a source must not use.
#include "optimizer_loops.hpp"

#include <cmath>

#if defined(WEFT_TARGET_AVX2)
#include <immintrin.h>
#endif

#include "ops/cpu/half.hpp"

namespace weft {
inline namespace WEFT_TARGET {

UpdateLoop update_loop(UpdateRule rule, UpdateType type);

namespace {

template <class T>
struct Operands {
  T* out;
  const T* weight;
  const T* grad;
  T* state0;
  T* state1;
  T* state2;
};

// Clipping by [-bound, bound]; without a bound (negative) by infinities, which leaves NaN alone too.
template <class T>
inline T clip_bound(double bound) {
  return bound >= 0 ? T(bound) : T(INFINITY);
}
template <class T>
inline T clipped(T value, T bound) {
  return value < -bound ? -bound : (value > bound ? bound : value);
}
template <class T>
inline T sign(T value) {
  return T(value > T(0)) - T(value < T(0));
}

// out and weight may be the same array, never shifted against each other: iterations are independent.
#define WEFT_INDEPENDENT _Pragma("GCC ivdep")

template <class T>
void sgd(const Operands<T>& o, int64_t n, const double* p) {
  const T lr = T(p[0]), wd = T(p[1]), rescale = T(p[2]), bound = clip_bound<T>(p[3]);
  WEFT_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const T w = o.weight[i];
    const T g = clipped(o.grad[i] * rescale, bound) + wd * w;
    o.out[i] = w - lr * g;
  }
}

template <class T>
void sgd_momentum(const Operands<T>& o, int64_t n, const double* p) {
  const T lr = T(p[0]), momentum = T(p[1]), wd = T(p[2]), rescale = T(p[3]);
  const T bound = clip_bound<T>(p[4]);
  WEFT_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const T w = o.weight[i];
    const T g = clipped(o.grad[i] * rescale, bound) + wd * w;
    const T m = momentum * o.state0[i] - lr * g;
    o.state0[i] = m;
    o.out[i] = w + m;
  }
}

template <class T>
void nag(const Operands<T>& o, int64_t n, const double* p) {
  const T lr = T(p[0]), momentum = T(p[1]), wd = T(p[2]), rescale = T(p[3]);
  const T bound = clip_bound<T>(p[4]);
  WEFT_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const T w = o.weight[i];
    const T g = clipped(o.grad[i] * rescale, bound) + wd * w;
    const T m = momentum * o.state0[i] - lr * g;
    o.state0[i] = m;
    o.out[i] = w + momentum * m - lr * g;
  }
}

template <class T>
void sign_sgd(const Operands<T>& o, int64_t n, const double* p) {
  const T lr = T(p[0]), keep = T(1) - T(p[0]) * T(p[1]);
  WEFT_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) o.out[i] = keep * o.weight[i] - lr * sign(o.grad[i]);
}

template <class T>
void signum(const Operands<T>& o, int64_t n, const double* p) {
  const T lr = T(p[0]), momentum = T(p[1]), rest = T(1) - momentum, wd = T(p[2]), rescale = T(p[3]);
  const T bound = clip_bound<T>(p[4]), keep = T(1) - lr * T(p[5]);
  WEFT_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const T w = o.weight[i];
    const T m = momentum * o.state0[i] - rest * wd * w - rest * clipped(o.grad[i] * rescale, bound);
    o.state0[i] = m;
    o.out[i] = keep * w + lr * sign(m);
  }
}

template <class T>
void adam(const Operands<T>& o, int64_t n, const double* p) {
  const T lr = T(p[0]), beta1 = T(p[1]), beta2 = T(p[2]), epsilon = T(p[3]), wd = T(p[4]);
  const T rescale = T(p[5]), bound = clip_bound<T>(p[6]), rest1 = T(1 - p[1]), rest2 = T(1 - p[2]);
  WEFT_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const T w = o.weight[i];
    const T g = clipped(o.grad[i] * rescale + wd * w, bound);
    const T mean = beta1 * o.state0[i] + rest1 * g;
    const T variance = beta2 * o.state1[i] + rest2 * g * g;
    o.state0[i] = mean;
    o.state1[i] = variance;
    o.out[i] = w - lr * mean / (std::sqrt(variance) + epsilon);
  }
}

template <class T>
void rms_prop(const Operands<T>& o, int64_t n, const double* p) {
  const T lr = T(p[0]), gamma = T(p[1]), rest = T(1 - p[1]), epsilon = T(p[2]), wd = T(p[3]);
  const T rescale = T(p[4]), bound = clip_bound<T>(p[5]), weight_bound = clip_bound<T>(p[6]);
  WEFT_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const T w = o.weight[i];
    const T g = clipped(o.grad[i] * rescale + wd * w, bound);
    const T square = rest * g * g + gamma * o.state0[i];
    o.state0[i] = square;
    o.out[i] = clipped(w - lr * g / std::sqrt(square + epsilon), weight_bound);
  }
}

template <class T>
void rms_prop_alex(const Operands<T>& o, int64_t n, const double* p) {
  const T lr = T(p[0]), gamma1 = T(p[1]), rest = T(1 - p[1]), gamma2 = T(p[2]), epsilon = T(p[3]), wd = T(p[4]);
  const T rescale = T(p[5]), bound = clip_bound<T>(p[6]), weight_bound = clip_bound<T>(p[7]);
  WEFT_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const T w = o.weight[i];
    const T g = clipped(o.grad[i] * rescale + wd * w, bound);
    const T square = rest * g * g + gamma1 * o.state0[i];
    const T mean = rest * g + gamma1 * o.state1[i];
    const T step = gamma2 * o.state2[i] - lr * g / std::sqrt(square - mean * mean + epsilon);
    o.state0[i] = square;
    o.state1[i] = mean;
    o.state2[i] = step;
    o.out[i] = clipped(w + step, weight_bound);
  }
}

template <class T>
void ftml(const Operands<T>& o, int64_t n, const double* p) {
  const T beta1 = T(p[1]), rest1 = T(1 - p[1]), beta2 = T(p[2]), rest2 = T(1 - p[2]), epsilon = T(p[3]), wd = T(p[5]);
  const T rescale = T(p[6]), bound = clip_bound<T>(p[7]);
  const T factor = T((1 - std::pow(p[1], p[4])) / p[0]), correction = T(1 - std::pow(p[2], p[4]));
  WEFT_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const T w = o.weight[i];
    const T g = clipped(o.grad[i] * rescale + wd * w, bound);
    const T v = beta2 * o.state1[i] + rest2 * g * g;
    const T d = factor * (std::sqrt(v / correction) + epsilon);
    const T z = beta1 * o.state2[i] + rest1 * g - (d - beta1 * o.state0[i]) * w;
    o.state0[i] = d;
    o.state1[i] = v;
    o.state2[i] = z;
    o.out[i] = -z / d;
  }
}

template <class T>
void ftrl(const Operands<T>& o, int64_t n, const double* p) {
  const T lr = T(p[0]), lambda = T(p[1]), beta = T(p[2]), wd = T(p[3]), rescale = T(p[4]), bound = clip_bound<T>(p[5]);
  WEFT_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const T g = clipped(o.grad[i] * rescale, bound);
    const T before = o.state1[i], squares = before + g * g;
    const T root = std::sqrt(squares);
    const T z = o.state0[i] + g - (root - std::sqrt(before)) * o.weight[i] / lr;
    o.state0[i] = z;
    o.state1[i] = squares;
    const T size = z < T(0) ? -z : z;
    o.out[i] = (sign(z) * lambda - z) / ((beta + root) / lr + wd) * T(size > lambda);
  }
}

template <class T>
void adam_w(const Operands<T>& o, int64_t n, const double* p) {
  const T lr = T(p[0]), beta1 = T(p[1]), beta2 = T(p[2]), rest1 = T(1 - p[1]), rest2 = T(1 - p[2]), epsilon = T(p[3]);
  const T wd = T(p[4]), eta = T(p[5]), bound = clip_bound<T>(p[6]), rescale = T(p[7]);
  WEFT_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const T w = o.weight[i];
    const T g = clipped(o.grad[i] * rescale, bound);
    const T mean = beta1 * o.state0[i] + rest1 * g;
    const T variance = beta2 * o.state1[i] + rest2 * g * g;
    o.state0[i] = mean;
    o.state1[i] = variance;
    o.out[i] = w - eta * (lr * mean / (std::sqrt(variance) + epsilon) + wd * w);
  }
}

// p[7]: whether the means are corrected for having started at zero.
template <class T>
void lamb_direction(const Operands<T>& o, int64_t n, const double* p) {
  const T beta1 = T(p[0]), beta2 = T(p[1]), rest1 = T(1 - p[0]), rest2 = T(1 - p[1]), epsilon = T(p[2]), wd = T(p[4]);
  const T rescale = T(p[5]), bound = clip_bound<T>(p[6]);
  const T correction1 = p[7] != 0 ? T(1 - std::pow(p[0], p[3])) : T(1);
  const T correction2 = p[7] != 0 ? T(1 - std::pow(p[1], p[3])) : T(1);
  WEFT_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const T g = clipped(o.grad[i] * rescale, bound);
    const T mean = beta1 * o.state0[i] + rest1 * g;
    const T variance = beta2 * o.state1[i] + rest2 * g * g;
    o.state0[i] = mean;
    o.state1[i] = variance;
    o.out[i] = mean / correction1 / (std::sqrt(variance / correction2) + epsilon) + wd * o.weight[i];
  }
}

template <UpdateRule Rule, class T>
inline void apply(const Operands<T>& o, int64_t n, const double* p) {
  switch (Rule) {
    case kSgd: return sgd(o, n, p);
    case kSgdMomentum: return sgd_momentum(o, n, p);
    case kNag: return nag(o, n, p);
    case kSignSgd: return sign_sgd(o, n, p);
    case kSignum: return signum(o, n, p);
    case kAdam: return adam(o, n, p);
    case kRmsPropAlex: return rms_prop_alex(o, n, p);
    case kFtml: return ftml(o, n, p);
    case kFtrl: return ftrl(o, n, p);
    case kAdamW: return adam_w(o, n, p);
    case kLambDirection: return lamb_direction(o, n, p);
    default: return rms_prop(o, n, p);
  }
}

constexpr int states_of(UpdateRule rule) {
  switch (rule) {
    case kSgd:
    case kSignSgd: return 0;
    case kAdam:
    case kFtrl:
    case kAdamW:
    case kLambDirection: return 2;
    case kRmsPropAlex:
    case kFtml: return 3;
    default: return 1;
  }
}

template <UpdateRule Rule, class T>
void run_plain(void* out, void* const* inputs, int64_t begin, int64_t end, const double* scalars) {
  Operands<T> o{static_cast<T*>(out) + begin, static_cast<T*>(inputs[0]) + begin,
                static_cast<T*>(inputs[1]) + begin, nullptr, nullptr, nullptr};
  if (states_of(Rule) > 0) o.state0 = static_cast<T*>(inputs[2]) + begin;
  if (states_of(Rule) > 1) o.state1 = static_cast<T*>(inputs[3]) + begin;
  if (states_of(Rule) > 2) o.state2 = static_cast<T*>(inputs[4]) + begin;
  apply<Rule>(o, end - begin, scalars);
}

// --- halves, through float blocks -----------------------------------------------------------------

constexpr int64_t kBlock = 256;

void widen(float* target, const uint16_t* source, int64_t n) {
  int64_t i = 0;
#if defined(WEFT_TARGET_AVX2)
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(target + i, _mm256_cvtph_ps(_mm_loadu_si128(
                                     reinterpret_cast<const __m128i*>(source + i))));
#endif
  for (; i < n; ++i) target[i] = half_to_float(source[i]);
}

void narrow(uint16_t* target, const float* source, int64_t n) {
  int64_t i = 0;
#if defined(WEFT_TARGET_AVX2)
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(target + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(source + i), _MM_FROUND_TO_NEAREST_INT));
#endif
  for (; i < n; ++i) target[i] = float_to_half(source[i]);
}

template <UpdateRule Rule>
void run_half(void* out, void* const* inputs, int64_t begin, int64_t end, const double* scalars) {
  float block[5][kBlock];
  const int n_inputs = 2 + states_of(Rule);
  for (int64_t at = begin; at < end; at += kBlock) {
    const int64_t n = end - at < kBlock ? end - at : kBlock;
    for (int i = 0; i < n_inputs; ++i)
      widen(block[i], static_cast<const uint16_t*>(inputs[i]) + at, n);
    apply<Rule>(Operands<float>{block[0], block[0], block[1], block[2], block[3], block[4]}, n, scalars);
    narrow(static_cast<uint16_t*>(out) + at, block[0], n);
    for (int i = 2; i < n_inputs; ++i) narrow(static_cast<uint16_t*>(inputs[i]) + at, block[i], n);
  }
}

template <UpdateRule Rule, bool HalfWeight, bool Direction = false>
void run_mixed(void* out, void* const* inputs, int64_t begin, int64_t end, const double* scalars) {
  float block[kBlock];
  constexpr int states = states_of(Rule);
  float* master = static_cast<float*>(inputs[2 + states]);
  for (int64_t at = begin; at < end; at += kBlock) {
    const int64_t n = end - at < kBlock ? end - at : kBlock;
    const float* grad = block;
    if (HalfWeight)
      widen(block, static_cast<const uint16_t*>(inputs[1]) + at, n);
    else
      grad = static_cast<const float*>(inputs[1]) + at;
    Operands<float> o{Direction ? static_cast<float*>(out) + at : master + at, master + at, grad, nullptr, nullptr, nullptr};
    if (states > 0) o.state0 = static_cast<float*>(inputs[2]) + at;
    if (states > 1) o.state1 = static_cast<float*>(inputs[3]) + at;
    if (states > 2) o.state2 = static_cast<float*>(inputs[4]) + at;
    apply<Rule>(o, n, scalars);
    if (Direction) continue;
    if (HalfWeight)
      narrow(static_cast<uint16_t*>(out) + at, master + at, n);
    else
      for (int64_t i = 0; i < n; ++i) static_cast<float*>(out)[at + i] = master[at + i];
  }
}

template <UpdateRule Rule>
UpdateLoop loop_for(UpdateType type) {
  switch (type) {
    case kUpdateFloat: return run_plain<Rule, float>;
    case kUpdateDouble: return run_plain<Rule, double>;
    case kUpdateHalf: return run_half<Rule>;
    case kUpdateMixed: return run_mixed<Rule, true>;
    case kUpdateMixedDirection: return run_mixed<Rule, true, true>;
    case kUpdateMixedFloatDirection: return run_mixed<Rule, false, true>;
    default: return run_mixed<Rule, false>;
  }
}

}  // namespace

UpdateLoop update_loop(UpdateRule rule, UpdateType type) {
  switch (rule) {
    case kSgd: return loop_for<kSgd>(type);
    case kSgdMomentum: return loop_for<kSgdMomentum>(type);
    case kNag: return loop_for<kNag>(type);
    case kSignSgd: return loop_for<kSignSgd>(type);
    case kSignum: return loop_for<kSignum>(type);
    case kAdam: return loop_for<kAdam>(type);
    case kRmsPropAlex: return loop_for<kRmsPropAlex>(type);
    case kFtml: return loop_for<kFtml>(type);
    case kFtrl: return loop_for<kFtrl>(type);
    case kAdamW: return loop_for<kAdamW>(type);
    case kLambDirection: return loop_for<kLambDirection>(type);
    default: return loop_for<kRmsProp>(type);
  }
}

}  // namespace WEFT_TARGET
}  // namespace weft
