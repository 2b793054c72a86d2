"""``nd.contrib``: control flow with Python functions, and the operators of MXNet's ``_contrib_`` family."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...ops.array import NDArray
from ...ops.context import Context, current_context
from ...ops.functions import F
from ..nesting import flatten, regroup
from ._namespace import attach
from .creation import array, zeros
from .random import uniform

__all__ = ["cond", "foreach", "isfinite", "isinf", "isnan", "rand_zipfian", "uniform", "while_loop"]


def _flatten(value: Any, what: str) -> tuple[list[NDArray], Any]:
    """Return the arrays in nested lists in order, and the nesting."""
    return flatten(value, what, NDArray)


def foreach(body: Callable[[Any, Any], tuple[Any, Any]], data: Any, init_states: Any) -> tuple[Any, Any]:
    """Run a function on each element along the first axis, handing states on from one to the next.

    Parameters
    ----------
    body : callable
        ``body(data, states) -> (outputs, new states)``.
    data : NDArray or nested lists of NDArray
        What to iterate over.
    init_states : NDArray or nested lists of NDArray
        The states for the first element.

    Returns
    -------
    outputs, states
        The outputs, stacked along a new first axis, and the last states.

    Examples
    --------
    >>> import weft as mx
    >>> sums, last = mx.nd.contrib.foreach(lambda x, s: (x + s, x + s), mx.nd.array([1, 2, 3]), mx.nd.zeros((1,)))
    >>> sums.asnumpy().ravel().tolist(), float(last)
    ([1.0, 3.0, 6.0], 6.0)
    """
    arrays, nesting = _flatten(data, "foreach input")
    _flatten(init_states, "foreach states")
    if not arrays:
        raise ValueError("foreach: data holds no arrays")
    length = len(arrays[0])
    for item in arrays:
        if len(item) != length:
            raise ValueError(f"foreach: all data must have the same length along the first axis, got {length} and {len(item)}")
    states = init_states
    collected: list[list[NDArray]] = []
    out_nesting: Any = []
    for step in range(length):
        outputs, states = body(regroup([item[step] for item in arrays], nesting), states)
        flat, out_nesting = _flatten(outputs, "the output of foreach's body")
        _flatten(states, "the states of foreach's body")
        collected.append(flat)
    stacked = [F.stack(*column, axis=0) for column in zip(*collected)]
    return regroup(stacked, out_nesting), states


def _as_tuple(value: Any) -> tuple[tuple[Any, ...], bool]:
    """Return loop variables as a tuple, and whether they were a single array."""
    if isinstance(value, NDArray):
        return (value,), True
    return tuple(value), False


def while_loop(
    cond: Callable[..., Any], func: Callable[..., tuple[Any, Any]], loop_vars: Any, max_iterations: int | None = None
) -> tuple[Any, Any]:
    """Run a function again and again while a condition holds.

    Parameters
    ----------
    cond : callable
        ``cond(*loop_vars)`` gives an array of one element or a number.
    func : callable
        ``func(*loop_vars) -> (step output, new loop_vars)``.
    loop_vars : NDArray or nested lists of NDArray
        The variables for the first step.
    max_iterations : int
        The most steps; the outputs have this length, filled up with zeros.

    Returns
    -------
    outputs, loop_vars
        The step outputs along a new first axis, and the last variables.

    Examples
    --------
    >>> import weft as mx
    >>> outputs, last = mx.nd.contrib.while_loop(lambda i: i < 3, lambda i: (i * i, i + 1), mx.nd.array([0]), max_iterations=4)
    >>> outputs.asnumpy().ravel().tolist(), float(last)
    ([0.0, 1.0, 4.0, 0.0], 3.0)
    """
    if max_iterations is None:
        raise ValueError("max_iterations should be specified")
    limit = int(max_iterations)
    if limit <= 0:
        raise ValueError(f"max_iterations={max_iterations!r} should be a positive integer")
    if not isinstance(loop_vars, NDArray) and not loop_vars:
        raise ValueError("loop_vars should contain at least one element")
    _, nesting = _flatten(loop_vars, "loop_vars")
    collected: list[list[NDArray]] = []
    out_nesting: Any = []
    steps = 0
    while steps < limit and _as_bool(cond(*_as_tuple(loop_vars)[0])):
        step_output, new_vars = func(*_as_tuple(loop_vars)[0])
        flat, out_nesting = _flatten([] if step_output is None else step_output, "step_output")
        new_flat, new_nesting = _flatten([] if new_vars is None else new_vars, "new_loop_vars")
        if collected and len(flat) != len(collected[0]):
            raise ValueError(f"Number of elements in step_output should be the same in each step, got {len(flat)} and {len(collected[0])}")
        if {str(nesting), str(new_nesting)} == {"0", "[0]"}:  # one variable, with or without its list
            new_nesting, new_vars = nesting, regroup(new_flat, nesting)
        if new_nesting != nesting:
            raise ValueError("The structure (length, nesting) of new_loop_vars should be that of loop_vars")
        loop_vars = list(new_vars) if isinstance(new_vars, tuple) else new_vars  # MXNet gives a list
        collected.append(flat)
        steps += 1
    stacked = [_padded(list(column), limit) for column in zip(*collected)]
    return regroup(stacked, out_nesting), loop_vars


def _padded(items: list[NDArray], length: int) -> NDArray:
    first = items[0]
    for item in items:
        if item.shape != first.shape:
            raise ValueError(f"step_output must have the same shape in every step, got {first.shape} and {item.shape}")
    stacked = F.stack(*items, axis=0)
    if len(items) == length:
        return stacked
    rest = zeros((length - len(items), *first.shape), first.context, first.dtype)
    return F.Concat(stacked, rest, dim=0)


def _as_bool(value: Any) -> bool:
    if isinstance(value, NDArray):
        return bool(value.asscalar())
    return bool(value)


def cond(pred: Any, then_func: Callable[[], Any], else_func: Callable[[], Any]) -> Any:
    """Call one of two functions, by a condition, and return what it gives.

    Parameters
    ----------
    pred : NDArray of one element, or number
        The condition.
    then_func, else_func : callable
        Called without arguments if the condition is true, or not.

    Examples
    --------
    >>> import weft as mx
    >>> x = mx.nd.array([2])
    >>> float(mx.nd.contrib.cond(x > 1, lambda: x * 10, lambda: x))
    20.0
    """
    result = then_func() if _as_bool(pred) else else_func()
    _flatten(result, "the output of cond's functions")
    return result


def isfinite(data: NDArray) -> NDArray:
    """Return 1 where the elements are finite, else 0.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.contrib.isfinite(mx.nd.array([1, float("inf"), float("nan")])).asnumpy().tolist()
    [1.0, 0.0, 0.0]
    """
    return (data == data) * (F.abs(data) != math.inf)


def isinf(data: NDArray) -> NDArray:
    """Return 1 where the elements are infinite, else 0.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.contrib.isinf(mx.nd.array([1, float("-inf")])).asnumpy().tolist()
    [0.0, 1.0]
    """
    return F.abs(data) == math.inf


def isnan(data: NDArray) -> NDArray:
    """Return 1 where the elements are not a number, else 0.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.contrib.isnan(mx.nd.array([1, float("nan")])).asnumpy().tolist()
    [0.0, 1.0]
    """
    return data != data


def rand_zipfian(true_classes: NDArray, num_sampled: int, range_max: int, ctx: Context | None = None) -> tuple[NDArray, NDArray, NDArray]:
    """Draw classes from an approximately log-uniform (Zipfian) distribution: low numbers are frequent.

    Parameters
    ----------
    true_classes : NDArray
        The target classes.
    num_sampled : int
        How many to draw.
    range_max : int
        The number of classes.
    ctx : Context, optional
        The device; the current context by default.

    Returns
    -------
    samples, expected_true, expected_sampled : NDArray
        The classes drawn (int64), and how often the target classes and they are expected to be drawn (float64).

    Examples
    --------
    >>> import weft as mx
    >>> samples, true_count, sampled_count = mx.nd.contrib.rand_zipfian(mx.nd.array([3]), 4, 5)
    >>> samples.shape, true_count.shape
    ((4,), (1,))
    """
    if ctx is None:
        ctx = current_context()
    log_range = math.log(range_max + 1)
    uniform = F._random_uniform(low=0.0, high=log_range, shape=(num_sampled,), dtype="float64", ctx=str(ctx))
    samples = F.Cast(F.exp(uniform), dtype="int64") - 1
    samples = samples % range_max

    def expected(classes: NDArray) -> NDArray:
        number = F.Cast(classes.as_in_context(ctx), dtype="float64")
        return F.log((number + 2.0) / (number + 1.0)) / log_range * num_sampled

    return samples, expected(true_classes), expected(samples)


def _get_rescale_grad(rescale_grad: Any, ctx: Context | None = None) -> NDArray:
    if isinstance(rescale_grad, NDArray):
        return rescale_grad.as_in_context(ctx or current_context())
    return array(np.full((1,), rescale_grad, np.float32), ctx)


def adamw_update(
    weight: NDArray,
    grad: NDArray,
    mean: NDArray,
    var: NDArray,
    rescale_grad: Any,
    lr: float,
    eta: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    wd: float = 0,
    clip_gradient: float = -1,
    out: NDArray | None = None,
    name: str | None = None,
    **kwargs: Any,
) -> NDArray:
    """Update weights by AdamW (weight decay apart from the gradient); ``rescale_grad`` is a number or an array.

    Examples
    --------
    >>> import weft as mx
    >>> w, g, m, v = mx.nd.ones((2,)), mx.nd.ones((2,)), mx.nd.zeros((2,)), mx.nd.zeros((2,))
    >>> mx.nd.contrib.adamw_update(w, g, m, v, 1.0, lr=0.1, eta=1, out=w).shape
    (2,)
    """
    scale = _get_rescale_grad(rescale_grad, weight.context)
    options = {"lr": lr, "eta": eta, "beta1": beta1, "beta2": beta2, "epsilon": epsilon, "wd": wd, "clip_gradient": clip_gradient}
    return F._adamw_update(weight, grad, mean, var, scale, **options, out=out, **kwargs)


def mp_adamw_update(
    weight: NDArray,
    grad: NDArray,
    mean: NDArray,
    var: NDArray,
    weight32: NDArray,
    rescale_grad: Any,
    lr: float,
    eta: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    wd: float = 0,
    clip_gradient: float = -1,
    out: NDArray | None = None,
    name: str | None = None,
    **kwargs: Any,
) -> NDArray:
    """Update float16 weights by AdamW through a float32 copy of them; parameters as of :func:`adamw_update`.

    Examples
    --------
    >>> import weft as mx
    >>> w, w32 = mx.nd.ones((2,), dtype="float16"), mx.nd.ones((2,))
    >>> g, m, v = mx.nd.ones((2,), dtype="float16"), mx.nd.zeros((2,)), mx.nd.zeros((2,))
    >>> mx.nd.contrib.mp_adamw_update(w, g, m, v, w32, 1.0, lr=0.1, eta=1, out=w).shape
    (2,)
    """
    scale = _get_rescale_grad(rescale_grad, weight.context)
    options = {"lr": lr, "eta": eta, "beta1": beta1, "beta2": beta2, "epsilon": epsilon, "wd": wd, "clip_gradient": clip_gradient}
    return F._mp_adamw_update(weight, grad, mean, var, weight32, scale, **options, out=out, **kwargs)


def _interleaved(*lists: Sequence[NDArray]) -> list[NDArray]:
    """Return the first of every list, then the second of every list, and so on: the order of the operators' inputs."""
    return [item for together in zip(*lists, strict=True) for item in together]


def multi_adamw_update(
    weights: Sequence[NDArray],
    grads: Sequence[NDArray],
    mean: Sequence[NDArray],
    var: Sequence[NDArray],
    rescale_grad: Any,
    lrs: Sequence[float],
    wds: Sequence[float],
    etas: Sequence[float],
    out: Sequence[NDArray] | None = None,
    name: str | None = None,
    size: int = 0,
    **kwargs: Any,
) -> Any:
    """Update several weights by AdamW at once; see :func:`adamw_update`.

    Examples
    --------
    >>> import weft as mx
    >>> w, g, m, v = ([mx.nd.ones((2,))] for _ in range(4))
    >>> updated = mx.nd.contrib.multi_adamw_update(w, g, m, v, 1.0, lrs=[0.1], wds=[0.0], etas=[1.0], out=w)
    """
    arrays = _interleaved(weights, grads, mean, var) + [_get_rescale_grad(rescale_grad, weights[0].context)]
    rates = {"lrs": tuple(lrs), "wds": tuple(wds), "etas": tuple(etas)}
    return F._multi_adamw_update(*arrays, num_weights=size or len(weights), **rates, out=out, **kwargs)


def multi_mp_adamw_update(
    weights: Sequence[NDArray],
    grads: Sequence[NDArray],
    mean: Sequence[NDArray],
    var: Sequence[NDArray],
    weights32: Sequence[NDArray],
    rescale_grad: Any,
    lrs: Sequence[float],
    wds: Sequence[float],
    etas: Sequence[float],
    out: Sequence[NDArray] | None = None,
    name: str | None = None,
    size: int = 0,
    **kwargs: Any,
) -> Any:
    """Update several float16 weights by AdamW at once; see :func:`mp_adamw_update`.

    Examples
    --------
    >>> import weft as mx
    >>> w, g = ([mx.nd.ones((2,), dtype="float16")] for _ in range(2))
    >>> m, v, w32 = ([mx.nd.ones((2,))] for _ in range(3))
    >>> updated = mx.nd.contrib.multi_mp_adamw_update(w, g, m, v, w32, 1.0, lrs=[0.1], wds=[0.0], etas=[1.0], out=w)
    """
    arrays = _interleaved(weights, grads, mean, var, weights32) + [_get_rescale_grad(rescale_grad, weights[0].context)]
    rates = {"lrs": tuple(lrs), "wds": tuple(wds), "etas": tuple(etas)}
    return F._multi_mp_adamw_update(*arrays, num_weights=size or len(weights), **rates, out=out, **kwargs)


def multi_lamb_update(
    weights: Sequence[NDArray],
    grads: Sequence[NDArray],
    mean: Sequence[NDArray],
    var: Sequence[NDArray],
    step_count: Sequence[int],
    lrs: Sequence[float],
    wds: Sequence[float],
    out: Sequence[NDArray] | None = None,
    num_tensors: int = 0,
    **kwargs: Any,
) -> Any:
    """Update several weights by LAMB at once; ``step_count`` says how often each was updated, this time included.

    Examples
    --------
    >>> import weft as mx
    >>> w, g, m, v = ([mx.nd.ones((2,))] for _ in range(4))
    >>> updated = mx.nd.contrib.multi_lamb_update(w, g, m, v, step_count=[1], lrs=[0.1], wds=[0.0], out=w)
    """
    arrays = _interleaved(weights, grads, mean, var)
    rates = {"step_count": tuple(step_count), "learning_rates": tuple(lrs), "wds": tuple(wds)}
    return F._multi_lamb_update(*arrays, num_tensors=num_tensors or len(weights), **rates, out=out, **kwargs)


def multi_mp_lamb_update(
    weights: Sequence[NDArray],
    grads: Sequence[NDArray],
    mean: Sequence[NDArray],
    var: Sequence[NDArray],
    weights32: Sequence[NDArray],
    step_count: Sequence[int],
    lrs: Sequence[float],
    wds: Sequence[float],
    out: Sequence[NDArray] | None = None,
    num_tensors: int = 0,
    **kwargs: Any,
) -> Any:
    """Update several float16 weights by LAMB at once; see :func:`multi_lamb_update`.

    Examples
    --------
    >>> import weft as mx
    >>> w, g = ([mx.nd.ones((2,), dtype="float16")] for _ in range(2))
    >>> m, v, w32 = ([mx.nd.ones((2,))] for _ in range(3))
    >>> updated = mx.nd.contrib.multi_mp_lamb_update(w, g, m, v, w32, step_count=[1], lrs=[0.1], wds=[0.0], out=w)
    """
    arrays = _interleaved(weights, grads, mean, var, weights32)
    rates = {"step_count": tuple(step_count), "learning_rates": tuple(lrs), "wds": tuple(wds)}
    return F._multi_mp_lamb_update(*arrays, num_tensors=num_tensors or len(weights), **rates, out=out, **kwargs)


__getattr__, __dir__ = attach(__name__, "contrib")
