"""Operators as methods of Symbol, and Python's operators."""

from __future__ import annotations

from typing import Any

from ..base import NotImplementedForSymbol
from ._namespace import function
from .arithmetic import NUMBERS, apply
from .symbol import Symbol

__all__ = ["METHODS", "install"]

#: Methods that call the operator of the same name with the symbol as first input.
METHODS = (
    "abs arccos arccosh arcsin arcsinh arctan arctanh argmax argmax_channel argmin argsort broadcast_axes broadcast_like "
    "broadcast_to cbrt ceil clip cos cosh degrees depth_to_space exp expm1 fix flip floor log log10 log1p log2 log_softmax max "
    "mean min nanprod nansum norm one_hot ones_like pad pick prod radians rcbrt reciprocal relu repeat reshape_like rint round "
    "rsqrt shape_array sigmoid sign sin sinh size_array slice slice_axis slice_like softmax softmin sort space_to_depth split "
    "sqrt square sum swapaxes take tan tanh tile topk transpose trunc zeros_like"
).split()

#: Python's operators, and MXNet's for symbol/symbol, symbol/number, number/symbol.
OPERATORS = {
    "add": ("_Plus", "_PlusScalar", "_PlusScalar"),
    "sub": ("_Minus", "_MinusScalar", "_RMinusScalar"),
    "mul": ("_Mul", "_MulScalar", "_MulScalar"),
    "truediv": ("_Div", "_DivScalar", "_RDivScalar"),
    "mod": ("_Mod", "_ModScalar", "_RModScalar"),
    # MXNet's names: 2 ** x is an _rpower_scalar0, pow(2, x) an _rpowerscalar0.
    "pow": ("_Power", "_PowerScalar", "_rpower_scalar"),
}
COMPARISONS = {
    "eq": ("_equal", "_equal_scalar"),
    "ne": ("_not_equal", "_not_equal_scalar"),
    "gt": ("_greater", "_greater_scalar"),
    "ge": ("_greater_equal", "_greater_equal_scalar"),
    "lt": ("_lesser", "_lesser_scalar"),
    "le": ("_lesser_equal", "_lesser_equal_scalar"),
}


class _Method:
    """A method whose operator is looked up when it is first used."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        found = function(self.name)
        return found if instance is None else found.__get__(instance, owner)


def astype(self: Symbol, dtype: Any, **kwargs: Any) -> Symbol:
    """Return the symbol cast to a dtype; also ``astype(dtype=...)``.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.Variable("x").astype("int32").eval(x=mx.nd.array([1.5]))[0].asnumpy()
    array([1], dtype=int32)
    """
    kwargs.pop("copy", None)
    return function("cast")(self, dtype=dtype, **kwargs)


def reshape(self: Symbol, *args: Any, **kwargs: Any) -> Symbol:
    """Return the symbol reshaped; the shape is a tuple, several integers or the argument ``shape``.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.Variable("x").reshape((2, -1)).eval(x=mx.nd.zeros((4, 3)))[0].shape
    (2, 6)
    """
    if len(args) > 1 and all(isinstance(item, int) for item in args):
        args = (args,)
    return function("reshape")(self, *args, **kwargs)


def flatten(self: Symbol, inplace: bool = False, **kwargs: Any) -> Symbol:
    """Return the symbol with all axes but the first made one; ``inplace`` is there for compatibility."""
    return function("flatten")(self, **kwargs)


def expand_dims(self: Symbol, axis: int, inplace: bool = False, **kwargs: Any) -> Symbol:
    """Return the symbol with a new axis of length 1; ``inplace`` is there for compatibility."""
    return function("expand_dims")(self, axis=axis, **kwargs)


def squeeze(self: Symbol, axis: Any = None, inplace: bool = False, **kwargs: Any) -> Symbol:
    """Return the symbol without axes of length 1; ``inplace`` is there for compatibility."""
    return function("squeeze")(self, axis=axis, **kwargs)


def diag(self: Symbol, k: int = 0, **kwargs: Any) -> Symbol:
    """Return the k-th diagonal, or a matrix with the symbol on it."""
    return function("diag")(self, k, **kwargs)


def split_v2(self: Symbol, *args: Any, **kwargs: Any) -> Symbol:
    """Return the symbol cut into parts; see :func:`weft.sym.split_v2`."""
    from .creation import split_v2 as split

    return split(self, *args, **kwargs)


def _unsupported(value: Any) -> TypeError:
    return TypeError(f"type {type(value)} not supported: the other operand must be Symbol or a number")


def _forward(name: str, names: tuple[str, str, str]) -> Any:
    def operate(self: Symbol, other: Any) -> Symbol:
        if not isinstance(other, (Symbol, *NUMBERS)):
            raise _unsupported(other)
        return apply(names, self, other)

    operate.__name__ = f"__{name}__"
    return operate


def _backward(name: str, names: tuple[str, str, str]) -> Any:
    def operate(self: Symbol, other: Any) -> Symbol:
        if not isinstance(other, NUMBERS):
            raise _unsupported(other)
        return apply(names, other, self)

    operate.__name__ = f"__r{name}__"
    return operate


def _inplace(name: str, sign: str) -> Any:
    def operate(self: Symbol, other: Any) -> Symbol:
        raise NotImplementedForSymbol(operate, sign, other)

    operate.__name__ = f"__{name}__"
    return operate


def _negative(self: Symbol) -> Symbol:
    return function("_MulScalar")(self, scalar=-1.0)


def _absolute(self: Symbol) -> Symbol:
    return function("abs")(self)


def install() -> None:
    """Put everything of this module into Symbol."""
    for name in METHODS:
        setattr(Symbol, name, _Method(name))
    for method in (astype, reshape, flatten, expand_dims, squeeze, diag, split_v2):
        method.__qualname__ = f"Symbol.{method.__name__}"
        setattr(Symbol, method.__name__, method)
    for name, names in OPERATORS.items():
        setattr(Symbol, f"__{name}__", _forward(name, names))
        setattr(Symbol, f"__r{name}__", _backward(name, names))
    for name, (both, scalar) in COMPARISONS.items():
        setattr(Symbol, f"__{name}__", _forward(name, (both, scalar, scalar)))
    for sign in ("", "r"):
        setattr(Symbol, f"__{sign}div__", getattr(Symbol, f"__{sign}truediv__"))
    for name, sign in {"iadd": "+=", "isub": "-=", "imul": "*=", "idiv": "/=", "itruediv": "/="}.items():
        setattr(Symbol, f"__{name}__", _inplace(name, sign))
    for name, sign_method in (("__neg__", _negative), ("__abs__", _absolute)):
        setattr(Symbol, name, sign_method)
