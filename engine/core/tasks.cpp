// A task from push() to its end: on the pushing thread when all is free and it is cheap, else through its variables' queues.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "order.hpp"
#include "small_pool.hpp"

namespace weft {

// In lines of their own: workers count off what the pushing thread counts up.
alignas(64) std::atomic<int64_t> pending_tasks{0};
std::atomic<int64_t> pending_bytes{0};

namespace {

alignas(64) SpinLock push_lock;  // appends of one task to its variables' queues are one step
std::atomic<uint64_t> sequence{0};

// `failure` is what the task leaves in the variables it was to write; a wait leaves them alone.
void release_dep(Dep* dep, const Task* task, ErrorRecord* failure, ReadyList* ready) {
  Var* var = dep->var;
  if (dep->write && !(task->flags & (kTaskInstant | kTaskOwnErrors))) {
    if (failure || var->error.load(std::memory_order_relaxed)) set_error(var, failure);
    // Only who holds the write side counts.
    var->version.store(var->version.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  release_order(dep, ready);
  var_release(var);
}

ErrorRecord* inherited_error(Task* task) {
  for (int i = 0; i < task->n_deps; ++i) {
    Dep& dep = task->deps[i];
    if (dep.write && !dep.also_reads) continue;
    if (ErrorRecord* record = dep.var->error.load(std::memory_order_acquire)) {
      error_retain(record);
      return record;
    }
  }
  return nullptr;
}

// Runs a body with the task known to the thread, and under the sanitizer checks what it read.
template <class Declared>
int run_body(const Declared& declared, Running here, TaskFunction run, void* argument,
             TaskContext* context) {
  here.outer = running();
  set_running(&here);
  int failed;
  if (__builtin_expect(settings.sanitize.load(std::memory_order_relaxed), 0)) {
    ReadSums sums(declared);
    failed = run(argument, context);
    const char* message = failed ? nullptr : sums.changed();
    if (message) {
      std::strncpy(context->error, message, kTaskErrorBytes - 1);
      context->error[kTaskErrorBytes - 1] = 0;
      failed = 1;
    }
  } else {
    failed = run(argument, context);
  }
  if (bulk_open()) flush_bulk();
  set_running(here.outer);
  return failed;
}

// The calls that a body in Python makes on what it writes leave their failures there. What was there before has been
// overwritten when the body ends, but what came during it is the task's own failure.
template <class Each>
void each_write(const Task* task, Each each) {
  for (int i = 0; i < task->n_deps; ++i)
    if (task->deps[i].write && !task->deps[i].also_reads) each(task->deps[i].var);
}

template <class Each>
void each_write(const TaskSpec& spec, Each each) {
  for (int i = 0; i < spec.n_writes; ++i) each(spec.writes[i]);
}

template <class Declared>
void begin_writes(const Declared& declared, uint32_t flags) {
  if (!(flags & kTaskNeedsGil)) return;
  each_write(declared, [](Var* var) {
    if (var->error.load(std::memory_order_relaxed)) clear_error(var);
  });
}

template <class Declared>
ErrorRecord* failure_in_writes(const Declared& declared, uint32_t flags) {
  ErrorRecord* found = nullptr;
  if (flags & kTaskNeedsGil)
    each_write(declared, [&found](Var* var) {
      if (!found && (found = var->error.load(std::memory_order_acquire))) error_retain(found);
    });
  return found;
}

// Runs the body unless something it uses has failed; returns what is left in the variables.
ErrorRecord* run_unless_failed(Task* task) {
  if (!(task->flags & kTaskOwnErrors))
    if (ErrorRecord* failure = inherited_error(task)) return failure;
  char message[kTaskErrorBytes];
  message[0] = 0;
  TaskContext context{message};
  if (task->flags & kTaskWatched) task->running.store(true, std::memory_order_relaxed);
  trace(Event::kStarted, task->name, task->sequence);
  ErrorRecord* failure = nullptr;
  begin_writes(task, task->flags);
  if (run_body(task, Running{task, nullptr, task->sequence, nullptr}, task->run, task->argument, &context))
    failure = new_error(context, task->name, task->site, task->describe, task->argument);
  else
    failure = failure_in_writes(task, task->flags);
  trace(Event::kFinished, task->name, task->sequence);
  return failure;
}

void free_task(Task* task) {
  if (task->deps != task->inline_deps) std::free(task->deps);
  task->~Task();
  small_free(task, sizeof(Task));
}

// Tasks that this worker has finished and not yet counted off: the counter is the pushing thread's too.
constexpr int kReportAtOnce = 32;
__thread int unreported = 0;

// The task is out of the way: count it off and free it.
void retire(Task* task) {
  bool counted = !(task->flags & kTaskInstant);
  if (task->flags & kTaskWatched) unwatch_task(task);
  if (task->bytes) pending_bytes.fetch_sub(int64_t(task->bytes), std::memory_order_relaxed);
  free_task(task);
  if (counted && (++unreported >= kReportAtOnce || !on_worker())) report_finished();
}

void finish(Task* task, ErrorRecord* failure, ReadyList* ready) {
  // Clean up first: when a wait returns, what the task held is already let go.
  if (task->cleanup) task->cleanup(task->argument);
  for (int i = 0; i < task->n_deps; ++i) release_dep(&task->deps[i], task, failure, ready);
  if (failure) error_release(failure);
  retire(task);
}

}  // namespace

void report_finished() {
  int64_t finished = unreported;
  if (!finished) return;
  unreported = 0;
  int64_t left = pending_tasks.fetch_sub(finished, std::memory_order_seq_cst) - finished;
  int64_t low = settings.max_pending.load(std::memory_order_relaxed) / 2;
  if (left <= draining_tasks.load(std::memory_order_seq_cst) || (left <= low && left + finished > low)) notify_drained();
}

void execute(Task* task, ReadyList* ready) {
  if (task->flags & kTaskInstant) {
    // A wait: let go of the variable first, so that the woken thread finds it free.
    TaskFunction signal = task->run;
    void (*cleanup)(void*) = task->cleanup;
    void* argument = task->argument;
    task->cleanup = nullptr;
    finish(task, nullptr, ready);
    signal(argument, nullptr);
    cleanup(argument);
    return;
  }
  for (int i = 0; i < task->n_deps; ++i)
    if (task->deps[i].var->events.load(std::memory_order_acquire)) host_wait(task->deps[i].var, task->deps[i].write, -1);
  finish(task, run_unless_failed(task), ready);
}

// Passes ready tasks to the queue; instant ones run here, which may make more ready.
void hand_on(ReadyList* ready) {
  while (Task* task = ready->head) {
    ready->head = task->next;
    if (!ready->head) ready->tail = nullptr;
    trace(Event::kReady, task->name, task->sequence);
    if (task->flags & kTaskInstant) {
      execute(task, ready);
    } else if (task->device) {
      issue(task);
      for (int i = 0; i < task->n_deps; ++i) release_order(&task->deps[i], ready);
      drop_stream_task(task);
    } else {
      enqueue_ready(task);
    }
  }
}

void run_on_stream(Task* task) {
  ErrorRecord* failure = run_unless_failed(task);
  for (int i = 0; i < task->n_deps; ++i) {
    Dep& dep = task->deps[i];
    if (!dep.write) continue;
    if (failure || dep.var->error.load(std::memory_order_relaxed)) set_error(dep.var, failure);
    dep.var->version.fetch_add(1, std::memory_order_release);
  }
  if (failure) error_release(failure);
  if (task->cleanup) task->cleanup(task->argument);
}

void drop_stream_task(Task* task) {
  if (task->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  for (int i = 0; i < task->n_deps; ++i) var_release(task->deps[i].var);
  retire(task);
}

namespace {

// --- inline execution ---------------------------------------------------------------------------

bool contains(const TaskSpec& spec, Var* const* list, int n, const Var* var) {
  if (spec.flags & kTaskSorted) return std::binary_search(list, list + n, var);
  for (int i = 0; i < n; ++i)
    if (list[i] == var) return true;
  return false;
}

// A task's own calls may use what the task holds; only the rest is taken and given back.
bool held_here(Var* var, bool write) { return running() && access_of(var, write) == Access::kHeld; }

// Takes every variable of the task, or none.
bool try_take_all(const TaskSpec& spec) {
  int writes = 0, reads = 0;
  bool taken = true;
  for (; writes < spec.n_writes; ++writes) {
    if (contains(spec, spec.writes, writes, spec.writes[writes])) continue;
    if (held_here(spec.writes[writes], true)) continue;
    if (!spec.writes[writes]->try_write()) {
      taken = false;
      break;
    }
  }
  for (; taken && reads < spec.n_reads; ++reads) {
    if (contains(spec, spec.writes, spec.n_writes, spec.reads[reads])) continue;
    if (held_here(spec.reads[reads], false)) continue;
    if (!spec.reads[reads]->try_read()) {
      taken = false;
      break;
    }
  }
  if (taken) return true;
  while (reads-- > 0) {
    Var* var = spec.reads[reads];
    if (!contains(spec, spec.writes, spec.n_writes, var) && !held_here(var, false)) release_read(var);
  }
  while (writes-- > 0) {
    Var* var = spec.writes[writes];
    if (contains(spec, spec.writes, writes, var) || held_here(var, true)) continue;
    uint32_t only_writer = kVarWriter;  // nothing was written: no new version
    if (!var->state.compare_exchange_strong(only_writer, 0, std::memory_order_acq_rel))
      release_write_slow(var);
  }
  return false;
}

ErrorRecord* inherited_error(const TaskSpec& spec) {
  for (int i = 0; i < spec.n_reads; ++i)
    if (ErrorRecord* record = spec.reads[i]->error.load(std::memory_order_acquire)) {
      error_retain(record);
      return record;
    }
  return nullptr;
}

void run_here(const TaskSpec& spec) {
  ErrorRecord* failure = inherited_error(spec);
  if (!failure) {
    char message[kTaskErrorBytes];
    message[0] = 0;
    TaskContext context{message};
    InlineTrace traced(spec.name, spec.cost_ns, trace_clock());
    uint64_t number = settings.sanitize.load(std::memory_order_relaxed) ? sequence.fetch_add(1) + 1 : 0;
    begin_writes(spec, spec.flags);
    if (run_body(spec, Running{nullptr, &spec, number, nullptr}, spec.run, spec.argument, &context))
      failure = new_error(context, spec.name, spec.site, spec.describe, spec.argument);
    else
      failure = failure_in_writes(spec, spec.flags);
    traced.end(spec.name);
  }
  // As in finish(): what the body held goes first. Callers keep the variables alive.
  if (spec.cleanup) spec.cleanup(spec.argument);
  for (int i = 0; i < spec.n_reads; ++i)
    if (!contains(spec, spec.writes, spec.n_writes, spec.reads[i]) && !held_here(spec.reads[i], false))
      release_read(spec.reads[i]);
  for (int i = 0; i < spec.n_writes; ++i) {
    if (contains(spec, spec.writes, i, spec.writes[i])) continue;
    if (failure) set_error(spec.writes[i], failure);
    if (held_here(spec.writes[i], true)) {
      if (!failure && spec.writes[i]->error.load(std::memory_order_relaxed)) clear_error(spec.writes[i]);
      continue;
    }
    release_write(spec.writes[i], failure != nullptr);
  }
  if (failure) error_release(failure);
}

Task* make_task(const TaskSpec& spec) {
  Task* task = new (small_allocate(sizeof(Task))) Task;
  task->run = spec.run;
  task->cleanup = spec.cleanup;
  task->describe = spec.describe;
  task->argument = spec.argument;
  task->priority = spec.priority;
  task->flags = spec.flags;
  task->name = spec.name;
  task->site = spec.site;
  task->cost_ns = float(spec.cost_ns);
  task->bytes = spec.bytes;
  task->device = spec.device;
  if (spec.device) {
    task->stream = spec.stream;
    task->refs.store(2, std::memory_order_relaxed);
  }
  int most = spec.n_reads + spec.n_writes;
  task->deps = most <= Task::kInlineDeps
                   ? task->inline_deps
                   : static_cast<Dep*>(std::malloc(sizeof(Dep) * size_t(most)));
  int n = 0;
  for (int i = 0; i < spec.n_writes; ++i) {
    Var* var = spec.writes[i];
    if (contains(spec, spec.writes, i, var)) continue;
    task->deps[n++] = Dep{task, var, nullptr, true, contains(spec, spec.reads, spec.n_reads, var)};
  }
  for (int i = 0; i < spec.n_reads; ++i) {
    Var* var = spec.reads[i];
    if (contains(spec, spec.reads, i, var) || contains(spec, spec.writes, spec.n_writes, var)) continue;
    task->deps[n++] = Dep{task, var, nullptr, false, true};
  }
  task->n_deps = n;
  return task;
}

}  // namespace

void push_queued(const TaskSpec& spec) {
  start_if_needed();
  // A worker used them last: they arrive while the task is made.
  for (int i = 0; i < spec.n_writes; ++i) __builtin_prefetch(spec.writes[i], 1);
  for (int i = 0; i < spec.n_reads; ++i) __builtin_prefetch(spec.reads[i], 1);
  Task* task = make_task(spec);
  if (!(spec.flags & kTaskInstant)) pending_tasks.fetch_add(1, std::memory_order_relaxed);
  if (spec.bytes) pending_bytes.fetch_add(int64_t(spec.bytes), std::memory_order_relaxed);
  if (watching.load(std::memory_order_relaxed)) watch_task(task);
  for (int i = 0; i < task->n_deps; ++i) var_retain(task->deps[i].var);
  int missing = task->n_deps;
  task->waiting.store(missing + 1, std::memory_order_relaxed);
  ReadyList ready;
  {
    SpinGuard guard(push_lock);
    task->sequence = sequence.fetch_add(1, std::memory_order_relaxed) + 1;
    if (__builtin_expect(tracing.load(std::memory_order_relaxed), 0)) trace_push(task);
    for (int i = 0; i < task->n_deps; ++i) {
      Dep* dep = &task->deps[i];
      if (dep->write ? dep->var->try_write_order() : dep->var->try_read_order()) {
        --missing;
        continue;
      }
      lock_var(dep->var);
      append_and_unlock(dep->var, dep, &ready);
    }
  }
  // Those granted at once, and the one of being pushed. Where all are, nobody else knows the task yet.
  if (!missing) {
    task->waiting.store(0, std::memory_order_relaxed);
    ready.add(task);
  } else {
    ready.granted(task, task->n_deps - missing + 1);
  }
  hand_on(&ready);
}

namespace {

bool naive() { return settings.mode.load(std::memory_order_relaxed) == int(Mode::kNaive); }

// Naive mode, or inside a task, and variables busy: wait for them, then try again.
void run_here_when_free(const TaskSpec& spec) {
  auto wait = [](Var* var, bool write) {
    if (held_here(var, write)) return;
    WaitRecord* record = begin_wait(var, write);
    wait_for(record, -1);
    end_wait(record);
  };
  while (!try_take_all(spec)) {
    for (int i = 0; i < spec.n_writes; ++i) wait(spec.writes[i], true);
    for (int i = 0; i < spec.n_reads; ++i)
      if (!contains(spec, spec.writes, spec.n_writes, spec.reads[i])) wait(spec.reads[i], false);
  }
  run_here(spec);
}

}  // namespace

// Whether the running task holds one of the variables: the call must then run inside the task.
static bool uses_held(const TaskSpec& spec) {
  for (int i = 0; i < spec.n_writes; ++i)
    if (access_of(spec.writes[i], true) != Access::kFree) return true;
  for (int i = 0; i < spec.n_reads; ++i)
    if (access_of(spec.reads[i], false) != Access::kFree) return true;
  return false;
}

bool push(const TaskSpec& spec) {
  if (__builtin_expect(bulk_size() > 1, 0) && append_to_bulk(spec)) return false;
  bool cheap = spec.cost_ns <= settings.inline_cost_ns.load(std::memory_order_relaxed) &&
               !(spec.flags & (kTaskQueue | kTaskInstant | kTaskNeedsGil)) && !spec.device;
  if (cheap && try_take_all(spec)) {
    run_here(spec);
    return true;
  }
  if (!(spec.flags & kTaskInstant) && !spec.device && (naive() || (running() && uses_held(spec)))) {
    run_here_when_free(spec);
    return true;
  }
  push_queued(spec);
  if (spec.device && naive()) {
    for (int i = 0; i < spec.n_writes; ++i) wait_read(spec.writes[i]);
    return true;
  }
  return false;
}

void reset_tasks_after_fork() {
  push_lock.word = 0;
  pending_tasks.store(0);
  pending_bytes.store(0);
}

}  // namespace weft
