"""Memory and time of a training step with forward results computed again (docs/decisions/0078), beside the normal step.

    python bench/bench_recompute.py [--seconds 20] [network ...]

The executors take turns, so that whatever else the machine does meets all of them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import nets

import weft as mx

BATCH = {"ResNet-50": {"batch": 4}, "VGG-16": {"batch": 2}}
NETWORKS = {
    "ResNet-50": nets.resnet,
    "VGG-16": nets.vgg16,
    "MLP, 100 layers": nets.deep_mlp,
    "LSTM, 35 steps": nets.lstm,
}
MODES = ("0", "mirror", "sublinear")


def bind(symbol, shapes, mode):
    """Return an executor that trains, bound under a mode of recomputation."""
    os.environ["WEFT_RECOMPUTE"] = mode
    executor = symbol.simple_bind(mx.cpu(), grad_req="write", **shapes)
    for array in executor.arg_dict.values():
        array[:] = mx.nd.random.uniform(-0.05, 0.05, shape=array.shape)
    step(executor)
    return executor


def step(executor):
    """Return the seconds of forward and backward."""
    begin = time.perf_counter()
    executor.forward_backward()
    mx.nd.waitall()
    return time.perf_counter() - begin


def main():
    """Print one line a network and mode: planned bytes and time as shares of the normal step's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("networks", nargs="*", metavar="network", help=", ".join(NETWORKS))
    options = parser.parse_args()
    print(f"{'':18}{'':11}{'planned':>12}{'/ normal':>10}{'step':>11}{'/ normal':>10}   target: <= 0.7, <= 1.35")
    for name in options.networks or NETWORKS:
        symbol, shapes = NETWORKS[name](mx, **BATCH.get(name, {}))
        executors = {mode: bind(symbol, shapes, mode) for mode in MODES}
        times = {mode: [] for mode in MODES}
        end = time.perf_counter() + options.seconds
        while time.perf_counter() < end or len(times["0"]) < 3:
            for mode, executor in executors.items():
                times[mode].append(step(executor))
        normal = executors["0"].memory_plan().total
        ratios = {mode: statistics.median(b / a for a, b in zip(times["0"], times[mode])) for mode in MODES}
        for mode, executor in executors.items():
            total = executor.memory_plan().total
            print(
                f"{name:18}{mode:11}{total / 2**20:8.1f} MiB{total / normal:10.2f}"
                f"{statistics.median(times[mode]) * 1e3:8.1f} ms{ratios[mode]:10.2f}"
            )


if __name__ == "__main__":
    main()
