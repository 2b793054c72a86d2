"""What trained on several devices before there were modules; :mod:`weft.mod` took its place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .context import Context
from .module import executor_group
from .module.executor_group import DataParallelExecutorGroup, split_batch
from .ndarray import NDArray

if TYPE_CHECKING:
    from .symbol import Symbol

__all__ = ["DataParallelExecutorGroup", "DataParallelExecutorManager"]


def _split_input_slice(batch_size: int, work_load_list: Sequence[float]) -> list[slice]:
    """Return the slices of a batch for devices with these shares of the work.

    >>> _split_input_slice(10, [1, 1, 2])
    [slice(0, 2, None), slice(2, 4, None), slice(4, 10, None)]
    """
    return split_batch(batch_size, work_load_list)


def _load_general(data: Sequence[Any], targets: Sequence[Any]) -> None:
    """Copy arrays into arrays, or their slices along the first axis into pairs of a slice and its array."""
    executor_group._load_general(data, targets, [0] * len(data))


def _load_data(batch: Any, targets: Sequence[Any]) -> None:
    """Copy a batch's data into the devices' arrays."""
    _load_general(batch.data, targets)


def _load_label(batch: Any, targets: Sequence[Any]) -> None:
    """Copy a batch's labels into the devices' arrays."""
    _load_general(batch.label, targets)


def _check_arguments(symbol: Symbol) -> None:
    """Refuse a symbol with several arguments, or auxiliary states, of one name."""
    for what, names in (("argument", symbol.list_arguments()), ("auxiliary param", symbol.list_auxiliary_states())):
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"Find duplicated {what} name {name!r}; give each a name of its own: {', '.join(names)}")


class DataParallelExecutorManager:
    """Computes batches on several devices.

    Parameters
    ----------
    symbol : Symbol
        The graph.
    ctx : list of Context
        The devices.
    train_data : DataIter
        Describes the batches.
    arg_names, param_names, aux_names : list of str
        The graph's arguments, those of them that are trained, and its auxiliary states.
    work_load_list : list of float, optional
        Share of each device.
    logger : logging.Logger, optional
        Where messages go.
    sym_gen : callable, optional
        Gives the graph for a bucket's key.

    Examples
    --------
    >>> import numpy as np, weft as mx
    >>> net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc"), name="softmax")
    >>> data = mx.io.NDArrayIter(np.ones((4, 2)), np.zeros(4), 4)
    >>> manager = DataParallelExecutorManager(net, [mx.cpu(0), mx.cpu(1)], data, param_names=["fc_weight", "fc_bias"])
    >>> manager.set_params({"fc_weight": mx.nd.ones((3, 2)), "fc_bias": mx.nd.zeros((3,))}, {})
    >>> manager.load_data_batch(next(data))
    >>> manager.forward(is_train=True)
    >>> manager.backward()
    >>> [gradient.shape for gradient in manager.grad_arrays[0]]
    [(3, 2), (3, 2)]
    """

    def __init__(
        self,
        symbol: Symbol,
        ctx: Sequence[Context],
        train_data: Any,
        arg_names: Sequence[str] | None = None,
        param_names: Sequence[str] | None = None,
        aux_names: Sequence[str] | None = None,
        work_load_list: Sequence[float] | None = None,
        logger: Any = None,
        sym_gen: Callable[[Any], Symbol] | None = None,
    ) -> None:
        _check_arguments(symbol)
        (logger or logging).info("Start training with %s", list(ctx))
        loads = [1.0] * len(ctx) if work_load_list is None else list(work_load_list)
        if len(loads) != len(ctx):
            raise ValueError(f"work_load_list has {len(loads)} shares for {len(ctx)} devices")
        inputs = [name for name, *_ in [*train_data.provide_data, *train_data.provide_label]]
        self.symbol = symbol
        self.sym_gen = sym_gen
        self.ctx = list(ctx)
        self.arg_names = symbol.list_arguments() if arg_names is None else list(arg_names)
        self.param_names = [name for name in self.arg_names if name not in inputs] if param_names is None else list(param_names)
        self.aux_names = symbol.list_auxiliary_states() if aux_names is None else list(aux_names)
        self._loads = loads
        self.execgrp = self._group(symbol, train_data)
        self.slices = self.execgrp.slices
        self.curr_execgrp = self.execgrp
        self.execgrp_bucket = {getattr(train_data, "default_bucket_key", None): self.execgrp}
        self._batch: Any = None

    def _group(self, symbol: Symbol, described: Any, shared: DataParallelExecutorGroup | None = None) -> DataParallelExecutorGroup:
        return DataParallelExecutorGroup(
            symbol,
            self.ctx,
            self._loads,
            described.provide_data,
            described.provide_label,
            self.param_names,
            for_training=True,
            inputs_need_grad=False,
            shared_group=shared,
        )

    def install_monitor(self, monitor: Any) -> None:
        """Let a monitor see the arrays of all executors."""
        if self.sym_gen is not None:
            raise NotImplementedError("Monitoring is not implemented for bucketing")
        self.execgrp.install_monitor(monitor)

    def set_params(self, arg_params: Mapping[str, NDArray], aux_params: Mapping[str, NDArray]) -> None:
        """Copy values to all devices."""
        self.execgrp.set_params(arg_params, aux_params)

    def copy_to(self, arg_params: Mapping[str, NDArray], aux_params: Mapping[str, NDArray]) -> None:
        """Copy the means over the devices into these arrays."""
        self.execgrp.get_params(arg_params, aux_params)

    @property
    def param_arrays(self) -> list[list[NDArray]]:
        """The devices' arrays of each parameter."""
        return self.execgrp.param_arrays

    @property
    def grad_arrays(self) -> list[list[NDArray]]:
        """The devices' gradients of each parameter."""
        return self.execgrp.grad_arrays

    @property
    def aux_arrays(self) -> list[list[NDArray]]:
        """The devices' arrays of each auxiliary state."""
        return self.execgrp.aux_arrays

    def load_data_batch(self, data_batch: Any) -> None:
        """Take a batch; with `sym_gen`, and the executors of its bucket."""
        if self.sym_gen is not None:
            key = data_batch.bucket_key
            if key not in self.execgrp_bucket:
                self.execgrp_bucket[key] = self._group(self.sym_gen(key), data_batch, self.execgrp)
            self.curr_execgrp = self.execgrp_bucket[key]
        self._batch = data_batch

    def forward(self, is_train: bool = False) -> None:
        """Compute the outputs of the batch."""
        self.curr_execgrp.forward(self._batch, is_train)

    def backward(self) -> None:
        """Compute the gradients of the batch."""
        self.curr_execgrp.backward()

    def update_metric(self, metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Count the outputs into a metric."""
        self.curr_execgrp.update_metric(metric, labels, pre_sliced)
