"""Automatic differentiation of imperative code: record operator calls, then walk them backwards.

>>> import weft as mx
>>> x = mx.nd.array([1.0, 2.0, 3.0])
>>> x.attach_grad()
>>> with mx.autograd.record():
...     y = (x * x).sum()
>>> y.backward()
>>> x.grad.asnumpy()
array([2., 4., 6.], dtype=float32)
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from ..ops import tape
from ..ops.array import NDArray
from ..ops.dispatch import function
from ..ops.modes import is_recording, is_training, set_recording, set_training
from ..ops.recording import new_function_node, new_variable_node
from .base import MXNetError

__all__ = [
    "Function",
    "NDArray",
    "backward",
    "get_symbol",
    "grad",
    "is_recording",
    "is_training",
    "mark_variables",
    "pause",
    "predict_mode",
    "record",
    "set_recording",
    "set_training",
    "train_mode",
]

_GRAD_REQS = ("write", "add", "null")


class _Scope:
    """Sets recording and training for a ``with`` block, then puts them back."""

    __slots__ = ("_entered", "_record", "_train")

    def __init__(self, recording: bool | None, training: bool | None) -> None:
        self._record = recording
        self._train = training
        self._entered: list[tuple[bool | None, bool | None]] = []

    def __enter__(self) -> None:
        old_record = set_recording(self._record) if self._record is not None else None
        old_train = set_training(self._train) if self._train is not None else None
        self._entered.append((old_record, old_train))

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        old_record, old_train = self._entered.pop()
        if old_record is not None:
            set_recording(old_record)
        if old_train is not None:
            set_training(old_train)


def record(train_mode: bool = True) -> _Scope:
    """Record operator calls in a ``with`` block, so that they can be differentiated.

    Parameters
    ----------
    train_mode : bool
        Whether operators such as Dropout and BatchNorm run in training mode.

    Examples
    --------
    >>> import weft as mx
    >>> with mx.autograd.record():
    ...     mx.autograd.is_recording(), mx.autograd.is_training()
    (True, True)
    """
    return _Scope(True, train_mode)


def pause(train_mode: bool = False) -> _Scope:
    """Stop recording in a ``with`` block.

    Examples
    --------
    >>> import weft as mx
    >>> with mx.autograd.record():
    ...     with mx.autograd.pause():
    ...         mx.autograd.is_recording()
    False
    """
    return _Scope(False, train_mode)


def train_mode() -> _Scope:
    """Run operators in training mode in a ``with`` block, without changing recording.

    Examples
    --------
    >>> import weft as mx
    >>> with mx.autograd.train_mode():
    ...     mx.autograd.is_training()
    True
    """
    return _Scope(None, True)


def predict_mode() -> _Scope:
    """Run operators in prediction mode in a ``with`` block, without changing recording.

    Examples
    --------
    >>> import weft as mx
    >>> with mx.autograd.record():
    ...     with mx.autograd.predict_mode():
    ...         mx.autograd.is_training()
    False
    """
    return _Scope(None, False)


def _as_list(value: Any, argument: str) -> list[NDArray]:
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    for item in items:
        if not isinstance(item, NDArray):
            raise TypeError(f"{argument}: expected NDArray, got {type(item).__name__}")
    return items


def _check_req(grad_req: str) -> str:
    if grad_req not in _GRAD_REQS:
        raise ValueError(f"grad_req must be one of {', '.join(_GRAD_REQS)}, got {grad_req!r}")
    return grad_req


def mark_variables(
    variables: NDArray | Sequence[NDArray],
    gradients: NDArray | Sequence[NDArray],
    grad_reqs: str | Sequence[str] = "write",
) -> None:
    """Make arrays variables: ``backward`` will put their gradients into the given arrays.

    Parameters
    ----------
    variables, gradients : NDArray or list of NDArray
        Variables and, in the same order, arrays of the same shape for their gradients.
    grad_reqs : str or list of str
        ``'write'`` (overwrite), ``'add'`` (accumulate) or ``'null'`` (none), for all or one each.

    Examples
    --------
    >>> import weft as mx
    >>> x, g = mx.nd.ones((2,)), mx.nd.zeros((2,))
    >>> mx.autograd.mark_variables([x], [g])
    >>> with mx.autograd.record():
    ...     y = 3 * x
    >>> y.backward()
    >>> g.asnumpy()
    array([3., 3.], dtype=float32)
    """
    arrays, targets = _as_list(variables, "variables"), _as_list(gradients, "gradients")
    requests = [grad_reqs] * len(arrays) if isinstance(grad_reqs, str) else list(grad_reqs)
    if len(arrays) != len(targets) or len(arrays) != len(requests):
        raise ValueError(
            f"mark_variables needs as many gradients and grad_reqs as variables: got {len(arrays)} variables, "
            f"{len(targets)} gradients, {len(requests)} grad_reqs"
        )
    for array, target, request in zip(arrays, targets, requests):
        _check_req(request)
        if array.shape != target.shape:
            raise ValueError(f"gradients: shape {target.shape} does not fit the variable's {array.shape}")
    for array, target, request in zip(arrays, targets, requests):
        array._set_tape(new_variable_node(target, request))


def attach_grad(self: NDArray, grad_req: str = "write", stype: str | None = None) -> None:
    """Make this array a variable with a gradient array of its own, which starts as zeros.

    Parameters
    ----------
    grad_req : str
        ``'write'``, ``'add'`` or ``'null'``.
    stype : str, optional
        Storage type of the gradient; only ``'default'``.

    Examples
    --------
    >>> import weft as mx
    >>> x = mx.nd.ones((2,))
    >>> x.attach_grad()
    >>> x.grad.asnumpy()
    array([0., 0.], dtype=float32)
    """
    _check_req(grad_req)
    if stype not in (None, "default"):
        raise MXNetError(f"attach_grad: stype {stype!r} is not supported, only 'default'")
    was_recording = set_recording(False)
    try:
        gradient = function("zeros_like")(self)
    finally:
        set_recording(was_recording)
    self._set_tape(new_variable_node(gradient, grad_req))


def detach(self: NDArray) -> NDArray:
    """Return an array over the same storage that gradients do not flow through.

    Examples
    --------
    >>> import weft as mx
    >>> x = mx.nd.ones((2,))
    >>> x.attach_grad()
    >>> with mx.autograd.record():
    ...     y = x * x.detach()
    >>> y.backward()
    >>> x.grad.asnumpy()
    array([1., 1.], dtype=float32)
    """
    return self._view(self.shape)


def _array_backward(
    self: NDArray, out_grad: NDArray | None = None, retain_graph: bool = False, train_mode: bool = True
) -> None:
    """Compute the gradients of this array with respect to the variables it was recorded from.

    Parameters
    ----------
    out_grad : NDArray, optional
        Gradient of the final value with respect to this array; ones by default.
    retain_graph : bool
        Keep the recorded calls for another backward pass.
    train_mode : bool
        Whether operators run in training mode.

    Examples
    --------
    >>> import weft as mx
    >>> x = mx.nd.array([2.0])
    >>> x.attach_grad()
    >>> with mx.autograd.record():
    ...     y = x ** 3
    >>> y.backward()
    >>> x.grad.asnumpy()
    array([12.], dtype=float32)
    """
    backward([self], None if out_grad is None else [out_grad], retain_graph, train_mode)


METHODS = {"attach_grad": attach_grad, "backward": _array_backward, "detach": detach}


def _parse_heads(heads: Any, head_grads: Any) -> tuple[list[NDArray], list[NDArray | None] | None]:
    arrays = _as_list(heads, "heads")
    if head_grads is None:
        return arrays, None
    grads = list(head_grads) if isinstance(head_grads, (list, tuple)) else [head_grads]
    if len(grads) != len(arrays):
        raise ValueError(f"head_grads: {len(grads)} given for {len(arrays)} heads")
    for array, gradient in zip(arrays, grads):
        if gradient is None:
            continue
        if not isinstance(gradient, NDArray):
            raise TypeError(f"head_grads: expected NDArray or None, got {type(gradient).__name__}")
        if gradient.shape != array.shape:
            raise MXNetError(f"head_grads: shape {gradient.shape} does not fit the head's shape {array.shape}")
    return arrays, grads


def backward(
    heads: NDArray | Sequence[NDArray],
    head_grads: NDArray | Sequence[NDArray | None] | None = None,
    retain_graph: bool = False,
    train_mode: bool = True,
) -> None:
    """Compute the gradients of ``heads`` with respect to marked variables.

    Parameters
    ----------
    heads : NDArray or list of NDArray
        Outputs to differentiate.
    head_grads : NDArray or list of NDArray or None, optional
        Gradients with respect to the heads; None means ones.
    retain_graph : bool
        Keep the recorded calls for another backward pass.
    train_mode : bool
        Whether operators run in training mode.

    Raises
    ------
    MXNetError
        If a head was not recorded, or its record has been used up.

    Examples
    --------
    >>> import weft as mx
    >>> x = mx.nd.array([1.0, 2.0])
    >>> x.attach_grad()
    >>> with mx.autograd.record():
    ...     y, z = x * 2, x * 3
    >>> mx.autograd.backward([y, z])
    >>> x.grad.asnumpy()
    array([5., 5.], dtype=float32)
    """
    arrays, grads = _parse_heads(heads, head_grads)
    tape.run_backward(arrays, grads, bool(retain_graph), bool(train_mode), False)


def grad(
    heads: NDArray | Sequence[NDArray],
    variables: NDArray | Sequence[NDArray],
    head_grads: NDArray | Sequence[NDArray | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    train_mode: bool = True,
) -> list[NDArray]:
    """Return the list of gradients of ``heads`` with respect to ``variables``; the variables' own ``grad`` stays as it is.

    Parameters
    ----------
    heads, variables : NDArray or list of NDArray
        What to differentiate, and with respect to what.
    head_grads : NDArray or list of NDArray or None, optional
        Gradients with respect to the heads; None means ones.
    retain_graph : bool, optional
        Keep the recorded calls; by default as ``create_graph``.
    create_graph : bool
        Record this pass too, so that its results can be differentiated again.
    train_mode : bool
        Whether operators run in training mode.

    Examples
    --------
    >>> import weft as mx
    >>> x = mx.nd.array([2.0])
    >>> x.attach_grad()
    >>> with mx.autograd.record():
    ...     y = x ** 3
    ...     slope = mx.autograd.grad(y, x, create_graph=True)[0]
    >>> slope.backward()
    >>> slope.asnumpy(), x.grad.asnumpy()
    (array([12.], dtype=float32), array([12.], dtype=float32))
    """
    arrays, grads = _parse_heads(heads, head_grads)
    wanted = _as_list(variables, "variables")
    if not wanted:
        raise ValueError("variables must not be empty")
    keep = create_graph if retain_graph is None else bool(retain_graph)
    return tape.run_backward(arrays, grads, keep, bool(train_mode), bool(create_graph), wanted)


def get_symbol(x: NDArray) -> Any:
    """Return the recorded computation of an array as a Symbol.

    Arrays with gradients are the variables var0, var1 ..., other inputs null0 ..., and calls are named node_0 ...

    Raises
    ------
    MXNetError
        If nothing is recorded, the computation was let go, or a function written in Python is part of it.

    Examples
    --------
    >>> import weft as mx
    >>> x = mx.nd.ones((2,))
    >>> x.attach_grad()
    >>> with mx.autograd.record():
    ...     y = x.exp() * 2
    >>> mx.autograd.get_symbol(y).get_internals().list_outputs()
    ['var0', 'node_0_output', 'node_1_output']
    """
    from .symbol.recorded import symbol_of_recorded

    return symbol_of_recorded(x)


class Function:
    """A differentiable function written in Python: ``forward`` computes, ``backward`` gives the gradients.

    Subclass it, define both methods on NDArrays, and call an instance; each instance is used once.

    Examples
    --------
    >>> import weft as mx
    >>> class Sigmoid(mx.autograd.Function):
    ...     def forward(self, x):
    ...         y = 1 / (1 + mx.nd.exp(-x))
    ...         self.save_for_backward(y)
    ...         return y
    ...     def backward(self, dy):
    ...         (y,) = self.saved_tensors
    ...         return dy * y * (1 - y)
    >>> x = mx.nd.zeros((1,))
    >>> x.attach_grad()
    >>> with mx.autograd.record():
    ...     y = Sigmoid()(x)
    >>> y.backward()
    >>> x.grad.asnumpy()
    array([0.25], dtype=float32)
    """

    _acts_on_zeros = True  # see Operator.acts_on_zeros: only its author knows what `backward` does

    def __init__(self) -> None:
        self._used = False
        self.saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *args: Any) -> None:
        """Keep arrays for ``backward``, which finds them in ``saved_tensors``."""
        self.saved_tensors = args

    def __call__(self, *inputs: NDArray) -> Any:
        if self._used:
            raise MXNetError(f"each {type(self).__name__} instance can only be called once; create another")
        self._used = True
        recording = set_recording(False)
        try:
            outputs = self.forward(*inputs)
        finally:
            set_recording(recording)
        if not recording or not any(array._in_graph for array in inputs):
            return outputs
        results = _as_list(outputs, "outputs of forward")
        # An output that is an input, or a variable, gets its place in the graph on a handle of its own.
        results = [result.detach() for result in results]
        # The saved arrays must not hold the outputs' handles, which hold this call.
        new_function_node(self, list(inputs), results)
        return results if isinstance(outputs, (list, tuple)) else results[0]

    def _backward(self, node: Any, out_grads: list[NDArray]) -> list[NDArray | None]:
        recording = set_recording(False)
        try:
            result = self.backward(*out_grads)
        finally:
            set_recording(recording)
        grads = list(result) if isinstance(result, (list, tuple)) else [result]
        if len(grads) != len(node.parents):
            raise MXNetError(
                f"{type(self).__name__}.backward must return exactly {len(node.parents)} NDArrays, got {len(grads)}"
            )
        for gradient, spec in zip(grads, [array.shape for array in node.inputs]):
            if gradient is not None and gradient.shape != spec:
                raise MXNetError(
                    f"{type(self).__name__}.backward returned shape {gradient.shape} for an input of shape {spec}"
                )
        return grads

    def forward(self, *inputs: Any) -> Any:
        """Compute the outputs; not recorded."""
        raise MXNetError(f"{type(self).__name__} must define forward")

    def backward(self, *output_grads: Any) -> Any:
        """Return one gradient for each input of ``forward``."""
        raise MXNetError(f"{type(self).__name__} must define backward")
