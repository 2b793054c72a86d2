// Inside a task: what it may touch, the dependency sanitizer, and the watchdog.
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "engine.hpp"
#include "scheduler.hpp"

namespace weft {

namespace {

__thread Running* running_here = nullptr;

bool declared(const Running* here, const Var* var, bool* write) {
  if (here->task) {
    for (int i = 0; i < here->task->n_deps; ++i)
      if (here->task->deps[i].var == var) {
        *write = here->task->deps[i].write;
        return true;
      }
    return false;
  }
  for (int i = 0; i < here->spec->n_writes; ++i)
    if (here->spec->writes[i] == var) return *write = true;
  for (int i = 0; i < here->spec->n_reads; ++i)
    if (here->spec->reads[i] == var) {
      *write = false;
      return true;
    }
  return false;
}

}  // namespace

Running* running() { return running_here; }
void set_running(Running* now) { running_here = now; }
uint64_t running_task_number() { return running_here ? running_here->number : 0; }
bool in_task() { return running_here != nullptr; }

Access access_of(Var* var, bool write) {
  for (const Running* here = running_here; here; here = here->outer) {
    bool writes = false;
    if (declared(here, var, &writes)) return write && !writes ? Access::kOnlyRead : Access::kHeld;
  }
  if (running_here && settings.sanitize.load(std::memory_order_relaxed) && var->is_buffer) {
    for (const Running* here = running_here; here; here = here->outer)
      if (static_cast<Buffer*>(var)->creator == here->number) return Access::kFree;
    return Access::kUndeclared;
  }
  return Access::kFree;
}

// --- sanitizer ----------------------------------------------------------------------------------

namespace {

uint64_t sum_bytes(const Buffer* buffer) {
  const unsigned char* at = static_cast<const unsigned char*>(buffer->data);
  uint64_t sum = 1469598103934665603u;  // FNV-1a, eight bytes a step
  size_t i = 0;
  for (; i + 8 <= buffer->bytes; i += 8) {
    uint64_t word;
    __builtin_memcpy(&word, at + i, 8);
    sum = (sum ^ word) * 1099511628211u;
  }
  for (; i < buffer->bytes; ++i) sum = (sum ^ at[i]) * 1099511628211u;
  return sum;
}

}  // namespace

void ReadSums::add(Var* var) {
  if (!var->is_buffer) return;
  Buffer* buffer = static_cast<Buffer*>(var);
  if (!buffer->data || buffer->free_external) return;
  sums[n++] = Sum{buffer, sum_bytes(buffer)};
}

ReadSums::ReadSums(const Task* task) {
  sums = new Sum[size_t(task->n_deps) + 1];
  for (int i = 0; i < task->n_deps; ++i)
    if (!task->deps[i].write) add(task->deps[i].var);
}

ReadSums::ReadSums(const TaskSpec& spec) {
  sums = new Sum[size_t(spec.n_reads) + 1];
  for (int i = 0; i < spec.n_reads; ++i) {
    bool written = false;
    for (int k = 0; k < spec.n_writes; ++k) written = written || spec.writes[k] == spec.reads[i];
    if (!written) add(spec.reads[i]);
  }
}

const char* ReadSums::changed() const {
  for (int i = 0; i < n; ++i)
    if (sum_bytes(sums[i].buffer) != sums[i].value)
      return "dependency sanitizer: the task changed an array that it declared as read";
  return nullptr;
}

ReadSums::~ReadSums() { delete[] sums; }

// --- watchdog -----------------------------------------------------------------------------------

std::atomic<bool> watching{false};

namespace {

struct Watchdog {
  std::mutex lock;
  Task* newest = nullptr;
  std::atomic<uint64_t> finished{0};
  std::mutex thread_lock;
  std::condition_variable stop_signal;
  std::thread thread;
  bool stop = false;
};
Watchdog& watchdog() {
  static Watchdog* dog = new Watchdog;
  return *dog;
}

bool still_queued(const Dep* dep) {
  for (const Dep* at = dep->var->head; at; at = at->next)
    if (at == dep) return true;
  return false;
}

void lock_state(Var* var) {
  for (;;) {
    uint32_t seen = var->state.load();
    if (!(seen & kVarLock) && var->state.compare_exchange_weak(seen, seen | kVarLock)) return;
    std::this_thread::yield();
  }
}

// Names the tasks in flight that hold `var`.
std::string holders(Var* var, const Task* but, Task* newest) {
  std::string text;
  for (Task* task = newest; task; task = task->older) {
    if (task == but) continue;
    for (int i = 0; i < task->n_deps; ++i) {
      Dep* dep = &task->deps[i];
      if (dep->var != var) continue;
      lock_state(var);
      bool queued = still_queued(dep);
      var->state.fetch_and(~kVarLock);
      if (queued) continue;
      if (!text.empty()) text += ", ";
      text += "#" + std::to_string(task->sequence) + " " + name_of(task->name);
    }
  }
  return text.empty() ? "someone outside the tasks (an exported array, or a wait)" : text;
}

void watch(double seconds) {
  Watchdog& dog = watchdog();
  uint64_t last = dog.finished.load();
  std::unique_lock<std::mutex> lock(dog.thread_lock);
  while (!dog.stop_signal.wait_for(lock, std::chrono::duration<double>(seconds), [&] { return dog.stop; })) {
    uint64_t now = dog.finished.load();
    if (now == last && pending_tasks.load() > 0) {
      std::string text = describe_pending();
      std::fprintf(stderr, "weft watchdog: no task finished for %g s\n%s", seconds, text.c_str());
      std::fflush(stderr);
    }
    last = now;
  }
}

}  // namespace

void watch_task(Task* task) {
  Watchdog& dog = watchdog();
  std::lock_guard<std::mutex> guard(dog.lock);
  task->flags |= kTaskWatched;
  task->running.store(false, std::memory_order_relaxed);
  task->newer = nullptr;
  task->older = dog.newest;
  if (dog.newest) dog.newest->newer = task;
  dog.newest = task;
}

void unwatch_task(Task* task) {
  Watchdog& dog = watchdog();
  std::lock_guard<std::mutex> guard(dog.lock);
  (task->newer ? task->newer->older : dog.newest) = task->older;
  if (task->older) task->older->newer = task->newer;
  dog.finished.fetch_add(1);
}

std::string describe_pending() {
  Watchdog& dog = watchdog();
  std::lock_guard<std::mutex> guard(dog.lock);
  std::string text;
  for (Task* task = dog.newest; task; task = task->older) {
    text += "  #" + std::to_string(task->sequence) + " " + name_of(task->name);
    if (task->site) text += std::string(" (") + site_of(task->site) + ")";
    if (task->running.load()) {
      text += ": running\n";
      continue;
    }
    text += task->waiting.load() > 0 ? ": waits\n" : ": ready\n";
    for (int i = 0; i < task->n_deps; ++i) {
      Dep* dep = &task->deps[i];
      lock_state(dep->var);
      bool queued = still_queued(dep);
      dep->var->state.fetch_and(~kVarLock);
      if (!queued) continue;
      text += std::string("      to ") + (dep->write ? "write" : "read") + " variable " +
              std::to_string(var_id(dep->var)) + ", held by " + holders(dep->var, task, dog.newest) + "\n";
    }
  }
  return text;
}

void set_watchdog(double seconds) {
  Watchdog& dog = watchdog();
  if (dog.thread.joinable()) {
    {
      std::lock_guard<std::mutex> guard(dog.thread_lock);
      dog.stop = true;
      dog.stop_signal.notify_all();
    }
    dog.thread.join();
    dog.stop = false;
  }
  settings.watchdog_seconds.store(seconds);
  watching.store(seconds > 0);
  if (seconds > 0) dog.thread = std::thread(watch, seconds);
}

}  // namespace weft
