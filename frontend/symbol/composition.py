"""Making nodes: arguments of an operator's function to inputs, parameters and the variables that are missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...ops import registry
from ...ops.errors import ArgumentTypeError, ArgumentValueError, MXNetError
from ...ops.params import Attrs, plain_text
from ...ops.registry import Operator
from .. import attribute
from .. import name as naming
from ..base import _Null
from ..graph.ir import Node, topological_order
from .attributes import HIDDEN, as_text, hidden_key, is_user_key, refuse_deprecated

if TYPE_CHECKING:
    from .symbol import Symbol

__all__ = ["SymbolFunction", "make_node", "substitute"]

Entry = tuple[Node, int]


def single(symbol: Any, what: str) -> Entry:
    """Return the one entry of a symbol that is used as an input."""
    if len(symbol._entries) != 1:
        raise MXNetError(f"{what} is a group of {len(symbol._entries)} outputs ({symbol!r:.80}), expected a single one")
    return symbol._entries[0]


def is_symbol(value: Any) -> bool:
    """Whether a value is a Symbol."""
    return hasattr(value, "_entries")


class Call:
    """The arguments of one call, sorted."""

    __slots__ = ("attributes", "inputs", "params", "positional")

    def __init__(self) -> None:
        self.inputs: dict[str, Any] = {}
        self.positional: list[Any] = []
        self.params: dict[str, Any] = {}
        self.attributes: dict[str, str] = {}


def _sort(op: Operator, args: Sequence[Any], kwargs: dict[str, Any]) -> Call:
    """Sort the arguments of an operator's function."""
    call = Call()
    if op.variadic:
        if len(args) == 1 and isinstance(args[0], (list, tuple)):
            args = args[0]
        call.positional = list(args)
        for index, value in enumerate(args):
            if not is_symbol(value):
                raise ArgumentTypeError(f"{op.name}: input {index} must be a Symbol, got {type(value).__name__} ({value!r:.60})")
    else:
        positions = op._positions
        if len(args) > len(positions):
            raise ArgumentTypeError(f"{op.name}: takes at most {len(positions)} arguments by position, got {len(args)}")
        for argument, value in zip(positions, args):
            if argument in kwargs:
                raise ArgumentTypeError(f"{op.name}: argument {argument!r} given by position and by name")
            _place(op, call, argument, value)
    for key, value in kwargs.items():
        _place(op, call, key, value)
    return call


def _place(op: Operator, call: Call, key: str, value: Any) -> None:
    """Put one argument where it belongs."""
    if is_symbol(value):
        if key in op.param_by_name:
            raise ArgumentTypeError(f"{op.name}: parameter {key!r} is a Symbol, expected {op.param_by_name[key].expects()}")
        call.inputs[key] = value
    elif key in op.inputs:
        if value is not None:
            raise ArgumentTypeError(f"{op.name}: input {key!r} must be a Symbol, got {type(value).__name__} ({value!r:.60})")
    elif key in op.param_by_name:
        # MXNet reads dtype=None as float64, which nobody means.
        if value is not _Null and not (value is None and key == "dtype"):
            call.params[key] = value
    elif key in HIDDEN or (key.startswith("__") and key.endswith("__")):
        call.attributes[hidden_key(key)] = plain_text(value)
    elif op.variadic and key == op.inputs[0].lstrip("*") and isinstance(value, (list, tuple)):
        call.positional += value
    else:
        refuse_deprecated(key, value)
        if not op.ignores(key, value):
            raise op._unknown(key)
        call.attributes[key] = plain_text(value)


def _add_attributes(op: Operator, call: Call, attr: dict[str, str] | None) -> None:
    """Add the attributes of the call and of the AttrScope it is in."""
    if attr is not None and not isinstance(attr, dict):
        raise ArgumentTypeError(f"{op.name}: attr must be a dict of str to str, got {type(attr).__name__}")
    for key, value in attribute.current().get(attr).items():
        if key in op.param_by_name:
            call.params[key] = value
            continue
        refuse_deprecated(key, value)
        stored = hidden_key(key)
        if not is_user_key(op, stored):
            raise op._unknown(key)
        call.attributes.setdefault(stored, plain_text(value))


def _attrs(op: Operator, call: Call) -> Attrs:
    if op.variadic:
        given = call.params.get(op.count_param)
        count = len(call.positional) + len(call.inputs)
        if given is None:
            call.params[op.count_param] = count
        elif count and op._parse(op.param_by_name[op.count_param], given) < count:
            raise ArgumentValueError(f"{op.name}: {op.count_param}={given!r}, but {count} inputs were given")
    return op.attrs(call.params)


def make_node(op: Operator, attrs: Attrs, name: str, inputs: list[Entry | None], annotations: dict[str, str]) -> Node:
    """Return an operator's node; inputs that are None become variables ``<name>_<input>``.

    The variables get a copy of the node's attributes, as MXNet gives them, and what the operator declares for them.
    """
    names = op.input_names(attrs)
    entries: list[Entry] = []
    for argument, entry in zip(names, inputs):
        if entry is None:
            entry = (Node(None, None, f"{name}_{argument}" if name else argument, (), annotations), 0)
        entries.append(entry)
    if op.variable_attrs is not None:
        declared = op.variable_attrs(attrs) if callable(op.variable_attrs) else op.variable_attrs
        for argument, (node, _) in zip(names, entries):
            if node.op is None and argument in declared:
                node.annotations = {**declared[argument], **(node.annotations or {})}
    return Node(op, attrs, name, entries, annotations)


def _arranged(op: Operator, attrs: Attrs, call: Call) -> list[Entry | None]:
    """Return the inputs in order, None where one is missing."""
    names = op.input_names(attrs)
    found: list[Entry | None] = [None] * len(names)
    for index, value in enumerate(call.positional):
        found[index] = single(value, f"{op.name}: input {index}")
    for key, value in call.inputs.items():
        if key not in names:
            if key in op.inputs:
                raise MXNetError(f"{op.name}: input {key!r} is not used with these parameters; its inputs are {', '.join(names)}")
            raise op._unknown(key)
        index = names.index(key)
        if found[index] is not None:
            raise ArgumentTypeError(f"{op.name}: input {key!r} given by position and by name")
        found[index] = single(value, f"{op.name}: input {key!r}")
    return found


class SymbolFunction:
    """An operator as a function of symbols, such as ``sym.FullyConnected``; also a method of Symbol.

    Parameters
    ----------
    op : Operator
        The operator.
    name : str
        The name it is called by; nodes without a name are called after it.
    """

    def __init__(self, op: Operator, name: str) -> None:
        self.op = op
        self.__name__ = self.__qualname__ = name
        self.hint = name.lower()

    def __repr__(self) -> str:
        return f"<symbol function {self.__name__}>"

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is None:
            return self
        return lambda *args, **kwargs: self(instance, *args, **kwargs)

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        text = self.op.docstring().replace("NDArray or list of NDArray, optional", "Symbol, optional").replace("NDArray", "Symbol")
        return text.replace("Where to write the result.", "Not used: a graph decides itself where results go.")

    @property
    def __signature__(self) -> Any:
        import inspect

        found = list(self.op.signature().parameters.values())[:-2]
        by_name = inspect.Parameter.KEYWORD_ONLY
        found = [
            item.replace(default=None) if item.name in self.op.inputs and item.kind is not inspect.Parameter.VAR_POSITIONAL else item
            for item in found
        ]
        seen_default = False
        for index, item in enumerate(found):
            if item.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
                if seen_default and item.default is inspect.Parameter.empty:
                    found[index] = item.replace(default=registry.REQUIRED)
                seen_default = seen_default or item.default is not inspect.Parameter.empty
        found += [inspect.Parameter(name, by_name, default=None) for name in ("name", "attr", "out")]
        return inspect.Signature(found)

    def __call__(self, *args: Any, **kwargs: Any) -> Symbol:
        name = kwargs.pop("name", None)
        attr = kwargs.pop("attr", None)
        kwargs.pop("out", None)
        call = _sort(self.op, args, kwargs)
        return create(self.op, self.hint, call, name, attr)


def create(op: Operator, hint: str, call: Call, name: str | None, attr: dict[str, str] | None) -> Symbol:
    """Make the symbol of a call."""
    from .symbol import symbol_of

    _add_attributes(op, call, attr)
    attrs = _attrs(op, call)
    inputs = _arranged(op, attrs, call)
    annotations = {key: as_text(op, key, value) for key, value in call.params.items()}
    annotations.update(call.attributes)
    node = make_node(op, attrs, naming.current().get(name, hint), inputs, annotations)
    return symbol_of(node)


def create_node(
    op: Operator, attrs: Attrs, name: str, inputs: list[Entry | None], texts: dict[str, str], attr: dict[str, str] | None = None
) -> Node:
    """Make a node whose parameters are known, with the attributes of the AttrScope."""
    call = Call()
    _add_attributes(op, call, attr)
    return make_node(op, attrs, name, inputs, {**texts, **call.attributes})


def from_hook(op: Operator, inputs: Sequence[Any], attrs: Attrs, name: str | None) -> Symbol:
    """Make a symbol where an operator's imperative function was called with symbols."""
    from .symbol import symbol_of

    entries = []
    for argument, value in zip(op.input_names(attrs), inputs):
        if not is_symbol(value):
            raise ArgumentTypeError(f"{op.name}: input {argument!r} must be a Symbol like the others, got {type(value).__name__}")
        entries.append(single(value, f"{op.name}: input {argument!r}"))
    node = create_node(op, attrs.with_(train=False), naming.current().get(name, op.name.lower()), list(entries), op.format_attrs(attrs))
    return symbol_of(node)


def substitute(entries: Sequence[Entry], replacements: dict[str, Entry], name: str | None) -> list[Entry]:
    """Return copies of the entries' nodes in which variables are replaced by name: composition of a finished symbol.

    The nodes of the replacements are not copied. ``name`` becomes the name of the first output's node.
    """
    order = topological_order(entries)
    known = {node.name for node in order if node.op is None}
    for key in replacements:
        if key not in known:
            raise MXNetError(f"composition: there is no input named {key!r}; the inputs are {', '.join(sorted(known)) or 'none'}")
    made: dict[Node, Entry] = {}
    for node in order:
        if node.op is None and node.name in replacements:
            made[node] = replacements[node.name]
            continue
        copy = node.copy()
        copy.inputs = [_moved(made, entry) for entry in node.inputs]
        if node.controls is not None:
            copy.controls = [made[other][0] for other in node.controls]
        made[node] = (copy, 0)
    found = [_moved(made, entry) for entry in entries]
    if name and found and entries[0][0].op is not None:
        found[0][0].name = name
    return found


def _moved(made: dict[Node, Entry], entry: Entry) -> Entry:
    node, index = entry
    there = made[node]
    return there if node.op is None else (there[0], index)
