"""Sorting, sorting indices and the k largest, with MXNet's result kinds and dtypes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import rules
from .functions import F
from .nn_common import native
from .registry import Bool, Dtype, Enum, Int, operator, zero_gradient
from .unary import number_dtype, to_integer

Array = np.ndarray

_INDEX_DTYPES = ("float16", "float32", "float64", "int32", "int64", "uint8")

_AXIS = Int("axis", -1, none=True, doc="Axis to sort along; None sorts the flattened array.")


def _flat_axis(attrs: Any, shape: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """Return the shape that is sorted and the non-negative axis within it."""
    if attrs.axis is None:
        size = 1
        for n in shape:
            size *= n
        return (size,), 0
    return shape, rules.normalize_axis(attrs.axis, len(shape))


def _sorted_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return _flat_axis(attrs, shapes[0])[0]


def stable_order(values: Array, axis: int, ascending: bool) -> Array:
    """Return sorting indices; equal values keep their order in both directions."""
    if ascending:
        return np.argsort(values, axis=axis, kind="stable")
    # Sorting the reversed array upwards and reading it backwards is a stable sort downwards.
    order = np.argsort(np.flip(values, axis), axis=axis, kind="stable")
    return values.shape[axis] - 1 - np.flip(order, axis)


def _write_indices(out: Array, indices: Array) -> None:
    out[...] = indices if out.dtype.kind == "f" else to_integer(indices, out.dtype)


# ---- sort, argsort -------------------------------------------------------------------------------------------------------


def _sort(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    shape, axis = _flat_axis(attrs, ins[0].shape)
    values = ins[0].reshape(shape)
    order = stable_order(values, axis, attrs.is_ascend)
    outs[0][...] = np.take_along_axis(values, order, axis)
    outs[1][...] = order


operator(
    "sort",
    aliases=("_npi_sort",),
    params=(_AXIS, Bool("is_ascend", True, doc="Sort upwards.")),
    shape=lambda attrs, shapes: [_sorted_shape(attrs, shapes)] * 2,
    dtype=lambda attrs, dtypes: [*number_dtype(attrs, dtypes), np.dtype("int64")],
    num_outputs=2,
    visible_outputs=1,
    gradient=lambda ctx, g, *hidden: [F._backward_order(g, ctx.inputs[0], ctx.outputs[1], axis=ctx.attrs.axis)],
    saves="io",
    cpu=(native("sort", "ordering"),),
    numpy=_sort,
    doc="Sort along an axis; equal values keep their order.",
    examples="""
    >>> import weft as mx
    >>> mx.nd.sort(mx.nd.array([3.0, 1.0, 2.0])).asnumpy().tolist()
    [1.0, 2.0, 3.0]
    """,
)


def _argsort(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    shape, axis = _flat_axis(attrs, ins[0].shape)
    _write_indices(outs[0], stable_order(ins[0].reshape(shape), axis, attrs.is_ascend))


operator(
    "argsort",
    aliases=("_npi_argsort",),
    params=(
        _AXIS,
        Bool("is_ascend", True, doc="Sort upwards."),
        Dtype("dtype", "float32", choices=_INDEX_DTYPES, doc="Dtype of the indices."),
    ),
    shape=lambda attrs, shapes: [_sorted_shape(attrs, shapes)],
    dtype=lambda attrs, dtypes: [attrs.dtype] if number_dtype(attrs, dtypes) else [],
    gradient=zero_gradient,
    cpu=(native("argsort", "ordering"),),
    numpy=_argsort,
    doc="Indices that would sort the array along an axis; equal values keep their order.",
)


# ---- topk ------------------------------------------------------------------------------------------------------------------


def _topk_size(attrs: Any, shape: tuple[int, ...]) -> tuple[tuple[int, ...], int, int]:
    """Return the searched shape, the axis, and k; k of 0 or less means all."""
    shape, axis = _flat_axis(attrs, shape)
    length = shape[axis]
    if attrs.k > length:
        raise ValueError(f"k={attrs.k}: expected at most {length}, the length of axis {axis}")
    return shape, axis, attrs.k if attrs.k > 0 else length


def _topk_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    shape, axis, k = _topk_size(attrs, shapes[0])
    if attrs.ret_typ == "mask":
        return [shapes[0]]
    return [(*shape[:axis], k, *shape[axis + 1 :])] * _topk_outputs(attrs)


def _topk_outputs(attrs: Any) -> int:
    return 2 if attrs.ret_typ in ("value", "both") else 1


def _topk_dtype(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    data = number_dtype(attrs, dtypes)[0]
    return {"indices": [attrs.dtype], "mask": [data]}.get(attrs.ret_typ, [data, attrs.dtype])


def _top_order(values: Array, axis: int, k: int, ascending: bool) -> Array:
    """Return the indices of the first k in sorted order."""
    return np.take(stable_order(values, axis, ascending), np.arange(k), axis=axis)


def _topk(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    shape, axis, k = _topk_size(attrs, ins[0].shape)
    values = ins[0].reshape(shape)
    order = _top_order(values, axis, k, attrs.is_ascend)
    if attrs.ret_typ == "mask":
        mask = np.zeros(shape, outs[0].dtype)
        np.put_along_axis(mask, order, 1, axis)
        outs[0][...] = mask.reshape(outs[0].shape)
    elif attrs.ret_typ == "indices":
        _write_indices(outs[0], order)
    else:
        outs[0][...] = np.take_along_axis(values, order, axis)
        _write_indices(outs[1], order)


def _topk_gradient(ctx: Any, g: Any, *hidden: Any) -> list[Any]:
    if ctx.attrs.ret_typ in ("indices", "mask"):
        return [None]
    return [F._backward_order(g, ctx.inputs[0], ctx.outputs[1], axis=ctx.attrs.axis)]


operator(
    "topk",
    aliases=("_npx_topk",),
    params=(
        Int("axis", -1, none=True, doc="Axis to search along; None searches the flattened array."),
        Int("k", 1, doc="How many; 0 or less for all."),
        Enum(
            "ret_typ",
            ("value", "indices", "mask", "both"),
            "indices",
            doc="What is returned: values, their indices, a 0/1 mask of the input's shape, or values and indices.",
        ),
        Bool("is_ascend", False, doc="Take the smallest, in ascending order, instead of the largest."),
        Dtype("dtype", "float32", choices=_INDEX_DTYPES, doc="Dtype of the indices."),
    ),
    shape=_topk_shape,
    dtype=_topk_dtype,
    num_outputs=_topk_outputs,
    visible_outputs=lambda attrs: 2 if attrs.ret_typ == "both" else 1,
    gradient=_topk_gradient,
    saves="io",
    cpu=(native("topk", "ordering"),),
    numpy=_topk,
    doc="The k largest or smallest along an axis, in order; of equal values the first come first.",
    examples="""
    >>> import weft as mx
    >>> mx.nd.topk(mx.nd.array([3.0, 1.0, 2.0]), k=2, ret_typ="value").asnumpy().tolist()
    [3.0, 2.0]
    """,
)


def _backward_order(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    grad, data, order = ins
    shape, axis = _flat_axis(attrs, data.shape)
    spread = np.zeros(shape, outs[0].dtype)
    np.put_along_axis(spread, order.astype(np.int64), grad, axis)
    outs[0][...] = spread.reshape(outs[0].shape)


def _gather_order(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    data, order = ins
    shape, axis = _flat_axis(attrs, data.shape)
    outs[0][...] = np.take_along_axis(data.reshape(shape), order.astype(np.int64), axis)


operator(
    "_backward_order",
    inputs=("out_grad", "data", "order"),
    params=(_AXIS,),
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=lambda attrs, dtypes: [dtypes[1]],
    gradient=lambda ctx, g: [F._gather_order(g, ctx.inputs[2], axis=ctx.attrs.axis), None, None],
    saves="i",
    numpy=_backward_order,
    doc="Gradient of sort and topk: puts gradients where the values came from, and zero elsewhere.",
    input_docs={"order": "Indices of the values along the axis."},
)
operator(
    "_gather_order",
    inputs=("data", "order"),
    params=(_AXIS,),
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=rules.first_dtype,
    gradient=lambda ctx, g: [F._backward_order(g, ctx.inputs[0], ctx.inputs[1], axis=ctx.attrs.axis), None],
    saves="i",
    numpy=_gather_order,
    doc="Entries along an axis at given indices.",
    input_docs={"order": "Indices along the axis."},
)
