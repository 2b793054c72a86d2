"""``mx.nd.sparse``: the operators that MXNet has for sparse arrays too, for dense ones. Sparse storage itself is not supported yet."""

from __future__ import annotations

from typing import Any

from ..base import MXNetError
from . import creation as _creation
from . import op as _op
from ._namespace import attach as _attach
from .arithmetic import add as add
from .arithmetic import divide as divide
from .arithmetic import multiply as multiply
from .arithmetic import subtract as subtract

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


def _dense_only(name: str, make: Any) -> Any:
    def function(stype: str, *args: Any, **kwargs: Any) -> Any:
        if stype != "default":
            raise MXNetError(f"nd.sparse.{name}: stype={stype!r}: {_MESSAGE}")
        return make(*args, **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Do what :func:`mx.nd.{name}` does where `stype` is 'default', else raise MXNetError: {_MESSAGE}."
    return function


array = _refused("array")
csr_matrix = _refused("csr_matrix")
row_sparse_array = _refused("row_sparse_array")
gs_retain = _refused("gs_retain")
retain = _refused("retain")
empty = _dense_only("empty", _creation.empty)
zeros = _dense_only("zeros", _creation.zeros)

_find, __dir__ = _attach(__name__, "sparse")


def __getattr__(name: str) -> Any:
    if not name.startswith("_") and hasattr(_op, name):
        return getattr(_op, name)
    return _find(name)
