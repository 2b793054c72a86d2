"""Which operator is found under which name in which part of ``mx.nd``.

MXNet sorts operators by the beginning of their registered names: ``_contrib_box_nms`` is ``nd.contrib.box_nms``,
``_linalg_gemm`` is ``nd.linalg.gemm``, and so on; other names that begin with an underscore are in ``nd._internal``.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

__all__ = ["attach", "group_of"]

PREFIXES = {
    "contrib": ("_contrib_",),
    "linalg": ("_linalg_",),
    "random": ("_random_", "_sample_"),
    "image": ("_image_",),
    "sparse": ("_sparse_",),
}
# Families of mx.np, which MXNet keeps out of mx.nd.
NOT_PUBLIC = frozenset(("annotations", "attach"))
HIDDEN = ("_np_", "_npi_", "_npx_", "_np", "_cvi")


def group_of(name: str) -> tuple[str, str]:
    """Return the part of ``mx.nd`` an operator's name belongs to ("" is ``nd`` itself), and its name there.

    Examples
    --------
    >>> group_of("_contrib_box_nms"), group_of("_plus_scalar"), group_of("exp")
    (('contrib', 'box_nms'), ('_internal', '_plus_scalar'), ('', 'exp'))
    """
    for group, prefixes in PREFIXES.items():
        for prefix in prefixes:
            if name.startswith(prefix):
                return group, name[len(prefix) :]
    return ("_internal" if name.startswith("_") else ""), name


def _candidates(group: str, name: str) -> list[str]:
    """Return the registered names that ``name`` in a group may stand for."""
    if group in ("", "op"):
        return [] if name.startswith("_") else [name]
    if group == "_internal":
        return [name]
    found = [prefix + name for prefix in PREFIXES[group]]
    if group == "random" and name.endswith("_like"):
        found.insert(0, "_random_" + name)
    return found


class LazyModule(ModuleType):
    """A module whose operators become functions when they are first asked for; who asks for its ``__dict__`` gets them all.

    Programs go through ``mx.nd.__dict__`` and ``vars(mx.sym)`` to wrap every operator.
    """

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        namespace: dict[str, Any] = _own_dict(self)
        if not namespace.get("__operators_made__"):
            namespace["__operators_made__"] = True
            for name in dir(self):
                getattr(self, name)
        return namespace


_own_dict = vars(ModuleType)["__dict__"].__get__


def lazy_namespace(module_name: str) -> dict[str, Any]:
    """Make a module lazy, and return its namespace as it is.

    Examples
    --------
    >>> import weft as mx
    >>> vars(mx.nd)["exp"] is mx.nd.exp
    True
    """
    module = sys.modules[module_name]
    module.__class__ = LazyModule
    namespace: dict[str, Any] = _own_dict(module)
    return namespace


def attach(
    module_name: str, group: str, modules: Sequence[str] = (), make: Callable[[str, str], Any] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make ``__getattr__`` and ``__dir__`` of a module that offers the operators of a group.

    Parameters
    ----------
    module_name : str
        The module.
    group : str
        A key of PREFIXES, "_internal", "op", or "" for ``nd`` itself.
    modules : sequence of str
        Submodules that are imported when they are first asked for.
    make : callable, optional
        Gives the function of an operator, from its registered name and the name it is asked for by; without it, the
        function of arrays.
    """
    namespace = lazy_namespace(module_name)
    wanted = "" if group == "op" else group
    # A list in the module would end the search for names: star imports bring the operators too.
    written: list[str] | None = namespace.pop("__all__", None)

    def operators() -> set[str]:
        from ...ops import registry

        return {short for where, short in map(group_of, registry.all_names()) if where == wanted and not short.startswith(HIDDEN)}

    def __getattr__(name: str) -> Any:
        if name in modules:
            return importlib.import_module(f"{module_name}.{name}")
        if name == "__all__":  # asked for by "from ... import *"
            own = written
            if own is None:
                own = [public for public in (*namespace, *modules) if not public.startswith("_") and public not in NOT_PUBLIC]
            return sorted({*own, *operators()})
        if name.startswith("__"):
            raise AttributeError(f"module {module_name!r} has no attribute {name!r}")
        from ...ops import dispatch, registry

        for candidate in _candidates(group, name):
            if registry.find(candidate) is not None:
                function = namespace[name] = dispatch.function(candidate) if make is None else make(candidate, name)
                return function
        raise AttributeError(_no_such(module_name, group, name), name=name, obj=sys.modules[module_name])

    def __dir__() -> list[str]:
        return sorted(operators() | namespace.keys() | set(modules))

    return __getattr__, __dir__


def _no_such(module_name: str, group: str, name: str) -> str:
    """Explain that there is no such operator; say why where it was left out, and what is spelled alike."""
    import difflib

    from ...ops import registry

    for candidate in _candidates(group, name):
        if reason := registry.left_out(candidate):
            return f"{name!r} is not part of weft: {reason}"
    wanted = "" if group == "op" else group
    known = [short for where, short in map(group_of, registry.all_names()) if where == wanted]
    close = difflib.get_close_matches(name, known, n=3)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"module {module_name!r} has no attribute {name!r}{hint}"
