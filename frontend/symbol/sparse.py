"""``mx.sym.sparse``: the operators that MXNet has for sparse arrays too; symbols do not say how arrays are stored."""

from __future__ import annotations

from typing import Any

from . import op as _op
from ._namespace import attach as _attach

_find, __dir__ = _attach(__name__, "sparse")


def __getattr__(name: str) -> Any:
    if not name.startswith("_") and hasattr(_op, name):
        return getattr(_op, name)
    return _find(name)
