# cython: wraparound=True, boundscheck=True
"""Kernels for float16 made of kernels for float32: inputs are widened, results rounded."""

import numpy as np

from libc.stdint cimport int64_t
from libcpp.vector cimport vector

from ..kernel cimport CKernel, Kernel, kernel_retain, wrap_kernel

from collections import namedtuple

cdef extern from "ops/cpu/widened.hpp" namespace "weft" nogil:
    cdef cppclass HalfOperands:
        vector[int64_t] inputs
        vector[int64_t] outputs

    CKernel* make_widened(CKernel* inner, const HalfOperands& halves)

__all__ = ["takes_halves"]

cdef object HALF = np.dtype("float16")
cdef object SINGLE = np.dtype("float32")

Widened = namedtuple("Widened", "shape dtype size nbytes")


cdef object _single(object spec):
    if spec.dtype != HALF:
        return spec
    return Widened(spec.shape, SINGLE, spec.size, 2 * spec.nbytes)


def takes_halves(builder):
    """Return a builder that also builds kernels for float16 operands, of an operator that writes none of its inputs.

    Parameters
    ----------
    builder : callable
        Takes ``(attrs, in_specs, out_specs)`` and returns a kernel for float32, or None.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from weft.ops.cpu.elementwise import copy_builder
    >>> from weft.ops.cpu.runner import run_kernel
    >>> spec = SimpleNamespace(shape=(2,), dtype=np.dtype("float16"), size=2, nbytes=4)
    >>> result = np.zeros(2, "float16")
    >>> run_kernel(takes_halves(copy_builder)(None, [spec], [spec]), [np.ones(2, "float16")], [result])
    >>> result.tolist()
    [1.0, 1.0]
    """

    def build(attrs, in_specs, out_specs):
        cdef HalfOperands halves
        cdef Kernel inner
        if all([spec.dtype != HALF for spec in (*in_specs, *out_specs)]):
            return builder(attrs, in_specs, out_specs)
        found = builder(attrs, [_single(spec) for spec in in_specs], [_single(spec) for spec in out_specs])
        if found is None:
            return None
        inner = found
        for spec in in_specs:
            halves.inputs.push_back(spec.size if spec.dtype == HALF else -1)
        for spec in out_specs:
            halves.outputs.push_back(spec.size if spec.dtype == HALF else -1)
        kernel_retain(inner.pointer)
        return wrap_kernel(make_widened(inner.pointer, halves))

    build.__name__ = builder.__name__
    build.__doc__ = builder.__doc__
    return build
