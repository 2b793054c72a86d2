"""Compare training loops: samples a second, interleaved, each side in a process of its own."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

from sides import Side, serve


def answer_with(trainer):
    """Return what answers a number of steps with the seconds they took and the last loss."""
    run = trainer()
    run(20)

    def answer(steps):
        begin = time.perf_counter()
        loss = run(steps)
        return time.perf_counter() - begin, loss

    return answer


def weft_loop(batches, parameters, momenta, scores_of, rate, momentum):
    """Return a function that trains by SGD with momentum for a number of steps, and returns the last loss."""
    from weft import autograd, nd

    def step(x, y):
        with autograd.record():
            loss = -nd.pick(nd.log_softmax(scores_of(x)), y).mean()
        loss.backward()
        for parameter, moved in zip(parameters, momenta):
            nd.sgd_mom_update(parameter, parameter.grad, moved, lr=rate, momentum=momentum, out=parameter)
        return loss

    def run(steps):
        for i in range(steps):
            loss = step(*batches[i % len(batches)])
        nd.waitall()
        return float(loss.asscalar())

    return run


def weft_state(images, labels, values):
    """Return batches, parameters with gradients, and momenta, as arrays of weft."""
    from weft import nd

    batches = [(nd.array(x), nd.array(y, dtype="float32")) for x, y in zip(images, labels)]
    parameters = [nd.array(value) for value in values]
    for parameter in parameters:
        parameter.attach_grad()
    return batches, parameters, [nd.zeros_like(parameter) for parameter in parameters]


def compare(script, trainers, batch, title, argv=None):
    """Run a bench of ``{"weft": trainer, "torch": trainer}`` and print rates and their ratio.

    A trainer sets its network up and returns a function that runs a number of steps and returns the last loss.
    """
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--peer-python", default=os.environ.get("WEFT_BENCH_TORCH_PYTHON"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--serve", choices=trainers, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.serve:
        return serve(answer_with(trainers[options.serve]))
    pythons = {"weft": sys.executable}
    if options.peer_python:
        pythons["torch"] = options.peer_python
    sides = [Side(name, python, os.path.abspath(script)) for name, python in pythons.items()]
    rates = {name: [] for name in pythons}
    losses = {}
    for _ in range(options.rounds):
        for side in sides:
            seconds, losses[side.name] = side.ask(options.steps)
            rates[side.name].append(options.steps * batch / seconds)
    for side in sides:
        side.close()
        rate, best = statistics.median(rates[side.name]), max(rates[side.name])
        step = batch / rate * 1e6
        print(f"{side.name:6} {rate:10,.0f} samples/s (best {best:,.0f}), {step:7.0f} us a step, last loss {losses[side.name]:.4f}")
    if len(sides) == 2:
        ratio = statistics.median(a / b for a, b in zip(*rates.values()))
        print(f"weft / torch: {ratio:.2f} (target 1.3)")
    return None
