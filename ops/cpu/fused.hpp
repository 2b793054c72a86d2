// Several element-wise loops as one kernel: each piece of the arrays that fits the cache goes through all of them.
#pragma once

#include <vector>

#include "ops/cpu/loops.hpp"
#include "ops/kernel.hpp"

namespace weft {

// An operand of one step.
struct FusedOperand {
  enum Kind { kArray, kResult, kDynamicScalar, kFixedScalar };
  Kind kind;
  int index;      // among FusedSpec::inputs, the steps, or RunArgs::scalars
  double value;   // of a fixed scalar
  DType type;     // of the array
  DType compute;  // what the loop takes
};

// One loop over all elements; its result has the fused shape.
struct FusedStep {
  Loop loop = nullptr;
  Loop stream_loop = nullptr;      // see find_stream_loop
  void* data = nullptr;
  std::vector<double> parameters;  // fixed parameters of the loop
  int dynamic_parameters = -1;     // where its parameters begin in RunArgs::scalars
  std::vector<FusedOperand> operands;
  DType type, compute;             // of the result: as stored, as the loop gives it
  double ns = 1.0;                 // an element on one core
};

struct FusedInput {
  int source;                  // among RunArgs::inputs
  DType type;
  std::vector<int64_t> shape;  // broadcasts to the fused shape
};

struct FusedSpec {
  std::vector<int64_t> shape;
  std::vector<FusedInput> inputs;
  std::vector<FusedStep> steps;
  std::vector<int> outputs;  // the steps whose results are wanted
};

// nullptr when a shape does not broadcast. Outputs may be the memory of inputs of the same shape and element size.
Kernel* make_fused(const FusedSpec& spec);

}  // namespace weft
