"""Batch normalization in its variants.

MXNet's exact behaviour, measured: the forward pass leaves the moving statistics alone; the *backward* pass, run in training
mode, moves them towards the batch's statistics. The hidden outputs are the mean and the inverse standard deviation
that were used (SyncBatchNorm: the variance).
"""

from __future__ import annotations

import math

import numpy as np

from . import partial
from .functions import F
from .nn_common import backward_call, check_named_shape, compute_dtype, native, put
from .nn_norm_second import along, normalization_second, scaling_second
from .registry import Bool, Float, Int, Str, operator
from .rules import normalize_axis

_HEAD = (
    Float("eps", 1e-3, low=0, doc="Added to the variance."),
    Float("momentum", 0.9, doc="Share of the old value that moving statistics keep."),
    Bool("fix_gamma", True, doc="Take gamma as one and give it no gradient."),
    Bool("use_global_stats", False, doc="Normalize by the moving statistics even in training."),
    Bool("output_mean_var", False, doc="Also return the mean and the inverse standard deviation."),
)
_PARAMS = (
    *_HEAD,
    Int("axis", 1, doc="Axis of the channels."),
    Bool("cudnn_off", False, doc="Do not use cuDNN; ignored on CPU."),
    Float("min_calib_range", None, doc="Used by quantized models only."),
    Float("max_calib_range", None, doc="Used by quantized models only."),
)
_SYNC = (
    *_HEAD,
    Int("ndev", 1, low=1, doc="Number of devices that share statistics; this build runs on one."),
    Str("key", doc="Name under which devices find each other."),
)
_INPUTS = ("data", "gamma", "beta", "moving_mean", "moving_var")
_DOCS = {
    "gamma": "Scale of each channel.",
    "beta": "Shift of each channel.",
    "moving_mean": "Running mean; an auxiliary state.",
    "moving_var": "Running variance; an auxiliary state.",
    "saved_mean": "Mean the forward call used.",
    "saved_invstd": "Inverse standard deviation the forward call used.",
}


def _axis(attrs, ndim: int) -> int:
    return normalize_axis(getattr(attrs, "axis", 1), ndim)


def _global(attrs) -> bool:
    return attrs.use_global_stats or not attrs.train


def _shape(attrs, shapes):
    data = shapes[0]
    if len(data) < 2 and _axis(attrs, len(data)) != 0:
        raise ValueError("data needs at least two axes")
    channels = (data[_axis(attrs, len(data))],)
    for name, shape in zip(_INPUTS[1:], shapes[1:]):
        check_named_shape(name, shape, channels)
    return [data, channels, channels]


def _infer_inputs(attrs, shapes):
    if shapes[0] is None:
        return list(shapes)
    channels = (shapes[0][_axis(attrs, len(shapes[0]))],)
    return [shapes[0], *(channels if shape is None else shape for shape in shapes[1:])]


def _statistics_dtype(dtype: np.dtype) -> np.dtype:
    """Half precision data have single precision parameters and statistics."""
    return compute_dtype(dtype)


def _check_dtypes(data, others, names):
    if data.kind != "f":
        raise ValueError(f"data has dtype {data}, expected a floating-point dtype")
    wide = _statistics_dtype(data)
    for name, dtype in zip(names, others):
        if dtype != wide:
            raise ValueError(f"{name} has dtype {dtype}, expected {wide} for data of dtype {data}")
    return wide


def _dtype(attrs, dtypes):
    wide = _check_dtypes(dtypes[0], dtypes[1:], _INPUTS[1:])
    return [dtypes[0], wide, wide]


def _infer_dtypes(attrs, dtypes):
    if dtypes[0] is None:
        return list(dtypes)
    wide = _statistics_dtype(dtypes[0])
    return [dtypes[0], *(wide if dtype is None else dtype for dtype in dtypes[1:])]


def _column(vector: np.ndarray, axis: int, ndim: int) -> np.ndarray:
    """Shape a vector so that it runs along the channels."""
    return vector.reshape(-1, *(1,) * (ndim - axis - 1))


def _others(axis: int, ndim: int) -> tuple[int, ...]:
    return tuple(i for i in range(ndim) if i != axis)


def _forward(relu, variance):
    def kernel(attrs, ins, outs):
        data, gamma, beta, moving_mean, moving_var = ins
        axis = _axis(attrs, data.ndim)
        wide = _statistics_dtype(data.dtype)
        data = data.astype(wide, copy=False)
        if _global(attrs) or not data.size:
            mean, var = moving_mean, moving_var
        else:
            mean = data.mean(axis=_others(axis, data.ndim))
            centered = data - _column(mean, axis, data.ndim)
            var = (centered * centered).mean(axis=_others(axis, data.ndim))
        invstd = 1 / np.sqrt(var + wide.type(attrs.eps))
        scale = invstd if attrs.fix_gamma else invstd * gamma
        result = (data - _column(mean, axis, data.ndim)) * _column(scale, axis, data.ndim)
        result += _column(beta, axis, data.ndim)
        put(outs[0], np.maximum(result, 0) if relu else result)
        put(outs[1], mean)
        put(outs[2], var if variance else invstd)

    return kernel


def _backward(relu, variance):
    def kernel(attrs, ins, outs):
        grad, data, gamma, mean, invstd, moving_mean, moving_var = ins[:7]
        axis, ndim = _axis(attrs, data.ndim), data.ndim
        others = _others(axis, ndim)
        wide = _statistics_dtype(data.dtype)
        grad, data = grad.astype(wide, copy=False), data.astype(wide, copy=False)
        if relu:
            grad = np.where(ins[7] > 0, grad, 0)
        if variance:
            invstd = 1 / np.sqrt(invstd + wide.type(attrs.eps))
        if _global(attrs):
            mean, invstd = moving_mean, 1 / np.sqrt(moving_var + wide.type(attrs.eps))
        normal = (data - _column(mean, axis, ndim)) * _column(invstd, axis, ndim)
        d_beta = grad.sum(axis=others)
        d_gamma = (grad * normal).sum(axis=others)
        scale = _column(invstd if attrs.fix_gamma else invstd * gamma, axis, ndim)
        if _global(attrs):
            put(outs[0], grad * scale)
        else:
            count = max(1, data.size // max(1, d_beta.size))
            drift = _column(d_beta, axis, ndim) + normal * _column(d_gamma, axis, ndim)
            put(outs[0], (grad - drift / count) * scale)
            _move(moving_mean, mean, attrs.momentum)
            _move(moving_var, 1 / (invstd * invstd) - wide.type(attrs.eps), attrs.momentum)
        put(outs[1], np.zeros_like(d_gamma) if attrs.fix_gamma else d_gamma)
        put(outs[2], d_beta)

    return kernel


def _move(moving: np.ndarray, batch: np.ndarray, momentum: float) -> None:
    moving *= moving.dtype.type(momentum)
    moving += batch * moving.dtype.type(1 - momentum)


def _gradient(backward, relu):
    def gradient(ctx, out_grad, *statistics_grads):
        # Heads on the mean and the deviation are ignored, as in MXNet.
        if out_grad is None:
            return [None] * len(ctx.inputs)
        data, gamma, _, moving_mean, moving_var = ctx.inputs
        out, mean, invstd = ctx.outputs
        inputs = [out_grad, data, gamma, mean, invstd, moving_mean, moving_var]
        result = backward_call(backward, [*inputs, out] if relu else inputs, ctx.attrs)
        return [*result, None, None]

    return gradient


def _second(relu, variance):
    """Gradient of the backward operator; the moving statistics count as given."""

    def gradient(ctx, *heads):
        attrs, inputs = ctx.attrs, ctx.inputs
        grad, data, gamma, mean, deviation = inputs[:5]
        wide, narrow = gamma.dtype, data.dtype
        axis, ndim = _axis(attrs, len(data.shape)), len(data.shape)
        grad, data, head = (x if x is None or wide == narrow else F.cast(x, dtype=wide) for x in (grad, data, heads[0]))
        if relu:
            positive = F.cast(inputs[7] > 0, dtype=wide)
            grad = grad * positive
        if _global(attrs):
            mean, std = inputs[5], F.sqrt(inputs[6] + attrs.eps)
        else:
            std = F.sqrt(deviation + attrs.eps) if variance else 1 / deviation
        mean, std = along(mean, axis, ndim), along(std, axis, ndim)
        # A fixed gamma counts as one, and the gradient in it is zero whatever the data are.
        scale, head_gamma = (None, None) if attrs.fix_gamma else (gamma, heads[1])
        given = (grad, data, scale, mean, std, (head, head_gamma, heads[2]))
        found = scaling_second(*given, axis) if _global(attrs) else normalization_second(*given, _others(axis, ndim), axis)
        d_grad, d_data, d_gamma = found
        if relu and d_grad is not None:
            d_grad = d_grad * positive
        if wide != narrow:
            d_grad, d_data = (x if x is None else F.cast(x, dtype=narrow) for x in (d_grad, d_data))
        return [d_grad, d_data, None if attrs.fix_gamma else d_gamma, *[None] * (len(inputs) - 3)]

    return gradient


def _backward_dtype(attrs, dtypes):
    wide = _check_dtypes(dtypes[1], dtypes[2:7], ("gamma", "saved_mean", "saved_invstd", "moving_mean", "moving_var"))
    return [dtypes[1], wide, wide]


def _cost(attrs, ins, outs):
    return 500 + 1.5 * math.prod(outs[0])


def _declare(name, backward, aliases, params, *, relu=False, variance=False, builders=(), doc, examples=""):
    operator(
        name,
        aliases=aliases,
        inputs=_INPUTS,
        aux=("moving_mean", "moving_var"),
        params=params,
        shape=_shape,
        infer_partial=partial.like_data,
        infer_inputs=_infer_inputs,
        dtype=_dtype,
        infer_dtypes=_infer_dtypes,
        num_outputs=3,
        visible_outputs=lambda attrs: 3 if attrs.output_mean_var else 1,
        output_names=("output", "mean", "var"),
        variable_attrs={"moving_mean": {"__init__": '["zero", {}]'}, "moving_var": {"__init__": '["one", {}]'}},
        gradient=_gradient(backward, relu),
        inplace=((0, 0),),
        uses_train=True,
        cpu=builders[:1],
        numpy=_forward(relu, variance),
        cost=_cost,
        doc=doc,
        input_docs=_DOCS,
        examples=examples,
    )
    inputs = ("out_grad", "data", "gamma", "saved_mean", "saved_invstd", "moving_mean", "moving_var")
    operator(
        backward,
        inputs=(*inputs, "out") if relu else inputs,
        params=params,
        shape=lambda attrs, shapes: [shapes[1], shapes[2], shapes[2]],
        dtype=_backward_dtype,
        num_outputs=3,
        mutates=(5, 6),
        gradient=_second(relu, variance),
        saves="i",
        inplace=((0, 0), (1, 0)),
        uses_train=True,
        cpu=builders[1:],
        numpy=_backward(relu, variance),
        cost=_cost,
        doc=f"""Gradients of {name} in data, gamma and beta; in training it also moves the running statistics.""",
        input_docs=_DOCS,
    )


_DOC = """Normalize each channel to mean zero and variance one, then scale by gamma and shift by beta:
``(data - mean) / sqrt(var + eps) * gamma + beta``. In training the statistics are those of the batch, and the backward
pass moves the running statistics: ``moving = moving * momentum + batch * (1 - momentum)``."""

_declare(
    "BatchNorm",
    "_backward_BatchNorm",
    ("_npx_batch_norm",),
    _PARAMS,
    builders=(native("batch_norm", "planes"), native("backward_batch_norm", "planes")),
    doc=_DOC,
    examples="""
    >>> from weft import nd
    >>> nd.BatchNorm(nd.ones((2, 3)), nd.ones(3), nd.zeros(3), nd.ones(3), nd.ones(3)).asnumpy()
    array([[0., 0., 0.],
           [0., 0., 0.]], dtype=float32)
    """,
)
_declare("BatchNorm_v1", "_backward_BatchNorm_v1", (), _HEAD, doc=_DOC + " The channels are axis 1.")
_declare(
    "_contrib_BatchNormWithReLU",
    "_backward_contrib_BatchNormWithReLU",
    (),
    _PARAMS,
    relu=True,
    doc="""BatchNorm followed by ``max(x, 0)``.""",
)
_declare(
    "_contrib_SyncBatchNorm",
    "_backward__contrib_SyncBatchNorm",
    (),
    _SYNC,
    variance=True,
    doc=_DOC + " Its third output is the variance. Statistics are those of this process's batch: with ``ndev=1`` that is all of it.",
)
