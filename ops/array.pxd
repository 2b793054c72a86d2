from libc.stdint cimport int64_t

from ..engine.cengine cimport Buffer


cdef class Spec:
    """Shape and dtype of an array: immutable and interned, so that equal specs are one object."""

    cdef readonly tuple shape
    cdef readonly object dtype
    cdef readonly int ndim
    cdef readonly int64_t size
    cdef readonly int64_t nbytes
    cdef readonly int itemsize
    cdef readonly int type_num


cdef Spec get_spec(tuple shape, object dtype)


cdef class TapeNode:
    """One recorded operator call, or (without `function`) a variable that wants a gradient."""

    cdef readonly object function      # OpFunction, or a Python object with a `backward` of its own
    cdef readonly object attrs
    cdef readonly tuple inputs         # NDArrays that the gradient may use; None where not kept
    cdef readonly tuple outputs
    cdef readonly tuple parents        # (TapeNode or None, output index) an input
    cdef readonly tuple out_specs
    cdef readonly object context
    cdef readonly int64_t number       # order of recording
    # of variables
    cdef public NDArray grad
    cdef public str grad_req
    cdef public bint fresh             # written by a backward pass since it was last marked as used
    cdef public bint cleared           # its arrays were let go by a backward pass


cdef class NDArray:
    cdef Buffer* buffer
    cdef int64_t offset                # bytes
    cdef readonly Spec spec
    cdef object ctx_
    cdef TapeNode node
    cdef int node_index
    cdef object __weakref__


# New array with storage to come; not initialised.
cdef NDArray new_array(Spec spec, object ctx)
# New array over a share of `base`'s storage.
cdef NDArray share(NDArray base, Spec spec, int64_t offset)
cdef void* data_pointer(NDArray array) noexcept
# Keep writers (or, for_write, everybody) away until release_hold. Waits for its turn.
cdef int hold(NDArray array, bint for_write) except -1
cdef void release_hold(Buffer* buffer, bint for_write) noexcept nogil

ctypedef object (*binary_function)(int operation, object lhs, object rhs)
cdef void set_binary_dispatch(binary_function function)
