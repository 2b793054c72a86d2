"""A chain of ten element-wise operators over 16M floats: fused, beside one operator and the ten one after the other.

python bench/bench_fusion.py
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import numpy as np

import weft as mx

CHAIN = (
    lambda v: v + 1.5,
    lambda v: v * 0.7,
    lambda v: mx.sym.relu(v),
    lambda v: v - 0.2,
    lambda v: mx.sym.abs(v),
    lambda v: v * 1.1,
    lambda v: v + 0.3,
    lambda v: mx.sym.square(v),
    lambda v: mx.sym.maximum(v, 0.1),
    lambda v: mx.sym.negative(v),
)


def executor(count, size, passes=""):
    """Return the bound chain of the first ``count`` operators, with fusion or without."""
    net = mx.sym.Variable("x")
    for step in CHAIN[:count]:
        net = step(net)
    values = {"x": mx.nd.array(np.random.default_rng(0).normal(size=size).astype("float32"))}
    bound = net.bind(mx.cpu(), values, grad_req="null")
    os.environ["WEFT_GRAPH_PASSES"] = passes
    seconds(bound)  # passes run when the program is compiled, at the first use
    os.environ.pop("WEFT_GRAPH_PASSES")
    return bound


def seconds(bound):
    """Return the time of one forward pass."""
    begin = time.perf_counter()
    bound.forward()[0].wait_to_read()
    return time.perf_counter() - begin


def main():
    """Measure in turn and print medians and the ratio to one operator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1 << 24)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    sides = {
        "one operator": executor(1, options.size),
        "ten, fused": executor(10, options.size),
        "ten, one by one": executor(10, options.size, "-fusion"),
    }
    times = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, bound in sides.items():
            times[name].append(seconds(bound))
    one = statistics.median(times["one operator"])
    for name, found in times.items():
        median = statistics.median(found)
        print(f"{name:16} {median * 1e3:8.2f} ms (best {min(found) * 1e3:.2f}), {median / one:5.2f} of one operator")
    print("target: ten fused at most 1.3 of one")


if __name__ == "__main__":
    main()
