"""Optimizers that divide steps by a measure of the gradients so far."""

from __future__ import annotations

import math
from typing import Any

from .. import ndarray as nd
from ..ndarray import NDArray
from .base import Index, Optimizer, State, register

__all__ = ["AdaDelta", "AdaGrad", "Adam", "Adamax", "FTML", "Ftrl", "Nadam", "RMSProp"]


def _zeros(weight: NDArray, count: int) -> tuple[NDArray, ...]:
    return tuple(nd.zeros_like(weight) for _ in range(count))


def _decay(mean: NDArray, rate: float, value: NDArray) -> None:
    """Let a running mean decay, and add `value` to it."""
    mean *= rate
    mean += (1.0 - rate) * value


@register
class Adam(Optimizer):
    """Adam, Kingma and Ba (2014).

    Parameters
    ----------
    learning_rate : float
    beta1, beta2 : float
        Decay of the means of gradients and of their squares.
    epsilon : float
    lazy_update : bool
        Taken for compatibility; it concerns sparse gradients.
    **kwargs
        Parameters of `Optimizer`.

    Examples
    --------
    >>> import weft as mx
    >>> adam = mx.optimizer.Adam(learning_rate=0.5)
    >>> weight, grad = mx.nd.ones((2,)), mx.nd.array([0.25, -4.0])
    >>> adam.update(0, weight, grad, adam.create_state(0, weight))
    >>> weight.asnumpy().round(4)
    array([0.5, 1.5], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        lazy_update: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.lazy_update = lazy_update

    def create_state(self, index: Index, weight: NDArray) -> State:
        """Return zeros for the means of gradients and of their squares."""
        return _zeros(weight, 2)

    def update(self, index: Index, weight: NDArray, grad: NDArray, state: State) -> None:
        """Update `weight` and the means."""
        lr, wd, t = self._begin(index)
        lr *= math.sqrt(1.0 - self.beta2**t) / (1.0 - self.beta1**t)
        options = {**self._options(), "beta1": self.beta1, "beta2": self.beta2, "epsilon": self.epsilon}
        nd.adam_update(weight, grad, *state, out=weight, lr=lr, wd=wd, **options)


@register
class FTML(Optimizer):
    """Follow the moving leader, Zheng and Kwok (2017).

    Parameters
    ----------
    beta1, beta2 : float
        Decay of the direction and of the mean of squared gradients.
    epsilon : float
    **kwargs
        Parameters of `Optimizer`.

    Examples
    --------
    >>> import weft as mx
    >>> ftml = mx.optimizer.FTML(learning_rate=0.5)
    >>> weight = mx.nd.ones((2,))
    >>> ftml.update(0, weight, mx.nd.ones((2,)), ftml.create_state(0, weight))
    >>> weight.asnumpy().round(4)
    array([0.5, 0.5], dtype=float32)
    """

    def __init__(self, beta1: float = 0.6, beta2: float = 0.999, epsilon: float = 1e-8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon

    def create_state(self, index: Index, weight: NDArray) -> State:
        """Return zeros for d, v and z of the paper."""
        return _zeros(weight, 3)

    def update(self, index: Index, weight: NDArray, grad: NDArray, state: State) -> None:
        """Update `weight` and the state."""
        lr, wd, t = self._begin(index)
        options = {"rescale_grad": self.rescale_grad, "beta1": self.beta1, "beta2": self.beta2, "epsilon": self.epsilon}
        if self.clip_gradient:
            options["clip_grad"] = self.clip_gradient
        nd.ftml_update(weight, grad, *state, out=weight, lr=lr, wd=wd, t=t, **options)


@register
class AdaGrad(Optimizer):
    """AdaGrad, Duchi, Hazan and Singer (2011).

    Parameters
    ----------
    eps : float
    **kwargs
        Parameters of `Optimizer`.

    Examples
    --------
    >>> import weft as mx
    >>> adagrad = mx.optimizer.AdaGrad(learning_rate=0.5)
    >>> weight = mx.nd.ones((2,))
    >>> adagrad.update(0, weight, mx.nd.array([0.25, -4.0]), adagrad.create_state(0, weight))
    >>> weight.asnumpy().round(4)
    array([0.5, 1.5], dtype=float32)
    """

    def __init__(self, eps: float = 1e-7, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.float_stable_eps = eps

    def create_state(self, index: Index, weight: NDArray) -> State:
        """Return zeros for the sum of squared gradients."""
        return nd.zeros_like(weight)

    def update(self, index: Index, weight: NDArray, grad: NDArray, state: State) -> None:
        """Update `weight` and the sum."""
        lr, wd, _ = self._begin(index)
        grad = self._scaled(grad)
        state += nd.square(grad)
        weight += (grad / nd.sqrt(state + self.float_stable_eps) + weight * wd) * -lr


@register
class RMSProp(Optimizer):
    """RMSProp, Tieleman and Hinton (2012); centered, as Graves (2013) gives it.

    Parameters
    ----------
    learning_rate : float
    gamma1 : float
        Decay of the mean of squared gradients.
    gamma2 : float
        Momentum of the centered form.
    epsilon : float
    centered : bool
    clip_weights : float, optional
        Bound on the entries of weights.
    **kwargs
        Parameters of `Optimizer`.

    Examples
    --------
    >>> import weft as mx
    >>> rmsprop = mx.optimizer.RMSProp(learning_rate=0.1, gamma1=0.75)
    >>> weight = mx.nd.ones((2,))
    >>> rmsprop.update(0, weight, mx.nd.array([0.25, -4.0]), rmsprop.create_state(0, weight))
    >>> weight.asnumpy().round(4)
    array([0.8, 1.2], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        gamma1: float = 0.9,
        gamma2: float = 0.9,
        epsilon: float = 1e-8,
        centered: bool = False,
        clip_weights: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.gamma1 = gamma1
        self.gamma2 = gamma2
        self.centered = centered
        self.epsilon = epsilon
        self.clip_weights = clip_weights

    def create_state(self, index: Index, weight: NDArray) -> State:
        """Return zeros for the mean of squares; centered also for the mean of gradients and the last step."""
        return _zeros(weight, 3 if self.centered else 1)

    def update(self, index: Index, weight: NDArray, grad: NDArray, state: State) -> None:
        """Update `weight` and the state."""
        lr, wd, _ = self._begin(index)
        options = {**self._options(clip_weights=self.clip_weights), "gamma1": self.gamma1, "epsilon": self.epsilon}
        if self.centered:
            nd.rmspropalex_update(weight, grad, *state, out=weight, lr=lr, wd=wd, gamma2=self.gamma2, **options)
        else:
            nd.rmsprop_update(weight, grad, *state, out=weight, lr=lr, wd=wd, **options)


@register
class AdaDelta(Optimizer):
    """AdaDelta, Zeiler (2012); it has no learning rate.

    Parameters
    ----------
    rho : float
        Decay of the means of squared gradients and squared steps.
    epsilon : float
    **kwargs
        Parameters of `Optimizer`.

    Examples
    --------
    >>> import weft as mx
    >>> adadelta = mx.optimizer.AdaDelta(rho=0.75, epsilon=1.0)
    >>> weight = mx.nd.ones((2,))
    >>> adadelta.update(0, weight, mx.nd.array([0.0, 1.0]), adadelta.create_state(0, weight))
    >>> weight.asnumpy().round(4)
    array([1.    , 0.1056], dtype=float32)
    """

    def __init__(self, rho: float = 0.9, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rho = rho
        self.epsilon = epsilon

    def create_state(self, index: Index, weight: NDArray) -> State:
        """Return zeros for the means of squared gradients and squared steps."""
        return _zeros(weight, 2)

    def update(self, index: Index, weight: NDArray, grad: NDArray, state: State) -> None:
        """Update `weight` and the means."""
        wd = self._get_wd(index)
        self._update_count(index)
        grad = self._scaled(grad)
        gradients, steps = state
        _decay(gradients, self.rho, grad * grad)
        step = nd.sqrt(steps + self.epsilon) / nd.sqrt(gradients + self.epsilon) * grad
        _decay(steps, self.rho, step * step)
        weight -= step + wd * weight


@register
class Ftrl(Optimizer):
    """Follow the regularized leader, McMahan and others (2013).

    Parameters
    ----------
    lamda1 : float
        Weight of the L1 norm, which makes weights exactly zero.
    learning_rate, beta : float
    **kwargs
        Parameters of `Optimizer`.

    Examples
    --------
    >>> import weft as mx
    >>> ftrl = mx.optimizer.Ftrl(lamda1=1.0, learning_rate=1.0)
    >>> weight = mx.nd.zeros((2,))
    >>> ftrl.update(0, weight, mx.nd.array([0.5, -3.0]), ftrl.create_state(0, weight))
    >>> weight.asnumpy()
    array([0. , 0.5], dtype=float32)
    """

    def __init__(self, lamda1: float = 0.01, learning_rate: float = 0.1, beta: float = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lamda1 = lamda1
        self.beta = beta
        self.lr = learning_rate  # not handed on above: a scheduler keeps its own

    def create_state(self, index: Index, weight: NDArray) -> State:
        """Return zeros for z and n of the paper."""
        return _zeros(weight, 2)

    def update(self, index: Index, weight: NDArray, grad: NDArray, state: State) -> None:
        """Update `weight` and the state."""
        lr, wd, _ = self._begin(index)
        options = {**self._options(), "lamda1": self.lamda1, "beta": self.beta}
        nd.ftrl_update(weight, grad, *state, out=weight, lr=lr, wd=wd, **options)


@register
class Adamax(Optimizer):
    """Adam with the largest gradient in place of the mean of squares, Kingma and Ba (2014).

    Parameters
    ----------
    learning_rate, beta1, beta2 : float
    **kwargs
        Parameters of `Optimizer`.

    Examples
    --------
    >>> import weft as mx
    >>> adamax = mx.optimizer.Adamax(learning_rate=0.5)
    >>> weight = mx.nd.ones((2,))
    >>> adamax.update(0, weight, mx.nd.array([0.25, -4.0]), adamax.create_state(0, weight))
    >>> weight.asnumpy().round(4)
    array([0.5, 1.5], dtype=float32)
    """

    def __init__(self, learning_rate: float = 0.002, beta1: float = 0.9, beta2: float = 0.999, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2

    def create_state(self, index: Index, weight: NDArray) -> State:
        """Return zeros for the mean and the largest gradient."""
        return _zeros(weight, 2)

    def update(self, index: Index, weight: NDArray, grad: NDArray, state: State) -> None:
        """Update `weight` and the state."""
        lr, wd, t = self._begin(index)
        grad = self._clipped(grad * self.rescale_grad + wd * weight)
        mean, largest = state
        _decay(mean, self.beta1, grad)
        largest[:] = nd.maximum(self.beta2 * largest, nd.abs(grad))
        weight -= lr / (1.0 - self.beta1**t) * mean / largest


@register
class Nadam(Optimizer):
    """Adam with Nesterov's momentum, Dozat (2016).

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon : float
    schedule_decay : float
        How fast the momentum grows to `beta1`.
    **kwargs
        Parameters of `Optimizer`.

    Examples
    --------
    >>> import weft as mx
    >>> nadam = mx.optimizer.Nadam(learning_rate=0.5)
    >>> weight = mx.nd.ones((2,))
    >>> nadam.update(0, weight, mx.nd.array([0.25, -4.0]), nadam.create_state(0, weight))
    >>> bool(abs(weight.asnumpy() - [0.5, 1.5]).max() < 0.1)
    True
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        schedule_decay: float = 0.004,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.schedule_decay = schedule_decay
        # One product for all parameters, as in MXNet: every update of any of them goes into it.
        self.m_schedule = 1.0

    def create_state(self, index: Index, weight: NDArray) -> State:
        """Return zeros for the means of gradients and of their squares."""
        return _zeros(weight, 2)

    def _momentum(self, t: int) -> float:
        return self.beta1 * (1.0 - 0.5 * pow(0.96, t * self.schedule_decay))

    def update(self, index: Index, weight: NDArray, grad: NDArray, state: State) -> None:
        """Update `weight` and the means."""
        lr, wd, t = self._begin(index)
        grad = self._clipped(grad * self.rescale_grad + wd * weight)
        now, later = self._momentum(t), self._momentum(t + 1)
        self.m_schedule *= now
        mean, square = state
        _decay(mean, self.beta1, grad)
        _decay(square, self.beta2, grad * grad)
        ahead = later / (1.0 - self.m_schedule * later) * mean
        here = (1.0 - now) / (1.0 - self.m_schedule) * grad
        weight -= lr * (here + ahead) / (nd.sqrt(square / (1.0 - pow(self.beta2, t))) + self.epsilon)
