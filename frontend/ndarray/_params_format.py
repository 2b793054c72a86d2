"""The ``.params`` file format of MXNet: bytes to records and back, independent of arrays.

Files come from strangers: every length is checked against the bytes that are really there before it is believed.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ...engine.errors import MXNetError

__all__ = ["Record", "header", "names_block", "parse", "parse_record", "record_header"]

LIST_MAGIC = 0x112
V1 = 0xF993FAC8
V2 = 0xF993FAC9
V3 = 0xF993FACA

DTYPE_OF: dict[int, np.dtype] = {
    0: np.dtype(np.float32),
    1: np.dtype(np.float64),
    2: np.dtype(np.float16),
    3: np.dtype(np.uint8),
    4: np.dtype(np.int32),
    5: np.dtype(np.int8),
    6: np.dtype(np.int64),
    7: np.dtype(np.bool_),
    8: np.dtype(np.int16),
    9: np.dtype(np.uint16),
    10: np.dtype(np.uint32),
    11: np.dtype(np.uint64),
}
CODE_OF = {dtype: code for code, dtype in DTYPE_OF.items()}
BFLOAT16 = 12
DEVICE_TYPES = (1, 2, 3, 5)
STORAGE_NAMES = {1: "row_sparse", 2: "csr"}
MAX_NDIM = 32
MAX_BYTES = 1 << 62


class Record(NamedTuple):
    """Where one array's elements lie in the file, and what they are."""

    shape: tuple[int, ...]
    dtype: np.dtype
    bfloat16: bool  # stored as the upper halves of float32
    start: int
    nbytes: int
    device: tuple[int, int]


class _Reader:
    """A cursor over the file's bytes that never goes past their end."""

    def __init__(self, data: memoryview, source: str) -> None:
        self.data = data
        self.size = len(data)
        self.position = 0
        self.source = source
        self.what = "the header"

    def fail(self, message: str, at: int | None = None) -> MXNetError:
        place = self.position if at is None else at
        return MXNetError(f"{self.source}: {self.what}, byte {place}: {message}")

    def take(self, count: int, field: str) -> int:
        """Move over ``count`` bytes and return where they start."""
        start = self.position
        if count > self.size - start:
            raise self.fail(f"{field} needs {count} bytes, but the file ends after {self.size - start} more (truncated?)")
        self.position = start + count
        return start

    def u32(self, field: str) -> int:
        return struct.unpack_from("<I", self.data, self.take(4, field))[0]

    def i32(self, field: str) -> int:
        return struct.unpack_from("<i", self.data, self.take(4, field))[0]

    def u64(self, field: str) -> int:
        return struct.unpack_from("<Q", self.data, self.take(8, field))[0]

    def count(self, field: str, item_bytes: int) -> int:
        """Read a u64 count of items of at least ``item_bytes`` each, which must fit in what is left."""
        start = self.position
        number = self.u64(field)
        if number > (self.size - self.position) // item_bytes:
            raise self.fail(f"{field} is {number}, more than the {self.size - self.position} bytes left can hold", start)
        return number

    def dimensions(self, ndim: int, kind: str) -> tuple[int, ...]:
        start = self.take(ndim * struct.calcsize("<" + kind), "the shape")
        shape = struct.unpack_from(f"<{ndim}{kind}", self.data, start)
        for extent in shape:
            if not 0 <= extent < MAX_BYTES:
                raise self.fail(f"dimension {extent} in shape {shape} is not between 0 and 2**62", start)
        return shape

    def shape(self) -> tuple[int, ...] | None:
        """Read i32 ndim and the dimensions; None for the unknown shape (ndim -1)."""
        start = self.position
        ndim = self.i32("the number of dimensions")
        if ndim == -1:
            return None
        if not 0 <= ndim <= MAX_NDIM:
            raise self.fail(f"number of dimensions {ndim} is not between 0 and {MAX_NDIM}", start)
        return self.dimensions(ndim, "q")

    def device(self) -> tuple[int, int]:
        start = self.position
        device_type = self.i32("the device type")
        device_id = self.i32("the device number")
        if device_type not in DEVICE_TYPES:
            raise self.fail(f"unknown device type {device_type}, expected one of {DEVICE_TYPES}", start)
        if device_id < 0:
            raise self.fail(f"device number {device_id} is negative", start + 4)
        return device_type, device_id

    def dtype(self) -> tuple[np.dtype, bool]:
        start = self.position
        code = self.i32("the dtype")
        if code == BFLOAT16:
            return np.dtype(np.uint16), True
        dtype = DTYPE_OF.get(code)
        if dtype is None:
            raise self.fail(f"unknown dtype number {code}, expected 0 to {BFLOAT16}", start)
        return dtype, False

    def elements(self, shape: tuple[int, ...], dtype: np.dtype) -> tuple[int, int]:
        """Move over an array's elements; return where they start and how many bytes they are."""
        nbytes = math.prod(shape) * dtype.itemsize  # Python's integers do not overflow
        return self.take(nbytes, f"an array of shape {shape} and dtype {dtype}"), nbytes


NONE_SHAPE = (0,)  # what an array that was never given a shape becomes: there are no elements to lose


def _none_record(reader: _Reader) -> Record:
    return Record(NONE_SHAPE, np.dtype(np.float32), False, reader.position, 0, (1, 0))


def _read_record(reader: _Reader) -> Record:
    start = reader.position
    word = reader.u32("the array's first word")
    if word in (V2, V3):
        storage = reader.i32("the storage type")
        if storage in STORAGE_NAMES and word == V2:
            raise reader.fail(f"this array has {STORAGE_NAMES[storage]} storage; sparse storage is not supported yet", start)
        if storage != 0:
            raise reader.fail(f"unknown storage type {storage}, expected 0, 1 or 2", start + 4)
        shape = reader.shape()
        if shape is None or (word == V2 and not shape):
            return _none_record(reader)
    elif word == V1:
        shape = reader.shape()
        if not shape:
            return _none_record(reader)
    elif word <= MAX_NDIM:  # the oldest files: the word is the number of dimensions
        shape = reader.dimensions(word, "I")
        if not shape:
            return _none_record(reader)
    else:
        raise reader.fail(f"0x{word:08X} is neither a known array format nor a number of dimensions up to {MAX_NDIM}", start)
    device = reader.device()
    dtype, bfloat16 = reader.dtype()
    begin, nbytes = reader.elements(shape, dtype)
    return Record(shape, dtype, bfloat16, begin, nbytes, device)


def parse_record(data: Any, source: str = "array") -> Record:
    """Parse the bytes of a single array, as in pickles."""
    reader = _Reader(memoryview(data).cast("B"), source)
    reader.what = "array 0"
    record = _read_record(reader)
    if reader.position != reader.size:
        raise reader.fail(f"{reader.size - reader.position} bytes follow the array")
    return record


def parse(data: Any, source: str = "buffer") -> tuple[list[Record], list[str]]:
    """Parse a whole file: the arrays, and their names (no names at all if a list was saved).

    Raises
    ------
    MXNetError
        Whatever is wrong with the file, naming the byte and the value.
    """
    reader = _Reader(memoryview(data).cast("B"), source)
    magic = reader.u64("the file's magic number")
    if magic != LIST_MAGIC:
        raise reader.fail(f"magic number 0x{magic:X} is not 0x{LIST_MAGIC:X}: this is no .params file", 0)
    reader.u64("the reserved word")
    number = reader.count("the number of arrays", 4)
    records = []
    for index in range(number):
        reader.what = f"array {index} of {number}"
        records.append(_read_record(reader))
    reader.what = "the names"
    named = reader.count("the number of names", 8)
    if named not in (0, number):
        raise reader.fail(f"{named} names for {number} arrays", reader.position - 8)
    names = []
    for index in range(named):
        reader.what = f"name {index} of {named}"
        length = reader.count("the length of the name", 1)
        start = reader.take(length, "the name")
        raw = bytes(reader.data[start : start + length])
        try:
            names.append(raw.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise reader.fail(f"the name {raw[:40]!r} is not UTF-8 ({error.reason})", start) from None
    if reader.position != reader.size:
        raise reader.fail(f"{reader.size - reader.position} bytes follow the end")
    return records, names


def header(number: int) -> bytes:
    """Return the first bytes of a file of that many arrays."""
    return struct.pack("<QQQ", LIST_MAGIC, 0, number)


def record_header(shape: tuple[int, ...], dtype: np.dtype, device: tuple[int, int]) -> bytes:
    """Return what stands before an array's elements: version 2, or 3 for an array without axes (2 cannot say that)."""
    code = CODE_OF.get(np.dtype(dtype))
    if code is None:
        raise MXNetError(f"arrays of dtype {dtype} cannot be saved; the format knows {', '.join(map(str, CODE_OF))}")
    if device[0] not in DEVICE_TYPES:
        device = (1, 0)  # devices that only weft knows are written as the CPU
    version = V2 if shape else V3
    return struct.pack(f"<Iii{len(shape)}qiii", version, 0, len(shape), *shape, *device, code)


def names_block(names: Iterable[str]) -> bytes:
    """Return the end of a file: the arrays' names."""
    encoded = [name.encode("utf-8") for name in names]
    return b"".join([struct.pack("<Q", len(encoded)), *(struct.pack("<Q", len(name)) + name for name in encoded)])
