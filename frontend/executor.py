"""``mx.executor``: graphs bound to arrays."""

from .graph.executor import Executor

__all__ = ["Executor"]
