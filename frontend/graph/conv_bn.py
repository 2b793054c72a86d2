"""Inference: batch normalization disappears into the weight and bias of the convolution or layer before it."""

from __future__ import annotations

from typing import Any

from ...ops.functions import F
from .builder import Value
from .ir import Graph, Node
from .rewrite import Rewriter, is_static, single_user

__all__ = ["fold_batch_norm"]

NAME = "conv_bn"


def fold_batch_norm(graph: Graph) -> Graph:
    """Fold BatchNorm into the Convolution or FullyConnected that it alone reads.

    The new weight and bias are nodes of their own, computed from parameters only and kept until one of those is written.

    Parameters
    ----------
    graph : Graph
        A graph with specs, in inference mode.

    Returns
    -------
    Graph
        ``graph`` itself where there is nothing to fold.

    Examples
    --------
    >>> fold_batch_norm(Graph()).nodes
    []
    """
    if graph.train or graph.gradients or all(op.name != "BatchNorm" for op in graph.operators()):
        return graph
    users = graph.consumers()
    layers = {node: layer for node in graph.nodes if (layer := _layer_before(graph, users, node)) is not None}
    if not layers:
        return graph
    folded = set(layers.values())
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        if node in folded:
            continue
        if node in layers:
            _fold(rewriter, layers[node], node)
        else:
            rewriter.keep(node)
    result = rewriter.finish()
    result.note(NAME, f"{len(layers)} batch normalizations folded into the layers before them")
    return result


def _layer_before(graph: Graph, users: list[list[tuple[Node, int]]], norm: Node) -> Node | None:
    if norm.op is None or norm.op.name != "BatchNorm" or norm.attrs.train or len(norm.specs[0].shape) < 2:
        return None
    layer, index = norm.inputs[0]
    if index or layer.op is None or layer.op.name not in ("Convolution", "FullyConnected"):
        return None
    shape = layer.specs[0].shape
    if norm.attrs.axis not in (1, 1 - len(shape)) or not layer.specs[0].size:
        return None
    if layer.op.name == "Convolution" and layer.attrs.layout and layer.attrs.layout.endswith("C"):
        return None
    if layer.op.name == "FullyConnected" and len(shape) != 2:
        return None
    if single_user(graph, users, layer) is None:
        return None
    hidden = any(user.inputs[place][1] for user, place in users[norm.id])
    if hidden or any(head is norm and position for head, position in graph.outputs):
        return None
    parameters = [*layer.inputs[1:], *norm.inputs[1:]]
    same = all(source.specs[at].dtype == layer.specs[0].dtype for source, at in parameters)
    return layer if same and all(is_static(source) for source, _ in parameters) else None


def _fold(rewriter: Rewriter, layer: Node, norm: Node) -> None:
    gamma, beta, mean, variance = (rewriter.value(entry) for entry in norm.inputs[1:])
    weight = rewriter.value(layer.inputs[1])
    with rewriter.cached(norm):
        scale: Any = F.rsqrt(variance + norm.attrs.eps)
        if not norm.attrs.fix_gamma:
            scale = scale * gamma
        column = F.reshape(scale, shape=(-1, *(1,) * (len(weight.shape) - 1)))
        new_weight: Value = F.broadcast_mul(weight, column)
        center: Any = mean
        if not layer.attrs.no_bias:
            center = mean - rewriter.value(layer.inputs[2])
        new_bias: Value = beta - center * scale
    attrs = layer.op.attrs({**layer.attrs.to_dict(), "no_bias": False})
    inputs = [rewriter.entry(layer.inputs[0]), new_weight.entry, new_bias.entry]
    made = rewriter.call(layer.op.name, inputs, attrs, norm, norm.name)
    rewriter.replace(norm, made, outputs=(0,))
