"""Loss layers and sequence operators."""

import numpy as np

from .common import FLOATS, Family, arr, pos


def loss():
    f = Family("loss")
    label = np.array([0, 2, 1, 2], "float32")
    for tag, kw in (("default", {}), ("scale", {"grad_scale": 2.0}), ("ignore", {"use_ignore": True, "ignore_label": 2}),
                    ("ignore_off", {"ignore_label": 2}), ("batch", {"normalization": "batch"}),
                    ("valid", {"normalization": "valid", "use_ignore": True, "ignore_label": 2}),
                    ("valid_all", {"normalization": "valid"}), ("out_grad", {"out_grad": True}),
                    ("smooth", {"smooth_alpha": 0.1}), ("preserve", {"preserve_shape": True})):
        for heads in (None, "none"):
            f.add("nd.SoftmaxOutput", arr(4, 3), label, grad=[0, 1], head=heads, id="%s-%s" % (tag, heads), **kw)
    for dtype in FLOATS:
        f.add("nd.SoftmaxOutput", arr(4, 3, dtype=dtype), label.astype(dtype), grad=[0], id=dtype)
        for name in ("LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput"):
            f.add("nd." + name, arr(4, 3, dtype=dtype), arr(4, 3, dtype=dtype, seed=1), id=dtype)
        f.add("nd.SVMOutput", arr(4, 3, dtype=dtype), label.astype(dtype), grad=[0], id=dtype)
    f.add("nd.Softmax", arr(4, 3), label, grad=[0])
    maps = np.array([[[0, 1, 2, 0]], [[2, 2, 1, 0]]], "float32").reshape(2, 4)
    for tag, kw in (("default", {}), ("ignore", {"use_ignore": True, "ignore_label": 0}), ("valid", {"normalization": "valid"}),
                    ("batch", {"normalization": "batch"}),
                    ("valid_ignore", {"normalization": "valid", "use_ignore": True, "ignore_label": 0})):
        f.add("nd.SoftmaxOutput", arr(2, 3, 4), maps, multi_output=True, grad=[0], id="multi-" + tag, **kw)
    f.add("nd.SoftmaxOutput", arr(2, 3, 4), maps[:, :3].copy(), preserve_shape=True, grad=[0], id="preserve-3d")
    f.add("nd.SoftmaxOutput", arr(2, 3, 2, 2), maps.reshape(2, 2, 2), multi_output=True, grad=[0], id="multi-4d")
    f.add("nd.SoftmaxOutput", arr(4, 3), pos(4, 3), grad=[0], id="probabilities")
    f.add("nd.SoftmaxOutput", arr(2, 3, 4), label[:2], grad=[0], id="flattened")
    f.add("nd.SoftmaxOutput", arr(4, 3), label[:3], grad=[0], id="bad_label")
    for name in ("LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput"):
        for heads in (None, "none"):
            f.add("nd." + name, arr(4, 3), arr(4, 3, seed=1), head=heads, id="heads-%s" % heads)
        f.add("nd." + name, arr(4, 3), arr(4, 3, seed=1), grad_scale=0.5, id="scale")
        f.add("nd." + name, arr(4), arr(4, seed=1), id="1d")
        f.add("nd." + name, arr(4, 1), arr(4, seed=1), id="column")
        f.add("nd." + name, arr(2, 3, 2), arr(2, 3, 2, seed=1), id="3d")
        f.add("nd." + name, arr(4, 3), arr(3, 4), id="mismatch")
    for norm in ("null", "batch", "valid"):
        for heads in (None, "none"):
            f.add("nd.MakeLoss", arr(4, 3), normalization=norm, head=heads, grad_scale=2.0, valid_thresh=0.25, id="%s-%s" % (norm, heads))
    f.add("nd.make_loss", arr(4, 3), head="none")
    f.add("nd.BlockGrad", arr(4, 3))
    for linear in (True, False):
        f.add("nd.SVMOutput", arr(4, 3), label, use_linear=linear, margin=0.5, regularization_coefficient=2.0, grad=[0], id=str(linear))
    f.add("nd.softmax_cross_entropy", arr(4, 3), label, grad=[0])
    f.add("nd.IdentityAttachKLSparseReg", pos(4, 3, high=0.9), grad=[0])
    labels = np.array([[1, 2, 0], [2, 3, 1]], "float32")
    for name in ("CTCLoss", "ctc_loss"):
        f.add("nd." + name, arr(5, 2, 4), labels, grad=[0])
        f.add("nd." + name, arr(5, 2, 4), np.array([[0, 1, -1], [2, 1, 0]], "float32"), blank_label="last", grad=[0], id="last")
        f.add("nd." + name, arr(5, 2, 4), labels, np.array([4, 5], "float32"), np.array([2, 3], "float32"), use_data_lengths=True,
              use_label_lengths=True, grad=[0], id="lengths")
    f.add("nd.contrib.ctc_loss", arr(5, 2, 4), labels, grad=[0])
    for scalar in (1.0, 3.0, 0.5):
        f.add("nd.smooth_l1", arr(3, 4), scalar=scalar, id=str(scalar))
    return f


def sequence():
    f = Family("sequence")
    lengths = np.array([1, 3, 2], "float32")
    for name in ("SequenceLast", "SequenceMask", "SequenceReverse"):
        op = "nd." + name
        for shape in ((3, 3, 2), (4, 3), (4, 3, 2, 2)):
            tag = "x".join(map(str, shape))
            f.add(op, arr(*shape), id="plain-" + tag)
            f.add(op, arr(*shape), lengths, use_sequence_length=True, grad=[0], id="lengths-" + tag)
        if name != "SequenceReverse":
            f.add(op, arr(3, 4, 2), lengths, use_sequence_length=True, axis=1, grad=[0], id="axis1")
            f.add(op, arr(3, 4, 2), axis=1, grad=[0], id="axis1-plain")
        for dtype in ("float16", "float64", "int32"):
            f.add(op, arr(4, 3, 2, dtype=dtype), lengths.astype(dtype), use_sequence_length=True,
                  grad=[0] if dtype in FLOATS else [], id=dtype)
            f.add(op, arr(4, 3, 2), lengths.astype(dtype), use_sequence_length=True, grad=[0], id="lengths-as-" + dtype)
        f.add(op, arr(4, 3, 2), np.array([1, 2], "float32"), use_sequence_length=True, grad=[], id="bad_lengths")
    f.add("nd.SequenceMask", arr(4, 3, 2), lengths, use_sequence_length=True, value=-1.0, grad=[0], id="value")
    f.add("nd.SequenceMask", arr(4, 3, 2), np.array([0, 4, 2], "float32"), use_sequence_length=True, grad=[0], id="zero")
    return f
