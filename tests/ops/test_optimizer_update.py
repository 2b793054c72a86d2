"""Optimizer updates: native loops against the formulas, in-place behaviour through the engine."""

import numpy as np
import pytest
from kernel_checks import both_run, normal

import weft as mx

COMMON = {"lr": 0.1, "wd": 0.03, "rescale_grad": 0.5}
MOMENTUM = {**COMMON, "momentum": 0.9}
# Operator, number of signed states, number of non-negative states, parameters.
SINGLE = [
    ("sgd_update", 0, 0, COMMON),
    ("sgd_mom_update", 1, 0, MOMENTUM),
    ("nag_mom_update", 1, 0, MOMENTUM),
    ("signsgd_update", 0, 0, COMMON),
    ("signum_update", 1, 0, {**MOMENTUM, "wd_lh": 0.1}),
    ("adam_update", 1, 1, COMMON),
    ("rmsprop_update", 0, 1, {**COMMON, "clip_weights": 0.5, "epsilon": 1e-3}),
    ("ftrl_update", 1, 1, {**COMMON, "lamda1": 0.3}),
]
SIZES = (7, 1000, 70001)
clipping = pytest.mark.parametrize("clip", [{}, {"clip_gradient": 0.2}, {"clip_gradient": 0.0}])


def arrays(size, dtype, signed, positive=0):
    return [normal(size).astype(dtype) for _ in range(signed)] + [np.abs(normal(size)).astype(dtype) for _ in range(positive)]


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-4), ("float64", 1e-9), ("float16", 2e-2)])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("name", "signed", "positive", "values"), SINGLE)
@clipping
def test_native(name, signed, positive, values, size, dtype, rtol, clip):
    both_run(name, {**values, **clip}, arrays(size, dtype, 2 + signed, positive), rtol=rtol)


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-4), ("float64", 1e-9), ("float16", 2e-2)])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("clip", [{}, {"clip_grad": 0.2}])
def test_moving_leader(size, dtype, rtol, clip):
    weight, grad, z = arrays(size, dtype, 3)
    d, v = (array + 1 for array in arrays(size, dtype, 0, 2))
    both_run("ftml_update", {**COMMON, "t": 3, **clip}, [weight, grad, d, v, z], rtol=rtol)


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-4), ("float64", 1e-9), ("float16", 2e-2)])
@pytest.mark.parametrize("size", SIZES)
@clipping
def test_centred_rmsprop(size, dtype, rtol, clip):
    weight, grad, mean, delta = arrays(size, dtype, 4)
    square = mean * mean + np.abs(delta) + 1
    values = {**COMMON, "clip_weights": 0.5, "epsilon": 1e-3, **clip}
    both_run("rmspropalex_update", values, [weight, grad, square, mean, delta], rtol=rtol)


def adam_inputs(size, dtype, mixed):
    states = "float32" if mixed else dtype
    return arrays(size, dtype, 2) + arrays(size, states, 1, 1) + (arrays(size, states, 1) if mixed else [])


# dtype of the weights, whether there is a master copy.
KINDS = [("float32", False), ("float64", False), ("float16", True), ("float32", True)]
kinds = pytest.mark.parametrize(("dtype", "mixed"), KINDS, ids=str)


@kinds
@pytest.mark.parametrize("size", SIZES)
@clipping
def test_adamw(size, dtype, mixed, clip):
    inputs = [*adam_inputs(size, dtype, mixed), np.array([0.5], "float32")]
    values = {"lr": 0.1, "wd": 0.03, "eta": 0.7, **clip}
    both_run(f"_{'mp_' if mixed else ''}adamw_update", values, inputs, rtol=1e-3)


@kinds
@pytest.mark.parametrize("scale", [0.5, 0.0, np.inf, np.nan])
def test_many_by_adamw(dtype, mixed, scale):
    inputs = [array for size in (5, 40000, 3) for array in adam_inputs(size, dtype, mixed)]
    values = {"lrs": (0.1, 0.2, 0.3), "wds": (0.01, 0.0, 0.1), "etas": (1.0, 0.5, 0.7), "num_weights": 3, "clip_gradient": 0.6}
    both_run(f"_multi_{'mp_' if mixed else ''}adamw_update", values, [*inputs, np.array([scale], "float32")], rtol=1e-3)


@kinds
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("corrected", [True, False])
@clipping
def test_phases_of_lamb(size, dtype, mixed, corrected, clip):
    prefix = "mp_" if mixed else ""
    inputs = adam_inputs(size, dtype, mixed)
    values = {"t": 2, "wd": 0.1, "rescale_grad": 0.5, "bias_correction": corrected, **clip}
    direction = both_run(f"{prefix}lamb_update_phase1", values, inputs, rtol=1e-3)
    for norms in ((3.0, 2.0), (0.0, 2.0), (3.0, 0.0)):
        rest = [np.array([norm], direction.dtype) for norm in norms]
        for bounds in ({}, {"lower_bound": 4.0}, {"upper_bound": 1.0}):
            both_run(f"{prefix}lamb_update_phase2", {"lr": 0.1, **bounds}, [inputs[0], direction, *rest, *inputs[4:]], rtol=1e-3)


@kinds
@pytest.mark.parametrize("corrected", [True, False])
@pytest.mark.parametrize("bounds", [{}, {"lower_bound": 1e3}, {"upper_bound": 0.5}], ids=str)
def test_many_by_lamb(dtype, mixed, corrected, bounds):
    inputs = [array for size in (5, 40000, 3) for array in adam_inputs(size, dtype, mixed)]
    values = {"learning_rates": (0.1, 0.2, 0.3), "wds": (0.01, 0.0, 0.1), "step_count": (1, 2, 3), "num_tensors": 3, **bounds}
    values |= {"bias_correction": corrected, "rescale_grad": 0.5, "clip_gradient": 0.6}
    both_run(f"_multi_{'mp_' if mixed else ''}lamb_update", values, inputs, rtol=1e-3)


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-4), ("float64", 1e-9)])
@clipping
def test_adagrad_of_rows(dtype, rtol, clip):
    for shape, history in (((7, 5), (7, 1)), ((3000, 40), (3000,)), ((4,), (4,))):
        inputs = [normal(*shape).astype(dtype), normal(*shape).astype(dtype), np.abs(normal(*history)).astype(dtype)]
        both_run("_contrib_group_adagrad_update", {"lr": 0.1, "rescale_grad": 0.5, **clip}, inputs, rtol=rtol)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rates_of_lars(dtype):
    inputs = [np.array(values, dtype) for values in ([0.1, 0.2, 0.3], [4, 0, 9], [1, 1, 0], [0.1, 0.1, 0.1])]
    both_run("multi_lars", {"eta": 0.01, "eps": 1e-6, "rescale_grad": 0.5}, inputs, rtol=1e-5)


def test_native_zeros():
    both_run("reset_arrays", {}, [normal(3), normal(2, 4).astype("float16"), np.ones(5, "int64")])


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("name", "states", "values"), [("sgd", 0, COMMON), ("sgd_mom", 1, MOMENTUM), ("nag_mom", 1, MOMENTUM)])
def test_mixed(name, states, values, size, dtype):
    inputs = arrays(size, dtype, 2) + arrays(size, "float32", states + 1)
    both_run(f"mp_{name}_update", values, inputs, rtol=1e-3)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("momentum", [False, True])
@pytest.mark.parametrize("count", [1, 2, 20])
@clipping
def test_many(mixed, momentum, count, clip):
    inputs = []
    for i in range(count):
        inputs += arrays(5 + i, "float16" if mixed else "float32", 2) + arrays(5 + i, "float32", momentum + mixed)
    name = f"{'mp_' if mixed else ''}sgd_{'mom_' if momentum else ''}update"
    values = {"rescale_grad": 0.5, "num_weights": count, **clip, **({"momentum": 0.9} if momentum else {})}
    rates, decays = np.linspace(0.1, 0.2, count), np.linspace(0.01, 0.02, count)
    lists = {"lrs": tuple(rates), "wds": tuple(decays)}
    expected = both_run(f"multi_{name}", {**values, **lists}, inputs, rtol=1e-3)
    loaded = [*inputs, rates.astype(np.float32), decays.astype(np.float32)]
    found = both_run(f"preloaded_multi_{name}", values, loaded, rtol=1e-3)
    if count > 1:
        for a, b in zip(expected, found):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


def test_written_in_place():
    weight, gradient, momentum = mx.nd.ones((3,)), mx.nd.ones((3,)), mx.nd.zeros((3,))
    view = weight[1:]
    for _ in range(3):
        result = mx.nd.sgd_mom_update(weight, gradient, momentum, lr=0.5, momentum=0.5, out=weight)
    assert result is weight
    np.testing.assert_allclose(momentum.asnumpy(), -0.875)
    np.testing.assert_allclose(view.asnumpy(), 1 - 0.5 - 0.75 - 0.875)


def test_changing_rates_share_a_kernel():
    weight = mx.nd.zeros((2,))
    for step in range(50):
        mx.nd.sgd_update(weight, mx.nd.ones((2,)), lr=0.5**step, out=weight)
    np.testing.assert_allclose(weight.asnumpy(), -2, rtol=1e-6)
    weights = [mx.nd.zeros((2,)) for _ in range(15)]
    inputs = [array for weight in weights for array in (weight, mx.nd.ones((2,)))]
    for step in range(3):
        rates = [step + i for i in range(15)]
        mx.nd.multi_sgd_update(*inputs, lrs=rates, wds=[0] * 15, num_weights=15, out=weights)
    for i, weight in enumerate(weights):
        np.testing.assert_allclose(weight.asnumpy(), -(3 * i + 3))


def test_reset_arrays():
    filled = [mx.nd.ones((2,)), mx.nd.ones((3, 4))]
    mx.nd.reset_arrays(*filled, num_arrays=2)
    assert all((array.asnumpy() == 0).all() for array in filled)


def test_overflow_leaves_the_step_out():
    weight, mean, var = mx.nd.ones((2,)), mx.nd.ones((2,)), mx.nd.ones((2,))
    for scale in (0, float("inf"), float("nan")):
        mx.nd.contrib.adamw_update(weight, mx.nd.ones((2,)), mean, var, mx.nd.array([scale]), lr=0.1, eta=1.0, out=weight)
    for array in (weight, mean, var):
        assert (array.asnumpy() == 1).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mx.nd.sgd_update(mx.nd.ones((2,)), mx.nd.ones((3,)), lr=0.1), r"shape \(3,\)"),
        (lambda: mx.nd.sgd_update(mx.nd.ones((2,), dtype="int32"), mx.nd.ones((2,), dtype="int32"), lr=0.1), "int32"),
        (lambda: mx.nd.mp_sgd_update(*[mx.nd.ones((2,), dtype="float16")] * 3, lr=0.1), "float32"),
        (lambda: mx.nd.multi_sgd_update(*[mx.nd.ones((2,))] * 4, lrs=(0.1,), wds=(0, 0), num_weights=2), "lrs has 1"),
        (lambda: mx.nd.multi_sgd_update(*[mx.nd.ones((2,))] * 3, lrs=(0.1, 0.1), wds=(0, 0), num_weights=2), "need 4 inputs"),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_lists_of_rates_and_of_results_are_read_anew_at_every_call():
    weights = [mx.nd.ones(3), mx.nd.ones(3)]
    grads = [mx.nd.ones(3), mx.nd.ones(3)]
    for rates in ((0.5, 0.25), [0.25, 0.5]):
        mx.nd.multi_sgd_update(
            weights[0], grads[0], weights[1], grads[1], lrs=rates, wds=(0.0, 0.0), num_weights=2, out=list(weights)
        )
    np.testing.assert_array_equal(weights[0].asnumpy(), np.full(3, 0.25, np.float32))
    np.testing.assert_array_equal(weights[1].asnumpy(), np.full(3, 0.25, np.float32))
    with pytest.raises(mx.MXNetError):
        mx.nd.multi_sgd_update(
            weights[0], grads[0], weights[1], grads[1], lrs=(0.5,), wds=(0.0, 0.0), num_weights=2, out=list(weights)
        ).wait_to_read()
