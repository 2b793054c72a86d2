#include "ops/cpu/ordering.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "engine/core/engine.hpp"

namespace weft {
namespace {

struct Order : Kernel {
  OrderSpec spec;
  int64_t grain;  // lines
  using Kernel::Kernel;
};

// --- keys: unsigned numbers that sort as the values do --------------------------------------------------------

uint32_t key_of(float x) {
  if (x != x) return ~uint32_t{0};
  x += 0.0f;  // -0 and 0 are equal
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
uint32_t key_of(int32_t x) { return static_cast<uint32_t>(x) ^ 0x80000000u; }
uint64_t key_of(double x) {
  if (x != x) return ~uint64_t{0};
  x += 0.0;
  uint64_t bits;
  std::memcpy(&bits, &x, 8);
  return bits >> 63 ? ~bits : bits | uint64_t{1} << 63;
}
uint64_t key_of(int64_t x) { return static_cast<uint64_t>(x) ^ uint64_t{1} << 63; }

// A key and the place it came from; 32-bit keys share a word with it.
struct Narrow {
  uint64_t word;
  static Narrow make(uint32_t key, int64_t place) { return {uint64_t{key} << 32 | static_cast<uint32_t>(place)}; }
  int64_t place() const { return static_cast<uint32_t>(word); }
  bool operator<(const Narrow& other) const { return word < other.word; }
};
struct Wide {
  uint64_t key;
  int64_t at;
  static Wide make(uint64_t key, int64_t place) { return {key, place}; }
  int64_t place() const { return at; }
  bool operator<(const Wide& other) const { return key != other.key ? key < other.key : at < other.at; }
};

// Sorts by the upper half of the words, 11 bits at a time; equal keys keep their order.
void radix_sort(std::vector<Narrow>* items) {
  constexpr int kBits = 11, kBuckets = 1 << kBits;
  const size_t n = items->size();
  std::vector<Narrow> other(n);
  std::vector<uint32_t> counts(3 * kBuckets, 0);
  for (const Narrow& item : *items)
    for (int pass = 0; pass < 3; ++pass) ++counts[pass * kBuckets + (item.word >> (32 + pass * kBits) & (kBuckets - 1))];
  for (int pass = 0; pass < 3; ++pass) {
    uint32_t* count = counts.data() + pass * kBuckets;
    uint32_t total = 0;
    bool trivial = false;  // all in one bucket
    for (int bucket = 0; bucket < kBuckets; ++bucket) {
      const uint32_t here = count[bucket];
      trivial |= here == n;
      count[bucket] = total;
      total += here;
    }
    if (trivial) continue;
    for (const Narrow& item : *items) other[count[item.word >> (32 + pass * kBits) & (kBuckets - 1)]++] = item;
    items->swap(other);
  }
}

void sort_all(std::vector<Narrow>* items) {
  if (items->size() >= 512) radix_sort(items);
  else std::sort(items->begin(), items->end());
}
void sort_all(std::vector<Wide>* items) { std::sort(items->begin(), items->end()); }

template <class Item> void sort_first(std::vector<Item>* items, int64_t k) {
  if (k * 4 >= static_cast<int64_t>(items->size())) return sort_all(items);
  std::nth_element(items->begin(), items->begin() + k, items->end());
  std::sort(items->begin(), items->begin() + k);
}

// --- one line -------------------------------------------------------------------------------------------------

struct Call {
  const Order* kernel;
  const RunArgs* args;
};

void convert(DType from_type, const void* from, intptr_t from_step, DType to_type, void* to, intptr_t to_step,
             int64_t n) {
  char* args[2] = {static_cast<char*>(const_cast<void*>(from)), static_cast<char*>(to)};
  const intptr_t count = n, steps[2] = {from_step, to_step};
  cast_loop(from_type, to_type)(args, &count, steps, nullptr);
}

// The output's line `at`, which has `extent` elements.
char* line_of(const Call& call, int output, int64_t line, int64_t extent, int size) {
  const int64_t inner = call.kernel->spec.inner;
  return static_cast<char*>(call.args->outputs[output]) + (line / inner * extent * inner + line % inner) * size;
}

template <class T, class Item> void lines(void* context, int64_t begin, int64_t end) {
  const Call& call = *static_cast<Call*>(context);
  const OrderSpec& spec = call.kernel->spec;
  constexpr DType compute = std::is_same_v<T, float>     ? DType::kFloat32
                            : std::is_same_v<T, double>  ? DType::kFloat64
                            : std::is_same_v<T, int32_t> ? DType::kInt32
                                                         : DType::kInt64;
  const int size = dtype_size(spec.type), index_size = dtype_size(spec.index_type);
  const intptr_t step = spec.inner * size;
  std::vector<T> values(spec.n);
  std::vector<Item> items(spec.n);
  std::vector<int64_t> places(spec.k);
  for (int64_t line = begin; line < end; ++line) {
    const char* from = static_cast<const char*>(call.args->inputs[0]) +
                       (line / spec.inner * spec.n * spec.inner + line % spec.inner) * size;
    convert(spec.type, from, step, compute, values.data(), sizeof(T), spec.n);
    for (int64_t i = 0; i < spec.n; ++i) {
      const auto key = key_of(values[i]);
      items[i] = Item::make(spec.ascending ? key : ~key, i);
    }
    sort_first(&items, spec.k);
    for (int64_t i = 0; i < spec.k; ++i) places[i] = items[i].place();
    if (spec.values >= 0) {
      char* to = line_of(call, spec.values, line, spec.k, size);
      for (int64_t i = 0; i < spec.k; ++i) std::memcpy(to + i * step, from + places[i] * step, size);
    }
    if (spec.indices >= 0)
      convert(DType::kInt64, places.data(), 8, spec.index_type,
              line_of(call, spec.indices, line, spec.k, index_size), spec.inner * index_size, spec.k);
    if (spec.mask >= 0) {
      char* to = line_of(call, spec.mask, line, spec.n, size);
      const int64_t flags[2] = {0, 1};
      for (int64_t i = 0; i < spec.n; ++i) convert(DType::kInt64, flags, 8, spec.type, to + i * step, size, 1);
      for (int64_t place : places) convert(DType::kInt64, flags + 1, 8, spec.type, to + place * step, size, 1);
    }
  }
}

using Body = void (*)(void*, int64_t, int64_t);

template <Body kBody> int run(Kernel* self, const RunArgs* args) {
  const Order& kernel = *static_cast<Order*>(self);
  Call call{&kernel, args};
  const int64_t count = kernel.spec.outer * kernel.spec.inner;
  if (kernel.spec.n == 0 || count == 0) return 0;
  if (count <= kernel.grain) kBody(&call, 0, count);
  else parallel_for(count, kernel.grain, kBody, &call);
  return 0;
}

}  // namespace

Kernel* make_order(const OrderSpec& spec) {
  int (*body)(Kernel*, const RunArgs*) = nullptr;
  const bool narrow = spec.n <= std::numeric_limits<int32_t>::max();
  switch (spec.type) {
    case DType::kFloat16:
    case DType::kFloat32: body = narrow ? run<lines<float, Narrow>> : run<lines<double, Wide>>; break;
    case DType::kFloat64: body = run<lines<double, Wide>>; break;
    case DType::kInt64: body = run<lines<int64_t, Wide>>; break;
    case DType::kOther: return nullptr;
    default: body = narrow ? run<lines<int32_t, Narrow>> : run<lines<int64_t, Wide>>;
  }
  if (spec.index_type == DType::kOther || spec.k > spec.n) return nullptr;
  const double line_ns = 100 + spec.n * (8.0 + (spec.k * 4 >= spec.n ? 2.0 * std::log2(1.0 + spec.n) : 0.0));
  Order* kernel = new Order(body, [](Kernel* self) { delete static_cast<Order*>(self); },
                            static_cast<double>(spec.outer) * spec.inner * line_ns);
  kernel->spec = spec;
  kernel->grain = std::max<int64_t>(1, static_cast<int64_t>(20000 / line_ns));
  return kernel;
}

}  // namespace weft
