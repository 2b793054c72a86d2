"""Version of the C++ core that this process has loaded."""

cdef extern from "engine/core/version.hpp" namespace "weft" nogil:
    int core_interface_version()


def core_version() -> int:
    """Interface version of the loaded ``libweftcore``.

    >>> core_version() >= 1
    True
    """
    return core_interface_version()
