"""Functions of two operands, each of which may be an array or a number: ``nd.add(x, 1)``, ``nd.maximum(0, x)`` ...

Two numbers give a number, as in MXNet.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ops.array import NDArray
from ...ops.functions import F

__all__ = [
    "add",
    "divide",
    "equal",
    "greater",
    "greater_equal",
    "lesser",
    "lesser_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "modulo",
    "multiply",
    "not_equal",
    "power",
    "subtract",
    "true_divide",
]

NUMBERS = (float, int, np.generic)


def _function(
    name: str, both: str, with_scalar: str, reversed_scalar: str, numbers: Callable[[Any, Any], Any], doc: str, example: str
) -> Callable[..., Any]:
    """Make one function from the operators for array/array, array/number, number/array, and from Python's."""

    def apply(lhs: Any, rhs: Any) -> Any:
        if isinstance(lhs, NDArray):
            if isinstance(rhs, NDArray):
                return getattr(F, both)(lhs, rhs)
            if isinstance(rhs, NUMBERS):
                return getattr(F, with_scalar)(lhs, scalar=float(rhs))
            raise TypeError(f"{name}: rhs={rhs!r} of type {type(rhs)} not supported, expected an NDArray or a number")
        if isinstance(lhs, NUMBERS):
            if isinstance(rhs, NDArray):
                return getattr(F, reversed_scalar)(rhs, scalar=float(lhs))
            if isinstance(rhs, NUMBERS):
                return numbers(lhs, rhs)
            raise TypeError(f"{name}: rhs={rhs!r} of type {type(rhs)} not supported, expected an NDArray or a number")
        raise TypeError(f"{name}: lhs={lhs!r} of type {type(lhs)} not supported, expected an NDArray or a number")

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = f"""{doc}

    Parameters
    ----------
    lhs, rhs : NDArray or number
        The operands; arrays are broadcast against each other.

    Returns
    -------
    NDArray
        The result; a number if both operands are numbers.

    Examples
    --------
    >>> import weft as mx
    >>> {example}
    """
    return apply


def _as_int(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], int]:
    return lambda lhs, rhs: 1 if compare(lhs, rhs) else 0


add = _function(
    "add",
    "broadcast_add",
    "_plus_scalar",
    "_plus_scalar",
    operator.add,
    "Add element by element.",
    "mx.nd.add(mx.nd.array([1, 2]), 1).asnumpy().tolist()\n    [2.0, 3.0]",
)
subtract = _function(
    "subtract",
    "broadcast_sub",
    "_minus_scalar",
    "_rminus_scalar",
    operator.sub,
    "Subtract element by element.",
    "mx.nd.subtract(3, mx.nd.array([1, 2])).asnumpy().tolist()\n    [2.0, 1.0]",
)
multiply = _function(
    "multiply",
    "broadcast_mul",
    "_mul_scalar",
    "_mul_scalar",
    operator.mul,
    "Multiply element by element.",
    "mx.nd.multiply(mx.nd.array([1, 2]), 3).asnumpy().tolist()\n    [3.0, 6.0]",
)
divide = _function(
    "divide",
    "broadcast_div",
    "_div_scalar",
    "_rdiv_scalar",
    operator.truediv,
    "Divide element by element; integer arrays are divided towards zero.",
    "mx.nd.divide(mx.nd.array([1, 2]), 2).asnumpy().tolist()\n    [0.5, 1.0]",
)
true_divide = divide
modulo = _function(
    "modulo",
    "broadcast_mod",
    "_mod_scalar",
    "_rmod_scalar",
    operator.mod,
    "Remainder of the division, element by element; it has the divisor's sign.",
    "mx.nd.modulo(mx.nd.array([5, 6]), 4).asnumpy().tolist()\n    [1.0, 2.0]",
)
power = _function(
    "power",
    "broadcast_power",
    "_power_scalar",
    "_rpower_scalar",
    operator.pow,
    "Raise to a power, element by element.",
    "mx.nd.power(2, mx.nd.array([1, 3])).asnumpy().tolist()\n    [2.0, 8.0]",
)
maximum = _function(
    "maximum",
    "broadcast_maximum",
    "_maximum_scalar",
    "_maximum_scalar",
    lambda lhs, rhs: lhs if lhs > rhs or math.isnan(lhs) else rhs,
    "Take the greater element of each pair.",
    "mx.nd.maximum(mx.nd.array([1, 5]), 3).asnumpy().tolist()\n    [3.0, 5.0]",
)
minimum = _function(
    "minimum",
    "broadcast_minimum",
    "_minimum_scalar",
    "_minimum_scalar",
    lambda lhs, rhs: lhs if lhs < rhs or math.isnan(lhs) else rhs,
    "Take the smaller element of each pair.",
    "mx.nd.minimum(mx.nd.array([1, 5]), 3).asnumpy().tolist()\n    [1.0, 3.0]",
)
equal = _function(
    "equal",
    "broadcast_equal",
    "_equal_scalar",
    "_equal_scalar",
    _as_int(operator.eq),
    "Compare: 1 where the elements are equal, else 0, in the operands' dtype.",
    "mx.nd.equal(mx.nd.array([1, 5]), 5).asnumpy().tolist()\n    [0.0, 1.0]",
)
not_equal = _function(
    "not_equal",
    "broadcast_not_equal",
    "_not_equal_scalar",
    "_not_equal_scalar",
    _as_int(operator.ne),
    "Compare: 1 where the elements differ, else 0, in the operands' dtype.",
    "mx.nd.not_equal(mx.nd.array([1, 5]), 5).asnumpy().tolist()\n    [1.0, 0.0]",
)
greater = _function(
    "greater",
    "broadcast_greater",
    "_greater_scalar",
    "_lesser_scalar",
    _as_int(operator.gt),
    "Compare: 1 where lhs > rhs, else 0, in the operands' dtype.",
    "mx.nd.greater(mx.nd.array([1, 5]), 3).asnumpy().tolist()\n    [0.0, 1.0]",
)
greater_equal = _function(
    "greater_equal",
    "broadcast_greater_equal",
    "_greater_equal_scalar",
    "_lesser_equal_scalar",
    _as_int(operator.ge),
    "Compare: 1 where lhs >= rhs, else 0, in the operands' dtype.",
    "mx.nd.greater_equal(mx.nd.array([1, 5]), 5).asnumpy().tolist()\n    [0.0, 1.0]",
)
lesser = _function(
    "lesser",
    "broadcast_lesser",
    "_lesser_scalar",
    "_greater_scalar",
    _as_int(operator.lt),
    "Compare: 1 where lhs < rhs, else 0, in the operands' dtype.",
    "mx.nd.lesser(mx.nd.array([1, 5]), 3).asnumpy().tolist()\n    [1.0, 0.0]",
)
lesser_equal = _function(
    "lesser_equal",
    "broadcast_lesser_equal",
    "_lesser_equal_scalar",
    "_greater_equal_scalar",
    _as_int(operator.le),
    "Compare: 1 where lhs <= rhs, else 0, in the operands' dtype.",
    "mx.nd.lesser_equal(mx.nd.array([1, 5]), 1).asnumpy().tolist()\n    [1.0, 0.0]",
)
logical_and = _function(
    "logical_and",
    "broadcast_logical_and",
    "_logical_and_scalar",
    "_logical_and_scalar",
    _as_int(lambda lhs, rhs: bool(lhs) and bool(rhs)),
    "Logical and: 1 where both elements are not zero, else 0.",
    "mx.nd.logical_and(mx.nd.array([0, 5]), 1).asnumpy().tolist()\n    [0.0, 1.0]",
)
logical_or = _function(
    "logical_or",
    "broadcast_logical_or",
    "_logical_or_scalar",
    "_logical_or_scalar",
    _as_int(lambda lhs, rhs: bool(lhs) or bool(rhs)),
    "Logical or: 1 where an element is not zero, else 0.",
    "mx.nd.logical_or(mx.nd.array([0, 5]), 0).asnumpy().tolist()\n    [0.0, 1.0]",
)
logical_xor = _function(
    "logical_xor",
    "broadcast_logical_xor",
    "_logical_xor_scalar",
    "_logical_xor_scalar",
    _as_int(lambda lhs, rhs: bool(lhs) != bool(rhs)),
    "Logical exclusive or: 1 where exactly one element is not zero, else 0.",
    "mx.nd.logical_xor(mx.nd.array([0, 5]), 1).asnumpy().tolist()\n    [1.0, 0.0]",
)
