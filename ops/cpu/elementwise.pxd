from libc.stdint cimport int64_t, uint8_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

from ..kernel cimport CKernel


cdef extern from "ops/cpu/loops.hpp" namespace "weft" nogil:
    ctypedef void (*Loop)(char** args, const Py_ssize_t* dimensions, const Py_ssize_t* steps, void* data)

    cdef enum class DType(uint8_t):
        kBool
        kUint8
        kInt8
        kInt32
        kInt64
        kFloat16
        kFloat32
        kFloat64
        kOther

    cdef struct LoopEntry:
        const char* name
        DType type
        signed char inputs
        signed char parameters
        float ns
        Loop loop

    const LoopEntry* find_loop(const char* name, DType type)
    Loop find_stream_loop(const char* name, DType type)
    Loop cast_loop(DType from_type, DType to_type)


cdef extern from "ops/cpu/elementwise.hpp" namespace "weft" nogil:
    cdef cppclass OperandSpec:
        int source
        int scalar
        double value
        DType type
        DType compute
        vector[int64_t] shape

    int kDynamicScalar
    int kFixedScalar

    cdef cppclass ElementwiseSpec:
        Loop loop
        Loop stream_loop
        void* data
        vector[double] parameters
        int dynamic_parameters
        int inputs
        vector[OperandSpec] operands
        double ns

    void store_number(double value, DType type, DType compute, char* to)
    CKernel* make_elementwise(const ElementwiseSpec& spec)
    CKernel* make_add_n(DType type, int inputs, int64_t size)
    CKernel* make_copy(int64_t nbytes)
    CKernel* make_fill(DType type, int64_t size, double value, int scalar)


cdef DType dtype_code(object dtype) except *


cdef class LoopSpec:
    """An element-wise loop and the operands it is run on."""

    cdef ElementwiseSpec spec
