"""Environment variables that the engine reads: one table, for the code and for the documentation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

__all__ = ["VARIABLES", "Variable", "describe", "read"]


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError("expected a positive integer")
    return value


def _not_negative(text: str) -> float:
    value = float(text)
    if not value >= 0:
        raise ValueError("expected a number that is not negative")
    return value


def _nbytes(text: str) -> int:
    units = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
    text = text.strip().lower()
    factor = units.get(text[-1:], 1)
    value = int(float(text[:-1] if factor > 1 else text) * factor)
    if value < 0:
        raise ValueError("expected a number of bytes, such as 512M")
    return value


def _mode(text: str) -> str:
    names = {
        "naive": "naive",
        "naiveengine": "naive",
        "threaded": "threaded",
        "threadedengine": "threaded",
        "threadedengineperdevice": "threaded",
        "threadedenginepooled": "threaded",
    }
    mode = names.get(text.strip().lower())
    if mode is None:
        raise ValueError("expected 'naive' or 'threaded' (or MXNet's NaiveEngine, ThreadedEngine...)")
    return mode


def _flags(text: str) -> frozenset[str]:
    flags = frozenset(part.strip() for part in text.split(",") if part.strip())
    if unknown := flags - {"deps"}:
        raise ValueError(f"unknown check {sorted(unknown)[0]!r}; there is 'deps'")
    return flags


class Variable(NamedTuple):
    """One setting: its names, the first of which wins, what it means and how its text is read."""

    setting: str
    names: tuple[str, ...]
    parse: Callable[[str], Any]
    default: str
    meaning: str


VARIABLES = (
    Variable(
        "mode",
        ("WEFT_ENGINE_TYPE", "MXNET_ENGINE_TYPE"),
        _mode,
        "threaded",
        "`threaded`, or `naive`: every task runs at once on the thread that pushes it.",
    ),
    Variable(
        "cores",
        ("WEFT_CPU_WORKERS", "MXNET_CPU_WORKER_NTHREADS", "OMP_NUM_THREADS"),
        _positive,
        "all that the process may use",
        "Cores that tasks, and the loops inside them, share.",
    ),
    Variable(
        "inline_cost_ns",
        ("WEFT_INLINE_COST_NS",),
        _not_negative,
        "8000",
        "Estimated cost in ns up to which a task runs on the pushing thread if nothing it needs is busy.",
    ),
    Variable(
        "max_pending",
        ("WEFT_MAX_PENDING_TASKS",),
        _positive,
        "16384",
        "Tasks in flight above which the pushing thread waits.",
    ),
    Variable(
        "max_pending_bytes",
        ("WEFT_MAX_PENDING_BYTES",),
        _nbytes,
        "a quarter of the memory",
        "Bytes of results in flight above which the pushing thread waits.",
    ),
    Variable(
        "cache_limit",
        ("WEFT_CACHE_LIMIT",),
        _nbytes,
        "a quarter of the memory",
        "Bytes of freed storage that the pool keeps for new arrays; `512M` and `2G` are understood.",
    ),
    Variable(
        "bulk_size",
        ("WEFT_BULK_SIZE", "MXNET_EXEC_BULK_EXEC_MAX_NODE_TRAIN"),
        lambda text: int(_not_negative(text)),
        "0",
        "Consecutive calls that are handed to the workers as one task (see `weft.engine.bulk`).",
    ),
    Variable(
        "simulated_delay_us",
        ("WEFT_SIMULATED_DELAY_US",),
        _not_negative,
        "0",
        "Microseconds that every command on a stream of the simulated accelerator takes at least.",
    ),
    Variable(
        "sanitize",
        ("WEFT_SANITIZE",),
        _flags,
        "nothing",
        "`deps`: fail tasks that change what they declared as read, or use what they did not declare.",
    ),
    Variable(
        "watchdog",
        ("WEFT_WATCHDOG",),
        _not_negative,
        "0 (off)",
        "Seconds without a finished task after which the tasks in flight, and what they wait for, are printed.",
    ),
)


def read(
    environment: Mapping[str, str] = os.environ, variables: Iterable[Variable] = VARIABLES
) -> dict[str, Any]:
    """Return the settings that the environment gives, of the engine or of another table of ``variables``.

    Raises
    ------
    ValueError
        Naming the variable, its value and what was expected.

    Examples
    --------
    >>> from weft.engine.environment import read
    >>> read({"MXNET_ENGINE_TYPE": "NaiveEngine", "WEFT_CACHE_LIMIT": "512M"})
    {'mode': 'naive', 'cache_limit': 536870912}
    """
    found = {}
    for variable in variables:
        for name in variable.names:
            text = environment.get(name, "").strip()
            if not text:
                continue
            try:
                found[variable.setting] = variable.parse(text.split(",")[0] if name == "OMP_NUM_THREADS" else text)
            except ValueError as error:
                raise ValueError(f"environment variable {name}={text!r}: {error}") from None
            break
    return found


def describe(variables: Iterable[Variable] = VARIABLES) -> str:
    """Return a table of variables as Markdown, as in ``docs/environment.md``."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for variable in variables:
        names = ", ".join(f"`{name}`" for name in variable.names)
        lines.append(f"| {names} | {variable.default} | {variable.meaning} |")
    return "\n".join(lines)
