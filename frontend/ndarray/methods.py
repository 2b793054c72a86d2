"""The methods of NDArray that are written in Python; ``install`` puts them on the class.

Operators as methods (``x.sum(axis=0)``) are found in the registry when they are first used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...ops.array import NDArray, add_methods, empty
from ...ops.context import Context
from ...ops.dispatch import invoke
from ...ops.functions import F
from ...ops.modes import is_recording
from ..autograd import METHODS as AUTOGRAD_METHODS
from ..base import MXNetError
from ._index_plan import slices_are_contiguous
from .creation import as_dtype, split_v2
from .indexing import check_not_recorded, check_writable, getitem, reshape_view, setitem

__all__ = ["install"]

# Operators that are methods under their own name, with the array as first input.
FLUENT = (
    "abs arccos arccosh arcsin arcsinh arctan arctanh argmax argmax_channel argmin argsort broadcast_axes broadcast_like cbrt "
    "ceil clip cos cosh degrees depth_to_space diag exp expm1 fix flip floor log log10 log1p log2 log_softmax max mean min "
    "nanprod nansum norm one_hot ones_like pad pick prod radians rcbrt reciprocal relu repeat reshape_like rint round rsqrt "
    "shape_array sigmoid sign sin sinh size_array slice slice_axis slice_like softmax softmin sort space_to_depth split sqrt "
    "square sum swapaxes take tan tanh tile topk trunc zeros_like"
).split()


def _fluent(name: str) -> Callable[..., Any]:
    function: Any = None

    def method(self: NDArray, *args: Any, **kwargs: Any) -> Any:
        nonlocal function
        if function is None:
            function = getattr(F, name)
        return function(self, *args, **kwargs)

    method.__name__ = name
    method.__qualname__ = f"NDArray.{name}"
    method.__doc__ = f"Call the operator :func:`weft.nd.{name}` with this array as first argument."
    return method


# ---- conversion ----------------------------------------------------------------------------------


def _repr(self: NDArray) -> str:
    extents = "x".join(map(str, self.shape))
    return f"\n{self.asnumpy()!s}\n<NDArray {extents} @{self.context}>"


def asscalar(self: NDArray) -> Any:
    """Return the value of an array of one element as a NumPy scalar.

    Examples
    --------
    >>> import weft as mx
    >>> float(mx.nd.ones((1,)).asscalar())
    1.0
    """
    if self.size != 1:
        raise ValueError(f"The current array is not a scalar: its shape is {self.shape}")
    return self.asnumpy().reshape(())[()]


def item(self: NDArray, *args: Any) -> Any:
    """Return one element as a Python number; without arguments the array must have one element only.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.array([1, 2]).item(1)
    2.0
    """
    return self.asnumpy().item(*args)


def tolist(self: NDArray) -> Any:
    """Return the elements as nested Python lists.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.array([1, 2]).tolist()
    [1.0, 2.0]
    """
    return self.asnumpy().tolist()


def _single(self: NDArray, wanted: str) -> Any:
    if self.size != 1:
        raise TypeError(f"only arrays of one element can be converted to {wanted}, this one has shape {self.shape}")
    return self.asnumpy().item()


def _bool(self: NDArray) -> bool:
    if self.size == 0:
        return False
    if self.size > 1:
        raise ValueError("The truth value of an NDArray with multiple elements is ambiguous.")
    return bool(self.asnumpy().item())


def _int(self: NDArray) -> int:
    return int(_single(self, "an int"))


def _float(self: NDArray) -> float:
    return float(_single(self, "a float"))


def _index(self: NDArray) -> int:
    if np.dtype(self.dtype).kind not in "iu":
        raise TypeError(f"only integer arrays of one element can be used as an index, this one has dtype {np.dtype(self.dtype)}")
    return int(_single(self, "an index"))


def _len(self: NDArray) -> int:
    if not self.shape:
        raise TypeError("len() of an array without axes")
    return self.shape[0]


def _iter(self: NDArray) -> Iterator[NDArray]:
    if not self.shape:
        raise TypeError("iteration over an array without axes")
    return (self[place] for place in range(self.shape[0]))


def _contains(self: NDArray, value: Any) -> bool:
    if isinstance(value, NDArray):
        value = value.asnumpy()
    return bool((self.asnumpy() == value).any())


def _array(self: NDArray, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    if copy is False:
        raise ValueError("NDArray.__array__ always copies; use numpy.from_dlpack for an array that shares memory")
    values = self.asnumpy()
    return values if dtype is None else values.astype(dtype, copy=False)


def _array_interface(self: NDArray) -> dict[str, Any]:
    """Describe the memory for NumPy and others. It is read-only, and good until the array is next written."""
    from ...ops.array import address_of

    self.wait_to_read()
    dtype = np.dtype(self.dtype)
    return {"version": 3, "shape": self.shape, "typestr": dtype.str, "data": (address_of(self), True), "strides": None}


# ---- copying and placing ---------------------------------------------------------------------------


def copy(self: NDArray) -> NDArray:
    """Return a copy on the same device.

    Examples
    --------
    >>> import weft as mx
    >>> x = mx.nd.ones((2,))
    >>> y = x.copy()
    >>> y[:] = 0
    >>> x.asnumpy().tolist()
    [1.0, 1.0]
    """
    return F._copy(self)


def copyto(self: NDArray, other: NDArray | Context) -> NDArray | bool:
    """Copy the value into another array, converting its dtype, or to a new array on another device.

    Parameters
    ----------
    other : NDArray or Context
        Where to copy to.

    Returns
    -------
    NDArray
        The array copied to.

    Examples
    --------
    >>> import weft as mx
    >>> y = mx.nd.zeros((2,), dtype="int32")
    >>> mx.nd.array([1.5, 2.5]).copyto(y).asnumpy().tolist()
    [1, 2]
    """
    if isinstance(other, NDArray):
        if other is self:
            import warnings

            warnings.warn("You are attempting to copy an array to itself", RuntimeWarning, stacklevel=2)
            return False
        if other.shape != self.shape:
            raise MXNetError(f"copyto: other has shape {other.shape}, expected {self.shape}")
        return invoke("_copyto", (self,), {}, other)
    if isinstance(other, Context):
        return invoke("_copyto", (self,), {}, empty(self.shape, other, self.dtype))
    raise TypeError(f"copyto does not support type {type(other)}, expected an NDArray or a Context")


def as_in_context(self: NDArray, context: Context) -> NDArray:
    """Return the array itself if it is on that device, else a copy there.

    Examples
    --------
    >>> import weft as mx
    >>> x = mx.nd.ones((2,))
    >>> x.as_in_context(mx.cpu()) is x
    True
    """
    return self if self.context == context else copyto(self, context)


def astype(self: NDArray, dtype: Any, copy: bool = True) -> NDArray:
    """Return a copy with another dtype.

    Parameters
    ----------
    dtype : str or numpy.dtype
        The new dtype.
    copy : bool
        If False, an array that already has the dtype is returned itself.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.array([1.7, -1.7]).astype("int32").asnumpy().tolist()
    [1, -1]
    """
    if dtype is None:
        dtype = np.float32
    wanted = as_dtype(dtype)
    if not copy and wanted == self.dtype:
        return self
    return F.Cast(self, dtype=wanted)


def tostype(self: NDArray, stype: str) -> NDArray:
    """Return a copy with another storage type; only "default" so far.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.ones((2,)).tostype("default").stype
    'default'
    """
    if stype != "default":
        raise MXNetError(f"stype={stype!r}: sparse storage is not supported yet, expected 'default'")
    return copy(self)


def as_nd_ndarray(self: NDArray) -> NDArray:
    """Return the array itself.

    Examples
    --------
    >>> import weft as mx
    >>> x = mx.nd.ones((2,))
    >>> x.as_nd_ndarray() is x
    True
    """
    return self


def as_np_ndarray(self: NDArray) -> Any:
    """Raise MXNetError: arrays of ``mx.np`` do not exist yet."""
    raise MXNetError("as_np_ndarray: the array type of mx.np is not supported yet; use asnumpy() for a NumPy array")


def _reduce(self: NDArray, protocol: Any = None) -> tuple[Any, ...]:
    from .serialization import array_from_bytes, array_to_bytes

    return array_from_bytes, (array_to_bytes(self),)


def _getstate(self: NDArray) -> dict[str, bytearray]:
    from .serialization import array_to_bytes

    return {"handle": bytearray(array_to_bytes(self))}


def _setstate(self: NDArray, state: dict[str, Any]) -> None:
    from .serialization import array_from_bytes

    source = array_from_bytes(state["handle"])
    if not self._blank and source.shape == self.shape and source.dtype == self.dtype:
        setitem(self, slice(None), source)
    else:
        self._become(source)


def _copy_protocol(self: NDArray, memo: Any = None) -> NDArray:
    return copy(self._view(self.shape, 0))  # apart from any recorded computation


# ---- shape -----------------------------------------------------------------------------------------


def reshape(self: NDArray, *shape: Any, **kwargs: Any) -> NDArray:
    """Return a view with another shape: it shares the memory.

    Parameters
    ----------
    *shape : ints or a tuple of ints
        The new shape. 0 keeps the extent, -1 is inferred, -2 keeps all remaining ones, -3 joins two axes, and -4
        splits one into the two extents that follow.
    reverse : bool
        Whether the special values are matched from the right.

    Examples
    --------
    >>> import weft as mx
    >>> x = mx.nd.zeros((2, 3, 4))
    >>> x.reshape((0, -1)).shape, x.reshape(-3, 4).shape, x.reshape((-4, 1, 2, -2)).shape
    ((2, 12), (6, 4), (1, 2, 3, 4))
    """
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        target: Any = tuple(shape[0])
    elif not shape:
        target = kwargs.get("shape")
        if target is None:
            raise ValueError("reshape: shape must be provided")
        target = (target,) if isinstance(target, (int, np.integer)) else tuple(target)
    else:
        target = shape
    unknown = [name for name in kwargs if name not in ("shape", "reverse")]
    if unknown:
        raise TypeError(f"Got unknown keywords in reshape: {', '.join(unknown)}. Accepted keyword arguments are 'shape' and 'reverse'.")
    return reshape_view(self, target, bool(kwargs.get("reverse", False)))


def expand_dims(self: NDArray, axis: int, inplace: bool = False) -> NDArray:
    """Return a copy, or a view if ``inplace``, with a new axis of length 1.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.zeros((2, 3)).expand_dims(1).shape
    (2, 1, 3)
    """
    if not inplace:
        return F.expand_dims(self, axis=axis)
    ndim = self.ndim
    if not -ndim - 1 <= axis <= ndim:
        raise ValueError(f"axis {axis} is out of range for {ndim}d array")
    place = axis if axis >= 0 else axis + ndim + 1
    return reshape_view(self, (*self.shape[:place], 1, *self.shape[place:]), exact=True)


def flatten(self: NDArray, inplace: bool = False) -> NDArray:
    """Return a copy, or a view if ``inplace``, of shape ``(d0, d1 * d2 * ...)``.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.zeros((2, 3, 4)).flatten().shape
    (2, 12)
    """
    if not inplace:
        return F.Flatten(self)
    rows = self.shape[0] if self.shape else 1
    return reshape_view(self, (rows, self.size // rows if rows else 0), exact=True)


def squeeze(self: NDArray, axis: int | tuple[int, ...] | None = None, inplace: bool = False) -> NDArray:
    """Return a copy, or a view if ``inplace``, without the axes of length 1, or without those of them named.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.zeros((1, 2, 1)).squeeze().shape
    (2,)
    """
    if not inplace:
        return F.squeeze(self, axis=axis)
    shape = self.shape
    if axis is None:
        kept = tuple(extent for extent in shape if extent != 1)
        return reshape_view(self, kept or (1,), exact=True)
    named = [axis] if isinstance(axis, (int, np.integer)) else list(axis)
    axes = []
    for number in named:
        if not -len(shape) <= number < len(shape):
            raise ValueError(f"axis {number} is out of range for {len(shape)}d array")
        axes.append(number % len(shape))
        if shape[axes[-1]] != 1:
            raise ValueError(f"Squeeze target axis {number} must be size 1, got {shape[axes[-1]]}.")
    if len(set(axes)) != len(axes):
        raise ValueError(f"axis {axis} contains duplicate which is not allowed.")
    kept = tuple(extent for place, extent in enumerate(shape) if place not in axes)
    return reshape_view(self, kept or (1,), exact=True)


def transpose(self: NDArray, *args: Any, **kwargs: Any) -> NDArray:
    """Return a copy with permuted axes; reversed order by default.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.zeros((2, 3, 4)).transpose((1, 0, 2)).shape
    (3, 2, 4)
    """
    if len(args) > 1 and all(isinstance(axis, (int, np.integer)) for axis in args):
        args = (args,)
    return F.transpose(self, *args, **kwargs)


def _transposed(self: NDArray) -> NDArray:
    """The array with its axes in reversed order (a copy); an array of one axis is itself."""
    return self if self.ndim < 2 else F.transpose(self)


def broadcast_to(self: NDArray, shape: tuple[int, ...]) -> NDArray:
    """Return the array repeated along new axes and axes of length 1, to a shape.

    Examples
    --------
    >>> import weft as mx
    >>> mx.nd.ones((3,)).broadcast_to((2, 3)).shape
    (2, 3)
    """
    current = self.shape
    target = tuple(shape)
    fill = len(target) - len(current)
    fits = fill >= 0 and all(have in (1, want) or want == 0 for have, want in zip(current, target[fill:]))
    if fits:
        target = target[:fill] + tuple(want or have for have, want in zip(current, target[fill:]))
    if not fits or 0 in target[: max(fill, 0)]:
        raise ValueError(f"operands could not be broadcast together: array of shape {current} and requested shape {tuple(shape)}")
    if fill:
        self = reshape_view(self, (1,) * fill + current, exact=True)
    return F.broadcast_to(self, shape=target)


def _split_v2(self: NDArray, *args: Any, **kwargs: Any) -> NDArray | list[NDArray]:
    return split_v2(self, *args, **kwargs)


_split_v2.__doc__ = split_v2.__doc__


def _at(self: NDArray, idx: int) -> NDArray:
    """Return the view of one entry of the first axis, as programs that use MXNet's inner names do."""
    return getitem(self, int(idx))


def _slice(self: NDArray, start: int | None, stop: int | None) -> NDArray:
    """Return the view of some entries of the first axis, as programs that use MXNet's inner names do."""
    return getitem(self, slice(start, stop))


def slice_assign(self: NDArray, rhs: NDArray, begin: Any, end: Any, step: Any) -> NDArray:
    """Overwrite the part from ``begin`` to ``end`` with an array, and return this array.

    Examples
    --------
    >>> import weft as mx
    >>> x = mx.nd.zeros((2, 2))
    >>> x.slice_assign(mx.nd.ones((1, 2)), (0, 0), (1, 2), (1, 1)).asnumpy().tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """
    if is_recording():
        check_writable(self)
        check_not_recorded(rhs)
    return invoke("_slice_assign", (self, rhs), {"begin": begin, "end": end, "step": step}, self)


def slice_assign_scalar(self: NDArray, value: float, begin: Any, end: Any, step: Any) -> NDArray:
    """Overwrite the part from ``begin`` to ``end`` with a number, and return this array.

    Examples
    --------
    >>> import weft as mx
    >>> x = mx.nd.zeros((2, 2))
    >>> x.slice_assign_scalar(3, (0, 0), (1, 2), (1, 1)).asnumpy().tolist()
    [[3.0, 3.0], [0.0, 0.0]]
    """
    if is_recording():
        check_writable(self)
    return invoke("_slice_assign_scalar", (self,), {"scalar": value, "begin": begin, "end": end, "step": step}, self)


# ---- other libraries ---------------------------------------------------------------------------------


def to_dlpack_for_read(self: NDArray) -> Any:
    """Return a DLPack capsule for reading; nothing writes the array until what is made of it is released.

    Examples
    --------
    >>> import weft as mx
    >>> type(mx.nd.ones((2,)).to_dlpack_for_read()).__name__
    'PyCapsule'
    """
    from ...ops.dlpack import to_capsule

    return to_capsule(self, False)


def to_dlpack_for_write(self: NDArray) -> Any:
    """Return a DLPack capsule for writing, once nothing uses the array any more.

    Examples
    --------
    >>> import weft as mx
    >>> x = mx.nd.ones((2,))
    >>> y = mx.nd.from_dlpack(x.to_dlpack_for_write())
    >>> y[:] = 3
    >>> x.asnumpy().tolist()
    [3.0, 3.0]
    """
    from ...ops.dlpack import to_capsule

    return to_capsule(self, True)


def _dlpack(
    self: NDArray, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
) -> Any:
    """Return a DLPack capsule, for ``from_dlpack`` of NumPy, PyTorch and others."""
    from ...ops.dlpack import to_capsule

    if dl_device is not None and tuple(dl_device) != _dlpack_device(self):
        raise BufferError(f"dl_device={dl_device!r}: the array is on device {_dlpack_device(self)} and is not moved")
    source = F._copy(self) if copy else self
    return to_capsule(source, bool(copy), max_version is not None and max_version[0] >= 1)


def _dlpack_device(self: NDArray) -> tuple[int, int]:
    """Return DLPack's device type and number."""
    typeid = self.context.device_typeid
    return (2, self.context.device_id) if typeid == 2 else (1, 0)


NUMBERS = (int, float, np.generic)


def _in_place(symbol: str, with_array: str, with_scalar: str) -> Callable[[NDArray, Any], NDArray]:
    array_function: Any = None
    scalar_function: Any = None

    def apply(self: NDArray, other: Any) -> NDArray:
        nonlocal array_function, scalar_function
        if array_function is None:
            array_function, scalar_function = getattr(F, with_array), getattr(F, with_scalar)
        if isinstance(other, NDArray):
            if is_recording():
                check_writable(self)
                check_not_recorded(other)
            return array_function(self, other, out=self)
        if isinstance(other, NUMBERS):
            if is_recording():
                check_writable(self)
            return scalar_function(self, scalar=float(other), out=self)
        raise TypeError(f"array {symbol} {other!r}: type {type(other)} not supported, expected an NDArray or a number")

    return apply


def _negative(self: NDArray) -> NDArray:
    return F._mul_scalar(self, scalar=-1.0)


def _absolute(self: NDArray) -> NDArray:
    return F.abs(self)


def install() -> None:
    """Put the methods on the class."""
    methods: dict[str, Any] = {name: _fluent(name) for name in FLUENT}
    methods.update(AUTOGRAD_METHODS)
    for function in (
        asscalar,
        item,
        tolist,
        copy,
        copyto,
        as_in_context,
        astype,
        tostype,
        as_nd_ndarray,
        as_np_ndarray,
        reshape,
        expand_dims,
        flatten,
        squeeze,
        transpose,
        broadcast_to,
        _at,
        _slice,
        slice_assign,
        slice_assign_scalar,
        to_dlpack_for_read,
        to_dlpack_for_write,
    ):
        methods[function.__name__] = function
    methods.update(
        T=property(_transposed),
        split_v2=_split_v2,
        writable=property(lambda self: True, doc="Whether the array can be written: always."),
        as_in_ctx=as_in_context,
        to_device=as_in_context,
        _basic_indexing_slice_is_contiguous=staticmethod(slices_are_contiguous),
        __neg__=_negative,
        __iadd__=_in_place("+=", "broadcast_add", "_plus_scalar"),
        __isub__=_in_place("-=", "broadcast_sub", "_minus_scalar"),
        __imul__=_in_place("*=", "broadcast_mul", "_mul_scalar"),
        __itruediv__=_in_place("/=", "broadcast_div", "_div_scalar"),
        __imod__=_in_place("%=", "broadcast_mod", "_mod_scalar"),
        __abs__=_absolute,
        __repr__=_repr,
        __str__=_repr,
        __len__=_len,
        __iter__=_iter,
        __contains__=_contains,
        __bool__=_bool,
        __int__=_int,
        __float__=_float,
        __index__=_index,
        __getitem__=getitem,
        __setitem__=setitem,
        __array__=_array,
        __array_interface__=property(_array_interface),
        __copy__=_copy_protocol,
        __deepcopy__=_copy_protocol,
        __reduce__=_reduce,
        __reduce_ex__=_reduce,
        __getstate__=_getstate,
        __setstate__=_setstate,
        __dlpack__=_dlpack,
        __dlpack_device__=_dlpack_device,
    )
    add_methods(methods)
