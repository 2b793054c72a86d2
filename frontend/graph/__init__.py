"""Declared graphs: their nodes, the passes over them, the memory plan, and the executor that runs them."""

from .builder import GraphBuilder, Value
from .ir import BACKWARD, FORWARD, Graph, Node

__all__ = ["BACKWARD", "FORWARD", "Graph", "GraphBuilder", "Node", "Value"]
