"""Recomputation: forward results that backward needs are computed again there, instead of being kept.

Two ways to choose what is not kept. *Mirror* (``MXNET_BACKWARD_DO_MIRROR=1``, or the annotation ``__force_mirroring__``)
drops what follows cheaply from what is kept anyway: activations, normalizations, pooling. *Sublinear* cuts the forward
part into segments, keeps what crosses their borders, and computes a segment again, as a whole, when backward reaches
it; it tries several lengths, estimates memory and time of each, and takes the one that needs the least memory
within a bound on time. Random operators are never computed again: their results are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import environment
from .ir import BACKWARD, FORWARD, Graph, Node
from .memory import plan_memory

Entry = tuple[Node, int]

#: Operators that mirroring computes again only when an annotation says so.
EXPENSIVE = frozenset({
    "Convolution", "Deconvolution", "FullyConnected", "dot", "batch_dot", "RNN", "Concat", "SoftmaxOutput", "Embedding", "_linalg_gemm",
    "_linalg_gemm2", "CTCLoss", "sort", "topk", "Correlation",
})  # fmt: skip

#: How much longer than without it a step may be estimated to take with sublinear memory.
MOST_TIME = 0.3


def recompute(graph: Graph, mode: str | None = None, most_time: float = MOST_TIME) -> Graph:
    """Return the graph with part of its forward results computed again in the backward part.

    Parameters
    ----------
    graph : Graph
        A training graph: with specs, and with gradients as outputs.
    mode : str, optional
        "mirror", "sublinear", or "" for only what ``__force_mirroring__`` asks for. By default what the environment
        says (``WEFT_RECOMPUTE``, ``MXNET_BACKWARD_DO_MIRROR``).
    most_time : float
        Bound on the additional time of "sublinear", as a share of the whole step.

    Returns
    -------
    Graph
        The same object when there is nothing to compute again.
    """
    if mode is None:
        mode = environment.read().get("recompute", "")
    elif mode not in ("", "mirror", "sublinear"):
        raise ValueError(f"mode={mode!r}: expected 'mirror', 'sublinear' or ''")
    forced = any(node.annotation("__force_mirroring__") in ("True", "true", "1") for node in graph.annotated("__force_mirroring__"))
    if not graph.gradients or not (mode or forced):
        return graph
    view = _View(graph)
    plans = [_mirror(view, bool(mode))]
    if mode == "sublinear":
        plans += _sublinear(view, most_time)
    before = peak(graph)
    best: list[Node] = []
    result, after = graph, before
    for dropped in plans:
        changed = _rewrite(graph, dropped) if dropped else graph
        if not _reads_in_time(changed):
            continue
        size = peak(changed)
        if size < after or (size == after and len(dropped) < len(best)):
            best, result, after = dropped, changed, size
    if not best:
        return graph
    extra, total = sum(view.costs[node.id] for node in best), sum(view.costs)
    result.note(
        "recompute",
        f"{len(best)} results are computed again instead of kept: {after} bytes planned instead of {before}, "
        f"for an estimated {100 * extra / total:.0f} % more time",
    )
    return result


class _View:
    """What the choice is made from: who reads what in backward, what may be dropped, what it costs."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.forward = [node for node in graph.nodes if node.part == FORWARD and node.op is not None]
        self.read: set[Entry] = {entry for node in graph.nodes if node.part == BACKWARD for entry in node.inputs}
        self.heads: set[Entry] = set(graph.outputs)
        self.allowed = [_may_repeat(node) for node in graph.nodes]
        self.costs = [_cost(node) for node in graph.nodes]

    def kept_bytes(self, node: Node) -> int:
        """Return the bytes of a node's results that wait for backward."""
        return sum(spec.nbytes for i, spec in enumerate(node.specs) if (node, i) in self.read)


def _may_repeat(node: Node) -> bool:
    op = node.op
    if op is None or op.random or op.mutates or node.controls or node.subgraphs or node.cached:
        return False
    return not op.opaque


def _cost(node: Node) -> float:
    """Return the estimated nanoseconds of a node; only the relation between nodes matters."""
    op = node.op
    if op is None:
        return 0.0
    ins, outs = [source.specs[i].shape for source, i in node.inputs], [spec.shape for spec in node.specs]
    if callable(op.cost):
        return float(op.cost(node.attrs, ins, outs))
    if op.cost is not None:
        return float(op.cost)
    return 500 + 0.1 * sum(spec.nbytes for spec in node.specs)


# ---- choosing ----------------------------------------------------------------------------------------------------------


def _mirror(view: _View, everything: bool) -> list[Node]:
    """Return nodes that can be computed again from what backward finds anyway."""
    found: set[Entry] = set()  # entries that backward can have without keeping more
    dropped = []
    for node in view.forward:
        asked = (node.annotations or {}).get("__force_mirroring__")
        forced = asked in ("True", "true", "1")
        cheap = everything and node.op.name not in EXPENSIVE and asked not in ("False", "false", "0")
        if (cheap or forced) and view.allowed[node.id]:
            if forced or all(source.op is None or (source, i) in found for source, i in node.inputs):
                dropped.append(node)
                found.update((node, i) for i in range(len(node.specs)))
                continue
        found.update((node, i) for i in range(len(node.specs)) if (node, i) in view.read or (node, i) in view.heads)
    return dropped


def _sublinear(view: _View, most_time: float) -> list[list[Node]]:
    """Return sets of nodes to drop, one for each of several sizes of segments."""
    total = sum(view.kept_bytes(node) for node in view.forward)
    budget = most_time * sum(view.costs)
    count = len(view.forward)
    plans = []
    for parts in sorted({round(x) for x in (2, 3, 4, 6, 8, 12, 16, 32, 64) if x <= count}):
        segments = _segments(view, total / parts)
        plans.append(_within(view, segments[:-1], budget))
        plans.append(plans[-1] + _outside(view, segments[:-1]))
    return plans


def _segments(view: _View, most: float) -> list[list[Node]]:
    """Cut the forward part where few bytes cross, so that no segment keeps many more than ``most`` bytes."""
    last = {}
    for node in view.forward:
        for entry in node.inputs:
            last[entry] = node.id
    crossing = 0
    ends: dict[int, int] = {}
    segments: list[list[Node]] = [[]]
    held, cheapest, place = 0, None, 0
    for node in view.forward:
        for i, spec in enumerate(node.specs):
            end = last.get((node, i))
            if end is not None:
                crossing += spec.nbytes
                ends[end] = ends.get(end, 0) + spec.nbytes
        crossing -= ends.pop(node.id, 0)
        segments[-1].append(node)
        held += view.kept_bytes(node)
        # The best place so far in the second half of what a segment may hold.
        if held > most / 2 and (cheapest is None or crossing <= cheapest):
            cheapest, place = crossing, len(segments[-1])
        if held > most:
            full = segments.pop()
            segments += [full[:place], full[place:]]
            held, cheapest = sum(view.kept_bytes(other) for other in full[place:]), None
    return [segment for segment in segments if segment]


def _within(view: _View, segments: Sequence[Sequence[Node]], budget: float) -> list[Node]:
    """Return what is dropped inside segments: those that free most for their time first, while time lasts."""
    number = {node.id: k for k, segment in enumerate(segments) for node in segment}
    borders = {entry for node in view.forward for entry in node.inputs if number.get(entry[0].id) != number.get(node.id)} | view.heads
    choices = []
    for segment in segments:
        dropped = [node for node in segment if view.allowed[node.id] and not any((node, i) in borders for i in range(len(node.specs)))]
        dropped = _useful(view, dropped)
        if dropped:
            cost = sum(view.costs[node.id] for node in dropped)
            choices.append((sum(view.kept_bytes(node) for node in dropped) / max(cost, 1.0), cost, dropped))
    result: list[Node] = []
    for _, cost, dropped in sorted(choices, key=lambda item: -item[0]):
        if cost <= budget:
            budget -= cost
            result += dropped
    return sorted(result, key=lambda node: node.id)


def _outside(view: _View, segments: Sequence[Sequence[Node]]) -> list[Node]:
    """Return what mirroring drops outside of segments."""
    inside = {node.id for segment in segments for node in segment}
    return [node for node in _mirror(view, True) if node.id not in inside]


def _useful(view: _View, dropped: list[Node]) -> list[Node]:
    """Leave out nodes that nothing in backward would be computed from."""
    needed: set[Node] = set()
    result = []
    for node in reversed(dropped):
        if node in needed or any((node, i) in view.read for i in range(len(node.specs))):
            result.append(node)
            needed.update(source for source, _ in node.inputs)
    return result[::-1]


# ---- rewriting ---------------------------------------------------------------------------------------------------------


def _rewrite(graph: Graph, dropped: Iterable[Node]) -> Graph:
    """Return a copy in which backward reads copies of the dropped nodes, placed before their first use there."""
    result = graph.copy()
    again = {result.nodes[node.id] for node in dropped}
    copies: dict[Node, Node] = {}
    names = {node.name for node in result.nodes}
    order: list[Node] = []
    heads = set(result.outputs)

    def copy_of(wanted: Node, after: Node | None) -> Node:
        # Its inputs first, without recursion: segments can be long.
        stack = [wanted]
        while stack:
            node = stack[-1]
            if node in copies:
                stack.pop()
                continue
            missing = [source for source, _ in node.inputs if source in again and source not in copies]
            if missing:
                stack += missing
                continue
            stack.pop()
            made = node.copy()
            made.name = _unique(f"{node.name}_again", names)
            made.part = BACKWARD
            made.inputs = [(copies.get(source, source), i) for source, i in node.inputs]
            if after is not None and not any(source in again for source, _ in node.inputs):
                # Nothing but this keeps a scheduler from running it at once, and its result from being kept.
                made.controls = [after]
            copies[node] = made
            order.append(made)
        return copies[wanted]

    for node in result.nodes:
        if node.part == BACKWARD and node.op is not None and any(source in again for source, _ in node.inputs):
            after = next((source for source, _ in node.inputs if source.part == BACKWARD and source.op is not None), None)
            node.inputs = [
                (copy_of(source, after), i) if source in again and (source, i) not in heads else (source, i) for source, i in node.inputs
            ]
        order.append(node)
    result.nodes = order
    result.number()
    return result


def _reads_in_time(graph: Graph) -> bool:
    """Whether no repeated node reads what a node before it has written in place, such as moving statistics."""
    written: set[Entry] = set()
    for node in graph.nodes:
        if node.op is not None:
            if node.name.endswith("_again") and any(entry in written for entry in node.inputs):
                return False
            written.update(node.inputs[i] for i in node.op.mutated_inputs(node.attrs))
    return True


def _unique(name: str, names: set[str]) -> str:
    while name in names:
        name += "_"
    names.add(name)
    return name


def peak(graph: Graph) -> int:
    """Return the bytes that the memory plan needs when the nodes run in order."""
    # As executors plan it: what becomes a head may be computed in the head's array.
    return plan_memory(graph, graph.outputs, lent=graph.outputs[: graph.n_heads]).total
