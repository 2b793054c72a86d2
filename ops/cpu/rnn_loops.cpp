// Inner loops of recurrent layers: products with packed weights, and the cells. Compiled once for each instruction set.
#include "ops/cpu/rnn.hpp"
#include "ops/cpu/vmath.hpp"

namespace weft {
inline namespace WEFT_TARGET {
namespace {

constexpr int kLanes = 8;
using V = Vec<float>;

void pack(const float* weight, int64_t outputs, int64_t inputs, bool transposed, float* packed) {
  for (int64_t first = 0; first < outputs; first += 16, packed += inputs * 16)
    for (int64_t k = 0; k < inputs; ++k)
      for (int64_t j = 0; j < 16; ++j) {
        int64_t row = first + j;
        packed[k * 16 + j] =
            row >= outputs ? 0.0f : transposed ? weight[k * outputs + row] : weight[row * inputs + k];
      }
}

template <int R>
void product_rows(const float* a, int64_t a_step, const float* panel, int64_t inputs, int64_t columns,
                  bool add, float* c, int64_t c_step) {
  V sums[R][2] = {};
  for (int64_t k = 0; k < inputs; ++k, panel += 16) {
    V left = load<float>(panel), right = load<float>(panel + 8);
    for (int r = 0; r < R; ++r) {
      float value = a[r * a_step + k];
      sums[r][0] += value * left;
      sums[r][1] += value * right;
    }
  }
  for (int r = 0; r < R; ++r)
    for (int side = 0; side < 2; ++side) {
      float* to = c + r * c_step + side * kLanes;
      int64_t count = columns - side * kLanes;
      if (count <= 0) continue;
      if (count >= kLanes)
        store<float>(to, add ? load<float>(to) + sums[r][side] : sums[r][side]);
      else
        store_part<float>(to, add ? load_part<float>(to, count) + sums[r][side] : sums[r][side], count);
    }
}

void product(const float* a, int64_t a_step, const float* packed, int64_t rows, int64_t inputs,
             int64_t outputs, bool add, float* c, int64_t c_step) {
  for (int64_t first = 0; first < outputs; first += 16, packed += inputs * 16) {
    int64_t columns = outputs - first < 16 ? outputs - first : 16, row = 0;
    float* to = c + first;
    for (; row + 6 <= rows; row += 6)
      product_rows<6>(a + row * a_step, a_step, packed, inputs, columns, add, to + row * c_step, c_step);
    const float* from = a + row * a_step;
    to += row * c_step;
    switch (rows - row) {
      case 5: product_rows<5>(from, a_step, packed, inputs, columns, add, to, c_step); break;
      case 4: product_rows<4>(from, a_step, packed, inputs, columns, add, to, c_step); break;
      case 3: product_rows<3>(from, a_step, packed, inputs, columns, add, to, c_step); break;
      case 2: product_rows<2>(from, a_step, packed, inputs, columns, add, to, c_step); break;
      case 1: product_rows<1>(from, a_step, packed, inputs, columns, add, to, c_step); break;
      default: break;
    }
  }
}

// Calls body(i, load, store) for vectors of n values; the last one may be a part.
template <class Body> WEFT_INLINE void each_vector(int64_t n, const Body& body) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    body(i, [](const float* at) { return load<float>(at); }, [](float* at, V value) { store<float>(at, value); });
  int64_t rest = n - i;
  if (rest)
    body(i, [rest](const float* at) { return load_part<float>(at, rest); },
         [rest](float* at, V value) { store_part<float>(at, value, rest); });
}

template <bool kClipped>
WEFT_INLINE void lstm_cell(int64_t n, float* gates, const float* cell_before, ClipBounds clip, float* cell, float* out) {
  each_vector(n, [=](int64_t i, auto get, auto put) {
    V in = vsigmoid<float>(get(gates + i)), forget = vsigmoid<float>(get(gates + n + i));
    V fresh = vtanh<float>(get(gates + 2 * n + i)), open = vsigmoid<float>(get(gates + 3 * n + i));
    V state = forget * get(cell_before + i) + in * fresh;
    if (kClipped) state = at_most<float>(at_least<float>(state, clip.low), clip.high);
    put(gates + i, in);
    put(gates + n + i, forget);
    put(gates + 2 * n + i, fresh);
    put(gates + 3 * n + i, open);
    put(cell + i, state);
    put(out + i, open * vtanh<float>(state));
  });
}

void lstm(int64_t n, float* gates, const float* cell_before, const ClipBounds* clip, float* cell, float* out) {
  if (clip) lstm_cell<true>(n, gates, cell_before, *clip, cell, out);
  else lstm_cell<false>(n, gates, cell_before, {}, cell, out);
}

void gru(int64_t n, float* gates, const float* hidden, const float* before, float* extra, float* out) {
  each_vector(n, [=](int64_t i, auto get, auto put) {
    V reset = vsigmoid<float>(get(gates + i) + get(hidden + i));
    V update = vsigmoid<float>(get(gates + n + i) + get(hidden + n + i));
    V inner = get(hidden + 2 * n + i);
    V fresh = vtanh<float>(get(gates + 2 * n + i) + reset * inner);
    put(gates + i, reset);
    put(gates + n + i, update);
    put(gates + 2 * n + i, fresh);
    put(extra + i, inner);
    put(out + i, fresh + update * (get(before + i) - fresh));
  });
}

void simple(int64_t n, bool relu, float* gates, float* out) {
  each_vector(n, [=](int64_t i, auto get, auto put) {
    V value = get(gates + i);
    value = relu ? at_least<float>(value, 0.0f) : vtanh<float>(value);
    put(gates + i, value);
    put(out + i, value);
  });
}

template <bool kClipped>
WEFT_INLINE void lstm_cell_backward(int64_t n, const float* gates, const float* cell_before, const float* cell,
                                    ClipBounds clip, const float* d_hidden, float* d_cell, float* d_gates) {
  each_vector(n, [=](int64_t i, auto get, auto put) {
    V in = get(gates + i), forget = get(gates + n + i), fresh = get(gates + 2 * n + i), open = get(gates + 3 * n + i);
    V state = get(cell + i), squashed = vtanh<float>(state), slope = get(d_hidden + i);
    V total = get(d_cell + i) + slope * open * (1.0f - squashed * squashed);
    if (kClipped) total = (state <= clip.low) | (state >= clip.high) ? V{} : total;
    put(d_gates + i, total * fresh * in * (1.0f - in));
    put(d_gates + n + i, total * get(cell_before + i) * forget * (1.0f - forget));
    put(d_gates + 2 * n + i, total * in * (1.0f - fresh * fresh));
    put(d_gates + 3 * n + i, slope * squashed * open * (1.0f - open));
    put(d_cell + i, total * forget);
  });
}

void lstm_backward(int64_t n, const float* gates, const float* cell_before, const float* cell, const ClipBounds* clip,
                   const float* d_hidden, float* d_cell, float* d_gates) {
  if (clip) lstm_cell_backward<true>(n, gates, cell_before, cell, *clip, d_hidden, d_cell, d_gates);
  else lstm_cell_backward<false>(n, gates, cell_before, cell, {}, d_hidden, d_cell, d_gates);
}

void gru_backward(int64_t n, const float* gates, const float* extra, const float* before,
                  const float* d_hidden, float* d_input, float* d_inner, float* direct) {
  each_vector(n, [=](int64_t i, auto get, auto put) {
    V reset = get(gates + i), update = get(gates + n + i), fresh = get(gates + 2 * n + i), slope = get(d_hidden + i);
    V d_fresh = slope * (1.0f - update) * (1.0f - fresh * fresh);
    V d_update = slope * (get(before + i) - fresh) * update * (1.0f - update);
    V d_reset = d_fresh * get(extra + i) * reset * (1.0f - reset);
    put(d_input + i, d_reset);
    put(d_input + n + i, d_update);
    put(d_input + 2 * n + i, d_fresh);
    put(d_inner + i, d_reset);
    put(d_inner + n + i, d_update);
    put(d_inner + 2 * n + i, d_fresh * reset);
    put(direct + i, slope * update);
  });
}

void simple_backward(int64_t n, bool relu, const float* gates, const float* d_hidden, float* d_gates) {
  each_vector(n, [=](int64_t i, auto get, auto put) {
    V value = get(gates + i), slope = get(d_hidden + i);
    put(d_gates + i, relu ? (value > 0.0f ? slope : V{}) : slope * (1.0f - value * value));
  });
}

const RecurrentLoops kLoops = {pack, product, lstm, gru, simple, lstm_backward, gru_backward, simple_backward};

}  // namespace

const RecurrentLoops* recurrent_loops() { return &kLoops; }

}  // namespace WEFT_TARGET
}  // namespace weft
