// Winograd's transforms and the products between them, compiled once for each instruction set.
#include "ops/cpu/winograd.hpp"
#include "ops/cpu/eight.hpp"

namespace weft {
inline namespace WEFT_TARGET {

namespace {

// Where tile number `index` lies.
struct Tile {
  int64_t image, y, x;  // y and x in tiles
};

inline Tile locate(const WinogradShape* s, int64_t index) {
  int64_t inner = index % s->image_tiles();
  return {index / s->image_tiles(), inner / s->tiles_x(), inner % s->tiles_x()};
}

// `edge` x `edge` positions from (y, x) of one plane; zeros outside.
template <int kEdge>
inline void read_patch(const float* plane, int64_t height, int64_t width, int64_t y, int64_t x, Eight* patch) {
  if (y >= 0 && x >= 0 && y + kEdge <= height && x + kEdge <= width) {
    for (int i = 0; i < kEdge; ++i)
      for (int j = 0; j < kEdge; ++j) patch[i * kEdge + j] = load8(plane + ((y + i) * width + x + j) * 8);
    return;
  }
  for (int i = 0; i < kEdge; ++i)
    for (int j = 0; j < kEdge; ++j) {
      bool in = y + i >= 0 && y + i < height && x + j >= 0 && x + j < width;
      patch[i * kEdge + j] = in ? load8(plane + ((y + i) * width + x + j) * 8) : Eight{};
    }
}

// d -> B^T d for six values `step` apart.
template <class V>
inline void input_line(const V* d, int step, V* to, int to_step) {
  V d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
  V a = d4 - 4.0f * d2, b = d3 - 4.0f * d1, c = d4 - d2, e = 2.0f * (d3 - d1);
  to[0] = 4.0f * d0 - 5.0f * d2 + d4;
  to[to_step] = a + b;
  to[2 * to_step] = a - b;
  to[3 * to_step] = c + e;
  to[4 * to_step] = c - e;
  to[5 * to_step] = 4.0f * d1 - 5.0f * d3 + d5;
}

// m -> A^T m: six values to four.
template <class V>
inline void result_line(const V* m, int step, V* to, int to_step) {
  V a = m[step] + m[2 * step], b = m[step] - m[2 * step];
  V c = m[3 * step] + m[4 * step], d = m[3 * step] - m[4 * step];
  to[0] = m[0] + a + c;
  to[to_step] = b + 2.0f * d;
  to[2 * to_step] = a + 4.0f * c;
  to[3 * to_step] = b + 8.0f * d + m[5 * step];
}

// g -> A g: four values to six.
template <class V>
inline void gradient_line(const V* g, int step, V* to, int to_step) {
  V g0 = g[0], g1 = g[step], g2 = g[2 * step], g3 = g[3 * step];
  V a = g0 + g2, b = g1 + g3, c = g0 + 4.0f * g2, d = 2.0f * g1 + 8.0f * g3;
  to[0] = g0;
  to[to_step] = a + b;
  to[2 * to_step] = a - b;
  to[3 * to_step] = c + d;
  to[4 * to_step] = c - d;
  to[5 * to_step] = g3;
}

// w -> G w: three values to six.
template <class V>
inline void weight_line(const V* w, int step, V* to, int to_step) {
  V w0 = w[0], w1 = w[step], w2 = w[2 * step];
  V a = (w0 + w2) * (-1.0f / 6), b = w1 * (-1.0f / 6), c = w0 * (1.0f / 24) + w2 * (1.0f / 6), d = w1 * (1.0f / 12);
  to[0] = w0 * 0.25f;
  to[to_step] = a + b;
  to[2 * to_step] = a - b;
  to[3 * to_step] = c + d;
  to[4 * to_step] = c - d;
  to[5 * to_step] = w2;
}

// u -> G^T u: six values to three.
template <class V>
inline void weight_back_line(const V* u, int step, V* to, int to_step) {
  V a = u[step] + u[2 * step], b = u[step] - u[2 * step];
  V c = u[3 * step] + u[4 * step], d = u[3 * step] - u[4 * step];
  to[0] = u[0] * 0.25f - a * (1.0f / 6) + c * (1.0f / 24);
  to[to_step] = d * (1.0f / 12) - b * (1.0f / 6);
  to[2 * to_step] = u[5 * step] + (c - a) * (1.0f / 6);
}

void inputs(const WinogradShape* s, const float* source, int64_t first, int64_t count, int64_t begin,
            int64_t end, float* v) {
  int64_t blocks = s->in_channels / 8, plane = s->in[0] * s->in[1] * 8, step = blocks * count * 8;
  for (int64_t c = begin; c < end; ++c)
    for (int64_t t = 0; t < count; ++t) {
      Tile tile = locate(s, first + t);
      Eight patch[36], half[36], made[36];
      read_patch<6>(source + (tile.image * blocks + c) * plane, s->in[0], s->in[1],
                    tile.y * 4 - s->pad[0], tile.x * 4 - s->pad[1], patch);
      for (int j = 0; j < 6; ++j) input_line(patch + j, 6, half + j, 6);
      for (int i = 0; i < 6; ++i) input_line(half + i * 6, 1, made + i * 6, 1);
      float* to = v + (c * count + t) * 8;
      for (int f = 0; f < kWinogradPoints; ++f) store8(to + f * step, made[f]);
    }
}

void gradients(const WinogradShape* s, const float* grad, int64_t first, int64_t count, int64_t begin,
               int64_t end, float* w) {
  int64_t blocks = s->out_channels / 8, plane = s->out[0] * s->out[1] * 8, step = blocks * count * 8;
  for (int64_t c = begin; c < end; ++c)
    for (int64_t t = 0; t < count; ++t) {
      Tile tile = locate(s, first + t);
      Eight patch[16], half[24], made[36];
      read_patch<4>(grad + (tile.image * blocks + c) * plane, s->out[0], s->out[1], tile.y * 4, tile.x * 4, patch);
      for (int j = 0; j < 4; ++j) gradient_line(patch + j, 4, half + j, 4);
      for (int i = 0; i < 6; ++i) gradient_line(half + i * 4, 1, made + i * 6, 1);
      float* to = w + (c * count + t) * 8;
      for (int f = 0; f < kWinogradPoints; ++f) store8(to + f * step, made[f]);
    }
}

void results(const WinogradShape* s, const float* m, int64_t first, int64_t count,
             const WinogradFinish* finish, float* destination) {
  int64_t blocks = s->out_channels / 8, plane = s->out[0] * s->out[1] * 8, step = blocks * count * 8;
  Eight none = {};
  for (int64_t c = 0; c < blocks; ++c) {
    Eight bias = finish->bias ? load8(finish->bias + c * 8) : none;
    for (int64_t t = 0; t < count; ++t) {
      Tile tile = locate(s, first + t);
      Eight points[36], half[24], made[16];
      const float* from = m + (c * count + t) * 8;
      for (int f = 0; f < kWinogradPoints; ++f) points[f] = load8(from + f * step);
      for (int j = 0; j < 6; ++j) result_line(points + j, 6, half + j, 6);
      for (int i = 0; i < 4; ++i) result_line(half + i * 6, 1, made + i * 4, 1);
      int64_t rows = s->out[0] - tile.y * 4 < 4 ? s->out[0] - tile.y * 4 : 4;
      int64_t columns = s->out[1] - tile.x * 4 < 4 ? s->out[1] - tile.x * 4 : 4;
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j) {
          int64_t at = (tile.image * blocks + c) * plane + ((tile.y * 4 + i) * s->out[1] + tile.x * 4 + j) * 8;
          Eight value = made[i * 4 + j] + bias;
          if (finish->residual) value += load8(finish->residual + at);
          if (finish->relu) value = value < none ? none : value;
          store8(destination + at, value);
        }
    }
  }
}

// R tiles by 16 outputs over all inputs.
template <int R>
inline void multiply_tiles(const float* v, int64_t count, const float* u, int64_t blocks, float* m) {
  Eight sums[R][2] = {};
  for (int64_t c = 0; c < blocks; ++c, v += count * 8)
    for (int k = 0; k < 8; ++k, u += 16) {
      Eight left = load8(u), right = load8(u + 8);
      for (int r = 0; r < R; ++r) {
        float value = v[r * 8 + k];
        sums[r][0] += value * left;
        sums[r][1] += value * right;
      }
    }
  for (int r = 0; r < R; ++r) {
    store8(m + r * 8, sums[r][0]);
    store8(m + (count + r) * 8, sums[r][1]);
  }
}

void multiply(const WinogradShape* s, const float* v, const float* u, int64_t count, float* m) {
  int64_t blocks = s->in_channels / 8, panels = s->out_channels / 16;
  for (int f = 0; f < kWinogradPoints; ++f) {
    for (int64_t panel = 0; panel < panels; ++panel, m += count * 16, u += s->in_channels * 16) {
      int64_t t = 0;
      for (; t + 6 <= count; t += 6) multiply_tiles<6>(v + t * 8, count, u, blocks, m + t * 8);
      switch (count - t) {
        case 5: multiply_tiles<5>(v + t * 8, count, u, blocks, m + t * 8); break;
        case 4: multiply_tiles<4>(v + t * 8, count, u, blocks, m + t * 8); break;
        case 3: multiply_tiles<3>(v + t * 8, count, u, blocks, m + t * 8); break;
        case 2: multiply_tiles<2>(v + t * 8, count, u, blocks, m + t * 8); break;
        case 1: multiply_tiles<1>(v + t * 8, count, u, blocks, m + t * 8); break;
        default: break;
      }
    }
    v += blocks * count * 8;
  }
}

void weights(const WinogradShape* s, const float* weight, int64_t panel, bool flipped, float* u) {
  int64_t in = s->in_channels, out = s->out_channels;
  int64_t by_out = flipped ? 9 : in * 9, by_in = flipped ? out * 9 : 9;
  for (int64_t c = 0; c < in; ++c) {
    const float* from = weight + panel * 16 * by_out + c * by_in;
    float taps[9][16];
    for (int k = 0; k < 16; ++k)
      for (int tap = 0; tap < 9; ++tap) taps[flipped ? 8 - tap : tap][k] = from[k * by_out + tap];
    for (int side = 0; side < 16; side += 8) {
      Eight g[9], half[18], made[36];
      for (int tap = 0; tap < 9; ++tap) g[tap] = load8(taps[tap] + side);
      for (int j = 0; j < 3; ++j) weight_line(g + j, 3, half + j, 3);
      for (int i = 0; i < 6; ++i) weight_line(half + i * 3, 1, made + i * 6, 1);
      float* to = u + (panel * in + c) * 16 + side;
      for (int f = 0; f < kWinogradPoints; ++f) store8(to + f * in * out, made[f]);
    }
  }
}

// 4 inputs by 16 outputs, over all tiles.
inline void correlate(const float* v, const float* left, const float* right, int64_t count, float* to) {
  Eight sums[4][2] = {};
  for (int64_t t = 0; t < count; ++t) {
    Eight a = load8(left + t * 8), b = load8(right + t * 8);
    for (int r = 0; r < 4; ++r) {
      float value = v[t * 8 + r];
      sums[r][0] += value * a;
      sums[r][1] += value * b;
    }
  }
  for (int r = 0; r < 4; ++r) {
    store8(to + r * 16, sums[r][0]);
    store8(to + r * 16 + 8, sums[r][1]);
  }
}

void weight_gradients(const WinogradShape* s, const float* v, const float* w, int64_t count, int64_t panel,
                      int64_t begin, int64_t end, bool fresh, float* d_weight, float* scratch) {
  int64_t in = s->in_channels, out = s->out_channels, row = (end - begin) * 8 * 16;
  for (int f = 0; f < kWinogradPoints; ++f) {
    const float* left = w + (f * (out / 8) + panel * 2) * count * 8;
    for (int64_t c = begin; c < end; ++c)
      for (int half = 0; half < 8; half += 4)
        correlate(v + (f * (in / 8) + c) * count * 8 + half, left, left + count * 8, count,
                  scratch + f * row + ((c - begin) * 8 + half) * 16);
  }
  for (int64_t c = 0; c < (end - begin) * 8; ++c)
    for (int side = 0; side < 16; side += 8) {
      Eight points[36], half[18], made[9];
      for (int f = 0; f < kWinogradPoints; ++f) points[f] = load8(scratch + f * row + c * 16 + side);
      for (int j = 0; j < 6; ++j) weight_back_line(points + j, 6, half + j, 6);
      for (int i = 0; i < 3; ++i) weight_back_line(half + i * 6, 1, made + i * 3, 1);
      for (int k = 0; k < 8; ++k) {
        float* to = d_weight + ((panel * 16 + side + k) * in + begin * 8 + c) * 9;
        for (int tap = 0; tap < 9; ++tap) to[tap] = fresh ? made[tap][k] : to[tap] + made[tap][k];
      }
    }
}

const WinogradLoops kLoops = {inputs, gradients, multiply, results, weights, weight_gradients};

}  // namespace

const WinogradLoops* winograd_table() { return &kLoops; }

}  // namespace WEFT_TARGET
}  // namespace weft
