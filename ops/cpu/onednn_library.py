"""Find and open oneDNN, wherever the environment keeps it.

weft's own wheel carries the library. Where it was built without, it comes from a wheel that has no Python module, only
``lib/libdnnl.so.3`` under the prefix it was installed to.
``WEFT_ONEDNN`` overrides the search: a path of a library, or ``off`` to do without.
"""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from . import _target

__all__ = ["DISTRIBUTIONS", "candidates", "lost_files"]

# Distributions that bring the library, in order of preference.
DISTRIBUTIONS = ("onednn-cpu-gomp", "onednn", "onednn-cpu-iomp")

_NAMES = ("libdnnl.so.3", "libdnnl.3.dylib")


def _from_distributions() -> Iterator[Path]:
    """Yield what the installed distributions recorded: right for every layout that pip makes."""
    for name in DISTRIBUTIONS:
        for distribution in metadata.distributions(name=name):
            for file in distribution.files or ():
                if file.name in _NAMES:
                    yield Path(file.locate())


def _from_prefixes() -> Iterator[Path]:
    """Yield the places below prefixes and import paths; ``pip --target`` moves ``lib`` without recording it."""
    here = Path(__file__).resolve().parents[3]
    roots = [Path(sys.prefix), Path(sys.base_prefix), Path(site.getuserbase()), here]
    roots += [Path(entry) for entry in sys.path if entry]
    for root in dict.fromkeys(roots):
        for name in _NAMES:
            yield root / "lib" / name


def _from_package() -> Iterator[Path]:
    """Yield what weft's own wheel carries; an editable install has it in its build folder, beside the extension modules."""
    for name in _NAMES:
        yield Path(_target.__file__).with_name("onednn_files") / name
        yield Path(_target.__file__).with_name(name)


def lost_files() -> list[str]:
    """Return a complaint for each installed distribution whose library is not where its record says.

    ``pip install --target`` leaves the ``lib`` folder of a wheel behind.

    >>> lost_files() == [] or "WEFT_ONEDNN" in lost_files()[0]
    True
    """
    if any(path.is_file() for path in _from_package()):
        return []
    gone = [path for path in _from_distributions() if not path.is_file()]
    return [f"{path}: its distribution is installed but the file is gone; WEFT_ONEDNN can name a copy" for path in gone[:1]]


def candidates() -> list[str]:
    """Return the libraries to try, best first; the last resort is the loader's own search.

    >>> candidates()[-1]
    'libdnnl.so.3'
    """
    wanted = os.environ.get("WEFT_ONEDNN", "")
    if wanted.lower() in ("off", "0", "no", "none"):
        return []
    if wanted:
        return [wanted]
    found = (os.path.realpath(path) for path in (*_from_package(), *_from_distributions(), *_from_prefixes()) if path.is_file())
    return [*dict.fromkeys(found), _NAMES[0]]
