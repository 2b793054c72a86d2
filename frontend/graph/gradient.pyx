"""Gradients as part of the graph: a walk from the heads to the variables that calls every operator's gradient.

The gradients are the same functions of operators that the tape of imperative calls runs (``ops/tape.pyx``), called with
:class:`~weft.frontend.graph.builder.Value` in the place of arrays. What they build is appended in the order in which
backward needs it, last layer first, so that nothing of the forward part is kept longer than necessary. A gradient
graph is a graph: it can be differentiated again.

Graphs repeat themselves: what a gradient function has built is kept as a template, and copied where the same call (operator,
parameters, shapes, gradients asked for) comes up again.
"""

cimport cython

from libc.stdint cimport uint64_t
from libcpp.vector cimport vector

from ...ops.array cimport Spec
from .ir cimport Graph, Node
from .numbering cimport Calls, Numbering, address

from typing import NamedTuple

from ...ops import registry
from ...ops.errors import MXNetError
from ...ops.registry import zero_gradient
from .builder import GraphBuilder
from .collector import paused
from .ir import BACKWARD

#: Annotations of a forward node that its backward nodes share.
INHERITED = ("__ctx_group__",)


class Context(NamedTuple):
    """What a declared gradient is told about the call it differentiates."""

    inputs: tuple
    outputs: tuple
    attrs: object
    needs: tuple


def head_gradient_names(Graph graph):
    """Return the names that variables for the gradients of the heads have, one a head, whether or not it is used."""
    # The same before and after the gradient pass has added some of them.
    cdef Node variable
    cdef set taken = set()
    cdef list names = []
    for variable in graph.nodes:
        if variable.op is None and "_grad" in variable.name:  # only such names can be in the way
            taken.add(variable.name)
    taken -= {node.name for node in graph.head_grads}
    for node, index in graph.outputs[:graph.n_heads]:
        name = node.name if node.is_variable else f"{node.name}_output{index if node.n_visible > 1 else ''}"
        name += "_grad"
        number, unique = 0, name
        while unique in taken:
            number += 1
            unique = f"{name}{number}"
        taken.add(unique)
        names.append(unique)
    return names


def add_gradient(Graph graph, wrt):
    """Return the graph with the gradients of its heads in some variables as further outputs.

    Parameters
    ----------
    graph : Graph
        A graph with specs.
    wrt : sequence of str
        Names of variables. Where nothing flows to one, its gradient is zeros.

    Returns
    -------
    Graph
        ``outputs`` are the heads, then one gradient a name (``gradients``). Heads that are losses bring their own
        gradient; for the others that matter there are variables in ``head_grads``. A gradient may be the same entry
        as another, and may be one of these variables.

    Raises
    ------
    MXNetError
        For names that are no variables, and where an operator without gradient lies between a head and a variable.
    """
    if not wrt:
        return graph
    with paused():
        return Backward(graph, wrt).run()


# Where a template's node takes an input from: an input, output or output gradient of the call, or a node made before.
cdef enum:
    kInput
    kOutput
    kGradient
    kMade


cdef struct Reference:
    int kind              # kInput ...; -1: nothing
    Py_ssize_t place
    Py_ssize_t index      # of kMade: which output


@cython.final
cdef class Template:
    """What a gradient function built for a call: nodes, and where the gradients of the inputs come from."""

    cdef list nodes                       # (op, attrs, specs, what the name ends in)
    cdef vector[Py_ssize_t] n_inputs      # of each of them
    cdef vector[Reference] references     # their inputs, one node after the other
    cdef vector[Reference] results        # one for each input


@cython.final
cdef class Backward:
    """One walk; ``pending[i]`` holds what has arrived at the outputs of node ``i`` so far."""

    cdef Graph graph
    cdef list wrt
    cdef dict variables
    cdef list forward
    cdef list pending
    cdef vector[char] needs
    cdef object builder
    cdef set names
    cdef Calls calls
    cdef vector[char] repeats      # of calls: whether what the gradient functions look at tells all about them
    cdef Numbering situations      # calls with what their gradient functions look at
    cdef list templates            # of those, None where there is none
    cdef dict zero_attrs
    cdef object add
    cdef object add_attrs

    def __init__(self, Graph graph, wrt):
        cdef Node node
        self.wrt = list(wrt)
        self.graph = graph.writable()
        self.forward = list(self.graph.nodes)
        self.variables = {}
        for node in self.forward:
            if node.op is None:
                self.variables[node.name] = node
        for name in self.wrt:
            if name not in self.variables:
                raise MXNetError(f"cannot differentiate with respect to {name!r}: the graph has no variable of that name")
        self.builder = GraphBuilder(self.graph)
        self.builder.part = BACKWARD
        self.names = self.builder.names
        self.pending = [None] * len(self.forward)
        self.calls = Calls()
        self.templates = []
        self.zero_attrs = {}
        self.add = registry.get("elemwise_add")
        self.add_attrs = self.add.attrs()

    def run(self):
        """Walk, and return the graph with the gradients as outputs."""
        cdef Graph graph = self.graph
        cdef Node node
        cdef Py_ssize_t i
        self.find_needs({self.variables[name].id for name in self.wrt})
        with self.builder:
            head_grads = self.start()
            for i in range(len(self.forward) - 1, -1, -1):
                node = <Node>self.forward[i]
                if node.op is None or not self.needs[i]:
                    continue
                if self.pending[i] is None and node.op.acts_on_zeros(node.attrs, graph.train):
                    self.arrive(node, 0, (node, 0) if node.op.is_loss(node.attrs) else self.zeros(node, known_spec(node, 0)))
                if self.pending[i] is not None:
                    self.differentiate(node)
            gradients = [self.gradient_of(<Node>self.variables[name]) for name in self.wrt]
        unused = self.unused(head_grads, gradients)
        graph.head_grads = [node for node in head_grads if node not in unused]
        if unused:
            graph.nodes = [node for node in graph.nodes if node not in unused]
            graph.number()
        graph.outputs = [*graph.outputs[:graph.n_heads], *gradients]
        graph.gradients = list(self.wrt)
        graph.note(
            "gradient",
            f"{len(graph.nodes) - len(self.forward)} nodes for the gradients of {len(self.wrt)} variables, "
            f"{len(graph.head_grads)} heads ask for gradients",
        )
        return graph

    cdef set unused(self, list head_grads, list gradients):
        """Return the variables among ``head_grads`` that nothing reads."""
        cdef Node node
        cdef Py_ssize_t i
        unused = set(head_grads)
        unused.difference_update([entry[0] for entry in gradients])
        for i in range(len(self.forward), len(self.graph.nodes)):
            if not unused:
                break
            node = <Node>self.graph.nodes[i]
            for entry in node.inputs:
                if (<Node>(<tuple>entry)[0]).op is None:
                    unused.discard((<tuple>entry)[0])
        return unused

    cdef int find_needs(self, set wanted) except -1:
        """Find out for each node whether a gradient at its outputs reaches one of the wanted variables."""
        cdef set flat = {op for op in self.graph.operators() if op.gradient is zero_gradient}
        cdef Node node
        cdef bint needed
        self.needs.reserve(len(self.forward))
        for node in self.forward:
            needed = False
            if node.op is None:
                needed = node.id in wanted
            elif not flat or node.op not in flat:
                for entry in node.inputs:
                    if self.needs[(<Node>(<tuple>entry)[0]).id]:
                        needed = True
                        break
            self.needs.push_back(needed)
        return 0

    cdef list start(self):
        """Put the gradients of the heads in their places; return the variables that bring them in."""
        cdef Graph graph = self.graph
        cdef Node node, variable
        cdef list made = []
        for (node, index), name in zip(graph.outputs[:graph.n_heads], head_gradient_names(graph)):
            if not self.needs[node.id]:
                continue
            if node.op is not None and node.op.is_loss(node.attrs):
                # It does not read the gradient of its output, and the output has the right shape.
                if self.pending[node.id] is None or self.pending[node.id][index] is None:
                    self.arrive(node, index, (node, index))
                continue
            variable = <Node>self.builder.variable(name, known_spec(node, index)).node
            self.names.add(variable.name)
            variable.context = node.context
            made.append(variable)
            self.arrive(node, index, (variable, 0))
        return made

    cdef int arrive(self, Node node, Py_ssize_t index, tuple entry) except -1:
        """Add a gradient to what has arrived at an entry."""
        cdef list slots = <list>self.pending[node.id]
        cdef Node total
        if slots is None:
            slots = self.pending[node.id] = [None] * len(node.specs)
        if slots[index] is not None:
            # One after the other: each sum can take the place of what was there, where a sum of all would need all.
            total = self.append(self.add, self.add_attrs, (node.specs[index],), [slots[index], entry], node, "_sum")
            entry = (total, 0)
        slots[index] = entry
        return 0

    cdef Node append(self, object op, object attrs, tuple specs, list inputs, Node origin, str suffix):
        """Append a node of the backward part of `origin`."""
        cdef Node made = Node.__new__(Node)
        made.op = op
        made.attrs = attrs
        made.name = self.unique(origin.name + suffix)
        made.inputs = inputs
        made.subgraphs = ()
        made.specs = specs
        made.part = BACKWARD
        made.context = origin.context
        made.id = len(self.graph.nodes)
        self.graph.nodes.append(made)
        if origin.annotations is not None:
            for key in INHERITED:
                if key in origin.annotations:
                    made.annotations = {**(made.annotations or {}), key: origin.annotations[key]}
        return made

    cdef int differentiate(self, Node node) except -1:
        cdef list grads = <list>self.pending[node.id]
        cdef list results
        cdef Py_ssize_t i, visible, number
        cdef Node source
        cdef Template template
        op = node.op
        self.pending[node.id] = None
        for entry in node.inputs:
            known_spec(<Node>(<tuple>entry)[0], <Py_ssize_t>(<tuple>entry)[1])
        for i in range(len(node.specs)):
            known_spec(node, i)
        if op.gradient is None:
            raise MXNetError(
                f"Error in operator {node.name}: {op.name} has no gradient: it cannot lie between a head and a variable "
                "whose gradient is asked for"
            )
        if len(grads) > 1:
            visible = op.count_visible(node.attrs)
            for i in range(visible):
                if grads[i] is None:
                    grads[i] = self.zeros(node, <Spec>node.specs[i])
        number = self.situation_of(node, grads)
        template = <Template>self.templates[number] if number >= 0 else None
        if template is not None:
            results = self.instantiate(template, node, grads)
        else:
            results = self.call_gradient(node, grads, number)
        for i in range(len(node.inputs)):
            entry = results[i]
            if entry is not None:
                source = <Node>(<tuple>node.inputs[i])[0]
                if self.needs[source.id]:
                    self.arrive(source, (<tuple>node.inputs[i])[1], <tuple>entry)
        return 0

    cdef tuple zeros(self, Node origin, Spec spec):
        op = registry.get("_zeros")
        key = (op, spec)
        attrs = self.zero_attrs.get(key)
        if attrs is None:
            attrs = self.zero_attrs[key] = op.attrs({"shape": spec.shape, "dtype": spec.dtype})
        return (self.append(op, attrs, (spec,), [], origin, "_zeros"), 0)

    cdef Py_ssize_t situation_of(self, Node node, list grads) except -2:
        """Return a number for everything that a gradient function may look at, -1 where it may look at more."""
        cdef Node source
        cdef Py_ssize_t number = self.calls.of(node)
        if number == <Py_ssize_t>self.repeats.size():
            self.repeats.push_back(<char>(not node.op.opaque))
        if not self.repeats[number] or node.subgraphs:
            return -1
        self.situations.add(<uint64_t>number)
        for entry in node.inputs:
            source = <Node>(<tuple>entry)[0]
            self.situations.add(address(source.specs[<Py_ssize_t>(<tuple>entry)[1]]))
            self.situations.add(<uint64_t>self.needs[source.id])
        for entry in grads:
            self.situations.add(<uint64_t>(entry is None))
        number = self.situations.number()
        if number == len(self.templates):
            self.templates.append(None)
        return number

    cdef list call_gradient(self, Node node, list grads, Py_ssize_t number):
        """Let the operator's gradient function build, and keep what it built as a template."""
        cdef Py_ssize_t first = len(self.graph.nodes)
        cdef Py_ssize_t i
        builder = self.builder
        builder.context = node.context
        builder.prefix = f"{node.name}_"
        context = Context(
            tuple([builder.value(entry) for entry in node.inputs]),
            tuple([builder.value((node, i)) for i in range(len(node.specs))]),
            node.attrs,
            tuple([bool(self.needs[(<Node>(<tuple>entry)[0]).id]) for entry in node.inputs]),
        )
        try:
            gradients = node.op.gradient(context, *[None if entry is None else builder.value(entry) for entry in grads])
        except MXNetError as error:
            raise MXNetError(f"Error in operator {node.name}: {error}") from error
        if len(gradients) != len(node.inputs):
            raise MXNetError(f"Error in operator {node.name}: {len(gradients)} gradients for {len(node.inputs)} inputs")
        results = [None if gradient is None else gradient.entry for gradient in gradients]
        nodes = self.graph.nodes[first:]
        if number >= 0:
            self.templates[number] = make_template(node, grads, nodes, results)
        self.finish(node, nodes)
        return results

    cdef int finish(self, Node node, list nodes) except -1:
        """Give nodes that a gradient function has appended their names and annotations."""
        cdef Node made
        inherited = {}
        if node.annotations is not None:
            inherited = {key: node.annotations[key] for key in INHERITED if key in node.annotations}
        for made in nodes:
            if inherited:
                made.annotations = {**(made.annotations or {}), **inherited}
            made.name = self.unique(node.name + suffix_of(made.op, len(nodes)))
        return 0

    cdef str unique(self, str name):
        cdef str base = name
        cdef Py_ssize_t number = 0, before = len(self.names)
        self.names.add(name)
        while len(self.names) == before:
            number += 1
            name = f"{base}{number}"
            self.names.add(name)
        return name

    cdef list instantiate(self, Template template, Node node, list grads):
        """Append a template's nodes for another call."""
        cdef list made = [], inputs
        cdef Py_ssize_t i, k, at = 0
        for i in range(len(template.nodes)):
            op, attrs, specs, suffix = <tuple>template.nodes[i]
            inputs = []
            for k in range(template.n_inputs[i]):
                inputs.append(resolve(template.references[at + k], node, grads, made))
            at += template.n_inputs[i]
            made.append(self.append(op, attrs, specs, inputs, node, suffix))
        return [resolve(template.results[k], node, grads, made) for k in range(<Py_ssize_t>template.results.size())]

    cdef tuple gradient_of(self, Node variable):
        cdef list slots = <list>self.pending[variable.id]
        if slots is None:
            return self.zeros(variable, known_spec(variable, 0))
        return <tuple>slots[0]


cdef Spec known_spec(Node node, Py_ssize_t index):
    """The shape and dtype of an entry; only interpreted graphs have entries without, and those have no gradients."""
    spec = node.specs[index]
    if spec is None:
        raise MXNetError(
            f"cannot differentiate: the shape of {node.name!r} is not known before the graph runs, or has an extent of 0, which "
            "graphs take for unknown; run it imperatively under autograd.record()"
        )
    return <Spec>spec


cdef str suffix_of(object op, Py_ssize_t count):
    """What a backward node's name adds to that of its forward node: MXNet's `_backward` where there is just one."""
    return "_backward" if count == 1 or op.name.startswith("_backward") else "_backward_" + op.name


cdef tuple resolve(Reference reference, Node node, list grads, list made):
    if reference.kind == kInput:
        return <tuple>node.inputs[reference.place]
    if reference.kind == kOutput:
        return (node, reference.place)
    if reference.kind == kGradient:
        return <tuple>grads[reference.place]
    return (made[reference.place], reference.index) if reference.kind == kMade else None


cdef Template make_template(Node node, list grads, list nodes, list results):
    """What was built, relative to the call; None where an entry could be meant in two ways."""
    cdef dict places = {}
    cdef Py_ssize_t i, k, count = 0
    cdef Node made
    cdef Template template = Template.__new__(Template)
    for i in range(len(node.inputs)):
        places[node.inputs[i]] = (kInput, i, 0)
        count += 1
    for i in range(len(node.specs)):
        places[node, i] = (kOutput, i, 0)
        count += 1
    for i in range(len(grads)):
        if grads[i] is not None and grads[i] != (node, i):
            places[grads[i]] = (kGradient, i, 0)
            count += 1
    if len(places) != count:
        return None
    template.nodes = []
    for k in range(len(nodes)):
        made = <Node>nodes[k]
        for entry in made.inputs:
            if entry not in places:
                return None
            kind, place, index = <tuple>places[entry]
            template.references.push_back(Reference(kind, place, index))
        template.n_inputs.push_back(len(made.inputs))
        template.nodes.append((made.op, made.attrs, made.specs, suffix_of(made.op, len(nodes))))
        for i in range(len(made.specs)):
            places[made, i] = (kMade, k, i)
    for entry in results:
        if entry is not None and entry not in places:
            return None
        kind, place, index = (-1, 0, 0) if entry is None else <tuple>places[entry]
        template.results.push_back(Reference(kind, place, index))
    return template
