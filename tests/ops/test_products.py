"""dot, batch_dot and linear algebra: values against NumPy, gradients against differences."""

import numpy as np
import pytest
from kernel_checks import both_run, check_gradient, normal

import weft as mx
from weft.engine.errors import MXNetError

linalg = mx.nd.linalg

DOTS = [
    (False, False, (3, 4), (4, 5)),
    (False, False, (4,), (4,)),
    (False, False, (3, 4), (4,)),
    (False, False, (4,), (4, 5)),
    (False, False, (2, 3, 4), (4, 5, 6)),
    (True, False, (4, 3), (4, 5)),
    (True, False, (4, 2, 3), (4, 5)),
    (True, False, (3, 4), (3,)),
    (False, True, (3, 4), (5, 4)),
    (False, True, (4,), (3, 4)),
    (False, True, (2, 3, 4), (5, 6, 4)),
    (False, True, (3, 4), (4,)),
    (True, True, (4, 3), (5, 4)),
    (True, True, (4, 2, 3), (5, 6, 4)),
    (False, False, (1, 1), (1, 1)),
]


@pytest.mark.parametrize(("transpose_a", "transpose_b", "left", "right"), DOTS)
def test_dot(transpose_a, transpose_b, left, right):
    x, y = normal(*left), normal(*right)
    options = {"transpose_a": transpose_a, "transpose_b": transpose_b}
    expected = np.tensordot(x, y, axes=([0 if transpose_a else -1], [-1 if transpose_b else 0]))
    for dtype, rtol in (("float16", 1e-2), ("float32", 1e-4), ("float64", 1e-10)):
        found = mx.nd.dot(mx.nd.array(x, dtype=dtype), mx.nd.array(y, dtype=dtype), **options)
        assert found.shape == (expected.shape or (1,)) and np.dtype(found.dtype) == dtype
        np.testing.assert_allclose(found.asnumpy().reshape(expected.shape), expected, rtol=rtol, atol=rtol)
    check_gradient(lambda a, b: mx.nd.dot(a, b, **options), [x, y])


@pytest.mark.parametrize("lead", [(2,), (2, 3)])
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
def test_batch_dot(lead, transpose_a, transpose_b):
    x = normal(*lead, *((4, 3) if transpose_a else (3, 4)))
    y = normal(*lead, *((5, 4) if transpose_b else (4, 5)))
    expected = np.matmul(x.swapaxes(-1, -2) if transpose_a else x, y.swapaxes(-1, -2) if transpose_b else y)
    options = {"transpose_a": transpose_a, "transpose_b": transpose_b}
    found = mx.nd.batch_dot(mx.nd.array(x), mx.nd.array(y), **options).asnumpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    check_gradient(lambda a, b: mx.nd.batch_dot(a, b, **options), [x, y])


@pytest.mark.parametrize(("transpose_a", "transpose_b", "left", "right"), [case for case in DOTS if len(case[2]) == len(case[3]) == 2])
def test_dot_second_gradient(transpose_a, transpose_b, left, right):
    def slope(a, b):
        with mx.autograd.record():
            product = mx.nd.dot(a, b, transpose_a=transpose_a, transpose_b=transpose_b)
            return mx.autograd.grad((product * product).sum(), [a, b], create_graph=True)

    check_gradient(slope, [normal(*left), normal(*right)])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mx.nd.dot(mx.nd.ones((2, 3)), mx.nd.ones((2, 3))), "do not agree"),
        (lambda: mx.nd.dot(mx.nd.ones((3,)), mx.nd.ones((3,)), transpose_a=True), "vectors"),
        (lambda: mx.nd.dot(mx.nd.ones((2, 3)), mx.nd.ones((3, 2), dtype="float64")), "dtype float64"),
        (lambda: mx.nd.batch_dot(mx.nd.ones((2, 3)), mx.nd.ones((3, 2))), "at least 3"),
        (lambda: mx.nd.batch_dot(mx.nd.ones((1, 2, 3)), mx.nd.ones((2, 3, 2))), "leading dimensions"),
        (lambda: mx.nd.khatri_rao(mx.nd.ones((2, 3)), mx.nd.ones((3, 2))), "equally many columns"),
        (lambda: linalg.potrf(mx.nd.ones((2, 3))), "square"),
        (lambda: linalg.gemm2(mx.nd.ones((2, 3)), mx.nd.ones((2, 3))), "cannot be multiplied"),
        (lambda: linalg.maketrian(mx.nd.ones((4,))), "triangle"),
        (lambda: linalg.gelqf(mx.nd.ones((3, 2))), "columns"),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: linalg.potrf(mx.nd.array([[1, 2], [2, 1]])), "positive definite"),
        (lambda: linalg.inverse(mx.nd.zeros((2, 2))), "singular"),
        (lambda: linalg.trsm(mx.nd.zeros((2, 2)), mx.nd.ones((2, 2))), "singular"),
    ],
)
def test_no_solution(call, message):
    with pytest.raises(MXNetError, match=message):
        call().asnumpy()


def test_khatri_rao():
    a, b = normal(2, 3), normal(4, 3)
    product = both_run("khatri_rao", {}, [a, b], native=False)
    np.testing.assert_allclose(product, np.stack([np.kron(a[:, i], b[:, i]) for i in range(3)], axis=1))
    check_gradient(mx.nd.khatri_rao, [normal(2, 3), normal(4, 3), normal(2, 3)])


# ---- linear algebra ------------------------------------------------------------------------------


def definite(*shape):
    x = normal(*shape)
    return np.matmul(x, x.swapaxes(-1, -2)) + shape[-1] * np.eye(shape[-1])


def symmetric(function):
    return lambda a: function((a + mx.nd.swapaxes(a, dim1=-1, dim2=-2)) / 2)


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
def test_gemm_gradient(transpose_a, transpose_b):
    x = normal(2, *((4, 3) if transpose_a else (3, 4)))
    y = normal(2, *((5, 4) if transpose_b else (4, 5)))
    options = {"transpose_a": transpose_a, "transpose_b": transpose_b, "alpha": 2.0}
    check_gradient(lambda a, b: linalg.gemm2(a, b, **options), [x, y])
    check_gradient(lambda a, b, c: linalg.gemm(a, b, c, beta=0.5, **options), [x, y, normal(2, 3, 5)])


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("rightside", [False, True])
@pytest.mark.parametrize("lower", [False, True])
def test_triangular_gradient(transpose, rightside, lower):
    options = {"transpose": transpose, "rightside": rightside, "lower": lower, "alpha": 1.5}
    b = normal(2, *((4, 3) if rightside else (3, 4)))
    check_gradient(lambda x, y: linalg.trmm(x, y, **options), [normal(2, 3, 3), b])
    check_gradient(lambda x, y: linalg.trsm(x, y, **options), [definite(2, 3, 3), b])
    a = mx.nd.array(definite(2, 3, 3), dtype="float64")
    right = mx.nd.array(b, dtype="float64")
    solved = linalg.trsm(a, linalg.trmm(a, right, **{**options, "alpha": 1.0}), **{**options, "alpha": 1.0})
    np.testing.assert_allclose(solved.asnumpy(), b, rtol=1e-8)


LINALG = {
    "gemm over axis 0": (lambda a, b: linalg.gemm2(a, b, axis=0), [(3, 2, 4), (4, 2, 5)], normal),
    "syrk": (lambda a: linalg.syrk(a, alpha=1.5), [(2, 3, 4)], normal),
    "syrk transposed": (lambda a: linalg.syrk(a, transpose=True), [(2, 3, 4)], normal),
    "potrf": (symmetric(linalg.potrf), [(2, 3, 3)], definite),
    "potri": (linalg.potri, [(2, 3, 3)], lambda *shape: np.linalg.cholesky(definite(*shape))),
    "gelqf": (linalg.gelqf, [(2, 3, 4)], normal),
    "syevd": (symmetric(linalg.syevd), [(2, 3, 3)], definite),
    "inverse": (linalg.inverse, [(2, 3, 3)], definite),
    "det": (linalg.det, [(2, 3, 3)], definite),
    "det of one": (linalg.det, [(3, 3)], definite),
    "slogdet": (lambda a: linalg.slogdet(a)[1], [(2, 3, 3)], definite),
    "sumlogdiag": (linalg.sumlogdiag, [(2, 3, 3)], definite),
    "extractdiag": (lambda a: linalg.extractdiag(a, offset=-1), [(2, 3, 3)], normal),
    "makediag": (lambda a: linalg.makediag(a, offset=1), [(2, 3)], normal),
    "extracttrian": (linalg.extracttrian, [(2, 3, 3)], normal),
    "extracttrian above": (lambda a: linalg.extracttrian(a, offset=1), [(2, 3, 3)], normal),
    "extracttrian upper": (lambda a: linalg.extracttrian(a, lower=False), [(2, 3, 3)], normal),
    "maketrian": (lambda a: linalg.maketrian(a, offset=-1), [(2, 6)], normal),
}


@pytest.mark.parametrize("name", LINALG)
def test_linalg_gradient(name):
    function, shapes, make = LINALG[name]
    check_gradient(function, [make(*shape) for shape in shapes])


def test_factorizations_multiply_back():
    a = mx.nd.array(definite(2, 4, 4), dtype="float64")
    factor = linalg.potrf(a)
    np.testing.assert_allclose(linalg.syrk(factor).asnumpy(), a.asnumpy(), rtol=1e-10)
    np.testing.assert_allclose(linalg.potri(factor).asnumpy(), np.linalg.inv(a.asnumpy()), rtol=1e-8)
    vectors, values = linalg.syevd(a)
    back = linalg.gemm2(vectors, linalg.gemm2(linalg.makediag(values), vectors), transpose_a=True)
    np.testing.assert_allclose(back.asnumpy(), a.asnumpy(), rtol=1e-10)
    wide = mx.nd.array(normal(2, 3, 5), dtype="float64")
    q, lower = linalg.gelqf(wide)
    np.testing.assert_allclose(linalg.gemm2(lower, q).asnumpy(), wide.asnumpy(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(linalg.syrk(q).asnumpy(), np.broadcast_to(np.eye(3), (2, 3, 3)), atol=1e-12)
