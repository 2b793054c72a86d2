"""Operators that only move elements, described as copies between strided views.

A plan is a list of ``(source view, target view)`` pairs of equal shape; the native kernel and the NumPy kernel of such
an operator are both made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .cpu.indexing import copy_kernel

Shape = tuple[int, ...]

# The number in place of an input's: the first dynamic parameter, as one repeated element.
SCALAR = -1


def row_major(shape: Sequence[int]) -> Shape:
    """Return the strides, in elements, of a C-contiguous array.

    >>> row_major((2, 3, 4))
    (12, 4, 1)
    """
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


class View(NamedTuple):
    """A strided window on input or output number ``array``; strides and offset count elements."""

    array: int
    shape: Shape
    strides: Shape
    offset: int = 0

    @classmethod
    def of(cls, array: int, shape: Sequence[int]) -> View:
        """Return the view of a whole array."""
        return cls(array, tuple(shape), row_major(shape))

    @classmethod
    def scalar(cls, shape: Sequence[int]) -> View:
        """Return a view in which the operator's scalar parameter is repeated."""
        return cls(SCALAR, tuple(shape), (0,) * len(shape))

    def cut(self, axis: int, begin: int, count: int, step: int = 1) -> View:
        """Return every ``step``-th of ``count`` entries along an axis."""
        shape = (*self.shape[:axis], count, *self.shape[axis + 1 :])
        strides = (*self.strides[:axis], self.strides[axis] * step, *self.strides[axis + 1 :])
        return View(self.array, shape, strides, self.offset + begin * self.strides[axis])

    def permute(self, axes: Sequence[int]) -> View:
        """Return the view with its axes in another order."""
        return View(self.array, tuple(self.shape[a] for a in axes), tuple(self.strides[a] for a in axes), self.offset)

    def divide(self, axis: int, sizes: Sequence[int]) -> View:
        """Return the view with one axis seen as several."""
        inner = row_major(sizes)
        strides = tuple(step * self.strides[axis] for step in inner)
        return View(
            self.array,
            (*self.shape[:axis], *sizes, *self.shape[axis + 1 :]),
            (*self.strides[:axis], *strides, *self.strides[axis + 1 :]),
            self.offset,
        )

    def repeat(self, axis: int, count: int) -> View:
        """Return the view with a new axis along which nothing changes."""
        return View(
            self.array,
            (*self.shape[:axis], count, *self.shape[axis:]),
            (*self.strides[:axis], 0, *self.strides[axis:]),
            self.offset,
        )

    def diagonal(self, axis1: int, axis2: int, k: int) -> View:
        """Return the k-th diagonal of two axes as a last axis; its length may come out as 0."""
        rows, columns = self.shape[axis1], self.shape[axis2]
        count = max(0, min(rows, columns - k) if k >= 0 else min(rows + k, columns))
        offset = k * self.strides[axis2] if k >= 0 else -k * self.strides[axis1]
        rest = [a for a in range(len(self.shape)) if a not in (axis1, axis2)]
        return View(
            self.array,
            (*(self.shape[a] for a in rest), count),
            (*(self.strides[a] for a in rest), self.strides[axis1] + self.strides[axis2]),
            self.offset + (offset if count else 0),
        )

    def on(self, array: np.ndarray, writeable: bool = False) -> np.ndarray:
        """Return the window on a C-contiguous NumPy array."""
        flat = array.reshape(-1)
        return np.lib.stride_tricks.as_strided(
            flat[self.offset :],
            self.shape,
            tuple(step * array.itemsize for step in self.strides),
            writeable=writeable,
        )


class Plan(NamedTuple):
    """Copies in order, after the outputs in ``zero`` were filled with zeros."""

    copies: list[tuple[View, View]]
    zero: tuple[int, ...] = ()


Planner = Callable[[Any, Sequence[Shape], Sequence[Shape]], Plan]


def native(planner: Planner) -> Callable[[Any, Any, Any], Any]:
    """Return the builder of the native kernel for a planner."""

    def build(attrs: Any, in_specs: Any, out_specs: Any) -> Any:
        plan = planner(attrs, [spec.shape for spec in in_specs], [spec.shape for spec in out_specs])
        fills = [(index, out_specs[index].size) for index in plan.zero]
        return copy_kernel(plan.copies, fills, out_specs[0].dtype, sum(spec.nbytes for spec in out_specs))

    return build


def in_numpy(planner: Planner) -> Callable[[Any, Any, Any], None]:
    """Return the NumPy kernel for a planner."""

    def run(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
        plan = planner(attrs, [array.shape for array in ins], [array.shape for array in outs])
        for index in plan.zero:
            outs[index].fill(0)
        for source, target in plan.copies:
            if 0 in source.shape:
                continue
            values = attrs.scalars[0] if source.array == SCALAR else source.on(ins[source.array])
            np.copyto(target.on(outs[target.array], writeable=True), values, casting="unsafe")

    return run


def kernels(planner: Planner) -> dict[str, Any]:
    """Return the ``cpu=`` and ``numpy=`` arguments of a declaration.

    >>> sorted(kernels(same_elements))
    ['cpu', 'numpy']
    """
    return {"cpu": (native(planner),), "numpy": in_numpy(planner)}


def same_elements(attrs: Any, ins: Sequence[Shape], outs: Sequence[Shape]) -> Plan:
    """Copy input 0 to output 0 as it lies in memory: all that a change of shape needs."""
    shape = outs[0]
    return Plan([(View.of(0, shape), View.of(0, shape))])
