"""Linear algebra on stacks of matrices. Gradients after Seeger, Hetzel, Dai, Meissner and Lawrence,
"Auto-Differentiating Linear Algebra" (2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import rules
from .copies import Plan, View, kernels
from .cpu import onednn
from .functions import F
from .registry import Bool, Float, Int, operator
from .rules import normalize_axis

Arrays = Sequence[np.ndarray]
Shapes = Sequence[tuple[int, ...]]


def _float_type(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    first = rules.same_dtype(attrs, dtypes)[0]
    if first not in (np.dtype("float32"), np.dtype("float64")):
        raise ValueError(f"dtype {first} is not supported, expected float32 or float64")
    return [first]


def _t(array: np.ndarray) -> np.ndarray:
    return array.swapaxes(-1, -2)


def _matrix(shape: Sequence[int], name: str = "A", square: bool = False) -> tuple[int, ...]:
    if len(shape) < 2:
        raise ValueError(f"{name} has shape {tuple(shape)}, expected matrices")
    if square and shape[-1] != shape[-2]:
        raise ValueError(f"{name} has shape {tuple(shape)}, expected square matrices")
    return tuple(shape)


def _square(attrs: Any, shapes: Shapes) -> list:
    return [_matrix(shapes[0], square=True)]


def _per_matrix(attrs: Any, shapes: Shapes) -> list:
    return [_matrix(shapes[0], square=True)[:-2] or (1,)]


def _values(attrs: Any) -> dict[str, Any]:
    return {key: value for key, value in attrs.to_dict().items() if value is not None}


def _declare(
    name: str,
    run: Callable[[Any, Arrays, Arrays], None],
    backward: Callable[[Any, Arrays, Arrays], None],
    *,
    inputs: Sequence[str] = ("A",),
    params: Sequence[Any] = (),
    num_outputs: int = 1,
    dtype: Callable[..., list] = _float_type,
    gradient_inputs: str = "io",
    aliases: Sequence[str] = (),
    **more: Any,
) -> None:
    """Declare ``_linalg_NAME`` and the operator for its gradient.

    The latter gets the output gradients, then the inputs and outputs as ``gradient_inputs`` says; its first outputs are
    the gradients of all inputs.
    """

    def backward_shape(attrs: Any, shapes: Shapes) -> list:
        # Without the inputs at hand the first output has the input's shape.
        return list(shapes[num_outputs : num_outputs + len(inputs)])

    full, backward_name = f"_linalg_{name}", f"_backward_linalg_{name}"
    given = tuple(f"{label}_grad" for label in ("out", "out2")[:num_outputs])
    if "i" in gradient_inputs:
        given += tuple(inputs)
    if "o" in gradient_inputs:
        given += ("out", "out2")[:num_outputs]

    def gradient(ctx: Any, *out_grads: Any) -> list:
        kept = (ctx.inputs if "i" in gradient_inputs else ()), (ctx.outputs if "o" in gradient_inputs else ())
        result = getattr(F, backward_name)(*out_grads, *kept[0], *kept[1], **_values(ctx.attrs))
        return list(result) if isinstance(result, (list, tuple)) else [result]

    operator(
        full,
        aliases=(f"linalg_{name}", *aliases),
        inputs=inputs,
        params=params,
        dtype=rules.repeated(dtype, num_outputs),
        num_outputs=num_outputs,
        gradient=gradient,
        saves=gradient_inputs,
        numpy=run,
        **more,
    )
    operator(
        backward_name,
        inputs=given,
        params=params,
        shape=backward_shape,
        dtype=rules.repeated(dtype, len(inputs)),
        num_outputs=len(inputs),
        numpy=backward,
        doc=f"""Gradient of linalg.{name}.""",
    )


# ---- products ----------------------------------------------------------------------------------------------------------

_TRANSPOSE = (
    Bool("transpose_a", False, doc="Transpose the matrices of A."),
    Bool("transpose_b", False, doc="Transpose the matrices of B."),
)
_ALPHA = Float("alpha", 1.0, doc="Factor on the product.")
_ROWS = Int("axis", -2, doc="Axis of the rows; the columns are the last axis.")


def _rows_axis(attrs: Any, ndim: int) -> int:
    axis = normalize_axis(attrs.axis, ndim)
    if axis == ndim - 1:
        raise ValueError(f"axis={attrs.axis}: the last axis holds the columns, rows must be another one")
    return axis


def _product_shape(attrs: Any, shapes: Shapes) -> list:
    a, b = _matrix(shapes[0]), _matrix(shapes[1], "B")
    if len(a) != len(b):
        raise ValueError(f"A has {len(a)} dimensions and B {len(b)}; they must be equal")
    axis = _rows_axis(attrs, len(a))
    rows, inner = (a[-1], a[axis]) if attrs.transpose_a else (a[axis], a[-1])
    other, columns = (b[-1], b[axis]) if attrs.transpose_b else (b[axis], b[-1])
    rest = [tuple(size for i, size in enumerate(shape[:-1]) if i != axis) for shape in (a, b)]
    if rest[0] != rest[1] or inner != other:
        raise ValueError(f"A of shape {a} and B of shape {b} cannot be multiplied")
    return [(*a[:axis], rows, *a[axis + 1 : -1], columns)]


def _product(attrs: Any, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    axis = _rows_axis(attrs, a.ndim)
    a, b = np.moveaxis(a, axis, -2), np.moveaxis(b, axis, -2)
    result = np.matmul(_t(a) if attrs.transpose_a else a, _t(b) if attrs.transpose_b else b)
    return np.moveaxis(result * attrs.alpha if attrs.alpha != 1 else result, -2, axis)


def _gemm(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    outs[0][...] = _product(attrs, ins[0], ins[1]) + attrs.beta * ins[2]


def _gemm2(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    outs[0][...] = _product(attrs, ins[0], ins[1])


def _gemm2_native(attrs: Any, in_specs: Any, out_specs: Any) -> Any:
    if attrs.alpha != 1 or _rows_axis(attrs, len(in_specs[0].shape)) != len(in_specs[0].shape) - 2:
        return None
    return onednn.batch_dot(attrs, in_specs, out_specs)


def _product_gradients(ctx: Any, out_grad: Any) -> list:
    a, b = ctx.inputs[:2]
    ta, tb = ctx.attrs.transpose_a, ctx.attrs.transpose_b
    options = {"alpha": ctx.attrs.alpha, "axis": ctx.attrs.axis}

    def product(x: Any, y: Any, transpose_x: bool, transpose_y: bool) -> Any:
        return F._linalg_gemm2(x, y, transpose_a=transpose_x, transpose_b=transpose_y, **options)

    for_a = for_b = None
    if ctx.needs[0]:
        for_a = product(b, out_grad, tb, True) if ta else product(out_grad, b, False, not tb)
    if ctx.needs[1]:
        for_b = product(out_grad, a, True, ta) if tb else product(a, out_grad, not ta, False)
    return [for_a, for_b]


def _gemm_shape(attrs: Any, shapes: Shapes) -> list:
    result = _product_shape(attrs, shapes)
    if tuple(shapes[2]) != result[0]:
        raise ValueError(f"C has shape {tuple(shapes[2])}, expected {result[0]}")
    return result


operator(
    "_linalg_gemm",
    aliases=("linalg_gemm",),
    inputs=("A", "B", "C"),
    params=(*_TRANSPOSE, _ALPHA, Float("beta", 1.0, doc="Factor on C."), _ROWS),
    shape=_gemm_shape,
    dtype=_float_type,
    gradient=lambda ctx, out_grad: [
        *_product_gradients(ctx, out_grad),
        out_grad * ctx.attrs.beta if ctx.needs[2] else None,
    ],
    saves="i",
    numpy=_gemm,
    input_docs={"A": "First factors.", "B": "Second factors.", "C": "What is added."},
    doc="""Matrix products plus matrices: ``alpha * op(A) op(B) + beta * C``.""",
)

operator(
    "_linalg_gemm2",
    aliases=("linalg_gemm2",),
    inputs=("A", "B"),
    params=(*_TRANSPOSE, _ALPHA, _ROWS),
    shape=_product_shape,
    dtype=_float_type,
    gradient=_product_gradients,
    saves="i",
    cpu=(_gemm2_native,),
    numpy=_gemm2,
    input_docs={"A": "First factors.", "B": "Second factors."},
    doc="""Matrix products: ``alpha * op(A) op(B)``.""",
    examples="""
    >>> import weft as mx
    >>> mx.nd.linalg.gemm2(mx.nd.ones((1, 2, 3)), mx.nd.ones((1, 3, 2)), alpha=2.0).asnumpy()
    array([[[6., 6.],
            [6., 6.]]], dtype=float32)
    """,
)


def _syrk(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    a = ins[0]
    outs[0][...] = attrs.alpha * (np.matmul(_t(a), a) if attrs.transpose else np.matmul(a, _t(a)))


def _backward_syrk(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    both = ins[0] + _t(ins[0])
    outs[0][...] = attrs.alpha * (np.matmul(ins[1], both) if attrs.transpose else np.matmul(both, ins[1]))


def _syrk_shape(attrs: Any, shapes: Shapes) -> list:
    side = _matrix(shapes[0])[-1 if attrs.transpose else -2]
    return [(*shapes[0][:-2], side, side)]


_declare(
    "syrk",
    _syrk,
    _backward_syrk,
    params=(Bool("transpose", False, doc="Form ``A^T A`` instead of ``A A^T``."), _ALPHA),
    shape=_syrk_shape,
    gradient_inputs="i",
    doc="""Product of matrices with their own transpose: ``alpha * A A^T``.""",
)

# ---- triangular matrices -----------------------------------------------------------------------------------------------

_TRIANGULAR = (
    Bool("transpose", False, doc="Use the transpose of A."),
    Bool("rightside", False, doc="A stands to the right of B."),
    Bool("lower", True, doc="A is lower triangular; else upper."),
    _ALPHA,
)


def _triangle(attrs: Any, array: np.ndarray) -> np.ndarray:
    return np.tril(array) if attrs.lower else np.triu(array)


def _triangular_shape(attrs: Any, shapes: Shapes) -> list:
    a, b = _matrix(shapes[0], square=True), _matrix(shapes[1], "B")
    if a[:-2] != b[:-2] or a[-1] != b[-1 if attrs.rightside else -2]:
        raise ValueError(f"A of shape {a} does not fit B of shape {b}")
    return [b]


def _trmm(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    a = _triangle(attrs, ins[0])
    a = _t(a) if attrs.transpose else a
    outs[0][...] = attrs.alpha * (np.matmul(ins[1], a) if attrs.rightside else np.matmul(a, ins[1]))


def _backward_trmm(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    out_grad, a, b = ins
    a = _triangle(attrs, a)
    op = _t(a) if attrs.transpose else a
    outs[1][...] = attrs.alpha * (np.matmul(out_grad, _t(op)) if attrs.rightside else np.matmul(_t(op), out_grad))
    grad = np.matmul(_t(b), out_grad) if attrs.rightside else np.matmul(out_grad, _t(b))
    outs[0][...] = attrs.alpha * _triangle(attrs, _t(grad) if attrs.transpose else grad)


def _solve(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        raise ValueError("A is singular: it has no inverse") from None


def _trsm(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    a = _triangle(attrs, ins[0])
    a = _t(a) if attrs.transpose else a
    result = _t(_solve(_t(a), _t(ins[1]))) if attrs.rightside else _solve(a, ins[1])
    outs[0][...] = attrs.alpha * result


def _backward_trsm(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    out_grad, a, _, out = ins
    a = _triangle(attrs, a)
    op = _t(a) if attrs.transpose else a
    if attrs.rightside:
        solved = _t(_solve(op, _t(out_grad)))
        grad = -np.matmul(_t(out), solved)
    else:
        solved = _solve(_t(op), out_grad)
        grad = -np.matmul(solved, _t(out))
    outs[1][...] = attrs.alpha * solved
    outs[0][...] = _triangle(attrs, _t(grad) if attrs.transpose else grad)


_declare(
    "trmm",
    _trmm,
    _backward_trmm,
    inputs=("A", "B"),
    params=_TRIANGULAR,
    shape=_triangular_shape,
    gradient_inputs="i",
    input_docs={"A": "Triangular matrices; only their triangle is read.", "B": "Matrices."},
    doc="""Products with triangular matrices: ``alpha * op(A) B``, or ``alpha * B op(A)`` with rightside.""",
)

_declare(
    "trsm",
    _trsm,
    _backward_trsm,
    inputs=("A", "B"),
    params=_TRIANGULAR,
    shape=_triangular_shape,
    input_docs={"A": "Triangular matrices; only their triangle is read.", "B": "Right-hand sides."},
    doc="""Solve ``op(A) X = alpha * B`` for X, or ``X op(A) = alpha * B`` with rightside.""",
)

# ---- factorizations ----------------------------------------------------------------------------------------------------


def _copy_lower(array: np.ndarray) -> np.ndarray:
    """Return the symmetric matrices that have the same lower triangle."""
    return np.tril(array) + _t(np.tril(array, -1))


_LOWER = (Bool("lower", True, doc="The factors are lower triangular; else upper."),)


def _lower_of(attrs: Any, array: np.ndarray) -> np.ndarray:
    """View matrices so that the triangle that counts is the lower one."""
    return array if attrs.lower else _t(array)


def _potrf(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    try:
        outs[0][...] = _lower_of(attrs, np.linalg.cholesky(_lower_of(attrs, ins[0])))
    except np.linalg.LinAlgError:
        raise ValueError("A is not symmetric positive definite: it has no Cholesky factor") from None


def _backward_potrf(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    out_grad, factor = (_lower_of(attrs, array) for array in ins)
    inverse = _solve(factor, np.broadcast_to(np.eye(factor.shape[-1], dtype=factor.dtype), factor.shape))
    middle = _copy_lower(np.matmul(_t(factor), out_grad))
    outs[0][...] = 0.5 * np.matmul(_t(inverse), np.matmul(middle, inverse))


def _inverse_of(factor: np.ndarray) -> np.ndarray:
    """Return the inverse of the matrices with these Cholesky factors."""
    inverse = _solve(factor, np.broadcast_to(np.eye(factor.shape[-1], dtype=factor.dtype), factor.shape))
    return np.matmul(_t(inverse), inverse)


def _potri(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    outs[0][...] = _inverse_of(np.tril(_lower_of(attrs, ins[0])))


def _backward_potri(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    out_grad, factor, inverse = ins
    factor = np.tril(_lower_of(attrs, factor))
    # With B = (L L^T)^-1: B L is the inverse of L^T.
    grad = -np.tril(np.matmul(inverse, np.matmul(out_grad + _t(out_grad), np.matmul(inverse, factor))))
    outs[0][...] = _lower_of(attrs, grad)


_declare(
    "potrf",
    _potrf,
    _backward_potrf,
    params=_LOWER,
    shape=_square,
    gradient_inputs="o",
    input_docs={"A": "Symmetric positive definite matrices; the triangle that `lower` names is read."},
    doc="""Cholesky factors: lower triangular L with ``A = L L^T``, or upper triangular U with ``A = U^T U``.""",
)

_declare(
    "potri",
    _potri,
    _backward_potri,
    params=_LOWER,
    shape=_square,
    input_docs={"A": "Cholesky factors; the triangle that `lower` names is read."},
    doc="""Inverse of the matrices with the given Cholesky factors: ``(A A^T)^-1``, of upper ones ``(A^T A)^-1``.""",
)


def _gelqf(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    q, r = np.linalg.qr(_t(ins[0]))
    outs[0][...] = _t(q)
    outs[1][...] = _t(r)


def _backward_gelqf(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    q_grad, l_grad, q, factor = ins
    middle = np.matmul(_t(factor), l_grad) - np.matmul(q_grad, _t(q))
    outs[0][...] = _solve(_t(factor), q_grad + np.matmul(_copy_lower(middle), q))


def _gelqf_shape(attrs: Any, shapes: Shapes) -> list:
    shape = _matrix(shapes[0])
    if shape[-2] > shape[-1]:
        raise ValueError(f"A has shape {shape}, expected at least as many columns as rows")
    return [shape, (*shape[:-1], shape[-2])]


_declare(
    "gelqf",
    _gelqf,
    _backward_gelqf,
    shape=_gelqf_shape,
    num_outputs=2,
    gradient_inputs="o",
    input_docs={"A": "Matrices with no more rows than columns, of full rank."},
    doc="""LQ factorization ``A = L Q``: returns Q with orthonormal rows and the lower triangular L.""",
)


def _syevd(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    values, vectors = np.linalg.eigh(ins[0])
    rows = _t(vectors)
    # The sign is free; the entry of largest magnitude is made positive.
    largest = np.take_along_axis(rows, np.abs(rows).argmax(axis=-1)[..., None], -1)
    outs[0][...] = rows * np.where(largest < 0, -1, 1)
    outs[1][...] = values


def _backward_syevd(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    vector_grad, value_grad, vectors, values = ins
    gaps = values[..., :, None] - values[..., None, :]
    smallest = np.finfo(values.dtype).tiny
    gaps = np.where(np.abs(gaps) < smallest, np.inf, gaps)
    middle = np.matmul(vector_grad, _t(vectors)) / gaps
    middle = (middle + _t(middle)) / 2
    side = np.arange(values.shape[-1])
    middle[..., side, side] += value_grad.reshape(values.shape)
    outs[0][...] = np.matmul(_t(vectors), np.matmul(middle, vectors))


_declare(
    "syevd",
    _syevd,
    _backward_syevd,
    shape=lambda attrs, shapes: [_matrix(shapes[0], square=True), tuple(shapes[0][:-1])],
    num_outputs=2,
    gradient_inputs="o",
    input_docs={"A": "Symmetric matrices; their lower triangle is read."},
    doc="""Eigenvalues and eigenvectors of symmetric matrices: ``A = U^T diag(L) U``; returns U, whose rows are the
    eigenvectors, and L, rising.""",
)

# ---- inverse and determinants --------------------------------------------------------------------------------------------


def _inverse(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    try:
        outs[0][...] = np.linalg.inv(ins[0])
    except np.linalg.LinAlgError:
        raise ValueError("A is singular: it has no inverse") from None


def _backward_inverse(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    out_grad, inverse = ins
    outs[0][...] = -np.matmul(_t(inverse), np.matmul(out_grad, _t(inverse)))


_declare(
    "inverse",
    _inverse,
    _backward_inverse,
    shape=_square,
    gradient_inputs="o",
    aliases=("_npi_inv",),
    input_docs={"A": "Square matrices."},
    doc="""Inverse matrices.""",
)


def _transposed_inverses(matrices: np.ndarray, regular: np.ndarray) -> np.ndarray:
    """Return the transposed inverses, zeros where a matrix is singular."""
    identity = np.eye(matrices.shape[-1], dtype=matrices.dtype)
    safe = np.where(regular[..., None, None], matrices, identity)
    return np.where(regular[..., None, None], _t(np.linalg.inv(safe)), 0)


def _det(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    outs[0][...] = np.linalg.det(ins[0])


def _backward_det(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    out_grad, matrices, det = ins
    lead = matrices.shape[:-2]
    det = det.reshape(lead)
    outs[0][...] = (out_grad.reshape(lead) * det)[..., None, None] * _transposed_inverses(matrices, det != 0)


def _slogdet(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    sign, logarithm = np.linalg.slogdet(ins[0])
    outs[0][...] = sign
    outs[1][...] = logarithm


def _backward_slogdet(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    _, log_grad, matrices, sign, _ = ins
    lead = matrices.shape[:-2]
    regular = sign.reshape(lead) != 0
    outs[0][...] = log_grad.reshape(lead)[..., None, None] * _transposed_inverses(matrices, regular)


_declare(
    "det",
    _det,
    _backward_det,
    shape=_per_matrix,
    aliases=("_npi_det",),
    # MXNet's has two more, hidden ones.
    output_names=("output0",),
    input_docs={"A": "Square matrices."},
    doc="""Determinants.""",
)

_declare(
    "slogdet",
    _slogdet,
    _backward_slogdet,
    shape=lambda attrs, shapes: _per_matrix(attrs, shapes) * 2,
    num_outputs=2,
    aliases=("_npi_slogdet",),
    input_docs={"A": "Square matrices."},
    doc="""Signs of determinants and logarithms of their absolute values.""",
)


def _sumlogdiag(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    outs[0][...] = np.log(np.diagonal(ins[0], axis1=-2, axis2=-1)).sum(axis=-1)


def _backward_sumlogdiag(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    out_grad, matrices = ins
    side = np.arange(matrices.shape[-1])
    outs[0].fill(0)
    outs[0][..., side, side] = out_grad.reshape(matrices.shape[:-2])[..., None] / matrices[..., side, side]


_declare(
    "sumlogdiag",
    _sumlogdiag,
    _backward_sumlogdiag,
    shape=_per_matrix,
    gradient_inputs="i",
    input_docs={"A": "Square matrices."},
    doc="""Sums of the logarithms of the diagonals.""",
)

# ---- diagonals and triangles -------------------------------------------------------------------------------------------

_OFFSET = Int("offset", 0, doc="Which diagonal: 0 the main one, above it when positive, below it when negative.")
_LOWER = Bool("lower", True, doc="With offset 0: the lower triangle, else the upper. Other offsets say it by their sign.")


def _extractdiag_shape(attrs: Any, shapes: Shapes) -> list:
    shape = _matrix(shapes[0], square=True)
    count = shape[-1] - abs(attrs.offset)
    if count < 1:
        raise ValueError(f"offset={attrs.offset}: matrices of {shape[-1]} rows have no such diagonal")
    return [(*shape[:-2], count)]


def _makediag_shape(attrs: Any, shapes: Shapes) -> list:
    if not shapes[0]:
        raise ValueError("A has no dimensions")
    side = shapes[0][-1] + abs(attrs.offset)
    return [(*shapes[0][:-1], side, side)]


def _diagonal(array: int, shape: Sequence[int], offset: int) -> View:
    return View.of(array, shape).diagonal(len(shape) - 2, len(shape) - 1, offset)


operator(
    "_linalg_extractdiag",
    aliases=("linalg_extractdiag",),
    inputs=("A",),
    params=(_OFFSET,),
    shape=_extractdiag_shape,
    dtype=_float_type,
    gradient=lambda ctx, out_grad: [F._linalg_makediag(out_grad, offset=ctx.attrs.offset)],
    saves="",
    **kernels(lambda attrs, ins, outs: Plan([(_diagonal(0, ins[0], attrs.offset), View.of(0, outs[0]))])),
    input_docs={"A": "Square matrices."},
    doc="""Diagonals of square matrices.""",
)

operator(
    "_linalg_makediag",
    aliases=("linalg_makediag",),
    inputs=("A",),
    params=(_OFFSET,),
    shape=_makediag_shape,
    dtype=_float_type,
    gradient=lambda ctx, out_grad: [F._linalg_extractdiag(out_grad, offset=ctx.attrs.offset)],
    saves="",
    **kernels(lambda attrs, ins, outs: Plan([(View.of(0, ins[0]), _diagonal(0, outs[0], attrs.offset))], zero=(0,))),
    input_docs={"A": "Diagonals, along the last axis."},
    doc="""Square matrices with the given diagonals.""",
)


def _packed(attrs: Any, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of a triangle's entries in packed order: a lower triangle by rows, an upper by columns."""
    lower = attrs.lower if attrs.offset == 0 else attrs.offset < 0
    first, second = np.tril_indices(side, -abs(attrs.offset))
    return (first, second) if lower else (second, first)


def _triangle_side(attrs: Any, count: int) -> int:
    side = int((2 * count + 0.25) ** 0.5)
    if side * (side + 1) // 2 != count:
        raise ValueError(f"A has {count} entries in its last axis, which do not make up a triangle")
    return side + abs(attrs.offset)


def _extracttrian_shape(attrs: Any, shapes: Shapes) -> list:
    shape = _matrix(shapes[0], square=True)
    side = shape[-1] - abs(attrs.offset)
    if side < 1:
        raise ValueError(f"offset={attrs.offset}: matrices of {shape[-1]} rows have no such diagonal")
    return [(*shape[:-2], side * (side + 1) // 2)]


def _maketrian_shape(attrs: Any, shapes: Shapes) -> list:
    if not shapes[0]:
        raise ValueError("A has no dimensions")
    side = _triangle_side(attrs, shapes[0][-1])
    return [(*shapes[0][:-1], side, side)]


def _extracttrian(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    outs[0][...] = ins[0][(..., *_packed(attrs, ins[0].shape[-1]))]


def _maketrian(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    outs[0].fill(0)
    outs[0][(..., *_packed(attrs, outs[0].shape[-1]))] = ins[0]


for _name, _other, _rule, _run, _doc in (
    ("extracttrian", "maketrian", _extracttrian_shape, _extracttrian, "Triangles of square matrices, packed into rows."),
    ("maketrian", "extracttrian", _maketrian_shape, _maketrian, "Triangular square matrices with the given packed entries."),
):
    operator(
        f"_linalg_{_name}",
        aliases=(f"linalg_{_name}",),
        inputs=("A",),
        params=(_OFFSET, _LOWER),
        shape=_rule,
        dtype=_float_type,
        gradient=lambda ctx, out_grad, other=f"_linalg_{_other}": [
            getattr(F, other)(out_grad, offset=ctx.attrs.offset, lower=ctx.attrs.lower)
        ],
        saves="",
        numpy=_run,
        doc=_doc,
    )
