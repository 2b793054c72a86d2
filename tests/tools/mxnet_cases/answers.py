"""Runs one case against the real MXNet and returns its answer as plain data."""

import builtins
import types

import numpy as np

from .common import rng


def scramble(mx):
    """Overwrite free memory, so that reads of unwritten memory show up as changed answers."""
    blocks = [mx.nd.full((n,), 12345.678) for n in (1, 7, 33, 129, 513, 2049, 8193) for _ in range(4)]
    mx.nd.waitall()
    del blocks


def same(a, b):
    """Equality of answers with NaN equal to NaN."""
    if isinstance(a, np.ndarray):
        return (isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape
                and np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


def error_of(e):
    """What is kept of an exception: its type and the start of its message."""
    text = str(e)
    if "MXNetError:" in text:
        text = text.split("MXNetError:", 1)[1]
    return [type(e).__name__, text.strip()[:160]]


def find(mx, path):
    target = mx
    for part in path.split("."):
        target = getattr(target, part)
    return target


def answer(mx, case):
    """The answer to one case, of either form."""
    mx.random.seed(7)
    if "code" in case:
        return run_program(mx, case)
    return run_operator(mx, case)


def run_operator(mx, case):
    def to_nd(value):
        if isinstance(value, np.ndarray):
            return mx.nd.array(value, dtype=value.dtype)
        if isinstance(value, list):
            return [to_nd(v) for v in value]
        return value

    inputs = [to_nd(v) for v in case["inputs"]]
    flat = []
    for v in inputs:
        flat += v if isinstance(v, list) else [v]
    arrays = [v for v in flat if isinstance(v, mx.nd.NDArray)]
    before = [a.asnumpy() for a in arrays]
    kwargs = dict(case["kwargs"])
    if "out" in case:
        out = [arrays[i] for i in case["out"]]
        kwargs["out"] = out[0] if len(out) == 1 else out
    wanted = case["grad"]
    if wanted is None:
        wanted = [i for i, a in enumerate(arrays) if np.dtype(a.dtype).kind == "f"]
    try:
        for i in wanted:
            arrays[i].attach_grad()
        function = find(mx, case["op"])
        if wanted:
            with mx.autograd.record(train_mode=case["train"]):
                result = function(*inputs, **kwargs)
        else:
            result = function(*inputs, **kwargs)
        outputs = list(result) if isinstance(result, (list, tuple)) else [result]
        values = [o.asnumpy() for o in outputs]
    except Exception as e:
        return {"error": error_of(e)}
    found = {"outputs": values, "multi": isinstance(result, (list, tuple))}
    if case["compare"] == "meta":
        found["outputs"] = [np.zeros(v.shape, v.dtype) for v in values]
        return found
    after = [a.asnumpy() for a in arrays]
    changed = {i: b for i, (a, b) in enumerate(zip(before, after)) if not same(a, b)}
    if changed:
        found["mutated"] = [[i, b] for i, b in changed.items()]
    if wanted and not changed:
        found.update(run_backward(mx, case, outputs, values, arrays, wanted))
    elif wanted and case["op"].split(".")[-1] in ("BatchNorm",):
        found.update(run_backward(mx, case, outputs, values, arrays, wanted))
    return found


def run_backward(mx, case, outputs, values, arrays, wanted):
    heads = None
    if case["head"] != "none":
        heads = []
        for i, v in enumerate(values):
            h = np.round(rng("head", case["id"], i).uniform(-2, 2, v.shape) * 64) / 64
            heads.append(np.asarray(h, v.dtype))
    try:
        mx.autograd.backward(outputs, None if heads is None else
                             [mx.nd.array(h, dtype=h.dtype) for h in heads],
                             train_mode=case["train"])
        grads = [arrays[i].grad.asnumpy() for i in wanted]
    except Exception as e:
        return {"grad_of": wanted, "head_grads": heads, "grad_error": error_of(e)}
    return {"grad_of": wanted, "head_grads": heads, "grads": grads}


def describe(mx, value):
    """A result of a program as plain data: [kind, content ...]."""
    if isinstance(value, mx.nd.NDArray):
        return ["nd", value.asnumpy()]
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            raise TypeError("an array of objects is no answer that can be stored")
        return ["np", value]
    if isinstance(value, np.generic):
        return ["scalar", value.dtype.str, value.item()]
    if isinstance(value, (bool, int, float, str)) or value is None:
        return [type(value).__name__, value]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, [describe(mx, v) for v in value]]
    if isinstance(value, dict):
        return ["dict", [[k, describe(mx, v)] for k, v in value.items()]]
    if isinstance(value, type):
        return ["type", value.__name__]
    return ["repr", repr(value)]


def run_program(mx, case):
    space = {"mx": mx, "nd": mx.nd, "np": np, "autograd": mx.autograd, "mxnp": None}
    known = set(space) | {"__builtins__"}
    try:
        builtins.exec(case["code"], space)
        mx.nd.waitall()
        results = {n: describe(mx, v) for n, v in space.items()
                   if n not in known and n.startswith("r") and not isinstance(v, types.ModuleType)}
    except Exception as e:
        return {"error": error_of(e)}
    return {"results": results}
