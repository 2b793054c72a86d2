"""Writing a graph anew, node by node in its order, with some nodes replaced: the frame of several passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .builder import GraphBuilder, Value
from .ir import Graph, Node

__all__ = ["Rewriter", "is_static", "single_user"]

Entry = tuple[Node, int]


class Rewriter:
    """A graph in the making, and where each entry of the source has gone.

    Parameters
    ----------
    graph : Graph
        The source; it is not changed.

    Examples
    --------
    >>> from weft.ops import registry
    >>> exp = registry.get("exp")
    >>> graph = Graph.from_entries([(Node(exp, exp.attrs(), "y", [(Node(None, None, "x"), 0)]), 0)])
    >>> rewriter = Rewriter(graph)
    >>> for node in graph.nodes:
    ...     kept = rewriter.keep(node)
    >>> rewriter.finish().nodes
    [<variable x>, <Node y = exp(x)>]
    """

    def __init__(self, graph: Graph) -> None:
        self.source = graph
        self.graph = Graph()
        self.graph.nodes = list(graph.nodes)  # for the names
        self.builder = GraphBuilder(self.graph)
        self.graph.nodes = []
        self.graph.n_heads = graph.n_heads
        self.graph.gradients = list(graph.gradients)
        self.graph.constants = dict(graph.constants)
        self.graph.train = graph.train
        self.graph.notes = list(graph.notes)
        self.entries: dict[Entry, Entry] = {}
        self._copies: dict[Node, Node] = {}

    def entry(self, entry: Entry) -> Entry:
        """Return where an entry of the source has gone."""
        return self.entries[entry]

    def value(self, entry: Entry) -> Value:
        """Return where an entry of the source has gone, as a value to compute with."""
        return self.builder.value(self.entry(entry))

    def keep(self, node: Node, inputs: Sequence[Entry] | None = None) -> Node:
        """Add a node as it is, reading ``inputs`` of the new graph instead of those that its own became."""
        made = node.copy()
        made.inputs = [self.entry(entry) for entry in node.inputs] if inputs is None else list(inputs)
        if node.controls is not None:
            made.controls = self.controls(node)
        made.id = len(self.graph.nodes)
        self.graph.nodes.append(made)
        self.replace(node, made)
        return made

    def controls(self, node: Node) -> list[Node]:
        """Return where the nodes have gone that a node of the source is controlled by."""
        return [self._copies[other] for other in node.controls or () if other in self._copies]

    def replace(self, node: Node, made: Node, outputs: Sequence[int] | None = None) -> None:
        """Say that ``made`` stands for ``node``, output by output (or for its outputs named)."""
        self._copies[node] = made
        for index in range(node.n_outputs) if outputs is None else outputs:
            self.entries[(node, index)] = (made, index)

    def put(self, node: Node, index: int, entry: Entry) -> None:
        """Say that one output of a node has gone to an entry of the new graph."""
        self._copies[node] = entry[0]
        self.entries[node, index] = entry

    def call(self, op: str, inputs: Sequence[Entry], attrs: Any, like: Node, name: str | None = None) -> Node:
        """Add a call of an operator with part and context of ``like``; ``name`` is taken over as it is."""
        self.builder.part = like.part
        self.builder.context = like.context
        values = [self.builder.value(entry) for entry in inputs]
        made: Node = self.builder.call_all(op, values, attrs)[0].entry[0]
        if name is not None:
            made.name = name
        return made

    @contextmanager
    def cached(self, like: Node) -> Iterator[None]:
        """Within the block, operators called on values add nodes whose results are kept between runs."""
        first = len(self.graph.nodes)
        self.builder.part = like.part
        self.builder.context = like.context
        with self.builder:
            yield
        for node in self.graph.nodes[first:]:
            node.cached = True

    def finish(self) -> Graph:
        """Return the graph, without nodes that nothing needs any more."""
        graph = self.graph
        graph.outputs = [self.entry(entry) for entry in self.source.outputs]
        graph.head_grads = [self._copies[node] for node in self.source.head_grads if node in self._copies]
        graph.nodes = _needed(graph)
        graph.number()
        return graph


def _needed(graph: Graph) -> list[Node]:
    """Return the nodes that the outputs need, and those that write variables, in order."""
    needed = {node for node, _ in graph.outputs}
    result = []
    for node in reversed(graph.nodes):
        # Variables stay: callers pass their values all the same.
        if node not in needed and node.op is not None and not node.op.mutated_inputs(node.attrs):
            continue
        result.append(node)
        needed.update(source for source, _ in node.inputs)
        needed.update(node.controls or ())
    result.reverse()
    return result


def is_static(node: Node) -> bool:
    """Whether a node's results change only when parameters are written.

    >>> is_static(Node(None, None, "weight"))
    True
    """
    return node.op is None or node.cached


def single_user(graph: Graph, users: list[list[tuple[Node, int]]], node: Node) -> tuple[Node, int] | None:
    """Return the only reader of a node and the place among its inputs; None where there are several or the graph returns it.

    >>> graph = Graph()
    >>> single_user(graph, [[]], Node(None, None, "x")) is None
    True
    """
    if node.id < 0 or len(users[node.id]) != 1 or any(head is node for head, _ in graph.outputs):
        return None
    user, position = users[node.id][0]
    return None if user.inputs[position][1] != 0 else (user, position)
