"""What a graph computes, as something that can be looked up."""

from libc.stdint cimport uint64_t
from libcpp.vector cimport vector

from .ir cimport Graph, Node
from .numbering cimport address


def structure_of(Graph graph not None):
    """Return ``(structure, kept)``: graphs with equal structures compute the same, node for node, under the same names.

    Operators, parameters and specs are told apart by their addresses, as equal ones are one object: a structure means
    something as long as somebody has ``kept``. None where the graph cannot be told: where objects of programs are
    parameters (custom operators, bodies of loops), or where it has been worked on.

    Examples
    --------
    >>> from weft.frontend.graph import Graph, Node
    >>> one, other = [Graph.from_entries([(Node(None, None, name), 0)]) for name in ("x", "x")]
    >>> structure_of(one)[0] == structure_of(other)[0]
    True
    """
    cdef vector[uint64_t] words
    cdef list names = [], others = [], kept = []
    cdef Node node
    cdef object op = None
    if graph.constants or graph.gradients or graph.head_grads:
        return None
    words.push_back(graph.n_heads)
    words.push_back(graph.train)
    for node in graph.nodes:
        if node.op is not op and node.op is not None:
            op = node.op
            if op._holds_objects:
                return None
        if node.subgraphs:
            return None
        names.append(node.name)
        if node.annotations or node.context is not None:
            others.append((node.id, node.context, tuple((node.annotations or {}).items())))
        words.push_back(address(node.op))
        words.push_back(address(node.attrs))
        words.push_back(node.part * 2 + node.cached)
        kept.append((node.op, node.attrs, node.specs))
        add_entries(words, node.inputs)
        words.push_back(0 if node.controls is None else len(node.controls))
        for before in node.controls or ():
            words.push_back((<Node>before).id)
        words.push_back(0 if node.specs is None else len(node.specs))
        for spec in node.specs or ():
            words.push_back(address(spec))
    add_entries(words, graph.outputs)
    return ((<char*>words.data())[:words.size() * sizeof(uint64_t)], tuple(names), tuple(others)), kept


cdef int add_entries(vector[uint64_t]& words, list entries) except -1:
    words.push_back(len(entries))
    for entry in entries:
        words.push_back((<Node>(<tuple>entry)[0]).id)
        words.push_back((<tuple>entry)[1])
    return 0
