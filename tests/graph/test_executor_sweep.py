"""Every operator: bound graphs give what imperative calls give, forward and backward, with every way to store gradients."""

import numpy as np
import pytest
import recorded_calls

import weft as mx
from weft.frontend.graph.executor import bind

CASES = [
    pytest.param(name, case, id=f"{name}-{case['id']}")
    for name, case in recorded_calls.calls(most=3)
    if case["outputs"] != {"l": []}  # a graph without results is none
]


def bound(call, grad_req, arrays=None):
    """Return an executor of the call, and its arrays by variable."""
    graph = call.graph()
    arrays = call.new_arrays() if arrays is None else arrays
    by_name = {f"x{i}": array for i, array in enumerate(arrays)}
    states = {node.name: by_name[node.name] for node in graph.auxiliaries()}
    arguments = {node.name: by_name[node.name] for node in graph.arguments()}
    wanted = {f"x{i}" for i in call.wanted}
    grads = {name: mx.nd.ones(array.shape, dtype=array.dtype) for name, array in arguments.items() if name in wanted}
    return bind(graph.outputs, mx.cpu(), arguments, grads or None, grad_req, states), by_name


def compare(found, expected, what, exact):
    found, expected = found.asnumpy(), expected.asnumpy()
    assert found.dtype == expected.dtype and found.shape == expected.shape, what
    if exact or found.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected, err_msg=what)
    else:
        tolerance = {2: 4e-3, 4: 2e-5, 8: 1e-10}[found.dtype.itemsize]
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance, err_msg=what)


@pytest.mark.parametrize("passes", ["none", ""], ids=["plain", "optimized"])
@pytest.mark.parametrize(("name", "case"), CASES)
def test_bound_is_imperative(name, case, passes, monkeypatch):
    monkeypatch.setenv("WEFT_GRAPH_PASSES", passes)
    call = recorded_calls.RecordedCall(name, case)
    mx.random.seed(11)
    arrays, results, gradients = call.imperative()
    exact = passes == "none"
    mx.random.seed(11)
    executor, by_name = bound(call, "write")
    outputs = executor.forward(is_train=call.train)
    assert len(outputs) == len(results)
    for i, (output, result) in enumerate(zip(outputs, results)):
        compare(output, result, f"output {i}", exact)
    if gradients:
        executor.backward(call.heads(results))
        for i, gradient in gradients.items():
            compare(executor.grad_dict[f"x{i}"], gradient, f"gradient of input {i}", exact)
    for i, array in enumerate(arrays):
        compare(by_name[f"x{i}"], array, f"input {i} afterwards", exact)


def gradient_cases():
    seen = set()
    for name, case in recorded_calls.calls(most=3):
        if case["op"] not in seen and "grad_of" in case and "grad_error" not in case and case.get("train"):
            seen.add(case["op"])
            yield pytest.param(name, case, id=f"{name}-{case['id']}")


@pytest.mark.parametrize(("name", "case"), list(gradient_cases()))
def test_requests(name, case):
    """Gradients that are added to what is there, and gradients nobody wants; both halves in one task."""
    call = recorded_calls.RecordedCall(name, case)
    results = None
    found = {}
    for request in ("write", "add", "null"):
        mx.random.seed(5)
        executor, _ = bound(call, request)
        results = executor.forward(is_train=True)
        executor.backward(call.heads(results))
        found[request] = {key: value.asnumpy() for key, value in executor.grad_dict.items() if value is not None}
        if request == "add":
            mx.random.seed(5)
            executor.forward_backward(call.heads(results))
            twice = {key: value.asnumpy() for key, value in executor.grad_dict.items() if value is not None}
    assert all((value == 1).all() for value in found["null"].values())
    for key, value in found["write"].items():
        tolerance = 1e-2 if value.dtype == np.float16 else 1e-5
        np.testing.assert_allclose(found["add"][key], value + 1, rtol=tolerance, atol=tolerance, err_msg=key)
        np.testing.assert_allclose(twice[key], 2 * value + 1, rtol=tolerance, atol=tolerance * 2, err_msg=key)
    for key, value in found["write"].items() if len(found["write"]) > 1 else ():
        # Alone, perhaps without any use for the gradients of the heads.
        mx.random.seed(5)
        executor, _ = bound(call, {name: "write" if name == key else "null" for name in executor.arg_dict})
        executor.forward(is_train=True)
        executor.backward(call.heads(results))
        np.testing.assert_allclose(executor.grad_dict[key].asnumpy(), value, rtol=tolerance, atol=tolerance, err_msg=f"{key} alone")
