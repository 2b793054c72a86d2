"""Sampling images along grids, and correlation of two images."""

from __future__ import annotations

import math

import numpy as np

from .nn_common import (
    backward_call,
    backward_wanted,
    check_named_shape,
    choose_wanted,
    compute_dtype,
    float_dtypes,
    native,
    put,
    wanted_outputs,
)
from .registry import Bool, Enum, Int, Shape, operator

_DOCS = {
    "grid": "Places to sample, (batch, 2, height, width): x and y between -1 and 1.",
    "loc": "Affine transformations (batch, 6).",
    "data1": "First images.",
    "data2": "Second images.",
}


def _wide(*arrays):
    return [array.astype(compute_dtype(array.dtype), copy=False) for array in arrays]


def _need_images(name, shape):
    if len(shape) != 4:
        raise ValueError(f"{name} has {len(shape)} axes, expected 4")
    return shape


def _two(attrs, dtypes):
    return float_dtypes(attrs, dtypes) * 2


# Images are often data, whose gradient nobody wants.
_WANTED = Int("wanted", 3, low=1, high=3, doc="Bit i: whether the gradient of input i is an output.")


def _wanted_dtypes(attrs, dtypes):
    return float_dtypes(attrs, dtypes) * wanted_outputs(attrs)


def _cost(attrs, ins, outs):
    return 3000 + 20.0 * math.prod(outs[0])


# ---- GridGenerator -----------------------------------------------------------------------------------------------------

_GRID = (
    Enum("transform_type", ("affine", "warp"), doc="Affine transformation, or a displacement for each pixel."),
    Shape("target_shape", (0, 0), doc="Height and width of the grid; for affine transformations."),
)


def _axis_places(size, dtype):
    return np.linspace(-1, 1, size, dtype=dtype) if size > 1 else np.full(1, -1, dtype)


def _base_grid(target, dtype):
    """Return (3, height * width): x, y and 1 of every place."""
    y, x = np.meshgrid(_axis_places(target[0], dtype), _axis_places(target[1], dtype), indexing="ij")
    return np.stack([x.ravel(), y.ravel(), np.ones(x.size, dtype)])


def _need_target(attrs):
    if len(attrs.target_shape) != 2 or min(attrs.target_shape) < 1:
        raise ValueError(f"target_shape={attrs.target_shape}: expected the height and width of the grid")
    return attrs.target_shape


def _grid_shape(attrs, shapes):
    data = shapes[0]
    if attrs.transform_type == "affine":
        check_named_shape("data", data, (data[0], 6))
        return [(data[0], 2, *_need_target(attrs))]
    check_named_shape("data", data, (data[0], 2, *_need_images("data", data)[2:]))
    return [data]


def _affine(theta, target):
    return (theta.reshape(-1, 2, 3) @ _base_grid(target, theta.dtype)).reshape(len(theta), 2, *target)


def _affine_gradient(grad):
    target = grad.shape[2:]
    return (grad.reshape(len(grad), 2, -1) @ _base_grid(target, grad.dtype).T).reshape(len(grad), 6)


def _warp_scale(shape, dtype):
    return np.array([2 / max(shape[3] - 1, 1), 2 / max(shape[2] - 1, 1)], dtype).reshape(1, 2, 1, 1)


def _grid_forward(attrs, ins, outs):
    (data,) = _wide(*ins)
    if attrs.transform_type == "affine":
        return put(outs[0], _affine(data, attrs.target_shape))
    y, x = np.indices(data.shape[2:])
    return put(outs[0], (data + np.stack([x, y])) * _warp_scale(data.shape, data.dtype) - 1)


def _grid_backward(attrs, ins, outs):
    (grad,) = _wide(ins[0])
    if attrs.transform_type == "affine":
        return put(outs[0], _affine_gradient(grad))
    return put(outs[0], grad * _warp_scale(grad.shape, grad.dtype))


operator(
    "GridGenerator",
    params=_GRID,
    shape=_grid_shape,
    dtype=float_dtypes,
    gradient=lambda ctx, grad: [backward_call("_backward_GridGenerator", [grad, ctx.inputs[0]], ctx.attrs)],
    saves="i",
    cpu=(native("grid_generator", "spatial"),),
    numpy=_grid_forward,
    cost=_cost,
    doc="""Make a sampling grid for BilinearSampler from affine transformations (batch, 6) or from displacements in pixels
    (batch, 2, height, width).""",
    examples="""
    >>> from weft import nd
    >>> nd.GridGenerator(nd.array([[1, 0, 0, 0, 1, 0]]), transform_type="affine", target_shape=(1, 3)).shape
    (1, 2, 1, 3)
    """,
)
operator(
    "_backward_GridGenerator",
    inputs=("out_grad", "data"),
    params=_GRID,
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=float_dtypes,
    cpu=(native("backward_grid_generator", "spatial"),),
    numpy=_grid_backward,
    cost=_cost,
    doc="""Gradient of GridGenerator.""",
)

# ---- BilinearSampler ---------------------------------------------------------------------------------------------------

_SAMPLER = (Bool("cudnn_off", None, doc="Do not use cuDNN; ignored on CPU."),)


def _sampler_shape(attrs, shapes):
    data, grid = (_need_images(name, shape) for name, shape in zip(("data", "grid"), shapes))
    check_named_shape("grid", grid, (data[0], 2, *grid[2:]))
    return [(*data[:2], *grid[2:])]


def _corners(grid, height, width):
    """Yield for each of the four neighbours: flat place, weight, and the weight's slope in x and y (in pixels)."""
    x = (grid[:, 0] + 1) * (width - 1) / 2
    y = (grid[:, 1] + 1) * (height - 1) / 2
    left, top = np.floor(x), np.floor(y)
    for dx in (0, 1):
        for dy in (0, 1):
            column, row = left + dx, top + dy
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            place = np.where(inside, row * width + column, 0).astype(np.int64)
            in_x = x - left if dx else 1 - (x - left)
            in_y = y - top if dy else 1 - (y - top)
            sign_x, sign_y = (1 if dx else -1), (1 if dy else -1)
            yield place, inside * in_x * in_y, inside * sign_x * in_y, inside * sign_y * in_x


def sample(data: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return data read at the grid's places, zero outside of the image."""
    batch, channels, height, width = data.shape
    flat = data.reshape(batch, channels, -1)
    total = np.zeros((batch, channels, *grid.shape[2:]), data.dtype)
    for place, weight, _, _ in _corners(grid, height, width):
        values = np.take_along_axis(flat, place.reshape(batch, 1, -1), axis=2).reshape(total.shape)
        total += values * weight[:, None]
    return total


def sample_gradients(grad: np.ndarray, data: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradients of :func:`sample` in data and grid."""
    batch, channels, height, width = data.shape
    flat = data.reshape(batch, channels, -1)
    d_data = np.zeros_like(flat)
    d_grid = np.zeros_like(grid)
    samples, planes = np.arange(batch)[:, None, None], np.arange(channels)[None, :, None]
    for place, weight, slope_x, slope_y in _corners(grid, height, width):
        index = place.reshape(batch, 1, -1)
        np.add.at(d_data, (samples, planes, index), (grad * weight[:, None]).reshape(batch, channels, -1))
        match = (np.take_along_axis(flat, index, axis=2).reshape(grad.shape) * grad).sum(axis=1)
        d_grid[:, 0] += match * slope_x * ((width - 1) / 2)
        d_grid[:, 1] += match * slope_y * ((height - 1) / 2)
    return d_data.reshape(data.shape), d_grid


def _sampler_backward(attrs, ins, outs):
    for out, value in zip(outs, choose_wanted(attrs, sample_gradients(*_wide(*ins)))):
        put(out, value)


operator(
    "BilinearSampler",
    inputs=("data", "grid"),
    params=_SAMPLER,
    shape=_sampler_shape,
    dtype=float_dtypes,
    gradient=lambda ctx, grad: backward_wanted(ctx, "_backward_BilinearSampler", [grad, *ctx.inputs]),
    saves="i",
    cpu=(native("bilinear_sampler", "spatial"),),
    numpy=lambda attrs, ins, outs: put(outs[0], sample(*_wide(*ins))),
    cost=_cost,
    doc="""Read images at the places of a grid by bilinear interpolation; outside of the image there are zeros.""",
    input_docs=_DOCS,
    examples="""
    >>> from weft import nd
    >>> float(nd.BilinearSampler(nd.array([[[[1, 3]]]]), nd.zeros((1, 2, 1, 1))).asscalar())
    2.0
    """,
)
operator(
    "_backward_BilinearSampler",
    inputs=("out_grad", "data", "grid"),
    params=(*_SAMPLER, _WANTED),
    shape=lambda attrs, shapes: choose_wanted(attrs, shapes[1:]),
    dtype=_wanted_dtypes,
    num_outputs=wanted_outputs,
    cpu=(native("backward_bilinear_sampler", "spatial"),),
    numpy=_sampler_backward,
    cost=_cost,
    doc="""Gradients of BilinearSampler in data and grid.""",
    input_docs=_DOCS,
)

# ---- SpatialTransformer ------------------------------------------------------------------------------------------------

_TRANSFORMER = (
    Shape("target_shape", (0, 0), doc="Height and width of the result."),
    Enum("transform_type", ("affine",), doc="Kind of transformation."),
    Enum("sampler_type", ("bilinear",), doc="Kind of interpolation."),
    Bool("cudnn_off", None, doc="Do not use cuDNN; ignored on CPU."),
)


def _transformer_shape(attrs, shapes):
    data, loc = shapes
    _need_images("data", data)
    check_named_shape("loc", loc, (data[0], 6))
    return [(*data[:2], *_need_target(attrs))]


def _transformer_forward(attrs, ins, outs):
    data, loc = _wide(*ins)
    put(outs[0], sample(data, _affine(loc, attrs.target_shape)))


def _transformer_backward(attrs, ins, outs):
    grad, data, loc = _wide(*ins)
    d_data, d_grid = sample_gradients(grad, data, _affine(loc, attrs.target_shape))
    for out, value in zip(outs, choose_wanted(attrs, [d_data, _affine_gradient(d_grid)])):
        put(out, value)


operator(
    "SpatialTransformer",
    inputs=("data", "loc"),
    params=_TRANSFORMER,
    shape=_transformer_shape,
    infer_inputs=lambda attrs, shapes: [
        shapes[0],
        (shapes[0][0], 6) if shapes[1] is None and shapes[0] is not None else shapes[1],
    ],
    dtype=float_dtypes,
    gradient=lambda ctx, grad: backward_wanted(ctx, "_backward_SpatialTransformer", [grad, *ctx.inputs]),
    saves="i",
    cpu=(native("spatial_transformer", "spatial"),),
    numpy=_transformer_forward,
    cost=_cost,
    doc="""Move, turn and scale images by affine transformations: GridGenerator followed by BilinearSampler.""",
    input_docs=_DOCS,
)
operator(
    "_backward_SpatialTransformer",
    inputs=("out_grad", "data", "loc"),
    params=(*_TRANSFORMER, _WANTED),
    shape=lambda attrs, shapes: choose_wanted(attrs, shapes[1:]),
    dtype=_wanted_dtypes,
    num_outputs=wanted_outputs,
    cpu=(native("backward_spatial_transformer", "spatial"),),
    numpy=_transformer_backward,
    cost=_cost,
    doc="""Gradients of SpatialTransformer in data and loc.""",
    input_docs=_DOCS,
)

# ---- Correlation -------------------------------------------------------------------------------------------------------

_CORRELATION = (
    Int("kernel_size", 1, low=1, doc="Size of the patches that are compared; odd."),
    Int("max_displacement", 1, low=0, doc="Largest displacement."),
    Int("stride1", 1, low=1, doc="Step in the first image."),
    Int("stride2", 1, low=1, doc="Step of the displacement."),
    Int("pad_size", 0, low=0, doc="Zeros around the images."),
    Bool("is_multiply", True, doc="Multiply patches, or sum up absolute differences."),
)


def _correlation_shape(attrs, shapes):
    data = _need_images("data1", shapes[0])
    check_named_shape("data2", shapes[1], data)
    if attrs.kernel_size % 2 == 0:
        raise ValueError(f"kernel_size={attrs.kernel_size} must be odd")
    border = attrs.max_displacement + attrs.kernel_size // 2
    size = [-(-(n + 2 * attrs.pad_size - 2 * border) // attrs.stride1) for n in data[2:]]
    if min(size) < 1:
        raise ValueError("max_displacement, kernel_size and pad_size leave no place to compare")
    steps = 2 * (attrs.max_displacement // attrs.stride2) + 1
    return [(data[0], steps * steps, *size)]


def _displacements(attrs):
    radius = attrs.max_displacement // attrs.stride2
    steps = [step * attrs.stride2 for step in range(-radius, radius + 1)]
    return [(dy, dx) for dy in steps for dx in steps]


def _window(attrs, out_shape, row, column):
    """Return where one element of all patches lies in a padded image, displaced by (row, column)."""
    start = attrs.max_displacement
    height, width = out_shape[2:]
    step = attrs.stride1
    top, left = start + row, start + column
    return (
        slice(None),
        slice(None),
        slice(top, top + step * (height - 1) + 1, step),
        slice(left, left + step * (width - 1) + 1, step),
    )


def _pairs(attrs, out_shape):
    """Yield displacement number and the windows in the first and the second image, for each patch element."""
    for number, (dy, dx) in enumerate(_displacements(attrs)):
        for i in range(attrs.kernel_size):
            for j in range(attrs.kernel_size):
                yield number, _window(attrs, out_shape, i, j), _window(attrs, out_shape, i + dy, j + dx)


def _padded_pair(attrs, first, second):
    widths = [(0, 0), (0, 0), *[(attrs.pad_size, attrs.pad_size)] * 2]
    return np.pad(first, widths), np.pad(second, widths)


def _correlation_forward(attrs, ins, outs):
    first, second = _padded_pair(attrs, *_wide(*ins))
    total = np.zeros(outs[0].shape, first.dtype)
    for number, here, there in _pairs(attrs, total.shape):
        a, b = first[here], second[there]
        total[:, number] += (a * b if attrs.is_multiply else np.abs(a - b)).sum(axis=1)
    put(outs[0], total / (attrs.kernel_size**2 * first.shape[1]))


def _correlation_backward(attrs, ins, outs):
    grad, *data = _wide(*ins)
    first, second = _padded_pair(attrs, *data)
    grad = grad / (attrs.kernel_size**2 * first.shape[1])
    d_first, d_second = np.zeros_like(first), np.zeros_like(second)
    for number, here, there in _pairs(attrs, grad.shape):
        part = grad[:, number, None]
        a, b = first[here], second[there]
        if attrs.is_multiply:
            d_first[here] += part * b
            d_second[there] += part * a
        else:
            sign = np.where(a >= b, 1, -1).astype(part.dtype)  # equal values have the slope of the larger first one
            d_first[here] += part * sign
            d_second[there] -= part * sign
    inner = slice(attrs.pad_size, -attrs.pad_size or None)
    put(outs[0], d_first[:, :, inner, inner])
    put(outs[1], d_second[:, :, inner, inner])


operator(
    "Correlation",
    inputs=("data1", "data2"),
    params=_CORRELATION,
    shape=_correlation_shape,
    dtype=float_dtypes,
    gradient=lambda ctx, grad: list(backward_call("_backward_Correlation", [grad, *ctx.inputs], ctx.attrs)),
    saves="i",
    numpy=_correlation_forward,
    cost=lambda attrs, ins, outs: 5000 + 5.0 * math.prod(outs[0]) * ins[0][1] * attrs.kernel_size**2,
    doc="""Compare patches of one image with displaced patches of another (FlowNet): one channel for each displacement.""",
    input_docs=_DOCS,
)
operator(
    "_backward_Correlation",
    inputs=("out_grad", "data1", "data2"),
    params=_CORRELATION,
    shape=lambda attrs, shapes: [shapes[1], shapes[2]],
    dtype=_two,
    num_outputs=2,
    numpy=_correlation_backward,
    cost=_cost,
    doc="""Gradients of Correlation in both images.""",
    input_docs=_DOCS,
)
