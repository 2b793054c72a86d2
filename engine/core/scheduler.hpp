// What the engine's own source files share.
#pragma once

#include "engine.hpp"

namespace weft {

// In the order of use: of a task with one variable, two cache lines travel from the pushing thread to a worker.
struct alignas(64) Task {
  TaskFunction run;
  void (*cleanup)(void*);
  void* argument;
  Dep* deps;
  Task* next;  // in the ready list
  uint64_t sequence;
  std::atomic<int> waiting;  // variables not yet granted, plus one while being pushed
  int n_deps;
  uint32_t flags;
  int priority;

  uint64_t bytes;
  void (*describe)(void*, std::string*);
  float cost_ns;
  int device;
  uint32_t name;
  uint32_t site;
  static constexpr int kInlineDeps = 6;
  Dep inline_deps[kInlineDeps];

  // of stream tasks
  int stream;
  std::atomic<int> refs;  // the issuing thread's and the stream's
  // for the watchdog (kTaskWatched)
  Task* older;
  Task* newer;
  std::atomic<bool> running;
};

// A task whose body handles the failures of its parts itself (internal: bulks).
constexpr uint32_t kTaskOwnErrors = 8u;
// A task in the watchdog's list.
constexpr uint32_t kTaskWatched = 64u;

// What the task on this thread declared. Inline runs have no Task, queued ones no spec.
struct Running {
  const Task* task;
  const TaskSpec* spec;
  uint64_t number;
  Running* outer;
};
Running* running();
uint64_t running_task_number();
void set_running(Running* now);

struct ReadyList;
void hand_on(ReadyList* ready);                 // no variable locked
void execute(Task* task, ReadyList* ready);     // adds what it makes ready
void enqueue_ready(Task* task);                 // for a worker
void push_queued(const TaskSpec& spec);
void report_finished();                         // before this thread looks elsewhere for work, waits or sleeps
void notify_drained();                          // few enough tasks are pending for somebody who waits
extern std::atomic<int> draining_tasks;         // tasks that themselves wait for everything

ErrorRecord* new_error(const TaskContext& context, uint32_t name, uint32_t site,
                       void (*describe)(void*, std::string*), void* argument);

// Sanitizer: what a task declared as read must come out as it went in.
struct ReadSums {
  explicit ReadSums(const Task* task);
  explicit ReadSums(const TaskSpec& spec);
  const char* changed() const;  // a message, or nullptr
  ~ReadSums();
  struct Sum {
    Buffer* buffer;
    uint64_t value;
  };
  Sum* sums = nullptr;
  int n = 0;

 private:
  void add(Var* var);
};

// Stream devices. `issue` hands a ready task to its stream and then lets go of its variables' order.
void issue(Task* task);
void run_on_stream(Task* task);      // by the stream's thread
void drop_stream_task(Task* task);   // by the last of issuer and stream
void host_wait(Var* var, bool for_write, int milliseconds);
void free_var_events(VarEvents* events);
void stop_streams();
void reset_streams_after_fork();
void reset_errors_after_fork();
void reset_tasks_after_fork();
void reset_waits_after_fork();

// Bulks: true when the call was taken into the thread's bulk.
bool append_to_bulk(const TaskSpec& spec);

// The watchdog's list of tasks in flight.
extern std::atomic<bool> watching;
void watch_task(Task* task);
void unwatch_task(Task* task);
void note_progress();

int default_core_count();
uint64_t spin_ticks();

bool core_free();
void start_if_needed();

// What a thread outside the engine waits for; such a thread works meanwhile (see help_while_waiting).
struct Awaited {
  virtual ~Awaited() = default;
  virtual bool done() const = 0;
  virtual double most_cost_ns(const Task* task) const = 0;  // of a task that it may run meanwhile
};
void help_while_waiting(const Awaited& awaited);

bool parallel_work_waiting();
bool keep_to_one_core();  // steps of a graph wait for the others
bool join_parallel_work(bool loops_only = false);  // true: there was some
void wake_for_parallel_work(int helpers);
void reset_parallel_after_fork();

void trace_record(Event kind, uint32_t name, uint64_t task, uint64_t value);

inline void trace(Event kind, uint32_t name, uint64_t task, uint64_t value = 0) {
  if (__builtin_expect(tracing.load(std::memory_order_relaxed), 0)) trace_record(kind, name, task, value);
}
void trace_push(const Task* task);

}  // namespace weft
