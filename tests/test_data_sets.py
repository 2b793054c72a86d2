"""Data sets of mx.test_utils, from files that are there and from a folder in the place of the network."""

import bz2
import gzip
import struct
import zipfile

import numpy as np
import pytest

import weft as mx
from weft.test_utils import data


def idx(array):
    shape = struct.pack(f">{array.ndim}i", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + shape + array.astype(np.uint8).tobytes()


@pytest.fixture
def digits():
    gen = np.random.RandomState(0)
    return {
        data.PARTS[0]: gen.randint(0, 256, (6, 28, 28)),
        data.PARTS[1]: np.arange(6),
        data.PARTS[2]: gen.randint(0, 256, (4, 28, 28)),
        data.PARTS[3]: np.arange(4),
    }


def test_mnist_from_files_that_are_there(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, array in digits.items():
        with gzip.open(name + ".gz", "wb") as file:
            file.write(idx(array))
    found = mx.test_utils.get_mnist()
    assert found["train_data"].shape == (6, 1, 28, 28)
    assert found["train_data"].dtype == np.float32
    np.testing.assert_allclose(found["test_data"][:, 0] * 255, digits[data.PARTS[2]], rtol=1e-6)
    assert found["train_label"].tolist() == list(range(6))
    with gzip.open(data.PARTS[1] + ".gz", "wb") as file:
        file.write(idx(np.arange(6))[:-1])
    with pytest.raises(mx.MXNetError, match="train-labels.*5 bytes"):
        mx.test_utils.get_mnist()


@pytest.mark.parametrize(("shape", "batch"), [((1, 28, 28), (2, 1, 28, 28)), ((784,), (2, 784))])
def test_mnist_iterators(digits, tmp_path, monkeypatch, shape, batch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for name, array in digits.items():
        (tmp_path / "data" / name).write_bytes(idx(array))
    train, test = mx.test_utils.get_mnist_iterator(2, shape)
    assert sorted(x for b in train for x in b.label[0].asnumpy()) == list(range(6))
    batches = list(test)
    assert [b.data[0].shape for b in batches] == [batch] * 2
    assert [x for b in batches for x in b.label[0].asnumpy()] == list(range(4))


def test_download(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    source = tmp_path / "there" / "file.txt"
    source.write_text("one")
    url = source.as_uri()
    assert mx.test_utils.download(url) == "file.txt"
    assert mx.test_utils.download(url, "name.txt", "folder/deep").endswith("name.txt")
    source.write_text("two")
    assert (tmp_path / mx.test_utils.download(url)).read_text() == "one"
    assert (tmp_path / mx.test_utils.download(url, overwrite=True)).read_text() == "two"
    with pytest.raises(OSError, match="nothing"):
        mx.test_utils.download((tmp_path / "nothing").as_uri(), retries=2)
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(AssertionError, match="-1"):
        mx.test_utils.download(url, retries=-1)


def test_archives(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("inside.txt", "x")
    (tmp_path / "b.bz2").write_bytes(bz2.compress(b"y"))
    mx.test_utils.get_zip_data(str(tmp_path / "out"), (tmp_path / "a.zip").as_uri(), "a.zip")
    assert (tmp_path / "out" / "inside.txt").read_text() == "x"
    mx.test_utils.get_bz2_data(str(tmp_path / "out"), "b.txt", (tmp_path / "b.bz2").as_uri(), "b.bz2")
    assert (tmp_path / "out" / "b.txt").read_bytes() == b"y"
    assert not (tmp_path / "out" / "b.bz2").exists()
