"""Connectionist temporal classification loss (Graves et al., 2006)."""

from __future__ import annotations

import math

import numpy as np

from .functions import F
from .nn_common import compute_dtype, native, put
from .registry import Bool, Enum, operator

_PARAMS = (
    Bool("use_data_lengths", False, doc="Whether ``data_lengths`` is given."),
    Bool("use_label_lengths", False, doc="Whether ``label_lengths`` is given."),
    Enum(
        "blank_label",
        ("first", "last"),
        "first",
        doc="Which class is the blank; labels then start at 1 and are padded with 0 (first), or start at 0 and are padded "
        "with -1 (last).",
    ),
)


def _input_names(attrs):
    names = ["data", "label"]
    if attrs.use_data_lengths:
        names.append("data_lengths")
    if attrs.use_label_lengths:
        names.append("label_lengths")
    return tuple(names)


def _shape(attrs, shapes):
    data, label = shapes[:2]
    if len(data) != 3:
        raise ValueError(f"data has {len(data)} axes, expected 3 (time, batch, classes)")
    if len(label) != 2 or label[0] != data[1]:
        raise ValueError(f"label has shape {label}, expected ({data[1]}, labels)")
    for name, shape in zip(_input_names(attrs)[2:], shapes[2:]):
        if shape != (data[1],):
            raise ValueError(f"{name} has shape {shape}, expected ({data[1]},)")
    return [(data[1],), data]


def _dtype(attrs, dtypes):
    if dtypes[0].kind != "f":
        raise ValueError(f"data has dtype {dtypes[0]}, expected a floating-point dtype")
    return [dtypes[0], dtypes[0]]


def _lengths(attrs, ins):
    """Return for each sample the number of time steps and of labels."""
    data, label = ins[:2]
    rest = list(ins[2:])
    steps = rest.pop(0).astype(np.int64) if attrs.use_data_lengths else np.full(data.shape[1], data.shape[0])
    if attrs.use_label_lengths:
        counts = rest.pop(0).astype(np.int64)
    else:
        padding = 0 if attrs.blank_label == "first" else -1
        ends = label.astype(np.int64) == padding
        counts = np.where(ends.any(axis=1), ends.argmax(axis=1), label.shape[1])
    return np.clip(steps, 0, data.shape[0]), np.clip(counts, 0, label.shape[1])


def _log_softmax(data):
    x = data - data.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def _shifted(rows, count):
    """Return rows moved ``count`` states up, with zero probability moving in."""
    result = np.full_like(rows, -np.inf)
    if count < rows.shape[1]:
        result[:, count:] = rows[:, :-count]
    return result


def _forward_pass(chance, skip, start, steps):
    """Return log alpha (time, batch, states): probability of all prefixes that end in a state at a time.

    ``chance`` is the log probability of each state's class, ``skip`` says where the blank before a state may be left out.
    """
    alpha = np.full(chance.shape, -np.inf)
    alpha[0] = np.where(start, chance[0], -np.inf)
    for time in range(1, len(chance)):
        before = alpha[time - 1]
        total = np.logaddexp(before, _shifted(before, 1))
        total = np.logaddexp(total, np.where(skip, _shifted(before, 2), -np.inf))
        alpha[time] = np.where((time < steps)[:, None], total + chance[time], -np.inf)
    return alpha


def _kernel(attrs, ins, outs):
    data = ins[0].astype(np.float64)
    times, batch, classes = data.shape
    steps, counts = _lengths(attrs, ins)
    blank = 0 if attrs.blank_label == "first" else classes - 1
    states = 2 * ins[1].shape[1] + 1
    path = np.full((batch, states), blank)
    path[:, 1::2] = np.clip(ins[1].astype(np.int64), 0, classes - 1)
    last = 2 * counts
    place = np.arange(states)
    inside = place <= last[:, None]
    path[~inside] = blank
    skip = np.zeros((batch, states), bool)
    skip[:, 2:] = (path[:, 2:] != blank) & (path[:, 2:] != path[:, :-2])
    logs = _log_softmax(data)
    chance = np.take_along_axis(logs, np.broadcast_to(path, (times, batch, states)), axis=2)
    chance = np.where(inside, chance, -np.inf)
    alpha = _forward_pass(chance, skip, place < 2, steps)
    beta = _backward_pass(chance, path, blank, steps, last)
    samples = np.arange(batch)
    final = np.maximum(steps - 1, 0)
    ends = np.where(place >= last[:, None] - 1, np.where(inside, alpha[final, samples], -np.inf), -np.inf)
    total = np.logaddexp.reduce(ends, axis=1)
    _store(outs, logs, path, alpha + beta - chance, total, steps)


def _backward_pass(chance, path, blank, steps, last):
    """Return log beta, the mirror image of alpha: each sample is reversed in time and along its own states."""
    times, batch, states = chance.shape
    place = np.arange(states)
    mirror = np.where(place <= last[:, None], last[:, None] - place, place)
    reverse = np.arange(times)[:, None]
    reverse = np.where(reverse < steps, steps - 1 - reverse, reverse)
    turned = np.take_along_axis(chance[reverse, np.arange(batch)], np.broadcast_to(mirror, chance.shape), axis=2)
    route = np.take_along_axis(path, mirror, axis=1)
    skip = np.zeros((batch, states), bool)
    skip[:, 2:] = (route[:, 2:] != blank) & (route[:, 2:] != route[:, :-2])
    beta = _forward_pass(turned, skip, place < 2, steps)
    beta = np.take_along_axis(beta, np.broadcast_to(mirror, beta.shape), axis=2)
    return beta[reverse, np.arange(batch)]


def _store(outs, logs, path, joint, total, steps):
    """Write losses, and the gradient of each loss in data: softmax minus the posterior of each class."""
    times, batch, classes = logs.shape
    possible = np.isfinite(total)
    share = np.where(np.isfinite(joint), np.exp(joint - np.where(possible, total, 0)[:, None]), 0)
    posterior = np.zeros((times, batch, classes))
    for state in range(path.shape[1]):
        posterior[:, np.arange(batch), path[:, state]] += share[:, :, state]
    grad = np.exp(logs) - posterior
    active = (np.arange(times)[:, None] < steps) & possible
    put(outs[0], -total)
    put(outs[1], np.where(active[:, :, None], grad, 0))


operator(
    "CTCLoss",
    aliases=("ctc_loss", "_contrib_CTCLoss", "_contrib_ctc_loss"),
    inputs=("data", "label", "data_lengths", "label_lengths"),
    active_inputs=_input_names,
    params=_PARAMS,
    shape=_shape,
    dtype=_dtype,
    num_outputs=2,
    visible_outputs=1,
    gradient=lambda ctx, grad, *hidden: [
        F._backward_ctc_loss(grad, ctx.outputs[1]),
        *[None] * (len(ctx.inputs) - 1),
    ],
    saves="o",
    cpu=(native("ctc_loss", "ctc"),),
    numpy=_kernel,
    cost=lambda attrs, ins, outs: 2000 + 20.0 * math.prod(ins[0]),
    doc="""Connectionist temporal classification: minus the log probability that data, read as scores of classes at each
    time step (time, batch, classes), emits the label sequence with blanks and repetitions removed. Softmax is applied
    inside. The hidden second output is the gradient in data.""",
    input_docs={
        "label": "Label sequences (batch, labels).",
        "data_lengths": "Number of time steps of each sample.",
        "label_lengths": "Number of labels of each sample.",
    },
    examples="""
    >>> from weft import nd
    >>> print(f'{nd.CTCLoss(nd.zeros((2, 1, 2)), nd.ones((1, 1))).asscalar():.4f}')
    0.2877
    """,
)


def _scale_kernel(attrs, ins, outs):
    head, grad = (array.astype(compute_dtype(array.dtype), copy=False) for array in ins)
    put(outs[0], head[None, :, None] * grad)


operator(
    "_backward_ctc_loss",
    inputs=("out_grad", "grad"),
    shape=lambda attrs, shapes: [shapes[1]],
    cpu=(native("backward_ctc_loss", "ctc"),),
    numpy=_scale_kernel,
    doc="""Scale the gradient that CTCLoss keeps by that of each sample's loss.""",
)
