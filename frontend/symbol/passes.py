"""Graph passes over symbols: gradients, and the passes that make a symbol smaller before it is bound."""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...ops.errors import MXNetError, warn_caller
from ..graph.ir import Graph
from ..ndarray._params_format import CODE_OF

if TYPE_CHECKING:
    from .symbol import Symbol

__all__ = ["backend_symbol", "gradient", "optimize_for", "symbol_from"]

#: Passes that give a graph which a symbol can express, with their options; constants are values, which symbols cannot hold.
PORTABLE: dict[str, dict[str, Any]] = {"simplify": {"constants": False}, "conv_bn": {}}


def symbol_from(source: Graph, entries: Sequence[Any]) -> Symbol:
    """Return a symbol of some entries of a graph, with nodes of its own."""
    from .symbol import Symbol

    graph = Graph.from_entries(entries)
    for node in graph.nodes:
        node.specs = None
        node.context = None
        node.cached = False
        node.part = 0
        if node.op is None:
            continue
        if node.op.uses_train and node.attrs.train:
            node.attrs = node.attrs.with_(train=False)
        texts = node.op.format_attrs(node.attrs)
        user = {key: value for key, value in (node.annotations or {}).items() if key not in node.op.param_by_name}
        node.annotations = {**texts, **user} or None
    return Symbol._of(graph.outputs)


def gradient(symbol: Symbol, wrt: Sequence[str]) -> Symbol:
    """Return the gradients of a symbol's outputs in some arguments as a symbol; see ``Symbol.gradient``."""
    from ..graph.gradient import add_gradient

    names = [wrt] if isinstance(wrt, str) else list(wrt)
    graph = _with_specs(symbol, {}, {})
    graph = add_gradient(graph, names)
    for node in graph.head_grads:
        shape, dtype = node.specs[0].shape, node.specs[0].dtype
        node.annotations = {"__shape__": str(shape), "__dtype__": str(CODE_OF[dtype])}
    return symbol_from(graph, graph.outputs[graph.n_heads :])


def _with_specs(symbol: Symbol, shapes: dict[str, Any], dtypes: dict[str, Any]) -> Graph:
    from ..graph.infer import infer

    graph = Graph.from_entries(symbol._entries)
    try:
        return infer(graph, shapes, dtypes)
    except MXNetError as error:
        raise MXNetError(f"{error}; this needs the shapes of all arguments: declare them with mx.sym.var(name, shape=...)") from None


#: MXNet's name for fusions of oneDNN's operators on CPUs, which executors find by themselves when they bind.
_AT_BIND = ("MKLDNN",)


def _requested(backend: str) -> list[Callable[[Graph], Graph]]:
    """Return the passes that a backend stands for; raise where there is no such backend."""
    from ..graph.pipeline import PASSES

    if backend in _AT_BIND:
        return []
    names = list(PORTABLE) if backend == "weft" else [name.strip() for name in backend.split(",")]
    for name in names:
        if name not in PORTABLE:
            raise MXNetError(f"there is no backend {name!r}; there are: {', '.join(['weft', *PORTABLE])}")
    return [functools.partial(row.load(), **PORTABLE[row.name]) for row in PASSES if row.name in names]


def backend_symbol(symbol: Symbol, backend: str) -> Symbol:
    """Run the passes of a backend, which must be there; see ``Symbol.get_backend_symbol``."""
    _requested(backend)
    return symbol.optimize_for(backend)


def optimize_for(
    symbol: Symbol,
    backend: str,
    args: dict[str, Any] | None,
    aux: dict[str, Any] | None,
    shape_dict: dict[str, Any] | None,
    type_dict: dict[str, Any] | None,
    stype_dict: dict[str, str] | None,
    skip_infer: bool,
    options: dict[str, Any],
) -> Symbol:
    """Run named passes over a symbol; see ``Symbol.optimize_for``."""
    if not isinstance(backend, str):
        raise TypeError(f"optimize_for: backend must be str, got {type(backend).__name__}")
    for what, given in (("args", args), ("aux", aux)):
        if given is not None and not isinstance(given, dict):
            raise TypeError(f"optimize_for: {what} must be a dict of str to NDArray, got {type(given).__name__}")
    if options:
        warn_caller(f"optimize_for: backend {backend!r} takes no options, {', '.join(sorted(options))} ignored")
    if any(stype != "default" for stype in (stype_dict or {}).values()):
        raise MXNetError(f"optimize_for: stype_dict={stype_dict}: sparse storage is not supported")
    try:
        passes = _requested(backend)
    except MXNetError as error:
        # Programs name a backend that may not be there, and run without it: MXNet logs an error and changes nothing.
        warn_caller(f"optimize_for: {error}; the symbol stays as it is")
        passes = []
    if not passes:
        return copy.deepcopy(symbol)
    arrays = {**(args or {}), **(aux or {})}
    known = set(symbol.list_inputs())
    shapes = {name: tuple(array.shape) for name, array in arrays.items() if name in known}
    shapes.update({name: tuple(shape) for name, shape in (shape_dict or {}).items()})
    dtypes = {name: array.dtype for name, array in arrays.items() if name in known}
    dtypes.update(type_dict or {})
    graph = _with_specs(symbol, shapes, dtypes)
    for run in passes:
        graph = run(graph)
    if graph.constants:
        raise MXNetError("optimize_for: the passes made constants, which a symbol cannot hold")
    made = symbol_from(graph, graph.outputs[: graph.n_heads])
    _rearrange(made, symbol.list_arguments(), args, symbol.list_auxiliary_states(), aux)
    return made


def _rearrange(made: Symbol, arguments: list[str], args: dict[str, Any] | None, states: list[str], aux: dict[str, Any] | None) -> None:
    """Remove the arrays that an optimized symbol does not take; statistics that are folded become arguments."""
    wanted = set(made.list_arguments())
    if args is not None and aux is not None:
        args.update({name: aux.pop(name) for name in states if name in wanted and name in aux})
    kept = wanted | set(made.list_auxiliary_states())
    for given, names in ((args, arguments), (aux, states)):
        gone = [name for name in names if name not in kept]
        if gone and given is None:
            warnings.warn(f"optimize_for: the symbol no longer needs {', '.join(gone)}", stacklevel=4)
        for name in gone:
            (given or {}).pop(name, None)
