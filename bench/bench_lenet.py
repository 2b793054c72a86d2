"""Training LeNet imperatively: weft beside PyTorch eager, interleaved in one run.

Two convolutions with pooling and two dense layers, batches of 64, SGD with momentum, written with ``nd`` and ``autograd``::

    python bench/bench_lenet.py --steps 20 --peer-python /path/to/an/environment/with/torch/bin/python
"""

from __future__ import annotations

import numpy as np
from training import compare, weft_loop, weft_state

SHAPES = [(20, 1, 5, 5), (20,), (50, 20, 5, 5), (50,), (500, 800), (500,), (10, 500), (10,)]
BATCH = 64
BATCHES = 8
RATE, MOMENTUM = 0.01, 0.9


def make_data():
    """Return batches of images and labels, and initial parameters, the same for both sides."""
    rng = np.random.default_rng(0)
    images = rng.random((BATCHES, BATCH, 1, 28, 28), dtype=np.float32)
    labels = rng.integers(0, 10, (BATCHES, BATCH))
    return images, labels, [(rng.standard_normal(shape) * 0.05).astype(np.float32) for shape in SHAPES]


def weft_trainer():
    """Return a function that runs a number of training steps and returns the last loss."""
    from weft import nd

    batches, parameters, momenta = weft_state(*make_data())
    w1, b1, w2, b2, w3, b3, w4, b4 = parameters

    def features(x):
        h = nd.tanh(nd.Convolution(x, w1, b1, kernel=(5, 5), num_filter=20))
        h = nd.Pooling(h, pool_type="max", kernel=(2, 2), stride=(2, 2))
        h = nd.tanh(nd.Convolution(h, w2, b2, kernel=(5, 5), num_filter=50))
        return nd.Pooling(h, pool_type="max", kernel=(2, 2), stride=(2, 2))

    def scores(x):
        h = nd.tanh(nd.FullyConnected(features(x), w3, b3, num_hidden=500))
        return nd.FullyConnected(h, w4, b4, num_hidden=10)

    return weft_loop(batches, parameters, momenta, scores, RATE, MOMENTUM)


def torch_trainer():
    """Do as weft_trainer, in PyTorch eager."""
    import torch
    from torch.nn import functional

    images, labels, values = make_data()
    batches = [(torch.tensor(x), torch.tensor(y)) for x, y in zip(images, labels)]
    parameters = [torch.tensor(value, requires_grad=True) for value in values]
    optimizer = torch.optim.SGD(parameters, lr=RATE, momentum=MOMENTUM)
    w1, b1, w2, b2, w3, b3, w4, b4 = parameters

    def features(x):
        h = functional.max_pool2d(torch.tanh(functional.conv2d(x, w1, b1)), 2)
        return functional.max_pool2d(torch.tanh(functional.conv2d(h, w2, b2)), 2)

    def run(steps):
        for i in range(steps):
            x, y = batches[i % BATCHES]
            optimizer.zero_grad()
            h = torch.tanh(functional.linear(features(x).flatten(1), w3, b3))
            loss = functional.cross_entropy(functional.linear(h, w4, b4), y)
            loss.backward()
            optimizer.step()
        return loss.item()

    return run


TRAINERS = {"weft": weft_trainer, "torch": torch_trainer}

if __name__ == "__main__":
    compare(__file__, TRAINERS, BATCH, __doc__.splitlines()[0])
