"""Calls that MXNet's recorded answers are of, for arrays and for values of graphs: the samples of tests over all operators."""

import collections
import functools

import mxnet_data
import mxnet_differences
import numpy as np

import weft as mx
from weft.frontend.graph.builder import GraphBuilder
from weft.frontend.graph.ir import Graph
from weft.ops import registry
from weft.ops.array import spec

FAMILIES = (
    "unary",
    "binary",
    "scalar",
    "reduce",
    "ordering",
    "shape",
    "indexing",
    "linalg",
    "optimizer",
    "nn",
    "loss",
    "sequence",
    "creation",
    "random",
    "contrib",
)


@functools.cache
def family(name):
    return mxnet_data.load(name)


def calls(most):
    """Yield ``(family, case)`` for recorded calls of operators, up to ``most`` of each operator."""
    seen = collections.Counter()
    for name in FAMILIES:
        for case in family(name)[0]:
            op = registry.find(case["op"].split(".")[-1])
            if "error" in case or "out" in case or op is None or mxnet_differences.differs(name, case["id"], "all"):
                continue
            if seen[op.name] < most:
                seen[op.name] += 1
                yield name, case


def to_nd(value):
    return mx.nd.array(value, dtype=value.dtype)


class RecordedCall:
    """One recorded call: its arrays, and the call on whatever stands for them."""

    def __init__(self, name, case):
        self.read = functools.partial(mxnet_data.decode, arrays=family(name)[1])
        self.case = case
        self.train = bool(case.get("train"))
        self.inputs = self.read(case["inputs"])
        self.kwargs = {key: self.read(value) for key, value in case["kwargs"].items()}
        self.arrays = [a for item in self.inputs for a in (item if isinstance(item, list) else [item]) if isinstance(a, np.ndarray)]
        differentiable = "grad_of" in case and "grad_error" not in case
        self.wanted = self.read(case["grad_of"]) if differentiable else []

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

    def heads(self, results):
        """Return gradients of the results: recorded ones, else ones."""
        if "head_grads" in self.case:
            return [to_nd(head) for head in self.read(self.case["head_grads"])]
        return [mx.nd.ones(result.shape, dtype=result.dtype) for result in results]

    def new_arrays(self):
        """Return new arrays with the inputs' values."""
        return [to_nd(array) for array in self.arrays]

    def imperative(self):
        """Run the call on arrays; return all arrays after it, the results and the gradients by input."""
        arrays = self.new_arrays()
        for i in self.wanted:
            arrays[i].attach_grad()
        if not self.wanted:
            mode = mx.autograd.train_mode() if self.train else mx.autograd.predict_mode()
            with mode:
                return arrays, self.call(arrays), {}
        with mx.autograd.record(train_mode=self.train):
            results = self.call(arrays)
        mx.autograd.backward(results, self.heads(results), train_mode=self.train)
        return arrays, results, {i: arrays[i].grad for i in self.wanted}

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
