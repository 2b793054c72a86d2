"""The storage format of recorded MXNet answers, shared by the recorder and the tests.

A family of cases is two files: ``NAME.json`` (the cases, and for every array its
dtype, shape and place) and ``NAME.npz`` with the single member ``bytes`` (the raw
bytes of all different arrays). No pickle is involved.

Values inside a case are plain JSON, except for one-key objects:
``{"a": 3}`` is array number 3, ``{"t": [...]}`` a tuple, ``{"l": [...]}`` a list,
``{"f": "nan"}`` a float that JSON cannot hold.
"""

import json
import math
import os

import numpy as np

#: Families whose cases are programs; those of the others are calls of operators.
PROGRAMS = (
    "rnn",
    "bound",
    "operators",
    "ndarray",
    "indexing_programs",
    "autograd",
    "control",
    "io",
    "kvstore",
    "module",
    "trajectories",
    "schedules",
    "metrics",
    "initializers",
    "drawings",
    "helpers",
    "api",
    "contrib_programs",
)

DATA_DIR = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "mxnet")


class ArrayStore:
    """Arrays by number; equal arrays are kept once."""

    def __init__(self):
        self.table = []
        self.chunks = []
        self.offset = 0
        self._known = {}

    def add(self, array):
        """Store `array` and return its number."""
        array = np.ascontiguousarray(array) if np.ndim(array) else np.asarray(array)
        raw = array.tobytes()
        key = (array.dtype.str, array.shape, raw)
        if key not in self._known:
            self._known[key] = len(self.table)
            self.table.append([array.dtype.str, list(array.shape), self.offset])
            self.chunks.append(raw)
            self.offset += len(raw)
        return self._known[key]


def encode(value, store):
    """Turn `value` into JSON; arrays go to `store`."""
    if isinstance(value, np.ndarray):
        return {"a": store.add(value)}
    if isinstance(value, tuple):
        return {"t": [encode(v, store) for v in value]}
    if isinstance(value, list):
        return {"l": [encode(v, store) for v in value]}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"f": repr(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"cannot store {value!r}")


def decode(value, arrays):
    """The inverse of :func:`encode`; `arrays` maps a number to an array."""
    if isinstance(value, dict):
        (kind, content), = value.items()
        if kind == "a":
            return arrays(content)
        if kind == "t":
            return tuple(decode(v, arrays) for v in content)
        if kind == "l":
            return [decode(v, arrays) for v in content]
        if kind == "f":
            return float(content)
        raise ValueError(f"unknown kind {kind!r}")
    return value


def save(name, cases, store, directory=DATA_DIR):
    """Write one family; one case a line, so that differences read well."""
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, name + ".json"), "w") as f:
        f.write('{"mxnet": "1.9.1",\n"arrays": ')
        json.dump(store.table, f, separators=(",", ":"))
        f.write(',\n"cases": [\n')
        f.write(",\n".join(json.dumps(c, separators=(",", ":")) for c in cases))
        f.write("\n]}\n")
    data = np.frombuffer(b"".join(store.chunks), np.uint8)
    np.savez_compressed(os.path.join(directory, name + ".npz"), bytes=data)


def load(name, directory=DATA_DIR):
    """Read one family: the list of cases and the function number -> array."""
    with open(os.path.join(directory, name + ".json")) as f:
        content = json.load(f)
    with np.load(os.path.join(directory, name + ".npz"), allow_pickle=False) as f:
        raw = f["bytes"].tobytes()
    table = content["arrays"]

    def array(number):
        dtype, shape, offset = table[number]
        dtype = np.dtype(dtype)
        count = int(np.prod(shape, dtype=np.int64))
        return np.frombuffer(raw, dtype, count, offset).reshape(shape).copy()

    return content["cases"], array
