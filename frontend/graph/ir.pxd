from libc.stdint cimport int64_t


cdef extern from "frontend/graph/numbering.hpp" namespace "weft" nogil:
    cdef cppclass AddressMap:
        void put(const void* address, int64_t number)
        int64_t get(const void* address, int64_t absent)


cdef class Node:
    cdef public object op
    cdef public object attrs
    cdef public str name
    cdef public list inputs
    cdef public list controls
    cdef public dict annotations
    cdef public tuple subgraphs
    cdef public tuple specs
    cdef public object context
    cdef public int part
    cdef public Py_ssize_t id
    cdef public bint cached
    cdef object __weakref__

    cdef Node clone(self, list inputs)


cdef class Graph:
    cdef public list nodes
    cdef public list outputs
    cdef public Py_ssize_t n_heads
    cdef public list gradients
    cdef public list head_grads
    cdef public dict constants
    cdef public bint train
    cdef public bint disposable
    cdef public list notes

    cdef bint is_numbered(self) except -1
    cdef int replace_nodes(self, AddressMap* places) except -1


cdef set writing_operators(list nodes)
cdef set mutated_entries(list nodes)
