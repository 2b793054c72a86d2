"""Region proposals (Faster R-CNN) and position sensitive pooling of regions (R-FCN)."""

from __future__ import annotations

import math

import numpy as np

from .nn_common import backward_call, check_named_shape, compute_dtype, float_dtypes, native, put
from .registry import Bool, Float, Floats, Int, operator, zero_gradient


def _wide(*arrays):
    return [array.astype(compute_dtype(array.dtype), copy=False) for array in arrays]


# ---- proposals ---------------------------------------------------------------------------------------------------------

_PROPOSAL = (
    Int("rpn_pre_nms_top_n", 6000, doc="Number of best boxes that suppression looks at; all when not positive."),
    Int("rpn_post_nms_top_n", 300, low=1, doc="Number of boxes for each image in the result."),
    Float("threshold", 0.7, doc="Overlap above which the worse of two boxes is dropped."),
    Int("rpn_min_size", 16, doc="Least width and height of a box, in pixels of the unscaled image."),
    Floats("scales", (4.0, 8.0, 16.0, 32.0), doc="Sizes of the anchors, in strides."),
    Floats("ratios", (0.5, 1.0, 2.0), doc="Ratios of height to width."),
    Int("feature_stride", 16, low=1, doc="Pixels of the image for each place of the feature map."),
    Bool("output_score", False, doc="Also return the scores."),
    Bool("iou_loss", False, doc="The offsets are those of the corners."),
)


def _proposal_shape(attrs, shapes):
    scores, offsets, info = shapes
    anchors = len(attrs.scales) * len(attrs.ratios)
    if len(scores) != 4 or scores[1] != 2 * anchors:
        raise ValueError(f"cls_prob has shape {scores}, expected (batch, {2 * anchors}, height, width)")
    check_named_shape("bbox_pred", offsets, (scores[0], 4 * anchors, *scores[2:]))
    check_named_shape("im_info", info, (scores[0], 3))
    rows = scores[0] * attrs.rpn_post_nms_top_n
    return [(rows, 5), (rows, 1)]


def base_anchors(stride: int, scales, ratios) -> np.ndarray:
    """Return the anchors around the first place, as corners with inclusive ends."""
    center = 0.5 * (stride - 1)
    boxes = []
    for ratio in ratios:
        width = math.floor(math.sqrt(math.floor(stride * stride / ratio)) + 0.5)
        height = math.floor(width * ratio + 0.5)
        for scale in scales:
            half = 0.5 * (np.array([width, height]) * scale - 1)
            boxes.append([*(center - half), *(center + half)])
    return np.array(boxes)


def _moved(attrs, anchors, offsets, limit):
    """Return anchors (..., 4) moved by offsets and clipped to the image."""
    if attrs.iou_loss:
        return np.clip(anchors + offsets, 0, limit)
    size = anchors[..., 2:] - anchors[..., :2] + 1
    center = anchors[..., :2] + 0.5 * (size - 1) + offsets[..., :2] * size
    half = 0.5 * (np.exp(offsets[..., 2:]) * size - 1)
    return np.clip(np.concatenate([center - half, center + half], axis=-1), 0, limit)


def _survivors(boxes, threshold, most):
    """Return the numbers of up to ``most`` boxes, best first, that overlap no better one too much (ends inclusive)."""
    left, top, right, bottom = np.ascontiguousarray(boxes.T)
    area = (right - left + 1) * (bottom - top + 1)
    kept: list[int] = []
    rest = np.arange(len(boxes))
    while len(rest) and len(kept) < most:
        best, rest = int(rest[0]), rest[1:]
        kept.append(best)
        across = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest]) + 1
        along = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest]) + 1
        shared = np.maximum(across, 0) * np.maximum(along, 0)
        rest = rest[shared / (area[best] + area[rest] - shared) <= threshold]
    return kept


def _propose(attrs, scores, offsets, info):
    """Return boxes and scores of one image."""
    count = len(attrs.scales) * len(attrs.ratios)
    height, width = scores.shape[1:]
    stride = attrs.feature_stride
    y, x = np.meshgrid(np.arange(height) * stride, np.arange(width) * stride, indexing="ij")
    shifts = np.stack([x, y, x, y], axis=-1)[:, :, None]
    anchors = base_anchors(stride, attrs.scales, attrs.ratios) + shifts
    limit = np.array([info[1], info[0], info[1], info[0]]) - 1
    boxes = _moved(attrs, anchors, offsets.reshape(count, 4, height, width).transpose(2, 3, 0, 1), limit)
    chance = scores[count:].transpose(1, 2, 0).astype(np.float64)
    # The feature map can be padded beyond the image.
    chance[max(int(info[0] / stride), 0) :], chance[:, max(int(info[1] / stride), 0) :] = -1, -1
    least = attrs.rpn_min_size * info[2]
    small = (boxes[..., 2:] - boxes[..., :2] + 1 < least).any(axis=-1)
    grow = np.array([-1, -1, 1, 1]) * least / 2
    boxes, chance = np.where(small[..., None], boxes + grow, boxes), np.where(small, -1, chance)
    boxes, chance = boxes.reshape(-1, 4), chance.ravel()
    order = np.argsort(-chance, kind="stable")
    if attrs.rpn_pre_nms_top_n > 0:
        order = order[: attrs.rpn_pre_nms_top_n]
    kept = order[_survivors(boxes[order], attrs.threshold, attrs.rpn_post_nms_top_n)]
    # Too few survivors are repeated.
    kept = np.resize(kept, attrs.rpn_post_nms_top_n)
    return boxes[kept], chance[kept]


def _proposals(attrs, ins, outs):
    scores, offsets, info = _wide(*ins)
    count = attrs.rpn_post_nms_top_n
    for image in range(len(scores)):
        boxes, chance = _propose(attrs, scores[image], offsets[image], info[image])
        rows = slice(image * count, (image + 1) * count)
        outs[0][rows, 0], outs[0][rows, 1:], outs[1][rows, 0] = image, boxes, chance


for _name, _note in (
    ("_contrib_Proposal", ""),
    ("_contrib_MultiProposal", " Takes batches of images; the first column of the result is the image's number."),
):
    operator(
        _name,
        inputs=("cls_prob", "bbox_pred", "im_info"),
        params=_PROPOSAL,
        shape=_proposal_shape,
        dtype=lambda attrs, dtypes: float_dtypes(attrs, dtypes) * 2,
        num_outputs=2,
        visible_outputs=lambda attrs: 2 if attrs.output_score else 1,
        output_names=("output", "score"),
        gradient=zero_gradient,
        cpu=(native("proposals", "regions"),),
        numpy=_proposals,
        cost=lambda attrs, ins, outs: 100000 + 100.0 * math.prod(ins[0]),
        doc="""Turn scores and offsets of a region proposal network into boxes (image, left, top, right, bottom), the best
        after non-maximum suppression."""
        + _note,
        input_docs={
            "cls_prob": "Probabilities (batch, 2 * anchors, height, width); the second half is the foreground's.",
            "bbox_pred": "Offsets (batch, 4 * anchors, height, width).",
            "im_info": "Height, width and scale of each image (batch, 3).",
        },
    )

# ---- PSROIPooling ------------------------------------------------------------------------------------------------------

_PSROI = (
    Float("spatial_scale", doc="Size of data's pixels as a fraction of the pixels that rois count."),
    Int("output_dim", low=1, doc="Number of output channels."),
    Int("pooled_size", low=1, doc="Height and width of the result."),
    Int("group_size", 0, low=0, doc="Height and width of the grid of channel groups; pooled_size when 0."),
)


def _psroi_shape(attrs, shapes):
    data, rois = shapes
    group = attrs.group_size or attrs.pooled_size
    if len(data) != 4 or data[1] != attrs.output_dim * group * group:
        raise ValueError(f"data has shape {data}, expected (batch, {attrs.output_dim * group * group}, height, width)")
    check_named_shape("rois", rois, (rois[0], 5))
    return [(rois[0], attrs.output_dim, attrs.pooled_size, attrs.pooled_size)]


def _bin_matrix(attrs, low, high, size):
    """Return the (bins, size) matrix that averages the pixels of each bin along one side of a region."""
    start, end = round_away(low) * attrs.spatial_scale, (round_away(high) + 1) * attrs.spatial_scale
    step = max(end - start, 0.1) / attrs.pooled_size
    place = np.arange(attrs.pooled_size)
    begin = np.clip(np.floor(place * step + start), 0, size)[:, None]
    stop = np.clip(np.ceil((place + 1) * step + start), 0, size)[:, None]
    inside = (np.arange(size) >= begin) & (np.arange(size) < stop)
    return inside / np.maximum(stop - begin, 1)


def round_away(value: float) -> int:
    """Round to the nearest integer, halves away from zero, as C's round does."""
    return int(math.floor(abs(value) + 0.5)) * (1 if value >= 0 else -1)


def _psroi_regions(attrs, data_shape, rois, dtype):
    for index, roi in enumerate(rois.astype(np.float64)):
        if 0 <= int(roi[0]) < data_shape[0]:
            rows = _bin_matrix(attrs, roi[2], roi[4], data_shape[2])
            columns = _bin_matrix(attrs, roi[1], roi[3], data_shape[3])
            yield index, int(roi[0]), rows.astype(dtype), columns.astype(dtype)


def _group_of(attrs):
    """Return which row or column of channel groups each bin reads."""
    group = attrs.group_size or attrs.pooled_size
    return np.minimum(np.arange(attrs.pooled_size) * group // attrs.pooled_size, group - 1), group


def _psroi(attrs, ins, outs):
    data, rois = _wide(*ins)
    which, group = _group_of(attrs)
    planes = data.reshape(len(data), attrs.output_dim, group, group, *data.shape[2:])
    outs[0].fill(0)
    for index, image, rows, columns in _psroi_regions(attrs, data.shape, rois, data.dtype):
        chosen = planes[image][:, which][:, :, which]
        outs[0][index] = np.einsum("iy,cijyx,jx->cij", rows, chosen, columns, optimize=True)


def _psroi_backward(attrs, ins, outs):
    grad, data, rois = _wide(*ins)
    which, group = _group_of(attrs)
    total = np.zeros((len(data), attrs.output_dim, group, group, *data.shape[2:]), data.dtype)
    for index, image, rows, columns in _psroi_regions(attrs, data.shape, rois, data.dtype):
        part = np.einsum("iy,cij,jx->cijyx", rows, grad[index], columns, optimize=True)
        np.add.at(total[image], (slice(None), which[:, None], which[None, :]), part)
    put(outs[0], total)


_ROIS = {"rois": "Regions (batch index, x1, y1, x2, y2)."}

operator(
    "_contrib_PSROIPooling",
    inputs=("data", "rois"),
    params=_PSROI,
    shape=_psroi_shape,
    dtype=float_dtypes,
    gradient=lambda ctx, grad: [backward_call("_backward__contrib_PSROIPooling", [grad, *ctx.inputs], ctx.attrs), None],
    saves="i",
    cpu=(native("psroi_pooling", "regions"),),
    numpy=_psroi,
    cost=lambda attrs, ins, outs: 20000 + 100.0 * math.prod(outs[0]),
    doc="""Average over the bins of each region, every bin reading channels of its own.""",
    input_docs=_ROIS,
)
operator(
    "_backward__contrib_PSROIPooling",
    inputs=("out_grad", "data", "rois"),
    params=_PSROI,
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=float_dtypes,
    cpu=(native("backward_psroi_pooling", "regions"),),
    numpy=_psroi_backward,
    cost=lambda attrs, ins, outs: 20000 + 100.0 * math.prod(ins[0]),
    doc="""Gradient of PSROIPooling in its data.""",
    input_docs=_ROIS,
)
