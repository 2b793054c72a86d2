"""Rules for shapes of which only some extents are known, in both directions: from inputs to outputs and back.

A partial shape is None (nothing known) or a tuple in which 0 stands for an unknown extent. A partial rule takes an
operator, its attributes and the partial shapes of all inputs and outputs, and returns the two lists with whatever
follows filled in; it raises ValueError where they contradict each other. Declarations name theirs as
``infer_partial``; without one it follows from the shape rule (:data:`COMPANIONS`), else it is :func:`forward`, which
derives outputs with unknown extents from the ordinary rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np

from . import rules

PartialShape = tuple[int, ...] | None
Shapes = list[PartialShape]
Rule = Callable[[Any, Any, Shapes, Shapes], tuple[Shapes, Shapes]]

# Extents that stand in for unknown ones: what comes out alike for both does not depend on the unknown. They have many
# divisors, so that splits and strides fit.
_STAND_INS = (720720, 1441440)

_DTYPES = tuple(np.dtype(name) for name in ("float32", "float64", "float16", "uint8", "int8", "int32", "int64", "bool"))


def known(shape: PartialShape) -> bool:
    """Whether every extent is known.

    >>> known((2, 3)), known((0, 3)), known(None)
    (True, False, False)
    """
    return shape is not None and 0 not in shape


def merge(shape: PartialShape, other: PartialShape, name: str = "array") -> PartialShape:
    """Return what two partial shapes of one array say together; raise ValueError where they disagree.

    >>> merge((0, 3), (2, 0))
    (2, 3)
    """
    if other is None or shape == other:
        return shape
    if shape is None:
        return other
    if len(shape) == len(other):
        if all(a == b or not a or not b for a, b in zip(shape, other)):
            return tuple(a or b for a, b in zip(shape, other))
    raise ValueError(f"{name} has shape {shape}, expected {other}")


def unknown(rank: int) -> tuple[int, ...]:
    """Return the shape of an array of which only the number of axes is known."""
    return (0,) * rank


# ---- the rule of operators without one of their own ----------------------------------------------------------------


def forward(op: Any, attrs: Any, ins: Shapes, outs: Shapes) -> tuple[Shapes, Shapes]:
    """Fill inputs by ``infer_inputs``, and outputs by the shape rule; extents that depend on unknown ones stay 0."""
    ins = fill_inputs(op, attrs, ins)
    if all(known(shape) for shape in ins):
        return ins, _merge_all(outs, op.shape(attrs, ins), "output")
    if any(shape is None for shape in ins):
        return ins, outs
    tries = [_attempt(op.shape, attrs, [_stand_in(shape, extent) for shape in ins]) for extent in _STAND_INS]
    return ins, outs if None in tries else _merge_all(outs, _agreed(*tries), "output")


def fill_inputs(op: Any, attrs: Any, ins: Shapes) -> Shapes:
    """Fill inputs such as weights and labels from the data by the declared ``infer_inputs``."""
    if op.infer_inputs is None or not ins or all(known(shape) for shape in ins):
        return ins
    names = op.input_names(attrs)
    first = ins[0]
    rest = [shape if known(shape) else None for shape in ins[1:]]
    if first is None or known(first):
        filled = list(op.infer_inputs(attrs, [first, *rest]))
    else:
        tries = [_attempt(op.infer_inputs, attrs, [_stand_in(first, extent), *rest]) for extent in _STAND_INS]
        if None in tries:
            return ins
        filled = _agreed(*tries)
    return [merge(shape, other, name) for name, shape, other in zip(names, ins, filled)]


def _stand_in(shape: tuple[int, ...], extent: int) -> tuple[int, ...]:
    return tuple(size or extent for size in shape)


def _attempt(rule: Callable[..., Any], attrs: Any, shapes: Shapes) -> Any:
    """Apply a rule to stand-ins; that these do not fit says nothing about the real extents."""
    try:
        return list(rule(attrs, shapes))
    except (ValueError, IndexError, TypeError):
        return None


def _agreed(first: Shapes, second: Shapes) -> Shapes:
    result: Shapes = []
    for a, b in zip(first, second):
        if a is None or b is None or len(a) != len(b):
            result.append(None)
        else:
            result.append(tuple(x if x == y else 0 for x, y in zip(a, b)))
    return result


def _merge_all(shapes: Shapes, others: Sequence[PartialShape], name: str) -> Shapes:
    return [merge(shape, None if other is None else tuple(other), f"{name} {i}") for i, (shape, other) in enumerate(zip(shapes, others))]


def complete(op: Any, attrs: Any, ins: Shapes, outs: Shapes) -> tuple[Shapes, Shapes]:
    """Rule of operators whose number of axes or sizes cannot be told before all extents are known."""
    return forward(op, attrs, ins, outs) if all(known(shape) for shape in ins) else (ins, outs)


# ---- families --------------------------------------------------------------------------------------------------------


def unify(op: Any, attrs: Any, ins: Shapes, outs: Shapes) -> tuple[Shapes, Shapes]:
    """All inputs and outputs share one shape."""
    shape: PartialShape = None
    names = op.input_names(attrs)
    for name, other in zip((*names, *(f"output {i}" for i in range(len(outs)))), (*ins, *outs)):
        shape = merge(other, shape, name)
    return [shape] * len(ins), [shape] * len(outs)


def like_data(op: Any, attrs: Any, ins: Shapes, outs: Shapes) -> tuple[Shapes, Shapes]:
    """The first output has the shape of the first input; the rest follows the ordinary rules."""
    shape = merge(outs[0], ins[0], "output 0")
    return forward(op, attrs, [shape, *ins[1:]], [shape, *outs[1:]])


def given_shape(op: Any, attrs: Any, ins: Shapes, outs: Shapes) -> tuple[Shapes, Shapes]:
    """The parameter ``shape`` is the result's; extents that it leaves at 0 or -1 follow from the users of the result."""
    shape = attrs.shape and tuple(max(extent, 0) for extent in attrs.shape)
    return ins, [merge(outs[0], shape or None, "the result"), *outs[1:]]


def open_range(attrs: Any) -> bool:
    """Whether the users of a range say how long it is."""
    return attrs.infer_range and attrs.stop is None


def given_length(op: Any, attrs: Any, ins: Shapes, outs: Shapes) -> tuple[Shapes, Shapes]:
    """A range is as long as its parameters say, or as its users need it."""
    return (ins, [merge(outs[0], (0,), "the range")]) if open_range(attrs) else forward(op, attrs, ins, outs)


def settled(op: Any, attrs: Any, shape: tuple[int, ...]) -> Any:
    """Return the parameters of a call without inputs, with what the users of its result decided about the shape."""
    if op.infer_partial is given_shape and attrs.shape is not None and attrs.shape != shape:
        return attrs.with_(shape=shape)
    if op.infer_partial is given_length and open_range(attrs):
        count, rest = divmod(shape[0], attrs.repeat)
        if rest:
            raise ValueError(f"a range of {shape[0]} numbers cannot repeat each {attrs.repeat} times")
        return attrs.with_(stop=attrs.start + attrs.step * (count - 0.5))  # half a step before the end: rounding does no harm
    return attrs


def broadcast(op: Any, attrs: Any, ins: Shapes, outs: Shapes) -> tuple[Shapes, Shapes]:
    """The output is as large as its inputs broadcast against each other."""
    if any(shape is None for shape in ins):
        return ins, outs
    rank = max(len(shape) for shape in ins)
    result = []
    for sizes in zip(*((1,) * (rank - len(shape)) + shape for shape in ins)):
        large = {size for size in sizes if size > 1}
        if len(large) > 1:
            raise ValueError("operands could not be broadcast together")
        result.append(large.pop() if large else 0 if 0 in sizes else 1)
    return ins, [merge(outs[0], tuple(result), "output 0")]


def reshape(op: Any, attrs: Any, ins: Shapes, outs: Shapes) -> tuple[Shapes, Shapes]:
    """Elements stay: sizes of data and result agree, so that one unknown extent follows from the rest."""
    codes = attrs.shape
    if codes and all(code > 0 for code in codes):
        outs = [merge(outs[0], codes, "output 0")]
    elif codes and codes[0] == 0 and not attrs.reverse and ins[0] and outs[0]:
        ins = [merge(ins[0], (outs[0][0], *unknown(len(ins[0]) - 1)), "data")]
    return same_size(op, attrs, ins, outs)


def same_size(op: Any, attrs: Any, ins: Shapes, outs: Shapes) -> tuple[Shapes, Shapes]:
    """Data and result have as many elements as each other."""
    ins, outs = forward(op, attrs, ins, outs)
    for left, right in ((ins, outs), (outs, ins)):
        shape = left[0]
        if known(right[0]) and shape is not None and shape.count(0) == 1:
            size, rest = prod(right[0] or ()), prod(extent for extent in shape if extent)
            if size % rest:
                raise ValueError(f"an array of shape {shape} cannot hold the {size} elements of shape {right[0]}")
            left[0] = tuple(extent or size // rest for extent in shape)
    return forward(op, attrs, ins, outs)


def flatten(op: Any, attrs: Any, ins: Shapes, outs: Shapes) -> tuple[Shapes, Shapes]:
    """Flatten keeps the first axis."""
    if ins[0] and outs[0]:
        ins = [merge(ins[0], (outs[0][0], *unknown(len(ins[0]) - 1)), "data")]
    return same_size(op, attrs, ins, outs)


def reshape_like(op: Any, attrs: Any, ins: Shapes, outs: Shapes) -> tuple[Shapes, Shapes]:
    """The result has the shape of ``rhs``, unless only some of its axes are taken."""
    if attrs.lhs_begin is None and attrs.lhs_end is None and attrs.rhs_begin is None and attrs.rhs_end is None:
        shape = merge(ins[1], outs[0], "rhs")
        ins, outs = [ins[0], shape], [shape]
    return forward(op, attrs, ins, outs)


def expand_dims(op: Any, attrs: Any, ins: Shapes, outs: Shapes) -> tuple[Shapes, Shapes]:
    """The result without its new axis is the data."""
    shape = outs[0]
    if shape:
        axis = rules.normalize_axis(attrs.axis, len(shape))
        ins = [merge(ins[0], (*shape[:axis], *shape[axis + 1 :]), "data")]
    return forward(op, attrs, ins, outs)


def transpose(op: Any, attrs: Any, ins: Shapes, outs: Shapes) -> tuple[Shapes, Shapes]:
    """Axes change places."""
    shape = outs[0]
    if shape is not None:
        rank = len(shape)
        axes = [axis % rank for axis in attrs.axes] if attrs.axes else list(reversed(range(rank)))
        if sorted(axes) == list(range(rank)):
            ins = [merge(ins[0], tuple(shape[axes.index(axis)] for axis in range(rank)), "data")]
    return forward(op, attrs, ins, outs)


def swap_axes(op: Any, attrs: Any, ins: Shapes, outs: Shapes) -> tuple[Shapes, Shapes]:
    """Swapping is its own inverse."""
    if outs[0] is not None:
        ins = [merge(ins[0], tuple(op.shape(attrs, outs)[0]), "data")]
    return forward(op, attrs, ins, outs)


def keep_unknown(op: Any, attrs: Any, ins: Shapes, outs: Shapes) -> tuple[Shapes, Shapes]:
    """Rule of slices: what is cut from an axis of unknown size is unknown."""
    if ins[0] is None or known(ins[0]):
        return forward(op, attrs, ins, outs)
    ins, found = forward(op, attrs, ins, [None] * len(outs))
    if found[0] is None:
        return ins, outs
    return ins, [merge(outs[0], tuple(b if a else 0 for a, b in zip(ins[0], found[0])), "output 0")]


def concat(op: Any, attrs: Any, ins: Shapes, outs: Shapes) -> tuple[Shapes, Shapes]:
    """All axes but one are shared; along that one, sizes add up."""
    pattern = next((shape for shape in (*ins, *outs) if shape is not None), None)
    if pattern is None:
        return ins, outs
    axis = rules.normalize_axis(attrs.dim, len(pattern), "dim")
    shared: PartialShape = unknown(len(pattern))
    for i, shape in enumerate((*ins, *outs)):
        if shape is not None:
            shared = merge((*shape[:axis], 0, *shape[axis + 1 :]), shared, f"input {i}" if i < len(ins) else "the result")
    ins = [merge(shape, shared) for shape in ins]
    total = merge(outs[0], shared)[axis]
    sizes = [shape[axis] for shape in ins]
    if total and sizes.count(0) == 1 and total > sum(sizes):
        sizes[sizes.index(0)] = total - sum(sizes)
    elif 0 not in sizes:
        total = sum(sizes)
    sized = [merge(shape, _with(shared, axis, size)) for shape, size in zip(ins, sizes)]
    return sized, [merge(outs[0], _with(shared, axis, total), "the result")]


def stack(op: Any, attrs: Any, ins: Shapes, outs: Shapes) -> tuple[Shapes, Shapes]:
    """All inputs share one shape: the result's without the new axis."""
    shape: PartialShape = None
    for i, other in enumerate(ins):
        shape = merge(other, shape, f"input {i}")
    if outs[0]:
        axis = rules.normalize_axis(attrs.axis, len(outs[0]))
        shape = merge(shape, (*outs[0][:axis], *outs[0][axis + 1 :]), "input 0")
    return forward(op, attrs, [shape] * len(ins), outs)


def split(op: Any, attrs: Any, ins: Shapes, outs: Shapes) -> tuple[Shapes, Shapes]:
    """Equal parts along one axis."""
    part: PartialShape = None
    for i, shape in enumerate(outs):
        part = merge(shape, part, f"output {i}")
    if part is not None:
        axis = rules.normalize_axis(attrs.axis, len(part) + attrs.squeeze_axis)
        if attrs.squeeze_axis:
            whole = (*part[:axis], len(outs), *part[axis:])
        else:
            whole = _with(part, axis, part[axis] * len(outs))
        ins = [merge(ins[0], whole, "data")]
    return forward(op, attrs, ins, [part] * len(outs))


def where(op: Any, attrs: Any, ins: Shapes, outs: Shapes) -> tuple[Shapes, Shapes]:
    """Both choices have the result's shape; the condition may be a vector."""
    shape = merge(merge(ins[1], ins[2], "x"), outs[0], "output 0")
    return forward(op, attrs, [ins[0], shape, shape], [shape])


def _with(shape: tuple[int, ...], axis: int, size: int) -> tuple[int, ...]:
    return (*shape[:axis], size, *shape[axis + 1 :])


#: Partial rules of operators whose declaration does not name one, by their shape rule.
COMPANIONS: dict[Any, Rule] = {
    rules.same_shape: unify,
    rules.first_shape: like_data,
    rules.attr_shape: given_shape,
    rules.broadcast_shapes: broadcast,
}


# ---- dtypes ------------------------------------------------------------------------------------------------------------

Dtypes = list[np.dtype | None]


def merge_dtype(dtype: np.dtype | None, other: np.dtype | None, name: str) -> np.dtype | None:
    """Return the one of two that is known; raise ValueError where they disagree."""
    if dtype is None or other is None or dtype == other:
        return other if dtype is None else dtype
    raise ValueError(f"{name} has dtype {dtype}, expected {other}")


def refine_dtypes(op: Any, attrs: Any, ins: Dtypes, outs: Dtypes) -> tuple[Dtypes, Dtypes]:
    """Return the dtypes of a call's inputs and outputs with all that follows from the known ones.

    The ordinary rule is asked which dtypes of the unknown inputs it accepts; what all of these have in common holds.
    """
    # NumPy's float64 equals None, so that `None in` does not tell.
    if _open(ins) and op.infer_dtypes is not None:
        names = op.input_names(attrs)
        ins = [merge_dtype(a, b, name) for name, a, b in zip(names, ins, op.infer_dtypes(attrs, ins))]
    if _open(ins):
        ins, outs = _common(op, attrs, ins, outs)
    if _open(ins):
        return ins, outs
    found = op.dtype(attrs, ins)
    return ins, [merge_dtype(a, b, f"output {i}") for i, (a, b) in enumerate(zip(outs, found))]


def _open(dtypes: Dtypes) -> bool:
    return any(dtype is None for dtype in dtypes)


def _common(op: Any, attrs: Any, ins: Dtypes, outs: Dtypes) -> tuple[Dtypes, Dtypes]:
    """Fill in the dtypes that all accepted choices of the unknown ones have in common."""
    missing = [i for i, dtype in enumerate(ins) if dtype is None]
    few = len(missing) <= 2
    # Where there are too many to try all choices, arrays about which nothing is known have one dtype, as in MXNet.
    choices: Any = product(_DTYPES, repeat=len(missing)) if few else ((dtype,) * len(missing) for dtype in _DTYPES)
    accepted = []
    for choice in choices:
        full = list(ins)
        for i, dtype in zip(missing, choice):
            full[i] = dtype
        if not few and op.infer_dtypes is not None:
            full = list(op.infer_dtypes(attrs, [full[0], *ins[1:]]))
        found = _outputs(op, attrs, full)
        if found is not None and all(out is None or out == dtype for out, dtype in zip(outs, found)):
            accepted.append((full, found))
    if not accepted:
        if few:
            # No choice fits, so what is known is contradictory: let the rule say how.
            first = next((dtype for dtype in (*ins, *outs) if dtype is not None), _DTYPES[0])
            found = op.dtype(attrs, [first if dtype is None else dtype for dtype in ins])
            raise ValueError(f"the outputs have dtypes {outs}, but {found} follows from the inputs")
        return ins, outs
    ins = _shared([full for full, _ in accepted])
    return ins, _shared([found for _, found in accepted]) if few else outs


def _shared(choices: Sequence[Dtypes]) -> Dtypes:
    return [dtypes[0] if all(other == dtypes[0] for other in dtypes) else None for dtypes in zip(*choices)]


def _outputs(op: Any, attrs: Any, ins: Dtypes) -> Dtypes | None:
    if _open(ins):
        return None
    try:
        return list(op.dtype(attrs, ins))
    except (ValueError, IndexError, TypeError):
        return None
