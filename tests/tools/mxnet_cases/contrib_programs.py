"""Short programs: texts, variance reduced gradients and the old autograd of mx.contrib."""

from .ndarray_programs import Programs

TEXT = """
import os, tempfile
from collections import Counter
text = mx.contrib.text
folder = tempfile.mkdtemp()
counter = Counter(['a', 'b', 'b', 'c', 'c', 'c', 'some_word$'])
def file(*lines):
    path = os.path.join(folder, 'file%d.txt' % len(os.listdir(folder)))
    with open(path, 'w') as f:
        f.write(''.join(line + chr(10) for line in lines))
    return path
def shown(e):
    return [e.idx_to_token, sorted(e.token_to_idx.items()), e.idx_to_vec, e.vec_len, e.unknown_token, e.reserved_tokens, len(e)]
two = ('a 0.1 0.2 0.3', 'b 0.4 0.5 0.6')
other = ('a 1 2', 'c 3 4', '<none> 5 6')
"""
TEXTS = """
#count
source = ' Life is great ! | life is good . |  life is LIFE'
r0 = [sorted(text.utils.count_tokens_from_str(source, seq_delim='[|]', to_lower=low).items()) for low in (False, True)]
more = Counter({'life': 2})
r1 = text.utils.count_tokens_from_str(source, ' ', '[|]', True, more) is more
r2 = sorted(more.items())
r3 = sorted(text.utils.count_tokens_from_str('xIyAzIIy', 'I', 'A').items())
---
#vocabulary
def made(**kwargs):
    v = text.vocab.Vocabulary(counter, **kwargs)
    return [len(v), v.idx_to_token, sorted(v.token_to_idx.items()), v.unknown_token, v.reserved_tokens]
r0 = [made(min_freq=n) for n in (1, 2, 100)]
r1 = [made(most_freq_count=n) for n in (0, 1, 2, 3, 100)]
r2 = [made(most_freq_count=1, min_freq=2, reserved_tokens=['<pad>', 'b']), made(min_freq=2, unknown_token='b', reserved_tokens=['<pad>'])]
r3 = [text.vocab.Vocabulary().idx_to_token, text.vocab.Vocabulary(Counter([(1, 2), (1, 2), (0, 1)]), unknown_token=(0, 0)).idx_to_token]
---
#indices and tokens
v = text.vocab.Vocabulary(counter)
r0 = [v.to_indices('c'), v.to_indices(['c']), v.to_indices(['<unk>', 'none']), v.to_indices([])]
r1 = [v.to_tokens(1), v.to_tokens([1]), v.to_tokens([0, 0, 3])]
---
#bad index
text.vocab.Vocabulary(counter).to_tokens(100)
---
#bad frequency
text.vocab.Vocabulary(counter, min_freq=0)
---
#reserved twice
text.vocab.Vocabulary(counter, reserved_tokens=['b', 'b'])
---
#reserved unknown
text.vocab.Vocabulary(counter, unknown_token='<u>', reserved_tokens=['b', '<u>'])
---
#bad counter
text.vocab.Vocabulary({'a': 1})
---
#custom embedding
e = text.embedding.CustomEmbedding(file(*two))
r0 = shown(e)
r1 = [e.get_vecs_by_tokens('a'), e.get_vecs_by_tokens(['a', 'none']), e.get_vecs_by_tokens('A'), e.get_vecs_by_tokens(['A', 'b'], lower_case_backup=True)]
---
#custom embedding with its unknown vector
r0 = [shown(text.embedding.CustomEmbedding(file(*other), init_unknown_vec=nd.ones, unknown_token=t)) for t in ('<none>', '<unk>')]
---
#custom embedding for a vocabulary
v = text.vocab.Vocabulary(counter, reserved_tokens=['<pad>'])
e = text.embedding.CustomEmbedding(file(*two), vocabulary=v, init_unknown_vec=nd.ones)
r0 = shown(e)
e.update_token_vectors(['a', 'b'], nd.array([[2, 2, 2], [3, 3, 3]]))
e.update_token_vectors('<unk>', nd.array([7, 8, 9]))
e.update_token_vectors(['<pad>'], nd.array([[4, 4, 4]]))
r1 = e.idx_to_vec
---
#headers, repeated tokens and other delimiters
r0 = shown(text.embedding.CustomEmbedding(file('2 3', *two, 'a 7 8 9')))
r1 = shown(text.embedding.CustomEmbedding(file(*[line.replace(' ', chr(9)) for line in two]), elem_delim=chr(9)))
---
#an embedding without vectors in a line
text.embedding.CustomEmbedding(file(*two, 'c'))
---
#an embedding with a shorter vector
text.embedding.CustomEmbedding(file(*two, 'c 1 2'))
---
#an embedding without file
text.embedding.CustomEmbedding(folder + '/none')
---
#update of a token without vector
text.embedding.CustomEmbedding(file(*two)).update_token_vectors('none', nd.array([0, 0, 0]))
---
#update with too many vectors
text.embedding.CustomEmbedding(file(*two)).update_token_vectors('a', nd.zeros((2, 3)))
---
#update with a short vector
text.embedding.CustomEmbedding(file(*two)).update_token_vectors('a', nd.zeros((1,)))
---
#composite embedding
v = text.vocab.Vocabulary(counter)
one = text.embedding.CustomEmbedding(file(*two), init_unknown_vec=nd.ones)
more = text.embedding.CustomEmbedding(file(*other), unknown_token='<none>')
r0 = shown(text.embedding.CompositeEmbedding(v, one))
e = text.embedding.CompositeEmbedding(v, [one, more])
r1 = shown(e)
r2 = e.get_vecs_by_tokens(['b', 'none'])
---
#composite of something else
text.embedding.CompositeEmbedding(text.vocab.Vocabulary(counter), [3])
---
#names of files
r0 = [text.embedding.get_pretrained_file_names('glove'), len(text.embedding.get_pretrained_file_names('fasttext'))]
r1 = sorted(k for k in text.embedding.get_pretrained_file_names() if k in ('glove', 'fasttext'))
r2 = text.embedding.GloVe._get_download_file_name('glove.6B.50d.txt')
---
#names of files of nothing
text.embedding.get_pretrained_file_names('none')
---
#an embedding of nothing
text.embedding.create('none')
---
#a file that is not published
text.embedding.create('glove', pretrained_file_name='none')
"""
SVRG = """
import importlib
svrg = importlib.import_module(mx.__name__ + '.contrib.svrg_optimization.svrg_module')
optimizers = importlib.import_module(mx.__name__ + '.contrib.svrg_optimization.svrg_optimizer')
X = np.random.RandomState(0).randint(1, 5, (18, 2)).astype('float32')
def data(count=18, batch=5):
    return mx.io.NDArrayIter(X[:count], X[:count].dot(np.array([1, 2], 'float32')), batch, label_name='y')
def module(**kwargs):
    net = mx.sym.FullyConnected(mx.sym.Variable('data'), num_hidden=1, name='fc')
    net = mx.sym.LinearRegressionOutput(net, mx.sym.Variable('y'), name='lro')
    mod = svrg.SVRGModule(net, label_names=['y'], update_freq=100, **kwargs)
    mod.bind(data().provide_data, data().provide_label)
    mod.init_params(mx.init.One())
    return mod
def shown(mod):
    args = mod.get_params()[0]
    return [[name, args[name]] for name in sorted(args)]
"""
SVRGS = """
#svrg fit
mod = module()
mod.fit(data(15), eval_metric='mse', optimizer_params={'learning_rate': 0.02}, num_epoch=4)
r0 = shown(mod)
r1 = [[name, float(value)] for name, value in mod.score(data(15), 'mse')]
---
#svrg fit with a batch that is filled up
mod = module()
mod.fit(data(), eval_metric='mse', optimizer_params={'learning_rate': 0.02, 'momentum': 0.5}, num_epoch=3)
r0 = shown(mod)
---
#svrg full gradients
mod = module()
mod.init_optimizer(kvstore=mx.kv.create('local'), optimizer_params={'learning_rate': 0.01})
mod.update_full_grads(data())
r0 = [type(mod._optimizer).__name__, mod._optimizer.rescale_grad, mod._mod_aux.binded]
r1 = [[name, mod._param_dict[0][name]] for name in sorted(mod._param_dict[0])]
---
#svrg optimizer in a store
o = optimizers._SVRGOptimizer(default_optimizer='sgd', param_idx2name={0: 'weight', 1: 'weight_full'}, learning_rate=1.0)
kv = mx.kv.create('local')
kv.set_optimizer(o)
w, full = nd.zeros((3,)), nd.ones((3,))
kv.init([0, 1], [w, full])
kv.push([0, 1], [nd.ones((3,)), nd.full((3,), 2)])
kv.pull([0, 1], [w, full])
r0 = [w, full, o.default_opt.lr]
---
#svrg sums in the store
mod = module()
mod.init_optimizer(kvstore=mx.kv.create('local'), optimizer_params={'learning_rate': 0.01})
mod._accumulate_kvstore('fc_weight', [nd.ones((1, 2))] * 4)
r0 = [mod._ctx_len, mod._param_dict[0]['fc_weight']]
---
#svrg without frequency
svrg.SVRGModule(mx.sym.Variable('data') * 2, label_names=None)
---
#svrg with frequency 0
svrg.SVRGModule(mx.sym.Variable('data') * 2, label_names=None, update_freq=0)
"""
OTHERS = """
#old autograd
old = mx.contrib.autograd
a, b = nd.array([1, 2]), nd.array([3, 4])
r0 = old.grad_and_loss(lambda x, y: x * y)(a, b)
r1 = [old.grad_and_loss(lambda x, y: x * y, argnum=n)(a, b) for n in (0, 1, [1, 0])]
r2 = old.grad(lambda x: x * x)(a)
r3 = [old.set_is_training(True), old.set_is_training(True), old.set_is_training(False), autograd.is_training()]
g = nd.zeros((2,))
old.mark_variables([a], [g])
with old.train_section():
    y = a * a
    r4 = [autograd.is_training(), autograd.is_recording()]
    with old.test_section():
        r5 = [autograd.is_training(), autograd.is_recording()]
old.backward([y], [nd.array([1, 10])])
r6 = g
with old.train_section():
    y = a * a
old.compute_gradient([y])
r7 = g
---
#old autograd of a number
mx.contrib.autograd.grad(lambda x: x * 2)(3)
---
#loader as iterator
pairs = [(nd.ones((2, 3)), nd.array([1, 2])), (nd.full((2, 3), 2), nd.array([3, 4]))]
it = mx.contrib.io.DataLoaderIter(pairs, dtype='float16')
def epoch():
    return [[b.data[0], b.label[0], b.pad] for b in it]
r0 = epoch()
it.reset()
r1 = [len(epoch()), it.batch_size, repr(it.provide_data), repr(it.provide_label)]
---
#names
x = nd.array([[0, 0, 2, 2]])
r0 = [mx.contrib.nd.box_iou(x, x), mx.contrib.ndarray.div_sqrt_dim(x)]
r1 = mx.contrib.sym.div_sqrt_dim(mx.sym.Variable('x'), name='d').list_outputs()
"""


def contrib_programs():
    f = Programs("contrib_programs")
    for start, programs in ((TEXT, TEXTS), (SVRG, SVRGS), ("", OTHERS)):
        for program in programs.strip("\n").split("\n---\n"):
            name, code = program.split("\n", 1)
            f.program(name.lstrip("#"), start + code)
    return f
