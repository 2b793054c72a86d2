"""The dependency engine: order tasks by what they read and write, and run them as soon as that allows.

Every array operation is such a task. Programs can add their own with :func:`push`, on arrays or on variables of their
own:

>>> import weft as mx
>>> x = mx.nd.ones((2, 2))
>>> total = []
>>> mx.engine.push(lambda: total.append(float(x.asnumpy().sum())), reads=[x], name="total")
>>> mx.engine.wait_all()
>>> total
[4.0]

Cython packages put C functions on the engine through ``weft.engine.capi``; see ``docs/engine.md``.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import _engine, environment
from ._engine import Var, pending, push, start_events, stop_events, wait_all
from .errors import MXNetError

__all__ = [
    "MXNetError",
    "Var",
    "bulk",
    "configure",
    "empty_cache",
    "pending",
    "push",
    "set_bulk_size",
    "settings",
    "start_events",
    "stop_events",
    "storage",
    "wait_all",
]


def settings() -> dict[str, Any]:
    """Return the engine's settings by name; ``docs/environment.md`` says what they mean.

    Examples
    --------
    >>> from weft import engine
    >>> engine.settings()["mode"]
    'threaded'
    """
    return {variable.setting: _engine.get_setting(variable.setting) for variable in environment.VARIABLES}


def configure(**changes: Any) -> dict[str, Any]:
    """Change settings; return the old values of those given.

    Parameters
    ----------
    **changes
        Settings by the names that :func:`settings` lists. Changing ``cores`` waits for everything in flight.

    Examples
    --------
    >>> from weft import engine
    >>> old = engine.configure(mode="naive")
    >>> old
    {'mode': 'threaded'}
    >>> engine.configure(**old)
    {'mode': 'naive'}
    """
    known = {variable.setting for variable in environment.VARIABLES}
    for name in changes:
        if name not in known:
            raise ValueError(f"no engine setting {name!r}; there are {', '.join(sorted(known))}")
    return {name: _engine.change_setting(name, value) for name, value in changes.items()}


def set_bulk_size(size: int) -> int:
    """Set how many consecutive calls go to the workers as one task; return the old number.

    Handing a call to another thread costs microseconds. In a bulk, calls that cannot run at once collect on the calling
    thread until there are ``size`` of them, or a value is waited for; then they become one task. 0 and 1 mean no bulk.

    Examples
    --------
    >>> from weft import engine
    >>> engine.set_bulk_size(16)
    0
    >>> engine.set_bulk_size(0)
    16
    """
    if not isinstance(size, int) or size < 0:
        raise ValueError(f"size must be an integer that is not negative, got {size!r}")
    return _engine.change_setting("bulk_size", size)


@contextmanager
def bulk(size: int) -> Iterator[None]:
    """Bulk calls in a ``with`` block, as :func:`set_bulk_size`.

    Examples
    --------
    >>> import weft as mx
    >>> with mx.engine.bulk(10):
    ...     x = mx.nd.zeros((1,))
    ...     for _ in range(100):
    ...         x += 1
    >>> float(x.asscalar())
    100.0
    """
    old = set_bulk_size(size)
    try:
        yield
    finally:
        set_bulk_size(old)


def storage(device: Any = None) -> dict[str, int]:
    """Return the counters of the storage pool.

    Returns
    -------
    dict
        ``in_use``, ``cached``, ``peak`` and ``limit`` in bytes; ``allocations`` and ``system_allocations`` as counts.
        Arrays of at most 4 KiB come from small blocks that are not counted.

    Examples
    --------
    >>> from weft import engine
    >>> sorted(engine.storage())
    ['allocations', 'cached', 'in_use', 'limit', 'peak', 'system_allocations']
    """
    return dict(_engine.pool_info())


def empty_cache(device: Any = None) -> None:
    """Give freed storage that is kept for new arrays back to the system.

    Examples
    --------
    >>> from weft import engine
    >>> engine.empty_cache()
    >>> engine.storage()["cached"]
    0
    """
    _engine.empty_cache()


def _before_fork() -> None:
    # The child gets memory but no threads: what is in flight must land first.
    _engine.wait_all_quietly()


for _name, _value in environment.read().items():
    _engine.change_setting(_name, _value)
os.register_at_fork(before=_before_fork, after_in_child=_engine.after_fork_in_child)
atexit.register(_engine.stop_workers)
