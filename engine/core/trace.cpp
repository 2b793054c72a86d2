// Event records: two rings a thread, written without locks, read after tracing stopped.
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "engine.hpp"
#include "scheduler.hpp"

namespace weft {

std::atomic<int> tracing{0};

#if defined(__x86_64__)
static bool counts_steadily() {
  unsigned a, b, c, d;
  return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d >> 8 & 1);
}
const bool steady_counter = counts_steadily();
#endif

namespace {

struct ThreadRings {
  uint32_t thread;
  int recording;
  std::vector<EventRecord> tasks;
  uint64_t tasks_written = 0;
  std::vector<InlineRecord> calls;  // zero where nothing was written yet; the thread has its place in inline_ring
};

// One moment on both clocks: converts ticks to ns.
struct Instant {
  uint64_t ticks = 0, ns = 0;
};

// A thread that loses its core between the two readings would stretch all times of the recording: the closest pair counts.
Instant now_on_both() {
  Instant best;
  uint64_t closest = UINT64_MAX;
  for (int i = 0; i < 5; ++i) {
    uint64_t before = ticks();
    uint64_t ns = clock_ns();
    uint64_t apart = ticks() - before;
    if (apart >= closest) continue;
    closest = apart;
    best = Instant{before + apart / 2, ns};
  }
  return best;
}

struct Rings {
  std::mutex lock;
  std::vector<std::shared_ptr<ThreadRings>> all;
  size_t capacity = 1 << 16;
  int recordings = 0;
  Instant begin, end;
};
Rings& rings() {
  static Rings* table = new Rings;
  return *table;
}

// A thread keeps what it may be writing to, also when the next recording has begun.
thread_local std::shared_ptr<ThreadRings> own_rings;
__thread ThreadRings* rings_here = nullptr;

__attribute__((noinline)) ThreadRings* new_rings() {
  Rings& table = rings();
  std::lock_guard<std::mutex> guard(table.lock);
  auto own = std::make_shared<ThreadRings>();
  table.all.push_back(own);
  own->thread = uint32_t(table.all.size());
  own->recording = table.recordings;
  own->tasks.resize(table.capacity);
  own->calls.resize(table.capacity);
  rings_here = own.get();
  inline_ring = InlineRing{own->calls.data(), own->calls.data() + table.capacity, own->recording};
  own_rings = std::move(own);
  return rings_here;
}

void write_record(const EventRecord& record) {
  ThreadRings* own = rings_here;
  int recording = tracing.load(std::memory_order_relaxed);
  if (!recording) return;  // stopped meanwhile
  if (__builtin_expect(!own || own->recording != recording, 0)) own = new_rings();
  own->tasks[own->tasks_written++ & (own->tasks.size() - 1)] = record;
}

}  // namespace

__thread InlineRing inline_ring = {nullptr, nullptr, 0};

void renew_inline_ring() {
  if (inline_ring.recording != tracing.load(std::memory_order_relaxed)) new_rings();
  inline_ring.next = rings_here->calls.data();
}

uint64_t clock_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return uint64_t(now.tv_sec) * 1000000000u + uint64_t(now.tv_nsec);
}

void trace_record(Event kind, uint32_t name, uint64_t task, uint64_t value) {
  write_record(EventRecord{ticks(), 0, task, name, uint32_t(kind), value});
}

void trace_push(const Task* task) {
  trace(Event::kPushed, task->name, task->sequence, task->bytes);
  for (int i = 0; i < task->n_deps; ++i) {
    const Dep& dep = task->deps[i];
    trace(dep.write ? Event::kWrites : Event::kReads, task->name, task->sequence, var_id(dep.var));
  }
}

void trace_inline(uint32_t name, uint64_t begin_ticks, uint64_t end_ticks) {
  uint64_t length = std::max<uint64_t>(end_ticks - begin_ticks, 1);
  if (__builtin_expect(length > UINT32_MAX, 0)) {
    write_record(EventRecord{begin_ticks, end_ticks, 0, name, uint32_t(Event::kInline), 0});
    return;
  }
  int recording = tracing.load(std::memory_order_relaxed);
  if (!recording) return;  // stopped meanwhile
  if (__builtin_expect(inline_ring.recording != recording || inline_ring.next == inline_ring.end, 0)) renew_inline_ring();
  *inline_ring.next++ = InlineRecord{begin_ticks, uint32_t(length), name};
}

void trace_start(size_t capacity) {
  Rings& table = rings();
  std::lock_guard<std::mutex> guard(table.lock);
  size_t rounded = 1024;
  while (rounded < capacity) rounded *= 2;
  table.capacity = rounded;
  table.all.clear();
  table.begin = now_on_both();
  tracing.store(++table.recordings, std::memory_order_release);
}

void trace_stop() {
  tracing.store(0, std::memory_order_release);
  Rings& table = rings();
  std::lock_guard<std::mutex> guard(table.lock);
  table.end = now_on_both();
}

void trace_read(void (*visit)(void*, uint32_t, const EventRecord*), void* context) {
  Rings& table = rings();
  std::lock_guard<std::mutex> guard(table.lock);
  const Instant begin = table.begin, end = table.end;
  double ns_per_tick = end.ticks > begin.ticks ? double(end.ns - begin.ns) / double(end.ticks - begin.ticks) : 1.0;
  auto to_ns = [&](uint64_t at) { return at > begin.ticks ? uint64_t(double(at - begin.ticks) * ns_per_tick) : 0; };
  for (const std::shared_ptr<ThreadRings>& own : table.all) {
    std::vector<EventRecord> records;
    uint64_t size = own->tasks.size();
    for (uint64_t i = own->tasks_written > size ? own->tasks_written - size : 0; i < own->tasks_written; ++i)
      records.push_back(own->tasks[i & (size - 1)]);
    for (const InlineRecord& record : own->calls) {
      uint64_t finished = record.length ? record.begin + record.length : 0;
      if (record.begin) records.push_back(EventRecord{record.begin, finished, 0, record.name, uint32_t(Event::kInline), 0});
    }
    std::stable_sort(records.begin(), records.end(),
                     [](const EventRecord& a, const EventRecord& b) { return a.time_ns < b.time_ns; });
    for (EventRecord& record : records) {
      record.time_ns = to_ns(record.time_ns);
      if (record.end_ns) record.end_ns = to_ns(record.end_ns);
      visit(context, own->thread, &record);
    }
  }
}

uint64_t spin_ticks() {  // about 40 microseconds
#if defined(__x86_64__)
  if (steady_counter) return 100000;
#endif
  return 40000;
}

int default_core_count() {
  const char* names[] = {"WEFT_CPU_WORKERS", "MXNET_CPU_WORKER_NTHREADS", "OMP_NUM_THREADS"};
  for (const char* name : names)
    if (const char* text = std::getenv(name)) {
      int cores = std::atoi(text);
      if (cores > 0) return cores;
    }
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0 && CPU_COUNT(&allowed) > 0)
    return CPU_COUNT(&allowed);
  unsigned count = std::thread::hardware_concurrency();
  return count ? int(count) : 1;
}

}  // namespace weft
