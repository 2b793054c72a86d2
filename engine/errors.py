"""The error types of everything that fails in weft at run time."""

from __future__ import annotations

__all__ = ["MXNetError", "OutOfBoundsError", "failure"]


class MXNetError(RuntimeError):
    """An operation failed; the message names what, where, and what was expected."""


class OutOfBoundsError(MXNetError, IndexError):
    """An index that is only known when the operation runs lies outside; programs for MXNet catch IndexError."""


def failure(message: str) -> MXNetError:
    """Return the error for what a failed operation says.

    Examples
    --------
    >>> isinstance(failure("take: index 3 is out of bounds for axis 0 with size 2"), IndexError)
    True
    """
    first = message.partition("\n")[0]
    return (OutOfBoundsError if "index " in first and " is out of bounds for a" in first else MXNetError)(message)
