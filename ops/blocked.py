"""Operators that only graph passes make: arrays whose channels lie in blocks, packed weights, functions of a result.

A blocked array is an ordinary C-contiguous array (N, C / block, H, W, block): one vector register of channels side by side,
as oneDNN's convolutions on CPUs like it. A packed weight is (F / block, C / block, kh, kw, block, block), the input channels
before the output channels; for data with few channels, which stay plain, (F / block, kh, kw, C, block). A weight transformed
by Winograd's method is (36, F / 16, C, 16). Element-wise operators and concatenation along axis 1 work on blocked arrays as they are.
"""

from __future__ import annotations

import math

import numpy as np

from . import nn_batchnorm, nn_conv, nn_linear, nn_pool
from .nn_common import check_named_shape, choose_wanted, float_dtypes, native, put, wanted_outputs
from .registry import Bool, Enum, Float, Int, operator
from .special import sigmoid

__all__ = ["ACTIVATIONS", "block", "plain_shape", "unblock"]

# Functions that a convolution applies to its result; alpha is leaky's and elu's slope or clip's lower bound, beta its upper.
ACTIVATIONS = {
    "none": lambda x, alpha, beta: x,
    "relu": lambda x, alpha, beta: np.maximum(x, 0),
    "sigmoid": lambda x, alpha, beta: sigmoid(x),
    "tanh": lambda x, alpha, beta: np.tanh(x),
    "softrelu": lambda x, alpha, beta: np.logaddexp(x, 0),
    "leaky": lambda x, alpha, beta: np.where(x > 0, x, alpha * x),
    "elu": lambda x, alpha, beta: np.where(x > 0, x, alpha * np.expm1(x)),
    "gelu": lambda x, alpha, beta: 0.5 * x * (1 + np.vectorize(math.erf, otypes=[x.dtype])(x / math.sqrt(2))),
    "clip": lambda x, alpha, beta: np.clip(x, alpha, beta),
}

_FUNCTION = (
    Enum("act_type", tuple(ACTIVATIONS), "none", doc="Function of the result."),
    Float("alpha", 0.0, doc="Slope of leaky and elu; lower bound of clip."),
    Float("beta", 0.0, doc="Upper bound of clip."),
)
_RESIDUAL = Bool("residual", False, doc="Whether an array is added before the function.")
_FORMAT = Enum("weight_format", ("packed", "plain", "winograd"), "plain", doc="What ``_pack_weight`` made of the weight.")
_BLOCK = Int("block", 8, low=1, doc="Channels in a block.")
_WINDOW = nn_conv._CONV


def plain_shape(shape):
    """Return (N, C, H, W) of a blocked array; other shapes as they are.

    >>> plain_shape((2, 8, 7, 7, 16))
    (2, 128, 7, 7)
    """
    return (shape[0], shape[1] * shape[4], shape[2], shape[3]) if len(shape) == 5 else tuple(shape)


def block(array: np.ndarray, size: int) -> np.ndarray:
    """Return (N, C, H, W) as (N, C / size, H, W, size)."""
    n, c, h, w = array.shape
    return np.ascontiguousarray(array.reshape(n, c // size, size, h, w).transpose(0, 1, 3, 4, 2))


def unblock(array: np.ndarray) -> np.ndarray:
    """Return a blocked array as (N, C, H, W); others as they are."""
    if array.ndim != 5:
        return array
    return np.ascontiguousarray(array.transpose(0, 1, 4, 2, 3)).reshape(plain_shape(array.shape))


def _store(out: np.ndarray, value: np.ndarray) -> None:
    put(out, block(value, out.shape[4]) if out.ndim == 5 else value)


def _blocked_shape(shape, size):
    if len(shape) != 4:
        raise ValueError(f"data has {len(shape)} axes, expected 4 (N, C, H, W)")
    if shape[1] % size:
        raise ValueError(f"data has {shape[1]} channels, not a multiple of block={size}")
    return (shape[0], shape[1] // size, *shape[2:], size)


def _check_blocked(shape, name="data"):
    if len(shape) != 5:
        raise ValueError(f"{name} has {len(shape)} axes, expected 5 (N, C / block, H, W, block)")


def _moved(attrs, ins, outs):
    return 200 + 0.25 * math.prod(ins[0])


# ---- changes of layout -------------------------------------------------------------------------------------------------


def _from_blocked_shape(attrs, shapes):
    _check_blocked(shapes[0])
    return [plain_shape(shapes[0])]


operator(
    "_to_blocked",
    params=(_BLOCK,),
    shape=lambda attrs, shapes: [_blocked_shape(shapes[0], attrs.block)],
    cpu=(native("to_blocked", "blocks"),),
    numpy=lambda attrs, ins, outs: put(outs[0], block(ins[0], attrs.block)),
    cost=_moved,
    doc="""Bring (N, C, H, W) into blocks of channels.""",
)
operator(
    "_from_blocked",
    shape=_from_blocked_shape,
    cpu=(native("from_blocked", "blocks"),),
    numpy=lambda attrs, ins, outs: put(outs[0], unblock(ins[0])),
    cost=_moved,
    doc="""Bring blocks of channels back into (N, C, H, W).""",
)


def _packed_shape(attrs, shapes):
    size = 16 if attrs.winograd else attrs.block
    filters, channels, *kernel = shapes[0]
    if attrs.winograd and kernel != [3, 3]:
        raise ValueError(f"weight has shape {shapes[0]}, expected windows of 3 x 3")
    if len(kernel) != 2:
        raise ValueError(f"weight has {len(shapes[0])} axes, expected 4")
    if filters % size or (channels % size and not attrs.plain_data):
        raise ValueError(f"weight has shape {shapes[0]}: its channels are not multiples of block={size}")
    if attrs.winograd:
        return [(36, filters // 16, channels, 16)]
    if attrs.plain_data:
        return [(filters // size, *kernel, channels, size)]
    return [(filters // size, channels // size, *kernel, size, size)]


# Winograd's F(4 x 4, 3 x 3): what turns a window into 6 x 6 points.
_POINTS = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24


def _transform(weight: np.ndarray) -> np.ndarray:
    filters, channels, *_ = weight.shape
    points = np.einsum("iy,fcyx,jx->ijfc", _POINTS, weight, _POINTS).reshape(36, filters // 16, 16, channels)
    return points.transpose(0, 1, 3, 2)


def _transform_back(points: np.ndarray) -> np.ndarray:
    inverse = np.linalg.pinv(_POINTS)
    points = points.transpose(0, 1, 3, 2).reshape(6, 6, -1, points.shape[2])
    return np.einsum("yi,ijfc,xj->fcyx", inverse, points, inverse).astype(points.dtype)


def _pack(attrs, weight: np.ndarray) -> np.ndarray:
    filters, channels, *kernel = weight.shape
    size = attrs.block
    if attrs.winograd:
        return _transform(weight)
    if attrs.plain_data:
        return weight.reshape(filters // size, size, channels, *kernel).transpose(0, 3, 4, 2, 1)
    return weight.reshape(filters // size, size, channels // size, size, *kernel).transpose(0, 2, 4, 5, 3, 1)


def _unpack(attrs, weight: np.ndarray) -> np.ndarray:
    if attrs.weight_format == "winograd":
        return _transform_back(weight)
    if weight.ndim == 6:
        f, c, kh, kw, inner, outer = weight.shape
        return weight.transpose(0, 5, 1, 4, 2, 3).reshape(f * outer, c * inner, kh, kw)
    if weight.ndim == 5:
        f, kh, kw, c, outer = weight.shape
        return weight.transpose(0, 4, 3, 1, 2).reshape(f * outer, c, kh, kw)
    return weight


operator(
    "_pack_weight",
    inputs=("weight",),
    params=(
        _BLOCK,
        Bool("plain_data", False, doc="Of a convolution whose data have few channels and stay plain."),
        Bool("winograd", False, doc="Transform it by Winograd's method instead."),
    ),
    shape=_packed_shape,
    cpu=(native("pack_weight"),),
    numpy=lambda attrs, ins, outs: put(outs[0], _pack(attrs, ins[0])),
    cost=_moved,
    doc="""Bring the weight of a convolution into the order that the blocked convolution reads it in.""",
)


# ---- convolution -----------------------------------------------------------------------------------------------------------


def _conv_inputs(attrs):
    names = ["data", "weight"] if attrs.no_bias else ["data", "weight", "bias"]
    return (*names, "residual") if attrs.residual else tuple(names)


def _plain_weight_shape(attrs, shape):
    if attrs.weight_format == "winograd":
        return (shape[1] * shape[3], shape[2], *attrs.kernel)
    if len(shape) == 6:
        return (shape[0] * shape[5], shape[1] * shape[4], shape[2], shape[3])
    if len(shape) == 5:
        return (shape[0] * shape[4], shape[3], shape[1], shape[2])
    return shape


def _conv_result(attrs, shapes):
    plain = [plain_shape(shapes[0]), _plain_weight_shape(attrs, shapes[1]), *shapes[2 : 2 if attrs.no_bias else 3]]
    return nn_conv._conv_shape(attrs, plain)[0]


def _fused_shape(attrs, shapes):
    out = _conv_result(attrs, shapes)
    if attrs.residual:
        check_named_shape("residual", shapes[-1], out)
    return [out]


def _blocked_conv_shape(attrs, shapes):
    out = _blocked_shape(_conv_result(attrs, shapes), attrs.block)
    if attrs.residual:
        check_named_shape("residual", shapes[-1], out)
    return [out]


def _conv_forward(attrs, ins, outs):
    data, weight = unblock(ins[0]), _unpack(attrs, ins[1])
    spatial = plain_shape(outs[0].shape)[2:]
    value = nn_conv.correlate(data, weight, nn_conv.conv_geometry(attrs), attrs.num_group, spatial)
    if not attrs.no_bias:
        value = value + ins[2].reshape(-1, *(1,) * (value.ndim - 2))
    if attrs.residual:
        value = value + unblock(ins[-1])
    _store(outs[0], ACTIVATIONS[attrs.act_type](value, attrs.alpha, attrs.beta))


def _blocked_conv_inplace(attrs):
    return ((len(_conv_inputs(attrs)) - 1, 0),) if attrs.residual else ()


def _conv_cost(attrs, ins, outs):
    return 1000 + 0.03 * math.prod(outs[0]) * math.prod(ins[1]) / max(1, attrs.num_filter)


def _declare_convolution(name, params, shape, inplace, doc):
    operator(
        name,
        inputs=("data", "weight", "bias", "residual"),
        active_inputs=_conv_inputs,
        params=params,
        shape=shape,
        dtype=float_dtypes,
        inplace=inplace,
        cpu=(native("fused_convolution"),),
        numpy=_conv_forward,
        cost=_conv_cost,
        doc=doc,
        input_docs={"residual": "Added to the result before the function is applied."},
    )


_declare_convolution(
    "_fused_Convolution",
    (*_WINDOW, _RESIDUAL, *_FUNCTION, _FORMAT),
    _fused_shape,
    (),  # a plain result is written before the residual is read, see onednn_conv.cpp
    """Convolution, then an addition, then a function of the result, in one pass.""",
)
_declare_convolution(
    "_blocked_Convolution",
    (*_WINDOW, _RESIDUAL, *_FUNCTION, _FORMAT, _BLOCK),
    _blocked_conv_shape,
    _blocked_conv_inplace,
    """Convolution of blocked data (or plain data of few channels) with plain or packed weights, to a blocked result.""",
)


def _backward_conv_shape(attrs, shapes):
    _check_blocked(shapes[0], "out_grad")
    return choose_wanted(attrs, [shapes[1], shapes[2], (attrs.num_filter,)])


def _conv_backward(attrs, ins, outs):
    grad, data, weight = unblock(ins[0]), unblock(ins[1]), ins[2]
    geometry = nn_conv.conv_geometry(attrs)
    rest = iter(outs)
    if attrs.wanted & 1:
        _store(next(rest), nn_conv.spread(grad, weight, geometry, attrs.num_group, data.shape[2:]))
    if attrs.wanted & 2:
        put(next(rest), nn_conv.correlate_weight(grad, data, geometry, attrs.num_group))
    if attrs.wanted & 4:
        put(next(rest), grad.sum(axis=(0, 2, 3)))


operator(
    "_backward_blocked_Convolution",
    inputs=("out_grad", "data", "weight"),
    params=(*_WINDOW, nn_conv.WANTED),
    shape=_backward_conv_shape,
    dtype=lambda attrs, dtypes: float_dtypes(attrs, dtypes) * wanted_outputs(attrs),
    num_outputs=wanted_outputs,
    cpu=(native("backward_blocked_convolution"),),
    numpy=_conv_backward,
    cost=lambda attrs, ins, outs: 1000 + 0.06 * math.prod(ins[0]) * math.prod(ins[2]) / max(1, attrs.num_filter),
    doc="""Gradients of a blocked convolution; weight and its gradient are plain.""",
)


def _linear_forward(attrs, ins, outs):
    nn_linear._forward(attrs, ins, outs)
    if attrs.relu:
        np.maximum(outs[0], 0, out=outs[0])


operator(
    "_fused_FullyConnected",
    inputs=("data", "weight", "bias"),
    active_inputs=nn_linear._input_names,
    params=(*nn_linear._PARAMS, Bool("relu", False, doc="Whether ``max(x, 0)`` follows.")),
    shape=nn_linear._shape,
    dtype=float_dtypes,
    cpu=(native("fused_fully_connected"),),
    numpy=_linear_forward,
    cost=lambda attrs, ins, outs: 500 + 0.05 * math.prod(outs[0]) * ins[1][-1],
    doc="""Fully connected layer and the function of its result, in one pass.""",
)


# ---- pooling ---------------------------------------------------------------------------------------------------------------


def _pool_shape(attrs, shapes):
    _check_blocked(shapes[0])
    out = nn_pool._pool_shape(attrs, [plain_shape(shapes[0])])[0]
    return [_blocked_shape(out, shapes[0][4])]


def _on_plain(kernel):
    """Return a NumPy kernel for blocked arrays made of one for plain arrays."""

    def run(attrs, ins, outs):
        plain = [np.empty(plain_shape(out.shape), out.dtype) for out in outs]
        kernel(attrs, [unblock(array) for array in ins], plain)
        for out, value in zip(outs, plain):
            _store(out, value)

    return run


_POOL = tuple(param for param in nn_pool._POOL if param.name != "layout")

operator(
    "_blocked_Pooling",
    params=_POOL,
    shape=_pool_shape,
    dtype=float_dtypes,
    cpu=(native("pooling", "blocks"),),
    numpy=_on_plain(nn_pool._pool_forward),
    cost=nn_pool._cost,
    doc="""Pooling of blocked data.""",
)
operator(
    "_backward_blocked_Pooling",
    inputs=("out_grad", "data", "out"),
    params=_POOL,
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=float_dtypes,
    cpu=(native("backward_pooling", "blocks"),),
    numpy=_on_plain(nn_pool._pool_backward),
    cost=nn_pool._cost,
    doc="""Gradient of pooling of blocked data.""",
)


# ---- batch normalization -----------------------------------------------------------------------------------------------------

_NORM = (*nn_batchnorm._HEAD, Bool("relu", False, doc="Whether ``max(x, 0)`` follows."))


def _norm_shape(attrs, shapes):
    _check_blocked(shapes[0])
    channels = (shapes[0][1] * shapes[0][4],)
    for name, shape in zip(nn_batchnorm._INPUTS[1:], shapes[1:]):
        check_named_shape(name, shape, channels)
    return [shapes[0], channels, channels]


def _norm_forward(attrs, ins, outs):
    plain = np.empty(plain_shape(outs[0].shape), outs[0].dtype)
    nn_batchnorm._forward(attrs.relu, False)(attrs, [unblock(ins[0]), *ins[1:]], [plain, *outs[1:]])
    _store(outs[0], plain)


def _norm_backward(attrs, ins, outs):
    grad, data, gamma, beta, mean, invstd, moving_mean, moving_var = ins
    grad, data = unblock(grad), unblock(data)
    rest = [gamma, mean, invstd, moving_mean, moving_var]
    if attrs.relu:
        used = (moving_mean, 1 / np.sqrt(moving_var + data.dtype.type(attrs.eps)))
        center, scale = used if nn_batchnorm._global(attrs) else (mean, invstd)
        column = (-1, 1, 1)
        scale = scale if attrs.fix_gamma else scale * gamma
        rest.append((data - center.reshape(column)) * scale.reshape(column) + beta.reshape(column))
    plain = np.empty(data.shape, data.dtype)
    nn_batchnorm._backward(attrs.relu, False)(attrs, [grad, data, *rest], [plain, *outs[1:]])
    _store(outs[0], plain)


operator(
    "_blocked_BatchNorm",
    inputs=nn_batchnorm._INPUTS,
    aux=("moving_mean", "moving_var"),
    params=_NORM,
    shape=_norm_shape,
    dtype=lambda attrs, dtypes: float_dtypes(attrs, dtypes) * 3,
    num_outputs=3,
    visible_outputs=lambda attrs: 3 if attrs.output_mean_var else 1,
    inplace=((0, 0),),
    uses_train=True,
    cpu=(native("batch_norm", "blocks"),),
    numpy=_norm_forward,
    cost=nn_batchnorm._cost,
    doc="""Batch normalization of blocked data, over the channels.""",
    input_docs=nn_batchnorm._DOCS,
)
operator(
    "_backward_blocked_BatchNorm",
    inputs=("out_grad", "data", "gamma", "beta", "saved_mean", "saved_invstd", "moving_mean", "moving_var"),
    params=_NORM,
    shape=lambda attrs, shapes: [shapes[1], shapes[2], shapes[2]],
    dtype=lambda attrs, dtypes: float_dtypes(attrs, dtypes) * 3,
    num_outputs=3,
    mutates=(6, 7),
    inplace=((0, 0),),
    uses_train=True,
    cpu=(native("backward_batch_norm", "blocks"),),
    numpy=_norm_backward,
    cost=nn_batchnorm._cost,
    doc="""Gradients of the blocked batch normalization; in training it also moves the running statistics.""",
    input_docs=nn_batchnorm._DOCS,
)
