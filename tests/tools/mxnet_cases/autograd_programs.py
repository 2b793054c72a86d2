"""Short programs about autograd."""

from .ndarray_programs import Programs

START = "x = nd.array([[1.0, 2.0], [3.0, 4.0]])\nx.attach_grad()\n"
PROGRAMS = """
with autograd.record():
    y = (x * x).sum()
y.backward()
r = x.grad
---
with autograd.record():
    y = x * x
y.backward()
r = x.grad
---
with autograd.record():
    y = x * x
y.backward(nd.array([[1, 2], [3, 4]]))
r = x.grad
---
with autograd.record():
    y = x * x
y.backward(nd.array([1, 2]))
r = x.grad
---
with autograd.record():
    y = x * x
y.backward(nd.array([[1, 2], [3, 4]], dtype='float64'))
r = x.grad
---
with autograd.record():
    y = x * 2
y.backward()
y.backward()
r = x.grad
---
with autograd.record():
    y = x * x * x
y.backward(retain_graph=True)
r0 = x.grad.copy()
y.backward()
r1 = x.grad
---
x.attach_grad(grad_req='add')
for i in range(3):
    with autograd.record():
        y = x * 2
    y.backward()
r = x.grad
---
x.attach_grad(grad_req='null')
with autograd.record():
    y = x * 2
y.backward()
r = x.grad
---
w = nd.ones((2, 2))
w.attach_grad(grad_req='null')
with autograd.record():
    y = x * w
y.backward()
r = x.grad
r1 = w.grad
---
y = x * 2
y.backward()
r = x.grad
---
with autograd.record():
    y = nd.ones((2, 2)) * 2
y.backward()
---
with autograd.record():
    y = x * 2
    with autograd.pause():
        z = y * 3
    l = (y + z).sum()
l.backward()
r = x.grad
---
with autograd.record():
    y = x * 2
    z = y.detach() * x
z.backward()
r = x.grad
---
with autograd.record():
    y = nd.BlockGrad(x * 2) * x
y.backward()
r = x.grad
---
with autograd.record():
    y = x * 2
    z = y * y
autograd.backward([y, z])
r = x.grad
---
with autograd.record():
    y = x * 2
    z = y * y
autograd.backward([y, z], [nd.ones((2, 2)), None])
r = x.grad
---
with autograd.record():
    y = x * 2
autograd.backward([y], [])
---
with autograd.record():
    y = x * x * x
g = autograd.grad(y, x)
r = g
r1 = x.grad
---
with autograd.record():
    y = x * x * x
g = autograd.grad(y, [x])
r = g
---
with autograd.record():
    y = x * x * x
    g = autograd.grad(y, [x], create_graph=True, retain_graph=True)[0]
    z = (g * g).sum()
z.backward()
r0 = g
r1 = x.grad
---
with autograd.record():
    y = x * x * x
    g = autograd.grad(y, x, create_graph=True, retain_graph=True)
    h = autograd.grad(g, x, create_graph=True, retain_graph=True)
    z = h.sum()
z.backward()
r0 = h
r1 = x.grad
---
with autograd.record():
    y = nd.sin(x)
    g = autograd.grad(y, x, create_graph=True, retain_graph=True)
g.backward()
r = x.grad
---
w = nd.ones((2, 2))
with autograd.record():
    y = x * w
g = autograd.grad(y, w)
---
with autograd.record():
    y = x * 2
g = autograd.grad(y, x, head_grads=nd.array([[1, 2], [3, 4]]))
r = g
---
r0 = autograd.is_recording()
r1 = autograd.is_training()
with autograd.record():
    r2 = autograd.is_recording()
    r3 = autograd.is_training()
    with autograd.pause():
        r4 = autograd.is_recording()
        r5 = autograd.is_training()
    with autograd.predict_mode():
        r6 = autograd.is_recording()
        r7 = autograd.is_training()
with autograd.record(train_mode=False):
    r8 = autograd.is_training()
with autograd.train_mode():
    r9 = autograd.is_recording()
    r10 = autograd.is_training()
with autograd.pause(train_mode=True):
    r11 = autograd.is_training()
---
r0 = autograd.set_recording(True)
r1 = autograd.set_recording(False)
r2 = autograd.set_training(True)
r3 = autograd.set_training(False)
---
with autograd.record():
    x += 1
r = x
---
with autograd.record():
    x *= 2
    y = x * x
y.backward()
r = x.grad
---
with autograd.record():
    y = x * 2
    y += 1
    z = y * y
z.backward()
r = x.grad
---
with autograd.record():
    y = x * 2
    y *= x
y.backward()
r = x.grad
---
with autograd.record():
    y = x * 2
    nd.exp(y, out=y)
r = y
---
with autograd.record():
    y = x * 2
x[:] = 0
y.backward()
r = x.grad
---
with autograd.record():
    y = x * x
x[:] = 0
y.backward()
r = x.grad
---
with autograd.record():
    y = x[0] * 3
y.backward()
r = x.grad
---
with autograd.record():
    y = x.reshape((4,)) * nd.arange(4)
y.backward()
r = x.grad
---
with autograd.record():
    y = x.T
    z = nd.dot(x, y)
z.backward()
r = x.grad
---
with autograd.record():
    a, b = nd.split(x, 2, axis=1)
    y = a * 3
y.backward()
r = x.grad
---
with autograd.record():
    parts = nd.split(x, 2, axis=1)
    y = parts[0] * parts[1]
y.backward()
r = x.grad
---
with autograd.record():
    y = nd.concat(x, x * 2, dim=0)
y.backward(nd.arange(8).reshape((4, 2)))
r = x.grad
---
with autograd.record():
    y = x.astype('float64') * 2
y.backward()
r = x.grad
r1 = y
---
w = nd.array([1, 2], dtype='int32')
w.attach_grad()
with autograd.record():
    y = w * 2
y.backward()
r = w.grad
---
w = nd.array([1, 2], dtype='float64')
w.attach_grad()
with autograd.record():
    y = w * 2
y.backward()
r = w.grad
---
with autograd.record():
    y = x.as_in_context(mx.cpu(1)) * 2
y.backward()
r = x.grad
---
with autograd.record():
    y = x.copy() * 2
y.backward()
r = x.grad
---
with autograd.record():
    y = nd.zeros((2, 2))
    x.copyto(y)
    z = y * 2
z.backward()
r = x.grad
---
with autograd.record():
    y = x * 2
    z = y.copyto(nd.zeros((2, 2)))
    l = z * z
l.backward()
r = x.grad
---
g = nd.zeros((2, 2))
autograd.mark_variables(x, g)
with autograd.record():
    y = x * 3
y.backward()
r = g
---
g = nd.zeros((2, 2))
autograd.mark_variables([x], [g], 'add')
for i in range(2):
    with autograd.record():
        y = x * 3
    y.backward()
r = g
---
with autograd.record():
    y = x * 2
y.attach_grad()
with autograd.record():
    z = y * y
z.backward()
r0 = x.grad
r1 = y.grad
---
with autograd.record():
    y = x * 2
    y.attach_grad()
    z = y * y
z.backward()
r0 = x.grad
r1 = y.grad
---
class Sigmoid(autograd.Function):
    def forward(self, x):
        y = 1 / (1 + nd.exp(-x))
        self.save_for_backward(y)
        return y
    def backward(self, dy):
        y, = self.saved_tensors
        return dy * y * (1 - y)
with autograd.record():
    y = Sigmoid()(x)
    z = y * 2
z.backward()
r0 = y
r1 = x.grad
---
class Two(autograd.Function):
    def forward(self, a, b):
        return a * b, a + b
    def backward(self, da, db):
        return da * 2, db * 3
w = nd.ones((2, 2))
w.attach_grad()
with autograd.record():
    p, q = Two()(x, w)
    z = p + 2 * q
z.backward()
r0 = x.grad
r1 = w.grad
---
class Bad(autograd.Function):
    def forward(self, a):
        return a * 2
    def backward(self, da):
        return da, da
with autograd.record():
    y = Bad()(x)
y.backward()
r = x.grad
---
with autograd.record():
    y = x * 2
    z = nd.argmax(y, axis=1)
z.backward()
r = x.grad
---
with autograd.record():
    y = x > 2
y.backward()
r = x.grad
---
with autograd.record():
    y = nd.Dropout(x, p=0.5)
with autograd.predict_mode():
    r = nd.Dropout(x, p=0.5)
r1 = nd.Dropout(x, p=0.5)
---
with autograd.record(train_mode=False):
    r = nd.Dropout(x, p=0.5)
---
with autograd.record():
    y = nd.norm(x)
y.backward()
r = x.grad
---
with autograd.record():
    y = nd.where(x > 2, x, x * 0)
y.backward()
r = x.grad
---
with autograd.record():
    y = nd.sum(x * x, axis=0)
    z = y[0] + y[1] * 2
z.backward()
r = x.grad
---
with autograd.record():
    y = x
    for i in range(50):
        y = y * 1.01
y.backward()
r = x.grad
---
with autograd.record():
    y = x + x + x
y.backward()
r = x.grad
---
with autograd.record():
    y = x * x
r0 = x._fresh_grad
y.backward()
r1 = x._fresh_grad
x._fresh_grad = False
r2 = x._fresh_grad
---
x.grad[:] = 5
with autograd.record():
    y = x * x
y.backward()
r = x.grad
---
g = x.grad
with autograd.record():
    y = x * x
y.backward()
r = g
---
with autograd.record():
    y = x * x
y.backward(train_mode=False)
r = x.grad
---
y = nd.ones((2,))
y.backward()
---
with autograd.record():
    y = x * 2
    y[0, 0] = 100
    z = y * y
z.backward()
r = x.grad
r1 = y
---
with autograd.record():
    y = nd.exp(x)
    l = nd.sum(y)
r0 = l
l.backward()
r = x.grad
x.attach_grad()
r1 = x.grad
---
x2 = x.detach()
x2.attach_grad()
with autograd.record():
    y = x * x2
y.backward()
r0 = x.grad
r1 = x2.grad
---
with autograd.record():
    y = x ** 2 + 2 ** x - x / 2 + 2 / x - 1 - (3 - x) + x % 2
y.backward()
r = x.grad
---
with autograd.record():
    y = nd.maximum(x, 2) + nd.minimum(x, 3) + abs(-x)
y.backward()
r = x.grad
---
with autograd.record():
    y = nd.SoftmaxOutput(x, nd.array([0, 1]))
y.backward()
r = x.grad
---
with autograd.record():
    y = nd.LinearRegressionOutput(x, nd.ones((2, 2))) * 1
y.backward()
r = x.grad
---
w = nd.ones((3, 2))
b = nd.zeros((3,))
w.attach_grad()
b.attach_grad()
with autograd.record():
    y = nd.FullyConnected(x, w, b, num_hidden=3)
    l = nd.softmax_cross_entropy(y, nd.array([0, 2]))
l.backward()
r0 = x.grad
r1 = w.grad
r2 = b.grad
---
mean, var = nd.zeros((2,)), nd.ones((2,))
gamma, beta = nd.ones((2,)), nd.zeros((2,))
with autograd.record():
    y = nd.BatchNorm(x, gamma, beta, mean, var, fix_gamma=False, momentum=0.5)
y.backward()
r0 = mean
r1 = var
r2 = y
---
mean, var = nd.zeros((2,)), nd.ones((2,))
gamma, beta = nd.ones((2,)), nd.zeros((2,))
r0 = nd.BatchNorm(x, gamma, beta, mean, var)
r1 = mean
---
r = autograd.get_symbol(x) is not None
---
with autograd.record():
    y = x * 2
r = type(autograd.get_symbol(y)).__name__
---
class Scale(mx.operator.CustomOp):
    def forward(self, is_train, req, in_data, out_data, aux):
        self.assign(out_data[0], req[0], in_data[0] * 3)
    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.assign(in_grad[0], req[0], out_grad[0] * 30)
@mx.operator.register("scale_by_three")
class ScaleProp(mx.operator.CustomOpProp):
    def __init__(self):
        super().__init__(need_top_grad=True)
    def list_arguments(self):
        return ['data']
    def list_outputs(self):
        return ['output']
    def infer_shape(self, in_shape):
        return in_shape, [in_shape[0]], []
    def create_operator(self, ctx, shapes, dtypes):
        return Scale()
with autograd.record():
    y = nd.Custom(x, op_type='scale_by_three')
y.backward()
r0 = y
r1 = x.grad
"""


def autograd():
    f = Programs("autograd")
    for number, code in enumerate(PROGRAMS.split("---\n")):
        f.program("%02d" % number, START + code.strip("\n"))
    return f
