"""Errors of operator calls: each is both an MXNetError, as MXNet's users expect, and the Python error it really is."""

from __future__ import annotations

import sys
import warnings

from ..engine.errors import MXNetError

__all__ = ["ArgumentTypeError", "ArgumentValueError", "MXNetError", "ShapeError", "warn_caller"]


class ArgumentTypeError(MXNetError, TypeError):
    """An argument is missing, unknown, or of the wrong kind."""


class ArgumentValueError(MXNetError, ValueError):
    """An argument has an impossible value."""


class ShapeError(MXNetError, ValueError):
    """Input shapes or dtypes do not fit the operator or each other."""


def warn_caller(message: str) -> None:
    """Warn at the line outside of this package that led here, however deep below it this is.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn_caller("odd")
    >>> str(caught[0].message)
    'odd'
    """
    package = __name__.partition(".")[0] + "."
    depth, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(package):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=depth)
