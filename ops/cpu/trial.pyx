"""Run one kernel by hand on NumPy arrays, without the engine: for tests and benches."""

from libc.stdint cimport uint64_t

from ..kernel cimport CKernel, Kernel, RunArgs, wrap_kernel

from ...engine.errors import MXNetError

cimport numpy as cnp

cnp.import_array()

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


def run_kernel(Kernel kernel, list inputs, list outputs, tuple scalars=(), uint64_t seed=0, uint64_t counter=0):
    """Run ``kernel`` on C-contiguous NumPy arrays; raise MXNetError with its message when it fails.

    >>> import numpy as np
    >>> from weft.ops import copies
    >>> from weft.ops.cpu.indexing import copy_kernel
    >>> x, y = np.arange(6.0).reshape(2, 3), np.empty((3, 2))
    >>> pair = (copies.View.of(0, (2, 3)).permute((1, 0)), copies.View.of(0, (3, 2)))
    >>> run_kernel(copy_kernel([pair], [], y.dtype, y.nbytes), [x], [y])
    >>> bool((x.T == y).all())
    True
    """
    cdef void* pointers[128]
    cdef double numbers[256]
    cdef char error[512]
    cdef RunArgs args
    cdef CKernel* pointer = kernel.pointer
    cdef int i, status, n = len(inputs)
    if n + len(outputs) > 128 or len(scalars) > 256:
        raise ValueError(f"{n} inputs, {len(outputs)} outputs and {len(scalars)} scalars: expected fewer")
    for i in range(n):
        pointers[i] = cnp.PyArray_DATA(inputs[i])
    for i in range(len(outputs)):
        pointers[n + i] = cnp.PyArray_DATA(outputs[i])
    for i in range(len(scalars)):
        numbers[i] = scalars[i]
    error[0] = 0
    args.inputs = pointers
    args.outputs = pointers + n
    args.scalars = numbers
    args.seed = seed
    args.counter = counter
    args.error = error
    with nogil:
        status = pointer.run(pointer, &args)
    if status:
        raise MXNetError((<bytes>error).decode("utf-8", "replace"))
