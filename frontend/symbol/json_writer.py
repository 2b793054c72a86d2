"""Symbols to MXNet's JSON, in the layout that MXNet itself prints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ..graph.collector import paused
from ..graph.ir import Node, auxiliary_nodes, topological_order
from ..util import is_np_shape

__all__ = ["MXNET_VERSION", "write"]

MXNET_VERSION = 10901
Entry = tuple[Node, int]
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SPECIAL = re.compile(r'["\\\x00-\x1f]')
_LONG = 10  # lists of numbers longer than this have an item a line


def _text(value: str) -> str:
    if _SPECIAL.search(value) is None:
        return f'"{value}"'
    out = [_ESCAPES.get(c) or (c if c >= " " else f"\\u{ord(c):04x}") for c in value]
    return '"' + "".join(out) + '"'


def _list(items: Sequence[str], indent: str, lines: bool | None = None) -> str:
    if not items or not (len(items) > _LONG if lines is None else lines):
        return f"[{', '.join(items)}]"
    inner = f", \n{indent}  ".join(items)
    return f"[\n{indent}  {inner}\n{indent}]"


def _object(items: Iterable[tuple[str, str]], indent: str) -> str:
    """Return an object, an item a line; keys are written as they are."""
    inner = f", \n{indent}  ".join([f'"{key}": {value}' for key, value in items])
    return "{\n" + indent + "  " + inner + "\n" + indent + "}"


def _attributes(found: dict[str, str], indent: str) -> str:
    items = sorted(found.items())
    if len(items) == 1:
        return f"{{{_text(items[0][0])}: {_text(items[0][1])}}}"
    inner = f", \n{indent}  ".join([f"{_text(key)}: {_text(value)}" for key, value in items])
    return "{\n" + indent + "  " + inner + "\n" + indent + "}"


def node_attributes(node: Node) -> dict[str, str]:
    """Return a node's attributes as they are written."""
    return node.annotations or {}


class _Ids:
    """Numbers of nodes, and how often each auxiliary state has been written before an entry was taken."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.number = {node: index for index, node in enumerate(nodes)}
        self.written: dict[Node, int] = {}
        self.versions: dict[tuple[Node, int], int] = {}
        states = auxiliary_nodes(nodes)
        for node in nodes:
            if node.op is None or not node.op.aux:
                continue
            names = node.op.input_names(node.attrs)
            for index, (source, _) in enumerate(node.inputs):
                if source in states and names[index] in node.op.state_names(node.attrs):
                    self.written[source] = self.written.get(source, 0) + 1
                    self.versions[node, index] = self.written[source]

    def entry(self, entry: Entry, version: int = 0) -> str:
        return f"[{self.number[entry[0]]}, {entry[1]}, {version}]"


def _node(node: Node, ids: _Ids, indent: str) -> str:
    deeper = indent + "  "
    items = [("op", '"null"' if node.op is None else _text(node.op.name)), ("name", _text(node.name))]
    found = node_attributes(node)
    if found:
        items.append(("attrs", _attributes(found, deeper)))
    inputs = [ids.entry(entry, ids.versions.get((node, index), 0)) for index, entry in enumerate(node.inputs)]
    items.append(("inputs", _list(inputs, deeper)))
    if node.controls:
        items.append(("control_deps", _list([str(ids.number[other]) for other in node.controls], deeper)))
    if node.subgraphs:
        items.append(("subgraphs", _list([_graph(graph.outputs, deeper + "  ", False) for graph in node.subgraphs], deeper, True)))
    return _object(items, indent)


def _graph(entries: Sequence[Entry], indent: str, top: bool) -> str:
    nodes = topological_order(entries)
    ids = _Ids(nodes)
    deeper = indent + "  "
    rows = [0]
    for node in nodes:
        rows.append(rows[-1] + node.n_outputs)
    items: list[tuple[str, str]] = [
        ("nodes", _list([_node(node, ids, deeper + "  ") for node in nodes], deeper, True)),
        ("arg_nodes", _list([str(index) for index, node in enumerate(nodes) if node.op is None], deeper)),
        ("node_row_ptr", _list([str(row) for row in rows], deeper)),
        ("heads", _list([ids.entry(entry) for entry in entries], deeper)),
    ]
    if top:
        shapes = '"is_np_shape": ["int", 1], ' if is_np_shape() else ""
        items.append(("attrs", f'{{{shapes}"mxnet_version": ["int", {MXNET_VERSION}]}}'))
    return _object(items, indent)


def without_amp_casts(entries: Sequence[Entry]) -> list[Entry]:
    """Return copies of the entries' nodes without the casts of automatic mixed precision; casts that are outputs stay."""
    nodes = topological_order(entries)
    heads = {node for node, _ in entries}
    casts = {node for node in nodes if node.op is not None and node.op.name in ("amp_cast", "amp_multicast")} - heads
    if not casts:
        return list(entries)
    made: dict[Node, Any] = {}

    def moved(entry: Entry) -> Entry:
        node, index = entry
        there = made[node]
        return there[index] if isinstance(there, list) else (there, index)

    for node in nodes:
        if node in casts:
            made[node] = [moved(entry) for entry in node.inputs]
            continue
        copy = node.copy()
        copy.inputs = [moved(entry) for entry in node.inputs]
        if node.controls is not None:
            copy.controls = [made[other] for other in node.controls if isinstance(made[other], Node)]
        made[node] = copy
    return [moved(entry) for entry in entries]


def write(entries: Sequence[Entry], remove_amp_cast: bool = True) -> str:
    """Return the JSON of a symbol's entries.

    >>> from weft.frontend.graph.ir import Node
    >>> print(write([(Node(None, None, "x"), 0)]).replace(", \\n", ",\\n"))
    {
      "nodes": [
        {
          "op": "null",
          "name": "x",
          "inputs": []
        }
      ],
      "arg_nodes": [0],
      "node_row_ptr": [0, 1],
      "heads": [[0, 0, 0]],
      "attrs": {"mxnet_version": ["int", 10901]}
    }
    """
    with paused():
        return _graph(without_amp_casts(entries) if remove_amp_cast else entries, "", True)
