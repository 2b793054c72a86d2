// Making variables, numbering them, and handing them on.
#include <new>

#include "order.hpp"
#include "small_pool.hpp"

namespace weft {

namespace {

void destroy_plain_var(Var* var) {
  if (ErrorRecord* record = var->error.load(std::memory_order_relaxed)) error_release(record);
  if (VarEvents* events = var->events.load(std::memory_order_relaxed)) free_var_events(events);
  var->~Var();
  small_free(var, sizeof(Var));
}

}  // namespace

Var* new_var() {
  Var* var = new (small_allocate(sizeof(Var))) Var;
  var->destroy = destroy_plain_var;
  return var;
}

uint32_t var_id(Var* var) {
  static std::atomic<uint32_t> next{1};
  uint32_t id = __atomic_load_n(&var->id, __ATOMIC_RELAXED);
  if (id) return id;
  uint32_t fresh = next.fetch_add(1, std::memory_order_relaxed), none = 0;
  return __atomic_compare_exchange_n(&var->id, &none, fresh, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED)
             ? fresh
             : none;
}

void release_read_slow(Var* var) {
  ReadyList ready;
  var_retain(var);  // a granted task may run to its end, and drop the variable, at once
  lock_var(var);
  grant_and_unlock(var, 0, &ready);
  hand_on(&ready);
  var_release(var);
}

void release_write_slow(Var* var) {
  ReadyList ready;
  var_retain(var);
  lock_var(var);
  grant_and_unlock(var, 0u - kVarWriter, &ready);
  hand_on(&ready);
  var_release(var);
}

}  // namespace weft
