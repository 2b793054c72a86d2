"""The engine's C-level interface for other Cython packages: ``cimport`` from here (see ``capi.pxd``)."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from . cimport cengine
from ._engine cimport Var, wait_var

from ._engine import wait_all as python_wait_all

cdef extern from "engine/core/engine.hpp" namespace "weft" nogil:
    void c_parallel_for "weft::parallel_for"(int64_t n, int64_t grain,
                                             void (*body)(void*, int64_t, int64_t) noexcept nogil, void* context)


cdef Variable new_variable() noexcept nogil:
    return <Variable>cengine.new_var()


cdef void retain_variable(Variable variable) noexcept nogil:
    cengine.var_retain(<cengine.CVar*>variable)


cdef void release_variable(Variable variable) noexcept nogil:
    cengine.var_release(<cengine.CVar*>variable)


cdef Variable variable_of(object owner) except NULL:
    if isinstance(owner, Var):
        return <Variable>(<Var>owner).pointer
    var = getattr(owner, "_engine_var", None)
    if var is None:
        raise TypeError(f"expected NDArray or engine.Var, got {type(owner).__name__}")
    return <Variable><size_t>var


cdef uint64_t variable_version(Variable variable) noexcept nogil:
    return (<cengine.CVar*>variable).version.load()


cdef uint32_t name_id(const char* name) noexcept nogil:
    return cengine.intern_name(name)


cdef int push(TaskBody body, void* argument, TaskCleanup cleanup, const Variable* reads, int n_reads,
              const Variable* writes, int n_writes, double cost_ns, int priority, uint32_t name) noexcept nogil:
    cdef cengine.TaskSpec spec
    spec.run = <int (*)(void*, cengine.TaskContext*) noexcept nogil>body
    spec.cleanup = cleanup
    spec.argument = argument
    spec.reads = <cengine.CVar**>reads
    spec.n_reads = n_reads
    spec.writes = <cengine.CVar**>writes
    spec.n_writes = n_writes
    spec.cost_ns = cost_ns
    spec.priority = priority
    spec.name = name
    if cengine.should_throttle():
        cengine.throttle()
    return cengine.push(spec)


cdef int wait(Variable variable) except -1:
    return wait_var(<cengine.CVar*>variable, False)


cdef int wait_all() except -1:
    python_wait_all()
    return 0


cdef void wait_all_nogil() noexcept nogil:
    cdef cengine.WaitRecord* record = cengine.begin_wait_all()
    cengine.wait_for(record, -1)
    cengine.end_wait(record)


cdef void parallel_for(int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t) noexcept nogil,
                       void* context) noexcept nogil:
    c_parallel_for(n, grain, body, context)
