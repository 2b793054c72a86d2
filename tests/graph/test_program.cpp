// Programs without Python: random graphs whose steps hash what they read, in order and spread over cores,
// compared with a plain evaluation. Run plain, under ThreadSanitizer and under AddressSanitizer.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

#include "frontend/graph/program.hpp"

using namespace weft;

#define CHECK(condition)                                                             \
  do {                                                                               \
    if (!(condition)) {                                                              \
      std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);   \
      std::exit(1);                                                                  \
    }                                                                                \
  } while (0)

namespace {

uint64_t mix(uint64_t a, uint64_t b) {
  a ^= b + 0x9E3779B97F4A7C15ull + (a << 6) + (a >> 2);
  return a * 0xBF58476D1CE4E5B9ull;
}

constexpr int kWords = 16;  // of every entry

struct HashKernel : Kernel {
  uint64_t id;
  int n_inputs, n_outputs;
  std::vector<int> mutated;
  int work;
  bool fails;
  HashKernel() : Kernel(run_hash, drop, 100) {}
  static int run_hash(Kernel* kernel, const RunArgs* args) {
    HashKernel* self = static_cast<HashKernel*>(kernel);
    uint64_t hash = mix(self->id, args->counter);
    for (int i = 0; i < self->n_inputs; ++i)
      for (int k = 0; k < kWords; ++k) hash = mix(hash, static_cast<uint64_t*>(args->inputs[i])[k]);
    for (volatile int spin = 0; spin < self->work; spin = spin + 1) {
    }
    if (self->fails) {
      std::snprintf(args->error, kErrorBytes, "step %d fails", int(self->id));
      return 1;
    }
    for (int i = 0; i < self->n_outputs; ++i)
      for (int k = 0; k < kWords; ++k) static_cast<uint64_t*>(args->outputs[i])[k] = mix(hash, uint64_t(i * kWords + k));
    for (int i : self->mutated)
      for (int k = 0; k < kWords; ++k) static_cast<uint64_t*>(args->inputs[i])[k] += hash;
    return 0;
  }
  static void drop(Kernel* kernel) { delete static_cast<HashKernel*>(kernel); }
};

// A graph as lists of numbers: entries 0 .. n_arrays - 1 are the caller's arrays.
struct Net {
  int n_arrays, n_entries;
  struct Op {
    std::vector<int> inputs, outputs, mutated;
    int phase, work;
    bool random;
    int fails;
  };
  std::vector<Op> ops;
  std::vector<int> place;  // of entries beyond the arrays: array number for results, -1 in the arena, -2 kept
};

Net random_net(uint32_t seed, int n_ops, int n_arrays, int prepared) {
  std::mt19937 random(seed);
  auto below = [&](int n) { return int(random() % uint32_t(n)); };
  Net net;
  int n_results = n_arrays / 2;
  net.n_arrays = n_arrays;
  net.n_entries = n_arrays;
  net.place.assign(size_t(n_arrays), 0);
  std::vector<int> readable;  // the first half of the arrays is read (and some mutated), the rest are results
  for (int i = 0; i < n_arrays - n_results; ++i) readable.push_back(i);
  int next_result = n_arrays - n_results, n_given = int(readable.size());
  for (int i = 0; i < n_ops; ++i) {
    Net::Op op;
    bool prepare = i < prepared;
    op.phase = prepare ? kPrepare : (i < prepared + (n_ops - prepared) / 2 ? kForward : kBackward);
    // Prepared steps use parameters and each other only; the first array is no parameter.
    int n_inputs = below(4);
    for (int k = 0; k < n_inputs; ++k) {
      int pick = prepare ? 1 + below(int(readable.size()) - 1) : below(int(readable.size()));
      op.inputs.push_back(readable[size_t(pick)]);
    }
    if (!prepare && below(6) == 0) {
      op.inputs.push_back(0);
      op.mutated.push_back(int(op.inputs.size()) - 1);
    }
    for (int k = 1 + below(2); k > 0; --k) {
      int place = prepare ? -2 : -1;
      if (!prepare && next_result < n_arrays && below(3) == 0) place = next_result++;
      op.outputs.push_back(net.n_entries++);
      net.place.push_back(place);
    }
    for (int output : op.outputs) readable.push_back(output);
    op.work = below(8) == 0 ? 20000 : below(200);
    op.random = !prepare && below(5) == 0;
    op.fails = 0;
    net.ops.push_back(op);
  }
  (void)n_given;
  return net;
}

using Values = std::vector<std::vector<uint64_t>>;

// What the caller's arrays hold after the ops of `phases`; -1 or the op that failed.
void evaluate(const Net& net, int phases, uint64_t counter, Values* values) {
  values->resize(size_t(net.n_entries), std::vector<uint64_t>(kWords));
  for (size_t number = 0; number < net.ops.size(); ++number) {
    const Net::Op& op = net.ops[number];
    if (!(op.phase == kBackward ? phases & 2 : phases & 1)) continue;
    uint64_t hash = mix(number + 1, op.random ? counter++ : 0);
    for (int input : op.inputs)
      for (uint64_t word : (*values)[size_t(input)]) hash = mix(hash, word);
    for (size_t i = 0; i < op.outputs.size(); ++i)
      for (size_t k = 0; k < kWords; ++k) (*values)[size_t(op.outputs[i])][k] = mix(hash, i * kWords + k);
    for (int i : op.mutated)
      for (uint64_t& word : (*values)[size_t(op.inputs[size_t(i)])]) word += hash;
  }
  for (int entry = net.n_arrays; entry < net.n_entries; ++entry)
    if (net.place[size_t(entry)] >= 0) (*values)[size_t(net.place[size_t(entry)])] = (*values)[size_t(entry)];
}

// Offsets in program order: bytes are used again as soon as nobody reads them any more.
std::vector<uint64_t> lay_out(const Net& net, int place, bool reuse, uint64_t* total) {
  std::vector<int> last(size_t(net.n_entries), -1);
  for (size_t i = 0; i < net.ops.size(); ++i) {
    for (int input : net.ops[i].inputs) last[size_t(input)] = int(i);
    for (int output : net.ops[i].outputs) last[size_t(output)] = int(i);
  }
  std::vector<uint64_t> offsets(size_t(net.n_entries), 0), free_list;
  *total = 0;
  for (size_t i = 0; i < net.ops.size(); ++i) {
    for (int output : net.ops[i].outputs) {
      if (net.place[size_t(output)] != place) continue;
      if (reuse && !free_list.empty()) {
        offsets[size_t(output)] = free_list.back();
        free_list.pop_back();
      } else {
        offsets[size_t(output)] = *total;
        *total += kWords * 8;
      }
    }
    for (int entry = net.n_arrays; entry < net.n_entries; ++entry)
      if (net.place[size_t(entry)] == place && last[size_t(entry)] == int(i)) free_list.push_back(offsets[size_t(entry)]);
  }
  return offsets;
}

Program* build(const Net& net, bool spread) {
  uint64_t arena_bytes, kept_bytes;
  std::vector<uint64_t> arena = lay_out(net, -1, true, &arena_bytes), kept = lay_out(net, -2, false, &kept_bytes);
  Program* program = new Program(uint32_t(net.n_arrays), arena_bytes, kept_bytes);
  uint32_t name = intern_name("hash");
  for (size_t i = 0; i < net.ops.size(); ++i) {
    const Net::Op& op = net.ops[i];
    HashKernel* kernel = new HashKernel;
    kernel->id = i + 1;
    kernel->n_inputs = int(op.inputs.size());
    kernel->n_outputs = int(op.outputs.size());
    kernel->mutated = op.mutated;
    kernel->work = op.work;
    kernel->fails = op.fails;
    std::vector<Operand> operands;
    auto add = [&](int entry) {
      int place = entry < net.n_arrays ? entry : net.place[size_t(entry)];
      if (place >= 0) operands.push_back(Operand{Place::kArray, uint32_t(place), 0, kWords * 8});
      else if (place == -1) operands.push_back(Operand{Place::kArena, 0, arena[size_t(entry)], kWords * 8});
      else operands.push_back(Operand{Place::kKept, 0, kept[size_t(entry)], kWords * 8});
    };
    for (int input : op.inputs) add(input);
    for (int output : op.outputs) add(output);
    program->add_step(kernel, op.phase, operands.data(), uint32_t(op.inputs.size()), uint32_t(op.outputs.size()),
                      nullptr, 0, name, ("node" + std::to_string(i)).c_str(), "(a: (4,))", op.work, op.random);
    for (int i_mutated : op.mutated) program->mark_mutated(uint32_t(i_mutated));
    kernel_release(kernel);
  }
  program->finish();
  if (spread) {
    program->link();
    for (int phase = 0; phase < kPhases; ++phase) program->spread(phase, true);
    for (uint32_t i = 0; i < program->n_steps(); i += 3) program->set_wide(i, true);
  }
  return program;
}

struct Arrays {
  std::vector<Buffer*> buffers;
  explicit Arrays(int n) {
    for (int i = 0; i < n; ++i) {
      buffers.push_back(new_buffer(kWords * 8, 0));
      CHECK(buffer_ready(buffers.back()));
      for (uint64_t k = 0; k < kWords; ++k) static_cast<uint64_t*>(buffers.back()->data)[k] = uint64_t(i) * 100 + k;
    }
  }
  ~Arrays() {
    for (Buffer* buffer : buffers) var_release(buffer);
  }
};

Values start_values(const Net& net) {
  Values values(size_t(net.n_entries), std::vector<uint64_t>(kWords));
  for (size_t i = 0; i < size_t(net.n_arrays); ++i)
    for (size_t k = 0; k < kWords; ++k) values[i][k] = uint64_t(i) * 100 + k;
  return values;
}

Bindings* bind(Program* program, const Arrays& arrays, Buffer* arena) {
  std::vector<Bindings::Array> list;
  for (Buffer* buffer : arrays.buffers) list.push_back(Bindings::Array{buffer, 0});
  return program->bind(list.data(), arena);
}

void compare(const Arrays& arrays, const Values& values) {
  for (size_t i = 0; i < arrays.buffers.size(); ++i) {
    wait_read(arrays.buffers[i]);
    CHECK(!arrays.buffers[i]->error.load());
    for (size_t k = 0; k < kWords; ++k) CHECK(static_cast<uint64_t*>(arrays.buffers[i]->data)[k] == values[i][k]);
  }
}

void run_random(uint32_t seed, int n_ops, bool spread, int rounds) {
  Net net = random_net(seed, n_ops, 8, seed % 3 ? n_ops / 5 : 0);
  Program* program = build(net, spread);
  Arrays arrays(net.n_arrays);
  Buffer* arena = new_buffer(program->arena_bytes() + 1, 0);
  Bindings* bindings = bind(program, arrays, arena);
  Values values = start_values(net);
  uint64_t counter = 0;
  for (int round = 0; round < rounds; ++round) {
    if ((seed + uint32_t(round)) % 2) {
      program->push(bindings, 3, 0, counter, 0, 0, 0);
      evaluate(net, 3, counter, &values);
      counter += program->draws(3);
    } else {
      for (int phases = 1; phases < 3; ++phases) {
        program->push(bindings, phases, 0, counter, 0, 0, 0);
        evaluate(net, phases, counter, &values);
        counter += program->draws(phases);
      }
    }
  }
  compare(arrays, values);
  release_bindings(bindings);
  var_release(arena);
  program->release();
}

// Several programs over the same arrays and one arena, pushed by several threads: one after the other each time.
void run_together(uint32_t seed) {
  Net net = random_net(seed, 40, 8, 0);
  Arrays arrays(net.n_arrays);
  Buffer* arena = new_buffer(1 << 16, 0);
  std::vector<std::thread> threads;
  std::atomic<int> runs{0};
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      Program* program = build(net, t != 0);
      Bindings* bindings = bind(program, arrays, arena);
      for (int i = 0; i < 10; ++i) {
        program->push(bindings, 3, 0, 7, 0, 0, 0);
        runs.fetch_add(1);
      }
      release_bindings(bindings);
      program->release();
    });
  for (std::thread& thread : threads) thread.join();
  Values values = start_values(net);
  for (int i = 0; i < runs.load(); ++i) evaluate(net, 3, 7, &values);
  compare(arrays, values);
  var_release(arena);
}

void run_failing(uint32_t seed, bool spread) {
  Net net = random_net(seed, 60, 8, 0);
  net.ops[size_t(seed) % 60].fails = 1;
  Program* program = build(net, spread);
  Arrays arrays(net.n_arrays);
  Buffer* arena = new_buffer(program->arena_bytes() + 1, 0);
  Bindings* bindings = bind(program, arrays, arena);
  program->push(bindings, 3, 0, 0, 0, intern_name("run"), 0);
  wait_read(arena);
  ErrorRecord* record = arena->error.load();
  CHECK(record);
  int number = int(seed % 60);
  CHECK(record->message == "step " + std::to_string(number + 1) + " fails");
  CHECK(record->description == "at operator hash, node 'node" + std::to_string(number) + "' (a: (4,))");
  // The half that comes after it inherits the failure.
  program->push(bindings, 2, 0, 0, 0, intern_name("run"), 0);
  wait_read(arena);
  CHECK(arena->error.load());
  release_bindings(bindings);
  var_release(arena);
  program->release();
  if (ErrorRecord* first = take_first_error()) error_release(first);
}

// The task's own thread takes the step with the longest way to the end, which fails, and sleeps until a helper is done with
// the other; what that makes ready is not run any more.
void run_failing_beside() {
  Net net;
  net.n_arrays = 4;
  net.n_entries = 8;
  net.place = {0, 0, 0, 0, 0, 1, 2, 3};
  net.ops = {
      {{}, {4}, {}, kForward, 100000, false, 1},
      {{4}, {5}, {}, kForward, 9000000, false, 0},
      {{}, {6}, {}, kForward, 500000, false, 0},
      {{6}, {7}, {}, kForward, 20000, false, 0},
  };
  Program* program = build(net, true);
  Arrays arrays(net.n_arrays);
  Buffer* arena = new_buffer(program->arena_bytes() + 1, 0);
  Bindings* bindings = bind(program, arrays, arena);
  program->push(bindings, 1, 0, 0, 0, intern_name("run"), 0);
  wait_read(arrays.buffers[0]);
  ErrorRecord* record = arrays.buffers[0]->error.load();
  CHECK(record);
  CHECK(record->message == "step 1 fails");
  release_bindings(bindings);
  var_release(arena);
  program->release();
  if (ErrorRecord* first = take_first_error()) error_release(first);
}

void run_prepared() {
  Net net = random_net(4, 50, 8, 10);
  Program* program = build(net, false);
  Arrays arrays(net.n_arrays);
  Buffer* arena = new_buffer(program->arena_bytes() + 1, 0);
  Bindings* bindings = bind(program, arrays, arena);
  for (int i = 0; i < 3; ++i) program->push(bindings, 1, 0, 0, 0, 0, 0);
  wait_read(arena);
  CHECK(program->prepared_runs() == 1);
  for (Buffer* buffer : arrays.buffers) {
    while (!buffer->try_write()) std::this_thread::yield();
    release_write(buffer);
  }
  for (int i = 0; i < 3; ++i) program->push(bindings, 1, 0, 0, 0, 0, 0);
  wait_read(arena);
  CHECK(program->prepared_runs() == 2);
  release_bindings(bindings);
  var_release(arena);
  program->release();
}

void check_schedule() {
  // Two chains of two: spread over two cores in half the time.
  std::vector<std::vector<uint32_t>> chains = {{1}, {}, {3}, {}};
  Schedule two = make_schedule({1000, 1000, 1000, 1000}, {1000, 1000, 1000, 1000}, chains, 2);
  CHECK(two.serial_ns == 4000 && two.spread_ns == 2000);
  CHECK(two.starts[0] == two.starts[2] && two.ends[1] == two.ends[3]);
  // A long step beside short ones: all cores for it.
  Schedule one = make_schedule({10000, 10, 10}, {5000, 10, 10}, {{}, {}, {}}, 2);
  CHECK(one.wide[0] && !one.wide[1] && one.spread_ns <= 5020);
  Schedule none = make_schedule({}, {}, {}, 2);
  CHECK(none.spread_ns == 0);
}

}  // namespace

int main(int argc, char** argv) {
  int scale = argc > 1 ? std::atoi(argv[1]) : 1;
  check_schedule();
  for (int cores : {1, 2, 4}) {
    set_core_count(cores);
    for (uint32_t seed = 0; seed < uint32_t(20 * scale); ++seed) {
      run_random(seed, 3 + int(seed * 7 % 120), false, 4);
      run_random(seed, 3 + int(seed * 7 % 120), true, 4);
    }
    // More ready steps than one core keeps to itself.
    for (uint32_t seed = 100; seed < uint32_t(100 + scale); ++seed) run_random(seed, 1500, true, 2);
    for (uint32_t seed = 0; seed < uint32_t(5 * scale); ++seed) {
      run_together(seed);
      run_failing(seed * 11 + 1, false);
      run_failing(seed * 11 + 1, true);
      run_failing_beside();
    }
    run_prepared();
  }
  shutdown();
  std::printf("ok\n");
  return 0;
}
