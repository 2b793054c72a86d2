"""Pooling over one, two or three spatial axes: maximum, average, sum and p-norm."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from .errors import MXNetError
from .functions import F
from .nn_common import CHANNEL_LAST, backward_call, compute_dtype, float_dtypes, native, put, to_channel_first, to_channel_last
from .registry import Bool, Enum, Int, Shape, operator

_POOL = (
    Shape("kernel", (), low=1, doc="Size of the window; not needed for global pooling."),
    Enum("pool_type", ("avg", "lp", "max", "sum"), "max", doc="What is made of the elements in a window."),
    Bool("global_pool", False, doc="One window over everything; kernel, stride and pad are ignored."),
    Bool("cudnn_off", False, doc="Do not use cuDNN; ignored on CPU."),
    Enum(
        "pooling_convention",
        ("full", "same", "valid"),
        "valid",
        doc="Rounding of the output size: down (valid), up (full), or ceil(size / stride) (same; one axis only).",
    ),
    Shape("stride", (), low=1, doc="Step of the window; 1 along every axis when empty."),
    Shape("pad", (), low=0, doc="Padding on both sides of every axis; 0 when empty."),
    Int("p_value", None, doc="Exponent of the p-norm: 1, 2 or 3; required for pool_type='lp'."),
    Bool("count_include_pad", None, doc="Whether averages count padding (they do by default)."),
    Enum(
        "layout", ("NCDHW", "NCHW", "NCW", "NDHWC", "NHWC", "NWC"), None, doc="Order of the axes; channels first by default."
    ),
)
_POOL_V1 = (
    Shape("kernel", (), low=1, doc="Size of the window; not needed for global pooling."),
    Enum("pool_type", ("avg", "max", "sum"), "max", doc="What is made of the elements in a window."),
    Bool("global_pool", False, doc="One window over everything."),
    Enum("pooling_convention", ("full", "valid"), "valid", doc="Rounding of the output size: down (valid) or up (full)."),
    Shape("stride", (), low=1, doc="Step of the window; 1 along every axis when empty."),
    Shape("pad", (), low=0, doc="Padding on both sides of every axis; 0 when empty."),
)


class PoolGeometry(NamedTuple):
    """Windows of one pooling, one entry for each spatial axis.

    ``pad_end`` is what must be added behind the data so that every window fits; it can exceed ``pad`` (the padding that
    averages count) when sizes are rounded up.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    pad_end: tuple[int, ...]
    out_spatial: tuple[int, ...]
    first_axis: int


def _channel_last(attrs) -> bool:
    return getattr(attrs, "layout", None) in CHANNEL_LAST


def _per_axis(attrs, name: str, default: int, rank: int) -> tuple[int, ...]:
    value = getattr(attrs, name)
    if not value:
        return (default,) * rank
    if len(value) < rank:
        raise ValueError(f"{name}={value} has {len(value)} entries, expected {rank} for this data")
    return value[:rank]  # MXNet does not look at what is beyond


def pool_geometry(attrs, shape: Sequence[int]) -> PoolGeometry:
    """Return the windows of a pooling operator for data of the given shape; raise ValueError where they do not fit."""
    rank = len(shape) - 2
    if not 1 <= rank <= 3:
        raise ValueError(f"data has {len(shape)} axes, expected 3, 4 or 5")
    layout = getattr(attrs, "layout", None)
    if layout is not None and len(layout) != len(shape):
        raise ValueError(f"layout={layout!r} does not fit data of {len(shape)} axes")
    first = 1 if _channel_last(attrs) else 2
    spatial = tuple(shape[first : first + rank])
    if attrs.global_pool:
        return PoolGeometry(spatial, (1,) * rank, (0,) * rank, (0,) * rank, (1,) * rank, first)
    if len(attrs.kernel) != rank:
        raise ValueError(f"kernel={attrs.kernel} has {len(attrs.kernel)} entries, expected {rank} for data of {len(shape)} axes")
    stride, pad = _per_axis(attrs, "stride", 1, rank), _per_axis(attrs, "pad", 0, rank)
    return _windows(attrs, spatial, stride, pad, first)


def _windows(attrs, spatial, stride, pad, first) -> PoolGeometry:
    kernel, out, pad_end = attrs.kernel, [], []
    if attrs.pooling_convention == "same" and (len(kernel) > 1 or any(pad)):
        raise ValueError("pooling_convention='same' works on one spatial axis and without pad")
    for i, size in enumerate(spatial):
        if pad[i] >= kernel[i]:
            raise ValueError(f"pad={pad} must be smaller than kernel={kernel} along every axis")
        if attrs.pooling_convention == "same":
            count = -(-size // stride[i])
        else:
            room = size + 2 * pad[i] - kernel[i]
            if room < 0:
                raise ValueError(f"kernel={kernel} is larger than the padded data along spatial axis {i} (size {size})")
            count = (-(-room // stride[i]) if attrs.pooling_convention == "full" else room // stride[i]) + 1
        out.append(count)
        pad_end.append((count - 1) * stride[i] + kernel[i] - size - pad[i])
    return PoolGeometry(kernel, stride, pad, tuple(pad_end), tuple(out), first)


def _pool_shape(attrs, shapes):
    shape = shapes[0]
    geometry = pool_geometry(attrs, shape)
    if attrs.pool_type == "lp" and attrs.p_value not in (1, 2, 3):
        raise ValueError(f"p_value={attrs.p_value}: pool_type='lp' needs 1, 2 or 3")
    first = geometry.first_axis
    return [(*shape[:first], *geometry.out_spatial, *shape[first + len(geometry.kernel) :])]


# ---- NumPy kernels, channels first -------------------------------------------------------------------------------------


def _padded(data: np.ndarray, geometry: PoolGeometry, fill: float) -> np.ndarray:
    widths = [(p, max(0, e)) for p, e in zip(geometry.pad, geometry.pad_end)]
    if not any(map(any, widths)):
        return data
    return np.pad(data, [(0, 0), (0, 0), *widths], constant_values=fill)


def _positions(geometry: PoolGeometry) -> Iterator[tuple[slice, ...]]:
    """Yield, for each element of the window, where that element lies in padded data over all windows at once."""
    for offset in itertools.product(*map(range, geometry.kernel)):
        yield (
            slice(None),
            slice(None),
            *(slice(o, o + s * (n - 1) + 1, s) for o, s, n in zip(offset, geometry.stride, geometry.out_spatial)),
        )


def _divisor(attrs, geometry: PoolGeometry, spatial: Sequence[int], dtype) -> np.ndarray:
    """Return how many elements the average of each window counts."""
    counts = []
    include = getattr(attrs, "count_include_pad", None) is not False
    for i, size in enumerate(spatial):
        begin = np.arange(geometry.out_spatial[i]) * geometry.stride[i] - geometry.pad[i]
        # Windows that reach beyond the padding (sizes rounded up) never count what lies there.
        end = np.minimum(begin + geometry.kernel[i], size + geometry.pad[i])
        if not include:
            begin, end = np.maximum(begin, 0), np.minimum(end, size)
        counts.append((end - begin).reshape(-1, *(1,) * (len(spatial) - 1 - i)))
    return math.prod(counts[1:], start=counts[0]).astype(dtype)


def _first(attrs, array: np.ndarray) -> np.ndarray:
    array = array.astype(compute_dtype(array.dtype), copy=False)
    return to_channel_first(array) if _channel_last(attrs) else array


def _store(attrs, out: np.ndarray, value: np.ndarray) -> None:
    put(out, to_channel_last(value) if _channel_last(attrs) else value)


def _maximum(data, geometry):
    padded = _padded(data, geometry, -np.inf)
    total = np.full((*data.shape[:2], *geometry.out_spatial), -np.inf, data.dtype)
    for place in _positions(geometry):
        np.fmax(total, padded[place], out=total)  # what is not a number is passed over, as in MXNet
    return total


def _pool_forward(attrs, ins, outs):
    geometry = pool_geometry(attrs, ins[0].shape)
    data = _first(attrs, ins[0])
    spatial = data.shape[2:]
    if attrs.pool_type == "max":
        return _store(attrs, outs[0], _maximum(data, geometry))
    power = attrs.p_value if attrs.pool_type == "lp" else 1
    padded = _padded(data if power == 1 else data**power, geometry, 0)
    total = np.zeros((*data.shape[:2], *geometry.out_spatial), data.dtype)
    for place in _positions(geometry):
        total += padded[place]
    if attrs.pool_type == "avg":
        total /= _divisor(attrs, geometry, spatial, data.dtype)
    elif power > 1:
        total = np.sqrt(total) if power == 2 else np.cbrt(total)
    return _store(attrs, outs[0], total)


def _pool_backward(attrs, ins, outs):
    geometry = pool_geometry(attrs, ins[1].shape)
    grad, data, out = (_first(attrs, array) for array in ins)
    if attrs.pool_type == "max":
        result = _max_backward(geometry, grad, data, out)
    else:
        if attrs.pool_type == "avg":
            grad = grad / _divisor(attrs, geometry, data.shape[2:], data.dtype)
        elif attrs.pool_type == "lp" and attrs.p_value > 1:
            grad = grad / np.maximum(out, np.finfo(out.dtype).tiny) ** (attrs.p_value - 1)
        padded = np.zeros(_padded_shape(data, geometry), data.dtype)
        for place in _positions(geometry):
            padded[place] += grad
        result = _crop(padded, geometry, data.shape)
        if attrs.pool_type == "lp" and attrs.p_value > 1:
            result = result * data ** (attrs.p_value - 1)
    _store(attrs, outs[0], result)


def _padded_shape(data: np.ndarray, geometry: PoolGeometry) -> tuple[int, ...]:
    spatial = (n + p + max(0, e) for n, p, e in zip(data.shape[2:], geometry.pad, geometry.pad_end))
    return (*data.shape[:2], *spatial)


def _crop(padded: np.ndarray, geometry: PoolGeometry, shape: Sequence[int]) -> np.ndarray:
    return padded[(slice(None), slice(None), *(slice(p, p + n) for p, n in zip(geometry.pad, shape[2:])))]


def _max_backward(geometry, grad, data, out):
    """Give each window's gradient to the first element that attains the maximum."""
    padded = _padded(data, geometry, -np.inf)
    result = np.zeros_like(padded)
    open_windows = np.ones(grad.shape, bool)
    for place in _positions(geometry):
        hit = open_windows & (padded[place] == out)
        result[place] += np.where(hit, grad, 0)
        open_windows &= ~hit
    return _crop(result, geometry, data.shape)


def _zero_padded(data, geometry):
    """Return data with its padding written out as zeros, and the windows over that.

    The first version let padding take part in the maximum as zeros.
    """
    padded = np.pad(data, [(0, 0), (0, 0), *((p, p) for p in geometry.pad)])
    beyond = tuple(max(0, e - p) for e, p in zip(geometry.pad_end, geometry.pad))
    return padded, geometry._replace(pad=(0,) * len(beyond), pad_end=beyond)


def _pool_forward_v1(attrs, ins, outs):
    if attrs.pool_type != "max":
        return _pool_forward(attrs, ins, outs)
    padded, geometry = _zero_padded(_first(attrs, ins[0]), pool_geometry(attrs, ins[0].shape))
    return put(outs[0], _maximum(padded, geometry))


def _pool_backward_v1(attrs, ins, outs):
    """Give each window's gradient to every element that attains the maximum, as the first version did."""
    if attrs.pool_type != "max":
        return _pool_backward(attrs, ins, outs)
    grad, data, out = (_first(attrs, array) for array in ins)
    original = pool_geometry(attrs, data.shape)
    data, geometry = _zero_padded(data, original)
    padded = _padded(data, geometry, -np.inf)
    result = np.zeros_like(padded)
    for place in _positions(geometry):
        result[place] += np.where(padded[place] == out, grad, 0)
    return put(outs[0], _crop(result, original, ins[1].shape))


# ---- declarations ------------------------------------------------------------------------------------------------------


def _gradient(name: str):
    def gradient(ctx, out_grad):
        return [backward_call(name, [out_grad, ctx.inputs[0], ctx.outputs[0]], ctx.attrs)]

    return gradient


def _second_gradient(forward: str, name: str):
    def gradient(ctx, head):
        # The backward operator is linear in out_grad. Average and sum do not depend on data; a maximum picks elements
        # of head where it picked those of data, which pooling head alone cannot say, so only the linear kinds are given.
        if ctx.attrs.pool_type not in ("avg", "sum"):
            raise MXNetError(f"{name}: no second derivative for pool_type={ctx.attrs.pool_type!r}")
        return [getattr(F, forward)(head, **ctx.attrs.to_dict()), None, None]

    return gradient


def _cost(attrs, ins, outs):
    return 500 + 0.5 * math.prod(ins[0]) * max(1, math.prod(attrs.kernel))


def _declare(name: str, aliases: Sequence[str], params, forward, backward, builders) -> None:
    operator(
        name,
        aliases=aliases,
        params=params,
        shape=_pool_shape,
        dtype=float_dtypes,
        gradient=_gradient(f"_backward_{name}"),
        cpu=builders[:1],
        numpy=forward,
        cost=_cost,
        doc="""Pooling: the maximum, average, sum or p-norm of each window of the spatial axes. The output has
        ``(size + 2 * pad - kernel) / stride + 1`` elements along an axis, rounded as ``pooling_convention`` says.""",
        examples=f"""
        >>> from weft import nd
        >>> nd.{name}(nd.arange(16).reshape((1, 1, 4, 4)), kernel=(2, 2), stride=(2, 2), pool_type="max").asnumpy()
        array([[[[ 5.,  7.],
                 [13., 15.]]]], dtype=float32)
        """,
    )
    operator(
        f"_backward_{name}",
        inputs=("out_grad", "data", "out"),
        params=params,
        shape=lambda attrs, shapes: [shapes[1]],
        dtype=float_dtypes,
        gradient=_second_gradient(name, f"_backward_{name}"),
        saves="",
        unread=lambda attrs: (1, 2) if attrs.pool_type in ("avg", "sum") else (),
        cpu=builders[1:],
        numpy=backward,
        cost=_cost,
        doc="""Gradient of pooling in its data.""",
    )


_declare(
    "Pooling",
    ("_npx_pooling",),
    _POOL,
    _pool_forward,
    _pool_backward,
    (native("pooling", "planes"), native("backward_pooling", "planes")),
)
_declare("Pooling_v1", (), _POOL_V1, _pool_forward_v1, _pool_backward_v1, ())
