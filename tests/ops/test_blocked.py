"""Blocked operators: native kernels against NumPy's, and NumPy's against those of plain arrays."""

import numpy as np
import pytest

from weft.ops import blocked, registry
from weft.ops.builders import ShapeSpec
from weft.ops.cpu import onednn
from weft.ops.cpu.runner import run_kernel

needs_onednn = pytest.mark.skipif(not onednn.available(), reason="oneDNN is not there")


def draw(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


def native(name, params, arrays, train=False):
    """Run an operator's native kernel; fails where no builder takes the case."""
    op = registry.get(name)
    attrs = op.attrs(params).with_(train=train)
    shapes, dtypes = op.infer(attrs, [a.shape for a in arrays], [a.dtype for a in arrays])
    ins = [ShapeSpec(a.shape, a.dtype) for a in arrays]
    outs = [ShapeSpec(shape, dtype) for shape, dtype in zip(shapes, dtypes)]
    kernel = next(filter(None, (build(attrs, ins, outs) for build in op.cpu)), None)
    assert kernel is not None, f"{name}: no native kernel takes this"
    results = [np.full(spec.shape, np.nan, spec.dtype) for spec in outs]
    run_kernel(kernel, arrays, results)
    return results


def agree(name, params, arrays, train=False, tolerance=2e-5):
    """Compare native and NumPy kernel, mutated inputs included; return the native results."""
    copies = [a.copy() for a in arrays]
    attrs = registry.get(name).attrs(params).with_(train=train)
    expected = registry.reference_run(name, attrs, copies)
    got = native(name, params, arrays, train)
    for a, b in zip([*got, *arrays], [*expected, *copies]):
        # Winograd's method loses a few more digits of the largest values than the direct sums.
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1, np.abs(b).max()))
    return got


@pytest.mark.parametrize("size", [8, 16])
@pytest.mark.parametrize("spatial", [(1, 1), (3, 5), (8, 4), (7, 7)])
def test_layouts_there_and_back(size, spatial):
    data = draw(2, 32, *spatial)
    (made,) = agree("_to_blocked", {"block": size}, [data], tolerance=0)
    assert made.shape == (2, 32 // size, *spatial, size)
    assert made[1, 0, 0, 0, 3] == data[1, 3, 0, 0]
    (back,) = agree("_from_blocked", {}, [made], tolerance=0)
    np.testing.assert_array_equal(back, data)


CONVOLUTIONS = [
    ((2, 16, 9, 9), 24, (3, 3), (1, 1), (1, 1)),
    ((5, 32, 7, 6), 16, (1, 1), (1, 1), (0, 0)),
    ((1, 64, 14, 14), 64, (3, 3), (2, 2), (1, 1)),
    ((3, 16, 8, 8), 32, (1, 1), (2, 2), (0, 0)),
    ((2, 3, 20, 20), 16, (7, 7), (2, 2), (3, 3)),
    ((2, 256, 4, 4), 256, (3, 3), (1, 1), (1, 1)),
]


def conv_case(case, size=8, **more):
    shape, filters, kernel, stride, pad = case
    data, weight = draw(*shape), draw(filters, shape[1], *kernel, seed=1)
    data = data if shape[1] == 3 else blocked.block(data, size)
    params = {"kernel": kernel, "stride": stride, "pad": pad, "num_filter": filters, "block": size, **more}
    return data, weight, params


@needs_onednn
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolution(case, packed):
    data, weight, params = conv_case(case)
    plain = {k: v for k, v in params.items() if k != "block"}
    expected = registry.reference_run("Convolution", plain, [blocked.unblock(data), weight, draw(case[1], seed=2)])
    if packed:
        (weight,) = agree("_pack_weight", {"block": 8, "plain_data": case[0][1] == 3}, [weight], tolerance=0)
        params["weight_format"] = "packed"
    (got,) = agree("_blocked_Convolution", params, [data, weight, draw(case[1], seed=2)])
    np.testing.assert_allclose(blocked.unblock(got), expected[0], rtol=1e-4, atol=1e-5 * np.abs(expected[0]).max())


WINOGRAD = [((2, 32, 13, 18), 48, (1, 1)), ((3, 64, 8, 8), 32, (0, 2)), ((9, 48, 9, 7), 64, (2, 1))]


@needs_onednn
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("case", WINOGRAD, ids=str)
def test_transformed_weights(case, relu):
    shape, filters, pad = case
    data, weight, bias = blocked.block(draw(*shape), 8), draw(filters, shape[1], 3, 3, seed=1), draw(filters, seed=2)
    params = {"kernel": (3, 3), "pad": pad, "num_filter": filters, "act_type": "relu" if relu else "none"}
    op = registry.get("_blocked_Convolution")
    (expected,) = registry.reference_run(op, params, [data, weight, bias])
    (points,) = agree("_pack_weight", {"winograd": True}, [weight], tolerance=1e-6)
    for arrays, residual in (([data, points, bias], False), ([data, points, bias, expected], True)):
        more = {**params, "weight_format": "winograd", "residual": residual}
        (got,) = agree("_blocked_Convolution", more, arrays, tolerance=5e-5)
        if not residual:
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


@needs_onednn
@pytest.mark.parametrize("case", WINOGRAD, ids=str)
def test_winograd_gradients_and_plain_arrays(case):
    shape, filters, pad = case
    data, weight = draw(*shape), draw(filters, shape[1], 3, 3, seed=1)
    params = {"kernel": (3, 3), "pad": pad, "num_filter": filters, "no_bias": True}
    (out,) = agree("Convolution", params, [data, weight], tolerance=5e-5)
    grad = draw(*out.shape, seed=2)
    plain = agree("_backward_Convolution", {**params, "wanted": 3}, [grad, data, weight], tolerance=5e-5)
    made = agree(
        "_backward_blocked_Convolution",
        {**params, "wanted": 3},
        [blocked.block(grad, 8), blocked.block(data, 8), weight],
        tolerance=5e-5,
    )
    for blocks, planes in zip((blocked.unblock(made[0]), made[1]), plain):
        np.testing.assert_allclose(blocks, planes, rtol=5e-5, atol=5e-5 * np.abs(planes).max())


@needs_onednn
@pytest.mark.parametrize("act", ["none", *sorted(set(blocked.ACTIVATIONS) - {"none"})])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("name", ["_blocked_Convolution", "_fused_Convolution"])
@pytest.mark.parametrize("case", CONVOLUTIONS[:3], ids=str)
def test_functions_of_a_result(case, name, residual, act):
    data, weight, params = conv_case(case, act_type=act, alpha=-0.4 if act == "clip" else 0.3, beta=0.5, residual=residual)
    if name == "_fused_Convolution":
        if residual and act not in ("none", "relu"):
            pytest.skip("runs on NumPy")
        del params["block"]
        data = blocked.unblock(data)
    arrays = [data, weight, draw(case[1], seed=2)]
    if residual:
        op = registry.get(name)
        shape = op.infer_shapes(op.attrs({**params, "residual": False}), [a.shape for a in arrays])[0]
        arrays.append(draw(*shape, seed=3))
    agree(name, params, arrays)


@needs_onednn
def test_result_in_place_of_residual():
    data, weight, params = conv_case(CONVOLUTIONS[0], act_type="relu", residual=True, no_bias=True)
    op = registry.get("_blocked_Convolution")
    attrs = op.attrs(params)
    residual = draw(2, 3, 9, 9, 8, seed=3)
    expected = registry.reference_run(op, attrs, [data, weight, residual])
    specs = [ShapeSpec(a.shape, a.dtype) for a in (data, weight, residual)]
    run_kernel(op.cpu[0](attrs, specs, [specs[2]]), [data, weight, residual], [residual])
    np.testing.assert_allclose(residual, expected[0], rtol=1e-4, atol=1e-4)
    assert op.inplace_pairs(attrs) == ((2, 0),)


@needs_onednn
@pytest.mark.parametrize("wanted", [1, 2, 4, 7])
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_backward_convolution(case, wanted):
    data, weight, params = conv_case(case)
    out = registry.get("_blocked_Convolution").infer_shapes(
        registry.get("_blocked_Convolution").attrs({**params, "no_bias": True}), [data.shape, weight.shape]
    )[0]
    del params["block"]
    arrays = [draw(*out, seed=4), data, weight]
    if data.ndim == 4 and wanted & 1:
        # For the gradient of plain data oneDNN has its reference loops only, which are never taken.
        with pytest.raises(AssertionError, match="no native kernel"):
            native("_backward_blocked_Convolution", {**params, "wanted": wanted}, arrays)
        return
    agree("_backward_blocked_Convolution", {**params, "wanted": wanted}, arrays)


POOLS = [
    {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1), "pool_type": "max"},
    {"kernel": (2, 2), "stride": (2, 2), "pool_type": "max", "pooling_convention": "full"},
    {"kernel": (3, 2), "stride": (1, 2), "pad": (1, 0), "pool_type": "avg"},
    {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1), "pool_type": "avg", "count_include_pad": False},
    {"kernel": (2, 2), "pool_type": "sum"},
    {"global_pool": True, "pool_type": "avg"},
    {"global_pool": True, "pool_type": "max"},
]


@pytest.mark.parametrize("size", [8, 16])
@pytest.mark.parametrize("params", POOLS, ids=str)
def test_pooling(params, size):
    data = blocked.block(np.round(draw(2, 32, 7, 9) * 4) / 4, size)  # with ties
    (out,) = agree("_blocked_Pooling", params, [data])
    plain = registry.reference_run("Pooling", params, [blocked.unblock(data)])[0]
    np.testing.assert_allclose(blocked.unblock(out), plain, rtol=1e-5)
    agree("_backward_blocked_Pooling", params, [draw(*out.shape, seed=1), data, out])
    if params["pool_type"] == "max":
        data[:, :, ::3, :-1:2] = np.nan
        assert not np.isnan(agree("_blocked_Pooling", params, [data])[0]).any()


@pytest.mark.parametrize("size", [8, 16])
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("more", [{}, {"fix_gamma": False}, {"use_global_stats": True, "fix_gamma": False}], ids=str)
def test_batch_norm(relu, train, more, size):
    data = blocked.block(draw(3, 32, 5, 7) * 3 + 10, size)
    gamma, beta, mean, var = draw(32, seed=1) + 2, draw(32, seed=2), draw(32, seed=3) + 10, draw(32, seed=4) + 2
    params = {"relu": relu, "eps": 1e-4, **more}
    _, m, s = agree("_blocked_BatchNorm", params, [data, gamma, beta, mean, var], train, tolerance=1e-4)
    grad = draw(*data.shape, seed=5)
    agree("_backward_blocked_BatchNorm", params, [grad, data, gamma, beta, m, s, mean, var], train, tolerance=1e-4)


@pytest.mark.parametrize(
    ("name", "params", "shapes", "words"),
    [
        ("_to_blocked", {}, [(1, 12, 2, 2)], "12 channels"),
        ("_from_blocked", {}, [(1, 8, 2, 2)], "4 axes"),
        ("_pack_weight", {}, [(8, 12, 3, 3)], "block=8"),
        ("_blocked_Pooling", {"kernel": (2, 2)}, [(1, 8, 4, 4)], "4 axes"),
    ],
)
def test_misfits_are_named(name, params, shapes, words):
    op = registry.get(name)
    with pytest.raises(ValueError, match=words):
        op.infer_shapes(op.attrs(params), shapes)
