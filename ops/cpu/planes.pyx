# cython: wraparound=True, boundscheck=True
"""Kernel builders for operators on channel planes: pooling, batch and local response normalization, float32, channels first.

Every builder takes ``(attrs, in_specs, out_specs)`` and returns a kernel, or None where it does not apply.
"""

import math

from libc.stdint cimport int64_t

from ..kernel cimport CKernel, Kernel, wrap_kernel

cdef extern from "ops/cpu/planes.hpp" namespace "weft" nogil:
    cppclass ChannelWindow:
        int64_t batch, channels, plane, half
        float scale, knorm, beta

    CKernel* make_response_norm(const ChannelWindow& window)
    CKernel* make_backward_response_norm(const ChannelWindow& window)
    CKernel* make_pooling(const PoolWindow& window, int64_t planes)
    CKernel* make_backward_pooling(const PoolWindow& window, int64_t planes)
    CKernel* make_batch_norm(const BatchNormShape& shape)
    CKernel* make_backward_batch_norm(const BatchNormShape& shape)


cdef bint _fits(in_specs, out_specs):
    """Whether every array is float32 and not empty."""
    for spec in (*in_specs, *out_specs):
        if spec.dtype.char != "f" or spec.size == 0:
            return False
    return True


cdef bint _pools(attrs, in_specs, out_specs):
    layout = attrs.layout
    return _fits(in_specs, out_specs) and attrs.pool_type in ("max", "avg", "sum") and not (layout and layout.endswith("C"))


cdef PoolWindow _window(attrs, shape):
    from ..nn_pool import pool_geometry

    cdef PoolWindow window
    cdef int axis, first = 5 - len(shape)
    geometry = pool_geometry(attrs, shape)
    if attrs.pool_type == "max":
        window.kind = PoolKind.kMax
    else:
        window.kind = PoolKind.kAverage if attrs.pool_type == "avg" else PoolKind.kSum
    window.include_pad = attrs.count_include_pad is not False
    for axis in range(3):
        window.in_[axis] = window.out[axis] = window.kernel[axis] = window.stride[axis] = 1
        window.pad[axis] = 0
        if axis >= first:
            window.in_[axis] = shape[axis - first + 2]
            window.out[axis] = geometry.out_spatial[axis - first]
            window.kernel[axis] = geometry.kernel[axis - first]
            window.stride[axis] = geometry.stride[axis - first]
            window.pad[axis] = geometry.pad[axis - first]
    return window


def pooling(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``Pooling``: maximum, average and sum."""
    if not _pools(attrs, in_specs, out_specs):
        return None
    shape = in_specs[0].shape
    return wrap_kernel(make_pooling(_window(attrs, shape), shape[0] * shape[1]))


def backward_pooling(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_Pooling``."""
    if not _pools(attrs, in_specs, out_specs):
        return None
    shape = in_specs[1].shape
    return wrap_kernel(make_backward_pooling(_window(attrs, shape), shape[0] * shape[1]))


cdef BatchNormShape _norm_shape(attrs, shape):
    cdef BatchNormShape norm
    norm.batch, norm.channels = shape[:2]
    norm.plane = math.prod(shape[2:])
    norm.eps, norm.momentum = attrs.eps, attrs.momentum
    norm.fix_gamma = attrs.fix_gamma
    norm.batch_statistics = attrs.train and not attrs.use_global_stats
    return norm


def batch_norm(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``BatchNorm`` over axis 1."""
    shape = in_specs[0].shape
    if not _fits(in_specs, out_specs) or len(shape) < 2 or attrs.axis not in (1, 1 - len(shape)):
        return None
    return wrap_kernel(make_batch_norm(_norm_shape(attrs, shape)))


def backward_batch_norm(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_BatchNorm`` over axis 1."""
    shape = in_specs[1].shape
    if not _fits(in_specs, out_specs) or len(shape) < 2 or attrs.axis not in (1, 1 - len(shape)):
        return None
    return wrap_kernel(make_backward_batch_norm(_norm_shape(attrs, shape)))


cdef ChannelWindow _channel_window(attrs, shape):
    cdef ChannelWindow window
    window.batch, window.channels = shape[:2]
    window.plane = math.prod(shape[2:])
    window.half = (attrs.nsize - 1) // 2
    window.scale = attrs.alpha / attrs.nsize
    window.knorm, window.beta = attrs.knorm, attrs.beta
    return window


def lrn(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``LRN``."""
    if not _fits(in_specs, out_specs):
        return None
    return wrap_kernel(make_response_norm(_channel_window(attrs, in_specs[0].shape)))


def backward_lrn(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_LRN``."""
    if not _fits(in_specs, out_specs):
        return None
    return wrap_kernel(make_backward_response_norm(_channel_window(attrs, in_specs[1].shape)))
