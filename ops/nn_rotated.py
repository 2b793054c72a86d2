"""Pooling of rotated regions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import rules
from .nn_common import native
from .registry import Float, Int, Shape, operator

Array = np.ndarray
Sizes = tuple[int, ...]


_MOST_SAMPLES = 10**8  # of one bin


def _shape(attrs: Any, shapes: Sequence[Sizes]) -> list[Sizes]:
    data, rois = shapes
    if len(data) != 4:
        raise ValueError(f"data has shape {data}, expected (batch, channels, height, width)")
    if len(rois) != 2 or rois[1] != 6:
        raise ValueError(f"rois has shape {rois}, expected (regions, 6)")
    return [(rois[0], data[1], *attrs.pooled_size)]


def _grid(length: float, bins: int, samples: int) -> Array:
    """Return where samples lie along a side that is centred at zero, (bins, samples)."""
    step = length / bins
    return -length / 2 + step * (np.arange(bins)[:, None] + (np.arange(samples) + 0.5) / samples)


def _bilinear(image: Array, y: Array, x: Array) -> Array:
    """Return (channels, ...) values between pixels; zero more than one pixel beyond the edge."""
    height, width = image.shape[1:]
    inside = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    below, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    dy, dx = y - top, x - left
    upper = image[:, top, left] * (1 - dx) + image[:, top, right] * dx
    lower = image[:, below, left] * (1 - dx) + image[:, below, right] * dx
    return (upper * (1 - dy) + lower * dy) * inside


def _forward(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    data, rois = ins
    height, width = attrs.pooled_size
    for out, (batch, centre_x, centre_y, roi_width, roi_height, degrees) in zip(outs[0], rois.astype(np.float64)):
        # Regions of no image, without an end, or with more samples than are of use read nothing.
        if not (-1 < batch < len(data) and np.isfinite([centre_x, centre_y, roi_width, roi_height, degrees]).all()):
            out[...] = 0
            continue
        centre_x, centre_y = centre_x * attrs.spatial_scale, centre_y * attrs.spatial_scale
        roi_width, roi_height = max(roi_width * attrs.spatial_scale, 1), max(roi_height * attrs.spatial_scale, 1)
        per_bin = attrs.sampling_ratio
        samples_y = per_bin if per_bin > 0 else math.ceil(roi_height / height)
        samples_x = per_bin if per_bin > 0 else math.ceil(roi_width / width)
        if samples_y * samples_x > _MOST_SAMPLES:
            out[...] = 0
            continue
        across = _grid(roi_height, height, samples_y)[:, None, :, None]
        along = _grid(roi_width, width, samples_x)[None, :, None, :]
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        x = along * cosine + across * sine + centre_x
        y = across * cosine - along * sine + centre_y
        out[...] = _bilinear(data[int(batch)].astype(np.float64), y, x).mean(axis=(-2, -1))


operator(
    "_contrib_RROIAlign",
    inputs=("data", "rois"),
    params=(
        Shape("pooled_size", length=2, low=1, doc="Height and width of the result."),
        Float("spatial_scale", doc="Size of the feature map relative to the image the regions are given in."),
        Int("sampling_ratio", -1, doc="Samples of each bin along each side; as many as it has pixels where not positive."),
    ),
    shape=_shape,
    dtype=rules.float_dtype,
    cpu=(native("rotated_roi_align", "regions"),),
    numpy=_forward,
    doc="Mean of samples in each bin of rotated regions. There is no gradient, as in MXNet.",
    input_docs={"rois": "Regions: index of the image, centre x and y, width, height, angle in degrees."},
)
