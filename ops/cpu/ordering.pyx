"""Builders for sort, argsort and topk."""

import math

from libc.stdint cimport int64_t
from libcpp cimport bool as cbool

from ..kernel cimport CKernel, Kernel, kernel_or_none
from .elementwise cimport DType, dtype_code

cdef extern from "ops/cpu/ordering.hpp" namespace "weft" nogil:
    cdef cppclass OrderSpec:
        DType type
        int64_t outer, n, inner, k
        cbool ascending
        int values, indices, mask
        DType index_type

    CKernel* make_order(const OrderSpec& spec)

__all__ = ["argsort", "sort", "topk"]


cdef Kernel build(attrs, data, object k, int values, int indices, int mask, object index_dtype):
    cdef OrderSpec spec
    shape, axis = tuple(data.shape), attrs.axis
    if axis is None:
        shape, axis = (math.prod(shape),), 0
    axis %= len(shape)
    spec.type = dtype_code(data.dtype)
    spec.outer, spec.n, spec.inner = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1:])
    spec.k = spec.n if k is None or k <= 0 else k
    spec.ascending = attrs.is_ascend
    spec.values, spec.indices, spec.mask = values, indices, mask
    spec.index_type = DType.kInt64 if index_dtype is None else dtype_code(index_dtype)
    return kernel_or_none(make_order(spec))


def sort(attrs, in_specs, out_specs):
    """The sorted values and, as a second output, where they were."""
    return build(attrs, in_specs[0], None, 0, 1 if len(out_specs) > 1 else -1, -1, out_specs[1].dtype if len(out_specs) > 1 else None)


def argsort(attrs, in_specs, out_specs):
    """Where the sorted values were."""
    return build(attrs, in_specs[0], None, -1, 0, -1, out_specs[0].dtype)


def topk(attrs, in_specs, out_specs):
    """The k first values in order, their places, both, or a mask of them."""
    if attrs.ret_typ == "mask":
        return build(attrs, in_specs[0], attrs.k, -1, -1, 0, None)
    if attrs.ret_typ == "indices":
        return build(attrs, in_specs[0], attrs.k, -1, 0, -1, out_specs[0].dtype)
    return build(attrs, in_specs[0], attrs.k, 0, 1, -1, out_specs[1].dtype)
