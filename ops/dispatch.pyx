"""Calling operators: arguments to kernels.

The first call with new arguments asks the declaration (Python); what it answers is kept as a *binding* (arguments to
attributes) and a *plan* (attributes and input specs to a kernel). Later calls run no Python code.
"""

cimport cython
from cpython.object cimport PyObject, PyTypeObject

from ..engine._engine cimport holds, push_site
from ..engine.cengine cimport in_task
from .array cimport NDArray, Spec, new_array, set_binary_dispatch
from .invoke cimport ArrayRef, Call, kCallBusy, kCallFailed, poison_outputs, run_here
from .modes cimport ThreadModes, thread_modes
from .plans cimport Plan, plan_of
from .recording cimport in_graph, record, record_as
from .submission cimport choose_stream, overlaps, runs_inline, start_call, submit

import threading

from numpy import generic as np_generic

from ..engine._engine import on_cores_changed
from . import registry
from .context import Context, current_context, parse_context
from .errors import ArgumentTypeError, MXNetError, ShapeError

cdef extern from "Python.h":
    unsigned long Py_TPFLAGS_HAVE_VECTORCALL
    unsigned long Py_TPFLAGS_METHOD_DESCRIPTOR
    Py_ssize_t PyVectorcall_NARGS(size_t nargsf)
    object PyVectorcall_Call(object callable, object args, object kwargs)
    void PyType_Modified(PyTypeObject* type)
    object PyMethod_New(object function, object self)
    int PyFloat_CheckExact(object item)
    double PyFloat_AS_DOUBLE(object item)

cdef extern from *:
    """
    static void weft_enable_vectorcall(PyTypeObject* type, Py_ssize_t offset) {
      type->tp_vectorcall_offset = offset;
      type->tp_call = PyVectorcall_Call;
      type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR;
      PyType_Modified(type);
    }
    """
    void weft_enable_vectorcall(PyTypeObject* type, Py_ssize_t offset)

# As vectorcallfunc of Python.h, less a const.
ctypedef object (*call_function)(object self, PyObject** args, size_t nargsf, PyObject* kwnames)

cdef int kMostBindings = 4096

cdef enum:
    kMostBound = 48  # inputs, or dynamic numbers, of a call whose binding is kept


# --- functions ------------------------------------------------------------------------------------

@cython.final
cdef class Binding:
    """What a way of calling means: which arguments are inputs, and the attributes the others give."""

    cdef list inputs           # indices into (args + keyword values)
    cdef object attrs          # for predicting
    cdef object train_attrs
    cdef int out               # index of `out`, or -1
    cdef int n_scalars
    cdef list scalar_indices   # index of the argument that gives the dynamic parameter, or -1
    cdef list scalar_defaults


cdef struct Slot:
    PyObject* attrs
    PyObject* spec0
    PyObject* spec1
    PyObject* spec2
    PyObject* plan

cdef enum:
    kSlots = 32


@cython.final
cdef class OpFunction:
    """A public operator function, such as ``nd.exp``; also a method of NDArray."""

    cdef call_function vectorcall
    cdef readonly object op
    cdef readonly str name_
    cdef object doc_
    cdef dict __dict__
    cdef int n_inputs              # -1: variadic or depends on the attributes
    cdef bint uses_train, random, has_dynamic, tuple_dynamic, differentiable, resolves
    cdef object default_attrs, default_train_attrs
    cdef dict bindings, canonical, plans
    cdef Slot slots[kSlots]
    cdef bint save_inputs, save_outputs

    def __init__(self, op):
        self.op = op
        self.name_ = op.name
        self.vectorcall = op_vectorcall
        self.n_inputs = -1 if op.variadic or op.active_inputs is not None else len(op.inputs)
        self.uses_train = op.uses_train
        self.random = op.random
        self.has_dynamic = bool(op.dynamic_params)
        self.tuple_dynamic = any(
            not isinstance(op.param_by_name[name], registry.Float) for name in op.dynamic_params
        )
        self.differentiable = op.gradient is not None
        self.resolves = op.resolve is not None
        self.save_inputs = "i" in op.saves
        self.save_outputs = "o" in op.saves
        self.bindings = {}
        self.canonical = {}
        self.plans = {}
        if op._default_attrs is not None:
            # Untrained: the first use of an operator may come while training.
            self.default_attrs = self.in_mode(self.canonical_attrs(op.attrs()), False)
            self.default_train_attrs = self.in_mode(self.default_attrs, True)

    def __repr__(self):
        return f"<operator {self.name_}>"

    def __reduce__(self):
        return function, (self.op.name,)

    @property
    def __name__(self):
        return self.name_

    @property
    def __doc__(self):
        if self.doc_ is None:
            self.doc_ = self.op.docstring()
        return self.doc_

    @property
    def __signature__(self):
        return self.op.signature()

    def __get__(self, instance, owner):
        return self if instance is None else PyMethod_New(self, instance)

    # --- attributes: one object for equal static values ---

    cdef object canonical_attrs(self, object attrs):
        if self.uses_train and attrs.train != bool(thread_modes().training):
            attrs = attrs.with_(train=bool(thread_modes().training))
        key = attrs.cache_key
        found = self.canonical.get(key)
        if found is not None:
            return found
        if len(self.canonical) >= kMostBindings:
            self.forget()
        self.canonical[key] = attrs
        return attrs

    cdef object shared_attrs(self, object attrs):
        """As canonical_attrs; tuples of another length are another kernel."""
        if self.tuple_dynamic:
            return self.canonical.setdefault((attrs.cache_key, len(attrs.scalars)), attrs)
        return self.canonical_attrs(attrs)

    cdef object in_mode(self, object attrs, bint train):
        if not self.uses_train:
            return attrs
        attrs = attrs.with_(train=bool(train))
        return self.canonical.setdefault(attrs.cache_key, attrs)

    cdef void forget(self):
        cdef int i
        for i in range(kSlots):
            self.slots[i].attrs = NULL
        self.canonical.clear()
        self.bindings.clear()
        self.plans.clear()
        if self.default_attrs is not None:
            self.canonical[self.default_attrs.cache_key] = self.default_attrs
            self.canonical[self.default_train_attrs.cache_key] = self.default_train_attrs

    # --- plans ---

    cdef Plan plan_for(self, PyObject** inputs, Py_ssize_t n, object attrs, object ctx):
        cdef PyObject* specs[3]
        cdef Py_ssize_t i
        cdef size_t hashed = <size_t><PyObject*>attrs
        cdef Slot* slot = NULL
        if n <= 3:
            specs[0] = specs[1] = specs[2] = NULL
            for i in range(n):
                specs[i] = <PyObject*>(<NDArray>inputs[i]).spec
                hashed = hashed * 31 + <size_t>specs[i]
            hashed ^= hashed >> 16
            hashed ^= hashed >> 7
            slot = &self.slots[(hashed >> 4) % kSlots]
            if (slot.attrs == <PyObject*>attrs and slot.spec0 == specs[0] and slot.spec1 == specs[1]
                    and slot.spec2 == specs[2]):
                return <Plan>slot.plan
        key = (id(attrs), *[(<NDArray>inputs[i]).spec for i in range(n)])
        plan = self.plans.get(key)
        if plan is None:
            plan = plan_of(self.op, attrs, [(<NDArray>inputs[i]).spec for i in range(n)])
            if len(self.plans) >= kMostBindings:
                self.forget()
                return plan
            # Keeps attrs and specs alive, so that their addresses stay theirs.
            self.plans[key] = plan
            self.canonical.setdefault(attrs.cache_key, attrs)
            if self.canonical[attrs.cache_key] is not attrs:
                return plan
        if slot != NULL and self.canonical.get(attrs.cache_key) is attrs:
            slot.attrs = <PyObject*>attrs
            slot.spec0 = specs[0]
            slot.spec1 = specs[1]
            slot.spec2 = specs[2]
            slot.plan = <PyObject*>plan
        return plan

# --- running --------------------------------------------------------------------------------------

cdef object mixed_devices(OpFunction function, PyObject** inputs, Py_ssize_t n):
    devices = ", ".join(f"{(<NDArray>inputs[i]).spec.shape} on {(<NDArray>inputs[i]).ctx_}" for i in range(n))
    return MXNetError(f"{function.op.name}: all inputs must be on one device, got {devices}")


cdef inline ArrayRef ref_of(NDArray array) noexcept:
    cdef ArrayRef ref
    ref.buffer, ref.offset = array.buffer, array.offset
    return ref


cdef object run_plan(OpFunction function, PyObject** inputs, Py_ssize_t n, object attrs, object ctx,
                     const double* scalars, int n_scalars, object out):
    """Run an operator; `ctx` matters only without inputs. Returns an array or a list of arrays."""
    cdef ArrayRef few[8]
    cdef ArrayRef* refs = few
    cdef char error[512]
    cdef Call call
    cdef Plan plan
    cdef NDArray array
    cdef ThreadModes* state = thread_modes()
    cdef Py_ssize_t i
    cdef int result
    cdef list outputs = None
    cdef NDArray single = None
    if n > 0:
        ctx = (<NDArray>inputs[0]).ctx_
        for i in range(1, n):
            if (<NDArray>inputs[i]).ctx_ is not ctx:
                raise mixed_devices(function, inputs, n)
    if in_task():
        for i in range(n):
            holds((<NDArray>inputs[i]).buffer, False)
    cdef object shaping = attrs
    if function.resolves:
        shaping = function.shared_attrs(function.op.resolve(attrs, [<NDArray>inputs[i] for i in range(n)]))
    plan = function.plan_for(inputs, n, shaping, ctx)
    if out is not None:
        return run_into(function, plan, inputs, n, attrs, ctx, scalars, n_scalars, out)
    cdef object heap = None
    if n + plan.n_outputs > 8:
        heap = bytearray((n + plan.n_outputs) * sizeof(ArrayRef))
        refs = <ArrayRef*><char*>heap
    for i in range(n):
        refs[i] = ref_of(<NDArray>inputs[i])
    if plan.n_outputs == 1:
        single = new_array(<Spec>plan.out_specs[0], ctx)
        refs[n] = ref_of(single)
    else:
        outputs = []
        for i in range(plan.n_outputs):
            array = new_array(<Spec>plan.out_specs[i], ctx)
            outputs.append(array)
            refs[n + i] = ref_of(array)
    start_call(&call, plan, refs, scalars, n_scalars, ctx)
    call.device = call.outputs[0].buffer.device if plan.n_outputs else 0
    call.stream = 0
    call.fresh_outputs = True
    result = kCallBusy
    if not plan.any_mutated and runs_inline(plan, &call):
        error[0] = 0
        result = run_here(call, error)
        if result == kCallFailed:
            poison_outputs(call, error, push_site())
    if result == kCallBusy:
        submit(plan, &call)
    if state.recording:
        record(function, function.op, function.save_inputs, function.save_outputs, plan, inputs, n, attrs,
               scalars, n_scalars, single, outputs)
    if single is not None:
        return single
    if plan.n_visible == 1:
        return outputs[0]
    return outputs[:plan.n_visible]


cdef object run_into(OpFunction function, Plan plan, PyObject** inputs, Py_ssize_t n, object attrs, object ctx,
                     const double* scalars, int n_scalars, object out):
    """Run with `out`: results go into arrays that exist."""
    cdef list targets = list(out) if isinstance(out, (list, tuple)) else [out]
    cdef list written = []
    cdef list copies = []
    cdef NDArray target
    cdef Call call
    cdef ThreadModes* state = thread_modes()
    cdef Py_ssize_t i, k
    cdef Spec spec
    cdef ArrayRef few[8]
    cdef ArrayRef* refs = few
    cdef object heap = None
    if n + plan.n_outputs > 8:
        heap = bytearray((n + plan.n_outputs) * sizeof(ArrayRef))
        refs = <ArrayRef*><char*>heap
    if len(targets) not in (plan.n_visible, plan.n_outputs):
        raise ArgumentTypeError(f"{function.op.name}: out needs {plan.n_visible} arrays, got {len(targets)}")
    for i in range(len(targets)):
        if not isinstance(targets[i], NDArray):
            raise ArgumentTypeError(f"{function.op.name}: out must be NDArray, got {type(targets[i]).__name__}")
        target = targets[i]
        spec = plan.out_specs[i]
        if n == 0:
            ctx = target.ctx_
        if target.spec.shape != spec.shape:
            raise ShapeError(f"{function.op.name}: out has shape {target.spec.shape}, the result {spec.shape}")
        if target.ctx_ is not ctx and function.op.name not in ("_copyto", "_copy"):
            raise MXNetError(f"{function.op.name}: out is on {target.ctx_}, the inputs are on {ctx}")
        if in_task():
            holds(target.buffer, True)
        if state.recording and in_graph(target) and function.op.name != "_copyto":
            raise MXNetError(
                "Inplace operations (+=, -=, x[:]=, etc) are not supported when recording with autograd."
            )
    for i in range(plan.n_outputs):
        spec = plan.out_specs[i]
        target = targets[i] if i < len(targets) else new_array(spec, ctx)
        if i < len(targets) and (target.spec is not spec or overlaps(target, plan, <int>i, inputs, n)):
            copies.append(i)
            target = new_array(spec, ctx)
        written.append(target)
    for i in range(n):
        refs[i] = ref_of(<NDArray>inputs[i])
    for i in range(plan.n_outputs):
        refs[n + i] = ref_of(<NDArray>written[i])
    start_call(&call, plan, refs, scalars, n_scalars, ctx)
    choose_stream(&call)
    call.fresh_outputs = False
    submit(plan, &call)
    if state.recording:
        record(function, function.op, function.save_inputs, function.save_outputs, plan, inputs, n, attrs,
               scalars, n_scalars, None, written)
    for k in copies:
        copy_into(written[k], targets[k])
    return out


cdef OpFunction copy_function = None
cdef OpFunction cast_function = None


cdef int copy_into(NDArray source, NDArray target) except -1:
    """Copy (and convert) after a result that could not be written in place."""
    global copy_function, cast_function
    cdef PyObject* inputs[1]
    if copy_function is None:
        copy_function = function("_copy")
        cast_function = function("Cast")
    moved = source
    if source.spec.type_num != target.spec.type_num:
        moved = call(cast_function, [source], cast_function.op.attrs({"dtype": target.spec.dtype.name}), None)
    inputs[0] = <PyObject*>moved
    recording = thread_modes().recording
    thread_modes().recording = 0
    try:
        run_plan(copy_function, inputs, 1, copy_function.default_attrs, None, NULL, 0, target)
    finally:
        thread_modes().recording = recording
    if recording:
        target.node = source.node
        target.node_index = source.node_index
    return 0


# --- recording ------------------------------------------------------------------------------------

def record_view(str name, NDArray source not None, dict kwargs, NDArray view not None):
    """Record ``view``, a share of the storage of ``source``, as what an operator gives for it; return the view.

    Nothing is recorded where ``source`` is not part of a graph.
    """
    cdef OpFunction found
    if not thread_modes().recording or not in_graph(source):
        return view
    found = function(name)
    return record_as(found, found.canonical_attrs(found.op.attrs(kwargs)), found.save_inputs, found.save_outputs, source, view)


# --- calling --------------------------------------------------------------------------------------

# Graph builders that calls without inputs go to: a stack a thread, and how many there are in all.
_builders = threading.local()
cdef int open_builders = 0


def open_builder(builder):
    """Send this thread's calls of operators without inputs to ``builder.call`` until it is closed."""
    global open_builders
    if not hasattr(_builders, "stack"):
        _builders.stack = []
    _builders.stack.append(builder)
    open_builders += 1


def close_builder():
    """Close the builder that this thread opened last."""
    global open_builders
    _builders.stack.pop()
    open_builders -= 1


cdef object current_builder():
    stack = getattr(_builders, "stack", None)
    return stack[len(stack) - 1] if stack else None


cdef object op_vectorcall(object self, PyObject** args, size_t nargsf, PyObject* kwnames):
    cdef OpFunction function = <OpFunction>self
    cdef Py_ssize_t n = PyVectorcall_NARGS(nargsf)
    cdef Py_ssize_t i
    cdef object attrs
    if kwnames == NULL and n == function.n_inputs and n > 0 and function.default_attrs is not None and not function.has_dynamic:
        for i in range(n):
            if type(<object>args[i]) is not NDArray:
                break
        else:
            attrs = function.default_attrs
            if function.uses_train and thread_modes().training:
                attrs = function.default_train_attrs
            return run_plan(function, args, n, attrs, None, NULL, 0, None)
    return call_bound(function, args, n, <tuple>kwnames if kwnames != NULL else None)


cdef object call_bound(OpFunction function, PyObject** args, Py_ssize_t n, tuple kwnames):
    cdef Py_ssize_t total = n + (len(kwnames) if kwnames is not None else 0)
    cdef Binding binding
    cdef PyObject* inputs[kMostBound]
    cdef double scalars[kMostBound]
    cdef Py_ssize_t i
    cdef int k
    cdef object key, item
    cdef list parts
    if total > 64 or (open_builders and function.n_inputs == 0):
        return call_slowly(function, args, n, kwnames)
    parts = [kwnames]
    for i in range(total):
        item = <object>args[i]
        if type(item) is NDArray:
            parts.append(None)
            parts.append(NDArray)
        elif function.has_dynamic and is_dynamic(function, i, n, kwnames):
            if not append_dynamic(parts, item):
                return call_slowly(function, args, n, kwnames)
        elif i >= n and type(item) is list and kwnames[i - n] == "out":
            parts.append(len(<list>item))
            parts.append(list)
        else:
            parts.append(item)
            parts.append(type(item))
            if isinstance(item, (NDArray, list)) or hasattr(item, "_weft_symbol"):
                return call_slowly(function, args, n, kwnames)
            if isinstance(item, tuple):
                parts.append(tuple([type(part) for part in item]))
    key = tuple(parts)
    try:
        found = function.bindings.get(key)
    except TypeError:
        return call_slowly(function, args, n, kwnames)
    if found is None:
        found = bind(function, args, n, kwnames)
        if found is None:
            return call_slowly(function, args, n, kwnames)
        if len(function.bindings) >= kMostBindings:
            function.forget()
        function.bindings[key] = found
    binding = <Binding>found
    if len(binding.inputs) > kMostBound or binding.n_scalars > kMostBound:
        return call_slowly(function, args, n, kwnames)
    k = 0
    for i in binding.inputs:
        inputs[k] = args[i]
        k += 1
    k = 0
    for place, default in zip(binding.scalar_indices, binding.scalar_defaults):
        value = default if place < 0 else <object>args[<Py_ssize_t>place]
        if type(value) is tuple or type(value) is list:
            for number in value:
                scalars[k] = <double>number
                k += 1
        else:
            scalars[k] = <double>value
            k += 1
    return run_plan(function, inputs, len(binding.inputs),
                    binding.train_attrs if thread_modes().training else binding.attrs,
                    device_of(binding.attrs) if not binding.inputs else None, scalars, binding.n_scalars,
                    <object>args[binding.out] if binding.out >= 0 else None)


is_dynamic_marker = object()


cdef bint append_dynamic(list parts, object item):
    """Add what the key must tell about the value of a dynamic parameter: its type, or how many numbers it has."""
    if type(item) is float or type(item) is int:
        parts.append(type(item))
    elif type(item) is tuple or type(item) is list:
        for number in item:
            if type(number) is not float and type(number) is not int:
                return False
        parts.append(len(item))
    else:
        return False
    parts.append(is_dynamic_marker)
    return True


cdef bint is_dynamic(OpFunction function, Py_ssize_t index, Py_ssize_t n, tuple kwnames):
    cdef str name
    if index >= n:
        name = kwnames[index - n]
    else:
        positions = function.op._positions
        if index >= len(positions) or function.op.variadic:
            return False
        name = positions[index]
    return name in function.op.dynamic_params


cdef tuple unpacked(PyObject** args, Py_ssize_t n, tuple kwnames):
    """Arguments by position and by name, as Python passes them on."""
    positional = [<object>args[i] for i in range(n)]
    return positional, {name: <object>args[n + i] for i, name in enumerate(kwnames or ())}


cdef object bind(OpFunction function, PyObject** args, Py_ssize_t n, tuple kwnames):
    """Ask the declaration what a way of calling means; None where it cannot be kept."""
    op = function.op
    positional, keywords = unpacked(args, n, kwnames)
    inputs, attrs, out, _ = registry.bind_arguments(op, positional, keywords)
    places = {} if op.variadic else dict(zip(op._positions, range(n)))
    # An input may be called out, too.
    places.update({name: n + i for i, name in enumerate(keywords) if name != "out"})
    names = op.input_names(attrs)
    cdef Binding binding = Binding.__new__(Binding)
    binding.inputs = [position if op.variadic else places[names[position]] for position in range(len(inputs))]
    for index, item in zip(binding.inputs, inputs):
        # The inputs of a variadic operator may lie within one argument.
        if type(item) is not NDArray or index >= n + len(keywords) or <object>args[<Py_ssize_t>index] is not item:
            return None
    binding.out = -1
    if out is not None:
        if type(out) is not NDArray and type(out) is not list:
            return None
        binding.out = n + kwnames.index("out") if "out" in keywords else len(op._positions)
    binding.attrs = function.shared_attrs(attrs)
    binding.train_attrs = binding.attrs
    if function.uses_train:
        binding.train_attrs = function.in_mode(binding.attrs, True)
        binding.attrs = function.in_mode(binding.attrs, False)
    binding.n_scalars = 0
    binding.scalar_indices = []
    binding.scalar_defaults = []
    for dynamic in op.dynamic_params:
        value = getattr(attrs, dynamic)
        if value is None:
            return None
        binding.scalar_indices.append(places.get(dynamic, -1))
        several = isinstance(value, tuple)
        binding.scalar_defaults.append(tuple([float(item) for item in value]) if several else float(value))
        binding.n_scalars += len(value) if several else 1
    return binding


cdef dict _devices = {}


cdef object device_of(object attrs):
    given = getattr(attrs, "ctx", None)
    device = _devices.get(given)
    if device is None:
        if isinstance(given, Context):
            device = given
        else:
            try:
                device = parse_context(str(given)) if given else current_context()
            except ValueError as error:
                raise ValueError(f"ctx={error}") from None
        if device.device_typeid == 2:
            raise MXNetError(f"{device} is not available: this build of weft has no CUDA kernels yet")
        if given:
            _devices[given] = device
    return device


cdef object call_slowly(OpFunction function, PyObject** args, Py_ssize_t n, tuple kwnames):
    positional, keywords = unpacked(args, n, kwnames)
    inputs, attrs, out, name = registry.bind_arguments(function.op, positional, keywords)
    for position, item in enumerate(inputs):
        if isinstance(item, NDArray):
            continue
        for other in inputs:
            if hasattr(other, "_weft_symbol"):
                # A symbol, or a value of a graph that is being built: what they stand for comes later.
                return other._weft_symbol(function.op, inputs, attrs, name)
        names = function.op.input_names(attrs)
        raise ArgumentTypeError(
            f"{function.op.name}: input {names[position]!r} must be NDArray, got {type(item).__name__} ({item!r:.60})"
        )
    if not inputs and open_builders:
        builder = current_builder()
        if builder is not None:
            return builder.call(function.op, [], attrs, name)
    return call(function, inputs, attrs, out)


cdef object call(OpFunction function, list inputs, object attrs, object out):
    cdef object given = attrs
    cdef Py_ssize_t i, n = len(inputs)
    cdef object pointers = bytearray((n + 1) * sizeof(void*))
    cdef PyObject** array_pointers = <PyObject**><char*>pointers
    cdef object numbers = None
    cdef double* scalars = NULL
    cdef int n_scalars = 0
    attrs = function.shared_attrs(attrs)
    for i in range(n):
        array_pointers[i] = <PyObject*>inputs[i]
    if function.has_dynamic:
        values = given.scalars
        n_scalars = len(values)
        numbers = bytearray((n_scalars + 1) * sizeof(double))
        scalars = <double*><char*>numbers
        for i in range(n_scalars):
            if values[i] is None:
                raise ArgumentTypeError(f"{function.op.name}: a dynamic parameter is None")
            scalars[i] = values[i]
    return run_plan(function, array_pointers, n, attrs, device_of(given) if n == 0 else None, scalars, n_scalars, out)


cdef dict _fill_attrs = {}


def fill(str maker, Spec spec, ctx):
    """Return a new array of ``spec`` from ``_zeros`` or ``_ones``, without a look at arguments."""
    cdef OpFunction found = function(maker)
    key = (maker, spec)
    attrs = _fill_attrs.get(key)
    if attrs is None:
        if len(_fill_attrs) >= kMostBindings:
            _fill_attrs.clear()
        attrs = found.op.attrs({"shape": spec.shape, "dtype": spec.dtype.name})
        _fill_attrs[key] = attrs
    return run_plan(found, NULL, 0, attrs, ctx, NULL, 0, None)


# --- functions by name ----------------------------------------------------------------------------

cdef dict _functions = {}


def forget_plans():
    """Have every operator's function ask for its plans anew."""
    cdef OpFunction own
    for own in _functions.values():
        own.forget()


on_cores_changed(forget_plans)


def function(str name):
    """Return the function of an operator, by its name or an alias."""
    found = _functions.get(name)
    if found is None:
        op = registry.get(name)
        found = _functions.get(op.name)
        if found is None:
            found = OpFunction(op)
            _functions[op.name] = found
        _functions[name] = found
    return found


def invoke(op, inputs, kwargs=None, out=None):
    """Call an operator.

    Parameters
    ----------
    op : str or Operator
        The operator, or its name.
    inputs : sequence of NDArray
        Inputs in order.
    kwargs : dict, optional
        Parameters.
    out : NDArray or list of NDArray, optional
        Where to write the result.

    Examples
    --------
    >>> import weft as mx
    >>> from weft.ops.dispatch import invoke
    >>> invoke("sum", [mx.nd.ones((2, 2))], {"axis": 0}).asnumpy()
    array([2., 2.], dtype=float32)
    """
    cdef OpFunction found = function(op if isinstance(op, str) else op.name)
    keywords = dict(kwargs or {})
    if out is not None:
        keywords["out"] = out
    return found(*inputs, **keywords)


# --- operators of Python --------------------------------------------------------------------------

# In the order of array.pyx's numbers: operator between arrays, with a number on the right, on the left.
OPERATOR_NAMES = (
    ("broadcast_add", "_plus_scalar", "_plus_scalar"),
    ("broadcast_sub", "_minus_scalar", "_rminus_scalar"),
    ("broadcast_mul", "_mul_scalar", "_mul_scalar"),
    ("broadcast_div", "_div_scalar", "_rdiv_scalar"),
    ("broadcast_mod", "_mod_scalar", "_rmod_scalar"),
    ("broadcast_power", "_power_scalar", "_rpower_scalar"),
    ("broadcast_equal", "_equal_scalar", "_equal_scalar"),
    ("broadcast_not_equal", "_not_equal_scalar", "_not_equal_scalar"),
    ("broadcast_lesser", "_lesser_scalar", "_greater_scalar"),
    ("broadcast_lesser_equal", "_lesser_equal_scalar", "_greater_equal_scalar"),
    ("broadcast_greater", "_greater_scalar", "_lesser_scalar"),
    ("broadcast_greater_equal", "_greater_equal_scalar", "_lesser_equal_scalar"),
)
cdef list array_functions = None
cdef list scalar_functions = None
cdef list reverse_functions = None


cdef int load_operators() except -1:
    global array_functions, scalar_functions, reverse_functions
    scalar_functions = [function(names[1]) for names in OPERATOR_NAMES]
    reverse_functions = [function(names[2]) for names in OPERATOR_NAMES]
    array_functions = [function(names[0]) for names in OPERATOR_NAMES]
    return 0


cdef object binary(int operation, object lhs, object rhs):
    cdef PyObject* inputs[2]
    cdef double number
    cdef OpFunction found
    if array_functions is None:
        load_operators()
    if isinstance(lhs, NDArray):
        inputs[0] = <PyObject*>lhs
        if isinstance(rhs, NDArray):
            inputs[1] = <PyObject*>rhs
            found = <OpFunction>array_functions[operation]
            return run_plan(found, inputs, 2, found.default_attrs, None, NULL, 0, None)
        other = rhs
        found = <OpFunction>scalar_functions[operation]
    else:
        inputs[0] = <PyObject*>rhs
        other = lhs
        found = <OpFunction>reverse_functions[operation]
    if PyFloat_CheckExact(other):
        number = PyFloat_AS_DOUBLE(other)
    elif isinstance(other, (int, float, np_generic)):
        number = float(other)
    elif hasattr(other, "_weft_symbol"):
        return NotImplemented
    else:
        raise TypeError(f"type {type(other)} not supported: the other operand must be NDArray or a number")
    return run_plan(found, inputs, 1, found.default_attrs, None, &number, 1, None)


set_binary_dispatch(binary)
cdef object _probe = OpFunction.__new__(OpFunction)
weft_enable_vectorcall(<PyTypeObject*>OpFunction, <char*>&(<OpFunction>_probe).vectorcall - <char*><PyObject*>_probe)
