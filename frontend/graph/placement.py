"""Placement: which device each node runs on, with copies where a value is needed on another one."""

from __future__ import annotations

from typing import Any

from ...ops import registry
from .ir import Graph, Node

__all__ = ["place"]


def place(graph: Graph, context: Any, groups: dict[str, Any]) -> Graph:
    """Return the graph with the nodes of groups on their devices.

    Nodes made under ``AttrScope(ctx_group="name")`` run on ``groups["name"]``, and so do the gradients of them; the rest
    runs on ``context``. A value that is needed on another device is copied there once.

    Parameters
    ----------
    graph : Graph
        With specs.
    context : Context
        Where nodes without a group run.
    groups : dict of str to Context
        Devices of groups; groups without one run on ``context``.
    """
    used = {node.annotation("__ctx_group__") for node in graph.annotated("__ctx_group__")}
    if not any(groups.get(name, context) != context for name in used):
        return graph
    graph = graph.writable()
    for node in graph.nodes:
        node.context = groups.get(node.annotation("__ctx_group__"), context)
    copies: dict[tuple, Node] = {}
    order: list[Node] = []
    for node in graph.nodes:
        for position, (source, index) in enumerate(node.inputs):
            if source.context == node.context:
                continue
            key = (source, index, node.context)
            if key not in copies:
                copies[key] = copy_node(source, index, node)
                order.append(copies[key])
            node.inputs[position] = (copies[key], 0)
        order.append(node)
    graph.nodes = order
    graph.number()
    graph.note("placement", f"{len({str(node.context) for node in order})} devices, {len(copies)} copies between them")
    return graph


def copy_node(source: Node, index: int, user: Node) -> Node:
    """Return the node that brings an entry to the device of a node that reads it."""
    op = registry.get("_copyto")
    suffix = str(index) if len(source.specs) > 1 else ""
    node = Node(op, op.attrs(), f"{source.name}{suffix}_on_{user.context.device_type}{user.context.device_id}", [(source, index)])
    node.specs = (source.specs[index],)
    node.context = user.context
    node.part = max(source.part, user.part if source.op is None else source.part)
    return node
