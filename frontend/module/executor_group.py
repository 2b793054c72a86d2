"""One executor for each device, with the slices of a batch that each computes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import ndarray as nd
from ..base import MXNetError
from ..context import Context
from ..io import DataDesc
from ..ndarray import NDArray
from .base_module import described

if TYPE_CHECKING:
    from ..symbol import Symbol

__all__ = ["DataParallelExecutorGroup"]

#: Executors that are kept for batches of other shapes than those bound last.
KEPT = 8


def split_batch(batch_size: int, workloads: Sequence[float]) -> list[slice]:
    """Slices of a batch for devices with these shares of the work.

    >>> split_batch(10, [1, 1, 2])
    [slice(0, 2, None), slice(2, 4, None), slice(4, 10, None)]
    """
    total = float(sum(workloads))
    sizes = [round(batch_size * share / total) for share in workloads]
    sizes[-1] += max(0, batch_size - sum(sizes))
    slices, begin = [], 0
    for size in sizes:
        end = min(begin + size, batch_size)
        slices.append(slice(begin, end))
        begin = end
    if any(part.start == part.stop for part in slices):
        raise ValueError(f"too many slices: a batch of {batch_size} cannot be split over {len(slices)} devices")
    return slices


def contexts_of_groups(group2ctxs: Any, count: int) -> list[dict[str, Context] | None]:
    """For each of `count` devices, the contexts of the groups of nodes."""
    if group2ctxs is None:
        return [None] * count
    if isinstance(group2ctxs, Mapping):
        found: list[dict[str, Context] | None] = []
        for device in range(count):
            chosen = {}
            for group, contexts in group2ctxs.items():
                several = [contexts] if isinstance(contexts, Context) else list(contexts)
                if len(several) not in (1, count):
                    raise ValueError(f"group2ctxs: {group!r} has {len(several)} contexts, 1 or {count} are expected")
                chosen[group] = several[device if len(several) > 1 else 0]
            found.append(chosen)
        return found
    if not isinstance(group2ctxs, (list, tuple)) or len(group2ctxs) != count:
        raise ValueError(f"group2ctxs must be a dict of contexts, or a list of {count} such dicts, got {group2ctxs!r}")
    return list(group2ctxs)


def _merge_multi_context(outputs: Sequence[Sequence[NDArray]], major_axis: Sequence[int]) -> list[NDArray]:
    """Join what devices hold, each its slice of a batch, on the first of them; without a batch axis the first device's is taken."""
    found = []
    for several, axis in zip(outputs, major_axis):
        if len(several) == 1 or axis < 0:
            found.append(several[0])
        else:
            context = several[0].context
            found.append(nd.concat(*[value.as_in_context(context) for value in several], dim=axis))
    return found


def _load_general(data: Sequence[Any], targets: Sequence[Any], major_axis: Sequence[int]) -> None:
    """Copy arrays into targets: an array, a list of arrays (one for each of a list), or pairs of a slice and its array."""
    for source, goal, axis in zip(data, targets, major_axis):
        if isinstance(goal, NDArray):
            source.copyto(goal)
        elif isinstance(source, (list, tuple)):
            for value, target in zip(source, goal):
                value.copyto(target)
        else:
            for part, target in goal:
                value = source if axis < 0 else nd.slice_axis(source, axis=axis, begin=part.start, end=part.stop)
                value.copyto(target)


def _load_batch(batch: Any, which: str, targets: Sequence[Any], major_axis: Sequence[int]) -> None:
    if not isinstance(batch, list):
        _load_general(getattr(batch, which), targets, major_axis)
        return
    sources = [[getattr(each, which)[place] for each in batch] for place in range(len(targets))]
    _load_general(sources, [[target for _, target in goal] for goal in targets], major_axis)


def _load_data(batch: Any, targets: Sequence[Any], major_axis: Sequence[int]) -> None:
    """Copy a batch's data, or that of a list of batches (one for each device), into the devices' arrays."""
    _load_batch(batch, "data", targets, major_axis)


def _load_label(batch: Any, targets: Sequence[Any], major_axis: Sequence[int]) -> None:
    """Copy a batch's labels, or those of a list of batches (one for each device), into the devices' arrays."""
    _load_batch(batch, "label", targets, major_axis)


# Groups of executors that programs write themselves import these names.
_prepare_group2ctxs = contexts_of_groups
_split_input_slice = split_batch


class DataParallelExecutorGroup:
    """The executors of a module.

    Parameters
    ----------
    symbol : Symbol
        The graph.
    contexts : list of Context
        The devices.
    workload : list of float
        Share of each device.
    data_shapes, label_shapes : list of DataDesc
        Descriptions of whole batches, or pairs of name and shape.
    param_names, state_names, fixed_param_names : list of str
        Arguments that are trained, those that keep their value, and those of the first that are not trained.
    for_training, inputs_need_grad : bool
        Whether there are gradients, and gradients of the inputs.
    shared_group : DataParallelExecutorGroup, optional
        Executors of another graph whose parameters and memory these use too.
    logger : logging.Logger
        Where messages go.
    grad_req : str, list or dict
        What is done with gradients.
    group2ctxs : dict or list, optional
        Contexts of groups of nodes.
    """

    def __init__(
        self,
        symbol: Symbol,
        contexts: Sequence[Context],
        workload: Sequence[float],
        data_shapes: Sequence[DataDesc],
        label_shapes: Sequence[DataDesc] | None,
        param_names: Sequence[str],
        for_training: bool,
        inputs_need_grad: bool,
        shared_group: DataParallelExecutorGroup | None = None,
        logger: Any = logging,
        fixed_param_names: Sequence[str] | None = None,
        grad_req: Any = "write",
        state_names: Sequence[str] | None = None,
        group2ctxs: Any = None,
    ) -> None:
        data_shapes, label_shapes = described(data_shapes), described(label_shapes)
        self.symbol = symbol
        self.contexts = list(contexts)
        self.workload = list(workload)
        self.arg_names = symbol.list_arguments()
        self.aux_names = symbol.list_auxiliary_states()
        self.output_names = symbol.list_outputs()
        self.num_outputs = len(self.output_names)
        self.param_names = list(param_names)
        self.state_names = list(state_names or ())
        self.fixed_param_names = list(fixed_param_names or ())
        self.logger = logger
        self.for_training = for_training
        self.inputs_need_grad = inputs_need_grad
        self.shared_group = shared_group
        self.monitors: list[Any] = []
        self.output_layouts = [DataDesc.get_batch_axis(symbol[i].attr("__layout__")) for i in range(self.num_outputs)]
        self.group2ctxs = contexts_of_groups(group2ctxs, len(self.contexts))
        self.grad_req = self._requests(grad_req, [desc.name for desc in data_shapes])
        #: Pools of memory that the executors of other shapes and graphs share with these, by device.
        self.shared_data_arrays: list[dict[str, NDArray]] = (
            [{} for _ in self.contexts] if shared_group is None else shared_group.shared_data_arrays
        )
        self._bound: dict[Any, list[Any]] = {}
        self.bind(data_shapes, label_shapes)

    def _requests(self, grad_req: Any, data_names: Sequence[str]) -> dict[str, str]:
        given: dict[str, str] = {}
        if isinstance(grad_req, (list, tuple)):
            if len(grad_req) != len(self.arg_names):
                raise ValueError(f"grad_req has {len(grad_req)} entries for {len(self.arg_names)} arguments")
            given = dict(zip(self.arg_names, grad_req))
        elif isinstance(grad_req, Mapping):
            given = dict(grad_req)
        elif not isinstance(grad_req, str):
            raise ValueError(f"grad_req must be one of, a list, or a dict of 'write', 'add' and 'null', got {grad_req!r}")
        request = grad_req if isinstance(grad_req, str) else "write"
        found = {}
        for name in self.arg_names:
            wanted = (name in self.param_names and name not in self.fixed_param_names) or (name in data_names and self.inputs_need_grad)
            found[name] = given.get(name, request if wanted else "null") if self.for_training else "null"
        return found

    # Binding.

    def bind(self, data_shapes: Sequence[DataDesc], label_shapes: Sequence[DataDesc]) -> None:
        """Take executors for batches of these shapes; the parameters stay the same arrays."""
        self.data_shapes = list(data_shapes)
        #: Labels as batches hold them; those that the graph does not have are for metrics alone.
        self.all_label_names = [desc.name for desc in label_shapes]
        self.all_label_layouts = [desc.layout for desc in label_shapes]
        self.label_shapes = [desc for desc in label_shapes if desc.name in self.arg_names]
        self.label_names = [desc.name for desc in self.label_shapes]
        self.data_names = [desc.name for desc in self.data_shapes]
        self.data_layouts = [DataDesc.get_batch_axis(desc.layout) for desc in self.data_shapes]
        self.label_layouts = [DataDesc.get_batch_axis(desc.layout) for desc in self.label_shapes]
        self.batch_size = self._batch_size()
        self.slices = split_batch(self.batch_size, self.workload)
        key = tuple((desc.name, tuple(desc.shape), str(desc.dtype)) for desc in self.data_shapes + self.label_shapes)
        executors = self._bound.pop(key, None)
        if executors is None:
            executors = [self._bind_one(device) for device in range(len(self.contexts))]
            for monitor in self.monitors:
                for executor in executors:
                    monitor.install(executor)
            while len(self._bound) >= KEPT:
                del self._bound[next(iter(self._bound))]
        self._bound[key] = executors
        self.execs = executors
        self._collect()

    def reshape(self, data_shapes: Sequence[Any], label_shapes: Sequence[Any] | None = None) -> None:
        """Take executors for batches of other shapes, given as descriptions or as pairs of name and shape."""
        self.bind(described(data_shapes), described(label_shapes))

    def _batch_size(self) -> int:
        sizes = {}
        for desc in self.data_shapes + self.label_shapes:
            axis = DataDesc.get_batch_axis(desc.layout)
            if axis >= 0 and len(desc.shape) > axis:
                sizes[desc.name] = desc.shape[axis]
        if not sizes:
            raise ValueError("no input has a batch axis")
        (first, size), *others = sizes.items()
        for name, other in others:
            if other != size:
                raise ValueError(f"all inputs must have the same batch size: {name} has {other}, {first} has {size}")
        return size

    def _bind_one(self, device: int) -> Any:
        part = self.slices[device]
        shapes, types = {}, {}
        for desc in self.data_shapes + self.label_shapes:
            shape, axis = list(desc.shape), DataDesc.get_batch_axis(desc.layout)
            if 0 <= axis < len(shape):
                shape[axis] = part.stop - part.start
            shapes[desc.name], types[desc.name] = tuple(shape), desc.dtype
        if self._bound:  # the same graph in other shapes: its parameters, gradients and states
            shared = next(iter(self._bound.values()))[device]
        else:
            shared = None if self.shared_group is None else self.shared_group.execs[device]
        return self.symbol.simple_bind(
            ctx=self.contexts[device],
            grad_req=self.grad_req,
            type_dict=types,
            group2ctx=self.group2ctxs[device],
            shared_arg_names=self.param_names + self.state_names,
            shared_exec=shared,
            shared_buffer=self.shared_data_arrays[device],
            **shapes,
        )

    def _collect(self) -> None:
        def of(dictionary: str, names: Sequence[str]) -> list[list[Any]]:
            return [[getattr(executor, dictionary).get(name) for executor in self.execs] for name in names]

        self.param_arrays = of("arg_dict", self.param_names)
        self.grad_arrays = of("grad_dict", self.param_names)
        self.aux_arrays = of("aux_dict", self.aux_names)
        self.state_arrays = of("arg_dict", self.state_names)
        self.data_arrays = of("arg_dict", self.data_names)
        self.label_arrays = of("arg_dict", self.label_names)
        self.input_grad_arrays = of("grad_dict", self.data_names) if self.inputs_need_grad else []

    # Parameters.

    def set_params(self, arg_params: Mapping[str, NDArray], aux_params: Mapping[str, NDArray], allow_extra: bool = False) -> None:
        """Copy values to all devices."""
        for executor in self.execs:
            executor.copy_params_from(arg_params, aux_params, allow_extra_params=allow_extra)

    def get_params(self, arg_params: Mapping[str, NDArray], aux_params: Mapping[str, NDArray]) -> None:
        """Copy the mean over the devices to arrays on the CPU."""
        for names, arrays, target in (
            (self.param_names, self.param_arrays, arg_params),
            (self.aux_names, self.aux_arrays, aux_params),
        ):
            for name, several in zip(names, arrays):
                goal = target[name]
                if len(several) > 1:
                    total = nd.add_n(*[value.as_in_context(goal.context) for value in several]) / len(several)
                    total.astype(goal.dtype).copyto(goal)
                else:
                    several[0].copyto(goal)

    # Batches.

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Compute the outputs of a batch."""
        self._load(data_batch)
        for executor in self.execs:
            executor.forward(is_train=self.for_training if is_train is None else is_train)

    def forward_backward(self, data_batch: Any) -> None:
        """Compute outputs and gradients of a batch: on each device one run of the graph, where its executor has that."""
        self._load(data_batch)
        for executor in self.execs:
            together = getattr(executor, "forward_backward", None)
            if together is not None:
                together()
            else:
                executor.forward(is_train=True)
                executor.backward()

    def _load(self, batch: Any) -> None:
        batches = batch if isinstance(batch, list) else None
        for place, (desc, targets) in enumerate(zip(self.data_shapes, self.data_arrays)):
            source = batch.data[place] if batches is None else [each.data[place] for each in batches]
            self._copy_in(desc, source, targets)
        # Predicting programs give batches of their own kind, with nothing but data.
        if not getattr(batch if batches is None else batches[0], "label", None):
            return
        for desc, targets in zip(self.label_shapes, self.label_arrays):
            place = self.all_label_names.index(desc.name)
            source = batch.label[place] if batches is None else [each.label[place] for each in batches]
            self._copy_in(desc, source, targets)

    def _copy_in(self, desc: DataDesc, source: Any, targets: Sequence[NDArray]) -> None:
        if isinstance(source, (list, tuple)):
            for value, target in zip(source, targets):
                value.copyto(target)
            return
        if not isinstance(source, NDArray):
            source = nd.array(source)
        axis = DataDesc.get_batch_axis(desc.layout)
        if len(targets) == 1 or axis < 0:
            for target in targets:
                self._check_shape(desc, source, target)
                source.copyto(target)
            return
        for part, target in zip(self.slices, targets):
            nd.slice_axis(source, axis=axis, begin=part.start, end=part.stop).copyto(target)

    @staticmethod
    def _check_shape(desc: DataDesc, source: NDArray, target: NDArray) -> None:
        if source.shape != target.shape:
            raise MXNetError(f"the batch's {desc.name} has shape {source.shape}, the module is bound for {target.shape}")

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients of the last batch."""
        if not self.for_training:
            raise MXNetError("backward: bind was called with for_training=False")
        gradients = None if out_grads is None else [out_grads] if isinstance(out_grads, NDArray) else list(out_grads)
        for device, executor in enumerate(self.execs):
            if gradients is None:
                executor.backward()
                continue
            parts = []
            for axis, gradient in zip(self.output_layouts, gradients):
                value = gradient
                if len(self.execs) > 1 and axis >= 0:
                    part = self.slices[device]
                    value = nd.slice_axis(gradient, axis=axis, begin=part.start, end=part.stop)
                parts.append(value.as_in_context(self.contexts[device]))
            executor.backward(out_grads=parts)

    def get_outputs(self, merge_multi_context: bool = True) -> list[Any]:
        """Return the outputs: each as one array, or as the list of the devices' arrays."""
        outputs = [list(each) for each in zip(*[executor.outputs for executor in self.execs])]
        return _merge_multi_context(outputs, self.output_layouts) if merge_multi_context else outputs

    def get_output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """Return names and shapes of the outputs of whole batches."""
        found = []
        for place, name in enumerate(self.output_names):
            shape, axis = list(self.execs[0].outputs[place].shape), self.output_layouts[place]
            if 0 <= axis < len(shape):
                shape[axis] = self.batch_size if len(self.execs) > 1 else shape[axis]
            found.append((name, tuple(shape)))
        return found

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        """Return the gradients of the inputs."""
        if not self.inputs_need_grad:
            raise MXNetError("get_input_grads: bind was called with inputs_need_grad=False")
        axes = [DataDesc.get_batch_axis(desc.layout) for desc in self.data_shapes]
        return _merge_multi_context(self.input_grad_arrays, axes) if merge_multi_context else self.input_grad_arrays

    def get_states(self, merge_multi_context: bool = True) -> list[Any]:
        """Return the states."""
        return _merge_multi_context(self.state_arrays, [0] * len(self.state_arrays)) if merge_multi_context else self.state_arrays

    def set_states(self, states: Any = None, value: float | None = None) -> None:
        """Give the states values: a list of the devices' arrays for each, or one number for all."""
        if (states is None) == (value is None):
            raise ValueError("set_states: one of states and value must be given")
        if states is None:
            for several in self.state_arrays:
                for target in several:
                    target[:] = value
            return
        if len(states) != len(self.state_arrays):
            raise ValueError(f"set_states: {len(states)} states are given, there are {len(self.state_arrays)}: {self.state_names}")
        for source, targets in zip(states, self.state_arrays):
            several = [source] * len(targets) if isinstance(source, NDArray) else source
            for given, target in zip(several, targets):
                given.copyto(target)

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Count each device's outputs into a metric."""
        for device, (executor, part) in enumerate(zip(self.execs, self.slices)):
            if pre_sliced:
                given = labels[device]
            elif len(self.execs) == 1:
                given = labels or []
            else:
                given = [self._label_part(place, label, part) for place, label in enumerate(labels or [])]
            names = self.all_label_names or [f"label{i}" for i in range(len(given))]
            eval_metric.update_dict(dict(zip(names, given)), dict(zip(self.output_names, executor.outputs)))

    def _label_part(self, place: int, label: NDArray, part: slice) -> NDArray:
        axis = DataDesc.get_batch_axis(self.all_label_layouts[place] if place < len(self.all_label_layouts) else None)
        return label if axis < 0 else nd.slice_axis(label, axis=axis, begin=part.start, end=part.stop)

    def install_monitor(self, mon: Any) -> None:
        """Let a monitor see the arrays of all executors."""
        self.monitors.append(mon)
        for executors in self._bound.values():
            for executor in executors:
                mon.install(executor)
