"""What iterators give: batches, and descriptions of the arrays in them."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..base import mx_real_t

__all__ = ["DataBatch", "DataDesc"]


class DataDesc(namedtuple("DataDesc", ["name", "shape"])):
    """Name, shape, dtype and layout of one array of a batch; as a tuple it is name and shape alone.

    Parameters
    ----------
    name : str
        Name of the variable that the array is for.
    shape : tuple of int
        Shape of a whole batch.
    dtype : dtype, default float32
        Type of the elements.
    layout : str, default "NCHW"
        What each axis means; ``N`` is the batch axis.

    Examples
    --------
    >>> desc = DataDesc("data", (32, 3, 8, 8))
    >>> name, shape = desc
    >>> desc
    DataDesc[data,(32, 3, 8, 8),<class 'numpy.float32'>,NCHW]
    """

    dtype: Any
    layout: str | None

    def __new__(cls, name: str, shape: Sequence[int], dtype: Any = mx_real_t, layout: str | None = "NCHW") -> DataDesc:
        self = super().__new__(cls, name, shape)
        self.dtype = dtype
        self.layout = layout
        return self

    def __repr__(self) -> str:
        return f"DataDesc[{self.name},{self.shape},{self.dtype},{self.layout}]"

    def __getnewargs__(self) -> tuple[Any, ...]:  # pickle makes a copy with all four
        return (self.name, self.shape, self.dtype, self.layout)

    @staticmethod
    def get_batch_axis(layout: str | None) -> int:
        """Return the axis of the examples; -1 where the layout has none: every device then gets the whole array.

        Examples
        --------
        >>> DataDesc.get_batch_axis("TNC"), DataDesc.get_batch_axis(None), DataDesc.get_batch_axis("")
        (1, 0, -1)
        """
        return 0 if layout is None else layout.find("N")

    @staticmethod
    def get_list(shapes: Iterable[tuple[str, Any]], types: Iterable[tuple[str, Any]] | None) -> list[DataDesc]:
        """Make descriptions of pairs of name and shape, and pairs of name and dtype.

        Examples
        --------
        >>> DataDesc.get_list([("data", (2, 3))], [("data", "int32")])
        [DataDesc[data,(2, 3),int32,NCHW]]
        """
        if types is None:
            return [DataDesc(name, shape) for name, shape in shapes]
        dtypes = dict(types)
        return [DataDesc(name, shape, dtypes[name]) for name, shape in shapes]


class DataBatch:
    """One batch.

    Parameters
    ----------
    data : list of NDArray
        Inputs; the examples are along the batch axis.
    label : list of NDArray, optional
        What is to be predicted.
    pad : int, optional
        How many examples at the end only fill the batch up; predictions of them are thrown away.
    index : numpy.ndarray, optional
        Numbers of the examples.
    bucket_key : object, optional
        Which graph of a BucketingModule the batch is for.
    provide_data, provide_label : list of DataDesc, optional
        Descriptions of `data` and `label` where they differ from the iterator's.

    Examples
    --------
    >>> import weft as mx
    >>> print(DataBatch([mx.nd.ones((2, 3))], [mx.nd.zeros((2,))]))
    DataBatch: data shapes: [(2, 3)] label shapes: [(2,)]
    """

    def __init__(
        self,
        data: Sequence[Any] | None,
        label: Sequence[Any] | None = None,
        pad: int | None = None,
        index: np.ndarray | None = None,
        bucket_key: Any = None,
        provide_data: Sequence[Any] | None = None,
        provide_label: Sequence[Any] | None = None,
    ) -> None:
        for what, value in (("data", data), ("label", label)):
            # MXNet asserts here; programs that catch AssertionError find the same.
            if value is not None and not isinstance(value, (list, tuple)):
                raise AssertionError(f"DataBatch: {what} must be a list of NDArrays, got {type(value).__name__}")
        self.data = data
        self.label = label
        self.pad = pad
        self.index = index
        self.bucket_key = bucket_key
        self.provide_data = provide_data
        self.provide_label = provide_label

    def __str__(self) -> str:
        data = [array.shape for array in self.data or ()]
        label = [array.shape for array in self.label] if self.label else None
        return f"{type(self).__name__}: data shapes: {data} label shapes: {label}"
