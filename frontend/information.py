"""What ``weft info`` shows."""

from __future__ import annotations

import importlib.metadata
import os
import platform

from .. import engine
from ..engine._version import core_version
from ..ops import registry
from ..ops.cpu import onednn
from ..ops.cpu._target import cpu_target
from .context import num_gpus
from .libinfo import __version__, find_lib_path

__all__ = ["tables"]

Rows = list[tuple[str, object]]


def _distribution(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _versions() -> Rows:
    return [
        ("weft", __version__),
        ("core interface", core_version()),
        ("core library", find_lib_path()[0]),
        ("Python", f"{platform.python_version()} ({platform.machine()}, {platform.system()})"),
        ("NumPy", _distribution("numpy")),
        ("oneDNN", onednn.version() if onednn.available() else "not installed"),
    ]


def _devices() -> Rows:
    return [
        ("cpu(0)", f"{engine.settings()['cores']} cores of {os.cpu_count()}"),
        ("gpu", num_gpus() or "none"),
    ]


def _kernels() -> Rows:
    registry.load_all()
    operators = registry.all_operators()
    native = sum(bool(op.cpu) for op in operators)
    reasons = "; ".join(onednn.problems()) or "not installed"
    return [
        ("native kernels", f"for {cpu_target()}"),
        ("oneDNN", f"{onednn.version()} in use" if onednn.available() else f"not in use ({reasons}): other kernels are"),
        ("operators", f"{len(operators)}, {native} with native kernels"),
    ]


def _engine_settings() -> Rows:
    rows: Rows = []
    for name, value in engine.settings().items():
        rows.append((name, ", ".join(sorted(value)) or "nothing" if isinstance(value, frozenset) else value))
    rows += [(name, value) for name, value in sorted(os.environ.items()) if name.startswith(("WEFT_", "MXNET_"))]
    return rows


def tables() -> list[tuple[str, Rows]]:
    """Titles and rows of the tables.

    Examples
    --------
    >>> [title for title, rows in tables()]
    ['Versions', 'Devices', 'Kernels', 'Engine']
    """
    return [
        ("Versions", _versions()),
        ("Devices", _devices()),
        ("Kernels", _kernels()),
        ("Engine", _engine_settings()),
    ]
