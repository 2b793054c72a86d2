"""Shapes, slices, joins and indices: both kernels against NumPy, gradients against differences."""

import numpy as np
import pytest
from kernel_checks import both_run, check_gradient, normal

import weft as mx
from weft.engine.errors import MXNetError
from weft.ops import copies

DTYPES = ("float32", "float64", "float16", "uint8", "int8", "int32", "int64")
every_dtype = pytest.mark.parametrize("dtype", [*DTYPES, "bool"])
every_number = pytest.mark.parametrize("dtype", DTYPES)
F64 = {"dtype": "float64"}


def counting(*shape, dtype="float64"):
    return (np.arange(np.prod(shape)) % 100).reshape(shape).astype(dtype)


def equal(a, b):
    assert a.shape == b.shape
    np.testing.assert_array_equal(a, b)


# ---- order of axes and elements ------------------------------------------------------------------


@every_dtype
@pytest.mark.parametrize("shape", [(2, 3, 4), (67, 93, 5), (1, 40, 130), (16, 16, 3), (3, 0, 2)])
@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (0, 2, 1), (1, 2, 0), (2, 0, 1)])
def test_transpose(dtype, shape, axes):
    data = counting(*shape, dtype=dtype)
    equal(both_run("transpose", {"axes": axes}, [data]), data.transpose(axes))


@every_dtype
@pytest.mark.parametrize("shape", [(300, 517), (128, 128), (1, 700), (700, 3), (15, 17)])
def test_transpose_of_matrices(dtype, shape):
    data = counting(*shape, dtype=dtype)
    equal(both_run("transpose", {}, [data]), data.T)


def test_transpose_on_several_cores_past_the_caches():
    data = np.random.random((1600, 1728)).astype(np.float32)
    equal(both_run("transpose", {}, [data]), data.T)
    equal(mx.nd.array(data).T.asnumpy(), data.T)


def test_transpose_of_many_axes():
    data = counting(2, 3, 2, 2, 3, 2)
    for axes in ((5, 4, 3, 2, 1, 0), (1, 0, 3, 2, 5, 4), (2, 3, 4, 5, 0, 1)):
        equal(both_run("transpose", {"axes": axes}, [data]), data.transpose(axes))


@every_dtype
def test_order(dtype):
    data = counting(2, 3, 4, dtype=dtype)
    equal(both_run("reverse", {"axis": (0, 2)}, [data]), data[::-1, :, ::-1])
    equal(both_run("reverse", {"axis": (1, 1)}, [data]), data)
    equal(both_run("SwapAxis", {"dim1": 0, "dim2": -1}, [data]), data.swapaxes(0, 2))
    blocks = counting(2, 8, 2, 3, dtype=dtype)
    deep = both_run("depth_to_space", {"block_size": 2}, [blocks])
    equal(deep, blocks.reshape(2, 2, 2, 2, 2, 3).transpose(0, 3, 4, 1, 5, 2).reshape(2, 2, 4, 6))
    equal(both_run("space_to_depth", {"block_size": 2}, [deep]), blocks)


# ---- parts -----------------------------------------------------------------------------------------


@every_dtype
@pytest.mark.parametrize(
    ("begin", "end", "step", "window"),
    [
        ((0, None), (None, None), (1, -2), np.s_[0:, ::-2]),
        ((0, 2), (None, 0), (1, -1), np.s_[0:, 2:0:-1]),
        ((1,), (7,), (), np.s_[1:7]),
        ((None, -2), (None, 3), (), np.s_[:, -2:3]),
        ((0, 5), (2, 7), (), np.s_[0:2, 5:7]),
        ((), (), (), np.s_[...]),
    ],
)
def test_slice(dtype, begin, end, step, window):
    data = counting(2, 3, 4, dtype=dtype)
    values = {"begin": begin, "end": end, "step": step}
    part = both_run("slice", values, [data])
    equal(part, data[window])
    back = np.zeros_like(data)
    back[window] = part
    equal(both_run("_backward_slice", values, [part, data]), back)
    written = data.copy()
    written[window] = 1
    equal(both_run("_slice_assign", values, [data, np.ones_like(part)]), written)
    equal(both_run("_slice_assign_scalar", {**values, "scalar": 1.0}, [data]), written)


@every_dtype
def test_parts(dtype):
    data = counting(2, 3, 4, dtype=dtype)
    equal(both_run("slice_axis", {"axis": -1, "begin": -3, "end": -1}, [data]), data[..., 1:3])
    equal(both_run("slice_like", {}, [data, data[:1, :2]]), data[:1, :2])
    equal(both_run("slice_like", {"axes": (-1,)}, [data, data[:, :, :2]]), data[:, :, :2])
    image = data[None]
    equal(both_run("Crop", {"h_w": (2, 2), "center_crop": True}, [image]), image[:, :, 0:2, 1:3])
    equal(both_run("Crop", {"offset": (1, 0)}, [image, image[:, :, :2, :3]]), image[:, :, 1:3, 0:3])
    for part, expected in zip(both_run("SliceChannel", {"num_outputs": 3}, [data]), np.split(data, 3, 1)):
        equal(part, expected)
    parts = both_run("_split_v2", {"indices": (0, 1, 1), "axis": 1}, [data])
    assert [part.shape[1] for part in parts] == [1, 0, 2]
    equal(parts[2], data[:, 1:])


@every_dtype
def test_joins(dtype):
    data, more = counting(2, 3, 4, dtype=dtype), counting(2, 1, 4, dtype=dtype)
    joined = both_run("Concat", {"dim": 1}, [data, more, data])
    equal(joined, np.concatenate([data, more, data], 1))
    for part, expected in zip(both_run("_backward_Concat", {"dim": 1}, [joined, data, more, data]), [data, more, data]):
        equal(part, expected)
    for axis in (0, 1, 2, -1):
        equal(both_run("stack", {"axis": axis}, [data, data]), np.stack([data, data], axis))


@every_dtype
def test_repetition(dtype):
    data = counting(2, 3, 4, dtype=dtype)
    for reps in ((2, 1, 3), (2,), (2, 1, 1, 2), ()):
        equal(both_run("tile", {"reps": reps}, [data]), np.tile(data, reps))
    for axis in (0, 1, -1, None):
        equal(both_run("repeat", {"repeats": 3, "axis": axis}, [data]), np.repeat(data, 3, axis))


@every_dtype
def test_diagonals(dtype):
    data = counting(2, 3, 4, dtype=dtype)
    equal(both_run("diag", {"k": -1, "axis1": 0, "axis2": 2}, [data]), np.diagonal(data, -1, 0, 2))
    equal(both_run("diag", {"k": 1, "axis1": 2, "axis2": 1}, [data]), np.diagonal(data, 1, 2, 1))
    for k in (-2, 0, 1):
        equal(both_run("diag", {"k": k}, [data[0, 0]]), np.diag(data[0, 0], k))


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
def test_padding(mode):
    data = normal(1, 2, 4, 5).astype(np.float32)
    values = {"mode": mode, "pad_width": (0, 0, 0, 0, 1, 2, 3, 1)}
    padded = both_run("Pad", values, [data])
    equal(padded, np.pad(data, ((0, 0), (0, 0), (1, 2), (3, 1)), mode))
    heads = normal(*padded.shape).astype(np.float32)
    gradient = both_run("_backward_Pad", values, [heads], native=mode == "constant")
    assert np.isclose((gradient * data).sum(), (heads * padded).sum(), rtol=1e-4)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
def test_padding_of_volumes(mode):
    data = normal(2, 1, 3, 4, 5)
    values = {"mode": mode, "pad_width": (0, 0, 0, 0, 2, 0, 0, 1, 3, 4), "constant_value": 2.5}
    options = {"constant_values": 2.5} if mode == "constant" else {}
    equal(both_run("Pad", values, [data]), np.pad(data, ((0, 0), (0, 0), (2, 0), (0, 1), (3, 4)), mode, **options))


def test_views_reject_what_does_not_fit():
    whole = copies.View.of(0, (2, 3))
    with pytest.raises(ValueError, match=r"\(2, 3\) to shape \(3, 2\)"):
        copies.copy_kernel([(whole, copies.View.of(0, (3, 2)))], [], np.dtype("float32"), 24)


@pytest.mark.parametrize(
    ("codes", "reverse", "result"),
    [
        ((0, -1), False, (2, 12)),
        ((-4, 1, 2, -2), False, (1, 2, 3, 4)),
        ((-4, -1, 2, -3), False, (1, 2, 12)),
        ((2, -4, -1, 3, -2), False, (2, 1, 3, 4)),
        ((-3, 0), False, (6, 4)),
        ((-2, -1), False, (2, 3, 4, 1)),
        ((-1, 0, 0), True, (2, 3, 4)),
        ((-1, 4), True, (6, 4)),
    ],
)
def test_reshape_codes(codes, reverse, result):
    assert mx.nd.zeros((2, 3, 4)).reshape(codes, reverse=reverse).shape == result


@pytest.mark.parametrize("codes", [(5, 5), (-1, -1), (-5, 1), (0, 0, 0, 0), (-1, 5), (-4, 5, -1, 0, 0), (-3, -3), (0, 0, 4, -4)])
def test_reshape_refuses(codes):
    with pytest.raises(ValueError, match="shape"):
        mx.nd.Reshape(mx.nd.zeros((2, 3, 4)), shape=codes)


# ---- indices -----------------------------------------------------------------------------------------


@every_number
@pytest.mark.parametrize("index", DTYPES)
def test_take(dtype, index):
    data = counting(2, 3, 4, dtype=dtype)
    indices = np.array([[0, 1, 2], [2, 9, 0]]).astype(index)
    for axis in (0, 1, -1):
        for mode in ("clip", "wrap"):
            values = {"axis": axis, "mode": mode}
            taken = both_run("take", values, [data, indices])
            equal(taken, np.take(data, indices.astype(int), axis, mode=mode))
            both_run("_backward_take", values, [taken, data, indices])
    weight = data.reshape(6, 4)
    values = {"input_dim": 6, "output_dim": 4}
    rows = both_run("Embedding", values, [indices, weight])
    equal(rows, weight[indices.astype(int).clip(0, 5)])
    both_run("_backward_Embedding", values, [rows, indices, weight])


@every_number
@pytest.mark.parametrize("index", DTYPES)
def test_pick(dtype, index):
    data = counting(2, 3, 4, dtype=dtype)
    for axis in (0, 1, 2, -1):
        places = np.random.randint(0, 5, np.take(data, 0, axis).shape).astype(index)
        for mode in ("clip", "wrap"):
            values = {"axis": axis, "mode": mode, "keepdims": mode == "wrap"}
            picked = both_run("pick", values, [data, places])
            size = data.shape[axis]
            bound = places.astype(int) % size if mode == "wrap" else places.astype(int).clip(0, size - 1)
            expected = np.take_along_axis(data, np.expand_dims(bound, axis), axis)
            equal(picked, expected if mode == "wrap" else expected.squeeze(axis))
            both_run("_backward_pick", values, [picked, data, places])


@every_number
@pytest.mark.parametrize("index", DTYPES)
def test_places(dtype, index):
    data = counting(2, 3, 4, dtype=dtype)
    places = np.array([[0, 1, 1], [2, 0, 0]]).astype(index)
    gathered = both_run("gather_nd", {}, [data, places])
    equal(gathered, data[tuple(places.astype(int))])
    added = np.zeros_like(data)
    np.add.at(added, tuple(places.astype(int)), gathered)
    equal(both_run("_backward_gather_nd", {"shape": data.shape}, [gathered, places]), added)
    equal(both_run("_backward_gather_nd_like", {}, [gathered, data, places]), added)
    both_run("scatter_nd", {"shape": data.shape}, [gathered, places])
    both_run("_scatter_set_nd", {"shape": data.shape}, [data, gathered + 1, places])
    both_run("one_hot", {"depth": 3, "dtype": dtype, "on_value": 3, "off_value": 1}, [places])


@every_number
@pytest.mark.parametrize("condition", [*DTYPES, "bool"])
def test_where(dtype, condition):
    x = counting(4, 3, 2, dtype=dtype)
    chosen = np.random.randint(0, 2, x.shape).astype(condition)
    rows = chosen[:, 0, 0].copy()
    equal(both_run("where", {}, [chosen, x, x + 1]), np.where(chosen != 0, x, x + 1))
    equal(both_run("where", {}, [rows, x, x + 1]), np.where((rows != 0)[:, None, None], x, x + 1))
    both_run("_backward_where", {}, [x, chosen])
    both_run("_backward_where", {}, [x, rows])


def test_embedding_gradient_on_several_cores():
    weight = np.random.random((1000, 64)).astype(np.float32)
    rows = np.random.randint(0, 1000, (64, 50))
    values = {"input_dim": 1000, "output_dim": 64}
    heads = np.random.random((64, 50, 64)).astype(np.float32)
    both_run("_backward_Embedding", values, [heads, rows, weight], rtol=1e-5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: mx.nd.take(mx.nd.zeros((2, 3)), mx.nd.array([0, 5]), mode="raise"),
        lambda: mx.nd.take(mx.nd.zeros((2, 3)), mx.nd.array([-1]), mode="raise"),
        lambda: mx.nd.gather_nd(mx.nd.zeros((2, 3)), mx.nd.array([[2]])),
        lambda: mx.nd.scatter_nd(mx.nd.ones((1,)), mx.nd.array([[-3]]), shape=(2,)),
        lambda: mx.nd.contrib.index_copy(mx.nd.zeros((2, 3)), mx.nd.array([4]), mx.nd.ones((1, 3))),
    ],
)
def test_indices_out_of_bounds(call):
    with pytest.raises(MXNetError, match="out of bounds"):
        call().asnumpy()
    assert mx.nd.ones((2,)).sum().asscalar() == 2


# ---- gradients -----------------------------------------------------------------------------------------

ROWS = mx.nd.array([0, 2, 2, -1])
GRADIENTS = {
    "reshape": (lambda x: mx.nd.reshape(x, shape=(-1, 2)), (2, 3, 2)),
    "reshape_like": (lambda x: mx.nd.reshape_like(x, mx.nd.ones((3, 2))), (2, 3)),
    "flatten": (mx.nd.flatten, (2, 3, 2)),
    "squeeze": (mx.nd.squeeze, (2, 1, 3)),
    "expand_dims": (lambda x: mx.nd.expand_dims(x, axis=1), (2, 3)),
    "transpose": (lambda x: mx.nd.transpose(x, axes=(1, 2, 0)), (2, 3, 2)),
    "swapaxes": (lambda x: mx.nd.swapaxes(x, dim1=0, dim2=2), (2, 3, 2)),
    "flip": (lambda x: mx.nd.flip(x, axis=1), (2, 3)),
    "depth_to_space": (lambda x: mx.nd.depth_to_space(x, block_size=2), (1, 4, 2, 2)),
    "space_to_depth": (lambda x: mx.nd.space_to_depth(x, block_size=2), (1, 1, 2, 4)),
    "slice": (lambda x: mx.nd.slice(x, begin=(0, 2), end=(None, 0), step=(1, -1)), (2, 3)),
    "slice_axis": (lambda x: mx.nd.slice_axis(x, axis=1, begin=-2, end=None), (2, 3)),
    "slice_like": (lambda x: mx.nd.slice_like(x, mx.nd.ones((1, 2), **F64)), (2, 3)),
    "crop": (lambda x: mx.nd.Crop(x, h_w=(2, 2), offset=(1, 0)), (1, 1, 3, 3)),
    "crop like": (lambda x: mx.nd.Crop(x, mx.nd.ones((1, 1, 2, 2), **F64)), (1, 1, 3, 3)),
    "slice_assign": (lambda x: mx.nd._internal._slice_assign_scalar(x, scalar=2, begin=(0, 1), end=(1, None)), (2, 3)),
    "split": (lambda x: mx.nd.split(x, num_outputs=3, axis=1), (2, 3)),
    "split squeezed": (lambda x: mx.nd.split(x, num_outputs=3, axis=1, squeeze_axis=True), (2, 3)),
    "split into one": (lambda x: mx.nd.split(x, num_outputs=1, axis=1), (2, 3)),
    "split_v2": (lambda x: mx.nd.split_v2(x, (1,), axis=1), (2, 3)),
    "stack": (lambda x: mx.nd.stack(x, x * 2, axis=1), (2, 3)),
    "stack one": (lambda x: mx.nd.stack(x, axis=1), (2, 3)),
    "concat": (lambda x: mx.nd.concat(x, x * 2, x, dim=1), (2, 3)),
    "concat one": (lambda x: mx.nd.concat(x, dim=1), (2, 3)),
    "tile": (lambda x: mx.nd.tile(x, reps=(2, 1, 2)), (2, 3)),
    "repeat": (lambda x: mx.nd.repeat(x, repeats=2, axis=1), (2, 3)),
    "repeat flat": (lambda x: mx.nd.repeat(x, repeats=2), (2, 3)),
    "diag": (lambda x: mx.nd.diag(x, k=1), (3, 3)),
    "diag of a vector": (lambda x: mx.nd.diag(x, k=-1), (3,)),
    "take": (lambda x: mx.nd.take(x, ROWS), (3, 2)),
    "take wrapped": (lambda x: mx.nd.take(x, ROWS, axis=1, mode="wrap"), (2, 3)),
    "pick": (lambda x: mx.nd.pick(x, mx.nd.array([0, 2])), (2, 3)),
    "pick kept": (lambda x: mx.nd.pick(x, mx.nd.array([0, 1, 1]), axis=0, keepdims=True), (2, 3)),
    "gather_nd": (lambda x: mx.nd.gather_nd(x, mx.nd.array([[0, 1, 1], [2, 0, 0]])), (2, 3)),
    "scatter_nd": (lambda x: mx.nd.scatter_nd(x, mx.nd.array([[0, 1, 1], [2, 0, 1]]), shape=(2, 3)), (3,)),
    "embedding": (lambda x: mx.nd.Embedding(ROWS, x, input_dim=3, output_dim=2), (3, 2)),
    "index_copy": (lambda x: mx.nd.contrib.index_copy(mx.nd.ones((3, 2), **F64), mx.nd.array([2, 0]), x), (2, 2)),
    "index_copy into": (lambda x: mx.nd.contrib.index_copy(x, mx.nd.array([2, 0]), mx.nd.ones((2, 2), **F64)), (3, 2)),
    "boolean_mask": (lambda x: mx.nd.contrib.boolean_mask(x, mx.nd.array([0, 1, 1])), (3, 2)),
    "where": (lambda x: mx.nd.where(mx.nd.array([1, 0]), x, x * 2), (2, 3)),
    "SequenceMask": (lambda x: mx.nd.SequenceMask(x, mx.nd.array([1, 2, 0]), use_sequence_length=True), (2, 3, 2)),
    "SequenceLast": (lambda x: mx.nd.SequenceLast(x, mx.nd.array([1, 2, 1]), use_sequence_length=True), (2, 3, 2)),
    "SequenceLast batch first": (lambda x: mx.nd.SequenceLast(x, axis=1), (2, 3, 2)),
    "SequenceReverse": (lambda x: mx.nd.SequenceReverse(x, mx.nd.array([1, 2, 0]), use_sequence_length=True), (2, 3, 2)),
    "cumsum": (lambda x: mx.nd.cumsum(x, axis=1), (2, 3, 2)),
    "cumsum flat": (mx.nd.cumsum, (2, 3)),
    "im2col": (lambda x: mx.nd.im2col(x, kernel=(2, 2), pad=(1, 0), stride=(1, 2)), (1, 2, 3, 4)),
    "col2im": (lambda x: mx.nd.col2im(x, kernel=(2, 2), output_size=(3, 3)), (1, 8, 4)),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradient(name):
    function, shape = GRADIENTS[name]
    check_gradient(function, [normal(*shape)])


@pytest.mark.parametrize("name", GRADIENTS)
def test_second_gradient(name):
    function, shape = GRADIENTS[name]

    def slope(x):
        with mx.autograd.record():
            outputs = function(x * x)
            outputs = outputs if isinstance(outputs, list) else [outputs]
            total = sum((out * out * out).sum() for out in outputs)
            return mx.autograd.grad(total, [x], create_graph=True)[0]

    check_gradient(slope, [np.random.uniform(0.5, 1.0, shape)])


# ---- sequences -----------------------------------------------------------------------------------------


@every_number
@pytest.mark.parametrize("lengths", DTYPES)
@pytest.mark.parametrize("shape", [(4, 3, 2), (4, 3), (70, 30, 40)])
def test_sequences(dtype, lengths, shape):
    data = counting(*shape, dtype=dtype)
    for axis in (0, 1):
        given = np.random.randint(1, shape[axis] + 1, shape[1 - axis]).astype(lengths)
        values = {"use_sequence_length": True, "axis": axis}
        masked = both_run("SequenceMask", {**values, "value": 7}, [data, given])
        time_first = masked if axis == 0 else masked.swapaxes(0, 1)
        for number, length in enumerate(given.astype(int)):
            assert (time_first[length:, number] == 7).all()
        last = both_run("SequenceLast", values, [data, given])
        both_run("_backward_SequenceLast", values, [last, data, given])
        if axis == 0:
            turned = both_run("SequenceReverse", values, [data, given])
            equal(both_run("SequenceReverse", values, [turned, given]), data)
        both_run("SequenceMask", {"axis": axis}, [data])
        both_run("SequenceLast", {"axis": axis}, [data])
    equal(both_run("SequenceReverse", {}, [data]), data[::-1])


def test_sequence_without_last_element():
    with pytest.raises(MXNetError, match=r"not in \[1, 2\]"):
        mx.nd.SequenceLast(mx.nd.ones((2, 3, 4)), mx.nd.array([1, 2, 0]), use_sequence_length=True).asnumpy()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mx.nd.unravel_index(mx.nd.ones((2,)), shape=(4, 0)), "shape"),
        (lambda: mx.nd.scatter_nd(mx.nd.ones((1,)), mx.nd.ones((2, 1)), shape=(-1, 2)), "entries >= 0"),
        (lambda: mx.nd.transpose(mx.nd.ones((2, 2)), axes=(0, 5)), "out of bounds"),
        (lambda: mx.nd.concat(mx.nd.ones((2, 2)), mx.nd.ones((2, 3)), dim=0), "input 1"),
        (lambda: mx.nd.split(mx.nd.ones((2, 3)), num_outputs=2), "does not divide"),
        (lambda: mx.nd.slice(mx.nd.ones((2, 3)), begin=(0,), end=(1,), step=(0,)), "cannot be 0"),
        (lambda: mx.nd.slice_axis(mx.nd.ones((2, 3)), axis=1, begin=2, end=1), "begin=2"),
        (lambda: mx.nd.pad(mx.nd.ones((2, 3)), mode="edge", pad_width=(0, 0)), "4 or 5"),
        (lambda: mx.nd.pick(mx.nd.ones((2, 3)), mx.nd.ones((3,))), "index has shape"),
        (lambda: mx.nd.where(mx.nd.ones((2,)), mx.nd.ones((3, 2)), mx.nd.ones((3, 2))), "condition has shape"),
        (lambda: mx.nd.Embedding(mx.nd.ones((2,)), mx.nd.ones((3, 4)), input_dim=4, output_dim=4), "weight has shape"),
        (lambda: mx.nd.tile(mx.nd.ones((4,)), reps=(10**30,)), "addressed"),
        (lambda: mx.nd.one_hot(mx.nd.ones((4,)), depth=-1), "depth=-1"),
        (lambda: mx.nd.im2col(mx.nd.ones((1, 1, 4, 4)), kernel=(5, 5)), "larger than"),
    ],
)
def test_refused(call, message):
    with pytest.raises(MXNetError, match=message):
        call()
