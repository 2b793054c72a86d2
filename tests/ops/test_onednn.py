"""Kernels on oneDNN against NumPy, without the engine: shapes, concurrency, and life without the library."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from weft.ops.cpu import onednn

needs_library = pytest.mark.skipif(not onednn.available(), reason="oneDNN is not installed")


class Spec:
    def __init__(self, shape, dtype="float32"):
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.size = math.prod(self.shape)
        self.nbytes = self.size * self.dtype.itemsize


def values(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def build(name, attrs, inputs, out_shapes):
    specs = [Spec(array.shape, array.dtype) for array in inputs]
    return getattr(onednn, name)(SimpleNamespace(**attrs), specs, [Spec(shape) for shape in out_shapes])


def call(name, attrs, inputs, *out_shapes):
    kernel = build(name, attrs, inputs, out_shapes)
    assert kernel is not None
    outs = [np.full(shape, np.nan, np.float32) for shape in out_shapes]
    kernel.run(inputs, outs)
    return outs


def check(result, expected, terms):
    np.testing.assert_allclose(result, expected, rtol=2e-4, atol=6e-5 * math.sqrt(terms) + 1e-6)


# ---- matrix products -------------------------------------------------------------------------------------------------

SIZES = [(1, 1, 1), (2, 3, 4), (1, 7, 300), (64, 10, 128), (64, 256, 784), (257, 129, 65), (600, 31, 400), (17, 1200, 300)]


@needs_library
@pytest.mark.parametrize("m, n, k", SIZES)
@pytest.mark.parametrize("ta, tb", [(False, False), (False, True), (True, False), (True, True)])
def test_dot(m, n, k, ta, tb):
    a, b = values(1, m, k).astype(np.float64), values(2, k, n).astype(np.float64)
    lhs, rhs = (np.ascontiguousarray(x.T if t else x, np.float32) for x, t in ((a, ta), (b, tb)))
    (out,) = call("dot", {"transpose_a": ta, "transpose_b": tb}, [lhs, rhs], (m, n))
    check(out, a @ b, k)


@needs_library
@pytest.mark.parametrize(
    "lhs, rhs, out",
    [((5,), (5,), (1,)), ((3, 5), (5,), (3,)), ((2, 3, 5), (5, 4), (2, 3, 4)), ((2, 5), (5, 3, 4), (2, 3, 4))],
)
def test_dot_contracts_last_with_first_axis(lhs, rhs, out):
    a, b = values(3, *lhs), values(4, *rhs)
    (result,) = call("dot", {"transpose_a": False, "transpose_b": False}, [a, b], out)
    check(result, np.tensordot(a, b, axes=1).reshape(out), 5)


@needs_library
@pytest.mark.parametrize("batch, m, n, k", [((1,), 2, 3, 4), ((37,), 5, 6, 7), ((3, 2), 70, 40, 90), ((2,), 300, 250, 200)])
@pytest.mark.parametrize("ta, tb", [(False, False), (False, True), (True, False), (True, True)])
def test_batch_dot(batch, m, n, k, ta, tb):
    a, b = values(5, *batch, m, k), values(6, *batch, k, n)
    lhs, rhs = (np.ascontiguousarray(np.swapaxes(x, -1, -2) if t else x) for x, t in ((a, ta), (b, tb)))
    (out,) = call("batch_dot", {"transpose_a": ta, "transpose_b": tb}, [lhs, rhs], (*batch, m, n))
    check(out, a.astype(np.float64) @ b, k)


@needs_library
@pytest.mark.parametrize("rows, depth, units", [(1, 1, 1), (3, 5, 7), (64, 784, 256), (4, 1000, 900), (333, 65, 129)])
@pytest.mark.parametrize("no_bias", [False, True])
def test_fully_connected_and_gradients(rows, depth, units, no_bias):
    data, weight, bias, grad = values(1, rows, depth), values(2, units, depth), values(3, units), values(4, rows, units)
    attrs = {"num_hidden": units, "no_bias": no_bias, "flatten": True}
    (out,) = call("fully_connected", attrs, [data, weight] + [bias] * (not no_bias), (rows, units))
    check(out, data.astype(np.float64) @ weight.T + (0 if no_bias else bias), depth)
    expected = [grad.astype(np.float64) @ weight, grad.astype(np.float64).T @ data, grad.astype(np.float64).sum(0)]
    for wanted in range(1, 8):
        wanted &= 3 if no_bias else 7
        chosen = [array for bit, array in enumerate(expected) if wanted >> bit & 1]
        if not chosen:
            continue
        shapes = [array.shape for array in chosen]
        outs = call("backward_fully_connected", {**attrs, "wanted": wanted}, [grad, data, weight], *shapes)
        for result, right in zip(outs, chosen):
            check(result, right, max(rows, units))


# ---- convolutions ----------------------------------------------------------------------------------------------------


def conv_attrs(kernel, stride=1, dilate=1, pad=0, groups=1, no_bias=False, **more):
    rank = len(kernel)
    window = {"kernel": kernel, "stride": (stride,) * rank, "dilate": (dilate,) * rank, "pad": (pad,) * rank}
    return {**window, "num_group": groups, "no_bias": no_bias, "layout": None, **more}


def out_size(size, kernel, stride, dilate, pad):
    return (size + 2 * pad - (kernel - 1) * dilate - 1) // stride + 1


def positions(attrs, out):
    """Yield each kernel position with the slices of padded data that it meets."""
    for position in itertools.product(*map(range, attrs["kernel"])):
        yield (
            position,
            tuple(slice(p * d, p * d + s * (n - 1) + 1, s) for p, d, s, n in zip(position, attrs["dilate"], attrs["stride"], out)),
        )


def padded(data, attrs):
    return np.pad(data.astype(np.float64), [(0, 0), (0, 0), *((p, p) for p in attrs["pad"])])


def reference_conv(data, weight, attrs, out):
    groups = attrs["num_group"]
    wide = padded(data, attrs)
    result = np.zeros((data.shape[0], weight.shape[0], *out))
    for g in range(groups):
        rows = slice(g * weight.shape[0] // groups, (g + 1) * weight.shape[0] // groups)
        columns = slice(g * weight.shape[1], (g + 1) * weight.shape[1])
        for position, window in positions(attrs, out):
            part = wide[(slice(None), columns, *window)]
            result[:, rows] += np.einsum("nc...,fc->nf...", part, weight[(rows, slice(None), *position)])
    return result


def reference_gradients(grad, data, weight, attrs):
    groups, out = attrs["num_group"], grad.shape[2:]
    wide = padded(data, attrs)
    d_wide, d_weight = np.zeros_like(wide), np.zeros(weight.shape)
    for g in range(groups):
        rows = slice(g * weight.shape[0] // groups, (g + 1) * weight.shape[0] // groups)
        columns = slice(g * weight.shape[1], (g + 1) * weight.shape[1])
        part = grad[:, rows].astype(np.float64)
        for position, window in positions(attrs, out):
            where = (slice(None), columns, *window)
            d_wide[where] += np.einsum("nf...,fc->nc...", part, weight[(rows, slice(None), *position)])
            flat = part.reshape(*part.shape[:2], -1)
            d_weight[(rows, slice(None), *position)] = np.einsum("nfi,nci->fc", flat, wide[where].reshape(*wide[where].shape[:2], -1))
    inner = tuple(slice(p, n + p) for p, n in zip(attrs["pad"], data.shape[2:]))
    axes = (0, *range(2, grad.ndim))
    return d_wide[(slice(None), slice(None), *inner)], d_weight, grad.astype(np.float64).sum(axes)


# batch, channels in, channels out, spatial, kernel, stride, dilate, pad, groups
CONVOLUTIONS = [
    (1, 1, 1, (5,), (3,), 1, 1, 0, 1),
    (3, 5, 7, (19,), (4,), 2, 1, 2, 1),
    (2, 8, 16, (30,), (3,), 1, 2, 2, 1),
    (64, 1, 20, (28, 28), (5, 5), 1, 1, 0, 1),
    (9, 20, 50, (12, 12), (5, 5), 1, 1, 0, 1),
    (5, 16, 32, (15, 13), (3, 3), 2, 1, 1, 1),
    (1, 16, 64, (40, 40), (3, 3), 1, 1, 1, 1),
    (3, 64, 64, (56, 56), (3, 3), 1, 1, 1, 1),
    (5, 32, 16, (28, 28), (1, 1), 1, 1, 0, 1),
    (5, 32, 24, (14, 14), (1, 1), 2, 1, 0, 1),
    (2, 3, 64, (64, 64), (7, 7), 2, 1, 3, 1),
    (3, 12, 18, (11, 10), (3, 2), 1, 2, 1, 3),
    (2, 16, 16, (14, 14), (3, 3), 1, 1, 1, 16),
    (2, 256, 256, (14, 14), (3, 3), 1, 1, 1, 1),
    (2, 4, 6, (5, 7, 6), (3, 3, 3), 1, 1, 1, 1),
    (3, 4, 8, (8, 7, 6), (2, 3, 2), 2, 1, 1, 2),
]


@needs_library
@pytest.mark.parametrize("n, ci, co, spatial, kernel, stride, dilate, pad, groups", CONVOLUTIONS)
@pytest.mark.parametrize("no_bias", [False, True])
def test_convolution_and_gradients(n, ci, co, spatial, kernel, stride, dilate, pad, groups, no_bias):
    attrs = conv_attrs(kernel, stride, dilate, pad, groups, no_bias)
    out = tuple(out_size(s, k, stride, dilate, pad) for s, k in zip(spatial, kernel))
    data, weight, bias = values(1, n, ci, *spatial), values(2, co, ci // groups, *kernel), values(3, co)
    terms = ci * math.prod(kernel)
    (result,) = call("convolution", attrs, [data, weight] + [bias] * (not no_bias), (n, co, *out))
    expected = reference_conv(data, weight, attrs, out)
    check(result, expected if no_bias else expected + bias.reshape(-1, *[1] * len(out)), terms)
    grad = values(4, n, co, *out)
    right = reference_gradients(grad, data, weight, attrs)
    for wanted in (7, 1, 2, 4, 6) if not no_bias else (3,):
        chosen = [array for bit, array in enumerate(right) if wanted >> bit & 1]
        outs = call("backward_convolution", {**attrs, "wanted": wanted}, [grad, data, weight], *(a.shape for a in chosen))
        for got, good in zip(outs, chosen):
            check(got, good, n * math.prod(out) + co * math.prod(kernel))


# batch, channels in, channels out, spatial, kernel, stride, dilate, pad, adj, groups
DECONVOLUTIONS = [
    (2, 3, 4, (9,), (3,), 2, 1, 1, 1, 1),
    (3, 8, 16, (7, 6), (4, 4), 2, 1, 1, 0, 1),
    (2, 16, 8, (7, 7), (3, 3), 2, 1, 1, 1, 1),
    (4, 6, 9, (5, 6), (3, 3), 1, 2, 1, 0, 3),
    (1, 32, 16, (16, 16), (2, 2), 2, 1, 0, 0, 1),
    (2, 4, 2, (3, 4, 3), (3, 3, 3), 2, 1, 1, 1, 1),
]


@needs_library
@pytest.mark.parametrize("n, ci, co, spatial, kernel, stride, dilate, pad, adj, groups", DECONVOLUTIONS)
def test_deconvolution_and_gradients(n, ci, co, spatial, kernel, stride, dilate, pad, adj, groups):
    rank = len(kernel)
    attrs = conv_attrs(kernel, stride, dilate, pad, groups, adj=(adj,) * rank, target_shape=())
    out = tuple(stride * (s - 1) + (k - 1) * dilate + 1 - 2 * pad + adj for s, k in zip(spatial, kernel))
    data, weight, bias = values(1, n, ci, *spatial), values(2, ci, co // groups, *kernel), values(3, co)
    # A deconvolution is the gradient of a convolution with respect to its data, and the other way round.
    right, _, _ = reference_gradients(data, np.zeros((n, co, *out)), weight, attrs)
    (result,) = call("deconvolution", attrs, [data, weight, bias], (n, co, *out))
    check(result, right + bias.reshape(-1, *[1] * rank), ci * math.prod(kernel))
    grad = values(4, n, co, *out)
    _, d_weight, _ = reference_gradients(data, grad, weight, attrs)
    d_data = reference_conv(grad, weight, attrs, spatial)
    d_bias = grad.sum((0, *range(2, rank + 2)))
    shapes = (data.shape, weight.shape, bias.shape)
    outs = call("backward_deconvolution", {**attrs, "wanted": 7}, [grad, data, weight], *shapes)
    for got, good in zip(outs, (d_data, d_weight, d_bias)):
        check(got, good, n * math.prod(out) * co)


# ---- what builders decline, threads, the missing library -------------------------------------------------------------


@pytest.mark.parametrize("dtype, size", [("float64", 3), ("float16", 3), ("int32", 3), ("float32", 0)])
def test_declines_other_dtypes_and_empty_arrays(dtype, size):
    arrays = [np.zeros((size, size), dtype)] * 2
    assert build("dot", {"transpose_a": False, "transpose_b": False}, arrays, [(size, size)]) is None


def test_declines_channels_last():
    attrs = conv_attrs((3, 3), no_bias=True, layout="NHWC")
    assert build("convolution", attrs, [values(1, 2, 8, 8, 4), values(2, 5, 3, 3, 4)], [(2, 6, 6, 5)]) is None


@needs_library
def test_one_kernel_in_many_threads():
    data, weight = values(1, 4, 16, 20, 20), values(2, 24, 16, 3, 3)
    attrs = conv_attrs((3, 3), pad=1, no_bias=True)
    kernel = build("convolution", attrs, [data, weight], [(4, 24, 20, 20)])
    inputs = [data * scale for scale in range(1, 9)]
    expected = reference_conv(data, weight, attrs, (20, 20))
    outs = [np.empty((4, 24, 20, 20), np.float32) for _ in inputs]
    wrong = []

    def work(scale):
        for _ in range(20):
            kernel.run([inputs[scale], weight], [outs[scale]])
            if not np.allclose(outs[scale], expected * (scale + 1), rtol=1e-3, atol=1e-3):
                wrong.append(scale)

    threads = [threading.Thread(target=work, args=(scale,)) for scale in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def shifted(array):
    """Return a copy that starts one element behind an aligned address, as a view of a larger array may."""
    room = np.empty(array.size + 1, np.float32)[1:]
    room[:] = array.ravel()
    return room.reshape(array.shape)


@needs_library
@pytest.mark.parametrize("kernel, channels", [((3, 3), 16), ((1, 1), 16), ((5, 5), 3)])
def test_arrays_that_start_anywhere(kernel, channels):
    attrs = conv_attrs(kernel, pad=kernel[0] // 2, no_bias=True, wanted=3)
    arrays = [values(1, 3, channels, 29, 29), values(2, 24, channels, *kernel), values(3, 3, 24, 29, 29)]
    data, weight, grad = (shifted(array) for array in arrays)
    out, d_data, d_weight = shifted(grad), shifted(data), shifted(weight)
    build("convolution", attrs, [data, weight], [out.shape]).run([data, weight], [out])
    check(out, reference_conv(data, weight, attrs, (29, 29)), channels * math.prod(kernel))
    shapes = [data.shape, weight.shape]
    build("backward_convolution", attrs, [grad, data, weight], shapes).run([grad, data, weight], [d_data, d_weight])
    for got, good in zip((d_data, d_weight), reference_gradients(grad, data, weight, attrs)):
        check(got, good, 3 * 29 * 29)


@needs_library
def test_results_repeat_exactly():
    data, weight, grad = values(1, 7, 16, 30, 30), values(2, 16, 16, 3, 3), values(3, 7, 16, 30, 30)
    attrs = conv_attrs((3, 3), pad=1, wanted=7)
    shapes = (data.shape, weight.shape, (16,))
    first = call("backward_convolution", attrs, [grad, data, weight], *shapes)
    for _ in range(5):
        for one, other in zip(first, call("backward_convolution", attrs, [grad, data, weight], *shapes)):
            assert np.array_equal(one, other)


def test_the_callers_openmp_setting_survives():
    code = "import os; os.environ['OMP_NUM_THREADS'] = '3'\n" + RUN_DOT
    code += "import ctypes\nprint(ctypes.CDLL('libgomp.so.1').omp_get_max_threads() if onednn.available() else 3)\n"
    assert run_python(code).split()[-1] == "3"


RUN_DOT = """
import numpy as np
from types import SimpleNamespace as N
from weft.ops.cpu import onednn
a = np.ones((200, 200), np.float32)
spec = N(shape=a.shape, dtype=a.dtype, size=a.size)
kernel = onednn.dot(N(transpose_a=False, transpose_b=False), [spec, spec], [spec])
print(onednn.version(), kernel is None, len(onednn.problems()))
if kernel is not None:
    kernel.run([a, a], [np.empty_like(a)])
"""


def run_python(code, **environ):
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environ}, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_switched_off():
    assert run_python(RUN_DOT, WEFT_ONEDNN="off").split() == ["None", "True", "0"]


def test_a_path_that_is_no_library():
    assert run_python(RUN_DOT, WEFT_ONEDNN=__file__).split() == ["None", "True", "1"]


@needs_library
def test_a_path_that_is_one():
    path = onednn.onednn_library.candidates()[0]
    assert run_python(RUN_DOT, WEFT_ONEDNN=path).split()[1] == "False"


IN_A_CHILD = """
import os
import numpy as np
from weft import nd
a, w = nd.array(np.ones((300, 300))), nd.array(np.ones((8, 8, 3, 3)))
x = nd.array(np.ones((4, 8, 20, 20)))
def check():
    assert nd.dot(a, a).asnumpy()[0, 0] == 300
    assert nd.Convolution(x, w, kernel=(3, 3), num_filter=8, no_bias=True).asnumpy()[3, 7, 5, 5] == 72
check()
child = os.fork()
if child == 0:
    check()
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
check()
"""


def test_a_forked_child_computes():
    assert run_python(IN_A_CHILD).split() == ["7"]


def test_products_on_several_workers_at_once():
    from weft import nd

    left = [nd.array(values(i, 120, 80)) for i in range(12)]
    right = [nd.array(values(50 + i, 80, 90)) for i in range(12)]
    outs = [nd.dot(a, b) for a, b in zip(left, right)]
    for out, a, b in zip(outs, left, right):
        check(out.asnumpy(), a.asnumpy().astype(np.float64) @ b.asnumpy(), 80)
