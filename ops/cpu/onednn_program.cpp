// Building and running lists of oneDNN primitives.
#include "ops/cpu/onednn_program.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "engine/core/engine.hpp"

namespace weft {
namespace dnnl {

namespace {

constexpr size_t kAlignment = 64;

Shape dense_strides(const Shape& shape) {
  Shape strides(shape.size());
  Dim stride = 1;
  for (size_t axis = shape.size(); axis-- > 0;) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

}  // namespace

Desc Desc::strided(const Shape& shape, const Shape& strides) {
  Desc made;
  check(api()->memory_desc_create_with_strides(&made.handle_, int(shape.size()), shape.data(), kF32,
                                               strides.data()));
  return made;
}

Desc Desc::plain(const Shape& shape) { return strided(shape, dense_strides(shape)); }

Desc Desc::channels_last(const Shape& shape) {
  Shape strides(shape.size());
  Dim stride = shape[1];
  for (size_t axis = shape.size(); axis-- > 2;) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  strides[1] = 1;
  strides[0] = stride;
  return strided(shape, strides);
}

Desc Desc::any(const Shape& shape) {
  Desc made;
  check(api()->memory_desc_create_with_tag(&made.handle_, int(shape.size()), shape.data(), kF32,
                                           kTagAny));
  return made;
}

Desc Desc::tagged(const Shape& shape, FormatTag tag) {
  Desc made;
  check(api()->memory_desc_create_with_tag(&made.handle_, int(shape.size()), shape.data(), kF32, tag));
  return made;
}

Desc Desc::range(const Shape& shape, Dim begin, Dim end) const {
  Shape part = shape, offsets(shape.size(), 0);
  part[0] = end - begin;
  offsets[0] = begin;
  Desc made;
  check(api()->memory_desc_create_submemory(&made.handle_, handle_, part.data(), offsets.data()));
  return made;
}

void Attributes::finish_with(bool sum, int function, float alpha, float beta) {
  if (!sum && function == 0) return;
  PostOps post = nullptr;
  check(api()->post_ops_create(&post));
  Status status = kSuccess;
  if (sum) status = api()->post_ops_append_sum(post, 1.0f, 0, kF32);
  if (status == kSuccess && function != 0)
    status = api()->post_ops_append_eltwise(post, AlgKind(function), alpha, beta);
  if (status == kSuccess) status = api()->primitive_attr_set_post_ops(handle_, post);
  api()->post_ops_destroy(post);
  check(status);
}

bool Operation::is_reference() const {
  const char* name = nullptr;
  return api()->primitive_desc_query(handle, kQueryImplInfo, 0, &name) == kSuccess && name && std::strstr(name, "ref");
}

size_t Operation::scratch_bytes() const {
  ConstMemoryDesc scratch = api()->primitive_desc_query_md(handle, kQueryScratchpad, 0);
  return scratch ? api()->memory_desc_get_size(scratch) : 0;
}

Program::~Program() {
  while (frames_) {
    Frame* frame = frames_;
    frames_ = frame->next;
    destroy_frame(frame);
  }
  for (Step& step : steps_) api()->primitive_destroy(step.primitive);
}

void Program::add(const Operation& operation, std::vector<Use> uses) {
  if (operation.scratch_bytes() > 0)
    uses.push_back({kArgScratchpad, operation.desc(kQueryScratchpad), reserve(operation.scratch_bytes())});
  PrimitiveHandle primitive = nullptr;
  check(api()->primitive_create(&primitive, operation.handle));
  steps_.push_back({primitive, std::move(uses)});
}

Place Program::reserve(size_t bytes) {
  Place place{local_base_, local_bytes_, 0};
  local_bytes_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return place;
}

void Program::store(const Desc& made, Place from, const Desc& wanted, Place place) {
  Operation reorder;
  Attributes attributes;
  check(api()->reorder_primitive_desc_create(&reorder.handle, made, api()->engine, wanted,
                                             api()->engine, attributes));
  add(reorder, {{kArgSrc, made, from}, {kArgDst, wanted, place}});
}

Place Program::read_as(const Desc& wanted, const Desc& given, Place place) {
  if (wanted == given) return place;
  Place copy = reserve(wanted.bytes());
  store(given, place, wanted, copy);
  return copy;
}

Place Program::write_as(const Desc& made, const Desc& wanted, Place place) {
  return made == wanted ? place : reserve(made.bytes());
}

Program::Frame* Program::make_frame() const {
  Frame* frame = new Frame();
  bool good = api()->stream_create(&frame->stream, api()->engine, kInOrder) == kSuccess;
  for (const Step& step : steps_) {
    frame->arguments.emplace_back();
    for (const Use& use : step.uses) {
      Memory memory = nullptr;
      if (good && api()->memory_create(&memory, use.desc, api()->engine, nullptr) == kSuccess)
        frame->arguments.back().push_back({use.arg, memory});
      else
        good = false;
    }
  }
  if (good) return frame;
  destroy_frame(frame);
  return nullptr;
}

void Program::destroy_frame(Frame* frame) {
  for (std::vector<ExecArg>& arguments : frame->arguments)
    for (ExecArg& argument : arguments) api()->memory_destroy(argument.memory);
  if (frame->stream) api()->stream_destroy(frame->stream);
  delete frame;
}

Program::Frame* Program::take_frame() const {
  {
    std::lock_guard<std::mutex> guard(mutex_);
    if (Frame* frame = frames_) {
      frames_ = frame->next;
      return frame;
    }
  }
  return make_frame();
}

void Program::give_frame(Frame* frame) const {
  std::lock_guard<std::mutex> guard(mutex_);
  frame->next = frames_;
  frames_ = frame;
}

bool Program::run(void* const* bases, size_t unit) const {
  Frame* frame = take_frame();
  if (!frame) return false;
  bool good = true;
  for (size_t i = 0; good && i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    std::vector<ExecArg>& arguments = frame->arguments[i];
    for (size_t j = 0; j < step.uses.size(); ++j) {
      const Place& place = step.uses[j].place;
      char* address = static_cast<char*>(bases[place.base]) + place.offset + unit * place.step;
      api()->memory_set_data_handle(arguments[j].memory, address);
    }
    good = api()->primitive_execute(step.primitive, frame->stream, int(arguments.size()),
                                    arguments.data()) == kSuccess;
  }
  give_frame(frame);
  return good;
}

namespace {
enum ReorderBase { kFrom, kTo, kReorderLocal, kReorderBases };
constexpr Dim kReorderRows = 48;        // a multiple of every block along the first axis
constexpr size_t kReorderBytes = 1 << 16;  // of a piece, at least
}  // namespace

struct SplitReorder::Run {
  const SplitReorder* reorder;
  void *from, *to;
  std::atomic<bool> good{true};
};

bool SplitReorder::add_pieces(const Desc& from, const Desc& to, const Shape& shape, Dim step) {
  try {
    for (Dim begin = 0; begin < shape[0]; begin += step) {
      Dim end = std::min(shape[0], begin + step);
      std::unique_ptr<Program> piece(new Program(kReorderLocal));
      if (step >= shape[0])
        piece->store(from, {kFrom, 0, 0}, to, {kTo, 0, 0});
      else
        piece->store(from.range(shape, begin, end), {kFrom, 0, 0}, to.range(shape, begin, end), {kTo, 0, 0});
      pieces_.push_back(std::move(piece));
    }
    return true;
  } catch (const Unsupported&) {
    pieces_.clear();
    return false;
  }
}

void SplitReorder::build(const Desc& from, const Desc& to, const Shape& shape) {
  size_t row = std::max<size_t>(1, from.bytes() / size_t(std::max<Dim>(1, shape[0])));
  Dim step = (Dim(kReorderBytes / row) + kReorderRows - 1) / kReorderRows * kReorderRows;
  if (step < shape[0] && add_pieces(from, to, shape, std::max(step, kReorderRows))) return;
  if (!add_pieces(from, to, shape, shape[0])) throw Unsupported();
}

void SplitReorder::run_pieces(void* context, int64_t begin, int64_t end) {
  Run* run = static_cast<Run*>(context);
  OneThread one;
  for (int64_t i = begin; i < end; ++i) {
    const Program& piece = *run->reorder->pieces_[size_t(i)];
    Scratch local(piece.local_bytes());
    void* bases[kReorderBases] = {run->from, run->to, local.data()};
    if (!local.ok() || !piece.run(bases, 0)) run->good.store(false, std::memory_order_relaxed);
  }
}

bool SplitReorder::run(void* from, void* to) const {
  Run run{this, from, to};
  parallel_for(int64_t(pieces_.size()), 1, &run_pieces, &run);
  return run.good.load(std::memory_order_relaxed);
}

Scratch::Scratch(size_t bytes) : bytes_(bytes), data_(bytes ? pool_allocate(bytes) : nullptr) {}

Scratch::~Scratch() {
  if (data_) pool_free(data_, bytes_);
}

}  // namespace dnnl
}  // namespace weft
