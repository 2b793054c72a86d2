// What the engine's own source files share.
#pragma once

#include "engine.hpp"

namespace weft {

int default_core_count();
uint64_t spin_ticks();

bool core_free();

bool parallel_work_waiting();
void join_parallel_work();
void wake_for_parallel_work(int helpers);
void reset_parallel_after_fork();

void trace_record(Event kind, uint32_t name, uint64_t task);

inline void trace(Event kind, uint32_t name, uint64_t task) {
  if (__builtin_expect(tracing.load(std::memory_order_relaxed), 0)) trace_record(kind, name, task);
}

}  // namespace weft
