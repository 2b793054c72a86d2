"""Operators that choose or place elements by arrays of indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from . import partial, rules
from .cpu import indexing as native
from .functions import F
from .registry import Bool, Dtype, Enum, Float, Int, Shape, operator, zero_gradient
from .rules import normalize_axis

Shapes = Sequence[tuple[int, ...]]
Arrays = Sequence[np.ndarray]

_TYPES = ("float16", "float32", "float64", "uint8", "int8", "int32", "int64")


def _bounded(indices: np.ndarray, size: int, mode: str, name: str) -> np.ndarray:
    """Return int64 indices in [0, size): clipped, wrapped around, or refused."""
    result = indices.astype(np.int64)
    if size == 0 and result.size:
        raise ValueError(f"{name}: cannot select from an axis of size 0")
    if mode == "clip":
        return result.clip(0, max(size - 1, 0))
    if mode == "wrap":
        return result % max(size, 1)
    wrong = (result < 0) | (result >= size)
    if wrong.any():
        raise ValueError(f"{name}: index {result[wrong][0]} is out of bounds for an axis of size {size}")
    return result


# ---- take --------------------------------------------------------------------------------------------------------------

_TAKE_PARAMS = (
    Int("axis", 0, doc="Axis the indices count along; negative counts from the end."),
    Enum("mode", ("clip", "raise", "wrap"), "clip", doc="What becomes of indices out of bounds."),
)


def _take_shape(attrs: Any, shapes: Shapes) -> list:
    data, index = shapes
    axis = normalize_axis(attrs.axis, len(data))
    return [(*data[:axis], *index, *data[axis + 1 :])]


def _take(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    data, indices = ins
    chosen = _bounded(indices, data.shape[attrs.axis], attrs.mode, "take")
    outs[0][...] = np.take(data, chosen, axis=attrs.axis)


def _add_rows(target: np.ndarray, axis: int, rows: np.ndarray, gradient: np.ndarray) -> None:
    """Add ``gradient``, whose axes at ``axis`` are those of ``rows``, onto the chosen rows of zeros."""
    target.fill(0)
    shape = target.shape
    inner = prod(shape[axis + 1 :])
    flat = target.reshape(prod(shape[:axis]), shape[axis], inner)
    np.add.at(flat, (slice(None), rows.reshape(-1)), gradient.reshape(flat.shape[0], rows.size, inner))


def _backward_take(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    out_grad, data, indices = ins
    axis = attrs.axis % data.ndim
    _add_rows(outs[0], axis, _bounded(indices, data.shape[axis], attrs.mode, "take"), out_grad)


def _take_gradient(ctx: Any, out_grad: Any) -> list:
    if not ctx.needs[0]:
        return [None, None]
    data, indices = ctx.inputs
    return [F._backward_take(out_grad, data, indices, axis=ctx.attrs.axis, mode=ctx.attrs.mode), None]


operator(
    "take",
    aliases=("_npi_take",),
    inputs=("a", "indices"),
    params=_TAKE_PARAMS,
    shape=_take_shape,
    dtype=rules.first_dtype,
    gradient=_take_gradient,
    saves="i",
    cpu=(native.take,),
    numpy=_take,
    input_docs={"a": "Array to take from.", "indices": "Indices; any shape and number type."},
    doc="""Take the entries with the given indices along an axis; the shape of ``indices`` takes the axis's place.""",
    examples="""
    >>> import weft as mx
    >>> mx.nd.take(mx.nd.array([[1, 2], [3, 4], [5, 6]]), mx.nd.array([2, 0])).asnumpy()
    array([[5., 6.],
           [1., 2.]], dtype=float32)
    """,
)


def _declare_added_rows(
    name: str, inputs: Sequence[str], source: int, params: Sequence[Any], gradient: Callable, loop: Any, kernel: Callable, doc: str
) -> None:
    """Declare the gradient of a look-up in input ``source``, of which only the shape matters: what one row got adds up."""
    operator(
        name,
        inputs=inputs,
        params=params,
        shape=lambda attrs, shapes: [shapes[source]],
        dtype=rules.first_dtype,
        gradient=lambda ctx, out_grad: [gradient(ctx, out_grad), None, None],
        unread=(source,),
        saves="i",
        cpu=(loop,),
        numpy=kernel,
        doc=doc,
    )


_declare_added_rows(
    "_backward_take",
    ("out_grad", "a", "indices"),
    1,
    _TAKE_PARAMS,
    lambda ctx, out_grad: F.take(out_grad, ctx.inputs[2], axis=ctx.attrs.axis, mode=ctx.attrs.mode),
    native.backward_take,
    _backward_take,
    """Gradient of take: what came from equal indices adds up.""",
)

# ---- Embedding ---------------------------------------------------------------------------------------------------------

_EMBEDDING_PARAMS = (
    Int("input_dim", low=1, doc="Number of rows of weight: the size of the vocabulary."),
    Int("output_dim", low=1, doc="Length of a row."),
    Dtype("dtype", "float32", choices=_TYPES, doc="Number type of weight where it is not known yet."),
    Bool("sparse_grad", False, doc="Taken for compatibility; gradients are dense."),
)


def _embedding_shape(attrs: Any, shapes: Shapes) -> list:
    data, weight = shapes
    if tuple(weight) != (attrs.input_dim, attrs.output_dim):
        raise ValueError(f"weight has shape {tuple(weight)}, expected {(attrs.input_dim, attrs.output_dim)} (input_dim, output_dim)")
    return [(*data, attrs.output_dim)]


def _embedding(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    data, weight = ins
    outs[0][...] = weight[_bounded(data, weight.shape[0], "clip", "Embedding")]


def _backward_embedding(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    out_grad, data, weight = ins
    _add_rows(outs[0], 0, _bounded(data, weight.shape[0], "clip", "Embedding"), out_grad)


def _embedding_values(attrs: Any) -> dict[str, Any]:
    return {"input_dim": attrs.input_dim, "output_dim": attrs.output_dim}


def _embedding_gradient(ctx: Any, out_grad: Any) -> list:
    if not ctx.needs[1]:
        return [None, None]
    return [None, F._backward_Embedding(out_grad, *ctx.inputs, **_embedding_values(ctx.attrs))]


operator(
    "Embedding",
    aliases=("_npx_embedding", "_sparse_Embedding", "_contrib_SparseEmbedding"),
    inputs=("data", "weight"),
    params=_EMBEDDING_PARAMS,
    shape=_embedding_shape,
    infer_inputs=lambda attrs, shapes: [shapes[0], (attrs.input_dim, attrs.output_dim)],
    dtype=lambda attrs, dtypes: [dtypes[1]],
    infer_dtypes=lambda attrs, dtypes: [dtypes[0], dtypes[1] or attrs.dtype],
    gradient=_embedding_gradient,
    saves="i",
    cpu=(native.embedding,),
    numpy=_embedding,
    input_docs={"data": "Indices of rows; any shape and number type.", "weight": "The rows, (input_dim, output_dim)."},
    doc="""Look rows of a weight matrix up by number. Numbers out of bounds mean the nearest row.""",
)

_declare_added_rows(
    "_backward_Embedding",
    ("out_grad", "data", "weight"),
    2,
    _EMBEDDING_PARAMS,
    lambda ctx, out_grad: F.Embedding(ctx.inputs[1], out_grad, **_embedding_values(ctx.attrs)),
    native.backward_embedding,
    _backward_embedding,
    """Gradient of Embedding: the gradients of each row, added up.""",
)

# ---- pick --------------------------------------------------------------------------------------------------------------

_PICK_PARAMS = (
    Int("axis", -1, none=True, doc="Axis along which one element is picked; negative counts from the end."),
    Bool("keepdims", False, doc="Keep the axis, with size 1."),
    Enum("mode", ("clip", "wrap"), "clip", doc="What becomes of indices out of bounds."),
)


def _pick_shape(attrs: Any, shapes: Shapes) -> list:
    data, index = shapes
    if attrs.axis is None:
        raise ValueError("axis=None: expected an axis")
    axis = normalize_axis(attrs.axis, len(data))
    kept = (*data[:axis], 1, *data[axis + 1 :])
    dropped = (*data[:axis], *data[axis + 1 :]) or (1,)
    if tuple(index) not in (kept, dropped):
        raise ValueError(f"index has shape {tuple(index)}, expected {dropped} or {kept}")
    return [kept if attrs.keepdims else dropped]


def _pick_places(attrs: Any, data: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, int]:
    axis = attrs.axis % data.ndim
    chosen = _bounded(index, data.shape[axis], attrs.mode, "pick")
    return chosen.reshape((*data.shape[:axis], 1, *data.shape[axis + 1 :])), axis


def _pick(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    places, axis = _pick_places(attrs, *ins)
    outs[0][...] = np.take_along_axis(ins[0], places, axis).reshape(outs[0].shape)


def _backward_pick(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    out_grad, data, index = ins
    places, axis = _pick_places(attrs, data, index)
    outs[0].fill(0)
    np.put_along_axis(outs[0], places, out_grad.reshape(places.shape), axis)


def _pick_values(attrs: Any) -> dict[str, Any]:
    return {"axis": attrs.axis, "keepdims": attrs.keepdims, "mode": attrs.mode}


operator(
    "pick",
    aliases=("_npx_pick", "choose_element_0index"),
    inputs=("data", "index"),
    params=_PICK_PARAMS,
    shape=_pick_shape,
    dtype=rules.first_dtype,
    gradient=lambda ctx, out_grad: [
        F._backward_pick(out_grad, *ctx.inputs, **_pick_values(ctx.attrs)) if ctx.needs[0] else None,
        None,
    ],
    saves="i",
    cpu=(native.pick,),
    numpy=_pick,
    input_docs={"index": "Which element to pick at each place; the shape of data without the axis, or with size 1."},
    doc="""Pick one element along an axis at each place: ``out[i, j] = data[i, index[i, j], j]`` for axis 1.""",
    examples="""
    >>> import weft as mx
    >>> mx.nd.pick(mx.nd.array([[1, 2], [3, 4]]), mx.nd.array([1, 0])).asnumpy()
    array([2., 3.], dtype=float32)
    """,
)

operator(
    "_backward_pick",
    inputs=("out_grad", "data", "index"),
    params=_PICK_PARAMS,
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=rules.first_dtype,
    gradient=lambda ctx, out_grad: [F.pick(out_grad, ctx.inputs[2], **_pick_values(ctx.attrs)), None, None],
    unread=(1,),
    saves="i",
    cpu=(native.backward_pick,),
    numpy=_backward_pick,
    doc="""Gradient of pick: zeros but for the picked elements.""",
)


def _batch_take_shape(attrs: Any, shapes: Shapes) -> list:
    data, index = shapes
    if prod(index) != prod(data[:-1]):
        raise ValueError(f"indices has {prod(index)} elements, expected {prod(data[:-1])}, one for each row of a")
    return [tuple(index)]


def _batch_take(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    data = ins[0].reshape(-1, ins[0].shape[-1])
    chosen = _bounded(ins[1], data.shape[1], "clip", "batch_take").reshape(-1)
    outs[0].reshape(-1)[...] = data[np.arange(data.shape[0]), chosen]


operator(
    "batch_take",
    inputs=("a", "indices"),
    shape=_batch_take_shape,
    dtype=rules.first_dtype,
    numpy=_batch_take,
    doc="""Take one element of each row: ``out[i] = a[i, indices[i]]``. As in MXNet it has no gradient; pick has one.""",
)


# ---- gather_nd, scatter_nd -----------------------------------------------------------------------------------------------


def _places(indices: np.ndarray, dims: Sequence[int], name: str) -> tuple[np.ndarray, ...]:
    """Return one int64 index array for each indexed dimension, checked and without negative entries."""
    result = []
    for axis, (row, size) in enumerate(zip(indices.astype(np.int64), dims)):
        wrong = (row < -size) | (row >= size)
        if wrong.any():
            raise ValueError(f"{name}: index {row[wrong][0]} is out of bounds for axis {axis} with size {size}")
        result.append(np.where(row < 0, row + size, row))
    return tuple(result)


def _gather_nd_shape(attrs: Any, shapes: Shapes) -> list:
    data, index = shapes
    if len(index) < 2:
        raise ValueError(f"indices has {len(index)} dimensions, expected at least 2")
    if index[0] > len(data):
        raise ValueError(f"indices names {index[0]} dimensions, but data has {len(data)}")
    return [(*index[1:], *data[index[0] :])]


def _gather_nd(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    outs[0][...] = ins[0][_places(ins[1], ins[0].shape, "gather_nd")]


def _scatter_shape(attrs: Any, shapes: Shapes) -> list:
    data, index = shapes[-2:]
    if not index or index[0] > len(attrs.shape):
        raise ValueError(f"indices of shape {tuple(index)} name more dimensions than shape={attrs.shape} has")
    expected = (*index[1:], *attrs.shape[index[0] :])
    if tuple(data) != expected:
        raise ValueError(f"data has shape {tuple(data)}, expected {expected} for these indices and shape={attrs.shape}")
    return [attrs.shape]


def _scatter(add: bool) -> Callable[[Any, Arrays, Arrays], None]:
    def run(attrs: Any, ins: Arrays, outs: Arrays) -> None:
        places = _places(ins[1], outs[0].shape, "scatter_nd")
        outs[0].fill(0)
        if add:
            np.add.at(outs[0], places, ins[0])
        else:
            outs[0][places] = ins[0]

    return run


_SCATTER_SHAPE = (Shape("shape", low=0, doc="Shape of the result."),)

operator(
    "gather_nd",
    aliases=("_npi_gather_nd", "_npx_gather_nd"),
    inputs=("data", "indices"),
    shape=_gather_nd_shape,
    dtype=rules.first_dtype,
    gradient=lambda ctx, out_grad: [
        F._backward_gather_nd_like(out_grad, *ctx.inputs) if ctx.needs[0] else None,
        None,
    ],
    saves="i",
    cpu=(native.gather_nd,),
    numpy=_gather_nd,
    input_docs={"indices": "Array (m, y1, y2, ...): entry [:, j] names a place along the first m axes of data."},
    doc="""Gather elements or slices: ``out[j] = data[indices[0, j], ..., indices[m-1, j]]``.

    Negative indices count from the end; indices out of bounds are an error.
    """,
)

operator(
    "_backward_gather_nd",
    inputs=("data", "indices"),
    params=_SCATTER_SHAPE,
    shape=_scatter_shape,
    dtype=rules.first_dtype,
    gradient=lambda ctx, out_grad: [F.gather_nd(out_grad, ctx.inputs[1]) if ctx.needs[0] else None, None],
    saves="i",
    cpu=(native.backward_gather_nd,),
    numpy=_scatter(add=True),
    doc="""Scatter values into zeros of the given shape; what falls on the same place adds up.""",
)

operator(
    "_backward_gather_nd_like",
    inputs=("out_grad", "data", "indices"),
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=rules.first_dtype,
    gradient=lambda ctx, out_grad: [F.gather_nd(out_grad, ctx.inputs[2]) if ctx.needs[0] else None, None, None],
    unread=(1,),
    saves="i",
    cpu=(lambda attrs, in_specs, out_specs: native.backward_gather_nd(attrs, in_specs[::2], out_specs, input=2),),
    numpy=lambda attrs, ins, outs: _scatter(add=True)(attrs, ins[::2], outs),
    doc="""Gradient of gather_nd: values scattered into zeros shaped like data, those of equal indices added up.""",
)

operator(
    "scatter_nd",
    inputs=("data", "indices"),
    params=_SCATTER_SHAPE,
    shape=_scatter_shape,
    dtype=rules.first_dtype,
    gradient=lambda ctx, out_grad: [F.gather_nd(out_grad, ctx.inputs[1]) if ctx.needs[0] else None, None],
    saves="i",
    cpu=(native.scatter_nd,),
    numpy=_scatter(add=False),
    input_docs={"data": "Values to place.", "indices": "Array (m, y1, y2, ...): entry [:, j] names a place."},
    doc="""Scatter values into zeros: ``out[indices[0, j], ..., indices[m-1, j]] = data[j]``. The last of equal
    indices stays.""",
)


def _scatter_into(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    if outs[0].ctypes.data != ins[0].ctypes.data:
        outs[0][...] = ins[0]
    outs[0][_places(ins[2], outs[0].shape, "_scatter_set_nd")] = ins[1]


def _scatter_into_shape(attrs: Any, shapes: Shapes) -> list:
    if tuple(shapes[0]) != attrs.shape:
        raise ValueError(f"lhs has shape {tuple(shapes[0])}, expected shape={attrs.shape}")
    return _scatter_shape(attrs, shapes)


operator(
    "_scatter_set_nd",
    aliases=("_npi_scatter_set_nd",),
    inputs=("lhs", "rhs", "indices"),
    params=_SCATTER_SHAPE,
    shape=_scatter_into_shape,
    dtype=rules.first_dtype,
    gradient=lambda ctx, out_grad: [
        F._scatter_set_nd(out_grad, F.zeros_like(ctx.inputs[1]), ctx.inputs[2], shape=ctx.attrs.shape) if ctx.needs[0] else None,
        F.gather_nd(out_grad, ctx.inputs[2]) if ctx.needs[1] else None,
        None,
    ],
    saves="i",
    inplace=((0, 0),),
    cpu=(native.scatter_set_nd,),
    numpy=_scatter_into,
    input_docs={"lhs": "Array to write into.", "rhs": "Values.", "indices": "Places."},
    doc="""Return ``lhs`` with the values ``rhs`` at the places named by ``indices``.""",
)


def _index_copy_shape(attrs: Any, shapes: Shapes) -> list:
    old, index, new = shapes
    if len(index) != 1 or tuple(new) != (index[0], *old[1:]):
        raise ValueError(f"new_tensor has shape {tuple(new)}, expected one row like those of old_tensor for each index")
    return [old]


def _index_copy(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    outs[0][...] = ins[0]
    outs[0][_places(ins[1][None], outs[0].shape, "index_copy")[0]] = ins[2]


def _index_copy_gradient(ctx: Any, out_grad: Any) -> list:
    old = None
    if ctx.needs[0]:
        old = F._contrib_index_copy(out_grad, ctx.inputs[1], F.zeros_like(ctx.inputs[2]))
    return [old, None, F.take(out_grad, ctx.inputs[1]) if ctx.needs[2] else None]


operator(
    "_contrib_index_copy",
    inputs=("old_tensor", "index_vector", "new_tensor"),
    shape=_index_copy_shape,
    dtype=rules.first_dtype,
    gradient=_index_copy_gradient,
    saves="i",
    inplace=((0, 0),),
    numpy=_index_copy,
    input_docs={
        "old_tensor": "Array to start from.",
        "index_vector": "Numbers of the rows to replace.",
        "new_tensor": "The new rows.",
    },
    doc="""Return a copy of ``old_tensor`` with some rows replaced.""",
)

# ---- one_hot, where ----------------------------------------------------------------------------------------------------


def _one_hot(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    indices = ins[0].astype(np.int64)[..., None]
    hit = indices == np.arange(attrs.depth)
    outs[0][...] = np.where(hit, np.asarray(attrs.on_value).astype(attrs.dtype), np.asarray(attrs.off_value).astype(attrs.dtype))


operator(
    "one_hot",
    aliases=("_npx_one_hot",),
    inputs=("indices",),
    params=(
        Int("depth", low=0, doc="Number of classes: the size of the new last axis."),
        Float("on_value", 1.0, doc="Value at the index."),
        Float("off_value", 0.0, doc="Value elsewhere."),
        Dtype("dtype", "float32", choices=_TYPES, doc="Number type of the result."),
    ),
    shape=lambda attrs, shapes: [(*shapes[0], attrs.depth)],
    dtype=rules.attr_dtype,
    gradient=zero_gradient,
    cpu=(native.one_hot,),
    numpy=_one_hot,
    input_docs={"indices": "Class numbers; those outside [0, depth) give a row of off_value."},
    doc="""Turn class numbers into rows with ``on_value`` at the class and ``off_value`` elsewhere.""",
)


def _where_shape(attrs: Any, shapes: Shapes) -> list:
    condition, x, y = shapes
    if tuple(x) != tuple(y):
        raise ValueError(f"x has shape {tuple(x)} and y {tuple(y)}; they must be equal")
    if tuple(condition) != tuple(x) and not (len(condition) == 1 and x and condition[0] == x[0]):
        raise ValueError(f"condition has shape {tuple(condition)}, expected {tuple(x)} or {tuple(x[:1])}")
    return [x]


def _where_dtype(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    if dtypes[1] != dtypes[2]:
        raise ValueError(f"x has dtype {dtypes[1]} and y {dtypes[2]}; they must be equal")
    return [dtypes[1]]


def _chosen(condition: np.ndarray, ndim: int) -> np.ndarray:
    if condition.ndim != ndim:
        condition = condition.reshape((-1,) + (1,) * (ndim - 1))
    return condition != 0


def _where(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    outs[0][...] = np.where(_chosen(ins[0], ins[1].ndim), ins[1], ins[2])


def _backward_where(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    chosen = _chosen(ins[1], ins[0].ndim)
    outs[0][...] = np.where(chosen, ins[0], 0)
    outs[1][...] = np.where(chosen, 0, ins[0])


operator(
    "where",
    aliases=("_sparse_where",),
    inputs=("condition", "x", "y"),
    shape=_where_shape,
    infer_partial=partial.where,
    dtype=_where_dtype,
    gradient=lambda ctx, out_grad: [None, *F._backward_where(out_grad, ctx.inputs[0])],
    saves="i",
    inplace=((1, 0), (2, 0)),
    cpu=(native.where,),
    numpy=_where,
    input_docs={
        "condition": "Where to take x: not zero. Shaped like x, or one entry for each row of x.",
        "x": "Values where the condition holds.",
        "y": "Values elsewhere.",
    },
    doc="""Choose between the elements (or rows) of two arrays.""",
)

operator(
    "_backward_where",
    inputs=("out_grad", "condition"),
    shape=lambda attrs, shapes: [shapes[0], shapes[0]],
    dtype=lambda attrs, dtypes: [dtypes[0], dtypes[0]],
    num_outputs=2,
    gradient=lambda ctx, to_x, to_y: [F.where(ctx.inputs[1], to_x, to_y), None],
    saves="i",
    cpu=(native.backward_where,),
    numpy=_backward_where,
    doc="""Gradients of where with respect to x and y.""",
)

# ---- deprecated forms ----------------------------------------------------------------------------------------------------


def _fill_element(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    lhs, values, index = ins
    outs[0][...] = lhs
    outs[0][np.arange(lhs.shape[0]), _bounded(index, lhs.shape[1], "clip", "fill_element_0index")] = values


def _fill_element_shape(attrs: Any, shapes: Shapes) -> list:
    lhs, values, index = shapes
    if len(lhs) != 2 or tuple(values) != (lhs[0],) or tuple(index) != (lhs[0],):
        raise ValueError("expected lhs of 2 dimensions, mhs and rhs with one entry for each of its rows")
    return [lhs]


operator(
    "fill_element_0index",
    inputs=("lhs", "mhs", "rhs"),
    shape=_fill_element_shape,
    dtype=rules.first_dtype,
    inplace=((0, 0),),
    numpy=_fill_element,
    input_docs={"lhs": "Matrix.", "mhs": "One value for each row.", "rhs": "The column to write it to."},
    doc="""Return the matrix ``lhs`` with ``out[i, rhs[i]] = mhs[i]``.""",
)


def _onehot_encode(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    outs[0][...] = ins[0].astype(np.int64)[:, None] == np.arange(outs[0].shape[1])


def _onehot_shape(attrs: Any, shapes: Shapes) -> list:
    if len(shapes[0]) != 1 or len(shapes[1]) != 2 or shapes[0][0] != shapes[1][0]:
        raise ValueError("expected class numbers (n,) and a matrix (n, classes)")
    return [shapes[1]]


operator(
    "_onehot_encode",
    inputs=("lhs", "rhs"),
    shape=_onehot_shape,
    dtype=lambda attrs, dtypes: [dtypes[1]],
    inplace=((1, 0),),
    numpy=_onehot_encode,
    input_docs={"lhs": "Class numbers.", "rhs": "Matrix whose shape the result has."},
    doc="""Return rows with a 1 at the class and 0 elsewhere. Deprecated in MXNet; see one_hot.""",
)
