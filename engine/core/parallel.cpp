// Loops inside one task, spread over the cores that no other task needs.
#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <new>

#include "engine.hpp"
#include "scheduler.hpp"
#include "small_pool.hpp"

namespace weft {

namespace {

// A piece is this part of what is left for each thread, so that late or slow ones even out, down to 1/kLeast of the
// whole: with fixed eighths a core that came late made the other wait for up to an eighth.
constexpr int kShare = 2;
constexpr int kLeast = 64;

struct Loop : Joinable {
  std::atomic<int64_t> next{0};
  int64_t n;
  int64_t grain;
  int64_t least;
  void (*body)(void*, int64_t, int64_t);
  void* context;
  int most_helpers;
  std::atomic<bool> no_memory{false};
};

bool take_piece(Loop* loop, int64_t* begin, int64_t* end) {
  int64_t at = loop->next.load(std::memory_order_relaxed);
  do {
    int64_t left = loop->n - at;
    if (left <= 0) return false;
    int64_t piece = std::max(left / (kShare * (loop->most_helpers + 1)), loop->least);
    piece = (piece + loop->grain - 1) / loop->grain * loop->grain;
    *end = at + std::min(left, piece);
  } while (!loop->next.compare_exchange_weak(at, *end, std::memory_order_relaxed));
  *begin = at;
  return true;
}

void run_pieces(Joinable* self) {
  Loop* loop = static_cast<Loop*>(self);
  int64_t begin, end;
  try {
    while (take_piece(loop, &begin, &end)) loop->body(loop->context, begin, end);
  } catch (const std::bad_alloc&) {
    loop->no_memory.store(true, std::memory_order_relaxed);
    loop->next.store(loop->n, std::memory_order_relaxed);
  }
}

bool pieces_left(Joinable* self) {
  Loop* loop = static_cast<Loop*>(self);
  return loop->next.load(std::memory_order_relaxed) < loop->n &&
         loop->helpers.load(std::memory_order_relaxed) < loop->most_helpers;
}

SpinLock open_lock;
Joinable* open_work = nullptr;
std::atomic<int> open_count{0};
std::atomic<int> steps_waiting{0};
__thread CoreUse core_use = CoreUse::kShared;

Joinable* join_open_work(bool loops_only) {
  if (open_count.load(std::memory_order_seq_cst) == 0) return nullptr;
  SpinGuard guard(open_lock);
  for (Joinable* work = open_work; work; work = work->after)
    if ((!loops_only || work->work == run_pieces) && work->wanted(work)) {
      work->helpers.fetch_add(1, std::memory_order_relaxed);
      return work;
    }
  return nullptr;
}

}  // namespace

void open_joinable(Joinable* work) {
  SpinGuard guard(open_lock);
  work->after = open_work;
  open_work = work;
  open_count.fetch_add(1, std::memory_order_seq_cst);
}

void close_joinable(Joinable* work) {
  {
    SpinGuard guard(open_lock);
    Joinable** at = &open_work;
    while (*at != work) at = &(*at)->after;
    *at = work->after;
    open_count.fetch_sub(1, std::memory_order_seq_cst);
  }
  // Nobody joins any more; those inside touch the work last when they leave.
  int spins = 0;
  while (work->helpers.load(std::memory_order_acquire) > 0)
    if (++spins > 1000) sched_yield();
}

void set_steps_waiting(Joinable* work, int steps) {
  int before = work->steps_waiting.exchange(steps, std::memory_order_seq_cst);
  if (before != steps) steps_waiting.fetch_add(steps - before, std::memory_order_seq_cst);
}

CoreUse set_core_use(CoreUse use) {
  CoreUse before = core_use;
  core_use = use;
  return before;
}

bool keep_to_one_core() {
  return core_use == CoreUse::kShared && steps_waiting.load(std::memory_order_relaxed) > 0;
}

bool parallel_work_waiting() {
  if (open_count.load(std::memory_order_seq_cst) == 0) return false;
  SpinGuard guard(open_lock);
  for (Joinable* work = open_work; work; work = work->after)
    if (work->wanted(work)) return true;
  return false;
}

bool join_parallel_work(bool loops_only) {
  bool joined = false;
  while (Joinable* work = join_open_work(loops_only)) {
    joined = true;
    work->work(work);
    work->helpers.fetch_sub(1, std::memory_order_release);
  }
  return joined;
}

void help_others() { join_parallel_work(); }

void call_helpers(int cores) {
  if (cores > 0 && core_free()) wake_for_parallel_work(cores);
}

void reset_parallel_after_fork() {
  open_lock.word = 0;
  open_work = nullptr;
  open_count.store(0);
  steps_waiting.store(0);
}

void parallel_for(int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t), void* context) {
  if (n <= 0) return;
  if (grain < 1) grain = 1;
  int64_t pieces = (n + grain - 1) / grain;
  int helpers = int(std::min<int64_t>(core_count(), pieces)) - 1;
  // That no core is free now says little: a thread may only be looking for work, or finish in the middle of the loop.
  if (helpers < 1 || keep_to_one_core()) {
    body(context, 0, n);
    return;
  }
  Loop loop;
  loop.wanted = pieces_left;
  loop.work = run_pieces;
  loop.n = n;
  loop.grain = grain;
  loop.least = std::max(grain, n / (kLeast * (helpers + 1)));
  loop.body = body;
  loop.context = context;
  loop.most_helpers = helpers;
  open_joinable(&loop);
  call_helpers(helpers);
  run_pieces(&loop);
  close_joinable(&loop);
  if (loop.no_memory.load(std::memory_order_relaxed)) throw std::bad_alloc();
}

}  // namespace weft
