// The order of a variable's users: its queue, and whose turn is next.
#pragma once

#include <thread>

#include "engine.hpp"
#include "scheduler.hpp"

namespace weft {

inline void lock_var(Var* var) {
  int spins = 0;
  for (;;) {
    uint32_t seen = var->state.load(std::memory_order_relaxed);
    if (!(seen & kVarLock) &&
        var->state.compare_exchange_weak(seen, seen | kVarLock, std::memory_order_acquire,
                                         std::memory_order_relaxed))
      return;
    if (++spins > 200) {
      std::this_thread::yield();
      spins = 0;
    }
  }
}

inline void unlock_var(Var* var) { var->state.fetch_and(~kVarLock, std::memory_order_release); }

// Tasks that became ready, to be handed on once no variable is locked.
struct ReadyList {
  Task* head = nullptr;
  Task* tail = nullptr;
  void granted(Task* task) {
    if (task->waiting.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    task->next = nullptr;
    (tail ? tail->next : head) = task;
    tail = task;
  }
};

// Grants what the front of the queue wants, as far as it can be granted. Variable locked.
inline void grant_front(Var* var, ReadyList* ready) {
  while (Dep* dep = var->head) {
    uint32_t state = var->state.load(std::memory_order_acquire);
    if (state & kVarWriter) break;
    if (dep->write && state >= kVarReader) break;
    var->state.fetch_add(dep->write ? kVarWriter : kVarReader, std::memory_order_acq_rel);
    var->head = dep->next;
    if (!var->head) {
      var->tail = nullptr;
      var->state.fetch_and(~kVarQueued, std::memory_order_acq_rel);
    }
    ready->granted(dep->task);
    if (dep->write) break;
  }
}

inline void append_locked(Var* var, Dep* dep, ReadyList* ready) {
  dep->next = nullptr;
  (var->tail ? var->tail->next : var->head) = dep;
  var->tail = dep;
  var->state.fetch_or(kVarQueued, std::memory_order_acq_rel);
  grant_front(var, ready);
}

// Lets the next in the variable's queue have its turn.
inline void release_order(Dep* dep, ReadyList* ready) {
  Var* var = dep->var;
  if (dep->write) {
    uint32_t only_writer = kVarWriter;
    if (!var->state.compare_exchange_strong(only_writer, 0, std::memory_order_acq_rel,
                                            std::memory_order_relaxed)) {
      lock_var(var);
      var->state.fetch_and(~kVarWriter, std::memory_order_acq_rel);
      grant_front(var, ready);
      unlock_var(var);
    }
  } else {
    uint32_t now = var->state.fetch_sub(kVarReader, std::memory_order_acq_rel) - kVarReader;
    if (now < kVarReader && (now & kVarQueued)) {
      lock_var(var);
      grant_front(var, ready);
      unlock_var(var);
    }
  }
}

}  // namespace weft
