"""Fused element-wise operators: the same bits as one operator after the other."""

import random

import numpy as np
import pytest

import weft as mx
from weft.ops import dispatch, registry
from weft.ops.array import spec
from weft.ops.cpu.elementwise import describe_loop
from weft.ops.errors import MXNetError
from weft.ops.fused import format_expression, parse
from weft.ops.plans import plan_of

UNARY = ("exp", "tanh", "relu", "sigmoid", "negative", "square", "abs", "floor", "sqrt", "softsign", "erf", "logical_not", "log1p")
PAIRS = ("elemwise_add", "elemwise_sub", "elemwise_mul", "_maximum", "_minimum", "_greater", "_backward_tanh", "_backward_relu")
BROADCAST = ("broadcast_add", "broadcast_mul", "broadcast_sub", "broadcast_maximum", "broadcast_lesser_equal")
SCALAR = ("_plus_scalar", "_mul_scalar", "_rminus_scalar", "_maximum_scalar", "_greater_scalar", "_rdiv_scalar", "smooth_l1")
DTYPES = ("float32", "float64", "float16", "int32", "int64", "uint8", "int8")


def is_loop(name, attrs, inputs):
    """Whether fusion would take the operator."""
    op = registry.get(name)
    attrs, specs = op.attrs(attrs), [spec(shape, dtype) for shape, dtype in inputs]
    shapes, dtypes = op.infer(attrs, [item.shape for item in specs], [item.dtype for item in specs])
    return describe_loop(op, attrs, specs, [spec(tuple(shapes[0]), dtypes[0])]) is not None


def random_expression(rng, shape, count, dtype):
    """Return (steps, numbers, arrays): the arrays have the full shape or broadcast to it."""
    nprng = np.random.default_rng(rng.randrange(1 << 30))

    def array(given, kind):
        values = nprng.normal(size=given) * 3
        if np.dtype(kind).kind != "f":
            values = np.abs(values) if kind == "uint8" else values
        elif values.size and rng.random() < 0.3:
            values.flat[rng.randrange(values.size)] = rng.choice([np.nan, np.inf, -np.inf, -0.0])
        return values.astype(kind)

    small = [tuple(n if rng.random() < 0.5 else 1 for n in shape) for _ in range(2)] + [(1,)]
    arrays = [array(shape, dtype), array(shape, dtype), *[array(given, dtype) for given in small]]
    n = len(arrays)
    kinds = [dtype] * n
    steps, numbers = [], []

    def whole(kind=None):
        found = [k for k in (0, 1, *range(n, n + len(steps))) if kind is None or kinds[k] == kind]
        return rng.choice(found[-4:] if rng.random() < 0.7 else found) if found else None

    while len(steps) < count:
        first = whole()
        kind = kinds[first]
        choice = rng.randrange(9)
        name, attrs, operands, result = None, {}, [first], kind
        if choice < 2:
            name = rng.choice(UNARY)
        elif choice == 2:
            name, operands = rng.choice(PAIRS), [first, whole(kind)]
        elif choice == 3 and kind == dtype:
            other = rng.randrange(2, n)
            name, operands = rng.choice(BROADCAST), rng.choice([[first, other], [other, first]])
        elif choice in (4, 5):
            name = rng.choice(SCALAR)
            if name == "smooth_l1" and np.dtype(kind).kind != "f":
                continue
            numbers.append(rng.choice([1.0, 2.0, 0.5, -1.25, 0.1]) if name != "smooth_l1" else 1.5)
            if name != "smooth_l1":
                attrs["is_int"] = numbers[-1].is_integer()
                if np.dtype(kind).kind != "f" and not attrs["is_int"]:
                    result = "float64"
        elif choice == 6:
            result = rng.choice(DTYPES)
            name, attrs = "Cast", {"dtype": result}
        elif choice == 7:
            name, attrs = "clip", {"a_min": -1.0, "a_max": 1.5}
        elif np.dtype(kind).kind == "f":
            name = rng.choice(["Activation", "LeakyReLU", "where"])
            if name == "where":
                operands = [whole(), first, whole(kind)]
            else:
                attrs = {"act_type": rng.choice(["relu", "tanh"] if name == "Activation" else ["leaky", "elu", "gelu"])}
        if name is None or not is_loop(name, attrs, [(arrays[k].shape if k < n else shape, kinds[k]) for k in operands]):
            numbers = numbers[: sum(len(registry.get(step[0]).dynamic_params) for step in steps)]
            continue
        steps.append([name, attrs, operands])
        kinds.append(result)
    return steps, numbers, arrays


def one_by_one(steps, numbers, arrays):
    """Results of all steps by ordinary calls."""
    values, numbers = [mx.nd.array(array, dtype=array.dtype) for array in arrays], iter(numbers)
    for name, attrs, operands in steps:
        op = registry.get(name)
        dynamic = {parameter: next(numbers) for parameter in op.dynamic_params}
        values.append(dispatch.function(name)(*[values[k] for k in operands], **attrs, **dynamic))
    return values


def call(expression, numbers, arrays, **options):
    result = dispatch.function("_fused")(*arrays, expression=expression, numbers=tuple(numbers), **options)
    return result if isinstance(result, list) else [result]


def same_bits(got, expected):
    assert got.dtype == expected.dtype and got.shape == expected.shape
    number = (np.isnan(got) & np.isnan(expected)) if got.dtype.kind == "f" else np.zeros(got.shape, bool)
    whole = np.dtype(f"u{got.dtype.itemsize}")
    differs = (got.view(whole) != expected.view(whole)) & ~number
    assert not differs.any(), f"{differs.sum()} of {differs.size} differ: {got[differs][:4]} {expected[differs][:4]}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3,), (5, 7), (2, 3, 4, 5), (40, 50), (3, 1, 700), (130, 33)])
@pytest.mark.parametrize("seed", range(4))
def test_same_bits_as_one_by_one(dtype, shape, seed):
    rng = random.Random(f"{dtype}{shape}{seed}")
    steps, numbers, arrays = random_expression(rng, shape, rng.randint(1, 14), dtype)
    expected = one_by_one(steps, numbers, arrays)
    n = len(arrays)
    outputs = sorted(rng.sample(range(n, n + len(steps)), min(len(steps), rng.randint(1, 3))))
    outputs = sorted({*outputs, n + len(steps) - 1})
    expression = format_expression(steps, outputs)
    given = [mx.nd.array(array, dtype=array.dtype) for array in arrays]
    attrs = registry.get("_fused").attrs(expression=expression, numbers=tuple(numbers), num_args=n)
    assert not plan_of(registry.get("_fused"), attrs, [spec(a.shape, a.dtype) for a in arrays]).is_python
    got = call(expression, numbers, given)
    for result, index in zip(got, outputs):
        same_bits(result.asnumpy(), expected[index].asnumpy())


@pytest.mark.parametrize("size", [1 << 14, (1 << 22) + 1234])
def test_long_arrays_on_all_cores(size):
    x = mx.nd.array(np.random.default_rng(0).normal(size=size).astype("float32"))
    y = mx.nd.array(np.random.default_rng(1).normal(size=size).astype("float32"))
    steps = [["exp", {}, [0]], ["elemwise_mul", {}, [2, 1]], ["_plus_scalar", {}, [3]], ["relu", {}, [4]], ["elemwise_add", {}, [5, 0]]]
    expected = one_by_one(steps, [0.5], [x.asnumpy(), y.asnumpy()])
    for outputs in ([6], [3, 6], [2, 3, 4, 5, 6]):
        got = call(format_expression(steps, outputs), [0.5], [x, y])
        for result, index in zip(got, outputs):
            same_bits(result.asnumpy(), expected[index].asnumpy())


@pytest.mark.parametrize("size", [100, 5000, 300_000])
@pytest.mark.parametrize("source", [0, 1])
def test_results_in_the_memory_of_inputs(size, source):
    rng = np.random.default_rng(size)
    arrays = [rng.normal(size=size).astype("float32") for _ in range(2)]
    # The first result is ready before the other input was read for the last time.
    steps = [["tanh", {}, [0]], ["elemwise_add", {}, [2, 1]], ["elemwise_mul", {}, [3, 0]], ["elemwise_sub", {}, [4, 1]]]
    expected = [value.asnumpy() for value in one_by_one(steps, [], arrays)]
    attrs = registry.get("_fused").attrs(expression=format_expression(steps, [2, 5]), num_args=2)
    kernel = plan_of(registry.get("_fused"), attrs, [spec((size,), "float32")] * 2).kernel
    for position in range(2):
        inputs = [array.copy() for array in arrays]
        outputs = [np.empty(size, "float32") for _ in range(2)]
        outputs[position] = inputs[source]
        kernel.run(inputs, outputs)
        same_bits(outputs[0], expected[2])
        same_bits(outputs[1], expected[5])


def test_numbers_change_without_a_new_kernel():
    expression = format_expression([["_plus_scalar", {}, [0]], ["_mul_scalar", {}, [1]]], [2])
    op, x = registry.get("_fused"), spec((3,), "float32")
    first = op.attrs(expression=expression, numbers=(1.0, 2.0), num_args=1)
    second = first.with_(numbers=(5.0, 3.0))
    assert first.cache_key == second.cache_key and second.scalars == (5.0, 3.0)
    assert plan_of(op, first, [x]).kernel is plan_of(op, second, [x]).kernel
    for numbers, expected in (((1, 2), 4), ((5, 3), 18)):
        assert call(expression, numbers, [mx.nd.ones(3)])[0].asnumpy().tolist() == [expected] * 3


def test_operators_that_are_no_loop_run_in_numpy():
    expression = format_expression([["cumsum", {"axis": 0}, [0]], ["exp", {}, [1]]], [2])
    got = call(expression, (), [mx.nd.ones(3)])[0].asnumpy()
    np.testing.assert_allclose(got, np.exp([1, 2, 3]), rtol=1e-6)


def test_text_of_attributes_reads_back():
    op = registry.get("_fused")
    expression = format_expression([["_plus_scalar", {}, [0]], ["Activation", {"act_type": "tanh"}, [1]]], [2], [[0, 0]])
    attrs = op.attrs(expression=expression, numbers=(0.1,), num_args=1)
    assert op.attrs(op.format_attrs(attrs)) == attrs
    assert parse(expression).inplace == op.inplace_pairs(attrs) == ((0, 0),)


@pytest.mark.parametrize("text", ["", "{}", '{"steps": 3, "outputs": []}', '{"steps": [["exp"]], "outputs": [1]}', "[1]"])
def test_malformed(text):
    with pytest.raises(MXNetError, match="_fused: expression .* is malformed"):
        parse(text)


def test_unknown_operator():
    with pytest.raises(MXNetError, match="no operator named 'no_such'"):
        parse('{"steps": [["no_such", {}, [0]]], "outputs": [1]}')


CHAIN = ("elemwise_add", "elemwise_sub", "elemwise_mul", "elemwise_div", "_maximum", "_minimum", "_backward_relu", "_plus_scalar",
         "_minus_scalar", "_rminus_scalar", "_mul_scalar", "_div_scalar", "_rdiv_scalar", "_maximum_scalar", "_minimum_scalar",
         "relu", "abs", "negative", "square", "clip")  # fmt: skip


@pytest.mark.parametrize("size", [1, 63, 64, 200, 5000, (1 << 22) + 77])
@pytest.mark.parametrize("seed", range(4))
def test_chains_in_registers(size, seed):
    rng, nprng = random.Random(seed), np.random.default_rng(seed)
    arrays = [nprng.normal(size=size).astype("float32") for _ in range(3)]
    special = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-42]
    for array in arrays:
        array.flat[nprng.integers(0, size, 6)] = special
    steps, numbers = [], []
    count = 60 if size < 10000 else 12  # longer than one chain
    for k in range(count):
        name, running = rng.choice(CHAIN), 2 + len(steps) if steps else 0
        op = registry.get(name)
        operands = [running] if len(op.inputs) == 1 else rng.sample([running, rng.choice([0, 1, 2])], 2)
        if k % 17 == 9:
            operands[0] = rng.randrange(3, 3 + len(steps)) if len(steps) > 3 else 0  # an older result
        numbers += [rng.choice([0.5, 2.0, -1.5, -0.0])] * len(op.dynamic_params)
        steps.append([name, {"a_min": -2.0, "a_max": 2.5} if name == "clip" else {}, operands])
    expected = one_by_one(steps, numbers, arrays)
    outputs = sorted({3 + len(steps) // 2, 2 + len(steps)})
    got = call(format_expression(steps, outputs), numbers, [mx.nd.array(array) for array in arrays])
    for result, index in zip(got, outputs):
        same_bits(result.asnumpy(), expected[index].asnumpy())
