"""From entries to something that runs: all passes, the memory plan, and the program, for given shapes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from copy import copy
from typing import Any

from ...engine._engine import on_cores_changed
from . import environment
from .collector import paused
from .gradient import add_gradient
from .infer import has_unknown, infer
from .ir import Graph
from .memory import MemoryPlan, plan_memory
from .outputs import separate_outputs
from .pipeline import PASSES, optimize, set_mode, switched_off
from .placement import place
from .program import Program, by_phase, compile_graph, plan_spread, plans_of, why_interpreted
from .structure import structure_of

__all__ = ["Compiled", "Plans", "build", "plans"]


class Compiled:
    """A graph after all passes, and the program that runs it.

    Attributes
    ----------
    graph : Graph
        The graph after all passes.
    heads : list of int or str
        For each head its place among the graph's outputs, or the name of the variable that it is.
    gradients : dict of str to int
        Places of the gradients among the graph's outputs.
    added : dict of int to str
        Gradients that are added to what their array holds: place, and the name of the variable for the old value.
    head_grads : list of str
        Variables that bring in the gradients of heads.
    program : Program or None
        None where the graph is interpreted, for the reason in ``interpreted``.
    taped : bool
        There is no gradient graph, because shapes are known only when the graph runs: gradients come from the tape.
    memory : MemoryPlan or None
        Where intermediate results lie.
    """

    def __init__(self, graph: Graph, heads: list[int | str], added: dict[int, str]) -> None:
        self.graph = graph
        self.heads = heads
        self.added = added
        self.gradients = dict(zip(graph.gradients, range(len(graph.outputs) - len(graph.gradients), len(graph.outputs))))
        self.head_grads = [node.name for node in graph.head_grads]
        self.program: Program | None = None
        self.memory: MemoryPlan | None = None
        self.interpreted = ""
        self.taped = False
        self.plans: list[Any] = []  # kernels of the nodes
        self.wide: list[bool] | None = None  # steps that had better have all cores, where the others are spread over them

    def instance(self) -> Compiled:
        """Return the same with a program of its own: programs know where the run between two halves left its results."""
        made = copy(self)
        if self.memory is not None:
            made.program = compile_graph(self.graph, self.plans, self.memory, self.added)
            if self.wide is not None:
                made.program.set_spread(True, self.wide)
        return made


class Plans:
    """Graphs that went through all passes, for those who bind equal ones again; the ones asked for last are kept.

    Parameters
    ----------
    most_nodes : int
        Nodes of all graphs that are kept. A graph that alone has more never is.

    Examples
    --------
    >>> kept = Plans(most_nodes=2)
    >>> for name in "abc":
    ...     kept.put(name, Compiled(Graph(), [], {}), 1, None)
    >>> kept.get("a") is None, kept.get("c") is None, len(kept)
    (True, False, 2)
    """

    def __init__(self, most_nodes: int) -> None:
        self.most_nodes = most_nodes
        self._found: OrderedDict[Hashable, tuple[Compiled, int, Any]] = OrderedDict()
        self._nodes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._found)

    def get(self, key: Hashable) -> Compiled | None:
        """Return what is kept under a key."""
        with self._lock:
            found = self._found.get(key)
            if found is None:
                return None
            self._found.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, compiled: Compiled, nodes: int, kept: Any) -> None:
        """Keep a graph of so many nodes; ``kept`` are objects whose addresses are part of the key."""
        with self._lock:
            if nodes > self.most_nodes or key in self._found:
                return
            self._nodes += nodes
            self._found[key] = (compiled, nodes, kept)
            while self._nodes > self.most_nodes:
                _, (_, fewer, _) = self._found.popitem(last=False)
                self._nodes -= fewer

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._found.clear()
            self._nodes = 0


#: ResNet-50 has about 500 nodes when it is trained; a node is about a kilobyte.
plans = Plans(most_nodes=20_000)
on_cores_changed(plans.clear)  # kernels divide their work by the number of cores


def build(
    graph: Graph,
    *,
    train: bool,
    wrt: Sequence[str] = (),
    add: Iterable[str] = (),
    context: Any = None,
    groups: dict[str, Any] | None = None,
    optimized: bool = True,
) -> Compiled:
    """Run all passes over a graph and compile it.

    Parameters
    ----------
    graph : Graph
        What to compute, with specs, in inference mode.
    train : bool
        Whether operators run in training mode.
    wrt, add : sequence of str
        Variables whose gradients are wanted; those of them whose gradient is added to its array.
    context, groups : Context, dict of str to Context
        Where nodes run, and those of the groups that ``AttrScope(ctx_group=...)`` made.
    optimized : bool
        False leaves the graph as it was declared and compiles nothing: for monitors.
    """
    with paused():
        found = structure_of(graph) if optimized and len(graph.nodes) <= plans.most_nodes else None
        key = None
        if found is not None:
            where = (context, tuple((groups or {}).items()))
            switches = (tuple(PASSES), switched_off(), tuple(sorted(environment.read().items())))
            key = (found[0], train, tuple(wrt), frozenset(add), where, switches)
        made = None if key is None else plans.get(key)
        if made is None:
            made = passed(graph, train, wrt, add, context, groups or {}, optimized)
            if key is not None and not made.interpreted:
                plans.put(key, made, len(graph.nodes) + len(made.graph.nodes), found)
        return made.instance()


def passed(
    graph: Graph, train: bool, wrt: Sequence[str], add: Iterable[str], context: Any, groups: dict[str, Any], optimized: bool
) -> Compiled:
    """Run all passes over a graph, and plan where and by which kernels it runs; arguments as of :func:`build`."""
    moded = set_mode(graph, train)
    moded.disposable = moded is not graph
    if moded.disposable and any(op.uses_train for op in graph.operators()):
        # Hidden results depend on the mode.
        variables = [node for node in graph.nodes if node.op is None]
        shapes = {node.name: node.specs[0].shape for node in variables}
        dtypes = {node.name: node.specs[0].dtype for node in variables}
        moded = infer(moded, shapes, dtypes, partial=True, exact=True)
        moded.disposable = True
    graph = moded
    taped = bool(wrt) and has_unknown(graph)
    if taped:
        add = ()
    elif wrt:
        graph = add_gradient(graph, list(wrt))
        graph.disposable = True
    if optimized:
        graph = optimize(graph)
    graph = place(graph, context, groups)
    graph, heads, added = separate_outputs(graph, set(add))
    made = Compiled(by_phase(graph), heads, added)
    made.graph.disposable = False
    made.taped = taped
    made.interpreted = why_interpreted(made.graph, context) if optimized else "a monitor looks at every node"
    if not made.interpreted:
        plan_in(made)
    return made


def plan_in(made: Compiled) -> None:
    """Choose the kernels of a graph, their order, and where its results lie."""
    graph = made.graph
    made.plans = plans_of(graph)
    spread = plan_spread(graph, made.plans)
    if spread is not None:
        made.graph = graph = spread.graph
        made.plans = spread.plans
        graph.note("schedule", spread.summary)
    # Results may lie in the arrays of heads before those are computed. Not in those of gradients: between forward and
    # backward users still see the old values there, and may write to them.
    times = None if spread is None else spread.times
    made.memory = plan_memory(graph, graph.outputs, times, lent=graph.outputs[: graph.n_heads])
    graph.note("memory", made.memory.summary())
    if spread is not None:
        made.wide = spread.wide_steps(made.memory.assignment.is_skipped())
