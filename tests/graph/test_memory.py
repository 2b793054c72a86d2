"""Memory plans: places in the arena, lifetimes, sharing."""

import itertools
import random
import xml.etree.ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.frontend.graph.ir import Graph, Node
from weft.frontend.graph.memory import assign_offsets, lower_bound, plan_memory
from weft.ops import registry
from weft.ops.array import spec
from weft.ops.context import Context
from weft.ops.errors import MXNetError

ALIGNMENT = 64


def aligned(size):
    return -(-size // ALIGNMENT) * ALIGNMENT


def check_placement(sizes, starts, ends, offsets, total):
    """Alive together, apart in bytes; everything inside of the arena."""
    alive = []
    for k in sorted(range(len(sizes)), key=lambda k: starts[k]):
        assert offsets[k] % ALIGNMENT == 0 and offsets[k] >= 0
        assert offsets[k] + sizes[k] <= total
        if sizes[k] == 0 or starts[k] == ends[k]:
            continue
        alive = [j for j in alive if ends[j] > starts[k]]
        for j in alive:
            assert offsets[k] + sizes[k] <= offsets[j] or offsets[j] + sizes[j] <= offsets[k], (j, k)
        alive.append(k)
    assert total >= lower_bound(sizes, starts, ends)


def smallest(sizes, starts, ends):
    """The smallest possible total, by trying all orders, each tensor as low as it goes."""
    n, best = len(sizes), sum(map(aligned, sizes))
    for order in itertools.permutations(range(n)):
        placed, total = [], 0
        for k in order:
            low = 0
            for offset, j in sorted(placed):
                if starts[j] < ends[k] and starts[k] < ends[j]:
                    if offset >= low + aligned(sizes[k]):
                        break
                    low = max(low, offset + aligned(sizes[j]))
            placed.append((low, k))
            total = max(total, low + aligned(sizes[k]))
        best = min(best, total)
    return best


tensors = st.tuples(st.integers(0, 2000), st.integers(-20, 20), st.integers(0, 12))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(tensors, max_size=60))
def test_tensors_alive_together_lie_apart(items):
    sizes = [size for size, _, _ in items]
    starts = [start for _, start, _ in items]
    ends = [start + length for _, start, length in items]
    offsets, total = assign_offsets(sizes, starts, ends)
    check_placement(sizes, starts, ends, offsets, total)
    assert (offsets, total) == assign_offsets(sizes, starts, ends)  # the same every time


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 5), st.integers(1, 4)), min_size=1, max_size=5))
def test_few_tensors_are_placed_optimally(items):
    sizes = [size * ALIGNMENT for size, _, _ in items]
    starts = [start for _, start, _ in items]
    ends = [start + length for _, start, length in items]
    assert assign_offsets(sizes, starts, ends)[1] == smallest(sizes, starts, ends)


@pytest.mark.parametrize("count", [20, 100, 300, 1000, 5000])
@pytest.mark.parametrize("life", [3, 30, None])
def test_near_the_lower_bound(count, life):
    rng = random.Random(count)
    starts = [rng.randrange(count) for _ in range(count)]
    ends = [start + rng.randint(1, life or count) for start in starts]
    sizes = [rng.randint(1, 1000) * ALIGNMENT for _ in range(count)]
    offsets, total = assign_offsets(sizes, starts, ends)
    check_placement(sizes, starts, ends, offsets, total)
    assert total <= 1.05 * lower_bound(sizes, starts, ends)


def test_as_in_training():
    # Activations that die in the reverse order, and gradients that live for two steps.
    rng = random.Random(3)
    n = 2000
    sizes = [rng.randint(1, 1000) * ALIGNMENT for _ in range(n)]
    starts, ends = list(range(n)) + list(range(n, 2 * n)), [2 * n - k for k in range(n)] + list(range(n + 2, 2 * n + 2))
    sizes += sizes[::-1]
    offsets, total = assign_offsets(sizes, starts, ends)
    check_placement(sizes, starts, ends, offsets, total)
    assert total <= 1.001 * lower_bound(sizes, starts, ends)


def test_many_tensors():
    n = 100_000
    rng = random.Random(4)
    sizes = [rng.randint(0, 1000) for _ in range(n)]
    ends = [k + rng.randint(1, 4) for k in range(n)]
    offsets, total = assign_offsets(sizes, range(n), ends)
    check_placement(sizes, range(n), ends, offsets, total)


def test_nothing_and_empty():
    assert assign_offsets([], [], []) == ([], 0)
    assert assign_offsets([0, 0], [0, 0], [1, 1]) == ([0, 0], 0)
    offsets, total = assign_offsets([100, 64], [0, 3], [0, 5])  # the first never lives, but may be written
    assert offsets == [0, 0] and total == 128


@pytest.mark.parametrize(
    "arguments, words",
    [
        (([1], [0, 1], [2]), "one length"),
        (([1], [0], []), "one length"),
        (([4, -1], [0, 0], [1, 1]), r"sizes\[1\] must not be negative, got -1"),
        (([4], [3], [2]), r"ends\[0\] must not be before starts\[0\], got 2 and 3"),
    ],
)
def test_bad_tensors(arguments, words):
    with pytest.raises(ValueError, match=words):
        assign_offsets(*arguments)


def test_tensors_of_no_number():
    with pytest.raises(TypeError):
        assign_offsets(["a"], [0], [1])


# ---- plans of graphs ---------------------------------------------------------------------------------------------------


class Builder:
    """Builds small graphs with shapes."""

    def __init__(self):
        self.count = 0

    def variable(self, shape, name=None, dtype="float32"):
        self.count += 1
        node = Node(None, None, name or f"v{self.count}")
        node.specs = (spec(shape, dtype),)
        return (node, 0)

    def call(self, name, *inputs, **attrs):
        self.count += 1
        op = registry.get(name)
        if op.variadic:
            attrs.setdefault(op.count_param, len(inputs))
        values = op.attrs(attrs)
        node = Node(op, values, f"{name}{self.count}", inputs)
        given = [source.specs[index] for source, index in inputs]
        shapes, dtypes = op.infer(values, [item.shape for item in given], [item.dtype for item in given])
        node.specs = tuple(spec(tuple(shape), dtype) for shape, dtype in zip(shapes, dtypes))
        return (node, 0)


def planned(*outputs, external=True, **options):
    graph = Graph.from_entries(outputs)
    plan = plan_memory(graph, graph.outputs if external else (), **options)
    by_name = {node.name: node for node in graph.nodes}
    return graph, plan, by_name


def test_chain_in_place():
    b = Builder()
    value = b.variable((100,))
    for name in ("exp", "sin", "cos", "exp"):
        value = b.call(name, value)
    graph, plan, _ = planned(value)
    exp, sin, cos = graph.nodes[1:4]
    assert plan.offsets == {(exp, 0): 0, (sin, 0): 0, (cos, 0): 0}  # the head is external
    assert plan.shared == {(sin, 0): (exp, 0), (cos, 0): (sin, 0)}
    assert (plan.total, plan.lower_bound, plan.no_reuse) == (448, 400, 1200)
    graph, plan, _ = planned(value, inplace=False)
    assert plan.shared == {} and plan.total == 896


def test_variables_are_not_overwritten():
    b = Builder()
    x = b.variable((10,))
    _, plan, _ = planned(b.call("exp", b.call("exp", x)))
    assert plan.shared == {} and len(plan.offsets) == 1


def test_no_sharing_while_someone_else_reads():
    b = Builder()
    first = b.call("exp", b.variable((10,)))
    second = b.call("sin", first)
    graph, plan, _ = planned(b.call("elemwise_add", b.call("cos", second), first))
    exp, sin, cos = graph.nodes[1:4]
    assert plan.shared == {(cos, 0): (sin, 0)}
    assert plan.offsets[exp, 0] != plan.offsets[sin, 0]


def test_no_sharing_of_other_sizes():
    b = Builder()
    small = b.call("exp", b.variable((1, 10)))
    big = b.call("broadcast_add", small, b.variable((10, 10)))
    _, plan, _ = planned(b.call("exp", big))
    assert plan.shared == {}


def test_an_input_that_is_read_twice():
    b = Builder()
    x = b.variable((4, 4))
    value = b.call("exp", x)
    graph, plan, by_name = planned(b.call("exp", b.call("elemwise_mul", value, value)))
    assert (graph.nodes[2], 0) in plan.shared  # element by element: allowed
    twice = b.call("softmax", value)
    graph, plan, _ = planned(b.call("exp", b.call("_backward_softmax", twice, twice)))
    backward = next(node for node in graph.nodes if node.op is not None and node.op.name == "_backward_softmax")
    assert (backward, 0) not in plan.shared  # the second input is read after the first was overwritten


def test_views_cost_nothing():
    b = Builder()
    x = b.variable((4, 6))
    value = b.call("exp", x)
    view = b.call("Reshape", value, shape=(24,))
    again = b.call("expand_dims", view, axis=0)
    graph, plan, _ = planned(b.call("elemwise_add", b.call("sin", again), b.call("Reshape", value, shape=(1, 24))))
    exp, reshape, expand, sin, second, _ = graph.nodes[1:]
    assert plan.skipped == {reshape, expand, second}
    assert plan.shared == {(reshape, 0): (exp, 0), (expand, 0): (reshape, 0), (second, 0): (exp, 0)}
    assert plan.offsets[exp, 0] == plan.offsets[expand, 0] != plan.offsets[sin, 0]  # exp is still read later
    assert plan.no_reuse == 2 * 96


def test_view_of_a_variable_and_external_view():
    b = Builder()
    view = b.call("Flatten", b.variable((2, 3, 4)))
    graph, plan, _ = planned(view, b.call("exp", b.call("BlockGrad", view)))
    flatten, block = graph.nodes[1:3]
    assert plan.skipped == {block}  # the head has an array of its own and must be filled
    assert plan.shared == {(block, 0): (flatten, 0)} and plan.offsets == {}


def test_view_is_overwritten_only_when_all_are_dead():
    b = Builder()
    value = b.call("exp", b.variable((8,)))
    view = b.call("Reshape", value, shape=(2, 4))
    graph, plan, _ = planned(b.call("elemwise_add", b.call("sin", view), b.call("Reshape", value, shape=(2, 4))))
    sin = graph.nodes[3]
    assert (sin, 0) not in plan.shared
    graph, plan, _ = planned(b.call("exp", b.call("sin", view)))
    assert plan.shared[graph.nodes[3], 0] == (graph.nodes[2], 0)


def test_dropout_in_inference_is_a_view():
    b = Builder()
    value = b.call("Dropout", b.call("exp", b.variable((10,))), p=0.5)
    graph, plan, _ = planned(b.call("exp", value))
    assert plan.skipped == {graph.nodes[2]}
    assert (plan.total, plan.no_reuse) == (64, 40)  # the mask that nobody reads takes nothing


def test_hidden_outputs_live_while_their_node_runs():
    b = Builder()
    x = b.call("exp", b.variable((2, 3, 4, 4)))
    values = [b.variable((3,)) for _ in range(4)]
    value = b.call("BatchNorm", x, *values)
    graph, plan, _ = planned(b.call("exp", value))
    norm = graph.nodes[-2]
    places = {plan.offsets[norm, k] for k in range(3)}
    assert len(places) == 3


def test_what_is_written_twice_is_not_a_view():
    b = Builder()
    x = b.variable((2, 3))
    statistics = [b.call("exp", b.variable((3,))) for _ in range(2)]
    views = [b.call("identity", entry) for entry in statistics]
    plain = [b.variable((3,)) for _ in range(3)]
    value = b.call("_backward_BatchNorm", x, x, *plain, *statistics)
    graph, plan, by_name = planned(b.call("elemwise_add", value, value), *[b.call("exp", view) for view in views])
    assert plan.skipped == set()


def test_unread_inputs_are_not_kept():
    b = Builder()
    value = b.call("exp", b.variable((50,)))
    small = b.call("sum", value)
    zeros = b.call("zeros_like", value)  # looks at the shape only, when exp is dead already
    graph, plan, _ = planned(b.call("broadcast_add", small, b.call("sin", zeros)))
    exp, _, zeros, _ = graph.nodes[1:5]
    assert plan.offsets[exp, 0] == plan.offsets[zeros, 0]
    assert plan.total == 256 + 64


def test_cached_nodes_have_arrays_of_their_own():
    b = Builder()
    packed = b.call("exp", b.variable((10,)))
    packed[0].cached = True
    graph, plan, _ = planned(b.call("exp", b.call("sin", packed)))
    assert (graph.nodes[1], 0) not in plan.offsets and (graph.nodes[2], 0) not in plan.shared


def test_lent_arrays():
    b = Builder()
    value = b.call("exp", b.call("dot", b.variable((4, 4)), b.variable((4, 4))))
    head = b.call("sin", b.call("Reshape", value, shape=(16,)))
    graph = Graph.from_entries([head])
    plan = plan_memory(graph, graph.outputs, lent=graph.outputs)
    dot, exp, reshape, sin = graph.nodes[2:]
    assert plan.shared == {(exp, 0): (dot, 0), (reshape, 0): (exp, 0), (dot, 0): (sin, 0)}
    assert plan.total == 0 and plan.offsets == {} and plan.no_reuse == 128
    # Not where the input is read later as well.
    graph = Graph.from_entries([head, b.call("cos", value)])
    plan = plan_memory(graph, graph.outputs, lent=graph.outputs)
    assert plan.shared[graph.nodes[2], 0] == (graph.nodes[-1], 0)
    assert graph.nodes[4] in plan.skipped
    with pytest.raises(ValueError, match=r"lent: output 0 of node 'exp\d+' is not external"):
        plan_memory(graph, graph.outputs, lent=[(graph.nodes[3], 0)])


def test_parallel_times():
    b = Builder()
    left = b.call("exp", b.call("sin", b.variable((10,))))
    right = b.call("exp", b.call("sin", b.variable((10,))))
    graph, serial, _ = planned(b.call("exp", b.call("elemwise_add", left, right)))
    assert serial.total == 128
    # Both branches at once: [0, 1) sin and sin, [1, 2) exp and exp ...
    level = {"sin": 1, "exp": 2, "elemwise_add": 3}
    times = [(0, 1) if node.op is None else (level[node.op.name], level[node.op.name] + 1) for node in graph.nodes]
    times[-1] = (4, 5)
    plan = plan_memory(graph, graph.outputs, times)
    sins = [node for node in graph.nodes if node.op is not None and node.op.name == "sin"]
    assert plan.offsets[sins[0], 0] != plan.offsets[sins[1], 0]
    # In place where another reader may run at the same time: not allowed.
    value = b.call("exp", b.variable((10,)))
    graph, plan, _ = planned(b.call("elemwise_add", b.call("sin", value), b.call("cos", value)))
    cos = graph.nodes[3]
    assert (cos, 0) in plan.shared
    plan = plan_memory(graph, graph.outputs, [(0, 1), (1, 2), (2, 3), (2, 3), (3, 4)])
    assert plan.shared == {}
    with pytest.raises(ValueError, match="one interval for each of the 5 nodes, got 1"):
        plan_memory(graph, (), [(0, 1)])


def test_one_arena_a_device():
    b = Builder()
    value = b.variable((100,))
    for k in range(6):
        value = b.call("exp", value)
        value[0].context = Context("cpu", k // 2)
    graph, plan, _ = planned(value)
    # What crosses to another device is neither overwritten there nor in its arena.
    assert plan.totals == {Context("cpu", 0): 448, Context("cpu", 1): 448, Context("cpu", 2): 448}
    assert (graph.nodes[3], 0) not in plan.shared


def test_missing_shapes_name_the_node():
    op = registry.get("exp")
    x = Node(None, None, "x")
    x.specs = (spec((2,), "float32"),)
    graph = Graph.from_entries([(Node(op, op.attrs(), "lonely", [(x, 0)]), 0)])
    with pytest.raises(MXNetError, match="'lonely'"):
        plan_memory(graph)
    with pytest.raises(TypeError, match="graph must be a Graph, got int"):
        plan_memory(3)


NAMES = ("exp", "elemwise_add", "Reshape", "BatchNorm", "elemwise_mul", "transpose", "zeros_like", "_copy", "sin", "add_n")


def random_graph(rng, n):
    b = Builder()
    values = [b.variable((4, 6)) for _ in range(2)]
    vectors = [b.variable((6,)) for _ in range(4)]
    recent = lambda: values[max(0, len(values) - 1 - int(rng.expovariate(0.5)))]  # noqa: E731
    for _ in range(n):
        name = rng.choice(NAMES)
        if name in ("elemwise_add", "elemwise_mul"):
            value = b.call(name, recent(), recent())
        elif name == "add_n":
            value = b.call(name, *[recent() for _ in range(rng.randint(1, 4))])
        elif name == "Reshape":
            value = b.call(name, recent(), shape=(4, 6))
        elif name == "BatchNorm":
            value = b.call(name, recent(), *vectors)
        elif name == "transpose":
            value = b.call(name, recent(), axes=(0, 1))
        else:
            value = b.call(name, recent())
        values.append(value)
    return Graph.from_entries([values[-1], rng.choice(values[2:])])


def overwrites(graph, plan, order):
    """Run a graph in an arena of names instead of bytes: whoever reads must find what was written for it."""
    arena = {}

    def cells(entry):
        node, index = entry
        start = plan.offsets[entry]
        return range(start, start + aligned(node.specs[index].nbytes), ALIGNMENT)

    def identity(entry):
        while entry in plan.shared and entry[0] in plan.skipped:
            entry = plan.shared[entry]
        return entry

    for node in order:
        if node.op is None or node in plan.skipped:
            continue
        unread = node.op.unread_inputs(node.attrs)
        for k, entry in enumerate(node.inputs):
            if k not in unread and entry in plan.offsets:
                expected = identity(entry)
                for cell in cells(entry):
                    assert arena[cell] == expected, f"{node.name} reads {entry}, finds {arena[cell]}"
        for index in range(len(node.specs)):
            if (node, index) in plan.offsets:
                for cell in cells((node, index)):
                    arena[cell] = (node, index)


@pytest.mark.parametrize("seed", range(60))
def test_readers_find_what_was_written(seed):
    rng = random.Random(seed)
    graph = random_graph(rng, rng.randint(1, 60))
    plan = plan_memory(graph, graph.outputs)
    overwrites(graph, plan, graph.nodes)
    assert plan.lower_bound <= plan.total <= max(plan.no_reuse * 2, 64 * len(graph.nodes))
    # Every order that fits given times.
    start, times = 0, []
    for _ in graph.nodes:
        times.append((start, start + 1))
        start += rng.random() < 0.5
    depth = {}
    for node in graph.nodes:
        depth[node] = 1 + max([depth[source] for source, _ in node.inputs], default=0)
    levels = [(depth[node], depth[node] + 1) for node in graph.nodes]
    plan = plan_memory(graph, graph.outputs, levels)
    for _ in range(5):
        order = sorted(graph.nodes, key=lambda node: (depth[node], rng.random()))
        overwrites(graph, plan, order)


def test_picture(tmp_path):
    b = Builder()
    value = b.variable((4, 6), "x & <y>")
    for name in ("exp", "transpose", "sin", "transpose"):
        value = b.call(name, value)
    value[0].name = "a<b>&c"
    _, plan, _ = planned(value, external=False)
    path = tmp_path / "arena.svg"
    plan.draw(path)
    root = xml.etree.ElementTree.parse(path).getroot()
    boxes = [item for item in root.iter() if item.tag.endswith("rect")]
    assert len(boxes) == len(plan.tensors()) == 3
    assert any("a<b>&c" in text for text in root.itertext())
    assert "of the lower bound" in repr(plan)
    _, empty, _ = planned(b.variable((2,)))
    empty.draw(path)
    assert empty.summary() == "no intermediate results"
    assert np.isclose(plan.total, sum(plan.totals.values()))
