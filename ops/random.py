"""Random numbers: from fixed parameters, like another array, and from arrays of parameters; choices and shuffles.

The generator is counter based (Philox): each call draws from its own stream, given by the device's seed and a counter,
so results do not depend on the order in which threads run. Numbers differ from MXNet's, distributions do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import partial, rules
from .cpu import random as kernels
from .creation import CTX
from .errors import MXNetError
from .functions import F
from .registry import Bool, Dtype, Float, Int, Param, Shape, operator, zero_gradient

Array = np.ndarray
Draw = Callable[..., Any]

_FLOATS = ("float16", "float32", "float64")


# ---- distributions: each draws an array of a shape, parameters broadcast --------------------------------------------------


def _single(out: Array) -> np.dtype:
    """Half precision is drawn in single precision and rounded."""
    return np.dtype("float64") if out.dtype == np.float64 else np.dtype("float32")


def _uniform(rng: np.random.Generator, out: Array, low: Any, high: Any) -> Array:
    _require(np.all(np.asarray(high) >= low), "high", high, "at least low")
    values = rng.random(out.shape, dtype=_single(out))
    values = values * (np.asarray(high, values.dtype) - np.asarray(low, values.dtype)) + np.asarray(low, values.dtype)
    return values


def _normal(rng: np.random.Generator, out: Array, loc: Any, scale: Any) -> Array:
    _require(np.all(np.asarray(scale) >= 0), "scale", scale, "not negative")
    values = rng.standard_normal(out.shape, dtype=_single(out))
    return values * np.asarray(scale, values.dtype) + np.asarray(loc, values.dtype)


def _gamma(rng: np.random.Generator, out: Array, alpha: Any, beta: Any) -> Array:
    # As in MXNet a single parameter must be positive, while in arrays 0 stands for the distribution at 0.
    if np.ndim(alpha) == 0:
        _require(alpha > 0, "alpha", alpha, "greater than 0")
        _require(beta > 0, "beta", beta, "greater than 0")
    _require(np.all(np.asarray(alpha) >= 0), "alpha", alpha, "not negative")
    _require(np.all(np.asarray(beta) >= 0), "beta", beta, "not negative")
    return rng.gamma(np.asarray(alpha, np.float64), np.asarray(beta, np.float64), out.shape)


def _exponential(rng: np.random.Generator, out: Array, lam: Any) -> Array:
    _require(np.all(np.asarray(lam) > 0), "lam", lam, "greater than 0")
    return rng.standard_exponential(out.shape, dtype=_single(out)) / np.asarray(lam, _single(out))


def _poisson(rng: np.random.Generator, out: Array, lam: Any) -> Array:
    _require(np.all(np.asarray(lam) >= 0), "lam", lam, "not negative")
    return rng.poisson(np.asarray(lam, np.float64), out.shape)


def _negative_binomial(rng: np.random.Generator, out: Array, k: Any, p: Any) -> Array:
    _require(np.all(np.asarray(k) >= 0), "k", k, "not negative")
    _require(np.all((np.asarray(p) > 0) & (np.asarray(p) <= 1)), "p", p, "in (0, 1]")
    p = np.asarray(p, np.float64)
    return rng.poisson(rng.gamma(np.asarray(k, np.float64), (1 - p) / p, out.shape))


def _generalized_negative_binomial(rng: np.random.Generator, out: Array, mu: Any, alpha: Any) -> Array:
    _require(np.all(np.asarray(mu) >= 0), "mu", mu, "not negative")
    _require(np.all(np.asarray(alpha) >= 0), "alpha", alpha, "not negative")
    mu = np.asarray(mu, np.float64)
    alpha = np.asarray(alpha, np.float64)
    safe = np.where(alpha == 0, 1, alpha)
    mixed = rng.gamma(1 / safe, safe * mu, out.shape)
    return rng.poisson(np.where(alpha == 0, mu, mixed))


def _require(condition: Any, name: str, value: Any, expected: str) -> None:
    if not condition:
        shown = value if np.ndim(value) == 0 else np.asarray(value).ravel()[:8].tolist()
        raise MXNetError(f"{name}={shown}: expected {name} to be {expected}")


def _number(name: str, default: float, doc: str) -> Float:
    return Float(name, default, dynamic=True, doc=doc)


# name -> (draw, parameters, documentation)
_DISTRIBUTIONS: dict[str, tuple[Draw, tuple[Param, ...], str]] = {
    "uniform": (
        _uniform,
        (_number("low", 0.0, "Lower bound, may occur."), _number("high", 1.0, "Upper bound, does not occur.")),
        "Uniform distribution on [low, high).",
    ),
    "normal": (
        _normal,
        (_number("loc", 0.0, "Mean."), _number("scale", 1.0, "Standard deviation.")),
        "Normal distribution.",
    ),
    "gamma": (
        _gamma,
        (_number("alpha", 1.0, "Shape parameter."), _number("beta", 1.0, "Scale parameter.")),
        "Gamma distribution.",
    ),
    "exponential": (_exponential, (_number("lam", 1.0, "Rate, the inverse of the mean."),), "Exponential distribution."),
    "poisson": (_poisson, (_number("lam", 1.0, "Mean."),), "Poisson distribution; numbers of floating-point dtype."),
    "negative_binomial": (
        _negative_binomial,
        (Int("k", 1, doc="Number of unsuccessful experiments."), _number("p", 1.0, "Probability of failure.")),
        "Negative binomial distribution; numbers of floating-point dtype.",
    ),
    "generalized_negative_binomial": (
        _generalized_negative_binomial,
        (_number("mu", 1.0, "Mean."), _number("alpha", 1.0, "Dispersion: variance is mu + alpha * mu**2.")),
        "Negative binomial distribution given by mean and dispersion; numbers of floating-point dtype.",
    ),
}

_NATIVE = {"uniform": kernels.uniform, "normal": kernels.normal}

_SHAPE = Shape("shape", None, doc="Shape of the array.")
_FLOAT_DTYPE = Dtype("dtype", None, choices=_FLOATS, doc="Dtype of the array, float32 where not given.")


def _given_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    if attrs.shape is not None and any(n < 0 for n in attrs.shape):
        raise ValueError(f"shape={attrs.shape}: lengths must not be negative")
    return [(1,) if attrs.shape is None else attrs.shape]


def _declare(name: str, draw: Draw, params: tuple[Param, ...], doc: str) -> None:
    names = tuple(param.name for param in params)
    native = (_NATIVE[name],) if name in _NATIVE else ()

    def run(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
        outs[0][...] = draw(attrs.rng, outs[0], *(getattr(attrs, param) for param in names))

    operator(
        f"_random_{name}",
        aliases=(f"random_{name}", *((name,) if name in ("uniform", "normal") else ())),
        inputs=(),
        params=(*params, _SHAPE, CTX, _FLOAT_DTYPE),
        shape=_given_shape,
        infer_partial=partial.given_shape,
        dtype=lambda attrs, dtypes: [attrs.dtype or np.dtype("float32")],
        gradient=zero_gradient,
        random=True,
        cpu=native,
        numpy=run,
        doc="Random numbers. " + doc,
    )
    operator(
        f"_random_{name}_like",
        params=params,
        dtype=rules.float_dtype,
        gradient=zero_gradient,
        unread=(0,),
        random=True,
        cpu=native,
        numpy=run,
        doc="Random numbers in an array like another. " + doc,
        input_docs={"data": "Array whose shape and dtype the result has."},
    )


def _sample_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    return [(*rules.same_shape(attrs, shapes)[0], *attrs.shape)]


def _sample_dtype(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    rules.same_dtype(attrs, dtypes)
    return [attrs.dtype or np.dtype("float32")]


def _declare_sample(name: str, draw: Draw, inputs: tuple[str, ...], doc: str, docs: dict[str, str]) -> None:
    def run(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
        extra = (1,) * len(attrs.shape)
        outs[0][...] = draw(attrs.rng, outs[0], *(array.reshape(array.shape + extra) for array in ins))

    operator(
        f"_sample_{name}",
        aliases=(f"sample_{name}",),
        inputs=inputs,
        params=(Shape("shape", (), doc="Shape of what is drawn for each parameter."), _FLOAT_DTYPE),
        gradient=zero_gradient,
        shape=_sample_shape,
        infer_inputs=rules.unify_inputs,
        dtype=_sample_dtype,
        random=True,
        numpy=run,
        doc="Random numbers for arrays of parameters. " + doc,
        input_docs=docs,
    )


for _name, (_draw, _params, _doc) in _DISTRIBUTIONS.items():
    _declare(_name, _draw, _params, _doc)
    _inputs = ("mu", "sigma") if _name == "normal" else tuple(param.name for param in _params)
    _docs = {name: param.doc for name, param in zip(_inputs, _params)}
    _declare_sample(_name, _draw, _inputs, _doc, _docs)


# ---- integers, choices, shuffles -----------------------------------------------------------------------------------------------


def _randint(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    outs[0][...] = attrs.rng.integers(attrs.low, attrs.high, outs[0].shape, dtype=outs[0].dtype)


def _randint_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    if attrs.high <= attrs.low:
        raise ValueError(f"high={attrs.high}: expected more than low={attrs.low}")
    return _given_shape(attrs, shapes)


operator(
    "_random_randint",
    aliases=("random_randint", "_npi_random_randint"),
    inputs=(),
    params=(
        Int("low", doc="Lower bound, may occur."),
        Int("high", doc="Upper bound, does not occur."),
        _SHAPE,
        CTX,
        Dtype("dtype", None, choices=("int32", "int64"), doc="Dtype of the array, int32 where not given."),
    ),
    shape=_randint_shape,
    infer_partial=partial.given_shape,
    dtype=lambda attrs, dtypes: [attrs.dtype or np.dtype("int32")],
    gradient=zero_gradient,
    random=True,
    cpu=(kernels.randint,),
    numpy=_randint,
    doc="Random integers, uniformly distributed on [low, high).",
)


def _multinomial_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    data = shapes[0]
    if not data or data[-1] == 0:
        raise ValueError(f"data has shape {data}, expected a last axis of probabilities")
    shape = (*data[:-1], *attrs.shape) or (1,)
    return [shape] * (2 if attrs.get_prob else 1)


def _multinomial_dtype(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    data = rules.float_dtype(attrs, dtypes)[0]
    return [attrs.dtype, data] if attrs.get_prob else [attrs.dtype]


def _multinomial(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    data = ins[0].reshape(-1, ins[0].shape[-1])
    rows, choices = data.shape
    samples = np.empty((rows, math.prod(attrs.shape)), np.int64)
    levels = np.cumsum(data, axis=1, dtype=np.float64)
    points = attrs.rng.random(samples.shape)
    for row in range(rows):
        samples[row] = np.searchsorted(levels[row], points[row], side="right")
    np.minimum(samples, choices - 1, out=samples)
    outs[0][...] = samples.reshape(outs[0].shape)
    if attrs.get_prob:
        outs[1][...] = np.log(np.take_along_axis(data, samples, axis=1)).reshape(outs[1].shape)


def _multinomial_gradient(ctx: Any, *grads: Any) -> list[Any]:
    if not ctx.attrs.get_prob:
        return [None]
    return [F._backward_sample_multinomial(grads[1], ctx.inputs[0], ctx.outputs[0])]


def _backward_multinomial(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    grad, data, samples = ins
    rows = data.reshape(-1, data.shape[-1])
    picked = samples.reshape(rows.shape[0], -1).astype(np.int64)
    result = np.zeros(rows.shape, np.float64)
    places = (np.arange(rows.shape[0])[:, None], picked)
    np.add.at(result, places, grad.reshape(picked.shape) / np.take_along_axis(rows, picked, axis=1))
    outs[0][...] = result.reshape(outs[0].shape)


operator(
    "_sample_multinomial",
    aliases=("sample_multinomial",),
    params=(
        Shape("shape", (), doc="Shape of what is drawn for each distribution."),
        Bool("get_prob", False, doc="Also return the logarithm of the probability of each sample."),
        Dtype(
            "dtype", "int32", choices=("uint8", "int32", "float16", "float32", "float64"), doc="Dtype of the samples."
        ),
    ),
    shape=_multinomial_shape,
    dtype=_multinomial_dtype,
    num_outputs=lambda attrs: 2 if attrs.get_prob else 1,
    gradient=_multinomial_gradient,
    saves="io",
    random=True,
    numpy=_multinomial,
    doc="Random indices drawn with the probabilities along the last axis.",
    input_docs={"data": "Probabilities; those along the last axis sum to one."},
)
operator(
    "_backward_sample_multinomial",
    inputs=("out_grad", "data", "samples"),
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=lambda attrs, dtypes: [dtypes[1]],
    numpy=_backward_multinomial,
    doc="Gradient of the log probabilities of sample_multinomial.",
    input_docs={"samples": "The indices that were drawn."},
)


def _shuffle(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    outs[0][...] = ins[0][attrs.rng.permutation(ins[0].shape[0])] if ins[0].ndim else ins[0]


operator(
    "_shuffle",
    aliases=("shuffle", "_npi_shuffle"),
    random=True,
    numpy=_shuffle,
    doc="Put the entries along the first axis into random order.",
)


def _zipfian_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    shape = attrs.shape
    if shape is None or len(shape) != 2:
        raise ValueError(f"shape={shape}: expected two lengths, batch and samples")
    if shape[1] > attrs.range_max:
        raise ValueError(f"cannot draw {shape[1]} different numbers below range_max={attrs.range_max}")
    return [shape, (shape[0],)]


def _zipfian(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    scale = math.log(attrs.range_max + 1)
    for row in range(outs[0].shape[0]):
        chosen: dict[int, None] = {}
        tries = 0
        while len(chosen) < outs[0].shape[1]:
            tries += 1
            value = round(math.exp(attrs.rng.random() * scale)) - 1
            chosen.setdefault(value % attrs.range_max)
        outs[0][row] = list(chosen)
        outs[1][row] = tries


operator(
    "_sample_unique_zipfian",
    inputs=(),
    params=(Int("range_max", low=1, doc="Numbers are below this."), Shape("shape", None, doc="Batch and samples.")),
    shape=_zipfian_shape,
    dtype=rules.repeated(rules.fixed_dtype("int64"), 2),
    num_outputs=2,
    gradient=zero_gradient,
    random=True,
    numpy=_zipfian,
    doc="Different integers of an approximately Zipfian (log-uniform) distribution, and how many draws it took.",
)
