"""Convolution and its transpose (Deconvolution) over one, two or three spatial axes.

The NumPy kernels view the data as patches (strided windows, no copy) and contract them with the weights by one matrix
product for each group; the adjoint adds one shifted slab for each kernel position. They are the reference for the oneDNN kernels
and the fallback where those do not apply.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from . import partial
from .functions import F
from .nn_common import (
    CHANNEL_LAST,
    WANTED,
    backward_wanted,
    check_named_shape,
    choose_wanted,
    compute_dtype,
    float_dtypes,
    native,
    put,
    to_channel_first,
    to_channel_last,
    wanted_outputs,
)
from .registry import Bool, Enum, Int, Shape, operator

_LAYOUTS = ("NCW", "NCHW", "NCDHW", "NHWC", "NDHWC")


def _conv_params(workspace, layouts=_LAYOUTS):
    return (
        Shape("kernel", low=1, doc="Size of the window: (w,), (h, w) or (d, h, w)."),
        Shape("stride", (), low=1, doc="Step of the window; 1 along every axis when empty."),
        Shape("dilate", (), low=1, doc="Distance of neighbouring window elements; 1 when empty."),
        Shape("pad", (), low=0, doc="Zeros added on both sides of every axis; 0 when empty."),
        Int("num_filter", low=1, doc="Number of output channels."),
        Int("num_group", 1, low=1, doc="Number of groups the channels are split into."),
        Int("workspace", workspace, low=0, doc="Taken for compatibility; memory is managed by the engine."),
        Bool("no_bias", False, doc="Leave the bias out."),
        Enum(
            "cudnn_tune", ("fastest", "limited_workspace", "off"), None, doc="Algorithm search on CUDA; ignored on CPU."
        ),
        Bool("cudnn_off", False, doc="Do not use cuDNN; ignored on CPU."),
        Enum("layout", layouts, None, doc="Order of the axes; channels first by default."),
    )


_CONV = _conv_params(1024)
_CONV_V1 = _conv_params(1024, ("NCHW", "NCDHW", "NHWC", "NDHWC"))
_DECONV = (
    *_conv_params(512)[:4],
    Shape("adj", (), low=0, doc="Elements added to one side of the output; less than the stride."),
    Shape("target_shape", (), low=0, doc="Spatial shape of the output; pad and adj follow from it."),
    *_conv_params(512)[4:7],
    Bool("no_bias", True, doc="Leave the bias out."),
    *_conv_params(512)[8:],
)


class Geometry(NamedTuple):
    """Window of a convolution, one entry for each spatial axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilate: tuple[int, ...]
    pad: tuple[int, ...]

    def extent(self, axis: int) -> int:
        """Return how far the dilated window reaches along an axis."""
        return (self.kernel[axis] - 1) * self.dilate[axis] + 1


def _per_axis(attrs, name: str, default: int) -> tuple[int, ...]:
    value = getattr(attrs, name)
    if not value:
        return (default,) * len(attrs.kernel)
    if len(value) != len(attrs.kernel):
        raise ValueError(f"{name}={value} has {len(value)} entries, expected {len(attrs.kernel)} like kernel={attrs.kernel}")
    return value


def conv_geometry(attrs) -> Geometry:
    """Return the window of a Convolution with defaults filled in."""
    return Geometry(attrs.kernel, _per_axis(attrs, "stride", 1), _per_axis(attrs, "dilate", 1), _per_axis(attrs, "pad", 0))


def channel_last(attrs) -> bool:
    """Whether the layout keeps the channels in the last axis."""
    return attrs.layout in CHANNEL_LAST


def _split_shape(attrs, shape: Sequence[int]) -> tuple[int, int, tuple[int, ...]]:
    """Return batch size, channels and spatial shape of the data."""
    if len(shape) != len(attrs.kernel) + 2:
        raise ValueError(f"data has {len(shape)} axes, expected {len(attrs.kernel) + 2} for kernel={attrs.kernel}")
    if attrs.layout is not None and len(attrs.layout) != len(shape):
        raise ValueError(f"layout={attrs.layout!r} does not fit data of {len(shape)} axes")
    if channel_last(attrs):
        return shape[0], shape[-1], tuple(shape[1:-1])
    return shape[0], shape[1], tuple(shape[2:])


def _join_shape(attrs, batch: int, channels: int, spatial: Sequence[int]) -> tuple[int, ...]:
    return (batch, *spatial, channels) if channel_last(attrs) else (batch, channels, *spatial)


def _check_groups(attrs, channels: int) -> None:
    if channels % attrs.num_group or attrs.num_filter % attrs.num_group:
        raise ValueError(
            f"num_group={attrs.num_group} must divide the input channels ({channels}) and num_filter={attrs.num_filter}"
        )


def _input_names(attrs):
    return ("data", "weight") if attrs.no_bias else ("data", "weight", "bias")


def _weight_shape(attrs, data_shape, transposed: bool) -> tuple[int, ...]:
    _, channels, _ = _split_shape(attrs, data_shape)
    _check_groups(attrs, channels)
    if transposed:
        outer, inner = channels, attrs.num_filter // attrs.num_group
    else:
        outer, inner = attrs.num_filter, channels // attrs.num_group
    return (outer, *attrs.kernel, inner) if channel_last(attrs) else (outer, inner, *attrs.kernel)


def _weights_rule(transposed: bool):
    def infer(attrs, shapes):
        shapes = list(shapes)
        if shapes[0] is not None and shapes[1] is None:
            shapes[1] = _weight_shape(attrs, shapes[0], transposed)
        if not attrs.no_bias and shapes[2] is None:
            shapes[2] = (attrs.num_filter,)
        return shapes

    return infer


def _partial(op, attrs, ins, outs):
    data, out = ins[0], outs[0]
    if data and out:
        # The batch always follows from the result; sizes do where every place of the window is used.
        window = conv_geometry(attrs)
        spatial = [
            size + window.extent(i) - 1 - 2 * window.pad[i] if size and window.stride[i] == 1 else 0
            for i, size in enumerate(_split_shape(attrs, out)[2])
        ]
        data = partial.merge(data, _join_shape(attrs, out[0], 0, spatial), "data")
    return partial.forward(op, attrs, [data, *ins[1:]], outs)


def _deconv_partial(op, attrs, ins, outs):
    data, out = ins[0], outs[0]
    if data and out:
        data = partial.merge(data, _join_shape(attrs, out[0], 0, partial.unknown(len(data) - 2)), "data")
    return partial.forward(op, attrs, [data, *ins[1:]], outs)


def _check_inputs(attrs, shapes, transposed: bool) -> None:
    check_named_shape("weight", shapes[1], _weight_shape(attrs, shapes[0], transposed))
    if not attrs.no_bias:
        check_named_shape("bias", shapes[2], (attrs.num_filter,))


def _conv_shape(attrs, shapes):
    batch, _, spatial = _split_shape(attrs, shapes[0])
    geometry = conv_geometry(attrs)
    _check_inputs(attrs, shapes, transposed=False)
    out = []
    for axis, size in enumerate(spatial):
        room = size + 2 * geometry.pad[axis] - geometry.extent(axis)
        if room < 0:
            raise ValueError(
                f"kernel={attrs.kernel} reaches over {geometry.extent(axis)} elements of spatial axis {axis}, "
                f"but the padded data has only {size + 2 * geometry.pad[axis]}"
            )
        out.append(room // geometry.stride[axis] + 1)
    return [_join_shape(attrs, batch, attrs.num_filter, out)]


# ---- NumPy kernels, channels first -------------------------------------------------------------------------------------


def _patches(data: np.ndarray, geometry: Geometry, out_spatial: Sequence[int]) -> np.ndarray:
    """View padded data (N, C, ...) as windows (N, C, *out, *kernel)."""
    rank = len(geometry.kernel)
    if any(geometry.pad):
        data = np.pad(data, [(0, 0), (0, 0), *((p, p) for p in geometry.pad)])
    steps = data.strides[2:]
    shape = (*data.shape[:2], *out_spatial, *geometry.kernel)
    strides = (
        *data.strides[:2],
        *(steps[i] * geometry.stride[i] for i in range(rank)),
        *(steps[i] * geometry.dilate[i] for i in range(rank)),
    )
    return np.lib.stride_tricks.as_strided(data, shape, strides, writeable=False)


def _groups(array: np.ndarray, axis: int, count: int) -> list[np.ndarray]:
    return [array] if count == 1 else np.split(array, count, axis=axis)


def correlate(data: np.ndarray, weight: np.ndarray, geometry: Geometry, groups: int, out_spatial) -> np.ndarray:
    """Return the convolution of data (N, C, ...) with weight (F, C/groups, *kernel)."""
    rank = len(geometry.kernel)
    patches = _patches(data, geometry, out_spatial)
    kernel_axes = list(range(2 + rank, 2 + 2 * rank))
    parts = [
        np.tensordot(window, filters, axes=([1, *kernel_axes], list(range(1, rank + 2))))
        for window, filters in zip(_groups(patches, 1, groups), _groups(weight, 0, groups))
    ]
    return to_channel_first(np.concatenate(parts, axis=-1) if groups > 1 else parts[0])


def spread(grad: np.ndarray, weight: np.ndarray, geometry: Geometry, groups: int, in_spatial) -> np.ndarray:
    """Return the adjoint of :func:`correlate` in data: each element of grad is spread over its window."""
    batch, out_spatial = grad.shape[0], grad.shape[2:]
    padded = [size + 2 * p for size, p in zip(in_spatial, geometry.pad)]
    results = []
    for part, filters in zip(_groups(grad, 1, groups), _groups(weight, 0, groups)):
        # columns: (C/groups, *kernel, N, *out)
        columns = np.tensordot(filters, part, axes=([0], [1]))
        total = np.zeros((filters.shape[1], batch, *padded), grad.dtype)
        for offset in np.ndindex(*geometry.kernel):
            window = tuple(
                slice(o * d, o * d + s * (n - 1) + 1, s)
                for o, d, s, n in zip(offset, geometry.dilate, geometry.stride, out_spatial)
            )
            total[(slice(None), slice(None), *window)] += columns[(slice(None), *offset)]
        crop = tuple(slice(p, p + size) for p, size in zip(geometry.pad, in_spatial))
        results.append(total[(slice(None), slice(None), *crop)].swapaxes(0, 1))
    return np.concatenate(results, axis=1) if groups > 1 else results[0]


def correlate_weight(grad: np.ndarray, data: np.ndarray, geometry: Geometry, groups: int) -> np.ndarray:
    """Return the adjoint of :func:`correlate` in weight, of shape (F, C/groups, *kernel)."""
    rank = len(geometry.kernel)
    patches = _patches(data, geometry, grad.shape[2:])
    places = [0, *range(2, 2 + rank)]
    parts = [
        np.tensordot(part, window, axes=(places, places))
        for part, window in zip(_groups(grad, 1, groups), _groups(patches, 1, groups))
    ]
    return np.concatenate(parts, axis=0) if groups > 1 else parts[0]


def _first(attrs, array: np.ndarray) -> np.ndarray:
    """Bring an array into channels-first order and the dtype to calculate in."""
    array = array.astype(compute_dtype(array.dtype), copy=False)
    return to_channel_first(array) if channel_last(attrs) else array


def _store(attrs, out: np.ndarray, value: np.ndarray) -> None:
    put(out, to_channel_last(value) if channel_last(attrs) else value)


def _spatial(attrs, array: np.ndarray) -> tuple[int, ...]:
    return array.shape[1:-1] if channel_last(attrs) else array.shape[2:]


def _add_bias(value: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return value + bias.astype(value.dtype, copy=False).reshape(-1, *(1,) * (value.ndim - 2))


def _bias_grad(grad: np.ndarray) -> np.ndarray:
    return grad.sum(axis=(0, *range(2, grad.ndim)))


def _conv_forward(attrs, ins, outs):
    data, weight = _first(attrs, ins[0]), _first(attrs, ins[1])
    value = correlate(data, weight, conv_geometry(attrs), attrs.num_group, _spatial(attrs, outs[0]))
    _store(attrs, outs[0], value if attrs.no_bias else _add_bias(value, ins[2]))


def _conv_backward(attrs, ins, outs):
    grad, data, weight = (_first(attrs, array) for array in ins)
    geometry = conv_geometry(attrs)
    rest = iter(outs)
    if attrs.wanted & 1:
        _store(attrs, next(rest), spread(grad, weight, geometry, attrs.num_group, data.shape[2:]))
    if attrs.wanted & 2:
        _store(attrs, next(rest), correlate_weight(grad, data, geometry, attrs.num_group))
    if attrs.wanted & 4:
        put(next(rest), _bias_grad(grad))


# ---- gradients ---------------------------------------------------------------------------------------------------------


def _backward_rule(attrs, shapes):
    return choose_wanted(attrs, [shapes[1], shapes[2], (attrs.num_filter,)])


def _backward_dtype(attrs, dtypes):
    return float_dtypes(attrs, dtypes) * wanted_outputs(attrs)


def _layer_gradient(backward: str):
    def gradient(ctx, out_grad):
        return backward_wanted(ctx, backward, [out_grad, ctx.inputs[0], ctx.inputs[1]])

    return gradient


def _second_gradient(forward: str, backward: str):
    """Gradient of a backward operator: its outputs are linear in each input, so the same operators serve again."""

    def gradient(ctx, *heads):
        out_grad, data, weight = ctx.inputs
        attrs = ctx.attrs
        heads = iter(heads)
        head_data, head_weight, head_bias = (next(heads) if attrs.wanted >> i & 1 else None for i in range(3))
        params = {k: v for k, v in attrs.to_dict().items() if k not in ("wanted", "no_bias")}
        parts, d_data, d_weight = [], None, None
        if head_data is not None:
            parts.append(getattr(F, forward)(head_data, weight, no_bias=True, **params))
            d_weight = getattr(F, backward)(out_grad, head_data, weight, no_bias=True, wanted=2, **params)
        if head_weight is not None:
            parts.append(getattr(F, forward)(data, head_weight, no_bias=True, **params))
            d_data = getattr(F, backward)(out_grad, data, head_weight, no_bias=True, wanted=1, **params)
        if head_bias is not None:
            shape = (1,) * (len(attrs.kernel) + 1)
            shape = (*shape, -1) if channel_last(attrs) else (1, -1, *shape[1:])
            parts.append(F.broadcast_add(F.zeros_like(out_grad), F.reshape(head_bias, shape=shape)))
        total = None
        for part in parts:
            total = part if total is None else F.elemwise_add(total, part)
        return [total, d_data, d_weight]

    return gradient


def _cost(attrs, ins, outs):
    return 1000 + 0.03 * math.prod(outs[0]) * math.prod(ins[1]) / max(1, attrs.num_filter)


def _backward_cost(attrs, ins, outs):
    return 1000 + 0.06 * math.prod(ins[0]) * math.prod(ins[2]) / max(1, attrs.num_filter)


def _declare_convolution(name: str, aliases: Sequence[str], params) -> None:
    operator(
        name,
        aliases=aliases,
        inputs=("data", "weight", "bias"),
        active_inputs=_input_names,
        params=params,
        shape=_conv_shape,
        infer_partial=_partial,
        infer_inputs=_weights_rule(transposed=False),
        dtype=float_dtypes,
        gradient=_layer_gradient(f"_backward_{name}"),
        saves="i",
        cpu=(native("convolution"),),
        numpy=_conv_forward,
        cost=_cost,
        doc="""Convolution of data (batch, channel, spatial...) with weight (num_filter, channel / num_group, *kernel),
        as neural networks mean it: ``out[n, f, p] = bias[f] + sum_{c, k} data[n, c, p * stride + k * dilate - pad] *
        weight[f, c, k]``.""",
        input_docs={"data": "Data in the order of ``layout``.", "weight": "Filters.", "bias": "One number for each filter."},
        examples="""
        >>> from weft import nd
        >>> nd.Convolution(nd.ones((1, 1, 4, 4)), nd.ones((2, 1, 3, 3)), nd.zeros(2), kernel=(3, 3), num_filter=2).shape
        (1, 2, 2, 2)
        """,
    )
    operator(
        f"_backward_{name}",
        inputs=("out_grad", "data", "weight"),
        params=(*params, WANTED),
        shape=_backward_rule,
        dtype=_backward_dtype,
        num_outputs=wanted_outputs,
        gradient=_second_gradient(name, f"_backward_{name}"),
        saves="i",
        cpu=(native("backward_convolution"),),
        numpy=_conv_backward,
        cost=_backward_cost,
        doc="""Gradients of a convolution: those of data, weight and bias that ``wanted`` asks for.""",
    )


_declare_convolution("Convolution", ("_npx_convolution",), _CONV)
_declare_convolution("Convolution_v1", (), _CONV_V1)


# ---- Deconvolution -----------------------------------------------------------------------------------------------------


def _target_shape(attrs) -> tuple[int, ...]:
    return attrs.target_shape if any(attrs.target_shape) else ()


def deconv_geometry(attrs, data_shape: Sequence[int]) -> tuple[Geometry, tuple[int, ...]]:
    """Return the window of a Deconvolution and its ``adj``, both following from ``target_shape`` where that is given."""
    _, _, spatial = _split_shape(attrs, data_shape)
    stride, dilate = _per_axis(attrs, "stride", 1), _per_axis(attrs, "dilate", 1)
    geometry = Geometry(attrs.kernel, stride, dilate, _per_axis(attrs, "pad", 0))
    target = _target_shape(attrs)
    if not target:
        adj = _per_axis(attrs, "adj", 0)
        for axis, value in enumerate(adj):
            if value >= stride[axis]:
                raise ValueError(f"adj={adj} must be smaller than stride={stride} along every axis")
        return geometry, adj
    if len(target) != len(attrs.kernel):
        raise ValueError(f"target_shape={target} has {len(target)} entries, expected {len(attrs.kernel)}")
    surplus = [s * (n - 1) + geometry.extent(i) - target[i] for i, (n, s) in enumerate(zip(spatial, stride))]
    if min(surplus) < 0:
        raise ValueError(f"target_shape={target} is larger than the transposed convolution reaches")
    return geometry._replace(pad=tuple((s + 1) // 2 for s in surplus)), tuple(s % 2 for s in surplus)


def _deconv_spatial(attrs, data_shape) -> list[int]:
    geometry, adj = deconv_geometry(attrs, data_shape)
    _, _, spatial = _split_shape(attrs, data_shape)
    return [
        geometry.stride[i] * (size - 1) + geometry.extent(i) - 2 * geometry.pad[i] + adj[i] for i, size in enumerate(spatial)
    ]


def _deconv_shape(attrs, shapes):
    batch, _, _ = _split_shape(attrs, shapes[0])
    _check_inputs(attrs, shapes, transposed=True)
    spatial = _deconv_spatial(attrs, shapes[0])
    if min(spatial) < 1:
        raise ValueError(f"pad={attrs.pad} leaves nothing of the output (spatial shape {tuple(spatial)})")
    return [_join_shape(attrs, batch, attrs.num_filter, spatial)]


def _deconv_forward(attrs, ins, outs):
    geometry, _ = deconv_geometry(attrs, ins[0].shape)
    data, weight = _first(attrs, ins[0]), _first(attrs, ins[1])
    value = spread(data, weight, geometry, attrs.num_group, _spatial(attrs, outs[0]))
    _store(attrs, outs[0], value if attrs.no_bias else _add_bias(value, ins[2]))


def _deconv_backward(attrs, ins, outs):
    geometry, _ = deconv_geometry(attrs, ins[1].shape)
    grad, data, weight = (_first(attrs, array) for array in ins)
    rest = iter(outs)
    if attrs.wanted & 1:
        _store(attrs, next(rest), correlate(grad, weight, geometry, attrs.num_group, data.shape[2:]))
    if attrs.wanted & 2:
        _store(attrs, next(rest), correlate_weight(data, grad, geometry, attrs.num_group))
    if attrs.wanted & 4:
        put(next(rest), _bias_grad(grad))


operator(
    "Deconvolution",
    aliases=("_npx_deconvolution",),
    inputs=("data", "weight", "bias"),
    active_inputs=_input_names,
    params=_DECONV,
    shape=_deconv_shape,
    infer_partial=_deconv_partial,
    infer_inputs=_weights_rule(transposed=True),
    dtype=float_dtypes,
    gradient=_layer_gradient("_backward_Deconvolution"),
    saves="i",
    cpu=(native("deconvolution"),),
    numpy=_deconv_forward,
    cost=_cost,
    doc="""Transposed convolution: the adjoint of Convolution in its data, with weight
    (channel, num_filter / num_group, *kernel). The output is ``stride * (size - 1) + window - 2 * pad + adj`` long.""",
    input_docs={"data": "Data in the order of ``layout``.", "weight": "Filters.", "bias": "One number for each filter."},
    examples="""
    >>> from weft import nd
    >>> nd.Deconvolution(nd.ones((1, 1, 2, 2)), nd.ones((1, 3, 2, 2)), kernel=(2, 2), stride=(2, 2), num_filter=3).shape
    (1, 3, 4, 4)
    """,
)

operator(
    "_backward_Deconvolution",
    inputs=("out_grad", "data", "weight"),
    params=(*_DECONV, WANTED),
    shape=_backward_rule,
    dtype=_backward_dtype,
    num_outputs=wanted_outputs,
    gradient=_second_gradient("Deconvolution", "_backward_Deconvolution"),
    saves="i",
    cpu=(native("backward_deconvolution"),),
    numpy=_deconv_backward,
    cost=_backward_cost,
    doc="""Gradients of a transposed convolution: those of data, weight and bias that ``wanted`` asks for.""",
)
