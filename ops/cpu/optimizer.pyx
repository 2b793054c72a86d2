"""Builders of the kernels of the optimizer update operators."""

from libc.stdint cimport int64_t

from ..kernel cimport CKernel, wrap_kernel

cdef extern from "ops/cpu/optimizer_loops.hpp" namespace "weft" nogil:
    enum UpdateRule:
        kSgd
        kSgdMomentum
        kNag
        kSignSgd
        kSignum
        kAdam
        kRmsProp

    enum UpdateType:
        kUpdateFloat
        kUpdateDouble
        kUpdateHalf
        kUpdateMixed
        kUpdateMixedFloat

    struct UpdateLayout:
        UpdateRule rule
        UpdateType type
        int n_weights
        int n_inputs
        const char* order
        bint lists
        bint preloaded

    CKernel* make_update_kernel(const UpdateLayout& layout, const int64_t* sizes, double cost_ns)

# Rule, number of states, and the scalars of the operator for one weight: l and w are the learning rate and the decay,
# which operators for many weights take for each of them.
cdef dict RULES = {
    "sgd": (kSgd, 0, b"lwrc"),
    "sgd_mom": (kSgdMomentum, 1, b"lmwrc"),
    "nag": (kNag, 1, b"lmwrc"),
    "signsgd": (kSignSgd, 0, b"lwrc"),
    "signum": (kSignum, 1, b"lmwrcd"),
    "adam": (kAdam, 2, b"l12ewrc"),
    "rmsprop": (kRmsProp, 1, b"lgewrcb"),
}
cdef dict PLAIN = {"float32": kUpdateFloat, "float64": kUpdateDouble, "float16": kUpdateHalf}
cdef dict MIXED = {"float16": kUpdateMixed, "float32": kUpdateMixedFloat}
cdef enum:
    MOST_WEIGHTS = 256


def builder(str rule, *, bint mixed=False, bint lists=False, bint preloaded=False):
    """Return the kernel builder for an update rule.

    Parameters
    ----------
    rule : str
        One of sgd, sgd_mom, nag, signsgd, signum, adam, rmsprop.
    mixed : bool
        The last input of each weight is its float32 master copy.
    lists : bool
        The first scalars are the learning rates of all weights, then their decays.
    preloaded : bool
        Learning rates and weight decays are the last two inputs.
    """
    number, states, order = RULES[rule]

    def build(attrs, in_specs, out_specs):
        cdef UpdateLayout layout
        cdef int64_t sizes[MOST_WEIGHTS]
        cdef double cost = 60
        cdef Py_ssize_t i
        cdef bytes letters = order
        kinds = MIXED if mixed else PLAIN
        name = out_specs[0].dtype.name
        if name not in kinds or len(out_specs) > MOST_WEIGHTS:
            return None
        layout.rule = number
        layout.type = kinds[name]
        layout.n_weights = <int>len(out_specs)
        layout.n_inputs = 2 + states + mixed
        layout.order = letters
        layout.lists = lists
        layout.preloaded = preloaded
        per_element = 0.6 if name != "float64" else 1.2
        for i in range(len(out_specs)):
            if out_specs[i].dtype.name != name:
                return None
            sizes[i] = out_specs[i].size
            cost += 20 + per_element * out_specs[i].size
        return wrap_kernel(make_update_kernel(layout, sizes, cost))

    return build
