"""``.params`` files of every version that MXNet 1.9.1 reads, written by it or by hand, read by weft."""

import functools
import os

import mxnet_data
import mxnet_differences
import numpy as np
import pytest

import weft as mx

FOLDER = os.path.join(mxnet_data.DATA_DIR, "params")


@functools.cache
def family():
    return mxnet_data.load("files")


def parameters():
    for case in family()[0]:
        if not mxnet_differences.differs("files", case["id"], "all"):
            yield pytest.param(case, id=case["id"])


def check(got, case):
    names = [k for k, _, _ in case["arrays"]]
    if case["kind"] == "dict":
        assert isinstance(got, dict)
        assert sorted(got) == sorted(names)
        got = [got[k] for k in names]
    else:
        assert isinstance(got, list)
    assert len(got) == len(names)
    for g, (_, expected, stype) in zip(got, case["arrays"]):
        expected = mxnet_data.decode(expected, family()[1])
        a = g.asnumpy()
        assert (a.dtype, a.shape, g.stype) == (expected.dtype, expected.shape, stype)
        np.testing.assert_array_equal(a, expected)


@pytest.mark.parametrize("case", list(parameters()))
def test_load(case):
    path = os.path.join(FOLDER, case["id"])
    if "error" in case:
        with pytest.raises(mx.base.MXNetError):
            mx.nd.load(path)
    else:
        check(mx.nd.load(path), case)


@pytest.mark.parametrize("case", list(parameters()))
def test_load_frombuffer(case):
    with open(os.path.join(FOLDER, case["id"]), "rb") as f:
        content = f.read()
    if "error" in case:
        with pytest.raises(mx.base.MXNetError):
            mx.nd.load_frombuffer(content)
    else:
        check(mx.nd.load_frombuffer(content), case)


@pytest.mark.parametrize("name", ["real_list", "real_dict", "real_dtypes", "real_empty_list"])
def test_save_writes_the_same_bytes(name, tmp_path):
    """A file that is loaded and saved again is the file that MXNet wrote."""
    path = os.path.join(FOLDER, name + ".params")
    mx.nd.save(str(tmp_path / "again"), mx.nd.load(path))
    with open(path, "rb") as f:
        assert (tmp_path / "again").read_bytes() == f.read()
