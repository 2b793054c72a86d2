"""Errors of operator calls: each is both an MXNetError, as MXNet's users expect, and the Python error it really is."""

from __future__ import annotations

from ..engine.errors import MXNetError

__all__ = ["ArgumentTypeError", "ArgumentValueError", "MXNetError", "ShapeError"]


class ArgumentTypeError(MXNetError, TypeError):
    """An argument is missing, unknown, or of the wrong kind."""


class ArgumentValueError(MXNetError, ValueError):
    """An argument has an impossible value."""


class ShapeError(MXNetError, ValueError):
    """Input shapes or dtypes do not fit the operator or each other."""
