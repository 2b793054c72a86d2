"""The one table of places where weft knowingly answers differently from MXNet 1.9.1.

Each entry: (family pattern, case pattern, what may differ, why). Patterns are shell-style.
What may differ: ``error`` MXNet refuses and weft may answer; ``values`` the values;
``gradient`` the gradients; ``all`` the case is not run; ``input N``
the new content of an input that is changed in place.
"""

import fnmatch

DIFFERENCES = (
    ("*", "*-float16", "error", "MXNet 1.9.1 has no float16 kernel on CPU for it; weft computes"),
    ("*", "*zero_*", "error", "weft has arrays without elements"),
    ("shape", "flatten-(2, 0)", "error", "weft has arrays without elements"),
    ("shape", "slice_axis-2,0,0", "error", "weft has arrays without elements"),
    ("shape", "slice_axis-0,3,None", "error", "weft has arrays without elements"),
    ("shape", "tile-(0, 1)", "error", "weft has arrays without elements"),
    ("shape", "reshape-(2, 3, 4)-(5, 5)", "all", "MXNet notices the wrong size only in backward"),
    ("shape", "stack-mismatch", "all", "MXNet stacks arrays of different shapes and reads past the smaller one"),
    ("shape", "transpose-axes=(-1, 0, 1)", "error", "weft takes negative axes"),
    ("shape", "flip-axis=*", "error", "weft takes negative axes"),
    ("shape", "broadcast_axis--1-3", "error", "weft takes negative axes"),
    ("reduce", "moments-axes=(-1,)", "error", "weft takes negative axes"),
    ("unary", "contrib.is*-*int*", "values", "MXNet compares memory that it never wrote"),
    ("unary", "amp_cast-float64", "error", "a limit of MXNet's oneDNN version"),
    ("unary", "amp_multicast-*", "error", "a limit of MXNet's oneDNN version"),
    ("linalg", "*-*int*", "error", "weft multiplies integer matrices"),
    ("scalar", "_internal._rdiv_scalar-bool", "values", "division by zero cast to an integer"),
    ("optimizer", "adam_update-float64", "input 2", "MXNet rounds beta1 and beta2 to single precision"),
    ("optimizer", "mp_nag_mom_update-{'wd'*", "input 2", "MXNet keeps a momentum with the decay of the new weight"),
    ("optimizer", "*adamw_update*", "input 1", "MXNet leaves the scaled gradient in grad; weft leaves grad alone"),
    ("optimizer", "contrib.group_adagrad_update", "error", "MXNet has a kernel for sparse gradients only"),
    ("reduce", "nansum-nan", "values", "MXNet's compensated sum turns an infinity into NaN"),
    ("reduce", "norm-out-*", "error", "MXNet has no kernel for it"),
    ("reduce", "_internal._square_sum-dense", "error", "MXNet has no dense kernel"),
    ("binary", "_internal._grad_add-*", "gradient", "MXNet has no gradient"),
    ("shape", "_internal._slice_assign*", "gradient", "MXNet has no gradient"),
    ("ordering", "argmax_channel*", "gradient", "MXNet has no gradient"),
    ("nn", "Deconvolution-target*", "error", "a limit of MXNet's oneDNN version"),
    ("nn", "Pooling-*same-*", "error", "MXNet has this convention for one dimension only"),
    ("nn", "BatchNorm-bad_gamma", "all", "MXNet reads past the end of gamma"),
    ("nn", "BatchNorm-*", "input 1", "MXNet overwrites gamma with ones where fix_gamma; weft leaves it alone"),
    ("nn", "InstanceNorm-float64", "error", "MXNet has a float32 kernel only"),
    ("nn", "Activation-relu-special", "gradient", "MXNet's oneDNN turns NaN into 0; weft keeps NaN"),
    ("nn", "Activation-relu-special", "values", "MXNet's oneDNN turns NaN into 0; weft keeps NaN"),
    ("nn", "*softm*-special", "values", "rows with an infinity or NaN: oneDNN's answers vary by element"),
    ("contrib", "contrib.BatchNormWithReLU", "error", "MXNet has it with oneDNN in training only"),
    ("nn", "LeakyReLU-selu-*", "gradient", "MXNet's slope below zero, scale * (alpha + y), is not the derivative, scale * alpha + y"),
    ("nn", "SoftmaxActivation-instance", "gradient", "MXNet's forward runs over the last axis, its backward over the whole sample"),
    ("nn", "Pooling-include_pad6-full", "gradient", "MXNet averages over other counts in backward than in forward"),
    ("nn", "Dropout-p=1-*", "values", "MXNet multiplies zeros by infinity; weft drops everything"),
    ("loss", "SoftmaxOutput-out_grad-*", "gradient", "MXNet multiplies by the output where its documentation says the gradient of the output"),
    ("nn", "Dropout-p=1-*", "gradient", "MXNet multiplies zeros by infinity; weft drops everything"),
    ("contrib", "contrib.*fft", "error", "MXNet has it on GPUs only"),
    ("unary", "gamma*-special", "gradient", "poles: MXNet's digamma gives infinities of either sign, weft NaN or +infinity"),
    ("unary", "rsqrt-special", "gradient", "the sign of an infinity at -0.0"),
    ("reduce", "norm-ord=2-uint8", "values", "MXNet scales integers before it squares them"),
    ("loss", "softm*-special", "values", "rows with an infinity or NaN: oneDNN's answers vary by element"),
)


def differs(family, case_id, what):
    """The reason why this part of the case may differ, or None."""
    for families, cases, kind, reason in DIFFERENCES:
        if kind in (what, "all") and fnmatch.fnmatchcase(family, families) and fnmatch.fnmatchcase(case_id, cases):
            return reason
    return None
