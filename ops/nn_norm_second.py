"""Second order gradients of normalizations, written with operators."""

from __future__ import annotations

from typing import Any

from .functions import F

__all__ = ["along", "normalization_second", "scaling_second"]


def along(vector: Any, axis: int, ndim: int) -> Any:
    """Shape a vector so that it runs along one of `ndim` axes."""
    return F.reshape(vector, shape=(*(1,) * axis, -1, *(1,) * (ndim - axis - 1)))


def _sum(*terms: Any) -> Any:
    """Add what is not None."""
    total = None
    for term in terms:
        total = term if total is None else term if term is None else total + term
    return total


def normalization_second(
    grad: Any, data: Any, gamma: Any, mean: Any, std: Any, heads: tuple, axes: tuple[int, ...], channel: int
) -> list[Any]:
    """Return the gradients of (d_data, d_gamma, d_beta) of a normalization, in grad, data and gamma.

    With normal = (data - mean) / std and u = grad * gamma the first order is
    d_data = (u - M(u) - normal * M(u * normal)) / std, M being the mean over ``axes``. P(x) below is that same linear
    projection, which is symmetric; differentiating normal and std in data gives the remaining terms.

    Parameters
    ----------
    mean, std : array
        Of the data over ``axes``, which are kept with size 1.
    heads : tuple of array or None
        Heads on d_data, d_gamma and d_beta.
    channel : int
        Axis of gamma and beta, which are vectors; gamma may be None for ones.
    """
    head_data, head_gamma, head_beta = heads
    ndim = len(data.shape)

    def average(x: Any) -> Any:
        return F.mean(x, axis=axes, keepdims=True)

    def project(x: Any) -> Any:
        return F.broadcast_div(F.broadcast_sub(x, average(x)) - F.broadcast_mul(normal, average(x * normal)), std)

    def scaled(x: Any) -> Any:
        return x if gamma is None else F.broadcast_mul(x, along(gamma, channel, ndim))

    normal = F.broadcast_div(F.broadcast_sub(data, mean), std)
    d_grad = d_data = d_gamma = None
    if head_data is not None:
        u = scaled(grad)
        projected = project(head_data)
        d_grad = scaled(projected)
        d_gamma = F.sum(projected * grad, axis=channel, exclude=True)
        a, b = average(u * normal), average(head_data * normal)
        d_normal = F.broadcast_div(F.broadcast_mul(head_data, a) + F.broadcast_mul(u, b), std) * -1
        overlap = average(head_data * project(u))
        d_data = project(d_normal) - F.broadcast_div(F.broadcast_mul(normal, overlap), std)
    if head_gamma is not None:
        spread = along(head_gamma, channel, ndim)
        d_grad = _sum(d_grad, F.broadcast_mul(normal, spread))
        d_data = _sum(d_data, project(F.broadcast_mul(grad, spread)))
    if head_beta is not None:
        d_grad = _sum(d_grad, F.broadcast_add(F.zeros_like(grad), along(head_beta, channel, ndim)))
    return [d_grad, d_data, d_gamma]


def scaling_second(grad: Any, data: Any, gamma: Any, mean: Any, std: Any, heads: tuple, channel: int) -> list[Any]:
    """Return the same as :func:`normalization_second` where mean and std do not depend on the data."""
    head_data, head_gamma, head_beta = heads
    ndim = len(data.shape)
    d_grad = d_data = d_gamma = None
    if head_data is not None:
        divided = F.broadcast_div(head_data, std)
        d_grad = divided if gamma is None else F.broadcast_mul(divided, along(gamma, channel, ndim))
        d_gamma = F.sum(divided * grad, axis=channel, exclude=True)
    if head_gamma is not None:
        spread = F.broadcast_div(along(head_gamma, channel, ndim), std)
        d_grad = _sum(d_grad, F.broadcast_mul(F.broadcast_sub(data, mean), spread))
        d_data = F.broadcast_mul(grad, spread)
    if head_beta is not None:
        d_grad = _sum(d_grad, F.broadcast_add(F.zeros_like(grad), along(head_beta, channel, ndim)))
    return [d_grad, d_data, d_gamma]
