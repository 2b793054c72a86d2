# engine/core/engine.hpp for weft's own modules. Other packages use capi.pxd, which needs no header.
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.string cimport string


cdef extern from "engine/core/engine.hpp" namespace "weft" nogil:
    cdef cppclass CAtomicU64 "std::atomic<uint64_t>":
        uint64_t load()

    cdef cppclass CAtomicInt "std::atomic<int>":
        int load()
        void store(int value)

    cdef cppclass CAtomicI64 "std::atomic<int64_t>":
        int64_t load()
        void store(int64_t value)

    cdef cppclass CAtomicDouble "std::atomic<double>":
        double load()
        void store(double value)

    cdef cppclass ErrorRecord:
        string message
        string description
        uint32_t name
        uint32_t site
        void* exception

    cdef cppclass CAtomicError "std::atomic<weft::ErrorRecord*>":
        ErrorRecord* load()

    void error_retain(ErrorRecord* record)
    void error_release(ErrorRecord* record)
    void set_exception_release(void (*release)(void* exception) noexcept nogil)

    cdef cppclass CVar "weft::Var":
        CAtomicU64 version
        CAtomicError error
        cbool try_read()
        cbool try_write()
        cbool readable()
        cbool idle()

    CVar* new_var()
    void var_retain(CVar* var)
    void var_release(CVar* var)
    uint32_t var_id(CVar* var)
    void release_read(CVar* var)
    void release_write(CVar* var)
    void set_error(CVar* var, ErrorRecord* record)
    void clear_error(CVar* var)

    cdef cppclass Buffer(CVar):
        void* data
        size_t bytes
        int device
        int handles

    Buffer* new_buffer(size_t nbytes, int device)
    Buffer* new_external_buffer(void* data, size_t nbytes, int device,
                                void (*free_external)(void*) noexcept nogil, void* owner)
    cbool buffer_ready(Buffer* buffer)

    cdef struct PoolStatistics:
        uint64_t in_use
        uint64_t cached
        uint64_t peak
        uint64_t limit
        uint64_t allocations
        uint64_t system_allocations

    void pool_empty_cache()
    void pool_set_limit(uint64_t cached_bytes)
    PoolStatistics pool_statistics()
    void pool_reset_peak()

    cdef struct TaskContext:
        char* error
        void* exception

    int kTaskErrorBytes
    uint32_t kTaskNeedsGil
    uint32_t kTaskQueue

    cdef cppclass TaskSpec:
        int (*run)(void* argument, TaskContext* context) noexcept nogil
        void (*cleanup)(void* argument) noexcept nogil
        void (*describe)(void* argument, string* text) noexcept nogil
        void* argument
        CVar** reads
        int n_reads
        CVar** writes
        int n_writes
        int device
        int stream
        int priority
        double cost_ns
        uint64_t bytes
        uint32_t flags
        uint32_t name
        uint32_t site

    cbool push(const TaskSpec& spec)
    uint32_t intern_name(const char* name)
    const char* name_of(uint32_t name)
    uint32_t intern_site(const char* text)
    const char* site_of(uint32_t site)

    cdef enum class Access "weft::Access":
        kFree
        kHeld
        kOnlyRead
        kUndeclared

    Access access_of(CVar* var, cbool write)
    cbool in_task()
    int bulk_size()
    int set_bulk_size(int size)
    void flush_bulk()
    cbool bulk_open()

    cdef cppclass WaitRecord:
        pass

    WaitRecord* begin_wait(CVar* var, cbool write_side)
    WaitRecord* begin_wait_all()
    cbool wait_for(WaitRecord* record, int milliseconds)
    void end_wait(WaitRecord* record)
    void forget_first_error()
    ErrorRecord* take_first_error()
    void enter_gil_wait()
    void leave_gil_wait()

    int kComputeStream
    int kCopyInStream
    int kCopyOutStream
    int device_number(int type, int id)
    void set_simulated_delay(double microseconds)
    double simulated_delay()

    int core_count()
    void set_core_count(int cores)

    cdef struct Settings:
        CAtomicInt mode
        CAtomicDouble inline_cost_ns
        CAtomicI64 max_pending
        CAtomicI64 max_pending_bytes
        CAtomicInt sanitize
        CAtomicDouble watchdog_seconds

    Settings settings
    CAtomicI64 pending_tasks
    cbool should_throttle()
    void throttle()
    cbool on_worker()
    void shutdown()
    void reset_after_fork()
    void set_watchdog(double seconds)
    string describe_pending()

    cdef struct EventRecord:
        uint64_t time_ns
        uint64_t end_ns
        uint64_t task
        uint32_t name
        uint32_t kind
        uint64_t value

    CAtomicInt tracing
    uint64_t ticks()
    void trace_inline(uint32_t name, uint64_t begin_ticks, uint64_t end_ticks)
    void trace_start(size_t capacity)
    void trace_stop()
    void trace_read(void (*visit)(void* context, uint32_t thread, const EventRecord* record) noexcept nogil, void* context)
