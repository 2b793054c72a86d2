// Inner loops over one plane, compiled once for each instruction set.
#include "ops/cpu/pool_range.hpp"

namespace weft {
inline namespace WEFT_TARGET {

namespace {

constexpr float kLowest = -__builtin_inff();

// What is not a number is passed over, as in MXNet: `total` never becomes one.
inline float larger(float total, float value) { return value > total ? value : total; }

// Vectors by hand where the compiler turns maxima into branches.
#ifdef __AVX__
typedef float Vector __attribute__((vector_size(32)));
typedef int32_t Lanes __attribute__((vector_size(32)));
constexpr Lanes kEven = {0, 2, 4, 6, 8, 10, 12, 14};
#else
typedef float Vector __attribute__((vector_size(16)));
typedef int32_t Lanes __attribute__((vector_size(16)));
constexpr Lanes kEven = {0, 2, 4, 6};
#endif
constexpr int64_t kVector = sizeof(Vector) / sizeof(float);

inline Vector load(const float* at) {
  Vector value;
  __builtin_memcpy(&value, at, sizeof(value));
  return value;
}

inline void store(float* at, Vector value) { __builtin_memcpy(at, &value, sizeof(value)); }

template <int kStep>
inline Vector load_every(const float* at) {  // reads kStep vectors
  return kStep == 1 ? load(at) : __builtin_shuffle(load(at), load(at + kVector), kEven);
}

template <bool kMaximum>
inline Vector combine(Vector total, Vector value) {
  return kMaximum ? (value > total ? value : total) : total + value;
}

template <bool kMaximum>
void combine_row(const float* in, int64_t n, float* total) {
  int64_t i = 0;
  for (; i + kVector <= n; i += kVector) store(total + i, combine<kMaximum>(load(total + i), load(in + i)));
  for (; i < n; ++i) total[i] = kMaximum ? larger(total[i], in[i]) : total[i] + in[i];
}

void combine_rows(bool maximum, const float* in, int64_t n, float* total) {
  if (maximum)
    combine_row<true>(in, n, total);
  else
    combine_row<false>(in, n, total);
}

// One row that stands for all rows of a row of windows; `scratch` if there are several.
const float* gather_rows(const PoolWindow* w, const float* in, Range depth, Range rows,
                         float* scratch) {
  int64_t width = w->in[2];
  bool maximum = w->kind == PoolKind::kMax;
  const float* first = in + (depth.begin * w->in[1] + rows.begin) * width;
  if (depth.size() == 1 && rows.size() == 1) return first;
  if (depth.size() == 0 || rows.size() == 0) {
    for (int64_t i = 0; i < width; ++i) scratch[i] = maximum ? kLowest : 0.0f;
    return scratch;
  }
  for (int64_t i = 0; i < width; ++i) scratch[i] = maximum ? larger(kLowest, first[i]) : first[i];
  for (int64_t z = depth.begin; z < depth.end; ++z)
    for (int64_t y = rows.begin; y < rows.end; ++y)
      if (z != depth.begin || y != rows.begin)
        combine_rows(maximum, in + (z * w->in[1] + y) * width, width, scratch);
  return scratch;
}

inline float pool_one(const PoolWindow* w, const float* row, int64_t index) {
  Range range = inside(w, 2, index);
  float total = w->kind == PoolKind::kMax ? kLowest : 0.0f;
  for (int64_t x = range.begin; x < range.end; ++x)
    total = w->kind == PoolKind::kMax ? larger(total, row[x]) : total + row[x];
  return total;
}

// Windows [begin, end) of one row, none of which reaches into padding.
template <bool kMaximum>
void pool_row(const PoolWindow* w, const float* row, int64_t begin, int64_t end, float* out) {
  for (int64_t i = begin; i < end; ++i) {
    const float* at = row + i * w->stride[2] - w->pad[2];
    float total = kMaximum ? larger(kLowest, at[0]) : at[0];
    for (int64_t x = 1; x < w->kernel[2]; ++x)
      total = kMaximum ? larger(total, at[x]) : total + at[x];
    out[i] = total;
  }
}

// As pool_row for strides 1 and 2. A vector of windows may read one element behind its last window,
// so one window is left to follow it.
template <bool kMaximum, int kStep>
void pool_row_vectors(const PoolWindow* w, const float* row, int64_t begin, int64_t end, float* out) {
  for (; begin + kVector < end; begin += kVector) {
    const float* at = row + begin * kStep - w->pad[2];
    Vector total = load_every<kStep>(at);
    if (kMaximum) total = combine<true>(Vector{} + kLowest, total);
    for (int64_t x = 1; x < w->kernel[2]; ++x)
      total = combine<kMaximum>(total, load_every<kStep>(at + x));
    store(out + begin, total);
  }
  pool_row<kMaximum>(w, row, begin, end, out);
}

template <bool kMaximum>
void pool_inner_row(const PoolWindow* w, const float* row, int64_t begin, int64_t end, float* out) {
  if (w->stride[2] == 1)
    pool_row_vectors<kMaximum, 1>(w, row, begin, end, out);
  else if (w->stride[2] == 2)
    pool_row_vectors<kMaximum, 2>(w, row, begin, end, out);
  else
    pool_row<kMaximum>(w, row, begin, end, out);
}

// The windows of a row that lie wholly inside the data.
inline Range inner_windows(const PoolWindow* w) {
  int64_t begin = (w->pad[2] + w->stride[2] - 1) / w->stride[2];
  int64_t room = w->in[2] + w->pad[2] - w->kernel[2];
  int64_t end = room < 0 ? 0 : room / w->stride[2] + 1;
  if (end > w->out[2]) end = w->out[2];
  return {begin < end ? begin : end, end};
}

void divide_row(const PoolWindow* w, int64_t others, float* out) {
  for (int64_t x = 0; x < w->out[2]; ++x) out[x] /= float(others * counted(w, 2, x));
}

void pool(const PoolWindow* w, const float* in, float* out, float* scratch) {
  Range inner = inner_windows(w);
  for (int64_t z = 0; z < w->out[0]; ++z)
    for (int64_t y = 0; y < w->out[1]; ++y, out += w->out[2]) {
      const float* row = gather_rows(w, in, inside(w, 0, z), inside(w, 1, y), scratch);
      for (int64_t x = 0; x < inner.begin; ++x) out[x] = pool_one(w, row, x);
      if (w->kind == PoolKind::kMax)
        pool_inner_row<true>(w, row, inner.begin, inner.end, out);
      else
        pool_inner_row<false>(w, row, inner.begin, inner.end, out);
      for (int64_t x = inner.end; x < w->out[2]; ++x) out[x] = pool_one(w, row, x);
      if (w->kind == PoolKind::kAverage) divide_row(w, counted(w, 0, z) * counted(w, 1, y), out);
    }
}

// The first element of a window that attains its maximum takes the gradient.
void give_to_first(const PoolWindow* w, float grad, const float* in, float maximum, Range depth,
                   Range rows, Range columns, float* d_in) {
  for (int64_t z = depth.begin; z < depth.end; ++z)
    for (int64_t y = rows.begin; y < rows.end; ++y) {
      int64_t row = (z * w->in[1] + y) * w->in[2];
      for (int64_t x = columns.begin; x < columns.end; ++x)
        if (in[row + x] == maximum) {
          d_in[row + x] += grad;
          return;
        }
    }
}

// Windows of 2 x 2, side by side, one row of them. Selections instead of branches: what one element
// takes of the gradient the later ones do not get.
void max_backward_row_2x2(const float* __restrict grad, const float* __restrict out,
                          const float* __restrict top, const float* __restrict bottom, int64_t n,
                          float* __restrict d_top, float* __restrict d_bottom) {
  for (int64_t x = 0; x < n; ++x) {
    float m = out[x], left = grad[x];
    float a = top[2 * x] == m ? left : 0.0f;
    left = top[2 * x] == m ? 0.0f : left;
    float b = top[2 * x + 1] == m ? left : 0.0f;
    left = top[2 * x + 1] == m ? 0.0f : left;
    float c = bottom[2 * x] == m ? left : 0.0f;
    left = bottom[2 * x] == m ? 0.0f : left;
    d_top[2 * x] = a;
    d_top[2 * x + 1] = b;
    d_bottom[2 * x] = c;
    d_bottom[2 * x + 1] = bottom[2 * x + 1] == m ? left : 0.0f;
  }
}

void max_backward_2x2(const PoolWindow* w, const float* grad, const float* in, const float* out,
                      float* d_in) {
  int64_t width = w->in[2], columns = w->out[2];
  for (int64_t y = 0; y < w->out[1]; ++y, grad += columns, out += columns) {
    const float* top = in + 2 * y * width;
    float* d_top = d_in + 2 * y * width;
    max_backward_row_2x2(grad, out, top, top + width, columns, d_top, d_top + width);
  }
}

bool side_by_side_2x2(const PoolWindow* w) {
  return w->in[0] == 1 && w->kernel[1] == 2 && w->kernel[2] == 2 && w->stride[1] == 2 &&
         w->stride[2] == 2 && w->in[1] == 2 * w->out[1] && w->in[2] == 2 * w->out[2];
}

// One tap of a row of windows, kStep apart: `left` is what each window has yet to give, `taken` lies
// where the tap's own gradients are collected.
template <int kStep>
void give_tap(const float* at, const float* maximum, int64_t n, float* left, float* taken) {
  int64_t x = 0;
  for (; x + kVector < n; x += kVector) {
    Vector value = load_every<kStep>(at + x * kStep), rest = load(left + x), none = {};
    auto hit = value == load(maximum + x);
    store(taken + x, load(taken + x) + (hit ? rest : none));
    store(left + x, hit ? none : rest);
  }
  for (; x < n; ++x)
    if (at[x * kStep] == maximum[x]) {
      taken[x] += left[x];
      left[x] = 0.0f;
    }
}

void add_interleaved(const float* __restrict even, const float* __restrict odd, int64_t n,
                     float* __restrict total) {
  for (int64_t i = 0; i < n / 2; ++i) {
    total[2 * i] += even[i];
    total[2 * i + 1] += odd[i];
  }
  if (n % 2) total[n - 1] += even[n / 2];
}

// Inner windows [begin, begin + n) of one row, strides 1 and 2. Taps go in order, so the first
// maximum of a window takes all that is left. Scratch: what PoolWindow::scratch() says.
void max_backward_row(const PoolWindow* w, const float* grad, const float* in, const float* maximum,
                      Range depth, Range rows, int64_t begin, int64_t n, float* d_in, float* scratch) {
  int64_t width = w->in[2], half = width / 2 + 1;
  float *left = scratch, *phases = scratch + w->out[2];
  for (int64_t x = 0; x < n; ++x) left[x] = grad[x];
  for (int64_t z = depth.begin; z < depth.end; ++z)
    for (int64_t y = rows.begin; y < rows.end; ++y) {
      int64_t row = (z * w->in[1] + y) * width, first = begin * w->stride[2] - w->pad[2];
      if (w->stride[2] == 1) {
        for (int64_t x = first; x < first + w->kernel[2]; ++x)
          give_tap<1>(in + row + x, maximum, n, left, d_in + row + x);
        continue;
      }
      for (int64_t i = 0; i < 2 * half; ++i) phases[i] = 0.0f;
      for (int64_t x = first; x < first + w->kernel[2]; ++x)
        give_tap<2>(in + row + x, maximum, n, left, phases + x % 2 * half + x / 2);
      add_interleaved(phases, phases + half, width, d_in + row);
    }
}

void max_backward(const PoolWindow* w, const float* grad, const float* in, const float* out,
                  float* d_in, float* scratch) {
  Range inner = w->stride[2] <= 2 ? inner_windows(w) : Range{0, 0};
  int64_t width = w->out[2];
  for (int64_t z = 0; z < w->out[0]; ++z)
    for (int64_t y = 0; y < w->out[1]; ++y, grad += width, out += width) {
      Range depth = inside(w, 0, z), rows = inside(w, 1, y);
      for (int64_t x = 0; x < width; ++x)
        if (x < inner.begin || x >= inner.end)
          give_to_first(w, grad[x], in, out[x], depth, rows, inside(w, 2, x), d_in);
      if (inner.size() > 0)
        max_backward_row(w, grad + inner.begin, in, out + inner.begin, depth, rows, inner.begin,
                         inner.size(), d_in, scratch);
    }
}

// Sums and averages: spread a row of gradients over columns, then over the rows of the windows.
void linear_backward(const PoolWindow* w, const float* grad, float* d_in, float* scratch) {
  int64_t width = w->in[2];
  for (int64_t z = 0; z < w->out[0]; ++z)
    for (int64_t y = 0; y < w->out[1]; ++y, grad += w->out[2]) {
      int64_t others = counted(w, 0, z) * counted(w, 1, y);
      for (int64_t i = 0; i < width; ++i) scratch[i] = 0.0f;
      for (int64_t x = 0; x < w->out[2]; ++x) {
        Range range = inside(w, 2, x);
        float value = w->kind == PoolKind::kAverage ? grad[x] / float(others * counted(w, 2, x)) : grad[x];
        for (int64_t i = range.begin; i < range.end; ++i) scratch[i] += value;
      }
      Range depth = inside(w, 0, z), rows = inside(w, 1, y);
      for (int64_t zi = depth.begin; zi < depth.end; ++zi)
        for (int64_t yi = rows.begin; yi < rows.end; ++yi)
          combine_rows(false, scratch, width, d_in + (zi * w->in[1] + yi) * width);
    }
}

void pool_backward(const PoolWindow* w, const float* grad, const float* in, const float* out,
                   float* d_in, float* scratch) {
  if (w->kind == PoolKind::kMax && side_by_side_2x2(w)) {
    max_backward_2x2(w, grad, in, out, d_in);
    return;
  }
  int64_t plane = w->in_plane();
  for (int64_t i = 0; i < plane; ++i) d_in[i] = 0.0f;
  if (w->kind == PoolKind::kMax)
    max_backward(w, grad, in, out, d_in, scratch);
  else
    linear_backward(w, grad, d_in, scratch);
}

// Sums run in lanes, so that the compiler may use vector registers, and blocks, so that single
// precision does not lose digits on long planes.
constexpr int kLanes = 16;
constexpr int64_t kBlock = 4096;

template <class Term>
inline double lane_sum(int64_t n, Term term) {
  double total = 0;
  int64_t i = 0;
  while (i + kLanes <= n) {
    float lanes[kLanes] = {};
    int64_t stop = i + kBlock < n ? i + kBlock : n;
    for (; i + kLanes <= stop; i += kLanes)
      for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += term(i + lane);
    for (int lane = 0; lane < kLanes; ++lane) total += double(lanes[lane]);
  }
  for (; i < n; ++i) total += double(term(i));
  return total;
}

double sum(const float* in, int64_t n) {
  return lane_sum(n, [in](int64_t i) { return in[i]; });
}

double square_sum(const float* in, int64_t n, float mean) {
  return lane_sum(n, [in, mean](int64_t i) { return (in[i] - mean) * (in[i] - mean); });
}

double product_sum(const float* in, const float* grad, int64_t n, float mean) {
  return lane_sum(n, [in, grad, mean](int64_t i) { return (in[i] - mean) * grad[i]; });
}

void scale(const float* in, int64_t n, float scale, float shift, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = in[i] * scale + shift;
}

void blend(const float* a, const float* in, int64_t n, float scale, float factor, float shift,
           float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = a[i] * scale + (in[i] * factor + shift);
}

// out = norm^-beta, and for the usual beta without a power.
void inverse_power(const float* norm, int64_t n, float beta, float* out) {
  if (beta == 0.75f)
    for (int64_t i = 0; i < n; ++i) {
      float root = __builtin_sqrtf(norm[i]);
      out[i] = 1.0f / (root * __builtin_sqrtf(root));
    }
  else
    for (int64_t i = 0; i < n; ++i) out[i] = __builtin_powf(norm[i], -beta);
}

inline Range neighbours(const ChannelWindow* w, int64_t channel) {
  int64_t begin = channel - w->half, end = channel + w->half + 1;
  return {begin < 0 ? 0 : begin, end > w->channels ? w->channels : end};
}

void respond(const ChannelWindow* w, const float* in, int64_t begin, int64_t end, float* out,
             float* norm) {
  int64_t n = end - begin;
  for (int64_t c = 0; c < w->channels; ++c) {
    int64_t at = c * w->plane + begin;
    Range range = neighbours(w, c);
    for (int64_t i = 0; i < n; ++i) norm[at + i] = 0.0f;
    for (int64_t k = range.begin; k < range.end; ++k) {
      const float* from = in + k * w->plane + begin;
      for (int64_t i = 0; i < n; ++i) norm[at + i] += from[i] * from[i];
    }
    for (int64_t i = 0; i < n; ++i) norm[at + i] = w->knorm + w->scale * norm[at + i];
    inverse_power(norm + at, n, w->beta, out + at);
    for (int64_t i = 0; i < n; ++i) out[at + i] *= in[at + i];
  }
}

// d = grad norm^-beta - 2 scale beta data * (sum over neighbours of grad data norm^(-beta-1))
void respond_backward(const ChannelWindow* w, const float* grad, const float* in, const float* norm,
                      int64_t begin, int64_t end, float* d_in, float* scratch) {
  int64_t n = end - begin;
  float* total = scratch + w->channels * n;
  for (int64_t c = 0; c < w->channels; ++c) {
    int64_t at = c * w->plane + begin;
    float* inner = scratch + c * n;
    inverse_power(norm + at, n, w->beta, d_in + at);
    for (int64_t i = 0; i < n; ++i) d_in[at + i] *= grad[at + i];
    for (int64_t i = 0; i < n; ++i) inner[i] = d_in[at + i] * in[at + i] / norm[at + i];
  }
  float factor = 2.0f * w->scale * w->beta;
  for (int64_t c = 0; c < w->channels; ++c) {
    int64_t at = c * w->plane + begin;
    Range range = neighbours(w, c);
    for (int64_t i = 0; i < n; ++i) total[i] = 0.0f;
    for (int64_t k = range.begin; k < range.end; ++k)
      for (int64_t i = 0; i < n; ++i) total[i] += scratch[k * n + i];
    for (int64_t i = 0; i < n; ++i) d_in[at + i] -= factor * in[at + i] * total[i];
  }
}

const PlaneLoops kLoops = {pool,  pool_backward, sum,     square_sum,      product_sum,
                           scale, blend,         respond, respond_backward};

}  // namespace

const PlaneLoops* plane_loops() { return &kLoops; }

}  // namespace WEFT_TARGET
}  // namespace weft
