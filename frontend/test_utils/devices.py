"""Batches that cost nothing, and where programs of MXNet are."""

from __future__ import annotations

import os
from pathlib import Path

from ..io import DataBatch, DataIter

__all__ = ["DummyIter", "get_im2rec_path"]

class DummyIter(DataIter):
    """Gives the first batch of an iterator again and again, without end; for measuring everything but the data.

    Parameters
    ----------
    real_iter : DataIter

    Examples
    --------
    >>> import weft as mx
    >>> batches = mx.test_utils.DummyIter(mx.io.NDArrayIter(mx.nd.ones((4, 2)), batch_size=2))
    >>> next(batches) is next(batches)
    True
    """

    def __init__(self, real_iter: DataIter) -> None:
        super().__init__(real_iter.batch_size)
        self.real_iter = real_iter
        self.provide_data = real_iter.provide_data
        self.provide_label = real_iter.provide_label
        self.the_batch = next(real_iter)

    def next(self) -> DataBatch:
        """Return the batch."""
        return self.the_batch


def get_im2rec_path(home_env: str = "MXNET_HOME") -> str:
    """Return the path of the program ``im2rec.py``, below the folder that an environment variable names.

    Examples
    --------
    >>> import weft as mx
    >>> mx.test_utils.get_im2rec_path("NO_SUCH_FOLDER")
    Traceback (most recent call last):
    OSError: there is no im2rec.py: NO_SUCH_FOLDER is not set; it is to name a folder with tools/im2rec.py
    """
    home = os.environ.get(home_env)
    if home is None:
        raise OSError(f"there is no im2rec.py: {home_env} is not set; it is to name a folder with tools/im2rec.py")
    tried = [Path(home) / "tools" / "im2rec.py", Path(home) / ".." / ".." / "tools" / "im2rec.py"]
    found = next((path for path in tried if path.is_file()), None)
    if found is None:
        raise OSError(f"there is no im2rec.py: neither {tried[0]} nor {tried[1]} is a file")
    return str(found)
