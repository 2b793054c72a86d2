"""Control flow and custom operators inside graphs: values against loops written out, gradients against differences."""

import numpy as np
import pytest
import symbol_values as values

import weft as mx

s = mx.sym


def loop():
    """A recurrent layer, with a weight of its own, one from outside and a computed value from outside."""
    x, h, w, z = s.var("x"), s.var("h"), s.var("w"), s.var("z")
    outside = s.exp(z)

    def step(data, states):
        out = s.tanh(s.FullyConnected(data, num_hidden=3, name="fc") + states[0] * w) + outside
        return [out, data * 2], [out]

    outputs, states = s.contrib.foreach(step, x, [h])
    return s.Group([*outputs, *states])


SHAPES = {"x": (4, 2, 5), "h": (2, 3), "w": (2, 3), "z": (2, 3), "fc_weight": (3, 5), "fc_bias": (3,)}


def test_foreach_runs_its_body_on_every_slice():
    net = loop()
    assert net.list_arguments() == ["x", "h", "fc_weight", "fc_bias", "w", "z"]
    given = values.random(SHAPES, seed=1)
    found = values.evaluate(net, given)
    state, expected = given["h"], []
    for x in given["x"]:
        state = np.tanh(x @ given["fc_weight"].T + given["fc_bias"] + state * given["w"]) + np.exp(given["z"])
        expected.append(state)
    np.testing.assert_allclose(found[0], np.stack(expected), rtol=1e-5)
    np.testing.assert_allclose(found[1], given["x"] * 2)
    np.testing.assert_allclose(found[2], state, rtol=1e-5)


@pytest.mark.parametrize("name", SHAPES)
def test_foreach_gradients(name):
    values.check_gradient(loop(), values.random(SHAPES, seed=2), name)


def test_foreach_shapes_go_both_ways():
    arguments, outputs, _ = loop().infer_shape(x=(4, 2, 5))
    assert dict(zip(loop().list_arguments(), arguments)) == SHAPES
    assert outputs == [(4, 2, 3), (4, 2, 5), (2, 3)]


def test_foreach_in_foreach():
    x, y = s.var("x"), s.var("y")
    out, last = s.contrib.foreach(lambda d, t: s.contrib.foreach(lambda e, v: (e * v, e + v), d, t), x, y)
    net = s.Group([out, last])
    given = values.random({"x": (3, 2, 4), "y": (4,)}, seed=3)
    found = values.evaluate(net, given)
    state, expected = given["y"], np.empty((3, 2, 4), np.float32)
    for i in range(3):
        for j in range(2):
            expected[i, j] = given["x"][i, j] * state
            state = given["x"][i, j] + state
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)
    np.testing.assert_allclose(found[1], state, rtol=1e-6)
    for name in ("x", "y"):
        values.check_gradient(net, given, name)
    again = s.load_json(net.tojson())
    np.testing.assert_array_equal(values.evaluate(again, given)[0], found[0])


def test_foreach_draws_the_same_numbers_forward_and_backward():
    x = s.var("x")
    dropped, _ = s.contrib.foreach(lambda d, t: (s.Dropout(d, p=0.5), t + 0), x, s.var("t"))
    given = {"x": np.ones((3, 50), np.float32), "t": np.zeros((1,), np.float32)}
    (out,), gradients = values.forward_backward(s.Group([dropped]), given, ["x"], train=True)
    np.testing.assert_array_equal(gradients[0], out)
    assert set(np.unique(out)) == {0.0, 2.0}
    assert not np.array_equal(out[0], out[1])


def test_passes_do_not_change_the_numbers_that_backward_draws():
    # The sine is computed forward only: the steps of the gradient's graph are others than those of the body.
    x = s.var("x")
    (sine, dropped), _ = s.contrib.foreach(lambda d, t: ([s.sin(d), s.Dropout(d, p=0.5)], t + 0), x, s.var("t"))
    given = {"x": np.zeros((3, 50), np.float32) + 1, "t": np.zeros((1,), np.float32)}
    (_, out), gradients = values.forward_backward(s.Group([s.BlockGrad(sine), dropped]), given, ["x"], train=True)
    np.testing.assert_array_equal(gradients[0], out)


def test_while_loop():
    i, a = s.var("i"), s.var("a")
    outputs, last = s.contrib.while_loop(lambda i, a: i < 5, lambda i, a: ([a * a, i], [i + 1, a + i]), [i, a], max_iterations=7)
    net = s.Group([*outputs, *last])
    given = {"i": np.zeros(1, np.float32), "a": np.ones(1, np.float32)}
    found = values.evaluate(net, given)
    assert [item.ravel().tolist() for item in found] == [[1, 1, 4, 16, 49, 0, 0], [0, 1, 2, 3, 4, 0, 0], [5], [11]]
    values.check_gradient(net, given, "a")
    stopped = values.evaluate(net, {**given, "i": np.full(1, 9, np.float32)})
    assert [item.ravel().tolist() for item in stopped] == [[0] * 7, [0] * 7, [9], [1]]


@pytest.mark.parametrize("a", [1.0, 4.0])
def test_cond(a):
    x, y, p = s.var("x"), s.var("y"), s.var("a")
    net = s.contrib.cond(p < 3, lambda: x * y, lambda: x + s.exp(y))
    given = {"a": np.full(1, a, np.float32), **values.random({"x": (2, 3), "y": (2, 3)}, seed=4)}
    expected = given["x"] * given["y"] if a < 3 else given["x"] + np.exp(given["y"])
    np.testing.assert_allclose(values.evaluate(net, given)[0], expected, rtol=1e-6)
    for name in ("x", "y"):
        values.check_gradient(net, given, name)


def test_what_is_wrong_is_said():
    x, y = s.var("x"), s.var("y")
    with pytest.raises(mx.MXNetError, match="the data 'x-0' has to be used") as refused:
        s.contrib.foreach(lambda d, t: (t, t), x, y)
    assert isinstance(refused.value, mx.MXNetError) and isinstance(refused.value, AssertionError)
    with pytest.raises(mx.MXNetError, match="nesting"):
        s.contrib.foreach(lambda d, t: (d + t, [t, t]), x, y)
    with pytest.raises(ValueError, match="list of Symbol"):
        s.contrib.foreach(lambda d, t: (d, 3), x, y)
    with pytest.raises(ValueError, match="max_iterations should be specified"):
        s.contrib.while_loop(lambda i: i < 3, lambda i: (i, i + 1), x)
    with pytest.raises(ValueError, match="2 new_loop_vars, expected 1"):
        s.contrib.while_loop(lambda i: i < 3, lambda i: (i, [i, i]), x, max_iterations=3)
    with pytest.raises(ValueError, match="differs between then-branch"):
        s.contrib.cond(x, lambda: [x, x], lambda: x)
    net = s.contrib.foreach(lambda d, t: (s.FullyConnected(d, num_hidden=3, name="inner"), t + 1), x, y)[0]
    with pytest.raises(mx.MXNetError, match=r"foreach.*inner.*\(3, 7\)"):
        net.infer_shape(x=(4, 2, 5), inner_weight=(3, 7))


class Scaled(mx.operator.CustomOp):
    def forward(self, is_train, req, in_data, out_data, aux):
        self.assign(out_data[0], req[0], in_data[0] * in_data[1])
        self.assign(out_data[1], req[1], in_data[0] + self.offset)
        aux[0][:] = aux[0] + 1

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.assign(in_grad[0], req[0], out_grad[0] * in_data[1] + out_grad[1])
        self.assign(in_grad[1], req[1], out_grad[0] * in_data[0])


@mx.operator.register("tests_scaled")
class ScaledProp(mx.operator.CustomOpProp):
    def __init__(self, offset="1"):
        super().__init__(need_top_grad=True)
        self.offset = float(offset)

    def list_arguments(self):
        return ["data", "scale"]

    def list_outputs(self):
        return ["product", "sum"]

    def list_auxiliary_states(self):
        return ["calls"]

    def infer_shape(self, in_shape):
        return [in_shape[0], in_shape[0]], [in_shape[0], in_shape[0]], [(1,)]

    def create_operator(self, ctx, shapes, dtypes):
        made = Scaled()
        made.offset = self.offset
        return made


def custom():
    return s.Custom(s.exp(s.var("x")), op_type="tests_scaled", offset=3, name="c")


def test_custom_operators_are_nodes():
    net = custom()
    assert net.list_arguments() == ["x", "c_scale"]
    assert net.list_auxiliary_states() == ["c_calls"]
    assert net.list_outputs() == ["c_product", "c_sum"]
    assert net.list_attr() == {"offset": "3", "op_type": "tests_scaled"}
    assert net.infer_shape(x=(2, 3)) == ([(2, 3), (2, 3)], [(2, 3), (2, 3)], [(1,)])
    assert net.infer_shape_partial() == ([(), ()], [(), ()], [()])
    assert s.load_json(net.tojson()).tojson() == net.tojson()


def test_custom_operators_compute():
    given = values.random({"x": (2, 3), "c_scale": (2, 3)}, seed=5)
    states = {"c_calls": np.zeros(1, np.float32)}
    found = values.evaluate(custom(), given, states)
    np.testing.assert_allclose(found[0], np.exp(given["x"]) * given["c_scale"], rtol=1e-5)
    np.testing.assert_allclose(found[1], np.exp(given["x"]) + 3, rtol=1e-5)
    assert states["c_calls"] == 1
    for name in given:
        values.check_gradient(custom(), given, name, states)


class Loss(mx.operator.CustomOp):
    def forward(self, is_train, req, in_data, out_data, aux):
        self.assign(out_data[0], req[0], in_data[0])

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.assign(in_grad[0], req[0], out_data[0] - in_data[1])


@mx.operator.register("tests_loss")
class LossProp(mx.operator.CustomOpProp):
    def __init__(self):
        super().__init__(need_top_grad=False)

    def list_arguments(self):
        return ["data", "label"]

    def infer_shape(self, in_shape):
        return [in_shape[0], in_shape[0]], [in_shape[0]], []

    def create_operator(self, ctx, shapes, dtypes):
        return Loss()


def test_custom_losses_need_no_head_gradient():
    net = s.Custom(s.FullyConnected(s.var("x"), num_hidden=2, no_bias=True, name="fc"), op_type="tests_loss", name="loss")
    executor = net.simple_bind(mx.cpu(), x=(3, 4))
    given = values.random({name: array.shape for name, array in executor.arg_dict.items()}, seed=6)
    executor.forward(is_train=True, **{name: mx.nd.array(value) for name, value in given.items()})
    executor.backward()
    out = given["x"] @ given["fc_weight"].T
    np.testing.assert_allclose(executor.grad_dict["fc_weight"].asnumpy(), (out - given["loss_label"]).T @ given["x"], rtol=1e-4)


def test_what_a_custom_operator_raises_is_said():
    @mx.operator.register("tests_raises")
    class Prop(mx.operator.CustomOpProp):
        def create_operator(self, ctx, shapes, dtypes):
            raise RuntimeError("no weights today")

    net = s.Custom(s.var("x"), op_type="tests_raises", name="c")
    executor = net.bind(mx.cpu(), {"x": mx.nd.ones((2,))})
    with pytest.raises(mx.MXNetError, match="no weights today"):
        executor.forward()[0].asnumpy()


def test_control_flow_runs_in_executors():
    given = values.random(SHAPES, seed=8)
    arrays = {name: mx.nd.array(value) for name, value in given.items()}
    grads = {name: mx.nd.zeros(value.shape) for name, value in given.items()}
    executor = loop().bind(mx.cpu(), arrays, args_grad=grads)
    for _ in range(3):
        outputs = executor.forward(is_train=True)
        executor.backward([mx.nd.ones(out.shape) for out in outputs])
    expected, expected_grads = values.forward_backward(loop(), given, list(SHAPES), train=True)
    for out, want in zip(outputs, expected):
        np.testing.assert_array_equal(out.asnumpy(), want)
    for name, want in zip(SHAPES, expected_grads):
        np.testing.assert_array_equal(grads[name].asnumpy(), want)


def test_custom_operators_check_their_arguments():
    x = s.var("x")
    with pytest.raises(TypeError, match="op_type is missing"):
        s.Custom(x)
    with pytest.raises(mx.MXNetError, match="no operator registered as 'none'"):
        s.Custom(x, op_type="none")
    with pytest.raises(TypeError, match="unknown input 'foo'"):
        s.Custom(foo=x, op_type="tests_scaled")
    with pytest.raises(mx.MXNetError, match="at most 3 inputs"):
        s.Custom(x, x, x, x, op_type="tests_scaled")
    with pytest.raises(mx.MXNetError, match="c: .*scale.*"):
        custom().infer_shape(x=(2, 3), c_scale=(4,))


def gradients_of(function, *arrays):
    """Compare a bound graph with imperative code: results, and gradients of all inputs."""
    names = [f"v{i}" for i in range(len(arrays))]
    symbol = mx.sym.Group(function(mx.sym, *(mx.sym.var(name) for name in names)))
    assert mx.sym.load_json(symbol.tojson()).tojson() == symbol.tojson()
    executor = symbol.bind(mx.cpu(), dict(zip(names, arrays)), {name: mx.nd.zeros_like(a) for name, a in zip(names, arrays)})
    heads = [mx.nd.random.uniform(shape=output.shape) for output in executor.forward(is_train=True)]
    executor.backward(heads)
    for array in arrays:
        array.attach_grad()
    with mx.autograd.record():
        outputs = function(mx.nd, *arrays)
    mx.autograd.backward(outputs, heads)
    for found, expected in zip(executor.outputs, outputs):
        np.testing.assert_allclose(found.asnumpy(), expected.asnumpy(), rtol=1e-5)
    for name, array in zip(names, arrays):
        np.testing.assert_allclose(executor.grad_dict[name].asnumpy(), array.grad.asnumpy(), rtol=1e-5)


@pytest.mark.parametrize("steps", [1, 3])
def test_a_while_loop_starts_from_what_its_function_uses(steps):
    def function(F, x):
        _, (_, last) = F.contrib.while_loop(
            lambda i, s: i < steps, lambda i, s: (None, (i + 1, s * x + x)), [F.zeros((1,)), x], max_iterations=4
        )
        return [last]

    gradients_of(function, mx.nd.array([0.5, 2.0]))


def test_the_states_of_one_loop_are_first_states_and_constants_of_the_next():
    def function(F, x):
        out, first = F.contrib.while_loop(lambda s, t: F.sum(s) < 100, lambda s, t: (s + 1, [s * 2, t]), [x, x + 1], max_iterations=3)
        more, last = F.contrib.while_loop(
            lambda s, t: F.sum(s) < 1e6, lambda s, t: (s + t, [s + first[0], t * first[1]]), first, max_iterations=3
        )
        return [out, more, *last]

    gradients_of(function, mx.nd.array([0.5, 2.0]))


def test_a_symbol_may_be_given_twice():
    def loop(F, x):
        _, last = F.contrib.while_loop(lambda s, t: F.sum(s) < 100, lambda s, t: (None, [s * 2, t * 3]), [x, x], max_iterations=3)
        return list(last)

    def each(F, x):
        out, last = F.contrib.foreach(lambda d, s: (d[0] * d[1] + s[0], [s[0] + d[0], s[1] * 2]), [x, x], [x[0], x[0]] if F is mx.nd else both(F, x))
        return [out, *last]

    def both(F, x):
        first = F.reshape(F.slice_axis(x, axis=0, begin=0, end=1), shape=(2,))
        return [first, first]

    gradients_of(loop, mx.nd.array([0.5, 2.0]))
    gradients_of(each, mx.nd.array([[0.5, 2.0], [1.5, 3.0]]))


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("returned", [lambda v: v, lambda v: [v], lambda v: (v,)])
def test_one_loop_variable_with_or_without_a_list(many, returned):
    for F, x in ((mx.nd, mx.nd.array([1.0])), (mx.sym, mx.sym.var("x"))):
        out, last = F.contrib.while_loop(lambda v: v < 4, lambda v: (v, returned(v + 1)), [x] if many else x, max_iterations=5)
        assert isinstance(last, list) == many
        last = last[0] if many else last
        if F is mx.sym:
            out, last = mx.sym.Group([out, last]).eval(x=mx.nd.array([1.0]))
        assert last.asscalar() == 4
        assert out.asnumpy().ravel().tolist() == [1, 2, 3, 0, 0]
