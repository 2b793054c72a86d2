"""The passes that a graph goes through between being declared and being run, in one table.

A pass is a function from a graph to a graph. It returns its argument where there is nothing to do, and otherwise
works on a copy; it says what it did with :meth:`Graph.note`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

from . import environment
from .infer import why_unplanned
from .ir import Graph

__all__ = ["PASSES", "Pass", "optimize", "set_mode", "switched_off"]


class Pass(NamedTuple):
    """One row of the table.

    Attributes
    ----------
    name : str
        What it is switched off by.
    function : str
        ``"module:function"`` in this package; imported at the first use.
    when : str
        ``"both"``, ``"train"`` or ``"inference"``.
    """

    name: str
    function: str
    when: str

    def load(self) -> Callable[[Graph], Graph]:
        """Return the function.

        >>> Pass("mode", "pipeline:set_mode", "both").load() is set_mode
        True
        """
        module, _, name = self.function.partition(":")
        return getattr(importlib.import_module("." + module, __package__), name)


#: In the order in which they run, after inference, the training mode and the gradient.
PASSES: list[Pass] = [
    Pass("simplify", "simplify:simplify", "both"),
    Pass("pieces", "pieces:split_rows", "train"),
    Pass("recompute", "recompute:recompute", "train"),
    Pass("conv_bn", "conv_bn:fold_batch_norm", "inference"),
    Pass("postops", "postops:fuse_results", "inference"),
    Pass("layout", "layout:block_layouts", "both"),
    Pass("norm_relu", "norm_relu:fuse_norm_relu", "train"),
    Pass("fusion", "fusion:fuse_pointwise", "both"),
]


def switched_off(extra: Iterable[str] = ()) -> frozenset[str]:
    """Return the names of the passes that are not to run: ``extra`` and those of WEFT_GRAPH_PASSES.

    Raises
    ------
    ValueError
        Where there is no such pass.

    >>> sorted(switched_off([]))
    []
    """
    names = {*extra, *environment.read().get("passes", ())}
    if "none" in names:
        return frozenset(row.name for row in PASSES)
    unknown = names - {row.name for row in PASSES}
    if unknown:
        known = ", ".join(row.name for row in PASSES) or "none"
        raise ValueError(f"there is no graph pass {', '.join(sorted(unknown))}; the passes are {known}")
    return frozenset(names)


def set_mode(graph: Graph, train: bool) -> Graph:
    """Return the graph with operators in training or in inference mode.

    >>> graph = set_mode(Graph(), True)
    >>> graph.train
    True
    """
    modal = {op for op in graph.operators() if op.uses_train}
    if bool(graph.train) == train and not any(node.op in modal and node.attrs.train != train for node in graph.nodes if modal):
        return graph
    graph = graph.writable()
    graph.train = train
    changed: dict[tuple[object, int], tuple] = {}
    for node in graph.nodes if modal else ():
        if node.op in modal and node.attrs.train != train:
            key = (node.op, id(node.attrs))
            if key not in changed:
                # The old attributes stay in the value, so that their address stays theirs.
                changed[key] = (node.attrs, node.attrs.with_(train=train))
            node.attrs = changed[key][1]
    return graph


def optimize(graph: Graph, disabled: Iterable[str] = ()) -> Graph:
    """Run the passes of the table over a graph.

    Parameters
    ----------
    graph : Graph
        A graph with specs; it is not changed.
    disabled : iterable of str, optional
        Passes to leave out, beside those of the environment.

    Returns
    -------
    Graph
        ``graph`` itself where no pass found anything to do.

    >>> optimize(Graph()).nodes
    []
    """
    off = switched_off(disabled)
    if why_unplanned(graph):
        # Passes read shapes and dtypes, and count on elements; such a graph is run node by node.
        return graph
    mode = "train" if graph.train else "inference"
    for row in PASSES:
        if row.name not in off and row.when in ("both", mode):
            before, graph = graph, row.load()(graph)
            graph.disposable = graph.disposable or graph is not before
    return graph
