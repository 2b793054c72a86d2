"""Ask the real MXNet 1.9.1 about symbols and store its answers in ``tests/data/mxnet/symbols.json.gz``.

Needs two Pythons, as record_mxnet.py says: MXNet's runs this script, weft's (the first argument) lists the operators::

    /tmp/mxnet-env/bin/python tests/tools/record_symbols.py $(which python)
"""

import gzip
import json
import os
import subprocess
import sys
import warnings

warnings.filterwarnings("ignore")
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
PATH = os.path.join(HERE, "..", "data", "mxnet", "symbols.json.gz")

# Sample values for the parameters that an operator requires.
LIST_OPERATORS = """
import json
from weft.frontend.ndarray._namespace import group_of
from weft.ops import params, registry
def sample(param):
    if isinstance(param, params.Enum):
        return param.choices[0]
    if isinstance(param, params.Shape):
        return (2,) * (param.length or 2)
    if isinstance(param, params.Shapes):
        return ((2, 2),)
    if isinstance(param, params.Floats):
        return (1.0,)
    if isinstance(param, params.Axis):
        return 0
    if isinstance(param, params.Dtype):
        return "float32"
    if isinstance(param, params.Int):
        return max(2, param.low or 2)
    if isinstance(param, params.Float):
        return 0.5
    return "a"
found = {}
for op in registry.all_operators():
    for name in op.names:
        if name.startswith(("_backward", "_np", "_contrib_backward")):
            continue
        group, short = group_of(name)
        kwargs = {p.name: sample(p) for p in op.params if p.required and not (op.variadic and p.name == op.count_param)}
        if op.variadic:
            kwargs[op.count_param] = 2
        found[f"{group}.{short}" if group else short] = {**kwargs, "name": "n"}
print(json.dumps(found))
"""


def apart(function, *args):
    """Return what a function returns in a process of its own, or None where that crashes."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, json.dumps(function(*args)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        data = file.read()
    os.waitpid(child, 0)
    return json.loads(data) if data else None


def main():
    import mxnet as mx
    import symbol_cases

    listed = json.loads(subprocess.run([sys.argv[1], "-c", LIST_OPERATORS], check=True, capture_output=True, cwd="/").stdout)
    operators = {}
    for path, kwargs in sorted(listed.items()):
        found = apart(symbol_cases.operator_answer, mx, path, kwargs)
        if found is not None:
            operators[path] = {"kwargs": kwargs, **found}
    programs = {}
    for name, source in symbol_cases.PROGRAMS.items():
        programs[name] = symbol_cases.answer(mx, source)
    # Graph names are counted in one process: a new one each.
    control = {name: apart(symbol_cases.answer, mx, source) for name, source in symbol_cases.CONTROL.items()}
    names = {}
    for group in ("", "contrib", "linalg", "random", "image", "sparse", "op", "_internal"):
        module = getattr(mx.sym, group) if group else mx.sym
        found = [name for name in dir(module) if callable(getattr(module, name)) and not isinstance(getattr(module, name), type)]
        names[group] = [name for name in found if not name.startswith("_") or (group == "_internal" and not name.startswith("__"))]
    names["Symbol"] = [name for name in dir(mx.sym.Symbol) if not name.startswith("_")]
    with gzip.GzipFile(PATH, "wb", mtime=0) as file:
        file.write(json.dumps({"operators": operators, "programs": programs, "control": control, "names": names}, indent=0, sort_keys=True).encode())
    errors = [name for name, found in {**operators, **programs}.items() if "error" in found]
    print(len(operators), "operators,", len(programs), "programs;", len(errors), "of them raise:", " ".join(errors))


main()
