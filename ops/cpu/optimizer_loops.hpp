// Parameter updates of the optimizers: one pass over weight, gradient and states.
#pragma once

#include <cstdint>

#include "ops/kernel.hpp"

namespace weft {

enum UpdateRule : int {
  kSgd, kSgdMomentum, kNag, kSignSgd, kSignum, kAdam, kRmsProp, kRmsPropAlex, kFtml, kFtrl, kAdamW,
  kLambDirection,  // its result is the direction of the step, not the weight
  kUpdateRules
};

enum UpdateType : int {
  kUpdateFloat, kUpdateDouble, kUpdateHalf,
  kUpdateMixed,       // half weight and gradient, float states and master weight (the last input)
  kUpdateMixedFloat,  // the same, with a float weight
  kUpdateMixedDirection, kUpdateMixedFloatDirection,  // the same, for results that are floats and leave the weight alone
  kUpdateTypes
};

// Updates elements [begin, end). `out`, then the inputs in declaration order, then the scalars in
// the order of the single-weight operator's declaration.
using UpdateLoop = void (*)(void* out, void* const* inputs, int64_t begin, int64_t end,
                            const double* scalars);

constexpr int kMaxUpdateScalars = 8;

// Where a scalar of weight number i comes from: the call's scalar number offset + step * i, element step * i of the float
// array that is input number `offset` behind those of the weights, or a value that is always the same.
enum ScalarSource : int { kFromCall, kFromArray, kFixed };
struct UpdateScalar {
  ScalarSource source;
  int offset, step;
  double value;
};

struct UpdateLayout {
  UpdateRule rule;
  UpdateType type;
  int n_weights;
  int n_inputs;  // of one weight
  int n_scalars;
  UpdateScalar scalars[kMaxUpdateScalars];
  int scale;  // the scalar that leaves the step out when it is zero or not finite, or -1
};

Kernel* make_update_kernel(const UpdateLayout& layout, const int64_t* sizes, double cost_ns);

// For each weight the scalars of `layout`, then those of the step: learning rate, lower and upper bound of the norm.
struct LambStep {
  UpdateScalar rate, lower, upper;
};
Kernel* make_lamb_kernel(const UpdateLayout& layout, const LambStep& step, const int64_t* sizes, double cost_ns);
// (weight, direction, weight's norm, direction's norm[, float master weight]) -> weight; scalars: rate, lower, upper
Kernel* make_lamb_step(UpdateType type, int64_t size);
// (weight, grad, history of rows) -> weight; scalars: rate, rescale, clip, epsilon. Float and double only.
Kernel* make_group_adagrad(UpdateType type, int64_t rows, int64_t columns);
// (rates, squares of weights, squares of gradients, decays) -> rates; scalars: eta, epsilon, rescale. Float and double only.
Kernel* make_lars_rates(UpdateType type, int64_t size);
// Fills the inputs with zeros.
Kernel* make_reset(const int64_t* bytes, int count);

}  // namespace weft
