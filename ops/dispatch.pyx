"""Calling operators: arguments to kernels.

The first call with new arguments asks the declaration (Python); what it answers is kept as a *binding* (arguments to
attributes) and a *plan* (attributes and input specs to a kernel). Later calls run no Python code.
"""

cimport cython
from cpython.object cimport PyObject, PyTypeObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from ..engine._engine cimport holds, push_site, throttle_if_needed
from ..engine.cengine cimport kComputeStream, kCopyInStream, kCopyOutStream, Buffer, bulk_open, in_task, intern_name, settings
from .array cimport NDArray, Spec, TapeNode, get_spec, new_array, set_binary_dispatch, share
from .kernel cimport CKernel, Kernel

from numpy import generic as np_generic

from . import registry
from .array import as_dtype
from .context import Context, current_context
from .errors import ArgumentTypeError, MXNetError, ShapeError
from .kernel import make_numpy_kernel

cdef extern from "Python.h":
    unsigned long Py_TPFLAGS_HAVE_VECTORCALL
    unsigned long Py_TPFLAGS_METHOD_DESCRIPTOR
    Py_ssize_t PyVectorcall_NARGS(size_t nargsf)
    object PyVectorcall_Call(object callable, object args, object kwargs)
    void PyType_Modified(PyTypeObject* type)
    object PyMethod_New(object function, object self)
    int PyFloat_CheckExact(object item)
    int PyLong_CheckExact(object item)
    double PyFloat_AS_DOUBLE(object item)
    double PyLong_AsDouble(object item) except? -1

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

cdef extern from "ops/invoke.hpp" namespace "weft" nogil:
    int kMostArrays
    int kMostScalars
    int kCallDone
    int kCallQueued
    int kCallFailed
    int kCallBusy

    cdef struct ArrayRef:
        Buffer* buffer
        int64_t offset

    cdef cppclass CallInfo:
        pass

    CallInfo* new_call_info(CKernel* kernel, const char* description, uint32_t name)
    void release_call_info(CallInfo* info)

    cdef struct Call:
        CallInfo* info
        const ArrayRef* inputs
        const ArrayRef* outputs
        const unsigned char* mutated
        const double* scalars
        int n_inputs
        int n_outputs
        int n_scalars
        uint64_t seed
        uint64_t counter
        bint fresh_outputs
        double cost_ns
        int priority
        int device
        int stream

    int run_here(const Call& call, char* error)
    void poison_outputs(const Call& call, const char* error, uint32_t site)
    bint push_call(const Call& call, uint32_t site)

cdef extern from "ops/kernel.hpp" namespace "weft" nogil:
    int kErrorBytes

cdef extern from *:
    """
    // Each thread's autograd modes and push priority.
    struct WeftThreadState {
      int recording = 0;
      int training = 0;
      int priority = 0;
    };
    static thread_local WeftThreadState weft_thread_state;
    static inline WeftThreadState* weft_state() { return &weft_thread_state; }
    """
    cdef cppclass WeftThreadState:
        int recording
        int training
        int priority
    WeftThreadState* weft_state() nogil

# As vectorcallfunc of Python.h, less a const.
ctypedef object (*call_function)(object self, PyObject** args, size_t nargsf, PyObject* kwnames)

cdef int kMostBindings = 4096
# A NumPy kernel holds the GIL anyway: up to here it runs where it is called.
cdef double kPythonInlineNs = 100000

cdef int64_t tape_counter = 0


def is_recording():
    """Return whether operator calls of this thread are recorded."""
    return bool(weft_state().recording)


def set_recording(bint is_recording):
    """Set whether operator calls are recorded; return the old state."""
    old = bool(weft_state().recording)
    weft_state().recording = is_recording
    return old


def set_priority(int priority):
    """Set the priority of the tasks that this thread pushes, and return what it was: ready tasks run highest first."""
    old = weft_state().priority
    weft_state().priority = priority
    return old


def is_training():
    """Return whether operators of this thread run in training mode."""
    return bool(weft_state().training)


def set_training(bint train_mode):
    """Set the training mode; return the old one."""
    old = bool(weft_state().training)
    weft_state().training = train_mode
    return old


# --- random numbers -------------------------------------------------------------------------------

cdef class Generator:
    """Where a device's random operators take their numbers from: draw number `counter` of stream `seed`."""

    cdef uint64_t seed
    cdef uint64_t counter


cdef dict _generators = {}
cdef uint64_t _default_seed = 0


cdef Generator generator_of(object ctx):
    cdef Generator found = _generators.get(ctx)
    if found is None:
        found = Generator.__new__(Generator)
        # Devices differ in their numbers also when they were seeded alike at start.
        found.seed = _default_seed + (<uint64_t>ctx.device_typeid << 32 | <uint64_t>ctx.device_id) * <uint64_t>0x9E3779B97F4A7C15
        _generators[ctx] = found
    return found


def seed_generators(seed, ctx=None):
    """Start the random numbers of one device, or of all, anew."""
    global _default_seed
    cdef Generator generator
    cdef uint64_t value = <uint64_t>(int(seed) & 0xFFFFFFFFFFFFFFFF)
    if ctx is None:
        _generators.clear()
        _default_seed = value
        return
    generator = generator_of(Context(ctx))
    generator.seed = value
    generator.counter = 0


# --- plans ----------------------------------------------------------------------------------------

@cython.final
cdef class Plan:
    """How to run one operator for given attributes and input specs."""

    cdef Kernel kernel
    cdef CallInfo* info
    cdef tuple out_specs
    cdef int n_inputs, n_outputs, n_visible
    cdef bint is_python, random, any_mutated
    cdef double cost_ns
    cdef bytes mutated
    cdef set inplace

    def __dealloc__(self):
        if self.info != NULL:
            release_call_info(self.info)


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
    cdef bint uses_train, random, has_dynamic, tuple_dynamic, differentiable
    cdef object default_attrs, default_train_attrs
    cdef dict bindings, canonical, plans
    cdef Slot slots[kSlots]
    cdef uint32_t name
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
        self.save_inputs = "i" in op.saves
        self.save_outputs = "o" in op.saves
        self.bindings = {}
        self.canonical = {}
        self.plans = {}
        encoded = op.name.encode()
        self.name = intern_name(encoded)
        if op._default_values is not None:
            # Untrained: the first use of an operator may come while training.
            self.default_attrs = self.untrained(self.canonical_attrs(op.attrs()))
            self.default_train_attrs = self.trained(self.default_attrs)

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
        if self.uses_train and attrs.train != bool(weft_state().training):
            attrs = attrs.with_(train=bool(weft_state().training))
        key = attrs.cache_key
        found = self.canonical.get(key)
        if found is not None:
            return found
        if len(self.canonical) >= kMostBindings:
            self.forget()
        self.canonical[key] = attrs
        return attrs

    cdef object trained(self, object attrs):
        if not self.uses_train:
            return attrs
        attrs = attrs.with_(train=True)
        return self.canonical.setdefault(attrs.cache_key, attrs)

    cdef object untrained(self, object attrs):
        if not self.uses_train:
            return attrs
        attrs = attrs.with_(train=False)
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
            plan = self.make_plan([(<NDArray>inputs[i]).spec for i in range(n)], attrs)
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

    cdef Plan make_plan(self, list in_specs, object attrs):
        op = self.op
        shapes = [(<Spec>spec).shape for spec in in_specs]
        dtypes = [(<Spec>spec).dtype for spec in in_specs]
        out_shapes, out_dtypes = op.infer(attrs, shapes, dtypes)
        out_specs = [get_spec(tuple(shape), as_dtype(dtype)) for shape, dtype in zip(out_shapes, out_dtypes)]
        cost = estimate_cost(op, attrs, in_specs, out_specs)
        cdef Kernel kernel = None
        for builder in op.cpu:
            kernel = builder(attrs, in_specs, out_specs)
            if kernel is not None:
                break
        if kernel is None:
            if op.numpy is None:
                raise ShapeError(f"{op.name}: no kernel for input dtypes {', '.join(d.name for d in dtypes)}")
            dynamic = []
            for name in op.dynamic_params:
                value = getattr(attrs, name)
                dynamic.append((name, len(value) if isinstance(value, tuple) else -1))
            kernel = make_numpy_kernel(op.numpy, attrs, in_specs, out_specs, cost, dynamic, op.random)
        cdef Plan plan = Plan.__new__(Plan)
        plan.kernel = kernel
        plan.out_specs = tuple(out_specs)
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
        text = ", ".join(f"{name}: {spec.shape} {spec.dtype}" for name, spec in zip(names, in_specs))
        encoded = f"({text})".encode()
        plan.info = new_call_info(kernel.pointer, encoded, self.name)
        return plan


cdef double estimate_cost(object op, object attrs, list in_specs, list out_specs) except? -1:
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


# --- running --------------------------------------------------------------------------------------

cdef object mixed_devices(OpFunction function, PyObject** inputs, Py_ssize_t n):
    devices = ", ".join(f"{(<NDArray>inputs[i]).spec.shape} on {(<NDArray>inputs[i]).ctx_}" for i in range(n))
    return MXNetError(f"{function.op.name}: all inputs must be on one device, got {devices}")


cdef object run_plan(OpFunction function, PyObject** inputs, Py_ssize_t n, object attrs, object ctx,
                     const double* scalars, int n_scalars, object out):
    """Run an operator; `ctx` matters only without inputs. Returns an array or a list of arrays."""
    cdef ArrayRef few[8]
    cdef ArrayRef* refs = few
    cdef char error[512]
    cdef Call call
    cdef Plan plan
    cdef NDArray array
    cdef Generator generator
    cdef WeftThreadState* state = weft_state()
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
    plan = function.plan_for(inputs, n, attrs, ctx)
    if out is not None:
        return run_into(function, plan, inputs, n, attrs, ctx, scalars, n_scalars, out)
    cdef object heap = None
    if n + plan.n_outputs > 8:
        heap = bytearray((n + plan.n_outputs) * sizeof(ArrayRef))
        refs = <ArrayRef*><char*>heap
    for i in range(n):
        refs[i].buffer = (<NDArray>inputs[i]).buffer
        refs[i].offset = (<NDArray>inputs[i]).offset
    if plan.n_outputs == 1:
        single = new_array(<Spec>plan.out_specs[0], ctx)
        refs[n].buffer = single.buffer
        refs[n].offset = 0
    else:
        outputs = []
        for i in range(plan.n_outputs):
            array = new_array(<Spec>plan.out_specs[i], ctx)
            outputs.append(array)
            refs[n + i].buffer = array.buffer
            refs[n + i].offset = 0
    call.info = plan.info
    call.inputs = refs
    call.outputs = refs + n
    call.mutated = NULL
    call.scalars = scalars
    call.n_inputs = <int>n
    call.n_outputs = plan.n_outputs
    call.n_scalars = n_scalars
    call.seed = call.counter = 0
    call.cost_ns = plan.cost_ns
    call.priority = state.priority
    call.device = call.outputs[0].buffer.device if plan.n_outputs else 0
    call.stream = 0
    call.fresh_outputs = True
    if plan.random:
        generator = generator_of(ctx)
        call.seed = generator.seed
        call.counter = generator.counter
        generator.counter += 1
    result = kCallBusy
    if not plan.any_mutated and call.device == 0 and not bulk_open() and not in_task() and plan.cost_ns <= (
            kPythonInlineNs if plan.is_python else settings.inline_cost_ns.load()):
        error[0] = 0
        result = run_here(call, error)
        if result == kCallFailed:
            poison_outputs(call, error, push_site())
    if result == kCallBusy:
        submit(plan, &call)
    if state.recording:
        record(function, plan, inputs, n, attrs, scalars, n_scalars, single, outputs)
    if single is not None:
        return single
    if plan.n_visible == 1:
        return outputs[0]
    return outputs[:plan.n_visible]


cdef int submit(Plan plan, Call* call) except -1:
    cdef uint32_t site = push_site()
    if plan.any_mutated:
        call.mutated = <const unsigned char*><char*>plan.mutated
    throttle_if_needed()
    with nogil:
        push_call(call[0], site)
    return 0


cdef object run_into(OpFunction function, Plan plan, PyObject** inputs, Py_ssize_t n, object attrs, object ctx,
                     const double* scalars, int n_scalars, object out):
    """Run with `out`: results go into arrays that exist."""
    cdef list targets = list(out) if isinstance(out, (list, tuple)) else [out]
    cdef list written = []
    cdef list copies = []
    cdef NDArray target
    cdef Call call
    cdef Generator generator
    cdef WeftThreadState* state = weft_state()
    cdef Py_ssize_t i, k
    cdef Spec spec
    cdef object heap = bytearray((n + plan.n_outputs + 1) * sizeof(ArrayRef))
    cdef ArrayRef* refs = <ArrayRef*><char*>heap
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
        if state.recording and target.node is not None and function.op.name != "_copyto":
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
        refs[i].buffer = (<NDArray>inputs[i]).buffer
        refs[i].offset = (<NDArray>inputs[i]).offset
    for i in range(plan.n_outputs):
        target = written[i]
        refs[n + i].buffer = target.buffer
        refs[n + i].offset = target.offset
    call.info = plan.info
    call.inputs = refs
    call.outputs = refs + n
    call.mutated = NULL
    call.scalars = scalars
    call.n_inputs = <int>n
    call.n_outputs = plan.n_outputs
    call.n_scalars = n_scalars
    call.seed = call.counter = 0
    call.cost_ns = plan.cost_ns
    call.priority = state.priority
    choose_stream(&call)
    call.fresh_outputs = False
    if plan.random:
        generator = generator_of(ctx)
        call.seed = generator.seed
        call.counter = generator.counter
        generator.counter += 1
    submit(plan, &call)
    if state.recording:
        record(function, plan, inputs, n, attrs, scalars, n_scalars, None, written)
    for k in copies:
        copy_into(written[k], targets[k])
    return out


cdef void choose_stream(Call* call) noexcept:
    """The device that a call belongs to; copies from and to the host have streams of their own."""
    cdef int origin, goal
    call.stream = kComputeStream
    goal = call.outputs[0].buffer.device if call.n_outputs else call.inputs[0].buffer.device
    origin = call.inputs[0].buffer.device if call.n_inputs else goal
    call.device = goal if goal else origin
    if goal != origin:
        call.stream = kCopyInStream if goal else kCopyOutStream


cdef bint overlaps(NDArray target, Plan plan, int index, PyObject** inputs, Py_ssize_t n):
    """Whether writing `target` would spoil an input that the kernel still reads."""
    cdef NDArray source
    cdef Py_ssize_t i
    for i in range(n):
        source = <NDArray>inputs[i]
        if source.buffer != target.buffer:
            continue
        if source.offset == target.offset and source.spec.nbytes == target.spec.nbytes:
            if (i, index) in plan.inplace or plan.mutated[i]:
                continue
            return True
        if source.offset < target.offset + target.spec.nbytes and target.offset < source.offset + source.spec.nbytes:
            return True
    return False


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
    recording = weft_state().recording
    weft_state().recording = 0
    try:
        run_plan(copy_function, inputs, 1, copy_function.default_attrs, None, NULL, 0, target)
    finally:
        weft_state().recording = recording
    if recording:
        target.node = source.node
        target.node_index = source.node_index
    return 0


# --- recording ------------------------------------------------------------------------------------

cdef int record(OpFunction function, Plan plan, PyObject** inputs, Py_ssize_t n, object attrs,
                const double* scalars, int n_scalars, NDArray single, list outputs) except -1:
    global tape_counter
    cdef bint wanted = False
    cdef Py_ssize_t i
    cdef NDArray array
    cdef TapeNode node
    for i in range(n):
        if (<NDArray>inputs[i]).node is not None:
            wanted = True
            break
    if not wanted:
        return 0
    if n_scalars:
        attrs = with_scalars(function, attrs, scalars)
    node = TapeNode.__new__(TapeNode)
    node.function = function
    node.attrs = attrs
    node.out_specs = plan.out_specs
    tape_counter += 1
    node.number = tape_counter
    parents = []
    kept = []
    for i in range(n):
        array = <NDArray>inputs[i]
        parents.append((array.node, array.node_index) if array.node is not None else None)
        kept.append(array if function.save_inputs else None)
    node.parents = tuple(parents)
    node.inputs = tuple(kept)
    if outputs is None:
        node.context = single.ctx_
        if function.save_outputs:
            node.outputs = (detached(single),)
        single.node = node
        single.node_index = 0
    else:
        node.context = (<NDArray>outputs[0]).ctx_
        if function.save_outputs:
            node.outputs = tuple([detached(<NDArray>array) for array in outputs])
        for i in range(len(outputs)):
            array = <NDArray>outputs[i]
            array.node = node
            array.node_index = <int>i
    return 0


cdef NDArray detached(NDArray array):
    """The same storage without a place in the graph: a node must not hold its own outputs."""
    return share(array, array.spec, array.offset)


cdef object with_scalars(OpFunction function, object attrs, const double* scalars):
    cdef Py_ssize_t at = 0
    values = {}
    for name in function.op.dynamic_params:
        value = getattr(attrs, name)
        if isinstance(value, tuple):
            values[name] = tuple([scalars[at + k] for k in range(len(value))])
            at += len(value)
        else:
            values[name] = scalars[at]
            at += 1
    return attrs.with_(**values)


def record_view(str name, NDArray source not None, dict kwargs, NDArray view not None):
    """Record ``view``, a share of the storage of ``source``, as what an operator gives for it; return the view.

    Nothing is recorded where ``source`` is not part of a graph.
    """
    global tape_counter
    cdef OpFunction found
    cdef TapeNode node
    if not weft_state().recording or source.node is None:
        return view
    found = function(name)
    node = TapeNode.__new__(TapeNode)
    node.function = found
    node.attrs = found.canonical_attrs(found.op.attrs(kwargs))
    node.out_specs = (view.spec,)
    node.context = view.ctx_
    tape_counter += 1
    node.number = tape_counter
    node.parents = ((source.node, source.node_index),)
    node.inputs = (source if found.save_inputs else None,)
    if found.save_outputs:
        node.outputs = (detached(view),)
    view.node = node
    view.node_index = 0
    return view


def new_variable_node(NDArray grad, str grad_req):
    """Return the tape node of a variable whose gradient goes to ``grad``."""
    global tape_counter
    cdef TapeNode node = TapeNode.__new__(TapeNode)
    tape_counter += 1
    node.number = tape_counter
    node.grad = grad
    node.grad_req = grad_req
    return node


def new_function_node(function, inputs, outputs):
    """Record a call of a Python function: its ``backward`` will be asked for gradients."""
    global tape_counter
    cdef TapeNode node = TapeNode.__new__(TapeNode)
    cdef NDArray array
    tape_counter += 1
    node.number = tape_counter
    node.function = function
    parents = []
    for array in inputs:
        parents.append((array.node, array.node_index) if array.node is not None else None)
    node.parents = tuple(parents)
    node.inputs = tuple(inputs)
    node.out_specs = tuple([(<NDArray>array).spec for array in outputs])
    node.context = (<NDArray>outputs[0]).ctx_ if outputs else None
    for i, item in enumerate(outputs):
        array = item
        array.node = node
        array.node_index = i
    return node


def clear_node(TapeNode node):
    """Let go of what a node kept for its gradient."""
    node.inputs = None
    node.outputs = None
    node.parents = ()
    node.function = None
    node.cleared = True


# --- calling --------------------------------------------------------------------------------------

cdef object symbol_hook = None


def set_symbol_hook(hook):
    """Set ``hook(op, inputs, attrs, name)``, called when an operator gets symbols instead of arrays."""
    global symbol_hook
    symbol_hook = hook


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
            if function.uses_train and weft_state().training:
                attrs = function.default_train_attrs
            return run_plan(function, args, n, attrs, None, NULL, 0, None)
    return call_bound(function, args, n, <tuple>kwnames if kwnames != NULL else None)


cdef object call_bound(OpFunction function, PyObject** args, Py_ssize_t n, tuple kwnames):
    cdef Py_ssize_t total = n + (len(kwnames) if kwnames is not None else 0)
    cdef Binding binding
    cdef PyObject* inputs[16]
    cdef double scalars[16]
    cdef Py_ssize_t i
    cdef int k
    cdef object key, item
    cdef list parts
    if total > 24 or function.tuple_dynamic:
        return call_slowly(function, args, n, kwnames)
    parts = [kwnames]
    for i in range(total):
        item = <object>args[i]
        if type(item) is NDArray:
            parts.append(None)
            parts.append(NDArray)
        elif function.has_dynamic and is_dynamic(function, i, n, kwnames):
            if type(item) is not float and type(item) is not int:
                return call_slowly(function, args, n, kwnames)
            parts.append(type(item))
            parts.append(is_dynamic_marker)
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
    if len(binding.inputs) > 16 or binding.n_scalars > 16:
        return call_slowly(function, args, n, kwnames)
    k = 0
    for i in binding.inputs:
        inputs[k] = args[i]
        k += 1
    for k in range(binding.n_scalars):
        i = binding.scalar_indices[k]
        scalars[k] = <double>(binding.scalar_defaults[k] if i < 0 else <object>args[i])
    return run_plan(function, inputs, len(binding.inputs),
                    binding.train_attrs if weft_state().training else binding.attrs,
                    device_of(binding.attrs) if not binding.inputs else None, scalars, binding.n_scalars,
                    <object>args[binding.out] if binding.out >= 0 else None)


is_dynamic_marker = object()


cdef bint is_dynamic(OpFunction function, Py_ssize_t index, Py_ssize_t n, tuple kwnames):
    cdef str name
    if index >= n:
        name = kwnames[index - n]
    else:
        positions = function.op._positions
        if index >= len(positions):
            return False
        name = positions[index]
    return name in function.op.dynamic_params


cdef object bind(OpFunction function, PyObject** args, Py_ssize_t n, tuple kwnames):
    """Ask the declaration what a way of calling means; None where it cannot be kept."""
    op = function.op
    positional = [<object>args[i] for i in range(n)]
    keywords = {kwnames[i]: <object>args[n + i] for i in range(len(kwnames))} if kwnames is not None else {}
    inputs, attrs, out, _ = registry.bind_arguments(op, positional, keywords)
    everything = positional + list(keywords.values())
    cdef Binding binding = Binding.__new__(Binding)
    binding.inputs = []
    binding.out = -1
    where = {}
    for index, item in enumerate(everything):
        where.setdefault(id(item), []).append(index)
    out_index = None
    if kwnames is not None and "out" in kwnames:
        out_index = n + kwnames.index("out")
    elif out is not None:
        out_index = len(op._positions)
    names = list(op.inputs) if not op.variadic else None
    for position, item in enumerate(inputs):
        if type(item) is not NDArray:
            return None
        # The same array may be given twice: take the argument that the input's name says.
        candidates = [index for index in where[id(item)] if index != out_index]
        if len(candidates) > 1 and names is not None:
            active = op.input_names(attrs)
            wanted = active[position]
            if kwnames is not None and wanted in kwnames:
                candidates = [n + kwnames.index(wanted)]
            else:
                candidates = [op._positions.index(wanted)]
        elif len(candidates) > 1:
            candidates = [position]
        if not candidates:
            return None
        binding.inputs.append(candidates[0])
    if out is not None:
        if type(out) is not NDArray:
            return None
        binding.out = out_index
    binding.attrs = function.canonical_attrs(attrs)
    binding.train_attrs = binding.attrs
    if function.uses_train:
        binding.train_attrs = function.trained(binding.attrs)
        binding.attrs = function.untrained(binding.attrs)
    binding.n_scalars = 0
    binding.scalar_indices = []
    binding.scalar_defaults = []
    for dynamic in op.dynamic_params:
        value = getattr(attrs, dynamic)
        if value is None:
            return None
        index = -1
        if kwnames is not None and dynamic in kwnames:
            index = n + kwnames.index(dynamic)
        elif dynamic in op._positions and op._positions.index(dynamic) < n:
            index = op._positions.index(dynamic)
        binding.scalar_indices.append(index)
        binding.scalar_defaults.append(float(value))
        binding.n_scalars += 1
    return binding


cdef dict _devices = {}


cdef object device_of(object attrs):
    given = getattr(attrs, "ctx", None)
    device = _devices.get(given)
    if device is None:
        device = parse_device(given) if given else current_context()
        if device.device_typeid == 2:
            raise MXNetError(f"{device} is not available: this build of weft has no CUDA kernels yet")
        if given:
            _devices[given] = device
    return device


cdef object parse_device(object given):
    if isinstance(given, Context):
        return given
    text = str(given)
    kind, _, rest = text.partition("(")
    try:
        return Context(kind, int(rest.rstrip(")") or 0))
    except ValueError:
        raise ValueError(f"ctx: expected a context such as 'cpu(0)', got {given!r}") from None


cdef object call_slowly(OpFunction function, PyObject** args, Py_ssize_t n, tuple kwnames):
    positional = [<object>args[i] for i in range(n)]
    keywords = {kwnames[i]: <object>args[n + i] for i in range(len(kwnames))} if kwnames is not None else {}
    inputs, attrs, out, name = registry.bind_arguments(function.op, positional, keywords)
    for position, item in enumerate(inputs):
        if isinstance(item, NDArray):
            continue
        if symbol_hook is not None and hasattr(item, "_weft_symbol"):
            return symbol_hook(function.op, inputs, attrs, name)
        names = function.op.input_names(attrs)
        raise ArgumentTypeError(
            f"{function.op.name}: input {names[position]!r} must be NDArray, got {type(item).__name__} ({item!r:.60})"
        )
    if symbol_hook is not None and not inputs and hasattr(out, "_weft_symbol"):
        return symbol_hook(function.op, inputs, attrs, name)
    return call(function, inputs, attrs, out)


cdef object call(OpFunction function, list inputs, object attrs, object out):
    cdef object given = attrs
    cdef Py_ssize_t i, n = len(inputs)
    cdef object pointers = bytearray((n + 1) * sizeof(void*))
    cdef PyObject** array_pointers = <PyObject**><char*>pointers
    cdef object numbers = None
    cdef double* scalars = NULL
    cdef int n_scalars = 0
    attrs = function.canonical_attrs(attrs)
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
        # Tuples of another length are another kernel.
        if function.tuple_dynamic:
            attrs = given
            key = (given.cache_key, n_scalars)
            attrs = function.canonical.setdefault(key, given)
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
_operator_names = (
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
    scalar_functions = [function(names[1]) for names in _operator_names]
    reverse_functions = [function(names[2]) for names in _operator_names]
    array_functions = [function(names[0]) for names in _operator_names]
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
