# cython: wraparound=True, boundscheck=True
"""Kernel builders for recurrent layers, float32.

Every builder takes ``(attrs, in_specs, out_specs)`` and returns a kernel, or None where it does not apply.
"""

from libc.stdint cimport int64_t
from libcpp cimport bool as cbool

from ..kernel cimport CKernel, Kernel, wrap_kernel

from . import onednn

cdef extern from "ops/cpu/rnn.hpp" namespace "weft" nogil:
    enum class CellKind(int):
        kRelu
        kTanh
        kLstm
        kGru

    cppclass RecurrentShape:
        CellKind kind
        int64_t time, batch, features, size, layers, directions
        cbool state_outputs, keep

    CKernel* make_recurrent(const RecurrentShape& shape)
    CKernel* make_backward_recurrent(const RecurrentShape& shape)


cdef bint _fits(attrs, in_specs, out_specs, bint train):
    """Whether the loops compute the case: no sequences of different lengths, no clipped cells, nothing random."""
    for spec in (*in_specs, *out_specs):
        if spec.dtype.char != "f" or spec.size == 0:
            return False
    if attrs.use_sequence_length or (train and attrs.p > 0 and attrs.num_layers > 1):
        return False
    if attrs.lstm_state_clip_min is not None or attrs.lstm_state_clip_max is not None:
        return False
    return onednn.available()


cdef RecurrentShape _recurrent(attrs, data):
    cdef RecurrentShape shape
    kinds = {"rnn_relu": <int>CellKind.kRelu, "rnn_tanh": <int>CellKind.kTanh, "lstm": <int>CellKind.kLstm, "gru": <int>CellKind.kGru}
    shape.kind = <CellKind><int>kinds[attrs.mode]
    shape.time, shape.batch, shape.features = data
    shape.size, shape.layers = attrs.state_size, attrs.num_layers
    shape.directions = 2 if attrs.bidirectional else 1
    shape.state_outputs = attrs.state_outputs
    return shape


def rnn(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``RNN``."""
    cdef RecurrentShape shape
    cdef CKernel* kernel
    if not _fits(attrs, in_specs, out_specs, attrs.train):
        return None
    shape = _recurrent(attrs, in_specs[0].shape)
    shape.keep = attrs.train
    kernel = make_recurrent(shape)
    return None if kernel == NULL else wrap_kernel(kernel)


def backward_rnn(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_RNN``."""
    cdef RecurrentShape shape
    cdef CKernel* kernel
    if not _fits(attrs, in_specs, out_specs, attrs.kept):
        return None
    heads = 1 + ((2 if attrs.mode == "lstm" else 1) if attrs.state_outputs else 0)
    shape = _recurrent(attrs, in_specs[heads].shape)
    shape.keep = attrs.kept
    kernel = make_backward_recurrent(shape)
    return None if kernel == NULL else wrap_kernel(kernel)
