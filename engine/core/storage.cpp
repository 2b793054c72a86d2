// Storage: small blocks from per-thread caches, large ones from size-classed free lists.
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

#include "engine.hpp"
#include "scheduler.hpp"
#include "small_pool.hpp"

namespace weft {

void SpinLock::lock() {
  int spins = 0;
  while (__atomic_exchange_n(&word, 1, __ATOMIC_ACQUIRE)) {
    while (__atomic_load_n(&word, __ATOMIC_RELAXED)) {
      // With more threads than cores the holder may be off its core: let it on.
      if (++spins > 200) {
        sched_yield();
        spins = 0;
      }
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
  }
}

void SpinLock::unlock() { __atomic_store_n(&word, 0, __ATOMIC_RELEASE); }

namespace {

// --- small blocks -----------------------------------------------------------------------------

constexpr size_t kSmallClasses = kSmallLimit / kSmallStep;
constexpr int kBatch = 32;          // blocks moved between a thread and the common list at once
constexpr int kMostKept = 4 * kBatch;
constexpr int kFetchAhead = 3;      // blocks that are handed out soon
constexpr size_t kSlab = 64 << 10;  // taken from the system at once

// Free blocks are listed beside, not inside them: nobody waits for a line of a block that another thread used last, to find
// the one after it, and that line can be fetched some allocations ahead.
struct Batch {
  Batch* next;
  int count;
  void* blocks[kBatch];
};

struct alignas(64) SharedList {
  SpinLock lock;
  Batch* full = nullptr;
  Batch* empty = nullptr;

  // Fills `blocks` with a batch; returns how many.
  int take(void** blocks) {
    SpinGuard guard(lock);
    Batch* batch = full;
    if (!batch) return 0;
    std::copy(batch->blocks, batch->blocks + batch->count, blocks);
    full = batch->next;
    batch->next = empty;
    empty = batch;
    return batch->count;
  }
  // Without memory for the list the blocks stay unused: they may be parts of a slab.
  void give(void* const* blocks, int count) {
    SpinGuard guard(lock);
    Batch* batch = empty;
    if (batch) empty = batch->next;
    else if (!(batch = static_cast<Batch*>(std::malloc(sizeof(Batch))))) return;
    std::copy(blocks, blocks + count, batch->blocks);
    batch->count = count;
    batch->next = full;
    full = batch;
  }
};
SharedList shared_lists[kSmallClasses + 1];

struct Stack {
  int count = 0;
  void* blocks[kMostKept + 1];
};

struct ThreadCache {
  Stack* stacks[kSmallClasses + 1] = {};

  Stack* stack(size_t size_class) {
    Stack* own = stacks[size_class];
    return __builtin_expect(own != nullptr, 1) ? own : (stacks[size_class] = new (std::nothrow) Stack);
  }
  // The oldest go; what was freed last is in this core's cache.
  void give_back(size_t size_class, Stack* own, int blocks) {
    int at = 0;
    while (at < blocks) {
      int count = std::min(kBatch, blocks - at);
      shared_lists[size_class].give(own->blocks + at, count);
      at += count;
    }
    own->count -= blocks;
    std::copy(own->blocks + blocks, own->blocks + blocks + own->count, own->blocks);
  }
  // The thread has no block left.
  static bool refill(size_t size_class, Stack* own) {
    own->count = shared_lists[size_class].take(own->blocks);
    if (own->count) return true;
    char* slab = static_cast<char*>(std::aligned_alloc(kSmallStep, kSlab));
    if (!slab) return false;
    size_t step = size_class * kSmallStep;
    for (size_t at = 0; at + step <= kSlab; at += step) {
      if (own->count == kMostKept) {
        shared_lists[size_class].give(own->blocks + kMostKept - kBatch, kBatch);
        own->count -= kBatch;
      }
      own->blocks[own->count++] = slab + at;
    }
    return true;
  }
};

// A plain pointer keeps the access to one instruction; a pthread key returns the blocks when the
// thread ends. After that the thread (other keys' destructors) uses the common lists.
__thread ThreadCache* thread_cache = nullptr;
__thread bool thread_ended = false;
pthread_key_t cache_key;
pthread_once_t cache_key_once = PTHREAD_ONCE_INIT;

void end_thread_cache(void* memory) {
  ThreadCache* cache = static_cast<ThreadCache*>(memory);
  thread_cache = nullptr;
  thread_ended = true;
  for (size_t size_class = 1; size_class <= kSmallClasses; ++size_class)
    if (Stack* own = cache->stacks[size_class]) {
      cache->give_back(size_class, own, own->count);
      delete own;
    }
  delete cache;
}

ThreadCache* begin_thread_cache() {
  if (thread_ended) return nullptr;
  pthread_once(&cache_key_once, [] { pthread_key_create(&cache_key, end_thread_cache); });
  thread_cache = new ThreadCache;
  pthread_setspecific(cache_key, thread_cache);
  return thread_cache;
}

inline size_t small_class(size_t bytes) {
  return bytes ? (bytes + kSmallStep - 1) / kSmallStep : 1;
}

}  // namespace

void* small_allocate(size_t bytes) {
  size_t size_class = small_class(bytes);
  ThreadCache* cache = thread_cache;
  if (__builtin_expect(!cache, 0)) {
    cache = begin_thread_cache();
    if (!cache) return std::aligned_alloc(kSmallStep, size_class * kSmallStep);
  }
  Stack* own = cache->stack(size_class);
  if (__builtin_expect(!own || (!own->count && !cache->refill(size_class, own)), 0)) return nullptr;
  void* block = own->blocks[--own->count];
  if (own->count >= kFetchAhead) {
    const char* soon = static_cast<const char*>(own->blocks[own->count - kFetchAhead]);
    __builtin_prefetch(soon, 1);
    if (size_class > 1) __builtin_prefetch(soon + 64, 1);
  }
  return block;
}

void small_free(void* memory, size_t bytes) {
  size_t size_class = small_class(bytes);
  ThreadCache* cache = thread_cache;
  if (__builtin_expect(!cache, 0)) cache = begin_thread_cache();
  Stack* own = cache ? cache->stack(size_class) : nullptr;
  if (__builtin_expect(!own, 0)) {
    shared_lists[size_class].give(&memory, 1);
    return;
  }
  own->blocks[own->count++] = memory;
  if (__builtin_expect(own->count > kMostKept, 0)) cache->give_back(size_class, own, 2 * kBatch);
}

// --- large blocks -----------------------------------------------------------------------------

namespace {

// Eight classes per doubling: at most 12.5 % of a block is lost to rounding.
constexpr int kLargeClasses = 64 * 8;
constexpr size_t kHugePage = 2 << 20;

size_t round_up_large(size_t bytes, int* size_class) {
  int log = 63 - __builtin_clzll(bytes);
  size_t step = size_t(1) << (log - 3);
  size_t rounded = (bytes + step - 1) & ~(step - 1);
  log = 63 - __builtin_clzll(rounded);
  *size_class = log * 8 + int((rounded >> (log - 3)) & 7);
  return rounded;
}

struct LargePool {
  std::mutex lock;
  std::vector<void*> free_lists[kLargeClasses];
  uint64_t cached = 0;
  uint64_t limit;

  LargePool() {
    uint64_t pages = uint64_t(sysconf(_SC_PHYS_PAGES)), size = uint64_t(sysconf(_SC_PAGESIZE));
    limit = pages * size / 4;
  }
};

LargePool& large_pool() {
  static LargePool* pool = new LargePool;  // never destroyed: threads may outlive static storage
  return *pool;
}

std::atomic<uint64_t> in_use{0}, peak{0}, allocations{0}, system_allocations{0};

void count_allocation(uint64_t bytes) {
  uint64_t now = in_use.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  allocations.fetch_add(1, std::memory_order_relaxed);
  uint64_t seen = peak.load(std::memory_order_relaxed);
  while (now > seen && !peak.compare_exchange_weak(seen, now, std::memory_order_relaxed)) {
  }
}

void* system_allocate(size_t bytes) {
  bool huge = bytes >= kHugePage;
  void* memory = std::aligned_alloc(huge ? kHugePage : 64, huge ? (bytes + kHugePage - 1) & ~(kHugePage - 1) : bytes);
  if (memory && huge) madvise(memory, bytes, MADV_HUGEPAGE);
  if (memory) system_allocations.fetch_add(1, std::memory_order_relaxed);
  return memory;
}

}  // namespace

void* pool_allocate(size_t bytes) {
  if (bytes <= kSmallLimit) {
    void* memory = small_allocate(bytes);
    return memory;
  }
  if (bytes > (size_t(1) << 62)) return nullptr;
  int size_class;
  size_t rounded = round_up_large(bytes, &size_class);
  LargePool& pool = large_pool();
  void* memory = nullptr;
  {
    std::lock_guard<std::mutex> guard(pool.lock);
    std::vector<void*>& list = pool.free_lists[size_class];
    if (!list.empty()) {
      memory = list.back();
      list.pop_back();
      pool.cached -= rounded;
    }
  }
  if (!memory) memory = system_allocate(rounded);
  if (!memory) {
    pool_empty_cache();
    memory = system_allocate(rounded);
  }
  if (memory) count_allocation(rounded);
  return memory;
}

void pool_free(void* memory, size_t bytes) {
  if (!memory) return;
  if (bytes <= kSmallLimit) {
    small_free(memory, bytes);
    return;
  }
  int size_class;
  size_t rounded = round_up_large(bytes, &size_class);
  in_use.fetch_sub(rounded, std::memory_order_relaxed);
  LargePool& pool = large_pool();
  {
    std::lock_guard<std::mutex> guard(pool.lock);
    if (pool.cached + rounded <= pool.limit) {
      pool.free_lists[size_class].push_back(memory);
      pool.cached += rounded;
      return;
    }
  }
  std::free(memory);
}

void pool_empty_cache() {
  LargePool& pool = large_pool();
  std::vector<void*> doomed;
  {
    std::lock_guard<std::mutex> guard(pool.lock);
    for (std::vector<void*>& list : pool.free_lists) {
      doomed.insert(doomed.end(), list.begin(), list.end());
      list.clear();
      list.shrink_to_fit();
    }
    pool.cached = 0;
  }
  for (void* memory : doomed) std::free(memory);
}

void pool_set_limit(uint64_t cached_bytes) {
  large_pool().limit = cached_bytes;
  pool_empty_cache();
}

PoolStatistics pool_statistics() {
  LargePool& pool = large_pool();
  std::lock_guard<std::mutex> guard(pool.lock);
  return {in_use.load(), pool.cached, peak.load(), pool.limit, allocations.load(),
          system_allocations.load()};
}

void pool_reset_peak() { peak.store(in_use.load()); }

// --- buffers ----------------------------------------------------------------------------------

namespace {

void destroy_buffer(Var* var) {
  Buffer* buffer = static_cast<Buffer*>(var);
  if (ErrorRecord* record = buffer->error.load(std::memory_order_relaxed)) error_release(record);
  if (VarEvents* events = buffer->events.load(std::memory_order_relaxed)) free_var_events(events);
  if (buffer->free_external)
    buffer->free_external(buffer->owner);
  else if (buffer->data)
    pool_free(buffer->data, buffer->bytes);
  buffer->~Buffer();
  small_free(buffer, sizeof(Buffer));
}

}  // namespace

Buffer* new_buffer(size_t bytes, int device) {
  void* memory = small_allocate(sizeof(Buffer));
  if (!memory) return nullptr;
  Buffer* buffer = new (memory) Buffer;
  buffer->destroy = destroy_buffer;
  buffer->bytes = bytes;
  buffer->device = device;
  buffer->is_buffer = true;
  if (settings.sanitize.load(std::memory_order_relaxed)) buffer->creator = running_task_number();
  return buffer;
}

Buffer* new_external_buffer(void* data, size_t bytes, int device, void (*free_external)(void*),
                            void* owner) {
  Buffer* buffer = new_buffer(bytes, device);
  if (!buffer) return nullptr;
  buffer->data = data;
  buffer->free_external = free_external;
  buffer->owner = owner;
  return buffer;
}

bool buffer_allocate(Buffer* buffer) {
  buffer->data = pool_allocate(buffer->bytes);
  return buffer->data != nullptr;
}

}  // namespace weft
