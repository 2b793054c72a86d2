// Boxes and regions of images: overlaps, suppression, pooling of regions; float32 and float64.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/cpu/loops.hpp"
#include "ops/kernel.hpp"

namespace weft {

struct OverlapShape {
  DType type;
  int64_t first, second;  // numbers of boxes
  bool centers;           // boxes are (x, y, width, height), else corners
};
Kernel* make_box_overlaps(const OverlapShape& shape);  // (boxes, boxes) -> intersection over union

struct SuppressionShape {
  DType type;
  int64_t batch, rows, columns;
  int64_t most;                        // so many best boxes are looked at; all when not positive
  int64_t coordinates, score, kind;    // columns; kind -1: boxes have no class
  double overlap, valid, background;
  bool across;                         // boxes of different classes suppress each other
  bool in_centers, out_centers;
};
Kernel* make_suppression(const SuppressionShape& shape);           // data -> surviving rows, their places (double)
Kernel* make_backward_suppression(const SuppressionShape& shape);  // out_grad, places -> d_data

struct DetectionShape {
  DType type;
  int64_t batch, classes, anchors;  // the first class is the background
  int64_t most;                     // so many best detections are kept; all when not positive
  double threshold, overlap;        // overlap outside of (0, 1]: nothing is suppressed
  bool clip, across;
  double deviations[4];
};
Kernel* make_detection(const DetectionShape& shape);  // (probabilities, offsets, anchors) -> rows (class, score, box)

struct ProposalShape {
  DType type;
  int64_t batch, height, width;  // of the feature maps
  int64_t best, kept;            // so many boxes are looked at (all when not positive), and returned
  double threshold, least, stride;
  bool corners;                 // offsets are those of the corners
  std::vector<double> anchors;  // corners around the first place, four for each
};
Kernel* make_proposals(const ProposalShape& shape);  // (scores, offsets, image sizes) -> rows (image, box), scores

struct RegionShape {
  DType type;
  int64_t batch, channels, height, width;  // of the images
  int64_t regions, rows, columns;          // of the result
  double scale;
  // For averages:
  int64_t samples;  // along each side of a bin; not positive: as many as it has pixels
  bool own_channels, aligned;
};

struct GroupedShape {
  DType type;
  int64_t batch, outputs, groups, height, width;  // of the images: outputs * groups * groups channels
  int64_t regions, bins;                          // of the result: bins * bins places
  double scale;
};
Kernel* make_grouped_average(const GroupedShape& shape);           // (data, regions) -> out
Kernel* make_backward_grouped_average(const GroupedShape& shape);  // (out_grad, data, regions) -> d_data

Kernel* make_region_maximum(const RegionShape& shape);           // (data, regions) -> maxima, their places (double)
Kernel* make_backward_region_maximum(const RegionShape& shape);  // (out_grad, data, regions, places) -> d_data
Kernel* make_rotated_average(const RegionShape& shape);          // (data, rotated regions) -> out
Kernel* make_region_average(const RegionShape& shape);           // (data, regions) -> out
Kernel* make_backward_region_average(const RegionShape& shape);  // (out_grad, data, regions) -> d_data

}  // namespace weft
