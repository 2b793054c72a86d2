"""Version of weft, and where its libraries and headers are."""

from __future__ import annotations

import importlib
import pathlib

__all__ = ["__version__", "find_include_path", "find_lib_path"]

# MXNet's API level (1.9), then weft's own count from 100: see docs/decisions/0001-version.md.
__version__ = "1.9.100"


def find_lib_path(prefix: str = "libweftcore") -> list[str]:
    """Return the path of the engine's shared library in a list.

    Parameters
    ----------
    prefix : str
        Name of the library without its ending.
    """
    # An extension module is beside the library; in an editable install that is in the build folder.
    extension = importlib.import_module("..engine._version", __package__)
    folder = pathlib.Path(str(extension.__file__)).parent
    found = sorted(str(path) for path in folder.glob(f"{prefix}.*") if path.suffix in (".so", ".dylib", ".dll"))
    if not found:
        raise RuntimeError(f"find_lib_path: there is no {prefix}.so in {folder}")
    return found


def find_include_path() -> str:
    """Return the folder below which the C++ headers are, as ``engine/core/engine.hpp``."""
    return str(pathlib.Path(__file__).resolve().parents[1])
