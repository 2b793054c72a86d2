"""Pooling, batch and local response normalization kernels against the NumPy kernels of the same declarations."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from weft.ops import registry
from weft.ops.cpu import planes

registry.load_all()


class Spec:
    def __init__(self, shape, dtype="float32"):
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.size = math.prod(self.shape)


def values(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def compare(name, builder, attrs, inputs, out_shapes, tolerance=2e-5):
    """Run the native and the NumPy kernel on copies of the inputs; compare outputs and mutated inputs."""
    specs = [Spec(array.shape) for array in inputs]
    kernel = builder(attrs, specs, [Spec(shape) for shape in out_shapes])
    assert kernel is not None
    mine, right = ([array.copy() for array in inputs] for _ in range(2))
    outs, expected = ([np.full(shape, np.nan, np.float32) for shape in out_shapes] for _ in range(2))
    kernel.run(mine, outs)
    registry.get(name).numpy(attrs, right, expected)
    for got, good in zip(outs + mine, expected + right):
        np.testing.assert_allclose(got, good, rtol=2e-4, atol=tolerance)
    return expected


POOLS = [
    ((2, 3, 8, 8), (2, 2), (2, 2), (0, 0)),
    ((2, 3, 9, 7), (3, 3), (2, 2), (1, 1)),
    ((1, 2, 9, 10), (3, 2), (1, 3), (1, 0)),
    ((2, 2, 7, 7), (3, 3), (1, 1), (1, 1)),
    ((1, 2, 33, 45), (3, 3), (2, 2), (1, 1)),
    ((1, 2, 20, 37), (3, 5), (1, 1), (1, 2)),
    ((1, 1, 12, 40), (2, 3), (2, 2), (0, 0)),
    ((3, 1, 11, 5), (5, 1), (4, 1), (2, 0)),
    ((3, 2, 30), (3,), (2,), (1,)),
    ((2, 2, 6, 7, 5), (2, 3, 2), (2, 2, 1), (1, 1, 0)),
]


@pytest.mark.parametrize("shape, kernel, stride, pad", POOLS)
@pytest.mark.parametrize("kind, convention", [*itertools.product(["max", "avg", "sum"], ["valid", "full"])])
@pytest.mark.parametrize("include", [None, False])
def test_pooling(shape, kernel, stride, pad, kind, convention, include):
    attrs = registry.get("Pooling").attrs(
        kernel=kernel, stride=stride, pad=pad, pool_type=kind, pooling_convention=convention, count_include_pad=include
    )
    check_pooling(attrs, values(1, *shape))


@pytest.mark.parametrize("kind", ["max", "avg", "sum"])
@pytest.mark.parametrize("shape", [(2, 3, 7, 9), (1, 1, 1), (2, 4, 3, 3, 3)])
def test_global_pooling(kind, shape):
    check_pooling(registry.get("Pooling").attrs(pool_type=kind, global_pool=True), values(2, *shape))


@pytest.mark.parametrize("shape, kernel, stride, pad", POOLS)
def test_maxima_pass_over_what_is_not_a_number(shape, kernel, stride, pad):
    data = values(1, *shape)
    data.ravel()[np.random.default_rng(2).permutation(data.size)[: data.size // 3]] = np.nan
    attrs = registry.get("Pooling").attrs(kernel=kernel, stride=stride, pad=pad, pool_type="max")
    (out,) = check_pooling(attrs, data)
    assert not np.isnan(out).any()


def test_ties_go_to_the_first_maximum():
    data = np.zeros((1, 1, 6, 6), np.float32)
    for stride in (1, 2, 3):
        check_pooling(registry.get("Pooling").attrs(kernel=(2, 2), stride=(stride, stride)), data)


def check_pooling(attrs, data):
    (out_shape,) = registry.get("Pooling").infer_shapes(attrs, [data.shape])
    (out,) = compare("Pooling", planes.pooling, attrs, [data], [out_shape])
    inputs = [values(3, *out_shape), data, out]
    compare("_backward_Pooling", planes.backward_pooling, attrs, inputs, [data.shape])
    return [out]


@pytest.mark.parametrize("shape", [(4, 3, 5, 6), (64, 7), (1, 2, 100), (3, 16, 40, 41), (2, 5, 3, 4, 2)])
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("fix_gamma, use_global_stats", [(False, False), (True, False), (False, True)])
def test_batch_norm(shape, train, fix_gamma, use_global_stats):
    make = registry.get("BatchNorm").attrs
    attrs = make(fix_gamma=fix_gamma, use_global_stats=use_global_stats, momentum=0.7).with_(train=train)
    channels = (shape[1],)
    data, gamma, beta = values(1, *shape) * 3 + 5, values(2, *channels), values(3, *channels)
    mean, var = values(4, *channels), np.abs(values(5, *channels)) + 0.5
    shapes = [shape, channels, channels]
    _, saved_mean, saved_invstd = compare("BatchNorm", planes.batch_norm, attrs, [data, gamma, beta, mean, var], shapes)
    inputs = [values(6, *shape), data, gamma, saved_mean, saved_invstd, mean, var]
    tolerance = 2e-4 * math.sqrt(data.size // shape[1])
    compare("_backward_BatchNorm", planes.backward_batch_norm, attrs, inputs, shapes, tolerance)


@pytest.mark.parametrize("shape", [(2, 7, 5, 6), (1, 3, 1, 1), (3, 16, 20, 21)])
@pytest.mark.parametrize("nsize, beta", [(5, 0.75), (3, 0.5), (1, 0.75), (9, 1.25)])
def test_local_response_norm(shape, nsize, beta):
    attrs = registry.get("LRN").attrs(nsize=nsize, beta=beta, alpha=0.3, knorm=1.5)
    data = values(1, *shape)
    _, norm = compare("LRN", planes.lrn, attrs, [data], [shape, shape])
    compare("_backward_LRN", planes.backward_lrn, attrs, [values(2, *shape), data, norm], [shape])


def test_declines_what_it_cannot():
    attrs = registry.get("Pooling").attrs(kernel=(2, 2), layout="NHWC")
    assert planes.pooling(attrs, [Spec((1, 4, 4, 2))], [Spec((1, 3, 3, 2))]) is None
    attrs = registry.get("Pooling").attrs(kernel=(2, 2), pool_type="lp", p_value=2)
    assert planes.pooling(attrs, [Spec((1, 2, 4, 4))], [Spec((1, 2, 3, 3))]) is None
    attrs = registry.get("Pooling").attrs(kernel=(2, 2))
    assert planes.pooling(attrs, [Spec((1, 2, 4, 4), "float64")], [Spec((1, 2, 3, 3), "float64")]) is None
