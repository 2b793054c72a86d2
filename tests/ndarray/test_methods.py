"""Methods of NDArray: shapes, copies, conversion, printing, arithmetic between arrays and numbers."""

import copy
import operator

import numpy as np
import pytest

import weft as mx
from weft import autograd, nd
from weft.engine.errors import MXNetError

x = nd.arange(6).reshape((2, 3))


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (nd.array([[1, 2], [3, 4]]), "\n[[1. 2.]\n [3. 4.]]\n<NDArray 2x2 @cpu(0)>"),
        (nd.array(3), "\n3.0\n<NDArray  @cpu(0)>"),
        (nd.zeros((0, 2)), "\n[]\n<NDArray 0x2 @cpu(0)>"),
        (nd.zeros((1,), ctx=mx.cpu(1), dtype="bool"), "\n[False]\n<NDArray 1 @cpu(1)>"),
    ],
)
def test_printing(array, text):
    assert repr(array) == str(array) == f"{array}" == text


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((3, 2), (3, 2)),
        (-1, (6,)),
        ((0, -1), (2, 3)),
        ((-2,), (2, 3)),
        ((-3,), (6,)),
        ((-4, 1, 2, -2), (1, 2, 3)),
        ([3, 2], (3, 2)),
    ],
)
def test_reshape_is_a_view(shape, expected):
    array = x.copy()
    view = array.reshape(shape)
    assert view.shape == expected
    view[:] = 9
    assert array.asnumpy().min() == 9


def test_reshape_arguments():
    assert x.reshape(3, 2).shape == (3, 2)
    assert x.reshape(shape=(3, 2)).shape == (3, 2)
    assert x.reshape((-1, 0), reverse=True).shape == (2, 3)
    assert nd.array(3).reshape((1, 1)).shape == (1, 1)
    assert nd.ones((1,)).reshape(()).shape == ()
    assert nd.zeros((0, 4)).reshape((2, -1)).shape == (2, 0)
    with pytest.raises(ValueError, match=r"Cannot reshape array of size 6 into shape \(4,\)"):
        x.reshape((4,))
    with pytest.raises(TypeError, match="unknown keywords in reshape: foo"):
        x.reshape((2, 3), foo=1)
    with pytest.raises(ValueError, match="must be provided"):
        x.reshape()
    for shape in ("a", (2.0, 3)):
        with pytest.raises(TypeError):
            x.reshape(shape)
    for shape in ((-5,), (-1, -1), (1, 1, 0)):
        with pytest.raises(MXNetError):
            x.reshape(shape)


def test_axes():
    assert x.T.shape == x.transpose().shape == x.transpose((1, 0)).shape == x.transpose(1, 0).shape == (3, 2)
    assert nd.arange(3).T.shape == (3,)
    ones = nd.ones((1, 2, 1))
    for inplace in (False, True):
        assert x.expand_dims(1, inplace=inplace).shape == (2, 1, 3)
        assert x.expand_dims(-1, inplace=inplace).shape == (2, 3, 1)
        assert ones.squeeze(inplace=inplace).shape == (2,)
        assert ones.squeeze((0, 2), inplace=inplace).shape == (2,)
        assert ones.squeeze(axis=-1, inplace=inplace).shape == (1, 2)
        assert nd.ones((1, 1)).squeeze(inplace=inplace).shape == (1,)
        assert nd.ones((2, 3, 4)).flatten(inplace=inplace).shape == (2, 12)
        with pytest.raises(ValueError):
            ones.squeeze(1, inplace=inplace)
        with pytest.raises(ValueError):
            x.expand_dims(5, inplace=inplace)
    view = ones.squeeze(inplace=True)
    view[:] = 7
    assert ones.asnumpy().ravel().tolist() == [7, 7]


def test_broadcast_to():
    assert nd.ones((3,)).broadcast_to((2, 3)).shape == (2, 3)
    same = x.broadcast_to((2, 3))
    same[:] = 0
    assert x.asnumpy().max() == 5
    for shape in ((3,), (2, 4), (1, 3)):
        with pytest.raises(ValueError, match="could not be broadcast"):
            x.broadcast_to(shape)
    assert nd.ones((1, 1)).broadcast_like(x).shape == (2, 3)


def test_types_and_devices():
    assert x.astype("int32").dtype == np.int32
    assert x.astype(np.float16).dtype == np.float16
    assert x.astype("float32") is not x
    assert x.astype("float32", copy=False) is x
    assert x.as_in_context(mx.cpu()) is x
    moved = x.as_in_context(mx.cpu(1))
    assert moved.context == mx.cpu(1)
    np.testing.assert_array_equal(moved.asnumpy(), x.asnumpy())
    target = nd.zeros((2, 3), dtype="int32", ctx=mx.cpu(2))
    assert x.copyto(target) is target
    assert target.asnumpy().tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(MXNetError, match=r"other has shape \(3, 2\)"):
        x.copyto(nd.zeros((3, 2)))
    with pytest.raises(TypeError):
        x.copyto(1)
    with pytest.warns(RuntimeWarning):
        assert x.copyto(x) is False
    with pytest.raises(MXNetError, match="on cpu"):
        x + moved
    assert x.as_nd_ndarray() is x
    assert x.tostype("default") is not x
    for refused in (lambda: x.tostype("csr"), x.as_np_ndarray):
        with pytest.raises(MXNetError):
            refused()


def test_gradients_through_copies_and_devices():
    array = nd.ones((2,))
    array.attach_grad()
    with autograd.record():
        moved = array.as_in_context(mx.cpu(1)) * 2
        loss = moved.as_in_context(mx.cpu()) + array.copy() + array.astype("float64").astype("float32") + nd.array(array)
    loss.backward()
    assert array.grad.asnumpy().tolist() == [5, 5]


@pytest.mark.parametrize("device", [mx.cpu(1), mx.simulated(0)])
def test_gradients_cross_devices(device):
    array, weight = nd.array([[1, 2]]), nd.array([[3, 4]], ctx=device)
    array.attach_grad()
    weight.attach_grad()
    with autograd.record():
        loss = (array.as_in_context(device) * weight).sum(axis=1) * weight[0, 0]
        total = loss.as_in_context(mx.cpu()) * array[0]
    total.backward()
    assert array.grad.context == mx.cpu()
    assert weight.grad.context == device
    np.testing.assert_allclose(array.grad.asnumpy(), [[33 + 27, 33 + 36]])
    np.testing.assert_allclose(weight.grad.asnumpy(), [[9 + 33, 18]])


def test_conversion_to_python():
    one, whole = nd.array([2.5]), nd.array([7], dtype="int32")
    assert (float(one), int(one), bool(one), one.asscalar(), one.item()) == (2.5, 2, True, 2.5, 2.5)
    assert isinstance(one.asscalar(), np.float32)
    assert list(range(10))[whole] == 7
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert not bool(nd.zeros((0,)))
    with pytest.raises(ValueError, match="ambiguous"):
        bool(x)
    with pytest.raises(ValueError, match="not a scalar"):
        x.asscalar()
    for convert in (float, int, operator.index):
        with pytest.raises(TypeError):
            convert(x)
    with pytest.raises(TypeError):
        operator.index(one)


def test_copies_are_separate():
    for twin in (copy.copy(x), copy.deepcopy(x), x.copy()):
        twin[:] = 9
        assert x.asnumpy().max() == 5


def test_detach_shares_the_value():
    array = nd.ones((2,))
    array.attach_grad()
    with autograd.record():
        loss = array.detach() * array
    loss.backward()
    assert array.grad.asnumpy().tolist() == [1, 1]
    array.detach()[:] = 4
    assert array.asnumpy().tolist() == [4, 4]


OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.mod, operator.pow,
             operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]  # fmt: skip


@pytest.mark.parametrize("operation", OPERATORS)
def test_operators(operation):
    left, right = np.array([[1, 2, 3]], np.float32), np.array([[2], [3]], np.float32)
    for a, b in ((left, right), (left, 2.0), (2.0, left), (np.float32(3), left)):
        wrapped = [nd.array(side) if isinstance(side, np.ndarray) else side for side in (a, b)]
        result = operation(*wrapped)
        assert result.dtype == np.float32
        np.testing.assert_allclose(result.asnumpy(), operation(a, b).astype(np.float32), rtol=1e-6)


@pytest.mark.parametrize("other", ["a", None, [1, 2], np.ones(3)])
def test_operators_refuse(other):
    for operation in OPERATORS:
        with pytest.raises(TypeError, match="not supported"):
            operation(x, other)


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (operator.iadd, "__add__"),
        (operator.isub, "__sub__"),
        (operator.imul, "__mul__"),
        (operator.itruediv, "__truediv__"),
        (operator.imod, "__mod__"),
    ],
)
def test_operators_in_place(operation, name):
    for other in (2, 2.5, nd.array([[2], [3]])):
        array = x.copy()
        view = array.reshape((6,))
        expected = getattr(array, name)(other).asnumpy()
        assert operation(array, other) is array
        np.testing.assert_array_equal(array.asnumpy(), expected)
        np.testing.assert_array_equal(view.asnumpy(), expected.ravel())
    with pytest.raises(TypeError):
        operation(x.copy(), "a")


def test_in_place_with_itself_and_views():
    array = nd.arange(4)
    array *= array
    assert array.asnumpy().tolist() == [0, 1, 4, 9]
    array[1:] += array[:-1]
    assert array.asnumpy().tolist() == [0, 1, 5, 13]


def test_unary():
    assert (-x).asnumpy().tolist() == [[0, -1, -2], [-3, -4, -5]]
    assert abs(-x).asnumpy().tolist() == x.asnumpy().tolist()


def test_slice_assign():
    array = nd.zeros((2, 3))
    assert array.slice_assign(nd.ones((1, 2)), (0, 1), (1, 3), (1, 1)) is array
    array.slice_assign_scalar(5, (1, 0), (2, 3), (1, 2))
    assert array.asnumpy().tolist() == [[0, 1, 1], [5, 0, 5]]


FLUENT = {
    "sum": {}, "mean": {"axis": 0}, "max": {}, "min": {}, "prod": {}, "nansum": {}, "nanprod": {}, "norm": {}, "argmax": {"axis": 1},
    "argmin": {}, "argsort": {}, "sort": {}, "topk": {}, "clip": {"a_min": 1, "a_max": 2}, "abs": {}, "sign": {}, "flatten": {},
    "exp": {}, "expm1": {}, "log1p": {}, "sqrt": {}, "cbrt": {}, "square": {}, "sin": {}, "cos": {}, "tan": {}, "arctan": {},
    "sinh": {}, "cosh": {}, "tanh": {}, "arcsinh": {}, "degrees": {}, "radians": {}, "relu": {}, "sigmoid": {}, "softmax": {},
    "log_softmax": {}, "softmin": {}, "round": {}, "rint": {}, "fix": {}, "floor": {}, "ceil": {}, "trunc": {},
    "zeros_like": {}, "ones_like": {}, "shape_array": {}, "size_array": {}, "tile": {"reps": (2, 1)}, "repeat": {"repeats": 2},
    "flip": {"axis": 0}, "diag": {}, "swapaxes": {"dim1": 0, "dim2": 1}, "slice_axis": {"axis": 1, "begin": 0, "end": 2},
    "slice": {"begin": (0, 1), "end": (1, 3)}, "one_hot": {"depth": 6}, "expand_dims": {"axis": 0}, "transpose": {},
}  # fmt: skip


@pytest.mark.parametrize("name", FLUENT)
def test_methods_are_the_functions(name):
    np.testing.assert_array_equal(getattr(x, name)(**FLUENT[name]).asnumpy(), getattr(nd, name)(x, **FLUENT[name]).asnumpy())


def test_methods_with_arrays():
    assert x.take(nd.array([0])).shape == (1, 3)
    assert x.pick(nd.array([0, 1])).asnumpy().tolist() == [0, 4]
    assert [part.shape for part in x.split(3, axis=1)] == [(2, 1)] * 3
    assert x.reshape_like(nd.zeros((3, 2))).shape == (3, 2)
    assert x.slice_like(nd.zeros((1, 2))).shape == (1, 2)
    assert x.broadcast_axes is not None


def test_attributes_are_fixed():
    for name in ("foo", "shape", "grad"):
        with pytest.raises(AttributeError):
            setattr(x, name, 1)
    assert (x.size, x.ndim, x.stype, x.ctx, x.writable) == (6, 2, "default", mx.cpu(), True)
    assert hash(x) == hash(x)
    assert len({x, x.copy()}) == 2


def test_a_kernel_that_fails_in_place_leaves_its_error_in_the_array():
    target = mx.nd.ones((1, 2))
    mx.nd.take(mx.nd.ones((2, 2)), mx.nd.array([5.0]), mode="raise", out=target)
    with pytest.raises(MXNetError, match=r"out of bounds[\s\S]*test_methods.py"):
        target.wait_to_read()
    later = target + 1
    with pytest.raises(MXNetError, match="out of bounds"):
        later.asnumpy()
    target[:] = 3
    assert target.asnumpy().tolist() == [[3, 3]]
