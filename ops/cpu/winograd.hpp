// Convolutions with 3 x 3 windows and unit stride by Winograd's F(4 x 4, 3 x 3): tiles of 4 x 4 results
// become 36 products of matrices, a quarter of the multiplications.
//
// Arrays here are in blocks of 8 channels. Transformed tiles are V[36][channels / 8][tiles][8],
// transformed weights U[36][out / 16][in][16].
#pragma once

#include <cstdint>

namespace weft {

constexpr int kWinogradPoints = 36;

struct WinogradShape {
  int64_t batch, in_channels, out_channels;  // multiples of 16
  int64_t in[2], out[2], pad[2];
  int64_t tiles_y() const { return (out[0] + 3) / 4; }
  int64_t tiles_x() const { return (out[1] + 3) / 4; }
  int64_t image_tiles() const { return tiles_y() * tiles_x(); }
  int64_t weight_values() const { return kWinogradPoints * in_channels * out_channels; }
};

// What happens to the result: bias of each channel, residual (as the result lies) and relu; null, null, false: nothing.
struct WinogradFinish {
  const float* bias;
  const float* residual;
  bool relu;
};

// Tiles are numbered through all images; [first, first + count) is a group of them.
struct WinogradLoops {
  // Channel blocks [begin, end) of the tiles' inputs, transformed.
  void (*inputs)(const WinogradShape* shape, const float* source, int64_t first, int64_t count,
                 int64_t begin, int64_t end, float* v);
  // The same of gradients of the result, for the gradient of the weights.
  void (*gradients)(const WinogradShape* shape, const float* grad, int64_t first, int64_t count,
                    int64_t begin, int64_t end, float* w);
  // M[36][out / 8][count][8] = V U
  void (*multiply)(const WinogradShape* shape, const float* v, const float* u, int64_t count, float* m);
  void (*results)(const WinogradShape* shape, const float* m, int64_t first, int64_t count,
                  const WinogradFinish* finish, float* destination);
  // Panel `panel` (16 of the outputs) of U from weights (out, in, 3, 3); `flipped`: from weights
  // (in, out, 3, 3) turned by half a turn, as the gradient of the data needs them.
  void (*weights)(const WinogradShape* shape, const float* weight, int64_t panel, bool flipped, float* u);
  // Outputs of one panel, channel blocks [begin, end): the gradient of the weights from V and W of
  // `count` tiles; added to what is there unless `fresh`. Scratch: weight_scratch() values.
  void (*weight_gradients)(const WinogradShape* shape, const float* v, const float* w, int64_t count,
                           int64_t panel, int64_t begin, int64_t end, bool fresh, float* d_weight,
                           float* scratch);
};

constexpr int64_t kWinogradRange = 4;  // channel blocks that weight_gradients() takes at once
constexpr int64_t kWinogradScratch = kWinogradPoints * kWinogradRange * 8 * 16;

// Null on CPUs without fast vectors of 8 values.
const WinogradLoops* winograd_loops();

}  // namespace weft
