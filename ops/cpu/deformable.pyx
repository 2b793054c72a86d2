# cython: wraparound=True, boundscheck=True
"""Kernel builders for deformable convolutions.

Every builder takes ``(attrs, in_specs, out_specs)`` and returns a kernel, or None where it does not apply.
"""

from libc.stdint cimport int64_t
from libcpp cimport bool as cbool

from ..kernel cimport CKernel, Kernel, kernel_or_none
from .elementwise cimport DType, dtype_code

from ..nn_conv import conv_geometry
from . import onednn
from .widened import takes_halves

cdef extern from "ops/cpu/deformable.hpp" namespace "weft" nogil:
    cdef cppclass DeformableShape:
        DType type
        int64_t batch, channels, height, width, filters, rows, columns
        int64_t[2] kernel, stride, dilate, pad
        int64_t groups, offset_groups
        cbool modulated, bias, library

    CKernel* make_deformable(const DeformableShape& shape)
    CKernel* make_backward_deformable(const DeformableShape& shape)


cdef bint _fits(specs, data):
    """Whether the arrays are of one type, and not empty, and places in an image fit the kernels' 32 bits."""
    return all([spec.dtype == specs[0].dtype and spec.size for spec in specs]) and data.shape[2] * data.shape[3] < 1 << 31


cdef DeformableShape _shape(attrs, data, out, bint modulated):
    cdef DeformableShape shape
    shape.type = dtype_code(data.dtype)
    shape.batch, shape.channels, shape.height, shape.width = data.shape
    shape.filters, shape.rows, shape.columns = out.shape[1:]
    window = conv_geometry(attrs)
    for i in range(2):
        shape.kernel[i], shape.stride[i] = window.kernel[i], window.stride[i]
        shape.dilate[i], shape.pad[i] = window.dilate[i], window.pad[i]
    shape.groups, shape.offset_groups = attrs.num_group, attrs.num_deformable_group
    shape.modulated, shape.bias, shape.library = modulated, not attrs.no_bias, onednn.available()
    return shape


@takes_halves
def deformable_convolution(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_contrib_DeformableConvolution``."""
    if not _fits([*in_specs, *out_specs], in_specs[0]):
        return None
    return kernel_or_none(make_deformable(_shape(attrs, in_specs[0], out_specs[0], False)))


@takes_halves
def backward_deformable_convolution(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward__contrib_DeformableConvolution``."""
    if not _fits([*in_specs, *out_specs], in_specs[1]):
        return None
    return kernel_or_none(make_backward_deformable(_shape(attrs, in_specs[1], in_specs[0], False)))


@takes_halves
def modulated_convolution(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_contrib_ModulatedDeformableConvolution``."""
    if not _fits([*in_specs, *out_specs], in_specs[0]):
        return None
    return kernel_or_none(make_deformable(_shape(attrs, in_specs[0], out_specs[0], True)))


@takes_halves
def backward_modulated_convolution(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward__contrib_ModulatedDeformableConvolution``."""
    if not _fits([*in_specs, *out_specs], in_specs[1]):
        return None
    return kernel_or_none(make_backward_deformable(_shape(attrs, in_specs[1], in_specs[0], True)))
