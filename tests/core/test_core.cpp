// The engine's core without Python: run plain, under ThreadSanitizer and under AddressSanitizer.
// Every random program is compared with its serial run.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <random>
#include <thread>
#include <vector>

#include "engine/core/engine.hpp"

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

// --- random programs ----------------------------------------------------------------------------

struct World {
  std::vector<Var*> vars;
  std::vector<uint64_t> state;
  explicit World(size_t n) : vars(n), state(n) {
    for (size_t i = 0; i < n; ++i) {
      vars[i] = new_var();
      state[i] = i + 1;
    }
  }
  ~World() {
    for (Var* var : vars) var_release(var);
  }
};

struct Step {
  std::vector<int> reads, writes;
  uint64_t id;
  bool fails;
  double cost;
  uint32_t flags;
  int priority;
  bool wait_after;
  int device, stream;
};

void apply(const Step& step, std::vector<uint64_t>* state) {
  uint64_t hash = step.id;
  for (int read : step.reads) hash = mix(hash, (*state)[size_t(read)]);
  for (int write : step.writes) (*state)[size_t(write)] = mix((*state)[size_t(write)], hash);
}

struct Body {
  const Step* step;
  World* world;
};

std::atomic<int> cleaned{0};

int run_body(void* argument, TaskContext* context) {
  Body* body = static_cast<Body*>(argument);
  if (body->step->fails) {
    std::snprintf(context->error, kTaskErrorBytes, "task %d fails", int(body->step->id));
    return 1;
  }
  apply(*body->step, &body->world->state);
  return 0;
}

void clean_body(void* argument) {
  delete static_cast<Body*>(argument);
  cleaned.fetch_add(1);
}

void wait_var(Var* var, bool write = false) {
  WaitRecord* record = begin_wait(var, write);
  wait_for(record, -1);
  end_wait(record);
}

void wait_everything() {
  WaitRecord* record = begin_wait_all();
  wait_for(record, -1);
  end_wait(record);
}

void push_step(const Step& step, World* world) {
  std::vector<Var*> reads, writes;
  for (int read : step.reads) reads.push_back(world->vars[size_t(read)]);
  // The state of a written variable is read too.
  for (int write : step.writes) {
    writes.push_back(world->vars[size_t(write)]);
    reads.push_back(world->vars[size_t(write)]);
  }
  TaskSpec spec;
  spec.run = run_body;
  spec.cleanup = clean_body;
  spec.argument = new Body{&step, world};
  spec.reads = reads.data();
  spec.n_reads = int(reads.size());
  spec.writes = writes.data();
  spec.n_writes = int(writes.size());
  spec.cost_ns = step.cost;
  spec.flags = step.flags;
  spec.priority = step.priority;
  spec.device = step.device;
  spec.stream = step.stream;
  push(spec);
}

std::vector<Step> random_program(uint32_t seed, int steps, int vars, double failing) {
  std::mt19937 random(seed);
  auto below = [&](int n) { return int(random() % uint32_t(n)); };
  std::vector<Step> program;
  for (int i = 0; i < steps; ++i) {
    Step step{};
    step.id = uint64_t(i) + 1;
    for (int k = below(4); k > 0; --k) step.reads.push_back(below(vars));
    for (int k = 1 + below(2); k > 0; --k) {
      int var = below(vars);
      bool twice = false;
      for (int write : step.writes) twice = twice || write == var;
      if (!twice) step.writes.push_back(var);
    }
    step.fails = below(1000) < int(failing * 1000);
    step.cost = below(3) == 0 ? 1e5 : 100;
    step.flags = below(4) == 0 ? kTaskQueue : 0u;
    step.priority = below(3) - 1;
    step.wait_after = below(200) == 0;
    program.push_back(step);
  }
  return program;
}

void check_program(const std::vector<Step>& program, int vars) {
  World world{size_t(vars)};
  std::vector<uint64_t> expected = world.state;
  std::vector<bool> poisoned(size_t(vars), false);
  int before = cleaned.load();
  for (const Step& step : program) {
    push_step(step, &world);
    if (step.wait_after) wait_var(world.vars[size_t(step.writes[0])], (step.id & 1) != 0);
    bool skipped = step.fails;
    for (int read : step.reads) skipped = skipped || poisoned[size_t(read)];
    for (int write : step.writes) skipped = skipped || poisoned[size_t(write)];
    for (int write : step.writes) poisoned[size_t(write)] = skipped;
    if (!skipped) apply(step, &expected);
  }
  for (int i = 0; i < vars; ++i) wait_var(world.vars[size_t(i)]);
  wait_everything();
  CHECK(world.state == expected);
  for (int i = 0; i < vars; ++i)
    CHECK((world.vars[size_t(i)]->error.load() != nullptr) == poisoned[size_t(i)]);
  CHECK(cleaned.load() - before == int(program.size()));
  for (Var* var : world.vars) CHECK(var->idle());
  ErrorRecord* first = take_first_error();
  bool fails = false;
  for (const Step& step : program) fails = fails || step.fails;
  // Skipped tasks make no error of their own; a failing one may be skipped itself, but not the first.
  CHECK((first != nullptr) == fails);
  if (first) error_release(first);
  CHECK(take_first_error() == nullptr);
}

void test_random_programs(int scale) {
  for (int cores : {1, 2, 4}) {
    set_core_count(cores);
    for (uint32_t seed = 0; seed < 6; ++seed) check_program(random_program(seed, 500 * scale, 100, 0), 100);
    for (uint32_t seed = 10; seed < 16; ++seed) check_program(random_program(seed, 200 * scale, 5, 0), 5);
  }
  settings.mode.store(int(Mode::kNaive));
  check_program(random_program(99, 500 * scale, 20, 0), 20);
  settings.mode.store(int(Mode::kThreaded));
}

// --- every small program ------------------------------------------------------------------------

// Each of `tasks` tasks leaves, reads or writes each of three variables: all combinations.
void test_every_small_program(int tasks, int stride) {
  set_core_count(2);
  int patterns = 1;
  for (int i = 0; i < tasks; ++i) patterns *= 27;
  for (int pattern = 0; pattern < patterns; pattern += stride) {
    std::vector<Step> program;
    int rest = pattern;
    for (int task = 0; task < tasks; ++task, rest /= 27) {
      Step step{};
      step.id = uint64_t(task) + 1;
      step.flags = kTaskQueue;
      int uses = rest % 27;
      for (int var = 0; var < 3; ++var, uses /= 3) {
        if (uses % 3 == 1) step.reads.push_back(var);
        if (uses % 3 == 2) step.writes.push_back(var);
      }
      program.push_back(step);
    }
    World world{3};
    std::vector<uint64_t> expected = world.state;
    for (const Step& step : program) {
      push_step(step, &world);
      apply(step, &expected);
    }
    wait_everything();
    CHECK(world.state == expected);
  }
}

// --- order of ready tasks -----------------------------------------------------------------------

struct Noted {
  std::vector<int>* order;
  int number;
  std::atomic<bool>* gate;
};

int note(void* argument, TaskContext*) {
  Noted* noted = static_cast<Noted*>(argument);
  if (noted->gate)
    while (!noted->gate->load()) std::this_thread::yield();
  if (noted->order) noted->order->push_back(noted->number);
  return 0;
}

void test_priorities() {
  set_core_count(1);
  std::vector<int> order;
  std::atomic<bool> gate{false};
  int priorities[] = {0, 5, 0, -1, 5, 0, 9, -1};
  std::vector<Noted> notes;
  notes.push_back(Noted{nullptr, -1, &gate});
  for (int i = 0; i < 8; ++i) notes.push_back(Noted{&order, i, nullptr});
  for (int i = -1; i < 8; ++i) {
    TaskSpec spec;
    spec.run = note;
    spec.argument = &notes[size_t(i + 1)];
    spec.flags = kTaskQueue;
    spec.priority = i < 0 ? 100 : priorities[i];
    push(spec);
    if (i < 0) std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the gate holds the only core
  }
  gate.store(true);
  wait_everything();
  CHECK((order == std::vector<int>{6, 1, 4, 0, 2, 5, 3, 7}));
}

// More ready tasks than the queue has room for at first, while it stands in the middle of its ring.
void test_many_ready() {
  set_core_count(1);
  for (int round = 0; round < 3; ++round) {
    std::vector<int> order;
    std::atomic<bool> gate{false};
    std::vector<Noted> notes(3001, Noted{&order, 0, nullptr});
    notes[0] = Noted{nullptr, -1, &gate};
    for (int i = 0; i <= 3000; ++i) {
      notes[size_t(i)].number = i;
      TaskSpec spec;
      spec.run = note;
      spec.argument = &notes[size_t(i)];
      spec.flags = kTaskQueue;
      push(spec);
    }
    gate.store(true);
    wait_everything();
    CHECK(order.size() == 3000);
    for (size_t i = 0; i < order.size(); ++i) CHECK(order[i] == int(i) + 1);
  }
}

// --- several pushing threads --------------------------------------------------------------------

int increment(void* argument, TaskContext*) {
  ++*static_cast<long*>(argument);
  return 0;
}

void test_many_pushers(int scale) {
  set_core_count(2);
  Var* shared[3] = {new_var(), new_var(), new_var()};
  long counts[3] = {0, 0, 0};
  constexpr int kThreads = 6;
  int pushes = 300 * scale;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread)
    threads.emplace_back([&, thread] {
      for (int i = 0; i < pushes; ++i) {
        // Two variables in either order: appends must be one step, or tasks would wait for each other.
        Var* pair[2] = {shared[(thread + i) % 3], shared[(thread + i + 1 + i % 2) % 3]};
        TaskSpec spec;
        spec.run = increment;
        spec.argument = &counts[(thread + i) % 3];
        spec.writes = pair;
        spec.n_writes = 2;
        spec.flags = i % 3 ? kTaskQueue : 0u;
        push(spec);
        if (i % 50 == 0) wait_var(pair[1]);
      }
    });
  for (std::thread& thread : threads) thread.join();
  wait_everything();
  CHECK(counts[0] + counts[1] + counts[2] == long(kThreads) * pushes);
  for (Var* var : shared) {
    CHECK(var->idle());
    var_release(var);
  }
}

// --- tasks that push and wait -------------------------------------------------------------------

int nest(void* argument, TaskContext*) {
  long depth = reinterpret_cast<long>(argument);
  if (depth == 0) return 0;
  Var* var = new_var();
  TaskSpec spec;
  spec.run = nest;
  spec.argument = reinterpret_cast<void*>(depth - 1);
  spec.writes = &var;
  spec.n_writes = 1;
  spec.flags = kTaskQueue;
  push(spec);
  wait_var(var);
  var_release(var);
  return 0;
}

void test_nested_waits() {
  set_core_count(2);
  for (int i = 0; i < 8; ++i) {
    TaskSpec spec;
    spec.run = nest;
    spec.argument = reinterpret_cast<void*>(6L);
    spec.flags = kTaskQueue;
    push(spec);
  }
  wait_everything();
}

// --- threads that wait --------------------------------------------------------------------------

int note_thread(void* argument, TaskContext*) {
  *static_cast<std::thread::id*>(argument) = std::this_thread::get_id();
  return 0;
}

// Whether the waiting thread itself ran what it waited for, within so many tries.
bool runs_awaited(double cost_ns, uint32_t flags, int tries) {
  bool here = false;
  Var* var = new_var();
  for (int i = 0; i < tries && !here; ++i) {
    std::thread::id ran_on;
    TaskSpec spec;
    spec.run = note_thread;
    spec.argument = &ran_on;
    spec.writes = &var;
    spec.n_writes = 1;
    spec.cost_ns = cost_ns;
    spec.flags = kTaskQueue | flags;
    push(spec);
    wait_var(var);
    here = ran_on == std::this_thread::get_id();
  }
  var_release(var);
  return here;
}

void test_waiting_threads_work() {
  set_core_count(2);
  CHECK(runs_awaited(1e5, 0, 100000));
  CHECK(!runs_awaited(1e9, 0, 300));               // a wait must not become deaf for long
  CHECK(!runs_awaited(1e5, kTaskNeedsGil, 300));  // the waiting thread's interpreter state is not the task's
}

// --- loops inside tasks -------------------------------------------------------------------------

struct Sum {
  std::vector<int> hits;
  int64_t grain;
};

int loop_task(void* argument, TaskContext*) {
  Sum* sum = static_cast<Sum*>(argument);
  parallel_for(int64_t(sum->hits.size()), sum->grain, [](void* context, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) ++static_cast<Sum*>(context)->hits[size_t(i)];
  }, sum);
  return 0;
}

void test_parallel_for() {
  set_core_count(4);
  std::vector<Sum> sums(30);
  for (size_t i = 0; i < sums.size(); ++i) {
    sums[i].hits.resize(i < 20 ? 1000 + i : 1 + 3 * (i - 20));
    sums[i].grain = i % 2 ? 16 : 1;
  }
  for (int round = 0; round < 20; ++round) {
    for (Sum& sum : sums) {
      TaskSpec spec;
      spec.run = loop_task;
      spec.argument = &sum;
      spec.flags = kTaskQueue;
      spec.cost_ns = 1e5;
      push(spec);
    }
    wait_everything();
  }
  for (const Sum& sum : sums)
    for (int hits : sum.hits) CHECK(hits == 20);
}

// A piece without memory, on any of the threads, is the caller's exception; the next loop runs.
void test_loop_without_memory() {
  set_core_count(4);
  for (int64_t place = 0; place < 400; place += 7) {
    bool thrown = false;
    try {
      parallel_for(400, 1, [](void* context, int64_t begin, int64_t end) {
        if (int64_t at = *static_cast<int64_t*>(context); begin <= at && at < end) throw std::bad_alloc();
        std::this_thread::yield();
      }, &place);
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    CHECK(thrown);
  }
  Sum sum{std::vector<int>(1000), 1};
  CHECK(loop_task(&sum, nullptr) == 0);
  for (int hits : sum.hits) CHECK(hits == 1);
}

// --- storage ------------------------------------------------------------------------------------

void test_storage() {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([thread] {
      std::mt19937 random{uint32_t(thread)};
      std::vector<std::pair<unsigned char*, size_t>> blocks;
      for (int i = 0; i < 3000; ++i) {
        size_t bytes = random() % 8 ? random() % 4096 : random() % 100000;
        unsigned char* memory = static_cast<unsigned char*>(pool_allocate(bytes));
        CHECK(memory && reinterpret_cast<uintptr_t>(memory) % 64 == 0);
        std::memset(memory, int(bytes & 255), bytes);
        blocks.push_back({memory, bytes});
        if (blocks.size() > 50) {
          auto [old, size] = blocks[random() % blocks.size()];
          for (size_t k = 0; k < size; ++k) CHECK(old[k] == (size & 255));
          for (auto& block : blocks)
            if (block.first == old) {
              std::swap(block, blocks.back());
              break;
            }
          blocks.pop_back();
          pool_free(old, size);
        }
      }
      for (auto [memory, bytes] : blocks) pool_free(memory, bytes);
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(pool_statistics().in_use == 0);
  CHECK(pool_statistics().peak > 0);
  pool_empty_cache();
  CHECK(pool_statistics().cached == 0);
  CHECK(pool_allocate(size_t(1) << 62) == nullptr);
}

void test_bulk() {
  set_core_count(2);
  std::vector<Step> program = random_program(7, 400, 10, 0);
  for (Step& step : program) step.priority = 0;
  set_bulk_size(7);
  check_program(program, 10);
  set_bulk_size(0);
}

// Tasks on the CPU and on the streams of two simulated devices, over the same variables.
void test_streams(int scale) {
  set_core_count(2);
  for (double delay : {0.0, 20.0}) {
    set_simulated_delay(delay);
    for (uint32_t seed = 40; seed < 46; ++seed) {
      std::mt19937 random(seed);
      std::vector<Step> program = random_program(seed, (delay > 0 ? 60 : 200) * scale, 12, seed % 2 ? 0.02 : 0);
      for (Step& step : program) {
        if (random() % 3 == 0) continue;
        step.device = device_number(kSimulatedDevice, int(random() % 2));
        step.stream = int(random() % kStreams);
      }
      check_program(program, 12);
    }
  }
  set_simulated_delay(0);
}

// A result on the device is waited for by the host only when it is asked for.
void test_issue_does_not_wait() {
  set_core_count(2);
  Var* var = new_var();
  std::atomic<bool> gate{false};
  Noted gated{nullptr, 0, &gate};
  for (int i = 0; i < 10; ++i) {
    TaskSpec spec;
    spec.run = note;
    spec.argument = &gated;
    spec.writes = &var;
    spec.n_writes = 1;
    spec.device = device_number(kSimulatedDevice, 0);
    push(spec);  // would never return if it waited for the tasks before
  }
  CHECK(!var->idle() && !var->readable() && !var->try_read() && !var->try_write());
  WaitRecord* record = begin_wait(var, false);
  CHECK(!wait_for(record, 20));
  gate.store(true);
  CHECK(wait_for(record, -1));
  end_wait(record);
  CHECK(var->version.load() == 10);
  wait_everything();
  var_release(var);
}

void test_backpressure() {
  set_core_count(2);
  int64_t old = settings.max_pending.exchange(100);
  Var* var = new_var();
  long count = 0;
  for (int i = 0; i < 5000; ++i) {
    TaskSpec spec;
    spec.run = increment;
    spec.argument = &count;
    spec.writes = &var;
    spec.n_writes = 1;
    spec.flags = kTaskQueue;
    throttle();
    CHECK(pending_tasks.load() <= 101);
    push(spec);
  }
  wait_everything();
  CHECK(count == 5000);
  CHECK(var->version.load() == 5000);
  var_release(var);
  settings.max_pending.store(old);
}

}  // namespace

int main(int argc, char** argv) {
  int scale = argc > 1 ? std::atoi(argv[1]) : 1;
  test_random_programs(scale);
  for (int cores : {1, 2, 4}) {
    set_core_count(cores);
    for (uint32_t seed = 20; seed < 26; ++seed) check_program(random_program(seed, 300 * scale, 30, 0.02), 30);
  }
  test_every_small_program(3, scale > 1 ? 1 : 7);
  test_every_small_program(4, scale > 1 ? 13 : 997);
  test_priorities();
  test_many_ready();
  test_many_pushers(scale);
  test_nested_waits();
  test_waiting_threads_work();
  test_parallel_for();
  test_loop_without_memory();
  test_storage();
  test_bulk();
  test_streams(scale);
  test_issue_does_not_wait();
  test_backpressure();
  shutdown();
  std::puts("ok");
  return 0;
}
