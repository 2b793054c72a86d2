"""Point-wise fusion: connected element-wise operators of one shape become one ``_fused`` node, one pass over memory.

Which nodes may go together without making a cycle is settled by one number a node: how many edges that cannot be fused
lie on the longest path to it. Fusible nodes that are connected and have the same number have no path through anything
else between them.
"""

from libcpp.queue cimport priority_queue
from libcpp.vector cimport vector

from ...ops.array cimport Spec
from .ir cimport Graph, Node

from ...ops import registry
from ...ops.cpu.elementwise import describe_loop
from ...ops.fused import format_expression

__all__ = ["fuse_pointwise"]

MOST_STEPS = 48  # of one fused operator: buffers and pointers stay few


def fuse_pointwise(Graph graph not None):
    """Return the graph with chains and small graphs of element-wise operators joined.

    The results are those of the operators one by one, to the bit. What others read of a group, the backward part for
    example, is a result of its own.

    >>> from weft.frontend.graph import Graph
    >>> fuse_pointwise(Graph()).nodes
    []
    """
    groups = _groups(graph)
    if not groups:
        return graph
    graph = graph.writable()
    _Fuser(graph).replace(groups)
    graph.note("fusion", f"joined {sum([len(group) for group in groups])} element-wise operators into {len(groups)}")
    return graph


# ---- which nodes go together -------------------------------------------------------------------------------------------


cdef class _Loops:
    """Whether operators are one element-wise loop; answers are kept, since graphs repeat themselves."""

    cdef dict known, candidates

    def __init__(self):
        self.known = {}
        self.candidates = {None: False}

    cdef bint fusible(self, Node node) except -1:
        cdef Node source
        cdef Py_ssize_t index
        op = node.op
        candidate = self.candidates.get(op)
        if candidate is None:
            candidate = self.candidates[op] = bool(op.cpu) and hasattr(op.cpu[0], "describe") and not op.mutates
        if not candidate or node.subgraphs or not node.inputs or node.specs is None or len(node.specs) != 1:
            return False
        if node.specs[0] is None or not (<Spec>node.specs[0]).size:
            return False
        # The parameters by identity: equal records are one for most nodes, and nodes keep theirs.
        cdef list key = [op, id(node.attrs), node.specs[0]]
        for source, index in node.inputs:
            if source.specs is None or source.specs[index] is None:
                return False
            key.append(source.specs[index])
        call = tuple(key)
        found = self.known.get(call)
        if found is None:
            found = self.known[call] = describe_loop(op, node.attrs, key[3:], list(node.specs)) is not None
        return found


cdef set mutated_entries(nodes):
    cdef Node node
    found = set()
    for node in nodes:
        if node.op is not None and node.op.mutates:
            for index in node.op.mutated_inputs(node.attrs):
                found.add(node.inputs[index])
    return found


cdef Py_ssize_t find(vector[Py_ssize_t]& parent, Py_ssize_t index) noexcept:
    while parent[index] != index:
        parent[index] = parent[parent[index]]
        index = parent[index]
    return index


cdef vector[Py_ssize_t] _kinds(Graph graph) except *:
    """What may be in one group with what, a number a node: 0 for nodes that are not fused."""
    cdef _Loops loops = _Loops()
    cdef set mutated = mutated_entries(graph.nodes)
    cdef vector[Py_ssize_t] kinds
    cdef dict numbers = {}
    cdef Node node
    kinds.reserve(len(graph.nodes))
    for node in graph.nodes:
        if loops.fusible(node) and not node.controls and (not mutated or mutated.isdisjoint(node.inputs)):
            key = ((<Spec>node.specs[0]).shape, node.part, node.context, node.cached)
            kinds.push_back(<Py_ssize_t>numbers.setdefault(key, len(numbers) + 1))
        else:
            kinds.push_back(0)
    return kinds


cdef list _groups(Graph graph):
    """Return the groups as lists of node numbers in order, each of two nodes at least."""
    cdef Node node, source
    cdef Py_ssize_t kind, most
    cdef vector[Py_ssize_t] kinds = _kinds(graph), barrier, parent
    for node in graph.nodes:
        kind = kinds[node.id]
        most = 0
        for entry in node.inputs:
            source = <Node>(<tuple>entry)[0]
            most = max(most, barrier[source.id] + (not kind or kinds[source.id] != kind))
        for source in node.controls or ():
            most = max(most, barrier[source.id] + (not kind or kinds[source.id] != kind))
        barrier.push_back(most)
        parent.push_back(node.id)
    for node in graph.nodes:
        kind = kinds[node.id]
        if not kind:
            continue
        for entry in node.inputs:
            source = <Node>(<tuple>entry)[0]
            if kinds[source.id] == kind and barrier[source.id] == barrier[node.id]:
                parent[find(parent, node.id)] = find(parent, source.id)
    return _members(kinds, parent)


cdef list _members(vector[Py_ssize_t]& kinds, vector[Py_ssize_t]& parent):
    """The nodes of each group, in the order of its first; groups of one are none, and none is too large."""
    cdef list members = [], group
    cdef vector[Py_ssize_t] place, size
    cdef Py_ssize_t index, root
    size.assign(kinds.size(), 0)
    place.assign(kinds.size(), -1)
    for index in range(<Py_ssize_t>kinds.size()):
        if kinds[index]:
            size[find(parent, index)] += 1
    for index in range(<Py_ssize_t>kinds.size()):
        root = find(parent, index) if kinds[index] else -1
        if root < 0 or size[root] < 2:
            continue
        if place[root] < 0:
            place[root] = len(members)
            members.append([])
        (<list>members[place[root]]).append(index)
    return [
        part for group in members
        for part in ([group] if len(group) <= MOST_STEPS else [group[k : k + MOST_STEPS] for k in range(0, len(group), MOST_STEPS)])
        if len(part) > 1
    ]


# ---- the fused nodes ---------------------------------------------------------------------------------------------------


cdef class _Fuser:
    """Puts one node in the place of each group of a graph, and all nodes into an order again."""

    cdef Graph graph
    cdef vector[Py_ssize_t] group_of     # of each node; -1: of none
    cdef vector[Py_ssize_t] member_of    # its place in its group
    cdef vector[char] read_outside       # whether somebody outside its group reads it
    cdef list moved                      # entries that results of groups have become
    cdef dict records, fixed_parts       # what is known of parameter records; numbers of equal ones
    cdef dict known                      # parameters and specs of fused nodes, by what the groups are like
    cdef object fused_op

    def __init__(self, Graph graph not None):
        self.graph = graph
        self.moved = [None] * len(graph.nodes)
        self.records, self.fixed_parts, self.known = {}, {}, {}
        self.fused_op = registry.get("_fused")

    cdef int replace(self, list groups) except -1:
        cdef Node node, fused, source
        cdef Graph graph = self.graph
        cdef Py_ssize_t number, place, index
        self.mark(groups)
        made = {}  # number of the last member of a group -> the fused node
        for group in groups:
            made[group[len(group) - 1]] = self.fuse(<list>group)
        nodes = []
        for index, node in enumerate(graph.nodes):
            if self.group_of[index] < 0:
                nodes.append(node)
            else:
                fused = <Node>made.get(index)
                if fused is not None:
                    nodes.append(fused)
        for node in nodes:
            for place in range(len(node.inputs)):
                node.inputs[place] = self.entry(<tuple>node.inputs[place])
            if node.controls:
                controls = []
                for source in node.controls:
                    number = self.group_of[source.id]
                    controls.append(source if number < 0 else made[groups[number][len(groups[number]) - 1]])
                node.controls = list(dict.fromkeys(controls))
        graph.outputs = [self.entry(<tuple>entry) for entry in graph.outputs]
        graph.nodes = _ordered(nodes)
        graph.number()
        return 0

    cdef int mark(self, list groups) except -1:
        """Note which group each node is in, and whose results are read outside."""
        cdef Node node, source
        cdef Py_ssize_t number, place, index, own
        self.group_of.assign(len(self.graph.nodes), -1)
        self.member_of.assign(len(self.graph.nodes), 0)
        self.read_outside.assign(len(self.graph.nodes), 0)
        for number, group in enumerate(groups):
            for place, index in enumerate(group):
                self.group_of[index] = number
                self.member_of[index] = place
        for index, node in enumerate(self.graph.nodes):
            own = self.group_of[index]
            for entry in node.inputs:
                source = <Node>(<tuple>entry)[0]
                if self.group_of[source.id] != own:
                    self.read_outside[source.id] = True
        for entry in self.graph.outputs:
            self.read_outside[(<Node>(<tuple>entry)[0]).id] = True
        return 0

    cdef tuple entry(self, tuple entry):
        # Fused nodes are not numbered yet: only entries of the graph as it was are looked up.
        cdef Node source = <Node>entry[0]
        if source.id < 0 or self.moved[source.id] is None:
            return entry
        return <tuple>self.moved[source.id]

    cdef Node fuse(self, list group):
        """Return the node for a group; its parameters are those of an equal group before it, where there is one."""
        cdef Node node, fused = Node.__new__(Node), last
        cdef dict inputs = {}
        cdef list numbers = [], results = [], key = []
        cdef tuple known, described, entry
        cdef Py_ssize_t index, own = self.group_of[<Py_ssize_t>group[0]]
        cdef list members = [self.graph.nodes[index] for index in group]
        for node in members:
            for entry in node.inputs:
                if self.group_of[(<Node>entry[0]).id] != own and entry not in inputs:
                    inputs[entry] = len(inputs)
        for node in members:
            described = self.described(node.attrs)
            key.append(node.op)
            key.append(described[0])
            for entry in node.inputs:
                key.append(self.operand(entry, own, inputs))
            numbers.extend(<tuple>described[1])
            if self.read_outside[node.id]:
                results.append(node)
                key.append(None)
        for entry in inputs:
            key.append((<Node>entry[0]).specs[<Py_ssize_t>entry[1]])
        known = <tuple>self.known.get(tuple(key))
        if known is None:
            known = self.known[tuple(key)] = self.describe(members, own, inputs, results, tuple(numbers))
        last = <Node>members[len(members) - 1]
        fused.op, fused.attrs = self.fused_op, known[0]
        if numbers and fused.attrs.numbers != tuple(numbers):
            fused.attrs = fused.attrs.with_(numbers=tuple(numbers)).interned()
        fused.name = f"fused_{(<Node>members[0]).name}_{last.name}"
        fused.inputs = list(inputs)
        fused.subgraphs = ()
        fused.specs = <tuple>known[1]
        fused.context, fused.part, fused.cached = last.context, last.part, last.cached
        fused.id = -1
        for index, node in enumerate(results):
            self.moved[node.id] = (fused, index)
        return fused

    cdef Py_ssize_t operand(self, tuple entry, Py_ssize_t own, dict inputs) except -1:
        """The number that a step has for what it reads: of an input of the group, or behind those of a step."""
        cdef Node source = <Node>entry[0]
        return len(inputs) + self.member_of[source.id] if self.group_of[source.id] == own else inputs[entry]

    cdef tuple described(self, object attrs):
        """Return a number for the parameters without the dynamic ones, and the values of those."""
        cdef tuple found = self.records.get(id(attrs))
        if found is None:
            number = self.fixed_parts.setdefault((type(attrs), attrs.cache_key), len(self.fixed_parts))
            # The record stays in the value, so that its address stays its own.
            found = self.records[id(attrs)] = (number, attrs.scalars, attrs)
        return found

    cdef tuple describe(self, list members, Py_ssize_t own, dict inputs, list results, tuple numbers):
        """Return the parameters and specs of the node for a group like this."""
        cdef Node node
        texts = []
        for node in members:
            values = {name: text for name, text in node.op.format_attrs(node.attrs).items() if name not in node.op.dynamic_params}
            texts.append([node.op.name, values, [self.operand(<tuple>entry, own, inputs) for entry in node.inputs]])
        outputs = [len(inputs) + self.member_of[node.id] for node in results]
        specs = [node.specs[0] for node in results]
        expression = format_expression(texts, outputs, _pairs(inputs, specs))
        return self.fused_op.attrs(expression=expression, numbers=numbers, num_args=len(inputs)), tuple(specs)


cdef tuple _pairs(dict inputs, list specs):
    """Which inputs the results may take the place of: element for element only, as equal sizes could be chance."""
    cdef Spec given, spec
    cdef list found = []
    for position, spec in enumerate(specs):
        for entry, number in inputs.items():
            given = <Spec>(<Node>(<tuple>entry)[0]).specs[<Py_ssize_t>(<tuple>entry)[1]]
            if given.shape == spec.shape and given.itemsize == spec.itemsize:
                found.append((number, position))
    return tuple(found)


cdef bint _in_order(list nodes) except -1:
    cdef Node node, source
    cdef Py_ssize_t index
    for index, node in enumerate(nodes):
        for entry in node.inputs:
            if (<Node>(<tuple>entry)[0]).id >= index:
                return False
        for source in node.controls or ():
            if source.id > index:
                return False
    return True


cdef list _ordered(list nodes):
    """Return the nodes with inputs first, otherwise in the given order; users of what is written twice keep theirs."""
    cdef Node node, source
    cdef Py_ssize_t index, user
    cdef list result = [], users
    cdef vector[vector[Py_ssize_t]] after
    cdef vector[Py_ssize_t] waiting   # how many edges lead to a node from nodes that have no place yet
    cdef priority_queue[Py_ssize_t] ready   # largest first, hence the signs
    for index, node in enumerate(nodes):
        node.id = index
    if _in_order(nodes):
        return nodes
    after.resize(len(nodes))
    waiting.assign(len(nodes), 0)
    for index, node in enumerate(nodes):
        for entry in node.inputs:
            after[(<Node>(<tuple>entry)[0]).id].push_back(index)
            waiting[index] += 1
        for source in node.controls or ():
            if source.id != index:
                after[source.id].push_back(index)
                waiting[index] += 1
    for users in _users_of_mutated(nodes):
        for index in range(1, len(users)):
            after[<Py_ssize_t>users[index - 1]].push_back(<Py_ssize_t>users[index])
            waiting[<Py_ssize_t>users[index]] += 1
    for index in range(len(nodes)):
        if not waiting[index]:
            ready.push(-index)
    while not ready.empty():
        index = -ready.top()
        ready.pop()
        result.append(nodes[index])
        for user in after[index]:
            waiting[user] -= 1
            if not waiting[user]:
                ready.push(-user)
    return result


cdef list _users_of_mutated(list nodes):
    """The users of each entry that some node writes, by number and in order."""
    cdef Node node
    users = {entry: [] for entry in mutated_entries(nodes)}
    if users:
        for node in nodes:
            for entry in dict.fromkeys(node.inputs):
                if entry in users:
                    users[entry].append(node.id)
    return list(users.values())
