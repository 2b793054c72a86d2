"""``mx.io``: iterators that give batches to train with.

An iterator describes what it gives (``provide_data``, ``provide_label``: lists of :class:`DataDesc`) and gives
:class:`DataBatch` objects until its data ends; ``reset`` starts it again. Data in memory comes from :class:`NDArrayIter`, data in
files from :class:`CSVIter` and :class:`MNISTIter`.
"""

from __future__ import annotations

from .arrays import NDArrayIter as NDArrayIter
from .arrays import _init_data as _init_data
from .batch import DataBatch as DataBatch
from .batch import DataDesc as DataDesc
from .files import CSVIter as CSVIter
from .files import MNISTIter as MNISTIter
from .files import MXDataIter as MXDataIter
from .iterator import DataIter as DataIter
from .iterator import PrefetchingIter as PrefetchingIter
from .iterator import ResizeIter as ResizeIter

__all__ = [
    "CSVIter",
    "DataBatch",
    "DataDesc",
    "DataIter",
    "MNISTIter",
    "MXDataIter",
    "NDArrayIter",
    "PrefetchingIter",
    "ResizeIter",
]
