// Steps of a graph on several cores: their order from the bytes they touch, the estimate of what spreading
// gains, and the cores that take ready steps.
#include <algorithm>
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
  successors_.assign(steps_.size(), {});
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
      for (uint32_t earlier : before) successors_[earlier].push_back(step);
    }
  }
  std::vector<double> left(steps_.size());
  std::vector<uint32_t> order(steps_.size());
  for (uint32_t step = uint32_t(steps_.size()); step-- > 0;) {
    for (uint32_t later : successors_[step]) left[step] = std::max(left[step], left[later]);
    left[step] += infos_[step].cost_ns;
    order[step] = step;
  }
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return left[a] > left[b]; });
  rank_.assign(steps_.size(), 0);
  for (uint32_t i = 0; i < order.size(); ++i) rank_[order[i]] = i;
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

bool Program::wanted(Joinable* self) { return self->steps_waiting.load(std::memory_order_relaxed) > 0; }

void Program::work(Joinable* self) {
  ParallelRun* run = static_cast<ParallelRun*>(self);
  run->program->work_on(run, false);
}

// Takes ready steps until there are none. Helpers then leave, so that loops inside the steps of others get
// their core; the task's own thread waits for the rest.
void Program::work_on(ParallelRun* run, bool is_main) {
  char error[kErrorBytes];
  auto later = [&](uint32_t a, uint32_t b) { return rank_[a] > rank_[b]; };
  std::unique_lock<std::mutex> lock(run->mutex);
  for (;;) {
    if (run->ready.empty()) {
      if (!is_main || run->running == 0) return;
      lock.unlock();
      help_others();
      enter_blocking();
      lock.lock();
      run->main_asleep = 1;
      run->signal.wait(lock, [&] { return !run->ready.empty() || run->running == 0; });
      run->main_asleep = 0;
      lock.unlock();
      leave_blocking();
      lock.lock();
      continue;
    }
    std::pop_heap(run->ready.begin(), run->ready.end(), later);
    uint32_t number = run->ready.back();
    run->ready.pop_back();
    ++run->running;
    set_steps_waiting(run, int(run->ready.size()));
    lock.unlock();

    Step& step = steps_[number];
    RunArgs args = step.args;
    error[0] = 0;
    args.error = error;
    bool traced = tracing.load(std::memory_order_relaxed);
    uint64_t started = traced ? ticks() : 0;
    CoreUse use = set_core_use(wide_[number] ? CoreUse::kAll : CoreUse::kShared);
    int failed = step.kernel->run(step.kernel, &args);
    set_core_use(use);
    if (traced) trace_inline(step.name, started, ticks());

    lock.lock();
    --run->running;
    if (failed && run->failed < 0) {
      run->failed = number;
      std::memcpy(run->error, error, kErrorBytes);
      run->ready.clear();
    }
    size_t before = run->ready.size();
    if (run->failed < 0)
      for (uint32_t after : successors_[number])
        if (--run->pending[after] == 0) {
          run->ready.push_back(after);
          std::push_heap(run->ready.begin(), run->ready.end(), later);
        }
    size_t ready = run->ready.size();
    bool over = ready == 0 && run->running == 0;
    // This thread takes one itself; the others need somebody.
    bool more = ready > std::max<size_t>(before, 1);
    set_steps_waiting(run, ready ? int(ready) - 1 : 0);
    if (over || more) {
      bool wake_main = run->main_asleep;
      if (wake_main) run->signal.notify_one();
      int wanted = int(ready) - 1 - (wake_main ? 1 : 0);
      if (more && wanted > 0) {
        lock.unlock();
        call_helpers(wanted);
        lock.lock();
      }
    }
  }
}

int Program::run_spread(int phase) {
  ParallelRun& run = parallel_;
  uint32_t begin = begin_[phase], end = begin_[phase + 1];
  if (begin == end) return 0;
  size_t waiting;
  {
    std::lock_guard<std::mutex> guard(run.mutex);
    run.pending = predecessors_;
    run.ready.clear();
    run.failed = -1;
    for (uint32_t step = begin; step < end; ++step)
      if (!run.pending[step]) run.ready.push_back(step);
    std::make_heap(run.ready.begin(), run.ready.end(), [&](uint32_t a, uint32_t b) { return rank_[a] > rank_[b]; });
    waiting = run.ready.size() - 1;
    set_steps_waiting(&run, int(waiting));
  }
  open_joinable(&run);
  call_helpers(int(waiting));
  work_on(&run, true);
  close_joinable(&run);
  set_steps_waiting(&run, 0);
  if (run.failed < 0) return 0;
  failed_ = run.failed;
  std::memcpy(error_, run.error, kErrorBytes);
  return 1;
}

}  // namespace weft
