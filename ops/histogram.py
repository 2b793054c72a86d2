"""Counting the elements that fall into bins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .registry import Floats, Int, operator, zero_gradient

Array = np.ndarray


def _active(attrs: Any) -> tuple[str, ...]:
    return ("data", "bins") if attrs.bin_cnt is None else ("data",)


def _shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    if attrs.bin_cnt is None:
        if len(shapes[1]) != 1 or shapes[1][0] < 2:
            raise ValueError(f"bins has shape {shapes[1]}, expected the edges of at least one bin, along one axis")
        return [(shapes[1][0] - 1,), shapes[1]]
    if attrs.range is None or len(attrs.range) != 2:
        raise ValueError(f"range={attrs.range}: expected the two outer edges of the bins")
    if attrs.range[0] > attrs.range[1]:
        raise ValueError(f"range={attrs.range}: expected the left edge not to be right of the right one")
    return [(attrs.bin_cnt,), (attrs.bin_cnt + 1,)]


def _dtype(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    return [np.dtype(np.int64), dtypes[0]]


def _count(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    if attrs.bin_cnt is None:
        outs[1][...] = ins[1]
    else:
        outs[1][...] = np.linspace(attrs.range[0], attrs.range[1], attrs.bin_cnt + 1).astype(outs[1].dtype)
    edges = outs[1]
    values = ins[0].ravel()
    values = values[(values >= edges[0]) & (values <= edges[-1])]
    places = np.searchsorted(edges, values, side="right") - 1
    places[values == edges[-1]] = len(edges) - 2  # the last bin contains both its edges
    outs[0][...] = np.bincount(places, minlength=len(edges) - 1)[: len(edges) - 1]


operator(
    "_histogram",
    inputs=("data", "bins"),
    active_inputs=_active,
    params=(
        Int("bin_cnt", None, low=1, doc="Number of bins of equal width; without it `bins` gives the edges."),
        Floats("range", None, doc="Outer edges of the bins."),
    ),
    shape=_shape,
    dtype=_dtype,
    num_outputs=2,
    gradient=zero_gradient,
    numpy=_count,
    cost=20.0,
    doc="Count the elements in each bin; returns the counts and the bins' edges. Elements outside all bins are not counted.",
    input_docs={"bins": "Edges of the bins, ascending."},
    examples="""
    >>> import weft as mx
    >>> counts, edges = mx.nd.histogram(mx.nd.array([1, 2, 3]), bins=3, range=(0, 3))
    >>> counts.asnumpy().tolist(), edges.asnumpy().tolist()
    ([0, 1, 2], [0.0, 1.0, 2.0, 3.0])
    """,
)
