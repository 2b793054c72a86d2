"""``Custom`` in graphs: an operator whose description and computation are Python objects of the user's.

The object that describes a node is a parameter of it, with the methods of :class:`Description`; the frontend makes them.
Their Python code gets arrays of its own, copied from and to the graph's, because users may keep what they are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from .functions import F
from .params import Param, Str
from .registry import operator


class Description(Protocol):
    """A custom operator of one node."""

    arguments: tuple[str, ...]
    states: tuple[str, ...]
    outputs: tuple[str, ...]
    is_loss: bool

    def infer_shapes(self, shapes: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Return shapes of inputs (states too) and outputs; None where they cannot be told yet."""
        ...

    def infer_types(self, dtypes: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Return dtypes of inputs (states too) and outputs; None where they cannot be told yet."""
        ...

    def forward(self, train: bool, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
        """Compute the outputs."""
        ...

    def backward(self, heads: Any, ins: Any, outputs: Any, grads: Sequence[np.ndarray], train: bool) -> None:
        """Compute the gradients of the arguments."""
        ...


class _Object(Param):
    """The description; it compares by identity."""

    kind = "the description of a custom operator"
    hidden = True

    def _parse(self, value: Any) -> Any:
        if not hasattr(value, "infer_shapes") or not hasattr(value, "backward"):
            raise self._wrong(value)
        return value


def _names(attrs: Any) -> tuple[str, ...]:
    return (*attrs.description.arguments, *attrs.description.states)


def _states(attrs: Any) -> list[int]:
    first = len(attrs.description.arguments)
    return list(range(first, first + len(attrs.description.states)))


def _shape(attrs: Any, shapes: Sequence[Any]) -> list[Any]:
    ins, outs = attrs.description.infer_shapes(shapes)
    for name, given, wanted in zip(_names(attrs), shapes, ins):
        if wanted is not None and tuple(given) != tuple(wanted):
            raise ValueError(f"input {name!r} has shape {given}, expected {wanted}")
    if any(shape is None for shape in outs):
        raise ValueError("the shapes of the outputs cannot be told from the inputs")
    return outs


def _dtype(attrs: Any, dtypes: Sequence[Any]) -> list[Any]:
    outs = attrs.description.infer_types(dtypes)[1]
    if any(dtype is None for dtype in outs):
        raise ValueError("the dtypes of the outputs cannot be told from the inputs")
    return outs


def _gradient(ctx: Any, *grads: Any) -> list[Any]:
    heads = [F.zeros_like(output) if grad is None else grad for grad, output in zip(grads, ctx.outputs)]
    arrays = [*heads, *ctx.inputs, *ctx.outputs]
    result = F._backward_Custom(*arrays, op_type=ctx.attrs.op_type, description=ctx.attrs.description, num_args=len(arrays))
    result = list(result) if isinstance(result, (list, tuple)) else [result]
    found = [*result, *[None] * len(ctx.attrs.description.states)]
    return [grad if need else None for grad, need in zip(found, ctx.needs)]


def _split(attrs: Any, ins: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
    """Return head gradients, forward inputs and forward outputs among the inputs of the backward operator."""
    count = len(attrs.description.outputs)
    return ins[:count], ins[count:-count], ins[-count:]


def _backward(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
    heads, inputs, outputs = _split(attrs, ins)
    attrs.description.backward(heads, inputs, outputs, outs, attrs.train)


def _backward_shape(attrs: Any, shapes: Sequence[Any]) -> list[Any]:
    return list(_split(attrs, shapes)[1][: len(attrs.description.arguments)])


_PARAMS = (Str("op_type", doc="Name that the operator was registered under."), _Object("description"))

operator(
    "Custom",
    aliases=("_npi_Custom",),
    inputs=("*data",),
    active_inputs=_names,
    aux=lambda attrs: attrs.description.states,
    params=_PARAMS,
    shape=_shape,
    infer_inputs=lambda attrs, shapes: attrs.description.infer_shapes(shapes)[0],
    dtype=_dtype,
    infer_dtypes=lambda attrs, dtypes: attrs.description.infer_types(dtypes)[0],
    num_outputs=lambda attrs: len(attrs.description.outputs),
    output_names=lambda attrs: attrs.description.outputs,
    mutates=_states,
    gradient=_gradient,
    loss=lambda attrs: attrs.description.is_loss,
    uses_train=True,
    opaque=True,
    numpy=lambda attrs, ins, outs: attrs.description.forward(attrs.train, ins, outs),
    cost=lambda attrs, ins, outs: 1e6,
    doc="""Run an operator that was registered with ``mx.operator.register``.""",
)
operator(
    "_backward_Custom",
    inputs=("*args",),
    params=_PARAMS,
    shape=_backward_shape,
    dtype=_backward_shape,
    num_outputs=lambda attrs: len(attrs.description.arguments),
    mutates=lambda attrs: [len(attrs.description.outputs) + index for index in _states(attrs)],
    uses_train=True,
    numpy=_backward,
    cost=lambda attrs, ins, outs: 1e6,
    doc="""Gradients of Custom; the inputs are the outputs' gradients, and inputs and outputs of the forward call.""",
)
