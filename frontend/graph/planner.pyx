"""Memory of a graph's intermediate results: lifetimes, sharing, places in the arena.

Here is what has to be fast (a hundred thousand nodes in a fraction of a second); :mod:`.memory` is the public face.
"""

cimport cython
from libc.stdint cimport int64_t
from libcpp.vector cimport vector

from ...ops.array cimport Spec
from .ir cimport Graph, Node
from .numbering cimport Calls

from ...ops.errors import MXNetError

cdef extern from "frontend/graph/offsets.hpp" namespace "weft" nogil:
    int64_t most_alive(const vector[Lifetime]& tensors)
    int64_t place "weft::assign_offsets"(const vector[Lifetime]& tensors, vector[int64_t]* offsets, int64_t work)

# Steps of greedy orders and search: about a tenth of a second.
cdef int64_t kWork = 40000000
cdef int64_t kForever = <int64_t>1 << 60


def assign_offsets(sizes, starts, ends):
    """Place tensors in one arena so that those alive at the same time do not overlap.

    Parameters
    ----------
    sizes : sequence of int
        Bytes of each tensor.
    starts, ends : sequence of int
        When each comes to life and when it is dead: alive at ``start <= time < end``.

    Returns
    -------
    offsets : list of int
        Where each tensor begins, multiples of 64.
    total : int
        Bytes that the arena needs.

    Raises
    ------
    ValueError
        Where the lengths differ, a size is negative or a tensor ends before it starts.

    Examples
    --------
    >>> assign_offsets([64, 128, 64], [0, 1, 2], [2, 3, 4])
    ([0, 64, 0], 192)
    """
    cdef vector[Lifetime] tensors
    cdef vector[int64_t] offsets
    cdef int64_t total
    cdef Py_ssize_t k, n
    sizes, starts, ends = list(sizes), list(starts), list(ends)
    n = len(sizes)
    if len(starts) != n or len(ends) != n:
        raise ValueError(f"sizes, starts and ends must be of one length, got {n}, {len(starts)} and {len(ends)}")
    tensors.resize(n)
    for k in range(n):
        tensors[k].size = sizes[k]
        tensors[k].start = starts[k]
        tensors[k].end = ends[k]
        if tensors[k].size < 0:
            raise ValueError(f"sizes[{k}] must not be negative, got {sizes[k]}")
        if tensors[k].end < tensors[k].start:
            raise ValueError(f"ends[{k}] must not be before starts[{k}], got {ends[k]} and {starts[k]}")
    with nogil:
        total = place(tensors, &offsets, kWork)
    return list(offsets), total


def lower_bound(sizes, starts, ends):
    """Return the most bytes that are alive at once; arguments as of :func:`assign_offsets`.

    >>> lower_bound([64, 128, 64], [0, 1, 2], [2, 3, 4])
    192
    """
    cdef vector[Lifetime] tensors
    for size, start, end in zip(sizes, starts, ends):
        tensors.push_back(Lifetime(size, start, end))
    return most_alive(tensors)


# The last time somebody reads an entry, who that is, and the last time of anybody else.
cdef struct Reads:
    int64_t last
    int64_t reader
    int64_t others


cdef inline void add_read(Reads* reads, int64_t end, int64_t reader) noexcept nogil:
    if reader == reads.reader:
        reads.last = max(reads.last, end)
    elif end > reads.last:
        reads.others = reads.last
        reads.last = end
        reads.reader = reader
    elif end > reads.others:
        reads.others = end


cdef enum:
    kExternal = 1    # lives in an array of its own
    kMutated = 2     # some node writes it a second time
    kRead = 4
    kLent = 8        # external, and its array may be written before its node runs


# An input, and the output that may take its bytes.
cdef struct Pair:
    Py_ssize_t source
    Py_ssize_t result
    bint written         # the kernel writes the input as it is


cdef class Sharing:
    """Which entries of a graph share their bytes, and how long those live."""

    cdef list nodes
    cdef vector[int64_t] starts, ends            # of nodes
    cdef vector[int64_t] base                    # number of a node's first entry
    cdef vector[int64_t] nbytes                  # of entries, all from here on
    cdef vector[int] flags
    cdef vector[int64_t] root                    # whose bytes an entry takes: itself, or an earlier one
    cdef vector[int64_t] producer
    cdef vector[Reads] reads                     # of roots: of everything that shares the bytes
    cdef vector[int64_t] claimed                 # by which node's output, in place
    cdef vector[int64_t] taken                   # the entry whose bytes an entry takes, as it was decided; -1: its own
    cdef vector[char] skipped                    # nodes
    cdef Calls calls
    cdef vector[Py_ssize_t] call                 # of nodes: the number of what they call; -1: variables
    cdef vector[char] views_of                   # of calls, all from here on: the result may be the first input's bytes
    cdef vector[vector[Py_ssize_t]] mutated      # which inputs are written
    cdef vector[vector[Py_ssize_t]] unread       # of which only the shape matters
    cdef vector[vector[Pair]] pairs              # what may be computed in place of what
    cdef int64_t views                           # bytes of entries that are nothing but views

    cdef int64_t number(self, tuple entry):
        return self.base[(<Node>entry[0]).id] + <int64_t>entry[1]

    cdef int64_t find(self, int64_t entry):
        while self.root[entry] != entry:
            entry = self.root[entry]
        return entry

    cdef Py_ssize_t call_of(self, Node node) except -1:
        """Return the number of what a node calls; ask what the memory plan wants to know of it the first time."""
        cdef Py_ssize_t number = self.calls.of(node)
        cdef vector[Py_ssize_t] indices
        cdef vector[Pair] pairs
        if number < <Py_ssize_t>self.pairs.size():
            return number
        view = node.op.view(node.attrs) if callable(node.op.view) else node.op.view
        self.views_of.push_back(<char>bool(view))
        for i in node.op.mutated_inputs(node.attrs):
            indices.push_back(i)
        self.mutated.push_back(indices)
        indices.clear()
        for i in node.op.unread_inputs(node.attrs) if node.op.unread else ():
            indices.push_back(i)
        self.unread.push_back(indices)
        for i, k in node.op.inplace_pairs(node.attrs):
            pairs.push_back(Pair(i, k, is_in(i, self.mutated.back())))
        self.pairs.push_back(pairs)
        return number

    cdef int count(self, Graph graph, object external, object lent, object times) except -1:
        """Number the entries; mark those that are external, written twice, read."""
        cdef Node node
        cdef Py_ssize_t i
        cdef int64_t entry, end
        cdef Py_ssize_t call
        self.nodes = graph.nodes
        self.calls = Calls()
        self.skipped.resize(len(self.nodes), 0)
        if times is not None and len(times) != len(self.nodes):
            raise ValueError(f"times must have one interval for each of the {len(self.nodes)} nodes, got {len(times)}")
        for node in self.nodes:
            if node.specs is None:
                raise MXNetError(f"plan_memory: node {node.name!r} has no shape yet; infer shapes first")
            if times is None:
                self.starts.push_back(node.id)
                self.ends.push_back(node.id + 1)
            else:
                self.starts.push_back(times[node.id][0])
                self.ends.push_back(times[node.id][1])
            self.base.push_back(<int64_t>self.nbytes.size())
            for spec in node.specs:
                if spec is None:
                    raise MXNetError(f"plan_memory: node {node.name!r} has an output without shape; infer shapes first")
                self.producer.push_back(node.id)
                self.root.push_back(<int64_t>self.root.size())
                self.nbytes.push_back((<Spec>spec).nbytes)
                self.flags.push_back(kExternal if node.op is None or node.cached else 0)
        self.reads.resize(self.nbytes.size(), Reads(-1, -1, -1))
        self.claimed.resize(self.nbytes.size(), -1)
        self.taken.resize(self.nbytes.size(), -1)
        for item in external:
            self.flags[self.number(item)] |= kExternal
        for item in lent:
            entry = self.number(item)
            if not self.flags[entry] & kExternal:
                raise ValueError(f"lent: output {item[1]} of node {item[0].name!r} is not external")
            self.flags[entry] |= kLent
        for node in self.nodes:
            call = -1 if node.op is None else self.call_of(node)
            self.call.push_back(call)
            if call < 0:
                continue
            end = self.ends[node.id]
            for i in self.mutated[call]:
                self.flags[self.number(<tuple>node.inputs[i])] |= kMutated
            for i in range(len(node.inputs)):
                if is_in(i, self.unread[call]):
                    continue
                entry = self.number(<tuple>node.inputs[i])
                self.flags[entry] |= kRead
                add_read(&self.reads[entry], end, node.id)
        for item in graph.outputs:
            entry = self.number(item)
            self.flags[entry] |= kRead
            add_read(&self.reads[entry], kForever, -2)
        return 0

    cdef bint is_view(self, Node node) except -1:
        """Whether the first output may simply be the first input's bytes, and nothing else is computed."""
        cdef int64_t out = self.base[node.id], source
        cdef Py_ssize_t k
        if not self.views_of[self.call[node.id]]:
            return False
        if self.flags[out] & (kExternal | kMutated):
            return False
        source = self.number(<tuple>node.inputs[0])
        if self.nbytes[source] != self.nbytes[out] or self.flags[source] & kMutated:
            return False
        owner = <Node>(<tuple>node.inputs[0])[0]
        if owner.specs[(<tuple>node.inputs[0])[1]].dtype != node.specs[0].dtype or owner.context != node.context:
            return False
        for k in range(1, len(node.specs)):
            if self.flags[out + k] & (kRead | kExternal):
                return False
        return True

    cdef void join_view(self, Node node):
        cdef int64_t out = self.base[node.id], source = self.number(<tuple>node.inputs[0]), to = self.find(source)
        cdef Reads* reads = &self.reads[to]
        self.root[out] = to
        add_read(reads, self.reads[out].others, -3)
        add_read(reads, self.reads[out].last, self.reads[out].reader)
        self.taken[out] = source
        self.skipped[node.id] = 1
        self.views += self.nbytes[out]

    cdef bint is_pair(self, Node node, Py_ssize_t source, Py_ssize_t result) noexcept:
        cdef Pair pair
        for pair in self.pairs[self.call[node.id]]:
            if pair.source == source and pair.result == result:
                return True
        return False

    cdef bint may_overwrite(self, Node node, int64_t source, int64_t out, Py_ssize_t index) except -1:
        """Whether `node` may compute output number `index` in the bytes of entry `source`."""
        cdef int64_t to = self.find(source)
        cdef Reads reads = self.reads[to]
        cdef Py_ssize_t i
        if self.flags[to] & kExternal or self.nbytes[to] != self.nbytes[out] or self.claimed[to] == node.id:
            return False
        if self.nbytes[out] == 0 or reads.reader != node.id or reads.others > self.starts[node.id]:
            return False
        if (<Node>self.nodes[self.producer[to]]).context != node.context:
            return False
        # Whatever else it reads of these bytes it must be allowed to overwrite as well.
        for i in range(len(node.inputs)):
            if self.find(self.number(<tuple>node.inputs[i])) == to and not self.is_pair(node, i, index):
                return False
        return True

    cdef int share_in_place(self, Node node) except -1:
        cdef int64_t out, source, to
        cdef Pair pair
        for pair in self.pairs[self.call[node.id]]:
            if pair.written or pair.source >= len(node.inputs) or pair.result >= len(node.specs):
                continue
            out = self.base[node.id] + pair.result
            if self.flags[out] & kExternal or self.root[out] != out:
                continue
            source = self.number(<tuple>node.inputs[pair.source])
            if self.may_overwrite(node, source, out, pair.result):
                to = self.find(source)
                self.root[out] = to
                self.claimed[to] = node.id
                self.reads[to] = self.reads[out]
                # The bytes live at least as long as the node runs, also where nobody reads its result.
                self.reads[to].last = max(self.reads[to].last, self.ends[node.id])
                self.taken[out] = source
        return 0

    cdef int borrow(self, Node node) except -1:
        """Where an external result is computed in place, let the input be computed in its array as well."""
        cdef int64_t out, to
        cdef Pair pair
        for pair in self.pairs[self.call[node.id]]:
            if pair.written or pair.source >= len(node.inputs) or pair.result >= len(node.specs):
                continue
            out = self.base[node.id] + pair.result
            # Whoever reads the result does so after the node: only the input's own life must end here.
            if not self.flags[out] & kLent or self.claimed[out] >= 0 or self.flags[out] & kMutated:
                continue
            to = self.find(self.number(<tuple>node.inputs[pair.source]))
            if self.may_overwrite(node, to, out, pair.result):
                self.root[to] = out
                self.claimed[out] = self.claimed[to] = node.id
                self.taken[to] = out
        return 0

    cdef int share(self) except -1:
        cdef Node node
        # All views before anything is overwritten: nodes may run in another order than they are listed.
        for node in self.nodes:
            if node.op is not None and not node.cached and self.is_view(node):
                self.join_view(node)
        for node in self.nodes:
            if node.op is not None and not node.cached and not self.skipped[node.id]:
                self.share_in_place(node)
        for node in reversed(self.nodes):
            if node.op is not None and not node.cached and not self.skipped[node.id]:
                self.borrow(node)
        return 0


cdef bint is_in(Py_ssize_t item, vector[Py_ssize_t]& items) noexcept:
    cdef Py_ssize_t other
    for other in items:
        if other == item:
            return True
    return False


@cython.final
cdef class Assignment:
    """Where every entry of a graph lies. Made by :func:`plan`; entries are numbers here, node by node."""

    cdef int64_t number(self, Node node, Py_ssize_t index):
        return self.base[node.id] + index

    cdef tuple entry(self, int64_t number):
        cdef Node node = <Node>self.nodes[self.producer[number]]
        return (node, number - self.base[node.id])

    def offsets(self):
        """Return ``{entry: byte offset}`` for what lies in an arena."""
        cdef size_t k
        return {self.entry(k): self.offset[k] for k in range(self.offset.size()) if self.offset[k] >= 0}

    def shared(self):
        """Return ``{entry: the entry whose bytes it takes}``."""
        cdef size_t k
        return {self.entry(k): self.entry(self.taken[k]) for k in range(self.taken.size()) if self.taken[k] >= 0}

    def skipped_nodes(self):
        """Return the set of nodes that need not run."""
        cdef size_t k
        return {self.nodes[k] for k in range(self.skipped.size()) if self.skipped[k]}

    def is_skipped(self):
        """Return for each node, by its id, whether it need not run."""
        cdef char flag
        return [bool(flag) for flag in self.skipped]

    def rows(self):
        """Return ``{context: [(node, output, bytes, start, end, offset)]}`` of what has a place of its own in an arena."""
        cdef dict found = {context: [] for context in self.arenas}
        cdef size_t k
        for k in range(self.own.size()):
            node, index = self.entry(self.own[k])
            tensor = self.tensors[k]
            found[node.context].append((node, index, tensor.size, tensor.start, tensor.end, self.offset[self.own[k]]))
        return found


def plan(Graph graph, external, lent, times, bint inplace):
    """Return an :class:`Assignment`; see :func:`weft.frontend.graph.memory.plan_memory`."""
    cdef Sharing sharing = Sharing()
    cdef Assignment made = Assignment()
    cdef int64_t entry, root, n, total, bound, latest = 0
    cdef vector[Lifetime] tensors
    cdef vector[int64_t] offsets, own
    cdef Node node
    cdef dict members = {}
    cdef size_t k
    sharing.count(graph, external, lent, times)
    if inplace:
        sharing.share()
    n = <int64_t>sharing.nbytes.size()
    for entry in range(n):
        latest = max(latest, sharing.ends[sharing.producer[entry]])
    made.nodes = graph.nodes
    made.arenas = {}
    made.no_reuse = -sharing.views
    made.offset.assign(n, -1)
    for entry in range(n):
        root = sharing.find(entry)
        if sharing.flags[entry] & kExternal:
            continue
        if root == entry and sharing.skipped[sharing.producer[entry]]:
            continue  # an output that nobody reads of a kernel that does not run
        made.no_reuse += sharing.nbytes[entry]
        if root == entry:
            node = <Node>sharing.nodes[sharing.producer[entry]]
            members.setdefault(node.context, []).append(entry)
    for context, found in members.items():
        tensors.clear()
        own.clear()
        for entry in found:
            own.push_back(entry)
            tensors.push_back(Lifetime(
                sharing.nbytes[entry], sharing.starts[sharing.producer[entry]],
                min(max(sharing.reads[entry].last, sharing.ends[sharing.producer[entry]]), latest)))
        with nogil:
            total = place(tensors, &offsets, kWork)
            bound = most_alive(tensors)
        made.arenas[context] = (total, bound)
        for k in range(own.size()):
            made.offset[own[k]] = offsets[k]
            made.own.push_back(own[k])
            made.tensors.push_back(tensors[k])
    for entry in range(n):
        if not sharing.flags[entry] & kExternal:
            made.offset[entry] = made.offset[sharing.find(entry)]
    made.base.swap(sharing.base)
    made.producer.swap(sharing.producer)
    made.taken.swap(sharing.taken)
    made.skipped.swap(sharing.skipped)
    return made
