"""Modules whose computation is written in Python."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import ndarray as nd
from ..base import MXNetError
from ..io import DataDesc
from ..ndarray import NDArray
from .base_module import INITIALIZER, OPTIMIZER_PARAMS, BaseModule, Outputs, Params, check_described, described

__all__ = ["PythonLossModule", "PythonModule"]


class PythonModule(BaseModule):
    """A module without parameters, whose subclass computes in ``forward``, ``backward`` and ``_compute_output_shapes``.

    Parameters
    ----------
    data_names, label_names : list of str
        What it takes of batches; None or an empty list is no labels.
    output_names : list of str
        What it gives.
    logger : logging.Logger
        Where messages go.
    """

    def __init__(
        self, data_names: Sequence[str], label_names: Sequence[str] | None, output_names: Sequence[str], logger: Any = logging
    ) -> None:
        super().__init__(logger)
        self._data_names = list(data_names)
        self._label_names = list(label_names or ())
        self._output_names = list(output_names)
        self._data_shapes: list[DataDesc] = []
        self._label_shapes: list[DataDesc] | None = None
        self._output_shapes: list[tuple[str, tuple[int, ...]]] = []

    @property
    def data_names(self) -> list[str]:
        """Names of the inputs."""
        return self._data_names

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs."""
        return self._output_names

    @property
    def data_shapes(self) -> list[DataDesc]:
        """Descriptions of the inputs."""
        return self._data_shapes

    @property
    def label_shapes(self) -> list[DataDesc] | None:
        """Descriptions of the labels."""
        return self._label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """Names and shapes of the outputs."""
        return self._output_shapes

    def get_params(self) -> tuple[Params, Params]:
        """Return two empty dictionaries: there are no parameters."""
        return {}, {}

    def init_params(
        self,
        initializer: Any = INITIALIZER,
        arg_params: Mapping[str, NDArray] | None = None,
        aux_params: Mapping[str, NDArray] | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Do nothing: there are no parameters."""
        self.params_initialized = True

    def init_optimizer(
        self, kvstore: Any = "local", optimizer: Any = "sgd", optimizer_params: Any = OPTIMIZER_PARAMS, force_init: bool = False
    ) -> None:
        """Do nothing: there is nothing to update."""
        self.optimizer_initialized = True

    def update(self) -> None:
        """Do nothing: there is nothing to update."""

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Count the last outputs into a metric, where the module takes labels."""
        if self._label_shapes is None:
            return
        if pre_sliced:
            raise MXNetError("PythonModule.update_metric: pre_sliced must be False, the module is on one device")
        eval_metric.update(labels, self.get_outputs())

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
        """Make ready for batches of these shapes; parameters are those of :meth:`Module.bind`."""
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if grad_req != "write":
            raise ValueError(f"PythonModule.bind: grad_req must be 'write', got {grad_req!r}")
        data = described(data_shapes)
        if [desc.name for desc in data] != self._data_names:
            check_described(self._data_names, data, "data", needed=True)
            raise ValueError(f"data_shapes must be in the order of data_names: {self._data_names}")
        if label_shapes is not None:
            check_described(self._label_names, described(label_shapes), "label", needed=True)
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        self._data_shapes = data
        self._label_shapes = None if label_shapes is None else described(label_shapes)
        self._output_shapes = self._compute_output_shapes()
        self.binded = True

    def _compute_output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """Return names and shapes of the outputs, from ``self._data_shapes`` and ``self._label_shapes``."""
        raise NotImplementedError(f"{type(self).__name__} has no _compute_output_shapes")


class PythonLossModule(PythonModule):
    """A loss whose gradient is a Python function; its output is its input.

    Parameters
    ----------
    name : str, default "pyloss"
        The output is ``name_output``.
    data_names, label_names : list of str
        One name each.
    logger : logging.Logger
        Where messages go.
    grad_func : callable, optional
        Gradient of the scores, an NDArray or NumPy array, from scores and labels. A subclass may have ``_backward_impl`` instead.

    Examples
    --------
    >>> import weft as mx
    >>> loss = PythonLossModule(grad_func=lambda scores, labels: scores - labels)
    >>> loss.bind([("data", (2, 1))], [("softmax_label", (2, 1))])
    >>> loss.forward(mx.io.DataBatch([mx.nd.ones((2, 1))], [mx.nd.zeros((2, 1))]))
    >>> loss.backward()
    >>> loss.get_input_grads()[0].asnumpy().tolist()
    [[1.0], [1.0]]
    """

    def __init__(
        self,
        name: str = "pyloss",
        data_names: Sequence[str] = ("data",),
        label_names: Sequence[str] = ("softmax_label",),
        logger: Any = logging,
        grad_func: Callable[[NDArray, NDArray], Any] | None = None,
    ) -> None:
        super().__init__(data_names, label_names, [name + "_output"], logger)
        if len(self._data_names) != 1 or len(self._label_names) != 1:
            raise ValueError(f"PythonLossModule: one data name and one label name are expected, got {data_names} and {label_names}")
        if grad_func is not None and not callable(grad_func):
            raise TypeError(f"PythonLossModule: grad_func must be callable, got {type(grad_func).__name__}")
        self._name = name
        self._grad_func = grad_func
        self._scores: Any = None
        self._labels: Any = None
        self._scores_grad: Any = None

    def _compute_output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        return [(self._name + "_output", self._data_shapes[0].shape)]

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Keep scores and, in training, labels."""
        self._scores = data_batch.data[0]
        if self.for_training if is_train is None else is_train:
            self._labels = data_batch.label[0]

    def get_outputs(self, merge_multi_context: bool = True) -> Outputs:
        """Return the scores."""
        return [self._scores]

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradient of the scores."""
        if out_grads is not None:
            raise ValueError("PythonLossModule.backward: out_grads must be None, a loss has no gradients from outside")
        if not self.for_training:
            raise MXNetError("backward: bind was called with for_training=False")
        self._backward_impl()

    def _backward_impl(self) -> None:
        """Compute ``self._scores_grad`` from ``self._scores`` and ``self._labels``."""
        if self._grad_func is None:
            raise NotImplementedError(f"{type(self).__name__} has neither grad_func nor a _backward_impl of its own")
        gradient = self._grad_func(self._scores, self._labels)
        self._scores_grad = gradient if isinstance(gradient, NDArray) else nd.array(gradient)

    def get_input_grads(self, merge_multi_context: bool = True) -> Outputs:
        """Return the gradient of the scores."""
        return [self._scores_grad]

    def install_monitor(self, mon: Any) -> None:
        """Do nothing: there is no executor to look into."""
