"""Bound graphs: overhead a node, time to bind and to bind again, independent branches, runs between imperative calls.

``python bench/bench_graph.py [overhead] [bind] [again] [branches] [interleaved]``: all of them without arguments. Peers: the
numbers of Taskflow re-running a static graph on this class of machine, from the design.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import nets
from sides import Side, serve

import weft as mx
from weft import engine
from weft.frontend.graph.executor import bind, simple_bind
from weft.frontend.graph.ir import Node
from weft.ops import registry
from weft.ops.cpu.runner import idle_kernel

NODES = 100_000
TARGETS = {"chain": (60, 47), "independent": (90, 74), "random": (230, 218)}


def idle_operator(name="_bench_idle", cost_ns=1.0):
    """Declare an operator whose kernel does nothing."""
    return registry.find(name) or registry.operator(
        name,
        inputs=("*data",),
        shape=lambda attrs, shapes: [(1,)],
        dtype=lambda attrs, dtypes: dtypes[:1],
        cpu=(lambda attrs, ins, outs: idle_kernel(cost_ns),),
    )


def idle_graph(pattern, nodes, op):
    """Return the head of a graph of empty nodes; what nobody reads goes to one last node."""
    rng = random.Random(1)
    made = [Node(None, None, "x")]
    used = set()
    for number in range(nodes):
        if pattern == "chain":
            sources = [made[-1]]
        elif pattern == "independent":
            sources = made[:1]
        else:
            sources = rng.sample(made[-64:], min(len(made), rng.randint(1, 4)))
        used.update(sources)
        made.append(Node(op, op.attrs(num_args=len(sources)), f"n{number}", [(source, 0) for source in sources]))
    sinks = [node for node in made if node not in used]
    return [(Node(op, op.attrs(num_args=len(sinks)), "end", [(node, 0) for node in sinks]), 0)]


def timed(run, repeats):
    """Return the times of some calls, in seconds."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return times


def overhead():
    """Empty nodes: the time of a run for each."""
    op = idle_operator()
    os.environ["WEFT_GRAPH_PASSES"] = "none"  # they would find that all these nodes compute the same
    print(f"{NODES} empty nodes, {engine.settings()['cores']} cores, ns a node: median (best)")
    print(f"{'pattern':12} {'in order':>16} {'spread':>18} {'target':>8} {'Taskflow':>9}")
    for pattern, (target, peer) in TARGETS.items():
        executor = bind(idle_graph(pattern, NODES, op), mx.cpu(), {"x": mx.nd.ones((1,))})

        def run(executor=executor):
            executor.forward()[0].wait_to_read()

        run()
        serial = [seconds / NODES * 1e9 for seconds in timed(run, 15)]
        program = executor._get(False, False).program
        program.set_spread(True)
        run()
        spread = [seconds / NODES * 1e9 for seconds in timed(run, 5)]
        print(
            f"{pattern:12} {statistics.median(serial):9.1f} ({min(serial):5.1f}) {statistics.median(spread):9.0f} "
            f"({min(spread):5.0f}) {target:8} {peer:9}"
        )
    del os.environ["WEFT_GRAPH_PASSES"]


def layered(nodes):
    """Return a network of about so many small nodes, variables included."""
    x = mx.sym.Variable("data")
    for number in range(nodes // 6):
        y = mx.sym.FullyConnected(x, num_hidden=4, name=f"fc{number}")
        y = mx.sym.Activation(y, act_type="tanh", name=f"act{number}")
        x = mx.sym.broadcast_add(x, y * 0.5, name=f"add{number}")
    return x


def binding():
    """Time from a symbol to the end of the first run, for graphs ten times apart; medians of five."""
    print("binding, seconds until the first run is pushed (nodes of the symbol, variables included), and of the processor:")
    for train in (False, True):
        times = []
        for nodes in (10_000, 100_000):
            symbol = layered(nodes)
            count = len(symbol.get_internals().list_outputs())
            rounds = []
            for _ in range(5):
                begin, spent = time.perf_counter(), time.process_time()
                executor = simple_bind(symbol, mx.cpu(), "write" if train else "null", data=(2, 4))
                bound = time.perf_counter() - begin
                executor.forward(is_train=train)
                rounds.append((time.perf_counter() - begin, time.process_time() - spent, bound))
                executor.outputs[0].wait_to_read()
                del executor  # before the clock starts again
            seconds, spent, bound = (statistics.median(parts) for parts in zip(*rounds))
            times.append(seconds)
            mode = "training" if train else "inference"
            print(f"  {mode:10} {count:8} nodes: {seconds:6.2f} s (simple_bind {bound:.2f}), processor {spent:.2f} s")
        print(f"  ratio {times[1] / times[0]:.1f} (target: 2 s, ratio about 10)")


def binding_again():
    """Networks bound to arrays that exist, as programs do that bind for every call: the first time, and then."""
    print("bind and compile, ms: the first time, and the median of the next 20:")
    for title, (symbol, shapes) in {"LeNet": nets.lenet(mx, 1), "ResNet-18": nets.resnet(mx, 18, 1, 32, 10)}.items():
        for train in (False, True):
            arrays = simple_bind(symbol, mx.cpu(), "write", **shapes)

            def once(arrays=arrays, symbol=symbol, train=train):
                grads = arrays.grad_arrays if train else None
                request = "write" if train else "null"
                executor = symbol.bind(mx.cpu(), arrays.arg_arrays, grads, request, arrays.aux_arrays)
                executor._get(train, train)

            first, *others = [seconds * 1e3 for seconds in timed(once, 21)]
            print(f"  {title:10} {'training' if train else 'inference':10} {first:7.2f} {statistics.median(others):7.2f}")


def two_branches(size, depth):
    """Return two chains of products that meet at the end."""
    ends = []
    x = mx.sym.Variable("x")
    for branch in "ab":
        value = x
        for number in range(depth):
            value = mx.sym.dot(value, mx.sym.Variable(f"{branch}{number}"))
        ends.append(value)
    return ends[0] + ends[1]


def one_branch(size, depth):
    """Answer with the seconds that one of the branches takes on one core, runs of it one after the other."""
    engine.configure(cores=1)
    symbol = two_branches(size, depth).get_children()[0]
    executor = simple_bind(symbol, mx.cpu(), "null", **dict.fromkeys(symbol.list_arguments(), (size, size)))
    times = timed(lambda: executor.forward()[0].wait_to_read(), 8)
    return [statistics.median(times[2:])]


def branches():
    """Two branches of products: one after the other on one core, and on all cores in both ways.

    The ways take turns, and what counts is the median of the rounds' ratios: the host's speed changes from second to
    second. How much two cores can give at that time is told by two processes of one core, a branch in each.
    """
    cores = engine.settings()["cores"]
    for size, depth in ((512, 8), (256, 16), (96, 32)):
        symbol = two_branches(size, depth)
        shapes = dict.fromkeys(symbol.list_arguments(), (size, size))
        runs = {}
        for way, count, spread in (("all cores each", cores, False), ("one core each", cores, True), ("one core", 1, False)):
            engine.configure(cores=count)
            executor = simple_bind(symbol, mx.cpu(), "null", **shapes)
            executor.forward()[0].wait_to_read()
            executor._get(False, False).program.set_spread(spread)
            runs[way] = (count, lambda executor=executor: executor.forward()[0].wait_to_read())
        rounds = []
        for _ in range(21):
            seconds = {}
            for way, (count, run) in runs.items():
                engine.configure(cores=count)
                seconds[way] = min(timed(run, 4)[1:])
            rounds.append(seconds)
        engine.configure(cores=cores)
        parts = []
        for way in runs:
            ratio = statistics.median(seconds["one core"] / seconds[way] for seconds in rounds)
            parts.append(f"{way} {statistics.median(seconds[way] for seconds in rounds) * 1e3:.2f} ms ({ratio:.2f}x)")
        limit = two_processes(size, depth)
        print(f"two branches of {depth} products {size}x{size}: {', '.join(parts)}; two processes {limit:.2f}x; target 1.8x")


def two_processes(size, depth):
    """Return how much faster two processes of one core do a branch each at once than one after the other."""
    sides = [Side(f"branch{number}", sys.executable, __file__) for number in range(2)]
    ratios = []
    with ThreadPoolExecutor(2) as pool:
        for _ in range(7):
            alone = [side.ask(size, depth)[0] for side in sides]
            together = list(pool.map(lambda side: side.ask(size, depth)[0], sides))
            ratios.append(sum(alone) / max(together))
    for side in sides:
        side.close()
    return statistics.median(ratios)


def interleaved():
    """Runs of a graph between imperative calls on its arrays: nothing waits in between."""
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=256, name="fc")
    executor = simple_bind(net, mx.cpu(), "null", data=(64, 256))
    data, output = executor.arg_dict["data"], executor.outputs[0]
    other = mx.nd.ones((64, 256))

    def graph():
        for _ in range(200):
            executor.forward()
        output.wait_to_read()

    def imperative():
        for _ in range(200):
            data[:] = other
            other + 1
        data.wait_to_read()

    def both():
        for _ in range(200):
            data[:] = other
            executor.forward()
            output + 1
        output.wait_to_read()

    alone, calls, mixed = (min(timed(run, 5)) / 200 * 1e6 for run in (graph, imperative, both))
    print(f"interleaved: forward {alone:.1f} us, two imperative calls {calls:.1f} us, all three in turn {mixed:.1f} us a round")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(one_branch)
        sys.exit()
    parts = {"overhead": overhead, "bind": binding, "again": binding_again, "branches": branches, "interleaved": interleaved}
    for part in sys.argv[1:] or parts:
        parts[part]()
