"""Native kernels for row normalization and dropout against the NumPy tier and against what dropout promises."""

import importlib.util
import pathlib

import numpy as np
import pytest

import weft as mx
from weft import autograd, nd

_path = pathlib.Path(__file__).with_name("nn_reference.py")
_spec = importlib.util.spec_from_file_location("weft_nn_reference", _path)
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)

NORMS = [
    ("LayerNorm", (5, 7), 7, {}),
    ("LayerNorm", (3, 4, 600), 600, {"eps": 1e-3}),
    ("LayerNorm", (1, 1), 1, {}),
    ("LayerNorm", (3, 5, 4), 5, {"axis": 1}),
    ("GroupNorm", (3, 6, 5, 7), 3, {"num_groups": 3}),
    ("InstanceNorm", (2, 5, 33), 5, {}),
]


@pytest.mark.parametrize(("name", "shape", "size", "params"), NORMS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_norms_agree_with_reference(name, shape, size, params, dtype):
    rng = np.random.default_rng(5)
    inputs = [rng.standard_normal(s).astype(dtype) for s in (shape, size, size)]
    head = rng.standard_normal(shape).astype(dtype)
    arrays = [nd.array(x, dtype=dtype) for x in inputs]
    for x in arrays:
        x.attach_grad()
    with autograd.record():
        out = getattr(nd, name)(*arrays, **params)
    out.backward(nd.array(head, dtype=dtype))
    wide = [x.astype(np.float64) for x in inputs]
    tolerance = {"float16": 0.05, "float32": 1e-4, "float64": 1e-10}[dtype]
    expected = reference.run(name, wide, params)
    np.testing.assert_allclose(out.asnumpy(), expected[0], rtol=tolerance, atol=tolerance)
    grads = reference.gradients(name, wide, [head.astype(np.float64)], params)
    for x, grad in zip(arrays, grads):
        np.testing.assert_allclose(x.grad.asnumpy(), grad, rtol=tolerance, atol=20 * tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_its_share_and_scales_it(dtype, p):
    mx.random.seed(3)
    x = nd.ones((400, 501), dtype=dtype)
    x.attach_grad()
    with autograd.record():
        y = nd.Dropout(x, p=p)
    y.backward()
    values = y.asnumpy()
    np.testing.assert_array_equal(x.grad.asnumpy(), values)
    kept = values != 0
    np.testing.assert_allclose(values[kept], 1 / (1 - p), rtol=1e-2 if dtype == "float16" else 1e-6)
    assert abs(kept.mean() - (1 - p)) < 0.005
    # Neighbours along both axes are independent.
    for a, b in ((kept[:, 1:], kept[:, :-1]), (kept[1:], kept[:-1])):
        assert abs((a & b).mean() - (1 - p) ** 2) < 0.005


def test_dropout_follows_the_seed():
    def draw():
        return nd.Dropout(nd.ones((50, 37)), mode="always").asnumpy()

    mx.random.seed(8)
    first, second = draw(), draw()
    mx.random.seed(8)
    np.testing.assert_array_equal(draw(), first)
    assert (first != second).mean() > 0.3


def test_dropout_masks_do_not_depend_on_the_number_of_cores():
    # Large enough to be spread; the front of a larger array gets the numbers of a smaller one.
    mx.random.seed(4)
    large = nd.Dropout(nd.ones(300_001), mode="always").asnumpy()
    mx.random.seed(4)
    small = nd.Dropout(nd.ones(1_001), mode="always").asnumpy()
    np.testing.assert_array_equal(large[:1_001], small)


def test_dropout_along_axes_and_outside_of_training():
    with autograd.record():
        y = nd.Dropout(nd.ones((20, 30)), axes=(0,)).asnumpy()
    assert (y == y[0]).all() and 0 < (y[0] == 0).sum() < 30
    assert (nd.Dropout(nd.ones((3, 4))).asnumpy() == 1).all()
    with autograd.record(train_mode=False):
        assert (nd.Dropout(nd.ones((3, 4))).asnumpy() == 1).all()


def test_dropout_of_everything_and_of_nothing():
    with autograd.record():
        assert (nd.Dropout(nd.ones((3, 4)), p=0).asnumpy() == 1).all()
        assert np.isnan(nd.Dropout(nd.ones((3, 4)), p=1).asnumpy()).all()  # as MXNet's own tests expect


EMPTY = {
    "FullyConnected": (lambda x: nd.FullyConnected(x, nd.ones((2, 48)), nd.zeros(2), num_hidden=2), (0, 2)),
    "Convolution": (lambda x: nd.Convolution(x, nd.ones((2, 3, 2, 2)), nd.zeros(2), kernel=(2, 2), num_filter=2), (0, 2, 3, 3)),
    "Deconvolution": (lambda x: nd.Deconvolution(x, nd.ones((3, 2, 2, 2)), kernel=(2, 2), num_filter=2), (0, 2, 5, 5)),
    "Pooling": (lambda x: nd.Pooling(x, kernel=(2, 2)), (0, 3, 3, 3)),
    "softmax": (lambda x: nd.softmax(x, axis=1), (0, 3, 4, 4)),
    "BatchNorm": (lambda x: nd.BatchNorm(x, nd.ones(3), nd.zeros(3), nd.zeros(3), nd.ones(3)), (0, 3, 4, 4)),
    "LayerNorm": (lambda x: nd.LayerNorm(x, nd.ones(4), nd.zeros(4)), (0, 3, 4, 4)),
    "GroupNorm": (lambda x: nd.GroupNorm(x, nd.ones(3), nd.zeros(3), num_groups=3), (0, 3, 4, 4)),
    "InstanceNorm": (lambda x: nd.InstanceNorm(x, nd.ones(3), nd.zeros(3)), (0, 3, 4, 4)),
    "Dropout": (lambda x: nd.Dropout(x, mode="always"), (0, 3, 4, 4)),
    "SoftmaxOutput": (lambda x: nd.SoftmaxOutput(x, nd.zeros((0, 4, 4)), multi_output=True), (0, 3, 4, 4)),
    "UpSampling": (lambda x: nd.UpSampling(x, scale=2, sample_type="nearest"), (0, 3, 8, 8)),
}


@pytest.mark.parametrize("name", EMPTY)
def test_batches_without_samples(name):
    function, shape = EMPTY[name]
    x = nd.zeros((0, 3, 4, 4))
    x.attach_grad()
    with autograd.record():
        y = function(x)
    y.backward()
    assert y.asnumpy().shape == shape
    assert x.grad.asnumpy().shape == x.shape


@pytest.mark.parametrize("shape", [(2, 3, 0, 4), (2, 3, 4, 0), (0, 3, 4, 4)], ids=str)
@pytest.mark.parametrize("function", [nd.InstanceNorm, lambda *arrays: nd.GroupNorm(*arrays, num_groups=3)], ids=["instance", "group"])
def test_norms_of_images_without_pixels(function, shape):
    arrays = [nd.zeros(shape), nd.ones(3), nd.ones(3)]
    for array in arrays:
        array.attach_grad()
    with autograd.record():
        y = function(*arrays)
    y.backward()
    assert y.asnumpy().shape == arrays[0].grad.asnumpy().shape == shape
    assert not arrays[1].grad.asnumpy().any() and not arrays[2].grad.asnumpy().any()


def test_upsampling_names_an_image_without_pixels():
    with pytest.raises(mx.base.MXNetError, match=r"UpSampling: input 1 has shape \(1, 2, 0, 2\), expected a height and a width"):
        nd.UpSampling(nd.ones((1, 2, 2, 2)), nd.ones((1, 2, 0, 2)), scale=2, sample_type="nearest")


def test_a_parameter_called_key_does_not_confuse_calls():
    # SyncBatchNorm has one; attribute records once kept their own key under that name.
    x, ones, zeros = nd.array([[1, 2], [3, 5]]), nd.ones(2), nd.zeros(2)

    def run(train, **params):
        with autograd.record(train_mode=train):
            return nd.contrib.SyncBatchNorm(x, ones * 3, zeros, zeros, ones, key="k", **params).asnumpy()

    np.testing.assert_allclose(run(True, fix_gamma=False), [[-3, -3], [3, 3]], atol=1e-2)
    np.testing.assert_allclose(run(True, fix_gamma=True), [[-1, -1], [1, 1]], atol=1e-2)
    np.testing.assert_allclose(run(False, fix_gamma=True), x.asnumpy(), rtol=1e-2)
