"""Softmax kernels: rows and columns, lengths, temperature, gradients, cross entropy."""

from types import SimpleNamespace

import numpy as np
import pytest

from weft.ops.cpu import nn
from weft.ops.cpu.runner import run_kernel

TOLERANCE = {"float16": 2e-3, "float32": 2e-6, "float64": 1e-14}


def spec(array):
    return SimpleNamespace(shape=array.shape, dtype=array.dtype, size=array.size, nbytes=array.nbytes)


def attrs(**values):
    return SimpleNamespace(**{"axis": -1, "temperature": None, **values})


def compute(builder, options, *inputs, dtype=None):
    out = np.full(inputs[0].shape, 7, dtype or inputs[0].dtype)
    kernel = builder(options, [spec(item) for item in inputs], [spec(out)])
    if kernel is None:
        return None
    run_kernel(kernel, list(inputs), [out])
    return out


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


SHAPES = [((3, 1), -1), ((64, 10), 1), ((5, 7), -1), ((2, 5, 8), 1), ((4, 6, 3, 9), 1), ((1000, 33), 0), ((2, 9, 300), 1), ((2, 4099), 1)]


def random(shape, dtype, seed=0):
    return (np.random.default_rng(seed).standard_normal(shape) * 4).astype(dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("temperature", [None, 2.5])
def test_forward(shape, axis, dtype, temperature):
    x = random(shape, dtype)
    wide = x.astype("float64") / (temperature or 1)
    cases = {nn.softmax: softmax(wide, axis), nn.softmin: softmax(-wide, axis), nn.log_softmax: np.log(softmax(wide, axis))}
    for builder, expected in cases.items():
        got = compute(builder, attrs(axis=axis, temperature=temperature), x)
        if got is None:
            assert dtype == "float16" and axis not in (-1, len(shape) - 1)
            continue
        np.testing.assert_allclose(got, expected, rtol=TOLERANCE[dtype] * 4, atol=TOLERANCE[dtype] * 4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_backward(shape, axis, dtype):
    x, g = random(shape, "float64"), random(shape, "float64", 1)
    y = softmax(x, axis)
    expected = y * (g - (g * y).sum(axis, keepdims=True)) / 2
    options = attrs(axis=axis, temperature=2.0)
    bound = {"rtol": TOLERANCE[dtype] * 10, "atol": TOLERANCE[dtype] * 10}
    got = compute(nn.backward_softmax, options, g.astype(dtype), y.astype(dtype))
    np.testing.assert_allclose(got, expected, **bound)
    got = compute(nn.backward_softmin, options, g.astype(dtype), y.astype(dtype))
    np.testing.assert_allclose(got, -expected, **bound)
    expected = (g - y * g.sum(axis, keepdims=True)) / 2
    got = compute(nn.backward_log_softmax, options, g.astype(dtype), np.log(y).astype(dtype))
    np.testing.assert_allclose(got, expected, rtol=TOLERANCE[dtype] * 100, atol=TOLERANCE[dtype] * 100)


def test_extremes():
    x = np.array([[1, 200, -300], [-np.inf, 1, 1], [1e38, 0, 1e38], [np.nan, 1, 2]], "float32")
    got = compute(nn.softmax, attrs(), x)
    np.testing.assert_array_equal(got[:3], np.array([[0, 1, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]], "float32"))
    assert np.isnan(got[3]).all()
    logs = compute(nn.log_softmax, attrs(), np.array([[1.0, 200.0]], "float32"))
    assert logs[0, 0] == -199 and abs(logs[0, 1]) < 2e-6


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kind", ["int32", "int64"])
def test_lengths(dtype, kind):
    x = random((4, 9), dtype)
    lengths = np.array([9, 0, 4, 20], kind)
    got = compute(nn.softmax, attrs(), x, lengths)
    for row, length in enumerate(np.minimum(lengths, 9)):
        np.testing.assert_allclose(got[row, :length], softmax(x[row, :length].astype("float64"), 0) if length else [],
                                   rtol=TOLERANCE[dtype] * 4)  # fmt: skip
        assert not got[row, length:].any()


def test_long_rows_that_are_streamed():
    x = random((1300, 4100), "float32")
    np.testing.assert_allclose(compute(nn.softmax, attrs(), x), softmax(x.astype("float64"), 1), rtol=1e-5)


def output_attrs(**values):
    return attrs(**{"multi_output": False, "preserve_shape": False, "out_grad": False, "use_ignore": False, "ignore_label": -1.0,
                    "grad_scale": 1.0, "smooth_alpha": 0.0, "normalization": "null", **values})  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("normalization", ["null", "batch", "valid"])
@pytest.mark.parametrize("use_ignore", [False, True])
def test_cross_entropy(dtype, normalization, use_ignore):
    y = softmax(random((6, 5), dtype), 1)
    label = np.array([0, 4, 2, 2, 9, 1], dtype)
    options = output_attrs(normalization=normalization, use_ignore=use_ignore, ignore_label=2.0, grad_scale=3.0, smooth_alpha=0.1)
    got = compute(nn.backward_softmax_output, options, y, y, label)
    target = np.full((6, 5), 0.1 / 4)
    target[[0, 1, 2, 3, 5], [0, 4, 2, 2, 1]] = 0.9
    expected = y - target
    if use_ignore:
        expected[2:4] = 0
    divisor = {"null": 1, "batch": 6, "valid": 4 if use_ignore else 6}[normalization]
    np.testing.assert_allclose(got[[0, 1, 2, 3, 5]], (expected * 3 / divisor)[[0, 1, 2, 3, 5]], rtol=1e-5, atol=1e-6)


def test_cross_entropy_of_many_outputs():
    y = softmax(random((2, 5, 7), "float32"), 1)
    label = np.random.default_rng(0).integers(0, 5, (2, 7)).astype("float32")
    expected = y - np.moveaxis(np.eye(5, dtype="float32")[label.astype(int)], -1, 1)
    got = compute(nn.backward_softmax_output, output_attrs(multi_output=True, normalization="batch"), y, y, label)
    np.testing.assert_allclose(got, expected / 14, rtol=1e-5, atol=1e-7)


def test_cross_entropy_with_probabilities_and_head():
    y, target, head = (softmax(random((3, 4), "float32", seed), 1) for seed in range(3))
    got = compute(nn.backward_softmax_output, output_attrs(out_grad=True, grad_scale=2.0), head, y, target)
    np.testing.assert_allclose(got, (y - target) * 2 * head, rtol=1e-5)


@pytest.mark.parametrize("multi_output", [False, True])
def test_softmax_output_forward(multi_output):
    x = random((3, 4, 5), "float32")
    got = compute(nn.softmax_output, output_attrs(multi_output=multi_output), x, x)
    expected = softmax(x, 1) if multi_output else softmax(x.reshape(3, 20), 1).reshape(3, 4, 5)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "softsign", "softrelu"])
def test_activations(name):
    x, g = random(1001, "float64"), random(1001, "float64", 1)
    y = compute(nn.activation, SimpleNamespace(act_type=name), x)
    step = 1e-6
    slope = (compute(nn.activation, SimpleNamespace(act_type=name), x + step) - y) / step
    got = compute(nn.backward_activation, SimpleNamespace(act_type=name), g, x if name == "softsign" else y)
    np.testing.assert_allclose(got, g * slope, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["leaky", "gelu", "elu", "selu"])
def test_leaky(name):
    options = SimpleNamespace(act_type=name, slope=0.25)
    x, g = random(1001, "float64"), random(1001, "float64", 1)
    y = compute(nn.leaky_relu, options, x)
    slope = (compute(nn.leaky_relu, options, x + 1e-6) - y) / 1e-6
    got = compute(nn.backward_leaky_relu, options, g, x)
    np.testing.assert_allclose(got, g * slope, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("slopes", [1, 3])
def test_prelu(slopes):
    x, gamma = random((2, 3, 5), "float32"), np.linspace(0.1, 0.3, slopes, dtype="float32")
    out = np.zeros_like(x)
    kernel = nn.leaky_relu(SimpleNamespace(act_type="prelu"), [spec(x), spec(gamma)], [spec(out)])
    run_kernel(kernel, [x, gamma], [out])
    np.testing.assert_array_equal(out, np.where(x > 0, x, x * gamma.reshape(-1, 1)))
