#include "ops/cpu/regions.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/cpu/spread.hpp"

namespace weft {
namespace {

// --- boxes ------------------------------------------------------------------------------------------------------------

template <class T> struct Box {
  T left, top, right, bottom;

  static Box read(const T* at, bool centers) {
    if (!centers) return {at[0], at[1], at[2], at[3]};
    return {at[0] - at[2] / 2, at[1] - at[3] / 2, at[0] + at[2] / 2, at[1] + at[3] / 2};
  }
  T area() const { return std::max(right - left, T(0)) * std::max(bottom - top, T(0)); }
};

template <class T> T overlap_of(const Box<T>& a, T area_a, const Box<T>& b, T area_b) {
  const T across = std::max(std::min(a.right, b.right) - std::max(a.left, b.left), T(0));
  const T along = std::max(std::min(a.bottom, b.bottom) - std::max(a.top, b.top), T(0));
  const T shared = across * along, all = area_a + area_b - shared;
  return all > T(0) ? shared / all : T(0);
}

template <class T> int run_overlaps(Kernel* self, const RunArgs* args) {
  const OverlapShape& s = spec_of<OverlapShape>(self);
  std::vector<Box<T>> second;
  std::vector<T> areas;
  for (int64_t j = 0; j < s.second; ++j) {
    second.push_back(Box<T>::read(input_of<T>(args, 1) + 4 * j, s.centers));
    areas.push_back(second.back().area());
  }
  spread(s.first, 3.0 * double(s.second), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Box<T> box = Box<T>::read(input_of<T>(args, 0) + 4 * i, s.centers);
      const T area = box.area();
      T* out = output_of<T>(args, 0) + i * s.second;
      for (int64_t j = 0; j < s.second; ++j) out[j] = overlap_of(box, area, second[size_t(j)], areas[size_t(j)]);
    }
  });
  return 0;
}

// The rows that take part, best first.
template <class T> std::vector<int64_t> candidates(const SuppressionShape& s, const T* data) {
  std::vector<int64_t> order;
  for (int64_t row = 0; row < s.rows; ++row) {
    const T* values = data + row * s.columns;
    const bool background = s.kind >= 0 && values[s.kind] == T(s.background);
    if (values[s.score] > T(s.valid) && !background) order.push_back(row);
  }
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return data[a * s.columns + s.score] > data[b * s.columns + s.score];
  });
  if (s.most > 0 && int64_t(order.size()) > s.most) order.resize(size_t(s.most));
  return order;
}

// Those of the rows that overlap no better survivor too much.
template <class T>
std::vector<int64_t> survivors(const SuppressionShape& s, const T* data, const std::vector<int64_t>& order) {
  std::vector<int64_t> kept;
  std::vector<Box<T>> boxes;
  std::vector<T> areas;
  for (int64_t row : order) {
    const T* values = data + row * s.columns;
    const Box<T> box = Box<T>::read(values + s.coordinates, s.in_centers);
    const T area = box.area();
    bool alive = true;
    for (size_t i = 0; alive && i < kept.size(); ++i) {
      const bool rivals = s.across || s.kind < 0 || data[kept[i] * s.columns + s.kind] == values[s.kind];
      alive = !rivals || !(overlap_of(boxes[i], areas[i], box, area) > T(s.overlap));
    }
    if (!alive) continue;
    kept.push_back(row);
    boxes.push_back(box);
    areas.push_back(area);
  }
  return kept;
}

template <class T> void convert_box(T* at, bool from_centers) {
  const T a = at[0], b = at[1], c = at[2], d = at[3];
  const T half_width = (from_centers ? c : c - a) / 2, half_height = (from_centers ? d : d - b) / 2;
  at[0] = from_centers ? a - half_width : a + half_width;
  at[1] = from_centers ? b - half_height : b + half_height;
  at[2] = from_centers ? a + half_width : c - a;
  at[3] = from_centers ? b + half_height : d - b;
}

template <class T> int run_suppression(Kernel* self, const RunArgs* args) {
  const SuppressionShape& s = spec_of<SuppressionShape>(self);
  spread(s.batch, 50.0 * double(s.rows), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const T* data = input_of<T>(args, 0) + b * s.rows * s.columns;
      T* out = output_of<T>(args, 0) + b * s.rows * s.columns;
      double* places = output_of<double>(args, 1) + b * s.rows;
      std::fill_n(out, s.rows * s.columns, T(-1));
      std::fill_n(places, s.rows, -1.0);
      for (int64_t row : survivors(s, data, candidates(s, data))) {
        std::copy_n(data + row * s.columns, s.columns, out);
        if (s.in_centers != s.out_centers) convert_box(out + s.coordinates, s.in_centers);
        *places++ = double(row);
        out += s.columns;
      }
    }
  });
  return 0;
}

template <class T> int run_backward_suppression(Kernel* self, const RunArgs* args) {
  const SuppressionShape& s = spec_of<SuppressionShape>(self);
  spread(s.batch, double(s.rows * s.columns), [&](int64_t begin, int64_t end) {
    std::fill(output_of<T>(args, 0) + begin * s.rows * s.columns, output_of<T>(args, 0) + end * s.rows * s.columns, T(0));
    for (int64_t row = begin * s.rows; row < end * s.rows; ++row) {
      const double place = input_of<double>(args, 1)[row];
      if (place >= 0 && place < double(s.rows))
        std::copy_n(input_of<T>(args, 0) + row * s.columns, s.columns,
                    output_of<T>(args, 0) + (row / s.rows * s.rows + int64_t(place)) * s.columns);
    }
  });
  return 0;
}

// --- detections -------------------------------------------------------------------------------------------------------

template <class T> struct Detection {
  int64_t anchor, kind;
  T score;
  Box<T> box;
};

// Anchors whose best class, without the background, is probable enough, in order.
template <class T> std::vector<Detection<T>> probable(const DetectionShape& s, const T* chances) {
  std::vector<Detection<T>> found;
  for (int64_t anchor = 0; anchor < s.anchors; ++anchor) {
    int64_t kind = 0;
    T best = chances[s.anchors + anchor];
    for (int64_t other = 1; other + 1 < s.classes && best == best; ++other) {
      const T chance = chances[(other + 1) * s.anchors + anchor];
      if (chance > best || chance != chance) best = chance, kind = other;  // no number wins, and is no detection then
    }
    if (best >= T(s.threshold)) found.push_back({anchor, kind, best, {}});
  }
  return found;
}

template <class T> Box<T> decoded(const DetectionShape& s, const T* offsets, const T* anchor) {
  const T width = anchor[2] - anchor[0], height = anchor[3] - anchor[1];
  const T x = offsets[0] * T(s.deviations[0]) * width + (anchor[0] + width / 2);
  const T y = offsets[1] * T(s.deviations[1]) * height + (anchor[1] + height / 2);
  const T half_width = std::exp(offsets[2] * T(s.deviations[2])) * width / 2;
  const T half_height = std::exp(offsets[3] * T(s.deviations[3])) * height / 2;
  Box<T> box{x - half_width, y - half_height, x + half_width, y + half_height};
  if (s.clip)
    for (T* edge : {&box.left, &box.top, &box.right, &box.bottom}) *edge = std::min(std::max(*edge, T(0)), T(1));
  return box;
}

// Sets the class of detections that overlap a better survivor too much to -1.
template <class T> void suppress(const DetectionShape& s, Detection<T>* best, int64_t count) {
  std::vector<const Detection<T>*> kept;
  std::vector<T> areas;
  for (Detection<T>* one = best; one != best + count; ++one) {
    const T area = one->box.area();
    bool alive = true;
    for (size_t i = 0; alive && i < kept.size(); ++i)
      alive = (!s.across && kept[i]->kind != one->kind) || !(overlap_of(kept[i]->box, areas[i], one->box, area) > T(s.overlap));
    if (alive) {
      kept.push_back(one);
      areas.push_back(area);
    } else {
      one->kind = -1;
    }
  }
}

template <class T> int run_detection(Kernel* self, const RunArgs* args) {
  const DetectionShape& s = spec_of<DetectionShape>(self);
  spread(s.batch, 100.0 * double(s.anchors), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const std::vector<Detection<T>> found = probable(s, input_of<T>(args, 0) + b * s.classes * s.anchors);
      std::vector<Detection<T>> rows = found;
      std::stable_sort(rows.begin(), rows.end(), [](const auto& one, const auto& other) { return one.score > other.score; });
      const int64_t count = int64_t(rows.size()), best = s.most > 0 ? std::min(s.most, count) : count;
      // Rows beyond the best are none, and stay in the order of the anchors.
      std::copy(found.begin() + best, found.end(), rows.begin() + best);
      for (Detection<T>& row : rows)
        row.box = decoded(s, input_of<T>(args, 1) + (b * s.anchors + row.anchor) * 4, input_of<T>(args, 2) + row.anchor * 4);
      if (s.overlap > 0 && s.overlap <= 1) suppress(s, rows.data(), best);
      T* out = output_of<T>(args, 0) + b * s.anchors * 6;
      std::fill(out + count * 6, out + s.anchors * 6, T(-1));
      for (int64_t i = 0; i < count; ++i, out += 6) {
        const Detection<T>& row = rows[size_t(i)];
        const T values[6] = {i < best ? T(row.kind) : T(-1), row.score, row.box.left, row.box.top, row.box.right, row.box.bottom};
        std::copy_n(values, 6, out);
      }
    }
  });
  return 0;
}

// --- proposals ----------------------------------------------------------------------------------------------------------

struct Proposal {
  Box<double> box;
  double chance, area;
};

// Whether a is looked at before b: better, or as good and earlier; no numbers come last.
bool is_better(const std::vector<Proposal>& all, int64_t a, int64_t b) {
  const double first = all[size_t(a)].chance, second = all[size_t(b)].chance;
  const bool none_a = first != first, none_b = second != second;
  if (none_a != none_b) return none_b;
  return first > second || (!(first < second) && a < b);
}

// One anchor moved by its offsets, clipped to the image; offsets lie `step` apart.
template <class T>
Box<double> moved(const ProposalShape& s, const double* anchor, double x, double y, const T* offsets, int64_t step,
                  const double* limits) {
  double edges[4];
  for (int axis = 0; axis < 2; ++axis) {
    const double shift = axis ? y : x, low = anchor[axis] + shift, high = anchor[axis + 2] + shift;
    if (s.corners) {
      edges[axis] = low + double(offsets[axis * step]), edges[axis + 2] = high + double(offsets[(axis + 2) * step]);
      continue;
    }
    const double size = high - low + 1, center = low + 0.5 * (size - 1) + double(offsets[axis * step]) * size;
    const double half = 0.5 * (double(std::exp(offsets[(axis + 2) * step])) * size - 1);
    edges[axis] = center - half, edges[axis + 2] = center + half;
  }
  for (int i = 0; i < 4; ++i) edges[i] = std::min(std::max(edges[i], 0.0), limits[i % 2]);
  return {edges[0], edges[1], edges[2], edges[3]};
}

template <class T> std::vector<Proposal> all_proposals(const ProposalShape& s, const T* scores, const T* offsets, const T* info) {
  const int64_t count = int64_t(s.anchors.size()) / 4, places = s.height * s.width;
  const double limits[2] = {double(info[1]) - 1, double(info[0]) - 1}, least = s.least * double(info[2]);
  // The feature map can be padded beyond the image.
  const double rows = std::trunc(double(info[0]) / s.stride), columns = std::trunc(double(info[1]) / s.stride);
  std::vector<Proposal> all;
  all.reserve(size_t(places * count));
  for (int64_t place = 0; place < places; ++place)
    for (int64_t kind = 0; kind < count; ++kind) {
      const int64_t row = place / s.width, column = place % s.width;
      const Box<double> box = moved(s, &s.anchors[size_t(4 * kind)], double(column) * s.stride, double(row) * s.stride,
                                    offsets + 4 * kind * places + place, places, limits);
      const bool inside = double(row) < rows && double(column) < columns;
      Proposal one{box, inside ? double(scores[(count + kind) * places + place]) : -1.0, 0};
      if (box.right - box.left + 1 < least || box.bottom - box.top + 1 < least) {
        one.chance = -1;
        one.box = {box.left - least / 2, box.top - least / 2, box.right + least / 2, box.bottom + least / 2};
      }
      one.area = (one.box.right - one.box.left + 1) * (one.box.bottom - one.box.top + 1);  // ends are inclusive
      all.push_back(one);
    }
  return all;
}

// Up to s.kept proposals, best first, that overlap no better one too much.
std::vector<const Proposal*> best_proposals(const ProposalShape& s, const std::vector<Proposal>& all) {
  std::vector<int64_t> order(all.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = int64_t(i);
  const int64_t total = int64_t(all.size()), best = s.best > 0 ? std::min(s.best, total) : total;
  std::partial_sort(order.begin(), order.begin() + best, order.end(), [&](int64_t a, int64_t b) { return is_better(all, a, b); });
  std::vector<const Proposal*> kept;
  for (int64_t i = 0; i < best && int64_t(kept.size()) < s.kept; ++i) {
    const Proposal& one = all[size_t(order[size_t(i)])];
    const auto rivals = [&](const Proposal* other) {
      const double across = std::min(other->box.right, one.box.right) - std::max(other->box.left, one.box.left) + 1;
      const double along = std::min(other->box.bottom, one.box.bottom) - std::max(other->box.top, one.box.top) + 1;
      const double shared = std::max(across, 0.0) * std::max(along, 0.0);
      return !(shared / (other->area + one.area - shared) <= s.threshold);
    };
    if (std::none_of(kept.begin(), kept.end(), rivals)) kept.push_back(&one);
  }
  return kept;
}

template <class T> int run_proposals(Kernel* self, const RunArgs* args) {
  const ProposalShape& s = spec_of<ProposalShape>(self);
  const int64_t count = int64_t(s.anchors.size()) / 4, values = count * s.height * s.width;
  spread(s.batch, 300.0 * double(values), [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image) {
      const auto all = all_proposals(s, input_of<T>(args, 0) + 2 * image * values, input_of<T>(args, 1) + 4 * image * values,
                                     input_of<T>(args, 2) + 3 * image);
      const auto kept = best_proposals(s, all);
      T* out = output_of<T>(args, 0) + image * s.kept * 5;
      for (int64_t i = 0; i < s.kept; ++i, out += 5) {
        const Proposal& one = *kept[size_t(i) % kept.size()];  // too few survivors are repeated
        const T row[5] = {T(image), T(one.box.left), T(one.box.top), T(one.box.right), T(one.box.bottom)};
        std::copy_n(row, 5, out);
        output_of<T>(args, 1)[image * s.kept + i] = T(one.chance);
      }
    }
  });
  return 0;
}

// --- rotated regions ------------------------------------------------------------------------------------------------------

// A sample between four pixels, two of which are neighbours in each row.
template <class T> struct Point {
  int64_t upper, lower, right;  // right: 0 at the edge, else 1
  T share[4];
};

// Calls body(y, x) for the samples of one bin.
template <class Body> void each_sample(double y, double x, double step_y, double step_x, int64_t down, int64_t across, const Body& body) {
  for (int64_t i = 0; i < down; ++i)
    for (int64_t j = 0; j < across; ++j) body(y + step_y * (double(i) + 0.5) / double(down), x + step_x * (double(j) + 0.5) / double(across));
}

// Where the samples of a region's bins lie.
template <class T> struct RotatedRegion {
  const RegionShape& s;
  double center_x, center_y, width, height, cosine, sine;
  double down, across;  // samples of a bin

  RotatedRegion(const RegionShape& shape, const T* region)
      : s(shape),
        center_x(double(region[1]) * s.scale),
        center_y(double(region[2]) * s.scale),
        width(std::max(double(region[3]) * s.scale, 1.0)),
        height(std::max(double(region[4]) * s.scale, 1.0)) {
    const double angle = double(region[5]) * (std::acos(-1.0) / 180);
    cosine = std::cos(angle), sine = std::sin(angle);
    down = s.samples > 0 ? double(s.samples) : std::ceil(height / double(s.rows));
    across = s.samples > 0 ? double(s.samples) : std::ceil(width / double(s.columns));
  }
  bool usable() const { return down * across <= 1e8 && std::isfinite(center_x + center_y + width + height + cosine); }

  void find(int64_t bin, std::vector<Point<T>>* points) const {
    const double step_y = height / double(s.rows), step_x = width / double(s.columns), count = down * across;
    points->clear();
    each_sample(step_y * double(bin / s.columns) - height / 2, step_x * double(bin % s.columns) - width / 2, step_y, step_x,
                int64_t(down), int64_t(across), [&](double v, double u) {
      double x = u * cosine + v * sine + center_x, y = v * cosine - u * sine + center_y;
      if (!(y >= -1 && y <= double(s.height) && x >= -1 && x <= double(s.width))) return;
      x = std::min(std::max(x, 0.0), double(s.width - 1)), y = std::min(std::max(y, 0.0), double(s.height - 1));
      const int64_t left = int64_t(x), top = int64_t(y);
      const double in_x = x - double(left), in_y = y - double(top);
      points->push_back({top * s.width + left, std::min(top + 1, s.height - 1) * s.width + left, left + 1 < s.width ? 1 : 0,
                         {T((1 - in_y) * (1 - in_x) / count), T((1 - in_y) * in_x / count), T(in_y * (1 - in_x) / count),
                          T(in_y * in_x / count)}});
    });
  }
};

template <class T> int64_t image_of(const RegionShape& s, const T* region);

template <class T> int run_rotated_average(Kernel* self, const RunArgs* args) {
  const RegionShape& s = spec_of<RegionShape>(self);
  const int64_t bins = s.rows * s.columns;
  spread(s.regions, 40.0 * double(s.channels * bins), [&](int64_t begin, int64_t end) {
    std::vector<Point<T>> points;
    for (int64_t number = begin; number < end; ++number) {
      const T* given = input_of<T>(args, 1) + 6 * number;
      T* out = output_of<T>(args, 0) + number * s.channels * bins;
      std::fill_n(out, s.channels * bins, T(0));
      const RotatedRegion<T> region(s, given);
      const int64_t image = image_of(s, given);
      if (image < 0 || !region.usable()) continue;
      for (int64_t bin = 0; bin < bins; ++bin) {
        region.find(bin, &points);
        for (int64_t channel = 0; channel < s.channels; ++channel) {
          const T* plane = input_of<T>(args, 0) + (image * s.channels + channel) * s.height * s.width;
          T total = 0;
          for (const Point<T>& at : points)
            total += plane[at.upper] * at.share[0] + plane[at.upper + at.right] * at.share[1] + plane[at.lower] * at.share[2] +
                     plane[at.lower + at.right] * at.share[3];
          out[channel * bins + bin] = total;
        }
      }
    }
  });
  return 0;
}

// --- regions ------------------------------------------------------------------------------------------------------------

// The image of a region (number, left, top, right, bottom), or -1.
template <class T> int64_t image_of(const RegionShape& s, const T* region) {
  return region[0] > T(-1) && double(region[0]) < double(s.batch) ? int64_t(region[0]) : -1;
}

struct Span {
  int64_t begin, end;
};

// Bins along one side of a region of whole pixels, clipped to the image.
std::vector<Span> bins_of(double low, double high, double scale, int64_t count, int64_t size) {
  const double limit = 1e9;  // further away nothing changes
  const double start = std::min(std::max(std::round(low * scale), -limit), limit);
  const double end = std::min(std::max(std::round(high * scale), -limit), limit);
  const double width = std::max(end - start + 1, 1.0) / double(count);
  auto clip = [size](double at) { return int64_t(std::min(std::max(at, 0.0), double(size))); };
  std::vector<Span> bins;
  for (int64_t i = 0; i < count; ++i)
    bins.push_back({clip(std::floor(double(i) * width) + start), clip(std::ceil(double(i + 1) * width) + start)});
  return bins;
}

template <class T> int64_t place_of_maximum(const T* plane, int64_t width, Span down, Span across) {
  int64_t best = down.begin * width + across.begin;
  for (int64_t row = down.begin; row < down.end; ++row)
    for (int64_t at = row * width + across.begin; at < row * width + across.end; ++at) {
      if (plane[best] != plane[best]) return best;  // the first that is not a number counts as the largest
      if (plane[at] > plane[best] || plane[at] != plane[at]) best = at;
    }
  return best;
}

template <class T> int run_region_maximum(Kernel* self, const RunArgs* args) {
  const RegionShape& s = spec_of<RegionShape>(self);
  const int64_t bins = s.rows * s.columns;
  spread(s.regions, 30.0 * double(s.channels * bins), [&](int64_t begin, int64_t end) {
    for (int64_t region = begin; region < end; ++region) {
      const T* given = input_of<T>(args, 1) + 5 * region;
      T* out = output_of<T>(args, 0) + region * s.channels * bins;
      double* places = output_of<double>(args, 1) + region * s.channels * bins;
      std::fill_n(out, s.channels * bins, T(0));
      std::fill_n(places, s.channels * bins, -1.0);
      const int64_t image = image_of(s, given);
      if (image < 0) continue;
      const auto down = bins_of(double(given[2]), double(given[4]), s.scale, s.rows, s.height);
      const auto across = bins_of(double(given[1]), double(given[3]), s.scale, s.columns, s.width);
      for (int64_t at = 0; at < s.channels * bins; ++at) {
        const Span rows = down[size_t(at % bins / s.columns)], columns = across[size_t(at % s.columns)];
        if (rows.begin >= rows.end || columns.begin >= columns.end) continue;
        const T* plane = input_of<T>(args, 0) + (image * s.channels + at / bins) * s.height * s.width;
        const int64_t place = place_of_maximum(plane, s.width, rows, columns);
        out[at] = plane[place];
        places[at] = double(place);
      }
    }
  });
  return 0;
}

// Calls body(plane of the gradient, channel, region) for every plane of the images and every region in its image; cores take
// whole planes, so that no two add to one pixel.
template <class T, class Body>
void each_plane_and_region(const RegionShape& s, const T* regions, T* d_data, const Body& body) {
  const int64_t pixels = s.height * s.width;
  const double bins_ns = 5.0 * double(s.regions * s.rows * s.columns) / double(s.batch);
  spread(s.batch * s.channels, double(pixels) * 0.2 + bins_ns, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; ++at) {
      T* plane = d_data + at * pixels;
      std::fill_n(plane, pixels, T(0));
      for (int64_t region = 0; region < s.regions; ++region)
        if (image_of(s, regions + 5 * region) == at / s.channels) body(plane, at % s.channels, region);
    }
  });
}

template <class T> int run_backward_region_maximum(Kernel* self, const RunArgs* args) {
  const RegionShape& s = spec_of<RegionShape>(self);
  const int64_t bins = s.rows * s.columns;
  each_plane_and_region(s, input_of<T>(args, 2), output_of<T>(args, 0), [&](T* plane, int64_t channel, int64_t region) {
    const int64_t first = (region * s.channels + channel) * bins;
    for (int64_t at = first; at < first + bins; ++at) {
      const double place = input_of<double>(args, 3)[at];
      if (place >= 0 && place < double(s.height * s.width)) plane[int64_t(place)] += input_of<T>(args, 0)[at];
    }
  });
  return 0;
}

// A sample along one side of a region: what its bin gets of two neighbouring pixels.
template <class T> struct Tap {
  int64_t low, high;
  T low_share, high_share;
};
template <class T> using BinTaps = std::vector<std::vector<Tap<T>>>;

// No pixel counts in a region that is larger than this, or not a number.
constexpr double kFar = 1e15;

template <class T> BinTaps<T> taps_of(const RegionShape& s, double low, double high, int64_t bins, int64_t size) {
  BinTaps<T> taps{size_t(bins)};
  const double shift = s.aligned ? 0.5 : 0.0, start = low * s.scale - shift;
  double length = high * s.scale - shift - start;
  if (!s.aligned) length = std::max(length, 1.0);
  const double step = length / double(bins), count = s.samples > 0 ? double(s.samples) : std::ceil(step);
  if (!(count > 0) || !(std::abs(start) < kFar) || !(std::abs(length) < kFar)) return taps;
  for (int64_t bin = 0; bin < bins; ++bin) {
    // Of the samples of a large region few fall into the image; one more on either side, as these are rounded.
    const double near = ((-1 - start) / step - double(bin)) * count, far = ((double(size) - start) / step - double(bin)) * count;
    const double first = step != 0 ? std::max(std::floor(std::min(near, far)) - 2, 0.0) : 0.0;
    const double last = step != 0 ? std::min(std::ceil(std::max(near, far)) + 2, count) : count;
    for (double k = first; k < last; ++k) {
      const double place = start + step * (double(bin) + (k + 0.5) / count);
      if (!(place >= -1 && place <= double(size))) continue;
      const double at = std::min(std::max(place, 0.0), double(size - 1)), left = std::floor(at);
      taps[size_t(bin)].push_back({int64_t(left), std::min(int64_t(left) + 1, size - 1), T((1 - (at - left)) / count),
                                   T((at - left) / count)});
    }
  }
  return taps;
}

template <class T> struct RegionTaps {
  BinTaps<T> down, across;
};

template <class T> std::vector<RegionTaps<T>> all_taps(const RegionShape& s, const T* regions) {
  std::vector<RegionTaps<T>> taps;
  for (int64_t region = 0; region < s.regions; ++region, regions += 5) {
    taps.emplace_back();
    if (image_of(s, regions) < 0) continue;
    taps.back().down = taps_of<T>(s, double(regions[2]), double(regions[4]), s.rows, s.height);
    taps.back().across = taps_of<T>(s, double(regions[1]), double(regions[3]), s.columns, s.width);
  }
  return taps;
}

template <class T>
T average(const T* plane, int64_t width, const std::vector<Tap<T>>& down, const std::vector<Tap<T>>& across) {
  T total = 0;
  for (const Tap<T>& y : down) {
    const T *upper = plane + y.low * width, *lower = plane + y.high * width;
    for (const Tap<T>& x : across)
      total += y.low_share * (x.low_share * upper[x.low] + x.high_share * upper[x.high]) +
               y.high_share * (x.low_share * lower[x.low] + x.high_share * lower[x.high]);
  }
  return total;
}

template <class T>
void add_average(T* plane, int64_t width, const std::vector<Tap<T>>& down, const std::vector<Tap<T>>& across, T grad) {
  for (const Tap<T>& y : down) {
    T *upper = plane + y.low * width, *lower = plane + y.high * width;
    const T above = grad * y.low_share, below = grad * y.high_share;
    for (const Tap<T>& x : across) {
      upper[x.low] += above * x.low_share;
      upper[x.high] += above * x.high_share;
      lower[x.low] += below * x.low_share;
      lower[x.high] += below * x.high_share;
    }
  }
}

template <class T> int run_region_average(Kernel* self, const RunArgs* args) {
  const RegionShape& s = spec_of<RegionShape>(self);
  const int64_t bins = s.rows * s.columns, channels = s.own_channels ? s.channels / bins : s.channels;
  const T* regions = input_of<T>(args, 1);
  const auto taps = all_taps(s, regions);
  spread(s.regions, 40.0 * double(channels * bins), [&](int64_t begin, int64_t end) {
    for (int64_t region = begin; region < end; ++region) {
      T* out = output_of<T>(args, 0) + region * channels * bins;
      const int64_t image = image_of(s, regions + 5 * region);
      std::fill_n(out, channels * bins, T(0));
      if (image < 0) continue;
      const RegionTaps<T>& sides = taps[size_t(region)];
      for (int64_t at = 0; at < channels * bins; ++at) {
        const int64_t channel = s.own_channels ? at : at / bins;
        out[at] = average(input_of<T>(args, 0) + (image * s.channels + channel) * s.height * s.width, s.width,
                          sides.down[size_t(at % bins / s.columns)], sides.across[size_t(at % s.columns)]);
      }
    }
  });
  return 0;
}

template <class T> int run_backward_region_average(Kernel* self, const RunArgs* args) {
  const RegionShape& s = spec_of<RegionShape>(self);
  const int64_t bins = s.rows * s.columns;
  const T* regions = input_of<T>(args, 2);
  const auto taps = all_taps(s, regions);
  each_plane_and_region(s, regions, output_of<T>(args, 0), [&](T* plane, int64_t channel, int64_t region) {
    const RegionTaps<T>& sides = taps[size_t(region)];
    const T* grad = input_of<T>(args, 0) + region * (s.own_channels ? s.channels : s.channels * bins);
    const int64_t first = s.own_channels ? channel : channel * bins, count = s.own_channels ? 1 : bins;
    for (int64_t at = first; at < first + count; ++at)
      add_average(plane, s.width, sides.down[size_t(at % bins / s.columns)], sides.across[size_t(at % s.columns)], grad[at]);
  });
  return 0;
}

double region_cost(const RegionShape& s) { return 500 + 40.0 * double(s.regions * s.channels * s.rows * s.columns); }

// --- regions whose bins read channels of their own --------------------------------------------------------------------

std::vector<Span> grouped_bins(const GroupedShape& s, double low, double high, int64_t size) {
  const double start = std::round(low) * s.scale, end = (std::round(high) + 1) * s.scale;
  const double step = std::max(end - start, 0.1) / double(s.bins);
  auto clip = [size](double at) { return int64_t(std::min(std::max(0.0, at), double(size))); };
  std::vector<Span> bins;
  for (int64_t i = 0; i < s.bins; ++i)
    bins.push_back({clip(std::floor(double(i) * step + start)), clip(std::ceil(double(i + 1) * step + start))});
  return bins;
}

// Calls body(plane of the output's channels, rows, columns, place in the bins) for each bin that has pixels.
template <class T, class Body> void for_bins(const GroupedShape& s, const T* region, const Body& body) {
  const auto down = grouped_bins(s, double(region[2]), double(region[4]), s.height);
  const auto across = grouped_bins(s, double(region[1]), double(region[3]), s.width);
  for (int64_t i = 0; i < s.bins; ++i)
    for (int64_t j = 0; j < s.bins; ++j) {
      const Span rows = down[size_t(i)], columns = across[size_t(j)];
      if (rows.begin < rows.end && columns.begin < columns.end)
        body(i * s.groups / s.bins * s.groups + j * s.groups / s.bins, rows, columns, i * s.bins + j);
    }
}

template <class T> int64_t grouped_image(const GroupedShape& s, const T* region) {
  return region[0] > T(-1) && double(region[0]) < double(s.batch) ? int64_t(region[0]) : -1;
}

template <class T> int run_grouped_average(Kernel* self, const RunArgs* args) {
  const GroupedShape& s = spec_of<GroupedShape>(self);
  const int64_t planes = s.groups * s.groups, pixels = s.height * s.width, bins = s.bins * s.bins;
  spread(s.regions, 30.0 * double(s.outputs * bins), [&](int64_t begin, int64_t end) {
    for (int64_t number = begin; number < end; ++number) {
      const T* region = input_of<T>(args, 1) + 5 * number;
      T* out = output_of<T>(args, 0) + number * s.outputs * bins;
      std::fill_n(out, s.outputs * bins, T(0));
      const int64_t image = grouped_image(s, region);
      if (image < 0) continue;
      for_bins(s, region, [&](int64_t plane, Span rows, Span columns, int64_t place) {
        const T share = T(1) / T((rows.end - rows.begin) * (columns.end - columns.begin));
        for (int64_t c = 0; c < s.outputs; ++c) {
          const T* data = input_of<T>(args, 0) + ((image * s.outputs + c) * planes + plane) * pixels;
          T sum = T(0);
          for (int64_t y = rows.begin; y < rows.end; ++y)
            for (int64_t x = columns.begin; x < columns.end; ++x) sum += data[y * s.width + x];
          out[c * bins + place] = sum * share;
        }
      });
    }
  });
  return 0;
}

template <class T> int run_backward_grouped_average(Kernel* self, const RunArgs* args) {
  const GroupedShape& s = spec_of<GroupedShape>(self);
  const int64_t planes = s.groups * s.groups, pixels = s.height * s.width, bins = s.bins * s.bins;
  // By planes of one output channel: no two cores add to one pixel.
  spread(s.batch * s.outputs, double(planes * pixels) + 30.0 * double(s.regions * bins), [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; ++at) {
      T* total = output_of<T>(args, 0) + at * planes * pixels;
      std::fill_n(total, planes * pixels, T(0));
      for (int64_t number = 0; number < s.regions; ++number) {
        const T* region = input_of<T>(args, 2) + 5 * number;
        if (grouped_image(s, region) != at / s.outputs) continue;
        const T* grad = input_of<T>(args, 0) + (number * s.outputs + at % s.outputs) * bins;
        for_bins(s, region, [&](int64_t plane, Span rows, Span columns, int64_t place) {
          const T share = grad[place] / T((rows.end - rows.begin) * (columns.end - columns.begin));
          for (int64_t y = rows.begin; y < rows.end; ++y)
            for (int64_t x = columns.begin; x < columns.end; ++x) total[plane * pixels + y * s.width + x] += share;
        });
      }
    }
  });
  return 0;
}

}  // namespace

Kernel* make_grouped_average(const GroupedShape& s) {
  return choose_kernel(s.type, run_grouped_average<float>, run_grouped_average<double>,
                       200 + 30.0 * double(s.regions * s.outputs * s.bins * s.bins), s);
}

Kernel* make_backward_grouped_average(const GroupedShape& s) {
  return choose_kernel(s.type, run_backward_grouped_average<float>, run_backward_grouped_average<double>,
                       200 + double(s.batch * s.outputs * s.groups * s.groups * s.height * s.width), s);
}

Kernel* make_box_overlaps(const OverlapShape& shape) {
  return choose_kernel(shape.type, run_overlaps<float>, run_overlaps<double>, 100 + 3.0 * double(shape.first * shape.second), shape);
}

Kernel* make_suppression(const SuppressionShape& shape) {
  return choose_kernel(shape.type, run_suppression<float>, run_suppression<double>, 200 + 200.0 * double(shape.batch * shape.rows),
                       shape);
}

Kernel* make_backward_suppression(const SuppressionShape& shape) {
  return choose_kernel(shape.type, run_backward_suppression<float>, run_backward_suppression<double>,
                       100 + double(shape.batch * shape.rows * shape.columns), shape);
}

Kernel* make_detection(const DetectionShape& shape) {
  return choose_kernel(shape.type, run_detection<float>, run_detection<double>,
                       200 + double(shape.batch * shape.anchors) * (100.0 + double(shape.classes)), shape);
}

Kernel* make_proposals(const ProposalShape& s) {
  const double boxes = double(s.batch * s.height * s.width) * double(s.anchors.size()) / 4;
  return choose_kernel(s.type, run_proposals<float>, run_proposals<double>, 1000 + 300 * boxes, s);
}

Kernel* make_region_maximum(const RegionShape& shape) {
  return choose_kernel(shape.type, run_region_maximum<float>, run_region_maximum<double>, region_cost(shape), shape);
}

Kernel* make_backward_region_maximum(const RegionShape& shape) {
  return choose_kernel(shape.type, run_backward_region_maximum<float>, run_backward_region_maximum<double>, region_cost(shape),
                       shape);
}

Kernel* make_rotated_average(const RegionShape& shape) {
  return choose_kernel(shape.type, run_rotated_average<float>, run_rotated_average<double>, region_cost(shape), shape);
}

Kernel* make_region_average(const RegionShape& shape) {
  return choose_kernel(shape.type, run_region_average<float>, run_region_average<double>, region_cost(shape), shape);
}

Kernel* make_backward_region_average(const RegionShape& shape) {
  return choose_kernel(shape.type, run_backward_region_average<float>, run_backward_region_average<double>, region_cost(shape),
                       shape);
}

}  // namespace weft
