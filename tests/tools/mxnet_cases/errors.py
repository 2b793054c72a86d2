"""Wrong use: the kind of exception that MXNet raises."""

import numpy as np

from .common import Family, arr


def errors():
    f = Family("errors")
    f.add("nd.sum", arr(2, 3), axis="x", id="axis_string")
    f.add("nd.sum", arr(2, 3), nothing=1, id="unknown_parameter")
    f.add("nd.sum", id="no_input")
    f.add("nd.FullyConnected", arr(2, 3), arr(4, 3), arr(4), id="missing_required")
    f.add("nd.FullyConnected", arr(2, 3), arr(4, 3), arr(4), num_hidden=-1, id="negative")
    f.add("nd.FullyConnected", arr(2, 3), arr(4, 3), arr(4), num_hidden="many", id="not_a_number")
    f.add("nd.Activation", arr(2, 3), act_type="gelu", id="enum")
    f.add("nd.cast", arr(2, 3), dtype="complex64", id="dtype")
    f.add("nd.zeros", (2, 3), dtype="complex64", id="dtype")
    f.add("nd.concat", id="empty")
    f.add("nd.add_n", id="empty")
    f.add("nd.broadcast_add", arr(2, 3), id="one_operand")
    f.add("nd.broadcast_add", arr(2, 3), 1.0, id="number")
    f.add("nd.exp", 1.0, id="number")
    f.add("nd.exp", np.array([1, 2]).tolist() and [1.0, 2.0], id="list")
    f.add("nd.Dropout", arr(2), p=-0.1, id="range")
    f.add("nd.one_hot", arr(2, dtype="int32"), -1, id="depth")
    f.add("nd.random.uniform", 0, 1, shape=(2,), dtype="int32", id="dtype")
    f.add("nd.array", "text", id="text")
    f.add("nd.reshape", arr(2, 3), id="no_shape")
    f.add("nd.transpose", arr(2, 3), axes=(0, 2), id="axes")
    f.add("nd.tile", arr(2, 3), reps=(-1,), id="negative")
    f.add("nd.Pooling", arr(1, 1, 3, 3), kernel=(2, 2), pool_type="median", id="enum")
    f.add("nd.Convolution", arr(1, 1, 3, 3), arr(1, 1, 2, 2), kernel=(2, 2), num_filter=1, stride=(0, 1), no_bias=True, id="zero_stride")
    f.add("nd.SequenceMask", arr(2, 3), arr(3), use_sequence_length=True, axis=2, id="axis")
    f.add("nd.linalg.gemm", arr(2, 3), arr(3, 2), id="missing")
    f.add("nd.clip", arr(2), id="missing")
    f.add("nd.clip", arr(2), 0, id="missing_max")
    return f
