"""The first interface of automatic differentiation that MXNet had; :mod:`weft.autograd` took its place."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from ...ops.modes import set_recording, set_training
from .. import autograd as _autograd
from ..ndarray import NDArray, zeros_like

__all__ = [
    "TrainingStateScope",
    "backward",
    "compute_gradient",
    "grad",
    "grad_and_loss",
    "mark_variables",
    "set_is_training",
    "test_section",
    "train_section",
]

mark_variables = _autograd.mark_variables


def set_is_training(is_train: bool) -> bool:
    """Record calls and let operators behave as in training, or neither; return what it was before.

    Examples
    --------
    >>> set_is_training(True), set_is_training(False)
    (False, True)
    """
    set_training(bool(is_train))
    return set_recording(bool(is_train))


class TrainingStateScope:
    """Sets what :func:`set_is_training` sets for a ``with`` block."""

    def __init__(self, enter_state: bool) -> None:
        self._enter_state = enter_state
        self._before = (False, False)

    def __enter__(self) -> None:
        self._before = (set_recording(self._enter_state), set_training(self._enter_state))

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        set_recording(self._before[0])
        set_training(self._before[1])


def train_section() -> TrainingStateScope:
    """Record calls, as in training, inside a ``with`` block.

    Examples
    --------
    >>> import weft as mx
    >>> x, gradient = mx.nd.array([1.0, 2.0]), mx.nd.zeros((2,))
    >>> mark_variables([x], [gradient])
    >>> with train_section():
    ...     y = x * x
    >>> backward([y])
    >>> gradient.asnumpy()
    array([2., 4.], dtype=float32)
    """
    return TrainingStateScope(True)


def test_section() -> TrainingStateScope:
    """Record no calls, as in testing, inside a ``with`` block."""
    return TrainingStateScope(False)


def backward(outputs: Any, out_grads: Any = None, retain_graph: bool = False) -> None:
    """Compute the gradients of marked variables; see :func:`weft.autograd.backward`."""
    _autograd.backward(outputs, out_grads, retain_graph)


def compute_gradient(outputs: Sequence[NDArray]) -> None:
    """Compute the gradients of marked variables with ones as gradients of the outputs."""
    backward(outputs)


def grad_and_loss(func: Callable[..., Any], argnum: int | Sequence[int] | None = None) -> Callable[..., Any]:
    """Return a function that gives the gradients of `func` in its arguments, and what `func` gives.

    Parameters
    ----------
    func : callable
        Computes one array, or several, from arrays.
    argnum : int or list of int, optional
        Numbers of the arguments; all by default.

    Examples
    --------
    >>> import weft as mx
    >>> gradients, loss = grad_and_loss(lambda a, b: a * b, argnum=1)(mx.nd.array([2.0]), mx.nd.array([3.0]))
    >>> [g.asscalar() for g in gradients], loss.asscalar()
    ([np.float32(2.0)], np.float32(6.0))
    """

    @functools.wraps(func)
    def wrapped(*args: Any) -> tuple[list[NDArray], Any]:
        numbers = range(len(args)) if argnum is None else [argnum] if isinstance(argnum, int) else argnum
        variables = [args[number] for number in numbers]
        for number, variable in zip(numbers, variables):
            if not isinstance(variable, NDArray):
                raise TypeError(f"argument {number} of {func!r} must be an NDArray, got {type(variable).__name__}")
        gradients = [zeros_like(variable) for variable in variables]
        mark_variables(variables, gradients)
        with train_section():
            outputs = func(*args)
        compute_gradient([outputs] if isinstance(outputs, NDArray) else outputs)
        return gradients, outputs

    return wrapped


def grad(func: Callable[..., Any], argnum: int | Sequence[int] | None = None) -> Callable[..., list[NDArray]]:
    """Return a function that gives the gradients of `func` in its arguments.

    Parameters are those of :func:`grad_and_loss`.

    Examples
    --------
    >>> import weft as mx
    >>> grad(lambda a: a * a)(mx.nd.array([3.0]))[0].asscalar()
    np.float32(6.0)
    """
    both = grad_and_loss(func, argnum)

    @functools.wraps(func)
    def wrapped(*args: Any) -> list[NDArray]:
        return both(*args)[0]

    return wrapped
