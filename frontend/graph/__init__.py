"""Declared graphs: their nodes, the passes over them, the memory plan, and the executor that runs them."""

from .builder import GraphBuilder, Value
from .interpret import interpret
from .ir import BACKWARD, FORWARD, Graph, Node
from .pipeline import PASSES, Pass, optimize, set_mode

__all__ = [
    "BACKWARD",
    "FORWARD",
    "PASSES",
    "Graph",
    "GraphBuilder",
    "Node",
    "Pass",
    "Value",
    "interpret",
    "optimize",
    "set_mode",
]
