"""Point-wise fusion: connected element-wise operators of one shape become one ``_fused`` node, one pass over memory.

Which nodes may go together without making a cycle is settled by one number a node: how many edges that cannot be fused
lie on the longest path to it. Fusible nodes that are connected and have the same number have no path through anything
else between them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any

from ...ops import registry
from ...ops.cpu.elementwise import describe_loop
from ...ops.fused import format_expression
from .ir import Graph, Node

__all__ = ["fuse_pointwise"]

MOST_STEPS = 48  # of one fused operator: buffers and pointers stay few

Entry = tuple[Node, int]


def fuse_pointwise(graph: Graph) -> Graph:
    """Return the graph with chains and small graphs of element-wise operators joined.

    The results are those of the operators one by one, to the bit. What others read of a group, the backward part for
    example, is a result of its own.

    >>> fuse_pointwise(Graph()).nodes
    []
    """
    groups = _groups(graph)
    if not groups:
        return graph
    graph = graph.copy()
    joined = sum(len(group) for group in groups)
    _replace(graph, [[graph.nodes[index] for index in group] for group in groups])
    graph.note("fusion", f"joined {joined} element-wise operators into {len(groups)}")
    return graph


# ---- which nodes go together -------------------------------------------------------------------------------------------


class _Loops:
    """Whether operators are one element-wise loop; answers are kept, since graphs repeat themselves."""

    def __init__(self) -> None:
        self.known: dict[Any, bool] = {}
        self.candidates: dict[Any, bool] = {None: False}

    def fusible(self, node: Node) -> bool:
        op = node.op
        candidate = self.candidates.get(op)
        if candidate is None:
            candidate = self.candidates[op] = bool(op.cpu) and hasattr(op.cpu[0], "describe") and not op.mutates
        if not candidate or node.subgraphs or not node.inputs or node.specs is None or len(node.specs) != 1:
            return False
        if node.specs[0] is None or not node.specs[0].size or any(source.specs is None for source, _ in node.inputs):
            return False
        ins = tuple(source.specs[index] for source, index in node.inputs)
        if None in ins:
            return False
        key = (op, node.attrs.cache_key, ins, node.specs[0])
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = self._is_loop(op, node.attrs, ins, node.specs)
        return found

    @staticmethod
    def _is_loop(op: Any, attrs: Any, ins: tuple, outs: tuple) -> bool:
        return describe_loop(op, attrs, list(ins), list(outs)) is not None


def _mutated(graph: Graph) -> set[Entry]:
    found: set[Entry] = set()
    for node in graph.nodes:
        if node.op is not None and node.op.mutates:
            found.update(node.inputs[index] for index in node.op.mutated_inputs(node.attrs))
    return found


def _groups(graph: Graph) -> list[list[int]]:
    """Return the groups as lists of node numbers in order, each of two nodes at least."""
    loops, mutated = _Loops(), _mutated(graph)
    # What may be in one group with what: None for nodes that are not fused.
    kinds: list[Any] = []
    for node in graph.nodes:
        fusible = loops.fusible(node) and not node.controls and mutated.isdisjoint(node.inputs)
        kinds.append((node.specs[0].shape, node.part, node.context, node.cached) if fusible else None)
    barrier = [0] * len(graph.nodes)
    parent = list(range(len(graph.nodes)))

    def find(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for node in graph.nodes:
        kind = kinds[node.id]
        before = [source.id for source, _ in node.inputs]
        before += [source.id for source in node.controls or ()]
        for source in before:
            fuses = kind is not None and kinds[source] == kind
            barrier[node.id] = max(barrier[node.id], barrier[source] + (not fuses))
    for node in graph.nodes:
        if kinds[node.id] is None:
            continue
        for source, _ in node.inputs:
            if kinds[source.id] == kinds[node.id] and barrier[source.id] == barrier[node.id]:
                parent[find(node.id)] = find(source.id)
    members: dict[int, list[int]] = {}
    for node in graph.nodes:
        if kinds[node.id] is not None:
            members.setdefault(find(node.id), []).append(node.id)
    parts = [group[start : start + MOST_STEPS] for group in members.values() for start in range(0, len(group), MOST_STEPS)]
    return [part for part in parts if len(part) > 1]


# ---- the fused nodes ---------------------------------------------------------------------------------------------------


def _replace(graph: Graph, groups: list[list[Node]]) -> None:
    """Put one node in the place of each group, and all nodes into an order again."""
    inside = {node: number for number, group in enumerate(groups) for node in group}
    read_outside = set(graph.outputs)
    for node in graph.nodes:
        for entry in node.inputs:
            if entry[0] in inside and inside.get(node) != inside[entry[0]]:
                read_outside.add(entry)
    moved: dict[Entry, Entry] = {}
    known: dict[Any, Any] = {}
    made: dict[Node, Node] = {}  # the last member of a group -> the fused node
    for group in groups:
        fused = _fuse(group, read_outside, moved, known)
        made[group[-1]] = fused
    nodes = []
    for node in graph.nodes:
        if node in made:
            nodes.append(made[node])
        elif node not in inside:
            nodes.append(node)
    owners = {member: made[group[-1]] for group in groups for member in group} if any(node.controls for node in nodes) else {}
    for node in nodes:
        node.inputs = [moved.get(entry, entry) for entry in node.inputs]
        if node.controls:
            node.controls = list(dict.fromkeys(owners.get(source, source) for source in node.controls))
    graph.outputs = [moved.get(entry, entry) for entry in graph.outputs]
    graph.nodes = _ordered(nodes)
    graph.number()


def _fuse(group: list[Node], read_outside: set[Entry], moved: dict[Entry, Entry], known: dict[Any, Any]) -> Node:
    members = {node: number for number, node in enumerate(group)}
    inputs: dict[Entry, int] = {}
    for node in group:
        for entry in node.inputs:
            if entry[0] not in members:
                inputs.setdefault(entry, len(inputs))
    steps: list[tuple[Any, Any, list[int]]] = []
    numbers: list[float] = []
    for node in group:
        operands = [len(inputs) + members[source] if source in members else inputs[source, index] for source, index in node.inputs]
        steps.append((node.op, node.attrs, operands))
        numbers.extend(node.attrs.scalars)
    results = [node for node in group if (node, 0) in read_outside]
    outputs = [len(inputs) + members[node] for node in results]
    specs = tuple(node.specs[0] for node in results)
    # In place only element for element: a repeated input could have as many bytes by chance.
    pairs = [
        (number, position)
        for position, spec in enumerate(specs)
        for (source, index), number in inputs.items()
        if source.specs[index].shape == spec.shape and source.specs[index].itemsize == spec.itemsize
    ]
    attrs = _attributes(steps, outputs, pairs, tuple(numbers), len(inputs), known)
    fused = Node(registry.get("_fused"), attrs, f"fused_{group[0].name}_{group[-1].name}", inputs)
    fused.specs = specs
    last = group[-1]
    fused.context, fused.part, fused.cached = last.context, last.part, last.cached
    for position, node in enumerate(results):
        moved[node, 0] = (fused, position)
    return fused


def _attributes(steps: list, outputs: list, pairs: list, numbers: tuple, count: int, known: dict[Any, Any]) -> Any:
    """Return the parameters of a fused node; those of equal groups are made once."""
    key = (*[(op, attrs.cache_key, *operands) for op, attrs, operands in steps], tuple(outputs), tuple(pairs), count)
    found: Any = known.get(key)
    if found is None:
        texts = []
        for op, attrs, operands in steps:
            values = {name: text for name, text in op.format_attrs(attrs).items() if name not in op.dynamic_params}
            texts.append([op.name, values, operands])
        expression = format_expression(texts, outputs, pairs)
        found = known[key] = registry.get("_fused").attrs(expression=expression, numbers=numbers, num_args=count)
    return found if found.numbers == numbers else found.with_(numbers=numbers)


def _ordered(nodes: list[Node]) -> list[Node]:
    """Return the nodes with inputs first, otherwise in the given order; users of what is written twice keep theirs."""
    place = {node: index for index, node in enumerate(nodes)}
    if all(place[source] < index for node, index in place.items() for source, _ in node.inputs) and not any(
        place[source] > place[node] for node in nodes if node.controls for source in node.controls
    ):
        return nodes
    before: list[set[int]] = [set() for _ in nodes]
    for node, index in place.items():
        before[index].update(place[source] for source, _ in node.inputs)
        before[index].update(place[source] for source in node.controls or ())
    for users in _users_of_mutated(nodes, place).values():
        for earlier, later in zip(users, users[1:]):
            before[later].add(earlier)
    after: list[list[int]] = [[] for _ in nodes]
    for index, sources in enumerate(before):
        for source in sources:
            after[source].append(index)
    waiting = [len(sources) for sources in before]
    ready = [index for index, count in enumerate(waiting) if not count]
    heapq.heapify(ready)
    result = []
    while ready:
        index = heapq.heappop(ready)
        result.append(nodes[index])
        for user in after[index]:
            waiting[user] -= 1
            if not waiting[user]:
                heapq.heappush(ready, user)
    return result


def _users_of_mutated(nodes: Iterable[Node], place: dict[Node, int]) -> dict[Entry, list[int]]:
    mutated: set[Entry] = set()
    for node in nodes:
        if node.op is not None and node.op.mutates:
            mutated.update(node.inputs[index] for index in node.op.mutated_inputs(node.attrs))
    users: dict[Entry, list[int]] = {entry: [] for entry in mutated}
    for node in nodes:
        for entry in dict.fromkeys(node.inputs):
            if entry in users:
                users[entry].append(place[node])
    return users
