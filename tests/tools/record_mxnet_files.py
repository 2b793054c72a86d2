"""Write ``.params`` files with the real MXNet 1.9.1, or by hand for the versions that it
only reads, and store what it reads from them. See ``record_mxnet.py`` for how to run.

The files go to ``tests/data/mxnet/params``, what MXNet read to ``tests/data/mxnet/files.*``.
A damaged file is expected to raise; it stands with ``"error"``.
"""

import os
import struct
import subprocess
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import mxnet_data  # noqa: E402  (needs the path above)

FOLDER = os.path.join(mxnet_data.DATA_DIR, "params")
CODES = {"float32": 0, "float64": 1, "float16": 2, "uint8": 3, "int32": 4, "int8": 5, "int64": 6, "bool": 7}


def listing(records, names):
    out = struct.pack("<QQQ", 0x112, 0, len(records)) + b"".join(records)
    out += struct.pack("<Q", len(names))
    for name in names:
        out += struct.pack("<Q", len(name.encode())) + name.encode()
    return out


def oldest(a, device=1):
    return struct.pack("<I%dI" % a.ndim, a.ndim, *a.shape) + struct.pack("<iii", device, 0, CODES[a.dtype.name]) + a.tobytes()


def shape64(shape):
    return struct.pack("<i%dq" % len(shape), len(shape), *shape)


def v1(a, device=1):
    return struct.pack("<I", 0xF993FAC8) + shape64(a.shape) + struct.pack("<iii", device, 0, CODES[a.dtype.name]) + a.tobytes()


def v2(a, device=1, magic=0xF993FAC9):
    return (struct.pack("<Ii", magic, 0) + shape64(a.shape)
            + struct.pack("<iii", device, 0, CODES[a.dtype.name]) + a.tobytes())


def write_all():
    import mxnet as mx
    nd = mx.nd
    os.makedirs(FOLDER, exist_ok=True)

    def path(name):
        return os.path.join(FOLDER, name)

    def put(name, content):
        with open(path(name), "wb") as f:
            f.write(content)

    a = np.arange(6, dtype="float32").reshape(2, 3)
    b = np.array([1, -2, 3], "int32")
    nd.save(path("real_list.params"), [nd.array(a), nd.array(b, dtype="int32")])
    nd.save(path("real_single.params"), nd.array(a))
    nd.save(path("real_dict.params"), {"arg:weight": nd.array(a), "aux:mean": nd.array(b, dtype="int32"), "ünï": nd.array([1.5])})
    nd.save(path("real_dtypes.params"), {d: nd.array([0, 1, 3], dtype=d) for d in CODES})
    nd.save(path("real_empty_list.params"), [])
    nd.save(path("real_cpu1.params"), [nd.array(a, ctx=mx.cpu(1))])
    nd.save(path("real_row_sparse.params"), {"w": mx.nd.sparse.row_sparse_array((a, [1, 3]), shape=(5, 3))})
    nd.save(path("real_csr.params"), {"w": mx.nd.sparse.csr_matrix(np.array([[0, 1, 0], [2, 0, 3]], "float32"))})
    put("hand_v1.params", listing([v1(a), v1(b)], ["a", "b"]))
    put("hand_v1_list.params", listing([v1(a.astype("float16"))], []))
    put("hand_oldest.params", listing([oldest(a), oldest(b)], ["a", "b"]))
    put("hand_oldest_mixed.params", listing([oldest(a), v1(b), v2(a * 2)], []))
    put("hand_gpu.params", listing([v2(a, device=2)], ["a"]))
    put("hand_pinned.params", listing([v2(a, device=3)], ["a"]))
    put("hand_same_names.params", listing([v2(a), v2(b)], ["a", "a"]))
    # damaged ones
    good = listing([v2(a)], ["a"])
    put("bad_empty.params", b"")
    put("bad_magic.params", struct.pack("<Q", 0x113) + good[8:])
    for n in (4, 20, 30, 50, len(good) - 1, len(good) - 10, len(good) - 20):
        put("bad_cut_%d.params" % n, good[:n])
    put("bad_names.params", listing([v2(a)], ["a", "b"]))
    put("bad_dtype.params", listing([v2(a)[:36] + struct.pack("<i", 99) + v2(a)[40:]], ["a"]))
    put("bad_storage.params", listing([struct.pack("<Ii", 0xF993FAC9, 9) + v2(a)[8:]], ["a"]))
    put("bad_text.params", b"this is not a parameter file at all, but a text that is long enough")


def write_np():
    """Files with NumPy shape semantics (version 3)."""
    import mxnet as mx
    mx.npx.set_np()
    mx.npx.save(os.path.join(FOLDER, "real_v3.params"), {
        "a": mx.np.arange(6).reshape(2, 3), "scalar": mx.np.array(2.5), "empty": mx.np.zeros((0, 3)), "flag": mx.np.array([True, False])})


def read(name, numpy_mode):
    """What MXNet reads, in a process of its own: damaged files may kill it."""
    code = """
import sys, pickle, warnings
warnings.filterwarnings("ignore")
import mxnet as mx
def content(v):
    try:
        return [v.asnumpy(), getattr(v, "stype", "default")]
    except Exception:  # an array without content ("none")
        return [None, "none"]
if %r: mx.npx.set_np()
try:
    got = (mx.npx.load if %r else mx.nd.load)(%r)
    if isinstance(got, dict):
        out = ("dict", [[k] + content(v) for k, v in got.items()])
    else:
        out = ("list", [[""] + content(v) for v in got])
except Exception as e:
    out = ("error", type(e).__name__, str(e)[:160])
sys.stdout.buffer.write(pickle.dumps(out))
sys.stdout.flush()
import os; os._exit(0)
""" % (numpy_mode, numpy_mode, os.path.join(FOLDER, name))
    p = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120)
    import pickle
    return pickle.loads(p.stdout) if p.returncode == 0 else ("crash",)


def main():
    if sys.argv[1:] == ["--np"]:
        write_np()
        os._exit(0)
    write_all()
    subprocess.run([sys.executable, os.path.abspath(__file__), "--np"], check=True)
    store, cases = mxnet_data.ArrayStore(), []
    for name in sorted(os.listdir(FOLDER)):
        got = read(name, "v3" in name)
        case = {"id": name}
        if got[0] == "error":
            case["error"] = list(got[1:])
        elif got[0] == "crash":
            case["error"] = ["crash", ""]
        else:
            case["kind"] = got[0]
            case["arrays"] = [[k, mxnet_data.encode(v, store), s] for k, v, s in got[1]]
        print(name, got[0], got[1:] if got[0] == "error" else "")
        cases.append(case)
    mxnet_data.save("files", cases, store)
    os._exit(0)


if __name__ == "__main__":
    main()
