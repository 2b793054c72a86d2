// Kernels for batches of sequences of different lengths.
#pragma once

#include <cstdint>

#include "ops/cpu/indexing_loops.hpp"
#include "ops/kernel.hpp"

namespace weft {

enum SequenceKind : int { kSequenceMask, kSequenceLast, kSequenceLastGradient, kSequenceReverse };

// Data of `time` by `batch` (or the other way round, when batch_first) blocks of `block` items.
// The lengths, one for each of the batch, are input number `length_input`.
struct SequenceShape {
  SequenceKind kind;
  int64_t time, batch, block;
  bool batch_first;
  int item_bytes, length_type, length_input;
  uint64_t value;  // what masked places are filled with
};

Kernel* make_sequence_kernel(const SequenceShape& shape, double cost_ns);

}  // namespace weft
