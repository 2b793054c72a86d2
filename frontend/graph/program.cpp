// Building programs and running them in order. How steps spread over cores is in spread.cpp.
#include "frontend/graph/program.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace weft {

Program::Program(uint32_t n_arrays, uint64_t arena_bytes, uint64_t kept_bytes)
    : n_arrays_(n_arrays), arena_bytes_(arena_bytes), kept_bytes_(kept_bytes), slots_of_array_(n_arrays),
      turn_(new_var()), bases_(n_arrays, nullptr) {
  for (int phase = 0; phase < kPhases; ++phase) {
    reads_[phase].assign(n_arrays, 0);
    writes_[phase].assign(n_arrays, 0);
  }
  if (kept_bytes) kept_ = new_buffer(kept_bytes, 0);
  parallel_.program = this;
  parallel_.wanted = wanted;
  parallel_.work = work;
}

Program::~Program() {
  for (Step& step : steps_) kernel_release(step.kernel);
  if (kept_) var_release(kept_);
  var_release(turn_);
}

// --- building -----------------------------------------------------------------------------------

void Program::add_step(Kernel* kernel, int phase, const Operand* operands, uint32_t n_inputs, uint32_t n_outputs,
                       const double* scalars, uint32_t n_scalars, uint32_t name, const char* node,
                       const char* description, double cost_ns, bool is_random) {
  kernel_retain(kernel);
  Step step{};
  step.kernel = kernel;
  step.name = name;
  step.is_random = is_random;
  StepInfo info;
  info.node = node;
  info.description = description;
  info.phase = phase;
  info.cost_ns = cost_ns;
  info.first_operand = uint32_t(operands_.size());
  info.n_inputs = n_inputs;
  info.n_outputs = n_outputs;
  info.draw = is_random ? draws_[phase]++ : 0;
  cost_[phase] += cost_ns;
  python_[phase] = python_[phase] || (kernel->flags & kKernelPython);
  for (uint32_t i = 0; i < n_inputs + n_outputs; ++i) {
    const Operand& operand = operands[i];
    if (operand.place == Place::kArray) {
      bool input = i < n_inputs;
      if (!input) writes_[phase][operand.array] = 1;
      else if (!writes_[phase][operand.array]) reads_[phase][operand.array] = 1;
    }
    operands_.push_back(operand);
  }
  scalar_begins_.push_back(uint32_t(scalars_.size()));
  scalars_.insert(scalars_.end(), scalars, scalars + n_scalars);
  steps_.push_back(step);
  infos_.push_back(std::move(info));
}

void Program::mark_mutated(uint32_t input) {
  StepInfo& info = infos_.back();
  info.mutated.push_back(input);
  const Operand& operand = operands_[info.first_operand + input];
  if (operand.place == Place::kArray) writes_[info.phase][operand.array] = 1;
}

void Program::add_control(uint32_t before, uint32_t after) { controls_.emplace_back(before, after); }

void Program::finish() {
  pointers_.assign(operands_.size(), nullptr);
  scalars_.push_back(0);
  for (uint32_t slot = 0; slot < operands_.size(); ++slot) {
    const Operand& operand = operands_[slot];
    switch (operand.place) {
      case Place::kArray: slots_of_array_[operand.array].push_back(slot); break;
      case Place::kArena: slots_of_arena_.push_back(slot); break;
      case Place::kKept: slots_of_kept_.push_back(slot); break;
    }
  }
  int phase = 0;
  for (uint32_t i = 0; i < steps_.size(); ++i) {
    Step& step = steps_[i];
    const StepInfo& info = infos_[i];
    void** first = pointers_.data() + info.first_operand;
    step.args = RunArgs{first, first + info.n_inputs, scalars_.data() + scalar_begins_[i], 0, 0, error_};
    while (phase < info.phase) begin_[++phase] = i;
  }
  while (phase < kPhases) begin_[++phase] = uint32_t(steps_.size());
  for (uint32_t array = 0; array < n_arrays_; ++array)
    if (reads_[kPrepare][array]) watched_.push_back(array);
  watched_versions_.assign(watched_.size(), 0);
  watched_buffers_.assign(watched_.size(), nullptr);
  wide_.assign(steps_.size(), 0);
}

uint32_t Program::draws(int phases) const {
  return ((phases & 1) ? draws_[kForward] + draws_[kPrepare] : 0) + ((phases & 2) ? draws_[kBackward] : 0);
}

bool Program::writes(uint32_t array, int phases) const {
  return ((phases & 1) && (writes_[kPrepare][array] || writes_[kForward][array])) ||
         ((phases & 2) && writes_[kBackward][array]);
}

bool Program::calls_python(int phases) const {
  return ((phases & 1) && (python_[kPrepare] || python_[kForward])) || ((phases & 2) && python_[kBackward]);
}

double Program::cost_ns(int phases) const {
  return ((phases & 1) ? cost_[kForward] : 0) + ((phases & 2) ? cost_[kBackward] : 0);
}

// --- bindings -----------------------------------------------------------------------------------

namespace {

void sort_unique(std::vector<Var*>* vars) {
  std::sort(vars->begin(), vars->end());
  vars->erase(std::unique(vars->begin(), vars->end()), vars->end());
}

bool any_overlap(const std::vector<Bindings::Array>& arrays, const std::vector<uint8_t>& written) {
  std::vector<std::pair<Buffer*, bool>> seen;
  for (size_t i = 0; i < arrays.size(); ++i) seen.emplace_back(arrays[i].buffer, written[i] != 0);
  std::sort(seen.begin(), seen.end());
  for (size_t i = 1; i < seen.size(); ++i)
    if (seen[i].first == seen[i - 1].first && (seen[i].second || seen[i - 1].second)) return true;
  return false;
}

}  // namespace

Bindings* Program::bind(const Bindings::Array* arrays, Buffer* arena) const {
  Bindings* bindings = new Bindings;
  bindings->arrays.assign(arrays, arrays + n_arrays_);
  bindings->arena = arena;
  for (const Bindings::Array& array : bindings->arrays) var_retain(array.buffer);
  var_retain(arena);
  std::vector<uint8_t> written(n_arrays_, 0);
  for (int phases = 1; phases < 4; ++phases) {
    Bindings::Variables& variables = bindings->of[phases];
    for (uint32_t i = 0; i < n_arrays_; ++i) {
      Var* var = bindings->arrays[i].buffer;
      bool reads = false, writes = false;
      for (int phase = kPrepare; phase < kPhases; ++phase) {
        if (!(phase == kBackward ? phases & 2 : phases & 1)) continue;
        reads = reads || (reads_[phase][i] && !writes);
        writes = writes || writes_[phase][i];
      }
      if (reads) variables.reads.push_back(var);
      if (writes) variables.writes.push_back(var);
      written[i] |= writes;
    }
    // The backward half needs what the forward half left in the arena: it fails when that failed.
    if (!(phases & 1)) {
      variables.reads.push_back(arena);
      variables.reads.push_back(turn_);
    }
    variables.writes.push_back(arena);
    variables.writes.push_back(turn_);
    sort_unique(&variables.reads);
    sort_unique(&variables.writes);
  }
  bindings->overlapping = any_overlap(bindings->arrays, written);
  return bindings;
}

void release_bindings(Bindings* bindings) {
  if (bindings->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  for (const Bindings::Array& array : bindings->arrays) var_release(array.buffer);
  var_release(bindings->arena);
  delete bindings;
}

bool Program::allocate(const Bindings* bindings, int phases, char* error) {
  size_t wanted = 0;
  auto ready = [&](Buffer* buffer) {
    wanted = buffer->bytes;
    return buffer_ready(buffer);
  };
  bool done = ready(bindings->arena) && (!kept_ || ready(kept_));
  for (int phase = kPrepare; done && phase < kPhases; ++phase) {
    if (!(phase == kBackward ? phases & 2 : phases & 1)) continue;
    for (uint32_t i = 0; done && i < n_arrays_; ++i)
      if (writes_[phase][i] || reads_[phase][i]) done = ready(bindings->arrays[i].buffer);
  }
  if (!done) std::snprintf(error, kErrorBytes, "out of memory: %zu bytes for the graph", wanted);
  return done;
}

void Program::patch(const Bindings* bindings) {
  auto base = [](const Bindings::Array& array) -> void* {
    char* data = static_cast<char*>(array.buffer->data);
    return data ? data + array.offset : nullptr;
  };
  for (uint32_t i = 0; i < n_arrays_; ++i) {
    void* now = base(bindings->arrays[i]);
    if (now == bases_[i]) continue;
    bases_[i] = now;
    for (uint32_t slot : slots_of_array_[i]) pointers_[slot] = now;
  }
  char* arena = static_cast<char*>(bindings->arena->data);
  if (arena != arena_base_) {
    arena_base_ = arena;
    for (uint32_t slot : slots_of_arena_) pointers_[slot] = arena + operands_[slot].offset;
    if (kept_)
      for (uint32_t slot : slots_of_kept_) pointers_[slot] = static_cast<char*>(kept_->data) + operands_[slot].offset;
  }
}

// --- running ------------------------------------------------------------------------------------

struct Program::Run {
  Program* program;
  Bindings* bindings;
  int phases;
  uint64_t seed, counter;
};

bool Program::push(Bindings* bindings, int phases, uint64_t seed, uint64_t counter, int priority, uint32_t name,
                   uint32_t site) {
  Run* run = new Run{this, bindings, phases, seed, counter};
  retain();
  bindings->refs.fetch_add(1, std::memory_order_relaxed);
  const Bindings::Variables& variables = bindings->of[phases];
  TaskSpec spec;
  spec.run = run_task;
  spec.cleanup = free_task;
  spec.describe = describe_task;
  spec.argument = run;
  spec.reads = variables.reads.data();
  spec.n_reads = int(variables.reads.size());
  spec.writes = variables.writes.data();
  spec.n_writes = int(variables.writes.size());
  spec.priority = priority;
  spec.cost_ns = cost_ns(phases);
  // A step in Python is no place for the KeyboardInterrupt of a thread that pushes or waits.
  spec.flags = kTaskSorted | (calls_python(phases) ? kTaskQueue | kTaskByWorker : 0u);
  spec.name = name;
  spec.site = site;
  return weft::push(spec);
}

int Program::run_task(void* argument, TaskContext* context) {
  Run* run = static_cast<Run*>(argument);
  return run->program->run(run, context);
}

// The engine cleans up while it still holds the variables, and on any thread.
void Program::free_task(void* argument) {
  Run* run = static_cast<Run*>(argument);
  release_bindings(run->bindings);
  run->program->release();
  delete run;
}

void Program::describe_task(void* argument, std::string* text) {
  Program* program = static_cast<Run*>(argument)->program;
  if (program->failed_ < 0) return;
  const StepInfo& info = program->infos_[size_t(program->failed_)];
  *text = std::string("at operator ") + name_of(program->steps_[size_t(program->failed_)].name) + ", node '" +
          info.node + "' " + info.description;
}

int Program::run(Run* run, TaskContext* context) {
  const Bindings* bindings = run->bindings;
  failed_ = -1;
  if (!allocate(bindings, run->phases, context->error)) return 1;
  patch(bindings);
  if (draws(run->phases)) {
    uint64_t counter = run->counter;
    for (int phase = kPrepare; phase < kPhases; ++phase) {
      if (!(phase == kBackward ? run->phases & 2 : run->phases & 1)) continue;
      for (uint32_t i = begin_[phase]; i < begin_[phase + 1]; ++i) {
        if (!steps_[i].is_random) continue;
        steps_[i].args.seed = run->seed;
        steps_[i].args.counter = counter++;
      }
    }
  }
  bool spread = !bindings->overlapping;
  int failed = 0;
  if (run->phases & 1) {
    if (begin_[kPrepare + 1] > begin_[kPrepare] && prepared_is_stale(bindings)) {
      prepared_ = false;
      failed = run_phase(kPrepare, spread);
      prepared_ = !failed;
      prepared_runs_.fetch_add(1, std::memory_order_relaxed);
    }
    if (!failed) failed = run_phase(kForward, spread);
  }
  if (!failed && (run->phases & 2)) failed = run_phase(kBackward, spread);
  runs_.fetch_add(1, std::memory_order_relaxed);
  if (!failed) return 0;
  std::strncpy(context->error, error_, kTaskErrorBytes - 1);
  context->error[kTaskErrorBytes - 1] = 0;
  return 1;
}

// The task holds the arrays, so their versions stand still.
bool Program::prepared_is_stale(const Bindings* bindings) {
  bool stale = !prepared_;
  for (size_t k = 0; k < watched_.size(); ++k) {
    Buffer* buffer = bindings->arrays[watched_[k]].buffer;
    uint64_t version = buffer->version.load(std::memory_order_acquire);
    if (buffer == watched_buffers_[k] && version == watched_versions_[k]) continue;
    watched_buffers_[k] = buffer;
    watched_versions_[k] = version;
    stale = true;
  }
  return stale;
}

int Program::run_phase(int phase, bool may_spread) {
  if (may_spread && spread_[phase] && core_count() > 1 && settings.mode.load(std::memory_order_relaxed) == 0)
    return run_spread(phase);
  return run_in_order(begin_[phase], begin_[phase + 1]);
}

int Program::run_in_order(uint32_t begin, uint32_t end) {
  error_[0] = 0;
  Step* step = steps_.data() + begin;
  Step* last = steps_.data() + end;
  if (__builtin_expect(tracing.load(std::memory_order_relaxed), 0)) {
    // Nothing lies between the end of a step and the start of the next: one reading of the clock is both.
    uint64_t now = ticks();
    for (; step != last; ++step) {
      int failed = step->kernel->call(&step->args);
      uint64_t started = now;
      now = ticks();
      trace_inline(step->name, started, now);
      if (failed) break;
    }
  } else {
    for (; step != last; ++step)
      if (__builtin_expect(step->kernel->call(&step->args), 0)) break;
  }
  if (step == last) return 0;
  failed_ = step - steps_.data();
  return 1;
}

}  // namespace weft
