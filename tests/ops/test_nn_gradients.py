"""Declared gradients of the neural network operators against central differences of their NumPy kernels."""

import importlib.util
import pathlib

import numpy as np
import pytest

_path = pathlib.Path(__file__).with_name("nn_reference.py")
_spec = importlib.util.spec_from_file_location("weft_nn_reference", _path)
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)
check = reference.check_gradient


@pytest.fixture
def r():
    rng = np.random.default_rng(0)
    return lambda *shape: rng.standard_normal(shape)


@pytest.mark.parametrize(
    ("data", "weight", "params"),
    [
        ((3, 4), (5, 4), {}),
        ((3, 2, 4), (5, 4), {"flatten": False}),
        ((3, 2, 2), (5, 4), {"no_bias": True}),
    ],
)
def test_fully_connected(r, data, weight, params):
    inputs = [r(*data), r(*weight)] + ([] if params.get("no_bias") else [r(5)])
    check("FullyConnected", inputs, {"num_hidden": 5, **params})


CONVOLUTIONS = [
    ((2, 4, 7), {"kernel": (3,), "stride": (2,), "pad": (1,), "dilate": (2,)}),
    ((2, 4, 7, 6), {"kernel": (3, 2), "stride": (2, 1), "pad": (1, 0), "dilate": (1, 2), "num_group": 2}),
    ((1, 2, 4, 4, 3), {"kernel": (2, 2, 2), "stride": (1, 2, 1), "pad": (0, 1, 1)}),
    ((2, 7, 6, 4), {"kernel": (3, 2), "stride": (2, 1), "pad": (1, 0), "num_group": 2, "layout": "NHWC"}),
]


@pytest.mark.parametrize(("shape", "params"), CONVOLUTIONS)
@pytest.mark.parametrize("name", ["Convolution", "Deconvolution"])
def test_convolutions(r, name, shape, params):
    groups, last = params.get("num_group", 1), params.get("layout") == "NHWC"
    channels = shape[-1] if last else shape[1]
    outer, inner = (6, channels // groups) if name == "Convolution" else (channels, 6 // groups)
    weight = (outer, *params["kernel"], inner) if last else (outer, inner, *params["kernel"])
    check(name, [r(*shape), r(*weight), r(6)], {"num_filter": 6, "no_bias": False, **params})


@pytest.mark.parametrize("params", [{"target_shape": (6, 6)}, {"pad": (1, 1), "adj": (1, 1)}])
def test_deconvolution_output_shapes(r, params):
    params = {"kernel": (3, 3), "num_filter": 2, "stride": (2, 2), **params}
    assert reference.run("Deconvolution", [r(1, 2, 3, 3), r(2, 2, 3, 3)], params)[0].shape == (1, 2, 6, 6)
    check("Deconvolution", [r(1, 2, 3, 3), r(2, 2, 3, 3)], params)


@pytest.mark.parametrize("kind", ["max", "avg", "sum", "lp"])
@pytest.mark.parametrize("convention", ["valid", "full"])
@pytest.mark.parametrize("pad", [0, 1])
def test_pooling(r, kind, convention, pad):
    params = {"kernel": (3, 2), "stride": (2, 2), "pad": (pad, pad), "pool_type": kind, "p_value": 2}
    check("Pooling", [np.abs(r(2, 2, 7, 6)) + 0.1], {**params, "pooling_convention": convention})


@pytest.mark.parametrize("kind", ["max", "avg", "sum", "lp"])
def test_pooling_global_and_channel_last(r, kind):
    check("Pooling", [np.abs(r(2, 2, 5)) + 0.1], {"global_pool": True, "pool_type": kind, "p_value": 3})
    params = {"kernel": (2, 2), "pool_type": kind, "p_value": 3, "layout": "NHWC", "pad": (1, 1), "count_include_pad": False}
    check("Pooling", [np.abs(r(2, 5, 5, 2)) + 0.1], params)
    if kind != "lp":
        params = {"kernel": (3, 3), "stride": (2, 2), "pool_type": kind, "pooling_convention": "full"}
        check("Pooling_v1", [r(2, 2, 7, 7)], params)


def test_pooling_same_convention(r):
    check("Pooling", [r(2, 2, 7)], {"kernel": (3,), "stride": (2,), "pooling_convention": "same"})


@pytest.mark.parametrize("kind", ["relu", "sigmoid", "softrelu", "softsign", "tanh"])
def test_activation(r, kind):
    check("Activation", [r(3, 4)], {"act_type": kind})
    skip = (1,) if kind == "relu" else ()
    check("_backward_Activation", [r(3, 4), np.abs(r(3, 4))], {"act_type": kind}, skip=skip)


@pytest.mark.parametrize("kind", ["leaky", "elu", "selu", "gelu", "rrelu"])
def test_leaky_relu(r, kind):
    check("LeakyReLU", [r(3, 4)], {"act_type": kind})
    check("LeakyReLU", [r(3, 4)], {"act_type": kind}, train=False)
    if kind != "rrelu":
        skip = (1,) if kind == "leaky" else ()
        check("_backward_LeakyReLU", [r(3, 4), r(3, 4)], {"act_type": kind}, skip=skip)


@pytest.mark.parametrize(("data", "gamma"), [((2, 3, 4), (3,)), ((2, 3, 4), (1,)), ((2, 3), (2, 3)), ((3,), (1,))])
def test_prelu(r, data, gamma):
    check("LeakyReLU", [r(*data), r(*gamma)], {"act_type": "prelu"})


@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax"])
def test_softmax(r, name):
    check(name, [r(2, 3, 4)], {"axis": 1, "temperature": 2.0})
    check(f"_backward_{name}", [r(2, 3, 4), r(2, 3, 4)], {"axis": 1, "temperature": 2.0})


def test_softmax_with_lengths(r):
    lengths = np.array([[1, 2, 3, 1], [3, 3, 2, 1]])
    check("softmax", [r(2, 3, 4), lengths], {"axis": 1, "use_length": True})


@pytest.mark.parametrize("mode", ["instance", "channel"])
def test_softmax_activation(r, mode):
    check("SoftmaxActivation", [r(2, 3, 4)], {"mode": mode})


BATCH_NORMS = [
    ("BatchNorm", {"fix_gamma": False}),
    ("BatchNorm", {"fix_gamma": False, "axis": -1}),
    ("BatchNorm", {"fix_gamma": False, "use_global_stats": True}),
    ("_contrib_BatchNormWithReLU", {"fix_gamma": False}),
    ("BatchNorm_v1", {"fix_gamma": False}),
    ("_contrib_SyncBatchNorm", {"fix_gamma": False, "key": "a"}),
]


@pytest.mark.parametrize(("name", "params"), BATCH_NORMS)
@pytest.mark.parametrize("train", [True, False])
def test_batch_norm(r, name, params, train):
    channels = 5 if "axis" in params else 4
    inputs = [r(3, 4, 2, 5), r(channels), r(channels), r(channels), np.abs(r(channels)) + 0.5]
    check(name, inputs, params, skip=(3, 4), train=train)


def test_batch_norm_fixed_gamma_has_zero_gradient(r):
    inputs = [r(3, 4), r(4), r(4), r(4), np.abs(r(4)) + 0.5]
    check("BatchNorm", inputs, {}, skip=(1, 3, 4))
    found = reference.gradients("BatchNorm", inputs, [r(3, 4)])
    assert not found[1].any()


@pytest.mark.parametrize("axis", [-1, 1])
def test_layer_norm(r, axis):
    size = (2, 3, 4)[axis]
    check("LayerNorm", [r(2, 3, 4), r(size), r(size)], {"axis": axis})


@pytest.mark.parametrize(
    ("name", "params", "size"), [("GroupNorm", {"num_groups": 2}, 2), ("InstanceNorm", {}, 4)]
)
def test_group_and_instance_norm(r, name, params, size):
    check(name, [r(2, 4, 3), r(size), r(size)], params)


@pytest.mark.parametrize("mode", ["instance", "channel", "spatial"])
def test_l2_normalization(r, mode):
    check("L2Normalization", [r(2, 4, 3)], {"mode": mode})


@pytest.mark.parametrize("nsize", [3, 4, 5])
def test_lrn(r, nsize):
    check("LRN", [r(2, 6, 2, 1)], {"nsize": nsize, "alpha": 0.5, "beta": 0.6, "knorm": 1.5})


@pytest.mark.parametrize("params", [{}, {"axes": (0,)}, {"mode": "always"}])
@pytest.mark.parametrize("train", [True, False])
def test_dropout(r, params, train):
    check("Dropout", [r(3, 4)], {"p": 0.4, **params}, train=train)


def test_softmax_cross_entropy(r):
    check("softmax_cross_entropy", [r(3, 4), np.array([0, 3, 1.0])], skip=(1,))


@pytest.mark.parametrize("blank", ["first", "last"])
def test_ctc_loss(r, blank):
    labels = {"first": [[1, 2, 2], [3, 0, 0], [1, 1, 1]], "last": [[0, 1, 1], [2, -1, -1], [0, 0, 0]]}[blank]
    check("CTCLoss", [r(8, 3, 4), np.array(labels)], {"blank_label": blank})
    lengths = {"use_data_lengths": True, "use_label_lengths": True}
    check("CTCLoss", [r(8, 3, 4), np.array(labels), np.array([8, 3, 7]), np.array([3, 1, 2])], {"blank_label": blank, **lengths})


@pytest.mark.parametrize("mode", ["rnn_tanh", "rnn_relu", "lstm", "gru"])
@pytest.mark.parametrize(
    "params", [{}, {"bidirectional": True, "num_layers": 2, "p": 0.4}, {"use_sequence_length": True, "bidirectional": True}]
)
@pytest.mark.parametrize("train", [True, False])
def test_rnn(r, mode, params, train):
    from weft.ops.nn_rnn import parameter_size

    params = {"state_size": 3, "mode": mode, "num_layers": 1, "state_outputs": True, **params}
    states = params["num_layers"] * (2 if params.get("bidirectional") else 1)
    size = parameter_size(reference.registry.get("RNN").attrs(params), 2)
    inputs = [r(4, 2, 2), r(size) * 0.5, *[r(states, 2, 3) for _ in range(2 if mode == "lstm" else 1)]]
    if "use_sequence_length" in params:
        inputs.append(np.array([2, 4]))
    check("RNN", inputs, params, train=train, outputs=3 if mode == "lstm" else 2)


def test_lstm_state_clip(r):
    params = {"state_size": 3, "mode": "lstm", "num_layers": 1, "lstm_state_clip_min": -0.3, "lstm_state_clip_max": 0.3}
    check("RNN", [r(4, 2, 2), r(84) * 0.5, r(1, 2, 3), r(1, 2, 3)], params)


RESIZES = [
    ("_contrib_AdaptiveAvgPooling2D", {"output_size": (2, 3)}, [(1, 2, 5, 4)]),
    ("_contrib_BilinearResize2D", {"height": 3, "width": 7}, [(1, 2, 5, 4)]),
    ("_contrib_BilinearResize2D", {"height": 3, "width": 7, "align_corners": False}, [(1, 2, 5, 4)]),
    ("_contrib_BilinearResize2D", {"mode": "like"}, [(1, 2, 5, 4), (1, 1, 2, 3)]),
    ("UpSampling", {"scale": 2, "sample_type": "nearest"}, [(1, 2, 2, 2), (1, 1, 4, 4)]),
    ("UpSampling", {"scale": 4, "sample_type": "nearest", "multi_input_mode": "sum"}, [(1, 2, 2, 2), (1, 2, 4, 4)]),
    ("UpSampling", {"scale": 3, "sample_type": "bilinear"}, [(1, 2, 2, 2), (2, 1, 5, 5)]),
]


@pytest.mark.parametrize(("name", "params", "shapes"), RESIZES)
def test_resizing(r, name, params, shapes):
    check(name, [r(*shape) for shape in shapes], params)


REGIONS = [
    ("ROIPooling", {}, 2),
    ("_contrib_ROIAlign", {"aligned": False}, 2),
    ("_contrib_ROIAlign", {"aligned": True, "sample_ratio": 2}, 2),
    ("_contrib_ROIAlign", {"position_sensitive": True}, 8),
]


@pytest.mark.parametrize(("name", "params", "channels"), REGIONS)
def test_regions(r, name, params, channels):
    rois = np.array([[0, 0, 0, 3, 3], [0, 1, 1, 5, 4], [0, 4, 4, 9, 9], [0, 0.6, 0.4, 2.5, 3.5], [-1, 0, 0, 1, 1]])
    check(name, [r(1, channels, 6, 6), rois], {"pooled_size": (2, 2), "spatial_scale": 1.0, **params}, skip=(1,))


def test_grids(r):
    check("GridGenerator", [r(2, 6)], {"transform_type": "affine", "target_shape": (3, 4)})
    check("GridGenerator", [r(2, 2, 3, 4)], {"transform_type": "warp"})
    check("BilinearSampler", [r(2, 2, 5, 4), np.random.default_rng(1).uniform(-1.2, 1.2, (2, 2, 3, 3))])
    params = {"target_shape": (3, 3), "transform_type": "affine", "sampler_type": "bilinear"}
    check("SpatialTransformer", [r(2, 2, 5, 4), r(2, 6) * 0.5], params)


@pytest.mark.parametrize(
    "params",
    [{}, {"pad_size": 2, "max_displacement": 2, "stride2": 2, "kernel_size": 3}, {"is_multiply": False, "pad_size": 1}],
)
def test_correlation(r, params):
    check("Correlation", [r(1, 2, 6, 5), r(1, 2, 6, 5)], params)


@pytest.mark.parametrize("wanted", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("flatten", [True, False])
def test_fully_connected_second_order(r, wanted, flatten):
    params = {"num_hidden": 5, "flatten": flatten, "wanted": wanted}
    weight = (5, 8 if flatten else 4)
    head = (3, 5) if flatten else (3, 2, 5)
    check("_backward_FullyConnected", [r(*head), r(3, 2, 4), r(*weight)], params, skip=unused(wanted), outputs=3)


def unused(wanted):
    """Inputs of the backward operator that the wanted gradients do not depend on: (out_grad, data, weight)."""
    return tuple([] if wanted & 2 else [1]) + tuple([] if wanted & 1 else [2])


@pytest.mark.parametrize("name", ["Convolution", "Deconvolution"])
@pytest.mark.parametrize("wanted", [1, 2, 4, 7])
def test_convolution_second_order(r, name, wanted):
    params = {"kernel": (3, 2), "stride": (2, 1), "pad": (1, 0), "num_filter": 4, "num_group": 2, "no_bias": False}
    data, weight = (2, 4, 5, 4), (4, 2, 3, 2)
    head = reference.run(name, [r(*data), r(*weight), r(4)], params)[0].shape
    inputs = [r(*head), r(*data), r(*weight)]
    check(f"_backward_{name}", inputs, {**params, "wanted": wanted}, skip=unused(wanted), outputs=3)


@pytest.mark.parametrize("axis", [-1, 1])
def test_layer_norm_second_order(r, axis):
    # Mean and deviation are functions of the data, so the check goes through the forward call.
    size = (2, 3, 4)[axis]
    data, gamma, beta, head = r(2, 3, 4), r(size), r(size), r(2, 3, 4)
    heads = [r(2, 3, 4), r(size), r(size)]
    params = {"axis": axis, "eps": 0.1}

    def first(head, data, gamma):
        outputs = reference.run("LayerNorm", [data, gamma, beta], params)
        inputs = [head, data, gamma, outputs[1], outputs[2]]
        return inputs, reference.run("_backward_LayerNorm", inputs, params)

    def total(*inputs):
        return sum((h * o).sum() for h, o in zip(heads, first(*inputs)[1]))

    values = [head, data, gamma]
    found = reference.gradients("_backward_LayerNorm", first(*values)[0], heads, params)
    for i, x in enumerate(values):
        expected = np.zeros_like(x)
        for place in np.ndindex(x.shape):
            kept, sums = x[place], []
            for sign in (1, -1):
                x[place] = kept + sign * 1e-5
                sums.append(total(*values))
            x[place] = kept
            expected[place] = (sums[0] - sums[1]) / 2e-5
        np.testing.assert_allclose(found[i], expected, rtol=1e-5, atol=1e-6, err_msg=f"input {i}")


@pytest.mark.parametrize("groups", [1, 2])
def test_deformable_convolutions(r, groups):
    params = {"kernel": (3, 2), "num_filter": 4, "pad": (1, 1), "stride": (2, 1)}
    params |= {"num_group": groups, "num_deformable_group": groups}
    weight = (4, 4 // groups, 3, 2)
    window = 6 * groups
    check("_contrib_DeformableConvolution", [r(2, 4, 5, 4), r(2, 2 * window, 3, 5), r(*weight), r(4)], params)
    inputs = [r(2, 4, 5, 4), r(2, 2 * window, 3, 5), r(2, window, 3, 5), r(*weight), r(4)]
    check("_contrib_ModulatedDeformableConvolution", inputs, params)
    check("_contrib_ModulatedDeformableConvolution", inputs[:-1], {**params, "no_bias": True})


def test_deformable_convolution_without_offsets_is_a_convolution(r):
    params = {"kernel": (3, 3), "num_filter": 4, "pad": (1, 1)}
    data, weight, bias = r(2, 3, 5, 4), r(4, 3, 3, 3), r(4)
    expected = reference.run("Convolution", [data, weight, bias], params)[0]
    offset, mask = np.zeros((2, 18, 5, 4)), np.ones((2, 9, 5, 4))
    found = reference.run("_contrib_DeformableConvolution", [data, offset, weight, bias], params)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    found = reference.run("_contrib_ModulatedDeformableConvolution", [data, offset, mask, weight, bias], params)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
