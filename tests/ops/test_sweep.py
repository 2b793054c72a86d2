"""Operators through the engine: every dtype against the NumPy kernel, gradients against differences, first and second order.

One line of the table is one case: operator, shapes of its inputs, interval of their values, parameters.
"""

from typing import NamedTuple

import numpy as np
import pytest

import weft as mx
from weft.ops import dispatch, registry

FLOATS = ("float16", "float32", "float64")
INTEGERS = ("uint8", "int8", "int32", "int64")


class Case(NamedTuple):
    op: str
    shapes: tuple = ((3, 4),)
    interval: tuple = (-2.0, 2.0)
    attrs: dict = {}
    dtypes: tuple = FLOATS + INTEGERS
    gradient: bool = True
    second: bool = True
    rounded: bool = False  # results jump: values are kept away from the jumps

    @property
    def id(self):
        parts = [self.op, "x".join(str(shape).replace(" ", "") for shape in self.shapes)]
        return "-".join(parts + [f"{name}={value}" for name, value in self.attrs.items()])


def unary(names, interval=(-2.0, 2.0), **options):
    return [Case(name, interval=interval, **options) for name in names.split()]


PAIR = ((3, 4), (3, 4))
BROADCASTS = (((3, 4), (1, 4)), ((2, 1, 3), (4, 1)), ((3,), (2, 3)), ((1,), (2, 3)), ((2, 3), (1, 1)))
FUNCTIONS = "add sub mul div power maximum minimum hypot mod"
RELATIONS = "equal not_equal greater greater_equal lesser lesser_equal logical_and logical_or logical_xor"
SCALARS = "plus minus rminus mul div rdiv maximum minimum hypot mod"
REDUCED = ({}, {"axis": 1}, {"axis": (0, 2), "keepdims": True}, {"axis": -1, "exclude": True}, {"axis": ()})

CASES = [
    *unary("square sin cos sinh cosh tanh arcsinh arctan exp expm1 sigmoid softsign degrees radians negative"),
    *unary("erf", dtypes=FLOATS),
    *unary("abs relu tan cbrt", second=False),
    *unary("sqrt rsqrt cbrt rcbrt reciprocal log log2 log10 log1p", (0.4, 3.0)),
    *unary("gamma gammaln", (0.6, 3.0), second=False),
    *unary("arcsin arccos arctanh erfinv", (-0.8, 0.8), dtypes=FLOATS),
    *unary("arccosh", (1.2, 3.0), dtypes=FLOATS),
    *unary("sign ceil floor trunc fix rint round logical_not", rounded=True),
    *unary("_contrib_isnan _contrib_isinf _contrib_isfinite", rounded=True),
    *unary("identity BlockGrad ones_like zeros_like _contrib_div_sqrt_dim", second=False, gradient=False),
    *[Case("clip", attrs={"a_min": -1.1, "a_max": 1.3}, rounded=True)],
    Case("hard_sigmoid", attrs={"alpha": 0.3, "beta": 0.45}, dtypes=FLOATS),
    Case("smooth_l1", attrs={"scalar": 1.5}, dtypes=FLOATS),
    Case("_contrib_quadratic", attrs={"a": 2.0, "b": 3.0, "c": 1.0}),
    *[Case("Cast", attrs={"dtype": name}, gradient=name == "float64") for name in (*FLOATS, *INTEGERS)],
    *[Case(f"elemwise_{name}", PAIR, (0.5, 2.0)) for name in ("add", "sub", "mul", "div")],
    *[Case(f"_{name}", PAIR, (0.5, 2.0), second=name != "mod") for name in FUNCTIONS.split()[4:]],
    *[Case(f"_{name}", PAIR, (0.0, 3.0), rounded=True) for name in RELATIONS.split()],
    *[Case(f"broadcast_{name}", shapes, (0.5, 2.0)) for name in FUNCTIONS.split()[:5] for shapes in BROADCASTS],
    *[Case(f"broadcast_{name}", BROADCASTS[1], (0.5, 2.0)) for name in FUNCTIONS.split()[5:]],
    *[Case(f"broadcast_{name}", BROADCASTS[1], (0.0, 3.0), rounded=True) for name in RELATIONS.split()],
    *[Case(f"_{name}_scalar", attrs={"scalar": 1.25}, interval=(0.4, 3.0)) for name in SCALARS.split()],
    *[Case(f"_{name}_scalar", attrs={"scalar": 2.0, "is_int": True}, interval=(0.4, 3.0)) for name in SCALARS.split()],
    *[Case("_power_scalar", attrs={"scalar": value}, interval=(0.4, 3.0)) for value in (2.0, 3.0)],
    *[Case("_power_scalar", attrs={"scalar": value}, interval=(0.4, 3.0), dtypes=FLOATS) for value in (-1.0, 0.5)],
    Case("_rpower_scalar", attrs={"scalar": 2.0}),
    Case("_rmod_scalar", attrs={"scalar": 2.3}, interval=(0.5, 2.0), dtypes=FLOATS),
    *[Case(f"_{name}_scalar", attrs={"scalar": 1.0}, rounded=True) for name in RELATIONS.split()],
    Case("add_n", ((3, 4),) * 3),
    Case("add_n", ((3, 4),)),
    *[Case(name, ((2, 3, 4),), attrs=attrs) for name in ("sum", "mean") for attrs in REDUCED],
    *[Case(name, ((2, 3, 4),), attrs=attrs, second=False) for name in ("max", "min") for attrs in REDUCED],
    *[Case(name, ((2, 3),), (0.5, 1.5), attrs, second=False) for name in ("prod", "nansum", "nanprod") for attrs in REDUCED[:2]],
    *[Case("norm", ((2, 3, 4),), attrs={"ord": k, **attrs}, dtypes=FLOATS) for k in (1, 2) for attrs in REDUCED[:2]],
    *[Case(name, ((2, 3, 4),), attrs={"axis": axis}) for name in ("argmax", "argmin") for axis in (None, 1, -1)],
    Case("argmax_channel", ((2, 5),), gradient=False),
    Case("moments", ((2, 3, 4),), attrs={"axes": (0, 2)}, dtypes=FLOATS, second=False),
    Case("_square_sum", ((2, 3),), attrs={"axis": (1,)}),
    Case("broadcast_to", ((2, 1, 3),), attrs={"shape": (2, 4, 3)}),
    Case("broadcast_to", ((1, 1),), attrs={"shape": (2, 3)}),
    Case("broadcast_axis", ((2, 1, 3),), attrs={"axis": (1,), "size": (4,)}),
    Case("broadcast_like", ((2, 1, 3), (2, 4, 3))),
    Case("_reduce_like", ((2, 4, 3), (4, 1))),
    Case("_expand_like", ((4, 1), (2, 4, 3))),
    *[Case("sort", ((3, 5),), attrs={"axis": axis, "is_ascend": up}) for axis in (None, 0, -1) for up in (True, False)],
    *[Case("argsort", ((3, 5),), attrs={"axis": axis}, gradient=False) for axis in (None, 0)],
    *[Case("topk", ((3, 5),), attrs={"axis": 1, "k": 2, "ret_typ": kind}, gradient=kind == "value", second=False)
      for kind in ("value", "indices", "mask")],
    *[Case("topk", ((3, 5),), attrs={"axis": None, "k": 4, "ret_typ": "value", "is_ascend": True})],
    *[Case("_contrib_arange_like", ((3, 4),), attrs={"axis": axis}, gradient=False) for axis in (None, 1)],
    *[Case(f"_random_pdf_{name}", ((2, 3), *((2,),) * count), (0.4, 0.9), {"is_log": log}, FLOATS[1:], second=False)
      for name, count in (("normal", 2), ("gamma", 2), ("exponential", 1)) for log in (False, True)],
]

every_case = pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])


def draw(case, dtype, seed=0):
    """Return inputs of a case; distinct values, so that maxima and orders are unique."""
    rng = np.random.default_rng(seed)
    low, high = case.interval
    arrays = []
    for index, shape in enumerate(case.shapes):
        size = int(np.prod(shape))
        if np.dtype(dtype).kind == "f":
            values = low + (high - low) * (rng.permutation(size) + rng.uniform(0.2, 0.8, size)) / size
            if case.rounded:
                # Off the grid of halves, where rounding and comparisons jump, and off the limits of clip.
                values = np.round(values * 4) / 4 + 0.07 * (index + 1)
        else:
            lowest = 1 if low >= 0 else (-3 if np.dtype(dtype).kind == "i" else 0)
            values = rng.integers(lowest, 6, size)
        arrays.append(values.reshape(shape).astype(dtype))
    return arrays


def call(case, arrays):
    result = dispatch.function(case.op)(*arrays, **case.attrs)
    return result if isinstance(result, list) else [result]


def to_nd(array):
    return mx.nd.array(array, dtype=array.dtype)


TOLERANCE = {"float16": (4e-3, 4e-3), "float32": (3e-6, 3e-6), "float64": (1e-13, 1e-13)}


def check_forward(case, arrays, inputs):
    op = registry.get(case.op)
    attrs = dict(case.attrs)
    if op.variadic:
        attrs[op.count_param] = len(arrays)
    expected = registry.reference_run(op, attrs, [array.copy() for array in arrays])
    for result, wanted in zip(call(case, inputs), expected):
        found = result.asnumpy()
        assert found.shape == wanted.shape and found.dtype == wanted.dtype
        if wanted.dtype.kind == "f":
            rtol, atol = TOLERANCE[wanted.dtype.name]
            if arrays[0].dtype == np.float16:
                rtol, atol = TOLERANCE["float16"]
            np.testing.assert_allclose(found.astype(np.float64), wanted.astype(np.float64), rtol=rtol, atol=atol)
        elif arrays[0].dtype.kind == "f" and case.op != "argmax_channel":
            # Truncation of a float: neighbours count where the float lies next to an integer.
            assert np.abs(found.astype(np.int64) - wanted.astype(np.int64)).max(initial=0) <= 0
        else:
            np.testing.assert_array_equal(found, wanted)


@every_case
def test_forward_in_every_dtype(case):
    for dtype in case.dtypes:
        arrays = draw(case, dtype)
        check_forward(case, arrays, [to_nd(array) for array in arrays])


@every_case
def test_forward_on_views(case):
    """Inputs that begin inside a larger array, at an offset that is not aligned."""
    arrays = draw(case, "float32", seed=1)
    inputs = []
    for array in arrays:
        larger = to_nd(np.concatenate([np.zeros(3, np.float32), array.ravel(), np.zeros(2, np.float32)]))
        inputs.append(larger[3 : 3 + array.size].reshape(array.shape))
    check_forward(case, arrays, inputs)


LARGE = [case for case in CASES if len(set(case.shapes)) == 1 and len(case.shapes[0]) == 2 and "axis" not in case.attrs
         and not case.op.startswith(("gamma", "erfinv", "topk", "_random", "prod", "nan", "broadcast_to"))]


@pytest.mark.parametrize("case", LARGE, ids=[case.id for case in LARGE])
def test_forward_spread_over_cores(case):
    large = case._replace(shapes=((301, 331),) * len(case.shapes))
    arrays = draw(large, "float32", seed=2)
    check_forward(large, arrays, [to_nd(array) for array in arrays])


def weighted(outputs, weights):
    """Return one number that depends on every output."""
    total = None
    for output, weight in zip(outputs, weights):
        term = mx.nd.sum(output * weight)
        total = term if total is None else total + term
    return total


def numeric(function, arrays, step):
    """Return central differences of a function of NumPy arrays."""
    gradients = []
    for index, array in enumerate(arrays):
        gradient = np.zeros_like(array)
        for place in np.ndindex(array.shape):
            values = []
            for sign in (1, -1):
                moved = [item.copy() for item in arrays]
                moved[index][place] += sign * step
                values.append(function(moved))
            gradient[place] = (values[0] - values[1]) / (2 * step)
        gradients.append(gradient)
    return gradients


def make_weights(outputs, seed=3):
    rng = np.random.default_rng(seed)
    return [to_nd(rng.uniform(0.5, 1.5, output.shape)) for output in outputs]


def is_constant(op):
    return op.gradient is registry.zero_gradient


GRADIENTS = [case for case in CASES if case.gradient and registry.get(case.op).differentiable]


@pytest.mark.parametrize("case", GRADIENTS, ids=[case.id for case in GRADIENTS])
def test_gradient_equals_differences(case):
    arrays = draw(case, "float64", seed=4)
    inputs = [to_nd(array) for array in arrays]
    for array in inputs:
        array.attach_grad()
    with mx.autograd.record():
        outputs = call(case, inputs)
        weights = make_weights(outputs)
        loss = weighted(outputs, weights)
    loss.backward()

    def value(moved):
        return weighted(call(case, [to_nd(array) for array in moved]), weights).asscalar()

    expected = numeric(value, arrays, 1e-5)
    for found, wanted in zip(inputs, expected):
        np.testing.assert_allclose(found.grad.asnumpy(), wanted, rtol=2e-6, atol=2e-6)


SECOND = [case for case in GRADIENTS if case.second and not is_constant(registry.get(case.op))]


@pytest.mark.parametrize("case", SECOND, ids=[case.id for case in SECOND])
def test_second_order_equals_differences_of_the_first(case):
    arrays = draw(case, "float64", seed=5)
    shapes = [output.shape for output in call(case, [to_nd(array) for array in arrays])]
    rng = np.random.default_rng(6)
    weights = [to_nd(rng.uniform(0.5, 1.5, shape)) for shape in shapes]
    probes = [to_nd(rng.uniform(0.5, 1.5, array.shape)) for array in arrays]

    def first(inputs, create_graph):
        with mx.autograd.record():
            loss = weighted(call(case, inputs), weights)
            gradients = mx.autograd.grad(loss, inputs, create_graph=create_graph, retain_graph=True)
            return weighted(gradients, probes)

    inputs = [to_nd(array) for array in arrays]
    for array in inputs:
        array.attach_grad()
    with mx.autograd.record():
        first(inputs, True).backward()

    def value(moved):
        moved = [to_nd(array) for array in moved]
        for array in moved:
            array.attach_grad()
        return first(moved, False).asscalar()

    for found, wanted in zip(inputs, numeric(value, arrays, 1e-5)):
        np.testing.assert_allclose(found.grad.asnumpy(), wanted, rtol=5e-6, atol=5e-6)


def test_no_gradient_is_an_error_and_zero_gradient_is_zero():
    x = mx.nd.array([[1.0, 2.0]])
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.argmax_channel(x)
    with pytest.raises(mx.MXNetError, match="argmax_channel"):
        y.backward()
    with mx.autograd.record():
        y = mx.nd.sign(x)
    y.backward()
    assert x.grad.asnumpy().tolist() == [[0.0, 0.0]]


def test_every_differentiable_operator_of_these_families_has_a_case():
    """Whoever declares an operator here adds a line to the table."""
    modules = ("unary", "binary", "scalar", "reduce", "ordering")
    tested = {registry.get(case.op).name for case in CASES}
    skipped = {"make_loss", "_copyto", "_contrib_gradientmultiplier", "_contrib_round_ste", "_contrib_sign_ste",
               "_grad_add", "_identity_with_attr_like_rhs", "amp_cast", "amp_multicast"}
    lacking = []
    for op in registry.all_operators():
        gradient = op.gradient
        if gradient is None or op.name.startswith("_backward") or op.name in skipped:
            continue
        origin = op.numpy.__module__.rsplit(".", 1)[-1] if op.numpy is not None else ""
        if origin in modules and op.shape.__module__.rsplit(".", 1)[-1] in (*modules, "rules") and op.name not in tested:
            lacking.append(op.name)
    assert [name for name in lacking if not name.startswith(("_gather_order", "softmax"))] == []
