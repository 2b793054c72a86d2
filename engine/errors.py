"""The error type of everything that fails in weft at run time."""

__all__ = ["MXNetError"]


class MXNetError(RuntimeError):
    """An operation failed; the message names what, where, and what was expected."""
