"""The element-wise machine: every loop over every dtype, broadcasting, scalars, odd sizes, offsets, in place."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weft as mx
from weft import nd
from weft.ops.cpu import elementwise
from weft.ops.cpu.runner import run_kernel

FLOATS = ("float16", "float32", "float64")
INTEGERS = ("uint8", "int8", "int32", "int64")


def spec(array):
    return SimpleNamespace(shape=array.shape, dtype=array.dtype, size=array.size, nbytes=array.nbytes)


class Attrs:
    """Parameters of a call; those in ``_dynamic`` are passed to the kernel as scalars."""

    _dynamic = ()

    def __init__(self, **values):
        self.__dict__.update(values)


class DynamicAttrs(Attrs):
    _dynamic = ("other", "scalar")


def compute(builder, inputs, shape=None, dtype=None, attrs=None, scalars=(), out=None):
    if out is None:
        out = np.zeros(inputs[0].shape if shape is None else shape, inputs[0].dtype if dtype is None else dtype)
    kernel = builder(attrs or Attrs(), [spec(item) for item in inputs], [spec(out)])
    assert kernel is not None
    run_kernel(kernel, inputs, [out], scalars)
    return out


def values(dtype, size, seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return (rng.standard_normal(size) * 3).astype(dtype)
    low = 0 if dtype in ("uint8", "bool") else -100
    return rng.integers(low, 2 if dtype == "bool" else 100, size).astype(dtype)


BINARY = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "maximum": np.maximum, "minimum": np.minimum,
    "equal": np.equal, "not_equal": np.not_equal, "greater": np.greater, "greater_equal": np.greater_equal,
    "less": np.less, "lesser_equal": np.less_equal, "logical_and": np.logical_and, "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}  # fmt: skip


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
@pytest.mark.parametrize("name", BINARY)
def test_binary(name, dtype):
    for size in (0, 1, 3, 8, 17, 1000, 5000):
        a, b = values(dtype, size, 1), values(dtype, size, 2)
        b[::3] = a[::3]
        with np.errstate(all="ignore"):
            expected = BINARY[name](a, b).astype(dtype)
        np.testing.assert_array_equal(compute(elementwise.ufunc_builder(name), [a, b]), expected)


@pytest.mark.parametrize("dtype", FLOATS)
def test_maximum_and_minimum_keep_nan(dtype):
    a = np.array([np.nan, 1, np.nan, 2, -np.inf] * 5, dtype)
    b = np.array([1, np.nan, np.nan, 3, np.inf] * 5, dtype)
    np.testing.assert_array_equal(compute(elementwise.ufunc_builder("maximum"), [a, b]), np.maximum(a, b))
    np.testing.assert_array_equal(compute(elementwise.ufunc_builder("minimum"), [a, b]), np.minimum(a, b))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_division_never_traps(dtype):
    info = np.iinfo(dtype)
    a = np.array([7, info.min, info.max, 0, 5], dtype)
    zero = np.zeros(5, dtype)
    assert compute(elementwise.ufunc_builder("divide"), [a, zero]).tolist() == [0] * 5
    assert compute(elementwise.ufunc_builder("mod"), [a, zero]).tolist() == [0] * 5
    if info.min < 0:
        minus = np.full(5, -1, dtype)
        expected = [-7, info.min, -info.max, 0, -5]  # the lowest number has no opposite: it wraps
        assert compute(elementwise.ufunc_builder("divide"), [a, minus]).tolist() == expected
        pair = np.array([7, -7, 7, -7], dtype), np.array([2, 2, -2, -2], dtype)
        assert compute(elementwise.ufunc_builder("divide"), list(pair)).tolist() == [3, -3, -3, 3]
        assert compute(elementwise.ufunc_builder("mod"), list(pair)).tolist() == [1, 1, -1, -1]


@pytest.mark.parametrize("dtype", FLOATS)
def test_mod_has_the_divisors_sign(dtype):
    a = np.array([5.5, -5.5, 5.5, -5.5, 1, 0, 1, -1, np.inf, 3], dtype)
    b = np.array([2, 2, -2, -2, 0, 0, np.inf, np.inf, 3, np.nan], dtype)
    expected = np.array([1.5, 0.5, -0.5, -1.5, 0, 0, 1, np.inf, np.nan, np.nan], dtype)
    np.testing.assert_array_equal(compute(elementwise.ufunc_builder("mod"), [a, b]), expected)


@settings(max_examples=60, deadline=None)
@given(a=st.floats(-1e6, 1e6, width=32), b=st.floats(-1e3, 1e3, width=32))
def test_mod_agrees_with_python(a, b):
    got = compute(elementwise.ufunc_builder("mod"), [np.full(3, a, "float32"), np.full(3, b, "float32")])[0]
    expected = np.float32(0) if b == 0 else np.remainder(np.float32(a), np.float32(b))
    assert abs(got - expected) <= 1e-6 * abs(b) or abs(abs(got - expected) - abs(np.float32(b))) <= 1e-6 * abs(b)


@pytest.mark.parametrize("dtype", ("bool", *FLOATS, *INTEGERS))
@pytest.mark.parametrize("target", ("bool", *FLOATS, *INTEGERS))
def test_cast(dtype, target):
    data = values(dtype, 333)
    expected = data.astype(target) if np.dtype(target).kind == "f" or data.dtype.kind != "f" else None
    if expected is None:
        expected = (data != 0) if target == "bool" else data.astype("int64").astype(target)
    np.testing.assert_array_equal(compute(elementwise.cast_builder, [data], dtype=target), expected)


def test_cast_of_what_does_not_fit():
    data = np.array([1.5, -1.5, 300, -300, np.nan], "float32")
    assert compute(elementwise.cast_builder, [data], dtype="uint8").tolist() == [1, 255, 44, 212, 0]
    assert compute(elementwise.cast_builder, [data], dtype="int8").tolist() == [1, -1, 44, -44, 0]
    half = compute(elementwise.cast_builder, [np.array([1, np.inf, np.nan, 70000, 1e-8, 6e-8], "float32")], dtype="float16")
    np.testing.assert_array_equal(half, np.array([1, np.inf, np.nan, np.inf, 0, 6e-8], "float16"))


def test_every_float16_converts_both_ways():
    every = np.arange(65536, dtype="uint16").view("float16")
    wide = compute(elementwise.cast_builder, [every], dtype="float32")
    np.testing.assert_array_equal(wide, every.astype("float32"))
    np.testing.assert_array_equal(compute(elementwise.cast_builder, [wide], dtype="float16"), every)


@st.composite
def broadcast_shapes(draw):
    full = draw(st.lists(st.integers(1, 7), max_size=5))
    if draw(st.booleans()) and full:
        full[-1] = draw(st.sampled_from([64, 65, 100, 300]))
    shapes = []
    for _ in range(2):
        kept = [extent if draw(st.booleans()) else 1 for extent in full]
        shapes.append(tuple(kept[draw(st.integers(0, len(kept))):] if draw(st.booleans()) else kept))
    return shapes


@settings(max_examples=150, deadline=None)
@given(shapes=broadcast_shapes(), dtype=st.sampled_from(["float32", "float16", "int64", "uint8"]))
def test_broadcasting(shapes, dtype):
    a, b = (np.asarray(values(dtype, shape, k)) for k, shape in enumerate(shapes))
    with np.errstate(over="ignore"):
        expected = np.subtract(a, b)
    got = compute(elementwise.ufunc_builder("subtract"), [a, b], expected.shape)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("shapes", [((70000, 10), (10,)), ((70000, 10), (70000, 1)), ((300, 1, 500), (1, 200, 1)),
                                    ((3, 100, 7, 50), (100, 1, 1)), ((2, 5, 60001), (5, 1)), ((1,), (300000,)),
                                    ((500, 3, 3), (500, 1, 3)), ((2000, 1, 37), (1, 40, 37))])  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_broadcasting_of_large_arrays(shapes, dtype):
    a, b = (np.asarray(values(dtype, shape, k)) for k, shape in enumerate(shapes))
    expected = np.subtract(a, b)
    np.testing.assert_array_equal(compute(elementwise.ufunc_builder("subtract"), [a, b], expected.shape), expected)


def test_wrong_shapes_are_refused():
    a, b = np.zeros((2, 3), "float32"), np.zeros((2, 2), "float32")
    assert elementwise.ufunc_builder("add")(Attrs(), [spec(a), spec(b)], [spec(a)]) is None


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
@pytest.mark.parametrize("side", ["lhs", "rhs"])
def test_scalars(side, dtype):
    data = values(dtype, 77)
    number = np.array(3.0).astype(dtype)
    expected = number - data if side == "lhs" else data - number
    builder = elementwise.ufunc_builder("subtract", scalar=side)
    np.testing.assert_array_equal(compute(builder, [data], attrs=Attrs(scalar=3.0)), expected)
    dynamic = DynamicAttrs(other=1.0, scalar=8.0)  # the value at build time must not matter
    np.testing.assert_array_equal(compute(builder, [data], attrs=dynamic, scalars=(9.0, 3.0)), expected)


def test_scalar_takes_the_arrays_dtype():
    data = np.array([1, 2, -3], "int32")
    assert compute(elementwise.ufunc_builder("equal", scalar="rhs"), [data], attrs=Attrs(scalar=1.5)).tolist() == [1, 0, 0]
    half = np.array([1, 2, 3], "float16")
    got = compute(elementwise.ufunc_builder("add", scalar="rhs"), [half], attrs=Attrs(scalar=0.1))
    np.testing.assert_array_equal(got, half + np.float16(0.1))


def test_number_with_another_result_dtype():
    data = np.array([1, 2, -3], "int32")
    builder = elementwise.ufunc_builder("divide", scalar="rhs")
    assert compute(builder, [data], dtype="float64", attrs=Attrs(scalar=2.0)).tolist() == [0.5, 1.0, -1.5]


@pytest.mark.parametrize("offset", range(1, 9))
def test_unaligned_and_in_place(offset):
    store = values("float32", 1100 + offset)
    data = store[offset:offset + 1037]
    expected = np.maximum(data, 0)
    builder = elementwise.ufunc_builder("relu")
    np.testing.assert_array_equal(compute(builder, [data], out=np.zeros(1045, "float32")[offset % 8:][:1037]), expected)
    compute(builder, [data], out=data)
    np.testing.assert_array_equal(data, expected)


@pytest.mark.parametrize("in_place", [False, True])
def test_results_that_go_around_the_cache(in_place):
    size = (9 << 20) + 13
    store = np.arange(size + 3, dtype="float32")
    a, b = store[3:], np.ones(size, "float32")
    expected = a + b
    out = compute(elementwise.ufunc_builder("add"), [a, b], out=a if in_place else None)
    np.testing.assert_array_equal(out, expected)


def test_integers_of_float_functions_are_computed_in_float32():
    data = np.array([1, 2, -3, 7], "int32")
    with np.errstate(invalid="ignore"):
        got = compute(elementwise.ufunc_builder("sqrt"), [data])
    assert got.tolist() == [1, 1, -(2**31), 2]
    assert compute(elementwise.ufunc_builder("sin"), [data.astype("int64")]).tolist() == [0, 0, 0, 0]


def test_numpy_loop_where_there_is_no_other():
    data = values("float32", 100)
    np.testing.assert_array_equal(compute(elementwise.ufunc_builder("spacing"), [data]), np.spacing(data))
    np.testing.assert_array_equal(compute(elementwise.ufunc_builder("signbit"), [data]), np.signbit(data).astype("float32"))
    ints = values("int32", 100)
    np.testing.assert_array_equal(compute(elementwise.ufunc_builder("gcd"), [ints, ints[::-1].copy()]), np.gcd(ints, ints[::-1]))
    assert elementwise.ufunc_builder("no_such_function")(Attrs(), [spec(data)], [spec(data)]) is None


def test_clip_and_smooth_l1_parameters():
    data = np.array([-5, -1, 0, 2, 300, np.nan], "float32")
    builder = elementwise.ufunc_builder("clip", params=("low", "high"))
    np.testing.assert_array_equal(compute(builder, [data], attrs=Attrs(low=-1, high=2)), np.clip(data, -1, 2))
    small = np.array([0, 5, 200], "uint8")
    assert compute(builder, [small], attrs=Attrs(low=-10, high=1e9)).tolist() == [0, 5, 200]
    smooth = elementwise.ufunc_builder("smooth_l1", params=("scalar",))
    got = compute(smooth, [np.array([1.5, -2.5, 0.1], "float32")], attrs=Attrs(scalar=2.0))
    np.testing.assert_allclose(got, [1.375, 2.375, 0.02], rtol=1e-6)
    with pytest.raises(TypeError, match="takes 2 parameters"):
        elementwise.ufunc_builder("clip")(Attrs(), [spec(data)], [spec(data)])


@pytest.mark.parametrize("dtype", ("bool", *FLOATS, *INTEGERS))
@pytest.mark.parametrize("mask", ["bool", "float32", "int32", "uint8"])
def test_where(dtype, mask):
    condition = values("bool", (40, 3)).astype(mask)
    x, y = values(dtype, (40, 3), 1), values(dtype, (40, 3), 2)
    np.testing.assert_array_equal(compute(elementwise.where_builder, [condition, x, y], x.shape, dtype),
                                  np.where(condition, x, y))  # fmt: skip
    rows = condition[:, 0].copy()
    np.testing.assert_array_equal(compute(elementwise.where_builder, [rows, x, y], x.shape, dtype),
                                  np.where(rows[:, None], x, y))  # fmt: skip


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_add_n(dtype, count):
    arrays = [values(dtype, 3001, k) for k in range(count)]
    got = compute(elementwise.add_n_builder, arrays)
    expected = np.sum(np.array(arrays, "float64"), axis=0) if np.dtype(dtype).kind == "f" else sum(arrays[1:], arrays[0])
    np.testing.assert_allclose(got, expected, rtol=2e-3 if dtype == "float16" else 1e-5, atol=1e-2 if dtype == "float16" else 1e-5)


@pytest.mark.parametrize("size", [5, 100_001, 3_000_001])
def test_copy_and_fill(size):
    data = values("float32", size)
    np.testing.assert_array_equal(compute(elementwise.copy_builder, [data]), data)
    assert (compute(elementwise.fill_builder(2.5), [data]) == 2.5).all()
    assert (compute(elementwise.fill_builder("scalar"), [data], attrs=DynamicAttrs(other=0, scalar=0), scalars=(1, 7)) == 7).all()


def test_copy_broadcasts():
    data = values("float32", (3, 1, 5))
    np.testing.assert_array_equal(compute(elementwise.copy_builder, [data], (2, 3, 4, 5)), np.broadcast_to(data, (2, 3, 4, 5)))


STREAMED = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "grad_tanh", "grad_sigmoid", "grad_relu",
            "relu", "exp", "log", "tanh", "sigmoid", "square", "negative", "abs", "sqrt", "floor")  # fmt: skip


@pytest.mark.parametrize("name", STREAMED)
def test_large_results_are_those_of_small_ones(name):
    """Large results go around the cache by other loops; a third of the array takes the usual way."""
    size = (9 << 20) + 11
    rng = np.random.default_rng(0)
    a = np.abs(rng.standard_normal(size, dtype="float32"))
    a[:3] = [np.nan, np.inf, 0]
    inputs = [a, np.roll(a, 1)] if STREAMED.index(name) < 9 else [a]
    large = compute(elementwise.ufunc_builder(name), inputs, out=np.zeros(size + 3, "float32")[3:])
    for begin in range(0, size, 1 << 20):
        part = [item[begin : begin + (1 << 20)] for item in inputs]
        small = compute(elementwise.ufunc_builder(name), part)
        np.testing.assert_array_max_ulp(large[begin : begin + (1 << 20)], small, maxulp=1)


@pytest.mark.parametrize("shapes", [((3000, 3001), (3001,)), ((3000, 3001), (3000, 1)), ((3000, 1), (3001,)), ((3000, 3001), (1,))])
def test_large_broadcast_results(shapes):
    a, b = (np.random.default_rng(k).standard_normal(shape, dtype="float32") for k, shape in enumerate(shapes))
    np.testing.assert_array_equal(compute(elementwise.ufunc_builder("subtract"), [a, b], (3000, 3001)), a - b)
    np.testing.assert_array_equal(compute(elementwise.ufunc_builder("subtract"), [b, a], (3000, 3001)), b - a)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "int8"])
def test_clip_asks_its_upper_limit_first(dtype):
    """As MXNet 1.9.1 answers where the limits are the wrong way round."""
    x = nd.array(np.array([-3, -1, 0, 1, 3]).repeat(20), dtype=dtype)
    np.testing.assert_array_equal(nd.clip(x, 1, -1).asnumpy(), np.array([1, 1, -1, -1, -1]).repeat(20))
    layer = mx.sym.Convolution(mx.sym.Variable("x"), mx.sym.Variable("w"), kernel=(1, 1), num_filter=8, no_bias=True)
    data, weight = nd.array(np.linspace(-3, 3, 128).reshape(1, 8, 4, 4)), nd.array(np.eye(8).reshape(8, 8, 1, 1))
    for net in (mx.sym.clip(layer, 1, -1), mx.sym.clip(layer + 0.0, 1, -1) * 2.0 / 2.0):
        out = net.bind(mx.cpu(), {"x": data, "w": weight}, grad_req="null").forward(is_train=False)[0]
        np.testing.assert_array_equal(out.asnumpy(), np.where(data.asnumpy() > -1, -1, 1))
