"""Reductions: every operation over every dtype and any axes, long and short, and where the largest is."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.ops.cpu.reduce import arg_builder, reduce_builder
from weft.ops.cpu.runner import run_kernel

FLOATS = ("float16", "float32", "float64")
INTEGERS = ("uint8", "int8", "int32", "int64")


def spec(array):
    return SimpleNamespace(shape=array.shape, dtype=array.dtype, size=array.size, nbytes=array.nbytes)


def compute(name, data, axis, dtype=None, **more):
    axes = tuple(range(data.ndim)) if axis is None else tuple(a % data.ndim for a in ((axis,) if isinstance(axis, int) else axis))
    shape = tuple(n for i, n in enumerate(data.shape) if i not in axes) or (1,)
    out = np.zeros(shape, dtype or data.dtype)
    kernel = reduce_builder(name)(SimpleNamespace(axis=axis, exclude=False, **more), [spec(data)], [spec(out)])
    assert kernel is not None
    run_kernel(kernel, [data], [out])
    return out


def values(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(0 if dtype == "uint8" else -9, 10, shape).astype(dtype)


FUNCTIONS = {"sum": np.sum, "mean": np.mean, "prod": np.prod, "max": np.max, "min": np.min, "nansum": np.nansum,
             "nanprod": np.nanprod, "abs_sum": lambda x, axis: np.abs(x).sum(axis),
             "square_sum": lambda x, axis: np.square(x).sum(axis)}  # fmt: skip


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(("shape", "axis"), [((7,), None), ((3, 4, 5), (0, 2)), ((3, 4, 5), 1), ((100, 3), 0), ((5, 1000), 1),
                                             ((33, 70), 0), ((2, 3, 4, 5, 6), (0, 2, 4)), ((2, 3, 4, 5, 6), (1, 3))])  # fmt: skip
def test_floats(name, dtype, shape, axis):
    data = values(shape, dtype)
    if name in ("prod", "nanprod"):
        data = (1 + data * dtype_scale(shape)).astype(dtype)
    if name.startswith("nan"):
        data.flat[:: 3] = np.nan
    expected = FUNCTIONS[name](data.astype("float64"), axis=axis)
    tolerance = {"float16": 1e-3, "float32": 1e-6, "float64": 1e-14}[dtype]
    got = compute(name, data, axis)
    np.testing.assert_allclose(got.reshape(np.shape(expected)), expected, rtol=tolerance * 4, atol=tolerance * 10)


def dtype_scale(shape):
    return 0.5 / np.sqrt(np.prod(shape))


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", ["sum", "mean", "prod", "max", "min", "abs_sum"])
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2)])
def test_integers(name, dtype, axis):
    data = values((4, 5, 6), dtype)
    wide = FUNCTIONS[name](data.astype("int64"), axis=axis)
    expected = wide.astype(dtype)
    if name == "mean":  # the sum wraps before the division
        total = data.sum(axis=axis, dtype=dtype).astype("int64")
        expected = np.trunc(total / (data.size // max(1, np.size(total)))).astype(dtype)
    np.testing.assert_array_equal(compute(name, data, axis).reshape(np.shape(expected)), expected)


def test_bool():
    data = np.array([[True, True], [False, True]])
    assert compute("sum", data, None).tolist() == [True]
    assert compute("min", data, 1).tolist() == [True, False]


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_axes(data):
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=6)))
    if data.draw(st.booleans()):
        shape = (*shape[:-1], data.draw(st.sampled_from([33, 64, 130, 1030])))
    axes = tuple(sorted(data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))))
    array = np.random.default_rng(1).integers(-50, 50, shape)
    for dtype in ("float32", "int32", "float16"):
        with np.errstate(over="ignore"):
            expected = array.sum(axis=axes).astype(dtype)
        got = compute("sum", array.astype(dtype), axes)
        np.testing.assert_array_equal(got.reshape(expected.shape), expected)


@pytest.mark.parametrize(("shape", "axis"), [((3_000_001,), None), ((1_000_003, 3), 0), ((300_000, 10), 0), ((3, 1_000_000), 1),
                                             ((10_000, 300), 0), ((64, 30, 1000), (0, 2)), ((2, 700_000, 2), 1),
                                             ((3, 5, 100_000), (0, 1))])  # fmt: skip
@pytest.mark.parametrize("name", ["sum", "max"])
@pytest.mark.parametrize("dtype", ["float32", "int32", "float16"])
def test_long_reductions(shape, axis, name, dtype):
    data = np.random.default_rng(0).integers(-3, 4, shape).astype(dtype)
    expected = FUNCTIONS[name](data.astype("int64"), axis=axis)
    with np.errstate(over="ignore"):
        expected = expected.astype(dtype)
    np.testing.assert_array_equal(compute(name, data, axis).reshape(np.shape(expected)), expected)


def test_single_precision_sums_are_close_to_exact():
    data = np.random.default_rng(0).random(5_000_000, dtype="float32")
    exact = data.sum(dtype="float64")
    assert abs(compute("sum", data, None)[0] - exact) <= 2e-7 * exact
    matrix = data.reshape(-1, 5)
    np.testing.assert_allclose(compute("sum", matrix, 0), matrix.sum(0, dtype="float64"), rtol=3e-7)


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("place", [0, 7, 500, 999])
def test_nan_wins(name, place):
    data = values((2, 1000), "float32")
    data[1, place] = np.nan
    assert np.isnan(compute(name, data, 1)).tolist() == [False, True]
    assert np.isnan(compute(name, np.ascontiguousarray(data.T), 0)).tolist() == [False, True]


@pytest.mark.parametrize("dtype", (*FLOATS, *INTEGERS))
def test_norm(dtype):
    data = values((6, 50), dtype)
    wide = data.astype("float64")
    orders = {1: np.abs(wide).sum(1), 2: np.sqrt(np.square(wide).sum(1))}
    for order, expected in list(orders.items())[: 2 if np.dtype(dtype).kind == "f" else 1]:
        expected = expected if np.dtype(dtype).kind == "f" else np.trunc(expected).astype("int64").astype(dtype)
        np.testing.assert_allclose(compute("norm", data, 1, ord=order), expected, rtol=1e-3 if dtype == "float16" else 1e-6)


def test_norm_of_what_is_large():
    assert compute("norm", np.full(4, 1e30, "float32"), None, ord=2)[0] == np.float32(2e30)


def test_nothing_to_reduce():
    empty = np.zeros((0, 3), "float32")
    assert compute("sum", empty, 0).tolist() == [0, 0, 0]
    assert compute("max", empty, 0).tolist() == [-np.inf] * 3
    assert compute("max", np.zeros((0, 2), "int8"), 0).tolist() == [-128] * 2
    assert compute("min", np.zeros((0, 2), "uint8"), 0).tolist() == [255] * 2
    data = values((3, 1, 4), "float32")
    np.testing.assert_array_equal(compute("sum", data, 1), data[:, 0])


@pytest.mark.parametrize("dtype", (*FLOATS, *INTEGERS))
@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize(("shape", "axis"), [((9,), None), ((4, 200), 1), ((200, 4), 0), ((3, 50, 2), 1), ((5, 6), None)])
def test_where_the_largest_is(name, dtype, shape, axis):
    data = values(shape, dtype)
    expected = getattr(np, name)(data, axis=axis)
    out = np.zeros(np.shape(expected) or (1,), "float32")
    kernel = arg_builder(name)(SimpleNamespace(axis=axis), [spec(data)], [spec(out)])
    run_kernel(kernel, [data], [out])
    np.testing.assert_array_equal(out.reshape(np.shape(expected)), expected)


@pytest.mark.parametrize("size", [4, 100])
def test_the_first_nan_is_the_largest(size):
    data = np.arange(size, dtype="float32")
    data[[2, 3]] = np.nan
    for name in ("argmax", "argmin"):
        out = np.zeros(1, "float32")
        run_kernel(arg_builder(name)(SimpleNamespace(axis=0), [spec(data)], [spec(out)]), [data], [out])
        assert out[0] == 2
