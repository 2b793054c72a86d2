"""Shape and dtype rules shared by operator declarations: pure functions of attributes and input shapes or dtypes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Shape = tuple[int, ...]

FLOATS = (np.dtype("float16"), np.dtype("float32"), np.dtype("float64"))


# ---- shapes ----------------------------------------------------------------------------------------------------------


def same_shape(attrs: Any, shapes: Sequence[Shape]) -> list[Shape]:
    """All inputs share one shape and so does the output."""
    first = shapes[0]
    for index, shape in enumerate(shapes):
        if shape != first:
            raise ValueError(f"input {index} has shape {shape}, expected {first} like input 0")
    return [first]


def first_shape(attrs: Any, shapes: Sequence[Shape]) -> list[Shape]:
    """The output has the first input's shape, whatever the others are."""
    return [shapes[0]]


def scalar_shape(attrs: Any, shapes: Sequence[Shape]) -> list[Shape]:
    """The output is one number, which MXNet writes as shape (1,)."""
    return [(1,)]


def attr_shape(attrs: Any, shapes: Sequence[Shape]) -> list[Shape]:
    """The output has the shape given by the parameter ``shape``."""
    return [attrs.shape]


def broadcast_pair(lhs: Shape, rhs: Shape) -> Shape:
    """Return the shape of two arrays broadcast against each other.

    >>> broadcast_pair((2, 1, 3), (4, 1))
    (2, 4, 3)
    """
    if lhs == rhs:
        return lhs
    rank = max(len(lhs), len(rhs))
    left = (1,) * (rank - len(lhs)) + lhs
    right = (1,) * (rank - len(rhs)) + rhs
    result = []
    for a, b in zip(left, right):
        if a != b and a != 1 and b != 1:
            raise ValueError(f"operands could not be broadcast together with shapes {lhs} and {rhs}")
        result.append(b if a == 1 else a)
    return tuple(result)


def broadcast_shapes(attrs: Any, shapes: Sequence[Shape]) -> list[Shape]:
    """Broadcast all inputs against each other."""
    result = shapes[0]
    for shape in shapes[1:]:
        result = broadcast_pair(result, shape)
    return [result]


def normalize_axis(axis: int, ndim: int, name: str = "axis") -> int:
    """Return a non-negative axis, or raise a ValueError naming the bound.

    >>> normalize_axis(-1, 3)
    2
    """
    if not -ndim <= axis < ndim:
        raise ValueError(f"{name}={axis} is out of bounds for an array of {ndim} dimensions")
    return axis + ndim if axis < 0 else axis


def reduce_axes(axis: Sequence[int] | None, ndim: int, exclude: bool = False) -> Shape:
    """Return the sorted non-negative axes that a reduction runs over; None and () mean all of them.

    >>> reduce_axes((-1,), 3), reduce_axes((0,), 3, exclude=True), reduce_axes((), 2)
    ((2,), (1, 2), (0, 1))
    """
    if axis is None or len(axis) == 0:
        # MXNet takes "exclude nothing" as "reduce everything" as well.
        return tuple(range(ndim))
    axes = sorted(normalize_axis(a, ndim) for a in axis)
    if len(set(axes)) != len(axes):
        raise ValueError(f"axis={tuple(axis)} names an axis twice")
    if exclude:
        return tuple(a for a in range(ndim) if a not in axes)
    return tuple(axes)


def reduced_shape(shape: Shape, axes: Sequence[int], keepdims: bool) -> Shape:
    """Return the shape after reducing ``axes``; reducing everything gives (1,), MXNet's form of a scalar.

    >>> reduced_shape((2, 3, 4), (1,), False), reduced_shape((2, 3), (0, 1), False)
    ((2, 4), (1,))
    """
    if keepdims:
        return tuple(1 if i in axes else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in axes) or (1,)


def reduce_shape(attrs: Any, shapes: Sequence[Shape]) -> list[Shape]:
    """Rule for reductions with parameters axis, keepdims and (optionally) exclude."""
    axes = reduce_axes(attrs.axis, len(shapes[0]), getattr(attrs, "exclude", False))
    return [reduced_shape(shapes[0], axes, attrs.keepdims)]


def unify_inputs(attrs: Any, shapes: Sequence[Shape | None]) -> list[Shape | None]:
    """Fill unknown input shapes from a known one: for operators whose inputs share a shape."""
    known = next((shape for shape in shapes if shape is not None), None)
    return [known if shape is None else shape for shape in shapes]


# ---- dtypes ----------------------------------------------------------------------------------------------------------


def same_dtype(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    """All inputs share one dtype and so does the output."""
    first = dtypes[0]
    for index, dtype in enumerate(dtypes):
        if dtype != first:
            raise ValueError(f"input {index} has dtype {dtype}, expected {first} like input 0")
    return [first]


def first_dtype(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    """The output has the first input's dtype, whatever the others are."""
    return [dtypes[0]]


def unknown_like_first(attrs: Any, dtypes: Sequence[np.dtype | None]) -> list[np.dtype | None]:
    """Inputs whose dtype is free are taken to have the first one's: MXNet's habit."""
    return [dtypes[0] if dtype is None else dtype for dtype in dtypes]


def float_dtype(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    """All inputs share one floating-point dtype and so does the output."""
    result = same_dtype(attrs, dtypes)
    if result[0].kind != "f":
        raise ValueError(f"input 0 has dtype {result[0]}, expected a floating-point dtype")
    return result


def attr_dtype(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    """The output dtype is the parameter ``dtype``; unset it follows the first input, or is float32 without inputs."""
    if attrs.dtype is not None:
        return [attrs.dtype]
    return [dtypes[0] if dtypes else np.dtype("float32")]


def fixed_dtype(name: str) -> Callable[[Any, Sequence[np.dtype]], list[np.dtype]]:
    """Return a rule whose output dtype is always ``name``."""
    dtype = np.dtype(name)

    def rule(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
        return [dtype]

    return rule


def repeated(
    rule: Callable[[Any, Sequence[Any]], list[Any]], count: int | Callable[[Any], int]
) -> Callable[[Any, Sequence[Any]], list[Any]]:
    """Return a rule for ``count`` outputs that all follow the single-output ``rule``."""

    def many(attrs: Any, items: Sequence[Any]) -> list[Any]:
        return rule(attrs, items) * (count(attrs) if callable(count) else count)

    return many


def copy_inputs(attrs: Any, items: Sequence[Any]) -> list[Any]:
    """Each output has the shape or dtype of the input at the same place."""
    return list(items)
