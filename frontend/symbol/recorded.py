"""What autograd recorded, as a symbol."""

from __future__ import annotations

from typing import Any

from ...ops.array import NDArray
from ...ops.errors import MXNetError
from ..graph.ir import Node
from .symbol import Symbol

__all__ = ["symbol_of_recorded"]


def _order(root: Any) -> list[Any]:
    """Return the tape nodes under one, inputs first, depth first."""
    order: list[Any] = []
    seen = set()
    stack = [(root, False)]
    while stack:
        node, finished = stack.pop()
        if finished:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(parent[0], False) for parent in reversed(node.parents or ()) if parent is not None and parent[0] not in seen]
    return order


class _Tape:
    """Symbols' nodes for tape nodes. Variables are called var0 ..., other arrays null0 ..., calls node_0 ..., as in MXNet."""

    def __init__(self, root: Any) -> None:
        self.made: dict[Any, Node] = {}
        self.others: dict[int, Node] = {}
        self.count = 0
        order = _order(root)
        calls = sorted((node for node in order if node.function is not None), key=lambda node: node.number)
        names = {node: f"node_{index}" for index, node in enumerate(calls)}
        for node in order:
            self.made[node] = self.call(node, names[node]) if node in names else self.variable(node)

    def leaf(self, kind: str) -> Node:
        self.count += 1
        return Node(None, None, f"{kind}{self.count - 1}")

    def variable(self, node: Any) -> Node:
        if node.cleared:
            raise MXNetError("get_symbol: part of the recorded computation was let go by backward(); use retain_graph=True")
        return self.leaf("var")

    def call(self, node: Any, name: str) -> Node:
        op = getattr(node.function, "op", None)
        if op is None or node.attrs is None:
            raise MXNetError(f"get_symbol: {type(node.function).__name__} is a function in Python, which a symbol cannot hold")
        attrs = node.attrs.with_(train=False) if op.uses_train else node.attrs
        arrays = node.inputs or [None] * len(node.parents)
        inputs = [
            (self.made[parent[0]], parent[1]) if parent is not None else (self.other(array), 0)
            for parent, array in zip(node.parents, arrays)
        ]
        return Node(op, attrs, name, inputs, op.format_attrs(attrs))

    def other(self, array: Any) -> Node:
        """Return the variable for an array that wants no gradient; the same one if it is known to be the same array."""
        if array is None:
            return self.leaf("null")
        found = self.others.get(id(array))
        if found is None:
            found = self.others[id(array)] = self.leaf("null")
        return found


def symbol_of_recorded(x: NDArray) -> Symbol:
    """Return the computation of an array as a symbol."""
    if not isinstance(x, NDArray):
        raise TypeError(f"get_symbol: x must be NDArray, got {type(x).__name__}")
    root = x._tape_node
    if root is None:
        raise MXNetError("get_symbol: the array is not part of a recorded computation; use autograd.record() and attach_grad()")
    return Symbol([(_Tape(root).made[root], x._tape_index)])
