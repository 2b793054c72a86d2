#include "sequence_loops.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <vector>

#include "engine/core/engine.hpp"

namespace weft {
namespace {

constexpr int64_t kGrain = 1 << 15;  // items a core is woken for

struct SequenceKernel : Kernel {
  SequenceShape shape;

  SequenceKernel(int (*run_)(Kernel*, const RunArgs*), const SequenceShape& shape_, double cost)
      : Kernel(run_, [](Kernel* self) { delete static_cast<SequenceKernel*>(self); }, cost),
        shape(shape_) {}
};

template <class T>
struct SequenceJob {
  const SequenceShape* shape;
  const int64_t* lengths;
  const T* source;
  T* target;

  int64_t place(int64_t time, int64_t batch) const {
    return (shape->batch_first ? batch * shape->time + time : time * shape->batch + batch) *
           shape->block;
  }
};

// Blocks [begin, end) of the result, in the order in which they lie.
template <class T>
void sequence_part(void* context, int64_t begin, int64_t end) {
  const SequenceJob<T>& job = *static_cast<SequenceJob<T>*>(context);
  const SequenceShape& shape = *job.shape;
  const int64_t inner = shape.batch_first ? shape.time : shape.batch;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t time = shape.batch_first ? i % inner : i / inner;
    const int64_t batch = shape.batch_first ? i / inner : i % inner;
    const int64_t length = job.lengths[batch];
    T* target = job.target + i * shape.block;
    const T* source = nullptr;  // none: the value
    switch (shape.kind) {
      case kSequenceMask:
        if (time < length) source = job.source + i * shape.block;
        break;
      case kSequenceReverse:
        source = job.source + job.place(time < length ? length - 1 - time : time, batch);
        break;
      default:
        if (time == length - 1) source = job.source + batch * shape.block;
    }
    if (!source)
      std::fill_n(target, shape.block, static_cast<T>(shape.value));
    else if (source != target)
      std::copy_n(source, shape.block, target);
  }
}

int check_lengths(const SequenceShape& shape, std::vector<int64_t>* lengths, char* error) {
  for (int64_t& length : *lengths) {
    if (shape.kind == kSequenceReverse) length = std::min(std::max(length, int64_t(0)), shape.time);
    if (shape.kind == kSequenceMask || shape.kind == kSequenceReverse) continue;
    if (length < 1 || length > shape.time) {
      std::snprintf(error, kErrorBytes,
                    "SequenceLast: sequence_length %" PRId64 " is not in [1, %" PRId64 "]", length,
                    shape.time);
      return 1;
    }
  }
  return 0;
}

template <class T>
int run_sequence(Kernel* self, const RunArgs* args) {
  const SequenceShape& shape = static_cast<SequenceKernel*>(self)->shape;
  std::vector<int64_t> lengths(static_cast<size_t>(shape.batch));
  read_indices(args->inputs[shape.length_input], shape.length_type, shape.batch, lengths.data());
  if (check_lengths(shape, &lengths, args->error)) return 1;
  SequenceJob<T> job{&shape, lengths.data(), static_cast<const T*>(args->inputs[0]),
                     static_cast<T*>(args->outputs[0])};
  if (shape.kind == kSequenceLast) {
    for (int64_t b = 0; b < shape.batch; ++b)
      std::copy_n(job.source + job.place(lengths[size_t(b)] - 1, b), shape.block,
                  job.target + b * shape.block);
    return 0;
  }
  const int64_t blocks = shape.time * shape.batch;
  if (blocks * shape.block <= 2 * kGrain)
    sequence_part<T>(&job, 0, blocks);
  else
    parallel_for(blocks, std::max<int64_t>(1, kGrain / shape.block), sequence_part<T>, &job);
  return 0;
}

}  // namespace

Kernel* make_sequence_kernel(const SequenceShape& shape, double cost_ns) {
  int (*run)(Kernel*, const RunArgs*) = shape.item_bytes == 1   ? run_sequence<uint8_t>
                                        : shape.item_bytes == 2 ? run_sequence<uint16_t>
                                        : shape.item_bytes == 4 ? run_sequence<uint32_t>
                                                                : run_sequence<uint64_t>;
  return new SequenceKernel(run, shape, cost_ns);
}

}  // namespace weft
