"""Second order gradients of the layers through autograd, against differences of first order ones."""

import numpy as np
import pytest

from weft import autograd, nd

RNG = np.random.default_rng(23)


def normal(*shape):
    return RNG.standard_normal(shape)


def batch_norm(operator=nd.BatchNorm, **parameters):
    def layer(x, gamma, beta):
        mean, var = nd.array([0.25, -0.5], dtype="float64"), nd.array([0.75, 1.5], dtype="float64")
        return operator(x, gamma, beta, mean, var, eps=0.1, **parameters)

    return layer


LAYERS = {
    "FullyConnected": (lambda x, w, b: nd.FullyConnected(x, w, b, num_hidden=3), [(2, 4), (3, 4), (3,)]),
    "Convolution": (
        lambda x, w, b: nd.Convolution(x, w, b, kernel=(2, 2), num_filter=2, stride=(2, 1)),
        [(1, 2, 4, 3), (2, 2, 2, 2), (2,)],
    ),
    "Deconvolution": (lambda x, w: nd.Deconvolution(x, w, kernel=(2, 2), num_filter=2), [(1, 2, 3, 2), (2, 2, 2, 2)]),
    "Pooling": (lambda x: nd.Pooling(x * x, kernel=(2, 2), pool_type="avg"), [(1, 2, 3, 3)]),
    "LayerNorm": (lambda x, g, b: nd.LayerNorm(x, g, b, eps=0.1), [(3, 4), (4,), (4,)]),
    "LayerNorm-0": (lambda x, g, b: nd.LayerNorm(x, g, b, axis=0, eps=0.1), [(3, 4), (3,), (3,)]),
    "GroupNorm": (lambda x, g, b: nd.GroupNorm(x, g, b, num_groups=2, eps=0.1), [(2, 4, 3), (2,), (2,)]),
    "InstanceNorm": (lambda x, g, b: nd.InstanceNorm(x, g, b, eps=0.1), [(2, 3, 2, 2), (3,), (3,)]),
    "BatchNorm": (batch_norm(fix_gamma=False), [(3, 2, 2), (2,), (2,)]),
    "BatchNorm-last": (batch_norm(fix_gamma=False, axis=-1), [(3, 2, 2), (2,), (2,)]),
    "BatchNorm-fixed": (batch_norm(), [(3, 2, 2), (2,), (2,)]),
    "BatchNorm-global": (batch_norm(fix_gamma=False, use_global_stats=True), [(3, 2, 2), (2,), (2,)]),
    "BatchNorm-global-fixed": (batch_norm(use_global_stats=True), [(3, 2, 2), (2,), (2,)]),
    "BatchNorm_v1": (batch_norm(nd.BatchNorm_v1, fix_gamma=False), [(3, 2, 2), (2,), (2,)]),
    "BatchNormWithReLU": (batch_norm(nd.contrib.BatchNormWithReLU, fix_gamma=False), [(3, 2, 2), (2,), (2,)]),
    "SyncBatchNorm": (batch_norm(nd.contrib.SyncBatchNorm, fix_gamma=False, key="k"), [(3, 2, 2), (2,), (2,)]),
    "softmax": (lambda x: nd.softmax(x, axis=0, temperature=2.0), [(3, 2)]),
    "log_softmax": (lambda x: nd.log_softmax(x), [(3, 4)]),
    "softmin": (lambda x: nd.softmin(x), [(3, 4)]),
    "sigmoid": (lambda x: nd.Activation(x, act_type="sigmoid"), [(3, 4)]),
    "tanh": (lambda x: nd.Activation(x, act_type="tanh"), [(3, 4)]),
    "softrelu": (lambda x: nd.Activation(x, act_type="softrelu"), [(3, 4)]),
    "softsign": (lambda x: nd.Activation(x, act_type="softsign"), [(3, 4)]),
    "elu": (lambda x: nd.LeakyReLU(x, act_type="elu"), [(3, 4)]),
    "selu": (lambda x: nd.LeakyReLU(x, act_type="selu"), [(3, 4)]),
    "gelu": (lambda x: nd.LeakyReLU(x, act_type="gelu"), [(3, 4)]),
    "resize": (lambda x: nd.contrib.BilinearResize2D(x * x, height=3, width=2), [(1, 1, 2, 3)]),
}


def first_gradients(function, values, head):
    arrays = [nd.array(v, dtype="float64") for v in values]
    for array in arrays:
        array.attach_grad()
    with autograd.record():
        out = function(*arrays)
        loss = (out * out * nd.array(head, dtype="float64")).sum()
        return autograd.grad(loss, arrays, create_graph=True, retain_graph=True)


@pytest.mark.parametrize("name", LAYERS)
def test_second_order(name):
    function, shapes = LAYERS[name]
    values = [normal(*shape) for shape in shapes]
    out = function(*[nd.array(v, dtype="float64") for v in values])
    head = normal(*out.shape)
    weights = [normal(*shape) for shape in shapes]

    def total(at):
        grads = first_gradients(function, at, head)
        return sum(float((g.asnumpy() * w).sum()) for g, w in zip(grads, weights))

    arrays = [nd.array(v, dtype="float64") for v in values]
    for array in arrays:
        array.attach_grad()
    with autograd.record():
        out = function(*arrays)
        loss = (out * out * nd.array(head, dtype="float64")).sum()
        grads = autograd.grad(loss, arrays, create_graph=True, retain_graph=True)
        second = sum((g * nd.array(w, dtype="float64")).sum() for g, w in zip(grads, weights))
    second.backward()
    for i, value in enumerate(values):
        direction = normal(*value.shape)
        moved = []
        for sign in (1, -1):
            at = [v + sign * 1e-5 * direction if j == i else v for j, v in enumerate(values)]
            moved.append(total(at))
        expected = (moved[0] - moved[1]) / 2e-5
        found = float((arrays[i].grad.asnumpy() * direction).sum())
        assert abs(found - expected) <= 1e-5 * max(1, abs(expected)), f"input {i}: {found} against {expected}"


def test_half_precision_batch_norm_has_second_order_gradients():
    values = [normal(4, 2, 3), normal(2), normal(2)]
    found = []
    for dtype, wide in (("float16", "float32"), ("float64", "float64")):
        x, gamma, beta = (nd.array(value, dtype=kind) for value, kind in zip(values, (dtype, wide, wide)))
        moving = nd.zeros(2, dtype=wide), nd.ones(2, dtype=wide)
        x.attach_grad()
        with autograd.record():
            out = nd.BatchNorm(x, gamma, beta, *moving, fix_gamma=False, eps=0.1)
            (slope,) = autograd.grad((out * out).sum(), [x], create_graph=True, retain_graph=True)
            second = (slope * slope).sum()
        second.backward()
        assert x.grad.dtype == np.dtype(dtype)
        found.append(x.grad.asnumpy().astype("float64"))
    np.testing.assert_allclose(found[0], found[1], atol=0.05 * abs(found[1]).max())
