#include "ops/cpu/deformable.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <vector>

#include "ops/cpu/onednn_program.hpp"
#include "ops/cpu/spread.hpp"

namespace weft {
namespace {

constexpr int64_t kStrip = 256;   // places that are gathered and multiplied at a time
constexpr int64_t kDepth = 64;    // rows of the weights' gradient (transposed) that a core takes at a time
constexpr double kSampleNs = 3, kFlopsPerNs = 30;

// --- products -----------------------------------------------------------------------------------------------------------

// c (+)= op(a) op(b) of m x k and k x n, on this core.
template <class T> struct Product {
  bool transpose_a, transpose_b;
  int64_t m, n, k;
  const T* a;
  int64_t lda;
  const T* b;
  int64_t ldb;
  bool add;
  T* c;
  int64_t ldc;
};

bool by_library(const Product<float>& p) {
  dnnl::OneThread one;
  return dnnl::api()->sgemm(p.transpose_a ? 'T' : 'N', p.transpose_b ? 'T' : 'N', p.m, p.n, p.k, 1.0f, p.a, p.lda, p.b, p.ldb,
                            p.add ? 1.0f : 0.0f, p.c, p.ldc) == dnnl::kSuccess;
}
bool by_library(const Product<double>&) { return false; }

template <class T> T inner_product(const T* a, int64_t step, const T* b, int64_t k) {
  constexpr int64_t kLanes = 8;
  T sums[kLanes] = {}, total = 0;
  int64_t q = 0;
  for (; q + kLanes <= k; q += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) sums[lane] += a[(q + lane) * step] * b[q + lane];
  for (; q < k; ++q) total += a[q * step] * b[q];
  for (T sum : sums) total += sum;
  return total;
}

template <class T> bool multiply(bool library, const Product<T>& p) {
  if (library && sizeof(T) == sizeof(float)) return by_library(p);
  for (int64_t i = 0; i < p.m; ++i) {
    const T* a = p.transpose_a ? p.a + i : p.a + i * p.lda;
    const int64_t step = p.transpose_a ? p.lda : 1;
    T* c = p.c + i * p.ldc;
    if (!p.add) std::fill_n(c, p.n, T(0));
    if (p.transpose_b) {
      for (int64_t j = 0; j < p.n; ++j) c[j] += inner_product(a, step, p.b + j * p.ldb, p.k);
      continue;
    }
    for (int64_t q = 0; q < p.k; ++q) {
      const T value = a[q * step];
      const T* b = p.b + q * p.ldb;
      for (int64_t j = 0; j < p.n; ++j) c[j] += value * b[j];
    }
  }
  return true;
}

// --- samples ------------------------------------------------------------------------------------------------------------

// Where an element of a window reads: pixels first, first + 1, first + width, first + width + 1.
enum : int32_t { kAll = 15, kFreeY = 16, kFreeX = 32 };  // bit i: pixel i lies in the image; the sample changes with y, x
template <class T> struct Tap {
  int32_t first, flags;
  T share[4];
  T y, x;  // behind the first pixel, in [0, 1]
};

template <class T> Tap<T> tap_at(const DeformableShape& s, double y, double x) {
  Tap<T> tap{};
  const double height = double(s.height), width = double(s.width);
  // The first version reads nothing before the edge, and holds the last row and column behind it.
  // No number compares as inside.
  if (s.modulated ? !(y > -1 && x > -1) : !(y >= 0 && x >= 0)) return tap;
  if (!(y < height && x < width)) return tap;
  if (s.modulated || y < height - 1) tap.flags |= kFreeY;
  if (s.modulated || x < width - 1) tap.flags |= kFreeX;
  if (!s.modulated) y = std::min(y, height - 1), x = std::min(x, width - 1);
  const int64_t top = int64_t(std::floor(y)), left = int64_t(std::floor(x));
  const double in_y = y - double(top), in_x = x - double(left);
  tap.first = int32_t(top * s.width + left);
  tap.y = T(in_y), tap.x = T(in_x);
  for (int64_t i = 0; i < 4; ++i) {
    const int64_t row = top + i / 2, column = left + i % 2;
    if (row < 0 || row >= s.height || column < 0 || column >= s.width) continue;
    tap.flags |= 1 << i;
    tap.share[i] = T((i / 2 ? in_y : 1 - in_y) * (i % 2 ? in_x : 1 - in_x));
  }
  return tap;
}

// Taps of one element of the window at places [begin, end).
template <class T>
void find_taps(const DeformableShape& s, const T* moves, int64_t element, int64_t begin, int64_t end, Tap<T>* taps) {
  const int64_t inner_y = element / s.kernel[1] * s.dilate[0] - s.pad[0], inner_x = element % s.kernel[1] * s.dilate[1] - s.pad[1];
  for (int64_t at = begin; at < end; ++at)
    *taps++ = tap_at<T>(s, double(at / s.columns * s.stride[0] + inner_y) + double(moves[at]),
                        double(at % s.columns * s.stride[1] + inner_x) + double(moves[s.places() + at]));
}

// Calls body(value of pixel i, i) for the pixels of a tap that lie in the image.
template <class T, class Plane, class Body>
inline void each_pixel(const Tap<T>& tap, Plane* plane, int64_t width, const Body& body) {
  if ((tap.flags & kAll) == kAll) {
    Plane* first = plane + tap.first;
    body(first[0], 0), body(first[1], 1), body(first[width], 2), body(first[width + 1], 3);
    return;
  }
  for (int i = 0; i < 4; ++i)
    if (tap.flags >> i & 1) body(plane[tap.first + i / 2 * width + i % 2], i);
}

template <class T> inline T sample(const Tap<T>& tap, const T* plane, int64_t width) {
  T value = 0;
  each_pixel(tap, plane, width, [&](T pixel, int i) { value += pixel * tap.share[i]; });
  return value;
}

// The operands of one image.
template <class T> struct Image {
  const DeformableShape& s;
  const T *data, *offset, *mask;

  Image(const DeformableShape& shape, const RunArgs* args, int first, int64_t number)
      : s(shape),
        data(input_of<T>(args, first) + number * s.channels * s.pixels()),
        offset(input_of<T>(args, first + 1) + number * s.offset_groups * s.window() * 2 * s.places()),
        mask(s.modulated ? input_of<T>(args, first + 2) + number * s.offset_groups * s.window() * s.places() : nullptr) {}

  int64_t shared() const { return s.channels / s.offset_groups; }  // channels with the same offsets
  const T* moves(int64_t group, int64_t element) const { return offset + (group * s.window() + element) * 2 * s.places(); }
  const T* factors(int64_t group, int64_t element) const {
    return mask ? mask + (group * s.window() + element) * s.places() : nullptr;
  }
};

// Samples of the channels of a group of offsets at the places of the taps; rows of the matrix lie `step` values apart.
template <class T>
void gather(const Image<T>& image, int64_t group, int64_t element, const Tap<T>* taps, int64_t begin, int64_t end, T* columns,
            int64_t step) {
  const DeformableShape& s = image.s;
  const T* factors = image.factors(group, element);
  for (int64_t c = group * image.shared(); c < (group + 1) * image.shared(); ++c) {
    const T* plane = image.data + c * s.pixels();
    T* row = columns + (c * s.window() + element) * step;
    for (int64_t at = 0; at < end - begin; ++at) row[at] = sample(taps[at], plane, s.width);
    if (factors)
      for (int64_t at = 0; at < end - begin; ++at) row[at] *= factors[begin + at];
  }
}

int failed(const RunArgs* args) {
  std::snprintf(args->error, kErrorBytes, "oneDNN could not run a matrix product (out of memory?)");
  return 1;
}

template <class T> int run_deformable(Kernel* self, const RunArgs* args) {
  const DeformableShape& s = spec_of<DeformableShape>(self);
  const T* weight = input_of<T>(args, s.modulated ? 3 : 2);
  const T* bias = s.bias ? input_of<T>(args, s.modulated ? 4 : 3) : nullptr;
  const int64_t strips = (s.places() + kStrip - 1) / kStrip, filters = s.filters / s.groups;
  const double ns = double(kStrip * s.channels * s.window()) * (kSampleNs + double(filters) / kFlopsPerNs);
  std::atomic<bool> good{true};
  spread(s.batch * strips, ns, [&](int64_t first, int64_t last) {
    std::vector<T> columns(size_t(s.channels * s.window() * kStrip));
    std::vector<Tap<T>> taps(static_cast<size_t>(kStrip));
    for (int64_t unit = first; unit < last; ++unit) {
      const Image<T> image(s, args, 0, unit / strips);
      const int64_t begin = unit % strips * kStrip, end = std::min(begin + kStrip, s.places());
      for (int64_t group = 0; group < s.offset_groups; ++group)
        for (int64_t element = 0; element < s.window(); ++element) {
          find_taps(s, image.moves(group, element), element, begin, end, taps.data());
          gather(image, group, element, taps.data(), begin, end, columns.data(), kStrip);
        }
      T* out = output_of<T>(args, 0) + unit / strips * s.filters * s.places() + begin;
      for (int64_t filter = 0; bias && filter < s.filters; ++filter) std::fill_n(out + filter * s.places(), end - begin, bias[filter]);
      for (int64_t group = 0; group < s.groups; ++group)
        if (!multiply<T>(s.library, {false, false, filters, end - begin, s.depth(), weight + group * filters * s.depth(), s.depth(),
                                     columns.data() + group * s.depth() * kStrip, kStrip, bias != nullptr,
                                     out + group * filters * s.places(), s.places()}))
          good.store(false, std::memory_order_relaxed);
    }
  });
  return good.load(std::memory_order_relaxed) ? 0 : failed(args);
}

// --- gradients ----------------------------------------------------------------------------------------------------------

// What the gradients of one image need in memory.
template <class T> struct Scratch {
  std::vector<T> columns, d_columns;  // (channels, window, places)
  std::vector<Tap<T>> taps;           // (groups of offsets, window, places)

  explicit Scratch(const DeformableShape& s)
      : columns(size_t(s.channels * s.window() * s.places())),
        d_columns(columns.size()),
        taps(size_t(s.offset_groups * s.window() * s.places())) {}
};

// d_offset and d_mask of one element of the window at places [begin, end).
template <class T>
void find_slopes(const Image<T>& image, int64_t group, int64_t element, const Tap<T>* taps, const T* d_columns, int64_t begin,
                 int64_t end, T* d_moves, T* d_factors) {
  const DeformableShape& s = image.s;
  const T* factors = image.factors(group, element);
  T matches[kStrip][4] = {};  // of each pixel with the gradient, over the channels
  for (int64_t c = group * image.shared(); c < (group + 1) * image.shared(); ++c) {
    const T* plane = image.data + c * s.pixels();
    const T* d_row = d_columns + (c * s.window() + element) * s.places() + begin;
    for (int64_t at = 0; at < end - begin; ++at) {
      T* match = matches[at];
      each_pixel(taps[at], plane, s.width, [&](T pixel, int i) { match[i] += pixel * d_row[at]; });
    }
  }
  for (int64_t at = 0; at < end - begin; ++at) {
    const Tap<T>& tap = taps[at];
    const T* match = matches[at];
    const T factor = factors ? factors[begin + at] : T(1);
    const T down = (match[2] - match[0]) * (1 - tap.x) + (match[3] - match[1]) * tap.x;
    const T across = (match[1] - match[0]) * (1 - tap.y) + (match[3] - match[2]) * tap.y;
    d_moves[begin + at] = tap.flags & kFreeY ? down * factor : T(0);
    d_moves[s.places() + begin + at] = tap.flags & kFreeX ? across * factor : T(0);
    if (d_factors)
      d_factors[begin + at] = match[0] * tap.share[0] + match[1] * tap.share[1] + match[2] * tap.share[2] + match[3] * tap.share[3];
  }
}

template <class T> struct Gradients {
  const DeformableShape& s;
  const RunArgs* args;
  Scratch<T> scratch;
  std::atomic<bool> good{true};

  Gradients(const DeformableShape& shape, const RunArgs* run) : s(shape), args(run), scratch(shape) {}

  const T* grad(int64_t number) const { return input_of<T>(args, 0) + number * s.filters * s.places(); }
  void check(bool fine) {
    if (!fine) good.store(false, std::memory_order_relaxed);
  }

  // Samples, their gradients and what follows for the offsets and factors of one image, by strips of places.
  void find_samples(int64_t number) {
    const Image<T> image(s, args, 1, number);
    const T* weight = input_of<T>(args, s.modulated ? 4 : 3);
    T* d_offset = output_of<T>(args, 1) + number * s.offset_groups * s.window() * 2 * s.places();
    T* d_mask = s.modulated ? output_of<T>(args, 2) + number * s.offset_groups * s.window() * s.places() : nullptr;
    const int64_t strips = (s.places() + kStrip - 1) / kStrip, filters = s.filters / s.groups;
    const double ns = double(kStrip * s.channels * s.window()) * (2 * kSampleNs + double(filters) / kFlopsPerNs);
    spread(strips, ns, [&](int64_t first, int64_t last) {
      for (int64_t strip = first; strip < last; ++strip) {
        const int64_t begin = strip * kStrip, end = std::min(begin + kStrip, s.places());
        for (int64_t group = 0; group < s.groups; ++group)
          check(multiply<T>(s.library, {true, false, s.depth(), end - begin, filters, weight + group * filters * s.depth(), s.depth(),
                                        grad(number) + group * filters * s.places() + begin, s.places(), false,
                                        scratch.d_columns.data() + group * s.depth() * s.places() + begin, s.places()}));
        for (int64_t at = 0; at < s.offset_groups * s.window(); ++at) {
          const int64_t group = at / s.window(), element = at % s.window();
          Tap<T>* taps = scratch.taps.data() + at * s.places() + begin;
          find_taps(s, image.moves(group, element), element, begin, end, taps);
          gather(image, group, element, taps, begin, end, scratch.columns.data() + begin, s.places());
          find_slopes(image, group, element, taps, scratch.d_columns.data(), begin, end, d_offset + 2 * at * s.places(),
                      d_mask ? d_mask + at * s.places() : nullptr);
        }
      }
    });
  }

  // By whole planes: no two cores add to one pixel.
  void scatter(int64_t number) {
    const Image<T> image(s, args, 1, number);
    spread(s.channels, 2 * kSampleNs * double(s.window() * s.places()), [&](int64_t first, int64_t last) {
      for (int64_t c = first; c < last; ++c) {
        T* plane = output_of<T>(args, 0) + (number * s.channels + c) * s.pixels();
        std::fill_n(plane, s.pixels(), T(0));
        const int64_t group = c / image.shared();
        for (int64_t element = 0; element < s.window(); ++element) {
          const Tap<T>* taps = scratch.taps.data() + (group * s.window() + element) * s.places();
          const T* d_row = scratch.d_columns.data() + (c * s.window() + element) * s.places();
          const T* factors = image.factors(group, element);
          for (int64_t at = 0; at < s.places(); ++at) {
            const T flow = factors ? d_row[at] * factors[at] : d_row[at];
            each_pixel(taps[at], plane, s.width, [&](T& pixel, int i) { pixel += flow * taps[at].share[i]; });
          }
        }
      }
    });
  }

  // Adds one image's part of the gradient of the weights, by blocks of their columns.
  void correlate(int64_t number) {
    const int64_t filters = s.filters / s.groups, blocks = (s.depth() + kDepth - 1) / kDepth;
    T* d_weight = output_of<T>(args, s.modulated ? 3 : 2);
    spread(s.groups * blocks, double(filters * kDepth * s.places()) / kFlopsPerNs, [&](int64_t first, int64_t last) {
      for (int64_t unit = first; unit < last; ++unit) {
        const int64_t group = unit / blocks, begin = unit % blocks * kDepth, end = std::min(begin + kDepth, s.depth());
        check(multiply<T>(s.library, {false, true, filters, end - begin, s.places(), grad(number) + group * filters * s.places(),
                                      s.places(), scratch.columns.data() + (group * s.depth() + begin) * s.places(), s.places(),
                                      number > 0, d_weight + group * filters * s.depth() + begin, s.depth()}));
      }
    });
  }

  void sum_bias() {
    T* d_bias = output_of<T>(args, s.modulated ? 4 : 3);
    spread(s.filters, double(s.batch * s.places()), [&](int64_t first, int64_t last) {
      for (int64_t filter = first; filter < last; ++filter) {
        double total = 0;
        for (int64_t number = 0; number < s.batch; ++number) {
          const T* row = grad(number) + filter * s.places();
          for (int64_t at = 0; at < s.places(); ++at) total += double(row[at]);
        }
        d_bias[filter] = T(total);
      }
    });
  }
};

template <class T> int run_backward_deformable(Kernel* self, const RunArgs* args) {
  const DeformableShape& s = spec_of<DeformableShape>(self);
  Gradients<T> work(s, args);
  for (int64_t number = 0; number < s.batch; ++number) {
    work.find_samples(number);
    work.scatter(number);
    work.correlate(number);
  }
  if (s.bias) work.sum_bias();
  return work.good.load(std::memory_order_relaxed) ? 0 : failed(args);
}

double cost(const DeformableShape& s) {
  return 1000 + double(s.batch * s.places() * s.channels * s.window()) * (kSampleNs + double(s.filters / s.groups) / kFlopsPerNs);
}

}  // namespace

Kernel* make_deformable(const DeformableShape& s) {
  return choose_kernel(s.type, run_deformable<float>, run_deformable<double>, cost(s), s);
}

Kernel* make_backward_deformable(const DeformableShape& s) {
  return choose_kernel(s.type, run_backward_deformable<float>, run_backward_deformable<double>, 3 * cost(s), s);
}

}  // namespace weft
