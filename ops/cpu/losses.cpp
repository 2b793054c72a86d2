#include "ops/cpu/losses.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/core/engine.hpp"

namespace weft {

namespace {

constexpr double kPieceNs = 20000;

template <class Spec> struct Loss : Kernel {
  Spec spec;
  Loss(int (*run_)(Kernel*, const RunArgs*), double cost, const Spec& spec_)
      : Kernel(run_, [](Kernel* self) { delete static_cast<Loss*>(self); }, cost), spec(spec_) {}
};

template <class Spec> struct Call {
  const Spec* spec;
  const RunArgs* args;
  void* work;
};

// Runs body(call, begin, end) over n places on the free cores.
template <class Spec>
int spread(Kernel* kernel, const RunArgs* args, int64_t n, double ns_each, void (*body)(void*, int64_t, int64_t),
           void* work = nullptr) {
  Call<Spec> call{&static_cast<Loss<Spec>*>(kernel)->spec, args, work};
  parallel_for(n, std::max<int64_t>(1, int64_t(kPieceNs / std::max(ns_each, 0.1))), body, &call);
  return 0;
}

template <class Spec> const Call<Spec>& call_of(void* context) { return *static_cast<Call<Spec>*>(context); }
template <class T> const T* input(const RunArgs* args, int i) { return static_cast<const T*>(args->inputs[i]); }
template <class T> T* output(const RunArgs* args, int i) { return static_cast<T*>(args->outputs[i]); }

// Makes a kernel for the data type, or none.
template <class Spec>
Kernel* choose(DType type, int (*single)(Kernel*, const RunArgs*), int (*wide)(Kernel*, const RunArgs*), double cost,
               const Spec& spec) {
  if (type == DType::kFloat32) return new Loss<Spec>(single, cost, spec);
  if (type == DType::kFloat64) return new Loss<Spec>(wide, 2 * cost, spec);
  return nullptr;
}

// --- one element at a time ----------------------------------------------------------------------------------

template <class T> T hinge(const PointLossSpec& s, T out, bool own) {
  // The right class should lie above the margin, all others below minus it.
  const T sign = own ? T(-1) : T(1), excess = T(s.margin) + sign * out;
  if (!(excess > T(0))) return T(0);
  return sign * (s.kind == PointLoss::kHinge ? T(1) : T(2) * excess);
}

template <class T> void point_loss(void* context, int64_t begin, int64_t end) {
  const auto& call = call_of<PointLossSpec>(context);
  const PointLossSpec& s = *call.spec;
  const T *out = input<T>(call.args, 1), *label = input<T>(call.args, 2), scale = T(s.scale);
  T* grad = output<T>(call.args, 0);
  if (s.kind == PointLoss::kDifference) {
    for (int64_t i = begin; i < end; ++i) grad[i] = (out[i] - label[i]) * scale;
  } else if (s.kind == PointLoss::kSign) {
    for (int64_t i = begin; i < end; ++i) grad[i] = out[i] > label[i] ? scale : -scale;
  } else {
    for (int64_t i = begin; i < end; ++i)
      grad[i] = hinge<T>(s, out[i], i % s.classes == int64_t(label[i / s.classes])) * scale;
  }
}

template <class T> int run_point_loss(Kernel* kernel, const RunArgs* args) {
  return spread<PointLossSpec>(kernel, args, static_cast<Loss<PointLossSpec>*>(kernel)->spec.size, 1.0, point_loss<T>);
}

struct ValidSpec {
  int64_t size;
  double scale, threshold;
};

template <class T> int run_valid_loss(Kernel* kernel, const RunArgs* args) {
  const ValidSpec& s = static_cast<Loss<ValidSpec>*>(kernel)->spec;
  const T* data = input<T>(args, 1);
  int64_t valid = 0;
  for (int64_t i = 0; i < s.size; ++i) valid += data[i] > T(s.threshold);
  std::fill_n(output<T>(args, 0), s.size, T(s.scale / std::max<int64_t>(1, valid)));
  return 0;
}

// --- one row at a time --------------------------------------------------------------------------------------

struct RowSpec {
  int64_t rows, classes;
};

template <class T> int64_t class_of(T label, int64_t classes) {
  return std::min(std::max<int64_t>(int64_t(label), 0), classes - 1);
}

template <class T> T exp_sum(const T* x, int64_t n, T* most) {
  *most = *std::max_element(x, x + n);
  T total = 0;
  for (int64_t i = 0; i < n; ++i) total += std::exp(x[i] - *most);
  return total;
}

template <class T> void row_entropy(void* context, int64_t begin, int64_t end) {
  const auto& call = call_of<RowSpec>(context);
  const int64_t n = call.spec->classes;
  for (int64_t row = begin; row < end; ++row) {
    const T* x = input<T>(call.args, 0) + row * n;
    T most;
    const T total = exp_sum(x, n, &most);
    const T chance = std::exp(x[class_of(input<T>(call.args, 1)[row], n)] - most) / total;
    static_cast<T*>(call.work)[row] = -std::log(std::max(chance, T(1e-8)));
  }
}

template <class T> int run_row_entropy(Kernel* kernel, const RunArgs* args) {
  const RowSpec& s = static_cast<Loss<RowSpec>*>(kernel)->spec;
  std::vector<T> losses(s.rows);
  spread<RowSpec>(kernel, args, s.rows, 6.0 * s.classes, row_entropy<T>, losses.data());
  double total = 0;
  for (T loss : losses) total += loss;
  *output<T>(args, 0) = T(total);
  return 0;
}

template <class T> void row_entropy_backward(void* context, int64_t begin, int64_t end) {
  const auto& call = call_of<RowSpec>(context);
  const int64_t n = call.spec->classes;
  const T head = *input<T>(call.args, 0);
  for (int64_t row = begin; row < end; ++row) {
    const T* x = input<T>(call.args, 1) + row * n;
    T* grad = output<T>(call.args, 0) + row * n;
    T most;
    const T share = head / exp_sum(x, n, &most);
    for (int64_t i = 0; i < n; ++i) grad[i] = std::exp(x[i] - most) * share;
    grad[class_of(input<T>(call.args, 2)[row], n)] -= head;
  }
}

template <class T> int run_row_entropy_backward(Kernel* kernel, const RunArgs* args) {
  const RowSpec& s = static_cast<Loss<RowSpec>*>(kernel)->spec;
  return spread<RowSpec>(kernel, args, s.rows, 12.0 * s.classes, row_entropy_backward<T>);
}

// --- prelu --------------------------------------------------------------------------------------------------

struct PreluSpec {
  int64_t outer, channels, inner;
};

template <class T> void prelu_channels(void* context, int64_t begin, int64_t end) {
  const auto& call = call_of<PreluSpec>(context);
  const PreluSpec& s = *call.spec;
  for (int64_t channel = begin; channel < end; ++channel) {
    const T slope = input<T>(call.args, 2)[channel];
    T total = 0;
    for (int64_t sample = 0; sample < s.outer; ++sample) {
      const int64_t at = (sample * s.channels + channel) * s.inner;
      const T *grad = input<T>(call.args, 0) + at, *x = input<T>(call.args, 1) + at;
      T *out = output<T>(call.args, 0) + at, part = 0;
      for (int64_t i = 0; i < s.inner; ++i) {
        const bool below = x[i] <= T(0);
        out[i] = below ? grad[i] * slope : grad[i];
        part += below ? grad[i] * x[i] : T(0);
      }
      total += part;
    }
    output<T>(call.args, 1)[channel] = total;
  }
}

template <class T> int run_prelu(Kernel* kernel, const RunArgs* args) {
  const PreluSpec& s = static_cast<Loss<PreluSpec>*>(kernel)->spec;
  return spread<PreluSpec>(kernel, args, s.channels, 1.5 * s.outer * s.inner, prelu_channels<T>);
}

}  // namespace

Kernel* make_point_loss(const PointLossSpec& spec) {
  return choose(spec.type, run_point_loss<float>, run_point_loss<double>, 60 + 0.7 * spec.size, spec);
}

Kernel* make_valid_loss(DType type, int64_t size, double scale, double threshold) {
  return choose(type, run_valid_loss<float>, run_valid_loss<double>, 60 + 0.7 * size, ValidSpec{size, scale, threshold});
}

Kernel* make_row_entropy(DType type, int64_t rows, int64_t classes) {
  return choose(type, run_row_entropy<float>, run_row_entropy<double>, 60 + 6.0 * rows * classes,
                RowSpec{rows, classes});
}

Kernel* make_row_entropy_backward(DType type, int64_t rows, int64_t classes) {
  return choose(type, run_row_entropy_backward<float>, run_row_entropy_backward<double>, 60 + 12.0 * rows * classes,
                RowSpec{rows, classes});
}

Kernel* make_prelu_backward(DType type, int64_t outer, int64_t channels, int64_t inner) {
  return choose(type, run_prelu<float>, run_prelu<double>, 60 + 1.5 * outer * channels * inner,
                PreluSpec{outer, channels, inner});
}

}  // namespace weft
