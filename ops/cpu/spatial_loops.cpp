// Bilinear reading and its gradients. Compiled once for each instruction set; see target.hpp for what such a source must not use.
#include <cmath>

#include "ops/cpu/spatial.hpp"

namespace weft {
inline namespace WEFT_TARGET {

template <class T> const SampleLoops<T>* sample_loops();

namespace {

template <class T> struct MaskOf;
template <> struct MaskOf<float> { using Type = int32_t; };
template <> struct MaskOf<double> { using Type = int64_t; };

// The four neighbours of places: top left, top right, bottom left, bottom right. What lies outside of the image counts as
// zero, also where the image holds infinities: it is masked, not multiplied by zero.
template <class T> struct Corners {
  using Mask = typename MaskOf<T>::Type;
  int32_t at[4][kSampleBlock];
  Mask inside[4][kSampleBlock];
  T right[kSampleBlock], down[kSampleBlock];  // shares of the neighbours to the right and below
  bool all_inside;

  Corners(const SampleShape& shape, const T* x, const T* y, int64_t n) {
    const T width = T(shape.width), height = T(shape.height);
    const int32_t last_column = int32_t(shape.width) - 1, last_row = int32_t(shape.height) - 1;
    Mask common = -1;
    for (int64_t i = 0; i < n; ++i) {
      T column = (x[i] + T(1)) * (width - T(1)) / T(2), row = (y[i] + T(1)) * (height - T(1)) / T(2);
      const bool near = (column >= T(-1)) & (column < width) & (row >= T(-1)) & (row < height);  // false for NaN
      column = near ? column : T(0);
      row = near ? row : T(0);
      // Shifted by one they are not negative, and cutting off is rounding down.
      const int32_t left = int32_t(column + T(1)) - 1, top = int32_t(row + T(1)) - 1;
      right[i] = column - T(left);
      down[i] = row - T(top);
      const bool has_left = left >= 0, has_right = left < last_column, has_top = top >= 0, has_down = top < last_row;
      const int32_t left_at = has_left ? left : 0, right_at = has_right ? left + 1 : last_column;
      const int32_t top_at = (has_top ? top : 0) * int32_t(shape.width);
      const int32_t down_at = (has_down ? top + 1 : last_row) * int32_t(shape.width);
      at[0][i] = top_at + left_at;
      at[1][i] = top_at + right_at;
      at[2][i] = down_at + left_at;
      at[3][i] = down_at + right_at;
      inside[0][i] = -Mask(near & has_top & has_left);
      inside[1][i] = -Mask(near & has_top & has_right);
      inside[2][i] = -Mask(near & has_down & has_left);
      inside[3][i] = -Mask(near & has_down & has_right);
      common &= inside[0][i] & inside[1][i] & inside[2][i] & inside[3][i];
    }
    all_inside = common != 0;
  }

  template <bool kMasked> T value(const T* plane, int corner, int64_t i) const {
    const T found = plane[at[corner][i]];
    return !kMasked || inside[corner][i] ? found : T(0);
  }
};

template <bool kMasked, class T>
void sample_planes(const SampleShape& shape, const Corners<T>& corners, const T* plane, int64_t n, T* out, int64_t step) {
  for (int64_t channel = 0; channel < shape.channels; ++channel, plane += shape.plane(), out += step)
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) {
      const T right = corners.right[i], left = T(1) - right, down = corners.down[i], up = T(1) - down;
      out[i] = corners.template value<kMasked>(plane, 0, i) * (up * left) +
               corners.template value<kMasked>(plane, 1, i) * (up * right) +
               corners.template value<kMasked>(plane, 2, i) * (down * left) +
               corners.template value<kMasked>(plane, 3, i) * (down * right);
    }
}

template <class T>
void sample(const SampleShape* shape, const T* image, const T* x, const T* y, int64_t n, T* out, int64_t step) {
  const Corners<T> corners(*shape, x, y, n);
  if (corners.all_inside) sample_planes<false>(*shape, corners, image, n, out, step);
  else sample_planes<true>(*shape, corners, image, n, out, step);
}

// Sums over channels of gradient times value, for each corner.
template <bool kMasked, class T>
void match_planes(const SampleShape& shape, const Corners<T>& corners, const T* plane, int64_t n, const T* grad, int64_t step,
                  T (*match)[kSampleBlock]) {
  for (int64_t channel = 0; channel < shape.channels; ++channel, plane += shape.plane(), grad += step)
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i)
      for (int corner = 0; corner < 4; ++corner)
        match[corner][i] += grad[i] * corners.template value<kMasked>(plane, corner, i);
}

template <class T>
void place_gradients(const SampleShape* shape, const T* image, const T* x, const T* y, int64_t n, const T* grad, int64_t step,
                     T* d_x, T* d_y) {
  const Corners<T> corners(*shape, x, y, n);
  T match[4][kSampleBlock] = {};
  if (corners.all_inside) match_planes<false>(*shape, corners, image, n, grad, step, match);
  else match_planes<true>(*shape, corners, image, n, grad, step, match);
  const T across = T(shape->width - 1) / T(2), along = T(shape->height - 1) / T(2);
  for (int64_t i = 0; i < n; ++i) {
    const T right = corners.right[i], left = T(1) - right, down = corners.down[i], up = T(1) - down;
    d_x[i] = ((match[1][i] - match[0][i]) * up + (match[3][i] - match[2][i]) * down) * across;
    d_y[i] = ((match[2][i] - match[0][i]) * left + (match[3][i] - match[1][i]) * right) * along;
  }
}

template <class T>
void image_gradient(const SampleShape* shape, T* plane, int64_t channels, const T* x, const T* y, int64_t n, const T* grad,
                    int64_t step) {
  const Corners<T> corners(*shape, x, y, n);
  T share[4][kSampleBlock];
  for (int64_t i = 0; i < n; ++i) {
    const T right = corners.right[i], left = T(1) - right, down = corners.down[i], up = T(1) - down;
    share[0][i] = up * left;
    share[1][i] = up * right;
    share[2][i] = down * left;
    share[3][i] = down * right;
  }
  for (int64_t channel = 0; channel < channels; ++channel, plane += shape->plane(), grad += step)
    for (int64_t i = 0; i < n; ++i)
      for (int corner = 0; corner < 4; ++corner)
        if (corners.inside[corner][i]) plane[corners.at[corner][i]] += grad[i] * share[corner][i];
}

}  // namespace

template <class T> const SampleLoops<T>* sample_loops() {
  static constexpr SampleLoops<T> table = {sample<T>, place_gradients<T>, image_gradient<T>};
  return &table;
}
template const SampleLoops<float>* sample_loops<float>();
template const SampleLoops<double>* sample_loops<double>();

}  // namespace WEFT_TARGET
}  // namespace weft
