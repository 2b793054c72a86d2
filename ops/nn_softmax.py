"""Softmax, log_softmax, softmin and SoftmaxActivation."""

from __future__ import annotations

import math

import numpy as np

from . import partial
from .functions import F
from .nn_common import compute_dtype, native, put
from .registry import Bool, Dtype, Enum, Float, Int, operator
from .rules import first_shape, normalize_axis

_FLOATS = ("float16", "float32", "float64")
_PARAMS = (
    Int("axis", -1, doc="Axis along which the results add up to one."),
    Float("temperature", None, doc="Divisor of the data; 1 when None."),
    Dtype("dtype", None, choices=_FLOATS, doc="Dtype of the result; that of data when None."),
    Bool("use_length", False, none=True, doc="Only the first ``length`` elements along the axis count; the rest give 0."),
)
_DATA_DTYPE = Dtype("data_dtype", None, choices=_FLOATS, doc="Dtype of the data, and so of the gradient.")


def _has_length(attrs):
    return bool(getattr(attrs, "use_length", False))


def _softmax_inputs(attrs):
    return ("data", "length") if _has_length(attrs) else ("data",)


def _lengths_shape(attrs, shape):
    axis = normalize_axis(attrs.axis, len(shape))
    return tuple(n for i, n in enumerate(shape) if i != axis)


def _shape(attrs, shapes):
    data = shapes[0]
    normalize_axis(attrs.axis, len(data))
    if len(shapes) > 1 and tuple(shapes[1]) != _lengths_shape(attrs, data):
        raise ValueError(f"length has shape {tuple(shapes[1])}, expected {_lengths_shape(attrs, data)}")
    return [data]


def _infer_inputs(attrs, shapes):
    shapes = list(shapes)
    if len(shapes) > 1 and shapes[1] is None and shapes[0] is not None:
        shapes[1] = _lengths_shape(attrs, shapes[0])
    return shapes


def _dtype(attrs, dtypes):
    if dtypes[0].kind != "f":
        raise ValueError(f"data has dtype {dtypes[0]}, expected a floating-point dtype")
    if len(dtypes) > 1 and dtypes[1].kind not in "iu":
        raise ValueError(f"length has dtype {dtypes[1]}, expected an integer dtype")
    return [attrs.dtype or dtypes[0]]


# ---- kernels -----------------------------------------------------------------------------------------------------------


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    """Return exp(x) / sum(exp(x)) along an axis, without overflow."""
    result = np.exp(x - x.max(axis=axis, keepdims=True))
    result /= result.sum(axis=axis, keepdims=True)
    return result


def _valid(attrs, shape, lengths) -> np.ndarray:
    """Return which elements lie within the given lengths."""
    axis = normalize_axis(attrs.axis, len(shape))
    places = np.arange(shape[axis]).reshape(-1, *(1,) * (len(shape) - axis - 1))
    return places < np.expand_dims(lengths, axis)


def _scaled(attrs, data, out) -> np.ndarray:
    wide = np.result_type(compute_dtype(data.dtype), compute_dtype(out.dtype))
    data = data.astype(wide, copy=False)
    return data if attrs.temperature in (None, 1) else data / wide.type(attrs.temperature)


def _forward(sign):
    def kernel(attrs, ins, outs):
        x = _scaled(attrs, ins[0], outs[0])
        if sign < 0:
            x = -x
        if x.size == 0:
            return
        if len(ins) == 1:
            return put(outs[0], softmax(x, attrs.axis))
        valid = _valid(attrs, x.shape, ins[1])
        result = np.where(valid, np.exp(x - np.where(valid, x, -np.inf).max(axis=attrs.axis, keepdims=True)), 0)
        total = result.sum(axis=attrs.axis, keepdims=True)
        return put(outs[0], result / np.where(total > 0, total, 1))

    return kernel


def _log_forward(attrs, ins, outs):
    x = _scaled(attrs, ins[0], outs[0])
    if x.size:
        x = x - x.max(axis=attrs.axis, keepdims=True)
        put(outs[0], x - np.log(np.exp(x).sum(axis=attrs.axis, keepdims=True)))


def _backward(sign):
    def kernel(attrs, ins, outs):
        grad, out = (array.astype(compute_dtype(array.dtype), copy=False) for array in ins[:2])
        result = out * (grad - (grad * out).sum(axis=attrs.axis, keepdims=True))
        put(outs[0], result * (sign / (attrs.temperature or 1)))

    return kernel


def _log_backward(attrs, ins, outs):
    grad, out = (array.astype(compute_dtype(array.dtype), copy=False) for array in ins[:2])
    result = grad - np.exp(out) * grad.sum(axis=attrs.axis, keepdims=True)
    put(outs[0], result / (attrs.temperature or 1))


# ---- gradients ---------------------------------------------------------------------------------------------------------


def _gradient(backward):
    def gradient(ctx, out_grad):
        attrs = ctx.attrs
        more = {} if attrs.dtype is None else {"data_dtype": ctx.inputs[0].dtype}
        result = getattr(F, backward)(
            out_grad, ctx.outputs[0], axis=attrs.axis, temperature=attrs.temperature, dtype=attrs.dtype, **more
        )
        return [result, None][: len(ctx.inputs)]

    return gradient


def _second(backward, sign):
    def gradient(ctx, head):
        grad, out = ctx.inputs
        attrs = ctx.attrs
        factor = sign / (attrs.temperature or 1)
        d_grad = getattr(F, backward)(head, out, axis=attrs.axis, temperature=attrs.temperature)
        product = F.sum(grad * out, axis=attrs.axis, keepdims=True)
        overlap = F.sum(head * out, axis=attrs.axis, keepdims=True)
        d_out = F.broadcast_sub(head * F.broadcast_sub(grad, product), F.broadcast_mul(grad, overlap)) * factor
        return [d_grad, d_out]

    return gradient


def _log_second(ctx, head):
    grad, out = ctx.inputs
    attrs = ctx.attrs
    factor = 1 / (attrs.temperature or 1)
    chance = F.exp(out)
    total = F.sum(grad, axis=attrs.axis, keepdims=True)
    overlap = F.sum(head * chance, axis=attrs.axis, keepdims=True)
    return [F.broadcast_sub(head, overlap) * factor, F.broadcast_mul(head * chance, total) * -factor]


def _cost(attrs, ins, outs):
    return 300 + 2.0 * math.prod(ins[0])


def _declare(name, aliases, with_length, forward, backward, second, doc, examples):
    operator(
        name,
        aliases=aliases,
        inputs=("data", "length") if with_length else ("data",),
        active_inputs=_softmax_inputs if with_length else None,
        params=_PARAMS,
        shape=_shape,
        infer_partial=partial.like_data,
        infer_inputs=_infer_inputs,
        dtype=_dtype,
        gradient=_gradient(f"_backward_{name}"),
        inplace=((0, 0),),
        cpu=(native(name, "nn"), native(name)),
        numpy=forward,
        cost=_cost,
        doc=doc,
        input_docs={"length": "Number of valid elements along the axis, for each of the other places; integers."},
        examples=examples,
    )
    operator(
        f"_backward_{name}",
        inputs=("out_grad", "out"),
        params=(*_PARAMS, _DATA_DTYPE),
        shape=first_shape,
        dtype=lambda attrs, dtypes: [attrs.data_dtype or dtypes[0]],
        gradient=second,
        saves="i",
        inplace=((0, 0),),
        cpu=(native(f"backward_{name}", "nn"), native(f"backward_{name}")),
        numpy=backward,
        cost=_cost,
        doc=f"""Gradient of {name} from its result.""",
        input_docs={"out": "Result of the forward call."},
    )


_declare(
    "softmax",
    ("_npx_softmax",),
    True,
    _forward(1),
    _backward(1),
    _second("_backward_softmax", 1),
    """``exp(data / temperature)``, scaled so that it adds up to one along ``axis``.""",
    """
    >>> from weft import nd
    >>> nd.softmax(nd.zeros((1, 4))).asnumpy()
    array([[0.25, 0.25, 0.25, 0.25]], dtype=float32)
    """,
)
_declare(
    "softmin",
    (),
    False,
    _forward(-1),
    _backward(-1),
    _second("_backward_softmin", -1),
    """Softmax of the negated data: the smallest element gets the largest share.""",
    """
    >>> from weft import nd
    >>> nd.softmin(nd.zeros((1, 2))).asnumpy()
    array([[0.5, 0.5]], dtype=float32)
    """,
)
_declare(
    "log_softmax",
    ("_npx_log_softmax",),
    False,
    _log_forward,
    _log_backward,
    _log_second,
    """Logarithm of softmax, computed without overflow.""",
    """
    >>> from weft import nd
    >>> nd.log_softmax(nd.zeros((1, 1))).asnumpy()
    array([[0.]], dtype=float32)
    """,
)


# ---- SoftmaxActivation -------------------------------------------------------------------------------------------------

_MODE = (
    Enum(
        "mode",
        ("channel", "instance"),
        "instance",
        doc="Over axis 1 at every place (channel), or over the last axis of data seen as a matrix (instance).",
    ),
)


def _mode_axis(attrs, ndim):
    return 1 if attrs.mode == "channel" else ndim - 1


def _mode_shape(attrs, shapes):
    if attrs.mode == "channel" and len(shapes[0]) < 2:
        raise ValueError("data needs at least two axes in channel mode")
    return [shapes[0]]


def _mode_forward(attrs, ins, outs):
    data = ins[0].astype(compute_dtype(ins[0].dtype), copy=False)
    put(outs[0], softmax(data, _mode_axis(attrs, data.ndim)))


def _mode_backward(attrs, ins, outs):
    grad, out = (array.astype(compute_dtype(array.dtype), copy=False) for array in ins)
    axis = _mode_axis(attrs, out.ndim)
    put(outs[0], out * (grad - (grad * out).sum(axis=axis, keepdims=True)))


def _float_like_first(attrs, dtypes):
    if dtypes[0].kind != "f":
        raise ValueError(f"data has dtype {dtypes[0]}, expected a floating-point dtype")
    return [dtypes[0]]


operator(
    "SoftmaxActivation",
    params=_MODE,
    shape=_mode_shape,
    infer_partial=partial.like_data,
    dtype=_float_like_first,
    gradient=lambda ctx, grad: [F._backward_SoftmaxActivation(grad, ctx.outputs[0], mode=ctx.attrs.mode)],
    saves="o",
    cpu=(native("softmax_activation", "nn"),),
    numpy=_mode_forward,
    cost=_cost,
    doc="""Softmax over axis 1 (``mode="channel"``) or over the last axis (``mode="instance"``); kept for old programs.""",
)
operator(
    "_backward_SoftmaxActivation",
    inputs=("out_grad", "out"),
    params=_MODE,
    shape=first_shape,
    dtype=_float_like_first,
    cpu=(native("backward_softmax_activation", "nn"),),
    numpy=_mode_backward,
    cost=_cost,
    doc="""Gradient of SoftmaxActivation from its result.""",
    input_docs={"out": "Result of the forward call."},
)
