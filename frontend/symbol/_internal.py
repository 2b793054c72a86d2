"""Operators that programs do not call by themselves, as ``_internal._plus_scalar``."""

from __future__ import annotations

from ._namespace import attach

__getattr__, __dir__ = attach(__name__, "_internal")
