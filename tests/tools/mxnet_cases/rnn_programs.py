"""Short programs about ``mx.rnn``: the graphs of cells, what they compute, weights, sentences, checkpoints."""

from .ndarray_programs import Programs

START = """
import json, logging, os, random, tempfile, warnings
logging.disable(logging.WARNING)
warnings.simplefilter('ignore')
names = mx.name.NameManager().__enter__()
def values(shape, seed=3):
    return nd.array(np.round(np.random.RandomState(seed).uniform(-1, 1, shape) * 64) / 64)
def flat(x):
    return [z for y in x for z in flat(y)] if isinstance(x, (list, tuple)) else [x]
def nodes(group):
    lines = [[n['op'], n['name'], sorted(n.get('attrs', {}).items()), [i[:2] for i in n['inputs']]] for n in json.loads(group.tojson())['nodes']]
    return '\\n'.join(map(str, lines))
def group_of(*symbols):
    # Each output once: of heads that stand twice in a group MXNet takes the last gradient alone.
    once = {}
    for symbol in flat(symbols):
        once[str(symbol.list_outputs())] = symbol
    return mx.sym.Group(list(once.values()))
def computed(group, **shapes):
    names = group.list_arguments()
    arrays = {k: values(s, i) for i, (k, s) in enumerate(zip(names, group.infer_shape(**shapes)[0]))}
    grads = {k: nd.zeros(v.shape) for k, v in arrays.items()}
    exe = group.bind(mx.cpu(), arrays, grads)
    outs = exe.forward(is_train=True)
    exe.backward([values(o.shape, 50 + i) for i, o in enumerate(outs)])
    return [[o.asnumpy() for o in outs], [[k, grads[k].asnumpy()] for k in sorted(grads)]]
def args_of(cell, group, **shapes):
    names = group.list_arguments()
    known = dict(zip(names, group.infer_shape(**shapes)[0]))
    return {k: values(known[k], i) for i, k in enumerate(names) if k not in shapes}
def shown(args):
    return [[k, args[k].asnumpy()] for k in sorted(args)]
x, y = mx.sym.Variable('x'), mx.sym.Variable('y')
"""
CELLS = {
    "rnn": "mx.rnn.RNNCell(3)",
    "rnn-relu": "mx.rnn.RNNCell(3, activation='relu', prefix='p_')",
    "rnn-function": "mx.rnn.RNNCell(3, activation=lambda s, name: mx.sym.LeakyReLU(s, slope=0.5, name=name))",
    "lstm": "mx.rnn.LSTMCell(3)",
    "gru": "mx.rnn.GRUCell(3)",
    "fused-lstm": "mx.rnn.FusedRNNCell(3, num_layers=2, get_next_state=True)",
    "fused-gru": "mx.rnn.FusedRNNCell(3, mode='gru', bidirectional=True, prefix='f_')",
    "fused-tanh": "mx.rnn.FusedRNNCell(3, mode='rnn_tanh', get_next_state=True)",
    "unfused": "mx.rnn.FusedRNNCell(3, num_layers=2, bidirectional=True, mode='gru', dropout=0.5).unfuse()",
    "both": "mx.rnn.BidirectionalCell(mx.rnn.LSTMCell(3, prefix='l_'), mx.rnn.GRUCell(2, prefix='r_'))",
    "both-fused": "mx.rnn.BidirectionalCell(mx.rnn.FusedRNNCell(2, prefix='l_'), mx.rnn.FusedRNNCell(2, prefix='r_'))",
    "residual": "mx.rnn.ResidualCell(mx.rnn.GRUCell(4))",
    "residual-both": "mx.rnn.ResidualCell(mx.rnn.BidirectionalCell(mx.rnn.GRUCell(2, prefix='l_'), mx.rnn.GRUCell(2, prefix='r_')))",
    "residual-fused": "mx.rnn.ResidualCell(mx.rnn.FusedRNNCell(4))",
    "zoneout": "mx.rnn.ZoneoutCell(mx.rnn.LSTMCell(3), 0.2, 0.3)",
    "dropout": "mx.rnn.DropoutCell(0.5)",
    "dropout-0": "mx.rnn.DropoutCell(0)",
    "stack": "stack([mx.rnn.LSTMCell(3, prefix='a_'), mx.rnn.ResidualCell(mx.rnn.GRUCell(3, prefix='b_')), mx.rnn.DropoutCell(0), mx.rnn.RNNCell(2)])",
    "stack-both": "stack([mx.rnn.BidirectionalCell(mx.rnn.LSTMCell(2, prefix='l_'), mx.rnn.LSTMCell(2, prefix='r_')), mx.rnn.GRUCell(2)])",
    "stack-fused": "stack([mx.rnn.FusedRNNCell(3, prefix='a_'), mx.rnn.DropoutCell(0.5), mx.rnn.GRUCell(3, prefix='b_')])",
}
RANDOM = ("unfused", "zoneout", "dropout", "stack-fused")
CONVOLUTIONS = {
    "rnn": "mx.rnn.ConvRNNCell((1, 2, 4, 5), 2)",
    "lstm": "mx.rnn.ConvLSTMCell((1, 2, 4, 5), 2, h2h_kernel=(5, 3), i2h_kernel=(1, 1), i2h_pad=(0, 0), activation='tanh')",
    "gru": "mx.rnn.ConvGRUCell((1, 2, 4, 5), 2, i2h_stride=(2, 2), h2h_dilate=(2, 2), prefix='c_')",
}
STACK = """
def stack(cells):
    whole = mx.rnn.SequentialRNNCell()
    for cell in cells:
        whole.add(cell)
    return whole
"""
OTHERS = """
#steps
cell = mx.rnn.LSTMCell(2)
states = cell.begin_state(func=mx.sym.ones)
for i in range(2):
    out, states = cell(x, states)
group = group_of(out, states)
r0 = nodes(group)
r1 = computed(group, x=(2, 3))
cell.reset()
r2 = cell(x, cell.begin_state())[0].name
---
#stack-steps
cell = stack([mx.rnn.GRUCell(2, prefix='a_'), mx.rnn.DropoutCell(0), mx.rnn.ZoneoutCell(mx.rnn.LSTMCell(2, prefix='b_'))])
out, states = cell(x, cell.begin_state())
r0 = computed(group_of(out, states), x=(2, 3))
r1 = cell.state_shape
r2 = [sorted(info.items()) for info in cell.state_info]
---
#state-variables
states = mx.rnn.LSTMCell(2).begin_state(func=mx.sym.Variable)
r0 = [[s.name, s.attr('__layout__'), s.attr('__shape__')] for s in states]
states = mx.rnn.GRUCell(2).begin_state(func=mx.sym.uniform, low=1, high=2)
r1 = nodes(states[0])
---
#given-states
cell = mx.rnn.FusedRNNCell(2, get_next_state=True)
out, states = cell.unroll(2, x, begin_state=[mx.sym.Variable('h'), mx.sym.Variable('c')], layout='TNC')
r = computed(group_of(out, states), x=(2, 3, 2), h=(1, 3, 2), c=(1, 3, 2))
---
#shared
params = mx.rnn.RNNParams('s_')
a, b = mx.rnn.LSTMCell(2, prefix='a_', params=params), mx.rnn.LSTMCell(2, prefix='b_', params=params)
outs = [mx.sym.Group(flat(c.unroll(2, x)[0])) for c in (a, b)]
r0 = [o.list_arguments() for o in outs]
r1 = sorted(params._params)
r2 = params.get('new', shape=(2, 3), lr_mult=2).attr_dict()['s_new']['__lr_mult__']
---
#shared-stack
cell = mx.rnn.SequentialRNNCell(params=mx.rnn.RNNParams('q_'))
cell.add(mx.rnn.GRUCell(2, prefix='a_'))
r0 = sorted(cell.params._params)
both = mx.rnn.BidirectionalCell(mx.rnn.GRUCell(2, prefix='l_'), mx.rnn.GRUCell(2, prefix='r_'), output_prefix='o_')
r1 = sorted(both.params._params)
---
#init
cell = stack([mx.rnn.LSTMCell(2, prefix='a_', forget_bias=3), mx.rnn.FusedRNNCell(2, prefix='b_', forget_bias=5)])
out, _ = cell.unroll(2, mx.sym.Variable('data'), merge_outputs=True)
mod = mx.mod.Module(out, label_names=None)
mod.bind([('data', (2, 2, 3))])
mod.init_params(mx.init.One())
r = shown(mod.get_params()[0])
---
#init-conv
cell = mx.rnn.ConvLSTMCell((1, 2, 4, 4), 2, i2h_weight_initializer='ones', h2h_weight_initializer=mx.init.Constant(3), h2h_bias_initializer='ones')
out, _ = cell.unroll(1, [mx.sym.Variable('data')])
mod = mx.mod.Module(out[0], label_names=None)
mod.bind([('data', (1, 2, 4, 4))])
mod.init_params(mx.init.Zero())
r = [[k, v.mean()] for k, v in shown(mod.get_params()[0])]
---
#fused-is-unfused
fused = mx.rnn.FusedRNNCell(2, num_layers=2, mode='lstm', bidirectional=True, prefix='p_')
a, _ = fused.unroll(3, x, layout='NTC', merge_outputs=True)
stacked = fused.unfuse()
b, _ = stacked.unroll(3, x, layout='NTC', merge_outputs=True)
args = args_of(fused, a, x=(2, 3, 4))
plain = fused.unpack_weights(args)
again = stacked.pack_weights(plain)
data = values((2, 3, 4), 77)
r0 = a.eval(x=data, **args)[0]
r1 = b.eval(x=data, **again)[0]
r2 = shown(plain)
r3 = shown(again)
r4 = shown(fused.pack_weights(plain))
r5 = sorted(args)
---
#unpacked-rest
cell = mx.rnn.GRUCell(2)
args = {'gru_i2h_weight': values((6, 3)), 'gru_i2h_bias': values((6,)), 'gru_h2h_weight': values((6, 2)), 'gru_h2h_bias': values((6,)), 'z': values((1,))}
r0 = shown(cell.unpack_weights(args))
r1 = shown(cell.pack_weights(cell.unpack_weights(args)))
r2 = shown(mx.rnn.RNNCell(2, prefix='gru_').unpack_weights(args))
r3 = shown(mx.rnn.DropoutCell(0.5).unpack_weights(args))
r4 = shown(mx.rnn.ZoneoutCell(cell).unpack_weights(args))
---
#unpack-wrong-size
mx.rnn.FusedRNNCell(2).unpack_weights({'lstm_parameters': nd.zeros((7,))})
---
#unpack-missing
mx.rnn.GRUCell(2).unpack_weights({})
---
#refused-wrapped
cell = mx.rnn.GRUCell(2)
mx.rnn.ZoneoutCell(cell)
cell.begin_state()
---
#refused-fused-step
cell = mx.rnn.FusedRNNCell(2)
cell(x, cell.begin_state())
---
#refused-both-step
cell = mx.rnn.BidirectionalCell(mx.rnn.GRUCell(2), mx.rnn.GRUCell(2))
cell(x, cell.begin_state())
---
#refused-zoneout-fused
mx.rnn.ZoneoutCell(mx.rnn.FusedRNNCell(2))
---
#refused-zoneout-both
mx.rnn.ZoneoutCell(stack([mx.rnn.BidirectionalCell(mx.rnn.GRUCell(2), mx.rnn.GRUCell(2))]))
---
#refused-length
mx.rnn.GRUCell(2).unroll(3, [x, y])
---
#refused-none
mx.rnn.GRUCell(2).unroll(3, None)
---
#refused-group
mx.rnn.GRUCell(2).unroll(2, mx.sym.Group([x, y]))
---
#refused-params
params = mx.rnn.RNNParams('a_')
mx.rnn.SequentialRNNCell(params=params).add(mx.rnn.GRUCell(2, params=params))
---
#refused-kernel
mx.rnn.ConvRNNCell((1, 2, 4, 4), 2, h2h_kernel=(2, 2))
---
#refused-layout
mx.rnn.FusedRNNCell(2).unroll(2, x, layout='NCT')
---
#encode
texts = [['a', 'b'], ['c', 'a', 'd'], []]
r0 = [list(mx.rnn.encode_sentences(texts)[0]), sorted(mx.rnn.encode_sentences(texts)[1].items())]
out, vocab = mx.rnn.encode_sentences(texts, invalid_label=1, invalid_key='<end>', start_label=0)
r1 = [out, sorted(vocab.items())]
vocab = {'a': 3, 'b': 4, 'c': 5, 'd': 7}
r2 = [mx.rnn.encode_sentences(texts, vocab)[0], sorted(vocab.items())]
vocab = {'a': 3}
r3 = [mx.rnn.encode_sentences(texts, vocab, unknown_token='?', start_label=9)[0], sorted(vocab.items())]
vocab = {'a': 3, '?': 0}
r4 = [mx.rnn.encode_sentences(texts, vocab, unknown_token='?')[0], sorted(vocab.items())]
---
#encode-unknown
mx.rnn.encode_sentences([['a', 'b']], {'a': 0})
---
#sentences
random.seed(5)
np.random.seed(5)
sentences = [[i + 1] * (1 + i % 4) for i in range(23)] + [[9] * 8]
for n, options in enumerate(({}, {'layout': 'TN'}, {'buckets': [4, 2], 'invalid_label': 0, 'dtype': 'int32'}, {'buckets': [3, 6], 'data_name': 'd', 'label_name': 'l'})):
    it = mx.rnn.BucketSentenceIter(sentences, 3, **options)
    seen = []
    for epoch in range(2):
        for b in it:
            seen.append(str([b.bucket_key, b.pad, b.provide_data + b.provide_label, b.data[0].asnumpy().tolist(), b.label[0].asnumpy().tolist()]))
        it.reset()
    globals()['r%d' % n] = [it.buckets, it.default_bucket_key, it.batch_size, [[d.name, d.shape, d.layout] for d in it.provide_data + it.provide_label], seen]
---
#sentences-layout
mx.rnn.BucketSentenceIter([[1, 2], [3, 4]], 1, layout='CC')
---
#checkpoint
fused = mx.rnn.FusedRNNCell(2, num_layers=2, mode='gru', prefix='p_')
out, _ = fused.unroll(2, x, layout='TNC')
args = args_of(fused, out, x=(2, 3, 4))
with tempfile.TemporaryDirectory() as folder:
    prefix = os.path.join(folder, 'net')
    mx.rnn.save_rnn_checkpoint(fused, prefix, 3, out, args, {'aux': values((2,))})
    r0 = sorted(nd.load(prefix + '-0003.params'))
    sym, arg, aux = mx.rnn.load_rnn_checkpoint([fused], prefix, 3)
    r1 = [sym.list_arguments(), shown(arg), shown(aux)]
    sym, arg, aux = mx.rnn.load_rnn_checkpoint(fused.unfuse(), prefix, 3)
    r2 = shown(arg)
    save = mx.rnn.do_rnn_checkpoint(fused, prefix + 'x', 2)
    for epoch in range(5):
        save(epoch, out, args, {})
    r3 = sorted(os.listdir(folder))
---
#buckets
random.seed(1)
np.random.seed(1)
sentences = [[(i + j) % 5 + 1 for j in range(2 + i % 3)] for i in range(36)]
it = mx.rnn.BucketSentenceIter(sentences, 4, buckets=[2, 3, 4], invalid_label=0)
cell = stack([mx.rnn.LSTMCell(4, prefix='a_'), mx.rnn.GRUCell(4, prefix='b_')])
def sym_gen(length):
    data, label = mx.sym.Variable('data'), mx.sym.Variable('softmax_label')
    cell.reset()
    out, _ = cell.unroll(length, mx.sym.Embedding(data, input_dim=6, output_dim=3, name='embed'), merge_outputs=True)
    pred = mx.sym.FullyConnected(mx.sym.Reshape(out, shape=(-1, 4)), num_hidden=6, name='pred')
    return mx.sym.SoftmaxOutput(pred, mx.sym.Reshape(label, shape=(-1,)), name='softmax'), ('data',), ('softmax_label',)
mod = mx.mod.BucketingModule(sym_gen, default_bucket_key=it.default_bucket_key)
mod.bind(it.provide_data, it.provide_label)
mod.init_params(mx.init.Constant(0.1))
metric = mx.metric.Perplexity(0)
mod.fit(it, num_epoch=2, eval_metric=metric, optimizer_params={'learning_rate': 0.2, 'wd': 0.01})
r0 = shown(mod.get_params()[0])
r1 = metric.get()[1]
"""


def rnn():
    f = Programs("rnn")
    start = START + STACK
    for name, cell in CELLS.items():
        for layout in ("NTC", "TNC"):
            for merge in ("None", "True", "False"):
                code = "out, states = %s.unroll(2, x, layout=%r, merge_outputs=%s)\ngroup = group_of(out, states)\n" % (cell, layout, merge)
                code += "r0 = [isinstance(out, list), group.list_outputs(), group.list_arguments()]\n"
                if (layout, merge) in (("NTC", "None"), ("TNC", "True")):
                    code += "r1 = nodes(group)\n"
                if name not in RANDOM and (layout, merge) in (("NTC", "True"), ("TNC", "None"), ("TNC", "False")):
                    code += "r2 = computed(group, x=(2, 2, 4))\n"
                f.program("%s-%s-%s" % (name, layout, merge), start + code)
        code = "out, states = %s.unroll(2, [x, y])\ngroup = group_of(out, states)\nr = nodes(group)\n" % cell
        f.program(name + "-list", start + code)
    for name, cell in CONVOLUTIONS.items():
        code = "out, states = %s.unroll(2, [x, y])\ngroup = group_of(out, states)\nr0 = nodes(group)\nr1 = computed(group, x=(2, 2, 4, 5), y=(2, 2, 4, 5))\n" % cell
        f.program("conv-" + name, start + code)
    for program in OTHERS.strip("\n").split("\n---\n"):
        name, code = program.split("\n", 1)
        f.program(name.lstrip("#"), start + code)
    return f
