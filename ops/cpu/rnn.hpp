// Recurrent layers (float32): tanh, relu, LSTM and GRU cells, stacked, in one or both directions.
#pragma once

#include <cstdint>

#include "ops/kernel.hpp"

namespace weft {

enum class CellKind : int { kRelu, kTanh, kLstm, kGru };

struct RecurrentShape {
  CellKind kind;
  int64_t time, batch, features, size, layers, directions;
  bool state_outputs;
  bool keep;  // the gates are an output (forward) or an input (backward): the reserve
  bool lengths;     // sequences of different lengths: an input more
  int length_type;  // of them, see read_indices
  bool clips;       // cell states are kept within bounds
  float clip_min, clip_max;
  double dropped;  // share of the values between layers that is dropped
  bool has_mask() const { return dropped > 0 && layers > 1; }
  int64_t gates() const { return kind == CellKind::kLstm ? 4 : kind == CellKind::kGru ? 3 : 1; }
  bool has_extra() const { return kind == CellKind::kLstm || kind == CellKind::kGru; }
  int64_t width() const { return gates() * size; }
  int64_t input(int64_t layer) const { return layer ? directions * size : features; }
  int64_t out_values() const { return time * batch * directions * size; }
  // What a layer keeps: its output, then the gates, then cell states or the hidden part of the candidate, then the
  // factors that dropped values of its input (nothing in the first layer).
  int64_t mask_offset() const {
    return out_values() + directions * time * batch * (width() + (has_extra() ? size : 0));
  }
  int64_t layer_values() const { return mask_offset() + (has_mask() ? out_values() : 0); }
};

// Weights (outputs x inputs) in panels of 16 outputs, the last one filled up with zeros.
inline int64_t packed_values(int64_t outputs, int64_t inputs) { return (outputs + 15) / 16 * 16 * inputs; }

struct ClipBounds {
  float low, high;
};

// One copy for each instruction set. Rows are samples; `step` numbers are distances of rows.
struct RecurrentLoops {
  // `transposed`: weights are (inputs x outputs).
  void (*pack)(const float* weight, int64_t outputs, int64_t inputs, bool transposed, float* packed);
  // c (+)= a W^T
  void (*product)(const float* a, int64_t a_step, const float* packed, int64_t rows, int64_t inputs,
                  int64_t outputs, bool add, float* c, int64_t c_step);
  // The cell, in place on the sum of its input's and its state's part; gru: `hidden` is the state's part.
  // clip: null for cell states without bounds.
  void (*lstm)(int64_t n, float* gates, const float* cell_before, const ClipBounds* clip, float* cell, float* out);
  void (*gru)(int64_t n, float* gates, const float* hidden, const float* before, float* extra, float* out);
  void (*simple)(int64_t n, bool relu, float* gates, float* out);
  // d_hidden: gradient of the output, all contributions; d_cell: of the cell state, replaced by that of the one before.
  void (*lstm_backward)(int64_t n, const float* gates, const float* cell_before, const float* cell,
                        const ClipBounds* clip, const float* d_hidden, float* d_cell, float* d_gates);
  // direct: what flows to the state before without passing a gate.
  void (*gru_backward)(int64_t n, const float* gates, const float* extra, const float* before,
                       const float* d_hidden, float* d_input, float* d_inner, float* direct);
  void (*simple_backward)(int64_t n, bool relu, const float* gates, const float* d_hidden, float* d_gates);
};

// (data, parameters, state[, cell[, lengths]]) -> out[, state[, cell]], reserve
Kernel* make_recurrent(const RecurrentShape& shape);
// (out_grad[, state_grad[, cell_grad]], data, parameters, state[, cell[, lengths]], reserve)
//   -> d_data, d_parameters, d_state[, d_cell]
Kernel* make_backward_recurrent(const RecurrentShape& shape);

}  // namespace weft
