"""``mx.nd``: arrays and the functions on them.

Operators are functions of this module under the names that MXNet gives them (``nd.exp``, ``nd.FullyConnected``); those in
groups are in :mod:`~weft.nd.random`, :mod:`~weft.nd.linalg`, :mod:`~weft.nd.contrib` and :mod:`~weft.nd.image`. They are
looked up in the operator registry when they are first used, so importing this module costs little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ops.array import NDArray as NDArray
from ..operator import Custom as Custom
from . import methods as _methods
from ._namespace import attach as _attach
from .arithmetic import *  # noqa: F403
from .cached_op import CachedOp as CachedOp
from .creation import *  # noqa: F403
from .index_keys import *  # noqa: F403
from .serialization import load as load
from .serialization import load_frombuffer as load_frombuffer
from .serialization import save as save

if TYPE_CHECKING:  # the operators, as editors and type checkers see them
    from ._operators import *  # noqa: F403

_methods.install()

__getattr__, __dir__ = _attach(
    __name__,
    "",
    modules=("_internal", "contrib", "image", "linalg", "ndarray", "op", "random", "sparse", "utils"),
)
