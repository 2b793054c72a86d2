"""The graph that symbols, traced blocks and gradient graphs share: nodes, and graphs of them.

A :class:`Node` is a variable or one operator call; an *entry* ``(node, index)`` is one of its outputs. Symbols point
at nodes. A :class:`Graph` owns nodes of its own, in the order in which they may run; passes turn graphs into graphs.
"""

from libc.stdint cimport int64_t
from libcpp.vector cimport vector

from ...ops.errors import MXNetError

#: Which half of a training graph a node belongs to.
FORWARD = 0
BACKWARD = 1


cdef class Node:
    """One operator call, or (without ``op``) a variable.

    Parameters
    ----------
    op : Operator or None
        What it computes; None makes it a variable.
    attrs : Attrs or None
        The operator's parameters.
    name : str
        Its name; a variable is given its value by it.
    inputs : list of (Node, int)
        The entries it reads.
    annotations : dict of str to str, optional
        What users wrote beside it, such as ``__lr_mult__`` or ``__ctx_group__``. Copies of a node share the
        dictionary: to change it, put another one in its place.

    Attributes
    ----------
    controls : list of Node or None
        Nodes that must have run before although no data flows.
    subgraphs : tuple
        The graphs inside a control flow node.
    specs : tuple of Spec or None
        Shape and dtype of every output, hidden ones included; always None on the nodes of symbols.
    context : Context or None
        Where it runs; None leaves it to the executor.
    part : int
        ``FORWARD`` or ``BACKWARD``.
    id : int
        Its place in ``graph.nodes``; meaningful in its graph only.
    cached : bool
        Its result depends on parameters only and is kept until one of them is written.

    Examples
    --------
    >>> from weft.ops import registry
    >>> x = Node(None, None, "x")
    >>> exp = registry.get("exp")
    >>> Node(exp, exp.attrs(), "y", [(x, 0)])
    <Node y = exp(x)>
    """

    def __init__(self, op, attrs, str name, inputs=(), annotations=None):
        self.op = op
        self.attrs = attrs
        self.name = name
        self.inputs = list(inputs)
        self.annotations = dict(annotations) if annotations else None
        self.subgraphs = ()
        self.id = -1

    def __repr__(self):
        if self.op is None:
            return f"<variable {self.name}>"
        inputs = ", ".join([(<Node>node).name if index == 0 else f"{(<Node>node).name}[{index}]" for node, index in self.inputs])
        return f"<Node {self.name} = {self.op.name}({inputs})>"

    @property
    def is_variable(self):
        """Whether the node is a variable."""
        return self.op is None

    @property
    def n_outputs(self):
        """Number of outputs, hidden ones included."""
        return 1 if self.op is None else self.op.count_outputs(self.attrs)

    @property
    def n_visible(self):
        """Number of outputs that users see."""
        return 1 if self.op is None else self.op.count_visible(self.attrs)

    def annotation(self, str key, default=None):
        """Return a user attribute, or ``default`` where there is none."""
        return default if self.annotations is None else self.annotations.get(key, default)

    def copy(self):
        """Return a node with the same contents and inputs, outside any graph."""
        return self.clone(list(self.inputs))

    cdef Node clone(self, list inputs):
        cdef Node made = Node.__new__(Node)
        made.op = self.op
        made.attrs = self.attrs
        made.name = self.name
        made.inputs = inputs
        made.controls = None if self.controls is None else list(self.controls)
        made.annotations = self.annotations
        made.subgraphs = self.subgraphs
        made.specs = self.specs
        made.context = self.context
        made.part = self.part
        made.cached = self.cached
        made.id = self.id
        return made


# What AddressMap.get gives for nodes of which a walk knows nothing, and the place of those that are on its stack.
cdef enum:
    kUnseen = -2
    kOnStack = -1


cdef list topological(list roots, AddressMap* places):
    """Every node under `roots`, inputs first: depth first, in the order of inputs, without recursion.

    `places` comes back with the place of each.
    """
    cdef list order = [], stack = []
    cdef vector[Py_ssize_t] children     # of the nodes on the stack: how many have been looked at
    cdef Node node, child
    cdef Py_ssize_t at, n
    cdef int64_t place
    # Children are the inputs, then the control dependencies.
    for root in roots:
        if places.get(<void*>root, kUnseen) != kUnseen:
            continue
        stack.append(root)
        children.push_back(0)
        places.put(<void*>root, kOnStack)
        while stack:
            node = <Node>stack[len(stack) - 1]
            at = children.back()
            n = len(node.inputs)
            while True:
                if at < n:
                    child = <Node>(<tuple>node.inputs[at])[0]
                elif node.controls is not None and at < n + len(node.controls):
                    child = <Node>node.controls[at - n]
                else:
                    child = None
                    break
                at += 1
                place = places.get(<void*>child, kUnseen)
                if place == kUnseen:
                    break
                if place == kOnStack:
                    raise MXNetError(f"the graph has a cycle through node {child.name!r}")
            children[children.size() - 1] = at
            if child is not None:
                stack.append(child)
                children.push_back(0)
                places.put(<void*>child, kOnStack)
            else:
                stack.pop()
                children.pop_back()
                places.put(<void*>node, len(order))
                order.append(node)
    return order


def topological_order(entries):
    """Return every node that the entries need, inputs before users, in MXNet's depth-first order.

    Examples
    --------
    >>> x = Node(None, None, "x")
    >>> topological_order([(x, 0)])
    [<variable x>]
    """
    cdef AddressMap places
    return topological([node for node, _ in entries], &places)


cdef Py_ssize_t place_of(Node node, list nodes, AddressMap* places) except -1:
    """The place of a node; `nodes` are the copies so far, which it must be among."""
    cdef Py_ssize_t place = node.id if places == NULL else places.get(<void*>node, -1)
    if place < 0 or place >= len(nodes):
        raise MXNetError(f"node {node.name!r} is used by one that comes before it in the graph")
    return place


cdef inline tuple moved_entry(tuple entry, list nodes, list firsts, AddressMap* places):
    cdef Py_ssize_t place = place_of(<Node>entry[0], nodes, places), index = entry[1]
    return <tuple>firsts[place] if index == 0 else (nodes[place], entry[1])


cdef class Graph:
    """Nodes in an order in which they may run, and which of their outputs are wanted.

    Attributes
    ----------
    nodes : list of Node
        Every node, inputs before users. They belong to this graph alone.
    outputs : list of (Node, int)
        The heads, then the gradients.
    n_heads : int
        Number of heads.
    gradients : list of str
        Names of the variables whose gradients ``outputs[n_heads:]`` are.
    head_grads : list of Node
        Variables that bring in gradients of heads.
    constants : dict of str to NDArray
        Values of variables that are part of the graph (folded subgraphs).
    train : bool
        Whether operators run in training mode.
    disposable : bool
        Nobody keeps this graph but who holds it now: a pass may change it instead of a copy.
    notes : list of (str, str)
        What each pass did.

    Examples
    --------
    >>> from weft.ops import registry
    >>> x, exp = Node(None, None, "x"), registry.get("exp")
    >>> graph = Graph.from_entries([(Node(exp, exp.attrs(), "y", [(x, 0)]), 0)])
    >>> graph.nodes
    [<variable x>, <Node y = exp(x)>]
    """

    def __init__(self):
        self.nodes = []
        self.outputs = []
        self.n_heads = 0
        self.gradients = []
        self.head_grads = []
        self.constants = {}
        self.notes = []

    @staticmethod
    def from_entries(entries):
        """Return a graph with copies of all nodes that ``entries``, its heads, need."""
        cdef Graph graph = Graph()
        cdef AddressMap places
        graph.nodes = topological([node for node, _ in entries], &places)
        graph.outputs = list(entries)
        graph.n_heads = len(graph.outputs)
        graph.replace_nodes(&places)
        return graph

    def copy(self):
        """Return the same graph with nodes of its own."""
        cdef Graph graph = Graph()
        cdef AddressMap places
        cdef Py_ssize_t i
        graph.nodes = self.nodes
        graph.outputs = self.outputs
        graph.n_heads = self.n_heads
        graph.gradients = list(self.gradients)
        graph.head_grads = self.head_grads
        graph.constants = dict(self.constants)
        graph.train = self.train
        graph.notes = list(self.notes)
        if self.is_numbered():
            graph.replace_nodes(NULL)
        else:
            for i in range(len(self.nodes)):
                places.put(<void*>self.nodes[i], i)
            graph.replace_nodes(&places)
        return graph

    def writable(self):
        """Return what a pass may change: a copy, or the graph itself where it is disposable."""
        return self if self.disposable else self.copy()

    cdef int replace_nodes(self, AddressMap* places) except -1:
        """Put copies in the place of all nodes; `places` tells where each is, NULL that their numbers do."""
        cdef list nodes = [], firsts = []  # the copies, and the entries of their first outputs
        cdef list inputs
        cdef Node node, made
        cdef Py_ssize_t number
        for number, node in enumerate(self.nodes):
            inputs = node.inputs
            made = node.clone([moved_entry(<tuple>entry, nodes, firsts, places) for entry in inputs])
            made.id = number
            if made.controls is not None:
                made.controls = [nodes[place_of(<Node>source, nodes, places)] for source in made.controls]
            nodes.append(made)
            firsts.append((made, 0))
        self.outputs = [moved_entry(<tuple>entry, nodes, firsts, places) for entry in self.outputs]
        if self.head_grads:
            present = set(self.nodes)
            self.head_grads = [nodes[place_of(<Node>source, nodes, places)] for source in self.head_grads if source in present]
        self.nodes = nodes
        return 0

    cdef bint is_numbered(self) except -1:
        """Whether every node's ``id`` is its place."""
        cdef Py_ssize_t i
        for i in range(len(self.nodes)):
            if (<Node>self.nodes[i]).id != i:
                return False
        return True

    def reorder(self):
        """Find ``nodes`` anew from the outputs; nodes that nothing needs are gone after it. Returns the graph."""
        self.nodes = topological_order(self.outputs)
        self.number()
        present = set(self.nodes)
        self.head_grads = [node for node in self.head_grads if node in present]
        self.constants = {node.name: self.constants[node.name] for node in self.nodes if node.name in self.constants}
        return self

    def number(self):
        """Write each node's place in ``nodes`` into its ``id``."""
        cdef Py_ssize_t i
        for i in range(len(self.nodes)):
            (<Node>self.nodes[i]).id = i

    @property
    def heads(self):
        """The entries of the graph's results, without gradients."""
        return self.outputs[:self.n_heads]

    def operators(self):
        """Return the set of operators that the graph calls."""
        return operators_of(self.nodes)

    def annotated(self, str key):
        """Return the nodes that have an annotation of that name."""
        # Casts: the variables of comprehensions have no types.
        return [node for node in self.nodes if (<Node>node).annotations is not None and key in (<Node>node).annotations]

    def consumers(self):
        """Return for each node, by its id, the list of ``(user, position among its inputs)``."""
        cdef list users = [[] for _ in self.nodes]
        cdef Node node, source
        cdef Py_ssize_t i
        for node in self.nodes:
            for i in range(len(node.inputs)):
                source = <Node>(<tuple>node.inputs[i])[0]
                (<list>users[source.id]).append((node, i))
        return users

    def variables(self):
        """Return all variables in order, constants and gradients of heads not among them."""
        cdef Node node
        cdef list found = []
        cdef set inner = set(self.head_grads)
        for node in self.nodes:
            if node.op is None and not (self.constants and node.name in self.constants) and not (inner and node in inner):
                found.append(node)
        return found

    def auxiliaries(self):
        """Return the variables that are auxiliary states of some operator."""
        found = auxiliary_nodes(self.nodes)
        return [node for node in self.variables() if node in found]

    def arguments(self):
        """Return the variables that are not auxiliary states."""
        found = auxiliary_nodes(self.nodes)
        return [node for node in self.variables() if node not in found]

    def note(self, str name, str text):
        """Record what a pass did."""
        self.notes.append((name, text))

    def explain(self):
        """Return what each pass did, one a line."""
        return "\n".join([f"{name}: {text}" for name, text in self.notes])


def auxiliary_nodes(nodes):
    """Return the set of variables that operators among ``nodes`` use as auxiliary states."""
    cdef Node node, source
    cdef Py_ssize_t i
    cdef set found = set(), having = {op for op in operators_of(nodes) if op.aux}
    for node in nodes if having else ():
        if node.op not in having:
            continue
        names = node.op.input_names(node.attrs)
        states = node.op.state_names(node.attrs)
        for i in range(len(node.inputs)):
            source = <Node>(<tuple>node.inputs[i])[0]
            if names[i] in states and source.op is None:
                found.add(source)
    return found


cdef set operators_of(list nodes):
    cdef Node node
    cdef set found = set()
    cdef object last = None
    for node in nodes:
        if node.op is not last and node.op is not None:
            last = node.op
            found.add(last)
    return found


cdef set writing_operators(list nodes):
    """The operators among those of the nodes that write some of their inputs."""
    return {op for op in operators_of(nodes) if op.mutates}


cdef set mutated_entries(list nodes):
    """Entries that some node writes in place."""
    cdef set found = set(), writers = writing_operators(nodes)
    cdef Node node
    for node in nodes if writers else ():
        if node.op in writers:
            for i in node.op.mutated_inputs(node.attrs):
                found.add(node.inputs[i])
    return found
