"""Short module names: ``weft.nd`` is ``weft.frontend.ndarray``, and ``mxnet`` is weft when it is asked to be.

One import finder gives the *same* module object for every name of a module, so that a class imported by any path is
one class. It answers only for modules that exist.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.abc import InspectLoader, Loader
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any

__all__ = ["install_as_mxnet", "lazy_attributes", "real_name"]

PACKAGE = __name__.partition(".")[0]
#: Folders of the package that are public under their own name.
LAYERS = frozenset({"engine", "ops", "profiler", "frontend"})
#: MXNet's short names of modules.
SHORT = {
    "nd": "ndarray",
    "sym": "symbol",
    "init": "initializer",
    "mod": "module",
    "kv": "kvstore",
    "rnd": "random",
    "viz": "visualization",
    "mon": "monitor",
    "opt": "optimizer",
    "img": "image",
}
#: Top-level names that stand for weft; install_as_mxnet() adds "mxnet".
_roots = {PACKAGE}


def real_name(name: str) -> str | None:
    """Name under which the module that `name` stands for is defined, or None where `name` is no alias.

    Examples
    --------
    >>> real_name("weft.nd"), real_name("weft.gluon.nn"), real_name("weft.engine")
    ('weft.frontend.ndarray', 'weft.frontend.gluon.nn', None)
    """
    root, _, rest = name.partition(".")
    if root not in _roots:
        return None
    if not rest:
        return None if root == PACKAGE else PACKAGE
    first, dot, deeper = rest.partition(".")
    first = SHORT.get(first, first)
    layer = "" if first in LAYERS or first.startswith("_") else "frontend."
    # MXNet keeps the functions that it makes of operators apart, in gen_op or gen_contrib.
    if first in ("ndarray", "symbol") and deeper.startswith("gen_"):
        deeper = deeper.removeprefix("gen_")
    found = f"{PACKAGE}.{layer}{first}{dot}{deeper}"
    return None if found == name else found


class _AliasLoader(Loader):
    """Puts the module that exists under a second name into ``sys.modules``."""

    def __init__(self, real: str) -> None:
        self.real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        # The import system takes what stands in sys.modules after this call, and leaves its __spec__ alone.
        sys.modules[module.__name__] = importlib.import_module(self.real)

    def get_code(self, name: str) -> CodeType | None:
        """Code of the module, for ``python -m``."""
        spec = importlib.util.find_spec(self.real)
        loader = spec.loader if spec else None
        return loader.get_code(self.real) if isinstance(loader, InspectLoader) else None

    def is_package(self, name: str) -> bool:
        spec = importlib.util.find_spec(self.real)
        return spec is not None and spec.submodule_search_locations is not None


class AliasFinder:
    """Finds ``weft.X`` as ``weft.frontend.X``, and ``mxnet.X`` after :func:`install_as_mxnet`."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        real = real_name(name)
        if real is None:
            return None
        try:
            found = importlib.util.find_spec(real)
        except ModuleNotFoundError as error:
            # The parent of `real` does not exist; anything else that is missing is the caller's to see.
            if error.name is not None and real.startswith(error.name):
                return None
            raise
        if found is None:
            return None
        spec = ModuleSpec(name, _AliasLoader(real), origin=found.origin, is_package=found.submodule_search_locations is not None)
        spec.submodule_search_locations = found.submodule_search_locations
        return spec


def install_as_mxnet() -> None:
    """Let ``import mxnet`` give weft in this process, for programs that were written for MXNet.

    Calling it again does nothing. Start a whole program this way with ``python -m weft.as_mxnet script.py``.

    Examples
    --------
    >>> import weft
    >>> weft.install_as_mxnet()
    >>> import mxnet as mx
    >>> mx is weft
    True
    """
    present = sys.modules.get("mxnet")
    package = sys.modules[PACKAGE]
    if present is package:
        return
    if present is not None:
        raise RuntimeError(f"mxnet is already imported from {getattr(present, '__file__', None)}: call install_as_mxnet() before it is")
    # The finder answers `import mxnet` from now on. The name does not appear in sys.modules before the program asks for it:
    # some check that they come before MXNet, to start processes of their own.
    _roots.add("mxnet")
    for name, module in _public.items():
        _show(name, module)


#: Modules that programs have got as attributes of the package.
_public: dict[str, ModuleType] = {}


def _show(name: str, module: ModuleType) -> None:
    """Put a module into ``sys.modules`` as the other packages' own: libraries look there for what is in use."""
    _public[name] = module
    for root in _roots - {PACKAGE}:
        sys.modules.setdefault(f"{root}.{SHORT.get(name, name)}", module)


def lazy_attributes(
    modules: Iterable[str], names: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make ``__getattr__`` and ``__dir__`` of the package, which import a module when it is first used.

    Parameters
    ----------
    modules : iterable of str
        Public modules; those that do not exist are unknown attributes.
    names : mapping of str to str
        Public functions and classes, and the module (relative to the package) that holds each.
    """
    modules = frozenset(modules)
    namespace = vars(sys.modules[PACKAGE])

    def exists(module: str) -> bool:
        return importlib.util.find_spec(f"{PACKAGE}.{module}") is not None

    def __getattr__(name: str) -> Any:
        if name == "__all__":  # what `from weft import *` asks for: every public name that exists
            return [found for found in __dir__() if not found.startswith("_")]
        module = name if name in modules else names.get(name)
        if module is None or not exists(module):
            raise AttributeError(f"module {PACKAGE!r} has no attribute {name!r}", name=name, obj=sys.modules[PACKAGE])
        value: Any = importlib.import_module(f"{PACKAGE}.{module}")
        if name in modules:
            _show(name, value)
        else:
            value = getattr(value, name)
        namespace[name] = value
        return value

    def __dir__() -> list[str]:
        found = {name for name in modules if exists(name)}
        found.update(name for name, module in names.items() if exists(module))
        return sorted(found | namespace.keys())

    return __getattr__, __dir__


if not any(finder is AliasFinder for finder in sys.meta_path):
    # First, so that no other finder loads weft.gluon.nn a second time from weft.gluon's folder.
    sys.meta_path.insert(0, AliasFinder)
