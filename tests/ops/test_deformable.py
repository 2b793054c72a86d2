"""Deformable convolution and the Hawkes likelihood: special cases, gradients by differences, one answer of MXNet."""

import numpy as np
import pytest

import weft as mx

RNG = np.random.default_rng(0)


def draw(*shape):
    return RNG.normal(size=shape)


def to_nd(array):
    return mx.nd.array(array, dtype=array.dtype)


def check_gradients(function, arrays, step=1e-6, skip=()):
    inputs = [to_nd(array) for array in arrays]
    for array in inputs:
        array.attach_grad()
    with mx.autograd.record():
        loss = function(*inputs)
    loss.backward()
    for index, array in enumerate(arrays):
        if index in skip:
            continue
        found = inputs[index].grad.asnumpy()
        for place in [tuple(RNG.integers(0, n) for n in array.shape) for _ in range(25)]:
            values = []
            for sign in (1, -1):
                moved = [item.copy() for item in arrays]
                moved[index][place] += sign * step
                values.append(function(*(to_nd(item) for item in moved)).asscalar())
            np.testing.assert_allclose(found[place], (values[0] - values[1]) / (2 * step), rtol=1e-5, atol=1e-6)


def test_without_offsets_it_is_a_convolution():
    data, weight, bias = draw(2, 4, 6, 7), draw(6, 2, 3, 3), draw(6)
    options = {"kernel": (3, 3), "stride": (2, 1), "pad": (1, 1), "num_filter": 6, "num_group": 2}
    plain = mx.nd.Convolution(*map(to_nd, (data, weight, bias)), **options)
    offset = np.zeros((2, 18, *plain.shape[2:]))
    found = mx.nd.contrib.DeformableConvolution(*map(to_nd, (data, offset, weight, bias)), **options)
    np.testing.assert_allclose(found.asnumpy(), plain.asnumpy(), rtol=1e-10, atol=1e-10)
    mask = np.full((2, 9, *plain.shape[2:]), 0.5)
    half = mx.nd.contrib.ModulatedDeformableConvolution(*map(to_nd, (data, offset, mask, weight, bias)), **options)
    expected = (plain.asnumpy() + bias.reshape(1, -1, 1, 1)) / 2
    np.testing.assert_allclose(half.asnumpy(), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("groups", [1, 2])
def test_gradients_of_deformable_convolution(groups):
    data, offset, weight = draw(2, 4, 5, 5), draw(2, 8 * groups, 4, 4), draw(3, 4, 2, 2)
    heads = to_nd(draw(2, 3, 4, 4))
    options = {"kernel": (2, 2), "num_filter": 3, "num_deformable_group": groups, "no_bias": True}

    def loss(*arrays):
        return mx.nd.sum(mx.nd.contrib.DeformableConvolution(*arrays, **options) * heads)

    check_gradients(loss, [data, offset, weight])


def test_gradients_of_modulated_convolution():
    arrays = [draw(1, 4, 5, 5), draw(1, 8, 4, 4), RNG.uniform(0.2, 1, (1, 4, 4, 4)), draw(2, 4, 2, 2), draw(2)]
    heads = to_nd(draw(1, 2, 4, 4))

    def loss(*inputs):
        return mx.nd.sum(mx.nd.contrib.ModulatedDeformableConvolution(*inputs, kernel=(2, 2), num_filter=2) * heads)

    check_gradients(loss, arrays)


def test_wrong_offsets_are_named():
    with pytest.raises(mx.MXNetError, match=r"offset has shape \(1, 4, 3, 3\), expected \(1, 18, 3, 3\)"):
        mx.nd.contrib.DeformableConvolution(
            mx.nd.ones((1, 2, 5, 5)), mx.nd.ones((1, 4, 3, 3)), mx.nd.ones((2, 2, 3, 3)),
            kernel=(3, 3), num_filter=2, no_bias=True,
        )  # fmt: skip


def hawkes_directly(lda, alpha, beta, state, lags, marks, valid, end):
    """The textbook sum: log intensities at the points less the integral of the intensity."""
    totals = []
    for n in range(lda.shape[0]):
        times = np.cumsum(lags[n])[: int(valid[n])]
        kinds = marks[n][: int(valid[n])].astype(int)
        total = 0.0
        for i, (time, kind) in enumerate(zip(times, kinds)):
            earlier = times[:i][kinds[:i] == kind]
            excited = np.exp(-beta[kind] * (time - earlier)).sum() + state[n, kind] * np.exp(-beta[kind] * time)
            total += np.log(lda[n, kind] + alpha[kind] * beta[kind] * excited)
        for kind in range(lda.shape[1]):
            gone = 1 - np.exp(-beta[kind] * (end[n] - times[kinds == kind]))
            start = state[n, kind] * (1 - np.exp(-beta[kind] * end[n]))
            total -= lda[n, kind] * end[n] + alpha[kind] * (gone.sum() + start)
        totals.append(total)
    return np.array(totals)


def test_hawkes_likelihood_and_gradients():
    lda, alpha, beta = RNG.uniform(0.5, 2, (2, 3)), RNG.uniform(0.1, 0.5, 3), RNG.uniform(0.5, 1.5, 3)
    state, lags = RNG.uniform(0, 1, (2, 3)), RNG.uniform(0, 1, (2, 5))
    marks, valid, end = RNG.integers(0, 3, (2, 5)).astype(np.float64), np.array([5.0, 3.0]), np.array([6.0, 7.0])
    rest = [to_nd(array) for array in (state, lags, marks, valid, end)]
    found, last = mx.nd.contrib.hawkesll(to_nd(lda), to_nd(alpha), to_nd(beta), *rest)
    np.testing.assert_allclose(found.asnumpy(), hawkes_directly(lda, alpha, beta, state, lags, marks, valid, end), rtol=1e-9)
    assert last.shape == (2, 3)
    weights = to_nd(np.array([1.0, 2.0]))

    def loss(*arrays):
        return mx.nd.sum(mx.nd.contrib.hawkesll(*arrays, *rest)[0] * weights)

    check_gradients(loss, [lda, alpha, beta])


@pytest.mark.parametrize("shifted", [True, False])
def test_gradients_of_position_sensitive_pooling(shifted):
    data = draw(2, 3 * 4, 8, 8)
    rois = to_nd(np.array([[0, 0.0, 0.0, 7.0, 7.0], [1, 2.0, 1.0, 6.0, 7.0]]))
    heads = to_nd(draw(2, 3, 2, 2))
    options = {
        "spatial_scale": 1.0, "output_dim": 3, "group_size": 2, "pooled_size": 2, "sample_per_part": 3,
        "trans_std": 0.1, "no_trans": not shifted,
    }  # fmt: skip

    def loss(inner, *shifts):
        return mx.nd.sum(mx.nd.contrib.DeformablePSROIPooling(inner, rois, *shifts, **options) * heads)

    check_gradients(loss, [data, draw(2, 2, 2, 2)] if shifted else [data])
