"""Batches of Gluon's data loaders for modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .. import ndarray as nd
from ..io import DataDesc, DataIter
from ..ndarray import NDArray

__all__ = ["DataLoaderIter"]


class DataLoaderIter(DataIter):
    """Gives the pairs of data and label of a loader as batches; a last one that is smaller is filled up with zeros.

    Parameters
    ----------
    loader : iterable
        A ``gluon.data.DataLoader``, or anything else that gives pairs of NDArrays and can be gone through again.
    data_name, label_name : str
        Names of the variables that they are for.
    dtype : dtype, default "float32"
        Type of the batches' elements.

    Examples
    --------
    >>> import weft as mx
    >>> pairs = [(mx.nd.ones((2, 3)), mx.nd.zeros((2,))), (mx.nd.ones((1, 3)), mx.nd.zeros((1,)))]
    >>> [(batch.data[0].shape, batch.pad) for batch in mx.contrib.io.DataLoaderIter(pairs)]
    [((2, 3), 0), ((2, 3), 1)]
    """

    def __init__(self, loader: Iterable[Any], data_name: str = "data", label_name: str = "softmax_label", dtype: Any = "float32") -> None:
        super().__init__()
        self._loader = loader
        self._batches: Iterator[Any] = iter(loader)
        self._current: Any = None
        self.dtype = dtype
        first = next(self._batches, None)
        if first is None:
            raise ValueError("DataLoaderIter: the loader gives no batches")
        data, label = first
        self.batch_size = data.shape[0]
        self.provide_data = [DataDesc(data_name, data.shape, dtype)]
        self.provide_label = [DataDesc(label_name, label.shape, dtype)]
        self.reset()

    def reset(self) -> None:
        """Start again from the first batch."""
        self._batches = iter(self._loader)

    def iter_next(self) -> bool:
        """Go to the next batch; False after the last."""
        self._current = next(self._batches, None)
        return self._current is not None

    def _filled_up(self, array: NDArray) -> list[NDArray]:
        array = array.astype(self.dtype)
        if not self.getpad():
            return [array]
        missing = nd.zeros((self.getpad(), *array.shape[1:]), ctx=array.context, dtype=array.dtype)
        return [nd.concat(array, missing, dim=0)]

    def getdata(self) -> list[NDArray]:
        """Return the inputs of the batch."""
        return self._filled_up(self._current[0])

    def getlabel(self) -> list[NDArray]:
        """Return the labels of the batch."""
        return self._filled_up(self._current[1])

    def getpad(self) -> int:
        """Return how many examples at the end only fill the batch up."""
        return self.batch_size - self._current[0].shape[0]

    def getindex(self) -> None:
        """Return None: loaders do not number their examples."""
