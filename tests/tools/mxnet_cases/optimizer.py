"""Optimizer update operators: new weights and the states they change in place."""

import numpy as np

from .common import FLOATS, Family, arr, pos

COMMON = ({}, {"wd": 0.1}, {"rescale_grad": 0.5}, {"clip_gradient": 0.4},
          {"wd": 0.01, "rescale_grad": 2.0, "clip_gradient": 0.5})


def optimizer():
    f = Family("optimizer")

    def state(i, dtype="float32", positive=False):
        return (pos if positive else arr)(3, 4, dtype=dtype, seed=i, **({} if positive else {"low": -1, "high": 1}))

    def add(name, states, sets=({},), common=True, dtypes=FLOATS, **fixed):
        """`states`: for each state, True when it must be positive."""
        for more in sets:
            for c in COMMON if common else ({},):
                kwargs = dict(fixed, **more, **c)
                f.add("nd." + name, state(0), state(1), *[state(2 + i, positive=p) for i, p in enumerate(states)],
                      id="-".join("%s=%s" % (k, v) for k, v in dict(more, **c).items()), grad=[], **kwargs)
        f.add("nd." + name, state(0), state(1), *[state(2 + i, positive=p) for i, p in enumerate(states)],
              id="in_place", out=[0], grad=[], **dict(fixed, **sets[-1]))
        for dtype in dtypes:
            f.add("nd." + name, state(0, dtype), state(1, dtype),
                  *[state(2 + i, dtype, p) for i, p in enumerate(states)], id=dtype, grad=[], **dict(fixed, **sets[-1]))

    def half():
        """Weights and gradients in float16; the float32 master copy of the weights follows from them."""
        return state(0, "float16"), state(1, "float16")

    def master():
        return half()[0].astype("float32")

    momentum = ({}, {"momentum": 0.9})
    add("sgd_update", (), lr=0.1)
    add("sgd_update", (), ({"lazy_update": False},), lr=0.1)
    add("sgd_mom_update", (False,), momentum, lr=0.1)
    add("nag_mom_update", (False,), momentum, lr=0.1)
    add("signsgd_update", (), lr=0.1)
    add("signum_update", (False,), momentum + ({"momentum": 0.9, "wd_lh": 0.05},), lr=0.1)
    add("adam_update", (False, True), ({}, {"beta1": 0.8, "beta2": 0.9, "epsilon": 1e-4}), lr=0.1)
    add("ftrl_update", (False, True), ({}, {"lamda1": 0.1, "beta": 0.5}), lr=0.1)
    add("rmsprop_update", (True,), ({}, {"gamma1": 0.8, "epsilon": 1e-3}, {"clip_weights": 0.5}), lr=0.1)
    # n - g*g must stay positive
    for c in COMMON + ({"gamma1": 0.8, "gamma2": 0.7}, {"clip_weights": 0.5}):
        f.add("nd.rmspropalex_update", state(0), state(1), state(2, positive=True) + 2, state(3) * 0.25, state(4), lr=0.1,
              id=str(c), grad=[], **c)
    for c in ({}, {"wd": 0.1}, {"rescale_grad": 0.5}, {"clip_grad": 0.4}, {"beta1": 0.5, "beta2": 0.9, "epsilon": 1e-4}):
        for t in (1, 5):
            f.add("nd.ftml_update", state(0), state(1), state(2, positive=True), state(3, positive=True), state(4),
                  lr=0.1, t=t, id="t=%d-%s" % (t, c), grad=[], **c)
    for c in ({}, {"rescale_grad": 0.5}, {"clip_gradient": 0.4}, {"bias_correction": False}, {"beta1": 0.8, "epsilon": 1e-3}):
        for t in (1, 5):
            f.add("nd.lamb_update_phase1", state(0), state(1), state(2), state(3, positive=True), t=t, wd=0.1,
                  id="t=%d-%s" % (t, c), grad=[], **c)
            f.add("nd.mp_lamb_update_phase1", *half(), state(2),
                  state(3, positive=True), master(), t=t, wd=0.1, id="t=%d-%s" % (t, c), grad=[], **c)
    for c in ({}, {"lower_bound": 2.0}, {"upper_bound": 0.5}, {"lower_bound": 0.5, "upper_bound": 5.0}):
        for r1, r2 in ((3.0, 2.0), (0.0, 2.0), (3.0, 0.0)):
            one = [np.array([r1], "float32"), np.array([r2], "float32")]
            f.add("nd.lamb_update_phase2", state(0), state(1), *one, lr=0.1, id="%s,%s-%s" % (r1, r2, c), grad=[], **c)
            f.add("nd.mp_lamb_update_phase2", half()[0], state(1), *one, master(), lr=0.1,
                  id="%s,%s-%s" % (r1, r2, c), grad=[], **c)
    # multi precision: half weights with a float32 master copy
    for c in COMMON:
        f.add("nd.mp_sgd_update", *half(), master(), lr=0.1, id=str(c), grad=[], **c)
        f.add("nd.mp_sgd_mom_update", *half(), state(2), master(), lr=0.1, momentum=0.9, id=str(c), grad=[], **c)
        f.add("nd.mp_nag_mom_update", *half(), state(2), master(), lr=0.1, momentum=0.9, id=str(c), grad=[], **c)

    # several weights at once
    def shapes():
        return ((2, 3), (4,), (1, 2))

    def several(kinds, mp):
        """`kinds` names the per-weight arrays after weight and gradient."""
        low = "float16" if mp else "float32"
        out = []
        for i, s in enumerate(shapes()):
            w = arr(*s, seed=i)
            out += [w.astype(low), arr(*s, dtype=low, seed=i + 10)]
            out += [pos(*s, seed=i + 20 + j) if k == "var" else arr(*s, seed=i + 20 + j) for j, k in enumerate(kinds)]
            if mp:
                out.append(w.copy())
        return out

    def every(step):
        return [0, step, 2 * step]

    lrs, wds = (0.1, 0.2, 0.3), (0.0, 0.01, 0.1)
    for c in ({}, {"rescale_grad": 0.5}, {"clip_gradient": 0.4}):
        tag = str(c)
        for mp in (False, True):
            p = "multi_mp_" if mp else "multi_"
            f.add("nd.%ssgd_update" % p, *several((), mp), out=every(2 + mp), lrs=lrs, wds=wds, num_weights=3, id=tag, grad=[], **c)
            f.add("nd.%ssgd_mom_update" % p, *several(("mom",), mp), out=every(3 + mp), lrs=lrs, wds=wds, momentum=0.9,
                  num_weights=3, id=tag, grad=[], **c)
            pre = [np.array(lrs, "float32"), np.array(wds, "float32")]
            f.add("nd.preloaded_%ssgd_update" % p, *several((), mp), *pre, out=every(2 + mp), num_weights=3, id=tag, grad=[], **c)
            f.add("nd.preloaded_%ssgd_mom_update" % p, *several(("mom",), mp), *pre, out=every(3 + mp), momentum=0.9,
                  num_weights=3, id=tag, grad=[], **c)
    for scale in (np.array([1.0], "float32"), np.array([0.5], "float32"), np.array([np.inf], "float32"),
                  np.array([0.0], "float32")):
        tag = "scale=%s" % scale[0]
        f.add("nd.contrib.adamw_update", state(0), state(1), state(2), state(3, positive=True), scale, out=[0], lr=0.1,
              eta=0.5, wd=0.1, id=tag, grad=[])
        f.add("nd.contrib.mp_adamw_update", *half(), state(2), state(3, positive=True),
              master(), scale, out=[0], lr=0.1, eta=0.5, wd=0.1, id=tag, grad=[])
        f.add("nd._internal._adamw_update", state(0), state(1), state(2), state(3, positive=True), scale, out=[0], lr=0.1,
              eta=0.5, wd=0.1, clip_gradient=0.3, id=tag, grad=[])
    for c in ({}, {"clip_gradient": 0.4}):
        for mp in (False, True):
            p = "multi_mp_" if mp else "multi_"
            scale = np.array([0.5], "float32")
            f.add("nd._internal._%sadamw_update" % p, *several(("mean", "var"), mp), scale, out=every(4 + mp), lrs=lrs, wds=wds,
                  etas=(1.0, 0.5, 0.25), num_weights=3, id=str(c), grad=[], **c)
            f.add("nd._internal._%slamb_update" % p, *several(("mean", "var"), mp), out=every(4 + mp), learning_rates=lrs, wds=wds,
                  step_count=(1, 2, 3), num_tensors=3, id=str(c), grad=[], **c)
            f.add("nd._internal._%slamb_update" % p, *several(("mean", "var"), mp), out=every(4 + mp), learning_rates=lrs, wds=wds,
                  step_count=(1, 2, 3), num_tensors=3, bias_correction=False, lower_bound=0.1, upper_bound=2.0,
                  id="bounds-" + str(c), grad=[], **c)
    v = [np.array(a, "float32") for a in ((0.1, 0.2, 0.3), (1.0, 4.0, 0.0), (4.0, 1.0, 2.0), (0.0, 0.1, 0.2))]
    f.add("nd.multi_lars", *v, eta=0.01, eps=1e-6, grad=[])
    f.add("nd.multi_lars", *v, eta=0.01, eps=1e-6, rescale_grad=0.5, id="rescale", grad=[])
    f.add("nd.reset_arrays", arr(2, 3), arr(2), num_arrays=2, grad=[])
    f.add("nd.contrib.group_adagrad_update", state(0), state(1), pos(3, 1), lr=0.1, grad=[])
    f.add("nd.sparse.adagrad_update", state(0), state(1), pos(3, 4), lr=0.1, grad=[], id="dense")
    f.add("nd.sgd_update", state(0), arr(2, 2), lr=0.1, id="mismatch", grad=[])
    f.add("nd.sgd_update", state(0), state(1), id="no_lr", grad=[])
    return f
