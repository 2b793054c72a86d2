"""Random shapes, arrays and matrices."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...ops.array import NDArray, from_numpy_copy
from ..base import MXNetError
from .compare import default_dtype

__all__ = [
    "assign_each",
    "assign_each2",
    "collapse_sum_like",
    "create_2d_tensor",
    "create_vector",
    "get_identity_mat",
    "get_identity_mat_batch",
    "new_matrix_with_real_eigvals_2d",
    "new_matrix_with_real_eigvals_nd",
    "new_orthonormal_matrix_2d",
    "new_sym_matrix_with_real_eigvals_2d",
    "new_sym_matrix_with_real_eigvals_nd",
    "np_reduce",
    "rand_coord_2d",
    "rand_ndarray",
    "rand_shape_2d",
    "rand_shape_3d",
    "rand_shape_nd",
    "random_arrays",
    "random_sample",
    "random_uniform_arrays",
    "same_array",
]


def random_arrays(*shapes: Any) -> Any:
    """Return one random normal array, or a list of several.

    >>> [a.shape for a in random_arrays((2,), (3, 4))]
    [(2,), (3, 4)]
    """
    arrays: list[Any] = [np.asarray(np.random.randn(*s), default_dtype()) for s in shapes]
    return arrays[0] if len(arrays) == 1 else arrays


def random_uniform_arrays(*shapes: Any, **kwargs: Any) -> list[np.ndarray]:
    """Return random arrays uniform in [`low`, `high`), of `dtype`.

    >>> random_uniform_arrays((2,), low=1, high=2)[0].shape
    (2,)
    """
    low, high, dtype = kwargs.pop("low", 0.0), kwargs.pop("high", 1.0), kwargs.pop("dtype", default_dtype())
    if kwargs:
        raise TypeError(f"Got unexpected argument/s : {list(kwargs)}")
    return [np.random.uniform(low, high, s).astype(dtype) for s in shapes]


def rand_ndarray(
    shape: Any,
    stype: str = "default",
    density: float | None = None,
    dtype: Any = None,
    modifier_func: Callable[[Any], Any] | None = None,
    shuffle_csr_indices: bool = False,
    distribution: str | None = None,
    ctx: Any = None,
) -> NDArray:
    """Return a random normal NDArray.

    >>> rand_ndarray((2, 3)).shape
    (2, 3)
    """
    if stype != "default":
        raise MXNetError(f"rand_ndarray: stype={stype!r}: sparse storage is not supported, expected 'default'")
    return from_numpy_copy(np.asarray(random_arrays(shape)), ctx, np.dtype(dtype or default_dtype()))


def _dim(limit: int, allow_zero_size: bool) -> int:
    return int(np.random.randint(0 if allow_zero_size else 1, limit + 1))


def rand_shape_nd(num_dim: int, dim: int = 10, allow_zero_size: bool = False) -> tuple[int, ...]:
    """Return a random shape of `num_dim` axes of at most `dim` entries.

    >>> len(rand_shape_nd(3))
    3
    """
    return tuple(_dim(dim, allow_zero_size) for _ in range(num_dim))


def rand_shape_2d(dim0: int = 10, dim1: int = 10, allow_zero_size: bool = False) -> tuple[int, int]:
    """Return a random shape of two axes.

    >>> len(rand_shape_2d())
    2
    """
    return _dim(dim0, allow_zero_size), _dim(dim1, allow_zero_size)


def rand_shape_3d(dim0: int = 10, dim1: int = 10, dim2: int = 10, allow_zero_size: bool = False) -> tuple[int, int, int]:
    """Return a random shape of three axes.

    >>> len(rand_shape_3d())
    3
    """
    return _dim(dim0, allow_zero_size), _dim(dim1, allow_zero_size), _dim(dim2, allow_zero_size)


def rand_coord_2d(x_low: int, x_high: int, y_low: int, y_high: int) -> tuple[int, int]:
    """Return a random point of a grid; upper ends are exclusive.

    >>> rand_coord_2d(0, 1, 5, 6)
    (0, 5)
    """
    return int(np.random.randint(x_low, x_high)), int(np.random.randint(y_low, y_high))


def random_sample(population: Sequence[Any], k: int) -> list[Any]:
    """Return `k` different elements in the order of `population`.

    >>> random_sample([1, 2, 3], 3)
    [1, 2, 3]
    """
    if not 0 <= k <= len(population):
        raise ValueError(f"k={k} is out of range: expected 0 to {len(population)}")
    return [population[i] for i in sorted(random.sample(range(len(population)), k))]


def same_array(array1: NDArray, array2: NDArray) -> bool:
    """Tell whether two NDArrays share memory, by writing to one and reading the other.

    >>> import weft as mx
    >>> a = mx.nd.zeros((2, 2))
    >>> same_array(a, a.reshape((4,))), same_array(a, a.copy())
    (True, False)
    """

    def equal() -> bool:
        return array1.shape == array2.shape and np.array_equal(array1.asnumpy(), array2.asnumpy())

    array1[:] += 1
    if array1.shape != array2.shape:
        changed = np.array_equal(array1.asnumpy().ravel(), array2.asnumpy().ravel())
        array1[:] -= 1
        return changed and np.array_equal(array1.asnumpy().ravel(), array2.asnumpy().ravel())
    if not equal():
        array1[:] -= 1
        return False
    array1[:] -= 1
    return equal()


def assign_each(the_input: np.ndarray, function: Callable[[Any], Any] | None) -> np.ndarray:
    """Return the array of ``function(x)`` for every element; None copies.

    >>> assign_each(np.array([1.0, 2.0]), lambda x: x * 2)
    array([2., 4.])
    """
    if function is None:
        return np.array(the_input)
    return np.array([function(x) for x in np.ravel(the_input)]).reshape(np.shape(the_input))


def assign_each2(input1: np.ndarray, input2: np.ndarray, function: Callable[[Any, Any], Any] | None) -> np.ndarray:
    """Return the array of ``function(x, y)`` for all pairs of elements; None copies the first.

    >>> assign_each2(np.array([1.0]), np.array([2.0]), lambda x, y: x + y)
    array([3.])
    """
    if function is None:
        return np.array(input1)
    pairs = zip(np.ravel(input1), np.ravel(input2), strict=True)
    return np.array([function(x, y) for x, y in pairs]).reshape(np.shape(input1))


def np_reduce(dat: np.ndarray, axis: Any, keepdims: bool, numpy_reduce_func: Callable[..., Any]) -> np.ndarray:
    """Reduce over one axis, several, or (None) all.

    >>> np_reduce(np.ones((2, 3)), (0, 1), True, np.sum)
    array([[6.]])
    """
    axes = range(dat.ndim) if axis is None else (axis,) if isinstance(axis, (int, np.integer)) else axis
    # One axis at a time: functions such as numpy.argmax take no more.
    result = dat
    for each in sorted((a % dat.ndim for a in axes), reverse=True):
        result = numpy_reduce_func(result, axis=each)
    if keepdims:
        shape = tuple(1 if axis is None or a in {b % dat.ndim for b in axes} else n for a, n in enumerate(dat.shape))
        result = np.reshape(result, shape)
    return np.asarray(result)


def collapse_sum_like(a: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum over the axes that broadcasting from `shape` to `a` added or stretched.

    >>> collapse_sum_like(np.ones((2, 3)), (1, 3))
    array([[2., 2., 2.]])
    """
    if len(shape) > a.ndim:
        raise ValueError(f"shape={shape} has more axes than the array of shape {a.shape}")
    lead = a.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(i + lead for i, n in enumerate(shape) if n == 1 and a.shape[i + lead] != 1)
    result = a.sum(axis=axes, keepdims=True) if axes else a
    return np.asarray(result).reshape(shape)


def create_vector(size: int, dtype: Any = np.int64) -> NDArray:
    """Return 0, 1, ... size - 1.

    >>> create_vector(3).asnumpy()
    array([0, 1, 2])
    """
    return from_numpy_copy(np.arange(size, dtype=dtype), None, np.dtype(dtype))


def create_2d_tensor(rows: int, columns: int, dtype: Any = np.int64) -> NDArray:
    """Return the array whose entries are their row numbers.

    >>> create_2d_tensor(2, 2).asnumpy()
    array([[0, 0],
           [1, 1]])
    """
    column = np.arange(rows, dtype=dtype).reshape(rows, 1)
    return from_numpy_copy(np.broadcast_to(column, (rows, columns)).copy(), None, np.dtype(dtype))


def get_identity_mat(size: int) -> NDArray:
    """Return the identity matrix in float32.

    >>> get_identity_mat(2).shape
    (2, 2)
    """
    return from_numpy_copy(np.eye(size, dtype=np.float32), None, np.dtype("float32"))


def get_identity_mat_batch(size: int) -> NDArray:
    """Return two identity matrices, one behind the other.

    >>> get_identity_mat_batch(3).shape
    (2, 3, 3)
    """
    return from_numpy_copy(np.stack([np.eye(size, dtype=np.float32)] * 2), None, np.dtype("float32"))


def new_orthonormal_matrix_2d(n: int) -> np.ndarray:
    """Return a random orthonormal matrix.

    >>> q = new_orthonormal_matrix_2d(3)
    >>> bool(np.allclose(q @ q.T, np.eye(3)))
    True
    """
    return np.linalg.qr(np.random.randn(n, n))[0]


def new_matrix_with_real_eigvals_2d(n: int) -> np.ndarray:
    """Return a random well conditioned matrix whose eigenvalues are real.

    >>> bool(np.isreal(np.linalg.eigvals(new_matrix_with_real_eigvals_2d(3))).all())
    True
    """
    q = new_orthonormal_matrix_2d(n)
    triangle = np.triu(np.random.uniform(-1.0, 1.0, (n, n)), 1) + np.diag(np.random.uniform(1.0, 10.0, n))
    return q @ triangle @ q.T


def new_sym_matrix_with_real_eigvals_2d(n: int) -> np.ndarray:
    """Return a random well conditioned symmetric matrix.

    >>> m = new_sym_matrix_with_real_eigvals_2d(3)
    >>> bool(np.allclose(m, m.T))
    True
    """
    q = new_orthonormal_matrix_2d(n)
    return q @ np.diag(np.random.uniform(1.0, 10.0, n)) @ q.T


def _stacked(make: Callable[[int], np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    count = int(np.prod(shape[:-2], dtype=int))
    return np.array([make(shape[-1]) for _ in range(count)]).reshape(shape)


def new_matrix_with_real_eigvals_nd(shape: tuple[int, ...]) -> np.ndarray:
    """Return matrices of :func:`new_matrix_with_real_eigvals_2d` in the last two axes.

    >>> new_matrix_with_real_eigvals_nd((2, 3, 3)).shape
    (2, 3, 3)
    """
    return _stacked(new_matrix_with_real_eigvals_2d, shape)


def new_sym_matrix_with_real_eigvals_nd(shape: tuple[int, ...]) -> np.ndarray:
    """Return matrices of :func:`new_sym_matrix_with_real_eigvals_2d` in the last two axes.

    >>> new_sym_matrix_with_real_eigvals_nd((2, 3, 3)).shape
    (2, 3, 3)
    """
    return _stacked(new_sym_matrix_with_real_eigvals_2d, shape)
