#include "ops/cpu/separable.hpp"

#include <algorithm>

#include "ops/cpu/spread.hpp"

namespace weft {
namespace {

// Whether a line is the same mix as the one before it.
bool repeats(const LineMixes& mixes, int64_t line) {
  const int64_t begin = mixes.begin[size_t(line)], end = mixes.begin[size_t(line) + 1];
  if (line == 0 || mixes.first[size_t(line)] != mixes.first[size_t(line) - 1]) return false;
  const auto weights = mixes.weights.begin();
  return std::equal(weights + mixes.begin[size_t(line) - 1], weights + begin, weights + begin, weights + end);
}

template <class T> void mix_columns(const LineMixes& mixes, const T* weights, const T* line, T* out) {
  const size_t width = mixes.first.size();
  const int64_t *first = mixes.first.data(), *begin = mixes.begin.data();
  if (begin[width] == int64_t(width) && std::adjacent_find(begin, begin + width + 1) == begin + width + 1) {
    for (size_t x = 0; x < width; ++x) out[x] = weights[x] * line[first[x]];
    return;
  }
  for (size_t x = 0; x < width; ++x) {
    const T* values = line + first[x];
    T sum = T(0);
    for (int64_t k = begin[x]; k < begin[x + 1]; ++k) sum += weights[k] * *values++;
    out[x] = sum;
  }
}

template <class T> int run_separable(Kernel* self, const RunArgs* args) {
  const SeparableShape& s = spec_of<SeparableShape>(self);
  const int64_t height = int64_t(s.rows.first.size()), width = int64_t(s.columns.first.size());
  const std::vector<T> row_weights(s.rows.weights.begin(), s.rows.weights.end());
  const std::vector<T> column_weights(s.columns.weights.begin(), s.columns.weights.end());
  const double ns_each = double(s.width) * double(row_weights.size()) / double(height) + double(width + int64_t(column_weights.size()));
  // A piece is some rows of the results of all planes, so that few large images are spread too.
  spread(s.planes * height, ns_each, [&](int64_t begin, int64_t end) {
    std::vector<T> line(size_t(s.width));
    for (int64_t at = begin; at < end; ++at) {
      const int64_t plane = at / height, row = at % height;
      T* out = output_of<T>(args, 0) + at * width;
      if (at > begin && repeats(s.rows, row)) {
        std::copy_n(out - width, width, out);
        continue;
      }
      std::fill(line.begin(), line.end(), T(0));
      const T* source = input_of<T>(args, 0) + (plane * s.height + s.rows.first[size_t(row)]) * s.width;
      for (int64_t k = s.rows.begin[size_t(row)]; k < s.rows.begin[size_t(row) + 1]; ++k, source += s.width) {
        const T weight = row_weights[size_t(k)];
        for (int64_t x = 0; x < s.width; ++x) line[size_t(x)] += weight * source[x];
      }
      mix_columns(s.columns, column_weights.data(), line.data(), out);
    }
  });
  return 0;
}

}  // namespace

Kernel* make_separable(const SeparableShape& s) {
  const double rows = double(s.planes) * double(s.rows.weights.size()) * double(s.width);
  const double columns = double(s.planes) * double(s.rows.first.size()) * double(s.columns.weights.size());
  return choose_kernel(s.type, run_separable<float>, run_separable<double>, 200 + 0.5 * rows + columns, s);
}

}  // namespace weft
