"""Profiler: sessions, traces, statistics."""
