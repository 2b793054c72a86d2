#include "ops/cpu/spatial.hpp"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "ops/cpu/spread.hpp"
#include "ops/cpu/target.hpp"

namespace weft {

namespace baseline { template <class T> const SampleLoops<T>* sample_loops(); }
#if WEFT_HAVE_AVX2_TARGET
namespace avx2 { template <class T> const SampleLoops<T>* sample_loops(); }
#endif

namespace {

template <class T> const SampleLoops<T>& loops() {
#if WEFT_HAVE_AVX2_TARGET
  if (cpu_has_avx2()) return *avx2::sample_loops<T>();
#endif
  return *baseline::sample_loops<T>();
}

// The place of row or column number i, from -1 to 1; a single one is at -1.
double axis_place(int64_t i, int64_t size) { return size > 1 ? -1 + i * (2.0 / double(size - 1)) : -1.0; }

// x and y of places first, first + 1 ... of a regular grid under an affine transformation.
template <class T> void transform(const SampleShape& s, const T* theta, int64_t first, int64_t n, T* x, T* y) {
  const double step = s.out_width > 1 ? 2.0 / double(s.out_width - 1) : 0.0;
  for (int64_t done = 0, count; done < n; done += count) {
    const int64_t row = (first + done) / s.out_width, column = (first + done) % s.out_width;
    const T along = T(axis_place(row, s.out_height));
    count = std::min(n - done, s.out_width - column);
    for (int64_t i = 0; i < count; ++i) {
      const T across = T(double(int32_t(column + i)) * step - 1);
      x[done + i] = theta[0] * across + theta[1] * along + theta[2];
      y[done + i] = theta[3] * across + theta[4] * along + theta[5];
    }
  }
}

// The gradient of one sample's transformation, from that of its places.
template <class T> void transform_gradient(const SampleShape& s, const T* d_x, const T* d_y, T* d_theta) {
  double sums[6] = {};
  for (int64_t row = 0; row < s.out_height; ++row) {
    const double along = axis_place(row, s.out_height);
    double across_x = 0, across_y = 0, x = 0, y = 0;
    for (int64_t column = 0; column < s.out_width; ++column, ++d_x, ++d_y) {
      const double across = axis_place(column, s.out_width);
      across_x += across * double(*d_x);
      across_y += across * double(*d_y);
      x += double(*d_x);
      y += double(*d_y);
    }
    const double row_sums[6] = {across_x, along * x, x, across_y, along * y, y};
    for (int k = 0; k < 6; ++k) sums[k] += row_sums[k];
  }
  for (int k = 0; k < 6; ++k) d_theta[k] = T(sums[k]);
}

// --- where places come from ---------------------------------------------------------------------------------

template <class T> struct GivenPlaces {
  const SampleShape& shape;
  const T* grid;

  void get(int64_t sample, int64_t first, int64_t, T*, T*, const T** x, const T** y) const {
    *x = grid + 2 * sample * shape.places() + first;
    *y = *x + shape.places();
  }
  static constexpr bool kTransformed = false;
};

template <class T> struct TransformedPlaces {
  const SampleShape& shape;
  const T* theta;

  void get(int64_t sample, int64_t first, int64_t n, T* x_room, T* y_room, const T** x, const T** y) const {
    transform(shape, theta + 6 * sample, first, n, x_room, y_room);
    *x = x_room;
    *y = y_room;
  }
  static constexpr bool kTransformed = true;
};

// Calls body(sample, first place, count, x, y) for the blocks [begin, end) of places, counted through all samples.
template <class T, class Places, class Body>
void each_block(const SampleShape& s, const Places& places, int64_t begin, int64_t end, const Body& body) {
  const int64_t blocks = (s.places() + kSampleBlock - 1) / kSampleBlock;
  T x_room[kSampleBlock], y_room[kSampleBlock];
  for (int64_t block = begin; block < end; ++block) {
    const int64_t sample = block / blocks, first = block % blocks * kSampleBlock;
    const int64_t n = std::min(kSampleBlock, s.places() - first);
    const T *x, *y;
    places.get(sample, first, n, x_room, y_room, &x, &y);
    body(sample, first, n, x, y);
  }
}

int64_t all_blocks(const SampleShape& s) { return s.batch * ((s.places() + kSampleBlock - 1) / kSampleBlock); }
double block_ns(const SampleShape& s) { return double(std::min(kSampleBlock, s.places())) * (4.0 + 2.0 * double(s.channels)); }

template <class T, template <class> class Places> int run_sample(Kernel* self, const RunArgs* args) {
  const SampleShape& s = spec_of<SampleShape>(self);
  const Places<T> places{s, input_of<T>(args, 1)};
  const T* data = input_of<T>(args, 0);
  T* out = output_of<T>(args, 0);
  spread(all_blocks(s), block_ns(s), [&](int64_t begin, int64_t end) {
    each_block<T>(s, places, begin, end, [&](int64_t sample, int64_t first, int64_t n, const T* x, const T* y) {
      loops<T>().sample(&s, data + sample * s.channels * s.plane(), x, y, n,
                        out + sample * s.channels * s.places() + first, s.places());
    });
  });
  return 0;
}

template <class T, class Places>
void data_gradient(const SampleShape& s, const Places& places, const T* grad, T* d_data) {
  // Cores take whole planes, so that no two add to the same pixel and sums are made in one order.
  const int64_t blocks = (s.places() + kSampleBlock - 1) / kSampleBlock;
  spread(s.batch * s.channels, 4.0 * double(s.places()) + 0.3 * double(s.plane()), [&](int64_t begin, int64_t end) {
    std::fill(d_data + begin * s.plane(), d_data + end * s.plane(), T(0));
    for (int64_t at = begin, count; at < end; at += count) {
      const int64_t sample = at / s.channels;
      count = std::min(end, (sample + 1) * s.channels) - at;
      each_block<T>(s, places, sample * blocks, (sample + 1) * blocks,
                    [&](int64_t, int64_t first, int64_t n, const T* x, const T* y) {
                      loops<T>().image_gradient(&s, d_data + at * s.plane(), count, x, y, n,
                                                grad + at * s.places() + first, s.places());
                    });
    }
  });
}

template <class T, class Places>
void grid_gradient(const SampleShape& s, const Places& places, const T* grad, const T* data, T* d_grid) {
  spread(all_blocks(s), 1.5 * block_ns(s), [&](int64_t begin, int64_t end) {
    each_block<T>(s, places, begin, end, [&](int64_t sample, int64_t first, int64_t n, const T* x, const T* y) {
      T* d_x = d_grid + 2 * sample * s.places() + first;
      loops<T>().place_gradients(&s, data + sample * s.channels * s.plane(), x, y, n,
                                 grad + sample * s.channels * s.places() + first, s.places(), d_x, d_x + s.places());
    });
  });
}

template <class T> void theta_gradient(const SampleShape& s, const T* d_grid, T* d_theta) {
  spread(s.batch, 4.0 * double(s.places()), [&](int64_t begin, int64_t end) {
    for (int64_t sample = begin; sample < end; ++sample) {
      const T* d_x = d_grid + 2 * sample * s.places();
      transform_gradient(s, d_x, d_x + s.places(), d_theta + 6 * sample);
    }
  });
}

template <class T, template <class> class Places> int run_sample_backward(Kernel* self, const RunArgs* args) {
  const SampleShape& s = spec_of<SampleShape>(self);
  const T *grad = input_of<T>(args, 0), *data = input_of<T>(args, 1);
  const Places<T> places{s, input_of<T>(args, 2)};
  if (s.wants_data) data_gradient(s, places, grad, output_of<T>(args, 0));
  if (!s.wants_places) return 0;
  T* d_places = output_of<T>(args, s.wants_data ? 1 : 0);
  if (!Places<T>::kTransformed) {
    grid_gradient(s, places, grad, data, d_places);
    return 0;
  }
  std::vector<T> d_grid(size_t(2 * s.batch * s.places()));
  grid_gradient(s, places, grad, data, d_grid.data());
  theta_gradient(s, d_grid.data(), d_places);
  return 0;
}

// --- grids ----------------------------------------------------------------------------------------------------

template <class T> int run_affine_grid(Kernel* self, const RunArgs* args) {
  const SampleShape& s = spec_of<SampleShape>(self);
  const T* theta = input_of<T>(args, 0);
  T* grid = output_of<T>(args, 0);
  spread(s.batch * s.out_height, 3.0 * double(s.out_width), [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; ++at) {
      const int64_t sample = at / s.out_height, first = at % s.out_height * s.out_width;
      T* x = grid + 2 * sample * s.places() + first;
      transform(s, theta + 6 * sample, first, s.out_width, x, x + s.places());
    }
  });
  return 0;
}

template <class T> int run_backward_affine_grid(Kernel* self, const RunArgs* args) {
  theta_gradient(spec_of<SampleShape>(self), input_of<T>(args, 0), output_of<T>(args, 0));
  return 0;
}

// Calls body(in, out, count, factor from pixels to places, whether along y, row) for every row of displacements.
template <class T, class Body> void each_warp_row(Kernel* self, const RunArgs* args, const Body& body) {
  const SampleShape& s = spec_of<SampleShape>(self);
  const T across = T(2.0 / double(std::max<int64_t>(s.out_width - 1, 1)));
  const T along = T(2.0 / double(std::max<int64_t>(s.out_height - 1, 1)));
  spread(s.batch * 2 * s.out_height, 0.5 * double(s.out_width), [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; ++at) {
      const bool vertical = at / s.out_height % 2;
      body(input_of<T>(args, 0) + at * s.out_width, output_of<T>(args, 0) + at * s.out_width, s.out_width,
           vertical ? along : across, vertical, T(at % s.out_height));
    }
  });
}

template <class T> int run_warp_grid(Kernel* self, const RunArgs* args) {
  each_warp_row<T>(self, args, [](const T* in, T* out, int64_t n, T factor, bool vertical, T row) {
    for (int64_t i = 0; i < n; ++i) out[i] = (in[i] + (vertical ? row : T(i))) * factor - T(1);
  });
  return 0;
}

template <class T> int run_backward_warp_grid(Kernel* self, const RunArgs* args) {
  each_warp_row<T>(self, args, [](const T* in, T* out, int64_t n, T factor, bool, T) {
    for (int64_t i = 0; i < n; ++i) out[i] = in[i] * factor;
  });
  return 0;
}

double grid_cost(const SampleShape& s) { return 200 + 4.0 * double(s.batch * s.places()); }
double sample_cost(const SampleShape& s) { return 300 + double(all_blocks(s)) * block_ns(s); }

}  // namespace

Kernel* make_affine_grid(const SampleShape& shape) {
  return choose_kernel(shape.type, run_affine_grid<float>, run_affine_grid<double>, grid_cost(shape), shape);
}

Kernel* make_backward_affine_grid(const SampleShape& shape) {
  return choose_kernel(shape.type, run_backward_affine_grid<float>, run_backward_affine_grid<double>, grid_cost(shape), shape);
}

Kernel* make_warp_grid(const SampleShape& shape) {
  return choose_kernel(shape.type, run_warp_grid<float>, run_warp_grid<double>, grid_cost(shape), shape);
}

Kernel* make_backward_warp_grid(const SampleShape& shape) {
  return choose_kernel(shape.type, run_backward_warp_grid<float>, run_backward_warp_grid<double>, grid_cost(shape), shape);
}

Kernel* make_bilinear_sampler(const SampleShape& shape) {
  return choose_kernel(shape.type, run_sample<float, GivenPlaces>, run_sample<double, GivenPlaces>, sample_cost(shape), shape);
}

Kernel* make_backward_bilinear_sampler(const SampleShape& shape) {
  return choose_kernel(shape.type, run_sample_backward<float, GivenPlaces>, run_sample_backward<double, GivenPlaces>,
                       3 * sample_cost(shape), shape);
}

Kernel* make_spatial_transformer(const SampleShape& shape) {
  return choose_kernel(shape.type, run_sample<float, TransformedPlaces>, run_sample<double, TransformedPlaces>,
                       sample_cost(shape), shape);
}

Kernel* make_backward_spatial_transformer(const SampleShape& shape) {
  return choose_kernel(shape.type, run_sample_backward<float, TransformedPlaces>,
                       run_sample_backward<double, TransformedPlaces>, 3 * sample_cost(shape), shape);
}

}  // namespace weft
