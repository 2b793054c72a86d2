// Samples are spread over the cores; each runs its paths forwards, then backwards while it writes its gradient.
#include "ops/cpu/ctc.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <limits>
#include <vector>

#include "ops/cpu/indexing_loops.hpp"
#include "ops/cpu/onednn_program.hpp"
#include "ops/cpu/spread.hpp"
#include "ops/cpu/target.hpp"

namespace weft {

namespace baseline {
template <class T> const CtcRowLoops<T>* ctc_row_loops();
const CtcStateLoops* ctc_state_loops();
}
#if WEFT_HAVE_AVX2_TARGET
namespace avx2 {
template <class T> const CtcRowLoops<T>* ctc_row_loops();
const CtcStateLoops* ctc_state_loops();
}
#endif

namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

template <class T> const CtcRowLoops<T>& rows_of() {
#if WEFT_HAVE_AVX2_TARGET
  if (cpu_has_avx2()) return *avx2::ctc_row_loops<T>();
#endif
  return *baseline::ctc_row_loops<T>();
}

const CtcStateLoops& states_of() {
#if WEFT_HAVE_AVX2_TARGET
  if (cpu_has_avx2()) return *avx2::ctc_state_loops();
#endif
  return *baseline::ctc_state_loops();
}

// Labels and lengths of all samples.
struct Targets {
  std::vector<int64_t> labels, steps, counts;

  Targets(const CtcShape& s, const RunArgs* args)
      : labels(size_t(s.batch * s.labels)), steps(size_t(s.batch), s.time), counts(size_t(s.batch), s.labels) {
    read_indices(args->inputs[1], s.label_type, s.batch * s.labels, labels.data());
    int input = 2;
    if (s.data_length_type >= 0) read_indices(args->inputs[input++], s.data_length_type, s.batch, steps.data());
    if (s.label_length_type >= 0) {
      read_indices(args->inputs[input], s.label_length_type, s.batch, counts.data());
    } else {  // labels end at the first padding
      const int64_t padding = s.blank_first ? 0 : -1;
      for (int64_t b = 0; b < s.batch; ++b) {
        const auto first = labels.begin() + b * s.labels;
        counts[size_t(b)] = std::find(first, first + s.labels, padding) - first;
      }
    }
    for (int64_t& count : steps) count = std::min(std::max(count, int64_t(0)), s.time);
    for (int64_t& count : counts) count = std::min(std::max(count, int64_t(0)), s.labels);
    for (int64_t& label : labels) label = std::min(std::max(label, int64_t(0)), s.classes - 1);
  }
};

// One sample: states are blank, label, blank, label ... blank. Rows of states have two states that are never reached on
// either side, so that all states have those before and behind them.
template <class T> class Sample {
 public:
  // Values of scratch that the longest sample needs.
  static int64_t room(const CtcShape& s) { return row(2 * s.labels + 1) * (2 * s.time + 4); }
  static int64_t row(int64_t states) { return states + 4; }

  Sample(const CtcShape& s, const Targets& targets, int64_t b, const T* data, double* room)
      : s_(s), step_(s.batch * s.classes), data_(data + b * s.classes), states_(2 * targets.counts[size_t(b)] + 1),
        steps_(targets.steps[size_t(b)]), path_(size_t(states_), s.blank_first ? 0 : s.classes - 1), totals_(size_t(s.time)) {
    const int64_t blank = path_[0], size = row(states_);
    for (int64_t i = 0; 2 * i + 1 < states_; ++i) path_[size_t(2 * i + 1)] = targets.labels[size_t(b * s.labels + i)];
    allowed_ = room + 2;
    beta_[0] = allowed_ + size;
    beta_[1] = beta_[0] + size;
    shares_ = beta_[1] + size;
    alpha_ = shares_ + size;
    chance_ = alpha_ + size * s.time;
    std::fill(room, chance_ - 2, kNever);
    for (int64_t k = 2; k < states_; ++k)
      if (path_[size_t(k)] != blank && path_[size_t(k)] != path_[size_t(k - 2)]) allowed_[k] = 0;
  }

  // Returns the logarithm of the probability of the labels. A sequence without steps counts as one step.
  double forward() {
    const int64_t last = std::max<int64_t>(steps_, 1) - 1;
    for (int64_t t = 0; t <= last; ++t) {
      look_up(t);
      if (t == 0) {
        for (int64_t k = 0; k < std::min<int64_t>(2, states_); ++k) alpha(0)[k] = chance(0)[k];
      } else {
        const double* before = alpha(t - 1);
        states_of().advance(before, before - 1, before - 2, allowed_, chance(t), states_, alpha(t));
      }
    }
    const double *end = alpha(last) + states_ - 1, most = std::max(end[0], end[-1]);
    if (std::isnan(end[0] + end[-1])) return end[0] == kNever ? end[-1] : end[0] + end[-1];
    return most == kNever ? kNever : most + std::log(std::exp(end[0] - most) + std::exp(end[-1] - most));
  }

  void backward(double total, T* grad) {
    const bool possible = std::isfinite(total);
    for (int64_t t = s_.time; t-- > 0;) {
      T* out = grad + t * step_;
      if (t >= steps_ || !possible) {
        std::fill_n(out, s_.classes, T(0));
        continue;
      }
      const double* behind = beta_[(t + 1) % 2];
      double* beta = beta_[t % 2];
      if (t == steps_ - 1) {
        for (int64_t k = std::max<int64_t>(0, states_ - 2); k < states_; ++k) beta[k] = chance(t)[k];
      } else {
        states_of().advance(behind, behind + 1, behind + 2, allowed_ + 2, chance(t), states_, beta);
      }
      rows_of<T>().soften(data_ + t * step_, s_.classes, totals_[size_t(t)], out);
      states_of().shares(alpha(t), beta, chance(t), total, states_, shares_);
      for (int64_t k = 0; k < states_; ++k) out[path_[size_t(k)]] -= T(shares_[k]);
    }
  }

 private:
  double* alpha(int64_t t) { return alpha_ + t * row(states_); }
  double* chance(int64_t t) { return chance_ + t * row(states_); }

  // Logarithms of the probability of each state's class.
  void look_up(int64_t t) {
    const T* scores = data_ + t * step_;
    const RowTotal<T> total = totals_[size_t(t)] = rows_of<T>().total(scores, s_.classes);
    const double most = double(total.most), log_sum = std::log(total.sum);
    for (int64_t k = 0; k < states_; ++k) chance(t)[k] = (double(scores[path_[size_t(k)]]) - most) - log_sum;
  }

  const CtcShape& s_;
  const int64_t step_;
  const T* data_;
  const int64_t states_, steps_;
  std::vector<int64_t> path_;
  std::vector<RowTotal<T>> totals_;
  double *allowed_, *beta_[2], *shares_, *alpha_, *chance_;
};

double sample_ns(const CtcShape& s) { return double(s.time) * (30.0 * double(2 * s.labels + 1) + 3.0 * double(s.classes)); }

template <class T> int run_ctc(Kernel* self, const RunArgs* args) {
  const CtcShape& s = spec_of<CtcShape>(self);
  const Targets targets(s, args);
  std::atomic<bool> good{true};
  spread(s.batch, sample_ns(s), [&](int64_t begin, int64_t end) {
    dnnl::Scratch scratch(size_t(Sample<T>::room(s)) * sizeof(double));
    if (!scratch.ok()) return good.store(false, std::memory_order_relaxed);
    for (int64_t b = begin; b < end; ++b) {
      Sample<T> sample(s, targets, b, input_of<T>(args, 0), static_cast<double*>(scratch.data()));
      const double total = sample.forward();
      output_of<T>(args, 0)[b] = T(-total);
      sample.backward(total, output_of<T>(args, 1) + b * s.classes);
    }
  });
  if (good.load(std::memory_order_relaxed)) return 0;
  std::snprintf(args->error, kErrorBytes, "no memory for the probabilities of paths");
  return 1;
}

struct ScaleShape {
  int64_t time, batch, classes;
};

template <class T> int run_scale(Kernel* self, const RunArgs* args) {
  const ScaleShape& s = spec_of<ScaleShape>(self);
  spread(s.time * s.batch, 0.5 * double(s.classes) + 2, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T head = input_of<T>(args, 0)[row % s.batch], *grad = input_of<T>(args, 1) + row * s.classes;
      T* out = output_of<T>(args, 0) + row * s.classes;
      for (int64_t i = 0; i < s.classes; ++i) out[i] = head * grad[i];
    }
  });
  return 0;
}

}  // namespace

Kernel* make_ctc_loss(const CtcShape& shape) {
  return choose_kernel(shape.type, run_ctc<float>, run_ctc<double>, 500 + double(shape.batch) * sample_ns(shape), shape);
}

Kernel* make_ctc_scale(DType type, int64_t time, int64_t batch, int64_t classes) {
  return choose_kernel(type, run_scale<float>, run_scale<double>, 60 + 0.5 * double(time * batch * classes),
                       ScaleShape{time, batch, classes});
}

}  // namespace weft
