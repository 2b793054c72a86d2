"""A program as people wrote it for MXNet; run it with ``python -m weft.as_mxnet examples/mxnet_program.py``."""

import mxnet as mx
import numpy as np
from mxnet import autograd, nd

data = nd.array(np.arange(12).reshape(3, 4))
weight = nd.ones((2, 4), ctx=mx.cpu())
weight.attach_grad(grad_req="add")
for _ in range(2):
    with autograd.record():
        out = nd.FullyConnected(data, weight, no_bias=True, num_hidden=2)
        loss = nd.softmax(out, axis=0).sum() + (out * out).mean()
    loss.backward()
print(weight.grad.shape, float(loss.asscalar()) > 0, mx.__version__ >= "1.9.1")
