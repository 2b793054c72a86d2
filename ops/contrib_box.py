"""Boxes: overlap, suppression, matching, and their encoding for regression."""

from __future__ import annotations

import math

import numpy as np

from .functions import F
from .nn_common import check_named_shape, compute_dtype, float_dtypes, native, put
from .registry import Bool, Enum, Float, Int, operator, zero_gradient

_FORMAT = ("center", "corner")


def _wide(*arrays):
    return [array.astype(compute_dtype(array.dtype), copy=False) for array in arrays]


def to_corners(boxes: np.ndarray, layout: str) -> np.ndarray:
    """Return boxes (..., 4) as (left, top, right, bottom)."""
    if layout == "corner":
        return boxes
    half = boxes[..., 2:] / 2
    return np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], axis=-1)


def to_centers(boxes: np.ndarray) -> np.ndarray:
    """Return corner boxes as (x, y, width, height)."""
    size = boxes[..., 2:] - boxes[..., :2]
    return np.concatenate([boxes[..., :2] + size / 2, size], axis=-1)


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the intersection over union of every corner box in a (n, 4) with every one in b (m, 4)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(axis=2)
    area_a = np.maximum(a[:, 2:] - a[:, :2], 0).prod(axis=1)
    area_b = np.maximum(b[:, 2:] - b[:, :2], 0).prod(axis=1)
    union = area_a[:, None] + area_b[None, :] - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0)


def suppress(boxes: np.ndarray, classes: np.ndarray | None, threshold: float) -> np.ndarray:
    """Return which of the boxes, best first, survive: none overlaps a better survivor (of its class) too much."""
    alive = np.ones(len(boxes), bool)
    for i in range(len(boxes) - 1):
        if alive[i]:
            rest = slice(i + 1, None)
            hit = overlaps(boxes[i : i + 1], boxes[rest])[0] > threshold
            if classes is not None:
                hit &= classes[rest] == classes[i]
            alive[rest] &= ~hit
    return alive


# ---- box_iou -----------------------------------------------------------------------------------------------------------


def _iou_shape(attrs, shapes):
    for name, shape in zip(("lhs", "rhs"), shapes):
        if not shape or shape[-1] != 4:
            raise ValueError(f"{name} has shape {shape}, expected (..., 4)")
    return [shapes[0][:-1] + shapes[1][:-1] or (1,)]


def _iou(attrs, ins, outs):
    a, b = (to_corners(x.reshape(-1, 4), attrs.format) for x in _wide(*ins))
    put(outs[0], overlaps(a, b))


operator(
    "_contrib_box_iou",
    inputs=("lhs", "rhs"),
    params=(Enum("format", _FORMAT, "corner", doc="Boxes are (left, top, right, bottom) or (x, y, width, height)."),),
    shape=_iou_shape,
    dtype=float_dtypes,
    gradient=zero_gradient,
    cpu=(native("box_iou", "regions"),),
    numpy=_iou,
    cost=lambda attrs, ins, outs: 2000 + 30.0 * math.prod(outs[0]),
    doc="""Intersection over union of every box of lhs with every box of rhs.""",
    examples="""
    >>> from weft import nd
    >>> float(nd.contrib.box_iou(nd.array([[0, 0, 2, 2]]), nd.array([[0, 0, 2, 1]])).asscalar())
    0.5
    """,
)

# ---- box_nms -----------------------------------------------------------------------------------------------------------

_NMS = (
    Float("overlap_thresh", 0.5, doc="Overlap above which the worse of two boxes is dropped."),
    Float("valid_thresh", 0.0, doc="Boxes must score above it."),
    Int("topk", -1, doc="Only so many best boxes are looked at; all when negative."),
    Int("coord_start", 2, low=0, doc="Where the four coordinates begin."),
    Int("score_index", 1, low=0, doc="Where the score is."),
    Int("id_index", -1, doc="Where the class is; negative for none."),
    Int("background_id", -1, doc="Class of boxes that are dropped anyway."),
    Bool("force_suppress", False, doc="Let boxes of different classes suppress each other."),
    Enum("in_format", _FORMAT, "corner", doc="How the boxes are given."),
    Enum("out_format", _FORMAT, "corner", doc="How the boxes are returned."),
)


def _nms_shape(attrs, shapes):
    data = shapes[0]
    if len(data) < 2:
        raise ValueError(f"data has {len(data)} axes, expected at least 2")
    if max(attrs.coord_start + 4, attrs.score_index + 1, attrs.id_index + 1) > data[-1]:
        raise ValueError(f"data has {data[-1]} numbers a box, fewer than coord_start, score_index and id_index say")
    return [data, (*data[:-1], 1)]


def _nms_chosen(attrs, rows):
    """Return the numbers of the surviving rows, best first."""
    scores = rows[:, attrs.score_index]
    valid = scores > attrs.valid_thresh
    if attrs.id_index >= 0:
        # A background of -1 drops rows that are marked as no box.
        valid &= rows[:, attrs.id_index] != attrs.background_id
    order = np.argsort(-scores, kind="stable")
    order = order[valid[order]]
    if attrs.topk > 0:
        order = order[: attrs.topk]
    best = rows[order]
    boxes = to_corners(best[:, attrs.coord_start : attrs.coord_start + 4], attrs.in_format)
    classes = best[:, attrs.id_index] if attrs.id_index >= 0 and not attrs.force_suppress else None
    return order[suppress(boxes, classes, attrs.overlap_thresh)]


def _nms(attrs, ins, outs):
    shape = ins[0].shape
    data = _wide(ins[0])[0].reshape(-1, *shape[-2:])
    if attrs.topk == 0:
        # Nothing is looked at: MXNet hands the data through.
        put(outs[0], data)
        put(outs[1], np.broadcast_to(np.arange(data.shape[1]), data.shape[:2]))
        return
    result, places = np.full_like(data, -1), np.full(data.shape[:2], -1)
    columns = slice(attrs.coord_start, attrs.coord_start + 4)
    for batch, rows in enumerate(data):
        chosen = _nms_chosen(attrs, rows)
        kept = rows[chosen].copy()
        if attrs.in_format != attrs.out_format:
            convert = to_centers if attrs.out_format == "center" else lambda boxes: to_corners(boxes, "center")
            kept[:, columns] = convert(kept[:, columns])
        result[batch, : len(chosen)] = kept
        places[batch, : len(chosen)] = chosen
    put(outs[0], result)
    put(outs[1], places)


def _nms_backward(attrs, ins, outs):
    grad, places = ins
    rows = outs[0].reshape(-1, *outs[0].shape[-2:])
    rows.fill(0)
    grad, places = grad.reshape(rows.shape), places.reshape(rows.shape[:2]).astype(np.int64)
    for batch, where in enumerate(places):
        kept = where >= 0
        rows[batch, where[kept]] = grad[batch, kept]


operator(
    "_contrib_box_nms",
    aliases=("_contrib_box_non_maximum_suppression",),
    params=_NMS,
    shape=_nms_shape,
    # Row numbers need more digits than half precision has.
    dtype=lambda attrs, dtypes: [float_dtypes(attrs, dtypes)[0], np.dtype(np.float64)],
    num_outputs=2,
    visible_outputs=1,
    gradient=lambda ctx, grad, *hidden: [F._backward_contrib_box_nms(grad, ctx.outputs[1])],
    saves="o",
    cpu=(native("box_nms", "regions"),),
    numpy=_nms,
    cost=lambda attrs, ins, outs: 5000 + 500.0 * math.prod(ins[0][:-1]),
    doc="""Non-maximum suppression: keep the boxes that overlap no better one too much, best first; the other rows of the
    result are -1.""",
)
operator(
    "_backward_contrib_box_nms",
    inputs=("out_grad", "places"),
    shape=lambda attrs, shapes: [shapes[0]],
    dtype=lambda attrs, dtypes: [dtypes[0]],
    cpu=(native("backward_box_nms", "regions"),),
    numpy=_nms_backward,
    doc="""Gradient of box_nms: each row's goes back to where the row came from.""",
    input_docs={"places": "Where each row of the result came from."},
)

# ---- bipartite_matching ------------------------------------------------------------------------------------------------


def _matching_shape(attrs, shapes):
    data = shapes[0]
    if len(data) < 2:
        raise ValueError(f"data has {len(data)} axes, expected at least 2")
    return [data[:-1], (*data[:-2], data[-1])]


def _match(attrs, scores, rows, columns):
    """Match rows with columns greedily, best score first."""
    flat = scores.ravel()
    order = np.argsort(flat if attrs.is_ascend else -flat, kind="stable")
    count = 0
    for place in order:
        row, column = divmod(int(place), scores.shape[1])
        score = flat[place]
        if (score > attrs.threshold) if attrs.is_ascend else (score < attrs.threshold):
            break
        if rows[row] < 0 and columns[column] < 0:
            rows[row], columns[column] = column, row
            count += 1
            # One more than asked for, as in MXNet.
            if 0 < attrs.topk < count:
                break


def _matching(attrs, ins, outs):
    scores = _wide(ins[0])[0].reshape(-1, *ins[0].shape[-2:])
    rows, columns = (out.reshape(len(scores), -1) for out in outs)
    rows.fill(-1)
    columns.fill(-1)
    for index, matrix in enumerate(scores):
        _match(attrs, matrix, rows[index], columns[index])


operator(
    "_contrib_bipartite_matching",
    params=(
        Bool("is_ascend", False, doc="Whether small scores are good."),
        Float("threshold", doc="Pairs with worse scores are not matched."),
        Int("topk", -1, doc="Largest number of pairs; as many as there are when negative."),
    ),
    shape=_matching_shape,
    dtype=lambda attrs, dtypes: float_dtypes(attrs, dtypes) * 2,
    num_outputs=2,
    gradient=zero_gradient,
    numpy=_matching,
    cost=lambda attrs, ins, outs: 5000 + 200.0 * math.prod(ins[0]),
    doc="""Match rows with columns of a score matrix greedily, the best pair first. Returns the column of each row and the
    row of each column, -1 for none.""",
)

# ---- box_encode, box_decode --------------------------------------------------------------------------------------------


def _encode_shape(attrs, shapes):
    samples, matches, anchors, refs, means, stds = shapes
    check_named_shape("matches", matches, samples)
    check_named_shape("anchors", anchors, (*samples, 4))
    if len(refs) != 3 or refs[0] != samples[0] or refs[2] != 4:
        raise ValueError(f"refs has shape {refs}, expected ({samples[0]}, boxes, 4)")
    check_named_shape("means", means, (4,))
    check_named_shape("stds", stds, (4,))
    return [anchors, anchors]


def _encode(attrs, ins, outs):
    samples, matches, anchors, refs, means, stds = _wide(*ins)
    chosen = np.take_along_axis(refs, matches.astype(np.int64)[..., None].clip(0, refs.shape[1] - 1), axis=1)
    anchor, target = to_centers(anchors), to_centers(chosen)
    move = (target[..., :2] - anchor[..., :2]) / anchor[..., 2:]
    stretch = np.log(target[..., 2:] / anchor[..., 2:])
    mask = np.broadcast_to((samples > 0.5)[..., None], anchors.shape)
    put(outs[0], np.where(mask, (np.concatenate([move, stretch], axis=-1) - means) / stds, 0))
    put(outs[1], mask)


operator(
    "_contrib_box_encode",
    inputs=("samples", "matches", "anchors", "refs", "means", "stds"),
    shape=_encode_shape,
    dtype=lambda attrs, dtypes: [dtypes[2]] * 2,
    num_outputs=2,
    gradient=zero_gradient,
    numpy=_encode,
    cost=lambda attrs, ins, outs: 5000 + 40.0 * math.prod(outs[0]),
    doc="""Encode matched boxes as normalized offsets from their anchors; returns the offsets and a mask of the positive
    samples.""",
    input_docs={
        "samples": "1 for positive samples (batch, anchors).",
        "matches": "Number of the matched box (batch, anchors).",
        "anchors": "Anchors as corners (batch, anchors, 4).",
        "refs": "Boxes as corners (batch, boxes, 4).",
        "means": "Means that are subtracted (4,).",
        "stds": "Deviations that are divided by (4,).",
    },
)


def _decode_shape(attrs, shapes):
    data, anchors = shapes
    if len(data) != 3 or data[2] != 4:
        raise ValueError(f"data has shape {data}, expected (batch, anchors, 4)")
    check_named_shape("anchors", anchors, (1, data[1], 4))
    return [data]


def decode_boxes(offsets: np.ndarray, anchors: np.ndarray, stds, clip: float = -1.0) -> np.ndarray:
    """Return corner boxes from normalized offsets and centre-form anchors."""
    stds = np.asarray(stds, offsets.dtype)
    center = offsets[..., :2] * stds[:2] * anchors[..., 2:] + anchors[..., :2]
    stretch = offsets[..., 2:] * stds[2:]
    if clip > 0:
        stretch = np.minimum(stretch, clip)
    half = np.exp(stretch) * anchors[..., 2:] / 2
    return np.concatenate([center - half, center + half], axis=-1)


def _decode(attrs, ins, outs):
    data, anchors = _wide(*ins)
    anchors = anchors if attrs.format == "center" else to_centers(anchors)
    put(outs[0], decode_boxes(data, anchors, (attrs.std0, attrs.std1, attrs.std2, attrs.std3), attrs.clip))


operator(
    "_contrib_box_decode",
    inputs=("data", "anchors"),
    params=(
        *(Float(f"std{i}", 1.0, doc=f"Factor on offset {i}.") for i in range(4)),
        Float("clip", -1.0, doc="Largest logarithm of a size factor; no limit when negative."),
        Enum("format", _FORMAT, "center", doc="How the anchors are given."),
    ),
    shape=_decode_shape,
    dtype=float_dtypes,
    gradient=zero_gradient,
    numpy=_decode,
    cost=lambda attrs, ins, outs: 5000 + 30.0 * math.prod(outs[0]),
    doc="""Decode normalized offsets from anchors into corner boxes.""",
    input_docs={"data": "Offsets (batch, anchors, 4).", "anchors": "Anchors (1, anchors, 4)."},
)
