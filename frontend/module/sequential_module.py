"""A chain of modules: each takes the outputs of the one before it."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ..base import MXNetError
from ..io import DataDesc
from ..ndarray import NDArray
from .base_module import INITIALIZER, OPTIMIZER_PARAMS, BaseModule, Outputs, Params

__all__ = ["SequentialModule"]


class SequentialModule(BaseModule):
    """Modules one after the other; :meth:`add` puts one at the end.

    Parameters
    ----------
    logger : logging.Logger
        Where messages go.

    Examples
    --------
    >>> import weft as mx
    >>> def part(name):
    ...     return mx.mod.Module(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name=name), label_names=None)
    >>> chain = SequentialModule().add(part("one")).add(part("two"), auto_wiring=True)
    >>> chain.bind([("data", (4, 5))])
    >>> chain.output_shapes
    [('two_output', (4, 3))]
    """

    META_TAKE_LABELS = "take_labels"
    META_AUTO_WIRING = "auto_wiring"

    def __init__(self, logger: Any = logging) -> None:
        super().__init__(logger)
        self._modules: list[BaseModule] = []
        self._metas: list[dict[str, Any]] = []
        self._label_shapes: Any = None
        self._data_shapes: Any = None

    def add(self, module: BaseModule, **kwargs: Any) -> SequentialModule:
        """Put a module at the end, and return the chain.

        Parameters
        ----------
        module : BaseModule
            The module.
        take_labels : bool, default False
            Whether it gets the batches' labels.
        auto_wiring : bool, default False
            Whether it takes the outputs before it in their order, whatever their names.
        """
        for key in kwargs:
            if key not in (self.META_TAKE_LABELS, self.META_AUTO_WIRING):
                raise ValueError(f"SequentialModule.add: unknown option {key!r}, a typo? take_labels and auto_wiring are known")
        self._modules.append(module)
        self._metas.append(kwargs)
        self.binded = self.params_initialized = self.optimizer_initialized = False
        return self

    def _takes_labels(self, place: int) -> bool:
        return bool(self._metas[place].get(self.META_TAKE_LABELS, False))

    @property
    def data_names(self) -> list[str]:
        """Names of the first module's inputs."""
        return self._modules[0].data_names if self._modules else []

    @property
    def output_names(self) -> list[str]:
        """Names of the last module's outputs."""
        return self._modules[-1].output_names if self._modules else []

    @property
    def data_shapes(self) -> list[DataDesc]:
        """Descriptions of the first module's inputs."""
        self._require("binded")
        return self._modules[0].data_shapes

    @property
    def label_shapes(self) -> Any:
        """Descriptions of the labels, or None where no module takes them."""
        self._require("binded")
        return self._label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """Names and shapes of the last module's outputs."""
        self._require("binded")
        return self._modules[-1].output_shapes

    def get_params(self) -> tuple[Params, Params]:
        """Return arguments and auxiliary states of all modules."""
        self._require("binded", "params_initialized")
        arg_params: Params = {}
        aux_params: Params = {}
        for module in self._modules:
            arguments, states = module.get_params()
            arg_params.update(arguments)
            aux_params.update(states)
        return arg_params, aux_params

    def init_params(
        self,
        initializer: Any = INITIALIZER,
        arg_params: Mapping[str, NDArray] | None = None,
        aux_params: Mapping[str, NDArray] | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Give the parameters of all modules values; see :meth:`Module.init_params`."""
        if self.params_initialized and not force_init:
            return
        self._require("binded")
        if initializer is None and arg_params is None and aux_params is None:
            initializer = INITIALIZER
        for module in self._modules:
            # What is extra for one module is another one's.
            module.init_params(initializer, arg_params, aux_params, allow_missing, force_init, allow_extra=True)
        self._check_unique()
        self.params_initialized = True

    def _check_unique(self) -> None:
        seen: dict[str, int] = {}
        for place, module in enumerate(self._modules):
            for names in module.get_params():
                for name in names:
                    if name in seen:
                        raise MXNetError(f"SequentialModule: parameter {name!r} is in module {seen[name]} and in module {place}")
                    seen[name] = place

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
        """Bind all modules, each to the shapes of the outputs before it; see :meth:`Module.bind`."""
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if inputs_need_grad and not for_training:
            raise ValueError("bind: inputs_need_grad is True, for_training must be True too")
        if shared_module is not None:
            raise MXNetError("SequentialModule.bind: shared_module is not supported")
        if not self._modules:
            raise MXNetError("SequentialModule.bind: the chain is empty")
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        shapes: Any = data_shapes
        for place, module in enumerate(self._modules):
            if self._metas[place].get(self.META_AUTO_WIRING, False):
                if len(module.data_names) != len(shapes):
                    raise ValueError(f"module {place} takes {len(module.data_names)} inputs, the one before it gives {len(shapes)}")
                shapes = [(name, entry[1]) for name, entry in zip(module.data_names, shapes)]
            module.bind(
                shapes,
                label_shapes if self._takes_labels(place) else None,
                for_training=for_training,
                inputs_need_grad=inputs_need_grad or (for_training and place > 0),
                force_rebind=force_rebind,
                grad_req=grad_req,
            )
            shapes = module.output_shapes
        needs_labels = any(self._takes_labels(place) for place in range(len(self._modules)))
        self._label_shapes = label_shapes if needs_labels else None
        self.binded = True

    def init_optimizer(
        self, kvstore: Any = "local", optimizer: Any = "sgd", optimizer_params: Any = OPTIMIZER_PARAMS, force_init: bool = False
    ) -> None:
        """Make all modules ready to learn; see :meth:`Module.init_optimizer`."""
        self._require("binded", "params_initialized")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring.")
            return
        for module in self._modules:
            module.init_optimizer(kvstore, optimizer, optimizer_params, force_init)
        self.optimizer_initialized = True

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Compute the outputs of a batch, module by module."""
        self._require("binded", "params_initialized")
        batch = copy.copy(data_batch)  # the modules' outputs go into it as data
        for place, module in enumerate(self._modules):
            module.forward(batch, is_train=is_train)
            if place + 1 == len(self._modules):
                return
            batch.data = module.get_outputs()
            if self._metas[place + 1].get(self.META_AUTO_WIRING, False):
                names = self._modules[place + 1].data_names
            else:
                names = module.output_names
            batch.provide_data = [(name, value.shape) for name, value in zip(names, batch.data)]

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients of the last batch, from the last module to the first."""
        self._require("binded", "params_initialized")
        for place in reversed(range(len(self._modules))):
            self._modules[place].backward(out_grads)
            if place:
                out_grads = self._modules[place].get_input_grads()

    def update(self) -> None:
        """Change the parameters of all modules."""
        self._require("binded", "params_initialized", "optimizer_initialized")
        for module in self._modules:
            module.update()

    def get_outputs(self, merge_multi_context: bool = True) -> Outputs:
        """Return the last module's outputs."""
        self._require("binded", "params_initialized")
        return self._modules[-1].get_outputs(merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> Outputs:
        """Return the gradients of the first module's inputs."""
        self._require("binded", "params_initialized")
        if not self.inputs_need_grad:
            raise MXNetError("get_input_grads: bind was called with inputs_need_grad=False")
        return self._modules[0].get_input_grads(merge_multi_context)

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Count the outputs of the modules that take labels."""
        self._require("binded", "params_initialized")
        for place, module in enumerate(self._modules):
            if self._takes_labels(place):
                module.update_metric(eval_metric, labels, pre_sliced)

    def install_monitor(self, mon: Any) -> None:
        """Let a monitor see the arrays of all modules."""
        self._require("binded")
        for module in self._modules:
            module.install_monitor(mon)
