"""What is current in a thread: the scopes of names and attributes, each with a fresh one in every new thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

__all__ = ["CurrentOfThread", "HasCurrent"]


class CurrentOfThread(threading.local):
    """The current object of each thread, as ``value``; a thread starts with what `make` gives.

    >>> counts = CurrentOfThread(dict)
    >>> counts.value["a"] = 1
    >>> counts.value
    {'a': 1}
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        # Python runs this again, with the same arguments, in every thread that comes here.
        self.value = make()


class HasCurrent(type):
    """Gives a class the property ``current``, which programs read and set: the object that counts in this thread."""

    _current: CurrentOfThread

    @property
    def current(cls) -> Any:
        return cls._current.value

    @current.setter
    def current(cls, value: Any) -> None:
        cls._current.value = value
