"""Gradients against finite differences, symbols against expected results, optimizers against each other.

:func:`check_numeric_gradient` takes a function of NDArrays as well as a Symbol. The other checks of symbols use the
Symbol's own methods and nothing else.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...ops.array import NDArray, from_numpy_copy
from .. import autograd
from ..base import MXNetError
from ..ndarray.random import uniform
from .compare import Tolerance, assert_almost_equal, compare_ndarray_tuple, default_numeric_eps, get_tolerance
from .settings import default_context

__all__ = [
    "check_numeric_gradient",
    "check_speed",
    "check_symbolic_backward",
    "check_symbolic_forward",
    "compare_optimizer",
    "numeric_grad",
    "simple_forward",
]

_PROJECTION = "__random_proj"


def _wanted(dtype: Any, own: Any) -> np.dtype:
    """Return the dtype to use; None and "asnumpy" stand for each array's own."""
    return np.dtype(own if dtype is None or (isinstance(dtype, str) and dtype == "asnumpy") else dtype)


def _nd(value: Any, ctx: Any, dtype: Any = None) -> NDArray:
    array = value.asnumpy() if isinstance(value, NDArray) else np.asarray(value)
    return from_numpy_copy(array, ctx, _wanted(dtype, array.dtype))


def _given(value: Any, ctx: Any, dtype: Any) -> NDArray:
    """Return a copy of what a test gives, in `dtype`; NDArrays keep their own."""
    return _nd(value, ctx, None if isinstance(value, NDArray) else dtype)


def _is_symbol(sym: Any) -> bool:
    return hasattr(sym, "list_arguments")


def _needs_symbol(sym: Any, who: str) -> None:
    if not _is_symbol(sym):
        raise MXNetError(f"{who}: expected a Symbol, got {type(sym).__name__}; for functions there is check_numeric_gradient")


class _FunctionExecutor:
    """Runs a function of NDArrays behind the few attributes of an executor that :func:`numeric_grad` uses."""

    def __init__(self, function: Callable[..., Any], arguments: dict[str, NDArray], projections: list[NDArray] | None = None):
        self.function = function
        self.arg_dict = arguments
        self.aux_dict: dict[str, NDArray] = {}
        self.projections = projections
        self.outputs: list[NDArray] = []

    def forward(self, is_train: bool = False) -> list[NDArray]:
        with autograd.train_mode() if is_train else autograd.predict_mode():
            result = self.function(*self.arg_dict.values())
        self.outputs = list(result) if isinstance(result, (list, tuple)) else [result]
        if self.projections is not None:
            self.outputs = [o * p for o, p in zip(self.outputs, self.projections)]
        return self.outputs


def numeric_grad(
    executor: Any,
    location: Mapping[str, np.ndarray],
    aux_states: Mapping[str, np.ndarray] | None = None,
    eps: float = 1e-4,
    use_forward_train: bool = True,
    dtype: Any = np.float32,
) -> dict[str, np.ndarray]:
    """Return the gradient of the sum of the executor's outputs by central differences.

    Parameters
    ----------
    executor : Executor
        Has ``arg_dict``, ``aux_dict``, ``forward(is_train=...)`` and ``outputs``.
    location : dict of str to numpy.ndarray
        The values of the arguments; the keys name the arguments whose gradient is wanted.
    aux_states : dict of str to numpy.ndarray, optional
        Auxiliary states, set anew before every run.
    eps : float
        Distance of the two points.
    use_forward_train : bool
        Whether to run forward in training mode.
    dtype : dtype
        Of the values.

    >>> import weft as mx
    >>> runner = _FunctionExecutor(lambda x: x * x, {"x": mx.nd.array([3.0])})
    >>> grad = numeric_grad(runner, {"x": np.array([3.0], "float32")}, eps=2**-6)["x"]
    >>> bool(abs(grad[0] - 6) < 1e-3)
    True
    """

    def total() -> float:
        for name, value in (aux_states or {}).items():
            executor.aux_dict[name][:] = value
        executor.forward(is_train=use_forward_train)
        return sum(float(o.asnumpy().astype(np.float64).sum()) for o in executor.outputs)

    for name, value in location.items():
        executor.arg_dict[name][:] = value
    gradients = {}
    for name, value in location.items():
        value = np.array(value, _wanted(dtype, value.dtype))
        if value.dtype.kind != "f":
            continue
        gradient = np.zeros(value.shape, value.dtype)
        for index in np.ndindex(value.shape):
            kept = value[index]
            ends = []
            for shift in (eps / 2, -eps / 2):
                value[index] = kept + shift
                executor.arg_dict[name][:] = value
                ends.append(total())
            gradient[index] = (ends[0] - ends[1]) / eps
            value[index] = kept
        executor.arg_dict[name][:] = value
        gradients[name] = gradient
    return gradients


def _named(location: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return arguments by name; `location` is a list in the order of `names`, or a dict."""
    if isinstance(location, Mapping):
        if set(location) != set(names):
            raise ValueError(f"location names {sorted(location)}: expected {sorted(names)}")
        return {name: location[name] for name in names}
    location = list(location)
    if len(location) != len(names):
        raise ValueError(f"location has {len(location)} arrays: expected {len(names)}, for {list(names)}")
    return dict(zip(names, location))


def _requests(grad_nodes: Any, names: Sequence[str]) -> dict[str, str]:
    if grad_nodes is None:
        return dict.fromkeys(names, "write")
    if isinstance(grad_nodes, Mapping):
        return dict(grad_nodes)
    return dict.fromkeys(grad_nodes, "write")


def check_numeric_gradient(
    sym: Any,
    location: Any,
    aux_states: Any = None,
    numeric_eps: Tolerance = None,
    rtol: Tolerance = None,
    atol: Tolerance = None,
    grad_nodes: Any = None,
    use_forward_train: bool = True,
    ctx: Any = None,
    grad_stype_dict: Mapping[str, str] | None = None,
    dtype: Any = np.float32,
) -> None:
    """Raise AssertionError unless backward gives the gradient that finite differences give.

    The outputs are multiplied by fixed random numbers first, so that errors do not cancel in the sum.

    Parameters
    ----------
    sym : Symbol or function
        What to check; a function takes NDArrays and returns one or several.
    location : list or dict
        Values of all arguments, in the order of ``sym.list_arguments()`` or by name; of a function, its arguments.
    aux_states : list or dict, optional
        Values of a Symbol's auxiliary states.
    numeric_eps : float or dict, optional
        Distance of the two points; None stands for the dtype's default.
    rtol, atol : float or dict, optional
        Tolerances; None stands for the dtype's defaults.
    grad_nodes : list of str or dict of str to str, optional
        Arguments whose gradient is checked (all), or their ``grad_req``. Arguments of a function are called arg0, arg1 ...
    use_forward_train : bool
        Whether finite differences run forward in training mode.
    ctx : Context, optional
        Where to compute.
    grad_stype_dict : dict, optional
        Storage of gradients; dense only.
    dtype : dtype
        Of the computation.

    >>> import weft as mx
    >>> check_numeric_gradient(lambda x, y: x * mx.nd.exp(y), [np.ones((2, 2)), np.ones((2, 2))])
    """
    if grad_stype_dict and any(s != "default" for s in grad_stype_dict.values()):
        raise MXNetError(f"grad_stype_dict={grad_stype_dict}: sparse storage is not supported")
    ctx = default_context() if ctx is None else ctx
    check = _check_symbol if _is_symbol(sym) else _check_function
    check(sym, location, aux_states, numeric_eps, rtol, atol, grad_nodes, use_forward_train, ctx, dtype)


def _check_function(
    function: Any,
    location: Any,
    aux_states: Any,
    numeric_eps: Any,
    rtol: Any,
    atol: Any,
    grad_nodes: Any,
    use_forward_train: bool,
    ctx: Any,
    dtype: Any,
) -> None:
    if not callable(function):
        raise TypeError(f"sym: expected a Symbol or a function, got {type(function).__name__}")
    if aux_states:
        raise ValueError("aux_states: a function has none, pass them in location")
    names = list(location) if isinstance(location, Mapping) else [f"arg{i}" for i in range(len(location))]
    values = {name: np.asarray(_nd(v, ctx, dtype).asnumpy()) for name, v in _named(location, names).items()}
    requests = _requests(grad_nodes, names)
    arguments = {name: _nd(v, ctx) for name, v in values.items()}
    initial = {}
    for name, request in requests.items():
        arguments[name].attach_grad(request)
        initial[name] = np.random.normal(size=values[name].shape).astype(values[name].dtype)
        arguments[name].grad[:] = initial[name]
    runner = _FunctionExecutor(function, arguments)
    with autograd.record():
        runner.forward(is_train=True)
        runner.projections = [_nd(np.random.rand(*o.shape) + 0.1, ctx, o.dtype) for o in runner.outputs]
        loss = [o * p for o, p in zip(runner.outputs, runner.projections)]
    autograd.backward(loss)
    got = {name: arguments[name].grad.asnumpy() for name in requests}
    # Finite differences run on copies: the gradients above belong to the recorded arrays.
    runner.arg_dict = {name: _nd(v, ctx) for name, v in values.items()}
    eps = get_tolerance(next(iter(values.values())), numeric_eps, default_numeric_eps())
    expected = numeric_grad(runner, values, eps=eps, use_forward_train=use_forward_train, dtype=dtype)
    _compare_gradients(requests, expected, got, initial, rtol, atol)


def _compare_gradients(
    requests: Mapping[str, str],
    numeric: Mapping[str, np.ndarray],
    got: Mapping[str, np.ndarray],
    initial: Mapping[str, np.ndarray],
    rtol: Any,
    atol: Any,
) -> None:
    for name, request in requests.items():
        expected = {"write": numeric[name], "add": numeric[name] + initial[name], "null": initial[name]}.get(request)
        if expected is None:
            raise ValueError(f"grad_req of {name}: {request!r}, expected write, add or null")
        assert_almost_equal(expected, got[name], rtol, atol, (f"NUMERICAL_{name}", f"BACKWARD_{name}"))


def _check_symbol(
    sym: Any,
    location: Any,
    aux_states: Any,
    numeric_eps: Any,
    rtol: Any,
    atol: Any,
    grad_nodes: Any,
    use_forward_train: bool,
    ctx: Any,
    dtype: Any,
) -> None:
    symbol = importlib.import_module("...symbol", __name__)
    names = sym.list_arguments()
    arguments = {n: _given(v, ctx, dtype) for n, v in _named(location, names).items()}
    states = {n: _given(v, ctx, dtype) for n, v in _named(aux_states or [], sym.list_auxiliary_states()).items()}
    requests = _requests(grad_nodes, names)
    _, out_shapes, _ = sym.infer_shape(**{n: a.shape for n, a in arguments.items()})
    loss = symbol.make_loss(sym * symbol.Variable(_PROJECTION))
    like = _wanted(dtype, next(iter(arguments.values())).dtype)
    everything = dict(arguments, **{_PROJECTION: _nd(np.random.rand(*out_shapes[0]) + 0.1, ctx, like)})
    initial = {n: np.random.normal(size=arguments[n].shape).astype(arguments[n].dtype) for n in requests}
    gradients = {n: _nd(v, ctx) for n, v in initial.items()}
    gradients[_PROJECTION] = _nd(np.zeros(out_shapes[0]), ctx, like)
    executor = loss.bind(ctx, args=everything, args_grad=gradients, grad_req=dict(requests, **{_PROJECTION: "write"}), aux_states=states)
    executor.forward(is_train=True)
    executor.backward()
    # Of the arrays, not of the executor, which may not keep those whose request is "null".
    got = {n: gradients[n].asnumpy() for n in requests}
    values = {n: arguments[n].asnumpy() for n in requests}
    eps = get_tolerance(next(iter(arguments.values())), numeric_eps, default_numeric_eps())
    expected = numeric_grad(executor, values, {n: s.asnumpy() for n, s in states.items()}, eps, use_forward_train, dtype)
    _compare_gradients(requests, expected, got, initial, rtol, atol)


def check_symbolic_forward(
    sym: Any,
    location: Any,
    expected: Any,
    rtol: Any = None,
    atol: Any = None,
    aux_states: Any = None,
    ctx: Any = None,
    equal_nan: bool = False,
    dtype: Any = np.float32,
) -> list[NDArray]:
    """Bind a Symbol, run it forward and compare its outputs with `expected`; return them.

    >>> check_symbolic_forward(None, [], [])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    weft.engine.errors.MXNetError: check_symbolic_forward: expected a Symbol, got NoneType; ...
    """
    _needs_symbol(sym, "check_symbolic_forward")
    ctx = default_context() if ctx is None else ctx
    arguments = {n: _given(v, ctx, dtype) for n, v in _named(location, sym.list_arguments()).items()}
    states = {n: _given(v, ctx, dtype) for n, v in _named(aux_states or [], sym.list_auxiliary_states()).items()}
    executor = sym.bind(ctx, args=arguments, args_grad=None, grad_req="null", aux_states=states)
    executor.forward(is_train=False)
    names = sym.list_outputs()
    wanted = _named(expected, names)
    for name, output in zip(names, executor.outputs):
        assert_almost_equal(wanted[name], output, rtol, atol, (f"EXPECTED_{name}", f"FORWARD_{name}"), equal_nan=equal_nan)
    return executor.outputs


def check_symbolic_backward(
    sym: Any,
    location: Any,
    out_grads: Any,
    expected: Any,
    rtol: Any = None,
    atol: Any = None,
    aux_states: Any = None,
    grad_req: Any = "write",
    ctx: Any = None,
    grad_stypes: Any = None,
    equal_nan: bool = False,
    dtype: Any = np.float32,
) -> dict[str, NDArray]:
    """Bind a Symbol, run it forward and backward and compare the gradients of its arguments with `expected`; return them by name.

    >>> check_symbolic_backward(None, [], [], [])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    weft.engine.errors.MXNetError: check_symbolic_backward: expected a Symbol, got NoneType; ...
    """
    _needs_symbol(sym, "check_symbolic_backward")
    ctx = default_context() if ctx is None else ctx
    names = sym.list_arguments()
    arguments = {n: _given(v, ctx, dtype) for n, v in _named(location, names).items()}
    states = {n: _given(v, ctx, dtype) for n, v in _named(aux_states or [], sym.list_auxiliary_states()).items()}
    wanted = dict(expected) if isinstance(expected, Mapping) else dict(zip(names, expected))
    requests = (
        dict.fromkeys(names, grad_req)
        if isinstance(grad_req, str)
        else (dict(grad_req) if isinstance(grad_req, Mapping) else dict(zip(names, grad_req)))
    )
    initial = {n: np.random.normal(size=np.shape(v)).astype(arguments[n].dtype) for n, v in wanted.items()}
    gradients = {n: _nd(v, ctx) for n, v in initial.items()}
    executor = sym.bind(ctx, args=arguments, args_grad=gradients, grad_req=requests, aux_states=states)
    executor.forward(is_train=True)
    if isinstance(out_grads, Mapping):
        out_grads = [out_grads[n] for n in sym.list_outputs()]
    executor.backward(None if out_grads is None else [_given(g, ctx, dtype) for g in out_grads])
    got = {n: gradients[n].asnumpy() for n in wanted}
    for name, value in wanted.items():
        target = {"write": np.asarray(value), "add": initial[name] + np.asarray(value), "null": initial[name]}[requests[name]]
        names_ = (f"EXPECTED_{name}", f"BACKWARD_{name}")
        assert_almost_equal(target, got[name], rtol, atol, names_, equal_nan=equal_nan)
    return gradients


def simple_forward(sym: Any, ctx: Any = None, is_train: bool = False, **inputs: Any) -> Any:
    """Run a Symbol on NumPy arrays; return one NumPy array, or a list of several.

    >>> simple_forward(None)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    weft.engine.errors.MXNetError: simple_forward: expected a Symbol, got NoneType; ...
    """
    _needs_symbol(sym, "simple_forward")
    ctx = default_context() if ctx is None else ctx
    executor = sym.bind(ctx, {name: _nd(value, ctx) for name, value in inputs.items()})
    executor.forward(is_train=is_train)
    outputs = [o.asnumpy() for o in executor.outputs]
    return outputs[0] if len(outputs) == 1 else outputs


def check_speed(
    sym: Any, location: Any = None, ctx: Any = None, N: int = 20, grad_req: Any = None, typ: str = "whole", **kwargs: Any
) -> float:
    """Return the seconds of one forward (``typ="forward"``) or forward and backward pass (``"whole"``), averaged over `N`.

    >>> check_speed(None)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    weft.engine.errors.MXNetError: check_speed: expected a Symbol, got NoneType; ...
    """
    _needs_symbol(sym, "check_speed")
    if typ not in ("whole", "forward"):
        raise ValueError(f"typ={typ!r}: expected 'whole' or 'forward'")
    ctx = default_context() if ctx is None else ctx
    grad_req = "write" if grad_req is None else grad_req
    if location is None:
        executor = sym.simple_bind(grad_req=grad_req, ctx=ctx, **kwargs)
        location = {n: np.random.normal(size=a.shape) for n, a in executor.arg_dict.items()}
    else:
        executor = sym.simple_bind(grad_req=grad_req, ctx=ctx, **{n: np.shape(v) for n, v in location.items()})
    for name, value in location.items():
        executor.arg_dict[name][:] = np.asarray(value).astype(executor.arg_dict[name].dtype)

    def once() -> None:
        executor.forward(is_train=typ == "whole")
        if typ == "whole":
            executor.backward(out_grads=executor.outputs)
        for output in executor.outputs:
            output.wait_to_read()

    once()
    start = time.perf_counter()
    for _ in range(N):
        once()
    return (time.perf_counter() - start) / N


def compare_optimizer(
    opt1: Any,
    opt2: Any,
    shape: Any,
    dtype: Any,
    w_stype: str = "default",
    g_stype: str = "default",
    rtol: float = 1e-4,
    atol: float = 1e-5,
    compare_states: bool = True,
    ntensors: int = 1,
) -> None:
    """Raise AssertionError unless two optimizers make the same step from the same weights, gradients and states.

    A list of shapes stands for the first `ntensors` arrays, which `opt1` updates one by one and `opt2` all at once.

    >>> compare_optimizer(None, None, (2,), "float32", w_stype="csr")
    Traceback (most recent call last):
    weft.engine.errors.MXNetError: w_stype='csr', g_stype='default': sparse storage is not supported
    """
    if (w_stype, g_stype) != ("default", "default"):
        raise MXNetError(f"w_stype={w_stype!r}, g_stype={g_stype!r}: sparse storage is not supported")
    several = isinstance(shape, list)
    shapes = [tuple(s) for s in shape][:ntensors] if several else [tuple(shape)]
    weights = [uniform(shape=s, dtype=dtype) for s in shapes]
    gradients = [uniform(shape=s, dtype=dtype) for s in shapes]
    indices = list(range(len(shapes)))
    results = []
    for optimizer, together in ((opt1, False), (opt2, several)):
        own = [w.copy() for w in weights]
        states = [optimizer.create_state_multi_precision(i, w) for i, w in zip(indices, own)]
        copies = [g.copy() for g in gradients]
        if together:
            optimizer.update_multi_precision(indices, own, copies, states)
        else:
            for each in zip(indices, own, copies, states):
                optimizer.update_multi_precision(*each)
        results.append((own, states))
    (w1, s1), (w2, s2) = results
    if compare_states:
        for a, b in zip(s1, s2):
            compare_ndarray_tuple(a, b, rtol=rtol, atol=atol)
    for a, b in zip(w1, w2):
        assert_almost_equal(a, b, rtol=rtol, atol=atol)
