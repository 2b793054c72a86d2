#include "ops/cpu/reduce.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <type_traits>

#include "engine/core/engine.hpp"
#include "ops/cpu/target.hpp"

namespace weft {

namespace baseline {
Reducer reducer_of(ReduceOp op, DType type);
}
#if WEFT_HAVE_AVX2_TARGET
namespace avx2 {
Reducer reducer_of(ReduceOp op, DType type);
}
#endif

namespace {

constexpr double kPieceNs = 20000;
constexpr int64_t kMaxParts = 64;      // of a reduction that is split; fixed by the shape, so that results repeat
constexpr int64_t kConvert = 1024;     // elements converted at a time
constexpr int64_t kNarrow = 32;        // rows shorter than this are joined

Reducer find_reducer(ReduceOp op, DType type) {
#if WEFT_HAVE_AVX2_TARGET
  if (cpu_has_avx2()) return avx2::reducer_of(op, type);
#endif
  return baseline::reducer_of(op, type);
}

struct Group {
  int64_t extent, stride;  // stride in elements
};

struct Reduce : Kernel {
  Reducer reducer;
  DType type, compute, accumulate, out_type;
  int size, compute_size, out_size;
  Loop convert;               // type -> compute, or nullptr
  std::vector<Group> kept, reduced;  // outer to inner, without the innermost group
  bool inner_reduced;         // the innermost group is reduced
  int64_t inner;              // its extent
  int64_t outputs, count;     // results, elements in each
  int64_t split;              // which reduced group is split into parts; -1 the innermost, -2 none
  int64_t parts;
  int64_t units, grain;       // rows or blocks of columns
  uint64_t start;             // bits of a fresh accumulator
  bool mean, root;
  using Kernel::Kernel;

  int64_t blocks() const { return inner_reduced ? 1 : (inner + kReduceColumns - 1) / kReduceColumns; }
};

struct Call {
  const Reduce* kernel;
  const char* x;
  char* out;
  uint64_t* partial;  // parts x outputs, when split
};

// Offsets of the places that a list of groups names, one after the other.
struct Odometer {
  const std::vector<Group>& groups;
  std::vector<int64_t> at;
  int64_t offset = 0;
  int64_t split, first, last;  // group `split` runs from first to last only

  Odometer(const std::vector<Group>& groups_, int64_t split_ = -1, int64_t first_ = 0, int64_t last_ = 0)
      : groups(groups_), at(groups_.size(), 0), split(split_), first(first_), last(last_) {
    if (split < 0) return;
    at[split] = first;
    offset = first * groups[split].stride;
  }
  void seek(int64_t index) {
    offset = 0;
    for (int64_t k = static_cast<int64_t>(groups.size()) - 1; k >= 0; --k) {
      at[k] = index % groups[k].extent;
      index /= groups[k].extent;
      offset += at[k] * groups[k].stride;
    }
  }
  bool next() {
    for (int64_t k = static_cast<int64_t>(groups.size()) - 1; k >= 0; --k) {
      const int64_t low = k == split ? first : 0, high = k == split ? last : groups[k].extent;
      offset += groups[k].stride;
      if (++at[k] < high) return true;
      offset -= (at[k] - low) * groups[k].stride;
      at[k] = low;
    }
    return false;
  }
};

void convert(const Reduce& kernel, const char* from, void* to, int64_t n) {
  char* args[2] = {const_cast<char*>(from), static_cast<char*>(to)};
  const intptr_t elements = n, steps[2] = {kernel.size, kernel.compute_size};
  kernel.convert(args, &elements, steps, nullptr);
}

void reduce_run(const Reduce& kernel, const char* x, int64_t n, void* accumulator) {
  if (!kernel.convert) return kernel.reducer.run(x, n, accumulator);
  alignas(64) char buffer[kConvert * 8];
  for (int64_t i = 0; i < n; i += kConvert) {
    const int64_t m = std::min(kConvert, n - i);
    convert(kernel, x + i * kernel.size, buffer, m);
    kernel.reducer.run(buffer, m, accumulator);
  }
}

// Narrow rows that lie one behind the other are taken several at a time.
void reduce_rows(const Reduce& kernel, const char* x, int64_t rows, int64_t stride, int64_t width, uint64_t* totals) {
  if (width < kNarrow && stride == width && rows >= 8) {
    const int64_t joined = 2 * kNarrow / width, groups = rows / joined;
    uint64_t wide[2 * kNarrow];
    std::fill(wide, wide + joined * width, kernel.start);
    if (groups) reduce_rows(kernel, x, groups, joined * width, joined * width, wide);
    for (int64_t k = 0; k < joined; ++k) kernel.reducer.merge(totals, wide + k * width, width);
    x += groups * joined * width * kernel.size;
    rows -= groups * joined;
  }
  if (rows == 0) return;
  if (!kernel.convert) return kernel.reducer.rows(x, rows, stride, width, totals);
  alignas(64) char buffer[4 * kReduceColumns * 8];
  for (int64_t i = 0; i < rows; i += 4) {
    const int64_t m = std::min<int64_t>(4, rows - i);
    for (int64_t k = 0; k < m; ++k)
      convert(kernel, x + (i + k) * stride * kernel.size, buffer + k * width * kernel.compute_size, width);
    kernel.reducer.rows(buffer, m, width, width, totals);
  }
}

// One unit: a result, or a block of neighbouring results; over all of the reduction or one part of it.
void reduce_unit(const Call& call, int64_t unit, int64_t part, uint64_t* totals) {
  const Reduce& kernel = *call.kernel;
  const int64_t blocks = kernel.blocks(), column = unit % blocks * kReduceColumns;
  Odometer kept(kernel.kept);
  kept.seek(unit / blocks);
  const char* base = call.x + (kept.offset + column) * kernel.size;
  const int64_t width = kernel.inner_reduced ? 1 : std::min(kReduceColumns, kernel.inner - column);
  std::fill(totals, totals + width, kernel.start);
  auto bounds = [&](int64_t extent, int64_t* first, int64_t* last) {
    *first = extent * part / kernel.parts;
    *last = extent * (part + 1) / kernel.parts;
  };
  if (kernel.inner_reduced) {
    int64_t first = 0, last = kernel.inner;
    if (kernel.split == -1) bounds(kernel.inner, &first, &last);
    int64_t low = 0, high = 0;
    if (kernel.split >= 0) bounds(kernel.reduced[kernel.split].extent, &low, &high);
    if (kernel.split >= 0 && low == high) return;
    Odometer place(kernel.reduced, kernel.split, low, high);
    do reduce_run(kernel, base + (place.offset + first) * kernel.size, last - first, totals);
    while (place.next());
    return;
  }
  // The last reduced group gives the rows.
  std::vector<Group> outer(kernel.reduced.begin(), kernel.reduced.end() - 1);
  const Group& row = kernel.reduced.back();
  const int64_t last_group = static_cast<int64_t>(outer.size());
  int64_t first = 0, last = row.extent, low = 0, high = 0;
  if (kernel.split == last_group) bounds(row.extent, &first, &last);
  else if (kernel.split >= 0) bounds(outer[kernel.split].extent, &low, &high);
  if (kernel.split >= 0 && kernel.split != last_group && low == high) return;
  Odometer place(outer, kernel.split == last_group ? -1 : kernel.split, low, high);
  do reduce_rows(kernel, base + (place.offset + first * row.stride) * kernel.size, last - first, row.stride, width,
                 totals);
  while (place.next());
}

// Turns accumulators into results.
void finish(const Reduce& kernel, uint64_t* totals, int64_t n, char* out) {
  if (kernel.accumulate == DType::kFloat64) {
    double* values = reinterpret_cast<double*>(totals);
    if (kernel.mean)
      for (int64_t j = 0; j < n; ++j) values[j] /= static_cast<double>(kernel.count);
    if (kernel.root)
      for (int64_t j = 0; j < n; ++j) values[j] = std::sqrt(values[j]);
  } else if (kernel.mean && kernel.count) {
    // The sum wraps in the array's own type before the division, as in MXNet.
    int64_t* values = reinterpret_cast<int64_t*>(totals);
    const int unused = 64 - 8 * kernel.size;
    const bool sign = kernel.type != DType::kUint8 && kernel.type != DType::kBool;
    for (int64_t j = 0; j < n; ++j) {
      const uint64_t top = static_cast<uint64_t>(values[j]) << unused;
      values[j] = sign ? static_cast<int64_t>(top) >> unused : static_cast<int64_t>(top >> unused);
      values[j] /= kernel.count;
    }
  }
  char* args[2] = {reinterpret_cast<char*>(totals), out};
  const intptr_t elements = n, steps[2] = {8, kernel.out_size};
  cast_loop(kernel.accumulate, kernel.out_type)(args, &elements, steps, nullptr);
}

// Where a unit's results start, and how many there are.
int64_t unit_outputs(const Reduce& kernel, int64_t unit, int64_t* width) {
  if (kernel.inner_reduced) {
    *width = 1;
    return unit;
  }
  const int64_t blocks = kernel.blocks(), column = unit % blocks * kReduceColumns;
  *width = std::min(kReduceColumns, kernel.inner - column);
  return unit / blocks * kernel.inner + column;
}

void whole_units(void* context, int64_t begin, int64_t end) {
  const Call& call = *static_cast<Call*>(context);
  const Reduce& kernel = *call.kernel;
  uint64_t totals[kReduceColumns];
  if (kernel.inner_reduced && kernel.reduced.empty()) {  // runs, one behind the other
    for (int64_t first = begin; first < end; first += kReduceColumns) {
      const int64_t count = std::min(kReduceColumns, end - first);
      std::fill(totals, totals + count, kernel.start);
      for (int64_t k = 0; k < count; ++k)
        reduce_run(kernel, call.x + (first + k) * kernel.inner * kernel.size, kernel.inner, totals + k);
      finish(kernel, totals, count, call.out + first * kernel.out_size);
    }
    return;
  }
  for (int64_t unit = begin; unit < end; ++unit) {
    int64_t width;
    const int64_t at = unit_outputs(*call.kernel, unit, &width);
    reduce_unit(call, unit, 0, totals);
    finish(*call.kernel, totals, width, call.out + at * call.kernel->out_size);
  }
}

void split_units(void* context, int64_t begin, int64_t end) {
  const Call& call = *static_cast<Call*>(context);
  const Reduce& kernel = *call.kernel;
  for (int64_t k = begin; k < end; ++k) {
    const int64_t unit = k / kernel.parts, part = k % kernel.parts;
    int64_t width;
    const int64_t at = unit_outputs(kernel, unit, &width);
    reduce_unit(call, unit, part, call.partial + part * kernel.outputs + at);
  }
}

int run_reduce(Kernel* self, const RunArgs* args) {
  const Reduce& kernel = *static_cast<Reduce*>(self);
  Call call{&kernel, static_cast<const char*>(args->inputs[0]), static_cast<char*>(args->outputs[0]), nullptr};
  if (kernel.split == -2) {
    if (kernel.units <= kernel.grain) whole_units(&call, 0, kernel.units);
    else parallel_for(kernel.units, kernel.grain, whole_units, &call);
    return 0;
  }
  std::unique_ptr<uint64_t[]> partial(new uint64_t[kernel.parts * kernel.outputs]);
  call.partial = partial.get();
  parallel_for(kernel.units * kernel.parts, 1, split_units, &call);
  for (int64_t part = 1; part < kernel.parts; ++part)
    kernel.reducer.merge(partial.get(), partial.get() + part * kernel.outputs, kernel.outputs);
  finish(kernel, partial.get(), kernel.outputs, call.out);
  return 0;
}

int run_empty(Kernel* self, const RunArgs* args) {  // nothing to reduce: identities
  const Reduce& kernel = *static_cast<Reduce*>(self);
  std::vector<uint64_t> totals(kernel.outputs, kernel.start);
  finish(kernel, totals.data(), kernel.outputs, static_cast<char*>(args->outputs[0]));
  return 0;
}

uint64_t identity_bits(double identity, DType accumulate, DType type) {
  uint64_t bits;
  if (accumulate == DType::kFloat64) {
    std::memcpy(&bits, &identity, 8);
    return bits;
  }
  int64_t value = static_cast<int64_t>(std::isinf(identity) ? 0 : identity);
  if (std::isinf(identity)) {  // the ends of the array's own range, so that empty reductions fit
    const int width = 8 * dtype_size(type) - (type == DType::kUint8 || type == DType::kBool ? 0 : 1);
    const int64_t top = type == DType::kBool ? 1 : static_cast<int64_t>((uint64_t{1} << width) - 1);
    const int64_t bottom = type == DType::kUint8 || type == DType::kBool ? 0 : -top - 1;
    value = identity > 0 ? top : bottom;
  }
  std::memcpy(&bits, &value, 8);
  return bits;
}

// Splits the longest reduced group when there are too few results to go round.
void choose_split(Reduce* kernel, double cost) {
  const int64_t pieces = std::min<int64_t>(kMaxParts, static_cast<int64_t>(cost / (2 * kPieceNs)));
  kernel->split = -2;
  kernel->parts = 1;
  kernel->grain = std::max<int64_t>(1, static_cast<int64_t>(kPieceNs / std::max(1.0, cost / kernel->units)));
  if (pieces < 2 || kernel->units >= pieces || kernel->units >= 16) return;
  int64_t longest = kernel->inner_reduced ? kernel->inner : 0;
  kernel->split = -1;
  for (size_t k = 0; k < kernel->reduced.size(); ++k)
    if (kernel->reduced[k].extent > longest) {
      longest = kernel->reduced[k].extent;
      kernel->split = static_cast<int64_t>(k);
    }
  kernel->parts = std::min(pieces, longest);
  if (kernel->parts < 2) kernel->split = -2, kernel->parts = 1;
}

void group_axes(const ReduceSpec& spec, Reduce* kernel) {
  std::vector<int64_t> extents;
  std::vector<bool> reduced;
  for (size_t axis = 0; axis < spec.shape.size(); ++axis) {
    if (spec.shape[axis] == 1) continue;
    if (!extents.empty() && reduced.back() == spec.reduced[axis]) {
      extents.back() *= spec.shape[axis];
    } else {
      extents.push_back(spec.shape[axis]);
      reduced.push_back(spec.reduced[axis]);
    }
  }
  if (std::find(reduced.begin(), reduced.end(), true) == reduced.end()) {  // nothing is reduced: runs of one
    extents.push_back(1);
    reduced.push_back(true);
  }
  kernel->inner = extents.back();
  kernel->inner_reduced = reduced.back();
  int64_t stride = kernel->inner;
  for (int64_t k = static_cast<int64_t>(extents.size()) - 2; k >= 0; --k) {
    std::vector<Group>& groups = reduced[k] ? kernel->reduced : kernel->kept;
    groups.insert(groups.begin(), Group{extents[k], stride});
    stride *= extents[k];
  }
}

}  // namespace

Kernel* make_reduce(const ReduceSpec& spec) {
  if (spec.type == DType::kOther || spec.out_type == DType::kOther) return nullptr;
  std::unique_ptr<Reduce> kernel(
      new Reduce(run_reduce, [](Kernel* self) { delete static_cast<Reduce*>(self); }, 0));
  const bool real = spec.type >= DType::kFloat16 || spec.root;
  kernel->type = spec.type;
  kernel->out_type = spec.out_type;
  // Squares are summed in double: they leave the range of the narrower types early.
  kernel->compute = !real ? DType::kInt64
                    : spec.type == DType::kFloat64 || spec.root ? DType::kFloat64
                                                                : DType::kFloat32;
  kernel->accumulate = real ? DType::kFloat64 : DType::kInt64;
  kernel->size = dtype_size(kernel->type);
  kernel->compute_size = dtype_size(kernel->compute);
  kernel->out_size = dtype_size(kernel->out_type);
  kernel->convert = kernel->type == kernel->compute ? nullptr : cast_loop(kernel->type, kernel->compute);
  kernel->reducer = find_reducer(spec.op, kernel->compute);
  kernel->start = identity_bits(kernel->reducer.identity, kernel->accumulate, kernel->type);
  kernel->mean = spec.mean;
  kernel->root = spec.root;
  kernel->outputs = kernel->count = 1;
  for (size_t axis = 0; axis < spec.shape.size(); ++axis)
    (spec.reduced[axis] ? kernel->count : kernel->outputs) *= spec.shape[axis];
  if (kernel->outputs == 0 || kernel->count == 0) {
    kernel->run = run_empty;
    kernel->cost_ns = 50;
    return kernel.release();
  }
  group_axes(spec, kernel.get());
  kernel->units = kernel->inner_reduced ? kernel->outputs : kernel->outputs / kernel->inner * kernel->blocks();
  const double ns = (kernel->convert ? 0.5 : 0.0) + 0.03 * kernel->compute_size;
  const double cost = static_cast<double>(kernel->outputs) * kernel->count * ns + 10.0 * kernel->units;
  choose_split(kernel.get(), cost);
  kernel->cost_ns = 40 + cost;
  return kernel.release();
}

// --- where the largest is -------------------------------------------------------------------------------------

namespace {

struct ArgReduce : Kernel {
  DType type, compute, out_type;
  int64_t outer, n, inner, grain;
  bool smallest;
  Reducer reducer;
  using Kernel::Kernel;
};

struct ArgCall {
  const ArgReduce* kernel;
  const char* x;
  char* out;
};

template <class T> bool better(T candidate, T best, bool smallest) {
  if (best != best) return false;
  return candidate != candidate || (smallest ? candidate < best : candidate > best);
}

// The first index of the value that the vector loops found.
template <class T> int64_t index_of(const T* x, int64_t n, T value) {
  for (int64_t i = 0; i < n; ++i)
    if (x[i] == value || (value != value && x[i] != x[i])) return i;
  return 0;
}

template <class T> void arg_places(void* context, int64_t begin, int64_t end) {
  const ArgCall& call = *static_cast<ArgCall*>(context);
  const ArgReduce& kernel = *call.kernel;
  const int size = dtype_size(kernel.type), out_size = dtype_size(kernel.out_type);
  const Loop convert = kernel.type == kernel.compute ? nullptr : cast_loop(kernel.type, kernel.compute);
  const Loop write = cast_loop(DType::kFloat64, kernel.out_type);
  std::vector<T> line(convert || kernel.inner > 1 ? kernel.n : 0);
  const intptr_t one = 1;
  for (int64_t place = begin; place < end; ++place) {
    const char* from = call.x + (place / kernel.inner * kernel.n * kernel.inner + place % kernel.inner) * size;
    const T* x = reinterpret_cast<const T*>(from);
    if (!line.empty()) {
      char* args[2] = {const_cast<char*>(from), reinterpret_cast<char*>(line.data())};
      const intptr_t count = kernel.n, steps[2] = {static_cast<intptr_t>(kernel.inner * size), sizeof(T)};
      cast_loop(kernel.type, kernel.compute)(args, &count, steps, nullptr);
      x = line.data();
    }
    int64_t index = 0;
    if (kernel.n < 32) {
      for (int64_t i = 1; i < kernel.n; ++i)
        if (better(x[i], x[index], kernel.smallest)) index = i;
    } else {
      uint64_t total;
      const T first = x[0];
      if constexpr (std::is_integral_v<T>) {
        std::memcpy(&total, &first, 8);
        kernel.reducer.run(x, kernel.n, &total);
        int64_t value;
        std::memcpy(&value, &total, 8);
        index = index_of<T>(x, kernel.n, static_cast<T>(value));
      } else {
        double value = first;
        kernel.reducer.run(x, kernel.n, &value);
        index = index_of<T>(x, kernel.n, static_cast<T>(value));
      }
    }
    double number = static_cast<double>(index);
    char* args[2] = {reinterpret_cast<char*>(&number), call.out + place * out_size};
    const intptr_t steps[2] = {8, out_size};
    write(args, &one, steps, nullptr);
  }
}

template <class T> int run_arg(Kernel* self, const RunArgs* args) {
  const ArgReduce& kernel = *static_cast<ArgReduce*>(self);
  ArgCall call{&kernel, static_cast<const char*>(args->inputs[0]), static_cast<char*>(args->outputs[0])};
  const int64_t places = kernel.outer * kernel.inner;
  if (places <= kernel.grain) arg_places<T>(&call, 0, places);
  else parallel_for(places, kernel.grain, arg_places<T>, &call);
  return 0;
}

}  // namespace

Kernel* make_arg_reduce(bool smallest, DType type, DType out_type, int64_t outer, int64_t n, int64_t inner) {
  if (type == DType::kOther || out_type == DType::kOther || n == 0) return nullptr;
  const DType compute = type == DType::kFloat64                              ? type
                        : type == DType::kFloat16 || type == DType::kFloat32 ? DType::kFloat32
                                                                             : DType::kInt64;
  const double ns = inner > 1 ? 2.0 : (type == compute ? 0.3 : 0.8);
  ArgReduce* kernel = new ArgReduce(compute == DType::kFloat32   ? run_arg<float>
                                    : compute == DType::kFloat64 ? run_arg<double>
                                                                 : run_arg<int64_t>,
                                    [](Kernel* self) { delete static_cast<ArgReduce*>(self); },
                                    40 + static_cast<double>(outer) * inner * (10 + n * ns));
  kernel->type = type;
  kernel->compute = compute;
  kernel->out_type = out_type;
  kernel->outer = outer;
  kernel->n = n;
  kernel->inner = inner;
  kernel->smallest = smallest;
  kernel->reducer = find_reducer(smallest ? ReduceOp::kMin : ReduceOp::kMax, compute);
  kernel->grain = std::max<int64_t>(1, static_cast<int64_t>(kPieceNs / (10 + n * ns)));
  return kernel;
}

}  // namespace weft
