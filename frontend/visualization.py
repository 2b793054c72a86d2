"""``mx.viz``: networks as tables and as drawings.

>>> import weft as mx
>>> data = mx.sym.Variable("data")
>>> net = mx.sym.FullyConnected(mx.sym.Flatten(data, name="flat"), num_hidden=10, name="fc")
>>> mx.viz.print_summary(net, shape={"data": (2, 3, 4)}, line_length=80)
________________________________________________________________________________
Layer (type)                       Output Shape    Param # Previous Layer
================================================================================
data(null)                         3x4             0
________________________________________________________________________________
flat(Flatten)                      12              0       data
________________________________________________________________________________
fc(FullyConnected)                 10              130     flat
================================================================================
Total params: 130
________________________________________________________________________________
"""

from __future__ import annotations

import importlib
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .symbol import Symbol

__all__ = ["DotSource", "plot_network", "print_summary"]

Shape = tuple[int, ...]
Entry = tuple[Any, int]

#: Names of inputs of operators that are trained.
_TRAINED = frozenset({"weight", "bias", "gamma", "beta", "parameters"})


def _check(symbol: Any) -> None:
    if not isinstance(symbol, Symbol):
        raise TypeError(f"symbol must be a Symbol, got {type(symbol).__name__}")


def _kind(node: Any) -> str:
    return "null" if node.op is None else node.op.name


def _inferred(symbol: Symbol, what: str, given: Mapping[str, Any] | None, partial: bool = False) -> dict[Entry, Any]:
    """Return shapes or dtypes of all entries of the network, as far as they follow from those given."""
    internals = symbol.get_internals()
    infer = getattr(internals, f"infer_{what}{'_partial' if partial else ''}")
    found = infer(**(given or {}))[1]
    if found is None:
        raise ValueError(f"{what} {dict(given or {})} does not say enough about the inputs: not all {what}s follow from it")
    return dict(zip(internals._entries, found))


# ---- tables ------------------------------------------------------------------------------------------------------------


class _Layer(NamedTuple):
    name: str
    shape: str
    parameters: int
    inputs: list[str]


def _parameters(node: Any, shapes: Mapping[Entry, Shape | None]) -> int:
    """Return the number of trained parameters among the inputs of a node; unknown shapes count as nothing."""
    if node.op is None:
        return 0
    names = node.op.input_names(node.attrs)
    trained = [entry for name, entry in zip(names, node.inputs) if name in _TRAINED and entry[0].op is None]
    return sum(math.prod(shapes.get(entry) or (0,)) for entry in trained)


def _layers(symbol: Symbol, shape: Mapping[str, Shape] | None) -> Iterator[_Layer]:
    shapes = _inferred(symbol, "shape", shape, partial=shape is None)
    nodes = symbol._nodes()
    # The first variable is the data; weights and labels are no layers.
    shown = [node for place, node in enumerate(nodes) if node.op is not None or place == 0]
    for node in shown:
        dimensions = (shapes.get((node, 0)) or ())[1:] if shape is not None else ()
        yield _Layer(
            f"{node.name}({_kind(node)})",
            "x".join(map(str, dimensions)),
            _parameters(node, shapes),
            [source.name for source, _ in node.inputs if source.op is not None or source is nodes[0]],
        )


def print_summary(
    symbol: Symbol,
    shape: Mapping[str, Shape] | None = None,
    line_length: int = 120,
    positions: Sequence[float] = (0.44, 0.64, 0.74, 1.0),
) -> None:
    """Print a table of the layers: name and operator, shape without the batch, number of parameters, what comes before.

    Parameters
    ----------
    symbol : Symbol
    shape : dict of str to tuple of int, optional
        Shapes of the inputs; without them, shapes and most numbers of parameters are not known.
    line_length : int
        Width of the table.
    positions : sequence of float
        Where the columns end: shares of `line_length`, or numbers of characters.

    Examples
    --------
    >>> import weft as mx
    >>> net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    >>> mx.viz.print_summary(net, {"data": (1, 2)}, line_length=60, positions=(20, 36, 46, 60))
    ____________________________________________________________
    Layer (type)        Output Shape    Param #   Previous Layer
    ============================================================
    data(null)          2               0
    ____________________________________________________________
    fc(FullyConnected)  3               9         data
    ============================================================
    Total params: 9
    ____________________________________________________________
    """
    _check(symbol)
    ends = [int(line_length * share) for share in positions] if positions[-1] <= 1 else [int(end) for end in positions]

    def row(*fields: Any) -> str:
        line = ""
        for field, end in zip(fields, ends):
            line = (line + str(field))[:end].ljust(end)
        return line

    layers = list(_layers(symbol, shape))
    thin, thick = "_" * line_length, "=" * line_length
    lines = [thin, row("Layer (type)", "Output Shape", "Param #", "Previous Layer"), thick]
    for layer in layers:
        first, *others = layer.inputs or [""]
        lines.append(row(layer.name, layer.shape, layer.parameters, first))
        lines += [row("", "", "", name) for name in others]
        lines.append(thin)
    lines[-1] = thick
    lines += [f"Total params: {sum(layer.parameters for layer in layers)}", thin]
    print("\n".join(lines))


# ---- drawings ----------------------------------------------------------------------------------------------------------


def _quote(text: str) -> str:
    """Return `text` as DOT wants it."""
    plain = re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*|-?(\.[0-9]+|[0-9]+(\.[0-9]*)?)", text)
    if plain and text.lower() not in ("node", "edge", "graph", "digraph", "subgraph", "strict"):
        return text
    return '"' + text.replace('"', '\\"') + '"'


def _attributes(attributes: Mapping[str, str]) -> str:
    """Return attributes in DOT: the label, then the others by name."""
    order = sorted(attributes, key=lambda name: (name != "label", name))
    return "[" + " ".join(f"{_quote(name)}={_quote(attributes[name])}" for name in order) + "]"


class DotSource:
    """A drawing in the language of Graphviz, for where the package ``graphviz`` is not installed.

    Parameters
    ----------
    name : str
    format : str
        File format for drawing it.

    Examples
    --------
    >>> from weft.visualization import DotSource
    >>> dot = DotSource("plot")
    >>> dot.node("a", label="first")
    >>> dot.edge("b", "a")
    >>> print(dot.source.expandtabs(4), end="")
    digraph plot {
        a [label=first]
        b -> a
    }
    """

    def __init__(self, name: str, format: str = "pdf") -> None:
        self.name = name
        self.format = format
        self.body: list[str] = []

    def node(self, name: str, label: str | None = None, **attributes: str) -> None:
        """Add a node."""
        self._add(_quote(name), label, attributes)

    def edge(self, tail_name: str, head_name: str, label: str | None = None, **attributes: str) -> None:
        """Add an edge."""
        self._add(f"{_quote(tail_name)} -> {_quote(head_name)}", label, attributes)

    def _add(self, subject: str, label: str | None, attributes: dict[str, str]) -> None:
        given = attributes if label is None else {"label": label, **attributes}
        self.body.append(f"\t{subject} {_attributes(given)}\n" if given else f"\t{subject}\n")

    @property
    def source(self) -> str:
        """The drawing as text; the program ``dot`` draws it."""
        return f"digraph {_quote(self.name)} {{\n{''.join(self.body)}}}\n"

    def save(self, filename: str | None = None) -> str:
        """Write the text to a file, by default ``<name>.gv``; return its name."""
        path = filename or f"{self.name}.gv"
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.source)
        return path

    def __str__(self) -> str:
        return self.source

    def render(self, *args: Any, **kwargs: Any) -> Any:
        """Raise ImportError: drawing needs the package ``graphviz``; so do `view` and `pipe`."""
        raise ImportError("drawing a network requires the graphviz library: pip install graphviz; without it, use .source or .save()")

    view = pipe = render


_PALETTE = {
    "null": "#8dd3c7",
    "Convolution": "#fb8072",
    "FullyConnected": "#fb8072",
    "Activation": "#ffffb3",
    "LeakyReLU": "#ffffb3",
    "BatchNorm": "#bebada",
    "Pooling": "#80b1d3",
    "Concat": "#fdb462",
    "Flatten": "#fdb462",
    "Reshape": "#fdb462",
}
_OTHER = "#fccde5"
_WEIGHTS = ("_weight", "_bias", "_beta", "_gamma", "_moving_var", "_moving_mean", "_running_var", "_running_mean")


def _window(node: Any) -> str:
    """Return kernel and stride as written down, such as 3x3/2x2."""
    given = node.annotations or {}
    kernel = "x".join(re.findall(r"\d+", given["kernel"])) if "kernel" in given else "[]"
    return f"{kernel}/{'x'.join(re.findall(r'[0-9]+', given['stride'])) if 'stride' in given else '1'}"


#: What stands in a node, beside its name, by operator.
_LABELS: dict[str, Callable[[Any], str]] = {
    "Convolution": lambda node: f"Convolution\n{_window(node)}, {node.attrs.num_filter}",
    "FullyConnected": lambda node: f"FullyConnected\n{node.attrs.num_hidden}",
    "Activation": lambda node: f"Activation\n{node.attrs.act_type}",
    "LeakyReLU": lambda node: f"LeakyReLU\n{node.attrs.act_type}",
    "Pooling": lambda node: f"Pooling\n{node.attrs.pool_type}, {_window(node)}",
    "Custom": lambda node: (node.annotations or {}).get("op_type", "Custom"),
}


def _warn_of_repeated_names(nodes: Sequence[Any]) -> None:
    names = [node.name for node in nodes]
    repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if repeated:
        warnings.warn(
            f"several nodes have the names {', '.join(repeated)}: the drawing takes each for one, and may show cycles",
            RuntimeWarning,
            stacklevel=3,
        )


def _edge_label(entry: Entry, shapes: Mapping[Entry, Shape], dtypes: Mapping[Entry, Any]) -> str:
    label = "x".join(map(str, shapes[entry][1:])) if entry in shapes else ""
    return label + (f"({dtypes[entry].__name__})" if entry in dtypes else "")


def plot_network(
    symbol: Symbol,
    title: str = "plot",
    save_format: str = "pdf",
    shape: Mapping[str, Shape] | None = None,
    dtype: Mapping[str, Any] | None = None,
    node_attrs: Mapping[str, str] | None = None,
    hide_weights: bool = True,
) -> Any:
    """Draw a network: a box for each operator, an arrow to it from each of its inputs.

    Parameters
    ----------
    symbol : Symbol
    title : str
        Name of the drawing, and of the file when it is saved.
    save_format : str
        Format of that file.
    shape : dict of str to tuple of int, optional
        Shapes of the inputs; shapes without the batch are then written at the arrows.
    dtype : dict of str to dtype, optional
        Dtypes of the inputs; dtypes are then written at the arrows.
    node_attrs : dict of str to str, optional
        Attributes of Graphviz for all nodes.
    hide_weights : bool
        Whether to leave out variables that are named like weights.

    Returns
    -------
    graphviz.Digraph or DotSource
        The former where the package ``graphviz`` is installed. Both have the text in ``.source``.

    Examples
    --------
    >>> import weft as mx
    >>> net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    >>> "fc -> data" in mx.viz.plot_network(net).source
    True
    """
    _check(symbol)
    nodes = symbol._nodes()
    shapes = _inferred(symbol, "shape", shape) if shape is not None else {}
    dtypes = _inferred(symbol, "type", dtype) if dtype is not None else {}
    _warn_of_repeated_names(nodes)
    try:
        dot = importlib.import_module("graphviz").Digraph(name=title, format=save_format)
    except ImportError:
        dot = DotSource(title, save_format)
    common = {"shape": "box", "fixedsize": "true", "width": "1.3", "height": "0.8034", "style": "filled", **(node_attrs or {})}
    hidden = {id(node) for node in nodes if node.op is None and node.name.endswith(_WEIGHTS)}
    for node in nodes:
        if id(node) in hidden:
            continue
        kind = _kind(node)
        style = {**common, "fillcolor": _PALETTE.get(kind, _OTHER), **({"shape": "oval"} if node.op is None else {})}
        dot.node(name=node.name, label=_LABELS.get(kind, lambda node: node.name)(node), **style)
    for node in nodes:
        # Of what is resized, the second input gives the size only.
        inputs = node.inputs[:1] if _kind(node) == "_contrib_BilinearResize2D" else node.inputs
        for source, place in inputs:
            if not (hide_weights and id(source) in hidden):
                label = _edge_label((source, place), shapes, dtypes)
                dot.edge(tail_name=node.name, head_name=source.name, label=label, dir="back", arrowtail="open")
    return dot
