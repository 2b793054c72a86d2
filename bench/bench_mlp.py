"""Training a multilayer perceptron imperatively: weft beside PyTorch eager, interleaved in one run.

784-256-128-10, batches of 64, SGD with momentum, written with ``nd`` and ``autograd`` alone::

    python bench/bench_mlp.py --peer-python /path/to/an/environment/with/torch/bin/python

``WEFT_BENCH_TORCH_PYTHON`` names the peer's interpreter too. Without one, weft alone is measured.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

import numpy as np
from sides import Side, serve

SIZES = (784, 256, 128, 10)
BATCH = 64
BATCHES = 16
RATE, MOMENTUM = 0.05, 0.9


def make_data():
    """Return batches of images and labels, and initial parameters, the same for both sides."""
    rng = np.random.default_rng(0)
    images = rng.random((BATCHES, BATCH, SIZES[0]), dtype=np.float32)
    labels = rng.integers(0, SIZES[-1], (BATCHES, BATCH))
    parameters = []
    for fan_in, fan_out in zip(SIZES, SIZES[1:]):
        parameters.append((rng.standard_normal((fan_out, fan_in)) / np.sqrt(fan_in)).astype(np.float32))
        parameters.append(np.zeros(fan_out, np.float32))
    return images, labels, parameters


def weft_trainer():
    """Return a function that runs a number of training steps and returns the last loss."""
    from weft import autograd, nd

    images, labels, values = make_data()
    batches = [(nd.array(x), nd.array(y, dtype="float32")) for x, y in zip(images, labels)]
    parameters = [nd.array(value) for value in values]
    momenta = [nd.zeros_like(parameter) for parameter in parameters]
    for parameter in parameters:
        parameter.attach_grad()
    w1, b1, w2, b2, w3, b3 = parameters

    def step(x, y):
        with autograd.record():
            h = nd.relu(nd.FullyConnected(x, w1, b1, num_hidden=SIZES[1]))
            h = nd.relu(nd.FullyConnected(h, w2, b2, num_hidden=SIZES[2]))
            scores = nd.FullyConnected(h, w3, b3, num_hidden=SIZES[3])
            loss = -nd.pick(nd.log_softmax(scores), y).mean()
        loss.backward()
        for parameter, momentum in zip(parameters, momenta):
            nd.sgd_mom_update(parameter, parameter.grad, momentum, lr=RATE, momentum=MOMENTUM, out=parameter)
        return loss

    def run(steps):
        for i in range(steps):
            loss = step(*batches[i % BATCHES])
        nd.waitall()
        return float(loss.asscalar())

    return run


def torch_trainer():
    """Do as weft_trainer, in PyTorch eager."""
    import torch
    from torch import nn

    images, labels, values = make_data()
    batches = [(torch.tensor(x), torch.tensor(y)) for x, y in zip(images, labels)]
    layers = [nn.Linear(fan_in, fan_out) for fan_in, fan_out in zip(SIZES, SIZES[1:])]
    net = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), values):
            parameter.copy_(torch.tensor(value))
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM)
    criterion = nn.CrossEntropyLoss()

    def run(steps):
        for i in range(steps):
            x, y = batches[i % BATCHES]
            optimizer.zero_grad()
            loss = criterion(net(x), y)
            loss.backward()
            optimizer.step()
        return loss.item()

    return run


TRAINERS = {"weft": weft_trainer, "torch": torch_trainer}


def answer_with(name):
    """Return what answers a number of steps with the seconds they took and the last loss."""
    run = TRAINERS[name]()
    run(20)

    def answer(steps):
        begin = time.perf_counter()
        loss = run(steps)
        return time.perf_counter() - begin, loss

    return answer


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", default=os.environ.get("WEFT_BENCH_TORCH_PYTHON"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--serve", choices=TRAINERS, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.serve:
        return serve(answer_with(options.serve))
    pythons = {"weft": sys.executable}
    if options.peer_python:
        pythons["torch"] = options.peer_python
    sides = [Side(name, python, __file__) for name, python in pythons.items()]
    rates = {name: [] for name in pythons}
    for _ in range(options.rounds):
        for side in sides:
            seconds, loss = side.ask(options.steps)
            rates[side.name].append(options.steps * BATCH / seconds)
    for side in sides:
        side.close()
        rate, best = statistics.median(rates[side.name]), max(rates[side.name])
        print(f"{side.name:6} {rate:10,.0f} samples/s (best {best:,.0f}), {BATCH / rate * 1e6:7.0f} us a step, last loss {loss:.4f}")
    if len(sides) == 2:
        ratio = statistics.median(a / b for a, b in zip(*rates.values()))
        print(f"weft / torch: {ratio:.2f} (target 1.3)")


if __name__ == "__main__":
    main()
