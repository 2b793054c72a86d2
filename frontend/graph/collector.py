"""Python's collector of garbage, while a large graph is made.

A graph is millions of objects that all stay. Looking for garbage among them again and again takes longer than the passes.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

__all__ = ["paused"]


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """Keep the collector from running inside a ``with`` block, or a function that is decorated; both may be nested.

    What was made inside counts as old afterwards: or else the first collection would look through all of it at once.

    >>> with paused():
    ...     gc.isenabled()
    False
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            if gc.get_freeze_count() == 0:
                # This way all objects land in the oldest generation, by joining lists; none is looked at.
                gc.freeze()
                gc.unfreeze()
            gc.enable()
