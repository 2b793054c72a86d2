"""Optimizers that step along the gradient, with or without momentum."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable
from typing import Any

from .. import ndarray as nd
from .. import random
from ..ndarray import NDArray
from .base import Index, Optimizer, State, register

__all__ = ["DCASGD", "LBSGD", "NAG", "SGD", "SGLD", "Signum", "Test", "ccSGD"]

#: The operators of a family by (mixed precision, momentum).
Family = dict[tuple[bool, bool], Callable[..., Any]]
_SGD: Family = {
    (False, False): nd.sgd_update,
    (False, True): nd.sgd_mom_update,
    (True, False): nd.mp_sgd_update,
    (True, True): nd.mp_sgd_mom_update,
}
_NAG: Family = {**_SGD, (False, True): nd.nag_mom_update, (True, True): nd.mp_nag_mom_update}


def aggregation(default: int) -> int:
    """Return how many parameters an optimizer is handed at once."""
    return int(os.environ.get("MXNET_OPTIMIZER_AGGREGATION_SIZE", default))


class GroupOptimizer(Optimizer):
    """An optimizer that takes parameters one by one or several at once."""

    def update(self, index: Index, weight: Any, grad: Any, state: State) -> None:
        """Update one parameter, or several given as sequences."""
        self._update_listed(index, weight, grad, state, may_mix=False)

    def update_multi_precision(self, index: Index, weight: Any, grad: Any, state: State) -> None:
        """Update one parameter, or several given as sequences; those in float16 by their float32 weights."""
        self._update_listed(index, weight, grad, state, may_mix=True)

    def _update_listed(self, indices: Any, weights: Any, grads: Any, states: Any, may_mix: bool) -> None:
        if not isinstance(indices, (list, tuple)):
            indices, weights, grads, states = [indices], [weights], [grads], [states]
        if indices:
            self._update_all(indices, weights, grads, states, mixed=may_mix and self._is_mixed(weights[0]))

    def _update_all(self, indices: Any, weights: Any, grads: Any, states: Any, mixed: bool) -> None:
        raise NotImplementedError


class MomentumOptimizer(GroupOptimizer):
    """An optimizer whose state is a momentum, behind which stands the float32 weight in mixed precision."""

    _family = _SGD

    def __init__(self, momentum: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum

    def create_state(self, index: Index, weight: NDArray) -> State:
        """Return zeros for the momentum, or None without one."""
        return nd.zeros_like(weight) if self.momentum else None

    def create_state_multi_precision(self, index: Index, weight: NDArray) -> State:
        """Return the momentum, or (momentum, float32 weight)."""
        master = self._master_of(weight)
        return self.create_state(index, weight) if master is None else (self.create_state(index, master), master)

    def _update_all(self, indices: Any, weights: Any, grads: Any, states: Any, mixed: bool) -> None:
        # One operator for several weights would save nothing: a call costs less than putting its lists together.
        self._update_count(indices)
        for weight, grad, state, lr, wd in zip(weights, grads, states, self._get_lrs(indices), self._get_wds(indices)):
            self._step(weight, grad, state, lr, wd, mixed)

    def _step(self, weight: NDArray, grad: NDArray, state: State, lr: float, wd: float, mixed: bool) -> None:
        momentum, *master = state if mixed else (state,)
        options = self._options()
        if momentum is not None:
            master.insert(0, momentum)
            options["momentum"] = max(self.momentum, 0.0)
        self._family[mixed, momentum is not None](weight, grad, *master, out=weight, lr=lr, wd=wd, **options)


@register
class SGD(MomentumOptimizer):
    """Stochastic gradient descent with momentum and weight decay.

    Parameters
    ----------
    momentum : float
    lazy_update : bool
        Taken for compatibility; it concerns sparse gradients.
    **kwargs
        Parameters of `Optimizer`.

    Examples
    --------
    >>> import weft as mx
    >>> sgd = mx.optimizer.SGD(learning_rate=0.5, momentum=0.9)
    >>> weight, grad = mx.nd.ones((2,)), mx.nd.ones((2,))
    >>> state = sgd.create_state(0, weight)
    >>> for _ in range(2):
    ...     sgd.update(0, weight, grad, state)
    >>> weight.asnumpy()
    array([-0.45, -0.45], dtype=float32)
    """

    def __init__(self, momentum: float = 0.0, lazy_update: bool = True, **kwargs: Any) -> None:
        super().__init__(momentum, **kwargs)
        self.lazy_update = lazy_update
        self.aggregate_num = aggregation(4)


@register
class ccSGD(SGD):
    """Another name of `SGD`, kept for old programs.

    Examples
    --------
    >>> import weft as mx
    >>> isinstance(mx.optimizer.create("ccsgd"), mx.optimizer.SGD)
    True
    """


@register
class NAG(MomentumOptimizer):
    """Nesterov's accelerated gradient: SGD whose momentum looks one step ahead.

    Parameters
    ----------
    momentum : float
    **kwargs
        Parameters of `Optimizer`.

    Examples
    --------
    >>> import weft as mx
    >>> nag = mx.optimizer.NAG(learning_rate=0.5, momentum=0.9)
    >>> weight, grad = mx.nd.ones((2,)), mx.nd.ones((2,))
    >>> nag.update(0, weight, grad, nag.create_state(0, weight))
    >>> weight.asnumpy()
    array([0.05000001, 0.05000001], dtype=float32)
    """

    _family = _NAG


@register
class Signum(Optimizer):
    """Steps of one size along the sign of the momentum, Bernstein and others (2018).

    Parameters
    ----------
    learning_rate, momentum : float
    wd_lh : float
        Weight decay apart from the momentum.
    **kwargs
        Parameters of `Optimizer`.

    Examples
    --------
    >>> import weft as mx
    >>> signum = mx.optimizer.Signum(learning_rate=0.5)
    >>> weight, grad = mx.nd.ones((2,)), mx.nd.array([3.0, -0.1])
    >>> signum.update(0, weight, grad, signum.create_state(0, weight))
    >>> weight.asnumpy()
    array([0.5, 1.5], dtype=float32)
    """

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.9, wd_lh: float = 0.0, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.momentum = momentum
        self.wd_lh = wd_lh

    def create_state(self, index: Index, weight: NDArray) -> State:
        """Return zeros for the momentum, or None without one."""
        return nd.zeros_like(weight) if self.momentum else None

    def update(self, index: Index, weight: NDArray, grad: NDArray, state: State) -> None:
        """Update `weight` and the momentum."""
        lr, wd, _ = self._begin(index)
        if state is None:
            nd.signsgd_update(weight, grad, out=weight, lr=lr, wd=wd, **self._options())
        else:
            more = self._options(momentum=max(self.momentum, 0.0), wd_lh=self.wd_lh)
            nd.signum_update(weight, grad, state, out=weight, lr=lr, wd=wd, **more)


@register
class SGLD(Optimizer):
    """Stochastic gradient Langevin dynamics (Welling and others, 2011): half a step, and noise of variance `learning_rate`.

    Examples
    --------
    >>> import weft as mx
    >>> weight = mx.nd.zeros((10000,))
    >>> mx.optimizer.SGLD(learning_rate=0.01).update(0, weight, mx.nd.zeros((10000,)), None)
    >>> print(f"{weight.asnumpy().std():.1f}")
    0.1
    """

    def update(self, index: Index, weight: NDArray, grad: NDArray, state: State) -> None:
        """Update `weight`."""
        lr, wd, _ = self._begin(index)
        weight += -lr / 2 * (self._scaled(grad) + wd * weight)
        weight += random.normal(0, math.sqrt(lr), shape=weight.shape, dtype=weight.dtype, ctx=weight.context)


@register
class DCASGD(Optimizer):
    """Delay compensated asynchronous SGD, Zheng and others (2016).

    Parameters
    ----------
    momentum : float
    lamda : float
        How strongly the delay is made up for.
    **kwargs
        Parameters of `Optimizer`.

    Examples
    --------
    >>> import weft as mx
    >>> dcasgd = mx.optimizer.DCASGD(learning_rate=0.5)
    >>> weight = mx.nd.ones((2,))
    >>> dcasgd.update(0, weight, mx.nd.ones((2,)), dcasgd.create_state(0, weight))
    >>> weight.asnumpy()
    array([0.5, 0.5], dtype=float32)
    """

    def __init__(self, momentum: float = 0.0, lamda: float = 0.04, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum
        self.weight_previous: dict[Any, NDArray] = {}
        self.lamda = lamda

    def create_state(self, index: Index, weight: NDArray) -> State:
        """Return (momentum or None, weight before the last update)."""
        return (nd.zeros_like(weight) if self.momentum else None), weight.copy()

    def update(self, index: Index, weight: NDArray, grad: NDArray, state: State) -> None:
        """Update `weight`, the momentum and the weight of before."""
        lr, wd, _ = self._begin(index)
        momentum, previous = state
        grad = self._scaled(grad)
        step = -lr * (grad + wd * weight + self.lamda * grad * grad * (weight - previous))
        if momentum is not None:
            momentum *= self.momentum
            momentum += step
            step = momentum
        previous[:] = weight
        weight += step


@register
class LBSGD(Optimizer):
    """SGD for large batches: gradients of `batch_scale` batches are summed up, and the rate grows at the beginning.

    Parameters
    ----------
    momentum : float
    multi_precision : bool
    warmup_strategy : {'linear', 'power2', 'sqrt', 'lars'}
        How the factor on the rate grows to `batch_scale`; ``'lars'`` takes the ratio of norms instead.
    warmup_epochs, updates_per_epoch : int
        How long that takes.
    batch_scale : int
    begin_epoch, num_epochs : int
    **kwargs
        Parameters of `Optimizer`.

    Examples
    --------
    >>> import weft as mx
    >>> lbsgd = mx.optimizer.LBSGD(learning_rate=0.5, batch_scale=2, warmup_epochs=0)
    >>> weight, state = mx.nd.ones((1,)), None
    >>> for _ in range(2):
    ...     lbsgd.update(0, weight, mx.nd.array([0.25]), state)
    >>> weight.asnumpy()
    array([0.75], dtype=float32)
    """

    def __init__(
        self,
        momentum: float = 0.0,
        multi_precision: bool = False,
        warmup_strategy: str = "linear",
        warmup_epochs: int = 5,
        batch_scale: float = 1,
        updates_per_epoch: int = 32,
        begin_epoch: int = 0,
        num_epochs: int = 60,
        **kwargs: Any,
    ) -> None:
        super().__init__(multi_precision=multi_precision, **kwargs)
        logging.info(
            "LBSGD: batch_scale=%f, warmup_epochs=%d, warmup_strategy=%s, updates_per_epoch=%d",
            batch_scale,
            warmup_epochs,
            warmup_strategy,
            updates_per_epoch,
        )
        self.momentum = momentum
        self.warmup_strategy = warmup_strategy
        self.warmup_epochs = warmup_epochs
        self.batch_scale = batch_scale
        self.updates_per_epoch = updates_per_epoch
        self.init_updates = begin_epoch * updates_per_epoch
        self.num_epochs = num_epochs
        self.lbmult = 1
        self.cumgrads: dict[Any, dict[str, Any]] = {}
        self.adaptive = False
        self.admult = 1

    def create_state(self, index: Index, weight: NDArray) -> State:
        """Return zeros for the momentum, or None without one."""
        return nd.zeros_like(weight) if self.momentum else None

    def _get_lbmult(self, nup: int) -> float:
        """Return the factor on the rate after `nup` batches."""
        until, most = self.warmup_epochs * self.updates_per_epoch, float(self.batch_scale)
        if nup >= until:
            return most
        if until <= 1:
            return 1.0
        done = nup / until
        shares = {"linear": done, "power2": done * done, "sqrt": math.sqrt(done)}
        return 1.0 + (most - 1) * shares.get(self.warmup_strategy, 0.0)

    def _get_lars(self, weight: NDArray, grad: NDArray, wd: float) -> float:
        """Return the ratio of the norms of weight and gradient, between 0.01 and 100."""
        weight_square, grad_square = (float((v * v).asnumpy().sum()) for v in (weight, grad))
        ratio = math.sqrt(weight_square / (grad_square + wd * weight_square + 1e-18))
        return min(max(ratio, 0.01), 100)

    def _cumulate_gradient(self, grad: NDArray, index: Index) -> dict[str, Any]:
        known = self.cumgrads.get(index)
        if known is None or not known["num_cums"]:
            # Kept beyond this call, while the caller will write the next gradient into the same array.
            known = {"cum_grad": grad.copy() if self.batch_scale != 1 else grad, "num_cums": self.init_updates + 1}
        else:
            known = {"cum_grad": known["cum_grad"] + grad, "num_cums": known["num_cums"] + 1}
        self.cumgrads[index] = known
        return known

    def update(self, index: Index, weight: NDArray, grad: NDArray, state: State) -> None:
        """Add to the sum of gradients; update `weight` at every `batch_scale`-th one."""
        lr, wd = self._get_lr(index), self._get_wd(index)
        self._update_count(index)
        summed = self._cumulate_gradient(grad, index)
        if summed["num_cums"] % self.batch_scale:
            return
        grad = summed["cum_grad"] / self.batch_scale
        summed["cum_grad"] = 0
        lr *= self._get_lars(weight, grad, wd) if self.warmup_strategy == "lars" else self._get_lbmult(summed["num_cums"])
        if state is None:
            nd.sgd_update(weight, grad, out=weight, lr=lr, wd=wd, **self._options())
        else:
            options = self._options(momentum=max(self.momentum, 0.0))
            nd.sgd_mom_update(weight, grad, state, out=weight, lr=lr, wd=wd, **options)


@register
class Test(Optimizer):
    """Adds scaled gradients to the weight; for tests of what is around optimizers.

    Examples
    --------
    >>> import weft as mx
    >>> test = mx.optimizer.Test(rescale_grad=0.5)
    >>> weight = mx.nd.ones((2,))
    >>> test.update(0, weight, mx.nd.ones((2,)), test.create_state(0, weight))
    >>> weight.asnumpy()
    array([1.5, 1.5], dtype=float32)
    """

    __test__ = False  # not a test of pytest

    def create_state(self, index: Index, weight: NDArray) -> State:
        """Return zeros; `update` keeps the weight there."""
        return nd.zeros(weight.shape, weight.context)

    def update(self, index: Index, weight: NDArray, grad: NDArray, state: State) -> None:
        """Add the scaled gradient to `weight`."""
        weight += grad * self.rescale_grad
        state[:] = weight
