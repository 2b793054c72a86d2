"""What ``bind`` and ``simple_bind`` are given, checked and sorted before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ops import dispatch
from ...ops.array import NDArray
from ...ops.context import Context
from ...ops.errors import ArgumentTypeError, ArgumentValueError, MXNetError, ShapeError
from ..util import is_np_shape
from .collector import paused
from .infer import infer
from .ir import Graph, Node
from .pipeline import set_mode

if TYPE_CHECKING:
    from .executor import Executor

__all__ = ["Bound", "bind", "describe", "infer_all", "simple_bind"]

Entry = tuple[Node, int]

REQUESTS = ("null", "write", "add")


def describe(names: Sequence[str]) -> str:
    """Return a list of names, not too long."""
    return ", ".join(map(str, names[:12])) + (f" ... {len(names)} in all" if len(names) > 12 else "")


def separate_names(variables: Sequence[Node]) -> list[str]:
    """Rename variables whose name another one before has; return the names that several had."""
    taken = {node.name for node in variables}
    if len(taken) == len(variables):
        return []
    seen: set[str] = set()
    found = []
    for node in variables:
        if node.name in seen:
            found.append(node.name)
            number = 1
            while f"{node.name}#{number}" in taken:
                number += 1
            node.name = f"{node.name}#{number}"
            taken.add(node.name)
        seen.add(node.name)
    return found


class Bound:
    """The arrays of an executor: lists in the symbol's order, checked against each other and the graph.

    Parameters
    ----------
    symbol : Symbol or sequence of (Node, int)
        What to compute.
    ctx : Context
        Where.
    groups : dict of str to Context
        Devices of groups.
    """

    def __init__(self, symbol: Any, ctx: Any, groups: dict[str, Any]) -> None:
        self.entries: list[Entry] = list(getattr(symbol, "_entries", symbol))
        if not self.entries:
            raise ArgumentValueError("the symbol has no outputs")
        self.ctx = ctx
        self.groups = groups
        self.graph = Graph.from_entries(self.entries)
        self.arg_nodes: list[Node] = self.graph.arguments()
        self.aux_nodes: list[Node] = self.graph.auxiliaries()
        self.listed_names = [node.name for node in (*self.arg_nodes, *self.aux_nodes)]
        self.duplicates = separate_names([*self.arg_nodes, *self.aux_nodes])
        names = [node.name for node in (*self.arg_nodes, *self.aux_nodes)] if self.duplicates else self.listed_names
        self.arg_names = names[: len(self.arg_nodes)]
        self.aux_names = names[len(self.arg_nodes) :]
        self.args: list[NDArray] = []
        self.grads: list[NDArray | None] = [None] * len(self.arg_names)
        self.aux: list[NDArray] = []
        self.requests: dict[str, str] = {}
        self.head_specs: list[Any] = []
        self.inferred: Graph | None = None  # with specs, in inference mode

    def require_unique_names(self) -> None:
        """Raise where variables cannot be told apart by their names."""
        if self.duplicates:
            raise ArgumentValueError(f"Duplicate names detected: two variables are called {self.duplicates[0]!r}; give lists, in order")

    def context_of(self, node: Node) -> Any:
        """Return the device that a variable belongs to."""
        return self.groups.get(node.annotation("__ctx_group__"), self.ctx) if self.groups else self.ctx

    def set_args(self, args: Any) -> None:
        """Take the arguments."""
        self.args = self._arrays(args, self.arg_nodes, "args", False)  # type: ignore[assignment]

    def set_aux(self, states: Any) -> None:
        """Take the auxiliary states."""
        self.aux = self._arrays(states if states is not None else [], self.aux_nodes, "aux_states", False)  # type: ignore[assignment]

    def set_grads(self, grads: Any) -> None:
        """Take the arrays for gradients."""
        if grads is not None:
            self.grads = self._arrays(grads, self.arg_nodes, "args_grad", True)

    def _arrays(self, given: Any, nodes: Sequence[Node], what: str, optional: bool) -> list[NDArray | None]:
        names = [node.name for node in nodes]
        if isinstance(given, dict):
            if optional:
                self.require_unique_names()  # what arrives at several variables cannot go to one array
            first = len(self.arg_nodes) if what == "aux_states" else 0
            names = self.listed_names[first : first + len(nodes)]
            missing = [name for name in names if given.get(name) is None]
            if missing and not optional:
                raise ArgumentValueError(f"key `{missing[0]}` is missing in `{what}`")
            arrays = [given.get(name) for name in names]
        elif isinstance(given, (list, tuple)):
            if len(given) != len(names):
                raise ArgumentValueError(
                    f"Length of {what} does not match the number of {'auxiliary states' if what == 'aux_states' else 'arguments'}: "
                    f"{len(given)} arrays for {len(names)} ({describe(names)})"
                )
            arrays = list(given)
        else:
            raise ArgumentTypeError(f"{what}: Only accept list of NDArrays or dict of str to NDArray, got {type(given).__name__}")
        for node, array in zip(nodes, arrays):
            if array is None and optional:
                continue
            if not isinstance(array, NDArray):
                raise ArgumentTypeError(
                    f"{what}: Only accept list of NDArrays or dict of str to NDArray; {node.name!r} is {type(array).__name__}"
                )
            where = self.context_of(node)
            if array.ctx != where:
                raise MXNetError(f"{what}: the array for {node.name!r} is on {array.ctx}, expected on {where}")
        return arrays

    def set_requests(self, grad_req: Any) -> None:
        """Take what to do with gradients: one word for all, a list, or a dict."""
        if isinstance(grad_req, str):
            given = dict.fromkeys(self.arg_names, grad_req)
        elif isinstance(grad_req, (list, tuple)):
            if len(grad_req) != len(self.arg_names):
                raise ArgumentValueError(
                    f"grad_req: {len(grad_req)} requests for {len(self.arg_names)} arguments ({describe(self.arg_names)})"
                )
            given = dict(zip(self.arg_names, grad_req))
        elif isinstance(grad_req, dict):
            self.require_unique_names()
            given = {name: grad_req.get(name, "null") for name in self.arg_names}
        else:
            raise ArgumentTypeError(f"grad_req must be a str, list or dict, got {type(grad_req).__name__}")
        for name, request in given.items() if not isinstance(grad_req, str) or grad_req not in REQUESTS else ():
            if request not in REQUESTS:
                raise ArgumentValueError(f"grad_req must be in {REQUESTS}, got {request!r} for {name!r}")
        self.requests = given

    def check(self) -> None:
        """Check shapes and dtypes of all arrays against the graph and each other."""
        for name, array, gradient in zip(self.arg_names, self.args, self.grads):
            if gradient is None or gradient.spec is array.spec or self.requests[name] == "null":
                continue
            if gradient.shape != array.shape or gradient.dtype != array.dtype:
                raise ShapeError(
                    f"args_grad: the array for {name!r} has shape {gradient.shape} and type {np.dtype(gradient.dtype)}, "
                    f"the argument {array.shape} and {np.dtype(array.dtype)}"
                )
        if self.inferred is None:
            self._infer()
        self.head_specs = [None if node.specs is None else node.specs[index] for node, index in self.graph.outputs]

    def infer(self, shapes: dict[str, Any], dtypes: dict[str, Any], exact: bool) -> Graph:
        """Fill in what the nodes of the graph are like, from what is given for variables."""
        # Nobody else has the graph, and where this fails nobody keeps it.
        self.graph.disposable = True
        self.graph = infer(set_mode(self.graph, False), shapes, dtypes, partial=True, exact=exact)
        self.graph.disposable = False
        self.inferred = self.graph
        return self.graph

    def _infer(self) -> None:
        variables = dict(zip(self.arg_names + self.aux_names, self.args + self.aux))
        try:
            graph = self.infer(
                {name: array.shape for name, array in variables.items()},
                {name: np.dtype(array.dtype) for name, array in variables.items()},
                exact=True,
            )
        except MXNetError as error:
            shapes = describe([f"{name}: {array.shape} {np.dtype(array.dtype)}" for name, array in variables.items()])
            raise type(error)(f"{error}\n  with {shapes}") from None
        for node in graph.nodes:
            if node.op is None and node.specs[0] is not None and node.specs[0] is not variables[node.name].spec:
                raise ShapeError(f"the array for {node.name!r} is {variables[node.name].spec}, but the graph needs {node.specs[0]}")


def _groups(group2ctx: Any) -> dict[str, Any]:
    if group2ctx is None:
        return {}
    if not isinstance(group2ctx, dict) or not all(isinstance(where, Context) for where in group2ctx.values()):
        raise ArgumentTypeError(f"group2ctx must be a dict of str to Context, got {group2ctx!r:.80}")
    return dict(group2ctx)


def _context(ctx: Any) -> Any:
    if not isinstance(ctx, Context):
        raise ArgumentTypeError(f"ctx must be a Context, got {type(ctx).__name__}")
    return ctx


@paused()
def bind(
    symbol: Any,
    ctx: Any,
    args: Any,
    args_grad: Any = None,
    grad_req: Any = "write",
    aux_states: Any = None,
    group2ctx: Any = None,
    shared_exec: Executor | None = None,
) -> Executor:
    """Return an executor over arrays that exist; the parameters are those of ``Symbol.bind``."""
    from .executor import Executor

    bound = Bound(symbol, _context(ctx), _groups(group2ctx))
    bound.set_args(args)
    bound.set_requests(grad_req)
    bound.set_grads(args_grad)
    bound.set_aux(aux_states)
    bound.check()
    return Executor(symbol, ctx, grad_req, bound.groups or None, bound, shared_exec)


@paused()
def simple_bind(
    symbol: Any,
    ctx: Any,
    grad_req: Any = "write",
    type_dict: Any = None,
    stype_dict: Any = None,
    group2ctx: Any = None,
    shared_arg_names: Any = None,
    shared_exec: Executor | None = None,
    shared_buffer: dict[str, NDArray] | None = None,
    **shapes: Any,
) -> Executor:
    """Return an executor over new arrays of zeros, or of those that another executor has.

    Parameters
    ----------
    symbol, ctx, grad_req, group2ctx
        As in ``Symbol.bind``.
    type_dict : dict of str to dtype, optional
        Types of arguments; others are inferred, float32 in the end.
    stype_dict : dict of str to str, optional
        Storage types; only ``'default'`` is possible.
    shared_arg_names : list of str, optional
        Arguments whose arrays (and gradients) are those of ``shared_exec`` where shapes and types are the same.
    shared_exec : Executor, optional
        Whose arrays, auxiliary states and memory for intermediate results are used again.
    shared_buffer : dict of str to NDArray, optional
        Arrays for the other arguments and their gradients (``'grad of x'``) where they are large enough; new ones are put in.
    **shapes : tuple of int
        Shapes of some arguments.
    """
    from .executor import Executor

    for name, storage in (stype_dict or {}).items():
        if storage not in ("default", None):
            raise ArgumentValueError(f"stype_dict: {name!r} has storage type {storage!r}; arrays are dense ('default')")
    bound = Bound(symbol, _context(ctx), _groups(group2ctx))
    bound.require_unique_names()
    bound.set_requests("null" if grad_req is None else grad_req)
    infer_all(bound, type_dict or {}, shapes)
    shared_names = set(shared_arg_names or ())
    if shared_exec is not None and shared_arg_names is None:
        shared_names = set(bound.arg_names) & set(shared_exec.arg_dict) - set(shapes)
    others = {} if shared_exec is None else shared_exec.arg_dict
    other_grads = {} if shared_exec is None else shared_exec.grad_dict
    for index, node in enumerate(bound.arg_nodes):
        name, wanted, where = node.name, node.specs[0], bound.context_of(node)
        other = others.get(name) if name in shared_names else None
        if other is not None and (other.spec is not wanted or other.ctx != where):
            raise ShapeError(f"shared_exec: {name!r} is {other.spec} on {other.ctx} there, but {wanted} on {where} is needed")
        # Parameters are shared between executors, never with an array that happens to have the same name.
        buffers = None if name in shared_names else shared_buffer
        bound.args.append(other if other is not None else _buffer("", name, wanted, where, buffers))
        request = bound.requests[name]
        if request == "null":
            continue
        grad = other_grads.get(name) if other is not None else None
        # A sum that is added to belongs to one executor.
        buffers = buffers if request == "write" else None
        bound.grads[index] = grad if grad is not None else _buffer("grad of ", name, wanted, where, buffers)
    others = {} if shared_exec is None else shared_exec.aux_dict
    for node in bound.aux_nodes:
        other = others.get(node.name)
        fits = other is not None and other.spec is node.specs[0] and other.ctx == bound.context_of(node)
        bound.aux.append(other if fits else dispatch.fill("_zeros", node.specs[0], bound.context_of(node)))  # type: ignore[arg-type]
    bound.check()
    return Executor(symbol, ctx, grad_req, bound.groups or None, bound, shared_exec)


def _buffer(prefix: str, name: str, wanted: Any, where: Any, buffers: dict[str, NDArray] | None) -> NDArray:
    """Return an array for an argument, in the memory of an earlier one where that is large enough."""
    if buffers is None:
        return dispatch.fill("_zeros", wanted, where)
    key = prefix + name
    present = buffers.get(key)
    if present is not None and present.dtype == wanted.dtype.type and present.size >= wanted.size and present.ctx == where:
        return present if present.spec is wanted else present._view(wanted.shape)
    made = buffers[key] = dispatch.fill("_zeros", wanted, where)
    return made


def infer_all(bound: Bound, type_dict: dict[str, Any], shapes: dict[str, Any], caller: str = "simple_bind") -> None:
    """Find the specs of all variables: of the nodes of ``bound``."""
    names = set(bound.arg_names) | set(bound.aux_names)
    known = {}
    for name, shape in shapes.items():
        if name not in names:
            continue  # programs pass parameters of their operators along, which mean nothing here
        if not isinstance(shape, (tuple, list)):
            raise ArgumentTypeError(f"{caller}: {name} must be a shape (tuple), got {shape!r}")
        known[name] = tuple(int(extent) for extent in shape)
    dtypes = {name: np.dtype(dtype) for name, dtype in type_dict.items() if name in names and dtype is not None}
    try:
        bound.infer(known, dtypes, exact=is_np_shape())
    except MXNetError as error:
        given = "\n".join(f"{name}: {shape}" for name, shape in shapes.items())
        raise type(error)(f"{caller} error. Arguments:\n{given}\n{error}") from None
    for node in (*bound.arg_nodes, *bound.aux_nodes):
        if node.specs[0] is None:
            given = ", ".join(f"{name}={value}" for name, value in known.items()) or "nothing"
            strange = ", ".join(repr(name) for name in shapes if name not in names)
            hint = f" ({strange} {'is' if strange.count(',') == 0 else 'are'} no argument of the symbol)" if strange else ""
            raise MXNetError(f"{caller}: the shape of {node.name!r} cannot be inferred from {given}{hint}")
