"""Point-wise fusion: connected element-wise operators of one shape become one ``_fused`` node, one pass over memory.

Which nodes may go together without making a cycle is settled by one number a node: how many edges that cannot be fused
lie on the longest path to it. Fusible nodes that are connected and have the same number have no path through anything
else between them.
"""

from libc.stdint cimport uint64_t
from libcpp.queue cimport priority_queue
from libcpp.vector cimport vector

from ...ops.array cimport Spec
from .ir cimport Graph, Node, mutated_entries
from .numbering cimport Calls, Numbering, address

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

    cdef Calls calls
    cdef vector[char] candidates     # of calls: whether there are loops of that operator at all
    cdef Numbering specs             # of a call with what it reads and gives
    cdef vector[char] known          # of each of those

    def __init__(self):
        self.calls = Calls()

    cdef bint fusible(self, Node node) except -1:
        cdef Node source
        cdef Py_ssize_t number
        op = node.op
        if op is None:
            return False
        number = self.calls.of(node)
        if number == <Py_ssize_t>self.candidates.size():
            possible = op.cpu and hasattr(op.cpu[0], "describe") and not op.mutates
            self.candidates.push_back(<char>bool(possible))
        if not self.candidates[number]:
            return False
        if node.subgraphs or not node.inputs or node.specs is None or len(node.specs) != 1:
            return False
        if node.specs[0] is None or not (<Spec>node.specs[0]).size:
            return False
        for entry in node.inputs:
            source = <Node>(<tuple>entry)[0]
            if source.specs is None or source.specs[<Py_ssize_t>(<tuple>entry)[1]] is None:
                return False
        self.specs.add(<uint64_t>number)
        self.specs.add(address(node.specs[0]))
        for entry in node.inputs:
            self.specs.add(address((<Node>(<tuple>entry)[0]).specs[<Py_ssize_t>(<tuple>entry)[1]]))
        number = self.specs.number()
        if number == <Py_ssize_t>self.known.size():
            ins = [(<Node>(<tuple>entry)[0]).specs[<Py_ssize_t>(<tuple>entry)[1]] for entry in node.inputs]
            loop = describe_loop(op, node.attrs, ins, list(node.specs))
            self.known.push_back(<char>(loop is not None))
        return self.known[number]


cdef Py_ssize_t find(vector[Py_ssize_t]& parent, Py_ssize_t index) noexcept:
    while parent[index] != index:
        parent[index] = parent[parent[index]]
        index = parent[index]
    return index


cdef vector[Py_ssize_t] _kinds(Graph graph) except *:
    """What may be in one group with what, a number a node: 0 for nodes that are not fused."""
    cdef _Loops loops = _Loops()
    cdef set mutated = mutated_entries(graph.nodes)
    cdef vector[Py_ssize_t] kinds, known
    cdef Numbering places           # specs with where they are computed
    cdef dict numbers = {}          # the same by shape
    cdef Py_ssize_t number
    cdef Node node
    kinds.reserve(len(graph.nodes))
    for node in graph.nodes:
        if loops.fusible(node) and not node.controls and (not mutated or mutated.isdisjoint(node.inputs)):
            places.add(address(node.specs[0]))
            places.add(<uint64_t>node.part)
            places.add(address(node.context))
            places.add(<uint64_t>node.cached)
            number = places.number()
            if number == <Py_ssize_t>known.size():
                key = ((<Spec>node.specs[0]).shape, node.part, node.context, node.cached)
                known.push_back(<Py_ssize_t>numbers.setdefault(key, len(numbers) + 1))
            kinds.push_back(known[number])
        else:
            kinds.push_back(0)
    return kinds


cdef list _groups(Graph graph):
    """Return the groups as lists of node numbers in order, each of two nodes at least."""
    cdef Node node, source
    cdef Py_ssize_t kind, most
    cdef vector[Py_ssize_t] kinds = _kinds(graph), barrier, parent
    barrier.reserve(kinds.size())
    parent.reserve(kinds.size())
    for node in graph.nodes:
        kind = kinds[node.id]
        most = 0
        for entry in node.inputs:
            source = <Node>(<tuple>entry)[0]
            most = max(most, barrier[source.id] + (not kind or kinds[source.id] != kind))
        if node.controls is not None:
            for source in node.controls:
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
    cdef Numbering records               # operators with their parameter records
    cdef list facts                      # of each: a number for all but the dynamic parameters, the values of those
    cdef dict fixed_parts                # numbers of equal ones
    cdef Numbering alike                 # groups, by what they compute
    cdef list known                      # parameters but for dynamic ones, and specs, of the fused node for each
    cdef Numbering exact                 # the same with dynamic parameters
    cdef list attrs                      # parameters for each
    cdef object fused_op

    def __init__(self, Graph graph not None):
        self.graph = graph
        self.moved = [None] * len(graph.nodes)
        self.facts, self.fixed_parts, self.known, self.attrs = [], {}, [], []
        self.fused_op = registry.get("_fused")

    cdef int replace(self, list groups) except -1:
        cdef Node node, source
        cdef Graph graph = self.graph
        cdef Py_ssize_t number, place, index
        self.mark(groups)
        cdef list made = [self.fuse(<list>group) for group in groups], nodes = []
        for index, node in enumerate(graph.nodes):
            number = self.group_of[index]
            if number < 0:
                nodes.append(node)
            elif index == (<list>groups[number])[len(<list>groups[number]) - 1]:
                nodes.append(made[number])
        for node in nodes:
            for place in range(len(node.inputs)):
                entry = <tuple>node.inputs[place]
                # Fused nodes are not numbered yet: only entries of the graph as it was are looked up.
                number = (<Node>entry[0]).id
                if number >= 0 and self.moved[number] is not None:
                    node.inputs[place] = self.moved[number]
            if node.controls:
                controls = []
                for source in node.controls:
                    number = self.group_of[source.id]
                    controls.append(source if number < 0 else made[number])
                node.controls = list(dict.fromkeys(controls))
        for place in range(len(graph.outputs)):
            number = (<Node>(<tuple>graph.outputs[place])[0]).id
            if self.moved[number] is not None:
                graph.outputs[place] = self.moved[number]
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
            for place, index in enumerate(<list>group):
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

    cdef Node fuse(self, list group):
        """Return the node for a group; its parameters are those of an equal group before it, where there is one."""
        cdef Node node, fused = Node.__new__(Node), last
        cdef list members = [self.graph.nodes[number] for number in group], inputs = self.inputs_of(members), results = []
        cdef vector[Py_ssize_t] operands = self.operands(members, inputs)
        cdef Py_ssize_t index, end, at = 0
        for node in members:
            self.alike.add(<uint64_t><Py_ssize_t>self.facts_of(node)[0])
            end = at + len(node.inputs)
            while at < end:
                self.alike.add(<uint64_t>operands[at])
                at += 1
            if self.read_outside[node.id]:
                results.append(node)
                self.alike.add(<uint64_t>-1)
        for entry in inputs:
            self.alike.add(address((<Node>(<tuple>entry)[0]).specs[<Py_ssize_t>(<tuple>entry)[1]]))
        index = self.alike.number()
        if index == len(self.known):
            self.known.append(self.describe(members, inputs, operands, results))
        last = <Node>members[len(members) - 1]
        fused.op, fused.attrs = self.fused_op, self.with_numbers(index, members)
        fused.name = f"fused_{(<Node>members[0]).name}_{last.name}"
        fused.inputs = inputs
        fused.subgraphs = ()
        fused.specs = <tuple>(<tuple>self.known[index])[1]
        fused.context, fused.part, fused.cached = last.context, last.part, last.cached
        fused.id = -1
        for index, node in enumerate(results):
            self.moved[node.id] = (fused, index)
        return fused

    cdef object with_numbers(self, Py_ssize_t number, list members):
        """Return the parameters of a fused node of that kind: with the dynamic ones of the members."""
        cdef Node node
        cdef Py_ssize_t index
        self.exact.add(<uint64_t>number)
        for node in members:
            self.exact.add(address(node.attrs))  # kept, see facts_of
        index = self.exact.number()
        if index == len(self.attrs):
            numbers = [value for node in members for value in <tuple>self.facts_of(node)[1]]
            attrs = (<tuple>self.known[number])[0]
            self.attrs.append(attrs.with_(numbers=tuple(numbers)).interned() if numbers else attrs)
        return self.attrs[index]

    cdef list inputs_of(self, list members):
        """The entries of others that the members of a group read, each once."""
        cdef list found = []
        cdef Node node
        cdef Py_ssize_t own = self.group_of[(<Node>members[0]).id]
        for node in members:
            for entry in node.inputs:
                if self.group_of[(<Node>(<tuple>entry)[0]).id] != own and place_in(found, <tuple>entry) < 0:
                    found.append(entry)
        return found

    cdef vector[Py_ssize_t] operands(self, list members, list inputs) except *:
        """The numbers that steps have for what they read: of an input of the group, or behind those of a step."""
        cdef vector[Py_ssize_t] found
        cdef Node node, source
        cdef Py_ssize_t own = self.group_of[(<Node>members[0]).id]
        for node in members:
            for entry in node.inputs:
                source = <Node>(<tuple>entry)[0]
                if self.group_of[source.id] == own:
                    found.push_back(len(inputs) + self.member_of[source.id])
                else:
                    found.push_back(place_in(inputs, <tuple>entry))
        return found

    cdef tuple facts_of(self, Node node):
        """Return a number for a call without its dynamic parameters, and the values of those."""
        cdef Py_ssize_t number
        self.records.add(address(node.op))
        self.records.add(address(node.attrs))
        number = self.records.number()
        if number == len(self.facts):
            attrs = node.attrs
            fixed = self.fixed_parts.setdefault((node.op, type(attrs), attrs.cache_key), len(self.fixed_parts))
            # The record stays in the value, so that its address stays its own.
            self.facts.append((fixed, attrs.scalars, attrs))
        return <tuple>self.facts[number]

    cdef tuple describe(self, list members, list inputs, vector[Py_ssize_t]& operands, list results):
        """Return the parameters, but for dynamic ones, and the specs of the node for a group like this."""
        cdef Node node
        cdef Py_ssize_t at = 0
        texts = []
        for node in members:
            values = {name: text for name, text in node.op.format_attrs(node.attrs).items() if name not in node.op.dynamic_params}
            texts.append([node.op.name, values, [operands[at + k] for k in range(len(node.inputs))]])
            at += len(node.inputs)
        outputs = [len(inputs) + self.member_of[node.id] for node in results]
        specs = [node.specs[0] for node in results]
        expression = format_expression(texts, outputs, _pairs(inputs, specs))
        return self.fused_op.attrs(expression=expression, num_args=len(inputs)), tuple(specs)


cdef Py_ssize_t place_in(list entries, tuple entry) except -2:
    """Where an entry is in a list of them, -1 where it is not; the lists are short."""
    cdef Py_ssize_t k, index = entry[1]
    for k in range(len(entries)):
        if (<tuple>entries[k])[0] is entry[0] and <Py_ssize_t>(<tuple>entries[k])[1] == index:
            return k
    return -1


cdef tuple _pairs(list inputs, list specs):
    """Which inputs the results may take the place of: element for element only, as equal sizes could be chance."""
    cdef Spec given, spec
    cdef list found = []
    for position, spec in enumerate(specs):
        for number, entry in enumerate(inputs):
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
        if node.controls is not None:
            for source in node.controls:
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
