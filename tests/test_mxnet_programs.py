"""Short programs about NDArray and autograd whose results the real MXNet 1.9.1 gave, run by weft."""

import functools
import warnings

import mxnet_compare
import mxnet_data
import mxnet_differences
import numpy as np
import pytest

import weft as mx

FAMILIES = mxnet_data.PROGRAMS


@functools.cache
def family(name):
    return mxnet_data.load(name)


def parameters():
    for name in FAMILIES:
        for case in family(name)[0]:
            yield pytest.param(name, case, id="{}-{}".format(name, case["id"]))


def compare(label, got, expected):
    """`expected` is [kind, content ...] as the recorder described it."""
    kind = expected[0]
    if kind == "nd":
        assert isinstance(got, mx.nd.NDArray), f"{label}: NDArray expected, got {got!r}"
        mxnet_compare.check(label, got.asnumpy(), expected[1])
    elif kind == "np":
        assert isinstance(got, np.ndarray) and not isinstance(got, mx.nd.NDArray), label
        mxnet_compare.check(label, got, expected[1])
    elif kind == "scalar":
        assert isinstance(got, np.generic) and got.dtype == np.dtype(expected[1]), f"{label}: {got!r}"
        np.testing.assert_allclose(got.item(), expected[2], rtol=1e-5, err_msg=label)
    elif kind in ("list", "tuple"):
        assert type(got).__name__ == kind and len(got) == len(expected[1]), f"{label}: {got!r}"
        for i, (g, e) in enumerate(zip(got, expected[1])):
            compare("%s[%d]" % (label, i), g, e)
    elif kind == "type":
        assert isinstance(got, type) and got.__name__.strip("_") == expected[1].strip("_"), f"{label}: {got!r}"
    elif kind == "repr":
        assert repr(got) == expected[1].replace("mxnet.", "weft."), label
    elif kind == "float":
        assert type(got) is float, f"{label}: {got!r}"
        np.testing.assert_allclose(got, expected[1], rtol=1e-5, err_msg=label)
    else:
        assert type(got).__name__ == kind and got == expected[1], f"{label}: {got!r}, MXNet gives {expected[1]!r}"


def run(code):
    space = {"mx": mx, "nd": mx.nd, "np": np, "autograd": mx.autograd}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MXNet warned as well
            exec(compile(code, "<case>", "exec"), space)  # the programs are ours, stored beside this test
        mx.nd.waitall()
    finally:
        mx.autograd.set_recording(False)
        mx.autograd.set_training(False)
    return space


@pytest.mark.parametrize(("name", "case"), list(parameters()))
def test_program(name, case):
    if mxnet_differences.differs(name, case["id"], "all"):
        return
    if "error" in case:
        if mxnet_differences.differs(name, case["id"], "error"):
            return
        with pytest.raises(mxnet_compare.allowed_errors(mx, mxnet_data.decode(case["error"], None))):
            run(case["code"])
        return
    space = run(case["code"])
    if mxnet_differences.differs(name, case["id"], "values"):
        return
    for label, expected in case["results"].items():
        compare(label, space[label], mxnet_data.decode(expected, family(name)[1]))


def test_waitall_does_not_repeat_an_error_that_a_wait_has_raised():
    data, index = mx.nd.ones((4, 2)), mx.nd.array([0, 9])
    with pytest.raises(mx.base.MXNetError):
        mx.nd.take(data, index, mode="raise").wait_to_read()
    mx.nd.waitall()
