"""weft: MXNet's programming model on a new asynchronous engine."""

from .frontend.libinfo import __version__

__all__ = ["__version__"]
