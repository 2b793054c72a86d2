"""Profiler: what the engine did, and what programs mark, as Chrome traces and tables."""

from .chrome import chrome_events, trace, write_chrome_trace
from .marks import Counter, Domain, Event, Frame, Marker, Task
from .session import (
    dump,
    dump_profile,
    dumps,
    pause,
    profiler_set_config,
    profiler_set_state,
    resume,
    set_config,
    set_kvstore_handle,
    set_state,
)

__all__ = [
    "Counter",
    "Domain",
    "Event",
    "Frame",
    "Marker",
    "Task",
    "chrome_events",
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
    "trace",
    "write_chrome_trace",
]
