"""Random operators: moments, bounds, dtypes, shapes, seeds, errors."""

import numpy as np
import pytest

import weft as mx
from weft.ops import dispatch

N = 200_000

# name, parameters, mean, variance
MOMENTS = [
    ("uniform", (-1.0, 3.0), 1.0, 16 / 12),
    ("normal", (1.0, 2.0), 1.0, 4.0),
    ("gamma", (2.0, 0.5), 1.0, 0.5),
    ("exponential", (4.0,), 0.25, 1 / 16),
    ("poisson", (3.0,), 3.0, 3.0),
    ("negative_binomial", (4, 0.4), 6.0, 15.0),
    ("generalized_negative_binomial", (2.0, 0.3), 2.0, 2.0 + 0.3 * 4),
]


def close(values, mean, variance):
    """Whether mean and variance of a large sample agree, within six standard errors."""
    values = values.astype(np.float64)
    spread = np.sqrt(variance / values.size)
    assert abs(values.mean() - mean) < 6 * spread
    fourth = np.mean((values - values.mean()) ** 4)
    assert abs(values.var() - variance) < 6 * np.sqrt(max(fourth - variance**2, 0) / values.size) + 1e-3 * variance


@pytest.mark.parametrize(("name", "parameters", "mean", "variance"), MOMENTS, ids=[row[0] for row in MOMENTS])
def test_moments_in_every_form(name, parameters, mean, variance):
    for dtype in ("float32", "float64"):
        drawn = dispatch.function(f"_random_{name}")(*parameters, shape=(N,), dtype=dtype)
        assert drawn.dtype == np.dtype(dtype) and drawn.shape == (N,)
        close(drawn.asnumpy(), mean, variance)
    like = dispatch.function(f"_random_{name}_like")(mx.nd.zeros((N // 2, 2)), *parameters)
    assert like.shape == (N // 2, 2)
    close(like.asnumpy(), mean, variance)
    arrays = [mx.nd.array([value, value]) for value in parameters]
    sampled = dispatch.function(f"_sample_{name}")(*arrays, shape=(N,))
    assert sampled.shape == (2, N)
    close(sampled.asnumpy()[1], mean, variance)


def test_half_precision_and_defaults():
    half = mx.nd.random.normal(shape=(N,), dtype="float16")
    assert half.dtype == np.float16
    close(half.asnumpy(), 0.0, 1.0)
    assert mx.nd.random.uniform().shape == (1,)
    assert dispatch.function("_sample_uniform")(mx.nd.array([0.0, 5.0]), mx.nd.array([1.0, 6.0])).shape == (2,)


def test_gamma_of_zero_in_an_array_is_zero():
    drawn = mx.nd.sample_gamma(mx.nd.array([0.0, 2.0]), mx.nd.array([1.0, 1.0]), shape=(5,)).asnumpy()
    assert not drawn[0].any() and drawn[1].all()


def test_uniform_stays_below_its_upper_bound():
    for dtype in ("float32", "float64"):
        values = mx.nd.random.uniform(0, 1e-3, shape=(N,), dtype=dtype).asnumpy()
        assert values.min() >= 0 and values.max() < 1e-3
    assert mx.nd.random.uniform(2, 2, shape=(3,)).asnumpy().tolist() == [2, 2, 2]


def test_normal_is_normal():
    values = mx.nd.random.normal(shape=(N,)).asnumpy()
    for bound, share in ((1, 0.682689), (2, 0.954500), (3, 0.997300)):
        assert abs((np.abs(values) < bound).mean() - share) < 0.006
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.015


def test_seeds_repeat_and_calls_differ():
    mx.random.seed(11)
    first = [mx.nd.random.uniform(shape=(100,)).asnumpy() for _ in range(3)]
    mx.random.seed(11)
    again = [mx.nd.random.uniform(shape=(100,)).asnumpy() for _ in range(3)]
    mx.random.seed(12)
    other = mx.nd.random.uniform(shape=(100,)).asnumpy()
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1]) and not np.array_equal(first[0], other)


@pytest.mark.parametrize("name", ["normal", "uniform"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_long_draws_begin_like_short_ones(name, dtype):
    """The stream is cut into pieces by place, not by thread."""
    draw = getattr(mx.nd.random, name)
    mx.random.seed(5)
    long = draw(shape=(100_000,), dtype=dtype).asnumpy()
    for size in (1, 7, 1000, 1500, 4096, 5000):
        mx.random.seed(5)
        np.testing.assert_allclose(draw(shape=(size,), dtype=dtype).asnumpy(), long[:size], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_integers(dtype):
    values = mx.nd.random.randint(-3, 4, shape=(N,), dtype=dtype).asnumpy()
    assert values.dtype == np.dtype(dtype)
    counts = np.bincount(values + 3)
    assert counts.size == 7 and np.all(np.abs(counts - N / 7) < 6 * np.sqrt(N / 7))
    with pytest.raises(mx.MXNetError, match="high=3: expected more than low=3"):
        mx.nd.random.randint(3, 3, shape=(2,))


def test_multinomial():
    probabilities = mx.nd.array([[0.1, 0.2, 0.7], [1.0, 0.0, 0.0]])
    drawn, logs = mx.nd.sample_multinomial(probabilities, shape=(20_000,), get_prob=True)
    assert drawn.shape == (2, 20_000) and drawn.dtype == np.int32
    counts = np.bincount(drawn.asnumpy()[0], minlength=3) / 20_000
    np.testing.assert_allclose(counts, [0.1, 0.2, 0.7], atol=0.02)
    assert not drawn.asnumpy()[1].any()
    picked = np.take_along_axis(probabilities.asnumpy(), drawn.asnumpy().astype(int), axis=1)
    np.testing.assert_allclose(logs.asnumpy(), np.log(picked), rtol=1e-6)


def test_multinomial_gradient_is_that_of_the_logarithm():
    probabilities = mx.nd.array([0.25, 0.75])
    probabilities.attach_grad()
    with mx.autograd.record():
        drawn, logs = mx.nd.sample_multinomial(probabilities, shape=(10,), get_prob=True)
        loss = mx.nd.sum(logs)
    loss.backward()
    counts = np.bincount(drawn.asnumpy(), minlength=2)
    np.testing.assert_allclose(probabilities.grad.asnumpy(), counts / [0.25, 0.75], rtol=1e-5)


def test_shuffle_permutes_rows():
    data = np.arange(600, dtype=np.float32).reshape(200, 3)
    rows = mx.nd.random.shuffle(mx.nd.array(data)).asnumpy()
    assert not np.array_equal(rows, data)
    np.testing.assert_array_equal(rows[np.argsort(rows[:, 0])], data)


def test_unique_zipfian():
    samples, tries = dispatch.function("_sample_unique_zipfian")(range_max=50, shape=(3, 20))
    assert samples.shape == (3, 20) and tries.shape == (3,)
    for row, count in zip(samples.asnumpy(), tries.asnumpy()):
        assert len(set(row.tolist())) == 20 and row.min() >= 0 and row.max() < 50 and count >= 20


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("uniform", (2.0, 1.0), "high=1.*at least low"),
        ("normal", (0.0, -1.0), "scale=-1.*not negative"),
        ("gamma", (-1.0, 1.0), "alpha=-1.0: expected alpha to be greater than 0"),
        ("exponential", (0.0,), "lam=0.0: expected"),
        ("poisson", (-1.0,), "lam=-1.0: expected"),
        ("negative_binomial", (-1, 0.5), "k=-1: expected"),
        ("negative_binomial", (1, 1.5), "p=1.5: expected"),
        ("generalized_negative_binomial", (-1.0, 0.5), "mu=-1.0: expected"),
    ],
)
def test_impossible_parameters(name, arguments, message):
    with pytest.raises(mx.MXNetError, match=message):
        dispatch.function(f"_random_{name}")(*arguments, shape=(2,)).asnumpy()
    assert mx.nd.random.uniform(shape=(2,)).asnumpy().shape == (2,)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dropout_keeps_its_share_and_scale(dtype):
    data = mx.nd.ones((400, 500), dtype=dtype)
    data.attach_grad()
    with mx.autograd.record():
        out = mx.nd.Dropout(data, p=0.3)
    out.backward()
    values = out.asnumpy().astype(np.float64)
    kept = values != 0
    assert abs(kept.mean() - 0.7) < 0.01
    np.testing.assert_allclose(values[kept], 1 / 0.7, rtol=1e-3)
    np.testing.assert_array_equal(data.grad.asnumpy(), out.asnumpy())
    np.testing.assert_array_equal(mx.nd.Dropout(data, p=0.3).asnumpy(), data.asnumpy())
    with mx.autograd.train_mode():
        assert np.isnan(mx.nd.Dropout(data, p=1).asnumpy()).all()
        np.testing.assert_array_equal(mx.nd.Dropout(data, p=0).asnumpy(), data.asnumpy())
