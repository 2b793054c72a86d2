"""``mx.mon``: figures of the arrays inside a bound graph, to find where values vanish or explode."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from typing import Any

from . import ndarray as nd
from .base import MXNetError
from .ndarray import NDArray

__all__ = ["Monitor"]


def _magnitude(array: NDArray) -> NDArray:
    """Root of the mean square."""
    return nd.norm(array) / math.sqrt(array.size)


class Monitor:
    """Computes a figure of every output, weight and gradient whose name matches, every `interval` batches.

    Parameters
    ----------
    interval : int
        Batches from one report to the next.
    stat_func : callable, optional
        Makes an NDArray, or a list of them, of an NDArray; the root of the mean square by default.
    pattern : str, default ".*"
        Regular expression; only arrays whose name begins with a match are looked at.
    sort : bool, default False
        Report in the order of the names.
    monitor_all : bool, default False
        Look at the inputs of operators too.

    Examples
    --------
    >>> monitor = Monitor(100, pattern=".*weight")  # module.fit(..., monitor=monitor)
    """

    def __init__(
        self,
        interval: int,
        stat_func: Callable[[NDArray], Any] | None = None,
        pattern: str = ".*",
        sort: bool = False,
        monitor_all: bool = False,
    ) -> None:
        self.interval = interval
        self.stat_func = stat_func or _magnitude
        self.re_prog = re.compile(pattern)
        self.sort = sort
        self.monitor_all = monitor_all
        self.activated = False
        self.step = 0
        self.queue: list[tuple[int, str, Any]] = []
        self.exes: list[Any] = []

    def stat_helper(self, name: str, array: NDArray) -> None:
        """Take the figure of one array; executors call it."""
        if self.activated and self.re_prog.match(name):
            self.queue.append((self.step, name, self.stat_func(array)))

    def install(self, exe: Any) -> None:
        """Look at an executor's arrays.

        Parameters
        ----------
        exe : Executor
            One of any number.
        """
        exe.set_monitor_callback(self.stat_helper, self.monitor_all)
        self.exes.append(exe)

    def _settle(self) -> None:
        for exe in self.exes:
            for array in (*exe.arg_arrays, *exe.aux_arrays):
                array.wait_to_read()

    def tic(self) -> None:
        """Begin a batch; call it before forward."""
        if self.step % self.interval == 0:
            self._settle()
            self.queue = []
            self.activated = True
        self.step += 1

    def toc(self) -> list[tuple[int, str, str]]:
        """End a batch, and return number of the batch, name and figure of each array."""
        if not self.activated:
            return []
        self._settle()
        for exe in self.exes:
            for arrays in (exe.arg_dict, exe.aux_dict):
                for name, array in arrays.items():
                    self.stat_helper(name, array)
        self.activated = False
        queue, self.queue = self.queue, []
        if self.sort:
            queue.sort(key=lambda entry: entry[1])
        return [(step, name, _shown(name, found)) for step, name, found in queue]

    def toc_print(self) -> None:
        """End a batch, and log the figures."""
        for step, name, figure in self.toc():
            logging.info("Batch: %7d %-30s %s", step, name, figure)


def _shown(name: str, found: Any) -> str:
    values = found if isinstance(found, list) else [found]
    for value in values:
        if not isinstance(value, NDArray):
            raise MXNetError(f"Monitor: stat_func must give NDArrays, for {name} it gave {type(value).__name__}")
    return "".join(f"{value.asscalar() if value.shape == (1,) else value.asnumpy()!s}\t" for value in values)
