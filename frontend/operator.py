"""Operators written in Python: a ``CustomOpProp`` describes one, a ``CustomOp`` computes it.

They run as tasks of the engine: asynchronously, ordered by what they read and write, with errors that name the line
which called them.

>>> import weft as mx
>>> class Square(mx.operator.CustomOp):
...     def forward(self, is_train, req, in_data, out_data, aux):
...         self.assign(out_data[0], req[0], in_data[0] * in_data[0])
...     def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
...         self.assign(in_grad[0], req[0], 2 * in_data[0] * out_grad[0])
>>> @mx.operator.register("docs_square")
... class SquareProp(mx.operator.CustomOpProp):
...     def create_operator(self, ctx, shapes, dtypes):
...         return Square()
>>> x = mx.nd.array([1.0, 2.0, 3.0])
>>> x.attach_grad()
>>> with mx.autograd.record():
...     y = mx.nd.Custom(x, op_type="docs_square")
>>> y.backward()
>>> y.asnumpy(), x.grad.asnumpy()
(array([1., 4., 9.], dtype=float32), array([2., 4., 6.], dtype=float32))
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine import push
from ..engine._engine import Span
from ..ops.array import NDArray, empty
from ..ops.dispatch import function
from ..ops.modes import is_recording, is_training, set_recording, set_training
from ..ops.params import plain_text
from ..ops.recording import new_function_node
from ..profiler.chrome import PYTHON
from .base import MXNetError

__all__ = [
    "Custom",
    "CustomOp",
    "CustomOpProp",
    "NDArrayOp",
    "NumpyOp",
    "OperatorArguments",
    "PythonOp",
    "get_all_registered_operators",
    "get_operator_arguments",
    "register",
]

_registered: dict[str, Callable[..., CustomOpProp]] = {}


class CustomOp:
    """Computes a custom operator; subclass it and define ``forward`` and ``backward``.

    Examples
    --------
    >>> import weft as mx
    >>> issubclass(mx.operator.CustomOp, object)
    True
    """

    def __init__(self) -> None:
        pass

    def forward(
        self, is_train: bool, req: list[str], in_data: list[NDArray], out_data: list[NDArray], aux: list[NDArray]
    ) -> None:
        """Compute ``out_data`` from ``in_data``; use :meth:`assign` to store results."""
        raise MXNetError(f"{type(self).__name__} must define forward")

    def backward(
        self,
        req: list[str],
        out_grad: list[NDArray],
        in_data: list[NDArray],
        out_data: list[NDArray],
        in_grad: list[NDArray],
        aux: list[NDArray],
    ) -> None:
        """Compute ``in_grad``; use :meth:`assign` to store results."""
        raise MXNetError(f"{type(self).__name__} must define backward")

    def assign(self, dst: NDArray, req: str, src: Any) -> None:
        """Store ``src`` in ``dst`` as ``req`` asks: ``'write'``, ``'inplace'``, ``'add'`` or ``'null'``."""
        if req == "null":
            return
        if req in ("write", "inplace"):
            dst[:] = src
        elif req == "add":
            dst[:] += src
        else:
            raise ValueError(f"req must be 'null', 'write', 'inplace' or 'add', got {req!r}")


class CustomOpProp:
    """Describes a custom operator: its arguments, outputs, shapes and dtypes.

    Parameters
    ----------
    need_top_grad : bool
        Whether the gradient needs the gradient of the outputs; False for losses.

    Examples
    --------
    >>> import weft as mx
    >>> mx.operator.CustomOpProp().list_arguments()
    ['data']
    """

    def __init__(self, need_top_grad: bool = True) -> None:
        self.need_top_grad_ = need_top_grad

    def list_arguments(self) -> list[str]:
        """Return the names of the inputs."""
        return ["data"]

    def list_outputs(self) -> list[str]:
        """Return the names of the outputs."""
        return ["output"]

    def list_auxiliary_states(self) -> list[str]:
        """Return the names of the auxiliary states."""
        return []

    def infer_shape(self, in_shape: list[list[int]]) -> tuple[Any, ...]:
        """Return the shapes of inputs, outputs and auxiliary states; by default outputs are as the first input."""
        return in_shape, [in_shape[0]] * len(self.list_outputs()), []

    def infer_type(self, in_type: list[type]) -> tuple[Any, ...]:
        """Return the dtypes of inputs, outputs and auxiliary states; by default all are as the first input's."""
        first = in_type[0]
        return in_type, [first] * len(self.list_outputs()), [first] * len(self.list_auxiliary_states())

    def infer_storage_type(self, in_stype: list[str]) -> tuple[Any, ...]:
        """Return the storage types of inputs, outputs and auxiliary states; all are ``'default'``."""
        states = ["default"] * len(self.list_auxiliary_states())
        return in_stype, ["default"] * len(self.list_outputs()), states

    def infer_storage_type_backward(
        self,
        ograd_stype: list[str],
        in_stype: list[str],
        out_stype: list[str],
        igrad_stype: list[str],
        aux_stype: list[str],
    ) -> tuple[Any, ...]:
        """Return the storage types in the backward pass; all are ``'default'``."""
        return ograd_stype, in_stype, out_stype, ["default"] * len(igrad_stype), aux_stype

    def declare_backward_dependency(self, out_grad: list[int], in_data: list[int], out_data: list[int]) -> list[int]:
        """Return those of the given numbers that ``backward`` uses."""
        return [*(out_grad if self.need_top_grad_ else []), *in_data, *out_data]

    def create_operator(self, ctx: str, in_shapes: list[list[int]], in_dtypes: list[type]) -> CustomOp:
        """Return the operator."""
        return CustomOp()


def register(reg_name: str) -> Callable[[type[CustomOpProp]], type[CustomOpProp]]:
    """Register a subclass of CustomOpProp under a name, as a decorator.

    Parameters
    ----------
    reg_name : str
        The ``op_type`` that :func:`Custom` is called with.

    Examples
    --------
    >>> import weft as mx
    >>> @mx.operator.register("docs_identity")
    ... class Prop(mx.operator.CustomOpProp):
    ...     pass
    >>> "docs_identity" in mx.operator.get_all_registered_operators()
    True
    """
    if not isinstance(reg_name, str):
        raise TypeError(f"reg_name must be str, got {type(reg_name).__name__}")

    def add(prop_class: type[CustomOpProp]) -> type[CustomOpProp]:
        if not (isinstance(prop_class, type) and issubclass(prop_class, CustomOpProp)):
            raise TypeError(f"register({reg_name!r}) needs a subclass of CustomOpProp, got {prop_class!r}")
        _registered[reg_name] = prop_class
        return prop_class

    return add


def get_all_registered_operators() -> list[str]:
    """Return the names of all operators: declared ones and custom ones.

    Examples
    --------
    >>> import weft as mx
    >>> "exp" in mx.operator.get_all_registered_operators()
    True
    """
    from ..ops import registry

    return [*registry.all_names(), *_registered]


class OperatorArguments(NamedTuple):
    """Arguments of an operator: how many, their names, and for each a text that says what it may be."""

    narg: int
    names: list[str]
    types: list[str]


def get_operator_arguments(op_name: str) -> OperatorArguments:
    """Return the arguments of an operator: its inputs, then its parameters.

    Parameters
    ----------
    op_name : str
        A name of :func:`get_all_registered_operators`.

    Examples
    --------
    >>> import weft as mx
    >>> arguments = mx.operator.get_operator_arguments("Activation")
    >>> arguments.narg, arguments.names
    (2, ['data', 'act_type'])
    >>> arguments.types
    ['NDArray-or-Symbol', "{'relu', 'sigmoid', 'softrelu', 'softsign', 'tanh'}, required"]
    """
    from ..ops import registry

    op = registry.get(op_name)
    names = op.argument_names()
    params = {param.name: param for param in op.params}
    types = ["NDArray-or-Symbol[]" if name.startswith("*") else "NDArray-or-Symbol" for name in op.inputs]
    return OperatorArguments(len(names), names, types + [params[name].describe() for name in names[len(types) :]])


def make_prop(op_type: str, parameters: dict[str, Any]) -> CustomOpProp:
    """Return the description of a registered operator; parameters reach it as strings, as in MXNet."""
    prop_class = _registered.get(op_type)
    if prop_class is None:
        known = ", ".join(sorted(_registered)) or "none"
        raise MXNetError(f"Custom: no operator registered as {op_type!r} (there are: {known})")
    return prop_class(**{name: plain_text(value) for name, value in parameters.items()})


def _split(prop: CustomOpProp, arrays: Sequence[Any], op_type: str) -> tuple[list[NDArray], list[NDArray]]:
    names, states = prop.list_arguments(), prop.list_auxiliary_states()
    if len(arrays) != len(names) + len(states):
        wanted = ", ".join([*names, *states])
        raise MXNetError(f"Custom {op_type!r}: expected {len(names) + len(states)} arrays ({wanted}), got {len(arrays)}")
    for name, array in zip([*names, *states], arrays):
        if not isinstance(array, NDArray):
            raise TypeError(f"Custom {op_type!r}: input {name!r} must be NDArray, got {type(array).__name__}")
    return list(arrays[: len(names)]), list(arrays[len(names) :])


def _ask(prop: CustomOpProp, op_type: str, method: str, *args: Any) -> Any:
    """Call a method of a description; what goes wrong in it is an error of the operator."""
    try:
        return getattr(prop, method)(*args)
    except MXNetError:
        raise
    except Exception as error:
        raise MXNetError(f"Custom {op_type!r}: {method} raised {type(error).__name__}: {error}") from error


def _checked(kind: str, op_type: str, found: Any, counts: tuple[int, ...]) -> list[list[Any]]:
    parts = [list(part) for part in found]
    if len(parts) == 2:
        parts.append([])
    if len(parts) != 3 or tuple(len(part) for part in parts) != counts:
        raise MXNetError(
            f"Custom {op_type!r}: {kind} must return {counts[0]} for inputs, {counts[1]} for outputs and {counts[2]} for "
            f"auxiliary states, got {[len(part) for part in parts]}"
        )
    return parts


class _CustomCall:
    """One call of a custom operator: what its backward pass needs."""

    _acts_on_zeros = True

    def __init__(self, prop: CustomOpProp, op: CustomOp, op_type: str, n_inputs: int) -> None:
        self.prop = prop
        self.op = op
        self.op_type = op_type
        self.n_inputs = n_inputs
        self.outputs: list[NDArray] = []

    def run_forward(self, inputs: list[NDArray], outputs: list[NDArray], states: list[NDArray], train: bool) -> None:
        def forward() -> None:
            with _mode(train), Span(self.op_type + PYTHON):
                self.op.forward(train, ["write"] * len(outputs), inputs, outputs, states)

        push(forward, reads=[*inputs, *states], writes=[*outputs, *states], name=f"Custom {self.op_type}")

    def _backward(self, node: Any, out_grads: list[NDArray]) -> list[NDArray | None]:
        arrays = [array.detach() for array in node.inputs]
        inputs, states = arrays[: self.n_inputs], arrays[self.n_inputs :]
        outputs = self.outputs
        needed = [parent is not None for parent in node.parents][: self.n_inputs]
        grads = [empty(array.shape, array.context, array.dtype) for array in inputs]
        request = ["write" if need else "null" for need in needed]
        train = is_training()

        def backward() -> None:
            with _mode(train), Span(f"_backward_{self.op_type}{PYTHON}"):
                self.op.backward(request, out_grads, inputs, outputs, grads, states)

        reads = [*out_grads, *inputs, *outputs, *states]
        push(backward, reads=reads, writes=[*grads, *states], name=f"Custom {self.op_type} backward")
        return [grad if need else None for grad, need in zip(grads, needed)] + [None] * len(states)


class _mode:
    """Not recording, and in the caller's training mode: a task may run on the caller's thread or on another."""

    def __init__(self, train: bool) -> None:
        self.train = train

    def __enter__(self) -> None:
        self.old = set_recording(False), set_training(self.train)

    def __exit__(self, *error: object) -> None:
        set_recording(self.old[0])
        set_training(self.old[1])


def _copied_into(outputs: list[NDArray], targets: list[Any], op_type: str) -> list[NDArray]:
    """Copy outputs to arrays of the user's, which may be the inputs of the call."""
    if len(targets) != len(outputs):
        raise ValueError(f"Custom {op_type!r}: out has {len(targets)} arrays, expected {len(outputs)}")
    copy = function("_copyto")
    for output, target in zip(outputs, targets):
        copy(output, out=target)
    return targets


def Custom(*data: NDArray, op_type: str | None = None, name: str | None = None, out: Any = None, **kwargs: Any) -> Any:
    """Call a registered custom operator.

    Parameters
    ----------
    *data : NDArray
        Inputs, then auxiliary states, in the order of ``list_arguments`` and ``list_auxiliary_states``; or by those names.
    op_type : str
        Name that the operator was registered under.
    name : str, optional
        Name of the node in a symbolic graph.
    out : NDArray or list of NDArray, optional
        Arrays that get the outputs.
    **kwargs
        Inputs by name, and parameters of the CustomOpProp, which get them as strings.

    Returns
    -------
    NDArray or list of NDArray
        The outputs.

    Raises
    ------
    MXNetError
        If the operator is not registered, or inputs or inferred shapes do not fit. What ``forward`` raises is raised where
        an output is waited for.

    Examples
    --------
    See :mod:`weft.operator`.
    """
    if op_type is None:
        raise TypeError("Custom: op_type is missing; it names the registered operator")
    by_name = {key: value for key, value in kwargs.items() if isinstance(value, NDArray)}
    prop = make_prop(op_type, {key: value for key, value in kwargs.items() if key not in by_name})
    arrays = list(data)
    for argument in [*prop.list_arguments(), *prop.list_auxiliary_states()][len(arrays) :]:
        if argument in by_name:
            arrays.append(by_name.pop(argument))
    if by_name:
        raise TypeError(f"Custom {op_type!r}: unknown input {sorted(by_name)[0]!r}")
    inputs, states = _split(prop, arrays, op_type)
    counts = (len(inputs), len(prop.list_outputs()), len(states))
    context = inputs[0].context if inputs else None
    shapes = _checked("infer_shape", op_type, _ask(prop, op_type, "infer_shape", [list(array.shape) for array in inputs]), counts)
    for argument, array, shape in zip(prop.list_arguments(), inputs, shapes[0]):
        if tuple(shape) != array.shape:
            raise MXNetError(f"Custom {op_type!r}: input {argument!r} has shape {array.shape}, expected {tuple(shape)}")
    dtypes = _checked("infer_type", op_type, _ask(prop, op_type, "infer_type", [array.dtype for array in inputs]), counts)
    facts = str(context), [list(array.shape) for array in inputs], [array.dtype for array in inputs]
    op = _ask(prop, op_type, "create_operator", *facts)
    outputs = [empty(tuple(shape), context, np.dtype(dtype)) for shape, dtype in zip(shapes[1], dtypes[1])]
    call = _CustomCall(prop, op, op_type, len(inputs))
    call.outputs = [output.detach() for output in outputs]
    detached = [array.detach() for array in inputs]
    call.run_forward(detached, call.outputs, [array.detach() for array in states], is_training())
    if is_recording() and any(array._in_graph for array in inputs):
        new_function_node(call, [*inputs, *states], outputs)
    if out is not None:
        outputs = _copied_into(outputs, list(out) if isinstance(out, (list, tuple)) else [out], op_type)
    return outputs[0] if len(outputs) == 1 else outputs


# --- what came before CustomOp ------------------------------------------------------------------------------------

_legacy_numbers = itertools.count()


class PythonOp:
    """The older way to write an operator for graphs: one object that describes and computes it. Use CustomOp instead.

    Parameters
    ----------
    need_top_grad : bool
        Whether ``backward`` needs the gradients of the outputs; False for losses.
    """

    _hint = "python"

    def __init__(self, need_top_grad: bool = True) -> None:
        self.need_top_grad_ = need_top_grad
        self._op_type: str | None = None
        warnings.warn(f"{type(self).__name__}: operators of this kind are deprecated, use CustomOp", DeprecationWarning, stacklevel=2)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.get_symbol(*args, **kwargs)

    def get_symbol(self, *args: Any, **kwargs: Any) -> Any:
        """Return a symbol of the operator, with its inputs in order or by name."""
        from . import name as naming
        from .symbol.custom import Custom as symbol_of_custom

        if not isinstance(self, (NumpyOp, NDArrayOp)):
            raise NotImplementedError(f"{type(self).__name__} must be a NumpyOp or an NDArrayOp, or define get_symbol")
        if self._op_type is None:
            self._op_type = f"_{self._hint}_{next(_legacy_numbers)}"
            _registered[self._op_type] = lambda: _LegacyProp(self)
        kwargs["name"] = naming.current().get(kwargs.get("name"), f"_{self._hint}")
        return symbol_of_custom(*args, op_type=self._op_type, **kwargs)

    def forward(self, in_data: list[Any], out_data: list[Any]) -> None:
        """Write ``out_data`` in place; by default the first input."""
        out_data[0][:] = in_data[0]

    def backward(self, out_grad: list[Any], in_data: list[Any], out_data: list[Any], in_grad: list[Any]) -> None:
        """Write ``in_grad`` in place; by default ones."""
        in_grad[0][:] = 1.0

    def infer_shape(self, in_shape: list[list[int]]) -> tuple[Any, Any]:
        """Return the shapes of inputs and outputs; by default the output is as the first input."""
        return in_shape, [in_shape[0]]

    def list_outputs(self) -> list[str]:
        """Return the names of the outputs."""
        return ["output"]

    def list_arguments(self) -> list[str]:
        """Return the names of the inputs."""
        return ["data"]

    def need_top_grad(self) -> bool:
        """Whether ``backward`` needs the gradients of the outputs."""
        return self.need_top_grad_

    def _lend(self, arrays: list[NDArray]) -> list[Any]:
        """Return arrays in the form that this kind of operator computes with."""
        raise NotImplementedError(f"{type(self).__name__} must be a NumpyOp or an NDArrayOp")


class NumpyOp(PythonOp):
    """A PythonOp whose ``forward`` and ``backward`` get NumPy arrays.

    Examples
    --------
    >>> import warnings
    >>> import weft as mx
    >>> class Double(mx.operator.NumpyOp):
    ...     def forward(self, in_data, out_data):
    ...         out_data[0][:] = 2 * in_data[0]
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", DeprecationWarning)
    ...     double = Double()
    >>> double(mx.sym.Variable("x"), name="y").eval(x=mx.nd.ones((2,)))[0].asnumpy().tolist()
    [2.0, 2.0]
    """

    _hint = "native"

    def _lend(self, arrays: list[NDArray]) -> list[Any]:
        return [array.asnumpy() for array in arrays]


class NDArrayOp(PythonOp):
    """A PythonOp whose ``forward`` and ``backward`` get NDArrays."""

    _hint = "ndarray"

    def _lend(self, arrays: list[NDArray]) -> list[Any]:
        return arrays

    def declare_backward_dependency(self, out_grad: list[int], in_data: list[int], out_data: list[int]) -> list[int]:
        """Return those of the given numbers that ``backward`` uses."""
        return [*(out_grad if self.need_top_grad() else []), *in_data, *out_data]


class _LegacyProp(CustomOpProp):
    """A PythonOp as the description of a custom operator."""

    def __init__(self, op: PythonOp) -> None:
        super().__init__(op.need_top_grad())
        self._op = op

    def list_arguments(self) -> list[str]:
        return self._op.list_arguments()

    def list_outputs(self) -> list[str]:
        return self._op.list_outputs()

    def infer_shape(self, in_shape: list[list[int]]) -> tuple[Any, ...]:
        ins, outs = self._op.infer_shape(in_shape)
        return ins, outs, []

    def create_operator(self, ctx: str, in_shapes: list[list[int]], in_dtypes: list[type]) -> CustomOp:
        return _LegacyOp(self._op)


class _LegacyOp(CustomOp):
    """Runs a PythonOp, which writes its results in place, on arrays of its own."""

    def __init__(self, op: PythonOp) -> None:
        super().__init__()
        self._op = op

    def forward(self, is_train: bool, req: Any, in_data: Any, out_data: Any, aux: Any) -> None:
        results = self._op._lend(out_data)
        self._op.forward(in_data=self._op._lend(in_data), out_data=results)
        self._store(results, out_data)

    def backward(self, req: Any, out_grad: Any, in_data: Any, out_data: Any, in_grad: Any, aux: Any) -> None:
        lend = self._op._lend
        results = lend(in_grad)
        self._op.backward(out_grad=lend(out_grad), in_data=lend(in_data), out_data=lend(out_data), in_grad=results)
        self._store(results, in_grad)

    @staticmethod
    def _store(results: list[Any], arrays: list[NDArray]) -> None:
        for result, array in zip(results, arrays):
            if result is not array:
                array[:] = result
