"""``mx.lr_scheduler``: learning rates as functions of the number of updates.

>>> import weft as mx
>>> schedule = mx.lr_scheduler.FactorScheduler(step=2, factor=0.5, base_lr=1.0)
>>> [schedule(n) for n in range(1, 7)]
[1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

__all__ = ["CosineScheduler", "FactorScheduler", "LRScheduler", "MultiFactorScheduler", "PolyScheduler"]

_MODES = ("linear", "constant")


class LRScheduler:
    """Base of the schedules; call one with the number of updates so far.

    Parameters
    ----------
    base_lr : float
        The rate to start from; the schedules lower it as they are called.
    warmup_steps : int
        Number of updates before `base_lr` is reached.
    warmup_begin_lr : float
        The rate at the first of them.
    warmup_mode : {'linear', 'constant'}
        Whether the rate grows to `base_lr` or stays at `warmup_begin_lr` meanwhile.

    Examples
    --------
    >>> import weft as mx
    >>> schedule = mx.lr_scheduler.LRScheduler(base_lr=1.0, warmup_steps=4)
    >>> schedule.get_warmup_lr(1)
    0.25
    """

    def __init__(self, base_lr: float = 0.01, warmup_steps: int = 0, warmup_begin_lr: float = 0, warmup_mode: str = "linear") -> None:
        if not isinstance(warmup_steps, int) or warmup_steps < 0:
            raise ValueError(f"warmup_steps must be an integer that is not negative, got {warmup_steps!r}")
        if warmup_begin_lr > base_lr:
            raise ValueError(f"warmup_begin_lr is {warmup_begin_lr}, expected at most base_lr, {base_lr}")
        if warmup_mode not in _MODES:
            raise ValueError(f"warmup_mode must be 'linear' or 'constant', got {warmup_mode!r}")
        self.base_lr = base_lr
        self.warmup_steps = warmup_steps
        self.warmup_final_lr = base_lr
        self.warmup_begin_lr = warmup_begin_lr
        self.warmup_mode = warmup_mode

    def get_warmup_lr(self, num_update: int) -> float:
        """Return the rate of an update before the `warmup_steps`-th."""
        if num_update >= self.warmup_steps:
            raise ValueError(f"num_update is {num_update}, expected less than warmup_steps, {self.warmup_steps}")
        if self.warmup_mode == "constant":
            return self.warmup_begin_lr
        rise = self.warmup_final_lr - self.warmup_begin_lr
        return self.warmup_begin_lr + rise * float(num_update) / float(self.warmup_steps)

    def __call__(self, num_update: int) -> float:
        """Return the rate of update `num_update`."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__")


def _check_factor(factor: float) -> float:
    if factor > 1.0:
        raise ValueError(f"factor is {factor}, expected at most 1: the rate is to fall")
    return factor


class FactorScheduler(LRScheduler):
    """Multiply the rate by `factor` every `step` updates, down to `stop_factor_lr`.

    Examples
    --------
    >>> import weft as mx
    >>> schedule = mx.lr_scheduler.FactorScheduler(10, factor=0.1, base_lr=1.0)
    >>> schedule(10), schedule(11)
    (1.0, 0.1)
    """

    def __init__(
        self,
        step: int,
        factor: float = 1,
        stop_factor_lr: float = 1e-8,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        if step < 1:
            raise ValueError(f"step is {step}, expected at least 1")
        self.step = step
        self.factor = _check_factor(factor)
        self.stop_factor_lr = stop_factor_lr
        self.count = 0

    def __call__(self, num_update: int) -> float:
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        # One pass per step, since the rate is multiplied step by step: base_lr may have been set meanwhile.
        while num_update > self.count + self.step:
            self.count += self.step
            self.base_lr *= self.factor
            if self.base_lr < self.stop_factor_lr:
                self.base_lr = self.stop_factor_lr
                logging.info("Update[%d]: learning rate has arrived at %0.5e and stays there", num_update, self.base_lr)
            else:
                logging.info("Update[%d]: learning rate is now %0.5e", num_update, self.base_lr)
        return self.base_lr


class MultiFactorScheduler(LRScheduler):
    """Multiply the rate by `factor` after each of the updates listed in `step`.

    Examples
    --------
    >>> import weft as mx
    >>> schedule = mx.lr_scheduler.MultiFactorScheduler([2, 4], factor=0.5, base_lr=1.0)
    >>> [schedule(n) for n in (1, 2, 3, 4, 5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(
        self,
        step: Sequence[int],
        factor: float = 1,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        if not isinstance(step, (list, tuple)) or not step:
            raise ValueError(f"step must be a list of at least one number of updates, got {step!r}")
        if step[0] < 1 or any(later <= earlier for earlier, later in zip(step, step[1:])):
            raise ValueError(f"step must be increasing and start from at least 1, got {step!r}")
        self.step = step
        self.cur_step_ind = 0
        self.factor = _check_factor(factor)
        self.count = 0

    def __call__(self, num_update: int) -> float:
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        while self.cur_step_ind < len(self.step) and num_update > self.step[self.cur_step_ind]:
            self.count = self.step[self.cur_step_ind]
            self.cur_step_ind += 1
            self.base_lr *= self.factor
            logging.info("Update[%d]: learning rate is now %0.5e", num_update, self.base_lr)
        return self.base_lr


class _Descent(LRScheduler):
    """A rate that falls from `base_lr` to `final_lr` between the warm-up and update `max_update`."""

    def __init__(
        self, max_update: int, base_lr: float, final_lr: float, warmup_steps: int, warmup_begin_lr: float, warmup_mode: str
    ) -> None:
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        if not isinstance(max_update, int) or max_update < 1:
            raise ValueError(f"max_update must be a positive integer, got {max_update!r}")
        self.base_lr_orig = base_lr
        self.max_update = max_update
        self.final_lr = final_lr
        self.max_steps = max_update - warmup_steps

    def _share(self, done: float) -> float:
        """Return what is left of the way down after the share `done` of the updates."""
        raise NotImplementedError

    def __call__(self, num_update: int) -> float:
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        if num_update <= self.max_update:
            done = (num_update - self.warmup_steps) / self.max_steps if self.max_steps else 1.0
            self.base_lr = self.final_lr + (self.base_lr_orig - self.final_lr) * self._share(done)
        return self.base_lr


class PolyScheduler(_Descent):
    """Let the rate fall along a polynomial of degree `pwr`.

    Examples
    --------
    >>> import weft as mx
    >>> schedule = mx.lr_scheduler.PolyScheduler(max_update=4, base_lr=1.0, pwr=2)
    >>> [schedule(n) for n in range(6)]
    [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]
    """

    def __init__(
        self,
        max_update: int,
        base_lr: float = 0.01,
        pwr: float = 2,
        final_lr: float = 0,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(max_update, base_lr, final_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        self.power = pwr

    def _share(self, done: float) -> float:
        return float((1 - done) ** self.power)


class CosineScheduler(_Descent):
    """Let the rate fall along half a period of a cosine.

    Examples
    --------
    >>> import weft as mx
    >>> schedule = mx.lr_scheduler.CosineScheduler(max_update=2, base_lr=1.0)
    >>> [schedule(0), schedule(1), schedule(2)]
    [1.0, 0.5, 0.0]
    """

    def __init__(
        self,
        max_update: int,
        base_lr: float = 0.01,
        final_lr: float = 0,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(max_update, base_lr, final_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def _share(self, done: float) -> float:
        return (1 + math.cos(math.pi * done)) / 2
