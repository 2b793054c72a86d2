"""Memory plan: which intermediate results of a graph share bytes, and where each lies in the arena.

A result needs bytes from the time its node runs until its last reader has run. An operator that only gives an array
another shape, or copies it, costs nothing: its result *is* its input. One that may compute in place does, where its
input dies there. What remains gets offsets in one arena for each device (:func:`assign_offsets`).
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from . import planner
from .ir import Graph, Node
from .planner import assign_offsets, lower_bound

__all__ = ["MemoryPlan", "assign_offsets", "lower_bound", "plan_memory"]

Entry = tuple[Node, int]


class MemoryPlan:
    """Where the intermediate results of a graph are kept. Made by :func:`plan_memory`.

    Attributes
    ----------
    assignment : planner.Assignment
        The plan in numbers, for programs.
    offsets : dict of entry to int
        Byte offset in the arena of its context, for every result that is kept there.
    shared : dict of entry to entry
        Results that take the bytes of another one: computed in place of it, views of it, or computed early in an array
        that is lent. Following it leads to an entry of its own, in the arena or external.
    skipped : set of Node
        Nodes that need not run: their results are views of their inputs.
    totals : dict of context to int
        Bytes of each arena; the context is None where the executor chooses it.
    total, lower_bound, no_reuse : int
        Bytes of all arenas; the most bytes alive at once; bytes if every result had its own.
    """

    def __init__(self, assignment: planner.Assignment) -> None:
        self.assignment = assignment
        self.no_reuse: int = assignment.no_reuse
        self.totals = {context: total for context, (total, _) in assignment.arenas.items()}
        self.total = sum(self.totals.values())
        self.lower_bound = sum(bound for _, bound in assignment.arenas.values())

    # Dictionaries of all entries are for people and tests: programs read the assignment's numbers.

    @cached_property
    def offsets(self) -> dict[Entry, int]:
        """Byte offset in the arena of its context, for every result that is kept there."""
        return self.assignment.offsets()

    @cached_property
    def shared(self) -> dict[Entry, Entry]:
        """Results that take the bytes of another one, and that one."""
        return self.assignment.shared()

    @cached_property
    def skipped(self) -> set[Node]:
        """Nodes that need not run."""
        return self.assignment.skipped_nodes()

    def __repr__(self) -> str:
        return f"<MemoryPlan {self.summary()}>"

    def summary(self) -> str:
        """Return one line with the numbers."""
        if not self.no_reuse:
            return "no intermediate results"
        ratio = self.total / self.lower_bound if self.lower_bound else 1.0
        return (
            f"{_bytes(self.total)}, {ratio:.3f} of the lower bound, "
            f"{self.total / self.no_reuse:.1%} of {_bytes(self.no_reuse)} without reuse"
        )

    def tensors(self) -> list[tuple[str, int, int, int, int]]:
        """Return ``(name, bytes, start, end, offset)`` of everything that has its own place in an arena."""
        return [
            (node.name if index == 0 else f"{node.name}[{index}]", size, start, end, offset)
            for rows in self.assignment.rows().values()
            for node, index, size, start, end, offset in rows
        ]

    def draw(self, path: str | Path, width: int = 1200, height: int = 600) -> None:
        """Write a picture of the arena as an SVG file: time from left to right, offsets upwards.

        Parameters
        ----------
        path : str or Path
            The file to write.
        width, height : int
            Size of the picture.
        """
        Path(path).write_text(_picture(self, width, height), encoding="utf-8")


def plan_memory(
    graph: Graph,
    external: Iterable[Entry] = (),
    times: Sequence[tuple[int, int]] | None = None,
    *,
    lent: Iterable[Entry] = (),
    inplace: bool = True,
) -> MemoryPlan:
    """Decide where the intermediate results of a graph are kept.

    Parameters
    ----------
    graph : Graph
        With shapes and dtypes inferred. Its nodes run in their order unless ``times`` says otherwise.
    external : iterable of (Node, int)
        Entries that have arrays of their own, such as heads and gradients. Variables and the results of cached nodes
        always have.
    times : sequence of (int, int), optional
        When each node may run, as half-open intervals; nodes whose intervals overlap may run at the same time.
    lent : iterable of (Node, int)
        Those of ``external`` whose arrays may be written before their node runs, because nobody else reads or writes
        them meanwhile: what the node may compute in place is then computed in its array.
    inplace : bool
        Whether results may take over the bytes of inputs: False keeps every result apart, for comparison.

    Returns
    -------
    MemoryPlan

    Raises
    ------
    MXNetError
        Where a node has no inferred shape.

    Examples
    --------
    >>> from weft.frontend.graph.ir import Graph, Node
    >>> from weft.ops import registry
    >>> from weft.ops.array import spec
    >>> x = Node(None, None, "x")
    >>> x.specs = (spec((4,), "float32"),)
    >>> node = x
    >>> for name in ("exp", "sin", "cos"):
    ...     op = registry.get(name)
    ...     node = Node(op, op.attrs(), name, [(node, 0)])
    ...     node.specs = x.specs
    >>> graph = Graph.from_entries([(node, 0)])
    >>> plan = plan_memory(graph, graph.outputs)
    >>> plan.total, plan.no_reuse
    (64, 32)
    """
    if not isinstance(graph, Graph):
        raise TypeError(f"graph must be a Graph, got {type(graph).__name__}")
    return MemoryPlan(planner.plan(graph, external, lent, times, inplace))


def _bytes(number: int) -> str:
    value = float(number)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} GiB"


_COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#9c755f")


def _picture(plan: MemoryPlan, width: int, height: int) -> str:
    """Return one panel for each arena, one rectangle for each tensor."""
    margin, title = 70, 40
    panels = []
    top = 0
    for context, rows in plan.assignment.rows().items():
        total = max(plan.totals[context], 1)
        last = max((row[4] for row in rows), default=1)
        across, up = (width - margin - 10) / max(last, 1), (height - title - 40) / total
        base = top + height - 40
        where = "" if context is None else f" on {context}"
        parts = [f'<text x="{margin}" y="{top + 24}" font-size="15">Arena{html.escape(where)}: {plan.summary()}</text>']
        # Small ones last, so that large ones do not hide their frames.
        for number, (node, index, size, start, end, offset) in enumerate(sorted(rows, key=lambda row: -row[2])):
            label = html.escape(f"{node.name}[{index}] {_bytes(size)}, times {start} to {end}, offset {offset}")
            parts.append(
                f'<rect x="{margin + start * across:.2f}" y="{base - (offset + size) * up:.2f}" '
                f'width="{max((end - start) * across, 0.5):.2f}" height="{max(size * up, 0.5):.2f}" '
                f'fill="{_COLOURS[number % len(_COLOURS)]}" fill-opacity="0.75" stroke="#222" stroke-width="0.3">'
                f"<title>{label}</title></rect>"
            )
        parts.append(f'<path d="M{margin},{top + title} V{base} H{width - 10}" fill="none" stroke="#222"/>')
        for part in range(5):
            y = base - part / 4 * total * up
            parts.append(f'<text x="{margin - 6}" y="{y + 4:.1f}" text-anchor="end">{_bytes(round(part / 4 * total))}</text>')
            parts.append(f'<text x="{margin + part / 4 * last * across:.1f}" y="{base + 16}">{round(part / 4 * last)}</text>')
        parts.append(f'<text x="{width - 10}" y="{base + 32}" text-anchor="end">time (position in the schedule)</text>')
        panels.extend(parts)
        top += height
    top = top or height
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top}" viewBox="0 0 {width} {top}" '
    return head + 'font-family="sans-serif" font-size="11">\n' + "\n".join(panels) + "\n</svg>\n"
