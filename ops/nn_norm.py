"""Normalization over parts of one sample: layer, group, instance, L2 and local response normalization."""

from __future__ import annotations

import math

import numpy as np

from . import partial
from .functions import F
from .nn_common import backward_call, check_named_shape, compute_dtype, float_dtypes, native, put
from .registry import Bool, Enum, Float, Int, operator
from .rules import normalize_axis

_SCALES = {"gamma": "Scale.", "beta": "Shift.", "mean": "Mean of the forward call.", "std": "Deviation of the forward call."}


def _three(attrs, dtypes):
    return float_dtypes(attrs, dtypes) * 3


def _wide(*arrays):
    return [array.astype(compute_dtype(array.dtype), copy=False) for array in arrays]


def _cost(attrs, ins, outs):
    return 500 + 1.5 * math.prod(outs[0])


def _three_visible(attrs):
    return 3 if attrs.output_mean_var else 1


def _normal_gradient(grad, normal, scale, axes):
    """Return the gradient of x in ``normal = (x - mean(x)) * scale``, scale being 1/std over the same axes."""
    drift = grad.mean(axis=axes, keepdims=True) + normal * (grad * normal).mean(axis=axes, keepdims=True)
    return (grad - drift) * scale


def _gradient(name, *saved):
    """Gradient by a backward operator that takes (out_grad, data, gamma, *saved outputs)."""

    def gradient(ctx, out_grad, *statistics_grads):
        if out_grad is None:
            return [None] * len(ctx.inputs)
        inputs = [out_grad, ctx.inputs[0], ctx.inputs[1], *(ctx.outputs[i] for i in saved)]
        return list(backward_call(name, inputs, ctx.attrs))

    return gradient


# ---- LayerNorm ---------------------------------------------------------------------------------------------------------

_LAYER = (
    Int("axis", -1, doc="Axis to normalize along."),
    Float("eps", 1e-5, low=0, doc="Added to the variance."),
    Bool("output_mean_var", False, doc="Also return the mean and the standard deviation."),
)


def _along(vector, axis, ndim):
    return vector.reshape(-1, *(1,) * (ndim - axis - 1))


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


def _layer_forward(attrs, ins, outs):
    data, gamma, beta = _wide(*ins)
    axis = normalize_axis(attrs.axis, data.ndim)
    mean = data.mean(axis=axis, keepdims=True)
    centered = data - mean
    std = np.sqrt((centered * centered).mean(axis=axis, keepdims=True) + attrs.eps)
    put(outs[0], centered / std * _along(gamma, axis, data.ndim) + _along(beta, axis, data.ndim))
    put(outs[1], mean)
    put(outs[2], std)


def _layer_backward(attrs, ins, outs):
    grad, data, gamma, mean, std = _wide(*ins)
    axis = normalize_axis(attrs.axis, data.ndim)
    others = tuple(i for i in range(data.ndim) if i != axis)
    normal = (data - mean) / std
    put(outs[0], _normal_gradient(grad * _along(gamma, axis, data.ndim), normal, 1 / std, axis))
    put(outs[1], (grad * normal).sum(axis=others))
    put(outs[2], grad.sum(axis=others))


def _layer_second(ctx, head_data, head_gamma, head_beta):
    # The first derivative written with differentiable operators would be slower for everybody; here it is spelt out
    # once more, so that the derivative of each of its pieces is the tape's business.
    grad, data, gamma, mean, std = ctx.inputs
    axis = ctx.attrs.axis
    weight = _vector_like(gamma, axis, data)
    return _normal_second(grad, data, weight, mean, std, axis, (head_data, head_gamma, head_beta), axis)


def _vector_like(vector, axis, data):
    """Shape a vector along ``axis`` of data."""
    ndim = len(data.shape)
    axis = normalize_axis(axis, ndim)
    return F.reshape(vector, shape=(*(1,) * axis, -1, *(1,) * (ndim - axis - 1)))


def _normal_second(grad, data, weight, mean, std, axes, heads, vector_axis):
    """Second order gradients of a normalization: of (d_data, d_gamma, d_beta) in grad, data and gamma.

    With normal = (data - mean) / std and u = grad * weight the first order is
    d_data = (u - M(u) - normal * M(u * normal)) / std, M being the mean over ``axes``. P(x) below is that same linear
    projection, which is symmetric; differentiating normal and std in data gives the remaining terms.
    """
    head_data, head_gamma, head_beta = heads

    def average(x):
        return F.mean(x, axis=axes, keepdims=True)

    def project(x):
        return F.broadcast_div(F.broadcast_sub(x, average(x)) - F.broadcast_mul(normal, average(x * normal)), std)

    normal = F.broadcast_div(F.broadcast_sub(data, mean), std)
    u = F.broadcast_mul(grad, weight)
    d_grad = d_data = d_weight = None
    if head_data is not None:
        projected = project(head_data)
        d_grad = F.broadcast_mul(projected, weight)
        d_weight = projected * grad
        a, b = average(u * normal), average(head_data * normal)
        d_normal = F.broadcast_div(F.broadcast_mul(head_data, a) + F.broadcast_mul(u, b), std) * -1
        overlap = average(head_data * project(u))
        d_data = project(d_normal) - F.broadcast_div(F.broadcast_mul(normal, overlap), std)
    if head_gamma is not None:
        spread = _vector_like(head_gamma, vector_axis, data)
        more = F.broadcast_mul(normal, spread)
        d_grad = more if d_grad is None else d_grad + more
        more = project(F.broadcast_mul(grad, spread))
        d_data = more if d_data is None else d_data + more
    if head_beta is not None:
        more = F.broadcast_add(F.zeros_like(grad), _vector_like(head_beta, vector_axis, data))
        d_grad = more if d_grad is None else d_grad + more
    if d_weight is not None:
        d_weight = F.sum(d_weight, axis=vector_axis, exclude=True)
    return [d_grad, d_data, d_weight, None, None]


operator(
    "LayerNorm",
    aliases=("_npx_layer_norm",),
    inputs=("data", "gamma", "beta"),
    params=_LAYER,
    shape=_layer_shape,
    infer_partial=partial.like_data,
    infer_inputs=_layer_infer,
    dtype=_three,
    num_outputs=3,
    visible_outputs=_three_visible,
    output_names=("output", "mean", "std"),
    gradient=_gradient("_backward_LayerNorm", 1, 2),
    cpu=(native("layer_norm", "layers"),),
    numpy=_layer_forward,
    cost=_cost,
    doc="""Normalize along one axis of each sample: ``(data - mean) / sqrt(var + eps) * gamma + beta``.""",
    input_docs=_SCALES,
    examples="""
    >>> from weft import nd
    >>> nd.LayerNorm(nd.array([[1, 3]]), nd.ones(2), nd.zeros(2), eps=0).asnumpy()
    array([[-1.,  1.]], dtype=float32)
    """,
)
operator(
    "_backward_LayerNorm",
    inputs=("out_grad", "data", "gamma", "mean", "std"),
    params=_LAYER,
    shape=lambda attrs, shapes: [shapes[1], shapes[2], shapes[2]],
    dtype=_three,
    num_outputs=3,
    gradient=_layer_second,
    saves="i",
    cpu=(native("backward_layer_norm", "layers"),),
    numpy=_layer_backward,
    cost=_cost,
    doc="""Gradients of LayerNorm in data, gamma and beta.""",
    input_docs=_SCALES,
)

# ---- GroupNorm ---------------------------------------------------------------------------------------------------------

_GROUP = (
    Int("num_groups", 1, low=1, doc="Number of groups the channels are split into."),
    Float("eps", 1e-5, low=0, doc="Added to the variance."),
    Bool("output_mean_var", False, doc="Also return the mean and the standard deviation."),
)


def _rows(array, count):
    """View an array as (batch, count, rest); unlike -1 this also works without elements."""
    return array.reshape(array.shape[0], count, math.prod(array.shape[1:]) // max(1, count))


def _group_shape(attrs, shapes):
    data = shapes[0]
    if len(data) < 3:
        raise ValueError(f"data has {len(data)} axes, expected at least 3")
    if data[1] % attrs.num_groups:
        raise ValueError(f"num_groups={attrs.num_groups} must divide the {data[1]} channels")
    for name, shape in zip(("gamma", "beta"), shapes[1:]):
        check_named_shape(name, shape, (attrs.num_groups,))
    return [data, (data[0], attrs.num_groups), (data[0], attrs.num_groups)]


def _group_infer(attrs, shapes):
    return [shapes[0], *((attrs.num_groups,) if shape is None else shape for shape in shapes[1:])]


def _grouped(attrs, array):
    return _rows(array, attrs.num_groups)


def _group_forward(attrs, ins, outs):
    data, gamma, beta = _wide(*ins)
    rows = _grouped(attrs, data)
    mean = rows.mean(axis=2, keepdims=True)
    centered = rows - mean
    std = np.sqrt((centered * centered).mean(axis=2, keepdims=True) + attrs.eps)
    put(outs[0], centered / std * gamma[:, None] + beta[:, None])
    put(outs[1], mean)
    put(outs[2], std)


def _group_backward(attrs, ins, outs):
    grad, data, gamma, mean, std = _wide(*ins)
    grad, std = _grouped(attrs, grad), std[:, :, None]
    normal = (_grouped(attrs, data) - mean[:, :, None]) / std
    put(outs[0], _normal_gradient(grad * gamma[:, None], normal, 1 / std, 2))
    put(outs[1], (grad * normal).sum(axis=(0, 2)))
    put(outs[2], grad.sum(axis=(0, 2)))


operator(
    "GroupNorm",
    inputs=("data", "gamma", "beta"),
    params=_GROUP,
    shape=_group_shape,
    infer_partial=partial.like_data,
    infer_inputs=_group_infer,
    dtype=_three,
    num_outputs=3,
    visible_outputs=_three_visible,
    output_names=("output", "mean", "std"),
    gradient=_gradient("_backward_GroupNorm", 1, 2),
    cpu=(native("group_norm", "layers"),),
    numpy=_group_forward,
    cost=_cost,
    doc="""Normalize groups of channels of each sample, then scale and shift each group by its gamma and beta.""",
    input_docs=_SCALES,
    examples="""
    >>> from weft import nd
    >>> nd.GroupNorm(nd.array([[[1, 3]]]), nd.ones(1), nd.zeros(1), eps=0).asnumpy()
    array([[[-1.,  1.]]], dtype=float32)
    """,
)
operator(
    "_backward_GroupNorm",
    inputs=("out_grad", "data", "gamma", "mean", "std"),
    params=_GROUP,
    shape=lambda attrs, shapes: [shapes[1], shapes[2], shapes[2]],
    dtype=_three,
    num_outputs=3,
    cpu=(native("backward_group_norm", "layers"),),
    numpy=_group_backward,
    cost=_cost,
    doc="""Gradients of GroupNorm in data, gamma and beta.""",
    input_docs=_SCALES,
)

# ---- InstanceNorm ------------------------------------------------------------------------------------------------------

_INSTANCE = (Float("eps", 1e-3, low=0, doc="Added to the variance."),)


def _instance_shape(attrs, shapes):
    data = shapes[0]
    if len(data) < 3:
        raise ValueError(f"data has {len(data)} axes, expected at least 3")
    for name, shape in zip(("gamma", "beta"), shapes[1:]):
        check_named_shape(name, shape, (data[1],))
    return [data, data[:2], data[:2]]


def _instance_infer(attrs, shapes):
    if shapes[0] is None:
        return list(shapes)
    return [shapes[0], *((shapes[0][1],) if shape is None else shape for shape in shapes[1:])]


def _instance_forward(attrs, ins, outs):
    data, gamma, beta = _wide(*ins)
    rows = _rows(data, data.shape[1])
    mean = rows.mean(axis=2, keepdims=True)
    centered = rows - mean
    var = (centered * centered).mean(axis=2, keepdims=True)
    put(outs[0], centered / np.sqrt(var + attrs.eps) * gamma[:, None] + beta[:, None])
    put(outs[1], mean)
    put(outs[2], var)


def _instance_backward(attrs, ins, outs):
    grad, data, gamma, mean, var = _wide(*ins)
    grad = _rows(grad, data.shape[1])
    invstd = 1 / np.sqrt(var + attrs.eps)[:, :, None]
    normal = (data.reshape(grad.shape) - mean[:, :, None]) * invstd
    put(outs[0], _normal_gradient(grad * gamma[:, None], normal, invstd, 2))
    put(outs[1], (grad * normal).sum(axis=(0, 2)))
    put(outs[2], grad.sum(axis=(0, 2)))


operator(
    "InstanceNorm",
    inputs=("data", "gamma", "beta"),
    params=_INSTANCE,
    shape=_instance_shape,
    infer_partial=partial.like_data,
    infer_inputs=_instance_infer,
    dtype=_three,
    num_outputs=3,
    visible_outputs=1,
    output_names=("output", "mean", "var"),
    gradient=_gradient("_backward_InstanceNorm", 1, 2),
    cpu=(native("instance_norm", "layers"),),
    numpy=_instance_forward,
    cost=_cost,
    doc="""Normalize each channel of each sample over its spatial axes, then scale by gamma and shift by beta.""",
    input_docs=_SCALES,
    examples="""
    >>> from weft import nd
    >>> nd.InstanceNorm(nd.array([[[1, 3]]]), nd.ones(1), nd.zeros(1), eps=0).asnumpy()
    array([[[-1.,  1.]]], dtype=float32)
    """,
)
operator(
    "_backward_InstanceNorm",
    inputs=("out_grad", "data", "gamma", "mean", "var"),
    params=_INSTANCE,
    shape=lambda attrs, shapes: [shapes[1], shapes[2], shapes[2]],
    dtype=_three,
    num_outputs=3,
    cpu=(native("backward_instance_norm", "layers"),),
    numpy=_instance_backward,
    cost=_cost,
    doc="""Gradients of InstanceNorm in data, gamma and beta.""",
    input_docs={**_SCALES, "var": "Variance of the forward call."},
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
