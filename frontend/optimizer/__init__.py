"""``mx.optimizer``: rules by which gradients change weights.

>>> import weft as mx
>>> optimizer = mx.optimizer.create("sgd", learning_rate=0.1, momentum=0.9, wd=1e-4)
>>> update = mx.optimizer.get_updater(optimizer)
>>> weight, grad = mx.nd.ones((2,)), mx.nd.ones((2,))
>>> update(0, grad, weight)
>>> weight.asnumpy()
array([0.89999, 0.89999], dtype=float32)
"""

from . import contrib, optimizer
from .optimizer import *  # noqa: F403

__all__ = [*optimizer.__all__, "contrib"]
