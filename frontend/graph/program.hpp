// A graph made ready to run: its kernels in order, every operand a pointer, few engine tasks for all of it.
// Knows neither Python nor the graph it came from.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "engine/core/engine.hpp"
#include "ops/kernel.hpp"

namespace weft {

// Where an operand lies: in one of the caller's arrays, in the arena that the memory plan laid out, or in
// memory of the program's own whose contents stay from run to run.
enum class Place : uint32_t { kArray, kArena, kKept };

struct Operand {
  Place place;
  uint32_t array;   // kArray: its number
  uint64_t offset;  // kArena, kKept: bytes
  uint64_t bytes;
};

// Steps of one phase run in one task. kPrepare comes first in whatever task finds its inputs changed.
enum Phase : int { kPrepare = 0, kForward = 1, kBackward = 2, kPhases = 3 };

// The hot part of a step, in a cache line.
struct Step {
  Kernel* kernel;
  RunArgs args;  // its pointers are slots of the program's table
  uint32_t name;
  bool is_random;
};

struct StepInfo {
  std::string node, description;  // for messages
  int phase;
  double cost_ns;
  uint32_t first_operand, n_inputs, n_outputs;
  uint32_t draw;  // which of the run's random draws
  std::vector<uint32_t> mutated;  // inputs that it writes too
};

// The caller's arrays of one run; shared by all runs until one of them is another.
struct Bindings {
  struct Array {
    Buffer* buffer;
    int64_t offset;
  };
  struct Variables {
    std::vector<Var*> reads, writes;
  };
  std::atomic<int> refs{1};
  std::vector<Array> arrays;
  Buffer* arena;
  Variables of[4];  // by set of phases: kForward, kBackward, both
  bool overlapping = false;  // two of the arrays share bytes and one of them is written
};

class Program;

// Steps of one run that several cores work on. Ready ones are in two parts, so that many that are ready from the start cost
// no heap: those, sorted, and a heap of what became ready since.
struct ParallelRun : Joinable {
  Program* program;
  std::mutex mutex;
  std::condition_variable signal;
  const std::vector<uint32_t>* first = nullptr;
  size_t first_at = 0;
  std::vector<uint32_t> ready;    // a heap by rank
  std::vector<uint32_t> pending;  // predecessors to come, by step; counted down without the mutex
  int running = 0;                // cores that have steps
  int main_asleep = 0;
  std::atomic<int64_t> failed{-1};
  char error[kErrorBytes];
  size_t n_ready() const { return ready.size() + first->size() - first_at; }
};

struct Schedule {
  double serial_ns = 0, spread_ns = 0;  // all steps one after the other, each on all cores; and spread out
  std::vector<int64_t> starts, ends;    // of each step, when spread out
  std::vector<uint8_t> wide;            // steps that had better have all cores to themselves
};

// What would come of spreading steps over `cores`. A step that runs by itself may use all cores inside:
// `wide_ns` is its time then, `narrow_ns` on one core. Edges go from lower to higher numbers.
Schedule make_schedule(const std::vector<double>& narrow_ns, const std::vector<double>& wide_ns,
                       const std::vector<std::vector<uint32_t>>& successors, int cores);

class Program {
 public:
  Program(uint32_t n_arrays, uint64_t arena_bytes, uint64_t kept_bytes);
  ~Program();
  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  // --- building: steps in an order in which they may run, phase by phase; then finish() ---

  void add_step(Kernel* kernel, int phase, const Operand* operands, uint32_t n_inputs, uint32_t n_outputs,
                const double* scalars, uint32_t n_scalars, uint32_t name, const char* node,
                const char* description, double cost_ns, bool is_random);
  void mark_mutated(uint32_t input);  // of the last step
  void add_control(uint32_t before, uint32_t after);
  void finish();
  // Finds the order among steps that follows from the bytes they read and write, so that phases can be spread
  // over several cores. Whatever the memory plan is, the result is that of the steps in order.
  void link();
  void spread(int phase, bool on) { spread_[phase] = on && linked_; }
  void set_wide(uint32_t step, bool wide) { wide_[step] = wide; }
  bool is_spread(int phase) const { return spread_[phase]; }

  // --- running ---

  // References to all buffers are the bindings' own.
  Bindings* bind(const Bindings::Array* arrays, Buffer* arena) const;
  // `phases`: 1 forward, 2 backward, 3 both in one task.
  bool push(Bindings* bindings, int phases, uint64_t seed, uint64_t counter, int priority, uint32_t name,
            uint32_t site);

  uint32_t n_arrays() const { return n_arrays_; }
  uint32_t n_steps() const { return uint32_t(steps_.size()); }
  uint64_t arena_bytes() const { return arena_bytes_; }
  uint64_t kept_bytes() const { return kept_bytes_; }
  uint32_t draws(int phases) const;
  bool writes(uint32_t array, int phases) const;
  double cost_ns(int phases) const;
  bool calls_python(int phases) const;
  const StepInfo& info(uint32_t step) const { return infos_[step]; }
  const Step& step(uint32_t step) const { return steps_[step]; }
    uint64_t runs() const { return runs_.load(std::memory_order_relaxed); }
  uint64_t prepared_runs() const { return prepared_runs_.load(std::memory_order_relaxed); }

 private:
  struct Run;
  friend struct ParallelRun;
  static int run_task(void* argument, TaskContext* context);
  static void free_task(void* argument);
  static void describe_task(void* argument, std::string* text);
  int run(Run* run, TaskContext* context);
  bool allocate(const Bindings* bindings, int phases, char* error);
  void patch(const Bindings* bindings);
  bool prepared_is_stale(const Bindings* bindings);
  int run_phase(int phase, bool may_spread);
  int run_in_order(uint32_t begin, uint32_t end);
  int run_spread(int phase);
  static bool wanted(Joinable* self);
  static void work(Joinable* self);
  struct Participant;
  void work_on(ParallelRun* run, bool is_main);
  uint32_t take_best(ParallelRun* run);
  void take_steps(ParallelRun* run, Participant* here);
  void run_step(ParallelRun* run, Participant* here, uint32_t number);
  void count_done(ParallelRun* run, Participant* here);
  void hand_over(ParallelRun* run, Participant* here, std::unique_lock<std::mutex>* lock);

  std::atomic<int> refs_{1};
  uint32_t n_arrays_;
  uint64_t arena_bytes_, kept_bytes_;
  std::vector<Step> steps_;
  std::vector<StepInfo> infos_;
  std::vector<Operand> operands_;
  std::vector<void*> pointers_;  // as operands_
  std::vector<double> scalars_;
  std::vector<uint32_t> scalar_begins_;
  std::vector<std::vector<uint32_t>> slots_of_array_;
  std::vector<uint32_t> slots_of_arena_, slots_of_kept_;
  std::vector<std::pair<uint32_t, uint32_t>> controls_;
  uint32_t begin_[kPhases + 1] = {};
  uint32_t draws_[kPhases] = {};
  double cost_[kPhases] = {};
  bool python_[kPhases] = {};
  std::vector<uint8_t> reads_[kPhases], writes_[kPhases];  // arrays, by number
  std::vector<uint32_t> watched_;                          // arrays that prepared results depend on

  // order of steps, for several cores
  bool linked_ = false;
  bool spread_[kPhases] = {};
  std::vector<uint32_t> successors_, successors_begin_;  // of step i: from begin[i] to begin[i + 1]
  std::vector<uint32_t> predecessors_;
  std::vector<uint32_t> first_[kPhases];  // steps without predecessors, in the order of rank
  std::vector<float> short_ns_;           // estimates, side by side
  std::vector<uint32_t> rank_;  // longest way to the end first
  std::vector<uint8_t> wide_;

  // state between runs; only a task that holds `turn_` touches it
  Var* turn_;
  std::vector<void*> bases_;
  void* arena_base_ = nullptr;
  Buffer* kept_ = nullptr;
  bool prepared_ = false;
  std::vector<uint64_t> watched_versions_;
  std::vector<Buffer*> watched_buffers_;
  int64_t failed_ = -1;
  char error_[kErrorBytes];
  ParallelRun parallel_;
  std::atomic<uint64_t> runs_{0}, prepared_runs_{0};
};

void release_bindings(Bindings* bindings);

}  // namespace weft
