"""Short programs about operators in graphs and calls that a table of inputs and parameters cannot hold."""

from .ndarray_programs import Programs

START = """
import warnings
warnings.simplefilter('ignore')
tu = mx.test_utils
def values(shape, seed=3, dtype='float32'):
    return np.round(np.random.RandomState(seed).uniform(-1, 1, shape) * 64).astype(dtype) / 64
x, y = mx.sym.Variable('x'), mx.sym.Variable('y')
"""
PROGRAMS = """
#np-shape-inference
with mx.np_shape():
    r0 = [mx.sym.exp(x).infer_shape_partial(x=s)[0] for s in ((0, 3), (-1, 3), (2, 3))]
    r1 = mx.sym.exp(x).infer_shape_partial()[0]
    r2 = mx.sym.FullyConnected(x, num_hidden=3, name='fc').infer_shape_partial(x=(-1, 4))[0]
    r3 = mx.sym.concat(x, y, dim=0).infer_shape_partial(x=(-1, 4), y=(2, -1))[1]
    r4 = mx.sym.slice(mx.sym.var('data', shape=(-1, 20)), begin=(2, 3), end=(None, 10), step=(3, 3)).infer_shape_partial()[1]
    r5 = mx.sym.slice_axis(mx.sym.var('data', shape=(10, -1)), axis=1, begin=0, end=5).infer_shape_partial()[1]
    r6 = mx.sym.exp(x).infer_shape(x=(0, 3))[1]
    r7 = mx.sym.exp(x).infer_shape(x=(-1, 3))
    r8 = mx.sym.dot(x, y).infer_shape(x=(0, 3), y=(3, 2))[1]
---
#np-shape-training
with mx.np_shape():
    exe = mx.sym.exp(x).bind(mx.cpu(), [nd.zeros((0, 4))], [nd.zeros((0, 4))])
    r0 = exe.forward(is_train=True)[0].shape
    exe.backward([nd.zeros((0, 4))])
    r1 = exe.grad_dict['x'].shape
---
#repeat-nothing
exe = mx.sym.repeat(x, repeats=0).bind(mx.cpu(), [nd.ones((2, 3))], [nd.ones((2, 3))])
r = exe.forward(is_train=True)[0].shape
---
#min-of-nothing
with mx.np_shape():
    nd.zeros((5, 0)).min()
---
#max-of-nothing
with mx.np_shape():
    nd.zeros((5, 0)).max(axis=1)
---
#check-own-dtypes
data, length = nd.array(values((3, 4, 5)), dtype='float64'), nd.array([[1, 2, 3, 4, 2]] * 3, dtype='int32')
net = mx.sym.softmax(x, y, use_length=True, axis=1)
out = nd.softmax(data, length, axis=1, use_length=True).asnumpy()
r0 = tu.check_symbolic_forward(net, {'x': data, 'y': length}, [out], dtype='asnumpy')
grads = tu.check_symbolic_backward(net, {'x': data, 'y': length}, [np.ones((3, 4, 5))], [np.zeros((3, 4, 5)), np.zeros((3, 5), 'int32')], rtol=1e-2, atol=1e-3, dtype='asnumpy')
r1 = [[k, grads[k]] for k in sorted(grads)]
---
#check-own-dtypes-wrong
tu.check_symbolic_forward(mx.sym.exp(x), [values((2, 3), dtype='float64')], [values((2, 3))], dtype='asnumpy')
---
#sparse-names-dense-arrays
a, b = nd.array(values((2, 3))), nd.array(values((2, 3), 4))
r0 = [mx.nd.sparse.elemwise_mul(a, b), mx.nd.sparse.add(a, b), mx.nd.sparse.subtract(a, 2), mx.nd.sparse.multiply(a, b), mx.nd.sparse.divide(a, b + 2)]
r1 = [mx.nd.sparse.square(a), mx.nd.sparse.dot(a, b.T), mx.nd.sparse.where(a > 0, a, b), mx.nd.sparse.zeros_like(a), mx.nd.sparse.add_n(a, b, a)]
r2 = mx.nd.sparse.zeros('default', (2, 2))
r3 = mx.sym.sparse.elemwise_mul(x, y).eval(x=a, y=b)[0]
---
#operator-arguments
names = ['Activation', 'relu', 'sum']
found = [mx.operator.get_operator_arguments(name) for name in names]
r0 = [[f.narg, f.names, f.types] for f in found]
r1 = isinstance(found[0], mx.operator.OperatorArguments)
r2 = 'Activation' in mx.operator.get_all_registered_operators()
---
#operator-arguments-unknown
mx.operator.get_operator_arguments('no_such_operator')
---
#ones-of-open-shape
r0 = (mx.sym.ones(shape=[2, 3]) + mx.sym.transpose(mx.sym.ones(shape=[-1, -1]))).bind(mx.cpu(), args={}).forward()[0]
r1 = (mx.sym.ones(shape=[2, -1]) + mx.sym.transpose(mx.sym.zeros(shape=[3, -1]))).bind(mx.cpu(), args={}).forward()[0]
---
#pooling-long-pad
r = nd.Pooling(nd.array(values((1, 1, 10))), kernel=2, stride=2, pad=(0, 0, 0), pool_type='max', pooling_convention='same')
---
#depth-to-space-empty
with mx.np_shape():
    nd.depth_to_space(nd.zeros((2, 4, 0, 3)), 2)
---
#space-to-depth-empty
with mx.np_shape():
    nd.space_to_depth(nd.zeros((2, 0, 4, 4)), 2)
---
#cholesky-upper
a = values((3, 4, 4), dtype='float64')
a = np.matmul(a, a.transpose(0, 2, 1)) + 4 * np.eye(4)
r = []
for lower in (True, False, 0, '1'):
    for op in (nd.linalg.potrf, nd.linalg_potri):
        data = nd.array(a, dtype='float64')
        data.attach_grad()
        with autograd.record():
            out = op(data, lower=lower)
        out.backward(nd.array(values((3, 4, 4), 9, 'float64')))
        r += [out, data.grad]
r0 = mx.sym.linalg.potrf(x, lower=False).eval(x=nd.array(a))[0]
r1 = mx.sym.linalg.potrf(x, lower=False, name='p').attr_dict()['p']
---
#second-order-zeros
r = []
for f in (nd.relu, nd.radians, nd.abs, lambda a: nd.clip(a, 0.2, 0.6)):
    data = nd.array(values((2, 3)))
    data.attach_grad()
    with autograd.record():
        first = autograd.grad(heads=f(data), variables=data, head_grads=nd.ones((2, 3)) * 2, create_graph=True, retain_graph=True)[0]
        second = autograd.grad(heads=first, variables=data, head_grads=nd.ones((2, 3)), create_graph=True, retain_graph=True)[0]
    r += [first, second]
---
#while-loop-of-a-tuple
r0 = nd.contrib.while_loop(lambda i, s: i <= 3, lambda i, s: (None, (i + 1, s + i)), (nd.array([1]), nd.array([0])), max_iterations=9)
r1 = nd.contrib.while_loop(lambda i, s: i <= 0, lambda i, s: (None, (i + 1, s + i)), (nd.array([1]), nd.array([0])), max_iterations=9)
---
#backend-of-cpus
net = mx.sym.exp(x) + mx.sym.log(x)
r0 = net.optimize_for('MKLDNN').list_arguments()
r1 = net.get_backend_symbol('MKLDNN').eval(x=nd.array([1, 2]))[0]
---
#backend-unknown
mx.sym.exp(x).get_backend_symbol('no_such_backend')
---
#dropout-all
data = nd.ones((3, 4))
data.attach_grad()
with autograd.record():
    out = nd.Dropout(data, p=1)
out.backward()
r = [out, data.grad]
"""


def operators():
    f = Programs("operators")
    for program in PROGRAMS.strip("\n").split("\n---\n"):
        name, code = program.split("\n", 1)
        f.program(name.lstrip("#"), START + code)
    return f
