"""``sym.Custom``: operators in Python as nodes of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...engine._engine import Span
from ...ops import registry
from ...ops.array import NDArray, from_numpy_copy
from ...ops.context import Context
from ...ops.errors import ArgumentTypeError, MXNetError
from ...ops.params import plain_text
from ...profiler.chrome import PYTHON
from .. import name as naming
from ..operator import CustomOp, _ask, _checked, _mode, make_prop
from . import composition
from .attributes import HIDDEN, as_text, hidden_key
from .symbol import Symbol, symbol_of

__all__ = ["Custom", "Description", "describe"]


class Description:
    """What a node of a custom operator is: the user's ``CustomOpProp``, and the ``CustomOp`` made from it.

    Parameters
    ----------
    op_type : str
        Name that the operator was registered under.
    parameters : dict of str to str
        Parameters of the CustomOpProp.
    """

    def __init__(self, op_type: str, parameters: dict[str, str]) -> None:
        self.op_type = op_type
        self.prop = make_prop(op_type, parameters)
        self.arguments = tuple(self.prop.list_arguments())
        self.states = tuple(self.prop.list_auxiliary_states())
        self.outputs = tuple(self.prop.list_outputs())
        self.is_loss = not self.prop.need_top_grad_
        self._operators: dict[Any, CustomOp] = {}

    @property
    def _counts(self) -> tuple[int, int, int]:
        return len(self.arguments), len(self.outputs), len(self.states)

    def infer_shapes(self, shapes: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Ask the CustomOpProp; what is unknown is an empty list there, as in MXNet."""
        given = shapes[: len(self.arguments)]
        nothing = list(shapes), [None] * len(self.outputs)
        partial = any(shape is None or 0 in shape for shape in given)
        if given and given[0] is None:
            return nothing
        try:
            found = _ask(self.prop, self.op_type, "infer_shape", [[] if shape is None else list(shape) for shape in given])
        except MXNetError as error:
            # It computed with a shape that is not known yet.
            if partial and isinstance(error.__cause__, (IndexError, TypeError, ValueError)):
                return nothing
            raise
        ins, outs, states = _checked("infer_shape", self.op_type, found, self._counts)
        made = [tuple(int(extent) for extent in shape) or None for shape in (*ins, *states)]
        return made, [tuple(int(extent) for extent in shape) or None for shape in outs]

    def infer_types(self, dtypes: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Ask the CustomOpProp; unknown types are taken as the first input's."""
        given = dtypes[: len(self.arguments)]
        if given and given[0] is None:
            return list(dtypes), [None] * len(self.outputs)
        found = _ask(self.prop, self.op_type, "infer_type", [given[0].type if dtype is None else dtype.type for dtype in given])
        ins, outs, states = _checked("infer_type", self.op_type, found, self._counts)
        return [np.dtype(item) for item in (*ins, *states)], [np.dtype(item) for item in outs]

    def _operator(self, ins: Sequence[np.ndarray]) -> CustomOp:
        """Return the operator for inputs like these; the same one forward and backward, since it may remember things."""
        arguments = ins[: len(self.arguments)]
        key = tuple((array.shape, array.dtype) for array in arguments)
        found = self._operators.get(key)
        if found is None:
            shapes, dtypes = [list(array.shape) for array in arguments], [array.dtype.type for array in arguments]
            found = self._operators[key] = _ask(self.prop, self.op_type, "create_operator", str(Context("cpu", 0)), shapes, dtypes)
        return found

    def forward(self, train: bool, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
        """Run the user's forward."""
        count = len(self.arguments)
        arrays, results = _arrays(ins), _arrays(outs)
        with _mode(train), Span(self.op_type + PYTHON):
            self._operator(ins).forward(train, ["write"] * len(outs), arrays[:count], results, arrays[count:])
        _store(results, outs)
        _store(arrays[count:], ins[count:])

    def backward(self, heads: Any, ins: Any, outputs: Any, grads: Sequence[np.ndarray], train: bool) -> None:
        """Run the user's backward."""
        count = len(self.arguments)
        arrays, results = _arrays(ins), [from_numpy_copy(np.zeros_like(grad), Context("cpu", 0), grad.dtype) for grad in grads]
        request = ["write"] * len(grads)
        with _mode(train), Span(f"_backward_{self.op_type}{PYTHON}"):
            self._operator(ins).backward(request, _arrays(heads), arrays[:count], _arrays(outputs), results, arrays[count:])
        _store(results, grads)
        _store(arrays[count:], ins[count:])


def _arrays(views: Sequence[np.ndarray]) -> list[NDArray]:
    return [from_numpy_copy(view, Context("cpu", 0), view.dtype) for view in views]


def _store(arrays: Sequence[NDArray], views: Sequence[np.ndarray]) -> None:
    for array, view in zip(arrays, views):
        view[...] = array.asnumpy()


def describe(attributes: dict[str, str]) -> dict[str, Any]:
    """Return the parameters of a Custom node from its attributes as text: all but those of users are the operator's."""
    op_type = attributes.get("op_type")
    if op_type is None:
        raise MXNetError("Custom: the attribute op_type is missing; it names the registered operator")
    own = {key: value for key, value in attributes.items() if key not in ("op_type", "num_args") and not key.startswith("__")}
    return {"op_type": op_type, "description": Description(op_type, own)}


def Custom(*data: Symbol, op_type: str | None = None, name: str | None = None, attr: dict[str, str] | None = None, **kwargs: Any) -> Symbol:
    """Use a registered custom operator in a graph.

    Parameters
    ----------
    *data : Symbol
        Inputs, then auxiliary states, in the order of ``list_arguments`` and ``list_auxiliary_states``; or by those
        names. Missing ones become variables.
    op_type : str
        Name that the operator was registered under.
    name : str, optional
        Name of the node.
    attr : dict of str to str, optional
        Attributes.
    **kwargs
        Inputs by name, and parameters of the CustomOpProp, which get them as strings.

    Examples
    --------
    See :mod:`weft.operator`.
    """
    if op_type is None:
        raise TypeError("Custom: op_type is missing; it names the registered operator")
    kwargs.pop("out", None)
    op = registry.get("Custom")
    inputs = {key: value for key, value in kwargs.items() if composition.is_symbol(value)}
    hidden = {hidden_key(key): plain_text(value) for key, value in kwargs.items() if key in HIDDEN or key.startswith("__")}
    texts = {key: as_text(op, key, value) for key, value in kwargs.items() if key not in inputs and hidden_key(key) not in hidden}
    values = describe({**texts, "op_type": str(op_type)})
    description = values["description"]
    names = [*description.arguments, *description.states]
    if len(data) > len(names):
        raise MXNetError(f"Custom {op_type!r}: expected at most {len(names)} inputs ({', '.join(names)}), got {len(data)}")
    found: list[Any] = [None] * len(names)
    for key, value in [*zip(names, data), *inputs.items()]:
        if key not in names:
            raise ArgumentTypeError(f"Custom {op_type!r}: unknown input {key!r}; the inputs are {', '.join(names)}")
        if not composition.is_symbol(value):
            raise ArgumentTypeError(f"Custom {op_type!r}: input {key!r} must be a Symbol, got {type(value).__name__}")
        if found[names.index(key)] is not None:
            raise ArgumentTypeError(f"Custom {op_type!r}: input {key!r} given twice")
        found[names.index(key)] = composition.single(value, f"Custom {op_type!r}: input {key!r}")
    attrs = op.attrs({**values, "num_args": len(names)})
    texts = {**texts, "op_type": str(op_type), **hidden}
    return symbol_of(composition.create_node(op, attrs, naming.current().get(name, "custom"), found, texts, attr))
