"""Products of interleaved queries, keys and values, as transformers use them."""

from __future__ import annotations

import math

from .nn_common import backward_call, compute_dtype, float_dtypes, put
from .registry import Int, operator

_HEADS = (Int("heads", low=1, doc="Number of attention heads."),)
_DOCS = {
    "queries": "Projected queries (length, batch, heads * depth).",
    "keys_values": "Projected keys and values, interleaved by head (length, batch, heads * 2 * depth).",
    "queries_keys_values": "Projected queries, keys and values, interleaved by head (length, batch, heads * 3 * depth).",
    "attention": "Attention weights (batch * heads, query length, key length).",
}


def _wide(*arrays):
    return [array.astype(compute_dtype(array.dtype), copy=False) for array in arrays]


def _split(array, heads, parts):
    """Return ``parts`` arrays (batch, heads, length, depth) from an interleaved (length, batch, features) array."""
    length, batch, _ = array.shape
    pieces = array.reshape(length, batch, heads, parts, -1)
    return [pieces[:, :, :, i].transpose(1, 2, 0, 3) for i in range(parts)]


def _join(pieces, out):
    """Write arrays (batch, heads, length, depth), None for zeros, into an interleaved array."""
    known = next(piece for piece in pieces if piece is not None)
    batch, heads, length, depth = known.shape
    view = out.reshape(length, batch, heads, len(pieces), depth)
    for i, piece in enumerate(pieces):
        view[:, :, :, i] = 0 if piece is None else piece.transpose(2, 0, 1, 3)


def _maps(array, heads):
    """View attention weights as (batch, heads, query length, key length)."""
    return array.reshape(-1, heads, *array.shape[1:])


def _flip(array):
    return array.swapaxes(-1, -2)


def _check_features(attrs, name, shape, parts):
    if len(shape) != 3:
        raise ValueError(f"{name} has {len(shape)} axes, expected 3 (length, batch, features)")
    if shape[2] % (attrs.heads * parts):
        raise ValueError(f"{name} has {shape[2]} features, expected a multiple of {attrs.heads * parts}")
    return shape[2] // (attrs.heads * parts)


def _check_maps(attrs, shape, batch, keys):
    if len(shape) != 3 or shape[0] != batch * attrs.heads or shape[2] != keys:
        raise ValueError(f"attention has shape {shape}, expected ({batch * attrs.heads}, queries, {keys})")


def _self_qk_shape(attrs, shapes):
    length, batch, _ = shapes[0]
    _check_features(attrs, "queries_keys_values", shapes[0], 3)
    return [(batch * attrs.heads, length, length)]


def _self_qk(attrs, ins, outs):
    queries, keys, _ = _split(*_wide(ins[0]), attrs.heads, 3)
    put(outs[0], (queries / math.sqrt(queries.shape[-1])) @ _flip(keys))


def _self_qk_backward(attrs, ins, outs):
    grad, data = _wide(*ins)
    queries, keys, _ = _split(data, attrs.heads, 3)
    grad = _maps(grad, attrs.heads) / math.sqrt(queries.shape[-1])
    _join([grad @ keys, _flip(grad) @ queries, None], outs[0])


def _self_value_shape(attrs, shapes):
    length, batch, _ = shapes[0]
    depth = _check_features(attrs, "queries_keys_values", shapes[0], 3)
    _check_maps(attrs, shapes[1], batch, length)
    return [(shapes[1][1], batch, attrs.heads * depth)]


def _self_value(attrs, ins, outs):
    data, attention = _wide(*ins)
    _join([_maps(attention, attrs.heads) @ _split(data, attrs.heads, 3)[2]], outs[0])


def _self_value_backward(attrs, ins, outs):
    grad, data, attention = _wide(*ins)
    (grad,) = _split(grad, attrs.heads, 1)
    values = _split(data, attrs.heads, 3)[2]
    _join([None, None, _flip(_maps(attention, attrs.heads)) @ grad], outs[0])
    put(outs[1], grad @ _flip(values))


def _cross_qk_shape(attrs, shapes):
    queries, pairs = shapes
    depth = _check_features(attrs, "queries", queries, 1)
    if _check_features(attrs, "keys_values", pairs, 2) != depth or pairs[1] != queries[1]:
        raise ValueError(f"keys_values has shape {pairs}, expected (length, {queries[1]}, {2 * queries[2]})")
    return [(queries[1] * attrs.heads, queries[0], pairs[0])]


def _cross_qk(attrs, ins, outs):
    data, pairs = _wide(*ins)
    (queries,) = _split(data, attrs.heads, 1)
    keys, _ = _split(pairs, attrs.heads, 2)
    put(outs[0], (queries / math.sqrt(queries.shape[-1])) @ _flip(keys))


def _cross_qk_backward(attrs, ins, outs):
    grad, data, pairs = _wide(*ins)
    (queries,) = _split(data, attrs.heads, 1)
    keys, _ = _split(pairs, attrs.heads, 2)
    grad = _maps(grad, attrs.heads) / math.sqrt(queries.shape[-1])
    _join([grad @ keys], outs[0])
    _join([_flip(grad) @ queries, None], outs[1])


def _cross_value_shape(attrs, shapes):
    length, batch, _ = shapes[0]
    depth = _check_features(attrs, "keys_values", shapes[0], 2)
    _check_maps(attrs, shapes[1], batch, length)
    return [(shapes[1][1], batch, attrs.heads * depth)]


def _cross_value(attrs, ins, outs):
    pairs, attention = _wide(*ins)
    _join([_maps(attention, attrs.heads) @ _split(pairs, attrs.heads, 2)[1]], outs[0])


def _cross_value_backward(attrs, ins, outs):
    grad, pairs, attention = _wide(*ins)
    (grad,) = _split(grad, attrs.heads, 1)
    _join([None, _flip(_maps(attention, attrs.heads)) @ grad], outs[0])
    put(outs[1], grad @ _flip(_split(pairs, attrs.heads, 2)[1]))


def _cost(attrs, ins, outs):
    return 3000 + 0.2 * math.prod(outs[0]) * 64


def _declare(kind, inputs, shape, forward, backward, doc):
    name = f"_backward_interleaved_matmul_{kind}"

    def gradient(ctx, grad):
        found = backward_call(name, [grad, *ctx.inputs], ctx.attrs)
        return list(found) if isinstance(found, (list, tuple)) else [found]

    operator(
        f"_contrib_interleaved_matmul_{kind}",
        inputs=inputs,
        params=_HEADS,
        shape=shape,
        dtype=float_dtypes,
        gradient=gradient,
        saves="i",
        numpy=forward,
        cost=_cost,
        doc=doc,
        input_docs=_DOCS,
    )
    operator(
        name,
        inputs=("out_grad", *inputs),
        params=_HEADS,
        shape=lambda attrs, shapes: list(shapes[1:]),
        dtype=lambda attrs, dtypes: float_dtypes(attrs, dtypes) * len(inputs),
        num_outputs=len(inputs),
        numpy=backward,
        cost=_cost,
        doc=f"""Gradients of interleaved_matmul_{kind}.""",
        input_docs=_DOCS,
    )


_declare(
    "selfatt_qk",
    ("queries_keys_values",),
    _self_qk_shape,
    _self_qk,
    _self_qk_backward,
    """Scaled products of queries and keys, ``q @ k.T / sqrt(depth)``, for every head: (batch * heads, length, length).""",
)
_declare(
    "selfatt_valatt",
    ("queries_keys_values", "attention"),
    _self_value_shape,
    _self_value,
    _self_value_backward,
    """Values summed up by attention weights: (length, batch, heads * depth).""",
)
_declare(
    "encdec_qk",
    ("queries", "keys_values"),
    _cross_qk_shape,
    _cross_qk,
    _cross_qk_backward,
    """Scaled products of queries with the keys of another sequence: (batch * heads, query length, key length).""",
)
_declare(
    "encdec_valatt",
    ("keys_values", "attention"),
    _cross_value_shape,
    _cross_value,
    _cross_value_backward,
    """Values of another sequence summed up by attention weights: (query length, batch, heads * depth).""",
)
