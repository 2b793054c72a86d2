// Gathering windows and multiplying them, compiled once for each instruction set.
#include "ops/cpu/conv_product.hpp"
#include "ops/cpu/eight.hpp"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace weft {
inline namespace WEFT_TARGET {

namespace {

inline void stream8(float* at, Eight value) {
#if defined(__AVX2__)
  _mm256_stream_ps(at, (__m256)value);
#else
  store8(at, value);
#endif
}

inline void stream_end() {
#if defined(__AVX2__)
  _mm_sfence();
#endif
}

// ---- gathering -----------------------------------------------------------------------------------------------------

// `count` pixels; up to 7 more values may be written behind them, none is read behind `end`.
inline void gather_run(const float* from, int64_t stride, int64_t count, const float* end, float* to) {
  int64_t whole = (count + 7) / 8 * 8;
  if (end - from >= whole * stride) {
    if (stride == 1) {
      for (int64_t i = 0; i < whole; i += 8) store8(to + i, load8(from + i));
      return;
    }
    if (stride == 2) {
      const EightMask even = {0, 2, 4, 6, 8, 10, 12, 14};
      for (int64_t i = 0; i < whole; i += 8)
        store8(to + i, __builtin_shuffle(load8(from + 2 * i), load8(from + 2 * i + 8), even));
      return;
    }
  }
  for (int64_t i = 0; i < count; ++i) to[i] = from[i * stride];
}

inline int64_t clamp(int64_t value, int64_t low, int64_t high) {
  return value < low ? low : value > high ? high : value;
}

inline int64_t up_to(int64_t value, int64_t step) { return value <= 0 ? 0 : (value + step - 1) / step; }

// Rows of one image that the source holds one behind the other, without gaps.
inline bool whole_rows(const Windows& w, const Patch& patch) {
  return w.taps[0] * w.taps[1] == 1 && w.stride[0] == 1 && w.stride[1] == 1 && w.offset[0][0] == 0 &&
         w.offset[1][0] == 0 && patch.columns == w.width && w.rows == w.height;
}

inline int64_t joined_rows(const Windows& w, const Patch& patch, int64_t row, int64_t y) {
  int64_t left = patch.rows - row, in_image = w.rows - y;
  return left < in_image ? left : in_image;
}

void gather(const Windows* w, const Patch* patch, const float* source, const float* source_end, int64_t begin,
            int64_t end, float* strip, int64_t strip_step) {
  int64_t low[kMostTaps], high[kMostTaps];  // positions of a row whose pixel lies inside
  for (int64_t j = 0; j < w->taps[1]; ++j) {
    int64_t first = up_to(-w->offset[1][j], w->stride[1]), last = up_to(w->width - w->offset[1][j], w->stride[1]);
    low[j] = clamp(first - patch->column, 0, patch->columns);
    high[j] = clamp(last - patch->column, low[j], patch->columns);
  }
  int64_t used = patch->positions(), padded = (used + kTileColumns - 1) / kTileColumns * kTileColumns;
  int64_t taps = w->taps[0] * w->taps[1], first_image = patch->row / w->rows, first_y = patch->row % w->rows;
  bool joined = whole_rows(*w, *patch);
  for (int64_t k = begin; k < end; ++k, strip += strip_step) {
    int64_t channel = k / taps, i = k % taps / w->taps[1], j = k % w->taps[1];
    int64_t offset_y = w->offset[0][i], left = low[j], right = high[j];
    const float* plane = source + (first_image * w->channels + channel) * w->height * w->width +
                         patch->column * w->stride[1] + w->offset[1][j];
    float* to = strip;
    for (int64_t r = 0, y = first_y, rows; joined && r < patch->rows; r += rows, to += rows * patch->columns, y = 0) {
      rows = joined_rows(*w, *patch, r, y);
      gather_run(plane + y * w->width, 1, rows * patch->columns, source_end, to);
      plane += w->channels * w->height * w->width;
    }
    for (int64_t r = 0, y = first_y; !joined && r < patch->rows; ++r, to += patch->columns) {
      int64_t from_y = y * w->stride[0] + offset_y;
      if (from_y >= 0 && from_y < w->height) {
        for (int64_t x = 0; x < left; ++x) to[x] = 0;
        if (right > left)
          gather_run(plane + from_y * w->width + left * w->stride[1], w->stride[1], right - left, source_end, to + left);
        for (int64_t x = right; x < patch->columns; ++x) to[x] = 0;
      } else {
        for (int64_t x = 0; x < patch->columns; ++x) to[x] = 0;
      }
      if (++y == w->rows) {
        y = 0;
        plane += w->channels * w->height * w->width;
      }
    }
    for (int64_t x = used; x < padded; ++x) strip[x] = 0;
  }
}

// ---- asking for memory ahead -----------------------------------------------------------------------------------------

// Runs of cache lines to ask for, one line with every kSteps rows of a product: all at once they would fill the queue of
// the memory and stop the multiplications behind them. Always at least one, asked for again when no other is left.
constexpr int64_t kMostRuns = 256, kSteps = 8;
struct Lines {
  int64_t run, last;
  const float *line, *line_end;
  const float *first[kMostRuns], *end[kMostRuns];
};

// The next runs, up to `room` lines.
// Works on copies: what it writes might be anything to the compiler.
void fill(Ahead* ahead, int64_t room, const float* none, Lines* lines) {
  int64_t count = 0;
  if (ahead->windows && ahead->channel < ahead->end) {
    const Windows w = *ahead->windows;
    Ahead a = *ahead;
    bool joined = whole_rows(w, a.patch);
    int64_t first = clamp(a.patch.column * w.stride[1] + w.offset[1][0], 0, w.width - 1);
    int64_t last = clamp((a.patch.column + a.patch.columns) * w.stride[1] - 1, first, w.width - 1);
    while (room > 0 && count < kMostRuns && a.channel < a.end) {
      const float* plane = a.source + (a.image * w.channels + a.channel) * w.height * w.width;
      int64_t rows = joined ? joined_rows(w, a.patch, a.row, a.y) : 1;
      bool lowest = a.row + rows == a.patch.rows;  // others' further taps are read by the row below
      for (int64_t i = 0; i < w.taps[0] && (i < w.stride[0] || lowest) && count < kMostRuns; ++i) {
        int64_t y = a.y * w.stride[0] + w.offset[0][i];
        if (y < 0 || y >= w.height) continue;
        lines->first[count] = plane + y * w.width + first;
        lines->end[count] = plane + (y + rows - 1) * w.width + last + 1;
        room -= (lines->end[count] - lines->first[count] + 15) / 16;
        ++count;
      }
      a.row += rows;
      a.y += rows;
      if (a.y == w.rows) {
        a.y = 0;
        ++a.image;
      }
      if (lowest) {
        a.row = 0;
        a.image = a.first_image;
        a.y = a.first_y;
        ++a.channel;
      }
    }
    *ahead = a;
  }
  if (count == 0) {
    lines->first[0] = lines->end[0] = none;
    count = 1;
  }
  lines->run = 0;
  lines->last = count - 1;
  lines->line = lines->first[0];
  lines->line_end = lines->end[0];
}

// Runs step() n times, with the requests between.
template <class Step>
inline __attribute__((always_inline)) void paced(int64_t n, Lines* lines, const Step& step) {
  int64_t k = 0;
  const float *line = lines->line, *end = lines->line_end;
  for (; k + kSteps <= n; k += kSteps) {
    __builtin_prefetch(line, 0, 2);
    line += 16;
    if (line >= end) {
      int64_t run = lines->run += lines->run < lines->last;
      line = lines->first[run];
      end = lines->end[run];
    }
#pragma GCC unroll 8
    for (int64_t c = 0; c < kSteps; ++c) step();
  }
  for (; k < n; ++k) step();
  lines->line = line;
  lines->line_end = end;
}

// ---- products of a strip -------------------------------------------------------------------------------------------

template <int R>
void multiply_tile(const StripProduct* p, const float* weights, int64_t row, int64_t column, Lines* lines) {
  Eight sums[R][2];
  float* to = p->sums + row * p->step + column;
  const int64_t step = p->step;
  for (int r = 0; r < R; ++r) {
    float start = p->bias ? p->bias[row + r] : 0.0f;
    for (int half = 0; half < 2; ++half) sums[r][half] = p->fresh ? Eight{} + start : load8(to + r * step + half * 8);
  }
  const float* strip = p->strip + column;
  paced(p->depth, lines, [&]() __attribute__((always_inline)) {
    Eight left = load8(strip), right = load8(strip + 8);
    for (int r = 0; r < R; ++r) {
      sums[r][0] += weights[r] * left;
      sums[r][1] += weights[r] * right;
    }
    weights += R;
    strip += step;
  });
  for (int r = 0; r < R; ++r)
    for (int half = 0; half < 2; ++half) {
      Eight sum = sums[r][half];
      if (p->relu) sum = sum < 0 ? Eight{} : sum;
      store8(to + r * step + half * 8, sum);
    }
}

void multiply(const StripProduct* p) {
  Lines lines;
  int64_t panels = (p->rows + kTileRows - 1) / kTileRows;
  for (int64_t column = 0; column < p->columns; column += kTileColumns) {
    fill(p->ahead, p->depth / kSteps * panels, p->weights, &lines);
    const float* weights = p->weights;
    for (int64_t row = 0, rows; row < p->rows; row += rows, weights += rows * p->depth) {
      rows = panel_rows(p->rows - row);
      switch (rows) {
        case 6: multiply_tile<6>(p, weights, row, column, &lines); break;
        case 5: multiply_tile<5>(p, weights, row, column, &lines); break;
        case 4: multiply_tile<4>(p, weights, row, column, &lines); break;
        case 3: multiply_tile<3>(p, weights, row, column, &lines); break;
        case 2: multiply_tile<2>(p, weights, row, column, &lines); break;
        default: multiply_tile<1>(p, weights, row, column, &lines); break;
      }
    }
  }
}

inline void put_run(const float* from, int64_t count, int64_t stride, bool stream, float* to) {
  if (stride != 1) {
    for (int64_t i = 0; i < count; ++i) to[i * stride] = from[i];
    return;
  }
  int64_t i = 0;
  if (stream && (reinterpret_cast<uintptr_t>(to) & 63) == 0)
    for (; i + 16 <= count; i += 16) {
      stream8(to + i, load8(from + i));
      stream8(to + i + 8, load8(from + i + 8));
    }
  for (; i + 8 <= count; i += 8) store8(to + i, load8(from + i));
  for (; i < count; ++i) to[i] = from[i];
}

void put(const StripResult* p) {
  for (int64_t row = 0; row < p->rows; ++row)
    for (const ResultRun* run = p->runs; run < p->runs + p->run_count; ++run)
      put_run(p->sums + row * p->step + run->column, run->count, p->stride, p->stream, p->to + row * p->row_step + run->place);
  if (p->stream) stream_end();
}

// ---- products along the positions ----------------------------------------------------------------------------------

void transpose(const float* from, int64_t from_step, int64_t rows, int64_t columns, float* to, int64_t to_step) {
  int64_t whole_rows = rows / 8 * 8, whole_columns = columns / 8 * 8;
  for (int64_t c = 0; c < whole_columns; c += 8)
    for (int64_t r = 0; r < whole_rows; r += 8)
      transpose8(from + r * from_step + c, from_step, to + c * to_step + r, to_step);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = r < whole_rows ? whole_columns : 0; c < columns; ++c)
      to[c * to_step + r] = from[r * from_step + c];
}

template <int R>
void correlate_rows(const float* values, int64_t step, const float* panel, int64_t n, bool fresh, float* to,
                    Lines* lines) {
  Eight sums[R][2];
  for (int r = 0; r < R; ++r) {
    sums[r][0] = fresh ? Eight{} : load8(to + r * kTileColumns);
    sums[r][1] = fresh ? Eight{} : load8(to + r * kTileColumns + 8);
  }
  paced(n, lines, [&]() __attribute__((always_inline)) {
    Eight left = load8(panel), right = load8(panel + 8);
    for (int r = 0; r < R; ++r) {
      float value = values[r * step];
      sums[r][0] += value * left;
      sums[r][1] += value * right;
    }
    panel += kTileColumns;
    ++values;
  });
  for (int r = 0; r < R; ++r) {
    store8(to + r * kTileColumns, sums[r][0]);
    store8(to + r * kTileColumns + 8, sums[r][1]);
  }
}

void correlate(const float* values, int64_t step, int64_t rows, const float* panel, int64_t n, bool fresh, float* sums,
               Ahead* ahead) {
  Lines lines;
  fill(ahead, n / kSteps * ((rows + kTileRows - 1) / kTileRows), panel, &lines);
  for (int64_t row = 0, count; row < rows; row += count, values += count * step, sums += count * kTileColumns) {
    count = panel_rows(rows - row);
    switch (count) {
      case 6: correlate_rows<6>(values, step, panel, n, fresh, sums, &lines); break;
      case 5: correlate_rows<5>(values, step, panel, n, fresh, sums, &lines); break;
      case 4: correlate_rows<4>(values, step, panel, n, fresh, sums, &lines); break;
      case 3: correlate_rows<3>(values, step, panel, n, fresh, sums, &lines); break;
      case 2: correlate_rows<2>(values, step, panel, n, fresh, sums, &lines); break;
      default: correlate_rows<1>(values, step, panel, n, fresh, sums, &lines); break;
    }
  }
}

const ConvProductLoops kLoops = {gather, multiply, put, transpose, correlate};

}  // namespace

const ConvProductLoops* conv_product_table() { return &kLoops; }

}  // namespace WEFT_TARGET
}  // namespace weft
