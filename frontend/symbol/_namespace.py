"""Which operator is found under which name in which part of ``mx.sym``: as in ``mx.nd``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ..ndarray._namespace import attach as attach_functions
from .composition import SymbolFunction

__all__ = ["attach", "function"]


@functools.cache
def function(name: str, called: str | None = None) -> SymbolFunction:
    """Return an operator's function by its registered name or an alias; ``called`` is what nodes are named after.

    >>> function("_PlusScalar").hint, function("_linalg_gemm2", "gemm2").hint
    ('_plusscalar', 'gemm2')
    """
    from ...ops import registry

    return SymbolFunction(registry.get(name), called or name)


def attach(module_name: str, group: str, modules: Sequence[str] = ()) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make ``__getattr__`` and ``__dir__`` of a module that offers the operators of a group as functions of symbols."""
    return attach_functions(module_name, group, modules, function)
