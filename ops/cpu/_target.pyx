"""Which copy of the native kernels this CPU takes."""

cdef extern from "ops/cpu/target.hpp" namespace "weft" nogil:
    const char* c_cpu_target "weft::cpu_target"()


def cpu_target() -> str:
    """Name of the instruction set that the native kernels use here.

    >>> cpu_target() in ("avx2", "baseline")
    True
    """
    return c_cpu_target().decode()
