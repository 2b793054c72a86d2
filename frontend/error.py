"""Structured error classes; `register` adds one by name."""

from .base import MXNetError, register_error

__all__ = ["InternalError", "MXNetError", "register"]

register = register_error


@register
class InternalError(MXNetError):
    """Something that should not happen happened inside weft: please report it.

    Examples
    --------
    >>> raise InternalError("a task was freed twice")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    InternalError: a task was freed twice
    """
