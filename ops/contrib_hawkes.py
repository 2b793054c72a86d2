"""Log likelihood of a multivariate Hawkes process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .functions import F
from .registry import operator

Array = np.ndarray
Sizes = tuple[int, ...]


def _check(shapes: Sequence[Sizes]) -> None:
    lda, alpha, beta, state, lags, marks, valid_length, max_time = shapes
    if len(lda) != 2 or len(lags) != 2:
        raise ValueError(f"lda has shape {lda} and lags {lags}, expected (batch, marks) and (batch, time)")
    batch, kinds = lda
    wanted = {"alpha": (kinds,), "beta": (kinds,), "state": lda, "lags": (batch, lags[1]), "marks": lags}
    wanted.update(valid_length=(batch,), max_time=(batch,))
    found = dict(zip(wanted, (alpha, beta, state, lags, marks, valid_length, max_time)))
    for name, shape in wanted.items():
        if found[name] != shape:
            raise ValueError(f"{name} has shape {found[name]}, expected {shape}")


def _shape(attrs: Any, shapes: Sequence[Sizes]) -> list[Sizes]:
    _check(shapes)
    return [(shapes[0][0],), shapes[0]]


def _dtype(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    if dtypes[0].kind != "f":
        raise ValueError(f"lda has dtype {dtypes[0]}, expected a floating-point dtype")
    return [dtypes[0], dtypes[0]]


class _Process:
    """Runs through the points of all sequences at once; keeps the likelihood's derivatives if asked to."""

    def __init__(self, ins: Sequence[Array], derive: bool) -> None:
        lda, alpha, beta, state, lags, marks, valid, end = ins
        self.mu, self.state = lda.astype(np.float64), state.astype(np.float64)
        self.alpha, self.beta = alpha.astype(np.float64), beta.astype(np.float64)
        self.d_state = np.zeros_like(self.state)  # derivative of the state with respect to beta
        self.last = np.zeros_like(self.state)
        self.total = np.zeros(lda.shape[0])
        self.d_mu, self.d_alpha, self.d_beta = (np.zeros_like(self.state) for _ in range(3))
        self.derive = derive
        self.time = np.zeros(lda.shape[0])
        for step in range(lags.shape[1]):
            rows = np.flatnonzero(step < valid)
            if rows.size:
                self.time[rows] += lags[rows, step]
                self._point(rows, marks[rows, step].astype(np.int64))
        rows, kinds = np.indices(self.mu.shape)
        self._elapse(rows.ravel(), kinds.ravel(), np.repeat(end.astype(np.float64), lda.shape[1]))

    def _elapse(self, rows: Array, kinds: Array, now: Array) -> tuple[Array, ...]:
        """Let time pass for some marks: subtract the compensator and decay the state."""
        at = (rows, kinds)
        alpha, beta = self.alpha[kinds], self.beta[kinds]
        passed = now - self.last[at]
        decay = np.exp(-beta * passed)
        old, d_old = self.state[at], self.d_state[at]
        np.add.at(self.total, rows, -(self.mu[at] * passed + alpha * old * (1 - decay)))
        decayed, d_decayed = old * decay, d_old * decay - old * passed * decay
        self.state[at], self.d_state[at] = decayed, d_decayed
        self.last[at] = now
        if self.derive:
            self.d_mu[at] -= passed
            self.d_alpha[at] -= old * (1 - decay)
            self.d_beta[at] -= alpha * (d_old - d_decayed)
        return alpha, beta, decayed, d_decayed

    def _point(self, rows: Array, kinds: Array) -> None:
        at = (rows, kinds)
        alpha, beta, decayed, d_decayed = self._elapse(rows, kinds, self.time[rows])
        intensity = self.mu[at] + alpha * beta * decayed
        self.total[rows] += np.log(intensity)
        if self.derive:
            self.d_mu[at] += 1 / intensity
            self.d_alpha[at] += beta * decayed / intensity
            self.d_beta[at] += alpha * (decayed + beta * d_decayed) / intensity
        self.state[at] += 1


def _forward(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    process = _Process(ins, False)
    outs[0][...], outs[1][...] = process.total, process.state


def _backward(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    process = _Process(ins[1:], True)
    grad = ins[0].astype(np.float64)[:, None]
    outs[0][...] = grad * process.d_mu
    outs[1][...] = (grad * process.d_alpha).sum(axis=0)
    outs[2][...] = (grad * process.d_beta).sum(axis=0)


_INPUTS = ("lda", "alpha", "beta", "state", "lags", "marks", "valid_length", "max_time")
_DOCS = {
    "lda": "Background intensity of each mark, (batch, marks).",
    "alpha": "Branching ratio of each mark.",
    "beta": "Rate of decay of each mark.",
    "state": "State of each mark at the beginning, (batch, marks).",
    "lags": "Times between points, (batch, time).",
    "marks": "Mark of each point, (batch, time).",
    "valid_length": "Number of points in each sequence.",
    "max_time": "End of the observation of each sequence.",
}

operator(
    "_contrib_hawkesll",
    inputs=_INPUTS,
    shape=_shape,
    dtype=_dtype,
    num_outputs=2,
    output_names=("output", "out_state"),
    gradient=lambda ctx, g, *state: [*F._backward_hawkesll(g, *ctx.inputs), None, None, None, None, None],
    saves="i",
    numpy=_forward,
    doc="Log likelihood of marked points under a Hawkes process with exponential decay, and its state at the end.",
    input_docs=_DOCS,
)
operator(
    "_backward_hawkesll",
    inputs=("out_grad", *_INPUTS),
    shape=lambda attrs, shapes: list(shapes[1:4]),
    dtype=lambda attrs, dtypes: list(dtypes[1:4]),
    num_outputs=3,
    numpy=_backward,
    doc="Gradient of hawkesll with respect to background, branching ratio and decay.",
    input_docs=_DOCS,
)
