"""Batches of arrays in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import ndarray as nd
from ..ndarray import NDArray
from .batch import DataBatch, DataDesc
from .iterator import DataIter

__all__ = ["NDArrayIter"]

LAST_BATCH = ("pad", "discard", "roll_over")


def _init_data(data: Any, allow_empty: bool, default_name: str) -> list[tuple[str, Any]]:
    """Pairs of name and NDArray (or an array-like that is read in pieces, such as an HDF5 dataset), sorted by name.

    Iterators that programs write themselves import it under this name.
    """
    if data is None:
        if not allow_empty:
            raise ValueError("NDArrayIter: data is None, an array, a list or a dict of arrays is expected")
        data = []
    if isinstance(data, (np.ndarray, NDArray)) or _lazy(data):
        data = [data]
    if isinstance(data, (list, tuple)):
        if not allow_empty and not data:
            raise ValueError("NDArrayIter: data is an empty list, at least one array is expected")
        names = [default_name] if len(data) == 1 else [f"_{i}_{default_name}" for i in range(len(data))]
        data = dict(zip(names, data))
    if not isinstance(data, Mapping):
        raise TypeError(f"NDArrayIter: input must be an NDArray, a numpy.ndarray, a list or a dict of them, got {type(data).__name__}")
    return sorted(((name, _array(name, value)) for name, value in data.items()), key=lambda pair: pair[0])


def _lazy(value: Any) -> bool:
    """Whether `value` is a dataset in a file: it has a shape and gives its rows, but is no array."""
    return (
        not isinstance(value, (np.ndarray, NDArray, list, tuple, Mapping))
        and all(hasattr(value, name) for name in ("shape", "dtype", "__getitem__"))
        and not hasattr(value, "__array_interface__")
    )


def _array(name: str, value: Any) -> Any:
    if isinstance(value, NDArray) or _lazy(value):
        return value
    try:
        return nd.array(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"NDArrayIter: {name} must be an NDArray or a numpy.ndarray, got {type(value).__name__}") from error


class NDArrayIter(DataIter):
    """Gives batches of arrays in memory.

    Batches of data in its own order are views of the arrays; others are gathered when they are asked for, by the engine: nothing is
    copied ahead, and shuffling moves row numbers, not rows.

    Parameters
    ----------
    data : array, list of arrays, or dict of str to array
        Inputs; NDArrays or what ``nd.array`` takes.
    label : array, list of arrays, or dict of str to array, optional
        Labels.
    batch_size : int, default 1
        Examples in a batch.
    shuffle : bool, default False
        Shuffle all inputs and labels alike at every reset, with NumPy's global generator as MXNet does (``np.random.seed``).
    last_batch_handle : {"pad", "discard", "roll_over"}, default "pad"
        An incomplete last batch is filled up from the start, dropped, or begins the next epoch.
    data_name, label_name : str
        Names of the arrays where they are not given in a dict.
    layout : str, default "NCHW"
        What the axes of every array mean; the examples are along ``N``.

    Examples
    --------
    >>> import numpy as np
    >>> batches = NDArrayIter(np.arange(5), np.arange(5), batch_size=2)
    >>> [(batch.data[0].asnumpy().tolist(), batch.pad) for batch in batches]
    [([0.0, 1.0], 0), ([2.0, 3.0], 0), ([4.0, 0.0], 1)]
    """

    def __init__(
        self,
        data: Any,
        label: Any = None,
        batch_size: int = 1,
        shuffle: bool = False,
        last_batch_handle: str = "pad",
        data_name: str = "data",
        label_name: str = "softmax_label",
        layout: str = "NCHW",
    ) -> None:
        super().__init__(batch_size)
        self.data = _init_data(data, False, data_name)
        self.label = _init_data(label, True, label_name)
        self.layout = layout
        self._axis = layout.find("N")
        self.last_batch_handle = last_batch_handle
        self.shuffle = shuffle
        self.num_data = self._count()
        self._check()
        #: Order of the examples; MXNet shuffles it again and again, and so permutes what is permuted already.
        self.idx = np.arange(self.num_data)
        self._order = self.idx
        self._left = self.idx[:0]
        self.cursor = -batch_size
        self.reset()

    def _count(self) -> int:
        sizes = {}
        for name, array in self.data + self.label:
            if not 0 <= self._axis < len(array.shape):
                raise ValueError(f"NDArrayIter: {name} of shape {array.shape} has no batch axis: layout is {self.layout!r}")
            sizes[name] = array.shape[self._axis]
        (first, count), *others = sizes.items()
        for name, size in others:
            if size != count:
                raise ValueError(f"NDArrayIter: {name} has {size} examples, {first} has {count}")
        return count

    def _check(self) -> None:
        if self.last_batch_handle not in LAST_BATCH:
            raise ValueError(f"NDArrayIter: last_batch_handle is {self.last_batch_handle!r}, one of {', '.join(LAST_BATCH)} is expected")
        if self.batch_size < 1:
            raise ValueError(f"NDArrayIter: batch_size is {self.batch_size}, at least 1 is expected")
        if self.num_data == 0:
            raise ValueError(f"NDArrayIter: {self.data[0][0]} of shape {self.data[0][1].shape} has no examples")
        for name, array in self.data + self.label:
            if self.shuffle and not isinstance(array, NDArray):
                raise NotImplementedError(f"NDArrayIter: {name} is a {type(array).__name__}, which cannot be shuffled")

    def _described(self, pairs: Sequence[tuple[str, Any]]) -> list[DataDesc]:
        found = []
        for name, array in pairs:
            shape = array.shape[: self._axis] + (self.batch_size,) + array.shape[self._axis + 1 :]
            found.append(DataDesc(name, shape, array.dtype, self.layout))
        return found

    @property
    def provide_data(self) -> list[DataDesc]:  # type: ignore[override]
        """Descriptions of the inputs."""
        return self._described(self.data)

    @property
    def provide_label(self) -> list[DataDesc]:  # type: ignore[override]
        """Descriptions of the labels."""
        return self._described(self.label)

    @property
    def data_list(self) -> list[Any]:
        """The arrays: inputs, then labels."""
        return [array for _, array in self.data + self.label]

    @property
    def num_source(self) -> int:
        """Number of arrays."""
        return len(self.data) + len(self.label)

    def _shuffle(self) -> None:
        if self.shuffle:
            self.idx = self.idx.copy()
            np.random.shuffle(self.idx)
            self._order = self._order[self.idx]

    def hard_reset(self) -> None:
        """Start from the first example, forgetting what was to roll over."""
        self._shuffle()
        self.cursor = -self.batch_size
        self._left = self.idx[:0]

    def reset(self) -> None:
        """Start a new epoch."""
        self._shuffle()
        # Rolling over: the cursor says how many examples of the last epoch begin this one.
        if self.last_batch_handle == "roll_over" and self.num_data - self.batch_size < self.cursor < self.num_data:
            self.cursor -= self.num_data + self.batch_size
        else:
            self.cursor = -self.batch_size

    def iter_next(self) -> bool:
        """Move to the next batch; True where an example is left, even if next() then ends for want of a whole batch."""
        self.cursor += self.batch_size
        return self.cursor < self.num_data

    def next(self) -> DataBatch:
        """Return the next batch, or raise StopIteration."""
        if not self.iter_next():
            raise StopIteration
        rows, wraps = self._rows()
        if len(rows) < self.batch_size:
            self._left = rows.copy()
            raise StopIteration
        data, label = self._gather(self.data, rows, wraps), self._gather(self.label, rows, wraps)
        return DataBatch(data, label, self.getpad(), None)

    def _rows(self) -> tuple[np.ndarray, bool]:
        """Numbers of the examples of the current batch, and whether they are no slice of the order."""
        if self.cursor >= self.num_data:
            raise AssertionError("NDArrayIter: the iterator is at its end, reset() starts it again")
        begin, end = self.cursor, self.cursor + self.batch_size
        if begin < 0:
            if len(self._left) == 0 and begin > -self.batch_size:
                raise AssertionError("NDArrayIter: no example is left over from the last epoch")
            return np.concatenate([self._left, self._order[:end]]), True
        if end > self.num_data and self.last_batch_handle == "pad":
            repeated = np.resize(self._order, end - self.num_data)
            return np.concatenate([self._order[begin:], repeated]), True
        return self._order[begin:end], self.shuffle

    def _gather(self, pairs: Sequence[tuple[str, Any]], rows: np.ndarray, scattered: bool) -> list[NDArray]:
        found, numbers = [], None
        for _, array in pairs:
            if not isinstance(array, NDArray):
                found.append(nd.array(_read_rows(array, rows, self._axis)))
            elif not scattered:
                found.append(nd.slice_axis(array, axis=self._axis, begin=int(rows[0]), end=int(rows[-1]) + 1))
            else:
                if numbers is None:
                    numbers = nd.array(rows, dtype="int64", ctx=array.context)
                found.append(nd.take(array, numbers.as_in_context(array.context), axis=self._axis))
        return found

    def getdata(self) -> list[NDArray]:
        """Return the inputs of the current batch."""
        return self._gather(self.data, *self._rows())

    def getlabel(self) -> list[NDArray]:
        """Return the labels of the current batch."""
        return self._gather(self.label, *self._rows())

    def getpad(self) -> int:
        """Return how many examples of the current batch are repeated, or left over from the last epoch."""
        if self.last_batch_handle == "pad":
            return max(0, self.cursor + self.batch_size - self.num_data)
        if self.last_batch_handle == "roll_over" and -self.batch_size < self.cursor < 0:
            return -self.cursor
        return 0


def _read_rows(dataset: Any, rows: np.ndarray, axis: int) -> np.ndarray:
    """Read rows of a dataset, which gives them only in rising order and each once."""
    unique, places = np.unique(rows, return_inverse=True)
    index = (slice(None),) * axis + (unique,)
    return np.take(np.asarray(dataset[index]), places, axis=axis)
