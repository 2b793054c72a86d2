"""Image operators and contributed ones: against direct formulas and answers recorded from MXNet 1.9.1."""

import numpy as np
import pytest

import weft as mx

IMAGE = mx.nd.image
PIXELS = np.random.RandomState(0).randint(0, 256, (4, 5, 3)).astype(np.uint8)


def image(dtype="float32"):
    return mx.nd.array(PIXELS, dtype=dtype)


def test_to_tensor_and_normalize():
    tensor = IMAGE.to_tensor(image("uint8"))
    assert tensor.dtype == np.float32
    np.testing.assert_allclose(tensor.asnumpy(), PIXELS.transpose(2, 0, 1) / 255.0, rtol=1e-6)
    batch = mx.nd.stack(image("uint8"), image("uint8"))
    assert IMAGE.to_tensor(batch).shape == (2, 3, 4, 5)
    tensor.attach_grad()
    with mx.autograd.record():
        result = IMAGE.normalize(tensor, mean=(0.1, 0.2, 0.3), std=(1, 2, 4))
    result.backward()
    expected = (tensor.asnumpy() - np.array([0.1, 0.2, 0.3]).reshape(3, 1, 1)) / np.array([1, 2, 4]).reshape(3, 1, 1)
    np.testing.assert_allclose(result.asnumpy(), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(tensor.grad.asnumpy()[:, 0, 0], [1, 0.5, 0.25])
    with pytest.raises(mx.MXNetError, match="mean=.*expected 1 number or 3"):
        IMAGE.normalize(tensor, mean=(0.1, 0.2), std=(1, 1, 1))


def test_crop_and_flips_pass_gradients():
    data = image()
    data.attach_grad()
    with mx.autograd.record():
        part = IMAGE.crop(data, x=1, y=1, width=3, height=2)
    part.backward()
    np.testing.assert_array_equal(part.asnumpy(), PIXELS[1:3, 1:4])
    expected = np.zeros((4, 5, 3))
    expected[1:3, 1:4] = 1
    np.testing.assert_array_equal(data.grad.asnumpy(), expected)
    np.testing.assert_array_equal(IMAGE.flip_left_right(data).asnumpy(), PIXELS[:, ::-1])
    np.testing.assert_array_equal(IMAGE.flip_top_bottom(data).asnumpy(), PIXELS[::-1])
    with pytest.raises(mx.MXNetError, match="beyond the image's width of 5"):
        IMAGE.crop(data, x=3, y=0, width=3, height=2)


def test_random_flips_happen_half_of_the_time():
    flipped = sum(bool((IMAGE.random_flip_left_right(image("uint8")).asnumpy() != PIXELS).any()) for _ in range(200))
    assert 60 < flipped < 140


@pytest.mark.parametrize(
    ("size", "interp", "first"),
    [
        # The first two pixels, as MXNet gives them for the same image.
        ((10, 8), 0, [172.0, 47.0, 117.0, 172.0, 47.0, 117.0]),
        ((10, 8), 1, [172.0, 47.0, 117.0, 177.0, 52.0, 150.5]),
        ((10, 8), 2, [163.27, 41.51, 99.95, 175.96, 43.38, 155.18]),
        ((3, 2), 3, [166.4, 92.5, 173.3, 125.1, 93.2, 143.7]),
    ],
)
def test_resize(size, interp, first):
    result = IMAGE.resize(image(), size=size, interp=interp)
    assert result.shape == (size[1], size[0], 3)
    np.testing.assert_allclose(result.asnumpy().ravel()[:6], first, atol=0.06)


def test_resize_of_bytes_and_of_batches():
    small = IMAGE.resize(image("uint8"), size=(3, 2)).asnumpy()
    assert small.ravel().tolist() == [171, 88, 166, 117, 95, 92, 70, 71, 115, 71, 167, 125, 224, 44, 180, 192, 159, 153]
    assert IMAGE.resize(image(), size=8, keep_ratio=True).shape == (8, 10, 3)
    assert IMAGE.resize(mx.nd.stack(image(), image()), size=(3, 2)).shape == (2, 2, 3, 3)
    with pytest.raises(mx.MXNetError, match="size="):
        IMAGE.resize(image(), size=0)


def test_colours():
    data = PIXELS.astype(np.float64)
    gray = data @ [0.299, 0.587, 0.114]

    def run(name, factor):
        return getattr(IMAGE, f"random_{name}")(image(), factor, factor).asnumpy()

    np.testing.assert_allclose(run("brightness", 0.5), data * 0.5, rtol=1e-5)
    np.testing.assert_allclose(run("contrast", 0.25), data * 0.25 + gray.mean() * 0.75, rtol=1e-5)
    np.testing.assert_allclose(run("saturation", 0.25), data * 0.25 + gray[..., None] * 0.75, rtol=1e-5)
    np.testing.assert_allclose(run("hue", 0.0), data, atol=1e-3)
    np.testing.assert_allclose(run("hue", 0.1)[0, 0], [172, 52, 47], atol=1e-2)
    np.testing.assert_allclose(run("hue", 1.0), data, atol=1e-3)
    lit = IMAGE.adjust_lighting(image(), alpha=(0.1, 0.2, 0.3)).asnumpy()
    np.testing.assert_allclose(lit - data, np.broadcast_to([-2.32, -3.506, -3.758], data.shape), atol=1e-3)
    bright = IMAGE.random_brightness(image("uint8"), 2, 2).asnumpy()
    np.testing.assert_array_equal(bright, np.minimum(PIXELS.astype(int) * 2, 255))


def test_random_colours_stay_in_their_range():
    data = PIXELS.astype(np.float64)
    factors = [IMAGE.random_brightness(image(), 0.5, 1.5).asnumpy()[0, 0, 0] / data[0, 0, 0] for _ in range(100)]
    assert 0.5 <= min(factors) < 0.7 and 1.3 < max(factors) <= 1.5
    jittered = IMAGE.random_color_jitter(image("uint8"), 0.4, 0.4, 0.4, 0.1)
    assert jittered.shape == PIXELS.shape and jittered.dtype == np.uint8
    np.testing.assert_array_equal(IMAGE.random_color_jitter(image("uint8"), 0, 0, 0, 0).asnumpy(), PIXELS)
    assert IMAGE.random_lighting(image(), 0.1).shape == PIXELS.shape
    with pytest.raises(mx.MXNetError, match="min_factor=-1"):
        IMAGE.random_brightness(image(), -1, 1)


def test_fourier_transforms():
    data = np.random.default_rng(1).normal(size=(3, 8)).astype(np.float32)
    x = mx.nd.array(data)
    x.attach_grad()
    head = np.random.default_rng(2).normal(size=(3, 16)).astype(np.float32)
    with mx.autograd.record():
        spectrum = mx.nd.contrib.fft(x)
    spectrum.backward(mx.nd.array(head))
    expected = np.fft.fft(data)
    np.testing.assert_allclose(spectrum.asnumpy()[:, 0::2], expected.real, atol=1e-5)
    np.testing.assert_allclose(spectrum.asnumpy()[:, 1::2], expected.imag, atol=1e-5)
    np.testing.assert_allclose(mx.nd.contrib.ifft(spectrum).asnumpy() / 8, data, atol=1e-5)
    np.testing.assert_allclose(
        x.grad.asnumpy(), np.fft.ifft(head[:, 0::2] + 1j * head[:, 1::2]).real * 8, atol=1e-5
    )


def test_count_sketch():
    data = mx.nd.array([[1.0, 2.0, 3.0, 4.0]])
    data.attach_grad()
    places, signs = mx.nd.array([[0, 2, 0, 1]]), mx.nd.array([[1, -1, -1, 1]])
    with mx.autograd.record():
        sketch = mx.nd.contrib.count_sketch(data, places, signs, out_dim=3)
    sketch.backward(mx.nd.array([[10.0, 20.0, 30.0]]))
    assert sketch.asnumpy().tolist() == [[-2.0, 4.0, -2.0]]
    assert data.grad.asnumpy().tolist() == [[10.0, -30.0, -10.0, 20.0]]


def test_quantization_round_trip():
    data = mx.nd.array([[-1.5, 0.2, 3.3], [2.2, -0.7, 0.0]])
    small, low, high = mx.nd.contrib.quantize_v2(data)
    assert small.asnumpy().tolist() == [[-58, 8, 127], [85, -27, 0]]
    assert low.asscalar() == -high.asscalar() == np.float32(-3.3)
    back = mx.nd.contrib.dequantize(small, low, high)
    np.testing.assert_allclose(back.asnumpy(), data.asnumpy(), atol=3.3 / 127)
    assert mx.nd.contrib.quantize_v2(data, out_type="uint8")[0].asnumpy().tolist() == [[0, 15, 255], [170, 0, 0]]
    wide = mx.nd.array([[2**30, 3, -(10**8)]], dtype="int32")
    result = mx.nd.contrib.requantize(wide, mx.nd.array([-1.5]), mx.nd.array([3.3]), min_calib_range=-1, max_calib_range=2)
    assert result[0].asnumpy().tolist() == [[105, 0, -10]]


def test_allclose():
    a = mx.nd.array([1.0, np.nan])
    assert mx.nd.contrib.allclose(a, a).asscalar() == 1
    assert mx.nd.contrib.allclose(a, a, equal_nan=False).asscalar() == 0
    assert mx.nd.contrib.allclose(mx.nd.ones(3), mx.nd.ones(3) + 1e-3, rtol=1e-2).asscalar() == 1


def test_rotated_regions():
    rng = np.random.default_rng(3)
    data = rng.normal(size=(1, 2, 9, 9)).astype(np.float32)
    # One sample a bin at pixel centres: the bins are pixels, and half a turn reads them backwards.
    straight = mx.nd.array([[0, 4, 4, 3, 3, 0]])
    turned = mx.nd.array([[0, 4, 4, 3, 3, 180]])
    options = {"pooled_size": (3, 3), "spatial_scale": 1.0, "sampling_ratio": 1}
    found = mx.nd.contrib.RROIAlign(mx.nd.array(data), straight, **options).asnumpy()
    np.testing.assert_allclose(found[0], data[0, :, 3:6, 3:6], rtol=1e-6)
    back = mx.nd.contrib.RROIAlign(mx.nd.array(data), turned, **options).asnumpy()
    np.testing.assert_allclose(back[0], data[0, :, 5:2:-1, 5:2:-1], rtol=1e-4, atol=1e-5)
    with pytest.raises(mx.MXNetError, match=r"rois has shape \(1, 5\)"):
        mx.nd.contrib.RROIAlign(mx.nd.array(data), mx.nd.ones((1, 5)), **options)
