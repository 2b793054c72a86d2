"""Graphs for tests: from MXNet's JSON, and built call by call."""

from weft.frontend.graph.ir import Graph, Node
from weft.ops import registry


def variable(name, **annotations):
    return Node(None, None, name, (), annotations or None)


def call(op, inputs, name=None, index=0, **attrs):
    """Return an entry: output ``index`` of an operator called with entries (a variable stands for its only one)."""
    op = registry.get(op)
    entries = [(item, 0) if isinstance(item, Node) else item for item in inputs]
    if op.variadic:
        attrs.setdefault(op.count_param, len(entries))
    return Node(op, op.attrs(attrs), name or op.name.lower(), entries), index


def graph_of(*heads):
    return Graph.from_entries(heads)


def from_json(symbol):
    """Return the graph that a symbol of MXNet, as parsed JSON, describes."""
    nodes = []
    for record in symbol["nodes"]:
        attrs = record.get("attrs", {})
        if record["op"] == "null":
            nodes.append(variable(record["name"], **attrs))
            continue
        op = registry.get(record["op"])
        inputs = [(nodes[source], index) for source, index, *_ in record["inputs"]]
        values = {key: value for key, value in attrs.items() if not key.startswith("__")}
        nodes.append(Node(op, op.attrs(values), record["name"], inputs))
    return Graph.from_entries([(nodes[source], index) for source, index, *_ in symbol["heads"]])
