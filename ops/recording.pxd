from cpython.object cimport PyObject

from .array cimport NDArray, TapeNode
from .plans cimport Plan

# Put a call on the tape where one of its inputs is there.
cdef int record(object function, object op, bint save_inputs, bint save_outputs, Plan plan,
                PyObject** inputs, Py_ssize_t n, object attrs, const double* scalars, int n_scalars,
                NDArray single, list outputs) except -1
cdef NDArray record_as(object function, object attrs, bint save_inputs, bint save_outputs, NDArray source, NDArray view)


cdef inline bint in_graph(NDArray array):
    """Whether gradients can flow on from the array; what a finished backward pass has let go is a constant to later calls."""
    return array.node is not None and not (<TapeNode>array.node).cleared
