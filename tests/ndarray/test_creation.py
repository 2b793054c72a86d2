"""Functions that make arrays, and their dtype rules."""

import numpy as np
import pytest

import weft as mx
from weft import nd
from weft.engine.errors import MXNetError


@pytest.mark.parametrize(
    ("source", "shape"),
    [
        ([1, 2], (2,)),
        ((1, 2), (2,)),
        (range(3), (3,)),
        (3, ()),
        ([], (0,)),
        ([[]], (1, 0)),
        (np.array([1, 2]), (2,)),
        (np.array([True]), (1,)),
        (np.float64(3), ()),
        (np.arange(6).reshape(2, 3)[:, ::2], (2, 2)),
        (np.arange(2, dtype=">i4"), (2,)),
    ],
)
def test_array_is_float32(source, shape):
    array = nd.array(source)
    assert array.dtype == np.float32
    assert array.shape == shape
    np.testing.assert_array_equal(array.asnumpy(), np.asarray(source, np.float32))


def test_array_of_an_array():
    source = nd.array([1, 2], dtype="int32")
    copy = nd.array(source)
    assert copy.dtype == np.int32
    copy[:] = 5
    assert source.asnumpy().tolist() == [1, 2]
    assert nd.array(source, dtype="float64").dtype == np.float64
    assert nd.array(source, ctx=mx.cpu(1)).context == mx.cpu(1)
    assert nd.array([nd.array([1]), nd.array([2])]).asnumpy().tolist() == [[1], [2]]


def test_values_wrap_as_in_c():
    assert nd.array([300], dtype="uint8").asnumpy().tolist() == [44]
    assert np.isinf(nd.array([1e300]).asnumpy()).all()


@pytest.mark.parametrize("source", ["a", [[1], [1, 2]], {1: 2}, (x for x in [1]), object(), np.array(["a"])])
def test_what_is_no_array(source):
    with pytest.raises(TypeError, match="source_array must be array like"):
        nd.array(source)


@pytest.mark.parametrize("dtype", ["foo", np.complex64, "S1"])
def test_bad_dtypes(dtype):
    with pytest.raises(TypeError, match="dtype="):
        nd.zeros((1,), dtype=dtype)


def test_zeros_ones_full_empty():
    assert nd.zeros(3).shape == (3,)
    assert nd.zeros([2, 1], dtype=int).dtype == np.int64
    assert nd.ones((2,), mx.cpu(1), "int8").context == mx.cpu(1)
    assert nd.zeros((2,), ctx="cpu(1)").context == mx.cpu(1)
    assert nd.zeros(()).shape == ()
    assert nd.zeros((2, 0)).size == 0
    assert nd.full((2,), 3.7, dtype="int32").asnumpy().tolist() == [3, 3]
    assert nd.full((2, 2), np.array([1, 2])).asnumpy().tolist() == [[1, 2], [1, 2]]
    out = nd.zeros((2,))
    assert nd.full((2,), 4, out=out) is out
    assert nd.empty((2, 3), dtype="float16").dtype == np.float16
    with mx.cpu(2):
        assert nd.zeros((1,)).context == mx.cpu(2)
        assert nd.array([1]).context == mx.cpu(2)
        assert nd.arange(2).context == mx.cpu(2)


@pytest.mark.parametrize("shape", [2.5, None, "x", (2, "x")])
def test_bad_shapes(shape):
    with pytest.raises(TypeError, match="shape="):
        nd.zeros(shape)


def test_refusals():
    with pytest.raises(ValueError, match="negative"):
        nd.zeros((2, -1))
    with pytest.raises(MXNetError, match="sparse storage is not supported yet"):
        nd.zeros((2,), stype="csr")
    with pytest.raises(MXNetError, match="sparse storage is not supported yet"):
        nd.sparse.csr_matrix((2, 2))
    for make in (nd.zeros, nd.empty, nd.random.uniform):
        with pytest.raises(MXNetError, match=r"gpu\(0\)"):
            make(shape=(1,), ctx=mx.gpu(0))
    with pytest.raises(TypeError):
        nd.zeros((2,), ctx=1)
    with pytest.raises(ValueError):
        nd.zeros((2,), ctx="tpu")
    with pytest.raises(MXNetError):
        nd.zeros((1 << 40, 1 << 40))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((5,), [0, 1, 2, 3, 4]),
        ((1, 5), [1, 2, 3, 4]),
        ((1, 5, 2), [1, 3]),
        ((5, 0, -1), [5, 4, 3, 2, 1]),
        ((1, 3, 1, 2), [1, 1, 2, 2]),
        ((3.5,), [0, 1, 2, 3]),
    ],
)
def test_arange(arguments, expected):
    assert nd.arange(*arguments).asnumpy().tolist() == expected


def test_arange_refuses():
    for arguments in ((5, 0), (0, 5, 0)):
        with pytest.raises(MXNetError):
            nd.arange(*arguments)
    with pytest.warns(DeprecationWarning):
        nd.arange(2, infer_range=True)


def test_linspace_and_eye():
    assert nd.linspace(0, 1, 5).asnumpy().tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert nd.linspace(0, 1, 4, endpoint=False).asnumpy().tolist() == [0, 0.25, 0.5, 0.75]
    assert nd.linspace(0, 5, 3, dtype="int32").asnumpy().tolist() == [0, 2, 5]
    np.testing.assert_array_equal(nd.eye(2, 3, 1).asnumpy(), np.eye(2, 3, 1))
    np.testing.assert_array_equal(nd.eye(3, 0, -1, dtype="int32").asnumpy(), np.eye(3, k=-1))


def test_concatenate():
    one, two = nd.ones((1, 2)), nd.zeros((1, 2))
    assert nd.concatenate([one, two]).shape == (2, 2)
    assert nd.concatenate([one, two], axis=1).shape == (1, 4)
    assert nd.concatenate([one], always_copy=False) is one
    assert nd.concatenate([one]) is not one
    for arrays in ([], [one, two.astype("int32")], [one, nd.zeros((2, 3))], 3):
        with pytest.raises(ValueError):
            nd.concatenate(arrays)


def test_moveaxis():
    array = nd.zeros((2, 3, 4))
    for source, destination in ((0, -1), ([0, 1], [-1, -2]), (2, 0), ((0, 2), (1, 0))):
        assert nd.moveaxis(array, source, destination).shape == np.moveaxis(array.asnumpy(), source, destination).shape
    for source, destination in ((5, 0), ([0, 1], [0]), ([0, 0], [0, 1])):
        with pytest.raises(ValueError):
            nd.moveaxis(array, source, destination)


def test_split_v2():
    array = nd.arange(6)
    assert [part.asnumpy().tolist() for part in nd.split_v2(array, 2)] == [[0, 1, 2], [3, 4, 5]]
    assert [part.shape for part in nd.split_v2(array, (1, 3))] == [(1,), (2,), (3,)]
    assert [part.shape for part in array.reshape((3, 2)).split_v2(3, axis=0, squeeze_axis=True)] == [(2,)] * 3
    for sections in (4, [2], 2.0, 0):
        with pytest.raises(ValueError):
            nd.split_v2(array, sections)


def test_histogram_and_onehot():
    counts, edges = nd.histogram(nd.array([1, 2, 3, 9]), bins=3, range=(0, 3))
    assert counts.asnumpy().tolist() == [0, 1, 2]
    assert edges.asnumpy().tolist() == [0, 1, 2, 3]
    counts, _ = nd.histogram(nd.array([1, 2, 3]), bins=nd.array([0, 2, 3]))
    assert counts.asnumpy().tolist() == [1, 2]
    with pytest.warns(UserWarning, match="range is not specified"):
        assert nd.histogram(nd.array([1, 2, 3]))[0].asnumpy().sum() == 3
    with pytest.raises(ValueError):
        nd.histogram(nd.array([1]), bins="auto")
    out = nd.zeros((2, 3))
    assert nd.onehot_encode(nd.array([1, 0]), out).asnumpy().tolist() == [[0, 1, 0], [1, 0, 0]]
    with pytest.raises(ValueError):
        nd.onehot_encode(nd.array([1]), out)


def test_imdecode_without_an_image():
    with pytest.raises(MXNetError, match="imdecode"):
        nd.imdecode(b"nothing")


def test_the_class_is_not_called():
    for arguments in ((), (3,), ([1, 2],)):
        with pytest.raises(TypeError, match="use mx.nd.array"):
            nd.NDArray(*arguments)
