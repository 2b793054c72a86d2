#include <cstring>
#include <string>
#include <vector>

#include "engine/core/engine.hpp"
#include "ops/cpu/optimizer_loops.hpp"
#include "ops/cpu/target.hpp"

namespace weft {

namespace baseline {
UpdateLoop update_loop(UpdateRule rule, UpdateType type);
}
#if WEFT_HAVE_AVX2_TARGET
namespace avx2 {
UpdateLoop update_loop(UpdateRule rule, UpdateType type);
}
#endif

namespace {

constexpr int64_t kGrain = 1 << 14;  // elements a core is woken for

struct UpdateKernel : Kernel {
  UpdateLoop loop;
  int n_weights, n_inputs;
  bool lists, preloaded;
  std::string order;
  std::vector<int64_t> sizes;

  UpdateKernel(int (*run_)(Kernel*, const RunArgs*), double cost)
      : Kernel(run_, [](Kernel* self) { delete static_cast<UpdateKernel*>(self); }, cost) {}
};

struct UpdateJob {
  UpdateLoop loop;
  void* out;
  void* const* inputs;
  double scalars[kMaxUpdateScalars];
};

void update_part(void* context, int64_t begin, int64_t end) {
  const UpdateJob& job = *static_cast<UpdateJob*>(context);
  job.loop(job.out, job.inputs, begin, end, job.scalars);
}

// Finds weight number `index`'s scalars among those of the whole call.
void gather_scalars(const UpdateKernel& kernel, const RunArgs* args, int index, double* result) {
  const double* at = args->scalars;
  void* const* last = args->inputs + kernel.n_weights * kernel.n_inputs;
  const double* rest = kernel.lists ? at + 2 * kernel.n_weights : at;
  for (size_t i = 0; i < kernel.order.size(); ++i) {
    const char kind = kernel.order[i];
    if ((kernel.lists || kernel.preloaded) && (kind == 'l' || kind == 'w')) {
      const int list = kind == 'w';
      result[i] = kernel.preloaded ? static_cast<const float*>(last[list])[index]
                                   : at[list * kernel.n_weights + index];
    } else {
      result[i] = *rest++;
    }
  }
}

int run_update(Kernel* self, const RunArgs* args) {
  const UpdateKernel& kernel = *static_cast<UpdateKernel*>(self);
  for (int i = 0; i < kernel.n_weights; ++i) {
    UpdateJob job{kernel.loop, args->outputs[i], args->inputs + i * kernel.n_inputs, {}};
    gather_scalars(kernel, args, i, job.scalars);
    if (kernel.sizes[i] <= 2 * kGrain)
      update_part(&job, 0, kernel.sizes[i]);
    else
      parallel_for(kernel.sizes[i], kGrain, update_part, &job);
  }
  return 0;
}

}  // namespace

Kernel* make_update_kernel(const UpdateLayout& layout, const int64_t* sizes, double cost_ns) {
  auto* kernel = new UpdateKernel(run_update, cost_ns);
#if WEFT_HAVE_AVX2_TARGET
  kernel->loop = cpu_has_avx2() ? avx2::update_loop(layout.rule, layout.type)
                                : baseline::update_loop(layout.rule, layout.type);
#else
  kernel->loop = baseline::update_loop(layout.rule, layout.type);
#endif
  kernel->n_weights = layout.n_weights;
  kernel->n_inputs = layout.n_inputs;
  kernel->lists = layout.lists;
  kernel->preloaded = layout.preloaded;
  kernel->order = layout.order;
  kernel->sizes.assign(sizes, sizes + layout.n_weights);
  return kernel;
}

}  // namespace weft
