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
            times = medians(sides, number, kind, options.rounds)
            ratio = f"{times[0] / times[1]:8.2f}" if len(times) > 1 else ""
            print(f"{name:44}{label:10}" + "".join(f"{value:10.3f}" for value in times) + ratio, flush=True)
    for side in sides:
        side.close()


if __name__ == "__main__":
    main()
