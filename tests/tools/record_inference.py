"""Ask the real MXNet 1.9.1 what it infers for graphs of which some shapes or dtypes are given.

Writes ``tests/data/mxnet/inference.json``; only needed when cases are added (see record_mxnet.py for the environment).
Each case holds the graph as MXNet's JSON, what was given, and what ``infer_shape_partial`` or ``infer_type`` said.
"""

import json
import os
import warnings

warnings.filterwarnings("ignore")

import mxnet as mx  # noqa: E402

S = mx.sym
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "mxnet", "inference.json")
A, B, C = (S.var(name) for name in "abc")
CASES = []


def shapes(name, symbol, **given):
    CASES.append(("shape", name, symbol, given))


def types(name, symbol, **given):
    CASES.append(("type", name, symbol, given))


def small_shapes():
    shapes("add both ways", A + B, a=(0, 3), b=(2, 0))
    shapes("add", A + B, a=(0, 3))
    shapes("add conflict", A + B, a=(2, 3), b=(2, 4))
    for b in ((4, 3), (1, 3), (3,), (0, 3)):
        shapes("broadcast", S.broadcast_add(A, B), a=(0, 3), b=b)
    shapes("broadcast one unknown", S.broadcast_add(A, B), a=(2, 3))
    shapes("broadcast", S.broadcast_mul(A, B), a=(2, 1, 3), b=(4, 1))
    shapes("broadcast conflict", S.broadcast_mul(A, B), a=(2, 3), b=(4, 3))
    dense = S.FullyConnected(A, num_hidden=4, name="f")
    shapes("dense", dense, a=(0, 3))
    shapes("dense", dense, a=(2, 3, 5))
    shapes("dense weight", dense, f_weight=(4, 7))
    shapes("dense conflict", dense, a=(2, 3), f_weight=(4, 5))
    shapes("dense from output", dense + B, a=(0, 3), b=(5, 4))
    shapes("dense from output, rank unknown", dense + B, b=(5, 4))
    shapes("dense last axis", S.FullyConnected(A, num_hidden=4, name="f", flatten=False) + B, a=(0, 0, 3), b=(5, 6, 4))
    conv = S.Convolution(A, num_filter=4, kernel=(3, 3), name="f")
    for a in ((0, 3, 8, 8), (2, 3, 0, 8), (2, 0, 8, 8)):
        shapes("convolution", conv, a=a)
    shapes("convolution from output", conv + B, a=(0, 3, 0, 8), b=(2, 4, 5, 6))
    shapes("convolution from output, rank unknown", conv + B, b=(2, 4, 5, 6))
    shapes("convolution stride", S.Convolution(A, num_filter=4, kernel=(3, 3), stride=(2, 2), name="f"), a=(2, 6, 9, 9))
    shapes("convolution groups", S.Convolution(A, num_filter=4, kernel=(3, 3), num_group=2, name="f"), a=(2, 6, 9, 9))
    deconv = S.Deconvolution(A, kernel=(2, 2), stride=(2, 2), num_filter=3, name="d")
    shapes("deconvolution", deconv, a=(0, 4, 5, 5))
    shapes("deconvolution from output", deconv + B, a=(0, 4, 0, 5), b=(2, 3, 6, 10))
    shapes("pooling", S.Pooling(A, kernel=(2, 2), stride=(2, 2), pool_type="max"), a=(0, 3, 8, 8))
    shapes("global pooling", S.Pooling(A, kernel=(2, 2), global_pool=True, pool_type="avg"), a=(0, 3, 8, 8))
    norm = S.BatchNorm(A, name="n")
    for a in ((0, 3, 8, 8), (0, 0, 8, 8), (4, 3)):
        shapes("batch norm", norm, a=a)
    shapes("batch norm from output", norm + B, b=(2, 3, 8, 8))
    shapes("activation from output", S.Activation(A, act_type="relu") + B, b=(2, 3))
    for symbol in (S.clip(A, 0, 1), S.BlockGrad(A), S.zeros_like(A), S.Cast(A, dtype="float16"), S.sqrt(A), S.MakeLoss(A)):
        shapes("element-wise from output", symbol + B, b=(2, 3))
    for symbol in (S.softmax(A), S.Dropout(A), S.LeakyReLU(A), S.LayerNorm(A), S.SequenceMask(A)):
        shapes("like data", symbol, a=(0, 3))
        shapes("like data", symbol, a=(2, 3))
    shapes("prelu", S.LeakyReLU(A, act_type="prelu", name="l"), a=(0, 3))
    shapes("layer norm", S.LayerNorm(A, name="l"), a=(0, 3))


def movement_shapes():
    for a in ((0, 3, 4), (2, 0, 4), (2, 3, 4)):
        shapes("flatten", S.Flatten(A), a=a)
    shapes("flatten from output", S.Flatten(A) + B, a=(0, 3, 4), b=(2, 12))
    for target in ((0, -1), (-1, 12), (2, 12), (0, 0, 4), (-3, 0), (0, -4, 1, 3, 4), (-2,)):
        shapes("reshape", S.reshape(A, shape=target), a=(0, 3, 4))
        shapes("reshape", S.reshape(A, shape=target), a=(2, 3, 4))
    shapes("reshape from output", S.reshape(A, shape=(-1, 12)) + B, a=(0, 3, 4), b=(5, 12))
    shapes("reshape from itself", S.reshape(A, shape=(2, 12)) + B, a=(0, 3, 4))
    shapes("reshape nothing known", S.reshape(A, shape=(2, 12)))
    shapes("transpose", S.transpose(A), a=(0, 3, 4))
    shapes("transpose", S.transpose(A, axes=(1, 0, 2)) + B, b=(0, 3, 4))
    shapes("transpose", S.transpose(A, axes=(1, 2, 0)) + B, b=(5, 3, 4))
    shapes("swap", S.SwapAxis(A, dim1=0, dim2=1), a=(0, 3, 4))
    shapes("swap from output", S.SwapAxis(A, dim1=0, dim2=1) + B, b=(2, 3, 4))
    joined = S.concat(A, B, dim=1)
    shapes("concat", joined, a=(0, 3, 4), b=(2, 5, 0))
    shapes("concat", joined, a=(2, 3, 4), b=(2, 5, 4))
    shapes("concat conflict", joined, a=(2, 3, 4), b=(3, 5, 4))
    shapes("concat from output", joined + C, a=(2, 3, 4), b=(2, 0, 4), c=(2, 9, 4))
    shapes("stack", S.stack(A, B), a=(2, 3))
    parts = S.SliceChannel(A, num_outputs=2, axis=1)
    shapes("split", parts, a=(0, 4))
    shapes("split", S.SliceChannel(A, num_outputs=2, axis=1, squeeze_axis=True), a=(3, 2))
    shapes("split conflict", parts, a=(2, 5))
    shapes("expand", S.expand_dims(A, axis=1), a=(0, 3))
    shapes("expand from output", S.expand_dims(A, axis=1) + B, b=(2, 1, 3))
    shapes("squeeze", S.squeeze(A, axis=1), a=(0, 1, 3))
    for symbol in (S.sum(A, axis=1), S.sum(A), S.max(A, axis=0, keepdims=True), S.mean(A, axis=1, exclude=True)):
        shapes("reduce", symbol, a=(0, 3, 4))
    for symbol in (
        S.slice_axis(A, axis=1, begin=0, end=2),
        S.slice_axis(A, axis=0, begin=0, end=2),
        S.slice(A, begin=(0, 1), end=(2, 3)),
        S.slice(A, begin=(None, 1), end=(None, 3)),
        S.Pad(S.expand_dims(A, axis=1), mode="constant", pad_width=(0, 0, 0, 0, 1, 1, 1, 1)),
        S.tile(A, reps=(2, 2)),
        S.L2Normalization(A),
        S.one_hot(A, depth=5),
        S.flip(A, axis=1),
    ):
        shapes("movement", symbol, a=(0, 3, 4))
        shapes("movement", symbol, a=(2, 3, 4))


def product_shapes():
    shapes("dot", S.dot(A, B), a=(0, 3), b=(3, 4))
    shapes("dot", S.dot(A, B, transpose_b=True), a=(2, 3), b=(4, 3))
    shapes("dot conflict", S.dot(A, B), a=(2, 3), b=(4, 3))
    shapes("batch_dot", S.batch_dot(A, B), a=(0, 2, 3), b=(0, 3, 4))
    embedding = S.Embedding(A, input_dim=10, output_dim=4, name="e")
    shapes("embedding", embedding, a=(0, 5))
    shapes("embedding", embedding)
    shapes("take", S.take(A, B), a=(0, 3), b=(2,))
    shapes("where", S.where(A, B, C), a=(2, 3), b=(2, 3), c=(2, 3))
    for mode in ("lstm", "gru", "rnn_tanh"):
        layer = S.RNN(A, state_size=4, num_layers=2, mode=mode, state_outputs=True, name="r")
        shapes("rnn", layer, a=(5, 2, 3))
        shapes("rnn", layer, a=(5, 0, 3))
    shapes("upsampling", S.UpSampling(A, scale=2, sample_type="nearest"), a=(0, 3, 4, 4))
    shapes("sequence last", S.SequenceLast(A, B, use_sequence_length=True), a=(5, 0, 3))
    shapes("zeros from use", S.zeros(shape=(0, 4)) + A, a=(3, 4))
    shapes("zeros", S.ones(shape=(0, 4)))
    shapes("normal from use", S.random.normal(shape=(0, 4)) + A, a=(3, 4))
    shapes("annotation", S.var("v", shape=(2, 0)) + A, a=(0, 3))
    shapes("annotation overruled", S.var("v", shape=(2, 3)) + A, a=(4, 5), v=(4, 5))
    for make in (S.SoftmaxOutput, S.LinearRegressionOutput, S.LogisticRegressionOutput, S.SVMOutput):
        shapes("loss", make(A, name="s"), a=(2, 3))
        shapes("loss", make(A, name="s"), a=(0, 3))
        shapes("loss label", make(A, name="s"), s_label=(2,))
    shapes("loss column", S.LinearRegressionOutput(A, name="s"), a=(2, 1))
    shapes("loss multi", S.SoftmaxOutput(A, name="s", multi_output=True), a=(2, 3, 4))


def networks():
    x = S.FullyConnected(S.var("data"), num_hidden=128, name="fc1")
    x = S.FullyConnected(S.Activation(x, act_type="relu"), num_hidden=10, name="fc2")
    mlp = S.SoftmaxOutput(x, name="softmax")
    for data in ((0, 784), (64, 784), (64, 28, 28), (0, 0)):
        shapes("mlp", mlp, data=data)
    shapes("mlp label", mlp, data=(0, 784), softmax_label=(32,))
    types("mlp", mlp, data="float16")
    types("mlp", mlp, fc2_weight="float64")

    x = S.var("data")
    for i in range(2):
        x = S.Convolution(x, num_filter=8 * (i + 1), kernel=(5, 5), name=f"conv{i}")
        x = S.Pooling(S.Activation(S.BatchNorm(x, name=f"bn{i}"), act_type="tanh"), kernel=(2, 2), stride=(2, 2), pool_type="max")
    lenet = S.SoftmaxOutput(S.FullyConnected(S.Flatten(x), num_hidden=10, name="fc"), name="softmax")
    for data in ((0, 1, 28, 28), (64, 1, 28, 28)):
        shapes("lenet", lenet, data=data)
    for dtype in ("float16", "float32", "float64"):
        types("lenet", lenet, data=dtype)

    for make in (mx.rnn.LSTMCell, mx.rnn.GRUCell, mx.rnn.RNNCell):
        cell = make(16, prefix="cell_")
        outputs, _ = cell.unroll(3, inputs=S.var("data"), layout="NTC", merge_outputs=True)
        shapes("unrolled " + make.__name__, outputs, data=(4, 3, 8))
        shapes("unrolled " + make.__name__, outputs, data=(0, 3, 8))
        types("unrolled " + make.__name__, outputs, data="float32")
    stack = mx.rnn.SequentialRNNCell()
    for i in range(2):
        stack.add(mx.rnn.LSTMCell(16, prefix=f"l{i}_"))
    embedded = S.Embedding(S.var("data"), input_dim=50, output_dim=8, name="embed")
    outputs, _ = stack.unroll(3, inputs=embedded, merge_outputs=True)
    logits = S.FullyConnected(S.Reshape(outputs, shape=(-1, 16)), num_hidden=50, name="pred")
    model = S.SoftmaxOutput(logits, S.Reshape(S.var("softmax_label"), shape=(-1,)), name="softmax")
    shapes("language model", model, data=(4, 3), softmax_label=(4, 3))
    shapes("language model", model, data=(4, 3))

    data, weight = S.var("data"), S.var("shared_weight")
    left = S.FullyConnected(data, weight, num_hidden=6, no_bias=True, name="left")
    right = S.FullyConnected(S.var("other"), weight, num_hidden=6, no_bias=True, name="right")
    shapes("siamese", left - right, data=(0, 5), other=(3, 0))
    shapes("siamese", left - right, data=(4, 5))


def small_types():
    half = "float16"
    dense = S.FullyConnected(A, num_hidden=4, name="f")
    conv = S.Convolution(A, kernel=(3, 3), num_filter=3, name="n")
    norm = S.BatchNorm(A, name="n")
    embedding = S.Embedding(A, input_dim=3, output_dim=3, name="e")
    types("dense", dense, a=half)
    types("dense", dense, f_weight=half)
    types("dense nothing", dense)
    types("dense conflict", dense, a=half, f_weight="float64")
    types("dense from output", dense + B, b=half)
    types("convolution", conv, a=half)
    types("convolution from output", conv + B, b=half)
    for dtype in (half, "float32", "float64"):
        types("batch norm", norm, a=dtype)
    types("batch norm from output", norm + B, b="float64")
    types("embedding", embedding, a="int32")
    types("cast", S.Cast(A, dtype=half) + B, a="float64")
    types("add conflict", A + B, a=half, b="float64")
    for symbol in (A + B, (A * B) + C, S.broadcast_add(A, B), S.dot(A, B), S.concat(A, B), S.stack(A, B), A == B):
        types("same", symbol, a=half)
        types("same", symbol, b=half)
    for symbol in (
        S.transpose(A),
        S.reshape(A, shape=(-1,)),
        S.Flatten(A),
        S.Activation(A, act_type="relu"),
        S.sum(A),
        S.expand_dims(A, axis=0),
        S.slice_axis(A, axis=0, begin=0, end=1),
        S.SliceChannel(A, num_outputs=2)[1],
        S.sqrt(A),
        A + 1.5,
        S.SequenceMask(A),
    ):
        types("back", symbol + B, b=half)
        types("forth", symbol + B, a=half)
    for make in (S.SoftmaxOutput, S.LinearRegressionOutput):
        types("loss", make(A, name="s"), a=half)
    types("scalar", A == 2, a="int32")
    types("mean", S.mean(A), a="float64")
    types("argmax", S.argmax(A), a=half)
    types("rnn", S.RNN(A, state_size=4, num_layers=1, mode="lstm", name="r"), a=half)
    types("layer norm", S.LayerNorm(A, name="l"), a=half)
    types("prelu", S.LeakyReLU(A, act_type="prelu", name="l"), a=half)
    types("zeros", S.zeros((2, 3)) + A)
    types("zeros", S.zeros((2, 3), dtype=half) + A)
    types("annotation", S.var("v", dtype="float64") + A)
    types("one hot", S.one_hot(A, depth=3), a="int32")
    types("take", S.take(A, B), a=half, b="int32")
    types("sequence mask", S.SequenceMask(A, B, use_sequence_length=True), a=half)


def answer(kind, symbol, given):
    try:
        found = symbol.infer_shape_partial(**given) if kind == "shape" else symbol.infer_type(**given)
    except mx.MXNetError as error:
        return {"error": str(error).strip().splitlines()[-1][:300]}
    if found[0] is None:
        return {"found": None}
    if kind == "type":
        found = [[None if item is None else item.__name__ for item in part] for part in found]
    return {"found": found}


def main():
    for fill in (small_shapes, movement_shapes, product_shapes, networks, small_types):
        fill()
    rows = []
    for kind, name, symbol, given in CASES:
        row = {"kind": kind, "name": name, "given": given, "symbol": json.loads(symbol.tojson())}
        row["arguments"], row["states"] = symbol.list_arguments(), symbol.list_auxiliary_states()
        row.update(answer(kind, symbol, given))
        row["symbol"] = {key: row["symbol"][key] for key in ("nodes", "heads")}
        rows.append(json.dumps(row))
    with open(OUT, "w") as out:
        out.write("[\n" + ",\n".join(rows) + "\n]\n")
    print(len(rows), "cases", os.path.getsize(OUT), "bytes")


if __name__ == "__main__":
    main()
