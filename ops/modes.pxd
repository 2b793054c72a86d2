from libc.stdint cimport uint64_t


cdef struct ThreadModes:
    int recording
    int training
    int priority


# The calling thread's own.
cdef ThreadModes* thread_modes() noexcept nogil


cdef class Generator:
    """Where a device's random operators take their numbers from: draw number `counter` of stream `seed`."""

    cdef uint64_t seed
    cdef uint64_t counter


cdef Generator generator_of(object ctx)
