"""``mx.random``: the seed, and the distributions of :mod:`weft.nd.random`."""

from __future__ import annotations

import operator
from typing import Any

from ..ops.context import Context
from ..ops.modes import seed_generators
from .ndarray.random import (
    exponential,
    gamma,
    generalized_negative_binomial,
    multinomial,
    negative_binomial,
    normal,
    poisson,
    randint,
    randn,
    shuffle,
    uniform,
)

__all__ = [
    "exponential",
    "gamma",
    "generalized_negative_binomial",
    "multinomial",
    "negative_binomial",
    "normal",
    "poisson",
    "randint",
    "randn",
    "seed",
    "shuffle",
    "uniform",
]


def seed(seed_state: int, ctx: Context | str = "all") -> None:
    """Start the random numbers of a device, or of all, anew.

    Each device has numbers of its own: after the same seed they are the same in every run, and differ between devices.

    Parameters
    ----------
    seed_state : int
        The seed.
    ctx : Context or "all"
        Which device.

    Examples
    --------
    >>> import weft as mx
    >>> mx.random.seed(7)
    >>> x = mx.nd.random.uniform(shape=(2,)).asnumpy()
    >>> mx.random.seed(7)
    >>> bool((x == mx.nd.random.uniform(shape=(2,)).asnumpy()).all())
    True
    """
    try:
        number: Any = operator.index(seed_state)
    except TypeError:
        raise ValueError(f"seed_state must be int, got {seed_state!r}") from None
    if ctx == "all":
        seed_generators(number)
    elif isinstance(ctx, Context):
        seed_generators(number, ctx)
    else:
        raise ValueError(f"ctx must be a Context or 'all', got {ctx!r}")
