"""``mx.model``: checkpoints, the helpers of training with a key-value store, and the old FeedForward interface."""

from __future__ import annotations

import logging
import os
import warnings
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import kvstore as kvs
from . import ndarray as nd
from .base import MXNetError
from .context import Context, cpu
from .ndarray import NDArray

if TYPE_CHECKING:
    from .symbol import Symbol

__all__ = ["BatchEndParam", "FeedForward", "load_checkpoint", "load_params", "save_checkpoint"]

#: What a callback is given after a batch: epoch, number of the batch, metric, the trainer's local variables.
BatchEndParam = namedtuple("BatchEndParams", ["epoch", "nbatch", "eval_metric", "locals"])  # type: ignore[name-match]

Params = dict[str, NDArray]
#: Above so many elements in one parameter, the devices update it each for itself.
BIG_ARRAY = 16 * 1024 * 1024


def _create_kvstore(kvstore: Any, num_device: int, arg_params: Mapping[str, NDArray] | None) -> tuple[Any, bool]:
    """Make the store to train with, or None where one device needs none, and say whether it runs the optimizer.

    >>> _create_kvstore("local", 1, {})
    (None, False)
    """
    on_store = bool(int(os.getenv("MXNET_UPDATE_ON_KVSTORE", "1")))
    if kvstore is None:
        return None, False
    if isinstance(kvstore, str):
        if num_device == 1 and "dist" not in kvstore:
            return None, False
        store = kvs.create(kvstore)
        if kvstore == "local" and any(value.size > BIG_ARRAY for value in (arg_params or {}).values()):
            on_store = False
    elif isinstance(kvstore, kvs.KVStoreBase):
        store = kvstore
    else:
        raise TypeError(f"kvstore must be KVStore, str or None, got {type(kvstore).__name__}")
    return store, on_store and store.is_capable(kvs.KVStoreBase.OPTIMIZER)


def _initialize_kvstore(
    kvstore: Any,
    param_arrays: Sequence[Sequence[NDArray]],
    arg_params: Mapping[str, NDArray],
    param_names: Sequence[str],
    update_on_kvstore: bool,
) -> None:
    """Make the parameters known to the store; where it updates them, every device gets its values."""
    for name, arrays in zip(param_names, param_arrays):
        if update_on_kvstore:
            kvstore.broadcast(name, arg_params[name], out=list(arrays))
        else:
            kvstore.init(name, arg_params[name])


def _with_gradients(param_arrays: Sequence[Any], grad_arrays: Sequence[Any]) -> list[tuple[int, list[NDArray], list[NDArray]]]:
    pairs = enumerate(zip(param_arrays, grad_arrays))
    return [(place, list(weights), list(gradients)) for place, (weights, gradients) in pairs if gradients[0] is not None]


def _update_params_on_kvstore(param_arrays: Sequence[Any], grad_arrays: Sequence[Any], kvstore: Any, param_names: Sequence[str]) -> None:
    """Push gradients and pull updated weights; those of the first layers are wanted first."""
    for place, weights, gradients in _with_gradients(param_arrays, grad_arrays):
        kvstore.pushpull(param_names[place], gradients, out=weights, priority=-place)


def _update_params(
    param_arrays: Sequence[Any],
    grad_arrays: Sequence[Any],
    updater: Callable[..., Any],
    num_device: int,
    kvstore: Any = None,
    param_names: Sequence[str] | None = None,
) -> None:
    """Update the weights of each device, with the sum of all devices' gradients where there is a store."""
    updates: list[list[tuple[int, NDArray, NDArray]]] = [[] for _ in range(num_device)]
    for place, weights, gradients in _with_gradients(param_arrays, grad_arrays):
        if kvstore is not None:
            kvstore.pushpull(param_names[place], gradients, priority=-place)  # type: ignore[index]
        for device, (weight, gradient) in enumerate(zip(weights, gradients)):
            updates[device].append((place * num_device + device, gradient, weight))
    for update in updates:
        if update:
            updater(*(list(column) for column in zip(*update)))


def _multiple_callbacks(callbacks: Any, *args: Any, **kwargs: Any) -> None:
    """Call one callback, all callbacks of a list, or none."""
    if callbacks is None:
        return
    for callback in callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]:
        callback(*args, **kwargs)


def _params_file(prefix: str, epoch: int) -> str:
    return f"{prefix}-{epoch:04d}.params"


def save_checkpoint(
    prefix: str,
    epoch: int,
    symbol: Symbol | None,
    arg_params: Mapping[str, NDArray],
    aux_params: Mapping[str, NDArray],
    remove_amp_cast: bool = True,
) -> None:
    """Save a network: ``prefix-symbol.json`` and ``prefix-NNNN.params``, as MXNet reads them.

    Parameters
    ----------
    prefix : str
        Beginning of the files' names.
    epoch : int
        Number in the name of the parameters' file.
    symbol : Symbol or None
        The graph; None saves parameters alone.
    arg_params, aux_params : dict of str to NDArray
        Arguments and auxiliary states.
    remove_amp_cast : bool, default True
        Leave out the casts that mixed precision put in.

    Examples
    --------
    >>> import os, tempfile, weft as mx
    >>> prefix = os.path.join(tempfile.mkdtemp(), "net")
    >>> save_checkpoint(prefix, 7, mx.sym.Variable("x") * 2, {"x": mx.nd.ones((2,))}, {})
    >>> symbol, arguments, states = load_checkpoint(prefix, 7)
    >>> symbol.list_arguments(), arguments["x"].shape, states
    (['x'], (2,), {})
    """
    if symbol is not None:
        symbol.save(f"{prefix}-symbol.json", remove_amp_cast=remove_amp_cast)
    arrays = {f"arg:{name}": value.as_in_context(cpu()) for name, value in arg_params.items()}
    arrays.update((f"aux:{name}", value.as_in_context(cpu())) for name, value in aux_params.items())
    name = _params_file(prefix, epoch)
    nd.save(name, arrays)
    logging.info('Saved checkpoint to "%s"', name)


def _split_params(name: str) -> tuple[Params, Params]:
    """Read a parameters' file into arguments and auxiliary states."""
    loaded = nd.load(name)
    if not isinstance(loaded, dict):
        if loaded:
            raise MXNetError(f"{name!r} has {len(loaded)} arrays without names, names such as 'arg:weight' are expected")
        return {}, {}
    parts: dict[str, Params] = {"arg": {}, "aux": {}}
    for key, value in loaded.items():
        kind, _, found = key.partition(":")
        if kind not in parts or not found:
            raise MXNetError(f"{name!r} has an array named {key!r}, 'arg:NAME' or 'aux:NAME' is expected")
        parts[kind][found] = value
    return parts["arg"], parts["aux"]


def load_params(prefix: str, epoch: int) -> tuple[Params, Params]:
    """Load the parameters of a checkpoint: arguments and auxiliary states.

    Parameters
    ----------
    prefix : str
        Beginning of the files' names.
    epoch : int
        Which checkpoint.
    """
    return _split_params(_params_file(prefix, epoch))


def load_checkpoint(prefix: str, epoch: int) -> tuple[Symbol, Params, Params]:
    """Load a network that :func:`save_checkpoint`, or MXNet, saved: graph, arguments and auxiliary states.

    Parameters
    ----------
    prefix : str
        Beginning of the files' names.
    epoch : int
        Which checkpoint.
    """
    from . import symbol

    graph = symbol.load(f"{prefix}-symbol.json")
    return (graph, *load_params(prefix, epoch))


def _arrays_iter(data: Any, label: Any, batch_size: int, training: bool) -> Any:
    """An iterator over what FeedForward was given: an iterator, or arrays of examples and labels."""
    from .io import DataIter, NDArrayIter

    if isinstance(data, DataIter):
        return data
    if not isinstance(data, (np.ndarray, NDArray)):
        raise TypeError(f"X must be DataIter, NDArray or numpy.ndarray, got {type(data).__name__}")
    if label is None:
        if training:
            raise ValueError("y must be specified when X is numpy.ndarray")
        label = np.zeros(data.shape[0], np.float32)
    if not isinstance(label, (np.ndarray, NDArray)):
        raise TypeError(f"y must be ndarray when X is numpy.ndarray, got {type(label).__name__}")
    if data.shape[0] != label.shape[0]:
        raise ValueError(f"X has {data.shape[0]} examples, y has {label.shape[0]}")
    if label.ndim == 2 and label.shape[1] == 1:
        label = label.reshape(-1)
    if label.ndim != 1:
        raise ValueError(f"y must have one axis, or a second one of length 1, its shape is {label.shape}")
    size = min(data.shape[0], batch_size)
    return NDArrayIter(data, label, size, shuffle=training, last_batch_handle="roll_over" if training else "pad")


class FeedForward:
    """A network with the training loop of MXNet's first versions; :class:`~weft.mod.Module` took its place.

    Parameters
    ----------
    symbol : Symbol
        The graph, with a loss at its end.
    ctx : Context or list of Context, optional
        Where to compute; the CPU by default.
    num_epoch : int, optional
        Epoch at which training ends.
    epoch_size : int, optional
        Batches in an epoch; all by default.
    optimizer : str or Optimizer, default "sgd"
        What updates the weights.
    initializer : Initializer, optional
        What fills weights that are not given; ``Uniform(0.01)`` by default.
    numpy_batch_size : int, default 128
        Examples in a batch where arrays are given instead of an iterator.
    arg_params, aux_params : dict of str to NDArray, optional
        Values of the weights.
    allow_extra_params : bool, default False
        Take values for weights that the graph does not have.
    begin_epoch : int, default 0
        Epoch at which training begins.
    **kwargs : object
        Parameters of the optimizer.
    """

    def __init__(
        self,
        symbol: Symbol,
        ctx: Context | Sequence[Context] | None = None,
        num_epoch: int | None = None,
        epoch_size: int | None = None,
        optimizer: Any = "sgd",
        initializer: Any = None,
        numpy_batch_size: int = 128,
        arg_params: Params | None = None,
        aux_params: Params | None = None,
        allow_extra_params: bool = False,
        begin_epoch: int = 0,
        **kwargs: Any,
    ) -> None:
        message = "mxnet.model.FeedForward has been deprecated. Please use mxnet.mod.Module instead."
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        from .initializer import Uniform

        self.symbol = symbol
        contexts = [cpu()] if ctx is None else ctx
        self.ctx = [contexts] if isinstance(contexts, Context) else list(contexts)
        self.num_epoch = num_epoch
        self.epoch_size = epoch_size
        self.optimizer = optimizer
        self.initializer = Uniform(0.01) if initializer is None else initializer
        self.numpy_batch_size = numpy_batch_size
        self.arg_params = arg_params
        self.aux_params = aux_params
        self.allow_extra_params = allow_extra_params
        self.begin_epoch = begin_epoch
        self.kwargs = dict(kwargs)

    def _module(self, data: Any, logger: Any = None, known: Params | None = None) -> Any:
        from .module import Module

        arguments = self.symbol.list_arguments()
        names = [desc[0] for desc in data.provide_data]
        labels = [desc[0] for desc in data.provide_label or () if desc[0] in arguments]
        if known is not None:  # predictions need no labels: those that the data do not have are still not weights
            labels += [name for name in arguments if name.endswith("label") and name not in (*names, *labels, *known)]
        # Predictions come from the first device, as in MXNet: a slice may be rounded otherwise than the whole batch.
        devices = self.ctx if known is None else self.ctx[:1]
        return Module(self.symbol, names, labels, logger=logger or logging, context=devices)

    def fit(
        self,
        X: Any,
        y: Any = None,
        eval_data: Any = None,
        eval_metric: Any = "acc",
        epoch_end_callback: Any = None,
        batch_end_callback: Any = None,
        kvstore: Any = "local",
        logger: Any = None,
        work_load_list: Any = None,
        monitor: Any = None,
        eval_end_callback: Any = None,
        eval_batch_end_callback: Any = None,
    ) -> None:
        """Train; the parameters are those of :meth:`weft.mod.BaseModule.fit`, `X` and `y` an iterator or two arrays."""
        from .callback import LogValidationMetricsCallback
        from .io import ResizeIter

        train = _arrays_iter(X, y, self.numpy_batch_size, training=True)
        if self.epoch_size is not None:
            train = ResizeIter(train, self.epoch_size, reset_internal=False)
        if isinstance(eval_data, (tuple, list)):
            if len(eval_data) != 2:
                raise ValueError(f"eval_data must be an iterator or a pair of examples and labels, it has {len(eval_data)} parts")
            examples, labels = [np.array(part) if isinstance(part, list) else part for part in eval_data]
            eval_data = _arrays_iter(examples, labels, self.numpy_batch_size, training=False)
        module = self._module(train, logger)
        module.fit(
            train,
            eval_data=eval_data,
            eval_metric=eval_metric,
            epoch_end_callback=epoch_end_callback,
            batch_end_callback=batch_end_callback,
            kvstore=kvstore,
            optimizer=self.optimizer,
            optimizer_params=self.kwargs or (("learning_rate", 0.01),),
            eval_end_callback=LogValidationMetricsCallback() if eval_end_callback is None else eval_end_callback,
            eval_batch_end_callback=eval_batch_end_callback,
            initializer=self.initializer,
            arg_params=self._known(),
            aux_params=self.aux_params,
            allow_missing=True,
            begin_epoch=self.begin_epoch,
            num_epoch=self.num_epoch,
            monitor=monitor,
        )
        self.arg_params, self.aux_params = module.get_params()

    def _known(self) -> Params | None:
        """The given weights that the graph has."""
        if self.arg_params is None:
            return None
        names = set(self.symbol.list_arguments())
        extra = sorted(set(self.arg_params) - names)
        if extra and not self.allow_extra_params:
            raise ValueError(f"FeedForward: arg_params has {', '.join(extra)}, which the symbol has not (allow_extra_params is False)")
        return {name: value for name, value in self.arg_params.items() if name in names}

    def _bound(self, data: Any, with_labels: bool) -> Any:
        if self.arg_params is None:
            raise MXNetError("FeedForward: the network has no parameters, fit or load gives it some")
        known = self._known()
        module = self._module(data, known=known)
        labels = data.provide_label if with_labels else None
        module.bind(data.provide_data, [desc for desc in labels if desc[0] in module.label_names] if labels else None, for_training=False)
        module.init_params(None, known, self.aux_params or {}, allow_extra=self.allow_extra_params)
        return module

    def predict(self, X: Any, num_batch: int | None = None, return_data: bool = False, reset: bool = True) -> Any:
        """Return the outputs for all examples as NumPy arrays: one, or a list where the network has several.

        With `return_data`, return outputs, data and labels.
        """
        data = _arrays_iter(X, None, self.numpy_batch_size, training=False)
        module = self._bound(data, with_labels=True)
        columns: list[list[list[np.ndarray]]] = []
        for outputs, _, batch in module.iter_predict(data, num_batch=num_batch, reset=reset):
            real = data.batch_size - (batch.pad or 0)
            rows = [[array.asnumpy()[:real] for array in arrays] for arrays in (outputs, batch.data, batch.label or ())]
            columns = columns or [[[] for _ in row] for row in rows]
            for group, row in zip(columns, rows):
                for column, value in zip(group, row):
                    column.append(value)
        joined = [[np.concatenate(column) for column in group] for group in columns]
        single = [group[0] if len(group) == 1 else group for group in joined]
        if not single:
            raise MXNetError("FeedForward.predict: the iterator gave no batch")
        return tuple(single) if return_data else single[0]

    def score(
        self, X: Any, eval_metric: Any = "acc", num_batch: int | None = None, batch_end_callback: Any = None, reset: bool = True
    ) -> Any:
        """Return the metric's value over `X`."""
        data = _arrays_iter(X, None, self.numpy_batch_size, training=False)
        found = self._bound(data, with_labels=True).score(data, eval_metric, num_batch, batch_end_callback, reset=reset)
        return found[0][1]

    def save(self, prefix: str, epoch: int | None = None, remove_amp_cast: bool = True) -> None:
        """Save a checkpoint, by default under the last epoch's number."""
        number = self.num_epoch if epoch is None else epoch
        if number is None:
            raise ValueError("FeedForward.save: epoch is not given, and the network has no num_epoch")
        save_checkpoint(prefix, number, self.symbol, self.arg_params or {}, self.aux_params or {}, remove_amp_cast)

    @staticmethod
    def load(prefix: str, epoch: int, ctx: Any = None, **kwargs: Any) -> FeedForward:
        """Load a checkpoint; training goes on from `epoch`."""
        symbol, arg_params, aux_params = load_checkpoint(prefix, epoch)
        return FeedForward(symbol, ctx=ctx, arg_params=arg_params, aux_params=aux_params, begin_epoch=epoch, **kwargs)

    @staticmethod
    def create(
        symbol: Symbol,
        X: Any,
        y: Any = None,
        ctx: Any = None,
        num_epoch: int | None = None,
        epoch_size: int | None = None,
        optimizer: Any = "sgd",
        initializer: Any = None,
        eval_data: Any = None,
        eval_metric: Any = "acc",
        epoch_end_callback: Any = None,
        batch_end_callback: Any = None,
        kvstore: Any = "local",
        logger: Any = None,
        work_load_list: Any = None,
        eval_end_callback: Any = None,
        eval_batch_end_callback: Any = None,
        **kwargs: Any,
    ) -> FeedForward:
        """Make a network and train it."""
        model = FeedForward(symbol, ctx, num_epoch, epoch_size, optimizer, initializer, **kwargs)
        model.fit(
            X,
            y,
            eval_data,
            eval_metric,
            epoch_end_callback,
            batch_end_callback,
            kvstore,
            logger,
            work_load_list,
            eval_end_callback=eval_end_callback,
            eval_batch_end_callback=eval_batch_end_callback,
        )
        return model
