"""Small operators from Python: weft beside NumPy and PyTorch, tracing on and off, and memory in a long loop.

::

    python bench/bench_imperative.py --peer-python /path/to/an/environment/with/torch/bin/python

``WEFT_BENCH_TORCH_PYTHON`` names the peer's interpreter too; without one the comparison with PyTorch is left out. NumPy
and weft take turns in one process, PyTorch and weft in processes of their own; medians of the rounds are printed.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import time

from sides import Side, serve

ROUNDS = 15


def timed(function, number):
    """Return seconds a call of ``number`` calls."""
    begin = time.perf_counter()
    for _ in range(number):
        function()
    return (time.perf_counter() - begin) / number


def in_turn(functions, number):
    """Return the median seconds of each function, called in turn."""
    times = [[] for _ in functions]
    for function in functions:
        timed(function, number)
    for _ in range(ROUNDS):
        for own, function in zip(times, functions):
            own.append(timed(function, number))
    return [statistics.median(own) for own in times]


def weft_ten():
    """Return ten operators under record, and their backward pass."""
    import numpy as np

    from weft import autograd, nd

    x = nd.array(np.arange(1.0, 17.0).reshape(4, 4) / 10)
    w = nd.ones((4, 4))
    w.attach_grad()

    def step():
        with autograd.record():
            h = nd.tanh(x * w)
            h = h + x
            h = nd.sigmoid(h * w)
            h = nd.exp(h - x)
            h = nd.relu(h) * w
            h = h + w
        h.backward()
        w.grad.wait_to_read()

    return step


def torch_ten():
    """Return the same in PyTorch."""
    import torch

    x = torch.arange(1.0, 17.0).reshape(4, 4) / 10
    w = torch.ones(4, 4, requires_grad=True)
    ones = torch.ones(4, 4)

    def step():
        h = torch.tanh(x * w)
        h = h + x
        h = torch.sigmoid(h * w)
        h = torch.exp(h - x)
        h = torch.relu(h) * w
        h = h + w
        w.grad = None
        h.backward(ones)

    return step


def small_operators():
    """Print the time of one small operator beside NumPy's."""
    import numpy as np

    from weft import nd

    x, y = nd.ones((4, 4)), nd.ones((4, 4))
    a, b = x.asnumpy(), y.asnumpy()
    cases = {
        "x + y": (lambda: (x + y).wait_to_read(), lambda: a + b),
        "x + 1": (lambda: (x + 1).wait_to_read(), lambda: a + 1),
        "exp(x)": (lambda: nd.exp(x).wait_to_read(), lambda: np.exp(a)),
        "sum(x)": (lambda: nd.sum(x).wait_to_read(), lambda: np.sum(a)),
    }
    print("4x4 float32, from Python, result waited for, ns:   weft   NumPy   ratio   target")
    for name, functions in cases.items():
        own, peer = in_turn(functions, 2000)
        print(f"  {name:46} {own * 1e9:6.0f} {peer * 1e9:7.0f} {own / peer:7.2f}   {'<= 1' if '+' in name else ''}")


def tracing():
    """Print what recording events costs small operators."""
    from weft import engine, nd

    x = nd.ones((4, 4))

    def body():
        for _ in range(1000):
            x + 1

    # Each thread's ring is made at its first event: that is not what a long run pays.
    ratios = []
    for _ in range(10 * ROUNDS):  # a few ns are looked for: other programs disturb many of the rounds
        off = min(timed(body, 1) for _ in range(20))
        engine.start_events()
        body()
        on = min(timed(body, 1) for _ in range(20))
        engine.stop_events()
        ratios.append(on / off)
    ratio = statistics.median(ratios)
    print(f"tracing on, x + 1 on 4x4: {100 * (ratio - 1):+.1f} % (target under +5 %)")


def memory():
    """Print how much a million pushes that nobody waits for add to the process."""
    from weft import nd

    x = nd.ones((64, 64))
    for _ in range(50_000):
        x + 1
    nd.waitall()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(1_000_000):
        x + 1
    nd.waitall()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"a million pushes of x + 1, 64x64, not waited for: memory grew by {grown} KiB (target flat)")


def main():
    """Run the benches."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peer-python", default=os.environ.get("WEFT_BENCH_TORCH_PYTHON"))
    parser.add_argument("--serve")
    options = parser.parse_args()
    if options.serve:
        step = weft_ten() if options.serve == "weft" else torch_ten()
        timed(step, 50)
        serve(lambda number: [timed(step, number)])
        return
    small_operators()
    if options.peer_python:
        sides = [Side("weft", sys.executable, __file__), Side("torch", options.peer_python, __file__)]
        times = [[], []]
        for _ in range(ROUNDS):
            for own, side in zip(times, sides):
                own.append(side.ask(300)[0])
        for side in sides:
            side.close()
        own, peer = (statistics.median(values) for values in times)
        print(f"10 operators recorded, and backward, 4x4: weft {own * 1e6:.1f} us, PyTorch {peer * 1e6:.1f} us,")
        print(f"  ratio {own / peer:.2f} (target <= 0.5)")
    tracing()
    memory()


if __name__ == "__main__":
    main()
