// Where tensors with known lifetimes go in one arena: offline dynamic storage allocation.
#pragma once

#include <cstdint>
#include <vector>

namespace weft {

constexpr int64_t kArenaAlignment = 64;

inline int64_t arena_aligned(int64_t bytes) { return (bytes + kArenaAlignment - 1) & ~(kArenaAlignment - 1); }

struct Lifetime {
  int64_t size;        // bytes
  int64_t start, end;  // half open; start == end: never alive
};

// The most bytes (of the sizes as they are) that are alive at once: no placement needs less.
int64_t most_alive(const std::vector<Lifetime>& tensors);

// Fills `offsets` (multiples of kArenaAlignment) so that tensors alive at once do not overlap; returns how many bytes
// that takes. Deterministic; the time is bounded: O(n log n), and at most `work` steps of greedy orders and search.
int64_t assign_offsets(const std::vector<Lifetime>& tensors, std::vector<int64_t>* offsets, int64_t work);

}  // namespace weft
