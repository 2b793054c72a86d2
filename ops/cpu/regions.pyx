# cython: wraparound=True, boundscheck=True
"""Kernel builders for boxes and regions of images.

Every builder takes ``(attrs, in_specs, out_specs)`` and returns a kernel, or None where it does not apply.
"""

import math

from libc.stdint cimport int64_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

from ..kernel cimport CKernel, Kernel, kernel_or_none
from .elementwise cimport DType, dtype_code

from ..contrib_proposal import base_anchors
from .widened import takes_halves

cdef extern from "ops/cpu/regions.hpp" namespace "weft" nogil:
    cdef cppclass OverlapShape:
        DType type
        int64_t first, second
        cbool centers

    cdef cppclass SuppressionShape:
        DType type
        int64_t batch, rows, columns, most, coordinates, score, kind
        double overlap, valid, background
        cbool across, in_centers, out_centers

    cdef cppclass DetectionShape:
        DType type
        int64_t batch, classes, anchors, most
        double threshold, overlap
        cbool clip, across
        double[4] deviations

    cdef cppclass ProposalShape:
        DType type
        int64_t batch, height, width, best, kept
        double threshold, least, stride
        cbool corners
        vector[double] anchors

    cdef cppclass RegionShape:
        DType type
        int64_t batch, channels, height, width, regions, rows, columns
        double scale
        int64_t samples
        cbool own_channels, aligned

    cdef cppclass GroupedShape:
        DType type
        int64_t batch, outputs, groups, height, width, regions, bins
        double scale

    CKernel* make_grouped_average(const GroupedShape& shape)
    CKernel* make_backward_grouped_average(const GroupedShape& shape)
    CKernel* make_box_overlaps(const OverlapShape& shape)
    CKernel* make_suppression(const SuppressionShape& shape)
    CKernel* make_backward_suppression(const SuppressionShape& shape)
    CKernel* make_detection(const DetectionShape& shape)
    CKernel* make_proposals(const ProposalShape& shape)
    CKernel* make_region_maximum(const RegionShape& shape)
    CKernel* make_backward_region_maximum(const RegionShape& shape)
    CKernel* make_rotated_average(const RegionShape& shape)
    CKernel* make_region_average(const RegionShape& shape)
    CKernel* make_backward_region_average(const RegionShape& shape)


cdef bint _fits(specs):
    """Whether the arrays are of one type, and not empty."""
    return all([spec.dtype == specs[0].dtype and spec.size for spec in specs])


@takes_halves
def box_iou(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_contrib_box_iou``."""
    cdef OverlapShape shape
    if not _fits([*in_specs, *out_specs]):
        return None
    shape.type = dtype_code(in_specs[0].dtype)
    shape.first, shape.second = in_specs[0].size // 4, in_specs[1].size // 4
    shape.centers = attrs.format == "center"
    return kernel_or_none(make_box_overlaps(shape))


@takes_halves
def box_nms(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_contrib_box_nms``."""
    cdef SuppressionShape shape
    data = in_specs[0]
    if data.size == 0 or attrs.topk == 0:
        return None
    shape.type = dtype_code(data.dtype)
    shape.rows, shape.columns = data.shape[-2:]
    shape.batch = math.prod(data.shape[:-2])
    shape.most, shape.coordinates, shape.score, shape.kind = attrs.topk, attrs.coord_start, attrs.score_index, attrs.id_index
    shape.overlap, shape.valid, shape.background = attrs.overlap_thresh, attrs.valid_thresh, attrs.background_id
    shape.across = attrs.force_suppress
    shape.in_centers, shape.out_centers = attrs.in_format == "center", attrs.out_format == "center"
    return kernel_or_none(make_suppression(shape))


@takes_halves
def backward_box_nms(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_contrib_box_nms``."""
    cdef SuppressionShape shape
    grad, places = in_specs
    if grad.size == 0 or places.dtype.name != "float64":
        return None
    shape.type = dtype_code(grad.dtype)
    shape.rows, shape.columns = grad.shape[-2:]
    shape.batch = math.prod(grad.shape[:-2])
    return kernel_or_none(make_backward_suppression(shape))


@takes_halves
def multibox_detection(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_contrib_MultiBoxDetection``."""
    cdef DetectionShape shape
    chances = in_specs[0]
    if not _fits([*in_specs, *out_specs]) or chances.shape[1] < 2 or len(attrs.variances) != 4:
        return None
    shape.type = dtype_code(chances.dtype)
    shape.batch, shape.classes, shape.anchors = chances.shape
    shape.most, shape.threshold, shape.overlap = attrs.nms_topk, attrs.threshold, attrs.nms_threshold
    shape.clip, shape.across = attrs.clip, attrs.force_suppress
    for i in range(4):
        shape.deviations[i] = attrs.variances[i]
    return kernel_or_none(make_detection(shape))


@takes_halves
def proposals(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_contrib_Proposal`` and ``_contrib_MultiProposal``."""
    cdef ProposalShape shape
    scores = in_specs[0]
    if not _fits([*in_specs, *out_specs]):
        return None
    shape.type = dtype_code(scores.dtype)
    shape.batch, shape.height, shape.width = scores.shape[0], scores.shape[2], scores.shape[3]
    shape.best, shape.kept = attrs.rpn_pre_nms_top_n, attrs.rpn_post_nms_top_n
    shape.threshold, shape.least, shape.stride = attrs.threshold, attrs.rpn_min_size, attrs.feature_stride
    shape.corners = attrs.iou_loss
    shape.anchors = base_anchors(attrs.feature_stride, attrs.scales, attrs.ratios).ravel().tolist()
    return kernel_or_none(make_proposals(shape))


cdef RegionShape _regions(attrs, data, rois):
    cdef RegionShape shape
    shape.type = dtype_code(data.dtype)
    shape.batch, shape.channels, shape.height, shape.width = data.shape
    shape.regions = rois.shape[0]
    shape.rows, shape.columns = attrs.pooled_size
    shape.scale = attrs.spatial_scale
    shape.samples = getattr(attrs, "sample_ratio", 0)
    shape.own_channels, shape.aligned = getattr(attrs, "position_sensitive", False), getattr(attrs, "aligned", False)
    return shape


@takes_halves
def roi_pooling(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``ROIPooling``."""
    if not _fits([*in_specs, out_specs[0]]):
        return None
    return kernel_or_none(make_region_maximum(_regions(attrs, in_specs[0], in_specs[1])))


@takes_halves
def backward_roi_pooling(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_ROIPooling``."""
    if not _fits([*in_specs[:3], *out_specs]) or in_specs[3].dtype.name != "float64":
        return None
    return kernel_or_none(make_backward_region_maximum(_regions(attrs, in_specs[1], in_specs[2])))


@takes_halves
def roi_align(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_contrib_ROIAlign``."""
    if not _fits([*in_specs, *out_specs]):
        return None
    return kernel_or_none(make_region_average(_regions(attrs, in_specs[0], in_specs[1])))


@takes_halves
def backward_roi_align(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_ROIAlign``."""
    if not _fits([*in_specs, *out_specs]):
        return None
    return kernel_or_none(make_backward_region_average(_regions(attrs, in_specs[1], in_specs[2])))


@takes_halves
def rotated_roi_align(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_contrib_RROIAlign``."""
    cdef RegionShape shape
    if not _fits([*in_specs, *out_specs]):
        return None
    shape = _regions(attrs, in_specs[0], in_specs[1])
    shape.samples = attrs.sampling_ratio
    return kernel_or_none(make_rotated_average(shape))


cdef GroupedShape _grouped(attrs, data, rois):
    cdef GroupedShape shape
    shape.type = dtype_code(data.dtype)
    shape.batch, shape.height, shape.width = data.shape[0], data.shape[2], data.shape[3]
    shape.outputs, shape.groups, shape.bins = attrs.output_dim, attrs.group_size or attrs.pooled_size, attrs.pooled_size
    shape.regions, shape.scale = rois.shape[0], attrs.spatial_scale
    return shape


@takes_halves
def psroi_pooling(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_contrib_PSROIPooling``."""
    if not _fits([*in_specs, *out_specs]):
        return None
    return kernel_or_none(make_grouped_average(_grouped(attrs, in_specs[0], in_specs[1])))


@takes_halves
def backward_psroi_pooling(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward__contrib_PSROIPooling``."""
    if not _fits([*in_specs, *out_specs]):
        return None
    return kernel_or_none(make_backward_grouped_average(_grouped(attrs, in_specs[1], in_specs[2])))
