"""``mx.contrib``: what MXNet keeps apart, as not yet settled.

The operators are those of :mod:`weft.nd.contrib` and :mod:`weft.sym.contrib`; the modules are imported when they are first used.

>>> import weft as mx
>>> mx.contrib.nd is mx.nd.contrib
True
"""

from __future__ import annotations

import importlib
from typing import Any

#: Names of modules, and where each is.
_MODULES = {
    "autograd": ".autograd",
    "io": ".io",
    "nd": "..ndarray.contrib",
    "ndarray": "..ndarray.contrib",
    "svrg_optimization": ".svrg_optimization",
    "sym": "..symbol.contrib",
    "symbol": "..symbol.contrib",
    "tensorboard": ".tensorboard",
    "text": ".text",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(_MODULES[name], __name__)
    globals()[name] = module
    return module


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
