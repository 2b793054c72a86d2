"""The executor: a graph bound to arrays, run forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...ops import dispatch
from ...ops.array import NDArray
from ...ops.errors import MXNetError, ShapeError
from .binding import Bound, bind, describe, infer_all, simple_bind
from .compiled import Compiled, build
from .gradient import head_gradient_names
from .ir import Node
from .program import BACKWARD_HALF, BOTH_HALVES, FORWARD_HALF, Arena, output_array
from .stepwise import Stepwise, Taped

__all__ = ["Executor", "bind", "simple_bind"]

Entry = tuple[Node, int]


class Executor:
    """A graph bound to arrays: made by ``Symbol.bind`` or ``Symbol.simple_bind``.

    A run is one task of the engine for each half, ordered against everything else that uses its arrays; nothing waits
    until a value is asked for. Outputs stay the same arrays from run to run.

    Attributes
    ----------
    arg_arrays, grad_arrays, aux_arrays : list of NDArray
        Arguments, their gradients (None where there is none) and auxiliary states, in the symbol's order.
    outputs : list of NDArray
        Results of the last forward run.

    Examples
    --------
    >>> import weft as mx
    >>> a, b = mx.sym.Variable("a"), mx.sym.Variable("b")
    >>> executor = (2 * a + b).bind(mx.cpu(), {"a": mx.nd.array([1, 2]), "b": mx.nd.array([2, 3])})
    >>> executor.forward()[0].asnumpy().tolist()
    [4.0, 7.0]
    """

    def __init__(
        self,
        symbol: Any,
        ctx: Any,
        grad_req: Any,
        group2ctx: Any,
        bound: Any,
        shared: Executor | None = None,
    ) -> None:
        self._symbol = symbol
        self._ctx = ctx
        self._grad_req = grad_req
        self._group2ctx = group2ctx
        self._bound = bound
        self._entries: list[Entry] = bound.entries
        self.arg_arrays: list[NDArray] = bound.args
        self.grad_arrays: list[NDArray | None] = bound.grads
        self.aux_arrays: list[NDArray] = bound.aux
        self._requests: dict[str, str] = bound.requests
        self._variables: dict[str, NDArray] = dict(zip(bound.arg_names, bound.args)) | dict(zip(bound.aux_names, bound.aux))
        self._gradients = {
            name: array
            for name, array in zip(bound.arg_names, bound.grads)
            if array is not None and bound.requests[name] != "null"
        }
        # Executors that share memory never run at once; training and inference keep apart, so that an evaluation between
        # forward and backward does no harm.
        self._arenas: dict[bool, Arena] = shared._arenas if shared is not None else {False: Arena(), True: Arena()}
        self._compiled: dict[tuple[bool, bool], Compiled] = {}
        self._slots: dict[tuple[bool, bool], tuple[list, list]] = {}
        self._monitor: Callable[[str, NDArray], Any] | None = None
        self._monitor_all = False
        self._forward_of: Any = None  # what a backward run goes on from
        self._head_gradient_names = head_gradient_names(bound.graph)
        self.outputs: list[NDArray] = self._make_outputs(bound.head_specs)
        if self._gradients and any(op.gradient is None for op in bound.graph.operators()):
            self._get(True, True)  # what cannot be differentiated is refused here, not when training has begun

    def __repr__(self) -> str:
        return f"<Executor of {', '.join(self._output_names())} on {self._ctx}>"

    # --- arrays by name ---------------------------------------------------------------------------------------------

    @property
    def arg_dict(self) -> dict[str, NDArray]:
        """Arguments by name."""
        self._bound.require_unique_names()
        return dict(zip(self._bound.arg_names, self.arg_arrays))

    @property
    def grad_dict(self) -> dict[str, NDArray | None]:
        """Gradients by the names of the arguments; None where there is none."""
        self._bound.require_unique_names()
        return dict(zip(self._bound.arg_names, self.grad_arrays))

    @property
    def aux_dict(self) -> dict[str, NDArray]:
        """Auxiliary states by name."""
        return dict(zip(self._bound.aux_names, self.aux_arrays))

    @property
    def output_dict(self) -> dict[str, NDArray]:
        """Outputs by name."""
        names = self._output_names()
        if len(set(names)) != len(names):
            raise ValueError(f"Duplicate names detected, {names}")
        return dict(zip(names, self.outputs))

    def _output_names(self) -> list[str]:
        if hasattr(self._symbol, "list_outputs"):
            return self._symbol.list_outputs()
        return [output_name(entry) for entry in self._entries]

    def _make_outputs(self, specs: Sequence[Any]) -> list[NDArray]:
        """Return an array for every head; a head that is a variable is the variable's array."""
        made: dict[Entry, NDArray] = {}
        for entry, (node, _), spec in zip(self._entries, self._bound.graph.outputs, specs):
            if node.op is None:
                made[entry] = self._variables[node.name]
            elif entry not in made and spec is not None:
                groups = self._group2ctx or {}
                made[entry] = output_array(spec, groups.get(node.annotation("__ctx_group__"), self._ctx))
        return [made.get(entry) for entry in self._entries]  # type: ignore[misc]

    # --- compiling --------------------------------------------------------------------------------------------------

    def _compile(self, train: bool, backward: bool, optimized: bool = True) -> Compiled:
        wanted = [name for name in self._bound.arg_names if name in self._gradients] if backward else []
        seen = wanted if optimized or not wanted else self._differentiated_with(wanted)
        return build(
            self._bound.inferred,
            train=train,
            wrt=seen,
            add=[name for name in wanted if self._requests[name] == "add"],
            context=self._ctx,
            groups=self._group2ctx,
            optimized=optimized,
        )

    def _differentiated_with(self, wanted: list[str]) -> list[str]:
        """Return the variables in which a backward run that goes node by node differentiates anyway.

        A monitor sees all that the backward nodes give, as in MXNet, also the gradients that nobody asked for.
        """
        reached = {node for node in self._bound.graph.nodes if node.op is None and node.name in wanted}
        found = {node.name for node in reached}
        for node in self._bound.graph.nodes:
            sources = [source for source, _ in node.inputs]
            if reached.intersection(sources):
                reached.add(node)
                found.update(source.name for source in sources if source.op is None)
        return [name for name in self._bound.arg_names if name in found]

    def _get(self, train: bool, backward: bool) -> Compiled:
        key = (train, backward and bool(self._gradients))
        found = self._compiled.get(key)
        if found is None:
            found = self._compiled[key] = self._compile(*key)
            if found.program is not None:
                self._slots[key] = self._arrays_for(found)
        return found

    def _arrays_for(self, compiled: Compiled) -> tuple[list, list[tuple[int, str]]]:
        """Return the arrays of a run in the program's order, and where gradients of heads go."""
        gradient_of = {place: name for name, place in compiled.gradients.items()}
        found: dict[int | str, NDArray | None] = {}
        found.update(self._variables)
        found.update(compiled.graph.constants)
        found.update({variable: self._gradients[gradient_of[place]] for place, variable in compiled.added.items()})
        found.update(dict.fromkeys(compiled.head_grads))
        found.update({place: self._gradients[name] for place, name in gradient_of.items()})
        found.update({place: self.outputs[i] for i, place in enumerate(compiled.heads) if isinstance(place, int)})
        keys = compiled.program.arrays  # type: ignore[union-attr]
        incoming = [(keys.index(name), name) for name in compiled.head_grads]
        return [found[key] for key in keys], incoming

    def _run(self, key: tuple[bool, bool], halves: int, head_grads: dict[str, NDArray]) -> None:
        compiled = self._compiled[key]
        arrays, incoming = self._slots[key]
        if incoming:
            arrays = list(arrays)
            for slot, name in incoming:
                # The forward half does not look at them: anything of the right kind will do until they are known.
                arrays[slot] = head_grads.get(name, self._stand_in(compiled, name))
        program = compiled.program
        arena = self._arenas[key[1]]
        arena.reserve(program.arena_bytes)  # type: ignore[union-attr]
        program.run(arrays, halves, arena, self._ctx)  # type: ignore[union-attr]
        if halves == BOTH_HALVES:
            arena.occupy(None)  # nothing is kept: not of this executor, nor of one that was between its halves

    def _stand_in(self, compiled: Compiled, name: str) -> NDArray:
        for head, head_name in zip(self.outputs, self._head_gradient_names):
            if head_name == name:
                return head
        raise MXNetError(f"the graph has no head whose gradient is {name!r}")

    # --- running ----------------------------------------------------------------------------------------------------

    def forward(self, is_train: bool = False, **kwargs: Any) -> list[NDArray]:
        """Compute the outputs.

        Parameters
        ----------
        is_train : bool
            Whether operators run in training mode, and what ``backward`` needs is kept.
        **kwargs : NDArray or numpy.ndarray
            New values of arguments, by name.

        Returns
        -------
        list of NDArray
            The outputs; the same arrays each time.

        Examples
        --------
        >>> import weft as mx
        >>> executor = (mx.sym.Variable("x") * 2).simple_bind(mx.cpu(), x=(2,))
        >>> executor.forward(x=mx.nd.array([1, 2]))[0].asnumpy().tolist()
        [2.0, 4.0]
        """
        if kwargs:
            self._load(kwargs)
        train = bool(is_train)
        if self._monitor is not None or self._get(train, train).program is None:
            self._step_forward(train, train)
            return self.outputs
        key = (train, train and bool(self._gradients))
        self._run(key, FORWARD_HALF, {})
        token = object()
        self._arenas[key[1]].occupy(token)
        self._forward_of = (key, token)
        return self.outputs

    def backward(self, out_grads: Any = None, is_train: bool = True) -> None:
        """Compute the gradients of the arguments.

        Parameters
        ----------
        out_grads : NDArray, list of NDArray or dict of str to NDArray, optional
            Gradients of the outputs; needed for outputs that are no losses.
        is_train : bool
            The mode of the forward run that is done first where none in training mode came before.

        Notes
        -----
        A second call after one ``forward`` computes the forward half again, from what the arguments hold then.

        Examples
        --------
        >>> import weft as mx
        >>> executor = (mx.sym.Variable("x") ** 2).simple_bind(mx.cpu(), x=(2,))
        >>> _ = executor.forward(is_train=True, x=mx.nd.array([1, 2]))
        >>> executor.backward(mx.nd.ones((2,)))
        >>> executor.grad_dict["x"].asnumpy().tolist()
        [2.0, 4.0]
        """
        if not self._gradients:
            return
        before = self._forward_of
        if isinstance(before, Stepwise) and (before.compiled.gradients or before.compiled.taped):
            self._step_backward(before, out_grads)
            return
        continues = isinstance(before, tuple) and before[0][1]
        key = before[0] if continues else (bool(is_train) if before is None else False, True)
        if self._monitor is not None or self._get(*key).program is None:
            self._step_backward(self._step_forward(*key), out_grads)
            return
        compiled = self._get(*key)
        head_grads = self._head_grads(compiled, out_grads)
        if not continues or before[1] is None:
            # What the backward half is done with makes room for its own results, so that another one starts anew.
            self._run(key, BOTH_HALVES, head_grads)
            return
        if self._arenas[True].tenant is not before[1]:
            raise MXNetError(
                "backward: another executor that shares this one's memory has run since forward(is_train=True); call forward again"
            )
        self._run(key, BACKWARD_HALF, head_grads)
        self._forward_of = (key, None)

    def forward_backward(self, out_grads: Any = None, **kwargs: Any) -> list[NDArray]:
        """Compute outputs and gradients in one task: a training step without a look in between.

        Parameters
        ----------
        out_grads, **kwargs
            As in :meth:`backward` and :meth:`forward`.
        """
        if self._monitor is not None or not self._gradients or self._get(True, True).program is None:
            self.forward(is_train=True, **kwargs)
            self.backward(out_grads)
            return self.outputs
        if kwargs:
            self._load(kwargs)
        self._run((True, True), BOTH_HALVES, self._head_grads(self._get(True, True), out_grads))
        self._forward_of = None
        return self.outputs

    def _load(self, values: dict[str, Any]) -> None:
        """Overwrite arguments, after a look at all of them."""
        arguments = self.arg_dict
        for name, value in values.items():
            if not isinstance(value, (NDArray, np.ndarray)):
                raise ValueError(f"only accept keyword argument of NDArrays and numpy.ndarray: {name} is {type(value).__name__}")
            if name not in arguments:
                raise TypeError(f"Unknown argument {name} (the arguments are {describe(list(arguments))})")
            if arguments[name].shape != value.shape:
                raise ValueError(f"Shape not match! Argument {name}, need: {arguments[name].shape}, received: {value.shape}")
        for name, value in values.items():
            arguments[name][:] = value

    def _head_grads(self, compiled: Compiled, out_grads: Any) -> dict[str, NDArray]:
        """Check what the caller gave as gradients of the heads; return those that matter by variable."""
        wanted = self._needed_heads() if compiled.taped else compiled.head_grads
        given = self._listed(out_grads)
        if not given and not wanted:
            return {}
        names = self._output_names()
        found = {}
        for i, variable in enumerate(self._head_gradient_names):
            gradient = given[i] if i < len(given) else None
            if gradient is not None and not isinstance(gradient, NDArray):
                raise TypeError(f"out_grads: the gradient of output {names[i]!r} is {type(gradient).__name__}, expected NDArray")
            if variable not in wanted:
                continue
            head = self.outputs[i]
            if gradient is None:
                raise MXNetError(
                    f"backward: output {names[i]!r} is no loss, so that its gradient is needed in out_grads "
                    "(or end the network with make_loss)"
                )
            if gradient.shape != head.shape:
                raise MXNetError(f"out_grads: the gradient of output {names[i]!r} has shape {gradient.shape}, the output {head.shape}")
            if gradient.ctx != head.ctx:
                gradient = gradient.as_in_context(head.ctx)
            found[variable] = gradient if gradient.dtype == head.dtype else gradient.astype(head.dtype)
        return found

    def _needed_heads(self) -> list[str]:
        """Return the variables for gradients of heads that a backward run over the tape reads."""
        steps = self._forward_of
        return [
            name
            for name, (node, _), head in zip(self._head_gradient_names, self._bound.graph.outputs, steps.heads)
            if head._tape_node is not None and not (node.op is not None and node.op.is_loss(node.attrs))
        ]

    def _listed(self, out_grads: Any) -> list[Any]:
        if out_grads is None:
            return []
        if isinstance(out_grads, NDArray):
            return [out_grads]
        if isinstance(out_grads, dict):
            unknown = [name for name in out_grads if name not in self._output_names()]
            if unknown:
                raise MXNetError(f"out_grads: {unknown[0]!r} is no output (they are {describe(self._output_names())})")
            return [out_grads.get(name) for name in self._output_names()]
        return list(out_grads)

    # --- node by node -----------------------------------------------------------------------------------------------

    def _step_forward(self, train: bool, backward: bool) -> Stepwise:
        """Run the forward half node by node, with the monitor looking on."""
        key = (train, backward and bool(self._gradients))
        compiled = self._compile(*key, optimized=False) if self._monitor is not None else self._get(*key)
        gradient_of = {place: name for name, place in compiled.gradients.items()}
        values = dict(self._variables)
        values.update({variable: self._gradients[gradient_of[place]] for place, variable in compiled.added.items()})
        arguments = (compiled, values, self._ctx, self._monitor, self._monitor_all)
        steps = Taped(*arguments, self._gradients, self._requests) if compiled.taped else Stepwise(*arguments)
        for i, result in enumerate(steps.forward()):
            output = self.outputs[i]
            if output is not None and output.spec is result.spec:
                if output is not result:
                    result.copyto(output)
            else:
                self.outputs[i] = result  # a shape that depends on data: another array each time
        self._forward_of = steps
        return steps

    def _step_backward(self, steps: Stepwise, out_grads: Any) -> None:
        if isinstance(steps, Taped):
            found = self._head_grads(steps.compiled, out_grads)
            steps.differentiate([found.get(name) for name in self._head_gradient_names])
            return
        for name, gradient in steps.backward(self._head_grads(steps.compiled, out_grads)).items():
            if name in self._gradients:
                gradient.copyto(self._gradients[name])

    def set_monitor_callback(self, callback: Callable[[str, NDArray], Any], monitor_all: bool = False) -> None:
        """Have ``callback(name, array)`` called for the results of all nodes; runs then go node by node.

        Parameters
        ----------
        callback : callable or None
            None ends it.
        monitor_all : bool
            Whether it gets the inputs of nodes too.

        Examples
        --------
        >>> import weft as mx
        >>> executor = mx.sym.exp(mx.sym.Variable("x"), name="y").simple_bind(mx.cpu(), x=(2,))
        >>> executor.set_monitor_callback(lambda name, array: print(name))
        >>> _ = executor.forward()
        y_output
        """
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be callable, got {type(callback).__name__}")
        self._monitor = callback
        self._monitor_all = bool(monitor_all)

    # --- parameters and shapes --------------------------------------------------------------------------------------

    def copy_params_from(self, arg_params: dict, aux_params: dict | None = None, allow_extra_params: bool = False) -> None:
        """Copy parameters into the executor's arrays, converting their type.

        Parameters
        ----------
        arg_params, aux_params : dict of str to NDArray
            Values of arguments and auxiliary states.
        allow_extra_params : bool
            Whether names that the graph does not have are passed over.
        """
        for values, own, what in ((arg_params, self.arg_dict, "arguments"), (aux_params or {}, self.aux_dict, "auxiliary states")):
            for name, array in values.items():
                if name not in own:
                    if not allow_extra_params:
                        raise ValueError(f'Find name "{name}" that is not in the {what}')
                    continue
                if array.shape != own[name].shape:
                    raise ShapeError(f"copy_params_from: {name!r} has shape {array.shape}, the executor's array {own[name].shape}")
        for values, own in ((arg_params, self.arg_dict), (aux_params or {}, self.aux_dict)):
            for name, array in values.items():
                if name in own:
                    array.astype(own[name].dtype, copy=False).copyto(own[name])

    def reshape(self, partial_shaping: bool = False, allow_up_sizing: bool = False, **kwargs: Any) -> Executor:
        """Return an executor for other shapes that shares this one's memory; the two must not run at the same time.

        Parameters
        ----------
        partial_shaping : bool
            Whether arguments that are not named may change their shape.
        allow_up_sizing : bool
            Whether arrays may be replaced by larger ones.
        **kwargs : tuple of int
            New shapes of arguments.

        Examples
        --------
        >>> import weft as mx
        >>> executor = (mx.sym.Variable("x") * 2).simple_bind(mx.cpu(), x=(4, 3))
        >>> executor.reshape(x=(2, 3)).forward()[0].shape
        (2, 3)
        """
        return reshape(self, bool(partial_shaping), bool(allow_up_sizing), kwargs)

    # --- looking in -------------------------------------------------------------------------------------------------

    def _latest(self) -> Compiled:
        """Return what trains, where the executor has gradients, else what infers."""
        train = bool(self._gradients)
        return self._get(train, train)

    def memory_plan(self) -> Any:
        """Return the memory plan of the training graph (the inference graph where there are no gradients).

        None where the graph is run node by node. See :class:`~weft.frontend.graph.memory.MemoryPlan`.
        """
        return self._latest().memory

    def explain(self) -> str:
        """Return what each pass did to the graph, one a line."""
        compiled = self._latest()
        text = compiled.graph.explain()
        return text + f"\nprogram: none, because {compiled.interpreted}" if compiled.interpreted else text

    def get_optimized_symbol(self) -> Any:
        """Return the inference graph after all passes, as a symbol."""
        compiled = self._get(False, False)
        graph = compiled.graph.copy()
        for node in graph.nodes:
            node.specs = None
        by_name = {node.name: node for node in graph.nodes if node.op is None}
        entries = [(by_name[place], 0) if isinstance(place, str) else graph.outputs[place] for place in compiled.heads]
        return type(self._symbol)(entries) if hasattr(self._symbol, "_entries") else entries

    def _intermediate_bytes(self) -> int:
        """Return how much memory intermediate results have in the latest run, 0 where it goes node by node."""
        program = self._latest().program
        return 0 if program is None else program.arena_bytes + program.kept_bytes

    def debug_str(self) -> str:
        """Return the nodes that run, in order, and the memory that they take."""
        compiled = self._latest()
        lines = ["Symbol Outputs:"]
        lines += [f"\toutput[{i}]={node.name}({index})" for i, (node, index) in enumerate(compiled.graph.outputs)]
        for node in compiled.graph.nodes:
            if node.op is None:
                lines.append(f"Variable:{node.name}")
                continue
            lines += ["-" * 20, f"Op:{node.op.name}, Name={node.name}", "Inputs:"]
            lines += [f"\targ[{i}]={source.name}({index})" for i, (source, index) in enumerate(node.inputs)]
            attrs = node.op.format_attrs(node.attrs)
            if attrs:
                lines += ["Attrs:", *(f"\t{name}={value}" for name, value in sorted(attrs.items()))]
            if node.controls:
                lines += ["Control deps:", *(f"\tcdep[{i}]={before.name}" for i, before in enumerate(node.controls))]
        total = self._intermediate_bytes()
        # Programs that measure memory read the last line but one.
        lines += [f"Total {total >> 20} MB allocated", "Total 0 TempSpace resource requested"]
        return "\n".join(lines) + "\n"


def reshape(executor: Executor, partial_shaping: bool, allow_up_sizing: bool, shapes: dict[str, Any]) -> Executor:
    """Carry out :meth:`Executor.reshape`."""
    old = executor._bound
    bound = Bound(executor._symbol, executor._ctx, executor._group2ctx or {})
    bound.requests = dict(old.requests)
    given = {name: shape for name, shape in shapes.items() if isinstance(shape, (tuple, list))}
    unknown = [name for name in given if name not in bound.arg_names]
    if unknown:
        raise MXNetError(f"reshape: {unknown[0]!r} is no argument (they are {describe(bound.arg_names)})")
    types = {name: array.dtype for name, array in zip(old.arg_names, executor.arg_arrays)}
    infer_all(bound, types, given, "reshape")

    def fit(name: str, array: NDArray, wanted: Any, what: str) -> NDArray:
        if array.spec is wanted:
            return array
        if name not in given and not partial_shaping:
            raise MXNetError(
                f"Shape of unspecified {what}: {name} changed from {array.shape} to {wanted.shape}. This can cause the new executor "
                "to not share parameters with the old one. If this is intended, set partial_shaping=True"
            )
        if wanted.size <= array.size:
            return array._view(wanted.shape)
        if not allow_up_sizing:
            raise MXNetError(
                f"New shape of {what}: {name}, {wanted.shape}, is larger than the original {array.shape}. First making a big "
                "executor and then down sizing it is more efficient than the reverse. If you really want to up size, set "
                "allow_up_sizing=True"
            )
        return dispatch.fill("_zeros", wanted, array.ctx)

    for node, array, gradient in zip(bound.arg_nodes, executor.arg_arrays, executor.grad_arrays):
        bound.args.append(fit(node.name, array, node.specs[0], "argument"))
        unused = gradient is None or bound.requests[node.name] == "null"
        bound.grads[len(bound.args) - 1] = None if unused else fit(node.name, gradient, node.specs[0], "argument")
    for node, array in zip(bound.aux_nodes, executor.aux_arrays):
        bound.aux.append(fit(node.name, array, node.specs[0], "auxiliary state"))
    bound.check()
    made = Executor(executor._symbol, executor._ctx, executor._grad_req, executor._group2ctx, bound, executor)
    for i, ((node, _), old, new) in enumerate(zip(bound.graph.outputs, executor.outputs, made.outputs)):
        # The two share what they compute, too.
        known = node.op is not None and old is not None and new is not None
        if known and new.size <= old.size and (new.dtype, new.ctx) == (old.dtype, old.ctx):
            made.outputs[i] = old._view(new.shape)
    made._monitor, made._monitor_all = executor._monitor, executor._monitor_all
    return made


def output_name(entry: Entry) -> str:
    """Return the name of an output, as symbols name it."""
    node, index = entry
    return node.name if node.op is None else f"{node.name}_{node.op.output_name(node.attrs, index)}"
