// Recurrent layers: one large product over all steps, then every core runs the steps of its own samples.
//
// Where sequences have different lengths, steps past a sequence's end leave its state alone and give zeros.
// Samples do not depend on each other, so cores meet only between layers. The weights of the state are packed
// once for each call and direction; gradients of weights are products over all steps at the end.
#include "ops/cpu/rnn.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <vector>

#include "engine/core/engine.hpp"
#include "ops/cpu/indexing_loops.hpp"
#include "ops/cpu/onednn_program.hpp"
#include "ops/cpu/random_kernels.hpp"
#include "ops/cpu/sums.hpp"
#include "ops/cpu/target.hpp"

namespace weft {

namespace baseline { const RecurrentLoops* recurrent_loops(); }
namespace avx2 { const RecurrentLoops* recurrent_loops(); }

namespace {

using dnnl::Scratch;

constexpr double kFlopsPerNs = 50;  // one core, roughly; only steers the splitting
constexpr int64_t kRows = 6;        // that a product takes at a time
constexpr double kSerialNs = 30000;

const RecurrentLoops* loops() {
#if WEFT_HAVE_AVX2_TARGET
  if (cpu_has_avx2()) return avx2::recurrent_loops();
#endif
  return baseline::recurrent_loops();
}

// c (+)= op(a) op(b) by oneDNN, rows of c spread over the cores.
struct Matrices {
  bool transpose_a, transpose_b;
  int64_t m, n, k;
  const float* a;
  int64_t lda;
  const float* b;
  int64_t ldb;
  bool add;
  float* c;
  int64_t ldc;
  std::atomic<bool> good{true};

  static void run_rows(void* context, int64_t begin, int64_t end) {
    Matrices* self = static_cast<Matrices*>(context);
    dnnl::OneThread one;
    const float* a = self->a + (self->transpose_a ? begin : begin * self->lda);
    if (dnnl::api()->sgemm(self->transpose_a ? 'T' : 'N', self->transpose_b ? 'T' : 'N', end - begin, self->n,
                           self->k, 1.0f, a, self->lda, self->b, self->ldb, self->add ? 1.0f : 0.0f,
                           self->c + begin * self->ldc, self->ldc) != dnnl::kSuccess)
      self->good.store(false, std::memory_order_relaxed);
  }
  bool run() {
    double ns = 2.0 * double(m) * double(n) * double(k) / kFlopsPerNs;
    int64_t cores = std::max(1, core_count());
    int64_t grain = ns < kSerialNs ? m : std::max<int64_t>(16, (m + cores - 1) / cores);
    parallel_for(m, grain, &run_rows, this);
    return good.load(std::memory_order_relaxed);
  }
};

bool multiply(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float* a, int64_t lda,
              const float* b, int64_t ldb, bool add, float* c, int64_t ldc) {
  Matrices work{transpose_a, transpose_b, m, n, k, a, lda, b, ldb, add, c, ldc};
  return work.run();
}

// Parameters of one layer in one direction, and the same places in their gradient.
struct Places {
  int64_t input, hidden, input_bias, hidden_bias;
};

std::vector<Places> parameter_places(const RecurrentShape& s) {
  std::vector<Places> places;
  int64_t at = 0;
  for (int64_t layer = 0; layer < s.layers; ++layer)
    for (int64_t way = 0; way < s.directions; ++way) {
      places.push_back({at, at + s.width() * s.input(layer), 0, 0});
      at += s.width() * (s.input(layer) + s.size);
    }
  for (Places& place : places) {
    place.input_bias = at;
    place.hidden_bias = at + s.width();
    at += 2 * s.width();
  }
  return places;
}

// What is kept of one layer, in one direction.
struct Kept {
  float *out, *gates, *extra;
};

Kept kept_of(const RecurrentShape& s, float* reserve, int64_t layer, int64_t way) {
  float* at = reserve + layer * s.layer_values();
  int64_t steps = s.time * s.batch;
  float* gates = at + s.out_values();
  return {at + way * s.size, gates + way * steps * s.width(),
          gates + s.directions * steps * s.width() + way * steps * s.size};
}

struct Recurrent : Kernel {
  RecurrentShape shape;
  std::vector<Places> places;
  const RecurrentLoops* table = loops();
  const ClipBounds bounds;

  Recurrent(const RecurrentShape& shape_, bool backward)
      : Kernel(backward ? &run_backward : &run_forward, &destroy, 0), shape(shape_), places(parameter_places(shape_)),
        bounds{shape_.clip_min, shape_.clip_max} {
    double flops = 0;
    for (int64_t layer = 0; layer < shape.layers; ++layer)
      flops += 2.0 * double(shape.time * shape.batch) * double(shape.directions * shape.width()) *
               double(shape.input(layer) + shape.size);
    cost_ns = 1000 + flops * (backward ? 2 : 1) / kFlopsPerNs;
  }
  static void destroy(Kernel* self) { delete static_cast<Recurrent*>(self); }
  const ClipBounds* clip() const { return shape.clips ? &bounds : nullptr; }
  static int run_forward(Kernel* self, const RunArgs* args);
  static int run_backward(Kernel* self, const RunArgs* args);

  // Samples a core takes at a time: a multiple of the rows of a product where there are enough.
  int64_t sample_grain() const {
    int64_t cores = std::max(1, core_count());
    return cost_ns < kSerialNs ? shape.batch : std::max<int64_t>(1, (shape.batch + cores - 1) / cores);
  }
};

// One direction of one layer; the same for both passes.
struct Way {
  const Recurrent* kernel;
  int64_t layer;
  bool reverse;
  Kept kept;
  const float *packed, *hidden_bias;        // forward: weights of the state; backward: their transpose
  const float *first, *first_cell;          // states before the first step
  float *last, *last_cell;                  // forward: where the last states go; may be null
  const float* d_out;                       // backward: gradient of this layer's output, all directions
  const float *d_last, *d_last_cell;        // may be null
  float *d_gates, *d_inner;                 // of all steps; the same unless gru
  float *d_first, *d_first_cell;
  std::atomic<bool>* good;
  const int64_t* lengths;  // null: all steps of all samples count

  // Whether a step of a sample counts; where it does not, the state stays and the output is zero.
  bool counts(int64_t t, int64_t row) const { return !lengths || t < lengths[row]; }
  // Whether the state before a step is the first one. Backwards through a shorter sequence, that is so at its end.
  bool begins(int64_t step, int64_t row) const { return step == 0 || (reverse && !counts(time_of(step - 1), row)); }
  int64_t longest(int64_t begin, int64_t end) const {
    return lengths ? *std::max_element(lengths + begin, lengths + end) : kernel->shape.time;
  }
  int64_t time_of(int64_t step) const { return reverse ? kernel->shape.time - 1 - step : step; }
  int64_t out_step() const { return kernel->shape.directions * kernel->shape.size; }
  const float* out_at(int64_t t, int64_t row) const { return kept.out + (t * kernel->shape.batch + row) * out_step(); }
  const float* state_before(int64_t step, int64_t row) const {
    return begins(step, row) ? first + row * kernel->shape.size : out_at(time_of(step - 1), row);
  }
  const float* cell_before(int64_t step, int64_t row) const {
    const RecurrentShape& s = kernel->shape;
    return begins(step, row) ? first_cell + row * s.size : kept.extra + (time_of(step - 1) * s.batch + row) * s.size;
  }
};

void copy_values(float* to, const float* from, int64_t n) { std::memcpy(to, from, size_t(n) * sizeof(float)); }

// The last states of samples; for a sequence without steps the first ones.
void store_last(const Way& way, int64_t begin, int64_t end) {
  const RecurrentShape& s = way.kernel->shape;
  for (int64_t row = begin; row < end; ++row) {
    const int64_t steps = way.lengths ? way.lengths[row] : s.time, t = way.reverse ? 0 : steps - 1;
    if (way.last) copy_values(way.last + row * s.size, steps ? way.out_at(t, row) : way.first + row * s.size, s.size);
    if (way.last_cell)
      copy_values(way.last_cell + row * s.size,
                  steps ? way.kept.extra + (t * s.batch + row) * s.size : way.first_cell + row * s.size, s.size);
  }
}

// What one step of samples adds to the gates: the product of the states before with the state's weights.
void state_products(const Way& way, int64_t step, int64_t begin, int64_t rows, float* states, float* to) {
  const RecurrentShape& s = way.kernel->shape;
  const float* before = way.state_before(step, begin);
  int64_t distance = step ? way.out_step() : s.size;
  if (way.lengths && way.reverse && step) {  // of some samples the first states, of others those of the step before
    for (int64_t row = 0; row < rows; ++row) copy_values(states + row * s.size, way.state_before(step, begin + row), s.size);
    before = states;
    distance = s.size;
  }
  way.kernel->table->product(before, distance, way.packed, rows, s.size, s.width(), true, to, s.width());
}

void forward_samples(void* context, int64_t begin, int64_t end) {
  const Way& way = *static_cast<Way*>(context);
  const RecurrentShape& s = way.kernel->shape;
  const RecurrentLoops* table = way.kernel->table;
  bool gru = s.kind == CellKind::kGru;
  int64_t rows = end - begin, width = s.width(), longest = way.longest(begin, end);
  int64_t hidden_values = gru ? rows * width : 0;
  Scratch scratch(size_t(hidden_values + (way.lengths ? rows * s.size : 0)) * sizeof(float));
  if (!scratch.ok()) {
    way.good->store(false, std::memory_order_relaxed);
    return;
  }
  float *hidden = static_cast<float*>(scratch.data()), *states = hidden + hidden_values;
  for (int64_t step = 0; step < s.time; ++step) {
    int64_t t = way.time_of(step);
    float* gates = way.kept.gates + (t * s.batch + begin) * width;
    float* out = way.kept.out + (t * s.batch + begin) * way.out_step();
    float* extra = way.kept.extra + (t * s.batch + begin) * s.size;
    if (gru)
      for (int64_t row = 0; row < rows; ++row) copy_values(hidden + row * width, way.hidden_bias, width);
    if (t < longest) state_products(way, step, begin, rows, states, gru ? hidden : gates);
    for (int64_t row = 0; row < rows; ++row, gates += width, out += way.out_step(), extra += s.size) {
      if (!way.counts(t, begin + row)) {
        std::fill_n(out, s.size, 0.0f);
        if (s.has_extra()) std::fill_n(extra, s.size, 0.0f);
      } else if (s.kind == CellKind::kLstm) {
        table->lstm(s.size, gates, way.cell_before(step, begin + row), way.kernel->clip(), extra, out);
      } else if (gru) {
        table->gru(s.size, gates, hidden + row * width, way.state_before(step, begin + row), extra, out);
      } else {
        table->simple(s.size, s.kind == CellKind::kRelu, gates, out);
      }
    }
  }
  store_last(way, begin, end);
}

int fail(const RunArgs* args) {
  std::snprintf(args->error, kErrorBytes, "a recurrent layer could not run (out of memory?)");
  return 1;
}

// Drops values between layers; every layer draws from a stream of its own.
bool drop_values(const RecurrentShape& s, const RunArgs* args, int64_t layer, const float* x, float* out, float* mask) {
  Kernel* dropout = make_dropout(DType::kFloat32, s.out_values(), s.dropped, true);
  if (!dropout) return false;
  void *inputs[] = {const_cast<float*>(x)}, *outputs[] = {out, mask};
  RunArgs call = *args;
  call.inputs = inputs;
  call.outputs = outputs;
  call.seed += uint64_t(layer) * 0x9E3779B97F4A7C15u;
  const int failed = dropout->run(dropout, &call);
  kernel_release(dropout);
  return !failed;
}

void multiply_values(const float* a, const float* b, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = a[i] * b[i];
}

// The lengths of the sequences, within what there is; none where all are of full length.
std::vector<int64_t> sequence_lengths(const RecurrentShape& s, const void* given) {
  std::vector<int64_t> lengths(s.lengths ? size_t(s.batch) : 0);
  if (lengths.empty()) return lengths;
  read_indices(given, s.length_type, s.batch, lengths.data());
  for (int64_t& length : lengths) length = std::min(std::max(length, int64_t(0)), s.time);
  return lengths;
}

// All layers; `reserve` is filled.
bool run_layers(const Recurrent* kernel, const float* data, const float* parameters, const float* state,
                const float* cell, const int64_t* lengths, const RunArgs* args, float* reserve, float* last,
                float* last_cell) {
  const RecurrentShape& s = kernel->shape;
  int64_t steps = s.time * s.batch, width = s.width(), states = s.batch * s.size;
  Scratch packed(size_t(packed_values(width, s.size)) * sizeof(float));
  Scratch dropped(s.has_mask() ? size_t(s.out_values()) * sizeof(float) : 0);
  if (!packed.ok() || !dropped.ok()) return false;
  std::atomic<bool> good{true};
  for (int64_t layer = 0; layer < s.layers; ++layer) {
    const float* x = layer ? reserve + (layer - 1) * s.layer_values() : data;
    if (layer && s.has_mask()) {
      float* mask = reserve + layer * s.layer_values() + s.mask_offset();
      if (!drop_values(s, args, layer, x, static_cast<float*>(dropped.data()), mask)) return false;
      x = static_cast<float*>(dropped.data());
    }
    for (int64_t way = 0; way < s.directions; ++way) {
      int64_t index = layer * s.directions + way;
      const Places& place = kernel->places[size_t(index)];
      Kept kept = kept_of(s, reserve, layer, way);
      std::vector<float> bias(parameters + place.input_bias, parameters + place.input_bias + width);
      if (s.kind != CellKind::kGru)  // gru adds the state's bias before its reset gate
        for (int64_t j = 0; j < width; ++j) bias[size_t(j)] += parameters[place.hidden_bias + j];
      for (int64_t row = 0; row < steps; ++row)
        copy_values(kept.gates + row * width, bias.data(), width);
      if (!multiply(false, true, steps, width, s.input(layer), x, s.input(layer), parameters + place.input,
                    s.input(layer), true, kept.gates, width))
        return false;
      kernel->table->pack(parameters + place.hidden, width, s.size, false, static_cast<float*>(packed.data()));
      Way work = {};
      work.kernel = kernel;
      work.layer = layer;
      work.reverse = way == 1;
      work.kept = kept;
      work.packed = static_cast<float*>(packed.data());
      work.hidden_bias = parameters + place.hidden_bias;
      work.first = state + index * states;
      work.first_cell = cell ? cell + index * states : nullptr;
      work.last = last ? last + index * states : nullptr;
      work.last_cell = last_cell ? last_cell + index * states : nullptr;
      work.good = &good;
      work.lengths = lengths;
      parallel_for(s.batch, kernel->sample_grain(), &forward_samples, &work);
      if (!good.load(std::memory_order_relaxed)) return false;
    }
  }
  return true;
}

int Recurrent::run_forward(Kernel* self, const RunArgs* args) {
  const Recurrent* kernel = static_cast<Recurrent*>(self);
  const RecurrentShape& s = kernel->shape;
  bool lstm = s.kind == CellKind::kLstm;
  auto in = [args](int i) { return static_cast<const float*>(args->inputs[i]); };
  auto out = [args](int i) { return static_cast<float*>(args->outputs[i]); };
  int outputs = 1 + (s.state_outputs ? (lstm ? 2 : 1) : 0);
  Scratch scratch(s.keep ? 0 : size_t(s.layers * s.layer_values()) * sizeof(float));
  if (!scratch.ok()) return fail(args);
  float* reserve = s.keep ? out(outputs) : static_cast<float*>(scratch.data());
  const std::vector<int64_t> lengths = sequence_lengths(s, s.lengths ? args->inputs[lstm ? 4 : 3] : nullptr);
  if (!run_layers(kernel, in(0), in(1), in(2), lstm ? in(3) : nullptr, s.lengths ? lengths.data() : nullptr, args, reserve,
                  s.state_outputs ? out(1) : nullptr, s.state_outputs && lstm ? out(2) : nullptr))
    return fail(args);
  copy_values(out(0), reserve + (s.layers - 1) * s.layer_values(), s.out_values());
  if (!s.keep) out(outputs)[0] = 0.0f;
  return 0;
}

void backward_samples(void* context, int64_t begin, int64_t end) {
  const Way& way = *static_cast<Way*>(context);
  const RecurrentShape& s = way.kernel->shape;
  const RecurrentLoops* table = way.kernel->table;
  int64_t rows = end - begin, width = s.width(), n = rows * s.size;
  Scratch scratch(size_t(3 * n) * sizeof(float));
  if (!scratch.ok()) {
    way.good->store(false, std::memory_order_relaxed);
    return;
  }
  float *d_hidden = static_cast<float*>(scratch.data()), *d_cell = d_hidden + n, *direct = d_cell + n;
  auto start = [&](float* to, const float* from) {
    if (from)
      copy_values(to, from + begin * s.size, n);
    else
      std::memset(to, 0, size_t(n) * sizeof(float));
  };
  start(d_hidden, way.d_last);
  start(d_cell, way.d_last_cell);
  bool gru = s.kind == CellKind::kGru, carries = gru || way.lengths;
  for (int64_t step = s.time; step-- > 0;) {
    int64_t t = way.time_of(step), at = t * s.batch + begin;
    const float* gates = way.kept.gates + at * width;
    const float* extra = way.kept.extra + at * s.size;
    float *d_gates = way.d_gates + at * width, *d_inner = way.d_inner + at * width;
    if (carries && !gru) std::memset(direct, 0, size_t(n) * sizeof(float));
    for (int64_t row = 0; row < rows; ++row) {
      const float* d_out = way.d_out + (at + row) * way.out_step();
      float* slope = d_hidden + row * s.size;
      if (!way.counts(t, begin + row)) {  // the state goes past this step, and so do its gradients
        std::fill_n(d_gates + row * width, width, 0.0f);
        std::fill_n(d_inner + row * width, width, 0.0f);
        copy_values(direct + row * s.size, slope, s.size);
        continue;
      }
      for (int64_t j = 0; j < s.size; ++j) slope[j] += d_out[j];
      if (s.kind == CellKind::kLstm)
        table->lstm_backward(s.size, gates + row * width, way.cell_before(step, begin + row), extra + row * s.size,
                             way.kernel->clip(), slope, d_cell + row * s.size, d_gates + row * width);
      else if (gru)
        table->gru_backward(s.size, gates + row * width, extra + row * s.size, way.state_before(step, begin + row), slope,
                            d_gates + row * width, d_inner + row * width, direct + row * s.size);
      else
        table->simple_backward(s.size, s.kind == CellKind::kRelu, gates + row * width, slope, d_gates + row * width);
    }
    if (carries) copy_values(d_hidden, direct, n);
    table->product(d_inner, width, way.packed, rows, width, s.size, carries, d_hidden, s.size);
  }
  copy_values(way.d_first + begin * s.size, d_hidden, n);
  if (way.d_first_cell) copy_values(way.d_first_cell + begin * s.size, d_cell, n);
}

// The gradients of one direction's parameters, from those of its gates at every step.
bool weight_gradients(const Way& way, const Places& place, const float* x, float* d_parameters) {
  const RecurrentShape& s = way.kernel->shape;
  int64_t steps = s.time * s.batch, width = s.width(), input = s.input(way.layer), rest = steps - s.batch;
  // Step 0 starts from the first state, every later one from the output of the step before.
  const float* grads = way.d_inner + (way.reverse ? 0 : s.batch * width);
  const float* outs = way.kept.out + (way.reverse ? s.batch * way.out_step() : 0);
  const float* first_grads = way.d_inner + way.time_of(0) * s.batch * width;
  std::vector<float> ends;
  if (way.lengths && way.reverse) {  // every sequence begins at its own end; the outputs behind it are zeros
    ends.assign(size_t(s.batch * width), 0.0f);
    for (int64_t row = 0; row < s.batch; ++row)
      if (way.lengths[row])
        copy_values(ends.data() + row * width, way.d_inner + ((way.lengths[row] - 1) * s.batch + row) * width, width);
    first_grads = ends.data();
  }
  bool good = multiply(true, false, width, input, steps, way.d_gates, width, x, input, false, d_parameters + place.input, input) &&
              multiply(true, false, width, s.size, s.batch, first_grads, width, way.first, s.size, false,
                       d_parameters + place.hidden, s.size) &&
              (rest == 0 || multiply(true, false, width, s.size, rest, grads, width, outs, way.out_step(), true,
                                     d_parameters + place.hidden, s.size));
  sum_rows(way.d_gates, steps, width, d_parameters + place.input_bias);
  sum_rows(way.d_inner, steps, width, d_parameters + place.hidden_bias);
  return good;
}

int Recurrent::run_backward(Kernel* self, const RunArgs* args) {
  const Recurrent* kernel = static_cast<Recurrent*>(self);
  const RecurrentShape& s = kernel->shape;
  bool lstm = s.kind == CellKind::kLstm, gru = s.kind == CellKind::kGru;
  auto in = [args](int i) { return static_cast<const float*>(args->inputs[i]); };
  auto out = [args](int i) { return static_cast<float*>(args->outputs[i]); };
  int heads = 1 + (s.state_outputs ? (lstm ? 2 : 1) : 0);
  const float *data = in(heads), *parameters = in(heads + 1), *state = in(heads + 2);
  const float* cell = lstm ? in(heads + 3) : nullptr;
  int64_t steps = s.time * s.batch, width = s.width(), states = s.batch * s.size;
  Scratch scratch(s.keep ? 0 : size_t(s.layers * s.layer_values()) * sizeof(float));
  Scratch d_gates(size_t(steps * width) * sizeof(float)), d_inner(gru ? size_t(steps * width) * sizeof(float) : 0);
  Scratch d_outs(s.layers > 1 ? size_t(2 * s.out_values()) * sizeof(float) : 0);
  Scratch packed(size_t(packed_values(s.size, width)) * sizeof(float));
  Scratch dropped(s.has_mask() ? size_t(s.out_values()) * sizeof(float) : 0);
  if (!scratch.ok() || !d_gates.ok() || !d_inner.ok() || !d_outs.ok() || !packed.ok() || !dropped.ok()) return fail(args);
  const int after = heads + (lstm ? 4 : 3);
  const std::vector<int64_t> lengths = sequence_lengths(s, s.lengths ? args->inputs[after] : nullptr);
  const int64_t* valid = s.lengths ? lengths.data() : nullptr;
  float* reserve = s.keep ? static_cast<float*>(args->inputs[after + s.lengths]) : static_cast<float*>(scratch.data());
  if (!s.keep && !run_layers(kernel, data, parameters, state, cell, valid, args, reserve, nullptr, nullptr)) return fail(args);
  std::atomic<bool> good{true};
  const float* d_out = in(0);
  for (int64_t layer = s.layers; layer-- > 0;) {
    const float* x = layer ? reserve + (layer - 1) * s.layer_values() : data;
    const float* mask = layer && s.has_mask() ? reserve + layer * s.layer_values() + s.mask_offset() : nullptr;
    if (mask) {
      multiply_values(x, mask, s.out_values(), static_cast<float*>(dropped.data()));
      x = static_cast<float*>(dropped.data());
    }
    float* d_x = layer ? static_cast<float*>(d_outs.data()) + (layer % 2) * s.out_values() : out(0);
    for (int64_t way = 0; way < s.directions; ++way) {
      int64_t index = layer * s.directions + way;
      const Places& place = kernel->places[size_t(index)];
      kernel->table->pack(parameters + place.hidden, s.size, width, true, static_cast<float*>(packed.data()));
      Way work = {};
      work.kernel = kernel;
      work.layer = layer;
      work.reverse = way == 1;
      work.kept = kept_of(s, reserve, layer, way);
      work.packed = static_cast<float*>(packed.data());
      work.first = state + index * states;
      work.first_cell = cell ? cell + index * states : nullptr;
      work.d_out = d_out + way * s.size;
      work.d_last = s.state_outputs ? in(1) + index * states : nullptr;
      work.d_last_cell = s.state_outputs && lstm ? in(2) + index * states : nullptr;
      work.d_gates = static_cast<float*>(d_gates.data());
      work.d_inner = gru ? static_cast<float*>(d_inner.data()) : work.d_gates;
      work.d_first = out(2) + index * states;
      work.d_first_cell = lstm ? out(3) + index * states : nullptr;
      work.good = &good;
      work.lengths = valid;
      parallel_for(s.batch, kernel->sample_grain(), &backward_samples, &work);
      if (!good.load(std::memory_order_relaxed) || !weight_gradients(work, place, x, out(1)) ||
          !multiply(false, false, steps, s.input(layer), width, work.d_gates, width, parameters + place.input,
                    s.input(layer), way > 0, d_x, s.input(layer)))
        return fail(args);
    }
    if (mask) multiply_values(d_x, mask, s.out_values(), d_x);
    d_out = d_x;
  }
  return 0;
}

}  // namespace

Kernel* make_recurrent(const RecurrentShape& shape) {
  return dnnl::api() ? new Recurrent(shape, false) : nullptr;
}

Kernel* make_backward_recurrent(const RecurrentShape& shape) {
  return dnnl::api() ? new Recurrent(shape, true) : nullptr;
}

}  // namespace weft
