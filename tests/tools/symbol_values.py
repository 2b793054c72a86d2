"""What symbols compute, node by node (no executor), and their gradients against finite differences."""

import numpy as np

import weft as mx
from weft.frontend.graph.gradient import add_gradient, head_gradient_names
from weft.frontend.graph.infer import infer
from weft.frontend.graph.interpret import interpret
from weft.frontend.graph.ir import Graph
from weft.frontend.graph.pipeline import set_mode


def random(shapes, seed):
    """Return random float32 arrays by name."""
    generator = np.random.RandomState(seed)
    return {name: generator.uniform(0.2, 1, shape).astype(np.float32) for name, shape in shapes.items()}


def forward_backward(symbol, given, wrt=(), states=None, train=False):
    """Return the outputs, and the gradients of their sum in some arguments."""
    arrays = {name: mx.nd.array(value, dtype=value.dtype) for name, value in {**given, **(states or {})}.items()}
    graph = infer(Graph.from_entries(symbol._entries), {name: array.shape for name, array in arrays.items()})
    graph = set_mode(graph, train)
    names = head_gradient_names(graph)
    graph = add_gradient(graph, list(wrt))
    for node in graph.head_grads:
        assert node.name in names
        arrays[node.name] = mx.nd.ones(node.specs[0].shape)
    found = [array.asnumpy() for array in interpret(graph, arrays)]
    for name in states or {}:
        states[name][...] = arrays[name].asnumpy()
    return found[: graph.n_heads], found[graph.n_heads :]


def evaluate(symbol, given, states=None):
    """Return the outputs."""
    return forward_backward(symbol, given, (), states)[0]


def check_gradient(symbol, given, name, states=None, step=1e-2, rtol=2e-2):
    """Compare the gradient in one argument with central differences."""
    got = forward_backward(symbol, given, [name], states)[1][0]
    expected = np.zeros(given[name].shape)
    for index in np.ndindex(expected.shape):
        ends = []
        for shift in (step, -step):
            moved = given[name].copy()
            moved[index] += shift
            ends.append(sum(float(item.astype(np.float64).sum()) for item in evaluate(symbol, {**given, name: moved}, states)))
        expected[index] = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * max(1.0, np.abs(expected).max()))
