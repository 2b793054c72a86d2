"""Short programs about what training is made of: optimizers, schedules, metrics, initializers.

Every name that starts with ``r`` is a result.
"""

from .ndarray_programs import Programs

#: Arguments that every optimizer takes.
COMMON = ("", "wd=0.1", "rescale_grad=0.5", "clip_gradient=0.3", "wd=0.01, rescale_grad=2.0, clip_gradient=0.5, begin_num_update=3")

#: Optimizers and what they are made with.
OPTIMIZERS = {
    "SGD": ("", "momentum=0.9", "momentum=0.9, lazy_update=False"),
    "ccSGD": ("momentum=0.5",),
    "NAG": ("", "momentum=0.9"),
    "Signum": ("", "momentum=0.0", "wd_lh=0.05"),
    "FTML": ("learning_rate=0.1", "learning_rate=0.1, beta1=0.5, beta2=0.9, epsilon=1e-4"),
    "LARS": ("", "momentum=0.9", "momentum=0.9, eta=0.1, eps=1e-3", "momentum=0.9, momentum_correction=False"),
    "LBSGD": ("", "momentum=0.9", "momentum=0.9, batch_scale=2, warmup_epochs=1, updates_per_epoch=8",
              "batch_scale=3, warmup_strategy='power2', warmup_epochs=1, updates_per_epoch=8",
              "batch_scale=2, warmup_strategy='sqrt', warmup_epochs=1, updates_per_epoch=8", "warmup_strategy='lars', momentum=0.5"),
    "LAMB": ("learning_rate=0.1", "learning_rate=0.1, beta1=0.8, beta2=0.9, epsilon=1e-3", "learning_rate=0.1, bias_correction=False",
             "learning_rate=0.1, lower_bound=0.5, upper_bound=1.5"),
    "DCASGD": ("", "lamda=0.5"),
    "Adam": ("learning_rate=0.1", "learning_rate=0.1, beta1=0.8, beta2=0.9, epsilon=1e-4"),
    "AdaGrad": ("learning_rate=0.1", "learning_rate=0.1, eps=1e-3"),
    "RMSProp": ("learning_rate=0.01", "learning_rate=0.01, centered=True", "learning_rate=0.01, gamma1=0.8, epsilon=1e-3, clip_weights=0.5",
                "learning_rate=0.01, gamma1=0.8, gamma2=0.7, centered=True, clip_weights=0.8"),
    "AdaDelta": ("", "rho=0.7, epsilon=1e-3"),
    "Ftrl": ("", "lamda1=0.5, learning_rate=0.5, beta=0.5"),
    "Adamax": ("learning_rate=0.1", "learning_rate=0.1, beta1=0.8, beta2=0.9"),
    "Nadam": ("learning_rate=0.1", "learning_rate=0.1, beta1=0.8, beta2=0.9, epsilon=1e-4, schedule_decay=0.1"),
    "Test": ("",),
    "GroupAdaGrad": ("learning_rate=0.1", "learning_rate=0.1, eps=1e-3"),
}

START = """gen = np.random.RandomState(5)
def values(*shape, dtype='float32'):
    return nd.array(np.round(gen.uniform(-1, 1, shape) * 64) / 64, dtype=dtype)
def flat(state):
    return [flat(s) for s in state] if isinstance(state, (list, tuple)) else state
"""


def trajectory(make, dtype="float32", steps=5, shapes=((3, 4), (2, 3)), together=False):
    """Program that makes an optimizer and updates a few weights."""
    lines = [START, "opt = " + make, "up = mx.optimizer.get_updater(opt)",
             "ws = [values(*s, dtype=%r) for s in %r]" % (dtype, list(shapes)), "for step in range(%d):" % steps]
    if together:
        lines += ["    gs = [values(*w.shape, dtype=%r) for w in ws]" % dtype, "    up(list(range(len(ws))), gs, ws)"]
    else:
        lines += ["    for i, w in enumerate(ws):", "        up(i, values(*w.shape, dtype=%r), w)" % dtype]
    lines += ["r_weights = ws", "r_states = [flat(up.states[i]) for i in range(len(ws))]", "r_updates = opt.num_update",
              "r_rate = float(opt.learning_rate)"]
    return "\n".join(lines)


def trajectories():
    f = Programs("trajectories")
    for name, sets in OPTIMIZERS.items():
        for given in sets:
            f.program("%s-%s" % (name, given), trajectory("mx.optimizer.create('%s', %s)" % (name.lower(), given)))
        last = sets[-1]
        for common in COMMON[1:]:
            both = ", ".join(filter(None, (last, common)))
            f.program("%s-%s" % (name, both), trajectory("mx.optimizer.create('%s', %s)" % (name, both)))
        f.program(name + "-half", trajectory("mx.optimizer.create('%s', multi_precision=True, %s)" % (name, last), "float16"))
        f.program(name + "-plain-half", trajectory("mx.optimizer.create('%s', %s)" % (name, last), "float16"))
        f.program(name + "-double", trajectory("mx.optimizer.create('%s', %s)" % (name, last), "float64"))
        names = "param_idx2name={0: 'a_weight', 1: 'a_bias'}, wd=%s" % (0.0 if name == "GroupAdaGrad" else 0.1)
        f.program(name + "-names", trajectory("mx.optimizer.create('%s', %s)" % (name, ", ".join(filter(None, (last, names)))))
                  .replace("up = ", "opt.set_lr_mult({'a_bias': 2.0, 0: 0.5})\nup = "))
        schedule = "lr_scheduler=mx.lr_scheduler.FactorScheduler(2, 0.5, base_lr=0.1)"
        kept = ", ".join(part for part in last.split(", ") if part and not part.startswith("learning_rate"))
        f.program(name + "-schedule", trajectory("mx.optimizer.create('%s', %s)" % (name, ", ".join(filter(None, (kept, schedule))))))
    for name in ("SGD", "LARS", "LAMB", "NAG"):
        for dtype in ("float32", "float16"):
            for given in ("momentum=0.9", "") if name != "LAMB" else ("learning_rate=0.1",):
                make = "mx.optimizer.create('%s', multi_precision=True, wd=0.1, param_idx2name={0: 'a_weight', 1: 'a_bias'}, %s)" % (name, given)
                f.program("%s-together-%s-%s" % (name, dtype, given), trajectory(make, dtype, shapes=((3, 4), (3,), (2, 2), (5,), (2, 3), (4,)), together=True))
    f.program("mixed-dtypes", "opt = mx.optimizer.SGD(momentum=0.9, multi_precision=True)\nup = mx.optimizer.get_updater(opt)\n"
              "ws = [nd.ones((2,)), nd.ones((3,), dtype='float16')]\nfor i in range(3):\n    up([0, 1], [w * 0.5 for w in ws], ws)\nr = ws")
    f.program("param_dict", "class P:\n    lr_mult, wd_mult = 0.5, 2.0\nopt = mx.optimizer.SGD(learning_rate=1.0, wd=0.1, param_dict={0: P()})\n"
              "w = nd.ones((2,))\nopt.update(0, w, nd.ones((2,)), None)\nr = w\nopt.update(1, w, nd.ones((2,)), None)\nr1 = w")
    f.program("mults", "opt = mx.optimizer.SGD(learning_rate=0.5, wd=0.2, param_idx2name={0: 'a_weight', 1: 'a_bias', 2: 'a_gamma', 3: 'a_beta', 4: 'x'})\n"
              "r0 = [float(opt._get_wd(i)) for i in range(6)]\nopt.set_wd_mult({'a_bias': 3.0, 4: 2.0})\nr1 = [float(opt._get_wd(i)) for i in range(6)]\n"
              "opt.set_lr_mult({'a_bias': 3.0, 4: 2.0})\nr2 = [float(opt._get_lr(i)) for i in range(6)]\nr3 = opt.wd_mult\nr4 = opt.lr_mult".replace("r3 = opt.wd_mult", "r3 = sorted(opt.wd_mult.items(), key=str)")
              .replace("r4 = opt.lr_mult", "r4 = sorted(opt.lr_mult.items(), key=str)"))
    f.program("rate", "opt = mx.optimizer.SGD(learning_rate=0.5)\nr0 = opt.learning_rate\nopt.set_learning_rate(0.2)\nr1 = opt.learning_rate")
    f.program("rate-of-schedule", "opt = mx.optimizer.Optimizer(lr_scheduler=mx.lr_scheduler.FactorScheduler(2, base_lr=0.3))\nr0 = opt.learning_rate\nr1 = opt.lr")
    f.program("set-rate-of-schedule", "opt = mx.optimizer.SGD(lr_scheduler=mx.lr_scheduler.FactorScheduler(2))\nopt.set_learning_rate(0.2)")
    f.program("both-rates", "s = mx.lr_scheduler.FactorScheduler(2, base_lr=0.3)\nopt = mx.optimizer.SGD(learning_rate=0.2, lr_scheduler=s)\nr0 = s.base_lr\nr1 = opt.lr")
    f.program("unknown", "mx.optimizer.create('nothing')")
    f.program("set_lr_scale", "mx.optimizer.SGD().set_lr_scale({})")
    f.program("counts", "opt = mx.optimizer.SGD()\nup = mx.optimizer.get_updater(opt)\nw = nd.ones((1,))\nfor i in (0, 0, 'x', 0, 'x'):\n    up(i, nd.ones((1,)), w)\n"
              "r0 = opt.num_update\nr1 = sorted(opt._index_update_count.items(), key=str)")
    f.program("states", "opt = mx.optimizer.Adam()\nup = mx.optimizer.get_updater(opt)\nw = nd.ones((2,))\nup(3, nd.ones((2,)), w)\n"
              "other = mx.optimizer.get_updater(mx.optimizer.Adam())\nother.set_states(up.get_states(dump_optimizer=True))\nother(3, nd.ones((2,)), w)\nr0 = w\n"
              "r1 = list(other.states[3])\nr2 = other.optimizer.num_update")
    for name in list(OPTIMIZERS) + ["SGLD"]:
        f.program("defaults-" + name, "o = mx.optimizer.create('%s')\nr0 = sorted((k, v) for k, v in vars(o).items() if isinstance(v, (int, float, bool)) "
                  "and not k.startswith('_'))\nr1 = float(o.learning_rate)" % name.lower())
    return f


SCHEDULES = (
    "FactorScheduler(3, 0.5)", "FactorScheduler(2, 0.1, base_lr=1.0, stop_factor_lr=1e-2)", "FactorScheduler(3, 0.5, base_lr=1.0, warmup_steps=4, warmup_begin_lr=0.1)",
    "FactorScheduler(3, 0.5, base_lr=1.0, warmup_steps=4, warmup_begin_lr=0.1, warmup_mode='constant')", "FactorScheduler(1)", "FactorScheduler(0)", "FactorScheduler(2, 1.5)",
    "MultiFactorScheduler([2, 5, 9], 0.5)", "MultiFactorScheduler([2, 5], 0.1, base_lr=1.0, warmup_steps=4)", "MultiFactorScheduler([5, 2], 0.1)",
    "MultiFactorScheduler([0, 2], 0.1)", "MultiFactorScheduler([2, 2], 0.1)", "MultiFactorScheduler(2, 0.1)", "MultiFactorScheduler([], 0.1)", "MultiFactorScheduler([2], 2.0)",
    "PolyScheduler(10)", "PolyScheduler(8, base_lr=1.0, pwr=3, final_lr=0.1)", "PolyScheduler(10, base_lr=1.0, warmup_steps=4)", "PolyScheduler(0)", "PolyScheduler(2.5)",
    "CosineScheduler(10)", "CosineScheduler(8, base_lr=1.0, final_lr=0.1)", "CosineScheduler(10, base_lr=1.0, warmup_steps=4, warmup_begin_lr=0.2)", "CosineScheduler(-1)",
    "CosineScheduler(10, warmup_mode='other')", "CosineScheduler(10, warmup_steps=-1)", "CosineScheduler(10, base_lr=0.1, warmup_begin_lr=0.2)", "LRScheduler(warmup_steps=1.5)",
)


def schedules():
    f = Programs("schedules")
    for made in SCHEDULES:
        f.program(made, "s = mx.lr_scheduler.%s\nr = [float(s(n)) for n in range(16)]" % made)
        f.program(made + "-jumps", "s = mx.lr_scheduler.%s\nr = [float(s(n)) for n in (7, 3, 12, 12, 1)]\nr1 = float(s.base_lr)" % made)
    return f


#: Labels and predictions of three batches, by kind of metric.
BATCHES = {
    "classes": "[([nd.array(gen.randint(0, 3, (6,)))], [nd.array(gen.uniform(0.01, 1, (6, 3)))]) for _ in range(3)]",
    "two": "[([nd.array(gen.randint(0, 3, (6,))), nd.array(gen.randint(0, 3, (4,)))], [nd.array(gen.uniform(0.01, 1, (6, 3))), nd.array(gen.uniform(0.01, 1, (4, 3)))]) for _ in range(3)]",
    "hard": "[([nd.array(gen.randint(0, 3, (6,)))], [nd.array(gen.randint(0, 3, (6,)))]) for _ in range(3)]",
    "binary": "[([nd.array(gen.randint(0, 2, (8,)))], [nd.array(gen.uniform(0.01, 1, (8, 2)))]) for _ in range(3)]",
    "one-class": "[([nd.zeros((4,))], [nd.array([[0.9, 0.1]] * 4)]) for _ in range(3)]",
    "many": "[([nd.array(gen.randint(0, 3 + 2 * k, (9,)))], [nd.array(gen.uniform(0, 1, (9, 3 + 2 * k)))]) for k in range(3)]",
    "numbers": "[([nd.array(gen.uniform(-1, 1, (5,)))], [nd.array(gen.uniform(-1, 1, (5,)))]) for _ in range(3)]",
    "column": "[([nd.array(gen.uniform(-1, 1, (5,)))], [nd.array(gen.uniform(-1, 1, (5, 1)))]) for _ in range(3)]",
    "table": "[([nd.array(gen.uniform(-1, 1, (5, 2)))], [nd.array(gen.uniform(-1, 1, (5, 2)))]) for _ in range(3)]",
    "half": "[([nd.array(gen.uniform(-1, 1, (5, 2)), dtype='float16')], [nd.array(gen.uniform(-1, 1, (5, 2)), dtype='float16')]) for _ in range(3)]",
    "images": "[([nd.array(gen.randint(0, 3, (2, 4, 4)))], [nd.array(gen.uniform(0, 1, (2, 3, 4, 4)))]) for _ in range(3)]",
    "last": "[([nd.array(gen.randint(0, 3, (2, 4)))], [nd.array(gen.uniform(0, 1, (2, 4, 3)))]) for _ in range(3)]",
    "arrays": "[(nd.array(gen.randint(0, 3, (6,))), nd.array(gen.uniform(0.01, 1, (6, 3)))) for _ in range(3)]",
    "ints": "[([nd.array(gen.randint(0, 3, (6,)), dtype='int32')], [nd.array(gen.uniform(0.01, 1, (6, 3)))]) for _ in range(3)]",
    "short": "[([nd.ones((5,))], [nd.ones((6, 3))])]",
    "uneven": "[([nd.ones((6,))], [nd.ones((6, 3)), nd.ones((6, 3))])]",
    "bad": "[([nd.array([0, 1, 2, 3])], [nd.ones((4, 2))])]",
    "zero": "[([nd.array([0, 1])], [nd.array([[0.0, 1.0], [1.0, 0.0]])])]",
}

METRICS = (
    ("'acc'", "classes two hard images arrays ints short uneven binary"), ("'accuracy', axis=-1", "last classes"), ("'Accuracy', axis=0", "classes"), ("'top_k_accuracy', top_k=2", "classes two ints short"),
    ("'top_k_acc', 3", "many"), ("'TopKAccuracy', top_k=1", "classes"), ("'f1'", "binary one-class bad short"), ("'f1', average='micro'", "binary one-class"), ("'mcc'", "binary one-class bad"),
    ("'mcc', average='micro'", "binary one-class"), ("'pcc'", "binary one-class many classes hard two"), ("'perplexity', ignore_label=None", "classes two short zero binary"),
    ("'perplexity', 1", "classes two"), ("'Perplexity', ignore_label=0, axis=-1", "classes ints"), ("'mae'", "numbers column table half uneven"), ("'mse'", "numbers column table half"),
    ("'rmse'", "numbers column table half"), ("'ce'", "classes two zero short ints arrays"), ("'CrossEntropy', eps=1e-3", "classes zero"), ("'nll_loss'", "classes two zero"), ("'nll_loss', eps=0.1", "zero"),
    ("'pearsonr'", "numbers table column"), ("'pearsonr', average='micro'", "numbers table"), ("'loss'", "numbers classes arrays half"), ("'torch'", "numbers"), ("'caffe'", "numbers"),
    ("['acc', 'ce']", "classes two"), ("mx.metric.np(lambda label, pred: float((label * 2 + pred.sum()).sum()))", "classes two uneven"),
    ("lambda label, pred: (float(pred.sum()), label.size)", "classes two"), ("mx.metric.CustomMetric(lambda label, pred: 1.5, name='x', allow_extra_outputs=True)", "uneven classes"),
)


def metrics():
    f = Programs("metrics")
    for made, kinds in METRICS:
        for kind in kinds.split():
            f.program("%s-%s" % (made, kind), "gen = np.random.RandomState(3)\nbatches = %s\nm = mx.metric.create(%s)\n" % (BATCHES[kind], made) + """
def shown(pair):
    names, numbers = pair
    return [names, [float(v) for v in numbers] if isinstance(numbers, list) else float(numbers)]
r_log = [shown(m.get())]
for i, (labels, preds) in enumerate(batches):
    m.update(labels, preds)
    r_log += [shown(m.get()), shown(m.get_global())]
    if i == 1:
        m.reset_local()
        r_log += [shown(m.get()), shown(m.get_global())]
r_pairs = [[n, float(v)] for n, v in m.get_name_value()] + [[n, float(v)] for n, v in m.get_global_name_value()]
m.reset()
r_log += [shown(m.get()), shown(m.get_global())]
""")
    made = "m = mx.metric.create(%s)\n"
    for given in ("'acc'", "'acc', name='n', output_names=['o'], label_names=['l']", "'ce'", "'mse'", "['acc', 'mae']", "'loss'", "'pcc'"):
        f.program("config-" + given, made % given + "r = sorted((k, str(v)) for k, v in m.get_config().items() if k != 'metrics')\nimport json\n"
                  "r1 = sorted((k, str(v)) for k, v in mx.metric.create(json.dumps(m.get_config())).get_config().items() if k != 'metrics')\nr2 = str(m)")
    for given in ("'nothing'", "3", "'acc', 1, 2, 3, 4, 5", "mx.metric.Accuracy(), 1"):
        f.program("create-" + given, made % given)
    f.program("update_dict", "m = mx.metric.create('acc', output_names=['o'], label_names=['l'])\nm.update_dict({'x': nd.zeros((2,)), 'l': nd.array([0, 1])}, "
              "{'o': nd.array([[0.9, 0.1], [0.8, 0.2]]), 'p': nd.zeros((2, 2))})\nr = float(m.get()[1])")
    f.program("update_dict-all", "m = mx.metric.create('acc')\nm.update_dict({'l': nd.array([0, 1])}, {'o': nd.array([[0.9, 0.1], [0.8, 0.2]])})\nr = float(m.get()[1])")
    f.program("update_dict-composite", "m = mx.metric.CompositeEvalMetric(['acc', 'ce'], output_names=['o'], label_names=['l'])\nm.update_dict({'l': nd.array([0, 1]), 'k': nd.zeros((1,))}, "
              "{'p': nd.zeros((1, 2)), 'o': nd.array([[0.9, 0.1], [0.8, 0.2]])})\nr = [float(v) for v in m.get()[1]]")
    f.program("update_dict-missing", "m = mx.metric.create('acc', output_names=['o'])\nm.update_dict({'l': nd.array([0, 1])}, {'q': nd.ones((2, 2))})")
    f.program("subclass", "class M(mx.metric.EvalMetric):\n    def __init__(self):\n        super(M, self).__init__('m')\n    def update(self, labels, preds):\n"
              "        self.sum_metric += 2.0\n        self.num_inst += 4\nm = M()\nm.update(0, 0)\nr0 = m.get()\nr1 = m.get_global()\nm.reset_local()\nr2 = m.num_inst\nr3 = m.get_name_value()")
    f.program("subclass-lists", "class M(mx.metric.EvalMetric):\n    def reset(self):\n        self.num_inst = [0, 0]\n        self.sum_metric = [0.0, 0.0]\n    def update(self, labels, preds):\n"
              "        self.sum_metric[1] += 2.0\n        self.num_inst[1] += 4\nm = M('m')\nm.update(0, 0)\nr0 = m.sum_metric\nr1 = m.num_inst")
    f.program("shapes", "mx.metric.check_label_shapes(nd.ones((2,)), nd.ones((3,)))")
    f.program("shapes-ok", "l, p = mx.metric.check_label_shapes(nd.ones((2,)), nd.ones((2, 3)), wrap=True)\nr = [len(l), p[0].shape]")
    f.program("shapes-shape", "mx.metric.check_label_shapes(nd.ones((2,)), nd.ones((2, 3)), shape=True)")
    f.program("get_metric", "m = mx.metric.create(['acc', 'ce'])\nr = [m.get_metric(0).name, m.get_metric(1).name]")
    return f


NAMES = ("fc_weight", "fc_bias", "bn_gamma", "bn_beta", "a_min", "a_max", "weight", "other", "q_bias_quantize")
INITIALIZERS = ("Zero()", "One()", "Constant(2.5)", "Constant(np.arange(6).reshape(2, 3))", "Constant(nd.ones((2, 3)))")


def initializers():
    f = Programs("initializers")
    for made in INITIALIZERS:
        for name in NAMES:
            f.program("%s-%s" % (made, name), "a = nd.full((2, 3), 9)\nmx.init.%s(mx.init.InitDesc('%s'), a)\nr = a" % (made, name))
        f.program(made + "-dumps", "r = mx.init.%s.dumps()\na = nd.zeros((2, 3))\nmx.init.create(r)(mx.init.InitDesc('weight'), a)\nr1 = a" % made)
    for made in ("Uniform()", "Uniform(0.5)", "Normal()", "Normal(2.0)", "Xavier()", "Xavier('gaussian', 'in', 2)", "Xavier(factor_type='out')", "MSRAPrelu()", "MSRAPrelu('in', 0.1)",
                 "Orthogonal()", "Orthogonal(2.0, 'normal')", "LSTMBias(0.5)", "Bilinear()", "FusedRNN(None, 2, 1, 'gru')", "FusedRNN(mx.init.Zero(), 2, 1, 'lstm', True, 0.5)"):
        f.program("dumps-" + made, "r = mx.init.%s.dumps()\nr1 = type(mx.init.create(r))\nr2 = mx.init.create(r) == mx.init.%s" % (made, made))
    for name in ("upsampling0_weight", "stn_loc_weight", "fc_weight", "fc_bias", "x_moving_mean", "x_moving_var", "x_moving_inv_var", "x_moving_avg", "x_gamma", "x_beta", "x_min", "x_max", "other"):
        f.program("legacy-" + name, "import warnings\nwarnings.simplefilter('ignore')\na = nd.full((1, 1, 4, 4), 9)\nmx.init.One()('%s', a)\nr = a" % name)
    f.program("legacy-stn", "import warnings\nwarnings.simplefilter('ignore')\na = nd.zeros((6,))\nmx.init.One()('stn_loc_bias', a)\nr = a")
    for shape in ((1, 1, 4, 4), (2, 3, 3, 3), (1, 2, 4, 6), (2, 2, 5, 4)):
        f.program("bilinear-%s" % (shape,), "a = nd.zeros(%r)\nmx.init.Bilinear()(mx.init.InitDesc('w_weight'), a)\nr = a" % (shape,))
    f.program("lstmbias", "a = nd.ones((8,))\nmx.init.LSTMBias(2.0)._init_weight('x', a)\nr = a")
    f.program("attribute", "a = nd.zeros((2, 3))\nmx.init.Zero()(mx.init.InitDesc('x_bias', {'__init__': mx.init.Constant(3.0).dumps()}), a)\nr = a")
    f.program("attribute-name", "a = nd.zeros((2, 3))\nmx.init.Zero()(mx.init.InitDesc('x', {'__init__': 'ones'}), a)\nr = a")
    f.program("attribute-unknown", "a = nd.zeros((2, 3))\nmx.init.Zero()(mx.init.InitDesc('x', {'__init__': 'nothing'}), a)")
    f.program("mixed", "m = mx.init.Mixed(['.*bias', '.*'], [mx.init.Zero(), mx.init.Constant(2)])\na, b = nd.ones((2,)), nd.ones((2,))\n"
              "m(mx.init.InitDesc('fc_bias'), a)\nm(mx.init.InitDesc('fc_weight'), b)\nr = [a, b]")
    f.program("mixed-none", "mx.init.Mixed(['x'], [mx.init.Zero()])(mx.init.InitDesc('fc_bias'), nd.ones((1,)))")
    f.program("mixed-length", "mx.init.Mixed(['x', 'y'], [mx.init.Zero()])")
    load = "l = mx.init.Load({'arg:a': nd.ones((2,)), 'b': nd.full((2,), 3)}, %s)\nx = nd.zeros((%d,))\nl('%s', x)\nr = x"
    for given in (("None", 2, "a"), ("None", 2, "b"), ("None", 2, "c"), ("None", 3, "a"), ("lambda n, a: a.__setitem__(slice(None), 7)", 2, "c")):
        f.program("load-%s-%d-%s" % given, load % given)
    for mode, gates in (("lstm", 4), ("gru", 3), ("rnn_tanh", 1), ("rnn_relu", 1)):
        for layers in (1, 2):
            for both in (False, True):
                ways = 2 if both else 1
                size = ways * gates * 2 * (3 + 2 + 2) + (layers - 1) * ways * gates * 2 * (2 * ways + 2 + 2)
                f.program("rnn-%s-%d-%s" % (mode, layers, both), "a = nd.zeros((%d,))\nmx.init.FusedRNN(mx.init.Constant(2), 2, %d, '%s', %s, 0.5)(mx.init.InitDesc('rnn_weight'), a)\nr = a"
                          % (size, layers, mode, both))
    f.program("rnn-global", "a = nd.zeros((56,))\nmx.init.FusedRNN(None, 2, 1, 'lstm')(mx.init.InitDesc('rnn_weight', global_init=mx.init.One()), a)\nr = a")
    big = "a = nd.zeros((%s))\nmx.init.%s(mx.init.InitDesc('x_weight'), a)\nv = a.asnumpy()\nr = [round(float(v.mean()), 2) + 0.0, round(float(v.std()), 2), round(float(abs(v).max()), %d)]"
    for made, shape, digits in (("Uniform()", "400, 400", 2), ("Uniform(0.5)", "400, 400", 2), ("Xavier()", "400, 300", 2), ("Xavier('uniform', 'in', 6)", "40, 30, 5, 5", 2),
                                ("Xavier('uniform', 'out', 6)", "40, 30, 5, 5", 2)):
        f.program("random-" + made, big % (shape, made, digits))
    for made, shape in (("Normal()", "400, 400"), ("Normal(2.0)", "1000, 1000"), ("Xavier('gaussian', 'avg', 2000)", "400, 300"), ("MSRAPrelu()", "40, 30, 5, 5"), ("MSRAPrelu('in', 0.5)", "300, 40")):
        f.program("random-" + made, big.rsplit(", round", 1)[0] % (shape, made) + "]")
    for made in ("Orthogonal()", "Orthogonal(2.0, 'normal')"):
        for shape in ("3, 5", "5, 3", "4, 2, 2"):
            f.program("%s-%s" % (made, shape), "a = nd.zeros((%s))\nmx.init.%s(mx.init.InitDesc('x_weight'), a)\nm = a.asnumpy().reshape(a.shape[0], -1)\n"
                      "m = m @ m.T if m.shape[0] <= m.shape[1] else m.T @ m\nr = np.round(m, 3) + 0.0" % (shape, made))
    for made, shape in (("Xavier()", "3,"), ("Xavier('other')", "3, 3"), ("Xavier(factor_type='other')", "3, 3"), ("Orthogonal(1.0, 'other')", "3, 3"), ("Initializer()", "3, 3")):
        f.program("error-%s-%s" % (made, shape), "mx.init.%s(mx.init.InitDesc('x_weight'), nd.zeros((%s)))" % (made, shape))
    f.program("create", "r = [type(mx.init.create(n)) for n in ('zeros', 'ones', 'zero', 'one', 'xavier', 'msraprelu')]")
    f.program("create-arguments", "r = mx.init.create('constant', 3.0).dumps()\nr1 = mx.init.create('normal', sigma=2).dumps()\nr2 = mx.init.create(mx.init.One()).dumps()")
    f.program("create-unknown", "mx.init.create('nothing')")
    f.program("desc", "d = mx.init.InitDesc('x', {'a': 'b'})\nr = [d == 'x', d.attrs['a'], d.global_init, d + 'y']")
    f.program("equal", "r = [mx.init.One() == mx.init.One(), mx.init.One() == mx.init.Zero(), mx.init.Constant(1) == mx.init.Constant(2), mx.init.Normal(2) == mx.init.Normal(2)]")
    return f
