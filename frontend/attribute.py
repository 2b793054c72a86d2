"""Attributes that every symbol made inside a ``with`` block gets.

>>> import weft as mx
>>> with AttrScope(ctx_group="stage1"):
...     x = mx.sym.Variable("x")
>>> x.attr("ctx_group")
'stage1'
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from .scopes import CurrentOfThread, HasCurrent

__all__ = ["AttrScope", "current"]


class AttrScope(metaclass=HasCurrent):
    """Attributes for the symbols that are made inside its ``with`` block; blocks nest, the inner one wins.

    Parameters
    ----------
    **kwargs : str
        The attributes.

    Examples
    --------
    >>> with AttrScope(a="1"), AttrScope(b="2"):
    ...     current().get({"c": "3"})
    {'a': '1', 'b': '2', 'c': '3'}
    """

    def __init__(self, **kwargs: str) -> None:
        for key, value in kwargs.items():
            if not isinstance(value, str):
                raise ValueError(f"AttrScope: attribute {key}={value!r} must be a string")
        self._own = kwargs
        self._attr: dict[str, str] = dict(kwargs)
        self._outer: list[AttrScope] = []

    def get(self, attr: Mapping[str, str] | None) -> dict[str, str]:
        """Return the scope's attributes together with those given for one symbol, which win.

        >>> AttrScope(a="1", b="2").get({"b": "3"})
        {'a': '1', 'b': '3'}
        """
        return {**self._attr, **attr} if attr else dict(self._attr)

    def __enter__(self) -> AttrScope:
        outer = current()
        self._outer.append(outer)
        self._attr = {**outer._attr, **self._own}
        AttrScope._current.value = self
        return self

    def __exit__(self, *error: Any) -> None:
        AttrScope._current.value = self._outer.pop()


AttrScope._current = CurrentOfThread(AttrScope)


def current() -> AttrScope:
    """Return the scope of this thread.

    >>> current().get(None)
    {}
    """
    return cast(AttrScope, AttrScope._current.value)
