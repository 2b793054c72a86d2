"""Nested lists of arrays or symbols, as control flow and blocks take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["flatten", "regroup"]


def flatten(value: Any, what: str, leaf: type, expand: Callable[[Any], tuple[list[Any], int]] | None = None) -> tuple[list[Any], Any]:
    """Return what is in nested lists, in order, and the nesting: a list of nestings, or a number for a single value.

    Parameters
    ----------
    value : object of type `leaf`, or nested lists and tuples of such
    what : str
        What it is called in messages.
    leaf : type
    expand : callable, optional
        Turns a single value into several and a number that stands for it; by default it is itself, and 0.

    Examples
    --------
    >>> flatten([1, (2, [3])], "numbers", int)
    ([1, 2, 3], [0, [0, [0]]])
    """
    if isinstance(value, leaf):
        return expand(value) if expand else ([value], 0)
    if not isinstance(value, (list, tuple)):
        name = leaf.__name__
        raise ValueError(f"{what} must be (nested) list of {name}, but got {value!r:.80} of type {type(value).__name__}")
    found: list[Any] = []
    nesting = []
    for item in value:
        inner, inner_nesting = flatten(item, what, leaf, expand)
        found += inner
        nesting.append(inner_nesting)
    return found, nesting


def regroup(values: Sequence[Any], nesting: Any, group: Callable[[list[Any]], Any] = list) -> Any:
    """Undo :func:`flatten`; `group` makes one of the values that were one.

    Examples
    --------
    >>> regroup([1, 2, 3], [0, [0, [0]]])
    [1, [2, [3]]]
    """
    rest = iter(values)

    def build(part: Any) -> Any:
        if isinstance(part, list):
            return [build(item) for item in part]
        return next(rest) if part == 0 else group([next(rest) for _ in range(part)])

    return build(nesting)
