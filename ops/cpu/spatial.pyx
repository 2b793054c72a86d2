# cython: wraparound=True, boundscheck=True
"""Kernel builders for reading images at places that arrays give.

Every builder takes ``(attrs, in_specs, out_specs)`` and returns a kernel, or None where it does not apply.
"""

import numpy as np

from libc.stdint cimport int64_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

from ..kernel cimport CKernel, Kernel, kernel_or_none
from .elementwise cimport DType, dtype_code

from .widened import takes_halves

cdef extern from "ops/cpu/spatial.hpp" namespace "weft" nogil:
    cdef cppclass SampleShape:
        DType type
        int64_t batch, channels, height, width, out_height, out_width
        cbool wants_data, wants_places

    CKernel* make_affine_grid(const SampleShape& shape)
    CKernel* make_backward_affine_grid(const SampleShape& shape)
    CKernel* make_warp_grid(const SampleShape& shape)
    CKernel* make_backward_warp_grid(const SampleShape& shape)
    CKernel* make_bilinear_sampler(const SampleShape& shape)
    CKernel* make_backward_bilinear_sampler(const SampleShape& shape)
    CKernel* make_spatial_transformer(const SampleShape& shape)
    CKernel* make_backward_spatial_transformer(const SampleShape& shape)

cdef extern from "ops/cpu/separable.hpp" namespace "weft" nogil:
    cdef cppclass LineMixes:
        vector[int64_t] first, begin
        vector[double] weights

    cdef cppclass SeparableShape:
        DType type
        int64_t planes, height, width
        LineMixes rows, columns

    CKernel* make_separable(const SeparableShape& shape)


cdef bint _fits(in_specs, out_specs):
    return all([spec.size for spec in (*in_specs, *out_specs)])


cdef SampleShape _grid(spec):
    """The shape of a grid (batch, 2, height, width)."""
    cdef SampleShape shape
    shape.type = dtype_code(spec.dtype)
    shape.batch, _, shape.out_height, shape.out_width = spec.shape
    shape.channels = shape.height = shape.width = 1
    shape.wants_data = shape.wants_places = True
    return shape


cdef SampleShape _images(data, out):
    cdef SampleShape shape
    shape.type = dtype_code(data.dtype)
    shape.batch, shape.channels, shape.height, shape.width = data.shape
    shape.out_height, shape.out_width = out.shape[2:]
    shape.wants_data = shape.wants_places = True
    return shape


cdef bint _reads(in_specs, out_specs, data):
    """Whether places in the images can be counted with 32 bits."""
    return _fits(in_specs, out_specs) and data.shape[2] * data.shape[3] < 2**31


cdef LineMixes _mixes(matrix):
    """Where the rows of a matrix are not zero; what lies between belongs to them."""
    cdef LineMixes mixes
    mixes.begin.push_back(0)
    for row in matrix:
        places = np.flatnonzero(row)
        first = places[0] if len(places) else 0
        mixes.first.push_back(first)
        for weight in row[first : places[-1] + 1 if len(places) else 0]:
            mixes.weights.push_back(weight)
        mixes.begin.push_back(mixes.weights.size())
    return mixes


@takes_halves
def separable(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``rows @ image @ columns.T`` for each image; `attrs` holds the two matrices, mostly zeros."""
    cdef SeparableShape shape
    data, out = in_specs[0], out_specs[0]
    if data.dtype != out.dtype or not data.size or not out.size:
        return None
    shape.type = dtype_code(data.dtype)
    shape.planes = data.shape[0] * data.shape[1]
    shape.height, shape.width = data.shape[2:]
    shape.rows, shape.columns = _mixes(attrs.rows), _mixes(attrs.columns)
    return kernel_or_none(make_separable(shape))


@takes_halves
def grid_generator(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``GridGenerator``."""
    if not _fits(in_specs, out_specs):
        return None
    cdef SampleShape shape = _grid(out_specs[0])
    return kernel_or_none(make_affine_grid(shape) if attrs.transform_type == "affine" else make_warp_grid(shape))


@takes_halves
def backward_grid_generator(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_GridGenerator``."""
    if not _fits(in_specs, out_specs):
        return None
    cdef SampleShape shape = _grid(in_specs[0])
    if attrs.transform_type == "affine":
        return kernel_or_none(make_backward_affine_grid(shape))
    return kernel_or_none(make_backward_warp_grid(shape))


@takes_halves
def bilinear_sampler(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``BilinearSampler``."""
    if not _reads(in_specs, out_specs, in_specs[0]):
        return None
    return kernel_or_none(make_bilinear_sampler(_images(in_specs[0], out_specs[0])))


@takes_halves
def backward_bilinear_sampler(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_BilinearSampler``."""
    cdef SampleShape shape
    if not _reads(in_specs, out_specs, in_specs[1]):
        return None
    shape = _images(in_specs[1], in_specs[0])
    shape.wants_data, shape.wants_places = attrs.wanted & 1, attrs.wanted & 2
    return kernel_or_none(make_backward_bilinear_sampler(shape))


@takes_halves
def spatial_transformer(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``SpatialTransformer``."""
    if not _reads(in_specs, out_specs, in_specs[0]):
        return None
    return kernel_or_none(make_spatial_transformer(_images(in_specs[0], out_specs[0])))


@takes_halves
def backward_spatial_transformer(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_SpatialTransformer``."""
    cdef SampleShape shape
    if not _reads(in_specs, out_specs, in_specs[1]):
        return None
    shape = _images(in_specs[1], in_specs[0])
    shape.wants_data, shape.wants_places = attrs.wanted & 1, attrs.wanted & 2
    return kernel_or_none(make_backward_spatial_transformer(shape))
