// Arithmetic, comparisons and logic for the integer types. Compiled once for each instruction set.
#include "ops/cpu/arithmetic.hpp"

namespace weft {
inline namespace WEFT_TARGET {
namespace {

WEFT_EACH1(Abs, x < T(0) ? T(-Wrap<T>(x)) : x)

// Dividing by zero gives 0 instead of a trap.
template <class T> struct Divide {
  explicit Divide(const double*) {}
  inline T operator()(T a, T b) const {
    if (b == 0) return 0;
    if (std::is_signed<T>::value && b == T(-1)) return T(-Wrap<T>(a));  // the lowest number / -1 traps
    return a / b;
  }
};
template <class T> struct Mod {
  explicit Mod(const double*) {}
  inline T operator()(T a, T b) const {
    if (b == 0 || (std::is_signed<T>::value && b == T(-1))) return 0;
    T r = a % b;
    return std::is_signed<T>::value && r != 0 && (r < 0) != (b < 0) ? T(r + b) : r;
  }
};
// Exact (modulo the type's range) for exponents >= 0; otherwise the truncated reciprocal.
template <class T> struct Power {
  explicit Power(const double*) {}
  inline T operator()(T a, T b) const {
    if (std::is_signed<T>::value && b < 0) {
      if (a == T(1)) return 1;
      if (a == T(-1)) return b % 2 ? T(-1) : T(1);
      return 0;
    }
    Wrap<T> result = 1, base = Wrap<T>(a);
    for (auto rest = static_cast<uint64_t>(b); rest; rest >>= 1) {
      if (rest & 1) result *= base;
      base *= base;
    }
    return T(result);
  }
};

#define WEFT_INT(T, code, ns)                                                                         \
  WEFT_ARITHMETIC(T, code, ns), WEFT_ENTRY2("divide", Divide, T, code, 3.0f),                         \
      WEFT_ENTRY2("mod", Mod, T, code, 3.0f), WEFT_ENTRY2("power", Power, T, code, 5.0f),             \
      WEFT_ENTRY1("abs", Abs, T, code, ns), WEFT_ENTRY1("floor", Identity, T, code, ns),              \
      WEFT_ENTRY1("ceil", Identity, T, code, ns), WEFT_ENTRY1("trunc", Identity, T, code, ns),        \
      WEFT_ENTRY1("fix", Identity, T, code, ns), WEFT_ENTRY1("round", Identity, T, code, ns),         \
      WEFT_ENTRY1("rint", Identity, T, code, ns)

const LoopEntry entries[] = {
    WEFT_INT(uint8_t, DType::kUint8, 0.04f),
    WEFT_INT(int8_t, DType::kInt8, 0.04f),
    WEFT_INT(int32_t, DType::kInt32, 0.12f),
    WEFT_INT(int64_t, DType::kInt64, 0.25f),
};

}  // namespace

LoopTable int_loops() { return {entries, sizeof(entries) / sizeof(entries[0])}; }

}  // namespace WEFT_TARGET
}  // namespace weft
