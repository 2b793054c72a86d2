// Three tools, the cheap ones first; the best placement wins, and one at the lower bound ends the work:
//   sweeps  start with the tensors alive at the peak side by side and walk from there through time, forwards and
//           backwards, as an allocator that frees and allocates; O(n log n);
//   greedy  places tensors in some order at the best gap among those already placed that they meet in time; O(n^2);
//   search  moves the tensors that stick out at the top to earlier places in the order, within a budget of steps.
#include "frontend/graph/offsets.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>
#include <tuple>

namespace weft {
namespace {

constexpr int64_t kEndless = std::numeric_limits<int64_t>::max() / 4;
constexpr double kGoodEnough = 1.02;  // further work for less than this is not worth its time
constexpr int kSmall = 7;             // up to here all orders are tried

struct Tensor {
  int64_t size;        // aligned
  int32_t start, end;  // ranks of times
  int32_t length() const { return end - start; }
};

using Order = std::vector<int32_t>;
using Offsets = std::vector<int64_t>;

// --- sweeps -------------------------------------------------------------------------------------------------

// A stretch of the arena, used or free; neighbours are linked, so that freeing merges without a search.
struct Block {
  int64_t offset, size;
  int32_t before, after;
  int32_t end;   // when its tensor dies; -1: free
};

class Arena {
 public:
  // `match`: at which end of a gap a tensor goes depends on which neighbour dies at about the same time.
  Arena(size_t capacity, bool match) : match_(match) {
    blocks_.reserve(capacity);
    last_ = add({0, kEndless, -1, -1, -1});
    free_.emplace(kEndless, 0, last_);
  }

  int32_t take(int64_t size, int32_t end) {
    const auto found = free_.lower_bound({size, -1, -1});
    const int32_t gap = std::get<2>(*found);
    free_.erase(found);
    if (blocks_[gap].size == size) {
      blocks_[gap].end = end;
      return gap;
    }
    return split(gap, size, end, match_ && gap != last_ && nearer_after(gap, end));
  }

  void give_back(int32_t block) {
    blocks_[block].end = -1;
    block = merge(blocks_[block].before, block);
    const int32_t after = blocks_[block].after;
    if (after >= 0) block = merge(block, after, block);
    free_.emplace(blocks_[block].size, blocks_[block].offset, block);
  }

  int64_t offset(int32_t block) const { return blocks_[block].offset; }

 private:
  int32_t add(Block block) {
    if (!spare_.empty()) {
      const int32_t index = spare_.back();
      spare_.pop_back();
      blocks_[index] = block;
      return index;
    }
    blocks_.push_back(block);
    return static_cast<int32_t>(blocks_.size() - 1);
  }

  bool nearer_after(int32_t gap, int32_t end) const {
    const Block& block = blocks_[gap];
    if (block.before < 0) return false;
    const int64_t to_before = std::abs(blocks_[block.before].end - end);
    const int64_t to_after = std::abs(blocks_[block.after].end - end);  // never last_: that one is free
    return to_after < to_before;
  }

  int32_t split(int32_t gap, int64_t size, int32_t end, bool at_top) {
    const Block old = blocks_[gap];
    int32_t used;
    if (at_top) {
      used = add({old.offset + old.size - size, size, gap, old.after, end});
      if (old.after >= 0) blocks_[old.after].before = used;
      blocks_[gap].after = used;
      blocks_[gap].size -= size;
    } else {
      used = add({old.offset, size, old.before, gap, end});
      if (old.before >= 0) blocks_[old.before].after = used;
      blocks_[gap].before = used;
      blocks_[gap].offset += size;
      blocks_[gap].size -= size;
    }
    free_.emplace(blocks_[gap].size, blocks_[gap].offset, gap);
    return used;
  }

  // Joins two neighbours where both are free; returns `kept` or the joint block.
  int32_t merge(int32_t low, int32_t high) { return merge(low, high, high); }
  int32_t merge(int32_t low, int32_t high, int32_t kept) {
    if (low < 0 || blocks_[low].end >= 0 || blocks_[high].end >= 0) return kept;
    const int32_t other = kept == low ? high : low;
    free_.erase({blocks_[other].size, blocks_[other].offset, other});
    // The endless block keeps its index, whichever side it is on.
    const int32_t stays = high == last_ ? high : low, goes = stays == high ? low : high;
    Block joint = blocks_[low];
    joint.size += blocks_[high].size;
    joint.after = blocks_[high].after;
    if (joint.before >= 0) blocks_[joint.before].after = stays;
    if (joint.after >= 0) blocks_[joint.after].before = stays;
    blocks_[stays] = joint;
    spare_.push_back(goes);
    return stays;
  }

  std::vector<Block> blocks_;
  std::vector<int32_t> spare_;
  std::set<std::tuple<int64_t, int64_t, int32_t>> free_;  // size, offset, block
  int32_t last_;
  bool match_;
};

// Walks from time `peak` to later times, where the tensors of `alive` lie side by side in this order.
void sweep(const std::vector<Tensor>& tensors, const Order& alive, const Order& by_start, const Order& by_end,
           int32_t peak, bool match, Offsets* offsets) {
  Arena arena(tensors.size() + 1, match);
  std::vector<int32_t> block(tensors.size(), -1);
  for (int32_t k : alive) {
    block[k] = arena.take(tensors[k].size, tensors[k].end);
    (*offsets)[k] = arena.offset(block[k]);
  }
  size_t next = 0, dying = 0;
  while (next < by_start.size() && tensors[by_start[next]].start <= peak) ++next;
  for (; next < by_start.size(); ++next) {
    const int32_t k = by_start[next];
    for (; dying < by_end.size() && tensors[by_end[dying]].end <= tensors[k].start; ++dying)
      if (block[by_end[dying]] >= 0) arena.give_back(block[by_end[dying]]);
    block[k] = arena.take(tensors[k].size, tensors[k].end);
    (*offsets)[k] = arena.offset(block[k]);
  }
}

// Both ways from the peak, for which time is turned round once.
class Sweeps {
 public:
  Sweeps(const std::vector<Tensor>& tensors, int32_t times) : forward_(tensors), backward_(tensors) {
    for (Tensor& tensor : backward_) tensor = {tensor.size, times - tensor.end, times - tensor.start};
    times_ = times;
    sort(forward_, &starts_, &ends_);
    sort(backward_, &back_starts_, &back_ends_);
  }

  template <class Less> void run(int32_t peak, bool match, Less less, Offsets* offsets) const {
    Order alive;
    for (size_t k = 0; k < forward_.size(); ++k)
      if (forward_[k].start <= peak && peak < forward_[k].end) alive.push_back(static_cast<int32_t>(k));
    std::stable_sort(alive.begin(), alive.end(), less);
    sweep(forward_, alive, starts_, ends_, peak, match, offsets);
    sweep(backward_, alive, back_starts_, back_ends_, times_ - 1 - peak, match, offsets);
  }

 private:
  static void sort(const std::vector<Tensor>& tensors, Order* starts, Order* ends) {
    starts->resize(tensors.size());
    std::iota(starts->begin(), starts->end(), 0);
    *ends = *starts;
    // Together with others the large ones choose first.
    std::stable_sort(starts->begin(), starts->end(), [&](int32_t a, int32_t b) {
      return std::make_tuple(tensors[a].start, -tensors[a].size) < std::make_tuple(tensors[b].start, -tensors[b].size);
    });
    std::stable_sort(ends->begin(), ends->end(), [&](int32_t a, int32_t b) { return tensors[a].end < tensors[b].end; });
  }

  std::vector<Tensor> forward_, backward_;
  int32_t times_;
  Order starts_, ends_, back_starts_, back_ends_;
};

// --- greedy orders ------------------------------------------------------------------------------------------

struct Placed {
  int64_t offset, end;
  int32_t first, last;  // alive in [first, last)
};

enum class Fit { kLowest, kBest };

// The gap among `placed` (by offset) that a tensor takes; `meets` tells which of them it shares a time with.
template <class Meets>
int64_t choose_gap(const std::vector<Placed>& placed, int64_t size, Fit fit, Meets meets, int64_t* scanned) {
  int64_t low = 0, chosen = kEndless, slack = kEndless;
  size_t at = 0;
  for (; at < placed.size(); ++at) {
    const Placed& other = placed[at];
    if (!meets(other)) continue;
    const int64_t gap = other.offset - low - size;
    if (gap >= 0 && gap < slack) {
      chosen = low;
      slack = gap;
      if (fit == Fit::kLowest || gap == 0) break;
    }
    low = std::max(low, other.end);
  }
  *scanned += static_cast<int64_t>(at) + 1;
  return chosen == kEndless ? low : chosen;
}

// Who meets whom in time, as lists: where they are short, an order costs much less than n^2.
struct Meetings {
  std::vector<int64_t> begin;
  std::vector<int32_t> other;

  // False: more than `most` pairs.
  bool find(const std::vector<Tensor>& tensors, int64_t most) {
    const size_t n = tensors.size();
    Order by_start(n), alive;
    std::iota(by_start.begin(), by_start.end(), 0);
    std::stable_sort(by_start.begin(), by_start.end(),
                     [&](int32_t a, int32_t b) { return tensors[a].start < tensors[b].start; });
    std::vector<std::pair<int32_t, int32_t>> pairs;
    begin.assign(n + 1, 0);
    for (int32_t k : by_start) {
      alive.erase(std::remove_if(alive.begin(), alive.end(),
                                 [&](int32_t j) { return tensors[j].end <= tensors[k].start; }),
                  alive.end());
      if (static_cast<int64_t>(pairs.size() + alive.size()) > most) return false;
      for (int32_t j : alive) {
        pairs.emplace_back(k, j);
        ++begin[k + 1];
        ++begin[j + 1];
      }
      alive.push_back(k);
    }
    for (size_t k = 0; k < n; ++k) begin[k + 1] += begin[k];
    other.resize(begin[n]);
    std::vector<int64_t> next(begin.begin(), begin.end() - 1);
    for (const auto& pair : pairs) {
      other[next[pair.first]++] = pair.second;
      other[next[pair.second]++] = pair.first;
    }
    return true;
  }
};

// Places tensors one by one; gives up (kEndless) when it cannot get below `limit` or the work is used up.
int64_t greedy(const std::vector<Tensor>& tensors, const Order& order, Fit fit, int64_t limit, int64_t* work,
               Offsets* offsets) {
  std::vector<Placed> placed;  // by offset
  placed.reserve(tensors.size());
  int64_t total = 0, scanned = 0;
  for (int32_t k : order) {
    const Tensor& tensor = tensors[k];
    const int64_t chosen = choose_gap(
        placed, tensor.size, fit,
        [&](const Placed& other) { return other.first < tensor.end && tensor.start < other.last; }, &scanned);
    total = std::max(total, chosen + tensor.size);
    if (total >= limit || scanned > *work) break;
    (*offsets)[k] = chosen;
    const auto at = std::upper_bound(placed.begin(), placed.end(), chosen,
                                     [](int64_t offset, const Placed& other) { return offset < other.offset; });
    placed.insert(at, {chosen, chosen + tensor.size, tensor.start, tensor.end});
  }
  *work -= scanned;
  return placed.size() == tensors.size() ? total : kEndless;
}

// The same with lists of who meets whom.
int64_t greedy(const std::vector<Tensor>& tensors, const Meetings& meetings, const Order& order, Fit fit, int64_t limit,
               int64_t* work, Offsets* offsets) {
  std::vector<Placed> placed;
  std::fill(offsets->begin(), offsets->end(), -1);
  int64_t total = 0;
  for (int32_t k : order) {
    placed.clear();
    for (int64_t at = meetings.begin[k]; at < meetings.begin[k + 1]; ++at) {
      const int32_t j = meetings.other[at];
      const int64_t offset = (*offsets)[j];
      if (offset >= 0) placed.push_back({offset, offset + tensors[j].size, 0, 0});
    }
    std::sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) { return a.offset < b.offset; });
    int64_t scanned = 0;
    const int64_t chosen = choose_gap(placed, tensors[k].size, fit, [](const Placed&) { return true; }, &scanned);
    total = std::max(total, chosen + tensors[k].size);
    *work -= 12 * (meetings.begin[k + 1] - meetings.begin[k]) + 4;  // sorting counts
    if (total >= limit || *work < 0) return kEndless;
    (*offsets)[k] = chosen;
  }
  return total;
}

// --- all together -------------------------------------------------------------------------------------------

class Planner {
 public:
  Planner(std::vector<Tensor> tensors, int32_t times, int64_t work)
      : tensors_(std::move(tensors)), times_(times), work_(work), trial_(tensors_.size()), best_(tensors_.size()) {
    find_peaks();
  }

  int64_t run() {
    sweep_all();
    if (best_total_ > goal()) greedy_all();
    if (best_total_ > goal()) {
      if (tensors_.size() <= kSmall) try_all_orders();
      else search();
    }
    return best_total_;
  }

  const Offsets& offsets() const { return best_; }

 private:
  // Small inputs are taken to the bound, large ones near it.
  int64_t goal() const {
    return tensors_.size() <= 64 ? bound_ : static_cast<int64_t>(static_cast<double>(bound_) * kGoodEnough);
  }

  void find_peaks() {
    std::vector<int64_t> change(times_ + 1, 0);
    breadth_.assign(times_, 0);
    for (const Tensor& tensor : tensors_) {
      change[tensor.start] += tensor.size;
      change[tensor.end] -= tensor.size;
    }
    int64_t alive = 0;
    for (int32_t t = 0; t < times_; ++t) {
      alive += change[t];
      breadth_[t] = alive;
      bound_ = std::max(bound_, alive);
    }
    for (int32_t t = 0; t < times_; ++t)
      if (breadth_[t] == bound_) peaks_.push_back(t);
  }

  bool keep(int64_t total) {
    if (total >= best_total_) return false;
    best_total_ = total;
    best_.swap(trial_);
    return true;
  }

  int64_t total_of_trial() const {
    int64_t total = 0;
    for (size_t k = 0; k < tensors_.size(); ++k) total = std::max(total, trial_[k] + tensors_[k].size);
    return total;
  }

  void sweep_all() {
    const Sweeps sweeps(tensors_, times_);
    const std::vector<Tensor>& t = tensors_;
    std::vector<int32_t> peaks{peaks_.front()};
    if (peaks_.size() > 1) peaks.push_back(peaks_.back());
    for (int32_t peak : peaks) {
      for (bool match : {true, false}) {
        // What was made first and dies last at the bottom: in training both walks then free from the top.
        auto nested = [&](int32_t a, int32_t b) {
          return std::make_tuple(t[a].start, -t[a].end) < std::make_tuple(t[b].start, -t[b].end);
        };
        auto by_end = [&](int32_t a, int32_t b) {
          return std::make_tuple(-t[a].end, t[a].start) < std::make_tuple(-t[b].end, t[b].start);
        };
        auto by_length = [&](int32_t a, int32_t b) { return t[a].length() > t[b].length(); };
        auto by_size = [&](int32_t a, int32_t b) { return t[a].size > t[b].size; };
        sweeps.run(peak, match, nested, &trial_);
        if (keep(total_of_trial()) && best_total_ <= goal()) return;
        sweeps.run(peak, match, by_end, &trial_);
        if (keep(total_of_trial()) && best_total_ <= goal()) return;
        if (tensors_.size() > 20000) continue;
        sweeps.run(peak, match, by_length, &trial_);
        if (keep(total_of_trial()) && best_total_ <= goal()) return;
        sweeps.run(peak, match, by_size, &trial_);
        if (keep(total_of_trial()) && best_total_ <= goal()) return;
      }
    }
  }

  template <class Key> Order sorted_by(Key key) const {
    Order order(tensors_.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return key(a) < key(b); });
    return order;
  }

  // The tensors of the fullest times first.
  Order by_breadth() const {
    std::vector<int64_t> widest(tensors_.size());
    // Sparse table would do for long graphs; this runs on short ones only.
    for (size_t k = 0; k < tensors_.size(); ++k)
      widest[k] = *std::max_element(breadth_.begin() + tensors_[k].start, breadth_.begin() + tensors_[k].end);
    return sorted_by([&](int32_t k) { return std::make_tuple(-widest[k], -tensors_[k].size); });
  }

  void greedy_all() {
    const int64_t n = static_cast<int64_t>(tensors_.size()), every_pair = n * n / 4;
    listed_ = meetings_.find(tensors_, std::min(every_pair / 8, work_ / 8));
    if (!listed_ && every_pair > work_) return;  // not even one order
    const std::vector<Tensor>& t = tensors_;
    orders_ = {
        sorted_by([&](int32_t k) { return std::make_tuple(-t[k].size, -t[k].length()); }),
        sorted_by([&](int32_t k) { return std::make_tuple(-static_cast<double>(t[k].size) * t[k].length(), t[k].start); }),
        sorted_by([&](int32_t k) { return std::make_tuple(-t[k].length(), -t[k].size); }),
        sorted_by([&](int32_t k) { return std::make_tuple(int64_t{t[k].start}, -t[k].size); }),
        sorted_by([&](int32_t k) { return std::make_tuple(int64_t{-t[k].end}, -t[k].size); }),
    };
    if (n * times_ <= work_) orders_.push_back(by_breadth());
    for (const Order& order : orders_)
      for (Fit fit : {Fit::kBest, Fit::kLowest}) {
        keep(place(order, fit, best_total_));
        if (best_total_ <= goal() || work_ < 0) return;
      }
  }

  int64_t place(const Order& order, Fit fit, int64_t limit) {
    if (listed_) return greedy(tensors_, meetings_, order, fit, limit, &work_, &trial_);
    return greedy(tensors_, order, fit, limit, &work_, &trial_);
  }

  // An optimal placement is found by placing its tensors from the bottom up, each as low as it goes.
  void try_all_orders() {
    Order order(tensors_.size());
    std::iota(order.begin(), order.end(), 0);
    int64_t unlimited = kEndless;
    do {
      keep(greedy(tensors_, order, Fit::kLowest, best_total_, &unlimited, &trial_));
    } while (best_total_ > bound_ && std::next_permutation(order.begin(), order.end()));
  }

  uint32_t random(uint32_t below) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>((state_ >> 33) % below);
  }

  // Bottom-up orders of the best placement so far, with what sticks out moved forward.
  void search() {
    const size_t n = tensors_.size();
    Order order = sorted_by([&](int32_t k) { return std::make_tuple(best_[k], int64_t{tensors_[k].start}); });
    while (work_ > 0 && best_total_ > goal()) {
      Order next = order;
      // Mostly a tensor at the top; else any.
      size_t from = random(static_cast<uint32_t>(n));
      if (random(4)) {
        const size_t begin = from;
        while (best_[next[from]] + tensors_[next[from]].size < best_total_) {
          from = (from + 1) % n;
          if (from == begin) break;
        }
      }
      const size_t to = random(static_cast<uint32_t>(from + 1));
      std::rotate(next.begin() + to, next.begin() + from, next.begin() + from + 1);
      if (random(2)) std::swap(next[random(static_cast<uint32_t>(n))], next[random(static_cast<uint32_t>(n))]);
      const int64_t total = place(next, Fit::kLowest, best_total_ + 1);
      if (total > best_total_) continue;
      // An equally good one is taken too: it may lead on.
      best_total_ = total;
      best_.swap(trial_);
      order.swap(next);
    }
  }

  const std::vector<Tensor> tensors_;
  const int32_t times_;
  int64_t work_;
  int64_t bound_ = 0, best_total_ = kEndless;
  Offsets trial_, best_;
  std::vector<Order> orders_;
  Meetings meetings_;
  bool listed_ = false;
  std::vector<int64_t> breadth_;
  std::vector<int32_t> peaks_;
  uint64_t state_ = 88172645463325252u;
};

}  // namespace

int64_t most_alive(const std::vector<Lifetime>& tensors) {
  std::vector<std::pair<int64_t, int64_t>> changes;
  changes.reserve(tensors.size() * 2);
  for (const Lifetime& tensor : tensors) {
    if (tensor.end <= tensor.start) continue;
    changes.emplace_back(tensor.start, tensor.size);
    changes.emplace_back(tensor.end, -tensor.size);
  }
  std::sort(changes.begin(), changes.end());  // what dies goes before what is born
  int64_t alive = 0, most = 0;
  for (const auto& change : changes) most = std::max(most, alive += change.second);
  return most;
}

int64_t assign_offsets(const std::vector<Lifetime>& tensors, std::vector<int64_t>* offsets, int64_t work) {
  offsets->assign(tensors.size(), 0);
  std::vector<int64_t> times;
  std::vector<size_t> chosen;  // the others take no room, or no time
  int64_t total = 0;
  for (size_t k = 0; k < tensors.size(); ++k) {
    const Lifetime& tensor = tensors[k];
    if (tensor.size == 0) continue;
    if (tensor.start == tensor.end) {
      total = std::max(total, arena_aligned(tensor.size));
      continue;
    }
    chosen.push_back(k);
    times.push_back(tensor.start);
    times.push_back(tensor.end);
  }
  if (chosen.empty()) return total;
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
  auto rank = [&](int64_t time) {
    return static_cast<int32_t>(std::lower_bound(times.begin(), times.end(), time) - times.begin());
  };
  std::vector<Tensor> ranked;
  ranked.reserve(chosen.size());
  for (size_t k : chosen)
    ranked.push_back({arena_aligned(tensors[k].size), rank(tensors[k].start), rank(tensors[k].end)});
  Planner planner(std::move(ranked), static_cast<int32_t>(times.size()) - 1, work);
  total = std::max(total, planner.run());
  for (size_t j = 0; j < chosen.size(); ++j) (*offsets)[chosen[j]] = planner.offsets()[j];
  return total;
}

}  // namespace weft
