#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include "ops/cpu/half.hpp"
#include "ops/cpu/onednn_program.hpp"
#include "ops/cpu/optimizer_loops.hpp"
#include "ops/cpu/spread.hpp"
#include "ops/cpu/target.hpp"

namespace weft {

namespace baseline {
UpdateLoop update_loop(UpdateRule rule, UpdateType type);
}
#if WEFT_HAVE_AVX2_TARGET
namespace avx2 {
UpdateLoop update_loop(UpdateRule rule, UpdateType type);
}
#endif

namespace {

constexpr int64_t kGrain = 1 << 14;  // elements a core is woken for

UpdateLoop find_loop_of(UpdateRule rule, UpdateType type) {
#if WEFT_HAVE_AVX2_TARGET
  if (cpu_has_avx2()) return avx2::update_loop(rule, type);
#endif
  return baseline::update_loop(rule, type);
}

struct Updates {
  UpdateLayout layout;
  UpdateLoop loop;
  std::vector<int64_t> sizes;
  LambStep step;
  int64_t largest;

  Updates(const UpdateLayout& layout_, UpdateType type, const int64_t* sizes_, const LambStep& step_ = {})
      : layout(layout_), loop(find_loop_of(layout_.rule, type)), sizes(sizes_, sizes_ + layout_.n_weights), step(step_),
        largest(*std::max_element(sizes.begin(), sizes.end())) {}
};

double scalar_of(const UpdateLayout& layout, const UpdateScalar& scalar, const RunArgs* args, int index) {
  const int at = scalar.step * index;
  if (scalar.source == kFromCall) return args->scalars[scalar.offset + at];
  if (scalar.source == kFromArray)
    return double(input_of<float>(args, layout.n_weights * layout.n_inputs + scalar.offset)[at]);
  return scalar.value;
}

template <class Body> void over_elements(int64_t size, const Body& body) {
  if (size <= 2 * kGrain) body(int64_t(0), size);
  else spread(size, 20000.0 / double(kGrain), body);
}

int64_t weight_bytes(UpdateType type) {
  return type == kUpdateHalf || type == kUpdateMixed ? 2 : type == kUpdateDouble ? 8 : 4;
}

int run_update(Kernel* self, const RunArgs* args) {
  const Updates& updates = spec_of<Updates>(self);
  const UpdateLayout& layout = updates.layout;
  for (int i = 0; i < layout.n_weights; ++i) {
    double scalars[kMaxUpdateScalars];
    for (int k = 0; k < layout.n_scalars; ++k) scalars[k] = scalar_of(layout, layout.scalars[k], args, i);
    void* const* inputs = args->inputs + i * layout.n_inputs;
    void* out = args->outputs[i];
    if (layout.scale >= 0 && (scalars[layout.scale] == 0 || !std::isfinite(scalars[layout.scale]))) {
      if (out != inputs[0]) std::memcpy(out, inputs[0], size_t(updates.sizes[i] * weight_bytes(layout.type)));
      continue;
    }
    over_elements(updates.sizes[i], [&](int64_t begin, int64_t end) { updates.loop(out, inputs, begin, end, scalars); });
  }
  return 0;
}

// --- LAMB -----------------------------------------------------------------------------------------------------------

// The learning rate times the ratio of norms.
double lamb_rate(double rate, double lower, double upper, double weight_norm, double step_norm) {
  if (lower >= 0) weight_norm = std::max(weight_norm, lower);
  if (upper >= 0) weight_norm = std::min(weight_norm, upper);
  return weight_norm == 0 || step_norm == 0 ? rate : rate * weight_norm / step_norm;
}

template <class T> double norm_of(const T* values, int64_t size) {
  constexpr int64_t kPart = 4096;  // parts of one size, so that the sum does not depend on the cores
  std::vector<double> parts(size_t((size + kPart - 1) / kPart));
  spread(int64_t(parts.size()), 0.5 * kPart, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      double lanes[8] = {};
      const int64_t first = part * kPart, last = std::min(size, first + kPart);
      int64_t i = first;
      for (; i + 8 <= last; i += 8)
        for (int lane = 0; lane < 8; ++lane) lanes[lane] += double(values[i + lane]) * double(values[i + lane]);
      for (; i < last; ++i) lanes[0] += double(values[i]) * double(values[i]);
      for (double lane : lanes) parts[size_t(part)] += lane;
    }
  });
  double total = 0;
  for (double part : parts) total += part;
  return std::sqrt(total);
}

// out = weight - rate * direction; half: out is in half precision, and the weight is updated beside it.
template <class T> void take_step(const T* direction, T rate, int64_t size, T* weight, T* out, uint16_t* half) {
  over_elements(size, [&](int64_t begin, int64_t end) {
    if (!half) {
      for (int64_t i = begin; i < end; ++i) out[i] = weight[i] - rate * direction[i];
      return;
    }
    for (int64_t i = begin; i < end; ++i) weight[i] -= rate * direction[i];
    for (int64_t i = begin; i < end; ++i) half[i] = float_to_half(float(weight[i]));
  });
}

bool is_mixed(UpdateType type) { return type == kUpdateMixed || type == kUpdateMixedFloat; }

template <class T> int run_lamb(Kernel* self, const RunArgs* args) {
  const Updates& updates = spec_of<Updates>(self);
  const UpdateLayout& layout = updates.layout;
  dnnl::Scratch scratch(size_t(updates.largest) * sizeof(T));
  if (!scratch.ok()) {
    std::snprintf(args->error, kErrorBytes, "no memory for the direction of the step");
    return 1;
  }
  T* direction = static_cast<T*>(scratch.data());
  for (int i = 0; i < layout.n_weights; ++i) {
    double scalars[kMaxUpdateScalars];
    for (int k = 0; k < layout.n_scalars; ++k) scalars[k] = scalar_of(layout, layout.scalars[k], args, i);
    void* const* inputs = args->inputs + i * layout.n_inputs;
    T* weight = static_cast<T*>(inputs[is_mixed(layout.type) ? layout.n_inputs - 1 : 0]);
    const int64_t size = updates.sizes[i];
    over_elements(size, [&](int64_t begin, int64_t end) { updates.loop(direction, inputs, begin, end, scalars); });
    const double rate = lamb_rate(scalar_of(layout, updates.step.rate, args, i), scalar_of(layout, updates.step.lower, args, i),
                                  scalar_of(layout, updates.step.upper, args, i), norm_of(weight, size),
                                  norm_of(direction, size));
    T* out = static_cast<T*>(args->outputs[i]);
    if (layout.type == kUpdateMixed) {
      take_step(direction, T(rate), size, weight, weight, static_cast<uint16_t*>(args->outputs[i]));
    } else if (layout.type == kUpdateMixedFloat) {
      take_step<T>(direction, T(rate), size, weight, weight, nullptr);
      std::memcpy(out, weight, size_t(size) * sizeof(T));
    } else {
      take_step<T>(direction, T(rate), size, weight, out, nullptr);
    }
  }
  return 0;
}

struct PlainUpdate {
  UpdateType type;
  int64_t rows, columns;
  int64_t size() const { return rows * columns; }
};

template <class T> int run_lamb_step(Kernel* self, const RunArgs* args) {
  const PlainUpdate& s = spec_of<PlainUpdate>(self);
  const double rate = lamb_rate(args->scalars[0], args->scalars[1], args->scalars[2], double(*input_of<T>(args, 2)),
                                double(*input_of<T>(args, 3)));
  T* weight = static_cast<T*>(args->inputs[is_mixed(s.type) ? 4 : 0]);
  const T* direction = input_of<T>(args, 1);
  if (s.type == kUpdateMixed) {
    take_step(direction, T(rate), s.size(), weight, weight, output_of<uint16_t>(args, 0));
    return 0;
  }
  take_step<T>(direction, T(rate), s.size(), weight, is_mixed(s.type) ? weight : output_of<T>(args, 0), nullptr);
  if (is_mixed(s.type)) std::memcpy(args->outputs[0], weight, size_t(s.size()) * sizeof(T));
  return 0;
}

// --- AdaGrad by rows, rates of LARS, zeros ----------------------------------------------------------------------------

template <class T> T clipped(T value, T bound) { return bound < T(0) ? value : std::min(std::max(value, -bound), bound); }

template <class T> int run_group_adagrad(Kernel* self, const RunArgs* args) {
  const PlainUpdate& s = spec_of<PlainUpdate>(self);
  const T rate = T(args->scalars[0]), rescale = T(args->scalars[1]), bound = T(args->scalars[2]), epsilon = T(args->scalars[3]);
  T* history = static_cast<T*>(args->inputs[2]);
  spread(s.rows, 2.0 * double(s.columns) + 5, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T *weight = input_of<T>(args, 0) + row * s.columns, *grad = input_of<T>(args, 1) + row * s.columns;
      T *out = output_of<T>(args, 0) + row * s.columns, square = 0;
      for (int64_t i = 0; i < s.columns; ++i) {
        const T g = clipped(grad[i] * rescale, bound);
        square += g * g;
      }
      history[row] += square / T(s.columns);
      const T factor = rate / std::sqrt(history[row] + epsilon);
      for (int64_t i = 0; i < s.columns; ++i) out[i] = weight[i] - factor * clipped(grad[i] * rescale, bound);
    }
  });
  return 0;
}

template <class T> int run_lars_rates(Kernel* self, const RunArgs* args) {
  const PlainUpdate& s = spec_of<PlainUpdate>(self);
  const T eta = T(args->scalars[0]), epsilon = T(args->scalars[1]), rescale = T(args->scalars[2]);
  for (int64_t i = 0; i < s.size(); ++i) {
    const T rate = input_of<T>(args, 0)[i], decay = input_of<T>(args, 3)[i];
    const T weight = std::sqrt(input_of<T>(args, 1)[i]), grad = std::sqrt(input_of<T>(args, 2)[i]) * rescale;
    const bool scaled = weight > T(0) && grad > T(0);
    output_of<T>(args, 0)[i] = scaled ? rate * (eta * weight / (grad + decay * weight + epsilon)) : rate;
  }
  return 0;
}

int run_reset(Kernel* self, const RunArgs* args) {
  const std::vector<int64_t>& bytes = spec_of<std::vector<int64_t>>(self);
  for (size_t i = 0; i < bytes.size(); ++i) std::memset(args->inputs[i], 0, size_t(bytes[i]));
  return 0;
}

Kernel* make_plain(UpdateType type, KernelRun single, KernelRun wide, double cost, int64_t rows, int64_t columns) {
  return new SpecKernel<PlainUpdate>(type == kUpdateDouble ? wide : single, cost, {type, rows, columns});
}

}  // namespace

Kernel* make_update_kernel(const UpdateLayout& layout, const int64_t* sizes, double cost_ns) {
  return new SpecKernel<Updates>(run_update, cost_ns, Updates(layout, layout.type, sizes));
}

Kernel* make_lamb_kernel(const UpdateLayout& layout, const LambStep& step, const int64_t* sizes, double cost_ns) {
  const UpdateType type = layout.type == kUpdateMixed        ? kUpdateMixedDirection
                          : layout.type == kUpdateMixedFloat ? kUpdateMixedFloatDirection
                                                             : layout.type;
  KernelRun run = layout.type == kUpdateDouble ? run_lamb<double> : run_lamb<float>;
  return new SpecKernel<Updates>(run, 3 * cost_ns, Updates(layout, type, sizes, step));
}

Kernel* make_lamb_step(UpdateType type, int64_t size) {
  return make_plain(type, run_lamb_step<float>, run_lamb_step<double>, 60 + 0.4 * double(size), 1, size);
}

Kernel* make_group_adagrad(UpdateType type, int64_t rows, int64_t columns) {
  return make_plain(type, run_group_adagrad<float>, run_group_adagrad<double>, 60 + 2.0 * double(rows * columns), rows, columns);
}

Kernel* make_lars_rates(UpdateType type, int64_t size) {
  return make_plain(type, run_lars_rates<float>, run_lars_rates<double>, 60 + 10.0 * double(size), 1, size);
}

Kernel* make_reset(const int64_t* bytes, int count) {
  std::vector<int64_t> all(bytes, bytes + count);
  double cost = 60;
  for (int64_t size : all) cost += 5 + 0.05 * double(size);
  return new SpecKernel<std::vector<int64_t>>(run_reset, cost, all);
}

}  // namespace weft
