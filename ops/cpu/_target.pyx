"""What the native kernels know of this CPU."""

from libc.stdint cimport int64_t

cdef extern from "ops/cpu/target.hpp" namespace "weft" nogil:
    const char* c_cpu_target "weft::cpu_target"()
    int64_t c_last_level_cache "weft::last_level_cache"()


def cpu_target() -> str:
    """Name of the instruction set that the native kernels use here.

    >>> cpu_target() in ("avx2", "baseline")
    True
    """
    return c_cpu_target().decode()


def last_level_cache() -> int:
    """Bytes of the largest cache that one core can fill; results of half that size are written around it.

    >>> last_level_cache() > 0
    True
    """
    return c_last_level_cache()
