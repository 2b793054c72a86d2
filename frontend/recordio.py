"""RecordIO files: many records of bytes in one file, read one after the other, or by key with an index file.

>>> import os, tempfile
>>> path = os.path.join(tempfile.mkdtemp(), "data.rec")
>>> writer = MXRecordIO(path, "w")
>>> for text in (b"one", b"two"):
...     writer.write(text)
>>> writer.close()
>>> reader = MXRecordIO(path, "r")
>>> reader.read(), reader.read(), reader.read()
(b'one', b'two', None)
"""

from __future__ import annotations

import importlib
import numbers
import os
import struct
from collections import namedtuple
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np

from .base import MXNetError

__all__ = ["IRHeader", "MXIndexedRecordIO", "MXRecordIO", "pack", "pack_img", "unpack", "unpack_img"]

#: What every part of a record begins with. Where a record itself holds these bytes (at a place that is a multiple of 4), it is cut
#: there and they are left out: whoever starts to read in the middle of a file can then look for the next record.
MAGIC = struct.pack("<I", 0xCED7230A)
WHOLE, FIRST, MIDDLE, LAST = range(4)
LENGTH_BITS = 29


class MXRecordIO:
    """A file of records, to write or to read.

    Parameters
    ----------
    uri : str
        The file.
    flag : str
        ``'w'`` to write, ``'r'`` to read.
    """

    def __init__(self, uri: str | os.PathLike[str], flag: str) -> None:
        self.uri = os.fspath(uri)
        self.flag = flag
        self.pid: int | None = None
        self.is_open = False
        self._file: Any = None
        self.open()

    def open(self) -> None:
        """Open the file: a new one to write, or an old one to read from its beginning."""
        if self.flag not in ("w", "r"):
            raise ValueError(f"flag must be 'w' to write or 'r' to read, got {self.flag!r}")
        self.writable = self.flag == "w"
        try:
            self._file = open(self.uri, self.flag + "b")
        except OSError as error:
            raise MXNetError(f"{self.uri!r} cannot be opened: {error.strerror}") from error
        self.pid = os.getpid()
        self.is_open = True

    def close(self) -> None:
        """Close the file; :meth:`open` opens it again."""
        if self.is_open:
            self._file.close()
            self.is_open = False
            self.pid = None

    def reset(self) -> None:
        """Close and open the file: read from the beginning, or throw away what was written."""
        self.close()
        self.open()

    def __enter__(self) -> MXRecordIO:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "is_open", False):
            self.close()

    def __getstate__(self) -> dict[str, Any]:
        # A copy in another process opens the file for itself.
        state = dict(self.__dict__)
        state["_file"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, is_open=False)
        if state["is_open"]:
            if self.writable:
                raise MXNetError(f"{self.uri!r} is being written: only readers can be copied to other processes")
            self.open()

    def _check(self, writing: bool) -> None:
        if self.writable is not writing:
            # MXNet asserts here.
            raise AssertionError(f"{self.uri!r} is open to {'write' if self.writable else 'read'}, not to {'write' if writing else 'read'}")
        if not self.is_open:
            raise MXNetError(f"{self.uri!r} is closed")
        if self.pid != os.getpid():
            if writing:
                raise RuntimeError(f"{self.uri!r} is being written by process {self.pid}; process {os.getpid()} must not write to it too")
            self.reset()  # after a fork: the place in the file must be this process's own

    def write(self, buf: bytes) -> None:
        """Append a record.

        Parameters
        ----------
        buf : bytes
            The record; less than 512 MB.
        """
        self._check(True)
        if not isinstance(buf, (bytes, bytearray, memoryview)):
            raise TypeError(f"a record must be bytes, got {type(buf).__name__}")
        buf = bytes(buf)
        if len(buf) >> LENGTH_BITS:
            raise MXNetError(f"a record must be smaller than {1 << LENGTH_BITS} bytes, this one has {len(buf)}")
        begin = 0
        place = buf.find(MAGIC)
        while place >= 0:
            if place % 4:
                place = buf.find(MAGIC, place + 1)
                continue
            self._write_part(MIDDLE if begin else FIRST, buf[begin:place])
            begin = place + 4
            place = buf.find(MAGIC, begin)
        self._write_part(LAST if begin else WHOLE, buf[begin:])

    def _write_part(self, kind: int, part: bytes) -> None:
        self._file.write(MAGIC + struct.pack("<I", kind << LENGTH_BITS | len(part)) + part + bytes(-len(part) % 4))

    def read(self) -> bytes | None:
        """Return the next record, or None after the last."""
        self._check(False)
        parts: list[bytes] = []
        while True:
            begin = self._file.tell()
            head = self._file.read(8)
            if not head and not parts:
                return None
            if len(head) < 8 or head[:4] != MAGIC:
                raise MXNetError(f"{self.uri!r}, byte {begin}: a record is expected, found {head!r}")
            word = struct.unpack("<I", head[4:])[0]
            kind, length = word >> LENGTH_BITS, word & (1 << LENGTH_BITS) - 1
            if kind not in ((MIDDLE, LAST) if parts else (WHOLE, FIRST)):
                raise MXNetError(f"{self.uri!r}, byte {begin}: a part of kind {kind} does not belong here")
            part = self._file.read(length + -length % 4)
            if len(part) < length + -length % 4:
                raise MXNetError(f"{self.uri!r}, byte {begin}: the file ends within a part of {length} bytes")
            parts.append(part[:length])
            if kind in (WHOLE, LAST):
                return MAGIC.join(parts)


class MXIndexedRecordIO(MXRecordIO):
    """A file of records with a second file that says where each begins.

    Parameters
    ----------
    idx_path : str
        The file of places: lines of a key and a number.
    uri, flag
        As in :class:`MXRecordIO`.
    key_type : type, default int
        What keys are.

    Examples
    --------
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "data")
    >>> writer = MXIndexedRecordIO(path + ".idx", path + ".rec", "w")
    >>> for key in (3, 1, 2):
    ...     writer.write_idx(key, b"record %d" % key)
    >>> writer.close()
    >>> reader = MXIndexedRecordIO(path + ".idx", path + ".rec", "r")
    >>> reader.keys, reader.read_idx(2)
    ([3, 1, 2], b'record 2')
    """

    def __init__(self, idx_path: str | os.PathLike[str], uri: str | os.PathLike[str], flag: str, key_type: Callable[[Any], Any] = int) -> None:
        self.idx_path = os.fspath(idx_path)
        self.idx: dict[Any, int] = {}
        self.keys: list[Any] = []
        self.key_type = key_type
        self.fidx: Any = None
        super().__init__(uri, flag)

    def open(self) -> None:
        """Open both files."""
        super().open()
        self.idx, self.keys = {}, []
        try:
            self.fidx = open(self.idx_path, self.flag)
        except OSError as error:
            self.close()
            raise MXNetError(f"{self.idx_path!r} cannot be opened: {error.strerror}") from error
        if self.writable:
            return
        for number, line in enumerate(self.fidx, 1):
            key, _, place = line.strip().partition("\t")
            try:
                self.idx[self.key_type(key)] = int(place)
            except ValueError as error:
                raise MXNetError(f"{self.idx_path!r}, line {number}: a key and a place are expected, found {line.strip()!r:.80}") from error
            self.keys.append(self.key_type(key))

    def close(self) -> None:
        """Close both files."""
        super().close()
        if self.fidx is not None:
            self.fidx.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "fidx": None}

    def seek(self, idx: Any) -> None:
        """Go to the record of a key, which :meth:`read` then returns."""
        self._check(False)
        if idx not in self.idx:
            raise KeyError(idx)
        self._file.seek(self.idx[idx])

    def tell(self) -> int:
        """Return where the next record will be written."""
        self._check(True)
        return self._file.tell()

    def read_idx(self, idx: Any) -> bytes | None:
        """Return the record of a key."""
        self.seek(idx)
        return self.read()

    def write_idx(self, idx: Any, buf: bytes) -> None:
        """Append a record under a key."""
        key, place = self.key_type(idx), self.tell()
        self.write(buf)
        self.fidx.write(f"{key}\t{place}\n")
        self.idx[key] = place
        self.keys.append(key)


#: What stands before an image in its record: `flag`, `label` (a number, or an array), and the image's number in `id` and `id2`.
IRHeader = namedtuple("IRHeader", ["flag", "label", "id", "id2"])
_HEADER = struct.Struct("<IfQQ")


def pack(header: Any, s: bytes) -> bytes:
    """Make a record of a header and bytes.

    Parameters
    ----------
    header : IRHeader
        `flag` becomes the number of labels; 0 for a label that is a number.
    s : bytes
        The content.

    Examples
    --------
    >>> unpack(pack(IRHeader(0, [1.0, 2.0], 7, 0), b"image"))
    (IRHeader(flag=2, label=array([1., 2.], dtype=float32), id=7, id2=0), b'image')
    """
    header = IRHeader(*header)
    labels = b""
    if isinstance(header.label, numbers.Number):
        header = header._replace(flag=0)
    else:
        label = np.asarray(header.label, dtype=np.float32)
        header = header._replace(flag=label.size, label=0)
        labels = label.tobytes()
    try:
        return _HEADER.pack(*header) + labels + s
    except struct.error as error:
        raise MXNetError(f"pack: {header} cannot be written: {error}") from error


def unpack(s: bytes) -> tuple[Any, bytes]:
    """Return the header and the content of a record that :func:`pack` made."""
    if len(s) < _HEADER.size:
        raise MXNetError(f"unpack: a header has {_HEADER.size} bytes, the record has {len(s)}")
    header, content = IRHeader(*_HEADER.unpack_from(s)), s[_HEADER.size :]
    if header.flag > 0:
        if len(content) < 4 * header.flag:
            raise MXNetError(f"unpack: the record should have {header.flag} labels, after its header there are {len(content)} bytes")
        header = header._replace(label=np.frombuffer(content, np.float32, header.flag))
        content = content[4 * header.flag :]
    return header, content


def _opencv(what: str) -> Any:
    try:
        return importlib.import_module("cv2")
    except ImportError as error:
        raise ImportError(f"{what} needs OpenCV: pip install opencv-python-headless") from error


def unpack_img(s: bytes, iscolor: int = -1) -> tuple[Any, Any]:
    """Return the header of a record, and its image as an array; `iscolor` is OpenCV's flag of ``imdecode``."""
    header, content = unpack(s)
    return header, _opencv("unpack_img").imdecode(np.frombuffer(content, np.uint8), iscolor)


def pack_img(header: Any, img: Any, quality: int = 95, img_fmt: str = ".jpg") -> bytes:
    """Make a record of a header and an image.

    Parameters
    ----------
    header : IRHeader
        As for :func:`pack`.
    img : numpy.ndarray
        The image, with its colours in OpenCV's order.
    quality : int, default 95
        Quality of JPEG (1 to 100), or compression of PNG (0 to 9).
    img_fmt : str, default ".jpg"
        Format, as the ending of a file name.
    """
    cv2 = _opencv("pack_img")
    kinds = {".JPG": cv2.IMWRITE_JPEG_QUALITY, ".JPEG": cv2.IMWRITE_JPEG_QUALITY, ".PNG": cv2.IMWRITE_PNG_COMPRESSION}
    kind = kinds.get(img_fmt.upper())
    done, encoded = cv2.imencode(img_fmt, img, None if kind is None else [kind, quality])
    if not done:
        raise MXNetError(f"pack_img: the image cannot be encoded as {img_fmt!r}")
    return pack(header, encoded.tobytes())
