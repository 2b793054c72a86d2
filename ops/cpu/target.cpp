#include "ops/cpu/target.hpp"

#include <cstdlib>
#include <cstring>

namespace weft {

static bool detect_avx2() {
  const char* wish = std::getenv("WEFT_CPU_TARGET");
  if (wish != nullptr && std::strcmp(wish, "baseline") == 0) return false;
#if WEFT_HAVE_AVX2_TARGET
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#else
  return false;
#endif
}

bool cpu_has_avx2() {
  static const bool value = detect_avx2();
  return value;
}

const char* cpu_target() { return cpu_has_avx2() ? "avx2" : "baseline"; }

}  // namespace weft
