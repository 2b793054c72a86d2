"""``mx.callback``: what training calls after batches and epochs, to show progress and to save.

A callback of a batch is called with a :class:`~weft.model.BatchEndParam`, one of an epoch with the epoch's number, symbol, arguments and
auxiliary states. Messages go to Python's logging at level INFO.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Any

from .model import save_checkpoint as save_checkpoint

__all__ = [
    "LogValidationMetricsCallback",
    "ProgressBar",
    "Speedometer",
    "do_checkpoint",
    "log_train_metric",
    "module_checkpoint",
]


def _figures(metric: Any) -> str:
    return "".join(f"\t{name}={value:f}" for name, value in metric.get_name_value())


def module_checkpoint(mod: Any, prefix: str, period: int = 1, save_optimizer_states: bool = False) -> Callable[..., None]:
    """Make a callback that saves a module every `period` epochs.

    Parameters
    ----------
    mod : Module
        What to save.
    prefix : str
        Beginning of the files' names.
    period : int, default 1
        Epochs from one checkpoint to the next.
    save_optimizer_states : bool, default False
        Save what training goes on from, too.
    """
    every = max(1, int(period))

    def callback(iter_no: int, sym: Any = None, arg: Any = None, aux: Any = None) -> None:
        if (iter_no + 1) % every == 0:
            mod.save_checkpoint(prefix, iter_no + 1, save_optimizer_states)

    return callback


def do_checkpoint(prefix: str, period: int = 1) -> Callable[..., None]:
    """Make a callback that saves symbol and parameters every `period` epochs.

    Examples
    --------
    >>> import os, tempfile, weft as mx
    >>> prefix = os.path.join(tempfile.mkdtemp(), "net")
    >>> do_checkpoint(prefix)(0, mx.sym.Variable("x"), {}, {})
    >>> sorted(os.listdir(os.path.dirname(prefix)))
    ['net-0001.params', 'net-symbol.json']
    """
    every = max(1, int(period))

    def callback(iter_no: int, sym: Any, arg: Any, aux: Any) -> None:
        if (iter_no + 1) % every == 0:
            save_checkpoint(prefix, iter_no + 1, sym, arg, aux)

    return callback


def log_train_metric(period: int, auto_reset: bool = False) -> Callable[[Any], None]:
    """Make a callback that logs the training metric every `period` batches.

    Parameters
    ----------
    period : int
        Batches from one line to the next.
    auto_reset : bool, default False
        Start the metric again after each line.
    """

    def callback(param: Any) -> None:
        if param.nbatch % period == 0 and param.eval_metric is not None:
            for name, value in param.eval_metric.get_name_value():
                logging.info("Iter[%d] Batch[%d] Train-%s=%f", param.epoch, param.nbatch, name, value)
            if auto_reset:
                param.eval_metric.reset_local()

    return callback


class Speedometer:
    """Logs examples a second and the metric.

    Parameters
    ----------
    batch_size : int
        Examples in a batch.
    frequent : int, default 50
        Batches from one line to the next.
    auto_reset : bool, default True
        Start the metric again after each line.

    Examples
    --------
    >>> speed = Speedometer(batch_size=32, frequent=10)  # module.fit(..., batch_end_callback=speed)
    """

    def __init__(self, batch_size: int, frequent: int = 50, auto_reset: bool = True) -> None:
        self.batch_size = batch_size
        self.frequent = frequent
        self.auto_reset = auto_reset
        self.init = False
        self.tic = 0.0
        self.last_count = 0

    def __call__(self, param: Any) -> None:
        """Look at the clock; log every so many batches."""
        count = param.nbatch
        if count < self.last_count:  # a new epoch
            self.init = False
        self.last_count = count
        if not self.init:
            self.init = True
            self.tic = time.time()
            return
        if count % self.frequent:
            return
        seconds = time.time() - self.tic
        speed = self.frequent * self.batch_size / seconds if seconds > 0 else math.inf
        metric = param.eval_metric
        if metric is None:
            logging.info("Iter[%d] Batch [%d]\tSpeed: %.2f samples/sec", param.epoch, count, speed)
        else:
            figures = _figures(metric)
            first = 0
            if self.auto_reset:
                metric.reset_local()
                first = count - self.frequent
            logging.info("Epoch[%d] Batch [%d-%d]\tSpeed: %.2f samples/sec%s", param.epoch, first, count, speed, figures)
        self.tic = time.time()


class ProgressBar:
    """Logs a bar that fills up during an epoch.

    Parameters
    ----------
    total : int
        Batches in an epoch.
    length : int, default 80
        Length of the full bar.

    Examples
    --------
    >>> import collections
    >>> bar = ProgressBar(total=4, length=8)
    >>> bar.drawn(1)
    '[==------] 25%'
    """

    def __init__(self, total: int, length: int = 80) -> None:
        self.total = total
        self.bar_len = length

    def drawn(self, count: int) -> str:
        """Return the bar after `count` batches."""
        filled = round(self.bar_len * count / self.total)
        return f"[{'=' * filled}{'-' * (self.bar_len - filled)}] {math.ceil(100 * count / self.total)}%"

    def __call__(self, param: Any) -> None:
        """Log the bar."""
        logging.info("%s\r", self.drawn(param.nbatch))


class LogValidationMetricsCallback:
    """Logs the metric of a validation.

    Examples
    --------
    >>> LogValidationMetricsCallback()  # doctest: +ELLIPSIS
    <weft.frontend.callback.LogValidationMetricsCallback object at ...>
    """

    def __call__(self, param: Any) -> None:
        """Log a line for each figure of the metric."""
        if not param.eval_metric:
            return
        for name, value in param.eval_metric.get_name_value():
            logging.info("Epoch[%d] Validation-%s=%f", param.epoch, name, value)
