"""Functions that make arrays, and a few that take lists of arrays."""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...engine._engine import wait_all
from ...ops.array import NDArray, from_numpy_copy
from ...ops.array import empty as _empty
from ...ops.context import Context, current_context, parse_context
from ...ops.dispatch import function, invoke
from ...ops.errors import ArgumentTypeError, ArgumentValueError
from ...ops.functions import F
from ..base import MXNetError

__all__ = [
    "arange",
    "array",
    "concatenate",
    "empty",
    "eye",
    "from_dlpack",
    "from_numpy",
    "full",
    "histogram",
    "imdecode",
    "linspace",
    "moveaxis",
    "onehot_encode",
    "ones",
    "split_v2",
    "to_dlpack_for_read",
    "to_dlpack_for_write",
    "waitall",
    "zeros",
]

DTYPES = tuple(np.dtype(name) for name in ("float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool"))
DType = Any


def as_dtype(dtype: DType) -> np.dtype:
    """Return the NumPy dtype of what a caller gave; None is float32."""
    if dtype is None:
        return DTYPES[0]
    try:
        made = np.dtype(dtype)
    except TypeError:
        raise ArgumentTypeError(f"dtype={dtype!r} is not understood, expected one of {', '.join(map(str, DTYPES))}") from None
    if made not in DTYPES:
        raise ArgumentTypeError(f"dtype={dtype!r} is not supported, expected one of {', '.join(map(str, DTYPES))}")
    return made


def as_context(ctx: Any, argument: str = "ctx") -> Context:
    """Return the context that a caller gave; None is the current one."""
    if ctx is None:
        return current_context()
    if isinstance(ctx, str):
        try:
            ctx = parse_context(ctx)
        except ValueError as error:
            raise ArgumentValueError(f"{argument}={error}") from None
    if not isinstance(ctx, Context):
        raise ArgumentTypeError(f"{argument}={ctx!r} is not a Context; expected for example mx.cpu()")
    return ctx


def as_shape(shape: Any, argument: str = "shape") -> tuple[int, ...]:
    """Return a shape as a tuple of ints; an integer is a shape of one axis."""
    try:
        if isinstance(shape, str):  # as parameters of operators are written
            shape = ast.literal_eval(shape)
        if isinstance(shape, (int, np.integer)):
            made: tuple[int, ...] = (int(shape),)
        else:
            made = tuple(map(operator.index, shape))
    except (TypeError, ValueError, SyntaxError):
        raise ArgumentTypeError(f"{argument}={shape!r} is no shape: expected an int or a sequence of ints") from None
    if any(extent < 0 for extent in made):
        raise ArgumentValueError(f"{argument}={shape!r} has a negative dimension")
    return made


def _params(ctx: Any, dtype: DType, **values: Any) -> dict[str, Any]:
    """Return the parameters of an operator without inputs; one without a device makes its result on the current one."""
    values["dtype"] = as_dtype(dtype)
    if ctx is not None:
        values["ctx"] = str(as_context(ctx))
    return values


def _default_storage(stype: str | None) -> None:
    if stype not in (None, "default"):
        raise MXNetError(f"stype={stype!r}: sparse storage is not supported yet, expected 'default'")


def empty(shape: int | Sequence[int], ctx: Context | None = None, dtype: DType = None, stype: str | None = None) -> NDArray:
    """Return a new array whose elements are not set.

    Parameters
    ----------
    shape : int or sequence of int
        The array's shape.
    ctx : Context, optional
        Its device; the current context by default.
    dtype : str or numpy.dtype, optional
        Its dtype; float32 by default.
    stype : str, optional
        Storage; only "default".

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.empty((1, 2)).shape
    (1, 2)
    """
    _default_storage(stype)
    return _empty(as_shape(shape), as_context(ctx), as_dtype(dtype))


def _filled(
    name: str, shape: Any, ctx: Context | None, dtype: DType, stype: str | None, out: NDArray | None
) -> NDArray:
    if ctx is None and dtype is None and stype is None and out is None and type(shape) is tuple:
        return function(name)(shape=shape)
    _default_storage(stype)
    return invoke(name, (), _params(ctx, dtype, shape=as_shape(shape)), out)


def zeros(
    shape: int | Sequence[int],
    ctx: Context | None = None,
    dtype: DType = None,
    stype: str | None = None,
    *,
    out: NDArray | None = None,
    name: str | None = None,
) -> NDArray:
    """Return a new array of zeros; parameters as of :func:`empty`. ``name`` is there for programs that name all they make.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.zeros((2,), dtype="int32").asnumpy().tolist()
    [0, 0]
    """
    return _filled("_zeros", shape, ctx, dtype, stype, out)


def ones(
    shape: int | Sequence[int],
    ctx: Context | None = None,
    dtype: DType = None,
    *,
    stype: str | None = None,
    out: NDArray | None = None,
    name: str | None = None,
) -> NDArray:
    """Return a new array of ones; parameters as of :func:`zeros`.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.ones(3).asnumpy().tolist()
    [1.0, 1.0, 1.0]
    """
    return _filled("_ones", shape, ctx, dtype, stype, out)


def full(
    shape: int | Sequence[int], val: Any, ctx: Context | None = None, dtype: DType = None, out: NDArray | None = None
) -> NDArray:
    """Return an array filled with a value, which may also be an array that can be broadcast.

    Parameters
    ----------
    shape : int or sequence of int
        The array's shape.
    val : number or array_like
        What to fill it with.
    ctx : Context, optional
        Its device; the current context by default.
    dtype : str or numpy.dtype, optional
        Its dtype; float32 by default.
    out : NDArray, optional
        An array to fill instead of a new one.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.full((2,), 7).asnumpy().tolist()
    [7.0, 7.0]
    """
    made = _empty(as_shape(shape), as_context(ctx), as_dtype(dtype)) if out is None else out
    made[:] = val
    return made


def array(source_array: Any, ctx: Context | None = None, dtype: DType = None) -> NDArray:
    """Return a new array with the elements of another array, or of nested lists of numbers.

    Parameters
    ----------
    source_array : array_like
        An NDArray, anything that NumPy makes an array of, or nested sequences of numbers.
    ctx : Context, optional
        The device; the current context by default.
    dtype : str or numpy.dtype, optional
        The dtype; that of ``source_array`` if it is an NDArray, else float32, also for NumPy arrays.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.array([[1, 2], [3, 4]])
    <BLANKLINE>
    [[1. 2.]
     [3. 4.]]
    <NDArray 2x2 @cpu(0)>
    """
    context = as_context(ctx)
    if isinstance(source_array, NDArray):
        made = F._copy(source_array) if source_array.context == context else source_array.copyto(context)
        wanted = np.dtype(source_array.dtype) if dtype is None else as_dtype(dtype)
        return made if wanted == made.dtype else F.Cast(made, dtype=wanted)
    if dtype is not None and source_array is not None:
        wanted = as_dtype(dtype)
    else:
        wanted = DTYPES[0]
    if type(source_array) is np.ndarray and source_array.dtype == wanted:
        return from_numpy_copy(source_array, context, wanted)
    return from_numpy_copy(_as_numpy(source_array, wanted), context, wanted)


def _as_numpy(source: Any, dtype: np.dtype) -> np.ndarray:
    """Return a C-contiguous NumPy array; values are converted as C does (MXNet: 300 as uint8 is 44)."""
    try:
        values = source if isinstance(source, np.ndarray) else _from_nested(source, dtype)
        if values.dtype != dtype:
            if values.dtype.kind in "USVc":
                raise TypeError("complex numbers have no dtype here" if values.dtype.kind == "c" else "text has no numeric value")
            with np.errstate(all="ignore"):
                values = values.astype(dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"source_array must be array like object, got {type(source).__name__}: {error}") from None
    return np.ascontiguousarray(values) if values.ndim else values


def _from_nested(source: Any, dtype: np.dtype) -> np.ndarray:
    if isinstance(source, (list, tuple)) and source and any(isinstance(item, NDArray) for item in source):
        return np.stack([item.asnumpy() if isinstance(item, NDArray) else np.asarray(item) for item in source])
    values = np.asarray(source)
    return values if values.dtype != object else np.asarray(source, dtype)


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    infer_range: bool | None = None,
    ctx: Context | None = None,
    dtype: DType = None,
) -> NDArray:
    """Return evenly spaced values in the half-open interval from ``start`` to ``stop``.

    Parameters
    ----------
    start : number
        First value; if ``stop`` is None it is the end, and the values start at 0.
    stop : number, optional
        End of the interval, not included.
    step : number
        Distance between values.
    repeat : int
        How often each value occurs in a row.
    infer_range : bool, optional
        Has a meaning for symbols only.
    ctx : Context, optional
        The device; the current context by default.
    dtype : str or numpy.dtype, optional
        The dtype; float32 by default.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.arange(2, 6, step=2, repeat=2).asnumpy().tolist()
    [2.0, 2.0, 4.0, 4.0]
    """
    if infer_range is not None:
        warnings.warn("`infer_range` argument has been deprecated", DeprecationWarning, stacklevel=2)
    return invoke("_arange", (), _params(ctx, dtype, start=start, stop=stop, step=step, repeat=repeat))


def linspace(
    start: float, stop: float, num: int, endpoint: bool = True, ctx: Context | None = None, dtype: DType = None
) -> NDArray:
    """Return ``num`` evenly spaced values from ``start`` to ``stop``.

    Parameters
    ----------
    start, stop : number
        The ends of the interval.
    num : int
        How many values.
    endpoint : bool
        Whether ``stop`` is the last value.
    ctx : Context, optional
        The device; the current context by default.
    dtype : str or numpy.dtype, optional
        The dtype; float32 by default.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.linspace(0, 1, 3).asnumpy().tolist()
    [0.0, 0.5, 1.0]
    """
    return invoke("_linspace", (), _params(ctx, dtype, start=start, stop=stop, num=num, endpoint=endpoint))


def eye(
    N: int,
    M: int = 0,
    k: int = 0,
    ctx: Context | None = None,
    dtype: DType = None,
    out: NDArray | None = None,
    name: str | None = None,
) -> NDArray:
    """Return a matrix with ones on a diagonal and zeros elsewhere.

    Parameters
    ----------
    N : int
        Number of rows.
    M : int
        Number of columns; as many as rows if 0.
    k : int
        Which diagonal: 0 the main one, positive above, negative below it.
    ctx : Context, optional
        The device; the current context by default.
    dtype : str or numpy.dtype, optional
        The dtype; float32 by default.
    out : NDArray, optional
        Where to write the result.
    name : str, optional
        Name of the node in a symbolic graph; unused here.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.eye(2, 3, k=1).asnumpy().tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    return invoke("_eye", (), _params(ctx, dtype, N=N, M=M, k=k), out)


def from_numpy(ndarray: np.ndarray, zero_copy: bool = True) -> NDArray:
    """Return an array that shares its memory with a NumPy array, which becomes read-only.

    Parameters
    ----------
    ndarray : numpy.ndarray
        C-contiguous, of a dtype that NDArray has.
    zero_copy : bool
        Whether to share the memory; else it is copied, and ``ndarray`` stays as it is.

    Examples
    --------
    >>> import weft as mx, numpy as np
    >>> mx.nd.from_numpy(np.ones((2,), np.float32)).asnumpy().tolist()
    [1.0, 1.0]
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy needs a numpy.ndarray, got {type(ndarray).__name__}")
    if ndarray.dtype not in DTYPES:
        raise ValueError(f"{ndarray.dtype} is not supported; expected one of {', '.join(map(str, DTYPES))}")
    if not zero_copy:
        return from_numpy_copy(np.ascontiguousarray(ndarray) if ndarray.ndim else ndarray, Context("cpu", 0), ndarray.dtype)
    if not ndarray.flags.c_contiguous:
        raise ValueError("Only c-contiguous arrays are supported for zero-copy")
    from ...ops.dlpack import from_numpy_shared

    made = from_numpy_shared(ndarray)
    ndarray.flags.writeable = False
    return made


def from_dlpack(dlpack: Any) -> NDArray:
    """Return an array that shares memory with an array of another library, through DLPack.

    Parameters
    ----------
    dlpack : object or capsule
        An array with ``__dlpack__`` (NumPy, PyTorch, CuPy ...), or a DLPack capsule, which is used up.

    Examples
    --------
    >>> import weft as mx
    >>> x = mx.nd.ones((2,))
    >>> y = mx.nd.from_dlpack(x.to_dlpack_for_read())
    >>> y.asnumpy().tolist()
    [1.0, 1.0]
    """
    from ...ops.dlpack import from_capsule, from_object

    return from_object(dlpack) if hasattr(dlpack, "__dlpack__") else from_capsule(dlpack)


def to_dlpack_for_read(data: NDArray) -> Any:
    """Return a DLPack capsule of an array for reading: no one writes the array until the capsule is released.

    Examples
    --------
    >>> import weft as mx
    >>> type(mx.nd.to_dlpack_for_read(mx.nd.ones((2,)))).__name__
    'PyCapsule'
    """
    return data.to_dlpack_for_read()


def to_dlpack_for_write(data: NDArray) -> Any:
    """Return a DLPack capsule of an array for writing: no one uses the array until the capsule is released.

    Examples
    --------
    >>> import weft as mx
    >>> type(mx.nd.to_dlpack_for_write(mx.nd.ones((2,)))).__name__
    'PyCapsule'
    """
    return data.to_dlpack_for_write()


def waitall() -> None:
    """Wait until everything that was started is done; raise the first error that no one has seen yet.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.waitall()
    """
    wait_all()


def concatenate(arrays: Sequence[NDArray], axis: int = 0, always_copy: bool = True) -> NDArray:
    """Join arrays along an axis.

    Parameters
    ----------
    arrays : list of NDArray
        Arrays of one dtype, whose shapes differ along ``axis`` only.
    axis : int
        The axis to join along.
    always_copy : bool
        If False and there is one array only, it is returned itself.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.concatenate([mx.nd.ones((1, 2)), mx.nd.zeros((1, 2))]).asnumpy().tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """
    if not isinstance(arrays, (list, tuple)) or not arrays or not all(isinstance(item, NDArray) for item in arrays):
        raise ValueError(f"concatenate needs a non-empty list of NDArrays, got {type(arrays).__name__}")
    if len(arrays) == 1 and not always_copy:
        return arrays[0]
    first = arrays[0]
    for place, item in enumerate(arrays):
        if item.dtype != first.dtype:
            raise ValueError(f"concatenate: arrays[{place}] has dtype {np.dtype(item.dtype)}, arrays[0] {np.dtype(first.dtype)}")
    return F.Concat(*arrays, dim=axis)


def moveaxis(tensor: NDArray, source: int | Sequence[int], destination: int | Sequence[int]) -> NDArray:
    """Move axes to new positions; the others stay in order.

    Parameters
    ----------
    tensor : NDArray
        The array.
    source : int or sequence of int
        The axes to move.
    destination : int or sequence of int
        Where each of them goes.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.moveaxis(mx.nd.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    ndim = tensor.ndim
    from_axes = _axes("source", source, ndim)
    to_axes = _axes("destination", destination, ndim)
    if len(from_axes) != len(to_axes):
        raise ValueError("`source` and `destination` arguments must have the same number of elements")
    order = [axis for axis in range(ndim) if axis not in from_axes]
    for to, axis in sorted(zip(to_axes, from_axes)):
        order.insert(to, axis)
    return F.transpose(tensor, axes=tuple(order))


def _axes(argument: str, axes: int | Sequence[int], ndim: int) -> list[int]:
    listed = [axes] if isinstance(axes, (int, np.integer)) else list(axes)
    result = []
    for axis in listed:
        if not -ndim <= axis < ndim:
            raise ValueError(f"{argument}={axes!r}: axis {axis} is out of range for an array of {ndim} dimensions")
        result.append(int(axis) % ndim)
    if len(set(result)) != len(result):
        raise ValueError(f"repeated axis in {argument}={axes!r}")
    return result


def onehot_encode(indices: NDArray, out: NDArray) -> NDArray:
    """Write the one-hot rows of indices into ``out``, of shape ``(len(indices), classes)``. Deprecated: use one_hot.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.onehot_encode(mx.nd.array([1, 0]), mx.nd.zeros((2, 2))).asnumpy().tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    if out.ndim != 2 or indices.shape != out.shape[:1]:
        raise ValueError(f"onehot_encode: indices of shape {indices.shape} need out of shape (n, classes), got {out.shape}")
    out[:] = F.one_hot(indices, depth=out.shape[1], dtype=np.dtype(out.dtype))
    return out


def histogram(a: NDArray, bins: int | NDArray = 10, range: tuple[float, float] | None = None) -> Sequence[NDArray]:
    """Count the elements of an array that fall into each of a number of bins.

    Parameters
    ----------
    a : NDArray
        The elements.
    bins : int or NDArray
        How many bins of equal width, or the bins' edges.
    range : (float, float), optional
        The outer edges; the least and the greatest element by default.

    Returns
    -------
    list of NDArray
        The counts and the edges.

    Examples
    --------
    >>> import weft as mx
    >>> counts, edges = mx.nd.histogram(mx.nd.array([1, 2, 3]), bins=3, range=(0, 3))
    >>> counts.asnumpy().tolist()
    [0, 1, 2]
    """
    if isinstance(bins, NDArray):
        return F._histogram(a, bins)
    if isinstance(bins, (int, np.integer)) and not isinstance(bins, bool):
        if range is None:
            warnings.warn("range is not specified, the array's own least and greatest elements are used", stacklevel=2)
            values = a.asnumpy()
            counts, edges = np.histogram(values, bins=int(bins))
            return array(counts, dtype=a.dtype), array(edges, dtype=a.dtype)  # a tuple here, as in MXNet
        return F._histogram(a, bin_cnt=int(bins), range=tuple(range))
    raise ValueError(f"bins argument should be either an integer or an NDArray, got {bins!r}")


def split_v2(
    ary: NDArray, indices_or_sections: int | tuple[int, ...], axis: int = 0, squeeze_axis: bool = False
) -> NDArray | list[NDArray]:
    """Split an array into several along an axis.

    Parameters
    ----------
    ary : NDArray
        The array.
    indices_or_sections : int or tuple of int
        The number of equal parts, or where along the axis to cut.
    axis : int
        The axis.
    squeeze_axis : bool
        Whether to drop the axis, which must then have length 1 in every part.

    Returns
    -------
    NDArray or list of NDArray
        The parts; the array itself if there is only one.

    Examples
    --------
    >>> import weft as mx
    >>> [part.shape for part in mx.nd.split_v2(mx.nd.zeros((6,)), (1, 3))]
    [(1,), (2,), (3,)]
    """
    if not -ary.ndim <= axis < ary.ndim:
        raise ValueError(f"axis={axis} is out of range for an array of {ary.ndim} dimensions")
    if isinstance(indices_or_sections, (int, np.integer)):
        sections = int(indices_or_sections)
        if sections <= 0 or ary.shape[axis] % sections:
            raise ValueError(
                f"array split does not result in an equal division: {ary.shape[axis]} along axis {axis} by {sections}"
            )
        return F._split_v2(ary, indices=(), axis=axis, squeeze_axis=squeeze_axis, sections=sections)
    if isinstance(indices_or_sections, tuple) and all(isinstance(cut, (int, np.integer)) for cut in indices_or_sections):
        cuts = (0, *map(int, indices_or_sections))  # the operator wants the start of every part
        return F._split_v2(ary, indices=cuts, axis=axis, squeeze_axis=squeeze_axis, sections=0)
    raise ValueError(f"indices_or_sections must either int or tuple of ints, got {indices_or_sections!r}")


def imdecode(
    str_img: bytes,
    clip_rect: tuple[int, int, int, int] = (0, 0, 0, 0),
    out: NDArray | None = None,
    index: int = 0,
    channels: int = 3,
    mean: NDArray | None = None,
) -> NDArray:
    """Decode an image (JPEG, PNG ...) into an array of shape (1, channels, height, width). Needs Pillow.

    Parameters
    ----------
    str_img : bytes
        The encoded image.
    clip_rect : tuple of int
        Left, top, right and bottom of the part to take; all zero takes everything.
    out : NDArray, optional
        Where to write: ``(n, channels, height, width)``; the image goes to place ``index``.
    index : int
        The place in ``out``.
    channels : int
        1 for grey, 3 for red, green, blue.
    mean : NDArray, optional
        Subtracted from the image.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.imdecode(open("cat.jpg", "rb").read()).shape  # doctest: +SKIP
    (1, 3, 224, 224)
    """
    if channels not in (1, 3):
        raise ValueError(f"channels={channels} is not supported, expected 1 or 3")
    try:
        from PIL import Image
    except ImportError:
        raise MXNetError("imdecode needs the package Pillow, which is not installed (pip install pillow)") from None
    import io

    try:
        picture = Image.open(io.BytesIO(str_img)).convert("L" if channels == 1 else "RGB")
    except Exception as error:
        raise MXNetError(f"imdecode: the {len(str_img)} bytes are no image that can be decoded: {error}") from error
    pixels = np.asarray(picture, np.float32).reshape(picture.height, picture.width, channels)
    left, top, right, bottom = clip_rect
    if any(clip_rect):
        pixels = pixels[top:bottom, left:right]
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    if mean is not None:
        planes = planes - mean.asnumpy()
    if out is None:
        return array(planes[None])
    out[index] = planes
    return out
