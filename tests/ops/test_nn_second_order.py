"""Second order gradients of the layers through autograd, against differences of first order ones."""

import numpy as np
import pytest

from weft import autograd, nd

RNG = np.random.default_rng(23)


def normal(*shape):
    return RNG.standard_normal(shape)


LAYERS = {
    "FullyConnected": (lambda x, w, b: nd.FullyConnected(x, w, b, num_hidden=3), [(2, 4), (3, 4), (3,)]),
    "Convolution": (
        lambda x, w, b: nd.Convolution(x, w, b, kernel=(2, 2), num_filter=2, stride=(2, 1)),
        [(1, 2, 4, 3), (2, 2, 2, 2), (2,)],
    ),
    "Deconvolution": (lambda x, w: nd.Deconvolution(x, w, kernel=(2, 2), num_filter=2), [(1, 2, 3, 2), (2, 2, 2, 2)]),
    "Pooling": (lambda x: nd.Pooling(x * x, kernel=(2, 2), pool_type="avg"), [(1, 2, 3, 3)]),
    "LayerNorm": (lambda x, g, b: nd.LayerNorm(x, g, b, eps=0.1), [(3, 4), (4,), (4,)]),
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
