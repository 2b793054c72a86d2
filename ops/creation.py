"""Operators that create arrays: constants, ranges, identity matrices, and arrays shaped like another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import partial, rules
from .builders import fill_builder
from .registry import Bool, Dtype, Float, Int, Shape, Str, operator, zero_gradient
from .unary import number_dtype, to_integer

Array = np.ndarray

CTX = Str("ctx", "", doc="Device, such as 'cpu(0)'; the current context where not given.")
SHAPE = Shape("shape", (), doc="Shape of the array.")


def _dtype(default: str | None = "float32", **options: Any) -> Dtype:
    return Dtype("dtype", default, doc="Dtype of the array.", **options)


def _shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    shape = attrs.shape or ()
    if any(n < 0 for n in shape):
        raise ValueError(f"shape={shape}: lengths must not be negative")
    return [shape]


def _fill(number: float) -> Any:
    def run(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
        outs[0].fill(number)

    return run


def _full(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    value = attrs.value
    outs[0].fill(int(value) if outs[0].dtype.kind in "iu" and math.isfinite(value) else value)


for _name, _number in (("zeros", 0), ("ones", 1)):
    operator(
        f"_{_name}",
        inputs=(),
        params=(SHAPE, CTX, _dtype()),
        shape=_shape,
        infer_partial=partial.given_shape,
        dtype=rules.attr_dtype,
        gradient=zero_gradient,
        cpu=(fill_builder(_number),),
        numpy=_fill(_number),
        doc=f"Array of {_name}.",
    )
    operator(
        f"{_name}_like",
        aliases=("_sparse_zeros_like",) if _name == "zeros" else (),
        gradient=zero_gradient,
        unread=(0,),
        cpu=(fill_builder(_number),),
        numpy=_fill(_number),
        doc=f"Array of {_name} with shape and dtype of the input.",
    )

operator(
    "_zeros_without_dtype",
    inputs=(),
    params=(SHAPE, CTX, _dtype(None)),
    shape=_shape,
    infer_partial=partial.given_shape,
    dtype=rules.attr_dtype,
    gradient=zero_gradient,
    numpy=_fill(0),
    doc="Array of zeros whose dtype is float32 unless given.",
)
operator(
    "_full",
    aliases=("_npi_full",),
    inputs=(),
    params=(SHAPE, CTX, _dtype(), Float("value", dynamic=True, doc="Value of every element.")),
    shape=_shape,
    infer_partial=partial.given_shape,
    dtype=rules.attr_dtype,
    gradient=zero_gradient,
    cpu=(fill_builder("value"),),
    numpy=_full,
    doc="Array filled with one value.",
)


# ---- ranges --------------------------------------------------------------------------------------------------------------

_RANGE = (
    Float("start", doc="First value; with `stop` missing the end of a range from 0."),
    Float("stop", None, doc="End of the range, not part of it."),
    Float("step", 1.0, doc="Distance of neighbours."),
    Int("repeat", 1, low=1, doc="How often each value is repeated."),
    Bool("infer_range", False, doc="Take the length from the array the result is stored into."),
)


def _range(attrs: Any) -> tuple[float, float]:
    return (0.0, attrs.start) if attrs.stop is None else (attrs.start, attrs.stop)


def _arange_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    start, stop = _range(attrs)
    if attrs.step == 0:
        raise ValueError("step=0: expected a number other than 0")
    if partial.open_range(attrs):
        raise ValueError("infer_range=True without `stop` needs a graph that gives the length")
    if (stop - start) / attrs.step <= 0:
        raise ValueError(f"invalid range (start={start}, stop={stop}, step={attrs.step})")
    return [(math.ceil((stop - start) / attrs.step) * attrs.repeat,)]


def _numbers(count: int, start: float, step: float, repeat: int, out: Array) -> None:
    if out.dtype.kind != "f":
        # As NumPy does: the numbers are those of the dtype before they are added up.
        start, step = (to_integer(np.asarray(number, np.float64), out.dtype).item() for number in (start, step))
    values = np.arange(-(-count // repeat), dtype=np.float64) * step + start
    values = np.repeat(values, repeat)[:count] if repeat > 1 else values[:count]
    out[...] = (values if out.dtype.kind == "f" else to_integer(values, out.dtype)).reshape(out.shape)


def _arange(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    _numbers(outs[0].size, _range(attrs)[0], attrs.step, attrs.repeat, outs[0])


operator(
    "_arange",
    inputs=(),
    params=(*_RANGE, CTX, _dtype()),
    shape=_arange_shape,
    infer_partial=partial.given_length,
    dtype=rules.attr_dtype,
    gradient=zero_gradient,
    numpy=_arange,
    doc="Evenly spaced values within an interval, each repeated.",
)


def _linspace(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    values = np.linspace(attrs.start, attrs.stop, attrs.num, endpoint=attrs.endpoint)
    outs[0][...] = values if outs[0].dtype.kind == "f" else to_integer(values, outs[0].dtype)


def _linspace_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    if attrs.stop is None or attrs.num is None:
        raise ValueError("`stop` and `num` are required")
    return [(attrs.num,)]


operator(
    "_linspace",
    aliases=("_npi_linspace",),
    inputs=(),
    params=(
        *_RANGE,
        CTX,
        _dtype(),
        Int("num", None, low=0, doc="Number of values."),
        Bool("endpoint", True, doc="Whether `stop` is the last value."),
    ),
    shape=_linspace_shape,
    dtype=rules.attr_dtype,
    gradient=zero_gradient,
    numpy=_linspace,
    doc="A given number of evenly spaced values over an interval.",
)


def _eye_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    return [(attrs.N, attrs.M or attrs.N)]


def _eye(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    outs[0][...] = np.eye(*outs[0].shape, k=attrs.k, dtype=outs[0].dtype)


operator(
    "_eye",
    inputs=(),
    params=(
        Int("N", low=0, doc="Number of rows."),
        Int("M", 0, low=0, doc="Number of columns; 0 for as many as rows."),
        Int("k", 0, doc="Which diagonal is one: 0 the main one, positive above, negative below."),
        CTX,
        _dtype(choices=("float16", "float32", "float64", "int32", "int64", "int8", "uint8")),
    ),
    shape=_eye_shape,
    dtype=rules.attr_dtype,
    gradient=zero_gradient,
    numpy=_eye,
    doc="Matrix with ones on one diagonal and zeros elsewhere.",
)


# ---- made after another array ----------------------------------------------------------------------------------------------


def _arange_like_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    if attrs.axis is None:
        return [shapes[0]]
    return [(shapes[0][rules.normalize_axis(attrs.axis, len(shapes[0]))],)]


def _arange_like(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    _numbers(outs[0].size, attrs.start, attrs.step, attrs.repeat, outs[0])


operator(
    "_contrib_arange_like",
    aliases=("_npx_arange_like",),
    params=(
        Float("start", 0.0, doc="First value."),
        Float("step", 1.0, doc="Distance of neighbours."),
        Int("repeat", 1, low=1, doc="How often each value is repeated."),
        CTX,
        Int("axis", None, doc="Axis whose length is taken; None for the whole shape."),
    ),
    shape=_arange_like_shape,
    dtype=number_dtype,
    gradient=zero_gradient,
    unread=(0,),
    numpy=_arange_like,
    doc="Evenly spaced values, as many as the input has elements or entries along an axis.",
)
operator(
    "_fill_like",
    params=(Float("value", dynamic=True, doc="Value of every element."),),
    gradient=zero_gradient,
    inplace=((0, 0),),
    cpu=(fill_builder("value"),),
    unread=(0,),
    numpy=_full,
    doc="Array of the input's shape and dtype filled with one value; with `out` the input it overwrites that array.",
)


def _set_value(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    outs[0].fill(attrs.src)


operator(
    "_set_value",
    inputs=(),
    params=(Float("src", 0.0, dynamic=True, doc="Value of every element."), Shape("shape", (1,), doc="Shape of the array.")),
    shape=_shape,
    infer_partial=partial.given_shape,
    dtype=rules.fixed_dtype("float32"),
    cpu=(fill_builder("src"),),
    numpy=_set_value,
    doc="Array filled with a value; MXNet fills the array given as `out`, for which weft has _fill_like.",
)
