"""Kernel builders for activations and softmax layers; the names are those of the operators in snake case."""

import math

import numpy as np

from libc.stdint cimport int64_t
from libcpp cimport bool as cbool

from ..kernel cimport CKernel, Kernel, kernel_or_none
from .elementwise cimport DType, dtype_code

from .elementwise import ufunc_builder

cdef extern from "ops/cpu/softmax.hpp" namespace "weft" nogil:
    cdef cppclass SoftmaxSpec:
        DType type
        int64_t outer, n, inner
        double scale
        cbool log
        DType lengths

    CKernel* make_softmax(const SoftmaxSpec& spec)
    CKernel* make_softmax_backward(const SoftmaxSpec& spec)

    cdef cppclass CrossEntropySpec:
        DType type
        int64_t outer, n, inner
        cbool probabilities, multiply_head, use_ignore, divide_by_valid
        double ignore_label, grad_scale, divisor, smooth_alpha

    CKernel* make_cross_entropy_backward(const CrossEntropySpec& spec)

__all__ = [
    "activation", "backward_activation", "backward_leaky_relu", "backward_log_softmax", "backward_softmax",
    "backward_softmax_activation", "backward_softmax_output", "backward_softmin", "leaky_relu", "log_softmax", "softmax",
    "softmax_activation", "softmax_output", "softmin",
]

# ---- activations -----------------------------------------------------------------------------------------------------------

cdef dict ACTIVATIONS = {
    name: (ufunc_builder(name), ufunc_builder(f"grad_{name}")) for name in ("relu", "sigmoid", "tanh", "softsign", "softrelu")
}
ACTIVATIONS["relu"] = ufunc_builder("relu"), ufunc_builder("grad_step")
ACTIVATIONS["log_sigmoid"] = ufunc_builder("log_sigmoid"), ufunc_builder("grad_log_sigmoid")

cdef dict LEAKY = {
    "leaky": (ufunc_builder("leaky_relu", params=("slope",)), ufunc_builder("grad_leaky_relu", params=("slope",), inputs=(0, 1))),
    "gelu": (ufunc_builder("gelu"), ufunc_builder("grad_gelu", inputs=(0, 1))),
    "selu": (ufunc_builder("selu"), ufunc_builder("grad_selu_x", inputs=(0, 1))),
    "elu": (ufunc_builder("elu", params=("slope",)), ufunc_builder("grad_elu_x", params=("slope",), inputs=(0, 1))),
}
cdef object PRELU = ufunc_builder("prelu")


def activation(attrs, in_specs, out_specs):
    """Activation: one of its functions, element by element."""
    found = ACTIVATIONS.get(attrs.act_type)
    return None if found is None else found[0](attrs, in_specs, out_specs)


def describe_activation(attrs, in_specs, out_specs):
    """The loop of activation."""
    found = ACTIVATIONS.get(attrs.act_type)
    return None if found is None else found[0].describe(attrs, in_specs, out_specs)


def backward_activation(attrs, in_specs, out_specs):
    """Gradient of Activation, from its result (softsign: its argument)."""
    found = ACTIVATIONS.get(attrs.act_type)
    return None if found is None else found[1](attrs, in_specs, out_specs)


def describe_backward_activation(attrs, in_specs, out_specs):
    """The loop of backward_activation."""
    found = ACTIVATIONS.get(attrs.act_type)
    return None if found is None else found[1].describe(attrs, in_specs, out_specs)


def leaky_relu(attrs, in_specs, out_specs):
    """LeakyReLU, but for the kind that draws its slopes."""
    found = LEAKY.get(attrs.act_type)
    if attrs.act_type == "prelu" and len(in_specs) == 2 and len(out_specs) == 1:
        data, gamma = in_specs
        # One slope for each channel, or one for all.
        if len(gamma.shape) != 1 or gamma.shape[0] not in (1, data.shape[min(1, len(data.shape) - 1)]):
            return None
        after = (1,) * max(0, len(data.shape) - 2) if gamma.shape[0] > 1 else ()
        return PRELU(attrs, [data, Seen((gamma.shape[0], *after), gamma.dtype)], out_specs)
    if found is None or len(in_specs) != 1 or len(out_specs) != 1:
        return None
    return found[0](attrs, in_specs, out_specs)


def describe_leaky_relu(attrs, in_specs, out_specs):
    """The loop of leaky_relu, but for slopes that are an input."""
    found = LEAKY.get(attrs.act_type)
    if found is None or len(in_specs) != 1 or len(out_specs) != 1:
        return NotImplemented
    return found[0].describe(attrs, in_specs, out_specs)


def backward_leaky_relu(attrs, in_specs, out_specs):
    """Gradient of LeakyReLU from its argument, where one loop computes it."""
    found = LEAKY.get(attrs.act_type)
    if found is None or found[1] is None or len(out_specs) != 1:
        return None
    return found[1](attrs, in_specs, out_specs)


def describe_backward_leaky_relu(attrs, in_specs, out_specs):
    """The loop of backward_leaky_relu."""
    found = LEAKY.get(attrs.act_type)
    if found is None or found[1] is None or len(out_specs) != 1:
        return NotImplemented
    return found[1].describe(attrs, in_specs, out_specs)


activation.describe = describe_activation
backward_activation.describe = describe_backward_activation
leaky_relu.describe = describe_leaky_relu
backward_leaky_relu.describe = describe_backward_leaky_relu

# ---- softmax ---------------------------------------------------------------------------------------------------------------

cdef Kernel softmax_kernel(attrs, in_specs, out_specs, double sign, bint log, bint backward, object axis):
    cdef SoftmaxSpec spec
    data, out = in_specs[0], out_specs[0]
    shape = data.shape
    if out.dtype != data.dtype or (backward and in_specs[1].dtype != data.dtype) or not shape:
        return None
    spec.type = dtype_code(data.dtype)
    axis = axis + len(shape) if axis < 0 else axis
    spec.outer, spec.n, spec.inner = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1:])
    temperature = getattr(attrs, "temperature", None)
    spec.scale = sign / (1.0 if temperature is None else float(temperature))
    spec.log = log
    spec.lengths = DType.kOther
    if not backward and len(in_specs) > 1:
        if log:
            return None
        spec.lengths = dtype_code(in_specs[1].dtype)
        if spec.lengths != DType.kInt32 and spec.lengths != DType.kInt64:
            return None
    return kernel_or_none(make_softmax_backward(spec) if backward else make_softmax(spec))


def softmax(attrs, in_specs, out_specs):
    """Softmax along ``axis``."""
    return softmax_kernel(attrs, in_specs, out_specs, 1, False, False, attrs.axis)


def softmin(attrs, in_specs, out_specs):
    """Softmax of the negated data."""
    return softmax_kernel(attrs, in_specs, out_specs, -1, False, False, attrs.axis)


def log_softmax(attrs, in_specs, out_specs):
    """Logarithm of softmax."""
    return softmax_kernel(attrs, in_specs, out_specs, 1, True, False, attrs.axis)


def backward_softmax(attrs, in_specs, out_specs):
    """Gradient of softmax from the gradient of its result and the result."""
    return softmax_kernel(attrs, in_specs, out_specs, 1, False, True, attrs.axis)


def backward_softmin(attrs, in_specs, out_specs):
    """Gradient of softmin."""
    return softmax_kernel(attrs, in_specs, out_specs, -1, False, True, attrs.axis)


def backward_log_softmax(attrs, in_specs, out_specs):
    """Gradient of log_softmax."""
    return softmax_kernel(attrs, in_specs, out_specs, 1, True, True, attrs.axis)


cdef object _as_matrix(object specs):
    """Specs of the same arrays seen as (first axis, all others)."""
    return [Seen((item.shape[0], math.prod(item.shape[1:])), item.dtype) for item in specs]


cdef class Seen:
    """An array's spec with another shape."""

    cdef readonly tuple shape
    cdef readonly object dtype

    def __init__(self, tuple shape, dtype):
        self.shape = shape
        self.dtype = np.dtype(dtype)


def softmax_activation(attrs, in_specs, out_specs):
    """SoftmaxActivation: over axis 1, or over the last."""
    return softmax_kernel(attrs, in_specs, out_specs, 1, False, False, 1 if attrs.mode == "channel" else -1)


def backward_softmax_activation(attrs, in_specs, out_specs):
    """Gradient of SoftmaxActivation from its result."""
    return softmax_kernel(attrs, in_specs, out_specs, 1, False, True, 1 if attrs.mode == "channel" else -1)


def softmax_output(attrs, in_specs, out_specs):
    """SoftmaxOutput's forward: the label is not looked at."""
    data = in_specs[:1]
    if attrs.multi_output:
        return softmax_kernel(attrs, data, out_specs, 1, False, False, 1)
    if attrs.preserve_shape:
        return softmax_kernel(attrs, data, out_specs, 1, False, False, -1)
    return softmax_kernel(attrs, _as_matrix(data), _as_matrix(out_specs), 1, False, False, 1)


def backward_softmax_output(attrs, in_specs, out_specs):
    """Gradient of softmax with cross entropy: ``out - one_hot(label)``, scaled; inputs out_grad, out, label."""
    cdef CrossEntropySpec spec
    out, label = in_specs[1], in_specs[2]
    shape = out.shape
    if any(item.dtype != out.dtype for item in (*in_specs, *out_specs)):
        return None
    axis = 1 if attrs.multi_output else len(shape) - 1
    spec.type = dtype_code(out.dtype)
    spec.outer, spec.n, spec.inner = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1:])
    spec.probabilities = tuple(label.shape) == tuple(shape)
    spec.multiply_head = attrs.out_grad
    spec.use_ignore = attrs.use_ignore
    spec.ignore_label = attrs.ignore_label
    spec.grad_scale = attrs.grad_scale
    spec.smooth_alpha = 0 if attrs.multi_output else attrs.smooth_alpha
    # One label for each place: MXNet averages over the places of a sample in multi_output, never otherwise.
    labels = math.prod(label.shape)
    places = labels // max(1, shape[0]) if attrs.multi_output else 1
    if attrs.normalization == "batch":
        places *= shape[0] if attrs.multi_output else labels
    spec.divisor = max(1, places)
    spec.divide_by_valid = attrs.normalization == "valid"
    if not spec.probabilities and labels != spec.outer * spec.inner:
        return None
    return kernel_or_none(make_cross_entropy_backward(spec))
