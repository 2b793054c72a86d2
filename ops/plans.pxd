from .array cimport Spec
from .invoke cimport CallInfo
from .kernel cimport Kernel


cdef class Plan:
    """How to run one operator for given attributes and input specs."""

    cdef readonly Kernel kernel
    cdef CallInfo* info
    cdef readonly tuple out_specs
    cdef readonly int n_inputs, n_outputs, n_visible
    cdef readonly bint is_python, random, any_mutated
    cdef readonly double cost_ns
    cdef readonly bytes mutated        # one byte an input: 1 where the kernel also writes it
    cdef readonly set inplace          # (input, output) pairs that may share storage
    cdef readonly str description      # input names, shapes and dtypes, for messages


cpdef Plan make_plan(object op, object attrs, list in_specs)
cpdef Plan plan_of(object op, object attrs, list in_specs)
cpdef tuple out_specs_of(object op, object attrs, list in_specs)
