"""``sym.contrib``: control flow, and the operators of MXNet's ``_contrib_`` family."""

from __future__ import annotations

import math
from typing import Any

from ._namespace import attach, function
from .control_flow import cond as cond
from .control_flow import foreach as foreach
from .control_flow import while_loop as while_loop
from .creation import full
from .random import uniform
from .symbol import Symbol

__all__ = ["adamw_update", "cond", "foreach", "isfinite", "isinf", "isnan", "mp_adamw_update", "rand_zipfian", "while_loop"]


def rand_zipfian(true_classes: Symbol, num_sampled: int, range_max: int) -> tuple[Symbol, Symbol, Symbol]:
    """Draw classes from an approximately log-uniform (Zipfian) distribution: low numbers are frequent.

    Parameters
    ----------
    true_classes : Symbol
        The target classes.
    num_sampled : int
        How many to draw.
    range_max : int
        The number of classes.

    Returns
    -------
    samples, expected_true, expected_sampled : Symbol
        The classes drawn, and how often the target classes and they are expected to be drawn.

    Examples
    --------
    >>> import weft as mx
    >>> samples, _, _ = mx.sym.contrib.rand_zipfian(mx.sym.Variable("classes"), 4, 5)
    >>> samples.eval()[0].shape
    (4,)
    """
    if not isinstance(true_classes, Symbol):
        raise TypeError(f"rand_zipfian: true_classes must be a Symbol, got {type(true_classes).__name__}")
    log_range = math.log(range_max + 1)
    cast, exp, log = function("cast"), function("exp"), function("log")
    drawn: Any = exp(uniform(0, log_range, shape=(num_sampled,), dtype="float64"))
    samples: Any = cast(drawn - 1, dtype="int64")
    samples = samples % range_max

    def expected(classes: Any) -> Symbol:
        number: Any = cast(classes, dtype="float64")
        logarithm: Any = log((number + 2.0) / (number + 1.0))
        return logarithm / log_range * num_sampled

    return samples, expected(true_classes), expected(samples)


def isfinite(data: Any) -> Symbol:
    """Return 1 where the elements are finite, else 0.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.contrib.isfinite(mx.sym.Variable("x")).eval(x=mx.nd.array([1, float("inf")]))[0].asnumpy().tolist()
    [1.0, 0.0]
    """
    magnitude: Any = function("abs")(data)
    return (data == data) * (magnitude != math.inf)


def isinf(data: Any) -> Symbol:
    """Return 1 where the elements are infinite, else 0.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.contrib.isinf(mx.sym.Variable("x")).eval(x=mx.nd.array([1, float("inf")]))[0].asnumpy().tolist()
    [0.0, 1.0]
    """
    magnitude: Any = function("abs")(data)
    return magnitude == math.inf


def isnan(data: Any) -> Symbol:
    """Return 1 where the elements are not a number, else 0.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.contrib.isnan(mx.sym.Variable("x")).eval(x=mx.nd.array([1, float("nan")]))[0].asnumpy().tolist()
    [0.0, 1.0]
    """
    return data != data


def _scale(rescale_grad: Any) -> Symbol:
    return rescale_grad if isinstance(rescale_grad, Symbol) else full((1,), rescale_grad)


def adamw_update(weight: Symbol, grad: Symbol, mean: Symbol, var: Symbol, rescale_grad: Any, **kwargs: Any) -> Symbol:
    """Update weights by AdamW; ``rescale_grad`` is a number or a Symbol.

    Examples
    --------
    >>> import weft as mx
    >>> w, g, m, v = (mx.sym.Variable(name) for name in "wgmv")
    >>> mx.sym.contrib.adamw_update(w, g, m, v, 1.0, lr=0.1, eta=1.0, name="step").list_outputs()
    ['step_output']
    """
    return function("_adamw_update")(weight, grad, mean, var, _scale(rescale_grad), **kwargs)


def mp_adamw_update(weight: Symbol, grad: Symbol, mean: Symbol, var: Symbol, weight32: Symbol, rescale_grad: Any, **kwargs: Any) -> Symbol:
    """Update float16 weights by AdamW through a float32 copy of them; see :func:`adamw_update`.

    Examples
    --------
    >>> import weft as mx
    >>> w, g, m, v, w32 = (mx.sym.Variable(name) for name in ("w", "g", "m", "v", "w32"))
    >>> mx.sym.contrib.mp_adamw_update(w, g, m, v, w32, 1.0, lr=0.1, eta=1.0, name="step").list_outputs()
    ['step_output']
    """
    return function("_mp_adamw_update")(weight, grad, mean, var, weight32, _scale(rescale_grad), **kwargs)


__getattr__, __dir__ = attach(__name__, "contrib")
