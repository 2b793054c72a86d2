"""What all modules do alike: the loops of training, scoring and predicting, and files of parameters."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import metric as metrics
from .. import ndarray as nd
from ..base import MXNetError, _as_list
from ..initializer import Uniform
from ..io import DataBatch, DataDesc
from ..model import BatchEndParam, _multiple_callbacks, _split_params
from ..ndarray import NDArray

if TYPE_CHECKING:
    from ..symbol import Symbol

__all__ = ["BaseModule"]

Params = dict[str, NDArray]
Outputs = list[Any]
#: The default of `optimizer_params`: pairs, so that nobody can change it.
OPTIMIZER_PARAMS = (("learning_rate", 0.01),)
#: The default of `initializer`; None is a choice of its own: parameters without given values keep theirs.
INITIALIZER = Uniform(0.01)


def check_names(symbol: Symbol, names: Sequence[str], what: str, needed: bool) -> None:
    """Refuse, or warn of, names that are no arguments of the symbol."""
    arguments = symbol.list_arguments()
    for name in names:
        if name in arguments:
            continue
        likely = [each for each in arguments if not each.endswith(("_weight", "_bias", "_gamma", "_beta"))]
        message = f"{what}_names has {name!r}, which is no argument of the symbol. Did you mean one of: {', '.join(likely)}?"
        if needed:
            raise ValueError(message)
        warnings.warn(message, UserWarning, stacklevel=4)


def described(shapes: Sequence[Any] | None) -> list[DataDesc]:
    """Descriptions, also of plain pairs of name and shape."""
    return [entry if isinstance(entry, DataDesc) else DataDesc(*entry) for entry in shapes or ()]


def check_described(names: Sequence[str], shapes: Sequence[DataDesc], what: str, needed: bool) -> None:
    """Refuse, or warn of, descriptions of other arrays than those that are expected."""
    found = [desc.name for desc in shapes]
    if sorted(names) == sorted(found):
        return
    message = f"{what}_shapes describes {found}, but the names in {what}_names are {list(names)}"
    if needed:
        raise ValueError(message)
    warnings.warn(message, UserWarning, stacklevel=4)


def _parse_data_desc(
    data_names: Sequence[str], label_names: Sequence[str], data_shapes: Sequence[Any], label_shapes: Sequence[Any] | None
) -> tuple[list[DataDesc], list[DataDesc] | None]:
    """Descriptions of data and labels, checked against their names; modules that programs write themselves import it."""
    data = described(data_shapes)
    check_described(data_names, data, "data", needed=True)
    labels = described(label_shapes)
    check_described(label_names, labels, "label", needed=False)
    return data, None if label_shapes is None else labels


_check_input_names = check_names
_check_names_match = check_described


class BaseModule:
    """Something that computes outputs of batches and learns from them; base of all modules.

    A module goes through these states: bound to shapes (:meth:`bind`), with values in its parameters (:meth:`init_params`), with an
    optimizer (:meth:`init_optimizer`). :meth:`fit` does all of that; the methods named here can also be called one by one.

    Parameters
    ----------
    logger : logging.Logger
        Where messages go.
    """

    def __init__(self, logger: Any = logging) -> None:
        self.logger = logger
        self.binded = False
        self.for_training = False
        self.inputs_need_grad = False
        self.params_initialized = False
        self.optimizer_initialized = False
        self._symbol: Any = None

    def _require(self, *states: str) -> None:
        """Refuse to go on where a call that must come first was not made."""
        calls = {"binded": "bind", "params_initialized": "init_params", "optimizer_initialized": "init_optimizer"}
        for state in states:
            if not getattr(self, state):
                raise MXNetError(f"{type(self).__name__}: call {calls[state]}() first")

    # What a module has to have.

    @property
    def data_names(self) -> list[str]:
        """Names of the inputs."""
        raise NotImplementedError(f"{type(self).__name__} has no data_names")

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs."""
        raise NotImplementedError(f"{type(self).__name__} has no output_names")

    @property
    def data_shapes(self) -> list[DataDesc]:
        """Descriptions of the inputs."""
        raise NotImplementedError(f"{type(self).__name__} has no data_shapes")

    @property
    def label_shapes(self) -> list[DataDesc] | None:
        """Descriptions of the labels."""
        raise NotImplementedError(f"{type(self).__name__} has no label_shapes")

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """Names and shapes of the outputs."""
        raise NotImplementedError(f"{type(self).__name__} has no output_shapes")

    @property
    def symbol(self) -> Any:
        """The graph, where there is one."""
        return self._symbol

    def get_params(self) -> tuple[Params, Params]:
        """Return arguments and auxiliary states, on the CPU."""
        raise NotImplementedError(f"{type(self).__name__} has no get_params")

    def init_params(
        self,
        initializer: Any = INITIALIZER,
        arg_params: Mapping[str, NDArray] | None = None,
        aux_params: Mapping[str, NDArray] | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Give the parameters values."""
        raise NotImplementedError(f"{type(self).__name__} has no init_params")

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
        """Make ready to compute batches of these shapes."""
        raise NotImplementedError(f"{type(self).__name__} has no bind")

    def init_optimizer(
        self, kvstore: Any = "local", optimizer: Any = "sgd", optimizer_params: Any = OPTIMIZER_PARAMS, force_init: bool = False
    ) -> None:
        """Make ready to learn."""
        raise NotImplementedError(f"{type(self).__name__} has no init_optimizer")

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Compute the outputs of a batch."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients of the batch that :meth:`forward` was called with last."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def get_outputs(self, merge_multi_context: bool = True) -> Outputs:
        """Return the outputs of the last batch."""
        raise NotImplementedError(f"{type(self).__name__} has no get_outputs")

    def get_input_grads(self, merge_multi_context: bool = True) -> Outputs:
        """Return the gradients of the inputs."""
        raise NotImplementedError(f"{type(self).__name__} has no get_input_grads")

    def update(self) -> None:
        """Change the parameters by the gradients."""
        raise NotImplementedError(f"{type(self).__name__} has no update")

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Count the last batch's outputs into a metric."""
        raise NotImplementedError(f"{type(self).__name__} has no update_metric")

    def install_monitor(self, mon: Any) -> None:
        """Let a monitor see the arrays of each batch."""
        raise NotImplementedError(f"{type(self).__name__} has no install_monitor")

    # What there may be more.

    def prepare(self, data_batch: Any, sparse_row_id_fn: Any = None) -> None:
        """Get ready for a batch that comes next; some modules switch graphs here."""
        if sparse_row_id_fn is not None:
            warnings.warn("sparse_row_id_fn is not called: there are no sparse parameters", UserWarning, stacklevel=3)

    def get_states(self, merge_multi_context: bool = True) -> Outputs:
        """Return the states: variables that neither the data nor training changes."""
        self._require("binded", "params_initialized")
        return []

    def set_states(self, states: Any = None, value: float | None = None) -> None:
        """Give the states values."""
        self._require("binded", "params_initialized")
        if states or value is not None:
            raise MXNetError(f"{type(self).__name__} has no states")

    def set_params(
        self,
        arg_params: Mapping[str, NDArray] | None,
        aux_params: Mapping[str, NDArray] | None,
        allow_missing: bool = False,
        force_init: bool = True,
        allow_extra: bool = False,
    ) -> None:
        """Replace the values of the parameters; see :meth:`init_params`."""
        self.init_params(None, arg_params, aux_params, allow_missing, force_init, allow_extra)

    def save_params(self, fname: str | os.PathLike[str]) -> None:
        """Save the parameters to a file, as checkpoints hold them."""
        arg_params, aux_params = self.get_params()
        arrays = {f"arg:{name}": value for name, value in arg_params.items()}
        arrays.update((f"aux:{name}", value) for name, value in aux_params.items())
        nd.save(fname, arrays)

    def load_params(self, fname: str | os.PathLike[str]) -> None:
        """Load parameters from a file."""
        self.set_params(*_split_params(os.fspath(fname)))

    def forward_backward(self, data_batch: Any) -> None:
        """Compute outputs and gradients of a batch."""
        self.forward(data_batch, is_train=True)
        self.backward()

    def _count(self, eval_metric: Any, batch: Any) -> None:
        if isinstance(batch, list):
            self.update_metric(eval_metric, [each.label for each in batch], pre_sliced=True)
        else:
            self.update_metric(eval_metric, batch.label)

    def score(
        self,
        eval_data: Any,
        eval_metric: Any,
        num_batch: int | None = None,
        batch_end_callback: Any = None,
        score_end_callback: Any = None,
        reset: bool = True,
        epoch: int = 0,
        sparse_row_id_fn: Any = None,
    ) -> list[tuple[str, float]]:
        """Return names and values of a metric over all batches of an iterator.

        Parameters
        ----------
        eval_data : DataIter
            Batches with labels.
        eval_metric : EvalMetric, str or callable
            What to measure.
        num_batch : int, optional
            At most so many batches.
        batch_end_callback, score_end_callback : callable or list of callable, optional
            Called with a BatchEndParam after each batch and at the end.
        reset : bool, default True
            Start the iterator again first.
        epoch : int, default 0
            Given to the callbacks.
        sparse_row_id_fn : callable, optional
            Taken for compatibility.
        """
        self._require("binded", "params_initialized")
        if reset:
            eval_data.reset()
        eval_metric = metrics.create(eval_metric)
        eval_metric.reset()
        nbatch = 0
        for eval_batch in eval_data:
            if nbatch == num_batch:
                break
            self.prepare(eval_batch, sparse_row_id_fn)
            self.forward(eval_batch, is_train=False)
            self._count(eval_metric, eval_batch)
            _multiple_callbacks(batch_end_callback, BatchEndParam(epoch, nbatch, eval_metric, locals()))
            nbatch += 1
        _multiple_callbacks(score_end_callback, BatchEndParam(epoch, nbatch, eval_metric, locals()))
        return eval_metric.get_global_name_value()

    def iter_predict(
        self, eval_data: Any, num_batch: int | None = None, reset: bool = True, sparse_row_id_fn: Any = None
    ) -> Iterator[tuple[Outputs, int, Any]]:
        """Yield outputs without padding, number and batch for each batch of an iterator."""
        self._require("binded", "params_initialized")
        if reset:
            eval_data.reset()
        for nbatch, batch in enumerate(eval_data):
            if nbatch == num_batch:
                break
            self.prepare(batch, sparse_row_id_fn)
            self.forward(batch, is_train=False)
            pad = batch.pad or 0
            yield [output[: output.shape[0] - pad] if pad else output for output in self.get_outputs()], nbatch, batch

    def predict(
        self,
        eval_data: Any,
        num_batch: int | None = None,
        merge_batches: bool = True,
        reset: bool = True,
        always_output_list: bool = False,
        sparse_row_id_fn: Any = None,
    ) -> Any:
        """Return the outputs for all batches of an iterator, or for one array.

        Parameters
        ----------
        eval_data : DataIter, NDArray or numpy.ndarray
            What to predict.
        num_batch : int, optional
            At most so many batches.
        merge_batches : bool, default True
            Join the batches; otherwise return a list of each batch's outputs.
        reset : bool, default True
            Start the iterator again first.
        always_output_list : bool, default False
            Return a list even of a single output.
        sparse_row_id_fn : callable, optional
            Taken for compatibility.
        """
        self._require("binded", "params_initialized")
        if isinstance(eval_data, (NDArray, np.ndarray)):
            array = eval_data if isinstance(eval_data, NDArray) else nd.array(eval_data)
            self.forward(DataBatch([array]))
            return self.get_outputs()[0]
        if not hasattr(eval_data, "provide_data"):
            raise ValueError(f"predict: eval_data must be of type NDArray or DataIter, got {type(eval_data).__name__}")
        batches = [
            [output.copy() for output in outputs] for outputs, _, _ in self.iter_predict(eval_data, num_batch, reset, sparse_row_id_fn)
        ]
        if not batches or not merge_batches:
            return batches
        if len({len(outputs) for outputs in batches}) > 1:
            raise MXNetError("predict: cannot merge batches with different numbers of outputs (bucketing?), merge_batches=False keeps them")
        merged = [column[0] if len(column) == 1 else nd.concat(*column, dim=0) for column in zip(*batches)]
        return merged if len(merged) > 1 or always_output_list else merged[0]

    def fit(
        self,
        train_data: Any,
        eval_data: Any = None,
        eval_metric: Any = "acc",
        epoch_end_callback: Any = None,
        batch_end_callback: Any = None,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = OPTIMIZER_PARAMS,
        eval_end_callback: Any = None,
        eval_batch_end_callback: Any = None,
        initializer: Any = INITIALIZER,
        arg_params: Mapping[str, NDArray] | None = None,
        aux_params: Mapping[str, NDArray] | None = None,
        allow_missing: bool = False,
        force_rebind: bool = False,
        force_init: bool = False,
        begin_epoch: int = 0,
        num_epoch: int | None = None,
        validation_metric: Any = None,
        monitor: Any = None,
        sparse_row_id_fn: Any = None,
    ) -> None:
        """Train.

        Parameters
        ----------
        train_data : DataIter
            Batches to learn from.
        eval_data : DataIter, optional
            Batches to score after each epoch.
        eval_metric : EvalMetric, str or callable, default "acc"
            What to measure while training.
        epoch_end_callback, batch_end_callback, eval_end_callback, eval_batch_end_callback : callable or list of callable, optional
            Called after each epoch with its number, symbol and parameters, after each batch with a BatchEndParam, and so for `eval_data`.
        kvstore : str or KVStore, default "local"
            What adds up the gradients of several devices.
        optimizer : str or Optimizer, default "sgd"
            What updates the parameters.
        optimizer_params : dict or pairs
            The optimizer's parameters.
        initializer : Initializer or None, default Uniform(0.01)
            What fills parameters that have no values yet.
        arg_params, aux_params : dict of str to NDArray, optional
            Values to begin with.
        allow_missing : bool, default False
            Let the initializer fill what these do not have.
        force_rebind, force_init : bool, default False
            Bind, and initialize, anew a module that is already.
        begin_epoch, num_epoch : int
            First epoch, and the one to stop before.
        validation_metric : EvalMetric, str or callable, optional
            What to measure on `eval_data`; `eval_metric` by default.
        monitor : Monitor, optional
            Reports figures of arrays.
        sparse_row_id_fn : callable, optional
            Taken for compatibility.
        """
        if num_epoch is None:
            raise ValueError("fit: num_epoch is not given")
        self.bind(train_data.provide_data, train_data.provide_label, for_training=True, force_rebind=force_rebind)
        if monitor is not None:
            self.install_monitor(monitor)
        if force_init or not self.params_initialized or arg_params is not None or aux_params is not None:
            self.init_params(initializer, arg_params, aux_params, allow_missing, force_init)
        self.init_optimizer(kvstore, optimizer, optimizer_params)
        eval_metric = metrics.create(eval_metric)
        validation_metric = eval_metric if validation_metric is None else validation_metric
        for epoch in range(begin_epoch, num_epoch):
            begin = time.time()
            for name, value in self._fit_epoch(train_data, eval_metric, epoch, batch_end_callback, monitor, sparse_row_id_fn):
                self.logger.info("Epoch[%d] Train-%s=%f", epoch, name, value)
            self.logger.info("Epoch[%d] Time cost=%.3f", epoch, time.time() - begin)
            # Devices that trained apart (each has batch norms of its own) go on from the same values.
            params = self.get_params()
            self.set_params(*params)
            for callback in _as_list(epoch_end_callback) if epoch_end_callback is not None else ():
                callback(epoch, self.symbol, *params)
            if eval_data is not None:
                figures = self.score(
                    eval_data,
                    validation_metric,
                    score_end_callback=eval_end_callback,
                    batch_end_callback=eval_batch_end_callback,
                    epoch=epoch,
                )
                for name, value in figures:
                    self.logger.info("Epoch[%d] Validation-%s=%f", epoch, name, value)
            train_data.reset()

    def _fit_epoch(
        self, train_data: Any, eval_metric: Any, epoch: int, batch_end_callback: Any, monitor: Any, sparse_row_id_fn: Any
    ) -> list[tuple[str, float]]:
        """Learn from every batch once; returns the metric's names and values."""
        eval_metric.reset()
        batches = iter(train_data)
        following = next(batches, None)
        if following is None:
            raise MXNetError(f"fit: train_data gave no batch in epoch {epoch}")
        nbatch, figures = 0, []
        while following is not None:
            data_batch = following
            if monitor is not None:
                monitor.tic()
            self.forward_backward(data_batch)
            self.update()
            self._count(eval_metric, data_batch)
            following = next(batches, None)
            if following is not None:
                # After the metric: it may replace the outputs.
                self.prepare(following, sparse_row_id_fn)
            else:
                figures = eval_metric.get_global_name_value()  # a callback may reset it
            if monitor is not None:
                monitor.toc_print()
            if batch_end_callback is not None:
                _multiple_callbacks(batch_end_callback, BatchEndParam(epoch, nbatch, eval_metric, locals()))
            nbatch += 1
        return figures
