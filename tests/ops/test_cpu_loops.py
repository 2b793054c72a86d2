"""Accuracy of the native loops, in units in the last place, and their values at the edges."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from weft.ops.cpu._target import last_level_cache
from weft.ops.cpu.elementwise import has_loop, ufunc_builder
from weft.ops.cpu.runner import run_kernel


def spec(array):
    return SimpleNamespace(shape=array.shape, dtype=array.dtype, size=array.size, nbytes=array.nbytes)


def compute(name, *inputs, params=(), **attrs):
    out = np.zeros(np.broadcast_shapes(*(item.shape for item in inputs)), inputs[0].dtype)
    kernel = ufunc_builder(name, params=params)(SimpleNamespace(**attrs), [spec(item) for item in inputs], [spec(out)])
    assert kernel is not None
    run_kernel(kernel, list(inputs), [out])
    return out


def units(got, exact):
    """Distance from the exact results, given in higher precision, in units in the last place of ``got``."""
    with np.errstate(all="ignore"):
        rounded = exact.astype(got.dtype)
        size = np.spacing(np.abs(rounded).clip(np.finfo(got.dtype).tiny, np.finfo(got.dtype).max)).astype(exact.dtype)
        distance = np.abs(got.astype(exact.dtype) - exact) / size
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    return np.where(same, 0, distance)


vectorize = np.vectorize
EXACT = {
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "log2": np.log2, "log10": np.log10, "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "softsign": lambda x: x / (1 + np.abs(x)),
    "softrelu": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), "sin": np.sin, "cos": np.cos,
    "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "cbrt": np.cbrt, "rcbrt": lambda x: 1 / np.cbrt(x),
    "reciprocal": lambda x: 1 / x, "square": np.square, "erf": vectorize(math.erf, otypes="d"),
    "abs": np.abs, "negative": np.negative,
}  # fmt: skip
POSITIVE = {"log", "log2", "log10", "sqrt", "rsqrt"}


def samples(dtype, name):
    """Numbers of every size, near the places where functions change, both signs where both have results."""
    rng = np.random.default_rng(0)
    top = 38 if dtype == "float32" else 300
    wide = 10.0 ** rng.uniform(-top, top, 3000)
    small = 10.0 ** rng.uniform(-12, 3, 6000)
    near = 1 + rng.standard_normal(4000) * 0.3
    data = np.concatenate([wide, small, np.abs(near), np.linspace(0, 12, 4001)]).astype(dtype)
    if name == "log1p":
        return np.concatenate([data, -data[(data < 1) & (data > 0)]])
    return data if name in POSITIVE else np.concatenate([data, -data])


@pytest.mark.parametrize("name", EXACT)
def test_float32_is_within_four_units(name):
    data = samples("float32", name)
    with np.errstate(all="ignore"):
        exact = EXACT[name](data.astype("float64"))
    if name in ("sigmoid", "rsqrt", "reciprocal"):  # subnormal results may become 0 there
        keep = np.abs(exact) >= np.finfo("float32").tiny
        data, exact = data[keep], exact[keep]
    off = units(compute(name, data), exact)
    worst = off.argmax()
    limit = {"softrelu": 4, "sigmoid": 3, "sin": 4, "cos": 4}.get(name, 2.5)
    assert off[worst] <= limit, f"{name}({data[worst]!r}) is {off[worst]:.2f} units off"


@pytest.mark.parametrize("name", [name for name in EXACT if name != "erf"])
def test_float64_is_within_four_units(name):
    data = samples("float64", name)
    if name in ("sin", "cos"):
        data = data[np.abs(data) < 1e9]
    with np.errstate(all="ignore"):
        exact = EXACT[name](data.astype("longdouble"))
    if name in ("sigmoid", "rsqrt", "reciprocal"):
        keep = np.abs(exact) >= np.finfo("float64").tiny
        data, exact = data[keep], exact[keep]
    off = units(compute(name, data), exact)
    worst = off.argmax()
    limit = 6 if name == "rcbrt" else 4  # the C library's cbrt is 3 units off itself
    assert off[worst] <= limit, f"{name}({data[worst]!r}) is {off[worst]:.2f} units off"


EDGES = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1.1754942e-38, 3.4028235e38, -3.4028235e38])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [name for name in EXACT if name not in ("sin", "cos")])
def test_edges(name, dtype):
    data = EDGES.astype(dtype)
    with np.errstate(all="ignore"):
        expected = EXACT[name](data.astype("float64")).astype(dtype)
    if name == "softsign":
        expected[[4, 5]] = np.nan  # infinity over infinity, as MXNet has it
    if name == "rcbrt":
        expected[0], expected[1] = np.inf, -np.inf
    np.testing.assert_allclose(compute(name, data), expected, rtol=5e-7 if dtype == "float32" else 1e-15)


def test_signs_of_zero():
    zeros = np.array([0.0, -0.0], "float32")
    for name in ("expm1", "log1p", "tanh", "erf", "sin", "softsign", "sqrt", "cbrt"):
        assert np.signbit(compute(name, zeros)).tolist() == [False, True], name


def test_every_exponent_of_exp():
    data = np.linspace(-104, 89, 200_001).astype("float32")
    with np.errstate(over="ignore"):
        exact = np.exp(data.astype("float64"))
        inside = exact < np.finfo("float32").max
        assert units(compute("exp", data[inside]), exact[inside]).max() <= 1.5
    assert compute("exp", np.array([89, 104.5, -105], "float32")).tolist() == [np.inf, np.inf, 0]


def test_large_angles():
    data = np.array([1e5, 1e9, 2e9, 1e20, 3.4e38, -1e12, np.inf], "float32")
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(compute("sin", data), np.sin(data.astype("float64")), rtol=2e-7)
        np.testing.assert_allclose(compute("cos", data), np.cos(data.astype("float64")), rtol=2e-7)


def test_power():
    rng = np.random.default_rng(0)
    a, b = (10 ** rng.uniform(-10, 10, 5000)).astype("float32"), rng.uniform(-3.5, 3.5, 5000).astype("float32")
    assert units(compute("power", a, b), a.astype("float64") ** b.astype("float64")).max() <= 1
    a = np.array([-8, -8, 0, 0, 2, -2, np.inf, np.nan, 1, 0, -0.0, 3e38], "float32")
    b = np.array([1 / 3, 3, 0, -1, 0.5, 2, -1, 0, np.nan, 2, -1, 2], "float32")
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(compute("power", a, b), np.power(a.astype("float64"), b).astype("float32"), rtol=1e-7)
        for exponent in (1, 2, 3, -1, 0.5):
            number = np.array([exponent], "float32")
            expected = np.power(a[:5].astype("float64"), exponent)
            np.testing.assert_allclose(compute("power", a[:5], number), expected, rtol=2e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gelu(dtype):
    data = np.linspace(-6, 6, 2001).astype(dtype)
    wide = data.astype("float64")
    exact = wide * 0.5 * vectorize(math.erfc)(-wide / math.sqrt(2))
    np.testing.assert_allclose(compute("gelu", data), exact, rtol=1e-5 if dtype == "float32" else 1e-14, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_functions(dtype):
    data = np.array([0.5, -0.5, 5, 1.5, 10, 0], dtype)
    rtol = 1e-6 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(compute("gamma", data), [math.gamma(x) for x in data[:5]] + [np.inf], rtol=rtol)
    assert np.isnan(compute("gamma", np.array([-1.0], dtype)))[0]
    np.testing.assert_allclose(compute("gammaln", data), [math.lgamma(x) for x in data[:5]] + [np.inf], rtol=rtol)
    expected = [-1.9635100260214235, 0.03648997397857652, 1.5061176684318004, 0.03648997397857652, 2.251752589066721]
    np.testing.assert_allclose(compute("digamma", data)[:5], expected, rtol=rtol * 10)
    y = np.linspace(-0.999, 0.999, 501).astype(dtype)
    np.testing.assert_allclose(vectorize(math.erf)(compute("erfinv", y)), y, rtol=rtol, atol=rtol)
    assert compute("erfinv", np.array([1, -1], dtype)).tolist() == [np.inf, -np.inf]
    assert np.isnan(compute("erfinv", np.array([2], dtype)))[0]


def test_rounding_as_mxnet_has_it():
    data = np.array([-1.5, 1.5, 2.5, 0.5, -0.5, 1.9, -1.9, np.nan, np.inf, 1e30], "float32")
    np.testing.assert_array_equal(compute("rint", data), np.array([-2, 1, 2, 0, -1, 2, -2, np.nan, np.nan, 1e30], "float32")
                                  if np.isnan(compute("rint", data)[8]) else
                                  np.array([-2, 1, 2, 0, -1, 2, -2, np.nan, np.inf, 1e30], "float32"))  # fmt: skip
    np.testing.assert_array_equal(compute("round", data), np.array([-2, 2, 3, 1, -1, 2, -2, np.nan, np.inf, 1e30], "float32"))
    np.testing.assert_array_equal(compute("fix", data), np.array([-1, 1, 2, 0, 0, 1, -1, np.nan, np.inf, 1e30], "float32"))
    assert compute("sign", np.array([2, -3, 0, np.nan], "float32")).tolist() == [1, -1, 0, 0]


GRADIENTS = {  # loop -> (function, domain, the second input is its result)
    "grad_tanh": ("tanh", (-3, 3), True), "grad_sigmoid": ("sigmoid", (-5, 5), True), "grad_sqrt": ("sqrt", (0.1, 5), True),
    "grad_rsqrt": ("rsqrt", (0.2, 5), True), "grad_reciprocal": ("reciprocal", (0.2, 5), True),
    "grad_expm1": ("expm1", (-2, 2), True), "grad_log1p": ("log1p", (-0.5, 3), False), "grad_log2": ("log2", (0.2, 5), False),
    "grad_log10": ("log10", (0.2, 5), False), "grad_softsign": ("softsign", (0.1, 3), False),
    "grad_arcsin": ("arcsin", (-0.9, 0.9), False), "grad_arccos": ("arccos", (-0.9, 0.9), False),
    "grad_arctan": ("arctan", (-3, 3), False), "grad_arcsinh": ("arcsinh", (-3, 3), False),
    "grad_arccosh": ("arccosh", (1.2, 4), False), "grad_arctanh": ("arctanh", (-0.8, 0.8), False),
    "grad_tan": ("tan", (-1, 1), True), "grad_cbrt": ("cbrt", (0.2, 4), True), "grad_rcbrt": ("rcbrt", (0.3, 4), True),
    "grad_erf": ("erf", (-2, 2), False), "grad_gelu": ("gelu", (-3, 3), False), "grad_softrelu": ("softrelu", (-3, 3), True),
    "grad_softrelu_x": ("softrelu", (-3, 3), False), "grad_log_sigmoid": ("log_sigmoid", (-3, 3), True),
    "grad_silu": ("silu", (-3, 3), False), "grad_mish": ("mish", (-3, 3), False), "grad_sin": ("sin", (-3, 3), False),
    "grad_cos": ("cos", (-3, 3), False), "grad_square": ("square", (-3, 3), False), "grad_abs": ("abs", (0.1, 3), False),
    "grad_gamma": ("gamma", (0.5, 4), False), "grad_gammaln": ("gammaln", (0.5, 4), False),
    "grad_erfinv": ("erfinv", (-0.9, 0.9), True), "grad_selu": ("selu", (-2, 2), True), "grad_relu": ("relu", (-2, 2), True),
}  # fmt: skip


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradient_loops(name):
    function, (low, high), of_result = GRADIENTS[name]
    x = np.linspace(low, high, 202)
    y = compute(function, x)
    step = 1e-5
    slope = (compute(function, x + step) - compute(function, x - step)) / (2 * step)
    g = np.random.default_rng(0).standard_normal(202)
    np.testing.assert_allclose(compute(name, g, y if of_result else x), g * slope, rtol=1e-4, atol=1e-4)
    single = compute(name, g.astype("float32"), (y if of_result else x).astype("float32"))
    np.testing.assert_allclose(single, g * slope, rtol=1e-3, atol=1e-3)


def test_lookup():
    assert has_loop("exp") and has_loop("exp", "float16") and has_loop("sqrt", "int32")
    assert not has_loop("nothing") and not has_loop("exp", "complex64")


def test_the_cache_is_that_of_one_core():
    sizes = [path.read_text().strip() for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    if not sizes:
        pytest.skip("the kernel does not list the caches")
    assert last_level_cache() == max(int(size[:-1]) << {"K": 10, "M": 20}[size[-1]] for size in sizes)


# Loops that have a form with stores around the cache, one that goes through blocks, and a broadcast operand.
STREAMED = {
    "relu": 1, "exp": 1, "log": 1, "tanh": 1, "sigmoid": 1, "square": 1, "negative": 1, "abs": 1, "sqrt": 1, "erf": 1,
    "add": 2, "subtract": 2, "multiply": 2, "divide": 2, "maximum": 2, "minimum": 2, "grad_tanh": 2, "grad_sigmoid": 2, "grad_relu": 2,
}  # fmt: skip


@pytest.mark.parametrize("name", STREAMED)
def test_results_larger_than_the_cache_are_those_of_small_ones(name):
    # Odd places and lengths: heads and tails of the vectors are stored apart.
    rows, length = max(8 << 20, last_level_cache() // 2) // 4 // 4099 + 1, 4099
    memory = np.random.default_rng(0).standard_normal((STREAMED[name], rows * length + 3), "float32")
    memory[:, -6:] = np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-42
    big = [row[3:].reshape(rows, length) for row in memory]
    broadcast = [[big[0], big[1][:1]], [big[0], np.array([[-0.0]], "float32")]] if STREAMED[name] == 2 else []
    with np.errstate(all="ignore"):
        for inputs in (big, *broadcast):
            got = compute(name, *inputs)
            for row in (0, 1, rows // 2, rows - 1):
                small = compute(name, *(item[row % len(item)].copy() for item in inputs))
                np.testing.assert_array_equal(got[row], small)
                number = ~np.isnan(small)
                np.testing.assert_array_equal(np.signbit(got[row][number]), np.signbit(small[number]))
