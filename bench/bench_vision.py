"""Operators of vision, speech and attention networks, and optimizer updates, one call at a time: weft beside MXNet 1.9.1.

Both sides run the same lines, each in a process of its own, in turn; forward, and forward with backward through autograd::

    WEFT_BENCH_MXNET_PYTHON=/path/with/mxnet/bin/python python bench/bench_vision.py --cases Spatial
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

import numpy as np
from sides import Side, serve

FORWARD, BACKWARD = 0, 1


def images(*shape):
    """Return values as a network's layers see them."""
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


def places(*shape):
    """Return numbers of which most lie in the image."""
    return np.random.default_rng(1).uniform(-1.1, 1.1, shape).astype("float32")


def turns(batch):
    """Return affine transformations that turn and scale a little."""
    angle = np.linspace(-0.5, 0.5, batch)
    rows = [np.cos(angle), -np.sin(angle), 0 * angle, np.sin(angle), np.cos(angle), 0 * angle]
    return np.stack(rows, axis=1).astype("float32")


def labels(batch, count, classes):
    """Return label sequences, blanks at 0."""
    return np.random.default_rng(2).integers(1, classes, (batch, count)).astype("float32")


def boxes(count):
    """Return rows of class, score, corners."""
    rng = np.random.default_rng(3)
    corner = rng.uniform(0, 0.8, (count, 2))
    end = corner + rng.uniform(0.05, 0.2, (count, 2))
    return np.concatenate([rng.integers(0, 5, (count, 1)), rng.random((count, 1)), corner, end], axis=1).astype("float32")


def regions(count):
    """Return regions of two images of 600 x 800 pixels."""
    table = boxes(count)
    scale = np.array([800, 600, 800, 600])
    return np.concatenate([np.arange(count)[:, None] % 2, table[:, 2:] * scale], axis=1).astype("float32")


# Of two layers of an LSTM with 200 values everywhere.
PARAMETERS = 2 * 4 * 200 * (200 + 200 + 2)


def attend(mx, projected):
    """Return what 12 heads of self attention give."""
    scores = mx.nd.contrib.interleaved_matmul_selfatt_qk(projected, heads=12)
    return mx.nd.contrib.interleaved_matmul_selfatt_valatt(projected, mx.nd.softmax(scores), heads=12)


def update(name, **values):
    """Return a call of an update operator; it has no gradient, so only the call is timed."""

    def call(mx, weight, *rest):
        return getattr(mx.nd, name)(weight, *rest, out=None if name.startswith("lamb") else weight, **values)

    return call


# Cases without a gradient.
FORWARD_ONLY = ("_update", "box_", "Proposal")

# name -> (arrays, the call)
CASES = {
    "SpatialTransformer 64x1x60x60 -> 28x28": (
        lambda: [images(64, 1, 60, 60), turns(64)],
        lambda mx, data, loc: mx.nd.SpatialTransformer(
            data, loc, target_shape=(28, 28), transform_type="affine", sampler_type="bilinear"
        ),
    ),
    "SpatialTransformer 8x64x56x56": (
        lambda: [images(8, 64, 56, 56), turns(8)],
        lambda mx, data, loc: mx.nd.SpatialTransformer(
            data, loc, target_shape=(56, 56), transform_type="affine", sampler_type="bilinear"
        ),
    ),
    "BilinearSampler 8x16x64x64": (
        lambda: [images(8, 16, 64, 64), places(8, 2, 64, 64)],
        lambda mx, data, grid: mx.nd.BilinearSampler(data, grid),
    ),
    "GridGenerator affine 64x64x64": (
        lambda: [turns(64)],
        lambda mx, loc: mx.nd.GridGenerator(loc, transform_type="affine", target_shape=(64, 64)),
    ),
    "GridGenerator warp 8x2x128x128": (
        lambda: [images(8, 2, 128, 128)],
        lambda mx, flow: mx.nd.GridGenerator(flow, transform_type="warp"),
    ),
    "CTCLoss 100x32x40, 20 labels": (
        lambda: [images(100, 32, 40), labels(32, 20, 40)],
        lambda mx, data, label: mx.nd.CTCLoss(data, label),
    ),
    "CTCLoss 50x16x5000, 10 labels": (
        lambda: [images(50, 16, 5000), labels(16, 10, 5000)],
        lambda mx, data, label: mx.nd.CTCLoss(data, label),
    ),
    "RNN LSTM 2x200, 35x32, dropout": (
        lambda: [images(35, 32, 200), images(PARAMETERS) * 0.05, images(2, 32, 200), images(2, 32, 200)],
        lambda mx, *inputs: mx.nd.RNN(*inputs, mode="lstm", state_size=200, num_layers=2, p=0.5),
    ),
    "self attention 128x8x(12x64)": (
        lambda: [images(128, 8, 12 * 3 * 64)],
        attend,
    ),
    "ROIPooling 2x64x38x50, 64 of 7x7": (
        lambda: [images(2, 64, 38, 50), regions(64)],
        lambda mx, data, rois: mx.nd.ROIPooling(data, rois, pooled_size=(7, 7), spatial_scale=1 / 16),
    ),
    "ROIAlign 2x64x38x50, 64 of 7x7": (
        lambda: [images(2, 64, 38, 50), regions(64)],
        lambda mx, data, rois: mx.nd.contrib.ROIAlign(data, rois, pooled_size=(7, 7), spatial_scale=1 / 16, sample_ratio=2),
    ),
    "Proposal 1x12x38x50, 300 of 6000": (
        lambda: [np.abs(images(1, 24, 38, 50)), images(1, 48, 38, 50) * 0.2, np.array([[600, 800, 1]], "float32")],
        lambda mx, *inputs: mx.nd.contrib.Proposal(*inputs),
    ),
    "DeformableConvolution 4x32x56x56": (
        lambda: [images(4, 32, 56, 56), places(4, 18, 56, 56), images(32, 32, 3, 3) * 0.1, images(32)],
        lambda mx, *inputs: mx.nd.contrib.DeformableConvolution(*inputs, kernel=(3, 3), pad=(1, 1), num_filter=32),
    ),
    "box_iou 2000x200": (
        lambda: [boxes(2000)[:, 2:], boxes(200)[:, 2:]],
        lambda mx, first, second: mx.nd.contrib.box_iou(first, second),
    ),
    "box_nms 2x2000": (
        lambda: [np.stack([boxes(2000), boxes(2000)])],
        lambda mx, data: mx.nd.contrib.box_nms(data, topk=400, id_index=0, score_index=1, coord_start=2),
    ),
    **{
        f"{name} 1M": (lambda count=count: [np.abs(images(1 << 20)) + 1 for _ in range(count)], update(name, **values))
        for name, count, values in (
            ("ftrl_update", 4, {"lr": 0.1}),
            ("ftml_update", 5, {"lr": 0.1, "t": 3}),
            ("rmspropalex_update", 5, {"lr": 0.001, "gamma1": 0.1}),
            ("lamb_update_phase1", 4, {"t": 3, "wd": 0.01}),
        )
    },
}


def runner(mx, name):
    """Return ``run(kind, steps)`` for a case."""
    make, call = CASES[name]
    arrays = [mx.nd.array(array) for array in make()]
    for array in arrays:
        array.attach_grad()

    def run(kind, steps):
        for _ in range(steps):
            if kind == FORWARD:
                result = call(mx, *arrays)
            else:
                with mx.autograd.record():
                    result = call(mx, *arrays)
                (result if not isinstance(result, list) else result[0]).backward()
        mx.nd.waitall()

    return run


def answerer(mx):
    """Answer (case, kind, steps) with the seconds that the steps took."""
    runners = {}

    def answer(case, kind, steps):
        if case not in runners:
            runners[case] = runner(mx, list(CASES)[case])
            runners[case](kind, 1)
        begin = time.perf_counter()
        runners[case](kind, steps)
        return [time.perf_counter() - begin]

    return answer


def medians(sides, case, kind, rounds):
    """Return the median time of one call for each side, in ms, measured in turn."""
    steps = 1
    while max(side.ask(case, kind, steps)[0] for side in sides) < 0.02 and steps < 10000:
        steps *= 2
    times = [[side.ask(case, kind, steps)[0] / steps for side in sides] for _ in range(rounds)]
    return [statistics.median(column) * 1e3 for column in zip(*times)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve")
    parser.add_argument("--cases", default="", help="part of the names of the cases to run")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.serve:
        if options.serve == "weft":
            import weft as mx
        else:
            import mxnet as mx
        return serve(answerer(mx))
    sides = [Side("weft", sys.executable, __file__)]
    if "WEFT_BENCH_MXNET_PYTHON" in os.environ:
        sides.append(Side("mxnet", os.environ["WEFT_BENCH_MXNET_PYTHON"], __file__))
    print(f"{'ms a call':44}{'':10}" + "".join(f"{side.name:>10}" for side in sides) + f"{'ratio':>8}")
    for number, name in enumerate(CASES):
        if options.cases.lower() not in name.lower():
            continue
        for kind, label in ((FORWARD, "forward"), (BACKWARD, "both")):
            if kind == BACKWARD and any(part in name for part in FORWARD_ONLY):
                continue
            times = medians(sides, number, kind, options.rounds)
            ratio = f"{times[0] / times[1]:8.2f}" if len(times) > 1 else ""
            print(f"{name:44}{label:10}" + "".join(f"{value:10.3f}" for value in times) + ratio, flush=True)
    for side in sides:
        side.close()


if __name__ == "__main__":
    main()
