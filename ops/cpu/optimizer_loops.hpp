// Parameter updates of the optimizers: one pass over weight, gradient and states.
#pragma once

#include <cstdint>

#include "ops/kernel.hpp"

namespace weft {

enum UpdateRule : int {
  kSgd, kSgdMomentum, kNag, kSignSgd, kSignum, kAdam, kRmsProp, kUpdateRules
};

enum UpdateType : int {
  kUpdateFloat, kUpdateDouble, kUpdateHalf,
  kUpdateMixed,       // half weight and gradient, float states and master weight (the last input)
  kUpdateMixedFloat,  // the same, with a float weight
  kUpdateTypes
};

// Updates elements [begin, end). `out`, then the inputs in declaration order, then the scalars in
// the order of the single-weight operator's declaration.
using UpdateLoop = void (*)(void* out, void* const* inputs, int64_t begin, int64_t end,
                            const double* scalars);

constexpr int kMaxUpdateScalars = 8;

// `order` has one letter for each scalar of the single-weight operator. With lists or preloaded,
// those of kind 'l' and 'w' come one for each weight, all others once.
struct UpdateLayout {
  UpdateRule rule;
  UpdateType type;
  int n_weights;
  int n_inputs;        // of one weight
  const char* order;
  bool lists;      // the first scalars are lists: all learning rates, then all decays
  bool preloaded;  // learning rates and decays are the last two inputs, float arrays
};

Kernel* make_update_kernel(const UpdateLayout& layout, const int64_t* sizes, double cost_ns);

}  // namespace weft
