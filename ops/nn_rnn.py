"""Recurrent layers: the fused RNN operator (tanh, relu, LSTM, GRU; several layers, both directions).

Parameters come packed in one vector as MXNet and cuDNN pack them: for each layer and direction the input and the hidden
weights, (gates * state_size, features) each; then, in the same order, the input and the hidden biases. Gates are
i, f, c, o for LSTM and r, z, n for GRU.

The hidden output ``reserve`` keeps what the backward pass needs (see :func:`reserve_layout`); outside of training it is
empty and the backward pass runs the forward pass again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .functions import F
from .nn_common import check_named_shape, compute_dtype, native, put
from .registry import Bool, Enum, Float, Int, operator
from .special import sigmoid

GATES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}

_PARAMS = (
    Int("state_size", low=1, doc="Size of the hidden state."),
    Int("num_layers", low=1, doc="Number of stacked layers."),
    Bool("bidirectional", False, doc="Run every layer in both directions."),
    Enum("mode", ("gru", "lstm", "rnn_relu", "rnn_tanh"), doc="Kind of cell."),
    Float("p", 0.0, low=0, high=1, doc="Dropout between the layers, in training."),
    Bool("state_outputs", False, doc="Also return the last states."),
    Int("projection_size", None, doc="Size of a projection of the state; not supported."),
    Float("lstm_state_clip_min", None, doc="Lower bound of LSTM cell states."),
    Float("lstm_state_clip_max", None, doc="Upper bound of LSTM cell states."),
    Bool("lstm_state_clip_nan", False, doc="Turn cell states that are not numbers into bounds; taken for compatibility."),
    Bool("use_sequence_length", False, doc="Whether ``sequence_length`` is given."),
)


def directions(attrs) -> int:
    """Return 2 for bidirectional layers, else 1."""
    return 2 if attrs.bidirectional else 1


def _dropout(attrs) -> bool:
    return attrs.train and attrs.p > 0 and attrs.num_layers > 1


class Weights(NamedTuple):
    """Parameters of one layer in one direction."""

    input: Any
    hidden: Any
    input_bias: Any
    hidden_bias: Any


def packed_places(attrs, features: int) -> Iterator[tuple[int, int, Weights]]:
    """Yield layer, direction and, for each parameter array, (offset, shape) in the packed vector."""
    rows, size, count = GATES[attrs.mode] * attrs.state_size, attrs.state_size, directions(attrs)
    pairs = [(layer, way) for layer in range(attrs.num_layers) for way in range(count)]
    width = [features if layer == 0 else size * count for layer, _ in pairs]
    bias = sum(rows * (w + size) for w in width)
    offset = 0
    for (layer, way), w in zip(pairs, width):
        first, second = (offset, (rows, w)), (offset + rows * w, (rows, size))
        yield layer, way, Weights(first, second, (bias, (rows,)), (bias + rows, (rows,)))
        offset += rows * (w + size)
        bias += 2 * rows


def parameter_size(attrs, features: int) -> int:
    """Return the length of the packed parameter vector."""
    *_, last = packed_places(attrs, features)
    return last[2].hidden_bias[0] + last[2].hidden_bias[1][0]


def unpack(attrs, vector: np.ndarray, features: int) -> list[list[Weights]]:
    """Return views of the packed parameters: [layer][direction]."""
    layers: list[list[Weights]] = [[] for _ in range(attrs.num_layers)]
    for layer, _, places in packed_places(attrs, features):
        layers[layer].append(Weights(*(vector[at : at + math.prod(shape)].reshape(shape) for at, shape in places)))
    return layers


def reserve_layout(attrs, data_shape: Sequence[int]) -> list[tuple[str, tuple[int, ...]]]:
    """Return the arrays that make up the reserve of one layer, in order.

    ``out`` is the layer's output, ``gates`` the activated gates, ``extra`` the cell states (lstm) or the hidden part of
    the candidate (gru), ``mask`` the dropout factors on the layer's input.
    """
    time, batch, _ = data_shape
    size, count = attrs.state_size, directions(attrs)
    parts = [
        ("out", (time, batch, count * size)),
        ("gates", (count, time, batch, GATES[attrs.mode] * size)),
    ]
    if attrs.mode in ("lstm", "gru"):
        parts.append(("extra", (count, time, batch, size)))
    if _dropout(attrs):
        parts.append(("mask", (time, batch, count * size)))
    return parts


def reserve_size(attrs, data_shape: Sequence[int]) -> int:
    """Return the length of the reserve."""
    if not attrs.train:
        return 1
    return max(1, attrs.num_layers * sum(math.prod(shape) for _, shape in reserve_layout(attrs, data_shape)))


def _split_reserve(attrs, reserve, data_shape) -> list[dict[str, np.ndarray]]:
    layers, offset = [], 0
    for _ in range(attrs.num_layers):
        parts = {}
        for name, shape in reserve_layout(attrs, data_shape):
            parts[name] = reserve[offset : offset + math.prod(shape)].reshape(shape)
            offset += math.prod(shape)
        layers.append(parts)
    return layers


# ---- rules -------------------------------------------------------------------------------------------------------------


def _input_names(attrs):
    names = ["data", "parameters", "state"]
    if attrs.mode == "lstm":
        names.append("state_cell")
    if attrs.use_sequence_length:
        names.append("sequence_length")
    return tuple(names)


def _state_outputs(attrs):
    return (2 if attrs.mode == "lstm" else 1) if attrs.state_outputs else 0


def _output_names(attrs):
    return ("output", *("state_output", "statecell_output")[: _state_outputs(attrs)], "reserve")


def _shape(attrs, shapes):
    data = shapes[0]
    if len(data) != 3:
        raise ValueError(f"data has {len(data)} axes, expected 3 (time, batch, features)")
    if attrs.projection_size is not None:
        raise ValueError("projection_size is not supported")
    state = (attrs.num_layers * directions(attrs), data[1], attrs.state_size)
    for name, shape in zip(_input_names(attrs)[1:], shapes[1:]):
        expected = {"parameters": (parameter_size(attrs, data[2]),), "sequence_length": (data[1],)}.get(name, state)
        check_named_shape(name, shape, expected)
    out = (data[0], data[1], attrs.state_size * directions(attrs))
    return [out, *[state] * _state_outputs(attrs), (reserve_size(attrs, data),)]


def _infer_inputs(attrs, shapes):
    data = shapes[0]
    if data is None:
        return list(shapes)
    state = (attrs.num_layers * directions(attrs), data[1], attrs.state_size)
    known = {"data": data, "parameters": (parameter_size(attrs, data[2]),), "sequence_length": (data[1],)}
    return [known.get(name, state) if shape is None else shape for name, shape in zip(_input_names(attrs), shapes)]


def _check_dtypes(names, dtypes):
    first = dtypes[0]
    if first.kind != "f":
        raise ValueError(f"{names[0]} has dtype {first}, expected a floating-point dtype")
    for name, dtype in zip(names, dtypes):
        if name != "sequence_length" and dtype != first:
            raise ValueError(f"{name} has dtype {dtype}, expected {first}")
    return first


def _dtype(attrs, dtypes):
    return [_check_dtypes(_input_names(attrs), dtypes)] * (2 + _state_outputs(attrs))


# ---- one layer, one direction ------------------------------------------------------------------------------------------


def _steps(time: int, backward: bool) -> range:
    return range(time - 1, -1, -1) if backward else range(time)


def _clip(attrs, cell):
    if attrs.lstm_state_clip_min is None and attrs.lstm_state_clip_max is None:
        return cell
    return np.clip(cell, attrs.lstm_state_clip_min, attrs.lstm_state_clip_max)


def _step(attrs, x_part, h_part, hidden, cell):
    """Return gates, extra, new hidden state and new cell state of one time step."""
    size = attrs.state_size
    if attrs.mode == "lstm":
        gates = x_part + h_part
        gates[:, : 2 * size] = sigmoid(gates[:, : 2 * size])
        gates[:, 2 * size : 3 * size] = np.tanh(gates[:, 2 * size : 3 * size])
        gates[:, 3 * size :] = sigmoid(gates[:, 3 * size :])
        i, f, c, o = np.split(gates, 4, axis=1)
        cell = _clip(attrs, f * cell + i * c)
        return gates, cell, o * np.tanh(cell), cell
    if attrs.mode == "gru":
        both = sigmoid(x_part[:, : 2 * size] + h_part[:, : 2 * size])
        candidate = np.tanh(x_part[:, 2 * size :] + both[:, :size] * h_part[:, 2 * size :])
        update = both[:, size:]
        hidden = (1 - update) * candidate + update * hidden
        return np.concatenate([both, candidate], axis=1), h_part[:, 2 * size :], hidden, None
    total = x_part + h_part
    hidden = np.maximum(total, 0) if attrs.mode == "rnn_relu" else np.tanh(total)
    return hidden, None, hidden, None


def _run_forward(attrs, x, weights, hidden, cell, valid, backward, kept, place):
    """Run one direction; write outputs, gates and extra into ``kept`` and return the last states."""
    way = int(backward)
    x_parts = x @ weights.input.T + weights.input_bias
    out = kept["out"][:, :, place]
    for t in _steps(len(x), backward):
        h_part = hidden @ weights.hidden.T + weights.hidden_bias
        gates, extra, new_hidden, new_cell = _step(attrs, x_parts[t], h_part, hidden, cell)
        kept["gates"][way, t] = gates
        if extra is not None:
            kept["extra"][way, t] = extra
        if valid is None:
            hidden, cell, out[t] = new_hidden, new_cell, new_hidden
        else:
            here = valid[t][:, None]
            hidden = np.where(here, new_hidden, hidden)
            cell = None if cell is None else np.where(here, new_cell, cell)
            out[t] = np.where(here, new_hidden, 0)
    return hidden, cell


def _step_backward(attrs, gates, extra, before, cell_before, d_hidden, d_cell):
    """Return the gradients of the input part, the hidden part, the previous hidden and cell state."""
    if attrs.mode == "lstm":
        i, f, c, o = np.split(gates, 4, axis=1)
        squashed = np.tanh(extra)
        d_cell = d_cell + d_hidden * o * (1 - squashed * squashed)
        if attrs.lstm_state_clip_min is not None:
            d_cell = np.where(extra <= attrs.lstm_state_clip_min, 0, d_cell)
        if attrs.lstm_state_clip_max is not None:
            d_cell = np.where(extra >= attrs.lstm_state_clip_max, 0, d_cell)
        d_gates = np.concatenate(
            [
                d_cell * c * i * (1 - i),
                d_cell * cell_before * f * (1 - f),
                d_cell * i * (1 - c * c),
                d_hidden * squashed * o * (1 - o),
            ],
            axis=1,
        )
        return d_gates, d_gates, 0, d_cell * f
    if attrs.mode == "gru":
        reset, update, candidate = np.split(gates, 3, axis=1)
        d_candidate = d_hidden * (1 - update) * (1 - candidate * candidate)
        d_update = d_hidden * (before - candidate) * update * (1 - update)
        d_reset = d_candidate * extra * reset * (1 - reset)
        d_input = np.concatenate([d_reset, d_update, d_candidate], axis=1)
        d_inner = np.concatenate([d_reset, d_update, d_candidate * reset], axis=1)
        return d_input, d_inner, d_hidden * update, None
    slope = (gates > 0) if attrs.mode == "rnn_relu" else 1 - gates * gates
    return d_hidden * slope, d_hidden * slope, 0, None


def _run_backward(attrs, x, weights, first, valid, backward, kept, place, d_out, d_last, d_weights):
    """Run one direction backwards; add to ``d_weights`` and return d_x and the gradients of the first states.

    ``first`` and ``d_last`` are (hidden, cell) at the start and the gradients of (hidden, cell) at the end.
    """
    way = int(backward)
    out, gates, extra = kept["out"][:, :, place], kept["gates"][way], kept.get("extra")
    d_hidden, d_cell = d_last
    d_x = np.empty((*x.shape[:2], weights.input.shape[0]), x.dtype)
    order = list(_steps(len(x), backward))
    for at in range(len(order) - 1, -1, -1):
        t = order[at]
        before, cell_before = _states_before(first, out, None if extra is None else extra[way], order, at, valid)
        total = d_hidden + d_out[t]
        if valid is not None:
            total = np.where(valid[t][:, None], total, 0)
        d_in, d_inner, direct, cell_grad = _step_backward(
            attrs, gates[t], None if extra is None else extra[way, t], before, cell_before, total,
            0 if d_cell is None else (d_cell if valid is None else np.where(valid[t][:, None], d_cell, 0)),
        )
        d_x[t] = d_in
        d_weights.hidden[...] += d_inner.T @ before
        d_weights.hidden_bias[...] += d_inner.sum(axis=0)
        step_hidden = d_inner @ weights.hidden + direct
        if valid is None:
            d_hidden, d_cell = step_hidden, cell_grad
        else:
            here = valid[t][:, None]
            d_hidden = np.where(here, step_hidden, d_hidden)
            d_cell = None if cell_grad is None else np.where(here, cell_grad, d_cell)
    flat = d_x.reshape(-1, d_x.shape[-1])
    d_weights.input[...] += flat.T @ x.reshape(-1, x.shape[-1])
    d_weights.input_bias[...] += flat.sum(axis=0)
    return d_x @ weights.input, d_hidden, d_cell


def _states_before(first, out, cells, order, at, valid):
    """Return hidden and cell state before the step at place ``at`` of the order of processing."""
    hidden, cell = first
    if at == 0:
        return hidden, cell
    t = order[at - 1]
    if valid is None:
        return out[t], None if cell is None else cells[t]
    here = valid[t][:, None]
    return np.where(here, out[t], hidden), None if cell is None else np.where(here, cells[t], cell)


# ---- all layers --------------------------------------------------------------------------------------------------------


def _named(names, arrays):
    return {
        name: array if name == "sequence_length" else array.astype(compute_dtype(array.dtype), copy=False)
        for name, array in zip(names, arrays)
    }


def _valid_steps(ins, time):
    lengths = ins.get("sequence_length")
    return None if lengths is None else np.arange(time)[:, None] < lengths[None, :]


def _forward_layers(attrs, ins, layers, last_hidden, last_cell):
    """Run all layers; ``layers`` (from the reserve) is filled on the way."""
    x, count, size = ins["data"], directions(attrs), attrs.state_size
    valid = _valid_steps(ins, len(x))
    weights = unpack(attrs, ins["parameters"], x.shape[2])
    for layer, kept in enumerate(layers):
        if layer and "mask" in kept:
            kept["mask"][...] = (attrs.rng.random(x.shape) >= attrs.p) / max(1 - attrs.p, 1e-12)
            x = x * kept["mask"]
        for way in range(count):
            index = layer * count + way
            cell = ins["state_cell"][index] if attrs.mode == "lstm" else None
            place = slice(way * size, (way + 1) * size)
            hidden, cell = _run_forward(
                attrs, x, weights[layer][way], ins["state"][index], cell, valid, way == 1, kept, place
            )
            last_hidden[index] = hidden
            if cell is not None:
                last_cell[index] = cell
        x = kept["out"]
    return x


def _forward(attrs, ins, outs):
    named = _named(_input_names(attrs), ins)
    data = named["data"]
    shape = data.shape
    size = sum(math.prod(part) for _, part in reserve_layout(attrs, shape)) * attrs.num_layers
    keep = attrs.train and outs[-1].dtype == data.dtype
    reserve = outs[-1] if keep else np.empty(size, data.dtype)
    hidden = np.empty(named["state"].shape, data.dtype)
    cell = np.empty_like(hidden)
    put(outs[0], _forward_layers(attrs, named, _split_reserve(attrs, reserve, shape), hidden, cell))
    for out, value in zip(outs[1:-1], (hidden, cell)):
        put(out, value)
    if attrs.train and not keep:
        put(outs[-1], reserve)
    elif not attrs.train:
        outs[-1].fill(0)


def _backward_names(attrs):
    heads = ["out_grad", "state_grad", "cell_grad"][: 1 + _state_outputs(attrs)]
    return (*heads, *_input_names(attrs), "reserve")


def _backward(attrs, ins, outs):
    named = _named(_backward_names(attrs), ins)
    data = named["data"]
    layers = _kept_layers(attrs, named)
    count, size = directions(attrs), attrs.state_size
    valid = _valid_steps(named, len(data))
    weights = unpack(attrs, named["parameters"], data.shape[2])
    packed = np.zeros_like(named["parameters"])
    d_weights = unpack(attrs, packed, data.shape[2])
    d_state = np.empty_like(named["state"])
    d_cells = np.empty_like(d_state)
    d_out = named["out_grad"]
    for layer in range(attrs.num_layers - 1, -1, -1):
        kept = layers[layer]
        x = layers[layer - 1]["out"] if layer else data
        if layer and "mask" in kept:
            x = x * kept["mask"]
        d_x = np.zeros_like(x)
        for way in range(count):
            index, place = layer * count + way, slice(way * size, (way + 1) * size)
            first = (named["state"][index], named["state_cell"][index] if attrs.mode == "lstm" else None)
            d_last = (
                named["state_grad"][index] if "state_grad" in named else np.zeros_like(first[0]),
                None if attrs.mode != "lstm" else named["cell_grad"][index] if "cell_grad" in named else np.zeros_like(first[0]),
            )
            part, d_hidden, d_cell = _run_backward(
                attrs, x, weights[layer][way], first, valid, way == 1, kept, place, d_out[:, :, place], d_last,
                d_weights[layer][way],
            )
            d_x += part
            d_state[index] = d_hidden
            if d_cell is not None:
                d_cells[index] = d_cell
        d_out = d_x * kept["mask"] if layer and "mask" in kept else d_x
    for out, value in zip(outs, (d_out, packed, d_state, d_cells)):
        put(out, value)


def _kept_layers(attrs, named):
    """Return what the forward pass kept, or run it again where it kept nothing."""
    shape = named["data"].shape
    size = sum(math.prod(part) for _, part in reserve_layout(attrs, shape)) * attrs.num_layers
    if named["reserve"].size == size:
        return _split_reserve(attrs, named["reserve"], shape)
    plain = attrs.with_(train=False)
    layers = _split_reserve(plain, np.empty(size, named["data"].dtype), shape)
    scratch = np.empty_like(named["state"])
    _forward_layers(plain, named, layers, scratch, np.empty_like(scratch))
    return layers


def _gradient(ctx, out_grad, *more):
    attrs = ctx.attrs
    states = _state_outputs(attrs)
    heads = [out_grad, *more[:states]]
    heads = [F.zeros_like(ctx.outputs[i]) if head is None else head for i, head in enumerate(heads)]
    named = dict(zip(_backward_names(attrs), [*heads, *ctx.inputs, ctx.outputs[-1]]))
    result = F._backward_RNN(**named, **attrs.to_dict(), kept=attrs.train)
    rest = [None] if attrs.use_sequence_length else []
    return [*result, *rest]


_KEPT = Bool("kept", False, doc="Whether the forward call kept its gates.")


def _backward_kernel(attrs, ins, outs):
    # The mode of the forward call counts, not that of the moment.
    _backward(attrs.with_(train=attrs.kept), ins, outs)


def _backward_outputs(attrs):
    return 4 if attrs.mode == "lstm" else 3


def _backward_shape(attrs, shapes):
    start = 1 + _state_outputs(attrs)
    return list(shapes[start : start + _backward_outputs(attrs)])


def _backward_dtype(attrs, dtypes):
    return [_check_dtypes(_backward_names(attrs), dtypes)] * _backward_outputs(attrs)


def _cost(attrs, ins, outs):
    return 5000 + 0.05 * math.prod(ins[0][:2] if len(ins[0]) == 3 else ins[0]) * math.prod(ins[1])


_DOCS = {
    "data": "Sequences (time, batch, features).",
    "parameters": "All weights and biases, packed into one vector.",
    "state": "First hidden states (layers * directions, batch, state_size).",
    "state_cell": "First cell states of an LSTM, shaped like state.",
    "sequence_length": "Number of valid time steps of each sample.",
}

operator(
    "RNN",
    aliases=("_npx_rnn",),
    inputs=("data", "parameters", "state", "state_cell", "sequence_length"),
    active_inputs=_input_names,
    params=_PARAMS,
    shape=_shape,
    infer_inputs=_infer_inputs,
    dtype=_dtype,
    num_outputs=lambda attrs: 2 + _state_outputs(attrs),
    visible_outputs=lambda attrs: 1 + _state_outputs(attrs),
    output_names=_output_names,
    gradient=_gradient,
    random=True,
    uses_train=True,
    cpu=(native("rnn", "rnn"),),
    numpy=_forward,
    cost=_cost,
    doc="""Recurrent network over sequences: one or more stacked layers of tanh or relu cells, LSTM or GRU, in one or both
    directions. Returns the outputs of the last layer at every step and, with ``state_outputs``, the last states.""",
    input_docs=_DOCS,
    examples="""
    >>> from weft import nd
    >>> nd.RNN(nd.ones((5, 1, 2)), nd.zeros(21), nd.zeros((1, 1, 3)), state_size=3, num_layers=1, mode="rnn_tanh").shape
    (5, 1, 3)
    """,
)
operator(
    "_backward_RNN",
    inputs=("out_grad", "state_grad", "cell_grad", "data", "parameters", "state", "state_cell", "sequence_length", "reserve"),
    active_inputs=_backward_names,
    params=(*_PARAMS, _KEPT),
    shape=_backward_shape,
    dtype=_backward_dtype,
    num_outputs=_backward_outputs,
    cpu=(native("backward_rnn", "rnn"),),
    numpy=_backward_kernel,
    cost=_cost,
    doc="""Gradients of RNN in data, parameters and first states.""",
    input_docs={**_DOCS, "reserve": "What the forward call kept."},
)
