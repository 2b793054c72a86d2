# cython: wraparound=True, boundscheck=True
"""Kernel builders for connectionist temporal classification.

Every builder takes ``(attrs, in_specs, out_specs)`` and returns a kernel, or None where it does not apply.
"""

from libc.stdint cimport int64_t
from libcpp cimport bool as cbool

from ..kernel cimport CKernel, Kernel, kernel_or_none
from .elementwise cimport DType, dtype_code

from .sequence import TYPE_CODES
from .widened import takes_halves

cdef extern from "ops/cpu/ctc.hpp" namespace "weft" nogil:
    cdef cppclass CtcShape:
        DType type
        int64_t time, batch, classes, labels
        cbool blank_first
        int label_type, data_length_type, label_length_type

    CKernel* make_ctc_loss(const CtcShape& shape)
    CKernel* make_ctc_scale(DType type, int64_t time, int64_t batch, int64_t classes)


@takes_halves
def ctc_loss(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``CTCLoss``."""
    cdef CtcShape shape
    data, label = in_specs[:2]
    if data.size == 0 or any([spec.dtype.name not in TYPE_CODES for spec in in_specs]):
        return None
    shape.type = dtype_code(data.dtype)
    shape.time, shape.batch, shape.classes = data.shape
    shape.labels = label.shape[1]
    shape.blank_first = attrs.blank_label == "first"
    shape.label_type = TYPE_CODES[label.dtype.name]
    lengths = iter([TYPE_CODES[spec.dtype.name] for spec in in_specs[2:]])
    shape.data_length_type = next(lengths) if attrs.use_data_lengths else -1
    shape.label_length_type = next(lengths) if attrs.use_label_lengths else -1
    return kernel_or_none(make_ctc_loss(shape))


@takes_halves
def backward_ctc_loss(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_ctc_loss``."""
    grad = in_specs[1]
    if grad.size == 0 or in_specs[0].dtype != grad.dtype:
        return None
    return kernel_or_none(make_ctc_scale(dtype_code(grad.dtype), grad.shape[0], grad.shape[1], grad.shape[2]))
