"""Short programs about tables and drawings of networks; to record them, MXNet needs the package graphviz as well."""

from .ndarray_programs import Programs

NETS = {
    "lenet": ("data = mx.sym.Variable('data')\nn = mx.sym.Convolution(data, kernel=(3, 3), num_filter=8, name='conv')\nn = mx.sym.BatchNorm(n, name='bn')\n"
              "n = mx.sym.Activation(n, act_type='relu', name='act')\nn = mx.sym.Pooling(n, kernel=(2, 2), stride=(2, 2), pool_type='max', name='pool')\n"
              "n = mx.sym.FullyConnected(mx.sym.Flatten(n, name='flat'), num_hidden=10, name='fc')\nn = mx.sym.SoftmaxOutput(n, name='softmax')\n", "{'data': (2, 3, 12, 12)}"),
    "branches": ("data = mx.sym.Variable('data')\na = mx.sym.Convolution(data, kernel=(3, 3), num_filter=4, num_group=2, no_bias=True, pad=(1, 1), name='a')\n"
                 "b = mx.sym.LeakyReLU(mx.sym.Convolution(data, kernel=(1, 1), num_filter=4, name='b'), act_type='elu', name='leak')\nn = mx.sym.Concat(a, b, name='cat') \n"
                 "n = mx.sym.Pooling(n, global_pool=True, pool_type='avg', kernel=(1, 1), name='gap')\nn = mx.sym.Reshape(n, shape=(0, -1), name='rs')\nn = mx.sym.elemwise_add(n, n, name='sum')\n"
                 "n = mx.sym.FullyConnected(n, num_hidden=3, no_bias=True, name='node')\n", "{'data': (2, 4, 6, 6)}"),
    "embedding": ("n = mx.sym.Embedding(mx.sym.Variable('words'), input_dim=20, output_dim=5, name='emb')\nn = mx.sym.softmax(mx.sym.FullyConnected(n, num_hidden=4, name='f c'), name='sm')\n", "{'words': (2, 6)}"),
}


def drawings():
    f = Programs("drawings")
    for name, (net, shape) in NETS.items():
        for given in ("", "shape=%s" % shape, "shape=%s, line_length=80" % shape, "shape=%s, positions=(30, 45, 60, 70), line_length=70" % shape):
            f.program("summary-%s-%s" % (name, given), net + "import io, contextlib\nto = io.StringIO()\nwith contextlib.redirect_stdout(to):\n"
                      "    back = mx.viz.print_summary(n, %s)\nr = to.getvalue()" % given)
        for given in ("", "shape=%s" % shape, "title='my plot', hide_weights=False", "node_attrs={'shape': 'rect', 'fixedsize': 'false'}",
                      "shape=%s, dtype={'%s': 'float32'}" % (shape, shape.split("'")[1])):
            f.program("plot-%s-%s" % (name, given), net + "r = mx.viz.plot_network(n, %s).source" % given)
    f.program("plot-other", "mx.viz.plot_network(nd.ones((1,)))")
    f.program("summary-other", "mx.viz.print_summary(nd.ones((1,)))")
    f.program("summary-shape", NETS["lenet"][0] + "mx.viz.print_summary(n, shape={'data': (2, 3, 1, 1)})")
    return f
