"""The kernel builders that declarations use, in one place, and the specs they are asked with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .cpu.elementwise import fill_builder
from .cpu.elementwise import ufunc_builder as elementwise_builder
from .cpu.reduce import reduce_builder

__all__ = ["ShapeSpec", "elementwise_builder", "fill_builder", "reduce_builder", "with_input_shapes"]


class ShapeSpec(NamedTuple):
    """Shape and dtype of an operand, as builders read them."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Number of bytes."""
        return self.size * self.dtype.itemsize


def with_input_shapes(
    builder: Callable[..., Any] | None, adapt: Callable[..., tuple[Any, list[Any], list[Any]]]
) -> Callable[..., Any] | None:
    """Return a builder that asks ``builder`` with changed attributes and specs.

    ``adapt(attrs, in_specs, out_specs)`` returns the three to use instead. Arrays are contiguous, so an operand may be
    seen with any shape of the same size, and trailing inputs may be dropped.
    """
    if builder is None:
        return None

    def build(attrs: Any, in_specs: Any, out_specs: Any) -> Any:
        return builder(*adapt(attrs, in_specs, out_specs))

    return build
