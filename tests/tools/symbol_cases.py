"""Programs about symbols that run in MXNet and in weft alike; each gives a value that both are asked for.

A program is Python text whose last line is an expression. It sees ``mx``, ``s`` (``mx.sym``), ``np`` and the
variables ``x`` and ``y``. Names are counted anew for every program.
"""

import ast
import json

LENET = """
def conv(data, n, kernel, name):
    c = s.Convolution(data, kernel=kernel, num_filter=n, name=name)
    return s.Pooling(s.Activation(c, act_type='tanh'), pool_type='max', kernel=(2, 2), stride=(2, 2))
net = conv(conv(s.Variable('data'), 20, (5, 5), 'conv1'), 50, (5, 5), 'conv2')
net = s.FullyConnected(s.Flatten(net), num_hidden=500, name='fc1')
net = s.FullyConnected(s.Activation(net, act_type='tanh'), num_hidden=10, name='fc2')
net = s.SoftmaxOutput(net, name='softmax')
"""
RESNET = """
def bn(data, name):
    return s.BatchNorm(data, fix_gamma=False, eps=2e-5, momentum=0.9, name=name)
def conv(data, name, n, kernel=(3, 3), stride=(1, 1), pad=(1, 1)):
    return s.Convolution(data, num_filter=n, kernel=kernel, stride=stride, pad=pad, no_bias=True, workspace=256, name=name)
def unit(data, n, stride, match, name):
    a1 = s.Activation(bn(data, name + '_bn1'), act_type='relu', name=name + '_relu1')
    c1 = conv(a1, name + '_conv1', n, stride=stride)
    c2 = conv(s.Activation(bn(c1, name + '_bn2'), act_type='relu', name=name + '_relu2'), name + '_conv2', n)
    shortcut = data if match else conv(a1, name + '_sc', n, (1, 1), stride, (0, 0))
    return c2 + shortcut
net = unit(unit(s.var('data'), 8, (2, 2), False, 'u1'), 8, (1, 1), True, 'u2')
net = s.Pooling(net, global_pool=True, kernel=(7, 7), pool_type='avg', name='pool1')
net = s.SoftmaxOutput(s.FullyConnected(s.Flatten(net), num_hidden=10, name='fc1'), name='softmax')
"""
LSTM = """
def step(data, h, c, prefix, n):
    i2h = s.FullyConnected(data, s.var('i2h_weight'), s.var('i2h_bias'), num_hidden=4 * n, name=prefix + 'i2h')
    h2h = s.FullyConnected(h, s.var('h2h_weight'), s.var('h2h_bias'), num_hidden=4 * n, name=prefix + 'h2h')
    gates = s.SliceChannel(i2h + h2h, num_outputs=4, name=prefix + 'slice')
    i = s.Activation(gates[0], act_type='sigmoid', name=prefix + 'i')
    f = s.Activation(gates[1], act_type='sigmoid', name=prefix + 'f')
    g = s.Activation(gates[2], act_type='tanh', name=prefix + 'c')
    o = s.Activation(gates[3], act_type='sigmoid', name=prefix + 'o')
    c = s.elemwise_add(f * c, i * g, name=prefix + 'state')
    return s.elemwise_mul(o, s.Activation(c, act_type='tanh'), name=prefix + 'out'), c
h, c = s.var('h0'), s.var('c0')
outs = []
for t in range(3):
    h, c = step(s.var('t%d_data' % t), h, c, 'lstm_t%d_' % t, 5)
    outs.append(h)
net = s.Concat(*[s.expand_dims(o, axis=1) for o in outs], dim=1)
"""
BEGIN = """
i2h = s.FullyConnected(s.var('data'), num_hidden=6, name='i2h')
h2h = s.FullyConnected(s.zeros((0, 6)), num_hidden=6, name='h2h')
net = s.Activation(i2h + h2h, act_type='tanh')
"""

PROGRAMS = {
    "lenet": LENET + "net",
    "lenet_shapes": LENET + "net.infer_shape(data=(4, 1, 28, 28))",
    "lenet_partial": LENET + "net.infer_shape_partial(data=(0, 1, 28, 28))",
    "lenet_types": LENET + "net.infer_type(data='float16')",
    "lenet_internals": LENET + "net.get_internals()",
    "lenet_fc1": LENET + "net.get_internals()['fc1_output']",
    "lenet_children": LENET + "net.get_children().get_children()",
    "lenet_wrong_weight": LENET + "net.infer_shape(data=(4, 1, 28, 28), fc1_weight=(500, 7))",
    "resnet": RESNET + "net",
    "resnet_shapes": RESNET + "net.infer_shape(data=(2, 3, 32, 32))",
    "resnet_types": RESNET + "net.infer_type(data='float32')",
    "resnet_aux": RESNET + "net.list_auxiliary_states()",
    "resnet_attributes": RESNET + "net.attr_dict()",
    "lstm": LSTM + "net",
    "lstm_shapes": LSTM + "net.infer_shape(t0_data=(2, 3), t1_data=(2, 3), t2_data=(2, 3), h0=(2, 5), c0=(2, 5))",
    "lstm_partial": LSTM + "net.infer_shape_partial(t0_data=(2, 3))",
    "rnn_begin": BEGIN + "net.infer_shape(data=(3, 4))",
    "group": "s.Group([x + y, s.split(x, num_outputs=2, name='sp'), y])",
    "group_shapes": "s.Group([x + y, s.split(x, num_outputs=2, name='sp'), y]).infer_shape(x=(2, 4, 3))",
    "group_name": "s.Group([x, y]).name, s.split(x, num_outputs=2).name, x.name, len(s.Group([x, y]))",
    "variable": "s.var('v', attr={'q': '1'}, shape=(2, 0), lr_mult=2, wd_mult=0.5, dtype='float16', stype='row_sparse', __my__=3)",
    "variable_attributes": "s.var('v', attr={'q': '1'}, shape=(2, 0), lr_mult=2).list_attr()",
    "variable_inference": "(s.var('v', shape=(2, 3), dtype='float64') * 2).infer_shape(), (s.var('w', dtype='float64') * 2).infer_type()",
    "variable_overridden": "(s.var('v', shape=(2, 3)) * 2).infer_shape(v=(5,))",
    "scope": """
with mx.AttrScope(ctx_group='a', __x__='1'):
    with mx.AttrScope(ctx_group='b', __y__='2'):
        z = s.FullyConnected(x, num_hidden=2, name='f', attr={'__y__': '3'}) + s.Variable('v')
w = z * 2
w, w.attr_dict()""",
    "prefix": """
with mx.name.Prefix('net_'):
    z = s.FullyConnected(s.exp(x), num_hidden=2, name='f')
    z = s.FullyConnected(z, num_hidden=2)
z""",
    "compose": "n = s.FullyConnected(name='fc3', num_hidden=10)\nn(fc3_data=s.exp(x), name='composed'), n",
    "compose_swap": "z = s.exp(x) - y\nz(x=y, y=x)",
    "compose_group": "n = s.exp(name='e')\ng = s.Group([n, n * 2])\ng(e_data=x, name='new')",
    "compose_unknown": "s.exp(x)(bogus=y)",
    "compose_mixed": "s.FullyConnected(name='f', num_hidden=1)(x, f_weight=y)",
    "compose_tuple": "s.exp(name='e')(e_data=s.split(x, num_outputs=2))",
    "set_attributes": "f = s.FullyConnected(x, num_hidden=3, name='f')\nf._set_attr(name='g', num_hidden='5', lr_mult='3')\nf, f.list_attr()",
    "set_attribute_unknown": "s.FullyConnected(x, num_hidden=3)._set_attr(bogus='1')",
    "set_attribute_group": "s.Group([x, y])._set_attr(a='1')",
    "attributes": "x.attr('_value_index'), s.split(x, num_outputs=2)[1].attr('_value_index'), x.attr('no'), x.attr('name')",
    "shared_state": "m = s.var('m')\ns.Group([s.BatchNorm(x, moving_mean=m, name='a'), s.BatchNorm(y, moving_mean=m, name='b'), m])",
    "children_none": "x.get_children()",
    "children": "s.Group([s.exp(x) + y, s.exp(y), y]).get_children()",
    "getitem": "g = s.Group([x, y, s.exp(x, name='e')])\n[g[0], g[2], g['e_output'], g[0:2], len(g), [i.name for i in g]]",
    "getitem_range": "x[1]",
    "getitem_name": "x['nope']",
    "getitem_type": "x[1.5]",
    "two_of_a_name": "s.Group([x, x])['x']",
    "repr": "repr(x), repr(s.Group([x, s.exp(y, name='e')])), repr(s.split(x, num_outputs=2, name='sp'))",
    "debug": "s.Group([s.FullyConnected(x, num_hidden=3, name='f'), s.BatchNorm(y, name='b')]).debug_str()",
    "debug_variable": "x.debug_str()",
    "bool": "bool(x)",
    "asnumpy": "x.asnumpy()",
    "inplace": "x += y",
    "recursive": "x.list_attr(recursive=True)",
    "empty_group": "s.Group([])",
    "number_group": "s.Group([x, 1])",
    "number_variable": "s.Variable(3)",
    "unknown_attribute": "s.var('v', foo=1)",
    "tuple_input": "s.exp(s.Group([x, y]))",
    "number_input": "s.exp(1)",
    "unknown_parameter": "s.FullyConnected(x, num_hidden=3, bogus=1)",
    "unknown_input": "s.FullyConnected(x, num_hidden=3, bogus=y)",
    "unused_input": "s.FullyConnected(x, num_hidden=3, bias=y, no_bias=True)",
    "wrong_parameter": "s.FullyConnected(x, num_hidden='a')",
    "wrong_choice": "s.Activation(x, act_type='foo')",
    "missing_parameter": "s.Convolution(x, num_filter=4)",
    "deprecated_attribute": "s.FullyConnected(x, num_hidden=2, weight_lr_mult='2')",
    "hidden_attribute": "s.FullyConnected(x, num_hidden=2, lr_mult='2', name='f').list_attr()",
    "shape_list": "(x + y).infer_shape(x=[2, 3])",
    "shape_unknown_name": "(x + y).infer_shape(bogus=(2, 3))",
    "shape_both": "(x + y).infer_shape((2, 3), y=(2, 3))",
    "shape_positional": "(x + y).infer_shape((2, 3), (2, 3))",
    "shape_conflict": "(x + y).infer_shape(x=(2, 3), y=(2, 4))",
    "shape_both_ways": "(x + y).infer_shape(x=(2, 0), y=(0, 4))",
    "shape_missing": "(x + y).infer_shape()",
    "shape_backwards": "s.FullyConnected(x, num_hidden=3, name='f').infer_shape_partial(f_weight=(3, 5))",
    "shape_convolution": "s.Convolution(x, kernel=(3, 3), num_filter=4, name='c').infer_shape(x=(2, 3))",
    "shape_same_name": "s.Group([x, s.Variable('x')]).infer_shape(x=(2,))",
    "type_missing": "(x + 1).infer_type()",
    "type_partial": "(x + s.cast(y, dtype='int32')).infer_type_partial()",
    "type_conflict": "s.FullyConnected(x, num_hidden=3, name='f').infer_type(x='float16', f_weight='float32')",
    "type_unknown_name": "(x + y).infer_type(bogus='float32')",
    "type_embedding": "s.Embedding(x, input_dim=3, output_dim=2, name='e').infer_type(x='int32')",
    "type_batchnorm": "s.BatchNorm(x, name='b').infer_type(x='float16')",
    "many_inputs": "s.add_n(*[s.var('v%d' % i) for i in range(12)])",
    "escaped": "s.exp(x, attr={'__b__': '1\"\\\\\\n\\té', '__a__': '2'})",
    "pickled": "import pickle\npickle.loads(pickle.dumps(s.FullyConnected(x, num_hidden=2, name='f')))",
    "copied": "import copy\nz = s.exp(x, name='e')\nw = copy.copy(z)\nw._set_attr(__a__='1')\nz.list_attr(), w.list_attr()",
    "amp_cast": "s.exp(s.amp_cast(x, dtype='float16', name='c'), name='e').tojson(), "
    "s.exp(s.amp_cast(x, dtype='float16', name='c'), name='e').tojson(remove_amp_cast=False)",
    "hinted_names": "[f.name for f in (s.exp(x), s.Exp(x) if hasattr(s, 'Exp') else s.exp(x), s.linalg.gemm2(x, y), "
    "s.contrib.box_nms(x), s.identity(x), s.flatten(x), s.elemwise_add(x, y), s.ElementWiseSum(x, y), s.random.randn(2), s.uniform())]",
    "rnn_outputs": "[s.RNN(x, mode=m, state_size=2, num_layers=1, state_outputs=o).list_outputs() for m in ('lstm', 'gru') for o in (0, 1)]",
}
# Files as older versions wrote them: (nodes, mxnet_version or None).
_OLD_FC = {
    "op": "FullyConnected", "name": "fc", "param": {"num_hidden": "3", "no_bias": "False"},
    "attr": {"lr_mult": "2", "weight_lr_mult": "5", "ctx_group": "a"}, "backward_source_id": -1, "inputs": [[0, 0], [1, 0], [2, 0]],
}
_OLD_BN = {"op": "BatchNorm", "name": "bn", "param": {"eps": "0.001"}, "inputs": [[0, 0], [1, 0], [2, 0]]}
_OLD_ARGMAX = {"op": "argmax", "name": "a", "attr": {"axis": "-1"}, "inputs": [[0, 0]]}


def _old_variable(name, **more):
    return {"op": "null", "name": name, "inputs": [], **more}


def _old_file(nodes, version):
    variables = [index for index, node in enumerate(nodes) if node["op"] == "null"]
    record = {"nodes": nodes, "arg_nodes": variables, "heads": [[len(nodes) - 1, 0]]}
    if version:
        record["attrs"] = {"mxnet_version": ["int", version]}
    return "s.load_json(%r)" % json.dumps(record)


for _version in (None, 800, 900, 1000, 10900):
    PROGRAMS["old_fc_%s" % _version] = _old_file(
        [_old_variable("x", attr={"lr_mult": "3"}), _old_variable("w", param={}), _old_variable("b"), _OLD_FC], _version
    )
for _version in (None, 800):
    PROGRAMS["old_bn_%s" % _version] = _old_file([_old_variable("x"), _old_variable("g"), _old_variable("b"), _OLD_BN], _version)
for _version in (None, 903, 904, 905, 10901):
    PROGRAMS["old_argmax_%s" % _version] = _old_file([_old_variable("x", attr={"__init__": "zero"}), _OLD_ARGMAX], _version)
PROGRAMS["unknown_operator"] = _old_file([_old_variable("x"), {"op": "foo", "name": "e", "inputs": [[0, 0]]}], 10901)
PROGRAMS["unknown_json_attribute"] = _old_file(
    [_old_variable("x"), {"op": "Activation", "name": "e", "attrs": {"foo": "1", "act_type": "relu"}, "inputs": [[0, 0]]}], 10901
)
PROGRAMS["dangling"] = _old_file([_old_variable("x"), {"op": "exp", "name": "e", "inputs": [[7, 0]]}], 10901)

OPERATORS = (
    "x+y x-y x*y x/y x%y x**y x==y x!=y x>y x>=y x<y x<=y x+1 1+x x-1 1-x x*2 2*x x/2 2/x x%2 2%x x**2 2**x x==1 x!=1 x>1 x>=1 "
    "x<1 x<=1 -x abs(x) 1==x 1<x x+1.5 x+np.float32(2.5) x+np.int64(2) x+None None+x x+'a' s.pow(x,y) s.power(x,2) s.pow(2,x) "
    "s.maximum(x,y) s.maximum(x,2) s.maximum(2,x) s.minimum(x,y) s.minimum(3,x) s.hypot(x,y) s.hypot(x,2) s.hypot(2,x) "
    "s.pow(2,3) s.hypot(3,4) s.maximum(2,3) s.pow(x,'a')"
).split()
METHODS = (
    "reshape((2,-1)) reshape(shape=(2,3)) astype('int32') flatten() transpose() transpose(axes=(1,0)) sum() sum(axis=(0,1)) "
    "sum(axis=1,keepdims=True) mean(axis=0) max() min() prod() norm() expand_dims(1) squeeze() squeeze(axis=1) split(num_outputs=2) "
    "split_v2(2) split_v2((1,2)) diag() diag(k=1) slice_axis(axis=0,begin=0,end=1) slice(begin=(0,None),end=(None,2)) topk(k=2,ret_typ='both') "
    "take(y) pick(y) one_hot(depth=3) clip(0,1) abs() sign() sort() argsort() argmax(axis=0) argmin() argmax_channel() exp() log() "
    "sqrt() square() relu() sigmoid() tanh() softmax() log_softmax() softmin() repeat(repeats=2) tile(reps=(2,)) flip(axis=0) "
    "pad(mode='constant',pad_width=(0,0,0,0,1,1,1,1)) swapaxes(dim1=0,dim2=1) broadcast_to(shape=(2,3)) broadcast_like(y) "
    "broadcast_axes(axis=0,size=2) reshape_like(y) slice_like(y) zeros_like() ones_like() shape_array() size_array() round() rint() "
    "fix() floor() ceil() trunc() depth_to_space(block_size=2) space_to_depth(block_size=2) nansum() nanprod() reciprocal() "
    "copy() detach() backward() wait_to_read() asscalar() as_in_context()"
).split()
CREATION = (
    "s.zeros((2,3)) s.zeros(3) s.ones((2,),dtype='int32') s.full((2,),3) s.full((2,),3,'int32',name='f') s.arange(5) s.arange(1,5,2,dtype='int32') "
    "s.arange(0,infer_range=True) s.linspace(0,1,5) s.eye(3) s.eye(3,4,1) s.split_v2(x,2) s.split_v2(x,(1,2)) s.split_v2(x,'a') "
    "s.histogram(x,5,(0,1)) s.histogram(x,y) s.histogram(x,5) s.concat(x,y,dim=1) s.Concat(x,y,num_args=2) s.concat(arg0=x,arg1=y) "
    "s.concat(num_args=2) s.concat(x,1) s.random.uniform(shape=(2,)) s.random.normal(x,y,shape=(2,)) s.random.normal(0,1,(2,)) "
    "s.random.poisson(3,(2,)) s.random.exponential(2,(2,)) s.random.gamma(1,2,(2,)) s.random.negative_binomial(1,0.5,(2,)) "
    "s.random.generalized_negative_binomial(1,0.5,(2,)) s.random.multinomial(x) s.random.shuffle(x) s.random.randint(0,5,shape=(2,)) "
    "s.random.randn(2,3) s.random.uniform(x,1) s.cast(x,dtype=np.float16) s.sum(x,axis=np.int64(1)) s.slice_axis(x,0,0,1) s.clip(x,0,1) "
    "s.one_hot(x,3) s.dot(x,y,transpose_a=True) s.LeakyReLU(x,act_type='prelu') s.UpSampling(x,scale=2,sample_type='bilinear',num_args=2) "
    "s.contrib.rand_zipfian(x,4,5) s.linalg_gemm2(x,y) s.image.to_tensor(x) s.sparse.dot(x,y) s.op.exp(x) s._internal._PlusScalar(x,scalar=1)"
).split()
for _source in OPERATORS + CREATION:
    PROGRAMS[_source] = _source
for _source in METHODS:
    PROGRAMS["." + _source] = "x." + _source
PROGRAMS["np.bool + x"] = "x + True"


CONTROL = {
    "foreach": """
h, w, z = s.var('h'), s.var('w'), s.exp(s.var('z'))
def step(d, st):
    o = s.FullyConnected(d, num_hidden=3, name='fc') + st[0] * w
    return [o, s.exp(z)], [o]
out, st = s.contrib.foreach(step, x, [h])
s.Group(out + st)""",
    "foreach_state": "out, st = s.contrib.foreach(lambda d, t: (d + t, d + t), x, y)\ns.Group([out, st])",
    "foreach_nested": """
def outer(d, t):
    o, u = s.contrib.foreach(lambda e, v: (e * v, e + v), d, t)
    return o, u
out, st = s.contrib.foreach(outer, x, y)
s.Group([out, st])""",
    "while_loop": """
i, a = s.var('i'), s.var('a')
o, l = s.contrib.while_loop(lambda i, a: i < 5, lambda i, a: ([a * 2], [i + 1, a + i]), [i, a], max_iterations=7)
s.Group([*o, *l])""",
    "cond": "a = s.var('a')\ns.contrib.cond(a < 3, lambda: a + x, lambda: a * y)",
    "foreach_unused": "s.contrib.foreach(lambda d, t: (t, t), x, y)",
    "foreach_states_differ": "s.contrib.foreach(lambda d, t: (d + t[0], [t[0], t[0]]), x, [y])",
    "while_no_limit": "s.contrib.while_loop(lambda i: i < 5, lambda i: (i, i + 1), x)",
    "cond_differs": "s.contrib.cond(x, lambda: [x, x], lambda: x)",
}


def describe(mx, value):
    """Return a value as JSON can hold it; a symbol as its JSON and the names in it."""
    if isinstance(value, mx.sym.Symbol):
        return {
            "symbol": value.tojson(),
            "outputs": value.list_outputs(),
            "arguments": value.list_arguments(),
            "states": value.list_auxiliary_states(),
        }
    if isinstance(value, (list, tuple)):
        return [describe(mx, item) for item in value]
    if isinstance(value, dict):
        return {"dict": {str(key): describe(mx, item) for key, item in sorted(value.items())}}
    if isinstance(value, type):
        return value.__name__
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError("no description of %r" % (value,))


def raised(error):
    """Return the names of an exception's classes, the most special one first."""
    return {"error": [kind.__name__ for kind in type(error).__mro__ if issubclass(kind, Exception)]}


def answer(mx, source):
    """Run a program; return its value, or the class of what it raised."""
    import numpy as np

    tree = ast.parse(source.strip())
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    with mx.name.NameManager(), mx.AttrScope():
        space = {"mx": mx, "s": mx.sym, "np": np, "x": mx.sym.Variable("x"), "y": mx.sym.Variable("y")}
        try:
            exec(compile(tree, "program", "exec"), space)
            value = eval(compile(ast.Expression(last.value), "program", "eval"), space) if last is not None else None
            return {"value": json.loads(json.dumps(describe(mx, value)))}
        except Exception as error:
            return raised(error)


def operator_answer(mx, path, kwargs):
    """Call an operator without inputs; return the symbol or the class of the error."""
    try:
        function = mx.sym
        for part in path.split("."):
            function = getattr(function, part)
        with mx.name.NameManager(), mx.AttrScope():
            return {"value": describe(mx, function(**kwargs))}
    except Exception as error:
        return raised(error)
