"""Operators on positions and counts: flat and multi-dimensional indices, histograms, running sums."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from . import rules
from .functions import F
from .partial import merge
from .registry import Dtype, Floats, Int, Shape, operator, zero_gradient
from .rules import normalize_axis

Arrays = Sequence[np.ndarray]
Shapes = Sequence[tuple[int, ...]]

# ---- flat and multi-dimensional indices --------------------------------------------------------------------------------

_GRID = (Shape("shape", None, doc="Shape of the array that is indexed; its first entry is not used."),)


def _grid(attrs: Any) -> tuple[int, ...]:
    if not attrs.shape or any(size < 1 for size in attrs.shape[1:]):
        raise ValueError(f"shape={attrs.shape}: expected the shape of the array that is indexed")
    return attrs.shape


def _ravel_shape(attrs: Any, shapes: Shapes) -> list:
    data, ndim = shapes[0], len(_grid(attrs))
    if not data or data[0] != ndim:
        raise ValueError(f"data has shape {tuple(data)}, expected {ndim} rows, one for each dimension of shape")
    return [tuple(data[1:]) or (1,)]


def _ravel(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    result = np.zeros(ins[0].shape[1:], np.int64)
    for size, row in zip(attrs.shape, ins[0].astype(np.int64)):
        result = result * size + row
    outs[0][...] = result.reshape(outs[0].shape)


def _unravel(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    rest = ins[0].astype(np.int64)
    for axis in range(len(attrs.shape) - 1, 0, -1):
        rest, outs[0][axis] = np.divmod(rest, attrs.shape[axis])
    outs[0][0] = rest


operator(
    "_ravel_multi_index",
    aliases=("ravel_multi_index",),
    params=_GRID,
    shape=_ravel_shape,
    gradient=zero_gradient,
    numpy=_ravel,
    input_docs={"data": "Indices, one row for each dimension."},
    doc="""Turn rows of indices into flat, row-major indices.""",
    examples="""
    >>> import weft as mx
    >>> mx.nd.ravel_multi_index(mx.nd.array([[1, 2], [0, 1]]), shape=(3, 4)).asnumpy()
    array([4., 9.], dtype=float32)
    """,
)

operator(
    "_unravel_index",
    aliases=("unravel_index",),
    params=_GRID,
    shape=lambda attrs, shapes: [(len(_grid(attrs)), *shapes[0])],
    gradient=zero_gradient,
    numpy=_unravel,
    input_docs={"data": "Flat indices."},
    doc="""Turn flat, row-major indices into rows of indices, one for each dimension.""",
)


def _index_array_axes(attrs: Any, ndim: int) -> tuple[int, ...]:
    return tuple(range(ndim)) if attrs.axes is None else tuple(normalize_axis(axis, ndim, "axes") for axis in attrs.axes)


def _index_array(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    shape = ins[0].shape
    for place, axis in enumerate(_index_array_axes(attrs, len(shape))):
        outs[0][..., place] = np.arange(shape[axis]).reshape([-1 if i == axis else 1 for i in range(len(shape))])


operator(
    "_contrib_index_array",
    params=(Shape("axes", None, doc="Axes whose indices are given; all by default."),),
    shape=lambda attrs, shapes: [(*shapes[0], len(_index_array_axes(attrs, len(shapes[0]))))],
    dtype=rules.fixed_dtype("int64"),
    gradient=zero_gradient,
    numpy=_index_array,
    doc="""Return, for each element of an array, its indices: a new last axis holds them.""",
)

# ---- histogram ---------------------------------------------------------------------------------------------------------


def _edges(attrs: Any, ins: Arrays) -> np.ndarray:
    if attrs.bin_cnt is None:
        return ins[1]
    low, high = attrs.range
    return np.linspace(low, high, attrs.bin_cnt + 1).astype(ins[0].dtype)


def _histogram(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    edges = _edges(attrs, ins)
    outs[1][...] = edges
    outs[0][...] = np.histogram(ins[0].reshape(-1), edges)[0]


def _histogram_shape(attrs: Any, shapes: Shapes) -> list:
    if attrs.bin_cnt is None:
        if len(shapes[1]) != 1 or shapes[1][0] < 2:
            raise ValueError(f"bins has shape {tuple(shapes[1])}, expected at least two edges in a row")
        return [(shapes[1][0] - 1,), tuple(shapes[1])]
    if attrs.range is None or len(attrs.range) != 2 or not attrs.range[0] < attrs.range[1]:
        raise ValueError(f"range={attrs.range}: expected (low, high) with low < high")
    if attrs.bin_cnt < 1:
        raise ValueError(f"bin_cnt={attrs.bin_cnt}: expected at least 1")
    return [(attrs.bin_cnt,), (attrs.bin_cnt + 1,)]


operator(
    "_histogram",
    aliases=("_npi_histogram",),
    inputs=("data", "bins"),
    active_inputs=lambda attrs: ("data", "bins") if attrs.bin_cnt is None else ("data",),
    params=(
        Int("bin_cnt", None, doc="Number of equal bins; without it the edges are the second input."),
        Floats("range", None, doc="Lowest and highest edge, when bin_cnt is given."),
    ),
    shape=_histogram_shape,
    dtype=lambda attrs, dtypes: [np.dtype("int64"), dtypes[0]],
    num_outputs=2,
    gradient=zero_gradient,
    numpy=_histogram,
    input_docs={"bins": "Edges of the bins, rising."},
    doc="""Count how many elements fall into each bin; return the counts and the edges.""",
)

# ---- running sums ------------------------------------------------------------------------------------------------------

_CUMSUM_TYPES = ("float16", "float32", "float64", "int8", "int32", "int64")
_CUMSUM_PARAMS = (
    Int("axis", None, doc="Axis to sum along; by default the array is flattened first."),
    Dtype("dtype", None, choices=_CUMSUM_TYPES, doc="Number type of the result; that of the input by default."),
)


def _cumsum_shape(attrs: Any, shapes: Shapes) -> list:
    if attrs.axis is None:
        return [(prod(shapes[0]),)]
    normalize_axis(attrs.axis, len(shapes[0]))
    return [shapes[0]]


def _cumsum(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    np.cumsum(ins[0], axis=attrs.axis, dtype=outs[0].dtype, out=outs[0])


def _backward_cumsum(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    axis = 0 if attrs.axis is None else attrs.axis
    reversed_sums = np.flip(np.cumsum(np.flip(ins[0], axis), axis=axis), axis)
    outs[0][...] = reversed_sums.reshape(outs[0].shape)


def _cumsum_values(attrs: Any) -> dict[str, Any]:
    return {} if attrs.axis is None else {"axis": attrs.axis}


operator(
    "_np_cumsum",
    aliases=("cumsum",),
    inputs=("a",),
    params=_CUMSUM_PARAMS,
    shape=_cumsum_shape,
    dtype=rules.attr_dtype,
    gradient=lambda ctx, out_grad: [F._backward_np_cumsum(out_grad, ctx.inputs[0], **_cumsum_values(ctx.attrs))],
    saves="i",
    numpy=_cumsum,
    input_docs={"a": "Input array."},
    doc="""Running sums along an axis.""",
)

operator(
    "_backward_np_cumsum",
    inputs=("out_grad", "a"),
    params=_CUMSUM_PARAMS,
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=lambda attrs, dtypes: [dtypes[1]],
    gradient=lambda ctx, grad: [F._np_cumsum(grad, **_cumsum_values(ctx.attrs)), None],
    saves="",
    numpy=_backward_cumsum,
    input_docs={"a": "Input of the forward operator."},
    doc="""Gradient of cumsum: running sums from the other end.""",
)

# ---- masks -------------------------------------------------------------------------------------------------------------


class _Count(Int):
    """How many entries a mask lets through: nobody gives it, the mask's values do."""

    hidden = True


def _masked_axis(attrs: Any, shapes: Shapes) -> int:
    data, mask = shapes
    axis = normalize_axis(attrs.axis, len(data))
    if len(mask) != 1 or mask[0] != data[axis]:
        raise ValueError(f"index has shape {mask}, expected {(data[axis],)} like axis {axis} of data")
    return axis


def _count(attrs: Any, inputs: Sequence[Any]) -> Any:
    return attrs.with_(count=int(np.count_nonzero(inputs[1].asnumpy())))


def _mask_shape(attrs: Any, shapes: Shapes) -> list:
    axis = _masked_axis(attrs, shapes)
    if attrs.count is None:
        raise ValueError("the size of the result depends on the values of index")
    return [(*shapes[0][:axis], attrs.count, *shapes[0][axis + 1 :])]


def _mask_partial(op: Any, attrs: Any, ins: Any, outs: Any) -> Any:
    """All extents but the one that the mask decides on."""
    data, mask = ins
    if data is None:
        return ins, outs
    axis = normalize_axis(attrs.axis, len(data))
    mask = merge(mask, (data[axis],), "index")
    assert mask is not None
    data = (*data[:axis], mask[0], *data[axis + 1 :])
    return [data, mask], [merge(outs[0], (*data[:axis], 0, *data[axis + 1 :]), "output")]


def _mask(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    np.compress(ins[1] != 0, ins[0], axis=attrs.axis, out=outs[0])


def _backward_mask(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    grad, _, mask = ins
    outs[0][...] = 0
    np.moveaxis(outs[0], attrs.axis, 0)[mask != 0] = np.moveaxis(grad, attrs.axis, 0)


_MASK_AXIS = Int("axis", 0, doc="Axis to choose along.")

operator(
    "_contrib_boolean_mask",
    aliases=("_npi_boolean_mask",),
    inputs=("data", "index"),
    params=(_MASK_AXIS, _Count("count", None)),
    shape=_mask_shape,
    infer_partial=_mask_partial,
    resolve=_count,
    dtype=rules.first_dtype,
    gradient=lambda ctx, grad: [F._backward_contrib_boolean_mask(grad, *ctx.inputs, axis=ctx.attrs.axis), None],
    saves="i",
    numpy=_mask,
    input_docs={"index": "The mask, one entry for each entry of ``data`` along ``axis``."},
    doc="""Return the entries along an axis whose mask is not zero.

    The size of the result depends on the mask, so that a call waits for its values, and graphs with it run node by node.""",
    examples="""
    >>> import weft as mx
    >>> mx.nd.contrib.boolean_mask(mx.nd.array([[1, 2], [3, 4], [5, 6]]), mx.nd.array([0, 1, 1])).asnumpy().tolist()
    [[3.0, 4.0], [5.0, 6.0]]
    """,
)
operator(
    "_backward_contrib_boolean_mask",
    inputs=("out_grad", "data", "index"),
    params=(_MASK_AXIS,),
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=rules.first_dtype,
    gradient=lambda ctx, grad: [F._contrib_boolean_mask(grad, ctx.inputs[2], axis=ctx.attrs.axis), None, None],
    saves="i",
    unread=(1,),
    numpy=_backward_mask,
    input_docs={"index": "The mask of the forward call."},
    doc="""Gradient of boolean_mask: zeros where the mask is zero.""",
)
