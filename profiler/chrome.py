"""Chrome trace files from the engine's event records, for chrome://tracing, Perfetto and speedscope."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

from ..engine._engine import start_events, stop_events, wait_all

__all__ = ["CUSTOM", "PYTHON", "chrome_events", "trace", "write_chrome_trace"]

#: thread, kind, name, task, time, end, value: see engine/_engine.pyx, stop_events
Record = tuple[int, str, str, int, int, int, int]

#: The category of custom operators, and what the name of their Python code ends in; both are MXNet's.
CUSTOM, PYTHON = "Custom Operator", "::pure_python"


def _complete(thread: int, name: str, begin: int, end: int, **arguments: Any) -> dict[str, Any]:
    """Make a "complete" event; Chrome wants microseconds."""
    return {
        "ph": "X",
        "cat": "task",
        "name": name,
        "pid": os.getpid(),
        "tid": thread,
        "ts": begin / 1000,
        "dur": (end - begin) / 1000,
        "args": arguments,
    }


def chrome_events(records: Iterable[Record]) -> list[dict[str, Any]]:
    """Convert the engine's records to trace events: one for each task that ran, on the thread that ran it.

    Parameters
    ----------
    records : iterable of tuple
        What ``stop_events`` returned.

    Examples
    --------
    >>> events = chrome_events([(0, "inline", "add", 0, 1000, 3000, 0)])
    >>> events[-1]["name"], events[-1]["ts"], events[-1]["dur"]
    ('add', 1.0, 2.0)

    Of very short calls only some are timed. The others have a start, no duration, and say so:

    >>> event = chrome_events([(0, "inline", "add", 0, 4000, 0, 0)])[-1]
    >>> event["ts"], event["dur"], event["args"]
    (4.0, 0.0, {'timed': False})
    """
    events: list[dict[str, Any]] = []
    origins: list[tuple[int, int]] = []  # for each event the thread that asked for it, and when
    pushers: dict[int, tuple[int, int]] = {}
    waiting: dict[int, dict[str, int]] = {}
    declared: dict[int, dict[str, Any]] = {}
    started: dict[tuple[int, int], int] = {}
    threads = set()
    for thread, kind, name, task, time, end, value in sorted(records, key=lambda record: record[4]):
        threads.add(thread)
        if kind == "inline":
            if end:
                events.append(_complete(thread, name, time, end))
            else:
                events.append(_complete(thread, name, time, time, timed=False))
            origins.append((thread, time))
        elif kind == "started":
            started[thread, task] = time
        elif kind == "finished":
            # Without a start: the ring buffer had dropped it.
            begin = started.pop((thread, task), None)
            marks = waiting.pop(task, {})
            facts = declared.pop(task, {})
            if begin is not None:
                delays = {f"us_since_{mark}": (begin - at) / 1000 for mark, at in marks.items()}
                events.append(_complete(thread, name, begin, time, task=task, **facts, **delays))
                origins.append(pushers.pop(task, (thread, begin)))
        elif kind in ("reads", "writes"):
            declared.setdefault(task, {}).setdefault(kind, []).append(value)
        else:
            waiting.setdefault(task, {})[kind] = time
            if kind == "pushed":
                pushers[task] = thread, time
                declared.setdefault(task, {})["bytes"] = value
    _give_to_custom_operators(events, origins)
    names = [
        {"ph": "M", "name": "thread_name", "pid": os.getpid(), "tid": thread, "args": {"name": f"engine thread {thread}"}}
        for thread in sorted(threads)
    ]
    return names + events


def _give_to_custom_operators(events: list[dict[str, Any]], origins: list[tuple[int, int]]) -> None:
    """Name what custom operators in Python ask for after them: ``<operator>::<what it called>``, in a category of its own."""
    spans: dict[int, list[tuple[float, float, str]]] = {}
    for event in events:
        if event["name"].endswith(PYTHON):
            event["cat"] = CUSTOM
            span = (event["ts"] * 1000, (event["ts"] + event["dur"]) * 1000, event["name"].removesuffix(PYTHON))
            spans.setdefault(event["tid"], []).append(span)
    if not spans:
        return
    for event, (thread, time) in zip(events, origins):
        if event["cat"] != CUSTOM:
            for begin, end, owner in spans.get(thread, ()):
                if begin <= time <= end:
                    event["cat"], event["name"] = CUSTOM, f"{owner}::{event['name']}"
                    break


def write_chrome_trace(records: Iterable[Record], path: str | os.PathLike[str]) -> int:
    """Write the engine's records as a Chrome trace file, and return how many tasks it holds.

    Parameters
    ----------
    records : iterable of tuple
        What ``stop_events`` returned.
    path : path-like
        The file to write.
    """
    events = chrome_events(records)
    with open(path, "w", encoding="utf-8") as file:
        # dumps, not dump: only that runs in C from end to end.
        file.write(json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}, separators=(",", ":"), check_circular=False))
    return sum(event["ph"] == "X" for event in events)


@contextlib.contextmanager
def trace(path: str | os.PathLike[str], capacity: int = 1 << 16) -> Iterator[None]:
    """Record what the engine does inside the ``with`` block, and write it as a Chrome trace.

    Parameters
    ----------
    path : path-like
        The file to write.
    capacity : int
        How many events each thread keeps; the oldest are dropped.

    Examples
    --------
    >>> import tempfile, weft as mx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with mx.profiler.trace(folder + "/trace.json"):
    ...         mx.nd.ones((2, 3)).sum().asscalar().item()
    6.0
    """
    start_events(capacity)
    try:
        yield
        wait_all()
    finally:
        write_chrome_trace(stop_events(), path)
