"""Run the native kernel of a declaration beside its NumPy kernel."""

import numpy as np

from weft.ops import registry
from weft.ops.builders import ShapeSpec
from weft.ops.cpu.runner import run_kernel

TOLERANCES = {"float16": (2e-3, 2e-3), "float32": (1e-4, 2e-5), "float64": (1e-9, 1e-10)}


def run_native(name, attrs, arrays, *, scalars=()):
    """Return the outputs of the operator's first kernel; arrays that it writes are changed in place."""
    op = registry.get(name)
    if not isinstance(attrs, registry.Attrs):
        attrs = op.attrs(attrs)
    shapes, dtypes = op.infer(attrs, [a.shape for a in arrays], [a.dtype for a in arrays])
    ins = [ShapeSpec(a.shape, a.dtype) for a in arrays]
    outs = [ShapeSpec(tuple(shape), np.dtype(dtype)) for shape, dtype in zip(shapes, dtypes)]
    kernel = op.cpu[0](attrs, ins, outs)
    assert kernel is not None, f"{name} has no native kernel for {ins}"
    results = [np.full(spec.shape, 99, spec.dtype) for spec in outs]
    run_kernel(kernel, arrays, results, scalars)
    return results


def check_native(name, attrs, arrays, *, scalars=(), tolerance=None):
    """Compare both kernels, outputs and inputs that are written; return what NumPy's gives."""
    arrays = [np.ascontiguousarray(array) for array in arrays]
    mine, right = ([array.copy() for array in arrays] for _ in range(2))
    got = run_native(name, attrs, mine, scalars=scalars)
    expected = registry.reference_run(name, attrs, right)
    assert len(got) == len(expected)
    for a, b in zip([*got, *mine], [*expected, *right]):
        assert a.dtype == b.dtype
        relative, absolute = tolerance or TOLERANCES.get(b.dtype.name, (0, 0))
        finite = b[np.isfinite(b)]
        np.testing.assert_allclose(a, b, rtol=relative, atol=absolute * max(1, np.abs(finite).max(initial=0)))
    return expected
