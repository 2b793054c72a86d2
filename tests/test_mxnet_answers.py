"""Every operator case whose answer the real MXNet 1.9.1 gave, against weft: forward and gradient."""

import functools
import glob
import os

import mxnet_compare
import mxnet_data
import mxnet_differences
import numpy as np
import pytest

import weft as mx

FAMILIES = ("unary", "binary", "scalar", "reduce", "ordering", "shape", "indexing", "linalg", "optimizer", "nn", "loss", "sequence",
            "creation", "random", "contrib", "errors")


@functools.cache
def family(name):
    return mxnet_data.load(name)


def parameters(gradient):
    for name in FAMILIES:
        for case in family(name)[0]:
            if not gradient or "grad_of" in case:
                yield pytest.param(name, case, id="{}-{}".format(name, case["id"]))


def to_nd(value):
    if isinstance(value, np.ndarray):
        return mx.nd.array(value, dtype=value.dtype)
    if isinstance(value, list):
        return [to_nd(v) for v in value]
    return value


def call(name, case):
    """Run the case; returns (all input NDArrays, the result)."""
    read = functools.partial(mxnet_data.decode, arrays=family(name)[1])
    inputs = [to_nd(v) for v in read(case["inputs"])]
    arrays = []
    for v in inputs:
        arrays += [a for a in (v if isinstance(v, list) else [v]) if isinstance(a, mx.nd.NDArray)]
    kwargs = {k: read(v) for k, v in case["kwargs"].items()}
    if "out" in case:
        out = [arrays[i] for i in read(case["out"])]
        kwargs["out"] = out[0] if len(out) == 1 else out
    function = mx
    for part in case["op"].split("."):
        function = getattr(function, part, None)
    if function is None:
        pytest.skip("weft has no {} (docs/coverage says why)".format(case["op"]))
    wanted = read(case["grad_of"]) if "grad_of" in case else []
    for i in wanted:
        arrays[i].attach_grad()
    if wanted:
        with mx.autograd.record(train_mode=case["train"]):
            return arrays, function(*inputs, **kwargs)
    return arrays, function(*inputs, **kwargs)


def as_list(result):
    return list(result) if isinstance(result, (list, tuple)) else [result]


def tolerance(case, arrays):
    given = {k: case[k] for k in ("rtol", "atol") if k in case}
    return given or mxnet_compare.half_precision(*[a.asnumpy() for a in arrays])


@pytest.mark.parametrize(("name", "case"), list(parameters(gradient=False)))
def test_forward(name, case):
    if mxnet_differences.differs(name, case["id"], "all"):
        return
    if "error" in case:
        if mxnet_differences.differs(name, case["id"], "error"):
            return
        recorded = mxnet_data.decode(case["error"], None)
        with pytest.raises(mxnet_compare.allowed_errors(mx, recorded)):
            for r in as_list(call(name, case)[1]):
                r.asnumpy()
        return
    read = functools.partial(mxnet_data.decode, arrays=family(name)[1])
    arrays, result = call(name, case)
    assert isinstance(result, (list, tuple)) == case["multi"], "one result or a list of results"
    got = [r.asnumpy() for r in as_list(result)]
    expected = read(case["outputs"])
    assert len(got) == len(expected)
    for i, (g, e) in enumerate(zip(got, expected)):
        if case["compare"] == "meta":
            assert (g.shape, g.dtype) == (e.shape, e.dtype)
        elif not mxnet_differences.differs(name, case["id"], "values"):
            mxnet_compare.check("output %d" % i, g, e, **tolerance(case, arrays))
    for i, e in read(case.get("mutated", {"l": []})):
        if mxnet_differences.differs(name, case["id"], "input %d" % i):
            continue
        mxnet_compare.check("changed input %d" % i, arrays[i].asnumpy(), e, **tolerance(case, arrays))


@pytest.mark.parametrize(("name", "case"), list(parameters(gradient=True)))
def test_gradient(name, case):
    if mxnet_differences.differs(name, case["id"], "gradient"):
        return
    read = functools.partial(mxnet_data.decode, arrays=family(name)[1])
    arrays, result = call(name, case)
    heads = read(case["head_grads"]) if "head_grads" in case else None
    heads = None if heads is None else [to_nd(h) for h in heads]

    def backward():
        mx.autograd.backward(as_list(result), heads, train_mode=case["train"])
        return [arrays[i].grad.asnumpy() for i in read(case["grad_of"])]

    if "grad_error" in case:
        with pytest.raises(mxnet_compare.allowed_errors(mx, mxnet_data.decode(case["grad_error"], None))):
            backward()
        return
    for i, g, e in zip(read(case["grad_of"]), backward(), read(case["grads"])):
        mxnet_compare.check("gradient of input %d" % i, g, e, **tolerance(case, arrays))


def test_every_data_file_is_used():
    found = {os.path.basename(p)[:-5] for p in glob.glob(os.path.join(mxnet_data.DATA_DIR, "*.json"))}
    assert found == set(FAMILIES) | set(mxnet_data.PROGRAMS) | {"files", "inference"}
