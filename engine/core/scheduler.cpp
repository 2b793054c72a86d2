// Variables' queues, the ready queue and the workers. Readable in one sitting: start at push().
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <queue>
#include <thread>
#include <unordered_map>
#include <vector>

#include "engine.hpp"
#include "scheduler.hpp"
#include "small_pool.hpp"

namespace weft {

Settings settings;
std::atomic<int64_t> pending_tasks{0};
std::atomic<int64_t> pending_bytes{0};

namespace {

// --- ready queue --------------------------------------------------------------------------------

struct LaterFirst {
  bool operator()(const Task* a, const Task* b) const {
    return a->priority != b->priority ? a->priority < b->priority : a->sequence > b->sequence;
  }
};

// Ready tasks by priority, then push order. Most become ready in push order with priority 0: those
// form a list; the rest a heap. The next task is the better one of the two heads.
class ReadyQueue {
 public:
  void put(Task* task) {
    cost_ns_ += task->cost_ns;
    ++size_;
    if (task->priority == 0 && (!tail_ || tail_->sequence < task->sequence)) {
      task->next = nullptr;
      (tail_ ? tail_->next : head_) = task;
      tail_ = task;
    } else {
      heap_.push(task);
    }
  }
  // The task whose turn it is, or nullptr.
  Task* first() const {
    if (!size_) return nullptr;
    return head_ && (heap_.empty() || LaterFirst()(heap_.top(), head_)) ? head_ : heap_.top();
  }
  Task* take() {
    Task* task = first();
    if (!task) return nullptr;
    if (task == head_) {
      head_ = task->next;
      if (!head_) tail_ = nullptr;
    } else {
      heap_.pop();
    }
    --size_;
    cost_ns_ = size_ ? cost_ns_ - task->cost_ns : 0;
    return task;
  }
  size_t size() const { return size_; }
  double cost_ns() const { return cost_ns_; }

 private:
  Task* head_ = nullptr;
  Task* tail_ = nullptr;
  std::priority_queue<Task*, std::vector<Task*>, LaterFirst> heap_;
  size_t size_ = 0;
  double cost_ns_ = 0;
};

// A second worker is woken only for work worth the switch.
constexpr double kWakeCostNs = 20000;

struct Scheduler {
  SpinLock push_lock;  // appends of one task to its variables' queues are one step
  SpinLock queue_lock;
  ReadyQueue ready;
  // Tasks in Python wait apart: while one of them waits for the GIL, the next would only wait behind
  // it, or get it first and overtake.
  ReadyQueue ready_python;
  std::atomic<size_t> ready_count{0};
  std::atomic<size_t> ready_python_count{0};
  std::atomic<int> gil_waiting{0};
  std::atomic<uint64_t> sequence{0};

  std::mutex sleep_lock;
  std::condition_variable sleep_signal;
  std::atomic<int> sleepers{0};
  std::atomic<int> cores_in_use{0};
  std::atomic<int> spinning{0};
  std::atomic<int> blocked{0};
  int cores = 1;
  bool stopping = false;
  std::atomic<bool> started{false};
  std::vector<std::thread> threads;

  std::mutex error_lock;
  ErrorRecord* first_error = nullptr;

  std::mutex drain_lock;
  std::condition_variable drain_signal;
  std::atomic<int> drain_waiters{0};
  std::atomic<int> draining_tasks{0};  // tasks that themselves wait for everything
  std::atomic<int> long_running{0};    // tasks now running that a ready one should not wait for
};

Scheduler* make_scheduler() {
  Scheduler* scheduler = new Scheduler;
  scheduler->cores = default_core_count();
  settings.max_pending_bytes.store(int64_t(pool_statistics().limit));
  return scheduler;
}
Scheduler* scheduler = make_scheduler();
std::mutex start_lock;

__thread bool is_worker = false;
__thread int blocking_depth = 0;

void (*exception_release)(void*) = nullptr;

}  // namespace

// --- errors -------------------------------------------------------------------------------------

void error_retain(ErrorRecord* record) { record->refs.fetch_add(1, std::memory_order_relaxed); }

void error_release(ErrorRecord* record) {
  if (record->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (record->exception && exception_release) exception_release(record->exception);
  delete record;
}

void set_exception_release(void (*release)(void*)) { exception_release = release; }

void set_error(Var* var, ErrorRecord* record) {
  if (record) error_retain(record);
  ErrorRecord* old = var->error.exchange(record, std::memory_order_acq_rel);
  if (old) error_release(old);
}

void clear_error(Var* var) { set_error(var, nullptr); }

ErrorRecord* take_first_error() {
  std::lock_guard<std::mutex> guard(scheduler->error_lock);
  ErrorRecord* record = scheduler->first_error;
  scheduler->first_error = nullptr;
  return record;
}

void forget_first_error(ErrorRecord* record) {
  {
    std::lock_guard<std::mutex> guard(scheduler->error_lock);
    if (scheduler->first_error != record) return;
    scheduler->first_error = nullptr;
  }
  error_release(record);
}

namespace {

void note_first_error(ErrorRecord* record) {
  std::lock_guard<std::mutex> guard(scheduler->error_lock);
  if (scheduler->first_error) return;
  error_retain(record);
  scheduler->first_error = record;
}

// --- names --------------------------------------------------------------------------------------

struct Names {
  std::mutex lock;
  std::unordered_map<std::string, uint32_t> numbers;
  std::vector<std::unique_ptr<std::string>> texts;
};
Names& names() {
  static Names* table = new Names;
  return *table;
}

Names& sites() {
  static Names* table = new Names;
  return *table;
}

uint32_t intern(Names& table, const char* name) {
  std::lock_guard<std::mutex> guard(table.lock);
  auto found = table.numbers.find(name);
  if (found != table.numbers.end()) return found->second;
  table.texts.emplace_back(new std::string(name));
  uint32_t number = uint32_t(table.texts.size());
  table.numbers.emplace(name, number);
  return number;
}

const char* text_of(Names& table, uint32_t number, const char* otherwise) {
  std::lock_guard<std::mutex> guard(table.lock);
  return number && number <= table.texts.size() ? table.texts[number - 1]->c_str() : otherwise;
}

}  // namespace

uint32_t intern_name(const char* name) { return intern(names(), name); }
const char* name_of(uint32_t name) { return text_of(names(), name, "task"); }
uint32_t intern_site(const char* text) { return intern(sites(), text); }
const char* site_of(uint32_t site) { return text_of(sites(), site, "unknown line"); }

// --- variables ----------------------------------------------------------------------------------

namespace {

void destroy_plain_var(Var* var) {
  if (ErrorRecord* record = var->error.load(std::memory_order_relaxed)) error_release(record);
  if (VarEvents* events = var->events.load(std::memory_order_relaxed)) free_var_events(events);
  var->~Var();
  small_free(var, sizeof(Var));
}

void lock_var(Var* var) {
  int spins = 0;
  for (;;) {
    uint32_t seen = var->state.load(std::memory_order_relaxed);
    if (!(seen & kVarLock) &&
        var->state.compare_exchange_weak(seen, seen | kVarLock, std::memory_order_acquire,
                                         std::memory_order_relaxed))
      return;
    if (++spins > 200) {
      std::this_thread::yield();
      spins = 0;
    }
  }
}

void unlock_var(Var* var) { var->state.fetch_and(~kVarLock, std::memory_order_release); }

// Tasks that became ready, to be handed on once no variable is locked.
struct ReadyList {
  Task* head = nullptr;
  Task* tail = nullptr;
  void granted(Task* task) {
    if (task->waiting.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    task->next = nullptr;
    (tail ? tail->next : head) = task;
    tail = task;
  }
};

// Grants what the front of the queue wants, as far as it can be granted. Variable locked.
void grant_front(Var* var, ReadyList* ready) {
  while (Dep* dep = var->head) {
    uint32_t state = var->state.load(std::memory_order_acquire);
    if (state & kVarWriter) break;
    if (dep->write && state >= kVarReader) break;
    var->state.fetch_add(dep->write ? kVarWriter : kVarReader, std::memory_order_acq_rel);
    var->head = dep->next;
    if (!var->head) {
      var->tail = nullptr;
      var->state.fetch_and(~kVarQueued, std::memory_order_acq_rel);
    }
    ready->granted(dep->task);
    if (dep->write) break;
  }
}

void append_locked(Var* var, Dep* dep, ReadyList* ready) {
  dep->next = nullptr;
  (var->tail ? var->tail->next : var->head) = dep;
  var->tail = dep;
  var->state.fetch_or(kVarQueued, std::memory_order_acq_rel);
  grant_front(var, ready);
}

void finish(Task* task, ErrorRecord* failure, ReadyList* ready);
void execute(Task* task, ReadyList* ready);
void hand_on(ReadyList* ready);

// Lets the next in the variable's queue have its turn.
void release_order(Dep* dep, ReadyList* ready) {
  Var* var = dep->var;
  if (dep->write) {
    uint32_t only_writer = kVarWriter;
    if (!var->state.compare_exchange_strong(only_writer, 0, std::memory_order_acq_rel,
                                            std::memory_order_relaxed)) {
      lock_var(var);
      var->state.fetch_and(~kVarWriter, std::memory_order_acq_rel);
      grant_front(var, ready);
      unlock_var(var);
    }
  } else {
    uint32_t now = var->state.fetch_sub(kVarReader, std::memory_order_acq_rel) - kVarReader;
    if (now < kVarReader && (now & kVarQueued)) {
      lock_var(var);
      grant_front(var, ready);
      unlock_var(var);
    }
  }
}

// `failure` is what the task leaves in the variables it was to write; a wait leaves them alone.
void release_dep(Dep* dep, const Task* task, ErrorRecord* failure, ReadyList* ready) {
  Var* var = dep->var;
  if (dep->write && !(task->flags & (kTaskInstant | kTaskOwnErrors))) {
    if (failure || var->error.load(std::memory_order_relaxed)) set_error(var, failure);
    var->version.fetch_add(1, std::memory_order_release);
  }
  release_order(dep, ready);
  var_release(var);
}

}  // namespace

Var* new_var() {
  Var* var = new (small_allocate(sizeof(Var))) Var;
  var->destroy = destroy_plain_var;
  return var;
}

uint32_t var_id(Var* var) {
  static std::atomic<uint32_t> next{1};
  uint32_t id = __atomic_load_n(&var->id, __ATOMIC_RELAXED);
  if (id) return id;
  uint32_t fresh = next.fetch_add(1, std::memory_order_relaxed), none = 0;
  return __atomic_compare_exchange_n(&var->id, &none, fresh, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED)
             ? fresh
             : none;
}

void release_read_slow(Var* var) {
  ReadyList ready;
  var_retain(var);  // a granted task may run to its end, and drop the variable, at once
  lock_var(var);
  grant_front(var, &ready);
  unlock_var(var);
  hand_on(&ready);
  var_release(var);
}

void release_write_slow(Var* var) {
  ReadyList ready;
  var_retain(var);
  lock_var(var);
  var->state.fetch_and(~kVarWriter, std::memory_order_acq_rel);
  grant_front(var, &ready);
  unlock_var(var);
  hand_on(&ready);
  var_release(var);
}

// --- tasks --------------------------------------------------------------------------------------

namespace {

void wake_worker() {
  Scheduler* s = scheduler;
  if (s->sleepers.load(std::memory_order_seq_cst) == 0) return;
  std::lock_guard<std::mutex> guard(s->sleep_lock);
  s->sleep_signal.notify_one();
}

void count_ready() {  // queue locked
  Scheduler* s = scheduler;
  s->ready_count.store(s->ready.size(), std::memory_order_seq_cst);
  s->ready_python_count.store(s->ready_python.size(), std::memory_order_seq_cst);
}

void enqueue_ready(Task* task) {
  Scheduler* s = scheduler;
  bool wake;
  {
    SpinGuard guard(s->queue_lock);
    ((task->flags & kTaskNeedsGil) ? s->ready_python : s->ready).put(task);
    count_ready();
    wake = s->cores_in_use.load(std::memory_order_relaxed) == 0 ||
           s->long_running.load(std::memory_order_relaxed) > 0 ||
           s->ready.cost_ns() + s->ready_python.cost_ns() > kWakeCostNs;
  }
  if (wake && core_free() && s->spinning.load(std::memory_order_relaxed) == 0) wake_worker();
}

bool tasks_waiting() {
  Scheduler* s = scheduler;
  return s->ready_count.load(std::memory_order_seq_cst) > 0 ||
         (s->ready_python_count.load(std::memory_order_seq_cst) > 0 &&
          s->gil_waiting.load(std::memory_order_seq_cst) == 0);
}

Task* take_ready() {
  Scheduler* s = scheduler;
  if (!tasks_waiting()) return nullptr;
  SpinGuard guard(s->queue_lock);
  Task* native = s->ready.first();
  Task* python = s->gil_waiting.load(std::memory_order_seq_cst) ? nullptr : s->ready_python.first();
  bool take_python = python && (!native || LaterFirst()(native, python));
  Task* task = (take_python ? s->ready_python : s->ready).take();
  count_ready();
  return task;
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

}  // namespace

ErrorRecord* new_error(const TaskContext& context, uint32_t name, uint32_t site,
                       void (*describe)(void*, std::string*), void* argument) {
  ErrorRecord* record = new ErrorRecord;
  record->message = context.error[0] ? context.error : "the task failed";
  record->name = name;
  record->site = site;
  record->exception = context.exception;
  if (describe) describe(argument, &record->description);
  note_first_error(record);
  return record;
}

ErrorRecord* new_failure(const char* message, const char* description, uint32_t name, uint32_t site) {
  ErrorRecord* record = new ErrorRecord;
  record->message = message;
  record->description = description;
  record->name = name;
  record->site = site;
  note_first_error(record);
  return record;
}

namespace {

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
  for (int i = 0; i < task->n_deps; ++i) host_wait(task->deps[i].var, task->deps[i].write, -1);
  ErrorRecord* failure = (task->flags & kTaskOwnErrors) ? nullptr : inherited_error(task);
  if (!failure) {
    char message[kTaskErrorBytes];
    message[0] = 0;
    TaskContext context{message};
    task->running.store(true, std::memory_order_relaxed);
    trace(Event::kStarted, task->name, task->sequence);
    if (run_body(task, Running{task, nullptr, task->sequence, nullptr}, task->run, task->argument, &context))
      failure = new_error(context, task->name, task->site, task->describe, task->argument);
    trace(Event::kFinished, task->name, task->sequence);
  }
  finish(task, failure, ready);
}

void free_task(Task* task) {
  if (task->deps != task->inline_deps) std::free(task->deps);
  task->~Task();
  small_free(task, sizeof(Task));
}

void notify_drained() {
  Scheduler* s = scheduler;
  if (s->drain_waiters.load(std::memory_order_seq_cst) == 0) return;
  std::lock_guard<std::mutex> guard(s->drain_lock);
  s->drain_signal.notify_all();
}

// The task is out of the way: count it off and free it.
void retire(Task* task) {
  bool counted = !(task->flags & kTaskInstant);
  if (task->registered) unwatch_task(task);
  if (task->bytes) pending_bytes.fetch_sub(int64_t(task->bytes), std::memory_order_relaxed);
  free_task(task);
  if (!counted) return;
  int64_t left = pending_tasks.fetch_sub(1, std::memory_order_seq_cst) - 1;
  if (left <= scheduler->draining_tasks.load(std::memory_order_seq_cst) ||
      left == settings.max_pending.load(std::memory_order_relaxed) / 2)
    notify_drained();
}

void finish(Task* task, ErrorRecord* failure, ReadyList* ready) {
  // Clean up first: when a wait returns, what the task held is already let go.
  if (task->cleanup) task->cleanup(task->argument);
  for (int i = 0; i < task->n_deps; ++i) release_dep(&task->deps[i], task, failure, ready);
  if (failure) error_release(failure);
  retire(task);
}

}  // namespace

void run_on_stream(Task* task) {
  ErrorRecord* failure = inherited_error(task);
  if (!failure) {
    char message[kTaskErrorBytes];
    message[0] = 0;
    TaskContext context{message};
    task->running.store(true, std::memory_order_relaxed);
    trace(Event::kStarted, task->name, task->sequence);
    if (run_body(task, Running{task, nullptr, task->sequence, nullptr}, task->run, task->argument, &context))
      failure = new_error(context, task->name, task->site, task->describe, task->argument);
    trace(Event::kFinished, task->name, task->sequence);
  }
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

bool contains(Var* const* list, int n, const Var* var) {
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
    if (contains(spec.writes, writes, spec.writes[writes])) continue;
    if (held_here(spec.writes[writes], true)) continue;
    if (!spec.writes[writes]->try_write()) {
      taken = false;
      break;
    }
  }
  for (; taken && reads < spec.n_reads; ++reads) {
    if (contains(spec.writes, spec.n_writes, spec.reads[reads])) continue;
    if (held_here(spec.reads[reads], false)) continue;
    if (!spec.reads[reads]->try_read()) {
      taken = false;
      break;
    }
  }
  if (taken) return true;
  while (reads-- > 0) {
    Var* var = spec.reads[reads];
    if (!contains(spec.writes, spec.n_writes, var) && !held_here(var, false)) release_read(var);
  }
  while (writes-- > 0) {
    Var* var = spec.writes[writes];
    if (contains(spec.writes, writes, var) || held_here(var, true)) continue;
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
    bool traced = tracing.load(std::memory_order_relaxed);
    uint64_t begin = traced ? ticks() : 0;
    uint64_t number = settings.sanitize.load(std::memory_order_relaxed) ? scheduler->sequence.fetch_add(1) + 1 : 0;
    if (run_body(spec, Running{nullptr, &spec, number, nullptr}, spec.run, spec.argument, &context))
      failure = new_error(context, spec.name, spec.site, spec.describe, spec.argument);
    if (traced) trace_inline(spec.name, begin);
  }
  // As in finish(): what the body held goes first. Callers keep the variables alive.
  if (spec.cleanup) spec.cleanup(spec.argument);
  for (int i = 0; i < spec.n_reads; ++i)
    if (!contains(spec.writes, spec.n_writes, spec.reads[i]) && !held_here(spec.reads[i], false))
      release_read(spec.reads[i]);
  for (int i = 0; i < spec.n_writes; ++i) {
    if (contains(spec.writes, i, spec.writes[i])) continue;
    if (failure) set_error(spec.writes[i], failure);
    if (held_here(spec.writes[i], true)) continue;
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
  task->cost_ns = spec.cost_ns;
  task->bytes = spec.bytes;
  task->device = spec.device;
  task->stream = spec.stream;
  task->refs.store(2, std::memory_order_relaxed);
  task->registered = false;
  task->running.store(false, std::memory_order_relaxed);
  int most = spec.n_reads + spec.n_writes;
  task->deps = most <= Task::kInlineDeps
                   ? task->inline_deps
                   : static_cast<Dep*>(std::malloc(sizeof(Dep) * size_t(most)));
  int n = 0;
  for (int i = 0; i < spec.n_writes; ++i) {
    Var* var = spec.writes[i];
    if (contains(spec.writes, i, var)) continue;
    task->deps[n++] = Dep{task, var, nullptr, true, contains(spec.reads, spec.n_reads, var)};
  }
  for (int i = 0; i < spec.n_reads; ++i) {
    Var* var = spec.reads[i];
    if (contains(spec.reads, i, var) || contains(spec.writes, spec.n_writes, var)) continue;
    task->deps[n++] = Dep{task, var, nullptr, false, true};
  }
  task->n_deps = n;
  return task;
}

void push_queued(const TaskSpec& spec) {
  Scheduler* s = scheduler;
  if (!s->started.load(std::memory_order_acquire)) start();
  Task* task = make_task(spec);
  if (!(spec.flags & kTaskInstant)) pending_tasks.fetch_add(1, std::memory_order_relaxed);
  if (spec.bytes) pending_bytes.fetch_add(int64_t(spec.bytes), std::memory_order_relaxed);
  if (watching.load(std::memory_order_relaxed)) watch_task(task);
  for (int i = 0; i < task->n_deps; ++i) var_retain(task->deps[i].var);
  task->waiting.store(task->n_deps + 1, std::memory_order_relaxed);
  ReadyList ready;
  {
    SpinGuard guard(s->push_lock);
    task->sequence = s->sequence.fetch_add(1, std::memory_order_relaxed) + 1;
    if (__builtin_expect(tracing.load(std::memory_order_relaxed), 0)) trace_push(task);
    for (int i = 0; i < task->n_deps; ++i) {
      Dep* dep = &task->deps[i];
      if (dep->write ? dep->var->try_write_order() : dep->var->try_read_order()) {
        ready.granted(task);
        continue;
      }
      lock_var(dep->var);
      append_locked(dep->var, dep, &ready);
      unlock_var(dep->var);
    }
  }
  ready.granted(task);
  hand_on(&ready);
}

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
      if (!contains(spec.writes, spec.n_writes, spec.reads[i])) wait(spec.reads[i], false);
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

// --- workers ------------------------------------------------------------------------------------

namespace {

bool take_core() {
  Scheduler* s = scheduler;
  int used = s->cores_in_use.load(std::memory_order_relaxed);
  while (used < s->cores)
    if (s->cores_in_use.compare_exchange_weak(used, used + 1, std::memory_order_acq_rel)) return true;
  return false;
}

void return_core(int n = 1) { scheduler->cores_in_use.fetch_sub(n, std::memory_order_acq_rel); }

bool work_waiting() {
  return tasks_waiting() || parallel_work_waiting();
}

// Runs tasks, and pieces of others' parallel loops, until there is nothing to do.
void work() {
  Scheduler* s = scheduler;
  for (;;) {
    if (!work_waiting() || !take_core()) return;
    while (Task* task = take_ready()) {
      bool is_long = task->cost_ns > kWakeCostNs;
      if (is_long) {
        s->long_running.fetch_add(1, std::memory_order_relaxed);
        if (tasks_waiting() && core_free()) wake_worker();
      }
      ReadyList ready;
      execute(task, &ready);
      if (is_long) s->long_running.fetch_sub(1, std::memory_order_relaxed);
      hand_on(&ready);
      // A thread that came back from blocking may have made us one too many.
      if (s->cores_in_use.load(std::memory_order_relaxed) > s->cores) break;
    }
    join_parallel_work();
    return_core();
  }
}

// A short look around before sleeping: a wake-up costs the pusher some microseconds.
bool spin_for_work() {
  Scheduler* s = scheduler;
  int nobody = 0;
  if (!s->spinning.compare_exchange_strong(nobody, 1)) return work_waiting();
  bool found = false;
  uint64_t end = ticks() + spin_ticks();
  while (!found && ticks() < end) {
    found = work_waiting() && core_free();
    if (!found) std::this_thread::yield();
  }
  s->spinning.store(0);
  return found || (work_waiting() && core_free());
}

void worker_main() {
  is_worker = true;
  Scheduler* s = scheduler;
  for (;;) {
    work();
    if (spin_for_work()) continue;
    std::unique_lock<std::mutex> lock(s->sleep_lock);
    s->sleepers.fetch_add(1, std::memory_order_seq_cst);
    while (!s->stopping && !(work_waiting() && core_free())) s->sleep_signal.wait(lock);
    s->sleepers.fetch_sub(1, std::memory_order_seq_cst);
    if (s->stopping && !work_waiting()) return;
  }
}

constexpr int kMostThreads = 256;

void add_thread_if_needed() {
  Scheduler* s = scheduler;
  std::lock_guard<std::mutex> guard(s->sleep_lock);
  int runnable = int(s->threads.size()) - s->blocked.load();
  if (s->stopping || runnable >= s->cores || int(s->threads.size()) >= kMostThreads) return;
  s->threads.emplace_back(worker_main);
}

}  // namespace

bool on_worker() { return is_worker; }

bool core_free() {
  return scheduler->cores_in_use.load(std::memory_order_relaxed) < scheduler->cores;
}

void enter_blocking() {
  if (!is_worker || blocking_depth++) return;
  scheduler->blocked.fetch_add(1);
  return_core();
  add_thread_if_needed();
  if (work_waiting()) wake_worker();
}

void leave_blocking() {
  if (!is_worker || --blocking_depth) return;
  scheduler->cores_in_use.fetch_add(1);
  scheduler->blocked.fetch_sub(1);
}

void enter_gil_wait() {
  scheduler->gil_waiting.fetch_add(1, std::memory_order_seq_cst);
  enter_blocking();
}

void leave_gil_wait() {
  leave_blocking();
  if (scheduler->gil_waiting.fetch_sub(1, std::memory_order_seq_cst) == 1 && tasks_waiting() && core_free())
    wake_worker();
}

int core_count() { return scheduler->cores; }

int acquire_cores(int wanted) {
  int granted = 1;
  // Many ready tasks get one core each.
  if (tasks_waiting()) return granted;
  while (granted < wanted && take_core()) ++granted;
  return granted;
}

void release_cores(int granted) {
  if (granted <= 1) return;
  return_core(granted - 1);
  if (work_waiting()) wake_worker();
}

void wake_for_parallel_work(int helpers) {
  if (!scheduler->started.load(std::memory_order_acquire)) start();
  for (int i = 0; i < helpers; ++i) wake_worker();
}

void start() {
  std::lock_guard<std::mutex> guard(start_lock);
  Scheduler* s = scheduler;
  if (s->started.load()) return;
  s->stopping = false;
  std::lock_guard<std::mutex> threads_guard(s->sleep_lock);
  for (int i = 0; i < s->cores; ++i) s->threads.emplace_back(worker_main);
  s->started.store(true, std::memory_order_release);
}

void shutdown() {
  std::lock_guard<std::mutex> guard(start_lock);
  Scheduler* s = scheduler;
  if (!s->started.load()) return;
  WaitRecord* record = begin_wait_all();
  wait_for(record, -1);
  end_wait(record);
  std::vector<std::thread> threads;
  {
    std::lock_guard<std::mutex> sleep_guard(s->sleep_lock);
    s->stopping = true;
    threads.swap(s->threads);
    s->sleep_signal.notify_all();
  }
  for (std::thread& thread : threads) thread.join();
  stop_streams();
  s->started.store(false);
}

void set_core_count(int cores) {
  shutdown();
  scheduler->cores = cores < 1 ? 1 : cores;
}

void reset_after_fork() {
  // The threads exist only in the parent; their locks may be held for ever. Start anew.
  int cores = scheduler->cores;
  new (&start_lock) std::mutex;
  scheduler = new Scheduler;
  scheduler->cores = cores;
  pending_tasks.store(0);
  pending_bytes.store(0);
  watching.store(false);
  is_worker = false;
  blocking_depth = 0;
  reset_parallel_after_fork();
  reset_streams_after_fork();
}

// --- waiting ------------------------------------------------------------------------------------

// On the heap and counted: the waker may still hold it when the waiter is gone.
struct WaitRecord {
  std::atomic<int> refs{2};
  std::mutex lock;
  std::condition_variable signal;
  bool done = false;
  bool drain = false;
  Var* var = nullptr;
  bool write_side = false;
};

namespace {

void drop(WaitRecord* record) {
  if (record->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (record->var) var_release(record->var);
  delete record;
}

int signal_wait(void* argument, TaskContext*) {
  WaitRecord* record = static_cast<WaitRecord*>(argument);
  std::lock_guard<std::mutex> guard(record->lock);
  record->done = true;
  record->signal.notify_all();
  return 0;
}

void drop_wait(void* argument) { drop(static_cast<WaitRecord*>(argument)); }

}  // namespace

WaitRecord* begin_wait(Var* var, bool write_side) {
  if (bulk_open()) flush_bulk();
  WaitRecord* record = new WaitRecord;
  var_retain(var);
  record->var = var;
  record->write_side = write_side;
  TaskSpec spec;
  spec.run = signal_wait;
  spec.cleanup = drop_wait;
  spec.argument = record;
  spec.flags = kTaskInstant;
  (write_side ? spec.writes : spec.reads) = &var;
  (write_side ? spec.n_writes : spec.n_reads) = 1;
  push_queued(spec);
  return record;
}

WaitRecord* begin_wait_all() {
  if (bulk_open()) flush_bulk();
  WaitRecord* record = new WaitRecord;
  record->drain = true;
  record->refs.store(1);
  return record;
}

bool wait_for(WaitRecord* record, int milliseconds) {
  enter_blocking();
  auto wait = [&](std::mutex& mutex, std::condition_variable& signal, auto done) {
    std::unique_lock<std::mutex> lock(mutex);
    if (milliseconds < 0) {
      signal.wait(lock, done);
      return true;
    }
    return signal.wait_for(lock, std::chrono::milliseconds(milliseconds), done);
  };
  bool done;
  if (record->drain) {
    Scheduler* s = scheduler;
    // Tasks that wait for everything cannot wait for themselves, nor for each other.
    if (is_worker) s->draining_tasks.fetch_add(1, std::memory_order_seq_cst);
    s->drain_waiters.fetch_add(1, std::memory_order_seq_cst);
    done = wait(s->drain_lock, s->drain_signal, [&] {
      return pending_tasks.load(std::memory_order_seq_cst) <= s->draining_tasks.load();
    });
    s->drain_waiters.fetch_sub(1, std::memory_order_seq_cst);
    if (is_worker) s->draining_tasks.fetch_sub(1, std::memory_order_seq_cst);
  } else {
    done = wait(record->lock, record->signal, [&] { return record->done; });
    // Everything before is issued; now for what streams still do.
    if (done && streams_busy(record->var, record->write_side)) {
      host_wait(record->var, record->write_side, milliseconds);
      done = !streams_busy(record->var, record->write_side);
    }
  }
  leave_blocking();
  return done;
}

void end_wait(WaitRecord* record) { drop(record); }

void throttle() {
  if (is_worker || !should_throttle()) return;
  Scheduler* s = scheduler;
  std::unique_lock<std::mutex> lock(s->drain_lock);
  s->drain_waiters.fetch_add(1, std::memory_order_seq_cst);
  int64_t low = settings.max_pending.load(std::memory_order_relaxed) / 2;
  int64_t low_bytes = settings.max_pending_bytes.load(std::memory_order_relaxed) / 2;
  // Bytes are not signalled each time: the timeout finds them, and limits changed meanwhile.
  while (pending_tasks.load(std::memory_order_seq_cst) > low ||
         pending_bytes.load(std::memory_order_relaxed) > low_bytes)
    s->drain_signal.wait_for(lock, std::chrono::milliseconds(1));
  s->drain_waiters.fetch_sub(1, std::memory_order_seq_cst);
}

}  // namespace weft
