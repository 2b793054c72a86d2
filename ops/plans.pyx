"""Plans: which kernel runs an operator for given attributes and input specs, and what it gives.

Imperative calls and bound graphs ask here. Shape rules and kernel builders run once for each question; the answers
are kept.
"""

cimport cython
from libc.stdint cimport int64_t

from ..engine.cengine cimport intern_name
from .array cimport Spec, get_spec
from .invoke cimport new_call_info, release_call_info
from .kernel cimport Kernel

from ..engine._engine import on_cores_changed
from .array import as_dtype
from .errors import ShapeError
from .kernel import make_numpy_kernel

cdef int kMostPlans = 16384


@cython.final
cdef class Plan:
    def __dealloc__(self):
        if self.info != NULL:
            release_call_info(self.info)


cpdef Plan make_plan(object op, object attrs, list in_specs):
    """Build a plan, without looking for one that exists."""
    out_specs = out_specs_of(op, attrs, in_specs)
    cost = estimate_cost(op, attrs, in_specs, out_specs)
    cdef Kernel kernel = None
    for builder in op.cpu:
        kernel = builder(attrs, in_specs, out_specs)
        if kernel is not None:
            break
    if kernel is None:
        if op.numpy is None:
            raise ShapeError(f"{op.name}: no kernel for input dtypes {', '.join([spec.dtype.name for spec in in_specs])}")
        dynamic = []
        for name in op.dynamic_params:
            value = getattr(attrs, name)
            dynamic.append((name, len(value) if isinstance(value, tuple) else -1))
        kernel = make_numpy_kernel(op.numpy, attrs, in_specs, out_specs, cost, dynamic, op.random)
    cdef Plan plan = Plan.__new__(Plan)
    plan.kernel = kernel
    plan.out_specs = out_specs
    plan.n_inputs = len(in_specs)
    plan.n_outputs = len(out_specs)
    plan.n_visible = op.count_visible(attrs)
    plan.is_python = (kernel.pointer.flags & 1) != 0
    plan.random = op.random
    plan.cost_ns = kernel.pointer.cost_ns if kernel.pointer.cost_ns > 0 else cost
    mutated = set(op.mutated_inputs(attrs))
    plan.mutated = bytes([1 if i in mutated else 0 for i in range(len(in_specs))])
    plan.any_mutated = bool(mutated)
    plan.inplace = set(op.inplace_pairs(attrs))
    names = op.input_names(attrs)
    text = ", ".join([f"{name}: {spec.shape} {spec.dtype}" for name, spec in zip(names, in_specs)])
    plan.description = f"({text})"
    description, name = plan.description.encode(), op.name.encode()
    plan.info = new_call_info(kernel.pointer, description, intern_name(name))
    return plan


cdef double estimate_cost(object op, object attrs, list in_specs, tuple out_specs) except? -1:
    cdef int64_t nbytes = 0, elements = 0
    if callable(op.cost):
        return op.cost(attrs, [spec.shape for spec in in_specs], [spec.shape for spec in out_specs])
    for spec in in_specs:
        nbytes += (<Spec>spec).nbytes
    for spec in out_specs:
        nbytes += (<Spec>spec).nbytes
        elements += (<Spec>spec).size
    if op.cost is not None:
        return 100 + elements * <double>op.cost
    return 100 + 0.2 * nbytes


# By (operator, attributes) as objects, then by input specs. The keys hold the objects, so their addresses stay theirs.
cdef dict _plans = {}
cdef dict _out_specs = {}
on_cores_changed(_plans.clear)  # kernels divide their work by the number of cores


cdef dict of_call(dict cache, object op, object attrs):
    """What `cache` holds for an operator with these attributes: equal attributes share it."""
    found = cache.get((op, id(attrs)))
    if found is not None:
        return <dict>(<tuple>found)[1]
    if len(cache) >= kMostPlans:
        cache.clear()
    # Values of dynamic parameters make no difference, but how many there are does.
    key = (op, attrs.cache_key, len(attrs.scalars))
    shared = cache.get(key)
    if shared is None:
        shared = cache[key] = (attrs, {})
    cache[(op, id(attrs))] = (attrs, shared[1])
    return <dict>shared[1]


cpdef tuple out_specs_of(object op, object attrs, list in_specs):
    """Return the specs of all outputs, hidden ones included.

    Parameters
    ----------
    op : Operator
        The operator.
    attrs : Attrs
        Its parameters.
    in_specs : list of Spec
        Shapes and dtypes of its inputs.

    Raises
    ------
    ShapeError
        Naming the operator and all inputs, where they do not fit together.

    Examples
    --------
    >>> from weft.ops import registry
    >>> from weft.ops.array import spec
    >>> dot = registry.get("dot")
    >>> out_specs_of(dot, dot.attrs(), [spec((2, 3), "float32"), spec((3, 4), "float32")])
    (Spec((2, 4), float32),)
    """
    cdef dict known = of_call(_out_specs, op, attrs)
    key = tuple(in_specs)
    found = known.get(key)
    if found is not None:
        return <tuple>found
    shapes, dtypes = op.infer(attrs, [(<Spec>spec).shape for spec in in_specs], [(<Spec>spec).dtype for spec in in_specs])
    made = tuple([get_spec(tuple(shape), as_dtype(dtype)) for shape, dtype in zip(shapes, dtypes)])
    if len(known) >= kMostPlans:
        known.clear()
    known[key] = made
    return made


cpdef Plan plan_of(object op, object attrs, list in_specs):
    """Return the plan for an operator, its attributes and its input specs.

    Parameters and errors are those of :func:`out_specs_of`; MXNetError also where no kernel takes the dtypes.

    Examples
    --------
    >>> from weft.ops import registry
    >>> from weft.ops.array import spec
    >>> exp = registry.get("exp")
    >>> plan_of(exp, exp.attrs(), [spec((2, 3), "float32")]).inplace
    {(0, 0)}
    """
    cdef dict known = of_call(_plans, op, attrs)
    key = tuple(in_specs)
    found = known.get(key)
    if found is None:
        found = make_plan(op, attrs, in_specs)
        if len(known) >= kMostPlans:
            known.clear()
        known[key] = found
    return <Plan>found
