"""The interface of key-value stores, and the registry of their classes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from ..ndarray import NDArray, add_n

__all__ = ["KVStoreBase"]

Class = TypeVar("Class", bound=type)


class KVStoreBase:
    """Adds values up over devices or processes; base of all stores.

    A subclass has :meth:`broadcast`, :meth:`pushpull`, :meth:`is_capable`, `rank`, `num_workers` and `type`; with an optimizer in the
    store, also the methods about it.

    Examples
    --------
    >>> @KVStoreBase.register
    ... class Nothing(KVStoreBase):
    ...     type = "nothing"
    >>> import weft as mx
    >>> mx.kv.create("nothing").type
    'nothing'
    """

    OPTIMIZER = "optimizer"
    kv_registry: ClassVar[dict[str, Any]] = {}

    def broadcast(self, key: Any, value: Any, out: Any, priority: int = 0) -> None:
        """Give the first worker's `value` to `out` on all of them."""
        raise NotImplementedError(f"{type(self).__name__} has no broadcast")

    def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
        """Add up `value` over devices and workers, and write the sum to `out`, or to `value` itself."""
        raise NotImplementedError(f"{type(self).__name__} has no pushpull")

    def set_optimizer(self, optimizer: Any) -> None:
        """Update the stored values by this optimizer when gradients are pushed."""
        raise NotImplementedError(f"{type(self).__name__} has no set_optimizer")

    def is_capable(self, capability: str) -> bool:
        """Return whether the store can do something: ``KVStoreBase.OPTIMIZER``."""
        raise NotImplementedError(f"{type(self).__name__} has no is_capable")

    def save_optimizer_states(self, fname: str | os.PathLike[str], dump_optimizer: bool = False) -> None:
        """Save the states of the optimizer to a file."""
        raise NotImplementedError(f"{type(self).__name__} has no save_optimizer_states")

    def load_optimizer_states(self, fname: str | os.PathLike[str]) -> None:
        """Load the states of the optimizer from a file."""
        raise NotImplementedError(f"{type(self).__name__} has no load_optimizer_states")

    @property
    def type(self) -> str:
        """Name of the kind of store."""
        raise NotImplementedError(f"{type(self).__name__} has no type")

    @property
    def rank(self) -> int:
        """Number of this worker."""
        raise NotImplementedError(f"{type(self).__name__} has no rank")

    @property
    def num_workers(self) -> int:
        """How many workers there are."""
        raise NotImplementedError(f"{type(self).__name__} has no num_workers")

    @staticmethod
    def register(klass: Class) -> Class:
        """Let ``mx.kv.create`` make `klass` by its name; returns `klass`, for use as a decorator."""
        if not isinstance(klass, type):
            raise TypeError(f"KVStoreBase.register: a class is expected, got {klass!r}")
        name = klass.__name__.lower()
        old = KVStoreBase.kv_registry.get(name)
        if old is not None and (old.__module__, old.__qualname__) != (klass.__module__, klass.__qualname__):
            message = f"new kvstore {klass.__module__}.{klass.__name__} replaces {old.__module__}.{old.__name__}"
            warnings.warn(message, UserWarning, stacklevel=2)
        KVStoreBase.kv_registry[name] = klass
        return klass


@KVStoreBase.register
class TestStore(KVStoreBase):
    """A store that keeps nothing: a reduction with the interface of a store, for tests.

    Examples
    --------
    >>> import weft as mx
    >>> values = [mx.nd.ones((2,)), mx.nd.ones((2,)) * 2]
    >>> mx.kv.create("teststore").pushpull("w", values)
    >>> values[1].asnumpy().tolist()
    [3.0, 3.0]
    """

    type = "teststore"
    rank = 0
    num_workers = 1

    def broadcast(self, key: Any, value: Any, out: Any, priority: int = 0) -> None:
        """Copy `value` to `out`."""
        for target in out if isinstance(out, (list, tuple)) else [out]:
            value.copyto(target)

    def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
        """Write the sum of the arrays in `value` to `out`, or to each of them."""
        values = value if isinstance(value, (list, tuple)) else [value]
        total = reduced(values)
        for target in values if out is None else out if isinstance(out, (list, tuple)) else [out]:
            if target is not total:
                total.copyto(target)

    @staticmethod
    def is_capable(capability: str) -> bool:  # type: ignore[override]
        """Return False for optimizers, which only the programs run."""
        if capability.lower() != KVStoreBase.OPTIMIZER:
            raise ValueError(f"Unknown capability: {capability}")
        return False


def reduced(values: Sequence[NDArray]) -> NDArray:
    """Return the sum of arrays as an array on the first one's device; of one array, that array itself."""
    if len(values) == 1:
        return values[0]
    context = values[0].context
    return add_n(*[value.as_in_context(context) for value in values])
