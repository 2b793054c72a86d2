"""Numbers for what repeats itself in a graph, so that passes compare integers instead of objects."""

cimport cython

from .ir cimport Node


@cython.final
cdef class Calls:
    """Numbers for operators with their parameters: nodes that call the same with equal ones have the same number."""

    def __init__(self):
        self.by_value = {}
        self.kept = []

    cdef Py_ssize_t of(self, Node node) except -1:
        """Return the number of a node's call; the nodes that were asked for must keep their parameters."""
        cdef Py_ssize_t found
        # Equal records are one object for most nodes, so that addresses tell most of them apart.
        self.addresses.add(address(node.op))
        self.addresses.add(address(node.attrs))
        found = self.addresses.number()
        if found == <Py_ssize_t>self.number.size():
            value = (node.op, type(node.attrs), node.attrs._values())
            self.number.push_back(self.by_value.setdefault(value, len(self.by_value)))
            self.kept.append(node.attrs)
        return self.number[found]
