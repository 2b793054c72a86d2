#pragma once

#include <cstdint>

// Sources in multi_target_sources (ops/cpu/meson.build) are compiled once for each instruction set, inside
//     namespace weft { inline namespace WEFT_TARGET { ... } }
// so that the copies have different names. Callers pick a copy once, when they build a kernel:
//     namespace weft { namespace baseline { Loop add_loop(); } namespace avx2 { Loop add_loop(); } }
//     auto loop = weft::cpu_has_avx2() ? avx2::add_loop() : baseline::add_loop();
//
// Such a source must not use inline functions of headers that other sources use too (std::vector, std::string ...):
// the linker keeps one copy of them, and it could be the AVX2 one.

#if defined(__x86_64__)
#define WEFT_HAVE_AVX2_TARGET 1
#else
#define WEFT_HAVE_AVX2_TARGET 0
#endif

namespace weft {

// Bytes of the largest cache that one core can fill.
int64_t last_level_cache();

// True when this CPU runs AVX2, FMA and F16C code (and WEFT_CPU_TARGET=baseline does not forbid it).
bool cpu_has_avx2();

// "avx2" or "baseline": the copy of the native kernels in use.
const char* cpu_target();

}  // namespace weft
