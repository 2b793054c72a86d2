"""Gradients as part of the graph: a walk from the heads to the variables that calls every operator's gradient.

The gradients are the same functions of operators that the tape of imperative calls runs (``ops/tape.pyx``), called with
:class:`~weft.frontend.graph.builder.Value` in the place of arrays. What they build is appended in the order in which
backward needs it, last layer first, so that nothing of the forward part is kept longer than necessary. A gradient
graph is a graph: it can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ...ops.errors import MXNetError
from ...ops.registry import zero_gradient
from .builder import GraphBuilder
from .ir import BACKWARD, Graph, Node

Entry = tuple[Node, int]

#: Annotations of a forward node that its backward nodes share.
INHERITED = ("__ctx_group__",)


class Context(NamedTuple):
    """What a declared gradient is told about the call it differentiates."""

    inputs: tuple
    outputs: tuple
    attrs: Any
    needs: tuple[bool, ...]


def head_gradient_names(graph: Graph) -> list[str]:
    """Return the names that variables for the gradients of the heads have, one a head, whether or not it is used."""
    # The same before and after the gradient pass has added some of them.
    taken = {node.name for node in graph.nodes if node.is_variable} - {node.name for node in graph.head_grads}
    names = []
    for node, index in graph.outputs[: graph.n_heads]:
        name = node.name if node.is_variable else f"{node.name}_output{index if node.n_visible > 1 else ''}"
        name += "_grad"
        number, unique = 0, name
        while unique in taken:
            number += 1
            unique = f"{name}{number}"
        taken.add(unique)
        names.append(unique)
    return names


def add_gradient(graph: Graph, wrt: Sequence[str]) -> Graph:
    """Return the graph with the gradients of its heads in some variables as further outputs.

    Parameters
    ----------
    graph : Graph
        A graph with specs.
    wrt : sequence of str
        Names of variables. Where nothing flows to one, its gradient is zeros.

    Returns
    -------
    Graph
        ``outputs`` are the heads, then one gradient a name (``gradients``). Heads that are losses bring their own
        gradient; for the others that matter there are variables in ``head_grads``. A gradient may be the same entry
        as another, and may be one of these variables.

    Raises
    ------
    MXNetError
        For names that are no variables, and where an operator without gradient lies between a head and a variable.
    """
    if not wrt:
        return graph
    return _Backward(graph, wrt).run()


class _Backward:
    """One walk; ``pending`` holds what has arrived at each entry so far."""

    def __init__(self, graph: Graph, wrt: Sequence[str]) -> None:
        self.wrt = list(wrt)
        self.graph = graph.copy()
        self.variables = {node.name: node for node in self.graph.nodes if node.is_variable}
        for name in self.wrt:
            if name not in self.variables:
                raise MXNetError(f"cannot differentiate with respect to {name!r}: the graph has no variable of that name")
        self.forward = list(self.graph.nodes)
        self.builder = GraphBuilder(self.graph)
        self.builder.part = BACKWARD
        self.pending: dict[Entry, Any] = {}

    def run(self) -> Graph:
        graph, builder = self.graph, self.builder
        needs = _depends_on(self.forward, {self.variables[name].id for name in self.wrt})
        with builder:
            head_grads = self._start(needs)
            for node in reversed(self.forward):
                if not node.is_variable and needs[node.id]:
                    self._differentiate(node, needs)
            gradients = [self._gradient_of(self.variables[name]) for name in self.wrt]
        used = {source for node in graph.nodes for source, _ in node.inputs}
        used.update(node for node, _ in gradients)
        graph.head_grads = [node for node in head_grads if node in used]
        unused = {node for node in head_grads if node not in used}
        if unused:
            graph.nodes = [node for node in graph.nodes if node not in unused]
            graph.number()
        graph.outputs = [*graph.outputs[: graph.n_heads], *gradients]
        graph.gradients = list(self.wrt)
        made = sum(node.part == BACKWARD for node in graph.nodes)
        graph.note(
            "gradient", f"{made} nodes for the gradients of {len(self.wrt)} variables, {len(graph.head_grads)} heads ask for gradients"
        )
        return graph

    def _start(self, needs: Sequence[bool]) -> list[Node]:
        """Put the gradients of the heads in their places; return the variables that bring them in."""
        graph = self.graph
        made = []
        for (node, index), name in zip(graph.outputs[: graph.n_heads], head_gradient_names(graph)):
            if not needs[node.id]:
                continue
            if node.op is not None and node.op.is_loss(node.attrs):
                # It does not read the gradient of its output, and the output has the right shape.
                self.pending.setdefault((node, index), self.builder.value((node, index)))
                continue
            value = self.builder.variable(name, node.specs[index])
            variable = value.node
            variable.context = node.context
            made.append(variable)
            self._arrive((node, index), value)
        return made

    def _arrive(self, entry: Entry, gradient: Any) -> None:
        present = self.pending.get(entry)
        if present is not None:
            # One after the other: each sum can take the place of what was there, where a sum of all would need all.
            gradient = self.builder.call("elemwise_add", [present, gradient])
        self.pending[entry] = gradient

    def _differentiate(self, node: Node, needs: Sequence[bool]) -> None:
        op, attrs, builder = node.op, node.attrs, self.builder
        count, first = len(node.specs), len(self.graph.nodes)
        grads: list[Any] = [self.pending.pop((node, i), None) for i in range(count)]
        if all(gradient is None for gradient in grads):
            return
        if op.gradient is None:
            raise MXNetError(
                f"Error in operator {node.name}: {op.name} has no gradient: it cannot lie between a head and a variable "
                "whose gradient is asked for"
            )
        self._place_at(node)
        if count > 1:
            for i in range(op.count_visible(attrs)):
                if grads[i] is None:
                    grads[i] = builder.call("_zeros", [], {"shape": node.specs[i].shape, "dtype": node.specs[i].dtype})
        context = Context(
            tuple(builder.value(entry) for entry in node.inputs),
            tuple(builder.value((node, i)) for i in range(count)),
            attrs,
            tuple(needs[source.id] for source, _ in node.inputs),
        )
        try:
            gradients = op.gradient(context, *grads)
        except MXNetError as error:
            raise MXNetError(f"Error in operator {node.name}: {error}") from error
        if len(gradients) != len(node.inputs):
            raise MXNetError(f"Error in operator {node.name}: {len(gradients)} gradients for {len(node.inputs)} inputs")
        for entry, needed, gradient in zip(node.inputs, context.needs, gradients):
            if needed and gradient is not None:
                self._arrive(entry, gradient)
        inherited = {key: node.annotations[key] for key in INHERITED if key in (node.annotations or ())}
        if inherited:
            for made in self.graph.nodes[first:]:
                made.annotations = {**(made.annotations or {}), **inherited}

    def _place_at(self, node: Node) -> None:
        """Let what is built next be the backward part of a node."""
        self.builder.context = node.context
        self.builder.prefix = f"{node.name}_"

    def _gradient_of(self, variable: Node) -> Entry:
        gradient = self.pending.get((variable, 0))
        if gradient is None:
            spec = variable.specs[0]
            self._place_at(variable)
            gradient = self.builder.call("_zeros", [], {"shape": spec.shape, "dtype": spec.dtype})
        return gradient.entry


def _depends_on(nodes: Iterable[Node], wanted: set[int]) -> list[bool]:
    """Return for each node whether a gradient at its outputs reaches one of the wanted variables."""
    needs: list[bool] = []
    for node in nodes:
        if node.op is None:
            needs.append(node.id in wanted)
        elif node.op.gradient is zero_gradient:
            needs.append(False)
        else:
            needs.append(any(needs[source.id] for source, _ in node.inputs))
    return needs
