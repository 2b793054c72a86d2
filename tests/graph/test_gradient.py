"""Gradient graphs against the tape of imperative calls: the same functions write both, so results are equal to the bit."""

import collections
import functools

import mxnet_data
import mxnet_differences
import numpy as np
import pytest

import weft as mx
from weft.frontend.graph.builder import GraphBuilder
from weft.frontend.graph.gradient import add_gradient, head_gradient_names
from weft.frontend.graph.interpret import interpret
from weft.frontend.graph.ir import Graph
from weft.ops import registry
from weft.ops.array import spec

FAMILIES = ("unary", "binary", "scalar", "reduce", "ordering", "shape", "indexing", "linalg", "nn", "loss", "sequence", "contrib")


@functools.cache
def family(name):
    return mxnet_data.load(name)


def differentiable_cases():
    """Recorded calls of operators with a gradient: as many as there are of each operator, up to four."""
    seen = collections.Counter()
    for name in FAMILIES:
        for case in family(name)[0]:
            op = registry.find(case["op"].split(".")[-1])
            if "grad_of" not in case or "grad_error" in case or "out" in case or op is None or op.random:
                continue
            if mxnet_differences.differs(name, case["id"], "gradient") or seen[op.name] >= 4:
                continue
            seen[op.name] += 1
            yield pytest.param(name, case, id=f"{name}-{case['id']}")


def to_nd(value):
    return mx.nd.array(value, dtype=value.dtype)


class Recorded:
    """One recorded call: its arrays, and the call on whatever stands for them."""

    def __init__(self, name, case):
        self.read = functools.partial(mxnet_data.decode, arrays=family(name)[1])
        self.case = case
        self.train = case["train"]
        self.inputs = self.read(case["inputs"])
        self.kwargs = {key: self.read(value) for key, value in case["kwargs"].items()}
        self.arrays = [a for item in self.inputs for a in (item if isinstance(item, list) else [item]) if isinstance(a, np.ndarray)]
        self.wanted = self.read(case["grad_of"])

    def call(self, stand_ins):
        """Call the operator with ``stand_ins`` in the places of the arrays; return the list of results."""
        rest = iter(stand_ins)
        inputs = [
            [next(rest) for _ in item] if isinstance(item, list) else next(rest) if isinstance(item, np.ndarray) else item
            for item in self.inputs
        ]
        function = mx
        for part in self.case["op"].split("."):
            function = getattr(function, part)
        result = function(*inputs, **self.kwargs)
        return list(result) if isinstance(result, (list, tuple)) else [result]

    def heads(self, shapes):
        if "head_grads" in self.case:
            return [to_nd(head) for head in self.read(self.case["head_grads"])]
        return [mx.nd.ones(shape, dtype=dtype) for shape, dtype in shapes]

    def tape(self):
        """Return results and gradients of the imperative call."""
        arrays = [to_nd(array) for array in self.arrays]
        for i in self.wanted:
            arrays[i].attach_grad()
        with mx.autograd.record(train_mode=self.train):
            results = self.call(arrays)
        heads = self.heads([(result.shape, result.dtype) for result in results])
        mx.autograd.backward(results, heads, train_mode=self.train)
        return results, [arrays[i].grad for i in self.wanted]

    def graph(self):
        """Return the forward graph; variable ``i`` is called ``x<i>``."""
        graph = Graph()
        graph.train = self.train
        builder = GraphBuilder(graph)
        values = [builder.variable(f"x{i}", spec(array.shape, array.dtype)) for i, array in enumerate(self.arrays)]
        with builder:
            results = self.call(values)
        graph.outputs = [value.entry for value in results]
        graph.n_heads = len(results)
        return graph

    def values(self, graph):
        values = {f"x{i}": to_nd(array) for i, array in enumerate(self.arrays)}
        entries = graph.outputs[: graph.n_heads]
        heads = self.heads([(node.specs[i].shape, node.specs[i].dtype) for node, i in entries])
        used = {node.name for node in graph.head_grads}
        return values | {name: head for name, head in zip(head_gradient_names(graph), heads) if name in used}


def assert_same(found, expected, what):
    found, expected = found.asnumpy(), expected.asnumpy()
    assert found.dtype == expected.dtype and found.shape == expected.shape, what
    np.testing.assert_array_equal(found, expected, err_msg=what)


@pytest.mark.parametrize(("name", "case"), list(differentiable_cases()))
def test_gradient_graph_equals_the_tape(name, case):
    recorded = Recorded(name, case)
    results, gradients = recorded.tape()
    graph = add_gradient(recorded.graph(), [f"x{i}" for i in recorded.wanted])
    found = interpret(graph, recorded.values(graph))
    for i, result in enumerate(results):
        assert_same(found[i], result, f"result {i}")
    for i, gradient in enumerate(gradients):
        assert_same(found[graph.n_heads + i], gradient, f"gradient of input {recorded.wanted[i]}")
