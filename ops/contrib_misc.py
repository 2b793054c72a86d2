"""Contributed operators without a family: comparison, Fourier transforms, count sketch, conversion to 8 bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import rules
from .functions import F
from .registry import Bool, Dtype, Enum, Float, Int, operator, zero_gradient

Array = np.ndarray
Sizes = tuple[int, ...]


def _allclose(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    outs[0][...] = np.allclose(*ins, rtol=attrs.rtol, atol=attrs.atol, equal_nan=attrs.equal_nan)


operator(
    "_contrib_allclose",
    inputs=("a", "b"),
    params=(
        Float("rtol", 1e-5, doc="Relative tolerance."),
        Float("atol", 1e-8, doc="Absolute tolerance."),
        Bool("equal_nan", True, doc="Whether two values that are not numbers are equal."),
    ),
    shape=lambda attrs, shapes: [()] if rules.same_shape(attrs, shapes) else [],
    dtype=lambda attrs, dtypes: [np.dtype("uint8")] if rules.same_dtype(attrs, dtypes) else [],
    numpy=_allclose,
    doc="1 if all elements of two arrays are equal within tolerances, |a - b| <= atol + rtol * |b|, else 0.",
    input_docs={"a": "First array.", "b": "Second array."},
)


# ---- Fourier transforms of the last axis: real and imaginary parts side by side -----------------------------------------------

_COMPUTE_SIZE = (Int("compute_size", 128, low=1, doc="Rows that MXNet's GPU kernel takes at once; not used."),)


def _spread(spectrum: Array, out: Array) -> None:
    out[..., 0::2] = spectrum.real
    out[..., 1::2] = spectrum.imag


def _joined(data: Array) -> Array:
    return data[..., 0::2] + 1j * data[..., 1::2].astype(np.float64)


def _fft(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    _spread(np.fft.fft(ins[0].astype(np.float64)), outs[0])


def _ifft(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    outs[0][...] = np.fft.ifft(_joined(ins[0])).real * outs[0].shape[-1]


def _half(attrs: Any, shapes: Sequence[Sizes]) -> list[Sizes]:
    shape = shapes[0]
    if not shape or shape[-1] % 2:
        raise ValueError(f"data has shape {shape}, expected an even last axis of real and imaginary parts")
    return [(*shape[:-1], shape[-1] // 2)]


operator(
    "_contrib_fft",
    params=_COMPUTE_SIZE,
    shape=lambda attrs, shapes: [(*shapes[0][:-1], shapes[0][-1] * 2)],
    dtype=rules.float_dtype,
    gradient=lambda ctx, g: [F._contrib_ifft(g)],
    saves="",
    numpy=_fft,
    doc="Fourier transform of the last axis; real and imaginary parts alternate in the result.",
)
operator(
    "_contrib_ifft",
    params=_COMPUTE_SIZE,
    shape=_half,
    dtype=rules.float_dtype,
    gradient=lambda ctx, g: [F._contrib_fft(g)],
    saves="",
    numpy=_ifft,
    doc="Real part of the inverse Fourier transform of the last axis, not divided by its length.",
)


# ---- count sketch ---------------------------------------------------------------------------------------------------------------


def _sketch_shape(attrs: Any, shapes: Sequence[Sizes]) -> list[Sizes]:
    data, h, s = shapes
    if not data or h != (1, data[-1]) or s != h:
        raise ValueError(f"h of shape {h} and s of shape {s} do not fit data of shape {data}, expected (1, {data[-1:]})")
    return [(*data[:-1], attrs.out_dim)]


def _sketch(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    data, places, signs = ins
    outs[0].fill(0)
    np.add.at(outs[0], (..., places[0].astype(np.int64)), data * signs[0])


def _backward_sketch(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    grad, places, signs = ins
    outs[0][...] = grad[..., places[0].astype(np.int64)] * signs[0]


_SKETCH = (
    Int("out_dim", low=1, doc="Length of the sketch."),
    Int("processing_batch_size", 32, doc="Rows that MXNet's GPU kernel takes at once; not used."),
)
_SKETCH_DOCS = {"h": "Place of each entry in the sketch, shape (1, length).", "s": "Sign of each entry: 1 or -1."}

operator(
    "_contrib_count_sketch",
    inputs=("data", "h", "s"),
    params=_SKETCH,
    shape=_sketch_shape,
    gradient=lambda ctx, g: [F._backward_count_sketch(g, *ctx.inputs[1:], **ctx.attrs.to_dict()), None, None],
    saves="i",
    numpy=_sketch,
    doc="Count sketch of the last axis: entry i is multiplied by s[i] and added at place h[i].",
    input_docs=_SKETCH_DOCS,
)
operator(
    "_backward_count_sketch",
    inputs=("out_grad", "h", "s"),
    params=_SKETCH,
    shape=lambda attrs, shapes: [(*shapes[0][:-1], shapes[1][-1])],
    gradient=lambda ctx, g: [F._contrib_count_sketch(g, *ctx.inputs[1:], **ctx.attrs.to_dict()), None, None],
    saves="i",
    numpy=_backward_sketch,
    doc="Gradient of count_sketch.",
    input_docs=_SKETCH_DOCS,
)


# ---- to 8 bits and back ----------------------------------------------------------------------------------------------------------

# Steps on each side of zero; the half step lets the extreme values round into the outermost ones.
_STEPS = {"int8": 127.5, "uint8": 255.5, "int32": 2**31 - 1.0}
_MIN_MAX_DOCS = {"min_range": "Smallest number that occurs.", "max_range": "Largest number that occurs."}


def _range_shapes(attrs: Any, shapes: Sequence[Sizes]) -> list[Sizes]:
    return [shapes[0], (1,), (1,)]


def _quantized_dtypes(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    return [np.dtype(_target(attrs)), np.dtype("float32"), np.dtype("float32")]


def _target(attrs: Any) -> str:
    if attrs.out_type != "auto":
        return attrs.out_type
    return "uint8" if attrs.min_calib_range is not None and attrs.min_calib_range >= 0 else "int8"


def _quantize_into(values: Array, low: float, high: float, outs: Sequence[Array], extra: float = 0.5) -> None:
    kind = outs[0].dtype.name
    limit = max(abs(low), abs(high))
    info = np.iinfo(outs[0].dtype)
    # In single precision, as MXNet: what lies half way between two steps is then rounded alike.
    scale = np.float32((info.max + extra) / limit if limit > 0 else 0)
    steps = np.rint(values.astype(np.float32) * scale)
    outs[0][...] = np.clip(steps, info.min, info.max)
    outs[1][0], outs[2][0] = (low, high) if kind == "uint8" else (-limit, limit)


def _quantize(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    _quantize_into(ins[0].astype(np.float64), float(ins[1].min()), float(ins[2].max()), outs, extra=0.0)


def _calibrated(attrs: Any, values: Array) -> tuple[float, float]:
    if attrs.min_calib_range is not None and attrs.max_calib_range is not None:
        return attrs.min_calib_range, attrs.max_calib_range
    return float(values.min(initial=0)), float(values.max(initial=0))


def _quantize_v2(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    values = ins[0].astype(np.float64)
    _quantize_into(values, *_calibrated(attrs, values), outs)


def _dequantize(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    limit = max(abs(float(ins[1].min())), abs(float(ins[2].max())))
    outs[0][...] = ins[0] * (limit / _STEPS[ins[0].dtype.name])


def _requantize(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    limit = max(abs(float(ins[1].min())), abs(float(ins[2].max())))
    values = ins[0] * (limit / _STEPS["int32"])
    _quantize_into(values, *_calibrated(attrs, values), outs)


def _small_integers(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    if dtypes[0].name not in ("int8", "uint8"):
        raise ValueError(f"data has dtype {dtypes[0]}, expected int8 or uint8")
    return [attrs.out_type]


_CALIBRATION = (
    Float("min_calib_range", None, doc="Smallest number that is kept; found in the data where not given."),
    Float("max_calib_range", None, doc="Largest number that is kept; found in the data where not given."),
)

operator(
    "_contrib_quantize",
    inputs=("data", "min_range", "max_range"),
    params=(Enum("out_type", ("int8", "uint8"), "uint8", doc="Dtype of the result."),),
    shape=_range_shapes,
    dtype=_quantized_dtypes,
    num_outputs=3,
    gradient=zero_gradient,
    numpy=_quantize,
    doc="Convert to 8-bit integers over a given range of numbers; also returns the range.",
    input_docs=_MIN_MAX_DOCS,
)
operator(
    "_contrib_quantize_v2",
    params=(Enum("out_type", ("auto", "int8", "uint8"), "int8", doc="Dtype of the result."), *_CALIBRATION),
    shape=_range_shapes,
    dtype=_quantized_dtypes,
    num_outputs=3,
    gradient=zero_gradient,
    numpy=_quantize_v2,
    doc="Convert to 8-bit integers over a calibrated range or the range of the data; also returns the range.",
)
operator(
    "_contrib_dequantize",
    inputs=("data", "min_range", "max_range"),
    params=(Dtype("out_type", "float32", choices=("float32",), doc="Dtype of the result."),),
    shape=rules.first_shape,
    dtype=_small_integers,
    gradient=zero_gradient,
    numpy=_dequantize,
    doc="Convert 8-bit integers back to numbers.",
    input_docs=_MIN_MAX_DOCS,
)
operator(
    "_contrib_requantize",
    inputs=("data", "min_range", "max_range"),
    params=(Enum("out_type", ("auto", "int8", "uint8"), "int8", doc="Dtype of the result."), *_CALIBRATION),
    shape=_range_shapes,
    dtype=_quantized_dtypes,
    num_outputs=3,
    gradient=zero_gradient,
    numpy=_requantize,
    doc="Convert 32-bit integers, as sums of products of 8-bit ones give them, to 8 bits.",
    input_docs=_MIN_MAX_DOCS,
)
