"""Point-wise fusion: connected element-wise operators of one shape become one ``_fused`` node, one pass over memory.

Which nodes may go together without making a cycle is settled by one number a node: how many edges that cannot be fused
lie on the longest path to it. Fusible nodes that are connected and have the same number have no path through anything
else between them.
"""

import heapq

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
    graph = graph.copy()
    joined = sum(len(group) for group in groups)
    _replace(graph, [[graph.nodes[index] for index in group] for group in groups])
    graph.note("fusion", f"joined {joined} element-wise operators into {len(groups)}")
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
        ins = []
        for source, index in node.inputs:
            if source.specs is None or source.specs[index] is None:
                return False
            ins.append(source.specs[index])
        key = (op, node.attrs.cache_key, *ins, node.specs[0])
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = describe_loop(op, node.attrs, ins, list(node.specs)) is not None
        return found


cdef set mutated_entries(nodes):
    cdef Node node
    found = set()
    for node in nodes:
        if node.op is not None and node.op.mutates:
            for index in node.op.mutated_inputs(node.attrs):
                found.add(node.inputs[index])
    return found


cdef Py_ssize_t find(list parent, Py_ssize_t index) except -1:
    cdef Py_ssize_t above
    while True:
        above = parent[index]
        if above == index:
            return index
        parent[index] = parent[above]
        index = parent[index]


cdef list _kinds(Graph graph):
    """What may be in one group with what, a number a node: 0 for nodes that are not fused."""
    cdef _Loops loops = _Loops()
    cdef set mutated = mutated_entries(graph.nodes)
    cdef Node node
    kinds, numbers = [], {}
    for node in graph.nodes:
        if loops.fusible(node) and not node.controls and (not mutated or mutated.isdisjoint(node.inputs)):
            kinds.append(numbers.setdefault(((<Spec>node.specs[0]).shape, node.part, node.context, node.cached), len(numbers) + 1))
        else:
            kinds.append(0)
    return kinds


def _groups(Graph graph):
    """Return the groups as lists of node numbers in order, each of two nodes at least."""
    cdef Node node, source
    cdef Py_ssize_t kind, most
    cdef list kinds = _kinds(graph), barrier, parent
    barrier = [0] * len(graph.nodes)
    parent = list(range(len(graph.nodes)))
    for node in graph.nodes:
        kind = kinds[node.id]
        most = 0
        for source, _ in node.inputs:
            most = max(most, <Py_ssize_t>barrier[source.id] + (not kind or <Py_ssize_t>kinds[source.id] != kind))
        for source in node.controls or ():
            most = max(most, <Py_ssize_t>barrier[source.id] + (not kind or <Py_ssize_t>kinds[source.id] != kind))
        barrier[node.id] = most
    for node in graph.nodes:
        kind = kinds[node.id]
        if not kind:
            continue
        for source, _ in node.inputs:
            if <Py_ssize_t>kinds[source.id] == kind and barrier[source.id] == barrier[node.id]:
                parent[find(parent, node.id)] = find(parent, source.id)
    members = {}
    for node in graph.nodes:
        if kinds[node.id]:
            members.setdefault(find(parent, node.id), []).append(node.id)
    parts = [group[start : start + MOST_STEPS] for group in members.values() for start in range(0, len(group), MOST_STEPS)]
    return [part for part in parts if len(part) > 1]


# ---- the fused nodes ---------------------------------------------------------------------------------------------------


def _replace(Graph graph, list groups):
    """Put one node in the place of each group, and all nodes into an order again."""
    cdef Node node, fused
    cdef dict moved, known, made
    inside = {node: number for number, group in enumerate(groups) for node in group}
    read_outside = set(graph.outputs)
    for node in graph.nodes:
        own = inside.get(node, -1)
        for entry in node.inputs:
            if inside.get((<tuple>entry)[0], own) != own:
                read_outside.add(entry)
    moved, known = {}, {}
    made = {}  # the last member of a group -> the fused node
    for group in groups:
        fused = _fuse(group, read_outside, moved, known)
        made[group[len(group) - 1]] = fused
    nodes = []
    for node in graph.nodes:
        if node in made:
            nodes.append(made[node])
        elif node not in inside:
            nodes.append(node)
    owners = {member: made[group[len(group) - 1]] for group in groups for member in group} if any(node.controls for node in nodes) else {}
    for node in nodes:
        node.inputs = [moved.get(entry, entry) for entry in node.inputs]
        if node.controls:
            node.controls = list(dict.fromkeys(owners.get(source, source) for source in node.controls))
    graph.outputs = [moved.get(entry, entry) for entry in graph.outputs]
    graph.nodes = _ordered(nodes)
    graph.number()


cdef Node _fuse(list group, set read_outside, dict moved, dict known):
    cdef Node node, source, fused, last
    cdef dict members = {node: number for number, node in enumerate(group)}
    cdef dict inputs = {}
    cdef Py_ssize_t index, position, number
    for node in group:
        for entry in node.inputs:
            if entry[0] not in members:
                inputs.setdefault(entry, len(inputs))
    steps, numbers = [], []
    for node in group:
        operands = [len(inputs) + members[source] if source in members else inputs[source, index] for source, index in node.inputs]
        steps.append((node.op, node.attrs, operands))
        numbers.extend(node.attrs.scalars)
    results = [node for node in group if (node, 0) in read_outside]
    outputs = [len(inputs) + members[node] for node in results]
    specs = tuple([node.specs[0] for node in results])
    # In place only element for element: a repeated input could have as many bytes by chance.
    pairs = [
        (number, position)
        for position, spec in enumerate(specs)
        for (source, index), number in inputs.items()
        if source.specs[index].shape == spec.shape and source.specs[index].itemsize == spec.itemsize
    ]
    attrs = _attributes(steps, outputs, pairs, tuple(numbers), len(inputs), known)
    fused = Node(registry.get("_fused"), attrs, f"fused_{group[0].name}_{group[len(group) - 1].name}", inputs)
    fused.specs = specs
    last = group[len(group) - 1]
    fused.context, fused.part, fused.cached = last.context, last.part, last.cached
    for position, node in enumerate(results):
        moved[node, 0] = (fused, position)
    return fused


cdef object _attributes(list steps, list outputs, list pairs, tuple numbers, Py_ssize_t count, dict known):
    """Return the parameters of a fused node; those of equal groups are made once."""
    key = (*[(op, attrs.cache_key, *operands) for op, attrs, operands in steps], tuple(outputs), tuple(pairs), count)
    found = known.get(key)
    if found is None:
        texts = []
        for op, attrs, operands in steps:
            values = {name: text for name, text in op.format_attrs(attrs).items() if name not in op.dynamic_params}
            texts.append([op.name, values, operands])
        expression = format_expression(texts, outputs, pairs)
        found = known[key] = registry.get("_fused").attrs(expression=expression, numbers=numbers, num_args=count)
    return found if found.numbers == numbers else found.with_(numbers=numbers)


cdef bint _in_order(list nodes, dict place) except -1:
    cdef Node node
    cdef Py_ssize_t index
    for index, node in enumerate(nodes):
        for source, _ in node.inputs:
            if <Py_ssize_t>place[source] >= index:
                return False
        for source in node.controls or ():
            if <Py_ssize_t>place[source] > index:
                return False
    return True


def _ordered(list nodes):
    """Return the nodes with inputs first, otherwise in the given order; users of what is written twice keep theirs."""
    cdef dict place = {node: index for index, node in enumerate(nodes)}
    if _in_order(nodes, place):
        return nodes
    before = [set() for _ in nodes]
    for node, index in place.items():
        before[index].update(place[source] for source, _ in node.inputs)
        before[index].update(place[source] for source in node.controls or ())
    for users in _users_of_mutated(nodes, place).values():
        for earlier, later in zip(users, users[1:]):
            before[later].add(earlier)
    after = [[] for _ in nodes]
    for index, sources in enumerate(before):
        for source in sources:
            after[source].append(index)
    waiting = [len(sources) for sources in before]
    ready = [index for index, count in enumerate(waiting) if not count]
    heapq.heapify(ready)
    result = []
    while ready:
        index = heapq.heappop(ready)
        result.append(nodes[index])
        for user in after[index]:
            waiting[user] -= 1
            if not waiting[user]:
                heapq.heappush(ready, user)
    return result


def _users_of_mutated(nodes, dict place):
    cdef Node node
    users = {entry: [] for entry in mutated_entries(nodes)}
    for node in nodes:
        for entry in dict.fromkeys(node.inputs):
            if entry in users:
                users[entry].append(place[node])
    return users
