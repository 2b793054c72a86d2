"""Helpers that programs take from ``mxnet.util``: environment, GPUs, and the switches of NumPy semantics."""

from __future__ import annotations

import ctypes
import functools
import inspect
import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from .base import MXNetError, c_str, py_str
from .context import Context, gpu_memory_info, num_gpus

__all__ = [
    "c_str",
    "get_cuda_compute_capability",
    "get_gpu_count",
    "get_gpu_memory",
    "getenv",
    "is_np_array",
    "is_np_shape",
    "np_array",
    "np_shape",
    "np_ufunc_legal_option",
    "py_str",
    "reset_np",
    "set_module",
    "set_np",
    "set_np_shape",
    "setenv",
    "use_np",
    "use_np_array",
    "use_np_shape",
    "wrap_np_binary_func",
    "wrap_np_unary_func",
]

T = TypeVar("T")
_state = threading.local()


def getenv(name: str) -> str | None:
    """Return an environment variable as the C library sees it, or None.

    Examples
    --------
    >>> setenv("WEFT_EXAMPLE", "1")
    >>> getenv("WEFT_EXAMPLE")
    '1'
    """
    function = ctypes.CDLL(None).getenv
    function.restype = ctypes.c_char_p
    value = function(name.encode())
    return None if value is None else value.decode()


def setenv(name: str, value: str) -> None:
    """Set an environment variable for Python and for the C library.

    Examples
    --------
    >>> setenv("WEFT_EXAMPLE", "1")
    """
    os.environ[name] = value


def get_gpu_count() -> int:
    """Count the GPUs that weft can compute on.

    Examples
    --------
    >>> get_gpu_count() >= 0
    True
    """
    return num_gpus()


def get_gpu_memory(gpu_dev_id: int) -> tuple[int, int]:
    """Return the free and the total memory of a GPU in bytes."""
    return gpu_memory_info(gpu_dev_id)


def get_cuda_compute_capability(ctx: Context) -> int:
    """Return the compute capability of a GPU as ``10 * major + minor``.

    Raises
    ------
    ValueError
        For a context that is not a GPU.
    MXNetError
        Where there is no such GPU.
    """
    if not isinstance(ctx, Context) or ctx.device_type != "gpu":
        raise ValueError(f"get_cuda_compute_capability: ctx must be a gpu context, got {ctx!r}")
    raise MXNetError(f"get_cuda_compute_capability: there is no {ctx}, the number of GPUs is {num_gpus()}")


def is_np_shape() -> bool:
    """Tell whether shapes follow NumPy in this thread: ``()`` is a scalar and 0 is a size, not "unknown".

    Examples
    --------
    >>> is_np_shape()
    False
    """
    return getattr(_state, "np_shape", False)


def set_np_shape(active: bool) -> bool:
    """Switch NumPy's meaning of shapes on or off in this thread, and return what it was.

    Examples
    --------
    >>> set_np_shape(True), set_np_shape(False)
    (False, True)
    """
    if isinstance(active, str) or not hasattr(active, "__index__"):
        raise TypeError(f"set_np_shape: active must be a bool, got {active!r}")
    previous = is_np_shape()
    _state.np_shape = bool(active)
    return previous


class _ShapeScope:
    def __init__(self, active: bool) -> None:
        self.active = active

    def __enter__(self) -> None:
        self.previous = set_np_shape(self.active)

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        set_np_shape(self.previous)


def np_shape(active: bool = True) -> _ShapeScope:
    """Scope in which shapes follow NumPy (or do not).

    Examples
    --------
    >>> with np_shape():
    ...     is_np_shape()
    True
    """
    return _ShapeScope(active)


def use_np_shape(func: T) -> T:
    """Decorate a function, or the methods of a class, to run with NumPy's meaning of shapes.

    Examples
    --------
    >>> @use_np_shape
    ... def semantics():
    ...     return is_np_shape()
    >>> semantics()
    True
    """
    if inspect.isclass(func):
        for name, method in inspect.getmembers(func, inspect.isfunction):
            if name in vars(func):
                setattr(func, name, use_np_shape(method))
        return func
    if not callable(func):
        raise TypeError(f"use_np_shape: func must be a function or a class, got {type(func).__name__}")

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with np_shape():
            return func(*args, **kwargs)

    return wrapped  # type: ignore[return-value]


def is_np_array() -> bool:
    """Tell whether ``mxnet.numpy`` arrays are in use: never, weft has NDArray only.

    Examples
    --------
    >>> is_np_array()
    False
    """
    return False


def _refuse_np_arrays(what: str) -> None:
    raise MXNetError(f"{what}: weft has no mxnet.numpy arrays; use mx.nd, or NumPy itself on what asnumpy() returns")


def np_array(active: bool = True) -> _ShapeScope:
    """Scope of ``mxnet.numpy`` arrays: only ``np_array(False)`` is possible, see `is_np_array`.

    Examples
    --------
    >>> with np_array(False):
    ...     is_np_array()
    False
    """
    if active:
        _refuse_np_arrays("np_array")
    return _ShapeScope(is_np_shape())


def use_np_array(func: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse with an MXNetError, see `is_np_array`."""
    _refuse_np_arrays("use_np_array")
    return func


def use_np(func: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse with an MXNetError, see `is_np_array`; `use_np_shape` is there."""
    _refuse_np_arrays("use_np")
    return func


def set_np(shape: bool = True, array: bool = True) -> None:
    """Switch NumPy's meaning of shapes on; `array` must be False, see `is_np_array`.

    Examples
    --------
    >>> set_np(shape=False, array=False)
    """
    if array:
        _refuse_np_arrays("set_np(array=True)")
    set_np_shape(shape)


def reset_np() -> None:
    """Switch NumPy semantics off.

    Examples
    --------
    >>> reset_np()
    """
    set_np(shape=False, array=False)


def set_module(module: str | None) -> Callable[[T], T]:
    """Decorate a function or class to say that it is defined in `module`.

    Examples
    --------
    >>> @set_module("weft.nd")
    ... def f():
    ...     pass
    >>> f.__module__
    'weft.nd'
    """

    def decorate(func: T) -> T:
        if module is not None:
            func.__module__ = module
        return func

    return decorate


#: Arguments of NumPy's ufuncs, and what they are when they are not given.
_UFUNC_DEFAULTS = {"where": True, "casting": "same_kind", "order": "K", "dtype": None, "subok": True}
_UFUNC_DTYPES = frozenset(("int8", "uint8", "int32", "int64", "float16", "float32", "float64"))


def np_ufunc_legal_option(key: str, value: Any) -> bool:
    """Whether an argument is one that NumPy's ufuncs take.

    Examples
    --------
    >>> np_ufunc_legal_option("casting", "safe"), np_ufunc_legal_option("casting", "maybe")
    (True, False)
    """
    if key == "where":
        return True
    if key == "casting":
        return value in ("no", "equiv", "safe", "same_kind", "unsafe")
    if key == "order":
        return isinstance(value, str)
    if key == "dtype":
        return (value.__name__ if isinstance(value, type) else value) in _UFUNC_DTYPES
    return key == "subok" and isinstance(value, bool)


def _check_ufunc_arguments(name: str, given: dict[str, Any]) -> None:
    for key, value in given.items():
        if key not in _UFUNC_DEFAULTS:
            raise TypeError(f"{key} is an invalid keyword to function {name!r}")
        if value != _UFUNC_DEFAULTS[key]:
            if np_ufunc_legal_option(key, value):
                raise NotImplementedError(f"{key}={value} is not implemented yet for operator {name}")
            raise TypeError(f"{key}={value} not understood for operator {name}")


def wrap_np_unary_func(func: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function of one array so that it takes the arguments of NumPy's ufuncs, with their default values.

    Examples
    --------
    >>> @wrap_np_unary_func
    ... def double(x, out=None):
    ...     return x * 2
    >>> double(3, casting="same_kind")
    6
    """

    @functools.wraps(func)
    def wrapped(x: Any, out: Any = None, **kwargs: Any) -> Any:
        _check_ufunc_arguments(func.__name__, kwargs)
        return func(x, out=out)

    return wrapped


def wrap_np_binary_func(func: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function of two arrays so that it takes the arguments of NumPy's ufuncs, with their default values.

    Examples
    --------
    >>> @wrap_np_binary_func
    ... def add(x1, x2, out=None):
    ...     return x1 + x2
    >>> add(3, 4, order="C")
    Traceback (most recent call last):
    NotImplementedError: order=C is not implemented yet for operator add
    """

    @functools.wraps(func)
    def wrapped(x1: Any, x2: Any, out: Any = None, **kwargs: Any) -> Any:
        _check_ufunc_arguments(func.__name__, kwargs)
        return func(x1, x2, out=out)

    return wrapped
