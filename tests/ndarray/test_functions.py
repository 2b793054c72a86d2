"""Functions of arrays and numbers, the parts of mx.nd, random numbers, control flow."""

import subprocess
import sys

import numpy as np
import pytest

import weft as mx
from weft import autograd, nd
from weft.engine.errors import MXNetError
from weft.ndarray._namespace import group_of
from weft.ops import registry

NUMPY = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide, "true_divide": np.divide,
    "modulo": np.mod, "power": np.power, "maximum": np.maximum, "minimum": np.minimum, "equal": np.equal,
    "not_equal": np.not_equal, "greater": np.greater, "greater_equal": np.greater_equal, "lesser": np.less,
    "lesser_equal": np.less_equal, "logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor,
}  # fmt: skip


@pytest.mark.parametrize("name", NUMPY)
def test_functions_of_two(name):
    function = getattr(nd, name)
    left, right = np.array([[0, 1, 2]], np.float32), np.array([[2], [1]], np.float32)
    for a, b in ((left, right), (left, 2), (2, left + 1), (np.float32(1), left + 1)):
        wrapped = [nd.array(side) if isinstance(side, np.ndarray) else side for side in (a, b)]
        np.testing.assert_allclose(function(*wrapped).asnumpy(), NUMPY[name](a, b).astype(np.float32), rtol=1e-6)
    assert function(5, 3) == NUMPY[name](5, 3)
    for a, b in (("a", 1), (nd.ones((1,)), "a"), (1, None), (np.ones(1), 1)):
        with pytest.raises(TypeError, match="[a-z_]+: .hs="):
            function(a, b)


def test_parts_of_nd():
    assert nd.op.relu is nd.relu
    assert not any(name.startswith("_npi") for name in dir(nd._internal))
    for name, op in registry.all_names().items():
        part, short = group_of(name)
        if part not in ("sparse", "random"):  # some of random's names are functions of Python
            assert callable(getattr(getattr(nd, part), short) if part else getattr(nd, name)), op
    assert nd._internal._plus_scalar(nd.ones((1,)), scalar=2).asnumpy().tolist() == [3]
    assert nd.ndarray.NDArray is nd.NDArray is mx.ndarray.NDArray
    assert nd.utils.load is nd.load
    assert "exp" in dir(nd) and "FullyConnected" in dir(nd.op) and "_plus_scalar" in dir(nd._internal)
    assert "uniform_like" in dir(nd.random) and "foreach" in dir(nd.contrib)


def test_star_import():
    names = {}
    exec("from weft.nd import *", names)
    assert {"NDArray", "array", "exp", "FullyConnected", "add", "waitall", "random", "contrib"} <= names.keys()
    assert not any(name.startswith("_") for name in names if name != "__builtins__")


def test_unknown_functions():
    with pytest.raises(AttributeError, match="did you mean .*FullyConnected"):
        nd.FullyConected  # noqa: B018
    with pytest.raises(AttributeError, match="has no attribute"):
        nd.linalg.nothing_like_it  # noqa: B018
    with pytest.raises(AttributeError):
        nd._plus_scalar  # noqa: B018


def test_sparse_says_no():
    for name in ("csr_matrix", "row_sparse_array", "zeros", "CSRNDArray"):
        with pytest.raises(MXNetError, match="sparse storage is not supported yet"):
            getattr(nd.sparse, name)(1)
    assert not isinstance(nd.ones((1,)), nd.sparse.BaseSparseNDArray)
    # Operators that MXNet has for both take dense arrays.
    assert (nd.sparse.dot(nd.ones((2, 3)), nd.ones((3, 2))).asnumpy() == 3).all()


class TestRandom:
    def test_numbers_and_arrays_as_parameters(self):
        low, high = nd.array([0, 10]), nd.array([1, 11])
        assert nd.random.uniform(low, high).shape == (2,)
        samples = nd.random.uniform(low, high, shape=50).asnumpy()
        assert samples.shape == (2, 50)
        assert (samples[1] >= 10).all() and (samples[0] <= 1).all()
        assert nd.random.normal(low, high, shape=(2, 3)).shape == (2, 2, 3)
        assert nd.random.exponential(high, shape=2).shape == (2, 2)
        for wrong in ((low, 1), (0, low)):
            with pytest.raises(ValueError, match="must all have the same type"):
                nd.random.uniform(*wrong)
        with pytest.raises(ValueError, match="either NDArray or numbers"):
            nd.random.uniform("a")

    @pytest.mark.parametrize(
        ("name", "arguments", "mean"),
        [
            ("uniform", (2, 4), 3),
            ("normal", (3, 2), 3),
            ("exponential", (3,), 3),
            ("gamma", (2, 3), 6),
            ("poisson", (4,), 4),
            ("negative_binomial", (3, 0.5), 3),
            ("generalized_negative_binomial", (3, 0.5), 3),
            ("randint", (0, 7), 3),
        ],
    )
    def test_distributions(self, name, arguments, mean):
        for module in (nd.random, mx.random):
            samples = getattr(module, name)(*arguments, shape=(100, 100))
            assert samples.dtype == (np.int32 if name == "randint" else np.float32)
            assert abs(samples.asnumpy().mean() - mean) < 0.2
        if name != "randint":
            assert getattr(nd.random, name)(*arguments, shape=3, dtype="float64").dtype == np.float64
        out = nd.zeros((4,), dtype=samples.dtype)
        assert getattr(nd.random, name)(*arguments, out=out) is out

    def test_seed(self):
        mx.random.seed(5)
        first = nd.random.uniform(shape=(8,)).asnumpy()
        assert (nd.random.uniform(shape=(8,)).asnumpy() != first).any()
        mx.random.seed(5)
        assert (nd.random.uniform(shape=(8,)).asnumpy() == first).all()
        mx.random.seed(5, ctx=mx.cpu(1))
        other = nd.random.uniform(shape=(8,), ctx=mx.cpu(1)).asnumpy()
        mx.random.seed(5, ctx=mx.cpu(1))
        assert (nd.random.uniform(shape=(8,), ctx=mx.cpu(1)).asnumpy() == other).all()
        for seed in (2**33, -1, np.int64(3)):
            mx.random.seed(seed)
        for wrong in ("a", 1.5):
            with pytest.raises(ValueError, match="seed_state"):
                mx.random.seed(wrong)
        with pytest.raises(ValueError):
            mx.random.seed(1, ctx="cpu")

    def test_others(self):
        assert nd.random.randn(2, 3).shape == (2, 3)
        assert abs(float(nd.random.randn(2000, loc=5, scale=0.1).mean()) - 5) < 0.1
        assert nd.random.uniform().shape == (1,)
        assert nd.random.multinomial(nd.array([[0, 1], [1, 0]]), shape=(2,)).asnumpy().tolist() == [[1, 1], [0, 0]]
        samples, probabilities = nd.random.multinomial(nd.array([0, 1]), get_prob=True)
        assert probabilities.asnumpy().tolist() == [0]
        assert sorted(nd.random.shuffle(nd.arange(5)).asnumpy().tolist()) == [0, 1, 2, 3, 4]
        assert nd.random.uniform_like(nd.zeros((2, 3))).shape == (2, 3)
        with pytest.raises(TypeError):
            nd.random.randn(2, foo=1)


class TestControlFlow:
    def test_foreach(self):
        data, state = nd.array([[1, 2], [3, 4]]), nd.zeros((2,))
        data.attach_grad()
        with autograd.record():
            outputs, last = nd.contrib.foreach(lambda item, total: (item * 2, total + item), data, state)
            loss = outputs.sum() + (last * last).sum()
        loss.backward()
        assert outputs.asnumpy().tolist() == [[2, 4], [6, 8]]
        assert last.asnumpy().tolist() == [4, 6]
        assert data.grad.asnumpy().tolist() == [[10, 14], [10, 14]]

    def test_foreach_with_lists(self):
        data = nd.arange(4).reshape((2, 2))
        outputs, states = nd.contrib.foreach(lambda d, s: ([d[0] + s[0], d[1]], [s[0] + 1]), [data, data], [nd.zeros((2,))])
        assert [item.shape for item in outputs] == [(2, 2), (2, 2)]
        assert states[0].asnumpy().tolist() == [2, 2]
        with pytest.raises(ValueError, match="foreach input"):
            nd.contrib.foreach(lambda d, s: (d, s), 1, data)
        with pytest.raises(ValueError, match="same length"):
            nd.contrib.foreach(lambda d, s: (d[0], s), [data, nd.zeros((3,))], data)

    def test_while_loop(self):
        outputs, (i, total) = nd.contrib.while_loop(
            lambda i, total: i <= 3, lambda i, total: ([i + total], [i + 1, total + i]), (nd.array([0]), nd.array([1])), max_iterations=6
        )
        assert outputs[0].asnumpy().ravel().tolist() == [1, 2, 4, 7, 0, 0]
        assert (float(i), float(total)) == (4, 7)
        assert nd.contrib.while_loop(lambda i: i < 0, lambda i: (i, i + 1), nd.array([0]), max_iterations=2)[0] == []
        assert float(nd.contrib.while_loop(lambda i: i < 9, lambda i: (i, i + 1), nd.array([0]), max_iterations=2)[1]) == 2
        with pytest.raises(ValueError, match="max_iterations"):
            nd.contrib.while_loop(lambda i: i < 0, lambda i: (i, i), nd.array([0]))
        with pytest.raises(ValueError, match="new_loop_vars"):
            nd.contrib.while_loop(lambda i: i < 5, lambda i: (i, [i, i]), nd.array([0]), max_iterations=3)

    def test_cond(self):
        value = nd.array([2])
        value.attach_grad()
        with autograd.record():
            result = nd.contrib.cond(value > 1, lambda: value * 10, lambda: value)
        result.backward()
        assert float(value.grad) == 10
        assert nd.contrib.cond(0, lambda: [value], lambda: [value, value])[1] is value
        with pytest.raises(ValueError):
            nd.contrib.cond(nd.array([1, 2]), lambda: value, lambda: value)


def test_tests_of_numbers():
    values = nd.array([1, float("inf"), float("-inf"), float("nan")])
    assert nd.contrib.isfinite(values).asnumpy().tolist() == [1, 0, 0, 0]
    assert nd.contrib.isinf(values).asnumpy().tolist() == [0, 1, 1, 0]
    assert nd.contrib.isnan(values).asnumpy().tolist() == [0, 0, 0, 1]


def test_rand_zipfian():
    samples, true_count, sampled_count = nd.contrib.rand_zipfian(nd.array([3]), 4, 5)
    assert samples.dtype == np.int64 and (samples.asnumpy() < 5).all()
    np.testing.assert_allclose(true_count.asnumpy(), np.log(5 / 4) / np.log(6) * 4, rtol=1e-6)
    assert sampled_count.shape == (4,) and sampled_count.dtype == np.float64


def test_importing_is_lazy():
    code = "import sys, weft.nd; print(sorted(m for m in sys.modules if m.startswith('weft.ops.nn_') or m == 'weft.ops.unary'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
