// Reading images at places that arrays give: GridGenerator, BilinearSampler, SpatialTransformer; float32 and float64.
#pragma once

#include <cstdint>

#include "ops/cpu/loops.hpp"
#include "ops/kernel.hpp"

namespace weft {

constexpr int64_t kSampleBlock = 128;  // places that are looked at together

struct SampleShape {
  DType type;
  int64_t batch, channels, height, width;  // of the images
  int64_t out_height, out_width;           // of the grid
  bool wants_data, wants_places;           // which gradients are outputs

  int64_t plane() const { return height * width; }
  int64_t places() const { return out_height * out_width; }
};

// One copy for each instruction set. Places are numbers from -1 to 1 across the image, at most kSampleBlock of them; values
// of one place lie `step` apart from channel to channel.
template <class T> struct SampleLoops {
  void (*sample)(const SampleShape* shape, const T* image, const T* x, const T* y, int64_t n, T* out, int64_t step);
  void (*place_gradients)(const SampleShape* shape, const T* image, const T* x, const T* y, int64_t n, const T* grad,
                          int64_t step, T* d_x, T* d_y);
  // Adds to `channels` planes.
  void (*image_gradient)(const SampleShape* shape, T* d_image, int64_t channels, const T* x, const T* y, int64_t n,
                         const T* grad, int64_t step);
};

// Affine transformations (batch, 6), or displacements in pixels (batch, 2, height, width), to places and back.
Kernel* make_affine_grid(const SampleShape& shape);           // theta -> grid
Kernel* make_backward_affine_grid(const SampleShape& shape);  // out_grad, theta (ignored) -> d_theta
Kernel* make_warp_grid(const SampleShape& shape);
Kernel* make_backward_warp_grid(const SampleShape& shape);

// (data, grid) -> out;  (out_grad, data, grid) -> the wanted ones of d_data, d_grid
Kernel* make_bilinear_sampler(const SampleShape& shape);
Kernel* make_backward_bilinear_sampler(const SampleShape& shape);
// (data, theta) -> out;  (out_grad, data, theta) -> the wanted ones of d_data, d_theta
Kernel* make_spatial_transformer(const SampleShape& shape);
Kernel* make_backward_spatial_transformer(const SampleShape& shape);

}  // namespace weft
