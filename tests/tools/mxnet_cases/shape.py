"""Operators that change shapes: reshape, transpose, slice, concat, pad ..."""

import numpy as np

from .common import ALL, FLOATS, Family, arr, distinct

RESHAPES = (
    ((2, 3, 4), (4, 0, 2)), ((2, 3, 4), (2, 0, 0)), ((2, 3, 4), (6, 1, -1)), ((2, 3, 4), (3, -1, 8)),
    ((2, 3, 4), (-1,)), ((2, 3, 4), (-2,)), ((2, 3, 4), (2, -2)), ((2, 3, 4), (-2, 1, 1)),
    ((2, 3, 4), (-3, 4)), ((2, 3, 4), (0, -3)), ((2, 3, 4, 5), (-3, -3)), ((2, 3, 4), (-3, -2)),
    ((2, 3, 4), (-4, 1, 2, -2)), ((2, 3, 4), (2, -4, -1, 3, -2)), ((2, 3, 4), (-4, -1, 2, -2)),
    ((8, 7), (-4, 2, -1, 0)), ((2, 3, 4), (24,)), ((2, 3, 4), (1, 24, 1)), ((2, 3, 4), (0, 0, 0)),
    ((2, 3, 4), (0, 0, -1)), ((2, 3, 4), (5, 5)), ((2, 3, 4), (-1, -1)), ((2, 3, 4), (0, 0, 0, 0)),
    ((2, 3, 4), (0, 0, 0, 1)), ((2, 3, 4), (-4, 3, 3, -2)), ((2, 3, 4), (-5,)), ((2, 3, 4), (-3,)),
    ((2, 3, 4), (5, -1)), ((4,), (-4, 2, 2)), ((1,), (1, 1)), ((2, 3, 4), (-4, 2)), ((2, 3, 4), ()),
)
REVERSED = (
    ((10, 5, 4), (-1, 0)), ((10, 5, 4), (0, 0, 0)), ((2, 3, 4), (-1, 0, 0)), ((2, 3, 4), (0, -3)),
    ((2, 3, 4, 5), (-3, 0)), ((8, 3, 3, 3, 4, 4), (-4, 3, -1, 0, 0, -1)), ((2, 3, 4), (-2, 4)),
    ((2, 4, 5, 3), (-3, -1, 0)), ((30,), (-1, 5)), ((2, 3, 4), (4, 0, 2)),
)


def shape():
    f = Family("shape")
    for given, wanted in RESHAPES:
        f.add("nd.reshape", distinct(*given), shape=wanted, id="%s-%s" % (given, wanted))
    for given, wanted in REVERSED:
        f.add("nd.reshape", distinct(*given), shape=wanted, reverse=True, id="reverse-%s-%s" % (given, wanted))
    f.add("nd.Reshape", arr(2, 3, 4), target_shape=(0, 12), id="target_shape")
    f.add("nd.Reshape", arr(2, 3, 4), target_shape=(6, 0), id="target_shape")
    f.add("nd.Reshape", arr(2, 3, 4), target_shape=(0, 0), keep_highest=True, id="keep_highest")
    for dtype in ALL:
        x = distinct(2, 3, 4, dtype=dtype)
        y = distinct(2, 3, 4, dtype=dtype, seed=1)
        f.add("nd.reshape", x, shape=(4, -1), id=dtype)
        f.add("nd.transpose", x, axes=(1, 2, 0), id=dtype)
        f.add("nd.slice", x, begin=(0, 1), end=(2, 3), id=dtype)
        f.add("nd.tile", x, reps=(2, 1), id=dtype)
        f.add("nd.repeat", x, repeats=2, axis=1, id=dtype)
        f.add("nd.concat", x, y, dim=1, id=dtype)
        f.add("nd.stack", x, y, axis=1, id=dtype)
        f.add("nd.split", x, num_outputs=2, axis=2, id=dtype)
        f.add("nd.flip", x, axis=1, id=dtype)
        f.add("nd.expand_dims", x, axis=0, id=dtype)
        f.add("nd.broadcast_to", x[:, :1], shape=(2, 3, 4), id=dtype)
        f.add("nd.diag", x[0], id=dtype)
        f.add("nd.swapaxes", x, dim1=0, dim2=2, id=dtype)
        f.add("nd.depth_to_space", distinct(1, 4, 2, 3, dtype=dtype), block_size=2, id=dtype)
        f.add("nd.pad", distinct(1, 2, 3, 4, dtype=dtype), mode="edge", pad_width=(0, 0, 0, 0, 1, 2, 2, 1), id=dtype)
    for axes in ((), (0, 1, 2), (2, 0, 1), (1, 0, 2), (0, 2, 1), (2, 1, 0), (-1, 0, 1), (0, 0, 1), (0, 1)):
        f.add("nd.transpose", distinct(2, 3, 4), axes=axes, id="axes=%s" % (axes,))
    f.add("nd.transpose", distinct(2, 3, 4))
    f.add("nd.transpose", distinct(5))
    f.add("nd.transpose", distinct(2, 3, 2, 2, 3), axes=(4, 2, 0, 3, 1), id="5d")
    f.add("nd.transpose", distinct(2, 1, 2, 2, 1, 3), axes=(5, 4, 2, 0, 3, 1), id="6d")
    for axis in (0, 1, 2, -1, -3, 3, -4):
        f.add("nd.expand_dims", distinct(2, 3), axis=axis, id="axis=%d" % axis)
    for axis in (None, 0, 2, -1, (0, 2), 1, (0, 1), 5, ()):
        f.add("nd.squeeze", distinct(1, 3, 1, 2, 1), axis=axis, id="axis=%s" % (axis,))
    f.add("nd.squeeze", distinct(1, 1), id="all")
    for dims in ((0, 1), (0, 2), (1, 1), (-1, 0), (2, 3)):
        f.add("nd.swapaxes", distinct(2, 3, 4), dim1=dims[0], dim2=dims[1], id="%d,%d" % dims)
    f.add("nd.SwapAxis", distinct(2, 3, 4), dim1=0, dim2=2)
    for a in ((1, 0), (-1, 0), ([0, 1], [2, 0]), (0, 5)):
        f.add("nd.moveaxis", distinct(2, 3, 4), *a, id=str(a))
    for shape_ in ((2,), (3, 2), (1, 2, 3, 2), (2, 0)):
        f.add("nd.flatten", np.zeros(shape_, "float32") if 0 in shape_ else distinct(*shape_),
              id=str(shape_), grad=[] if 0 in shape_ else None)
    slices = (
        ((0,), (1,), ()), ((0, 1), (2, 3), ()), ((None, 1), (None, 3), ()), ((-2, -3), (-1, -1), ()),
        ((0, 0, 0), (3, 4, 5), (2, 2, 2)), ((None, 3), (None, 0), (1, -1)), ((None, None), (None, None), (-1, -2)),
        ((2,), (0,), (-1,)), ((0, 3), (10, 10), ()), ((1,), (1,), ()), ((2,), (1,), ()), ((5,), (6,), ()),
        ((0, 0, 0, 0), (1, 1, 1, 1), ()), ((None,), (None,), (0,)), ((2, None), (None, 2), (-2, 1)), ((-10,), (2,), ()),
    )
    for begin, end, step in slices:
        kwargs = {"step": step} if step else {}
        f.add("nd.slice", distinct(3, 4, 5), begin=begin, end=end, id="%s-%s-%s" % (begin, end, step), **kwargs)
    f.add("nd.crop", distinct(3, 4), begin=(0, 1), end=(2, 3))
    for axis, begin, end in ((0, 0, 2), (1, 1, None), (-1, -3, -1), (2, 0, 0), (1, -10, 2), (0, 2, 1),
                             (3, 0, 1), (0, 0, 10), (0, 3, None), (-1, 4, None)):
        f.add("nd.slice_axis", distinct(3, 4, 5), axis=axis, begin=begin, end=end, id="%s,%s,%s" % (axis, begin, end))
    f.add("nd.slice_like", distinct(3, 4), arr(2, 3))
    f.add("nd.slice_like", distinct(3, 4), arr(2, 3), axes=(0,), id="axes=0")
    f.add("nd.slice_like", distinct(3, 4, 5), arr(2, 3), axes=(0, -2), id="axes=0,-2")
    f.add("nd.slice_like", distinct(3, 4, 5), arr(2, 3), axes=(0, 1), id="axes=0,1")
    f.add("nd.slice_like", distinct(3, 4), arr(5, 3), id="bad")
    f.add("nd._internal._slice_assign", distinct(3, 4), arr(2, 2), begin=(0, 1), end=(2, 3))
    f.add("nd._internal._slice_assign", distinct(3, 4), arr(2, 2), begin=(0, None), end=(None, None), step=(2, -2), id="step")
    f.add("nd._internal._slice_assign_scalar", distinct(3, 4), scalar=7.0, begin=(0, 1), end=(2, 3))
    for dim in (0, 1, 2, -1, 3):
        f.add("nd.concat", distinct(2, 3, 4), distinct(2, 3, 4, seed=1), dim=dim, id="dim=%d" % dim)
    f.add("nd.concat", distinct(2, 3), distinct(2, 1, seed=1), distinct(2, 4, seed=2), id="different")
    f.add("nd.concat", distinct(2, 3), id="one")
    f.add("nd.concat", distinct(2, 3), distinct(3, 3), dim=1, id="mismatch")
    f.add("nd.concat", distinct(2, 3), distinct(2, 3, dtype="int32"), id="dtypes", grad=[])
    f.add("nd.concat", distinct(2), distinct(3), dim=0, id="1d")
    f.add("nd.Concat", distinct(2, 3), distinct(2, 3, seed=1), dim=0, num_args=2)
    f.add("nd.concatenate", [distinct(2, 3), distinct(1, 3)], axis=0, grad=[])
    f.add("nd._internal._rnn_param_concat", distinct(3), distinct(4), dim=0, num_args=2)
    for axis in (0, 1, 2, -1, -3, 3):
        f.add("nd.stack", distinct(2, 3), distinct(2, 3, seed=1), axis=axis, id="axis=%d" % axis)
    f.add("nd.stack", distinct(2, 3), distinct(3, 2), id="mismatch")
    f.add("nd.stack", distinct(2), id="one")
    for axis in (0, 1, 2, -1):
        for squeeze in (False, True):
            n = (2, 3, 4)[axis]
            f.add("nd.split", distinct(2, 3, 4), num_outputs=n, axis=axis, squeeze_axis=squeeze,
                  id="%d-%s" % (axis, squeeze))
    f.add("nd.split", distinct(2, 3, 4), num_outputs=2, axis=1, id="uneven")
    f.add("nd.split", distinct(2, 3, 4), num_outputs=1, axis=1, id="one")
    f.add("nd.split", distinct(2, 3, 4), num_outputs=2, axis=5, id="bad_axis")
    f.add("nd.SliceChannel", distinct(2, 4, 2), num_outputs=2)
    f.add("nd.split_v2", distinct(4, 5), 2, id="sections")
    f.add("nd.split_v2", distinct(4, 5), (1, 3), axis=1, id="indices")
    f.add("nd.split_v2", distinct(4, 5), (0, 2), axis=0, id="indices0")
    f.add("nd.split_v2", distinct(4, 2), 2, axis=1, squeeze_axis=True, id="squeeze")
    f.add("nd.split_v2", distinct(4, 5), 3, id="uneven")
    f.add("nd.split_v2", distinct(4, 5), 4, axis=0, squeeze_axis=True, id="all")
    for reps in ((2,), (2, 2), (1, 2, 3), (2, 1, 1, 2), (), (0, 1)):
        f.add("nd.tile", distinct(2, 3), reps=reps, id=str(reps))
    for repeats, axis in ((2, None), (3, 0), (2, 1), (2, -1), (1, 0), (0, 0), (2, 3), (-1, 0)):
        f.add("nd.repeat", distinct(2, 3), repeats=repeats, axis=axis, id="%s,%s" % (repeats, axis))
    for mode in ("constant", "edge", "reflect"):
        f.add("nd.pad", distinct(1, 2, 3, 4), mode=mode, pad_width=(0, 0, 0, 0, 1, 2, 2, 1), id=mode)
        f.add("nd.pad", distinct(1, 2, 3, 3, 4), mode=mode, pad_width=(0, 0, 0, 0, 1, 1, 1, 2, 2, 1), id="5d-" + mode)
        f.add("nd.pad", distinct(1, 2, 3, 4), mode=mode, pad_width=(1, 0, 0, 0, 1, 2, 2, 1), id="batch-" + mode)
    f.add("nd.pad", distinct(1, 2, 3, 4), mode="constant", constant_value=5, pad_width=(0, 0, 0, 0, 1, 2, 0, 1), id="value")
    f.add("nd.pad", distinct(2, 3), mode="constant", pad_width=(1, 1, 1, 1), id="2d")
    f.add("nd.pad", distinct(1, 2, 3, 4), mode="reflect", pad_width=(0, 0, 0, 0, 3, 2, 0, 1), id="too_wide")
    for axis in (0, 1, 2, -1, (0, 1), (0, 2), (-1, -2), 3):
        f.add("nd.flip", distinct(2, 3, 4), axis=axis, id="axis=%s" % (axis,))
    f.add("nd.reverse", distinct(2, 3, 4), axis=(0, 1))
    for given, wanted in (((1, 3, 1), (2, 3, 4)), ((2, 1), (2, 5)), ((2, 1), (0, 5)), ((2, 3), (2, 3)),
                          ((2, 3), (2, 4)), ((3,), (2, 3)), ((1,), (4,)), ((1, 1), (2, 3))):
        f.add("nd.broadcast_to", distinct(*given), shape=wanted, id="%s-%s" % (given, wanted))
    for axis, size in ((0, 3), (2, 2), ((0, 2), (3, 2)), (1, 2), (-1, 3)):
        f.add("nd.broadcast_axis", distinct(1, 2, 1), axis=axis, size=size, id="%s-%s" % (axis, size))
    f.add("nd.broadcast_axes", distinct(1, 2, 1), axis=0, size=2)
    f.add("nd.broadcast_like", distinct(1, 3), arr(2, 3))
    f.add("nd.broadcast_like", distinct(1, 3, 1), arr(2, 5), lhs_axes=(0, 2), rhs_axes=(0, 1), id="axes")
    f.add("nd.broadcast_like", distinct(1, 9), arr(5, 6), lhs_axes=(-2,), rhs_axes=(-1,), id="negative")
    f.add("nd.broadcast_like", distinct(2, 3), arr(3, 3), id="bad")
    f.add("nd.reshape_like", distinct(2, 6), arr(3, 4))
    f.add("nd.reshape_like", distinct(30, 7), arr(15, 2, 4), lhs_begin=0, lhs_end=1, rhs_begin=0, rhs_end=2, id="part")
    f.add("nd.reshape_like", distinct(30, 7), arr(15, 2, 7), lhs_begin=None, lhs_end=-1, rhs_begin=None, rhs_end=-1, id="negative")
    f.add("nd.reshape_like", distinct(2, 6), arr(3, 5), id="bad")
    for k in (0, 1, -1, 2, 5):
        f.add("nd.diag", distinct(3, 4), k=k, id="k=%d" % k)
        f.add("nd.diag", distinct(3), k=k, id="1d-k=%d" % k)
    f.add("nd.diag", distinct(2, 3, 4), id="3d")
    f.add("nd.diag", distinct(2, 3, 4), axis1=0, axis2=2, k=1, id="axes")
    f.add("nd.diag", distinct(2, 3, 4), axis1=-1, axis2=-2, id="negative")
    f.add("nd.depth_to_space", distinct(2, 8, 2, 3), block_size=2)
    f.add("nd.depth_to_space", distinct(1, 9, 1, 2), block_size=3, id="3")
    f.add("nd.depth_to_space", distinct(1, 3, 2, 2), block_size=2, id="bad")
    f.add("nd.space_to_depth", distinct(2, 2, 4, 6), block_size=2)
    f.add("nd.space_to_depth", distinct(1, 1, 3, 3), block_size=3, id="3")
    f.add("nd.space_to_depth", distinct(1, 1, 3, 4), block_size=2, id="bad")
    for size in ({"offset": (1, 1), "h_w": (2, 3)}, {"center_crop": True, "h_w": (2, 2)}):
        f.add("nd.Crop", distinct(1, 2, 4, 5), num_args=1, **size)
    f.add("nd.Crop", distinct(1, 2, 4, 5), arr(1, 2, 3, 3), num_args=2, id="like")
    f.add("nd.im2col", distinct(1, 2, 4, 4), kernel=(2, 2))
    f.add("nd.im2col", distinct(2, 2, 5, 4), kernel=(3, 2), stride=(2, 1), dilate=(1, 2), pad=(1, 1), id="all")
    f.add("nd.col2im", distinct(1, 8, 9), output_size=(4, 4), kernel=(2, 2))
    f.add("nd.col2im", distinct(1, 8, 4), output_size=(4, 4), kernel=(2, 2), stride=(2, 2), id="stride")
    for dtype in FLOATS:
        f.add("nd.im2col", distinct(1, 2, 3, 3, dtype=dtype), kernel=(2, 2), id=dtype)
    f.add("nd.identity", np.array([[1.0]], "float32"), id="1x1")
    f.add("nd.slice", np.zeros((0, 3), "float32"), begin=(0,), end=(1,), id="zero_size", grad=[])
    return f
