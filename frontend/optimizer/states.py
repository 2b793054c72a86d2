"""States of optimizers as bytes that weft and MXNet read from each other.

MXNet pickles them. A pickle can run any code when it is read, so this module reads the format with a list of what may
occur in it, and writes what MXNet finds: its names of the classes instead of weft's.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections import OrderedDict
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from ..base import MXNetError
from ..lr_scheduler import LRScheduler
from ..ndarray import NDArray
from ..ndarray.serialization import array_from_bytes, array_to_bytes
from .base import Optimizer

__all__ = ["dump_states", "load_states"]

_PACKAGE = __name__.partition(".")[0]
_LR_SCHEDULER = LRScheduler.__module__
_OPTIMIZER = Optimizer.__module__.rpartition(".")[0]


class _Dtype:
    """Stands for a NumPy dtype in a pickle: only what the dtype of a number is pickled as."""

    def __init__(self, code: str, *_: Any) -> None:
        if not isinstance(code, str) or code[:1] not in "biuf" or not code[1:].isdigit():
            raise MXNetError(f"optimizer states hold the dtype {code!r}, expected that of a number")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] == ">":
            self.dtype = self.dtype.newbyteorder(">")


def _scalar(dtype: _Dtype, data: bytes | str) -> Any:
    raw = data.encode("latin1") if isinstance(data, str) else data
    return np.frombuffer(raw, dtype.dtype, 1)[0].item()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Old protocols of pickle write bytes as text."""
    if encoding != "latin1":
        raise MXNetError(f"optimizer states hold bytes as text in {encoding!r}, expected latin1")
    return text.encode("latin1")


def _new(klass: Any, base: Any, state: Any) -> Any:
    """Old protocols of pickle make objects like this."""
    return klass.__new__(klass)


#: What states may refer to, beside optimizers and learning rate schedulers.
_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("mxnet.ndarray.ndarray", "NDArray"): NDArray,
    (array_from_bytes.__module__, array_from_bytes.__name__): array_from_bytes,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("_codecs", "encode"): _encode,
    ("copyreg", "_reconstructor"): _new,
    ("copy_reg", "_reconstructor"): _new,
    ("collections", "OrderedDict"): OrderedDict,
    **{(module, kind.__name__): kind for module in ("builtins", "__builtin__") for kind in (bytearray, float, int, object, set)},
}


def _rule_class(module: str, name: str) -> type | None:
    """Return a class of optimizers or learning rate schedulers that is known here; nothing is imported for it."""
    if module.startswith("mxnet."):
        module = f"{_PACKAGE}.frontend{module.removeprefix('mxnet')}"
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) and issubclass(found, (Optimizer, LRScheduler)) else None


class _Record:
    """Base of what stands for the objects of a class while a pickle is read."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Reader(pickle.Unpickler):
    """Hands out copies of what is allowed: a pickle can set attributes of whatever it refers to."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self.classes: dict[type, type] = {}
        self.made: dict[int, Any] = {}

    def find_class(self, module: str, name: str) -> Any:
        allowed = _ALLOWED.get((module, name))
        if isinstance(allowed, FunctionType) or allowed is _Dtype:
            return lambda *arguments: allowed(*arguments)
        if allowed is not None:
            return allowed  # types in C: their attributes are fixed
        rule = _rule_class(module, name)
        if rule is None:
            raise MXNetError(f"optimizer states refer to {module}.{name}: only arrays, numbers, optimizers and schedulers may occur")
        record = type(name, (_Record,), {})
        self.classes[record] = rule
        return record

    def persistent_load(self, pid: Any) -> Any:
        raise MXNetError("optimizer states refer to objects outside of themselves")

    def real(self, value: Any) -> Any:
        """Return `value` with records turned into the objects that they stand for; what was one object stays one."""
        if id(value) in self.made:
            return self.made[id(value)]
        if isinstance(value, _Record):
            made: Any = object.__new__(self.classes[type(value)])
            self.made[id(value)] = made
            if not isinstance(value.state, (dict, type(None))):
                raise MXNetError(f"optimizer states hold a {type(made).__name__} made of {type(value.state).__name__}, expected dict")
            state = self.real(value.state) or {}
            if isinstance(made, Optimizer):
                made.__setstate__(state)
            else:
                vars(made).update(state)
            return made
        if isinstance(value, dict):
            copy = self.made[id(value)] = type(value)()
            copy.update((key, self.real(one)) for key, one in value.items())
            return copy
        return type(value)(self.real(one) for one in value) if isinstance(value, (list, tuple)) else value


# The pickler in C cannot write names of classes of other packages.
_Pickler: Any = pickle._Pickler  # type: ignore[attr-defined]


class _Writer(_Pickler):
    """Writes weft's classes under MXNet's names, and NumPy's numbers as Python's."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, NDArray):
            return NDArray, (None,), {"handle": bytearray(array_to_bytes(obj))}
        if isinstance(obj, np.generic):
            return type(obj.item()), (obj.item(),)
        if isinstance(obj, type):
            return obj.__qualname__
        return NotImplemented

    def save_global(self, obj: Any, name: str | None = None) -> None:
        module = self._module_in_mxnet(obj)
        if module is None:
            super().save_global(obj, name)
            return
        self.write(pickle.GLOBAL + f"{module}\n{obj.__qualname__}\n".encode("ascii"))
        self.memoize(obj)

    @staticmethod
    def _module_in_mxnet(obj: Any) -> str | None:
        if obj is NDArray:
            return "mxnet.ndarray.ndarray"
        module = getattr(obj, "__module__", "") or ""
        if module == _LR_SCHEDULER:
            return "mxnet.lr_scheduler"
        if module.rpartition(".")[0] == _OPTIMIZER:
            return "mxnet.optimizer.contrib" if module.endswith(".contrib") else "mxnet.optimizer.optimizer"
        return None


def dump_states(states: Any) -> bytes:
    """Return states, or (states, optimizer), as bytes.

    Examples
    --------
    >>> import weft as mx
    >>> from weft.optimizer.states import dump_states, load_states
    >>> states, optimizer = load_states(dump_states({0: mx.nd.ones((2,)), 1: None}))
    >>> states[0].asnumpy(), states[1], optimizer
    (array([1., 1.], dtype=float32), None, None)
    """
    stream = io.BytesIO()
    _Writer(stream, protocol=4).dump(states)
    return stream.getvalue()


def load_states(data: bytes) -> tuple[dict[Any, Any], Optimizer | None]:
    """Return the states in `data`, and the optimizer or None.

    Raises
    ------
    MXNetError
        Where `data` is not a pickle of states, is damaged, or refers to anything else than what states consist of.

    Examples
    --------
    >>> import pickle
    >>> from weft.optimizer.states import load_states
    >>> load_states(pickle.dumps({0: print}))
    Traceback (most recent call last):
    weft.engine.errors.MXNetError: optimizer states refer to builtins.print: only arrays, numbers, optimizers and schedulers may occur
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"optimizer states must be bytes, got {type(data).__name__}")
    try:
        reader = _Reader(bytes(data))
        found = reader.real(reader.load())
    except MXNetError:
        raise
    except Exception as error:  # whatever damaged bytes lead to: the set of exceptions is open
        raise MXNetError(f"optimizer states are damaged: {type(error).__name__}: {error}") from error
    states, optimizer = found if isinstance(found, tuple) and len(found) == 2 else (found, None)
    if not isinstance(states, dict):
        raise MXNetError(f"optimizer states are a {type(states).__name__}, expected a dict of states by index")
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise MXNetError(f"optimizer states come with a {type(optimizer).__name__}, expected an optimizer")
    return states, optimizer
