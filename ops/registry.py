"""Operator declarations: one record per operator, from which functions, checks, documentation and tests are made.

>>> from weft.ops import registry
>>> registry.get("elemwise_add").name
'elemwise_add'
"""

from __future__ import annotations

import fnmatch
import importlib
import inspect
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from . import partial, rules
from .context import Context
from .errors import ArgumentTypeError, ArgumentValueError, MXNetError, ShapeError, warn_caller
from .params import (
    REQUIRED,
    Attrs,
    Axis,
    Bool,
    Dtype,
    Enum,
    Float,
    Floats,
    Int,
    Param,
    Shape,
    Shapes,
    Str,
    attrs_class,
)

__all__ = [
    "REQUIRED",
    "Attrs",
    "Axis",
    "Bool",
    "Dtype",
    "Enum",
    "Float",
    "Floats",
    "Int",
    "Operator",
    "Param",
    "Shape",
    "Shapes",
    "Str",
    "all_operators",
    "bind_arguments",
    "find",
    "get",
    "leave_out",
    "left_out",
    "load_all",
    "operator",
    "reference_run",
    "zero_gradient",
]

# Modules with declarations, in import order. A module may use helpers of the ones before it.
DECLARATION_MODULES: list[str] = [
    "unary",
    "binary",
    "scalar",
    "reduce",
    "creation",
    "ordering",
    "random",
    "random_pdf",
    "shape",
    "slicing",
    "nn_linear",
    "nn_conv",
    "nn_pool",
    "nn_activation",
    "nn_softmax",
    "nn_batchnorm",
    "blocked",
    "nn_norm",
    "nn_dropout",
    "nn_rnn",
    "nn_resize",
    "nn_roi",
    "nn_spatial",
    "nn_rotated",
    "nn_psroi",
    "nn_deformable",
    "loss",
    "ctc",
    "image",
    "contrib_misc",
    "contrib_hawkes",
    "contrib_attention",
    "contrib_box",
    "contrib_multibox",
    "contrib_proposal",
    "indexing",
    "positions",
    "sequence",
    "im2col",
    "linalg",
    "dot",
    "control_flow",
    "custom",
    "left_out",
    "optimizer_update",
    "fused",
]

_operators: dict[str, Operator] = {}
_by_name: dict[str, Operator] = {}
#: Operators of modules whose import failed; they may be declared again.
_forgotten: set[str] = set()
_left_out: dict[str, str] = {}

_INPUT_DOCS = {
    "data": "Input array.",
    "lhs": "First operand.",
    "rhs": "Second operand.",
    "weight": "Weights.",
    "bias": "Bias, added to the result.",
    "label": "Labels.",
    "grad": "Gradient.",
    "out_grad": "Gradient of the output.",
    "args": "Input arrays.",
}


def zero_gradient(ctx: Any, *out_grads: Any) -> list[None]:
    """Gradient of functions that are constant almost everywhere: nothing flows back, and that is no error."""
    return [None] * len(ctx.inputs)


class Operator:
    """Everything weft knows about one operator. Made by :func:`operator`; treat as read-only."""

    __slots__ = (
        "_attrs_class",
        "_default_attrs",
        "_holds_objects",
        "_positions",
        "active_inputs",
        "aliases",
        "aux",
        "cost",
        "count_param",
        "cpu",
        "doc",
        "dtype",
        "dynamic_params",
        "examples",
        "gradient",
        "hidden_params",
        "infer_dtypes",
        "infer_inputs",
        "infer_partial",
        "inplace",
        "input_docs",
        "inputs",
        "loss",
        "mutates",
        "name",
        "num_outputs",
        "numpy",
        "opaque",
        "output_names",
        "param_by_name",
        "params",
        "random",
        "resolve",
        "saves",
        "shape",
        "unread",
        "uses_train",
        "variable_attrs",
        "variadic",
        "view",
        "visible_outputs",
    )

    name: str
    aliases: tuple[str, ...]
    inputs: tuple[str, ...]
    params: tuple[Param, ...]
    param_by_name: dict[str, Param]
    variadic: bool
    count_param: Any
    aux: tuple[str, ...] | Callable[[Attrs], Sequence[str]]
    active_inputs: Callable[[Attrs], Sequence[str]] | None
    output_names: Sequence[str] | Callable[[Attrs], Sequence[str]] | None
    variable_attrs: dict[str, dict[str, str]] | Callable[[Attrs], dict[str, dict[str, str]]] | None
    _positions: list[str]
    cpu: tuple[Callable[..., Any], ...]
    gradient: Callable[..., Any] | None
    numpy: Callable[..., Any] | None

    def __repr__(self) -> str:
        return f"<Operator {self.name}>"

    def __reduce__(self) -> tuple:
        return (get, (self.name,))

    @property
    def names(self) -> tuple[str, ...]:
        """The operator's name and all its aliases."""
        return (self.name, *self.aliases)

    @property
    def differentiable(self) -> bool:
        """Whether a gradient is declared (it may be zero)."""
        return self.gradient is not None

    # -- parameters -----------------------------------------------------------------------------------------------

    def attrs(self, values: dict[str, Any] | None = None, **more: Any) -> Attrs:
        """Parse parameter values (Python values or MXNet's strings) into an attribute record.

        >>> from weft.ops import registry
        >>> registry.get("sum").attrs(axis="(0, 1)").axis
        (0, 1)
        """
        given = {**values, **more} if values else more
        if not given and self._default_attrs is not None:
            return self._default_attrs
        parsed = {}
        for name, value in given.items():
            param = self.param_by_name.get(name)
            if param is None:
                raise self._unknown(name)
            parsed[name] = self._parse(param, value)
        for param in self.params:
            if param.name not in parsed:
                if param.required:
                    raise ArgumentTypeError(f"{self.name}: missing required parameter {param.name!r} ({param.expects()})")
                parsed[param.name] = param.default
        made = self._attrs_class(parsed)
        # Hidden parameters hold graphs and the like, which must not be kept alive.
        return made if self._holds_objects else made.interned()

    def attrs_from(self, other: Attrs) -> Attrs:
        """Return this operator's attributes with the values that ``other`` holds under the same names."""
        if type(other) is self._attrs_class:
            return other
        values = {name: value for name, value in other.to_dict().items() if name in self.param_by_name}
        return self.attrs(values).with_(train=other.train)

    def format_attrs(self, attrs: Attrs, *, defaults: bool = False) -> dict[str, str]:
        """Return parameters as MXNet's JSON strings; those equal to their default only if ``defaults``."""
        result = {}
        for param in self.params:
            value = getattr(attrs, param.name)
            if defaults or param.required or value != param.default:
                result[param.name] = param.format(value)
        return result

    def _parse(self, param: Param, value: Any) -> Any:
        try:
            return param.parse(value)
        except TypeError as error:
            raise ArgumentTypeError(f"{self.name}: {error}") from None
        except ValueError as error:
            raise ArgumentValueError(f"{self.name}: {error}") from None

    def _unknown(self, name: str) -> Exception:
        import difflib

        known = [*self.argument_names(), "out", "name"]
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        return ArgumentTypeError(f"{self.name}: unknown argument {name!r}{hint} (it takes {', '.join(known)})")

    def ignores(self, name: str, value: Any) -> bool:
        """Whether an argument goes unheeded, with a warning, as MXNet does where an operator has no parameters; arrays never do."""
        plain = value is None or isinstance(value, (str, int, float, tuple, list, np.generic, np.dtype, type, Context))
        if self.params or not plain or name in self.inputs:
            return False
        warn_caller(f"{self.name} has no parameters: {name}={value} is ignored")
        return True

    def argument_names(self) -> list[str]:
        """Return the names of inputs and visible parameters in call order."""
        names = [name.lstrip("*") for name in self.inputs]
        return names + [param.name for param in self.params if param.name not in self.hidden_params]

    # -- inputs and outputs ---------------------------------------------------------------------------------------

    def input_names(self, attrs: Attrs) -> tuple[str, ...]:
        """Return the names of the inputs this call has; variadic ones are called arg0, arg1 ... as in MXNet."""
        if self.active_inputs is not None:
            return tuple(self.active_inputs(attrs))
        if self.variadic:
            return tuple(f"arg{i}" for i in range(getattr(attrs, self.count_param)))
        return self.inputs

    def state_names(self, attrs: Attrs) -> tuple[str, ...]:
        """Return the names of the inputs that are auxiliary states."""
        return tuple(self.aux(attrs)) if callable(self.aux) else self.aux

    def count_outputs(self, attrs: Attrs) -> int:
        """Return the number of outputs, hidden ones included."""
        return self.num_outputs(attrs) if callable(self.num_outputs) else self.num_outputs

    def count_visible(self, attrs: Attrs) -> int:
        """Return the number of outputs a caller sees."""
        visible = self.visible_outputs
        if visible is None:
            return self.count_outputs(attrs)
        return visible(attrs) if callable(visible) else visible

    def output_name(self, attrs: Attrs, index: int) -> str:
        """Return what symbols call an output, after the node's name and an underscore."""
        names = self.output_names(attrs) if callable(self.output_names) else self.output_names
        if names is not None:
            return names[index]
        return "output" if self.count_outputs(attrs) == 1 else f"output{index}"

    def mutated_inputs(self, attrs: Attrs) -> tuple[int, ...]:
        """Return the indices of the inputs that the kernel also writes."""
        return tuple(self.mutates(attrs)) if callable(self.mutates) else self.mutates

    def unread_inputs(self, attrs: Attrs) -> tuple[int, ...]:
        """Return the indices of the inputs of which only shape and dtype matter."""
        return tuple(self.unread(attrs)) if callable(self.unread) else self.unread

    def is_loss(self, attrs: Attrs) -> bool:
        """Whether backward begins at this call, whatever the gradient of its output."""
        return self.loss(attrs) if callable(self.loss) else self.loss

    def acts_on_zeros(self, attrs: Attrs, train: bool) -> bool:
        """Whether the gradient runs even where none flows back: losses read none, training moves states, programs do anything."""
        return self.is_loss(attrs) or (train and bool(self.state_names(attrs))) or self.opaque

    def inplace_pairs(self, attrs: Attrs) -> tuple[tuple[int, int], ...]:
        """Return the (input, output) pairs that may share storage."""
        return tuple(self.inplace(attrs)) if callable(self.inplace) else self.inplace

    def infer_shapes(self, attrs: Attrs, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Return output shapes, or raise ShapeError naming the operator and all input shapes."""
        try:
            return list(self.shape(attrs, shapes))
        except (ValueError, IndexError, TypeError, MXNetError) as error:
            raise ShapeError(f"{self.name}: {error} (input shapes: {self._describe(attrs, shapes)})") from None

    def infer_types(self, attrs: Attrs, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
        """Return output dtypes, or raise ShapeError naming the operator and all input dtypes."""
        try:
            return list(self.dtype(attrs, dtypes))
        except (ValueError, IndexError, TypeError, MXNetError) as error:
            raise ShapeError(f"{self.name}: {error} (input dtypes: {self._describe(attrs, dtypes)})") from None

    def infer(
        self, attrs: Attrs, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[np.dtype]
    ) -> tuple[list[tuple[int, ...]], list[np.dtype]]:
        """Return output shapes and dtypes."""
        return self.infer_shapes(attrs, shapes), self.infer_types(attrs, dtypes)

    def refine_shapes(self, attrs: Attrs, ins: Sequence[Any], outs: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Return partial shapes of inputs and outputs with all that follows from them filled in.

        A partial shape is None or has 0 for extents that are not known. Raises ShapeError on contradictions.

        >>> from weft.ops import registry
        >>> registry.get("elemwise_add").refine_shapes(None, [(0, 3), None], [(2, 0)])
        ([(2, 3), (2, 3)], [(2, 3)])
        """
        before = (list(ins), list(outs))
        try:
            while True:
                after = self.infer_partial(self, attrs, *before)
                if after == before:
                    return after
                before = after
        except (ValueError, IndexError, TypeError, MXNetError) as error:
            raise ShapeError(f"{self.name}: {error} (input shapes: {self._describe(attrs, ins)})") from None

    def refine_types(self, attrs: Attrs, ins: Sequence[Any], outs: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Return dtypes of inputs and outputs, None where unknown, with all that follows from them filled in."""
        try:
            return partial.refine_dtypes(self, attrs, list(ins), list(outs))
        except (ValueError, IndexError, TypeError, MXNetError) as error:
            raise ShapeError(f"{self.name}: {error} (input dtypes: {self._describe(attrs, ins)})") from None

    def _describe(self, attrs: Attrs, items: Sequence[Any]) -> str:
        return ", ".join(f"{name}={item}" for name, item in zip(self.input_names(attrs), items)) or "none"

    def backward(self, ctx: Any, *out_grads: Any) -> list[Any]:
        """Run the declared gradient; raise MXNetError where there is none."""
        if self.gradient is None:
            raise MXNetError(f"{self.name} has no gradient: it cannot lie between a loss and a variable")
        return self.gradient(ctx, *out_grads)

    # -- documentation --------------------------------------------------------------------------------------------

    def signature(self) -> inspect.Signature:
        """Return the signature of the public function."""
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        optional = self._optional_inputs()
        arguments = []
        for name in self.inputs:
            if self.variadic:
                arguments.append(inspect.Parameter(name.lstrip("*"), inspect.Parameter.VAR_POSITIONAL))
                kind = inspect.Parameter.KEYWORD_ONLY
            else:
                default = None if name in optional else inspect.Parameter.empty
                arguments.append(inspect.Parameter(name, kind, default=default))
        for param in self.params:
            if param.name in self.hidden_params:
                continue
            default = param.default
            if param.required:
                needs_default = arguments and arguments[-1].default is not inspect.Parameter.empty
                default = REQUIRED if needs_default else inspect.Parameter.empty
            arguments.append(inspect.Parameter(param.name, kind, default=default))
        arguments.append(inspect.Parameter("out", kind, default=None))
        arguments.append(inspect.Parameter("name", kind, default=None))
        return inspect.Signature(arguments)

    def _optional_inputs(self) -> set[str]:
        if self.active_inputs is None or self._default_attrs is None:
            # Without a default attribute record nothing can be said; a declared choice makes the tail optional.
            return set() if self.active_inputs is None else set(self.inputs[1:])
        return set(self.inputs) - set(self.active_inputs(self._default_attrs))

    def docstring(self) -> str:
        """Return a NumPy-style docstring made from the declaration."""
        lines = [inspect.cleandoc(self.doc), "", "Parameters", "----------"]
        for name in self.inputs:
            bare = name.lstrip("*")
            lines += [f"{name} : NDArray", f"    {self.input_docs.get(bare) or _INPUT_DOCS.get(bare, 'Input array.')}"]
        for param in self.params:
            if param.name in self.hidden_params:
                continue
            default = "required" if param.required else f"default {param.default!r}"
            lines.append(f"{param.name} : {param.expects()}, {default}")
            if param.doc:
                lines.append(f"    {param.doc}")
        lines += ["out : NDArray or list of NDArray, optional", "    Where to write the result."]
        lines += ["name : str, optional", "    Name of the node in a symbolic graph."]
        lines += ["", "Returns", "-------", "NDArray or list of NDArray", "    The result."]
        if self.aliases:
            lines += ["", "Notes", "-----", f"Other names: {', '.join(self.aliases)}."]
        if self.examples:
            lines += ["", "Examples", "--------", inspect.cleandoc(self.examples)]
        return "\n".join(lines)


# ---- declaring ---------------------------------------------------------------------------------------------------------


def operator(
    name: str,
    *,
    aliases: Iterable[str] = (),
    inputs: Sequence[str] = ("data",),
    active_inputs: Callable[[Attrs], Sequence[str]] | None = None,
    aux: Sequence[str] | Callable[[Attrs], Sequence[str]] = (),
    params: Sequence[Param] = (),
    count_param: str = "num_args",
    shape: Callable[..., Any] = rules.same_shape,
    infer_inputs: Callable[..., Any] | None = None,
    infer_partial: partial.Rule | None = None,
    resolve: Callable[..., Any] | None = None,
    dtype: Callable[..., Any] = rules.same_dtype,
    infer_dtypes: Callable[..., Any] | None = None,
    num_outputs: int | Callable[[Attrs], int] = 1,
    visible_outputs: int | Callable[[Attrs], int] | None = None,
    output_names: Sequence[str] | Callable[[Attrs], Sequence[str]] | None = None,
    variable_attrs: dict[str, dict[str, str]] | Callable[[Attrs], dict[str, dict[str, str]]] | None = None,
    gradient: Callable[..., Any] | None = None,
    saves: str = "io",
    inplace: Sequence[tuple[int, int]] | Callable[[Attrs], Sequence[tuple[int, int]]] = (),
    view: bool | Callable[[Attrs], bool] = False,
    unread: Sequence[int] | Callable[[Attrs], Sequence[int]] = (),
    mutates: Sequence[int] | Callable[[Attrs], Sequence[int]] = (),
    random: bool = False,
    uses_train: bool = False,
    loss: bool | Callable[[Attrs], bool] = False,
    opaque: bool = False,
    cpu: Sequence[Callable[..., Any]] = (),
    numpy: Callable[..., Any] | None = None,
    cost: float | Callable[..., float] | None = None,
    doc: str = "",
    input_docs: dict[str, str] | None = None,
    examples: str = "",
) -> Operator:
    """Declare an operator and register it under its name and all its aliases.

    Parameters
    ----------
    name : str
        Main name; the one that is written into JSON files.
    aliases : iterable of str
        Every other name MXNet has for the same operator.
    inputs : sequence of str
        Input names in order. ``("*data",)`` takes any number of arrays; their count is then the value of the
        parameter ``count_param``, which is added (hidden from the signature) where it is not declared.
    active_inputs : callable, optional
        ``attrs -> names`` of the inputs that this call has; without it all are needed.
    aux : sequence of str or callable
        Inputs that are auxiliary states; ``attrs -> names`` where they depend on the parameters.
    params : sequence of Param
        Parameters in MXNet's order.
    shape, dtype : callable
        ``(attrs, input shapes or dtypes) -> list`` for all outputs; raise ValueError on misfit.
    infer_inputs, infer_dtypes : callable, optional
        ``(attrs, shapes or dtypes with None) -> list`` with unknown inputs filled in where possible.
    infer_partial : callable, optional
        Rule for partly known shapes in both directions (see ``ops/partial.py``); without one it follows from ``shape``.
    resolve : callable, optional
        ``(attrs, inputs) -> attrs`` for operators whose shapes depend on values: it waits for the arrays ``inputs`` and
        puts what decides into a hidden parameter, before the shape rule is asked.
    num_outputs, visible_outputs : int or callable
        Number of outputs and of those a caller sees.
    output_names : sequence of str or callable, optional
        What symbols call the outputs, after the node's name; "output", or "output0", "output1" ... by default.
    variable_attrs : dict or callable, optional
        Attributes that symbols give to variables used as these inputs, such as their initializer.
    gradient : callable, optional
        ``(ctx, *out_grads) -> list`` per active input. ``zero_gradient`` for piecewise constant operators; without
        one, differentiating through the operator is an error.
    saves : str
        What the gradient uses of the call: inputs ("i"), outputs ("o"), both or nothing.
    inplace : sequence of (input, output), or callable
        Pairs that may share storage; ``attrs -> pairs`` where they depend on the number of inputs.
    view : bool or callable
        The first output is the first input's elements in their order, so that a graph may let it be the same bytes;
        ``attrs -> bool`` where it depends on the parameters.
    unread : sequence of int, or callable
        Inputs of which only shape and dtype matter, so that a graph need not keep their values; ``attrs -> indices``
        where they depend on the parameters.
    mutates : sequence of int, or callable
        Inputs that the kernel also writes; ``attrs -> indices`` where they depend on the number of inputs.
    random, uses_train : bool
        The kernel needs random numbers; it depends on the training mode.
    loss : bool or callable
        The gradient function does not read the gradient of the output: the operator is where backward begins.
    opaque : bool
        It runs a program's own code, which may do anything: its calls are neither merged nor repeated.
    cpu : sequence of callables
        Kernel builders ``(attrs, in_specs, out_specs) -> kernel or None``, best first.
    numpy : callable, optional
        ``(attrs, ins, outs)``: writes results into the arrays ``outs``. It is also the reference in tests.
    cost : float or callable, optional
        Estimated nanoseconds, or ``(attrs, in_shapes, out_shapes) -> nanoseconds``.
    doc, input_docs, examples : str, dict, str
        Documentation of the operator and of its inputs.

    Returns
    -------
    Operator
    """
    op = Operator()
    op.name = name
    op.aliases = tuple(alias for alias in aliases if alias != name)
    op.inputs = tuple(inputs)
    op.variadic = bool(inputs) and inputs[0].startswith("*")
    op.count_param = count_param if op.variadic else None
    params = tuple(params)
    op.hidden_params = frozenset(param.name for param in params if param.hidden)
    if op.variadic and count_param not in {param.name for param in params}:
        params += (Int(count_param, low=0, doc="Number of inputs; counted from the arguments."),)
        op.hidden_params |= {count_param}
    op.params = params
    op.param_by_name = {param.name: param for param in params}
    op.dynamic_params = tuple(param.name for param in params if param.dynamic)
    op._attrs_class = attrs_class(params)
    op._holds_objects = any(param.hidden for param in params)
    required = any(param.required for param in params)
    op._default_attrs = None if required else op._attrs_class({param.name: param.default for param in params})
    op._positions = op.argument_names()
    op.active_inputs = active_inputs
    op.aux = aux if callable(aux) else tuple(aux)
    op.shape = shape
    op.infer_inputs = infer_inputs
    op.infer_partial = infer_partial or partial.COMPANIONS.get(shape, partial.forward)
    op.resolve = resolve
    op.dtype = dtype
    op.infer_dtypes = infer_dtypes
    op.num_outputs = num_outputs
    op.visible_outputs = visible_outputs
    op.output_names = output_names
    op.variable_attrs = variable_attrs
    op.gradient = gradient
    op.saves = saves if gradient is not None and gradient is not zero_gradient else ""
    op.inplace = inplace if callable(inplace) else tuple(inplace)
    op.view = view
    op.unread = unread if callable(unread) else tuple(unread)
    op.mutates = mutates if callable(mutates) else tuple(mutates)
    op.random = random
    op.uses_train = uses_train
    op.loss = loss
    op.opaque = opaque
    op.cpu = tuple(builder for builder in cpu if builder is not None)
    op.numpy = numpy
    op.cost = cost
    op.doc = doc
    op.input_docs = input_docs or {}
    op.examples = examples
    if numpy is None and not op.cpu:
        raise ValueError(f"operator {name!r} is declared without any kernel")
    _register(op)
    return op


def _register(op: Operator) -> None:
    if op.name in _forgotten:
        _forgotten.discard(op.name)
        for name in _operators.pop(op.name).names:
            del _by_name[name]
    for name in op.names:
        if name in _by_name:
            raise ValueError(f"operator name {name!r} is declared twice ({_by_name[name].name} and {op.name})")
    for name in op.names:
        _by_name[name] = op
    _operators[op.name] = op


def leave_out(names: str | Iterable[str], reason: str) -> None:
    """Record why operators of MXNet are deliberately not offered; a name may be a pattern such as ``_cv*``."""
    for name in (names,) if isinstance(names, str) else names:
        _left_out[name] = reason


def left_out(name: str) -> str | None:
    """Return why an operator is deliberately missing, or None where it is not."""
    load_all()
    if name in _by_name:
        return None
    for pattern, reason in _left_out.items():
        if fnmatch.fnmatchcase(name, pattern):
            return reason
    return None


# ---- looking up --------------------------------------------------------------------------------------------------------

_loading = threading.RLock()
_state = "empty"  # "loading": the thread that holds the lock is importing; "failed": some declarations are there; "loaded"


def load_all() -> None:
    """Import every module with declarations (once); other threads wait until all are there."""
    global _state
    if _state == "loaded":
        return
    with _loading:
        if _state in ("loaded", "loading"):  # the modules look operators up themselves
            return
        _state = "loading"
        try:
            for module in DECLARATION_MODULES:
                importlib.import_module(f".{module}", __package__)
        except BaseException:
            _state = "failed"
            # What the failed module has declared, it declares again: Python imports it anew.
            _forgotten.update(_operators)
            raise
        _state = "loaded"
        _forgotten.clear()


def find(name: str) -> Operator | None:
    """Return the operator with this name or alias, or None."""
    found = _by_name.get(name)
    if found is None and _state != "loaded":
        load_all()
        found = _by_name.get(name)
    return found


def get(name: str) -> Operator:
    """Return the operator with this name or alias.

    Raises
    ------
    MXNetError
        When there is none; the message lists similar names.
    """
    op = find(name)
    if op is None:
        import difflib

        if reason := left_out(name):
            raise MXNetError(f"operator {name!r} is not part of weft: {reason}")
        close = difflib.get_close_matches(name, list(_by_name), n=3)
        raise MXNetError(f"no operator named {name!r}" + (f"; did you mean {' or '.join(close)}?" if close else ""))
    return op


def all_operators() -> list[Operator]:
    """Return all operators, each once, in order of declaration."""
    load_all()
    return list(_operators.values())


def all_names() -> dict[str, Operator]:
    """Return every name and alias with its operator."""
    load_all()
    return dict(_by_name)


# ---- calling -----------------------------------------------------------------------------------------------------------


def bind_arguments(op: Operator, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[list[Any], Attrs, Any, Any]:
    """Sort the arguments of a call into inputs, attributes, ``out`` and ``name``.

    Inputs come first, then parameters in MXNet's order, then ``out`` and ``name``. The kinds of the inputs are not
    checked here, so that arrays, symbols and test values bind alike.
    """
    values = dict(kwargs)
    taken = {key: values.pop(key) for key in ("out", "name") if key in values}  # an input may be called out, too
    if op.variadic:
        inputs, attrs = _bind_variadic(op, args, values)
        return inputs, attrs, taken.get("out"), taken.get("name")
    positions = op._positions
    if len(args) > len(positions) + 2:
        raise ArgumentTypeError(f"{op.name}: takes at most {len(positions)} arguments and out, got {len(args)}")
    _take_positional(op, positions, args, values)
    _take_positional(op, ("out", "name"), args[len(positions) :], taken)  # as MXNet's generated functions go on
    given = [values.pop(argument, None) for argument in op.inputs]
    if values and not op.params:
        values = {key: value for key, value in values.items() if not op.ignores(key, value)}
    attrs = op.attrs(values)
    active = op.input_names(attrs)
    by_name = dict(zip(op.inputs, given))
    surplus = [argument for argument, value in by_name.items() if value is not None and argument not in active]
    if surplus:
        raise ArgumentTypeError(
            f"{op.name}: input {surplus[0]!r} is not used with these parameters; expected inputs {', '.join(active)}"
        )
    for argument in active:
        if by_name[argument] is None:
            raise ArgumentTypeError(f"{op.name}: missing input {argument!r}; expected inputs {', '.join(active)}")
    return [by_name[argument] for argument in active], attrs, taken.get("out"), taken.get("name")


def _take_positional(op: Operator, names: Sequence[str], args: Sequence[Any], values: dict[str, Any]) -> None:
    for name, value in zip(names, args):
        if name in values:
            raise ArgumentTypeError(f"{op.name}: argument {name!r} given by position and by name")
        values[name] = value


def _bind_variadic(op: Operator, args: Sequence[Any], values: dict[str, Any]) -> tuple[list[Any], Attrs]:
    bare = op.inputs[0].lstrip("*")
    inputs = list(args)
    if bare in values and not inputs:
        inputs = values.pop(bare)
        inputs = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    elif len(inputs) == 1 and isinstance(inputs[0], (list, tuple)):
        inputs = list(inputs[0])
    given = values.pop(op.count_param, None)
    if given is not None and op._parse(op.param_by_name[op.count_param], given) != len(inputs):
        raise ArgumentValueError(f"{op.name}: {op.count_param}={given!r}, but {len(inputs)} inputs were given")
    values[op.count_param] = len(inputs)
    for index, value in enumerate(inputs):
        if value is None:
            raise ArgumentTypeError(f"{op.name}: input {index} is None")
    return inputs, op.attrs(values)


# ---- the reference -----------------------------------------------------------------------------------------------------


def reference_run(
    op: Operator | str, attrs: Attrs | dict[str, Any] | None, inputs: Sequence[Any], *, seed: int = 0
) -> list[np.ndarray]:
    """Run an operator's NumPy kernel on NumPy arrays, without the engine: the oracle of the tests.

    Inputs that the operator mutates are changed in place.

    >>> from weft.ops.registry import reference_run
    >>> reference_run("sum", {"axis": 0}, [[[1.0, 2.0], [3.0, 4.0]]])
    [array([4., 6.])]
    """
    if isinstance(op, str):
        op = get(op)
    arrays = [np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value) for value in inputs]
    if not isinstance(attrs, Attrs):
        values = dict(attrs or {})
        if op.variadic:
            values.setdefault(op.count_param, len(arrays))
        attrs = op.attrs(values)
    if op.numpy is None:
        raise MXNetError(f"{op.name} has no NumPy kernel to serve as reference")
    if op.random:
        attrs = attrs.with_(rng=np.random.Generator(np.random.Philox(seed)))
    shapes, dtypes = op.infer(attrs, [array.shape for array in arrays], [array.dtype for array in arrays])
    outputs = [np.empty(shape, dtype) for shape, dtype in zip(shapes, dtypes)]
    with np.errstate(all="ignore"):
        op.numpy(attrs, arrays, outputs)
    return outputs
