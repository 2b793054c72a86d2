// oneDNN primitives in the shape that weft's kernels need: made once, run many times at once.
//
// weft calls oneDNN on one thread at a time and spreads work itself (parallel_for over rows of a
// matrix or images of a batch): oneDNN's own OpenMP teams would neither know the engine's core
// budget nor survive fork, and small pieces keep layout changes inside the cache.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "ops/cpu/onednn_api.hpp"

namespace weft {
namespace dnnl {

using Shape = std::vector<Dim>;

// Thrown while a kernel is being built: oneDNN has no implementation for the case.
struct Unsupported {};

inline void check(Status status) {
  if (status != kSuccess) throw Unsupported();
}

// A memory descriptor: shape and layout of float32 values.
class Desc {
 public:
  Desc() = default;
  explicit Desc(ConstMemoryDesc other) { check(api()->memory_desc_clone(&handle_, other)); }
  Desc(const Desc& other) {
    if (other.handle_) check(api()->memory_desc_clone(&handle_, other.handle_));
  }
  Desc(Desc&& other) noexcept : handle_(other.handle_) { other.handle_ = nullptr; }
  Desc& operator=(Desc other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Desc() {
    if (handle_) api()->memory_desc_destroy(handle_);
  }

  static Desc plain(const Shape& shape);                         // C order
  static Desc channels_last(const Shape& shape);                 // (N, C, ...) stored as (N, ..., C)
  static Desc any(const Shape& shape);                           // oneDNN chooses
  static Desc tagged(const Shape& shape, FormatTag tag);
  static Desc strided(const Shape& shape, const Shape& strides); // in elements

  operator ConstMemoryDesc() const { return handle_; }
  bool operator==(const Desc& other) const {
    return api()->memory_desc_equal(handle_, other.handle_) != 0;
  }
  // Part of the first axis, addressed through the whole's memory.
  Desc range(const Shape& shape, Dim begin, Dim end) const;
  size_t bytes() const { return api()->memory_desc_get_size(handle_); }

 private:
  MemoryDesc handle_ = nullptr;
};

// Attributes all our primitives share: scratch memory comes from us.
class Attributes {
 public:
  Attributes() {
    check(api()->primitive_attr_create(&handle_));
    api()->primitive_attr_set_scratchpad_mode(handle_, kScratchpadUser);
  }
  // The given array is added to, then a function applied (kinds of oneDNN; 0: none).
  void finish_with(bool sum, int function, float alpha, float beta);
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  ~Attributes() { api()->primitive_attr_destroy(handle_); }
  operator ConstAttr() const { return handle_; }

 private:
  Attr handle_ = nullptr;
};

// A rearrangement of weights, cut along their first axis so that all cores take part.
class SplitReorder {
 public:
  void build(const Desc& from, const Desc& to, const Shape& shape);
  bool empty() const { return pieces_.empty(); }
  bool run(void* from, void* to) const;

 private:
  struct Run;
  static void run_pieces(void* context, int64_t begin, int64_t end);
  bool add_pieces(const Desc& from, const Desc& to, const Shape& shape, Dim step);

  std::vector<std::unique_ptr<class Program>> pieces_;
};

// A primitive descriptor: one operation for one set of shapes, with the layouts oneDNN chose.
class Operation {
 public:
  Operation() = default;
  Operation(const Operation&) = delete;
  Operation(Operation&& other) noexcept : handle(other.handle) { other.handle = nullptr; }
  Operation& operator=(const Operation&) = delete;
  ~Operation() {
    if (handle) api()->primitive_desc_destroy(handle);
  }
  Desc desc(Query what) const { return Desc(api()->primitive_desc_query_md(handle, what, 0)); }
  size_t scratch_bytes() const;
  bool is_reference() const;  // a plain loop: correct, and a hundred times slower

  PrimitiveDesc handle = nullptr;
};

// Where an argument lies: bases[base] + offset + unit * step, for unit number `unit` of the work.
struct Place {
  int base = 0;
  size_t offset = 0;
  size_t step = 0;
};

// A straight list of primitives over memory that is named only when it runs. Immutable once built;
// run() may be called by several threads at once.
class Program {
 public:
  explicit Program(int local_base) : local_base_(local_base) {}
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  struct Use {
    int arg;
    Desc desc;
    Place place;
  };
  void add(const Operation& operation, std::vector<Use> uses);
  // A place holding the values of `place`, laid out as `wanted`: itself if it is so already, else
  // scratch memory that an added reorder fills.
  Place read_as(const Desc& wanted, const Desc& given, Place place);
  // The reverse: where to write with layout `made` so that store() leaves `wanted` at `place`.
  Place write_as(const Desc& made, const Desc& wanted, Place place);
  void store(const Desc& made, Place from, const Desc& wanted, Place place);
  // Scratch memory of this program: bases[local_base] must have local_bytes().
  Place reserve(size_t bytes);
  size_t local_bytes() const { return local_bytes_; }
  bool empty() const { return steps_.empty(); }

  bool run(void* const* bases, size_t unit) const;

 private:
  struct Step {
    PrimitiveHandle primitive;
    std::vector<Use> uses;
  };
  // oneDNN's memory objects carry the addresses, so each concurrent run needs its own set.
  struct Frame {
    std::vector<std::vector<ExecArg>> arguments;
    Stream stream = nullptr;
    Frame* next = nullptr;
  };
  Frame* take_frame() const;
  Frame* make_frame() const;
  void give_frame(Frame* frame) const;
  static void destroy_frame(Frame* frame);

  int local_base_;
  size_t local_bytes_ = 0;
  std::vector<Step> steps_;
  mutable std::mutex mutex_;
  mutable Frame* frames_ = nullptr;
};

// While alive, oneDNN uses only the calling thread. Keeps the thread's own OpenMP setting.
class OneThread {
 public:
  OneThread() {
    if (!api()->omp_set_num_threads || !api()->omp_get_max_threads) return;
    before_ = api()->omp_get_max_threads();
    if (before_ != 1) api()->omp_set_num_threads(1);
  }
  ~OneThread() {
    if (before_ > 1) api()->omp_set_num_threads(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_ = 0;
};

// Memory from the engine's pools, given back at the end of the scope.
class Scratch {
 public:
  explicit Scratch(size_t bytes);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  void* data() const { return data_; }
  bool ok() const { return data_ != nullptr || bytes_ == 0; }

 private:
  size_t bytes_;
  void* data_;
};

}  // namespace dnnl
}  // namespace weft
