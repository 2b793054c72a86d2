"""Indexing: ``x[key]``, ``x[key] = value``, and views of another shape.

The rules are MXNet's: a box of elements that lie side by side is a view that shares memory; every other selection is a
copy. Boolean masks select as in NumPy. While autograd records, what is selected stays part of the graph.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ...ops.array import NDArray, empty, from_numpy_copy
from ...ops.dispatch import function, record_view
from ...ops.errors import ShapeError
from ...ops.modes import is_recording
from ..base import MXNetError
from ._index_plan import Advanced, Basic, Mask, as_index, normalise, plan_advanced, plan_basic

__all__ = ["getitem", "reshape_view", "setitem"]

NUMBERS = (int, float, np.number, np.bool_)
EXACT = 1 << 53  # integers up to here are exact as floats


# ---- views -----------------------------------------------------------------------------------------


def _reshaped(array: NDArray, shape: tuple[int, ...]) -> NDArray:
    """Return a view with another shape of the same size."""
    if array.shape == shape:
        return array
    view = array._view(shape, 0)
    return record_view("Reshape", array, {"shape": shape}, view) if is_recording() and 0 not in shape and shape else view


def reshape_view(array: NDArray, target: tuple[Any, ...], reverse: bool = False, *, exact: bool = False) -> NDArray:
    """Return a view with another shape, which may contain MXNet's special values unless it is ``exact``."""
    shape = array.shape
    if not exact:
        try:
            codes = tuple(map(operator.index, target))
        except TypeError:
            raise TypeError(f"reshape: shape={target!r} is no sequence of integers") from None
        target = _decoded(shape, codes, reverse) if not codes or min(codes) <= 0 else codes
    if math.prod(target) != array.size:
        raise ShapeError(f"Cannot reshape array of size {array.size} into shape {target}")
    view = array._view(target, 0)
    # An empty or scalar shape cannot be told to the operator; nothing flows back through empty arrays anyway.
    if is_recording() and target and 0 not in target:
        record_view("Reshape", array, {"shape": target}, view)
    return view


def _decoded(shape: tuple[int, ...], codes: tuple[int, ...], reverse: bool) -> tuple[int, ...]:
    from ...ops.shape import reshaped

    if not codes:
        return ()
    if 0 in shape and all(code >= -1 for code in codes):
        # Without elements an inferred extent is whatever NumPy says, and 0 may mean 0.
        return _decoded_empty(shape, codes)
    try:
        return tuple(reshaped(shape, codes, reverse))
    except MXNetError:
        raise
    except (ValueError, IndexError) as error:
        raise MXNetError(f"Cannot reshape array of shape {shape} into shape {codes}: {error}") from None


def _decoded_empty(shape: tuple[int, ...], codes: tuple[int, ...]) -> tuple[int, ...]:
    extents = [shape[axis] if code == 0 and axis < len(shape) else code for axis, code in enumerate(codes)]
    known = math.prod(extent for extent in extents if extent != -1)
    return tuple((math.prod(shape) // known if known else 0) if extent == -1 else extent for extent in extents)


def _box_view(array: NDArray, plan: Basic) -> NDArray:
    """Return the view of a contiguous box."""
    view = array._view(plan.shape, plan.offset)
    if is_recording() and array._in_graph:
        box = array._view(plan.counts, plan.offset)
        record_view("slice", array, {"begin": plan.begin, "end": plan.end, "step": plan.step}, box)
        if plan.counts == plan.shape:
            return box
        record_view("Reshape", box, {"shape": plan.shape}, view)
    return view


# ---- reading ---------------------------------------------------------------------------------------


def getitem(array: NDArray, key: Any) -> NDArray:
    """Return the elements that a key selects, as a view where they lie side by side.

    Examples
    --------
    >>> import weft as mx
    >>> x = mx.nd.arange(6).reshape((2, 3))
    >>> x[1].asnumpy().tolist(), x[:, ::2].shape, x[[0, 0]].shape
    ([3.0, 4.0, 5.0], (2, 2), (2, 3))
    """
    shape = array.shape
    kind = type(key)
    if kind is int and shape:
        return _row(array, shape, key)
    if kind is slice:
        if key.start is None and key.stop is None and key.step is None:
            return array
        if shape and not is_recording():
            found = _rows(array, shape, key)
            if found is not None:
                return found
    elif kind is tuple:
        if not key:
            return array
        if not is_recording():
            found = _cell(array, shape, key)
            if found is not None:
                return found
    elif (kind is list or kind is np.ndarray) and shape:
        found = _chosen_rows(array, shape[0], key)
        if found is not None:
            return found
    items, advanced = normalise(key, shape, _convert)
    if advanced:
        return _get_advanced(array, items)
    plan = plan_basic(items, shape)
    if plan.size == 0:
        return _nothing(array, plan.shape)
    if plan.offset >= 0:
        return _box_view(array, plan)
    part = function("slice")(array, begin=plan.begin, end=plan.end, step=plan.step)
    return _reshaped(part, plan.shape)


def _row(array: NDArray, shape: tuple[int, ...], index: int) -> NDArray:
    length = shape[0]
    if not -length <= index < length:
        raise IndexError(f"index {index} is out of bounds for axis 0 with size {length}")
    if index < 0:
        index += length
    rest = shape[1:]
    view = array._view(rest or (1,), index * (array.size // length))
    if is_recording() and array._in_graph and 0 not in rest:
        box = array._view((1, *rest), index * (array.size // length))
        record_view("slice_axis", array, {"axis": 0, "begin": index, "end": index + 1}, box)
        if not rest:
            return box
        record_view("Reshape", box, {"shape": rest}, view)
    return view


def _rows(array: NDArray, shape: tuple[int, ...], key: slice) -> NDArray | None:
    """Return the view for a slice of neighbouring rows; None if it is no such slice."""
    start, stop, step = key.indices(shape[0])
    if step != 1 or stop <= start or not array.size:
        return None
    return array._view((stop - start, *shape[1:]), start * (array.size // shape[0]))


def _cell(array: NDArray, shape: tuple[int, ...], key: tuple[Any, ...]) -> NDArray | None:
    """Return the view for a key of integers alone; None if there is something else in it."""
    given = len(key)
    if given > len(shape):
        return None
    place = 0
    for axis in range(given):
        index = key[axis]
        size = shape[axis]
        if type(index) is not int:
            return None
        if index < 0:
            index += size
        if not 0 <= index < size:
            return None  # the general way tells what is wrong
        place = place * size + index
    rest = shape[given:]
    return array._view(rest or (1,), place * math.prod(rest))


def _chosen_rows(array: NDArray, length: int, key: Any) -> NDArray | None:
    """Return the rows that an array or list of positions names; None if it is no such list."""
    if type(key) is list:
        if not key or any(type(entry) is not int for entry in key):
            return None
        low, high = min(key), max(key)
    else:
        if key.dtype.kind not in "iu" or not key.ndim or not key.size:
            return None
        low, high = int(key.min()), int(key.max())
    if low < -length or high >= length or not array.size:
        return None  # the general way tells what is wrong
    positions = np.array(key, np.int64)
    if low < 0:
        positions[positions < 0] += length
    return function("take")(array, from_numpy_copy(positions, array.context, np.int64), axis=0, mode="clip")


def _nothing(array: NDArray, shape: tuple[int, ...]) -> NDArray:
    return empty(shape, array.context, array.dtype)


def _convert(item: Any) -> Any:
    """Turn an entry of a key that is no int, slice, None or Ellipsis into an int, positions, or a mask."""
    if isinstance(item, NDArray):
        if item.dtype == np.bool_:
            return Mask(item.asnumpy())
        return int(item.asnumpy()) if item.ndim == 0 else item
    index = as_index(item)
    if index is not None:
        return index
    if not isinstance(item, (np.ndarray, list, tuple, range)):
        raise ValueError(f"NDArray does not support slicing with key {item} of type {type(item)}.")
    try:
        positions = np.asarray(item)
    except ValueError:
        raise IndexError(f"index {item!r} is a ragged nested sequence; expected positions in the form of an array") from None
    if positions.dtype == np.bool_:
        return Mask(positions)
    if positions.dtype.kind not in "iuf":
        raise IndexError(f"index {item!r} has elements of type {positions.dtype}; expected integers or booleans")
    return positions.astype(np.int64)


def _get_advanced(array: NDArray, items: list[Any]) -> NDArray:
    direct = _leading_indices(array, items)
    if direct is not None:
        return function("gather_nd")(array, direct)
    array, items = _slices_first(array, [_on_host(item) for item in items])
    plan = plan_advanced(items, array.shape)
    if plan.indices is None:
        return _nothing(array, plan.shape)
    axis = _only_axis(items)
    if axis >= 0:
        positions = _index_array(plan_positions(items, axis, array.shape), array)
        return _reshaped(function("take")(array, positions, axis=axis, mode="clip"), plan.shape)
    return _reshaped(function("gather_nd")(array, _index_array(plan.indices, array)), plan.shape)


def _leading_indices(array: NDArray, items: list[Any]) -> NDArray | None:
    """Return the indices for gather_nd where the key is a single index array on the device, for the first axis.

    Its values are not looked at here, so that nothing has to wait; gather_nd checks them.
    """
    if not isinstance(items[0], NDArray) or not all(isinstance(item, slice) and item == slice(None) for item in items[1:]):
        return None
    positions = items[0]
    if positions.size == 0 or positions.context != array.context:
        return None
    whole = positions if positions.dtype == np.int64 else function("Cast")(positions, dtype="int64")
    return whole._view((1, *positions.shape), 0)


def _on_host(item: Any) -> Any:
    return item.asnumpy().astype(np.int64) if isinstance(item, NDArray) else item


def _slices_first(array: NDArray, items: list[Any]) -> tuple[NDArray, list[Any]]:
    """Apply the slices of a mixed key, so that only whole axes are left beside the arrays."""
    boxed = [item if item is None or isinstance(item, slice) else slice(None) for item in items]
    axes = [item for item in boxed if item is not None]
    if all(item == slice(None) for item in axes):
        return array, items
    part = getitem(array, tuple(axes))
    return part, [slice(None) if isinstance(item, slice) else item for item in items]


def _only_axis(items: list[Any]) -> int:
    """Return the axis of the key's only array if everything else is whole axes or new axes, else -1."""
    found = -1
    axis = 0
    for item in items:
        if item is None:
            continue
        if not isinstance(item, slice):
            if found >= 0:
                return -1
            found = axis
        axis += 1
    return found


def plan_positions(items: list[Any], axis: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return the checked positions of the array that stands for an axis."""
    from ._index_plan import check_bounds

    bare = [item for item in items if item is not None]
    return check_bounds(bare[axis], axis, shape[axis])


def _index_array(positions: np.ndarray, array: NDArray) -> NDArray:
    return from_numpy_copy(positions, array.context, np.int64)


# ---- writing ---------------------------------------------------------------------------------------


def check_writable(array: NDArray) -> None:
    """Refuse to overwrite an array that is part of a recorded graph."""
    if array._in_graph:
        raise MXNetError(
            "Assigning to NDArrays that are already in a computational graph will cause undefined behavior when evaluating "
            "gradients. Please call backward first to clear the graph or do this out side of a record section."
        )


def check_not_recorded(value: Any) -> None:
    """Refuse to write a recorded array into part of another: no gradient could flow back through that."""
    if isinstance(value, NDArray) and value._in_graph:
        raise MXNetError(
            "Inplace operations (+=, -=, x[:]=, etc) are not supported when recording with autograd: "
            "only a whole array can be overwritten with a recorded one."
        )


def setitem(array: NDArray, key: Any, value: Any) -> None:
    """Overwrite the elements that a key selects with a number, or with an array that can be broadcast to them.

    Examples
    --------
    >>> import weft as mx
    >>> x = mx.nd.zeros((2, 3))
    >>> x[:, 1] = 5
    >>> x[0, [0, 2]] = mx.nd.array([1, 2])
    >>> x.asnumpy().tolist()
    [[1.0, 5.0, 2.0], [0.0, 5.0, 0.0]]
    """
    shape = array.shape
    kind = type(key)
    recording = is_recording()
    if recording:
        check_writable(array)
    if kind is slice and key.start is None and key.stop is None and key.step is None or kind is tuple and not key:
        _fill(array, value)
        return
    if shape and not recording:
        target = None
        if kind is int:
            target = _row(array, shape, key)
        elif kind is slice:
            target = _rows(array, shape, key)
        elif kind is tuple:
            target = _cell(array, shape, key)
        if target is not None:
            _fill(target, value)
            return
    items, advanced = normalise(key, shape, _convert)
    if advanced:
        _set_advanced(array, plan_advanced([_on_host(item) for item in items], shape), value)
        return
    plan = plan_basic(items, shape)
    if plan.size == 0:
        _prepared(array, value, plan.shape)
        return
    if recording and (plan.size != array.size or plan.offset < 0):
        check_not_recorded(value)
    if plan.offset >= 0:
        target = array if plan.size == array.size and plan.shape == shape else array._view(plan.shape, plan.offset)
        _fill(target, value)
        if recording and target is not array and target._in_graph:
            record_view("Reshape", target, {"shape": shape}, array)
        return
    ready = _prepared(array, value, plan.shape)
    box = {"begin": plan.begin, "end": plan.end, "step": plan.step}
    if isinstance(ready, NDArray):
        function("_slice_assign")(array, _plain_view(ready, plan.counts), **box, out=array)
    else:
        function("_slice_assign_scalar")(array, scalar=ready, **box, out=array)


def _plain_view(array: NDArray, shape: tuple[int, ...]) -> NDArray:
    return array if array.shape == shape else array._view(shape, 0)


def _set_advanced(array: NDArray, plan: Advanced, value: Any) -> None:
    ready = _prepared(array, value, plan.shape)
    if plan.indices is None:
        return
    if not isinstance(ready, NDArray):
        ready = from_numpy_copy(np.full(plan.bare_shape, ready, array.dtype), array.context, array.dtype)
    elif is_recording():
        check_not_recorded(ready)
    indices = _index_array(plan.indices, array)
    function("_scatter_set_nd")(array, _plain_view(ready, plan.bare_shape), indices, shape=array.shape, out=array)


def _fill(target: NDArray, value: Any) -> None:
    """Overwrite a whole array (or view)."""
    kind = type(value)
    if (kind is float or (kind is int and -EXACT <= value <= EXACT)) and target.size:
        function("_full")(shape=target.shape, dtype=target.dtype, value=float(value), out=target)
        return
    if isinstance(value, NDArray):
        if value.shape == target.shape and not value._shares_memory(target):
            function("_copyto")(value, out=target)
            return
        if value._shares_memory(target) and value.shape == target.shape and value._offset == target._offset:
            return
    if not target.size:
        _prepared(target, value, target.shape)
        return
    if isinstance(value, (np.ndarray, list, tuple, range)):
        values = _broadcast_numpy(_values_of(target, value), target.shape)
        if target._idle():
            target._sync_copyfrom(values)
        else:  # whoever still uses the storage is not waited for: the values are set aside
            function("_copyto")(from_numpy_copy(values, target.context, target.dtype), out=target)
        return
    ready = _prepared(target, value, target.shape)
    if isinstance(ready, NDArray):
        function("_copyto")(ready, out=target)
    else:
        function("_fill_like")(target, value=ready, out=target)


def _prepared(array: NDArray, value: Any, shape: tuple[int, ...]) -> Any:
    """Return what is to be written as a float, or as an array of this shape on the right device and of the right dtype."""
    if isinstance(value, NUMBERS) and not isinstance(value, np.complexfloating):
        if isinstance(value, (int, np.integer)) and not -EXACT <= int(value) <= EXACT:
            value = np.asarray(value).astype(array.dtype)  # a float would round it
        else:
            return float(value)
    if isinstance(value, NDArray):
        if value.context != array.context:
            value = value.copyto(array.context)
        elif value._shares_memory(array):
            value = function("_copy")(value)  # the source must not change while it is written
        if value.dtype != array.dtype:
            value = function("Cast")(value, dtype=np.dtype(array.dtype))
        return _broadcast(value, shape)
    values = _broadcast_numpy(_values_of(array, value), shape)
    return from_numpy_copy(np.ascontiguousarray(values), array.context, array.dtype)


def _values_of(array: NDArray, value: Any) -> np.ndarray:
    try:
        if isinstance(value, str):
            raise TypeError
        values = np.asarray(value)
        if values.dtype == object:
            values = np.asarray(value, array.dtype)
        if values.dtype.kind == "c":
            raise TypeError
        with np.errstate(all="ignore"):
            return values.astype(array.dtype, copy=False)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{type(array)} does not support assignment with non-array-like object {value} of type {type(value)}") from None


def _without_leading_ones(shape: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    while len(shape) > ndim and shape[0] == 1:
        shape = shape[1:]
    return shape


def _cannot_broadcast(have: tuple[int, ...], want: tuple[int, ...]) -> ValueError:
    return ValueError(f"operands could not be broadcast together: value of shape {have} and assigned region of shape {want}")


def _broadcast_numpy(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    short = _without_leading_ones(values.shape, len(shape))
    try:
        return np.broadcast_to(values.reshape(short), shape)
    except ValueError:
        raise _cannot_broadcast(values.shape, shape) from None


def _broadcast(value: NDArray, shape: tuple[int, ...]) -> NDArray:
    if value.shape == shape:
        return value
    short = _without_leading_ones(value.shape, len(shape))
    fill = len(shape) - len(short)
    if fill < 0 or any(have not in (1, want) for have, want in zip(short, shape[fill:])):
        raise _cannot_broadcast(value.shape, shape)
    value = _reshaped(value, (1,) * fill + short)
    if value.shape == shape or 0 in shape:
        return value
    return function("broadcast_to")(value, shape=shape)
