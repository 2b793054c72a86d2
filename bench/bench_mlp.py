"""Training a multilayer perceptron imperatively: weft beside PyTorch eager, interleaved in one run.

784-256-128-10, batches of 64, SGD with momentum, written with ``nd`` and ``autograd`` alone::

    python bench/bench_mlp.py --peer-python /path/to/an/environment/with/torch/bin/python

``WEFT_BENCH_TORCH_PYTHON`` names the peer's interpreter too. Without one, weft alone is measured.
"""

from __future__ import annotations

import numpy as np
from training import compare, weft_loop, weft_state

SIZES = (784, 256, 128, 10)
BATCH = 64
BATCHES = 16
RATE, MOMENTUM = 0.001, 0.9


def make_data():
    """Return batches of images and labels, and initial parameters, the same for both sides."""
    rng = np.random.default_rng(0)
    images = rng.random((BATCHES, BATCH, SIZES[0]), dtype=np.float32)
    labels = rng.integers(0, SIZES[-1], (BATCHES, BATCH))
    parameters = []
    for fan_in, fan_out in zip(SIZES, SIZES[1:]):
        parameters.append((rng.standard_normal((fan_out, fan_in)) / np.sqrt(fan_in)).astype(np.float32))
        parameters.append(np.zeros(fan_out, np.float32))
    return images, labels, parameters


def weft_trainer():
    """Return a function that runs a number of training steps and returns the last loss."""
    from weft import nd

    batches, parameters, momenta = weft_state(*make_data())
    w1, b1, w2, b2, w3, b3 = parameters

    def scores(x):
        h = nd.relu(nd.FullyConnected(x, w1, b1, num_hidden=SIZES[1]))
        h = nd.relu(nd.FullyConnected(h, w2, b2, num_hidden=SIZES[2]))
        return nd.FullyConnected(h, w3, b3, num_hidden=SIZES[3])

    return weft_loop(batches, parameters, momenta, scores, RATE, MOMENTUM)


def torch_trainer():
    """Do as weft_trainer, in PyTorch eager."""
    import torch
    from torch import nn

    images, labels, values = make_data()
    batches = [(torch.tensor(x), torch.tensor(y)) for x, y in zip(images, labels)]
    layers = [nn.Linear(fan_in, fan_out) for fan_in, fan_out in zip(SIZES, SIZES[1:])]
    net = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), values):
            parameter.copy_(torch.tensor(value))
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM)
    criterion = nn.CrossEntropyLoss()

    def run(steps):
        for i in range(steps):
            x, y = batches[i % BATCHES]
            optimizer.zero_grad()
            loss = criterion(net(x), y)
            loss.backward()
            optimizer.step()
        return loss.item()

    return run


TRAINERS = {"weft": weft_trainer, "torch": torch_trainer}


if __name__ == "__main__":
    compare(__file__, TRAINERS, BATCH, __doc__.splitlines()[0])
