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
  void granted(Task* task, int variables = 1) {
    if (task->waiting.fetch_sub(variables, std::memory_order_acq_rel) == variables) add(task);
  }
  void add(Task* task) {
    task->next = nullptr;
    (tail ? tail->next : head) = task;
    tail = task;
  }
};

// Whoever lets go of the variable next needs this, which the pushing thread wrote: it may arrive meanwhile. The task stands
// just before its own list.
inline void fetch(const Dep* dep) {
  const char* line = reinterpret_cast<const char*>(dep);
  __builtin_prefetch(line, 1);
  __builtin_prefetch(line - offsetof(Task, inline_deps), 1);
}

// Adds `change` to the state of a locked variable, grants what the front of its queue wants as far as it can be granted, and
// unlocks it, all in one step: only readers may leave meanwhile.
inline void grant_and_unlock(Var* var, uint32_t change, ReadyList* ready) {
  Dep* const first = var->head;
  Dep* const last = var->tail;
  Dep* dep;
  uint32_t before = var->state.load(std::memory_order_acquire), after;
  do {
    after = before + change;
    for (dep = first; dep && !(after & kVarWriter) && !(dep->write && after >= kVarReader); dep = dep->next)
      after += dep->write ? kVarWriter : kVarReader;
    after = (dep ? after | kVarQueued : after & ~kVarQueued) & ~kVarLock;
    var->head = dep;
    var->tail = dep ? last : nullptr;
  } while (!var->state.compare_exchange_weak(before, after, std::memory_order_acq_rel, std::memory_order_acquire));
  if (dep) fetch(dep);
  // A granted task may run and be gone as soon as its last variable is granted.
  for (Dep* granted = first; granted != dep;) {
    Dep* next = granted->next;
    ready->granted(granted->task);
    granted = next;
  }
}

inline void append_and_unlock(Var* var, Dep* dep, ReadyList* ready) {
  dep->next = nullptr;
  (var->tail ? var->tail->next : var->head) = dep;
  var->tail = dep;
  grant_and_unlock(var, 0, ready);
}

// Lets the next in the variable's queue have its turn.
inline void release_order(Dep* dep, ReadyList* ready) {
  Var* var = dep->var;
  if (dep->write) {
    uint32_t seen = var->state.load(std::memory_order_relaxed);
    if (seen == kVarWriter && var->state.compare_exchange_strong(seen, 0, std::memory_order_acq_rel, std::memory_order_relaxed))
      return;
    lock_var(var);
    grant_and_unlock(var, 0u - kVarWriter, ready);
  } else {
    uint32_t now = var->state.fetch_sub(kVarReader, std::memory_order_acq_rel) - kVarReader;
    if (now < kVarReader && (now & kVarQueued)) {
      lock_var(var);
      grant_and_unlock(var, 0, ready);
    }
  }
}

}  // namespace weft
