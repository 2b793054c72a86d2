from libc.stdint cimport int64_t, uint32_t, uint64_t

from ..engine.cengine cimport Buffer, ErrorRecord
from .kernel cimport CKernel


cdef extern from "ops/invoke.hpp" namespace "weft" nogil:
    int kMostArrays
    int kMostScalars
    int kCallDone
    int kCallQueued
    int kCallFailed
    int kCallBusy

    cdef struct ArrayRef:
        Buffer* buffer
        int64_t offset

    cdef cppclass CallInfo:
        pass

    CallInfo* new_call_info(CKernel* kernel, const char* description, uint32_t name)
    void release_call_info(CallInfo* info)

    cdef struct Call:
        CallInfo* info
        const ArrayRef* inputs
        const ArrayRef* outputs
        const unsigned char* mutated
        const double* scalars
        int n_inputs
        int n_outputs
        int n_scalars
        uint64_t seed
        uint64_t counter
        bint fresh_outputs
        double cost_ns
        int priority
        int device
        int stream

    int run_here(const Call& call, char* error)
    void poison_outputs(const Call& call, const char* error, uint32_t site)
    bint push_call(const Call& call, uint32_t site)

    cdef cppclass HeldCall:
        HeldCall()

    bint take_here(const Call& call, HeldCall* held)
    int run_held(const Call& call, char* error)
    void finish_here(HeldCall* held, ErrorRecord* record)
    ErrorRecord* inherited(const Call& call)
    ErrorRecord* failure_of(const Call& call, const char* error, uint32_t site)
