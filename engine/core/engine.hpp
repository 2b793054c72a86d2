// The dependency engine: variables, tasks, workers. Knows nothing of arrays, operators or Python.
//
// A task runs once every earlier writer of what it reads, and every earlier user of what it
// writes, is done. `Var` holds that order; `push` extends it; the workers carry it out.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#define WEFT_API __attribute__((visibility("default")))

namespace weft {

struct Task;
struct Var;
struct VarEvents;

// --- errors -----------------------------------------------------------------------------------

// What a failed task leaves in the variables it was to write. Shared by reference count.
struct ErrorRecord {
  std::atomic<int> refs{1};
  std::string message;       // from the task
  std::string description;   // operator, input shapes
  uint32_t name = 0;         // interned task name
  uint32_t site = 0;         // interned push site
  void* exception = nullptr; // the front end's exception object, released through its hook
};

WEFT_API void error_retain(ErrorRecord* record);
WEFT_API void error_release(ErrorRecord* record);
// A failure outside a task; it counts for take_first_error.
WEFT_API ErrorRecord* new_failure(const char* message, const char* description, uint32_t name, uint32_t site);
// The front end says how to let go of ErrorRecord::exception (called without any lock held).
WEFT_API void set_exception_release(void (*release)(void* exception));

// --- variables --------------------------------------------------------------------------------

// One entry in a variable's queue: task `task` wants `var`.
struct Dep {
  Task* task;
  Var* var;
  Dep* next;
  bool write;
  bool also_reads;  // a written variable whose old value the task needs: carries errors on
};

// Bits of Var::state. The rest counts the readers that hold the variable.
constexpr uint32_t kVarLock = 1u;     // short spin lock over the queue
constexpr uint32_t kVarWriter = 2u;   // a writer holds the variable
constexpr uint32_t kVarQueued = 4u;   // the queue is not empty
constexpr uint32_t kVarReader = 8u;   // one reader

// Whether streams still write `var` (or, for_write, use it at all): then the host must wait.
WEFT_API bool streams_busy(const Var* var, bool for_write);

struct Var {
  std::atomic<uint32_t> state{0};
  std::atomic<int> refs{1};
  std::atomic<uint64_t> version{0};  // completed writes
  std::atomic<ErrorRecord*> error{nullptr};
  Dep* head = nullptr;
  Dep* tail = nullptr;
  void (*destroy)(Var* self) = nullptr;
  uint32_t id = 0;  // for traces and messages; given on first use
  bool is_buffer = false;
  std::atomic<VarEvents*> events{nullptr};  // of the streams that used it; stays once there

  // Both fail also while a stream still works on the variable.
  bool try_read() {
    if (__builtin_expect(events.load(std::memory_order_acquire) != nullptr, 0) && streams_busy(this, false))
      return false;
    return try_read_order();
  }
  bool try_write() {
    if (__builtin_expect(events.load(std::memory_order_acquire) != nullptr, 0) && streams_busy(this, true))
      return false;
    return try_write_order();
  }
  // The order of tasks alone, whatever streams still do.
  bool try_read_order() {
    uint32_t seen = state.load(std::memory_order_relaxed);
    while (!(seen & (kVarLock | kVarWriter | kVarQueued))) {
      if (state.compare_exchange_weak(seen, seen + kVarReader, std::memory_order_acquire,
                                      std::memory_order_relaxed))
        return true;
    }
    return false;
  }
  bool try_write_order() {
    uint32_t idle = 0;
    return state.compare_exchange_strong(idle, kVarWriter, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  bool readable() const {  // no earlier write is pending
    return !(state.load(std::memory_order_acquire) & (kVarWriter | kVarQueued)) &&
           !(events.load(std::memory_order_acquire) && streams_busy(this, false));
  }
  bool idle() const {
    return state.load(std::memory_order_acquire) == 0 &&
           !(events.load(std::memory_order_acquire) && streams_busy(this, true));
  }
};

WEFT_API Var* new_var();
inline void var_retain(Var* var) { var->refs.fetch_add(1, std::memory_order_relaxed); }
inline void var_release(Var* var) {
  if (var->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) var->destroy(var);
}
WEFT_API uint32_t var_id(Var* var);

// Give back what try_read/try_write took; wakes whoever was queued meanwhile.
WEFT_API void release_read_slow(Var* var);
WEFT_API void release_write_slow(Var* var);

inline void release_read(Var* var) {
  uint32_t now = var->state.fetch_sub(kVarReader, std::memory_order_acq_rel) - kVarReader;
  if (now < kVarReader && (now & kVarQueued)) release_read_slow(var);
}

WEFT_API void clear_error(Var* var);
WEFT_API void set_error(Var* var, ErrorRecord* record);  // keeps its own reference

inline void release_write(Var* var, bool failed = false) {
  if (!failed && var->error.load(std::memory_order_relaxed)) clear_error(var);
  var->version.fetch_add(1, std::memory_order_release);
  uint32_t only_writer = kVarWriter;
  if (!var->state.compare_exchange_strong(only_writer, 0, std::memory_order_acq_rel,
                                          std::memory_order_relaxed))
    release_write_slow(var);
}

static_assert(sizeof(Var) == 64, "one cache line");

// --- storage ----------------------------------------------------------------------------------

// A variable with memory behind it. The memory may come when the first task writes it.
struct Buffer : Var {
  void* data = nullptr;
  size_t bytes = 0;
  int device = 0;
  void (*free_external)(void* owner) = nullptr;  // memory that is not ours
  void* owner = nullptr;
  int handles = 0;       // the front end's own count of who can see this memory
  uint64_t creator = 0;  // the task that made it, where the sanitizer wants to know
};

WEFT_API Buffer* new_buffer(size_t bytes, int device);  // no memory yet
WEFT_API Buffer* new_external_buffer(void* data, size_t bytes, int device,
                                     void (*free_external)(void*), void* owner);
WEFT_API bool buffer_allocate(Buffer* buffer);  // false: out of memory
// True when there is memory, allocating it if need be. Only while holding the write side.
inline bool buffer_ready(Buffer* buffer) { return buffer->data || buffer_allocate(buffer); }

struct PoolStatistics {
  uint64_t in_use, cached, peak, limit, allocations, system_allocations;
};

WEFT_API void* pool_allocate(size_t bytes);  // 64-byte aligned; nullptr when out of memory
WEFT_API void pool_free(void* memory, size_t bytes);
WEFT_API void pool_empty_cache();
WEFT_API void pool_set_limit(uint64_t cached_bytes);
WEFT_API PoolStatistics pool_statistics();
WEFT_API void pool_reset_peak();

// --- tasks ------------------------------------------------------------------------------------

struct TaskContext {
  char* error;  // kTaskErrorBytes long; a failing task writes its message here
  void* exception = nullptr;
};
constexpr int kTaskErrorBytes = 512;

using TaskFunction = int (*)(void* argument, TaskContext* context);  // 0, or non-zero: failed

enum TaskFlags : uint32_t {
  kTaskNeedsGil = 1u,   // the body takes the GIL: its core is lent out while it waits for it
  kTaskQueue = 2u,      // never run on the pushing thread
  kTaskInstant = 4u,    // run by whoever makes it ready (internal: waits)
  kTaskByWorker = 32u,  // never run by a thread that waits, where an interrupt would hit the task: its parts call Python
  kTaskSorted = 16u,    // reads and writes are sorted by address: for tasks with very many of them
};

struct TaskSpec {
  TaskFunction run = nullptr;
  void (*cleanup)(void* argument) = nullptr;  // always called once, also when skipped
  void (*describe)(void* argument, std::string* text) = nullptr;  // for error messages
  void* argument = nullptr;
  Var* const* reads = nullptr;
  int n_reads = 0;
  Var* const* writes = nullptr;  // a variable in both lists is written, and its old value used
  int n_writes = 0;
  int device = 0;  // 0: the CPU's workers; else a stream device, see device_number
  int stream = 0;  // of that device
  int priority = 0;
  double cost_ns = 0;  // estimate; decides between the pushing thread and a worker
  uint64_t bytes = 0;  // of results that come into being
  uint32_t flags = 0;
  uint32_t name = 0;   // from intern_name
  uint32_t site = 0;   // from intern_site: the line of user code
};

// Runs the task here and now if all it needs is free and it is cheap; else queues it.
// Returns true when it ran here. Never blocks.
WEFT_API bool push(const TaskSpec& spec);

WEFT_API uint32_t intern_name(const char* name);
WEFT_API const char* name_of(uint32_t name);
WEFT_API uint32_t intern_site(const char* text);
WEFT_API const char* site_of(uint32_t site);

// --- inside a task ------------------------------------------------------------------------------

// A task may use what it declared without waiting for itself.
enum class Access { kFree, kHeld, kOnlyRead, kUndeclared };
// How the task running on this thread stands to `var`: kFree outside tasks, and where the task
// must take the variable like anybody else; kOnlyRead when it wants to write what it declared as
// read; kUndeclared only under the sanitizer.
WEFT_API Access access_of(Var* var, bool write);
WEFT_API bool in_task();

// --- stream devices -----------------------------------------------------------------------------

// Streams of a device. A task for a device is issued to a stream as soon as everything before it
// is issued; events order streams among themselves, and only the host ever waits.
constexpr int kComputeStream = 0, kCopyInStream = 1, kCopyOutStream = 2, kStreams = 3;
constexpr int kSimulatedDevice = 101;
constexpr int device_number(int type, int id) { return type << 16 | (id + 1); }
WEFT_API void set_simulated_delay(double microseconds);  // before every command of a stream
WEFT_API double simulated_delay();

// --- bulk ---------------------------------------------------------------------------------------

// Calls of this thread that wait to become one task.
WEFT_API int bulk_size();
WEFT_API int set_bulk_size(int size);  // of this thread; flushes; returns the old size
WEFT_API void flush_bulk();
WEFT_API bool bulk_open();

// --- waiting ----------------------------------------------------------------------------------

struct WaitRecord;
// Starts a wait for every earlier write (write_side false) or every earlier use (true) of `var`.
WEFT_API WaitRecord* begin_wait(Var* var, bool write_side);
// Starts a wait for everything pushed so far by anyone.
WEFT_API WaitRecord* begin_wait_all();
WEFT_API bool wait_for(WaitRecord* record, int milliseconds);  // true: done; < 0 waits forever
WEFT_API void end_wait(WaitRecord* record);                    // exactly once per begin_
inline void wait_read(Var* var) {
  if (bulk_open()) flush_bulk();
  if (var->readable() || access_of(var, false) == Access::kHeld) return;
  WaitRecord* record = begin_wait(var, false);
  wait_for(record, -1);
  end_wait(record);
}
// A wait has raised an error, so the program knows that something failed: wait_all need not say so again.
WEFT_API void forget_first_error();
WEFT_API ErrorRecord* take_first_error();  // the first failure since the last call, or nullptr

// A worker about to block lends its core to another thread in between.
WEFT_API void enter_blocking();
WEFT_API void leave_blocking();
// The same around waiting for the front end's interpreter lock.
WEFT_API void enter_gil_wait();
WEFT_API void leave_gil_wait();

// --- cores ------------------------------------------------------------------------------------

WEFT_API int core_count();
WEFT_API void set_core_count(int cores);  // also stops and restarts the workers
WEFT_API int acquire_cores(int wanted);   // how many this thread may use now, itself included
WEFT_API void release_cores(int granted);
// Calls body(context, begin, end) over [0, n) in pieces of at least `grain`, on the free cores. Where a piece threw
// std::bad_alloc, on whatever core, so does this, and pieces not begun are left out.
WEFT_API void parallel_for(int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t),
                           void* context);

// Work inside one task that idle cores may join while there is some: pieces of a loop, steps of a graph.
struct Joinable {
  bool (*wanted)(Joinable* self);  // whether one more core has something to do; must not block
  void (*work)(Joinable* self);    // what a core that joins does; returns when nothing is left for it
  std::atomic<int> helpers{0};
  std::atomic<int> steps_waiting{0};  // parts that are whole operators, and wait for a core
  Joinable* after = nullptr;
};
WEFT_API void open_joinable(Joinable* work);   // idle cores may join from now on
WEFT_API void close_joinable(Joinable* work);  // nobody does any more; waits for those inside
WEFT_API void set_steps_waiting(Joinable* work, int steps);
WEFT_API void call_helpers(int cores);  // wakes idle workers, where there are any
WEFT_API void help_others();            // joins open work until there is none
// While steps wait for a core, loops and kernels of this thread keep to one; kAll: not so.
enum class CoreUse { kShared, kAll };
WEFT_API CoreUse set_core_use(CoreUse use);  // of this thread; returns the old one

// --- settings and state -----------------------------------------------------------------------

enum class Mode { kThreaded, kNaive };
struct Settings {
  std::atomic<int> mode{0};                 // Mode
  std::atomic<double> inline_cost_ns{8000}; // at most this is run on the pushing thread
  std::atomic<int64_t> max_pending{16384};  // the pusher waits above this many tasks
  std::atomic<int64_t> max_pending_bytes{0};
  std::atomic<int> sanitize{0};             // 1: check declared reads and writes
  std::atomic<double> watchdog_seconds{0};
};
WEFT_API extern Settings settings;
WEFT_API extern std::atomic<int64_t> pending_tasks;  // pushed and not finished
WEFT_API extern std::atomic<int64_t> pending_bytes;  // of their results

inline bool should_throttle() {
  return pending_tasks.load(std::memory_order_relaxed) >
             settings.max_pending.load(std::memory_order_relaxed) ||
         pending_bytes.load(std::memory_order_relaxed) >
             settings.max_pending_bytes.load(std::memory_order_relaxed);
}
WEFT_API void throttle();  // waits until the workers caught up; returns at once on a worker
WEFT_API bool on_worker();

WEFT_API void start();     // lazily done by push
WEFT_API void shutdown();  // finishes what is queued, then joins the workers
WEFT_API void reset_after_fork();
WEFT_API void set_watchdog(double seconds);  // 0 stops it
WEFT_API std::string describe_pending();     // tasks in flight and what they wait for (watchdog on)

// --- event records ----------------------------------------------------------------------------

enum class Event : uint32_t { kPushed, kReady, kStarted, kFinished, kInline, kReads, kWrites };
struct EventRecord {
  uint64_t time_ns, end_ns;  // end only for kInline (started and finished at once); 0: not timed
  uint64_t task;             // 0 for kInline
  uint32_t name;
  uint32_t kind;
  uint64_t value;  // kPushed: bytes of results; kReads, kWrites: the variable's number
};
WEFT_API extern std::atomic<int> tracing;  // the number of the recording; 0: off
WEFT_API uint64_t clock_ns();
#if defined(__x86_64__)
WEFT_API extern const bool steady_counter;  // the processor's counter runs at one rate on all cores, also while they sleep
#endif
inline uint64_t ticks() {
#if defined(__x86_64__)
  if (__builtin_expect(steady_counter, 1)) return __builtin_ia32_rdtsc();
#endif
  return clock_ns();
}
// What runs where it was called. In line and small: the code of a call into the library costs as much as the clock.
struct InlineRecord {
  uint64_t begin;
  uint32_t length;  // 0: not timed
  uint32_t name;
};
struct InlineRing {
  InlineRecord* next;
  InlineRecord* end;
  int recording;  // the ring is for this one
};
WEFT_API extern __thread InlineRing inline_ring __attribute__((tls_model("initial-exec")));
WEFT_API void renew_inline_ring();  // at its end, or for another recording
WEFT_API void trace_inline(uint32_t name, uint64_t begin_ticks, uint64_t end_ticks);

// The time while tracing, else 0. Best read right after the variables were taken: the processor waits for those locked
// instructions anyhow, and the reading costs less there.
inline uint64_t trace_clock() {
  return __builtin_expect(tracing.load(std::memory_order_relaxed) != 0, 0) ? ticks() : 0;
}

// Around the work, which began at `begin` (from trace_clock). The clock costs as much as the shortest tasks: of those (by
// their estimate) only the start is known, but for one in sixteen, picked by chance, so that no loop of several operators
// leaves one out.
class InlineTrace {
 public:
  InlineTrace(uint32_t name, double cost_ns, uint64_t begin) {
    if (__builtin_expect(begin != 0, 0)) start(name, cost_ns, begin);
  }
  void end(uint32_t name) {
    if (__builtin_expect(begin_ != 0, 0)) trace_inline(name, begin_, ticks());
  }

 private:
  static constexpr int kShortNs = 1000;
  static constexpr int kPickedBits = 4;

  void start(uint32_t name, double cost_ns, uint64_t begin) {
    int recording = tracing.load(std::memory_order_relaxed);
    if (__builtin_expect(!recording, 0)) return;  // stopped meanwhile
    if (__builtin_expect(inline_ring.recording != recording || inline_ring.next == inline_ring.end, 0)) renew_inline_ring();
    InlineRecord* next = inline_ring.next;
    bool picked = uint32_t(reinterpret_cast<uintptr_t>(next)) * 0x9E3779B1u >> (32 - kPickedBits) == 0;
    if (int(cost_ns) < kShortNs && !picked) {
      inline_ring.next = next + 1;
      *next = InlineRecord{begin, 0, name};
    } else {
      begin_ = begin;
    }
  }
  uint64_t begin_ = 0;
};
WEFT_API void trace_start(size_t capacity);  // records a thread, rounded up to a power of two
WEFT_API void trace_stop();
// After trace_stop: every record, oldest first a thread; times in ns since trace_start.
WEFT_API void trace_read(void (*visit)(void* context, uint32_t thread, const EventRecord* record),
                         void* context);

}  // namespace weft
