"""Builders for element-wise kernels: any inner loop, broadcast over arrays, spread over the cores.

A builder is what an operator declaration lists under ``cpu=``: ``builder(attrs, in_specs, out_specs)`` gives a
:class:`~weft.ops.kernel.Kernel`, or None where it does not fit. Loops are looked up among weft's own first, then
among NumPy's. float16 is computed in float32; integer arrays are computed in float32 where an operation has no
integer form (``sqrt``), and converted back: MXNet's rules.
"""

import numpy as np

from cpython.object cimport PyObject
from libcpp.vector cimport vector

from ..kernel cimport Kernel, kernel_or_none, wrap_kernel

cdef extern from *:
    """
    #include <numpy/arrayobject.h>
    #include <numpy/ufuncobject.h>
    """
    ctypedef struct PyUFuncObject:
        int nin, nout, nargs
        Loop* functions
        void** data

__all__ = ["add_n_builder", "cast_builder", "copy_builder", "fill_builder", "has_loop", "ufunc_builder", "where_builder"]

# Other names under which the loops are asked for.
cdef dict ALIASES = {
    "true_divide": "divide", "remainder": "mod", "absolute": "abs", "lesser": "less", "lesser_equal": "less_equal",
    "pow": "power", "softplus": "softrelu", "positive": "identity", "sub": "subtract", "mul": "multiply",
    "div": "divide", "minus": "subtract", "plus": "add", "_digamma": "digamma",
}

# Loops for which each input is looked at on its own: the type they run in is that of the inputs.
cdef dict CODES = {
    "bool": <int>DType.kBool, "uint8": <int>DType.kUint8, "int8": <int>DType.kInt8, "int32": <int>DType.kInt32,
    "int64": <int>DType.kInt64, "float16": <int>DType.kFloat16, "float32": <int>DType.kFloat32,
    "float64": <int>DType.kFloat64,
}


cdef DType dtype_code(object dtype) except *:
    return <DType><int>CODES.get(np.dtype(dtype).name, <int>DType.kOther)


cdef const LoopEntry* native_loop(str name, DType* compute) except? NULL:
    """The loop for arrays of type ``compute``, which is changed to the type that the loop takes."""
    cdef bytes key = ALIASES.get(name, name).encode()
    cdef const LoopEntry* entry = find_loop(key, compute[0])
    if entry != NULL:
        return entry
    if compute[0] == DType.kBool:
        compute[0] = DType.kUint8
        entry = find_loop(key, compute[0])
        if entry != NULL:
            return entry
    if compute[0] == DType.kFloat64 or compute[0] == DType.kOther:
        return NULL
    compute[0] = DType.kFloat32
    return find_loop(key, compute[0])


def has_loop(str name, dtype="float32") -> bool:
    """Whether there is a native loop of this name that can compute arrays of ``dtype``.

    >>> has_loop("tanh"), has_loop("no_such_loop")
    (True, False)
    """
    cdef DType compute = dtype_code(dtype)
    return native_loop(name, &compute) != NULL


cdef void set_shape(OperandSpec* operand, shape):
    operand.shape.clear()
    for extent in shape:
        operand.shape.push_back(extent)


cdef OperandSpec array_operand(int source, object spec) except *:
    cdef OperandSpec operand
    operand.source = source
    operand.scalar = -1
    operand.value = 0
    operand.type = dtype_code(spec.dtype)
    operand.compute = operand.type
    set_shape(&operand, spec.shape)
    return operand


cdef int scalar_index(object attrs, str name) except -2:
    """Where the dynamic parameter ``name`` is among the scalars; -1: it is a fixed one."""
    cdef int index = 0
    for dynamic in getattr(attrs, "_dynamic", ()):
        if dynamic == name:
            return index
        value = getattr(attrs, dynamic)
        index += len(value) if isinstance(value, tuple) else 1
    return -1


cdef OperandSpec scalar_operand(object attrs, str name, DType type) except *:
    cdef OperandSpec operand
    operand.scalar = scalar_index(attrs, name)
    operand.source = kDynamicScalar if operand.scalar >= 0 else kFixedScalar
    operand.value = 0 if operand.scalar >= 0 else float(getattr(attrs, name))
    operand.type = type
    operand.compute = type
    return operand


cdef bint read_parameters(ElementwiseSpec* spec, object attrs, tuple names, int wanted) except? False:
    """Hands the loop its parameters: all fixed, or all dynamic and the only ones. False: neither."""
    if len(names) != wanted:
        raise TypeError(f"the loop takes {wanted} parameters, params names {len(names)}")
    cdef list places = [scalar_index(attrs, name) for name in names if isinstance(name, str)]
    if places and places == list(range(len(names))):
        spec.dynamic_parameters = 1
        return True
    if any(place >= 0 for place in places):
        return False
    for name in names:
        value = getattr(attrs, name) if isinstance(name, str) else name
        spec.parameters.push_back(float(value))
    return True


cdef DType common_type(vector[OperandSpec]& operands, int inputs) except *:
    """The type that the inputs are computed in."""
    cdef DType found = DType.kOther
    cdef int j
    for j in range(inputs):
        if operands[j].source < 0:
            continue
        if found == DType.kOther or found == operands[j].type:
            found = operands[j].type
        else:
            names = {code: name for name, code in CODES.items()}
            found = dtype_code(np.promote_types(names[<int>found], names[<int>operands[j].type]))
    return found


cdef bint numpy_loop(str name, ElementwiseSpec* spec, DType common) except? False:
    """NumPy's own loop, where it has one for these types."""
    ufunc = getattr(np, {"mod": "remainder", "identity": "positive"}.get(name, name), None)
    cdef int n = <int>spec.operands.size(), i, j
    cdef PyUFuncObject* raw
    if not isinstance(ufunc, np.ufunc) or ufunc.nin != spec.inputs or ufunc.nargs != n or ufunc.signature is not None:
        return False
    wanted = "f" if common == DType.kFloat16 else {code: np.dtype(key).char for key, code in CODES.items()}.get(<int>common)
    raw = <PyUFuncObject*><PyObject*>ufunc
    for attempt in (wanted, "f", "d"):
        for i, signature in enumerate(ufunc.types):  # "ff->f", in the order of the loops
            types = list(signature.replace("->", ""))
            if types[:spec.inputs] != [attempt] * spec.inputs or any(np.dtype(kind).hasobject for kind in types):
                continue
            for j in range(n):
                spec.operands[j].compute = dtype_code(np.dtype(types[j]))
                if spec.operands[j].compute == DType.kOther:
                    return False
            spec.loop = raw.functions[i]
            spec.data = raw.data[i]
            spec.ns = 4.0 if attempt in "fd" else 1.0
            return True
        if common == DType.kFloat64:
            return False
    return False


cdef LoopSpec finish(ElementwiseSpec& spec):
    cdef size_t j
    for j in range(spec.operands.size()):
        if spec.operands[j].source >= 0 and spec.operands[j].type == DType.kOther:
            return None
    cdef LoopSpec found = LoopSpec.__new__(LoopSpec)
    found.spec = spec
    return found


cdef Kernel kernel_of(LoopSpec found):
    if found is None:
        return None
    return kernel_or_none(make_elementwise(found.spec))


def describe_loop(op, attrs, in_specs, out_specs):
    """The loop that the first kernel of an operator would run, or None where that is not one element-wise loop.

    A builder that makes such kernels has an attribute ``describe``: the same function, but for the loop. It gives
    ``NotImplemented`` where its kernel is of another kind.
    """
    for builder in op.cpu:
        describe = getattr(builder, "describe", None)
        if describe is None:
            return None
        found = describe(attrs, in_specs, out_specs)
        if found is NotImplemented:
            return None
        if found is not None:
            return found
    return None


def ufunc_builder(str name, scalar=None, result=None, *, str param="scalar", tuple params=(), inputs=None):
    """Make a builder for one element-wise operation.

    Parameters
    ----------
    name : str
        The loop: weft's own (``"tanh"``, ``"grad_tanh"`` ...) or a NumPy ufunc's name.
    scalar : None or {"lhs", "rhs"}
        Which side of a binary operation is the parameter ``param`` instead of an array.
    result : None or "input"
        Kept for declarations that say it: results always take the type of the output's spec.
    param : str
        The parameter that holds the scalar; dynamic or not.
    params : tuple of str or float
        What a loop with parameters of its own takes: names of parameters, or numbers (``clip``: low and high).
    inputs : tuple of int, optional
        Which inputs of the operator are the loop's, and in which order; all by default.

    Returns
    -------
    callable
        ``builder(attrs, in_specs, out_specs)`` giving a Kernel, or None where the operation does not fit.

    Examples
    --------
    >>> from weft.ops.cpu.elementwise import ufunc_builder
    >>> builder = ufunc_builder("add", scalar="rhs")
    """
    if scalar not in (None, "lhs", "rhs"):
        raise ValueError(f'scalar must be None, "lhs" or "rhs", got {scalar!r}')
    if result not in (None, "input"):
        raise ValueError(f'result must be None or "input", got {result!r}')
    if name in WHOLE_BUILDERS:
        return WHOLE_BUILDERS[name]
    name = ALIASES.get(name, name)

    def describe(attrs, in_specs, out_specs):
        cdef ElementwiseSpec spec
        cdef DType common, compute
        cdef const LoopEntry* entry
        cdef size_t j
        cdef int count
        if len(out_specs) != 1:
            return None
        chosen = range(len(in_specs)) if inputs is None else inputs
        for index in chosen:
            spec.operands.push_back(array_operand(index, in_specs[index]))
        common = common_type(spec.operands, <int>spec.operands.size())
        if scalar is not None:
            common = dtype_code(out_specs[0].dtype)  # with a number, integers may become float64
        if common == DType.kOther:
            return None
        if scalar == "rhs":
            spec.operands.push_back(scalar_operand(attrs, param, common))
        elif scalar == "lhs":
            spec.operands.insert(spec.operands.begin(), scalar_operand(attrs, param, common))
        count = <int>spec.operands.size()
        spec.inputs = count
        spec.operands.push_back(array_operand(0, out_specs[0]))
        compute = common
        entry = native_loop(name, &compute)
        if entry != NULL and entry.inputs == count:
            if not read_parameters(&spec, attrs, params, entry.parameters):
                return None
            spec.loop = entry.loop
            spec.stream_loop = find_stream_loop(entry.name, entry.type)
            spec.ns = entry.ns
            for j in range(spec.operands.size()):
                spec.operands[j].compute = compute
        elif params or not numpy_loop(name, &spec, common):
            return None
        return finish(spec)

    def builder(attrs, in_specs, out_specs):
        return kernel_of(describe(attrs, in_specs, out_specs))

    builder.__name__ = builder.__qualname__ = f"elementwise_{name}"
    builder.describe = describe
    return builder


def cast_builder(attrs, in_specs, out_specs):
    """Convert the first input to the output's dtype, broadcasting if need be; the same dtype copies.

    >>> cast_builder.__name__
    'cast_builder'
    """
    source, target = in_specs[0], out_specs[0]
    if source.dtype == target.dtype and source.size == target.size:
        return wrap_kernel(make_copy(target.nbytes))
    return kernel_of(describe_cast(attrs, in_specs, out_specs))


def describe_cast(attrs, in_specs, out_specs):
    """The loop of cast_builder."""
    cdef ElementwiseSpec spec
    source, target = in_specs[0], out_specs[0]
    spec.operands.push_back(array_operand(0, source))
    spec.operands.push_back(array_operand(0, target))
    if spec.operands[0].type == DType.kOther or spec.operands[1].type == DType.kOther:
        return None
    if source.size == target.size:  # only the shape may differ otherwise
        spec.operands[0].shape = spec.operands[1].shape
    spec.inputs = 1
    spec.loop = cast_loop(spec.operands[0].type, spec.operands[1].type)
    spec.ns = 0.3
    return finish(spec)


def copy_builder(attrs, in_specs, out_specs):
    """Copy the first input into the output: same bytes in another shape, or broadcast to it.

    >>> copy_builder.__name__
    'copy_builder'
    """
    if in_specs[0].dtype != out_specs[0].dtype:
        return None
    return cast_builder(attrs, in_specs, out_specs)


cast_builder.describe = describe_cast


def where_builder(attrs, in_specs, out_specs):
    """``where(condition, x, y)``; a one-dimensional condition may choose whole rows, as in MXNet.

    >>> where_builder.__name__
    'where_builder'
    """
    return kernel_of(describe_where(attrs, in_specs, out_specs))


def describe_where(attrs, in_specs, out_specs):
    """The loop of where_builder."""
    cdef ElementwiseSpec spec
    cdef const LoopEntry* entry
    cdef DType type = dtype_code(out_specs[0].dtype)
    cdef size_t j
    condition, x = in_specs[0], in_specs[1]
    if any(item.dtype != out_specs[0].dtype for item in in_specs[1:]) or type == DType.kOther:
        return None
    for j in range(3):
        spec.operands.push_back(array_operand(<int>j, in_specs[j]))
        spec.operands[j].compute = type
    if len(condition.shape) == 1 and len(x.shape) > 1 and condition.shape[0] == x.shape[0] and len(out_specs[0].shape) == len(x.shape):
        set_shape(&spec.operands[0], condition.shape + (1,) * (len(x.shape) - 1))
    if np.dtype(condition.dtype).itemsize == 1:
        spec.operands[0].compute = spec.operands[0].type
    else:
        spec.operands[0].compute = DType.kBool
    spec.operands.push_back(array_operand(0, out_specs[0]))
    spec.inputs = 3
    entry = find_loop(b"where", type)
    spec.loop = entry.loop
    spec.ns = entry.ns
    return finish(spec)


where_builder.describe = describe_where


def add_n_builder(attrs, in_specs, out_specs):
    """The sum of all inputs in one pass.

    >>> add_n_builder.__name__
    'add_n_builder'
    """
    cdef DType type = dtype_code(out_specs[0].dtype)
    if type == DType.kOther or any(item.dtype != out_specs[0].dtype or item.size != out_specs[0].size for item in in_specs):
        return None
    return kernel_or_none(make_add_n(type, <int>len(in_specs), out_specs[0].size))


def fill_builder(value):
    """Make a builder that writes one number everywhere: a number, or the name of the parameter that holds it.

    >>> fill_builder(0.0).__name__
    'fill'
    """
    def fill(attrs, in_specs, out_specs):
        cdef DType type = dtype_code(out_specs[0].dtype)
        cdef int index = -1
        if type == DType.kOther or len(out_specs) != 1:
            return None
        number = value
        if isinstance(value, str):
            index = scalar_index(attrs, value)
            number = getattr(attrs, value) if index < 0 else 0.0
        return wrap_kernel(make_fill(type, out_specs[0].size, float(number), index))

    fill.__qualname__ = "fill"
    return fill


# What has a builder of its own is found by name as well.
cdef dict WHOLE_BUILDERS = {
    "add_n": add_n_builder, "cast": cast_builder, "copy": copy_builder, "identity": copy_builder, "where": where_builder,
}
