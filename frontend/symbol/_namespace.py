"""Which operator is found under which name in which part of ``mx.sym``: as in ``mx.nd``."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ..ndarray._namespace import HIDDEN, NOT_PUBLIC, _candidates, _no_such, group_of, lazy_namespace
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
    namespace = lazy_namespace(module_name)

    def __getattr__(name: str) -> Any:
        if name in modules:
            return importlib.import_module(f"{module_name}.{name}")
        if name == "__all__":  # asked for by "from ... import *"
            return [public for public in __dir__() if not public.startswith("_") and public not in NOT_PUBLIC]
        if name.startswith("__"):
            raise AttributeError(f"module {module_name!r} has no attribute {name!r}")
        from ...ops import registry

        for candidate in _candidates(group, name):
            if registry.find(candidate) is not None:
                found = namespace[name] = function(candidate, name)
                return found
        raise AttributeError(_no_such(module_name, group, name), name=name, obj=sys.modules[module_name])

    def __dir__() -> list[str]:
        from ...ops import registry

        wanted = "" if group == "op" else group
        found = {short for where, short in map(group_of, registry.all_names()) if where == wanted and not short.startswith(HIDDEN)}
        return sorted(found | namespace.keys() | set(modules))

    return __getattr__, __dir__
