"""A module of one graph."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import ndarray as nd
from .. import optimizer as opt
from ..base import MXNetError
from ..context import Context, cpu
from ..initializer import InitDesc
from ..io import DataDesc
from ..model import (
    _create_kvstore,
    _initialize_kvstore,
    _update_params,
    _update_params_on_kvstore,
    load_checkpoint,
)
from ..ndarray import NDArray
from .base_module import INITIALIZER, OPTIMIZER_PARAMS, BaseModule, Outputs, Params, check_described, check_names, described
from .executor_group import DataParallelExecutorGroup

if TYPE_CHECKING:
    from ..symbol import Symbol

__all__ = ["Module"]


class Module(BaseModule):
    """A graph with parameters, on one device or, each with a slice of every batch, on several.

    Parameters
    ----------
    symbol : Symbol
        The graph.
    data_names, label_names : list of str, optional
        Arguments of the graph that batches give.
    logger : logging.Logger
        Where messages go.
    context : Context or list of Context
        Where to compute.
    work_load_list : list of float, optional
        Share of each device in a batch; equal by default.
    fixed_param_names : list of str, optional
        Parameters that are not trained.
    state_names : list of str, optional
        Arguments that neither batches give nor training changes.
    group2ctxs : dict of str to Context, or list of such dicts, optional
        Where the nodes of each ``ctx_group`` are computed.
    compression_params : dict, optional
        How devices compress gradients; see :meth:`weft.kv.KVStore.set_gradient_compression`.

    Examples
    --------
    >>> import weft as mx
    >>> net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    >>> module = Module(mx.sym.SoftmaxOutput(net, name="softmax"))
    >>> module.bind([("data", (4, 2))], [("softmax_label", (4,))])
    >>> module.init_params()
    >>> module.forward(mx.io.DataBatch([mx.nd.ones((4, 2))]), is_train=False)
    >>> module.get_outputs()[0].shape
    (4, 3)
    """

    def __init__(
        self,
        symbol: Symbol,
        data_names: Sequence[str] | None = ("data",),
        label_names: Sequence[str] | None = ("softmax_label",),
        logger: Any = logging,
        context: Context | Sequence[Context] | None = None,
        work_load_list: Sequence[float] | None = None,
        fixed_param_names: Sequence[str] | None = None,
        state_names: Sequence[str] | None = None,
        group2ctxs: Any = None,
        compression_params: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(logger)
        contexts = cpu() if context is None else context
        self._context = [contexts] if isinstance(contexts, Context) else list(contexts)
        self._work_load_list = [1] * len(self._context) if work_load_list is None else list(work_load_list)
        if len(self._work_load_list) != len(self._context):
            raise ValueError(f"work_load_list has {len(self._work_load_list)} entries for {len(self._context)} devices")
        self._symbol = symbol
        self._data_names, self._label_names = list(data_names or ()), list(label_names or ())
        self._state_names, self._fixed_param_names = list(state_names or ()), list(fixed_param_names or ())
        check_names(symbol, self._data_names, "data", needed=True)
        check_names(symbol, self._label_names, "label", needed=False)
        check_names(symbol, self._state_names, "state", needed=True)
        check_names(symbol, self._fixed_param_names, "fixed_param", needed=True)
        given = {*self._data_names, *self._label_names, *self._state_names}
        self._param_names = [name for name in symbol.list_arguments() if name not in given]
        self._aux_names = symbol.list_auxiliary_states()
        self._output_names = symbol.list_outputs()
        self._group2ctxs = group2ctxs
        self._compression_params = compression_params
        self._arg_params: Params | None = None
        self._aux_params: Params | None = None
        self._params_dirty = False
        self._exec_group: Any = None
        self._data_shapes: list[DataDesc] = []
        self._label_shapes: list[DataDesc] = []
        self._grad_req: Any = None
        self._optimizer: Any = None
        self._kvstore: Any = None
        self._update_on_kvstore = False
        self._updater: Any = None
        self._preload_opt_states: str | None = None

    # Checkpoints.

    @staticmethod
    def load(prefix: str, epoch: int, load_optimizer_states: bool = False, **kwargs: Any) -> Module:
        """Make a module of a checkpoint.

        Parameters
        ----------
        prefix : str
            Beginning of the files' names.
        epoch : int
            Which checkpoint.
        load_optimizer_states : bool, default False
            Go on with the optimizer's states too.
        **kwargs : object
            Parameters of the module.
        """
        symbol, arg_params, aux_params = load_checkpoint(prefix, epoch)
        module = Module(symbol, **kwargs)
        module._arg_params, module._aux_params = arg_params, aux_params
        module.params_initialized = True
        if load_optimizer_states:
            module._preload_opt_states = f"{prefix}-{epoch:04d}.states"
        return module

    def save_checkpoint(self, prefix: str, epoch: int, save_optimizer_states: bool = False, remove_amp_cast: bool = True) -> None:
        """Save graph, parameters, and, where asked, what training goes on from.

        Parameters
        ----------
        prefix : str
            Beginning of the files' names: ``prefix-symbol.json``, ``prefix-NNNN.params``, ``prefix-NNNN.states``.
        epoch : int
            The checkpoint's number.
        save_optimizer_states : bool, default False
            Save the optimizer's states.
        remove_amp_cast : bool, default True
            Leave out the casts that mixed precision put in.
        """
        self._symbol.save(f"{prefix}-symbol.json", remove_amp_cast=remove_amp_cast)
        name = f"{prefix}-{epoch:04d}.params"
        self.save_params(name)
        logging.info('Saved checkpoint to "%s"', name)
        if save_optimizer_states:
            name = f"{prefix}-{epoch:04d}.states"
            self.save_optimizer_states(name)
            logging.info('Saved optimizer state to "%s"', name)

    def save_optimizer_states(self, fname: str | os.PathLike[str]) -> None:
        """Save the optimizer's states to a file."""
        self._require("optimizer_initialized")
        if self._update_on_kvstore:
            self._kvstore.save_optimizer_states(fname)
            return
        with open(fname, "wb") as file:
            file.write(self._updater.get_states())

    def load_optimizer_states(self, fname: str | os.PathLike[str]) -> None:
        """Load the optimizer's states from a file."""
        self._require("optimizer_initialized")
        if self._update_on_kvstore:
            self._kvstore.load_optimizer_states(fname)
            return
        with open(fname, "rb") as file:
            self._updater.set_states(file.read())

    # What the module is bound to.

    @property
    def data_names(self) -> list[str]:
        """Names of the inputs."""
        return self._data_names

    @property
    def label_names(self) -> list[str]:
        """Names of the labels."""
        return self._label_names

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs."""
        return self._output_names

    @property
    def data_shapes(self) -> list[DataDesc]:
        """Descriptions of the inputs."""
        self._require("binded")
        return self._data_shapes

    @property
    def label_shapes(self) -> list[DataDesc] | None:
        """Descriptions of the labels, or None where there are none."""
        self._require("binded")
        return self._label_shapes or None

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """Names and shapes of the outputs."""
        self._require("binded")
        return self._exec_group.get_output_shapes()

    def _describe(self, data_shapes: Sequence[Any], label_shapes: Sequence[Any] | None, training: bool) -> None:
        data, labels = described(data_shapes), described(label_shapes)
        check_described(self._data_names, data, "data", needed=True)
        if labels:
            check_described(self._label_names, labels, "label", needed=False)
            fed, arguments = {desc.name for desc in labels}, set(self._symbol.list_arguments())
            unfed = [name for name in self._label_names if name in arguments and name not in fed]
            if unfed and training:  # it would learn from zeros
                raise ValueError(
                    f"label_shapes describes {sorted(fed)}, but the symbol's label is {unfed[0]!r}: rename the label of the data "
                    f"(label_name={unfed[0]!r} of an iterator), or the symbol's"
                )
        self._data_shapes, self._label_shapes = data, labels

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
        """Make executors for batches of these shapes.

        Parameters
        ----------
        data_shapes, label_shapes : list of DataDesc, or of pairs of name and shape
            Descriptions of whole batches.
        for_training : bool, default True
            Whether gradients will be asked for.
        inputs_need_grad : bool, default False
            Whether the inputs' gradients will be, too.
        force_rebind : bool, default False
            Bind anew a module that is bound.
        shared_module : Module, optional
            A bound module whose parameters and memory this one uses too.
        grad_req : str, list or dict, default "write"
            ``"write"``, ``"add"`` or ``"null"``, for all arguments or for each.
        """
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if inputs_need_grad and not for_training:
            raise ValueError("bind: inputs_need_grad is True, for_training must be True too")
        if shared_module is not None and not (
            isinstance(shared_module, Module) and shared_module.binded and shared_module.params_initialized
        ):
            raise MXNetError("bind: shared_module must be a Module that is bound and has parameters")
        if self.binded and self._params_dirty:
            self._sync_params_from_devices()
        self._describe(data_shapes, label_shapes, for_training)
        self.for_training, self.inputs_need_grad, self._grad_req = for_training, inputs_need_grad, grad_req
        self._exec_group = DataParallelExecutorGroup(
            self._symbol,
            self._context,
            self._work_load_list,
            self._data_shapes,
            self._label_shapes,
            self._param_names,
            for_training,
            inputs_need_grad,
            shared_group=None if shared_module is None else shared_module._exec_group,
            fixed_param_names=self._fixed_param_names,
            grad_req=grad_req,
            state_names=self._state_names,
            group2ctxs=self._group2ctxs,
        )
        self.binded = True
        if shared_module is not None:
            self.params_initialized = True
            self._arg_params, self._aux_params = shared_module._arg_params, shared_module._aux_params
            if shared_module.optimizer_initialized:
                self.borrow_optimizer(shared_module)
        elif self.params_initialized:  # loaded, or bound before
            self._exec_group.set_params(self._arg_params, self._aux_params)

    @property
    def _total_exec_bytes(self) -> int:
        """Memory of intermediate results; programs that watch what bucketing costs read it under this name."""
        return sum(executor._intermediate_bytes() for executor in self._exec_group.execs)

    def reshape(self, data_shapes: Sequence[Any], label_shapes: Sequence[Any] | None = None) -> None:
        """Take executors for batches of other shapes; parameters and optimizer stay."""
        self._require("binded")
        before = self._data_shapes, self._label_shapes
        self._describe(data_shapes, label_shapes, self.for_training)
        try:
            self._exec_group.bind(self._data_shapes, self._label_shapes)
        except MXNetError:  # go on with the shapes that worked
            self._data_shapes, self._label_shapes = before
            self._exec_group.bind(*before)
            raise

    # Parameters.

    def get_params(self) -> tuple[Params, Params]:
        """Return arguments and auxiliary states, on the CPU."""
        self._require("params_initialized")
        if self._params_dirty:
            self._sync_params_from_devices()
        return self._arg_params or {}, self._aux_params or {}

    def _sync_params_from_devices(self) -> None:
        self._exec_group.get_params(self._arg_params, self._aux_params)
        self._params_dirty = False

    def init_params(
        self,
        initializer: Any = INITIALIZER,
        arg_params: Mapping[str, NDArray] | None = None,
        aux_params: Mapping[str, NDArray] | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Give the parameters values.

        Parameters
        ----------
        initializer : Initializer or None, default Uniform(0.01)
            Fills parameters without given values.
        arg_params, aux_params : dict of str to NDArray, optional
            Values of arguments and auxiliary states.
        allow_missing : bool, default False
            Let the initializer fill what is missing in them.
        force_init : bool, default False
            Replace values that are there already.
        allow_extra : bool, default False
            Taken for :meth:`set_params`: values for names that the graph does not have are ignored here.
        """
        if self.params_initialized and not force_init:
            message = "Parameters already initialized and force_init=False. init_params call ignored."
            warnings.warn(message, UserWarning, stacklevel=2)
            return
        self._require("binded")
        if initializer is None and arg_params is None and aux_params is None:
            initializer = INITIALIZER
        group = self._exec_group
        parts = (
            ("arg_params", arg_params, self._param_names, group.param_arrays),
            ("aux_params", aux_params, self._aux_names, group.aux_arrays),
        )
        for what, given, names, arrays in parts:
            # Values of other names are ignored here, as programs that cut the end off a trained graph expect.
            self._check_values(what, given, names, arrays, allow_missing and initializer is not None, True)
        attributes = self._symbol.attr_dict()
        values: list[Params] = []
        for _, given, names, arrays in parts:
            values.append({})
            for name, several in zip(names, arrays):
                value = nd.zeros(several[0].shape, dtype=several[0].dtype)
                if given is not None and name in given:
                    given[name].astype(value.dtype).copyto(value)
                elif initializer is not None:
                    initializer(InitDesc(name, attributes.get(name)), value)
                values[-1][name] = value
        self._arg_params, self._aux_params = values
        self.params_initialized = True
        self._params_dirty = False
        group.set_params(self._arg_params, self._aux_params)

    def _check_values(
        self,
        what: str,
        given: Mapping[str, NDArray] | None,
        names: Sequence[str],
        arrays: Sequence[Sequence[NDArray]],
        may_miss: bool,
        may_have_more: bool,
    ) -> None:
        """Check given values before the first is used."""
        if given is None:
            return
        for name, several in zip(names, arrays):
            if name in given:
                if given[name].shape != several[0].shape:
                    raise MXNetError(f"{what}[{name!r}] has shape {given[name].shape}, the module's parameter has {several[0].shape}")
            elif not may_miss:
                raise MXNetError(f"{name} is not presented in {what}, and allow_missing is False or there is no initializer")
        extra = sorted(set(given) - set(names))
        if extra and not may_have_more:
            raise ValueError(f"{what} has {', '.join(extra)}, which the symbol has not; allow_extra=True ignores them")

    def set_params(
        self,
        arg_params: Mapping[str, NDArray] | None,
        aux_params: Mapping[str, NDArray] | None,
        allow_missing: bool = False,
        force_init: bool = True,
        allow_extra: bool = False,
    ) -> None:
        """Replace the values of parameters; with `allow_missing`, of those that are given.

        Parameters are those of :meth:`init_params`.
        """
        if not allow_missing:
            self.init_params(None, arg_params, aux_params, allow_missing, force_init, allow_extra)
            return
        if self.params_initialized and not force_init:
            message = "Parameters already initialized and force_init=False. set_params call ignored."
            warnings.warn(message, UserWarning, stacklevel=2)
            return
        self._require("binded")
        group = self._exec_group
        for what, given, names, arrays in (
            ("arg_params", arg_params, self._param_names, group.param_arrays),
            ("aux_params", aux_params, self._aux_names, group.aux_arrays),
        ):
            self._check_values(what, given, names, arrays, True, allow_extra)
        known = {name: value for name, value in (arg_params or {}).items() if name in self._param_names}
        group.set_params(known, aux_params or {}, allow_extra)
        if self._arg_params is None:
            self._arg_params = {name: nd.zeros_like(each[0]) for name, each in zip(self._param_names, group.param_arrays)}
            self._aux_params = {name: nd.zeros_like(each[0]) for name, each in zip(self._aux_names, group.aux_arrays)}
        self._params_dirty = True
        self.params_initialized = True

    # Training.

    def init_optimizer(
        self, kvstore: Any = "local", optimizer: Any = "sgd", optimizer_params: Any = OPTIMIZER_PARAMS, force_init: bool = False
    ) -> None:
        """Make ready to learn.

        Parameters
        ----------
        kvstore : str or KVStore, default "local"
            What adds up the gradients of several devices.
        optimizer : str or Optimizer, default "sgd"
            What updates the parameters. One made by its name divides gradients by the batch's size.
        optimizer_params : dict or pairs
            The optimizer's parameters.
        force_init : bool, default False
            Replace an optimizer that is there already.
        """
        self._require("binded", "params_initialized")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring...")
            return
        if self._params_dirty:
            self._sync_params_from_devices()
        devices = len(self._context)
        store, on_store = _create_kvstore(kvstore, devices, self._arg_params)
        batch_size = self._exec_group.batch_size
        if store is not None and "dist" in store.type and "_async" not in store.type:
            batch_size *= store.num_workers
        numbers = dict(enumerate(self._param_names)) if on_store else {}
        if not on_store:
            for device in range(devices):
                numbers.update((place * devices + device, name) for place, name in enumerate(self._param_names))
        self._optimizer = self._made_optimizer(optimizer, optimizer_params, 1.0 / batch_size, numbers)
        self._kvstore, self._update_on_kvstore, self._updater = store, on_store, None
        if store is not None:
            if self._compression_params:
                store.set_gradient_compression(self._compression_params)
            if on_store:
                store.set_optimizer(self._optimizer)
            _initialize_kvstore(store, self._exec_group.param_arrays, self._arg_params or {}, self._param_names, on_store)
        if not on_store:
            self._updater = opt.get_updater(self._optimizer)
        self.optimizer_initialized = True
        if self._preload_opt_states is not None:
            self.load_optimizer_states(self._preload_opt_states)
            self._preload_opt_states = None

    def _made_optimizer(self, optimizer: Any, optimizer_params: Any, scale: float, numbers: dict[int, str]) -> Any:
        if isinstance(optimizer, str):
            params = {"rescale_grad": scale, **dict(optimizer_params)}
            return opt.create(optimizer, sym=self._symbol, param_idx2name=numbers, **params)
        if not isinstance(optimizer, opt.Optimizer):
            raise TypeError(f"optimizer must be a name or an Optimizer, got {type(optimizer).__name__}")
        if optimizer.rescale_grad != scale:
            message = (
                f"the optimizer was made outside of the module with rescale_grad {optimizer.rescale_grad}, "
                f"not 1.0 / batch_size ({scale}). Is this intended?"
            )
            warnings.warn(message, UserWarning, stacklevel=3)
        if not optimizer.idx2name:
            optimizer.idx2name = numbers.copy()
        return optimizer

    def borrow_optimizer(self, shared_module: Module) -> None:
        """Use another module's optimizer and its states."""
        shared_module._require("optimizer_initialized")
        self._optimizer = shared_module._optimizer
        self._kvstore = shared_module._kvstore
        self._update_on_kvstore = shared_module._update_on_kvstore
        self._updater = shared_module._updater
        self.optimizer_initialized = True

    def _fit_shapes(self, batch: Any) -> None:
        """Take executors for the batch's shapes, where they are others than the last one's."""
        if isinstance(batch, list):
            first = batch[0]
            shapes = [tuple(self._joined([each.data[place].shape for each in batch], desc)) for place, desc in enumerate(self._data_shapes)]
        else:
            first = batch
            shapes = [value.shape for value in batch.data]
        if len(shapes) != len(self._data_shapes):
            raise ValueError(f"the batch has {len(shapes)} inputs, the module has {len(self._data_shapes)}: {self._data_names}")
        if all(tuple(desc.shape) == shape for desc, shape in zip(self._data_shapes, shapes)):
            return
        data = getattr(first, "provide_data", None)
        data = (
            described(data)
            if data
            else [DataDesc(desc.name, shape, desc.dtype, desc.layout) for desc, shape in zip(self._data_shapes, shapes)]
        )
        labels = getattr(first, "provide_label", None)
        if labels:
            label_shapes = described(labels)
        elif getattr(first, "label", None):
            given = [value.shape for value in first.label]
            label_shapes = [DataDesc(desc.name, shape, desc.dtype, desc.layout) for desc, shape in zip(self._label_shapes, given)]
        else:
            label_shapes = []
            old = DataDesc.get_batch_axis(data[0].layout)
            for desc in self._label_shapes:  # predicting: labels take the new batch size
                shape, axis = list(desc.shape), DataDesc.get_batch_axis(desc.layout)
                if axis >= 0 and old >= 0:
                    shape[axis] = data[0].shape[old]
                label_shapes.append(DataDesc(desc.name, tuple(shape), desc.dtype, desc.layout))
        bound = [(desc.name, tuple(desc.shape)) for desc in self._data_shapes]
        try:
            self.reshape(data, label_shapes)
        except MXNetError as error:
            given = [(desc.name, tuple(desc.shape)) for desc in data]
            raise type(error)(f"the batch has the shapes {given}, the module is bound with {bound}, and cannot change to them: {error}") from None

    @staticmethod
    def _joined(shapes: Sequence[tuple[int, ...]], desc: DataDesc) -> list[int]:
        joined, axis = list(shapes[0]), DataDesc.get_batch_axis(desc.layout)
        if axis >= 0:
            joined[axis] = sum(shape[axis] for shape in shapes)
        return joined

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Compute the outputs of a batch, which may have another shape than the ones before.

        Parameters
        ----------
        data_batch : DataBatch, or list with one for each device
            The batch.
        is_train : bool, optional
            Whether operators behave as in training; as the module is bound, by default.
        """
        self._require("binded", "params_initialized")
        self._fit_shapes(data_batch)
        self._exec_group.forward(data_batch, is_train)
        # Auxiliary states change in training's forward.
        if self.for_training if is_train is None else is_train:
            self._params_dirty = self._params_dirty or bool(self._aux_names)

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients of the last batch.

        Parameters
        ----------
        out_grads : NDArray or list of NDArray, optional
            Gradients of outputs that are no losses.
        """
        self._require("binded", "params_initialized")
        self._exec_group.backward(out_grads)

    def forward_backward(self, data_batch: Any) -> None:
        """Compute outputs and gradients of a batch in one run of the graph."""
        self._require("binded", "params_initialized")
        if not self.for_training:
            raise MXNetError("forward_backward: bind was called with for_training=False")
        self._fit_shapes(data_batch)
        self._exec_group.forward_backward(data_batch)
        self._params_dirty = self._params_dirty or bool(self._aux_names)

    def update(self) -> None:
        """Change the parameters by the gradients of the last batch."""
        self._require("binded", "params_initialized", "optimizer_initialized")
        self._params_dirty = True
        group = self._exec_group
        if self._update_on_kvstore:
            _update_params_on_kvstore(group.param_arrays, group.grad_arrays, self._kvstore, group.param_names)
        else:
            _update_params(group.param_arrays, group.grad_arrays, self._updater, len(self._context), self._kvstore, group.param_names)

    def get_outputs(self, merge_multi_context: bool = True) -> Outputs:
        """Return the outputs of the last batch: each as one array, or as the list of the devices' arrays."""
        self._require("binded", "params_initialized")
        return self._exec_group.get_outputs(merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> Outputs:
        """Return the gradients of the inputs, where the module is bound with inputs_need_grad."""
        self._require("binded", "params_initialized")
        return self._exec_group.get_input_grads(merge_multi_context)

    def get_states(self, merge_multi_context: bool = True) -> Outputs:
        """Return the states."""
        self._require("binded", "params_initialized")
        return self._exec_group.get_states(merge_multi_context)

    def set_states(self, states: Any = None, value: float | None = None) -> None:
        """Give the states values: a list of the devices' arrays for each, or one number for all."""
        self._require("binded", "params_initialized")
        self._exec_group.set_states(states, value)

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Count the last batch's outputs into a metric.

        Parameters
        ----------
        eval_metric : EvalMetric
            The metric.
        labels : list of NDArray
            The batch's labels; with `pre_sliced`, such a list for each device.
        pre_sliced : bool, default False
            Whether the labels are sliced for the devices already.
        """
        self._require("binded")
        self._exec_group.update_metric(eval_metric, labels, pre_sliced)

    def install_monitor(self, mon: Any) -> None:
        """Let a monitor see the arrays of each batch."""
        self._require("binded")
        self._exec_group.install_monitor(mon)
