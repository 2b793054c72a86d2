"""Normalization over parts of one sample: layer, group, instance, L2 and local response normalization."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from . import partial
from .functions import F
from .nn_common import backward_call, check_named_shape, compute_dtype, float_dtypes, native, put
from .nn_norm_second import normalization_second
from .registry import Bool, Enum, Float, Int, operator
from .rules import normalize_axis

_SCALES = {"gamma": "Scale.", "beta": "Shift.", "mean": "Mean of the forward call.", "std": "Deviation of the forward call."}


def _three(attrs, dtypes):
    return float_dtypes(attrs, dtypes) * 3


def _wide(*arrays):
    return [array.astype(compute_dtype(array.dtype), copy=False) for array in arrays]


def _cost(attrs, ins, outs):
    return 500 + 1.5 * math.prod(outs[0])


# ---- layer, group and instance normalization ---------------------------------------------------------------------------


class _Rows(NamedTuple):
    """How a normalization sees its data: which shape, which axis it normalizes along, and along which gamma and beta run."""

    shape: tuple[int, ...]
    axis: int
    vectors: int


def _column(vector, rows):
    """Shape a vector as it runs over rows."""
    return vector.reshape(-1, *(1,) * (len(rows.shape) - rows.vectors - 1))


def _kept(rows):
    """Return the shape of a mean over rows."""
    return tuple(1 if axis == rows.axis else size for axis, size in enumerate(rows.shape))


def _mean(data, rows):
    """Return the mean of each row; zero, without a warning, for rows of no elements."""
    return data.sum(axis=rows.axis, keepdims=True) / max(1, rows.shape[rows.axis])


def _forward(see, variance):
    def kernel(attrs, ins, outs):
        data, gamma, beta = _wide(*ins)
        rows = see(attrs, data.shape)
        data = data.reshape(rows.shape)
        mean = _mean(data, rows)
        centered = data - mean
        var = _mean(centered * centered, rows)
        std = np.sqrt(var + attrs.eps)
        put(outs[0], centered / std * _column(gamma, rows) + _column(beta, rows))
        put(outs[1], mean)
        put(outs[2], var if variance else std)

    return kernel


def _backward(see, variance):
    def kernel(attrs, ins, outs):
        grad, data, gamma, mean, std = _wide(*ins)
        rows = see(attrs, data.shape)
        grad, data = grad.reshape(rows.shape), data.reshape(rows.shape)
        mean, std = mean.reshape(_kept(rows)), std.reshape(_kept(rows))
        if variance:
            std = np.sqrt(std + attrs.eps)
        normal = (data - mean) / std
        others = tuple(axis for axis in range(data.ndim) if axis != rows.vectors)
        u = grad * _column(gamma, rows)
        drift = _mean(u, rows) + normal * _mean(u * normal, rows)
        put(outs[0], (u - drift) / std)
        put(outs[1], (grad * normal).sum(axis=others))
        put(outs[2], grad.sum(axis=others))

    return kernel


def _gradient(backward):
    def gradient(ctx, out_grad, *statistics_grads):
        if out_grad is None:
            return [None] * len(ctx.inputs)
        inputs = [out_grad, ctx.inputs[0], ctx.inputs[1], ctx.outputs[1], ctx.outputs[2]]
        return list(backward_call(backward, inputs, ctx.attrs))

    return gradient


def _second(see, variance):
    def gradient(ctx, *heads):
        grad, data, gamma, mean, std = ctx.inputs
        shape = data.shape
        rows = see(ctx.attrs, shape)
        grad, data, head_data = (x if x is None else F.reshape(x, shape=rows.shape) for x in (grad, data, heads[0]))
        mean, std = (F.reshape(x, shape=_kept(rows)) for x in (mean, std))
        if variance:
            std = F.sqrt(std + ctx.attrs.eps)
        found = normalization_second(grad, data, gamma, mean, std, (head_data, *heads[1:]), (rows.axis,), rows.vectors)
        d_grad, d_data = (x if x is None else F.reshape(x, shape=shape) for x in found[:2])
        return [d_grad, d_data, found[2], None, None]

    return gradient


def _declare(name, aliases, see, params, shape, infer_inputs, loop, *, variance=False, doc, examples):
    """Declare a normalization over rows and its backward operator; ``loop`` is the native kernel's name."""
    deviation = "var" if variance else "std"
    backward = f"_backward_{name}"
    docs = {**_SCALES, "var": "Variance of the forward call."} if variance else _SCALES
    operator(
        name,
        aliases=aliases,
        inputs=("data", "gamma", "beta"),
        params=params,
        shape=shape,
        infer_partial=partial.like_data,
        infer_inputs=infer_inputs,
        dtype=_three,
        num_outputs=3,
        visible_outputs=lambda attrs: 3 if getattr(attrs, "output_mean_var", False) else 1,
        output_names=("output", "mean", deviation),
        gradient=_gradient(backward),
        cpu=(native(loop, "layers"),),
        numpy=_forward(see, variance),
        cost=_cost,
        doc=doc,
        input_docs=docs,
        examples=examples,
    )
    operator(
        backward,
        inputs=("out_grad", "data", "gamma", "mean", deviation),
        params=params,
        shape=lambda attrs, shapes: [shapes[1], shapes[2], shapes[2]],
        dtype=_three,
        num_outputs=3,
        gradient=_second(see, variance),
        saves="i",
        cpu=(native(f"backward_{loop}", "layers"),),
        numpy=_backward(see, variance),
        cost=_cost,
        doc=f"""Gradients of {name} in data, gamma and beta.""",
        input_docs=docs,
    )


def _layer_rows(attrs, shape):
    axis = normalize_axis(attrs.axis, len(shape))
    return _Rows(tuple(shape), axis, axis)


def _layer_shape(attrs, shapes):
    data = shapes[0]
    axis = normalize_axis(attrs.axis, len(data))
    for name, shape in zip(("gamma", "beta"), shapes[1:]):
        check_named_shape(name, shape, (data[axis],))
    reduced = (*data[:axis], 1, *data[axis + 1 :])
    return [data, reduced, reduced]


def _layer_infer(attrs, shapes):
    if shapes[0] is None:
        return list(shapes)
    size = (shapes[0][normalize_axis(attrs.axis, len(shapes[0]))],)
    return [shapes[0], *(size if shape is None else shape for shape in shapes[1:])]


_declare(
    "LayerNorm",
    ("_npx_layer_norm",),
    _layer_rows,
    (
        Int("axis", -1, doc="Axis to normalize along."),
        Float("eps", 1e-5, low=0, doc="Added to the variance."),
        Bool("output_mean_var", False, doc="Also return the mean and the standard deviation."),
    ),
    _layer_shape,
    _layer_infer,
    "layer_norm",
    doc="""Normalize along one axis of each sample: ``(data - mean) / sqrt(var + eps) * gamma + beta``.""",
    examples="""
    >>> from weft import nd
    >>> nd.LayerNorm(nd.array([[1, 3]]), nd.ones(2), nd.zeros(2), eps=0).asnumpy()
    array([[-1.,  1.]], dtype=float32)
    """,
)


def _split(shape, count):
    """See data as (batch, count, rest); unlike -1 this also works without elements."""
    return _Rows((shape[0], count, math.prod(shape[1:]) // max(1, count)), 2, 1)


def _many_axes(data):
    if len(data) < 3:
        raise ValueError(f"data has {len(data)} axes, expected at least 3")


def _group_shape(attrs, shapes):
    data = shapes[0]
    _many_axes(data)
    if data[1] % attrs.num_groups:
        raise ValueError(f"num_groups={attrs.num_groups} must divide the {data[1]} channels")
    for name, shape in zip(("gamma", "beta"), shapes[1:]):
        check_named_shape(name, shape, (attrs.num_groups,))
    return [data, (data[0], attrs.num_groups), (data[0], attrs.num_groups)]


_declare(
    "GroupNorm",
    (),
    lambda attrs, shape: _split(shape, attrs.num_groups),
    (
        Int("num_groups", 1, low=1, doc="Number of groups the channels are split into."),
        Float("eps", 1e-5, low=0, doc="Added to the variance."),
        Bool("output_mean_var", False, doc="Also return the mean and the standard deviation."),
    ),
    _group_shape,
    lambda attrs, shapes: [shapes[0], *((attrs.num_groups,) if shape is None else shape for shape in shapes[1:])],
    "group_norm",
    doc="""Normalize groups of channels of each sample, then scale and shift each group by its gamma and beta.""",
    examples="""
    >>> from weft import nd
    >>> nd.GroupNorm(nd.array([[[1, 3]]]), nd.ones(1), nd.zeros(1), eps=0).asnumpy()
    array([[[-1.,  1.]]], dtype=float32)
    """,
)


def _instance_shape(attrs, shapes):
    data = shapes[0]
    _many_axes(data)
    for name, shape in zip(("gamma", "beta"), shapes[1:]):
        check_named_shape(name, shape, (data[1],))
    return [data, data[:2], data[:2]]


def _instance_infer(attrs, shapes):
    if shapes[0] is None:
        return list(shapes)
    return [shapes[0], *((shapes[0][1],) if shape is None else shape for shape in shapes[1:])]


_declare(
    "InstanceNorm",
    (),
    lambda attrs, shape: _split(shape, shape[1]),
    (Float("eps", 1e-3, low=0, doc="Added to the variance."),),
    _instance_shape,
    _instance_infer,
    "instance_norm",
    variance=True,
    doc="""Normalize each channel of each sample over its spatial axes, then scale by gamma and shift by beta.""",
    examples="""
    >>> from weft import nd
    >>> nd.InstanceNorm(nd.array([[[1, 3]]]), nd.ones(1), nd.zeros(1), eps=0).asnumpy()
    array([[[-1.,  1.]]], dtype=float32)
    """,
)

# ---- L2Normalization ---------------------------------------------------------------------------------------------------

_L2 = (
    Float("eps", 1e-10, low=0, doc="Added to the sum of squares."),
    Enum(
        "mode",
        ("channel", "instance", "spatial"),
        "instance",
        doc="What is divided by its norm: a whole sample (instance), the channels at each place (channel), or each "
        "channel's plane (spatial).",
    ),
)


def _l2_axes(attrs, ndim):
    return {"instance": tuple(range(1, ndim)), "channel": (1,), "spatial": tuple(range(2, ndim))}[attrs.mode]


def _l2_shape(attrs, shapes):
    data = shapes[0]
    least = 2 if attrs.mode == "instance" else 3
    if len(data) < least:
        raise ValueError(f"data has {len(data)} axes, expected at least {least} with mode={attrs.mode!r}")
    axes = _l2_axes(attrs, len(data))
    if attrs.mode == "instance":
        return [data, data[:1]]
    return [data, tuple(n for i, n in enumerate(data) if i not in axes)]


def _l2_forward(attrs, ins, outs):
    (data,) = _wide(*ins)
    norm = np.sqrt((data * data).sum(axis=_l2_axes(attrs, data.ndim), keepdims=True) + data.dtype.type(attrs.eps))
    put(outs[0], data / norm)
    put(outs[1], norm)


def _l2_backward(attrs, ins, outs):
    grad, out, norm = _wide(*ins)
    axes = _l2_axes(attrs, out.ndim)
    norm = norm.reshape([1 if i in axes else n for i, n in enumerate(out.shape)])
    put(outs[0], (grad - out * (grad * out).sum(axis=axes, keepdims=True)) / norm)


operator(
    "L2Normalization",
    params=_L2,
    shape=_l2_shape,
    infer_partial=partial.like_data,
    dtype=lambda attrs, dtypes: float_dtypes(attrs, dtypes) * 2,
    num_outputs=2,
    visible_outputs=1,
    output_names=("output", "norm"),
    gradient=lambda ctx, grad, *hidden: [
        backward_call("_backward_L2Normalization", [grad, ctx.outputs[0], ctx.outputs[1]], ctx.attrs)
    ],
    saves="o",
    numpy=_l2_forward,
    cost=_cost,
    doc="""Divide by the Euclidean norm ``sqrt(sum(data ** 2) + eps)`` over the axes that ``mode`` names.""",
    examples="""
    >>> from weft import nd
    >>> nd.L2Normalization(nd.array([[3, 4]])).asnumpy()
    array([[0.6, 0.8]], dtype=float32)
    """,
)
operator(
    "_backward_L2Normalization",
    inputs=("out_grad", "out", "norm"),
    params=_L2,
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=float_dtypes,
    numpy=_l2_backward,
    cost=_cost,
    doc="""Gradient of L2Normalization from its result and the norms.""",
    input_docs={"out": "Result of the forward call.", "norm": "Norms of the forward call."},
)

# ---- LRN ---------------------------------------------------------------------------------------------------------------

_LRN = (
    Float("alpha", 1e-4, doc="Weight of the mean square."),
    Float("beta", 0.75, doc="Exponent."),
    Float("knorm", 2.0, doc="Constant added to the weighted mean square."),
    Int("nsize", low=1, doc="Number of neighbouring channels in the window (an even number counts as one less)."),
)


def _lrn_shape(attrs, shapes):
    if len(shapes[0]) != 4:
        raise ValueError(f"data has {len(shapes[0])} axes, expected 4")
    return [shapes[0], shapes[0]]


def _channel_window(x, nsize):
    """Return the sum over ``nsize`` neighbouring channels, zero outside."""
    half = (nsize - 1) // 2
    width = 2 * half + 1
    total = np.cumsum(np.pad(x, [(0, 0), (half + 1, half), (0, 0), (0, 0)]), axis=1, dtype=np.float64)
    return (total[:, width:] - total[:, :-width]).astype(x.dtype)


def _lrn_forward(attrs, ins, outs):
    (data,) = _wide(*ins)
    norm = attrs.knorm + attrs.alpha / attrs.nsize * _channel_window(data * data, attrs.nsize)
    put(outs[0], data * norm**-attrs.beta)
    put(outs[1], norm)


def _lrn_backward(attrs, ins, outs):
    grad, data, norm = _wide(*ins)
    inner = _channel_window(grad * data * norm ** (-attrs.beta - 1), attrs.nsize)
    put(outs[0], grad * norm**-attrs.beta - 2 * attrs.alpha * attrs.beta / attrs.nsize * data * inner)


operator(
    "LRN",
    params=_LRN,
    shape=_lrn_shape,
    infer_partial=partial.like_data,
    dtype=lambda attrs, dtypes: float_dtypes(attrs, dtypes) * 2,
    num_outputs=2,
    visible_outputs=1,
    output_names=("output", "tmp_norm"),
    gradient=lambda ctx, grad, *hidden: [backward_call("_backward_LRN", [grad, ctx.inputs[0], ctx.outputs[1]], ctx.attrs)],
    cpu=(native("lrn", "planes"),),
    numpy=_lrn_forward,
    cost=lambda attrs, ins, outs: 500 + 15.0 * math.prod(outs[0]),
    doc="""Local response normalization: ``data / (knorm + alpha / nsize * sum of squares of nsize neighbouring channels) **
    beta``.""",
    examples="""
    >>> from weft import nd
    >>> float(nd.LRN(nd.ones((1, 1, 1, 1)), nsize=1, alpha=1, beta=1, knorm=1).asscalar())
    0.5
    """,
)
operator(
    "_backward_LRN",
    inputs=("out_grad", "data", "tmp_norm"),
    params=_LRN,
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=float_dtypes,
    cpu=(native("backward_lrn", "planes"),),
    numpy=_lrn_backward,
    cost=lambda attrs, ins, outs: 500 + 20.0 * math.prod(outs[0]),
    doc="""Gradient of LRN in its data.""",
    input_docs={"tmp_norm": "The bracket of the formula, from the forward call."},
)
