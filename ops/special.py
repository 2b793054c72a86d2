"""Special functions on NumPy arrays, for kernels without a native loop and as references."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

__all__ = ["digamma", "erf", "erfinv", "gamma", "lgamma", "log_sum", "sigmoid"]


def _elementwise(function: Callable[[float], float]) -> Callable[[np.ndarray], np.ndarray]:
    vector = np.frompyfunc(function, 1, 1)

    def apply(values: np.ndarray) -> np.ndarray:
        return np.asarray(vector(np.asarray(values, np.float64)), np.float64)

    apply.__doc__ = function.__doc__
    return apply


def _gamma(value: float) -> float:
    """The gamma function; infinite at zero, not a number at negative integers."""
    if value == 0:
        return math.copysign(math.inf, value)
    try:
        return math.gamma(value)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.nan


def _lgamma(value: float) -> float:
    """Logarithm of the absolute value of the gamma function."""
    try:
        return math.lgamma(value)
    except (ValueError, OverflowError):
        return math.inf


# Asymptotic series of the digamma function: B_2k / 2k for k = 1 ... 6.
_DIGAMMA_SERIES = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760)


def _digamma(value: float) -> float:
    """Derivative of lgamma, by recurrence and asymptotic series."""
    if math.isnan(value) or value == -math.inf:
        return math.nan
    if value <= 0 and value == math.floor(value):
        return math.inf  # a pole; the sign depends on the side, MXNet has plus here
    if value < 0:
        return _digamma(1 - value) - math.pi / math.tan(math.pi * value)
    shift = 0.0
    while value < 8:
        shift += 1 / value
        value += 1
    if math.isinf(value):
        return math.inf
    inverse = 1 / (value * value)
    series, power = 0.0, inverse
    for factor in _DIGAMMA_SERIES:
        series += factor * power
        power *= inverse
    return math.log(value) - 0.5 / value - series - shift


def _erfinv(value: float) -> float:
    """Inverse error function: Winitzki's approximation, then Newton steps with the second-order term."""
    if not -1 < value < 1:
        return math.copysign(math.inf, value) if abs(value) == 1 else math.nan
    if value == 0:
        return value
    log = math.log1p(-value * value)
    half = 2 / (math.pi * 0.147) + log / 2
    x = math.copysign(math.sqrt(math.sqrt(half * half - log / 0.147) - half), value)
    for _ in range(3):
        # Work with the complement in the tails, where 1 - erf(x) loses all digits.
        error = math.erf(x) - value if abs(x) < 2 else math.copysign((1 - abs(value)) - math.erfc(abs(x)), value)
        step = error / (2 / math.sqrt(math.pi) * math.exp(-x * x))
        x -= step / (1 + x * step)
    return x


erf = _elementwise(math.erf)
erfinv = _elementwise(_erfinv)
gamma = _elementwise(_gamma)
lgamma = _elementwise(_lgamma)
digamma = _elementwise(_digamma)


def sigmoid(values: np.ndarray) -> np.ndarray:
    """Logistic function without overflow."""
    values = np.asarray(values)
    small = np.exp(-np.abs(values))
    return np.where(values >= 0, 1 / (1 + small), small / (1 + small))


def log_sum(values: np.ndarray) -> np.ndarray:
    """Softplus: log(1 + exp(x)) without overflow."""
    values = np.asarray(values)
    return np.maximum(values, 0) + np.log1p(np.exp(-np.abs(values)))
