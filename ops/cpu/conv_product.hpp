// Convolutions of plain arrays as products of matrices. The matrix of windows is never laid out as a whole: a strip of
// it, for some rows of pixels and as many of its rows as the cache holds, is gathered and multiplied by packed weights.
#pragma once

#include <cstdint>

namespace weft {

constexpr int kMostTaps = 16;          // along one axis
constexpr int64_t kTileColumns = 16;   // of a product that registers hold
constexpr int64_t kTileRows = 6;

// The matrix of windows. Row (channel * taps[0] + i) * taps[1] + j has for position (image, y, x) of a grid the source's
// pixel (y * stride[0] + offset[0][i], x * stride[1] + offset[1][j]) of that channel; zero outside.
struct Windows {
  int64_t channels, height, width;  // of the source
  int64_t rows, columns;            // of the grid in one image
  int64_t stride[2], taps[2];
  int64_t offset[2][kMostTaps];
};

// Positions of the grid: whole rows, counted through all images, or a piece of one row.
struct Patch {
  int64_t row, rows, column, columns;
  int64_t positions() const { return rows * columns; }
};

// What the next products read, asked for while this one computes: some channels' pixels below a patch.
struct Ahead {
  const Windows* windows;  // null: nothing
  const float* source;
  Patch patch;
  int64_t channel, end, row;  // the next run of pixels: `row` of the patch
  int64_t image, y;           // where that row lies
  int64_t first_image, first_y;
};

// How many rows of packed weights lie side by side where `left` are left: never 1 or 2 behind a full tile, which
// would leave the multipliers waiting.
__attribute__((always_inline)) inline int64_t panel_rows(int64_t left) {
  if (left == kTileRows + 1 || left == kTileRows + 2) return 4;
  return left < kTileRows ? left : kTileRows;
}

// sums[row][j] = function(start + sum over k of weights[row][k] * strip[k][j]), rows of both `step` apart
struct StripProduct {
  const float* weights;  // panels of panel_rows() rows, each [depth][rows]
  int64_t rows, depth;
  const float* strip;
  int64_t step, columns;
  const float* bias;  // of each row, where the sum starts, or null
  bool fresh;         // else the sums start from what they are
  bool relu;
  float* sums;
  Ahead* ahead;
};

// Where positions of a strip lie in the result: `count` of them from `column` on, `stride` apart.
struct ResultRun {
  int64_t column, count, place;
};
struct StripResult {
  const float* sums;
  int64_t step, rows;
  float* to;
  int64_t row_step, stride;
  const ResultRun* runs;
  int64_t run_count;
  bool stream;  // around the cache
};

// One copy for each instruction set.
struct ConvProductLoops {
  // Rows [begin, end) of the matrix of windows; room for kTileColumns values behind the last one.
  void (*gather)(const Windows* windows, const Patch* patch, const float* source, const float* source_end,
                 int64_t begin, int64_t end, float* strip, int64_t strip_step);
  void (*multiply)(const StripProduct* product);
  void (*put)(const StripResult* result);
  // to[c * to_step + r] = from[r * from_step + c]
  void (*transpose)(const float* from, int64_t from_step, int64_t rows, int64_t columns, float* to, int64_t to_step);
  // sums[row][kTileColumns] = (or, unless `fresh`, +=) sum over q of values[row * step + q] * panel[q][kTileColumns]
  void (*correlate)(const float* values, int64_t step, int64_t rows, const float* panel, int64_t n, bool fresh,
                    float* sums, Ahead* ahead);
};

// Null on CPUs without fast vectors of 8 values.
const ConvProductLoops* conv_product_loops();

}  // namespace weft
