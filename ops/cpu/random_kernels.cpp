#include "ops/cpu/random_kernels.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include "engine/core/engine.hpp"
#include "ops/cpu/half.hpp"
#include "ops/cpu/random_loops.hpp"
#include "ops/cpu/target.hpp"

namespace weft {

namespace baseline {
RandomLoops random_loops();
}
#if WEFT_HAVE_AVX2_TARGET
namespace avx2 {
RandomLoops random_loops();
}
#endif

namespace {

// Work is cut into pieces of a fixed size and each piece has its own part of the stream, so results do not depend on
// the number of threads.
constexpr int64_t kPiece = 2048;

const RandomLoops& loops() {
#if WEFT_HAVE_AVX2_TARGET
  static const RandomLoops found = cpu_has_avx2() ? avx2::random_loops() : baseline::random_loops();
#else
  static const RandomLoops found = baseline::random_loops();
#endif
  return found;
}

// Words are made 32 at a time.
int64_t whole(int64_t words) { return (words + 31) & ~int64_t(31); }

template <class K> void destroy(Kernel* kernel) { delete static_cast<K*>(kernel); }

// Calls `piece(call, index, begin, count)` for every piece, spread over the free cores.
template <class Call> void each_piece(const Call& call, int64_t size) {
  const int64_t pieces = (size + kPiece - 1) / kPiece;
  auto body = [](void* context, int64_t begin, int64_t end) {
    const Call& call = *static_cast<const Call*>(context);
    for (int64_t index = begin; index < end; ++index)
      call.piece(index, index * kPiece, std::min(kPiece, call.size - index * kPiece));
  };
  if (pieces <= 4) body(const_cast<Call*>(&call), 0, pieces);
  else parallel_for(pieces, 4, body, const_cast<Call*>(&call));
}

void apply(Loop loop, char* values, int64_t n, int64_t step) {
  char* args[2] = {values, values};
  const intptr_t dimensions[1] = {static_cast<intptr_t>(n)};
  const intptr_t steps[2] = {static_cast<intptr_t>(step), static_cast<intptr_t>(step)};
  loop(args, dimensions, steps, nullptr);
}

// ---- uniform and normal ----

struct NormalLoops {
  Loop log, sine, cosine;
};

struct DrawKernel : Kernel {
  using Kernel::Kernel;
  Draw draw;
  DType type;
  int64_t size;
  NormalLoops normal;
};

template <class T> struct Bits;  // words a number takes, and the loops for it
template <> struct Bits<float> {
  static constexpr int kWords = 1;
  static void uniform(const uint32_t* bits, float* out, int64_t n, float low, float high) {
    loops().uniform32(bits, out, n, low, high);
  }
  static void positive(const uint32_t* bits, float* out, int64_t n) { loops().positive32(bits, out, n); }
};
template <> struct Bits<double> {
  static constexpr int kWords = 2;
  static void uniform(const uint32_t* bits, double* out, int64_t n, double low, double high) {
    loops().uniform64(bits, out, n, low, high);
  }
  static void positive(const uint32_t* bits, double* out, int64_t n) { loops().positive64(bits, out, n); }
};

template <class T> struct DrawCall {
  const DrawKernel& kernel;
  void* out;
  T first, second;
  uint64_t seed, counter;
  int64_t size;

  void piece(int64_t index, int64_t begin, int64_t count) const {
    T values[kPiece];
    T* target = kernel.type == DType::kFloat16 ? values : static_cast<T*>(out) + begin;
    uint32_t bits[kPiece * Bits<T>::kWords];
    const int64_t block = index * (kPiece * Bits<T>::kWords / 4);
    if (kernel.draw == Draw::kUniform) {
      loops().bits(bits, block, whole(count * Bits<T>::kWords), seed, counter);
      Bits<T>::uniform(bits, target, count, first, second);
    } else {
      normal(bits, block, target, count);
    }
    if (kernel.type == DType::kFloat16) {
      uint16_t* halves = static_cast<uint16_t*>(out) + begin;
      for (int64_t i = 0; i < count; ++i) halves[i] = float_to_half(static_cast<float>(values[i]));
    }
  }

  // Box and Muller: two uniform numbers give two normal ones.
  // The first half of a piece's words gives radii, the second half angles.
  void normal(uint32_t* bits, int64_t block, T* target, int64_t count) const {
    constexpr int64_t half = kPiece / 2;
    const int64_t used = std::min(half, count), words = whole(used * Bits<T>::kWords);
    T radius[half], angle[half], sine[half];
    loops().bits(bits, block, words, seed, counter);
    Bits<T>::positive(bits, radius, used);
    loops().bits(bits, block + half * Bits<T>::kWords / 4, words, seed, counter);
    Bits<T>::uniform(bits, angle, used, T(0), T(6.283185307179586477));
    apply(kernel.normal.log, reinterpret_cast<char*>(radius), used, sizeof(T));
    if (kernel.normal.sine != nullptr) {
      std::memcpy(sine, angle, used * sizeof(T));
      apply(kernel.normal.sine, reinterpret_cast<char*>(sine), used, sizeof(T));
      apply(kernel.normal.cosine, reinterpret_cast<char*>(angle), used, sizeof(T));
    } else {
      for (int64_t i = 0; i < used; ++i) {
        sine[i] = std::sin(angle[i]);
        angle[i] = std::cos(angle[i]);
      }
    }
    for (int64_t i = 0; i < used; ++i) radius[i] = std::sqrt(T(-2) * radius[i]) * second;
    for (int64_t i = 0; i < used; ++i) target[i] = first + radius[i] * angle[i];
    for (int64_t i = half; i < count; ++i) target[i] = first + radius[i - half] * sine[i - half];
  }
};

int fail(const RunArgs* args, const char* format, double value, double other) {
  std::snprintf(args->error, kErrorBytes, format, value, other);
  return 1;
}

template <class T> void run_draw(const DrawKernel& kernel, const RunArgs* args) {
  const DrawCall<T> call{kernel,     args->outputs[0], T(args->scalars[0]), T(args->scalars[1]),
                         args->seed, args->counter,    kernel.size};
  each_piece(call, kernel.size);
}

int draw_run(Kernel* self, const RunArgs* args) {
  const DrawKernel& kernel = *static_cast<DrawKernel*>(self);
  const double first = args->scalars[0], second = args->scalars[1];
  if (kernel.draw == Draw::kUniform && !(second >= first))
    return fail(args, "high=%g: expected high to be at least low=%g", second, first);
  if (kernel.draw == Draw::kNormal && !(second >= 0))
    return fail(args, "scale=%g: expected scale to be not negative (loc=%g)", second, first);
  if (kernel.type == DType::kFloat64) run_draw<double>(kernel, args);
  else run_draw<float>(kernel, args);
  return 0;
}

// ---- integers ----

struct RandintKernel : Kernel {
  using Kernel::Kernel;
  DType type;
  int64_t size, low;
  uint64_t range;
};

struct RandintCall {
  const RandintKernel& kernel;
  void* out;
  uint64_t seed, counter;
  int64_t size;

  void piece(int64_t index, int64_t begin, int64_t count) const {
    // Two words a number: the bias of mapping 64 bits onto the range is below 2^-32 for every range in use.
    uint32_t bits[kPiece * 2];
    loops().bits(bits, index * (kPiece / 2), whole(count * 2), seed, counter);
    for (int64_t i = 0; i < count; ++i) {
      const uint64_t word = static_cast<uint64_t>(bits[2 * i]) << 32 | bits[2 * i + 1];
      const auto wide = static_cast<unsigned __int128>(word) * kernel.range;
      const int64_t value = static_cast<int64_t>(static_cast<uint64_t>(kernel.low) + static_cast<uint64_t>(wide >> 64));
      if (kernel.type == DType::kInt32) static_cast<int32_t*>(out)[begin + i] = static_cast<int32_t>(value);
      else static_cast<int64_t*>(out)[begin + i] = value;
    }
  }
};

int randint_run(Kernel* self, const RunArgs* args) {
  const RandintKernel& kernel = *static_cast<RandintKernel*>(self);
  each_piece(RandintCall{kernel, args->outputs[0], args->seed, args->counter, kernel.size}, kernel.size);
  return 0;
}

// ---- dropout ----

struct DropoutKernel : Kernel {
  using Kernel::Kernel;
  DType type;
  int64_t size;
  int32_t threshold;
  double scale;
};

struct DropoutCall {
  const DropoutKernel& kernel;
  const void* x;
  void* out;
  void* mask;
  uint64_t seed, counter;
  int64_t size;

  void piece(int64_t index, int64_t begin, int64_t count) const {
    uint32_t bits[kPiece];
    loops().bits(bits, index * (kPiece / 4), whole(count), seed, counter);
    if (kernel.type == DType::kFloat32) {
      loops().drop32(bits, static_cast<const float*>(x) + begin, static_cast<float*>(out) + begin,
                     static_cast<float*>(mask) + begin, count, kernel.threshold, static_cast<float>(kernel.scale));
    } else if (kernel.type == DType::kFloat64) {
      loops().drop64(bits, static_cast<const double*>(x) + begin, static_cast<double*>(out) + begin,
                     static_cast<double*>(mask) + begin, count, kernel.threshold, kernel.scale);
    } else {
      const uint16_t* source = static_cast<const uint16_t*>(x) + begin;
      const float factor = half_to_float(float_to_half(static_cast<float>(kernel.scale)));
      for (int64_t i = 0; i < count; ++i) {
        const bool kept = static_cast<int32_t>(bits[i] >> 1) < kernel.threshold;
        static_cast<uint16_t*>(mask)[begin + i] = float_to_half(kept ? factor : 0.0f);
        static_cast<uint16_t*>(out)[begin + i] = float_to_half(half_to_float(source[i]) * (kept ? factor : 0.0f));
      }
    }
  }
};

int dropout_run(Kernel* self, const RunArgs* args) {
  const DropoutKernel& kernel = *static_cast<DropoutKernel*>(self);
  each_piece(DropoutCall{kernel, args->inputs[0], args->outputs[0], args->outputs[1], args->seed, args->counter,
                         kernel.size},
             kernel.size);
  return 0;
}

int pass_run(Kernel* self, const RunArgs* args) {
  const DropoutKernel& kernel = *static_cast<DropoutKernel*>(self);
  if (args->outputs[0] != args->inputs[0])
    std::memcpy(args->outputs[0], args->inputs[0], static_cast<size_t>(kernel.size) * dtype_size(kernel.type));
  if (kernel.type == DType::kFloat32) std::fill_n(static_cast<float*>(args->outputs[1]), kernel.size, 1.0f);
  else if (kernel.type == DType::kFloat64) std::fill_n(static_cast<double*>(args->outputs[1]), kernel.size, 1.0);
  else std::fill_n(static_cast<uint16_t*>(args->outputs[1]), kernel.size, uint16_t(0x3c00));
  return 0;
}

bool is_float(DType type) {
  return type == DType::kFloat16 || type == DType::kFloat32 || type == DType::kFloat64;
}

}  // namespace

Kernel* make_draw(Draw draw, DType type, int64_t size) {
  if (!is_float(type)) return nullptr;
  auto* kernel = new DrawKernel(draw_run, destroy<DrawKernel>, 60 + size * (draw == Draw::kUniform ? 1.2 : 4.0));
  kernel->draw = draw;
  kernel->type = type;
  kernel->size = size;
  if (draw == Draw::kNormal) {
    const DType compute = type == DType::kFloat64 ? type : DType::kFloat32;
    const LoopEntry *log = find_loop("log", compute), *sine = find_loop("sin", compute), *cosine = find_loop("cos", compute);
    if (log == nullptr) {
      delete kernel;
      return nullptr;
    }
    const bool both = sine != nullptr && cosine != nullptr;
    kernel->normal = {log->loop, both ? sine->loop : nullptr, both ? cosine->loop : nullptr};
  }
  return kernel;
}

Kernel* make_randint(DType type, int64_t size, int64_t low, int64_t high) {
  if ((type != DType::kInt32 && type != DType::kInt64) || high <= low) return nullptr;
  auto* kernel = new RandintKernel(randint_run, destroy<RandintKernel>, 60 + size * 2.5);
  kernel->type = type;
  kernel->size = size;
  kernel->low = low;
  kernel->range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  return kernel;
}

Kernel* make_dropout(DType type, int64_t size, double p, bool active) {
  if (!is_float(type)) return nullptr;
  auto* kernel = new DropoutKernel(active ? dropout_run : pass_run, destroy<DropoutKernel>, 40 + size * 1.2);
  kernel->type = type;
  kernel->size = size;
  // Where nothing is kept, every factor is zero times infinity, which MXNet's users have come to expect.
  const double keep = p < 1 ? 1 - p : 1;
  kernel->threshold = static_cast<int32_t>(std::min(keep * 2147483648.0, 2147483647.0));
  kernel->scale = p < 1 ? 1 / keep : std::numeric_limits<double>::quiet_NaN();
  return kernel;
}

}  // namespace weft
