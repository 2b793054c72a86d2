"""Functions that MXNet has for every kind of storage; weft's arrays are dense."""

from __future__ import annotations

from .creation import array, empty, zeros
from .serialization import load, load_frombuffer, save

__all__ = ["array", "empty", "load", "load_frombuffer", "save", "zeros"]
