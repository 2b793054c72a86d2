"""Executors: what they are given, in what order things happen, what goes wrong and how that is told."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import weft as mx
from weft import engine
from weft.frontend.graph.ir import Node
from weft.ops import registry


def two_inputs():
    a, b = mx.sym.Variable("a"), mx.sym.Variable("b")
    return 2 * a + b


def mlp():
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=8, name="fc1")
    net = mx.sym.Activation(mx.sym.BatchNorm(net, fix_gamma=False, name="bn"), act_type="tanh", name="act")
    net = mx.sym.FullyConnected(mx.sym.Dropout(net, p=0.5, name="drop"), num_hidden=3, name="fc2")
    return mx.sym.SoftmaxOutput(net, mx.sym.Variable("label"), name="softmax")


def fill(executor, seed=0):
    rng = np.random.default_rng(seed)
    for name, array in executor.arg_dict.items():
        array[:] = rng.integers(0, 3, array.shape) if name == "label" else rng.uniform(-1, 1, array.shape)
    return executor


# --- arguments ------------------------------------------------------------------------------------


def test_lists_and_dicts_are_alike():
    a, b = mx.nd.array([1, 2]), mx.nd.array([3, 4])
    for args in ([a, b], {"b": b, "a": a}, (a, b)):
        assert two_inputs().bind(mx.cpu(), args).forward()[0].asnumpy().tolist() == [5, 8]


ARRAYS = {"a": mx.nd.zeros((2,)), "b": mx.nd.zeros((2,))}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"args": {"a": mx.nd.zeros((2,))}}, ValueError, "`b` is missing in `args`"),
        ({"args": [mx.nd.zeros((2,))]}, ValueError, "Length of args does not match the number of arguments: 1 arrays for 2"),
        ({"args": None}, TypeError, "args: Only accept list of NDArrays or dict"),
        ({"args": {"a": 1, "b": mx.nd.zeros((2,))}}, TypeError, "'a' is int"),
        ({"args": {"a": mx.nd.zeros((2,)), "b": mx.nd.zeros((3,))}}, mx.MXNetError, r"_plus\d.*[\s\S]*b: \(3,\)"),
        ({"args": {"a": mx.nd.zeros((2,)), "b": mx.nd.zeros((2,), dtype="int32")}}, mx.MXNetError, r"_plus\d[\s\S]*int32"),
        ({"args": {"a": mx.nd.zeros((2,)), "b": mx.nd.zeros((2,), ctx=mx.cpu(1))}}, mx.MXNetError, r"'b' is on cpu\(1\)"),
        ({"args": ARRAYS, "args_grad": [mx.nd.zeros((2,))]}, ValueError, "Length of args_grad"),
        ({"args": ARRAYS, "args_grad": {"a": mx.nd.zeros((3,))}}, mx.MXNetError, r"args_grad: the array for 'a' has shape \(3,\)"),
        ({"args": ARRAYS, "grad_req": "foo"}, ValueError, "grad_req must be in"),
        ({"args": ARRAYS, "grad_req": ["write"]}, ValueError, "grad_req: 1 requests for 2 arguments"),
        ({"args": ARRAYS, "grad_req": 3}, TypeError, "grad_req must be"),
        ({"args": ARRAYS, "group2ctx": {"g": "cpu"}}, TypeError, "group2ctx"),
    ],
)
def test_bad_arguments_of_bind(arguments, error, message):
    with pytest.raises(error, match=message):
        two_inputs().bind(mx.cpu(), **arguments)


def test_bad_arguments_of_simple_bind():
    with pytest.raises(mx.MXNetError, match="the shape of 'b' cannot be inferred from nothing|shape of 'a'"):
        two_inputs().simple_bind(mx.cpu())
    with pytest.raises(mx.MXNetError, match=r"simple_bind error. Arguments:\na: \(2, 3\)\nb: \(3, 4\)[\s\S]*_plus"):
        two_inputs().simple_bind(mx.cpu(), a=(2, 3), b=(3, 4))
    with pytest.raises(ValueError, match="stype_dict"):
        two_inputs().simple_bind(mx.cpu(), a=(2, 3), stype_dict={"a": "csr"})


def test_duplicate_names():
    x, y = mx.sym.Variable("x"), mx.sym.Variable("x")
    with pytest.raises(ValueError, match="Duplicate names detected.*'x'"):
        (x + y).simple_bind(mx.cpu(), x=(2,))


def test_forward_checks_new_values_before_it_stores_any():
    executor = two_inputs().simple_bind(mx.cpu(), a=(2,), b=(2,))
    with pytest.raises(ValueError, match=r"Argument b, need: \(2,\), received: \(3,\)"):
        executor.forward(a=mx.nd.ones((2,)), b=mx.nd.ones((3,)))
    with pytest.raises(TypeError, match="Unknown argument c"):
        executor.forward(c=mx.nd.ones((2,)))
    with pytest.raises(ValueError, match="only accept keyword argument of NDArrays"):
        executor.forward(a=[1, 2])
    assert executor.arg_dict["a"].asnumpy().tolist() == [0, 0]
    assert executor.forward(a=np.ones(2))[0].asnumpy().tolist() == [2, 2]


def test_gradients_of_heads_are_checked():
    executor = two_inputs().simple_bind(mx.cpu(), a=(2,), b=(2,))
    executor.forward(is_train=True)
    with pytest.raises(mx.MXNetError, match=r"output '_plus\d+_output' is no loss"):
        executor.backward()
    with pytest.raises(mx.MXNetError, match=r"has shape \(3,\), the output \(2,\)"):
        executor.backward(mx.nd.ones((3,)))
    pair = mx.sym.Group([mx.sym.Variable("a") * 2, mx.sym.Variable("b") * 3]).simple_bind(mx.cpu(), a=(2,), b=(2,))
    pair.forward(is_train=True)
    with pytest.raises(mx.MXNetError, match=r"output '_mulscalar\d+_output' is no loss"):
        pair.backward([mx.nd.ones((2,))])
    with pytest.raises(mx.MXNetError, match="'foo' is no output"):
        executor.backward({"foo": mx.nd.ones((2,))})
    with pytest.raises(TypeError, match="is int, expected NDArray"):
        executor.backward([3])
    name = executor._output_names()[0]
    executor.backward({name: mx.nd.array([1, 3])})
    assert executor.grad_dict["a"].asnumpy().tolist() == [2, 6]


def test_losses_at_the_end_need_no_gradient_in_the_list():
    a, b = mx.sym.Variable("a"), mx.sym.Variable("b")
    heads = mx.sym.Group([a * 2, mx.sym.MakeLoss(b), mx.sym.BlockGrad(b * 3)])
    for step in ("backward", "forward_backward", "module"):
        if step == "module":
            module = mx.mod.Module(heads, data_names=["a", "b"], label_names=None)
            module.bind([("a", (2,)), ("b", (2,))], inputs_need_grad=True)
            module.init_params()
            module.forward(mx.io.DataBatch([mx.nd.ones((2,)), mx.nd.ones((2,))]), is_train=True)
            module.backward([mx.nd.array([1, 5])])
            found = module.get_input_grads()
        else:
            executor = heads.simple_bind(mx.cpu(), a=(2,), b=(2,))
            if step == "backward":
                executor.forward(is_train=True)
            getattr(executor, step)([mx.nd.array([1, 5])])
            found = executor.grad_arrays
        assert [grad.asnumpy().tolist() for grad in found] == [[2, 10], [1, 1]]


# --- results --------------------------------------------------------------------------------------


def test_heads_that_are_variables_or_the_same():
    x = mx.sym.Variable("x")
    y = mx.sym.exp(x)
    executor = mx.sym.Group([x, y, y]).bind(mx.cpu(), {"x": mx.nd.zeros((2,))}, {"x": mx.nd.zeros((2,))})
    outputs = executor.forward(is_train=True)
    assert [output.asnumpy().tolist() for output in outputs] == [[0, 0], [1, 1], [1, 1]]
    executor.backward([mx.nd.ones((2,)), mx.nd.ones((2,)) * 2, mx.nd.ones((2,)) * 3])
    assert executor.grad_dict["x"].asnumpy().tolist() == [6, 6]


def test_outputs_stay_the_same_arrays():
    executor = two_inputs().simple_bind(mx.cpu(), a=(2,), b=(2,))
    first = executor.forward()[0]
    assert executor.forward(is_train=True, a=mx.nd.ones((2,)))[0] is first
    assert first.asnumpy().tolist() == [2, 2]


def test_training_is_the_tape():
    net = mlp()
    executor = fill(net.simple_bind(mx.cpu(), data=(6, 5), label=(6,)))
    arguments = {name: array.copy() for name, array in executor.arg_dict.items()}
    states = {name: array.copy() for name, array in executor.aux_dict.items()}
    for name, array in arguments.items():
        if name not in ("data", "label"):
            array.attach_grad()
    for step in range(3):
        mx.random.seed(step)
        outputs = executor.forward(is_train=True)
        executor.backward()
        mx.random.seed(step)
        with mx.autograd.record():
            y = mx.nd.FullyConnected(arguments["data"], arguments["fc1_weight"], arguments["fc1_bias"], num_hidden=8)
            norm = arguments["bn_gamma"], arguments["bn_beta"], states["bn_moving_mean"], states["bn_moving_var"]
            y = mx.nd.tanh(mx.nd.BatchNorm(y, *norm, fix_gamma=False))
            y = mx.nd.FullyConnected(mx.nd.Dropout(y, p=0.5), arguments["fc2_weight"], arguments["fc2_bias"], num_hidden=3)
            y = mx.nd.SoftmaxOutput(y, arguments["label"])
        y.backward()
        np.testing.assert_allclose(outputs[0].asnumpy(), y.asnumpy(), rtol=1e-5, atol=1e-6)
        for name, gradient in executor.grad_dict.items():
            if name not in ("data", "label"):
                np.testing.assert_allclose(gradient.asnumpy(), arguments[name].grad.asnumpy(), rtol=1e-4, atol=1e-5, err_msg=name)
    for name, state in executor.aux_dict.items():
        np.testing.assert_allclose(state.asnumpy(), states[name].asnumpy(), rtol=1e-5, err_msg=name)


def test_evaluation_between_forward_and_backward_does_no_harm():
    executor = fill(two_products().simple_bind(mx.cpu(), x=(4, 4), u=(4, 4), v=(4, 4)))
    executor.forward(is_train=True)
    executor.backward(mx.nd.ones((4, 4)))
    expected = executor.grad_dict["u"].asnumpy()
    executor.forward(is_train=True)
    other = two_products().bind(mx.cpu(), executor.arg_dict, shared_exec=executor)
    other.forward(is_train=False)
    executor.backward(mx.nd.ones((4, 4)))
    np.testing.assert_array_equal(executor.grad_dict["u"].asnumpy(), expected)


def two_products():
    x = mx.sym.Variable("x")
    return mx.sym.tanh(mx.sym.dot(mx.sym.tanh(mx.sym.dot(x, mx.sym.Variable("u"))), mx.sym.Variable("v")))


def test_backward_without_forward_in_training_mode():
    executor = fill(two_products().simple_bind(mx.cpu(), x=(4, 4), u=(4, 4), v=(4, 4)))
    executor.forward(is_train=True)
    executor.backward(mx.nd.ones((4, 4)))
    expected = executor.grad_dict["u"].asnumpy()
    for prepare in (lambda: None, lambda: executor.forward()):
        executor.grad_dict["u"][:] = 0
        executor._forward_of = None
        prepare()
        executor.backward(mx.nd.ones((4, 4)))
        np.testing.assert_array_equal(executor.grad_dict["u"].asnumpy(), expected)


# --- order ----------------------------------------------------------------------------------------


def test_imperative_calls_between_runs():
    """Each round depends on the one before through arrays that both sides write; nobody waits."""
    net = mx.sym.broadcast_add(mx.sym.Variable("x") * 0.5, mx.sym.Variable("b"))
    executor = net.simple_bind(mx.cpu(), x=(300, 300), b=(1,))
    x, b = executor.arg_dict["x"], executor.arg_dict["b"]
    expected_x, expected_b = np.zeros((300, 300), np.float32), np.zeros(1, np.float32)
    for step in range(40):
        b[:] = step
        y = executor.forward()[0]
        x[:] = y + 1
        z = y * 2  # read before the next run writes it
        expected_b[:] = step
        expected = expected_x * np.float32(0.5) + expected_b
        expected_x = expected + 1
    np.testing.assert_allclose(x.asnumpy(), expected_x)
    np.testing.assert_allclose(z.asnumpy(), expected * 2)


def test_executors_over_the_same_arrays():
    x = mx.nd.ones((200, 200))
    double = (mx.sym.Variable("x") * 2).bind(mx.cpu(), {"x": x})
    root = mx.sym.sqrt(mx.sym.Variable("y")).bind(mx.cpu(), {"y": double.outputs[0]})
    for _ in range(20):
        double.forward()
        root.forward()
        x[:] = root.outputs[0]  # x = sqrt(2 x)
    expected = 1.0
    for _ in range(20):
        expected = (2 * expected) ** 0.5
    np.testing.assert_allclose(x.asnumpy(), np.full((200, 200), expected), rtol=1e-5)


def test_threads_with_executors_of_their_own():
    weights = mx.nd.random.uniform(shape=(64, 64))
    failures = []

    def work(seed):
        try:
            executor = two_products().bind(mx.cpu(), {"x": mx.nd.ones((64, 64)) * seed, "u": weights, "v": weights})
            expected = np.tanh(np.tanh(np.full((64, 64), seed) @ weights.asnumpy()) @ weights.asnumpy())
            for _ in range(30):
                np.testing.assert_allclose(executor.forward()[0].asnumpy(), expected, rtol=1e-4)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed + 1,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def random_graph(rng, n_nodes, n_variables):
    """Return entries of a random graph of small operators, and the values of its variables."""
    entries = [(Node(None, None, f"v{i}"), 0) for i in range(n_variables)]
    for number in range(n_nodes):
        name = ("elemwise_add", "elemwise_mul", "tanh", "sin", "dot", "add_n", "identity", "transpose")[rng.integers(8)]
        op = registry.get(name)
        count = 3 if name == "add_n" else 2 if name in ("elemwise_add", "elemwise_mul", "dot") else 1
        inputs = [entries[rng.integers(max(0, len(entries) - 12), len(entries))] for _ in range(count)]
        attrs = op.attrs(num_args=count) if name == "add_n" else op.attrs()
        node = Node(op, attrs, f"n{number}", inputs)
        entries.append((Node(registry.get("tanh"), registry.get("tanh").attrs(), f"t{number}", [(node, 0)]), 0))
    heads = [entries[i] for i in sorted(rng.choice(len(entries) - n_variables, 3, replace=False) + n_variables)]
    return [*heads, entries[-1]], {f"v{i}": rng.uniform(-1, 1, (16, 16)).astype("f") for i in range(n_variables)}


@pytest.mark.parametrize("seed", range(12))
def test_random_graphs(seed):
    """In order, spread over cores, and node by node: the same values and gradients."""
    from weft.frontend.graph.binding import bind

    rng = np.random.default_rng(seed)
    entries, values = random_graph(rng, 10 + 10 * seed, 4)
    found = {}
    for way in ("steps", "spread", "nodes"):
        arrays = {name: mx.nd.array(value) for name, value in values.items()}
        used = bind(entries, mx.cpu(), {n: a for n, a in arrays.items() if n in names_of(entries)}).arg_dict
        grads = {name: mx.nd.ones((16, 16)) for name in used}
        executor = bind(entries, mx.cpu(), used, grads, "add" if seed % 2 else "write")
        if way == "nodes":
            executor.set_monitor_callback(lambda name, array: None)
        elif way == "spread":
            executor._get(True, True).program.set_spread(True)
        for _ in range(3):
            outputs = executor.forward(is_train=True)
            executor.backward([mx.nd.ones((16, 16))] * len(outputs))
        found[way] = [array.asnumpy() for array in (*outputs, *executor.grad_arrays)]
    for way in ("steps", "spread"):
        for one, other in zip(found[way], found["nodes"]):
            np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)
    for one, other in zip(found["steps"], found["spread"]):
        np.testing.assert_array_equal(one, other)


def names_of(entries):
    from weft.frontend.graph.ir import topological_order

    return {node.name for node in topological_order(entries) if node.op is None}


# --- errors ---------------------------------------------------------------------------------------


def failing():
    x = mx.sym.Variable("x")
    index = mx.sym.Variable("index")
    return mx.sym.take(mx.sym.tanh(x), index, mode="raise", name="lookup") * 2


def test_errors_name_operator_node_shapes_and_line():
    executor = failing().simple_bind(mx.cpu(), x=(3, 2), index=(1,))
    executor.forward(index=mx.nd.array([7]))  # the line that is named
    with pytest.raises(mx.MXNetError) as caught:
        executor.outputs[0].asnumpy()
    text = str(caught.value)
    assert "at operator take, node 'lookup' (a: (3, 2) float32, indices: (1,) float32)" in text
    assert "test_executor.py:" in text and "index 7 is out of bounds" in text
    # It stays with the results until they are written again.
    with pytest.raises(mx.MXNetError):
        (executor.outputs[0] + 1).asnumpy()
    assert executor.forward(index=mx.nd.array([1]))[0].shape == (1, 2)
    executor.outputs[0].asnumpy()


def test_a_failed_forward_half_fails_the_backward_half():
    executor = failing().simple_bind(mx.cpu(), x=(3, 2), index=(1,))
    executor.forward(is_train=True, index=mx.nd.array([7]))
    executor.backward(mx.nd.ones((1, 2)))
    with pytest.raises(mx.MXNetError, match="node 'lookup'"):
        executor.grad_dict["x"].asnumpy()
    executor.forward(is_train=True, index=mx.nd.array([1]))
    executor.backward(mx.nd.ones((1, 2)))
    assert executor.grad_dict["x"].asnumpy()[1].tolist() == [2, 2]


def test_poisoned_arguments():
    bad = mx.nd.take(mx.nd.ones((2,)), mx.nd.array([5]), mode="raise")
    executor = two_inputs().bind(mx.cpu(), {"a": bad, "b": mx.nd.ones((1,))})
    executor.forward()
    with pytest.raises(mx.MXNetError, match="take"):
        executor.outputs[0].asnumpy()


# --- shared memory, shapes ------------------------------------------------------------------------


def test_shared_memory_of_buckets():
    def bucket(length):
        x, w = mx.sym.Variable("data"), mx.sym.Variable("w")
        for _ in range(length):
            x = mx.sym.tanh(mx.sym.FullyConnected(x, w, no_bias=True, num_hidden=6))
        return mx.sym.MakeLoss(mx.sym.sum(x))

    largest = fill(bucket(8).simple_bind(mx.cpu(), data=(4, 6)))
    small = bucket(3).simple_bind(mx.cpu(), data=(4, 6), shared_arg_names=["w"], shared_exec=largest)
    assert small.arg_dict["w"] is largest.arg_dict["w"] and small.grad_dict["w"] is largest.grad_dict["w"]
    assert small.arg_dict["data"] is not largest.arg_dict["data"]
    alone = bucket(3).bind(mx.cpu(), small.arg_dict, {"w": mx.nd.zeros((6, 6))})
    small.arg_dict["data"][:] = 1
    for _ in range(3):
        for executor in (largest, small, alone):
            executor.forward(is_train=True)
            executor.backward()
        np.testing.assert_allclose(small.grad_dict["w"].asnumpy(), alone.grad_dict["w"].asnumpy(), rtol=1e-6)
    assert small._arenas is largest._arenas
    largest.forward(is_train=True)
    small.forward(is_train=True)
    with pytest.raises(mx.MXNetError, match="another executor that shares"):
        largest.backward()


def test_shared_buffer():
    buffers = {}
    first = two_inputs().simple_bind(mx.cpu(), a=(4, 2), b=(4, 2), shared_buffer=buffers)
    second = two_inputs().simple_bind(mx.cpu(), a=(2, 2), b=(2, 2), shared_buffer=buffers)
    assert sorted(buffers) == ["a", "b", "grad of a", "grad of b"]
    assert second.grad_dict["b"]._shares_memory(first.grad_dict["b"])
    assert second.arg_dict["a"]._shares_memory(first.arg_dict["a"])
    assert second.arg_dict["a"].shape == (2, 2)


def test_shared_buffer_leaves_shared_names_and_sums_alone():
    buffers = {}
    two_inputs().simple_bind(mx.cpu(), grad_req="add", a=(4, 2), b=(4, 2), shared_arg_names=["a"], shared_buffer=buffers)
    assert sorted(buffers) == ["b"]


def test_reshape():
    executor = two_inputs().simple_bind(mx.cpu(), a=(4, 2), b=(4, 2))
    executor.arg_dict["a"][:] = 3
    smaller = executor.reshape(a=(2, 2), b=(2, 2))
    assert smaller.forward()[0].asnumpy().tolist() == [[6, 6], [6, 6]]
    assert smaller.arg_dict["a"]._shares_memory(executor.arg_dict["a"])
    with pytest.raises(mx.MXNetError, match="New shape of argument: a, .* is larger"):
        executor.reshape(a=(5, 2), b=(5, 2))
    assert executor.reshape(a=(5, 2), b=(5, 2), allow_up_sizing=True).forward()[0].shape == (5, 2)
    with pytest.raises(mx.MXNetError, match="Shape of unspecified argument: b changed"):
        executor.reshape(a=(2, 2))
    assert executor.reshape(partial_shaping=True, a=(2, 2)).arg_dict["b"].shape == (2, 2)
    with pytest.raises(mx.MXNetError, match="'z' is no argument"):
        executor.reshape(z=(2, 2))


def test_copy_params_from():
    executor = mlp().simple_bind(mx.cpu(), data=(2, 5), label=(2,))
    executor.copy_params_from({"fc1_weight": mx.nd.ones((8, 5), dtype="float64")}, {"bn_moving_mean": mx.nd.ones((8,))})
    assert executor.arg_dict["fc1_weight"].asnumpy().sum() == 40 and executor.aux_dict["bn_moving_mean"].asnumpy().sum() == 8
    with pytest.raises(ValueError, match='Find name "w" that is not in the arguments'):
        executor.copy_params_from({"w": mx.nd.ones((1,))})
    executor.copy_params_from({"w": mx.nd.ones((1,))}, allow_extra_params=True)
    with pytest.raises(ValueError, match=r"'fc1_weight' has shape \(1,\)"):
        executor.copy_params_from({"fc1_weight": mx.nd.ones((1,))})


# --- looking in -----------------------------------------------------------------------------------


def test_monitor_sees_what_mxnet_shows():
    executor = two_inputs().simple_bind(mx.cpu(), a=(2,), b=(2,))
    times, plus = (name.removesuffix("_output") for name in two_inputs_names(executor))
    seen = []
    executor.set_monitor_callback(lambda name, array: seen.append(name))
    executor.forward(is_train=True)
    assert seen == [f"{times}_output", f"{plus}_output"]
    seen.clear()
    executor.set_monitor_callback(lambda name, array: seen.append(name), monitor_all=True)
    executor.forward(is_train=True, a=mx.nd.ones((2,)))
    assert seen == ["a", f"{times}_input0", f"{times}_output", f"{plus}_lhs", "b", f"{plus}_rhs", f"{plus}_output"]
    assert executor.outputs[0].asnumpy().tolist() == [2, 2]
    executor.backward(mx.nd.ones((2,)))
    assert executor.grad_dict["a"].asnumpy().tolist() == [2, 2]
    executor.set_monitor_callback(None)
    seen.clear()
    executor.forward()
    assert not seen
    with pytest.raises(TypeError, match="callback"):
        executor.set_monitor_callback(3)


def two_inputs_names(executor):
    return executor._symbol.get_internals().list_outputs()[1::2]


def test_texts():
    executor = mlp().simple_bind(mx.cpu(), data=(2, 5), label=(2,))
    text = executor.debug_str()
    assert "Op:FullyConnected, Name=fc1" in text and "num_hidden=8" in text and "MB allocated" in text
    assert "memory:" in executor.explain() and "gradient:" in executor.explain()
    assert executor.memory_plan().total >= executor.memory_plan().lower_bound > 0
    assert "softmax_output" in repr(executor)
    assert isinstance(executor.get_optimized_symbol(), mx.sym.Symbol)
    assert list(executor.output_dict) == ["softmax_output"]


# --- devices --------------------------------------------------------------------------------------


@pytest.mark.parametrize("devices", [(mx.cpu(0), mx.cpu(1)), (mx.cpu(0), mx.simulated(0))], ids=str)
def test_groups_on_devices(devices):
    first, second = devices
    with mx.AttrScope(ctx_group="one"):
        x = mx.sym.Variable("x")
        y = mx.sym.tanh(x, name="y")
    with mx.AttrScope(ctx_group="two"):
        w = mx.sym.Variable("w")
        z = mx.sym.elemwise_mul(y, w, name="z")
    executor = z.simple_bind(first, group2ctx={"one": first, "two": second}, x=(2, 2), w=(2, 2))
    assert executor.arg_dict["w"].ctx == second and executor.outputs[0].ctx == second
    executor.arg_dict["x"][:] = 0.5
    executor.arg_dict["w"][:] = 3
    executor.forward(is_train=True)
    executor.backward(mx.nd.ones((2, 2), ctx=second))
    np.testing.assert_allclose(executor.outputs[0].asnumpy(), np.tanh(np.full((2, 2), 0.5)) * 3, rtol=1e-6)
    np.testing.assert_allclose(executor.grad_dict["w"].asnumpy(), np.tanh(np.full((2, 2), 0.5)), rtol=1e-6)
    np.testing.assert_allclose(executor.grad_dict["x"].asnumpy(), 3 * (1 - np.tanh(np.full((2, 2), 0.5)) ** 2), rtol=1e-5)
    assert "placement: 2 devices" in executor.explain()


def test_arrays_without_elements():
    executor = two_inputs().bind(mx.cpu(), {"a": mx.nd.zeros((0, 2)), "b": mx.nd.zeros((0, 2))})
    assert executor.forward()[0].shape == (0, 2)
    assert "no elements" in executor.explain()


# --- programs -------------------------------------------------------------------------------------


def test_kept_results_are_computed_again_only_after_writes():
    from weft.frontend.graph.compiled import Compiled, plan_in, separate_outputs
    from weft.frontend.graph.infer import infer
    from weft.frontend.graph.ir import Graph
    from weft.frontend.graph.program import FORWARD_HALF, Arena, by_phase, output_array

    net = mx.sym.Variable("x") + mx.sym.exp(mx.sym.Variable("w"), name="packed")
    graph = infer(Graph.from_entries(net._entries), {"x": (3,), "w": (3,)}, {})
    for node in graph.nodes:
        node.cached = node.name == "packed"
    graph, heads, added = separate_outputs(graph, set())
    made = Compiled(by_phase(graph), heads, added)
    plan_in(made)
    made = made.instance()
    x, w = mx.nd.zeros((3,)), mx.nd.zeros((3,))
    output, arena = output_array(graph.nodes[-1].specs[0], mx.cpu()), Arena()
    arena.reserve(made.program.arena_bytes)
    arrays = [{"x": x, "w": w}.get(key, output) for key in made.program.arrays]
    for run, (value, weight, computed) in enumerate([(1, 0, 1), (2, 0, 1), (2, 1, 2), (3, 1, 2)]):
        x[:] = value
        if run == 2:
            w[:] = weight
        made.program.run(arrays, FORWARD_HALF, arena, mx.cpu())
        np.testing.assert_allclose(output.asnumpy(), value + np.exp(np.full(3, weight)), rtol=1e-6)
        assert made.program.prepared_runs == computed


def test_spreading_pays_for_independent_large_steps_only():
    from weft.frontend.graph.program import plan_spread, plans_of

    def graph(build):
        executor = build.simple_bind(mx.cpu(), "null", **dict.fromkeys(build.list_arguments(), (256, 256)))
        return executor._get(False, False).graph

    x = mx.sym.Variable("x")
    branches = [mx.sym.dot(x, mx.sym.Variable(f"w{i}")) for i in range(4)]
    wide = graph(branches[0] + branches[1] + branches[2] + branches[3])
    chain = graph(mx.sym.dot(mx.sym.dot(x, mx.sym.Variable("u")), mx.sym.Variable("v")))
    assert plan_spread(wide, plans_of(wide), cores=2, least_gain=0.0) is not None
    assert plan_spread(wide, plans_of(wide), cores=1) is None
    assert plan_spread(chain, plans_of(chain), cores=2) is None


def test_runs_inside_a_python_task():
    executor = two_inputs().simple_bind(mx.cpu(), a=(2,), b=(2,))
    a, output = executor.arg_dict["a"], executor.outputs[0]

    def body():
        a[:] = 4
        executor.forward()

    engine.push(body, reads=[executor.arg_dict["b"]], writes=[a, output])
    assert output.asnumpy().tolist() == [8, 8]


@pytest.mark.parametrize("make", [mx.sym.ceil, mx.sym.exp, lambda x: mx.sym.sum(mx.sym.slice(x, begin=(1,), end=(1,)))])
def test_gradients_of_arrays_without_elements(make):
    """An extent of 0 is not known to inference, but the arrays tell."""
    x = mx.nd.zeros((0, 3)) if make in (mx.sym.ceil, mx.sym.exp) else mx.nd.zeros((2, 3))
    grad = mx.nd.ones(x.shape)
    executor = make(mx.sym.Variable("x")).bind(mx.cpu(), [x], args_grad=[grad])
    out = executor.forward(is_train=True)[0]
    executor.backward([mx.nd.ones(out.shape)])
    assert not grad.asnumpy().any()


def test_variables_of_one_name():
    """Lists tell them apart, names do not."""
    x, y = mx.nd.array([1, 5]), mx.nd.array([2, 3])
    g, h = mx.nd.empty((2,)), mx.nd.empty((2,))
    a, b = mx.sym.Variable("data"), mx.sym.Variable("data")
    executor = mx.sym.Group([mx.sym.maximum(a, b) + 2 * mx.sym.minimum(a, b), b]).bind(mx.cpu(), [x, y], args_grad=[g, h])
    outputs = executor.forward(is_train=True)
    executor.backward([mx.nd.ones((2,)), mx.nd.zeros((2,))])
    assert [outputs[0].asnumpy().tolist(), outputs[1].asnumpy().tolist()] == [[4, 11], [2, 3]]
    assert g.asnumpy().tolist() == [2, 1] and h.asnumpy().tolist() == [1, 2]
    for broken in (lambda: executor.arg_dict, lambda: executor.grad_dict, lambda: executor.forward(data=x)):
        with pytest.raises(ValueError, match="Duplicate names detected"):
            broken()


def test_legacy_operator_on_ndarrays():
    class Product(mx.operator.NDArrayOp):
        def list_arguments(self):
            return ["left", "right"]

        def infer_shape(self, in_shape):
            return [in_shape[0], in_shape[0]], [in_shape[0]]

        def forward(self, in_data, out_data):
            out_data[0][:] = in_data[0] * in_data[1]

        def backward(self, out_grad, in_data, out_data, in_grad):
            in_grad[0][:] = out_grad[0] * in_data[1]
            in_grad[1][:] = out_grad[0] * in_data[0]

    with pytest.warns(DeprecationWarning, match="use CustomOp"):
        product = Product()
    symbol = product(left=mx.sym.Variable("x"), name="op")
    assert symbol.list_arguments() == ["x", "op_right"] and symbol.list_outputs() == ["op_output"]
    executor = symbol.simple_bind(mx.cpu(), x=(2,))
    assert executor.forward(is_train=True, x=mx.nd.array([1, 2]), op_right=mx.nd.array([3, 4]))[0].asnumpy().tolist() == [3, 8]
    executor.backward(mx.nd.array([10, 1]))
    assert [array.asnumpy().tolist() for array in executor.grad_arrays] == [[30, 4], [10, 2]]


# --- steps in Python ------------------------------------------------------------------------------


def python_step(function, cost_ns):
    """Return an executor of one step that calls ``function`` and copies its input."""
    from weft.ops.kernel import numpy_kernel

    def kernel(attrs, ins, outs):
        def run(attrs, arrays, results):
            function()
            results[0][...] = arrays[0]

        return numpy_kernel(run, attrs, ins, outs, cost_ns)

    name = f"_test_python_step_{function.__name__}_{cost_ns:.0f}"
    op = registry.find(name) or registry.operator(
        name,
        inputs=("data",),
        shape=lambda attrs, shapes: [shapes[0]],
        dtype=lambda attrs, dtypes: dtypes[:1],
        cpu=(kernel,),
    )
    from weft.frontend.graph.executor import bind

    x = Node(None, None, "x")
    return bind([(Node(op, op.attrs(), "step", [(x, 0)]), 0)], mx.cpu(), {"x": mx.nd.ones((2,))})


def test_steps_in_python_run_on_workers_only():
    threads = set()

    def note():
        threads.add(threading.current_thread())

    for cost_ns in (100, 1e5):  # cheap enough for the pushing thread; what a waiting thread would run itself
        executor = python_step(note, cost_ns)
        for _ in range(300):
            executor.forward()[0].wait_to_read()
    assert threads and threading.main_thread() not in threads


def test_ctrl_c_ends_the_wait_and_not_the_step():
    begun, interrupted = threading.Event(), []

    def slow():
        begun.set()
        try:
            time.sleep(0.4)
        except BaseException as error:
            interrupted.append(error)
            raise

    executor = python_step(slow, 1e5)
    output = executor.forward()[0]

    def interrupt():
        begun.wait()
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        output.wait_to_read()
    thread.join()
    assert not interrupted
    assert output.asnumpy().tolist() == [1, 1]


def test_reshaped_executors_share_their_outputs():
    net = mx.sym.FullyConnected(mx.sym.Variable("x"), num_hidden=4, no_bias=True)
    executor = net.simple_bind(mx.cpu(), x=(5, 4), grad_req="null")
    for array in executor.arg_arrays:
        array[:] = 1
    smaller, larger = executor.reshape(x=(3, 4)), executor.reshape(allow_up_sizing=True, x=(6, 4))
    smaller.forward()
    assert executor.outputs[0].asnumpy()[:3].tolist() == smaller.outputs[0].asnumpy().tolist() == [[4] * 4] * 3
    larger.arg_dict["x"][:] = 0
    larger.forward()
    assert executor.outputs[0].asnumpy()[:3].tolist() == [[4] * 4] * 3
    executor.forward()
    assert executor.outputs[0].asnumpy().tolist() == [[4] * 4] * 5


def test_what_cannot_be_differentiated_is_refused_when_it_is_bound():
    x, index = mx.sym.Variable("x"), mx.sym.Variable("index")
    taken = mx.sym.batch_take(x, index, name="taken")
    shapes = {"x": (3, 2), "index": (3,), "type_dict": {"index": "int32"}}
    for grad_req in ("write", {"x": "write", "index": "null"}):
        with pytest.raises(mx.MXNetError, match="taken: batch_take has no gradient"):
            taken.simple_bind(mx.cpu(), grad_req=grad_req, **shapes)
    taken.simple_bind(mx.cpu(), grad_req="null", **shapes)
    taken.simple_bind(mx.cpu(), grad_req={"x": "null", "index": "null"}, **shapes)
    executor = mx.sym.BlockGrad(taken).simple_bind(mx.cpu(), **shapes)
    executor.forward(is_train=True)
    executor.backward()
    assert executor.grad_dict["x"].asnumpy().tolist() == [[0, 0]] * 3


def layers():
    net = mx.sym.Variable("data")
    for i in range(3):
        net = mx.sym.Activation(mx.sym.FullyConnected(net, num_hidden=6, name=f"fc{i}"), act_type="tanh")
    return mx.sym.FullyConnected(net, num_hidden=3, name="out")


@pytest.mark.parametrize("grad_req", ["write", "add"])
@pytest.mark.parametrize("forward_mode", [True, False])
def test_every_backward_after_one_forward_is_right(grad_req, forward_mode):
    rng = np.random.default_rng(7)
    bound = layers().simple_bind(mx.cpu(), data=(4, 6), grad_req=grad_req)
    fresh = layers().simple_bind(mx.cpu(), data=(4, 6))
    for array, other in zip(bound.arg_arrays, fresh.arg_arrays):
        array[:] = other[:] = mx.nd.array(rng.normal(0, 0.5, array.shape))
    bound.forward(is_train=forward_mode)
    total = 0
    for _ in range(3):
        head = mx.nd.array(rng.normal(size=(4, 3)))
        bound.backward(head)
        fresh.forward(is_train=True)
        fresh.backward(head)
        expected = fresh.grad_dict["data"].asnumpy()
        total = total + expected if grad_req == "add" else expected
        np.testing.assert_allclose(bound.grad_dict["data"].asnumpy(), total, rtol=1e-5, atol=1e-6)


def test_a_forward_after_a_second_backward_starts_anew():
    executor = layers().simple_bind(mx.cpu(), data=(2, 6))
    for array in executor.arg_arrays:
        array[:] = 0.3
    found = []
    for backwards in (1, 2, 1):
        executor.forward(is_train=True)
        for _ in range(backwards):
            executor.backward(mx.nd.ones((2, 3)))
            found.append(executor.grad_dict["fc0_weight"].asnumpy())
    assert all(np.array_equal(gradient, found[0]) for gradient in found) and found[0].any()


def test_executors_that_share_memory_repeat_their_backward():
    net = layers()
    first = net.simple_bind(mx.cpu(), data=(2, 6))
    for array in first.arg_arrays:
        array[:] = 0.3
    second = first.reshape(data=(4, 6), allow_up_sizing=True)
    first.forward(is_train=True)
    first.backward(mx.nd.ones((2, 3)))
    expected = first.grad_dict["fc1_weight"].asnumpy()
    second.arg_dict["data"][:] = 0.1
    second.forward(is_train=True)
    first.backward(mx.nd.ones((2, 3)))  # needs nothing of what the other one has overwritten
    assert np.array_equal(first.grad_dict["fc1_weight"].asnumpy(), expected) and expected.any()
    with pytest.raises(mx.MXNetError, match="has run since forward"):
        second.backward(mx.nd.ones((4, 3)))
