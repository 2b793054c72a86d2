"""Outputs of graphs that become programs: each gets an entry of its own."""

from .ir cimport Graph, Node

from ...ops import registry
from .ir import BACKWARD


def separate_outputs(Graph graph not None, set add not None):
    """Give every output an entry of its own: gradients that are a variable, or another output, are copied.

    Parameters
    ----------
    graph : Graph
        With gradients or without.
    add : set of str
        Variables whose gradient is added to what its array holds.

    Returns
    -------
    graph : Graph
        With those outputs, heads that are variables not among them.
    heads : list of int or str
        For each head its place among the outputs, or the name of the variable that it is.
    added : dict of int to str
        Places of gradients that are sums, and the variables for the old values.

    Examples
    --------
    >>> from weft.frontend.graph import Graph, Node
    >>> separate_outputs(Graph.from_entries([(Node(None, None, "x"), 0)]), set())[1:]
    (['x'], {})
    """
    cdef list outputs = [], heads = [], first = [], nodes
    cdef dict place_of = {}, added = {}, variables = {}, behind = {}
    cdef Node node, source, old, made
    cdef Py_ssize_t k, n_heads
    cdef set taken
    cdef str name
    graph = graph.writable()  # for its outputs at least
    for k in range(graph.n_heads):
        entry = <tuple>graph.outputs[k]
        source = <Node>entry[0]
        if source.op is None:
            heads.append(source.name)
            continue
        if entry not in place_of:
            place_of[entry] = len(outputs)
            outputs.append(entry)
        heads.append(place_of[entry])
    n_heads = len(outputs)
    for node in graph.nodes:
        if node.op is None:
            variables[node.name] = node
    taken = set(variables) if add else set()
    for k in range(len(graph.gradients)):
        name = <str>graph.gradients[k]
        entry = <tuple>graph.outputs[graph.n_heads + k]
        source = <Node>entry[0]
        if name in add:
            old = Node(None, None, unique(f"{name}_old_gradient", taken))
            old.specs = (source.specs[<Py_ssize_t>entry[1]],)
            old.context = (<Node>variables[name]).context
            first.append(old)
            added[len(outputs)] = old.name
            made = backward_node("elemwise_add", f"{name}_gradient_sum", [(old, 0), entry], old.context)
        elif source.op is None or entry in place_of:
            made = backward_node("_copy", f"{name}_gradient_copy", [entry], (<Node>variables[name]).context)
        else:
            made = None
        if made is not None:
            # Right behind what they read, so that it need not be kept.
            behind.setdefault(source, []).append(made)
            entry = (made, 0)
        place_of[entry] = len(outputs)
        outputs.append(entry)
    if behind:
        nodes = first
        for node in graph.nodes:
            nodes.append(node)
            nodes.extend(behind.get(node, ()))
        graph.nodes = nodes
        graph.number()
    graph.outputs = outputs
    graph.n_heads = n_heads
    return graph, heads, added


cdef Node backward_node(str op_name, str name, list inputs, object context):
    """Return a node of the backward half that gives what its last input is like."""
    cdef Node source, node
    op = registry.get(op_name)
    node = Node(op, op.attrs(), name, inputs)
    source, index = inputs[len(inputs) - 1]
    node.specs = (source.specs[<Py_ssize_t>index],)
    node.part = BACKWARD
    node.context = context
    return node


cdef str unique(str name, set taken):
    """Return ``name``, or a name like it that is not taken; takes it."""
    cdef str found = name
    cdef Py_ssize_t number = 0
    while found in taken:
        number += 1
        found = f"{name}{number}"
    taken.add(found)
    return found
