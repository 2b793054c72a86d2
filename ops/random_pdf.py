"""Probability densities at given samples, and their gradients with respect to samples and parameters.

Parameters have a leading part of the samples' shape. As in MXNet the uniform density does not look at the samples,
and discrete distributions pass no gradient to them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import rules, special
from .functions import F
from .registry import Bool, operator

Array = np.ndarray

_IS_LOG = (Bool("is_log", False, doc="Return the logarithm of the density."),)


def _expand(parameter: Array, sample: Array) -> Array:
    """View parameters so that they broadcast over the samples drawn for each."""
    shape = parameter.shape + (1,) * (sample.ndim - parameter.ndim)
    return parameter.astype(np.float64).reshape(shape)


def _pdf_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    sample = shapes[0]
    for shape in shapes[1:]:
        if shape != shapes[1] or sample[: len(shape)] != shape:
            raise ValueError(f"parameters of shape {shape} do not fit samples of shape {sample}")
    return [sample]


def _log_uniform(x: Array, low: Array, high: Array) -> Array:
    return -np.log(high - low) + 0 * x


def _log_normal(x: Array, mu: Array, sigma: Array) -> Array:
    return -0.5 * np.square((x - mu) / sigma) - np.log(sigma) - 0.5 * np.log(2 * np.pi)


def _log_gamma(x: Array, alpha: Array, beta: Array) -> Array:
    return alpha * np.log(beta) + (alpha - 1) * np.log(x) - beta * x - special.lgamma(alpha)


def _log_exponential(x: Array, lam: Array) -> Array:
    return np.log(lam) - lam * x


def _log_poisson(x: Array, lam: Array) -> Array:
    return x * np.log(lam) - lam - special.lgamma(x + 1)


def _log_negative_binomial(x: Array, k: Array, p: Array) -> Array:
    binomial = special.lgamma(x + k) - special.lgamma(x + 1) - special.lgamma(k)
    return binomial + k * np.log(p) + x * np.log(1 - p)


def _log_generalized(x: Array, mu: Array, alpha: Array) -> Array:
    return _log_negative_binomial(x, 1 / alpha, 1 / (mu * alpha + 1))


# Derivatives of the log density, with respect to the sample and each parameter.


def _d_uniform(x: Array, low: Array, high: Array) -> tuple[Any, ...]:
    return 0 * x, 1 / (high - low), -1 / (high - low)


def _d_normal(x: Array, mu: Array, sigma: Array) -> tuple[Any, ...]:
    score = (x - mu) / np.square(sigma)
    return -score, score, (np.square((x - mu) / sigma) - 1) / sigma


def _d_gamma(x: Array, alpha: Array, beta: Array) -> tuple[Any, ...]:
    return (alpha - 1) / x - beta, np.log(beta) + np.log(x) - special.digamma(alpha), alpha / beta - x


def _d_exponential(x: Array, lam: Array) -> tuple[Any, ...]:
    return -lam + 0 * x, 1 / lam - x


def _d_poisson(x: Array, lam: Array) -> tuple[Any, ...]:
    return 0 * x, x / lam - 1


def _d_negative_binomial(x: Array, k: Array, p: Array) -> tuple[Any, ...]:
    return 0 * x, special.digamma(x + k) - special.digamma(k) + np.log(p), k / p - x / (1 - p)


def _d_generalized(x: Array, mu: Array, alpha: Array) -> tuple[Any, ...]:
    k, p = 1 / alpha, 1 / (mu * alpha + 1)
    _, d_k, d_p = _d_negative_binomial(x, k, p)
    return 0 * x, d_p * -alpha * np.square(p), -d_k * np.square(k) - d_p * mu * np.square(p)


def _sum_to(values: Array, shape: tuple[int, ...]) -> Array:
    return values.reshape(*shape, -1).sum(axis=-1)


def _pdf(name: str, parameters: dict[str, str], log_density: Callable[..., Any], derive: Callable[..., Any]) -> None:
    inputs = ("sample", *parameters)
    docs = {"sample": "Where the density is computed.", **parameters}

    def run(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
        sample = ins[0].astype(np.float64)
        logarithm = log_density(sample, *(_expand(array, sample) for array in ins[1:]))
        outs[0][...] = logarithm if attrs.is_log else np.exp(logarithm)

    def backward(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
        grad, density, sample = (array.astype(np.float64) for array in ins[:3])
        scale = grad if attrs.is_log else grad * density
        parts = derive(sample, *(_expand(array, sample) for array in ins[3:]))
        outs[0][...] = scale * parts[0]
        for out, part in zip(outs[1:], parts[1:]):
            out[...] = _sum_to(scale * part, out.shape)

    backward_name = f"_backward_pdf_{name}"
    operator(
        f"_random_pdf_{name}",
        aliases=(f"random_pdf_{name}",),
        inputs=inputs,
        params=_IS_LOG,
        shape=_pdf_shape,
        dtype=rules.float_dtype,
        gradient=lambda ctx, g: getattr(F, backward_name)(g, ctx.outputs[0], *ctx.inputs, is_log=ctx.attrs.is_log),
        saves="io",
        numpy=run,
        doc=f"Density of the {name.replace('_', ' ')} distribution at given samples.",
        input_docs=docs,
    )
    operator(
        backward_name,
        inputs=("out_grad", "density", *inputs),
        params=_IS_LOG,
        shape=lambda attrs, shapes: list(shapes[2:]),
        dtype=lambda attrs, dtypes: list(dtypes[2:]),
        num_outputs=len(inputs),
        numpy=backward,
        doc=f"Gradient of random_pdf_{name} with respect to samples and parameters.",
        input_docs={"density": "Output of the forward operator.", **docs},
    )


_pdf("uniform", {"low": "Lower bounds.", "high": "Upper bounds."}, _log_uniform, _d_uniform)
_pdf("normal", {"mu": "Means.", "sigma": "Standard deviations."}, _log_normal, _d_normal)
_pdf("gamma", {"alpha": "Shape parameters.", "beta": "Rates."}, _log_gamma, _d_gamma)
_pdf("exponential", {"lam": "Rates."}, _log_exponential, _d_exponential)
_pdf("poisson", {"lam": "Means."}, _log_poisson, _d_poisson)
_pdf(
    "negative_binomial",
    {"k": "Numbers of failures.", "p": "Probabilities of failure."},
    _log_negative_binomial,
    _d_negative_binomial,
)
_pdf(
    "generalized_negative_binomial", {"mu": "Means.", "alpha": "Dispersions."}, _log_generalized, _d_generalized
)


# ---- Dirichlet: one density for each vector along the last axis ------------------------------------------------------------------


def _dirichlet_shape(attrs: Any, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    sample, alpha = shapes
    if not alpha or sample[-1:] != alpha[-1:] or sample[: len(alpha) - 1] != alpha[:-1]:
        raise ValueError(f"parameters of shape {alpha} do not fit samples of shape {sample}")
    return [sample[:-1] or (1,)]


def _dirichlet_alpha(alpha: Array, sample: Array) -> Array:
    middle = (1,) * (sample.ndim - alpha.ndim)
    return alpha.astype(np.float64).reshape(alpha.shape[:-1] + middle + alpha.shape[-1:])


def _dirichlet(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    sample = ins[0].astype(np.float64)
    alpha = _dirichlet_alpha(ins[1], sample)
    logarithm = ((alpha - 1) * np.log(sample)).sum(-1) + special.lgamma(alpha.sum(-1)) - special.lgamma(alpha).sum(-1)
    outs[0][...] = logarithm if attrs.is_log else np.exp(logarithm)


def _backward_dirichlet(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    grad, density, sample = (array.astype(np.float64) for array in ins[:3])
    alpha = _dirichlet_alpha(ins[3], sample)
    scale = (grad if attrs.is_log else grad * density).reshape(sample.shape[:-1])[..., None]
    outs[0][...] = scale * (alpha - 1) / sample
    total = special.digamma(alpha.sum(-1, keepdims=True))
    slope = scale * (np.log(sample) + total - special.digamma(alpha))
    axes = tuple(range(ins[3].ndim - 1, sample.ndim - 1))
    outs[1][...] = slope.sum(axis=axes)


_DIRICHLET_DOCS = {"sample": "Vectors along the last axis.", "alpha": "Concentrations along the last axis."}

operator(
    "_random_pdf_dirichlet",
    aliases=("random_pdf_dirichlet",),
    inputs=("sample", "alpha"),
    params=_IS_LOG,
    shape=_dirichlet_shape,
    dtype=rules.float_dtype,
    gradient=lambda ctx, g: F._backward_pdf_dirichlet(g, ctx.outputs[0], *ctx.inputs, is_log=ctx.attrs.is_log),
    saves="io",
    numpy=_dirichlet,
    doc="Density of the Dirichlet distribution at given samples.",
    input_docs=_DIRICHLET_DOCS,
)
operator(
    "_backward_pdf_dirichlet",
    inputs=("out_grad", "density", "sample", "alpha"),
    params=_IS_LOG,
    shape=lambda attrs, shapes: list(shapes[2:]),
    dtype=lambda attrs, dtypes: list(dtypes[2:]),
    num_outputs=2,
    numpy=_backward_dirichlet,
    doc="Gradient of random_pdf_dirichlet.",
    input_docs={"density": "Output of the forward operator.", **_DIRICHLET_DOCS},
)
