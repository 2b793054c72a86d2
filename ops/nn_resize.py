"""Resizing of images: adaptive average pooling, bilinear resizing and upsampling.

All but learnt upsampling are the same thing: two small matrices, one for rows and one for columns, applied from both sides.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .builders import with_input_shapes
from .functions import F
from .nn_common import backward_call, check_named_shape, compute_dtype, float_dtypes, native, put
from .nn_conv import Geometry, correlate, correlate_weight, spread
from .registry import Bool, Enum, Float, Int, Shape, operator


class _Sides(NamedTuple):
    """The matrices that act on the rows and on the columns of images."""

    rows: np.ndarray
    columns: np.ndarray


def _wide(array):
    return array.astype(compute_dtype(array.dtype), copy=False)


def both_sides(rows: np.ndarray, data: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return rows @ image @ columns.T for every image of data (N, C, H, W)."""
    return rows.astype(data.dtype, copy=False) @ data @ columns.T.astype(data.dtype, copy=False)


def _need_images(shape):
    if len(shape) != 4:
        raise ValueError(f"data has {len(shape)} axes, expected 4 (batch, channel, height, width)")
    return shape


def _cost(attrs, ins, outs):
    return 2000 + 5.0 * (math.prod(ins[0]) + math.prod(outs[0]))


def _declare_separable(name, backward, params, size, matrix, doc, *, inputs=("data",), active=None, dtype=float_dtypes, examples=""):
    """Declare an operator out = R(h) @ data @ R(w).T; ``size(attrs, shapes)`` is (h, w), ``matrix(attrs, n_in, n_out)`` R."""

    def matrices(attrs, in_shape, out_shape):
        return matrix(attrs, in_shape[2], out_shape[2]), matrix(attrs, in_shape[3], out_shape[3])

    def sides(attrs, ins, outs):
        return _Sides(*matrices(attrs, ins[0].shape, outs[0].shape)), ins[:1], outs

    def adjoint_sides(attrs, ins, outs):
        rows, columns = matrices(attrs, outs[0].shape, ins[0].shape)
        return _Sides(rows.T, columns.T), ins[:1], outs

    def forward(attrs, ins, outs):
        rows, columns = matrices(attrs, ins[0].shape, outs[0].shape)
        put(outs[0], both_sides(rows, _wide(ins[0]), columns))

    def adjoint(attrs, ins, outs):
        rows, columns = matrices(attrs, outs[0].shape, ins[0].shape)
        put(outs[0], both_sides(rows.T, _wide(ins[0]), columns.T))

    def shape(attrs, shapes):
        return [(*_need_images(shapes[0])[:2], *size(attrs, shapes))]

    def gradient(ctx, out_grad):
        found = backward_call(backward, [out_grad, *ctx.inputs], ctx.attrs)
        return [found, *[F.zeros_like(x) for x in ctx.inputs[1:]]]

    operator(
        name,
        inputs=inputs,
        active_inputs=active,
        params=params,
        shape=shape,
        dtype=dtype,
        gradient=gradient,
        saves="i",
        cpu=(with_input_shapes(native("separable", "spatial"), sides),),
        numpy=forward,
        cost=_cost,
        doc=doc,
        input_docs={"like": "Array whose height and width the result gets."},
        examples=examples,
    )
    operator(
        backward,
        inputs=("out_grad", *inputs),
        active_inputs=None if active is None else lambda attrs: ("out_grad", *active(attrs)),
        params=params,
        shape=lambda attrs, shapes: [shapes[1]],
        dtype=dtype,
        unread=(1, 2),
        gradient=lambda ctx, head: [
            getattr(F, name)(head, *ctx.inputs[2:], **ctx.attrs.to_dict()),
            *[None] * (len(ctx.inputs) - 1),
        ],
        saves="i",
        cpu=(with_input_shapes(native("separable", "spatial"), adjoint_sides),),
        numpy=adjoint,
        cost=_cost,
        doc=f"""Gradient of {name} in its data.""",
        input_docs={"like": "Array whose height and width the result of the forward call got."},
    )


# ---- adaptive average pooling ------------------------------------------------------------------------------------------


def _adaptive_size(attrs, shapes):
    size = attrs.output_size or (1, 1)
    if len(size) > 2:
        raise ValueError(f"output_size={size} has {len(size)} entries, expected at most 2")
    return (size[0], size[-1])


def average_matrix(attrs, n_in: int, n_out: int) -> np.ndarray:
    """Return the matrix whose row i averages elements floor(i * n_in / n_out) up to ceil((i + 1) * n_in / n_out)."""
    place = np.arange(n_out)
    begin, end = place * n_in // n_out, -(-(place + 1) * n_in // n_out)
    inside = (np.arange(n_in) >= begin[:, None]) & (np.arange(n_in) < end[:, None])
    return inside / (end - begin)[:, None]


_declare_separable(
    "_contrib_AdaptiveAvgPooling2D",
    "_backward_contrib_AdaptiveAvgPooling2D",
    (Shape("output_size", (), low=1, doc="Height and width of the result; one number for both; (1, 1) when empty."),),
    _adaptive_size,
    average_matrix,
    """Average over as many nearly equal windows as the result has elements.""",
    examples="""
    >>> from weft import nd
    >>> nd.contrib.AdaptiveAvgPooling2D(nd.ones((1, 1, 4, 4)), output_size=(2, 3)).shape
    (1, 1, 2, 3)
    """,
)

# ---- bilinear resizing -------------------------------------------------------------------------------------------------

_RESIZE = (
    Int("height", 1, low=1, doc="Height of the result."),
    Int("width", 1, low=1, doc="Width of the result."),
    Float("scale_height", None, doc="Factor on the height, in place of ``height``."),
    Float("scale_width", None, doc="Factor on the width, in place of ``width``."),
    Enum(
        "mode",
        ("like", "odd_scale", "size", "to_even_down", "to_even_up", "to_odd_down", "to_odd_up"),
        "size",
        doc="Where the size of the result comes from: the parameters, another array, or the next even or odd number.",
    ),
    Bool("align_corners", True, doc="Keep the corner elements in the corners."),
)


def _scaled(attrs, size, scale, fixed):
    mode = attrs.mode
    if mode == "size":
        return fixed if scale is None else int(size * scale)
    if mode == "odd_scale":
        if scale is None:
            raise ValueError("mode='odd_scale' needs scale_height and scale_width")
        return int(size * scale) if size % 2 == 0 else int((size - 1) * scale) + 1
    wrong = size % 2 == (1 if "even" in mode else 0)
    return size + (0 if not wrong else 1 if mode.endswith("up") else -1)


def _resize_size(attrs, shapes):
    if attrs.mode == "like":
        return _need_images(shapes[-1])[2:]
    height, width = shapes[0][2:]
    size = (_scaled(attrs, height, attrs.scale_height, attrs.height), _scaled(attrs, width, attrs.scale_width, attrs.width))
    if min(size) < 1:
        raise ValueError(f"the result would have height and width {size}")
    return size


def bilinear_matrix(attrs, n_in: int, n_out: int) -> np.ndarray:
    """Return the matrix of linear interpolation from n_in to n_out places."""
    place = np.arange(n_out, dtype=np.float64)
    if n_out == 1:
        source = np.zeros(1)
    elif attrs.align_corners:
        source = place * (n_in - 1) / (n_out - 1)
    else:
        source = np.maximum((place + 0.5) * n_in / n_out - 0.5, 0)
    low = np.minimum(source.astype(np.int64), n_in - 1)
    high = np.minimum(low + 1, n_in - 1)
    share = source - low
    matrix = np.zeros((n_out, n_in))
    rows = np.arange(n_out)
    np.add.at(matrix, (rows, low), 1 - share)
    np.add.at(matrix, (rows, high), share)
    return matrix


_declare_separable(
    "_contrib_BilinearResize2D",
    "_backward_contrib_BilinearResize2D",
    _RESIZE,
    _resize_size,
    bilinear_matrix,
    """Resize images by bilinear interpolation.""",
    inputs=("data", "like"),
    active=lambda attrs: ("data", "like") if attrs.mode == "like" else ("data",),
    examples="""
    >>> from weft import nd
    >>> nd.contrib.BilinearResize2D(nd.array([[[[0, 1]]]]), height=1, width=3).asnumpy()
    array([[[[0. , 0.5, 1. ]]]], dtype=float32)
    """,
)

# ---- UpSampling --------------------------------------------------------------------------------------------------------

_UP = (
    Int("scale", low=1, doc="Factor on height and width of the first input."),
    Int("num_filter", 0, low=0, doc="Number of channels; for bilinear upsampling."),
    Enum("sample_type", ("bilinear", "nearest"), doc="Repeat elements, or interpolate with learnt weights."),
    Enum("multi_input_mode", ("concat", "sum"), "concat", doc="How several upsampled inputs become one result."),
    Int("num_args", low=1, doc="Number of inputs; two (data, weight) for bilinear upsampling."),
    Int("workspace", 512, low=0, doc="Taken for compatibility; memory is managed by the engine."),
)


def _up_names(attrs):
    if attrs.sample_type == "bilinear":
        return ("data", "weight")
    return tuple(f"arg{i}" for i in range(attrs.num_args))


def _up_window(attrs):
    """Return the size of the bilinear kernel and the padding."""
    return 2 * attrs.scale - attrs.scale % 2, attrs.scale // 2


def _up_geometry(attrs):
    kernel, pad = _up_window(attrs)
    return Geometry((kernel,) * 2, (attrs.scale,) * 2, (1, 1), (pad,) * 2)


def _up_shape(attrs, shapes):
    batch, channels, height, width = _need_images(shapes[0])
    target = (height * attrs.scale, width * attrs.scale)
    if attrs.sample_type == "bilinear":
        if len(shapes) != 2:
            raise ValueError(f"bilinear upsampling takes 2 inputs, data and weight; got {len(shapes)}")
        kernel, _ = _up_window(attrs)
        check_named_shape("weight", shapes[1], (channels, 1, kernel, kernel))
        return [(batch, channels, *target)]
    for index, shape in enumerate(shapes):
        if 0 in shape[2:]:
            raise ValueError(f"input {index} has shape {shape}, expected a height and a width")
        if shape[0] != batch or target[0] % shape[2] or target[1] % shape[3] or target[0] * shape[3] != target[1] * shape[2]:
            raise ValueError(f"input {index} of shape {shape} cannot be upsampled to height and width {target}")
        if attrs.multi_input_mode == "sum" and shape[1] != channels:
            raise ValueError(f"input {index} has {shape[1]} channels, expected {channels} to be summed")
    total = channels if attrs.multi_input_mode == "sum" else sum(shape[1] for shape in shapes)
    return [(batch, total, *target)]


def _up_infer(attrs, shapes):
    shapes = list(shapes)
    if attrs.sample_type == "bilinear" and len(shapes) == 2 and shapes[0] is not None and shapes[1] is None:
        kernel, _ = _up_window(attrs)
        shapes[1] = (shapes[0][1], 1, kernel, kernel)
    return shapes


def _nearest(gradient: bool):
    """Return a builder for repeated elements of a single input, or for the gradient of that."""
    separable = native("separable", "spatial")

    def build(attrs, in_specs, out_specs):
        if attrs.sample_type != "nearest" or len(in_specs) != 1 + gradient or len(out_specs) != 1:
            return None
        height, width = (out_specs if gradient else in_specs)[0].shape[2:]
        rows, columns = (np.repeat(np.eye(count), attrs.scale, axis=0) for count in (height, width))
        sides = _Sides(rows.T, columns.T) if gradient else _Sides(rows, columns)
        return separable(sides, in_specs[:1], out_specs)

    return build


def _up_forward(attrs, ins, outs):
    if attrs.sample_type == "bilinear":
        data, weight = map(_wide, ins)
        return put(outs[0], spread(data, weight, _up_geometry(attrs), data.shape[1], outs[0].shape[2:]))
    height = outs[0].shape[2]
    parts = [np.repeat(np.repeat(x, height // x.shape[2], axis=2), height // x.shape[2], axis=3) for x in map(_wide, ins)]
    if attrs.multi_input_mode == "sum":
        return put(outs[0], sum(parts[1:], start=parts[0]))
    return put(outs[0], np.concatenate(parts, axis=1))


def _up_backward(attrs, ins, outs):
    grad, *data = map(_wide, ins)
    if attrs.sample_type == "bilinear":
        x, weight = data
        put(outs[0], correlate(grad, weight, _up_geometry(attrs), x.shape[1], x.shape[2:]))
        return put(outs[1], correlate_weight(x, grad, _up_geometry(attrs), x.shape[1]))
    channel = 0
    for x, out in zip(data, outs):
        part = grad if attrs.multi_input_mode == "sum" else grad[:, channel : channel + x.shape[1]]
        channel += x.shape[1]
        factor = grad.shape[2] // x.shape[2]
        blocks = part.reshape(*x.shape[:3], factor, x.shape[3], factor)
        put(out, blocks.sum(axis=(3, 5)))
    return None


def _up_gradient(ctx, out_grad):
    result = F._backward_UpSampling(out_grad, *ctx.inputs, **{**ctx.attrs.to_dict(), "num_args": len(ctx.inputs) + 1})
    return list(result) if isinstance(result, (list, tuple)) else [result]


operator(
    "UpSampling",
    inputs=("*data",),
    active_inputs=_up_names,
    variable_attrs=lambda attrs: {"weight": {"__init__": '["bilinear", {}]'}} if attrs.sample_type == "bilinear" else {},
    params=_UP,
    shape=_up_shape,
    infer_inputs=_up_infer,
    dtype=float_dtypes,
    gradient=_up_gradient,
    saves="i",
    cpu=(_nearest(gradient=False),),
    numpy=_up_forward,
    cost=_cost,
    doc="""Enlarge images ``scale`` times: by repeating elements, or as a transposed convolution with the second input as
    learnt weights (one kernel for each channel). Several inputs are enlarged to one size and concatenated or summed.""",
    examples="""
    >>> from weft import nd
    >>> nd.UpSampling(nd.array([[[[1, 2]]]]), scale=2, sample_type="nearest").asnumpy()
    array([[[[1., 1., 2., 2.],
             [1., 1., 2., 2.]]]], dtype=float32)
    """,
)
operator(
    "_backward_UpSampling",
    inputs=("*args",),
    params=_UP,
    shape=lambda attrs, shapes: list(shapes[1:]),
    dtype=lambda attrs, dtypes: float_dtypes(attrs, dtypes) * (attrs.num_args - 1),
    num_outputs=lambda attrs: attrs.num_args - 1,
    cpu=(_nearest(gradient=True),),
    numpy=_up_backward,
    cost=_cost,
    doc="""Gradients of UpSampling; the inputs are the output's gradient and the forward call's inputs.""",
)
