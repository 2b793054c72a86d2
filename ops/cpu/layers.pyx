# cython: wraparound=True, boundscheck=True
"""Kernel builders for normalization of rows; the names are those of the operators in snake case."""

import math

from libc.stdint cimport int64_t
from libcpp cimport bool as cbool

from ..kernel cimport CKernel, Kernel, kernel_or_none
from .elementwise cimport DType, dtype_code

cdef extern from "ops/cpu/layers.hpp" namespace "weft" nogil:
    cdef cppclass NormSpec:
        DType type
        int64_t rows, length, scales
        cbool per_element, deviation
        double eps

    CKernel* make_norm(const NormSpec& spec)
    CKernel* make_norm_backward(const NormSpec& spec)

__all__ = [
    "backward_group_norm", "backward_instance_norm", "backward_layer_norm", "group_norm", "instance_norm",
    "layer_norm",
]


cdef object _norm(specs, int64_t length, int64_t scales, bint per_element, bint deviation, double eps, bint backward):
    """A kernel that normalizes rows of ``length`` elements; ``specs`` are all arrays, the second or first is the data."""
    cdef NormSpec spec
    data = specs[1] if backward else specs[0]
    if any(item.dtype != data.dtype for item in specs) or data.size == 0:
        return None
    spec.type = dtype_code(data.dtype)
    spec.length, spec.scales = length, scales
    spec.rows = data.size // length
    spec.per_element, spec.deviation, spec.eps = per_element, deviation, eps
    return kernel_or_none(make_norm_backward(spec) if backward else make_norm(spec))


cdef object _layer_norm(attrs, in_specs, out_specs, bint backward):
    shape = in_specs[1 if backward else 0].shape
    if attrs.axis not in (-1, len(shape) - 1):
        return None
    return _norm([*in_specs, *out_specs], shape[-1], shape[-1], True, True, attrs.eps, backward)


def layer_norm(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``LayerNorm`` along the last axis."""
    return _layer_norm(attrs, in_specs, out_specs, False)


def backward_layer_norm(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_LayerNorm`` along the last axis."""
    return _layer_norm(attrs, in_specs, out_specs, True)


cdef object _channel_norm(in_specs, out_specs, groups, bint deviation, double eps, bint backward):
    shape = in_specs[1 if backward else 0].shape
    if 0 in shape:
        return None
    length = math.prod(shape[1:]) // groups
    return _norm([*in_specs, *out_specs], length, groups, False, deviation, eps, backward)


def group_norm(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``GroupNorm``."""
    return _channel_norm(in_specs, out_specs, attrs.num_groups, True, attrs.eps, False)


def backward_group_norm(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_GroupNorm``."""
    return _channel_norm(in_specs, out_specs, attrs.num_groups, True, attrs.eps, True)


def instance_norm(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``InstanceNorm``."""
    return _channel_norm(in_specs, out_specs, in_specs[0].shape[1], False, attrs.eps, False)


def backward_instance_norm(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_InstanceNorm``."""
    return _channel_norm(in_specs, out_specs, in_specs[1].shape[1], False, attrs.eps, True)
