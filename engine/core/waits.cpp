// Waiting for a variable or for everything, and holding up a thread that pushes too fast.
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "engine.hpp"
#include "scheduler.hpp"

namespace weft {

std::atomic<int> draining_tasks{0};

namespace {

// Threads that wait until few enough tasks are pending.
struct Drain {
  std::mutex lock;
  std::condition_variable signal;
  std::atomic<int> waiters{0};
};
Drain* drain = new Drain;

}  // namespace

void notify_drained() {
  if (drain->waiters.load(std::memory_order_seq_cst) == 0) return;
  std::lock_guard<std::mutex> guard(drain->lock);
  drain->signal.notify_all();
}

// On the heap and counted: the waker may still hold it when the waiter is gone.
struct WaitRecord {
  std::atomic<int> refs{2};
  std::mutex lock;
  std::condition_variable signal;
  std::atomic<bool> done{false};  // set with the lock held
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
  record->done.store(true, std::memory_order_release);
  record->signal.notify_all();
  return 0;
}

// Tasks that a waiting thread may run: Ctrl-C is heard, and the wait ends, after them.
constexpr double kAwaitedCostNs = 5e7;  // what is waited for
constexpr double kOtherCostNs = 1e6;    // anything else

bool drained() {
  return pending_tasks.load(std::memory_order_seq_cst) <= draining_tasks.load(std::memory_order_seq_cst);
}

struct AwaitedDrain : Awaited {
  bool done() const override { return drained(); }
  double most_cost_ns(const Task*) const override { return kAwaitedCostNs; }
};

struct AwaitedVar : Awaited {
  explicit AwaitedVar(const WaitRecord* record) : record_(record) {}
  bool done() const override { return record_->done.load(std::memory_order_acquire); }
  double most_cost_ns(const Task* task) const override {
    for (int i = 0; i < task->n_deps; ++i)
      if (task->deps[i].var == record_->var) return kAwaitedCostNs;
    return kOtherCostNs;
  }
  const WaitRecord* record_;
};

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
  if (record->drain) help_while_waiting(AwaitedDrain());
  else help_while_waiting(AwaitedVar(record));
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
    // Tasks that wait for everything cannot wait for themselves, nor for each other.
    if (on_worker()) draining_tasks.fetch_add(1, std::memory_order_seq_cst);
    drain->waiters.fetch_add(1, std::memory_order_seq_cst);
    done = wait(drain->lock, drain->signal, drained);
    drain->waiters.fetch_sub(1, std::memory_order_seq_cst);
    if (on_worker()) draining_tasks.fetch_sub(1, std::memory_order_seq_cst);
  } else {
    done = wait(record->lock, record->signal, [&] { return record->done.load(std::memory_order_relaxed); });
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
  if (on_worker() || !should_throttle()) return;
  std::unique_lock<std::mutex> lock(drain->lock);
  drain->waiters.fetch_add(1, std::memory_order_seq_cst);
  int64_t low = settings.max_pending.load(std::memory_order_relaxed) / 2;
  int64_t low_bytes = settings.max_pending_bytes.load(std::memory_order_relaxed) / 2;
  // Bytes are not signalled each time: the timeout finds them, and limits changed meanwhile.
  while (pending_tasks.load(std::memory_order_seq_cst) > low ||
         pending_bytes.load(std::memory_order_relaxed) > low_bytes)
    drain->signal.wait_for(lock, std::chrono::milliseconds(1));
  drain->waiters.fetch_sub(1, std::memory_order_seq_cst);
}

void reset_waits_after_fork() {
  drain = new Drain;
  draining_tasks.store(0);
}

}  // namespace weft
