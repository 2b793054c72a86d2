"""Short programs about what stands around operators: modules of helpers, executor groups, callbacks."""

from .module_programs import START as MODULES
from .ndarray_programs import Programs

PROGRAMS = """
#views by inner names
a = nd.arange(12).reshape((3, 4))
r0 = [a._at(1), a._at(-1), a._slice(1, 2), a._slice(None, 2)]
a._slice(0, 2)[:] = 7
r1 = a
---
#a graph that an earlier pass through another head went through
x = nd.ones((2,))
x.attach_grad()
with autograd.record():
    h = x * 2
    a, b = h * 3, h * 4
a.backward()
b.backward()
---
#backward of nothing
autograd.backward([])
---
#arguments of operators
a = mx.operator.get_operator_arguments('Activation')
r0 = [a.narg, a.names, a.types]
r1 = [mx.operator.get_operator_arguments(n).names for n in ('FullyConnected', 'Concat', 'Pooling', 'clip', 'sgd_update')]
r2 = [mx.operator.get_operator_arguments(n).types for n in ('FullyConnected', 'Concat', 'transpose')]
r3 = mx.operator.get_operator_arguments('Pooling').types[:4]
---
#cached operator
net = mx.sym.Convolution(mx.sym.Variable('x'), kernel=(3, 3), num_filter=2, name='conv') + 2
op = mx.nd.CachedOp(net)
x = nd.arange(50).reshape((1, 2, 5, 5)) / 50
w, b = nd.arange(36).reshape((2, 2, 3, 3)) / 36, nd.array([1, 2])
r0 = op(x, w, b)
b[:] = 5
r1 = op(x, w, b)
target = nd.zeros(r0.shape)
r2 = op(x, w, b, out=target) is target
r3 = target
for a in (x, w, b):
    a.attach_grad()
with autograd.record():
    y = op(x * 2, w, b) * 3
y.backward()
r4 = [a.grad for a in (x, w, b)]
---
#cached operator with states and several outputs
net = mx.sym.BatchNorm(mx.sym.Variable('x'), fix_gamma=False, momentum=0.5, name='bn')
net = mx.sym.Group([net, mx.sym.concat(*mx.sym.split(net, num_outputs=2), dim=0), mx.sym.sum(net, axis=1)])
op = mx.nd.CachedOp(net, (('static_alloc', True),))
values = [nd.arange(8).reshape((2, 4)), nd.ones((4,)), nd.zeros((4,)), nd.zeros((4,)), nd.ones((4,))]
r0 = op(*values)
with autograd.record():
    r1 = op(*values)
r2 = values[3:]
---
#cached operator with too few inputs
mx.nd.CachedOp(mx.sym.Variable('x') + mx.sym.Variable('y'))(nd.ones((2,)))
---
#cached operator of a number
mx.nd.CachedOp(mx.sym.Variable('x') + 1)(3)
---
#custom operator that cannot say its shape
@mx.operator.register('api_bad_shape')
class Prop(mx.operator.CustomOpProp):
    def infer_shape(self, in_shape):
        return 1 / 0
nd.Custom(nd.ones((2,)), op_type='api_bad_shape').wait_to_read()
---
#update_dict by keyword
m = mx.metric.CompositeEvalMetric([mx.metric.Accuracy()])
m.update_dict(labels={'l': nd.array([0, 1])}, preds={'o': nd.array([[1, 0], [1, 0]])})
r = [float(v) for v in m.get()[1]]
---
#what check_symbolic_backward returns
a, b = mx.sym.Variable('a'), mx.sym.Variable('b')
found = mx.test_utils.check_symbolic_backward(a * b, {'a': np.ones(2), 'b': np.full(2, 3.0)}, [np.ones(2)], {'a': np.full(2, 3.0)})
r = [[k, found[k].asnumpy()] for k in sorted(found)]
"""

WITH_MODULES = """
#figures of monitors
mod = bound(mlp())
mon = mx.mon.Monitor(1, stat_func=nd.max, pattern='fc1_weight|fc1_output', sort=True)
mod.install_monitor(mon)
mon.tic()
mod.forward(batch())
r = [[name, text] for _, name, text in mon.toc()]
---
#an executor group of pairs
DataParallelExecutorGroup = mx.mod.executor_group.DataParallelExecutorGroup
names = ['fc1_weight', 'fc1_bias', 'fc2_weight', 'fc2_bias']
def group(size, shared=None):
    return DataParallelExecutorGroup(symbol=mlp(), contexts=two, workload=[1, 1], data_shapes=[('data', (size, 4))],
        label_shapes=[('softmax_label', (size,))], param_names=names, for_training=True, inputs_need_grad=False, shared_group=shared)
a = group(8)
b = group(6, a)
r0 = [sorted(d) for d in a.shared_data_arrays]
r1 = [a.batch_size, [[k, a.grad_req[k]] for k in sorted(a.grad_req)], [len(e.arg_arrays) for e in a.execs]]
r2 = [mx.test_utils.same_array(x.arg_dict[n], y.arg_dict[n]) for x, y in zip(a.execs, b.execs) for n in names]
r3 = [mx.test_utils.same_array(x.grad_dict[n], y.grad_dict[n]) for x, y in zip(a.execs, b.execs) for n in names]
---
#executor manager
names = ['fc1_weight', 'fc1_bias', 'fc2_weight', 'fc2_bias']
net, it = mlp(), mx.io.NDArrayIter(X, Y, 8)
manager = mx.executor_manager.DataParallelExecutorManager(net, two, it, net.list_arguments(), names, [])
values, _ = params(bound(mlp()))
manager.set_params(values, {})
metric = mx.metric.Accuracy()
b = next(it)
manager.load_data_batch(b)
manager.forward(is_train=True)
manager.backward()
manager.update_metric(metric, b.label)
r0 = [repr(manager.slices), manager.param_names, manager.aux_names, float(metric.get()[1])]
r1 = manager.grad_arrays
manager.param_arrays[0][0][:] = 3
found = {name: nd.zeros(values[name].shape) for name in names}
manager.copy_to(found, {})
r2 = [found[name] for name in names]
---
#slices of batches
r = [repr(mx.executor_manager._split_input_slice(size, loads)) for size, loads in ((10, [1, 1]), (10, [1, 1, 1]), (7, [1, 2]), (5, [1, 1, 1, 1]))]
---
#too many slices
mx.executor_manager._split_input_slice(2, [1, 1, 1, 1])
---
#init_params fills what is missing
mx.random.seed(1)
np.random.seed(1)
mod = mx.mod.Module(mlp())
mod.bind([('data', (8, 4))], [('softmax_label', (8,))])
mod.init_params(arg_params={'fc1_weight': nd.ones((5, 4))}, allow_missing=True)
args, _ = mod.get_params()
r0 = [args['fc1_weight'], args['fc1_bias'], bool((abs(args['fc2_weight'].asnumpy()) <= 0.01).all()), bool(args['fc2_weight'].asnumpy().any())]
---
#init_params without initializer
mod = mx.mod.Module(mlp())
mod.bind([('data', (8, 4))], [('softmax_label', (8,))])
mod.init_params(None, arg_params={'fc1_weight': nd.ones((5, 4))})
"""


def api():
    f = Programs("api")
    for start, programs in (("", PROGRAMS), (MODULES, WITH_MODULES)):
        for program in programs.strip("\n").split("\n---\n"):
            name, code = program.split("\n", 1)
            f.program(name.lstrip("#"), start + code)
    return f
