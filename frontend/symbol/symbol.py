"""Symbol: a list of outputs of nodes, and everything that can be asked of the graph under them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...ops.errors import ArgumentTypeError, MXNetError
from ...ops.params import plain_text
from ...ops.registry import Operator
from ..base import NotImplementedForSymbol
from ..graph.ir import Node, auxiliary_nodes, topological_order
from . import attributes, composition

__all__ = ["Group", "Symbol", "Variable", "fromjson", "load", "load_json", "var"]

Entry = tuple[Node, int]
STORAGE_TYPES = {"undefined": -1, "default": 0, "row_sparse": 1, "csr": 2}


def output_name(entry: Entry) -> str:
    """Return the name of an output: a variable's own, ``<node>_output`` and the like for operators.

    >>> output_name((Node(None, None, "x"), 0))
    'x'
    """
    node, index = entry
    if node.op is None:
        return node.name
    return f"{node.name}_{node.op.output_name(node.attrs, index)}"


def symbol_of(node: Node) -> Symbol:
    """Return the symbol of a node's visible outputs."""
    return Symbol._of([(node, index) for index in range(node.n_visible)])


class Symbol:
    """A part of a computation that is declared, not run: one or several outputs of a graph.

    Symbols are made by :func:`Variable` and by the operators of ``mx.sym``; they hold no values. ``bind`` or
    ``simple_bind`` gives an executor that computes.

    Examples
    --------
    >>> import weft as mx
    >>> x = mx.sym.Variable("x")
    >>> net = mx.sym.FullyConnected(x, num_hidden=3, name="fc")
    >>> net, net.list_arguments(), net.list_outputs()
    (<Symbol fc>, ['x', 'fc_weight', 'fc_bias'], ['fc_output'])
    """

    __slots__ = ("__weakref__", "_entries")
    # NumPy scalars on the left let Symbol's own operators decide.
    __array_priority__ = 1000.0

    _entries: list[Entry]

    def __init__(self, entries: Sequence[Entry] = ()) -> None:
        self._entries = list(entries)

    @classmethod
    def _of(cls, entries: list[Entry]) -> Symbol:
        made = cls.__new__(cls)
        made._entries = entries
        return made

    @staticmethod
    def _weft_symbol(op: Operator, inputs: Sequence[Any], attrs: Any, name: str | None) -> Symbol:
        return composition.from_hook(op, inputs, attrs, name)

    # -- what it is -----------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        name = self.name
        kind = type(self).__name__
        if name is None:
            return f"<{kind} group [{', '.join(node.name for node, _ in self._entries)}]>"
        return f"<{kind} {name}>"

    @property
    def name(self) -> str | None:
        """The node's name; None for a group of outputs of several nodes."""
        node = self._one_node()
        return None if node is None else node.name

    def _one_node(self) -> Node | None:
        if not self._entries:
            return None
        node = self._entries[0][0]
        return node if all(other is node for other, _ in self._entries) else None

    def _nodes(self) -> list[Node]:
        return topological_order(self._entries)

    @property
    def num_outputs(self) -> int:
        """Number of outputs, as ``len``."""
        return len(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Symbol]:
        return (self._of([entry]) for entry in self._entries)

    def __getitem__(self, index: Any) -> Symbol:
        if isinstance(index, slice):
            return self._of(self._entries[index])
        if isinstance(index, str):
            names = self.list_outputs()
            found = [i for i, name in enumerate(names) if name == index]
            if len(found) != 1:
                problem = "There are multiple outputs with name" if found else "Cannot find output that matches name"
                raise ValueError(f'{problem} "{index}"')
            index = found[0]
        if not isinstance(index, int):
            raise TypeError(f"Symbol only supports an integer, a name or a slice to fetch outputs, got {index!r}")
        if not -len(self._entries) <= index < len(self._entries):
            raise IndexError(f"output {index} of {self!r:.80}, which has {len(self._entries)}")
        return self._of([self._entries[index]])

    def list_outputs(self) -> list[str]:
        """Return the names of the outputs.

        Examples
        --------
        >>> import weft as mx
        >>> mx.sym.split(mx.sym.Variable("x"), num_outputs=2, name="s").list_outputs()
        ['s_output0', 's_output1']
        """
        return [output_name(entry) for entry in self._entries]

    def _variables(self) -> tuple[list[Node], set[Node]]:
        nodes = self._nodes()
        return [node for node in nodes if node.op is None], auxiliary_nodes(nodes)

    def list_arguments(self) -> list[str]:
        """Return the names of the variables that are not auxiliary states, in the order in which they are used.

        Examples
        --------
        >>> import weft as mx
        >>> mx.sym.Convolution(name="conv", kernel=(3, 3), num_filter=4).list_arguments()
        ['conv_data', 'conv_weight', 'conv_bias']
        """
        variables, states = self._variables()
        return [node.name for node in variables if node not in states]

    def list_auxiliary_states(self) -> list[str]:
        """Return the names of the auxiliary states: variables that operators change, such as moving averages.

        Examples
        --------
        >>> import weft as mx
        >>> mx.sym.BatchNorm(name="bn").list_auxiliary_states()
        ['bn_moving_mean', 'bn_moving_var']
        """
        variables, states = self._variables()
        return [node.name for node in variables if node in states]

    def list_inputs(self) -> list[str]:
        """Return the names of all variables, auxiliary states among them.

        Examples
        --------
        >>> import weft as mx
        >>> (mx.sym.Variable("a") + mx.sym.Variable("b")).list_inputs()
        ['a', 'b']
        """
        return [node.name for node in self._nodes() if node.op is None]

    def get_internals(self) -> Symbol:
        """Return the group of the outputs of all nodes, inputs first.

        Examples
        --------
        >>> import weft as mx
        >>> mx.sym.exp(mx.sym.Variable("x"), name="y").get_internals().list_outputs()
        ['x', 'y_output']
        """
        return self._of([(node, index) for node in self._nodes() for index in range(node.n_visible)])

    def get_children(self) -> Symbol | None:
        """Return the group of the inputs of the outputs' nodes; None where there are none.

        Examples
        --------
        >>> import weft as mx
        >>> mx.sym.exp(mx.sym.Variable("x")).get_children()
        <Symbol x>
        """
        found: list[Entry] = []
        seen = set()
        for node, _ in self._entries:
            if node not in seen:
                seen.add(node)
                found += node.inputs
        return self._of(found) if found else None

    # -- attributes -----------------------------------------------------------------------------------------------

    def attr(self, key: str) -> str | None:
        """Return an attribute of the node; None where there is none, or for a group.

        Examples
        --------
        >>> import weft as mx
        >>> mx.sym.Variable("x", attr={"mood": "angry"}).attr("mood")
        'angry'
        """
        node = self._one_node()
        if node is None:
            return None
        if key == "name":
            return node.name
        if key == "_value_index":
            return str(self._entries[0][1])
        return node.annotation(attributes.hidden_key(key))

    def list_attr(self, recursive: bool = False) -> dict[str, str]:
        """Return the node's attributes.

        Examples
        --------
        >>> import weft as mx
        >>> mx.sym.Variable("x", lr_mult=2).list_attr()
        {'__lr_mult__': '2', 'lr_mult': '2'}
        """
        if recursive:
            raise DeprecationWarning("Symbol.list_attr with recursive=True is gone; use attr_dict instead")
        node = self._one_node()
        return {} if node is None else attributes.public_attributes(node)

    def attr_dict(self) -> dict[str, dict[str, str]]:
        """Return the attributes of all nodes that have some, by node.

        Examples
        --------
        >>> import weft as mx
        >>> mx.sym.exp(mx.sym.Variable("x", attr={"a": "1"})).attr_dict()
        {'x': {'a': '1'}}
        """
        found: dict[str, dict[str, str]] = {}
        for node in self._nodes():
            if node.annotations:
                found.setdefault(node.name, {}).update(attributes.public_attributes(node))
        return found

    def _set_attr(self, **kwargs: str) -> None:
        """Set attributes of the node, its name and the operator's parameters among them."""
        node = self._one_node()
        if node is None:
            raise MXNetError("attributes can be set on the symbol of one node only, not on a group")
        for key, value in kwargs.items():
            if not isinstance(value, str):
                raise ValueError(f"Set Attr only accepts string values, got {key}={value!r}")
            if key == "name":
                node.name = value
                continue
            changed = {**(node.annotations or {}), attributes.hidden_key(key): value}
            if node.op is not None and node.subgraphs:
                if key in node.op.param_by_name:
                    raise MXNetError(f"{node.name}: parameter {key!r} of {node.op.name} cannot be changed")
            elif node.op is not None:
                node.attrs = attributes.parse_attributes(node.op, changed, len(node.inputs))
            node.annotations = changed

    # -- composition and copies -----------------------------------------------------------------------------------

    def __call__(self, *args: Symbol, **kwargs: Any) -> Symbol:
        """Return a copy in which inputs, given by name, are replaced by other symbols.

        Examples
        --------
        >>> import weft as mx
        >>> net = mx.sym.FullyConnected(name="fc2", num_hidden=10)
        >>> net(fc2_data=mx.sym.Variable("x"), name="composed").list_arguments()
        ['x', 'fc2_weight', 'fc2_bias']
        """
        return self._of(self._composed(args, kwargs))

    def _gen_atomic_symbol(self) -> Symbol:
        """Return the operator alone: with its parameters, and variables in place of its inputs."""
        nodes = {node for node, _ in self._entries}
        node = nodes.pop()
        if nodes or node.op is None:
            raise MXNetError(f"_gen_atomic_symbol: expected the outputs of one operator, got {self!r}")
        made = composition.make_node(node.op, node.attrs, "", [None] * len(node.inputs), dict(node.annotations or {}))
        return self._of([(made, index) for index in range(made.n_visible)])

    def _compose(self, *args: Symbol, **kwargs: Any) -> None:
        self._entries = self._composed(args, kwargs)

    def _composed(self, args: Sequence[Symbol], kwargs: dict[str, Any]) -> list[Entry]:
        name = kwargs.pop("name", None)
        if args and kwargs:
            raise TypeError("composition takes input Symbols either by position or by keyword, not both")
        for value in (*args, *kwargs.values()):
            if not isinstance(value, Symbol):
                raise TypeError(f"Compose expects `Symbol` as arguments, got {type(value).__name__}")
        if args:
            inputs = self.list_inputs()
            if len(args) > len(inputs):
                raise MXNetError(f"composition: got {len(args)} symbols for {len(inputs)} inputs ({', '.join(inputs)})")
            kwargs = dict(zip(inputs, args))
        given = {key: composition.single(value, f"composition: input {key!r}") for key, value in kwargs.items()}
        return composition.substitute(self._entries, given, name)

    def __copy__(self) -> Symbol:
        return self._of(composition.substitute(self._entries, {}, None))

    def __deepcopy__(self, memo: Any) -> Symbol:
        return self.__copy__()

    def __reduce__(self) -> tuple:
        return _unpickled, (type(self), self.tojson(remove_amp_cast=False))

    def as_np_ndarray(self) -> Symbol:
        """Return this symbol: arrays of ``mx.np`` and ``mx.nd`` are the same in weft."""
        return self

    def as_nd_ndarray(self) -> Symbol:
        """Return this symbol."""
        return self

    def __bool__(self) -> bool:
        raise NotImplementedForSymbol(self.__bool__, "bool")

    __hash__ = object.__hash__

    # -- text -----------------------------------------------------------------------------------------------------

    def debug_str(self) -> str:
        """Return a listing of the outputs and all nodes.

        Examples
        --------
        >>> import weft as mx
        >>> print(mx.sym.exp(mx.sym.Variable("x"), name="y").debug_str().expandtabs(4))
        Symbol Outputs:
            output[0]=y(0)
        Variable:x
        --------------------
        Op:exp, Name=y
        Inputs:
            arg[0]=x(0) version=0
        <BLANKLINE>
        """
        from .text import debug_text

        return debug_text(self._entries)

    def tojson(self, remove_amp_cast: bool = True) -> str:
        """Return the symbol as MXNet's JSON.

        Parameters
        ----------
        remove_amp_cast : bool
            Whether to leave out the casts that automatic mixed precision put in.

        Examples
        --------
        >>> import weft as mx
        >>> mx.sym.load_json(mx.sym.Variable("x").tojson())
        <Symbol x>
        """
        from .json_writer import write

        return write(self._entries, remove_amp_cast)

    def save(self, fname: str, remove_amp_cast: bool = True) -> None:
        """Write :meth:`tojson` to a file; it is there whole or not at all."""
        if not isinstance(fname, (str, os.PathLike)):
            raise TypeError(f"fname need to be string, got {type(fname).__name__}")
        text = self.tojson(remove_amp_cast)
        beside = f"{os.fspath(fname)}.{os.getpid()}.tmp"
        try:
            with open(beside, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(beside, fname)
        except OSError as error:
            if os.path.exists(beside):
                os.unlink(beside)
            raise MXNetError(f"cannot write symbol file {fname!r}: {error}") from error

    # -- what it computes -----------------------------------------------------------------------------------------

    def infer_shape(self, *args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        """Return the shapes of arguments, outputs and auxiliary states, given those of some arguments.

        Parameters
        ----------
        *args : tuple of int or None
            Known shapes in the order of ``list_arguments``.
        **kwargs : tuple of int
            Known shapes by name. A dimension of 0 is unknown.

        Returns
        -------
        arg_shapes, out_shapes, aux_shapes : list of tuple
            The shapes; three times None where they cannot all be known.

        Examples
        --------
        >>> import weft as mx
        >>> net = mx.sym.FullyConnected(mx.sym.Variable("x"), num_hidden=3, name="fc")
        >>> net.infer_shape(x=(2, 5))
        ([(2, 5), (3, 5), (3,)], [(2, 3)], [])
        """
        from .inference import infer_shape

        return infer_shape(self, args, kwargs)

    def infer_shape_partial(self, *args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        """Return what can be known of the shapes, as :meth:`infer_shape`; an unknown shape is ``()``."""
        from .inference import infer_shape_partial

        return infer_shape_partial(self, args, kwargs)

    def infer_type(self, *args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        """Return the types of arguments, outputs and auxiliary states, given those of some arguments.

        Examples
        --------
        >>> import weft as mx
        >>> (mx.sym.Variable("x") * 2).infer_type(x="float16")
        ([<class 'numpy.float16'>], [<class 'numpy.float16'>], [])
        """
        from .inference import infer_type

        return infer_type(self, args, kwargs)

    def infer_type_partial(self, *args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        """Return what can be known of the types, as :meth:`infer_type`; an unknown type is None."""
        from .inference import infer_type_partial

        return infer_type_partial(self, args, kwargs)

    def bind(
        self,
        ctx: Any,
        args: Any,
        args_grad: Any = None,
        grad_req: Any = "write",
        aux_states: Any = None,
        group2ctx: Any = None,
        shared_exec: Any = None,
    ) -> Any:
        """Return an executor over the given arrays.

        Parameters
        ----------
        ctx : Context
            Where to run.
        args : list or dict of NDArray
            The arguments, in the order of ``list_arguments`` or by name.
        args_grad : list or dict of NDArray, optional
            Arrays for the gradients; arguments without one get none.
        grad_req : str, list or dict of str
            "write", "add" or "null" for all arguments or for each.
        aux_states : list or dict of NDArray, optional
            The auxiliary states.
        group2ctx : dict of str to Context, optional
            Devices for the groups that ``AttrScope(ctx_group=...)`` made.
        shared_exec : Executor, optional
            An executor whose memory may be used again.

        Examples
        --------
        >>> import weft as mx
        >>> executor = (mx.sym.Variable("x") * 2).bind(mx.cpu(), {"x": mx.nd.array([1, 2])})
        >>> executor.forward()[0].asnumpy().tolist()
        [2.0, 4.0]
        """
        from ..graph.executor import bind

        return bind(self, ctx, args, args_grad, grad_req, aux_states, group2ctx, shared_exec)

    def simple_bind(
        self,
        ctx: Any,
        grad_req: Any = "write",
        type_dict: Any = None,
        stype_dict: Any = None,
        group2ctx: Any = None,
        shared_arg_names: Any = None,
        shared_exec: Any = None,
        shared_buffer: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Return an executor over new arrays, whose shapes are inferred from those given by name.

        Examples
        --------
        >>> import weft as mx
        >>> net = mx.sym.FullyConnected(mx.sym.Variable("x"), num_hidden=3, name="fc")
        >>> net.simple_bind(mx.cpu(), x=(2, 5)).arg_dict["fc_weight"].shape
        (3, 5)
        """
        from ..graph.executor import simple_bind

        return simple_bind(self, ctx, grad_req, type_dict, stype_dict, group2ctx, shared_arg_names, shared_exec, shared_buffer, **kwargs)

    def eval(self, ctx: Any = None, **kwargs: Any) -> list[Any]:
        """Compute the outputs for arrays given by name.

        Examples
        --------
        >>> import weft as mx
        >>> (mx.sym.Variable("x") + 1).eval(x=mx.nd.array([1, 2]))[0].asnumpy().tolist()
        [2.0, 3.0]
        """
        from ..context import current_context

        states = {name: kwargs.pop(name) for name in self.list_auxiliary_states() if name in kwargs}
        return self.bind(current_context() if ctx is None else ctx, kwargs, aux_states=states or None).forward()

    def gradient(self, wrt: Sequence[str]) -> Symbol:
        """Return the gradients of the outputs' sum in the named arguments, as a symbol.

        Outputs whose operators want a head gradient have a new argument ``<output>_grad`` for it. MXNet declares this
        method and refuses it; here it gives the graph.

        Parameters
        ----------
        wrt : list of str
            Names of arguments.
        """
        from .passes import gradient

        return gradient(self, wrt)

    def grad(self, wrt: Sequence[str]) -> Symbol:
        """Return :meth:`gradient`."""
        return self.gradient(wrt)

    def optimize_for(
        self,
        backend: str,
        args: Any = None,
        aux: Any = None,
        ctx: Any = None,
        shape_dict: Any = None,
        type_dict: Any = None,
        stype_dict: Any = None,
        skip_infer: bool = False,
        **kwargs: Any,
    ) -> Symbol:
        """Return the symbol after the graph passes that ``backend`` names.

        Parameters
        ----------
        backend : str
            Names of passes, separated by commas, or "weft" for those that make a symbol smaller.
        args, aux : dict of str to NDArray, optional
            Arguments and auxiliary states; their shapes are used, and those that are no longer needed are removed.
        shape_dict, type_dict : dict, optional
            Shapes and types of arguments that are not in ``args``.
        """
        from .passes import optimize_for

        return optimize_for(self, backend, args, aux, shape_dict, type_dict, stype_dict, skip_infer, kwargs)

    def get_backend_symbol(self, backend: str) -> Symbol:
        """Return the symbol after the graph passes that ``backend`` names, as :meth:`optimize_for`."""
        from .passes import backend_symbol

        return backend_symbol(self, backend)

    def to_networkx(self) -> Any:
        """Return the graph as a ``networkx.DiGraph`` whose nodes are the names of this graph's nodes."""
        from .text import to_networkx

        return to_networkx(self)

    # -- what only arrays can do ----------------------------------------------------------------------------------

    def wait_to_read(self) -> None:
        """Raise: a symbol has no values."""
        raise NotImplementedForSymbol(self.wait_to_read, None)

    def asnumpy(self) -> None:
        """Raise: a symbol has no values."""
        raise NotImplementedForSymbol(self.asnumpy, None)

    def asscalar(self) -> None:
        """Raise: a symbol has no values."""
        raise NotImplementedForSymbol(self.asscalar, None)

    def copy(self) -> None:
        """Raise: a symbol has no values; ``copy.copy`` copies the graph."""
        raise NotImplementedForSymbol(self.copy, None)

    def as_in_context(self) -> None:
        """Raise: a symbol has no values."""
        raise NotImplementedForSymbol(self.as_in_context, None)

    def detach(self) -> None:
        """Raise: a symbol has no values; ``mx.sym.BlockGrad`` stops gradients."""
        raise NotImplementedForSymbol(self.detach, None)

    def backward(self) -> None:
        """Raise: a symbol has no values; an executor has ``backward``."""
        raise NotImplementedForSymbol(self.backward, None)


def _unpickled(kind: type[Symbol], text: str) -> Symbol:
    return kind(load_json(text)._entries)


def var(
    name: str,
    attr: dict[str, str] | None = None,
    shape: Any = None,
    lr_mult: float | None = None,
    wd_mult: float | None = None,
    dtype: Any = None,
    init: Any = None,
    stype: str | None = None,
    **kwargs: Any,
) -> Symbol:
    """Return a variable: an input of the graph that is given its value by name.

    Parameters
    ----------
    name : str
        Its name.
    attr : dict of str to str, optional
        Attributes.
    shape : tuple of int, optional
        Its shape; 0 is an unknown dimension.
    lr_mult, wd_mult : float, optional
        Factors on the learning rate and the weight decay of this parameter.
    dtype : str or numpy.dtype, optional
        Its dtype.
    init : Initializer or str, optional
        What to initialize it with.
    stype : str, optional
        Storage: "default", "row_sparse" or "csr".
    **kwargs
        More attributes, with names between double underscores.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.var("data", shape=(2, 3), dtype="float32").list_attr()
    {'__shape__': '(2, 3)', '__dtype__': '0'}
    """
    from .. import attribute

    if not isinstance(name, str):
        raise TypeError(f"Expect a string for variable `name`, got {name!r}")
    given = {attributes.hidden_key(key): value for key, value in attribute.current().get(attr).items()}
    if shape is not None:
        given["__shape__"] = plain_text(shape)
    if lr_mult is not None:
        given["__lr_mult__"] = str(lr_mult)
    if wd_mult is not None:
        given["__wd_mult__"] = str(wd_mult)
    if dtype is not None:
        given["__dtype__"] = _dtype_number(dtype)
    if init is not None:
        given["__init__"] = init if isinstance(init, str) else init.dumps()
    if stype is not None:
        if stype not in STORAGE_TYPES:
            raise ValueError(f"stype={stype!r}: expected one of {', '.join(map(repr, STORAGE_TYPES))}")
        given["__storage_type__"] = str(STORAGE_TYPES[stype])
    for key, value in kwargs.items():
        if not (key.startswith("__") and key.endswith("__")):
            raise ValueError(
                f"Attribute name={key} is not supported. Additional attributes must start and end with double underscores, e.g, __yourattr__"
            )
        given[key] = plain_text(value)
    for key, value in given.items():
        if not isinstance(value, str):
            raise ValueError(f"variable {name!r}: attribute {key}={value!r} must be a string")
    return Symbol._of([(Node(None, None, name, (), given), 0)])


Variable = var


def _dtype_number(dtype: Any) -> str:
    """Return the number of a dtype in MXNet's files."""
    from ..ndarray._params_format import CODE_OF

    made = np.dtype(dtype)
    if made not in CODE_OF:
        raise ArgumentTypeError(f"dtype={dtype!r} is not supported, expected one of {', '.join(map(str, CODE_OF))}")
    return str(CODE_OF[made])


def Group(symbols: Sequence[Symbol], create_fn: Any = None) -> Symbol:
    """Return the outputs of several symbols as one.

    Examples
    --------
    >>> import weft as mx
    >>> mx.sym.Group([mx.sym.Variable("a"), mx.sym.Variable("b")])
    <Symbol group [a, b]>
    """
    symbols = list(symbols) if isinstance(symbols, (list, tuple, Symbol)) else []
    if not symbols or not all(isinstance(item, Symbol) for item in symbols):
        raise TypeError("Expected a list of symbols as input")
    made = Symbol._of([entry for item in symbols for entry in item._entries])
    return made if create_fn is None or create_fn is Symbol else create_fn(made._entries)


def load(fname: str) -> Symbol:
    """Read a symbol from a JSON file, of any version of MXNet.

    Parameters
    ----------
    fname : str
        Name of the file.
    """
    if not isinstance(fname, (str, os.PathLike)):
        raise TypeError(f"fname need to be string, got {type(fname).__name__}")
    try:
        with open(fname, "rb") as file:
            data = file.read()
    except OSError as error:
        raise MXNetError(f"cannot read symbol file {os.fspath(fname)!r}: {error}") from error
    from .json_reader import read

    return Symbol._of(read(data, os.fspath(fname)))


def load_json(json_str: str) -> Symbol:
    """Read a symbol from JSON, of any version of MXNet.

    Examples
    --------
    >>> import weft as mx
    >>> text = mx.sym.exp(mx.sym.Variable("x"), name="y").tojson()
    >>> mx.sym.load_json(text)
    <Symbol y>
    """
    if not isinstance(json_str, str):
        raise TypeError(f"json_str required to be string, got {type(json_str).__name__}")
    from .json_reader import read

    return Symbol._of(read(json_str, "JSON text"))


fromjson = load_json
