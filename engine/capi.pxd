# The engine for other Cython packages: no header and no library is needed to compile against this file.
#
#     from weft.engine.capi cimport Variable, TaskContext, new_variable, push, wait
#
#     cdef int body(void* argument, TaskContext* context) noexcept nogil:
#         (<long*>argument)[0] += 1
#         return 0
#
# Every function without `except` may be called without the GIL. docs/engine.md explains the rules.
from libc.stdint cimport int64_t, uint32_t, uint64_t

ctypedef void* Variable


ctypedef struct TaskContext:
    char* error        # write a message of at most 511 bytes here and return non-zero to fail
    void* exception    # leave NULL


# A task's body; runs on any thread, without the GIL.
ctypedef int (*TaskBody)(void* argument, TaskContext* context) noexcept nogil
# Called once when the task is done or was skipped; NULL where there is nothing to release.
ctypedef void (*TaskCleanup)(void* argument) noexcept nogil

# A new variable; give it back with release_variable. Tasks keep their own reference.
cdef Variable new_variable() noexcept nogil
cdef void retain_variable(Variable variable) noexcept nogil
cdef void release_variable(Variable variable) noexcept nogil
# The variable of an NDArray or engine.Var, borrowed; raises TypeError for anything else.
cdef Variable variable_of(object owner) except NULL
# Completed writes.
cdef uint64_t variable_version(Variable variable) noexcept nogil

# A number for a task name, for traces and messages. Keep it: looking it up takes a lock.
cdef uint32_t name_id(const char* name) noexcept nogil

# Order a task after every earlier writer of what it reads and every earlier user of what it writes. `cost_ns` is an
# estimate: cheap tasks whose variables are free run here and now (the result is then 1, else 0). May wait when very many
# tasks are in flight.
cdef int push(TaskBody body, void* argument, TaskCleanup cleanup, const Variable* reads, int n_reads,
              const Variable* writes, int n_writes, double cost_ns, int priority, uint32_t name) noexcept nogil

# Wait for every earlier write to `variable`; hears Ctrl-C; raises MXNetError if the last one failed.
cdef int wait(Variable variable) except -1
# Wait for everything; raises the first failure since the last such wait.
cdef int wait_all() except -1
# The same without the GIL, without signals, and without raising.
cdef void wait_all_nogil() noexcept nogil

# Calls body(context, begin, end) over [0, n) in pieces of at least `grain`, on the cores that are free.
cdef void parallel_for(int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t) noexcept nogil,
                       void* context) noexcept nogil
