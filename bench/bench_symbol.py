"""Symbols: composing, writing, reading, inferring, beside MXNet: microseconds a node.

``python bench/bench_symbol.py``; MXNet runs in the interpreter that WEFT_BENCH_MXNET_PYTHON names, if it is set.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

LAYERS = 4000
STEPS = ("compose", "tojson", "load_json", "list_arguments", "infer_shape")


def dense(s):
    """Return a chain of dense layers: three new nodes a layer."""
    net = s.var("x")
    for _ in range(LAYERS):
        net = s.FullyConnected(net, num_hidden=4)
    return net


def measure(s):
    """Return the time of each step in microseconds a node, the least of three."""
    times = {step: [] for step in STEPS}
    dense(s)
    for _ in range(3):
        marks = [time.perf_counter()]
        net = dense(s)
        marks.append(time.perf_counter())
        text = net.tojson()
        marks.append(time.perf_counter())
        s.load_json(text)
        marks.append(time.perf_counter())
        net.list_arguments()
        marks.append(time.perf_counter())
        net.infer_shape(x=(2, 4))
        marks.append(time.perf_counter())
        for step, begin, end in zip(STEPS, marks, marks[1:]):
            times[step].append((end - begin) * 1e6 / (3 * LAYERS + 1))
    return {step: min(found) for step, found in times.items()}


def main():
    if "--mxnet" in sys.argv:
        import mxnet

        print(json.dumps(measure(mxnet.sym)))
        return
    import weft as mx

    ours = measure(mx.sym)
    python = os.environ.get("WEFT_BENCH_MXNET_PYTHON")
    theirs = {}
    if python:
        found = subprocess.run([python, __file__, "--mxnet"], check=True, capture_output=True, text=True)
        theirs = json.loads(found.stdout.splitlines()[-1])
    print(f"{'us a node':<16}{'weft':>8}{'MXNet':>8}{'ratio':>8}")
    for step in STEPS:
        beside = f"{theirs[step]:8.2f}{ours[step] / theirs[step]:8.2f}" if theirs else ""
        print(f"{step:<16}{ours[step]:8.2f}{beside}")


if __name__ == "__main__":
    main()
