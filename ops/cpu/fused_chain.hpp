// Runs of cheap float32 steps of fused operators, with the value between them in registers.
#pragma once

#include "ops/cpu/loops.hpp"

namespace weft {

constexpr int kChainOps = 24, kChainOperands = 1 + kChainOps;

struct ChainOp {
  int code;
  int operand;      // among the loop's arguments; 0: the op has none
  float low, high;  // of clip
};

struct Chain {
  int count, operands;  // operands: the first value and those of the ops
  ChainOp ops[kChainOps];
};

// What an element-wise loop is called in a chain, or -1; `second`: the running value is its second argument.
int chain_code(Loop loop, bool second);
// Takes `chain` as its data. Its arguments are the operands, then the result, all float32.
Loop chain_loop(bool stream);

}  // namespace weft
