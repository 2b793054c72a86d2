"""The three operators of single shot detectors: anchors, training targets, detections."""

from __future__ import annotations

import math

import numpy as np

from .contrib_box import decode_boxes, overlaps, suppress, to_centers
from .nn_common import check_named_shape, compute_dtype, float_dtypes, native, put
from .registry import Bool, Float, Floats, Int, operator, zero_gradient

_VARIANCES = Floats("variances", (0.1, 0.1, 0.2, 0.2), doc="Deviations of the four offsets.")
_DOCS = {
    "anchor": "Anchors as corners (1, anchors, 4).",
    "label": "Boxes (batch, boxes, 5 or more): class, corners; class -1 ends the list.",
    "cls_pred": "Class scores (batch, classes, anchors).",
    "cls_prob": "Class probabilities (batch, classes, anchors); class 0 is the background.",
    "loc_pred": "Predicted offsets (batch, anchors * 4).",
}


def _wide(*arrays):
    return [array.astype(compute_dtype(array.dtype), copy=False) for array in arrays]


# ---- MultiBoxPrior -----------------------------------------------------------------------------------------------------

_PRIOR = (
    Floats("sizes", (1.0,), doc="Sizes of the anchors, relative to the image."),
    Floats("ratios", (1.0,), doc="Ratios of width to height."),
    Bool("clip", False, doc="Keep the anchors inside of the image."),
    Floats("steps", (-1.0, -1.0), doc="Distance of the centres in y and x; one pixel of data when negative."),
    Floats("offsets", (0.5, 0.5), doc="Place of the first centre in y and x, in steps."),
)


def _prior_shape(attrs, shapes):
    data = shapes[0]
    if len(data) != 4:
        raise ValueError(f"data has {len(data)} axes, expected 4")
    return [(1, data[2] * data[3] * (len(attrs.sizes) + len(attrs.ratios) - 1), 4)]


def _prior_halves(attrs, height, width):
    """Return half widths and heights of the anchors at one place."""
    first = math.sqrt(attrs.ratios[0])
    pairs = [(size, first) for size in attrs.sizes] + [(attrs.sizes[0], math.sqrt(ratio)) for ratio in attrs.ratios[1:]]
    return np.array([(size * height / width * ratio / 2, size / ratio / 2) for size, ratio in pairs])


def _prior(attrs, ins, outs):
    height, width = ins[0].shape[2:]
    step_y, step_x = (step if step > 0 else 1 / n for step, n in zip(attrs.steps, (height, width)))
    y, x = np.meshgrid(
        (np.arange(height) + attrs.offsets[0]) * step_y, (np.arange(width) + attrs.offsets[1]) * step_x, indexing="ij"
    )
    centers = np.stack([x, y], axis=-1)[:, :, None]
    half = _prior_halves(attrs, height, width)
    boxes = np.concatenate([centers - half, centers + half], axis=-1)
    put(outs[0], boxes.clip(0, 1) if attrs.clip else boxes)


operator(
    "_contrib_MultiBoxPrior",
    aliases=("_npx_multibox_prior",),
    params=_PRIOR,
    shape=_prior_shape,
    dtype=float_dtypes,
    gradient=zero_gradient,
    numpy=_prior,
    cost=lambda attrs, ins, outs: 5000 + 5.0 * math.prod(outs[0]),
    doc="""Make anchors around every pixel of data: one for each size with the first ratio, and one for each other ratio with
    the first size.""",
    input_docs={"data": "Feature map; only its height and width count."},
)

# ---- MultiBoxTarget ----------------------------------------------------------------------------------------------------

_TARGET = (
    Float("overlap_threshold", 0.5, doc="Anchors that overlap a box more than this are positive."),
    Float("ignore_label", -1.0, doc="Class of anchors that take no part in training."),
    Float("negative_mining_ratio", -1.0, doc="Number of negative anchors for each positive one; all when negative."),
    Float("negative_mining_thresh", 0.5, doc="Anchors that overlap a box more than this are never negative."),
    Int("minimum_negative_samples", 0, doc="Taken for compatibility; MXNet did not use it either."),
    _VARIANCES,
)


def _target_shape(attrs, shapes):
    anchor, label, scores = shapes
    if len(anchor) != 3 or anchor[2] != 4:
        raise ValueError(f"anchor has shape {anchor}, expected (1, anchors, 4)")
    if len(label) != 3 or label[2] < 5:
        raise ValueError(f"label has shape {label}, expected (batch, boxes, 5)")
    if len(scores) != 3 or scores[0] != label[0] or scores[2] != anchor[1]:
        raise ValueError(f"cls_pred has shape {scores}, expected ({label[0]}, classes, {anchor[1]})")
    return [(label[0], anchor[1] * 4), (label[0], anchor[1] * 4), (label[0], anchor[1])]


def _assign(attrs, shared):
    """Return for each anchor its box (or -1), its overlap with that, and whether it is positive."""
    anchors, boxes = shared.shape
    match, best = np.full(anchors, -1), np.full(anchors, -1.0)
    positive = np.zeros(anchors, bool)
    open_pairs = shared.copy()
    for _ in range(boxes):
        place = int(open_pairs.argmax())
        anchor, box = divmod(place, boxes)
        if open_pairs[anchor, box] <= 1e-6:
            break
        match[anchor], best[anchor], positive[anchor] = box, shared[anchor, box], True
        open_pairs[anchor], open_pairs[:, box] = -1, -1
    rest = ~positive
    match[rest], best[rest] = shared[rest].argmax(axis=1), shared[rest].max(axis=1)
    if attrs.overlap_threshold > 0:
        positive |= rest & (best > attrs.overlap_threshold)
    return match, best, positive


def _negatives(attrs, scores, best, positive):
    """Return which anchors train as background."""
    if attrs.negative_mining_ratio <= 0:
        return ~positive
    wanted = min(int(positive.sum() * attrs.negative_mining_ratio), len(positive) - int(positive.sum()))
    candidates = np.flatnonzero(~positive & (best < attrs.negative_mining_thresh))
    # The hardest come first: those least believed to be background.
    shifted = np.exp(scores - scores.max(axis=0))
    background = shifted[0] / shifted.sum(axis=0)
    order = candidates[np.argsort(background[candidates], kind="stable")]
    result = np.zeros(len(positive), bool)
    result[order[:wanted]] = True
    return result


def _target(attrs, ins, outs):
    anchor, label, scores = _wide(*ins)
    anchors = anchor[0]
    centers = to_centers(anchors)
    places = outs[0].reshape(len(label), -1, 4)
    masks = outs[1].reshape(places.shape)
    places.fill(0)
    masks.fill(0)
    outs[2].fill(attrs.ignore_label)
    for sample, rows in enumerate(label):
        ends = rows[:, 0] == -1
        boxes = rows[: int(ends.argmax()) if ends.any() else len(rows)]
        if not len(boxes):
            continue
        match, best, positive = _assign(attrs, overlaps(anchors, boxes[:, 1:5]))
        outs[2][sample][_negatives(attrs, scores[sample], best, positive)] = 0
        outs[2][sample][positive] = boxes[match[positive], 0] + 1
        target, center = to_centers(boxes[match[positive], 1:5]), centers[positive]
        move = (target[:, :2] - center[:, :2]) / center[:, 2:]
        stretch = np.log(target[:, 2:] / center[:, 2:])
        places[sample][positive] = np.concatenate([move, stretch], axis=1) / np.asarray(attrs.variances)
        masks[sample][positive] = 1


operator(
    "_contrib_MultiBoxTarget",
    aliases=("_npx_multibox_target",),
    inputs=("anchor", "label", "cls_pred"),
    params=_TARGET,
    shape=_target_shape,
    dtype=lambda attrs, dtypes: float_dtypes(attrs, dtypes) * 3,
    num_outputs=3,
    output_names=("loc_target", "loc_mask", "cls_target"),
    gradient=zero_gradient,
    numpy=_target,
    cost=lambda attrs, ins, outs: 20000 + 100.0 * math.prod(outs[0]),
    doc="""Match anchors with labelled boxes: returns the offsets to learn (batch, anchors * 4), a mask of those that count,
    and the class of each anchor, 0 for the background.""",
    input_docs=_DOCS,
)

# ---- MultiBoxDetection -------------------------------------------------------------------------------------------------

_DETECTION = (
    Bool("clip", True, doc="Keep boxes inside of the image."),
    Float("threshold", 0.01, doc="Least probability of a detection."),
    Int("background_id", 0, doc="Class of the background."),
    Float("nms_threshold", 0.5, doc="Overlap above which the worse of two detections is dropped."),
    Bool("force_suppress", False, doc="Let detections of different classes suppress each other."),
    _VARIANCES,
    Int("nms_topk", -1, doc="Only so many best detections are kept; all when negative."),
)


def _detection_shape(attrs, shapes):
    scores, offsets, anchor = shapes
    if len(scores) != 3:
        raise ValueError(f"cls_prob has {len(scores)} axes, expected 3 (batch, classes, anchors)")
    check_named_shape("anchor", anchor, (1, scores[2], 4))
    check_named_shape("loc_pred", offsets, (scores[0], scores[2] * 4))
    return [(scores[0], scores[2], 6)]


def _detect(attrs, scores, boxes):
    """Return the rows (class, score, box) of one image."""
    ids = scores[1:].argmax(axis=0)
    best = scores[1:].max(axis=0)
    found = np.flatnonzero(best >= attrs.threshold)
    order = found[np.argsort(-best[found], kind="stable")]
    keep = len(order) if attrs.nms_topk <= 0 else min(attrs.nms_topk, len(order))
    # Rows beyond the best ones are none, whatever stands in them; MXNet leaves them in the order of the anchors.
    order = np.concatenate([order[:keep], found[keep:]])
    classes = ids[order].astype(boxes.dtype)
    rows = np.concatenate([classes[:, None], best[order, None], boxes[order]], axis=1)
    rows[keep:, 0] = -1
    if 0 < attrs.nms_threshold <= 1:
        alive = suppress(rows[:keep, 2:], None if attrs.force_suppress else classes[:keep], attrs.nms_threshold)
        rows[:keep, 0][~alive] = -1
    return rows


def _detection(attrs, ins, outs):
    scores, offsets, anchor = _wide(*ins)
    outs[0].fill(-1)
    centers = to_centers(anchor[0])
    for sample in range(len(scores)):
        boxes = decode_boxes(offsets[sample].reshape(-1, 4), centers, attrs.variances)
        rows = _detect(attrs, scores[sample], boxes.clip(0, 1) if attrs.clip else boxes)
        outs[0][sample, : len(rows)] = rows


operator(
    "_contrib_MultiBoxDetection",
    aliases=("_npx_multibox_detection",),
    inputs=("cls_prob", "loc_pred", "anchor"),
    params=_DETECTION,
    shape=_detection_shape,
    dtype=float_dtypes,
    gradient=zero_gradient,
    cpu=(native("multibox_detection", "regions"),),
    numpy=_detection,
    cost=lambda attrs, ins, outs: 20000 + 200.0 * math.prod(outs[0]),
    doc="""Turn predictions into detections (class, score, left, top, right, bottom), best first; class -1 marks rows that
    are none. The class numbers leave the background out.""",
    input_docs=_DOCS,
)
