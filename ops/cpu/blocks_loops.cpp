// Inner loops over blocks of channels, compiled once for each instruction set.
#include "ops/cpu/blocks.hpp"
#include "ops/cpu/eight.hpp"
#include "ops/cpu/pool_range.hpp"

namespace weft {
inline namespace WEFT_TARGET {

namespace {

constexpr float kLowest = -__builtin_inff();

void to_blocked(const float* in, int64_t plane, int64_t block, float* out) {
  for (int64_t half = 0; half < block; half += 8) {
    const float* from = in + half * plane;
    float* to = out + half;
    int64_t i = 0;
    for (; i + 8 <= plane; i += 8) transpose8(from + i, plane, to + i * block, block);
    for (; i < plane; ++i)
      for (int k = 0; k < 8; ++k) to[i * block + k] = from[k * plane + i];
  }
}

void from_blocked(const float* in, int64_t plane, int64_t block, float* out) {
  for (int64_t half = 0; half < block; half += 8) {
    const float* from = in + half;
    float* to = out + half * plane;
    int64_t i = 0;
    for (; i + 8 <= plane; i += 8) transpose8(from + i * block, block, to + i, plane);
    for (; i < plane; ++i)
      for (int k = 0; k < 8; ++k) to[k * plane + i] = from[i * block + k];
  }
}

// ---- pooling -------------------------------------------------------------------------------------

// What is not a number is passed over.
inline Eight larger(Eight total, Eight value) { return value > total ? value : total; }

// One vector of channels of one window.
inline Eight pool_window(const PoolWindow* w, const float* in, int64_t block, Range rows, Range columns) {
  bool maximum = w->kind == PoolKind::kMax;
  Eight total = Eight{} + (maximum ? kLowest : 0.0f);
  for (int64_t y = rows.begin; y < rows.end; ++y)
    for (int64_t x = columns.begin; x < columns.end; ++x) {
      Eight value = load8(in + (y * w->in[2] + x) * block);
      total = maximum ? larger(total, value) : total + value;
    }
  return total;
}

void pool(const PoolWindow* w, int64_t block, const float* in, float* out) {
  for (int64_t y = 0; y < w->out[1]; ++y)
    for (int64_t x = 0; x < w->out[2]; ++x, out += block)
      for (int64_t half = 0; half < block; half += 8) {
        Eight total = pool_window(w, in + half, block, inside(w, 1, y), inside(w, 2, x));
        if (w->kind == PoolKind::kAverage) total /= float(counted(w, 1, y) * counted(w, 2, x));
        store8(out + half, total);
      }
}

// The first element of a window that attains its maximum takes the gradient.
inline void give_maximum(const PoolWindow* w, int64_t block, Eight grad, const float* in, Eight maximum,
                         Range rows, Range columns, float* d_in) {
  Eight none = {};
  for (int64_t y = rows.begin; y < rows.end; ++y)
    for (int64_t x = columns.begin; x < columns.end; ++x) {
      int64_t at = (y * w->in[2] + x) * block;
      auto hit = load8(in + at) == maximum;
      store8(d_in + at, load8(d_in + at) + (hit ? grad : none));
      grad = hit ? none : grad;
    }
}

void pool_backward(const PoolWindow* w, int64_t block, const float* grad, const float* in,
                   const float* out, float* d_in) {
  int64_t values = w->in[1] * w->in[2] * block;
  for (int64_t i = 0; i < values; ++i) d_in[i] = 0.0f;
  for (int64_t y = 0; y < w->out[1]; ++y)
    for (int64_t x = 0; x < w->out[2]; ++x, grad += block, out += block)
      for (int64_t half = 0; half < block; half += 8) {
        Range rows = inside(w, 1, y), columns = inside(w, 2, x);
        Eight value = load8(grad + half);
        if (w->kind == PoolKind::kMax) {
          give_maximum(w, block, value, in + half, load8(out + half), rows, columns, d_in + half);
          continue;
        }
        if (w->kind == PoolKind::kAverage) value /= float(counted(w, 1, y) * counted(w, 2, x));
        for (int64_t i = rows.begin; i < rows.end; ++i)
          for (int64_t j = columns.begin; j < columns.end; ++j) {
            float* at = d_in + half + (i * w->in[2] + j) * block;
            store8(at, load8(at) + value);
          }
      }
}

// ---- batch normalization ------------------------------------------------------------------------------

// Single precision sums of this many positions are added up in double precision.
constexpr int64_t kStrip = 512;

// Calls term(position, vector index, first, second) with sums that it adds to.
template <class Term>
inline void sum_strips(int64_t n, int64_t half, BlockSums* sums, Term term) {
  for (int64_t begin = 0; begin < n; begin += kStrip) {
    int64_t end = begin + kStrip < n ? begin + kStrip : n, i = begin;
    Eight first[2] = {}, second[2] = {};
    for (; i + 2 <= end; i += 2) {
      term(i, &first[0], &second[0]);
      term(i + 1, &first[1], &second[1]);
    }
    if (i < end) term(i, &first[0], &second[0]);
    first[0] += first[1];
    second[0] += second[1];
    for (int k = 0; k < 8; ++k) {
      sums->first[half + k] += double(first[0][k]);
      sums->second[half + k] += double(second[0][k]);
    }
  }
}

void moments(const float* in, int64_t n, int64_t block, const float* pivot, BlockSums* sums) {
  for (int64_t half = 0; half < block; half += 8) {
    Eight center = load8(pivot + half);
    sum_strips(n, half, sums, [=](int64_t i, Eight* first, Eight* second) {
      Eight value = load8(in + i * block + half) - center;
      *first += value;
      *second += value * value;
    });
  }
}

void normalize(const float* in, int64_t n, int64_t block, const float* scale, const float* shift,
               float lowest, float* out) {
  Eight low = Eight{} + lowest;
  for (int64_t half = 0; half < block; half += 8) {
    Eight a = load8(scale + half), b = load8(shift + half);
    for (int64_t i = 0; i < n; ++i) {
      Eight value = load8(in + i * block + half) * a + b;
      store8(out + i * block + half, value < low ? low : value);  // NaN stays
    }
  }
}

void products(const float* in, const float* grad, int64_t n, int64_t block, const float* pivot,
              const float* scale, const float* shift, float lowest, BlockSums* sums) {
  Eight low = Eight{} + lowest, none = {};
  for (int64_t half = 0; half < block; half += 8) {
    Eight center = load8(pivot + half), a = load8(scale + half), b = load8(shift + half);
    sum_strips(n, half, sums, [=](int64_t i, Eight* first, Eight* second) {
      Eight value = load8(in + i * block + half), slope = load8(grad + i * block + half);
      slope = value * a + b > low ? slope : none;
      *first += slope;
      *second += slope * (value - center);
    });
  }
}

void blend(const float* in, const float* grad, int64_t n, int64_t block, const float* scale,
           const float* shift, float lowest, const float* factor, const float* offset, float* out) {
  Eight low = Eight{} + lowest, none = {};
  for (int64_t half = 0; half < block; half += 8) {
    Eight a = load8(scale + half), b = load8(shift + half);
    Eight f = load8(factor + half), o = load8(offset + half);
    for (int64_t i = 0; i < n; ++i) {
      Eight value = load8(in + i * block + half), slope = load8(grad + i * block + half);
      slope = value * a + b > low ? slope : none;
      store8(out + i * block + half, slope * a + (value * f + o));
    }
  }
}

const BlockLoops kLoops = {to_blocked, from_blocked, pool,     pool_backward,
                           moments,    normalize,    products, blend};

}  // namespace

const BlockLoops* block_loops() { return &kLoops; }

}  // namespace WEFT_TARGET
}  // namespace weft
