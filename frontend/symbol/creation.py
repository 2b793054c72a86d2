"""Symbols that are made from nothing, and a few functions with arguments of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops.errors import ArgumentValueError
from ._namespace import function
from .symbol import Symbol

__all__ = ["arange", "eye", "full", "histogram", "linspace", "ones", "split_v2", "zeros"]


def _dtype(dtype: Any) -> Any:
    return np.float32 if dtype is None else dtype


def eye(N: int, M: int = 0, k: int = 0, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Return a matrix with ones on a diagonal, zeros elsewhere.

    Parameters
    ----------
    N, M : int
        Rows and columns; as many columns as rows if M is 0.
    k : int
        Which diagonal; 0 is the main one, positive ones are above it.
    dtype : str or numpy.dtype, optional
        float32 by default.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.eye(2).eval()[0].asnumpy().tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return function("_eye")(N=N, M=M, k=k, dtype=_dtype(dtype), **kwargs)


def zeros(shape: Any, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Return zeros.

    Parameters
    ----------
    shape : int or tuple of int
        The shape.
    dtype : str or numpy.dtype, optional
        float32 by default.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.zeros((1, 2)).eval()[0].asnumpy().tolist()
    [[0.0, 0.0]]
    """
    return function("_zeros")(shape=shape, dtype=_dtype(dtype), **kwargs)


def ones(shape: Any, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Return ones; parameters as of :func:`zeros`.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.ones((1, 2)).eval()[0].asnumpy().tolist()
    [[1.0, 1.0]]
    """
    return function("_ones")(shape=shape, dtype=_dtype(dtype), **kwargs)


def full(shape: Any, val: float, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Return a constant ``val``; other parameters as of :func:`zeros`.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.full((1, 2), 7).eval()[0].asnumpy().tolist()
    [[7.0, 7.0]]
    """
    return function("_full")(shape=shape, dtype=_dtype(dtype), value=float(val), **kwargs)


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    infer_range: bool = False,
    name: str | None = None,
    dtype: Any = None,
) -> Symbol:
    """Return evenly spaced numbers from ``start`` up to ``stop``, or from 0 up to ``start`` without a stop.

    Parameters
    ----------
    start, stop, step : number
        The first number, the end (not reached) and the distance.
    repeat : int
        How often each number occurs.
    infer_range : bool
        Whether to find the end from the size that the graph asks for.
    name : str, optional
        Name of the node.
    dtype : str or numpy.dtype, optional
        float32 by default.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.arange(3).eval()[0].asnumpy().tolist()
    [0.0, 1.0, 2.0]
    """
    return function("_arange")(start=start, stop=stop, step=step, repeat=repeat, infer_range=infer_range, name=name, dtype=_dtype(dtype))


def linspace(start: float, stop: float, num: int, endpoint: bool = True, name: str | None = None, dtype: Any = None) -> Symbol:
    """Return ``num`` evenly spaced numbers between two ends.

    Parameters
    ----------
    start, stop : number
        The ends.
    num : int
        How many.
    endpoint : bool
        Whether ``stop`` is the last one.
    name : str, optional
        Name of the node.
    dtype : str or numpy.dtype, optional
        float32 by default.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.linspace(0, 1, 3).eval()[0].asnumpy().tolist()
    [0.0, 0.5, 1.0]
    """
    return function("_linspace")(start=start, stop=stop, num=num, endpoint=endpoint, name=name, dtype=_dtype(dtype))


def histogram(a: Symbol, bins: Any = 10, range: tuple[float, float] | None = None, **kwargs: Any) -> Symbol:
    """Count how many elements fall into each bin; the second output are the bins' edges.

    Parameters
    ----------
    a : Symbol
        The data.
    bins : int or Symbol
        How many bins of equal width, or the edges of all bins.
    range : (float, float)
        First and last edge; needed if ``bins`` is a number.

    Examples
    --------
    >>> import weft as mx
    >>> counts, edges = mx.sym.histogram(mx.sym.Variable("x"), 2, (0, 4))
    >>> counts.eval(x=mx.nd.array([0, 1, 3]))[0].asnumpy().tolist()
    [2, 1]
    """
    if isinstance(bins, Symbol):
        return function("_histogram")(data=a, bins=bins, **kwargs)
    if isinstance(bins, (int, np.integer)):
        if range is None:
            raise ValueError("histogram: range is missing; it is needed with a number of bins")
        return function("_histogram")(data=a, bin_cnt=bins, range=range, **kwargs)
    raise ValueError(f"histogram: bins={bins!r:.60} must be an integer or a Symbol")


def split_v2(ary: Symbol, indices_or_sections: Any, axis: int = 0, squeeze_axis: bool = False) -> Symbol:
    """Cut an array into parts along an axis.

    Parameters
    ----------
    ary : Symbol
        The array.
    indices_or_sections : int or tuple of int
        The number of equal parts, or where to cut.
    axis : int
        The axis.
    squeeze_axis : bool
        Whether to drop the axis; only if it has length 1 in every part.

    Examples
    --------
    >>> import weft as mx
    >>> first, second = mx.sym.split_v2(mx.sym.Variable("x"), (1,))
    >>> second.eval(x=mx.nd.array([1, 2, 3]))[0].asnumpy().tolist()
    [2.0, 3.0]
    """
    if isinstance(indices_or_sections, (int, np.integer)):
        indices: list[int] = []
        sections = int(indices_or_sections)
    elif isinstance(indices_or_sections, (tuple, list)):
        indices, sections = [0, *indices_or_sections], 0
    else:
        raise ArgumentValueError(f"indices_or_sections={indices_or_sections!r} must be an int or a tuple of ints")
    return function("_split_v2")(ary, indices=indices, axis=axis, squeeze_axis=squeeze_axis, sections=sections)
