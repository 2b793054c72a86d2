"""Operators that move and choose elements, a fresh result each time, beside PyTorch writing into an existing array.

python bench/bench_movement.py [--peer-python /environment/with/torch/bin/python] [--rounds 7]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

import numpy as np
from sides import Side, serve

SIDE = 4096  # 16M float32
IMAGES = (64, 64, 56, 56)
WORDS, WIDTH, TOKENS = 50_000, 256, 8192
CASES = [
    "transpose",
    "NCHW to NHWC",
    "concat rows",
    "concat columns",
    "left half",
    "flip",
    "repeat",
    "where",
    "embedding",
    "embedding gradient",
]


def data():
    generator = np.random.default_rng(0)
    matrix = generator.random((SIDE, SIDE), dtype=np.float32)
    images = generator.random(IMAGES, dtype=np.float32)
    table = generator.random((WORDS, WIDTH), dtype=np.float32)
    return matrix, images, table, generator.integers(0, WORDS, TOKENS)


def weft_cases():
    import weft as mx
    from weft.ops.functions import F

    nd = mx.nd
    matrix, images, table, words = (nd.array(array, dtype=array.dtype) for array in data())
    mask = matrix > 0.5
    grad = nd.ones((TOKENS, WIDTH))
    sizes = {"input_dim": WORDS, "output_dim": WIDTH}
    cases = [
        lambda: nd.transpose(matrix),
        lambda: nd.transpose(images, axes=(0, 2, 3, 1)),
        lambda: nd.concat(matrix, matrix, dim=0),
        lambda: nd.concat(matrix, matrix, dim=1),
        lambda: nd.slice_axis(matrix, axis=1, begin=0, end=SIDE // 2),
        lambda: nd.flip(matrix, axis=1),
        lambda: nd.repeat(matrix, repeats=2, axis=1),
        lambda: nd.where(mask, matrix, matrix),
        lambda: nd.Embedding(words, table, **sizes),
        lambda: F._backward_Embedding(grad, words, table, **sizes),
    ]
    return [lambda case=case: case().wait_to_read() for case in cases]


def torch_cases():
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    matrix, images, table, words = (torch.from_numpy(array) for array in data())
    mask = matrix > 0.5
    grad = torch.ones(TOKENS, WIDTH)
    square, half = torch.zeros_like(matrix), torch.zeros(SIDE, SIDE // 2)
    tall, wide = torch.zeros(2 * SIDE, SIDE), torch.zeros(SIDE, 2 * SIDE)
    last, rows, table_grad = torch.zeros(64, 56, 56, 64), torch.zeros(TOKENS, WIDTH), torch.zeros(WORDS, WIDTH)
    return [
        lambda: square.copy_(matrix.t()),
        lambda: last.copy_(images.permute(0, 2, 3, 1)),
        lambda: torch.cat([matrix, matrix], 0, out=tall),
        lambda: torch.cat([matrix, matrix], 1, out=wide),
        lambda: half.copy_(matrix[:, : SIDE // 2]),
        lambda: torch.flip(matrix, (1,)),
        lambda: wide.view(SIDE, SIDE, 2).copy_(matrix.unsqueeze(2).expand(SIDE, SIDE, 2)),
        lambda: torch.where(mask, matrix, matrix, out=square),
        lambda: torch.index_select(table, 0, words, out=rows),
        lambda: table_grad.zero_().index_add_(0, words, grad),
    ]


MAKERS = {"weft": weft_cases, "torch": torch_cases}


def serve_side(name):
    cases = MAKERS[name]()

    def answer(number):
        run = cases[number]
        run()
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            run()
            times.append(time.perf_counter() - begin)
        return [min(times) * 1e3]

    serve(answer)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", default=os.environ.get("WEFT_BENCH_TORCH_PYTHON"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--serve", choices=MAKERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve_side(options.serve)
    sides = [Side("weft", sys.executable, __file__)]
    if options.peer_python:
        sides.append(Side("torch", options.peer_python, __file__))
    print(f"{'ms':20}" + "".join(f"{side.name:>10}" for side in sides))
    for number, case in enumerate(CASES):
        rounds = [[side.ask(number)[0] for side in sides] for _ in range(options.rounds)]
        medians = [statistics.median(times) for times in zip(*rounds)]
        print(f"{case:20}" + "".join(f"{value:10.2f}" for value in medians), flush=True)
    for side in sides:
        side.close()


if __name__ == "__main__":
    main()
