"""Tests of random number generators: mean, variance, and the chi-square test of their distribution."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...ops.array import NDArray

__all__ = ["chi_square_check", "gen_buckets_probs_with_ppf", "mean_check", "var_check", "verify_generator"]

Generator = Callable[[int], Any]


def _sample(generator: Generator, n: int) -> np.ndarray:
    values = generator(n)
    return np.asarray(values.asnumpy() if isinstance(values, NDArray) else values).ravel()


def mean_check(generator: Generator, mu: float, sigma: float, nsamples: int = 1000000) -> bool:
    """Tell whether the mean of `nsamples` numbers lies within 3 standard errors of `mu`.

    >>> numbers = np.random.RandomState(0)
    >>> mean_check(lambda n: numbers.normal(2.0, 3.0, n), 2.0, 3.0, 10000)
    True
    """
    error = 3 * sigma / math.sqrt(nsamples)
    return bool(abs(_sample(generator, nsamples).mean(dtype=np.float64) - mu) < error)


def var_check(generator: Generator, sigma: float, nsamples: int = 1000000) -> bool:
    """Tell whether the variance of `nsamples` normal numbers lies within 3 standard errors of ``sigma ** 2``.

    >>> numbers = np.random.RandomState(0)
    >>> var_check(lambda n: numbers.normal(2.0, 3.0, n), 3.0, 10000)
    True
    """
    error = 3 * math.sqrt(2 * sigma**4 / (nsamples - 1))
    return bool(abs(_sample(generator, nsamples).var(dtype=np.float64, ddof=1) - sigma**2) < error)


def _upper_gamma(a: float, x: float) -> float:
    """Regularized upper incomplete gamma function: a series below a + 1, Lentz's continued fraction above."""
    if x <= 0:
        return 1.0
    scale = math.exp(-x + a * math.log(x) - math.lgamma(a))
    if x < a + 1:
        term = total = 1.0 / a
        n = a
        while abs(term) > abs(total) * 1e-16:
            n += 1
            term *= x / n
            total += term
        return max(0.0, 1.0 - total * scale)
    tiny = 1e-300
    b = x + 1 - a
    c, d = 1 / tiny, 1 / b
    h = d
    for i in range(1, 10000):
        step = -i * (i - a)
        b += 2
        d = 1 / (step * d + b or tiny)
        c = b + step / c or tiny
        h *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return scale * h


def _counts(samples: np.ndarray, buckets: Sequence[Any]) -> np.ndarray:
    """Count how many samples fall into each bucket: a range (low, high), or a value."""
    if isinstance(buckets[0], (list, tuple)):
        for (_, high), (low, _) in zip(buckets[:-1], buckets[1:]):
            if low < high:
                raise ValueError(f"buckets={buckets!r}: expected ranges in ascending order without overlap")
        ordered = np.sort(samples)
        ends = [np.searchsorted(ordered, [low, high], side="left") for low, high in buckets]
        return np.array([high - low for low, high in ends], np.int64)
    values, numbers = np.unique(samples, return_counts=True)
    found = dict(zip(values.tolist(), numbers.tolist()))
    return np.array([found.get(type(values[0].item())(b), 0) for b in buckets], np.int64)


def chi_square_check(
    generator: Generator, buckets: Sequence[Any], probs: Sequence[float], nsamples: int = 1000000
) -> tuple[float, np.ndarray, np.ndarray]:
    """Run the chi-square test on the numbers of a generator.

    Parameters
    ----------
    generator : function
        ``generator(n)`` gives n independent numbers.
    buckets : list of (low, high) or of values
        Ranges for continuous numbers (ascending, disjoint), values for discrete ones.
    probs : list of float
        The probability of each bucket.
    nsamples : int
        How many numbers are drawn.

    Returns
    -------
    p : float
        Probability of a deviation at least this large; below 0.05 the generator is suspect.
    obs_freq, expected_freq : numpy.ndarray
        How often each bucket was hit, and should have been.

    >>> numbers = np.random.RandomState(0)
    >>> p, seen, expected = chi_square_check(lambda n: numbers.randint(0, 2, n), [0, 1], [0.5, 0.5], 1000)
    >>> p > 0.05, int(seen.sum()), expected.tolist()
    (True, 1000, [500, 500])
    """
    if len(buckets) != len(probs) or not len(buckets):
        raise ValueError(f"got {len(buckets)} buckets and {len(probs)} probabilities: expected as many, at least one")
    samples = _sample(generator, nsamples)
    if len(samples) != nsamples:
        raise ValueError(f"generator({nsamples}) gave {len(samples)} numbers")
    seen = _counts(samples, buckets)
    expected = (nsamples * np.asarray(probs, np.float64)).astype(np.int64)
    # The buckets may leave out a part of the distribution, or rounding some counts: compare shares of one total.
    wanted = expected * (seen.sum() / max(expected.sum(), 1))
    if not seen.sum():
        return 0.0, seen, expected
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(wanted > 0, (seen - wanted) ** 2 / wanted, np.where(seen > 0, np.inf, 0.0))
    statistic = float(terms.sum())
    p = 0.0 if math.isinf(statistic) else _upper_gamma((len(buckets) - 1) / 2, statistic / 2) if len(buckets) > 1 else 1.0
    return p, seen, expected


def verify_generator(
    generator: Generator,
    buckets: Sequence[Any],
    probs: Sequence[float],
    nsamples: int = 1000000,
    nrepeat: int = 5,
    success_rate: float = 0.2,
    alpha: float = 0.05,
) -> list[float]:
    """Raise AssertionError when too few of `nrepeat` chi-square tests reach a p-value above `alpha`; return the p-values.

    >>> numbers = np.random.RandomState(0)
    >>> len(verify_generator(lambda n: numbers.uniform(size=n), [(0, 0.5), (0.5, 1)], [0.5, 0.5], 1000))
    5
    """
    results = [chi_square_check(generator, buckets, probs, nsamples) for _ in range(nrepeat)]
    ps = [p for p, _, _ in results]
    passed = sum(p > alpha for p in ps)
    if passed < nrepeat * success_rate:
        raise AssertionError(
            f"Generator test fails, Chi-square p={ps}, obs_freq={[r[1] for r in results]}, expected_freq={results[0][2]}.\n"
            f"buckets={buckets}, probs={probs}"
        )
    return ps


def gen_buckets_probs_with_ppf(ppf: Callable[[float], float], nbuckets: int) -> tuple[list[tuple[float, float]], list[float]]:
    """Return `nbuckets` ranges of equal probability, given the quantile function of a distribution.

    >>> gen_buckets_probs_with_ppf(lambda p: 2 * p, 2)
    ([(0.0, 1.0), (1.0, 2.0)], [0.5, 0.5])
    """
    if nbuckets <= 0:
        raise ValueError(f"nbuckets={nbuckets}: expected at least 1")
    ends = [ppf(i / float(nbuckets)) for i in range(nbuckets + 1)]
    return list(zip(ends[:-1], ends[1:])), [1.0 / nbuckets] * nbuckets
