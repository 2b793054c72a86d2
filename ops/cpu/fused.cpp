// A piece of some thousand elements is read once, taken through all steps in buffers of the first-level cache, and
// written once. Intermediate results are rounded to their arrays' type as if each step ran alone, so that fusing
// changes no bit.
#include "ops/cpu/fused.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

#include "engine/core/engine.hpp"
#include "ops/cpu/elementwise.hpp"
#include "ops/cpu/fused_chain.hpp"
#include "ops/cpu/stream.hpp"

namespace weft {
namespace {

constexpr int kMaxOperands = 8;          // of a step, its result included; a chain has kChainOperands and the result
constexpr int64_t kCacheBytes = 24 * 1024;  // what the buffers of a piece may take together
constexpr int64_t kFewest = 256, kMost = 2048;  // elements in a piece
constexpr double kPieceNs = 20000;       // work worth handing to another core

// How an input is walked: as it lies, one element for all, or repeated along some axes.
struct Input {
  int source;                  // among RunArgs::inputs
  int size;                    // bytes of an element
  enum Walk { kWhole, kSingle, kSpread } walk;
  std::vector<int64_t> shape;  // of the fused arrays, axes merged (kSpread)
  std::vector<int64_t> strides;
  int buffer = -1;             // where a piece of it is spread out
};

struct Operand {
  FusedOperand::Kind kind;
  int index;
  int scalar_at;   // place of a converted number
  int size, compute_size;
  Loop convert;    // nullptr: the loop takes it as it is
};

struct Step {
  Loop loop, stream_loop;
  void* data;
  std::vector<double> parameters;
  int dynamic_parameters;
  std::vector<Operand> operands;
  int size, compute_size;
  Loop convert;    // of the result
  int buffer;      // where the result is kept; -1: it is written to its output at once
  int output;      // -1: none
  bool read_later;
};

struct Number {
  char bytes[8];
};

struct Scalar {
  int index;  // in RunArgs::scalars; -1: fixed
  double value;
  DType type, compute;
};

struct Fused : Kernel {
  std::vector<Input> inputs;
  std::vector<Step> steps;
  std::vector<int> outputs;
  std::vector<Scalar> scalars;
  std::vector<std::unique_ptr<Chain>> chains;
  int64_t size, piece, grain;
  int64_t slot;        // bytes of a buffer
  int buffers;
  bool stream;

  Fused(int (*run)(Kernel*, const RunArgs*))
      : Kernel(run, [](Kernel* self) { delete static_cast<Fused*>(self); }, 0) {}
};

struct Call {
  const Fused* kernel;
  const RunArgs* args;
  std::vector<Number> numbers;
  bool stream;  // results go around the cache
};

// --- pieces -------------------------------------------------------------------------------------------------

void fill(char* to, const char* from, int64_t count, int size) {
  switch (size) {
    case 1: std::memset(to, *from, count); break;
    case 2: std::fill_n(reinterpret_cast<uint16_t*>(to), count, *reinterpret_cast<const uint16_t*>(from)); break;
    case 4: std::fill_n(reinterpret_cast<uint32_t*>(to), count, *reinterpret_cast<const uint32_t*>(from)); break;
    default: std::fill_n(reinterpret_cast<uint64_t*>(to), count, *reinterpret_cast<const uint64_t*>(from));
  }
}

// `count` elements of a repeated input, from element `begin` of the fused shape on.
void spread(const Input& input, const char* base, int64_t begin, int64_t count, char* to) {
  const int last = static_cast<int>(input.shape.size()) - 1;
  int64_t at[32], index = begin;
  const char* from = base;
  for (int axis = last; axis >= 0; --axis) {
    at[axis] = index % input.shape[axis];
    index /= input.shape[axis];
    from += at[axis] * input.strides[axis];
  }
  while (count > 0) {
    const int64_t run = std::min(count, input.shape[last] - at[last]);
    if (input.strides[last]) std::memcpy(to, from, run * input.size);
    else fill(to, from, run, input.size);
    to += run * input.size;
    count -= run;
    from -= at[last] * input.strides[last];
    at[last] = 0;
    for (int axis = last - 1; axis >= 0; --axis) {
      from += input.strides[axis];
      if (++at[axis] < input.shape[axis]) break;
      from -= at[axis] * input.strides[axis];
      at[axis] = 0;
    }
  }
}

class Piece {
 public:
  Piece(const Call& call, char* scratch) : call_(call), kernel_(*call.kernel), args_(*call.args), scratch_(scratch) {}

  void run(int64_t begin, intptr_t n) {
    begin_ = begin;
    for (size_t j = 0; j < kernel_.inputs.size(); ++j) {
      const Input& input = kernel_.inputs[j];
      if (input.buffer >= 0) spread(input, static_cast<const char*>(args_.inputs[input.source]), begin, n, buffer(input.buffer));
    }
    for (const Step& step : kernel_.steps) run_step(step, n);
    for (int k : kernel_.outputs) {
      const Step& step = kernel_.steps[k];
      if (step.buffer < 0 && (!call_.stream || streams(step))) continue;
      char* to = output(step.output) + begin * step.size;
      if (call_.stream) stream_copy(to, kept(step), n * step.size);
      else std::memcpy(to, kept(step), n * step.size);
    }
  }

 private:
  char* buffer(int index) const { return scratch_ + index * kernel_.slot; }
  char* output(int index) const { return static_cast<char*>(args_.outputs[index]); }

  // Whether the loop itself writes around the cache.
  bool streams(const Step& step) const {
    return call_.stream && step.stream_loop && step.buffer < 0 && !step.read_later;
  }

  // Where a step's result is during this piece. What is streamed is made in the extra buffer of its output.
  char* kept(const Step& step) const {
    if (step.buffer >= 0) return buffer(step.buffer);
    if (call_.stream && !streams(step)) return buffer(kernel_.buffers - 1 - step.output);
    return output(step.output) + begin_ * step.size;
  }

  void run_step(const Step& step, intptr_t n) const {
    char* pointers[kChainOperands + 1];
    intptr_t steps[kChainOperands + 1];
    const int count = static_cast<int>(step.operands.size());
    for (int j = 0; j < count; ++j) {
      const Operand& operand = step.operands[j];
      char* from;
      intptr_t stride = operand.size;
      if (operand.kind == FusedOperand::kArray) {
        const Input& input = kernel_.inputs[operand.index];
        from = static_cast<char*>(args_.inputs[input.source]);
        if (input.walk == Input::kWhole) from += begin_ * input.size;
        else if (input.walk == Input::kSpread) from = buffer(input.buffer);
        else stride = 0;
      } else if (operand.kind == FusedOperand::kResult) {
        from = kept(kernel_.steps[operand.index]);
      } else {
        from = const_cast<char*>(call_.numbers[operand.scalar_at].bytes);
        stride = 0;
      }
      if (operand.convert) {
        char* pair[2] = {from, conversion(j)};
        const intptr_t pair_steps[2] = {operand.size, operand.compute_size};
        const intptr_t elements = stride ? n : 1;
        operand.convert(pair, &elements, pair_steps, nullptr);
        from = pair[1];
        stride = stride ? operand.compute_size : 0;
      }
      pointers[j] = from;
      steps[j] = stride;
    }
    char* to = kept(step);
    pointers[count] = step.convert ? conversion(count) : to;
    steps[count] = step.compute_size;
    void* data = step.dynamic_parameters >= 0 ? const_cast<double*>(args_.scalars) + step.dynamic_parameters : step.data;
    (streams(step) ? step.stream_loop : step.loop)(pointers, &n, steps, data);
    if (step.convert) {
      char* pair[2] = {pointers[count], to};
      const intptr_t pair_steps[2] = {step.compute_size, step.size};
      step.convert(pair, &n, pair_steps, nullptr);
    }
  }

  // Buffers for conversions lie behind those of the results.
  char* conversion(int operand) const { return scratch_ + kernel_.buffers * kernel_.slot + operand * kernel_.piece * 8; }

  const Call& call_;
  const Fused& kernel_;
  const RunArgs& args_;
  char* scratch_;
  int64_t begin_ = 0;
};

// A piece never waits for another, so that a thread needs one.
char* scratch(size_t bytes) {
  thread_local std::unique_ptr<char[]> memory;
  thread_local size_t have = 0;
  if (have < bytes + 64) {
    memory.reset(new char[bytes + 64]);
    have = bytes + 64;
  }
  return reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(memory.get()) + 63) & ~uintptr_t{63});
}

void run_range(void* context, int64_t begin, int64_t end) {
  const Call& call = *static_cast<Call*>(context);
  const Fused& kernel = *call.kernel;
  Piece piece(call, scratch(kernel.buffers * kernel.slot + kMaxOperands * kernel.piece * 8));
  for (int64_t i = begin; i < end; i += kernel.piece)
    piece.run(i, std::min(kernel.piece, end - i));
  if (call.stream) stream_fence();
}

int run_fused(Kernel* self, const RunArgs* args) {
  const Fused& kernel = *static_cast<Fused*>(self);
  if (kernel.size == 0) return 0;
  Call call{&kernel, args, {}, kernel.stream};
  call.numbers.resize(kernel.scalars.size());
  for (size_t j = 0; j < kernel.scalars.size(); ++j) {
    const Scalar& scalar = kernel.scalars[j];
    store_number(scalar.index < 0 ? scalar.value : args->scalars[scalar.index], scalar.type, scalar.compute,
                 call.numbers[j].bytes);
  }
  // What was just read is in the cache, and written there.
  for (const Input& input : kernel.inputs)
    for (size_t o = 0; call.stream && o < kernel.outputs.size(); ++o)
      call.stream = args->inputs[input.source] != args->outputs[o];
  if (kernel.size <= kernel.grain) run_range(&call, 0, kernel.size);
  else parallel_for(kernel.size, kernel.grain, run_range, &call);
  return 0;
}

// --- building -----------------------------------------------------------------------------------------------

// How an array of `shape` is walked beside the fused shape; false where it does not broadcast to it.
bool set_walk(const std::vector<int64_t>& shape, const std::vector<int64_t>& full, Input* input) {
  int64_t size = 1, whole = 1, stride = input->size;
  for (int64_t extent : shape) size *= extent;
  for (int64_t extent : full) whole *= extent;
  if (shape.size() > full.size()) return false;
  const size_t ahead = full.size() - shape.size();
  std::vector<int64_t> strides(full.size(), 0);
  for (size_t axis = full.size(); axis-- > ahead;) {
    const int64_t extent = shape[axis - ahead];
    if (extent != full[axis] && extent != 1) return false;
    strides[axis] = extent == 1 ? 0 : stride;
    stride *= extent;
  }
  input->walk = size == whole ? Input::kWhole : size == 1 ? Input::kSingle : Input::kSpread;
  if (input->walk != Input::kSpread) return true;
  for (size_t axis = 0; axis < full.size(); ++axis) {
    if (full[axis] == 1) continue;
    if (!input->shape.empty() && input->strides.back() == strides[axis] * full[axis]) {
      input->shape.back() *= full[axis];
      input->strides.back() = strides[axis];
    } else {
      input->shape.push_back(full[axis]);
      input->strides.push_back(strides[axis]);
    }
  }
  return input->shape.size() <= 32;
}

// Gives every result a buffer, used again once the result has been read for the last time.
void assign_buffers(Fused* kernel) {
  const int n = static_cast<int>(kernel->steps.size());
  std::vector<int> last(n, -1);
  int last_array = -1;  // after this step no input is read any more
  for (int k = 0; k < n; ++k)
    for (const Operand& operand : kernel->steps[k].operands) {
      if (operand.kind == FusedOperand::kResult) last[operand.index] = k;
      if (operand.kind == FusedOperand::kArray && kernel->inputs[operand.index].walk == Input::kWhole) last_array = k;
    }
  std::vector<int> unused;
  auto take = [&] {
    if (unused.empty()) return kernel->buffers++;
    const int buffer = unused.back();
    unused.pop_back();
    return buffer;
  };
  for (int k = 0; k < n; ++k) {
    Step& step = kernel->steps[k];
    step.read_later = last[k] >= 0;
    // The result may take the place of a dying operand, but not of elements that are still to be read.
    std::vector<int> before, after;
    for (const Operand& operand : step.operands) {
      if (operand.kind != FusedOperand::kResult || last[operand.index] != k) continue;
      const Step& from = kernel->steps[operand.index];
      if (from.buffer < 0 || from.output >= 0) continue;
      const bool safe = step.convert || operand.convert || operand.compute_size == step.compute_size;
      for (std::vector<int>* list : {&before, &after}) list->erase(std::remove(list->begin(), list->end(), from.buffer), list->end());
      (safe ? before : after).push_back(from.buffer);
    }
    unused.insert(unused.end(), before.begin(), before.end());
    // An output may be the memory of an input: it is written at once only where none is read afterwards.
    step.buffer = step.output >= 0 && k >= last_array ? -1 : take();
    unused.insert(unused.end(), after.begin(), after.end());
  }
}

// Whether a step may be in a chain: its code there, -1 if not. `running` is the place of the running value.
int code_in_chain(const FusedStep& step, size_t running) {
  if (step.type != DType::kFloat32 || step.compute != DType::kFloat32 || step.dynamic_parameters >= 0) return -1;
  if (step.operands.empty() || step.operands.size() > 2) return -1;
  for (const FusedOperand& operand : step.operands)
    if (operand.type != DType::kFloat32 || operand.compute != DType::kFloat32) return -1;
  return chain_code(step.loop, running == 1);
}

// Where step `k` reads the result of step `last` and nobody else does, as its only reading of it; -1: nowhere.
int running_operand(const FusedSpec& spec, const std::vector<int>& readers, int last, int k) {
  if (readers[last] != 1) return -1;
  const std::vector<FusedOperand>& operands = spec.steps[k].operands;
  for (size_t j = 0; j < operands.size(); ++j)
    if (operands[j].kind == FusedOperand::kResult && operands[j].index == last) return static_cast<int>(j);
  return -1;
}

void append(const FusedStep& step, int running, FusedStep* joined, Chain* chain) {
  ChainOp op{};
  op.code = code_in_chain(step, static_cast<size_t>(running));
  if (step.operands.size() == 2) {
    op.operand = static_cast<int>(joined->operands.size());
    joined->operands.push_back(step.operands[1 - running]);
  }
  if (step.parameters.size() == 2) {
    op.low = static_cast<float>(step.parameters[0]);
    op.high = static_cast<float>(step.parameters[1]);
  }
  chain->ops[chain->count++] = op;
}

// Joins runs of cheap steps into steps that keep the value between them in registers.
FusedSpec with_chains(const FusedSpec& spec, std::vector<std::unique_ptr<Chain>>* chains) {
  const int n = static_cast<int>(spec.steps.size());
  std::vector<int> readers(n, 0), next(n, -1), place(n, -1);
  std::vector<bool> follows(n, false);
  for (const FusedStep& step : spec.steps)
    for (const FusedOperand& operand : step.operands)
      if (operand.kind == FusedOperand::kResult) ++readers[operand.index];
  for (int output : spec.outputs) readers[output] += 2;  // is wanted itself
  for (int k = 0; k < n; ++k)
    for (const FusedOperand& operand : spec.steps[k].operands) {
      if (operand.kind != FusedOperand::kResult || follows[k] || next[operand.index] >= 0) continue;
      const int running = running_operand(spec, readers, operand.index, k);
      if (running < 0 || code_in_chain(spec.steps[k], static_cast<size_t>(running)) < 0) continue;
      if (code_in_chain(spec.steps[operand.index], 0) < 0) continue;
      next[operand.index] = k;
      follows[k] = true;
    }
  // A run stands where its last step stood: what its steps read was made before.
  std::vector<std::vector<int>> runs(n);
  for (int k = 0; k < n; ++k) {
    if (follows[k] && place[k] < 0) continue;
    if (place[k] >= 0) continue;
    std::vector<int> run{k};
    while (next[run.back()] >= 0 && run.size() < kChainOps) run.push_back(next[run.back()]);
    if (next[run.back()] >= 0) follows[next[run.back()]] = false;  // a longer run goes on in another chain
    for (int member : run) place[member] = run.back();
    runs[run.back()] = std::move(run);
  }
  FusedSpec made;
  made.shape = spec.shape;
  made.inputs = spec.inputs;
  std::vector<int> moved(n, -1);
  for (int k = 0; k < n; ++k) {
    if (runs[k].empty()) continue;
    FusedStep step;
    if (runs[k].size() == 1) {
      step = spec.steps[k];
    } else {
      chains->emplace_back(new Chain{});
      Chain* chain = chains->back().get();
      step.type = step.compute = DType::kFloat32;
      step.operands.push_back(spec.steps[runs[k][0]].operands[0]);
      for (size_t j = 0; j < runs[k].size(); ++j) {
        const int member = runs[k][j];
        append(spec.steps[member], j ? running_operand(spec, readers, runs[k][j - 1], member) : 0, &step, chain);
      }
      chain->operands = static_cast<int>(step.operands.size());
      step.loop = chain_loop(false);
      step.stream_loop = chain_loop(true);
      step.data = chain;
      step.ns = 0.05 * chain->count;
    }
    for (FusedOperand& operand : step.operands)
      if (operand.kind == FusedOperand::kResult) operand.index = moved[operand.index];
    moved[k] = static_cast<int>(made.steps.size());
    made.steps.push_back(std::move(step));
  }
  for (int output : spec.outputs) made.outputs.push_back(moved[output]);
  return made;
}

}  // namespace

Kernel* make_fused(const FusedSpec& wanted) {
  for (const FusedStep& step : wanted.steps)
    if (step.operands.size() + 1 > kMaxOperands || !step.loop) return nullptr;
  std::unique_ptr<Fused> kernel(new Fused(run_fused));
  const FusedSpec spec = with_chains(wanted, &kernel->chains);
  kernel->size = 1;
  for (int64_t extent : spec.shape) kernel->size *= extent;
  kernel->buffers = 0;
  double ns = 0;
  int64_t bytes = 0, written = 0;
  int widest = 1;
  for (const FusedInput& from : spec.inputs) {
    Input input;
    input.source = from.source;
    input.size = dtype_size(from.type);
    if (!set_walk(from.shape, spec.shape, &input)) return nullptr;
    if (input.walk == Input::kSpread) {
      input.buffer = kernel->buffers++;
      ns += 0.1;
    }
    if (input.walk == Input::kWhole) bytes += input.size;
    widest = std::max(widest, input.size);
    kernel->inputs.push_back(std::move(input));
  }
  for (const FusedStep& from : spec.steps) {
    Step step{};
    step.loop = from.loop;
    step.parameters = from.parameters;
    step.data = from.data;
    step.dynamic_parameters = from.dynamic_parameters;
    step.size = dtype_size(from.type);
    step.compute_size = dtype_size(from.compute);
    step.convert = from.type == from.compute ? nullptr : cast_loop(from.compute, from.type);
    step.stream_loop = step.convert ? nullptr : from.stream_loop;
    step.output = -1;
    widest = std::max(widest, step.size);
    ns += from.ns + (step.convert ? 0.3 : 0);
    for (const FusedOperand& operand : from.operands) {
      Operand to{};
      to.kind = operand.kind;
      to.index = operand.index;
      to.size = dtype_size(operand.type);
      to.compute_size = dtype_size(operand.compute);
      if (operand.kind == FusedOperand::kDynamicScalar || operand.kind == FusedOperand::kFixedScalar) {
        to.scalar_at = static_cast<int>(kernel->scalars.size());
        const bool fixed = operand.kind == FusedOperand::kFixedScalar;
        kernel->scalars.push_back({fixed ? -1 : operand.index, operand.value, operand.type, operand.compute});
      } else if (operand.type != operand.compute) {
        to.convert = cast_loop(operand.type, operand.compute);
        step.stream_loop = nullptr;
        ns += 0.3;
      }
      step.operands.push_back(to);
    }
    kernel->steps.push_back(std::move(step));
  }
  for (Step& step : kernel->steps)
    if (!step.parameters.empty()) step.data = step.parameters.data();
  kernel->outputs = spec.outputs;
  for (size_t o = 0; o < spec.outputs.size(); ++o) {
    Step& step = kernel->steps[spec.outputs[o]];
    step.output = static_cast<int>(o);
    bytes += step.size;
    written += step.size;
  }
  assign_buffers(kernel.get());
  kernel->stream = kernel->size * written >= stream_bytes() && stream_available();
  if (kernel->stream) kernel->buffers += static_cast<int>(spec.outputs.size());
  const size_t arrays = spec.inputs.size() + spec.outputs.size();
  const int64_t fits = kCacheBytes / (static_cast<int64_t>(kernel->buffers + arrays) * widest);
  kernel->piece = std::clamp(fits & ~int64_t{63}, kFewest, kMost);
  kernel->slot = kernel->piece * widest;
  if (kernel->size * bytes > (1 << 20)) ns = std::max(ns, static_cast<double>(bytes) * 0.08);
  kernel->grain = std::max(kernel->piece, (static_cast<int64_t>(kPieceNs / ns) + 63) & ~int64_t{63});
  kernel->cost_ns = 20 + 8 * static_cast<double>(kernel->steps.size()) + static_cast<double>(kernel->size) * ns;
  return kernel.release();
}

}  // namespace weft
