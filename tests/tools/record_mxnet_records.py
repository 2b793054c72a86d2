"""Write RecordIO files with the real MXNet 1.9.1 for ``tests/test_recordio.py``. See ``record_mxnet.py`` for how to run."""

import json
import os
import struct

import mxnet as mx
import numpy as np

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "mxnet", "records")
MAGIC = struct.pack("<I", 0xCED7230A)


def contents():
    gen = np.random.RandomState(5)
    found = [gen.bytes(length) for length in range(10)]
    found += [MAGIC, b"abcd" + MAGIC, b"abc" + MAGIC, MAGIC + MAGIC, b"abcdefgh" + MAGIC + b"ij" + MAGIC + b"kl" + MAGIC, MAGIC * 3 + b"x"]
    return found


if __name__ == "__main__":
    os.makedirs(FOLDER, exist_ok=True)
    os.chdir(FOLDER)
    writer = mx.recordio.MXRecordIO("plain.rec", "w")
    for record in contents():
        writer.write(record)
    writer.close()
    writer = mx.recordio.MXIndexedRecordIO("indexed.idx", "indexed.rec", "w")
    for key, record in enumerate(contents()):
        writer.write_idx(key * 3, mx.recordio.pack(mx.recordio.IRHeader(0, float(key) if key % 2 else [key, 0.5], key, 2**40), record))
    writer.close()
    reader = mx.recordio.MXRecordIO("plain.rec", "r")
    assert list(iter(reader.read, None)) == contents()
    packed = [[label, mx.recordio.pack(mx.recordio.IRHeader(9, label, 7, 1), b"abc").hex()] for label in (2.5, [1, 2, 3], [], [0.25])]
    with open("answers.json", "w") as f:
        json.dump({"packed": packed}, f)
