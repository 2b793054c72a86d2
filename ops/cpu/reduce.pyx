"""Builders for reductions over any axes."""

import math

from libc.stdint cimport int64_t, uint8_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

from ..kernel cimport CKernel, kernel_or_none
from .elementwise cimport DType, dtype_code

from ..rules import reduce_axes

cdef extern from "ops/cpu/reduce.hpp" namespace "weft" nogil:
    cdef enum class ReduceOp(uint8_t):
        kSum
        kProd
        kMax
        kMin
        kNanSum
        kNanProd
        kAbsSum
        kSquareSum

    cdef cppclass ReduceSpec:
        ReduceOp op
        DType type
        DType out_type
        vector[int64_t] shape
        vector[cbool] reduced
        cbool mean
        cbool root

    CKernel* make_reduce(const ReduceSpec& spec)
    CKernel* make_arg_reduce(cbool smallest, DType type, DType out_type, int64_t outer, int64_t n, int64_t inner)

__all__ = ["arg_builder", "reduce_builder"]

cdef dict OPERATIONS = {
    "sum": <int>ReduceOp.kSum, "mean": <int>ReduceOp.kSum, "prod": <int>ReduceOp.kProd, "max": <int>ReduceOp.kMax,
    "min": <int>ReduceOp.kMin, "nansum": <int>ReduceOp.kNanSum, "nanprod": <int>ReduceOp.kNanProd,
    "abs_sum": <int>ReduceOp.kAbsSum, "square_sum": <int>ReduceOp.kSquareSum, "norm": <int>ReduceOp.kSquareSum,
}


def reduce_builder(str name):
    """Make a builder for one reduction.

    Parameters
    ----------
    name : str
        ``sum``, ``mean``, ``prod``, ``max``, ``min``, ``nansum``, ``nanprod``, ``norm`` (``attrs.ord`` is 1 or 2),
        ``abs_sum``, ``square_sum``, ``argmax`` or ``argmin``.

    Returns
    -------
    callable
        ``builder(attrs, in_specs, out_specs)``. ``attrs.axis`` names the axes (a number, a tuple, None for all);
        ``attrs.exclude`` turns them round. Results take the dtype of the output's spec.

    Examples
    --------
    >>> reduce_builder("sum").__name__
    'reduce_sum'
    """
    if name in ("argmax", "argmin"):
        return arg_builder(name)
    if name not in OPERATIONS:
        raise ValueError(f"name must be one of {', '.join(sorted(OPERATIONS))}, got {name!r}")

    def builder(attrs, in_specs, out_specs):
        cdef ReduceSpec spec
        data, out = in_specs[0], out_specs[0]
        axis = attrs.axis
        axes = reduce_axes((axis,) if isinstance(axis, int) else axis, len(data.shape), bool(getattr(attrs, "exclude", False)))
        spec.op = <ReduceOp><int>OPERATIONS[name]
        spec.mean = name == "mean"
        spec.root = False
        if name == "norm":
            if attrs.ord == 1:
                spec.op = ReduceOp.kAbsSum
            elif data.dtype.kind == "f":
                spec.root = True
            else:
                return None  # MXNet's rounding, which shows in truncated results, is that of the next tier
        spec.type = dtype_code(data.dtype)
        spec.out_type = dtype_code(out.dtype)
        for index, extent in enumerate(data.shape):
            spec.shape.push_back(extent)
            spec.reduced.push_back(<bint>(index in axes))
        if out.size != math.prod(extent for index, extent in enumerate(data.shape) if index not in axes):
            return None
        return kernel_or_none(make_reduce(spec))

    builder.__name__ = builder.__qualname__ = f"reduce_{name}"
    return builder


def arg_builder(str name):
    """Make a builder for ``argmax`` or ``argmin`` over ``attrs.axis`` (None: the flattened array).

    >>> arg_builder("argmax").__name__
    'reduce_argmax'
    """
    cdef bint smallest = name == "argmin"
    if name not in ("argmax", "argmin"):
        raise ValueError(f'name must be "argmax" or "argmin", got {name!r}')

    def builder(attrs, in_specs, out_specs):
        data, out = in_specs[0], out_specs[0]
        shape, axis = tuple(data.shape), attrs.axis
        if isinstance(axis, tuple):
            if len(axis) > 1:
                return None
            axis = axis[0] if axis else None
        if axis is None:
            shape, axis = (math.prod(shape),), 0
        axis %= len(shape)
        outer, inner = math.prod(shape[:axis]), math.prod(shape[axis + 1:])
        return kernel_or_none(make_arg_reduce(smallest, dtype_code(data.dtype), dtype_code(out.dtype), outer, shape[axis], inner))

    builder.__name__ = builder.__qualname__ = f"reduce_{name}"
    return builder
