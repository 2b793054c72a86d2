"""Running a graph node by node through the engine, without a plan or a program.

It is how constants are folded, how monitors see every result, how graphs with shapes that depend on data run, and
what the tests hold compiled programs against.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...ops.array import NDArray, empty
from ...ops.dispatch import function
from ...ops.errors import MXNetError
from ...ops.execute import execute
from .ir import Graph, Node

__all__ = ["interpret"]

#: Called with a node and all its outputs, hidden ones included.
Visitor = Callable[[Node, list[NDArray]], Any]


def interpret(
    graph: Graph,
    values: Mapping[str, NDArray],
    context: Any = None,
    visit: Visitor | None = None,
    nodes: list[Node] | None = None,
    results: dict[Node, list[NDArray]] | None = None,
) -> list[NDArray]:
    """Compute the outputs of a graph with one imperative call a node.

    Parameters
    ----------
    graph : Graph
        The graph. Specs are not needed.
    values : mapping of str to NDArray
        The variables, by name; auxiliary states are written where operators write them.
    context : Context, optional
        Where operators without inputs run, unless their node says so.
    visit : callable, optional
        ``visit(node, outputs)`` after each operator.
    nodes : list of Node, optional
        Run these only, in this order, and expect the others in ``results``.
    results : dict, optional
        Filled with the outputs of every node; with ``nodes``, it holds those computed before.

    Returns
    -------
    list of NDArray
        One array for each entry of ``graph.outputs``; with ``nodes``, of those that are computed.

    Raises
    ------
    MXNetError
        Naming the variable without a value, or the node that does not fit its inputs.

    Examples
    --------
    >>> import weft as mx
    >>> from weft.frontend.graph import Graph, Node
    >>> from weft.ops import registry
    >>> exp = registry.get("exp")
    >>> graph = Graph.from_entries([(Node(exp, exp.attrs(), "y", [(Node(None, None, "x"), 0)]), 0)])
    >>> interpret(graph, {"x": mx.nd.zeros(2)})[0].asnumpy()
    array([1., 1.], dtype=float32)
    """
    found: dict[Node, list[NDArray]] = {} if results is None else results
    remaining = None if results is not None else _last_uses(graph)
    for position, node in enumerate(graph.nodes if nodes is None else nodes):
        if node.op is None:
            found[node] = [_value(graph, values, node)]
            continue
        inputs = [found[source][index] for source, index in node.inputs]
        found[node] = outputs = _run(node, inputs, node.context or context)
        if visit is not None:
            visit(node, outputs)
        if remaining is not None:
            for done in remaining.get(position, ()):
                del found[done]
    return [found[node][index] for node, index in graph.outputs if node in found]


def _value(graph: Graph, values: Mapping[str, NDArray], node: Node) -> NDArray:
    value = graph.constants.get(node.name)
    if value is None:
        value = values.get(node.name)
    if value is None:
        raise MXNetError(f"variable {node.name!r} has no value; given are {', '.join(values) or 'none'}")
    return value


def _run(node: Node, inputs: list[NDArray], context: Any) -> list[NDArray]:
    if context is not None and inputs and node.op.name in ("_copyto", "_CrossDeviceCopy"):
        target = empty(inputs[0].shape, context, inputs[0].dtype)
        return [function("_copyto")(inputs[0], out=target)]
    try:
        return execute(node.op, inputs, node.attrs, context)
    except MXNetError as error:
        raise MXNetError(f"Error in operator {node.name}: {error}") from error


def _last_uses(graph: Graph) -> dict[int, list[Node]]:
    """For each position, the nodes whose results nobody needs after it."""
    last: dict[Node, int] = {}
    for position, node in enumerate(graph.nodes):
        last[node] = position
        for source, _ in node.inputs:
            last[source] = position
    kept = {node for node, _ in graph.outputs}
    uses: dict[int, list[Node]] = {}
    for node, position in last.items():
        if node not in kept and node.op is not None:
            uses.setdefault(position, []).append(node)
    return uses
