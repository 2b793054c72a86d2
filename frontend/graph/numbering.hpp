// Numbers for what repeats itself in a graph: sequences of words, and addresses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace weft {

// The finalizer of splitmix64 (Steele, Lea, Flood 2014), one round for each word.
inline uint64_t mixed(uint64_t hashed, uint64_t word) {
  hashed = (hashed ^ word) * 0xBF58476D1CE4E5B9ULL;
  return hashed ^ (hashed >> 27);
}

// Gives equal sequences of words equal numbers, counted from 0 in the order in which they first come up. A sequence is
// put together with add(); number() ends it.
class Numbering {
 public:
  Numbering() : slots_(64, 0) {}

  void add(uint64_t word) {
    words_.push_back(word);
    hash_ = mixed(hash_, word);
  }

  int64_t number() {
    size_t length = words_.size() - start_, mask = slots_.size() - 1;
    size_t slot = mixed(hash_, length) & mask;
    for (; slots_[slot]; slot = (slot + 1) & mask) {
      const Sequence& other = sequences_[slots_[slot] - 1];
      if (other.hash == hash_ && other.length == length && same(other.start, length)) {
        words_.resize(start_);
        hash_ = 0;
        return slots_[slot] - 1;
      }
    }
    sequences_.push_back({hash_, start_, length});
    slots_[slot] = static_cast<uint32_t>(sequences_.size());
    start_ = words_.size();
    hash_ = 0;
    if (sequences_.size() * 2 > slots_.size()) grow();
    return static_cast<int64_t>(sequences_.size()) - 1;
  }

  int64_t count() const { return static_cast<int64_t>(sequences_.size()); }

 private:
  struct Sequence {
    uint64_t hash;
    size_t start, length;
  };

  bool same(size_t start, size_t length) const {
    for (size_t k = 0; k < length; k++) {
      if (words_[start + k] != words_[start_ + k]) return false;
    }
    return true;
  }

  void grow() {
    std::vector<uint32_t> larger(slots_.size() * 4, 0);
    size_t mask = larger.size() - 1;
    for (size_t k = 0; k < sequences_.size(); k++) {
      size_t slot = mixed(sequences_[k].hash, sequences_[k].length) & mask;
      while (larger[slot]) slot = (slot + 1) & mask;
      larger[slot] = static_cast<uint32_t>(k + 1);
    }
    slots_.swap(larger);
  }

  std::vector<uint64_t> words_;      // of all sequences, then of the one that is being put together
  std::vector<Sequence> sequences_;
  std::vector<uint32_t> slots_;      // number + 1 at a place that the hash tells; 0: free
  size_t start_ = 0;
  uint64_t hash_ = 0;
};

// A number for each of many addresses.
class AddressMap {
 public:
  AddressMap() : slots_(64, {nullptr, 0}) {}

  void put(const void* address, int64_t number) {
    if (count_ * 2 >= slots_.size()) grow();
    auto& slot = slots_[find(slots_, address)];
    if (slot.first == nullptr) count_++;
    slot = {address, number};
  }

  int64_t get(const void* address, int64_t absent) const {
    const auto& slot = slots_[find(slots_, address)];
    return slot.first == nullptr ? absent : slot.second;
  }

 private:
  using Slots = std::vector<std::pair<const void*, int64_t>>;

  static size_t find(const Slots& slots, const void* address) {
    size_t mask = slots.size() - 1, slot = mixed(0, reinterpret_cast<uint64_t>(address) >> 4) & mask;
    while (slots[slot].first != nullptr && slots[slot].first != address) slot = (slot + 1) & mask;
    return slot;
  }

  void grow() {
    Slots larger(slots_.size() * 4, {nullptr, 0});
    for (const auto& slot : slots_) {
      if (slot.first != nullptr) larger[find(larger, slot.first)] = slot;
    }
    slots_.swap(larger);
  }

  Slots slots_;
  size_t count_ = 0;
};

}  // namespace weft
