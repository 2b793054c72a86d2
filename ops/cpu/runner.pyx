"""Running a kernel by hand on NumPy arrays, past the engine: for tests, benchmarks and tools."""

import numpy as np

cimport numpy as cnp
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc

from ..kernel cimport CKernel, Kernel, RunArgs, kErrorBytes, wrap_kernel

from ...engine.errors import MXNetError

cnp.import_array()

__all__ = ["idle_kernel", "run_kernel"]

cdef extern from *:
    """
    #include "ops/kernel.hpp"
    static int weft_idle(weft::Kernel*, const weft::RunArgs*) { return 0; }
    static void weft_drop_idle(weft::Kernel* self) { delete self; }
    static weft::Kernel* weft_new_idle(double cost) { return new weft::Kernel(weft_idle, weft_drop_idle, cost); }
    """
    CKernel* weft_new_idle(double cost)


def idle_kernel(double cost_ns=1.0):
    """Return a kernel that does nothing: what is left in a measurement is everything around kernels.

    >>> idle_kernel(20.0).cost_ns
    20.0
    """
    return wrap_kernel(weft_new_idle(cost_ns))


def run_kernel(Kernel kernel not None, inputs, outputs, scalars=(), uint64_t seed=0, uint64_t counter=0, int repeat=1) -> None:
    """Run ``kernel`` on C-contiguous NumPy arrays, ``repeat`` times; ``outputs`` are written.

    Raises MXNetError with the kernel's message when it fails.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from weft.ops.cpu.elementwise import copy_builder
    >>> spec = SimpleNamespace(shape=(2,), dtype=np.dtype("float32"), size=2, nbytes=8)
    >>> result = np.zeros(2, "float32")
    >>> run_kernel(copy_builder(None, [spec], [spec]), [np.ones(2, "float32")], [result])
    >>> result.tolist()
    [1.0, 1.0]
    """
    cdef bytearray message = bytearray(kErrorBytes)
    cdef char* error = message
    cdef double numbers[256]
    cdef RunArgs args
    cdef Py_ssize_t i, n_in = len(inputs), n_out = len(outputs)
    cdef int result = 0, _round
    cdef CKernel* pointer = kernel.pointer
    for array in (*inputs, *outputs):
        if not isinstance(array, np.ndarray) or not array.flags.c_contiguous:
            raise ValueError("inputs and outputs must be C-contiguous NumPy arrays")
    if len(scalars) > 256:
        raise ValueError(f"at most 256 scalars, got {len(scalars)}")
    for i in range(len(scalars)):
        numbers[i] = scalars[i]
    cdef void** pointers = <void**>malloc((n_in + n_out + 1) * sizeof(void*))
    if pointers == NULL:
        raise MemoryError()
    for i in range(n_in):
        pointers[i] = cnp.PyArray_DATA(inputs[i])
    for i in range(n_out):
        pointers[n_in + i] = cnp.PyArray_DATA(outputs[i])
    args.inputs = pointers
    args.outputs = pointers + n_in
    args.scalars = numbers
    args.seed = seed
    args.counter = counter
    args.error = error
    error[0] = 0
    with nogil:
        for _round in range(repeat):
            result = pointer.call(&args)
            if result:
                break
    free(pointers)
    if result:
        raise MXNetError((<bytes>error).decode("utf-8", "replace"))
