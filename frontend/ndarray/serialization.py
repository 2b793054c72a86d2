"""Saving and loading arrays in MXNet's ``.params`` files.

Files of every version that MXNet 1.9.1 reads are read; what is written is byte for byte what MXNet 1.9.1 writes. Sparse
arrays in a file are an error that says so; bfloat16 becomes float32.
"""

from __future__ import annotations

import os
import stat
from typing import Any

import numpy as np

from ...engine.errors import MXNetError
from ...ops.array import NDArray, empty, from_numpy_copy
from ...ops.context import Context, cpu
from . import _params_format as fmt

__all__ = ["load", "load_frombuffer", "save"]


def save(fname: str | os.PathLike[str], data: NDArray | list[NDArray] | dict[str, NDArray]) -> None:
    """Save a list, or a dictionary of names, of arrays to a file in MXNet's format.

    The file appears whole or not at all: it is written beside its place and then renamed.

    Parameters
    ----------
    fname : str or path
        The file's name.
    data : NDArray, list of NDArray, or dict of str to NDArray
        What to save.

    Examples
    --------
    >>> import weft as mx, tempfile, os
    >>> name = os.path.join(tempfile.mkdtemp(), "weights.params")
    >>> mx.nd.save(name, {"w": mx.nd.ones((2,))})
    >>> mx.nd.load(name)["w"].shape
    (2,)
    """
    names, arrays = _names_and_arrays(data)
    target = os.path.realpath(os.fspath(fname))
    if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
        with _opened(target, "wb") as stream:  # a pipe or device cannot be renamed into place
            _write(stream, names, arrays)
        return
    import tempfile

    try:
        handle, beside = tempfile.mkstemp(prefix=os.path.basename(target) + ".", dir=os.path.dirname(target))
    except OSError as error:
        raise MXNetError(f"cannot save arrays to {os.fspath(fname)!r}: {error.strerror or error}") from error
    try:
        with os.fdopen(handle, "wb") as stream:
            _write(stream, names, arrays)
        os.chmod(beside, _mode_for(target))
        os.replace(beside, target)
    except BaseException as error:
        os.unlink(beside)
        if isinstance(error, OSError):
            raise MXNetError(f"cannot save arrays to {os.fspath(fname)!r}: {error.strerror or error}") from error
        raise


def load(fname: str | os.PathLike[str]) -> list[NDArray] | dict[str, NDArray]:
    """Load arrays from a file in MXNet's format; they come to the CPU.

    Parameters
    ----------
    fname : str or path
        The file's name.

    Returns
    -------
    list of NDArray, or dict of str to NDArray
        What was saved.

    Raises
    ------
    MXNetError
        When the file cannot be read or is not well formed; the message names the byte.

    Examples
    --------
    >>> import weft as mx, tempfile, os
    >>> name = os.path.join(tempfile.mkdtemp(), "list.params")
    >>> mx.nd.save(name, [mx.nd.ones((2, 3))])
    >>> [array.shape for array in mx.nd.load(name)]
    [(2, 3)]
    """
    if not isinstance(fname, (str, os.PathLike)):
        raise TypeError(f"fname required to be a string or a path, got {type(fname).__name__}")
    import mmap

    with _opened(os.fspath(fname), "rb") as stream:
        try:
            # Mapped, so that the file's bytes are not held in memory beside the arrays made of them.
            data: Any = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except (ValueError, OSError):  # an empty file, a pipe
            return _arrays_from(stream.read(), f"file {os.fspath(fname)!r}")
        return _arrays_from(data, f"file {os.fspath(fname)!r}")


def load_frombuffer(buf: Any) -> list[NDArray] | dict[str, NDArray]:
    """Load arrays from bytes in MXNet's format.

    Parameters
    ----------
    buf : bytes or another buffer
        The contents of a ``.params`` file.

    Returns
    -------
    list of NDArray, or dict of str to NDArray
        What was saved.

    Examples
    --------
    >>> import weft as mx
    >>> data = bytes.fromhex("1201000000000000") + bytes(24)
    >>> mx.nd.load_frombuffer(data)
    []
    """
    try:
        view = memoryview(buf)
    except TypeError:
        raise TypeError(f"load_frombuffer needs bytes or another buffer, got {type(buf).__name__}") from None
    if not view.c_contiguous:
        view = memoryview(view.tobytes())
    return _arrays_from(view, "buffer")


def array_to_bytes(array: NDArray) -> bytes:
    """Return one array in the file format, without the list around it; this is what pickles hold."""
    context = array.context
    values = array.asnumpy()
    head = fmt.record_header(array.shape, values.dtype, (context.device_typeid, context.device_id))
    return head + values.tobytes()


def array_from_bytes(data: Any) -> NDArray:
    """Return the array of which :func:`array_to_bytes` made the bytes, on its device if that is here."""
    record = fmt.parse_record(data, "pickled array")
    return _array_of(data, record, _device_of(record))


def _device_of(record: fmt.Record) -> Context:
    return Context(Context.devtype2str[record.device[0]], record.device[1]) if record.device[0] == 1 else cpu()


def _opened(name: str, mode: str) -> Any:
    try:
        return open(name, mode)
    except OSError as error:
        raise MXNetError(f"cannot open {name!r}: {error.strerror or error}") from error


def _mode_for(target: str) -> int:
    """Return the access rights that a plain ``open`` would have given the file."""
    try:
        return stat.S_IMODE(os.stat(target).st_mode)
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _names_and_arrays(data: Any) -> tuple[list[str], list[NDArray]]:
    if isinstance(data, NDArray):
        return [], [data]
    if isinstance(data, dict):
        names, arrays = list(data), list(data.values())
    elif isinstance(data, list):
        names, arrays = [], data
    else:
        raise ValueError(
            f"data needs to either be a NDArray, dict of str, NDArray pairs or a list of NDarrays, got {type(data).__name__}"
        )
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"save only accept dict str->NDArray or list of NDArray, got the name {name!r}")
    for place, array in zip(names or range(len(arrays)), arrays):
        if not isinstance(array, NDArray):
            raise TypeError(f"save only accept dict str->NDArray or list of NDArray, got {type(array).__name__} for {place!r}")
    return names, arrays


def _write(stream: Any, names: list[str], arrays: list[NDArray]) -> None:
    stream.write(fmt.header(len(arrays)))
    for array in arrays:
        context = array.context
        values = array.asnumpy()
        stream.write(fmt.record_header(array.shape, values.dtype, (context.device_typeid, context.device_id)))
        stream.write(values.data if values.size else b"")
    stream.write(fmt.names_block(names))


def _arrays_from(data: Any, source: str) -> list[NDArray] | dict[str, NDArray]:
    records, names = fmt.parse(data, source)
    arrays = [_array_of(data, record, cpu()) for record in records]
    return dict(zip(names, arrays)) if names else arrays


def _array_of(data: Any, record: fmt.Record, context: Context) -> NDArray:
    if not record.nbytes:
        return empty(record.shape, context, np.dtype(np.float32) if record.bfloat16 else record.dtype)
    values = np.frombuffer(data, record.dtype, record.nbytes // record.dtype.itemsize, record.start).reshape(record.shape)
    if record.bfloat16:
        values = (values.astype(np.uint32) << 16).view(np.float32)
    elif record.dtype == np.bool_:
        values = values.view(np.uint8) != 0  # any other byte would be an invalid boolean
    return from_numpy_copy(values, context, values.dtype)
