"""weft.test_utils: tolerances, reports, gradient checks, statistics."""

import os
import threading

import numpy as np
import pytest

import weft as mx
from weft import test_utils as tu


def test_report_names_the_largest_error(capsys):
    with pytest.raises(AssertionError) as caught:
        tu.assert_almost_equal(
            mx.nd.array([[1.0, 2], [3, 4]]), mx.nd.array([[1.0, 2.1], [3, 5]]), rtol=1e-3, atol=1e-4, names=("x", "y"), mismatches=(1, 1)
        )
    text = str(caught.value)
    assert "Error 196.0784" in text
    assert "(mismatch at least 50.000000%)" in text
    assert "Location of maximum error: (1, 1), x=4.00000000, y=5.00000000" in text
    assert "1: Error 196.0784" in capsys.readouterr().out


def test_tolerance_follows_the_less_exact_dtype():
    a = np.ones(3, np.float32)
    tu.assert_almost_equal(a, (a + 0.005).astype(np.float16))
    with pytest.raises(AssertionError):
        tu.assert_almost_equal(a, a + 0.005)
    with pytest.raises(AssertionError):
        tu.assert_almost_equal(np.array([1]), np.array([2]))


def test_nan_and_shapes():
    nan = np.array([1.0, np.nan])
    tu.assert_almost_equal(nan, nan, equal_nan=True)
    with pytest.raises(AssertionError, match="Error nan"):
        tu.assert_almost_equal(nan, nan)
    tu.assert_almost_equal(np.ones(1), np.ones(3))
    with pytest.raises(AssertionError, match="are not equal"):
        tu.assert_almost_equal(np.ones(1), np.ones(3), use_broadcast=False)


@pytest.mark.parametrize("request_", ["write", "add", "null"])
def test_numeric_gradient_of_functions(request_):
    x = np.random.uniform(0.5, 1.5, (2, 3))
    tu.check_numeric_gradient(lambda a, b: mx.nd.dot(a * a, b), [x, x.T], grad_nodes={"arg0": request_, "arg1": "write"})


def test_numeric_gradient_finds_a_wrong_gradient():
    class Wrong(mx.autograd.Function):
        def forward(self, x):
            return x * x

        def backward(self, dy):
            return dy

    with pytest.raises(AssertionError, match="NUMERICAL_arg0"):
        tu.check_numeric_gradient(lambda a: Wrong()(a), [np.array([1.0, 2.0])])


def test_numeric_gradient_in_double_precision():
    tu.check_numeric_gradient(mx.nd.sigmoid, [np.linspace(-1, 1, 5)], dtype=np.float64, numeric_eps=1e-5, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("check", [tu.check_symbolic_forward, tu.check_speed, tu.simple_forward])
def test_symbol_checks_refuse_other_things(check):
    with pytest.raises(mx.base.MXNetError, match="expected a Symbol"):
        check(mx.nd.exp, *([[np.ones(2)], [np.ones(2)]] if check is tu.check_symbolic_forward else []))


def test_same_array():
    a = mx.nd.arange(6).reshape((2, 3))
    assert tu.same_array(a, a)
    assert tu.same_array(a[0], a[0])
    assert not tu.same_array(a, a.copy())
    assert a.asnumpy().ravel().tolist() == list(range(6))


def test_environment():
    with tu.environment({"WEFT_TEST_A": "1", "WEFT_TEST_B": None}):
        assert os.environ["WEFT_TEST_A"] == "1"
    assert "WEFT_TEST_A" not in os.environ
    with pytest.raises(KeyError), tu.environment("WEFT_TEST_A", "x"):
        raise KeyError
    assert "WEFT_TEST_A" not in os.environ
    with tu.environment("MXNET_TEST_DEFAULT_CTX", "cpu(1)"):
        tu.settings._choice.made = False
        assert tu.default_context() == mx.cpu(1)


def test_retry_gives_up():
    runs = []

    @tu.retry(3)
    def never():
        runs.append(1)
        raise AssertionError

    with pytest.raises(AssertionError):
        never()
    assert len(runs) == 3


def test_chi_square_values():
    """Survival function of the chi-square distribution, against values of published tables."""
    upper = tu.statistics._upper_gamma
    for degrees, statistic, p in ((1, 3.841459, 0.05), (5, 11.070498, 0.05), (10, 2.558212, 0.99), (100, 124.342113, 0.05)):
        assert upper(degrees / 2, statistic / 2) == pytest.approx(p, abs=1e-6)


def test_generators():
    r = np.random.RandomState(3)
    buckets, probs = tu.gen_buckets_probs_with_ppf(lambda p: p, 5)
    assert len(tu.verify_generator(lambda n: r.uniform(size=n), buckets, probs, nsamples=5000)) == 5
    with pytest.raises(AssertionError, match="Chi-square"):
        tu.verify_generator(lambda n: r.uniform(size=n) ** 2, buckets, probs, nsamples=5000)
    tu.verify_generator(lambda n: r.randint(0, 3, n), [0, 1, 2], [1 / 3] * 3, nsamples=5000)
    assert not tu.mean_check(lambda n: r.normal(1, 1, n), 0, 1, 1000)
    assert tu.var_check(lambda n: r.normal(0, 1, n), 1, 1000)


def test_random_arrays():
    assert tu.rand_ndarray((2, 3), dtype="float64").dtype is np.float64
    assert tu.random_arrays((2,)).dtype == np.float32
    assert all(1 <= d <= 4 for d in tu.rand_shape_nd(50, 4))
    with pytest.raises(mx.base.MXNetError, match="sparse"):
        tu.rand_ndarray((2, 3), "csr")
    assert np.allclose(tu.collapse_sum_like(np.ones((4, 2, 3)), (2, 1)), 12)


def test_reductions_take_one_axis_at_a_time():
    values = np.random.RandomState(3).rand(2, 3, 4)
    for axis in (1, -1, (1,), (0, 2), [0, 1], None):
        normalized = tuple(axis) if isinstance(axis, list) else axis
        for keepdims in (False, True, 0, 1):
            expected = values.max(axis=normalized, keepdims=bool(keepdims))
            np.testing.assert_array_equal(tu.np_reduce(values, axis, keepdims, np.max), expected)
    np.testing.assert_array_equal(tu.np_reduce(values, (1,), True, np.argmax)[:, 0], values.argmax(axis=1))
    np.testing.assert_array_equal(tu.np_reduce(values, -1, False, np.argmin), values.argmin(axis=-1))


def test_the_device_of_tests_belongs_to_the_thread():
    seen = []

    def other_thread():
        tu.set_default_context(mx.cpu(3))
        seen.extend([tu.default_context(), mx.current_context(), mx.Context.default_ctx])

    thread = threading.Thread(target=other_thread)
    thread.start()
    thread.join()
    assert seen == [mx.cpu(3)] * 3
    assert tu.default_context() == mx.current_context() == mx.cpu(0)


def test_star_imports_bring_what_suites_take_from_them():
    names = {}
    exec("from weft.test_utils import *\nfrom weft.autograd import *", names)
    assert names["mx"] is mx
    assert names["NDArray"] is mx.nd.NDArray
    assert names["np"] is np


def test_optimizers_of_several_tensors_are_compared_with_steps_one_by_one():
    class OneByOne(mx.optimizer.SGD):
        def update_multi_precision(self, index, weight, grad, state):
            assert isinstance(index, int)
            super().update_multi_precision([index], [weight], [grad], [state])

    shapes = [(3, 4), (2,), (5, 1)]
    tu.compare_optimizer(OneByOne(momentum=0.5), mx.optimizer.SGD(momentum=0.5), shapes, "float32", ntensors=3)
    with pytest.raises(AssertionError):
        tu.compare_optimizer(OneByOne(), mx.optimizer.SGD(learning_rate=0.5), shapes, "float32", ntensors=3)
