"""Neural network operators against answers recorded from MXNet 1.9.1 (tests/data/record_nn.py)."""

import importlib.util
import json
import pathlib

import numpy as np
import pytest

import weft as mx

_here = pathlib.Path(__file__).parent
_spec = importlib.util.spec_from_file_location("weft_nn_reference", _here / "nn_reference.py")
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)

_file = np.load(_here.parent / "data" / "nn_mxnet.npz")
_index = json.loads(str(_file["index"]))
_numbers = _file["numbers"]
CASES = list(enumerate(_index["cases"]))


def stored(number, kind, count):
    result = []
    for i in count if not isinstance(count, int) else range(count):
        offset, shape, dtype = _index["places"][f"{number}_{kind}{i}"]
        result.append(_numbers[offset : offset + int(np.prod(shape))].reshape(shape).astype(dtype))
    return result


def title(value):
    return f"{value[0]}-{value[1]['name']}"


def tolerance(case):
    # MXNet computes CTC and normalizations in float32 with other summation orders.
    return {"rtol": 2e-4, "atol": 2e-5}


@pytest.mark.parametrize("case", CASES, ids=title)
def test_reference_kernels_answer_like_mxnet(case):
    number, case = case
    inputs = stored(number, "in", case["inputs"])
    name, params, train = case["name"], case["params"], case["train"]
    outputs = reference.run(name, inputs, params, train=train)
    for found, expected in zip(outputs, stored(number, "out", case["outputs"])):
        np.testing.assert_allclose(found, expected, **tolerance(case))
    if not case["grads"]:
        return
    heads = stored(number, "head", case["outputs"])
    found = reference.gradients(name, inputs, heads, params, train=train, outputs=outputs)
    for i, expected in zip(case["grads"], stored(number, "grad", case["grads"])):
        np.testing.assert_allclose(found[i], expected, **tolerance(case), err_msg=f"gradient of input {i}")
    for i, expected in zip(case["aux"], stored(number, "aux", case["aux"])):
        np.testing.assert_allclose(inputs[i], expected, **tolerance(case), err_msg=f"auxiliary input {i}")


@pytest.mark.parametrize("case", CASES, ids=title)
def test_functions_answer_like_mxnet(case):
    number, case = case
    inputs = [mx.nd.array(x, dtype=x.dtype) for x in stored(number, "in", case["inputs"])]
    for i in case["grads"]:
        inputs[i].attach_grad()
    name = case["name"]
    function = getattr(mx.nd.contrib, name[9:]) if name.startswith("_contrib_") else getattr(mx.nd, name)
    with mx.autograd.record(train_mode=case["train"]):
        outputs = function(*inputs, **case["params"])
    outputs = outputs if isinstance(outputs, list) else [outputs]
    for found, expected in zip(outputs, stored(number, "out", case["outputs"]), strict=True):
        np.testing.assert_allclose(found.asnumpy(), expected, **tolerance(case))
    if not case["grads"]:
        return
    heads = [mx.nd.array(h, dtype=h.dtype) for h in stored(number, "head", case["outputs"])]
    mx.autograd.backward(outputs, heads, train_mode=case["train"])
    for i, expected in zip(case["grads"], stored(number, "grad", case["grads"])):
        np.testing.assert_allclose(inputs[i].grad.asnumpy(), expected, **tolerance(case), err_msg=f"gradient of input {i}")
    for i, expected in zip(case["aux"], stored(number, "aux", case["aux"])):
        np.testing.assert_allclose(inputs[i].asnumpy(), expected, **tolerance(case), err_msg=f"auxiliary input {i}")
