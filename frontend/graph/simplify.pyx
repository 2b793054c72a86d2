"""Passes that leave work out: identities, common subexpressions, constants, and what nobody needs.

One walk in order serves the first two, because what replaces a node must be known before its users are looked at. The
order of the nodes that stay is kept: the gradient pass has put backward nodes where they free memory earliest.
"""

cimport cython
from libc.stdint cimport uint64_t
from libcpp.vector cimport vector

from .ir cimport Graph, Node, mutated_entries, writing_operators
from .numbering cimport Calls, Numbering, address

from ...ops import registry
from .collector import paused
from .ir import BACKWARD

cdef int BACKWARD_PART = BACKWARD

#: Larger constants than this (bytes) are folded only where they are no larger than what they are made of.
LARGEST_CONSTANT = 1 << 16

# Operators that give their first input to their first output unchanged once gradients are in the graph.
cdef set IDENTITIES = {
    "_copy", "BlockGrad", "make_loss", "MakeLoss", "_contrib_gradientmultiplier", "_identity_with_attr_like_rhs",
    "IdentityAttachKLSparseReg",
}
# ... and those that do so when shape and dtype stay what they are.
cdef set SAME_SPEC = {
    "Reshape", "Flatten", "expand_dims", "squeeze", "reshape_like", "Cast", "amp_cast", "broadcast_to", "broadcast_axis",
    "broadcast_like", "_reduce_like", "_expand_like", "slice_axis", "slice_like", "Crop", "Concat", "add_n",
}
cdef dict NEUTRAL = {"_mul_scalar": 1.0, "_div_scalar": 1.0, "_minus_scalar": 0.0, "_power_scalar": 1.0}
# Operators that only give elements another shape; the shape alone says what they do.
cdef set RESHAPES = {"Reshape", "Flatten", "expand_dims", "squeeze", "reshape_like"}
# Operators that take only the shape of an input: what they become when it is known.
cdef dict SHAPE_ONLY = {"zeros_like": "_zeros", "ones_like": "_ones"}


def simplify(Graph graph, identities=True, common=True, constants=True, dead=True):
    """Return a graph that computes the same with fewer nodes; the same object where there is nothing to leave out.

    Parameters
    ----------
    graph : Graph
        A graph with specs.
    identities : bool
        Remove operators that give back their input, and join reshapes and transposes that follow each other.
    common : bool
        Compute equal calls once; never those that draw random numbers, write their inputs or depend on the training mode.
    constants : bool
        Evaluate what depends on no variable once, and keep the values in ``graph.constants``.
    dead : bool
        Drop nodes that no output needs.

    Examples
    --------
    >>> from weft.frontend.graph.ir import Graph, Node
    >>> from weft.frontend.graph.infer import infer
    >>> from weft.ops import registry
    >>> copy, exp = registry.get("_copy"), registry.get("exp")
    >>> same = Node(copy, copy.attrs(), "same", [(Node(None, None, "x"), 0)])
    >>> graph = Graph.from_entries([(Node(exp, exp.attrs(), "y", [(same, 0)]), 0)])
    >>> simplify(infer(graph, {"x": (2,)})).nodes
    [<variable x>, <Node y = exp(x)>]
    """
    with paused():
        return shorten(graph, identities, common, constants, dead)


cdef Graph shorten(Graph graph, bint identities, bint common, bint constants, bint dead):
    cdef Graph result = graph.writable()
    cdef list texts = []
    if identities or common:
        removed, merged = walk(result, identities, common)
        if removed:
            texts.append(f"{removed} identities removed or joined")
        if merged:
            texts.append(f"{merged} equal calls merged")
    if constants:
        folded, size = fold(result)
        if folded:
            texts.append(f"{folded} constants, {size} bytes")
    if dead:
        dropped = drop_dead(result)
        if dropped:
            texts.append(f"{dropped} nodes dropped that nothing needs")
    if not texts:
        return graph
    result.note("simplify", "; ".join(texts))
    return result


def remove_identities(Graph graph):
    """Return the graph without operators that give back their input."""
    return simplify(graph, True, False, False, True)


def merge_common(Graph graph):
    """Return the graph with equal calls computed once."""
    return simplify(graph, False, True, False, True)


def fold_constants(Graph graph):
    """Return the graph with everything evaluated that depends on no variable."""
    return simplify(graph, False, False, True, True)


def eliminate_dead(Graph graph):
    """Return the graph without nodes that no output needs."""
    return simplify(graph, False, False, False, True)


# ---- identities and common subexpressions ----------------------------------------------------------------------------


@cython.final
cdef class Facts:
    """What the walk asks of each operator, asked once."""

    cdef bint pure        # equal calls give equal results, whenever they run
    cdef bint joins       # it may take its data from before another operator
    cdef bint identity    # it may give back its first input

    def __init__(self, op):
        self.pure = not (op.random or op.uses_train or op.mutates or op.opaque)
        self.joins = op.name in RESHAPES or op.name == "transpose" or op.name in SHAPE_ONLY
        self.identity = op.name in IDENTITIES or op.name in SAME_SPEC or op.name in NEUTRAL or op.name in ("transpose", "slice", "Dropout")


cdef dict known_facts = {}


cdef Facts facts_of(object op):
    found = known_facts.get(op)
    if found is None:
        found = known_facts[op] = Facts(op)
    return <Facts>found


@cython.final
cdef class Merged:
    """The calls seen so far, found by what they compute. No object is made for a call: graphs have hundreds of thousands."""

    cdef Calls calls
    cdef dict groups                    # numbers of the groups that nodes were put in
    cdef Numbering known                # of what is called, where, with which inputs
    cdef vector[Py_ssize_t] last        # the node of each number that was added last; -1: none

    def __init__(self):
        self.calls = Calls()
        self.groups = {None: 0}

    cdef Py_ssize_t number_of(self, Node node) except -1:
        """Return a number that only equal calls share."""
        cdef Py_ssize_t group = 0, found
        if node.annotations is not None:
            group = self.groups.setdefault(node.annotations.get("__ctx_group__"), len(self.groups))
        self.known.add(<uint64_t>self.calls.of(node))
        self.known.add(address(node.context))
        self.known.add(<uint64_t>group)
        for entry in node.inputs:
            self.known.add(<uint64_t>(<Node>(<tuple>entry)[0]).id)
            self.known.add(<uint64_t><Py_ssize_t>(<tuple>entry)[1])
        found = self.known.number()
        if found == <Py_ssize_t>self.last.size():
            self.last.push_back(-1)
        return found


cdef tuple walk(Graph graph, bint identities, bint common):
    """Rewrite the graph's inputs; return how many nodes were bypassed, and how many merged."""
    cdef Py_ssize_t i, k, number, removed = 0, merged = 0
    cdef list nodes = graph.nodes
    cdef list moved = [None] * len(nodes)   # for a replaced node, the entries that its outputs became
    cdef set mutated = mutated_entries(graph.nodes)
    cdef set heads = None                   # made when it is asked for
    cdef vector[char] late = read_late(graph)
    cdef Merged known = Merged()
    cdef Node node, source, other
    cdef Facts facts
    for i in range(len(nodes)):
        node = <Node>nodes[i]
        if node.op is None:
            continue
        facts = facts_of(node.op)
        for k in range(len(node.inputs)):
            entry = <tuple>node.inputs[k]
            source = <Node>entry[0]
            if moved[source.id] is not None:
                entry = (<list>moved[source.id])[<Py_ssize_t>entry[1]]
                if entry is not None:
                    node.inputs[k] = entry
        if identities:
            if facts.joins and join(node):
                removed += 1
                facts = facts_of(node.op)
            entry = same_as(node) if facts.identity else None
            if entry is not None and entry not in mutated and (node, 0) not in mutated:
                if heads is None:
                    heads = set(graph.outputs)
                if not clashes(node, entry, heads):
                    moved[i] = [None] * len(node.specs)
                    moved[i][0] = entry
                    if (node, 0) in heads:
                        heads.add(entry)
                    removed += 1
                    continue
        if common and facts.pure and mergeable(node, mutated):
            number = known.number_of(node)
            other = None if known.last[number] < 0 else <Node>nodes[known.last[number]]
            if other is None or (other.part != node.part and not late[other.id]):
                # Across the border between the parts only where the earlier one is kept until then anyway.
                known.last[number] = i
                continue
            if heads is None:
                heads = set(graph.outputs)
            for k in range(len(node.specs)):
                if (node, k) in heads:
                    # Two outputs may be one entry, but each head stays a result of its own.
                    break
            else:
                moved[i] = [(other, k) for k in range(len(node.specs))]
                merged += 1
    if removed or merged:
        for k in range(len(graph.outputs)):
            entry = <tuple>graph.outputs[k]
            source = <Node>entry[0]
            if moved[source.id] is not None and (<list>moved[source.id])[<Py_ssize_t>entry[1]] is not None:
                graph.outputs[k] = (<list>moved[source.id])[<Py_ssize_t>entry[1]]
    return removed, merged


cdef vector[char] read_late(Graph graph) except *:
    """Which nodes' outputs the backward part reads anyway, or are results."""
    cdef vector[char] found
    cdef Node node, source
    found.assign(len(graph.nodes), 0)
    for node in graph.nodes:
        if node.part == BACKWARD_PART:
            for entry in node.inputs:
                source = <Node>(<tuple>entry)[0]
                if source.part != BACKWARD_PART:
                    found[source.id] = 1
    for entry in graph.outputs:
        found[(<Node>(<tuple>entry)[0]).id] = 1
    return found


cdef bint clashes(Node node, entry, set heads) except -1:
    """Whether a node must stay because it is a result: one of its own, or of something that is not computed here."""
    return (node, 0) in heads and (entry in heads or (<Node>entry[0]).op is None)


cdef bint mergeable(Node node, set mutated) except -1:
    if node.controls or node.subgraphs or node.cached:
        return False
    if mutated:
        for entry in node.inputs:
            if entry in mutated:
                return False
    return True


cdef object same_as(Node node):
    """Return the entry that a node's first output equals, or None."""
    op = node.op
    cdef str name = op.name
    if not node.inputs or node.controls or op.mutates:
        return None
    entry = node.inputs[0]
    if node.specs[0] is None:
        return None
    if entry[0].specs[entry[1]] is not node.specs[0] and entry[0].specs[entry[1]] != node.specs[0]:
        return None
    if name in IDENTITIES:
        return entry
    if name in SAME_SPEC:
        # Of those with many inputs, only a single one is the result.
        return None if op.variadic and len(node.inputs) > 1 else entry
    if name in NEUTRAL:
        return entry if node.attrs.scalar == NEUTRAL[name] else None
    if name == "transpose":
        axes = transpose_axes(node)
        return entry if axes == tuple(range(len(axes))) else None
    if name == "slice":
        return None if any([step is not None and step < 0 for step in node.attrs.step]) else entry
    if name == "Dropout":
        return None if node.attrs.train or node.attrs.mode == "always" else entry
    return None


cdef tuple transpose_axes(Node node):
    cdef Py_ssize_t ndim = len(node.specs[0].shape)
    axes = node.attrs.axes
    return tuple([axis % ndim for axis in axes]) if axes else tuple(range(ndim - 1, -1, -1))


cdef bint join(Node node) except -1:
    """Let a reshape or transposition take its data from before another one, or do without data it does not read."""
    cdef Node source
    cdef str name = node.op.name
    if node.controls:
        return False
    if name in RESHAPES:
        source = <Node>node.inputs[0][0]
        behind = source.op is not None and source.op.name in RESHAPES and not source.controls
        if not behind and name != "reshape_like":
            return False
        shape = node.specs[0].shape
        if not shape or 0 in shape:
            return False
        node.op = registry.get("Reshape")
        node.attrs = node.op.attrs(shape=shape)
        node.inputs = [source.inputs[0] if behind else node.inputs[0]]
        return True
    if name == "transpose":
        source = <Node>node.inputs[0][0]
        if source.op is None or source.op.name != "transpose" or source.controls:
            return False
        inner = transpose_axes(source)
        node.attrs = node.op.attrs(axes=tuple([inner[axis] for axis in transpose_axes(node)]))
        node.inputs = [source.inputs[0]]
        return True
    if name in SHAPE_ONLY:
        spec = node.specs[0]
        if not spec.shape or 0 in spec.shape:
            return False
        node.op = registry.get(SHAPE_ONLY[name])
        node.attrs = node.op.attrs(shape=spec.shape, dtype=spec.dtype)
        node.inputs = []
        return True
    return False


# ---- constants ---------------------------------------------------------------------------------------------------------


cdef tuple fold(Graph graph):
    """Replace entries that depend on no variable by constants; return their number and bytes."""
    cdef Node node, source
    cdef vector[char] constant
    cdef set mutated, wanted_set = set()
    cdef list wanted = []
    cdef bint any_constant = bool(graph.constants)
    for node in graph.nodes:
        if any_constant:
            break
        any_constant = node.op is not None and not node.inputs
    if not any_constant:
        return 0, 0  # there is nothing to begin with
    any_constant = False
    mutated = mutated_entries(graph.nodes)
    heads = {entry[0] for entry in graph.outputs}
    constant.assign(len(graph.nodes), 0)
    for node in graph.nodes:
        if node.op is None:
            constant[node.id] = node.name in graph.constants
            continue
        if not facts_of(node.op).pure or node.controls or node.subgraphs:
            continue
        for entry in node.inputs:
            if not constant[(<Node>(<tuple>entry)[0]).id] or entry in mutated:
                break
        else:
            constant[node.id] = True
            any_constant = True
    if not any_constant:
        return 0, 0
    for node in graph.nodes:
        if node.op is None or (constant[node.id] and node not in heads):
            continue
        for entry in node.inputs:
            source = <Node>(<tuple>entry)[0]
            if constant[source.id] and source.op is not None and entry not in wanted_set:
                if entry not in mutated and worth_keeping(source, (<tuple>entry)[1]):
                    wanted_set.add(entry)
                    wanted.append(entry)
    if not wanted:
        return 0, 0
    return replace_by_values(graph, wanted)


cdef bint worth_keeping(Node node, Py_ssize_t index) except -1:
    """Small, or no larger than what it is computed from: a broadcast is cheaper to repeat than to store."""
    cdef Node source
    size = node.specs[index].nbytes
    if size <= LARGEST_CONSTANT:
        return True
    given = 0
    for entry in node.inputs:
        source = <Node>(<tuple>entry)[0]
        given += source.specs[<Py_ssize_t>(<tuple>entry)[1]].nbytes
    return size <= given


cdef tuple replace_by_values(Graph graph, list wanted):
    from .interpret import interpret
    from .ir import Graph as MakeGraph

    cdef dict values = {}
    cdef list nodes = []
    cdef Node node, made
    cdef Py_ssize_t k, size = 0
    part = MakeGraph.from_entries(wanted)
    part.train = graph.train
    part.constants = dict(graph.constants)
    results = interpret(part, {})
    names = {node.name for node in graph.nodes}
    for entry, array in zip(wanted, results):
        node = <Node>entry[0]
        name = f"{node.name}_constant" if entry[1] == 0 else f"{node.name}_constant{entry[1]}"
        while name in names:
            name += "_"
        names.add(name)
        made = Node(None, None, name)
        made.specs = (node.specs[<Py_ssize_t>entry[1]],)
        made.context = node.context
        values[entry] = made
        graph.constants[name] = array
        size += made.specs[0].nbytes
        nodes.append(made)
    for node in graph.nodes:
        for k in range(len(node.inputs)):
            made = values.get(node.inputs[k])
            if made is not None:
                node.inputs[k] = (made, 0)
    graph.nodes = nodes + graph.nodes
    graph.number()
    return len(wanted), size


# ---- dead code ---------------------------------------------------------------------------------------------------------


cdef Py_ssize_t drop_dead(Graph graph) except -1:
    """Drop nodes without users; writers of variables stay, because that is what they are there for."""
    cdef vector[char] needed
    cdef list kept = []
    cdef set writers = writing_operators(graph.nodes)
    cdef Node node, source
    cdef Py_ssize_t i, before = len(graph.nodes)
    needed.assign(before, 0)
    for entry in graph.outputs:
        needed[(<Node>(<tuple>entry)[0]).id] = 1
    for node in graph.nodes if writers else ():
        if node.op in writers:
            for i in node.op.mutated_inputs(node.attrs):
                if (<Node>(<tuple>node.inputs[i])[0]).op is None:
                    needed[node.id] = 1
    # Inputs come before users: one walk backwards finds everything.
    for i in range(before - 1, -1, -1):
        node = <Node>graph.nodes[i]
        if not needed[i]:
            continue
        for entry in node.inputs:
            needed[(<Node>(<tuple>entry)[0]).id] = 1
        if node.controls is not None:
            for source in node.controls:
                needed[source.id] = 1
    # Variables that users bind stay part of the graph's list of arguments, whoever reads them.
    for node in graph.variables():
        needed[node.id] = 1
    for i in range(before):
        if needed[i]:
            kept.append(graph.nodes[i])
    if len(kept) == before:
        return 0
    graph.head_grads = [node for node in graph.head_grads if needed[(<Node>node).id]]
    graph.nodes = kept
    graph.number()
    if graph.constants:
        graph.constants = {node.name: graph.constants[node.name] for node in graph.nodes if node.name in graph.constants}
    return before - len(kept)
