"""Unary, binary, broadcast and scalar operators, comparisons and logic."""

import numpy as np

from .common import ALL, FLOATS, INTS, SPECIAL, Family, arr, pos

# name -> range of inputs on which the function is smooth and every integer result fits
UNARY = {
    "abs": (-2, 2), "arccos": (-0.9, 0.9), "arccosh": (1.1, 3), "arcsin": (-0.9, 0.9),
    "arcsinh": (-2, 2), "arctan": (-2, 2), "arctanh": (-0.9, 0.9), "cbrt": (0.25, 3),
    "ceil": (-2, 2), "cos": (-2, 2), "cosh": (-2, 2), "degrees": (0, 2), "erf": (-2, 2),
    "erfinv": (-0.9, 0.9), "exp": (-2, 2), "expm1": (-2, 2), "fix": (-2, 2), "floor": (-2, 2),
    "gamma": (0.5, 3), "gammaln": (0.5, 3), "hard_sigmoid": (-4, 4), "identity": (-2, 2),
    "log": (0.5, 3), "log10": (0.5, 3), "log1p": (0, 3), "log2": (0.5, 3),
    "logical_not": (-1, 1), "make_loss": (-2, 2), "BlockGrad": (-2, 2),
    "stop_gradient": (-2, 2), "negative": (-2, 2), "ones_like": (-2, 2), "zeros_like": (-2, 2),
    "radians": (-90, 90), "rcbrt": (0.5, 3), "reciprocal": (0.5, 3), "relu": (-2, 2),
    "rint": (-3, 3), "round": (-3, 3), "rsqrt": (0.5, 3), "sigmoid": (-3, 3), "sign": (-2, 2),
    "sin": (-2, 2), "sinh": (-2, 2), "softsign": (-2, 2), "sqrt": (0.5, 3), "square": (-3, 3),
    "tan": (-1, 1), "tanh": (-2, 2), "trunc": (-3, 3), "shape_array": (-1, 1),
    "size_array": (-1, 1), "Flatten": (-1, 1),
}
INT_START = {"arccosh": 1, "reciprocal": 1, "rsqrt": 1, "rcbrt": 1, "log": 1, "log2": 1,
             "log10": 1, "gamma": 1, "gammaln": 1}


def unary():
    f = Family("unary")
    for name, (low, high) in UNARY.items():
        op = "nd." + name
        for dtype in ALL:
            if dtype in INTS:
                low_i = max(np.ceil(low), INT_START.get(name, -3))
                x = np.array([[max(low_i, -1 if dtype != "uint8" else 0), 1, np.floor(high)],
                              [1, 0 if low_i <= 0 else 1, 1]], dtype)
            else:
                x = arr(2, 3, dtype=dtype, low=low, high=high)
            f.add(op, x, id=dtype)
        f.add(op, np.array([True, False]), id="bool", grad=[])
        f.add(op, SPECIAL, id="special", rtol=1e-4)
        f.add(op, arr(3, low=low, high=high), id="1d")
        f.add(op, arr(2, 1, 2, 3, low=low, high=high), id="4d")
        f.add(op, np.zeros((0, 2), "float32"), id="zero_size", grad=[])
    for dtype in ALL:
        f.add("nd.clip", arr(3, 4, dtype=dtype, low=-3, high=3), 0, 2, id=dtype)
        f.add("nd.clip", pos(3, 4, dtype=dtype), a_min=0.5, a_max=1.5, id="kw-" + dtype)
        for other in ALL + ("bool",):
            f.add("nd.cast", arr(2, 3, dtype=dtype, low=0, high=3), dtype=other,
                  id=dtype + "-" + other, grad=[0] if dtype in FLOATS and other in FLOATS else [])
        f.add("nd.contrib.isnan", arr(3, dtype=dtype), id=dtype)
        f.add("nd.contrib.isinf", arr(3, dtype=dtype), id=dtype)
        f.add("nd.contrib.isfinite", arr(3, dtype=dtype), id=dtype)
    for dtype in FLOATS:
        special = SPECIAL.astype(dtype)
        for name in ("isnan", "isinf", "isfinite"):
            f.add("nd.contrib." + name, special, id="special-" + dtype)
        f.add("nd.amp_cast", arr(2, 3, dtype=dtype), dtype="float16", id=dtype)
        f.add("nd.smooth_l1", arr(3, 4, dtype=dtype), scalar=1.0, id=dtype)
        f.add("nd.smooth_l1", arr(3, 4, dtype=dtype), scalar=2.0, id="2-" + dtype)
    f.add("nd.clip", SPECIAL, -1.0, 1.0, id="special")
    f.add("nd.cast", np.array([1.9, -1.9, 2.5, -0.5, 100.7], "float32"), dtype="int32", id="truncate")
    f.add("nd.cast", np.array([300, -5, 256], "int32"), dtype="uint8", id="wrap")
    f.add("nd.cast", np.array([1e-8, 65504, 70000, 1.0009765625], "float32"), dtype="float16",
          id="half", grad=[])
    f.add("nd.Cast", np.array([1.5, 0.0, -2]), dtype="bool", id="bool", grad=[])
    f.add("nd.cast", np.array([True, False]), dtype="float32", id="frombool", grad=[])
    f.add("nd.hard_sigmoid", arr(2, 3, low=-4, high=4), alpha=0.3, beta=0.4, id="params")
    f.add("nd.amp_multicast", arr(2, dtype="float16"), arr(2), num_outputs=2, id="wide")
    f.add("nd.amp_multicast", arr(2, dtype="float16"), arr(2), num_outputs=2, cast_narrow=True,
          id="narrow")
    f.add("nd.contrib.div_sqrt_dim", arr(2, 3, 4))
    f.add("nd.contrib.quadratic", arr(2, 3), a=2.0, b=3.0, c=4.0)
    f.add("nd.contrib.gradientmultiplier", arr(2, 3), scalar=-0.5)
    f.add("nd.contrib.round_ste", arr(2, 3))
    f.add("nd.contrib.sign_ste", arr(2, 3))
    f.add("nd._internal._identity_with_attr_like_rhs", arr(2, 3), arr(2, 3, seed=1))
    return f


BINARY = ("add", "sub", "mul", "div", "mod", "power", "maximum", "minimum", "hypot", "equal",
          "not_equal", "greater", "greater_equal", "lesser", "lesser_equal", "logical_and",
          "logical_or", "logical_xor")
PAIRS = (((2, 3), (2, 3)), ((2, 3), (1, 3)), ((2, 1), (1, 3)), ((1,), (2,)), ((2, 3, 4), (1, 3, 1)),
         ((1, 1, 4), (2, 3, 4)), ((2, 1, 3, 1, 2), (1, 2, 1, 2, 2)), ((3,), (1,)), ((1, 1), (1, 1)))


def operands(name, left, right, dtype, seed=0):
    if name in ("div", "mod", "power"):
        low = 1 if dtype in INTS else 0.5
        a, b = (arr(*s, dtype=dtype, low=low, high=3, seed=seed + i) for i, s in enumerate((left, right)))
        if name == "mod" and dtype in FLOATS:
            # stay away from exact multiples, where float division is a matter of rounding
            b = b * 1 + np.asarray(0.3, dtype)
        return a, b
    return tuple(arr(*s, dtype=dtype, low=-2, high=2, seed=seed + i)
                 for i, s in enumerate((left, right)))


def binary():
    f = Family("binary")
    for name in BINARY:
        op = "nd.broadcast_" + name
        for i, (left, right) in enumerate(PAIRS):
            a, b = operands(name, left, right, "float32", i)
            f.add(op, a, b, id="x".join(map(str, left)) + "_" + "x".join(map(str, right)))
        for dtype in ALL:
            a, b = operands(name, (2, 3), (2, 1), dtype, 5)
            f.add(op, a, b, id=dtype)
        f.add(op, SPECIAL.reshape(-1, 1), SPECIAL[:7].reshape(1, -1), id="special", grad=[], rtol=1e-4)
        f.add(op, arr(2, 3), arr(2, 4), id="mismatch")
        f.add(op, arr(2, 3), arr(3), id="ranks")
        f.add(op, arr(2, 3), arr(2, 3, dtype="float64"), id="dtypes")
        f.add(op, np.array([True, False]), np.array([True, True]), id="bool", grad=[])
    for name in ("add", "sub", "mul", "div"):
        for dtype in ALL:
            a, b = operands(name, (2, 3), (2, 3), dtype, 1)
            f.add("nd.elemwise_" + name, a, b, id=dtype)
        f.add("nd.elemwise_" + name, arr(2, 3), arr(1, 3), id="mismatch")
        f.add("nd.elemwise_" + name, arr(2, 3), arr(2, 3, dtype="float16"), id="dtypes")
    internal = ("_power", "_maximum", "_minimum", "_mod", "_hypot", "_equal", "_not_equal",
                "_greater", "_greater_equal", "_lesser", "_lesser_equal", "_logical_and",
                "_logical_or", "_logical_xor", "_grad_add")
    for name in internal:
        base = name[1:] if name != "_grad_add" else "add"
        for dtype in ("float32", "float64", "int32", "float16"):
            a, b = operands(base, (2, 3), (2, 3), dtype, 2)
            f.add("nd._internal." + name, a, b, id=dtype)
    # NumPy-like functions of mx.nd that take arrays and numbers
    for name in ("add", "subtract", "multiply", "divide", "modulo", "power", "maximum", "minimum",
                 "equal", "not_equal", "greater", "greater_equal", "lesser", "lesser_equal",
                 "logical_and", "logical_or", "logical_xor", "true_divide"):
        base = {"subtract": "sub", "multiply": "mul", "divide": "div", "modulo": "mod",
                "true_divide": "div"}.get(name, name)
        a, b = operands(base, (2, 3), (1, 3), "float32", 3)
        f.add("nd." + name, a, b, id="arrays")
        f.add("nd." + name, a, 2, id="right_int")
        f.add("nd." + name, a, 1.5, id="right_float")
        f.add("nd." + name, 2.5, b, id="left_float")
    # where a == b, and at zero: which operand gets the gradient
    tie = np.array([1.0, 2.0, 0.0, -1.0], "float32")
    for name in ("maximum", "minimum", "hypot", "power", "mod", "div"):
        f.add("nd.broadcast_" + name, tie, tie[::-1].copy() * 0 + tie, id="ties")
    signs = np.array([[5.5, -5.5, 5.5, -5.5, 0, 3], [3, 3, -3, -3, 3, 0]], "float32")
    f.add("nd.broadcast_mod", signs[0], signs[1], id="signs", grad=[])
    for dtype in INTS:
        a = np.array([7, 7, 5, 6, 0], dtype)
        b = np.array([3, 2, 5, 4, 3], dtype)
        f.add("nd.broadcast_mod", a, b, id="ints-" + dtype)
        f.add("nd.broadcast_div", a, b, id="ints-" + dtype)
        if dtype != "uint8":
            f.add("nd.broadcast_mod", -a, b, id="negative-" + dtype)
            f.add("nd.broadcast_mod", a, -b, id="negative_divisor-" + dtype)
            f.add("nd.broadcast_div", -a, b, id="negative-" + dtype)
    f.add("nd.broadcast_mod", np.array([3, 4], "int32"), np.array([0, 2], "int32"), id="by_zero")
    for n in (1, 2, 3, 5):
        for dtype in ("float32", "float16", "int32"):
            f.add("nd.add_n", *[arr(2, 3, dtype=dtype, seed=i) for i in range(n)], id="%d-%s" % (n, dtype))
    f.add("nd.ElementWiseSum", arr(2, 3), arr(2, 3, seed=1))
    f.add("nd.add_n", arr(2, 3), arr(3, 2), id="mismatch")
    for dtype in ALL:
        cond = np.array([[1, 0, 2], [0, -1 if dtype != "uint8" else 3, 0]], dtype)
        f.add("nd.where", cond, arr(2, 3), arr(2, 3, seed=1), id="condition-" + dtype, grad=[1, 2])
        f.add("nd.where", cond.astype("float32"), arr(2, 3, dtype=dtype), arr(2, 3, dtype=dtype, seed=1),
              id=dtype, grad=[1, 2] if dtype in FLOATS else [])
    f.add("nd.where", np.array([1.0, 0.0], "float32"), arr(2, 3), arr(2, 3, seed=1), id="rows", grad=[1, 2])
    f.add("nd.where", np.array([1.0, 0.0, 2.0], "float32"), arr(2, 3), arr(2, 3, seed=1), id="bad_rows", grad=[])
    f.add("nd.where", np.array([np.nan, 0.0, -0.0], "float32"), arr(3), arr(3, seed=1), id="nan", grad=[1, 2])
    f.add("nd.contrib.allclose", arr(3, 2), arr(3, 2), id="yes", grad=[])
    f.add("nd.contrib.allclose", arr(3, 2), arr(3, 2) + 1e-3, id="no", grad=[])
    f.add("nd.contrib.allclose", arr(3, 2), arr(3, 2) + 1e-3, rtol=1e-2, id="rtol", grad=[])
    f.add("nd.contrib.allclose", SPECIAL[:3], SPECIAL[:3], equal_nan=False, id="nan", grad=[])
    f.add("nd.contrib.allclose", SPECIAL[:3], SPECIAL[:3], id="nan_equal", grad=[])
    return f


SCALAR_OPS = ("_plus_scalar", "_minus_scalar", "_rminus_scalar", "_mul_scalar", "_div_scalar",
              "_rdiv_scalar", "_mod_scalar", "_rmod_scalar", "_power_scalar", "_rpower_scalar",
              "_maximum_scalar", "_minimum_scalar", "_hypot_scalar", "_equal_scalar",
              "_not_equal_scalar", "_greater_scalar", "_greater_equal_scalar", "_lesser_scalar",
              "_lesser_equal_scalar", "_logical_and_scalar", "_logical_or_scalar",
              "_logical_xor_scalar")


def scalar():
    f = Family("scalar")
    for name in SCALAR_OPS:
        op = "nd._internal." + name
        x64 = arr(2, 3, low=0.5, high=3) if "power" in name or "mod" in name or "div" in name else arr(2, 3)
        for dtype in ALL:
            x = x64.astype(dtype) if dtype in FLOATS else np.array([[1, 2, 3], [3, 1, 2]], dtype)
            f.add(op, x, scalar=2, id="2-" + dtype)
            f.add(op, x, scalar=2.0, id="2.0-" + dtype)
            if dtype not in INTS or "rpower" not in name:
                f.add(op, x, scalar=1.7, id="1.7-" + dtype)
            f.add(op, x, scalar=2.0, is_int=False, id="2.0-not_int-" + dtype)
        for s in (0.0, -1.5, float("inf"), float("nan")):
            f.add(op, SPECIAL, scalar=s, id="special-%r" % s, grad=[])
        f.add(op, x64, scalar=3.0, id="gradient")
        f.add(op, np.array([True, False]), scalar=1.0, id="bool", grad=[])
    f.add("nd._internal._power_scalar", np.array([0.0, 1.0, -1.0, -2.0], "float32"), scalar=2.0, id="signs")
    f.add("nd._internal._power_scalar", np.array([0.0, 1.0, -1.0, 2.0], "float32"), scalar=0.0, id="zero")
    f.add("nd._internal._mod_scalar", np.array([5, -5, 7], "int32"), scalar=3, id="negative")
    f.add("nd._internal._mod_scalar", np.array([5.5, -5.5, 7], "float32"), scalar=-3.0, id="divisor", grad=[])
    f.add("nd._internal._maximum_scalar", np.array([1.0, 2.0, 3.0], "float32"), scalar=2.0, id="tie")
    f.add("nd._internal._minimum_scalar", np.array([1.0, 2.0, 3.0], "float32"), scalar=2.0, id="tie")
    return f
