"""A module that trains with stochastic variance reduced gradients.

The gradient of a batch is a noisy estimate of that of all data. Every few epochs this module keeps a copy of the parameters, and the
gradient of all data for them; what it then steps along is the batch's gradient, minus the batch's gradient for the kept
parameters, plus the gradient of all data: the same on average, with less and less noise (Johnson and Zhang, 2013).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ... import ndarray as nd
from ...model import _create_kvstore
from ...module import Module
from ...ndarray import NDArray
from .svrg_optimizer import _SVRGOptimizer

if TYPE_CHECKING:
    from ...symbol import Symbol

__all__ = ["SVRGModule"]


class SVRGModule(Module):
    """A :class:`~weft.mod.Module` that trains with stochastic variance reduced gradients.

    Parameters
    ----------
    symbol, data_names, label_names, logger, context, work_load_list, fixed_param_names, state_names, group2ctxs, compression_params
        As in :class:`~weft.mod.Module`.
    update_freq : int
        After how many epochs the parameters are kept, and their gradient of all data computed, anew.

    Examples
    --------
    >>> import numpy as np, weft as mx
    >>> x = np.array([[1.0, 2.0], [3.0, 1.0], [2.0, 2.0], [1.0, 1.0]])
    >>> data = mx.io.NDArrayIter(x, x @ [1, 2], batch_size=2, label_name="y")
    >>> output = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, name="fc")
    >>> module = SVRGModule(mx.sym.LinearRegressionOutput(output, mx.sym.Variable("y")), label_names=["y"], update_freq=2)
    >>> module.fit(data, eval_metric="mse", optimizer_params={"learning_rate": 0.2}, num_epoch=200)
    >>> bool(module.score(data, "mse")[0][1] < 1e-3)
    True
    """

    def __init__(
        self,
        symbol: Symbol,
        data_names: Sequence[str] | None = ("data",),
        label_names: Sequence[str] | None = ("softmax_label",),
        logger: Any = logging,
        context: Any = None,
        work_load_list: Sequence[float] | None = None,
        fixed_param_names: Sequence[str] | None = None,
        state_names: Sequence[str] | None = None,
        group2ctxs: Any = None,
        compression_params: Any = None,
        update_freq: int | None = None,
    ) -> None:
        if not isinstance(update_freq, int):
            raise TypeError(f"update_freq must be an int, got {update_freq!r}")
        if update_freq <= 0:
            raise ValueError(f"update_freq must be positive, got {update_freq}")
        given = (data_names, label_names, logger, context, work_load_list, fixed_param_names, state_names, group2ctxs, compression_params)
        super().__init__(symbol, *given)
        self.update_freq = update_freq
        #: The same graph with the parameters that are kept.
        self._mod_aux = Module(symbol, *given)
        self._ctx_len = len(self._context)
        #: Gradients of all data for the parameters that are kept, a dict a device.
        self._param_dict: list[dict[str, NDArray]] = []

    def bind(
        self,
        data_shapes: Sequence[Any],
        label_shapes: Sequence[Any] | None = None,
        for_training: bool = True,
        inputs_need_grad: bool = False,
        force_rebind: bool = False,
        shared_module: Any = None,
        grad_req: Any = "write",
    ) -> None:
        """Make ready to compute batches of these shapes, with both sets of parameters; see :meth:`Module.bind`."""
        super().bind(data_shapes, label_shapes, for_training, inputs_need_grad, force_rebind, shared_module, grad_req)
        if for_training:
            self._mod_aux.bind(data_shapes, label_shapes, for_training, inputs_need_grad, force_rebind, None, grad_req)
            self._keep_first_params()

    def reshape(self, data_shapes: Sequence[Any], label_shapes: Sequence[Any] | None = None) -> None:
        """Take executors for batches of other shapes."""
        super().reshape(data_shapes, label_shapes)
        if self._mod_aux.binded:
            self._mod_aux.reshape(data_shapes, label_shapes)

    def init_params(self, *args: Any, **kwargs: Any) -> None:
        """Give the parameters values; see :meth:`Module.init_params`."""
        super().init_params(*args, **kwargs)
        self._keep_first_params()

    def _keep_first_params(self) -> None:
        # Later on they change together with their gradient of all data only.
        if self._mod_aux.binded and self.params_initialized and not self._mod_aux.params_initialized:
            self._mod_aux.set_params(*self.get_params())

    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        """Take an optimizer; see :meth:`Module.init_optimizer`."""
        self._require("binded", "params_initialized")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring...")
            return
        names = self._param_names
        store, on_store = _create_kvstore(kvstore, self._ctx_len, self._arg_params)
        batch_size = self._exec_group.batch_size
        if store is not None and "dist" in store.type and "_async" not in store.type:
            batch_size *= store.num_workers
        count = 1 if on_store else self._ctx_len
        numbers = {place * count + device: name for place, name in enumerate(names) for device in range(count)}
        numbers.update({len(names) * count + place: name + "_full" for place, name in enumerate(names)})
        params = {"rescale_grad": 1.0 / batch_size, **dict(optimizer_params)}
        chosen = _SVRGOptimizer(optimizer, param_idx2name=numbers, sym=self._symbol, **params)
        super().init_optimizer(store if store is not None else kvstore, chosen, force_init=force_init)
        self._param_dict = [
            {name: nd.zeros_like(several[device]) for name, several in zip(names, self._exec_group.param_arrays)}
            for device in range(self._ctx_len)
        ]
        if self._kvstore is not None:
            for name in names:
                self._kvstore.init(name + "_full", nd.zeros_like((self._arg_params or {})[name]))

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Compute the outputs of a batch; in training, with both sets of parameters."""
        super().forward(data_batch, is_train)
        if self.for_training if is_train is None else is_train:
            self._mod_aux.forward(data_batch, is_train)

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients of the last batch, with both sets of parameters."""
        super().backward(out_grads)
        self._mod_aux.backward(out_grads)

    def forward_backward(self, data_batch: Any) -> None:
        """Compute outputs and gradients of a batch, with both sets of parameters."""
        super().forward_backward(data_batch)
        self._mod_aux.forward_backward(data_batch)

    def update(self) -> None:
        """Change the parameters along the gradient with less noise."""
        for device, whole in enumerate(self._param_dict):
            for name, now, kept in zip(self._param_names, self._exec_group.grad_arrays, self._mod_aux._exec_group.grad_arrays):
                if now[device] is not None:
                    now[device] -= kept[device]
                    now[device] += whole[name]
        super().update()

    def update_full_grads(self, train_data: Any) -> None:
        """Keep the parameters, and compute their gradient of all data: the mean over the batches.

        Parameters
        ----------
        train_data : DataIter
            All data.
        """
        self._require("binded", "params_initialized", "optimizer_initialized")
        self._mod_aux.set_params(*self.get_params())
        for whole in self._param_dict:
            for gradient in whole.values():
                gradient[:] = 0
        train_data.reset()
        batches, pad = 0.0, 0
        for batch in train_data:
            self._mod_aux.forward_backward(batch)
            batches, pad = batches + 1, batch.pad or 0
            for device, whole in enumerate(self._param_dict):
                for name, several in zip(self._param_names, self._mod_aux._exec_group.grad_arrays):
                    if several[device] is not None:
                        whole[name] += several[device]
        batches -= pad / train_data.batch_size  # what fills the last batch up is counted as part of it
        for name in self._param_names:
            for whole in self._param_dict:
                whole[name] /= batches
            if self._kvstore is not None:
                self._accumulate_kvstore(name, [whole[name] for whole in self._param_dict])

    def _accumulate_kvstore(self, key: str, value: Sequence[NDArray]) -> None:
        """Sum up over devices and workers in the store, and give each device its part of the sum."""
        self._kvstore.push(key + "_full", list(value))
        self._kvstore._barrier()
        self._kvstore.pull(key + "_full", list(value))
        for whole, total in zip(self._param_dict, value):
            whole[key] = total / self._ctx_len

    def _fit_epoch(
        self, train_data: Any, eval_metric: Any, epoch: int, batch_end_callback: Any, monitor: Any, sparse_row_id_fn: Any
    ) -> list[tuple[str, float]]:
        if epoch % self.update_freq == 0:
            self.update_full_grads(train_data)
            train_data.reset()
        return super()._fit_epoch(train_data, eval_metric, epoch, batch_end_callback, monitor, sparse_row_id_fn)

    def prepare(self, data_batch: Any, sparse_row_id_fn: Any = None) -> None:
        """Make ready for a batch, with both sets of parameters."""
        super().prepare(data_batch, sparse_row_id_fn)
        self._mod_aux.prepare(data_batch, sparse_row_id_fn)
