// What kernels that compute from a plain record share: the kernel that holds it, its operands, and loops over free cores.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/core/engine.hpp"
#include "ops/cpu/loops.hpp"
#include "ops/kernel.hpp"

namespace weft {

using KernelRun = int (*)(Kernel* self, const RunArgs* args);

template <class Spec> struct SpecKernel : Kernel {
  const Spec spec;
  SpecKernel(KernelRun run_, double cost, const Spec& spec_)
      : Kernel(run_, [](Kernel* self) { delete static_cast<SpecKernel*>(self); }, cost), spec(spec_) {}
};

template <class Spec> const Spec& spec_of(const Kernel* self) { return static_cast<const SpecKernel<Spec>*>(self)->spec; }
template <class T> const T* input_of(const RunArgs* args, int i) { return static_cast<const T*>(args->inputs[i]); }
template <class T> T* output_of(const RunArgs* args, int i) { return static_cast<T*>(args->outputs[i]); }

// The kernel for a floating-point type, or none.
template <class Spec>
Kernel* choose_kernel(DType type, KernelRun single, KernelRun wide, double cost, const Spec& spec) {
  if (type == DType::kFloat32) return new SpecKernel<Spec>(single, cost, spec);
  if (type == DType::kFloat64) return new SpecKernel<Spec>(wide, 2 * cost, spec);
  return nullptr;
}

// Calls body(begin, end) for pieces of [0, n), `ns_each` for one of them, on the free cores.
template <class Body> void spread(int64_t n, double ns_each, const Body& body) {
  constexpr double kPieceNs = 20000;  // what a core is woken for
  parallel_for(
      n, std::max<int64_t>(1, int64_t(kPieceNs / std::max(ns_each, 0.1))),
      [](void* context, int64_t begin, int64_t end) { (*static_cast<const Body*>(context))(begin, end); },
      const_cast<Body*>(&body));
}

}  // namespace weft
