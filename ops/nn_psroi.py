"""Position-sensitive pooling of regions whose bins are shifted by learned amounts (Dai and others, 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from . import rules
from .functions import F
from .registry import Bool, Float, Int, operator

Array = np.ndarray
Sizes = tuple[int, ...]


def _shape(attrs: Any, shapes: Sequence[Sizes]) -> list[Sizes]:
    data, rois = shapes[:2]
    channels = attrs.output_dim * attrs.group_size**2
    if len(data) != 4 or data[1] != channels:
        raise ValueError(f"data has shape {data}, expected {channels} channels: output_dim * group_size * group_size")
    if len(rois) != 2 or rois[1] != 5:
        raise ValueError(f"rois has shape {rois}, expected (regions, 5)")
    if not attrs.no_trans:
        trans, parts = shapes[2], attrs.part_size or attrs.pooled_size
        if len(trans) != 4 or trans[0] != rois[0] or trans[1] % 2 or trans[2:] != (parts, parts):
            raise ValueError(f"trans has shape {trans}, expected ({rois[0]}, 2 * classes, {parts}, {parts})")
    return [(rois[0], attrs.output_dim, attrs.pooled_size, attrs.pooled_size)] * 2


class _Region(NamedTuple):
    """Where one region reads: indices broadcast to (outputs, bins, bins, samples, samples)."""

    batch: int
    channel: Array
    y: Array
    x: Array
    used: Array
    count: Array
    trans: tuple[Array, Array, Array]  # class of each output, part of each bin: index into the shifts
    width: float
    height: float


def _region(attrs: Any, shape: Sizes, roi: Array, trans: Array | None) -> _Region:
    height, width = shape[2:]
    bins, samples, groups = attrs.pooled_size, attrs.sample_per_part, attrs.group_size
    parts = attrs.part_size or bins
    left, top = np.floor(roi[1:3] + 0.5) * attrs.spatial_scale - 0.5
    right, bottom = (np.floor(roi[3:5] + 0.5) + 1) * attrs.spatial_scale - 0.5
    roi_width, roi_height = max(right - left, 0.1), max(bottom - top, 0.1)
    index = np.arange(bins)
    part = index * parts // bins
    outputs = np.arange(attrs.output_dim)
    classes = 1 if trans is None else trans.shape[0] // 2
    kind = outputs // (attrs.output_dim // classes)
    places = (kind[:, None, None], part[None, :, None], part[None, None, :])
    shift_x = shift_y = np.zeros((1, 1, 1))
    if trans is not None:
        shift_x, shift_y = (trans[2 * places[0] + i, places[1], places[2]] * attrs.trans_std for i in (0, 1))
    step_y, step_x = roi_height / bins, roi_width / bins
    inner = np.arange(samples) / samples
    start_y = index[None, :, None] * step_y + top + shift_y * roi_height
    start_x = index[None, None, :] * step_x + left + shift_x * roi_width
    y = start_y[..., None, None] + (inner * step_y)[:, None]
    x = start_x[..., None, None] + (inner * step_x)[None, :]
    y, x = np.broadcast_arrays(y, x)
    used = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    group = np.clip(index * groups // bins, 0, groups - 1)
    channel = (outputs[:, None, None] * groups + group[:, None]) * groups + group[None, :]
    used = np.broadcast_to(used, (attrs.output_dim, bins, bins, samples, samples))
    return _Region(
        int(roi[0]), channel[..., None, None], np.clip(y, 0, height - 1), np.clip(x, 0, width - 1), used,
        used.sum(axis=(-2, -1)), places, roi_width, roi_height,
    )  # fmt: skip


def _corners(region: _Region) -> tuple[Array, ...]:
    top, left = np.floor(region.y).astype(int), np.floor(region.x).astype(int)
    below, right = np.ceil(region.y).astype(int), np.ceil(region.x).astype(int)
    return top, below, left, right, region.y - top, region.x - left


def _trans(attrs: Any, ins: Sequence[Array], number: int) -> Array | None:
    return None if attrs.no_trans else ins[number].astype(np.float64)


def _forward(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    data, trans = ins[0].astype(np.float64), _trans(attrs, ins, 2)
    for n, roi in enumerate(ins[1].astype(np.float64)):
        region = _region(attrs, data.shape, roi, None if trans is None else trans[n])
        image = data[region.batch]
        top, below, left, right, dy, dx = _corners(region)
        c = region.channel
        values = (image[c, top, left] * (1 - dx) + image[c, top, right] * dx) * (1 - dy)
        values = values + (image[c, below, left] * (1 - dx) + image[c, below, right] * dx) * dy
        total = np.where(region.used, values, 0).sum(axis=(-2, -1))
        outs[0][n] = total / np.maximum(region.count, 1)
        outs[1][n] = region.count


def _backward(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    grad, data = (array.astype(np.float64) for array in ins[:2])
    trans = _trans(attrs, ins, 3)
    d_data = np.zeros(data.shape)
    d_trans = None if trans is None else np.zeros(trans.shape)
    for n, roi in enumerate(ins[2].astype(np.float64)):
        region = _region(attrs, data.shape, roi, None if trans is None else trans[n])
        image, c = data[region.batch], region.channel
        head = np.where(region.used, (grad[n] / np.maximum(region.count, 1))[..., None, None], 0)
        top, below, left, right, dy, dx = _corners(region)
        for row, column, weight in (
            (top, left, (1 - dy) * (1 - dx)),
            (top, right, (1 - dy) * dx),
            (below, left, dy * (1 - dx)),
            (below, right, dy * dx),
        ):
            np.add.at(d_data[region.batch], (c, row, column), head * weight)
        if trans is None:
            continue
        kinds, rows, columns = region.trans
        slope_x = (image[c, below, right] - image[c, below, left]) * dy
        slope_x = slope_x + (image[c, top, right] - image[c, top, left]) * (1 - dy)
        slope_y = (image[c, below, right] - image[c, top, right]) * dx
        slope_y = slope_y + (image[c, below, left] - image[c, top, left]) * (1 - dx)
        for axis, slope, size in ((0, slope_x, region.width), (1, slope_y, region.height)):
            flow = (head * slope).sum(axis=(-2, -1)) * (attrs.trans_std * size)
            np.add.at(d_trans[n], (2 * kinds + axis, rows, columns), flow)
    outs[0][...] = d_data
    if trans is not None:
        outs[1][...] = d_trans


_PARAMS = (
    Float("spatial_scale", doc="Size of the feature map relative to the image the regions are given in."),
    Int("output_dim", low=1, doc="Channels of the result."),
    Int("group_size", low=1, doc="Groups of channels along each side of a region."),
    Int("pooled_size", low=1, doc="Bins along each side."),
    Int("part_size", 0, low=0, doc="Parts with a shift of their own along each side; as many as bins where 0."),
    Int("sample_per_part", 1, low=1, doc="Samples of a bin along each side."),
    Float("trans_std", 0.0, low=0.0, doc="Factor of the shifts, which are relative to the region's size."),
    Bool("no_trans", False, doc="Bins are not shifted."),
)
_DOCS = {
    "rois": "Regions: index of the image, left, top, right, bottom.",
    "trans": "Shifts of the parts of each region, x before y for each class.",
}


def _active(attrs: Any) -> tuple[str, ...]:
    return ("data", "rois") if attrs.no_trans else ("data", "rois", "trans")


def _gradient(ctx: Any, g: Any, *hidden: Any) -> list[Any]:
    flows = F._backward_DeformablePSROIPooling(g, *ctx.inputs, **ctx.attrs.to_dict())
    return [flows, None] if ctx.attrs.no_trans else [flows[0], None, flows[1]]


operator(
    "_contrib_DeformablePSROIPooling",
    inputs=("data", "rois", "trans"),
    active_inputs=_active,
    params=_PARAMS,
    shape=_shape,
    dtype=lambda attrs, dtypes: rules.float_dtype(attrs, dtypes) * 2,
    num_outputs=2,
    visible_outputs=1,
    output_names=("output", "top_count"),
    gradient=_gradient,
    saves="i",
    numpy=_forward,
    doc="Mean of samples in each bin of a region, every bin reading channels of its own, shifted by learned amounts.",
    input_docs=_DOCS,
)
operator(
    "_backward_DeformablePSROIPooling",
    inputs=("out_grad", "data", "rois", "trans"),
    active_inputs=lambda attrs: ("out_grad", *_active(attrs)),
    params=_PARAMS,
    shape=lambda attrs, shapes: [shapes[1]] if attrs.no_trans else [shapes[1], shapes[3]],
    dtype=lambda attrs, dtypes: [dtypes[1]] if attrs.no_trans else [dtypes[1], dtypes[3]],
    num_outputs=lambda attrs: 1 if attrs.no_trans else 2,
    numpy=_backward,
    doc="Gradient of DeformablePSROIPooling with respect to data and shifts.",
    input_docs=_DOCS,
)
