"""Helpers of iterators where MXNet defines them, for ``from mxnet.io.utils import ...``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import ndarray as nd
from ..ndarray import NDArray
from .arrays import _init_data as _init_data
from .arrays import _lazy

__all__: list[str] = []

Pairs = Sequence[tuple[str, Any]]


def _has_instance(data: Pairs, dtype: type | tuple[type, ...]) -> bool:
    """Whether one of the arrays is of this type.

    >>> _has_instance([("data", nd.ones((2,)))], NDArray)
    True
    """
    return any(isinstance(array, dtype) for _, array in data)


def _getdata_by_idx(data: Pairs, idx: Any) -> list[tuple[str, Any]]:
    """Rows of arrays in another order; what lies in a file stays as it is.

    >>> [(name, array.asnumpy().tolist()) for name, array in _getdata_by_idx([("data", nd.array([5, 6, 7]))], [2, 0, 1])]
    [('data', [7.0, 5.0, 6.0])]
    """
    # Like MXNet's, the result is of the dtype that nd.array gives.
    return [(name, array if _lazy(array) else nd.array(array.asnumpy()[idx], ctx=array.context)) for name, array in data]


def _slice_along_batch_axis(data: NDArray, s: slice, batch_axis: int) -> NDArray:
    """A part of an array along the axis of examples.

    >>> _slice_along_batch_axis(nd.array([[1, 2, 3]]), slice(1, 3), 1).asnumpy().tolist()
    [[2.0, 3.0]]
    """
    return nd.slice_axis(data, axis=batch_axis, begin=s.start, end=s.stop)
