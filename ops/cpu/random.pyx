"""Builders of kernels that draw random numbers."""

from libc.stdint cimport int64_t, uint8_t
from libcpp cimport bool as cbool

from ..kernel cimport CKernel, kernel_or_none
from .elementwise cimport DType, dtype_code

cdef extern from "ops/cpu/random_kernels.hpp" namespace "weft" nogil:
    cdef enum class Draw(uint8_t):
        kUniform
        kNormal

    CKernel* make_draw(Draw draw, DType type, int64_t size)
    CKernel* make_randint(DType type, int64_t size, int64_t low, int64_t high)
    CKernel* make_dropout(DType type, int64_t size, double p, cbool active)

__all__ = ["dropout", "normal", "randint", "uniform"]


def uniform(attrs, in_specs, out_specs):
    """Uniform numbers between the first two dynamic parameters.

    >>> uniform.__name__
    'uniform'
    """
    return kernel_or_none(make_draw(Draw.kUniform, dtype_code(out_specs[0].dtype), out_specs[0].size))


def normal(attrs, in_specs, out_specs):
    """Normal numbers; the first two dynamic parameters are mean and standard deviation.

    >>> normal.__name__
    'normal'
    """
    return kernel_or_none(make_draw(Draw.kNormal, dtype_code(out_specs[0].dtype), out_specs[0].size))


def randint(attrs, in_specs, out_specs):
    """Integers from ``attrs.low`` to below ``attrs.high``.

    >>> randint.__name__
    'randint'
    """
    return kernel_or_none(make_randint(dtype_code(out_specs[0].dtype), out_specs[0].size, attrs.low, attrs.high))


def dropout(attrs, in_specs, out_specs):
    """Dropout of single elements; None where whole axes are dropped together.

    >>> dropout.__name__
    'dropout'
    """
    if tuple(in_specs[0].shape) != tuple(out_specs[1].shape):
        return None
    active = attrs.p > 0 and (attrs.train or attrs.mode == "always")
    return kernel_or_none(make_dropout(dtype_code(in_specs[0].dtype), in_specs[0].size, attrs.p, active))
