"""Functions of two operands, each of which may be a Symbol or a number: ``sym.pow(x, 2)``, ``sym.maximum(0, x)`` ...

Symbols are not broadcast against each other here, as in MXNet; the ``broadcast_`` operators do that. Nodes are named as
MXNet names them, which keeps the names of intermediate outputs the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ._namespace import function
from .symbol import Symbol

__all__ = ["hypot", "maximum", "minimum", "pow", "power"]

NUMBERS = (float, int, np.generic)


def apply(names: tuple[str, str, str], lhs: Any, rhs: Any, numbers: Callable[[Any, Any], Any] | None = None) -> Any:
    """Apply the operator for symbol/symbol, symbol/number or number/symbol."""
    both, with_number, reversed_number = names
    if isinstance(lhs, Symbol) and isinstance(rhs, Symbol):
        return function(both)(lhs, rhs)
    if isinstance(lhs, Symbol) and isinstance(rhs, NUMBERS):
        return function(with_number)(lhs, scalar=rhs)
    if isinstance(lhs, NUMBERS) and isinstance(rhs, Symbol):
        return function(reversed_number)(rhs, scalar=lhs)
    if numbers is not None and isinstance(lhs, NUMBERS) and isinstance(rhs, NUMBERS):
        return numbers(lhs, rhs)
    raise TypeError(f"types ({type(lhs)}, {type(rhs)}) not supported: expected symbols or numbers")


def pow(base: Any, exp: Any) -> Any:
    """Raise to a power, element by element.

    Parameters
    ----------
    base, exp : Symbol or number
        The operands.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.pow(mx.sym.Variable("x"), 2).eval(x=mx.nd.array([2, 3]))[0].asnumpy().tolist()
    [4.0, 9.0]
    """
    return apply(("_Power", "_PowerScalar", "_RPowerScalar"), base, exp, lambda lhs, rhs: lhs**rhs)


def power(base: Any, exp: Any) -> Any:
    """Raise to a power, as :func:`pow`.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.power(2, 3)
    8
    """
    return pow(base, exp)


def maximum(left: Any, right: Any) -> Any:
    """Take the greater element of each pair.

    Parameters
    ----------
    left, right : Symbol or number
        The operands.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.maximum(mx.sym.Variable("x"), 2).eval(x=mx.nd.array([1, 3]))[0].asnumpy().tolist()
    [2.0, 3.0]
    """
    return apply(("_Maximum", "_MaximumScalar", "_MaximumScalar"), left, right, lambda lhs, rhs: lhs if lhs > rhs else rhs)


def minimum(left: Any, right: Any) -> Any:
    """Take the smaller element of each pair.

    Parameters
    ----------
    left, right : Symbol or number
        The operands.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.minimum(mx.sym.Variable("x"), 2).eval(x=mx.nd.array([1, 3]))[0].asnumpy().tolist()
    [1.0, 2.0]
    """
    return apply(("_Minimum", "_MinimumScalar", "_MinimumScalar"), left, right, lambda lhs, rhs: lhs if lhs < rhs else rhs)


def hypot(left: Any, right: Any) -> Any:
    """Return the hypotenuse of right triangles, given the legs.

    Parameters
    ----------
    left, right : Symbol or number
        The legs.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.hypot(mx.sym.Variable("x"), 4).eval(x=mx.nd.array([3]))[0].asnumpy().tolist()
    [5.0]
    """
    return apply(("_Hypot", "_HypotScalar", "_HypotScalar"), left, right, math.hypot)
