"""Pooling of regions of interest: ROIPooling and ROIAlign."""

from __future__ import annotations

import math

import numpy as np

from .nn_common import backward_call, check_named_shape, compute_dtype, float_dtypes, native, put
from .registry import Bool, Float, Int, Shape, operator

_ROIS = {"rois": "Regions (batch index, x1, y1, x2, y2); a negative batch index gives zeros."}


def _wide(array):
    return array.astype(compute_dtype(array.dtype), copy=False)


def _roi_inputs(attrs, shapes):
    data, rois = shapes
    if len(data) != 4:
        raise ValueError(f"data has {len(data)} axes, expected 4 (batch, channel, height, width)")
    if len(rois) != 2:
        raise ValueError(f"rois has {len(rois)} axes, expected 2")
    check_named_shape("rois", rois, (rois[0], 5))
    return data, rois[0]


def _cost(attrs, ins, outs):
    return 5000 + 20.0 * math.prod(outs[0])


# ---- ROIPooling --------------------------------------------------------------------------------------------------------

_POOL = (
    Shape("pooled_size", length=2, low=1, doc="Height and width of the result."),
    Float("spatial_scale", doc="Size of data's pixels as a fraction of the pixels that rois count."),
)


def _pool_shape(attrs, shapes):
    data, count = _roi_inputs(attrs, shapes)
    out = (count, data[1], *attrs.pooled_size)
    return [out, out]


def _bins(start, end, count, size):
    """Return begin and end of each bin of an integer region, clipped to the image."""
    width = max(end - start + 1, 1) / count
    place = np.arange(count)
    begin = np.floor(place * width).astype(np.int64) + start
    stop = np.ceil((place + 1) * width).astype(np.int64) + start
    return np.clip(begin, 0, size), np.clip(stop, 0, size)


def _pool_forward(attrs, ins, outs):
    data, rois = ins
    height, width = data.shape[2:]
    outs[0].fill(0)
    outs[1].fill(-1)
    for index, roi in enumerate(rois.astype(np.float64)):
        image = int(roi[0])
        if not 0 <= image < len(data):
            continue
        # Round half away from zero, as C's round does.
        x1, y1, x2, y2 = (math.floor(abs(v) + 0.5) * (1 if v >= 0 else -1) for v in roi[1:] * attrs.spatial_scale)
        rows = _bins(y1, y2, attrs.pooled_size[0], height)
        columns = _bins(x1, x2, attrs.pooled_size[1], width)
        for i, (top, bottom) in enumerate(zip(*rows)):
            for j, (left, right) in enumerate(zip(*columns)):
                if top < bottom and left < right:
                    patch = data[image, :, top:bottom, left:right].reshape(data.shape[1], -1)
                    best = patch.argmax(axis=1)
                    outs[0][index, :, i, j] = patch[np.arange(len(patch)), best]
                    # Where the maximum lies in the plane, for the backward pass.
                    outs[1][index, :, i, j] = (top + best // (right - left)) * width + left + best % (right - left)


def _pool_backward(attrs, ins, outs):
    grad, data, rois, places = ins
    total = np.zeros((data.shape[0], data.shape[1], data.shape[2] * data.shape[3]), compute_dtype(data.dtype))
    image = rois[:, 0].astype(np.int64)
    roi, channel, i, j = np.nonzero(places >= 0)
    place = places[roi, channel, i, j].astype(np.int64)
    np.add.at(total, (image[roi], channel, place), grad[roi, channel, i, j])
    put(outs[0], total)


operator(
    "ROIPooling",
    aliases=("_npx_roi_pooling",),
    inputs=("data", "rois"),
    params=_POOL,
    shape=_pool_shape,
    # Places need more digits than half precision has.
    dtype=lambda attrs, dtypes: [float_dtypes(attrs, dtypes)[0], np.dtype(np.float64)],
    num_outputs=2,
    visible_outputs=1,
    output_names=("output", "maxidx"),
    gradient=lambda ctx, grad, *hidden: [
        backward_call("_backward_ROIPooling", [grad, ctx.inputs[0], ctx.inputs[1], ctx.outputs[1]], ctx.attrs),
        None,
    ],
    cpu=(native("roi_pooling", "regions"),),
    numpy=_pool_forward,
    cost=_cost,
    doc="""Maximum over the bins of a grid laid over each region, with corners rounded to whole pixels.""",
    input_docs=_ROIS,
    examples="""
    >>> from weft import nd
    >>> image = nd.arange(16).reshape((1, 1, 4, 4))
    >>> nd.ROIPooling(image, nd.array([[0, 0, 0, 3, 3]]), pooled_size=(1, 2), spatial_scale=1.0).asnumpy()
    array([[[[13., 15.]]]], dtype=float32)
    """,
)
operator(
    "_backward_ROIPooling",
    inputs=("out_grad", "data", "rois", "places"),
    params=_POOL,
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=lambda attrs, dtypes: [dtypes[1]],
    cpu=(native("backward_roi_pooling", "regions"),),
    numpy=_pool_backward,
    cost=_cost,
    doc="""Gradient of ROIPooling in its data.""",
    input_docs={**_ROIS, "places": "Where each maximum was found."},
)

# ---- ROIAlign ----------------------------------------------------------------------------------------------------------

_ALIGN = (
    Shape("pooled_size", length=2, low=1, doc="Height and width of the result."),
    Float("spatial_scale", doc="Size of data's pixels as a fraction of the pixels that rois count."),
    Int("sample_ratio", -1, doc="Samples along each side of a bin; as many as the bin has pixels when not positive."),
    Bool("position_sensitive", False, doc="Every bin reads channels of its own."),
    Bool("aligned", False, doc="Shift by half a pixel, so that pixel centres are where they belong."),
)


def _align_shape(attrs, shapes):
    data, count = _roi_inputs(attrs, shapes)
    channels = data[1]
    if attrs.position_sensitive:
        if channels % math.prod(attrs.pooled_size):
            raise ValueError(f"pooled_size={attrs.pooled_size} must divide the {channels} channels when position_sensitive")
        channels //= math.prod(attrs.pooled_size)
    return [(count, channels, *attrs.pooled_size)]


# No pixel counts in a region that is larger than this, or not a number.
_FAR = 1e15


def _sample_matrix(attrs, low, high, bins, size):
    """Return the (bins, size) matrix that averages bilinear samples along one side of a region."""
    shift = 0.5 if attrs.aligned else 0.0
    start = low * attrs.spatial_scale - shift
    length = high * attrs.spatial_scale - shift - start
    if not attrs.aligned:
        length = max(length, 1.0)
    matrix = np.zeros((bins, size))
    if not (abs(start) < _FAR and abs(length) < _FAR):
        return matrix
    samples = attrs.sample_ratio if attrs.sample_ratio > 0 else math.ceil(length / bins)
    if samples <= 0:
        return matrix
    step = length / bins
    places = start + step * (np.arange(bins)[:, None] + (np.arange(samples) + 0.5) / samples)
    inside = (places >= -1) & (places <= size)
    at = np.clip(places, 0, size - 1)
    left = np.floor(at).astype(np.int64)
    right = np.minimum(left + 1, size - 1)
    share = at - left
    rows = np.broadcast_to(np.arange(bins)[:, None], places.shape)
    np.add.at(matrix, (rows, left), np.where(inside, 1 - share, 0) / samples)
    np.add.at(matrix, (rows, right), np.where(inside, share, 0) / samples)
    return matrix


def _regions(attrs, data_shape, rois, dtype):
    """Yield region number, image number and the two matrices of each region with an image."""
    for index, roi in enumerate(rois.astype(np.float64)):
        image = int(roi[0])
        if 0 <= image < data_shape[0]:
            rows = _sample_matrix(attrs, roi[2], roi[4], attrs.pooled_size[0], data_shape[2])
            columns = _sample_matrix(attrs, roi[1], roi[3], attrs.pooled_size[1], data_shape[3])
            yield index, image, rows.astype(dtype), columns.astype(dtype)


def _align_forward(attrs, ins, outs):
    data = _wide(ins[0])
    outs[0].fill(0)
    for index, image, rows, columns in _regions(attrs, data.shape, ins[1], data.dtype):
        if attrs.position_sensitive:
            planes = data[image].reshape(-1, *attrs.pooled_size, *data.shape[2:])
            outs[0][index] = np.einsum("iy,cijyx,jx->cij", rows, planes, columns, optimize=True)
        else:
            outs[0][index] = rows @ data[image] @ columns.T


def _align_backward(attrs, ins, outs):
    grad, data, rois = _wide(ins[0]), ins[1], ins[2]
    total = np.zeros(data.shape, compute_dtype(data.dtype))
    for index, image, rows, columns in _regions(attrs, data.shape, rois, total.dtype):
        if attrs.position_sensitive:
            part = np.einsum("iy,cij,jx->cijyx", rows, grad[index], columns, optimize=True)
            total[image] += part.reshape(data.shape[1:])
        else:
            total[image] += rows.T @ grad[index] @ columns
    put(outs[0], total)


operator(
    "_contrib_ROIAlign",
    inputs=("data", "rois"),
    params=_ALIGN,
    shape=_align_shape,
    dtype=float_dtypes,
    gradient=lambda ctx, grad: [
        backward_call("_backward_ROIAlign", [grad, ctx.inputs[0], ctx.inputs[1]], ctx.attrs),
        None,
    ],
    saves="i",
    cpu=(native("roi_align", "regions"),),
    numpy=_align_forward,
    cost=_cost,
    doc="""Average of bilinear samples in the bins of a grid laid over each region, without rounding (Mask R-CNN).""",
    input_docs=_ROIS,
    examples="""
    >>> from weft import nd
    >>> nd.contrib.ROIAlign(nd.ones((1, 1, 4, 4)), nd.array([[0, 0, 0, 3, 3]]), pooled_size=(2, 2), spatial_scale=1.0).shape
    (1, 1, 2, 2)
    """,
)
operator(
    "_backward_ROIAlign",
    inputs=("out_grad", "data", "rois"),
    params=_ALIGN,
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=lambda attrs, dtypes: [dtypes[1]],
    cpu=(native("backward_roi_align", "regions"),),
    numpy=_align_backward,
    cost=_cost,
    doc="""Gradient of ROIAlign in its data.""",
    input_docs=_ROIS,
)
