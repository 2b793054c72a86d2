from libc.stdint cimport int64_t, uint64_t
from libcpp.vector cimport vector

from .ir cimport Node


cdef extern from "frontend/graph/numbering.hpp" namespace "weft" nogil:
    cdef cppclass Numbering:
        void add(uint64_t word)
        int64_t number()
        int64_t count()


cdef inline uint64_t address(object item) noexcept:
    return <uint64_t><void*>item


cdef class Calls:
    cdef Numbering addresses
    cdef vector[Py_ssize_t] number       # by the number of the two addresses
    cdef dict by_value
    cdef list kept                       # records, so that their addresses stay their own

    cdef Py_ssize_t of(self, Node node) except -1
