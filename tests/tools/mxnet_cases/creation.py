"""Creation functions by value, random functions by shape and dtype."""

import numpy as np

from .common import ALL, FLOATS, Family, arr, pos


def creation():
    f = Family("creation")
    for name in ("zeros", "ones"):
        for shape in (3, (2,), (2, 3), (1, 1, 1), [2, 2]):
            f.add("nd." + name, shape=tuple(shape) if isinstance(shape, list) else shape, id=str(shape))
        for dtype in ALL:
            f.add("nd." + name, (2, 3), dtype=dtype, id=dtype)
        f.add("nd." + name, (-1, 2), id="negative")
    for dtype in ALL:
        f.add("nd.full", (2, 2), 3, dtype=dtype, id=dtype)
        f.add("nd.full", (2, 2), 1.7, dtype=dtype, id="1.7-" + dtype)
        f.add("nd.arange", 5, dtype=dtype, id=dtype)
        f.add("nd.eye", 3, dtype=dtype, id=dtype)
        f.add("nd.linspace", 0, 10, 5, dtype=dtype, id=dtype)
        f.add("nd.array", [[1, 2], [3, 4]] and arr(2, 2, dtype=dtype), id=dtype, grad=[])
        f.add("nd.array", arr(2, 2, dtype=dtype), dtype="float64", id="to64-" + dtype, grad=[])
    f.add("nd.full", (2,), float("nan"), id="nan")
    f.add("nd.full", 3, 2, id="int_shape")
    for args in ((5,), (2, 6), (0, 1, 0.25), (5, 0, -1), (0.5, 3), (0, 10, 3), (3, 3), (1, 0)):
        f.add("nd.arange", *args, id=str(args))
    f.add("nd.arange", 3, repeat=2, id="repeat")
    f.add("nd.arange", 2, 5, 1.5, 3, id="repeat-positional")
    for args in ((3,), (2, 4), (4, 2), (3, 0)):
        for k in (0, 1, -2):
            f.add("nd.eye", *args, k=k, id="%s-%d" % (args, k))
    for args in ((0, 1, 5), (1, 0, 3), (2, 3, 1), (0, 1, 0)):
        f.add("nd.linspace", *args, id=str(args))
        f.add("nd.linspace", *args, endpoint=False, id="open-%s" % (args,))
    f.add("nd._internal._full", shape=(2, 3), value=2.5)
    f.add("nd._internal._arange", start=1.0, stop=4.0, step=1.0, repeat=1)
    f.add("nd._internal._zeros", shape=(2, 3))
    f.add("nd._internal._ones", shape=(2, 3), dtype="int32")
    f.add("nd._internal._eye", N=2, M=3, k=1)
    f.add("nd._internal._linspace", start=0.0, stop=1.0, num=3)
    return f


def random():
    f = Family("random")

    def meta(op, *inputs, **kwargs):
        f.add(op, *inputs, compare="meta", grad=[], **kwargs)

    for shape in (None, 3, (2,), (2, 3), (2, 1, 2)):
        s = {} if shape is None else {"shape": shape}
        tag = "shape=%s" % (shape,)
        for dtype in (None, "float16", "float32", "float64"):
            d = {} if dtype is None else {"dtype": dtype}
            t = tag + "-%s" % dtype
            meta("nd.random.uniform", 0, 1, id=t, **s, **d)
            meta("nd.random.normal", 0, 1, id=t, **s, **d)
            meta("nd.random.gamma", 2.0, 1.0, id=t, **s, **d)
            meta("nd.random.exponential", 2.0, id=t, **s, **d)
            meta("nd.random.poisson", 2.0, id=t, **s, **d)
            meta("nd.random.negative_binomial", 3, 0.5, id=t, **s, **d)
            meta("nd.random.generalized_negative_binomial", 2.0, 0.3, id=t, **s, **d)
        for dtype in (None, "int32", "int64"):
            meta("nd.random.randint", 0, 10, id=tag + "-%s" % dtype, **s, **({} if dtype is None else {"dtype": dtype}))
        low, high = arr(2, 3, low=0, high=1), arr(2, 3, low=2, high=3)
        meta("nd.random.uniform", low, high, id="arrays-" + tag, **s)
        meta("nd.random.normal", low, high, id="arrays-" + tag, **s)
        meta("nd.random.gamma", high, high, id="arrays-" + tag, **s)
        meta("nd.random.exponential", high, id="arrays-" + tag, **s)
        meta("nd.random.poisson", high, id="arrays-" + tag, **s)
        meta("nd.random.negative_binomial", high, low * 0.5 + 0.25, id="arrays-" + tag, **s)
        meta("nd.random.generalized_negative_binomial", high, low + 0.5, id="arrays-" + tag, **s)
        meta("nd.sample_uniform", low, high, id=tag, **s)
        meta("nd.sample_normal", low, high, id=tag, **s)
        p = np.array([[0.1, 0.9], [0.5, 0.5]], "float32")
        meta("nd.random.multinomial", p, id=tag, **s)
        meta("nd.random.multinomial", p, id="prob-" + tag, get_prob=True, **s)
        meta("nd.random.multinomial", p[0], id="1d-" + tag, **s)
        meta("nd.random.multinomial", p, id="float-" + tag, dtype="float32", **s)
    for args in ((), (2,), (2, 3)):
        meta("nd.random.randn", *args, id=str(args))
    for name in ("uniform", "normal", "gamma", "exponential", "poisson", "negative_binomial", "generalized_negative_binomial"):
        meta("nd.random.%s_like" % name, arr(2, 3))
    meta("nd.random.shuffle", arr(4, 2))
    meta("nd.random.uniform", 0, arr(2), id="mixed")
    meta("nd.random.uniform", 1, 1, id="empty_range")
    meta("nd.random.uniform", shape=(2, 2), low=-1, high=1, id="kw")
    meta("nd.uniform", 0, 1, shape=(2,))
    meta("nd.normal", 0, 1, shape=(2,))
    meta("nd.random_uniform", 0, 1, shape=(2,))
    meta("nd.random_randint", 0, 5, shape=(2,))
    meta("nd.random.randint", 5, 5, shape=(2,), id="empty")
    # densities are ordinary functions
    for dtype in FLOATS[1:]:
        s = pos(2, 4, dtype=dtype, low=0.25, high=0.9)
        one, two = pos(2, dtype=dtype, seed=1), pos(2, dtype=dtype, seed=2, low=1)
        for log in (False, True):
            t = "%s-%s" % (dtype, log)
            f.add("nd.random_pdf_uniform", s, one * 0, two, is_log=log, id=t)
            f.add("nd.random_pdf_normal", s, one, two, is_log=log, id=t)
            f.add("nd.random_pdf_gamma", s, one, two, is_log=log, id=t)
            f.add("nd.random_pdf_exponential", s, two, is_log=log, id=t)
            count = np.array([[0, 1, 2, 3], [4, 1, 0, 2]], dtype)
            f.add("nd.random_pdf_poisson", count, two, is_log=log, id=t)
            f.add("nd.random_pdf_negative_binomial", count, two, one * 0.25 + 0.2, is_log=log, id=t)
            f.add("nd.random_pdf_generalized_negative_binomial", count, two, one, is_log=log, id=t)
            d = np.array([[[0.25, 0.75], [0.5, 0.5]]], dtype)
            f.add("nd.random_pdf_dirichlet", d, pos(1, 2, dtype=dtype, seed=3), is_log=log, id=t)
    return f
