"""Networks through Module: a training step and inference, weft beside MXNet 1.9.1 and PyTorch (eager and compiled).

MLP, LeNet, ResNet-18, ResNet-50 and an LSTM of 35 steps. weft and MXNet run the same lines (`Module` over `nets.py`), every side in a
process of its own, in turn::

    WEFT_BENCH_TORCH_PYTHON=/path/with/torch/bin/python WEFT_BENCH_MXNET_PYTHON=/path/with/mxnet/bin/python python bench/bench_nets.py --nets LeNet
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

import numpy as np
from sides import Side, serve

# batch, steps of a measurement
SIZES = {"MLP": (64, 200), "LeNet": (64, 20), "ResNet-18": (8, 1), "ResNet-50": (4, 1), "LSTM, 35 steps": (32, 2)}
RATE, MOMENTUM = 0.01, 0.9
TRAIN, INFER = 0, 1


def module_runner(name, mx):
    """Return ``run(kind, steps)`` for a bound Module: the same lines for weft and MXNet."""
    from nets import NETS

    symbol, shapes = NETS[name](mx, batch=SIZES[name][0])
    labels = [item for item in shapes.items() if item[0] == "softmax_label"]
    data = [item for item in shapes.items() if item[0] != "softmax_label"]
    module = mx.mod.Module(symbol, data_names=[k for k, _ in data], label_names=["softmax_label"], context=mx.cpu())
    module.bind(data_shapes=data, label_shapes=labels)
    module.init_params(mx.init.Xavier())
    module.init_optimizer(optimizer="sgd", optimizer_params={"learning_rate": RATE, "momentum": MOMENTUM})
    rng = np.random.default_rng(0)
    arrays = [mx.nd.array(rng.random(shape)) for _, shape in data]
    batch = mx.io.DataBatch(arrays, [mx.nd.array(rng.integers(0, 10, shape)) for _, shape in labels])

    # For inference a module of its own, bound for nothing else, as `Module.predict` is used.
    reader = mx.mod.Module(symbol, data_names=[k for k, _ in data], label_names=["softmax_label"], context=mx.cpu())
    reader.bind(data_shapes=data, label_shapes=labels, for_training=False)
    reader.init_params(mx.init.Xavier())

    def run(kind, steps):
        for _ in range(steps):
            if kind == TRAIN:
                module.forward_backward(batch)
                module.update()
            else:
                reader.forward(batch, is_train=False)
                reader.get_outputs()[0].wait_to_read()
        mx.nd.waitall()

    return run


def executor_runner(name, mx):
    """Do as module_runner with a bound executor: Module wants one batch size, and the LSTM has a label for each step."""
    from nets import NETS

    symbol, shapes = NETS[name](mx, batch=SIZES[name][0])
    rng = np.random.default_rng(0)
    needs = {key: "null" if key in shapes else "write" for key in symbol.list_arguments()}
    trained = symbol.simple_bind(mx.cpu(), grad_req=needs, **shapes)
    reader = symbol.simple_bind(mx.cpu(), grad_req="null", **shapes)
    for executor in (trained, reader):
        for key, array in executor.arg_dict.items():
            values = rng.integers(0, 10, array.shape) if key in ("data", "softmax_label") else rng.uniform(-0.1, 0.1, array.shape)
            array[:] = mx.nd.array(values)
    momenta = {key: mx.nd.zeros(array.shape) for key, array in trained.grad_dict.items() if array is not None}

    def run(kind, steps):
        for _ in range(steps):
            if kind == TRAIN:
                trained.forward(is_train=True)
                trained.backward()
                for key, momentum in momenta.items():
                    weight = trained.arg_dict[key]
                    mx.nd.sgd_mom_update(weight, trained.grad_dict[key], momentum, lr=RATE, momentum=MOMENTUM, out=weight)
            else:
                reader.forward(is_train=False)
                reader.outputs[0].wait_to_read()
        mx.nd.waitall()

    return run


def torch_net(name):
    """Return the network in PyTorch, an input and its labels."""
    import torch
    from torch import nn

    batch = SIZES[name][0]

    class Block(nn.Module):
        def __init__(self, channels, filters, stride, deep):
            super().__init__()
            out = filters * 4 if deep else filters
            if deep:
                shapes = ((channels, filters, 1, 1), (filters, filters, 3, stride), (filters, out, 1, 1))
            else:
                shapes = ((channels, filters, 3, stride), (filters, filters, 3, 1))
            parts = []
            for i, o, k, s in shapes:
                parts += [nn.Conv2d(i, o, k, s, k // 2, bias=False), nn.BatchNorm2d(o), nn.ReLU()]
            self.body = nn.Sequential(*parts[:-1])
            self.short = nn.Identity()
            if stride > 1 or channels != out:
                self.short = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

        def forward(self, x):
            return torch.relu(self.body(x) + self.short(x))

    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.lstm, self.classes = nn.Embedding(10000, 200), nn.LSTM(200, 200, 2, batch_first=True), nn.Linear(200, 10000)

        def forward(self, x):
            return self.classes(self.lstm(self.embed(x))[0].reshape(-1, 200))

    if name.startswith("LSTM"):
        return Words(), torch.randint(0, 10, (batch, 35)), torch.randint(0, 10, (batch * 35,))
    labels = torch.randint(0, 10, (batch,))
    if name == "MLP":
        net = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
        return net, torch.rand(batch, 784), labels
    if name == "LeNet":
        features = [nn.Conv2d(1, 20, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.Tanh(), nn.MaxPool2d(2)]
        return (
            nn.Sequential(*features, nn.Flatten(), nn.Linear(800, 500), nn.Tanh(), nn.Linear(500, 10)),
            torch.rand(batch, 1, 28, 28),
            labels,
        )
    deep = name == "ResNet-50"
    parts = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for stage, count in enumerate((3, 4, 6, 3) if deep else (2, 2, 2, 2)):
        for k in range(count):
            parts.append(Block(channels, 64 << stage, 2 if stage and not k else 1, deep))
            channels = (64 << stage) * (4 if deep else 1)
    net = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))
    return net, torch.rand(batch, 3, 224, 224), labels


def torch_runner(name, compiled):
    """Do as module_runner, in PyTorch."""
    import torch
    from torch.nn import functional

    net, x, y = torch_net(name)
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM)
    call = torch.compile(net) if compiled else net

    def run(kind, steps):
        net.train(kind == TRAIN)
        for _ in range(steps):
            if kind == TRAIN:
                optimizer.zero_grad()
                functional.cross_entropy(call(x), y).backward()
                optimizer.step()
            else:
                with torch.no_grad():
                    call(x)

    return run


def make_runner(side, name):
    """Return the runner of a side."""
    if side.startswith("torch"):
        return torch_runner(name, side == "torch-compiled")
    if side == "mxnet":
        import mxnet as mx
    else:
        import weft as mx
    return executor_runner(name, mx) if name.startswith("LSTM") else module_runner(name, mx)


def answer_with(side, name):
    """Return what answers (kind, steps) with the seconds that they took."""
    run = make_runner(side, name)

    def answer(kind, steps):
        begin = time.perf_counter()
        run(kind, steps)
        return [time.perf_counter() - begin]

    for kind in (TRAIN, INFER):
        run(kind, 2)
    return answer


def measure(name, pythons, rounds):
    """Print milliseconds a step of every side, and how many times faster weft is."""
    steps = SIZES[name][1]
    sides = [Side(side, python, os.path.abspath(__file__), {**os.environ, "WEFT_BENCH_NET": name}) for side, python in pythons.items()]
    times = {(side.name, kind): [] for side in sides for kind in (TRAIN, INFER)}
    for side in list(sides):  # set-up and compilation are not part of the measurement
        try:
            side.ask(INFER, 1)
        except (RuntimeError, BrokenPipeError) as error:
            print(f"{name:16} {side.name}: does not run here ({error})")
            sides.remove(side)
    for _ in range(rounds):
        for kind in (TRAIN, INFER):
            for side in sides:
                times[side.name, kind].append(side.ask(kind, steps)[0] / steps * 1e3)
    for side in sides:
        side.close()
    for kind, label in ((TRAIN, "training step"), (INFER, "inference")):
        ours = times["weft", kind]
        line = f"{name:16} {label:14} weft {statistics.median(ours):9.2f} ms"
        for side in sides[1:]:
            theirs = times[side.name, kind]
            ratio = statistics.median(b / a for a, b in zip(ours, theirs))
            line += f" | {side.name} {statistics.median(theirs):9.2f} ms, weft is {ratio:.2f} times as fast"
        print(line, flush=True)


def main():
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", nargs="*", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--torch-python", default=os.environ.get("WEFT_BENCH_TORCH_PYTHON"))
    parser.add_argument("--mxnet-python", default=os.environ.get("WEFT_BENCH_MXNET_PYTHON"))
    parser.add_argument("--compiled", action="store_true", help="torch.compile too (needs a C++ compiler)")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(answer_with(options.serve, os.environ["WEFT_BENCH_NET"]))
        return
    pythons = {"weft": sys.executable}
    if options.mxnet_python:
        pythons["mxnet"] = options.mxnet_python
    if options.torch_python:
        pythons["torch"] = options.torch_python
        if options.compiled:
            pythons["torch-compiled"] = options.torch_python
    for name in options.nets:
        measure(name, pythons, options.rounds)


if __name__ == "__main__":
    main()
