// Finding a loop: the tables of the copy that this CPU runs.
#include "ops/cpu/loops.hpp"

#include <cstring>
#include <string>
#include <unordered_map>

#include "ops/cpu/target.hpp"

namespace weft {

#define WEFT_TABLES(target)        \
  namespace target {               \
  LoopTable float_loops();         \
  LoopTable int_loops();           \
  LoopTable math_loops();          \
  LoopTable trig_loops();          \
  LoopTable cast_loops();          \
  LoopTable stream_loops();        \
  Loop cast_loop_of(DType, DType); \
  }
WEFT_TABLES(baseline)
#if WEFT_HAVE_AVX2_TARGET
WEFT_TABLES(avx2)
#endif
LoopTable special_loops();

namespace {

using Index = std::unordered_map<std::string, const LoopEntry*>;

std::string key_of(const char* name, DType type) {
  std::string key(name);
  key.push_back(static_cast<char>('0' + static_cast<int>(type)));
  return key;
}

Index make_index() {
  Index index;
  auto add = [&index](LoopTable table) {
    for (int k = 0; k < table.count; ++k)
      index.emplace(key_of(table.entries[k].name, table.entries[k].type), &table.entries[k]);
  };
#if WEFT_HAVE_AVX2_TARGET
  if (cpu_has_avx2()) {
    using namespace avx2;
    for (LoopTable table : {float_loops(), int_loops(), math_loops(), trig_loops(), cast_loops()}) add(table);
    add(special_loops());
    return index;
  }
#endif
  using namespace baseline;
  for (LoopTable table : {float_loops(), int_loops(), math_loops(), trig_loops(), cast_loops()}) add(table);
  add(special_loops());
  return index;
}

}  // namespace

const LoopEntry* find_loop(const char* name, DType type) {
  static const Index index = make_index();
  auto found = index.find(key_of(name, type));
  return found == index.end() ? nullptr : found->second;
}

Loop find_stream_loop(const char* name, DType type) {
#if WEFT_HAVE_AVX2_TARGET
  const LoopTable table = cpu_has_avx2() ? avx2::stream_loops() : baseline::stream_loops();
#else
  const LoopTable table = baseline::stream_loops();
#endif
  for (int k = 0; k < table.count; ++k)
    if (table.entries[k].type == type && std::strcmp(table.entries[k].name, name) == 0) return table.entries[k].loop;
  return nullptr;
}

Loop cast_loop(DType from, DType to) {
#if WEFT_HAVE_AVX2_TARGET
  if (cpu_has_avx2()) return avx2::cast_loop_of(from, to);
#endif
  return baseline::cast_loop_of(from, to);
}

}  // namespace weft
