"""take, pick, gather, scatter, one_hot, Embedding."""

import numpy as np

from .common import ALL, FLOATS, INTS, Family, arr, distinct, ints


def indexing():
    f = Family("indexing")
    for axis in (0, 1, 2, -1, -3, 3):
        for mode in ("clip", "wrap", "raise"):
            f.add("nd.take", distinct(3, 4, 2), np.array([[0, 1], [1, 0]], "float32"), axis=axis, mode=mode,
                  id="axis=%d-%s" % (axis, mode), grad=[0])
    outside = np.array([-1, 0, 5, 2, -7, 3], "float32")
    for mode in ("clip", "wrap"):
        f.add("nd.take", distinct(4, 2), outside, mode=mode, id="outside-" + mode, grad=[0])
        f.add("nd.take", distinct(2, 4), outside, axis=1, mode=mode, id="outside1-" + mode, grad=[0])
    f.add("nd.take", distinct(4, 2), np.array([0, 9], "float32"), mode="raise", id="outside-raise", grad=[])
    f.add("nd.take", distinct(4, 2), np.array([0.9, 1.5, 2.99], "float32"), id="fractions", grad=[0])
    for dtype in ALL:
        f.add("nd.take", distinct(4, 2, dtype=dtype), np.array([0, 3, 3], "int32"), id="data-" + dtype,
              grad=[0] if dtype in FLOATS else [])
        f.add("nd.take", distinct(4, 2), np.array([0, 3, 3], dtype), id="index-" + dtype, grad=[0])
        f.add("nd.batch_take", distinct(3, 4, dtype=dtype), np.array([0, 3, 1], "int32"), id=dtype,
              grad=[])
        f.add("nd.one_hot", np.array([0, 2, 5, 1], dtype), 4, id="index-" + dtype, grad=[])
        f.add("nd.one_hot", np.array([0, 2, 1], "float32"), 3, dtype=dtype, id="out-" + dtype, grad=[])
        f.add("nd.gather_nd", distinct(3, 4, dtype=dtype), np.array([[0, 2, 1], [3, 0, 1]], "int64"),
              id="data-" + dtype, grad=[0] if dtype in FLOATS else [])
        f.add("nd.gather_nd", distinct(3, 4), np.array([[0, 2, 1], [3, 0, 1]], dtype),
              id="index-" + dtype, grad=[0])
        f.add("nd.scatter_nd", arr(3, dtype=dtype), np.array([[0, 2, 1], [3, 0, 1]], "int64"),
              shape=(3, 4), id="data-" + dtype, grad=[0] if dtype in FLOATS else [])
        f.add("nd.Embedding", np.array([[0, 2], [4, 9]], dtype), distinct(5, 3), input_dim=5,
              output_dim=3, id="index-" + dtype, grad=[1])
        f.add("nd.ravel_multi_index", np.array([[0, 2, 1], [3, 0, 1]], dtype), shape=(3, 4), id=dtype, grad=[])
        f.add("nd.unravel_index", np.array([3, 8, 5], dtype), shape=(3, 4), id=dtype, grad=[])
    for dtype in FLOATS:
        f.add("nd.Embedding", np.array([0, 2, 2], "float32"), distinct(5, 3, dtype=dtype), input_dim=5,
              output_dim=3, dtype=dtype, id="weight-" + dtype, grad=[1])
    f.add("nd.Embedding", np.array([-1, 2], "float32"), distinct(5, 3), input_dim=5, output_dim=3,
          id="negative", grad=[1])
    f.add("nd.Embedding", np.array([1, 2], "float32"), distinct(5, 3), input_dim=4, output_dim=3, id="bad")
    f.add("nd.Embedding", ints(2, 3, 2, high=4, dtype="float32"), distinct(5, 3), input_dim=5,
          output_dim=3, id="3d", grad=[1])
    f.add("nd.contrib.SparseEmbedding", np.array([0, 2], "float32"), distinct(5, 3), input_dim=5,
          output_dim=3, grad=[])
    f.add("nd.one_hot", np.array([[0, 2], [-1, 1]], "float32"), 3, on_value=5, off_value=-2, id="values", grad=[])
    f.add("nd.one_hot", np.array([0], "float32"), 0, id="depth0", grad=[])
    f.add("nd.one_hot", np.array([0.7, 1.2], "float32"), 3, id="fractions", grad=[])
    index = np.array([[0, 2, 1], [3, 0, 1]], "float32")
    f.add("nd.gather_nd", distinct(3, 4, 2), index, id="partial", grad=[0])
    f.add("nd.gather_nd", distinct(3, 4, 2), index[:1], id="first", grad=[0])
    f.add("nd.gather_nd", distinct(3, 4), np.array([[[0, 2], [1, 1]], [[3, 0], [1, 1]]], "float32"), id="grid", grad=[0])
    f.add("nd.gather_nd", distinct(3, 4), np.array([[0, 0, 0], [1, 1, 2]], "float32"), id="repeated", grad=[0])
    f.add("nd.gather_nd", distinct(3, 4), np.array([[-1, -3], [-1, 0]], "float32"), id="negative", grad=[0])
    f.add("nd.gather_nd", distinct(3, 4), np.array([[0], [9]], "float32"), id="outside", grad=[])
    f.add("nd.gather_nd", distinct(3), index, id="too_deep", grad=[])
    f.add("nd.scatter_nd", arr(3, 2), index, shape=(3, 4, 2), id="rows", grad=[0])
    f.add("nd.scatter_nd", arr(2), np.array([[1, 3]], "float32"), shape=(5,), id="1d", grad=[0])
    f.add("nd._internal._scatter_set_nd", distinct(3, 4), arr(3), index, shape=(3, 4), grad=[])
    f.add("nd._internal._backward_gather_nd", arr(3), np.array([[0, 0, 2], [1, 1, 2]], "float32"),
          shape=(3, 4), id="accumulates", grad=[])
    f.add("nd.batch_take", distinct(3, 4), np.array([0, 9, -1], "int32"), id="outside", grad=[])
    f.add("nd.batch_take", distinct(3, 4), np.array([[0], [2], [1]], "int32"), id="2d", grad=[])
    f.add("nd.ravel_multi_index", np.array([[1, 2], [0, 1], [2, 2]], "float32"), shape=(3, 4, 5), id="3d", grad=[])
    f.add("nd.ravel_multi_index", np.array([[1, 2], [0, 1]], "float32"), shape=(-1, 4), id="open", grad=[])
    f.add("nd.unravel_index", np.array([[22, 13], [1, 59]], "float32"), shape=(3, 4, 5), id="2d", grad=[])
    f.add("nd.unravel_index", np.array([22], "int64"), shape=(-1, 4), id="open", grad=[])
    f.add("nd.contrib.index_copy", distinct(4, 2), np.array([1, 3], "int32"), arr(2, 2), grad=[0, 2])
    f.add("nd.contrib.boolean_mask", distinct(4, 2), np.array([1, 0, 1, 0], "float32"), grad=[])
    f.add("nd.contrib.boolean_mask", distinct(4, 2), np.array([1, 0, 1, 0], "int32"), grad=[0], id="grad")
    f.add("nd.contrib.boolean_mask", distinct(4, 2), np.array([0, 0, 0, 0], "int32"), grad=[], id="none")
    for axis in (None, 0, 1, -1):
        f.add("nd.contrib.arange_like", arr(3, 4), axis=axis, id="axis=%s" % axis, grad=[])
    f.add("nd.contrib.arange_like", arr(3, 4), start=5, step=2, axis=0, id="start", grad=[])
    f.add("nd.contrib.arange_like", arr(3, 4), repeat=2, id="repeat", grad=[])
    f.add("nd.onehot_encode", np.array([1, 0], "float32"), np.zeros((2, 3), "float32"), grad=[])
    for dtype in INTS:
        f.add("nd.where", np.array([1, 0, 1], "float32"), ints(3, dtype=dtype), ints(3, dtype=dtype, seed=1),
              id=dtype, grad=[])
    return f
