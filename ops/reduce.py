"""Reductions over axes, their gradients, and broadcasting to a given shape.

All take ``axis`` (None or () for all axes), ``keepdims``, and mostly ``exclude`` (reduce the axes that are not named).
Reducing everything gives shape (1,), as MXNet without NumPy semantics has no zero-dimensional arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import rules
from .builders import ShapeSpec, elementwise_builder, reduce_builder, with_input_shapes
from .functions import F
from .registry import Axis, Bool, Dtype, Int, Shape, operator, zero_gradient
from .unary import number_dtype, to_integer

Array = np.ndarray

REDUCE_PARAMS = (
    Axis("axis", None, doc="Axis or axes to reduce; None or () for all."),
    Bool("keepdims", False, doc="Keep the reduced axes, with length 1."),
    Bool("exclude", False, doc="Reduce all axes but the named ones."),
)


def _axes(attrs: Any, ndim: int) -> tuple[int, ...]:
    return rules.reduce_axes(attrs.axis, ndim, getattr(attrs, "exclude", False))


def _kept_shape(attrs: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    return rules.reduced_shape(shape, _axes(attrs, len(shape)), True)


def _kept(attrs: Any, reduced: Array, data: Array) -> Array:
    """View a reduced array so that it broadcasts against the data it came from."""
    return reduced.reshape(_kept_shape(attrs, data.shape))


def _count(attrs: Any, shape: tuple[int, ...]) -> int:
    return math.prod(shape[axis] for axis in _axes(attrs, len(shape)))


def _accumulator(dtype: np.dtype) -> np.dtype:
    """Half precision is summed in single precision; everything else in its own dtype, as MXNet does."""
    return np.dtype("float32") if dtype == np.float16 else dtype


def _write(out: Array, values: Array) -> None:
    values = np.asarray(values)
    if out.dtype.kind in "iu" and values.dtype.kind == "f":
        values = to_integer(values, out.dtype)
    out[...] = values.reshape(out.shape)


def _reduction(function: Callable[[Array, tuple[int, ...]], Any]) -> Callable[..., None]:
    def run(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
        _write(outs[0], function(ins[0], _axes(attrs, ins[0].ndim)))

    return run


def _sum(x: Array, axes: tuple[int, ...]) -> Array:
    return np.sum(x, axis=axes, dtype=_accumulator(x.dtype))


def _mean(x: Array, axes: tuple[int, ...]) -> Array:
    count = math.prod(x.shape[axis] for axis in axes)
    total = np.sum(x, axis=axes, dtype=_accumulator(x.dtype))
    if x.dtype.kind == "f":
        return total / np.asarray(count, total.dtype)
    return total / count if count else np.zeros_like(total)


def _prod(x: Array, axes: tuple[int, ...]) -> Array:
    return np.prod(x, axis=axes, dtype=_accumulator(x.dtype))


def _extreme(function: Callable[..., Any]) -> Callable[..., Any]:
    def reduce(x: Array, axes: tuple[int, ...]) -> Array:
        return function(x, axis=axes)

    return reduce


def _extreme_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    if any(shapes[0][axis] == 0 for axis in _axes(attrs, len(shapes[0]))):
        raise ValueError("an extreme of no elements is not defined")
    return rules.reduce_shape(attrs, shapes)


def _without_nan(function: Callable[..., Any], neutral: int) -> Callable[..., Any]:
    def reduce(x: Array, axes: tuple[int, ...]) -> Array:
        if x.dtype.kind == "f":
            x = np.where(np.isnan(x), x.dtype.type(neutral), x)
        return function(x, axes)

    return reduce


# ---- gradients: each one operator, with the parameters of the reduction ----------------------------------------------------


def _as_copy(attrs: Any, in_specs: Any, out_specs: Any) -> tuple[Any, list[Any], list[Any]]:
    """View the gradient with its reduced axes kept, so that copying broadcasts it."""
    kept = _kept_shape(attrs, tuple(out_specs[0].shape))
    return attrs, [ShapeSpec(kept, in_specs[0].dtype)], list(out_specs)


def _like_data(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    return [shapes[1]]


def _second_dtype(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    return [dtypes[1]]


def _given(attrs: Any) -> dict[str, Any]:
    return attrs.to_dict()


def _backward(
    name: str,
    inputs: tuple[str, ...],
    function: Callable[..., Any],
    *,
    params: Sequence[Any] = REDUCE_PARAMS,
    gradient: Callable[..., Any] | None = None,
    cpu: Sequence[Any] = (),
    unread: Sequence[int] = (),
) -> None:
    """Declare ``_backward_name``; ``function(attrs, out_grad, data, out)`` gets reduced arrays ready to broadcast."""

    def run(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
        data = ins[1]
        reduced = [_kept(attrs, array, data) for array in (ins[0], *ins[2:])]
        outs[0][...] = function(attrs, reduced[0], data, *reduced[1:])

    operator(
        f"_backward_{name}",
        inputs=inputs,
        params=params,
        shape=_like_data,
        dtype=_second_dtype,
        gradient=gradient,
        saves="i",
        unread=unread,
        cpu=cpu,
        numpy=run,
        doc=f"Gradient of {name}.",
        input_docs={"data": "Input of the reduction.", "out": "Output of the reduction."},
    )


def _numbers_only(builder: Callable[..., Any]) -> Callable[..., Any]:
    """Leave booleans to NumPy: their mean is a truth value, not a quotient."""

    def build(attrs: Any, in_specs: Any, out_specs: Any) -> Any:
        return None if in_specs[0].dtype.kind == "b" else builder(attrs, in_specs, out_specs)

    return build


def _reduce_operator(
    name: str,
    function: Callable[..., Any],
    doc: str,
    *,
    gradient: Callable[..., Any] | None = None,
    saves: str = "i",
    aliases: Sequence[str] = (),
    cpu: Sequence[Any] | None = None,
    **options: Any,
) -> None:
    if gradient is None:
        backward = f"_backward_{name}"

        def gradient(ctx: Any, g: Any) -> list[Any]:
            arrays = (g, ctx.inputs[0], ctx.outputs[0]) if "o" in saves else (g, ctx.inputs[0])
            return [getattr(F, backward)(*arrays, **_given(ctx.attrs))]

    options.setdefault("params", REDUCE_PARAMS)
    options.setdefault("shape", rules.reduce_shape)
    options.setdefault("dtype", rules.same_dtype)
    operator(
        name,
        aliases=aliases,
        gradient=gradient,
        saves=saves,
        cpu=(reduce_builder(name),) if cpu is None else cpu,
        numpy=_reduction(function),
        doc=doc,
        **options,
    )


def _known_shape(x: Any) -> tuple[int, ...] | None:
    """Return the shape of an array; symbols have none."""
    shape = getattr(x, "shape", None)
    return shape if isinstance(shape, tuple) else None


def _extreme_gradient(name: str) -> Callable[..., list[Any]]:
    def gradient(ctx: Any, g: Any) -> list[Any]:
        x, y = ctx.inputs[0], ctx.outputs[0]
        shape = _known_shape(x)
        if shape is None:
            return [getattr(F, name)(g, x, y, **_given(ctx.attrs))]
        # With the shape at hand two passes of the vector loops do it, on views with the reduced axes kept.
        kept = _kept_shape(ctx.attrs, shape)
        return [F.broadcast_mul(F.broadcast_equal(x, y.reshape(kept)), g.reshape(kept))]

    return gradient


def _mean_gradient(ctx: Any, g: Any) -> list[Any]:
    x = ctx.inputs[0]
    shape = _known_shape(x)
    if shape is not None:
        # With the shape at hand the division is done on the small side and the spreading by the copy loop.
        small = F._mul_scalar(g, scalar=1 / max(_count(ctx.attrs, shape), 1), is_int=False)
        return [F._backward_sum(small, x, **_given(ctx.attrs))]
    return [F._backward_mean(g, x, **_given(ctx.attrs))]


_EXAMPLE = """
>>> import weft as mx
>>> x = mx.nd.array([[1.0, 2.0], [3.0, 4.0]])
>>> mx.nd.{name}(x, axis=1).asnumpy().tolist()
{result}
"""

_reduce_operator(
    "sum",
    _sum,
    "Sum over axes.",
    aliases=("sum_axis", "_sparse_sum"),
    examples=_EXAMPLE.format(name="sum", result="[3.0, 7.0]"),
)
_reduce_operator(
    "mean",
    _mean,
    "Mean over axes.",
    gradient=_mean_gradient,
    cpu=(_numbers_only(reduce_builder("mean")),),
    aliases=("_sparse_mean",),
    examples=_EXAMPLE.format(name="mean", result="[1.5, 3.5]"),
)
_reduce_operator("prod", _prod, "Product over axes.", saves="io")
_reduce_operator("nansum", _without_nan(_sum, 0), "Sum over axes, taking what is not a number as 0.")
_reduce_operator("nanprod", _without_nan(_prod, 1), "Product over axes, taking what is not a number as 1.", saves="io")
_reduce_operator(
    "max",
    _extreme(np.max),
    "Maximum over axes; every place that holds it gets the whole gradient.",
    gradient=_extreme_gradient("_backward_max"),
    shape=_extreme_shape,
    saves="io",
    aliases=("max_axis",),
    examples=_EXAMPLE.format(name="max", result="[2.0, 4.0]"),
)
_reduce_operator(
    "min",
    _extreme(np.min),
    "Minimum over axes; every place that holds it gets the whole gradient.",
    gradient=_extreme_gradient("_backward_min"),
    shape=_extreme_shape,
    saves="io",
    aliases=("min_axis",),
)

_backward(
    "sum",
    ("out_grad", "data"),
    lambda attrs, g, x: g,
    gradient=lambda ctx, g: [F.sum(g, **_given(ctx.attrs)), None],
    cpu=(with_input_shapes(elementwise_builder("copy"), _as_copy),),
    unread=(1,),
)
_backward(
    "mean",
    ("out_grad", "data"),
    lambda attrs, g, x: g / np.asarray(max(_count(attrs, x.shape), 1), g.dtype),
    gradient=lambda ctx, g: [F.mean(g, **_given(ctx.attrs)), None],
    unread=(1,),
)
_backward("prod", ("out_grad", "data", "out"), lambda attrs, g, x, y: g * y / x)
_backward("nansum", ("out_grad", "data"), lambda attrs, g, x: np.where(np.isnan(x), 0, g))
_backward(
    "nanprod", ("out_grad", "data", "out"), lambda attrs, g, x, y: np.where(np.isnan(x), 0, g * y / x)
)


def _masked_second(ctx: Any, g: Any) -> list[Any]:
    """Second order of max and min: the gradient's gradient is gathered from the same places."""
    out_grad, x, y = ctx.inputs
    ones = F._backward_max(F.ones_like(y), x, y, **_given(ctx.attrs))
    return [F.sum(F.broadcast_mul(g, ones), **_given(ctx.attrs)), None, None]


for _name in ("max", "min"):
    _backward(_name, ("out_grad", "data", "out"), lambda attrs, g, x, y: g * (x == y), gradient=_masked_second)


# ---- norm -------------------------------------------------------------------------------------------------------------------

_NORM_PARAMS = (
    Int("ord", 2, doc="Order of the norm: 1 (sum of absolute values) or 2 (root of the sum of squares)."),
    Axis("axis", None, doc="Axis or axes to reduce; None for all."),
    Dtype("out_dtype", None, doc="Dtype of the result; the input's where not given."),
    Bool("keepdims", False, doc="Keep the reduced axes, with length 1."),
)


def _norm_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    if attrs.ord not in (1, 2):
        raise ValueError(f"ord={attrs.ord}: expected 1 or 2")
    return rules.reduce_shape(attrs, shapes)


def _norm_dtype(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    return [dtypes[0] if attrs.out_dtype is None else attrs.out_dtype]


def _norm(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    x, axes = ins[0], _axes(attrs, ins[0].ndim)
    wide = x.astype(np.float32 if x.dtype == np.float16 else (x.dtype if x.dtype.kind == "f" else np.float64))
    if attrs.ord == 1:
        result = np.sum(np.abs(wide), axis=axes)
    else:
        # Scaling by the largest entry keeps the squares inside the dtype's range.
        largest = np.max(np.abs(wide), axis=axes, keepdims=True, initial=0)
        scale = np.where((largest > 0) & np.isfinite(largest), largest, 1)
        result = np.sqrt(np.sum(np.square(wide / scale), axis=axes)) * scale.reshape(np.shape(np.sum(wide, axis=axes)))
    _write(outs[0], result)


def _norm_gradient(ctx: Any, g: Any) -> list[Any]:
    x, y = ctx.inputs[0], ctx.outputs[0]
    shape = _known_shape(x)
    if shape is not None and ctx.attrs.out_dtype is None:
        kept = _kept_shape(ctx.attrs, shape)
        if ctx.attrs.ord == 1:
            return [F.broadcast_mul(F.sign(x), g.reshape(kept))]
        return [F.broadcast_mul(x, F.elemwise_div(g, y).reshape(kept))]
    return [F._backward_norm(g, ctx.inputs[0], ctx.outputs[0], **_given(ctx.attrs))]


def _norm_derivative(attrs: Any, g: Array, x: Array, y: Array) -> Array:
    return g * np.sign(x) if attrs.ord == 1 else g * (x / y)


operator(
    "norm",
    aliases=("_sparse_norm",),
    params=_NORM_PARAMS,
    shape=_norm_shape,
    dtype=_norm_dtype,
    gradient=_norm_gradient,
    cpu=(reduce_builder("norm"),),
    numpy=_norm,
    doc="Norm over axes: the sum of absolute values or the root of the sum of squares.",
    examples="""
    >>> import weft as mx
    >>> float(mx.nd.norm(mx.nd.array([3.0, 4.0])).asscalar())
    5.0
    """,
)


def _norm_second(ctx: Any, g: Any) -> list[Any]:
    """Differentiate g * x / |x| (order 2) once more; order 1 has a constant slope."""
    out_grad, x, y = ctx.inputs
    axes = {"axis": ctx.attrs.axis, "keepdims": True}
    along = F._backward_sum(out_grad, x, axis=ctx.attrs.axis, keepdims=ctx.attrs.keepdims)
    if ctx.attrs.ord == 1:
        return [F.sum(g * F.sign(x), axis=ctx.attrs.axis, keepdims=ctx.attrs.keepdims), None, None]
    size = F._backward_sum(y, x, axis=ctx.attrs.axis, keepdims=ctx.attrs.keepdims)
    to_grad = F.sum(g * x / size, axis=ctx.attrs.axis, keepdims=ctx.attrs.keepdims)
    inner = F.broadcast_mul(x / (size * size), F.sum(g * x / size, **axes))
    return [to_grad, along * (g / size - inner), None]


_backward("norm", ("out_grad", "data", "out"), _norm_derivative, params=_NORM_PARAMS, gradient=_norm_second)


# ---- indices of extremes ----------------------------------------------------------------------------------------------------

_ARG_PARAMS = (
    Int("axis", None, doc="Axis to search along; None searches the flattened array."),
    Bool("keepdims", False, doc="Keep the axis, with length 1."),
)


def _arg_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    shape = shapes[0]
    if attrs.axis is None:
        axes: tuple[int, ...] = tuple(range(len(shape)))
    else:
        axes = (rules.normalize_axis(attrs.axis, len(shape)),)
    if any(shape[axis] == 0 for axis in axes):
        raise ValueError("an extreme of no elements is not defined")
    return [rules.reduced_shape(shape, axes, attrs.keepdims)]


def _arg_operator(name: str, function: Callable[..., Any], doc: str) -> None:
    def run(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
        outs[0][...] = function(ins[0], axis=attrs.axis).reshape(outs[0].shape)

    operator(
        name,
        params=_ARG_PARAMS,
        shape=_arg_shape,
        dtype=number_dtype,
        gradient=zero_gradient,
        cpu=(reduce_builder(name),),
        numpy=run,
        doc=doc + " Indices have the dtype of the input, as in MXNet; the first of equal values wins.",
    )


_arg_operator("argmax", np.argmax, "Index of the maximum along an axis.")
_arg_operator("argmin", np.argmin, "Index of the minimum along an axis.")


def _argmax_channel(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    outs[0][...] = np.argmax(ins[0], axis=1)


def _argmax_channel_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    shape = shapes[0]
    if len(shape) < 2:
        raise ValueError(f"data has shape {shape}, expected at least 2 dimensions")
    return [(shape[0], *shape[2:])]


operator(
    "argmax_channel",
    shape=_argmax_channel_shape,
    dtype=number_dtype,
    numpy=_argmax_channel,
    doc="Index of the maximum along axis 1, in the dtype of the input.",
)


# ---- mean and variance, finiteness, sums of squares ---------------------------------------------------------------------------

_MOMENTS_PARAMS = (
    Axis("axes", None, doc="Axes over which mean and variance are computed; required."),
    Bool("keepdims", False, doc="Keep the reduced axes, with length 1."),
)


def _moments_axes(attrs: Any, ndim: int) -> tuple[int, ...]:
    if not attrs.axes:
        raise ValueError("axes is empty: name all axes for moments of the whole array")
    return rules.reduce_axes(attrs.axes, ndim)


def _moments_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    return [rules.reduced_shape(shapes[0], _moments_axes(attrs, len(shapes[0])), attrs.keepdims)] * 2


def _moments(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    x, axes = ins[0], _moments_axes(attrs, ins[0].ndim)
    wide = x.astype(_accumulator(x.dtype)) if x.dtype.kind == "f" else x.astype(np.float64)
    mean = wide.mean(axis=axes, keepdims=True)
    if x.dtype.kind != "f":
        mean = np.trunc(mean)
    _write(outs[0], mean)
    _write(outs[1], np.square(wide - mean).mean(axis=axes))


def _moments_gradient(ctx: Any, g_mean: Any, g_var: Any) -> list[Any]:
    return [F._backward_moments(g_mean, g_var, ctx.inputs[0], ctx.outputs[0], **_given(ctx.attrs))]


def _backward_moments(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    g_mean, g_var, x, mean = ins
    axes = _moments_axes(attrs, x.ndim)
    kept = rules.reduced_shape(x.shape, axes, True)
    count = math.prod(x.shape[axis] for axis in axes)
    slope = g_mean.reshape(kept) + 2 * g_var.reshape(kept) * (x - mean.reshape(kept))
    outs[0][...] = slope / np.asarray(count, x.dtype)


operator(
    "moments",
    params=_MOMENTS_PARAMS,
    shape=_moments_shape,
    dtype=rules.repeated(number_dtype, 2),
    num_outputs=2,
    gradient=_moments_gradient,
    numpy=_moments,
    doc="Mean and variance over axes.",
)
operator(
    "_backward_moments",
    inputs=("mean_grad", "var_grad", "data", "mean"),
    params=_MOMENTS_PARAMS,
    shape=lambda attrs, shapes: [shapes[2]],
    dtype=lambda attrs, dtypes: [dtypes[2]],
    numpy=_backward_moments,
    doc="Gradient of moments.",
    input_docs={
        "mean_grad": "Gradient of the mean.",
        "var_grad": "Gradient of the variance.",
        "mean": "Mean, from the forward pass.",
    },
)


def _finite(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    finite = all(bool(np.isfinite(array).all()) for array in ins)
    if not attrs.init_output:
        finite = finite and bool(outs[0][0] == 1)
    outs[0][0] = finite


def _float_inputs(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    for index, dtype in enumerate(dtypes):
        if dtype.kind != "f":
            raise ValueError(f"input {index} has dtype {dtype}, expected a floating-point dtype")
    return [np.dtype("float32")]


_INIT_OUTPUT = Bool(
    "init_output", True, doc="Start anew; otherwise the result is combined with what `out` holds already."
)

operator(
    "all_finite",
    params=(_INIT_OUTPUT,),
    shape=rules.scalar_shape,
    dtype=_float_inputs,
    numpy=_finite,
    doc="1 if every element is finite, else 0.",
)
def _array_names(attrs):
    return tuple(f"array_{i}" for i in range(attrs.num_arrays))


operator(
    "multi_all_finite",
    inputs=("*data",),
    active_inputs=_array_names,
    params=(Int("num_arrays", 1, low=0, doc="Number of arrays."), _INIT_OUTPUT),
    count_param="num_arrays",
    shape=rules.scalar_shape,
    dtype=_float_inputs,
    numpy=_finite,
    doc="1 if every element of every array is finite, else 0.",
)


def _multi_sum_sq(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    for index, array in enumerate(ins):
        outs[0][index] = np.sum(np.square(array, dtype=np.float32))


operator(
    "multi_sum_sq",
    inputs=("*data",),
    active_inputs=_array_names,
    params=(Int("num_arrays", low=0, doc="Number of arrays."),),
    count_param="num_arrays",
    shape=lambda attrs, shapes: [(len(shapes),)],
    dtype=_float_inputs,
    numpy=_multi_sum_sq,
    doc="Sum of squares of each array, as one float32 vector.",
)


def _square_sum(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    _write(outs[0], np.sum(np.square(ins[0]), axis=_axes(attrs, ins[0].ndim)))


operator(
    "_square_sum",
    params=REDUCE_PARAMS,
    shape=rules.reduce_shape,
    gradient=lambda ctx, g: [F._backward_square(F._backward_sum(g, ctx.inputs[0], **_given(ctx.attrs)), ctx.inputs[0])],
    saves="i",
    cpu=(reduce_builder("square_sum"),),
    numpy=_square_sum,
    doc="Sum of squares over axes.",
)


# ---- broadcasting to a given shape --------------------------------------------------------------------------------------------


def _broadcast(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    outs[0][...] = ins[0]


def _fits(source: tuple[int, ...], target: tuple[int, ...]) -> list[tuple[int, ...]]:
    if len(source) != len(target) or any(n not in (1, m) for n, m in zip(source, target)):
        raise ValueError(f"an array of shape {source} cannot be broadcast to {target}")
    return [target]


def _broadcast_axis_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    if len(attrs.axis) != len(attrs.size):
        raise ValueError(f"axis={attrs.axis} and size={attrs.size} differ in length")
    target = list(shapes[0])
    for axis, size in zip(attrs.axis, attrs.size):
        axis = rules.normalize_axis(axis, len(target))
        if target[axis] != 1:
            raise ValueError(f"axis {axis} has length {target[axis]}, only axes of length 1 can be broadcast")
        target[axis] = size
    return [tuple(target)]


def _broadcast_to_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    source = shapes[0]
    if len(attrs.shape) != len(source):
        raise ValueError(f"an array of shape {source} cannot be broadcast to {attrs.shape}")
    # 0 keeps the length.
    return _fits(source, tuple(m or n for n, m in zip(source, attrs.shape)))


def _broadcast_like_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    source, like = shapes
    if attrs.lhs_axes is None and attrs.rhs_axes is None:
        return _fits(source, like)
    left, right = attrs.lhs_axes or (), attrs.rhs_axes or ()
    if len(left) != len(right) or not left:
        raise ValueError(f"lhs_axes={attrs.lhs_axes} and rhs_axes={attrs.rhs_axes} must name equally many axes")
    target = list(source)
    for a, b in zip(left, right):
        target[rules.normalize_axis(a, len(source), "lhs_axes")] = like[rules.normalize_axis(b, len(like), "rhs_axes")]
    return _fits(source, tuple(target))


_COPY = (elementwise_builder("copy"),)

operator(
    "broadcast_axis",
    aliases=("broadcast_axes",),
    params=(
        Shape("axis", (), doc="Axes of length 1 to broadcast."),
        Shape("size", (), doc="New length of each of these axes."),
    ),
    shape=_broadcast_axis_shape,
    gradient=lambda ctx, g: [F._reduce_like(g, ctx.inputs[0])],
    saves="i",
    cpu=_COPY,
    numpy=_broadcast,
    doc="Repeat an array along axes of length 1.",
)
operator(
    "broadcast_to",
    params=(Shape("shape", (), doc="Shape of the result; 0 keeps a length."),),
    shape=_broadcast_to_shape,
    gradient=lambda ctx, g: [F._reduce_like(g, ctx.inputs[0])],
    saves="i",
    cpu=_COPY,
    numpy=_broadcast,
    doc="Broadcast an array to a shape with as many dimensions.",
    examples="""
    >>> import weft as mx
    >>> mx.nd.broadcast_to(mx.nd.array([[1.0], [2.0]]), shape=(2, 3)).shape
    (2, 3)
    """,
)
operator(
    "broadcast_like",
    inputs=("lhs", "rhs"),
    params=(
        Axis("lhs_axes", None, doc="Axes of the first input to broadcast; all where not given."),
        Axis("rhs_axes", None, doc="Axes of the second input that give the lengths."),
    ),
    shape=_broadcast_like_shape,
    dtype=rules.first_dtype,
    gradient=lambda ctx, g: [F._reduce_like(g, ctx.inputs[0]), None],
    saves="i",
    unread=(1,),
    cpu=_COPY,
    numpy=_broadcast,
    doc="Broadcast the first array to the shape of the second, or along chosen axes.",
)
operator(
    "_expand_like",
    inputs=("data", "like"),
    shape=lambda attrs, shapes: [rules.broadcast_pair(shapes[0], shapes[1])],
    dtype=rules.first_dtype,
    gradient=lambda ctx, g: [F._reduce_like(g, ctx.inputs[0]), None],
    saves="i",
    unread=(1,),
    cpu=_COPY,
    numpy=_broadcast,
    doc="Broadcast the first array to the shape of the second, which may have more dimensions.",
    input_docs={"like": "Array whose shape the result gets."},
)
