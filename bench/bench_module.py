"""A training loop as users write it, ``Module.fit`` with iterator and metric: weft beside MXNet 1.9.1, the same program.

784-256-128-10, batches of 64, SGD with momentum; an epoch is 60 batches::

    python bench/bench_module.py --mxnet-python /path/to/an/environment/with/mxnet/bin/python

``WEFT_BENCH_MXNET_PYTHON`` names the peer's interpreter too. Without one, weft alone is measured. ``step`` is forward, backward
and update of one batch; ``fit`` also shuffles, cuts batches and measures accuracy.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import sys
import time

from sides import Side, serve

BATCH, BATCHES = 64, 60
PARTS = ("step", "fit")


def loops(mx):
    """Return what runs a number of steps, and what runs a number of epochs."""
    import numpy as np

    mx.random.seed(1)
    np.random.seed(1)
    net = mx.sym.Variable("data")
    for i, size in enumerate((256, 128)):
        net = mx.sym.Activation(mx.sym.FullyConnected(net, num_hidden=size, name=f"fc{i}"), act_type="relu")
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=10, name="out"), name="softmax")
    images = np.random.rand(BATCH * BATCHES, 784).astype(np.float32)
    labels = np.random.randint(0, 10, len(images)).astype(np.float32)
    data = mx.io.NDArrayIter(images, labels, BATCH, shuffle=True)
    module = mx.mod.Module(net)
    module.bind(data.provide_data, data.provide_label)
    module.init_params(mx.init.Xavier())
    module.init_optimizer(optimizer_params={"learning_rate": 0.01, "momentum": 0.9})
    batch, metric = next(data), mx.metric.create("acc")

    def step(count):
        for _ in range(count * BATCHES):
            module.forward_backward(batch)
            module.update()
        mx.nd.waitall()

    def fit(count):
        for _ in range(count):
            data.reset()
            metric.reset()
            for each in data:
                module.forward_backward(each)
                module.update()
                module.update_metric(metric, each.label)
            metric.get()
        mx.nd.waitall()

    return step, fit


def answer_with(name):
    """Return what answers the number of a loop and of epochs with the seconds they took."""
    found = loops(importlib.import_module(name))
    for loop in found:
        loop(2)

    def answer(which, count):
        begin = time.perf_counter()
        found[which](count)
        return (time.perf_counter() - begin,)

    return answer


def main():
    """Run the bench and print samples a second, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mxnet-python", default=os.environ.get("WEFT_BENCH_MXNET_PYTHON"))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--serve", choices=("weft", "mxnet"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(answer_with(options.serve))
    pythons = {"weft": sys.executable}
    if options.mxnet_python:
        pythons["mxnet"] = options.mxnet_python
    sides = [Side(name, python, os.path.abspath(__file__)) for name, python in pythons.items()]
    for which, part in enumerate(PARTS):
        rates = {name: [] for name in pythons}
        for _ in range(options.rounds):
            for side in sides:
                (seconds,) = side.ask(which, options.epochs)
                rates[side.name].append(options.epochs * BATCHES * BATCH / seconds)
        shown = ", ".join(f"{name} {statistics.median(found):,.0f} samples/s" for name, found in rates.items())
        ratio = f", weft / mxnet {statistics.median(a / b for a, b in zip(*rates.values())):.2f}" if len(rates) == 2 else ""
        print(f"{part:4}: {shown}{ratio}", flush=True)
    for side in sides:
        side.close()
    return None


if __name__ == "__main__":
    sys.exit(main())
