"""Short programs: modules, checkpoints, callbacks, monitors."""

from .ndarray_programs import Programs

START = """
import logging, os, tempfile, warnings
logging.disable(logging.INFO)
gen = np.random.RandomState(3)
def values(*shape):
    return nd.array(np.round(gen.uniform(-1, 1, shape) * 64) / 64)
def mlp(hidden=5, classes=3):
    net = mx.sym.FullyConnected(mx.sym.Variable('data'), num_hidden=hidden, name='fc1')
    net = mx.sym.Activation(net, act_type='tanh', name='act1')
    net = mx.sym.FullyConnected(net, num_hidden=classes, name='fc2')
    return mx.sym.SoftmaxOutput(net, name='softmax')
def convnet():
    net = mx.sym.Convolution(mx.sym.Variable('data'), kernel=(3, 3), num_filter=4, name='conv')
    net = mx.sym.BatchNorm(net, fix_gamma=False, name='bn')
    net = mx.sym.Pooling(mx.sym.Activation(net, act_type='relu'), kernel=(2, 2), stride=(2, 2), pool_type='max')
    net = mx.sym.FullyConnected(net, num_hidden=3, name='fc')
    return mx.sym.SoftmaxOutput(net, name='softmax')
def params(mod):
    args, aux = mod.get_params()
    gen = np.random.RandomState(4)
    def new(each):
        return {k: nd.array(np.round(gen.uniform(0.1, 0.9, each[k].shape) * 64) / 64) for k in sorted(each)}
    return new(args), new(aux)
def shown(mod):
    args, aux = mod.get_params()
    return [[k, args[k].asnumpy()] for k in sorted(args)] + [[k, aux[k].asnumpy()] for k in sorted(aux)]
X, Y = values(24, 4), nd.array(np.arange(24) % 3)
IMAGES = values(8, 2, 6, 6)
def bound(sym, ctx=mx.cpu(), batch=8, data=(4,), **kwargs):
    mod = mx.mod.Module(sym, context=ctx)
    mod.bind([('data', (batch,) + data)], [('softmax_label', (batch,))], **kwargs)
    mod.init_params()
    mod.set_params(*params(mod))
    return mod
def batch(at=0, size=8):
    return mx.io.DataBatch([X[at:at + size]], [Y[at:at + size]])
two = [mx.cpu(0), mx.cpu(1)]
def plain(pairs):
    return [[k, float(v)] for k, v in pairs]
"""
STEPS = """
for at in (0, 8, 16):
    mod.forward(batch(at), is_train=True)
    mod.backward()
    mod.update()
r0 = shown(mod)
r1 = mod.get_outputs()
"""
PROGRAMS = """
#fit
it = mx.io.NDArrayIter(X, Y, 8)
mod = bound(mlp())
mod.fit(it, num_epoch=3, optimizer_params={'learning_rate': 0.5, 'momentum': 0.9})
r0 = shown(mod)
r1 = plain(mod.score(it, 'acc'))
r2 = plain(mod.score(it, ['acc', 'ce']))
r3 = mod.predict(it)
r4 = mod.predict(it, merge_batches=False)
r5 = mod.predict(it, num_batch=2, always_output_list=True)
---
#feedforward-without-labels
model = mx.model.FeedForward(mlp(), ctx=mx.cpu(), num_epoch=1, numpy_batch_size=8, arg_params=params(bound(mlp()))[0], aux_params={})
r0 = model.predict(mx.io.NDArrayIter(X, batch_size=8))
r1 = model.predict(X.asnumpy()[:5])
r2 = [a.shape for a in model.predict(mx.io.NDArrayIter(X, Y, 8), return_data=True)]
---
#memory-in-debug_str
net = mx.sym.FullyConnected(mx.sym.Variable('data'), num_hidden=8, name='fc')
lines = net.simple_bind(mx.cpu(), data=(4, 4)).debug_str().split('\n')
r0 = [lines[-3].split()[0], lines[-3].split()[2:], lines[-3].split()[1].isdigit(), lines[-2].split()[2:], lines[-1]]
---
#fit-pad
it = mx.io.NDArrayIter(X, Y, 9)
mod = bound(mlp(), batch=9)
mod.fit(it, num_epoch=1, eval_metric='ce')
r0 = shown(mod)
r1 = mod.predict(it)
r2 = plain(mod.score(it, 'acc', num_batch=2))
r3 = [[i, [o.shape for o in outs]] for outs, i, b in mod.iter_predict(it)]
r4 = mod.predict(X[:9])
r5 = mod.predict(X.asnumpy()[9:18])
---
#sgd
mod = bound(mlp())
mod.init_optimizer(optimizer_params={'learning_rate': 0.1, 'wd': 0.01})
STEPS
---
#momentum
mod = bound(mlp())
mod.init_optimizer(optimizer='sgd', optimizer_params=(('learning_rate', 0.1), ('momentum', 0.9), ('clip_gradient', 0.5)))
STEPS
---
#adam
mod = bound(mlp())
mod.init_optimizer(optimizer='adam', optimizer_params={'learning_rate': 0.1, 'lr_scheduler': mx.lr_scheduler.FactorScheduler(2, 0.5)})
STEPS
---
#optimizer-object
mod = bound(mlp())
with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    mod.init_optimizer(optimizer=mx.optimizer.SGD(learning_rate=0.1, rescale_grad=0.5))
STEPS
---
#lr_mult
data = mx.sym.Variable('data')
net = mx.sym.FullyConnected(data, weight=mx.sym.Variable('w_weight', lr_mult=0.1, wd_mult=3), num_hidden=3, name='fc')
mod = bound(mx.sym.SoftmaxOutput(net, name='softmax'))
mod.init_optimizer(optimizer_params={'learning_rate': 0.5, 'wd': 0.1})
STEPS
---
#two-none
mod = bound(mlp(), two)
mod.init_optimizer(kvstore=None, optimizer_params={'learning_rate': 0.1})
STEPS
---
#two-local
mod = bound(mlp(), two)
mod.init_optimizer(kvstore='local', optimizer_params={'learning_rate': 0.1, 'momentum': 0.5})
STEPS
r2 = mod.get_outputs(merge_multi_context=False)
---
#two-device
mod = bound(mlp(), two)
mod.init_optimizer(kvstore='device', optimizer='adam', optimizer_params={'learning_rate': 0.1})
STEPS
---
#two-store-object
mod = bound(mlp(), two)
mod.init_optimizer(kvstore=mx.kv.create('local'), optimizer_params={'learning_rate': 0.1})
STEPS
---
#two-uneven
mod = mx.mod.Module(mlp(), context=two, work_load_list=[1, 3])
mod.bind([('data', (8, 4))], [('softmax_label', (8,))])
mod.init_params()
mod.set_params(*params(mod))
mod.init_optimizer(optimizer_params={'learning_rate': 0.1})
STEPS
r2 = [[o.shape for o in outs] for outs in mod.get_outputs(merge_multi_context=False)]
---
#two-compression
mod = mx.mod.Module(mlp(), context=two, compression_params={'type': '2bit', 'threshold': 0.25})
mod.bind([('data', (8, 4))], [('softmax_label', (8,))])
mod.init_params()
mod.set_params(*params(mod))
mod.init_optimizer(kvstore='device', optimizer_params={'learning_rate': 0.1})
STEPS
---
#bn
mod = bound(convnet(), data=(2, 6, 6))
mod.init_optimizer(optimizer_params={'learning_rate': 0.1})
for i in range(3):
    mod.forward_backward(mx.io.DataBatch([IMAGES * (i + 1)], [Y[:8]]))
    mod.update()
r0 = shown(mod)
mod.forward(mx.io.DataBatch([IMAGES]), is_train=False)
r1 = mod.get_outputs()
---
#bn-two
mod = bound(convnet(), two, data=(2, 6, 6))
mod.init_optimizer(optimizer_params={'learning_rate': 0.1})
for i in range(2):
    mod.forward_backward(mx.io.DataBatch([IMAGES * (i + 1)], [Y[:8]]))
    mod.update()
r0 = shown(mod)
---
#input_grads
mod = bound(mlp(), inputs_need_grad=True)
mod.forward(batch())
mod.backward()
r0 = mod.get_input_grads()
r1 = mod.get_outputs()
---
#input_grads-two
mod = bound(mlp(), two, inputs_need_grad=True)
mod.forward(batch())
mod.backward()
r0 = mod.get_input_grads()
r1 = mod.get_input_grads(merge_multi_context=False)
---
#input_grads-off
mod = bound(mlp())
mod.forward(batch())
mod.backward()
mod.get_input_grads()
---
#out_grads
mod = mx.mod.Module(mx.sym.FullyConnected(mx.sym.Variable('data'), num_hidden=2, name='fc'), label_names=None)
mod.bind([('data', (8, 4))], inputs_need_grad=True)
mod.init_params(mx.init.One())
mod.forward(mx.io.DataBatch([X[:8]]))
mod.backward([nd.array(np.arange(16).reshape((8, 2)))])
r = mod.get_input_grads()
---
#grad_add
mod = bound(mlp(), grad_req='add')
for at in (0, 8):
    mod.forward(batch(at))
    mod.backward()
r = [g[0].asnumpy() for g in mod._exec_group.grad_arrays]
---
#fixed
mod = mx.mod.Module(mlp(), fixed_param_names=['fc1_weight', 'fc1_bias'])
mod.bind([('data', (8, 4))], [('softmax_label', (8,))])
mod.init_params()
mod.set_params(*params(mod))
mod.init_optimizer(optimizer_params={'learning_rate': 0.1})
STEPS
---
#states
x, s = mx.sym.Variable('data'), mx.sym.Variable('state')
mod = mx.mod.Module(mx.sym.Group([x + s, mx.sym.BlockGrad(s * 2)]), label_names=None, state_names=['state'])
mod.bind([('data', (2, 3))], for_training=False)
mod.init_params()
mod.set_states(value=4)
mod.forward(mx.io.DataBatch([nd.ones((2, 3))]))
r0 = mod.get_outputs()
mod.set_states(states=mod.get_outputs(merge_multi_context=False)[:1])
mod.forward(mx.io.DataBatch([nd.ones((2, 3))]))
r1 = [mod.get_outputs(), mod.get_states(merge_multi_context=False)]
---
#shapes
mod = bound(mlp())
r0 = [[d[0], d[1]] for d in mod.data_shapes + mod.label_shapes + mod.output_shapes]
r1 = [mod.data_names, mod.label_names, mod.output_names]
mod.forward(batch(0, 4), is_train=False)
r3 = [[d[0], d[1]] for d in mod.data_shapes + mod.label_shapes]
mod.reshape([('data', (6, 4))], [('softmax_label', (6,))])
mod.forward(batch(0, 6))
mod.backward()
r5 = [mod.get_outputs()] + [g[0].asnumpy() for g in mod._exec_group.grad_arrays]
---
#predict-only
mod = mx.mod.Module(mlp(), label_names=None)
mod.bind([('data', (8, 4))], for_training=False)
mod.init_params(mx.init.Constant(0.5))
mod.forward(mx.io.DataBatch([X[:8]]))
r = mod.get_outputs()
---
#features
mod = bound(mlp())
args, aux = mod.get_params()
part = mx.mod.Module(mlp().get_internals()['act1_output'], label_names=None)
part.bind([('data', (8, 4))], for_training=False)
part.set_params(args, aux)
part.forward(mx.io.DataBatch([X[:8]]))
r = part.get_outputs()
---
#params-missing
mod = bound(mlp())
mod.set_params({'fc1_weight': nd.ones((5, 4))}, {})
---
#params-allow_missing
mod = bound(mlp())
mod.set_params({'fc1_weight': nd.ones((5, 4))}, {}, allow_missing=True)
r0 = shown(mod)
mod.init_params(mx.init.Constant(0.25), {'fc2_bias': nd.ones((3,))}, {}, allow_missing=True, force_init=True)
r1 = shown(mod)
---
#params-extra
mod = bound(mlp())
args, aux = mod.get_params()
args = dict(args, other=nd.ones((1,)))
mod.set_params(args, aux, allow_missing=True)
---
#params-extra_allowed
mod = bound(mlp())
args, aux = mod.get_params()
args = dict(args, other=nd.ones((1,)))
mod.set_params(args, aux, allow_missing=True, allow_extra=True)
r0 = shown(mod)
---
#params-extra_all
mod = bound(mlp())
args, aux = mod.get_params()
args = dict(args, other=nd.ones((1,)))
mod.set_params(args, aux)
r0 = shown(mod)
---
#params-shape
mod = bound(mlp())
args, aux = mod.get_params()
args['fc1_weight'] = nd.ones((2, 2))
mod.set_params(args, aux)
---
#initializers
data = mx.sym.Variable('data')
net = mx.sym.FullyConnected(data, weight=mx.sym.Variable('w', init=mx.init.Constant(3)), num_hidden=3, name='fc')
mod = mx.mod.Module(mx.sym.SoftmaxOutput(mx.sym.BatchNorm(net, name='bn'), name='softmax'))
mod.bind([('data', (8, 4))], [('softmax_label', (8,))])
mod.init_params(mx.init.One())
r = shown(mod)
---
#checkpoint
prefix = os.path.join(tempfile.mkdtemp(), 'net')
mod = bound(convnet(), data=(2, 6, 6))
mod.init_optimizer(optimizer='sgd', optimizer_params={'learning_rate': 0.1, 'momentum': 0.9})
def step(mod):
    mod.forward_backward(mx.io.DataBatch([IMAGES], [Y[:8]]))
    mod.update()
step(mod)
mod.save_checkpoint(prefix, 3, save_optimizer_states=True)
r0 = sorted(os.listdir(os.path.dirname(prefix)))
step(mod)
r1 = shown(mod)
again = mx.mod.Module.load(prefix, 3, load_optimizer_states=True)
again.bind([('data', (8, 2, 6, 6))], [('softmax_label', (8,))])
again.init_optimizer(optimizer='sgd', optimizer_params={'learning_rate': 0.1, 'momentum': 0.9})
step(again)
r2 = shown(again)
sym, args, aux = mx.model.load_checkpoint(prefix, 3)
r3 = [sym.list_arguments(), sorted(args), sorted(aux)]
third = bound(convnet(), data=(2, 6, 6))
third.load_params(prefix + '-0003.params')
r4 = shown(third)
---
#checkpoint-none
mx.mod.Module.load('/no/such/net', 1)
---
#resume
prefix = os.path.join(tempfile.mkdtemp(), 'net')
it = mx.io.NDArrayIter(X, Y, 8)
def train(first, last, mod, **kwargs):
    mod.fit(it, begin_epoch=first, num_epoch=last, optimizer='adam', optimizer_params={'learning_rate': 0.1},
            epoch_end_callback=mx.callback.module_checkpoint(mod, prefix, 1, True), **kwargs)
whole = bound(mlp())
args, aux = whole.get_params()
train(0, 2, whole)
r0 = shown(whole)
mod = mx.mod.Module.load(prefix, 1, load_optimizer_states=True)
train(1, 2, mod)
r1 = shown(mod)
---
#bucketing
def sym_gen(length):
    data = mx.sym.Variable('data')
    parts = mx.sym.SliceChannel(data, num_outputs=length, axis=1)
    w, b = mx.sym.Variable('x_weight'), mx.sym.Variable('x_bias')
    state = None
    for i in range(length):
        now = mx.sym.FullyConnected(parts[i] if length > 1 else parts, weight=w, bias=b, num_hidden=4)
        state = mx.sym.Activation(now if state is None else now + state, act_type='tanh')
    net = mx.sym.FullyConnected(state, num_hidden=3, name='fc')
    return mx.sym.SoftmaxOutput(net, name='softmax'), ('data',), ('softmax_label',)
mod = mx.mod.BucketingModule(sym_gen, default_bucket_key=4)
mod.bind([('data', (6, 4))], [('softmax_label', (6,))])
mod.init_params()
mod.set_params(*params(mod))
mod.init_optimizer(optimizer_params={'learning_rate': 0.5, 'momentum': 0.9})
metric = mx.metric.create('ce')
r0 = []
for key in (4, 2, 3, 2, 4):
    b = mx.io.DataBatch([X[:6, :key]], [Y[:6]], bucket_key=key, provide_data=[('data', (6, key))], provide_label=[('softmax_label', (6,))])
    mod.prepare(b)
    mod.forward(b)
    mod.backward()
    mod.update()
    mod.update_metric(metric, b.label)
    r0.append(mod.get_outputs()[0].asnumpy())
r1 = shown(mod)
r2 = plain(metric.get_name_value())
r3 = [mod.data_names, mod.output_names, [[d[0], d[1]] for d in mod.output_shapes]]
---
#bucketing-checkpoint
def sym_gen(length):
    net = mx.sym.FullyConnected(mx.sym.sum(mx.sym.Variable('data'), axis=1, keepdims=True), num_hidden=3, name='fc')
    return mx.sym.SoftmaxOutput(net, name='softmax'), ('data',), ('softmax_label',)
def forward(mod, key):
    mod.forward(mx.io.DataBatch([X[:6, :key]], [Y[:6]], bucket_key=key, provide_data=[('data', (6, key))], provide_label=[('softmax_label', (6,))]))
    return mod.get_outputs()[0].asnumpy()
mod = mx.mod.BucketingModule(sym_gen, default_bucket_key=4)
mod.bind([('data', (6, 4))], [('softmax_label', (6,))])
mod.init_params()
mod.set_params(*params(mod))
r0 = [forward(mod, 4), forward(mod, 2)]
prefix = os.path.join(tempfile.mkdtemp(), 'net')
mod.save_checkpoint(prefix, 2)
r1 = sorted(os.listdir(os.path.dirname(prefix)))
again = mx.mod.BucketingModule.load(prefix, 2, sym_gen, 4)
again.bind([('data', (6, 4))], [('softmax_label', (6,))])
r2 = [forward(again, 4), forward(again, 2)]
---
#sequential
one = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Variable('data'), num_hidden=5, name='fc1'), act_type='tanh', name='act')
two = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable('features'), num_hidden=3, name='fc2'), name='softmax')
mod = mx.mod.SequentialModule()
mod.add(mx.mod.Module(one, label_names=None)).add(mx.mod.Module(two, data_names=['features']), take_labels=True, auto_wiring=True)
mod.bind([('data', (8, 4))], [('softmax_label', (8,))])
mod.init_params()
a, b = params(mod)
for m in mod._modules:
    m.set_params({k: v for k, v in a.items() if k in m.get_params()[0]}, {})
mod.init_optimizer(optimizer_params={'learning_rate': 0.1})
STEPS
metric = mx.metric.create('acc')
mod.update_metric(metric, [Y[16:24]])
r2 = plain(metric.get_name_value())
r3 = [mod.data_names, mod.output_names, [[d[0], d[1]] for d in mod.output_shapes]]
---
#sequential-unknown
mx.mod.SequentialModule().add(mx.mod.Module(mlp()), take_label=True)
---
#pyloss
def gradient(scores, labels):
    p = nd.softmax(scores).asnumpy()
    p[np.arange(8), labels.asnumpy().astype(int)] -= 1
    return p
net = mx.sym.FullyConnected(mx.sym.Variable('data'), num_hidden=3, name='fc')
mod = mx.mod.SequentialModule()
mod.add(mx.mod.Module(net, label_names=None)).add(mx.mod.PythonLossModule(grad_func=gradient), take_labels=True, auto_wiring=True)
mod.bind([('data', (8, 4))], [('softmax_label', (8,))])
mod.init_params(mx.init.One())
mod.init_optimizer(optimizer_params={'learning_rate': 0.1})
STEPS
---
#unbound
mod = mx.mod.Module(mlp())
mod.forward(batch())
---
#uninitialized
mod = mx.mod.Module(mlp())
mod.bind([('data', (8, 4))], [('softmax_label', (8,))])
mod.forward(batch())
---
#no-optimizer
bound(mlp()).update()
---
#names-data
mx.mod.Module(mlp(), data_names=['images'])
---
#names-fixed
mx.mod.Module(mlp(), fixed_param_names=['none'])
---
#names-shapes
mx.mod.Module(mlp()).bind([('images', (8, 4))], [('softmax_label', (8,))])
---
#backward-predicting
mod = bound(mlp(), for_training=False)
mod.forward(batch())
mod.backward()
---
#batch-sizes
mx.mod.Module(mlp()).bind([('data', (8, 4))], [('softmax_label', (4,))])
---
#too-many-devices
mx.mod.Module(mlp(), context=[mx.cpu(i) for i in range(9)]).bind([('data', (8, 4))], [('softmax_label', (8,))])
---
#no-epochs
bound(mlp()).fit(mx.io.NDArrayIter(X, Y, 8))
---
#callbacks
seen = []
it = mx.io.NDArrayIter(X, Y, 8)
mod = bound(mlp())
mod.fit(it, eval_data=it, num_epoch=2, batch_end_callback=[lambda p: seen.append(['batch', p.epoch, p.nbatch, p.eval_metric.get()[0]])],
        epoch_end_callback=lambda e, s, a, x: seen.append(['epoch', e, s.list_outputs(), sorted(a), sorted(x)]),
        eval_end_callback=lambda p: seen.append(['eval', p.epoch, p.nbatch]), eval_batch_end_callback=lambda p: seen.append(['eval batch', p.nbatch]),
        validation_metric='mse')
r = seen
---
#log
from re import sub as swap
lines = []
class Keep(logging.Handler):
    def emit(self, record):
        lines.append(swap('[0-9.]+ samples/sec|cost=[0-9.]+', '#', record.getMessage()))
logging.disable(logging.NOTSET)
keep = Keep()
top = logging.getLogger()
level = top.level
top.addHandler(keep)
top.setLevel(logging.INFO)
try:
    it = mx.io.NDArrayIter(X, Y, 4)
    mod = bound(mlp(), batch=4)
    mod.fit(it, eval_data=it, num_epoch=2, batch_end_callback=[mx.callback.Speedometer(4, 2), mx.callback.Speedometer(4, 2, auto_reset=False),
            mx.callback.ProgressBar(6, 10), mx.callback.log_train_metric(3)], eval_end_callback=mx.callback.LogValidationMetricsCallback(),
            epoch_end_callback=mx.callback.do_checkpoint('/tmp/weft-recorded', 5))
    mod.bind([('data', (8, 4))], [('softmax_label', (8,))])
    mod.init_optimizer()
finally:
    top.removeHandler(keep)
    top.setLevel(level)
    logging.disable(logging.INFO)
r = lines
---
#monitor
mod = bound(mlp())
mon = mx.mon.Monitor(2, stat_func=lambda a: nd.max(nd.abs(a)), sort=True, pattern='(?!fc1_backward)(fc|act|data)')
mod.install_monitor(mon)
mod.init_optimizer()
r = []
for i in range(3):
    mon.tic()
    mod.forward(batch())
    mod.backward()
    r.append([[step, name, '%.4f' % float(value)] for step, name, value in mon.toc()])
    mod.update()
---
#monitor-pattern
mod = bound(mlp(), for_training=False)
mon = mx.mon.Monitor(1, pattern='fc1_weight|softmax_output', monitor_all=True)
mod.install_monitor(mon)
mon.tic()
mod.forward(batch(), is_train=False)
r = sorted(set(name for step, name, value in mon.toc()))
---
#feedforward
with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    model = mx.model.FeedForward(mlp(), num_epoch=2, learning_rate=0.5, arg_params={k: nd.ones(s) * 0.1 for k, s in (('fc1_weight', (5, 4)), ('fc1_bias', (5,)), ('fc2_weight', (3, 5)), ('fc2_bias', (3,)))}, aux_params={})
    model.fit(mx.io.NDArrayIter(X, Y, 8))
    r0 = [[k, model.arg_params[k].asnumpy()] for k in sorted(model.arg_params)]
    r1 = model.predict(X.asnumpy())
    r2 = float(model.score(mx.io.NDArrayIter(X, Y, 8), 'ce'))
    prefix = os.path.join(tempfile.mkdtemp(), 'net')
    model.save(prefix)
    again = mx.model.FeedForward.load(prefix, 2)
    r3 = again.predict(mx.io.NDArrayIter(X, Y, 7), return_data=True)
---
#model-checkpoint
prefix = os.path.join(tempfile.mkdtemp(), 'net')
mx.model.save_checkpoint(prefix, 12, mlp(), {'a': nd.ones((2,))}, {'b': nd.zeros((1,))})
r0 = sorted(os.listdir(os.path.dirname(prefix)))
sym, a, b = mx.model.load_checkpoint(prefix, 12)
r1 = [sym.list_outputs(), a['a'].asnumpy(), b['b'].asnumpy()]
r2 = [sorted(x) for x in mx.model.load_params(prefix, 12)]
---
#several-inputs
a, b = mx.sym.Variable('a'), mx.sym.Variable('b')
net = mx.sym.FullyConnected(mx.sym.Concat(a, b, dim=1), num_hidden=1, name='fc')
net = mx.sym.LinearRegressionOutput(net, mx.sym.Variable('y'), name='out')
mod = mx.mod.Module(net, data_names=['b', 'a'], label_names=['y'])
mod.bind([('b', (8, 2)), ('a', (8, 4))], [('y', (8, 1))], inputs_need_grad=True)
mod.init_params(mx.init.One())
mod.init_optimizer(optimizer_params={'learning_rate': 0.1})
it = mx.io.NDArrayIter({'a': X, 'b': X[:, :2]}, {'y': Y.reshape((24, 1))}, 8)
mod = mx.mod.Module(net, data_names=['a', 'b'], label_names=['y'])
mod.bind(it.provide_data, it.provide_label)
mod.init_params(mx.init.One())
mod.fit(it, num_epoch=2, eval_metric='mse')
r = shown(mod)
r1 = plain(mod.score(it, 'mse'))
---
#layout
data = mx.sym.Variable('data', __layout__='TNC')
net = mx.sym.sum(data, axis=2)
mod = mx.mod.Module(mx.sym.swapaxes(net, dim1=0, dim2=1), label_names=None, context=two)
mod.bind([mx.io.DataDesc('data', (3, 4, 2), layout='TNC')], for_training=False)
mod.init_params()
mod.forward(mx.io.DataBatch([nd.array(np.arange(24).reshape((3, 4, 2)))]))
r = mod.get_outputs()
---
#namedtuple
from collections import namedtuple
Batch = namedtuple('Batch', ['data'])
mod = mx.mod.Module(mlp().get_internals()['fc2_output'], label_names=None)
mod.bind([('data', (1, 4))], for_training=False)
mod.init_params(mx.init.Constant(0.5))
mod.forward(Batch([X[:1]]))
a = mod.get_outputs()[0].copy()
mod.forward(Batch([X[:8]]))
r = [a] + mod.get_outputs()
---
#dtype-float16
mod = mx.mod.Module(mx.sym.Activation(mx.sym.Variable('data'), act_type='relu'), label_names=None, context=two)
mod.bind([mx.io.DataDesc('data', (4, 3), 'float16', 'NC')], inputs_need_grad=True)
mod.init_params()
mod.forward(mx.io.DataBatch([nd.ones((4, 3), dtype='float16')]))
mod.backward([nd.ones((4, 3), dtype='float16')])
r0 = mod.get_outputs()
r1 = mod.get_input_grads()
---
#dtype-cast
mod = bound(mlp())
mod.forward(mx.io.DataBatch([nd.array(np.arange(32).reshape((8, 4)), dtype='uint8')], [nd.array(np.arange(8) % 3, dtype='int32')]))
mod.backward()
r = mod.get_outputs()
---
#layout-training
net = mx.sym.Activation(mx.sym.Variable('data'), act_type='relu', __layout__='TNC')
mod = mx.mod.Module(net, ('data',), None, context=two)
mod.bind([mx.io.DataDesc('data', (3, 8, 7), layout='TNC')])
mod.init_params()
mod.forward(mx.io.DataBatch([nd.ones((3, 8, 7))]))
mod.backward([nd.ones((3, 8, 7))])
r0 = mod.get_outputs()
r1 = [[o.shape for o in outs] for outs in mod.get_outputs(merge_multi_context=False)]
r2 = mod.output_shapes
---
#bucketing-grad_req
def sym_gen(length):
    net = mx.sym.FullyConnected(mx.sym.Variable('data'), num_hidden=3, name='fc')
    return mx.sym.SoftmaxOutput(net, name='softmax'), ('data',), ('softmax_label',)
mod = mx.mod.BucketingModule(sym_gen, default_bucket_key=4)
mod.bind([('data', (8, 4))], [('softmax_label', (8,))], grad_req='add', inputs_need_grad=True)
mod.init_params(mx.init.One())
b = mx.io.DataBatch([X[:8]], [Y[:8]], bucket_key=4, provide_data=[('data', (8, 4))], provide_label=[('softmax_label', (8,))])
for i in range(2):
    mod.forward(b)
    mod.backward()
r = [mod.get_input_grads()] + [g[0].asnumpy() for g in mod._curr_module._exec_group.grad_arrays]
---
#reused-batch
class Reused(mx.io.DataIter):
    def __init__(self):
        super().__init__(8)
        self.provide_data, self.provide_label = [('data', (8, 4))], [('softmax_label', (8,))]
        self.at = 0
        self.batch = mx.io.DataBatch([X[:8].copy()], [Y[:8].copy()])
    def reset(self):
        self.at = 0
    def next(self):
        if self.at == 24:
            raise StopIteration
        self.batch.data[0][:] = X[self.at:self.at + 8]
        self.batch.label[0][:] = Y[self.at:self.at + 8]
        self.at += 8
        return self.batch
mod = bound(mlp())
metric = mx.metric.create('ce')
mod.fit(Reused(), eval_metric=metric, num_epoch=2)
r0 = shown(mod)
r1 = plain(metric.get_global_name_value())
"""


def module():
    f = Programs("module")
    for program in PROGRAMS.strip("\n").split("\n---\n"):
        name, code = program.split("\n", 1)
        f.program(name.lstrip("#"), START + code.replace("STEPS", STEPS))
    return f
