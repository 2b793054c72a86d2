"""Sparse arrays are not supported yet: everything here says so."""

from __future__ import annotations

from typing import Any

from ..base import MXNetError

__all__ = ["BaseSparseNDArray", "CSRNDArray", "RowSparseNDArray", "array", "csr_matrix", "empty", "row_sparse_array", "zeros"]

_MESSAGE = "sparse storage is not supported yet"


class BaseSparseNDArray:
    """Base of the sparse array classes; no array is one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise MXNetError(f"{type(self).__name__}: {_MESSAGE}")


class CSRNDArray(BaseSparseNDArray):
    """Compressed sparse rows; no array is one."""


class RowSparseNDArray(BaseSparseNDArray):
    """Some rows of an array; no array is one."""


def _refused(name: str) -> Any:
    def function(*args: Any, **kwargs: Any) -> Any:
        raise MXNetError(f"nd.sparse.{name}: {_MESSAGE}")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Raise MXNetError: {_MESSAGE}."
    return function


array = _refused("array")
csr_matrix = _refused("csr_matrix")
empty = _refused("empty")
row_sparse_array = _refused("row_sparse_array")
zeros = _refused("zeros")


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _refused(name)
