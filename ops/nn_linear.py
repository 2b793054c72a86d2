"""Fully connected layer: declaration, kernel and first and second order gradients."""

from __future__ import annotations

import math

from . import partial
from .functions import F
from .nn_common import (
    WANTED,
    backward_wanted,
    check_named_shape,
    choose_wanted,
    compute_dtype,
    float_dtypes,
    native,
    put,
    wanted_outputs,
)
from .registry import Bool, Int, operator

_PARAMS = (
    Int("num_hidden", low=1, doc="Number of outputs."),
    Bool("no_bias", False, doc="Leave the bias out."),
    Bool("flatten", True, doc="Collapse all axes but the first; else only the last axis is contracted."),
)


def _input_names(attrs):
    return ("data", "weight") if attrs.no_bias else ("data", "weight", "bias")


def _depth(attrs, shape):
    """Return the number of features that are contracted."""
    if not shape:
        raise ValueError("data has no axes; expected at least one")
    return math.prod(shape[1:]) if attrs.flatten else shape[-1]


def _shape(attrs, shapes):
    data = shapes[0]
    check_named_shape("weight", shapes[1], (attrs.num_hidden, _depth(attrs, data)))
    if not attrs.no_bias and shapes[2] not in ((attrs.num_hidden,), (attrs.num_hidden, 1)):
        raise ValueError(f"bias has shape {shapes[2]}, expected ({attrs.num_hidden},)")
    return [(data[0], attrs.num_hidden) if attrs.flatten else (*data[:-1], attrs.num_hidden)]


def _infer_inputs(attrs, shapes):
    shapes = list(shapes)
    if shapes[0] is not None and shapes[1] is None:
        shapes[1] = (attrs.num_hidden, _depth(attrs, shapes[0]))
    if not attrs.no_bias and shapes[2] is None:
        shapes[2] = (attrs.num_hidden,)
    return shapes


def _partial(op, attrs, ins, outs):
    data, out = ins[0], outs[0]
    if data and out:
        # Rows of the result are rows of the data; what lies between cannot be told when axes collapse.
        rows = (out[0], *partial.unknown(len(data) - 1)) if attrs.flatten else (*out[:-1], 0)
        data = partial.merge(data, rows, "data")
    if data and 0 in data and ins[1] is not None and len(ins[1]) == 2 and (not attrs.flatten or len(data) == 2):
        data = partial.merge(data, (*partial.unknown(len(data) - 1), ins[1][1]), "data")
    return partial.forward(op, attrs, [data, *ins[1:]], outs)


def _matrix(attrs, data):
    """View data as (rows, features)."""
    rows = data.shape[0] if attrs.flatten else math.prod(data.shape[:-1])
    return data.reshape(rows, _depth(attrs, data.shape))


def _forward(attrs, ins, outs):
    data, weight = ins[:2]
    wide = compute_dtype(data.dtype)
    result = _matrix(attrs, data).astype(wide, copy=False) @ weight.T.astype(wide, copy=False)
    if not attrs.no_bias:
        result += ins[2].reshape(-1)
    put(outs[0], result)


def _backward(attrs, ins, outs):
    out_grad, data, weight = ins
    wide = compute_dtype(data.dtype)
    grad = out_grad.reshape(-1, attrs.num_hidden).astype(wide, copy=False)
    rest = iter(outs)
    if attrs.wanted & 1:
        put(next(rest), grad @ weight.astype(wide, copy=False))
    if attrs.wanted & 2:
        put(next(rest), grad.T @ _matrix(attrs, data).astype(wide, copy=False))
    if attrs.wanted & 4:
        put(next(rest), grad.sum(axis=0))


def _gradient(ctx, out_grad):
    return backward_wanted(ctx, "_backward_FullyConnected", [out_grad, ctx.inputs[0], ctx.inputs[1]])


def _backward_gradient(ctx, *heads):
    # Every output is a product of two inputs, so each second derivative is again a product.
    out_grad, data, weight = ctx.inputs
    attrs = ctx.attrs
    heads = iter(heads)
    head_data, head_weight, head_bias = (next(heads) if attrs.wanted >> i & 1 else None for i in range(3))
    parts, d_data, d_weight = [], None, None
    grad = F.reshape(out_grad, shape=(-1, attrs.num_hidden))
    linear = {"num_hidden": attrs.num_hidden, "no_bias": True, "flatten": attrs.flatten}
    if head_data is not None:
        parts.append(F.FullyConnected(head_data, weight, **linear))
        d_weight = F.dot(grad, _as_matrix(attrs, head_data), transpose_a=True)
    if head_weight is not None:
        parts.append(F.FullyConnected(data, head_weight, **linear))
        d_data = F.reshape_like(F.dot(grad, head_weight), data)
    if head_bias is not None:
        parts.append(F.broadcast_add(F.zeros_like(out_grad), head_bias))
    if not parts:
        return [None, d_data, d_weight]
    total = parts[0]
    for part in parts[1:]:
        total = F.elemwise_add(total, part)
    return [total, d_data, d_weight]


def _as_matrix(attrs, array):
    return F.Flatten(array) if attrs.flatten else F.reshape(array, shape=(-1, 0), reverse=True)


operator(
    "FullyConnected",
    aliases=("_npx_fully_connected", "_sparse_FullyConnected"),
    inputs=("data", "weight", "bias"),
    active_inputs=_input_names,
    params=_PARAMS,
    shape=_shape,
    infer_partial=_partial,
    infer_inputs=_infer_inputs,
    dtype=float_dtypes,
    gradient=_gradient,
    saves="i",
    cpu=(native("fully_connected"),),
    numpy=_forward,
    cost=lambda attrs, ins, outs: 500 + 0.05 * math.prod(outs[0]) * ins[1][-1],
    doc="""Affine map ``data @ weight.T + bias``: a fully connected (dense) layer.""",
    input_docs={"weight": "Weights of shape (num_hidden, features).", "bias": "Bias of shape (num_hidden,)."},
    examples="""
    >>> from weft import nd
    >>> nd.FullyConnected(nd.ones((2, 3)), nd.ones((4, 3)), nd.zeros(4), num_hidden=4).shape
    (2, 4)
    """,
)


def _backward_shape(attrs, shapes):
    return choose_wanted(attrs, [shapes[1], shapes[2], (attrs.num_hidden,)])


def _backward_dtype(attrs, dtypes):
    return float_dtypes(attrs, dtypes) * wanted_outputs(attrs)


operator(
    "_backward_FullyConnected",
    inputs=("out_grad", "data", "weight"),
    params=(*_PARAMS, WANTED),
    shape=_backward_shape,
    dtype=_backward_dtype,
    num_outputs=wanted_outputs,
    gradient=_backward_gradient,
    saves="i",
    cpu=(native("backward_fully_connected"),),
    numpy=_backward,
    cost=lambda attrs, ins, outs: 500 + 0.1 * math.prod(ins[1]) * attrs.num_hidden,
    doc="""Gradients of FullyConnected: those of data, weight and bias that ``wanted`` asks for.""",
)
