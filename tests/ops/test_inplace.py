"""Every pair of input and output that a declaration lets share memory, with every kernel: the results are those of separate memory.

The calls are recorded ones of MXNet's answers (and their gradients), in their own size, repeated along the first axis and in other
dtypes, and what the graph passes make of small networks.
"""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
import recorded_calls

import weft as mx
from weft.frontend.graph.gradient import add_gradient, head_gradient_names
from weft.frontend.graph.infer import infer
from weft.frontend.graph.interpret import interpret
from weft.frontend.graph.ir import Graph
from weft.frontend.graph.pipeline import optimize, set_mode
from weft.ops import registry
from weft.ops.array import spec
from weft.ops.cpu.runner import run_kernel
from weft.ops.errors import MXNetError

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import nets

CALLS = {}
for family, case in recorded_calls.calls(most=6):
    if family == "random":  # without inputs
        continue
    CALLS.setdefault(registry.find(case["op"].split(".")[-1]).name, []).append((family, case))

#: Operators whose pairs have been tried.
met = set()


def kernels(op, attrs, ins, outs):
    """Yield a function for each kernel of a call that runs it on NumPy arrays."""
    for builder in op.cpu:
        kernel = builder(attrs, [spec(array.shape, array.dtype) for array in ins], [spec(array.shape, array.dtype) for array in outs])
        if kernel is not None:
            yield lambda inputs, outputs, kernel=kernel: run_kernel(kernel, inputs, outputs, attrs.scalars, seed=5)
    if op.numpy is not None and not op.random:
        yield lambda inputs, outputs: op.numpy(attrs, inputs, outputs)


def choices(op, attrs, ins, outs):
    """Yield sets of pairs that a memory plan may use at once: single ones, and as many as fit."""
    mutated = op.mutated_inputs(attrs)
    pairs = [
        (i, k)
        for i, k in op.inplace_pairs(attrs)
        if i < len(ins) and k < len(outs) and i not in mutated and ins[i].nbytes == outs[k].nbytes > 0
    ]
    yield from ([pair] for pair in pairs)
    together = []
    for i, k in pairs:
        if all(i != other and k != taken for other, taken in together):
            together.append((i, k))
    if len(together) > 1:
        yield together


def check(op, attrs, inputs, whole=True):
    """Compare a call on separate memory with the same call where outputs lie on inputs."""
    ins = [np.ascontiguousarray(array) for array in inputs]
    shapes, dtypes = op.infer(attrs, [array.shape for array in ins], [array.dtype for array in ins])
    outs = [np.zeros(shape, dtype) for shape, dtype in zip(shapes, dtypes)]
    for pairs in choices(op, attrs, ins, outs):
        met.add(op.name)
        # What else is read of the same bytes may be overwritten too, where it is in a pair with the same output.
        (first, output), allowed = pairs[0], set(op.inplace_pairs(attrs))
        twins = [i for i in range(first) if (i, output) in allowed and ins[i].shape == ins[first].shape and ins[i].dtype == ins[first].dtype]
        for twin in [None, *twins] if len(pairs) == 1 else [None]:
            for run in kernels(op, attrs, ins, outs):
                _compare(op, attrs, run, ins, outs, pairs, twin, whole)


def _compare(op, attrs, run, ins, outs, pairs, twin, whole):
    def copies():
        made = [array.copy() for array in ins]
        if twin is not None:
            made[twin] = made[pairs[0][0]]
        return made

    expected = [array.copy() for array in outs]
    with np.errstate(all="ignore"):
        try:
            run(copies(), expected)
        except ValueError:
            if whole:
                raise
            return  # repeated inputs that inference lets pass
        there = copies()
        found = [array.copy() for array in outs]
        for i, k in pairs:
            found[k] = there[i].reshape(-1).view(outs[k].dtype).reshape(outs[k].shape)
        run(there, found)
    for k, (a, b) in enumerate(zip(found, expected)):
        where = f"{op.name}({attrs}) {[(x.shape, x.dtype.name) for x in ins]}, pairs {pairs}, twin {twin}: output {k}"
        assert a.tobytes() == b.tobytes() or np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), where


def check_graph(graph, values):
    """Check every node of a graph on the values that it meets, equal calls once; return them."""
    results, found, seen = {}, [], set()

    def visit(node, _):
        inputs = [results[source][index].asnumpy() for source, index in node.inputs]
        call = (node.op.name, str(node.attrs), *((array.shape, array.dtype) for array in inputs))
        if call in seen:
            return
        seen.add(call)
        found.append((node.op, node.attrs, inputs))
        check(node.op, node.attrs, inputs)

    interpret(graph, values, visit=visit, results=results)
    return found


def head_values(graph):
    """Return gradients of the heads, by the names of their variables."""
    rng = np.random.default_rng(3)
    specs = [node.specs[index] for node, index in graph.outputs]
    return {name: mx.nd.array(rng.standard_normal(s.shape), dtype=s.dtype) for name, s in zip(head_gradient_names(graph), specs)}


def variants(inputs):
    """Yield the inputs of a call larger, and in other dtypes; not all of them fit the operator."""
    floats = [array.dtype == np.float32 for array in inputs]
    for dtype in ("float16", "float64", "int32") if any(floats) else ():
        with np.errstate(all="ignore"):
            yield [array.astype(dtype) if real else array for array, real in zip(inputs, floats)]
    largest = max((array.size for array in inputs), default=0)
    rows = [array.shape[0] if array.ndim else 1 for array in inputs]
    if largest and largest < 10000:
        # Beyond a piece of one core's work; all inputs of one length, or all of them.
        for length, times in itertools.product(sorted(set(rows)), (7, 30000 // largest + 1)):
            yield [np.concatenate([array] * times) if array.ndim and array.shape[0] == length else array for array in inputs]


@pytest.mark.parametrize("name", CALLS)
def test_recorded_calls(name):
    for family, case in CALLS[name]:
        call = recorded_calls.RecordedCall(family, case)
        graph = call.graph()
        values = {f"x{i}": array for i, array in enumerate(call.new_arrays())}
        if call.wanted:
            graph = add_gradient(graph, [f"x{i}" for i in call.wanted])
            values.update(head_values(graph))
        for op, attrs, inputs in check_graph(graph, values):
            for changed in variants(inputs):
                try:
                    op.infer(attrs, [array.shape for array in changed], [array.dtype for array in changed])
                except MXNetError:
                    continue
                check(op, attrs, changed, whole=False)


IMAGE = mx.sym.Variable("data")
SYMBOLS = {
    "BatchNorm_v1": mx.sym.BatchNorm_v1(IMAGE),
    "BatchNormWithReLU": mx.sym.contrib.BatchNormWithReLU(IMAGE),
    "SyncBatchNorm": mx.sym.contrib.SyncBatchNorm(IMAGE, key="a"),
    "normalize": mx.sym.image.normalize(IMAGE, mean=(0.1, 0.2, 0.3), std=(0.5, 0.4, 0.2)),
    "round_ste": mx.sym.contrib.round_ste(IMAGE),
    "sign_ste": mx.sym.contrib.sign_ste(IMAGE),
    "gradientmultiplier": mx.sym.contrib.gradientmultiplier(IMAGE, scalar=0.5),
}


@pytest.mark.parametrize("name", SYMBOLS)
def test_symbols(name):
    graph = infer(set_mode(Graph.from_entries(SYMBOLS[name]._entries), True), {"data": (2, 3, 5, 7)})
    check_training(graph, graph.arguments())


def check_training(graph, arguments, disabled=()):
    rng = np.random.default_rng(4)
    values = {node.name: mx.nd.array(rng.uniform(0.1, 1, node.specs[0].shape)) for node in graph.nodes if node.op is None}
    if graph.train:
        graph = add_gradient(graph, [node.name for node in arguments])
        values.update(head_values(graph))
    check_graph(optimize(graph, disabled), values)


def updates(widths, half, **attrs):
    """Return the input types and parameters of an update of two weights; ``widths``: of weight, gradient, states."""
    kinds = ["float16" if half and k < 2 else "float32" for k in range(widths)] * 2
    return kinds, {"num_weights": 2, **attrs}


RATES = {"lrs": (0.1, 0.2), "wds": (0.01, 0.0)}
ADAM = {**RATES, "etas": (1.0, 0.5)}
LAMB = {"learning_rates": (0.1, 0.2), "wds": (0.01, 0.0), "step_count": (1, 2)}
# The types of inputs of shape (6, 7), or input arrays, and parameters.
DIRECT = {
    "_adamw_update": (["float32"] * 4 + [np.ones(1, "float32")], {"lr": 0.1, "eta": 1.0}),
    "_mp_adamw_update": (["float16"] * 2 + ["float32"] * 3 + [np.ones(1, "float32")], {"lr": 0.1, "eta": 1.0}),
    "_contrib_group_adagrad_update": (["float32"] * 2 + [np.ones((6, 1), "float32")], {"lr": 0.1}),
    "_contrib_index_copy": (["float32", np.array([4, 1], "int32"), np.ones((2, 7), "float32")], {}),
    "_copyto": (["float32"], {}),
    "_fill_like": (["float32"], {"value": 3.5}),
    "_onehot_encode": ([np.arange(6, dtype="float32"), "float32"], {}),
    "_scatter_set_nd": (["float32", np.ones((2, 7), "float32"), np.array([[4, 1]], "int64")], {"shape": (6, 7)}),
    "multi_sgd_update": updates(2, False, **RATES),
    "multi_sgd_mom_update": updates(3, False, momentum=0.9, **RATES),
    "multi_mp_sgd_update": updates(3, True, **RATES),
    "multi_mp_sgd_mom_update": updates(4, True, momentum=0.9, **RATES),
    "_multi_adamw_update": updates(4, False, **ADAM),
    "_multi_mp_adamw_update": updates(5, True, **ADAM),
    "_multi_lamb_update": updates(4, False, **LAMB),
    "_multi_mp_lamb_update": updates(5, True, **LAMB),
    **{
        f"preloaded_{name}": updates(width, half, **more)
        for name, width, half, more in (
            ("multi_sgd_update", 2, False, {}),
            ("multi_sgd_mom_update", 3, False, {"momentum": 0.9}),
            ("multi_mp_sgd_update", 3, True, {}),
            ("multi_mp_sgd_mom_update", 4, True, {"momentum": 0.9}),
        )
    },
}


@pytest.mark.parametrize("name", DIRECT)
def test_direct_calls(name):
    op, rng = registry.get(name), np.random.default_rng(1)
    kinds, attrs = DIRECT[name]
    inputs = [rng.uniform(0.1, 1, (6, 7)).astype(kind) if isinstance(kind, str) else kind for kind in kinds]
    if name.startswith("preloaded"):
        inputs += [np.array(RATES["lrs"], "float32"), np.array(RATES["wds"], "float32")]
    if "adamw" in name and "multi" in name:
        inputs.append(np.ones(1, "float32"))
    parameters = {param.name for param in op.params}
    if "num_tensors" in parameters:
        attrs = {"num_tensors": attrs["num_weights"], **{key: value for key, value in attrs.items() if key != "num_weights"}}
    if op.variadic:
        attrs = {**attrs, op.count_param: len(inputs)}
    check(op, op.attrs(attrs), inputs)


SMALL = {
    "LeNet": {"batch": 2},
    "ResNet-18": {"batch": 1, "image": 32, "classes": 4},
    "LSTM, 35 steps": {"batch": 2, "steps": 2, "words": 12, "width": 8},
}


@pytest.mark.parametrize("disabled", [(), ("layout",)], ids=["blocked", "plain"])
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("name", SMALL)
def test_what_passes_make(name, train, disabled):
    symbol, shapes = nets.NETS[name](mx, **SMALL[name])
    graph = infer(set_mode(Graph.from_entries(symbol._entries), train), shapes)
    check_training(graph, [node for node in graph.arguments() if node.name not in shapes], disabled)


def test_every_declaration_was_met(request):
    """New operators with pairs need a case here; there is nothing to say where only some of the tests above have run."""
    names = {item.name for item in request.session.items if item.path == request.path}
    if len(names) < len(CALLS) + len(SYMBOLS) + len(DIRECT) + 4 * len(SMALL) + 1:
        pytest.skip("only some of the tests are run")
    assert {op.name for op in registry.all_operators() if op.inplace} - met == set()
