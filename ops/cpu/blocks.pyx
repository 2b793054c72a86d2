# cython: wraparound=True, boundscheck=True
"""Kernel builders for arrays whose channels lie in blocks, (N, C / block, H, W, block) float32.

Every builder takes ``(attrs, in_specs, out_specs)`` and returns a kernel, or None where it does not apply.
"""

from libc.stdint cimport int64_t
from libcpp cimport bool as cbool

from ..kernel cimport CKernel, Kernel, wrap_kernel
from .planes cimport BatchNormShape, PoolKind, PoolWindow

cdef extern from "ops/cpu/blocks.hpp" namespace "weft" nogil:
    cppclass Blocking:
        int64_t batch, channels, plane, block

    CKernel* make_to_blocked(const Blocking& blocking)
    CKernel* make_from_blocked(const Blocking& blocking)
    CKernel* make_block_pooling(const PoolWindow& window, int64_t planes, int64_t block)
    CKernel* make_backward_block_pooling(const PoolWindow& window, int64_t planes, int64_t block)
    CKernel* make_block_batch_norm(const BatchNormShape& shape, int64_t block, cbool relu)
    CKernel* make_backward_block_batch_norm(const BatchNormShape& shape, int64_t block, cbool relu)


cdef bint _fits(in_specs, out_specs, blocked):
    """Whether every array is float32 and not empty, and the blocks are of a size that the loops know."""
    for spec in (*in_specs, *out_specs):
        if spec.dtype.char != "f" or spec.size == 0:
            return False
    return blocked.shape[-1] in (8, 16)


cdef Blocking _blocking(shape):
    cdef Blocking blocking
    blocking.batch, blocks, height, width, blocking.block = shape
    blocking.channels, blocking.plane = blocks * blocking.block, height * width
    return blocking


def to_blocked(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_to_blocked``."""
    if not _fits(in_specs, out_specs, out_specs[0]):
        return None
    return wrap_kernel(make_to_blocked(_blocking(out_specs[0].shape)))


def from_blocked(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_from_blocked``."""
    if not _fits(in_specs, out_specs, in_specs[0]):
        return None
    return wrap_kernel(make_from_blocked(_blocking(in_specs[0].shape)))


cdef PoolWindow _window(attrs, shape):
    from ..nn_pool import pool_geometry

    cdef PoolWindow window
    cdef int axis
    batch, blocks, height, width, block = shape
    geometry = pool_geometry(attrs, (batch, blocks * block, height, width))
    kinds = {"max": <int>PoolKind.kMax, "avg": <int>PoolKind.kAverage, "sum": <int>PoolKind.kSum}
    window.kind = <PoolKind><int>kinds[attrs.pool_type]
    window.include_pad = attrs.count_include_pad is not False
    window.in_[0] = window.out[0] = window.kernel[0] = window.stride[0] = 1
    window.pad[0] = 0
    for axis in range(2):
        window.in_[axis + 1] = shape[axis + 2]
        window.out[axis + 1] = geometry.out_spatial[axis]
        window.kernel[axis + 1] = geometry.kernel[axis]
        window.stride[axis + 1] = geometry.stride[axis]
        window.pad[axis + 1] = geometry.pad[axis]
    return window


def pooling(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_blocked_Pooling``."""
    shape = in_specs[0].shape
    if not _fits(in_specs, out_specs, in_specs[0]):
        return None
    return wrap_kernel(make_block_pooling(_window(attrs, shape), shape[0] * shape[1], shape[-1]))


def backward_pooling(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_blocked_Pooling``."""
    shape = in_specs[1].shape
    if not _fits(in_specs, out_specs, in_specs[1]):
        return None
    return wrap_kernel(make_backward_block_pooling(_window(attrs, shape), shape[0] * shape[1], shape[-1]))


cdef BatchNormShape _norm_shape(attrs, shape):
    cdef BatchNormShape norm
    norm.batch, blocks, height, width, block = shape
    norm.channels, norm.plane = blocks * block, height * width
    norm.eps, norm.momentum = attrs.eps, attrs.momentum
    norm.fix_gamma = attrs.fix_gamma
    norm.batch_statistics = attrs.train and not attrs.use_global_stats
    return norm


def batch_norm(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_blocked_BatchNorm``."""
    shape = in_specs[0].shape
    if not _fits(in_specs, out_specs, in_specs[0]):
        return None
    return wrap_kernel(make_block_batch_norm(_norm_shape(attrs, shape), shape[-1], attrs.relu))


def backward_batch_norm(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_blocked_BatchNorm``."""
    shape = in_specs[1].shape
    if not _fits(in_specs, out_specs, in_specs[1]):
        return None
    return wrap_kernel(make_backward_block_batch_norm(_norm_shape(attrs, shape), shape[-1], attrs.relu))
