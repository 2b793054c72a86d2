"""The store within one process.

Everything is an operator on arrays: a push is a sum, a pull a copy, an update the optimizer's operator. So they run through the
engine like all others, ordered by the arrays that they read and write, and nothing here waits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ...ops import modes
from ..base import MXNetError
from ..ndarray import NDArray
from .base import KVStoreBase, reduced

__all__ = ["KVStore", "create"]

#: MXNet's types that mean a store within this process; it makes one of any other unknown type too.
LOCAL_TYPES = ("local", "device", "local_update_cpu", "local_allreduce_cpu", "local_allreduce_device")
Key = Any


@contextmanager
def _pushing(priority: int) -> Iterator[None]:
    """Run operators at a priority, without recording them."""
    before, recording = modes.set_priority(priority), modes.set_recording(False)
    try:
        yield
    finally:
        modes.set_priority(before)
        modes.set_recording(recording)


class KVStore(KVStoreBase):
    """Keeps an array for each key; what devices push to a key is added up and replaces it, or updates it.

    Parameters
    ----------
    handle : str
        Type of the store. :func:`create` makes one.

    Examples
    --------
    >>> import weft as mx
    >>> store = mx.kv.create("local")
    >>> store.init("w", mx.nd.zeros((2,)))
    >>> store.push("w", [mx.nd.ones((2,)), mx.nd.ones((2,)) * 2])
    >>> out = mx.nd.zeros((2,))
    >>> store.pull("w", out=out)
    >>> out.asnumpy().tolist()
    [3.0, 3.0]
    """

    def __init__(self, handle: str) -> None:
        self._type = handle
        self._values: dict[Key, NDArray] = {}
        self._key_kind: type | None = None
        self._updater: Callable[..., Any] | None = None
        self._threshold: float | None = None
        self._residuals: dict[tuple[Key, int], NDArray] = {}

    @property
    def type(self) -> str:  # type: ignore[override]
        """Type that the store was made with."""
        return self._type

    @property
    def rank(self) -> int:
        """Number of this worker: 0, there are no others."""
        return 0

    @property
    def num_workers(self) -> int:
        """How many workers there are: one."""
        return 1

    def is_capable(self, capability: str) -> bool:
        """Return whether the store can do something: it can run an optimizer.

        Examples
        --------
        >>> create().is_capable("optimizer")
        True
        """
        if capability.lower() == KVStoreBase.OPTIMIZER:
            return True
        raise ValueError(f"Unknown capability: {capability}")

    def _stored(self, key: Key) -> NDArray:
        self._check_kind(key)
        try:
            return self._values[key]
        except KeyError:
            raise MXNetError(f"kvstore: key {key} doesn't exist. Did you init?") from None

    def _check_kind(self, key: Key) -> None:
        kind = str if isinstance(key, str) else int
        if self._key_kind is None:
            self._key_kind = kind
        elif self._key_kind is not kind:
            raise MXNetError(f"kvstore: mixed key types are not allowed: key {key!r} in a store with {self._key_kind.__name__} keys")

    def init(self, key: Any, value: Any) -> None:
        """Make keys known to the store, with copies of their first values.

        Parameters
        ----------
        key : str, int, or list of them
            All keys of a store are of one type.
        value : NDArray or list of NDArray
            A value for each key.
        """
        pairs = _pairs("init", "value", key, value)
        for name, arrays in pairs:
            self._check_kind(name)
            if name in self._values:
                raise MXNetError(f"kvstore.init: duplicate init of key {name}")
            if len(arrays) != 1:
                raise MXNetError(f"kvstore.init: key {name} has {len(arrays)} values, one is expected")
        with _pushing(0):
            for name, arrays in pairs:
                self._values[name] = arrays[0].copy()

    def push(self, key: Any, value: Any, priority: int = 0) -> None:
        """Add up the arrays for each key; the sum replaces what is stored, or goes to the updater.

        Parameters
        ----------
        key : str, int, or list of them
            A key that occurs several times gets all its arrays in one sum.
        value : NDArray, list of NDArray, or list of lists of NDArray
            For one key an array for each device, for several keys such lists.
        priority : int, default 0
            Ready work of higher priority runs first.
        """
        groups = _pairs("push", "value", key, value)
        for name, arrays in groups:
            _check_shapes("push", name, self._stored(name), arrays)
        with _pushing(priority):
            for name, arrays in groups:
                self._merge(name, arrays)

    def _merge(self, key: Key, arrays: Sequence[NDArray]) -> None:
        if self._threshold is not None:
            arrays = [self._compressed(key, place, array, self._threshold) for place, array in enumerate(arrays)]
        total, stored = reduced(arrays), self._values[key]
        if self._updater is not None:
            self._updater(key, total.as_in_context(stored.context), stored)
        elif total.dtype == stored.dtype:
            total.copyto(stored)
        else:
            self._values[key] = total.copy()

    def _compressed(self, key: Key, place: int, gradient: NDArray, threshold: float) -> NDArray:
        """What is left of a gradient in two bits an element: plus or minus the threshold, or 0. The rest is added to the next one."""
        residual = self._residuals.get((key, place))
        residual = gradient.copy() if residual is None else residual + gradient
        sent = threshold * ((residual >= threshold) - (residual <= -threshold))
        self._residuals[key, place] = residual - sent
        return sent

    def pull(self, key: Any, out: Any = None, priority: int = 0, ignore_sparse: bool = True) -> None:
        """Write what is stored for each key to its arrays.

        Parameters
        ----------
        key : str, int, or list of them
            Which values.
        out : NDArray, list of NDArray, or list of lists of NDArray
            For one key all arrays to write to, for several keys one or a list for each.
        priority : int, default 0
            Ready work of higher priority runs first.
        ignore_sparse : bool, default True
            Taken for compatibility: there are no sparse values.
        """
        if out is None:
            raise AssertionError("kvstore.pull: out is None, an NDArray or a list of them is expected")
        groups = _pairs("pull", "out", key, out)
        for name, arrays in groups:
            _check_shapes("pull", name, self._stored(name), arrays)
        with _pushing(priority):
            for name, arrays in groups:
                self._copy_out(name, arrays)

    def _copy_out(self, key: Key, arrays: Sequence[NDArray]) -> None:
        stored = self._values[key]
        for array in arrays:
            stored.copyto(array)

    def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
        """Push `value` and pull into `out`, or into `value` itself.

        Examples
        --------
        >>> import weft as mx
        >>> store = mx.kv.create()
        >>> store.init("w", mx.nd.zeros((1,)))
        >>> values = [mx.nd.ones((1,)), mx.nd.ones((1,))]
        >>> store.pushpull("w", values)
        >>> float(values[0].asscalar())
        2.0
        """
        self.push(key, value, priority)
        self.pull(key, value if out is None else out, priority)

    def broadcast(self, key: Any, value: Any, out: Any, priority: int = 0) -> None:
        """Make keys known with these values, and write them to `out`."""
        self.init(key, value)
        self.pull(key, out, priority)

    def row_sparse_pull(self, key: Any, out: Any = None, priority: int = 0, row_ids: Any = None) -> None:
        """Raise MXNetError: there are no row-sparse arrays yet; :meth:`pull` gives whole values."""
        raise MXNetError(f"kvstore.row_sparse_pull: key {key}: sparse storage is not supported yet, pull gives the whole value")

    def set_gradient_compression(self, compression_params: Mapping[str, Any]) -> None:
        """Reduce gradients that are pushed to two bits an element; what is cut off is added to the next gradient.

        Parameters
        ----------
        compression_params : dict
            ``{"type": "2bit", "threshold": 0.5}``: elements become plus or minus the threshold, or 0.
        """
        if "device" not in self._type:
            raise MXNetError(f"gradient compression is not supported for kvstore {self._type!r}, create('device') supports it")
        params = dict(compression_params)
        kind, threshold = params.pop("type", None), float(params.pop("threshold", 0.5))
        if kind == "none":
            self._threshold = None
            return
        if kind != "2bit":
            raise MXNetError(f"Unknown type for gradient compression {kind}, '2bit' is expected")
        if not threshold > 0:
            raise MXNetError(f"gradient compression: threshold is {threshold}, a number above 0 is expected")
        if params:
            raise MXNetError(f"gradient compression: unknown parameters {', '.join(sorted(params))}")
        self._threshold = threshold

    def set_optimizer(self, optimizer: Any) -> None:
        """Update stored values by this optimizer, with what is pushed as gradients.

        Parameters
        ----------
        optimizer : Optimizer
            What to update with.
        """
        from ..optimizer import get_updater

        self._updater = get_updater(optimizer)

    def set_updater(self, updater: Callable[[Key, NDArray, NDArray], Any]) -> None:
        """Update stored values by ``updater(key, pushed, stored)``.

        Examples
        --------
        >>> import weft as mx
        >>> store = mx.kv.create()
        >>> store.init(1, mx.nd.ones((1,)))
        >>> def add(key, pushed, stored):
        ...     stored += pushed
        >>> store.set_updater(add)
        >>> store.pushpull(1, mx.nd.ones((1,)), out=(out := mx.nd.zeros((1,))))
        >>> float(out.asscalar())
        2.0
        """
        self._updater = updater

    _set_updater = set_updater  # the name that MXNet's programs use

    def _barrier(self) -> None:
        """Wait for the other workers: there are none."""

    def save_optimizer_states(self, fname: str | os.PathLike[str], dump_optimizer: bool = False) -> None:
        """Save the states of the optimizer.

        Parameters
        ----------
        fname : path
            The file.
        dump_optimizer : bool, default False
            Save the optimizer itself too.
        """
        self._states("save")
        with open(fname, "wb") as file:
            file.write(self._updater.get_states(dump_optimizer))  # type: ignore[union-attr]

    def load_optimizer_states(self, fname: str | os.PathLike[str]) -> None:
        """Load what :meth:`save_optimizer_states` saved."""
        self._states("load")
        with open(fname, "rb") as file:
            self._updater.set_states(file.read())  # type: ignore[union-attr]

    def _states(self, what: str) -> None:
        if self._updater is None:
            raise AssertionError(f"kvstore.{what}_optimizer_states: the store has no optimizer, set_optimizer() gives it one")


def _pairs(method: str, what: str, key: Any, value: Any) -> list[tuple[Key, list[NDArray]]]:
    """Keys with all arrays that belong to each, in the order in which the keys first occur."""
    if isinstance(key, (list, tuple)):
        keys = list(key)
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"kvstore.{method}: {what} must be a list for a list of keys, got {type(value).__name__}")
        if len(value) != len(keys):
            raise AssertionError(f"kvstore.{method}: {len(value)} entries in {what} for {len(keys)} keys")
        values = list(value)
    else:
        keys, values = [key], [value]
    groups: dict[Key, list[NDArray]] = {}
    for name, given in zip(keys, values):
        if isinstance(name, bool) or not isinstance(name, (str, int)):
            raise AssertionError(f"kvstore.{method}: unexpected type for keys: {type(name)}, str or int is expected")
        arrays = given if isinstance(given, (list, tuple)) else [given]
        for array in arrays:
            if not isinstance(array, NDArray):
                raise TypeError(f"kvstore.{method}: {what} for key {name} must be NDArrays, got {type(array).__name__}")
        if not arrays:
            raise MXNetError(f"kvstore.{method}: {what} for key {name} is an empty list")
        groups.setdefault(name, []).extend(arrays)
    if len({isinstance(name, str) for name in groups}) > 1:
        raise MXNetError(f"kvstore.{method}: mixed key types are not allowed: {keys}")
    return list(groups.items())


def _check_shapes(method: str, key: Key, stored: NDArray, arrays: Sequence[NDArray]) -> None:
    for array in arrays:
        if array.shape != stored.shape:
            raise MXNetError(f"kvstore.{method}: key {key}: an array of shape {array.shape}, the stored one has shape {stored.shape}")


def create(name: str = "local") -> KVStoreBase:
    """Make a key-value store.

    Parameters
    ----------
    name : str, default "local"
        ``"local"`` or ``"device"``: within this process, on one or several devices. Other types are those of registered classes.

    Examples
    --------
    >>> create("device").type
    'device'
    """
    if not isinstance(name, str):
        raise TypeError(f"kvstore.create: name must be a string, got {name!r}")
    kind = name.lower()
    registered = KVStoreBase.kv_registry.get(kind)
    if registered is not None:
        return registered()
    if kind in LOCAL_TYPES:
        return KVStore(kind)
    if kind == "nccl":
        raise MXNetError("kvstore.create: 'nccl' needs CUDA kernels, which this version has not; use 'device'")
    if kind.startswith("dist") or kind in ("horovod", "byteps"):
        raise MXNetError(f"kvstore.create: {name!r}: this version has stores within one process only: 'local' and 'device'")
    known = ", ".join(sorted({*LOCAL_TYPES, *KVStoreBase.kv_registry}))
    raise MXNetError(f"kvstore.create: unknown type {name!r}, known are {known}")
