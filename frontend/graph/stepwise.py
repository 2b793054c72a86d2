"""A bound graph run node by node: for monitors, for shapes that depend on data, for stream devices.

Where shapes are known only when the graph has run, no gradient graph can be made beforehand: such a graph is recorded on
the tape, like imperative code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ops import tape
from ...ops.array import NDArray, empty
from ...ops.dispatch import function, invoke
from ...ops.errors import MXNetError
from ...ops.modes import set_recording, set_training
from ...ops.recording import new_variable_node
from .compiled import Compiled
from .interpret import interpret
from .ir import BACKWARD, Node
from .monitor_names import input_names

__all__ = ["Stepwise", "Taped"]

Callback = Callable[[str, NDArray], Any]


class Stepwise:
    """One forward run of a graph, node by node, whose results stay for the backward run.

    Parameters
    ----------
    compiled : Compiled
        The graph.
    values : dict of str to NDArray
        All variables except gradients of heads.
    context : Context
        Where nodes without inputs run.
    callback : callable, optional
        ``callback(name, array)`` for every result that users see.
    monitor_all : bool
        Whether it gets the inputs as well.
    """

    def __init__(
        self,
        compiled: Compiled,
        values: dict[str, NDArray],
        context: Any,
        callback: Callback | None = None,
        monitor_all: bool = False,
    ) -> None:
        self.compiled = compiled
        self._values = dict(values)
        self._context = context
        self._callback = callback
        self._monitor_all = monitor_all
        self._results: dict[Node, list[NDArray]] = {}

    def forward(self) -> list[NDArray]:
        """Run the forward half; return the heads."""
        graph = self.compiled.graph
        later = set(graph.head_grads)
        self._run([node for node in graph.nodes if node.part != BACKWARD and node not in later])
        heads = []
        for place in self.compiled.heads:
            if isinstance(place, str):
                heads.append(self._values[place])
            else:
                node, index = graph.outputs[place]
                heads.append(self._results[node][index])
        return heads

    def backward(self, head_grads: dict[str, NDArray]) -> dict[str, NDArray]:
        """Run the backward half; return the gradients by variable."""
        graph = self.compiled.graph
        self._values.update(head_grads)
        arriving = set(graph.head_grads)
        self._run([node for node in graph.nodes if node.part == BACKWARD or node in arriving])
        found = {}
        for name, place in self.compiled.gradients.items():
            node, index = graph.outputs[place]
            found[name] = self._results[node][index]
        return found

    def _run(self, nodes: list[Node]) -> None:
        visit = None if self._callback is None else self._report
        interpret(self.compiled.graph, self._values, self._context, visit, nodes, self._results)

    def _report(self, node: Node, outputs: list[NDArray]) -> None:
        assert self._callback is not None
        if self._monitor_all:
            for name, (source, index) in zip(input_names(node), node.inputs):
                value = self._results[source][index]
                if source.op is None:
                    self._callback(source.name, value)
                self._callback(f"{node.name}_{name}", value)
        for index in range(node.n_visible):
            self._callback(f"{node.name}_{node.op.output_name(node.attrs, index)}", outputs[index])


class Taped(Stepwise):
    """A forward run that is recorded, and the backward run over the record.

    Parameters
    ----------
    compiled, values, context, callback, monitor_all
        As for :class:`Stepwise`.
    gradients : dict of str to NDArray
        Where gradients go, by variable.
    requests : dict of str to str
        ``'write'`` or ``'add'`` for each of them.
    """

    def __init__(self, compiled: Compiled, values: dict[str, NDArray], context: Any, callback: Callback | None, monitor_all: bool,
                 gradients: dict[str, NDArray], requests: dict[str, str]) -> None:
        super().__init__(compiled, values, context, callback, monitor_all)
        for name, target in gradients.items():
            # A handle of its own: the user's array has its own place on the tape.
            variable = self._values[name] = values[name]._view(values[name].shape)
            variable._set_tape(new_variable_node(target, requests[name]))

    def forward(self) -> list[NDArray]:
        """Run the graph and record it; return the heads."""
        graph = self.compiled.graph
        was_recording, was_training = set_recording(True), set_training(graph.train)
        try:
            for node in graph.nodes:
                if node.op is None:
                    value = graph.constants.get(node.name)
                    self._results[node] = [self._values[node.name] if value is None else value]
                    continue
                inputs = [self._results[source][index] for source, index in node.inputs]
                self._results[node] = outputs = _call(node, inputs, node.context or self._context)
                if self._callback is not None:
                    set_recording(False)
                    self._report(node, outputs)
                    set_recording(True)
        finally:
            set_recording(was_recording)
            set_training(was_training)
        return self.heads

    @property
    def heads(self) -> list[NDArray]:
        """The outputs, with their places on the tape."""
        graph = self.compiled.graph
        variables = {node.name: node for node in graph.nodes if node.op is None}
        entries = [(variables[place], 0) if isinstance(place, str) else graph.outputs[place] for place in self.compiled.heads]
        return [self._results[node][index] for node, index in entries]

    def differentiate(self, head_grads: list[NDArray | None]) -> None:
        """Compute the gradients, and put them where they belong.

        Parameters
        ----------
        head_grads : list of NDArray or None
            One a head; None for heads whose gradient does not matter.
        """
        found = [(head, gradient) for head, gradient in zip(self.heads, head_grads) if head._tape_node is not None]
        if found:
            heads, gradients = map(list, zip(*found))
            tape.run_backward(heads, gradients, True, self.compiled.graph.train, False)


def _call(node: Node, inputs: list[NDArray], context: Any) -> list[NDArray]:
    """Call the operator of a node like a program would, so that it is recorded."""
    if context is not None and inputs and node.op.name == "_copyto":
        return [function("_copyto")(inputs[0], out=empty(inputs[0].shape, context, inputs[0].dtype))]
    values = {param.name: getattr(node.attrs, param.name) for param in node.op.params}
    try:
        if context is None:
            result = invoke(node.op, inputs, values)
        else:
            with context:
                result = invoke(node.op, inputs, values)
    except MXNetError as error:
        raise MXNetError(f"Error in operator {node.name}: {error}") from error
    return list(result) if isinstance(result, (list, tuple)) else [result]
