"""Wide heads in pieces of rows: the gradient of the scores of many classes is made, used and dropped piece by piece.

A fully connected layer with many outputs at the end of a network has one large array in backward: the gradient of its
result, which its own backward reads at once. Where every operator that makes it works on each row by itself, so can all
of them together. Pieces of the data's gradient are put one behind the other, those of weight and bias are added up, in
order. The sums over rows are then sums of partial sums: they may differ in the last digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from . import environment
from .ir import BACKWARD, Graph, Node
from .recompute import peak
from .rewrite import Rewriter

__all__ = ["split_rows"]

Entry = tuple[Node, int]

NAME = "pieces"
#: Numbers of pieces that are tried.
COUNTS = (2, 4, 8, 16)
#: A head is looked at when its gradient takes this share of the planned memory.
LEAST_SHARE = 0.1


class Head(NamedTuple):
    """The backward node of a layer, and the nodes that make the gradient it reads, in order."""

    last: Node
    makers: list[Node]

    @property
    def nbytes(self) -> int:
        """Bytes of the gradient that is to be cut."""
        source, index = self.last.inputs[0]
        return int(source.specs[index].nbytes)


def split_rows(graph: Graph, mode: str | None = None, counts: Sequence[int] = COUNTS) -> Graph:
    """Return the graph with the gradients of wide layers computed in pieces of rows, where that saves memory.

    Parameters
    ----------
    graph : Graph
        A training graph, with specs.
    mode : str, optional
        Only ``"sublinear"`` does anything; by default what the environment says (``WEFT_RECOMPUTE``).
    counts : sequence of int
        Numbers of pieces to choose from: that which needs the least memory is taken.

    Returns
    -------
    Graph
        The same object where nothing is saved.

    Examples
    --------
    >>> split_rows(Graph(), "sublinear").nodes
    []
    """
    if mode is None:
        mode = environment.read().get("recompute", "")
    if mode != "sublinear" or not graph.gradients:
        return graph
    before = least = peak(graph)
    done: list[str] = []
    for _ in range(len(graph.nodes)):
        found = [head for head in _heads(graph) if head.nbytes >= LEAST_SHARE * least and head.last.name not in done]
        if not found:
            break
        head = max(found, key=lambda item: item.nbytes)
        done.append(head.last.name)
        tried = [_rewrite(graph, head, count) for count in counts if count <= _rows(head)]
        sizes = [peak(changed) for changed in tried]
        if sizes and min(sizes) < least:
            # The next one is sought in the new graph: what is the largest now?
            place = sizes.index(min(sizes))
            graph, least = tried[place], sizes[place]
            graph.note(NAME, f"{head.last.name}: {counts[place]} pieces of {_rows(head)} rows, {before} to {least} bytes planned")
            before = least
    return graph


def _rows(head: Head) -> int:
    source, index = head.last.inputs[0]
    return int(source.specs[index].shape[0])


# ---- which nodes work row by row -----------------------------------------------------------------------------------------


def _heads(graph: Graph) -> list[Head]:
    users = graph.consumers()
    outputs = set(graph.outputs)
    found = []
    for last in graph.nodes:
        if last.op is None or last.op.name != "_backward_FullyConnected" or last.part != BACKWARD or last.controls:
            continue
        rows = last.inputs[0][0].specs[last.inputs[0][1]].shape[0]
        makers: list[Node] = []
        wanted = {last.inputs[0][0]}
        for node in reversed(graph.nodes[: last.id]):  # whoever reads a node stands behind it
            if node not in wanted or any(head is node for head, _ in outputs) or not _by_rows(node, rows):
                continue
            if all(user in makers or (user is last and place == 0) for user, place in users[node.id]):
                makers.append(node)
                wanted.update(source for source, _ in node.inputs)
        if last.inputs[0][0] in makers:
            found.append(Head(last, makers[::-1]))
    return found


def _by_rows(node: Node, rows: int) -> bool:
    """Whether each row of a node's only result comes from the same row of its inputs, or from inputs as a whole."""
    op = node.op
    if op is None or node.part != BACKWARD or node.controls or node.subgraphs or node.cached or op.mutates or op.random:
        return False
    if len(node.specs) != 1 or len(node.specs[0].shape) < 2 or node.specs[0].shape[0] != rows:
        return False
    shapes = [source.specs[index].shape for source, index in node.inputs]
    rule = _RULES.get(op.name)
    if rule is not None:
        return all(shape[:1] == (rows,) for shape in shapes) and rule(node)
    if not op.cpu or not hasattr(op.cpu[0], "describe"):
        return False
    return all(_is_cut(node, shape) or len(shape) < len(node.specs[0].shape) or shape[0] == 1 for shape in shapes)


def _is_cut(node: Node, shape: tuple[int, ...]) -> bool:
    """Whether an input of this shape has the result's rows; those of element-wise operators may be broadcast instead."""
    out = node.specs[0].shape
    return bool(shape) and shape[0] == out[0] and (len(shape) == len(out) or node.op.name in _RULES)


def _along_last(node: Node) -> bool:
    axis, ndim = node.attrs.axis, len(node.specs[0].shape)
    return axis is not None and axis % ndim == ndim - 1


_RULES = {
    # What a sample's gradient is divided by must not depend on the labels of the others.
    "_backward_SoftmaxOutput": lambda node: len(node.specs[0].shape) == 2
    and not node.attrs.multi_output
    and node.attrs.normalization != "valid",
    "_backward_softmax": _along_last,
    "_backward_log_softmax": _along_last,
    "_backward_softmin": _along_last,
    "_backward_pick": _along_last,
}


def _attrs_of_piece(node: Node) -> dict[str, Any]:
    values = dict(node.attrs.to_dict())
    if node.op.name == "_backward_SoftmaxOutput" and values["normalization"] == "batch":
        label, out = (source.specs[index].shape for source, index in (node.inputs[2], node.inputs[1]))
        values["normalization"] = "null"
        if label != out:  # of probabilities as labels the gradient is not divided
            values["grad_scale"] /= label[0]
    return values


# ---- rewriting -----------------------------------------------------------------------------------------------------------


def _rewrite(graph: Graph, head: Head, count: int) -> Graph:
    rewriter = Rewriter(graph)
    makers = set(head.makers)
    for node in graph.nodes:
        if node is head.last:
            _in_pieces(rewriter, head, count)
        elif node not in makers:
            rewriter.keep(node)
    return rewriter.finish()


def _in_pieces(rewriter: Rewriter, head: Head, count: int) -> None:
    last, rows = head.last, _rows(head)
    bounds = [rows * k // count for k in range(count + 1)]
    attrs = last.attrs.to_dict()
    outputs = len(last.specs)
    by_rows = [bool(attrs["wanted"] & 1)] + [False] * (outputs - 1)  # the data's gradient comes first
    collected: list[list[Entry]] = [[] for _ in range(outputs)]
    before: Node | None = None
    for begin, end in zip(bounds, bounds[1:]):
        cut = _Cutter(rewriter, last, begin, end, before)
        made: dict[Entry, Entry] = {}
        for node in head.makers:
            shapes = [source.specs[index].shape for source, index in node.inputs]
            inputs = [made.get(entry) or cut(entry, _is_cut(node, shape)) for entry, shape in zip(node.inputs, shapes)]
            made[node, 0] = (rewriter.call(node.op.name, inputs, _attrs_of_piece(node), node, f"{node.name}_rows{begin}"), 0)
        grad, data, weight = last.inputs
        inputs = [made[grad], cut(data, True), rewriter.entry(weight)]
        piece = rewriter.call(last.op.name, inputs, attrs, last, f"{last.name}_rows{begin}")
        before = piece
        for index in range(outputs):
            if by_rows[index] or not collected[index]:
                collected[index].append((piece, index))
            else:
                before = rewriter.call("elemwise_add", [collected[index][0], (piece, index)], {}, last)
                collected[index] = [(before, 0)]
    for index, entries in enumerate(collected):
        if len(entries) > 1:
            entries = [(rewriter.call("Concat", entries, {"num_args": len(entries), "dim": 0}, last), 0)]
        rewriter.put(last, index, entries[0])


class _Cutter:
    """Rows of entries of the source graph, each cut once, not before the piece ahead is done with."""

    def __init__(self, rewriter: Rewriter, like: Node, begin: int, end: int, before: Node | None) -> None:
        self.rewriter = rewriter
        self.like = like
        self.bounds = (begin, end)
        self.before = before
        self.cut: dict[Entry, Entry] = {}

    def __call__(self, entry: Entry, is_cut: bool) -> Entry:
        if not is_cut:
            return self.rewriter.entry(entry)
        found = self.cut.get(entry)
        if found is None:
            begin, end = self.bounds
            made = self.rewriter.call("slice_axis", [self.rewriter.entry(entry)], {"axis": 0, "begin": begin, "end": end}, self.like)
            # Else a scheduler could run all pieces at once, and all of them would be kept.
            made.controls = None if self.before is None else [self.before]
            found = self.cut[entry] = (made, 0)
        return found
