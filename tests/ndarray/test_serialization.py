"""``.params`` files: bytes as MXNet 1.9.1 writes them, every version, and files that want to do harm."""

import os
import pickle
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weft as mx
from weft import nd
from weft.engine.errors import MXNetError

HEADER = struct.pack("<QQ", 0x112, 0)
# Written by MXNet 1.9.1: nd.save(name, {"é": nd.array([1])}) and nd.save(name, [nd.array([1, 0], dtype="int8")]).
DICT_BYTES = bytes.fromhex(
    "120100000000000000000000000000000100000000000000c9fa93f9000000000100000001000000000000000100000000000000"
    "000000000000803f01000000000000000200000000000000c3a9"
)
INT8_BYTES = bytes.fromhex(
    "120100000000000000000000000000000100000000000000c9fa93f9000000000100000002000000000000000100000000000000"
    "0500000001000000000000000000"
)


def file_of(*records, names=()):
    encoded = [name.encode() for name in names]
    tail = struct.pack("<Q", len(encoded)) + b"".join(struct.pack("<Q", len(name)) + name for name in encoded)
    return HEADER + struct.pack("<Q", len(records)) + b"".join(records) + tail


FIVE = struct.pack("<f", 5)


def v2(shape=(1,), device=(1, 0), dtype=0, data=FIVE, storage=0, magic=0xF993FAC9):
    head = struct.pack(f"<Iii{len(shape)}q", magic, storage, len(shape), *shape)
    return head + struct.pack("<iii", *device, dtype) + data


def test_bytes_are_those_of_mxnet(tmp_path):
    name = tmp_path / "x.params"
    nd.save(str(name), {"é": nd.array([1])})
    assert name.read_bytes() == DICT_BYTES
    nd.save(name, [nd.array([1, 0], dtype="int8")])
    assert name.read_bytes() == INT8_BYTES
    nd.save(name, nd.array([1, 0], dtype="int8"))
    assert name.read_bytes() == INT8_BYTES


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "uint8", "int8", "int32", "int64", "bool"])
def test_round_trip(tmp_path, dtype):
    name = str(tmp_path / "x.params")
    arrays = {"a": nd.array([[1, 0, 3]], dtype=dtype), "": nd.zeros((2, 0), dtype=dtype), "scalar": nd.array(1, dtype=dtype)}
    nd.save(name, arrays)
    loaded = nd.load(name)
    assert list(loaded) == ["a", "", "scalar"]
    for key, array in arrays.items():
        assert loaded[key].dtype == array.dtype
        assert loaded[key].shape == array.shape
        np.testing.assert_array_equal(loaded[key].asnumpy(), array.asnumpy())


def test_views_are_saved_as_what_they_show(tmp_path):
    name = str(tmp_path / "x.params")
    nd.save(name, [nd.arange(6).reshape((2, 3))[1]])
    assert nd.load(name)[0].asnumpy().tolist() == [3, 4, 5]


@pytest.mark.parametrize(
    "record",
    [
        v2(),
        v2(magic=0xF993FACA),
        struct.pack("<Iiqiiif", 0xF993FAC8, 1, 1, 1, 0, 0, 5),
        struct.pack("<IIiiif", 1, 1, 1, 0, 0, 5),
        v2(device=(2, 3)),
        v2(dtype=12, data=struct.pack("<H", 0x40A0)),
    ],
    ids=["v2", "v3", "v1", "oldest", "gpu", "bfloat16"],
)
def test_every_version(record):
    (array,) = nd.load_frombuffer(file_of(record))
    assert array.asnumpy().tolist() == [5]
    assert array.dtype == np.float32
    assert array.context == mx.cpu()


def test_arrays_without_a_value():
    records = [struct.pack("<Iii", 0xF993FAC9, 0, 0), v2(), struct.pack("<Iii", 0xF993FACA, 0, -1)]
    loaded = nd.load_frombuffer(file_of(*records, names=("a", "b", "c")))
    assert loaded["a"].size == loaded["c"].size == 0
    assert loaded["b"].asnumpy().tolist() == [5]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "byte 0: the file's magic number needs 8 bytes"),
        (b"PK\3\4" + bytes(30), "is not 0x112"),
        (DICT_BYTES[:-1], "the length of the name is 2, more than the 1 bytes left"),
        (DICT_BYTES[:40], "array 0 of 1, byte 36"),
        (DICT_BYTES + b"x", "1 bytes follow the end"),
        (file_of(v2(dtype=77)), "unknown dtype number 77"),
        (file_of(v2(device=(9, 0))), "unknown device type 9"),
        (file_of(v2(device=(1, -1))), "device number -1 is negative"),
        (file_of(v2(storage=5)), "unknown storage type 5"),
        (file_of(v2(storage=1)), "row_sparse storage; sparse storage is not supported yet"),
        (file_of(v2(shape=(-3,))), "dimension -3"),
        (file_of(v2(shape=(1 << 40, 1 << 40))), "needs 4835703278458516698824704 bytes"),
        (file_of(v2(shape=(1 << 61, 8))), "bytes, but the file ends after"),
        (file_of(v2(magic=0xDEADBEEF)), "0xDEADBEEF is neither"),
        (file_of(v2(), names=("a", "b")), "2 names for 1 arrays"),
        (HEADER + struct.pack("<Q", 1 << 63), "the number of arrays is 9223372036854775808, more than"),
        (HEADER + struct.pack("<QQ", 0, 1 << 62), "the number of names is"),
        (file_of(v2(), names=("a",))[:-1] + b"\xff", "is not UTF-8"),
        (file_of(struct.pack("<Iii", 0xF993FAC9, 0, 1000)), "number of dimensions 1000 is not between"),
    ],
)
def test_bad_files_name_the_place(tmp_path, data, message):
    with pytest.raises(MXNetError, match=message):
        nd.load_frombuffer(data)
    name = tmp_path / "bad.params"
    name.write_bytes(data)
    with pytest.raises(MXNetError, match=message) as raised:
        nd.load(str(name))
    assert "bad.params" in str(raised.value)


SEED = file_of(
    v2((2, 2), data=bytes(16)),
    struct.pack("<Iiqiiif", 0xF993FAC8, 1, 1, 1, 0, 0, 5),
    struct.pack("<IIiiif", 1, 1, 1, 0, 0, 5),
    v2(dtype=7, data=b"\7"),
    names=("one", "two", "three", "four"),
)


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_mutated_files_never_crash(data):
    content = bytearray(SEED)
    for _ in range(data.draw(st.integers(1, 6))):
        kind = data.draw(st.sampled_from(["byte", "word", "cut", "insert"]))
        at = data.draw(st.integers(0, max(0, len(content) - 1)))
        if kind == "byte":
            content[at : at + 1] = data.draw(st.binary(min_size=1, max_size=1))
        elif kind == "word":
            word = data.draw(st.sampled_from([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 62, (1 << 64) - 1, 0xF993FAC8, 0xF993FACA]))
            content[at : at + 8] = struct.pack("<Q", word)
        elif kind == "cut":
            del content[at : at + data.draw(st.integers(1, 40))]
        else:
            content[at:at] = data.draw(st.binary(max_size=20))
    try:
        loaded = nd.load_frombuffer(bytes(content))
    except MXNetError:
        return
    for array in loaded.values() if isinstance(loaded, dict) else loaded:
        array.asnumpy()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ((nd.zeros((1,)),), ValueError),
        ("a", ValueError),
        ([1], TypeError),
        ({"a": 1}, TypeError),
        ({1: nd.zeros((1,))}, TypeError),
    ],
)
def test_what_cannot_be_saved(tmp_path, data, error):
    with pytest.raises(error):
        nd.save(str(tmp_path / "x.params"), data)
    assert not os.listdir(tmp_path)


def test_a_failed_save_leaves_the_old_file(tmp_path):
    name = tmp_path / "x.params"
    nd.save(str(name), [nd.ones((1,))])
    before = name.read_bytes()
    with pytest.raises(TypeError):
        nd.save(str(name), [nd.ones((1,)), None])
    assert name.read_bytes() == before
    assert os.listdir(tmp_path) == ["x.params"]


def test_saving_through_a_link_and_over_a_file(tmp_path):
    real, link = tmp_path / "real.params", tmp_path / "link.params"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    nd.save(str(link), [nd.ones((1,))])
    assert link.is_symlink()
    assert nd.load(str(real))[0].asnumpy().tolist() == [1]
    assert real.stat().st_mode & 0o777 == 0o640


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(MXNetError, match="No such file"):
        nd.load(str(tmp_path / "missing.params"))
    with pytest.raises(MXNetError, match="cannot save"):
        nd.save(str(tmp_path / "no" / "x.params"), [nd.ones((1,))])
    with pytest.raises(TypeError):
        nd.load(3)


def test_pickle():
    array = nd.arange(6, dtype="float64", ctx=mx.cpu(1)).reshape((2, 3))
    copy = pickle.loads(pickle.dumps(array))
    assert copy.dtype == np.float64
    assert copy.context == mx.cpu(1)
    np.testing.assert_array_equal(copy.asnumpy(), array.asnumpy())
    with pytest.raises(MXNetError):
        array.__setstate__({"handle": b"nonsense"})
    array.__setstate__((array * 2).__getstate__())
    assert array.asnumpy().max() == 10
    for target in (nd.zeros((4, 4)), nd.NDArray.__new__(nd.NDArray)):
        target.__setstate__(copy.__getstate__())
        assert target.dtype == np.float64
        np.testing.assert_array_equal(target.asnumpy(), copy.asnumpy())


def test_pickle_of_mxnet():
    # pickle.dumps(mx.nd.array([[1, 2]], dtype="int8")) of MXNet 1.9.1
    data = bytes.fromhex(
        "80049581000000000000008c156d786e65742e6e6461727261792e6e646172726179948c074e4441727261799493944e859452947d948c0668616e646c65948c086275696c74"
        "696e73948c09627974656172726179949394432ac9fa93f90000000002000000010000000000000002000000000000000100000000000000050000000102948594529473622e"
    )
    code = f"import weft, pickle; weft.install_as_mxnet(); x = pickle.loads({data!r}); print(x.asnumpy().tolist(), x.dtype.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[[1, 2]] int8"
