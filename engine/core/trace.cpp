// Event records: one ring per thread, written without locks, read after tracing stopped.
#include <sched.h>
#include <time.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "engine.hpp"
#include "scheduler.hpp"

namespace weft {

std::atomic<int> tracing{0};

namespace {

struct Ring {
  uint32_t thread;
  uint64_t written = 0;
  uint64_t mask = 0;  // of the capacity, a power of two
  EventRecord* first = nullptr;
  std::vector<EventRecord> records;
};

struct Rings {
  std::mutex lock;
  std::vector<std::unique_ptr<Ring>> all;
  size_t capacity = 1 << 16;
  uint64_t generation = 0;
  uint64_t begin_ticks = 0, end_ticks = 0;
  uint64_t begin_ns = 0, end_ns = 0;
};
Rings& rings() {
  static Rings* table = new Rings;
  return *table;
}
std::atomic<uint64_t> generation{0};
__thread Ring* own_ring = nullptr;
__thread uint64_t own_generation = 0;

__attribute__((noinline)) Ring* new_ring() {
  Rings& table = rings();
  std::lock_guard<std::mutex> guard(table.lock);
  table.all.emplace_back(new Ring);
  own_ring = table.all.back().get();
  own_ring->thread = uint32_t(table.all.size());
  own_ring->records.resize(table.capacity);
  own_ring->first = own_ring->records.data();
  own_ring->mask = table.capacity - 1;
  own_generation = table.generation;
  return own_ring;
}

inline EventRecord* next_record() {
  Ring* own = own_ring;
  if (__builtin_expect(!own || own_generation != generation.load(std::memory_order_acquire), 0)) own = new_ring();
  return own->first + (own->written++ & own->mask);
}

}  // namespace

uint64_t clock_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return uint64_t(now.tv_sec) * 1000000000u + uint64_t(now.tv_nsec);
}

void trace_record(Event kind, uint32_t name, uint64_t task, uint64_t value) {
  *next_record() = EventRecord{ticks(), 0, task, name, uint32_t(kind), value};
}

void trace_push(const Task* task) {
  trace(Event::kPushed, task->name, task->sequence, task->bytes);
  for (int i = 0; i < task->n_deps; ++i) {
    const Dep& dep = task->deps[i];
    trace(dep.write ? Event::kWrites : Event::kReads, task->name, task->sequence, var_id(dep.var));
  }
}

void trace_inline(uint32_t name, uint64_t begin_ticks) {
  *next_record() = EventRecord{begin_ticks, ticks(), 0, name, uint32_t(Event::kInline), 0};
}

void trace_start(size_t capacity) {
  Rings& table = rings();
  std::lock_guard<std::mutex> guard(table.lock);
  size_t rounded = 1024;
  while (rounded < capacity) rounded *= 2;
  table.capacity = rounded;
  table.all.clear();
  table.generation = generation.fetch_add(1, std::memory_order_acq_rel) + 1;
  table.begin_ticks = ticks();
  table.begin_ns = clock_ns();
  tracing.store(1, std::memory_order_release);
}

void trace_stop() {
  tracing.store(0, std::memory_order_release);
  Rings& table = rings();
  std::lock_guard<std::mutex> guard(table.lock);
  table.end_ticks = ticks();
  table.end_ns = clock_ns();
}

void trace_read(void (*visit)(void*, uint32_t, const EventRecord*), void* context) {
  Rings& table = rings();
  std::lock_guard<std::mutex> guard(table.lock);
  double ns_per_tick = table.end_ticks > table.begin_ticks
                           ? double(table.end_ns - table.begin_ns) / double(table.end_ticks - table.begin_ticks)
                           : 1.0;
  auto to_ns = [&](uint64_t at) {
    return at > table.begin_ticks ? uint64_t(double(at - table.begin_ticks) * ns_per_tick) : 0;
  };
  for (const std::unique_ptr<Ring>& own : table.all) {
    uint64_t size = own->records.size();
    for (uint64_t i = own->written > size ? own->written - size : 0; i < own->written; ++i) {
      EventRecord record = own->records[i & (size - 1)];
      record.time_ns = to_ns(record.time_ns);
      if (record.end_ns) record.end_ns = to_ns(record.end_ns);
      visit(context, own->thread, &record);
    }
  }
}

uint64_t spin_ticks() {
#if defined(__x86_64__)
  return 100000;  // about 40 microseconds
#else
  return 40000;
#endif
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
