"""Operators that cut arrays up and put them together: slices, splits, concatenation, tiling, padding, diagonals."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from . import partial, rules
from .copies import Plan, View, kernels, native
from .functions import F
from .registry import Bool, Enum, Float, Int, Shape, operator
from .rules import normalize_axis

Shapes = Sequence[tuple[int, ...]]


class Cut(NamedTuple):
    """Part of one axis: ``count`` entries from ``begin`` on, ``step`` apart."""

    axis: int
    begin: int
    count: int
    step: int = 1


Cutter = Callable[[Any, Shapes], Sequence[Cut]]


def _cut_shape(shape: Sequence[int], cuts: Sequence[Cut]) -> tuple[int, ...]:
    result = list(shape)
    for cut in cuts:
        result[cut.axis] = cut.count
    return tuple(result)


def _window(array: int, shape: Sequence[int], cuts: Sequence[Cut]) -> View:
    view = View.of(array, shape)
    for cut in cuts:
        view = view.cut(cut.axis, cut.begin, cut.count, cut.step)
    return view


def _first_like_data(attrs: Any, shapes: Shapes) -> list:
    return [shapes[1]]


def _declare_cut(name: str, cutter: Cutter, *, inputs: Sequence[str] = ("data",), params: Sequence[Any], **more: Any) -> None:
    """Declare an operator that keeps a part of its first input, and the operator for its gradient."""
    backward = f"_backward_{name}"
    kept = {param.name for param in params}

    def gradient(ctx: Any, out_grad: Any) -> list:
        values = {key: value for key, value in ctx.attrs.to_dict().items() if key in kept}
        result = getattr(F, backward)(out_grad, *ctx.inputs, **values)
        return [result] + [None] * (len(ctx.inputs) - 1)

    def second_gradient(ctx: Any, out_grad: Any) -> list:
        values = {key: value for key, value in ctx.attrs.to_dict().items() if key in kept}
        return [getattr(F, name)(out_grad, *ctx.inputs[2:], **values)] + [None] * (len(ctx.inputs) - 1)

    operator(
        name,
        inputs=inputs,
        params=params,
        shape=lambda attrs, shapes: [_cut_shape(shapes[0], cutter(attrs, shapes))],
        infer_partial=partial.keep_unknown,
        dtype=rules.first_dtype,
        gradient=gradient,
        saves="i",
        **kernels(lambda attrs, ins, outs: Plan([(_window(0, ins[0], cutter(attrs, ins)), View.of(0, outs[0]))])),
        **more,
    )
    variadic = inputs[0].startswith("*")
    options = {}
    if "active_inputs" in more:
        options["active_inputs"] = lambda attrs: ("out_grad", *more["active_inputs"](attrs))
    operator(
        backward,
        inputs=("*out_grad_and_data",) if variadic else ("out_grad", *inputs),
        params=params,
        shape=_first_like_data,
        dtype=rules.first_dtype,
        gradient=second_gradient,
        saves="i",
        unread=range(1, 3),
        **options,
        **kernels(lambda attrs, ins, outs: Plan([(View.of(0, ins[0]), _window(0, outs[0], cutter(attrs, ins[1:])))], zero=(0,))),
        doc=f"""Gradient of {name}: zeros outside the part that was kept.""",
    )


# ---- slices ------------------------------------------------------------------------------------------------------------

_SLICE_PARAMS = (
    Shape("begin", items_none=True, doc="First index for each of the leading axes; None for the natural start."),
    Shape("end", items_none=True, doc="Index after the last one; None for the natural end."),
    Shape("step", (), items_none=True, doc="Distance between indices; negative to go backwards."),
)


def _slice_cuts(attrs: Any, shapes: Shapes) -> list[Cut]:
    shape, begin, end, step = shapes[0], attrs.begin, attrs.end, attrs.step
    if len(begin) != len(end):
        raise ValueError(f"begin={begin} and end={end} must have the same length")
    if step and len(step) != len(begin):
        raise ValueError(f"step={step} and begin={begin} must have the same length")
    if len(begin) > len(shape):
        raise ValueError(f"begin={begin} has more entries than data has dimensions ({len(shape)})")
    cuts = []
    for axis, (first, last) in enumerate(zip(begin, end)):
        stride = step[axis] if step else None
        if stride == 0:
            raise ValueError(f"step={step}: step[{axis}] cannot be 0")
        part = range(*slice(first, last, stride).indices(shape[axis]))
        cuts.append(Cut(axis, part.start if len(part) else 0, len(part), part.step))
    return cuts


_declare_cut(
    "slice",
    _slice_cuts,
    params=_SLICE_PARAMS,
    aliases=("crop", "_npi_slice", "_npx_slice", "_sparse_slice"),
    doc="""Cut a block out of an array, as ``data[begin[0]:end[0]:step[0], begin[1]:end[1]:step[1], ...]`` does.""",
    examples="""
    >>> import weft as mx
    >>> mx.nd.slice(mx.nd.arange(6), begin=(4,), end=(None,), step=(-2,)).asnumpy()
    array([4., 2., 0.], dtype=float32)
    """,
)


def _slice_axis_cuts(attrs: Any, shapes: Shapes) -> list[Cut]:
    shape = shapes[0]
    axis = normalize_axis(attrs.axis, len(shape))
    size = shape[axis]
    begin = attrs.begin + size if attrs.begin < 0 else attrs.begin
    end = size if attrs.end is None else attrs.end + size if attrs.end < 0 else attrs.end
    if not 0 <= begin <= end <= size:
        raise ValueError(f"begin={attrs.begin}, end={attrs.end} do not name a part of axis {axis}, which has size {size}")
    return [Cut(axis, begin, end - begin)]


_declare_cut(
    "slice_axis",
    _slice_axis_cuts,
    params=(
        Int("axis", doc="Axis to cut; negative counts from the end."),
        Int("begin", doc="First index; negative counts from the end."),
        Int("end", none=True, doc="Index after the last one, or None for the end of the axis."),
    ),
    doc="""Keep a range of one axis.""",
)


def _slice_like_cuts(attrs: Any, shapes: Shapes) -> list[Cut]:
    shape, like = shapes[0], shapes[1]
    if not attrs.axes and len(shape) != len(like):
        raise ValueError(f"data has {len(shape)} dimensions and shape_like {len(like)}; they must agree when axes is not given")
    # Negative axes count from the end of data, for both arrays.
    axes = [normalize_axis(axis, len(shape), "axes") for axis in attrs.axes] or range(len(shape))
    for axis in axes:
        if axis >= len(like):
            raise ValueError(f"axes={attrs.axes}: shape_like has no axis {axis}")
        if like[axis] > shape[axis]:
            raise ValueError(f"axis {axis} of data has size {shape[axis]}, less than the {like[axis]} of shape_like")
    return [Cut(axis, 0, like[axis]) for axis in axes]


_declare_cut(
    "slice_like",
    _slice_like_cuts,
    inputs=("data", "shape_like"),
    params=(Shape("axes", (), doc="Axes to cut; all of them by default."),),
    input_docs={"shape_like": "Array whose sizes are taken."},
    doc="""Cut the end of each axis off, so that the sizes become those of another array.""",
)


def _crop_cuts(attrs: Any, shapes: Shapes) -> list[Cut]:
    shape = shapes[0]
    if len(shape) != 4:
        raise ValueError(f"data has {len(shape)} dimensions, expected 4 (batch, channel, height, width)")
    height, width = shapes[1][2:4] if len(shapes) > 1 else attrs.h_w
    if height > shape[2] or width > shape[3]:
        raise ValueError(f"h_w={(height, width)} is larger than the height and width of data, {shape[2:]}")
    top, left = ((shape[2] - height) // 2, (shape[3] - width) // 2) if attrs.center_crop else attrs.offset
    if top + height > shape[2] or left + width > shape[3]:
        raise ValueError(f"offset={attrs.offset} with size {(height, width)} reaches beyond data, {shape[2:]}")
    return [Cut(2, top, height), Cut(3, left, width)]


_declare_cut(
    "Crop",
    _crop_cuts,
    inputs=("*data",),
    params=(
        Shape("offset", (0, 0), length=2, low=0, doc="Top and left edge of the part that is kept."),
        Shape("h_w", (0, 0), length=2, low=0, doc="Height and width to keep, when there is no second input."),
        Bool("center_crop", False, doc="Take the middle instead of offset."),
    ),
    doc="""Crop images (batch, channel, height, width) to ``h_w``, or to the height and width of a second array.""",
)


def _assign_plan(source: Callable[[tuple[int, ...]], View]) -> Callable[..., Plan]:
    def plan(attrs: Any, ins: Shapes, outs: Shapes) -> Plan:
        window = _window(0, outs[0], _slice_cuts(attrs, ins))
        return Plan([(View.of(0, ins[0]), View.of(0, outs[0])), (source(window.shape), window)])

    return plan


def _slice_assign_shape(attrs: Any, shapes: Shapes) -> list:
    part = _cut_shape(shapes[0], _slice_cuts(attrs, shapes))
    if tuple(shapes[1]) != part:
        raise ValueError(f"rhs has shape {tuple(shapes[1])}, expected {part}, the shape of the slice")
    return [shapes[0]]


def _slice_assign_scalar_shape(attrs: Any, shapes: Shapes) -> list:
    _slice_cuts(attrs, shapes)
    return [shapes[0]]


def _slice_of(ctx: Any) -> dict[str, Any]:
    return {"begin": ctx.attrs.begin, "end": ctx.attrs.end, "step": ctx.attrs.step}


operator(
    "_slice_assign",
    aliases=("_crop_assign", "_npi_slice_assign"),
    inputs=("lhs", "rhs"),
    params=_SLICE_PARAMS,
    shape=_slice_assign_shape,
    gradient=lambda ctx, out_grad: [
        F._slice_assign_scalar(out_grad, scalar=0.0, **_slice_of(ctx)) if ctx.needs[0] else None,
        F.slice(out_grad, **_slice_of(ctx)) if ctx.needs[1] else None,
    ],
    saves="",
    inplace=((0, 0),),
    **kernels(_assign_plan(lambda shape: View.of(1, shape))),
    doc="""Return ``lhs`` with ``rhs`` written into the slice.""",
)

operator(
    "_slice_assign_scalar",
    aliases=("_crop_assign_scalar", "_npi_slice_assign_scalar"),
    params=(Float("scalar", 0.0, dynamic=True, doc="Number to write."), *_SLICE_PARAMS),
    shape=_slice_assign_scalar_shape,
    infer_partial=partial.like_data,
    gradient=lambda ctx, out_grad: [F._slice_assign_scalar(out_grad, scalar=0.0, **_slice_of(ctx))],
    saves="",
    inplace=((0, 0),),
    **kernels(_assign_plan(View.scalar)),
    doc="""Return ``data`` with one number written into the slice.""",
)

# ---- joining -----------------------------------------------------------------------------------------------------------


def _concat_shape(attrs: Any, shapes: Shapes) -> list:
    if not shapes:
        raise ValueError("needs at least one input")
    axis = normalize_axis(attrs.dim, len(shapes[0]), "dim")
    for index, shape in enumerate(shapes):
        if len(shape) != len(shapes[0]) or any(a != b for i, (a, b) in enumerate(zip(shape, shapes[0])) if i != axis):
            raise ValueError(
                f"input {index} has shape {tuple(shape)}, which differs from input 0, {tuple(shapes[0])}, in more than axis {axis}"
            )
    return [(*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])]


def _joined(axis: int, whole: int, shape: Sequence[int], sizes: Sequence[int]) -> list[View]:
    """Return the windows that arrays of the given sizes take on array ``whole``, one after another along an axis."""
    views = []
    begin = 0
    for size in sizes:
        views.append(View.of(whole, shape).cut(axis, begin, size))
        begin += size
    return views


def _concat_plan(attrs: Any, ins: Shapes, outs: Shapes) -> Plan:
    axis = attrs.dim % len(outs[0])
    windows = _joined(axis, 0, outs[0], [shape[axis] for shape in ins])
    return Plan([(View.of(i, shape), window) for i, (shape, window) in enumerate(zip(ins, windows))])


def _concat_gradient(ctx: Any, out_grad: Any) -> list:
    result = F._backward_Concat(out_grad, *ctx.inputs, dim=ctx.attrs.dim)
    return list(result) if isinstance(result, (list, tuple)) else [result]


def _backward_concat_plan(attrs: Any, ins: Shapes, outs: Shapes) -> Plan:
    axis = attrs.dim % len(ins[0])
    windows = _joined(axis, 0, ins[0], [shape[axis] for shape in outs])
    return Plan([(window, View.of(i, shape)) for i, (shape, window) in enumerate(zip(outs, windows))])


for _name, _aliases, _dim, _more in (
    ("Concat", ("concat", "_sparse_concat"), 1, "Also known as concatenate with another default axis."),
    ("_rnn_param_concat", ("_npi_rnn_param_concat",), 1, "The parts are the parameters of a recurrent layer."),
):
    operator(
        _name,
        aliases=_aliases,
        inputs=("*data",),
        params=(
            Int("num_args", low=1, doc="Number of inputs; counted from the arguments."),
            Int("dim", _dim, doc="Axis along which the arrays follow each other; negative counts from the end."),
        ),
        shape=_concat_shape,
        infer_partial=partial.concat,
        gradient=_concat_gradient,
        saves="i",
        **kernels(_concat_plan),
        input_docs={"data": "Arrays of equal shape but for one axis."},
        doc=f"""Join arrays along an axis. {_more}""",
    )

operator(
    "_backward_Concat",
    inputs=("*out_grad_and_data",),
    params=(Int("dim", 1, doc="Axis of the concatenation."),),
    shape=lambda attrs, shapes: list(shapes[1:]),
    dtype=lambda attrs, dtypes: [dtypes[0]] * (len(dtypes) - 1),
    num_outputs=lambda attrs: attrs.num_args - 1,
    gradient=lambda ctx, *out_grads: [F.Concat(*out_grads, dim=ctx.attrs.dim)] + [None] * len(out_grads),
    saves="",
    unread=lambda attrs: range(1, attrs.num_args),
    **kernels(_backward_concat_plan),
    doc="""Gradient of Concat: the parts of the gradient that belong to each input.""",
)


def _stack_shape(attrs: Any, shapes: Shapes) -> list:
    shape = rules.same_shape(attrs, shapes)[0]
    axis = normalize_axis(attrs.axis, len(shape) + 1)
    return [(*shape[:axis], len(shapes), *shape[axis:])]


def _stack_plan(attrs: Any, ins: Shapes, outs: Shapes) -> Plan:
    axis = attrs.axis % len(outs[0])
    return Plan([(View.of(i, shape).repeat(axis, 1), View.of(0, outs[0]).cut(axis, i, 1)) for i, shape in enumerate(ins)])


def _as_list(result: Any) -> list:
    return list(result) if isinstance(result, (list, tuple)) else [result]


operator(
    "stack",
    inputs=("*data",),
    params=(
        Int("axis", 0, doc="Where the new axis stands in the result."),
        Int("num_args", low=1, doc="Number of inputs; counted from the arguments."),
    ),
    shape=_stack_shape,
    infer_partial=partial.stack,
    gradient=lambda ctx, out_grad: _as_list(
        F.SliceChannel(out_grad, num_outputs=ctx.attrs.num_args, axis=ctx.attrs.axis, squeeze_axis=True)
    ),
    saves="",
    **kernels(_stack_plan),
    input_docs={"data": "Arrays of equal shape."},
    doc="""Join arrays of equal shape along a new axis.""",
)

# ---- splitting ---------------------------------------------------------------------------------------------------------


def _without(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    return tuple(size for i, size in enumerate(shape) if i != axis) or (1,)


def _split_sizes(attrs: Any, shape: Sequence[int]) -> tuple[int, list[int]]:
    axis = normalize_axis(attrs.axis, len(shape))
    count = attrs.num_outputs
    if shape[axis] % count:
        raise ValueError(f"num_outputs={count} does not divide axis {axis} of data, which has size {shape[axis]}")
    if attrs.squeeze_axis and shape[axis] != count:
        raise ValueError(f"squeeze_axis=True needs parts of size 1, but num_outputs={count} and axis {axis} has size {shape[axis]}")
    return axis, [shape[axis] // count] * count


def _split_v2_sizes(attrs: Any, shape: Sequence[int]) -> tuple[int, list[int]]:
    axis = normalize_axis(attrs.axis, len(shape))
    size = shape[axis]
    if attrs.sections > 0:
        if size % attrs.sections:
            raise ValueError(f"sections={attrs.sections} does not divide axis {axis} of data, which has size {size}")
        sizes = [size // attrs.sections] * attrs.sections
    else:
        # MXNet stores the beginnings of the parts, a leading 0 included.
        ends = (*attrs.indices[1:], size)
        sizes = [end - begin for begin, end in zip(attrs.indices, ends)]
        if any(part < 0 for part in sizes) or any(begin < 0 for begin in attrs.indices):
            raise ValueError(f"indices={attrs.indices} must rise from 0 to the size of axis {axis}, {size}")
    if attrs.squeeze_axis and any(part != 1 for part in sizes):
        raise ValueError(f"squeeze_axis=True needs parts of size 1, got {sizes}")
    return axis, sizes


def _declare_split(name: str, sizes_of: Callable[..., tuple[int, list[int]]], count: Callable[[Any], int], **more: Any) -> None:
    def shape(attrs: Any, shapes: Shapes) -> list:
        axis, sizes = sizes_of(attrs, shapes[0])
        whole = [(*shapes[0][:axis], size, *shapes[0][axis + 1 :]) for size in sizes]
        return [_without(part, axis) for part in whole] if attrs.squeeze_axis else whole

    def plan(attrs: Any, ins: Shapes, outs: Shapes) -> Plan:
        axis, sizes = sizes_of(attrs, ins[0])
        windows = _joined(axis, 0, ins[0], sizes)
        return Plan([(window, View.of(i, window.shape)) for i, window in enumerate(windows)])

    def gradient(ctx: Any, *out_grads: Any) -> list:
        if ctx.attrs.squeeze_axis:
            return [F.stack(*out_grads, axis=ctx.attrs.axis)]
        return [F.Concat(*out_grads, dim=ctx.attrs.axis)]

    operator(
        name,
        shape=shape,
        dtype=rules.repeated(rules.first_dtype, count),
        num_outputs=count,
        gradient=gradient,
        saves="",
        **kernels(plan),
        **more,
    )


_declare_split(
    "SliceChannel",
    _split_sizes,
    lambda attrs: attrs.num_outputs,
    aliases=("split",),
    output_names=lambda attrs: [f"output{i}" for i in range(attrs.num_outputs)],  # numbered even where there is one
    infer_partial=partial.split,
    params=(
        Int("num_outputs", low=1, doc="Number of parts; it must divide the axis."),
        Int("axis", 1, doc="Axis to split; negative counts from the end."),
        Bool("squeeze_axis", False, doc="Remove the axis from the parts, which must then have size 1 there."),
    ),
    doc="""Split an array into equal parts along an axis.""",
)

_declare_split(
    "_split_v2",
    _split_v2_sizes,
    lambda attrs: attrs.sections if attrs.sections > 0 else len(attrs.indices),
    aliases=("_npi_split",),
    params=(
        Shape("indices", doc="Where each part begins, the leading 0 included."),
        Int("axis", 1, doc="Axis to split; negative counts from the end."),
        Bool("squeeze_axis", False, doc="Remove the axis from the parts, which must then have size 1 there."),
        Int("sections", 0, doc="Number of equal parts; when 0, indices is used."),
    ),
    doc="""Split an array at the given indices, or into equal parts.""",
)

# ---- repetition --------------------------------------------------------------------------------------------------------


def _tile_reps(attrs: Any, shape: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the array's shape and the repetitions, both padded with ones to the same length."""
    if any(count < 1 for count in attrs.reps):
        raise ValueError(f"reps={attrs.reps}: every entry must be at least 1")
    ndim = max(len(shape), len(attrs.reps))
    return [1] * (ndim - len(shape)) + list(shape), [1] * (ndim - len(attrs.reps)) + list(attrs.reps)


def _tile_shape(attrs: Any, shapes: Shapes) -> list:
    shape, reps = _tile_reps(attrs, shapes[0])
    return [tuple(size * count for size, count in zip(shape, reps))]


def _tile_plan(attrs: Any, ins: Shapes, outs: Shapes) -> Plan:
    shape, reps = _tile_reps(attrs, ins[0])
    source, target = View.of(0, shape), View.of(0, outs[0])
    for axis in reversed(range(len(shape))):
        source = source.repeat(axis, reps[axis])
        target = target.divide(axis, (reps[axis], shape[axis]))
    return Plan([(source, target)])


def _backward_tile(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
    shape, reps = _tile_reps(attrs, outs[0].shape)
    folded = ins[0].reshape([n for pair in zip(reps, shape) for n in pair])
    outs[0][...] = folded.sum(axis=tuple(range(0, 2 * len(shape), 2)), dtype=outs[0].dtype).reshape(outs[0].shape)


operator(
    "tile",
    aliases=("_npi_tile",),
    params=(Shape("reps", doc="Repetitions of each axis; axes are added in front when there are more."),),
    shape=_tile_shape,
    gradient=lambda ctx, out_grad: [F._backward_tile(out_grad, ctx.inputs[0], reps=ctx.attrs.reps)],
    saves="i",
    **kernels(_tile_plan),
    doc="""Repeat a whole array along each axis.""",
)

operator(
    "_backward_tile",
    inputs=("out_grad", "data"),
    params=(Shape("reps", doc="Repetitions of each axis."),),
    shape=_first_like_data,
    gradient=lambda ctx, out_grad: [F.tile(out_grad, reps=ctx.attrs.reps), None],
    unread=(1,),
    saves="",
    numpy=_backward_tile,
    doc="""Gradient of tile: the sum over the repetitions.""",
)

_REPEAT_PARAMS = (
    Int("repeats", low=0, doc="How often each element occurs."),
    Int("axis", None, doc="Axis along which elements are repeated; by default the array is flattened first."),
)


def _repeat_view(attrs: Any, shape: Sequence[int]) -> tuple[tuple[int, ...], int]:
    """Return the array's shape as repeat sees it, and the axis."""
    if attrs.axis is None:
        return (prod(shape),), 0
    return tuple(shape), normalize_axis(attrs.axis, len(shape))


def _repeat_shape(attrs: Any, shapes: Shapes) -> list:
    shape, axis = _repeat_view(attrs, shapes[0])
    if attrs.repeats == 0:
        return [(0,)]  # as MXNet: the other axes are lost
    return [(*shape[:axis], shape[axis] * attrs.repeats, *shape[axis + 1 :])]


def _repeat_plan(attrs: Any, ins: Shapes, outs: Shapes) -> Plan:
    if attrs.repeats == 0:
        return Plan([])
    shape, axis = _repeat_view(attrs, ins[0])
    source = View.of(0, shape).repeat(axis + 1, attrs.repeats)
    return Plan([(source, View.of(0, outs[0]).divide(axis, (shape[axis], attrs.repeats)))])


def _backward_repeat(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
    if attrs.repeats == 0:
        outs[0].fill(0)
        return
    shape, axis = _repeat_view(attrs, outs[0].shape)
    folded = ins[0].reshape((*shape[: axis + 1], attrs.repeats, *shape[axis + 1 :]))
    outs[0][...] = folded.sum(axis=axis + 1, dtype=outs[0].dtype).reshape(outs[0].shape)


def _repeat_values(attrs: Any) -> dict[str, Any]:
    return {"repeats": attrs.repeats} if attrs.axis is None else {"repeats": attrs.repeats, "axis": attrs.axis}


operator(
    "repeat",
    aliases=("_np_repeat",),
    params=_REPEAT_PARAMS,
    shape=_repeat_shape,
    gradient=lambda ctx, out_grad: [F._backward_repeat(out_grad, ctx.inputs[0], **_repeat_values(ctx.attrs))],
    saves="i",
    **kernels(_repeat_plan),
    doc="""Repeat each element of an array.""",
)

operator(
    "_backward_repeat",
    inputs=("out_grad", "data"),
    params=_REPEAT_PARAMS,
    shape=_first_like_data,
    gradient=lambda ctx, out_grad: [F.repeat(out_grad, **_repeat_values(ctx.attrs)), None],
    unread=(1,),
    saves="",
    numpy=_backward_repeat,
    doc="""Gradient of repeat: the sum over the repetitions.""",
)

# ---- padding -----------------------------------------------------------------------------------------------------------

_PAD_PARAMS = (
    Enum("mode", ("constant", "edge", "reflect"), doc="What is put around: a number, the edge value, the mirror image."),
    Shape("pad_width", low=0, doc="Width before and after each axis: (before_1, after_1, before_2, ...)."),
    Float("constant_value", 0.0, dynamic=True, doc="Number for mode constant."),
)


def _pad_pairs(attrs: Any) -> list[tuple[int, int]]:
    return list(zip(attrs.pad_width[::2], attrs.pad_width[1::2]))


def _pad_shape(attrs: Any, shapes: Shapes) -> list:
    shape, pairs = shapes[0], _pad_pairs(attrs)
    if len(shape) not in (4, 5):
        raise ValueError(f"data has {len(shape)} dimensions, expected 4 or 5")
    if len(attrs.pad_width) != 2 * len(shape):
        raise ValueError(f"pad_width={attrs.pad_width} needs {2 * len(shape)} entries, two for each axis of data")
    if pairs[0] != (0, 0) or pairs[1] != (0, 0):
        raise ValueError(f"pad_width={attrs.pad_width}: the first two axes (batch, channel) cannot be padded")
    for axis, (size, pair) in enumerate(zip(shape, pairs)):
        if attrs.mode == "reflect" and max(pair) >= max(size, 1):
            raise ValueError(f"pad_width={attrs.pad_width}: reflect needs widths below the size of axis {axis}, {size}")
        if attrs.mode == "edge" and max(pair) and not size:
            raise ValueError(f"axis {axis} has size 0: it has no edge to repeat")
    return [tuple(size + before + after for size, (before, after) in zip(shape, pairs))]


def _pad(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
    options = {"constant_values": attrs.constant_value} if attrs.mode == "constant" else {}
    outs[0][...] = np.pad(ins[0], _pad_pairs(attrs), attrs.mode, **options)


def _pad_part(mode: str, view: View, axis: int, side: int, width: int) -> View:
    """Return what is put before (side 0), in (1) or after (2) the data along an axis; ``width`` entries on the sides."""
    size = view.shape[axis]
    if side == 1:
        return view
    if mode == "reflect":
        return view.cut(axis, width if side == 0 else size - 2, width, -1)
    return view.cut(axis, 0 if side == 0 else size - 1, width, 0)


def _pad_plan(attrs: Any, ins: Shapes, outs: Shapes) -> Plan:
    """One copy for each part of the result: the sides and the middle of each axis, in all combinations."""
    whole = View.of(0, outs[0])
    cuts = [Cut(axis, before, size) for axis, ((before, _), size) in enumerate(zip(_pad_pairs(attrs), ins[0]))]
    if attrs.mode == "constant":
        return Plan([(View.scalar(outs[0]), whole), (View.of(0, ins[0]), _window(0, outs[0], cuts))])
    copies = []
    for sides in itertools.product((0, 1, 2), repeat=len(ins[0]) - 2):
        source, target = View.of(0, ins[0]), whole
        for axis, side in enumerate(sides, 2):
            before, after = _pad_pairs(attrs)[axis]
            size = ins[0][axis]
            begin, width = ((0, before), (before, size), (before + size, after))[side]
            source = _pad_part(attrs.mode, source, axis, side, width)
            target = target.cut(axis, begin, width)
        copies.append((source, target))
    return Plan(copies)


def _pad_gradient(ctx: Any, out_grad: Any) -> list:
    attrs = ctx.attrs
    return [F._backward_Pad(out_grad, mode=attrs.mode, pad_width=attrs.pad_width, constant_value=attrs.constant_value)]


def _unpadded(attrs: Any, shapes: Shapes) -> list:
    return [tuple(size - sum(pair) for size, pair in zip(shapes[0], _pad_pairs(attrs)))]


def _backward_pad(attrs: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> None:
    """Fold the margins of each axis back onto the elements they were copied from."""
    gradient = ins[0]
    for axis, (before, after) in enumerate(_pad_pairs(attrs)):
        gradient = np.moveaxis(gradient, axis, 0)
        size = gradient.shape[0] - before - after
        middle = gradient[before : before + size]
        if before or after:
            middle = middle.copy()
        if attrs.mode == "edge":
            if before:
                middle[0] += gradient[:before].sum(axis=0)
            if after:
                middle[-1] += gradient[before + size :].sum(axis=0)
        elif attrs.mode == "reflect":
            if before:
                middle[1 : before + 1] += gradient[:before][::-1]
            if after:
                middle[size - 1 - after : size - 1] += gradient[before + size :][::-1]
        gradient = np.moveaxis(middle, 0, axis)
    outs[0][...] = gradient


def _backward_pad_native(attrs: Any, in_specs: Any, out_specs: Any) -> Any:
    if attrs.mode != "constant":
        return None

    def plan(attrs: Any, ins: Shapes, outs: Shapes) -> Plan:
        cuts = [Cut(a, pair[0], size) for a, (pair, size) in enumerate(zip(_pad_pairs(attrs), outs[0]))]
        return Plan([(_window(0, ins[0], cuts), View.of(0, outs[0]))])

    return native(plan)(attrs, in_specs, out_specs)


def _backward_pad_gradient(ctx: Any, out_grad: Any) -> list:
    attrs = ctx.attrs
    return [F.Pad(out_grad, mode=attrs.mode, pad_width=attrs.pad_width, constant_value=0.0)]


operator(
    "Pad",
    aliases=("pad",),
    params=_PAD_PARAMS,
    shape=_pad_shape,
    dtype=rules.float_dtype,
    gradient=_pad_gradient,
    saves="",
    cpu=(native(_pad_plan),),
    numpy=_pad,
    doc="""Pad images or volumes (batch, channel, [depth,] height, width) on all axes but the first two.""",
)

operator(
    "_backward_Pad",
    inputs=("out_grad",),
    params=_PAD_PARAMS,
    shape=_unpadded,
    gradient=_backward_pad_gradient,
    saves="",
    cpu=(_backward_pad_native,),
    numpy=_backward_pad,
    doc="""Gradient of Pad: each margin is added to the elements it was copied from.""",
)

# ---- diagonals ---------------------------------------------------------------------------------------------------------

_DIAG_PARAMS = (
    Int("k", 0, doc="Which diagonal: 0 the main one, above it when positive, below it when negative."),
    Int("axis1", 0, doc="Axis of the rows."),
    Int("axis2", 1, doc="Axis of the columns."),
)


def _diag_axes(attrs: Any, ndim: int) -> tuple[int, int]:
    first, second = normalize_axis(attrs.axis1, ndim, "axis1"), normalize_axis(attrs.axis2, ndim, "axis2")
    if first == second:
        raise ValueError(f"axis1={attrs.axis1} and axis2={attrs.axis2} are the same axis")
    return first, second


def _diag_view(attrs: Any, array: int, shape: Sequence[int]) -> View:
    return View.of(array, shape).diagonal(*_diag_axes(attrs, len(shape)), attrs.k)


def _diag_shape(attrs: Any, shapes: Shapes) -> list:
    shape = shapes[0]
    if len(shape) == 1:
        side = shape[0] + abs(attrs.k)
        return [(side, side)]
    _diag_axes(attrs, len(shape))
    result = _diag_view(attrs, 0, shape).shape
    if result[-1] == 0:
        raise ValueError(f"k={attrs.k}: there is no such diagonal")
    return [result]


def _diag_plan(attrs: Any, ins: Shapes, outs: Shapes) -> Plan:
    if len(ins[0]) == 1:
        return Plan([(View.of(0, ins[0]), View.of(0, outs[0]).diagonal(0, 1, attrs.k))], zero=(0,))
    return Plan([(_diag_view(attrs, 0, ins[0]), View.of(0, outs[0]))])


def _backward_diag_plan(attrs: Any, ins: Shapes, outs: Shapes) -> Plan:
    if len(outs[0]) == 1:
        return Plan([(View.of(0, ins[0]).diagonal(0, 1, attrs.k), View.of(0, outs[0]))])
    return Plan([(View.of(0, ins[0]), _diag_view(attrs, 0, outs[0]))], zero=(0,))


def _diag_values(attrs: Any) -> dict[str, int]:
    return {"k": attrs.k, "axis1": attrs.axis1, "axis2": attrs.axis2}


operator(
    "diag",
    params=_DIAG_PARAMS,
    shape=_diag_shape,
    infer_partial=partial.complete,
    gradient=lambda ctx, out_grad: [F._backward_diag(out_grad, ctx.inputs[0], **_diag_values(ctx.attrs))],
    saves="i",
    **kernels(_diag_plan),
    doc="""Extract a diagonal, or build a square matrix from a vector.

    Of an array with more than two axes the diagonals of the matrices over axis1 and axis2 are taken; they become the
    last axis.
    """,
)

operator(
    "_backward_diag",
    inputs=("out_grad", "data"),
    params=_DIAG_PARAMS,
    shape=_first_like_data,
    gradient=lambda ctx, out_grad: [F.diag(out_grad, **_diag_values(ctx.attrs)), None],
    unread=(1,),
    saves="",
    **kernels(_backward_diag_plan),
    doc="""Gradient of diag: zeros but for the diagonal.""",
)
