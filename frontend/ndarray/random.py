"""Random numbers: ``nd.random.uniform`` and the other distributions.

Parameters of a distribution are numbers, or arrays: then one sample (or ``shape`` samples) is drawn for every element.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops.array import NDArray
from ...ops.context import Context, current_context
from ...ops.dispatch import function
from ..base import _Null
from ._namespace import attach

__all__ = [
    "exponential",
    "gamma",
    "generalized_negative_binomial",
    "multinomial",
    "negative_binomial",
    "normal",
    "poisson",
    "randint",
    "randn",
    "shuffle",
    "uniform",
]

NUMBERS = (float, int, np.generic)


def _given(**values: Any) -> dict[str, Any]:
    """Return the arguments that were given, that is, are not _Null or None."""
    return {name: value for name, value in values.items() if value is not _Null and value is not None}


def _draw(
    name: str,
    parameters: dict[str, Any],
    shape: Any,
    dtype: Any,
    ctx: Context | None,
    out: NDArray | None,
    kwargs: dict[str, Any],
) -> NDArray:
    """Call ``_random_<name>`` for numbers, or ``_sample_<name>`` for arrays."""
    values = list(parameters.values())
    first = values[0]
    if isinstance(first, NDArray):
        _all_alike(name, parameters, NDArray)
        sample = function("_sample_" + name)
        return sample(*values, **_given(shape=shape, dtype=dtype, out=out), **kwargs)
    if not isinstance(first, NUMBERS):
        raise ValueError(f"Distribution parameters must be either NDArray or numbers, but got {type(first)}.")
    _all_alike(name, parameters, NUMBERS)
    if shape is _Null or shape is None:
        shape = (1,) if out is None else out.shape
    if ctx is None:
        ctx = current_context() if out is None else out.context
    random = function("_random_" + name)
    return random(**parameters, **_given(shape=shape, dtype=dtype, out=out), ctx=str(ctx), **kwargs)


def _all_alike(name: str, parameters: dict[str, Any], kind: Any) -> None:
    first = next(iter(parameters.values()))
    for value in parameters.values():
        if not isinstance(value, kind):
            raise ValueError(
                f"Distribution parameters must all have the same type, but got both {type(first)} and {type(value)} for {name}."
            )


def uniform(
    low: Any = 0, high: Any = 1, shape: Any = _Null, dtype: Any = _Null, ctx: Context | None = None, out: NDArray | None = None, **kwargs: Any
) -> NDArray:
    """Draw from the uniform distribution over the half-open interval from ``low`` to ``high``.

    Parameters
    ----------
    low, high : number or NDArray
        The ends of the interval.
    shape : int or tuple of int
        How many samples; as many for every element if the parameters are arrays.
    dtype : str, optional
        "float16", "float32" (the default) or "float64".
    ctx : Context, optional
        The device; the current context by default.
    out : NDArray, optional
        Where to write the samples.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.random.uniform(0, 1, shape=(2, 3)).shape
    (2, 3)
    >>> mx.nd.random.uniform(mx.nd.array([0, 10]), mx.nd.array([1, 11]), shape=4).shape
    (2, 4)
    """
    return _draw("uniform", {"low": low, "high": high}, shape, dtype, ctx, out, kwargs)


def normal(
    loc: Any = 0, scale: Any = 1, shape: Any = _Null, dtype: Any = _Null, ctx: Context | None = None, out: NDArray | None = None, **kwargs: Any
) -> NDArray:
    """Draw from the normal distribution with mean ``loc`` and standard deviation ``scale``.

    Other parameters are those of :func:`uniform`.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.random.normal(0, 2, shape=(5,)).shape
    (5,)
    """
    if isinstance(loc, NDArray):
        return _draw("normal", {"mu": loc, "sigma": scale}, shape, dtype, ctx, out, kwargs)
    return _draw("normal", {"loc": loc, "scale": scale}, shape, dtype, ctx, out, kwargs)


def randn(*shape: int, **kwargs: Any) -> NDArray:
    """Draw from the normal distribution; the shape is given as separate numbers.

    Parameters
    ----------
    *shape : int
        The shape; one sample if there is none.
    loc, scale : number or NDArray
        Mean and standard deviation.
    dtype, ctx, out
        As of :func:`uniform`.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.random.randn(2, 3).shape
    (2, 3)
    """
    loc = kwargs.pop("loc", 0)
    scale = kwargs.pop("scale", 1)
    dtype = kwargs.pop("dtype", _Null)
    ctx = kwargs.pop("ctx", None)
    out = kwargs.pop("out", None)
    return normal(loc, scale, shape or _Null, dtype, ctx, out, **kwargs)


def poisson(
    lam: Any = 1, shape: Any = _Null, dtype: Any = _Null, ctx: Context | None = None, out: NDArray | None = None, **kwargs: Any
) -> NDArray:
    """Draw from the Poisson distribution with expectation ``lam``; other parameters are those of :func:`uniform`.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.random.poisson(3, shape=(2,)).shape
    (2,)
    """
    return _draw("poisson", {"lam": lam}, shape, dtype, ctx, out, kwargs)


def exponential(
    scale: Any = 1, shape: Any = _Null, dtype: Any = _Null, ctx: Context | None = None, out: NDArray | None = None, **kwargs: Any
) -> NDArray:
    """Draw from the exponential distribution with expectation ``scale``; other parameters are those of :func:`uniform`.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.random.exponential(2.0, shape=(2,)).shape
    (2,)
    """
    return _draw("exponential", {"lam": 1.0 / scale}, shape, dtype, ctx, out, kwargs)


def gamma(
    alpha: Any = 1, beta: Any = 1, shape: Any = _Null, dtype: Any = _Null, ctx: Context | None = None, out: NDArray | None = None, **kwargs: Any
) -> NDArray:
    """Draw from the gamma distribution with shape ``alpha`` and scale ``beta``; others are those of :func:`uniform`.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.random.gamma(2, 2, shape=(2,)).shape
    (2,)
    """
    return _draw("gamma", {"alpha": alpha, "beta": beta}, shape, dtype, ctx, out, kwargs)


def negative_binomial(
    k: Any = 1, p: Any = 1, shape: Any = _Null, dtype: Any = _Null, ctx: Context | None = None, out: NDArray | None = None, **kwargs: Any
) -> NDArray:
    """Draw the number of failures before ``k`` successes of probability ``p``; others are those of :func:`uniform`.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.random.negative_binomial(3, 0.5, shape=(2,)).shape
    (2,)
    """
    return _draw("negative_binomial", {"k": k, "p": p}, shape, dtype, ctx, out, kwargs)


def generalized_negative_binomial(
    mu: Any = 1, alpha: Any = 1, shape: Any = _Null, dtype: Any = _Null, ctx: Context | None = None, out: NDArray | None = None, **kwargs: Any
) -> NDArray:
    """Draw from the negative binomial distribution with mean ``mu`` and dispersion ``alpha``.

    Other parameters are those of :func:`uniform`.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.random.generalized_negative_binomial(3, 0.5, shape=(2,)).shape
    (2,)
    """
    return _draw("generalized_negative_binomial", {"mu": mu, "alpha": alpha}, shape, dtype, ctx, out, kwargs)


def multinomial(
    data: NDArray, shape: Any = _Null, get_prob: bool = False, out: NDArray | None = None, dtype: Any = "int32", **kwargs: Any
) -> NDArray | list[NDArray]:
    """Draw positions from the distributions in the last axis of ``data``.

    Parameters
    ----------
    data : NDArray
        Probabilities; those along the last axis add up to 1.
    shape : int or tuple of int
        How many samples for every distribution; one by default.
    get_prob : bool
        Whether to return the logarithms of the samples' probabilities too.
    out : NDArray, optional
        Where to write the samples.
    dtype : str
        Dtype of the samples.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.random.multinomial(mx.nd.array([0, 1]), shape=3).asnumpy().tolist()
    [1, 1, 1]
    """
    return function("_sample_multinomial")(data, get_prob=get_prob, **_given(shape=shape, out=out, dtype=dtype), **kwargs)


def shuffle(data: NDArray, **kwargs: Any) -> NDArray:
    """Return the array with its first axis in random order.

    Examples
    --------
    >>> import weft as mx
    >>> sorted(mx.nd.random.shuffle(mx.nd.array([1, 2, 3])).asnumpy().tolist())
    [1.0, 2.0, 3.0]
    """
    return function("_shuffle")(data, **kwargs)


def randint(
    low: int, high: int, shape: Any = _Null, dtype: Any = _Null, ctx: Context | None = None, out: NDArray | None = None, **kwargs: Any
) -> NDArray:
    """Draw integers, all equally probable, from ``low`` to ``high``, which is not among them.

    Other parameters are those of :func:`uniform`; dtype is "int32" (the default) or "int64".

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.random.randint(5, 6, shape=(2,)).asnumpy().tolist()
    [5, 5]
    """
    if isinstance(low, NDArray) or isinstance(high, NDArray):
        raise ValueError("randint: low and high must be integers")
    return _draw("randint", {"low": low, "high": high}, shape, dtype, ctx, out, kwargs)


__getattr__, __dir__ = attach(__name__, "random")
