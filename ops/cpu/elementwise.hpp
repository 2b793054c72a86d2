// The element-wise machine: runs any inner loop over broadcasting arrays, on the free cores.
#pragma once

#include <vector>

#include "ops/cpu/loops.hpp"
#include "ops/kernel.hpp"

namespace weft {

// One operand of the loop, in the loop's order (inputs, then outputs).
struct OperandSpec {
  int source;             // index among the kernel's inputs or outputs; kDynamicScalar, kFixedScalar
  int scalar;             // index in RunArgs::scalars of a dynamic scalar
  double value;           // of a fixed scalar
  DType type;             // of the array
  DType compute;          // what the loop takes; converted on the way when it differs
  std::vector<int64_t> shape;  // of the array; broadcasts to the outputs' shape
};
constexpr int kDynamicScalar = -1, kFixedScalar = -2;

struct ElementwiseSpec {
  Loop loop = nullptr;
  Loop stream_loop = nullptr;      // for results too large for the cache (see find_stream_loop); may be nullptr
  void* data = nullptr;            // handed to the loop when it has no parameters of its own
  std::vector<double> parameters;  // fixed parameters of the loop
  bool dynamic_parameters = false; // the loop's parameters are RunArgs::scalars
  int inputs = 0;
  std::vector<OperandSpec> operands;
  double ns = 1.0;                 // an element on one core
};

// Writes a scalar operand (8 bytes at most) as the loop takes it: rounded to the arrays' type first.
void store_number(double value, DType type, DType compute, char* to);

// nullptr when the shapes do not broadcast to the outputs' shape or there are too many operands.
Kernel* make_elementwise(const ElementwiseSpec& spec);

// out = the sum of all inputs (all of one type and size), in one pass.
Kernel* make_add_n(DType type, int inputs, int64_t size);

// Plain copy of bytes.
Kernel* make_copy(int64_t bytes);

// Writes one number everywhere; fixed, or RunArgs::scalars[scalar] when scalar >= 0.
Kernel* make_fill(DType type, int64_t size, double value, int scalar);

}  // namespace weft
