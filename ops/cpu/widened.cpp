#include "ops/cpu/widened.hpp"

#include <cstdio>

#include "ops/cpu/loops.hpp"
#include "ops/cpu/onednn_program.hpp"
#include "ops/cpu/spread.hpp"

namespace weft {
namespace {

using dnnl::Scratch;

struct Widened : Kernel {
  Kernel* inner;
  HalfOperands halves;
  int64_t floats = 0;
  Loop widen = cast_loop(DType::kFloat16, DType::kFloat32), narrow = cast_loop(DType::kFloat32, DType::kFloat16);

  Widened(KernelRun run_, Kernel* inner_, const HalfOperands& halves_)
      : Kernel(run_, [](Kernel* self) { delete static_cast<Widened*>(self); }, inner_->cost_ns), inner(inner_), halves(halves_) {
    for (const auto* sizes : {&halves.inputs, &halves.outputs})
      for (int64_t size : *sizes) floats += size > 0 ? (size + 15) / 16 * 16 : 0;
    cost_ns += 0.5 * double(floats);
  }
  ~Widened() { kernel_release(inner); }
};

void convert(Loop loop, const void* from, int64_t from_bytes, void* to, int64_t to_bytes, int64_t size) {
  spread(size, 0.5, [&](int64_t begin, int64_t end) {
    char* pointers[2] = {const_cast<char*>(static_cast<const char*>(from)) + begin * from_bytes,
                         static_cast<char*>(to) + begin * to_bytes};
    const intptr_t count = end - begin, steps[2] = {from_bytes, to_bytes};
    loop(pointers, &count, steps, nullptr);
  });
}

int run_widened(Kernel* self, const RunArgs* args) {
  const Widened& kernel = *static_cast<Widened*>(self);
  Scratch scratch(size_t(kernel.floats) * sizeof(float));
  if (!scratch.ok()) {
    std::snprintf(args->error, kErrorBytes, "no memory for %lld values in single precision", (long long)kernel.floats);
    return 1;
  }
  float* room = static_cast<float*>(scratch.data());
  std::vector<void*> inputs, outputs;
  auto place = [&](int64_t size, void* given) {
    float* here = room;
    if (size > 0) room += (size + 15) / 16 * 16;
    return size < 0 ? given : here;
  };
  for (size_t i = 0; i < kernel.halves.inputs.size(); ++i) {
    inputs.push_back(place(kernel.halves.inputs[i], args->inputs[i]));
    if (kernel.halves.inputs[i] > 0) convert(kernel.widen, args->inputs[i], 2, inputs[i], 4, kernel.halves.inputs[i]);
  }
  for (size_t i = 0; i < kernel.halves.outputs.size(); ++i)
    outputs.push_back(place(kernel.halves.outputs[i], args->outputs[i]));
  RunArgs call = *args;
  call.inputs = inputs.data();
  call.outputs = outputs.data();
  const int failed = kernel.inner->run(kernel.inner, &call);
  if (failed) return failed;
  for (size_t i = 0; i < kernel.halves.outputs.size(); ++i)
    if (kernel.halves.outputs[i] > 0) convert(kernel.narrow, outputs[i], 4, args->outputs[i], 2, kernel.halves.outputs[i]);
  return 0;
}

}  // namespace

Kernel* make_widened(Kernel* inner, const HalfOperands& halves) { return new Widened(run_widened, inner, halves); }

}  // namespace weft
