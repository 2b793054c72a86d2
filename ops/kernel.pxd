from libc.stdint cimport uint32_t, uint64_t


cdef extern from "ops/kernel.hpp" namespace "weft" nogil:
    struct RunArgs:
        void** inputs
        void** outputs
        const double* scalars
        uint64_t seed
        uint64_t counter
        char* error

    cdef cppclass CKernel "weft::Kernel":
        int call(const RunArgs* args)
        void (*destroy)(CKernel* self)
        double cost_ns
        uint32_t flags

    int kErrorBytes
    uint32_t kKernelPython
    void kernel_retain(CKernel* kernel)
    void kernel_release(CKernel* kernel)


cdef class Kernel:
    """A native kernel owned by Python: what builders return."""

    cdef CKernel* pointer


# Takes over one reference to `pointer`.
cdef Kernel wrap_kernel(CKernel* pointer)
# The same; None where there is no kernel, because it does not apply.
cdef Kernel kernel_or_none(CKernel* pointer)
# A kernel that calls `function(attrs, inputs, outputs)` with NumPy views, under the GIL.
cpdef Kernel numpy_kernel(object function, object attrs, object in_specs, object out_specs, double cost_ns)
