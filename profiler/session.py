"""The profiler of a program: switched on and off, its events as a Chrome trace or as a table; MXNet's names.

>>> import json, os, tempfile, weft as mx
>>> path = os.path.join(tempfile.mkdtemp(), "profile.json")
>>> mx.profiler.set_config(profile_all=True, aggregate_stats=True, filename=path)
>>> mx.profiler.set_state("run")
>>> with mx.profiler.Domain("mine").new_task("work"):
...     x = mx.nd.ones((2, 3)) + 1
>>> mx.profiler.set_state("stop")
>>> sorted(json.loads(mx.profiler.dumps(format="json"))["Time"])
['mine', 'operator']
>>> mx.profiler.dump()
>>> os.path.exists(path)
True
"""

from __future__ import annotations

import json
import os
import threading
import time
import warnings
from typing import Any

from ..engine._engine import pool_info, start_events, stop_events, wait_all
from ..engine.errors import MXNetError
from .chrome import chrome_events

__all__ = [
    "dump",
    "dump_profile",
    "dumps",
    "pause",
    "profiler_set_config",
    "profiler_set_state",
    "resume",
    "set_config",
    "set_kvstore_handle",
    "set_state",
]

#: How many events of the engine each thread keeps.
CAPACITY = 1 << 18
#: What can be switched on and off, and how it is at first.
SWITCHES = {
    "profile_all": False,
    "profile_symbolic": True,
    "profile_imperative": True,
    "profile_memory": True,
    "profile_api": True,
    "aggregate_stats": False,
    "continuous_dump": False,
}
#: Of these any makes the engine record what it runs.
OPERATORS = ("profile_all", "profile_symbolic", "profile_imperative")
COLUMNS = {"total": "Total", "avg": "Avg", "min": "Min", "max": "Max", "count": "Count"}

Event = dict[str, Any]


def _truth(name: str, value: Any) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    try:
        return words[str(value).lower()]
    except KeyError:
        raise MXNetError(f"profiler.set_config: {name} must be True or False, got {value!r}") from None


class Figures:
    """The times of events of one name, or the values of a counter."""

    def __init__(self) -> None:
        self._count = 0
        self._values: list[float] = []

    def add(self, event: Event) -> None:
        """Take one more."""
        self._count += 1
        arguments = event.get("args", {})
        if event["ph"] == "C":
            self._values.append(arguments[event["name"]])
        elif arguments.get("timed", True):
            self._values.append(event["dur"] / 1000)

    def row(self) -> dict[str, float]:
        """Return the figures under MXNet's names; events that were counted only are taken to be like those that were timed."""
        values = self._values or [0.0]
        mean = sum(values) / len(values)
        return {"Count": self._count, "Total": mean * self._count, "Min": min(values), "Max": max(values), "Avg": mean}


class Session:
    """What has been recorded, and whether more is."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._config: dict[str, Any] = {"filename": "profile.json", "dump_period": 1.0, **SWITCHES}
        self._running = self._paused = self._recording = self._finished = False
        self._base = 0
        self._events: list[Event] = []
        self._counted = 0
        self._memory: list[float] = []  # bytes in use, whenever recording began or ended, and at the peak
        self._peak = 0

    @property
    def active(self) -> bool:
        """Whether events of the program are kept."""
        return self._running and not self._paused

    @property
    def aggregates(self) -> bool:
        """Whether tables are wanted."""
        return bool(self._config["aggregate_stats"])

    def configure(self, config: dict[str, Any]) -> None:
        """Take settings; see :func:`set_config`."""
        taken: dict[str, Any] = {}
        for name, value in config.items():
            if name in SWITCHES:
                taken[name] = _truth(name, value)
            elif name == "filename":
                taken[name] = os.fspath(value)
            elif name == "dump_period":
                taken[name] = float(value)
            elif name == "profile_process":
                if value not in ("worker", "server"):
                    raise MXNetError(f"profiler.set_config: profile_process must be 'worker' or 'server', got {value!r}")
            else:
                known = ", ".join((*SWITCHES, "filename", "dump_period", "profile_process"))
                raise MXNetError(f"profiler.set_config has no argument {name!r}; it has {known}")
        with self._lock:
            self._config.update(taken)
            if self.active:  # what the engine records may have changed
                self._collect()
                self._start()

    def run(self) -> None:
        """Begin to record."""
        with self._lock:
            if self._running:
                return
            if self._finished:  # the file is written: what comes now is another profile
                self._events, self._counted, self._finished = [], 0, False
                self._memory = []
            self._running, self._paused = True, False
            self._start()

    def stop(self) -> None:
        """End recording, when everything that was begun is done."""
        with self._lock:
            if not self._running:
                return
            try:
                if not self._paused:
                    wait_all()
            finally:
                self._collect()
                self._running = self._paused = False

    def pause(self, paused: bool) -> None:
        """Record nothing for a while, or go on."""
        with self._lock:
            if not self._running or self._paused is paused:
                return
            if paused:
                self._collect()
            else:
                self._start()
            self._paused = paused

    def _start(self) -> None:
        if any(self._config[name] for name in OPERATORS):
            self._base = time.perf_counter_ns()
            start_events(CAPACITY)
            self._recording = True
            self._look_at_memory()

    def _collect(self) -> None:
        if not self._recording:
            return
        self._recording = False
        self._look_at_memory()
        for event in chrome_events(stop_events()):
            if event["ph"] == "X":
                if event["cat"] == "task":
                    event["cat"] = "operator"
                event["ts"] += self._base / 1000
            self._events.append(event)

    def _look_at_memory(self) -> None:
        if not (self._config["profile_memory"] or self._config["profile_all"]):
            return
        info = pool_info()
        if not self._recording and info["peak"] > self._peak:
            self._memory.append(info["peak"])
        self._memory.append(info["in_use"])
        self._peak = info["peak"]

    def add(self, event: Event) -> None:
        """Keep an event of the program itself; `ts` and `dur` are in microseconds of ``time.perf_counter_ns``."""
        with self._lock:
            if self.active:
                self._events.append({"pid": os.getpid(), "tid": threading.get_native_id(), **event})

    def _so_far(self) -> list[Event]:
        if self._recording:
            self._collect()
            self._start()
        return self._events

    def write(self, finished: bool) -> None:
        """Write the trace file with all that was recorded."""
        with self._lock:
            if finished:
                self.stop()
            text = json.dumps({"traceEvents": self._so_far(), "displayTimeUnit": "ms"}, separators=(",", ":"))
            with open(self._config["filename"], "w", encoding="utf-8") as file:
                file.write(text)
            self._finished = self._finished or finished

    def statistics(self, reset: bool) -> dict[str, dict[str, dict[str, float]]]:
        """Return count, total, smallest, largest and mean time (counters: values) by domain and name."""
        with self._lock:
            events = self._so_far()
            found: dict[str, dict[str, Figures]] = {}
            for event in events[self._counted :]:
                if event["ph"] in ("X", "C"):
                    found.setdefault(event["cat"], {}).setdefault(event["name"], Figures()).add(event)
            if reset:
                self._counted, self._memory = len(events), []
        return {domain: {name: figures.row() for name, figures in names.items()} for domain, names in sorted(found.items())}


    def memory(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return how much memory arrays took, in kB, under MXNet's names."""
        with self._lock:
            self._so_far()
            sizes = [size / 1000 for size in self._memory]
        if not sizes:
            return {}
        row = {"Count": len(sizes), "Min": min(sizes), "Max": max(sizes), "Avg": sum(sizes) / len(sizes)}
        return {"Device Storage": {"Memory: cpu/0": row}}


#: The session of this process.
session = Session()


def set_config(**kwargs: Any) -> None:
    """Say what is recorded, and where it is written.

    Parameters
    ----------
    filename : str, default "profile.json"
        The trace file, for chrome://tracing, Perfetto and speedscope.
    profile_all, profile_symbolic, profile_imperative : bool
        Record what the engine runs; each of them records all of it, the last two are True at first.
    profile_memory : bool
        Let tables tell how much memory arrays took: whenever recording began or ended, and at a new peak.
    profile_api : bool
        Taken for compatibility: there is no C interface whose calls could be recorded.
    aggregate_stats : bool, default False
        Let :func:`dumps` make tables.
    continuous_dump, dump_period, profile_process
        Taken for compatibility.
    """
    session.configure(kwargs)


def set_state(state: str = "stop", profile_process: str = "worker") -> None:
    """Begin to record (``'run'``), or end it when everything that was begun is done (``'stop'``)."""
    if state not in ("run", "stop"):
        raise KeyError(f"profiler.set_state: state must be 'run' or 'stop', got {state!r}")
    if state == "run":
        session.run()
    else:
        session.stop()


def pause(profile_process: str = "worker") -> None:
    """Record nothing until :func:`resume` is called."""
    session.pause(True)


def resume(profile_process: str = "worker") -> None:
    """Go on recording after :func:`pause`."""
    session.pause(False)


def dump(finished: bool = True, profile_process: str = "worker") -> None:
    """Write the trace file.

    Parameters
    ----------
    finished : bool, default True
        Whether the profile is complete: recording ends, and what is recorded after it belongs to another profile.
    profile_process : str
        Taken for compatibility.
    """
    session.write(finished)


def dumps(reset: bool = False, format: str = "table", sort_by: str = "total", ascending: bool = False) -> str:
    """Return how often each operator, task and so on ran, and how long it took.

    Without ``set_config(aggregate_stats=True)`` the text is empty. Of very short calls the engine times about one in sixteen; the
    total is their mean times the number of all.

    Parameters
    ----------
    reset : bool, default False
        Count anew after this.
    format : str, default "table"
        ``'table'`` or ``'json'``.
    sort_by : str, default "total"
        ``'total'``, ``'avg'``, ``'min'``, ``'max'`` or ``'count'``.
    ascending : bool, default False
        Whether the smallest comes first.
    """
    if format not in ("table", "json"):
        raise AssertionError(f"profiler.dumps: format must be 'table' or 'json', got {format!r}")
    if sort_by not in COLUMNS:
        raise AssertionError(f"profiler.dumps: sort_by must be one of {', '.join(COLUMNS)}, got {sort_by!r}")
    for name, value in (("ascending", ascending), ("reset", reset)):
        if value not in (True, False):
            raise AssertionError(f"profiler.dumps: {name} must be True or False, got {value!r}")
    if not session.aggregates:
        return ""
    column = COLUMNS[sort_by]
    memory = session.memory()
    found = {
        domain: dict(sorted(names.items(), key=lambda item: item[1][column], reverse=not ascending))
        for domain, names in session.statistics(reset).items()
    }
    if format == "json":
        return json.dumps({"Time": found, "Memory": memory, "Unit": {"Time": "ms", "Memory": "kB"}}, indent=4)
    heads = ("Name", "Total Count", "Time (ms)", "Min Time (ms)", "Max Time (ms)", "Avg Time (ms)")
    layout = "{:<40}" + "{:>16}" * 5
    lines = ["", "Profile Statistics:"]
    for domain, names in found.items():
        lines += [domain, "=" * 17, layout.format(*heads), layout.format(*("-" * len(head) for head in heads))]
        for name, row in names.items():
            times = (f"{row[key]:.4f}" for key in ("Total", "Min", "Max", "Avg"))
            lines.append(layout.format(name, row["Count"], *times))
        lines.append("")
    columns = ("Name", "Total Count", "Min Use (kB)", "Max Use (kB)", "Avg Use (kB)")
    layout = "{:<40}" + "{:>16}" * 4
    for domain, names in memory.items():
        lines += [domain, "=" * 17, layout.format(*columns), layout.format(*("-" * len(head) for head in columns))]
        lines += [layout.format(name, row["Count"], *(f"{row[key]:.4f}" for key in ("Min", "Max", "Avg"))) for name, row in names.items()]
        lines.append("")
    return "\n".join(lines) + "\n"


def set_kvstore_handle(handle: Any) -> None:
    """Taken for compatibility: stores run in this process, and are profiled with it."""


def _deprecated(old: str, new: str) -> None:
    warnings.warn(f"profiler.{old}() is deprecated. Please use profiler.{new}() instead", DeprecationWarning, stacklevel=3)


def profiler_set_config(mode: str = "symbolic", filename: str = "profile.json") -> None:
    """Call :func:`set_config`, which took the place of this function."""
    _deprecated("profiler_set_config", "set_config")
    set_config(**{"profile_" + mode: True}, filename=filename)


def profiler_set_state(state: str = "stop") -> None:
    """Call :func:`set_state`, which took the place of this function."""
    _deprecated("profiler_set_state", "set_state")
    set_state(state)


def dump_profile() -> None:
    """Call :func:`dump`, which took the place of this function."""
    _deprecated("dump_profile", "dump")
    dump(True)
