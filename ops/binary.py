"""Element-wise operators of two arrays, in their same-shape and their broadcasting form, and sums of many arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import rules
from .builders import ShapeSpec, elementwise_builder, reduce_builder, with_input_shapes
from .functions import F
from .registry import get, operator, zero_gradient
from .unary import copy_kernel, number_dtype, to_integer

__all__ = ["BINARY_FUNCTIONS", "unbroadcast"]

Function = Callable[[np.ndarray, np.ndarray], Any]


# ---- what is computed --------------------------------------------------------------------------------------------------


def divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Divide; integers truncate towards zero, and give 0 for a divisor of 0."""
    if a.dtype.kind == "f":
        return np.divide(a, b)
    safe = np.where(b == 0, np.ones((), b.dtype), b)
    quotient = np.floor_divide(a, safe)
    remainder = a - quotient * safe
    # Floor division went one too low where the signs differ and something remains.
    quotient = quotient + ((remainder != 0) & ((a < 0) != (safe < 0)))
    return np.where(b == 0, 0, quotient)


def modulo(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Remainder with the sign of the divisor; 0 for a divisor of 0."""
    safe = np.where(b == 0, np.ones((), b.dtype), b)
    return np.where(b == 0, np.zeros((), a.dtype), np.remainder(a, safe))


def power(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Power; integers are computed in floating point and truncated."""
    if a.dtype.kind == "f":
        return np.power(a, b)
    return to_integer(np.power(a.astype(np.float64), b.astype(np.float64)), a.dtype)


def hypot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Length of the hypotenuse; integers are truncated."""
    if a.dtype.kind == "f":
        return np.hypot(a, b)
    return to_integer(np.hypot(a.astype(np.float64), b.astype(np.float64)), a.dtype)


def binary_kernel(function: Function) -> Callable[..., None]:
    """Return a NumPy kernel for a function of two broadcast arrays."""
    direct = isinstance(function, np.ufunc)

    def run(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
        if direct:
            function(ins[0], ins[1], out=outs[0], casting="unsafe")
        else:
            outs[0][...] = function(ins[0], ins[1])

    return run


# ---- broadcasting and its reverse ----------------------------------------------------------------------------------------


def unbroadcast(grad: Any, like: Any) -> Any:
    """Sum a gradient over the axes along which ``like`` was broadcast; nothing to do where the shapes agree."""
    if getattr(grad, "shape", None) == getattr(like, "shape", ()):
        return grad
    return F._reduce_like(grad, like)


def _reduce_like_axes(shape: tuple[int, ...], target: tuple[int, ...]) -> tuple[int, ...]:
    padded = (1,) * (len(shape) - len(target)) + target
    return tuple(i for i, (n, m) in enumerate(zip(shape, padded)) if m == 1 and n != 1)


def _reduce_like_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    if rules.broadcast_pair(shapes[0], shapes[1]) != shapes[0]:
        raise ValueError(f"like of shape {shapes[1]} does not broadcast to {shapes[0]}")
    return [shapes[1]]


def _reduce_like(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
    axes = _reduce_like_axes(ins[0].shape, outs[0].shape)
    outs[0][...] = ins[0].sum(axis=axes, keepdims=True, dtype=outs[0].dtype).reshape(outs[0].shape)


def _as_sum(attrs: Any, in_specs: Any, out_specs: Any) -> tuple[Any, list[Any], list[Any]]:
    shape, dtype = tuple(in_specs[0].shape), in_specs[0].dtype
    axes = _reduce_like_axes(shape, tuple(out_specs[0].shape))
    kept = rules.reduced_shape(shape, axes, True)
    if not axes:
        # A sum over no axes would mean all of them; view the data with one more axis of length 1.
        shape, kept, axes = (1, *shape), (1, *shape), (0,)
    return get("sum").attrs(axis=axes, keepdims=True), [ShapeSpec(shape, dtype)], [ShapeSpec(kept, dtype)]


operator(
    "_reduce_like",
    inputs=("data", "like"),
    shape=_reduce_like_shape,
    dtype=rules.first_dtype,
    gradient=lambda ctx, g: [F._expand_like(g, ctx.inputs[0]), None],
    saves="i",
    unread=(1,),
    cpu=(with_input_shapes(reduce_builder("sum"), _as_sum),),
    numpy=_reduce_like,
    doc="Sum over the axes along which an array shaped as the second input would be broadcast: undoes broadcasting.",
    input_docs={"like": "Array whose shape the result gets."},
)


# ---- declaring both forms -----------------------------------------------------------------------------------------------

Part = Callable[[Any, Any], Any]


def _gradient(left: Part | None, right: Part | None, broadcast: bool) -> Callable[..., list[Any]]:
    def gradient(ctx: Any, g: Any) -> list[Any]:
        needs = ctx.needs
        lhs = left(ctx, g) if needs[0] else None
        rhs = right(ctx, g) if needs[1] else None
        if broadcast:
            lhs = None if lhs is None else unbroadcast(lhs, ctx.inputs[0])
            rhs = None if rhs is None else unbroadcast(rhs, ctx.inputs[1])
        return [lhs, rhs]

    return gradient


# name of the loop -> function on arrays; scalar.py declares the forms with a number from the same table
BINARY_FUNCTIONS: dict[str, Function] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": divide,
    "mod": modulo,
    "power": power,
    "hypot": hypot,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}
_RESULT_IS_TRUTH = tuple(BINARY_FUNCTIONS)[9:]


def _pair(
    loop: str,
    same: tuple[str, ...],
    broadcast: tuple[str, ...],
    gradient: tuple[Part, Part] | None,
    doc: str,
    *,
    saves: str = "i",
    same_saves: str | None = None,
) -> None:
    """Declare the same-shape form (first name of ``same``) and the broadcasting form of one function."""
    options = {"result": "input"} if loop in _RESULT_IS_TRUTH else {}
    for names, broadcasting in ((same, False), (broadcast, True)):
        if not names:
            continue
        operator(
            names[0],
            aliases=names[1:],
            inputs=("lhs", "rhs"),
            shape=rules.broadcast_shapes if broadcasting else rules.same_shape,
            infer_inputs=None if broadcasting else rules.unify_inputs,
            dtype=number_dtype,
            gradient=zero_gradient if gradient is None else _gradient(*gradient, broadcasting),
            saves=saves if broadcasting or same_saves is None else same_saves,
            inplace=((0, 0), (1, 0)),
            cpu=(elementwise_builder(loop, **options),),
            numpy=binary_kernel(BINARY_FUNCTIONS[loop]),
            doc=doc + (" Shapes are broadcast." if broadcasting else " Both inputs have the same shape."),
            examples=_broadcast_example(names[0]) if broadcasting and gradient is not None else "",
        )


def _broadcast_example(name: str) -> str:
    return f"""
    >>> import weft as mx
    >>> mx.nd.{name}(mx.nd.ones((2, 1)), mx.nd.ones((1, 3))).shape
    (2, 3)
    """


def _names(short: str) -> tuple[str, str]:
    """Return MXNet's two spellings of an internal name: _greater_equal and _Greater_Equal."""
    return f"_{short}", "_" + "_".join(part.capitalize() for part in short.split("_"))


def _lhs(ctx: Any) -> Any:
    return ctx.inputs[0]


def _rhs(ctx: Any) -> Any:
    return ctx.inputs[1]


_pair(
    "add",
    ("elemwise_add", "_sparse_elemwise_add", "_add", "_plus", "_Plus"),
    ("broadcast_add", "broadcast_plus", "_sparse_broadcast_add", "_sparse_broadcast_plus"),
    (lambda c, g: g, lambda c, g: g),
    "Sum of two arrays.",
    same_saves="",
)
_pair(
    "subtract",
    ("elemwise_sub", "_sparse_elemwise_sub", "_sub", "_minus", "_Minus"),
    ("broadcast_sub", "broadcast_minus", "_sparse_broadcast_sub", "_sparse_broadcast_minus"),
    (lambda c, g: g, lambda c, g: F.negative(g)),
    "Difference of two arrays.",
    same_saves="",
)
_pair(
    "multiply",
    ("elemwise_mul", "_sparse_elemwise_mul", "_mul", "_Mul"),
    ("broadcast_mul", "_sparse_broadcast_mul"),
    (lambda c, g: F.broadcast_mul(g, _rhs(c)), lambda c, g: F.broadcast_mul(g, _lhs(c))),
    "Product of two arrays.",
)
_pair(
    "divide",
    ("elemwise_div", "_sparse_elemwise_div", "_div", "_Div", "_scatter_elemwise_div"),
    ("broadcast_div", "_sparse_broadcast_div"),
    (
        lambda c, g: F.broadcast_div(g, _rhs(c)),
        lambda c, g: F.negative(F.broadcast_div(F.broadcast_mul(g, _lhs(c)), F.square(_rhs(c)))),
    ),
    "Quotient of two arrays; integers truncate towards zero.",
)


def floating_only(gradient: Part) -> Part:
    """Return a gradient that is zero where the numbers are integers, whose function is made of steps."""

    def guarded(ctx: Any, grad: Any) -> Any:
        return gradient(ctx, grad) if np.dtype(grad.dtype).kind == "f" else F.zeros_like(grad)

    return guarded


_pair(
    "mod",
    _names("mod"),
    ("broadcast_mod",),
    (
        floating_only(lambda c, g: g),
        floating_only(lambda c, g: F.negative(F.broadcast_mul(g, F.floor(F.broadcast_div(_lhs(c), _rhs(c)))))),
    ),
    "Remainder of a division, with the sign of the divisor; 0 for a divisor of 0.",
)
_pair(
    "power",
    _names("power"),
    ("broadcast_power",),
    (
        lambda c, g: F.broadcast_mul(g, F.broadcast_mul(_rhs(c), F.broadcast_power(_lhs(c), _rhs(c) - 1))),
        lambda c, g: F.broadcast_mul(F.broadcast_mul(g, c.outputs[0]), F.log(_lhs(c))),
    ),
    "First array raised to the power of the second.",
    saves="io",
)
_pair(
    "maximum",
    _names("maximum"),
    ("broadcast_maximum", "_npi_maximum"),
    (
        lambda c, g: F.broadcast_mul(g, F.broadcast_greater_equal(_lhs(c), _rhs(c))),
        lambda c, g: F.broadcast_mul(g, F.broadcast_lesser(_lhs(c), _rhs(c))),
    ),
    "The larger of two numbers; where they are equal the gradient goes to the first.",
)
_pair(
    "minimum",
    _names("minimum"),
    ("broadcast_minimum", "_npi_minimum"),
    (
        lambda c, g: F.broadcast_mul(g, F.broadcast_lesser_equal(_lhs(c), _rhs(c))),
        lambda c, g: F.broadcast_mul(g, F.broadcast_greater(_lhs(c), _rhs(c))),
    ),
    "The smaller of two numbers; where they are equal the gradient goes to the first.",
)
_pair(
    "hypot",
    _names("hypot"),
    ("broadcast_hypot",),
    (
        lambda c, g: F.broadcast_mul(g, F.broadcast_div(_lhs(c), c.outputs[0])),
        lambda c, g: F.broadcast_mul(g, F.broadcast_div(_rhs(c), c.outputs[0])),
    ),
    "Length of the hypotenuse of a right-angled triangle, sqrt(a**2 + b**2).",
    saves="io",
)

for _loop, _short, _doc in (
    ("equal", "equal", "1 where both are equal, else 0."),
    ("not_equal", "not_equal", "1 where both differ, else 0."),
    ("greater", "greater", "1 where the first is greater than the second, else 0."),
    ("greater_equal", "greater_equal", "1 where the first is at least the second, else 0."),
    ("less", "lesser", "1 where the first is less than the second, else 0."),
    ("less_equal", "lesser_equal", "1 where the first is at most the second, else 0."),
    ("logical_and", "logical_and", "1 where both are not zero, else 0."),
    ("logical_or", "logical_or", "1 where at least one is not zero, else 0."),
    ("logical_xor", "logical_xor", "1 where exactly one is not zero, else 0."),
):
    _same = _names(_short)
    if _short == "not_equal":
        _same = ("_not_equal", "_Not_Equal")
    _pair(_loop, _same, (f"broadcast_{_short}",), None, _doc + " The result has the dtype of the inputs.")


# ---- sums of many arrays, and copies shaped by another array ----------------------------------------------------------------


def _add_n(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
    out = outs[0]
    total = ins[0]
    for array in ins[1:]:
        total = np.add(total, array)  # not into out: that may be the memory of an input
    out[...] = total


def _add_two(attrs: Any, in_specs: Any, out_specs: Any) -> Any:
    builder = elementwise_builder("add")
    return builder(attrs, in_specs, out_specs) if builder is not None and len(in_specs) == 2 else None


def _describe_two(attrs: Any, in_specs: Any, out_specs: Any) -> Any:
    return elementwise_builder("add").describe(attrs, in_specs, out_specs) if len(in_specs) == 2 else None


_add_two.describe = _describe_two  # type: ignore[attr-defined]


operator(
    "add_n",
    aliases=("ElementWiseSum", "_sparse_add_n", "_sparse_ElementWiseSum"),
    inputs=("*args",),
    infer_inputs=rules.unify_inputs,
    dtype=number_dtype,
    gradient=lambda ctx, g: [g] * len(ctx.needs),
    saves="",
    inplace=lambda attrs: tuple((index, 0) for index in range(attrs.num_args)),
    cpu=(_add_two, elementwise_builder("add_n")),
    numpy=_add_n,
    doc="Sum of any number of arrays of one shape.",
)
operator(
    "_grad_add",
    inputs=("lhs", "rhs"),
    dtype=number_dtype,
    gradient=lambda ctx, g: [g, g],
    saves="",
    inplace=((0, 0), (1, 0)),
    cpu=(elementwise_builder("add"),),
    numpy=binary_kernel(np.add),
    doc="Sum of two gradients of the same array.",
)
operator(
    "_identity_with_attr_like_rhs",
    inputs=("lhs", "rhs"),
    shape=rules.first_shape,
    infer_inputs=rules.unify_inputs,
    dtype=rules.first_dtype,
    gradient=lambda ctx, g: [g, None],
    saves="",
    inplace=((0, 0),),
    view=True,
    unread=(1,),
    numpy=copy_kernel,
    doc="Copy of the first input; during shape inference it takes the second one's shape.",
)
