"""Operators that change an array's shape or the order of its axes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from . import partial, rules
from .copies import Plan, View, kernels, same_elements
from .functions import F
from .registry import Axis, Bool, Int, Shape, operator, zero_gradient
from .rules import normalize_axis

Shapes = Sequence[tuple[int, ...]]

# ---- reshape -----------------------------------------------------------------------------------------------------------


def _read_codes(codes: Sequence[int], shape: Sequence[int]) -> tuple[list[int], int | None]:
    """Apply MXNet's codes left to right; return the new shape and the place of the one that is to be inferred."""
    result: list[int] = []
    unknown = None
    at = 0  # the next axis of `shape` that the codes have not consumed

    def take() -> int:
        nonlocal at
        if at >= len(shape):
            raise ValueError(f"shape={tuple(codes)} uses more than the {len(shape)} dimensions there are")
        at += 1
        return shape[at - 1]

    position = 0
    while position < len(codes):
        code = codes[position]
        position += 1
        if code > 0:
            result.append(code)
            at += 1
        elif code == 0:
            result.append(take())
        elif code == -1:
            if unknown is not None:
                raise ValueError(f"shape={tuple(codes)} has more than one -1")
            unknown = len(result)
            result.append(1)
            at += 1
        elif code == -2:
            result.extend(shape[at:])
            at = len(shape)
        elif code == -3:
            result.append(take() * take())
        elif code == -4:
            size = take()
            if position + 2 > len(codes):
                raise ValueError(f"shape={tuple(codes)}: -4 needs the two sizes it splits into")
            result.extend(_split_sizes(size, codes[position], codes[position + 1]))
            position += 2
        else:
            raise ValueError(f"shape={tuple(codes)}: {code} is not a size or one of the codes 0, -1, -2, -3, -4")
    return result, unknown


def _split_sizes(size: int, first: int, second: int) -> tuple[int, int]:
    if first == -1 and second > 0 and size % second == 0:
        first = size // second
    elif second == -1 and first > 0 and size % first == 0:
        second = size // first
    if first < 0 or second < 0 or first * second != size:
        raise ValueError(f"-4 cannot split a dimension of size {size} into {first} and {second}")
    return first, second


def reshaped(shape: Sequence[int], codes: Sequence[int], reverse: bool = False) -> tuple[int, ...]:
    """Return the shape that Reshape's special codes describe.

    >>> reshaped((2, 3, 4), (-1, 0), reverse=True), reshaped((2, 3, 4), (0, -4, -1, 3, -2))
    ((6, 4), (2, 1, 3, 4))
    """
    size = prod(shape)
    result, unknown = _read_codes(*((codes[::-1], shape[::-1]) if reverse else (codes, shape)))
    if unknown is not None:
        known = prod(result)
        if known == 0 or size % known:
            raise ValueError(f"cannot reshape an array of size {size} into shape {tuple(codes)}")
        result[unknown] = size // known
    if prod(result) != size:
        raise ValueError(f"cannot reshape an array of shape {tuple(shape)} (size {size}) into shape {tuple(codes)}")
    return tuple(result[::-1] if reverse else result)


def _target_shape(shape: Sequence[int], target: Sequence[int], keep_highest: bool) -> tuple[int, ...]:
    """Return the shape for the old parameters: a 0 stands for what is left over."""
    result = list(target)
    if keep_highest:
        result[0] = shape[0]
    unknown = [i for i, size in enumerate(result) if size == 0 and not (keep_highest and i == 0)]
    if len(unknown) > 1:
        raise ValueError(f"target_shape={tuple(target)} has more than one 0")
    if unknown:
        known = prod(size for i, size in enumerate(result) if i != unknown[0])
        result[unknown[0]] = prod(shape) // known if known else 0
    if prod(result) != prod(shape):
        raise ValueError(f"cannot reshape an array of shape {tuple(shape)} into target_shape {tuple(target)}")
    return tuple(result)


def _reshape_shape(attrs: Any, shapes: Shapes) -> list:
    if attrs.shape:
        return [reshaped(shapes[0], attrs.shape, attrs.reverse)]
    if attrs.target_shape:
        return [_target_shape(shapes[0], attrs.target_shape, attrs.keep_highest)]
    if prod(shapes[0]) == 1:
        return [()]
    raise ValueError(f"shape=() cannot hold the {prod(shapes[0])} elements of data; give a shape")


def _like_input(ctx: Any, out_grad: Any) -> list:
    return [F.reshape_like(out_grad, ctx.inputs[0])]


operator(
    "Reshape",
    aliases=("reshape",),
    params=(
        Shape("shape", (), doc="New shape; 0 keeps, -1 infers, -2 keeps the rest, -3 joins two, -4 splits one."),
        Bool("reverse", False, doc="Apply the codes from the last axis to the first."),
        Shape("target_shape", (), doc="Old form of shape, in which a 0 is inferred."),
        Bool("keep_highest", False, doc="With target_shape: keep the first dimension."),
    ),
    shape=_reshape_shape,
    infer_partial=partial.reshape,
    gradient=_like_input,
    saves="i",
    inplace=((0, 0),),
    view=True,
    **kernels(same_elements),
    doc="""Give an array another shape, elements in the same order.

    Special codes in ``shape``: ``0`` copies this dimension from the input, ``-1`` is inferred from the others, ``-2``
    copies all remaining dimensions, ``-3`` takes the product of two dimensions, ``-4`` splits one dimension into the
    two that follow (one of which may be -1). With ``reverse`` the codes are read from right to left.
    """,
    examples="""
    >>> import weft as mx
    >>> mx.nd.reshape(mx.nd.zeros((2, 3, 4)), shape=(-3, 0)).shape
    (6, 4)
    """,
)


operator(
    "Flatten",
    aliases=("flatten", "_npx_batch_flatten"),
    shape=lambda attrs, shapes: [(shapes[0][0], prod(shapes[0][1:]))],
    infer_partial=partial.flatten,
    gradient=_like_input,
    saves="i",
    inplace=((0, 0),),
    view=True,
    **kernels(same_elements),
    doc="""Join all axes but the first: (d1, d2, ..., dk) becomes (d1, d2*...*dk).""",
)


def _part(shape: Sequence[int], begin: int | None, end: int | None, name: str) -> tuple[int, int]:
    first = 0 if begin is None else begin + len(shape) if begin < 0 else begin
    last = len(shape) if end is None else end + len(shape) if end < 0 else end
    if not 0 <= first <= len(shape) or not first <= last <= len(shape):
        raise ValueError(f"{name}_begin={begin}, {name}_end={end} do not fit {len(shape)} dimensions")
    return first, last


def _reshape_like_shape(attrs: Any, shapes: Shapes) -> list:
    lhs, rhs = shapes
    if attrs.lhs_begin is None and attrs.lhs_end is None and attrs.rhs_begin is None and attrs.rhs_end is None:
        result = tuple(rhs)
    else:
        left = _part(lhs, attrs.lhs_begin, attrs.lhs_end, "lhs")
        right = _part(rhs, attrs.rhs_begin, attrs.rhs_end, "rhs")
        result = (*lhs[: left[0]], *rhs[right[0] : right[1]], *lhs[left[1] :])
    if prod(result) != prod(lhs):
        raise ValueError(f"cannot reshape lhs with shape {tuple(lhs)} to {result}: the sizes differ")
    return [result]


operator(
    "reshape_like",
    aliases=("_npx_reshape_like",),
    inputs=("lhs", "rhs"),
    params=(
        Int("lhs_begin", None, doc="First axis of lhs to replace; negative counts from the end."),
        Int("lhs_end", None, doc="Axis of lhs after the last to replace."),
        Int("rhs_begin", None, doc="First axis of rhs to take the sizes from."),
        Int("rhs_end", None, doc="Axis of rhs after the last to take."),
    ),
    shape=_reshape_like_shape,
    infer_partial=partial.reshape_like,
    dtype=rules.first_dtype,
    gradient=lambda ctx, out_grad: [F.reshape_like(out_grad, ctx.inputs[0]) if ctx.needs[0] else None, None],
    saves="i",
    inplace=((0, 0),),
    view=True,
    unread=(1,),
    **kernels(same_elements),
    input_docs={"lhs": "Array to reshape.", "rhs": "Array whose shape is taken."},
    doc="""Give ``lhs`` the shape of ``rhs``, or replace some of its axes by some of those of ``rhs``.""",
)

# ---- axes of size 1 ----------------------------------------------------------------------------------------------------


def _expand_shape(attrs: Any, shapes: Shapes) -> list:
    ndim = len(shapes[0]) + 1
    if not -ndim <= attrs.axis < ndim:
        raise ValueError(f"axis={attrs.axis}: expected a place in [-{ndim}, {ndim - 1}]")
    axis = attrs.axis % ndim
    return [(*shapes[0][:axis], 1, *shapes[0][axis:])]


operator(
    "expand_dims",
    aliases=("_npi_expand_dims",),
    params=(Int("axis", doc="Where the new axis stands in the result; negative counts from the end."),),
    shape=_expand_shape,
    infer_partial=partial.expand_dims,
    gradient=_like_input,
    saves="i",
    inplace=((0, 0),),
    view=True,
    **kernels(same_elements),
    doc="""Insert an axis of size 1.""",
)


def _squeeze_shape(attrs: Any, shapes: Shapes) -> list:
    shape = shapes[0]
    if attrs.axis is None:
        return [tuple(size for size in shape if size != 1) or (1,)]
    axes = {normalize_axis(axis, len(shape)) for axis in attrs.axis}
    for axis in axes:
        if shape[axis] != 1:
            raise ValueError(f"axis={attrs.axis}: axis {axis} has size {shape[axis]}, only size 1 can be removed")
    return [tuple(size for i, size in enumerate(shape) if i not in axes) or (1,)]


operator(
    "squeeze",
    inputs=("data",),
    params=(Axis("axis", None, doc="Axes of size 1 to remove; all of them by default."),),
    shape=_squeeze_shape,
    infer_partial=partial.complete,
    gradient=_like_input,
    saves="i",
    inplace=((0, 0),),
    view=True,
    **kernels(same_elements),
    doc="""Remove axes of size 1. When all axes have size 1, one of them stays.""",
)

# ---- order of axes and elements ----------------------------------------------------------------------------------------


def _transpose_axes(axes: Sequence[int], ndim: int) -> tuple[int, ...]:
    if not axes:
        return tuple(reversed(range(ndim)))
    result = tuple(normalize_axis(axis, ndim, "axes") for axis in axes)
    if sorted(result) != list(range(ndim)):
        raise ValueError(f"axes={tuple(axes)} is not a permutation of the {ndim} axes of data")
    return result


def _transpose_shape(attrs: Any, shapes: Shapes) -> list:
    return [tuple(shapes[0][axis] for axis in _transpose_axes(attrs.axes, len(shapes[0])))]


def _transpose_plan(attrs: Any, ins: Shapes, outs: Shapes) -> Plan:
    return Plan([(View.of(0, ins[0]).permute(_transpose_axes(attrs.axes, len(ins[0]))), View.of(0, outs[0]))])


def _transpose_gradient(ctx: Any, out_grad: Any) -> list:
    axes = ctx.attrs.axes
    if any(axis < 0 for axis in axes):
        axes = tuple(axis % len(axes) for axis in axes)
    return [F.transpose(out_grad, axes=tuple(int(a) for a in np.argsort(axes)))]


operator(
    "transpose",
    params=(Shape("axes", (), doc="Where each axis of the result comes from; the reverse order by default."),),
    shape=_transpose_shape,
    infer_partial=partial.transpose,
    gradient=_transpose_gradient,
    saves="",
    **kernels(_transpose_plan),
    doc="""Reorder the axes of an array.""",
    examples="""
    >>> import weft as mx
    >>> mx.nd.transpose(mx.nd.zeros((2, 3, 4)), axes=(1, 0, 2)).shape
    (3, 2, 4)
    """,
)


def _swap(attrs: Any, items: Sequence[Any]) -> tuple:
    result = list(items)
    first, second = normalize_axis(attrs.dim1, len(items), "dim1"), normalize_axis(attrs.dim2, len(items), "dim2")
    result[first], result[second] = result[second], result[first]
    return tuple(result)


operator(
    "SwapAxis",
    aliases=("swapaxes", "_npi_swapaxes"),
    params=(Int("dim1", 0, doc="One axis."), Int("dim2", 0, doc="The axis it changes places with.")),
    shape=lambda attrs, shapes: [_swap(attrs, shapes[0])],
    infer_partial=partial.swap_axes,
    gradient=lambda ctx, out_grad: [F.SwapAxis(out_grad, dim1=ctx.attrs.dim1, dim2=ctx.attrs.dim2)],
    saves="",
    **kernels(lambda attrs, ins, outs: Plan([(View.of(0, ins[0]).permute(_swap(attrs, range(len(ins[0])))), View.of(0, outs[0]))])),
    doc="""Exchange two axes of an array.""",
)


def _reverse_shape(attrs: Any, shapes: Shapes) -> list:
    for axis in attrs.axis:
        normalize_axis(axis, len(shapes[0]))
    return [shapes[0]]


def _reverse_plan(attrs: Any, ins: Shapes, outs: Shapes) -> Plan:
    source = View.of(0, ins[0])
    if prod(ins[0]):
        for axis in attrs.axis:
            axis %= len(ins[0])
            source = source.cut(axis, ins[0][axis] - 1, ins[0][axis], -1)
    return Plan([(source, View.of(0, outs[0]))])


operator(
    "reverse",
    aliases=("flip",),
    params=(Shape("axis", doc="Axes along which the order is reversed."),),
    shape=_reverse_shape,
    infer_partial=partial.like_data,
    gradient=lambda ctx, out_grad: [F.reverse(out_grad, axis=ctx.attrs.axis)],
    saves="",
    **kernels(_reverse_plan),
    doc="""Reverse the order of the elements along the given axes.""",
)

# ---- blocks ------------------------------------------------------------------------------------------------------------


def _needs_elements(shape: tuple[int, ...]) -> None:
    if 0 in shape[1:]:
        raise ValueError(f"data has shape {shape}: there are no blocks to move")


def _depth_to_space_shape(attrs: Any, shapes: Shapes) -> list:
    if len(shapes[0]) != 4:
        raise ValueError(f"data has {len(shapes[0])} dimensions, expected 4")
    n, c, h, w = shapes[0]
    b = attrs.block_size
    if not c or c % (b * b):
        raise ValueError(f"block_size={b}: the {c} channels of data are no multiple of its square")
    _needs_elements(shapes[0])
    return [(n, c // (b * b), h * b, w * b)]


def _space_to_depth_shape(attrs: Any, shapes: Shapes) -> list:
    if len(shapes[0]) != 4:
        raise ValueError(f"data has {len(shapes[0])} dimensions, expected 4")
    n, c, h, w = shapes[0]
    b = attrs.block_size
    if h % b or w % b:
        raise ValueError(f"block_size={b}: height {h} and width {w} of data must be multiples of it")
    _needs_elements(shapes[0])
    return [(n, c * b * b, h // b, w // b)]


def _depth_to_space_plan(attrs: Any, ins: Shapes, outs: Shapes) -> Plan:
    b = attrs.block_size
    source = View.of(0, ins[0]).divide(1, (b, b, ins[0][1] // (b * b)))
    return Plan([(source.permute((0, 3, 4, 1, 5, 2)), View.of(0, outs[0]).divide(2, (ins[0][2], b)).divide(4, (ins[0][3], b)))])


def _space_to_depth_plan(attrs: Any, ins: Shapes, outs: Shapes) -> Plan:
    b = attrs.block_size
    source = View.of(0, ins[0]).divide(2, (ins[0][2] // b, b)).divide(4, (ins[0][3] // b, b))
    return Plan([(source.permute((0, 3, 5, 1, 2, 4)), View.of(0, outs[0]).divide(1, (b, b, ins[0][1])))])


operator(
    "depth_to_space",
    params=(Int("block_size", low=1, doc="Side of the square that each pixel becomes."),),
    shape=_depth_to_space_shape,
    gradient=lambda ctx, out_grad: [F.space_to_depth(out_grad, block_size=ctx.attrs.block_size)],
    saves="",
    **kernels(_depth_to_space_plan),
    doc="""Move channels into blocks of pixels: (n, c, h, w) becomes (n, c/b**2, h*b, w*b).""",
)

operator(
    "space_to_depth",
    params=(Int("block_size", low=1, doc="Side of the square that becomes one pixel."),),
    shape=_space_to_depth_shape,
    gradient=lambda ctx, out_grad: [F.depth_to_space(out_grad, block_size=ctx.attrs.block_size)],
    saves="",
    **kernels(_space_to_depth_plan),
    doc="""Move blocks of pixels into channels: (n, c, h, w) becomes (n, c*b**2, h/b, w/b).""",
)

# ---- shape as data -----------------------------------------------------------------------------------------------------


def _shape_array(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
    outs[0][:] = ins[0].shape


def _size_array(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
    outs[0][:] = ins[0].size


operator(
    "shape_array",
    aliases=("_npx_shape_array",),
    shape=lambda attrs, shapes: [(len(shapes[0]),)],
    dtype=rules.fixed_dtype("int64"),
    gradient=zero_gradient,
    unread=(0,),
    numpy=_shape_array,
    doc="""Return the shape of an array as a one-dimensional int64 array.""",
)

operator(
    "size_array",
    shape=rules.scalar_shape,
    dtype=rules.fixed_dtype("int64"),
    gradient=zero_gradient,
    unread=(0,),
    numpy=_size_array,
    doc="""Return the number of elements of an array as an int64 array of shape (1,).""",
)
