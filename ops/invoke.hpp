// One operator call handed to the engine: run here when everything is free and the work is small,
// else as a task that owns what it needs. No Python objects in here: workers free it without the GIL.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>

#include "engine/core/engine.hpp"
#include "ops/kernel.hpp"

namespace weft {

constexpr int kMostArrays = 16;   // more go through the heap
constexpr int kMostScalars = 16;

struct ArrayRef {
  Buffer* buffer;
  int64_t offset;  // bytes
  void* pointer() const { return static_cast<char*>(buffer->data) + offset; }
};

// Shared by all calls of one plan.
struct CallInfo {
  std::atomic<int> refs{1};
  Kernel* kernel;
  std::string description;  // input shapes, for messages
  uint32_t name;
};

inline CallInfo* new_call_info(Kernel* kernel, const char* description, uint32_t name) {
  CallInfo* info = new CallInfo;
  info->kernel = kernel;
  kernel_retain(kernel);
  info->description = description;
  info->name = name;
  return info;
}

inline void release_call_info(CallInfo* info) {
  if (info->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  kernel_release(info->kernel);
  delete info;
}

struct Call {
  CallInfo* info;
  const ArrayRef* inputs;
  const ArrayRef* outputs;
  const unsigned char* mutated;  // one flag an input, or nullptr
  const double* scalars;
  int n_inputs, n_outputs, n_scalars;
  uint64_t seed, counter;
  bool fresh_outputs;  // nobody else knows the outputs yet
  double cost_ns;
  int priority;
  int device, stream;  // 0, 0: the CPU
};

enum CallResult { kCallDone = 0, kCallQueued = 1, kCallFailed = 2, kCallBusy = 3 };

// --- here and now -------------------------------------------------------------------------------

inline int run_kernel(const Call& call, char* error) {
  void* pointers[2 * kMostArrays];
  void** all = pointers;
  int n = call.n_inputs + call.n_outputs;
  if (n > 2 * kMostArrays) all = new void*[size_t(n)];
  for (int i = 0; i < call.n_inputs; ++i) all[i] = call.inputs[i].pointer();
  int failed = 0;
  for (int i = 0; i < call.n_outputs; ++i) {
    if (!buffer_ready(call.outputs[i].buffer)) {
      std::snprintf(error, kErrorBytes, "out of memory: %zu bytes for output %d",
                    call.outputs[i].buffer->bytes, i);
      failed = 1;
      break;
    }
    all[call.n_inputs + i] = call.outputs[i].pointer();
  }
  if (!failed) {
    RunArgs args{all, all + call.n_inputs, call.scalars, call.seed, call.counter, error};
    failed = call.info->kernel->call(&args);
  }
  if (all != pointers) delete[] all;
  return failed;
}

inline ErrorRecord* inherited(const Call& call) {
  for (int i = 0; i < call.n_inputs; ++i)
    if (ErrorRecord* record = call.inputs[i].buffer->error.load(std::memory_order_acquire)) return record;
  return nullptr;
}

// The common case: reads only, new outputs. kCallBusy: something is in use, nothing was done.
inline int run_here(const Call& call, char* error) {
  int taken = 0;
  for (; taken < call.n_inputs; ++taken)
    if (!call.inputs[taken].buffer->try_read()) break;
  int result = kCallBusy;
  if (taken == call.n_inputs) {
    uint64_t begin = trace_clock();
    ErrorRecord* record = inherited(call);
    if (__builtin_expect(record != nullptr, 0)) {
      for (int i = 0; i < call.n_outputs; ++i) set_error(call.outputs[i].buffer, record);
      result = kCallDone;
    } else {
      InlineTrace traced(call.info->name, call.cost_ns, begin);
      result = run_kernel(call, error) ? kCallFailed : kCallDone;
      traced.end(call.info->name);
    }
    for (int i = 0; i < call.n_outputs; ++i)
      call.outputs[i].buffer->version.store(1, std::memory_order_relaxed);
  }
  while (taken-- > 0) release_read(call.inputs[taken].buffer);
  return result;
}

// A failure here ends as it would in a task: in the outputs, for whoever waits for them.
inline void poison_outputs(const Call& call, const char* error, uint32_t site) {
  ErrorRecord* record = new_failure(error, call.info->description.c_str(), call.info->name, site);
  for (int i = 0; i < call.n_outputs; ++i) set_error(call.outputs[i].buffer, record);
  error_release(record);
}

// A call that writes arrays which others know: taken, run, and given back in three steps, so that a failure is
// left in the arrays before anybody else gets at them.
struct HeldCall {
  Var* reads[2 * kMostArrays];
  Var* writes[2 * kMostArrays];
  int n_reads = 0, n_writes = 0;
};

inline bool holds_write(const HeldCall& held, const Var* var) {
  for (int i = 0; i < held.n_writes; ++i)
    if (held.writes[i] == var) return true;
  return false;
}

inline void give_back(HeldCall* held) {
  for (int i = 0; i < held->n_reads; ++i) release_read(held->reads[i]);
  for (int i = 0; i < held->n_writes; ++i) {
    uint32_t only_writer = kVarWriter;  // nothing was written: no new version
    if (!held->writes[i]->state.compare_exchange_strong(only_writer, 0, std::memory_order_acq_rel))
      release_write_slow(held->writes[i]);
  }
}

// Takes all that the call uses, or nothing.
inline bool take_here(const Call& call, HeldCall* held) {
  if (call.n_inputs + call.n_outputs > 2 * kMostArrays) return false;
  for (int i = 0; i < call.n_outputs + call.n_inputs; ++i) {
    if (i >= call.n_outputs && !(call.mutated && call.mutated[i - call.n_outputs])) continue;
    Var* var = i < call.n_outputs ? call.outputs[i].buffer : call.inputs[i - call.n_outputs].buffer;
    if (holds_write(*held, var)) continue;
    if (!var->try_write()) {
      give_back(held);
      return false;
    }
    held->writes[held->n_writes++] = var;
  }
  for (int i = 0; i < call.n_inputs; ++i) {
    Var* var = call.inputs[i].buffer;
    if (holds_write(*held, var)) continue;
    if (!var->try_read()) {
      give_back(held);
      return false;
    }
    held->reads[held->n_reads++] = var;
  }
  return true;
}

// `record` is what the kernel or an input left; the arrays written carry it on.
inline void finish_here(HeldCall* held, ErrorRecord* record) {
  for (int i = 0; i < held->n_reads; ++i) release_read(held->reads[i]);
  for (int i = 0; i < held->n_writes; ++i) {
    if (record) set_error(held->writes[i], record);
    release_write(held->writes[i], record != nullptr);
  }
}

inline int run_held(const Call& call, char* error) {
  InlineTrace traced(call.info->name, call.cost_ns, trace_clock());
  int failed = run_kernel(call, error);
  traced.end(call.info->name);
  return failed;
}

inline ErrorRecord* failure_of(const Call& call, const char* error, uint32_t site) {
  return new_failure(error, call.info->description.c_str(), call.info->name, site);
}

// --- as a task ----------------------------------------------------------------------------------

struct QueuedCall {
  CallInfo* info;
  int n_inputs, n_outputs, n_scalars;
  uint64_t seed, counter;
  ArrayRef* refs;
  double* scalars;
};

inline int run_queued_call(void* argument, TaskContext* context) {
  QueuedCall* queued = static_cast<QueuedCall*>(argument);
  Call call{};
  call.info = queued->info;
  call.inputs = queued->refs;
  call.outputs = queued->refs + queued->n_inputs;
  call.n_inputs = queued->n_inputs;
  call.n_outputs = queued->n_outputs;
  call.scalars = queued->scalars;
  call.n_scalars = queued->n_scalars;
  call.seed = queued->seed;
  call.counter = queued->counter;
  return run_kernel(call, context->error);
}

// The engine keeps the buffers (they are the task's variables); only the call's own block goes.
inline void free_queued_call(void* argument) {
  QueuedCall* queued = static_cast<QueuedCall*>(argument);
  release_call_info(queued->info);
  ::operator delete(argument);
}

inline void describe_queued_call(void* argument, std::string* text) {
  *text = static_cast<QueuedCall*>(argument)->info->description;
}

inline bool push_call(const Call& call, uint32_t site) {
  size_t arrays = size_t(call.n_inputs + call.n_outputs);
  char* block = static_cast<char*>(::operator new(
      sizeof(QueuedCall) + arrays * sizeof(ArrayRef) + size_t(call.n_scalars) * sizeof(double)));
  QueuedCall* queued = reinterpret_cast<QueuedCall*>(block);
  queued->info = call.info;
  call.info->refs.fetch_add(1, std::memory_order_relaxed);
  queued->n_inputs = call.n_inputs;
  queued->n_outputs = call.n_outputs;
  queued->n_scalars = call.n_scalars;
  queued->seed = call.seed;
  queued->counter = call.counter;
  queued->refs = reinterpret_cast<ArrayRef*>(block + sizeof(QueuedCall));
  queued->scalars = reinterpret_cast<double*>(queued->refs + arrays);
  std::memcpy(queued->refs, call.inputs, size_t(call.n_inputs) * sizeof(ArrayRef));
  std::memcpy(queued->refs + call.n_inputs, call.outputs, size_t(call.n_outputs) * sizeof(ArrayRef));
  if (call.n_scalars) std::memcpy(queued->scalars, call.scalars, size_t(call.n_scalars) * sizeof(double));

  Var* few[4 * kMostArrays];
  Var** vars = 2 * arrays > 4 * kMostArrays ? new Var*[2 * arrays] : few;
  Var** writes = vars + arrays;
  int n_reads = 0, n_writes = 0;
  uint64_t bytes = 0;
  for (int i = 0; i < call.n_outputs; ++i) {
    writes[n_writes++] = call.outputs[i].buffer;
    if (call.fresh_outputs) bytes += call.outputs[i].buffer->bytes;
  }
  for (int i = 0; i < call.n_inputs; ++i) {
    vars[n_reads++] = call.inputs[i].buffer;
    if (call.mutated && call.mutated[i] && n_writes < int(arrays)) writes[n_writes++] = call.inputs[i].buffer;
  }
  TaskSpec spec;
  spec.run = run_queued_call;
  spec.cleanup = free_queued_call;
  spec.describe = describe_queued_call;
  spec.argument = queued;
  spec.reads = vars;
  spec.n_reads = n_reads;
  spec.writes = writes;
  spec.n_writes = n_writes;
  spec.cost_ns = call.cost_ns;
  spec.priority = call.priority;
  spec.device = call.device;
  spec.stream = call.stream;
  spec.bytes = bytes;
  spec.flags = (call.info->kernel->flags & kKernelPython) ? kTaskNeedsGil : 0;
  spec.name = call.info->name;
  spec.site = site;
  bool here = push(spec);
  if (vars != few) delete[] vars;
  return here;
}

}  // namespace weft
