"""Devices: where arrays live and where operators run.

A :class:`Context` names a device by type and number. It is a small interned value: ``Context("cpu", 0)`` always
gives the same object, so that comparing and hashing contexts costs next to nothing in the operator dispatch.
"""

from __future__ import annotations

import operator
import threading
from typing import Any

__all__ = ["Context", "cpu", "cpu_pinned", "current_context", "gpu", "parse_context", "simulated"]


class _Stack(threading.local):
    """The contexts entered by ``with`` in this thread; the last one is the default of new arrays."""

    items: list[Context]

    def __getattr__(self, name: str) -> Any:
        # The first use in a thread: a new thread starts at cpu(0), whatever its parent had entered.
        if name != "items":
            raise AttributeError(name)
        self.items = [Context("cpu", 0)]
        return self.items

    @property
    def value(self) -> Context:
        return self.items[-1]

    @value.setter
    def value(self, ctx: Context) -> None:
        if not isinstance(ctx, Context):
            raise TypeError(f"the default context must be a Context, got {ctx!r}")
        self.items[-1] = ctx


_stack = _Stack()


class _ContextType(type):
    """Gives ``Context.default_ctx``, a property of the class itself, as MXNet has it."""

    @property
    def default_ctx(cls) -> Context:
        return _stack.value

    @default_ctx.setter
    def default_ctx(cls, ctx: Context) -> None:
        _stack.value = ctx


class Context(metaclass=_ContextType):
    """A device: ``Context("cpu", 0)``, ``Context("gpu", 1)`` or a copy of another context.

    Parameters
    ----------
    device_type : str or Context
        One of ``"cpu"``, ``"gpu"``, ``"cpu_pinned"``, ``"cpu_shared"`` or ``"simulated"`` (an accelerator played by a
        thread, for tests); or a context, which is returned as it is.
    device_id : int
        The number of the device among those of its type.

    Examples
    --------
    >>> import weft as mx
    >>> mx.Context("cpu", 0)
    cpu(0)
    >>> with mx.cpu(1):
    ...     print(mx.current_context())
    cpu(1)
    """

    __slots__ = ("device_id", "device_typeid")

    device_typeid: int
    device_id: int

    devtype2str = {1: "cpu", 2: "gpu", 3: "cpu_pinned", 5: "cpu_shared", 101: "simulated"}
    devstr2type = {"cpu": 1, "gpu": 2, "cpu_pinned": 3, "cpu_shared": 5, "simulated": 101}
    _interned: dict[tuple[int, int], Context] = {}
    _default_ctx = _stack

    def __new__(cls, device_type: str | Context = "cpu", device_id: int = 0) -> Context:
        if isinstance(device_type, Context):
            return device_type
        typeid = cls.devstr2type.get(device_type) if isinstance(device_type, str) else None
        if typeid is None:
            raise ValueError(f"device_type must be one of {sorted(cls.devstr2type)}, got {device_type!r}")
        try:
            number = operator.index(device_id)
        except TypeError:
            raise TypeError(f"device_id must be an integer, got {device_id!r}") from None
        if not 0 <= number < 1 << 31:
            raise ValueError(f"device_id must be between 0 and {(1 << 31) - 1}, got {number}")
        key = (typeid, number)
        found = cls._interned.get(key)
        if found is None:
            made = object.__new__(cls)
            object.__setattr__(made, "device_typeid", typeid)
            object.__setattr__(made, "device_id", number)
            found = cls._interned.setdefault(key, made)  # setdefault: two threads agree on one object
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"Context is read-only: cannot set {name!r}")

    @property
    def device_type(self) -> str:
        """The type of the device as a string.

        Examples
        --------
        >>> import weft as mx
        >>> mx.gpu(1).device_type
        'gpu'
        """
        return self.devtype2str[self.device_typeid]

    @property
    def default_ctx(self) -> Context:
        """The default context of this thread, as ``Context.default_ctx``."""
        return _stack.value

    def __hash__(self) -> int:
        return hash((self.device_typeid, self.device_id))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Context):
            return NotImplemented
        return self.device_typeid == other.device_typeid and self.device_id == other.device_id

    def __repr__(self) -> str:
        return f"{self.device_type}({self.device_id})"

    __str__ = __repr__

    def __reduce__(self) -> tuple[Any, ...]:
        return Context, (self.device_type, self.device_id)

    def __copy__(self) -> Context:
        return self

    def __deepcopy__(self, memo: Any) -> Context:
        return self

    def __enter__(self) -> Context:
        _stack.items.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        _stack.items.pop()

    def empty_cache(self) -> None:
        """Give the storage that the memory pool keeps for later back to the operating system.

        Examples
        --------
        >>> import weft as mx
        >>> mx.cpu().empty_cache()
        """
        from .. import engine

        engine.empty_cache(self)


def cpu(device_id: int = 0) -> Context:
    """Return a CPU context. All CPU numbers share one memory; they differ in name only.

    Examples
    --------
    >>> import weft as mx
    >>> mx.cpu()
    cpu(0)
    """
    return Context("cpu", device_id)


def cpu_pinned(device_id: int = 0) -> Context:
    """Return a context for page-locked CPU memory, which copies to and from a GPU faster.

    Examples
    --------
    >>> import weft as mx
    >>> mx.cpu_pinned()
    cpu_pinned(0)
    """
    return Context("cpu_pinned", device_id)


def gpu(device_id: int = 0) -> Context:
    """Return a GPU context. Making one needs no GPU; putting an array there does.

    Examples
    --------
    >>> import weft as mx
    >>> mx.gpu(1)
    gpu(1)
    """
    return Context("gpu", device_id)


def simulated(device_id: int = 0) -> Context:
    """Return the context of a simulated accelerator: streams and events played by a thread, for tests.

    Examples
    --------
    >>> from weft.ops.context import simulated
    >>> simulated()
    simulated(0)
    """
    return Context("simulated", device_id)


def parse_context(text: str) -> Context:
    """Return the context that a text such as ``"cpu(0)"`` or ``"gpu"`` names.

    Raises
    ------
    ValueError
        Where it names none.

    Examples
    --------
    >>> parse_context("cpu(1)"), parse_context("cpu")
    (cpu(1), cpu(0))
    """
    kind, _, number = text.strip().partition("(")
    try:
        return Context(kind.strip(), int(number.rstrip(")") or 0))
    except ValueError:
        raise ValueError(f"{text!r} names no device; expected for example 'cpu(0)'") from None


def current_context() -> Context:
    """Return the context that new arrays get when none is named: the innermost ``with``, else ``cpu(0)``.

    Examples
    --------
    >>> import weft as mx
    >>> mx.current_context()
    cpu(0)
    """
    return _stack.items[-1]
