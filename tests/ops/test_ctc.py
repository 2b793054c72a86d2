"""CTC: the native kernels against NumPy's; impossible labels, lengths, large scores."""

import numpy as np
import pytest
from native_kernels import check_native, run_native

LABELS = {
    "first": [[1, 2, 2, 0], [3, 1, 3, 2], [0, 0, 0, 0], [4, 4, 4, 4]],
    "last": [[0, 1, 1, -1], [2, 0, 2, 1], [-1, -1, -1, -1], [3, 3, 3, 3]],
}


def scores(time, dtype, scale=1.0, classes=5):
    return (np.random.default_rng(1).standard_normal((time, 4, classes)) * scale).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("blank", ["first", "last"])
@pytest.mark.parametrize("time", [1, 6, 40])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_losses_and_gradients(time, blank, dtype, scale):
    # With one or six steps some labels are impossible: an infinite loss without gradient.
    wide = {"float16": (3e-3, 2e-3), "float32": (1e-4, 2e-5), "float64": (1e-9, 1e-10)}[dtype]
    label = np.array(LABELS[blank], dtype)
    losses, grads = check_native("CTCLoss", {"blank_label": blank}, [scores(time, dtype, scale), label], tolerance=wide)
    assert np.isfinite(losses).any()
    heads = np.array([1, 2, 0, -1], dtype)
    check_native("_backward_ctc_loss", {}, [heads, grads], tolerance=wide)


@pytest.mark.parametrize("blank", ["first", "last"])
@pytest.mark.parametrize("kind", ["float32", "int32", "int64"])
@pytest.mark.parametrize("which", [("use_data_lengths",), ("use_label_lengths",), ("use_data_lengths", "use_label_lengths")], ids=str)
def test_lengths(which, kind, blank):
    given = {"use_data_lengths": [7, 9, 1, 0], "use_label_lengths": [2, 4, 1, 0]}
    arrays = [scores(9, "float32"), np.array(LABELS["first"], kind) % 5, *(np.array(given[name], kind) for name in which)]
    check_native("CTCLoss", {"blank_label": blank, **dict.fromkeys(which, True)}, arrays)


def test_unlikely_paths_keep_their_probability():
    # The labels' path is exp(-2000) times as likely as all others: nothing in between may fall to zero.
    data = np.zeros((4, 1, 3), "float32")
    data[:, 0, 0] = 500
    losses, grads = check_native("CTCLoss", {}, [np.repeat(data, 4, axis=1), np.tile([[1, 2, 1, 2]], (4, 1)).astype("float32")])
    assert losses == pytest.approx([2000] * 4)
    assert np.isfinite(grads).all() and grads[0, 0].tolist() == pytest.approx([1, -1, 0])


def test_large_scores_are_as_good_as_small_ones():
    data = np.zeros((4, 2, 3), "float32")
    label = np.array([[1, 2], [2, 2]], "float32")
    np.testing.assert_allclose(run_native("CTCLoss", {}, [data + np.float32(1e30), label])[0], run_native("CTCLoss", {}, [data, label])[0])


def test_scores_that_are_no_numbers():
    data = scores(5, "float32")
    data[2, 1, 3] = np.nan
    losses, grads = run_native("CTCLoss", {}, [data, np.array(LABELS["first"], "float32")])
    assert np.isnan(losses[1]) and np.isfinite(losses[[0, 2]]).all()
    assert not grads[:, 1].any()
