// The ready queue, the workers and the budget of cores.
#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <new>
#include <queue>
#include <thread>
#include <vector>

#include "engine.hpp"
#include "order.hpp"
#include "scheduler.hpp"
#include "small_pool.hpp"

namespace weft {

Settings settings;

namespace {

// --- ready queue --------------------------------------------------------------------------------

struct LaterFirst {
  bool operator()(const Task* a, const Task* b) const {
    return a->priority != b->priority ? a->priority < b->priority : a->sequence > b->sequence;
  }
};

// Ready tasks by priority, then push order. Most become ready in push order with priority 0: those
// stand in a ring, so that neither putting nor taking one touches another; the rest in a heap. The next
// task is the better one of the two heads.
class ReadyQueue {
 public:
  void put(Task* task) {
    cost_ns_ += double(task->cost_ns);
    size_.store(size() + 1, std::memory_order_seq_cst);
    if (task->priority == 0 && (head_ == tail_ || last_sequence_ < task->sequence)) {
      if (tail_ - head_ > mask_) grow();
      ring_[tail_++ & mask_] = task;
      last_sequence_ = task->sequence;
    } else {
      heap_.push(task);
    }
  }
  // The task whose turn it is, or nullptr.
  Task* first() const {
    if (!size()) return nullptr;
    if (head_ == tail_) return heap_.top();
    Task* task = at(head_);
    return heap_.empty() || LaterFirst()(heap_.top(), task) ? task : heap_.top();
  }
  Task* take() {
    Task* task = first();
    if (!task) return nullptr;
    if (head_ != tail_ && task == at(head_)) {
      ++head_;
    } else {
      heap_.pop();
    }
    size_.store(size() - 1, std::memory_order_seq_cst);
    cost_ns_ = size() ? cost_ns_ - double(task->cost_ns) : 0;
    return task;
  }
  // The next task if it has no priority and costs at most so much; else nullptr.
  Task* take_plain(double most_cost_ns) {
    Task* task = first();
    return task && task->priority == 0 && double(task->cost_ns) <= most_cost_ns ? take() : nullptr;
  }
  uint32_t size() const { return size_.load(std::memory_order_seq_cst); }  // without the lock too
  double cost_ns() const { return cost_ns_; }

 private:
  Task* at(size_t place) const { return ring_[place & mask_]; }
  void grow() {
    uint32_t mask = 2 * mask_ + 1;
    Task** wider = new Task*[mask + 1];
    for (size_t place = head_; place != tail_; ++place) wider[place & mask] = at(place);
    delete[] ring_;
    ring_ = wider;
    mask_ = mask;
  }

  // One cache line together with the lock: it travels between the pushing thread and a worker for every task.
  size_t head_ = 0, tail_ = 0;
  uint64_t last_sequence_ = 0;
  Task** ring_ = new Task*[256];
  uint32_t mask_ = 255;  // of the ring's size, a power of two
  std::atomic<uint32_t> size_{0};
  double cost_ns_ = 0;
  std::priority_queue<Task*, std::vector<Task*>, LaterFirst> heap_;
};

// A second worker is woken only for work worth the switch.
constexpr double kWakeCostNs = 20000;

// What the pushing thread, the workers and the sleepers write stands in lines of its own.
struct Scheduler {
  alignas(64) SpinLock queue_lock;
  ReadyQueue ready;
  // Tasks in Python wait apart: while one of them waits for the GIL, the next would only wait behind
  // it, or get it first and overtake.
  alignas(64) ReadyQueue ready_python;
  std::atomic<int> gil_waiting{0};

  alignas(64) std::mutex sleep_lock;
  std::condition_variable sleep_signal;
  alignas(64) std::atomic<int> sleepers{0};
  std::atomic<int> cores_in_use{0};
  std::atomic<int> spinning{0};
  std::atomic<int> blocked{0};
  int cores = 1;
  bool stopping = false;
  std::atomic<bool> started{false};
  std::vector<std::thread> threads;
  std::atomic<int> long_running{0};  // tasks now running that a ready one should not wait for
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

// --- handing tasks over -------------------------------------------------------------------------

void wake_worker() {
  Scheduler* s = scheduler;
  if (s->sleepers.load(std::memory_order_seq_cst) == 0) return;
  std::lock_guard<std::mutex> guard(s->sleep_lock);
  s->sleep_signal.notify_one();
}

bool tasks_waiting() {
  Scheduler* s = scheduler;
  return s->ready.size() > 0 ||
         (s->ready_python.size() > 0 &&
          s->gil_waiting.load(std::memory_order_seq_cst) == 0);
}

// Tasks that this worker took from the queue in one turn and has not run yet.
constexpr uint32_t kMostTaken = 16;
struct Taken {
  Task* tasks[kMostTaken];
  uint32_t at, n;
};
__thread Taken taken;

// The pushing thread wrote the tasks and their variables: fetch the next ones while this one runs.
void prefetch_next() {
  if (taken.at + 1 < taken.n) {
    const char* line = reinterpret_cast<const char*>(taken.tasks[taken.at + 1]);
    __builtin_prefetch(line, 1);
    __builtin_prefetch(line + 64, 1);
  }
  if (taken.at < taken.n && taken.tasks[taken.at]->n_deps) __builtin_prefetch(taken.tasks[taken.at]->deps->var, 1);
}

// Takes a task and, where many short ones without priorities stand, a share of those behind it.
Task* take_share() {
  Scheduler* s = scheduler;
  SpinGuard guard(s->queue_lock);
  Task* native = s->ready.first();
  Task* python = s->gil_waiting.load(std::memory_order_seq_cst) ? nullptr : s->ready_python.first();
  bool take_python = python && (!native || LaterFirst()(native, python));
  Task* task = (take_python ? s->ready_python : s->ready).take();
  if (python || !task || double(task->cost_ns) > kWakeCostNs) return task;
  uint32_t share = std::min(kMostTaken, s->ready.size() / uint32_t(2 * s->cores));
  while (taken.n < share) {
    Task* more = s->ready.take_plain(kWakeCostNs);
    if (!more) break;
    taken.tasks[taken.n++] = more;
  }
  return task;
}

Task* take_ready() {
  if (taken.at < taken.n) {
    Task* task = taken.tasks[taken.at++];
    prefetch_next();
    return task;
  }
  if (!tasks_waiting()) return nullptr;
  taken.at = taken.n = 0;
  Task* task = take_share();
  prefetch_next();
  return task;
}

// This worker will not get to them soon.
void give_back_taken() {
  if (taken.at == taken.n) return;
  SpinGuard guard(scheduler->queue_lock);
  while (taken.at < taken.n) scheduler->ready.put(taken.tasks[taken.at++]);
}

// The next task if the waiting thread may run it.
Task* take_ready_for(const Awaited& awaited) {
  Scheduler* s = scheduler;
  if (s->ready.size() == 0) return nullptr;
  SpinGuard guard(s->queue_lock);
  Task* task = s->ready.first();
  if (!task || (task->flags & kTaskByWorker) || task->cost_ns > awaited.most_cost_ns(task)) return nullptr;
  for (int i = 0; i < task->n_deps; ++i)  // it would wait for a stream
    if (task->deps[i].var->events.load(std::memory_order_relaxed)) return nullptr;
  s->ready.take();
  return task;
}

// --- workers ------------------------------------------------------------------------------------

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

// Runs a task and passes on what it made ready, but for the one task that the thread may go on with: where nothing else
// is ready, and it runs anywhere, the queue would only send it back.
Task* run(Task* task) {
  Scheduler* s = scheduler;
  bool is_long = task->cost_ns > kWakeCostNs;
  if (is_long) {
    report_finished();
    s->long_running.fetch_add(1, std::memory_order_relaxed);
    if (tasks_waiting() && core_free()) wake_worker();
  }
  ReadyList ready;
  execute(task, &ready);
  if (is_long) s->long_running.fetch_sub(1, std::memory_order_relaxed);
  Task* next = ready.head;
  if (next && !next->next && !next->device && !(next->flags & (kTaskInstant | kTaskNeedsGil)) && taken.at == taken.n &&
      !tasks_waiting()) {
    trace(Event::kReady, next->name, next->sequence);
    return next;
  }
  hand_on(&ready);
  return nullptr;
}

// Runs tasks, and pieces of others' parallel loops, until there is nothing to do.
void work() {
  Scheduler* s = scheduler;
  for (;;) {
    if (!work_waiting() || !take_core()) return;
    Task* next = nullptr;
    while (Task* task = next ? next : take_ready()) {
      next = run(task);
      // A thread that came back from blocking may have made us one too many.
      if (s->cores_in_use.load(std::memory_order_relaxed) > s->cores) break;
    }
    if (next) enqueue_ready(next);
    give_back_taken();
    report_finished();
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

void enqueue_ready(Task* task) {
  Scheduler* s = scheduler;
  bool wake;
  {
    SpinGuard guard(s->queue_lock);
    ((task->flags & kTaskNeedsGil) ? s->ready_python : s->ready).put(task);
      wake = s->cores_in_use.load(std::memory_order_relaxed) == 0 ||
           s->long_running.load(std::memory_order_relaxed) > 0 ||
           s->ready.cost_ns() + s->ready_python.cost_ns() > kWakeCostNs;
  }
  if (wake && core_free() && s->spinning.load(std::memory_order_relaxed) == 0) wake_worker();
}

// A waiting thread is awake, a worker mostly not: it runs the task it waits for itself, or pieces of its loops, while
// the woken worker arrives. Not inside a task: what is run here could wait for the suspended one. Tasks in Python, and
// steps of graphs, which may be Python, are left to the workers. The thread counts as a worker meanwhile.
void help_while_waiting(const Awaited& awaited) {
  Scheduler* s = scheduler;
  if (is_worker || running() || !s->started.load(std::memory_order_acquire)) return;
  uint64_t end = ticks() + spin_ticks() / 2;
  while (!awaited.done() && core_free() && ticks() < end) {
    if (!work_waiting() || !take_core()) {
      std::this_thread::yield();
      continue;
    }
    is_worker = true;
    Task* task = take_ready_for(awaited);
    if (Task* next = task ? run(task) : nullptr) enqueue_ready(next);
    report_finished();
    bool worked = task || join_parallel_work(true);
    is_worker = false;
    return_core();
    if (work_waiting() && core_free()) wake_worker();
    if (!worked) return;
    end = ticks() + spin_ticks() / 2;
  }
}

bool on_worker() { return is_worker; }

bool core_free() {
  return scheduler->cores_in_use.load(std::memory_order_relaxed) < scheduler->cores;
}

void enter_blocking() {
  if (!is_worker || blocking_depth++) return;
  give_back_taken();
  report_finished();
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
  if (tasks_waiting() || keep_to_one_core()) return granted;
  while (granted < wanted && take_core()) ++granted;
  return granted;
}

void release_cores(int granted) {
  if (granted <= 1) return;
  return_core(granted - 1);
  if (work_waiting()) wake_worker();
}

void start_if_needed() {
  if (!scheduler->started.load(std::memory_order_acquire)) start();
}

void wake_for_parallel_work(int helpers) {
  start_if_needed();
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
  watching.store(false);
  is_worker = false;
  blocking_depth = 0;
  taken.at = taken.n = 0;
  reset_errors_after_fork();
  reset_tasks_after_fork();
  reset_waits_after_fork();
  reset_parallel_after_fork();
  reset_streams_after_fork();
}

}  // namespace weft
