"""Graphs for tests: from MXNet's JSON, and built call by call."""

import numpy as np

import weft as mx
from weft.frontend.graph.builder import GraphBuilder
from weft.frontend.graph.ir import BACKWARD, Graph, Node
from weft.ops import dispatch, registry
from weft.ops.array import spec
from weft.ops.functions import F


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


SHAPES = ((2, 3), (3, 2), (6,), (2, 3, 1), (1, 6))

# Steps of random programs: each makes a value from values of any of the shapes above (all of six elements).
STEPS = (
    lambda F, x, y: F.exp(x * 0.25),
    lambda F, x, y: F.sin(x),
    lambda F, x, y: F.tanh(x) + 1,
    lambda F, x, y: F._copy(x),
    lambda F, x, y: F.BlockGrad(x),
    lambda F, x, y: x * 1.0,
    lambda F, x, y: x - 0.0,
    lambda F, x, y: F.transpose(x),
    lambda F, x, y: F.transpose(F.transpose(x)),
    lambda F, x, y: F.reshape(x, shape=(2, 3)),
    lambda F, x, y: F.reshape(F.reshape(x, shape=(6,)), shape=(3, 2)),
    lambda F, x, y: F.Flatten(F.expand_dims(x, axis=0)),
    lambda F, x, y: F.elemwise_add(F.reshape_like(x, y), y),
    lambda F, x, y: F.elemwise_mul(F.reshape_like(y, x), x),
    lambda F, x, y: F.add_n(x, F.reshape_like(y, x), x),
    lambda F, x, y: F.elemwise_add(x, F.zeros_like(x)),
    lambda F, x, y: F.elemwise_mul(x, F._ones(shape=x.shape) * 0.5),
    lambda F, x, y: F.broadcast_mul(x, F._full(shape=(1,), value=0.75)),
    lambda F, x, y: F.Concat(F.reshape(x, shape=(6,)), F.reshape(y, shape=(6,)), dim=0).reshape(shape=(2, 6)).sum(axis=0),
    lambda F, x, y: F.SliceChannel(F.reshape(x, shape=(2, 3)), num_outputs=2, axis=0)[1].reshape(shape=(3, 1)) + F.reshape(y, shape=(3, 2)),
    lambda F, x, y: F.Activation(x, act_type="relu"),
    lambda F, x, y: F.softmax(F.reshape(x, shape=(2, 3))),
    lambda F, x, y: F.slice_axis(x, axis=0, begin=0, end=None),
    lambda F, x, y: F.FullyConnected(F.reshape(x, shape=(2, 3)), F.reshape(y, shape=(2, 3)), num_hidden=2, no_bias=True, flatten=True)
    .sum()
    .broadcast_mul(x),
    lambda F, x, y: F.Dropout(x, p=0.25),  # the last one: see random_graph
)


def random_graph(steps, train=False, heads=2, dropout=True):
    """Return the graph of a program, a list of (step, operand, operand): numbers taken modulo what there is."""
    kinds = STEPS if dropout else STEPS[:-1]
    graph = Graph()
    graph.train = train
    builder = GraphBuilder(graph)
    values = [builder.variable(name, spec(shape, "float32")) for name, shape in zip("abc", SHAPES)]
    with builder:
        for step, left, right in steps:
            values.append(kinds[step % len(kinds)](F, values[left % len(values)], values[right % len(values)]))
    chosen = values[-heads:]
    graph.outputs = [value.entry for value in chosen]
    graph.n_heads = len(chosen)
    return graph


def random_values(graph, seed=0):
    """Return arrays for all variables of a graph."""
    rng = np.random.default_rng(seed)
    nodes = [node for node in graph.nodes if node.is_variable and node.name not in graph.constants]
    return {node.name: mx.nd.array(rng.uniform(-1, 1, node.specs[0].shape), dtype=node.specs[0].dtype) for node in nodes}


def imperative(graph, values):
    """Return a graph's heads, computed by calls that are recorded, unlike those of ``interpret``."""
    found = {}
    for node in graph.nodes:
        if node.part == BACKWARD:
            continue
        if node.is_variable:
            found[node] = [values[node.name]]
        else:
            result = dispatch.function(node.op.name)(*(found[source][i] for source, i in node.inputs), **node.attrs.to_dict())
            found[node] = list(result) if isinstance(result, (list, tuple)) else [result]
    return [found[node][i] for node, i in graph.outputs[: graph.n_heads]]
