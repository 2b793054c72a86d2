"""Builders of the kernels of the optimizer update operators."""

from libc.stdint cimport int64_t

from ..kernel cimport CKernel, wrap_kernel

import math

cdef extern from "ops/cpu/optimizer_loops.hpp" namespace "weft" nogil:
    enum UpdateRule:
        kSgd
        kSgdMomentum
        kNag
        kSignSgd
        kSignum
        kAdam
        kRmsProp
        kRmsPropAlex
        kFtml
        kFtrl
        kAdamW
        kLambDirection

    enum UpdateType:
        kUpdateFloat
        kUpdateDouble
        kUpdateHalf
        kUpdateMixed
        kUpdateMixedFloat
        kUpdateMixedDirection
        kUpdateMixedFloatDirection

    enum ScalarSource:
        kFromCall
        kFromArray
        kFixed

    struct UpdateScalar:
        ScalarSource source
        int offset
        int step
        double value

    struct UpdateLayout:
        UpdateRule rule
        UpdateType type
        int n_weights
        int n_inputs
        int n_scalars
        UpdateScalar scalars[8]
        int scale

    struct LambStep:
        UpdateScalar rate
        UpdateScalar lower
        UpdateScalar upper

    CKernel* make_update_kernel(const UpdateLayout& layout, const int64_t* sizes, double cost_ns)
    CKernel* make_lamb_kernel(const UpdateLayout& layout, const LambStep& step, const int64_t* sizes, double cost_ns)
    CKernel* make_lamb_step(UpdateType type, int64_t size)
    CKernel* make_group_adagrad(UpdateType type, int64_t rows, int64_t columns)
    CKernel* make_lars_rates(UpdateType type, int64_t size)
    CKernel* make_reset(const int64_t* bytes, int count)

# Rule, number of states, nanoseconds an element, and the scalars that the loop takes, one letter each: l is the learning
# rate, w the decay, n what scales the whole step, s what scales the gradient (an array), t the step's number, k whether
# means are corrected.
cdef dict RULES = {
    "sgd": (kSgd, 0, 0.6, "lwrc"),
    "sgd_mom": (kSgdMomentum, 1, 0.6, "lmwrc"),
    "nag": (kNag, 1, 0.6, "lmwrc"),
    "signsgd": (kSignSgd, 0, 0.6, "lwrc"),
    "signum": (kSignum, 1, 0.6, "lmwrcd"),
    "adam": (kAdam, 2, 0.6, "l12ewrc"),
    "rmsprop": (kRmsProp, 1, 0.6, "lgewrcb"),
    "rmspropalex": (kRmsPropAlex, 3, 1.5, "lghewrcb"),
    "ftml": (kFtml, 3, 1.5, "l12etwrc"),
    "ftrl": (kFtrl, 2, 1.5, "labwrc"),
    "adamw": (kAdamW, 2, 1.0, "l12ewncs"),
    "lamb": (kLambDirection, 2, 1.5, "12etwrck"),
}
cdef dict PLAIN = {"float32": kUpdateFloat, "float64": kUpdateDouble, "float16": kUpdateHalf}
cdef dict MIXED = {"float16": kUpdateMixed, "float32": kUpdateMixedFloat}
cdef dict MIXED_DIRECTION = {"float16": kUpdateMixedDirection, "float32": kUpdateMixedFloatDirection}
cdef enum:
    MOST_WEIGHTS = 256


cdef UpdateScalar _scalar(str letter, str given, int weights, str arrays, double correction) except *:
    """Where the scalar of a letter comes from; letters in capitals stand for lists with a value for each weight."""
    cdef UpdateScalar scalar
    cdef int offset = 0
    scalar.source, scalar.offset, scalar.step, scalar.value = kFixed, 0, 0, correction
    if letter in arrays:
        scalar.source, scalar.offset, scalar.step = kFromArray, arrays.index(letter), letter != "s"
        return scalar
    for name in given:
        if name.lower() == letter:
            scalar.source, scalar.offset, scalar.step = kFromCall, offset, name.isupper()
            return scalar
        offset += weights if name.isupper() else 1
    if letter != "k":
        raise ValueError(f"no scalar {letter!r} among {given!r}")
    return scalar


cdef UpdateLayout _layout(str rule, UpdateType type, int weights, int inputs, str given, str arrays, double correction) except *:
    cdef UpdateLayout layout
    cdef int i
    number, _states, _ns, order = RULES[rule]
    layout.rule, layout.type = number, type
    layout.n_weights, layout.n_inputs = weights, inputs
    layout.n_scalars = <int>len(order)
    layout.scale = <int>(<str>order).find("s")
    for i in range(layout.n_scalars):
        layout.scalars[i] = _scalar(order[i], given, weights, arrays, correction)
    return layout


cdef str _given(str rule, str given, str arrays, bint lists):
    """The scalars of the operator in the order of its declaration; by default that of the loop."""
    if given is not None:
        return given
    rest = "".join([letter for letter in RULES[rule][3] if letter not in arrays and letter != "k"])
    return "LW" + rest.replace("l", "").replace("w", "") if lists else rest


cdef bint _fits(in_specs, out_specs, int inputs, str name, bint mixed, bint direction):
    """Whether weights, gradients and results have one type, and states and master weights theirs."""
    states = "float32" if mixed else name
    for i, spec in enumerate(in_specs):
        if i >= inputs * max(1, len(out_specs)):
            if spec.dtype.name != "float32":
                return False
        elif spec.dtype.name != (name if i % inputs < 2 else states):
            return False
    return all([spec.dtype.name == ("float32" if mixed and direction else name) for spec in out_specs])


def builder(str rule, *, bint mixed=False, bint lists=False, str given=None, str arrays="", bint direction=False):
    """Return the kernel builder for an update rule.

    Parameters
    ----------
    rule : str
        One of sgd, sgd_mom, nag, signsgd, signum, adam, rmsprop, rmspropalex, ftml, ftrl, adamw, lamb.
    mixed : bool
        The last input of each weight is its float32 master copy.
    lists : bool
        The first scalars are the learning rates of all weights, then their decays.
    given : str
        The scalars in another order than the rule's; capitals are lists.
    arrays : str
        Scalars that are float32 arrays behind the inputs of the weights.
    direction : bool
        The result is the direction of a step, and the weight stays.
    """
    _number, states, ns, _order = RULES[rule]
    letters = _given(rule, given, arrays, lists)

    def build(attrs, in_specs, out_specs):
        cdef UpdateLayout layout
        cdef int64_t sizes[MOST_WEIGHTS]
        cdef double cost = 60
        cdef Py_ssize_t i
        kinds = (MIXED_DIRECTION if direction else MIXED) if mixed else PLAIN
        name, width = in_specs[0].dtype.name, 2 + states + mixed
        if name not in kinds or len(out_specs) > MOST_WEIGHTS or not _fits(in_specs, out_specs, width, name, mixed, direction):
            return None
        if name == "float16" and direction and not mixed:
            return None  # the loop for halves keeps its result where the weight was
        layout = _layout(rule, kinds[name], <int>len(out_specs), width, letters, arrays, _corrected(attrs))
        for i in range(len(out_specs)):
            sizes[i] = out_specs[i].size
            cost += 20 + (ns if name != "float64" else 2 * ns) * out_specs[i].size
        return wrap_kernel(make_update_kernel(layout, sizes, cost))

    return build


cdef double _corrected(attrs) except *:
    return getattr(attrs, "bias_correction", True)


def lamb_builder(bint mixed):
    """Return the builder of ``multi_lamb_update`` or, mixed, of ``multi_mp_lamb_update``."""
    given = "L12eWrabcT"  # a, b: lower and upper bound of the norm

    def build(attrs, in_specs, out_specs):
        cdef UpdateLayout layout
        cdef LambStep step
        cdef int64_t sizes[MOST_WEIGHTS]
        cdef double cost = 60
        cdef Py_ssize_t i
        cdef int weights = <int>len(out_specs)
        kinds = MIXED if mixed else PLAIN
        name, width = in_specs[0].dtype.name, 4 + mixed
        if name not in kinds or (name == "float16" and not mixed) or weights > MOST_WEIGHTS:
            return None
        if not _fits(in_specs, out_specs, width, name, mixed, False):
            return None
        layout = _layout("lamb", kinds[name], weights, width, given, "", _corrected(attrs))
        step.rate, step.lower, step.upper = [_scalar(letter, given, weights, "", 0) for letter in "lab"]
        for i in range(weights):
            sizes[i] = out_specs[i].size
            cost += 40 + out_specs[i].size
        return wrap_kernel(make_lamb_kernel(layout, step, sizes, cost))

    return build


def lamb_step_builder(bint mixed):
    """Return the builder of ``lamb_update_phase2`` or, mixed, of ``mp_lamb_update_phase2``."""

    def build(attrs, in_specs, out_specs):
        kinds = MIXED if mixed else PLAIN
        name = in_specs[0].dtype.name
        rest = "float32" if mixed else name
        if name not in kinds or (name == "float16" and not mixed) or out_specs[0].size == 0:
            return None
        if any([spec.dtype.name != rest for spec in in_specs[1:]]) or out_specs[0].dtype.name != name:
            return None
        return wrap_kernel(make_lamb_step(kinds[name], out_specs[0].size))

    return build


cdef object _one_float_type(specs):
    """The update type of arrays that are all float32 or all float64, or None."""
    name = specs[0].dtype.name
    if name not in ("float32", "float64") or any([spec.dtype.name != name or spec.size == 0 for spec in specs]):
        return None
    return PLAIN[name]


def group_adagrad(attrs, in_specs, out_specs):
    """Build ``_contrib_group_adagrad_update``."""
    kind = _one_float_type([*in_specs, *out_specs])
    shape = in_specs[0].shape
    return None if kind is None else wrap_kernel(make_group_adagrad(kind, shape[0], math.prod(shape[1:])))


def lars_rates(attrs, in_specs, out_specs):
    """Build ``multi_lars``."""
    kind = _one_float_type([*in_specs, *out_specs])
    return None if kind is None else wrap_kernel(make_lars_rates(kind, out_specs[0].size))


def reset(attrs, in_specs, out_specs):
    """Build ``reset_arrays``."""
    cdef int64_t sizes[MOST_WEIGHTS]
    cdef int i
    if len(in_specs) > MOST_WEIGHTS:
        return None
    for i, spec in enumerate(in_specs):
        sizes[i] = spec.size * spec.dtype.itemsize
    return wrap_kernel(make_reset(sizes, <int>len(in_specs)))
