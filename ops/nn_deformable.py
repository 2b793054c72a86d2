"""Deformable convolution, plain and modulated: every element of the window reads at an offset of its own.

The kernels gather the patches with bilinear interpolation and contract them with the filters by matrix products; the
gradient scatters back the same way.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .nn_common import backward_call, check_named_shape, compute_dtype, float_dtypes, native, put
from .nn_conv import Geometry, conv_geometry
from .registry import Bool, Enum, Int, Shape, operator

_LAYOUT = Enum("layout", ("NCDHW", "NCHW", "NCW"), None, doc="Order of the axes; only NCHW.")


def _params(step):
    return (
        Shape("kernel", length=2, low=1, doc="Height and width of the window."),
        Shape("stride", (), low=1, doc="Step of the window; 1 along every axis when empty."),
        Shape("dilate", (), low=1, doc="Distance of neighbouring window elements; 1 when empty."),
        Shape("pad", (), low=0, doc="Zeros added on both sides of every axis; 0 when empty."),
        Int("num_filter", low=1, doc="Number of output channels."),
        Int("num_group", 1, low=1, doc="Number of groups the channels are split into."),
        Int("num_deformable_group", 1, low=1, doc="Number of groups of channels with offsets of their own."),
        Int("workspace", 1024, low=0, doc="Taken for compatibility; memory is managed by the engine."),
        Bool("no_bias", False, doc="Leave the bias out."),
        *((Int("im2col_step", 64, low=1, doc="Taken for compatibility; samples are gathered all at once."),) if step else ()),
        _LAYOUT,
    )


_DOCS = {
    "offset": "Offsets (batch, deformable groups * window * 2, height, width): y and x for each window element.",
    "mask": "Factors (batch, deformable groups * window, height, width).",
    "weight": "Filters (num_filter, channel / num_group, *kernel).",
    "bias": "One number for each filter.",
}


def _wide(*arrays):
    return [array.astype(compute_dtype(array.dtype), copy=False) for array in arrays]


def _names(modulated):
    inputs = ("data", "offset", "mask", "weight", "bias") if modulated else ("data", "offset", "weight", "bias")

    def active(attrs):
        return inputs[:-1] if attrs.no_bias else inputs

    return inputs, active


def _out_size(geometry: Geometry, spatial):
    return [
        (n + 2 * geometry.pad[i] - geometry.extent(i)) // geometry.stride[i] + 1 for i, n in enumerate(spatial)
    ]


def _shapes(modulated):
    """Return the rule for the output, and the one that gives the shapes of all inputs but the first."""

    def others(attrs, data):
        if len(data) != 4:
            raise ValueError(f"data has {len(data)} axes, expected 4")
        if data[1] % attrs.num_group or attrs.num_filter % attrs.num_group or data[1] % attrs.num_deformable_group:
            raise ValueError(f"num_group and num_deformable_group must divide the {data[1]} channels and num_filter")
        out = _out_size(conv_geometry(attrs), data[2:])
        window = math.prod(attrs.kernel) * attrs.num_deformable_group
        result = [(data[0], 2 * window, *out)]
        if modulated:
            result.append((data[0], window, *out))
        result.append((attrs.num_filter, data[1] // attrs.num_group, *attrs.kernel))
        return result if attrs.no_bias else [*result, (attrs.num_filter,)]

    names, _ = _names(modulated)

    def shape(attrs, shapes):
        for name, found, expected in zip(names[1:], shapes[1:], others(attrs, shapes[0])):
            check_named_shape(name, found, expected)
        out = _out_size(conv_geometry(attrs), shapes[0][2:])
        if min(out) < 1:
            raise ValueError(f"kernel={attrs.kernel} is larger than the padded data")
        return [(shapes[0][0], attrs.num_filter, *out)]

    def infer(attrs, shapes):
        if shapes[0] is None:
            return list(shapes)
        return [shapes[0], *(e if s is None else s for s, e in zip(shapes[1:], others(attrs, shapes[0])))]

    return shape, infer


class _Corner(NamedTuple):
    """One of the four neighbours of every place that is read."""

    place: np.ndarray  # flat index in the image
    inside: np.ndarray  # elsewhere nothing is read, whatever lies at the place
    weight: np.ndarray
    slope_y: np.ndarray
    slope_x: np.ndarray


def _corners(attrs, offset, spatial, modulated):
    """Return the neighbours of all places, arrays of shape (batch, deformable groups, window, out places)."""
    geometry = conv_geometry(attrs)
    batch, groups, window = len(offset), attrs.num_deformable_group, math.prod(attrs.kernel)
    out = offset.shape[2:]
    moves = offset.reshape(batch, groups, window, 2, *out)
    position = []
    for axis in range(2):
        step = np.arange(out[axis]) * geometry.stride[axis] - geometry.pad[axis]
        step = step.reshape((-1, 1) if axis == 0 else (1, -1))
        inner = np.unravel_index(np.arange(window), attrs.kernel)[axis] * geometry.dilate[axis]
        position.append(inner.reshape(-1, 1, 1) + step + moves[:, :, :, axis])
    y, x = position
    height, width = spatial
    if modulated:
        read = (y > -1) & (x > -1) & (y < height) & (x < width)
    else:
        # The first version reads nothing before the edge, and holds the last row and column behind it.
        read = (y >= 0) & (x >= 0) & (y < height) & (x < width)
    # Where a place is held at the edge the result does not depend on it.
    free_y, free_x = (1, 1) if modulated else (y < height - 1, x < width - 1)
    if not modulated:
        y, x = np.minimum(y, height - 1), np.minimum(x, width - 1)
    top, left = np.floor(y), np.floor(x)
    found = []
    for dy in (0, 1):
        for dx in (0, 1):
            row, column = top + dy, left + dx
            inside = read & (row >= 0) & (row < height) & (column >= 0) & (column < width)
            place = np.where(inside, row * width + column, 0).astype(np.int64)
            in_y = y - top if dy else 1 - (y - top)
            in_x = x - left if dx else 1 - (x - left)
            parts = (in_y * in_x, free_y * in_x * (1 if dy else -1), free_x * in_y * (1 if dx else -1))
            parts = (place, inside, *(np.where(inside, part, 0) for part in parts))
            found.append(_Corner(*(np.reshape(part, (batch, groups, window, math.prod(out))) for part in parts)))
    return found


def _take(flat, corner):
    """Return flat (batch, groups, channels, pixels) read at a corner's places (batch, groups, window, out)."""
    batch, groups, channels, _ = flat.shape
    index = corner.place.reshape(batch, groups, 1, math.prod(corner.place.shape[2:]))
    values = np.take_along_axis(flat, index, axis=3).reshape(batch, groups, channels, *corner.place.shape[2:])
    return np.where(corner.inside[:, :, None], values, 0)


def _planes(attrs, data):
    """View images as (batch, deformable groups, channels, pixels)."""
    batch, channels, height, width = data.shape
    return data.reshape(batch, attrs.num_deformable_group, channels // attrs.num_deformable_group, height * width)


def _columns(attrs, patches):
    """View patches as (batch, groups, channels * window, out)."""
    batch, *rest, places = patches.shape
    return patches.reshape(batch, attrs.num_group, math.prod(rest) // attrs.num_group, places)


def _patches(attrs, data, corners):
    """Return bilinear samples (batch, deformable groups, channels, window, out)."""
    flat = _planes(attrs, data)
    return sum(_take(flat, corner) * corner.weight[:, :, None] for corner in corners)


def _filters(attrs, weight):
    """View filters as (groups, filters, channels * window)."""
    return weight.reshape(attrs.num_group, attrs.num_filter // attrs.num_group, -1)


def _forward(modulated):
    def kernel(attrs, ins, outs):
        arrays = dict(zip(_names(modulated)[1](attrs), _wide(*ins)))
        data = arrays["data"]
        patches = _patches(attrs, data, _corners(attrs, arrays["offset"], data.shape[2:], modulated))
        if modulated:
            patches = patches * _mask(attrs, arrays["mask"])[:, :, None]
        columns = _columns(attrs, patches)
        value = (_filters(attrs, arrays["weight"]) @ columns).reshape(outs[0].shape)
        if not attrs.no_bias:
            value = value + arrays["bias"].reshape(1, -1, 1, 1)
        put(outs[0], value)

    return kernel


def _mask(attrs, mask):
    return mask.reshape(len(mask), attrs.num_deformable_group, math.prod(attrs.kernel), math.prod(mask.shape[2:]))


def _backward(modulated):
    def kernel(attrs, ins, outs):
        grad, *rest = _wide(*ins)
        arrays = dict(zip(_names(modulated)[0], rest))
        data, weight = arrays["data"], arrays["weight"]
        corners = _corners(attrs, arrays["offset"], data.shape[2:], modulated)
        grad = grad.reshape(len(grad), attrs.num_group, attrs.num_filter // attrs.num_group, math.prod(grad.shape[2:]))
        patches = _patches(attrs, data, corners)
        d_patches = (_filters(attrs, weight).swapaxes(1, 2) @ grad).reshape(patches.shape)
        results = {}
        scaled = patches
        if modulated:
            mask = _mask(attrs, arrays["mask"])
            scaled = patches * mask[:, :, None]
            results["mask"] = (d_patches * patches).sum(axis=2)
            d_patches = d_patches * mask[:, :, None]
        columns = _columns(attrs, scaled)
        results["weight"] = (grad @ columns.swapaxes(2, 3)).sum(axis=0)
        results["data"], results["offset"] = _sample_backward(attrs, data, corners, d_patches)
        results["bias"] = grad.sum(axis=(0, 3))
        for name, out in zip(_names(modulated)[1](attrs), outs):
            put(out, results[name])

    return kernel


def _sample_backward(attrs, data, corners, d_patches):
    """Return the gradients of :func:`_patches` in data and offsets."""
    flat = _planes(attrs, data)
    d_flat = np.zeros_like(flat)
    batch, groups, channels, _ = flat.shape
    index = tuple(np.arange(n).reshape([-1 if i == axis else 1 for i in range(4)]) for axis, n in enumerate((batch, groups, channels)))
    slopes = [0, 0]
    for corner in corners:
        np.add.at(
            d_flat,
            (*index, corner.place.reshape(batch, groups, 1, math.prod(d_patches.shape[3:]))),
            (d_patches * corner.weight[:, :, None]).reshape(batch, groups, channels, math.prod(d_patches.shape[3:])),
        )
        match = (d_patches * _take(flat, corner)).sum(axis=2)
        slopes[0] = slopes[0] + match * corner.slope_y
        slopes[1] = slopes[1] + match * corner.slope_x
    return d_flat, np.stack(slopes, axis=3)


def _cost(attrs, ins, outs):
    return 20000 + 50.0 * math.prod(outs[0]) * math.prod(attrs.kernel)


def _declare(name, modulated, params, doc):
    inputs, active = _names(modulated)
    shape, infer = _shapes(modulated)
    backward = f"_backward_{name}"
    data_inputs = inputs[:-1]

    def gradient(ctx, out_grad):
        return list(backward_call(backward, [out_grad, *ctx.inputs[: len(data_inputs)]], ctx.attrs))

    def backward_shape(attrs, shapes):
        return list(shapes[1:]) if attrs.no_bias else [*shapes[1:], (attrs.num_filter,)]

    def count(attrs):
        return len(active(attrs))

    operator(
        name,
        inputs=inputs,
        active_inputs=active,
        params=params,
        shape=shape,
        infer_inputs=infer,
        dtype=float_dtypes,
        gradient=gradient,
        saves="i",
        cpu=(native("modulated_convolution" if modulated else "deformable_convolution", "deformable"),),
        numpy=_forward(modulated),
        cost=_cost,
        doc=doc,
        input_docs=_DOCS,
    )
    operator(
        backward,
        inputs=("out_grad", *data_inputs),
        params=params,
        shape=backward_shape,
        dtype=lambda attrs, dtypes: float_dtypes(attrs, dtypes) * count(attrs),
        num_outputs=count,
        cpu=(native("backward_modulated_convolution" if modulated else "backward_deformable_convolution", "deformable"),),
        numpy=_backward(modulated),
        cost=_cost,
        doc=f"""Gradients of {name} in all its inputs.""",
        input_docs=_DOCS,
    )


_declare(
    "_contrib_DeformableConvolution",
    False,
    _params(step=False),
    """Convolution whose window elements read at learnt offsets, by bilinear interpolation (Dai et al., 2017).""",
)
_declare(
    "_contrib_ModulatedDeformableConvolution",
    True,
    _params(step=True),
    """Convolution whose window elements read at learnt offsets and are multiplied by learnt factors (Zhu et al., 2018).""",
)
