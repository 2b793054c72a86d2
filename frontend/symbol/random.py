"""Random numbers: ``sym.random.uniform`` and the other distributions.

Parameters of a distribution are numbers, or symbols: then one sample (or ``shape`` samples) is drawn for every element.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base import _Null
from ._namespace import attach, function
from .symbol import Symbol

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


def _draw(name: str, parameters: dict[str, Any], symbols: dict[str, Any] | None, shape: Any, dtype: Any, kwargs: dict[str, Any]) -> Symbol:
    """Call ``_random_<name>`` for numbers, or ``_sample_<name>`` for symbols, whose inputs may be called otherwise."""
    values = list(parameters.values())
    first = values[0]
    kind: Any = Symbol if isinstance(first, Symbol) else NUMBERS
    for value in values:
        if not isinstance(value, kind):
            raise ValueError(
                f"{name}: distribution parameters must all be Symbols or all numbers, got {', '.join(type(v).__name__ for v in values)}"
            )
    options = {key: value for key, value in (("shape", shape), ("dtype", dtype)) if value is not _Null and value is not None}
    if kind is Symbol:
        return function("_sample_" + name)(**(symbols or parameters), **options, **kwargs)
    return function("_random_" + name)(**parameters, **options, **kwargs)


def uniform(low: Any = 0, high: Any = 1, shape: Any = _Null, dtype: Any = _Null, **kwargs: Any) -> Symbol:
    """Draw from the uniform distribution over the half-open interval from ``low`` to ``high``.

    Parameters
    ----------
    low, high : number or Symbol
        The ends of the interval.
    shape : int or tuple of int
        How many samples; as many for every element if the parameters are symbols.
    dtype : str, optional
        "float16", "float32" (the default) or "float64".

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.random.uniform(0, 1, shape=(2, 3)).eval()[0].shape
    (2, 3)
    """
    return _draw("uniform", {"low": low, "high": high}, None, shape, dtype, kwargs)


def normal(loc: Any = 0, scale: Any = 1, shape: Any = _Null, dtype: Any = _Null, **kwargs: Any) -> Symbol:
    """Draw from the normal distribution with mean ``loc`` and standard deviation ``scale``; see :func:`uniform`.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.random.normal(0, 2, shape=(5,)).eval()[0].shape
    (5,)
    """
    return _draw("normal", {"loc": loc, "scale": scale}, {"mu": loc, "sigma": scale}, shape, dtype, kwargs)


def randn(*shape: int, **kwargs: Any) -> Symbol:
    """Draw from the normal distribution; the shape is given as separate numbers.

    Parameters
    ----------
    *shape : int
        The shape.
    loc, scale : number or Symbol
        Mean (0) and standard deviation (1).
    dtype : str, optional
        float32 by default.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.random.randn(2, 3).eval()[0].shape
    (2, 3)
    """
    loc, scale, dtype = kwargs.pop("loc", 0), kwargs.pop("scale", 1), kwargs.pop("dtype", _Null)
    return normal(loc, scale, shape=shape, dtype=dtype, **kwargs)


def poisson(lam: Any = 1, shape: Any = _Null, dtype: Any = _Null, **kwargs: Any) -> Symbol:
    """Draw from the Poisson distribution with rate ``lam``; see :func:`uniform`.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.random.poisson(4, shape=(2,)).eval()[0].shape
    (2,)
    """
    return _draw("poisson", {"lam": lam}, None, shape, dtype, kwargs)


def exponential(scale: Any = 1, shape: Any = _Null, dtype: Any = _Null, **kwargs: Any) -> Symbol:
    """Draw from the exponential distribution with mean ``scale``; see :func:`uniform`.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.random.exponential(4, shape=(2,)).eval()[0].shape
    (2,)
    """
    rate = 1.0 / scale
    return _draw("exponential", {"lam": rate}, None, shape, dtype, kwargs)


def gamma(alpha: Any = 1, beta: Any = 1, shape: Any = _Null, dtype: Any = _Null, **kwargs: Any) -> Symbol:
    """Draw from the gamma distribution with shape ``alpha`` and scale ``beta``; see :func:`uniform`.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.random.gamma(2, 1, shape=(2,)).eval()[0].shape
    (2,)
    """
    return _draw("gamma", {"alpha": alpha, "beta": beta}, None, shape, dtype, kwargs)


def negative_binomial(k: Any = 1, p: Any = 1, shape: Any = _Null, dtype: Any = _Null, **kwargs: Any) -> Symbol:
    """Draw the number of failures before the ``k``-th success, each with probability ``p``; see :func:`uniform`.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.random.negative_binomial(3, 0.5, shape=(2,)).eval()[0].shape
    (2,)
    """
    return _draw("negative_binomial", {"k": k, "p": p}, None, shape, dtype, kwargs)


def generalized_negative_binomial(mu: Any = 1, alpha: Any = 1, shape: Any = _Null, dtype: Any = _Null, **kwargs: Any) -> Symbol:
    """Draw from the negative binomial distribution with mean ``mu`` and dispersion ``alpha``; see :func:`uniform`.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.random.generalized_negative_binomial(3, 0.5, shape=(2,)).eval()[0].shape
    (2,)
    """
    return _draw("generalized_negative_binomial", {"mu": mu, "alpha": alpha}, None, shape, dtype, kwargs)


def multinomial(data: Symbol, shape: Any = _Null, get_prob: bool = True, dtype: str = "int32", **kwargs: Any) -> Symbol:
    """Draw indices with the probabilities of the last axis of ``data``; with ``get_prob`` their log-likelihoods too.

    Examples
    --------
    >>> import weft as mx
    >>> drawn, likelihood = mx.sym.random.multinomial(mx.sym.Variable("p"), shape=2)
    >>> drawn.eval(p=mx.nd.array([0.5, 0.5]))[0].shape
    (2,)
    """
    return function("_sample_multinomial")(data, shape=shape, get_prob=get_prob, dtype=dtype, **kwargs)


def shuffle(data: Symbol, **kwargs: Any) -> Symbol:
    """Put the entries along the first axis into random order.

    Examples
    --------
    >>> import weft as mx
    >>> sorted(mx.sym.random.shuffle(mx.sym.Variable("x")).eval(x=mx.nd.array([1, 2]))[0].asnumpy().tolist())
    [1.0, 2.0]
    """
    return function("_shuffle")(data, **kwargs)


def randint(low: Any, high: Any, shape: Any = _Null, dtype: Any = _Null, **kwargs: Any) -> Symbol:
    """Draw integers from ``low`` up to, not including, ``high``.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.random.randint(0, 5, shape=(2,)).eval()[0].shape
    (2,)
    """
    return _draw("randint", {"low": low, "high": high}, None, shape, dtype, kwargs)


__getattr__, __dir__ = attach(__name__, "random")
