// Steps of a graph on several cores: their order from the bytes they touch, the estimate of what spreading
// gains, and the cores that take ready steps.
#include <algorithm>
#include <climits>
#include <cmath>
#include <cstring>
#include <map>
#include <queue>

#include "frontend/graph/program.hpp"

namespace weft {

// --- order from bytes ---------------------------------------------------------------------------

namespace {

constexpr uint32_t kNobody = UINT32_MAX;

// Who used a range of bytes last.
struct Users {
  uint32_t writer = kNobody;
  std::vector<uint32_t> readers;
};

class Memory {
 public:
  // Adds to `before` every step that must come before `step` uses [begin, end).
  void use(uint64_t begin, uint64_t end, uint32_t step, bool write, std::vector<uint32_t>* before) {
    if (begin >= end) return;
    split(begin);
    split(end);
    auto at = pieces_.lower_bound(begin);
    uint64_t covered = begin;
    while (covered < end) {
      if (at == pieces_.end() || at->first > covered) {
        uint64_t gap_end = at == pieces_.end() ? end : std::min(end, at->first);
        at = pieces_.emplace_hint(at, covered, Piece{gap_end, Users{}});
      }
      Users& users = at->second.users;
      if (users.writer != kNobody && users.writer != step) before->push_back(users.writer);
      if (write) {
        for (uint32_t reader : users.readers)
          if (reader != step) before->push_back(reader);
        users.readers.clear();
        users.writer = step;
      } else if (users.readers.empty() || users.readers.back() != step) {
        users.readers.push_back(step);
      }
      covered = at->second.end;
      ++at;
    }
  }

 private:
  struct Piece {
    uint64_t end;
    Users users;
  };
  void split(uint64_t where) {
    auto at = pieces_.upper_bound(where);
    if (at == pieces_.begin()) return;
    --at;
    if (at->first >= where || at->second.end <= where) return;
    Piece rest{at->second.end, at->second.users};
    at->second.end = where;
    pieces_.emplace(where, std::move(rest));
  }
  std::map<uint64_t, Piece> pieces_;
};

}  // namespace

void Program::link() {
  if (linked_) return;
  std::vector<std::vector<uint32_t>> successors(steps_.size());
  predecessors_.assign(steps_.size(), 0);
  std::vector<std::vector<uint32_t>> controls(steps_.size());
  for (auto& [earlier, later] : controls_) controls[later].push_back(earlier);
  std::vector<uint32_t> before;
  for (int phase = 0; phase < kPhases; ++phase) {
    // Phases do not overlap: each starts with a clean record.
    Memory arena, kept;
    std::vector<Memory> arrays(n_arrays_);
    auto use = [&](uint32_t slot, uint32_t step, bool write) {
      const Operand& operand = operands_[slot];
      uint64_t bytes = std::max<uint64_t>(operand.bytes, 1);
      if (operand.place == Place::kArena) arena.use(operand.offset, operand.offset + bytes, step, write, &before);
      else if (operand.place == Place::kKept) kept.use(operand.offset, operand.offset + bytes, step, write, &before);
      else if (writes_[phase][operand.array]) arrays[operand.array].use(0, 1, step, write, &before);
    };
    for (uint32_t step = begin_[phase]; step < begin_[phase + 1]; ++step) {
      const StepInfo& info = infos_[step];
      before.clear();
      for (uint32_t i = 0; i < info.n_inputs; ++i) use(info.first_operand + i, step, false);
      for (uint32_t i : info.mutated) use(info.first_operand + i, step, true);
      for (uint32_t i = 0; i < info.n_outputs; ++i) use(info.first_operand + info.n_inputs + i, step, true);
      for (uint32_t earlier : controls[step])
        if (earlier >= begin_[phase]) before.push_back(earlier);
      std::sort(before.begin(), before.end());
      before.erase(std::unique(before.begin(), before.end()), before.end());
      predecessors_[step] = uint32_t(before.size());
      for (uint32_t earlier : before) successors[earlier].push_back(step);
    }
  }
  std::vector<double> left(steps_.size());
  std::vector<uint32_t> order(steps_.size());
  for (uint32_t step = uint32_t(steps_.size()); step-- > 0;) {
    for (uint32_t later : successors[step]) left[step] = std::max(left[step], left[later]);
    left[step] += infos_[step].cost_ns;
    order[step] = step;
  }
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return left[a] > left[b]; });
  rank_.assign(steps_.size(), 0);
  for (uint32_t i = 0; i < order.size(); ++i) rank_[order[i]] = i;
  for (uint32_t step : order)
    if (!predecessors_[step]) first_[infos_[step].phase].push_back(step);
  for (uint32_t step = 0; step < steps_.size(); ++step) {
    successors_begin_.push_back(uint32_t(successors_.size()));
    successors_.insert(successors_.end(), successors[step].begin(), successors[step].end());
    short_ns_.push_back(float(infos_[step].cost_ns));
  }
  successors_begin_.push_back(uint32_t(successors_.size()));
  linked_ = true;
}

// --- what spreading gains -----------------------------------------------------------------------

Schedule make_schedule(const std::vector<double>& narrow_ns, const std::vector<double>& wide_ns,
                       const std::vector<std::vector<uint32_t>>& successors, int cores) {
  size_t n = narrow_ns.size();
  Schedule schedule;
  schedule.starts.assign(n, 0);
  schedule.ends.assign(n, 0);
  schedule.wide.assign(n, 0);
  std::vector<double> left(n, 0);
  std::vector<uint32_t> pending(n, 0);
  for (size_t step = n; step-- > 0;) {
    for (uint32_t later : successors[step]) {
      left[step] = std::max(left[step], left[later]);
      ++pending[later];
    }
    left[step] += narrow_ns[step];
    schedule.serial_ns += wide_ns[step];
  }
  auto less_urgent = [&](uint32_t a, uint32_t b) { return left[a] != left[b] ? left[a] < left[b] : a > b; };
  std::priority_queue<uint32_t, std::vector<uint32_t>, decltype(less_urgent)> ready(less_urgent);
  double ready_ns = 0;
  auto make_ready = [&](uint32_t step) {
    ready.push(step);
    ready_ns += narrow_ns[step];
  };
  using Finish = std::pair<int64_t, uint32_t>;
  std::priority_queue<Finish, std::vector<Finish>, std::greater<Finish>> running;
  for (uint32_t step = 0; step < n; ++step)
    if (!pending[step]) make_ready(step);
  int64_t now = 0;
  int free_cores = cores;
  while (!ready.empty() || !running.empty()) {
    while (free_cores > 0 && !ready.empty()) {
      uint32_t step = ready.top();
      // Work that would keep the other cores busy for less than half of the step is no reason to narrow it.
      double others = ready_ns - narrow_ns[step];
      bool wide = free_cores == cores && others * 2 < narrow_ns[step] * (cores - 1);
      double length = wide ? wide_ns[step] : narrow_ns[step];
      ready.pop();
      ready_ns = ready.empty() ? 0 : ready_ns - narrow_ns[step];
      schedule.wide[step] = wide;
      schedule.starts[step] = now;
      schedule.ends[step] = now + std::max<int64_t>(1, std::llround(length));
      running.emplace(schedule.ends[step], step);
      free_cores -= wide ? cores : 1;
    }
    now = running.top().first;
    while (!running.empty() && running.top().first == now) {
      uint32_t step = running.top().second;
      running.pop();
      free_cores += schedule.wide[step] ? cores : 1;
      for (uint32_t later : successors[step])
        if (--pending[later] == 0) make_ready(later);
    }
  }
  schedule.spread_ns = double(now);
  return schedule;
}

// --- running ------------------------------------------------------------------------------------

namespace {

// Steps that are cheaper than handing them over stay with the core that made them ready: so many, of so much work.
constexpr size_t kMostSteps = 32;
constexpr double kMostNs = 2000;
// Before a step that is longer than this, others hear what the last one made ready.
constexpr float kTellNs = 200;

}  // namespace

bool Program::wanted(Joinable* self) { return self->steps_waiting.load(std::memory_order_relaxed) > 0; }

void Program::work(Joinable* self) {
  ParallelRun* run = static_cast<ParallelRun*>(self);
  run->program->work_on(run, false);
}

// One core at work on a run.
struct Program::Participant {
  std::vector<uint32_t> steps;  // to run next, the last one first
  double steps_ns = 0;           // what they take, by the estimate
  std::vector<uint32_t> others;  // made ready, for any core
  uint32_t held = kNobody;       // a step of which this many predecessors were done here, not yet counted: where very many
  uint32_t held_count = 0;       // steps lead to one, its counter would travel between the cores for each
  CoreUse use = CoreUse::kShared;
  char error[kErrorBytes];

  bool has_room(float ns) const { return steps.size() < kMostSteps && steps_ns + double(ns) <= kMostNs; }
  void add(uint32_t step, float ns) {
    steps.push_back(step);
    steps_ns += double(ns);
  }
};

// The ready step from which the way to the end is longest. Mutex held.
uint32_t Program::take_best(ParallelRun* run) {
  auto later = [&](uint32_t a, uint32_t b) { return rank_[a] > rank_[b]; };
  const std::vector<uint32_t>& first = *run->first;
  if (run->first_at < first.size() && (run->ready.empty() || later(run->ready.front(), first[run->first_at])))
    return first[run->first_at++];
  std::pop_heap(run->ready.begin(), run->ready.end(), later);
  uint32_t step = run->ready.back();
  run->ready.pop_back();
  return step;
}

// Takes a step or, of cheap ones, as many as keep the core busy for about a microsecond or two, but only a share, so that
// several cores end together. Mutex held, some ready.
void Program::take_steps(ParallelRun* run, Participant* here) {
  size_t share = std::min(kMostSteps, run->n_ready() / size_t(2 * core_count()));
  here->steps.clear();
  here->steps_ns = 0;
  do {
    uint32_t step = take_best(run);
    here->add(step, short_ns_[step]);
  } while (here->steps.size() < share && here->steps_ns < kMostNs);
  std::reverse(here->steps.begin(), here->steps.end());
  ++run->running;
  set_steps_waiting(run, int(std::min<size_t>(run->n_ready(), INT_MAX)));
}

// Runs a step. What it makes ready stays here while that is little work, else it is for the others too.
void Program::run_step(ParallelRun* run, Participant* here, uint32_t number) {
  Step& step = steps_[number];
  RunArgs args = step.args;
  here->error[0] = 0;
  args.error = here->error;
  CoreUse use = wide_[number] ? CoreUse::kAll : CoreUse::kShared;
  if (use != here->use) set_core_use(here->use = use);
  bool traced = tracing.load(std::memory_order_relaxed);
  uint64_t started = traced ? ticks() : 0;
  int failed = step.kernel->call(&args);
  if (traced) trace_inline(step.name, started, ticks());
  if (failed) {
    std::lock_guard<std::mutex> guard(run->mutex);
    if (run->failed.load(std::memory_order_relaxed) >= 0) return;
    std::memcpy(run->error, here->error, kErrorBytes);
    run->failed.store(number, std::memory_order_release);
    return;
  }
  for (uint32_t i = successors_begin_[number]; i < successors_begin_[number + 1]; ++i) {
    uint32_t after = successors_[i];
    if (after != here->held) count_done(run, here);
    here->held = after;
    ++here->held_count;
  }
  if (here->steps.empty() || short_ns_[here->steps.back()] > kTellNs) count_done(run, here);
}

void Program::count_done(ParallelRun* run, Participant* here) {
  uint32_t after = here->held, count = here->held_count;
  here->held = kNobody;
  here->held_count = 0;
  if (after == kNobody || __atomic_sub_fetch(&run->pending[after], count, __ATOMIC_ACQ_REL)) return;
  if (here->has_room(short_ns_[after])) here->add(after, short_ns_[after]);
  else here->others.push_back(after);
}

// Gives what this core made ready to all, and calls cores for it. Mutex held, not always in between.
void Program::hand_over(ParallelRun* run, Participant* here, std::unique_lock<std::mutex>* lock) {
  auto later = [&](uint32_t a, uint32_t b) { return rank_[a] > rank_[b]; };
  size_t before = run->n_ready();
  for (uint32_t step : here->others) {
    run->ready.push_back(step);
    std::push_heap(run->ready.begin(), run->ready.end(), later);
  }
  here->others.clear();
  // A core without steps takes one itself; the rest needs somebody.
  size_t own = here->steps.empty() ? 1 : 0, ready = run->n_ready();
  if (ready <= std::max(before, own)) return;
  int wanted = int(std::min<size_t>(ready - own, INT_MAX));
  set_steps_waiting(run, wanted);
  if (run->main_asleep) {
    run->signal.notify_one();
    --wanted;
  }
  if (wanted < 1) return;
  lock->unlock();
  call_helpers(wanted);
  lock->lock();
}

// Takes ready steps until there are none. Helpers then leave, so that loops inside the steps of others get
// their core; the task's own thread waits for the rest.
void Program::work_on(ParallelRun* run, bool is_main) {
  Participant here;
  CoreUse use_before = set_core_use(here.use);
  std::unique_lock<std::mutex> lock(run->mutex);
  for (;;) {
    if (run->failed.load(std::memory_order_relaxed) >= 0) {
      run->ready.clear();
      run->first_at = run->first->size();
      set_steps_waiting(run, 0);
    }
    if (run->n_ready()) {
      take_steps(run, &here);
      lock.unlock();
      while (!here.steps.empty() && run->failed.load(std::memory_order_relaxed) < 0) {
        uint32_t number = here.steps.back();
        here.steps.pop_back();
        here.steps_ns = here.steps.empty() ? 0 : here.steps_ns - double(short_ns_[number]);
        run_step(run, &here, number);
        if (here.others.empty()) continue;
        lock.lock();
        hand_over(run, &here, &lock);
        if (here.steps.empty()) break;  // with the mutex held: the next one is taken in the same turn
        lock.unlock();
      }
      here.steps.clear();
      if (!lock.owns_lock()) lock.lock();
      --run->running;
      continue;
    }
    // Here, not where the count falls: what was still ready then goes when the run has failed.
    if (run->running == 0 && run->main_asleep) run->signal.notify_one();
    if (!is_main || run->running == 0) break;
    lock.unlock();
    set_core_use(use_before);
    help_others();
    enter_blocking();
    lock.lock();
    run->main_asleep = 1;
    run->signal.wait(lock, [&] { return run->n_ready() || run->running == 0; });
    run->main_asleep = 0;
    lock.unlock();
    leave_blocking();
    set_core_use(here.use);
    lock.lock();
  }
  lock.unlock();
  set_core_use(use_before);
}

int Program::run_spread(int phase) {
  ParallelRun& run = parallel_;
  if (begin_[phase] == begin_[phase + 1]) return 0;
  int waiting;
  {
    std::lock_guard<std::mutex> guard(run.mutex);
    run.pending = predecessors_;
    run.ready.clear();
    run.first = &first_[phase];
    run.first_at = 0;
    run.failed.store(-1, std::memory_order_relaxed);
    waiting = int(std::min<size_t>(run.n_ready() - 1, INT_MAX));
    set_steps_waiting(&run, waiting);
  }
  open_joinable(&run);
  call_helpers(waiting);
  work_on(&run, true);
  close_joinable(&run);
  set_steps_waiting(&run, 0);
  int64_t failed = run.failed.load(std::memory_order_relaxed);
  if (failed < 0) return 0;
  failed_ = failed;
  std::memcpy(error_, run.error, kErrorBytes);
  return 1;
}

}  // namespace weft
