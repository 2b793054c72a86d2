"""Python's collector of garbage, while a large graph is made.

A graph is millions of objects that all stay. Looking for garbage among them again and again takes longer than the passes.
"""

from __future__ import annotations

import gc
from typing import Any

__all__ = ["paused"]


class paused:
    """Keep the collector from running inside a ``with`` block; blocks may be nested.

    >>> with paused():
    ...     gc.isenabled()
    False
    """

    def __enter__(self) -> None:
        self.collecting = gc.isenabled()
        gc.disable()

    def __exit__(self, *error: Any) -> None:
        if self.collecting:
            gc.enable()
