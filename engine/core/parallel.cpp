// Loops inside one task, spread over the cores that no other task needs.
#include <sched.h>

#include <algorithm>
#include <cstdlib>

#include "engine.hpp"
#include "scheduler.hpp"
#include "small_pool.hpp"

namespace weft {

namespace {

constexpr int kPiecesPerCore = 4;  // smaller pieces even out cores of unequal speed

struct Loop {
  std::atomic<int64_t> next{0};
  int64_t n;
  int64_t piece;
  void (*body)(void*, int64_t, int64_t);
  void* context;
  std::atomic<int> helpers{0};
  int most_helpers;
  Loop* after;
};

SpinLock loops_lock;
Loop* loops = nullptr;
std::atomic<int> open_loops{0};

void run_pieces(Loop* loop) {
  for (;;) {
    int64_t begin = loop->next.fetch_add(loop->piece, std::memory_order_relaxed);
    if (begin >= loop->n) return;
    loop->body(loop->context, begin, std::min(loop->n, begin + loop->piece));
  }
}

Loop* join_open_loop() {
  SpinGuard guard(loops_lock);
  for (Loop* loop = loops; loop; loop = loop->after) {
    if (loop->next.load(std::memory_order_relaxed) >= loop->n) continue;
    if (loop->helpers.load(std::memory_order_relaxed) >= loop->most_helpers) continue;
    loop->helpers.fetch_add(1, std::memory_order_relaxed);
    return loop;
  }
  return nullptr;
}

void open_loop(Loop* loop) {
  SpinGuard guard(loops_lock);
  loop->after = loops;
  loops = loop;
  open_loops.fetch_add(1, std::memory_order_seq_cst);
}

void close_loop(Loop* loop) {
  {
    SpinGuard guard(loops_lock);
    Loop** at = &loops;
    while (*at != loop) at = &(*at)->after;
    *at = loop->after;
    open_loops.fetch_sub(1, std::memory_order_seq_cst);
  }
  // Nobody joins any more; those inside touch the loop last when they leave.
  int spins = 0;
  while (loop->helpers.load(std::memory_order_acquire) > 0)
    if (++spins > 1000) sched_yield();
}

}  // namespace

bool parallel_work_waiting() {
  if (open_loops.load(std::memory_order_seq_cst) == 0) return false;
  SpinGuard guard(loops_lock);
  for (Loop* loop = loops; loop; loop = loop->after)
    if (loop->next.load(std::memory_order_relaxed) < loop->n &&
        loop->helpers.load(std::memory_order_relaxed) < loop->most_helpers)
      return true;
  return false;
}

void join_parallel_work() {
  while (Loop* loop = join_open_loop()) {
    run_pieces(loop);
    loop->helpers.fetch_sub(1, std::memory_order_release);
  }
}

void reset_parallel_after_fork() {
  loops_lock.word = 0;
  loops = nullptr;
  open_loops.store(0);
}

void parallel_for(int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t), void* context) {
  if (n <= 0) return;
  if (grain < 1) grain = 1;
  int64_t pieces = (n + grain - 1) / grain;
  int helpers = int(std::min<int64_t>(core_count(), pieces)) - 1;
  if (helpers < 1 || !core_free()) {
    body(context, 0, n);
    return;
  }
  Loop loop;
  loop.n = n;
  loop.piece = std::max(grain, (n + (helpers + 1) * kPiecesPerCore - 1) / ((helpers + 1) * kPiecesPerCore));
  loop.body = body;
  loop.context = context;
  loop.most_helpers = helpers;
  open_loop(&loop);
  wake_for_parallel_work(helpers);
  run_pieces(&loop);
  close_loop(&loop);
}

}  // namespace weft
