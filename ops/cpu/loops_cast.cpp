// Conversions between all types, and selection by a mask. Compiled once for each instruction set.
#include <type_traits>

#include "ops/cpu/half_vector.hpp"
#include "ops/cpu/loops.hpp"

namespace weft {
inline namespace WEFT_TARGET {
namespace {

struct Half { uint16_t raw; };

// As C converts, where C leaves it open as x86 does: out of range integers wrap, float to small integers
// goes through int32.
template <class To, class From> inline To convert(From x) {
  if constexpr (std::is_same_v<To, bool>) return x != From(0);
  else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To> && sizeof(To) < 4)
    return static_cast<To>(static_cast<int32_t>(x));
  else return static_cast<To>(x);
}
template <class To> inline To from_half(uint16_t x) { return convert<To>(half_to_float(x)); }

template <class From, class To> inline To convert_any(From x) {
  if constexpr (std::is_same_v<From, Half> && std::is_same_v<To, Half>) return x;
  else if constexpr (std::is_same_v<From, Half>) return from_half<To>(x.raw);
  else if constexpr (std::is_same_v<To, Half>) return Half{float_to_half(static_cast<float>(x))};
  else return convert<To>(x);
}

template <class From, class To> void cast_tight(const From* from, To* to, intptr_t n) {
  intptr_t i = 0;
  if constexpr (std::is_same_v<From, Half> && !std::is_same_v<To, Half>) {
    float block[8];
    for (; i + 8 <= n; i += 8) {
      halves_to_floats(reinterpret_cast<const uint16_t*>(from + i), block);
      for (int k = 0; k < 8; ++k) to[i + k] = convert<To>(block[k]);
    }
  } else if constexpr (std::is_same_v<To, Half> && !std::is_same_v<From, Half>) {
    float block[8];
    for (; i + 8 <= n; i += 8) {
      for (int k = 0; k < 8; ++k) block[k] = static_cast<float>(from[i + k]);
      floats_to_halves(block, reinterpret_cast<uint16_t*>(to + i));
    }
  }
  for (; i < n; ++i) to[i] = convert_any<From, To>(from[i]);
}

template <class From, class To>
void cast(char** args, const intptr_t* dimensions, const intptr_t* steps, void*) {
  const intptr_t n = dimensions[0];
  if (steps[0] == sizeof(From) && steps[1] == sizeof(To))
    return cast_tight(reinterpret_cast<const From*>(args[0]), reinterpret_cast<To*>(args[1]), n);
  for (intptr_t i = 0; i < n; ++i)
    *reinterpret_cast<To*>(args[1] + i * steps[1]) =
        convert_any<From, To>(*reinterpret_cast<const From*>(args[0] + i * steps[0]));
}

#define WEFT_CAST_ROW(From)                                                                                   \
  {cast<From, bool>,    cast<From, uint8_t>, cast<From, int8_t>, cast<From, int32_t>, cast<From, int64_t>, \
   cast<From, Half>, cast<From, float>,   cast<From, double>}

constexpr Loop casts[8][8] = {
    WEFT_CAST_ROW(bool), WEFT_CAST_ROW(uint8_t), WEFT_CAST_ROW(int8_t), WEFT_CAST_ROW(int32_t),
    WEFT_CAST_ROW(int64_t), WEFT_CAST_ROW(Half), WEFT_CAST_ROW(float), WEFT_CAST_ROW(double)};

// out = mask ? a : b, for elements of one size; the mask has a byte an element.
template <class T> void select(char** args, const intptr_t* dimensions, const intptr_t* steps, void*) {
  const intptr_t n = dimensions[0];
  constexpr intptr_t size = sizeof(T);
  if (steps[0] == 1 && steps[1] == size && steps[2] == size && steps[3] == size) {
    const uint8_t* mask = reinterpret_cast<const uint8_t*>(args[0]);
    const T *a = reinterpret_cast<const T*>(args[1]), *b = reinterpret_cast<const T*>(args[2]);
    T* out = reinterpret_cast<T*>(args[3]);
#pragma GCC ivdep
    for (intptr_t i = 0; i < n; ++i) {
      const T keep = T(-T(mask[i] != 0));  // all ones or none: blends without a branch
      out[i] = (a[i] & keep) | (b[i] & ~keep);
    }
    return;
  }
  for (intptr_t i = 0; i < n; ++i) {
    const char* from = args[0][i * steps[0]] ? args[1] + i * steps[1] : args[2] + i * steps[2];
    *reinterpret_cast<T*>(args[3] + i * steps[3]) = *reinterpret_cast<const T*>(from);
  }
}

const LoopEntry entries[] = {
    {"where", DType::kBool, 3, 0, 0.05f, select<uint8_t>},     {"where", DType::kUint8, 3, 0, 0.05f, select<uint8_t>},
    {"where", DType::kInt8, 3, 0, 0.05f, select<uint8_t>},     {"where", DType::kInt32, 3, 0, 0.15f, select<uint32_t>},
    {"where", DType::kInt64, 3, 0, 0.3f, select<uint64_t>},    {"where", DType::kFloat16, 3, 0, 0.1f, select<uint16_t>},
    {"where", DType::kFloat32, 3, 0, 0.15f, select<uint32_t>}, {"where", DType::kFloat64, 3, 0, 0.3f, select<uint64_t>},
};

}  // namespace

LoopTable cast_loops() { return {entries, sizeof(entries) / sizeof(entries[0])}; }
Loop cast_loop_of(DType from, DType to) { return casts[static_cast<int>(from)][static_cast<int>(to)]; }

}  // namespace WEFT_TARGET
}  // namespace weft
