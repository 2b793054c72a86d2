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


# ---- what acts where nothing flows back, as MXNet 1.9.1 does -----------------------------------------------------------

BLOCKED = {
    "BlockGrad": lambda space, x: space.BlockGrad(x),
    "argmax": lambda space, x: space.argmax(x, axis=1),
    "floor": lambda space, x: space.floor(x) * 2 + 1,
    "among others": lambda space, x: space.concat(space.BlockGrad(x), space.zeros_like(x), dim=0),
}
LOSSES = {
    "SoftmaxOutput": lambda space, x: space.SoftmaxOutput(x, space.BlockGrad(space.slice_axis(x, axis=1, begin=0, end=1)).reshape((-1,))),
    "LinearRegressionOutput": lambda space, x: space.LinearRegressionOutput(x, space.zeros_like(x)),
    "MakeLoss": lambda space, x: space.MakeLoss(space.square(x)),
    "make_loss": lambda space, x: space.make_loss(space.square(x)),
}
DATA = np.array([[1, 2, 3], [2, 0, 4]], "float32")


def run_imperative(network, **states):
    x = mx.nd.array(DATA)
    x.attach_grad()
    with mx.autograd.record():
        y = network(mx.nd, x, **states)
    y.backward()
    return x.grad.asnumpy()


def run_bound(network, **states):
    net = network(mx.sym, mx.sym.Variable("x"), **{name: mx.sym.Variable(name) for name in states})
    aux = {name: states[name] for name in net.list_auxiliary_states()}
    args = {"x": mx.nd.array(DATA), **{name: array for name, array in states.items() if name not in aux}}
    executor = net.bind(mx.cpu(), args, {"x": mx.nd.ones(DATA.shape)}, aux_states=aux)
    executor.forward(is_train=True)
    executor.backward([mx.nd.ones(output.shape) for output in executor.outputs])
    return executor.grad_dict["x"].asnumpy()


@pytest.mark.parametrize("run", [run_imperative, run_bound])
@pytest.mark.parametrize("block", BLOCKED)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_behind_what_blocks_gradients_is_learnt_from(loss, block, run):
    expected = run_imperative(LOSSES[loss])
    assert np.any(expected)
    np.testing.assert_array_equal(run(lambda space, x: BLOCKED[block](space, LOSSES[loss](space, x))), expected)


@pytest.mark.parametrize("run", [run_imperative, run_bound])
@pytest.mark.parametrize("block", BLOCKED)
def test_statistics_move_behind_what_blocks_gradients(block, run):
    def network(space, x, gamma, beta, mean, var):
        return BLOCKED[block](space, space.BatchNorm(x, gamma, beta, mean, var, name="norm", momentum=0.5))

    mean, var = mx.nd.zeros(3), mx.nd.ones(3)
    assert not run(network, gamma=mx.nd.ones(3), beta=mx.nd.zeros(3), mean=mean, var=var).any()
    np.testing.assert_allclose(mean.asnumpy(), DATA.mean(axis=0) / 2)
    np.testing.assert_allclose(var.asnumpy(), 0.5 + DATA.var(axis=0, ddof=0) / 2, rtol=1e-6)


def test_statistics_of_frozen_layers_stay():
    mean, x = mx.nd.zeros(3), mx.nd.array(DATA)
    w = variable(1.0, 1.0, 1.0)
    with mx.autograd.record():
        y = mx.nd.BlockGrad(mx.nd.BatchNorm(x, mx.nd.ones(3), mx.nd.zeros(3), mean, mx.nd.ones(3))) * w.reshape((1, 3))
    y.backward()
    assert not mean.asnumpy().any()


class Careless(mx.operator.CustomOp):
    def forward(self, is_train, req, in_data, out_data, aux):
        self.assign(out_data[0], req[0], in_data[0])

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.assign(in_grad[0], req[0], out_grad[0] + in_data[0])


@mx.operator.register("careless_of_gradients")
class CarelessProp(mx.operator.CustomOpProp):
    def create_operator(self, ctx, in_shapes, in_dtypes):
        return Careless()


@pytest.mark.parametrize("run", [run_imperative, run_bound])
def test_custom_operators_are_asked_though_nothing_flows(run):
    grads = run(lambda space, x: space.BlockGrad(space.Custom(x, op_type="careless_of_gradients")))
    np.testing.assert_array_equal(grads, DATA)


def test_functions_of_python_are_asked_though_nothing_flows():
    class Loss(mx.autograd.Function):
        def forward(self, x):
            return x * 2

        def backward(self, head):
            assert not head.asnumpy().any()
            return head + 7

    x = variable(1.0, 2.0)
    with mx.autograd.record():
        y = mx.nd.BlockGrad(Loss()(x))
    y.backward()
    assert x.grad.asnumpy().tolist() == [7, 7]
