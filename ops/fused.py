"""Several element-wise operators as one: what point-wise fusion of graphs puts in their place.

The parameter ``expression`` says what is computed, as JSON: steps ``[operator, parameters, operands]`` in order, where an
operand is the number of an input or, counted on from these, of an earlier step; the numbers of the results; and which
inputs the results may overwrite. Dynamic parameters of the steps are passed in ``numbers``, in order.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .errors import MXNetError
from .nn_common import native
from .params import Attrs
from .registry import Floats, Operator, Str, get, operator

__all__ = ["Expression", "Step", "format_expression", "parse"]


class Step(NamedTuple):
    """One operator of an expression."""

    op: Operator
    attrs: Attrs
    operands: list[int]
    scalars: int  # where its dynamic parameters begin


class Expression(NamedTuple):
    """A parsed expression."""

    steps: list[Step]
    outputs: list[int]
    inplace: tuple[tuple[int, int], ...]


def format_expression(steps: Sequence[Sequence[Any]], outputs: Sequence[int], inplace: Sequence[Sequence[int]] = ()) -> str:
    """Return the text of an expression.

    >>> format_expression([["exp", {}, [0]], ["_plus_scalar", {}, [1]]], [2], [[0, 0]])
    '{"steps": [["exp", {}, [0]], ["_plus_scalar", {}, [1]]], "outputs": [2], "inplace": [[0, 0]]}'
    """
    return json.dumps({"steps": [list(step) for step in steps], "outputs": list(outputs), "inplace": [list(pair) for pair in inplace]})


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """Return the expression that a text stands for.

    >>> parse('{"steps": [["exp", {}, [0]]], "outputs": [1]}').steps[0].op
    <Operator exp>
    """
    try:
        content = json.loads(text)
        steps, scalars = [], 0
        for name, values, operands in content["steps"]:
            op = get(name)
            # Dynamic parameters are not part of the text; what stands here is never used.
            missing = {param.name: 1.0 for param in op.params if param.dynamic and param.required}
            attrs = op.attrs({**missing, **values})
            steps.append(Step(op, attrs, [int(operand) for operand in operands], scalars))
            scalars += len(attrs.scalars)
        pairs = tuple((int(i), int(o)) for i, o in content.get("inplace", ()))
        return Expression(steps, [int(output) for output in content["outputs"]], pairs)
    except (KeyError, TypeError, ValueError) as error:
        raise MXNetError(f"_fused: expression {text!r} is malformed: {error}") from None


def _propagate(attrs: Attrs, values: Sequence[Any], rule: Any) -> list[Any]:
    expression = parse(attrs.expression)
    found = list(values)
    for step in expression.steps:
        found.append(rule(step)(step.attrs, [found[index] for index in step.operands])[0])
    return [found[index] for index in expression.outputs]


def _run(attrs: Attrs, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
    expression, arrays = parse(attrs.expression), list(ins)
    for step in expression.steps:
        values, given, at = step.attrs, {}, step.scalars
        for name in step.op.dynamic_params:
            given[name] = attrs.numbers[at]
            at += 1
        if given:
            values = values.with_(**given)
        inputs = [arrays[index] for index in step.operands]
        shapes, dtypes = step.op.infer(values, [array.shape for array in inputs], [array.dtype for array in inputs])
        result = np.empty(shapes[0], dtypes[0])
        step.op.numpy(values, inputs, [result])
        arrays.append(result)
    for out, index in zip(outs, expression.outputs):
        out[...] = arrays[index]


operator(
    "_fused",
    inputs=("*args",),
    params=(
        Str("expression", doc="What is computed."),
        Floats("numbers", (), dynamic=True, doc="Dynamic parameters of the steps, in order."),
    ),
    shape=lambda attrs, shapes: _propagate(attrs, shapes, lambda step: step.op.infer_shapes),
    dtype=lambda attrs, dtypes: _propagate(attrs, dtypes, lambda step: step.op.infer_types),
    num_outputs=lambda attrs: len(parse(attrs.expression).outputs),
    inplace=lambda attrs: parse(attrs.expression).inplace,
    cpu=(native("fused_builder", "fused"),),
    numpy=_run,
    doc="Element-wise operators that graph fusion has joined; see ops/fused.py.",
)
