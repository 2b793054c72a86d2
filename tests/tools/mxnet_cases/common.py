"""Small helpers to write down cases: an operator, its inputs, its parameters.

A case is a dictionary:

    id       unique in its family
    op       path below the package, such as ``nd.sum``
    inputs   positional arguments: arrays (become NDArrays), lists of arrays, or plain values
    kwargs   keyword arguments; plain values
    train    True: run under ``autograd.record(train_mode=True)``, False: ``train_mode=False``
    grad     positions of the inputs whose gradient is asked, or None for all floating ones
    head     None: random head gradients; "none": ``backward()`` without
    out      positions of the inputs that are also passed as ``out=``
    compare  how the test compares: "values" (default) or "meta" (shape and dtype only)
"""

import zlib

import numpy as np

FLOATS = ("float16", "float32", "float64")
INTS = ("uint8", "int8", "int32", "int64")
ALL = FLOATS + INTS


class Family:
    """Collects the cases of one file."""

    def __init__(self, name):
        self.name = name
        self.cases = []
        self._ids = {}

    def add(self, op, *inputs, id="", train=True, grad=None, head=None, out=None, compare="values",
            rtol=None, atol=None, **kwargs):
        """Write down one case; keyword arguments are the operator's parameters."""
        label = op.split("nd.", 1)[-1]
        if id:
            label += "-" + id
        count = self._ids.get(label, 0)
        self._ids[label] = count + 1
        if count:
            label += "-%d" % count
        case = {"id": label, "op": op, "inputs": list(inputs), "kwargs": kwargs,
                "train": train, "grad": grad, "head": head, "compare": compare}
        if out is not None:
            case["out"] = out
        if rtol is not None:
            case["rtol"] = rtol
        if atol is not None:
            case["atol"] = atol
        self.cases.append(case)


def rng(*key):
    """A generator that depends only on `key`."""
    return np.random.RandomState(zlib.crc32(repr(key).encode()) % (2 ** 31))


def arr(*shape, dtype="float32", low=-2.0, high=2.0, seed=0):
    """Reproducible values; floats are multiples of 1/64 so that every dtype holds them exactly."""
    r = rng(shape, dtype, low, high, seed)
    if np.dtype(dtype).kind == "f":
        values = np.round(r.uniform(low, high, shape) * 64) / 64
        return np.asarray(values, dtype)
    low, high = int(np.ceil(low)), int(np.floor(high))
    if np.dtype(dtype).kind == "u":
        low = max(low, 0)
    return np.asarray(r.randint(low, high + 1, shape), dtype)


def pos(*shape, dtype="float32", low=0.25, high=2.0, seed=0):
    """Positive values."""
    if np.dtype(dtype).kind != "f":
        low, high = 1, 3
    return arr(*shape, dtype=dtype, low=low, high=high, seed=seed)


def distinct(*shape, dtype="float32", step=0.5, seed=0):
    """Values that are all different (for sorting), in random order."""
    n = int(np.prod(shape, dtype=int))
    order = rng("distinct", shape, seed).permutation(n)
    if np.dtype(dtype).kind != "f":
        step = 1
    offset = 0 if np.dtype(dtype).kind == "u" else n // 2
    return np.asarray((order - offset) * step, dtype).reshape(shape)


def ints(*shape, low=0, high=3, dtype="int32", seed=0):
    """Integers in [low, high]."""
    return np.asarray(rng("ints", shape, low, high, seed).randint(low, high + 1, shape), dtype)


SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5,
                    1e-30, -1e-30, 1e30, -1e30, 80.0, -80.0, 100.0, -100.0], np.float32)
