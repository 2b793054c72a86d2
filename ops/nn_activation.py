"""Activation functions with a choice: Activation and LeakyReLU."""

from __future__ import annotations

import numpy as np

from . import partial, rules, special
from .errors import MXNetError
from .functions import F
from .nn_common import compute_dtype, float_dtypes, native, put
from .registry import Enum, Float, operator

_ACTIVATION = (
    Enum("act_type", ("relu", "sigmoid", "softrelu", "softsign", "tanh"), doc="Which function to apply."),
)

# ---- Activation --------------------------------------------------------------------------------------------------------


_FUNCTIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 0.5 * (1 + np.tanh(0.5 * x)),
    "softrelu": lambda x: np.logaddexp(x, 0),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "tanh": np.tanh,
}

# Slope of each function, from its result; softsign's from its argument.
_SLOPES = {
    "relu": lambda y: (y > 0).astype(y.dtype),
    "sigmoid": lambda y: y * (1 - y),
    "softrelu": lambda y: -np.expm1(-y),
    "softsign": lambda x: 1 / (1 + np.abs(x)) ** 2,
    "tanh": lambda y: 1 - y * y,
}


def _activate(attrs, ins, outs):
    data = ins[0].astype(compute_dtype(ins[0].dtype), copy=False)
    put(outs[0], _FUNCTIONS[attrs.act_type](data))


def _activate_backward(attrs, ins, outs):
    grad, value = (array.astype(compute_dtype(array.dtype), copy=False) for array in ins)
    put(outs[0], grad * _SLOPES[attrs.act_type](value))


def _activation_gradient(ctx, out_grad):
    value = ctx.inputs[0] if ctx.attrs.act_type == "softsign" else ctx.outputs[0]
    return [F._backward_Activation(out_grad, value, act_type=ctx.attrs.act_type)]


def _activation_second(ctx, head):
    # The operator computes grad * slope(value); the other factor of d/dvalue is slope'(value) * grad * head.
    grad, value = ctx.inputs
    kind = ctx.attrs.act_type
    d_grad = F._backward_Activation(head, value, act_type=kind)
    if kind == "relu":
        return [d_grad, None]
    product = grad * head
    if kind == "sigmoid":
        return [d_grad, product * (1 - 2 * value)]
    if kind == "tanh":
        return [d_grad, product * value * -2]
    if kind == "softrelu":
        return [d_grad, product * F.exp(-value)]
    return [d_grad, product * -2 * F.sign(value) / (1 + F.abs(value)) ** 3]


operator(
    "Activation",
    aliases=("_npx_activation",),
    params=_ACTIVATION,
    shape=rules.first_shape,
    dtype=float_dtypes,
    gradient=_activation_gradient,
    inplace=((0, 0),),
    cpu=(native("activation", "nn"), native("activation")),
    numpy=_activate,
    doc="""Apply one of five functions to each element: relu ``max(x, 0)``, sigmoid ``1 / (1 + exp(-x))``, softrelu
    ``log(1 + exp(x))``, softsign ``x / (1 + |x|)`` or tanh.""",
    examples="""
    >>> from weft import nd
    >>> nd.Activation(nd.array([-1, 2]), act_type="relu").asnumpy()
    array([0., 2.], dtype=float32)
    """,
)

operator(
    "_backward_Activation",
    inputs=("out_grad", "value"),
    params=_ACTIVATION,
    shape=rules.first_shape,
    dtype=float_dtypes,
    gradient=_activation_second,
    saves="i",
    inplace=((0, 0), (1, 0)),
    cpu=(native("backward_activation", "nn"), native("backward_activation")),
    numpy=_activate_backward,
    doc="""Gradient of Activation; ``value`` is the result of the forward call, for softsign its argument.""",
    input_docs={"value": "Result (softsign: argument) of the forward call."},
)

# ---- LeakyReLU ---------------------------------------------------------------------------------------------------------

_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946

_LEAKY = (
    Enum("act_type", ("elu", "gelu", "leaky", "prelu", "rrelu", "selu"), "leaky", doc="Which function to apply."),
    Float("slope", 0.25, doc="Slope below zero (leaky), or the scale of the exponential (elu)."),
    Float("lower_bound", 0.125, doc="Smallest random slope of rrelu."),
    Float("upper_bound", 0.334, doc="Largest random slope of rrelu."),
)


def _leaky_inputs(attrs):
    return ("data", "gamma") if attrs.act_type == "prelu" else ("data",)


def _leaky_outputs(attrs):
    return 2 if attrs.act_type == "rrelu" else 1


def _gamma_view(gamma_shape, data_shape):
    """Return the shape that makes gamma broadcast against data: its axes are those of samples and channels, or all of data's."""
    view = [1] * len(data_shape)
    left = list(gamma_shape)
    for axis in (1, 0):
        if left and axis < len(view) and left[-1] in (1, data_shape[axis]):
            view[axis] = left.pop()
    if not left:
        return tuple(view)
    if len(gamma_shape) == len(data_shape) and all(g in (1, n) for g, n in zip(gamma_shape, data_shape)):
        return tuple(gamma_shape)
    raise ValueError(f"gamma of shape {tuple(gamma_shape)} does not broadcast against data of shape {tuple(data_shape)}")


def _leaky_shape(attrs, shapes):
    if attrs.act_type == "prelu":
        _gamma_view(shapes[1], shapes[0])
    return [shapes[0]] * _leaky_outputs(attrs)


def _leaky_infer(attrs, shapes):
    shapes = list(shapes)
    if attrs.act_type == "prelu" and shapes[1] is None and shapes[0] is not None:
        shapes[1] = (shapes[0][min(1, len(shapes[0]) - 1)],)
    return shapes


def _leaky_dtype(attrs, dtypes):
    return float_dtypes(attrs, dtypes) * _leaky_outputs(attrs)


def _gelu(x):
    return 0.5 * x * (1 + special.erf(x / np.sqrt(2)))


def _gelu_slope(x):
    return 0.5 * (1 + special.erf(x / np.sqrt(2))) + x * np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)


def _random_slopes(attrs, shape, dtype) -> np.ndarray:
    if not attrs.train:
        return np.full(shape, 0.5 * (attrs.lower_bound + attrs.upper_bound), dtype)
    return attrs.rng.uniform(attrs.lower_bound, attrs.upper_bound, shape).astype(dtype)


def _leaky_forward(attrs, ins, outs):
    data = ins[0].astype(compute_dtype(ins[0].dtype), copy=False)
    kind = attrs.act_type
    if kind == "gelu":
        return put(outs[0], _gelu(data))
    if kind == "elu":
        return put(outs[0], np.where(data > 0, data, attrs.slope * np.expm1(np.minimum(data, 0))))
    if kind == "selu":
        low = _SELU_ALPHA * np.expm1(np.minimum(data, 0))
        return put(outs[0], _SELU_SCALE * np.where(data > 0, data, low))
    slope = attrs.slope
    if kind == "prelu":
        slope = ins[1].reshape(_gamma_view(ins[1].shape, data.shape))
    elif kind == "rrelu":
        put(outs[1], _random_slopes(attrs, data.shape, data.dtype))
        slope = outs[1]
    return put(outs[0], np.where(data > 0, data, data * slope))


def _leaky_backward(attrs, ins, outs):
    grad, data, *rest = (array.astype(compute_dtype(array.dtype), copy=False) for array in ins)
    kind = attrs.act_type
    if kind == "gelu":
        return put(outs[0], grad * _gelu_slope(data))
    if kind == "elu":
        return put(outs[0], grad * np.where(data <= 0, attrs.slope * np.exp(np.minimum(data, 0)), 1))
    if kind == "selu":
        low = _SELU_ALPHA * np.exp(np.minimum(data, 0))
        return put(outs[0], grad * _SELU_SCALE * np.where(data > 0, 1, low))
    if kind == "leaky":
        return put(outs[0], grad * np.where(data <= 0, attrs.slope, 1))
    if kind == "rrelu":
        return put(outs[0], grad * np.where(data > 0, 1, rest[0]))
    view = _gamma_view(rest[0].shape, data.shape)
    put(outs[0], grad * np.where(data <= 0, rest[0].reshape(view), 1))
    shared = tuple(i for i, n in enumerate(view) if n == 1)
    return put(outs[1], np.where(data <= 0, grad * data, 0).sum(axis=shared, keepdims=True))


def _leaky_gradient(ctx, out_grad, *hidden):
    named = {"out_grad": out_grad, **dict(zip(("data", "gamma"), ctx.inputs))}
    if ctx.attrs.act_type == "rrelu":
        named["mask"] = ctx.outputs[1]
    result = F._backward_LeakyReLU(**named, **ctx.attrs.to_dict())
    return list(result) if isinstance(result, (list, tuple)) else [result]


def _leaky_second(ctx, head, *rest):
    grad, data = ctx.inputs[:2]
    kind = ctx.attrs.act_type
    if kind == "prelu":
        raise MXNetError("LeakyReLU: no second derivative for act_type='prelu'")
    named = dict(zip(_leaky_backward_inputs(ctx.attrs), [head, *ctx.inputs[1:]]))
    d_grad = F._backward_LeakyReLU(**named, **ctx.attrs.to_dict())
    others = [None] * (len(ctx.inputs) - 2)
    if kind in ("leaky", "rrelu"):
        return [d_grad, None, *others]
    if kind == "gelu":
        density = F.exp(data * data * -0.5) * (1 / np.sqrt(2 * np.pi))
        return [d_grad, grad * head * density * (2 - data * data)]
    scale = ctx.attrs.slope if kind == "elu" else _SELU_ALPHA * _SELU_SCALE
    return [d_grad, grad * head * (data <= 0) * F.exp(F._minimum_scalar(data, scalar=0)) * scale]


def _leaky_backward_inputs(attrs):
    extra = {"prelu": ("gamma",), "rrelu": ("mask",)}.get(attrs.act_type, ())
    return ("out_grad", "data", *extra)


def _leaky_backward_outputs(attrs):
    return 2 if attrs.act_type == "prelu" else 1


operator(
    "LeakyReLU",
    aliases=("_npx_leaky_relu",),
    inputs=("data", "gamma"),
    active_inputs=_leaky_inputs,
    params=_LEAKY,
    shape=_leaky_shape,
    infer_partial=partial.like_data,
    infer_inputs=_leaky_infer,
    dtype=_leaky_dtype,
    num_outputs=_leaky_outputs,
    visible_outputs=_leaky_outputs,
    output_names=("output", "mask"),
    variable_attrs={"gamma": {"__init__": '["Constant", {"value": 0.25}]'}},
    gradient=_leaky_gradient,
    inplace=((0, 0),),
    random=True,
    uses_train=True,
    cpu=(native("leaky_relu", "nn"),),
    numpy=_leaky_forward,
    doc="""Rectifiers that let something through below zero: leaky ``slope * x``, elu ``slope * (exp(x) - 1)``, selu (elu
    with fixed scales), prelu (a learnt slope ``gamma`` for each channel), rrelu (a random slope when training, the mean
    slope otherwise; the slopes are the second output), and gelu ``x * Phi(x)``.""",
    input_docs={"gamma": "Slopes of prelu, one for each channel or one for all."},
    examples="""
    >>> from weft import nd
    >>> nd.LeakyReLU(nd.array([-4, 2]), slope=0.5).asnumpy()
    array([-2.,  2.], dtype=float32)
    """,
)

operator(
    "_backward_LeakyReLU",
    inputs=("out_grad", "data", "gamma", "mask"),
    active_inputs=_leaky_backward_inputs,
    params=_LEAKY,
    shape=lambda attrs, shapes: [shapes[1], shapes[2]] if attrs.act_type == "prelu" else [shapes[1]],
    dtype=lambda attrs, dtypes: float_dtypes(attrs, dtypes) * _leaky_backward_outputs(attrs),
    num_outputs=_leaky_backward_outputs,
    gradient=_leaky_second,
    saves="i",
    inplace=lambda attrs: () if attrs.act_type == "prelu" else ((0, 0), (1, 0)),
    cpu=(native("backward_leaky_relu", "nn"), native("backward_prelu", "losses")),
    numpy=_leaky_backward,
    doc="""Gradient of LeakyReLU in its data and, for prelu, in gamma.""",
    input_docs={"gamma": "Slopes of prelu.", "mask": "Slopes rrelu drew."},
)
