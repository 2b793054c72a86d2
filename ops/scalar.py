"""Element-wise operators of an array and a number, as arithmetic on NDArrays with Python numbers uses them.

Dtypes follow MXNet 1.9: floating-point arrays keep their dtype. Integer arrays keep theirs with ``is_int=True`` (then
the number is truncated) and give float64 with ``is_int=False``; for booleans int64 takes the place of the integer dtype.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .binary import BINARY_FUNCTIONS, floating_only
from .builders import elementwise_builder
from .functions import F
from .registry import Bool, Float, operator, zero_gradient

_PARAMS = (
    Float("scalar", 1.0, dynamic=True, doc="The number."),
    Bool("is_int", True, doc="Whether the number is an integer; decides the dtype of results for integer arrays."),
)


def scalar_dtype(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    """Dtype of arithmetic between an array and a number."""
    dtype = dtypes[0]
    if dtype.kind == "f":
        return [dtype]
    if not attrs.is_int:
        return [np.dtype("float64")]
    return [np.dtype("int64") if dtype.kind == "b" else dtype]


def _kernel(function: Callable[..., Any], reverse: bool) -> Callable[..., None]:
    def run(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
        dtype = outs[0].dtype
        data = ins[0] if ins[0].dtype == dtype else ins[0].astype(dtype)
        with np.errstate(invalid="ignore", over="ignore"):
            wide = np.asarray(attrs.scalar).astype(dtype if dtype.kind == "f" else np.int64)
            number = wide.astype(dtype)
        outs[0][...] = function(number, data) if reverse else function(data, number)

    return run


def _camel(short: str) -> str:
    """Return MXNet's other spelling: _greater_equal_scalar is also _GreaterEqualScalar."""
    words = short.removeprefix("r").split("_") if short in _REVERSED else short.split("_")
    return "_" + ("R" if short in _REVERSED else "") + "".join(word.capitalize() for word in words) + "Scalar"


_REVERSED = ("rminus", "rdiv", "rmod", "rpower")


def _scalar(
    short: str,
    loop: str,
    gradient: Callable[[Any, Any], Any] | None,
    doc: str,
    *,
    saves: str = "",
    aliases: Sequence[str] = (),
) -> None:
    reverse = short in _REVERSED
    options = {"result": "input"} if gradient is None else {}
    operator(
        f"_{short}_scalar",
        aliases=(_camel(short), *aliases),
        params=_PARAMS,
        dtype=scalar_dtype,
        gradient=zero_gradient if gradient is None else lambda ctx, g: [gradient(ctx, g)],
        saves=saves,
        inplace=((0, 0),),
        cpu=(elementwise_builder(loop, scalar="lhs" if reverse else "rhs", **options),),
        numpy=_kernel(BINARY_FUNCTIONS[loop], reverse),
        doc=doc,
    )


def _x(ctx: Any) -> Any:
    return ctx.inputs[0]


def _s(ctx: Any) -> float:
    return ctx.attrs.scalar


def _power_gradient(ctx: Any, g: Any) -> Any:
    exponent = ctx.attrs.scalar
    if exponent == 2:
        return F._backward_square(g, ctx.inputs[0])
    return F.elemwise_mul(g, F._power_scalar(ctx.inputs[0], scalar=exponent - 1)) * exponent


def _log_or_nan(value: float) -> float:
    return math.log(value) if value > 0 else (-math.inf if value == 0 else math.nan)


_scalar("plus", "add", lambda c, g: g, "Add a number.", aliases=("_scatter_plus_scalar",))
_scalar("minus", "subtract", lambda c, g: g, "Subtract a number.", aliases=("_scatter_minus_scalar",))
_scalar("rminus", "subtract", lambda c, g: F.negative(g), "Subtract from a number.")
_scalar("mul", "multiply", lambda c, g: F._mul_scalar(g, scalar=_s(c)), "Multiply by a number.")
_scalar("div", "divide", lambda c, g: F._div_scalar(g, scalar=_s(c)), "Divide by a number.")
_scalar(
    "rdiv",
    "divide",
    lambda c, g: F.elemwise_div(g, F.square(_x(c))) * -_s(c),
    "Divide a number by the array.",
    saves="i",
)
_scalar("mod", "mod", floating_only(lambda c, g: g), "Remainder of dividing by a number, with the sign of that number.")
_scalar(
    "rmod",
    "mod",
    floating_only(lambda c, g: F.negative(F.elemwise_mul(g, F.floor(F._rdiv_scalar(_x(c), scalar=_s(c)))))),
    "Remainder of dividing a number by the array.",
    saves="i",
)
_scalar("power", "power", _power_gradient, "Raise to the power of a number.", saves="i")
_scalar(
    "rpower",
    "power",
    lambda c, g: F.elemwise_mul(g, c.outputs[0]) * _log_or_nan(_s(c)),
    "Raise a number to the power of the array.",
    saves="o",
)
_scalar(
    "maximum",
    "maximum",
    lambda c, g: F.elemwise_mul(g, F._greater_equal_scalar(_x(c), scalar=_s(c))),
    "The larger of the array and a number.",
    saves="i",
    aliases=("_npi_maximum_scalar",),
)
_scalar(
    "minimum",
    "minimum",
    lambda c, g: F.elemwise_mul(g, F._lesser_equal_scalar(_x(c), scalar=_s(c))),
    "The smaller of the array and a number.",
    saves="i",
    aliases=("_npi_minimum_scalar",),
)
_scalar(
    "hypot",
    "hypot",
    lambda c, g: F.elemwise_div(F.elemwise_mul(g, _x(c)), c.outputs[0]),
    "Length of the hypotenuse whose other side is a number.",
    saves="io",
    aliases=("_npi_hypot_scalar",),
)
for _short, _loop, _doc in (
    ("equal", "equal", "1 where the array equals a number, else 0."),
    ("not_equal", "not_equal", "1 where the array differs from a number, else 0."),
    ("greater", "greater", "1 where the array is greater than a number, else 0."),
    ("greater_equal", "greater_equal", "1 where the array is at least a number, else 0."),
    ("lesser", "less", "1 where the array is less than a number, else 0."),
    ("lesser_equal", "less_equal", "1 where the array is at most a number, else 0."),
    ("logical_and", "logical_and", "1 where the array and the number are not zero, else 0."),
    ("logical_or", "logical_or", "1 where the array or the number is not zero, else 0."),
    ("logical_xor", "logical_xor", "1 where exactly one of the array and the number is not zero, else 0."),
):
    _scalar(_short, _loop, None, _doc)
