"""Optimizers for large batches, whose steps are scaled by the norms of each layer."""

from __future__ import annotations

import itertools
from typing import Any

from .. import ndarray as nd
from ..ndarray import NDArray
from ..ndarray import contrib as nd_contrib
from .base import Index, State, register
from .sgd import GroupOptimizer, MomentumOptimizer, aggregation

__all__ = ["LAMB", "LARS"]


@register
class LARS(MomentumOptimizer):
    """Layer-wise adaptive rate scaling, You, Gitman and Ginsburg (2017).

    Parameters
    ----------
    momentum : float
    lazy_update : bool
        Taken for compatibility; it concerns sparse gradients.
    eta : float
        Factor on the ratio of norms.
    eps : float
    momentum_correction : bool
        Scale the momentum when the learning rate changes.
    **kwargs
        Parameters of `Optimizer`.

    Examples
    --------
    >>> import weft as mx
    >>> lars = mx.optimizer.LARS(learning_rate=0.5, eta=0.5)
    >>> weight = mx.nd.array([3.0, 4.0])
    >>> lars.update(0, weight, mx.nd.array([0.0, 10.0]), lars.create_state(0, weight))
    >>> weight.asnumpy()
    array([3.  , 2.75], dtype=float32)
    """

    _decayed = ("_weight",)
    #: Endings of names whose learning rate is not scaled.
    _unscaled = ("gamma", "beta", "bias")

    def __init__(
        self,
        momentum: float = 0.0,
        lazy_update: bool = True,
        eta: float = 0.001,
        eps: float = 0,
        momentum_correction: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(momentum, **kwargs)
        self.momentum_correction = momentum_correction
        self.lazy_update = lazy_update
        self.aggregate_num = aggregation(4)
        self.eta = eta
        self.eps = eps
        self.skip = 0
        self.last_lr: float | None = None
        self.cur_lr: float | None = None

    def _get_lrs(self, indices: Any) -> list[float]:
        rate = self.learning_rate
        self.last_lr = rate if self.cur_lr is None else self.cur_lr
        self.cur_lr = rate
        return [rate * self._factor(index, "lr_mult") for index in indices]

    def _corrected_momentum(self) -> float:
        if self.momentum_correction and self.last_lr:
            return max(self.momentum, 0.0) * (self.cur_lr or 0.0) / self.last_lr
        return max(self.momentum, 0.0)

    def _update_all(self, indices: Any, weights: Any, grads: Any, states: Any, mixed: bool) -> None:
        self._update_count(indices)
        rates, decays = self._get_lrs(indices), self._get_wds(indices)
        options = self._options(momentum=self._corrected_momentum())
        scaled: list[int] = []
        rest: list[int] = []
        for place, index in enumerate(indices):
            name = self.idx2name.get(index, str(index))
            (rest if name.endswith(self._unscaled) else scaled).append(place)
        context = weights[0].context
        for places in filter(None, (scaled, rest)):
            some = [weights[i] for i in places]
            lrs, wds = (nd.array([values[i] for i in places], ctx=context, dtype="float32") for values in (rates, decays))
            if places is scaled:
                # Rates stay on the device: no norm is waited for.
                squares = [nd.multi_sum_sq(*arrays, num_arrays=len(places)) for arrays in (some, [grads[i] for i in places])]
                lrs = nd.multi_lars(lrs, *squares, wds, eta=self.eta, eps=self.eps, rescale_grad=self.rescale_grad)
            inputs = [(weights[i], grads[i], *self._arrays(states[i], mixed)) for i in places]
            with_momentum = len(inputs[0]) == 3 + mixed
            update = _PRELOADED[mixed, with_momentum]
            given = options if with_momentum else {name: value for name, value in options.items() if name != "momentum"}
            update(*itertools.chain(*inputs), lrs, wds, out=some, num_weights=len(places), **given)

    @staticmethod
    def _arrays(state: State, mixed: bool) -> list[NDArray]:
        """Return the arrays of a state: momentum where there is one, and the float32 weight."""
        return [array for array in (state if mixed else (state,)) if array is not None]


#: SGD of several weights with rates in arrays, by (mixed precision, momentum).
_PRELOADED = {
    (False, False): nd.preloaded_multi_sgd_update,
    (False, True): nd.preloaded_multi_sgd_mom_update,
    (True, False): nd.preloaded_multi_mp_sgd_update,
    (True, True): nd.preloaded_multi_mp_sgd_mom_update,
}


@register
class LAMB(GroupOptimizer):
    """Layer-wise adaptive moments, You and others (2020): Adam whose steps are scaled by the norms of each layer.

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon : float
    lower_bound, upper_bound : float, optional
        Bounds on the norm of the weight.
    bias_correction : bool
        Correct the means for having started at zero.
    **kwargs
        Parameters of `Optimizer`.

    Examples
    --------
    >>> import weft as mx
    >>> lamb = mx.optimizer.LAMB(learning_rate=0.5)
    >>> weight = mx.nd.array([3.0, 4.0])
    >>> lamb.update(0, weight, mx.nd.array([0.5, -0.5]), lamb.create_state(0, weight))
    >>> weight.asnumpy().round(3)
    array([1.232, 5.768], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-6,
        lower_bound: float | None = None,
        upper_bound: float | None = None,
        bias_correction: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.lower_bound = lower_bound
        self.upper_bound = upper_bound
        self.bias_correction = bias_correction
        self.aggregate_num = max(1, min(45, aggregation(45)))

    def create_state(self, index: Index, weight: NDArray) -> State:
        """Return zeros for the means of gradients and of their squares."""
        return nd.zeros_like(weight), nd.zeros_like(weight)

    def _update_all(self, indices: Any, weights: Any, grads: Any, states: Any, mixed: bool) -> None:
        rates, decays, steps = zip(*map(self._begin, indices))
        masters, means = zip(*states) if mixed else ((), states)
        mean, var = zip(*means)
        update: Any = nd_contrib.multi_mp_lamb_update if mixed else nd_contrib.multi_lamb_update
        arrays = [list(some) for some in (weights, grads, mean, var, masters) if some]
        update(
            *arrays,
            out=list(weights),
            step_count=list(steps),
            lrs=list(rates),
            wds=list(decays),
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=self.epsilon,
            bias_correction=self.bias_correction,
            **self._options(lower_bound=self.lower_bound, upper_bound=self.upper_bound),
        )
