"""Profiler: what the engine did, as a Chrome trace."""

from .chrome import chrome_events, trace, write_chrome_trace

__all__ = ["chrome_events", "trace", "write_chrome_trace"]
