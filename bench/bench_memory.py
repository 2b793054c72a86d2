"""Planned memory of the networks of issue 3, beside the lower bound and what every result of its own would take.

python bench/bench_memory.py [--draw FOLDER]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import nets

import weft as mx
from weft.frontend.graph.gradient import add_gradient
from weft.frontend.graph.infer import infer
from weft.frontend.graph.ir import Graph
from weft.frontend.graph.memory import plan_memory
from weft.frontend.graph.pipeline import optimize, set_mode

# Passes that leave fewer results: joined operators need none between them, which is no merit of the plan.
JOINING = ("conv_bn", "postops", "layout", "fusion")
TARGETS = ("ResNet-50", "VGG-16", "LSTM, 35 steps", "MLP, 100 layers")


def plan(name, train):
    """Return the plan of a network, bytes without reuse before operators are joined, and the seconds of planning."""
    symbol, shapes = nets.NETS[name](mx)
    graph = infer(set_mode(Graph.from_entries(symbol._entries), train), shapes, {})
    wanted = [argument for argument in symbol.list_arguments() if argument not in shapes] if train else []
    graph = add_gradient(graph, wanted)
    separate = optimize(graph, JOINING)
    apart = plan_memory(separate, separate.outputs).no_reuse
    graph = optimize(graph)
    begin = time.perf_counter()
    found = plan_memory(graph, graph.outputs, lent=graph.outputs)
    return found, apart, time.perf_counter() - begin


def main():
    """Print one line a network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", type=Path, help="folder for pictures of the arenas")
    options = parser.parse_args()
    print(f"{'':26}{'planned':>12}{'/ bound':>9}{'/ no reuse':>12}{'/ joined':>12}  {'target':>14}  {'plan, ms':>9}")
    for name in nets.NETS:
        for train in (True, False):
            found, apart, seconds = plan(name, train)
            share = found.total / max(apart, 1)
            target = (0.5 if train else 0.25) if name in TARGETS else None
            shown = "" if target is None else f"<= 1.05, {target}"
            label = f"{name} {'train' if train else 'infer'}"
            print(
                f"{label:26}{found.total / 2**20:8.1f} MiB{found.total / max(found.lower_bound, 1):9.3f}{share:12.3f}"
                f"{found.total / max(found.no_reuse, 1):12.3f}  {shown:>14}  {seconds * 1e3:9.1f}"
            )
            if options.draw:
                options.draw.mkdir(parents=True, exist_ok=True)
                found.draw(options.draw / f"{label.replace(' ', '-').replace(',', '')}.svg")


if __name__ == "__main__":
    main()
