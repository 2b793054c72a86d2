// Element-wise inner loops: the types they share and how to find one.
//
// Every loop has the signature of NumPy's inner loops, so that NumPy's own loops and the native ones are
// interchangeable: inputs first, then outputs; dimensions[0] elements; steps in bytes, 0 = broadcast.
#pragma once

#include <cstdint>

namespace weft {

using Loop = void (*)(char** args, const intptr_t* dimensions, const intptr_t* steps, void* data);

enum class DType : uint8_t {
  kBool, kUint8, kInt8, kInt32, kInt64, kFloat16, kFloat32, kFloat64, kOther
};

inline int dtype_size(DType type) {
  constexpr int sizes[] = {1, 1, 1, 4, 8, 2, 4, 8, 0};
  return sizes[static_cast<int>(type)];
}

// One native loop. All its inputs and outputs have the same type (where says otherwise: its first
// input is a byte mask). `data` points at the loop's parameters, an array of double.
struct LoopEntry {
  const char* name;
  DType type;
  int8_t inputs;
  int8_t parameters;
  float ns;  // rough cost of an element on one core, in cache
  Loop loop;
};

struct LoopTable {
  const LoopEntry* entries;
  int count;
};

// The fastest native loop for this CPU, or nullptr.
const LoopEntry* find_loop(const char* name, DType type);
// The same with stores that go around the cache, or nullptr. Only for contiguous results, and inputs that are
// contiguous or broadcast and do not share their memory.
Loop find_stream_loop(const char* name, DType type);
// Converts between two types as C does; identical types copy. Never nullptr for known types.
Loop cast_loop(DType from, DType to);

}  // namespace weft
