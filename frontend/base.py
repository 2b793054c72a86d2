"""Base types and helpers that programs take from ``mxnet.base``."""

from __future__ import annotations

import ctypes
import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from ..engine.errors import MXNetError

__all__ = ["MXNetError"]

T = TypeVar("T")

string_types = (str,)
basestring = str
long = int
integer_types = (int, np.int32, np.int64)
numeric_types = (float, int, np.generic)

#: The type of arrays that are made without a dtype.
mx_real_t = np.float32
mx_uint = ctypes.c_uint
mx_int = ctypes.c_int
mx_int64 = ctypes.c_int64
mx_float = ctypes.c_float
mx_float_p = ctypes.POINTER(ctypes.c_float)

#: Exception classes by the name with which a message may begin ("ValueError: ...").
error_types: dict[str, type[BaseException]] = {}


class _NullType:
    """Stands for a parameter that was not given."""

    def __repr__(self) -> str:
        return "_Null"

    def __bool__(self) -> bool:
        return False


_Null = _NullType()


def _describe(function: Any, alias: str | None, arguments: Sequence[Any]) -> str:
    name = getattr(function, "__name__", str(function))
    other = f" (namely operator {alias!r})" if alias else ""
    given = f" with arguments ({', '.join(type(a).__name__ for a in arguments)})" if arguments else ""
    return f"{name}{other}{given}"


class NotImplementedForSymbol(MXNetError):
    """A function of NDArray that a Symbol does not have.

    Parameters
    ----------
    function : callable
    alias : str or None
        Name of the operator that does the same.
    *args : object
        What it was called with.
    """

    def __init__(self, function: Any, alias: str | None, *args: Any) -> None:
        super().__init__(f"Function {_describe(function, alias, args)} is not implemented for Symbol and only available in NDArray.")


class NotSupportedForSparseNDArray(MXNetError):
    """A function of NDArray that a sparse array does not have; parameters as of `NotImplementedForSymbol`."""

    def __init__(self, function: Any, alias: str | None, *args: Any) -> None:
        what = _describe(function, alias, args)
        super().__init__(f"Function {what} is not supported for SparseNDArray and only available in NDArray.")


class _ClassPropertyDescriptor:
    def __init__(self, getter: Callable[[Any], Any], setter: Callable[[Any, Any], None] | None = None) -> None:
        self.getter = getter
        self.set = setter

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self.getter(owner if owner is not None else type(instance))

    def __set__(self, instance: Any, value: Any) -> None:
        if self.set is None:
            raise AttributeError("cannot set this class property")
        self.set(type(instance), value)

    def setter(self, function: Callable[[Any, Any], None]) -> _ClassPropertyDescriptor:
        return _ClassPropertyDescriptor(self.getter, function)


def classproperty(func: Callable[[Any], Any]) -> Any:
    """Make a property of the class itself.

    Examples
    --------
    >>> class Shape:
    ...     @classproperty
    ...     def sides(cls):
    ...         return 4
    >>> Shape.sides
    4
    """
    return _ClassPropertyDescriptor(func)


def with_metaclass(meta: type, *bases: type) -> type:
    """Make a base class that gives its subclasses the metaclass `meta`.

    Examples
    --------
    >>> class Meta(type):
    ...     pass
    >>> class A(with_metaclass(Meta, dict)):
    ...     pass
    >>> type(A).__name__, A.__bases__
    ('Meta', (<class 'dict'>,))
    """

    class Temporary(type):
        def __new__(cls, name: str, this_bases: Any, namespace: dict[str, Any]) -> Any:
            return meta(name, bases, namespace)

    return type.__new__(Temporary, "temporary_class", (), {})


def register_error(func_name: str | type | None = None, cls: type | None = None) -> Any:
    """Register an exception class by name; usable as ``@register_error`` or ``@register_error("Name")``.

    Examples
    --------
    >>> @register_error
    ... class MyError(MXNetError):
    ...     pass
    >>> error_types["MyError"] is MyError
    True
    """
    if isinstance(func_name, type):
        cls, func_name = func_name, func_name.__name__

    def register(error: type) -> type:
        error_types[func_name if isinstance(func_name, str) else error.__name__] = error
        return error

    return register if cls is None else register(cls)


def c2pyerror(err_msg: str) -> tuple[str, str | None]:
    """Split an error message that begins with the name of a registered class into message and name.

    Examples
    --------
    >>> c2pyerror("ValueError: bad axis")
    ('ValueError: bad axis', 'ValueError')
    """
    name = err_msg.partition(":")[0].strip()
    return err_msg, name if name in error_types else None


for _error in (ValueError, TypeError, AttributeError, IndexError, NotImplementedError):
    register_error(_error)


def c_str(string: str) -> ctypes.c_char_p:
    """Convert a string to a C string.

    Examples
    --------
    >>> c_str("weft").value
    b'weft'
    """
    return ctypes.c_char_p(string.encode("utf-8"))


def c_str_array(strings: Iterable[str]) -> Any:
    """Convert strings to a C array of C strings.

    Examples
    --------
    >>> list(c_str_array(["a", "b"]))
    [b'a', b'b']
    """
    encoded = [string.encode("utf-8") for string in strings]
    return (ctypes.c_char_p * len(encoded))(*encoded)


def c_array(ctype: Any, values: Sequence[Any]) -> Any:
    """Convert values to a C array.

    Examples
    --------
    >>> list(c_array(ctypes.c_int, [1, 2]))
    [1, 2]
    """
    return (ctype * len(values))(*values)


def c_array_buf(ctype: Any, buf: Any) -> Any:
    """View a writable buffer (``array.array``) as a C array.

    Examples
    --------
    >>> import array
    >>> list(c_array_buf(ctypes.c_int, array.array("i", [1, 2])))
    [1, 2]
    """
    return (ctype * len(buf)).from_buffer(buf)


def py_str(x: bytes | str) -> str:
    """Decode what a C string holds; the names that monitors get from executors are strings already.

    Examples
    --------
    >>> py_str(b"weft")
    'weft'
    >>> py_str("fc_output")
    'fc_output'
    """
    return x if isinstance(x, str) else x.decode("utf-8")


def ctypes2buffer(cptr: Any, length: int) -> bytearray:
    """Copy `length` bytes from a pointer to ``c_char``.

    Examples
    --------
    >>> ctypes2buffer(ctypes.cast(ctypes.create_string_buffer(b"abc"), ctypes.POINTER(ctypes.c_char)), 3)
    bytearray(b'abc')
    """
    if not isinstance(cptr, ctypes.POINTER(ctypes.c_char)):
        raise TypeError(f"cptr must be a pointer to c_char, got {type(cptr).__name__}")
    return bytearray(ctypes.string_at(cptr, length))


def ctypes2numpy_shared(cptr: Any, shape: tuple[int, ...]) -> np.ndarray:
    """View memory behind a pointer to ``c_float`` as a NumPy array.

    Examples
    --------
    >>> data = (ctypes.c_float * 4)(1, 2, 3, 4)
    >>> ctypes2numpy_shared(ctypes.cast(data, mx_float_p), (2, 2)).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    if not isinstance(cptr, mx_float_p):
        raise TypeError(f"cptr must be a pointer to c_float, got {type(cptr).__name__}")
    return np.ctypeslib.as_array(cptr, shape=shape)


def build_param_doc(
    arg_names: Sequence[str], arg_types: Sequence[str], arg_descs: Sequence[str], remove_dup: bool = True
) -> str:
    """Format the parameter section of a docstring.

    Examples
    --------
    >>> print(build_param_doc(["axis"], ["int"], ["Which axis."]))
    Parameters
    ----------
    axis : int
        Which axis.
    <BLANKLINE>
    """
    seen: set[str] = set()
    lines = []
    for name, kind, description in zip(arg_names, arg_types, arg_descs, strict=True):
        if (name in seen and remove_dup) or name == "num_args":
            continue
        seen.add(name)
        lines.append(f"{name} : {kind}" + (f"\n    {description}" if description else ""))
    return "Parameters\n----------\n" + "\n".join(lines) + "\n"


def add_fileline_to_docstring(module: ModuleType, incursive: bool = True) -> None:
    """Append ``From:file:line`` to the docstrings of a module's functions and classes."""

    def append(thing: Any) -> None:
        if not getattr(thing, "__doc__", None) or "From:" in thing.__doc__:
            return
        try:
            file, line = inspect.getsourcefile(thing), inspect.getsourcelines(thing)[1]
        except (OSError, TypeError):
            return  # built-in: it has no line
        thing.__doc__ += f"\n\nFrom:{file}:{line}"

    for _, thing in inspect.getmembers(module):
        if inspect.isfunction(thing) or inspect.isclass(thing):
            append(thing)
        if incursive and inspect.isclass(thing):
            for _, method in inspect.getmembers(thing, inspect.isfunction):
                append(method)


def data_dir_default() -> str:
    """Return where data sets and models are kept when ``MXNET_HOME`` is not set."""
    return os.path.join(os.path.expanduser("~"), ".mxnet")


def data_dir() -> str:
    """Return where data sets and models are kept: ``MXNET_HOME``, or a folder in the home directory."""
    return os.getenv("MXNET_HOME", data_dir_default())


def _as_list(obj: Any) -> list[Any]:
    """A list or tuple as a list; anything else as a list that holds it."""
    return list(obj) if isinstance(obj, (list, tuple)) else [obj]
