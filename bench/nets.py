"""The networks that benches bind and train, as symbols: MLPs, LeNet, VGG-16, ResNet-18 and -50, an unrolled LSTM.

Every function takes the module that gives the operators (``weft`` or ``mxnet``: both know these names) and returns the symbol,
with a SoftmaxOutput on top, and the shapes of its inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Net = tuple[Any, dict[str, tuple[int, ...]]]


def _classifier(mx: Any, net: Any, classes: int) -> Any:
    net = mx.sym.FullyConnected(net, num_hidden=classes, name="classes")
    return mx.sym.SoftmaxOutput(net, name="softmax")


def mlp(mx: Any, batch: int = 64, features: int = 784, hidden: Sequence[int] = (256, 128), classes: int = 10) -> Net:
    """Return fully connected layers with relu between them."""
    net = mx.sym.Variable("data")
    for k, size in enumerate(hidden):
        net = mx.sym.FullyConnected(net, num_hidden=size, name=f"fc{k + 1}")
        net = mx.sym.Activation(net, act_type="relu", name=f"relu{k + 1}")
    return _classifier(mx, net, classes), {"data": (batch, features), "softmax_label": (batch,)}


def deep_mlp(mx: Any, batch: int = 256, layers: int = 100, width: int = 256) -> Net:
    """Return an MLP of many equal layers."""
    return mlp(mx, batch, width, (width,) * layers)


def lenet(mx: Any, batch: int = 64, classes: int = 10) -> Net:
    """Return LeNet for 28x28 images: two convolutions with tanh and pooling, two layers."""
    net = mx.sym.Variable("data")
    for k, filters in enumerate((20, 50)):
        net = mx.sym.Convolution(net, kernel=(5, 5), num_filter=filters, name=f"conv{k + 1}")
        net = mx.sym.Activation(net, act_type="tanh", name=f"tanh{k + 1}")
        net = mx.sym.Pooling(net, pool_type="max", kernel=(2, 2), stride=(2, 2), name=f"pool{k + 1}")
    net = mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=500, name="fc1")
    net = mx.sym.Activation(net, act_type="tanh", name="tanh3")
    return _classifier(mx, net, classes), {"data": (batch, 1, 28, 28), "softmax_label": (batch,)}


def vgg16(mx: Any, batch: int = 8, image: int = 224, classes: int = 1000) -> Net:
    """Return VGG-16: 3x3 convolutions in five stages, two wide layers with dropout."""
    net = mx.sym.Variable("data")
    for stage, (count, filters) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))):
        for k in range(count):
            name = f"{stage + 1}_{k + 1}"
            net = mx.sym.Convolution(net, kernel=(3, 3), pad=(1, 1), num_filter=filters, name=f"conv{name}")
            net = mx.sym.Activation(net, act_type="relu", name=f"relu{name}")
        net = mx.sym.Pooling(net, pool_type="max", kernel=(2, 2), stride=(2, 2), name=f"pool{stage + 1}")
    net = mx.sym.Flatten(net)
    for k in (6, 7):
        net = mx.sym.FullyConnected(net, num_hidden=4096, name=f"fc{k}")
        net = mx.sym.Activation(net, act_type="relu", name=f"relu{k}")
        net = mx.sym.Dropout(net, p=0.5, name=f"drop{k}")
    return _classifier(mx, net, classes), {"data": (batch, 3, image, image), "softmax_label": (batch,)}


def _conv_norm(mx: Any, net: Any, filters: int, kernel: int, stride: int, name: str, relu: bool = True) -> Any:
    pad = kernel // 2
    net = mx.sym.Convolution(
        net, kernel=(kernel, kernel), stride=(stride, stride), pad=(pad, pad), num_filter=filters, no_bias=True, name=f"{name}_conv"
    )
    net = mx.sym.BatchNorm(net, fix_gamma=False, eps=1e-5, name=f"{name}_bn")
    return mx.sym.Activation(net, act_type="relu", name=f"{name}_relu") if relu else net


def resnet(mx: Any, depth: int = 50, batch: int = 8, image: int = 224, classes: int = 1000) -> Net:
    """Return ResNet (version 1) of 18, 34 or 50 layers."""
    blocks, bottleneck = {18: ((2, 2, 2, 2), False), 34: ((3, 4, 6, 3), False), 50: ((3, 4, 6, 3), True)}[depth]
    net = _conv_norm(mx, mx.sym.Variable("data"), 64, 7, 2, "stem")
    net = mx.sym.Pooling(net, pool_type="max", kernel=(3, 3), stride=(2, 2), pad=(1, 1), name="stem_pool")
    for stage, count in enumerate(blocks):
        filters = 64 << stage
        for k in range(count):
            name, stride = f"stage{stage + 1}_block{k + 1}", 2 if stage and not k else 1
            short = net
            if bottleneck:
                if not k:
                    short = _conv_norm(mx, net, 4 * filters, 1, stride, f"{name}_short", relu=False)
                net = _conv_norm(mx, net, filters, 1, 1, f"{name}_a")
                net = _conv_norm(mx, net, filters, 3, stride, f"{name}_b")
                net = _conv_norm(mx, net, 4 * filters, 1, 1, f"{name}_c", relu=False)
            else:
                if stage and not k:
                    short = _conv_norm(mx, net, filters, 1, stride, f"{name}_short", relu=False)
                net = _conv_norm(mx, net, filters, 3, stride, f"{name}_a")
                net = _conv_norm(mx, net, filters, 3, 1, f"{name}_b", relu=False)
            net = mx.sym.Activation(net + short, act_type="relu", name=f"{name}_out")
    net = mx.sym.Flatten(mx.sym.Pooling(net, pool_type="avg", global_pool=True, kernel=(7, 7), name="pool"))
    return _classifier(mx, net, classes), {"data": (batch, 3, image, image), "softmax_label": (batch,)}


def lstm(mx: Any, batch: int = 32, steps: int = 35, words: int = 10000, width: int = 200, layers: int = 2) -> Net:
    """Return a language model: embedding, LSTM cells unrolled over the steps, a word for each step."""
    sym = mx.sym
    net = sym.Embedding(sym.Variable("data"), input_dim=words, output_dim=width, name="embed")
    inputs = list(sym.SliceChannel(net, num_outputs=steps, axis=1, squeeze_axis=True, name="words"))
    shapes: dict[str, tuple[int, ...]] = {"data": (batch, steps), "softmax_label": (batch * steps,)}
    for layer in range(layers):
        name = f"lstm{layer + 1}"
        weights = [sym.Variable(f"{name}_{part}") for part in ("i2h_weight", "i2h_bias", "h2h_weight", "h2h_bias")]
        state, cell = sym.Variable(f"{name}_state"), sym.Variable(f"{name}_cell")
        shapes[f"{name}_state"] = shapes[f"{name}_cell"] = (batch, width)
        for step, value in enumerate(inputs):
            at = f"{name}_t{step}"
            from_input = sym.FullyConnected(value, weights[0], weights[1], num_hidden=4 * width, name=f"{at}_i2h")
            from_state = sym.FullyConnected(state, weights[2], weights[3], num_hidden=4 * width, name=f"{at}_h2h")
            gates = list(sym.SliceChannel(from_input + from_state, num_outputs=4, name=f"{at}_gates"))
            kinds = ("sigmoid", "sigmoid", "tanh", "sigmoid")
            gate_in, forget, new, out = (sym.Activation(gate, act_type=kind) for gate, kind in zip(gates, kinds))
            cell = forget * cell + gate_in * new
            state = out * sym.Activation(cell, act_type="tanh")
            inputs[step] = state
    net = sym.Concat(*[sym.expand_dims(value, axis=1) for value in inputs], dim=1)
    return _classifier(mx, sym.Reshape(net, shape=(-1, width)), words), shapes


#: The networks that issue 3 measures, by name.
NETS = {
    "MLP": mlp,
    "LeNet": lenet,
    "ResNet-18": lambda mx, **options: resnet(mx, 18, **options),
    "ResNet-50": resnet,
    "VGG-16": vgg16,
    "LSTM, 35 steps": lstm,
    "MLP, 100 layers": deep_mlp,
}
