"""Loops and branches as operators: the parts that are run are graphs, which are parameters.

A graph is any object with the methods of :class:`Body`; the frontend makes them. Here is what surrounds it: which input
is what, shapes, and how often a graph is run on what. Gradients run the forward part again step by step, so that
nothing but the operator's own inputs is kept for them; random numbers are the same the second time, because a hidden
output holds their seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from .functions import F
from .params import Int, Param, Shape
from .partial import merge
from .registry import operator

Arrays = Sequence[np.ndarray]


class Body(Protocol):
    """A graph with numbered inputs and outputs, as control flow uses it."""

    n_inputs: int
    states: tuple[int, ...]

    def infer_shapes(self, shapes: list[Any]) -> tuple[list[Any], list[Any]]:
        """Return partial shapes of inputs and outputs, from partial shapes of inputs."""
        ...

    def infer_types(self, dtypes: list[Any]) -> tuple[list[Any], list[Any]]:
        """Return dtypes of inputs and outputs, None where unknown."""
        ...

    def runner(self, arrays: Arrays, train: bool) -> Any:
        """Return ``run(arrays, seed) -> results`` for arrays of these shapes; results are overwritten by the next run."""
        ...

    def gradient_runner(self, arrays: Arrays, train: bool) -> Any:
        """Return ``run(arrays, out_grads, seed) -> gradients``, one an input, None where there is none."""
        ...


class Graphs(Param):
    """The graphs inside a control flow node; they compare by identity."""

    kind = "graphs"
    hidden = True

    def __init__(self, name: str, count: int) -> None:
        self.count = count
        super().__init__(name)

    def _parse(self, value: Any) -> tuple:
        found = tuple(value) if isinstance(value, (list, tuple)) else ()
        if len(found) != self.count or not all(hasattr(item, "gradient_runner") for item in found):
            raise self._wrong(f"{len(found)} graphs" if found else value)
        return found

    def expects(self) -> str:
        return f"{self.count} graph{'s' if self.count > 1 else ''}"


# ---- what the operators share ------------------------------------------------------------------------------------------


def _draw(attrs: Any) -> int:
    return 0 if attrs.rng is None else int(attrs.rng.integers(1 << 62))


def _names(attrs: Any) -> tuple[str, ...]:
    """Name the outputs; the last one is hidden."""
    if attrs.num_outputs == 1:
        return ("output", "seed")
    return (*(f"output{i}" for i in range(attrs.num_outputs)), "seed")


def _check_locations(body: Body, what: str, *lists: Sequence[int]) -> None:
    """Refuse numbers of inputs that the graph does not have, as a damaged file may hold."""
    for numbers in lists:
        for number in numbers:
            if not 0 <= number < body.n_inputs:
                raise ValueError(f"{what} names input {number} of a graph with {body.n_inputs} inputs")


def _backward_name(name: str) -> str:
    return f"_backward{name}"


def _gradient(name: str) -> Any:
    def gradient(ctx: Any, *grads: Any) -> list[Any]:
        heads = [F.zeros_like(output) if grad is None else grad for grad, output in zip(grads[:-1], ctx.outputs[:-1])]
        values = {**ctx.attrs.to_dict(), "num_args": len(heads) + len(ctx.inputs) + 1}
        result = getattr(F, _backward_name(name))(*heads, *ctx.inputs, ctx.outputs[-1], **values)
        result = list(result) if isinstance(result, (list, tuple)) else [result]
        return [grad if need else None for grad, need in zip(result, ctx.needs)]

    return gradient


def _backward_shape(attrs: Any, shapes: Sequence[Any]) -> list[Any]:
    return list(shapes[attrs.num_outputs : -1])


def _backward_count(attrs: Any) -> int:
    return attrs.num_args - attrs.num_outputs - 1


def _type_rules(arrange: Any, finish: Any) -> tuple[Any, Any]:
    """Return the dtype rule and the rule for unknown inputs; ``arrange`` gives (graph, numbers of its inputs) pairs."""

    def known(attrs: Any, dtypes: Sequence[Any]) -> tuple[list[Any], list[list[Any]]]:
        found, outs = list(dtypes), []
        for body, numbers in arrange(attrs):
            ins, results = body.infer_types([found[number] for number in numbers])
            for number, dtype in zip(numbers, ins):
                found[number] = dtype if found[number] is None else found[number]
            outs.append(results)
        return found, outs

    def dtype(attrs: Any, dtypes: Sequence[Any]) -> list[Any]:
        results = finish(attrs, dtypes, known(attrs, dtypes)[1])
        if any(item is None for item in results):
            raise ValueError("the dtype of an output cannot be told from the inputs")
        return [*results, np.dtype("int64")]

    return dtype, lambda attrs, dtypes: known(attrs, dtypes)[0]


def _declare(name: str, *, params: Sequence[Param], partial: Any, dtypes: Any, run: Any, backward: Any, mutates: Any, doc: str) -> None:
    """Declare an operator of control flow and its backward operator."""

    def shape(attrs: Any, shapes: Sequence[Any]) -> list[Any]:
        _, outs = partial(attrs, list(shapes), [None] * (attrs.num_outputs + 1))
        if any(item is None or 0 in item for item in outs):
            raise ValueError("the shape of an output cannot be told from the inputs")
        return outs

    dtype, infer_dtypes = dtypes
    count = Int("num_args", low=0, doc="Number of inputs.")
    operator(
        name,
        inputs=("*data",),
        params=(count, *params),
        shape=shape,
        infer_partial=lambda op, attrs, ins, outs: partial(attrs, ins, outs),
        dtype=dtype,
        infer_dtypes=infer_dtypes,
        num_outputs=lambda attrs: attrs.num_outputs + 1,
        visible_outputs=lambda attrs: attrs.num_outputs,
        output_names=_names,
        gradient=_gradient(name),
        random=True,
        uses_train=True,
        numpy=run,
        cost=lambda attrs, ins, outs: 1e6,
        doc=doc,
    )
    operator(
        _backward_name(name),
        inputs=("*args",),
        params=(count, *params),
        shape=_backward_shape,
        dtype=_backward_shape,
        num_outputs=_backward_count,
        mutates=mutates,
        uses_train=True,
        numpy=backward,
        cost=lambda attrs, ins, outs: 3e6,
        doc=f"""Gradients of {name}; the inputs are the outputs' gradients, the inputs of the forward call and its seed.""",
    )


def _start(outs: Arrays) -> None:
    for out in outs:
        out[...] = 0


# ---- foreach -----------------------------------------------------------------------------------------------------------

_FOREACH = (
    Int("num_outputs", low=0, doc="Number of outputs and states."),
    Int("num_out_data", low=0, doc="Number of outputs that are collected."),
    Shape("in_state_locs", doc="Which inputs of the graph are the states."),
    Shape("in_data_locs", doc="Which inputs of the graph are slices of the data."),
    Shape("remain_locs", doc="Which inputs of the graph are the other inputs."),
    Graphs("subgraphs", 1),
)


def _foreach_order(attrs: Any) -> tuple[int, ...]:
    """Return the graph's input for each input of the operator."""
    order = (*attrs.in_data_locs, *attrs.in_state_locs, *attrs.remain_locs)
    _check_locations(attrs.subgraphs[0], "foreach", order)
    if len(order) != attrs.num_args or len(set(order)) != attrs.subgraphs[0].n_inputs:
        raise ValueError(f"foreach has {attrs.num_args} inputs, its graph {attrs.subgraphs[0].n_inputs}; they must be used once each")
    if len(attrs.in_state_locs) != attrs.num_outputs - attrs.num_out_data:
        raise ValueError(f"foreach has {len(attrs.in_state_locs)} states, but {attrs.num_outputs - attrs.num_out_data} results for them")
    return order


def _rest(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[1:] or (1,)


def _foreach_partial(attrs: Any, ins: list[Any], outs: list[Any]) -> tuple[list[Any], list[Any]]:
    order, n_data = _foreach_order(attrs), len(attrs.in_data_locs)
    length, inner = 0, [None] * len(order)
    for shape in ins[:n_data] + outs[: attrs.num_out_data]:
        if shape is not None:
            length = merge((length,), shape[:1], "the first axis of the data")[0]
    for place, (number, shape) in enumerate(zip(order, ins)):
        inner[number] = _rest(shape) if place < n_data and shape is not None else shape
    inner, results = attrs.subgraphs[0].infer_shapes(inner)
    found = [inner[number] for number in order]
    ins = [
        merge(shape, (length, *got) if place < n_data and shape is None and got is not None else shape or got, f"input {place}")
        for place, (shape, got) in enumerate(zip(ins, found))
    ]
    made = [None if got is None else (length, *got) for got in results[: attrs.num_out_data]]
    for place, got in enumerate(results[attrs.num_out_data :], n_data):
        ins[place] = merge(ins[place], got, f"state {place - n_data}")
        made.append(ins[place])
    return ins, [merge(out, shape, f"output {i}") for i, (out, shape) in enumerate(zip(outs, [*made, (1,)]))]


def _foreach_types() -> tuple[Any, Any]:
    def arrange(attrs: Any) -> list[Any]:
        order = _foreach_order(attrs)
        return [(attrs.subgraphs[0], [order.index(number) for number in range(len(order))])]

    return _type_rules(arrange, lambda attrs, dtypes, outs: outs[0])


def _step(array: np.ndarray, index: int) -> np.ndarray:
    return array[index : index + 1].reshape(_rest(array.shape))


class _Foreach:
    """One run over the data: the arrays of the operator in the places where the graph wants them."""

    def __init__(self, attrs: Any, ins: Arrays) -> None:
        self.attrs = attrs
        self.order = _foreach_order(attrs)
        self.n_data = len(attrs.in_data_locs)
        self.n_states = len(attrs.in_state_locs)
        self.data = ins[: self.n_data]
        self.length = len(ins[0]) if self.n_data else 0
        self.first = list(ins[self.n_data : self.n_data + self.n_states])
        self.values: list[Any] = [None] * len(ins)
        for number, array in zip(attrs.remain_locs, ins[self.n_data + self.n_states :]):
            self.values[number] = array

    def place(self, index: int, states: Arrays) -> list[np.ndarray]:
        for number, array in zip(self.attrs.in_data_locs, self.data):
            self.values[number] = _step(array, index)
        for number, array in zip(self.attrs.in_state_locs, states):
            self.values[number] = array
        return self.values


def _foreach_run(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    loop = _Foreach(attrs, ins)
    seed = _draw(attrs)
    outs[-1][...] = seed
    states = [state.copy() for state in loop.first]
    if loop.length:
        run = attrs.subgraphs[0].runner(loop.place(0, states), attrs.train)
    for index in range(loop.length):
        results = run(loop.place(index, states), seed + index)
        for out, result in zip(outs, results[: attrs.num_out_data]):
            out[index] = result.reshape(out.shape[1:])
        states = [result.copy() for result in results[attrs.num_out_data :]]
    for out, state in zip(outs[attrs.num_out_data :], states):
        out[...] = state


def _foreach_backward(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    heads, inputs, seed = ins[: attrs.num_outputs], ins[attrs.num_outputs : -1], int(ins[-1][0])
    attrs = attrs.with_(num_args=len(inputs))
    loop = _Foreach(attrs, inputs)
    body, n_out = attrs.subgraphs[0], attrs.num_out_data
    _start(outs)
    grads = [head.copy() for head in heads[n_out:]]
    history = [loop.first]
    if loop.length:
        run = body.runner(loop.place(0, loop.first), attrs.train)
        back = body.gradient_runner(loop.place(0, loop.first), attrs.train)
    for index in range(loop.length - 1 if loop.n_states else 0):
        history.append([result.copy() for result in run(loop.place(index, history[-1]), seed + index)[n_out:]])
    for index in reversed(range(loop.length)):
        results = [head[index] for head in heads[:n_out]] + grads
        found = back(loop.place(index, history[index] if loop.n_states else []), results, seed + index)
        ordered = [found[number] for number in loop.order]
        for out, grad in zip(outs[: loop.n_data], ordered):
            if grad is not None:
                out[index] = grad.reshape(out.shape[1:])
        last = loop.n_data + loop.n_states
        grads = [np.zeros_like(head) if grad is None else grad.copy() for head, grad in zip(heads[n_out:], ordered[loop.n_data : last])]
        for out, grad in zip(outs[last:], ordered[last:]):
            if grad is not None:
                out += grad
    for out, grad in zip(outs[loop.n_data :], grads):
        out[...] = grad


def _foreach_mutates(attrs: Any) -> list[int]:
    order = _foreach_order(attrs)
    return [attrs.num_outputs + order.index(number) for number in attrs.subgraphs[0].states]


_declare(
    "_foreach",
    params=_FOREACH,
    partial=_foreach_partial,
    dtypes=_foreach_types(),
    run=_foreach_run,
    backward=_foreach_backward,
    mutates=lambda attrs: _foreach_mutates(attrs.with_(num_args=_backward_count(attrs))),
    doc="""Run a graph on every element along the first axis of the data, handing states on from one to the next.""",
)

# ---- while_loop ----------------------------------------------------------------------------------------------------------

_WHILE = (
    Int("num_outputs", low=0, doc="Number of outputs and loop variables."),
    Int("num_out_data", low=0, doc="Number of outputs that are collected."),
    Int("max_iterations", low=1, doc="The most steps; also the length of the outputs."),
    Shape("cond_input_locs", doc="Which inputs are those of the condition's graph."),
    Shape("func_input_locs", doc="Which inputs are those of the body's graph."),
    Shape("func_var_locs", doc="Which inputs of the body's graph are the loop variables."),
    Graphs("subgraphs", 2),
)


def _while_variables(attrs: Any) -> list[int]:
    """Return the operator's input for each loop variable."""
    cond, func = attrs.subgraphs
    _check_locations(func, "while_loop", attrs.func_var_locs)
    for body, numbers in ((cond, attrs.cond_input_locs), (func, attrs.func_input_locs)):
        if len(numbers) != body.n_inputs or not all(0 <= number < attrs.num_args for number in numbers):
            raise ValueError(f"while_loop has {attrs.num_args} inputs; {numbers} cannot be those of a graph with {body.n_inputs}")
    if len(attrs.func_var_locs) != attrs.num_outputs - attrs.num_out_data:
        raise ValueError(
            f"while_loop has {len(attrs.func_var_locs)} variables, but {attrs.num_outputs - attrs.num_out_data} results for them"
        )
    return [attrs.func_input_locs[number] for number in attrs.func_var_locs]


def _fill(body: Body, numbers: Sequence[int], ins: list[Any]) -> list[Any]:
    """Infer shapes through one graph; what it tells about the operator's inputs is put into ``ins``."""
    inner, results = body.infer_shapes([ins[number] for number in numbers])
    for number, shape in zip(numbers, inner):
        ins[number] = merge(ins[number], shape, f"input {number}")
    return results


def _while_partial(attrs: Any, ins: list[Any], outs: list[Any]) -> tuple[list[Any], list[Any]]:
    variables, ins = _while_variables(attrs), list(ins)
    _fill(attrs.subgraphs[0], attrs.cond_input_locs, ins)
    results = _fill(attrs.subgraphs[1], attrs.func_input_locs, ins)
    made = [None if shape is None else (attrs.max_iterations, *shape) for shape in results[: attrs.num_out_data]]
    for number, shape in zip(variables, results[attrs.num_out_data :]):
        ins[number] = merge(ins[number], shape, f"loop variable in input {number}")
        made.append(ins[number])
    return ins, [merge(out, shape, f"output {i}") for i, (out, shape) in enumerate(zip(outs, [*made, (1,)]))]


def _while_types() -> tuple[Any, Any]:
    def arrange(attrs: Any) -> list[Any]:
        _while_variables(attrs)
        return [(attrs.subgraphs[0], attrs.cond_input_locs), (attrs.subgraphs[1], attrs.func_input_locs)]

    return _type_rules(arrange, lambda attrs, dtypes, outs: outs[1])


def _truth(results: Arrays, what: str) -> bool:
    if results[0].size != 1:
        raise ValueError(f"the condition of {what} must be one number, got shape {results[0].shape}")
    return bool(results[0].reshape(-1)[0])


def _picked(values: Sequence[Any], numbers: Sequence[int]) -> list[Any]:
    return [values[number] for number in numbers]


class _While:
    """One run of a loop: ``values`` are the operator's inputs, the loop variables among them the current ones."""

    def __init__(self, attrs: Any, ins: Arrays, seed: int) -> None:
        self.attrs = attrs
        self.variables = _while_variables(attrs)
        self.values = list(ins)
        self.seed = seed
        self.cond = attrs.subgraphs[0].runner(_picked(ins, attrs.cond_input_locs), attrs.train)
        self.func = attrs.subgraphs[1].runner(_picked(ins, attrs.func_input_locs), attrs.train)

    def goes_on(self, step: int) -> bool:
        if step >= self.attrs.max_iterations:
            return False
        return _truth(self.cond(_picked(self.values, self.attrs.cond_input_locs), self.seed + step), "while_loop")

    def step(self, step: int) -> list[np.ndarray]:
        """Run the body; return what is collected. The loop variables are the new ones afterwards."""
        results = self.func(_picked(self.values, self.attrs.func_input_locs), self.seed + step)
        fresh = [result.copy() for result in results]
        for number, value in zip(self.variables, fresh[self.attrs.num_out_data :]):
            self.values[number] = value
        return fresh[: self.attrs.num_out_data]


def _while_run(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    seed = _draw(attrs)
    _start(outs)
    outs[-1][...] = seed
    loop, step = _While(attrs, ins, seed), 0
    while loop.goes_on(step):
        for out, result in zip(outs, loop.step(step)):
            out[step] = result
        step += 1
    for out, number in zip(outs[attrs.num_out_data :], loop.variables):
        out[...] = loop.values[number]


def _while_backward(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    heads, inputs, seed = ins[: attrs.num_outputs], ins[attrs.num_outputs : -1], int(ins[-1][0])
    attrs = attrs.with_(num_args=len(inputs))
    _start(outs)
    loop, history = _While(attrs, inputs, seed), [list(inputs)]
    while loop.goes_on(len(history) - 1):
        loop.step(len(history) - 1)
        history.append(list(loop.values))
    back = attrs.subgraphs[1].gradient_runner(_picked(inputs, attrs.func_input_locs), attrs.train)
    grads = [head.copy() for head in heads[attrs.num_out_data :]]
    variables = set(loop.variables)
    for step in reversed(range(len(history) - 1)):
        results = [head[step] for head in heads[: attrs.num_out_data]] + grads
        found = back(_picked(history[step], attrs.func_input_locs), results, seed + step)
        grads = [np.zeros_like(grad) for grad in grads]
        for number, grad in zip(attrs.func_input_locs, found):
            if grad is None:
                continue
            if number in variables:
                grads[loop.variables.index(number)] += grad
            else:
                outs[number] += grad
    for number, grad in zip(loop.variables, grads):
        outs[number] += grad


def _while_mutates(attrs: Any) -> list[int]:
    return sorted({attrs.num_outputs + attrs.func_input_locs[number] for number in attrs.subgraphs[1].states})


_declare(
    "_while_loop",
    params=_WHILE,
    partial=_while_partial,
    dtypes=_while_types(),
    run=_while_run,
    backward=_while_backward,
    mutates=_while_mutates,
    doc="""Run a graph again and again while the graph of a condition gives a number that is not zero.""",
)

# ---- cond ------------------------------------------------------------------------------------------------------------------

_COND = (
    Int("num_outputs", low=0, doc="Number of outputs of either branch."),
    Shape("cond_input_locs", doc="Which inputs are those of the condition's graph."),
    Shape("then_input_locs", doc="Which inputs are those of the first branch's graph."),
    Shape("else_input_locs", doc="Which inputs are those of the second branch's graph."),
    Graphs("subgraphs", 3),
)


def _branches(attrs: Any) -> list[tuple[Body, tuple[int, ...]]]:
    found = list(zip(attrs.subgraphs, (attrs.cond_input_locs, attrs.then_input_locs, attrs.else_input_locs)))
    for body, numbers in found:
        if len(numbers) != body.n_inputs or not all(0 <= number < attrs.num_args for number in numbers):
            raise ValueError(f"cond has {attrs.num_args} inputs; {numbers} cannot be those of a graph with {body.n_inputs}")
    return found


def _cond_partial(attrs: Any, ins: list[Any], outs: list[Any]) -> tuple[list[Any], list[Any]]:
    ins = list(ins)
    _, one, other = (_fill(body, numbers, ins) for body, numbers in _branches(attrs))
    made = [merge(a, b, f"output {i} of the second branch") for i, (a, b) in enumerate(zip(one, other))]
    return ins, [merge(out, shape, f"output {i}") for i, (out, shape) in enumerate(zip(outs, [*made, (1,)]))]


def _cond_types() -> tuple[Any, Any]:
    def finish(attrs: Any, dtypes: Any, outs: Any) -> list[Any]:
        for one, other in zip(outs[1], outs[2]):
            if one is not None and other is not None and one != other:
                raise ValueError(f"the branches give {one} and {other}")
        return [one if one is not None else other for one, other in zip(outs[1], outs[2])]

    return _type_rules(_branches, finish)


def _chosen(attrs: Any, ins: Arrays, seed: int) -> tuple[Body, tuple[int, ...]]:
    (cond, numbers), one, other = _branches(attrs)
    arrays = _picked(ins, numbers)
    return one if _truth(cond.runner(arrays, attrs.train)(arrays, seed), "cond") else other


def _cond_run(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    seed = _draw(attrs)
    outs[-1][...] = seed
    body, numbers = _chosen(attrs, ins, seed)
    arrays = _picked(ins, numbers)
    for out, result in zip(outs, body.runner(arrays, attrs.train)(arrays, seed)):
        out[...] = result


def _cond_backward(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    heads, inputs, seed = ins[: attrs.num_outputs], ins[attrs.num_outputs : -1], int(ins[-1][0])
    _start(outs)
    body, numbers = _chosen(attrs.with_(num_args=len(inputs)), inputs, seed)
    arrays = _picked(inputs, numbers)
    for number, grad in zip(numbers, body.gradient_runner(arrays, attrs.train)(arrays, heads, seed)):
        if grad is not None:
            outs[number] += grad


def _cond_mutates(attrs: Any) -> list[int]:
    pairs = ((attrs.subgraphs[1], attrs.then_input_locs), (attrs.subgraphs[2], attrs.else_input_locs))
    return sorted({attrs.num_outputs + numbers[state] for body, numbers in pairs for state in body.states})


_declare(
    "_cond",
    params=_COND,
    partial=_cond_partial,
    dtypes=_cond_types(),
    run=_cond_run,
    backward=_cond_backward,
    mutates=_cond_mutates,
    doc="""Run one of two graphs, as the graph of a condition decides.""",
)
