// Bulks: consecutive calls of one thread that go to the workers as one task.
#include <algorithm>
#include <cstring>
#include <vector>

#include "engine.hpp"
#include "scheduler.hpp"

namespace weft {

namespace {

struct Part {
  TaskSpec spec;  // its lists are not used; the variables are these:
  std::vector<Var*> reads, writes;
};

struct Bulk {
  std::vector<Part> parts;
  std::vector<Var*> reads, writes;
  double cost_ns = 0;
  uint64_t bytes = 0;
  bool needs_gil = false;
};

__thread int size_here = 0;
__thread Bulk* open_here = nullptr;

void add_once(std::vector<Var*>* list, Var* var) {
  if (std::find(list->begin(), list->end(), var) == list->end()) list->push_back(var);
}

ErrorRecord* inherited(const Part& part) {
  for (Var* var : part.reads)
    if (ErrorRecord* record = var->error.load(std::memory_order_acquire)) {
      error_retain(record);
      return record;
    }
  return nullptr;
}

// Each part fails or succeeds for itself, as it would have as a task of its own.
void run_part(const Part& part) {
  ErrorRecord* failure = inherited(part);
  if (!failure) {
    char message[kTaskErrorBytes];
    message[0] = 0;
    TaskContext context{message};
    if (part.spec.run(part.spec.argument, &context))
      failure = new_error(context, part.spec.name, part.spec.site, part.spec.describe, part.spec.argument);
  }
  for (Var* var : part.writes)
    if (failure || var->error.load(std::memory_order_relaxed)) set_error(var, failure);
  if (failure) error_release(failure);
}

int run_bulk(void* argument, TaskContext*) {
  for (const Part& part : static_cast<Bulk*>(argument)->parts) run_part(part);
  return 0;
}

void free_bulk(void* argument) {
  Bulk* bulk = static_cast<Bulk*>(argument);
  for (Part& part : bulk->parts)
    if (part.spec.cleanup) part.spec.cleanup(part.spec.argument);
  for (Var* var : bulk->reads) var_release(var);
  for (Var* var : bulk->writes) var_release(var);
  delete bulk;
}

void take_vars(Var* const* vars, int n, std::vector<Var*>* own, std::vector<Var*>* all) {
  for (int i = 0; i < n; ++i) {
    own->push_back(vars[i]);
    size_t before = all->size();
    add_once(all, vars[i]);
    if (all->size() > before) var_retain(vars[i]);
  }
}

}  // namespace

int bulk_size() { return size_here; }
bool bulk_open() { return open_here != nullptr; }

int set_bulk_size(int size) {
  if (open_here) flush_bulk();
  int old = size_here;
  size_here = size;
  return old;
}

bool append_to_bulk(const TaskSpec& spec) {
  if (spec.flags & (kTaskInstant | kTaskOwnErrors)) return false;
  if (settings.mode.load(std::memory_order_relaxed) == int(Mode::kNaive)) return false;
  if (spec.device != 0 || spec.priority != 0 || in_task()) {
    if (open_here) flush_bulk();
    return false;
  }
  if (!open_here) {
    bool cheap = spec.cost_ns <= settings.inline_cost_ns.load(std::memory_order_relaxed);
    bool free_now = true;
    for (int i = 0; free_now && i < spec.n_reads; ++i) free_now = spec.reads[i]->readable();
    for (int i = 0; free_now && i < spec.n_writes; ++i) free_now = spec.writes[i]->idle();
    if (cheap && free_now) return false;  // runs at once, which no bulk can beat
    open_here = new Bulk;
  }
  Bulk* bulk = open_here;
  bulk->parts.emplace_back();
  Part& part = bulk->parts.back();
  part.spec = spec;
  take_vars(spec.reads, spec.n_reads, &part.reads, &bulk->reads);
  take_vars(spec.writes, spec.n_writes, &part.writes, &bulk->writes);
  bulk->cost_ns += spec.cost_ns;
  bulk->bytes += spec.bytes;
  bulk->needs_gil = bulk->needs_gil || (spec.flags & kTaskNeedsGil);
  if (int(bulk->parts.size()) >= size_here) flush_bulk();
  return true;
}

void flush_bulk() {
  Bulk* bulk = open_here;
  if (!bulk) return;
  open_here = nullptr;
  int size = size_here;
  size_here = 0;  // the bulk itself is an ordinary task
  TaskSpec spec;
  spec.run = run_bulk;
  spec.cleanup = free_bulk;
  spec.argument = bulk;
  spec.reads = bulk->reads.data();
  spec.n_reads = int(bulk->reads.size());
  spec.writes = bulk->writes.data();
  spec.n_writes = int(bulk->writes.size());
  spec.cost_ns = bulk->cost_ns;
  spec.bytes = bulk->bytes;
  spec.flags = kTaskOwnErrors | kTaskQueue | (bulk->needs_gil ? kTaskNeedsGil : 0u);
  static const uint32_t name = intern_name("bulk");
  spec.name = name;
  push(spec);
  size_here = size;
}

}  // namespace weft
