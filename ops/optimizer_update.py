"""The update operators of the optimizers. Each writes the new weight to its output (``out=weight``) and its states in place.

The formulas are written once, for plain arrays; wrappers make of each the operator for float weights, the one with a
float32 master copy (``mp_``), the one for many weights (``multi_``), and the one whose learning rates are arrays
(``preloaded_``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import rules
from .cpu.optimizer import builder, group_adagrad, lamb_builder, lamb_step_builder, lars_rates, reset
from .registry import Bool, Float, Floats, Int, Param, Shape, operator

Arrays = Sequence[np.ndarray]
Shapes = Sequence[tuple[int, ...]]
# (parameters, weight, gradient, *states) -> (new weight, *new states)
Formula = Callable[..., tuple]

# ---- formulas ----------------------------------------------------------------------------------------------------------


def _clip(values: Any, bound: float) -> Any:
    """Clip to [-bound, bound]; a negative bound means no clipping."""
    return values if bound < 0 else np.clip(values, -bound, bound)


def _sgd(p: Any, w: Any, g: Any) -> tuple:
    return (w - p.lr * (_clip(g * p.rescale_grad, p.clip_gradient) + p.wd * w),)


def _sgd_mom(p: Any, w: Any, g: Any, mom: Any) -> tuple:
    mom = p.momentum * mom - p.lr * (_clip(g * p.rescale_grad, p.clip_gradient) + p.wd * w)
    return w + mom, mom


def _nag(p: Any, w: Any, g: Any, mom: Any) -> tuple:
    step = p.lr * (_clip(g * p.rescale_grad, p.clip_gradient) + p.wd * w)
    mom = p.momentum * mom - step
    return w + p.momentum * mom - step, mom


def _signsgd(p: Any, w: Any, g: Any) -> tuple:
    return ((1 - p.lr * p.wd) * w - p.lr * np.sign(g),)


def _signum(p: Any, w: Any, g: Any, mom: Any) -> tuple:
    rest = 1 - p.momentum
    mom = p.momentum * mom - rest * p.wd * w - rest * _clip(g * p.rescale_grad, p.clip_gradient)
    return (1 - p.lr * p.wd_lh) * w + p.lr * np.sign(mom), mom


def _moments(p: Any, g: Any, mean: Any, var: Any) -> tuple:
    return p.beta1 * mean + (1 - p.beta1) * g, p.beta2 * var + (1 - p.beta2) * g * g


def _adam(p: Any, w: Any, g: Any, mean: Any, var: Any) -> tuple:
    mean, var = _moments(p, _clip(g * p.rescale_grad + p.wd * w, p.clip_gradient), mean, var)
    return w - p.lr * mean / (np.sqrt(var) + p.epsilon), mean, var


def _adamw(p: Any, w: Any, g: Any, mean: Any, var: Any) -> tuple:
    mean, var = _moments(p, _clip(g * p.rescale_grad, p.clip_gradient), mean, var)
    return w - p.eta * (p.lr * mean / (np.sqrt(var) + p.epsilon) + p.wd * w), mean, var


def _rmsprop(p: Any, w: Any, g: Any, n: Any) -> tuple:
    g = _clip(g * p.rescale_grad + p.wd * w, p.clip_gradient)
    n = (1 - p.gamma1) * g * g + p.gamma1 * n
    return _clip(w - p.lr * g / np.sqrt(n + p.epsilon), p.clip_weights), n


def _rmspropalex(p: Any, w: Any, g: Any, n: Any, mean: Any, delta: Any) -> tuple:
    g = _clip(g * p.rescale_grad + p.wd * w, p.clip_gradient)
    n = (1 - p.gamma1) * g * g + p.gamma1 * n
    mean = (1 - p.gamma1) * g + p.gamma1 * mean
    delta = p.gamma2 * delta - p.lr * g / np.sqrt(n - mean * mean + p.epsilon)
    return _clip(w + delta, p.clip_weights), n, mean, delta


def _ftml(p: Any, w: Any, g: Any, d: Any, v: Any, z: Any) -> tuple:
    g = _clip(g * p.rescale_grad + p.wd * w, p.clip_grad)
    v = p.beta2 * v + (1 - p.beta2) * g * g
    new_d = (1 - p.beta1**p.t) / p.lr * (np.sqrt(v / (1 - p.beta2**p.t)) + p.epsilon)
    z = p.beta1 * z + (1 - p.beta1) * g - (new_d - p.beta1 * d) * w
    return -z / new_d, new_d, v, z


def _ftrl(p: Any, w: Any, g: Any, z: Any, n: Any) -> tuple:
    g = _clip(g * p.rescale_grad, p.clip_gradient)
    z = z + g - (np.sqrt(n + g * g) - np.sqrt(n)) * w / p.lr
    n = n + g * g
    weight = (np.sign(z) * p.lamda1 - z) / ((p.beta + np.sqrt(n)) / p.lr + p.wd)
    return weight * (np.abs(z) > p.lamda1), z, n


def _group_adagrad(p: Any, w: Any, g: Any, history: Any) -> tuple:
    g = _clip(g * p.rescale_grad, p.clip_gradient)
    square = (g * g).reshape(g.shape[0], -1).mean(axis=1)
    history = history + square.reshape(history.shape)
    return w - p.lr * g / np.sqrt(history.reshape((-1,) + (1,) * (g.ndim - 1)) + p.epsilon), history


def _lamb_direction(p: Any, w: Any, g: Any, mean: Any, var: Any) -> tuple:
    """First phase of LAMB: the direction, before it is scaled by the ratio of norms."""
    mean, var = _moments(p, _clip(g * p.rescale_grad, p.clip_gradient), mean, var)
    if p.bias_correction:
        step = mean / (1 - p.beta1**p.t) / (np.sqrt(var / (1 - p.beta2**p.t)) + p.epsilon)
    else:
        step = mean / (np.sqrt(var) + p.epsilon)
    return step + p.wd * w, mean, var


def _lamb_rate(p: Any, weight_norm: float, step_norm: float) -> float:
    """Second phase of LAMB: the learning rate times the ratio of norms."""
    if p.lower_bound >= 0:
        weight_norm = max(weight_norm, p.lower_bound)
    if p.upper_bound >= 0:
        weight_norm = min(weight_norm, p.upper_bound)
    return p.lr if weight_norm == 0 or step_norm == 0 else p.lr * weight_norm / step_norm


def _lamb(p: Any, w: Any, g: Any, mean: Any, var: Any) -> tuple:
    step, mean, var = _lamb_direction(p, w, g, mean, var)
    return w - _lamb_rate(p, float(np.linalg.norm(w)), float(np.linalg.norm(step))) * step, mean, var


# ---- from formulas to kernels ------------------------------------------------------------------------------------------


def _computable(array: np.ndarray) -> np.ndarray:
    """Halves are computed in single precision."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _update(formula: Formula, p: Any, ins: Arrays, out: np.ndarray, mixed: bool) -> None:
    """Update one weight: ``ins`` are weight, gradient, states and, if mixed, the master weight."""
    states = list(ins[2:-1] if mixed else ins[2:])
    weight = ins[-1] if mixed else ins[0]
    result = formula(p, _computable(weight), _computable(ins[1]), *(_computable(state) for state in states))
    for state, value in zip(states, result[1:]):
        state[...] = value
    if mixed:
        weight[...] = result[0]
    out[...] = result[0]


def _single_kernel(formula: Formula, mixed: bool) -> Callable[[Any, Arrays, Arrays], None]:
    def run(attrs: Any, ins: Arrays, outs: Arrays) -> None:
        _update(formula, attrs, ins, outs[0], mixed)

    return run


def _multi_kernel(formula: Formula, width: int, mixed: bool, lists: dict[str, str]) -> Callable[[Any, Arrays, Arrays], None]:
    """Kernel for many weights; ``lists`` maps parameters of the formula to those that hold one value for each weight."""

    def run(attrs: Any, ins: Arrays, outs: Arrays) -> None:
        common = attrs.to_dict()
        for i, out in enumerate(outs):
            values = {name: getattr(attrs, source)[i] for name, source in lists.items()}
            if len(ins) > width * len(outs):
                values["rescale_grad"] = float(ins[-1].reshape(-1)[0])
                if _overflowed(values["rescale_grad"]):
                    out[...] = ins[i * width]
                    continue
            _update(formula, SimpleNamespace(**{**common, **values}), ins[i * width : (i + 1) * width], out, mixed)

    return run


def _preloaded_kernel(formula: Formula, width: int, mixed: bool) -> Callable[[Any, Arrays, Arrays], None]:
    def run(attrs: Any, ins: Arrays, outs: Arrays) -> None:
        common = attrs.to_dict()
        for i, out in enumerate(outs):
            p = SimpleNamespace(**{**common, "lr": float(ins[-2][i]), "wd": float(ins[-1][i])})
            _update(formula, p, ins[i * width : (i + 1) * width], out, mixed)

    return run


# ---- shapes and types --------------------------------------------------------------------------------------------------


def _mixed_dtype(attrs: Any, dtypes: Sequence[np.dtype]) -> list[np.dtype]:
    if dtypes[0] != dtypes[1] or dtypes[0].kind != "f":
        raise ValueError(f"weight has dtype {dtypes[0]} and grad {dtypes[1]}; expected one floating-point dtype")
    for index, dtype in enumerate(dtypes[2:], 2):
        if dtype != np.float32:
            raise ValueError(f"input {index} has dtype {dtype}, expected float32: states and master weight")
    return [dtypes[0]]


def _count(attrs: Any) -> int:
    return getattr(attrs, "num_weights", None) or attrs.num_tensors


def _groups(attrs: Any, items: Sequence[Any], width: int, extra: int) -> list[Sequence[Any]]:
    """Return the items of each weight, after checking how many there are."""
    count = _count(attrs)
    if len(items) != count * width + extra:
        raise ValueError(f"{count} weights need {count * width + extra} inputs, got {len(items)}")
    return [items[i * width : (i + 1) * width] for i in range(count)]


def _multi_shape(width: int, extra: int, lists: Sequence[str]) -> Callable[[Any, Shapes], list]:
    def rule(attrs: Any, shapes: Shapes) -> list:
        groups = _groups(attrs, shapes, width, extra)
        for name in lists:
            if len(getattr(attrs, name)) != len(groups):
                raise ValueError(f"{name} has {len(getattr(attrs, name))} entries, expected {len(groups)}, one for each weight")
        return [rules.same_shape(attrs, group)[0] for group in groups]

    return rule


def _multi_dtype(width: int, extra: int, mixed: bool) -> Callable[[Any, Sequence[np.dtype]], list]:
    rule = _mixed_dtype if mixed else rules.float_dtype

    def types(attrs: Any, dtypes: Sequence[np.dtype]) -> list:
        return [rule(attrs, group)[0] for group in _groups(attrs, dtypes, width, extra)]

    return types


# ---- parameters --------------------------------------------------------------------------------------------------------


def _number(name: str, default: Any = None, doc: str = "") -> Float:
    return Float(name, dynamic=True, doc=doc) if default is None else Float(name, default, dynamic=True, doc=doc)


_LR = _number("lr", doc="Learning rate.")
_MOMENTUM = _number("momentum", 0.0, "Part of the last step that goes into this one.")
_WD = _number("wd", 0.0, "Weight decay.")
_RESCALE = _number("rescale_grad", 1.0, "Factor on the gradient, before anything else.")
_CLIP = _number("clip_gradient", -1.0, "Bound on the entries of the gradient; negative for none.")
_CLIP_WEIGHTS = _number("clip_weights", -1.0, "Bound on the entries of the weight; negative for none.")
_BETA1 = _number("beta1", 0.9, "Decay of the mean of gradients.")
_BETA2 = _number("beta2", 0.999, "Decay of the mean of their squares.")
_ETA = _number("eta", doc="Factor on the whole step.")
_STEP = Int("t", dynamic=True, doc="Number of this step, from 1.")
_LAZY = Bool("lazy_update", True, doc="Taken for compatibility; it concerns sparse gradients.")
_LRS = Floats("lrs", dynamic=True, doc="Learning rates, one for each weight.")
_WDS = Floats("wds", dynamic=True, doc="Weight decays, one for each weight.")
_WEIGHTS = Int("num_weights", 1, low=1, doc="Number of weights.")
_LOWER = _number("lower_bound", -1.0, "Least value of the weight's norm; negative for none.")
_UPPER = _number("upper_bound", -1.0, "Greatest value of the weight's norm; negative for none.")


def _epsilon(default: float) -> Float:
    return _number("epsilon", default, "Small number that keeps divisions finite.")


_STATE_DOCS = {
    "weight": "Weight; pass it as out as well.",
    "grad": "Gradient.",
    "mom": "Momentum; updated in place.",
    "mean": "Mean of gradients; updated in place.",
    "var": "Mean of squared gradients; updated in place.",
    "weight32": "Master copy of the weight in float32; updated in place.",
    "rescale_grad": "Factor on the gradient, an array of one element; the step is skipped when it is 0 or not finite.",
}

# ---- declarations ------------------------------------------------------------------------------------------------------


def _declare(
    name: str,
    formula: Formula,
    states: Sequence[str],
    params: Sequence[Param],
    doc: str,
    *,
    mixed: bool = False,
    native: Callable[..., Any] | str | None = None,
    **more: Any,
) -> None:
    """Declare the operator that updates one weight."""
    inputs = ("weight", "grad", *states, *(("weight32",) if mixed else ()))
    operator(
        name,
        inputs=inputs,
        params=params,
        dtype=_mixed_dtype if mixed else rules.float_dtype,
        inplace=((0, 0),),
        mutates=range(2, len(inputs)),
        cpu=(builder(native, mixed=mixed) if isinstance(native, str) else native,) if native else (),
        numpy=_single_kernel(formula, mixed),
        input_docs=_STATE_DOCS,
        doc=doc + (" Weight and gradient may be float16; the states are float32." if mixed else ""),
        **more,
    )


def _declare_multi(
    name: str,
    formula: Formula,
    states: int,
    params: Sequence[Param],
    lists: dict[str, str],
    doc: str,
    *,
    mixed: bool = False,
    native: Callable[..., Any] | str | None = None,
    scaled: bool = False,
) -> None:
    """Declare the operator that updates many weights; ``scaled``: the last input is the gradients' factor."""
    width = 2 + states + mixed
    operator(
        name,
        inputs=("*data",),
        params=params,
        shape=_multi_shape(width, int(scaled), tuple(lists.values())),
        dtype=_multi_dtype(width, int(scaled), mixed),
        num_outputs=_count,
        inplace=lambda attrs: tuple((i * width, i) for i in range(_count(attrs))),
        mutates=lambda attrs: tuple(i * width + k for i in range(_count(attrs)) for k in range(2, width)),
        cpu=(builder(native, mixed=mixed, lists=True) if isinstance(native, str) else native,) if native else (),
        numpy=_multi_kernel(formula, width, mixed, lists),
        input_docs={"data": "For each weight: weight, gradient, states" + (", master weight." if mixed else ".")},
        doc=doc,
    )


def _declare_preloaded(name: str, formula: Formula, states: int, params: Sequence[Param], *, mixed: bool, native: str) -> None:
    width = 2 + states + mixed

    def shape(attrs: Any, shapes: Shapes) -> list:
        count = _count(attrs)
        for label, given in (("lrs", shapes[-2]), ("wds", shapes[-1])):
            if tuple(given) != (count,):
                raise ValueError(f"{label} has shape {tuple(given)}, expected {(count,)}")
        return [rules.same_shape(attrs, group)[0] for group in _groups(attrs, shapes, width, 2)]

    def dtype(attrs: Any, dtypes: Sequence[np.dtype]) -> list:
        if dtypes[-2] != np.float32 or dtypes[-1] != np.float32:
            raise ValueError(f"lrs and wds have dtypes {dtypes[-2]} and {dtypes[-1]}, expected float32")
        return _multi_dtype(width, 2, mixed)(attrs, dtypes)

    operator(
        name,
        inputs=("*data",),
        params=params,
        shape=shape,
        dtype=dtype,
        num_outputs=_count,
        inplace=lambda attrs: tuple((i * width, i) for i in range(_count(attrs))),
        mutates=lambda attrs: tuple(i * width + k for i in range(_count(attrs)) for k in range(2, width)),
        cpu=(builder(native, mixed=mixed, arrays="lw"),),
        numpy=_preloaded_kernel(formula, width, mixed),
        input_docs={"data": "For each weight: weight, gradient, states; then learning rates and weight decays."},
        doc="""Update many weights by SGD, with learning rates and weight decays read from arrays.""",
    )


_SGD_DOC = "SGD: ``weight -= lr * (clip(rescale_grad * grad) + wd * weight)``."
_MOM_DOC = "SGD with momentum: ``mom = momentum * mom - lr * (clip(rescale_grad * grad) + wd * weight); weight += mom``."
_NAG_DOC = "Nesterov's accelerated gradient: SGD with momentum, looking one step ahead."

_declare(
    "sgd_update",
    _sgd,
    (),
    (_LR, _WD, _RESCALE, _CLIP, _LAZY),
    _SGD_DOC,
    native="sgd",
    aliases=("_sparse_sgd_update",),
    examples="""
    >>> import weft as mx
    >>> w = mx.nd.array([1.0, 2.0])
    >>> mx.nd.sgd_update(w, mx.nd.array([1.0, 1.0]), lr=0.5, out=w).asnumpy()
    array([0.5, 1.5], dtype=float32)
    """,
)
_declare(
    "sgd_mom_update",
    _sgd_mom,
    ("mom",),
    (_LR, _MOMENTUM, _WD, _RESCALE, _CLIP, _LAZY),
    _MOM_DOC,
    native="sgd_mom",
    aliases=("_sparse_sgd_mom_update",),
)
_declare("mp_sgd_update", _sgd, (), (_LR, _WD, _RESCALE, _CLIP, _LAZY), _SGD_DOC, mixed=True, native="sgd")
_declare(
    "mp_sgd_mom_update",
    _sgd_mom,
    ("mom",),
    (_LR, _MOMENTUM, _WD, _RESCALE, _CLIP, _LAZY),
    _MOM_DOC,
    mixed=True,
    native="sgd_mom",
)
_declare("nag_mom_update", _nag, ("mom",), (_LR, _MOMENTUM, _WD, _RESCALE, _CLIP), _NAG_DOC, native="nag")
_declare("mp_nag_mom_update", _nag, ("mom",), (_LR, _MOMENTUM, _WD, _RESCALE, _CLIP), _NAG_DOC, mixed=True, native="nag")
_declare(
    "signsgd_update",
    _signsgd,
    (),
    (_LR, _WD, _RESCALE, _CLIP),
    "SGD by signs: ``weight = (1 - lr * wd) * weight - lr * sign(grad)``.",
    native="signsgd",
)
_declare(
    "signum_update",
    _signum,
    ("mom",),
    (_LR, _MOMENTUM, _WD, _RESCALE, _CLIP, _number("wd_lh", 0.0, "Weight decay apart from the momentum.")),
    "Signum: a step of ``lr`` along the sign of the momentum.",
    native="signum",
)
_declare(
    "adam_update",
    _adam,
    ("mean", "var"),
    (_LR, _BETA1, _BETA2, _epsilon(1e-8), _WD, _RESCALE, _CLIP, _LAZY),
    "Adam; the bias corrections are to be put into ``lr``.",
    native="adam",
    aliases=("_sparse_adam_update",),
)
_declare(
    "rmsprop_update",
    _rmsprop,
    ("n",),
    (_LR, _number("gamma1", 0.95, "Decay of the mean of squares."), _epsilon(1e-8), _WD, _RESCALE, _CLIP, _CLIP_WEIGHTS),
    "RMSProp as Tieleman and Hinton (2012) give it.",
    native="rmsprop",
)
_declare(
    "rmspropalex_update",
    _rmspropalex,
    ("n", "g", "delta"),
    (
        _LR,
        _number("gamma1", 0.95, "Decay of the means."),
        _number("gamma2", 0.9, "Part of the last step that goes into this one."),
        _epsilon(1e-8),
        _WD,
        _RESCALE,
        _CLIP,
        _CLIP_WEIGHTS,
    ),
    "RMSProp with centred second moments and momentum, as Graves (2013) gives it.",
    native="rmspropalex",
)
_declare(
    "ftml_update",
    _ftml,
    ("d", "v", "z"),
    (
        _LR,
        _number("beta1", 0.6, "Decay of the direction."),
        _BETA2,
        _epsilon(1e-8),
        _STEP,
        _WD,
        _RESCALE,
        _number("clip_grad", -1.0, "Bound on the entries of the gradient; negative for none."),
    ),
    "Follow the moving leader, Zheng and Kwok (2017).",
    native="ftml",
)
_declare(
    "ftrl_update",
    _ftrl,
    ("z", "n"),
    (
        _LR,
        _number("lamda1", 0.01, "Weight of the L1 norm."),
        _number("beta", 1.0, "Learning rate parameter."),
        _WD,
        _RESCALE,
        _CLIP,
    ),
    "Follow the regularized leader, McMahan and others (2013).",
    native="ftrl",
    aliases=("_sparse_ftrl_update",),
)


def _history_shape(attrs: Any, shapes: Shapes) -> list:
    weight, grad, history = shapes
    if tuple(weight) != tuple(grad) or not weight or tuple(history) not in ((weight[0],), (weight[0], 1)):
        raise ValueError("expected weight and grad of one shape and history with one entry for each row")
    return [weight]


_declare(
    "_contrib_group_adagrad_update",
    _group_adagrad,
    ("history",),
    (_LR, _RESCALE, _CLIP, _epsilon(1e-5)),
    "AdaGrad with one accumulated square for each row of the weight.",
    native=group_adagrad,
    shape=_history_shape,
)

# ---- AdamW and LAMB ----------------------------------------------------------------------------------------------------


def _overflowed(scale: float) -> bool:
    """Whether mixed precision training overflowed, so that this step is left out."""
    return scale == 0 or not np.isfinite(scale)


def _adamw_kernel(mixed: bool) -> Callable[[Any, Arrays, Arrays], None]:
    def run(attrs: Any, ins: Arrays, outs: Arrays) -> None:
        p = SimpleNamespace(**attrs.to_dict(), rescale_grad=float(ins[-1].reshape(-1)[0]))
        if _overflowed(p.rescale_grad):
            outs[0][...] = ins[0]
        else:
            _update(_adamw, p, ins[:-1], outs[0], mixed)

    return run


def _scaled_shape(attrs: Any, shapes: Shapes) -> list:
    if np.prod(shapes[-1]) != 1:
        raise ValueError(f"rescale_grad has shape {tuple(shapes[-1])}, expected one element")
    return rules.same_shape(attrs, shapes[:-1])


for _prefix, _mixed in (("", False), ("mp_", True)):
    _inputs = ("weight", "grad", "mean", "var", *(("weight32",) if _mixed else ()), "rescale_grad")
    operator(
        f"_{_prefix}adamw_update",
        inputs=_inputs,
        params=(_LR, _BETA1, _BETA2, _epsilon(1e-8), _WD, _ETA, _CLIP),
        shape=_scaled_shape,
        dtype=lambda attrs, dtypes, rule=_mixed_dtype if _mixed else rules.float_dtype: rule(attrs, dtypes[:-1]),
        inplace=((0, 0),),
        mutates=range(2, len(_inputs) - 1),
        cpu=(builder("adamw", mixed=_mixed, arrays="s"),),
        numpy=_adamw_kernel(_mixed),
        input_docs=_STATE_DOCS,
        doc="""AdamW, Loshchilov and Hutter (2019): Adam with weight decay apart from the gradient. The step is left
        out when ``rescale_grad`` is zero or not finite.""",
    )

_ADAMW_LISTS = {"lr": "lrs", "wd": "wds", "eta": "etas"}
_ADAMW_PARAMS = (
    _LRS,
    _BETA1,
    _BETA2,
    _epsilon(1e-8),
    _WDS,
    Floats("etas", dynamic=True, doc="Factors on the whole step, one for each weight."),
    _CLIP,
    _WEIGHTS,
)
_LAMB_LISTS = {"lr": "learning_rates", "wd": "wds", "t": "step_count"}
_LAMB_PARAMS = (
    Floats("learning_rates", dynamic=True, doc="Learning rates, one for each weight."),
    _BETA1,
    _BETA2,
    _epsilon(1e-6),
    _WDS,
    _RESCALE,
    _LOWER,
    _UPPER,
    _CLIP,
    Bool("bias_correction", True, doc="Correct the means for having started at zero."),
    Shape("step_count", dynamic=True, doc="Numbers of this step, from 1, one for each weight."),
    Int("num_tensors", 1, low=1, doc="Number of weights."),
)
for _prefix, _mixed in (("", False), ("mp_", True)):
    _declare_multi(
        f"_multi_{_prefix}adamw_update",
        _adamw,
        2,
        _ADAMW_PARAMS,
        _ADAMW_LISTS,
        "Update many weights by AdamW; the last input is the factor on the gradients.",
        mixed=_mixed,
        native=builder("adamw", mixed=_mixed, given="L12eWNc", arrays="s"),
        scaled=True,
    )
    _declare_multi(
        f"_multi_{_prefix}lamb_update",
        _lamb,
        2,
        _LAMB_PARAMS,
        _LAMB_LISTS,
        "Update many weights by LAMB, You and others (2020).",
        mixed=_mixed,
        native=lamb_builder(_mixed),
    )


def _lamb_phase1(mixed: bool) -> Callable[[Any, Arrays, Arrays], None]:
    def run(attrs: Any, ins: Arrays, outs: Arrays) -> None:
        weight = ins[-1] if mixed else ins[0]
        result = _lamb_direction(attrs, _computable(weight), *(_computable(array) for array in ins[1:4]))
        outs[0][...], ins[2][...], ins[3][...] = result

    return run


def _lamb_phase2(mixed: bool) -> Callable[[Any, Arrays, Arrays], None]:
    def run(attrs: Any, ins: Arrays, outs: Arrays) -> None:
        norms = [float(array.reshape(-1)[0]) for array in ins[2:4]]
        weight = ins[-1] if mixed else ins[0]
        result = _computable(weight) - _lamb_rate(attrs, *norms) * _computable(ins[1])
        if mixed:
            weight[...] = result
        outs[0][...] = result

    return run


def _phase2_shape(attrs: Any, shapes: Shapes) -> list:
    for name, shape in zip(("r1", "r2"), shapes[2:4]):
        if np.prod(shape) != 1:
            raise ValueError(f"{name} has shape {tuple(shape)}, expected one element")
    return rules.same_shape(attrs, [*shapes[:2], *shapes[4:]])


_NORM_DOCS = {**_STATE_DOCS, "g": "Direction from the first phase.", "r1": "Norm of the weight.", "r2": "Norm of the direction."}
for _prefix, _mixed in (("", False), ("mp_", True)):
    _master = ("weight32",) if _mixed else ()
    operator(
        f"{_prefix}lamb_update_phase1",
        inputs=("weight", "grad", "mean", "var", *_master),
        params=(
            _BETA1,
            _BETA2,
            _epsilon(1e-6),
            _STEP,
            Bool("bias_correction", True, doc="Correct the means for having started at zero."),
            _number("wd", doc="Weight decay."),
            _RESCALE,
            _CLIP,
        ),
        dtype=(lambda attrs, dtypes: [_mixed_dtype(attrs, dtypes) and np.dtype("float32")]) if _mixed else rules.float_dtype,
        mutates=(2, 3),
        cpu=(builder("lamb", mixed=_mixed, direction=True),),
        numpy=_lamb_phase1(_mixed),
        input_docs=_STATE_DOCS,
        doc="""First phase of LAMB, You and others (2020): update the means and return the direction of the step.""",
    )
    operator(
        f"{_prefix}lamb_update_phase2",
        inputs=("weight", "g", "r1", "r2", *_master),
        params=(_LR, _LOWER, _UPPER),
        shape=_phase2_shape,
        dtype=rules.first_dtype,
        inplace=((0, 0),),
        mutates=(4,) if _mixed else (),
        cpu=(lamb_step_builder(_mixed),),
        numpy=_lamb_phase2(_mixed),
        input_docs=_NORM_DOCS,
        doc="""Second phase of LAMB: take the step, with the learning rate times the ratio of the norms.""",
    )

# ---- many weights by SGD -----------------------------------------------------------------------------------------------

_SGD_LISTS = {"lr": "lrs", "wd": "wds"}
for _name, _formula, _states, _native, _middle in (
    ("sgd_update", _sgd, 0, "sgd", ()),
    ("sgd_mom_update", _sgd_mom, 1, "sgd_mom", (_MOMENTUM,)),
):
    for _prefix, _mixed in (("", False), ("mp_", True)):
        _declare_multi(
            f"multi_{_prefix}{_name}",
            _formula,
            _states,
            (_LRS, _WDS, *_middle, _RESCALE, _CLIP, _WEIGHTS),
            _SGD_LISTS,
            "Update many weights by SGD in one call.",
            mixed=_mixed,
            native=_native,
        )
        _declare_preloaded(
            f"preloaded_multi_{_prefix}{_name}",
            _formula,
            _states,
            (*_middle, _RESCALE, _CLIP, _WEIGHTS),
            mixed=_mixed,
            native=_native,
        )

# ---- helpers of LARS ---------------------------------------------------------------------------------------------------


def _multi_lars(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    lrs, weight_squares, grad_squares, wds = ins
    weight_norm = np.sqrt(weight_squares)
    grad_norm = np.sqrt(grad_squares) * attrs.rescale_grad
    scaled = lrs * (attrs.eta * weight_norm / (grad_norm + wds * weight_norm + attrs.eps))
    outs[0][...] = np.where((weight_norm > 0) & (grad_norm > 0), scaled, lrs)


operator(
    "multi_lars",
    inputs=("lrs", "weights_sum_sq", "grads_sum_sq", "wds"),
    params=(
        _number("eta", doc="Trust coefficient."),
        _number("eps", doc="Small number that keeps divisions finite."),
        _RESCALE,
    ),
    dtype=rules.float_dtype,
    inplace=((0, 0),),
    cpu=(lars_rates,),
    numpy=_multi_lars,
    input_docs={
        "lrs": "Learning rates, one for each weight.",
        "weights_sum_sq": "Sums of squares of the weights.",
        "grads_sum_sq": "Sums of squares of the gradients.",
        "wds": "Weight decays.",
    },
    doc="""Return the learning rates of LARS, You and others (2017), for many weights.""",
)


def _reset_arrays(attrs: Any, ins: Arrays, outs: Arrays) -> None:
    for array in ins:
        array.fill(0)


operator(
    "reset_arrays",
    inputs=("*data",),
    params=(Int("num_arrays", low=1, doc="Number of arrays; counted from the arguments."),),
    count_param="num_arrays",
    shape=lambda attrs, shapes: [],
    dtype=lambda attrs, dtypes: [],
    num_outputs=0,
    mutates=lambda attrs: tuple(range(attrs.num_arrays)),
    cpu=(reset,),
    numpy=_reset_arrays,
    input_docs={"data": "Arrays to fill with zeros."},
    doc="""Fill arrays with zeros in place.""",
)
