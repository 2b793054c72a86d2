"""Training: blocked batch normalization computes the relu behind it, and its backward the relu's backward.

The relu is then no pass over memory of its own, neither forward nor backward: where it was zero is worked out again from the data
that backward reads anyway.
"""

from __future__ import annotations

from typing import NamedTuple

from .ir import Graph, Node
from .rewrite import Rewriter

__all__ = ["fuse_norm_relu"]

NAME = "norm_relu"
_NORM, _BACKWARD = "_blocked_BatchNorm", "_backward_blocked_BatchNorm"


class Pair(NamedTuple):
    """A normalization and its relu; the backward nodes of both where there are any."""

    norm: Node
    relu: Node
    norm_backward: Node | None
    relu_backward: Node | None


def fuse_norm_relu(graph: Graph) -> Graph:
    """Return the graph with blocked batch normalizations and the relu behind them joined, forward and backward.

    Parameters
    ----------
    graph : Graph
        A training graph, with specs.

    Returns
    -------
    Graph
        The same object where there is nothing to join.

    Examples
    --------
    >>> fuse_norm_relu(Graph()).nodes
    []
    """
    if not any(op.name == _NORM for op in graph.operators()):
        return graph
    users = graph.consumers()
    heads = set(graph.outputs)
    pairs = [pair for node in graph.nodes if (pair := _pair(node, users, heads)) is not None]
    if not pairs:
        return graph
    parts: dict[Node, Pair] = {node: pair for pair in pairs for node in pair if node is not None}
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        if node in parts:
            _join(rewriter, parts[node], node)
        else:
            rewriter.keep(node)
    result = rewriter.finish()
    backward = sum(pair.norm_backward is not None for pair in pairs)
    result.note(NAME, f"{len(pairs)} batch normalizations apply the relu that follows, {backward} of them in backward too")
    return result


def _pair(relu: Node, users: list[list[tuple[Node, int]]], heads: set[tuple[Node, int]]) -> Pair | None:
    if not _is(relu, "relu", "Activation") or relu.controls:
        return None
    norm, index = relu.inputs[0]
    if index or norm.op is None or norm.op.name != _NORM or norm.attrs.relu or (norm, 0) in heads or norm.part != relu.part:
        return None
    readers = [(user, place) for user, place in users[norm.id] if user.inputs[place][1] == 0]
    if readers != [(relu, 0)]:
        return None
    # What else reads the normalization reads its statistics: its backward, and one of them alone.
    others = {user for user, place in users[norm.id] if user.inputs[place][1]}
    if not others:
        return Pair(norm, relu, None, None)
    back = others.pop()
    if others or back.op.name != _BACKWARD or back.inputs[4] != (norm, 1):
        return None
    step, index = back.inputs[0]
    if not _is(step, "_backward_relu", "_backward_Activation") or step.inputs[1] != (relu, 0) or step.controls:
        return None
    if (step, 0) in heads or users[step.id] != [(back, 0)] or step.context != back.context:
        return None
    return Pair(norm, relu, back, step)


def _is(node: Node, name: str, activation: str) -> bool:
    if node.op is None:
        return False
    return node.op.name == name or (node.op.name == activation and node.attrs.act_type == "relu")


def _join(rewriter: Rewriter, pair: Pair, node: Node) -> None:
    if node is pair.relu:
        rewriter.put(node, 0, rewriter.entry((pair.norm, 0)))
    elif pair.relu_backward is not None and node is pair.relu_backward:
        rewriter.put(node, 0, rewriter.entry(node.inputs[0]))
    else:
        inputs = [rewriter.entry(entry) for entry in node.inputs]
        if node is pair.norm_backward:
            # The layout pass leaves beta out, since only relu needs it: where the result was above zero.
            inputs[3] = rewriter.entry(pair.norm.inputs[2])
        made = rewriter.call(node.op.name, inputs, {**node.attrs.to_dict(), "relu": True}, node, node.name)
        if node.controls is not None:
            made.controls = rewriter.controls(node)
        rewriter.replace(node, made)
