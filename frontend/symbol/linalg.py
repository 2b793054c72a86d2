"""Linear algebra: ``sym.linalg.gemm2`` and so on."""

from __future__ import annotations

from ._namespace import attach

__getattr__, __dir__ = attach(__name__, "linalg")
