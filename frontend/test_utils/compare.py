"""Comparison of arrays with tolerances that depend on the dtype, and reports that show where they differ."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...ops.array import NDArray

__all__ = [
    "almost_equal",
    "assert_allclose",
    "assert_almost_equal",
    "assert_almost_equal_ignore_nan",
    "assert_almost_equal_with_err",
    "assert_exception",
    "checkShapes",
    "compare_ndarray_tuple",
    "default_atols",
    "default_dtype",
    "default_numeric_eps",
    "default_rtols",
    "effective_dtype",
    "get_atol",
    "get_etol",
    "get_rtol",
    "get_tolerance",
    "get_tols",
    "locationError",
    "same",
]

_EXACT = ("bool", "int8", "uint8", "int32", "uint32", "int64", "uint64")
#: Keeps the error of an exact comparison finite.
_SMALLEST = 1e-20
_DOUBLE = np.dtype("float64")

Tolerance = float | Mapping[Any, float] | None


def default_dtype() -> type:
    """Return the dtype that tests use when they name none.

    >>> default_dtype().__name__
    'float32'
    """
    return np.float32


def _table(half: float, single: float, double: float, exact: bool) -> dict[np.dtype, float]:
    table: dict[Any, float] = {np.dtype("float16"): half, np.dtype("float32"): single, np.dtype("float64"): double}
    if exact:
        table.update((np.dtype(name), 0) for name in _EXACT)
    return table


def default_rtols() -> dict[np.dtype, float]:
    """Return the relative tolerance for every dtype.

    >>> default_rtols()[np.dtype("float32")]
    0.0001
    """
    return _table(1e-2, 1e-4, 1e-5, True)


def default_atols() -> dict[np.dtype, float]:
    """Return the absolute tolerance for every dtype.

    >>> default_atols()[np.dtype("float32")]
    0.001
    """
    return _table(1e-1, 1e-3, 1e-20, True)


def default_numeric_eps() -> dict[np.dtype, float]:
    """Return the step of numeric gradients for every dtype: powers of two, so that x + eps is exact.

    >>> default_numeric_eps()[np.dtype("float32")] == 2**-9
    True
    """
    return _table(2**-6, 2**-9, 2**-14, False)


def get_rtol(rtol: Tolerance = None, dtype: Any = _DOUBLE) -> Any:
    """Return `rtol`, or the default of `dtype`.

    >>> get_rtol(), get_rtol(0.5)
    (1e-05, 0.5)
    """
    return default_rtols()[np.dtype(dtype)] if rtol is None else rtol


def get_atol(atol: Tolerance = None, dtype: Any = _DOUBLE) -> Any:
    """Return `atol`, or the default of `dtype`.

    >>> get_atol(), get_atol(0.5)
    (1e-20, 0.5)
    """
    return default_atols()[np.dtype(dtype)] if atol is None else atol


def get_etol(etol: float | None = None) -> float:
    """Return `etol`, the share of elements that may differ, or 0.

    >>> get_etol(), get_etol(0.25)
    (0, 0.25)
    """
    return 0 if etol is None else etol


def effective_dtype(dat: Any) -> np.dtype:
    """Return the dtype whose tolerances suit `dat`.

    >>> effective_dtype(np.zeros(2, "float16")).name
    'float16'
    """
    return np.dtype(dat.dtype)


def get_tolerance(dat: Any, tol: Tolerance, default_tol: Mapping[np.dtype, float]) -> float:
    """Return the tolerance for `dat`: `tol` itself, what the mapping `tol` says for the dtype, or the default.

    >>> get_tolerance(np.zeros(1, "float32"), None, default_rtols())
    0.0001
    """
    if isinstance(tol, numbers.Number):
        return tol  # type: ignore[return-value]
    dtype = effective_dtype(dat)
    given = {np.dtype(k): v for k, v in (tol or {}).items()}  # type: ignore[union-attr]
    return given.get(dtype, default_tol[dtype])


def get_tols(x: Any, y: Any, rtol: Tolerance, atol: Tolerance) -> tuple[float, float]:
    """Return (rtol, atol) for comparing `x` with `y`: of the two dtypes, the less exact one counts.

    >>> get_tols(np.zeros(1, "float32"), np.zeros(1, "float16"), None, None)
    (0.01, 0.1)
    """
    x, y = (np.asarray(v) if isinstance(v, numbers.Number) else v for v in (x, y))
    r = max(get_tolerance(x, rtol, default_rtols()), get_tolerance(y, rtol, default_rtols()))
    a = max(get_tolerance(x, atol, default_atols()), get_tolerance(y, atol, default_atols()))
    return r, a


def _as_numpy(value: Any) -> Any:
    return value.asnumpy() if isinstance(value, NDArray) else value


def same(a: Any, b: Any) -> bool:
    """Tell whether two arrays have the same values.

    >>> same(np.ones(2), np.ones(2))
    True
    """
    return np.array_equal(_as_numpy(a), _as_numpy(b))


def almost_equal(
    a: Any, b: Any, rtol: Tolerance = None, atol: Tolerance = None, equal_nan: bool = False, use_broadcast: bool = True
) -> bool:
    """Tell whether ``|a - b| <= atol + rtol * |b|`` everywhere.

    >>> almost_equal(np.ones(2), np.ones(2) + 1e-7)
    True
    """
    a, b = _as_numpy(a), _as_numpy(b)
    if not use_broadcast:
        checkShapes(a, b)
    rtol, atol = get_tols(a, b, rtol, atol)
    return bool(np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan))


def _message(text: str, a: Any, b: Any) -> str:
    return f"\nItems are not equal:{text}\n ACTUAL: {a!r}\n DESIRED: {b!r}"


def checkShapes(a: Any, b: Any) -> None:
    """Raise AssertionError where the shapes differ.

    >>> checkShapes(np.ones(2), np.ones(2))
    """
    if a.shape != b.shape:
        text = f" a.shape = {a.shape} and b.shape = {b.shape} are not equal"
        raise AssertionError(_message(text, _as_numpy(a), _as_numpy(b)))


def locationError(a: np.ndarray, b: np.ndarray, index: tuple[int, ...], names: Sequence[str], maxError: bool = False) -> str:
    """Return the text that says where two arrays differ.

    >>> locationError(np.array([1.0]), np.array([2.0]), (0,), ("a", "b"))
    'Location of error: (0,), a=1.00000000, b=2.00000000'
    """
    where = tuple(int(i) for i in index)
    kind = "maximum error" if maxError else "error"
    return f"Location of {kind}: {where}, {names[0]}={a[index]:.8f}, {names[1]}={b[index]:.8f}"


def _violations(a: np.ndarray, b: np.ndarray, rtol: float, atol: float, equal_nan: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return (error in units of the tolerance, where it is too large), for two arrays of one shape."""
    with np.errstate(all="ignore"):
        wide = [v.astype(np.float64) if v.dtype.kind in "fiub" else v for v in (a, b)]
        error = np.abs(wide[0] - wide[1]) / (atol + rtol * np.abs(wide[1]) + _SMALLEST)
    return error, ~np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)


def _report(
    a: np.ndarray, b: np.ndarray, rtol: float, atol: float, equal_nan: bool, names: Sequence[str], mismatches: tuple[int, int]
) -> str:
    """Print the largest errors; return the message of the exception."""
    error, wrong = _violations(a, b, rtol, atol, equal_nan)
    if not error.ndim:
        return _message(f"\nError {float(error):f} exceeds tolerance rtol={rtol:e}, atol={atol:e}.\n", a.item(), b.item())
    places = np.flatnonzero(wrong)
    # NaN counts as the largest error; equal errors are told in the order of the array.
    size = np.where(np.isnan(error), np.inf, error).ravel()
    places = places[np.argsort(-size[places], kind="stable")]
    shown, counted = mismatches
    print(f"\n*** Maximum errors for vector of size {a.size}:  rtol={rtol}, atol={atol}\n")
    for number, place in enumerate(places[: min(shown, len(places))], 1):
        index = np.unravel_index(place, a.shape)
        print(f"{number:3d}: Error {error[index]:f}  {locationError(a, b, index, names)}")  # type: ignore[arg-type]
    found = len(places) if counted <= 0 else min(len(places), counted + 1)
    least = "at least " if 0 < counted < len(places) else ""
    first = np.unravel_index(places[0], a.shape)
    text = (
        f"\nError {error[first]:f} exceeds tolerance rtol={rtol:e}, atol={atol:e} "
        f"(mismatch {least}{100 * found / a.size:f}%).\n"
        f"{locationError(a, b, first, names, maxError=True)}"  # type: ignore[arg-type]
    )
    return _message(text, a, b)


def _compare(
    a: Any,
    b: Any,
    rtol: Tolerance,
    atol: Tolerance,
    names: Sequence[str],
    equal_nan: bool,
    use_broadcast: bool,
    mismatches: tuple[int, int],
    etol: float,
) -> None:
    if not use_broadcast:
        checkShapes(a, b)
    rtol, atol = get_tols(a, b, rtol, atol)
    a, b = np.asarray(_as_numpy(a)), np.asarray(_as_numpy(b))
    if np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan):
        return
    left, right = np.broadcast_arrays(a, b)
    if etol:
        _, wrong = _violations(left, right, rtol, atol, equal_nan)
        if wrong.mean() <= etol:
            return
    raise AssertionError(_report(left, right, rtol, atol, equal_nan, names, mismatches))


def assert_almost_equal(
    a: Any,
    b: Any,
    rtol: Tolerance = None,
    atol: Tolerance = None,
    names: Sequence[str] = ("a", "b"),
    equal_nan: bool = False,
    use_broadcast: bool = True,
    mismatches: tuple[int, int] = (10, 10),
) -> None:
    """Raise AssertionError unless ``|a - b| <= atol + rtol * |b|`` everywhere; show the largest errors.

    Parameters
    ----------
    a, b : NDArray, numpy.ndarray or number
        The result, and what is expected.
    rtol, atol : float or dict of dtype to float, optional
        Tolerances; None stands for the defaults of the less exact dtype.
    names : tuple of str
        How the report calls the two.
    equal_nan : bool
        Whether NaN equals NaN.
    use_broadcast : bool
        False asks for equal shapes.
    mismatches : tuple of int
        How many of the largest errors are printed, and up to which number they are counted.

    >>> assert_almost_equal(np.array([1.0, 2.0]), np.array([1.0, 2.5]))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError:
    Items are not equal:
    Error 20000.000000 exceeds tolerance rtol=1.000000e-05, atol=1.000000e-20 (mismatch 50.000000%).
    Location of maximum error: (1,), a=2.00000000, b=2.50000000
     ACTUAL: array([1., 2.])
     DESIRED: array([1. , 2.5])
    """
    _compare(a, b, rtol, atol, names, equal_nan, use_broadcast, mismatches, 0)


def assert_almost_equal_with_err(
    a: Any,
    b: Any,
    rtol: Tolerance = None,
    atol: Tolerance = None,
    etol: float | None = None,
    names: Sequence[str] = ("a", "b"),
    equal_nan: bool = False,
    mismatches: tuple[int, int] = (10, 10),
) -> None:
    """As :func:`assert_almost_equal`, but a share `etol` of the elements may differ by any amount.

    >>> assert_almost_equal_with_err(np.zeros(4), np.array([0.0, 0, 0, 9]), etol=0.25)
    """
    _compare(a, b, rtol, atol, names, equal_nan, True, mismatches, get_etol(etol))


def assert_almost_equal_ignore_nan(
    a: Any, b: Any, rtol: Tolerance = None, atol: Tolerance = None, names: Sequence[str] = ("a", "b")
) -> None:
    """As :func:`assert_almost_equal`; where either is NaN anything goes.

    >>> assert_almost_equal_ignore_nan(np.array([1.0, np.nan]), np.array([1.0, 5.0]))
    """
    a, b = np.array(_as_numpy(a)), np.array(_as_numpy(b))
    nan = np.isnan(a) | np.isnan(b)
    a[nan] = b[nan] = 0
    assert_almost_equal(a, b, rtol, atol, names)


def assert_allclose(a: Any, b: Any, rtol: float = 1e-07, atol: float = 0, equal_nan: bool = True) -> None:
    """As :func:`assert_almost_equal` with the defaults of ``numpy.testing.assert_allclose``.

    >>> assert_allclose(np.ones(2), np.ones(2))
    """
    assert_almost_equal(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)


def assert_exception(f: Callable[..., Any], exception_type: Any, *args: Any, **kwargs: Any) -> None:
    """Raise AssertionError unless ``f(*args, **kwargs)`` raises `exception_type`.

    >>> assert_exception(int, ValueError, "x")
    """
    try:
        f(*args, **kwargs)
    except exception_type:
        return
    raise AssertionError(f"{f!r} raised no {exception_type}")


def compare_ndarray_tuple(t1: Any, t2: Any, rtol: Tolerance = None, atol: Tolerance = None) -> None:
    """Compare two arrays, or nested tuples of arrays and None.

    >>> compare_ndarray_tuple((np.ones(1), None), (np.ones(1), None))
    """
    if t1 is None or t2 is None:
        return
    if isinstance(t1, tuple):
        for s1, s2 in zip(t1, t2, strict=True):
            compare_ndarray_tuple(s1, s2, rtol, atol)
    else:
        assert_almost_equal(t1, t2, rtol=rtol, atol=atol)
