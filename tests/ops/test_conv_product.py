"""Convolutions of plain arrays as products of gathered windows (ops/cpu/conv_product.hpp)."""

import numpy as np
import pytest

import weft as mx
from weft import nd


def windows(data, kernel, stride, dilate, pad):
    """Return (N, C, KY, KX, OY, OX): what each result of a convolution reads."""
    padded = np.pad(data, ((0, 0), (0, 0), (pad[0],) * 2, (pad[1],) * 2))
    sizes = [(padded.shape[2 + a] - dilate[a] * (kernel[a] - 1) - 1) // stride[a] + 1 for a in range(2)]
    taps = [
        padded[:, :, y : y + stride[0] * sizes[0] : stride[0], x : x + stride[1] * sizes[1] : stride[1]]
        [:, :, : sizes[0], : sizes[1]]
        for y in range(0, kernel[0] * dilate[0], dilate[0])
        for x in range(0, kernel[1] * dilate[1], dilate[1])
    ]
    return np.stack(taps, axis=2).reshape(*data.shape[:2], *kernel, *sizes)


def spread(grad, shape, stride, dilate, pad):
    """Return the transpose of `windows`: every window's values added where they came from."""
    padded = np.zeros((*shape[:2], shape[2] + 2 * pad[0], shape[3] + 2 * pad[1]))
    for y in range(grad.shape[2]):
        for x in range(grad.shape[3]):
            part = grad[:, :, y, x]
            begin = y * dilate[0], x * dilate[1]
            padded[
                :, :, begin[0] : begin[0] + stride[0] * part.shape[2] : stride[0],
                begin[1] : begin[1] + stride[1] * part.shape[3] : stride[1],
            ] += part
    return padded[:, :, pad[0] : pad[0] + shape[2], pad[1] : pad[1] + shape[3]]


# batch, channels in, height, width, channels out, kernel, stride, dilate, pad
# Small planes take the way of the result and of the data's gradient, larger ones that of the weights' gradient.
LAYERS = [
    (2, 16, 21, 23, 19, (3, 3), (2, 2), (1, 1), (1, 1)),  # rows of tiles and patches that do not come out even
    (2, 18, 31, 30, 35, (3, 3), (2, 2), (1, 1), (1, 1)),
    (2, 20, 30, 31, 64, (1, 1), (2, 2), (1, 1), (0, 0)),
    (3, 17, 16, 17, 18, (1, 1), (2, 1), (1, 1), (0, 1)),
    (2, 48, 4, 300, 16, (3, 5), (2, 2), (1, 2), (0, 2)),  # rows longer than a patch, more depth than one strip
    (1, 24, 9, 620, 16, (3, 5), (1, 2), (1, 2), (0, 2)),
    (9, 16, 13, 13, 22, (2, 4), (3, 2), (2, 1), (2, 0)),  # patches over several images, pixels that no window reads
    (2, 16, 1, 400, 17, (1, 3), (1, 3), (1, 1), (0, 4)),  # windows with nothing but padding
]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("bias", [False, True])
def test_strided_convolution(layer, bias):
    batch, ci, height, width, co, kernel, stride, dilate, pad = layer
    rng = np.random.default_rng(3)
    arrays = [rng.standard_normal(s).astype(np.float32) for s in ((batch, ci, height, width), (co, ci, *kernel), (co,))]
    data, weight, offset = (nd.array(array) for array in arrays)
    for array in (data, weight, offset):
        array.attach_grad()
    extra = [offset] if bias else []
    with mx.autograd.record():
        out = nd.Convolution(
            data, weight, *extra, kernel=kernel, stride=stride, dilate=dilate, pad=pad, num_filter=co, no_bias=not bias
        )
    read = windows(arrays[0].astype(np.float64), kernel, stride, dilate, pad)
    expected = np.einsum("ncijyx,ocij->noyx", read, arrays[1], optimize=True) + bias * arrays[2][:, None, None]
    np.testing.assert_allclose(out.asnumpy(), expected, rtol=1e-4, atol=1e-4)
    grad = rng.standard_normal(out.shape).astype(np.float32)
    out.backward(nd.array(grad))
    d_read = np.einsum("noyx,ocij->ncijyx", grad, arrays[1], optimize=True)
    np.testing.assert_allclose(data.grad.asnumpy(), spread(d_read, data.shape, stride, dilate, pad), rtol=1e-4, atol=1e-4)
    d_weight = np.einsum("noyx,ncijyx->ocij", grad, read, optimize=True)
    np.testing.assert_allclose(weight.grad.asnumpy(), d_weight, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("layer", LAYERS[:1])
def test_strided_deconvolution_adds_its_bias(layer):
    _, ci, _, _, co, kernel, stride, _, pad = layer
    rng = np.random.default_rng(4)
    data, weight, bias = (
        rng.standard_normal(shape).astype(np.float32) for shape in ((2, ci, 12, 13), (ci, co, *kernel), (co,))
    )
    out = nd.Deconvolution(
        *(nd.array(a) for a in (data, weight, bias)), kernel=kernel, stride=stride, pad=pad, num_filter=co, no_bias=False
    )
    read = np.einsum("ncyx,coij->noijyx", data.astype(np.float64), weight, optimize=True)
    expected = spread(read, out.shape, stride, (1, 1), pad) + bias[:, None, None]
    np.testing.assert_allclose(out.asnumpy(), expected, rtol=1e-4, atol=1e-4)


def test_fused_relu_of_a_strided_convolution():
    rng = np.random.default_rng(5)
    data, weight = (nd.array(rng.standard_normal(s).astype(np.float32)) for s in ((2, 16, 28, 28), (16, 16, 3, 3)))
    x, w = mx.sym.Variable("x"), mx.sym.Variable("w")
    layer = mx.sym.Convolution(x, w, kernel=(3, 3), stride=(2, 2), num_filter=16, no_bias=True)
    out = mx.sym.relu(layer).bind(mx.cpu(), {"x": data, "w": weight}, grad_req="null").forward(is_train=False)[0]
    alone = nd.Convolution(data, weight, kernel=(3, 3), stride=(2, 2), num_filter=16, no_bias=True).asnumpy()
    assert (alone < 0).any()
    np.testing.assert_allclose(out.asnumpy(), np.maximum(alone, 0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layer", [(4, 64, 14, 3, 2), (5, 32, 7, 1, 1), (8, 64, 28, 3, 1)], ids=str)
@pytest.mark.parametrize("layers", [1, 3])
def test_fused_leaky_relu_keeps_its_slope(layer, layers):
    batch, channels, size, kernel, stride = layer
    rng = np.random.default_rng(6)
    window = {"kernel": (kernel,) * 2, "stride": (stride,) * 2, "pad": (kernel // 2,) * 2, "num_filter": channels, "no_bias": True}
    data = nd.array(rng.standard_normal((batch, channels, size, size)))
    weights = [nd.array(rng.standard_normal((channels, channels, kernel, kernel)) / channels) for _ in range(layers)]
    symbol, expected = mx.sym.Variable("x"), data
    for k, weight in enumerate(weights):
        symbol = mx.sym.LeakyReLU(mx.sym.Convolution(symbol, mx.sym.Variable(f"w{k}"), **window), act_type="leaky", slope=0.3)
        expected = nd.LeakyReLU(nd.Convolution(expected, weight, **window), act_type="leaky", slope=0.3)
    arrays = {"x": data, **{f"w{k}": weight for k, weight in enumerate(weights)}}
    out = symbol.bind(mx.cpu(), arrays, grad_req="null").forward(is_train=False)[0]
    np.testing.assert_allclose(out.asnumpy(), expected.asnumpy(), rtol=1e-4, atol=1e-4)
