# cython: wraparound=True, boundscheck=True
"""Kernel builders for recurrent layers, float32.

Every builder takes ``(attrs, in_specs, out_specs)`` and returns a kernel, or None where it does not apply.
"""

from libc.stdint cimport int64_t
from libcpp cimport bool as cbool

from ..kernel cimport CKernel, Kernel, kernel_or_none

import math

from . import onednn
from .sequence import TYPE_CODES
from .widened import takes_halves

cdef extern from "ops/cpu/rnn.hpp" namespace "weft" nogil:
    enum class CellKind(int):
        kRelu
        kTanh
        kLstm
        kGru

    cppclass RecurrentShape:
        CellKind kind
        int64_t time, batch, features, size, layers, directions
        cbool state_outputs, keep, lengths, clips
        int length_type
        float clip_min, clip_max
        double dropped

    CKernel* make_recurrent(const RecurrentShape& shape)
    CKernel* make_backward_recurrent(const RecurrentShape& shape)


cdef bint _fits(attrs, in_specs, out_specs, Py_ssize_t lengths):
    """Whether the loops compute the case; `lengths` is the number of the input with the sequences' lengths, or -1."""
    for i, spec in enumerate((*in_specs, *out_specs)):
        if spec.size == 0 or (spec.dtype.char != "f" and i != lengths):
            return False
    if lengths >= 0 and in_specs[lengths].dtype.name not in TYPE_CODES:
        return False
    return attrs.p < 1 and onednn.available()


cdef Py_ssize_t _lengths(attrs, Py_ssize_t data):
    """The number of the input with the sequences' lengths, or -1; `data` that of the data."""
    if not attrs.use_sequence_length:
        return -1
    return data + (4 if attrs.mode == "lstm" else 3)


cdef RecurrentShape _recurrent(attrs, data, in_specs, Py_ssize_t lengths, bint keep):
    cdef RecurrentShape shape
    kinds = {"rnn_relu": <int>CellKind.kRelu, "rnn_tanh": <int>CellKind.kTanh, "lstm": <int>CellKind.kLstm, "gru": <int>CellKind.kGru}
    shape.kind = <CellKind><int>kinds[attrs.mode]
    shape.time, shape.batch, shape.features = data
    shape.size, shape.layers = attrs.state_size, attrs.num_layers
    shape.directions = 2 if attrs.bidirectional else 1
    shape.state_outputs, shape.keep = attrs.state_outputs, keep
    shape.lengths = lengths >= 0
    shape.length_type = TYPE_CODES[in_specs[lengths].dtype.name] if lengths >= 0 else 0
    low, high = attrs.lstm_state_clip_min, attrs.lstm_state_clip_max
    shape.clips = attrs.mode == "lstm" and (low is not None or high is not None)
    shape.clip_min, shape.clip_max = -math.inf if low is None else low, math.inf if high is None else high
    shape.dropped = attrs.p if keep else 0
    return shape


@takes_halves
def rnn(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``RNN``."""
    cdef Py_ssize_t lengths = _lengths(attrs, 0)
    if not _fits(attrs, in_specs, out_specs, lengths):
        return None
    return kernel_or_none(make_recurrent(_recurrent(attrs, in_specs[0].shape, in_specs, lengths, attrs.train)))


@takes_halves
def backward_rnn(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_RNN``."""
    heads = 1 + ((2 if attrs.mode == "lstm" else 1) if attrs.state_outputs else 0)
    cdef Py_ssize_t lengths = _lengths(attrs, heads)
    if not _fits(attrs, in_specs, out_specs, lengths):
        return None
    return kernel_or_none(make_backward_recurrent(_recurrent(attrs, in_specs[heads].shape, in_specs, lengths, attrs.kept)))
