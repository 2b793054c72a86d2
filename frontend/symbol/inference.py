"""Shapes and types of symbols, from those of some arguments."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ops.errors import MXNetError
from ..graph.collector import paused
from ..graph.infer import infer, infer_shapes, infer_types
from ..graph.ir import Graph
from ..ndarray._params_format import CODE_OF
from ..util import is_np_shape

if TYPE_CHECKING:
    from .symbol import Symbol

__all__ = ["infer_shape", "infer_shape_partial", "infer_type", "infer_type_partial"]

Shape = tuple[int, ...]
_MOST_LISTED = 10


def _given(symbol: Symbol, args: Sequence[Any], kwargs: dict[str, Any], what: str) -> dict[str, Any]:
    """Return what a caller knows, by name; unknown arguments are left out."""
    if args and kwargs:
        raise ValueError(f"Can only specify known argument {what}s either by positional or kwargs way.")
    if not args:
        return kwargs
    names = symbol.list_arguments()
    if len(args) > len(names):
        raise MXNetError(f"got {len(args)} {what}s for {len(names)} arguments ({', '.join(names[:_MOST_LISTED])})")
    return {name: value for name, value in zip(names, args) if value is not None}


def _shapes_of(kwargs: dict[str, Any]) -> dict[str, Shape]:
    found = {}
    for name, value in kwargs.items():
        if not isinstance(value, tuple):
            raise TypeError(f"Arguments need to be shapes (tuple), but '{name}' is {type(value)}.")
        if not all(isinstance(extent, (int, np.integer)) for extent in value):
            raise TypeError(f"shape of '{name}' is {value!r}: expected integers")
        found[name] = tuple(int(extent) for extent in value)
    return found


def _three(graph: Graph, found: Any) -> tuple[list[Any], list[Any], list[Any]]:
    return (
        [found[node, 0] for node in graph.arguments()],
        [found[entry] for entry in graph.outputs],
        [found[node, 0] for node in graph.auxiliaries()],
    )


def _known(shape: Shape | None) -> bool:
    if is_np_shape():
        return shape is not None and -1 not in shape
    return shape is not None and len(shape) > 0 and 0 not in shape


def _partial_shapes(graph: Graph, shapes: dict[str, Shape]) -> dict[Any, Any]:
    """Return what is known of each entry's shape, as MXNet writes it: unknown extents are 0, unknown shapes ().

    Under ``np_shape`` 0 means no elements; unknown extents are -1, unknown shapes None.
    """
    if not is_np_shape():
        return {entry: () if shape is None else shape for entry, shape in infer_shapes(graph, shapes).items()}
    found = {entry: shape and tuple(extent or -1 for extent in shape) for entry, shape in infer_shapes(graph, shapes).items()}
    exact = {name: shape for name, shape in shapes.items() if -1 not in shape}
    if any(0 in shape for shape in exact.values()):
        for node, copy in zip(graph.nodes, infer(graph, exact, partial=True, exact=True).nodes):
            for index, spec in enumerate(copy.specs):
                if spec is not None:
                    found[node, index] = spec.shape
    return found


def infer_shape_partial(symbol: Symbol, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return the shapes of arguments, outputs and auxiliary states as far as they are known, see :func:`_partial_shapes`."""
    shapes = _shapes_of(_given(symbol, args, kwargs, "shape"))
    with paused():
        graph = Graph.from_entries(symbol._entries)
        return _three(graph, _partial_shapes(graph, shapes))


def infer_shape(symbol: Symbol, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return all shapes, or three times None with a warning that says which are missing."""
    parts = infer_shape_partial(symbol, args, kwargs)
    if all(_known(shape) for part in parts for shape in part):
        return parts
    missing = [f"{name}: {shape}" for name, shape in zip(symbol.list_arguments(), parts[0]) if not _known(shape)]
    if len(missing) > _MOST_LISTED:
        missing = [*missing[:_MOST_LISTED], "..."]
    warnings.warn(
        f"Cannot decide shape for the following arguments ({'-1' if is_np_shape() else '0'}s in shape means unknown dimensions). "
        "Consider providing them as input:\n\t" + "\n\t".join(missing),
        stacklevel=4,
    )
    return None, None, None


def infer_type_partial(symbol: Symbol, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return the types of arguments, outputs and auxiliary states as far as they are known, else None."""
    dtypes = {}
    for name, value in _given(symbol, args, kwargs, "type").items():
        dtypes[name] = np.dtype(value)
        if dtypes[name] not in CODE_OF:
            raise TypeError(f"type of '{name}' is {value!r}: expected one of {', '.join(map(str, CODE_OF))}")
    with paused():
        graph = Graph.from_entries(symbol._entries)
        found = infer_types(graph, dtypes)
    parts = _three(graph, found)
    return tuple([None if dtype is None else np.dtype(dtype).type for dtype in part] for part in parts)  # type: ignore[return-value]


def infer_type(symbol: Symbol, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return all types, or three times None where one is unknown."""
    parts = infer_type_partial(symbol, args, kwargs)
    if any(dtype is None for part in parts for dtype in part):
        return None, None, None
    return parts
