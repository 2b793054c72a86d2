"""Matrix products: dot, batch_dot and the Khatri-Rao product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from . import rules
from .builders import ShapeSpec
from .cpu import onednn
from .cpu.indexing import reordered
from .functions import F
from .registry import Bool, Enum, get, operator

Arrays = Sequence[np.ndarray]
Shapes = Sequence[tuple[int, ...]]


class Product(NamedTuple):
    """A matrix product ``a @ b`` of inputs number ``a`` and ``b``, each transposed or not."""

    a: int
    b: int
    transpose_a: bool
    transpose_b: bool


def _products(transpose_a: bool, transpose_b: bool) -> tuple[Product, Product]:
    """Return how the gradients of lhs and of rhs come from (out_grad, other operand).

    >>> _products(False, False)[0]
    Product(a=0, b=1, transpose_a=False, transpose_b=True)
    """
    for_lhs = Product(1, 0, transpose_b, True) if transpose_a else Product(0, 1, False, not transpose_b)
    for_rhs = Product(0, 1, True, transpose_a) if transpose_b else Product(1, 0, not transpose_a, False)
    return for_lhs, for_rhs


# Shapes of an operand seen as a stack of matrices: (batch, rows, columns).
Matrices = tuple[int, int, int]


def _turned(shape: Matrices, transpose: bool) -> Matrices:
    return (shape[0], shape[2], shape[1]) if transpose else shape


def _native(name: str, view: Callable[..., tuple[list[Matrices], Matrices, Product]]) -> Callable[[Any, Any, Any], Any]:
    """Return a builder that asks oneDNN for the product of the operands seen as matrices."""

    def build(attrs: Any, in_specs: Any, out_specs: Any) -> Any:
        shapes, out, product = view(attrs, [spec.shape for spec in in_specs], out_specs[0].shape)
        dtype = out_specs[0].dtype
        plain = name == "dot"
        operands = [ShapeSpec(shapes[i][1:] if plain else shapes[i], dtype) for i in (product.a, product.b)]
        values = get(name).attrs(transpose_a=product.transpose_a, transpose_b=product.transpose_b)
        kernel = getattr(onednn, name)(values, operands, [ShapeSpec(out[1:] if plain else out, dtype)])
        if kernel is None or (product.a, product.b) == (0, 1):
            return kernel
        return reordered(kernel, (product.a, product.b))

    return build


def _numpy(view: Callable[..., tuple[list[Matrices], Matrices, Product]]) -> Callable[[Any, Arrays, Arrays], None]:
    def run(attrs: Any, ins: Arrays, outs: Arrays) -> None:
        shapes, out, product = view(attrs, [array.shape for array in ins], outs[0].shape)
        a, b = ins[product.a].reshape(shapes[product.a]), ins[product.b].reshape(shapes[product.b])
        a = a.swapaxes(1, 2) if product.transpose_a else a
        b = b.swapaxes(1, 2) if product.transpose_b else b
        if out[0] == 1:
            # Two dimensions: the call goes straight to BLAS.
            np.matmul(a[0], b[0], out=outs[0].reshape(out[1:]))
        else:
            np.matmul(a, b, out=outs[0].reshape(out))

    return run


def _declare(name: str, operands: Callable[[Any, Shapes], tuple[Matrices, Matrices]], **declaration: Any) -> None:
    """Declare a product and the two operators for its gradients.

    ``operands(attrs, shapes)`` sees lhs and rhs as matrices, as they lie in memory (not yet transposed).
    """

    def out_shape(attrs: Any, lhs: Matrices, rhs: Matrices) -> Matrices:
        rows, columns = _turned(lhs, attrs.transpose_a)[1], _turned(rhs, attrs.transpose_b)[2]
        return (lhs[0], rows, columns)

    def forward(attrs: Any, ins: Shapes, out: tuple[int, ...]) -> tuple:
        lhs, rhs = operands(attrs, ins)
        return [lhs, rhs], out_shape(attrs, lhs, rhs), Product(0, 1, attrs.transpose_a, attrs.transpose_b)

    def backward_lhs(attrs: Any, ins: Shapes, out: tuple[int, ...]) -> tuple:
        lhs, rhs = operands(attrs, (ins[2], ins[1]))
        return [out_shape(attrs, lhs, rhs), rhs], lhs, _products(attrs.transpose_a, attrs.transpose_b)[0]

    def backward_rhs(attrs: Any, ins: Shapes, out: tuple[int, ...]) -> tuple:
        lhs, rhs = operands(attrs, (ins[1], ins[2]))
        return [out_shape(attrs, lhs, rhs), lhs], rhs, _products(attrs.transpose_a, attrs.transpose_b)[1]

    for_lhs, for_rhs = f"_backward_{name}_lhs", f"_backward_{name}_rhs"

    def values(ctx: Any) -> dict[str, bool]:
        return {"transpose_a": ctx.attrs.transpose_a, "transpose_b": ctx.attrs.transpose_b}

    def gradient(ctx: Any, out_grad: Any) -> list:
        lhs, rhs = ctx.inputs
        return [
            getattr(F, for_lhs)(out_grad, rhs, lhs, **values(ctx)) if ctx.needs[0] else None,
            getattr(F, for_rhs)(out_grad, lhs, rhs, **values(ctx)) if ctx.needs[1] else None,
        ]

    # The three products are the derivatives of one trilinear form, <out_grad, lhs @ rhs>; hence their own gradients.
    def gradient_of_lhs(ctx: Any, grad: Any) -> list:
        out_grad, rhs, _ = ctx.inputs
        return [
            getattr(F, name)(grad, rhs, **values(ctx)) if ctx.needs[0] else None,
            getattr(F, for_rhs)(out_grad, grad, rhs, **values(ctx)) if ctx.needs[1] else None,
            None,
        ]

    def gradient_of_rhs(ctx: Any, grad: Any) -> list:
        out_grad, lhs, _ = ctx.inputs
        return [
            getattr(F, name)(lhs, grad, **values(ctx)) if ctx.needs[0] else None,
            getattr(F, for_lhs)(out_grad, grad, lhs, **values(ctx)) if ctx.needs[1] else None,
            None,
        ]

    def cost(view: Callable[..., tuple]) -> Callable[[Any, Shapes, Shapes], float]:
        def estimate(attrs: Any, ins: Shapes, outs: Shapes) -> float:
            shapes, out, product = view(attrs, ins, outs[0])
            return 300 + prod(out) * _turned(shapes[product.a], product.transpose_a)[2] / 25

        return estimate

    operator(
        name,
        inputs=("lhs", "rhs"),
        dtype=rules.float_dtype,
        gradient=gradient,
        saves="i",
        cpu=(_native(name, forward),),
        numpy=_numpy(forward),
        cost=cost(forward),
        **declaration,
    )
    for backward, view, second in (
        (for_lhs, backward_lhs, gradient_of_lhs),
        (for_rhs, backward_rhs, gradient_of_rhs),
    ):
        operator(
            backward,
            inputs=("out_grad", "operand", "like"),
            params=declaration["params"][:2],
            shape=lambda attrs, shapes: [shapes[2]],
            dtype=rules.float_dtype,
            gradient=second,
            saves="i",
            unread=(2,),
            cpu=(_native(name, view),),
            numpy=_numpy(view),
            cost=cost(view),
            input_docs={"operand": "The other operand.", "like": "The operand that the gradient belongs to."},
            doc=f"""Gradient of {name} with respect to one operand.""",
        )


_PARAMS = (
    Bool("transpose_a", False, doc="Transpose the first operand."),
    Bool("transpose_b", False, doc="Transpose the second operand."),
    Enum("forward_stype", ("default", "csr", "row_sparse"), None, doc="Taken for compatibility; results are dense."),
)

# ---- dot ---------------------------------------------------------------------------------------------------------------


def _dot_operands(attrs: Any, shapes: Shapes) -> tuple[Matrices, Matrices]:
    """See lhs as a matrix of its last axis (first if transposed) and rhs as one of its first axis (last if transposed)."""
    lhs, rhs = shapes
    for name, shape in (("lhs", lhs), ("rhs", rhs)):
        if not shape:
            raise ValueError(f"{name} has no dimensions")
    if len(lhs) == len(rhs) == 1 and (attrs.transpose_a or attrs.transpose_b):
        raise ValueError("vectors cannot be transposed")
    if len(lhs) == 1:
        # A row, which transposing leaves as it is: see it so that attrs.transpose_a may be applied.
        left = (1, lhs[0], 1) if attrs.transpose_a else (1, 1, lhs[0])
    else:
        left = (1, lhs[0], prod(lhs[1:])) if attrs.transpose_a else (1, prod(lhs[:-1]), lhs[-1])
    if len(rhs) == 1:
        right = (1, 1, rhs[0]) if attrs.transpose_b else (1, rhs[0], 1)
    else:
        right = (1, prod(rhs[:-1]), rhs[-1]) if attrs.transpose_b else (1, rhs[0], prod(rhs[1:]))
    if _turned(left, attrs.transpose_a)[2] != _turned(right, attrs.transpose_b)[1]:
        raise ValueError(f"lhs {tuple(lhs)} and rhs {tuple(rhs)} do not agree in the axis that is summed over")
    return left, right


def _dot_shape(attrs: Any, shapes: Shapes) -> list:
    lhs, rhs = shapes
    _dot_operands(attrs, shapes)
    left = () if len(lhs) == 1 else lhs[1:] if attrs.transpose_a else lhs[:-1]
    right = () if len(rhs) == 1 else rhs[:-1] if attrs.transpose_b else rhs[1:]
    return [(*left, *right) or (1,)]


_declare(
    "dot",
    _dot_operands,
    aliases=("_sparse_dot",),
    params=_PARAMS,
    shape=_dot_shape,
    input_docs={"lhs": "First operand.", "rhs": "Second operand."},
    doc="""Matrix product of two arrays.

    Sums over the last axis of ``lhs`` (the first, when transposed) and the first axis of ``rhs`` (the last, when
    transposed): the inner product of vectors, the product of matrices, and their like for more axes.
    """,
    examples="""
    >>> import weft as mx
    >>> mx.nd.dot(mx.nd.array([[1, 2], [3, 4]]), mx.nd.array([1, 1])).asnumpy()
    array([3., 7.], dtype=float32)
    """,
)

# ---- batch_dot ---------------------------------------------------------------------------------------------------------


def _batch_operands(attrs: Any, shapes: Shapes) -> tuple[Matrices, Matrices]:
    lhs, rhs = shapes
    if len(lhs) < 3 or len(rhs) != len(lhs):
        raise ValueError(f"lhs has {len(lhs)} dimensions and rhs {len(rhs)}, expected the same number, at least 3")
    if tuple(lhs[:-2]) != tuple(rhs[:-2]):
        raise ValueError(f"the leading dimensions of lhs {tuple(lhs)} and rhs {tuple(rhs)} differ")
    left, right = (prod(lhs[:-2]), *lhs[-2:]), (prod(rhs[:-2]), *rhs[-2:])
    if _turned(left, attrs.transpose_a)[2] != _turned(right, attrs.transpose_b)[1]:
        raise ValueError(f"lhs {tuple(lhs)} and rhs {tuple(rhs)} do not agree in the axis that is summed over")
    return left, right


def _batch_shape(attrs: Any, shapes: Shapes) -> list:
    left, right = _batch_operands(attrs, shapes)
    return [(*shapes[0][:-2], _turned(left, attrs.transpose_a)[1], _turned(right, attrs.transpose_b)[2])]


_declare(
    "batch_dot",
    _batch_operands,
    aliases=("_npx_batch_dot",),
    params=_PARAMS,
    shape=_batch_shape,
    input_docs={"lhs": "First operands, (..., n, k).", "rhs": "Second operands, (..., k, m)."},
    doc="""Matrix products of two stacks of matrices, one for each place along the leading axes.""",
)

# ---- Khatri-Rao --------------------------------------------------------------------------------------------------------


def _khatri_rao_shape(attrs: Any, shapes: Shapes) -> list:
    if not shapes:
        raise ValueError("needs at least one input")
    for index, shape in enumerate(shapes):
        if len(shape) != 2 or shape[1] != shapes[0][-1]:
            raise ValueError(f"input {index} has shape {tuple(shape)}, expected matrices with equally many columns")
    return [(prod(shape[0] for shape in shapes), shapes[0][1])]


def _khatri_rao(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    result = ins[0]
    for array in ins[1:]:
        result = (result[:, None, :] * array[None, :, :]).reshape(-1, array.shape[1])
    outs[0][...] = result


def _backward_khatri_rao(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    """Seen as (rows of each input ..., columns), contract the gradient with all inputs but one."""
    factors = ins[1:]
    letters = [chr(ord("a") + i) for i in range(len(factors))]
    gradient = ins[0].reshape([factor.shape[0] for factor in factors] + [ins[0].shape[1]])
    for i, out in enumerate(outs):
        others = [j for j in range(len(factors)) if j != i]
        inputs = ",".join(["".join(letters) + "Z"] + [letters[j] + "Z" for j in others])
        out[...] = np.einsum(f"{inputs}->{letters[i]}Z", gradient, *(factors[j] for j in others))


def _khatri_rao_gradient(ctx: Any, out_grad: Any) -> list:
    result = F._backward_khatri_rao(out_grad, *ctx.inputs)
    return list(result) if isinstance(result, (list, tuple)) else [result]


operator(
    "khatri_rao",
    inputs=("*args",),
    shape=_khatri_rao_shape,
    gradient=_khatri_rao_gradient,
    saves="i",
    numpy=_khatri_rao,
    input_docs={"args": "Matrices with equally many columns."},
    doc="""Khatri-Rao product: column by column the Kronecker product of the columns of all inputs.""",
)

operator(
    "_backward_khatri_rao",
    inputs=("*out_grad_and_args",),
    shape=lambda attrs, shapes: list(shapes[1:]),
    dtype=lambda attrs, dtypes: [dtypes[0]] * (len(dtypes) - 1),
    num_outputs=lambda attrs: attrs.num_args - 1,
    numpy=_backward_khatri_rao,
    doc="""Gradient of khatri_rao.""",
)
