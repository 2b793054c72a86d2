"""Dropout."""

from __future__ import annotations

import math

import numpy as np

from . import partial
from .functions import F
from .nn_common import compute_dtype, float_dtypes, native, put
from .registry import Bool, Enum, Float, Shape, operator
from .rules import normalize_axis


def _mask_shape(attrs, shape):
    if not dropout_active(attrs):
        return (1,) * len(shape)
    axes = [normalize_axis(axis, len(shape), "axes") for axis in attrs.axes]
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def dropout_active(attrs) -> bool:
    """Whether this call drops anything: in training, or always when asked to."""
    return attrs.p > 0 and (attrs.train or attrs.mode == "always")


def _forward(attrs, ins, outs):
    data = ins[0]
    if not dropout_active(attrs):
        put(outs[0], data)
        outs[1].fill(1)
        return
    keep = 1 - attrs.p
    kept = attrs.rng.random(outs[1].shape, dtype=np.float32) < keep
    scale = 1 / keep if keep > 0 else np.nan  # zero times infinity where nothing is kept, as in MXNet
    put(outs[1], kept.astype(compute_dtype(data.dtype)) * scale)
    put(outs[0], data * outs[1])


_draw, _copy = native("dropout", "random"), native("copy_builder", "elementwise")


def _build(attrs, in_specs, out_specs):
    if dropout_active(attrs):
        return _draw(attrs, in_specs, out_specs)
    # The mask of a call that drops nothing is never read.
    return _copy(attrs, in_specs, out_specs[:1])


def _gradient(ctx, out_grad, *hidden):
    if not dropout_active(ctx.attrs):
        return [out_grad]
    if ctx.attrs.axes:
        return [F.broadcast_mul(out_grad, ctx.outputs[1])]
    return [F.elemwise_mul(out_grad, ctx.outputs[1])]


operator(
    "Dropout",
    aliases=("_npx_dropout",),
    params=(
        Float("p", 0.5, low=0, high=1, doc="Share of elements that are dropped."),
        Enum("mode", ("always", "training"), "training", doc="Whether to drop in inference too."),
        Shape("axes", (), doc="Axes along which elements are dropped together."),
        Bool("cudnn_off", False, none=True, doc="Do not use cuDNN; ignored on CPU."),
    ),
    shape=lambda attrs, shapes: [shapes[0], _mask_shape(attrs, shapes[0])],
    infer_partial=partial.like_data,
    dtype=lambda attrs, dtypes: float_dtypes(attrs, dtypes) * 2,
    num_outputs=2,
    visible_outputs=1,
    output_names=("output", "mask"),
    gradient=_gradient,
    saves="o",
    inplace=((0, 0),),
    view=lambda attrs: not dropout_active(attrs),
    random=True,
    uses_train=True,
    cpu=(_build,),
    numpy=_forward,
    cost=lambda attrs, ins, outs: 300 + 1.5 * math.prod(ins[0]),
    doc="""Set a random share ``p`` of the elements to zero and scale the others by ``1 / (1 - p)``; outside of training
    return the data unchanged. The hidden second output is the mask of factors (unused when nothing is dropped).""",
    examples="""
    >>> from weft import nd
    >>> nd.Dropout(nd.ones((1, 2)), p=0.5).asnumpy()
    array([[1., 1.]], dtype=float32)
    """,
)
