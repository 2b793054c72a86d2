from libc.stdint cimport int64_t
from libcpp.vector cimport vector

from .ir cimport Node

cdef extern from "frontend/graph/offsets.hpp" namespace "weft" nogil:
    cdef struct Lifetime:
        int64_t size
        int64_t start
        int64_t end


cdef class Assignment:
    cdef readonly list nodes
    cdef readonly dict arenas             # context: (bytes, lower bound)
    cdef readonly int64_t no_reuse
    cdef vector[int64_t] base             # number of each node's first entry
    cdef vector[int64_t] producer         # id of each entry's node
    cdef vector[int64_t] taken            # the entry whose bytes an entry takes; -1: its own
    cdef vector[int64_t] offset           # in the arena of its node's context; -1: not there
    cdef vector[char] skipped             # of nodes: they need not run
    cdef vector[int64_t] own              # entries with a place of their own in an arena, and when they live
    cdef vector[Lifetime] tensors

    cdef int64_t number(self, Node node, Py_ssize_t index)
    cdef tuple entry(self, int64_t number)
