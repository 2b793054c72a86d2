"""Names for what the user does not name: symbols, blocks, parameters.

>>> with Prefix("encoder_") as names:
...     names.get(None, "dense"), names.get(None, "dense"), names.get("mine", "dense")
('encoder_dense0', 'encoder_dense1', 'encoder_mine')
"""

from __future__ import annotations

from typing import Any, cast

from .scopes import CurrentOfThread, HasCurrent

__all__ = ["NameManager", "Prefix", "current"]


class NameManager(metaclass=HasCurrent):
    """Counts the names it gives out, one counter for each kind of thing; a ``with`` block makes it the current one.

    >>> names = NameManager()
    >>> names.get(None, "conv"), names.get(None, "conv"), names.get(None, "pool"), names.get("mine", "conv")
    ('conv0', 'conv1', 'pool0', 'mine')
    """

    def __init__(self) -> None:
        self._counter: dict[str, int] = {}
        self._outer: list[NameManager] = []

    def get(self, name: str | None, hint: str) -> str:
        """Return `name`, or without one a new name made of `hint` and a number.

        >>> NameManager().get(None, "dense")
        'dense0'
        """
        if name:
            return name
        number = self._counter.get(hint, 0)
        self._counter[hint] = number + 1
        return f"{hint}{number}"

    def __enter__(self) -> NameManager:
        self._outer.append(current())
        NameManager._current.value = self
        return self

    def __exit__(self, *error: Any) -> None:
        NameManager._current.value = self._outer.pop()


NameManager._current = CurrentOfThread(NameManager)


class Prefix(NameManager):
    """A name manager that puts `prefix` before every name.

    >>> Prefix("a_").get("x", "dense")
    'a_x'
    """

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def get(self, name: str | None, hint: str) -> str:
        """Return the prefix and the name that a :class:`NameManager` gives.

        >>> Prefix("a_").get(None, "dense")
        'a_dense0'
        """
        return self._prefix + super().get(name, hint)


def current() -> NameManager:
    """Return the name manager of this thread.

    >>> isinstance(current(), NameManager)
    True
    """
    return cast(NameManager, NameManager._current.value)
