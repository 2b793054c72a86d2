"""All operators that are functions of ``mx.sym``, without the functions written in Python."""

from __future__ import annotations

from ._namespace import attach

__getattr__, __dir__ = attach(__name__, "op")
