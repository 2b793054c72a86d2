"""Builders of the kernels that move, choose and scatter elements."""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from ..kernel cimport CKernel, Kernel, kernel_retain, wrap_kernel

import math

import numpy as np

cdef extern from "ops/cpu/indexing_loops.hpp" namespace "weft" nogil:
    enum: kMaxCopyDims
    enum: kMaxIndexDims

    struct CopySegment:
        int source
        int target
        int64_t source_offset
        int64_t target_offset
        int ndim
        int64_t* dims
        int64_t* source_strides
        int64_t* target_strides

    struct CopyFill:
        int target
        int64_t count
        uint64_t pattern

    struct TakeShape:
        int64_t outer
        int64_t axis
        int64_t inner
        int64_t count

    struct NdShape:
        int ndim
        int64_t* dims
        int64_t count
        int64_t block

    CKernel* make_copy_kernel(const CopySegment* segments, int n_segments, const CopyFill* fills, int n_fills,
                              int item_type, double cost_ns)
    CKernel* make_take(TakeShape shape, int item_bytes, int index_type, int mode, double cost_ns)
    CKernel* make_take_gradient(TakeShape shape, int item_type, int index_type, int index_input, int mode,
                                double cost_ns)
    CKernel* make_pick(TakeShape shape, int item_bytes, int index_type, int mode, double cost_ns)
    CKernel* make_pick_gradient(TakeShape shape, int item_bytes, int index_type, int index_input, int mode,
                                double cost_ns)
    CKernel* make_one_hot(int64_t count, int64_t depth, int item_bytes, int index_type, uint64_t on, uint64_t off,
                          double cost_ns)
    CKernel* make_gather_nd(const NdShape& shape, int item_bytes, int index_type, double cost_ns)
    CKernel* make_scatter_nd(const NdShape& shape, int item_type, int index_type, int index_input, int mode,
                             double cost_ns)
    CKernel* make_where(int64_t count, int64_t block, int item_bytes, int condition_type, double cost_ns)
    CKernel* make_where_gradient(int64_t count, int64_t block, int item_bytes, int condition_type, double cost_ns)

cdef extern from *:
    """
    #include <vector>
    typedef std::vector<weft::CopySegment> WeftSegments;
    typedef std::vector<weft::CopyFill> WeftFills;
    """
    cppclass Segments "WeftSegments":
        void resize(size_t)
        CopySegment& operator[](size_t)
        CopySegment* data()
    cppclass Fills "WeftFills":
        void resize(size_t)
        CopyFill& operator[](size_t)
        CopyFill* data()

# MXNet's numbers of the dtypes, which the kernels share.
cdef dict TYPE_CODES = {
    "float32": 0, "float64": 1, "float16": 2, "uint8": 3, "int32": 4, "int8": 5, "int64": 6, "bool": 7,
}
cdef dict MODES = {"clip": 0, "wrap": 1, "raise": 2}

# Rough costs on one core, in ns: a call, a byte moved in order, an element found through an index.
cdef double CALL = 60, BYTE = 0.12, CHOSEN = 1.5


cdef bint known(specs):
    for spec in specs:
        if spec.dtype.name not in TYPE_CODES or len(spec.shape) > kMaxIndexDims:
            return False
    return True


cdef int code(spec) except -1:
    return TYPE_CODES[spec.dtype.name]


cdef uint64_t pattern(value, dtype):
    cdef uint64_t result = 0
    cdef bytes raw = np.asarray(value).astype(dtype).tobytes()
    memcpy(&result, <const char*>raw, len(raw))
    return result


def copy_kernel(list copies, list fills, dtype, nbytes):
    """Return the kernel that fills outputs with zeros, then makes strided copies.

    Parameters
    ----------
    copies : list of (View, View)
        Source on an input and target on an output, of equal shape.
    fills : list of (int, int)
        Output numbers and their sizes in elements.
    dtype : numpy.dtype
        The type of all arrays.
    nbytes : int
        Bytes moved, for the cost estimate.
    """
    cdef Segments segments
    cdef Fills zeros
    cdef CopySegment* segment
    cdef size_t i
    cdef int k
    if dtype.name not in TYPE_CODES:
        return None
    segments.resize(len(copies))
    for i in range(len(copies)):
        source, target = copies[i]
        if len(source.shape) > kMaxCopyDims:
            return None
        if source.shape != target.shape:
            raise ValueError(f"a copy from shape {source.shape} to shape {target.shape}")
        segment = &segments[i]
        segment.source = source.array
        segment.target = target.array
        segment.source_offset = source.offset
        segment.target_offset = target.offset
        segment.ndim = len(source.shape)
        for k in range(segment.ndim):
            segment.dims[k] = source.shape[k]
            segment.source_strides[k] = source.strides[k]
            segment.target_strides[k] = target.strides[k]
    zeros.resize(len(fills))
    for i in range(len(fills)):
        zeros[i].target = fills[i][0]
        zeros[i].count = fills[i][1]
        zeros[i].pattern = 0
    return wrap_kernel(make_copy_kernel(segments.data(), <int>len(copies), zeros.data(), <int>len(fills),
                                        TYPE_CODES[dtype.name], CALL + BYTE * nbytes))


cdef TakeShape along(shape, axis, count):
    cdef TakeShape result
    result.outer = math.prod(shape[:axis])
    result.axis = shape[axis]
    result.inner = math.prod(shape[axis + 1:])
    result.count = count
    return result


def take(attrs, in_specs, out_specs):
    """``take(a, indices)`` along ``attrs.axis``."""
    data, index = in_specs
    if not known(in_specs):
        return None
    cdef TakeShape shape = along(data.shape, attrs.axis % len(data.shape), index.size)
    return wrap_kernel(make_take(shape, data.dtype.itemsize, code(index), MODES[attrs.mode],
                                 CALL + CHOSEN * index.size + BYTE * out_specs[0].nbytes))


def embedding(attrs, in_specs, out_specs):
    """``Embedding(data, weight)``: rows of weight."""
    index, data = in_specs
    if not known(in_specs):
        return None
    return embedding_kernel(index, data, out_specs[0])


cdef extern from *:
    """
    // A kernel that hands its inputs to another one in a different order.
    struct ReorderedKernel : weft::Kernel {
      weft::Kernel* inner;
      int count;
      int order[8];
      explicit ReorderedKernel(weft::Kernel* kernel)
          : weft::Kernel(run_reordered, destroy_reordered, kernel->cost_ns, kernel->flags), inner(kernel), count(0) {}
      static int run_reordered(weft::Kernel* self, const weft::RunArgs* args) {
        const ReorderedKernel* kernel = static_cast<ReorderedKernel*>(self);
        void* inputs[8];
        for (int i = 0; i < kernel->count; ++i) inputs[i] = args->inputs[kernel->order[i]];
        weft::RunArgs changed = *args;
        changed.inputs = inputs;
        return kernel->inner->run(kernel->inner, &changed);
      }
      static void destroy_reordered(weft::Kernel* self) {
        weft::kernel_release(static_cast<ReorderedKernel*>(self)->inner);
        delete static_cast<ReorderedKernel*>(self);
      }
    };
    """
    cdef cppclass ReorderedKernel(CKernel):
        ReorderedKernel(CKernel* kernel)
        int count
        int order[8]


def reordered(Kernel kernel, tuple order):
    """Return a kernel that calls ``kernel`` with its own inputs number ``order[0]``, ``order[1]`` ..."""
    cdef int i
    cdef ReorderedKernel* result
    if len(order) > 8:
        raise ValueError(f"order has {len(order)} entries, expected at most 8")
    kernel_retain(kernel.pointer)
    result = new ReorderedKernel(kernel.pointer)
    result.count = <int>len(order)
    for i in range(result.count):
        result.order[i] = order[i]
    return wrap_kernel(result)


cdef Kernel embedding_kernel(index, data, out):
    cdef TakeShape shape = along(data.shape, 0, index.size)
    take = wrap_kernel(make_take(shape, data.dtype.itemsize, code(index), 0,
                                 CALL + CHOSEN * index.size + BYTE * out.nbytes))
    return reordered(take, (1, 0))


cdef Kernel take_gradient(data, index, int index_input, axis, mode, out):
    cdef TakeShape shape = along(data.shape, axis, index.size)
    cdef double cost = CALL + CHOSEN * index.size * shape.inner * shape.outer + BYTE * out.nbytes
    return wrap_kernel(make_take_gradient(shape, code(data), code(index), index_input, MODES[mode], cost))


def backward_take(attrs, in_specs, out_specs):
    """``_backward_take(out_grad, a, indices)``: gradients added up in the rows they came from."""
    data, index = in_specs[1], in_specs[2]
    if not known(in_specs) or data.dtype.name == "bool":
        return None
    return take_gradient(data, index, 2, attrs.axis % len(data.shape), attrs.mode, out_specs[0])


def backward_embedding(attrs, in_specs, out_specs):
    """``_backward_Embedding(out_grad, data, weight)``: the gradient of weight."""
    index, data = in_specs[1], in_specs[2]
    if not known(in_specs) or data.dtype.name == "bool":
        return None
    return take_gradient(data, index, 1, 0, "clip", out_specs[0])


def pick(attrs, in_specs, out_specs):
    """``pick(data, index)`` along ``attrs.axis``."""
    data, index = in_specs
    if not known(in_specs):
        return None
    cdef TakeShape shape = along(data.shape, attrs.axis % len(data.shape), 0)
    return wrap_kernel(make_pick(shape, data.dtype.itemsize, code(index), MODES[attrs.mode],
                                 CALL + 2 * CHOSEN * index.size))


def backward_pick(attrs, in_specs, out_specs):
    """``_backward_pick(out_grad, data, index)``: zeros but for the picked elements."""
    data, index = in_specs[1], in_specs[2]
    if not known(in_specs):
        return None
    cdef TakeShape shape = along(data.shape, attrs.axis % len(data.shape), 0)
    return wrap_kernel(make_pick_gradient(shape, data.dtype.itemsize, code(index), 2, MODES[attrs.mode],
                                          CALL + 2 * CHOSEN * index.size + BYTE * out_specs[0].nbytes))


def one_hot(attrs, in_specs, out_specs):
    """``one_hot(indices)``."""
    index, out = in_specs[0], out_specs[0]
    if not known(in_specs) or not known(out_specs):
        return None
    return wrap_kernel(make_one_hot(index.size, attrs.depth, out.dtype.itemsize, code(index),
                                    pattern(attrs.on_value, out.dtype), pattern(attrs.off_value, out.dtype),
                                    CALL + CHOSEN * index.size + BYTE * out.nbytes))


cdef NdShape nd_shape(shape, index):
    cdef NdShape result
    cdef int i
    result.ndim = index.shape[0]
    for i in range(result.ndim):
        result.dims[i] = shape[i]
    result.count = math.prod(index.shape[1:])
    result.block = math.prod(shape[result.ndim:])
    return result


def gather_nd(attrs, in_specs, out_specs):
    """``gather_nd(data, indices)``."""
    data, index = in_specs
    if not known(in_specs):
        return None
    return wrap_kernel(make_gather_nd(nd_shape(data.shape, index), data.dtype.itemsize, code(index),
                                      CALL + 2 * CHOSEN * index.size + BYTE * out_specs[0].nbytes))


cdef Kernel scatter(index, out, int mode, int index_input):
    cdef double cost = CALL + 3 * CHOSEN * index.size + 2 * BYTE * out.nbytes
    return wrap_kernel(make_scatter_nd(nd_shape(out.shape, index), code(out), code(index), index_input, mode, cost))


def scatter_nd(attrs, in_specs, out_specs):
    """``scatter_nd(data, indices)``: the last of equal indices stays."""
    return scatter(in_specs[1], out_specs[0], 0, 1) if known(in_specs) else None


def backward_gather_nd(attrs, in_specs, out_specs, int input=1):
    """``_backward_gather_nd(data, indices)``: values of equal indices add up."""
    if not known(in_specs) or out_specs[0].dtype.name == "bool":
        return None
    return scatter(in_specs[1], out_specs[0], 1, input)


def scatter_set_nd(attrs, in_specs, out_specs):
    """``_scatter_set_nd(lhs, rhs, indices)``: lhs with rhs written into it."""
    return scatter(in_specs[2], out_specs[0], 2, 2) if known(in_specs) else None


def where(attrs, in_specs, out_specs):
    """``where(condition, x, y)``."""
    condition, out = in_specs[0], out_specs[0]
    if not known(in_specs):
        return None
    block = out.size // condition.size if condition.size else 1
    return wrap_kernel(make_where(condition.size, block, out.dtype.itemsize, code(condition),
                                  CALL + 2 * BYTE * out.nbytes))


def backward_where(attrs, in_specs, out_specs):
    """``_backward_where(out_grad, condition)``: the gradients of x and y."""
    condition, out = in_specs[1], out_specs[0]
    if not known(in_specs):
        return None
    block = out.size // condition.size if condition.size else 1
    return wrap_kernel(make_where_gradient(condition.size, block, out.dtype.itemsize, code(condition),
                                           CALL + 3 * BYTE * out.nbytes))
