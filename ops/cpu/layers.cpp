#include "ops/cpu/layers.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/core/engine.hpp"
#include "ops/cpu/target.hpp"

namespace weft {

namespace baseline {
void layer_loops(LayerLoops<float>*, LayerLoops<double>*);
}
#if WEFT_HAVE_AVX2_TARGET
namespace avx2 {
void layer_loops(LayerLoops<float>*, LayerLoops<double>*);
}
#endif

namespace {

constexpr double kPieceNs = 20000;
constexpr int64_t kColumns = 256;  // columns summed up at a time, so that their totals stay in cache

template <class T> const LayerLoops<T>& loops() {
  struct Both {
    LayerLoops<float> single;
    LayerLoops<double> wide;
    Both() {
#if WEFT_HAVE_AVX2_TARGET
      if (cpu_has_avx2()) {
        avx2::layer_loops(&single, &wide);
        return;
      }
#endif
      baseline::layer_loops(&single, &wide);
    }
  };
  static const Both both;
  if constexpr (sizeof(T) == 4) return both.single;
  else return both.wide;
}

template <class Spec> struct Layer : Kernel {
  Spec spec;
  Layer(int (*run_)(Kernel*, const RunArgs*), double cost, const Spec& spec_)
      : Kernel(run_, [](Kernel* self) { delete static_cast<Layer*>(self); }, cost), spec(spec_) {}
};

template <class Spec> const Spec& spec_of(Kernel* kernel) { return static_cast<Layer<Spec>*>(kernel)->spec; }

int64_t grain_of(double ns_each) { return std::max<int64_t>(1, int64_t(kPieceNs / std::max(ns_each, 1.0))); }

template <class T> const T* input(const RunArgs* args, int i) { return static_cast<const T*>(args->inputs[i]); }
template <class T> T* output(const RunArgs* args, int i) { return static_cast<T*>(args->outputs[i]); }

// --- row normalization --------------------------------------------------------------------------------------

struct NormCall {
  const NormSpec* spec;
  const RunArgs* args;
  void* work;  // two sums for each row, when scales belong to rows
};

template <class T> void norm_rows(void* context, int64_t begin, int64_t end) {
  const NormCall& call = *static_cast<NormCall*>(context);
  const NormSpec& s = *call.spec;
  const T *gamma = input<T>(call.args, 1), *beta = input<T>(call.args, 2);
  for (int64_t row = begin; row < end; ++row) {
    const T* x = input<T>(call.args, 0) + row * s.length;
    T mean, var;
    loops<T>().moments(x, s.length, &mean, &var);
    const T deviation = std::sqrt(var + T(s.eps));
    const int64_t at = s.per_element ? 0 : row % s.scales;
    loops<T>().scale_row(x, s.length, mean, T(1) / deviation, gamma + at, beta + at, s.per_element,
                         output<T>(call.args, 0) + row * s.length);
    output<T>(call.args, 1)[row] = mean;
    output<T>(call.args, 2)[row] = s.deviation ? deviation : var;
  }
}

template <class T> T inverse(const NormSpec& s, T statistic) {
  return T(1) / (s.deviation ? statistic : std::sqrt(statistic + T(s.eps)));
}

template <class T> void norm_rows_backward(void* context, int64_t begin, int64_t end) {
  const NormCall& call = *static_cast<NormCall*>(context);
  const NormSpec& s = *call.spec;
  const T* gamma = input<T>(call.args, 2);
  T* sums = static_cast<T*>(call.work);
  for (int64_t row = begin; row < end; ++row) {
    const T *grad = input<T>(call.args, 0) + row * s.length, *x = input<T>(call.args, 1) + row * s.length;
    const T mean = input<T>(call.args, 3)[row], inv = inverse<T>(s, input<T>(call.args, 4)[row]);
    const T* vector = s.per_element ? gamma : nullptr;
    const T factor = s.per_element ? T(1) : gamma[row % s.scales];
    T sum, dot;
    loops<T>().row_sums(grad, x, s.length, mean, inv, vector, &sum, &dot);
    if (!s.per_element) {
      sums[2 * row] = dot;
      sums[2 * row + 1] = sum;
    }
    const T share = factor / T(s.length);
    loops<T>().row_backward(grad, x, s.length, mean, inv, vector, factor, sum * share, dot * share,
                            output<T>(call.args, 0) + row * s.length);
  }
}

template <class T> void norm_columns_backward(void* context, int64_t begin, int64_t end) {
  const NormCall& call = *static_cast<NormCall*>(context);
  const NormSpec& s = *call.spec;
  for (int64_t block = begin; block < end; ++block) {
    const int64_t first = block * kColumns, count = std::min(kColumns, s.length - first);
    T *d_gamma = output<T>(call.args, 1) + first, *d_beta = output<T>(call.args, 2) + first;
    std::fill(d_gamma, d_gamma + count, T(0));
    std::fill(d_beta, d_beta + count, T(0));
    for (int64_t row = 0; row < s.rows; ++row)
      loops<T>().accumulate(input<T>(call.args, 0) + row * s.length + first,
                            input<T>(call.args, 1) + row * s.length + first, count, input<T>(call.args, 3)[row],
                            inverse<T>(s, input<T>(call.args, 4)[row]), d_gamma, d_beta);
  }
}

template <class T> int run_norm(Kernel* kernel, const RunArgs* args) {
  const NormSpec& s = spec_of<NormSpec>(kernel);
  NormCall call{&s, args, nullptr};
  parallel_for(s.rows, grain_of(0.6 * s.length), norm_rows<T>, &call);
  return 0;
}

template <class T> int run_norm_backward(Kernel* kernel, const RunArgs* args) {
  const NormSpec& s = spec_of<NormSpec>(kernel);
  std::vector<T> sums(s.per_element ? 0 : 2 * s.rows);
  NormCall call{&s, args, sums.data()};
  parallel_for(s.rows, grain_of(0.8 * s.length), norm_rows_backward<T>, &call);
  if (s.per_element) {
    parallel_for((s.length + kColumns - 1) / kColumns, grain_of(0.5 * kColumns * s.rows), norm_columns_backward<T>,
                 &call);
    return 0;
  }
  T *d_gamma = output<T>(args, 1), *d_beta = output<T>(args, 2);
  std::fill(d_gamma, d_gamma + s.scales, T(0));
  std::fill(d_beta, d_beta + s.scales, T(0));
  for (int64_t row = 0; row < s.rows; ++row) {
    d_gamma[row % s.scales] += sums[2 * row];
    d_beta[row % s.scales] += sums[2 * row + 1];
  }
  return 0;
}

}  // namespace

Kernel* make_norm(const NormSpec& spec) {
  const double cost = 300 + 0.6 * spec.rows * spec.length;
  if (spec.type == DType::kFloat32) return new Layer<NormSpec>(run_norm<float>, cost, spec);
  if (spec.type == DType::kFloat64) return new Layer<NormSpec>(run_norm<double>, 2 * cost, spec);
  return nullptr;
}

Kernel* make_norm_backward(const NormSpec& spec) {
  const double cost = 500 + 1.3 * spec.rows * spec.length;
  if (spec.type == DType::kFloat32) return new Layer<NormSpec>(run_norm_backward<float>, cost, spec);
  if (spec.type == DType::kFloat64) return new Layer<NormSpec>(run_norm_backward<double>, 2 * cost, spec);
  return nullptr;
}

}  // namespace weft
