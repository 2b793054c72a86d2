"""The benches with two sides under pytest-benchmark: weft and its peers as groups of one run::

    WEFT_BENCH_TORCH_PYTHON=... WEFT_BENCH_MXNET_PYTHON=... pytest bench/test_sides.py [--benchmark-json FILE] [-k elementwise]

Peers live in environments of their own; those whose interpreter is not named are skipped. Every side measures itself in a
process of its own and says how long it took; that is the time that pytest-benchmark reports. The scripts themselves
(``python bench/bench_mlp.py`` ...) measure the sides in turn and print ratios, which is what weft's stated numbers are.
"""

from __future__ import annotations

import os
import sys

import pytest

pytest.importorskip("pytest_benchmark")
sys.path.insert(0, os.path.dirname(__file__))

import bench_elementwise
import bench_nets
from sides import Side

PYTHONS = {
    "weft": sys.executable,
    "numpy": sys.executable,
    "torch": os.environ.get("WEFT_BENCH_TORCH_PYTHON"),
    "mxnet": os.environ.get("WEFT_BENCH_MXNET_PYTHON"),
}
ROUNDS = 7


def cases():
    """Return ``(script, case, sides, numbers asked, calls in one answer, environment)`` of every bench."""
    found = []
    for number, name in enumerate((*bench_elementwise.CASES, *bench_elementwise.SMALL)):
        calls = bench_elementwise.SMALL_LOOPS if name in bench_elementwise.SMALL else 1
        found.append(("bench_elementwise.py", name, ("weft", "numpy", "torch"), (number,), calls, {}))
    found.append(("bench_imperative.py", "10 operators and backward", ("weft", "torch"), (300,), 1, {}))
    found.append(("bench_mlp.py", "MLP step", ("weft", "torch"), (100,), 100, {}))
    found.append(("bench_lenet.py", "LeNet step", ("weft", "torch"), (20,), 20, {}))
    for name, (_, steps) in bench_nets.SIZES.items():
        for kind, label in ((bench_nets.TRAIN, "training step"), (bench_nets.INFER, "inference")):
            sides = ("weft", "mxnet", "torch")
            found.append(("bench_nets.py", f"{name} {label}", sides, (kind, steps), steps, {"WEFT_BENCH_NET": name}))
    return found


class Clock:
    """The seconds that sides have reported, as a timer."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


clock = Clock()


@pytest.fixture(scope="module")
def open_side():
    """Return a function that starts a side, or returns the one that runs already; one script is open at a time."""
    running = {}

    def start(script, name, environment):
        key = (script, name, *environment.items())
        if key not in running:
            if any(other[0] != script or other[2:] != key[2:] for other in running):
                close()
            path = os.path.join(os.path.dirname(__file__), script)
            running[key] = Side(name, PYTHONS[name], path, {**os.environ, **environment})
        return running[key]

    def close():
        while running:
            running.popitem()[1].close()

    yield start
    close()


def parameters():
    """Return the benches' cases, a parameter set for each side."""
    for script, case, sides, *rest in cases():
        for side in sides:
            absent = pytest.mark.skipif(PYTHONS[side] is None, reason=f"no interpreter of {side} is named")
            group = f"{script[6:-3]}: {case}"
            marks = (absent, pytest.mark.benchmark(group=group, timer=clock))
            yield pytest.param(script, side, *rest, marks=marks, id=f"{script[6:-3]}-{case}-{side}")


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("script", "side", "numbers", "calls", "environment"), list(parameters()))
def test_side(script, side, numbers, calls, environment, benchmark, open_side):
    """One case of one side."""
    process = open_side(script, side, environment)
    seconds = process.ask(*numbers)[0]  # to warm up
    if seconds != seconds:
        pytest.skip(f"{side} has no such function")

    def run():
        clock.seconds += process.ask(*numbers)[0] / calls

    benchmark.pedantic(run, rounds=ROUNDS, iterations=1)
