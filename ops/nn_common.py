"""Helpers shared by the declarations of neural network operators."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .functions import F
from .params import Attrs
from .registry import Int

__all__ = [
    "CHANNEL_LAST",
    "WANTED",
    "backward_call",
    "backward_wanted",
    "check_named_shape",
    "choose_wanted",
    "compute_dtype",
    "float_dtypes",
    "native",
    "put",
    "to_channel_first",
    "to_channel_last",
    "wanted_outputs",
]

CHANNEL_LAST = ("NWC", "NHWC", "NDHWC")

# A backward operator with this parameter has only the outputs whose bits are set: a first layer does not pay for the
# gradient of its data.
WANTED = Int("wanted", 7, low=1, high=7, doc="Bit i: whether the gradient of input i is an output.")


def native(name: str, module: str = "onednn") -> Callable[..., Any]:
    """Return a builder that asks the compiled module ``ops.cpu.<module>`` for its kernel ``name``.

    The module is imported when the first kernel is wanted, not at import of the declarations. Where it is not built,
    or does not have the kernel, the builder declines and the next tier is used.
    """
    found: list[Any] = []

    def builder() -> Any:
        if not found:
            try:
                found.append(getattr(importlib.import_module(f".cpu.{module}", __package__), name, None))
            except ImportError:
                found.append(None)
        return found[0]

    def build(attrs: Attrs, in_specs: Sequence[Any], out_specs: Sequence[Any]) -> Any:
        function = builder()
        return None if function is None else function(attrs, in_specs, out_specs)

    def describe(attrs: Attrs, in_specs: Sequence[Any], out_specs: Sequence[Any]) -> Any:
        function = builder()
        if function is None:
            return None
        describing = getattr(function, "describe", None)
        return NotImplemented if describing is None else describing(attrs, in_specs, out_specs)

    build.__name__ = name
    build.describe = describe  # type: ignore[attr-defined]
    return build


def backward_call(name: str, inputs: Sequence[Any], attrs: Attrs, **more: Any) -> Any:
    """Call a backward operator, handing on the parameters of its forward operator."""
    return getattr(F, name)(*inputs, **attrs.to_dict(), **more)


def backward_wanted(ctx: Any, name: str, inputs: Sequence[Any]) -> list[Any]:
    """Call a backward operator that makes only the gradients ``ctx.needs`` asks for."""
    count = len(ctx.inputs)
    mask = sum(1 << i for i in range(count) if ctx.needs[i])
    if not mask:
        return [None] * count
    result = backward_call(name, inputs, ctx.attrs, wanted=mask)
    made = iter(result if isinstance(result, (list, tuple)) else [result])
    return [next(made) if ctx.needs[i] else None for i in range(count)]


def wanted_outputs(attrs: Attrs) -> int:
    """Return how many outputs a backward operator with the parameter ``wanted`` has."""
    return attrs.wanted.bit_count()


def choose_wanted(attrs: Attrs, items: Sequence[Any]) -> list[Any]:
    """Return those of ``items`` (one per possible gradient) whose bit is set in ``attrs.wanted``."""
    return [item for i, item in enumerate(items) if attrs.wanted >> i & 1]


def float_dtypes(attrs: Attrs, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    """All inputs share one floating-point dtype and so does the output."""
    first = dtypes[0]
    if first.kind != "f":
        raise ValueError(f"the first input has dtype {first}; only floating-point dtypes are supported")
    for index, dtype in enumerate(dtypes):
        if dtype != first:
            raise ValueError(f"input {index} has dtype {dtype}, expected {first} like the first input")
    return [first]


def check_named_shape(name: str, shape: Sequence[int], expected: Sequence[int]) -> None:
    """Raise ValueError unless an input has the shape that the others demand."""
    if tuple(shape) != tuple(expected):
        raise ValueError(f"{name} has shape {tuple(shape)}, expected {tuple(expected)}")


def compute_dtype(dtype: np.dtype) -> np.dtype:
    """Return the dtype NumPy kernels calculate in: half precision is widened."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def put(out: np.ndarray, value: Any) -> None:
    """Write a result into an output array, converting the dtype."""
    np.copyto(out, np.asarray(value).reshape(out.shape), casting="unsafe")


def to_channel_first(array: np.ndarray) -> np.ndarray:
    """Return a view with the last axis moved to place 1 (N...C -> NC...)."""
    return np.moveaxis(array, -1, 1)


def to_channel_last(array: np.ndarray) -> np.ndarray:
    """Return a view with axis 1 moved to the end (NC... -> N...C)."""
    return np.moveaxis(array, 1, -1)
