"""A graph that is called like an operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...ops.array import NDArray
from ...ops.dispatch import invoke
from ..base import MXNetError

if TYPE_CHECKING:
    from ..symbol import Symbol

__all__ = ["CachedOp"]


class CachedOp:
    """Calls the operators of a symbol one after the other, on arrays and under autograd like any operators.

    Parameters
    ----------
    sym : Symbol
        The graph.
    flags : sequence of pairs, optional
        MXNet's hints on memory and on shapes that stay; taken for compatibility.

    Examples
    --------
    >>> import weft as mx
    >>> net = mx.sym.FullyConnected(mx.sym.Variable("x"), num_hidden=1, no_bias=True, name="fc")
    >>> call = mx.nd.CachedOp(net * 2)
    >>> call(mx.nd.ones((2, 3)), mx.nd.ones((1, 3))).asnumpy().tolist()
    [[6.0], [6.0]]
    """

    def __init__(self, sym: Symbol, flags: Sequence[tuple[str, Any]] = ()) -> None:
        from ..graph import Graph
        from ..symbol import Symbol

        if not isinstance(sym, Symbol):
            raise TypeError(f"CachedOp: sym must be a Symbol, got {type(sym).__name__}")
        self._graph = Graph.from_entries(sym._entries)
        self._names = sym.list_inputs()

    def __call__(self, *args: NDArray, out: Any = None, default_ctx: Any = None) -> Any:
        """Compute the outputs.

        Parameters
        ----------
        *args : NDArray
            A value for each input, in the order of ``sym.list_inputs()``.
        out : NDArray or list of NDArray, optional
            Where to write the outputs.
        default_ctx : Context, optional
            Where operators without inputs run.

        Returns
        -------
        NDArray or list of NDArray
            The output, or a list of several.
        """
        if len(args) != len(self._names):
            raise MXNetError(f"CachedOp: {len(self._names)} inputs are expected ({', '.join(self._names)}), got {len(args)}")
        for name, value in zip(self._names, args):
            if not isinstance(value, NDArray):
                raise TypeError(f"CachedOp: {name} must be an NDArray, got {type(value).__name__}")
        places = iter(args)
        found: dict[Any, list[NDArray]] = {}
        for node in self._graph.nodes:
            if node.op is None:
                found[node] = [next(places)]
                continue
            values = {param.name: getattr(node.attrs, param.name) for param in node.op.params}
            if not node.inputs and default_ctx is not None:
                with default_ctx:
                    result = invoke(node.op, [], values)
            else:
                result = invoke(node.op, [found[source][index] for source, index in node.inputs], values)
            found[node] = list(result) if isinstance(result, (list, tuple)) else [result]
        results = [found[node][index] for node, index in self._graph.outputs]
        if out is not None:
            targets = list(out) if isinstance(out, (list, tuple)) else [out]
            if len(targets) != len(results):
                raise MXNetError(f"CachedOp: out has {len(targets)} arrays for {len(results)} outputs")
            for result, target in zip(results, targets):
                result.copyto(target)
            return out
        return results[0] if len(results) == 1 else results
