"""Builders of the kernels for batches of sequences."""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from ..kernel cimport CKernel, wrap_kernel

import math

import numpy as np

cdef extern from "ops/cpu/sequence_loops.hpp" namespace "weft" nogil:
    enum SequenceKind:
        kSequenceMask
        kSequenceLast
        kSequenceLastGradient
        kSequenceReverse

    struct SequenceShape:
        SequenceKind kind
        int64_t time
        int64_t batch
        int64_t block
        bint batch_first
        int item_bytes
        int length_type
        int length_input
        uint64_t value

    CKernel* make_sequence_kernel(const SequenceShape& shape, double cost_ns)

cdef dict KINDS = {
    "mask": kSequenceMask,
    "last": kSequenceLast,
    "backward_last": kSequenceLastGradient,
    "reverse": kSequenceReverse,
}
# MXNet's numbers of the dtypes, which the kernels share.
TYPE_CODES = {
    "float32": 0, "float64": 1, "float16": 2, "uint8": 3, "int32": 4, "int8": 5, "int64": 6, "bool": 7,
}


def builder(str kind):
    """Return the kernel builder for mask, last, backward_last or reverse, for calls with lengths."""
    number = KINDS[kind]
    # Inputs: data, lengths; or gradient, data, lengths.
    length_input = 2 if kind == "backward_last" else 1

    def build(attrs, in_specs, out_specs):
        cdef SequenceShape shape
        cdef bytes raw
        if not attrs.use_sequence_length:
            return None
        data, lengths = in_specs[length_input - 1], in_specs[length_input]
        if data.dtype.name not in TYPE_CODES or lengths.dtype.name not in TYPE_CODES:
            return None
        shape.kind = number
        shape.batch_first = attrs.axis == 1
        shape.time, shape.batch = data.shape[1 if shape.batch_first else 0], data.shape[0 if shape.batch_first else 1]
        shape.block = math.prod(data.shape[2:])
        shape.item_bytes = data.dtype.itemsize
        shape.length_type = TYPE_CODES[lengths.dtype.name]
        shape.length_input = length_input
        shape.value = 0
        if kind == "mask":
            raw = np.asarray(attrs.value).astype(data.dtype).tobytes()
            memcpy(&shape.value, <const char*>raw, len(raw))
        return wrap_kernel(make_sequence_kernel(shape, 80 + 0.2 * out_specs[0].nbytes + 2 * shape.time * shape.batch))

    return build
