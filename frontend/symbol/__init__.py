"""``mx.sym``: declared computations.

A :class:`Symbol` is made from variables by the operators of this module, which have the same names and parameters as in
:mod:`~weft.nd`. It has no values: ``bind`` makes an executor that computes.

>>> import weft as mx
>>> x = mx.sym.Variable("x")
>>> y = mx.sym.tanh(2 * x + 1)
>>> executor = y.bind(mx.cpu(), {"x": mx.nd.zeros((1,))})
>>> print(f"{float(executor.forward()[0]):.4f}")
0.7616
"""

from __future__ import annotations

from . import methods as _methods
from ._namespace import attach as _attach
from .arithmetic import *  # noqa: F403
from .creation import *  # noqa: F403
from .custom import Custom as Custom
from .symbol import Group as Group
from .symbol import Symbol as Symbol
from .symbol import Variable as Variable
from .symbol import fromjson as fromjson
from .symbol import load as load
from .symbol import load_json as load_json
from .symbol import var as var

_methods.install()

__getattr__, __dir__ = _attach(
    __name__,
    "",
    modules=("_internal", "contrib", "image", "linalg", "op", "random", "sparse", "symbol"),
)
