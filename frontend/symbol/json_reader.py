"""MXNet's JSON, of every version, to symbols. What is wrong in a file is reported with the node it is in."""

from __future__ import annotations

import json
from typing import Any

from ...ops import registry
from ...ops.errors import ArgumentTypeError, ArgumentValueError, MXNetError, ShapeError
from ...ops.registry import Operator
from ..graph.collector import paused
from ..graph.ir import Graph, Node
from ..graph.subgraph import Body
from .attributes import HIDDEN, parse_attributes, split_attributes
from .composition import make_node

__all__ = ["read"]

Entry = tuple[Node, int]
#: Control flow inside control flow; more is not a model but an attack on the stack.
MOST_NESTED = 32
#: Outputs of one node; more would only fill the memory.
MOST_OUTPUTS = 1 << 20
#: Files without a version are from before there was one.
OLDEST = 800


class Reader:
    """One graph of a file: the top level, or a subgraph of a control flow node."""

    def __init__(self, where: str, version: int, depth: int) -> None:
        self.where = where
        self.version = version
        self.depth = depth
        self.nodes: list[Node] = []

    def error(self, text: str) -> MXNetError:
        return MXNetError(f"{self.where}: {text}")

    def list_of(self, record: dict[str, Any], key: str, what: str, needed: bool = True) -> list[Any]:
        value = record.get(key)
        if value is None and not needed:
            return []
        if not isinstance(value, list):
            raise self.error(f"{what} has no list {key!r}" if value is None else f"{what}: {key!r} is {_short(value)}, expected a list")
        return value

    def graph(self, record: Any) -> list[Entry]:
        if not isinstance(record, dict):
            raise self.error(f"expected a JSON object with nodes and heads, got {_short(record)}")
        for index, item in enumerate(self.list_of(record, "nodes", "the graph")):
            self.nodes.append(self.node(index, item))
        heads = self.list_of(record, "heads", "the graph")
        if not heads:
            raise self.error("the graph has no heads, that is, no outputs")
        return [self.entry(f"head {index}", item) for index, item in enumerate(heads)]

    def entry(self, what: str, item: Any) -> Entry:
        """Read ``[node, output]`` or ``[node, output, version]``; nodes can only refer to those before them."""
        if not isinstance(item, list) or len(item) not in (2, 3) or not all(type(part) is int for part in item):
            raise self.error(f"{what} is {_short(item)}, expected [node, output, version]")
        number, output = item[:2]
        source = self.earlier(what, number)
        count = source.n_outputs
        if not 0 <= output < count:
            raise self.error(f"{what} is output {output} of node {number} {source.name!r}, which has {count}")
        return source, output

    def earlier(self, what: str, number: Any) -> Node:
        if type(number) is not int:
            raise self.error(f"{what} is node {_short(number)}, expected a number")
        if not 0 <= number < len(self.nodes):
            raise self.error(f"{what} is node {number}, which does not come before it (a cycle, or there is no such node)")
        return self.nodes[number]

    def node(self, index: int, record: Any) -> Node:
        if not isinstance(record, dict):
            raise self.error(f"node {index} is {_short(record)}, expected an object")
        name, kind = record.get("name"), record.get("op")
        if not isinstance(name, str) or not isinstance(kind, str):
            raise self.error(f"node {index} must have 'name' and 'op', both text; got name {_short(name)}, op {_short(kind)}")
        what = f"node {index} {name!r}"
        found = self.attributes(what, record)
        inputs = [
            self.entry(f"{what}: input {position}", item)
            for position, item in enumerate(self.list_of(record, "inputs", what, kind != "null"))
        ]
        postponed: dict[str, str] = {}
        if self.version < 10901 and kind != "Custom":
            found, postponed = _split_hidden(found)
        if kind == "null":
            node = Node(None, None, name, inputs, found)
            if inputs:
                raise self.error(f"{what} is a variable (op 'null') and cannot have inputs")
        else:
            node = self.operator(what, kind, name, inputs, found, record)
        _place_hidden(node, postponed)
        node.controls = [self.earlier(f"{what}: control dependency", item) for item in record.get("control_deps") or ()] or None
        return node

    def attributes(self, what: str, record: dict[str, Any]) -> dict[str, str]:
        """Collect what has been called attrs, attr and param through the years."""
        found: dict[str, str] = {}
        for key in ("param", "attr", "attrs"):
            part = record.get(key)
            if part is None:
                continue
            if not isinstance(part, dict):
                raise self.error(f"{what}: {key!r} is {_short(part)}, expected an object")
            for name, value in part.items():
                if not isinstance(value, str):
                    raise self.error(f"{what}: attribute {name!r} is {_short(value)}, expected text")
            found.update(part)
        return found

    def operator(self, what: str, kind: str, name: str, inputs: list[Entry], found: dict[str, str], record: dict[str, Any]) -> Node:
        try:
            op = registry.get(kind)
            found = _renamed(op, found, self.version)
            graphs = self.subgraphs(what, record)
            attrs = _parse(op, found, len(inputs), graphs)
            count = getattr(attrs, op.count_param) if op.variadic else 0
            # The number in the file is not believed: names would be made for as many inputs.
            if op.variadic and (count != len(inputs) if op.active_inputs is None else count > len(inputs)):
                raise self.error(f"{what} ({kind}) has {op.count_param}={count}, but {len(inputs)} inputs")
            wanted = op.input_names(attrs)
            if op.count_outputs(attrs) > MOST_OUTPUTS:
                raise self.error(f"{what} ({kind}) has {op.count_outputs(attrs)} outputs; no node has more than {MOST_OUTPUTS}")
        except MXNetError as error:
            if str(error).startswith(self.where):
                raise
            raise self.error(f"{what} ({kind}): {error}") from None
        except (
            ArgumentTypeError,
            ArgumentValueError,
            ShapeError,
            TypeError,
            ValueError,
            OverflowError,
            RecursionError,
            MemoryError,
        ) as error:
            raise self.error(f"{what} ({kind}): {str(error) or type(error).__name__}") from None
        missing = len(wanted) - len(inputs)
        # Before 0.9 auxiliary states were not among the inputs.
        if missing < 0 or (missing and self.version >= 900):
            raise self.error(f"{what} ({kind}) has {len(inputs)} inputs, expected {len(wanted)} ({', '.join(wanted[:8])})")
        node = make_node(op, attrs, name, [*inputs, *[None] * missing], found) if missing else Node(op, attrs, name, inputs, found)
        node.subgraphs = graphs
        return node

    def subgraphs(self, what: str, record: dict[str, Any]) -> tuple[Graph, ...]:
        found = []
        for index, item in enumerate(self.list_of(record, "subgraphs", what, False)):
            if self.depth >= MOST_NESTED:
                raise self.error(f"{what}: subgraphs are nested more than {MOST_NESTED} deep")
            inner = Reader(f"{self.where}: {what}: subgraph {index}", self.version, self.depth + 1)
            found.append(Graph.from_entries(inner.graph(item)))
        return tuple(found)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _parse(op: Operator, found: dict[str, str], n_inputs: int, graphs: tuple[Graph, ...]) -> Any:
    if "description" in op.param_by_name:
        from .custom import describe

        return op.attrs({**describe(found), op.count_param: n_inputs})
    if "subgraphs" not in op.param_by_name:
        return parse_attributes(op, found, n_inputs)
    params, _ = split_attributes(op, found)
    # MXNet's number of arguments counts the graphs.
    return op.attrs({**params, op.count_param: n_inputs, "subgraphs": [Body(graph) for graph in graphs]})


def _renamed(op: Operator, found: dict[str, str], version: int) -> dict[str, str]:
    """Leave out what older versions wrote and newer ones read otherwise."""
    # Before 0.9.5 the axis -1 of argmax and argmin meant all axes.
    if version < 905 and op.name in ("argmax", "argmin") and found.get("axis") == "-1":
        return {key: value for key, value in found.items() if key != "axis"}
    return found


def _split_hidden(found: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Take keys such as ``lr_mult`` and ``weight_lr_mult`` away, which older files have without underscores."""
    hidden = {key: value for key, value in found.items() if not key.startswith("__") and any(_is_hidden(key, name) for name in HIDDEN)}
    return {key: value for key, value in found.items() if key not in hidden}, hidden


def _is_hidden(key: str, name: str) -> bool:
    return key == name or key.endswith("_" + name)


def _place_hidden(node: Node, hidden: dict[str, str]) -> None:
    """Put hidden keys where they belong now: on the node, or on the variable they name."""
    for key, value in hidden.items():
        name = next(name for name in HIDDEN if _is_hidden(key, name))
        target = node
        if key != name and node.op is not None:
            names = node.op.input_names(node.attrs)
            argument = key[: -len(name) - 1]
            if argument in names:
                source = node.inputs[names.index(argument)][0]
                target = source if source.op is None else node
        target.annotations = {**(target.annotations or {}), f"__{name}__": value}


def _version(record: Any, where: str) -> int:
    found = record.get("attrs") if isinstance(record, dict) else None
    if not isinstance(found, dict) or "mxnet_version" not in found:
        return OLDEST
    version = found["mxnet_version"]
    if not isinstance(version, list) or len(version) != 2 or type(version[1]) is not int:
        raise MXNetError(f"{where}: mxnet_version is {_short(version)}, expected ['int', number]")
    return version[1]


def read(data: str | bytes, where: str) -> list[Entry]:
    """Return the entries of the symbol that JSON describes.

    Parameters
    ----------
    data : str or bytes
        The JSON.
    where : str
        What errors call it.

    >>> read('{"nodes": [{"op": "null", "name": "x", "inputs": []}], "heads": [[0, 0]]}', "text")
    [(<variable x>, 0)]
    >>> read('{"nodes": [{"op": "exp", "name": "y", "inputs": [[4, 0]]}], "heads": [[0, 0]]}', "text")
    Traceback (most recent call last):
    weft.engine.errors.MXNetError: text: node 0 'y': input 0 is node 4, which does not come before it (a cycle, or there is no such node)
    """
    with paused():
        try:
            text = data.decode("utf-8") if isinstance(data, bytes) else data
            record = json.loads(text)
        except RecursionError:
            raise MXNetError(f"{where}: no symbol: the JSON is nested too deeply") from None
        except ValueError as error:
            raise MXNetError(f"{where}: no symbol: not valid JSON ({error})") from None
        return Reader(where, _version(record, where), 0).graph(record)
