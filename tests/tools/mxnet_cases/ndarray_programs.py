"""Short programs about the NDArray class. Every name that starts with ``r`` is a result."""

import itertools

from .common import Family


class Programs(Family):
    """A family whose cases are programs."""

    def program(self, id, code):
        count = self._ids.get(id, 0)
        self._ids[id] = count + 1
        self.cases.append({"id": id + ("-%d" % count if count else ""), "code": code})


DTYPES = ("float16", "float32", "float64", "uint8", "int8", "int32", "int64")

KEYS = (
    "0", "-1", "1", "5", "-4", "True", "None", "...", ":", "1:", ":2", "::2", "::-1", "2:0:-1", "1:1", "5:9", "-2:",
    "0, 1", "0, -1", "0, 1, 2", "-1, -1, -1", "0, 5", ":, 1", ":, 1:3", "1:, :2", "..., 0", "0, ...", "..., 1:3", "1, ..., 2",
    "None, 0", "0, None", ":, None", "None, ...", "..., None", ":, None, 1", "None, None", "::2, ::2", "::-1, ::-1", ":, ::-2, 1:3",
    "0, 1:3, ::2", "1:2, 1:2, 1:2", "0, 0, 0, 0", "..., ...", "()", "[0]", "[0, 1]", "[1, 0, 1]", "[-1, 0]", "[[0, 1], [1, 0]]", "[5]",
    "[0, 1], [1, 2]", "[0, 1], 1", "0, [1, 2]", ":, [0, 2]", ":, [0, 2], 1", "[0, 1], :, [1, 2]", "[0, 1], 1:3", "1:, [0, 2]",
    "..., [0, 2]", "None, [0, 1]", "[0, 1], None", "[0, 1], [1, 2], [3, 0]", "[[0], [1]], [[0, 2]]", ":, [0, 2], [1, 3]", "[0, 1], ..., 0",
    "np.array([0, 1])", "np.array([1, 0], dtype='int32')", "np.array([[0, 1]])", "np.array([0, 1]), np.array([1, 2])", "np.array(1)", "np.int64(1)", "np.array([0.0, 1.0])",
    "nd.array([0, 1])", "nd.array([0, 1], dtype='int32')", "nd.array([0, 1], dtype='int64')", "nd.array([1])", "nd.array([[0, 1], [1, 0]])", "nd.array([0, 1]), nd.array([1, 2])",
    ":, nd.array([0, 2])", "nd.array([0, 1], dtype='int32'), 1:3", "nd.array([-1])", "nd.array([7])",
    "np.array([True, False])", "nd.array([1, 0]) > 0", "np.array([[True, False, True], [False, True, False]])", "[True, False]",
    ":, np.array([True, False, True])", "a > 5", "np.array([True, False, True])", "np.zeros((2, 3, 4), bool)", "nd.array([1, 0, 1], dtype='bool')",
    "slice(0, 2)", "slice(None, None, 2)", "(slice(0, 1), 2)", "range(2)", "(0, 1)", "1.0", "'x'", "np.float32(1)", "slice(0, 2, 0)", "1.5", "[0.5]", "[]", "np.array([], dtype='int32')",
    "{}", "0, [0, 1], ::2", "0, :, [1, 1]", "[0, 1], [0, 1, 2]", "1:, 1:, [0, 1]", "::2, [0], ::2", "nd.array([0, 1]), 0", "0, nd.array([0, 1])", "-2:, -2:, -2:", "0:-1, 0:-1", ":, :, :, :",
)

VALUES = ("7", "1.5", "nd.array([9.0])", "np.array([9.0])", "nd.full(r[KEY].shape, 3)", "np.full(r0.shape, 4)", "r0.asnumpy().tolist()")


def indexing_programs():
    f = Programs("indexing_programs")
    start = "a = nd.arange(24).reshape((2, 3, 4))\n"
    for key in KEYS:
        f.program("get[%s]" % key, start + "r = a[%s]" % key)
        f.program("set[%s]=7" % key, start + "a[%s] = 7\nr = a" % key)
        f.program("set[%s]=nd" % key, start + "v = a[%s] * 10 + 1\na[%s] = v\nr = a" % (key, key))
        f.program("set[%s]=np" % key, start + "v = (a[%s] * 10 + 1).asnumpy()\na[%s] = v\nr = a" % (key, key))
        f.program("set[%s]=one" % key, start + "a[%s] = nd.array([5])\nr = a" % key)
        f.program("grad[%s]" % key, start + "a.attach_grad()\nwith autograd.record():\n    r = a[%s]\n    l = (r * r).sum()\n"
                  "l.backward()\nrg = a.grad" % key)
    for key in ("0", ":", "1, 2", "::2", "[0, 1]", "..., 1", "1:, 1:", "0, 0, 0"):
        for value in ("[1, 2, 3, 4]", "(1, 2, 3, 4)", "np.array([1, 2, 3, 4])", "nd.array([1, 2, 3, 4])", "nd.array([1, 2, 3, 4], dtype='int32')",
                      "np.float32(2)", "np.int64(3)", "True", "'x'", "None", "nd.array([[1], [2], [3]])", "nd.ones((2, 3, 4))", "nd.ones((5,))",
                      "np.ones((1, 1, 1, 4))", "np.ones((2, 1, 4))", "float('nan')", "nd.ones((1,))", "np.array(5)", "[[1], [2], [3]]", "1 + 2j"):
            f.program("set[%s]=%s" % (key, value), start + "a[%s] = %s\nr = a" % (key, value))
    for dtype in DTYPES:
        f.program("dtype-" + dtype, "a = nd.array([[1, 2, 3], [4, 5, 6]], dtype='%s')\nr0 = a[1]\nr1 = a[:, 1]\nr2 = a[[0, 1], [1, 2]]\n"
                  "a[0] = 9\na[1, 1] = 2.7\na[:, 2] = np.array([7, 8])\nr3 = a" % dtype)
    f.program("1d", "a = nd.arange(5)\nr0 = a[2]\nr1 = a[1:3]\nr2 = a[::-1]\nr3 = a[[1, 3]]\na[1:3] = 0\nr4 = a")
    f.program("scalar-like", "a = nd.array([5])\nr0 = a[0]\nr1 = a[0].shape")
    f.program("2d-rows", "a = nd.arange(6).reshape((3, 2))\nr = [a[i] for i in range(3)]")
    for target in ("a[0]", "a[0:1]", "a[0][1]", "a[0, 1]", "a[0:2]", "a[1, 0:2]", "a[:, 0]", "a[:, 0:2]", "a[[0, 1]]", "a.reshape((6, 4))", "a.reshape((-1,))",
                   "a[::2]", "a[::-1]", "a[...]", "a[:]", "a[None]", "a[0, 0, 0]", "a[0, 0, 0:2]", "a[0:1, 0:1]", "a[0:1, 0:2]", "a.T", "a.flatten()", "a.copy()", "a.expand_dims(0)",
                   "a.squeeze()", "a.detach()", "a.slice(begin=(0,), end=(1,))", "a.slice_axis(0, 0, 1)", "a.as_in_context(mx.cpu())", "a.astype('float32')", "a.astype('float32', copy=False)",
                   "a.swapaxes(0, 1)", "a.broadcast_to((2, 3, 4))", "a.reshape_like(nd.ones((6, 4)))", "a.take(nd.array([0, 1]))", "a.as_in_context(mx.cpu(1))", "a.transpose()", "a[np.array([True, False])]",
                   "a.split(2, axis=0)[0]", "nd.reshape(a, (6, 4))", "nd.flatten(a)", "nd.expand_dims(a, 0)", "nd.identity(a)", "a.as_np_ndarray()"):
        f.program("view %s" % target, start + "b = %s\nb[:] = -1\nr = a" % target)
        f.program("view back %s" % target, start + "b = %s\na[:] = -1\nr = b" % target)
        f.program("inplace %s" % target, start + "b = %s\nb += 100\nr0 = a\nr1 = b" % target)
    f.program("view chain", start + "b = a[1]\nc = b[1:]\nc[0] = 50\nr = a")
    f.program("view reshape chain", start + "b = a[0:1].reshape((12,))\nb[2:4] = 50\nr = a")
    f.program("view and op", start + "b = a[1]\na *= 2\nr = b")
    f.program("view of slice assign", start + "b = a[1]\nb[::2] = 0\nr = a")
    f.program("assign self", start + "a[0] = a[1]\nr = a")
    f.program("assign overlap", "a = nd.arange(6)\na[1:] = a[:-1]\nr = a")
    f.program("assign reversed", "a = nd.arange(6)\na[:] = a[::-1]\nr = a")
    f.program("assign under record", start + "a.attach_grad()\nwith autograd.record():\n    b = a * 2\n    b[0] = 1\n    c = b.sum()\nc.backward()\nr = a.grad")
    f.program("assign leaf under record", start + "a.attach_grad()\nwith autograd.record():\n    a[0] = 1\n    c = a.sum()\nc.backward()\nr = a.grad")
    f.program("assign array under record", start + "a.attach_grad()\nv = nd.ones((3, 4))\nv.attach_grad()\nwith autograd.record():\n    b = a * 2\n    b[0] = v * 3\n    c = (b * b).sum()\nc.backward()\nr = a.grad\nr1 = v.grad")
    return f


NUMBERS = ("2", "2.5", "-3", "True", "np.float32(2)", "np.int32(2)", "0")
OPERATORS = ("+", "-", "*", "/", "%", "**", "==", "!=", "<", "<=", ">", ">=", "//", "@", "&", "|", "^", "<<")


def ndarray():
    f = Programs("ndarray")
    for dtype in DTYPES:
        make = "a = nd.array([[1, 2, 3], [4, 5, 6]], dtype='%s')\n" % dtype
        for op in OPERATORS[:12]:
            for number in NUMBERS:
                if number == "0" and op in "/%":
                    continue
                if number in ("-3", "-1") and (dtype == "uint8" or op == "**"):
                    continue
                f.program("a %s %s %s" % (op, number, dtype), make + "r = a %s %s" % (op, number))
                if not (op == "**" and dtype in ("uint8", "int8")):
                    f.program("%s %s a %s" % (number, op, dtype), make + "r = %s %s a" % (number, op))
        for op in ("+", "-", "*", "/", "%", "**"):
            f.program("a %s= 2 %s" % (op, dtype), make + "b = a\na %s= 2\nr = b" % op)
            f.program("a %s= a %s" % (op, dtype), make + "b = a\na %s= nd.full((2, 3), 2, dtype='%s')\nr = b" % (op, dtype))
        f.program("neg abs " + dtype, make + "r0 = -a\nr1 = abs(a)")
        f.program("repr " + dtype, make + "r0 = repr(a)\nr1 = str(a)")
        f.program("asscalar " + dtype, "a = nd.array([3], dtype='%s')\nr0 = a.asscalar()\nr1 = float(a)\nr2 = int(a)\nr3 = bool(a)" % dtype)
        f.program("tolist " + dtype, make + "r = a.asnumpy().tolist()\nr1 = a.dtype\nr2 = a.size\nr3 = a.ndim")
    for op in OPERATORS:
        f.program("a %s b" % op, "a = nd.array([[1, 2], [3, 4]])\nb = nd.array([[2, 2], [3, 1]])\nr = a %s b" % op)
        f.program("a %s row" % op, "a = nd.array([[1, 2], [3, 4]])\nb = nd.array([[2, 3]])\nr = a %s b" % op)
        f.program("a %s vector" % op, "a = nd.array([[1, 2], [3, 4]])\nb = nd.array([2, 3])\nr = a %s b" % op)
        f.program("a %s numpy" % op, "a = nd.array([[1, 2], [3, 4]])\nb = np.array([[2, 3], [1, 2]])\nr = a %s b" % op)
        f.program("numpy %s a" % op, "a = nd.array([[1, 2], [3, 4]])\nb = np.array([[2, 3], [1, 2]])\nr = b %s a" % op)
        f.program("a %s list" % op, "a = nd.array([[1, 2], [3, 4]])\nr = a %s [1, 2]" % op)
        f.program("a %s None" % op, "a = nd.array([[1, 2], [3, 4]])\nr = a %s None" % op)
        f.program("a %s str" % op, "a = nd.array([[1, 2], [3, 4]])\nr = a %s 'x'" % op)
    for left, right in itertools.product(DTYPES, DTYPES):
        if left != right:
            f.program("%s + %s" % (left, right), "r = nd.ones((2,), dtype='%s') + nd.ones((2,), dtype='%s')" % (left, right))
    for op in ("+=", "-=", "*=", "/=", "%=", "**="):
        f.program("inplace %s wider" % op, "a = nd.ones((2, 1))\na %s nd.ones((2, 3))\nr = a" % op)
        f.program("inplace %s narrower" % op, "a = nd.ones((2, 3))\nb = a\na %s nd.full((1, 3), 2)\nr = b" % op)
        f.program("inplace %s numpy" % op, "a = nd.ones((2, 3))\na %s np.ones((2, 3))\nr = a" % op)
        f.program("inplace %s dtype" % op, "a = nd.ones((2,))\na %s nd.ones((2,), dtype='float64')\nr = a" % op)
        f.program("inplace %s str" % op, "a = nd.ones((2,))\na %s 'x'\nr = a" % op)
    start = "a = nd.arange(6).reshape((2, 3))\n"
    for code in (
        "len(a)", "len(nd.array([1]))", "[x.asnumpy() for x in a]", "bool(a)", "bool(nd.array([0]))", "bool(nd.array([[2]]))", "int(a)", "float(a)", "a.asscalar()", "float(nd.array([2.5]))",
        "int(nd.array([2.7]))", "list(range(10))[nd.array([3], dtype='int32')]", "a.__index__()", "nd.array([3]).__index__()", "hash(a) == hash(a)", "a in [a]", "a.shape", "a.size", "a.ndim", "a.dtype", "a.stype",
        "a.context", "a.ctx", "a.T", "a.grad", "a.fresh_grad", "a.writable", "a.handle is None", "a.asnumpy()", "a.tolist()", "a.item()", "a.itemsize", "a.nbytes", "a.reshape(3, 2)", "a.reshape((3, 2))", "a.reshape(-1)",
        "a.reshape(3, -1)", "a.reshape((0, -1))", "a.reshape((-3,))", "a.reshape(shape=(3, 2))", "a.reshape((4, 2))", "a.reshape(())", "a.reshape()", "a.reshape((-1, -1))", "a.reshape((0, 0, 1))", "a.reshape((-2,))", "a.reshape((-4, 1, 2, -2))", "a.reshape((-1, 0), reverse=True)", "a.reshape(3, 2, reverse=True)", "a.reshape([3, 2])", "a.reshape((3, 2.0))",
        "a.transpose()", "a.transpose((1, 0))", "a.transpose(1, 0)", "a.flatten()", "a.expand_dims(1)", "a.expand_dims(axis=-1)", "a.squeeze()", "a.swapaxes(0, 1)", "a.flip(axis=1)", "a.tile(reps=(2, 1))", "a.tile((2, 1))", "a.repeat(repeats=2, axis=0)", "a.repeat(2)",
        "a.sum()", "a.sum(axis=0)", "a.sum(0)", "a.sum(1, True)", "a.sum(axis=(0, 1), keepdims=True)", "a.mean()", "a.mean(axis=1)", "a.max()", "a.min(axis=0)", "a.prod()", "a.nansum()", "a.norm()", "a.argmax(axis=1)", "a.argmin()", "a.argsort()", "a.sort(is_ascend=False)", "a.topk(k=2)", "a.topk(axis=0, k=1, ret_typ='value')", "a.pick(nd.array([0, 1]))",
        "a.clip(1, 3)", "a.clip(a_min=1, a_max=3)", "a.abs()", "a.exp()", "a.log()", "a.sqrt()", "a.square()", "a.sigmoid()", "a.tanh()", "a.relu()", "a.round()", "a.rint()", "a.floor()", "a.ceil()", "a.trunc()", "a.fix()", "a.sign()", "a.reciprocal()", "a.rsqrt()", "a.cbrt()", "a.rcbrt()", "a.expm1()", "a.log1p()", "a.log2()", "a.log10()", "a.sin()", "a.degrees()", "a.radians()", "a.softmax()", "a.log_softmax(axis=0)", "a.softmin()",
        "a.one_hot(depth=6)", "a.take(nd.array([1, 0]))", "a.slice(begin=(0, 1), end=(2, 3))", "a.slice_axis(axis=1, begin=0, end=2)", "a.slice_like(nd.ones((1, 2)))", "a.split(num_outputs=3, axis=1)", "a.split(3, 1, True)", "a.split_v2(2)", "a.diag()", "a.pad(mode='constant', pad_width=(0, 0))", "a.dot(nd.ones((3, 1)))", "a.zeros_like()", "a.ones_like()", "a.broadcast_to((2, 3))", "nd.ones((1, 3)).broadcast_to((2, 3))", "nd.ones((3,)).broadcast_to((2, 3))", "nd.ones((2, 1)).broadcast_like(a)", "a.broadcast_axes(axis=0, size=2)", "a.shape_array()", "a.size_array()", "a.depth_to_space(2)",
        "a.copy()", "a.copyto(nd.zeros((2, 3)))", "a.copyto(nd.zeros((3, 2)))", "a.copyto(nd.zeros((2, 3), dtype='int32'))", "a.copyto(mx.cpu())", "a.copyto(a)", "a.copyto(3)", "a.as_in_context(mx.cpu()) is a", "a.as_in_context(mx.cpu(1)).context", "a.as_in_ctx(mx.cpu(0)) is a", "a.to_device(mx.cpu())", "a.astype('int32')", "a.astype(np.float64)", "a.astype(float)", "a.astype(int)", "a.astype('float32', copy=False) is a", "a.astype('float32') is a", "a.astype('complex64')", "a.astype(bool)", "a.astype(np.dtype('int8'))", "a.astype(None)", "a.wait_to_read()", "a.tostype('default') is a", "a.tostype('csr').stype", "a.detach()", "a.as_nd_ndarray() is a",
        "a.iscontiguous", "a.abs(out=a)", "a.attach_grad()", "repr(nd.array([1.5, 2]))", "repr(nd.zeros((2, 0))) if False else 0", "repr(nd.array(3.0))", "repr(nd.arange(2000))", "repr(nd.array([1e-8, 1e8]))", "repr(nd.array([float('nan'), float('inf')]))", "repr(nd.array([True, False]))", "repr(nd.ones((1, 1, 1)))", "repr(nd.array([1.23456789]))", "str(nd.array([1, 2], dtype='int32'))", "repr(nd.array([1], ctx=mx.cpu(1)))", "nd.array(5)", "nd.array(5).shape", "nd.array(5) + 1", "nd.array([])", "nd.array([]).shape", "nd.array([[]]).shape", "nd.array([1, 2, 3])", "nd.array([1, 2, 3]).dtype", "nd.array([1.0, 2.5]).dtype", "nd.array([True, False]).dtype", "nd.array(np.array([1, 2])).dtype", "nd.array(np.array([1.0])).dtype", "nd.array(np.array([1], 'int32')).dtype", "nd.array(np.array([1], 'float16')).dtype", "nd.array(np.array([True])).dtype", "nd.array(np.array([1], 'uint16'))", "nd.array(np.array(['a']))", "nd.array(nd.array([1], dtype='int32')).dtype", "nd.array(nd.array([1], dtype='int32'), dtype='float64').dtype", "nd.array([[1, 2], [3]])", "nd.array(None)", "nd.array((1, 2))", "nd.array(range(3))", "nd.array([nd.array([1]), nd.array([2])])", "nd.array([[nd.array([1])]])", "nd.array({})", "nd.array([1], dtype='int32').dtype", "nd.array([1.7], dtype='int32')", "nd.array([1], dtype=None).dtype", "nd.array(np.float64(2)).dtype", "nd.array(np.int32(2)).dtype", "nd.array([1j])", "nd.array([1], dtype='float128')", "nd.empty((2, 3)).shape", "nd.empty(3).dtype", "nd.zeros((2, 3), dtype=np.int32).dtype", "nd.zeros([2, 3]).shape", "nd.zeros(shape=(2,)).shape", "nd.zeros((2,), mx.cpu(1)).context", "nd.full((2,), 3).dtype", "nd.full((2,), nd.array([3.0]))", "nd.ones((2,), dtype='bool')", "nd.zeros(2.5)", "nd.zeros('x')", "nd.zeros(None)", "nd.zeros((2, 'x'))", "nd.arange(3).dtype", "nd.moveaxis(nd.ones((2, 3, 4)), 0, 2).shape", "nd.moveaxis(nd.ones((2, 3, 4)), [0, 1], [-1, -2]).shape", "nd.concatenate([a, a]).shape", "nd.concatenate([a, a], axis=1).shape", "nd.concatenate([a, nd.ones((2, 3), dtype='int32')])", "nd.concatenate([])", "nd.concatenate([a])", "nd.concat(a, a, dim=0).shape", "nd.stack(a, a).shape", "nd.stack(*[a, a], axis=2).shape", "nd.add_n(a, a, a)", "nd.waitall()", "nd.from_numpy(np.arange(3, dtype='float32'))", "nd.from_numpy(np.arange(4, dtype='float32')[::2])", "nd.linspace(0, 1, 3)", "nd.eye(2)", "nd.eye(2, 3, 1)", "nd.histogram(a, bins=3)", "nd.histogram(a, 2, (0, 4))", "nd.maximum(a, 2)", "nd.maximum(3, 2)", "nd.add(1, 2)", "nd.power(2, a)", "nd.power(a, a)", "nd.logical_and(a, 1)", "nd.modulo(a, 2)", "nd.equal(1, 1)", "nd.true_divide(a, 2)", "nd.negative(a)", "nd.where(a > 2, a, a * 0)", "nd.norm(a)", "nd.sum(a).shape", "nd.sum(a, axis=0).shape", "nd.random.uniform(shape=(2, 2)).shape", "nd.NDArray", "isinstance(a, nd.NDArray)", "type(a).__name__", "isinstance(a, mx.nd.ndarray.NDArray)", "mx.nd.ndarray.NDArray is nd.NDArray", "nd.split_v2(a, (1,), axis=1)", "nd.sum(a, axis=5)", "nd.nothing", "a.nothing", "nd.exp(a, out=a) is a", "nd.abs(nd.array([-1, 2])).asnumpy()", "nd.save.__name__", "nd.op.exp(a)", "nd._internal._plus_scalar(a, scalar=2)", "nd.sum(data=a)", "nd.dot(lhs=a, rhs=a.T)", "nd.exp(a, name='x')", "nd.exp(data=a, out=None)", "nd.zeros_like(a)", "nd.Activation(data=a, act_type='relu')", "nd.FullyConnected(data=a, weight=nd.ones((2, 3)), no_bias=True, num_hidden=2)", "nd.Reshape(a, shape=(3, 2))", "nd.linalg.gemm2(a, a.T)", "nd.contrib.div_sqrt_dim(a)", "nd.transpose(a, (1, 0))", "nd.sum(a, 1)", "nd.sum(a, 1, True)", "nd.topk(a, 1, 2)", "nd.one_hot(nd.array([1]), 3)", "nd.clip(a, 1, 2)", "nd.concat(*[a, a], dim=1)", "nd.slice(a, (0, 0), (1, 2))", "nd.broadcast_to(nd.ones((1, 3)), (2, 3))", "nd.sum(a, axis='0')", "nd.sum(a, axis=np.int64(1))", "nd.sum(a, axis=[0, 1])", "nd.reshape(a, shape=[3, 2])", "nd.reshape(a, (3, 2))", "nd.sum(a, keepdims=1)", "nd.sum(a, keepdims='True')", "nd.full((1,), 2, dtype='float64')", "nd.sum(a, axis=None)", "nd.cast(a, 'int32')", "nd.cast(a, np.int32)", "nd.cast(a, dtype=np.dtype('int32'))", "nd.Dropout(a)", "nd.sum(a, out=nd.zeros((1,)))", "nd.sum(a, out=nd.zeros((2,)))", "nd.exp(a, out=nd.zeros((3, 2)))", "nd.exp(a, out=nd.zeros((2, 3), dtype='float64'))", "nd.split(a, 3, out=[nd.zeros((2, 1))] * 3)", "nd.exp(a, out=3)",
    ):
        f.program(code, start + "r = " + code)
    for code in ("import copy\nb = copy.copy(a)\nb[:] = 0\nr = a", "import copy\nb = copy.deepcopy(a)\nb[:] = 0\nr = a", "import pickle\nr = pickle.loads(pickle.dumps(a))",
                 "import pickle\nb = pickle.loads(pickle.dumps(a.astype('int8')))\nr = b", "b = nd.zeros((2, 3))\na.copyto(b)\na += 1\nr = b", "b = a\nb += 1\nr = a is b\nr1 = a", "b = a[1]\nb += 1\nr = a",
                 "b = a.reshape((6,))\nb *= 2\nr = a", "x = np.zeros((2, 3), 'float32')\nx[:] = a\nr = x", "x = np.ones((2, 3), 'float32')\nx += a\nr = x", "r = np.sum(a)",
                 "r = np.float32(2) * a", "r = a * np.float32(2)", "r = np.array([1.0, 2, 3]) * a", "r = a / nd.array([[2], [4]])", "r = [float(x) for x in nd.array([1, 2])]", "r = sum(nd.array([1, 2, 3]))", "r = max(nd.array([1, 3, 2]))",
                 "r = sorted(nd.array([3, 1, 2]))", "r = a == a\nr1 = (a == a).dtype", "r = (a > 2).sum()", "r = a[a > 2]", "r = not nd.array([1])", "r = nd.array([1]) and 5", "b, c = a\nr = b", "r = nd.array([1, 2]) in [1]",
                 "out = nd.zeros((2, 3))\nr = nd.exp(a, out=out) is out\nr1 = out", "out = [nd.zeros((2, 1)) for _ in range(3)]\nnd.split(a, 3, out=out)\nr = out", "a.attach_grad()\nr = a.grad", "a.attach_grad('add')\nr = a.grad\nr1 = a._fresh_grad", "a.attach_grad('null')\nr = a.grad",
                 "a.attach_grad('bad')\nr = a", "a.shape = (3, 2)\nr = a", "a.dtype = 'int32'\nr = a", "a.context = mx.cpu(1)\nr = 1", "del a[0]", "r = a.wait_to_read() is None", "with mx.Context('cpu', 1):\n    r = nd.zeros((2,)).context", "with mx.cpu(1):\n    r = nd.array([1]).context\n    r1 = mx.context.current_context()",
                 "r = mx.cpu(0) == mx.cpu()\nr1 = str(mx.cpu(2))\nr2 = repr(mx.gpu(1))\nr3 = mx.cpu().device_type\nr4 = mx.gpu(2).device_id\nr5 = mx.cpu_pinned()", "r = a.as_in_context(mx.gpu(0))", "r = nd.zeros((2,), ctx=mx.gpu(0))", "r = nd.zeros((2,), ctx='cpu')", "r = nd.array([1, 2]) + nd.array([1, 2], ctx=mx.cpu(1))", "r = mx.Context('tpu')",
                 "nd.array([1, 2]).attach_grad(stype='csr')", "r = a.__array__()", "r = a.__array__('float64')", "r = memoryview(a)", "r = a.asnumpy().flags.owndata", "x = np.arange(3.0)\nb = nd.array(x)\nx[:] = 0\nr = b", "b = a.asnumpy()\nb[:] = 0\nr = a", "x = np.arange(4, dtype='float32')\nb = nd.from_numpy(x)\nb += 1\nr = b", "x = np.arange(4, dtype='float32')\nb = nd.from_numpy(x)\nr = x.flags.writeable", "x = np.arange(4, dtype='float32')\nb = nd.from_numpy(x, zero_copy=False)\nb += 1\nr = x",
                 "p = nd.to_dlpack_for_read(a)\nr = nd.from_dlpack(p)", "p = nd.to_dlpack_for_write(a)\nb = nd.from_dlpack(p)\nb += 1\nr = a", "r = a.to_dlpack_for_read().__class__.__name__", "a += None", "r = a[0].asscalar()", "r = a[0, 1].asscalar()", "r = a.sum().asscalar()", "for i, row in enumerate(a):\n    row[:] = i\nr = a", "r = a.asnumpy().dtype.name", "r = len(nd.array(5))", "r = list(nd.array(5))",
                 "b = nd.zeros((2,), dtype='float16')\nb[:] = 70000\nr = b", "b = nd.zeros((2,), dtype='int32')\nb[:] = 1.9\nr = b", "b = nd.zeros((2,), dtype='uint8')\nb[:] = 255\nr = b", "b = nd.zeros((2,), dtype='int64')\nb[:] = 2**40\nr = b", "r = nd.array([2**40], dtype='int64')", "r = nd.array([2**24 + 1])", "r = nd.array([2**40], dtype='int64') + 1", "r = nd.array([3], dtype='int64') * 2**33"):
        f.program(code.replace("\n", "; "), start + code)
    return f


def helpers():
    """Functions of mx.nd and mx.util that tell what arguments mean."""
    f = Programs("helpers")
    for key in ("0", "slice(None)", "(0, 1)", "(0, [1])", "(slice(0, 1), None)", "()", "((0, 1),)", "(True,)", "(np.array([True]),)", "(0, nd.array([0]))", "([],)",
                "(np.int64(3), slice(1))", "(None, 0)", "('x',)", "(1.5,)", "(range(3),)", "(...,)", "({},)"):
        f.program("code-" + key, "r = mx.nd.get_indexing_dispatch_code(%s)" % key)
    for key in ("0", "slice(None)", "...", "(0, ...)", "(..., 0)", "None", "(None, 0)", "(0, None, ..., 1)", "(0, 1, 2, 3)", "[0, 1]", "(slice(1), [1])", "(..., ...)", "()", "(None, None)",
                "(0, slice(1, 2))", "(..., None)"):
        f.program("expand-" + key, "r = repr(mx.nd.indexing_key_expand_implicit_axes(%s, (2, 3, 4)))" % key)
    for shapes in ("(2, 3, 4), (2, 5)", "(2, 3, 4), (1, 5)", "(2, 3, 4), (3, 5, 6)", "(2, 3), ()"):
        f.program("gather-" + shapes, "r = mx.nd.get_oshape_of_gather_nd_op(%s)" % shapes)
    for option in ("'where', 1", "'casting', 'safe'", "'casting', 'x'", "'order', 'C'", "'order', 1", "'dtype', np.float32", "'dtype', 'int64'", "'dtype', 'uint16'", "'subok', True", "'subok', 1", "'x', 1"):
        f.program("ufunc-" + option, "r = mx.util.np_ufunc_legal_option(%s)" % option)
    for given in ("", "where=True", "where=False", "casting='same_kind'", "casting='x'", "order='C'", "dtype='float32'", "subok=False", "other=1", "out=5"):
        f.program("wrapped-" + given, "f = mx.util.wrap_np_unary_func(lambda x, out=None: (x, out))\ng = mx.util.wrap_np_binary_func(lambda x, y, out=None: (x, y, out))\n"
                  "r = [f(1, %s), g(1, 2, %s)]" % (given, given))
    return f
