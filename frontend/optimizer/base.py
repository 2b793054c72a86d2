"""What all optimizers share: rates and decays of each parameter, counts of updates, mixed precision."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from .. import ndarray as nd
from ..ndarray import NDArray
from ..util import is_np_array

__all__ = ["Optimizer", "create", "register"]

State = Any  # None, an NDArray, or tuples of such
Index = Any  # int or str; of several parameters: a sequence of them
Class = TypeVar("Class", bound=type)


class Optimizer:
    """Base of the optimizers; subclasses define `create_state` and `update`.

    Parameters
    ----------
    rescale_grad : float
        Factor on gradients, before anything else; 1/batch_size where gradients are sums over a batch.
    param_idx2name : dict of int to str, optional
        Names of the parameters. Those that do not end with ``_weight`` or ``_gamma`` get no weight decay.
    wd : float
        Weight decay.
    clip_gradient : float, optional
        Bound on the entries of gradients.
    learning_rate : float, optional
        0.01 unless there is an `lr_scheduler`.
    lr_scheduler : LRScheduler, optional
        Gives the learning rate of each update.
    sym : Symbol, optional
        Whose variables' ``__lr_mult__`` and ``__wd_mult__`` hold.
    begin_num_update : int
        Number of updates that were done before.
    multi_precision : bool
        Keep a float32 copy of float16 weights, and compute with it.
    param_dict : dict of int to Parameter, optional
        Parameters whose ``lr_mult`` and ``wd_mult`` hold.

    Examples
    --------
    >>> import weft as mx
    >>> @mx.optimizer.register
    ... class Descent(mx.optimizer.Optimizer):
    ...     def update(self, index, weight, grad, state):
    ...         self._update_count(index)
    ...         weight -= self._get_lr(index) * grad
    >>> weight = mx.nd.ones((2,))
    >>> update = mx.optimizer.get_updater(mx.optimizer.create("descent", learning_rate=0.5))
    >>> update(0, mx.nd.ones((2,)), weight)
    >>> weight.asnumpy()
    array([0.5, 0.5], dtype=float32)
    """

    #: Registered classes by lower-case name.
    opt_registry: dict[str, type[Optimizer]] = {}
    #: Endings of names of parameters that get weight decay.
    _decayed: tuple[str, ...] = ("_weight", "_gamma")

    def __init__(
        self,
        rescale_grad: float = 1.0,
        param_idx2name: dict[Any, str] | None = None,
        wd: float = 0.0,
        clip_gradient: float | None = None,
        learning_rate: float | None = None,
        lr_scheduler: Any = None,
        sym: Any = None,
        begin_num_update: int = 0,
        multi_precision: bool = False,
        param_dict: dict[Any, Any] | None = None,
    ) -> None:
        if param_idx2name is not None and not isinstance(param_idx2name, dict):
            raise TypeError(f"param_idx2name must be a dict of names by index, got {type(param_idx2name).__name__}")
        self.rescale_grad = rescale_grad
        self.lr_scheduler = lr_scheduler
        if lr_scheduler is None and learning_rate is None:
            learning_rate = 0.01
        elif lr_scheduler is not None and learning_rate not in (None, lr_scheduler.base_lr):
            logging.warning("learning_rate %s takes the place of the scheduler's base_lr %s", learning_rate, lr_scheduler.base_lr)
            lr_scheduler.base_lr = learning_rate
        self.lr: Any = learning_rate
        self.wd = wd
        self.begin_num_update = begin_num_update
        self.num_update = begin_num_update
        # Updates of each parameter, by device: the copies of a parameter on several devices are updated in turn.
        self._all_index_update_counts: dict[int, dict[Any, int]] = {0: {}}
        self._index_update_count = self._all_index_update_counts[0]
        self.clip_gradient = clip_gradient
        self.multi_precision = multi_precision
        self.aggregate_num = 0
        self.idx2name = dict(param_idx2name or {})
        self.sym_info = () if sym is None else (sym.attr_dict(), sym.list_arguments())
        self.param_dict = param_dict or {}
        self.allow_np_array = is_np_array()
        self.lr_mult: dict[Any, float] = {}
        self.wd_mult: dict[Any, float] = {}
        self.set_lr_mult({})
        self.set_wd_mult({})

    # ---- classes by name -----------------------------------------------------------------------------------------------

    @staticmethod
    def register(klass: Class) -> Class:
        """Make a subclass of `Optimizer` known by its name, in lower case; a decorator."""
        if not isinstance(klass, type):
            raise TypeError(f"only a class can be registered as optimizer, got {klass!r}")
        name = klass.__name__.lower()
        old = Optimizer.opt_registry.get(name)
        if old is not None and old is not klass:
            warnings.warn(
                f"optimizer {name!r}: {klass.__module__}.{klass.__name__} takes the place of {old.__module__}.{old.__name__}",
                UserWarning,
                stacklevel=2,
            )
        Optimizer.opt_registry[name] = klass
        return klass

    @staticmethod
    def create_optimizer(name: str, **kwargs: Any) -> Optimizer:
        """Create an optimizer by name.

        Examples
        --------
        >>> import weft as mx
        >>> mx.optimizer.create("SGD", momentum=0.9).momentum
        0.9
        """
        klass = Optimizer.opt_registry.get(name.lower())
        if klass is None:
            raise ValueError(f"there is no optimizer {name!r}; there are {', '.join(sorted(Optimizer.opt_registry))}")
        return klass(**kwargs)

    # ---- states and updates --------------------------------------------------------------------------------------------

    def create_state(self, index: Index, weight: NDArray) -> State:
        """Return what the optimizer keeps for a parameter: None, an array, or a tuple of them."""
        return None

    def create_state_multi_precision(self, index: Index, weight: NDArray) -> State:
        """Return the state, with a float32 copy of the weight where `multi_precision` asks for one."""
        master = self._master_of(weight)
        if master is None:
            return self.create_state(index, weight)
        return master, self.create_state(index, master)

    def update(self, index: Index, weight: NDArray, grad: NDArray, state: State) -> None:
        """Update `weight` and `state` in place."""
        raise NotImplementedError(f"{type(self).__name__} must define update")

    def update_multi_precision(self, index: Index, weight: NDArray, grad: NDArray, state: State) -> None:
        """Update in float32 and round to float16 where the state holds a float32 copy of the weight."""
        if self._is_mixed(weight):
            master, inner = state
            self.update(index, master, grad.astype(np.float32), inner)
            nd.cast(master, dtype=weight.dtype, out=weight)
        else:
            self.update(index, weight, grad, state)

    def _is_mixed(self, weight: NDArray) -> bool:
        return self.multi_precision and weight.dtype == np.float16

    def _master_of(self, weight: NDArray) -> NDArray | None:
        """Return the float32 copy of a float16 weight that mixed precision needs, else None."""
        if self._is_mixed(weight):
            return weight.astype(np.float32)
        if weight.dtype == np.float16:
            warnings.warn(
                f"{type(self).__name__} accumulates in float16, which may converge slowly or badly: consider multi_precision=True",
                UserWarning,
                stacklevel=3,
            )
        return None

    # ---- rates and decays ----------------------------------------------------------------------------------------------

    @property
    def learning_rate(self) -> float:
        """The learning rate now."""
        return self.lr if self.lr_scheduler is None else self.lr_scheduler(self.num_update)

    def set_learning_rate(self, lr: float) -> None:
        """Set the learning rate of an optimizer without a scheduler."""
        if self.lr_scheduler is not None:
            raise UserWarning("the learning rate comes from lr_scheduler: it cannot be set; change the scheduler's base_lr")
        self.lr = lr

    def set_lr_scale(self, args_lrscale: Any) -> None:
        """Raise DeprecationWarning, as MXNet does: use `set_lr_mult`."""
        raise DeprecationWarning("set_lr_scale is no longer supported: use set_lr_mult")

    def set_lr_mult(self, args_lr_mult: dict[Any, float]) -> None:
        """Set factors on the learning rate, by index or name, over those of the symbol's ``__lr_mult__``."""
        self.lr_mult = {**self._annotated("__lr_mult__"), **args_lr_mult}

    def set_wd_mult(self, args_wd_mult: dict[Any, float]) -> None:
        """Set factors on the weight decay, by index or name.

        Below them hold the symbol's ``__wd_mult__``, and zero for parameters that are not named like weights.
        """
        undecayed = {name: 0.0 for name in self.idx2name.values() if not name.endswith(self._decayed)}
        self.wd_mult = {**undecayed, **self._annotated("__wd_mult__"), **args_wd_mult}

    def _annotated(self, attribute: str) -> dict[str, float]:
        """Return the numbers that the symbol's variables carry as `attribute`."""
        if not self.sym_info:
            return {}
        attributes, names = self.sym_info
        return {name: float(attributes[name][attribute]) for name in names if attribute in attributes.get(name, ())}

    def _factor(self, index: Index, attribute: str) -> float:
        """Return the factor `lr_mult` or `wd_mult` of a parameter."""
        if index in self.param_dict:
            return getattr(self.param_dict[index], attribute)
        factors = getattr(self, attribute)
        return factors[index] if index in factors else factors.get(self.idx2name.get(index), 1.0)

    def _get_lrs(self, indices: Sequence[Index]) -> list[float]:
        rate = self.learning_rate
        return [rate * self._factor(index, "lr_mult") for index in indices]

    def _get_lr(self, index: Index) -> float:
        return self._get_lrs([index])[0]

    def _get_wds(self, indices: Sequence[Index]) -> list[float]:
        return [self.wd * self._factor(index, "wd_mult") for index in indices]

    def _get_wd(self, index: Index) -> float:
        return self._get_wds([index])[0]

    # ---- counts --------------------------------------------------------------------------------------------------------

    def _set_current_context(self, device_id: int) -> None:
        self._index_update_count = self._all_index_update_counts.setdefault(device_id, {})

    def _update_count(self, index: Index | Iterable[Index]) -> None:
        """Count an update of a parameter, or of several."""
        counts = self._index_update_count
        for one in index if isinstance(index, (list, tuple)) else (index,):
            counts[one] = counts.get(one, self.begin_num_update) + 1
            self.num_update = max(self.num_update, counts[one])

    def _begin(self, index: Index) -> tuple[float, float, int]:
        """Count an update of a parameter; return its learning rate, weight decay, and which update this is."""
        self._update_count(index)
        return self._get_lr(index), self._get_wd(index), self._index_update_count[index]

    # ---- gradients -----------------------------------------------------------------------------------------------------

    def _options(self, **more: Any) -> dict[str, Any]:
        """Return what an update operator is told about gradients, and whatever else is given and not empty."""
        given = {"clip_gradient": self.clip_gradient, **more}
        return {"rescale_grad": self.rescale_grad, **{name: value for name, value in given.items() if value}}

    def _scaled(self, grad: NDArray) -> NDArray:
        """Return the gradient scaled and clipped, for updates that no operator does."""
        return self._clipped(grad * self.rescale_grad)

    def _clipped(self, grad: NDArray) -> NDArray:
        return grad if self.clip_gradient is None else nd.clip(grad, -self.clip_gradient, self.clip_gradient)

    # ---- pickling ------------------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "param_dict"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.param_dict = {}


register = Optimizer.register
create = Optimizer.create_optimizer
