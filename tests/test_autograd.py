"""What stays of a recorded computation after its backward pass."""

import numpy as np
import pytest

import weft as mx
from weft import autograd, nd


def finished():
    """A variable, and an array whose way back to it a backward pass has let go."""
    x = nd.array([1.0, 2.0])
    x.attach_grad()
    with autograd.record():
        y = x * 2
        z = y * 3
    z.backward()
    return x, y


def test_what_was_let_go_is_a_constant_to_later_calls():
    x, y = finished()
    w = nd.array([5.0, 7.0])
    w.attach_grad()
    with autograd.record():
        z = y * w + y[0:2]
    z.backward()
    np.testing.assert_array_equal(w.grad.asnumpy(), [2, 4])
    np.testing.assert_array_equal(x.grad.asnumpy(), [6, 6])  # as the first pass left it


def test_nothing_flows_through_what_was_let_go():
    _, y = finished()
    with autograd.record():
        z = y * 2
        view = y[1]
    for head in (y, z, view):
        with pytest.raises(mx.MXNetError, match="retain_graph"):
            head.backward()


def test_what_was_let_go_may_be_written_while_recording():
    _, y = finished()
    with autograd.record():
        y += 1
        y[0] = 9
        nd.exp(nd.zeros((2,)), out=y)
    np.testing.assert_array_equal(y.asnumpy(), [1, 1])


def test_a_call_recorded_before_needs_what_was_let_go_after():
    x = nd.array([1.0, 2.0])
    x.attach_grad()
    with autograd.record():
        y = x * x
        first, second = y * 2, y * 3
    first.backward()
    with pytest.raises(mx.MXNetError, match="retain_graph"):
        second.backward()


def test_functions_in_python_take_what_was_let_go_as_constants():
    class Double(autograd.Function):
        def forward(self, a, b):
            return a * 2 + b

        def backward(self, gradient):
            return gradient * 2, gradient

    _, y = finished()
    w = nd.array([1.0, 1.0])
    w.attach_grad()
    with autograd.record():
        z = Double()(y, w)
    z.backward()
    np.testing.assert_array_equal(w.grad.asnumpy(), [1, 1])


@pytest.mark.parametrize("heads, gradients, expected", [
    ("yzy", None, 5),
    ("yzy", [1, 5, 10], 35),
    ("yy", [10, None], 2),
    ("yy", [None, 10], 20),
    ("xyx", [3, 1, 7], 9),
    ("wyw", None, 10),
])  # fmt: skip
def test_a_head_named_twice_counts_once_with_its_last_gradient(heads, gradients, expected):
    x = nd.ones((3,))
    x.attach_grad()
    with autograd.record():
        y, z = x * 2, x * 3
        w = y * 4
    values = {"x": x, "y": y, "z": z, "w": w}
    if gradients is not None:
        gradients = [None if g is None else nd.full((3,), g) for g in gradients]
    arrays = [values[name] for name in heads]
    got = autograd.grad(arrays, [x], gradients, retain_graph=True)[0]
    np.testing.assert_array_equal(got.asnumpy(), np.full(3, expected))
    autograd.backward(arrays, gradients)
    np.testing.assert_array_equal(x.grad.asnumpy(), np.full(3, expected))


def test_outputs_of_one_call_are_heads_of_their_own():
    x = nd.arange(4)
    x.attach_grad()
    with autograd.record():
        a, b = nd.split(x, num_outputs=2, axis=0)
    autograd.backward([a, b, a], [nd.full((2,), 2), nd.full((2,), 3), nd.full((2,), 4)])
    np.testing.assert_array_equal(x.grad.asnumpy(), [4, 4, 3, 3])
