"""Optimizers that MXNet keeps apart from the others."""

from __future__ import annotations

from typing import Any

from .. import ndarray as nd
from ..ndarray import NDArray
from ..ndarray import contrib as nd_contrib
from .base import Index, Optimizer, State, register

__all__ = ["GroupAdaGrad"]


@register
class GroupAdaGrad(Optimizer):
    """AdaGrad with one learning rate for each row of the weight, for embeddings.

    Parameters
    ----------
    eps : float
    **kwargs
        Parameters of `Optimizer`; weight decay is not supported.

    Examples
    --------
    >>> import weft as mx
    >>> optimizer = mx.optimizer.contrib.GroupAdaGrad(learning_rate=0.5)
    >>> weight = mx.nd.ones((2, 2))
    >>> optimizer.update(0, weight, mx.nd.array([[1.0, 1.0], [-2.0, -2.0]]), optimizer.create_state(0, weight))
    >>> weight.asnumpy().round(4)
    array([[0.5, 0.5],
           [1.5, 1.5]], dtype=float32)
    """

    def __init__(self, eps: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.float_stable_eps = eps

    def create_state(self, index: Index, weight: NDArray) -> State:
        """Return zeros for the sum of the rows' mean squares."""
        if len(weight.shape) != 2:
            raise ValueError(f"GroupAdaGrad: weight {index} has shape {weight.shape}, expected a matrix")
        return nd.zeros((weight.shape[0], 1), weight.context, dtype=weight.dtype)

    def update(self, index: Index, weight: NDArray, grad: NDArray, state: State) -> None:
        """Update `weight` and the sum."""
        lr, wd, _ = self._begin(index)
        if wd:
            raise ValueError(f"GroupAdaGrad: weight {index} has weight decay {wd}, which is not supported")
        options = self._options()
        nd_contrib.group_adagrad_update(weight, grad, state, out=weight, lr=lr, epsilon=self.float_stable_eps, **options)
