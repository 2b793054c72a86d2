# cython: wraparound=True, boundscheck=True
"""Kernel builders for loss layers and for the gradient of a learnt slope."""

import math

from libc.stdint cimport int64_t, uint8_t

from ..kernel cimport CKernel, Kernel, kernel_or_none
from .elementwise cimport DType, dtype_code

from .elementwise import copy_builder, fill_builder, ufunc_builder

cdef extern from "ops/cpu/losses.hpp" namespace "weft" nogil:
    cdef enum class PointLoss(uint8_t):
        kDifference
        kSign
        kHinge
        kSquaredHinge

    cdef cppclass PointLossSpec:
        DType type
        PointLoss kind
        int64_t size, classes
        double scale, margin

    CKernel* make_point_loss(const PointLossSpec& spec)
    CKernel* make_valid_loss(DType type, int64_t size, double scale, double threshold)
    CKernel* make_row_entropy(DType type, int64_t rows, int64_t classes)
    CKernel* make_row_entropy_backward(DType type, int64_t rows, int64_t classes)
    CKernel* make_prelu_backward(DType type, int64_t outer, int64_t channels, int64_t inner)

__all__ = [
    "backward_difference", "backward_entropy", "backward_make_loss", "backward_prelu", "backward_sign", "backward_svm_output",
    "entropy", "pass_data", "sigmoid_data",
]

cdef object SIGMOID = ufunc_builder("sigmoid")


cdef bint _one_type(specs):
    return all(spec.dtype == specs[0].dtype for spec in specs) and all(spec.size for spec in specs)


def pass_data(attrs, in_specs, out_specs) -> Kernel | None:
    """Copy the data; other inputs are not looked at."""
    return copy_builder(attrs, in_specs[:1], out_specs)


def sigmoid_data(attrs, in_specs, out_specs) -> Kernel | None:
    """Sigmoid of the data; other inputs are not looked at."""
    return SIGMOID(attrs, in_specs[:1], out_specs)


cdef object _point(in_specs, out_specs, PointLoss kind, double scale, double margin, int64_t classes):
    cdef PointLossSpec spec
    if not _one_type([*in_specs, *out_specs]):
        return None
    spec.type, spec.kind = dtype_code(out_specs[0].dtype), kind
    spec.size, spec.classes = out_specs[0].size, classes
    spec.scale, spec.margin = scale, margin
    return kernel_or_none(make_point_loss(spec))


cdef double _share(attrs, label):
    """Regression losses are averaged over the outputs of a sample, not over the batch."""
    return attrs.grad_scale / max(1, label.size // max(1, label.shape[0]))


def backward_difference(attrs, in_specs, out_specs) -> Kernel | None:
    """Gradient of LinearRegressionOutput and LogisticRegressionOutput."""
    return _point(in_specs, out_specs, PointLoss.kDifference, _share(attrs, in_specs[2]), 0, 1)


def backward_sign(attrs, in_specs, out_specs) -> Kernel | None:
    """Gradient of MAERegressionOutput."""
    return _point(in_specs, out_specs, PointLoss.kSign, _share(attrs, in_specs[2]), 0, 1)


def backward_svm_output(attrs, in_specs, out_specs) -> Kernel | None:
    """Gradient of SVMOutput."""
    cdef PointLoss kind = PointLoss.kHinge if attrs.use_linear else PointLoss.kSquaredHinge
    return _point(in_specs, out_specs, kind, attrs.regularization_coefficient, attrs.margin, out_specs[0].shape[-1])


def backward_make_loss(attrs, in_specs, out_specs) -> Kernel | None:
    """Gradient of MakeLoss."""
    data = in_specs[1]
    if attrs.normalization != "valid":
        count = max(1, data.shape[0]) if attrs.normalization == "batch" else 1
        return fill_builder(attrs.grad_scale / count)(attrs, [], out_specs)
    if data.size == 0:
        return None
    return kernel_or_none(make_valid_loss(dtype_code(data.dtype), data.size, attrs.grad_scale, attrs.valid_thresh))


def entropy(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``softmax_cross_entropy``."""
    if not _one_type([*in_specs, *out_specs]):
        return None
    rows, classes = in_specs[0].shape
    return kernel_or_none(make_row_entropy(dtype_code(in_specs[0].dtype), rows, classes))


def backward_entropy(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_softmax_cross_entropy``."""
    if not _one_type([*in_specs, *out_specs]):
        return None
    rows, classes = in_specs[1].shape
    return kernel_or_none(make_row_entropy_backward(dtype_code(in_specs[1].dtype), rows, classes))


def backward_prelu(attrs, in_specs, out_specs) -> Kernel | None:
    """Build the gradient of LeakyReLU with a learnt slope for each channel, or one for all."""
    if attrs.act_type != "prelu" or not _one_type([*in_specs, *out_specs]):
        return None
    shape, gamma = in_specs[1].shape, in_specs[2]
    channel_axis = min(1, len(shape) - 1)
    if len(gamma.shape) != 1 or gamma.size not in (1, shape[channel_axis]):
        return None
    if gamma.size == 1:
        outer, inner = 1, in_specs[1].size
    else:
        outer, inner = math.prod(shape[:channel_axis]), math.prod(shape[channel_axis + 1:])
    return kernel_or_none(make_prelu_backward(dtype_code(gamma.dtype), outer, gamma.size, inner))
