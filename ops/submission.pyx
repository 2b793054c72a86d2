"""Handing a prepared call to the engine: on this thread where that is quickest, else as a task."""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from ..engine._engine cimport push_site, throttle_if_needed
from ..engine.cengine cimport (
    ErrorRecord,
    bulk_open,
    error_release,
    error_retain,
    in_task,
    kComputeStream,
    kCopyInStream,
    kCopyOutStream,
    settings,
)
from .array cimport NDArray
from .invoke cimport (
    ArrayRef,
    Call,
    HeldCall,
    failure_of,
    finish_here,
    inherited,
    push_call,
    run_held,
    take_here,
)
from .modes cimport Generator, generator_of, thread_modes
from .plans cimport Plan

# A NumPy kernel holds the GIL anyway: up to here it runs where it is called.
cdef double kPythonInlineNs = 100000


cdef int start_call(Call* call, Plan plan, ArrayRef* refs, const double* scalars, int n_scalars, object ctx) except -1:
    """Fill in what calls have in common; `refs` are the inputs, then the outputs."""
    cdef Generator generator
    call.info = plan.info
    call.inputs = refs
    call.outputs = refs + plan.n_inputs
    call.mutated = NULL
    call.scalars = scalars
    call.n_inputs = plan.n_inputs
    call.n_outputs = plan.n_outputs
    call.n_scalars = n_scalars
    call.seed = call.counter = 0
    call.cost_ns = plan.cost_ns
    call.priority = thread_modes().priority
    if plan.random:
        generator = generator_of(ctx)
        call.seed = generator.seed
        call.counter = generator.counter
        generator.counter += 1
    return 0


cdef bint runs_inline(Plan plan, Call* call) noexcept:
    """Whether a call is for the calling thread, if what it needs is free."""
    return call.device == 0 and not bulk_open() and not in_task() and plan.cost_ns <= (
        kPythonInlineNs if plan.is_python else settings.inline_cost_ns.load())


cdef bint run_written(Plan plan, Call* call) except -1:
    """Run a call that writes arrays which exist on this thread; False when something is in use."""
    cdef HeldCall held
    cdef ErrorRecord* failure
    cdef char error[512]
    if not take_here(call[0], &held):
        return False
    failure = inherited(call[0])
    if failure != NULL:
        error_retain(failure)
    else:
        error[0] = 0
        if run_held(call[0], error):
            failure = failure_of(call[0], error, push_site())
    finish_here(&held, failure)
    if failure != NULL:
        error_release(failure)
    return True


cdef int submit(Plan plan, Call* call) except -1:
    cdef uint32_t site
    if plan.any_mutated:
        call.mutated = <const unsigned char*><char*>plan.mutated
    if runs_inline(plan, call) and run_written(plan, call):
        return 0
    site = push_site()
    throttle_if_needed()
    with nogil:
        push_call(call[0], site)
    return 0


cdef void choose_stream(Call* call) noexcept:
    """The device that a call belongs to; copies from and to the host have streams of their own."""
    cdef int origin, goal
    call.stream = kComputeStream
    goal = call.outputs[0].buffer.device if call.n_outputs else call.inputs[0].buffer.device
    origin = call.inputs[0].buffer.device if call.n_inputs else goal
    call.device = goal if goal else origin
    if goal != origin:
        call.stream = kCopyInStream if goal else kCopyOutStream


cdef bint overlaps(NDArray target, Plan plan, int index, PyObject** inputs, Py_ssize_t n) noexcept:
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
