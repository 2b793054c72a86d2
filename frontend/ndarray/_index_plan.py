"""What an indexing key means for an array of a given shape: pure computation, no arrays of weft are touched.

A key is brought into one item per axis (``int``, ``slice`` or an array of positions) with ``None`` for new axes in between.
Keys without arrays ("basic") describe a box; it is a view where its elements lie side by side in memory.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Advanced", "Basic", "check_bounds", "normalise", "plan_advanced", "plan_basic"]

FULL = slice(None)


class Basic(NamedTuple):
    """A box of elements: what the operator ``slice`` needs, the result's shape, and its offset if it is contiguous."""

    begin: tuple[int, ...]
    end: tuple[int | None, ...]
    step: tuple[int, ...]
    counts: tuple[int, ...]  # elements taken along every axis of the source
    shape: tuple[int, ...]  # of the result: integer axes dropped, new axes added
    size: int
    offset: int  # first element, counted from the source's start; -1 where the box is not contiguous


class Advanced(NamedTuple):
    """Positions for gather_nd and scatter: ``indices[m]`` are coordinates along axis m, laid out as the result is."""

    indices: np.ndarray | None  # int64, (axes, *leading shape of the result)
    shape: tuple[int, ...]  # of the result, new axes included
    bare_shape: tuple[int, ...]  # without new axes
    size: int


def normalise(key: Any, shape: tuple[int, ...], convert: Callable[[Any], Any]) -> tuple[list[Any], bool]:
    """Return one item per axis (with None for new axes) and whether any of them is an array.

    ``convert`` turns what is no int, slice, None or Ellipsis into an int, an array of positions, or a list of such
    arrays (a mask, which takes several axes).
    """
    items: list[Any] = []
    ellipsis_at = -1
    consumed = 0
    advanced = False
    for item in key if type(key) is tuple else (key,):
        if item is None:
            items.append(None)
            continue
        if item is Ellipsis:
            if ellipsis_at >= 0:
                raise IndexError("Cannot use more than one ellipsis (`...`) for indexing")
            ellipsis_at = len(items)
            continue
        if type(item) is not int and type(item) is not slice:
            item = convert(item)
            if isinstance(item, Mask):
                items.extend(item.positions)
                consumed += len(item.positions)
                advanced = True
                continue
            if not isinstance(item, int):
                advanced = True
        items.append(item)
        consumed += 1
    missing = len(shape) - consumed
    if missing < 0:
        raise IndexError(f"too many indices ({consumed}) for array with {len(shape)} dimensions")
    if missing:
        at = len(items) if ellipsis_at < 0 else ellipsis_at
        items[at:at] = [FULL] * missing
    return items, advanced


class Mask:
    """A boolean array as an index: stands for the positions of its true elements along each of its axes."""

    __slots__ = ("positions", "shape")

    def __init__(self, mask: np.ndarray) -> None:
        self.shape = mask.shape
        self.positions = [Positions(axis_positions, size) for axis_positions, size in zip(mask.nonzero(), mask.shape)]


class Positions(np.ndarray):
    """Positions from a mask; they remember the mask's length along the axis, which must be the array's."""

    length: int

    def __new__(cls, values: np.ndarray, length: int) -> Positions:
        made = values.view(cls)
        made.length = length
        return made

    def __array_finalize__(self, source: Any) -> None:
        self.length = getattr(source, "length", -1)


def _out_of_bounds(index: int, axis: int, size: int) -> IndexError:
    return IndexError(f"index {index} is out of bounds for axis {axis} with size {size}")


def plan_basic(items: Sequence[Any], shape: tuple[int, ...]) -> Basic:
    """Plan a key of ints, slices and new axes."""
    begin: list[int] = []
    end: list[int | None] = []
    step: list[int] = []
    counts: list[int] = []
    result: list[int] = []
    axis = 0
    total = 1
    for item in items:
        if item is None:
            result.append(1)
            continue
        size = shape[axis]
        if isinstance(item, int):
            if not -size <= item < size:
                raise _out_of_bounds(item, axis, size)
            first = item + size if item < 0 else item
            begin.append(first)
            end.append(first + 1)
            step.append(1)
            counts.append(1)
        else:
            first, last, stride = item.indices(size)
            count = len(range(first, last, stride))
            begin.append(first)
            end.append(last if last >= 0 else None)
            step.append(stride)
            counts.append(count)
            result.append(count)
            total *= count
        axis += 1
    # MXNet's arrays of one element have shape (1,), not (): a key of integers alone leaves one axis.
    out_shape = tuple(result) if result or not shape else (1,)
    offset = _contiguous_offset(begin, step, counts, shape) if total else -1
    return Basic(tuple(begin), tuple(end), tuple(step), tuple(counts), out_shape, total, offset)


def slices_are_contiguous(slices: tuple[slice, ...], shape: tuple[int, ...]) -> bool:
    """Tell whether the elements that slices choose from an array of this shape lie side by side, so that they make a view."""
    plan = plan_basic(slices, shape)
    return not plan.size or plan.offset >= 0


def _contiguous_offset(begin: list[int], step: list[int], counts: list[int], shape: tuple[int, ...]) -> int:
    """Return the box's first element if its elements lie side by side, else -1."""
    offset = 0
    stride = 1
    open_axis = True  # so far everything to the right is taken whole
    for axis in range(len(shape) - 1, -1, -1):
        count = counts[axis]
        if count > 1 and (not open_axis or step[axis] != 1):
            return -1
        if count != shape[axis]:
            open_axis = False
        offset += begin[axis] * stride
        stride *= shape[axis]
    return offset


def check_bounds(positions: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Return the positions with negative ones counted from the end; IndexError if one is outside."""
    length = getattr(positions, "length", -1)
    if length >= 0 and length != size:
        raise IndexError(f"boolean index has length {length} along axis {axis}, but the array has size {size} there")
    positions = np.asarray(positions)
    if positions.size:
        low = int(positions.min())
        high = int(positions.max())
        if low < -size:
            raise _out_of_bounds(low, axis, size)
        if high >= size:
            raise _out_of_bounds(high, axis, size)
        if low < 0:
            positions = np.where(positions < 0, positions + size, positions)
    return positions


def _broadcast(arrays: list[np.ndarray]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*[array.shape for array in arrays])
    except ValueError:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise IndexError(f"index arrays of shapes {shapes} cannot be broadcast together") from None


def plan_advanced(items: Sequence[Any], shape: tuple[int, ...]) -> Advanced:
    """Plan a key with arrays of positions; integers take part as arrays, as in NumPy.

    The axes that arrays select stand where the first array stood if the arrays are neighbours, else in front.
    """
    per_axis: list[Any] = []
    order: list[Any] = []  # the key, with -1 for an array and the axis number for a slice
    arrays: list[np.ndarray] = []
    last = -1
    for item in items:
        if item is None:
            order.append(None)
            continue
        axis = len(per_axis)
        size = shape[axis]
        if isinstance(item, slice):
            per_axis.append(range(*item.indices(size)))
            order.append(axis)
            if per_axis[axis] != range(size):
                last = axis
            continue
        positions = check_bounds(np.asarray(item, dtype=np.int64) if isinstance(item, int) else item, axis, size)
        per_axis.append(positions)
        arrays.append(positions)
        order.append(-1)
        last = axis
    together = _broadcast(arrays)
    first = order.index(-1)
    neighbours = all(entry == -1 for entry in order[first : len(order) - order[::-1].index(-1)])
    if not neighbours:
        first = 0

    # The result's axes in order: (kind, axis, length)
    layout: list[tuple[str, int, int]] = []
    for position, entry in enumerate([*order, "end"]):
        if position == first:
            layout += [("array", which, length) for which, length in enumerate(together)]
        if entry == "end" or entry == -1:
            continue
        layout.append(("new", -1, 1) if entry is None else ("slice", entry, len(per_axis[entry])))
    result = tuple(length for _, _, length in layout)
    bare = [entry for entry in layout if entry[0] != "new"]
    leading = [entry for entry in bare if entry[0] == "array" or entry[1] <= last]
    out_shape = result or (1,)
    bare_shape = tuple(length for _, _, length in bare)
    size = 1
    for length in bare_shape:
        size *= length
    indices = _coordinates(per_axis[: last + 1], leading, len(together)) if size else None
    return Advanced(indices, out_shape, bare_shape or (1,), size)


def _coordinates(per_axis: list[Any], leading: list[tuple[str, int, int]], array_ndim: int) -> np.ndarray:
    """Lay every axis' positions out in the shape of the result's leading axes."""
    lead_shape = tuple(length for _, _, length in leading)
    array_axes = [place for place, entry in enumerate(leading) if entry[0] == "array"]
    place_of_slice = {entry[1]: place for place, entry in enumerate(leading) if entry[0] == "slice"}
    indices = np.empty((len(per_axis), *lead_shape), np.int64)
    for axis, positions in enumerate(per_axis):
        view_shape = [1] * len(lead_shape)
        if isinstance(positions, range):
            view_shape[place_of_slice[axis]] = len(positions)
            values = np.arange(positions.start, positions.stop, positions.step, dtype=np.int64)
        else:
            values = positions
            for place, length in zip(array_axes[array_ndim - values.ndim :], values.shape):
                view_shape[place] = length
        indices[axis] = values.reshape(view_shape)
    return indices if lead_shape else indices.reshape(len(per_axis), 1)


def as_index(item: Any) -> int | None:
    """Return a Python int for ints, NumPy integers and booleans, and integer arrays without axes; else None."""
    if isinstance(item, np.ndarray):
        return int(item) if item.ndim == 0 and item.dtype.kind in "biu" else None
    if isinstance(item, (int, np.integer, np.bool_)):
        return operator.index(int(item))
    return None
