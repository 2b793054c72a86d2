// The contract between operators and whoever runs them: imperative dispatch and bound graphs alike.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <new>

namespace weft {

// What one run of a kernel gets. Arrays are C-contiguous; `scalars` holds the operator's dynamic
// parameters in declaration order; `seed` and `counter` number the draws of random operators.
struct RunArgs {
  void* const* inputs;
  void* const* outputs;
  const double* scalars;
  uint64_t seed;
  uint64_t counter;
  char* error;  // kErrorBytes long; a failing kernel writes its message here
};

constexpr int kErrorBytes = 512;

enum KernelFlags : uint32_t {
  kKernelPython = 1u,  // run() takes the GIL itself
};

// Made once for (operator, attributes, input specs), then run many times, from several threads at
// once and without the GIL: immutable after construction.
struct Kernel {
  int (*run)(Kernel* self, const RunArgs* args);  // 0, or non-zero with a message in args->error
  void (*destroy)(Kernel* self);
  double cost_ns;  // estimate for one core
  std::atomic<int> refs;
  uint32_t flags;

  Kernel(int (*run_)(Kernel*, const RunArgs*), void (*destroy_)(Kernel*), double cost,
         uint32_t flags_ = 0)
      : run(run_), destroy(destroy_), cost_ns(cost), refs(1), flags(flags_) {}

  // Whoever runs a kernel does it so: no exception of missing memory goes further.
  int call(const RunArgs* args) {
    try {
      return run(this, args);
    } catch (const std::bad_alloc&) {
      std::snprintf(args->error, kErrorBytes, "out of memory for what the operator keeps meanwhile");
      return 1;
    }
  }
};

inline void kernel_retain(Kernel* kernel) { kernel->refs.fetch_add(1, std::memory_order_relaxed); }

inline void kernel_release(Kernel* kernel) {
  if (kernel->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) kernel->destroy(kernel);
}

}  // namespace weft
