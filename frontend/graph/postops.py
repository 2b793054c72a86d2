"""Inference: additions and functions that follow a convolution or layer are applied before its result leaves the cache."""

from __future__ import annotations

from typing import Any, NamedTuple

from .ir import Graph, Node
from .rewrite import Rewriter, single_user

__all__ = ["fuse_results"]

NAME = "postops"
_LAYERS = ("Convolution", "FullyConnected")
_ADDITIONS = ("elemwise_add", "broadcast_add", "_grad_add")


class Function(NamedTuple):
    """A function of the result as the fused convolution names it."""

    act_type: str
    alpha: float = 0.0
    beta: float = 0.0


def function_of(node: Node) -> Function | None:
    """Return what an element-wise node computes, if a convolution can do it.

    >>> from weft.ops import registry
    >>> relu = registry.get("relu")
    >>> function_of(Node(relu, relu.attrs(), "y"))
    Function(act_type='relu', alpha=0.0, beta=0.0)
    """
    if node.op is None:
        return None
    name, attrs = node.op.name, node.attrs
    if name in ("relu", "sigmoid", "tanh"):
        return Function(name)
    if name == "Activation" and attrs.act_type != "softsign":
        return Function(attrs.act_type)
    if name == "LeakyReLU" and attrs.act_type in ("leaky", "elu"):
        return Function(attrs.act_type, attrs.slope)
    if name == "LeakyReLU" and attrs.act_type == "gelu":
        return Function("gelu")
    if name == "clip" and attrs.a_min <= attrs.a_max:
        return Function("clip", attrs.a_min, attrs.a_max)
    return None


class Chain(NamedTuple):
    """A convolution, what is added to it, and the node that the fused one takes the place of."""

    conv: Node
    addition: Node | None
    residual: tuple[Node, int] | None
    function: Function
    last: Node


def fuse_results(graph: Graph) -> Graph:
    """Fuse convolutions with the addition and the function behind them, fully connected layers with relu.

    Parameters
    ----------
    graph : Graph
        A graph with specs, in inference mode.

    Returns
    -------
    Graph
        ``graph`` itself where there is nothing to fuse.

    Examples
    --------
    >>> fuse_results(Graph()).nodes
    []
    """
    layers = {op for op in graph.operators() if op.name in _LAYERS}
    if graph.train or graph.gradients or not layers:
        return graph
    users = graph.consumers()
    taken: set[Node] = set()
    chains: dict[Node, Chain] = {}
    for node in reversed(graph.nodes):  # of two convolutions that are added, the later one takes the other's result in
        chain = _chain(graph, users, node, taken) if node.op in layers else None
        if chain is not None:
            chains[chain.last] = chain
            taken.update(part for part in (chain.conv, chain.addition, chain.last) if part is not None)
    if not chains:
        return graph
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        if node in chains:
            _fuse(rewriter, chains[node])
        elif node not in taken:
            rewriter.keep(node)
    result = rewriter.finish()
    added = sum(chain.addition is not None for chain in chains.values())
    result.note(NAME, f"{len(chains)} layers apply the functions that follow them, {added} of them after an addition")
    return result


def _chain(graph: Graph, users: list[list[tuple[Node, int]]], conv: Node, taken: set[Node]) -> Chain | None:
    if conv in taken or not _fusible(conv):
        return None
    addition, residual, last = None, None, conv
    user = single_user(graph, users, conv)
    if user is not None and conv.op.name == "Convolution" and _adds(user[0], conv) and user[0] not in taken:
        addition = last = user[0]
        residual = addition.inputs[1 - user[1]]
        user = single_user(graph, users, addition)
    function = None
    if user is not None and user[0] not in taken:
        function = function_of(user[0])
    allowed = ("relu",) if addition is not None or conv.op.name == "FullyConnected" else None
    if function is not None and (allowed is None or function.act_type in allowed):
        last = user[0]  # type: ignore[index]
    else:
        function = None
    if last is conv:
        return None
    return Chain(conv, addition, residual, function or Function("none"), last)


def _fusible(node: Node) -> bool:
    if node.op.name not in _LAYERS or node.specs[0].dtype.char != "f" or node.specs[0].size == 0:
        return False
    if node.op.name == "FullyConnected":
        return True
    return node.op.name == "Convolution" and len(node.specs[0].shape) == 4 and not (node.attrs.layout and node.attrs.layout.endswith("C"))


def _adds(node: Node, conv: Node) -> bool:
    """Whether a node adds two arrays of one shape, one of which is the convolution's result."""
    if node.op is None or node.op.name not in _ADDITIONS:
        return False
    (first, at), (second, place) = node.inputs
    return first is not second and first.specs[at].shape == second.specs[place].shape


def _fuse(rewriter: Rewriter, chain: Chain) -> None:
    conv = chain.conv
    inputs = [rewriter.entry(entry) for entry in conv.inputs]
    values: dict[str, Any] = conv.attrs.to_dict()
    if conv.op.name == "FullyConnected":
        made = rewriter.call("_fused_FullyConnected", inputs, {**values, "relu": True}, chain.last, chain.last.name)
    else:
        if chain.residual is not None:
            inputs.append(rewriter.entry(chain.residual))
        more = {"residual": chain.residual is not None, **chain.function._asdict()}
        made = rewriter.call("_fused_Convolution", inputs, {**values, **more}, chain.last, chain.last.name)
    rewriter.replace(chain.last, made, outputs=(0,))
