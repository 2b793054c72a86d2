"""Planned memory of the networks of issue 3, beside the lower bound and what every result of its own would take.

python bench/bench_memory.py [--draw FOLDER]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import nets

import weft as mx
from weft.frontend.graph.ir import Graph
from weft.frontend.graph.memory import plan_memory
from weft.frontend.graph.pipeline import optimize, prepare

TRAINING = ("ResNet-50", "VGG-16", "LSTM, 35 steps", "MLP, 100 layers")


def plan(name, train):
    """Return the memory plan of a network and the seconds that planning took."""
    symbol, shapes = nets.NETS[name](mx)
    graph = Graph.from_entries(symbol._entries)
    wanted = [argument for argument in symbol.list_arguments() if argument not in shapes] if train else []
    graph = optimize(prepare(graph, shapes, train=train, wrt=wanted))
    begin = time.perf_counter()
    found = plan_memory(graph, graph.outputs, lent=graph.outputs)
    return found, time.perf_counter() - begin


def main():
    """Print one line a network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", type=Path, help="folder for pictures of the arenas")
    options = parser.parse_args()
    print(f"{'':26}{'planned':>12}{'/ bound':>9}{'/ no reuse':>12}  {'target':>14}  {'plan, ms':>9}")
    for name in nets.NETS:
        for train in (True, False):
            found, seconds = plan(name, train)
            share = found.total / max(found.no_reuse, 1)
            target = (0.5 if train else 0.25) if name in TRAINING else None
            shown = "" if target is None else f"<= 1.05, {target}"
            label = f"{name} {'train' if train else 'infer'}"
            print(
                f"{label:26}{found.total / 2**20:8.1f} MiB{found.total / max(found.lower_bound, 1):9.3f}{share:12.3f}"
                f"  {shown:>14}  {seconds * 1e3:9.1f}"
            )
            if options.draw:
                options.draw.mkdir(parents=True, exist_ok=True)
                found.draw(options.draw / f"{label.replace(' ', '-').replace(',', '')}.svg")


if __name__ == "__main__":
    main()
