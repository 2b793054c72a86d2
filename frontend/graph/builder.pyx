"""Adding nodes to a graph by calling operators: what gradient functions and passes write with.

A :class:`Value` stands for an entry of a graph whose shape and dtype are known. Operators of
:data:`weft.ops.functions.F` take values as they take arrays, and add nodes instead of computing.
"""

cimport cython

from ...ops.array cimport Spec
from ...ops.plans cimport out_specs_of
from .ir cimport Graph, Node

from ...ops import registry
from ...ops.dispatch import OPERATOR_NAMES, close_builder, open_builder
from ...ops.errors import MXNetError

cdef dict _operators = {}


cdef object operator_named(str name):
    found = _operators.get(name)
    if found is None:
        found = _operators[name] = registry.get(name)
    return found


cdef dict _scalar_attrs = {}


cdef object scalar_attrs(object op, double scalar):
    key = (op, scalar, scalar == 0 and str(scalar))
    found = _scalar_attrs.get(key)
    if found is None:
        if len(_scalar_attrs) > 4096:
            _scalar_attrs.clear()
        found = _scalar_attrs[key] = op.attrs({"scalar": scalar})
    return found


@cython.final
cdef class GraphBuilder:
    """Appends operator calls to a graph.

    Parameters
    ----------
    graph : Graph
        Gets the new nodes at its end. Its nodes must have specs.

    Attributes
    ----------
    part : int
        Given to new nodes: ``FORWARD`` or ``BACKWARD``.
    context : Context or None
        Given to new nodes.
    prefix : str
        New nodes that get no name are called by it and a number.

    Examples
    --------
    >>> from weft.frontend.graph import Graph, Node
    >>> from weft.ops.array import spec
    >>> from weft.ops.functions import F
    >>> x = Node(None, None, "x")
    >>> x.specs = (spec((2, 3), "float32"),)
    >>> graph = Graph.from_entries([(x, 0)])
    >>> with GraphBuilder(graph) as builder:
    ...     y = F.exp(builder.value(graph.outputs[0])) + 1
    >>> y.shape, graph.nodes
    ((2, 3), [<variable x>, <Node exp0 = exp(x)>, <Node _plus_scalar0 = _plus_scalar(exp0)>])
    """

    cdef readonly Graph graph
    cdef public int part
    cdef public object context
    cdef public str prefix
    cdef readonly set names
    cdef dict counters

    def __init__(self, Graph graph not None):
        cdef Node node
        self.graph = graph
        self.names = set()
        for node in graph.nodes:
            self.names.add(node.name)
        self.counters = {}
        self.prefix = ""

    def __enter__(self):
        open_builder(self)
        return self

    def __exit__(self, *error):
        close_builder()

    def value(self, entry):
        """Return the value that stands for an entry of the graph; MXNetError when its shape is not known."""
        return make_value(self, <Node>entry[0], entry[1])

    def unique_name(self, str hint not None):
        """Return a name that no node of the graph has, and reserve it."""
        cdef int number = self.counters.get(hint, 0)
        cdef str name = f"{self.prefix}{hint}{number}"
        while name in self.names:
            number += 1
            name = f"{self.prefix}{hint}{number}"
        self.counters[hint] = number + 1
        self.names.add(name)
        return name

    def variable(self, str name, Spec spec not None):
        """Append a variable and return its value; its name is made unique."""
        cdef Node node = Node(None, None, name)
        if name in self.names:
            node.name = self.unique_name(name)
        self.names.add(node.name)
        node.specs = (spec,)
        self.append(node)
        return make_value(self, node, 0)

    cdef int append(self, Node node) except -1:
        node.part = self.part
        node.context = self.context
        node.id = len(self.graph.nodes)
        self.graph.nodes.append(node)
        return 0

    def call(self, op, inputs, attrs=None, str name=None):
        """Append a call of an operator.

        Parameters
        ----------
        op : Operator or str
            The operator, or its name.
        inputs : sequence of Value
            Its inputs.
        attrs : Attrs or dict, optional
            Its parameters.
        name : str, optional
            Name of the node, made unique.

        Returns
        -------
        Value or list of Value
            What users of the operator see of its outputs.
        """
        values = self.call_all(op, inputs, attrs, name)
        visible = op.count_visible(attrs_of(op, attrs)) if not isinstance(op, str) else None
        if visible is None:
            node = (<Value>values[0]).node
            visible = node.op.count_visible(node.attrs)
        return values[0] if visible == 1 else values[:visible]

    def call_all(self, op, inputs, attrs=None, str name=None):
        """Append a call as :meth:`call` does, and return all outputs, hidden ones included, as a list."""
        cdef Node node
        cdef Value value
        cdef list entries = [], in_specs = []
        if isinstance(op, str):
            op = operator_named(op)
        attrs = attrs_of(op, attrs)
        if op.uses_train and attrs.train != self.graph.train:
            attrs = attrs.with_(train=bool(self.graph.train))
        for item in inputs:
            if not isinstance(item, Value):
                raise TypeError(f"{op.name}: inputs of a graph's node must be values of the graph, got {type(item).__name__}")
            value = <Value>item
            entries.append((value.node, value.index))
            in_specs.append(value.spec)
        node = Node.__new__(Node)
        node.op = op
        node.attrs = attrs
        node.inputs = entries
        node.subgraphs = ()
        try:
            node.specs = out_specs_of(op, attrs, in_specs)
        except MXNetError as error:
            raise MXNetError(f"Error in operator {name or op.name}: {error}") from error
        if name is None or name in self.names:
            name = self.unique_name(name or op.name)
        self.names.add(name)
        node.name = name
        self.append(node)
        return [make_value(self, node, i) for i in range(len(node.specs))]


cdef object attrs_of(object op, object attrs):
    if attrs is None:
        return op.attrs()
    if isinstance(attrs, dict):
        return op.attrs(attrs)
    return attrs


cdef Value make_value(GraphBuilder builder, Node node, Py_ssize_t index):
    cdef Value value
    if node.specs is None or node.specs[index] is None:
        raise MXNetError(f"the shape of {node.name!r} is not known")
    value = Value.__new__(Value)
    value.builder = builder
    value.node = node
    value.index = index
    value.spec = <Spec>node.specs[index]
    return value


# `operation` is a place in OPERATOR_NAMES.
cdef object binary(int operation, object lhs, object rhs, bint reverse):
    cdef tuple names = <tuple>OPERATOR_NAMES[operation]
    cdef Value value = <Value>lhs
    if isinstance(rhs, Value):
        return value.builder.call(operator_named(names[0]), (rhs, lhs) if reverse else (lhs, rhs))
    if not isinstance(rhs, (int, float)):
        return NotImplemented
    op = operator_named(names[2 if reverse else 1])
    return value.builder.call(op, (lhs,), scalar_attrs(op, rhs))


@cython.final
@cython.freelist(64)
cdef class Value:
    """An output of a node, while its graph is being built. Every operator is a method, as with arrays."""

    cdef readonly GraphBuilder builder
    cdef readonly Node node
    cdef readonly Py_ssize_t index
    cdef readonly Spec spec

    def __repr__(self):
        return f"<Value {self.node.name}[{self.index}] {self.spec.shape} {self.spec.dtype}>"

    @property
    def entry(self):
        """The node and which of its outputs this is."""
        return (self.node, self.index)

    @property
    def shape(self):
        """Shape."""
        return self.spec.shape

    @property
    def dtype(self):
        """Data type, as MXNet writes it: a NumPy scalar class."""
        return self.spec.dtype.type

    @property
    def size(self):
        """Number of elements."""
        return self.spec.size

    @property
    def ndim(self):
        """Number of dimensions."""
        return self.spec.ndim

    @property
    def context(self):
        """Device of the node; None leaves it to the executor."""
        return self.node.context

    def _weft_symbol(self, op, inputs, attrs, name):
        return self.builder.call(op, inputs, attrs, name)

    def __getattr__(self, str name not None):
        if name.startswith("_") or registry.find(name) is None:
            raise AttributeError(f"values of graphs have no attribute {name!r}")
        from ...ops.dispatch import function

        operator = function(name)

        def method(*args, **kwargs):
            return operator(self, *args, **kwargs)

        return method

    def __add__(self, other):
        return binary(0, self, other, False)

    def __radd__(self, other):
        return binary(0, self, other, True)

    def __sub__(self, other):
        return binary(1, self, other, False)

    def __rsub__(self, other):
        return binary(1, self, other, True)

    def __mul__(self, other):
        return binary(2, self, other, False)

    def __rmul__(self, other):
        return binary(2, self, other, True)

    def __truediv__(self, other):
        return binary(3, self, other, False)

    def __rtruediv__(self, other):
        return binary(3, self, other, True)

    def __mod__(self, other):
        return binary(4, self, other, False)

    def __rmod__(self, other):
        return binary(4, self, other, True)

    def __pow__(self, other, modulus):
        return binary(5, self, other, False)

    def __rpow__(self, other, modulus):
        return binary(5, self, other, True)

    def __neg__(self):
        return self.builder.call("negative", (self,))

    def __eq__(self, other):
        return binary(6, self, other, False)

    def __ne__(self, other):
        return binary(7, self, other, False)

    def __lt__(self, other):
        return binary(8, self, other, False)

    def __le__(self, other):
        return binary(9, self, other, False)

    def __gt__(self, other):
        return binary(10, self, other, False)

    def __ge__(self, other):
        return binary(11, self, other, False)

    __hash__ = None
