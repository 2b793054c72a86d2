"""Comparison of weft's results with recorded ones."""

import numpy as np

#: relative and absolute tolerance by dtype
TOLERANCES = {"float16": (4e-3, 2e-3), "float32": (2e-5, 1e-5), "float64": (1e-6, 1e-7)}


def half_precision(*arrays):
    """Looser tolerances where float16 takes part anywhere: MXNet rounds intermediate results to it."""
    return {"rtol": 4e-3, "atol": 2e-3} if any(getattr(a, "dtype", None) == np.float16 for a in arrays) else {}


def check(name, got, expected, rtol=None, atol=None):
    """Same dtype, same shape, values within the tolerance of the dtype."""
    got = np.asarray(got)
    assert got.dtype == expected.dtype, f"{name}: dtype {got.dtype}, MXNet gives {expected.dtype}"
    assert got.shape == expected.shape, f"{name}: shape {got.shape}, MXNet gives {expected.shape}"
    if expected.dtype.kind == "f":
        default = TOLERANCES[expected.dtype.name]
        np.testing.assert_allclose(
            got.astype(np.float64), expected.astype(np.float64), rtol=default[0] if rtol is None else max(rtol, default[0]),
            atol=default[1] if atol is None else max(atol, default[1]), equal_nan=True, err_msg=name)
    else:
        np.testing.assert_array_equal(got, expected, err_msg=name)


def allowed_errors(mx, recorded):
    """Exceptions that count as the same refusal as MXNet's `recorded` [type, message]."""
    if recorded[0] == "MXNetError":
        return (mx.base.MXNetError,)
    if recorded[0] in ("AssertionError", "KeyError", "Exception", "ArgumentError", "AttributeError", "RuntimeError", "UFuncTypeError", "error"):
        return (mx.base.MXNetError, ValueError, TypeError, AssertionError, KeyError, AttributeError, NotImplementedError)
    return {"ValueError": (ValueError, IndexError, mx.base.MXNetError), "TypeError": (TypeError,), "IndexError": (IndexError, mx.base.MXNetError),
            "NotImplementedError": (NotImplementedError, mx.base.MXNetError, TypeError),
            "ImportError": (ImportError,)}.get(recorded[0], (Exception,))
