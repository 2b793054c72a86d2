"""``foreach``, ``while_loop`` and ``cond`` of symbols: Python functions are run once, on variables, and become graphs.

Nodes that are made while such a function runs carry the attribute ``__subgraph_name__``; what has another one, or none,
lies outside and is an input of the operator.
"""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Sequence
from typing import Any

from ...ops import registry
from ...ops.errors import MXNetError
from ...ops.params import plain_text
from .. import attribute
from .. import name as naming
from ..graph.ir import Graph, Node, topological_order
from ..graph.subgraph import Body
from ..nesting import flatten, regroup
from ._namespace import function
from .composition import create_node
from .symbol import Group, Symbol, output_name, symbol_of, var

__all__ = ["cond", "foreach", "while_loop"]


class BodyError(MXNetError, AssertionError):
    """A function does not use what it is given, or returns something of another form; MXNet asserts that."""


Entry = tuple[Node, int]
#: An input of an operator, and the name of the loop variable that starts from it.
Input = tuple[Entry, str | None]
_SCOPE = "__subgraph_name__"
#: How often each name has been used; every run of a Python function needs a name of its own.
_counts: collections.Counter[str] = collections.Counter()
_lock = threading.Lock()


def _unique_name(name: str) -> str:
    outer = attribute.current().get(None).get(_SCOPE)
    name = f"{outer}${name}" if outer else name
    with _lock:
        _counts[name] += 1
        return f"{name}{_counts[name] - 1}"


# ---- nested lists --------------------------------------------------------------------------------------------------------


def _flatten(value: Any, what: str) -> tuple[list[Symbol], Any]:
    """Return the single outputs in nested lists in order, and the nesting: 0 an output, n a symbol of n outputs."""
    return flatten(value, what, Symbol, lambda symbol: (list(symbol), len(symbol) if len(symbol) > 1 else 0))


def _regroup(symbols: Sequence[Symbol], nesting: Any) -> Any:
    """Undo :func:`_flatten`."""
    return regroup(symbols, nesting, Group)


# ---- cutting ---------------------------------------------------------------------------------------------------------------


def _variables_for(symbols: Sequence[Symbol], taken: set[str]) -> list[Symbol]:
    """Return variables that stand for symbols inside a function; one that is given twice gets two."""
    made = []
    for symbol in symbols:
        name = base = f"{symbol.name}-{symbol.attr('_value_index')}"
        number = 0
        while name in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name)
        made.append(var(name))
    return made


def _is_inside(node: Node, name: str) -> bool:
    return node.op is not None and node.annotation(_SCOPE) == name


def _as_results(outputs: Sequence[Symbol], states: Sequence[Symbol], name: str) -> list[Entry]:
    """Return the entries of results; what is an input, lies outside or is a result already is copied inside."""
    results: list[Entry] = []
    names = {symbol.name for symbol in outputs}
    for place, symbol in enumerate([*outputs, *states]):
        entry = symbol._entries[0]
        again = place >= len(outputs) and symbol.name in names
        if again or not _is_inside(entry[0], name):
            entry = function("identity")(symbol)._entries[0]
        results.append(entry)
    return results


class _Cut:
    """The part of a graph that was made in one scope.

    Attributes
    ----------
    body : Body
        The graph.
    outside : list of Entry or None
        What each of its inputs is in the surrounding graph.
    """

    def __init__(self, results: Sequence[Entry], name: str) -> None:
        made: dict[Node, Node] = {}
        self.cut: dict[Entry, Node] = {}
        for node in topological_order(results):
            if node.op is None:
                made[node] = node.copy()
            elif _is_inside(node, name):
                copy = made[node] = node.copy()
                copy.inputs = [(self._moved(made, entry)) for entry in node.inputs]
        graph = Graph.from_entries([self._moved(made, entry) for entry in results])
        self.body = Body(graph)
        origin = {copy.name: (node, 0) for node, copy in made.items() if node.op is None}
        origin.update({variable.name: entry for entry, variable in self.cut.items()})
        self.names = [node.name for node in self.body.inputs]
        self.outside = [origin[found] for found in self.names]

    def _moved(self, made: dict[Node, Node], entry: Entry) -> Entry:
        node, index = entry
        if node in made:
            return made[node], index
        if entry not in self.cut:
            self.cut[entry] = Node(None, None, output_name(entry))
        return self.cut[entry], 0

    def places(self, variables: Sequence[Symbol], what: str) -> list[int]:
        """Return which inputs of the graph some variables are."""
        found = []
        for variable in variables:
            if variable.name not in self.names:
                raise BodyError(f"{what} {variable.name!r} has to be used in the body")
            found.append(self.names.index(variable.name))
        return found


def _make(kind: str, inputs: Sequence[Entry], cuts: Sequence[_Cut], numbers: dict[str, Any]) -> list[Symbol]:
    op = registry.get(kind)
    attrs = op.attrs({**numbers, "num_args": len(inputs), "subgraphs": [cut.body for cut in cuts]})
    # MXNet counts the graphs among the arguments.
    texts = {"num_args": str(len(inputs) + len(cuts)), **{key: plain_text(value) for key, value in numbers.items()}}
    node = create_node(op, attrs, naming.current().get(None, kind), list(inputs), texts)
    node.subgraphs = tuple(cut.body.graph for cut in cuts)
    return list(symbol_of(node))


def _check_alike(nesting: Any, other: Any, what: str) -> None:
    if nesting != other:
        raise BodyError(f"{what}: the nesting {other} is not that of the first ones, {nesting}")


# ---- the functions ------------------------------------------------------------------------------------------------------


def foreach(body: Callable[[Any, Any], tuple[Any, Any]], data: Any, init_states: Any, name: str = "foreach") -> tuple[Any, Any]:
    """Run a function on each element along the first axis, handing states on from one to the next.

    Parameters
    ----------
    body : callable
        ``body(data, states) -> (outputs, new states)``; called once, with variables.
    data : Symbol or nested lists of Symbol
        What to iterate over.
    init_states : Symbol or nested lists of Symbol
        The states for the first element.
    name : str
        Name of the graph.

    Returns
    -------
    outputs, states
        The outputs, stacked along a new first axis, and the last states.

    Examples
    --------
    >>> import weft as mx
    >>> x, s = mx.sym.Variable("x"), mx.sym.Variable("s")
    >>> sums, last = mx.sym.contrib.foreach(lambda d, s: (d + s, d + s), x, s)
    >>> sums.eval(x=mx.nd.array([1, 2, 3]), s=mx.nd.zeros((1,)))[0].asnumpy().ravel().tolist()
    [1.0, 3.0, 6.0]
    """
    arrays, data_nesting = _flatten(data, "foreach input")
    states, state_nesting = _flatten(init_states, "foreach states")
    if not arrays:
        raise ValueError("foreach: data holds no symbols")
    scope = _unique_name(name)
    with attribute.AttrScope(**{_SCOPE: scope}):
        taken: set[str] = set()
        slices = _variables_for(arrays, taken)
        current = _variables_for(states, taken)
        out, new = body(_regroup(slices, data_nesting), _regroup(current, state_nesting))
        outputs, out_nesting = _flatten(out, "foreach output")
        results, new_nesting = _flatten(new, "foreach states")
        _check_alike(state_nesting, new_nesting, "the states that foreach's body returns")
        cut = _Cut(_as_results(outputs, results, scope), scope)
    data_places = cut.places(slices, "the data")
    state_places = cut.places(current, "the state")
    rest = [place for place in range(len(cut.names)) if place not in data_places and place not in state_places]
    inputs = [item._entries[0] for item in (*arrays, *states)] + [cut.outside[place] for place in rest]
    numbers = {
        "num_outputs": len(outputs) + len(results),
        "num_out_data": len(outputs),
        "in_state_locs": state_places,
        "in_data_locs": data_places,
        "remain_locs": rest,
    }
    made = _make("_foreach", inputs, [cut], numbers)
    return _regroup(made[: len(outputs)], out_nesting), _regroup(made[len(outputs) :], state_nesting)


def _as_condition(value: Any, what: str) -> Symbol:
    if isinstance(value, Symbol) and len(value) == 1:
        return value
    raise ValueError(f"{what} must give a Symbol with one output, got {value!r:.80}")


def while_loop(
    cond: Callable[..., Any],
    func: Callable[..., tuple[Any, Any]],
    loop_vars: Any,
    max_iterations: int | None = None,
    name: str = "while_loop",
) -> tuple[Any, Any]:
    """Run a function again and again while a condition holds.

    Parameters
    ----------
    cond : callable
        ``cond(*loop_vars)`` gives a Symbol of one number.
    func : callable
        ``func(*loop_vars) -> (step output, new loop_vars)``.
    loop_vars : Symbol or nested lists of Symbol
        The variables for the first step.
    max_iterations : int
        The most steps; the outputs have this length, filled up with zeros.
    name : str
        Name of the graphs.

    Returns
    -------
    outputs, loop_vars
        The step outputs along a new first axis, and the last variables.

    Examples
    --------
    >>> import weft as mx
    >>> i = mx.sym.Variable("i")
    >>> outputs, last = mx.sym.contrib.while_loop(lambda i: i < 3, lambda i: (i * i, i + 1), i, max_iterations=4)
    >>> outputs.eval(i=mx.nd.zeros((1,)))[0].asnumpy().ravel().tolist()
    [0.0, 1.0, 4.0, 0.0]
    """
    if max_iterations is None:
        raise ValueError("max_iterations should be specified")
    try:
        limit = int(max_iterations)
    except (TypeError, ValueError):
        raise ValueError(f"max_iterations={max_iterations!r} should be a positive integer") from None
    first, nesting = _flatten(loop_vars, "loop_vars")
    if not first:
        raise ValueError("loop_vars should contain at least one element")

    def arguments(symbols: Sequence[Symbol]) -> list[Any]:
        grouped = _regroup(symbols, nesting)
        return list(grouped) if isinstance(nesting, list) else [grouped]

    def conditional(symbols: Sequence[Symbol]) -> tuple[list[Symbol], list[Symbol], Any]:
        return [], [_as_condition(cond(*arguments(symbols)), "cond")], None

    def step(symbols: Sequence[Symbol]) -> tuple[list[Symbol], list[Symbol], Any]:
        out, new = func(*arguments(symbols))
        outputs, out_nesting = _flatten([] if out is None else out, "step_output")
        results, new_nesting = _flatten([] if new is None else new, "new_loop_vars")
        if len(results) != len(first):
            raise ValueError(f"func gives {len(results)} new_loop_vars, expected {len(first)} like loop_vars")
        if len(first) > 1:
            _check_alike(nesting, new_nesting, "new_loop_vars")
        return outputs, results, out_nesting

    def cut_of(made: Callable[..., Any], scope: str) -> tuple[_Cut, list[Symbol], list[Symbol], Any]:
        scope = _unique_name(scope)
        with attribute.AttrScope(**{_SCOPE: scope}):
            variables = _variables_for(first, set())
            outputs, results, out_nesting = made(variables)
            return _Cut(_as_results(outputs, results, scope), scope), variables, outputs, out_nesting

    condition, _, _, _ = cut_of(conditional, f"{name}_cond")
    body, variables, outputs, out_nesting = cut_of(step, f"{name}_func")
    places = body.places(variables, "the loop variable")
    values: dict[Any, Entry] = {variable.name: item._entries[0] for variable, item in zip(variables, first)}
    inputs: list[Input] = []
    numbers = {
        "max_iterations": limit,
        "cond_input_locs": _union(inputs, condition, values),
        "func_input_locs": _union(inputs, body, values),
        "func_var_locs": places,
        "num_out_data": len(outputs),
        "num_outputs": len(outputs) + len(first),
    }
    made = _make("_while_loop", [entry for entry, _ in inputs], [condition, body], numbers)
    return _regroup(made[: len(outputs)], out_nesting), _regroup(made[len(outputs) :], nesting)


def _union(inputs: list[Input], cut: _Cut, values: dict[Any, Entry]) -> list[int]:
    """Add a graph's inputs to those of the operator; return where they are.

    A loop variable is not the same input as what it starts from: that keeps its value when the function uses it, too.
    """
    found = []
    for name, entry in zip(cut.names, cut.outside):
        needed = (values[name], name) if name in values else (entry, None)
        if needed not in inputs:
            inputs.append(needed)
        found.append(inputs.index(needed))
    return found


def cond(pred: Any, then_func: Callable[[], Any], else_func: Callable[[], Any], name: str = "cond") -> Any:
    """Compute one of two graphs, as a condition decides when the graph runs.

    Parameters
    ----------
    pred : Symbol
        One number.
    then_func, else_func : callable
        Called without arguments, once each; they return Symbols of the same number, shapes and dtypes.
    name : str
        Name of the graphs.

    Examples
    --------
    >>> import weft as mx
    >>> x = mx.sym.Variable("x")
    >>> y = mx.sym.contrib.cond(x > 1, lambda: x * 10, lambda: x)
    >>> y.eval(x=mx.nd.array([2]))[0].asnumpy().tolist()
    [20.0]
    """

    def cut_of(made: Callable[[], Any], part: str) -> tuple[_Cut, int, Any]:
        scope = _unique_name(f"{name}_{part}")
        with attribute.AttrScope(**{_SCOPE: scope}):
            outputs, nesting = _flatten(made(), f"the output of cond's {part}")
            return _Cut(_as_results(outputs, [], scope), scope), len(outputs), nesting

    condition, _, _ = cut_of(lambda: _as_condition(pred, "pred"), "pred")
    one, count, nesting = cut_of(then_func, "then")
    other, other_count, _ = cut_of(else_func, "else")
    if count != other_count:
        raise ValueError(f"Number of outputs differs between then-branch ({count}) and else-branch ({other_count})")
    inputs: list[Input] = []
    numbers: dict[str, Any] = {
        f"{part}_input_locs": _union(inputs, cut, {}) for part, cut in (("cond", condition), ("then", one), ("else", other))
    }
    made = _make("_cond", [entry for entry, _ in inputs], [condition, one, other], {**numbers, "num_outputs": count})
    return _regroup(made, nesting)
