"""Short programs: operators in bound graphs, called the way that MXNet's users call them.

Every name that starts with ``r`` is a result.
"""

from .ndarray_programs import Programs

START = """sym, var = mx.sym, mx.sym.Variable
gen = np.random.RandomState(3)
def values(*shape, dtype='float32'):
    return nd.array(np.round(gen.uniform(-1, 1, shape) * 64) / 64, dtype=dtype)
def train(s, args, grad_req='write', heads=None):
    args = {k: nd.array(v) if isinstance(v, list) else v for k, v in args.items()}
    grads = {k: nd.zeros_like(v) for k, v in args.items()}
    executor = s.bind(mx.cpu(), args, args_grad=grads, grad_req=grad_req)
    outputs = executor.forward(is_train=True)
    executor.backward([nd.ones_like(o) for o in outputs] if heads is None else heads)
    return outputs, [grads[k] for k in sorted(grads)]
"""
PROGRAMS = """
r = train(sym.slice_like(var('x'), var('y')), {'x': values(3, 4), 'y': values(2, 2)}, {'x': 'null', 'y': 'write'})
---
r = train(sym.where(var('c'), var('x'), var('y')), {'c': [1, 0], 'x': [1, 2], 'y': [3, 4]}, {'c': 'write'})
---
r = train(sym.softmax_cross_entropy(var('x'), var('y')), {'x': values(2, 3), 'y': [0, 2]}, {'x': 'null', 'y': 'null'})
---
r = sym.split(var('x'), num_outputs=1, name='a').list_outputs()
---
r = sym.SliceChannel(var('x'), num_outputs=1, squeeze_axis=True, name='a')[0].list_outputs()
---
r = sym.SoftmaxOutput(var('x'), name='s', multi_output=True).infer_shape(x=(2, 3, 4, 5))
---
r = sym.SoftmaxOutput(var('x'), name='s', multi_output=True).infer_shape(x=(2, 3))
---
r = sym.SoftmaxOutput(var('x'), var('l'), multi_output=True).infer_shape(x=(2, 3, 4, 5), l=(2, 4, 5))
---
r = (var('x') * 2).simple_bind(mx.cpu(), x=(2, 3), axis=1, mode='clip').arg_dict['x'].shape
---
r = (var('x') * 2).simple_bind(mx.cpu(), x=(2, 3), grad_req=None).grad_arrays
---
r = train(var('x') * var('y'), {'x': [1, 2], 'y': [3, 4]}, heads=[nd.ones((2,)), nd.ones((5,))])
---
x, y, g, h = nd.array([1, 2]), nd.array([3, 4]), nd.array([7, 7]), nd.array([8, 8])
executor = (var('x') * var('y')).bind(mx.cpu(), [x, y], args_grad=[g, h], grad_req=['add', 'null'])
executor.forward(is_train=True)
executor.backward(nd.ones((2,)))
r = executor.grad_arrays, executor.grad_dict['y']
---
a, b = sym.cast(var('x'), dtype='int32'), sym.cast(var('y'), dtype='int32')
r = train(a % b, {'x': [5, 7, 9], 'y': [3, 2, 4]})
---
a, b = sym.cast(var('x'), dtype='int32'), sym.cast(var('y'), dtype='int32')
r = train(sym.broadcast_mod(a, b), {'x': [5, 7, 9], 'y': [3]})
---
x = sym.cast(var('x'), dtype='int64')
r = train(sym.cast(7 % x + x % 2, dtype='float32'), {'x': [5, 7, 9]})
---
executor = (var('x') + 2 * var('x')).bind(mx.cpu(), {'x': nd.array([1, 2])}, args_grad=[nd.zeros((2,)), nd.zeros((2,))])
r = executor.forward(is_train=True)[0]
---
(var('x') + 2 * var('x')).bind(mx.cpu(), [nd.ones((2,)), nd.ones((2,))], args_grad=[nd.zeros((2,)), nd.zeros((2,))]).arg_dict
---
(var('x') + 2 * var('x')).simple_bind(mx.cpu(), x=(2,))
---
x = nd.array([5, 7], dtype='int32')
x.attach_grad()
with autograd.record():
    y = 9 % x + x % 2
y.backward()
r = y, x.grad
---
op = mx.operator.NumpyOp()
r = train(op.get_symbol(var('x'), name='op'), {'x': [1, 2, 3]})
---
mx.operator.PythonOp()(var('x'))
---
r = (sym.arange(start=0, stop=None, infer_range=True) + sym.zeros(shape=[5])).bind(mx.cpu(), {}).forward()[0]
---
r = train(sym.arange(start=2, step=0.1, repeat=2, infer_range=True) * var('x'), {'x': [1, 2, 3, 4, 5, 6]})
---
r = [nd.arange(1.3, 20.6, 1.9, dtype=t) for t in ('int32', 'int64', 'uint8', 'int8', 'float32', 'float64')]
---
r = [nd.arange(20.6, -5.5, -2.7, repeat=3, dtype=t) for t in ('int32', 'int64', 'float32')]
---
r = nd.contrib.arange_like(nd.zeros((2, 3), dtype='int32'), start=1.5, step=2.5)
---
r = [train(sym.LeakyReLU(var('x'), var('g'), act_type='prelu'), {'x': values(3, 4, 2, 2), 'g': values(*g)})
     for g in ((1,), (4,), (1, 1), (3, 4), (1, 4), (3, 1))]
---
r = [train(sym.LeakyReLU(var('x'), var('g'), act_type='prelu'), {'x': values(3, 3), 'g': values(*g)})
     for g in ((1,), (3,), (1, 1), (3, 3), (1, 3), (3, 1))]
---
r = train(sym.LeakyReLU(var('x'), var('g'), act_type='prelu'), {'x': values(3, 4, 2), 'g': values(3)})
---
x, y = nd.array([[[[1, 2, 3], [4, 5, 6], [1, 1, 1]]]]), nd.array([[[[1, 1, 3], [4, 6, 5], [2, 1, 0]]]])
r = train(sym.Correlation(var('x'), var('y'), max_displacement=1, pad_size=1, is_multiply=False), {'x': x, 'y': y})
---
r = nd.slice(values(3, 4), begin=(0,), end=(2,), step=None), nd.Dropout(values(2, 3), axes=None), nd.Pooling(values(1, 1, 3, 3), global_pool=True, kernel=None)
---
r = nd.zeros('(2, 3)'), nd.ones(shape='(2,)', dtype='int32'), sym.zeros(shape='(2, 3)').eval()[0]
---
nd.zeros('(2, 3')
---
r = train(sym.contrib.quantize(var('x'), var('y'), var('z')), {'x': [1, 2], 'y': [0], 'z': [3]}), train(sym.contrib.quantize_v2(var('x')), {'x': [1, 2]})
---
r = [train(f(var('x'), var('y'), var('z')), {'x': nd.array([1, 2], dtype=t), 'y': [0], 'z': [3]})[1]
     for f, t in ((sym.contrib.dequantize, 'int8'), (sym.contrib.requantize, 'int32'))]
---
r = [train(f(*[var(n) for n in names]), {n: [1] for n in names})[1] for f, names in (
    (sym.sample_uniform, 'ab'), (sym.sample_normal, 'ab'), (sym.sample_gamma, 'ab'), (sym.sample_exponential, 'a'), (sym.sample_poisson, 'a'),
    (sym.sample_generalized_negative_binomial, 'ab'))]
---
x, l = values(3, 4), nd.array([1, 3, 2, 2], dtype='int32')
s = sym.SequenceMask(data=var('x'), sequence_length=var('l'), use_sequence_length=True, value=-2.3)
want = x.asnumpy()
for i, n in enumerate([1, 3, 2, 2]):
    want[n:, i] = -2.3
r = mx.test_utils.check_symbolic_forward(s, [x, l], [want], dtype='asnumpy')
---
r = mx.test_utils.check_symbolic_forward(var('x') * 2, [np.array([1, 2], 'int32')], [np.array([2, 4])], dtype='asnumpy')
---
r = mx.test_utils.check_symbolic_forward(sym.cast(var('x'), dtype='float64'), [nd.array([1, 2], dtype='int32')], [np.array([1, 2])])
---
r = list(mx.test_utils.check_symbolic_backward(var('x') * var('y'), [np.ones(2), np.ones(2) * 3], [np.ones(2), np.ones(5)], [np.ones(2) * 3, np.ones(2)]).values())
---
r = list(mx.test_utils.check_symbolic_backward(var('x') * 2, [nd.ones((2,), dtype='float64')], [nd.ones((2,), dtype='float64')], [np.ones(2) * 2], dtype=np.float64).values())
---
space = {}
exec('from mxnet.test_utils import *' if mx.__name__ == 'mxnet' else 'from weft.test_utils import *', space)
r = [name for name in ('np', 'npt', 'os', 'sys', 'logging', 'time', 'rnd', 'Symbol', 'Context', 'same') if name in space]
"""


def bound():
    f = Programs("bound")
    for number, code in enumerate(PROGRAMS.split("\n---\n")):
        f.program(f"{number:02d}", START + code.strip("\n"))
    return f
