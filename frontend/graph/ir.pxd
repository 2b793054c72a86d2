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

    cdef Node clone(self)


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
    cdef int replace_nodes(self, dict places) except -1


cdef list topological(list roots, dict places=*)
