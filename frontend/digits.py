"""The main job: a small convolutional net that learns handwritten digits, written twice.

Once with nd and autograd alone (:class:`Net`), once declared as a symbol and trained through Module (:func:`network`,
:func:`fit_module`). Both are ordinary MXNet programs, to be read as examples; ``weft train digits`` runs them.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import autograd
from . import ndarray as nd
from . import random as mxrandom
from .ndarray import NDArray

if TYPE_CHECKING:
    from .module import Module
    from .symbol import Symbol

__all__ = ["Digits", "Net", "accuracy", "fit_module", "load_digits", "network", "train_epoch"]

DATA = pathlib.Path(__file__).parent / "data" / "digits.npz"
#: Every image whose number in the file is a multiple of this is held out (360 of 1797), the others are learned from.
HELD_OUT = 5


class Digits(NamedTuple):
    """Images of shape (n, 1, 8, 8) with values from 0 to 1, and their labels."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load_digits() -> Digits:
    """Load the UCI handwritten digits that come with weft (see docs/digits.md for source and licence).

    Examples
    --------
    >>> digits = load_digits()
    >>> digits.train_images.shape, digits.test_labels.shape
    ((1437, 1, 8, 8), (360,))
    """
    with np.load(DATA, allow_pickle=False) as data:
        images = data["images"].astype(np.float32)[:, None] / 16
        labels = data["labels"].astype(np.float32)
    held_out = np.arange(len(labels)) % HELD_OUT == 0
    return Digits(images[~held_out], labels[~held_out], images[held_out], labels[held_out])


class Net:
    """Three convolutions and a classifier, with their parameters and Adam's two moments of each.

    Parameters
    ----------
    learning_rate : float
        Step size of Adam.
    """

    SHAPES = {
        "conv1_weight": (16, 1, 3, 3),
        "conv1_bias": (16,),
        "conv2_weight": (32, 16, 3, 3),
        "conv2_bias": (32,),
        "conv3_weight": (64, 32, 3, 3),
        "conv3_bias": (64,),
        "dense_weight": (10, 256),
        "dense_bias": (10,),
    }

    def __init__(self, learning_rate: float = 2e-3) -> None:
        self.learning_rate = learning_rate
        self.steps = 0
        self.parameters = {name: self._initial(name, shape) for name, shape in self.SHAPES.items()}
        self.moments = {name: (nd.zeros_like(p), nd.zeros_like(p)) for name, p in self.parameters.items()}

    @staticmethod
    def _initial(name: str, shape: tuple[int, ...]) -> NDArray:
        if name.endswith("bias"):
            value = nd.zeros(shape)
        else:
            fan_in = int(np.prod(shape[1:]))
            value = nd.random.normal(0, float(np.sqrt(2 / fan_in)), shape=shape)
        value.attach_grad()
        return value

    def __call__(self, images: NDArray) -> NDArray:
        """Scores of the ten classes."""
        p = self.parameters
        x = nd.Convolution(images, p["conv1_weight"], p["conv1_bias"], kernel=(3, 3), pad=(1, 1), num_filter=16)
        x = nd.relu(x)
        x = nd.Convolution(x, p["conv2_weight"], p["conv2_bias"], kernel=(3, 3), pad=(1, 1), num_filter=32)
        x = nd.Pooling(nd.relu(x), kernel=(2, 2), stride=(2, 2), pool_type="max")
        x = nd.Convolution(x, p["conv3_weight"], p["conv3_bias"], kernel=(3, 3), pad=(1, 1), num_filter=64)
        x = nd.Pooling(nd.relu(x), kernel=(2, 2), stride=(2, 2), pool_type="max")
        x = nd.Dropout(x, p=0.25)
        return nd.FullyConnected(x, p["dense_weight"], p["dense_bias"], num_hidden=10)

    def step(self, images: NDArray, labels: NDArray) -> NDArray:
        """Learn from one batch, and return the loss of each image."""
        with autograd.record():
            loss = -nd.pick(nd.log_softmax(self(images)), labels)
        loss.backward()
        self._update(1 / len(labels))
        return loss

    def _update(self, scale: float) -> None:
        self.steps += 1
        # The moments start at zero: this undoes their bias, as in Adam's paper.
        rate = self.learning_rate * float(np.sqrt(1 - 0.999**self.steps)) / (1 - 0.9**self.steps)
        for name, parameter in self.parameters.items():
            mean, variance = self.moments[name]
            nd.adam_update(parameter, parameter.grad, mean, variance, lr=rate, rescale_grad=scale, out=parameter)


def train_epoch(net: Net, images: np.ndarray, labels: np.ndarray, batch_size: int, order: np.random.Generator) -> Iterator[NDArray]:
    """Learn from every image once, in random order; yields the loss of each batch, which nobody has waited for yet."""
    permutation = order.permutation(len(labels))
    for start in range(0, len(labels), batch_size):
        chosen = permutation[start : start + batch_size]
        yield net.step(nd.array(images[chosen]), nd.array(labels[chosen]))


def accuracy(net: Net, images: np.ndarray, labels: np.ndarray, batch_size: int = 256) -> float:
    """Share of images whose highest score is the label's."""
    right = 0
    for start in range(0, len(labels), batch_size):
        scores = net(nd.array(images[start : start + batch_size]))
        found = nd.argmax(scores, axis=1).asnumpy()
        right += int((found == labels[start : start + batch_size]).sum())
    return right / len(labels)


def network() -> Symbol:
    """Declare the same net as a symbol, with the loss at its end.

    Examples
    --------
    >>> arguments, outputs, _ = network().infer_shape(data=(32, 1, 8, 8))
    >>> outputs
    [(32, 10)]
    """
    from . import symbol as sym

    x = sym.Convolution(sym.Variable("data"), kernel=(3, 3), pad=(1, 1), num_filter=16, name="conv1")
    x = sym.relu(x)
    x = sym.Convolution(x, kernel=(3, 3), pad=(1, 1), num_filter=32, name="conv2")
    x = sym.Pooling(sym.relu(x), kernel=(2, 2), stride=(2, 2), pool_type="max")
    x = sym.Convolution(x, kernel=(3, 3), pad=(1, 1), num_filter=64, name="conv3")
    x = sym.Pooling(sym.relu(x), kernel=(2, 2), stride=(2, 2), pool_type="max")
    x = sym.FullyConnected(sym.Dropout(x, p=0.25), num_hidden=10, name="dense")
    return sym.SoftmaxOutput(x, name="softmax")


def fit_module(data: Digits, epochs: int, batch_size: int, learning_rate: float = 2e-3, **callbacks: Any) -> Module:
    """Train :func:`network` through Module on the bound executor, and return the module.

    Parameters
    ----------
    data : Digits
        What to learn, and what to score after each epoch.
    epochs, batch_size : int
        How often every image is learned from, and images a step.
    learning_rate : float
        Step size of Adam; it falls to a tenth.
    **callbacks : callable
        Callbacks of :meth:`weft.mod.BaseModule.fit`.
    """
    from .initializer import Xavier
    from .io import NDArrayIter
    from .lr_scheduler import PolyScheduler
    from .module import Module

    train = NDArrayIter(data.train_images, data.train_labels, batch_size, shuffle=True)
    held_out = NDArrayIter(data.test_images, data.test_labels, batch_size)
    steps = epochs * -(-train.num_data // batch_size)
    schedule = PolyScheduler(steps, base_lr=learning_rate, pwr=1, final_lr=learning_rate / 10)
    module = Module(network())
    module.fit(
        train,
        eval_data=held_out,
        eval_metric=["acc", "ce"],
        validation_metric="acc",
        optimizer="adam",
        optimizer_params={"learning_rate": learning_rate, "lr_scheduler": schedule},
        initializer=Xavier(rnd_type="gaussian", factor_type="in", magnitude=2),
        num_epoch=epochs,
        **callbacks,
    )
    return module


def module_accuracy(module: Module, data: Digits, batch_size: int = 256) -> float:
    """Share of held-out images that a module gets right."""
    from .io import NDArrayIter

    scores = module.predict(NDArrayIter(data.test_images, batch_size=batch_size))
    return float((nd.argmax(scores, axis=1).asnumpy() == data.test_labels).mean())


def seed_everything(seed: int) -> np.random.Generator:
    """Seed weft's generators and NumPy's, which shuffles in iterators, and make one more to shuffle with."""
    mxrandom.seed(seed)
    np.random.seed(seed % 2**32)
    return np.random.default_rng(seed)
