"""What monitors see: results of all nodes, forward and backward, by MXNet's names."""

import numpy as np
import pytest

import weft as mx

FORWARD = ["fc0_output", "act_output", "fc1_output", "softmax_output"]


def network():
    net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc0")
    net = mx.sym.FullyConnected(mx.sym.Activation(net, act_type="relu", name="act"), num_hidden=2, name="fc1")
    return mx.sym.LinearRegressionOutput(net, name="softmax")


def bound(grad_req="write"):
    executor = network().simple_bind(mx.cpu(), data=(4, 5), grad_req=grad_req)
    for array in executor.arg_arrays:
        array[:] = mx.nd.random.uniform(shape=array.shape)
    return executor


def names_seen(executor, monitor_all=False):
    seen = []
    executor.set_monitor_callback(lambda name, array: seen.append(name), monitor_all)
    executor.forward(is_train=True)
    executor.backward()
    return seen


@pytest.mark.parametrize("request_of_data", ["write", "null"])
def test_all_that_backward_nodes_give_is_seen_whatever_is_wanted(request_of_data):
    wanted = dict.fromkeys(network().list_arguments(), "write") | {"data": request_of_data, "softmax_label": "null"}
    seen = names_seen(bound(wanted))
    assert seen[:4] == FORWARD
    for node in ("fc0", "fc1"):
        assert [f"{node}_backward_output{i}" in seen for i in range(4)] == [True, True, True, False]
    assert sum(name.startswith("softmax") for name in seen) == 3  # the output, and gradients of data and label


def test_gradients_are_those_without_a_monitor():
    wanted = dict.fromkeys(network().list_arguments(), "add") | {"data": "null", "softmax_label": "null"}
    plain = bound(wanted)
    watched = network().bind(mx.cpu(), plain.arg_dict, {n: mx.nd.zeros_like(g) for n, g in plain.grad_dict.items() if g is not None}, wanted)
    for _ in range(2):
        plain.forward(is_train=True)
        plain.backward()
        names_seen(watched, monitor_all=True)
    for name, gradient in watched.grad_dict.items():
        if wanted[name] == "add":
            np.testing.assert_allclose(gradient.asnumpy(), plain.grad_dict[name].asnumpy(), rtol=1e-6)


def test_inputs_of_backward_nodes_are_numbered():
    seen = names_seen(bound(), monitor_all=True)
    assert "fc0_data" in seen and "fc0_weight" in seen
    assert [f"fc1_backward_input{i}" in seen for i in range(4)] == [True, True, True, False]


def test_module_reports_every_array_once_a_batch():
    monitor = mx.mon.Monitor(1, stat_func=lambda array: array.abs().sum(), pattern=".*", sort=True)
    module = mx.mod.Module(network(), label_names=("softmax_label",))
    module.bind([("data", (4, 5))], [("softmax_label", (4, 2))])
    module.install_monitor(monitor)
    module.init_params()
    batch = mx.io.DataBatch([mx.nd.ones((4, 5))], [mx.nd.ones((4, 2))])
    for step in range(2):
        monitor.tic()
        module.forward_backward(batch)
        report = monitor.toc()
        names = [name for _, name, _ in report]
        assert [sum(name.startswith(part) for name in names) for part in ("data", "fc0", "act", "fc1", "softmax")] == [1, 6, 2, 6, 4]
        assert {number for number, _, _ in report} == {step + 1}
