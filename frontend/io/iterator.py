"""The interface of iterators, and iterators over other iterators."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..base import MXNetError
from .batch import DataBatch, DataDesc

__all__ = ["DataIter", "PrefetchingIter", "ResizeIter"]


class DataIter:
    """Gives batches; base of all iterators.

    A subclass has `provide_data` and `provide_label`, and either :meth:`next`, or :meth:`iter_next` with the ``get`` methods.

    Parameters
    ----------
    batch_size : int
        Number of examples in a batch.

    Examples
    --------
    >>> import weft as mx
    >>> class Counter(DataIter):
    ...     at = -1
    ...     def reset(self): self.at = -1
    ...     def iter_next(self):
    ...         self.at += 1
    ...         return self.at < 2
    ...     def getdata(self): return [mx.nd.full((1,), self.at)]
    >>> [float(batch.data[0].asscalar()) for batch in Counter(1)]
    [0.0, 1.0]
    """

    provide_data: Any
    provide_label: Any

    def __init__(self, batch_size: int = 0) -> None:
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[DataBatch]:
        return self

    def __next__(self) -> DataBatch:
        return self.next()

    def reset(self) -> None:
        """Start again from the first batch."""

    def next(self) -> DataBatch:
        """Return the next batch, or raise StopIteration."""
        if not self.iter_next():
            raise StopIteration
        return DataBatch(self.getdata(), self.getlabel(), self.getpad(), self.getindex())

    def iter_next(self) -> bool:
        """Move to the next batch; False where there is none."""
        return False

    def getdata(self) -> Any:
        """Return the inputs of the current batch."""
        return None

    def getlabel(self) -> Any:
        """Return the labels of the current batch."""
        return None

    def getindex(self) -> np.ndarray | None:
        """Return the numbers of the examples in the current batch, where the iterator knows them."""
        return None

    def getpad(self) -> int | None:
        """Return how many examples of the current batch only fill it up."""
        return None


class _Ahead(DataIter):
    """An iterator that holds its current batch."""

    current_batch: Any = None

    def getdata(self) -> Any:
        return self.current_batch.data

    def getlabel(self) -> Any:
        return self.current_batch.label

    def getindex(self) -> np.ndarray | None:
        return self.current_batch.index

    def getpad(self) -> int | None:
        return self.current_batch.pad


class ResizeIter(_Ahead):
    """Makes an epoch of another iterator shorter or longer.

    Parameters
    ----------
    data_iter : DataIter
        Where the batches come from; it is reset when it ends.
    size : int
        Batches in an epoch.
    reset_internal : bool, default True
        Whether :meth:`reset` resets `data_iter` too. Otherwise the next epoch goes on where this one ends.

    Examples
    --------
    >>> import weft as mx
    >>> inner = mx.io.NDArrayIter(mx.nd.ones((10, 2)), batch_size=5)
    >>> len(list(ResizeIter(inner, 7)))
    7
    """

    def __init__(self, data_iter: DataIter, size: int, reset_internal: bool = True) -> None:
        super().__init__(data_iter.batch_size)
        self.data_iter = data_iter
        self.size = size
        self.reset_internal = reset_internal
        self.cur = 0
        self.provide_data = data_iter.provide_data
        self.provide_label = data_iter.provide_label
        if hasattr(data_iter, "default_bucket_key"):
            self.default_bucket_key = data_iter.default_bucket_key

    def reset(self) -> None:
        """Start a new epoch."""
        self.cur = 0
        if self.reset_internal:
            self.data_iter.reset()

    def iter_next(self) -> bool:
        """Move to the next batch."""
        if self.cur == self.size:
            return False
        try:
            self.current_batch = self.data_iter.next()
        except StopIteration:
            self.data_iter.reset()
            self.current_batch = self.data_iter.next()
        self.cur += 1
        return True


class _Reader:
    """A thread that reads one iterator one batch ahead.

    The thread holds no reference to the PrefetchingIter, so that dropping that one ends it.
    """

    def __init__(self, source: Any) -> None:
        self.source = source
        self.batch: Any = None
        self.error: BaseException | None = None
        self.closed = False
        self.wanted = threading.Semaphore(0)
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._read, daemon=True, name="weft-prefetch")
        self.thread.start()
        self.want()

    def _read(self) -> None:
        while True:
            self.wanted.acquire()
            if self.closed:
                return
            try:
                self.batch = self.source.next()
            except StopIteration:
                self.batch = None
            except BaseException as error:  # raised again where the batch is asked for
                self.batch, self.error = None, error
            self.ready.set()

    def want(self) -> None:
        self.ready.clear()
        self.wanted.release()

    def get(self) -> Any:
        """Wait for the batch; None at the end of the data. It stays until :meth:`want` asks for another."""
        self.ready.wait()
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return self.batch

    def close(self) -> None:
        self.closed = True
        self.wanted.release()


def _close(readers: list[_Reader]) -> None:
    for reader in readers:
        reader.close()


class PrefetchingIter(_Ahead):
    """Reads other iterators in threads of their own, one batch ahead, and puts their batches together.

    Parameters
    ----------
    iters : DataIter or list of DataIter
        Iterators with equally many batches.
    rename_data, rename_label : list of dict, optional
        For each iterator, new names by the names of its arrays.

    Examples
    --------
    >>> import weft as mx
    >>> def one():
    ...     return mx.io.NDArrayIter(mx.nd.ones((4, 2)), batch_size=2)
    >>> both = PrefetchingIter([one(), one()], rename_data=[{"data": "left"}, {"data": "right"}])
    >>> [desc.name for desc in both.provide_data], len(list(both))
    (['left', 'right'], 2)
    """

    def __init__(
        self,
        iters: DataIter | list[DataIter],
        rename_data: Sequence[Mapping[str, str]] | None = None,
        rename_label: Sequence[Mapping[str, str]] | None = None,
    ) -> None:
        super().__init__()
        self.iters = list(iters) if isinstance(iters, (list, tuple)) else [iters]
        if not self.iters:
            raise ValueError("PrefetchingIter: iters is empty, at least one iterator is expected")
        self.n_iter = len(self.iters)
        for what, names in (("rename_data", rename_data), ("rename_label", rename_label)):
            if names is not None and len(names) != self.n_iter:
                raise ValueError(f"PrefetchingIter: {what} has {len(names)} entries for {self.n_iter} iterators")
        self.rename_data = rename_data
        self.rename_label = rename_label
        self.batch_size = self.provide_data[0][1][0]
        self._readers = [_Reader(source) for source in self.iters]
        self._finalizer = weakref.finalize(self, _close, self._readers)

    def _described(self, attribute: str, renaming: Sequence[Mapping[str, str]] | None) -> list[Any]:
        if renaming is None:
            return [desc for source in self.iters for desc in getattr(source, attribute)]
        found = []
        for names, source in zip(renaming, self.iters):
            for desc in getattr(source, attribute):
                described = desc if isinstance(desc, DataDesc) else DataDesc(*desc)
                found.append(DataDesc(names[described.name], described.shape, described.dtype, described.layout))
        return found

    @property
    def provide_data(self) -> list[Any]:  # type: ignore[override]
        """Descriptions of the inputs of all iterators."""
        return self._described("provide_data", self.rename_data)

    @property
    def provide_label(self) -> list[Any]:  # type: ignore[override]
        """Descriptions of the labels of all iterators."""
        return self._described("provide_label", self.rename_label)

    def reset(self) -> None:
        """Start all iterators again."""
        for reader in self._readers:
            reader.ready.wait()
            reader.error = None
        for source in self.iters:
            source.reset()
        for reader in self._readers:
            reader.want()

    def iter_next(self) -> bool:
        """Move to the next batch, waiting for it where it is not read yet."""
        batches = [reader.get() for reader in self._readers]
        ended = [batch is None for batch in batches]
        if all(ended):
            return False
        if any(ended):
            raise MXNetError(f"PrefetchingIter: iterator {ended.index(True)} has ended, and others have not")
        pads = [batch.pad for batch in batches]
        if len(set(pads)) > 1:
            raise MXNetError(f"PrefetchingIter: the iterators' batches differ in length, their pads are {pads}")
        self.current_batch = DataBatch(
            [array for batch in batches for array in batch.data],
            [array for batch in batches for array in batch.label or ()],
            pads[0],
            batches[0].index,
            provide_data=self.provide_data,
            provide_label=self.provide_label,
        )
        for reader in self._readers:
            reader.want()
        return True
