#include "ops/cpu/softmax.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "engine/core/engine.hpp"
#include "ops/cpu/stream.hpp"
#include "ops/cpu/target.hpp"

namespace weft {

namespace baseline {
void softmax_loops(SoftmaxLoops<float>*, SoftmaxLoops<double>*);
}
#if WEFT_HAVE_AVX2_TARGET
namespace avx2 {
void softmax_loops(SoftmaxLoops<float>*, SoftmaxLoops<double>*);
}
#endif

namespace {

constexpr double kPieceNs = 20000;
constexpr int64_t kRowBytes = 64 << 10;  // rows up to this are worked out in a buffer and streamed

template <class T> const SoftmaxLoops<T>& loops() {
  struct Both {
    SoftmaxLoops<float> single;
    SoftmaxLoops<double> wide;
    Both() {
#if WEFT_HAVE_AVX2_TARGET
      if (cpu_has_avx2()) {
        avx2::softmax_loops(&single, &wide);
        return;
      }
#endif
      baseline::softmax_loops(&single, &wide);
    }
  };
  static const Both both;
  if constexpr (sizeof(T) == 4) return both.single;
  else return both.wide;
}

struct Softmax : Kernel {
  SoftmaxSpec spec;
  int64_t grain;  // rows or column blocks in a piece
  using Kernel::Kernel;
};

struct Call {
  const Softmax* kernel;
  const RunArgs* args;
};

int64_t length_at(const SoftmaxSpec& spec, const void* lengths, int64_t row) {
  const int64_t length = spec.lengths == DType::kInt32 ? static_cast<const int32_t*>(lengths)[row]
                                                       : static_cast<const int64_t*>(lengths)[row];
  return std::min(std::max<int64_t>(length, 0), spec.n);
}

void convert(Loop loop, const void* from, void* to, int64_t n, int64_t from_size, int64_t to_size) {
  char* args[2] = {static_cast<char*>(const_cast<void*>(from)), static_cast<char*>(to)};
  const intptr_t count = n, steps[2] = {from_size, to_size};
  loop(args, &count, steps, nullptr);
}

// --- rows ---------------------------------------------------------------------------------------------------

template <class T> void rows(void* context, int64_t begin, int64_t end) {
  const Call& call = *static_cast<Call*>(context);
  const SoftmaxSpec& spec = call.kernel->spec;
  const int64_t n = spec.n, bytes = n * sizeof(T);
  const T *x = static_cast<const T*>(call.args->inputs[0]);
  T* out = static_cast<T*>(call.args->outputs[0]);
  // Large results are worked out in a buffer, and go around the cache from there.
  const bool around = bytes <= kRowBytes && bytes % 32 == 0 && spec.outer * bytes >= stream_bytes() &&
                      reinterpret_cast<uintptr_t>(out) % 32 == 0 && spec.lengths == DType::kOther && x != out;
  std::vector<T> buffer(around && !spec.log ? n : 0);
  for (int64_t row = begin; row < end; ++row) {
    int64_t count = n;
    if (spec.lengths != DType::kOther) {
      count = length_at(spec, call.args->inputs[1], row);
      std::fill(out + row * n + count, out + (row + 1) * n, T(0));
      if (count == 0) continue;
    }
    T* to = out + row * n;
    loops<T>().row(x + row * n, buffer.empty() ? to : buffer.data(), count, T(spec.scale), spec.log, to, around);
  }
  if (around) stream_fence();
}

template <class T> void rows_backward(void* context, int64_t begin, int64_t end) {
  const Call& call = *static_cast<Call*>(context);
  const SoftmaxSpec& spec = call.kernel->spec;
  for (int64_t at = begin * spec.n; at < end * spec.n; at += spec.n)
    loops<T>().row_backward(static_cast<const T*>(call.args->inputs[0]) + at,
                            static_cast<const T*>(call.args->inputs[1]) + at, spec.n, T(spec.scale), spec.log,
                            static_cast<T*>(call.args->outputs[0]) + at);
}

void half_rows(void* context, int64_t begin, int64_t end) {
  const Call& call = *static_cast<Call*>(context);
  const SoftmaxSpec& spec = call.kernel->spec;
  const Loop widen = cast_loop(DType::kFloat16, DType::kFloat32), narrow = cast_loop(DType::kFloat32, DType::kFloat16);
  const int64_t n = spec.n;
  const uint16_t* x = static_cast<const uint16_t*>(call.args->inputs[0]);
  uint16_t* out = static_cast<uint16_t*>(call.args->outputs[0]);
  std::vector<float> row(n);
  for (int64_t at = begin; at < end; ++at) {
    const int64_t count = spec.lengths == DType::kOther ? n : length_at(spec, call.args->inputs[1], at);
    convert(widen, x + at * n, row.data(), count, 2, 4);
    if (count) loops<float>().row(row.data(), row.data(), count, float(spec.scale), spec.log, row.data(), false);
    std::fill(row.begin() + count, row.end(), 0.0f);
    convert(narrow, row.data(), out + at * n, n, 4, 2);
  }
}

void half_rows_backward(void* context, int64_t begin, int64_t end) {
  const Call& call = *static_cast<Call*>(context);
  const SoftmaxSpec& spec = call.kernel->spec;
  const Loop widen = cast_loop(DType::kFloat16, DType::kFloat32), narrow = cast_loop(DType::kFloat32, DType::kFloat16);
  const int64_t n = spec.n;
  std::vector<float> grad(n), y(n);
  for (int64_t at = begin * n; at < end * n; at += n) {
    convert(widen, static_cast<const uint16_t*>(call.args->inputs[0]) + at, grad.data(), n, 2, 4);
    convert(widen, static_cast<const uint16_t*>(call.args->inputs[1]) + at, y.data(), n, 2, 4);
    loops<float>().row_backward(grad.data(), y.data(), n, float(spec.scale), spec.log, grad.data());
    convert(narrow, grad.data(), static_cast<uint16_t*>(call.args->outputs[0]) + at, n, 4, 2);
  }
}

// --- columns ------------------------------------------------------------------------------------------------

// Calls f(offset, width) for the blocks begin..end.
template <class F> void each_block(const SoftmaxSpec& spec, int64_t begin, int64_t end, F f) {
  const int64_t blocks = (spec.inner + kSoftmaxColumns - 1) / kSoftmaxColumns;
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t column = unit % blocks * kSoftmaxColumns;
    f(unit / blocks * spec.n * spec.inner + column, std::min(kSoftmaxColumns, spec.inner - column));
  }
}

template <class T> void columns(void* context, int64_t begin, int64_t end) {
  const Call& call = *static_cast<Call*>(context);
  const SoftmaxSpec& spec = call.kernel->spec;
  const T* x = static_cast<const T*>(call.args->inputs[0]);
  T* out = static_cast<T*>(call.args->outputs[0]);
  each_block(spec, begin, end, [&](int64_t at, int64_t width) {
    loops<T>().columns(x + at, spec.n, spec.inner, width, T(spec.scale), spec.log, out + at);
  });
}

template <class T> void columns_backward(void* context, int64_t begin, int64_t end) {
  const Call& call = *static_cast<Call*>(context);
  const SoftmaxSpec& spec = call.kernel->spec;
  const T* grad = static_cast<const T*>(call.args->inputs[0]);
  const T* y = static_cast<const T*>(call.args->inputs[1]);
  T* out = static_cast<T*>(call.args->outputs[0]);
  each_block(spec, begin, end, [&](int64_t at, int64_t width) {
    loops<T>().columns_backward(grad + at, y + at, spec.n, spec.inner, width, T(spec.scale), spec.log, out + at);
  });
}

// --- kernels ------------------------------------------------------------------------------------------------

using Body = void (*)(void*, int64_t, int64_t);

template <Body kRows, Body kColumns> int run(Kernel* self, const RunArgs* args) {
  const Softmax& kernel = *static_cast<Softmax*>(self);
  const SoftmaxSpec& spec = kernel.spec;
  Call call{&kernel, args};
  const bool by_rows = spec.inner == 1;
  const int64_t units = by_rows ? spec.outer : spec.outer * ((spec.inner + kSoftmaxColumns - 1) / kSoftmaxColumns);
  if (spec.n == 0 || units == 0) return 0;
  const Body body = by_rows ? kRows : kColumns;
  if (units <= kernel.grain) body(&call, 0, units);
  else parallel_for(units, kernel.grain, body, &call);
  return 0;
}

void destroy(Kernel* self) { delete static_cast<Softmax*>(self); }

using Run = int (*)(Kernel*, const RunArgs*);

Kernel* make(const SoftmaxSpec& spec, Run half, Run single, Run wide) {
  const bool lengths = spec.lengths != DType::kOther;
  if (spec.inner != 1 && (spec.type == DType::kFloat16 || lengths)) return nullptr;
  if (lengths && spec.lengths != DType::kInt32 && spec.lengths != DType::kInt64) return nullptr;
  const Run run = spec.type == DType::kFloat16   ? half
                  : spec.type == DType::kFloat32 ? single
                  : spec.type == DType::kFloat64 ? wide
                                                 : nullptr;
  if (!run) return nullptr;
  const double ns = spec.type == DType::kFloat64 ? 2.0 : 1.0;  // an element
  Softmax* kernel = new Softmax(run, destroy, 40 + spec.outer * (15 + spec.n * spec.inner * ns));
  kernel->spec = spec;
  const int64_t width = std::min(spec.inner, kSoftmaxColumns);
  kernel->grain = std::max<int64_t>(1, static_cast<int64_t>(kPieceNs / (15 + spec.n * width * ns)));
  return kernel;
}

}  // namespace

Kernel* make_softmax(const SoftmaxSpec& spec) {
  return make(spec, run<half_rows, half_rows>, run<rows<float>, columns<float>>, run<rows<double>, columns<double>>);
}

Kernel* make_softmax_backward(const SoftmaxSpec& spec) {
  return make(spec, run<half_rows_backward, half_rows_backward>, run<rows_backward<float>, columns_backward<float>>,
              run<rows_backward<double>, columns_backward<double>>);
}

// --- softmax with cross entropy -----------------------------------------------------------------------------

namespace {

struct CrossEntropy : Kernel {
  CrossEntropySpec spec;
  using Kernel::Kernel;
};

template <class T> struct CrossEntropyCall {
  const CrossEntropySpec* spec;
  const T *head, *y, *label;
  T* out;
  T scale;
};

template <class T> void cross_entropy_rows(void* context, int64_t begin, int64_t end) {
  const CrossEntropyCall<T>& call = *static_cast<CrossEntropyCall<T>*>(context);
  const CrossEntropySpec& spec = *call.spec;
  const int64_t n = spec.n, inner = spec.inner;
  const T alpha = T(spec.smooth_alpha), other = n > 1 ? alpha / T(n - 1) : alpha;
  for (int64_t place = begin; place < end; ++place) {
    const int64_t at = place / inner * n * inner + place % inner;
    const T label = call.label[place];
    const T* y = call.y + at;
    T* out = call.out + at;
    if (spec.use_ignore && label == T(spec.ignore_label)) {
      for (int64_t k = 0; k < n; ++k) out[k * inner] = 0;
    } else {
      const T whole = std::trunc(label);
      const int64_t hit = whole >= 0 && whole < T(n) ? static_cast<int64_t>(whole) : -1;
      const T chance = hit >= 0 ? y[hit * inner] : T(0);
      if (inner == 1)
        for (int64_t k = 0; k < n; ++k) out[k] = (y[k] - other) * call.scale;
      else
        for (int64_t k = 0; k < n; ++k) out[k * inner] = (y[k * inner] - other) * call.scale;
      if (hit >= 0) out[hit * inner] = (chance - (1 - alpha)) * call.scale;
    }
    if (!spec.multiply_head) continue;
    for (int64_t k = 0; k < n; ++k) out[k * inner] *= call.head[at + k * inner];
  }
}

template <class T> void cross_entropy_probabilities(void* context, int64_t begin, int64_t end) {
  const CrossEntropyCall<T>& call = *static_cast<CrossEntropyCall<T>*>(context);
  for (int64_t i = begin; i < end; ++i) {
    const T d = (call.y[i] - call.label[i]) * call.scale;
    call.out[i] = call.spec->multiply_head ? d * call.head[i] : d;
  }
}

template <class T> int run_cross_entropy(Kernel* self, const RunArgs* args) {
  const CrossEntropySpec& spec = static_cast<CrossEntropy*>(self)->spec;
  CrossEntropyCall<T> call{&spec,
                           static_cast<const T*>(args->inputs[0]),
                           static_cast<const T*>(args->inputs[1]),
                           static_cast<const T*>(args->inputs[2]),
                           static_cast<T*>(args->outputs[0]),
                           T(spec.grad_scale)};
  const int64_t places = spec.outer * spec.inner;
  if (places * spec.n == 0) return 0;
  if (spec.probabilities) {
    parallel_for(places * spec.n, 20000, cross_entropy_probabilities<T>, &call);
    return 0;
  }
  double divisor = spec.divisor;
  if (spec.divide_by_valid) {
    int64_t valid = places;
    if (spec.use_ignore)
      for (int64_t k = 0; k < places; ++k) valid -= call.label[k] == T(spec.ignore_label);
    divisor = static_cast<double>(std::max<int64_t>(1, valid));
  }
  call.scale = T(spec.grad_scale / divisor);
  const int64_t grain = std::max<int64_t>(1, 20000 / spec.n);
  if (places <= grain) cross_entropy_rows<T>(&call, 0, places);
  else parallel_for(places, grain, cross_entropy_rows<T>, &call);
  return 0;
}

}  // namespace

Kernel* make_cross_entropy_backward(const CrossEntropySpec& spec) {
  if (spec.type != DType::kFloat32 && spec.type != DType::kFloat64) return nullptr;
  CrossEntropy* kernel = new CrossEntropy(
      spec.type == DType::kFloat32 ? run_cross_entropy<float> : run_cross_entropy<double>,
      [](Kernel* self) { delete static_cast<CrossEntropy*>(self); }, 30 + spec.outer * spec.inner * (5 + spec.n * 0.3));
  kernel->spec = spec;
  return kernel;
}

}  // namespace weft
