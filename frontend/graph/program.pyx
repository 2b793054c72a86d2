"""A graph compiled to steps, and running them: one engine task for each half, no Python a node."""

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

from ...engine._engine cimport holds, push_site, throttle_if_needed
from ...engine.cengine cimport Buffer, core_count, in_task, intern_name, new_buffer, var_release
from ...ops.array cimport NDArray, Spec, new_array
from ...ops.kernel cimport CKernel
from ...ops.modes cimport Generator, generator_of, thread_modes
from ...ops.plans cimport Plan, plan_of
from .ir cimport Graph, Node
from .numbering cimport Numbering, address
from .planner cimport Assignment

from ...ops.errors import MXNetError
from .infer import why_unplanned

cdef extern from "frontend/graph/program.hpp" namespace "weft" nogil:
    enum class Place:
        kArray
        kArena
        kKept

    cdef struct Operand:
        Place place
        uint32_t array
        uint64_t offset
        uint64_t bytes

    cdef struct BoundArray "weft::Bindings::Array":
        Buffer* buffer
        int64_t offset

    cdef cppclass Bindings:
        vector[BoundArray] arrays
        Buffer* arena

    void release_bindings(Bindings* bindings)

    cdef cppclass Schedule:
        double serial_ns
        double spread_ns
        vector[int64_t] starts
        vector[int64_t] ends
        vector[unsigned char] wide

    Schedule make_schedule(const vector[double]& narrow_ns, const vector[double]& wide_ns,
                           const vector[vector[uint32_t]]& successors, int cores)

    cdef cppclass CProgram "weft::Program":
        CProgram(uint32_t n_arrays, uint64_t arena_bytes, uint64_t kept_bytes)
        void add_step(CKernel* kernel, int phase, const Operand* operands, uint32_t n_inputs, uint32_t n_outputs,
                      const double* scalars, uint32_t n_scalars, uint32_t name, const char* node,
                      const char* description, double cost_ns, cbool is_random)
        void mark_mutated(uint32_t input)
        void add_control(uint32_t before, uint32_t after)
        void finish()
        void link()
        cbool writes(uint32_t array, int phases)
        void spread(int phase, cbool on)
        void set_wide(uint32_t step, cbool wide)
        cbool is_spread(int phase)
        Bindings* bind(const BoundArray* arrays, Buffer* arena)
        cbool push(Bindings* bindings, int phases, uint64_t seed, uint64_t counter, int priority, uint32_t name,
                   uint32_t site)
        uint32_t n_steps()
        uint64_t arena_bytes()
        uint64_t kept_bytes()
        uint32_t draws(int phases)
        double cost_ns(int phases)
        uint64_t runs()
        uint64_t prepared_runs()
        void release()

#: Which halves a run comprises.
FORWARD_HALF = 1
BACKWARD_HALF = 2
BOTH_HALVES = 3

cdef int kPrepare = 0
cdef int kForward = 1
cdef int kBackward = 2


cdef uint32_t run_names[4]
run_names[1] = intern_name(b"forward")
run_names[2] = intern_name(b"backward")
run_names[3] = intern_name(b"forward and backward")


# --- memory for intermediate results ----------------------------------------------------------------

cdef class Arena:
    """The memory that a program's intermediate results lie in; programs that never run at once may share one.

    Its bytes come from the storage pool with the first run. Where a program needs more than there are, runs from then
    on use a larger arena, and the old one goes when the runs before are done with it.
    """

    cdef Buffer* buffer
    cdef readonly size_t nbytes
    cdef readonly object tenant  # whose half-finished run the contents belong to

    def __cinit__(self):
        self.buffer = NULL

    def __dealloc__(self):
        if self.buffer != NULL:
            var_release(self.buffer)

    def reserve(self, size_t nbytes):
        """Make room for a program; contents are lost where the arena has to grow."""
        if self.buffer != NULL and nbytes <= self.nbytes:
            return
        if self.buffer != NULL:
            var_release(self.buffer)
        self.nbytes = nbytes
        self.buffer = new_buffer(max(nbytes, 64), 0)
        self.tenant = None

    def occupy(self, tenant):
        """Note whose results lie in the arena now."""
        self.tenant = tenant


# --- order --------------------------------------------------------------------------------------------

def by_phase(Graph graph):
    """Return the graph with kept results first, then the forward half, then the backward half; variables lead.

    The order inside each part stays. A graph that is ordered so already is returned as it is.
    """
    cdef Node node
    cdef list parts = [[], [], [], []]
    cdef int last = 0, part
    cdef bint sorted_already = True
    for node in graph.nodes:
        part = 0 if node.op is None else 1 if node.cached else 2 + node.part
        (<list>parts[part]).append(node)
        if part == 0:
            continue
        sorted_already = sorted_already and part >= last
        last = max(part, last)
    if sorted_already:
        return graph
    made = graph.copy()
    cdef list order = []
    for part_nodes in parts:
        order += [made.nodes[(<Node>old).id] for old in part_nodes]
    made.nodes = order
    made.number()
    return made


def why_interpreted(Graph graph not None, context):
    """Return why a graph cannot become a program; empty where it can."""
    cdef Node node
    where = context
    for node in graph.nodes:
        if node.context is not None:
            where = node.context
        if where is not None and where.device_type == "simulated":
            return f"node {node.name} runs on {where}, whose streams take one operator at a time"
        where = None
    return why_unplanned(graph)


def plans_of(Graph graph):
    """Return the plan of every node, None for variables, in the order of ``graph.nodes``."""
    cdef Node node, source
    cdef list plans = [], in_specs, found = []
    cdef Numbering calls     # operators, parameters, specs of inputs
    cdef Py_ssize_t number
    for node in graph.nodes:
        if node.op is None:
            plans.append(None)
            continue
        calls.add(address(node.op))
        calls.add(address(node.attrs))
        for item in node.inputs:
            source = <Node>(<tuple>item)[0]
            calls.add(address((<tuple>source.specs)[<Py_ssize_t>(<tuple>item)[1]]))
        number = calls.number()
        if number == len(found):
            in_specs = []
            for item in node.inputs:
                source = <Node>(<tuple>item)[0]
                in_specs.append((<tuple>source.specs)[<Py_ssize_t>(<tuple>item)[1]])
            try:
                found.append(plan_of(node.op, node.attrs, in_specs))
            except MXNetError as error:
                raise type(error)(f"Error in operator {node.name}: {error}") from None
        plans.append(found[number])
    return plans


# --- programs -----------------------------------------------------------------------------------------

@cython.final
cdef class Program:
    """A graph made ready to run. Made by :func:`compile_graph`.

    Attributes
    ----------
    graph : Graph
        What it computes.
    memory : MemoryPlan
        Where intermediate results lie.
    arrays : list
        What the arrays of a run are, in order: variables' names, then the places of outputs that need arrays of
        their own.
    """

    cdef CProgram* pointer
    cdef Bindings* bindings
    cdef readonly Graph graph
    cdef readonly object memory
    cdef readonly list arrays

    def __dealloc__(self):
        if self.bindings != NULL:
            release_bindings(self.bindings)
        if self.pointer != NULL:
            self.pointer.release()

    @property
    def n_steps(self):
        """Number of kernels that run."""
        return self.pointer.n_steps()

    @property
    def arena_bytes(self):
        """Bytes of intermediate results."""
        return self.pointer.arena_bytes()

    @property
    def kept_bytes(self):
        """Bytes of results that stay from run to run."""
        return self.pointer.kept_bytes()

    @property
    def runs(self):
        """Number of finished runs."""
        return self.pointer.runs()

    @property
    def prepared_runs(self):
        """How often the kept results were computed."""
        return self.pointer.prepared_runs()

    def cost_ns(self, int halves):
        """Estimated time on one core."""
        return self.pointer.cost_ns(halves)

    @property
    def spread(self):
        """For the prepared, forward and backward part: whether its steps run on several cores at once."""
        return tuple([self.pointer.is_spread(phase) for phase in range(3)])

    def set_spread(self, bint on, wide=()):
        """Run steps that do not depend on each other on several cores, or all in order.

        Parameters
        ----------
        on : bool
            Whether to.
        wide : sequence of bool
            For each step, whether it had better have all cores to itself.
        """
        cdef uint32_t step
        if on:
            self.pointer.link()
            for step in range(min(len(wide), self.pointer.n_steps())):
                self.pointer.set_wide(step, wide[step])
        for phase in range(3):
            self.pointer.spread(phase, on)

    def run(self, list arrays, int halves, Arena arena not None, context):
        """Push a run; returns at once.

        Parameters
        ----------
        arrays : list of NDArray
            As in :attr:`arrays`, with the shapes and dtypes that the program was compiled for.
        halves : int
            ``FORWARD_HALF``, ``BACKWARD_HALF`` or ``BOTH_HALVES``.
        arena : Arena
            Large enough; see :meth:`Arena.reserve`.
        context : Context
            Whose random numbers random operators use.
        """
        cdef Py_ssize_t i, n = len(self.arrays)
        cdef NDArray array
        cdef Generator generator
        cdef uint64_t seed = 0, counter = 0
        cdef uint32_t draws, site
        cdef int priority = thread_modes().priority
        if len(arrays) != n:
            raise ValueError(f"arrays: expected {n}, got {len(arrays)}")
        if arena.nbytes < self.pointer.arena_bytes() or arena.buffer == NULL:
            raise ValueError(f"arena: {self.pointer.arena_bytes()} bytes are needed, it has {arena.nbytes}")
        cdef bint same = self.bindings != NULL and self.bindings.arena == arena.buffer
        if same:
            for i in range(n):
                array = <NDArray>arrays[i]
                if self.bindings.arrays[i].buffer != array.buffer or self.bindings.arrays[i].offset != array.offset:
                    same = False
                    break
        if not same:
            self.rebind(arrays, arena)
        if in_task():
            for i in range(n):
                holds((<NDArray>arrays[i]).buffer, self.pointer.writes(<uint32_t>i, halves))
        draws = self.pointer.draws(halves)
        if draws:
            generator = generator_of(context)
            seed = generator.seed
            counter = generator.counter
            generator.counter += draws
        site = push_site()
        throttle_if_needed()
        with nogil:
            self.pointer.push(self.bindings, halves, seed, counter, priority, run_names[halves], site)

    cdef int rebind(self, list arrays, Arena arena) except -1:
        cdef vector[BoundArray] bound
        cdef BoundArray one
        cdef NDArray array
        for item in arrays:
            array = <NDArray?>item
            one.buffer = array.buffer
            one.offset = array.offset
            bound.push_back(one)
        cdef Bindings* made = self.pointer.bind(bound.data(), arena.buffer)
        if self.bindings != NULL:
            release_bindings(self.bindings)
        self.bindings = made
        return 0


cdef class Places:
    """Where every entry of a graph lies, while a program is made; entries have the numbers of the memory plan."""

    cdef vector[Operand] operands
    cdef vector[unsigned char] known
    cdef Assignment plan

    cdef int put(self, int64_t entry, Place place, uint32_t array, uint64_t offset) except -1:
        self.operands[entry].place = place
        self.operands[entry].array = array
        self.operands[entry].offset = offset
        self.known[entry] = 1
        return 0

    cdef int64_t find(self, int64_t entry) except -1:
        """Return the entry once its place is known: that of what it shares bytes with."""
        cdef int64_t root = entry, at = entry, following
        cdef uint64_t nbytes
        while not self.known[root]:
            root = self.plan.taken[root]
            if root < 0:
                raise MXNetError("the memory plan has no place for a result")
        # Chains of results in one place are long: each is walked once.
        while at != root:
            following = self.plan.taken[at]
            nbytes = self.operands[at].bytes
            self.operands[at] = self.operands[root]
            self.operands[at].bytes = nbytes
            self.known[at] = 1
            at = following
        return entry


def compile_graph(Graph graph not None, list plans, memory, dict stored=None):
    """Make a program of a graph.

    Parameters
    ----------
    graph : Graph
        With shapes and dtypes inferred, in the order of :func:`by_phase`; every output an entry of its own that is
        not a variable.
    plans : list of Plan
        Of its nodes; see :func:`plans_of`.
    memory : MemoryPlan
        Places of what has no array of its own.
    stored : dict of int to str, optional
        Outputs (by position) that are written into the array of a variable.

    Returns
    -------
    Program
    """
    cdef Assignment plan = memory.assignment
    cdef Places places = Places()
    cdef list arrays = []
    places.plan = plan
    cdef uint64_t kept_bytes = place_arrays(places, graph, arrays, stored)
    cdef uint64_t arena_bytes = place_in_arenas(places, memory.totals)
    cdef Program program = Program.__new__(Program)
    program.pointer = new CProgram(<uint32_t>len(arrays), arena_bytes, kept_bytes)
    program.graph = graph
    program.memory = memory
    program.arrays = arrays
    add_steps(program.pointer, graph, plans, places)
    with nogil:
        program.pointer.finish()
    return program


cdef uint64_t place_arrays(Places places, Graph graph, list arrays, dict stored) except? 1:
    """Place what has an array of its own, listed in `arrays`, and what is kept; return the bytes of that."""
    cdef Node node
    cdef Py_ssize_t i, k
    cdef int64_t at
    cdef uint64_t kept_bytes = 0
    cdef dict number_of = {}
    places.operands.resize(places.plan.offset.size())
    places.known.resize(places.plan.offset.size())
    for node in graph.nodes:
        at = places.plan.base[node.id]
        for i in range(len(node.specs)):
            places.operands[at + i].bytes = (<Spec>node.specs[i]).nbytes
            places.operands[at + i].offset = 0
        if node.op is None:
            number_of[node.name] = len(arrays)
            places.put(at, Place.kArray, <uint32_t>len(arrays), 0)
            arrays.append(node.name)
        elif node.cached:
            for i in range(len(node.specs)):
                places.put(at + i, Place.kKept, 0, kept_bytes)
                kept_bytes += ((<Spec>node.specs[i]).nbytes + 63) // 64 * 64
    for k in range(len(graph.outputs)):
        node, i = graph.outputs[k]
        at = places.plan.number(node, i)
        if places.known[at] and places.operands[at].place == Place.kArray:
            raise MXNetError(f"output {k} of the graph, {node.name}, is a variable or another output too")
        if stored is not None and k in stored:
            places.put(at, Place.kArray, <uint32_t>number_of[stored[k]], 0)
        else:
            places.put(at, Place.kArray, <uint32_t>len(arrays), 0)
            arrays.append(k)
    return kept_bytes


cdef uint64_t place_in_arenas(Places places, dict totals) except? 1:
    """Place what lies in the arenas, which follow each other in one; return their bytes."""
    cdef Assignment plan = places.plan
    cdef dict base_of = {}
    cdef uint64_t base = 0
    cdef size_t entry
    for context, total in totals.items():
        base_of[context] = base
        base += (<uint64_t>total + 63) // 64 * 64
    for entry in range(plan.offset.size()):
        if plan.offset[entry] >= 0 and not places.known[entry]:
            context = (<Node>plan.nodes[plan.producer[entry]]).context
            places.put(entry, Place.kArena, 0, <uint64_t>base_of[context] + <uint64_t>plan.offset[entry])
    return base


cdef int add_steps(CProgram* program, Graph graph, list plans, Places places) except -1:
    cdef Node node
    cdef Plan plan
    cdef vector[Operand] operands
    cdef vector[double] scalars
    cdef Py_ssize_t i
    cdef int64_t at
    cdef int phase
    cdef bytes name, description
    cdef Numbering calls            # operators with their parameters
    cdef list facts = []            # of each: the operator's interned name, values that are handed to each run
    cdef vector[int64_t] step_of
    cdef uint32_t n_steps = 0
    cdef Py_ssize_t call
    step_of.assign(len(graph.nodes), -1)
    for node in graph.nodes:
        if node.op is None or places.plan.skipped[node.id]:
            continue
        plan = <Plan>plans[node.id]
        operands.clear()
        for item in node.inputs:
            at = places.plan.number(<Node>(<tuple>item)[0], (<tuple>item)[1])
            operands.push_back(places.operands[places.find(at)])
        at = places.plan.base[node.id]
        for i in range(plan.n_outputs):
            operands.push_back(places.operands[places.find(at + i)])
        scalars.clear()
        calls.add(address(node.op))
        calls.add(address(node.attrs))
        call = calls.number()
        if call == len(facts):
            name = node.op.name.encode()
            facts.append((intern_name(name), tuple(node.attrs.scalars) if node.op.dynamic_params else ()))
        op_name, values = <tuple>facts[call]
        for value in <tuple>values:
            if value is None:
                raise MXNetError(f"Error in operator {node.name}: a parameter of {node.op.name} has no value")
            scalars.push_back(value)
        phase = kPrepare if node.cached else kForward + node.part
        name = node.name.encode("utf-8", "replace")
        description = plan.description.encode()
        program.add_step(plan.kernel.pointer, phase, operands.data(), plan.n_inputs, plan.n_outputs, scalars.data(),
                         <uint32_t>scalars.size(), <uint32_t>op_name, name, description, plan.cost_ns, plan.random)
        if plan.any_mutated:
            for i in range(plan.n_inputs):
                if plan.mutated[i]:
                    program.mark_mutated(<uint32_t>i)
        step_of[node.id] = n_steps
        if node.controls is not None:
            for before in node.controls:
                if step_of[(<Node>before).id] >= 0:
                    program.add_control(<uint32_t>step_of[(<Node>before).id], n_steps)
        n_steps += 1
    return 0


def output_array(spec, context):
    """Return an array that gets its memory when it is first written."""
    return new_array(<Spec?>spec, context)


# --- several cores ------------------------------------------------------------------------------------

# Steps below this are not worth another core; a loop on all cores costs that much more than its share.
cdef double kSmallNs = 5000
cdef double kForkNs = 6000
cdef double kScaling = 0.92


class Spread:
    """An order in which the steps of a graph keep several cores busy.

    Attributes
    ----------
    graph : Graph
        The graph in the order in which its nodes start.
    plans : list of Plan
        Of its nodes.
    times : list of (int, int)
        When each node is expected to run, in nanoseconds.
    wide : list of bool
        Nodes that had better have all cores to themselves.
    summary : str
        What it gains.
    """

    def __init__(self, graph, plans, times, wide, summary):
        self.graph, self.plans, self.times, self.wide, self.summary = graph, plans, times, wide, summary

    def wide_steps(self, skipped):
        """Return :attr:`wide` for the nodes that become steps; ``skipped`` says of each node whether it does not."""
        return [wide for node, wide, gone in zip(self.graph.nodes, self.wide, skipped) if node.op is not None and not gone]


def plan_spread(Graph graph not None, list plans, cores=None, double least_gain=0.1):
    """Find out whether running independent nodes at the same time pays.

    Parameters
    ----------
    graph : Graph
        In the order of :func:`by_phase`.
    plans : list of Plan
        Of its nodes.
    cores : int, optional
        Cores to use; by default the engine's.
    least_gain : float
        The part of the time that must be gained over running one node after the other, each on all cores.

    Returns
    -------
    Spread or None
        None where it does not pay.
    """
    cdef int number = core_count() if cores is None else cores
    cdef Node node
    cdef Plan plan
    cdef double large = 0, total = 0
    if number < 2:
        return None
    for plan in plans:
        if plan is None:
            continue
        if plan.is_python:
            return None  # they hold the interpreter's lock, and only the task's own thread may wait for arrays in them
        total += plan.cost_ns
        if plan.cost_ns > kSmallNs:
            large += plan.cost_ns
    if large < 10 * kSmallNs or large < 0.3 * total:
        return None
    cdef list before = dependencies(graph, plans)
    cdef list parts = [[], [], []]
    for node in graph.nodes:
        if node.op is not None:
            (<list>parts[0 if node.cached else 1 + node.part]).append(node)
    cdef Schedule schedule
    cdef double serial_ns = 0, spread_ns = 0
    cdef int64_t base = 0
    cdef dict times = {}, wide = {}
    cdef list order = [source for source in graph.nodes if source.op is None]
    cdef Py_ssize_t i
    for part in parts:
        schedule = schedule_of(part, plans, before, number)
        serial_ns += schedule.serial_ns
        spread_ns += schedule.spread_ns
        for i in range(len(part)):
            times[part[i]] = (base + schedule.starts[i], base + schedule.ends[i])
            wide[part[i]] = bool(schedule.wide[i])
        order += [part[i] for i in sorted(range(len(part)), key=lambda i: (times[part[i]][0], i))]
        base += <int64_t>schedule.spread_ns + 1
    if spread_ns > (1 - least_gain) * serial_ns:
        return None
    made = graph.copy()
    made.nodes = [made.nodes[(<Node>old).id] for old in order]
    made.number()
    return Spread(
        made, [plans[(<Node>old).id] for old in order], [times.get(old, (0, 0)) for old in order],
        [wide.get(old, False) for old in order],
        f"{spread_ns / 1000:.0f} us on {number} cores, {serial_ns / 1000:.0f} us one after the other",
    )


cdef Schedule schedule_of(list nodes, list plans, list before, int cores) except *:
    cdef vector[double] narrow, wide
    cdef vector[vector[uint32_t]] successors
    cdef dict number_of = {}
    cdef double cost
    cdef Py_ssize_t i, k
    successors.resize(len(nodes))
    for i in range(len(nodes)):
        number_of[(<Node>nodes[i]).id] = i
        cost = (<Plan>plans[(<Node>nodes[i]).id]).cost_ns
        narrow.push_back(cost)
        wide.push_back(min(cost, cost / (cores * kScaling) + kForkNs) if cost > kSmallNs else cost)
        for earlier in <list>before[(<Node>nodes[i]).id]:
            found = number_of.get(earlier)
            if found is not None:
                k = found
                successors[k].push_back(<uint32_t>i)
    return make_schedule(narrow, wide, successors, cores)


cdef list dependencies(Graph graph, list plans):
    """For each node, by its id, the ids of the nodes that must have run before it."""
    cdef Node node, source
    cdef Plan plan
    cdef Py_ssize_t i
    cdef list before = []
    cdef set mutated = set()
    cdef dict last_writer = {}, readers = {}
    for node in graph.nodes:
        plan = <Plan>plans[node.id]
        if plan is not None and plan.any_mutated:
            mutated.update([node.inputs[i] for i in range(plan.n_inputs) if plan.mutated[i]])
    for node in graph.nodes:
        found = {source.id for source, _ in node.inputs if source.op is not None}
        if node.controls is not None:
            found.update([source.id for source in node.controls])
        if mutated:
            plan = <Plan>plans[node.id]
            for i in range(len(node.inputs)):
                entry = node.inputs[i]
                if entry not in mutated:
                    continue
                if entry in last_writer:
                    found.add(last_writer[entry])
                if plan.mutated[i]:
                    found.update(readers.pop(entry, ()))
                    last_writer[entry] = node.id
                else:
                    readers.setdefault(entry, []).append(node.id)
            found.discard(node.id)
        before.append(list(found))
    return before
