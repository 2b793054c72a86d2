"""From entries to something that runs: all passes, the memory plan, and the program, for given shapes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .collector import paused
from .gradient import add_gradient
from .infer import has_unknown, infer
from .ir import Graph
from .memory import MemoryPlan, plan_memory
from .outputs import separate_outputs
from .pipeline import optimize, set_mode
from .placement import place
from .program import Program, by_phase, compile_graph, plan_spread, plans_of, why_interpreted

__all__ = ["Compiled", "build"]

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
        graph = place(graph, context, groups or {})
        graph, heads, added = separate_outputs(graph, set(add))
        made = Compiled(by_phase(graph), heads, added)
        made.graph.disposable = False
        made.taped = taped
        made.interpreted = why_interpreted(made.graph, context) if optimized else "a monitor looks at every node"
        if not made.interpreted:
            compile_in(made)
        return made


def compile_in(made: Compiled) -> None:
    """Plan the memory of a graph and make its program."""
    graph = made.graph
    plans = plans_of(graph)
    spread = plan_spread(graph, plans)
    if spread is not None:
        graph = spread.graph
        plans = spread.plans
        made.graph = graph
        graph.note("schedule", spread.summary)
    # Results may lie in the arrays of heads before those are computed. Not in those of gradients: between forward and
    # backward users still see the old values there, and may write to them.
    times = None if spread is None else spread.times
    made.memory = plan_memory(graph, graph.outputs, times, lent=graph.outputs[: graph.n_heads])
    graph.note("memory", made.memory.summary())
    made.program = compile_graph(graph, plans, made.memory, made.added)
    if spread is not None:
        made.program.set_spread(True, spread.wide_steps(made.memory.assignment.is_skipped()))
