"""Checks of symbols against each other, and of one symbol in several types or on several devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...ops.array import from_numpy_copy
from .compare import assert_almost_equal

__all__ = ["check_consistency", "same_symbol_structure"]


def same_symbol_structure(sym1: Any, sym2: Any) -> bool:
    """Return whether two symbols have the same operators, connected in the same way; names and attributes may differ.

    Examples
    --------
    >>> import weft as mx
    >>> x, y = mx.sym.Variable("x"), mx.sym.Variable("y")
    >>> same_symbol_structure(mx.sym.exp(x) + x, mx.sym.exp(y) + y)
    True
    >>> same_symbol_structure(mx.sym.exp(x) + x, mx.sym.exp(x) + y)
    False
    """

    def structure(symbol: Any) -> tuple[Any, ...]:
        nodes = symbol._nodes()
        number = {node: index for index, node in enumerate(nodes)}
        rows = [(node.op, [(number[source], index) for source, index in node.inputs]) for node in nodes]
        return rows, [(number[node], index) for node, index in symbol._entries]

    return structure(sym1) == structure(sym2)


def check_consistency(
    sym: Any,
    ctx_list: Sequence[Mapping[str, Any]],
    scale: float = 1.0,
    grad_req: Any = "write",
    arg_params: dict[str, Any] | None = None,
    aux_params: dict[str, Any] | None = None,
    rtol: Any = None,
    atol: Any = None,
    raise_on_err: bool = True,
    ground_truth: Mapping[str, Any] | None = None,
    equal_nan: bool = False,
    use_uniform: bool = False,
    rand_type: Any = np.float64,
) -> dict[str, Any]:
    """Raise AssertionError unless a symbol gives the same outputs and gradients in several ways of binding it.

    Parameters
    ----------
    sym : Symbol or list of Symbol
        One symbol, or one for each way.
    ctx_list : list of dict
        Arguments of ``simple_bind`` for each way: ``ctx``, shapes by name, ``type_dict``.
    scale : float
        Size of the random arguments.
    grad_req : str
        As in ``simple_bind``.
    arg_params, aux_params : dict, optional
        Values of arguments and auxiliary states instead of random ones and zeros.
    rtol, atol : float or dict, optional
        Tolerances; None stands for the dtypes' defaults.
    raise_on_err : bool
        Whether to raise; otherwise differences are printed.
    ground_truth : dict, optional
        What to compare with; by default the way with the most exact outputs.
    equal_nan : bool
        Whether NaN equals NaN.
    use_uniform : bool
        Whether random arguments are uniform instead of normal.
    rand_type : dtype
        What random arguments are rounded to.

    Returns
    -------
    dict
        What was compared with, by the names of outputs and arguments.

    Examples
    --------
    >>> import weft as mx
    >>> ways = [{"ctx": mx.cpu(), "x": (2, 3), "type_dict": {"x": t}} for t in ("float32", "float64")]
    >>> sorted(check_consistency(mx.sym.exp(mx.sym.Variable("x"), name="y"), ways))
    ['x', 'y_output']
    """
    if len(ctx_list) < 2:
        raise ValueError(f"ctx_list has {len(ctx_list)} entries: there must be two at least to compare")
    symbols = list(sym) if isinstance(sym, (list, tuple)) else [sym] * len(ctx_list)
    if len(symbols) != len(ctx_list):
        raise ValueError(f"sym has {len(symbols)} symbols, ctx_list {len(ctx_list)} entries")
    outputs, arguments = symbols[0].list_outputs(), symbols[0].list_arguments()
    for other in symbols:
        if (other.list_outputs(), other.list_arguments()) != (outputs, arguments):
            raise ValueError(f"sym: {other} has other arguments or outputs than {symbols[0]}")
    executors = [other.simple_bind(grad_req=grad_req, **way) for other, way in zip(symbols, ctx_list)]
    _fill(executors, arg_params or {}, aux_params or {}, scale, use_uniform, rand_type)
    for executor in executors:
        executor.forward(is_train=False)
    exact = int(np.argmax([np.dtype(executor.outputs[0].dtype).itemsize for executor in executors]))
    compare = _Comparison(exact, rtol, atol, equal_nan, raise_on_err)
    truth = dict(ground_truth) if ground_truth is not None else {n: o.asnumpy() for n, o in zip(outputs, executors[exact].outputs)}
    compare("prediction", executors, outputs, lambda executor, name: executor.output_dict[name], truth)
    if grad_req != "null":
        least = min((np.dtype(executor.outputs[0].dtype) for executor in executors), key=lambda dtype: dtype.itemsize)
        for executor in executors:
            executor.forward(is_train=True)
        heads = [output.asnumpy().astype(least) for output in executors[exact].outputs]
        for executor in executors:
            executor.backward([from_numpy_copy(h, o.context, o.dtype) for h, o in zip(heads, executor.outputs)])
        if ground_truth is None:
            truth.update({n: o.asnumpy() for n, o in zip(outputs, executors[exact].outputs)})
            truth.update({n: g.asnumpy() for n, g in executors[exact].grad_dict.items() if g is not None})
        compare("training", executors, outputs, lambda executor, name: executor.output_dict[name], truth)
        wanted = [name for name in arguments if executors[0].grad_dict.get(name) is not None and name in truth]
        compare("gradient", executors, wanted, lambda executor, name: executor.grad_dict[name], truth)
    return truth


def _fill(
    executors: Sequence[Any], arg_params: Mapping[str, Any], aux_params: Mapping[str, Any], scale: float, uniform: bool, dtype: Any
) -> None:
    """Give all executors the same arguments, rounded to the least exact type among them."""
    values = dict(arg_params)
    for name, array in sorted(executors[0].arg_dict.items()):
        if name not in values:
            drawn = np.random.uniform(-0.92 * scale, 0.92 * scale, array.shape) if uniform else np.random.normal(0, scale, array.shape)
            values[name] = drawn.astype(dtype)
    for executor in executors:
        for name, array in executor.arg_dict.items():
            array[:] = values[name]
        for name, array in executor.aux_dict.items():
            array[:] = aux_params.get(name, 0)
        for gradient in executor.grad_dict.values():
            if gradient is not None:
                gradient[:] = 0


class _Comparison:
    def __init__(self, exact: int, rtol: Any, atol: Any, equal_nan: bool, strict: bool) -> None:
        self.exact, self.rtol, self.atol, self.equal_nan, self.strict = exact, rtol, atol, equal_nan, strict

    def __call__(self, what: str, executors: Sequence[Any], names: Sequence[str], get: Any, truth: Mapping[str, Any]) -> None:
        for index, executor in enumerate(executors):
            for name in names:
                try:
                    labels = (f"{what}_{index}_{name}", f"{what}_expected_{name}")
                    assert_almost_equal(get(executor, name), truth[name], self.rtol, self.atol, labels, equal_nan=self.equal_nan)
                except AssertionError as error:
                    if self.strict:
                        raise
                    print(f"{what} of way {index} differs from way {self.exact} at {name}: {error}")
