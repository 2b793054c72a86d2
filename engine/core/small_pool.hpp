// Fixed-size blocks for objects that live for one task: a cache per thread, refilled in batches.
#pragma once

#include <cstddef>

namespace weft {

constexpr size_t kSmallLimit = 4096;
constexpr size_t kSmallStep = 64;

void* small_allocate(size_t bytes);  // bytes <= kSmallLimit; 64-byte aligned
void small_free(void* memory, size_t bytes);

struct SpinLock {
  void lock();
  void unlock();
  int word = 0;
};

struct SpinGuard {
  explicit SpinGuard(SpinLock& lock) : lock_(lock) { lock_.lock(); }
  ~SpinGuard() { lock_.unlock(); }
  SpinLock& lock_;
};

}  // namespace weft
