"""Symbols to text for people, and to graphs of networkx."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..graph.ir import Node, topological_order
from .json_writer import _Ids, node_attributes

if TYPE_CHECKING:
    from .symbol import Symbol

__all__ = ["debug_text", "to_networkx"]


def _reference(ids: _Ids, user: Node, index: int) -> str:
    source, output = user.inputs[index]
    text = f"\targ[{index}]={source.name}({output})"
    return text if source.op is not None else f"{text} version={ids.versions.get((user, index), 0)}"


def debug_text(entries: Sequence[tuple[Node, int]]) -> str:
    """Return a listing of outputs and nodes, in MXNet's words."""
    nodes = topological_order(entries)
    ids = _Ids(nodes)
    lines: list[str] = []
    if len(entries) == 1 and entries[0][0].op is None:
        return f"Variable:{entries[0][0].name}\n"
    lines.append("Symbol Outputs:")
    lines += [f"\toutput[{index}]={node.name}({output})" for index, (node, output) in enumerate(entries)]
    for node in nodes:
        if node.op is None:
            lines.append(f"Variable:{node.name}")
            continue
        lines += ["-" * 20, f"Op:{node.op.name}, Name={node.name}", "Inputs:"]
        lines += [_reference(ids, node, index) for index in range(len(node.inputs))]
        if node_attributes(node):
            lines.append("Attrs:")
            lines += [f"\t{key}={value}" for key, value in sorted(node_attributes(node).items())]
        if node.controls:
            lines += ["Control deps:", *[f"\tcdep[{index}]={other.name}" for index, other in enumerate(node.controls)]]
    return "\n".join(lines) + "\n"


def to_networkx(symbol: Symbol) -> Any:
    """Return the graph as a ``networkx.DiGraph``; networkx has to be installed.

    Nodes have the attributes ``op`` and ``attrs``, edges ``output`` and ``input``: which output goes into which input.
    Nodes are numbered where several have one name.
    """
    import networkx

    nodes = topological_order(symbol._entries)
    names = [node.name for node in nodes]
    unique = len(set(names)) == len(names)
    key = {node: node.name if unique else f"{index}:{node.name}" for index, node in enumerate(nodes)}
    heads = {node for node, _ in symbol._entries}
    graph = networkx.MultiDiGraph(heads=[(key[node], index) for node, index in symbol._entries])
    for node in nodes:
        kind = "null" if node.op is None else node.op.name
        graph.add_node(key[node], name=node.name, op=kind, attrs=dict(node_attributes(node)), head=node in heads)
    for node in nodes:
        for position, (source, output) in enumerate(node.inputs):
            graph.add_edge(key[source], key[node], output=output, input=position)
    return graph
