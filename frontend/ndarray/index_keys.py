"""What MXNet tells of indexing keys: functions of ``mx.nd`` beside indexing itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops.array import NDArray

__all__ = ["get_indexing_dispatch_code", "get_oshape_of_gather_nd_op", "indexing_key_expand_implicit_axes"]

BASIC, ADVANCED = 0, 1


def get_indexing_dispatch_code(key: tuple[Any, ...]) -> int:
    """Return the kind of a key: 0 where it is made of integers, slices and new axes, 1 where it has arrays.

    Examples
    --------
    >>> import weft as mx
    >>> [mx.nd.get_indexing_dispatch_code(key) for key in ((0, slice(2)), (0, [1]))]
    [0, 1]
    """
    if not isinstance(key, tuple):
        raise TypeError(f"key must be a tuple with an item for each axis, got {type(key).__name__}")
    code = BASIC
    for item in key:
        if isinstance(item, (np.ndarray, NDArray, list, tuple, range)):
            code = ADVANCED
        elif item is not None and not isinstance(item, (slice, int, np.integer)):
            raise ValueError(f"NDArray does not support slicing with key {item!r} of type {type(item).__name__}")
    return code


def indexing_key_expand_implicit_axes(key: Any, shape: tuple[int, ...]) -> tuple[tuple[Any, ...], int]:
    """Return a key with an item for each axis, in place of an ellipsis and of what it leaves out; and -1.

    The number says, for arrays of ``mx.np`` alone, whether the key holds a boolean without axes.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.indexing_key_expand_implicit_axes((..., 0), (2, 3))
    ((slice(None, None, None), 0), -1)
    """
    items = list(key) if isinstance(key, tuple) else [key]
    places = [place for place, item in enumerate(items) if item is Ellipsis]
    if len(places) > 1:
        raise IndexError("Cannot use more than one ellipsis (`...`) for indexing")
    # A mask stands for one axis here, as it does in MXNet.
    taken = sum(item is not None and item is not Ellipsis for item in items)
    place = places[0] if places else len(items)
    items[place : place + len(places)] = [slice(None)] * (len(shape) - taken)
    return tuple(items), -1


def get_oshape_of_gather_nd_op(dshape: tuple[int, ...], ishape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of ``gather_nd`` from the shapes of data and indices.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.get_oshape_of_gather_nd_op((2, 3, 4), (2, 5))
    (5, 4)
    """
    if not dshape or not ishape:
        raise ValueError(f"data has shape {dshape} and indices {ishape}; expected at least one axis each")
    return (*ishape[1:], *dshape[ishape[0] :])
