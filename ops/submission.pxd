from cpython.object cimport PyObject

from .array cimport NDArray
from .invoke cimport ArrayRef, Call
from .plans cimport Plan

cdef int start_call(Call* call, Plan plan, ArrayRef* refs, const double* scalars, int n_scalars, object ctx) except -1
cdef bint runs_inline(Plan plan, Call* call) noexcept
cdef int submit(Plan plan, Call* call) except -1
cdef void choose_stream(Call* call) noexcept
cdef bint overlaps(NDArray target, Plan plan, int index, PyObject** inputs, Py_ssize_t n) noexcept
