"""Layers: dense, convolution, pooling, normalization, activations, softmax."""

import numpy as np

from .common import ALL, FLOATS, Family, arr, ints, pos


def conv_cases(f):
    # (data shape, filters, kernel, parameters)
    for tag, shape, filters, kernel, kwargs in (
        ("1d", (2, 3, 7), 4, (3,), {}),
        ("1d-all", (2, 4, 9), 6, (3,), {"stride": (2,), "pad": (1,), "dilate": (2,), "num_group": 2}),
        ("plain", (2, 3, 5, 6), 4, (3, 3), {}),
        ("1x1", (2, 3, 4, 4), 5, (1, 1), {}),
        ("stride", (1, 2, 7, 8), 3, (3, 2), {"stride": (2, 3)}),
        ("pad", (1, 2, 4, 5), 3, (3, 3), {"pad": (1, 2)}),
        ("dilate", (1, 2, 8, 9), 3, (3, 3), {"dilate": (2, 3)}),
        ("group", (2, 4, 5, 5), 6, (3, 3), {"num_group": 2}),
        ("depthwise", (1, 4, 5, 5), 4, (3, 3), {"num_group": 4, "pad": (1, 1)}),
        ("all", (2, 4, 9, 10), 4, (3, 2), {"stride": (2, 1), "pad": (1, 2), "dilate": (1, 2), "num_group": 2}),
        ("3d", (1, 2, 4, 5, 4), 3, (2, 3, 2), {"stride": (1, 2, 1), "pad": (0, 1, 1)}),
    ):
        groups = kwargs.get("num_group", 1)
        x = arr(*shape, low=-1, high=1)
        w = arr(filters, shape[1] // groups, *kernel, low=-1, high=1, seed=1)
        b = arr(filters, low=-1, high=1, seed=2)
        f.add("nd.Convolution", x, w, b, kernel=kernel, num_filter=filters, id=tag, **kwargs)
        f.add("nd.Convolution", x, w, kernel=kernel, num_filter=filters, no_bias=True, id="no_bias-" + tag, **kwargs)
        if "dilate" not in kwargs or tag == "dilate":
            w = arr(shape[1], filters // groups, *kernel, low=-1, high=1, seed=1)
            f.add("nd.Deconvolution", x, w, kernel=kernel, num_filter=filters, id=tag, **kwargs)
            f.add("nd.Deconvolution", x, w, b, kernel=kernel, num_filter=filters, no_bias=False, id="bias-" + tag, **kwargs)
    x, w, b = arr(1, 2, 4, 4), arr(3, 2, 3, 3, seed=1), arr(3, seed=2)
    f.add("nd.Convolution", x, w, b, kernel=(3, 3), num_filter=4, id="wrong_filters")
    f.add("nd.Convolution", x, w, b, kernel=(5, 5), num_filter=3, id="kernel_too_large")
    f.add("nd.Convolution", x, w, b, kernel=(3, 3), num_filter=3, num_group=2, id="bad_groups")
    f.add("nd.Convolution", arr(2, 4), w, b, kernel=(3, 3), num_filter=3, id="2d_data")
    f.add("nd.Convolution_v1", x, w, b, kernel=(3, 3), num_filter=3)
    for dtype in FLOATS:
        f.add("nd.Convolution", arr(1, 2, 4, 4, dtype=dtype), arr(3, 2, 3, 3, dtype=dtype, seed=1),
              arr(3, dtype=dtype, seed=2), kernel=(3, 3), num_filter=3, id=dtype)
        f.add("nd.FullyConnected", arr(2, 3, dtype=dtype), arr(4, 3, dtype=dtype, seed=1), arr(4, dtype=dtype, seed=2),
              num_hidden=4, id=dtype)
    w = arr(2, 3, 3, 3, seed=1)
    f.add("nd.Deconvolution", x, w, kernel=(3, 3), num_filter=3, stride=(2, 2), pad=(1, 1), adj=(1, 1), id="adj")
    f.add("nd.Deconvolution", x, w, kernel=(3, 3), num_filter=3, stride=(2, 2), target_shape=(8, 8), id="target")
    f.add("nd.Deconvolution", x, w, kernel=(3, 3), num_filter=3, stride=(2, 2), target_shape=(9, 8), id="target2")


def pooling_cases(f):
    for typ in ("max", "avg", "sum", "lp"):
        extra = {"p_value": 2} if typ == "lp" else {}
        x = pos(1, 2, 7, 8) if typ == "lp" else arr(1, 2, 7, 8)
        for conv in ("valid", "full", "same"):
            for tag, kw in (("plain", {"kernel": (2, 2)}), ("stride", {"kernel": (3, 2), "stride": (2, 3)}),
                            ("pad", {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1)})):
                if conv == "same" and (typ != "max" or tag == "pad"):
                    continue
                f.add("nd.Pooling", x, pool_type=typ, pooling_convention=conv, id="%s-%s-%s" % (typ, conv, tag), **kw, **extra)
        f.add("nd.Pooling", x, pool_type=typ, global_pool=True, id=typ + "-global", **extra)
        f.add("nd.Pooling", x, pool_type=typ, global_pool=True, kernel=(2, 2), id=typ + "-global-kernel", **extra)
        f.add("nd.Pooling", pos(2, 3, 9), pool_type=typ, kernel=(3,), stride=(2,), pad=(1,), id=typ + "-1d", **extra)
        f.add("nd.Pooling", pos(1, 2, 4, 5, 4), pool_type=typ, kernel=(2, 2, 2), stride=(2, 2, 1), id=typ + "-3d", **extra)
        for dtype in ("float64", "float16"):
            f.add("nd.Pooling", pos(1, 2, 4, 4, dtype=dtype), pool_type=typ, kernel=(2, 2), id="%s-%s" % (typ, dtype), **extra)
    for conv in ("valid", "full"):
        f.add("nd.Pooling", arr(1, 1, 5, 5), kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="avg", count_include_pad=False,
              pooling_convention=conv, id="exclude_pad-" + conv)
        f.add("nd.Pooling", arr(1, 1, 6, 6), kernel=(3, 3), stride=(2, 2), pool_type="avg", count_include_pad=False,
              pooling_convention=conv, id="exclude_pad6-" + conv)
        f.add("nd.Pooling", arr(1, 1, 6, 6), kernel=(3, 3), stride=(2, 2), pool_type="avg", count_include_pad=True,
              pooling_convention=conv, id="include_pad6-" + conv)
    f.add("nd.GroupNorm", arr(2, 4, 3), pos(4, seed=1), arr(4, seed=2), num_groups=2, id="per_channel")
    for k, stride in ((2, 1), (3, 2), (3, 3)):
        f.add("nd.Pooling", arr(1, 2, 7), kernel=(k,), stride=(stride,), pooling_convention="same", id="same-%d-%d" % (k, stride))
    for p in (1, 3):
        f.add("nd.Pooling", pos(1, 1, 4, 4), kernel=(2, 2), pool_type="lp", p_value=p, id="p=%d" % p)
    f.add("nd.Pooling", arr(1, 4, 5, 2), kernel=(2, 2), layout="NHWC", id="NHWC")
    f.add("nd.Pooling", arr(1, 4, 5, 2), kernel=(2, 2), layout="NHWC", pool_type="avg", stride=(2, 2), id="NHWC-avg")
    f.add("nd.Pooling", np.ones((1, 1, 3, 3), "float32"), kernel=(2, 2), id="ties")
    f.add("nd.Pooling", arr(1, 1, 3, 3), kernel=(4, 4), id="too_large")
    f.add("nd.Pooling", arr(1, 1, 3, 3), id="no_kernel")
    f.add("nd.Pooling", arr(3, 3), kernel=(2, 2), id="2d_data")
    f.add("nd.Pooling_v1", arr(1, 2, 5, 5), kernel=(2, 2), stride=(2, 2), pool_type="avg")
    f.add("nd.Pooling_v1", arr(1, 2, 5, 5), kernel=(3, 3), stride=(2, 2), pooling_convention="full", id="full")
    for size in ((), 1, 2, (2, 3), (5, 4)):
        f.add("nd.contrib.AdaptiveAvgPooling2D", arr(1, 2, 5, 7), output_size=size, id=str(size))
    for align in (True, False):
        f.add("nd.contrib.BilinearResize2D", arr(1, 2, 3, 4), height=5, width=6, align_corners=align, id=str(align))
    f.add("nd.contrib.BilinearResize2D", arr(1, 2, 3, 4), scale_height=2.0, scale_width=1.5, id="scale")
    f.add("nd.UpSampling", arr(1, 2, 2, 3), scale=2, sample_type="nearest", num_args=1)
    f.add("nd.UpSampling", arr(1, 2, 2, 3), arr(1, 1, 4, 6), scale=4, sample_type="nearest", num_args=2, id="concat")
    f.add("nd.UpSampling", arr(1, 2, 2, 3), arr(1, 2, 4, 6), scale=4, sample_type="nearest", num_args=2, multi_input_mode="sum", id="sum")
    f.add("nd.UpSampling", arr(1, 2, 3, 3), arr(2, 1, 4, 4, seed=1), scale=2, sample_type="bilinear", num_filter=2, num_args=2, id="bilinear")


def norm_cases(f):
    for train in (True, False):
        for tag, kw in (("default", {}), ("gamma", {"fix_gamma": False}), ("global", {"use_global_stats": True, "fix_gamma": False}),
                        ("momentum", {"momentum": 0.5, "eps": 0.1, "fix_gamma": False}),
                        ("outputs", {"output_mean_var": True, "fix_gamma": False})):
            for shape in ((4, 3), (2, 3, 4), (2, 3, 4, 5)):
                f.add("nd.BatchNorm", arr(*shape), pos(3, seed=1), arr(3, seed=2), arr(3, seed=3), pos(3, seed=4), train=train,
                      grad=[0, 1, 2], id="%s-%dd-%s" % (tag, len(shape), train), rtol=1e-3, atol=1e-4, **kw)
        for axis in (-1, 2, 0):
            x = arr(3, 4, 3)
            f.add("nd.BatchNorm", x, pos(3, seed=1), arr(3, seed=2), arr(3, seed=3), pos(3, seed=4), axis=axis, fix_gamma=False,
                  train=train, grad=[0, 1, 2], id="axis=%d-%s" % (axis, train), rtol=1e-3, atol=1e-4)
        f.add("nd.BatchNorm_v1", arr(4, 3, 2, 2), pos(3, seed=1), arr(3, seed=2), train=train,
              fix_gamma=False, grad=[0, 1, 2], id=str(train), rtol=1e-3, atol=1e-4)
    for dtype in ("float64",):
        f.add("nd.BatchNorm", arr(4, 3, dtype=dtype), pos(3, dtype=dtype), arr(3, dtype=dtype), arr(3, dtype=dtype), pos(3, dtype=dtype),
              fix_gamma=False, grad=[0, 1, 2], id=dtype)
    f.add("nd.BatchNorm", arr(4, 3, dtype="float16"), pos(3), arr(3), arr(3), pos(3), fix_gamma=False, grad=[0, 1, 2], id="float16")
    f.add("nd.BatchNorm", arr(4, 3), pos(2), arr(3), arr(3), pos(3), id="bad_gamma")
    for axis in (-1, 1, 0):
        n = (4, 3, 5)[axis]
        for out in (False, True):
            f.add("nd.LayerNorm", arr(4, 3, 5), pos(n, seed=1), arr(n, seed=2), axis=axis, output_mean_var=out,
                  id="%d-%s" % (axis, out), rtol=1e-3, atol=1e-4)
    f.add("nd.LayerNorm", arr(4, 6), pos(6), arr(6), eps=0.1, id="eps")
    f.add("nd.LayerNorm", arr(4, 6), pos(5), arr(6), id="bad")
    for dtype in FLOATS:
        f.add("nd.LayerNorm", arr(4, 6, dtype=dtype), pos(6, dtype=dtype), arr(6, dtype=dtype), id=dtype, rtol=None if dtype != "float32" else 1e-3, atol=1e-4 if dtype == "float32" else None)
        f.add("nd.InstanceNorm", arr(2, 3, 4, dtype=dtype), pos(3, dtype=dtype), arr(3, dtype=dtype), id=dtype)
        f.add("nd.L2Normalization", arr(2, 3, 4, dtype=dtype), id=dtype)
    f.add("nd.InstanceNorm", arr(2, 3, 4, 2), pos(3), arr(3), eps=0.1, id="4d")
    for groups in (1, 2, 4):
        f.add("nd.GroupNorm", arr(2, 4, 3), pos(groups, seed=1), arr(groups, seed=2), num_groups=groups, id=str(groups), rtol=1e-3, atol=1e-4)
        f.add("nd.GroupNorm", arr(2, 4, 3, 2), pos(groups, seed=1), arr(groups, seed=2), num_groups=groups, eps=0.1, output_mean_var=True,
              id="4d-%d" % groups, rtol=1e-3, atol=1e-4)
    for mode in ("instance", "channel", "spatial"):
        f.add("nd.L2Normalization", arr(2, 3, 4, 2), mode=mode, id=mode)
        f.add("nd.L2Normalization", arr(2, 3, 4), mode=mode, eps=0.5, id="eps-" + mode)
    f.add("nd.LRN", arr(2, 5, 3, 3), nsize=3)
    f.add("nd.LRN", arr(2, 6, 2, 2), nsize=5, alpha=0.1, beta=0.5, knorm=1.0, id="params")
    f.add("nd.LRN", arr(2, 6, 2, 2), nsize=4, id="even")


def nn():
    f = Family("nn")
    for flatten in (True, False):
        for no_bias in (True, False):
            x = arr(2, 3, 4)
            w = arr(5, 12 if flatten else 4, seed=1)
            rest = [] if no_bias else [arr(5, seed=2)]
            f.add("nd.FullyConnected", x, w, *rest, num_hidden=5, flatten=flatten, no_bias=no_bias, id="%s,%s" % (flatten, no_bias))
    f.add("nd.FullyConnected", arr(3, 4), arr(2, 4), arr(2), num_hidden=2, id="2d")
    f.add("nd.FullyConnected", arr(4), arr(2, 4), arr(2), num_hidden=2, flatten=False, id="1d")
    f.add("nd.FullyConnected", arr(4), arr(2, 1), arr(2), num_hidden=2, id="1d-flatten")
    f.add("nd.FullyConnected", arr(3, 4), arr(2, 5), arr(2), num_hidden=2, id="bad_weight")
    f.add("nd.FullyConnected", arr(3, 4), arr(2, 4), arr(3), num_hidden=2, id="bad_bias")
    f.add("nd.FullyConnected", arr(3, 4), arr(2, 4), num_hidden=2, id="missing_bias")
    conv_cases(f)
    pooling_cases(f)
    norm_cases(f)
    for act in ("relu", "sigmoid", "tanh", "softrelu", "softsign"):
        for dtype in FLOATS:
            f.add("nd.Activation", arr(2, 5, dtype=dtype, low=-4, high=4), act_type=act, id="%s-%s" % (act, dtype))
        f.add("nd.Activation", np.array([0, np.nan, np.inf, -np.inf, 90, -90, 20, -20, -0.0], "float32"), act_type=act, id=act + "-special")
    f.add("nd.Activation", arr(3), act_type="nothing", id="bad")
    for act in ("leaky", "elu", "selu", "gelu"):
        for dtype in FLOATS:
            f.add("nd.LeakyReLU", arr(2, 5, dtype=dtype, low=-3, high=3), act_type=act, id="%s-%s" % (act, dtype))
        f.add("nd.LeakyReLU", arr(2, 5), act_type=act, slope=0.1, id=act + "-slope")
        f.add("nd.LeakyReLU", np.array([0, np.nan, 30, -30, -0.0], "float32"), act_type=act, id=act + "-special")
    f.add("nd.LeakyReLU", arr(2, 3, 4), pos(3), act_type="prelu", id="prelu")
    f.add("nd.LeakyReLU", arr(2, 3, 4), pos(1), act_type="prelu", id="prelu-one")
    f.add("nd.LeakyReLU", arr(3), pos(1), act_type="prelu", id="prelu-1d")
    f.add("nd.LeakyReLU", arr(2, 5), act_type="rrelu", train=False, id="rrelu-predict")
    f.add("nd.LeakyReLU", arr(2, 5), act_type="rrelu", id="rrelu-train", compare="meta", grad=[])
    for name in ("softmax", "log_softmax", "softmin"):
        for axis in (-1, 0, 1, -3, 3):
            f.add("nd." + name, arr(2, 3, 4), axis=axis, id="axis=%d" % axis)
        for t in (0.5, 10.0, 1.0):
            f.add("nd." + name, arr(2, 3), temperature=t, id="temperature=%s" % t)
        for dtype in FLOATS:
            f.add("nd." + name, arr(2, 3, dtype=dtype), id=dtype)
            f.add("nd." + name, arr(2, 3), dtype=dtype, id="out-" + dtype, grad=[])
            f.add("nd." + name, arr(2, 3, dtype="float16"), dtype=dtype, id="half-out-" + dtype)
        f.add("nd." + name, np.array([[1000, -1000, 0], [1, np.inf, 2], [np.nan, 0, 1], [-np.inf, 0, 1]], "float32"), id="special", grad=[])
        f.add("nd." + name, arr(2, 3, dtype="int32"), id="int", grad=[])
    for dtype in ("int32", "float32", "int64"):
        f.add("nd.softmax", arr(2, 4), np.array([2, 4], dtype), use_length=True, id="length-" + dtype, grad=[0])
    f.add("nd.softmax", arr(2, 3, 4), np.array([[1, 2, 4], [3, 0, 1]], "int32"), use_length=True, id="length-3d", grad=[0])
    f.add("nd.softmax", arr(2, 3, 4), np.array([[1, 2, 3, 2], [3, 0, 1, 1]], "int32"), axis=1, use_length=True, id="length-axis", grad=[0])
    for mode in ("instance", "channel"):
        f.add("nd.SoftmaxActivation", arr(2, 3, 4), mode=mode, id=mode)
    for train in (True, False):
        f.add("nd.Dropout", arr(3, 4), p=0.0, train=train, id="p=0-%s" % train)
        f.add("nd.Dropout", arr(3, 4), p=1.0, train=train, id="p=1-%s" % train)
    f.add("nd.Dropout", arr(3, 4), p=0.5, train=False, id="predict")
    f.add("nd.Dropout", arr(3, 4), p=0.5, id="train", compare="meta")
    f.add("nd.Dropout", arr(3, 4), p=1.5, id="bad")
    for kind in ("affine", "warp"):
        data = arr(2, 6) if kind == "affine" else arr(2, 2, 3, 4)
        f.add("nd.GridGenerator", data, transform_type=kind, target_shape=(3, 4), id=kind)
    f.add("nd.BilinearSampler", arr(1, 2, 4, 5), arr(1, 2, 3, 3, low=-1.2, high=1.2))
    f.add("nd.SpatialTransformer", arr(1, 2, 4, 5), arr(1, 6, low=-0.8, high=0.8), target_shape=(3, 3),
          transform_type="affine", sampler_type="bilinear")
    rois = np.array([[0, 0, 0, 3, 3], [0, 1, 1, 4, 2], [1, 0, 2, 5, 5]], "float32")
    f.add("nd.ROIPooling", arr(2, 2, 6, 6), rois, pooled_size=(2, 2), spatial_scale=1.0, grad=[0])
    f.add("nd.contrib.ROIAlign", arr(2, 2, 6, 6), rois, pooled_size=(2, 2), spatial_scale=1.0, sample_ratio=2, grad=[0])
    f.add("nd.contrib.ROIAlign", arr(2, 2, 6, 6), rois, pooled_size=(2, 2), spatial_scale=0.5, aligned=True, id="aligned", grad=[0])
    f.add("nd.Correlation", arr(1, 2, 5, 5), arr(1, 2, 5, 5, seed=1), kernel_size=1, max_displacement=1, stride1=1, stride2=1, pad_size=1)
    for mode, gates in (("rnn_relu", 1), ("rnn_tanh", 1), ("lstm", 4), ("gru", 3)):
        for layers, two in ((1, False), (2, False), (1, True)):
            size, inp, d = 3, 2, 2 if two else 1
            n = sum(gates * size * d * ((inp if i == 0 else size * d) + size + 2) for i in range(layers))
            states = [arr(layers * d, 2, size, seed=3, low=-0.5, high=0.5)] * 1
            if mode == "lstm":
                states.append(arr(layers * d, 2, size, seed=4, low=-0.5, high=0.5))
            f.add("nd.RNN", arr(4, 2, inp, low=-0.5, high=0.5), arr(n, low=-0.5, high=0.5, seed=1), *states, state_size=size,
                  num_layers=layers, bidirectional=two, mode=mode, state_outputs=True, id="%s-%d-%s" % (mode, layers, two), rtol=1e-3, atol=1e-4)
    for dtype in ALL:
        f.add("nd.relu", ints(3, low=0, high=3, dtype=dtype), id=dtype, grad=[])
    return f
