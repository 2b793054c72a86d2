"""Ask MXNet 1.9.1 for the results and gradients of neural network operators: writes nn_mxnet.npz beside this file.

Run with a Python that has mxnet 1.9.1; the tests only read the data.
"""

import json
import pathlib
import sys

import mxnet as mx
import numpy as np

rng = np.random.default_rng(11)
arrays, cases = {}, []


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def positive(*shape):
    return np.abs(normal(*shape)) + np.float32(0.5)


def record(name, inputs, params=None, *, train=True, labels=(), aux=(), dtype="float32"):
    """Keep outputs, gradients and the state of auxiliary inputs afterwards."""
    params = params or {}
    inputs = [np.asarray(x) for x in inputs]
    nds = [mx.nd.array(x, dtype=x.dtype if i in labels and x.dtype.kind in "iu" else dtype) for i, x in enumerate(inputs)]
    for i, x in enumerate(nds):
        if i not in labels and i not in aux:
            x.attach_grad()
    function = mx.nd
    for part in name.split("."):
        function = getattr(function, part)
    with mx.autograd.record(train_mode=train):
        outs = function(*nds, **params)
    outs = outs if isinstance(outs, list) else [outs]
    heads = [rng.standard_normal(out.shape).astype(out.dtype) for out in outs]
    if len(labels) + len(aux) < len(nds):
        mx.autograd.backward(outs, [mx.nd.array(h, dtype=h.dtype) for h in heads], train_mode=train)
    index = len(cases)
    for kind, values in (
        ("in", inputs),
        ("out", [o.asnumpy() for o in outs]),
        ("head", heads),
    ):
        for i, value in enumerate(values):
            arrays[f"{index}_{kind}{i}"] = value
    grads = [i for i in range(len(nds)) if i not in labels and i not in aux]
    for i in grads:
        arrays[f"{index}_grad{i}"] = nds[i].grad.asnumpy()
    for i in aux:
        arrays[f"{index}_aux{i}"] = nds[i].asnumpy()
    cases.append(
        {"name": name.replace("contrib.", "_contrib_"), "params": params, "train": train, "inputs": len(inputs), "outputs": len(outs), "grads": grads,
         "aux": list(aux), "dtype": dtype}
    )


def layers():
    record("FullyConnected", [normal(3, 2, 4), normal(5, 8), normal(5)], {"num_hidden": 5})
    record("FullyConnected", [normal(3, 2, 4), normal(5, 4)], {"num_hidden": 5, "no_bias": True, "flatten": False})
    record("Convolution", [normal(2, 4, 7), normal(6, 4, 3), normal(6)],
           {"kernel": (3,), "num_filter": 6, "stride": (2,), "pad": (1,)})
    record("Convolution", [normal(2, 4, 7, 6), normal(6, 2, 3, 2), normal(6)],
           {"kernel": (3, 2), "num_filter": 6, "stride": (2, 1), "pad": (1, 0), "dilate": (1, 2), "num_group": 2})
    record("Convolution", [normal(2, 4, 5, 5), normal(4, 1, 3, 3)],
           {"kernel": (3, 3), "num_filter": 4, "pad": (1, 1), "num_group": 4, "no_bias": True})
    record("Convolution", [normal(1, 2, 4, 4, 3), normal(3, 2, 2, 2, 2), normal(3)],
           {"kernel": (2, 2, 2), "num_filter": 3, "stride": (1, 2, 1), "pad": (0, 1, 1)})
    record("Deconvolution", [normal(2, 4, 4, 3), normal(4, 3, 3, 2), normal(6)],
           {"kernel": (3, 2), "num_filter": 6, "stride": (2, 1), "pad": (1, 0), "adj": (1, 0), "num_group": 2, "no_bias": False})
    record("Deconvolution", [normal(1, 2, 5), normal(2, 3, 3)], {"kernel": (3,), "num_filter": 3, "stride": (2,)})
    for kind in ("max", "avg", "sum", "lp"):
        for convention in ("valid", "full"):
            for pad in (0, 1):
                record("Pooling", [positive(2, 2, 7, 6)],
                       {"kernel": (3, 2), "stride": (2, 2), "pad": (pad, pad), "pool_type": kind, "p_value": 2,
                        "pooling_convention": convention})
    record("Pooling", [normal(2, 2, 7, 6)],
           {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1), "pool_type": "avg", "count_include_pad": False})
    record("Pooling", [normal(2, 2, 7)], {"kernel": (3,), "stride": (2,), "pool_type": "max"})
    record("Pooling", [normal(1, 2, 4, 4, 4)], {"kernel": (2, 2, 2), "pool_type": "avg"})
    for kind in ("max", "avg", "sum"):
        record("Pooling", [normal(2, 2, 4, 3)], {"global_pool": True, "pool_type": kind})
        record("Pooling_v1", [normal(2, 2, 7, 7)],
               {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1), "pool_type": kind, "pooling_convention": "full"})


def activations():
    for kind in ("relu", "sigmoid", "softrelu", "softsign", "tanh"):
        record("Activation", [normal(3, 4)], {"act_type": kind})
    # Not selu: MXNet's gradient below zero, scale * (alpha + y), is not the derivative, scale * alpha + y.
    for kind in ("leaky", "elu", "gelu"):
        record("LeakyReLU", [normal(3, 4)], {"act_type": kind, "slope": 0.3})
    record("LeakyReLU", [normal(2, 3, 4), positive(3)], {"act_type": "prelu"})
    record("LeakyReLU", [normal(2, 3, 4), positive(1)], {"act_type": "prelu"})
    for name in ("softmax", "log_softmax", "softmin"):
        record(name, [normal(2, 3, 4)])
        record(name, [normal(2, 3, 4)], {"axis": 1, "temperature": 2.0})
    record("softmax", [normal(2, 3, 4), np.array([[1, 2, 3, 1], [3, 3, 2, 1]], np.int32)],
           {"axis": 1, "use_length": True}, labels=(1,))
    record("SoftmaxActivation", [normal(2, 3)])
    record("SoftmaxActivation", [normal(2, 3, 4)], {"mode": "channel"})


def norms():
    for params in ({}, {"fix_gamma": False}, {"fix_gamma": False, "use_global_stats": True},
                   {"fix_gamma": False, "output_mean_var": True, "momentum": 0.5, "eps": 1e-5}):
        for train in (True, False):
            record("BatchNorm", [normal(3, 4, 2, 5), positive(4), normal(4), normal(4), positive(4)], params,
                   aux=(3, 4), train=train)
    record("BatchNorm", [normal(3, 2, 5), positive(5), normal(5), normal(5), positive(5)],
           {"fix_gamma": False, "axis": -1}, aux=(3, 4))
    record("BatchNorm", [normal(6, 5), positive(5), normal(5), normal(5), positive(5)], {"fix_gamma": False}, aux=(3, 4))
    for fixed in (False, True):
        record("contrib.SyncBatchNorm", [normal(3, 4, 5), positive(4), normal(4), normal(4), positive(4)],
               {"fix_gamma": fixed, "output_mean_var": True, "key": "a"}, aux=(3, 4))
    for axis, size in ((-1, 4), (1, 3)):
        record("LayerNorm", [normal(2, 3, 4), positive(size), normal(size)], {"axis": axis})
    record("GroupNorm", [normal(2, 4, 3), positive(2), normal(2)], {"num_groups": 2})
    record("InstanceNorm", [normal(2, 4, 3), positive(4), normal(4)])
    for mode in ("instance", "channel", "spatial"):
        record("L2Normalization", [normal(2, 4, 3)], {"mode": mode})
    record("LRN", [normal(2, 6, 2, 2)], {"nsize": 3, "alpha": 0.5, "beta": 0.6, "knorm": 1.5})


def losses():
    label = np.array([0, 2, 1], np.float32)
    for params in ({}, {"grad_scale": 2.0}, {"normalization": "batch"}, {"normalization": "valid"},
                   {"use_ignore": True, "ignore_label": 1}, {"smooth_alpha": 0.1},
                   {"use_ignore": True, "ignore_label": 1, "normalization": "valid"}):
        record("SoftmaxOutput", [normal(3, 4), label], params, labels=(1,))
        places = rng.integers(0, 3, (2, 2, 2)).astype(np.float32)
        record("SoftmaxOutput", [normal(2, 3, 2, 2), places], {"multi_output": True, **params}, labels=(1,))
        record("SoftmaxOutput", [normal(2, 4, 3), rng.integers(0, 3, (2, 4)).astype(np.float32)],
               {"preserve_shape": True, **params}, labels=(1,))
    record("SoftmaxOutput", [normal(3, 4), positive(3, 4)], {"grad_scale": 0.5}, labels=(1,))
    for kind in ("Linear", "Logistic", "MAE"):
        record(f"{kind}RegressionOutput", [normal(3, 4), normal(3, 4)], {"grad_scale": 2.0}, labels=(1,))
        record(f"{kind}RegressionOutput", [normal(3, 1), normal(3)], labels=(1,))
    for params in ({}, {"use_linear": True}, {"margin": 0.5, "regularization_coefficient": 0.3}):
        record("SVMOutput", [normal(3, 4), label], params, labels=(1,))
    for params in ({"grad_scale": 3.0}, {"normalization": "batch"}, {"normalization": "valid", "valid_thresh": 0.2}):
        record("MakeLoss", [normal(3, 4)], params)
    record("softmax_cross_entropy", [normal(3, 4), label], labels=(1,))
    record("CTCLoss", [normal(8, 3, 4), np.array([[1, 2, 2], [3, 0, 0], [1, 1, 1]], np.float32)], labels=(1,))
    record("CTCLoss", [normal(8, 3, 4), np.array([[0, 1, 1], [2, -1, -1], [0, 0, 0]], np.float32)],
           {"blank_label": "last"}, labels=(1,))
    record("CTCLoss", [normal(8, 3, 4), np.array([[1, 2, 2], [3, 1, 2], [1, 1, 3]], np.float32),
                       np.array([8, 3, 7], np.float32), np.array([3, 1, 2], np.float32)],
           {"use_data_lengths": True, "use_label_lengths": True}, labels=(1, 2, 3))


def recurrent():
    gates = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}
    for mode, count in gates.items():
        for layers, ways in ((1, 1), (2, 2)):
            size = sum(ways * count * 3 * ((2 if i == 0 else 3 * ways) + 5) for i in range(layers))
            states = [normal(layers * ways, 2, 3) for _ in range(2 if mode == "lstm" else 1)]
            record("RNN", [normal(4, 2, 2), normal(size) * np.float32(0.5), *states],
                   {"state_size": 3, "num_layers": layers, "bidirectional": ways == 2, "mode": mode, "state_outputs": True})


def images():
    record("contrib.AdaptiveAvgPooling2D", [normal(1, 2, 5, 4)], {"output_size": (2, 3)})
    for corners in (True, False):
        record("contrib.BilinearResize2D", [normal(1, 2, 5, 4)], {"height": 3, "width": 7, "align_corners": corners})
    record("UpSampling", [normal(1, 2, 2, 2), normal(1, 1, 4, 4)], {"scale": 2, "sample_type": "nearest", "num_args": 2})
    record("UpSampling", [normal(1, 2, 2, 2), normal(2, 1, 4, 4)],
           {"scale": 2, "sample_type": "bilinear", "num_filter": 2, "num_args": 2})
    record("UpSampling", [normal(1, 2, 3, 2), normal(2, 1, 5, 5)],
           {"scale": 3, "sample_type": "bilinear", "num_filter": 2, "num_args": 2})
    rois = np.array([[0, 0, 0, 3, 3], [0, 1, 1, 5, 4], [0, 0.6, 0.4, 2.5, 3.5]], np.float32)
    record("ROIPooling", [normal(1, 2, 6, 6), rois], {"pooled_size": (2, 2), "spatial_scale": 1.0}, labels=(1,))
    record("ROIPooling", [normal(1, 2, 6, 6), rois], {"pooled_size": (3, 2), "spatial_scale": 0.5}, labels=(1,))
    for aligned in (False, True):
        record("contrib.ROIAlign", [normal(1, 2, 6, 6), rois],
               {"pooled_size": (2, 2), "spatial_scale": 0.7, "aligned": aligned, "sample_ratio": 2}, labels=(1,))
    record("contrib.ROIAlign", [normal(1, 8, 6, 6), rois],
           {"pooled_size": (2, 2), "spatial_scale": 1.0, "position_sensitive": True}, labels=(1,))
    record("GridGenerator", [normal(2, 6)], {"transform_type": "affine", "target_shape": (3, 4)})
    record("GridGenerator", [normal(2, 2, 3, 4)], {"transform_type": "warp"})
    record("BilinearSampler", [normal(2, 2, 5, 4), rng.uniform(-1.2, 1.2, (2, 2, 3, 3)).astype(np.float32)])
    record("SpatialTransformer", [normal(2, 2, 5, 4), normal(2, 6) * np.float32(0.5)],
           {"target_shape": (3, 3), "transform_type": "affine", "sampler_type": "bilinear"})
    for params in ({}, {"pad_size": 2, "max_displacement": 2, "stride2": 2, "kernel_size": 3},
                   {"is_multiply": False, "pad_size": 1, "stride1": 2}):
        record("Correlation", [normal(1, 2, 6, 5), normal(1, 2, 6, 5)], params)


def boxes(*shape):
    return np.sort(rng.uniform(0, 1, (*shape, 2, 2)), axis=-2).reshape(*shape, 4).astype(np.float32)


def detection():
    for layout in ("corner", "center"):
        record("contrib.box_iou", [boxes(3), boxes(2, 4)], {"format": layout}, labels=(0, 1))
        record("contrib.box_decode", [normal(2, 5, 4), boxes(1, 5)],
               {"format": layout, "std0": 0.1, "std2": 0.2, "clip": 0.1}, labels=(0, 1))
    ids = rng.integers(-1, 3, (2, 12, 1)).astype(np.float32)
    rows = np.concatenate([ids, rng.uniform(-0.2, 1, (2, 12, 1)).astype(np.float32), boxes(2, 12)], axis=-1)
    for params in ({}, {"id_index": 0}, {"id_index": 0, "force_suppress": True}, {"id_index": 0, "background_id": 0},
                   {"topk": 3}, {"topk": 0}, {"overlap_thresh": 0.1, "valid_thresh": 0.3},
                   {"in_format": "center", "out_format": "corner"}, {"out_format": "center"}):
        record("contrib.box_nms", [rows], params)
    scores = rng.uniform(0, 1, (2, 3, 4)).astype(np.float32)
    for params in ({"threshold": 0.1}, {"threshold": 0.5}, {"threshold": 0.8, "is_ascend": True}, {"threshold": 0.1, "topk": 2}):
        record("contrib.bipartite_matching", [scores], params, labels=(0,))
    samples, matches = rng.integers(-1, 2, (2, 5)), rng.integers(0, 3, (2, 5))
    record("contrib.box_encode",
           [samples.astype(np.float32), matches.astype(np.float32), boxes(2, 5), boxes(2, 3),
            np.array([0.1, 0.2, 0, 0], np.float32), np.array([0.1, 0.1, 0.2, 0.2], np.float32)], labels=range(6))
    for params in ({}, {"sizes": (0.5, 0.25, 0.1), "ratios": (1, 2, 0.5)},
                   {"sizes": (0.5, 0.25), "ratios": (2, 1), "clip": True, "steps": (0.3, 0.4), "offsets": (0.2, 0.7)}):
        record("contrib.MultiBoxPrior", [np.zeros((1, 2, 3, 4), np.float32)], params, labels=(0,))
    anchors = boxes(1, 20)
    label = np.concatenate([rng.integers(0, 3, (3, 4, 1)).astype(np.float32), boxes(3, 4)], axis=-1)
    label[0, 2:] = label[2] = -1
    scores = normal(3, 4, 20)
    for params in ({}, {"overlap_threshold": 0.3}, {"negative_mining_ratio": 2.0, "overlap_threshold": 0.3},
                   {"negative_mining_ratio": 1.0, "ignore_label": -2.0, "negative_mining_thresh": 0.2}):
        record("contrib.MultiBoxTarget", [anchors, label, scores], params, labels=(0, 1, 2))
    chance = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    for params in ({}, {"threshold": 0.4}, {"nms_threshold": 0.1, "force_suppress": True}, {"nms_topk": 5},
                   {"clip": False, "nms_threshold": 0.2}):
        record("contrib.MultiBoxDetection", [chance, normal(3, 80), anchors], params, labels=(0, 1, 2))


def proposals():
    scores, offsets = rng.uniform(0, 1, (1, 6, 4, 5)).astype(np.float32), normal(1, 12, 4, 5) * np.float32(0.1)
    common = {"rpn_pre_nms_top_n": 30, "rpn_post_nms_top_n": 6, "threshold": 0.5, "scales": (1,), "ratios": (0.5, 1, 2)}
    for params in ({"rpn_min_size": 4}, {"rpn_min_size": 12, "feature_stride": 24}):
        info = np.array([[60, 70, 1.5]], np.float32)
        record("contrib.Proposal", [scores, offsets, info], {**common, **params}, labels=(0, 1, 2))
        batch = [np.concatenate([x, x[:, ::-1]]) for x in (scores, offsets)]
        record("contrib.MultiProposal", [*batch, np.concatenate([info, info])], {**common, **params, "output_score": True},
               labels=(0, 1, 2))
    rois = np.array([[0, 0, 0, 3, 3], [0, 1, 1, 5, 4], [0, 0.6, 0.4, 2.5, 3.5]], np.float32)
    record("contrib.PSROIPooling", [normal(1, 8, 6, 6), rois], {"spatial_scale": 1.0, "output_dim": 2, "pooled_size": 2},
           labels=(1,))
    record("contrib.PSROIPooling", [normal(1, 8, 6, 6), rois],
           {"spatial_scale": 0.7, "output_dim": 2, "pooled_size": 3, "group_size": 2}, labels=(1,))


def deformable():
    window = {"kernel": (3, 2), "num_filter": 4, "pad": (1, 1), "stride": (2, 1)}
    offset = normal(2, 24, 3, 5)
    record("contrib.DeformableConvolution", [normal(2, 4, 5, 4), offset, normal(4, 2, 3, 2), normal(4)],
           {**window, "num_group": 2, "num_deformable_group": 2})
    record("contrib.DeformableConvolution", [normal(2, 4, 5, 4), offset[:, :12], normal(4, 4, 3, 2)],
           {**window, "no_bias": True})


def attention():
    record("contrib.interleaved_matmul_selfatt_qk", [normal(5, 2, 24)], {"heads": 2})
    record("contrib.interleaved_matmul_selfatt_valatt", [normal(5, 2, 24), normal(4, 5, 5)], {"heads": 2})
    record("contrib.interleaved_matmul_encdec_qk", [normal(3, 2, 8), normal(5, 2, 16)], {"heads": 2})
    record("contrib.interleaved_matmul_encdec_valatt", [normal(5, 2, 16), normal(4, 3, 5)], {"heads": 2})


if __name__ == "__main__":
    for part in (layers, activations, norms, losses, recurrent, images, detection, attention, deformable, proposals):
        part()
    # One vector for all numbers: a zip entry for each array would cost more than the numbers.
    places, offset = {}, 0
    for key, value in arrays.items():
        places[key] = [offset, list(value.shape), value.dtype.name]
        offset += value.size
    numbers = np.concatenate([value.ravel().astype(np.float32) for value in arrays.values()])
    target = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).with_name("nn_mxnet.npz")
    np.savez_compressed(target, numbers=numbers, index=np.array(json.dumps({"places": places, "cases": cases})))
    print(f"{len(cases)} cases, {target.stat().st_size} bytes")
