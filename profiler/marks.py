"""What programs put into a profile themselves: tasks, frames, events, counters and marks, grouped in domains."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any

from ..engine.errors import MXNetError
from .session import session

__all__ = ["Counter", "Domain", "Event", "Frame", "Marker", "Task"]


class Domain:
    """A group of tasks, counters and so on.

    Parameters
    ----------
    name : str
        What stands above them in tables.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name

    def new_task(self, name: str) -> Task:
        """Return a new task of this domain."""
        return Task(self, name)

    def new_frame(self, name: str) -> Frame:
        """Return a new frame of this domain."""
        return Frame(self, name)

    def new_counter(self, name: str, value: int | None = None) -> Counter:
        """Return a new counter of this domain."""
        return Counter(self, name, value)

    def new_marker(self, name: str) -> Marker:
        """Return a new marker of this domain."""
        return Marker(self, name)


class _Duration:
    """Something that takes time; it can also stand in a ``with`` statement."""

    def __init__(self, category: str, name: str) -> None:
        self.name = name
        self._category = category
        self._begin: int | None = None

    def start(self) -> None:
        """Begin now."""
        self._begin = time.perf_counter_ns()

    def stop(self) -> None:
        """End now."""
        if self._begin is None:
            raise MXNetError(f"profiler: {self.name!r} was not started")
        begin, self._begin = self._begin, None
        taken = (time.perf_counter_ns() - begin) / 1000
        session.add({"ph": "X", "cat": self._category, "name": self.name, "ts": begin / 1000, "dur": taken})

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def __str__(self) -> str:
        return self.name


class Task(_Duration):
    """A piece of work of a domain.

    Parameters
    ----------
    domain : Domain
    name : str
    """

    def __init__(self, domain: Domain, name: str) -> None:
        super().__init__(domain.name, name)


class Frame(_Duration):
    """One of many alike pieces of work, such as a batch.

    Parameters
    ----------
    domain : Domain
    name : str
    """

    def __init__(self, domain: Domain, name: str) -> None:
        super().__init__(f"{domain.name},frame", name)


class Event(_Duration):
    """A piece of work without domain.

    Parameters
    ----------
    name : str
    """

    def __init__(self, name: str) -> None:
        super().__init__("event", name)


class Counter:
    """A number that changes.

    Parameters
    ----------
    domain : Domain
    name : str
    value : int, optional
        Its first value.

    Examples
    --------
    >>> counter = Domain("mine").new_counter("batches", 5)
    >>> counter += 1
    >>> str(counter), counter.value
    ('batches', 6)
    """

    def __init__(self, domain: Domain, name: str, value: int | None = None) -> None:
        self.name = name
        self.value = 0
        self._category = domain.name
        self._lock = threading.Lock()
        if value is not None:
            self.set_value(value)

    def _change(self, value: int, kept: int) -> None:
        with self._lock:
            self.value = kept * self.value + int(value)
            now = time.perf_counter_ns() / 1000
            session.add({"ph": "C", "cat": self._category, "name": self.name, "ts": now, "args": {self.name: self.value}})

    def set_value(self, value: int) -> None:
        """Change it to `value`."""
        self._change(value, 0)

    def increment(self, delta: int = 1) -> None:
        """Add `delta`."""
        self._change(delta, 1)

    def decrement(self, delta: int = 1) -> None:
        """Subtract `delta`."""
        self._change(-delta, 1)

    def __iadd__(self, delta: int) -> Counter:
        self.increment(delta)
        return self

    def __isub__(self, delta: int) -> Counter:
        self.decrement(delta)
        return self

    def __str__(self) -> str:
        return self.name


class Marker:
    """Marks moments.

    Parameters
    ----------
    domain : Domain
    name : str
    """

    SCOPES = {"global": "g", "process": "p", "thread": "t", "task": "t", "marker": "t"}

    def __init__(self, domain: Domain, name: str) -> None:
        self.name = name
        self.domain = domain

    def mark(self, scope: str = "process") -> None:
        """Mark this moment, for all (``'global'``), this process, thread, task or marker."""
        if scope not in self.SCOPES:
            raise MXNetError(f"profiler: scope must be one of {', '.join(self.SCOPES)}, got {scope!r}")
        now = time.perf_counter_ns() / 1000
        session.add({"ph": "i", "cat": f"{self.domain.name},instant_marker", "name": self.name, "ts": now, "s": self.SCOPES[scope]})
