#include "ops/cpu/target.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
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

// What the kernel says of the caches of the first core, in "32768K" and its like.
static int64_t largest_listed_cache() {
  int64_t largest = 0;
  for (int index = 0; index < 16; ++index) {
    char path[64], unit = 0;
    std::snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", index);
    std::FILE* file = std::fopen(path, "r");
    if (!file) break;
    long long size = 0;
    const int read = std::fscanf(file, "%lld%c", &size, &unit);
    std::fclose(file);
    if (read < 1) continue;
    largest = std::max<int64_t>(largest, size << (unit == 'K' ? 10 : unit == 'M' ? 20 : 0));
  }
  return largest;
}

int64_t last_level_cache() {
  static const int64_t bytes = [] {
    int64_t found = largest_listed_cache();
#if defined(_SC_LEVEL3_CACHE_SIZE)
    // Only second: of AMD's processors this is the sum over all groups of cores, of which a core uses one.
    if (found <= 0) found = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
    return found > 0 ? found : int64_t{32} << 20;
  }();
  return bytes;
}

const char* cpu_target() { return cpu_has_avx2() ? "avx2" : "baseline"; }

}  // namespace weft
