"""Schedulers of the oldest programs, which call them with the number of the iteration; see :mod:`weft.lr_scheduler`."""

from __future__ import annotations

import logging
import math

__all__ = ["FactorScheduler", "LearningRateScheduler"]


class LearningRateScheduler:
    """Gives the learning rate of an iteration; `base_lr` is the rate to start from."""

    def __init__(self) -> None:
        self.base_lr = 0.01

    def __call__(self, iteration: int) -> float:
        """Return the learning rate of this iteration."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(iteration)")


class FactorScheduler(LearningRateScheduler):
    """Multiplies the rate by a factor after every `step` iterations.

    Parameters
    ----------
    step : int
        At least 1.
    factor : float
        Below 1.

    Examples
    --------
    >>> scheduler = FactorScheduler(step=10, factor=0.5)
    >>> scheduler.base_lr = 0.8
    >>> scheduler(9), scheduler(10), scheduler(25)
    (0.8, 0.4, 0.2)
    """

    def __init__(self, step: int, factor: float = 0.1) -> None:
        super().__init__()
        if step < 1:
            raise ValueError(f"step must be at least 1, got {step}")
        if factor >= 1.0:
            raise ValueError(f"factor must be below 1 so that the rate falls, got {factor}")
        self.step = step
        self.factor = factor
        self.old_lr = self.base_lr
        self.init = False

    def __call__(self, iteration: int) -> float:
        """Return the learning rate of this iteration, and log it where it changes."""
        if not self.init:
            self.init = True
            self.old_lr = self.base_lr
        rate = self.base_lr * math.pow(self.factor, iteration // self.step)
        if rate != self.old_lr:
            self.old_lr = rate
            logging.info("iteration %d: learning rate %.5f", iteration, rate)
        return rate
