// Random bits and what is made of them; random_loops.cpp is compiled for each instruction set.
#pragma once

#include <cstdint>

namespace weft {

struct RandomLoops {
  // Philox4x32-10: `count` words, a multiple of 32, of the stream (seed, call), starting with block `first`.
  void (*bits)(uint32_t* out, int64_t first, int64_t count, uint64_t seed, uint64_t call);
  // Uniform on [low, high); a double takes two words.
  void (*uniform32)(const uint32_t* bits, float* out, int64_t n, float low, float high);
  void (*uniform64)(const uint32_t* bits, double* out, int64_t n, double low, double high);
  // Uniform on (0, 1]: what a logarithm can be taken of.
  void (*positive32)(const uint32_t* bits, float* out, int64_t n);
  void (*positive64)(const uint32_t* bits, double* out, int64_t n);
  // mask = scale where the bits (31 of them) are below the threshold, else 0; out = x * mask.
  void (*drop32)(const uint32_t* bits, const float* x, float* out, float* mask, int64_t n, int32_t threshold, float scale);
  void (*drop64)(const uint32_t* bits, const double* x, double* out, double* mask, int64_t n, int32_t threshold,
                 double scale);
};

}  // namespace weft
