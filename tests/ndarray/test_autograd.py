"""Gradients that are zero: they are written, and can be differentiated again."""

import numpy as np
import pytest

import weft as mx

CONSTANT = {
    "floor": mx.nd.floor,
    "sign": mx.nd.sign,
    "BlockGrad": mx.nd.BlockGrad,
    "zeros_like": mx.nd.zeros_like,
    "comparison": lambda x: x > 0.5,
    "argmax": lambda x: mx.nd.argmax(x, axis=0),
    "indices": lambda x: mx.nd.take(mx.nd.array([1.0, 2.0]), x),
}
#: Functions and the first of their derivatives that is zero everywhere.
VANISHING = {
    "line": (lambda x: 3 * x + 1, 2),
    "head gradient itself": (mx.nd.identity, 2),
    "relu": (mx.nd.relu, 2),
    "abs": (mx.nd.abs, 2),
    "clip": (lambda x: mx.nd.clip(x, 0.0, 0.5), 2),
    "radians": (mx.nd.radians, 2),
    "square": (mx.nd.square, 3),
    "product": (lambda x: x * x, 3),
    "dot": (lambda x: mx.nd.dot(x, x), 3),
    "cube": (lambda x: x**3, 4),
    **{name: (function, 1) for name, function in CONSTANT.items()},
}


def variable(*values, fill=0.0, grad_req="write"):
    x = mx.nd.array(values)
    x.attach_grad(grad_req)
    x.grad[:] = fill
    return x


@pytest.mark.parametrize("name", CONSTANT)
@pytest.mark.parametrize(("grad_req", "expected"), [("write", 0), ("add", 5), ("null", 5)])
def test_a_variable_through_which_nothing_flows_gets_zeros(name, grad_req, expected):
    x, other = variable(0.25, 0.75, fill=5, grad_req=grad_req), variable(1, 2, fill=5)
    unused = variable(1, fill=5)
    with mx.autograd.record():
        y = mx.nd.broadcast_add(CONSTANT[name](x), other)
    y.backward()
    assert x.grad.asnumpy().tolist() == [expected] * 2
    assert np.all(other.grad.asnumpy() > 0) and not np.any(other.grad.asnumpy() == 5)
    assert unused.grad.asnumpy().tolist() == [5]


@pytest.mark.parametrize("name", VANISHING)
@pytest.mark.parametrize("beyond", [0, 1, 2])
def test_derivatives_that_vanish_are_zeros_of_every_order(name, beyond):
    function, order = VANISHING[name]
    x = variable(0.25, 0.75, fill=5)
    with mx.autograd.record():
        y = function(x)
        for _ in range(order + beyond - 1):
            y = mx.autograd.grad(y, x, create_graph=True)[0]
    (slope,) = mx.autograd.grad(y, x, retain_graph=True)
    y.backward()
    assert slope.asnumpy().tolist() == x.grad.asnumpy().tolist() == [0, 0]


def test_a_constant_slope_does_not_share_the_head_gradient():
    x, head = variable(1, 2), mx.nd.array([3, 4])
    with mx.autograd.record():
        (slope,) = mx.autograd.grad(mx.nd.identity(x), x, head_grads=head, create_graph=True)
    slope[:] = 0
    assert head.asnumpy().tolist() == [3, 4]


def test_what_was_not_recorded_is_still_refused():
    x = variable(1)
    with pytest.raises(mx.MXNetError, match="not in a computational graph"):
        (x * 2).backward()
