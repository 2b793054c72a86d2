"""Symbols by themselves: scopes, gradients, passes, recorded computations, consistency."""

import copy
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
import symbol_values as values

import weft as mx

s = mx.sym


def lenet():
    net = s.Convolution(s.var("data"), kernel=(5, 5), num_filter=4, name="conv")
    net = s.Pooling(s.Activation(net, act_type="tanh"), pool_type="max", kernel=(2, 2), stride=(2, 2))
    return s.SoftmaxOutput(s.FullyConnected(s.Flatten(net), num_hidden=10, name="fc"), name="softmax")


def test_scopes_belong_to_their_thread():
    found = {}

    def run(name):
        with mx.AttrScope(ctx_group=name), mx.name.Prefix(name + "_"):
            barrier.wait()
            found[name] = s.FullyConnected(s.var("x"), num_hidden=1)

    barrier = threading.Barrier(4)
    threads = [threading.Thread(target=run, args=(f"t{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, symbol in found.items():
        assert symbol.name == f"{name}_fullyconnected0"
        assert symbol.attr("ctx_group") == name
    assert s.var("x").attr("ctx_group") is None


def test_scopes_can_be_entered_again_and_left_by_an_error():
    scope = mx.AttrScope(a="1")
    with scope, mx.AttrScope(a="2"), scope:
        assert s.var("x").attr("a") == "1"
    with pytest.raises(RuntimeError), scope:
        raise RuntimeError
    assert s.var("x").attr("a") is None
    with pytest.raises(ValueError, match="a=1 must be a string"):
        mx.AttrScope(a=1)


def test_copies_do_not_share_nodes():
    net = lenet()
    for other in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        other.get_internals()["conv_output"]._set_attr(__x__="1")
        assert other.tojson() != net.tojson()
        assert mx.test_utils.same_symbol_structure(net, other)
    assert "__x__" not in net.tojson()


def test_operators_of_arrays_take_symbols():
    x = s.var("x")
    assert mx.nd.exp(x).list_arguments() == ["x"]
    assert mx.nd.FullyConnected(x, s.var("w"), num_hidden=3, no_bias=True).list_attr() == {"num_hidden": "3", "no_bias": "True"}
    with pytest.raises(TypeError, match="input 'rhs' must be a Symbol"):
        mx.nd.broadcast_add(x, mx.nd.ones((1,)))
    with pytest.raises(TypeError):
        mx.nd.ones((1,)) + x


def test_numbers_of_numpy_are_operands():
    x = s.var("x")
    for number in (np.float32(2), np.int64(2), np.float64(2)):
        for net in (x + number, number + x, number * x, x**number):
            assert isinstance(net, s.Symbol)
    assert (np.float32(3) - x).eval(x=mx.nd.ones((1,)))[0].asscalar() == 2


def test_numbers_of_numpy_in_attributes():
    """NumPy 2 prints np.int64(3) inside containers; attributes hold what readers of MXNet's files understand."""
    seen = []

    @mx.operator.register("numpy_numbers_probe")
    class Probe(mx.operator.CustomOpProp):
        def __init__(self, sizes, rate):
            super().__init__()
            seen.append((sizes, rate))

        def create_operator(self, ctx, shapes, dtypes):
            return Same()

    class Same(mx.operator.CustomOp):
        def forward(self, is_train, req, in_data, out_data, aux):
            self.assign(out_data[0], req[0], in_data[0])

    x = s.var("x", shape=(np.int64(0), np.int32(3)), lr_mult=np.float32(0.1), __sizes__=[np.int64(4)])
    assert x.list_attr() == {"__shape__": "(0, 3)", "__lr_mult__": "0.1", "lr_mult": "0.1", "__sizes__": "[4]"}
    assert (x * 2).infer_shape_partial()[1] == [(0, 3)]
    y = s.FullyConnected(x, num_hidden=np.int64(2), __sizes__=(np.int64(4),), name="fc")
    assert y.attr("num_hidden") == "2" and y.attr("__sizes__") == "(4,)"
    s.Custom(x, op_type="numpy_numbers_probe", sizes=(np.int64(2), np.float32(0.5)), rate=np.float64(0.5))
    mx.nd.Custom(mx.nd.zeros(2), op_type="numpy_numbers_probe", sizes=[np.int64(2)], rate=np.float32(0.5)).wait_to_read()
    assert seen[0] == ("(2, 0.5)", "0.5") and seen[-1] == ("[2]", "0.5")


@pytest.mark.parametrize("operator", ["log", "broadcast_add", "Flatten"])
def test_operators_without_parameters_ignore_some(operator):
    """MXNet does, and programs depend on it: ``sym.log(x, axis=1)``; the node keeps it as an attribute."""
    n_inputs = 2 if operator == "broadcast_add" else 1
    with pytest.warns(UserWarning, match=f"{operator} has no parameters: axis=1 is ignored") as caught:
        y = getattr(s, operator)(*[s.var("x")] * n_inputs, axis=1, name="y")
        z = getattr(mx.nd, operator)(*[mx.nd.ones((2, 2))] * n_inputs, axis=1)
    assert {each.filename for each in caught} == {__file__}
    with pytest.warns(UserWarning, match="has no parameters: ctx=cpu"):
        getattr(mx.nd, operator)(*[mx.nd.ones((2, 2))] * n_inputs, ctx=mx.cpu())
    assert y.attr_dict() == {"y": {"axis": "1"}} and s.load_json(y.tojson()).attr_dict() == y.attr_dict()
    assert np.array_equal(y.eval(x=mx.nd.ones((2, 2)))[0].asnumpy(), z.asnumpy())
    with pytest.raises(mx.MXNetError, match="unknown argument 'daat'"):
        getattr(s, operator)(daat=s.var("x"))
    with pytest.raises(mx.MXNetError, match="unknown argument 'daat'"):
        getattr(mx.nd, operator)(daat=mx.nd.ones(2))


def test_operators_are_in_the_dict_of_their_module():
    """Programs wrap all of them, before they call any."""
    code = """
import weft as mx
for module, name in (mx.nd, "exp"), (mx.sym, "FullyConnected"), (mx.nd.contrib, "box_nms"), (mx.sym.linalg, "gemm2"), (mx.nd._internal, "_plus_scalar"):
    found = dict(vars(module))
    assert sorted(found) == dir(module) and callable(found[name]), module
    assert found[name] is getattr(module, name) and module.__dict__ is vars(module)
print("ok")
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "ok\n"


def test_gradient_is_a_symbol():
    x, w = s.var("x", shape=(2, 3)), s.var("w", shape=(4, 3))
    loss = s.sum(s.square(s.FullyConnected(x, w, num_hidden=4, no_bias=True, name="fc")), name="loss")
    slopes = loss.gradient(["w", "x"])
    assert set(slopes.list_arguments()) == {"x", "w", "loss_output_grad"}
    assert slopes.infer_shape()[1] == [(4, 3), (2, 3)]
    given = values.random({"x": (2, 3), "w": (4, 3), "loss_output_grad": (1,)}, seed=7)
    for net in (slopes, s.load_json(slopes.tojson())):
        found = net.eval(**{name: mx.nd.array(value) for name, value in given.items()})
        product = 2 * given["loss_output_grad"] * (given["x"] @ given["w"].T)
        np.testing.assert_allclose(found[0].asnumpy(), product.T @ given["x"], rtol=1e-5)
        np.testing.assert_allclose(found[1].asnumpy(), product @ given["w"], rtol=1e-5)
    with pytest.raises(mx.MXNetError, match="no variable of that name"):
        loss.gradient(["v"])
    with pytest.raises(mx.MXNetError, match="needs the shapes of all arguments"):
        s.exp(s.var("v")).gradient(["v"])


def test_gradient_of_a_gradient():
    x = s.var("x", shape=(3,))
    once = (x * x * x).gradient(["x"])
    twice = once.gradient(["x"])
    point = mx.nd.array([1.0, 2.0, 3.0])
    for net, expected in ((once, [3, 12, 27]), (twice, [6, 12, 18])):
        ones = {name: mx.nd.ones((3,)) for name in net.list_arguments() if name != "x"}
        np.testing.assert_allclose(net.eval(x=point, **ones)[0].asnumpy(), expected, rtol=1e-5)


def test_optimize_for_names_passes():
    x = s.var("x", shape=(2, 3))
    net = s.identity(s.exp(x)) + s.exp(x)
    small = net.optimize_for("simplify")
    assert len(small.get_internals()) < len(net.get_internals())
    point = {"x": mx.nd.ones((2, 3))}
    np.testing.assert_array_equal(small.eval(**point)[0].asnumpy(), net.eval(**point)[0].asnumpy())
    with pytest.raises(TypeError, match="args must be a dict"):
        net.optimize_for("simplify", args=[1])


@pytest.mark.parametrize("backend", ["TensorRT", "", "simplify,none"])
def test_optimize_for_a_backend_that_is_not_there_changes_nothing(backend):
    net = s.identity(s.exp(s.var("x"))) * 2
    with pytest.warns(UserWarning, match="there is no backend .* there are: weft, simplify, conv_bn; the symbol stays as it is"):
        same = net.optimize_for(backend)
    with pytest.raises(mx.MXNetError, match="there is no backend"):
        net.get_backend_symbol(backend)
    assert same is not net
    assert same.tojson() == net.tojson()
    with pytest.warns(UserWarning, match="takes no options, speed ignored"):
        assert net.optimize_for("MKLDNN", speed=3).tojson() == net.tojson()


def test_optimize_for_folds_batch_norm_and_its_arrays():
    net = s.BatchNorm(s.Convolution(s.var("data"), kernel=(3, 3), num_filter=4, name="c"), name="b", fix_gamma=False)
    shapes, _, state_shapes = net.infer_shape(data=(2, 3, 8, 8))
    args = {n: mx.nd.array(v) for n, v in values.random(dict(zip(net.list_arguments(), shapes)), seed=1).items()}
    aux = {n: mx.nd.array(v) for n, v in values.random(dict(zip(net.list_auxiliary_states(), state_shapes)), seed=2).items()}
    expected = net.bind(mx.cpu(), dict(args), aux_states=dict(aux)).forward()[0].asnumpy()
    folded = net.optimize_for("conv_bn", args=args, aux=aux)
    assert "BatchNorm" not in folded.tojson()
    assert aux == {}
    assert set(args) == set(folded.list_arguments())
    np.testing.assert_allclose(folded.bind(mx.cpu(), args).forward()[0].asnumpy(), expected, rtol=1e-4, atol=1e-5)


def test_recorded_computations_are_symbols():
    x, w = mx.nd.array([[1.0, 2.0]]), mx.nd.array([[3.0, 4.0]])
    x.attach_grad()
    w.attach_grad()
    with mx.autograd.record():
        y = mx.nd.FullyConnected(x, w, num_hidden=1, no_bias=True)
        first, second = (y * 2.5 + x.sum() + mx.nd.ones((1, 2))).split(num_outputs=2, axis=1)
    net = mx.autograd.get_symbol(second)
    assert net.list_outputs() == ["node_5_output1"]
    names = net.list_arguments()
    assert [name[:3] for name in names] == ["var", "var", "nul"]
    found = net.eval(**dict(zip(names, (x.detach(), w.detach(), mx.nd.ones((1, 2))))))
    np.testing.assert_array_equal(found[0].asnumpy(), second.asnumpy())
    with pytest.raises(mx.MXNetError, match="not part of a recorded computation"):
        mx.autograd.get_symbol(mx.nd.ones((1,)))
    first.backward()
    with pytest.raises(mx.MXNetError, match="let go|not part"):
        mx.autograd.get_symbol(second)


def test_consistency_over_types():
    np.random.seed(3)
    ways = [{"ctx": mx.cpu(), "data": (2, 1, 12, 12), "type_dict": {"data": t}} for t in ("float64", "float32")]
    truth = mx.test_utils.check_consistency(lenet(), ways)
    assert "softmax_output" in truth and "conv_weight" in truth
    x = s.var("x")
    ways = [{"ctx": mx.cpu(), "x": (2, 3)}] * 2
    with pytest.raises(ValueError, match="other arguments or outputs"):
        mx.test_utils.check_consistency([s.exp(x, name="a"), s.exp(x, name="b")], ways)
    with pytest.raises(AssertionError):
        mx.test_utils.check_consistency([s.exp(x, name="a"), s.sqrt(s.exp(x), name="a")], ways)


def test_networkx():
    networkx = pytest.importorskip("networkx")
    graph = lenet().to_networkx()
    assert isinstance(graph, networkx.DiGraph)
    assert set(graph.predecessors("conv")) == {"data", "conv_weight", "conv_bias"}
    assert graph.nodes["fc"]["op"] == "FullyConnected"


def test_bad_binding_names_the_argument():
    net = lenet()
    with pytest.raises((mx.MXNetError, ValueError), match="conv_weight"):
        net.bind(mx.cpu(), {"data": mx.nd.ones((1, 1, 12, 12))})
    twice = s.Group([s.var("x"), s.exp(s.var("x"))])
    with pytest.raises(mx.MXNetError, match="x"):
        twice.simple_bind(mx.cpu(), x=(2,))


def test_checks_of_symbols():
    np.random.seed(5)
    x, y = s.var("x"), s.var("y")
    net = s.exp(x) * y
    a, b = np.random.rand(2, 3), np.random.rand(2, 3)
    check = mx.test_utils
    check.check_numeric_gradient(net, [a, b])
    check.check_numeric_gradient(net, {"x": a, "y": b}, grad_nodes={"x": "add", "y": "null"})
    check.check_symbolic_forward(net, [a, b], [np.exp(a) * b])
    head = np.random.rand(2, 3)
    check.check_symbolic_backward(net, [a, b], [head], {"x": np.exp(a) * b * head, "y": np.exp(a) * head})
    check.check_symbolic_backward(net, [a, b], [head], [np.exp(a) * b * head, np.exp(a) * head], grad_req={"x": "add", "y": "write"})
    np.testing.assert_allclose(check.simple_forward(net, x=a, y=b), np.exp(a) * b, rtol=1e-5)
    assert check.check_speed(net, {"x": a, "y": b}, N=2) > 0
    assert check.check_speed(net, N=2, typ="forward", x=(2, 3), y=(2, 3)) > 0
    with pytest.raises(AssertionError):
        check.check_symbolic_forward(net, [a, b], [np.exp(a) + b])
    with pytest.raises(AssertionError):
        check.check_symbolic_backward(net, [a, b], [head], {"x": head})
    states = s.BatchNorm(x, fix_gamma=False, name="b")
    given = {"x": np.random.rand(4, 3), "b_gamma": np.ones(3), "b_beta": np.zeros(3)}
    check.check_numeric_gradient(
        states, given, {"b_moving_mean": np.zeros(3), "b_moving_var": np.ones(3)}, numeric_eps=1e-2, rtol=0.05, atol=0.01
    )


def test_parts_are_numbered_even_where_there_is_one():
    x = mx.sym.Variable("x")
    assert mx.sym.split(x, num_outputs=1, name="a").list_outputs() == ["a_output0"]
    assert mx.sym.split(x, num_outputs=1, squeeze_axis=True, name="a")[0].list_outputs() == ["a_output0"]


def test_errors_of_descriptions_are_errors_of_the_operator():
    @mx.operator.register("test_no_shape")
    class Prop(mx.operator.CustomOpProp):
        def infer_shape(self, in_shape):
            return 1 / 0

    graph = mx.sym.Custom(mx.sym.Variable("x"), op_type="test_no_shape")
    with pytest.raises(mx.MXNetError, match="'test_no_shape': infer_shape raised ZeroDivisionError") as error:
        graph.infer_shape(x=(2,))
    assert "division by zero" in str(error.value)


def test_the_operator_of_a_symbol_alone():
    net = s.FullyConnected(s.exp(s.var("x")), num_hidden=3, no_bias=True, name="dense")
    alone = net._gen_atomic_symbol()
    assert alone.list_attr() == net.list_attr()
    assert alone(s.var("y")).list_arguments()[0] == "y"
    assert len(s.split(s.var("x"), num_outputs=3)._gen_atomic_symbol().list_outputs()) == 3
    for other in (s.var("x"), s.Group([net, s.var("x")])):
        with pytest.raises(mx.MXNetError, match="expected the outputs of one operator"):
            other._gen_atomic_symbol()


@pytest.mark.parametrize("np_shape", [False, True])
def test_json_tells_the_meaning_of_zero_in_shapes(np_shape):
    net = s.exp(s.var("x"))
    with mx.util.np_shape(np_shape):
        text = net.tojson()
    assert ('"is_np_shape": ["int", 1]' in text) == np_shape
    assert s.load_json(text).list_arguments() == ["x"]
