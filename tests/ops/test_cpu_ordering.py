"""sort, argsort and topk against NumPy: dtypes, axes, ties, NaN."""

from types import SimpleNamespace

import numpy as np
import pytest

from weft.ops.cpu import ordering
from weft.ops.cpu.runner import run_kernel

DTYPES = ("float16", "float32", "float64", "uint8", "int8", "int32", "int64")


def spec(array):
    return SimpleNamespace(shape=array.shape, dtype=array.dtype, size=array.size, nbytes=array.nbytes)


def compute(builder, data, outs, **attrs):
    kernel = builder(SimpleNamespace(**attrs), [spec(data)], [spec(out) for out in outs])
    assert kernel is not None
    run_kernel(kernel, [data], outs)
    return outs


def order_of(values, axis, ascending):
    if ascending:
        return np.argsort(values, axis=axis, kind="stable")
    return values.shape[axis] - 1 - np.flip(np.argsort(np.flip(values, axis), axis=axis, kind="stable"), axis)


def values(shape, dtype):
    data = np.random.default_rng(0).integers(0 if dtype == "uint8" else -40, 90, shape).astype(dtype)
    if np.dtype(dtype).kind == "f":
        data.flat[::13] = np.nan
        data.flat[1::17] = -0.0
        data.flat[2::17] = 0.0
        data.flat[3::19] = -np.inf
    return data


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), [((1,), 0), ((50,), 0), ((5, 40), 1), ((40, 5), 0), ((3, 30, 4), 1), ((3, 5000), 1)])
@pytest.mark.parametrize("ascending", [True, False])
def test_sort(dtype, shape, axis, ascending):
    data = values(shape, dtype)
    order = order_of(data, axis, ascending)
    got, places = compute(ordering.sort, data, [np.zeros(shape, dtype), np.zeros(shape, "int64")], axis=axis, is_ascend=ascending)
    np.testing.assert_array_equal(places, order)
    np.testing.assert_array_equal(got, np.take_along_axis(data, order, axis))
    (single,) = compute(ordering.argsort, data, [np.zeros(shape, "float32")], axis=axis, is_ascend=ascending)
    np.testing.assert_array_equal(single, order)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [1, 3, 25, 0])
@pytest.mark.parametrize("ascending", [True, False])
def test_topk(dtype, k, ascending):
    data = values((4, 30, 3), dtype)
    order = order_of(data, 1, ascending)[:, : k or 30]
    shape = order.shape
    options = {"axis": 1, "k": k, "is_ascend": ascending}
    got, places = compute(ordering.topk, data, [np.zeros(shape, dtype), np.zeros(shape, "int32")], ret_typ="both", **options)
    np.testing.assert_array_equal(places, order)
    np.testing.assert_array_equal(got, np.take_along_axis(data, order, 1))
    (mask,) = compute(ordering.topk, data, [np.full(data.shape, 7, dtype)], ret_typ="mask", **options)
    expected = np.zeros_like(data)
    np.put_along_axis(expected, order, 1, 1)
    np.testing.assert_array_equal(mask, expected)
    (places,) = compute(ordering.topk, data, [np.zeros(shape, "float16")], ret_typ="indices", **options)
    np.testing.assert_array_equal(places, order)


def test_all_of_a_flat_array():
    data = np.random.default_rng(0).standard_normal((300, 700)).astype("float32")
    (order,) = compute(ordering.argsort, data, [np.zeros(210_000, "int64")], axis=None, is_ascend=True)
    np.testing.assert_array_equal(order, np.argsort(data, axis=None, kind="stable"))
