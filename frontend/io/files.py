"""Batches of examples in files: comma-separated values and MNIST's idx format.

A *source* reads a file into arrays of examples; :class:`MXDataIter` cuts the examples into batches by MXNet's rules for incomplete
ones. Files are read when the iterator is made, so that a damaged file is reported there, by its name.
"""

from __future__ import annotations

import gzip
import logging
import os
import pathlib
import struct
import warnings
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import ndarray as nd
from ..base import MXNetError
from ..ndarray import NDArray
from .batch import DataBatch, DataDesc
from .iterator import DataIter

__all__ = ["CSVIter", "MNISTIter", "MXDataIter"]

_log = logging.getLogger(__name__)

#: What becomes of the examples that do not fill the last batch.
ROUND, STALE, DROP = "round", "stale", "drop"


class MXDataIter(DataIter):
    """Gives batches of examples that a source has read from files.

    Programs make one with :func:`CSVIter` or :func:`MNISTIter`.

    Parameters
    ----------
    handle : tuple of two numpy.ndarray
        Examples and their labels.
    data_name, label_name : str
        Names of the variables that they are for.
    batch_size : int
        Examples in a batch.
    rest : {"round", "stale", "drop"}
        Examples that do not fill the last batch: filled up with the first ones, which the next epoch then leaves out; filled up with
        what the batch before had there; or dropped.

    Examples
    --------
    >>> import numpy as np
    >>> batches = MXDataIter((np.arange(5), np.arange(5)), batch_size=3)
    >>> [batch.data[0].asnumpy().tolist() for batch in batches]
    [[0, 1, 2], [3, 4, 0]]
    """

    def __init__(
        self,
        handle: tuple[np.ndarray, np.ndarray],
        data_name: str = "data",
        label_name: str = "softmax_label",
        batch_size: int = 1,
        rest: str = ROUND,
        **_: Any,
    ) -> None:
        super().__init__(batch_size)
        self._examples, self._labels = handle
        self._rest = rest
        self._cursor = 0
        self._wrapped = 0
        self._rows = np.zeros(0, np.int64)
        self._pad = 0
        self._filled = np.full(batch_size, -1)
        self._skip_load = False
        self.provide_data = [self._described(data_name, self._examples)]
        self.provide_label = [self._described(label_name, self._labels)]

    def _described(self, name: str, values: np.ndarray) -> DataDesc:
        return DataDesc(name, (self.batch_size, *values.shape[1:]), values.dtype.type)

    def debug_skip_load(self) -> None:
        """Give the first batch again and again, to time a network without its input."""
        self._skip_load = True
        _log.info("debug_skip_load: every batch is the first one")

    def reset(self) -> None:
        """Start a new epoch, after the examples that filled up the last batch of the epoch before."""
        if self._wrapped == 0:
            self._cursor = 0
        self._wrapped = 0

    def iter_next(self) -> bool:
        """Move to the next batch."""
        if self._skip_load and len(self._rows):
            return True
        count, size = len(self._examples), self.batch_size
        if self._wrapped or self._cursor >= count:
            return False
        rows = np.arange(self._cursor, min(self._cursor + size, count))
        missing = size - len(rows)
        self._cursor += len(rows)
        if missing and self._rest == DROP:
            return False
        if missing and self._rest == ROUND:
            if missing > count:
                raise MXNetError(f"batch_size is {size} for {count} examples: with round_batch it can be at most their double")
            rows = np.concatenate([rows, np.arange(missing)])
            self._cursor = self._wrapped = missing
        elif missing:
            rows = np.concatenate([rows, self._filled[len(rows) :]])
        self._rows, self._pad, self._filled = rows, missing, rows
        return True

    def next(self) -> DataBatch:
        """Return the next batch, or raise StopIteration."""
        if not self.iter_next():
            raise StopIteration
        return DataBatch([self.getdata()], [self.getlabel()], self.getpad(), self.getindex())

    def _taken(self, values: np.ndarray) -> NDArray:
        found = values[self._rows]
        found[self._rows < 0] = 0  # nothing has filled these places yet
        return nd.array(found, dtype=found.dtype)

    def getdata(self) -> NDArray:
        """Return the inputs of the current batch."""
        return self._taken(self._examples)

    def getlabel(self) -> NDArray:
        """Return the labels of the current batch."""
        return self._taken(self._labels)

    def getindex(self) -> np.ndarray:
        """Return the numbers of the examples in the current batch."""
        return np.maximum(self._rows, 0).astype(np.uint64)

    def getpad(self) -> int:
        """Return how many examples of the current batch only fill it up."""
        return self._pad


def _shape(what: str, shape: Any) -> tuple[int, ...]:
    sizes = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if not sizes or any(int(size) != size or size < 1 for size in sizes):
        raise ValueError(f"{what} must be a tuple of numbers above 0, got {shape!r}")
    return tuple(int(size) for size in sizes)


def _positive(what: str, value: Any) -> int:
    if int(value) != value or value < 1:
        raise ValueError(f"{what} must be a number above 0, got {value!r}")
    return int(value)


def _read_csv(what: str, path: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Read one file, or all files of a folder in the order of their names."""
    place = pathlib.Path(os.fspath(path))
    files = sorted(entry for entry in place.iterdir() if entry.is_file()) if place.is_dir() else [place]
    parts = [_read_csv_file(what, file, shape, dtype) for file in files]
    values = np.concatenate(parts) if parts else np.zeros((0, *shape), dtype)
    if len(values) == 0:
        raise MXNetError(f"CSVIter: {what} {os.fspath(path)!r} has no rows")
    return values


def _read_csv_file(what: str, file: pathlib.Path, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    columns = int(np.prod(shape))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "loadtxt: input contained no data")
            values = np.loadtxt(file, dtype, delimiter=",", ndmin=2, comments=None, encoding="utf-8")
    except OSError as error:
        raise MXNetError(f"CSVIter: cannot read {what} {str(file)!r}: {error.strerror or error}") from error
    except (ValueError, OverflowError) as error:
        raise MXNetError(f"CSVIter: {what} {str(file)!r}: {_bad_line(file, columns, dtype) or error}") from error
    if len(values) and values.shape[1] != columns:
        raise MXNetError(f"CSVIter: {what} {str(file)!r} has {values.shape[1]} values in a row, shape {shape} needs {columns}")
    return values.reshape(len(values), *shape) if values.size else np.zeros((0, *shape), dtype)


def _bad_line(file: pathlib.Path, columns: int, dtype: np.dtype) -> str | None:
    """Say which line does not hold `columns` numbers."""
    with open(file, encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            words = line.strip().split(",")
            if words == [""]:
                continue
            if len(words) != columns:
                return f"line {number} has {len(words)} values, {columns} are expected"
            for word in words:
                try:
                    np.array(word.strip()).astype(dtype)
                except (ValueError, OverflowError):
                    return f"line {number} has {word.strip()[:40]!r}, a number of type {dtype} is expected"
    return None


def _warn_of(iterator: str, ignored: dict[str, Any]) -> None:
    if ignored:
        warnings.warn(f"{iterator} has no arguments {', '.join(ignored)}: they are ignored", UserWarning, stacklevel=3)


def CSVIter(
    *,
    data_csv: Any,
    data_shape: Any,
    label_csv: Any = None,
    label_shape: Any = (1,),
    batch_size: int,
    round_batch: bool = True,
    prefetch_buffer: int = 4,
    ctx: str = "gpu",
    dtype: Any = None,
    data_name: str = "data",
    label_name: str = "softmax_label",
    **ignored: Any,
) -> MXDataIter:
    """Iterate over files of comma-separated numbers, an example on a line.

    Parameters
    ----------
    data_csv : path
        A file, or a folder whose files are all read.
    data_shape : tuple of int
        Shape of one example.
    label_csv : path, optional
        Where the labels are; without it they are zero.
    label_shape : tuple of int, default (1,)
        Shape of one label; of (1,), a batch of labels has one axis only.
    batch_size : int
        Examples in a batch.
    round_batch : bool, default True
        Fill the last batch up with the first examples, which the next epoch then leaves out. Otherwise it is filled up with what
        the batch before had in these places. Either way ``pad`` says how many they are.
    prefetch_buffer, ctx : optional
        Taken for compatibility: the files are read as a whole.
    dtype : {"float32", "int32", "int64"}, optional
        Type of the numbers; float32 by default.
    data_name, label_name : str
        Names of the variables that the batches are for.
    **ignored
        Other names are ignored with a warning: MXNet ignores what an iterator does not know.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "rows.csv"
    >>> _ = file.write_text("1,2\\n3,4\\n5,6\\n")
    >>> for batch in CSVIter(data_csv=file, data_shape=(2,), batch_size=2):
    ...     print(batch.data[0].asnumpy().tolist(), batch.pad)
    [[1.0, 2.0], [3.0, 4.0]] 0
    [[5.0, 6.0], [1.0, 2.0]] 1
    """
    _warn_of("CSVIter", ignored)
    kind = np.dtype("float32" if dtype in (None, "None") else dtype)
    if kind.name not in ("float32", "int32", "int64"):
        raise ValueError(f"CSVIter: dtype must be float32, int32 or int64, got {dtype!r}")
    size = _positive("CSVIter: batch_size", batch_size)
    shapes = _shape("CSVIter: data_shape", data_shape), _shape("CSVIter: label_shape", label_shape)
    data = _read_csv("data_csv", data_csv, shapes[0], kind)
    if label_csv in (None, "NULL"):
        labels = np.zeros((len(data), *shapes[1]), kind)
    else:
        labels = _read_csv("label_csv", label_csv, shapes[1], kind)
    if len(labels) != len(data):
        raise MXNetError(
            f"CSVIter: label_csv {os.fspath(label_csv)!r} has {len(labels)} rows, data_csv {os.fspath(data_csv)!r} {len(data)}"
        )
    if shapes[1] == (1,):
        labels = labels.reshape(len(labels))
    return MXDataIter((data, labels), data_name, label_name, size, ROUND if round_batch else STALE)


def _read_idx(what: str, path: Any, magic: int, axes: int) -> np.ndarray:
    """Read a file of MNIST's idx format, compressed or not: magic number, sizes, bytes."""
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
        opener: Callable[..., Any] = gzip.open if compressed else open
        with opener(name, "rb") as file:
            head = file.read(4 + 4 * axes)
            if len(head) < 4 + 4 * axes:
                raise MXNetError(f"MNISTIter: {what} {name!r} ends within its header of {4 + 4 * axes} bytes")
            found, *sizes = struct.unpack(f">i{axes}i", head)
            if found != magic:
                raise MXNetError(f"MNISTIter: {what} {name!r} begins with {found}, magic number {magic} is expected")
            if any(size < 0 for size in sizes):
                raise MXNetError(f"MNISTIter: {what} {name!r} gives negative sizes {sizes}")
            expected = 1
            for size in sizes:
                expected *= size
            content = _at_most(file, expected + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise MXNetError(f"MNISTIter: {what} {name!r} is damaged: {error}") from error
    except OSError as error:
        raise MXNetError(f"MNISTIter: cannot read {what} {name!r}: {error.strerror or error}") from error
    if len(content) != expected:
        found_bytes = f"more than {expected}" if len(content) > expected else str(len(content))
        raise MXNetError(f"MNISTIter: {what} {name!r} has {found_bytes} bytes after its header, sizes {sizes} need {expected}")
    return np.frombuffer(content, np.uint8).reshape(sizes)


def _at_most(file: Any, limit: int) -> bytes:
    """Read up to `limit` bytes in pieces: a hostile header may claim more than there is, compressed content be more than claimed."""
    pieces: list[bytes] = []
    while limit > 0 and (piece := file.read(min(limit, 1 << 24))):
        pieces.append(piece)
        limit -= len(piece)
    return b"".join(pieces)


def _part(count: int, num_parts: int, part_index: int) -> slice:
    if num_parts < 1 or not 0 <= part_index < num_parts:
        raise ValueError(f"MNISTIter: part_index is {part_index} of {num_parts} parts, 0 <= part_index < num_parts is expected")
    return slice(count * part_index // num_parts, count * (part_index + 1) // num_parts)


def MNISTIter(
    *,
    image: Any = "./train-images-idx3-ubyte",
    label: Any = "./train-labels-idx1-ubyte",
    batch_size: int = 128,
    shuffle: bool = True,
    flat: bool = False,
    seed: int = 0,
    silent: bool = False,
    num_parts: int = 1,
    part_index: int = 0,
    prefetch_buffer: int = 4,
    ctx: str = "gpu",
    dtype: Any = None,
    input_shape: Sequence[int] | None = None,
    data_name: str = "data",
    label_name: str = "softmax_label",
    **ignored: Any,
) -> MXDataIter:
    """Iterate over MNIST's files, or others of their format (idx, also compressed by gzip); values go from 0 to 1.

    Examples that do not fill the last batch are dropped, as MXNet does.

    Parameters
    ----------
    image, label : path
        The two files.
    batch_size : int, default 128
        Examples in a batch.
    shuffle : bool, default True
        Shuffle the examples once, when they are read.
    flat : bool, default False
        Give images of shape (batch_size, pixels) in place of (batch_size, 1, height, width).
    seed : int, default 0
        Seed of the shuffling. The order is not MXNet's, whose generator is its compiler's.
    silent : bool, default False
        Do not log what was read.
    num_parts, part_index : int
        Read one of so many equal parts only.
    input_shape, prefetch_buffer, ctx : optional
        Taken for compatibility.
    dtype : {"float32", "float64", "float16"}, optional
        Type of the images; float32 by default.
    data_name, label_name : str
        Names of the variables that the batches are for.
    **ignored
        Other names are ignored with a warning: MXNet ignores what an iterator does not know.

    Examples
    --------
    >>> import pathlib, struct, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "images").write_bytes(struct.pack(">4i", 2051, 2, 1, 2) + bytes([0, 64, 128, 192]))
    >>> _ = (folder / "labels").write_bytes(struct.pack(">2i", 2049, 2) + bytes([7, 3]))
    >>> batch = next(MNISTIter(image=folder / "images", label=folder / "labels", batch_size=2, flat=True, shuffle=False, silent=True))
    >>> batch.data[0].asnumpy().tolist(), batch.label[0].asnumpy().tolist()
    ([[0.0, 0.25], [0.5, 0.75]], [7.0, 3.0])
    """
    _warn_of("MNISTIter", ignored)
    size = _positive("MNISTIter: batch_size", batch_size)
    kind = np.dtype("float32" if dtype in (None, "None") else dtype)
    if kind.kind != "f":
        raise ValueError(f"MNISTIter: dtype must be float32, float64 or float16, got {dtype!r}")
    images, labels = _read_idx("image", image, 2051, 3), _read_idx("label", label, 2049, 1)
    if len(images) != len(labels):
        raise MXNetError(f"MNISTIter: image {os.fspath(image)!r} has {len(images)} examples, label {os.fspath(label)!r} {len(labels)}")
    chosen = _part(len(images), num_parts, part_index)
    images, labels = images[chosen], labels[chosen]
    if shuffle:
        order = np.random.RandomState(seed).permutation(len(images))
        images, labels = images[order], labels[order]
    if size > len(images):
        raise MXNetError(f"MNISTIter: batch_size is {size}, {os.fspath(image)!r} has {len(images)} examples in this part")
    pixels = images.shape[1] * images.shape[2]
    scaled = images.reshape(len(images), *((pixels,) if flat else (1, *images.shape[1:])))
    source = (scaled.astype(kind) / kind.type(256), labels.astype(np.float32))
    found = MXDataIter(source, data_name, label_name, size, DROP)
    if not silent:
        _log.info("MNISTIter: load %d images, shuffle=%d, shape=%s", len(images), shuffle, list(found.provide_data[0].shape))
    return found
