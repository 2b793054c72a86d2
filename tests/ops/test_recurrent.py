"""Recurrent layers: the native kernels against NumPy's, forward and backward, kept and run again."""

import math

import numpy as np
import pytest

from weft.ops import registry
from weft.ops.builders import ShapeSpec
from weft.ops.cpu import onednn
from weft.ops.cpu.runner import run_kernel
from weft.ops.nn_rnn import _split_reserve, packed_places, parameter_size

pytestmark = pytest.mark.skipif(not onednn.available(), reason="oneDNN is not there")


def native(name, attrs, arrays):
    op = registry.get(name)
    shapes, dtypes = op.infer(attrs, [a.shape for a in arrays], [a.dtype for a in arrays])
    ins = [ShapeSpec(a.shape, a.dtype) for a in arrays]
    outs = [ShapeSpec(shape, dtype) for shape, dtype in zip(shapes, dtypes)]
    kernel = op.cpu[0](attrs, ins, outs)
    assert kernel is not None
    results = [np.full(spec.shape, np.nan, spec.dtype) for spec in outs]
    run_kernel(kernel, arrays, results)
    return results


def close(got, expected):
    assert len(got) == len(expected)
    for a, b in zip(got, expected):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5 * max(1, np.abs(b).max()))


@pytest.mark.parametrize("mode", ["rnn_tanh", "rnn_relu", "lstm", "gru"])
@pytest.mark.parametrize("more", [{}, {"num_layers": 2}, {"bidirectional": True}, {"num_layers": 3, "bidirectional": True}], ids=str)
@pytest.mark.parametrize(("time", "batch", "features", "size"), [(1, 1, 1, 1), (4, 3, 5, 7), (6, 17, 9, 24), (3, 32, 40, 33)])
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("states", [True, False])
def test_recurrent(mode, more, time, batch, features, size, train, states):
    op = registry.get("RNN")
    attrs = op.attrs({"mode": mode, "num_layers": 1, "state_size": size, "state_outputs": states, **more}).with_(train=train)
    rng = np.random.default_rng(1)
    shape = (attrs.num_layers * (2 if attrs.bidirectional else 1), batch, size)

    def draw(*shape):
        return rng.uniform(-1, 1, shape).astype("float32")

    inputs = [draw(time, batch, features), draw(parameter_size(attrs, features)) * 0.3]
    inputs += [draw(*shape) for _ in range(2 if mode == "lstm" else 1)]
    expected = registry.reference_run(op, attrs, inputs)
    close(native("RNN", attrs, inputs), expected)

    grads = [draw(*result.shape) for result in expected[:-1]]
    back = registry.get("_backward_RNN").attrs({**attrs.to_dict(), "kept": train})
    arrays = [*grads, *inputs, expected[-1]]
    close(native("_backward_RNN", back, arrays), registry.reference_run("_backward_RNN", back, arrays))


def drawn_inputs(attrs, time, batch, features, dtype="float32"):
    rng = np.random.default_rng(3)
    states = (attrs.num_layers * (2 if attrs.bidirectional else 1), batch, attrs.state_size)
    shapes = [(time, batch, features), (parameter_size(attrs, features),), *[states] * (2 if attrs.mode == "lstm" else 1)]
    return [(rng.uniform(-1, 1, shape) * (0.5 if len(shape) == 1 else 1)).astype(dtype) for shape in shapes]


def check_both(attrs, inputs, seed=4):
    """Compare outputs, then gradients from what either kernel kept."""
    expected = registry.reference_run("RNN", attrs, inputs)
    got = native("RNN", attrs, inputs)
    close(got[:-1], expected[:-1])
    rng = np.random.default_rng(seed)
    grads = [rng.uniform(-1, 1, result.shape).astype(result.dtype) for result in expected[:-1]]
    back = registry.get("_backward_RNN").attrs({**attrs.to_dict(), "kept": attrs.train})
    right = registry.reference_run("_backward_RNN", back, [*grads, *inputs, expected[-1]])
    for reserve in (got[-1], expected[-1]):
        close(native("_backward_RNN", back, [*grads, *inputs, reserve]), right)


@pytest.mark.parametrize("mode", ["rnn_tanh", "rnn_relu", "lstm", "gru"])
@pytest.mark.parametrize("more", [{}, {"num_layers": 2, "bidirectional": True}], ids=str)
@pytest.mark.parametrize("lengths", [[5, 0, 3, 1, 7], [2, 2, 2, 2, 2], [0, 0, 0, 0, 0]], ids=str)
@pytest.mark.parametrize("train", [True, False])
def test_sequences_of_different_lengths(mode, more, lengths, train):
    params = {"mode": mode, "num_layers": 1, "state_size": 6, "state_outputs": True, "use_sequence_length": True, **more}
    attrs = registry.get("RNN").attrs(params).with_(train=train)
    check_both(attrs, [*drawn_inputs(attrs, 6, 5, 4), np.array(lengths, "float32")])


@pytest.mark.parametrize("dtype", ["int32", "int64", "float64"])
def test_lengths_of_any_type(dtype):
    attrs = registry.get("RNN").attrs({"mode": "lstm", "num_layers": 1, "state_size": 3, "use_sequence_length": True})
    check_both(attrs.with_(train=True), [*drawn_inputs(attrs, 4, 3, 2), np.array([4, 1, 2], dtype)])


@pytest.mark.parametrize("bounds", [(-0.1, 0.1), (None, 0.05), (-0.2, None)], ids=str)
@pytest.mark.parametrize("train", [True, False])
def test_cell_states_within_bounds(bounds, train):
    names = ("lstm_state_clip_min", "lstm_state_clip_max")
    params = {name: bound for name, bound in zip(names, bounds) if bound is not None}
    attrs = registry.get("RNN").attrs({"mode": "lstm", "num_layers": 2, "state_size": 9, "state_outputs": True, **params})
    attrs = attrs.with_(train=train)
    inputs = drawn_inputs(attrs, 5, 3, 4)
    check_both(attrs, inputs)
    cells = native("RNN", attrs, inputs)[2]
    assert cells.min() >= (bounds[0] or -np.inf) and cells.max() <= (bounds[1] or np.inf)


@pytest.mark.parametrize("mode", ["rnn_tanh", "lstm", "gru"])
@pytest.mark.parametrize("more", [{}, {"bidirectional": True, "use_sequence_length": True}], ids=str)
def test_values_dropped_between_layers(mode, more):
    attrs = registry.get("RNN").attrs({"mode": mode, "num_layers": 3, "state_size": 16, "p": 0.25, **more}).with_(train=True)
    inputs = drawn_inputs(attrs, 4, 5, 6)
    if attrs.use_sequence_length:
        inputs.append(np.array([4, 2, 0, 3, 1], "float32"))
    out, reserve = native("RNN", attrs, inputs)
    layers = _split_reserve(attrs, reserve, inputs[0].shape)
    masks = [layer["mask"] for layer in layers[1:]]
    for mask in masks:
        assert set(np.unique(mask)) == {np.float32(0), np.float32(1 / 0.75)}
        assert 0.1 < (mask == 0).mean() < 0.4
    assert (masks[0] != masks[1]).any()
    # The last layer by itself, on what the mask leaves of the one before.
    top = {"mode": mode, "num_layers": 1, "state_size": 16, **more}
    alone = registry.get("RNN").attrs(top).with_(train=False)
    places = [at for layer, _, weights in packed_places(attrs, 6) if layer == 2 for at in weights]
    weights = [at for at in places if len(at[1]) == 2] + [at for at in places if len(at[1]) == 1]
    packed = np.concatenate([inputs[1][at : at + math.prod(shape)] for at, shape in weights])
    count = 2 if attrs.bidirectional else 1
    states = [array[-count:] for array in inputs[2 : 4 if mode == "lstm" else 3]]
    rest = inputs[-1:] if attrs.use_sequence_length else []
    (expected, _) = registry.reference_run("RNN", alone, [layers[1]["out"] * masks[1], packed, *states, *rest])
    close([out], [expected])
    back = registry.get("_backward_RNN").attrs({**attrs.to_dict(), "kept": True})
    arrays = [np.ones_like(out), *inputs, reserve]
    close(native("_backward_RNN", back, arrays), registry.reference_run("_backward_RNN", back, arrays))


def test_half_precision():
    attrs = registry.get("RNN").attrs({"mode": "gru", "num_layers": 2, "state_size": 5, "state_outputs": True})
    inputs = drawn_inputs(attrs, 4, 3, 4, "float16")
    for got, right in zip(native("RNN", attrs, inputs), registry.reference_run("RNN", attrs, inputs)):
        assert got.dtype == np.float16
        np.testing.assert_allclose(got, right, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("more", [{"p": 1.0, "num_layers": 2}], ids=str)
def test_cases_left_to_numpy(more):
    op = registry.get("RNN")
    attrs = op.attrs({"mode": "lstm", "num_layers": 1, "state_size": 3, **more}).with_(train=True)
    arrays = [(2, 2, 4), (parameter_size(attrs, 4),), (attrs.num_layers, 2, 3), (attrs.num_layers, 2, 3)]
    specs = [ShapeSpec(shape, np.dtype("float32")) for shape in arrays]
    outs = [ShapeSpec(shape, np.dtype("float32")) for shape in op.infer_shapes(attrs, arrays)]
    assert op.cpu[0](attrs, specs, outs) is None
