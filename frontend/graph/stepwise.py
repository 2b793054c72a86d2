"""A bound graph run node by node: for monitors, for shapes that depend on data, for stream devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ops.array import NDArray
from .compiled import Compiled
from .interpret import interpret
from .ir import BACKWARD, Node

__all__ = ["Stepwise"]

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
            for name, (source, index) in zip(node.op.input_names(node.attrs), node.inputs):
                value = self._results[source][index]
                if source.op is None:
                    self._callback(source.name, value)
                self._callback(f"{node.name}_{name}", value)
        for index in range(node.n_visible):
            self._callback(f"{node.name}_{node.op.output_name(node.attrs, index)}", outputs[index])
