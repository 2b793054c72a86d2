"""RecordIO files; what MXNet wrote is in tests/data/mxnet/records."""

import json
import multiprocessing
import os
import pathlib
import pickle
import struct

import numpy as np
import pytest

import weft as mx
from weft.recordio import MAGIC

RECORDED = pathlib.Path(__file__).parent / "data" / "mxnet" / "records"


def contents():
    """Records of all lengths, with the magic at its places and beside them (tools/record_mxnet_files.py writes the same)."""
    gen = np.random.RandomState(5)
    found = [gen.bytes(length) for length in range(10)]
    found += [MAGIC, b"abcd" + MAGIC, b"abc" + MAGIC, MAGIC + MAGIC, b"abcdefgh" + MAGIC + b"ij" + MAGIC + b"kl" + MAGIC, MAGIC * 3 + b"x"]
    return found


def write(path, records):
    with mx.recordio.MXRecordIO(path, "w") as writer:
        for record in records:
            writer.write(record)


def read_all(path):
    reader = mx.recordio.MXRecordIO(path, "r")
    found = list(iter(reader.read, None))
    assert reader.read() is None
    return found


def test_round_trip(tmp_path):
    write(tmp_path / "a.rec", contents())
    assert read_all(tmp_path / "a.rec") == contents()


def test_files_are_those_of_mxnet(tmp_path):
    write(tmp_path / "a.rec", contents())
    assert (tmp_path / "a.rec").read_bytes() == (RECORDED / "plain.rec").read_bytes()


def test_indexed_files_are_those_of_mxnet(tmp_path):
    writer = mx.recordio.MXIndexedRecordIO(tmp_path / "a.idx", tmp_path / "a.rec", "w")
    for key, record in enumerate(contents()):
        writer.write_idx(key * 3, mx.recordio.pack(mx.recordio.IRHeader(0, float(key) if key % 2 else [key, 0.5], key, 2**40), record))
    writer.close()
    for end in ("idx", "rec"):
        assert (tmp_path / f"a.{end}").read_bytes() == (RECORDED / f"indexed.{end}").read_bytes()
    reader = mx.recordio.MXIndexedRecordIO(RECORDED / "indexed.idx", RECORDED / "indexed.rec", "r")
    assert reader.keys == [3 * key for key in range(len(contents()))]
    for key in (15, 0, 39, 3):
        header, record = mx.recordio.unpack(reader.read_idx(key))
        assert (header.id, header.id2, record) == (key // 3, 2**40, contents()[key // 3])
        assert header.flag == (0 if key // 3 % 2 else 2)
        np.testing.assert_array_equal(header.label, key // 3 if key // 3 % 2 else [key // 3, 0.5])
    with pytest.raises(KeyError):
        reader.read_idx(1)


def test_answers_of_mxnet():
    recorded = json.loads((RECORDED / "answers.json").read_text())
    for label, expected in recorded["packed"]:
        assert mx.recordio.pack(mx.recordio.IRHeader(9, label, 7, 1), b"abc").hex() == expected
    assert mx.recordio.unpack(bytes.fromhex(recorded["packed"][0][1]))[0].label == recorded["packed"][0][0]


def test_readers_begin_anew(tmp_path):
    write(tmp_path / "a.rec", [b"1", b"2"])
    reader = mx.recordio.MXRecordIO(str(tmp_path / "a.rec"), "r")
    assert reader.read() == b"1"
    reader.reset()
    assert reader.read() == b"1"
    copy = pickle.loads(pickle.dumps(reader))
    assert (copy.read(), reader.read()) == (b"1", b"2")
    reader.close()
    reader.close()
    assert not reader.is_open
    with pytest.raises(mx.MXNetError, match="is closed"):
        reader.read()
    reader.open()
    assert reader.read() == b"1"


def test_keys_of_other_types(tmp_path):
    writer = mx.recordio.MXIndexedRecordIO(str(tmp_path / "a.idx"), str(tmp_path / "a.rec"), "w", key_type=str)
    writer.write_idx("x", b"1")
    assert writer.tell() == 12
    writer.write_idx("y", b"22222")
    assert writer.idx == {"x": 0, "y": 12}
    writer.close()
    assert mx.recordio.MXIndexedRecordIO(str(tmp_path / "a.idx"), str(tmp_path / "a.rec"), "r", key_type=str).read_idx("y") == b"22222"


def test_refusals(tmp_path):
    path = str(tmp_path / "a.rec")
    with pytest.raises(ValueError, match="'a'"):
        mx.recordio.MXRecordIO(path, "a")
    with pytest.raises(mx.MXNetError, match="cannot be opened"):
        mx.recordio.MXRecordIO(path, "r")
    writer = mx.recordio.MXRecordIO(path, "w")
    with pytest.raises(TypeError, match="bytes, got str"):
        writer.write("text")
    with pytest.raises(AssertionError, match="open to write"):
        writer.read()
    with pytest.raises(mx.MXNetError, match="only readers"):
        pickle.loads(pickle.dumps(writer))
    writer.close()
    with pytest.raises(mx.MXNetError, match="idx' cannot be opened"):
        mx.recordio.MXIndexedRecordIO(str(tmp_path / "none.idx"), path, "r")
    (tmp_path / "bad.idx").write_text("1\t0\nx\n")
    with pytest.raises(mx.MXNetError, match="line 2"):
        mx.recordio.MXIndexedRecordIO(str(tmp_path / "bad.idx"), path, "r")
    for short in (b"", b"abc", mx.recordio.pack(mx.recordio.IRHeader(0, [1, 2], 0, 0), b"")[:-1]):
        with pytest.raises(mx.MXNetError, match="unpack"):
            mx.recordio.unpack(short)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-2], "ends within"),
        (lambda data: data[:13], "ends within"),
        (lambda data: data[:20], "byte 16: a record is expected"),
        (lambda data: b"x" + data[1:], "byte 0: a record is expected"),
        (lambda data: data[:4] + struct.pack("<I", 3 << 29 | 5) + data[8:], "kind 3"),
        (lambda data: data[:4] + struct.pack("<I", 1 << 29 | 5) + data[8:], "byte 16: a part of kind 0"),
        (lambda data: data[:4] + struct.pack("<I", (1 << 29) - 1) + data[8:], "ends within"),
    ],
)
def test_damaged_files(tmp_path, damage, message):
    write(tmp_path / "a.rec", [b"12345", b"678"])
    (tmp_path / "a.rec").write_bytes(damage((tmp_path / "a.rec").read_bytes()))
    with pytest.raises(mx.MXNetError, match=message):
        read_all(tmp_path / "a.rec")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forked_readers_have_a_place_of_their_own(tmp_path):
    write(tmp_path / "a.rec", [b"1", b"2"])
    reader = mx.recordio.MXRecordIO(tmp_path / "a.rec", "r")
    reader.read()
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=lambda: queue.put(reader.read()))
    child.start()
    child.join()
    assert queue.get() == b"1"
    assert reader.read() == b"2"


def test_images(tmp_path):
    try:
        import cv2  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match="OpenCV"):
            mx.recordio.pack_img(mx.recordio.IRHeader(0, 1.0, 0, 0), np.zeros((4, 4, 3), np.uint8))
        return
    image = np.random.RandomState(0).randint(0, 255, (8, 6, 3)).astype(np.uint8)
    header, found = mx.recordio.unpack_img(mx.recordio.pack_img(mx.recordio.IRHeader(0, 1.0, 5, 0), image, quality=3, img_fmt=".png"))
    assert (header.label, header.id) == (1.0, 5)
    np.testing.assert_array_equal(found, image)
