"""What programs do around operators: indexing, assignment, shapes, creation. weft beside NumPy, interleaved in one run.

::

    python bench/bench_ndarray.py [--rounds 15]

``pytest bench/bench_ndarray.py`` runs the same statements under pytest-benchmark. Arrays are 4x4 float32, so this is the
cost of a call, not of the work. A wait for the results is part of each round.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import pytest

from weft import nd

CALLS = 2000
# What weft runs, and what NumPy runs for the same effect.
STATEMENTS = {
    "x[1]": "x[1]",
    "x[1:3]": "x[1:3]",
    "x[1, 2]": "x[1, 2]",
    "x[:, 1]": "x[:, 1].copy()",
    "x[[0, 2]]": "x[[0, 2]]",
    "x[:] = 1": "x[:] = 1",
    "x[1] = 1": "x[1] = 1",
    "x[:, 1] = 1": "x[:, 1] = 1",
    "x[:] = y": "x[:] = y",
    "x += y": "x += y",
    "x.reshape((2, 8))": "x.reshape((2, 8))",
    "x.reshape((-1,))": "x.reshape((-1,))",
    "x.copy()": "x.copy()",
    "x.astype('float64')": "x.astype('float64')",
    "nd.zeros((4, 4))": "np.zeros((4, 4), np.float32)",
    "nd.array(n)": "np.array(n)",
    "x.asnumpy()": "x.copy()",
}


def compiled(statement: str, arrays: dict) -> object:
    """Return a function that runs a statement CALLS times."""
    space = dict(arrays)
    exec(f"def run(x=x, y=y, n=n, nd=nd, np=np):\n    for _ in range({CALLS}):\n        {statement}", space)
    return space["run"]


def sides(name: str) -> tuple:
    """Return the functions of weft and of NumPy."""
    n = np.ones((4, 4), np.float32)
    common = {"n": n, "nd": nd, "np": np}
    ours = compiled(name, {"x": nd.array(n), "y": nd.array(n), **common})
    theirs = compiled(STATEMENTS[name], {"x": n.copy(), "y": n.copy(), **common})
    return ours, theirs


@pytest.mark.parametrize("side", ["weft", "numpy"])
@pytest.mark.parametrize("name", STATEMENTS)
def test_statement(benchmark, name, side):
    ours, theirs = sides(name)
    function = ours if side == "weft" else theirs
    benchmark.pedantic(lambda: (function(), nd.waitall()), rounds=5, warmup_rounds=1)


def measure(rounds: int) -> None:
    """Print the median time of a call for both."""
    print(f"{'statement':24}{'weft ns':>10}{'NumPy ns':>10}{'ratio':>8}")
    for name in STATEMENTS:
        both = sides(name)
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds + 1):
            for function, collected in zip(both, times):
                start = time.perf_counter()
                function()
                nd.waitall()
                collected.append((time.perf_counter() - start) / CALLS)
        ours, theirs = (statistics.median(collected[1:]) * 1e9 for collected in times)
        print(f"{name:24}{ours:10.0f}{theirs:10.0f}{ours / theirs:8.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    measure(parser.parse_args().rounds)
