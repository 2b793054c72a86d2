"""Operators on batches of sequences of different lengths: mask, last element, reverse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import partial, rules
from .copies import Plan, View, native, same_elements
from .cpu.sequence import builder
from .functions import F
from .registry import Bool, Float, Int, operator

Arrays = Sequence[np.ndarray]
Shapes = Sequence[tuple[int, ...]]

_USE = Bool("use_sequence_length", False, doc="Whether there is a second input with the lengths.")
_AXIS = Int("axis", 0, doc="Axis of time, 0 or 1; the batch is the other one.")
_DOCS = {
    "data": "Sequences, (time, batch, ...), or (batch, time, ...) with axis=1.",
    "sequence_length": "Length of each sequence of the batch; any number type.",
}


def _active(attrs: Any) -> tuple[str, ...]:
    return ("data", "sequence_length") if attrs.use_sequence_length else ("data",)


def _check(attrs: Any, shapes: Shapes, axes: Sequence[int] = (0, 1)) -> tuple[int, ...]:
    data = shapes[0]
    if len(data) < 2:
        raise ValueError(f"data has {len(data)} dimensions, expected at least 2 (time and batch)")
    if attrs.axis not in axes:
        raise ValueError(f"axis={attrs.axis}: expected {' or '.join(str(axis) for axis in axes)}")
    if attrs.use_sequence_length and tuple(shapes[1]) != (data[1 - attrs.axis],):
        raise ValueError(f"sequence_length has shape {tuple(shapes[1])}, expected {(data[1 - attrs.axis],)}")
    return tuple(data)


def _infer(attrs: Any, shapes: Sequence[Any]) -> list:
    if attrs.use_sequence_length and shapes[0] is not None and shapes[1] is None:
        return [shapes[0], (shapes[0][1 - attrs.axis],)]
    return list(shapes)


def _time_first(attrs: Any, array: np.ndarray) -> np.ndarray:
    return array.swapaxes(0, 1) if attrs.axis == 1 else array


def _without_lengths(planner: Callable[[Any, Shapes, Shapes], Plan]) -> Callable[[Any, Any, Any], Any]:
    """Return a builder for calls in which all sequences have full length: plain copies."""
    build = native(planner)
    return lambda attrs, in_specs, out_specs: None if attrs.use_sequence_length else build(attrs, in_specs, out_specs)


# ---- mask --------------------------------------------------------------------------------------------------------------


def _mask(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    outs[0][...] = ins[0]
    if attrs.use_sequence_length:
        target = _time_first(attrs, outs[0])
        beyond = np.arange(target.shape[0])[:, None] >= ins[1].astype(np.int64)
        target[beyond] = np.asarray(attrs.value).astype(target.dtype)


def _mask_gradient(ctx: Any, out_grad: Any) -> list:
    attrs = ctx.attrs
    if not attrs.use_sequence_length:
        return [out_grad]
    return [F.SequenceMask(out_grad, ctx.inputs[1], use_sequence_length=True, value=0.0, axis=attrs.axis), None]


operator(
    "SequenceMask",
    aliases=("_npx_sequence_mask",),
    inputs=("data", "sequence_length"),
    active_inputs=_active,
    params=(_USE, Float("value", 0.0, doc="What is written behind the end of each sequence."), _AXIS),
    shape=lambda attrs, shapes: [_check(attrs, shapes)],
    infer_partial=partial.like_data,
    infer_inputs=_infer,
    dtype=rules.first_dtype,
    infer_dtypes=rules.unknown_like_first,
    gradient=_mask_gradient,
    saves="i",
    inplace=((0, 0),),
    cpu=(builder("mask"), _without_lengths(same_elements)),
    numpy=_mask,
    input_docs=_DOCS,
    doc="""Overwrite everything behind the end of each sequence with one value.""",
)

# ---- last --------------------------------------------------------------------------------------------------------------


def _last_places(attrs: Any, data: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    places = lengths.astype(np.int64) - 1
    wrong = (places < 0) | (places >= data.shape[0])
    if wrong.any():
        raise ValueError(f"sequence_length {places[wrong][0] + 1} is not in [1, {data.shape[0]}]")
    return places, np.arange(data.shape[1])


def _last(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    data = _time_first(attrs, ins[0])
    outs[0][...] = data[_last_places(attrs, data, ins[1])] if attrs.use_sequence_length else data[-1]


def _last_plan(attrs: Any, ins: Shapes, outs: Shapes) -> Plan:
    time = ins[0][attrs.axis]
    target = View.of(0, outs[0]).repeat(attrs.axis, 1)
    return Plan([(View.of(0, ins[0]).cut(attrs.axis, time - 1, 1), target)])


def _backward_last(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    outs[0].fill(0)
    target = _time_first(attrs, outs[0])
    target[_last_places(attrs, target, ins[2]) if attrs.use_sequence_length else -1] = ins[0]


def _last_shape(attrs: Any, shapes: Shapes) -> list:
    data = _check(attrs, shapes)
    if data[attrs.axis] == 0:
        raise ValueError("sequences of length 0 have no last element")
    return [(*data[: attrs.axis], *data[attrs.axis + 1 :])]


def _last_values(attrs: Any) -> dict[str, Any]:
    return {"use_sequence_length": attrs.use_sequence_length, "axis": attrs.axis}


operator(
    "SequenceLast",
    inputs=("data", "sequence_length"),
    active_inputs=_active,
    params=(_USE, _AXIS),
    shape=_last_shape,
    infer_inputs=_infer,
    dtype=rules.first_dtype,
    infer_dtypes=rules.unknown_like_first,
    gradient=lambda ctx, out_grad: [
        F._backward_SequenceLast(out_grad, *ctx.inputs, **_last_values(ctx.attrs)),
        *([None] * ctx.attrs.use_sequence_length),
    ],
    saves="i",
    cpu=(builder("last"), _without_lengths(_last_plan)),
    numpy=_last,
    input_docs=_DOCS,
    doc="""Take the last element of each sequence.""",
)

operator(
    "_backward_SequenceLast",
    inputs=("out_grad", "data", "sequence_length"),
    active_inputs=lambda attrs: ("out_grad", *_active(attrs)),
    params=(_USE, _AXIS),
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=rules.first_dtype,
    gradient=lambda ctx, grad: [
        F.SequenceLast(grad, *ctx.inputs[2:], **_last_values(ctx.attrs)),
        *([None] * (1 + ctx.attrs.use_sequence_length)),
    ],
    saves="i",
    cpu=(builder("backward_last"),),
    numpy=_backward_last,
    input_docs=_DOCS,
    doc="""Gradient of SequenceLast: zeros but for the last elements.""",
)

# ---- reverse -----------------------------------------------------------------------------------------------------------


def _reverse(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    data = ins[0]
    if not attrs.use_sequence_length:
        outs[0][...] = data[::-1]
        return
    time = np.arange(data.shape[0])[:, None]
    lengths = ins[1].astype(np.int64).clip(0, data.shape[0])
    source = np.where(time < lengths, lengths - 1 - time, time)
    outs[0][...] = data[source, np.arange(data.shape[1])]


def _reverse_plan(attrs: Any, ins: Shapes, outs: Shapes) -> Plan:
    time = ins[0][0]
    return Plan([(View.of(0, ins[0]).cut(0, max(time - 1, 0), time, -1), View.of(0, outs[0]))])


def _reverse_gradient(ctx: Any, out_grad: Any) -> list:
    if not ctx.attrs.use_sequence_length:
        return [F.SequenceReverse(out_grad)]
    return [F.SequenceReverse(out_grad, ctx.inputs[1], use_sequence_length=True), None]


operator(
    "SequenceReverse",
    inputs=("data", "sequence_length"),
    active_inputs=_active,
    params=(_USE, Int("axis", 0, doc="Axis of time; only 0.")),
    shape=lambda attrs, shapes: [_check(attrs, shapes, (0,))],
    infer_partial=partial.like_data,
    infer_inputs=_infer,
    dtype=rules.first_dtype,
    infer_dtypes=rules.unknown_like_first,
    gradient=_reverse_gradient,
    saves="i",
    cpu=(builder("reverse"), _without_lengths(_reverse_plan)),
    numpy=_reverse,
    input_docs=_DOCS,
    doc="""Reverse the order of time within the length of each sequence; what lies behind stays.""",
)
