"""Ask the real MXNet 1.9.1 and store its answers in ``tests/data/mxnet``.

Only needed when cases are added; the tests read the stored answers. MXNet needs an
environment of its own::

    python3.11 -m venv /tmp/mxnet-env
    /tmp/mxnet-env/bin/pip install "numpy<1.24" mxnet==1.9.1
    /tmp/mxnet-env/bin/python tests/tools/record_mxnet.py            # every family
    /tmp/mxnet-env/bin/python tests/tools/record_mxnet.py reduce nn  # some of them

Every case runs twice, with the freed memory overwritten in between. Where the answers
differ (MXNet read memory that nothing wrote) or MXNet crashes, the case is left out and
listed at the end.
"""

import importlib
import os
import pickle
import subprocess
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MXNET_ENGINE_TYPE", "NaiveEngine")

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import mxnet_data  # noqa: E402  (needs the path above)
import numpy as np  # noqa: E402

FAMILIES = {
    "unary": "elementwise", "binary": "elementwise", "scalar": "elementwise",
    "reduce": "reduce", "ordering": "reduce",
    "shape": "shape", "indexing": "indexing", "linalg": "linalg",
    "optimizer": "optimizer", "nn": "nn", "loss": "loss", "sequence": "loss",
    "creation": "creation", "random": "creation", "contrib": "contrib", "errors": "errors",
    "ndarray": "ndarray_programs", "indexing_programs": "ndarray_programs",
    "autograd": "autograd_programs", "control": "control_programs",
    "io": "io_programs", "kvstore": "io_programs", "module": "module_programs",
    "trajectories": "training_programs", "schedules": "training_programs", "metrics": "training_programs",
    "initializers": "training_programs", "drawings": "drawing_programs", "helpers": "ndarray_programs",
    "rnn": "rnn_programs", "api": "api_programs", "bound": "bound_programs",
    "contrib_programs": "contrib_programs",
    "operators": "operator_programs",
}


def cases_of(family):
    module = importlib.import_module("mxnet_cases." + FAMILIES[family])
    return getattr(module, family)().cases


def worker(family, start, path):
    """Answer the cases from `start` on; append each answer to the file at once."""
    import mxnet as mx
    from mxnet_cases import answers

    with open(path, "ab") as out:
        for number, case in enumerate(cases_of(family)[start:], start):
            first = answers.answer(mx, case)
            answers.scramble(mx)
            second = answers.answer(mx, case)
            stable = pickle.dumps(first) == pickle.dumps(second) or answers.same(first, second)
            pickle.dump((number, first, stable), out)
            out.flush()
    os._exit(0)  # MXNet may hang in its own clean-up after errors


def record(family):
    cases = cases_of(family)
    answers, unstable, crashed = {}, [], []
    start = 0
    while start < len(cases):
        with tempfile.NamedTemporaryFile(delete=False) as f:
            path = f.name
        try:
            subprocess.run([sys.executable, os.path.abspath(__file__), "--worker", family,
                            str(start), path], timeout=900, stderr=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            pass
        with open(path, "rb") as f:
            while True:
                try:
                    number, result, stable = pickle.load(f)
                except EOFError:
                    break
                start = number + 1
                if stable:
                    answers[number] = result
                else:
                    unstable.append(cases[number]["id"])
        os.unlink(path)
        if start < len(cases):
            crashed.append(cases[start]["id"])
            start += 1
    store = mxnet_data.ArrayStore()
    stored = []
    for number, result in sorted(answers.items()):
        case = dict(cases[number])
        case.update(result)
        stored.append({k: mxnet_data.encode(v, store) if k not in ("kwargs", "results") else
                       {n: mxnet_data.encode(w, store) for n, w in v.items()}
                       for k, v in case.items() if v is not None})
    mxnet_data.save(family, stored, store)
    errors = sum("error" in c for c in stored)
    size = sum(os.path.getsize(os.path.join(mxnet_data.DATA_DIR, family + e))
               for e in (".json", ".npz"))
    print("%-18s %5d cases, %4d of them errors, %4d KB; unstable: %s; crashed: %s" % (
        family, len(stored), errors, size // 1024, unstable, crashed), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        assert np.lib.NumpyVersion(np.__version__) < "1.24.0", "MXNet 1.9.1 needs numpy<1.24"
        for name in sys.argv[1:] or FAMILIES:
            record(name)
