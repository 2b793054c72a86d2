"""The engine as Python sees it: waiting with signals, errors with the user's line, tasks in Python."""

import os
import traceback

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport strncpy
from libcpp.string cimport string
from libcpp.vector cimport vector

from .cengine cimport (
    CVar,
    device_number,
    set_simulated_delay,
    simulated_delay,
    describe_pending,
    set_watchdog,
    site_of,
    intern_site,
    bulk_open,
    flush_bulk,
    set_bulk_size,
    bulk_size,
    in_task,
    access_of,
    Access,
    ErrorRecord,
    EventRecord,
    TaskContext,
    TaskSpec,
    WaitRecord,
    begin_wait,
    begin_wait_all,
    core_count,
    end_wait,
    enter_gil_wait,
    error_release,
    error_retain,
    intern_name,
    kTaskErrorBytes,
    kTaskNeedsGil,
    leave_gil_wait,
    name_of,
    new_var,
    on_worker,
    pending_tasks,
    pool_empty_cache,
    pool_reset_peak,
    pool_set_limit,
    pool_statistics,
    push as push_task,
    reset_after_fork,
    set_core_count,
    set_exception_release,
    settings,
    should_throttle,
    shutdown,
    forget_first_error,
    take_first_error,
    throttle,
    trace_read,
    ticks,
    trace_inline,
    trace_start,
    trace_stop,
    tracing,
    var_id,
    var_release,
    wait_for,
)

from . import errors
from .errors import MXNetError, failure

cdef extern from "Python.h":
    ctypedef struct PyFrameObject:
        pass
    ctypedef struct PyCodeObject:
        PyObject* co_filename
    PyFrameObject* PyEval_GetFrame()
    PyFrameObject* PyFrame_GetBack(PyFrameObject* frame)
    PyCodeObject* PyFrame_GetCode(PyFrameObject* frame)
    int PyFrame_GetLineNumber(PyFrameObject* frame)
    ctypedef int PyGILState_STATE
    PyGILState_STATE PyGILState_Ensure() nogil
    void PyGILState_Release(PyGILState_STATE state) nogil
    int Py_IsInitialized() nogil

cdef extern from *:
    """
    #if PY_VERSION_HEX < 0x030B0000
    #include <frameobject.h>  // Python.h has frames from 3.11 on
    #endif
    // Where in its code a frame is: a number for each instruction.
    static int weft_instruction(PyFrameObject* frame) {
    #if PY_VERSION_HEX >= 0x030B0000
      return PyFrame_GetLasti(frame);
    #else
      return frame->f_lasti;
    #endif
    }
    #include <mutex>
    #include <vector>
    // Exceptions of failed tasks, dropped by threads that do not hold the GIL.
    static std::mutex weft_doomed_lock;
    static std::vector<PyObject*> weft_doomed;
    static void weft_doom(void* object) {
      std::lock_guard<std::mutex> guard(weft_doomed_lock);
      weft_doomed.push_back(static_cast<PyObject*>(object));
    }
    static std::vector<PyObject*> weft_take_doomed() {
      std::lock_guard<std::mutex> guard(weft_doomed_lock);
      return std::move(weft_doomed);
    }
    """
    int weft_instruction(PyFrameObject* frame)
    void weft_doom(void* exception) noexcept nogil
    vector[PyObject*] weft_take_doomed()

set_exception_release(weft_doom)

# --- push sites -----------------------------------------------------------------------------------

# From a Python file: extension modules of an editable install lie elsewhere.
_root = os.path.dirname(os.path.dirname(os.path.abspath(errors.__file__)))
# Folders of weft's own code; tests, examples and benches beside them are user code.
_own_folders = tuple(os.path.join(_root, name) + os.sep for name in ("engine", "ops", "frontend", "profiler"))
cdef dict _is_own = {}
cdef dict _site_numbers = {}


cdef bint is_own(object filename):
    known = _is_own.get(filename)
    if known is None:
        known = filename.startswith(_own_folders) or filename == os.path.join(_root, "__init__.py")
        _is_own[filename] = known
    return known


# Line numbers are slow to find: what was found is kept by code object and instruction.
cdef struct SiteSlot:
    PyObject* code  # owned
    int instruction
    uint32_t site

cdef enum:
    kSiteSlots = 512

cdef SiteSlot _site_slots[kSiteSlots]


cdef uint32_t push_site() except? 0:
    """The number of the line of user code that is running."""
    cdef PyFrameObject* frame = PyEval_GetFrame()
    cdef PyFrameObject* back
    cdef PyObject* code
    cdef SiteSlot* slot
    cdef int instruction
    if frame == NULL:
        return 0
    Py_INCREF(<object>frame)
    while True:
        code = <PyObject*>PyFrame_GetCode(frame)
        instruction = weft_instruction(frame)
        slot = &_site_slots[((<size_t>code >> 5) ^ <size_t>instruction) % kSiteSlots]
        if slot.code == code and slot.instruction == instruction:
            Py_XDECREF(code)
            Py_XDECREF(<PyObject*>frame)
            return slot.site
        filename = <object>(<PyCodeObject*>code).co_filename
        if not is_own(filename):
            break
        Py_XDECREF(code)
        back = PyFrame_GetBack(frame)
        Py_XDECREF(<PyObject*>frame)
        if back == NULL:
            return 0
        frame = back
    site = site_number(filename, PyFrame_GetLineNumber(frame))
    Py_XDECREF(<PyObject*>frame)
    back = <PyFrameObject*>slot.code
    slot.code, slot.instruction, slot.site = code, instruction, site
    Py_XDECREF(<PyObject*>back)
    return site


cdef uint32_t site_number(object filename, int line) except? 0:
    key = (filename, line)
    number = _site_numbers.get(key)
    if number is None:
        encoded = f"{filename}:{line}".encode("utf-8", "replace")
        number = intern_site(encoded)
        _site_numbers[key] = number
    return number


# --- errors ---------------------------------------------------------------------------------------

cdef int drop_doomed() except -1:
    cdef vector[PyObject*] doomed = weft_take_doomed()
    cdef PyObject* item
    for item in doomed:
        Py_XDECREF(item)
    return 0


cdef int raise_record(ErrorRecord* record) except -1:
    text = record.message.decode("utf-8", "replace")
    where = name_of(record.name).decode("utf-8", "replace")
    if record.description.size():
        where += " " + record.description.decode("utf-8", "replace")
    message = f"{text}\n  in {where}"
    if record.site:
        message += "\n  pushed at " + site_of(record.site).decode("utf-8", "replace")
    error = failure(message)
    if record.exception != NULL:
        error.__cause__ = <object>record.exception
    raise error


cdef int wait_record(WaitRecord* record) except -1:
    cdef bint done = False
    try:
        while not done:
            with nogil:
                done = wait_for(record, 50)
            PyErr_CheckSignals()
    finally:
        end_wait(record)
    return 0


cdef int wait_var_quietly(CVar* var, bint write_side) except -1:
    cdef WaitRecord* record
    if bulk_open():
        flush_bulk()
    if in_task() and holds(var, write_side):
        return 0
    if var.idle() if write_side else var.readable():
        return 0
    with nogil:
        record = begin_wait(var, write_side)
    wait_record(record)
    return 0


cdef bint holds(CVar* var, bint for_write) except -1:
    """Whether the running task holds `var`; raises where it uses it against its declaration."""
    cdef Access access = access_of(var, for_write)
    if access == Access.kOnlyRead:
        raise MXNetError("a task writes an array that it declared as read: name it in `writes`")
    if access == Access.kUndeclared:
        raise MXNetError("dependency sanitizer: a task uses an array that it did not declare in `reads` or `writes`")
    return access == Access.kHeld


cdef int wait_var(CVar* var, bint write_side) except -1:
    wait_var_quietly(var, write_side)
    cdef ErrorRecord* error = var.error.load()
    if error != NULL:
        error_retain(error)
        forget_first_error()
        try:
            raise_record(error)
        finally:
            error_release(error)
    return 0


cdef int throttle_if_needed() except -1:
    if should_throttle() and not on_worker():
        with nogil:
            throttle()
        PyErr_CheckSignals()
    return 0


def wait_all_quietly():
    """Wait for everything pushed so far; failures stay where they are."""
    wait_record(begin_wait_all())


def wait_all():
    """Wait for everything pushed so far; raise the first failure since any wait raised one, once.

    Raises
    ------
    MXNetError
        The first task that failed, with the line that pushed it.
    """
    cdef ErrorRecord* error
    wait_record(begin_wait_all())
    drop_doomed()
    error = take_first_error()
    if error != NULL:
        try:
            raise_record(error)
        finally:
            error_release(error)


# --- tasks in Python ------------------------------------------------------------------------------

cdef class Var:
    """A variable of its own, to order tasks that share something which is not an array.

    >>> from weft import engine
    >>> var = engine.Var()
    >>> engine.push(lambda: None, writes=[var])
    >>> var.wait()
    >>> var.version
    1
    """

    def __cinit__(self):
        self.pointer = new_var()

    def __dealloc__(self):
        var_release(self.pointer)

    @property
    def version(self):
        """Number of completed writes."""
        return self.pointer.version.load()

    @property
    def id(self):
        """Number of the variable in traces."""
        return var_id(self.pointer)

    def wait(self):
        """Wait for every earlier write; raise MXNetError if the last one failed."""
        wait_var(self.pointer, False)


cdef int run_python(void* argument, TaskContext* context) noexcept nogil:
    cdef PyGILState_STATE state
    cdef int result
    enter_gil_wait()
    state = PyGILState_Ensure()
    leave_gil_wait()
    with gil:
        result = call_python(<object>argument, context)
    PyGILState_Release(state)
    return result


cdef int call_python(object function, TaskContext* context) noexcept:
    try:
        function()
        return 0
    except BaseException as error:
        try:
            text = "".join(traceback.format_exception_only(error)).strip().encode("utf-8", "replace")
        except Exception:
            text = type(error).__name__.encode()
        strncpy(context.error, text, kTaskErrorBytes - 1)
        context.error[kTaskErrorBytes - 1] = 0
        Py_INCREF(error)
        context.exception = <void*>error
        return 1


cdef void drop_python(void* argument) noexcept nogil:
    cdef PyGILState_STATE state
    if not Py_IsInitialized():
        return  # the interpreter is gone, and the object with it
    enter_gil_wait()
    state = PyGILState_Ensure()
    leave_gil_wait()
    with gil:
        Py_XDECREF(<PyObject*>argument)
    PyGILState_Release(state)


cdef CVar* pointer_of(object item, str argument) except NULL:
    if isinstance(item, Var):
        return (<Var>item).pointer
    var = getattr(item, "_engine_var", None)
    if var is None:
        raise TypeError(f"{argument}: expected NDArray or engine.Var, got {type(item).__name__}")
    return <CVar*><size_t>var


def push(fn, reads=(), writes=(), int priority=0, device=None, str name=None):
    """Push a Python callable as a task.

    Parameters
    ----------
    fn : callable
        Called without arguments on a worker once its turn has come.
    reads, writes : sequence of NDArray or Var
        What the task reads and writes. An array in both is written and its old value used.
    priority : int
        Ready tasks of higher priority run first.
    device : Context, optional
        Where the task belongs: the CPU's workers, or the stream of a simulated accelerator.
    name : str, optional
        Name in traces and messages; by default the function's.

    Examples
    --------
    >>> from weft import engine
    >>> var, seen = engine.Var(), []
    >>> engine.push(lambda: seen.append(1), writes=[var])
    >>> var.wait()
    >>> seen
    [1]
    """
    cdef vector[CVar*] read_list, write_list
    cdef TaskSpec spec
    if not callable(fn):
        raise TypeError(f"fn must be callable, got {type(fn).__name__}")
    kind = getattr(device, "device_type", "cpu")
    if kind == "simulated":
        spec.device = device_number(101, device.device_id)
    elif kind not in ("cpu", "cpu_pinned", "cpu_shared"):
        raise ValueError(f"device: expected a CPU or simulated context, got {device}")
    for item in reads:
        read_list.push_back(pointer_of(item, "reads"))
    for item in writes:
        write_list.push_back(pointer_of(item, "writes"))
    if name is None:
        name = getattr(fn, "__name__", type(fn).__name__)
    spec.run = run_python
    spec.cleanup = drop_python
    spec.argument = <void*>fn
    spec.reads = read_list.data()
    spec.n_reads = <int>read_list.size()
    spec.writes = write_list.data()
    spec.n_writes = <int>write_list.size()
    spec.priority = priority
    spec.cost_ns = 1e6  # unknown: worth a worker
    spec.flags = kTaskNeedsGil
    encoded = name.encode()
    spec.name = intern_name(encoded)
    spec.site = push_site()
    throttle_if_needed()
    drop_doomed()
    Py_INCREF(fn)
    with nogil:
        push_task(spec)


# --- settings -------------------------------------------------------------------------------------

def get_setting(str name):
    """Return an engine setting by its name in ``environment.VARIABLES``."""
    if name == "mode":
        return "naive" if settings.mode.load() else "threaded"
    if name == "cores":
        return core_count()
    if name == "inline_cost_ns":
        return settings.inline_cost_ns.load()
    if name == "max_pending":
        return settings.max_pending.load()
    if name == "max_pending_bytes":
        return settings.max_pending_bytes.load()
    if name == "cache_limit":
        return pool_statistics().limit
    if name == "bulk_size":
        return bulk_size()
    if name == "simulated_delay_us":
        return simulated_delay()
    if name == "sanitize":
        return frozenset(("deps",)) if settings.sanitize.load() else frozenset()
    if name == "watchdog":
        return settings.watchdog_seconds.load()
    raise ValueError(f"name: no engine setting {name!r}")


cdef list _on_cores = []


def on_cores_changed(callback):
    """Have ``callback()`` called after each change of the number of cores: for caches of what was made for the old one."""
    _on_cores.append(callback)


def change_setting(str name, value):
    """Change an engine setting; returns the old value."""
    cdef int number
    cdef double seconds
    old = get_setting(name)
    if name == "mode":
        if value not in ("naive", "threaded"):
            raise ValueError(f"mode must be 'naive' or 'threaded', got {value!r}")
        settings.mode.store(1 if value == "naive" else 0)
    elif name == "sanitize":
        if frozenset(value) - {"deps"}:
            raise ValueError(f"sanitize must be empty or {{'deps'}}, got {value!r}")
        settings.sanitize.store(1 if value else 0)
    elif isinstance(value, (str, bytes)) or not value >= (1 if name in ("cores", "max_pending") else 0):
        raise ValueError(f"{name} must be a number that is not negative, got {value!r}")
    elif name == "cores":
        number = value
        with nogil:
            set_core_count(number)
        if number != old:
            for callback in _on_cores:
                callback()
    elif name == "inline_cost_ns":
        settings.inline_cost_ns.store(value)
    elif name == "max_pending":
        settings.max_pending.store(value)
    elif name == "max_pending_bytes":
        settings.max_pending_bytes.store(value)
    elif name == "cache_limit":
        pool_set_limit(value)
    elif name == "bulk_size":
        set_bulk_size(value)
    elif name == "simulated_delay_us":
        set_simulated_delay(value)
    else:
        seconds = value
        with nogil:
            set_watchdog(seconds)
    return old


def pending():
    """Return the number of tasks pushed and not finished."""
    return pending_tasks.load()


def pool_info():
    """Return the storage pool's counters, in bytes and counts."""
    return pool_statistics()


def empty_cache():
    """Return cached storage to the system."""
    with nogil:
        pool_empty_cache()


def reset_peak():
    """Start counting the peak of storage in use anew."""
    pool_reset_peak()


def pending_text():
    """Return the tasks in flight and what they wait for; needs the watchdog to be on."""
    cdef string text
    with nogil:
        text = describe_pending()
    return text.decode("utf-8", "replace")


def stop_workers():
    """Finish what is queued, then end the workers; the next push starts them again."""
    with nogil:
        set_watchdog(0)
        if bulk_open():
            flush_bulk()
        shutdown()


def after_fork_in_child():
    """Give a forked child an engine of its own."""
    reset_after_fork()


# --- event records --------------------------------------------------------------------------------

_event_kinds = ("pushed", "ready", "started", "finished", "inline", "reads", "writes")


cdef void visit_record(void* context, uint32_t thread, const EventRecord* record) noexcept with gil:
    (<list>context).append((
        thread, _event_kinds[record.kind], name_of(record.name).decode("utf-8", "replace"),
        record.task, record.time_ns, record.end_ns, record.value,
    ))


def start_events(size_t capacity=1 << 16):
    """Start recording events; each thread keeps its last ``capacity`` calls run in place, and as many other events."""
    trace_start(capacity)


def stop_events():
    """Stop recording and return the records.

    Returns
    -------
    list of tuple
        ``(thread, kind, name, task, time, end, value)``; times in ns since the start, oldest first a thread. Kinds are
        pushed (value: bytes of results), reads and writes (value: number of a variable), ready, started, finished, and
        inline for what ran where it was called, with its end. Of calls estimated below a microsecond about one in
        sixteen is timed, picked by chance; the others' end is 0.
    """
    records = []
    trace_stop()
    trace_read(visit_record, <void*>records)
    return records


@cython.final
cdef class Span:
    """Records what runs inside a ``with`` statement as one piece of work of this thread, where events are recorded.

    >>> with Span("reading"):
    ...     pass
    """

    cdef uint32_t name
    cdef uint64_t begin

    def __init__(self, str name not None):
        encoded = name.encode()
        self.name = intern_name(encoded)

    def __enter__(self):
        self.begin = ticks() if tracing.load() else 0

    def __exit__(self, *error):
        if self.begin:
            trace_inline(self.name, self.begin, ticks())
