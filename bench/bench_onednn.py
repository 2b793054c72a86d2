"""Matrix products and convolutions through ``nd`` beside the same primitives of oneDNN in a bare loop.

The bare loop calls the library that weft found through ctypes, on all cores, in the layouts it is given plain ("plain")
and in the layouts it prefers, with no time for changing into them and back ("own")::

    python bench/bench_onednn.py [--rounds 5] [--only dot]
"""

from __future__ import annotations

import argparse
import ctypes
import os
import statistics
import sys
import time

import numpy as np
from sides import Side, serve

BATCH = 16
# name, channels in, size, channels out, kernel, stride, pad
CONVOLUTIONS = [
    ("3x3 64->64 @56", 64, 56, 64, 3, 1, 1),
    ("1x1 256->64 @56", 256, 56, 64, 1, 1, 0),
    ("1x1 64->256 @56", 64, 56, 256, 1, 1, 0),
    ("7x7/2 3->64 @224", 3, 224, 64, 7, 2, 3),
    ("3x3 128->128 @28", 128, 28, 128, 3, 1, 1),
    ("3x3/2 128->128 @56", 128, 56, 128, 3, 2, 1),
    ("3x3 256->256 @14", 256, 14, 256, 3, 1, 1),
    ("1x1 1024->256 @14", 1024, 14, 256, 1, 1, 0),
    ("1x1/2 256->512 @56", 256, 56, 512, 1, 2, 0),
    ("3x3 512->512 @7", 512, 7, 512, 3, 1, 1),
]
CASES = [("dot", f"dot {n}", (n,)) for n in (256, 1024, 2048)]
CASES += [("forward", f"forward {name}", shape) for name, *shape in CONVOLUTIONS]
CASES += [("backward", f"backward {name}", shape) for name, *shape in CONVOLUTIONS]


def values(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def best_of(run, milliseconds):
    """Return the shortest of the calls that fit in a time, at least three."""
    run()
    best, count, end = float("inf"), 0, time.perf_counter() + milliseconds / 1e3
    while count < 3 or time.perf_counter() < end:
        begin = time.perf_counter()
        run()
        best, count = min(best, time.perf_counter() - begin), count + 1
    return best


# ---- weft ------------------------------------------------------------------------------------------------------------


def weft_case(kind, shape):
    from weft import nd
    from weft.ops.functions import F

    if kind == "dot":
        lhs, rhs = (nd.array(values(shape[0], shape[0])) for _ in range(2))
        out = nd.zeros(lhs.shape)
        return lambda: nd.dot(lhs, rhs, out=out).wait_to_read()
    ci, size, co, kernel, stride, pad = shape
    window = {"kernel": (kernel,) * 2, "stride": (stride,) * 2, "pad": (pad,) * 2, "num_filter": co, "no_bias": True}
    data, weight = nd.array(values(BATCH, ci, size, size)), nd.array(values(co, ci, kernel, kernel))
    if kind == "forward":
        return lambda: nd.Convolution(data, weight, **window).wait_to_read()
    grad = nd.array(values(*nd.Convolution(data, weight, **window).shape))

    def backward():
        for result in F._backward_Convolution(grad, data, weight, wanted=3, **window):
            result.wait_to_read()

    return backward


def weft_answer(case, milliseconds):
    kind, _, shape = CASES[case]
    return (best_of(weft_case(kind, shape), milliseconds),)


# ---- oneDNN alone ----------------------------------------------------------------------------------------------------

F32, ANY, FORWARD, DIRECT = 3, 1, 64, 1
SRC, DST, WEIGHTS, SCRATCHPAD, DIFF_SRC, DIFF_DST, DIFF_WEIGHTS = 1, 17, 33, 80, 129, 145, 161
QUERY = {SRC: 129, DIFF_SRC: 130, WEIGHTS: 131, DIFF_WEIGHTS: 132, DST: 133, DIFF_DST: 134, SCRATCHPAD: 136}


class ExecArg(ctypes.Structure):
    """One argument of a primitive."""

    _fields_ = [("arg", ctypes.c_int), ("memory", ctypes.c_void_p)]


class Bare:
    """The few calls of oneDNN's C interface that the loop needs."""

    def __init__(self):
        from weft.ops.cpu.onednn_library import candidates

        self.library = ctypes.CDLL(candidates()[0])
        self.engine = self.make("engine_create", 1, ctypes.c_size_t(0))
        self.stream = self.make("stream_create", self.engine, 1)
        self.attributes = self.make("primitive_attr_create")
        self.call("primitive_attr_set_scratchpad_mode", self.attributes, 1)
        self.library.dnnl_primitive_desc_query_md.restype = ctypes.c_void_p
        self.library.dnnl_memory_desc_get_size.restype = ctypes.c_size_t

    def call(self, name, *arguments):
        status = getattr(self.library, f"dnnl_{name}")(*arguments)
        if status:
            raise RuntimeError(f"dnnl_{name}: status {status}")

    def make(self, name, *arguments):
        handle = ctypes.c_void_p()
        self.call(name, ctypes.byref(handle), *arguments)
        return handle

    def desc(self, shape, plain):
        dims = (ctypes.c_int64 * 12)(*shape)
        if not plain:
            return self.make("memory_desc_create_with_tag", len(shape), dims, F32, ANY)
        strides = (ctypes.c_int64 * 12)(*(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))))
        return self.make("memory_desc_create_with_strides", len(shape), dims, F32, strides)

    def runner(self, operation, arguments):
        """Return a function that runs a primitive on memory of its own."""
        primitive = self.make("primitive_create", operation)
        items = []
        for argument in (*arguments, SCRATCHPAD):
            desc = ctypes.c_void_p(self.library.dnnl_primitive_desc_query_md(operation, QUERY[argument], 0))
            if desc and (size := self.library.dnnl_memory_desc_get_size(desc)):
                memory, address = self.make("memory_create", desc, self.engine, ctypes.c_void_p(-1)), ctypes.c_void_p()
                self.call("memory_get_data_handle", memory, ctypes.byref(address))
                # Pages never written are all the one page of zeros, which never leaves the cache. 0x3c: small normal numbers.
                ctypes.memset(address, 0x3C, size)
                items.append((argument, memory))
        packed = (ExecArg * len(items))(*((argument, memory.value) for argument, memory in items))

        def run():
            self.call("primitive_execute", primitive, self.stream, len(items), packed)
            self.call("stream_wait", self.stream)

        return run

    def dot(self, n):
        arrays = [values(n, n) for _ in range(3)]
        a, b, c = (ctypes.c_void_p(array.ctypes.data) for array in arrays)
        size, char, real = ctypes.c_int64(n), ctypes.c_char(b"N"), ctypes.c_float

        def run():
            self.call("sgemm", char, char, size, size, size, real(1), a, size, b, size, real(0), c, size)
            return arrays

        return [run]

    def convolution(self, kind, plain, ci, size, co, kernel, stride, pad):
        out = (size + 2 * pad - kernel) // stride + 1
        data, weight, result = (
            self.desc(shape, plain) for shape in ((BATCH, ci, size, size), (co, ci, kernel, kernel), (BATCH, co, out, out))
        )
        pair = ctypes.c_int64 * 12
        strides, dilates, pads = pair(stride, stride), pair(0, 0), pair(pad, pad)
        window = (strides, dilates, pads, pads)
        forward = self.make(
            "convolution_forward_primitive_desc_create", self.engine, FORWARD, DIRECT, data, weight, None, result, *window, self.attributes
        )
        if kind == "forward":
            return [self.runner(forward, (SRC, WEIGHTS, DST))]
        rest = (*window, forward, self.attributes)
        by_data = self.make("convolution_backward_data_primitive_desc_create", self.engine, DIRECT, data, weight, result, *rest)
        by_weights = self.make("convolution_backward_weights_primitive_desc_create", self.engine, DIRECT, data, weight, None, result, *rest)
        return [
            self.runner(by_data, (DIFF_SRC, WEIGHTS, DIFF_DST)),
            self.runner(by_weights, (SRC, DIFF_WEIGHTS, DIFF_DST)),
        ]


def bare_answerer():
    bare = Bare()

    def seconds(runs, milliseconds):
        return sum(best_of(run, milliseconds) for run in runs)

    def answer(case, milliseconds):
        kind, _, shape = CASES[case]
        if kind == "dot":
            alone = seconds(bare.dot(*shape), milliseconds)
            return alone, alone
        plain, own = (seconds(bare.convolution(kind, plain, *shape), milliseconds) for plain in (True, False))
        return plain, own

    return answer


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--milliseconds", type=int, default=300, help="time for each measurement")
    parser.add_argument("--only", default="", help="run the cases whose name contains this")
    parser.add_argument("--serve", choices=("weft", "bare"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.serve:
        return serve(weft_answer if options.serve == "weft" else bare_answerer())
    sides = [Side(name, sys.executable, os.path.abspath(__file__)) for name in ("weft", "bare")]
    print(f"{'':30} {'weft':>9} {'plain':>9} {'own':>9}  ms, best of each round; weft / own")
    for case, (_, name, _) in enumerate(CASES):
        if options.only not in name:
            continue
        rounds = [[x for side in sides for x in side.ask(case, options.milliseconds)] for _ in range(options.rounds)]
        weft, plain, own = (statistics.median(column) * 1e3 for column in zip(*rounds))
        print(f"{name:30} {weft:9.3f} {plain:9.3f} {own:9.3f}  {weft / own:.2f}", flush=True)
    for side in sides:
        side.close()


if __name__ == "__main__":
    main()
