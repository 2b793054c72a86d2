#include "copy_loops.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "engine/core/engine.hpp"
#include "ops/cpu/half.hpp"
#include "ops/cpu/target.hpp"

namespace weft {
namespace {

constexpr int64_t kGrainBytes = 1 << 17;          // the least a core is woken for
constexpr int64_t kStreamBytes = int64_t(8) << 20;  // above this, results bypass the caches

struct Dim {
  int64_t size, source, target;
};

// A segment in the form the loops want: target strides positive and descending, neighbours merged.
struct Plan {
  int source, target;
  int64_t source_offset, target_offset, total;
  std::vector<Dim> dims;
  int transpose_dim = -1;  // position of the dimension with source stride 1, when not the last
};

Plan normalise(const CopySegment& segment) {
  Plan plan{segment.source, segment.target, segment.source_offset, segment.target_offset, 1, {}, -1};
  std::vector<Dim> dims;
  for (int i = 0; i < segment.ndim; ++i) {
    plan.total *= segment.dims[i];
    if (segment.dims[i] == 1) continue;
    Dim dim{segment.dims[i], segment.source_strides[i], segment.target_strides[i]};
    if (dim.target < 0) {
      plan.source_offset += (dim.size - 1) * dim.source;
      plan.target_offset += (dim.size - 1) * dim.target;
      dim.source = -dim.source;
      dim.target = -dim.target;
    }
    dims.push_back(dim);
  }
  if (plan.total == 0) return plan;
  std::stable_sort(dims.begin(), dims.end(),
                   [](const Dim& a, const Dim& b) { return a.target > b.target; });
  for (const Dim& dim : dims) {
    if (!plan.dims.empty()) {
      Dim& last = plan.dims.back();
      if (last.target == dim.target * dim.size && last.source == dim.source * dim.size) {
        last = Dim{last.size * dim.size, dim.source, dim.target};
        continue;
      }
    }
    plan.dims.push_back(dim);
  }
  if (plan.dims.empty()) plan.dims.push_back(Dim{1, 1, 1});
  const Dim& inner = plan.dims.back();
  if (inner.target == 1 && inner.source != 1 && inner.source != 0)
    for (size_t i = 0; i + 1 < plan.dims.size(); ++i)
      if (plan.dims[i].source == 1) plan.transpose_dim = int(i);
  return plan;
}

// --- rows ---------------------------------------------------------------------------------------

#if defined(__x86_64__)
// Full lines written past the caches: the old contents need not be fetched first.
__attribute__((target("avx2"))) void stream_copy_avx2(char* target, const char* source,
                                                      int64_t bytes) {
  int64_t head = (32 - (reinterpret_cast<uintptr_t>(target) & 31)) & 31;
  head = std::min(head, bytes);
  std::memcpy(target, source, size_t(head));
  int64_t at = head;
  for (; at + 128 <= bytes; at += 128) {
    __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source + at));
    __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source + at + 32));
    __m256i c = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source + at + 64));
    __m256i d = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source + at + 96));
    _mm256_stream_si256(reinterpret_cast<__m256i*>(target + at), a);
    _mm256_stream_si256(reinterpret_cast<__m256i*>(target + at + 32), b);
    _mm256_stream_si256(reinterpret_cast<__m256i*>(target + at + 64), c);
    _mm256_stream_si256(reinterpret_cast<__m256i*>(target + at + 96), d);
  }
  _mm_sfence();
  std::memcpy(target + at, source + at, size_t(bytes - at));
}

#endif

void copy_bytes(char* target, const char* source, int64_t bytes, bool stream) {
  if (target == source) return;
#if defined(__x86_64__)
  if (stream && bytes >= 4096 && cpu_has_avx2()) return stream_copy_avx2(target, source, bytes);
#endif
  std::memcpy(target, source, size_t(bytes));
}

template <class T>
void copy_row(T* target, const T* source, int64_t n, int64_t target_stride, int64_t source_stride,
              bool stream) {
  if (target_stride == 1 && source_stride == 1) {
    copy_bytes(reinterpret_cast<char*>(target), reinterpret_cast<const char*>(source),
               n * int64_t(sizeof(T)), stream);
  } else if (source_stride == 0) {
    const T value = *source;
    if (target_stride == 1)
      std::fill_n(target, n, value);
    else
      for (int64_t i = 0; i < n; ++i) target[i * target_stride] = value;
  } else if (target_stride == 1 && source_stride == -1) {
    std::reverse_copy(source - (n - 1), source + 1, target);
  } else if (target_stride == 1) {
    for (int64_t i = 0; i < n; ++i) target[i] = source[i * source_stride];
  } else {
    for (int64_t i = 0; i < n; ++i) target[i * target_stride] = source[i * source_stride];
  }
}

template <class T>
struct RowJob {
  const Plan* plan;
  const T* source;
  T* target;
  bool stream;
};

// Copies elements [begin, end) of the plan, counted in target order.
template <class T>
void copy_rows(void* context, int64_t begin, int64_t end) {
  const RowJob<T>& job = *static_cast<RowJob<T>*>(context);
  const std::vector<Dim>& dims = job.plan->dims;
  const int last = int(dims.size()) - 1;
  int64_t at[kMaxCopyDims];
  const T* source = job.source;
  T* target = job.target;
  int64_t rest = begin;
  for (int i = last; i >= 0; --i) {
    at[i] = rest % dims[i].size;
    rest /= dims[i].size;
    source += at[i] * dims[i].source;
    target += at[i] * dims[i].target;
  }
  const Dim inner = dims[last];
  while (begin < end) {
    const int64_t n = std::min(inner.size - at[last], end - begin);
    copy_row(target, source, n, inner.target, inner.source, job.stream);
    begin += n;
    source -= at[last] * inner.source;
    target -= at[last] * inner.target;
    at[last] = 0;
    for (int i = last - 1; i >= 0; --i) {
      source += dims[i].source;
      target += dims[i].target;
      if (++at[i] < dims[i].size) break;
      source -= dims[i].size * dims[i].source;
      target -= dims[i].size * dims[i].target;
      at[i] = 0;
    }
  }
}

// The same where the innermost dimension has N items, too few for a loop of their own (N 0: any
// number); elements are counted in rows of that dimension.
template <class T, int N>
void copy_short_rows(void* context, int64_t begin, int64_t end) {
  const RowJob<T>& job = *static_cast<RowJob<T>*>(context);
  const std::vector<Dim>& dims = job.plan->dims;
  const int last = int(dims.size()) - 2;
  const Dim row = dims[last], item = dims[last + 1];
  const int64_t items = N ? N : item.size;
  while (begin < end) {
    const T* source = job.source;
    T* target = job.target;
    int64_t rest = begin;
    const int64_t first = rest % row.size;
    for (int i = last; i >= 0; --i) {
      source += rest % dims[i].size * dims[i].source;
      target += rest % dims[i].size * dims[i].target;
      rest /= dims[i].size;
    }
    const int64_t n = std::min(row.size - first, end - begin);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t k = 0; k < items; ++k)
        target[i * row.target + k * item.target] = source[i * row.source + k * item.source];
    begin += n;
  }
}

using RowLoop = void (*)(void*, int64_t, int64_t);

template <class T>
void run_rows(const Plan& plan, const T* source, T* target) {
  const int64_t bytes = plan.total * int64_t(sizeof(T));
  RowJob<T> job{&plan, source, target, bytes >= kStreamBytes};
  const int64_t items = plan.dims.back().size;
  if (items <= 8 && plan.dims.size() > 1) {
    RowLoop loop = items == 2   ? copy_short_rows<T, 2>
                      : items == 3 ? copy_short_rows<T, 3>
                      : items == 4 ? copy_short_rows<T, 4>
                                   : copy_short_rows<T, 0>;
    const int64_t rows = plan.total / items;
    if (bytes <= 2 * kGrainBytes) return loop(&job, 0, rows);
    return parallel_for(rows, kGrainBytes / (items * int64_t(sizeof(T))), loop, &job);
  }
  if (bytes <= 2 * kGrainBytes) return copy_rows<T>(&job, 0, plan.total);
  parallel_for(plan.total, kGrainBytes / int64_t(sizeof(T)), copy_rows<T>, &job);
}

constexpr int64_t kTileGroup = 16;
constexpr int64_t kTileA = 64, kTileB = 128;  // items of a transposed tile

// --- transposed copies --------------------------------------------------------------------------

// target[a * da + b] = source[b * sb + a] for a < na, b < nb.
template <class T>
void transpose_plain(T* target, const T* source, int64_t na, int64_t nb, int64_t da, int64_t sb) {
  if (nb <= 4) {
    for (int64_t a = 0; a < na; ++a)
      for (int64_t b = 0; b < nb; ++b) target[a * da + b] = source[b * sb + a];
    return;
  }
  constexpr int64_t block = 64 / int64_t(sizeof(T));
  for (int64_t b0 = 0; b0 < nb; b0 += block) {
    const int64_t b1 = std::min(nb, b0 + block);
    for (int64_t a = 0; a < na; ++a)
      for (int64_t b = b0; b < b1; ++b) target[a * da + b] = source[b * sb + a];
  }
}

#if defined(__x86_64__)
template <bool Stream>
__attribute__((target("avx2"))) inline void put(float* target, __m256 value) {
  if (Stream)
    _mm256_stream_ps(target, value);
  else
    _mm256_storeu_ps(target, value);
}

__attribute__((target("avx2"))) inline void transpose_8x8(float* target, const float* source,
                                                          int64_t da, int64_t sb) {
  __m256 r[8], t[8];
  for (int i = 0; i < 4; ++i) {  // row i beside row i + 4: one shuffle level less
    r[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(source + i * sb)),
                                _mm_loadu_ps(source + (i + 4) * sb), 1);
    r[i + 4] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(source + i * sb + 4)),
                                    _mm_loadu_ps(source + (i + 4) * sb + 4), 1);
  }
  for (int half = 0; half < 8; half += 4) {
    t[0] = _mm256_unpacklo_ps(r[half], r[half + 1]);
    t[1] = _mm256_unpackhi_ps(r[half], r[half + 1]);
    t[2] = _mm256_unpacklo_ps(r[half + 2], r[half + 3]);
    t[3] = _mm256_unpackhi_ps(r[half + 2], r[half + 3]);
    _mm256_storeu_ps(target + (half + 0) * da, _mm256_shuffle_ps(t[0], t[2], 0x44));
    _mm256_storeu_ps(target + (half + 1) * da, _mm256_shuffle_ps(t[0], t[2], 0xee));
    _mm256_storeu_ps(target + (half + 2) * da, _mm256_shuffle_ps(t[1], t[3], 0x44));
    _mm256_storeu_ps(target + (half + 3) * da, _mm256_shuffle_ps(t[1], t[3], 0xee));
  }
}

// Eight source rows at a time (more would share too few cache sets when the row pitch is a power of
// two), through a small buffer, so that whole target lines leave at once.
template <bool Stream>
__attribute__((target("avx2"))) void transpose_floats(float* target, const float* source,
                                                      int64_t na, int64_t nb, int64_t da,
                                                      int64_t sb) {
  const int64_t a_end = na & ~int64_t(7), b_end = nb & ~int64_t(15);
  alignas(64) float lines[kTileA * 16];
  for (int64_t b = 0; b < b_end; b += 16) {
    for (int64_t half = 0; half < 16; half += 8)
      for (int64_t a = 0; a < a_end; a += 8)
        transpose_8x8(lines + a * 16 + half, source + (b + half) * sb + a, 16, sb);
    for (int64_t a = 0; a < a_end; ++a) {
      const __m256 low = _mm256_load_ps(lines + a * 16), high = _mm256_load_ps(lines + a * 16 + 8);
      put<Stream>(target + a * da + b, low);
      put<Stream>(target + a * da + b + 8, high);
    }
  }
  if (a_end < na)
    transpose_plain(target + a_end * da, source + a_end, na - a_end, b_end, da, sb);
  if (b_end < nb) transpose_plain(target + b_end, source + b_end * sb, na, nb - b_end, da, sb);
}

__attribute__((target("avx2"))) void transpose_doubles(double* target, const double* source,
                                                       int64_t na, int64_t nb, int64_t da,
                                                       int64_t sb) {
  const int64_t a_end = na & ~int64_t(3), b_end = nb & ~int64_t(3);
  for (int64_t b = 0; b < b_end; b += 4)
    for (int64_t a = 0; a < a_end; a += 4) {
      const double* s = source + b * sb + a;
      double* t = target + a * da + b;
      __m256d r0 = _mm256_loadu_pd(s), r1 = _mm256_loadu_pd(s + sb);
      __m256d r2 = _mm256_loadu_pd(s + 2 * sb), r3 = _mm256_loadu_pd(s + 3 * sb);
      __m256d t0 = _mm256_unpacklo_pd(r0, r1), t1 = _mm256_unpackhi_pd(r0, r1);
      __m256d t2 = _mm256_unpacklo_pd(r2, r3), t3 = _mm256_unpackhi_pd(r2, r3);
      _mm256_storeu_pd(t, _mm256_permute2f128_pd(t0, t2, 0x20));
      _mm256_storeu_pd(t + da, _mm256_permute2f128_pd(t1, t3, 0x20));
      _mm256_storeu_pd(t + 2 * da, _mm256_permute2f128_pd(t0, t2, 0x31));
      _mm256_storeu_pd(t + 3 * da, _mm256_permute2f128_pd(t1, t3, 0x31));
    }
  if (a_end < na)
    transpose_plain(target + a_end * da, source + a_end, na - a_end, b_end, da, sb);
  if (b_end < nb) transpose_plain(target + b_end, source + b_end * sb, na, nb - b_end, da, sb);
}
#endif

template <class T>
void transpose_tile(T* target, const T* source, int64_t na, int64_t nb, int64_t da, int64_t sb,
                    bool stream) {
#if defined(__x86_64__)
  if (sizeof(T) == 4 && cpu_has_avx2()) {
    float* t = reinterpret_cast<float*>(target);
    const float* s = reinterpret_cast<const float*>(source);
    return stream ? transpose_floats<true>(t, s, na, nb, da, sb)
                  : transpose_floats<false>(t, s, na, nb, da, sb);
  }
  if (sizeof(T) == 8 && cpu_has_avx2())
    return transpose_doubles(reinterpret_cast<double*>(target),
                             reinterpret_cast<const double*>(source), na, nb, da, sb);
#endif
  (void)stream;
  transpose_plain(target, source, na, nb, da, sb);
}

template <class T>
struct TransposeJob {
  const T* source;
  T* target;
  std::vector<Dim> outer;
  Dim a, b;  // a: source stride 1; b: target stride 1
  int64_t tile_a, tile_b, tiles_a, tiles_b;
  bool stream;
};

template <class T>
void transpose_tiles(void* context, int64_t begin, int64_t end) {
  const TransposeJob<T>& job = *static_cast<TransposeJob<T>*>(context);
  for (int64_t index = begin; index < end; ++index) {
    const int64_t tiles = job.tiles_a * job.tiles_b;
    int64_t rest = index / tiles;
    // Some tiles side by side in the source first: they share its pages, and the address
    // translations of the target rows they write still fit into the CPU's table.
    const int64_t group = index % tiles / (kTileGroup * job.tiles_b);
    const int64_t in_group = index % tiles - group * kTileGroup * job.tiles_b;
    const int64_t width = std::min(kTileGroup, job.tiles_a - group * kTileGroup);
    const int64_t a0 = (group * kTileGroup + in_group % width) * job.tile_a;
    const int64_t b0 = in_group / width * job.tile_b;
    const T* source = job.source + a0 + b0 * job.b.source;
    T* target = job.target + a0 * job.a.target + b0;
    for (size_t i = job.outer.size(); i-- > 0;) {
      const int64_t at = rest % job.outer[i].size;
      rest /= job.outer[i].size;
      source += at * job.outer[i].source;
      target += at * job.outer[i].target;
    }
    transpose_tile(target, source, std::min(job.tile_a, job.a.size - a0),
                   std::min(job.tile_b, job.b.size - b0), job.a.target, job.b.source, job.stream);
  }
#if defined(__x86_64__)
  if (job.stream) _mm_sfence();
#endif
}

template <class T>
void run_transpose(const Plan& plan, const T* source, T* target) {
  TransposeJob<T> job;
  job.source = source;
  job.target = target;
  const int last = int(plan.dims.size()) - 1;
  job.a = plan.dims[plan.transpose_dim];
  job.b = plan.dims[last];
  int64_t tiles = 1;
  for (int i = 0; i < last; ++i)
    if (i != plan.transpose_dim) {
      job.outer.push_back(plan.dims[i]);
      tiles *= plan.dims[i].size;
    }
  job.tile_a = std::min<int64_t>(job.a.size, kTileA);
  job.tile_b = std::min<int64_t>(job.b.size, kTileB);
  job.tiles_a = (job.a.size + job.tile_a - 1) / job.tile_a;
  job.tiles_b = (job.b.size + job.tile_b - 1) / job.tile_b;
  tiles *= job.tiles_a * job.tiles_b;
  const int64_t bytes = plan.total * int64_t(sizeof(T));
  job.stream = bytes >= kStreamBytes && sizeof(T) == 4 && job.a.target % 16 == 0 &&
               reinterpret_cast<uintptr_t>(target) % 64 == 0;
  for (const Dim& dim : job.outer) job.stream = job.stream && dim.target % 16 == 0;
  if (bytes <= 2 * kGrainBytes) return transpose_tiles<T>(&job, 0, tiles);
  const int64_t tile_bytes = job.tile_a * job.tile_b * int64_t(sizeof(T));
  parallel_for(tiles, std::max<int64_t>(1, kGrainBytes / tile_bytes), transpose_tiles<T>, &job);
}

// --- fills ----------------------------------------------------------------------------------------

template <class T>
struct FillJob {
  T* target;
  T value;
};

template <class T>
void fill_part(void* context, int64_t begin, int64_t end) {
  const FillJob<T>& job = *static_cast<FillJob<T>*>(context);
  std::fill(job.target + begin, job.target + end, job.value);
}

template <class T>
void fill_typed(void* target, int64_t count, uint64_t pattern) {
  FillJob<T> job{static_cast<T*>(target), static_cast<T>(pattern)};
  if (count * int64_t(sizeof(T)) <= 2 * kGrainBytes) return fill_part<T>(&job, 0, count);
  parallel_for(count, kGrainBytes / int64_t(sizeof(T)), fill_part<T>, &job);
}

// --- the kernel -----------------------------------------------------------------------------------

struct CopyKernel : Kernel {
  std::vector<Plan> plans;
  std::vector<CopyFill> fills;
  int item_type;

  CopyKernel(int (*run_)(Kernel*, const RunArgs*), double cost)
      : Kernel(run_, [](Kernel* self) { delete static_cast<CopyKernel*>(self); }, cost) {}
};

// A number's bytes as an item of the given type.
uint64_t item_pattern(double value, int type) {
  uint64_t pattern = 0;
  switch (type) {
    case kFloat32: {
      const float item = static_cast<float>(value);
      std::memcpy(&pattern, &item, 4);
      break;
    }
    case kFloat64: std::memcpy(&pattern, &value, 8); break;
    case kFloat16: pattern = float_to_half(static_cast<float>(value)); break;
    case kBool: pattern = value != 0; break;
    default: pattern = static_cast<uint64_t>(static_cast<int64_t>(value));
  }
  return pattern;
}

template <class T>
int run_copy(Kernel* self, const RunArgs* args) {
  const CopyKernel& kernel = *static_cast<CopyKernel*>(self);
  for (const CopyFill& fill : kernel.fills)
    fill_typed<T>(args->outputs[fill.target], fill.count, fill.pattern);
  for (const Plan& plan : kernel.plans) {
    const T scalar = plan.source == kScalarSource
                         ? static_cast<T>(item_pattern(args->scalars[0], kernel.item_type))
                         : T();
    const T* source = plan.source == kScalarSource
                          ? &scalar
                          : static_cast<const T*>(args->inputs[plan.source]) + plan.source_offset;
    T* target = static_cast<T*>(args->outputs[plan.target]) + plan.target_offset;
    if (plan.transpose_dim >= 0)
      run_transpose(plan, source, target);
    else
      run_rows(plan, source, target);
  }
  return 0;
}

}  // namespace

Kernel* make_copy_kernel(const CopySegment* segments, int n_segments, const CopyFill* fills,
                         int n_fills, int item_type, double cost_ns) {
  int (*run)(Kernel*, const RunArgs*) = nullptr;
  switch (item_size(item_type)) {
    case 1: run = run_copy<uint8_t>; break;
    case 2: run = run_copy<uint16_t>; break;
    case 4: run = run_copy<uint32_t>; break;
    default: run = run_copy<uint64_t>;
  }
  auto* kernel = new CopyKernel(run, cost_ns);
  kernel->item_type = item_type;
  kernel->fills.assign(fills, fills + n_fills);
  for (int i = 0; i < n_segments; ++i) {
    Plan plan = normalise(segments[i]);
    if (plan.total > 0) kernel->plans.push_back(std::move(plan));
  }
  return kernel;
}

void fill_items(void* target, int64_t count, int item_bytes, uint64_t pattern) {
  switch (item_bytes) {
    case 1: return fill_typed<uint8_t>(target, count, pattern);
    case 2: return fill_typed<uint16_t>(target, count, pattern);
    case 4: return fill_typed<uint32_t>(target, count, pattern);
    default: return fill_typed<uint64_t>(target, count, pattern);
  }
}

}  // namespace weft
