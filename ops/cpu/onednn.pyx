# cython: wraparound=True, boundscheck=True
"""Kernel builders on oneDNN: float32 matrix products and convolutions, forward and backward.

Every builder takes ``(attrs, in_specs, out_specs)`` and returns a kernel, or None where it does not apply: the next
tier is used then.
"""

import math
import os

from libc.stdint cimport int64_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

from ..kernel cimport CKernel, Kernel, kernel_or_none

from . import onednn_library

cdef extern from "ops/cpu/onednn_api.hpp" namespace "weft::dnnl" nogil:
    struct Version:
        int major
        int minor
        int patch
    struct Api:
        const Version* (*version)() noexcept nogil
    const Api* api()
    cbool open_library(const char* path, char* error, size_t error_bytes)

cdef extern from "ops/cpu/onednn.hpp" namespace "weft::dnnl" nogil:
    cppclass MatrixProduct:
        int64_t batch, m, n, k
        cbool transpose_lhs, transpose_rhs
    CKernel* make_matrix_product(const MatrixProduct& product)

    cppclass FullyConnected:
        int64_t rows, depth, units
        cbool bias, relu
    cppclass Wanted:
        cbool data, weight, bias
    CKernel* make_fully_connected(const FullyConnected& layer)
    CKernel* make_backward_fully_connected(const FullyConnected& layer, const Wanted& wanted)

    enum class Activation(int):
        kNone
        kRelu
        kSigmoid
        kTanh
        kSoftRelu
        kElu
        kGelu
        kClip

    cppclass Convolution:
        int64_t batch, in_channels, out_channels, groups
        vector[int64_t] in_ "in"
        vector[int64_t] out, kernel, stride, dilate, pad
        cbool bias
        int64_t block
        cbool plain_data, packed, residual, winograd
        Activation activation
        float alpha, beta
    CKernel* make_pack_weight(const Convolution& layer)
    void c_allow_winograd "weft::dnnl::allow_winograd"(cbool allowed)
    cbool c_winograd_suits "weft::dnnl::winograd_suits"(const Convolution& layer)
    int64_t c_preferred_block "weft::dnnl::preferred_block"()
    CKernel* make_convolution(const Convolution& layer)
    CKernel* make_backward_convolution(const Convolution& layer, const Wanted& wanted)
    CKernel* make_deconvolution(const Convolution& layer)
    CKernel* make_backward_deconvolution(const Convolution& layer, const Wanted& wanted)


cdef bint _tried = False
_problems = []


cdef bint _ready():
    """Open the library on first use."""
    global _tried
    cdef char error[512]
    cdef bytes path
    if not _tried:
        _tried = True
        c_allow_winograd(os.environ.get("WEFT_WINOGRAD", "1").strip().lower() not in ("0", "false", "off"))
        candidates = onednn_library.candidates()
        if len(candidates) == 1:  # nothing found: only the loader's own search
            _problems.extend(onednn_library.lost_files())
        for candidate in candidates:
            path = candidate.encode()
            if open_library(path, error, sizeof(error)):
                break
            _problems.append(f"{candidate}: {(<bytes> error).decode(errors='replace')}")
    return api() != NULL


def available() -> bool:
    """Whether oneDNN is there and in use.

    >>> isinstance(available(), bool)
    True
    """
    return bool(_ready())


def version() -> str | None:
    """Return the version of the oneDNN in use, or None.

    >>> version() is None or version().startswith("3.")
    True
    """
    if not _ready():
        return None
    cdef const Version* found = api().version()
    return f"{found.major}.{found.minor}.{found.patch}"


def problems() -> list[str]:
    """Return why libraries that were found could not be used.

    >>> all(isinstance(problem, str) for problem in problems())
    True
    """
    _ready()
    return list(_problems)


cdef bint _fits(in_specs, out_specs):
    """Whether every array is float32 and not empty."""
    for spec in (*in_specs, *out_specs):
        if spec.dtype.char != "f" or spec.size == 0:
            return False
    return _ready()


# ---- matrix products -------------------------------------------------------------------------------------------------


def dot(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``dot``: the last axis of lhs (first if transposed) against the first of rhs (last if transposed)."""
    if not _fits(in_specs, out_specs):
        return None
    lhs, rhs = in_specs[0].shape, in_specs[1].shape
    cdef MatrixProduct product
    product.batch = 1
    product.transpose_lhs = attrs.transpose_a and len(lhs) > 1
    product.transpose_rhs = attrs.transpose_b and len(rhs) > 1
    product.k = lhs[0] if product.transpose_lhs else lhs[-1]
    product.m = in_specs[0].size // product.k
    product.n = in_specs[1].size // product.k
    if product.k != (rhs[-1] if product.transpose_rhs else rhs[0]) or product.m * product.n != out_specs[0].size:
        return None
    return kernel_or_none(make_matrix_product(product))


def batch_dot(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``batch_dot``: a matrix product for each index of the leading axes."""
    if not _fits(in_specs, out_specs):
        return None
    lhs, rhs = in_specs[0].shape, in_specs[1].shape
    if len(lhs) < 2 or lhs[:-2] != rhs[:-2]:
        return None
    cdef MatrixProduct product
    product.batch = math.prod(lhs[:-2])
    product.transpose_lhs = attrs.transpose_a
    product.transpose_rhs = attrs.transpose_b
    product.m, product.k = lhs[:-3:-1] if attrs.transpose_a else lhs[-2:]
    product.n = rhs[-2] if attrs.transpose_b else rhs[-1]
    return kernel_or_none(make_matrix_product(product))


cdef FullyConnected _linear(attrs, data, weight):
    cdef FullyConnected layer
    layer.units, layer.depth = weight.shape
    layer.rows = data.size // layer.depth
    layer.bias = not attrs.no_bias
    return layer


cdef Wanted _wanted(attrs):
    cdef Wanted wanted
    wanted.data = attrs.wanted & 1
    wanted.weight = attrs.wanted & 2
    wanted.bias = attrs.wanted & 4 and not attrs.no_bias
    return wanted


def fully_connected(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``FullyConnected``."""
    if not _fits(in_specs, out_specs):
        return None
    return kernel_or_none(make_fully_connected(_linear(attrs, in_specs[0], in_specs[1])))


def fused_fully_connected(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_fused_FullyConnected``."""
    cdef FullyConnected layer
    if not _fits(in_specs, out_specs):
        return None
    layer = _linear(attrs, in_specs[0], in_specs[1])
    layer.relu = attrs.relu
    return kernel_or_none(make_fully_connected(layer))


def backward_fully_connected(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_FullyConnected``."""
    if not _fits(in_specs, out_specs):
        return None
    return kernel_or_none(make_backward_fully_connected(_linear(attrs, in_specs[1], in_specs[2]), _wanted(attrs)))


# ---- convolutions ----------------------------------------------------------------------------------------------------


cdef object _fill_window(Convolution* layer, attrs, pads, wide, narrow):
    """Set spatial shapes and window; `wide` is the side with pixels, `narrow` the side with results."""
    rank = len(attrs.kernel)
    layer.batch = wide[0]
    layer.in_channels, layer.out_channels = wide[1], narrow[1]
    for size in wide[2:]:
        layer.in_.push_back(size)
    for size in narrow[2:]:
        layer.out.push_back(size)
    ones = (1,) * rank
    for kernel, stride, dilate, pad in zip(attrs.kernel, attrs.stride or ones, attrs.dilate or ones, pads or (0,) * rank):
        layer.kernel.push_back(kernel)
        layer.stride.push_back(stride)
        layer.dilate.push_back(dilate)
        layer.pad.push_back(pad)


cdef bint _channels_first(attrs, shape):
    return not (attrs.layout and attrs.layout.endswith("C")) and 3 <= len(shape) <= 5


def convolution(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``Convolution`` for channels-first layouts."""
    data, out = in_specs[0].shape, out_specs[0].shape
    if not _channels_first(attrs, data) or not _fits(in_specs, out_specs):
        return None
    cdef Convolution layer
    _fill_window(&layer, attrs, attrs.pad, data, out)
    layer.groups = attrs.num_group
    layer.bias = not attrs.no_bias
    return kernel_or_none(make_convolution(layer))


def backward_convolution(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_Convolution`` for channels-first layouts."""
    out_grad, data = in_specs[0].shape, in_specs[1].shape
    if not _channels_first(attrs, data) or not _fits(in_specs, out_specs):
        return None
    cdef Convolution layer
    _fill_window(&layer, attrs, attrs.pad, data, out_grad)
    layer.groups = attrs.num_group
    layer.bias = False
    return kernel_or_none(make_backward_convolution(layer, _wanted(attrs)))


# ---- convolutions of graphs: blocks of channels, functions of the result ---------------------------------------------

cdef dict ACTIVATIONS = {
    "none": Activation.kNone, "relu": Activation.kRelu, "sigmoid": Activation.kSigmoid, "tanh": Activation.kTanh,
    "softrelu": Activation.kSoftRelu, "leaky": Activation.kRelu, "elu": Activation.kElu, "gelu": Activation.kGelu,
    "clip": Activation.kClip,
}


def preferred_block() -> int:
    """Return how many channels oneDNN likes side by side on this CPU: 8, 16, or 0 for none.

    >>> preferred_block() in (0, 8, 16)
    True
    """
    return c_preferred_block() if _ready() else 0


cdef object _plain_shape(shape):
    """Return (N, C, H, W) of an array that may be blocked."""
    return shape if len(shape) == 4 else (shape[0], shape[1] * shape[4], shape[2], shape[3])


cdef object _fill_fused(Convolution* layer, attrs, data, out):
    _fill_window(layer, attrs, attrs.pad, _plain_shape(data), _plain_shape(out))
    layer.groups = attrs.num_group
    layer.bias = not attrs.no_bias
    layer.block = out[4] if len(out) == 5 else 0
    layer.plain_data = len(data) == 4


cdef object _fill_function(Convolution* layer, attrs):
    layer.activation = ACTIVATIONS[attrs.act_type]
    # oneDNN reads alpha as a slope or sharpness of functions that have none here.
    layer.alpha = {"relu": 0.0, "softrelu": 1.0}.get(attrs.act_type, attrs.alpha)
    layer.beta = attrs.beta


def fused_convolution(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_fused_Convolution`` and ``_blocked_Convolution``: with a residual and a function of the result."""
    if not _fits(in_specs, out_specs):
        return None
    cdef Convolution layer
    _fill_fused(&layer, attrs, in_specs[0].shape, out_specs[0].shape)
    _fill_function(&layer, attrs)
    layer.winograd = attrs.weight_format == "winograd"
    layer.packed = attrs.weight_format == "packed"
    layer.residual = attrs.residual
    if attrs.residual and not layer.block and attrs.act_type not in ("none", "relu"):
        return None
    return kernel_or_none(make_convolution(layer))


def winograd_suits(attrs, data, out) -> bool:
    """Return whether a blocked convolution of arrays of these shapes should have its weights transformed beforehand.

    >>> from weft.ops import registry
    >>> attrs = registry.get("_blocked_Convolution").attrs(kernel=(1, 1), num_filter=64)
    >>> winograd_suits(attrs, (1, 8, 56, 56, 8), (1, 8, 56, 56, 8))
    False
    """
    cdef Convolution layer
    if not _ready():
        return False
    _fill_fused(&layer, attrs, data, out)
    _fill_function(&layer, attrs)
    return c_winograd_suits(layer)


def backward_blocked_convolution(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_blocked_Convolution``."""
    if not _fits(in_specs, out_specs):
        return None
    cdef Convolution layer
    _fill_fused(&layer, attrs, in_specs[1].shape, in_specs[0].shape)
    layer.bias = False
    return kernel_or_none(make_backward_convolution(layer, _wanted(attrs)))


def pack_weight(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_pack_weight``."""
    if not _fits(in_specs, out_specs):
        return None
    cdef Convolution layer
    weight = in_specs[0].shape
    layer.out_channels, layer.in_channels, layer.groups, layer.batch = weight[0], weight[1], 1, 1
    for size in weight[2:]:
        layer.kernel.push_back(size)
        layer.dilate.push_back(1)
    layer.block, layer.plain_data = attrs.block, attrs.plain_data
    layer.winograd = attrs.winograd
    if layer.winograd:  # the size of the data does not matter here
        for size in (1, 1):
            layer.stride.push_back(size)
            layer.pad.push_back(size)
            layer.in_.push_back(size)
            layer.out.push_back(size)
        layer.activation = Activation.kNone
    return kernel_or_none(make_pack_weight(layer))


def deconvolution(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``Deconvolution`` for channels-first layouts."""
    data, out = in_specs[0].shape, out_specs[0].shape
    if not _channels_first(attrs, data) or not _fits(in_specs, out_specs):
        return None
    from ..nn_conv import deconv_geometry

    cdef Convolution layer
    _fill_window(&layer, attrs, deconv_geometry(attrs, data)[0].pad, out, data)
    layer.groups = attrs.num_group
    layer.bias = not attrs.no_bias
    return kernel_or_none(make_deconvolution(layer))


def backward_deconvolution(attrs, in_specs, out_specs) -> Kernel | None:
    """Build ``_backward_Deconvolution`` for channels-first layouts."""
    out_grad, data = in_specs[0].shape, in_specs[1].shape
    if not _channels_first(attrs, data) or not _fits(in_specs, out_specs):
        return None
    from ..nn_conv import deconv_geometry

    cdef Convolution layer
    _fill_window(&layer, attrs, deconv_geometry(attrs, data)[0].pad, out_grad, data)
    layer.groups = attrs.num_group
    layer.bias = False
    return kernel_or_none(make_backward_deconvolution(layer, _wanted(attrs)))
