"""A module of several graphs that share parameters, one for each kind of batch: sequences of several lengths."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import ndarray as nd
from ..base import MXNetError
from ..io import DataDesc
from ..model import load_params
from ..name import NameManager
from ..ndarray import NDArray
from .base_module import INITIALIZER, OPTIMIZER_PARAMS, BaseModule, Outputs, Params, check_names
from .module import Module

__all__ = ["BucketingModule"]


class BucketingModule(BaseModule):
    """Graphs of several sizes with the same parameters, made when a batch first wants them.

    Parameters
    ----------
    sym_gen : callable
        From a bucket's key: symbol, names of data, names of labels.
    default_bucket_key : object
        The key of the largest graph, whose memory the others use too.
    logger, context, work_load_list, fixed_param_names, state_names, group2ctxs, compression_params : optional
        As of :class:`Module`.

    Examples
    --------
    >>> import weft as mx
    >>> def make(length):
    ...     total = mx.sym.sum(mx.sym.Variable("data"), axis=1, keepdims=True)
    ...     net = mx.sym.FullyConnected(total, num_hidden=2, name="fc")
    ...     return mx.sym.SoftmaxOutput(net, name="softmax"), ["data"], ["softmax_label"]
    >>> module = BucketingModule(make, default_bucket_key=8)
    >>> module.bind([("data", (4, 8))], [("softmax_label", (4,))])
    >>> module.init_params()
    >>> batch = mx.io.DataBatch([mx.nd.ones((4, 3))], None, bucket_key=3, provide_data=[("data", (4, 3))])
    >>> module.forward(batch, is_train=False)
    >>> module.get_outputs()[0].shape
    (4, 2)
    """

    def __init__(
        self,
        sym_gen: Callable[[Any], tuple[Any, Sequence[str], Sequence[str] | None]],
        default_bucket_key: Any = None,
        logger: Any = logging,
        context: Any = None,
        work_load_list: Sequence[float] | None = None,
        fixed_param_names: Sequence[str] | None = None,
        state_names: Sequence[str] | None = None,
        group2ctxs: Any = None,
        compression_params: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(logger)
        if default_bucket_key is None:
            raise ValueError("BucketingModule: default_bucket_key is not given")
        self._sym_gen = sym_gen
        self._default_bucket_key = default_bucket_key
        self._settings = {
            "logger": logger,
            "context": context,
            "work_load_list": work_load_list,
            "fixed_param_names": fixed_param_names,
            "state_names": state_names,
            "group2ctxs": group2ctxs,
            "compression_params": compression_params,
        }
        symbol, data_names, label_names = self._generated(default_bucket_key)
        check_names(symbol, list(data_names or ()), "data", needed=True)
        check_names(symbol, list(label_names or ()), "label", needed=False)
        check_names(symbol, list(state_names or ()), "state", needed=True)
        check_names(symbol, list(fixed_param_names or ()), "fixed_param", needed=True)
        self._buckets: dict[Any, Module] = {}
        self._curr_module: Any = None
        self._curr_bucket_key: Any = None
        self._params_dirty = False
        self._monitor: Any = None
        self._grad_req: Any = "write"

    def _generated(self, bucket_key: Any) -> tuple[Any, Sequence[str], Sequence[str] | None]:
        with NameManager():  # all graphs count their names from 0
            generated = self._sym_gen(bucket_key)
        if not isinstance(generated, (tuple, list)) or len(generated) != 3:
            raise TypeError(
                f"BucketingModule: sym_gen({bucket_key!r}) must return (symbol, data_names, label_names), got {type(generated).__name__} "
                f"({generated!r:.60})"
            )
        symbol, data_names, label_names = generated
        return symbol, data_names, label_names

    def _made(self, bucket_key: Any) -> Module:
        symbol, data_names, label_names = self._generated(bucket_key)
        return Module(symbol, data_names, label_names, **self._settings)

    @property
    def data_names(self) -> list[str]:
        """Names of the current graph's inputs."""
        return self._curr_module.data_names if self.binded else list(self._generated(self._default_bucket_key)[1])

    @property
    def output_names(self) -> list[str]:
        """Names of the current graph's outputs."""
        return self._curr_module.output_names if self.binded else self._generated(self._default_bucket_key)[0].list_outputs()

    @property
    def data_shapes(self) -> list[DataDesc]:
        """Descriptions of the current graph's inputs."""
        self._require("binded")
        return self._curr_module.data_shapes

    @property
    def label_shapes(self) -> list[DataDesc] | None:
        """Descriptions of the current graph's labels."""
        self._require("binded")
        return self._curr_module.label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """Names and shapes of the current graph's outputs."""
        self._require("binded")
        return self._curr_module.output_shapes

    @property
    def symbol(self) -> Any:
        """The current graph."""
        self._require("binded")
        return self._curr_module.symbol

    def get_params(self) -> tuple[Params, Params]:
        """Return arguments and auxiliary states, on the CPU."""
        self._require("params_initialized")
        self._curr_module._params_dirty |= self._params_dirty
        params = self._curr_module.get_params()
        self._params_dirty = False
        return params

    def init_params(
        self,
        initializer: Any = INITIALIZER,
        arg_params: Mapping[str, NDArray] | None = None,
        aux_params: Mapping[str, NDArray] | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Give the parameters values; see :meth:`Module.init_params`."""
        if self.params_initialized and not force_init:
            return
        self._require("binded")
        self._curr_module.init_params(initializer, arg_params, aux_params, allow_missing, force_init, allow_extra)
        self._share_values()

    def set_params(
        self,
        arg_params: Mapping[str, NDArray] | None,
        aux_params: Mapping[str, NDArray] | None,
        allow_missing: bool = False,
        force_init: bool = True,
        allow_extra: bool = False,
    ) -> None:
        """Replace the values of parameters; see :meth:`Module.set_params`."""
        if self.params_initialized and not force_init:
            message = "Parameters already initialized and force_init=False. set_params call ignored."
            warnings.warn(message, UserWarning, stacklevel=2)
            return
        self._require("binded")
        self._curr_module.set_params(arg_params, aux_params, allow_missing, force_init, allow_extra)
        self._share_values()

    def _share_values(self) -> None:
        """The graphs share the arrays on the devices; here they come to share their copies on the CPU."""
        for module in self._buckets.values():
            module._arg_params, module._aux_params = self._curr_module._arg_params, self._curr_module._aux_params
            module.params_initialized = True
        self._params_dirty = self._curr_module._params_dirty
        self.params_initialized = True

    def get_states(self, merge_multi_context: bool = True) -> Outputs:
        """Return the current graph's states."""
        self._require("binded", "params_initialized")
        return self._curr_module.get_states(merge_multi_context)

    def set_states(self, states: Any = None, value: float | None = None) -> None:
        """Give the current graph's states values."""
        self._require("binded", "params_initialized")
        self._curr_module.set_states(states, value)

    def bind(
        self,
        data_shapes: Sequence[Any],
        label_shapes: Sequence[Any] | None = None,
        for_training: bool = True,
        inputs_need_grad: bool = False,
        force_rebind: bool = False,
        shared_module: BaseModule | None = None,
        grad_req: Any = "write",
    ) -> None:
        """Bind the graph of the default key; the others are bound when batches want them.

        Parameters are those of :meth:`Module.bind`; `shared_module` is not supported.
        """
        if shared_module is not None:
            raise MXNetError("BucketingModule.bind: shared_module is not supported")
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        # Values that are there, of a training before or of a file, are taken along.
        values = self.get_params() if self.params_initialized else None
        loaded = self._buckets.get(self._default_bucket_key) if not self.binded else None
        self._buckets = {} if self.binded else self._buckets
        self.for_training, self.inputs_need_grad, self._grad_req = for_training, inputs_need_grad, grad_req
        module = self._made(self._default_bucket_key) if loaded is None else loaded
        module.bind(data_shapes, label_shapes, for_training, inputs_need_grad, force_rebind=True, grad_req=grad_req)
        self._buckets[self._default_bucket_key] = module
        self._curr_module, self._curr_bucket_key = module, self._default_bucket_key
        self.binded = True
        if self._monitor is not None:
            module.install_monitor(self._monitor)
        if values is not None:
            self.set_params(*values)

    def switch_bucket(self, bucket_key: Any, data_shapes: Sequence[Any], label_shapes: Sequence[Any] | None = None) -> None:
        """Make the graph of another key the current one.

        Parameters
        ----------
        bucket_key : object
            The key.
        data_shapes, label_shapes : list of DataDesc, or of pairs of name and shape
            What the graph is bound to, when it is first wanted.
        """
        self._require("binded")
        module = self._buckets.get(bucket_key)
        if module is None:
            module = self._buckets[bucket_key] = self._made(bucket_key)
        if not module.binded:
            default = self._buckets[self._default_bucket_key]
            module.bind(data_shapes, label_shapes, self.for_training, self.inputs_need_grad, shared_module=default, grad_req=self._grad_req)
            if self._monitor is not None:
                module.install_monitor(self._monitor)
        if self.optimizer_initialized and not module.optimizer_initialized:
            module.borrow_optimizer(self._buckets[self._default_bucket_key])
        self._curr_module, self._curr_bucket_key = module, bucket_key

    def init_optimizer(
        self, kvstore: Any = "local", optimizer: Any = "sgd", optimizer_params: Any = OPTIMIZER_PARAMS, force_init: bool = False
    ) -> None:
        """Make ready to learn; all graphs share the optimizer. See :meth:`Module.init_optimizer`."""
        self._require("binded", "params_initialized")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring.")
            return
        default = self._buckets[self._default_bucket_key]
        default.init_optimizer(kvstore, optimizer, optimizer_params, force_init)
        for module in self._buckets.values():
            if module is not default and module.binded:
                module.borrow_optimizer(default)
        self.optimizer_initialized = True

    @staticmethod
    def _first(data_batch: Any) -> Any:
        return data_batch[0] if isinstance(data_batch, list) else data_batch

    def prepare(self, data_batch: Any, sparse_row_id_fn: Any = None) -> None:
        """Bind the graph of the batch that comes next, and leave the current one current."""
        self._require("binded", "params_initialized")
        current, first = self._curr_bucket_key, self._first(data_batch)
        self.switch_bucket(first.bucket_key, first.provide_data, first.provide_label)
        self._curr_module.prepare(data_batch, sparse_row_id_fn)
        self._curr_module, self._curr_bucket_key = self._buckets[current], current

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Compute the outputs of a batch by the graph of its key."""
        self._require("binded", "params_initialized")
        first = self._first(data_batch)
        self.switch_bucket(first.bucket_key, first.provide_data, first.provide_label)
        self._curr_module.forward(data_batch, is_train)
        self._params_dirty |= self._curr_module._params_dirty

    def forward_backward(self, data_batch: Any) -> None:
        """Compute outputs and gradients of a batch by the graph of its key."""
        self._require("binded", "params_initialized")
        first = self._first(data_batch)
        self.switch_bucket(first.bucket_key, first.provide_data, first.provide_label)
        self._curr_module.forward_backward(data_batch)
        self._params_dirty |= self._curr_module._params_dirty

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients of the last batch."""
        self._require("binded", "params_initialized")
        self._curr_module.backward(out_grads)

    def update(self) -> None:
        """Change the parameters by the gradients of the last batch."""
        self._require("binded", "params_initialized", "optimizer_initialized")
        self._params_dirty = True
        self._curr_module.update()

    def get_outputs(self, merge_multi_context: bool = True) -> Outputs:
        """Return the outputs of the last batch."""
        self._require("binded", "params_initialized")
        return self._curr_module.get_outputs(merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> Outputs:
        """Return the gradients of the inputs."""
        self._require("binded", "params_initialized")
        return self._curr_module.get_input_grads(merge_multi_context)

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Count the last batch's outputs into a metric."""
        self._require("binded", "params_initialized")
        self._curr_module.update_metric(eval_metric, labels, pre_sliced)

    def install_monitor(self, mon: Any) -> None:
        """Let a monitor see the arrays of all graphs."""
        self._require("binded")
        self._monitor = mon
        for module in self._buckets.values():
            module.install_monitor(mon)

    def save_checkpoint(self, prefix: str, epoch: int, remove_amp_cast: bool = False) -> None:
        """Save the parameters, and the graphs of all keys that occurred, which must be whole numbers.

        Parameters
        ----------
        prefix : str
            Beginning of the files' names: ``prefix-KEY-symbol.json``, ``prefix-NNNN.params``, ``prefix.buckets``.
        epoch : int
            The checkpoint's number.
        remove_amp_cast : bool, default False
            Leave out the casts that mixed precision put in.
        """
        if not self._buckets:
            raise MXNetError("BucketingModule.save_checkpoint: there are no graphs yet, bind() makes the first")
        keys = list(self._buckets)
        for key in keys:
            if not isinstance(key, (int, np.integer)):
                raise TypeError(f"BucketingModule.save_checkpoint: bucket keys must be whole numbers to be saved, got {key!r}")
        self.save_params(f"{prefix}-{epoch:04d}.params")
        for key in keys:
            self._buckets[key].symbol.save(f"{prefix}-{key}-symbol.json", remove_amp_cast=remove_amp_cast)
        nd.save(f"{prefix}.buckets", nd.array(keys, dtype="int32"))

    @staticmethod
    def load(prefix: str, epoch: int, sym_gen: Any = None, default_bucket_key: Any = None, **kwargs: Any) -> BucketingModule:
        """Make a module of a checkpoint.

        Parameters
        ----------
        prefix : str
            Beginning of the files' names.
        epoch : int
            Which checkpoint.
        sym_gen, default_bucket_key
            As of the module that was saved.
        **kwargs : object
            Further parameters of the module.
        """
        from .. import symbol

        (keys,) = nd.load(f"{prefix}.buckets")
        numbers = [int(key) for key in keys.asnumpy()]  # type: ignore[union-attr]
        graphs = {key: symbol.load(f"{prefix}-{key}-symbol.json") for key in numbers}
        return BucketingModule.load_dict(graphs, sym_gen, default_bucket_key, *load_params(prefix, epoch), **kwargs)

    @staticmethod
    def load_dict(
        sym_dict: Mapping[Any, Any] | None = None,
        sym_gen: Any = None,
        default_bucket_key: Any = None,
        arg_params: Params | None = None,
        aux_params: Params | None = None,
        **kwargs: Any,
    ) -> BucketingModule:
        """Make a module of graphs by key, and values of their parameters; see :meth:`load`."""
        needed = {"sym_dict": sym_dict, "sym_gen": sym_gen, "default_bucket_key": default_bucket_key}
        for what, value in {**needed, "arg_params": arg_params, "aux_params": aux_params}.items():
            if value is None:
                raise ValueError(f"BucketingModule: {what} is not given")
        module = BucketingModule(sym_gen, default_bucket_key, **kwargs)
        for key, graph in (sym_dict or {}).items():
            _, data_names, label_names = module._generated(key)
            module._buckets[key] = Module(graph, data_names, label_names, **module._settings)
        if default_bucket_key not in module._buckets:
            raise ValueError(f"BucketingModule: there is no graph of the default key {default_bucket_key!r}")
        module._curr_module = module._buckets[default_bucket_key]
        module._curr_module._arg_params, module._curr_module._aux_params = arg_params, aux_params
        module._curr_module.params_initialized = module.params_initialized = True
        return module
