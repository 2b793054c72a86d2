"""Recurrent layers: the native kernels against NumPy's, forward and backward, kept and run again."""

import numpy as np
import pytest

from weft.ops import registry
from weft.ops.builders import ShapeSpec
from weft.ops.cpu import onednn
from weft.ops.cpu.runner import run_kernel
from weft.ops.nn_rnn import parameter_size

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


@pytest.mark.parametrize("more", [{"use_sequence_length": True}, {"lstm_state_clip_min": -1.0}, {"p": 0.5, "num_layers": 2}], ids=str)
def test_cases_left_to_numpy(more):
    op = registry.get("RNN")
    attrs = op.attrs({"mode": "lstm", "num_layers": 1, "state_size": 3, **more}).with_(train=True)
    arrays = [(2, 2, 4), (parameter_size(attrs, 4),), (attrs.num_layers, 2, 3), (attrs.num_layers, 2, 3), (2,)]
    arrays = arrays if attrs.use_sequence_length else arrays[:-1]
    specs = [ShapeSpec(shape, np.dtype("float32")) for shape in arrays]
    outs = [ShapeSpec(shape, np.dtype("float32")) for shape in op.infer_shapes(attrs, arrays)]
    assert op.cpu[0](attrs, specs, outs) is None
