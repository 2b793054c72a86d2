// What a chain's ops are called; the running value is the first argument, but for the ones named after the other way.
#pragma once

namespace weft {

struct ChainCode {
  enum {
    kAdd, kSubtract, kSubtractFrom, kMultiply, kDivide, kDivideInto, kMaximum, kMaximumOf, kMinimum, kMinimumOf,
    kReluGrad, kStepGrad, kRelu, kAbs, kNegative, kSquare, kClip
  };
};

}  // namespace weft
