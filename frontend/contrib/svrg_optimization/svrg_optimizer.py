"""An optimizer for stores that hold parameters as well as gradients over all data."""

from __future__ import annotations

from typing import Any

from ... import optimizer as opt
from ...ndarray import NDArray

__all__: list[str] = []

#: What the optimizer itself takes; the optimizer inside takes everything.
SHARED = (
    "rescale_grad",
    "param_idx2name",
    "wd",
    "clip_gradient",
    "learning_rate",
    "lr_scheduler",
    "sym",
    "begin_num_update",
    "multi_precision",
    "param_dict",
)


@opt.register
class _AssignmentOptimizer(opt.Optimizer):
    """Takes the gradient for the new weight: a store then sums up over devices, and keeps the sum."""

    def create_state(self, index: Any, weight: NDArray) -> None:
        """Return None: there is no state."""

    def update(self, index: Any, weight: NDArray, grad: NDArray, state: Any) -> None:
        """Copy the gradient to the weight."""
        weight[:] = grad


@opt.register
class _SVRGOptimizer(opt.Optimizer):
    """Updates parameters with an optimizer, and takes arrays whose names end in ``_full`` as they are.

    Parameters
    ----------
    default_optimizer : str or Optimizer
        What updates parameters.
    **kwargs
        Its parameters.
    """

    def __init__(self, default_optimizer: Any, **kwargs: Any) -> None:
        super().__init__(**{name: value for name, value in kwargs.items() if name in SHARED})
        self.default_opt = opt.create(default_optimizer, **kwargs) if isinstance(default_optimizer, str) else default_optimizer
        self.aux_opt = opt.create("_AssignmentOptimizer")

    def _chosen(self, index: Any) -> Any:
        name = index if index in self.idx2name.values() else self.idx2name[index]
        return self.aux_opt if name.endswith("_full") else self.default_opt

    def create_state(self, index: Any, weight: NDArray) -> Any:
        """Return the state of the optimizer for this array."""
        return self._chosen(index).create_state(index, weight)

    def update(self, index: Any, weight: NDArray, grad: NDArray, state: Any) -> None:
        """Update an array with the optimizer for it."""
        self._chosen(index).update(index, weight, grad, state)
