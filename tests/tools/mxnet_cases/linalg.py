"""dot, batch_dot, linear algebra."""

import numpy as np

from .common import ALL, FLOATS, Family, arr, rng


def square(n, seed=0, batch=(), dtype="float64"):
    """Well conditioned matrices."""
    r = rng("square", n, seed, batch)
    a = r.uniform(-1, 1, batch + (n, n)) + 2 * np.eye(n)
    return np.asarray(np.round(a * 256) / 256, dtype)


def spd(n, seed=0, batch=(), dtype="float64"):
    """Symmetric positive definite matrices."""
    a = square(n, seed, batch)
    return np.asarray(a @ np.swapaxes(a, -1, -2) + np.eye(n), dtype)


def linalg():
    f = Family("linalg")
    shapes = (((3, 4), (4, 2)), ((4,), (4,)), ((2, 3, 4), (4, 2)), ((2, 3, 4), (4,)), ((4,), (4, 2)),
              ((2, 3, 4), (4, 2, 3)), ((3, 4), (3, 2)), ((1, 1), (1, 1)), ((1, 5), (5, 1)))
    for a, b in shapes:
        f.add("nd.dot", arr(*a), arr(*b, seed=1), id="%s-%s" % (a, b))
    for ta in (False, True):
        for tb in (False, True):
            a = (4, 3) if ta else (3, 4)
            b = (2, 4) if tb else (4, 2)
            f.add("nd.dot", arr(*a), arr(*b, seed=1), transpose_a=ta, transpose_b=tb, id="%s,%s" % (ta, tb))
            f.add("nd.batch_dot", arr(2, *a), arr(2, *b, seed=1), transpose_a=ta, transpose_b=tb, id="%s,%s" % (ta, tb))
            f.add("nd.linalg.gemm2", arr(*a), arr(*b, seed=1), transpose_a=ta, transpose_b=tb, id="%s,%s" % (ta, tb))
            f.add("nd.linalg.gemm", arr(2, *a), arr(2, *b, seed=1), arr(2, 3, 2, seed=2), transpose_a=ta,
                  transpose_b=tb, alpha=2.0, beta=0.5, id="%s,%s" % (ta, tb))
    f.add("nd.dot", arr(3, 4, 2), arr(4, 3, 2), transpose_a=True, transpose_b=True, id="3d-transposed")
    f.add("nd.dot", arr(4, 2, 3), arr(4, 2, seed=1), transpose_a=True, id="3d-transpose_a")
    f.add("nd.dot", arr(3, 2, 4), arr(5, 4), transpose_b=True, id="3d-transpose_b")
    for dtype in ALL:
        f.add("nd.dot", arr(2, 3, dtype=dtype), arr(3, 2, dtype=dtype, seed=1), id=dtype)
        f.add("nd.dot", arr(3, dtype=dtype), arr(3, dtype=dtype, seed=1), id="vector-" + dtype)
        f.add("nd.batch_dot", arr(2, 2, 3, dtype=dtype), arr(2, 3, 2, dtype=dtype, seed=1), id=dtype)
    f.add("nd.dot", arr(2, 3), arr(2, 3), id="mismatch")
    f.add("nd.batch_dot", arr(2, 2, 3), arr(3, 3, 2), id="mismatch")
    f.add("nd.batch_dot", arr(2, 3), arr(3, 2), id="2d")
    f.add("nd.dot", arr(2, 3), arr(3, 2, dtype="float64"), id="dtypes", grad=[])
    f.add("nd.khatri_rao", arr(2, 3), arr(4, 3, seed=1), grad=[])
    f.add("nd.khatri_rao", arr(2, 2), arr(3, 2, seed=1), arr(2, 2, seed=2), id="three", grad=[])
    for dtype in FLOATS:
        f.add("nd.linalg.gemm2", arr(2, 3, dtype=dtype), arr(3, 2, dtype=dtype), id=dtype)
        f.add("nd.linalg.potrf", spd(3, dtype=dtype), id=dtype)
        f.add("nd.linalg.syrk", arr(2, 3, dtype=dtype), id=dtype)
        f.add("nd.linalg.sumlogdiag", spd(3, dtype=dtype), id=dtype)
        f.add("nd.linalg.inverse", square(3, dtype=dtype), id=dtype)
        f.add("nd.linalg.det", square(3, dtype=dtype), id=dtype)
        f.add("nd.linalg.extractdiag", arr(3, 3, dtype=dtype), id=dtype)
    f.add("nd.linalg.gemm2", arr(2, 3, 3, 4), arr(2, 3, 4, 2, seed=1), alpha=0.5, id="batch")
    f.add("nd.linalg.gemm2", arr(3, 2, 4), arr(4, 2, 5, seed=1), axis=0, id="axis")
    f.add("nd.linalg.gemm", arr(3, 2, 4), arr(4, 2, 5, seed=1), arr(3, 2, 5), axis=0, id="axis")
    f.add("nd.linalg.gemm2", arr(2, 3), arr(2, 3), id="bad")
    for n in (1, 2, 4):
        L = np.linalg.cholesky(spd(n))
        f.add("nd.linalg.potrf", spd(n), id=str(n))
        f.add("nd.linalg.potri", L, id=str(n))
        f.add("nd.linalg.inverse", square(n), id=str(n))
        f.add("nd.linalg.det", square(n), id=str(n))
        f.add("nd.linalg.slogdet", square(n), id=str(n))
        f.add("nd.linalg.sumlogdiag", spd(n), id=str(n))
        f.add("nd.linalg.syevd", np.diag(np.arange(1.0, n + 1)) + 0.1 * (square(n) + square(n).T - 4 * np.eye(n)), id=str(n))
        f.add("nd.linalg.makediag", arr(2, n), id=str(n))
        f.add("nd.linalg.extracttrian", square(n), id=str(n))
    f.add("nd.linalg.potrf", spd(3, batch=(2,)), id="batch")
    f.add("nd.linalg.potri", np.linalg.cholesky(spd(3, batch=(2,))), id="batch")
    f.add("nd.linalg.potrf", -np.eye(2), id="not_definite", grad=[])
    f.add("nd.linalg.inverse", square(3, batch=(2,)), id="batch")
    f.add("nd.linalg.det", square(3, batch=(2, 2)), id="batch")
    f.add("nd.linalg.slogdet", square(3, batch=(2, 2)), id="batch")
    f.add("nd.linalg.det", np.ones((2, 2)), id="singular", grad=[])
    f.add("nd.linalg.slogdet", np.diag([1.0, -2, 3]), id="negative")
    f.add("nd.linalg.inverse", arr(2, 3), id="not_square")
    f.add("nd.linalg.sumlogdiag", spd(3, batch=(2,)), id="batch")
    f.add("nd.linalg.gelqf", arr(2, 4, dtype="float64"))
    f.add("nd.linalg.gelqf", arr(2, 3, 3, dtype="float64"), id="batch")
    for tr in (False, True):
        f.add("nd.linalg.syrk", arr(2, 3), transpose=tr, alpha=2.0, id=str(tr))
        f.add("nd.linalg.syrk", arr(2, 2, 3), transpose=tr, id="batch-%s" % tr)
        for right in (False, True):
            for lower in (False, True):
                A = np.tril(square(3)) if lower else np.triu(square(3))
                B = arr(2, 3, dtype="float64") if right else arr(3, 2, dtype="float64")
                tag = "%s,%s,%s" % (tr, right, lower)
                f.add("nd.linalg.trmm", A, B, transpose=tr, rightside=right, lower=lower, alpha=0.5, id=tag)
                f.add("nd.linalg.trsm", A, B, transpose=tr, rightside=right, lower=lower, alpha=0.5, id=tag)
                full = square(3)
                f.add("nd.linalg.trmm", full, B, transpose=tr, rightside=right, lower=lower, id="full-" + tag)
                f.add("nd.linalg.trsm", full, B, transpose=tr, rightside=right, lower=lower, id="full-" + tag)
    f.add("nd.linalg.trmm", np.tril(square(3, batch=(2,))), arr(2, 3, 2, dtype="float64"), id="batch")
    f.add("nd.linalg.trsm", np.tril(square(3, batch=(2,))), arr(2, 3, 2, dtype="float64"), id="batch")
    f.add("nd.linalg.trmm", square(3, dtype="float32"), arr(3, 2), id="float32")
    f.add("nd.linalg.trsm", square(3, dtype="float32"), arr(3, 2), id="float32")
    for offset in (0, 1, -1, 2, -2):
        f.add("nd.linalg.makediag", arr(3), offset=offset, id="offset=%d" % offset)
        f.add("nd.linalg.extractdiag", arr(4, 4), offset=offset, id="offset=%d" % offset)
        for lower in (True, False):
            f.add("nd.linalg.extracttrian", arr(4, 4), offset=offset, lower=lower, id="%d,%s" % (offset, lower))
            n = 4 - abs(offset)
            f.add("nd.linalg.maketrian", arr(n * (n + 1) // 2), offset=offset, lower=lower, id="%d,%s" % (offset, lower))
    f.add("nd.linalg.extractdiag", arr(2, 3, 3), id="batch")
    f.add("nd.linalg.maketrian", arr(2, 6), id="batch")
    f.add("nd.linalg.maketrian", arr(5), id="bad")
    return f
