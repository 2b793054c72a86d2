"""Iterators: damaged and missing files, threads, and what the recorded programs do not reach."""

import gzip
import pickle
import struct

import numpy as np
import pytest

import weft as mx
from weft import io


def idx(path, magic, sizes, content, opener=open):
    with opener(path, "wb") as file:
        file.write(struct.pack(">%di" % (1 + len(sizes)), magic, *sizes) + content)
    return path


def mnist(folder, count=10, opener=open):
    pixels = np.arange(count * 6, dtype=np.uint8).tobytes()
    return {
        "image": idx(folder / "images", 2051, (count, 2, 3), pixels, opener),
        "label": idx(folder / "labels", 2049, (count,), bytes(range(count)), opener),
        "silent": True,
    }


def test_mnist_compressed_equals_plain(tmp_path):
    (tmp_path / "gz").mkdir()
    plain = list(io.MNISTIter(**mnist(tmp_path), batch_size=5, seed=3))
    packed = list(io.MNISTIter(**mnist(tmp_path / "gz", opener=gzip.open), batch_size=5, seed=3))
    assert len(plain) == 2
    for a, b in zip(plain, packed):
        np.testing.assert_array_equal(a.data[0].asnumpy(), b.data[0].asnumpy())
        np.testing.assert_array_equal(a.label[0].asnumpy(), b.label[0].asnumpy())


def test_mnist_shuffles_by_seed_and_keeps_images_with_labels(tmp_path):
    def labels(seed):
        (batch,) = io.MNISTIter(**mnist(tmp_path), batch_size=10, seed=seed, flat=True)
        np.testing.assert_allclose(batch.data[0].asnumpy()[:, 0] * 256, batch.label[0].asnumpy() * 6)
        return batch.label[0].asnumpy().tolist()

    assert labels(1) == labels(1) != labels(2)
    assert sorted(labels(1)) == list(range(10))


def test_mnist_parts_are_disjoint_and_complete(tmp_path):
    found = []
    for part in range(3):
        for batch in io.MNISTIter(**mnist(tmp_path), batch_size=1, num_parts=3, part_index=part):
            found += batch.label[0].asnumpy().tolist()
    assert sorted(found) == list(range(10))


def damaged(folder):
    """Damaged image files, and what the error must say."""
    good = struct.pack(">4i", 2051, 2, 2, 3) + bytes(12)
    yield b"", "ends within its header"
    yield good[:9], "ends within its header"
    yield struct.pack(">i", 2049) + good[4:], "magic number 2051 is expected"
    yield good[:-1], "11 bytes after its header"
    yield good + b"xyz", "more than 12 bytes after its header"
    yield gzip.compress(good + bytes(1 << 20)), "more than 12 bytes after its header"
    yield struct.pack(">4i", 2051, 2**31 - 1, 2**31 - 1, 2**31 - 1), "0 bytes after its header"
    yield struct.pack(">4i", 2051, -1, 2, 3), "negative sizes"
    yield gzip.compress(good)[:-12], "damaged"
    yield gzip.compress(good)[:15] + b"\0\xff\0\xff" * 5, "damaged"


@pytest.mark.parametrize("number", range(10))
def test_damaged_mnist_files_are_named(tmp_path, number):
    content, message = list(damaged(tmp_path))[number]
    files = mnist(tmp_path, 2)
    files["image"].write_bytes(content)
    with pytest.raises(mx.MXNetError, match=message) as error:
        io.MNISTIter(**files, batch_size=1)
    assert str(files["image"]) in str(error.value)


def test_mnist_that_cannot_be_read(tmp_path):
    files = mnist(tmp_path)
    with pytest.raises(mx.MXNetError, match="none.*No such file"):
        io.MNISTIter(image=tmp_path / "none", label=files["label"])
    with pytest.raises(mx.MXNetError, match="labels.*directory"):
        (tmp_path / "folder" / "labels").mkdir(parents=True)
        io.MNISTIter(image=files["image"], label=tmp_path / "folder" / "labels")
    with pytest.raises(mx.MXNetError, match="batch_size is 11"):
        io.MNISTIter(**files, batch_size=11)
    with pytest.raises(ValueError, match="part_index is 2"):
        io.MNISTIter(**files, batch_size=1, num_parts=2, part_index=2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2,3\n4,5\n", "line 2 has 2 values, 3 are expected"),
        ("1,2,3\n4,x,6\n", "line 2 has 'x', a number of type float32 is expected"),
        ("1,2\n3,4\n", "2 values in a row"),
        ("", "has no rows"),
        ("\n\n", "has no rows"),
    ],
)
def test_damaged_csv_files_are_named(tmp_path, content, message):
    file = tmp_path / "rows.csv"
    file.write_text(content)
    with pytest.raises(mx.MXNetError, match=message) as error:
        io.CSVIter(data_csv=file, data_shape=(3,), batch_size=1)
    assert str(file) in str(error.value)


def test_csv_that_cannot_be_read(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("1,2\n3,4\n")
    with pytest.raises(mx.MXNetError, match="none.csv"):
        io.CSVIter(data_csv=tmp_path / "none.csv", data_shape=(2,), batch_size=1)
    file.with_name("labels.csv").write_text("1\n")
    with pytest.raises(mx.MXNetError, match="1 rows.*2"):
        io.CSVIter(data_csv=file, data_shape=(2,), label_csv=tmp_path / "labels.csv", batch_size=1)
    with pytest.raises(ValueError, match="batch_size"):
        io.CSVIter(data_csv=file, data_shape=(2,), batch_size=0)
    with pytest.raises(ValueError, match="data_shape"):
        io.CSVIter(data_csv=file, data_shape=(0,), batch_size=1)
    with pytest.raises(ValueError, match="dtype"):
        io.CSVIter(data_csv=file, data_shape=(2,), batch_size=1, dtype="uint8")
    file.write_text("1,99999999999\n")
    with pytest.raises(mx.MXNetError, match="99999999999"):
        io.CSVIter(data_csv=file, data_shape=(2,), batch_size=1, dtype="int32")


def test_arguments_that_files_do_not_have_are_ignored_with_a_warning(tmp_path):
    # MXNet's own examples give MNISTIter a data_shape.
    with pytest.warns(UserWarning, match="MNISTIter has no arguments data_shape, nonsense"):
        it = io.MNISTIter(**mnist(tmp_path), batch_size=5, flat=True, data_shape=(784,), nonsense=1)
    assert len(list(it)) == 2
    (tmp_path / "rows.csv").write_text("1,2\n3,4\n")
    with pytest.warns(UserWarning, match="CSVIter has no arguments silent"):
        assert len(list(io.CSVIter(data_csv=tmp_path / "rows.csv", data_shape=(2,), batch_size=1, silent=True))) == 2


def test_csv_folder_is_read_in_order(tmp_path):
    (tmp_path / "b.csv").write_text("3,4\n")
    (tmp_path / "a.csv").write_text("1,2\n")
    (batch,) = io.CSVIter(data_csv=tmp_path, data_shape=(2,), batch_size=2)
    assert batch.data[0].asnumpy().tolist() == [[1, 2], [3, 4]]


def test_batches_in_order_are_views():
    data = mx.nd.arange(6)
    first = next(io.NDArrayIter(data, batch_size=3)).data[0]
    data[:] = 9
    assert first.asnumpy().tolist() in ([9, 9, 9], [0, 1, 2])  # never a mixture
    assert first.shape == (3,)


def test_ndarray_iter_says_what_is_wrong():
    with pytest.raises(ValueError, match="b has 2 examples, a has 3"):
        io.NDArrayIter({"a": np.ones(3), "b": np.ones(2)})
    with pytest.raises(ValueError, match="softmax_label has 2"):
        io.NDArrayIter(np.ones(3), np.ones(2))
    with pytest.raises(ValueError, match="'keep'"):
        io.NDArrayIter(np.ones(3), last_batch_handle="keep")
    with pytest.raises(ValueError, match="batch_size is 0"):
        io.NDArrayIter(np.ones(3), batch_size=0)
    with pytest.raises(ValueError, match="no batch axis"):
        io.NDArrayIter(np.ones(3), layout="TNC")


class Rows:
    """What an HDF5 dataset offers: a shape, and rows in rising order."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def __getitem__(self, index):
        assert (np.diff(index[0]) > 0).all()
        return self.values[index]


def test_datasets_are_read_in_pieces():
    values = np.arange(10, dtype="float32").reshape(5, 2)
    batches = list(io.NDArrayIter(Rows(values), batch_size=3))
    assert batches[0].data[0].asnumpy().tolist() == values[:3].tolist()
    assert batches[1].data[0].asnumpy().tolist() == values[[3, 4, 0]].tolist()
    with pytest.raises(NotImplementedError, match="shuffled"):
        io.NDArrayIter(Rows(values), batch_size=3, shuffle=True)


def test_prefetching_iter_raises_what_its_thread_met_and_goes_on():
    class Failing(io.NDArrayIter):
        failed = False

        def next(self):
            if self.cursor == 0 and not self.failed:
                self.failed = True
                raise OSError("disk gone")
            return super().next()

    batches = io.PrefetchingIter(Failing(np.arange(4), batch_size=2))
    next(batches)
    with pytest.raises(OSError, match="disk gone"):
        next(batches)
    batches.reset()
    assert len(list(batches)) == 2


def test_prefetching_iter_wants_batches_that_fit():
    def one(count):
        return io.NDArrayIter(np.arange(count), batch_size=2)

    unequal = io.PrefetchingIter([one(4), one(2)], rename_data=[{"data": "a"}, {"data": "b"}])
    next(unequal)
    with pytest.raises(mx.MXNetError, match="iterator 1 has ended"):
        next(unequal)
    with pytest.raises(mx.MXNetError, match="pads"):
        next(io.PrefetchingIter([one(2), one(1)]))
    with pytest.raises(ValueError, match="rename_data has 1"):
        io.PrefetchingIter([one(2), one(2)], rename_data=[{}])


def test_prefetching_iter_leaves_no_threads():
    batches = io.PrefetchingIter(io.NDArrayIter(np.arange(4), batch_size=2))
    readers = [reader.thread for reader in batches._readers]
    assert all(thread.is_alive() for thread in readers)
    next(batches)
    del batches
    for thread in readers:
        thread.join(10)
        assert not thread.is_alive()


def test_descriptions_survive_pickle():
    desc = pickle.loads(pickle.dumps(io.DataDesc("x", (2, 3), np.int32, "TNC")))
    assert (desc.name, desc.shape, desc.dtype, desc.layout) == ("x", (2, 3), np.int32, "TNC")


def test_iterators_of_programs_name_their_arrays_as_ours_do():
    from weft.io.io import _init_data

    two = [np.ones((2, 1)), mx.nd.ones((2, 3))]
    assert [(name, array.shape) for name, array in _init_data(two, False, "data")] == [("_0_data", (2, 1)), ("_1_data", (2, 3))]
    assert [name for name, _ in io._init_data({"b": two[0], "a": two[1]}, False, "data")] == ["a", "b"]
    assert [name for name, _ in _init_data(two[0], False, "data")] == ["data"]
    assert _init_data(None, True, "label") == []
    with pytest.raises(ValueError):
        _init_data(None, False, "data")


def test_layouts_of_sentences_may_name_axes_that_subclasses_add():
    sentences = [[1, 2], [3, 4]]
    batches = mx.rnn.BucketSentenceIter(sentences, 2, buckets=[2], layout="NTC")
    assert batches.provide_data[0].shape == (2, 2) and batches.provide_data[0].layout == "NTC"
    assert mx.rnn.BucketSentenceIter(sentences, 2, buckets=[2], layout="TNC").major_axis == 1
    for layout in ("TC", "TCN"):
        with pytest.raises(ValueError, match=f"got '{layout}'"):
            mx.rnn.BucketSentenceIter(sentences, 2, layout=layout)
