"""Element-wise operators, reductions and softmax on 16M float32: weft beside PyTorch and NumPy, interleaved in one run.

weft makes a fresh result at each call; the peers write into an existing array (``out=``) where they can::

    python bench/bench_elementwise.py [--peer-python /environment/with/torch/bin/python] [--rounds 7]

``WEFT_BENCH_TORCH_PYTHON`` names the peer's interpreter too. Without one, weft is measured beside NumPy alone.
``pytest bench/test_sides.py`` runs the same cases under pytest-benchmark.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

import numpy as np
from sides import Side, serve

SIDE = 4096
CASES = ("add", "mul", "relu", "exp", "log", "tanh", "sigmoid", "sum", "max", "softmax", "broadcast add", "transpose")
SMALL = ("4x4 x + y", "4x4 x + 1")
SMALL_LOOPS = 20_000


def data():
    """Return two matrices, the second positive, and a row."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((SIDE, SIDE), dtype=np.float32)
    return x, np.abs(x) + np.float32(0.1), x[0].copy()


def weft_cases():
    """Return a function for each case that leaves its result finished."""
    from weft import nd

    x, y, row = (nd.array(array) for array in data())
    a, b = nd.ones((4, 4)), nd.ones((4, 4))

    def small(function):
        def run():
            for _ in range(SMALL_LOOPS):
                result = function()
            result.wait_to_read()

        return run

    functions = {
        "add": lambda: x + y,
        "mul": lambda: x * y,
        "relu": lambda: nd.relu(x),
        "exp": lambda: nd.exp(x),
        "log": lambda: nd.log(y),
        "tanh": lambda: nd.tanh(x),
        "sigmoid": lambda: nd.sigmoid(x),
        "sum": lambda: nd.sum(x),
        "max": lambda: nd.max(x),
        "softmax": lambda: nd.softmax(x),
        "broadcast add": lambda: nd.broadcast_add(x, row.reshape((1, SIDE))),
        "transpose": lambda: nd.transpose(x),
    }
    cases = {name: (lambda run=run: run().wait_to_read()) for name, run in functions.items()}
    return {**cases, "4x4 x + y": small(lambda: a + b), "4x4 x + 1": small(lambda: a + 1)}


def numpy_cases():
    """Return a function for each case that NumPy has, writing into an existing array."""
    x, y, row = data()
    out, turned = np.zeros_like(x), np.zeros_like(x)
    a, b = np.ones((4, 4), np.float32), np.ones((4, 4), np.float32)

    def small(function):
        def run():
            for _ in range(SMALL_LOOPS):
                function()

        return run

    return {
        "add": lambda: np.add(x, y, out=out),
        "mul": lambda: np.multiply(x, y, out=out),
        "relu": lambda: np.maximum(x, np.float32(0), out=out),
        "exp": lambda: np.exp(x, out=out),
        "log": lambda: np.log(y, out=out),
        "tanh": lambda: np.tanh(x, out=out),
        "sum": lambda: x.sum(),
        "max": lambda: x.max(),
        "broadcast add": lambda: np.add(x, row, out=out),
        "transpose": lambda: np.copyto(turned, x.T),
        "4x4 x + y": small(lambda: a + b),
        "4x4 x + 1": small(lambda: a + 1),
    }


def torch_cases():
    """Return a function for each case, writing into an existing tensor."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    x, y, row = (torch.from_numpy(array) for array in data())
    out = torch.zeros_like(x)
    a, b = torch.ones(4, 4), torch.ones(4, 4)

    def small(function):
        def run():
            for _ in range(SMALL_LOOPS):
                function()

        return run

    return {
        "add": lambda: torch.add(x, y, out=out),
        "mul": lambda: torch.mul(x, y, out=out),
        "relu": lambda: torch.clamp_min(x, 0, out=out),
        "exp": lambda: torch.exp(x, out=out),
        "log": lambda: torch.log(y, out=out),
        "tanh": lambda: torch.tanh(x, out=out),
        "sigmoid": lambda: torch.sigmoid(x, out=out),
        "sum": lambda: x.sum(),
        "max": lambda: x.max(),
        "softmax": lambda: torch.softmax(x, 1, out=out),
        "broadcast add": lambda: torch.add(x, row, out=out),
        "transpose": lambda: out.copy_(x.t()),
        "4x4 x + y": small(lambda: a + b),
        "4x4 x + 1": small(lambda: a + 1),
    }


MAKERS = {"weft": weft_cases, "numpy": numpy_cases, "torch": torch_cases}


def serve_side(name):
    """Answer case numbers with the seconds of one call, after a warming one."""
    cases = MAKERS[name]()

    def answer(number):
        run = cases.get((*CASES, *SMALL)[number])
        if run is None:
            return [float("nan")]
        run()
        begin = time.perf_counter()
        run()
        return [time.perf_counter() - begin]

    serve(answer)


def main():
    """Measure all cases in turn and print medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", default=os.environ.get("WEFT_BENCH_TORCH_PYTHON"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--serve", choices=MAKERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve_side(options.serve)
    sides = [Side("weft", sys.executable, __file__), Side("numpy", sys.executable, __file__)]
    if options.peer_python:
        sides.append(Side("torch", options.peer_python, __file__))
    print(f"{'':16}" + "".join(f"{side.name:>12}" for side in sides) + f"{'weft/last':>12}")
    for number, name in enumerate((*CASES, *SMALL)):
        times = {side.name: [] for side in sides}
        for _ in range(options.rounds):
            for side in sides:
                times[side.name].append(side.ask(number)[0])
        unit = 1e9 / SMALL_LOOPS if name in SMALL else 1e3
        medians = [statistics.median(times[side.name]) * unit for side in sides]
        ratio = medians[0] / medians[-1]
        print(f"{name:16}" + "".join(f"{value:12.2f}" for value in medians) + f"{ratio:12.2f}  {'ns' if name in SMALL else 'ms'}")
    for side in sides:
        side.close()
    return None


if __name__ == "__main__":
    sys.exit(main())
