"""Shapes and dtypes of every entry of a graph, from whatever is known of its variables.

Each node's rule (``ops/partial.py``) is applied once in order. Where it learns something about an entry, the other nodes
at that entry are looked at again, until nothing changes: an entry can only become better known, so that every node is
visited a few times at most, in whatever direction knowledge travels. The rules' answers are kept while a graph is
worked on, because graphs repeat themselves.
"""

cimport cython
from libc.stdint cimport uint64_t
from libcpp.vector cimport vector

from ast import literal_eval
from collections import deque
from functools import lru_cache

from ...ops.array cimport Spec, get_spec
from .ir cimport Graph, Node
from .numbering cimport Calls, Numbering, address

from ...ops.array import as_dtype
from ...ops.errors import ShapeError
from ...ops.partial import known, settled
from .collector import paused

#: Numbers of dtypes in the annotation ``__dtype__``, as in MXNet's JSON.
DTYPE_CODES = {0: "float32", 1: "float64", 2: "float16", 3: "uint8", 4: "int32", 5: "int8", 6: "int64", 7: "bool"}


cdef class Solver:
    """Values (shapes or dtypes) of all entries, one object for all that are equal."""

    cdef Graph graph
    cdef Entries entries
    cdef list values
    cdef dict canonical            # the object for each value
    cdef Numbering known_calls     # calls with what was known of their entries
    cdef list found                # what the rule said to each, (inputs, outputs), None for what is no news
    cdef bint of_shapes
    cdef object queue
    cdef bytearray queued

    def __init__(self, Graph graph, Entries entries, bint of_shapes):
        self.graph = graph
        self.entries = entries
        self.values = [None] * entries.count
        self.canonical = {}
        self.found = []
        self.of_shapes = of_shapes
        self.queue = deque()
        self.queued = bytearray(len(graph.nodes))

    cdef int set_variable(self, Node node, value) except -1:
        """Take what is given for a variable."""
        self.values[self.entries.offsets[node.id]] = self.canonical.setdefault(value, value)
        return 0

    cdef int run(self) except -1:
        """Visit every node in order, then those that learned something afterwards."""
        cdef Py_ssize_t i
        for i in range(len(self.graph.nodes)):
            if (<Node>self.graph.nodes[i]).op is not None:
                self.visit(i, i)
        self.finish()
        return 0

    cdef int finish(self) except -1:
        cdef Py_ssize_t i
        while self.queue:
            i = self.queue.popleft()
            self.queued[i] = 0
            self.visit(i, len(self.graph.nodes))
        return 0

    cdef int visit(self, Py_ssize_t i, Py_ssize_t front) except -1:
        """Apply the rule of node `i`; nodes from `front` on are going to be visited anyway."""
        cdef Node node = <Node>self.graph.nodes[i]
        cdef Node source
        cdef Py_ssize_t k, index, place, n_in = len(node.inputs)
        cdef Py_ssize_t base = self.entries.offsets[i], end = self.entries.offsets[i + 1]
        cdef list values = self.values, new_ins, new_outs
        self.known_calls.add(<uint64_t>self.entries.calls[i])
        for item in node.inputs:
            self.known_calls.add(address(values[self.entries.place(<tuple>item)]))
        for k in range(base, end):
            self.known_calls.add(address(values[k]))
        k = self.known_calls.number()
        if k == len(self.found):
            self.found.append(self.ask(node, [values[self.entries.place(<tuple>item)] for item in node.inputs], values[base:end]))
        new_ins, new_outs = <tuple>self.found[k]
        if new_outs is not None:
            for k in range(len(new_outs)):
                if new_outs[k] is not values[base + k]:
                    values[base + k] = new_outs[k]
                    self.tell_users(i, k, i, front)
        if new_ins is not None:
            for k in range(n_in):
                place = self.entries.place(<tuple>node.inputs[k])
                if new_ins[k] is not values[place]:
                    source = <Node>(<tuple>node.inputs[k])[0]
                    index = (<tuple>node.inputs[k])[1]
                    values[place] = new_ins[k]
                    if source.op is not None:
                        self.enqueue(source.id)
                    self.tell_users(source.id, index, i, front)
        return 0

    cdef tuple ask(self, Node node, list ins, list outs):
        """Return the rule's lists of inputs and outputs; None for a list that tells nothing new."""
        cdef bint lasting = self.of_shapes and not node.subgraphs and "description" not in node.op.param_by_name
        if lasting:
            key = (node.op, node.attrs._values(), tuple(ins), tuple(outs))
            found = answers.get(key)
            if found is not None:
                return self.listed(found[0]), self.listed(found[1])
        try:
            if self.of_shapes:
                new_ins, new_outs = node.op.refine_shapes(node.attrs, ins, outs)
            else:
                new_ins, new_outs = node.op.refine_types(node.attrs, ins, outs)
        except ShapeError as error:
            raise ShapeError(f"Error in operator {node.name}: {error}") from None
        new_ins = tuple(new_ins) if any_differ(new_ins, ins) else None
        new_outs = tuple(new_outs) if any_differ(new_outs, outs) else None
        if lasting:
            if len(answers) >= MAX_ANSWERS:
                answers.clear()
            answers[key] = (new_ins, new_outs)
        return self.listed(new_ins), self.listed(new_outs)

    cdef list listed(self, items):
        return None if items is None else [self.canonical.setdefault(item, item) for item in items]

    cdef int tell_users(self, Py_ssize_t i, Py_ssize_t index, Py_ssize_t teller, Py_ssize_t front) except -1:
        cdef Py_ssize_t k, user
        if front == teller and i == teller:
            return 0  # the first time through, whoever uses a node comes after it
        self.entries.find_users(self.graph)
        for k in range(self.entries.first_user[i], self.entries.first_user[i + 1]):
            user = self.entries.users[k]
            if user != teller and user < front and self.entries.used[k] == index:
                self.enqueue(user)
        return 0

    cdef int enqueue(self, Py_ssize_t i) except -1:
        if not self.queued[i]:
            self.queued[i] = 1
            self.queue.append(i)
        return 0


#: What the rules of shapes said, by operator, parameters and what was known. Frameworks that build a network layer by layer ask
#: for the shapes of the whole graph after each. Custom operators and bodies of loops are not pure, and not here.
cdef dict answers = {}
cdef Py_ssize_t MAX_ANSWERS = 1 << 14


cdef inline bint differ(a, b) except -1:
    # Not by == alone: NumPy takes None for float64 there.
    return a is not b and (a is None or b is None or a != b)


cdef bint any_differ(items, others) except -1:
    for a, b in zip(items, others):
        if differ(a, b):
            return True
    return False


@cython.final
cdef class Entries:
    """Where the entries of a graph's nodes are in one list of all of them, and which nodes are alike."""

    cdef vector[Py_ssize_t] offsets     # the first entry of each node, and how many there are in the end
    cdef vector[Py_ssize_t] calls       # of each node that is no variable: see Calls
    cdef Py_ssize_t count
    cdef bint has_dtypes                # some operator decides on a dtype whatever its inputs
    cdef vector[Py_ssize_t] first_user  # of each node, among all users; empty until somebody asks
    cdef vector[Py_ssize_t] users       # ids of nodes
    cdef vector[Py_ssize_t] used        # which of the outputs

    def __init__(self, Graph graph):
        cdef Calls numbers = Calls()
        cdef vector[Py_ssize_t] outputs     # of each call
        cdef Node node
        cdef Py_ssize_t call
        self.offsets.reserve(len(graph.nodes) + 1)
        self.offsets.push_back(0)
        self.calls.reserve(len(graph.nodes))
        for node in graph.nodes:
            if node.op is None:
                self.count += 1
                self.calls.push_back(-1)
            else:
                call = numbers.of(node)
                if call == <Py_ssize_t>outputs.size():
                    outputs.push_back(node.op.count_outputs(node.attrs))
                    self.has_dtypes |= not node.inputs or "dtype" in node.op.param_by_name
                self.calls.push_back(call)
                self.count += outputs[call]
            self.offsets.push_back(self.count)

    cdef Py_ssize_t place(self, tuple entry) noexcept:
        return self.offsets[(<Node>entry[0]).id] + <Py_ssize_t>entry[1]

    cdef int find_users(self, Graph graph) except -1:
        """Note who reads what, unless that was done before."""
        cdef vector[Py_ssize_t] at
        cdef Node node
        cdef Py_ssize_t i, k
        if not self.first_user.empty():
            return 0
        self.first_user.assign(len(graph.nodes) + 1, 0)
        for node in graph.nodes:
            for entry in node.inputs:
                self.first_user[(<Node>(<tuple>entry)[0]).id + 1] += 1
        for i in range(len(graph.nodes)):
            self.first_user[i + 1] += self.first_user[i]
        at = self.first_user
        self.users.resize(self.first_user.back())
        self.used.resize(self.first_user.back())
        for node in graph.nodes:
            for entry in node.inputs:
                i = (<Node>(<tuple>entry)[0]).id
                k = at[i]
                at[i] += 1
                self.users[k] = node.id
                self.used[k] = (<tuple>entry)[1]
        return 0


# ---- what is given ---------------------------------------------------------------------------------------------------


def check_names(Graph graph, shapes, dtypes):
    """Raise unless every given name is that of a variable."""
    cdef Node node
    if not shapes and not dtypes:
        return
    cdef set names = set()
    for node in graph.nodes:
        if node.op is None:
            names.add(node.name)
    for given in (shapes, dtypes):
        for name in given or ():
            if name not in names:
                candidates = ", ".join([node.name for node in graph.variables()])
                raise ShapeError(f"argument {name!r} is not an argument of this graph; there are: {candidates}")


@lru_cache(4096)
def parsed(text):
    return literal_eval(text)


def as_partial_shape(shape, name):
    """Return a shape as inference takes it: None where nothing is known, 0 for extents that are not."""
    if isinstance(shape, str):
        try:
            shape = parsed(shape)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            raise ShapeError(f"variable {name}: the shape {shape!r} is not a tuple of integers") from None
    if isinstance(shape, int):
        shape = (shape,)
    if shape is None or len(shape) == 0:
        return None
    result = []
    for extent in shape:
        if extent is None or extent == -1:
            extent = 0
        try:
            extent = extent.__index__()
        except AttributeError:
            raise ShapeError(f"variable {name}: the shape {shape} has the entry {extent!r}, expected an integer") from None
        if extent < 0:
            raise ShapeError(f"variable {name}: the shape {shape} has the negative entry {extent}")
        result.append(extent)
    return tuple(result)


def as_partial_dtype(dtype, name):
    """Return a dtype, or None where it is not known; annotations hold MXNet's numbers."""
    if isinstance(dtype, str) and dtype.lstrip("-").isdigit():
        number = int(dtype)
        if number == -1:
            return None
        if number not in DTYPE_CODES:
            raise ShapeError(f"variable {name}: the dtype has the number {number}, expected one of {list(DTYPE_CODES)}")
        dtype = DTYPE_CODES[number]
    return None if dtype is None else as_dtype(dtype)


cdef Solver solve_shapes(Graph graph, dict shapes, Entries entries):
    cdef Solver solver = Solver(graph, entries, True)
    cdef Node node
    for node in graph.nodes:
        if node.op is not None:
            continue
        shape = as_partial_shape(shapes.get(node.name), node.name)
        if shape is None and node.name in graph.constants:
            shape = graph.constants[node.name].shape
        if shape is None and node.specs is not None and node.specs[0] is not None:
            shape = node.specs[0].shape
        if shape is None and node.annotations is not None:
            shape = as_partial_shape(node.annotations.get("__shape__"), node.name)
        solver.set_variable(node, shape)
    solver.run()
    return solver


cdef Solver solve_dtypes(Graph graph, dict dtypes, Entries entries, bint defaults):
    """Dtypes of all entries; with `defaults`, variables that nothing constrains are float32."""
    cdef Solver solver = Solver(graph, entries, False)
    cdef Node node
    cdef Py_ssize_t place
    cdef bint free = defaults and not entries.has_dtypes
    single = as_dtype(None)
    for node in graph.nodes:
        if node.op is not None:
            continue
        dtype = as_partial_dtype(dtypes.get(node.name), node.name)
        if dtype is None and node.name in graph.constants:
            dtype = graph.constants[node.name].dtype
        if dtype is None and node.specs is not None and node.specs[0] is not None:
            dtype = node.specs[0].dtype
        if dtype is None and node.annotations is not None:
            dtype = as_partial_dtype(node.annotations.get("__dtype__"), node.name)
        if dtype is not None:
            free = False
            solver.set_variable(node, as_dtype(dtype))
    if free and graph.nodes and (<Node>graph.nodes[0]).op is None:
        # Nothing decides on any dtype: the first default is as good before the first look at the nodes as after it.
        solver.set_variable(<Node>graph.nodes[0], single)
    solver.run()
    if defaults:
        for node in graph.nodes:
            place = solver.entries.offsets[node.id]
            if node.op is None and solver.values[place] is None:
                solver.set_variable(node, single)
                solver.tell_users(node.id, 0, -1, len(graph.nodes))
                solver.finish()
    return solver


# ---- the passes --------------------------------------------------------------------------------------------------------


def infer_shapes(Graph graph, shapes=None):
    """Return what is known of each entry's shape: ``{(node, index): tuple with 0 for unknown extents, or None}``."""
    check_names(graph, shapes, None)
    return by_entry(graph, solve_shapes(graph, dict(shapes or {}), Entries(graph)))


def infer_types(Graph graph, dtypes=None, defaults=False):
    """Return each entry's dtype, ``{(node, index): dtype or None}``; with ``defaults``, free variables are float32."""
    check_names(graph, None, dtypes)
    return by_entry(graph, solve_dtypes(graph, dict(dtypes or {}), Entries(graph), defaults))


def infer_partial(Graph graph, shapes=None, dtypes=None):
    """Return what :func:`infer_shapes` and :func:`infer_types` find, as two dictionaries.

    Examples
    --------
    >>> from weft.frontend.graph.ir import Graph, Node
    >>> from weft.ops import registry
    >>> dense = registry.get("FullyConnected")
    >>> names = ("data", "weight", "bias")
    >>> node = Node(dense, dense.attrs(num_hidden=4), "fc", [(Node(None, None, name), 0) for name in names])
    >>> graph = Graph.from_entries([(node, 0)])
    >>> shapes, _ = infer_partial(graph, {"data": (0, 3)})
    >>> [shapes[node, 0] for node in graph.nodes]
    [(0, 3), (4, 3), (4,), (0, 4)]
    """
    return infer_shapes(graph, shapes), infer_types(graph, dtypes)


cdef dict by_entry(Graph graph, Solver solver):
    cdef dict result = {}
    cdef Node node
    cdef Py_ssize_t k, first, end
    for node in graph.nodes:
        first = solver.entries.offsets[node.id]
        end = solver.entries.offsets[node.id + 1]
        for k in range(first, end):
            result[node, k - first] = solver.values[k]
    return result


def infer(Graph graph, shapes=None, dtypes=None, partial=False, exact=False):
    """Fill in the specs of all nodes, from shapes and dtypes of variables.

    Parameters
    ----------
    graph : Graph
        What to look at; it is not changed.
    shapes : dict of str to tuple, optional
        Shapes of variables; an extent of 0 is not known. Else the annotation ``__shape__`` counts.
    dtypes : dict of str to dtype, optional
        Dtypes of variables; else the annotation ``__dtype__`` counts. Variables that nothing constrains are float32.
    partial : bool
        Leave ``specs`` at None for entries whose shape is not known, instead of raising.
    exact : bool
        The shapes are those of arrays: an extent of 0 means no elements.

    Returns
    -------
    Graph
        A copy with specs.

    Raises
    ------
    MXNetError
        When shapes or dtypes contradict each other, naming the node, or when some stay unknown.
    """
    check_names(graph, shapes, dtypes)
    with paused():
        return fill(graph, dict(shapes or {}), dict(dtypes or {}), partial, exact)


cdef Graph fill(Graph graph, dict shapes, dict dtypes, bint partial, bint exact):
    """Return a copy of a graph with specs."""
    cdef Graph result
    cdef Node node
    cdef Entries entries
    cdef Solver of_shapes, of_dtypes
    cdef Py_ssize_t k, first, end, number
    cdef Numbering outputs      # what is known of a node's outputs
    cdef list made = []
    cdef tuple specs
    result = graph.writable()
    entries = Entries(result)
    of_shapes = solve_shapes(result, shapes, entries)
    of_dtypes = solve_dtypes(result, dtypes, entries, True)
    if not partial:
        require_all(result, of_shapes, of_dtypes)
    for node in result.nodes:
        first = entries.offsets[node.id]
        end = entries.offsets[node.id + 1]
        for k in range(first, end):
            outputs.add(address(of_shapes.values[k]))
            outputs.add(address(of_dtypes.values[k]))
        number = outputs.number()
        if number == len(made):
            made.append(tuple([filled(of_shapes.values[k], of_dtypes.values[k]) for k in range(first, end)]))
        node.specs = specs = <tuple>made[number]
        if node.op is not None and not node.inputs and specs and specs[0] is not None:
            try:
                node.attrs = settled(node.op, node.attrs, (<Spec>specs[0]).shape)
            except ValueError as error:
                raise ShapeError(f"Error in operator {node.name}: {error}") from None
    if exact:
        complete(result, shapes, of_dtypes)
    result.note("infer", f"shapes and dtypes of {entries.count} entries, {len(of_shapes.found)} different calls")
    return result


cdef Spec filled(shape, dtype):
    """The spec of an entry; None where its shape or dtype is not known."""
    return get_spec(<tuple>shape, dtype) if shape is not None and 0 not in <tuple>shape and dtype is not None else None


cdef int complete(Graph result, dict shapes, Solver of_dtypes) except -1:
    """Fill in, in order, what solving left open because it takes an extent of 0 for one that is not known."""
    cdef Node node, source
    cdef list ins, dtypes
    for node in result.nodes:
        if None not in <tuple>node.specs:
            continue
        dtypes = of_dtypes.values[of_dtypes.entries.offsets[node.id]:of_dtypes.entries.offsets[node.id + 1]]
        if None in dtypes:
            continue
        if node.op is None:
            if node.name in shapes:
                node.specs = (get_spec(<tuple>shapes[node.name], dtypes[0]),)
            continue
        if node.op.resolve is not None:
            continue  # its values decide
        ins = []
        for item in node.inputs:
            source = <Node>(<tuple>item)[0]
            ins.append((<tuple>source.specs)[<Py_ssize_t>(<tuple>item)[1]])
        if None not in ins:
            try:
                made = node.op.infer_shapes(node.attrs, [(<Spec>spec).shape for spec in ins])
            except ShapeError as error:
                raise ShapeError(f"Error in operator {node.name}: {error}") from None
            node.specs = tuple([get_spec(tuple(shape), dtype) for shape, dtype in zip(made, dtypes)])
    return 0


def has_unknown(Graph graph not None):
    """Return whether the shape or dtype of some entry is not known."""
    cdef Node node
    for node in graph.nodes:
        if node.specs is None:
            return True
        for spec in <tuple>node.specs:
            if spec is None:
                return True
    return False


def why_unplanned(Graph graph not None):
    """Return why passes cannot count on a graph's shapes; empty where they can."""
    cdef Node node
    for node in graph.nodes:
        if node.specs is None:
            return f"the shape of node {node.name} is known only when it has run"
        for spec in <tuple>node.specs:
            if spec is None:
                return f"the shape of node {node.name} is known only when it has run"
            if (<Spec>spec).size == 0:
                return f"node {node.name} has no elements"
    return ""


cdef int require_all(Graph graph, Solver of_shapes, Solver of_dtypes) except -1:
    """Raise where the shape or dtype of an entry is not known, with the variables that could settle it."""
    cdef Node node
    cdef Py_ssize_t k
    for k in range(len(of_shapes.values)):
        if of_shapes.values[k] is None or 0 in of_shapes.values[k] or of_dtypes.values[k] is None:
            break
    else:
        return 0
    open_variables = []
    for node in graph.nodes:
        shape = of_shapes.values[of_shapes.entries.offsets[node.id]]
        if node.op is None and not known(shape):
            open_variables.append(f"{node.name}: {shape or ()}")
    if open_variables:
        raise ShapeError(
            "the shapes of these arguments are not determined (0 is an extent that is not known): "
            + ", ".join(open_variables) + "; give them, or more of the others"
        )
    for node in graph.nodes:
        for k in range(of_shapes.entries.offsets[node.id], of_shapes.entries.offsets[node.id + 1]):
            if not known(of_shapes.values[k]):
                raise ShapeError(f"Error in operator {node.name}: its shape {of_shapes.values[k] or ()} is not determined")
            if of_dtypes.values[k] is None:
                raise ShapeError(f"Error in operator {node.name}: its dtype is not determined")
    return 0
