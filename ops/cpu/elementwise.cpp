#include "ops/cpu/elementwise.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

#include "engine/core/engine.hpp"
#include "ops/cpu/stream.hpp"

namespace weft {
namespace {

constexpr int kMaxOperands = 8;
constexpr int kMaxAxes = 16;
constexpr int64_t kBlock = 1024;          // elements in a conversion buffer: all of them stay in the first-level cache
constexpr int64_t kStreamBlock = 256;     // elements streamed at a time; measured: longer blocks lose to plain stores
constexpr int64_t kShortRow = 64;         // rows below this are spread out into a buffer instead of run one by one
constexpr double kPieceNs = 20000;        // work worth handing to another core

union Number {
  int64_t i64;
  double f64;
  char bytes[8];
};

Number converted(Number from, DType type, DType to_type) {
  Number to;
  to.i64 = 0;
  char* args[2] = {from.bytes, to.bytes};
  const intptr_t one = 1, steps[2] = {8, 8};
  cast_loop(type, to_type)(args, &one, steps, nullptr);
  return to;
}

template <class T> Number number_of(T value) {
  Number number;
  number.i64 = 0;
  std::memcpy(number.bytes, &value, sizeof(T));
  return number;
}

// As the loops of cast_loop convert; spelled out because small arrays feel it.
Number number_as(double value, DType type) {
  switch (type) {
    case DType::kFloat64: return number_of(value);
    case DType::kFloat32: return number_of(static_cast<float>(value));
    case DType::kInt64: return number_of(static_cast<int64_t>(value));
    case DType::kInt32: return number_of(static_cast<int32_t>(value));
    case DType::kInt8: return number_of(static_cast<int8_t>(static_cast<int32_t>(value)));
    case DType::kUint8: return number_of(static_cast<uint8_t>(static_cast<int32_t>(value)));
    case DType::kBool: return number_of(value != 0);
    default: return converted(number_of(value), DType::kFloat64, type);
  }
}

// A scalar takes the arrays' type first, so that float16 + 0.1 rounds as float16 does.
Number number_as(double value, DType type, DType compute) {
  const Number number = number_as(value, type);
  return type == compute ? number : converted(number, type, compute);
}

struct Operand {
  int source;
  int scalar;
  bool is_output;
  bool spread;         // differs from a plain walk over the output: has a stride 0 somewhere
  DType type, compute;
  int size;            // bytes of an element of the array
  int compute_size;
  Loop convert;        // array type to compute type (inputs), back (outputs); nullptr: same
  int64_t strides[kMaxAxes];  // bytes, on the collapsed axes
  int64_t period;      // > 0: the array repeats every `period` elements of the output
  Number fixed;
};

struct Elementwise : Kernel {
  Loop loop, stream_loop;
  void* data;
  std::vector<double> parameters;
  bool dynamic_parameters;
  int inputs, count;   // operands
  Operand operands[kMaxOperands];
  intptr_t steps[kMaxOperands];
  int axes;
  int64_t shape[kMaxAxes];
  int64_t size, inner;
  int64_t grain;       // elements in a piece
  bool converts;
  bool stream;         // the result is too large to stay in the cache

  Elementwise(int (*run)(Kernel*, const RunArgs*), double cost)
      : Kernel(run, [](Kernel* self) { delete static_cast<Elementwise*>(self); }, cost) {}

  // Whether an input is the output's memory: then its lines are in the cache, and written there.
  bool in_place(const RunArgs* args) const {
    for (int j = 0; j < inputs; ++j)
      if (operands[j].source >= 0 && args->inputs[operands[j].source] == args->outputs[operands[count - 1].source])
        return true;
    return false;
  }

  void* loop_data(const RunArgs* args) const {
    return dynamic_parameters ? const_cast<double*>(args->scalars) : data;
  }
};

// The arguments of one run: where every operand starts, scalars converted.
struct Call {
  const Elementwise* kernel;
  Loop loop;
  void* data;
  bool streams = false;  // the loop's stores go around the cache: a piece ends with a fence
  char* bases[kMaxOperands];
  Number numbers[kMaxOperands];

  Call(const Elementwise* kernel_, const RunArgs* args)
      : kernel(kernel_), loop(kernel_->loop), data(kernel_->loop_data(args)) {
    if (kernel->stream && kernel->stream_loop && !kernel->in_place(args)) {
      loop = kernel->stream_loop;
      streams = true;
    }
    for (int j = 0; j < kernel->count; ++j) {
      const Operand& operand = kernel->operands[j];
      if (operand.source >= 0) {
        void* const* arrays = operand.is_output ? args->outputs : args->inputs;
        bases[j] = static_cast<char*>(arrays[operand.source]);
      } else {
        numbers[j] = operand.source == kFixedScalar
                         ? operand.fixed
                         : number_as(args->scalars[operand.scalar], operand.type, operand.compute);
        bases[j] = numbers[j].bytes;
      }
    }
  }
};

// --- flat: all arrays have the output's shape, or one element -----------------------------------------------

void flat_piece(const Call& call, int64_t begin, int64_t end) {
  const Elementwise& kernel = *call.kernel;
  char* args[kMaxOperands];
  for (int j = 0; j < kernel.count; ++j) args[j] = call.bases[j] + begin * kernel.steps[j];
  const intptr_t n = end - begin;
  call.loop(args, &n, kernel.steps, call.data);
  if (call.streams) stream_fence();
}

// Works in the cache and streams the results out, so that memory is not read just to be overwritten.
void flat_piece_streaming(const Call& call, int64_t begin, int64_t end) {
  const Elementwise& kernel = *call.kernel;
  const int last = kernel.count - 1;
  const int64_t size = kernel.operands[last].size;
  alignas(64) char buffer[kStreamBlock * 8];
  char* out = call.bases[last] + begin * size;
  // Up to the first full cache line, then whole blocks.
  const int64_t head = ((64 - (reinterpret_cast<uintptr_t>(out) & 63)) & 63) / size;
  for (int64_t i = begin; i < end;) {
    const intptr_t n = std::min<int64_t>(end - i, i == begin && head ? head : kStreamBlock);
    char* args[kMaxOperands];
    for (int j = 0; j < last; ++j) args[j] = call.bases[j] + i * kernel.steps[j];
    args[last] = buffer;
    kernel.loop(args, &n, kernel.steps, call.data);
    stream_copy(call.bases[last] + i * size, buffer, n * size);
    i += n;
  }
  stream_fence();
}

// Few elements, every operand an array of the output's shape or of one element.
int run_flat_small(Kernel* self, const RunArgs* args) {
  const Elementwise& kernel = *static_cast<Elementwise*>(self);
  char* pointers[kMaxOperands];
  for (int j = 0; j < kernel.inputs; ++j) pointers[j] = static_cast<char*>(args->inputs[kernel.operands[j].source]);
  pointers[kernel.inputs] = static_cast<char*>(args->outputs[0]);
  const intptr_t n = kernel.size;
  kernel.loop(pointers, &n, kernel.steps, kernel.loop_data(args));
  return 0;
}

// The same with one array and one number.
template <int kArray> int run_number_small(Kernel* self, const RunArgs* args) {
  const Elementwise& kernel = *static_cast<Elementwise*>(self);
  const Operand& scalar = kernel.operands[1 - kArray];
  Number number = scalar.source == kFixedScalar ? scalar.fixed
                                                : number_as(args->scalars[scalar.scalar], scalar.type, scalar.compute);
  char* pointers[3];
  pointers[kArray] = static_cast<char*>(args->inputs[kernel.operands[kArray].source]);
  pointers[1 - kArray] = number.bytes;
  pointers[2] = static_cast<char*>(args->outputs[0]);
  const intptr_t n = kernel.size;
  kernel.loop(pointers, &n, kernel.steps, kernel.loop_data(args));
  return 0;
}

template <void (*kPiece)(const Call&, int64_t, int64_t)> int run_pieces(Kernel* self, const RunArgs* args) {
  const Elementwise& kernel = *static_cast<Elementwise*>(self);
  if (kernel.size == 0) return 0;
  Call call(&kernel, args);
  if (kernel.size <= kernel.grain) {
    kPiece(call, 0, kernel.size);
  } else {
    parallel_for(kernel.size, kernel.grain,
                 [](void* context, int64_t begin, int64_t end) { kPiece(*static_cast<Call*>(context), begin, end); },
                 &call);
  }
  return 0;
}

int run_flat_large(Kernel* self, const RunArgs* args) {
  const Elementwise& kernel = *static_cast<Elementwise*>(self);
  if (kernel.stream && !kernel.stream_loop && !kernel.in_place(args))
    return run_pieces<flat_piece_streaming>(self, args);
  return run_pieces<flat_piece>(self, args);
}

// --- general: broadcasting and conversions ------------------------------------------------------------------

// A place in the output and the byte offset of its row in every operand.
struct Walk {
  const Elementwise& kernel;
  int64_t at[kMaxAxes];
  int64_t offsets[kMaxOperands];

  Walk(const Elementwise& kernel_, int64_t index) : kernel(kernel_) {
    for (int j = 0; j < kernel.count; ++j) offsets[j] = 0;
    for (int axis = kernel.axes - 1; axis >= 0; --axis) {
      at[axis] = index % kernel.shape[axis];
      index /= kernel.shape[axis];
      if (axis == kernel.axes - 1) continue;
      for (int j = 0; j < kernel.count; ++j) offsets[j] += at[axis] * kernel.operands[j].strides[axis];
    }
  }
  // By n elements, at most to the end of the row.
  void advance(int64_t n) {
    int axis = kernel.axes - 1;
    if ((at[axis] += n) < kernel.shape[axis]) return;
    at[axis] = 0;
    for (--axis; axis >= 0; --axis) {
      const bool carries = ++at[axis] == kernel.shape[axis];
      for (int j = 0; j < kernel.count; ++j)
        offsets[j] += kernel.operands[j].strides[axis] * (carries ? 1 - kernel.shape[axis] : 1);
      if (!carries) return;
      at[axis] = 0;
    }
  }
};

// Copies `count` elements from `begin` of the output's order out of one broadcast operand.
void spread_out(const Elementwise& kernel, const Operand& operand, const char* base, int64_t begin, int64_t count,
                char* to) {
  int64_t at[kMaxAxes], index = begin;
  const char* from = base;
  for (int axis = kernel.axes - 1; axis >= 0; --axis) {
    at[axis] = index % kernel.shape[axis];
    index /= kernel.shape[axis];
    from += at[axis] * operand.strides[axis];
  }
  const int last = kernel.axes - 1;
  const int64_t step = operand.strides[last], size = operand.size;
  while (count > 0) {
    const int64_t run = std::min(count, kernel.shape[last] - at[last]);
    if (step) {
      std::memcpy(to, from, run * size);
    } else {
      switch (size) {
        case 1: std::memset(to, *from, run); break;
        case 2: std::fill_n(reinterpret_cast<uint16_t*>(to), run, *reinterpret_cast<const uint16_t*>(from)); break;
        case 4: std::fill_n(reinterpret_cast<uint32_t*>(to), run, *reinterpret_cast<const uint32_t*>(from)); break;
        default: std::fill_n(reinterpret_cast<uint64_t*>(to), run, *reinterpret_cast<const uint64_t*>(from));
      }
    }
    to += run * size;
    count -= run;
    from -= at[last] * step;
    at[last] = 0;
    for (int axis = last - 1; axis >= 0; --axis) {
      from += operand.strides[axis];
      if (++at[axis] < kernel.shape[axis]) break;
      from -= at[axis] * operand.strides[axis];
      at[axis] = 0;
    }
  }
}

struct Buffers {
  alignas(64) char operand[kMaxOperands][kBlock * 8];
};
// A piece never waits for another, so that a thread needs one set.
thread_local Buffers conversions, spreads;

// Runs the loop on n elements (at most kBlock); all steps are 0 or one element.
void run_converting(const Call& call, char* const* args, const intptr_t* steps, intptr_t n) {
  const Elementwise& kernel = *call.kernel;
  char(*buffers)[kBlock * 8] = conversions.operand;
  char* pointers[kMaxOperands];
  intptr_t tight[kMaxOperands];
  for (int j = 0; j < kernel.count; ++j) {
    const Operand& operand = kernel.operands[j];
    pointers[j] = args[j];
    tight[j] = steps[j];
    if (!operand.convert) continue;
    pointers[j] = buffers[j];
    tight[j] = steps[j] ? operand.compute_size : 0;
    if (operand.is_output) continue;
    char* pair[2] = {args[j], pointers[j]};
    const intptr_t pair_steps[2] = {operand.size, operand.compute_size};
    const intptr_t elements = steps[j] ? n : 1;
    operand.convert(pair, &elements, pair_steps, nullptr);
  }
  kernel.loop(pointers, &n, tight, call.data);
  for (int j = kernel.inputs; j < kernel.count; ++j) {
    const Operand& operand = kernel.operands[j];
    if (!operand.convert) continue;
    char* pair[2] = {pointers[j], args[j]};
    const intptr_t pair_steps[2] = {operand.compute_size, operand.size};
    operand.convert(pair, &n, pair_steps, nullptr);
  }
}

// Long rows: each operand is a row or one element at a time.
void rows_piece(const Call& call, int64_t begin, int64_t end) {
  const Elementwise& kernel = *call.kernel;
  const int last = kernel.axes - 1;
  Walk walk(kernel, begin);
  for (int64_t i = begin; i < end;) {
    intptr_t n = std::min(end - i, kernel.inner - walk.at[last]);
    if (kernel.converts) n = std::min<intptr_t>(n, kBlock);
    char* args[kMaxOperands];
    intptr_t steps[kMaxOperands];
    for (int j = 0; j < kernel.count; ++j) {
      steps[j] = kernel.operands[j].strides[last];
      args[j] = call.bases[j] + walk.offsets[j] + walk.at[last] * steps[j];
    }
    if (kernel.converts) run_converting(call, args, steps, n);
    else call.loop(args, &n, steps, call.data);
    i += n;
    walk.advance(n);
  }
  if (call.streams) stream_fence();
}

// Short rows: broadcast operands are spread out, a block at a time.
void blocks_piece(const Call& call, int64_t begin, int64_t end) {
  const Elementwise& kernel = *call.kernel;
  int64_t block = kBlock, period = 0;
  for (int j = 0; j < kernel.inputs; ++j) period = std::max(period, kernel.operands[j].period);
  bool fits = period > 0 && period <= kBlock;
  for (int j = 0; j < kernel.inputs; ++j) fits &= !kernel.operands[j].period || kernel.operands[j].period == period;
  if (fits) block -= block % period;
  int64_t filled = 0;  // of the repeating operands, from a multiple of the period on
  for (int64_t i = begin; i < end;) {
    intptr_t n = std::min(end - i, block);
    if (fits && i % period) n = std::min<intptr_t>(n, period - i % period);  // up to the next whole period
    char* args[kMaxOperands];
    intptr_t steps[kMaxOperands];
    for (int j = 0; j < kernel.count; ++j) {
      const Operand& operand = kernel.operands[j];
      steps[j] = operand.size;
      if (operand.source < 0) {
        args[j] = call.bases[j];
        steps[j] = 0;
      } else if (!operand.spread) {
        args[j] = call.bases[j] + i * operand.size;
      } else if (operand.strides[kernel.axes - 1] == 0 && kernel.axes == 1) {
        args[j] = call.bases[j];
        steps[j] = 0;
      } else {
        args[j] = spreads.operand[j];
        const bool ready = fits && operand.period && i % period == 0 && filled >= n;
        if (!ready) spread_out(kernel, operand, call.bases[j], i, n, args[j]);
      }
    }
    if (fits) filled = i % period == 0 ? std::max<int64_t>(filled, n) : 0;
    if (kernel.converts) run_converting(call, args, steps, n);
    else kernel.loop(args, &n, steps, call.data);
    i += n;
  }
}

// --- planning -----------------------------------------------------------------------------------------------

// Strides of `shape` along the axes of `full`; false when it does not broadcast.
bool broadcast_strides(const std::vector<int64_t>& shape, const std::vector<int64_t>& full, int64_t size,
                       std::vector<int64_t>* strides) {
  strides->assign(full.size(), 0);
  if (shape.size() > full.size()) return false;
  int64_t stride = size;
  for (size_t k = 0; k < shape.size(); ++k) {
    const size_t from = shape.size() - 1 - k, axis = full.size() - 1 - k;
    if (shape[from] == full[axis]) (*strides)[axis] = full[axis] == 1 ? 0 : stride;
    else if (shape[from] != 1) return false;
    stride *= shape[from];
  }
  return true;
}

// Merges axes that every operand walks as one; returns how many are left, or -1.
int collapse(const std::vector<int64_t>& full, const std::vector<std::vector<int64_t>>& strides, Elementwise* kernel) {
  int axes = 0;
  for (size_t axis = 0; axis < full.size(); ++axis) {
    if (full[axis] == 1) continue;
    bool merges = axes > 0;
    for (int j = 0; j < kernel->count && merges; ++j)
      merges = kernel->operands[j].strides[axes - 1] == strides[j][axis] * full[axis];
    if (!merges && axes == kMaxAxes) return -1;
    if (!merges) kernel->shape[axes++] = 1;
    kernel->shape[axes - 1] *= full[axis];
    for (int j = 0; j < kernel->count; ++j) kernel->operands[j].strides[axes - 1] = strides[j][axis];
  }
  if (axes == 0) {  // a single element
    kernel->shape[axes++] = 1;
    for (int j = 0; j < kernel->count; ++j)
      kernel->operands[j].strides[0] = kernel->operands[j].is_output ? kernel->operands[j].size : 0;
  }
  return axes;
}

// An operand whose leading strides are all 0 and whose rest is contiguous repeats.
int64_t period_of(const Elementwise& kernel, const Operand& operand) {
  int64_t expected = operand.size, period = 1;
  int axis = kernel.axes - 1;
  for (; axis >= 0 && operand.strides[axis] == expected; --axis) {
    expected *= kernel.shape[axis];
    period *= kernel.shape[axis];
  }
  for (; axis >= 0; --axis)
    if (operand.strides[axis] != 0) return 0;
  return period > 1 ? period : 0;
}

void choose_run(Elementwise* kernel, double ns) {
  bool flat = kernel->axes == 1 && !kernel->converts;
  const bool single = flat && kernel->count == kernel->inputs + 1 && kernel->operands[kernel->inputs].source == 0;
  int arrays = 0;
  for (int j = 0; j < kernel->inputs; ++j) arrays += kernel->operands[j].source >= 0;
  const int64_t bytes = kernel->size * kernel->operands[kernel->count - 1].size;
  kernel->stream =
      !kernel->converts && kernel->count == kernel->inputs + 1 && bytes >= stream_bytes() && stream_available();
  kernel->grain = std::max<int64_t>(1024, static_cast<int64_t>(kPieceNs / ns));
  kernel->grain = (kernel->grain + 63) & ~int64_t{63};
  const bool small = single && kernel->size <= kernel->grain;
  if (small && arrays == kernel->inputs) kernel->run = run_flat_small;
  else if (small && arrays == 1 && kernel->inputs == 2)
    kernel->run = kernel->operands[0].source >= 0 ? run_number_small<0> : run_number_small<1>;
  else if (flat) kernel->run = run_flat_large;
  else if (kernel->inner >= kShortRow || (kernel->axes == 1 && kernel->converts)) kernel->run = run_pieces<rows_piece>;
  else kernel->run = run_pieces<blocks_piece>;
}

}  // namespace

void store_number(double value, DType type, DType compute, char* to) {
  const Number number = number_as(value, type, compute);
  std::memcpy(to, number.bytes, sizeof number.bytes);
}

Kernel* make_elementwise(const ElementwiseSpec& spec) {
  const int count = static_cast<int>(spec.operands.size());
  if (count > kMaxOperands || count <= spec.inputs || !spec.loop) return nullptr;
  std::unique_ptr<Elementwise> kernel(new Elementwise(nullptr, 0));
  kernel->loop = spec.loop;
  kernel->stream_loop = spec.stream_loop;
  kernel->parameters = spec.parameters;
  kernel->data = kernel->parameters.empty() ? spec.data : kernel->parameters.data();
  kernel->dynamic_parameters = spec.dynamic_parameters;
  kernel->inputs = spec.inputs;
  kernel->count = count;
  kernel->converts = false;
  const std::vector<int64_t>& full = spec.operands[spec.inputs].shape;
  std::vector<std::vector<int64_t>> strides(count);
  double ns = spec.ns;
  int64_t bytes = 0;
  for (int j = 0; j < count; ++j) {
    const OperandSpec& from = spec.operands[j];
    Operand& to = kernel->operands[j];
    to.source = from.source;
    to.scalar = from.scalar;
    to.is_output = j >= spec.inputs;
    to.type = from.type;
    to.compute = from.compute;
    to.compute_size = dtype_size(from.compute);
    const bool scalar = from.source < 0;
    to.size = scalar ? to.compute_size : dtype_size(from.type);
    to.convert = scalar || from.type == from.compute ? nullptr
                 : to.is_output                      ? cast_loop(from.compute, from.type)
                                                     : cast_loop(from.type, from.compute);
    if (to.convert) ns += 0.3;
    kernel->converts |= to.convert != nullptr;
    if (from.source == kFixedScalar) to.fixed = number_as(from.value, from.type, from.compute);
    if (scalar) strides[j].assign(full.size(), 0);
    else if (!broadcast_strides(from.shape, full, to.size, &strides[j])) return nullptr;
    if (to.is_output && from.shape != full) return nullptr;
    bytes += to.size;
  }
  kernel->size = 1;
  for (int64_t extent : full) kernel->size *= extent;
  kernel->axes = collapse(full, strides, kernel.get());
  if (kernel->axes < 0) return nullptr;
  kernel->inner = kernel->shape[kernel->axes - 1];
  for (int j = 0; j < count; ++j) {
    Operand& operand = kernel->operands[j];
    kernel->steps[j] = operand.strides[kernel->axes - 1];
    operand.period = operand.source >= 0 && !operand.is_output ? period_of(*kernel, operand) : 0;
    operand.spread = operand.source >= 0 && operand.period != kernel->size && !operand.is_output;
    if (!operand.spread) operand.period = 0;
  }
  // What does not fit the cache costs at least its traffic.
  if (kernel->size * bytes > (1 << 20)) ns = std::max(ns, bytes * 0.08);
  choose_run(kernel.get(), ns);
  kernel->cost_ns = 20 + kernel->size * ns;
  return kernel.release();
}

// --- sums, copies, fills ------------------------------------------------------------------------------------

namespace {

struct AddN : Kernel {
  DType type, compute;
  int inputs;
  int64_t size, grain;
  Loop add, widen, narrow;
  using Kernel::Kernel;
};

struct AddNCall {
  const AddN* kernel;
  const RunArgs* args;
};

void add_n_piece(void* context, int64_t begin, int64_t end) {
  const AddN& kernel = *static_cast<AddNCall*>(context)->kernel;
  const RunArgs& args = *static_cast<AddNCall*>(context)->args;
  const int size = dtype_size(kernel.type), compute_size = dtype_size(kernel.compute);
  alignas(64) char total[kBlock * 8], next[kBlock * 8];
  const intptr_t same[3] = {compute_size, compute_size, compute_size};
  const intptr_t up[2] = {size, compute_size}, down[2] = {compute_size, size};
  for (int64_t i = begin; i < end; i += kBlock) {
    const intptr_t n = std::min(end - i, kBlock);
    for (int k = 0; k < kernel.inputs; ++k) {
      char* from = static_cast<char*>(args.inputs[k]) + i * size;
      if (kernel.widen || k == 0) {
        char* pair[2] = {from, k == 0 ? total : next};
        (kernel.widen ? kernel.widen : kernel.narrow)(pair, &n, up, nullptr);
        from = next;
      }
      if (k == 0) continue;
      char* three[3] = {total, from, total};
      kernel.add(three, &n, same, nullptr);
    }
    char* pair[2] = {total, static_cast<char*>(args.outputs[0]) + i * size};
    kernel.narrow(pair, &n, down, nullptr);
  }
}

struct Copy : Kernel {
  int64_t bytes;
  using Kernel::Kernel;
};

struct CopyCall {
  char* to;
  const char* from;
  int64_t bytes;
  bool stream;
};

constexpr int64_t kCopyUnit = 4096;

void copy_piece(void* context, int64_t begin, int64_t end) {
  const CopyCall& call = *static_cast<CopyCall*>(context);
  const int64_t first = begin * kCopyUnit, count = std::min(end * kCopyUnit, call.bytes) - first;
  if (call.stream) {
    stream_copy(call.to + first, call.from + first, count);
    stream_fence();
  } else {
    std::memcpy(call.to + first, call.from + first, count);
  }
}

struct Fill : Kernel {
  DType type;
  int64_t size;
  int scalar;
  Number number;
  using Kernel::Kernel;
};

struct FillCall {
  char* to;
  int size;
  Number number;
};

void fill_piece(void* context, int64_t begin, int64_t end) {
  const FillCall& call = *static_cast<FillCall*>(context);
  char* to = call.to + begin * call.size;
  const int64_t n = end - begin;
  if (call.number.i64 == 0) {
    std::memset(to, 0, n * call.size);
    return;
  }
  switch (call.size) {
    case 1: std::memset(to, call.number.bytes[0], n); break;
    case 2: std::fill_n(reinterpret_cast<uint16_t*>(to), n, *reinterpret_cast<const uint16_t*>(call.number.bytes)); break;
    case 4: std::fill_n(reinterpret_cast<uint32_t*>(to), n, *reinterpret_cast<const uint32_t*>(call.number.bytes)); break;
    default: std::fill_n(reinterpret_cast<int64_t*>(to), n, call.number.i64);
  }
}

template <class K> void destroy(Kernel* self) { delete static_cast<K*>(self); }

}  // namespace

Kernel* make_add_n(DType type, int inputs, int64_t size) {
  const DType compute = type == DType::kFloat16 ? DType::kFloat32 : type;
  const LoopEntry* add = find_loop("add", compute);
  if (!add || inputs < 1) return nullptr;
  const double ns = std::max(0.05 * inputs, 0.08 * (inputs + 1) * dtype_size(type) * (size > (1 << 18)));
  AddN* kernel = new AddN(
      [](Kernel* self, const RunArgs* args) {
        AddN& kernel = *static_cast<AddN*>(self);
        AddNCall call{&kernel, args};
        if (kernel.size <= kernel.grain) add_n_piece(&call, 0, kernel.size);
        else parallel_for(kernel.size, kernel.grain, add_n_piece, &call);
        return 0;
      },
      destroy<AddN>, 30 + size * ns);
  kernel->type = type;
  kernel->compute = compute;
  kernel->inputs = inputs;
  kernel->size = size;
  kernel->grain = std::max<int64_t>(kBlock, static_cast<int64_t>(kPieceNs / ns));
  kernel->add = add->loop;
  kernel->widen = compute == type ? nullptr : cast_loop(type, compute);
  kernel->narrow = cast_loop(compute, type);
  return kernel;
}

Kernel* make_copy(int64_t bytes) {
  Copy* kernel = new Copy(
      [](Kernel* self, const RunArgs* args) {
        const int64_t bytes = static_cast<Copy*>(self)->bytes;
        CopyCall call{static_cast<char*>(args->outputs[0]), static_cast<const char*>(args->inputs[0]), bytes,
                      bytes >= stream_bytes() && stream_available()};
        if (call.to == call.from) return 0;
        if (bytes <= 256 * 1024) std::memcpy(call.to, call.from, bytes);
        else parallel_for((bytes + kCopyUnit - 1) / kCopyUnit, 64, copy_piece, &call);
        return 0;
      },
      destroy<Copy>, 20 + bytes * 0.05);
  kernel->bytes = bytes;
  return kernel;
}

Kernel* make_fill(DType type, int64_t size, double value, int scalar) {
  Fill* kernel = new Fill(
      [](Kernel* self, const RunArgs* args) {
        const Fill& kernel = *static_cast<Fill*>(self);
        FillCall call{static_cast<char*>(args->outputs[0]), dtype_size(kernel.type),
                      kernel.scalar < 0 ? kernel.number : number_as(args->scalars[kernel.scalar], kernel.type)};
        if (kernel.size * call.size <= 256 * 1024) fill_piece(&call, 0, kernel.size);
        else parallel_for(kernel.size, 256 * 1024 / call.size, fill_piece, &call);
        return 0;
      },
      destroy<Fill>, 20 + size * dtype_size(type) * 0.03);
  kernel->type = type;
  kernel->size = size;
  kernel->scalar = scalar;
  kernel->number = number_as(value, type);
  return kernel;
}

}  // namespace weft
