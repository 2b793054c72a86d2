"""Operators on images: ``sym.image.to_tensor`` and so on."""

from __future__ import annotations

from ._namespace import attach

__getattr__, __dir__ = attach(__name__, "image")
