"""Reductions, and everything that orders: sort, argsort, topk, argmax."""

import numpy as np

from .common import ALL, FLOATS, Family, arr, distinct, pos

AXES = (None, 0, 1, -1, -2, (0, 2), (-1, 0), (0, 1, 2), ())


def reduce():
    f = Family("reduce")
    for name in ("sum", "mean", "prod", "nansum", "nanprod", "max", "min"):
        op = "nd." + name
        x = pos(2, 3, 4, low=0.5, high=1.5) if "prod" in name else distinct(2, 3, 4)
        for axis in AXES:
            f.add(op, x, axis=axis, id="axis=%s" % (axis,))
            f.add(op, x, axis=axis, keepdims=True, id="keepdims-axis=%s" % (axis,))
            f.add(op, x, axis=axis, exclude=True, id="exclude-axis=%s" % (axis,))
        f.add(op, x, axis=1, keepdims=True, exclude=True, id="keepdims-exclude")
        f.add(op, x, id="default")
        f.add(op, arr(5), id="1d")
        f.add(op, pos(2, 1, 3, 1, 2), axis=(1, 3), id="ones")
        for dtype in ALL:
            f.add(op, pos(2, 3, dtype=dtype, high=3), axis=1, id=dtype)
            f.add(op, pos(2, 3, dtype=dtype, high=3), id="all-" + dtype)
        nan = np.array([[1, np.nan, 3], [np.nan, 5, 6], [np.inf, 1, -1], [np.nan, np.nan, np.nan]], "float32")
        f.add(op, nan, axis=1, id="nan")
        f.add(op, nan, axis=0, id="nan0")
        f.add(op, arr(2, 3), axis=2, id="bad_axis")
        f.add(op, arr(2, 3), axis=(0, 0), id="twice")
        f.add(op, arr(2, 3), axis=-3, id="bad_negative")
        f.add(op, np.array([[True, False], [True, True]]), axis=1, id="bool", grad=[])
        f.add(op, np.zeros((0,), "float32"), id="zero_size", grad=[])
        f.add(op, np.zeros((2, 0), "float32"), axis=1, id="zero_axis", grad=[])
    f.add("nd.sum", np.full((4000,), 0.1, "float16"), id="half_precision", rtol=2e-2)
    f.add("nd.sum", np.full((100, 100), 1, "uint8"), id="overflow-uint8")
    f.add("nd.sum", np.full((300,), 1, "int8"), id="overflow-int8")
    f.add("nd.mean", np.array([1, 2], "int32"), id="int_mean")
    f.add("nd.max", np.array([1.0, 3, 3, 2], "float32"), id="ties")
    f.add("nd.min", np.array([[1.0, 1, 3, 2], [2, 2, 2, 2]], "float32"), axis=1, id="ties")
    f.add("nd.prod", np.array([1.0, 0, 3, 2], "float32"), id="zeros")
    for alias in ("sum_axis", "max_axis", "min_axis"):
        f.add("nd." + alias, distinct(2, 3, 4), axis=1)
    for order in (1, 2):
        for axis in (None, 0, 1, -1, (0, 1), (1, 2)):
            f.add("nd.norm", arr(2, 3, 4), ord=order, axis=axis, id="ord=%d-axis=%s" % (order, axis))
            f.add("nd.norm", arr(2, 3, 4), ord=order, axis=axis, keepdims=True,
                  id="keepdims-ord=%d-axis=%s" % (order, axis))
        for dtype in ALL:
            f.add("nd.norm", pos(2, 3, dtype=dtype), ord=order, axis=1, id="ord=%d-%s" % (order, dtype))
        for out in ("float16", "float32", "float64", "int32"):
            f.add("nd.norm", arr(2, 3), ord=order, axis=1, out_dtype=out, id="out-%s-%d" % (out, order),
                  grad=[])
    f.add("nd.norm", arr(2, 3), id="default")
    f.add("nd.norm", arr(2, 3), ord=3, id="ord=3")
    f.add("nd.norm", np.zeros((2, 3), "float32"), axis=1, id="zeros")
    for axes in (None, 0, (0, 1), (-1,), 2):
        f.add("nd.moments", arr(2, 3, 4), axes=axes, id="axes=%s" % (axes,))
        f.add("nd.moments", arr(2, 3, 4), axes=axes, keepdims=True, id="keepdims-axes=%s" % (axes,))
    for dtype in ("float16", "float64", "int32"):
        f.add("nd.moments", pos(4, 3, dtype=dtype), axes=0, id=dtype)
    for axis in (None, 0, 1, -1):
        f.add("nd.cumsum", arr(2, 3, 4), axis=axis, id="axis=%s" % axis)
    for dtype in ALL:
        f.add("nd.cumsum", pos(2, 3, dtype=dtype), axis=1, id=dtype)
    f.add("nd.cumsum", arr(2, 3, dtype="int32"), axis=1, dtype="float32", id="dtype")
    f.add("nd.cumsum", arr(2, 3), axis=3, id="bad_axis")
    for dtype in FLOATS:
        f.add("nd.all_finite", arr(3, dtype=dtype), id="yes-" + dtype, grad=[])
        f.add("nd.all_finite", np.array([1, np.inf], dtype), id="no-" + dtype, grad=[])
        f.add("nd.multi_all_finite", arr(3, dtype=dtype), np.array([1, np.nan], dtype), num_arrays=2,
              id=dtype, grad=[])
        f.add("nd.multi_sum_sq", arr(3, dtype=dtype), arr(2, 2, dtype=dtype), num_arrays=2, id=dtype, grad=[])
    f.add("nd._internal._square_sum", arr(2, 3), axis=1, id="dense")
    for dtype in ("float32", "int32"):
        x = pos(20, dtype=dtype, high=4)
        f.add("nd.histogram", x, 5, (0, 5), id="range-" + dtype, grad=[])
    f.add("nd.histogram", arr(20), np.array([-2, -1, 0, 0.5, 2], "float32"), id="edges", grad=[])
    return f


def ordering():
    f = Family("ordering")
    for axis in (None, 0, 1, -1, -2):
        for ascend in (True, False):
            tag = "axis=%s-%s" % (axis, ascend)
            f.add("nd.sort", distinct(3, 4, 2), axis=axis, is_ascend=ascend, id=tag)
            f.add("nd.argsort", distinct(3, 4, 2), axis=axis, is_ascend=ascend, id=tag)
            for typ in ("indices", "value", "both", "mask"):
                f.add("nd.topk", distinct(3, 4, 2), axis=axis, k=2, ret_typ=typ, is_ascend=ascend,
                      id=typ + "-" + tag)
    for dtype in ALL:
        f.add("nd.sort", distinct(3, 4, dtype=dtype), id=dtype)
        f.add("nd.argsort", distinct(3, 4, dtype=dtype), id=dtype)
        for typ in ("indices", "value", "both", "mask"):
            f.add("nd.topk", distinct(3, 4, dtype=dtype), k=3, ret_typ=typ, id=typ + "-" + dtype)
        f.add("nd.argmax", distinct(3, 4, dtype=dtype), axis=1, id=dtype)
        f.add("nd.argmin", distinct(3, 4, dtype=dtype), axis=0, id=dtype)
        f.add("nd.pick", distinct(3, 4, dtype=dtype), np.array([0, 3, 1], "float32"), id=dtype,
              grad=[0] if dtype in FLOATS else [])
    for out in ("float16", "float32", "float64", "int32", "int64", "uint8"):
        f.add("nd.argsort", distinct(3, 4), dtype=out, id="out-" + out)
        f.add("nd.topk", distinct(3, 4), dtype=out, id="out-" + out)
        f.add("nd.topk", distinct(3, 4), dtype=out, ret_typ="both", k=2, id="both-out-" + out)
    f.add("nd.topk", distinct(3, 4), k=0, ret_typ="value", id="k=0")
    f.add("nd.topk", distinct(3, 4), k=4, ret_typ="value", id="k=all")
    f.add("nd.topk", distinct(3, 4), k=5, ret_typ="value", id="k=more")
    f.add("nd.topk", distinct(3, 4), k=-1, ret_typ="value", id="k=-1")
    f.add("nd.topk", distinct(3, 4), ret_typ="nothing", id="bad_type")
    f.add("nd.sort", distinct(3, 4), axis=2, id="bad_axis")
    f.add("nd.sort", np.array([1.0, 3, 2, 3, 1, 1], "float32"), id="ties")
    f.add("nd.argsort", np.array([1.0, 3, 2, 3, 1, 1], "float32"), id="ties")
    f.add("nd.topk", np.array([[1.0, 3, 2, 3, 1, 1]], "float32"), k=3, id="ties")
    f.add("nd.sort", np.array([2.0, np.inf, -np.inf, 0], "float32"), id="inf")
    for name in ("argmax", "argmin"):
        for axis in (None, 0, 1, -1, 2):
            for keep in (False, True):
                f.add("nd." + name, distinct(3, 4, 2), axis=axis, keepdims=keep,
                      id="axis=%s-%s" % (axis, keep))
        f.add("nd." + name, np.array([[2.0, 5, 5], [1, 1, 1]], "float32"), axis=1, id="ties")
        f.add("nd." + name, np.array([[2.0, np.nan, 5], [np.nan, 1, 0]], "float32"), axis=1, id="nan")
        f.add("nd." + name, distinct(3, 4), axis=5, id="bad_axis")
    f.add("nd.argmax_channel", distinct(3, 4))
    f.add("nd.argmax_channel", distinct(3, 4, 2), id="3d")
    for axis, shape in ((0, (4,)), (1, (3,)), (-1, (3,))):
        for mode in ("clip", "wrap"):
            index = np.array([0, 5, -1, 2][:shape[0]], "float32")
            for keep in (False, True):
                f.add("nd.pick", distinct(3, 4), index, axis=axis, keepdims=keep, mode=mode,
                      id="%s-%s-%s" % (axis, keep, mode), grad=[0])
    for dtype in ALL:
        f.add("nd.pick", distinct(3, 4), np.array([0, 3, 1], dtype), id="index-" + dtype, grad=[0])
    f.add("nd.pick", distinct(2, 3, 4), np.array([[0, 1, 2], [3, 0, 1]], "float32"), id="3d", grad=[0])
    f.add("nd.pick", distinct(2, 3, 4), np.array([[[0], [1], [2]], [[3], [0], [1]]], "float32"), id="kept", grad=[0])
    f.add("nd.pick", distinct(3, 4), np.array([2], "float32"), axis=None, id="flat", grad=[0])
    f.add("nd.choose_element_0index", distinct(3, 4), np.array([0, 3, 1], "float32"), grad=[0])
    f.add("nd.fill_element_0index", arr(3, 4), np.array([7, 8, 9], "float32"),
          np.array([0, 3, 1], "float32"), grad=[])
    f.add("nd.shuffle", arr(5, 2), compare="meta", grad=[])
    f.add("nd.contrib.index_array", arr(2, 3))
    f.add("nd.contrib.index_array", arr(2, 3, 2), axes=(1, 0), id="axes")
    return f
