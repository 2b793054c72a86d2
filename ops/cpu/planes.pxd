from libc.stdint cimport int64_t
from libcpp cimport bool as cbool


# What kernels on planes and on blocks of channels share.
cdef extern from "ops/cpu/planes.hpp" namespace "weft" nogil:
    enum class PoolKind(int):
        kMax
        kAverage
        kSum

    cppclass PoolWindow:
        PoolKind kind
        cbool include_pad
        int64_t in_ "in"[3]
        int64_t out[3]
        int64_t kernel[3]
        int64_t stride[3]
        int64_t pad[3]

    cppclass BatchNormShape:
        int64_t batch, channels, plane
        double eps, momentum
        cbool fix_gamma, batch_statistics
