"""``mx.sym.sparse``: the operators that MXNet has for sparse arrays too; symbols do not say how arrays are stored."""

from __future__ import annotations

from ._namespace import attach

__getattr__, __dir__ = attach(__name__, "op")
