"""Short programs: iterators and key-value stores."""

from .ndarray_programs import Programs

LOOP = """
r = []
for epoch in range({epochs}):
    for batch in it:
        r.append([epoch] + [d.asnumpy() for d in batch.data] + [l.asnumpy() for l in batch.label] + [batch.pad, batch.index])
    it.reset()
"""
GET = """
r = []
for epoch in range(2):
    while it.iter_next():
        r.append([epoch, it.getpad(), it.getindex(), [d.asnumpy() for d in it.getdata()], [l.asnumpy() for l in it.getlabel()]])
    it.reset()
"""
INPUTS = """
it = mx.io.NDArrayIter({'b': np.arange(6), 'a': nd.arange(12).reshape((6, 2))}, {'y': np.arange(6, dtype='int32')}, batch_size=4)
---
it = mx.io.NDArrayIter([np.arange(6), np.arange(12).reshape((6, 2))], [np.ones(6), np.zeros(6)], batch_size=2, data_name='x', label_name='y')
---
it = mx.io.NDArrayIter(nd.arange(6, dtype='int64'), np.arange(6, dtype='float64'), 3, False, 'discard')
---
it = mx.io.NDArrayIter(data=[[1, 2], [3, 4]], batch_size=2)
---
it = mx.io.NDArrayIter(np.arange(24).reshape((3, 4, 2)), np.arange(8).reshape((2, 4)), batch_size=3, layout='TNC')
---
it = mx.io.NDArrayIter(np.arange(24).reshape((3, 4, 2)), batch_size=3, layout='TNC', last_batch_handle='roll_over')
---
it = mx.io.NDArrayIter(nd.ones((0, 3)), batch_size=2)
---
it = mx.io.NDArrayIter(None)
---
it = mx.io.NDArrayIter([])
---
it = mx.io.NDArrayIter('text')
---
it = mx.io.NDArrayIter({'a': 'text'})
---
it = mx.io.NDArrayIter(np.arange(5), batch_size=12)
---
it = mx.io.ResizeIter(mx.io.NDArrayIter(np.arange(5), np.arange(5), batch_size=2), 4)
---
it = mx.io.ResizeIter(mx.io.NDArrayIter(np.arange(5), np.arange(5), batch_size=2), 2, reset_internal=False)
---
it = mx.io.PrefetchingIter(mx.io.NDArrayIter(np.arange(5), np.arange(5), batch_size=2))
---
it = mx.io.PrefetchingIter([mx.io.NDArrayIter(np.arange(5), np.arange(5), batch_size=2), mx.io.NDArrayIter(np.arange(5) * 2, batch_size=2)], rename_data=[{'data': 'a'}, {'data': 'b'}], rename_label=[{'softmax_label': 'c'}, {}])
"""
CSV = """
import os, tempfile
folder = tempfile.mkdtemp()
data, label = os.path.join(folder, 'd.csv'), os.path.join(folder, 'l.csv')
with open(data, 'w') as f:
    f.write(''.join('%d,%g,%d\\n' % (i * 3, i + 0.5, -i) for i in range(7)))
with open(label, 'w') as f:
    f.write(''.join('%d\\n' % i for i in range(7)))
"""
MNIST = """
import os, struct, tempfile
folder = tempfile.mkdtemp()
image, label = os.path.join(folder, 'i'), os.path.join(folder, 'l')
with open(image, 'wb') as f:
    f.write(struct.pack('>4i', 2051, 10, 2, 3) + bytes(i * 4 for i in range(60)))
with open(label, 'wb') as f:
    f.write(struct.pack('>2i', 2049, 10) + bytes(range(10)))
"""
KVSTORE = """
kv = mx.kv.create()
kv.init('a', nd.ones((2, 3)) * 2)
o = nd.zeros((2, 3))
kv.pull('a', out=o)
r0 = o
r1 = [kv.type, kv.rank, kv.num_workers, kv.is_capable('optimizer')]
---
kv = mx.kv.create('Device')
kv.init(3, nd.ones((2,)))
o = [nd.zeros((2,)), nd.zeros((2,), ctx=mx.cpu(1))]
kv.push(3, [nd.ones((2,)) * 2, nd.ones((2,), ctx=mx.cpu(1)) * 3])
kv.pull(3, out=o)
r = o
r1 = kv.type
---
kv = mx.kv.create()
kv.init([1, 2], [nd.ones((2,)), nd.ones((2,)) * 2])
a, b = nd.zeros((2,)), nd.zeros((2,))
kv.pull([1, 2], out=[a, b])
r0 = [a.asnumpy(), b.asnumpy()]
kv.push([1, 2, 1], [nd.ones((2,)), nd.ones((2,)), nd.ones((2,)) * 5])
kv.pull([1, 2], out=[[a], [b]])
r1 = [a.asnumpy(), b.asnumpy()]
kv.push([1, 2], [[nd.ones((2,)), nd.ones((2,))], [nd.ones((2,))]], priority=-3)
kv.pull([2, 1], out=[a, b], priority=4)
r2 = [a.asnumpy(), b.asnumpy()]
---
kv = mx.kv.create()
kv.init('w', nd.ones((2,)))
v = nd.ones((2,)) * 3
kv.pushpull('w', v)
r0 = v
w = [nd.ones((2,)), nd.ones((2,)) * 5]
kv.pushpull('w', w)
r1 = w
o = nd.zeros((2,))
kv.pushpull('w', w, out=o)
r2 = o
---
kv = mx.kv.create()
o = [nd.zeros((2,)), nd.zeros((2,))]
kv.broadcast('b', nd.ones((2,)), out=o)
r = o
---
kv = mx.kv.create()
kv.broadcast('b', nd.ones((2,)), out=nd.zeros((2,)))
kv.broadcast('b', nd.ones((2,)), out=nd.zeros((2,)))
---
kv = mx.kv.create()
kv.init('b', nd.ones((2,)))
kv.init('b', nd.ones((2,)))
---
kv = mx.kv.create()
kv.init('b', nd.ones((2,)))
kv.init(3, nd.ones((2,)))
---
kv = mx.kv.create()
kv.push('b', nd.ones((2,)))
---
kv = mx.kv.create()
kv.pull('b', out=nd.ones((2,)))
---
kv = mx.kv.create()
kv.init('b', nd.ones((2,)))
kv.pull('b')
---
kv = mx.kv.create()
kv.init([1, 2], [nd.ones((2,))])
---
mx.kv.create(3)
---
mx.kv.create('nccl')
---
r = [mx.kv.create('local_update_cpu').type, mx.kv.create('local_allreduce_device').type, mx.kv.create('teststore').is_capable('optimizer')]
---
mx.kv.create().init(5.0, nd.ones((2,)))
---
mx.kv.create().init(5, 3)
---
mx.kv.create().is_capable('other')
---
mx.kv.create().set_gradient_compression({'type': '2bit'})
---
mx.kv.create('device').set_gradient_compression({'type': '3bit'})
---
mx.kv.create('device').set_gradient_compression({'type': '2bit', 'threshold': -1})
---
kv = mx.kv.create('device')
kv.set_gradient_compression({'type': '2bit', 'threshold': 0.5})
kv.init('g', nd.zeros((4,)))
g = nd.array([0.3, 0.6, -0.7, 0.1])
o = nd.zeros((4,))
r = []
for i in range(4):
    kv.push('g', [g, g.copyto(mx.cpu(1))])
    kv.pull('g', out=o)
    r.append(o.asnumpy())
---
kv = mx.kv.create('device')
kv.set_gradient_compression({'type': '2bit'})
kv.init('g', nd.zeros((4,)))
g = nd.array([0.3, 0.6, -0.7, 0.1])
o = nd.zeros((4,))
r = []
for i in range(4):
    kv.push('g', g)
    kv.pull('g', out=o)
    r.append(o.asnumpy())
---
mx.kv.create().save_optimizer_states('nowhere')
---
kv = mx.kv.create()
kv.init(1, nd.ones((2,)))
kv.push(1, nd.ones((2,), dtype='float64') * 2)
o = nd.zeros((2,), dtype='float64')
kv.pull(1, out=o)
r = o
---
kv = mx.kv.create()
a, o = nd.ones((2,)), nd.zeros((2,))
kv.init(1, a)
a[:] = 9
kv.pull(1, out=o)
r0 = o.asnumpy()
kv.push(1, a)
a[:] = 5
kv.pull(1, out=o)
r1 = o.asnumpy()
---
kv = mx.kv.create()
log = []
def update(key, gradient, weight):
    log.append(key)
    weight += gradient * 2
kv._set_updater(update)
kv.init(4, nd.ones((2,)))
kv.push(4, [nd.ones((2,)), nd.ones((2,)) * 2])
o = nd.zeros((2,))
kv.pull(4, out=o)
r = [o, log]
---
kv = mx.kv.create()
kv.init(4, nd.ones((2,)))
kv.row_sparse_pull(4, out=nd.ones((2,)), row_ids=nd.array([0]))
"""


def io():
    f = Programs("io")
    for handle in ("pad", "discard", "roll_over"):
        for count, size in ((10, 3), (9, 3), (7, 4), (2, 3), (3, 3), (1, 1), (11, 8)):
            for shuffle in (False, True):
                make = "np.random.seed(5)\nit = mx.io.NDArrayIter(np.arange(%d), np.arange(%d) * 2, %d, %s, '%s')" % (
                    count, count, size, shuffle, handle)
                f.program("%s-%d-%d%s" % (handle, count, size, "-shuffle" if shuffle else ""), make + LOOP.format(epochs=4))
        for count, size in ((10, 3), (9, 3)):
            f.program("get-%s-%d" % (handle, count), "it = mx.io.NDArrayIter(np.arange(%d), np.arange(%d), %d, last_batch_handle='%s')" % (
                count, count, size, handle) + GET.replace("range(2)", "range(1)"))
        f.program("hard_reset-" + handle, "it = mx.io.NDArrayIter(np.arange(10), np.arange(10), 4, last_batch_handle='%s')\n"
                  "r0 = [b.data[0].asnumpy() for b in it]\nit.hard_reset()\nr1 = [b.data[0].asnumpy() for b in it]\nit.reset()\n"
                  "r2 = [b.data[0].asnumpy() for b in it]" % handle)
        f.program("partial-" + handle, "it = mx.io.NDArrayIter(np.arange(10), np.arange(10), 4, last_batch_handle='%s')\n"
                  "r0 = next(it).data[0]\nit.reset()\nr1 = [b.data[0].asnumpy() for b in it]" % handle)
    for code in INPUTS.strip("\n").split("\n---\n"):
        describe = "\nr0 = [[d.name, d.shape, np.dtype(d.dtype).name, d.layout] for d in it.provide_data + it.provide_label]\nr1 = it.batch_size"
        f.program("input", code + describe + LOOP.format(epochs=2))
    f.program("at_end", "it = mx.io.NDArrayIter(np.arange(2), batch_size=2)\nnext(it)\nit.iter_next()\nit.getdata()")
    f.program("desc", "d = mx.io.DataDesc('x', (2, 3), 'int32', 'TNC')\nr0 = [d.name, d.shape, d.dtype, d.layout, repr(d), tuple(d)]\n"
              "r1 = [repr(x) for x in mx.io.DataDesc.get_list([('a', (1,)), ('b', (2,))], [('a', 'int8'), ('b', 'float16')])]\n"
              "r2 = [repr(x) for x in mx.io.DataDesc.get_list([('a', (1,))], None)]\n"
              "r3 = [mx.io.DataDesc.get_batch_axis(x) for x in ('NCHW', 'TNC', None, 'CHW')]")
    f.program("batch", "r = str(mx.io.DataBatch([nd.ones((2, 3))], [nd.ones((2,))]))")
    f.program("batch-no_label", "b = mx.io.DataBatch([nd.ones((2, 3))])\nr = [str(b), b.label, b.pad, b.index, b.bucket_key, b.provide_data]")
    f.program("batch-bad", "mx.io.DataBatch(nd.ones((2, 3)))")
    for size in (3, 7):  # with fewer rows than batch_size, MXNet fails in a thread and dies
        for more in ("", ", label_csv=label", ", label_csv=data, label_shape=(3,)", ", dtype='int64'", ", round_batch=False"):
            data = CSV.replace("%g", "%d").replace("i + 0.5", "i + 5") if "int" in more else CSV
            f.program("csv-%d%s" % (size, more), data + "it = mx.io.CSVIter(data_csv=data, data_shape=(3,), batch_size=%d%s)" % (size, more)
                      + LOOP.format(epochs=4).replace("batch.index", "batch.index.tolist()"))
    f.program("csv-shape", CSV + "it = mx.io.CSVIter(data_csv=data, data_shape=(3, 1), batch_size=4)\nr0 = [it.provide_data[0].shape, it.batch_size]"
              + LOOP.format(epochs=1).replace("batch.index", "batch.index.tolist()"))
    f.program("csv-columns", CSV + "next(mx.io.CSVIter(data_csv=data, data_shape=(2,), batch_size=4))")
    for more in ("", ", flat=True", ", num_parts=2, part_index=1"):
        f.program("mnist" + more, MNIST + "it = mx.io.MNISTIter(image=image, label=label, batch_size=4, shuffle=False, silent=True%s)" % more
                  + "\nr0 = [[d.name, d.shape, np.dtype(d.dtype).name] for d in it.provide_data + it.provide_label]"
                  + LOOP.format(epochs=2).replace(", batch.index", ""))
    return f


def kvstore():
    f = Programs("kvstore")
    for code in KVSTORE.strip("\n").split("\n---\n"):
        f.program("kv", code)
    return f
