"""The array class and the functions that make arrays, where MXNet programs import them from."""

from __future__ import annotations

import numpy as np

from ...ops.array import NDArray
from .arithmetic import *  # noqa: F403
from .arithmetic import __all__ as _arithmetic_names
from .creation import *  # noqa: F403
from .creation import __all__ as _creation_names
from .serialization import load, load_frombuffer, save

__all__ = ["NDArray", "load", "load_frombuffer", "save", *_arithmetic_names, *_creation_names]

_DTYPE_NP_TO_MX = {
    None: -1,
    np.float32: 0,
    np.float64: 1,
    np.float16: 2,
    np.uint8: 3,
    np.int32: 4,
    np.int8: 5,
    np.int64: 6,
    np.bool_: 7,
}
_DTYPE_MX_TO_NP = {number: dtype for dtype, number in _DTYPE_NP_TO_MX.items()}
#: The builtin, under the name by which programs import it (a function called slice hides it in this package).
py_slice = slice
_STORAGE_TYPE_UNDEFINED = -1
_STORAGE_TYPE_DEFAULT = 0
_STORAGE_TYPE_ROW_SPARSE = 1
_STORAGE_TYPE_CSR = 2
_STORAGE_TYPE_STR_TO_ID = {"undefined": -1, "default": 0, "row_sparse": 1, "csr": 2}
_STORAGE_TYPE_ID_TO_STR = {number: name for name, number in _STORAGE_TYPE_STR_TO_ID.items()}
_GRAD_REQ_MAP = {"null": 0, "write": 1, "add": 3}
