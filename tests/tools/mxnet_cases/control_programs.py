"""Short programs: control flow, custom operators, and other things that take Python functions."""

from .ndarray_programs import Programs

START = "x = nd.array([[1.0, 2.0], [3.0, 4.0]])\nx.attach_grad()\n"
PROGRAMS = """
out, state = nd.contrib.foreach(lambda d, s: (d + s, s * 2), nd.arange(6).reshape((3, 2)), nd.ones((2,)))
r0 = out
r1 = state
---
out, state = nd.contrib.foreach(lambda d, s: ([d + s[0], d * 2], [s[0] * 2, s[1] + d]), nd.arange(6).reshape((3, 2)), [nd.ones((2,)), nd.zeros((2,))])
r0 = out
r1 = state
---
out, state = nd.contrib.foreach(lambda d, s: (d[0] * d[1], s), [nd.arange(3), nd.arange(3)], [])
r0 = out
r1 = state
---
with autograd.record():
    out, state = nd.contrib.foreach(lambda d, s: (d * s, s + d), x, nd.ones((2,)))
    l = out.sum() + state.sum()
l.backward()
r0 = x.grad
r1 = out
---
out, state = nd.contrib.while_loop(lambda i, s: i <= 5, lambda i, s: ([i + s], [i + 1, s + i]), (nd.array([0]), nd.array([1])), max_iterations=10)
r0 = out
r1 = state
---
out, state = nd.contrib.while_loop(lambda i: i < 3, lambda i: (i * 2, i + 1), nd.array([0.0]), max_iterations=3)
r0 = out
r1 = state
---
out, state = nd.contrib.while_loop(lambda i: i < 0, lambda i: (i * 2, i + 1), nd.array([5.0]), max_iterations=3)
r0 = state
---
nd.contrib.while_loop(lambda i: i < 3, lambda i: (i * 2, i + 1), nd.array([0.0]))
---
nd.contrib.while_loop(lambda i: nd.array([1, 2]), lambda i: (i * 2, i + 1), nd.array([0.0]), max_iterations=2)
---
with autograd.record():
    out, state = nd.contrib.while_loop(lambda i, s: i < 2, lambda i, s: (s * x, [i + 1, s * 2]), (nd.array([0.0]), nd.ones((2, 2))), max_iterations=4)
    l = out[0:2].sum()
l.backward()
r = x.grad
---
r0 = nd.contrib.cond(nd.array([1.0]) < nd.array([2.0]), lambda: nd.ones((2,)), lambda: nd.zeros((2,)))
r1 = nd.contrib.cond(nd.array([3.0]) < nd.array([2.0]), lambda: [nd.ones((2,)), nd.ones((1,))], lambda: [nd.zeros((2,)), nd.zeros((1,))])
---
with autograd.record():
    y = nd.contrib.cond(x.sum() > 3, lambda: x * 2, lambda: x * 5)
y.backward()
r = x.grad
---
with autograd.record():
    y = nd.Custom(x, op_type='twice')
y.backward(nd.array([[1, 2], [3, 4]]))
r0 = y
r1 = x.grad
---
r = nd.Custom(data=x, op_type='twice')
---
x.attach_grad('add')
for i in range(2):
    with autograd.record():
        y = nd.Custom(x, op_type='twice') * x
    y.backward()
r = x.grad
---
r = nd.Custom(x, op_type='scaled', factor=2.5)
---
r = nd.Custom(x, op_type='scaled')
---
with autograd.record():
    a, b = nd.Custom(x, nd.ones((2, 2)), op_type='sum_and_product')
    l = a * 2 + b
l.backward()
r0 = a
r1 = b
r2 = x.grad
---
aux = nd.zeros((2, 2))
with autograd.record():
    y = nd.Custom(x, aux, op_type='counting')
y.backward()
r0 = aux
r1 = y
r2 = x.grad
---
with autograd.record():
    y = nd.Custom(x, op_type='own_loss')
y.backward()
r = x.grad
---
with autograd.record(train_mode=False):
    r0 = nd.Custom(x, op_type='mode')
with autograd.record():
    r1 = nd.Custom(x, op_type='mode')
r2 = nd.Custom(x, op_type='mode')
---
r = nd.Custom(x.astype('int32'), op_type='typed')
---
nd.Custom(x, op_type='there_is_no_such_operator').wait_to_read()
---
nd.Custom(x, x, op_type='twice').wait_to_read()
---
out = nd.zeros((2, 2))
nd.Custom(x, op_type='twice', out=out)
r = out
---
y = nd.Custom(nd.Custom(x, op_type='twice'), op_type='twice')
r = y
---
class F(autograd.Function):
    def __init__(self, k):
        super().__init__()
        self.k = k
    def forward(self, a, b):
        self.save_for_backward(a, b)
        return a * b * self.k
    def backward(self, d):
        a, b = self.saved_tensors
        return d * b * self.k, d * a * self.k
w = nd.full((2, 2), 3)
w.attach_grad()
with autograd.record():
    y = F(2)(x, w) + x
y.backward()
r0 = x.grad
r1 = w.grad
---
class F(autograd.Function):
    def forward(self, a):
        return a.asnumpy().sum() * nd.ones((1,))
    def backward(self, d):
        return nd.ones((2, 2)) * d
with autograd.record():
    y = F()(x * 2)
y.backward()
r = x.grad
---
with mx.engine.bulk(5):
    y = x + 1
    y *= 2
    z = y - x
r = z
---
mx.random.seed(3)
a = nd.random.uniform(shape=(5,)).asnumpy()
mx.random.seed(3)
b = nd.random.uniform(shape=(5,)).asnumpy()
r0 = bool((a == b).all())
r1 = bool((a >= 0).all() and (a < 1).all())
---
r = sorted(nd.random.shuffle(nd.arange(5)).asnumpy().tolist())
---
r0 = nd.random.randint(3, 4, shape=(2,))
r1 = nd.random.uniform(2, 2, shape=(2,))
r2 = nd.random.normal(5, 0, shape=(2,))
---
r = nd.random.multinomial(nd.array([0.0, 1.0, 0.0]), shape=3)
---
r0, r1 = nd.random.multinomial(nd.array([[0.0, 1.0], [1.0, 0.0]]), shape=2, get_prob=True)
"""
PROPS = """
def define(name, op, aux=(), outputs=('output',), arguments=('data',), top=True, shapes=None, **more):
    class Prop(mx.operator.CustomOpProp):
        def __init__(self, factor='3'):
            super().__init__(need_top_grad=top)
            self.factor = float(factor)
        def list_arguments(self):
            return list(arguments)
        def list_outputs(self):
            return list(outputs)
        def list_auxiliary_states(self):
            return list(aux)
        def infer_shape(self, in_shape):
            return in_shape, [in_shape[0]] * len(outputs), [in_shape[0]] * len(aux)
        def infer_type(self, in_type):
            return in_type, [more.get('out_type', in_type[0])] * len(outputs), [in_type[0]] * len(aux)
        def create_operator(self, ctx, in_shapes, in_dtypes):
            return op(self)
    mx.operator.register(name)(Prop)
class Base(mx.operator.CustomOp):
    def __init__(self, prop=None):
        super().__init__()
        self.prop = prop
class Twice(Base):
    def forward(self, is_train, req, in_data, out_data, aux):
        self.assign(out_data[0], req[0], in_data[0] * 2)
    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.assign(in_grad[0], req[0], out_grad[0] * 2)
define('twice', Twice)
class Scaled(Base):
    def forward(self, is_train, req, in_data, out_data, aux):
        self.assign(out_data[0], req[0], in_data[0] * self.prop.factor)
define('scaled', Scaled)
class Both(Base):
    def forward(self, is_train, req, in_data, out_data, aux):
        self.assign(out_data[0], req[0], in_data[0] + in_data[1])
        self.assign(out_data[1], req[1], in_data[0] * in_data[1])
    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.assign(in_grad[0], req[0], out_grad[0] + out_grad[1] * in_data[1])
        self.assign(in_grad[1], req[1], out_grad[0] + out_grad[1] * in_data[0])
define('sum_and_product', Both, outputs=('sum', 'product'), arguments=('a', 'b'))
class Counting(Base):
    def forward(self, is_train, req, in_data, out_data, aux):
        aux[0][:] = aux[0] + 1
        self.assign(out_data[0], req[0], in_data[0] * in_data[0])
    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.assign(in_grad[0], req[0], 2 * in_data[0] * out_grad[0] * aux[0])
define('counting', Counting, aux=('count',))
class OwnLoss(Base):
    def forward(self, is_train, req, in_data, out_data, aux):
        self.assign(out_data[0], req[0], in_data[0])
    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.assign(in_grad[0], req[0], out_data[0] - 1)
define('own_loss', OwnLoss, top=False)
class Mode(Base):
    def forward(self, is_train, req, in_data, out_data, aux):
        self.assign(out_data[0], req[0], in_data[0] * (10 if is_train else 1))
define('mode', Mode)
class Typed(Base):
    def forward(self, is_train, req, in_data, out_data, aux):
        self.assign(out_data[0], req[0], in_data[0].astype('float64') / 2)
define('typed', Typed, out_type=np.float64)
"""


def control():
    f = Programs("control")
    for number, code in enumerate(PROGRAMS.split("---\n")):
        f.program("%02d" % number, (PROPS if "Custom(" in code else "") + START + code.strip("\n"))
    return f
