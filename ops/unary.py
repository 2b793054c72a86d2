"""Element-wise operators of one array: mathematics, rounding, activations, casts and gradient stoppers.

Every function is one row: name, what it computes, its gradient, its documentation. As in MXNet integers are computed
in floating point and truncated, and booleans are refused where a number is meant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import rules, special
from .builders import elementwise_builder
from .functions import F
from .registry import Bool, Dtype, Float, Int, operator, zero_gradient

Kernel = Callable[..., None]


def number_dtype(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    """Inputs share one dtype, which must be a number, not a truth value."""
    result = rules.same_dtype(attrs, dtypes)
    if result[0].kind == "b":
        raise ValueError("bool is not supported, expected a number dtype; cast first")
    return result


def float_kernel(function: Callable[..., Any]) -> Kernel:
    """Return a NumPy kernel that computes in floating point and truncates for integers."""

    def run(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
        if outs[0].dtype.kind == "f":
            outs[0][...] = function(*ins)
        else:
            outs[0][...] = to_integer(function(*(array.astype(np.float64) for array in ins)), outs[0].dtype)

    return run


def to_integer(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Truncate like a C cast: what does not fit wraps around, and no warning is given."""
    with np.errstate(invalid="ignore"):
        wide = np.asarray(values).astype(dtype if dtype.itemsize >= 4 else np.int64)
        return wide.astype(dtype)


def plain_kernel(function: Callable[..., Any]) -> Kernel:
    """Return a NumPy kernel that computes in the dtype at hand."""

    def run(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
        outs[0][...] = function(*ins)

    return run


def copy_kernel(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
    """Copy the first input, converting the dtype like C."""
    source, target = ins[0], outs[0]
    if source.dtype.kind == "f" and target.dtype.kind in "iu":
        target[...] = to_integer(source, target.dtype)
    else:
        target[...] = source


def _unary(
    name: str,
    function: Callable[..., Any],
    gradient: Callable[..., Any] | None,
    doc: str,
    *,
    saves: str = "i",
    aliases: Sequence[str] = (),
    sparse: bool = True,
    kernel: Callable[..., Kernel] = float_kernel,
) -> None:
    """Declare one row: ``gradient`` takes the context and the gradient of the output, or is ``zero_gradient``."""
    if gradient is not None and gradient is not zero_gradient:
        derivative = gradient

        def gradient(ctx: Any, out_grad: Any) -> list[Any]:
            return [derivative(ctx, out_grad)]

    operator(
        name,
        aliases=(*((f"_sparse_{name}",) if sparse else ()), *aliases),
        dtype=number_dtype,
        gradient=gradient,
        saves=saves,
        inplace=((0, 0),),
        cpu=(elementwise_builder(name.lstrip("_")),),
        numpy=kernel(function),
        doc=doc,
    )


def _fused(
    name: str,
    function: Callable[..., Any],
    second: str,
    derivative: Callable[[np.ndarray], Any],
    second_derivative: Callable[[Any], Any] | None,
    doc: str,
    **options: Any,
) -> None:
    """Declare a function whose gradient is one operator ``_backward_name(out_grad, second)``.

    ``second`` is "x" or "y": whether the derivative is written with the input or the output. ``derivative`` works on
    NumPy arrays; ``second_derivative``, the derivative of that, is written with operators, or None where it is zero.
    """
    backward = f"_backward_{name}"
    place = "inputs" if second == "x" else "outputs"

    def gradient(ctx: Any, out_grad: Any) -> Any:
        return getattr(F, backward)(out_grad, getattr(ctx, place)[0])

    def backward_gradient(ctx: Any, g: Any) -> list[Any]:
        out_grad, saved = ctx.inputs
        further = None if second_derivative is None else g * out_grad * second_derivative(saved)
        return [getattr(F, backward)(g, saved), further]

    _unary(name, function, gradient, doc, saves="i" if second == "x" else "o", **options)
    operator(
        backward,
        inputs=("out_grad", "data" if second == "x" else "out"),
        dtype=number_dtype,
        gradient=backward_gradient,
        saves="i",
        inplace=((0, 0), (1, 0)),
        cpu=(elementwise_builder(f"grad_{name}"),),
        numpy=float_kernel(lambda g, saved: g * derivative(saved)),
        doc=f"Gradient of {name}, from its {'input' if second == 'x' else 'output'}.",
        input_docs={"out": "Output of the function.", "data": "Input of the function."},
    )


def _rint(values: np.ndarray) -> np.ndarray:
    """Nearest integer; halves go down, as in MXNet."""
    floor, ceil = np.floor(values), np.ceil(values)
    return np.where(values - floor <= ceil - values, floor, ceil)


def _round(values: np.ndarray) -> np.ndarray:
    """Nearest integer; halves go away from zero."""
    return np.where(np.isfinite(values), np.copysign(np.floor(np.abs(values) + 0.5), values), values)


def _sign(values: np.ndarray) -> np.ndarray:
    """-1, 0 or 1; 0 also for what is not a number."""
    return np.subtract(values > 0, values < 0, dtype=np.int8)


def _relu(values: np.ndarray) -> np.ndarray:
    return np.maximum(values, np.zeros((), values.dtype))


def _gamma_gradient(ctx: Any, g: Any) -> Any:
    return g * ctx.outputs[0] * F._digamma(ctx.inputs[0])


_LN2, _LN10 = math.log(2), math.log(10)
_SLOPE_AT_ZERO = 2 / math.sqrt(math.pi)  # of erf

# -- powers, roots, exponentials, logarithms ---------------------------------------------------------------------------

_fused("square", np.square, "x", lambda x: 2 * x, lambda x: 2, "Square, x * x.", kernel=plain_kernel)
_fused("sqrt", np.sqrt, "y", lambda y: 0.5 / y, lambda y: -0.5 / F.square(y), "Square root.")
_fused(
    "rsqrt",
    lambda x: 1 / np.sqrt(x),
    "y",
    lambda y: -0.5 * y * y * y,
    lambda y: F.square(y) * -1.5,
    "Inverse square root, 1 / sqrt(x).",
)
_fused("cbrt", np.cbrt, "y", lambda y: 1 / (3 * y * y), lambda y: (-2 / 3) / (F.square(y) * y), "Cube root.")
_fused(
    "rcbrt",
    lambda x: 1 / np.cbrt(x),
    "y",
    lambda y: (-1 / 3) * (y * y) * (y * y),
    lambda y: F.square(y) * y * (-4 / 3),
    "Inverse cube root.",
    sparse=False,
)
_fused("reciprocal", lambda x: 1 / x, "y", lambda y: -y * y, lambda y: y * -2, "Reciprocal, 1 / x.", sparse=False)
_unary("exp", np.exp, lambda c, g: F.elemwise_mul(g, c.outputs[0]), "Exponential function.", saves="o")
_fused("expm1", np.expm1, "y", lambda y: y + 1, lambda y: 1, "exp(x) - 1, exact for small x.")
_unary("log", np.log, lambda c, g: F.elemwise_div(g, c.inputs[0]), "Natural logarithm.")
_fused("log10", np.log10, "x", lambda x: 1 / (x * _LN10), lambda x: (-1 / _LN10) / F.square(x), "Logarithm to base 10.")
_fused("log2", np.log2, "x", lambda x: 1 / (x * _LN2), lambda x: (-1 / _LN2) / F.square(x), "Logarithm to base 2.")
_fused("log1p", np.log1p, "x", lambda x: 1 / (1 + x), lambda x: -1 / F.square(x + 1), "log(1 + x), exact for small x.")

# -- trigonometry ------------------------------------------------------------------------------------------------------

_fused("sin", np.sin, "x", np.cos, lambda x: F.negative(F.sin(x)), "Sine of an angle in radians.")
_fused("cos", np.cos, "x", lambda x: -np.sin(x), lambda x: F.negative(F.cos(x)), "Cosine of an angle in radians.")
_fused("tan", np.tan, "y", lambda y: y * y + 1, lambda y: y * 2, "Tangent of an angle in radians.")
_fused(
    "arcsin",
    np.arcsin,
    "x",
    lambda x: 1 / np.sqrt(1 - x * x),
    lambda x: x / (1 - F.square(x)) ** 1.5,
    "Inverse sine, in radians.",
)
_fused(
    "arccos",
    np.arccos,
    "x",
    lambda x: -1 / np.sqrt(1 - x * x),
    lambda x: x / (1 - F.square(x)) ** 1.5 * -1,
    "Inverse cosine, in radians.",
)
_fused(
    "arctan",
    np.arctan,
    "x",
    lambda x: 1 / (1 + x * x),
    lambda x: x / F.square(F.square(x) + 1) * -2,
    "Inverse tangent, in radians.",
)
_unary("sinh", np.sinh, lambda c, g: g * F.cosh(c.inputs[0]), "Hyperbolic sine.")
_unary("cosh", np.cosh, lambda c, g: g * F.sinh(c.inputs[0]), "Hyperbolic cosine.")
_fused("tanh", np.tanh, "y", lambda y: 1 - y * y, lambda y: y * -2, "Hyperbolic tangent.")
_fused(
    "arcsinh",
    np.arcsinh,
    "x",
    lambda x: 1 / np.sqrt(x * x + 1),
    lambda x: x / (F.square(x) + 1) ** 1.5 * -1,
    "Inverse hyperbolic sine.",
)
_fused(
    "arccosh",
    np.arccosh,
    "x",
    lambda x: 1 / np.sqrt(x * x - 1),
    lambda x: x / (F.square(x) - 1) ** 1.5 * -1,
    "Inverse hyperbolic cosine.",
)
_fused(
    "arctanh",
    np.arctanh,
    "x",
    lambda x: 1 / (1 - x * x),
    lambda x: x / F.square(1 - F.square(x)) * 2,
    "Inverse hyperbolic tangent.",
)
# Their gradients depend on x in name, so that those of second order are zeros, as in MXNet, and no error.
_fused("degrees", np.degrees, "x", lambda x: np.full_like(x, 180 / math.pi), None, "Radians to degrees.")
_fused("radians", np.radians, "x", lambda x: np.full_like(x, math.pi / 180), None, "Degrees to radians.")

# -- rounding and signs ------------------------------------------------------------------------------------------------

_fused("abs", np.abs, "x", _sign, None, "Absolute value.", kernel=plain_kernel)
_unary("negative", np.negative, lambda c, g: F.negative(g), "Negative, -x.", saves="", kernel=plain_kernel)
_unary("sign", _sign, zero_gradient, "Sign: -1, 0 or 1.", kernel=plain_kernel)
_unary("ceil", np.ceil, zero_gradient, "Smallest integer not below x.")
_unary("floor", np.floor, zero_gradient, "Largest integer not above x.")
_unary("trunc", np.trunc, zero_gradient, "Nearest integer towards zero.")
_unary("fix", np.trunc, zero_gradient, "Nearest integer towards zero.")
_unary("rint", _rint, zero_gradient, "Nearest integer; halves are rounded down.")
_unary("round", _round, zero_gradient, "Nearest integer; halves are rounded away from zero.")
_unary(
    "logical_not",
    lambda x: x == 0,
    zero_gradient,
    "1 where the input is zero, 0 elsewhere.",
    sparse=False,
    kernel=plain_kernel,
)

# -- activations and special functions ---------------------------------------------------------------------------------

_fused("relu", _relu, "y", lambda y: np.where(np.isnan(y), y, y > 0), None, "max(x, 0).", kernel=plain_kernel)
_fused(
    "sigmoid",
    special.sigmoid,
    "y",
    lambda y: y * (1 - y),
    lambda y: 1 - y * 2,
    "Logistic function, 1 / (1 + exp(-x)).",
)
_fused(
    "softsign",
    lambda x: x / (1 + np.abs(x)),
    "x",
    lambda x: 1 / np.square(1 + np.abs(x)),
    lambda x: F.sign(x) / (F.abs(x) + 1) ** 3 * -2,
    "x / (1 + |x|).",
    sparse=False,
)
_fused(
    "erf",
    special.erf,
    "x",
    lambda x: _SLOPE_AT_ZERO * np.exp(-x * x),
    lambda x: F.exp(F.negative(F.square(x))) * x * (-2 * _SLOPE_AT_ZERO),
    "Gauss error function.",
    sparse=False,
    aliases=("_npx_erf",),
)
_fused(
    "erfinv",
    special.erfinv,
    "y",
    lambda y: np.exp(y * y) / _SLOPE_AT_ZERO,
    lambda y: F.exp(F.square(y)) * y * (2 / _SLOPE_AT_ZERO),
    "Inverse of the Gauss error function on (-1, 1).",
    sparse=False,
    aliases=("_npx_erfinv",),
)
_unary("gamma", special.gamma, _gamma_gradient, "Gamma function.", saves="io", aliases=("_npx_gamma",))
_unary(
    "gammaln",
    special.lgamma,
    lambda c, g: g * F._digamma(c.inputs[0]),
    "Logarithm of the absolute value of the gamma function.",
    aliases=("_npx_gammaln",),
)
_unary("_digamma", special.digamma, None, "Derivative of gammaln.", sparse=False)


# -- functions with parameters ---------------------------------------------------------------------------------------------


def _hard_sigmoid(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
    outs[0][...] = np.clip(ins[0] * attrs.alpha + attrs.beta, 0, 1)


def _hard_sigmoid_gradient(ctx: Any, g: Any) -> list[Any]:
    return [F._backward_hard_sigmoid(g, ctx.outputs[0], alpha=ctx.attrs.alpha, beta=ctx.attrs.beta)]


def _backward_hard_sigmoid(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
    grad, y = ins
    outs[0][...] = np.where((y > 0) & (y < 1), grad * attrs.alpha, 0)


_HARD_SIGMOID = (
    Float("alpha", 0.2, doc="Slope of the middle part."),
    Float("beta", 0.5, doc="Value at zero."),
)

operator(
    "hard_sigmoid",
    params=_HARD_SIGMOID,
    dtype=rules.float_dtype,
    gradient=_hard_sigmoid_gradient,
    saves="o",
    inplace=((0, 0),),
    cpu=(elementwise_builder("hard_sigmoid", params=("alpha", "beta")),),
    numpy=_hard_sigmoid,
    doc="Piecewise linear sigmoid: min(max(alpha * x + beta, 0), 1).",
)
operator(
    "_backward_hard_sigmoid",
    inputs=("out_grad", "out"),
    params=_HARD_SIGMOID,
    gradient=lambda ctx, g: [
        F._backward_hard_sigmoid(g, ctx.inputs[1], alpha=ctx.attrs.alpha, beta=ctx.attrs.beta),
        None,
    ],
    saves="i",
    inplace=((0, 0), (1, 0)),
    cpu=(elementwise_builder("grad_hard_sigmoid", params=("alpha", "beta")),),
    numpy=_backward_hard_sigmoid,
    doc="Gradient of hard_sigmoid from its output.",
    input_docs={"out": "Output of the function."},
)


def _smooth_l1(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
    x, sigma2 = ins[0].astype(np.float64), attrs.scalar * attrs.scalar
    size = np.abs(x)
    result = np.where(size > 1 / sigma2, size - 0.5 / sigma2, 0.5 * x * x * sigma2)
    outs[0][...] = result if outs[0].dtype.kind == "f" else to_integer(result, outs[0].dtype)


def _backward_smooth_l1(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
    grad, x = ins
    outs[0][...] = grad * np.clip(x * (attrs.scalar * attrs.scalar), -1, 1)


def _smooth_l1_second(ctx: Any, g: Any) -> list[Any]:
    out_grad, x = ctx.inputs
    square = ctx.attrs.scalar * ctx.attrs.scalar
    quadratic = F._lesser_equal_scalar(F.abs(x), scalar=1 / square)
    return [F._backward_smooth_l1(g, x, scalar=ctx.attrs.scalar), g * out_grad * quadratic * square]


_SIGMA = (Float("scalar", 1.0, dynamic=True, doc="Where the quadratic part ends: at 1 / scalar**2."),)

operator(
    "smooth_l1",
    aliases=("_npx_smooth_l1",),
    params=_SIGMA,
    dtype=number_dtype,
    gradient=lambda ctx, g: [F._backward_smooth_l1(g, ctx.inputs[0], scalar=ctx.attrs.scalar)],
    saves="i",
    inplace=((0, 0),),
    cpu=(elementwise_builder("smooth_l1", params=("scalar",)),),
    numpy=_smooth_l1,
    doc="Huber-like loss: 0.5 * (s * x)**2 for |x| < 1 / s**2, else |x| - 0.5 / s**2.",
)
operator(
    "_backward_smooth_l1",
    inputs=("out_grad", "data"),
    params=_SIGMA,
    gradient=_smooth_l1_second,
    saves="i",
    inplace=((0, 0), (1, 0)),
    cpu=(elementwise_builder("grad_smooth_l1", params=("scalar",)),),
    numpy=_backward_smooth_l1,
    doc="Gradient of smooth_l1.",
)


def _clip(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
    x = ins[0]
    if x.dtype.kind in "iu":
        # C casts of the limits, but kept inside the dtype's range so that -1 stays below every unsigned number.
        info = np.iinfo(x.dtype)
        low, high = (int(max(min(v, info.max), info.min)) for v in (attrs.a_min, attrs.a_max))
    else:
        low, high = attrs.a_min, attrs.a_max
    low, high = x.dtype.type(low), x.dtype.type(high)
    # The upper limit is asked first: it wins where the limits are the wrong way round (clip_gradient=-1 of optimizers).
    outs[0][...] = np.where(x > high, high, np.where(x < low, low, x))


def _backward_clip(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
    grad, x = ins
    outs[0][...] = np.where((x < attrs.a_min) | (x > attrs.a_max), 0, grad)


_LIMITS = (Float("a_min", doc="Smallest value."), Float("a_max", doc="Largest value."))

operator(
    "clip",
    aliases=("_sparse_clip", "_npi_clip"),
    params=_LIMITS,
    dtype=number_dtype,
    gradient=lambda ctx, g: [F._backward_clip(g, ctx.inputs[0], a_min=ctx.attrs.a_min, a_max=ctx.attrs.a_max)],
    saves="i",
    inplace=((0, 0),),
    cpu=(elementwise_builder("clip", params=("a_min", "a_max")),),
    numpy=_clip,
    doc="Limit values to the interval [a_min, a_max].",
    examples="""
    >>> import weft as mx
    >>> mx.nd.clip(mx.nd.array([-2.0, 0.5, 3.0]), -1, 1).asnumpy().tolist()
    [-1.0, 0.5, 1.0]
    """,
)
operator(
    "_backward_clip",
    inputs=("out_grad", "data"),
    params=_LIMITS,
    gradient=lambda ctx, g: [F._backward_clip(g, ctx.inputs[1], a_min=ctx.attrs.a_min, a_max=ctx.attrs.a_max), None],
    saves="i",
    inplace=((0, 0), (1, 0)),
    cpu=(elementwise_builder("grad_clip", params=("a_min", "a_max")),),
    numpy=_backward_clip,
    doc="Gradient of clip: passes where the input was inside the limits.",
)
operator(
    "_contrib_quadratic",
    params=(
        Float("a", 0.0, doc="Factor of the square."),
        Float("b", 0.0, doc="Linear factor."),
        Float("c", 0.0, doc="Constant."),
    ),
    dtype=number_dtype,
    gradient=lambda ctx, g: [g * (ctx.inputs[0] * (2 * ctx.attrs.a) + ctx.attrs.b)],
    saves="i",
    numpy=lambda attrs, ins, outs: np.copyto(
        outs[0], attrs.a * ins[0] * ins[0] + attrs.b * ins[0] + attrs.c, casting="unsafe"
    ),
    doc="Quadratic function, a * x**2 + b * x + c.",
)


# -- copies, casts and what changes only the gradient ----------------------------------------------------------------------


def _identity(name: str, gradient: Callable[..., Any], doc: str, **options: Any) -> None:
    options.setdefault("saves", "")
    operator(
        name,
        gradient=gradient,
        inplace=((0, 0),),
        view=True,
        cpu=(elementwise_builder("copy"),),
        numpy=copy_kernel,
        doc=doc,
        **options,
    )


def _pass_on(ctx: Any, g: Any) -> list[Any]:
    return [g]


_identity("_copy", _pass_on, "Copy of the input.", aliases=("identity",))
_identity("_copyto", _pass_on, "Copy of the input.", aliases=("_npi_copyto",))
_identity(
    "BlockGrad",
    zero_gradient,
    "Copy of the input through which no gradient flows back.",
    aliases=("stop_gradient", "_sparse_stop_gradient"),
)
_identity(
    "make_loss",
    lambda ctx, g: [F.ones_like(g)],
    "Copy of the input that is taken as a loss: its gradient is one, whatever comes from above.",
    output_names=("loss",),
    loss=True,
    aliases=("_sparse_make_loss",),
)
_identity(
    "_contrib_gradientmultiplier",
    lambda ctx, g: [g * ctx.attrs.scalar],
    "Copy of the input whose gradient is multiplied by a factor.",
    params=(
        Float("scalar", 1.0, dynamic=True, doc="Factor of the gradient."),
        Bool("is_int", True, doc="Whether the factor is an integer; not used."),
    ),
)


def _convert_back(ctx: Any, g: Any) -> list[Any]:
    return [F.Cast(g, dtype=ctx.inputs[0].dtype)]


operator(
    "Cast",
    aliases=("cast", "_npx_cast", "_npi_cast"),
    params=(Dtype("dtype", doc="Dtype of the result."),),
    dtype=rules.attr_dtype,
    gradient=_convert_back,
    saves="i",
    inplace=((0, 0),),
    cpu=(elementwise_builder("cast"),),
    numpy=copy_kernel,
    doc="Convert to another dtype; floating-point numbers are truncated towards zero for integers.",
)
operator(
    "amp_cast",
    params=(Dtype("dtype", choices=("float16", "float32", "float64"), doc="Dtype of the result."),),
    dtype=lambda attrs, dtypes: [attrs.dtype if dtypes[0].kind == "f" else dtypes[0]],
    gradient=_convert_back,
    saves="i",
    inplace=((0, 0),),
    cpu=(elementwise_builder("cast"),),
    numpy=copy_kernel,
    doc="Convert floating-point inputs to the dtype of mixed-precision training; others pass unchanged.",
)


def _multicast_dtype(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    floats = [dtype for dtype in dtypes if dtype.kind == "f"]
    if not floats:
        return list(dtypes)
    target = (min if attrs.cast_narrow else max)(floats, key=lambda dtype: dtype.itemsize)
    return [target if dtype.kind == "f" else dtype for dtype in dtypes]


def _multicast(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
    for source, target in zip(ins, outs):
        target[...] = source


operator(
    "amp_multicast",
    inputs=("*data",),
    active_inputs=lambda attrs: tuple(f"data_{i}" for i in range(attrs.num_outputs)),
    params=(
        Int("num_outputs", low=1, doc="Number of arrays."),
        Bool("cast_narrow", False, doc="Convert to the narrowest instead of the widest dtype."),
    ),
    count_param="num_outputs",
    shape=rules.copy_inputs,
    dtype=_multicast_dtype,
    num_outputs=lambda attrs: attrs.num_outputs,
    gradient=lambda ctx, *grads: [F.Cast(g, dtype=x.dtype) for g, x in zip(grads, ctx.inputs)],
    saves="i",
    numpy=_multicast,
    doc="Convert all floating-point inputs to the widest (or narrowest) dtype among them.",
)


def _round_ste(name: str, loop: str, function: Callable[..., Any], doc: str) -> None:
    operator(
        name,
        aliases=(f"_sparse_{name}",),
        dtype=number_dtype,
        gradient=_pass_on,
        saves="",
        inplace=((0, 0),),
        cpu=(elementwise_builder(loop),),
        numpy=float_kernel(function),
        doc=doc + " The gradient passes unchanged (straight-through estimator).",
    )


_round_ste("_contrib_round_ste", "round", _round, "Nearest integer.")
_round_ste("_contrib_sign_ste", "sign", _sign, "Sign.")


def _test(name: str, function: Callable[..., Any], doc: str) -> None:
    def run(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
        outs[0][...] = function(ins[0])

    operator(
        f"_contrib_{name}",
        dtype=number_dtype,
        gradient=zero_gradient,
        cpu=(elementwise_builder(name),),
        numpy=run,
        doc=doc,
    )


_test("isnan", np.isnan, "1 where the input is not a number, else 0.")
_test("isinf", np.isinf, "1 where the input is infinite, else 0.")
_test("isfinite", np.isfinite, "1 where the input is finite, else 0.")


def _div_sqrt_dim(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
    root = math.sqrt(ins[0].shape[-1])
    if outs[0].dtype.kind == "f":
        outs[0][...] = ins[0] / root
    else:
        outs[0][...] = to_integer(ins[0] / int(root), outs[0].dtype)


operator(
    "_contrib_div_sqrt_dim",
    dtype=number_dtype,
    gradient=lambda ctx, g: [F._contrib_div_sqrt_dim(g)],
    saves="",
    numpy=_div_sqrt_dim,
    doc="Divide by the square root of the last dimension, as scaled dot-product attention does.",
)
