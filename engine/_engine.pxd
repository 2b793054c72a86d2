from libc.stdint cimport uint32_t

from .cengine cimport CVar, ErrorRecord


cdef class Var:
    """A variable of the engine that holds no array."""

    cdef CVar* pointer


# Wait for earlier writes (or, write_side, for every earlier use); raise what failed. GIL held.
cdef int wait_var(CVar* var, bint write_side) except -1
# As wait_var, but leaves a stored failure alone.
cdef int wait_var_quietly(CVar* var, bint write_side) except -1
# Whether the running task holds the variable already; raises where it uses it against its declaration.
cdef bint holds(CVar* var, bint for_write) except -1
cdef int raise_record(ErrorRecord* record) except -1
# Number of the line of user code that is running now.
cdef uint32_t push_site() except? 0
cdef int throttle_if_needed() except -1
