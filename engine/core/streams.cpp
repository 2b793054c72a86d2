// Stream devices: issuing tasks to streams, ordering streams by events, and the simulated device.
//
// A variable remembers the event of its last writer and of at most one reader a stream. A task on
// the same stream needs nothing; on another stream it makes that stream wait for the event; the
// host waits only when it wants a value itself.
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine.hpp"
#include "scheduler.hpp"
#include "small_pool.hpp"

namespace weft {

// --- events -------------------------------------------------------------------------------------

namespace {

struct StreamEvent {
  std::atomic<int> refs{1};
  std::atomic<bool> done{false};
  std::mutex lock;
  std::condition_variable signal;

  void retain() { refs.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  void set() {
    std::lock_guard<std::mutex> guard(lock);
    done.store(true, std::memory_order_release);
    signal.notify_all();
  }
  bool wait(int milliseconds) {
    std::unique_lock<std::mutex> guard(lock);
    auto ready = [this] { return done.load(std::memory_order_acquire); };
    if (milliseconds >= 0) return signal.wait_for(guard, std::chrono::milliseconds(milliseconds), ready);
    signal.wait(guard, ready);
    return true;
  }
};

struct StreamUse {
  int device, stream;
  StreamEvent* event;
};

}  // namespace

struct VarEvents {
  mutable SpinLock lock;
  StreamUse writer{0, 0, nullptr};
  std::vector<StreamUse> readers;  // at most one a stream

  ~VarEvents() {
    if (writer.event) writer.event->release();
    for (StreamUse& reader : readers) reader.event->release();
  }
  void wrote(int device, int stream, StreamEvent* event) {
    SpinGuard guard(lock);
    if (writer.event) writer.event->release();
    for (StreamUse& reader : readers) reader.event->release();
    readers.clear();
    event->retain();
    writer = StreamUse{device, stream, event};
  }
  void read(int device, int stream, StreamEvent* event) {
    SpinGuard guard(lock);
    event->retain();
    for (StreamUse& reader : readers)
      if (reader.device == device && reader.stream == stream) {
        reader.event->release();
        reader.event = event;
        return;
      }
    readers.push_back(StreamUse{device, stream, event});
  }
  // What is not done yet of the writer and, for a write, of the readers. References are the caller's.
  std::vector<StreamUse> outstanding(bool for_write) const {
    std::vector<StreamUse> found;
    SpinGuard guard(const_cast<SpinLock&>(lock));
    auto add = [&](const StreamUse& use) {
      if (!use.event || use.event->done.load(std::memory_order_acquire)) return;
      use.event->retain();
      found.push_back(use);
    };
    add(writer);
    if (for_write)
      for (const StreamUse& reader : readers) add(reader);
    return found;
  }
};

void free_var_events(VarEvents* events) { delete events; }

namespace {

VarEvents* events_of(Var* var) {
  VarEvents* events = var->events.load(std::memory_order_acquire);
  if (events) return events;
  VarEvents* fresh = new VarEvents;
  if (var->events.compare_exchange_strong(events, fresh, std::memory_order_acq_rel)) return fresh;
  delete fresh;
  return events;
}

}  // namespace

bool streams_busy(const Var* var, bool for_write) {
  const VarEvents* events = var->events.load(std::memory_order_acquire);
  if (!events) return false;
  std::vector<StreamUse> busy = events->outstanding(for_write);
  for (StreamUse& use : busy) use.event->release();
  return !busy.empty();
}

void host_wait(Var* var, bool for_write, int milliseconds) {
  const VarEvents* events = var->events.load(std::memory_order_acquire);
  if (!events) return;
  std::vector<StreamUse> busy = events->outstanding(for_write);
  if (busy.empty()) return;
  enter_blocking();
  for (StreamUse& use : busy) {
    use.event->wait(milliseconds);
    use.event->release();
  }
  leave_blocking();
}

// --- the simulated device -----------------------------------------------------------------------

namespace {

std::atomic<double> delay_us{0};

struct Command {
  Task* task;          // run it and mark the event,
  StreamEvent* event;  // or, without a task, wait for the event
};

// Carries out commands in order, on a thread of its own.
class Stream {
 public:
  Stream() : thread_([this] { work(); }) {}
  ~Stream() {
    {
      std::lock_guard<std::mutex> guard(lock_);
      stopping_ = true;
      signal_.notify_one();
    }
    thread_.join();
  }
  void put(Command command) {
    std::lock_guard<std::mutex> guard(lock_);
    commands_.push_back(command);
    signal_.notify_one();
  }

 private:
  void work() {
    for (;;) {
      Command command;
      {
        std::unique_lock<std::mutex> guard(lock_);
        signal_.wait(guard, [this] { return stopping_ || !commands_.empty(); });
        if (commands_.empty()) return;
        command = commands_.front();
        commands_.pop_front();
      }
      double delay = delay_us.load(std::memory_order_relaxed);
      if (delay > 0) std::this_thread::sleep_for(std::chrono::duration<double, std::micro>(delay));
      carry_out(command);
    }
  }
  static void carry_out(const Command& command) {
    if (!command.task) {
      command.event->wait(-1);
      command.event->release();
      return;
    }
    run_on_stream(command.task);
    command.event->set();
    command.event->release();
    drop_stream_task(command.task);
  }

  std::mutex lock_;
  std::condition_variable signal_;
  std::deque<Command> commands_;
  bool stopping_ = false;
  std::thread thread_;
};

struct Device {
  Stream streams[kStreams];
};

struct Devices {
  std::mutex lock;
  std::map<int, std::unique_ptr<Device>> all;
};
Devices* devices = new Devices;

Stream& stream_of(int device, int stream) {
  std::lock_guard<std::mutex> guard(devices->lock);
  std::unique_ptr<Device>& found = devices->all[device];
  if (!found) found.reset(new Device);
  return found->streams[stream];
}

}  // namespace

void set_simulated_delay(double microseconds) { delay_us.store(microseconds); }
double simulated_delay() { return delay_us.load(); }

void stop_streams() {
  std::lock_guard<std::mutex> guard(devices->lock);
  devices->all.clear();
}

void reset_streams_after_fork() { devices = new Devices; }

void issue(Task* task) {
  int device = task->device, stream = task->stream;
  Stream& target = stream_of(device, stream);
  for (int i = 0; i < task->n_deps; ++i) {
    Dep& dep = task->deps[i];
    for (StreamUse& use : events_of(dep.var)->outstanding(dep.write)) {
      if (use.device == device && use.stream == stream)
        use.event->release();
      else
        target.put(Command{nullptr, use.event});
    }
  }
  StreamEvent* event = new StreamEvent;
  for (int i = 0; i < task->n_deps; ++i) {
    Dep& dep = task->deps[i];
    if (dep.write)
      events_of(dep.var)->wrote(device, stream, event);
    else
      events_of(dep.var)->read(device, stream, event);
  }
  target.put(Command{task, event});
}

}  // namespace weft
