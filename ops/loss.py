"""Loss layers: the forward pass is the prediction, the backward pass starts from the loss that the layer stands for."""

from __future__ import annotations

import math

import numpy as np

from . import partial
from .functions import F
from .nn_common import backward_call, check_named_shape, compute_dtype, float_dtypes, native, put
from .nn_softmax import softmax
from .registry import Bool, Enum, Float, operator
from .rules import first_shape
from .special import sigmoid

_LABELS = {"label": "Labels; they get no gradient.", "out": "Result of the forward call.", "head_grad": "Gradient of the output."}


def _wide(*arrays):
    return [array.astype(compute_dtype(array.dtype), copy=False) for array in arrays]


def _cost(attrs, ins, outs):
    return 300 + 2.0 * math.prod(ins[0])


# ---- SoftmaxOutput -----------------------------------------------------------------------------------------------------

_SOFTMAX = (
    Float("grad_scale", 1.0, doc="Factor on the gradient."),
    Float("ignore_label", -1.0, doc="Label whose places get no gradient, with ``use_ignore``."),
    Bool("multi_output", False, doc="Classes lie along axis 1; every other place has a label of its own."),
    Bool("use_ignore", False, doc="Whether ``ignore_label`` has a meaning."),
    Bool("preserve_shape", False, doc="Classes lie along the last axis."),
    Enum(
        "normalization",
        ("batch", "null", "valid"),
        "null",
        doc="What the gradient is divided by: nothing, the batch size, or the number of labels not ignored.",
    ),
    Bool("out_grad", False, doc="Multiply the gradient by that of the output."),
    Float("smooth_alpha", 0.0, low=0, high=1, doc="Share of the label that is spread over the other classes."),
)


def _label_shape(attrs, data):
    return (data[0], *data[2:]) if attrs.multi_output else data[:-1]


def _softmax_shape(attrs, shapes):
    data, label = shapes
    if len(data) < 2:
        raise ValueError(f"data has {len(data)} axes, expected at least 2")
    if label == data:
        return [data]
    expected = _label_shape(attrs, data)
    if attrs.multi_output:
        # The places may be given in any arrangement of the same size.
        if label and label[0] == data[0] and math.prod(label) == math.prod(expected):
            return [data]
    check_named_shape("label", label, expected)
    return [data]


def _softmax_infer(attrs, shapes):
    data, label = shapes
    if data is None or (label is not None and 0 not in label):
        return [data, label]
    expected = _label_shape(attrs, data)
    if label is None and attrs.multi_output and len(data) > 1:
        # MXNet counts the places of a sample in one axis, where nothing else is known of the label.
        return [data, (data[0], math.prod(data[2:]))]
    return [data, expected if label is None or len(label) == len(expected) else label]


def _class_axis(attrs, ndim):
    return 1 if attrs.multi_output else ndim - 1


def _softmax_forward(attrs, ins, outs):
    (data,) = _wide(ins[0])
    if attrs.multi_output or attrs.preserve_shape:
        put(outs[0], softmax(data, _class_axis(attrs, data.ndim)))
    else:
        # MXNet's default sees each sample as one vector, even where there are several labels for each sample.
        put(outs[0], softmax(data.reshape(len(data), math.prod(data.shape[1:])), 1))


def _softmax_backward(attrs, ins, outs):
    head, out, label = _wide(*ins)
    if label.shape == out.shape:
        grad = (out - label) * attrs.grad_scale
    else:
        grad = _class_gradient(attrs, out, label)
    put(outs[0], grad * head if attrs.out_grad else grad)


def _class_gradient(attrs, out, label):
    axis = _class_axis(attrs, out.ndim)
    chance = np.moveaxis(out, axis, -1)
    places = label.reshape(chance.shape[:-1])
    classes = chance.shape[-1]
    # Labels outside of the classes match none.
    hit = np.arange(classes) == np.trunc(places)[..., None]
    target = hit.astype(out.dtype)
    if attrs.smooth_alpha and not attrs.multi_output:
        alpha = attrs.smooth_alpha
        target = np.where(hit, 1 - alpha, alpha / max(1, classes - 1)).astype(out.dtype)
    grad = chance - target
    valid = places.size
    if attrs.use_ignore:
        ignored = places == attrs.ignore_label
        grad[ignored] = 0
        valid -= np.count_nonzero(ignored)
    scale = attrs.grad_scale / _divisor(attrs, out.shape, places.size, valid)
    return np.moveaxis(grad, -1, axis) * out.dtype.type(scale)


def _divisor(attrs, shape, labels, valid):
    if attrs.normalization == "valid":
        return max(1, valid)
    # One label for each place: MXNet averages over places of a sample in multi_output, never otherwise.
    places = labels // max(1, shape[0]) if attrs.multi_output else 1
    if attrs.normalization == "batch":
        return max(1, places * (shape[0] if attrs.multi_output else labels))
    return max(1, places)


operator(
    "SoftmaxOutput",
    aliases=("Softmax",),
    inputs=("data", "label"),
    params=_SOFTMAX,
    shape=_softmax_shape,
    infer_partial=partial.like_data,
    infer_inputs=_softmax_infer,
    dtype=float_dtypes,
    gradient=lambda ctx, grad: [
        backward_call("_backward_SoftmaxOutput", [grad, ctx.outputs[0], ctx.inputs[1]], ctx.attrs),
        None,
    ],
    inplace=((0, 0),),
    loss=lambda attrs: not attrs.out_grad,
    cpu=(native("softmax_output", "nn"),),
    numpy=_softmax_forward,
    cost=_cost,
    doc="""Softmax over the classes. Its gradient is that of the cross entropy with ``label``, ``softmax(data) -
    one_hot(label)``, whatever the gradient of the output (unless ``out_grad``). A label of data's shape holds
    probabilities.""",
    input_docs=_LABELS,
    examples="""
    >>> from weft import nd
    >>> nd.SoftmaxOutput(nd.zeros((1, 2)), nd.zeros(1)).asnumpy()
    array([[0.5, 0.5]], dtype=float32)
    """,
)
operator(
    "_backward_SoftmaxOutput",
    # Not "out_grad": that is a parameter.
    inputs=("head_grad", "out", "label"),
    params=_SOFTMAX,
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=float_dtypes,
    inplace=((0, 0), (1, 0)),
    cpu=(native("backward_softmax_output", "nn"),),
    numpy=_softmax_backward,
    cost=_cost,
    doc="""Gradient of the cross entropy that SoftmaxOutput stands for, in the data.""",
    input_docs=_LABELS,
)

# ---- regression outputs ------------------------------------------------------------------------------------------------

_REGRESSION = (Float("grad_scale", 1.0, doc="Factor on the gradient."),)


def _regression_shape(attrs, shapes):
    data, label = shapes
    if math.prod(label) != math.prod(data) or label[:1] != data[:1]:
        raise ValueError(f"label has shape {label}, expected {data} like data")
    return [data]


def _regression_infer(attrs, shapes):
    data, label = shapes
    if label is None and data is not None:
        # A column of predictions goes with a vector of labels.
        label = data[:1] if len(data) == 2 and data[1] == 1 else data
    return [data, label]


def _regression_partial(op, attrs, ins, outs):
    # Whether the label has the data's axes or one less hangs on the number of outputs of a sample.
    shape = partial.merge(outs[0], ins[0], "output 0")
    if shape is None or (len(shape) == 2 and not shape[1]):
        return [shape, ins[1]], [shape]
    return partial.forward(op, attrs, [shape, ins[1]], [shape])


def _regression_backward(slope):
    def kernel(attrs, ins, outs):
        out, label = _wide(*ins[1:])
        # The gradient is averaged over the outputs of a sample, not over the batch.
        outputs = max(1, label.size // max(1, label.shape[0]))
        put(outs[0], slope(out, label.reshape(out.shape)) * out.dtype.type(attrs.grad_scale / outputs))

    return kernel


def _declare_regression(name, backward, aliases, forward, slope, builders, doc):
    def kernel(attrs, ins, outs):
        put(outs[0], forward(_wide(ins[0])[0]))

    operator(
        name,
        aliases=aliases,
        inputs=("data", "label"),
        params=_REGRESSION,
        shape=_regression_shape,
        infer_partial=_regression_partial,
        infer_inputs=_regression_infer,
        dtype=float_dtypes,
        gradient=lambda ctx, grad: [
            getattr(F, backward)(grad, ctx.outputs[0], ctx.inputs[1], grad_scale=ctx.attrs.grad_scale),
            None,
        ],
        loss=True,
        cpu=(native(builders[0], "losses"),),
        numpy=kernel,
        cost=_cost,
        doc=doc,
        input_docs=_LABELS,
        examples=f"""
        >>> from weft import nd
        >>> nd.{name}(nd.zeros((1, 1)), nd.ones((1, 1))).shape
        (1, 1)
        """,
    )
    operator(
        backward,
        inputs=("out_grad", "out", "label"),
        params=_REGRESSION,
        shape=lambda attrs, shapes: [shapes[1]],
        dtype=float_dtypes,
        cpu=(native(builders[1], "losses"),),
        numpy=_regression_backward(slope),
        cost=_cost,
        doc=f"""Gradient of the loss that {name} stands for.""",
        input_docs=_LABELS,
    )


_declare_regression(
    "LinearRegressionOutput",
    "_backward_linear_reg_out",
    ("_sparse_LinearRegressionOutput",),
    lambda x: x,
    lambda out, label: out - label,
    ("pass_data", "backward_difference"),
    """Return the data; the gradient is that of the squared error, ``(data - label) / outputs per sample``.""",
)
_declare_regression(
    "MAERegressionOutput",
    "_backward_mae_reg_out",
    ("_sparse_MAERegressionOutput",),
    lambda x: x,
    lambda out, label: np.where(out > label, 1, -1).astype(out.dtype),
    ("pass_data", "backward_sign"),
    """Return the data; the gradient is that of the absolute error, ``1`` where data exceeds the
    label and ``-1`` elsewhere, divided by the outputs per sample.""",
)
_declare_regression(
    "LogisticRegressionOutput",
    "_backward_logistic_reg_out",
    ("_sparse_LogisticRegressionOutput",),
    sigmoid,
    lambda out, label: out - label,
    ("sigmoid_data", "backward_difference"),
    """Return the sigmoid of the data; the gradient is that of the logistic loss, ``(sigmoid(data) - label) / outputs per
    sample``.""",
)

# ---- SVMOutput ---------------------------------------------------------------------------------------------------------

_SVM = (
    Float("margin", 1.0, doc="Distance from the decision that every class should keep."),
    Float("regularization_coefficient", 1.0, doc="Factor on the gradient."),
    Bool("use_linear", False, doc="Hinge loss instead of its square."),
)


def _svm_shape(attrs, shapes):
    data, label = shapes
    if len(data) < 2:
        raise ValueError(f"data has {len(data)} axes, expected at least 2")
    check_named_shape("label", label, data[:-1])
    return [data]


def _svm_backward(attrs, ins, outs):
    out, label = _wide(*ins[1:])
    sign = np.where(np.arange(out.shape[-1]) == np.trunc(label)[..., None], -1, 1).astype(out.dtype)
    # The right class should lie above the margin, all others below minus it.
    excess = np.maximum(attrs.margin + sign * out, 0)
    slope = (excess > 0) if attrs.use_linear else 2 * excess
    put(outs[0], sign * slope * out.dtype.type(attrs.regularization_coefficient))


operator(
    "SVMOutput",
    inputs=("data", "label"),
    params=_SVM,
    shape=_svm_shape,
    infer_partial=partial.like_data,
    infer_inputs=lambda attrs, shapes: [
        shapes[0],
        shapes[0][:-1] if shapes[1] is None and shapes[0] is not None else shapes[1],
    ],
    dtype=float_dtypes,
    gradient=lambda ctx, grad: [
        backward_call("_backward_SVMOutput", [grad, ctx.outputs[0], ctx.inputs[1]], ctx.attrs),
        None,
    ],
    loss=True,
    cpu=(native("pass_data", "losses"),),
    numpy=lambda attrs, ins, outs: put(outs[0], ins[0]),
    cost=_cost,
    doc="""Return the data; the gradient is that of the one-against-all hinge loss or its square.""",
    input_docs=_LABELS,
)
operator(
    "_backward_SVMOutput",
    inputs=("out_grad", "out", "label"),
    params=_SVM,
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=float_dtypes,
    cpu=(native("backward_svm_output", "losses"),),
    numpy=_svm_backward,
    cost=_cost,
    doc="""Gradient of the hinge loss that SVMOutput stands for.""",
    input_docs=_LABELS,
)

# ---- MakeLoss ----------------------------------------------------------------------------------------------------------

_MAKE = (
    Float("grad_scale", 1.0, doc="Gradient of each element."),
    Float("valid_thresh", 0.0, doc="Elements above it count as valid."),
    Enum(
        "normalization",
        ("batch", "null", "valid"),
        "null",
        doc="What the gradient is divided by: nothing, the batch size, or the number of valid elements.",
    ),
)


def _make_backward(attrs, ins, outs):
    data = ins[1]
    count = 1
    if attrs.normalization == "batch":
        count = max(1, data.shape[0])
    elif attrs.normalization == "valid":
        count = max(1, np.count_nonzero(data > attrs.valid_thresh))
    outs[0].fill(attrs.grad_scale / count)


operator(
    "MakeLoss",
    params=_MAKE,
    shape=first_shape,
    dtype=float_dtypes,
    gradient=lambda ctx, grad: [backward_call("_backward_MakeLoss", [grad, ctx.inputs[0]], ctx.attrs)],
    loss=True,
    saves="i",
    cpu=(native("pass_data", "losses"),),
    numpy=lambda attrs, ins, outs: put(outs[0], ins[0]),
    doc="""Return the data and make it a loss: its gradient is ``grad_scale``, whatever the gradient of the output.""",
    examples="""
    >>> from weft import nd
    >>> nd.MakeLoss(nd.ones(1)).asnumpy()
    array([1.], dtype=float32)
    """,
)
operator(
    "_backward_MakeLoss",
    inputs=("out_grad", "data"),
    params=_MAKE,
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=float_dtypes,
    cpu=(native("backward_make_loss", "losses"),),
    numpy=_make_backward,
    doc="""Gradient of MakeLoss.""",
)
# ---- softmax_cross_entropy ---------------------------------------------------------------------------------------------


def _entropy_shape(attrs, shapes):
    data, label = shapes
    if len(data) != 2:
        raise ValueError(f"data has {len(data)} axes, expected 2")
    check_named_shape("label", label, data[:1])
    return [(1,)]


def _picked(chance, label):
    rows = np.arange(len(chance))
    places = np.clip(label.astype(np.int64), 0, chance.shape[1] - 1)
    return rows, places


def _entropy_forward(attrs, ins, outs):
    data, label = _wide(*ins)
    chance = softmax(data, 1)
    chosen = chance[_picked(chance, label)]
    put(outs[0], -np.log(np.maximum(chosen, 1e-8)).sum())


def _entropy_backward(attrs, ins, outs):
    head, data, label = _wide(*ins)
    grad = softmax(data, 1)
    grad[_picked(grad, label)] -= 1
    put(outs[0], grad * head)


operator(
    "softmax_cross_entropy",
    inputs=("data", "label"),
    shape=_entropy_shape,
    dtype=float_dtypes,
    gradient=lambda ctx, grad: [F._backward_softmax_cross_entropy(grad, ctx.inputs[0], ctx.inputs[1]), None],
    saves="i",
    cpu=(native("entropy", "losses"),),
    numpy=_entropy_forward,
    cost=_cost,
    doc="""Total cross entropy between the softmax of the rows of data and the classes in label, one number.""",
    input_docs=_LABELS,
    examples="""
    >>> from weft import nd
    >>> print(f'{nd.softmax_cross_entropy(nd.zeros((1, 2)), nd.zeros(1)).asscalar():.4f}')
    0.6931
    """,
)
operator(
    "_backward_softmax_cross_entropy",
    inputs=("out_grad", "data", "label"),
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=float_dtypes,
    cpu=(native("backward_entropy", "losses"),),
    numpy=_entropy_backward,
    cost=_cost,
    doc="""Gradient of softmax_cross_entropy in its data.""",
    input_docs=_LABELS,
)

# ---- IdentityAttachKLSparseReg -----------------------------------------------------------------------------------------

_SPARSE = (
    Float("sparseness_target", 0.1, low=0, high=1, doc="Wanted mean activation."),
    Float("penalty", 0.001, doc="Weight of the penalty."),
    Float("momentum", 0.9, low=0, high=1, doc="Share of the old value that the running mean activation keeps."),
)


def _sparse_backward(attrs, ins, outs):
    head, data, moving = _wide(*ins)
    average = data.reshape(len(data), -1).mean(axis=0)
    moving = attrs.momentum * moving + (1 - attrs.momentum) * average
    put(ins[2], moving)
    target = attrs.sparseness_target
    slope = attrs.penalty * ((1 - target) / (1 - moving) - target / moving)
    put(outs[0], head + slope.reshape(1, *data.shape[1:]))


operator(
    "IdentityAttachKLSparseReg",
    inputs=("data", "moving_avg"),
    aux=("moving_avg",),
    variable_attrs={"moving_avg": {"__init__": '["zero", {}]'}},
    params=_SPARSE,
    shape=lambda attrs, shapes: [shapes[0]],
    infer_partial=partial.like_data,
    infer_inputs=lambda attrs, shapes: [
        shapes[0],
        (math.prod(shapes[0][1:]),) if shapes[1] is None and shapes[0] is not None else shapes[1],
    ],
    dtype=float_dtypes,
    gradient=lambda ctx, grad: [
        backward_call("_backward_IdentityAttachKLSparseReg", [grad, *ctx.inputs], ctx.attrs),
        None,
    ],
    saves="i",
    numpy=lambda attrs, ins, outs: put(outs[0], ins[0]),
    doc="""Return the data (activations between 0 and 1); the gradient gets the Kullback-Leibler divergence of their
    running mean from a target added, which makes them sparse.""",
    input_docs={"moving_avg": "Running mean activation; an auxiliary state."},
)
operator(
    "_backward_IdentityAttachKLSparseReg",
    inputs=("out_grad", "data", "moving_avg"),
    params=_SPARSE,
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=float_dtypes,
    mutates=(2,),
    numpy=_sparse_backward,
    doc="""Gradient of IdentityAttachKLSparseReg; it also moves the running mean.""",
    input_docs={"moving_avg": "Running mean activation; an auxiliary state."},
)
