"""The first program of the README: find the line behind noisy points."""

import weft as mx
from weft import autograd, nd

mx.random.seed(0)
x = nd.random.normal(shape=(64, 3))
y = nd.dot(x, nd.array([[1.0], [-2.0], [0.5]])) + 0.1
w, b = nd.zeros((3, 1)), nd.zeros((1,))
for parameter in (w, b):
    parameter.attach_grad()

for _ in range(200):
    with autograd.record():
        loss = nd.mean(nd.square(nd.dot(x, w) + b - y))
    loss.backward()
    for parameter in (w, b):
        nd.sgd_update(parameter, parameter.grad, lr=0.1, out=parameter)

print(w.asnumpy().ravel().round(3), b.asnumpy().round(3), loss.asscalar() < 1e-4)
