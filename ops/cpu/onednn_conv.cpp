// Convolution and deconvolution, forward and with respect to the data.
#include "ops/cpu/onednn_conv.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <numeric>

#include "engine/core/engine.hpp"
#include "ops/cpu/sums.hpp"

namespace weft {
namespace dnnl {

namespace {

constexpr double kFlopsPerNs = 60;    // one core, roughly; only steers the splitting
constexpr double kSerialNs = 40000;   // less work than this stays on one thread
constexpr double kChunkNs = 120000;   // images are grouped up to this much work
constexpr Dim kFewChannels = 4;       // oneDNN reads this few plain channels directly
constexpr Dim kSmallPlane = 28 * 28;

Dim product(const Shape& shape, size_t from = 0) {
  return std::accumulate(shape.begin() + from, shape.end(), Dim(1), std::multiplies<Dim>());
}

bool all_equal(const Shape& shape, Dim value) {
  return std::all_of(shape.begin(), shape.end(), [value](Dim x) { return x == value; });
}

Desc with_layout(const Shape& shape, Layout layout) {
  switch (layout) {
    case Layout::kPlain: return Desc::plain(shape);
    case Layout::kChannelsLast: return Desc::channels_last(shape);
    default: return Desc::any(shape);
  }
}

void add_to_channels(float* values, const float* bias, Dim channels, Dim plane) {
  for (Dim c = 0; c < channels; ++c, values += plane)
    for (Dim i = 0; i < plane; ++i) values[i] += bias[c];
}

}  // namespace

// Measured for ResNet-50's and LeNet's layers on AVX2, layout changes included, batches cut into
// single images: docs/decisions/0010-onednn.md has the table.
Layout choose_layout(const Convolution& layer, ConvKind kind) {
  bool pointwise = all_equal(layer.kernel, 1);
  bool unit_stride = all_equal(layer.stride, 1);
  Dim in = layer.in_channels, out = layer.out_channels, plane = product(layer.out);
  bool even = in % 8 == 0 && out % 8 == 0;
  if (layer.groups > 1) return Layout::kAny;
  switch (kind) {
    case ConvKind::kForward:
      if (pointwise) return unit_stride && plane >= kSmallPlane ? Layout::kPlain : Layout::kAny;
      return in <= kFewChannels ? Layout::kAny : Layout::kChannelsLast;
    case ConvKind::kBackwardData:
      if (pointwise) return unit_stride && even && plane < kSmallPlane ? Layout::kAny : Layout::kPlain;
      if (in <= kFewChannels) return Layout::kPlain;
      return even ? Layout::kAny : Layout::kChannelsLast;
    default:
      if (pointwise) return unit_stride ? Layout::kPlain : Layout::kAny;
      if (in > 1 && in <= kFewChannels) return Layout::kAny;
      return even ? Layout::kPlain : Layout::kChannelsLast;
  }
}

ConvGeometry::ConvGeometry(const Convolution& given) : layer(given) {
  if (layer.groups > 1)
    weight_shape = {layer.groups, layer.out_channels / layer.groups, layer.in_channels / layer.groups};
  else
    weight_shape = {layer.out_channels, layer.in_channels};
  weight_shape.insert(weight_shape.end(), layer.kernel.begin(), layer.kernel.end());
  for (Dim dilate : layer.dilate) dilates.push_back(dilate - 1);  // oneDNN counts the gaps
}

Shape ConvGeometry::data_shape(Dim batch) const {
  Shape shape{batch, layer.in_channels};
  shape.insert(shape.end(), layer.in.begin(), layer.in.end());
  return shape;
}

Shape ConvGeometry::result_shape(Dim batch) const {
  Shape shape{batch, layer.out_channels};
  shape.insert(shape.end(), layer.out.begin(), layer.out.end());
  return shape;
}

Desc ConvGeometry::data_desc(Dim batch, Layout layout) const {
  return with_layout(data_shape(batch), layout);
}

Desc ConvGeometry::result_desc(Dim batch, Layout layout) const {
  return with_layout(result_shape(batch), layout);
}

size_t ConvGeometry::data_image_bytes() const { return size_t(product(data_shape(1))) * sizeof(float); }

size_t ConvGeometry::result_image_bytes() const {
  return size_t(product(result_shape(1))) * sizeof(float);
}

double ConvGeometry::image_ns() const {
  return 2.0 * double(product(weight_shape)) * double(product(layer.out)) / kFlopsPerNs;
}

Operation ConvGeometry::operation(ConvKind kind, Dim batch, Layout layout, bool bias,
                                  const Desc* weights) const {
  Attributes attributes;
  Desc data = data_desc(batch, layout), result = result_desc(batch, layout);
  Desc weight = weights ? *weights
                        : layout == Layout::kPlain ? Desc::plain(weight_shape) : Desc::any(weight_shape);
  const Dim *strides = layer.stride.data(), *pad = layer.pad.data();
  Operation forward;
  Desc bias_desc;
  if (bias) bias_desc = Desc::plain({layer.out_channels});
  check(api()->convolution_forward_primitive_desc_create(
      &forward.handle, api()->engine, kForwardTraining, kConvolutionDirect, data,
      kind == ConvKind::kForward ? weight : Desc::any(weight_shape), bias_desc, result, strides,
      dilates.data(), pad, pad, attributes));
  if (kind == ConvKind::kForward) return forward;
  Operation backward;
  if (kind == ConvKind::kBackwardData)
    check(api()->convolution_backward_data_primitive_desc_create(
        &backward.handle, api()->engine, kConvolutionDirect, data, weight, result, strides,
        dilates.data(), pad, pad, forward.handle, attributes));
  else
    check(api()->convolution_backward_weights_primitive_desc_create(
        &backward.handle, api()->engine, kConvolutionDirect, data, weight, nullptr, result, strides,
        dilates.data(), pad, pad, forward.handle, attributes));
  return backward;
}

namespace {

enum Base { kSource, kWeight, kBias, kDestination, kShared, kLocal, kBases };

// One direction of a convolution over all images.
class ConvMap : public Stage {
 public:
  ConvMap(const Convolution& layer, Direction direction, Operand source, Operand weight,
          Operand destination, const Operand* bias);
  bool run(const RunArgs* args) const override;

 private:
  struct Run {
    const ConvMap* stage;
    void* bases[kBases];
    std::atomic<bool> good{true};
  };

  void build(Program* program, Dim images, const Desc* weights);
  Place weight_place(Program* program);
  static void run_chunks(void* context, int64_t begin, int64_t end);
  bool run_chunk(void* const* bases, Dim chunk) const;
  void add_bias(void* const* bases, Dim image, Dim images) const;

  ConvGeometry geometry_;
  ConvKind kind_;
  Operand source_, weight_, destination_, bias_;
  bool has_bias_;
  Layout layout_;
  Dim images_ = 1;      // of one chunk
  Dim parts_ = 1;       // a single image is cut into ranges of output channels instead
  Program prepare_, chunk_, single_;
  Desc weights_;        // as the primitives want them
  size_t shared_bytes_ = 0;
};

ConvMap::ConvMap(const Convolution& layer, Direction direction, Operand source, Operand weight,
                 Operand destination, const Operand* bias)
    : geometry_(layer),
      kind_(direction == Direction::kForward ? ConvKind::kForward : ConvKind::kBackwardData),
      source_(source), weight_(weight), destination_(destination),
      bias_(bias ? *bias : Operand{false, 0}), has_bias_(bias != nullptr),
      layout_(choose_layout(layer, kind_)), prepare_(kLocal), chunk_(kLocal), single_(kLocal) {
  double image_ns = geometry_.image_ns();
  ns = image_ns * double(layer.batch);
  Dim cores = std::max(1, core_count());
  if (layer.batch == 1 && kind_ == ConvKind::kForward && layer.groups == 1 && cores > 1 &&
      layer.out_channels % (8 * cores) == 0 && ns > 2 * kSerialNs) {
    parts_ = cores;
    geometry_.layer.out_channels /= parts_;
    geometry_.weight_shape[0] /= parts_;
  } else if (ns <= kSerialNs) {
    images_ = layer.batch;
  } else {
    images_ = std::max<Dim>(1, std::min<Dim>(Dim(kChunkNs / image_ns), (layer.batch + cores - 1) / cores));
  }
  build(&chunk_, images_, nullptr);
  if (layer.batch % images_ != 0) build(&single_, 1, &weights_);
}

Place ConvMap::weight_place(Program* program) {
  Desc plain = Desc::plain(geometry_.weight_shape);
  if (parts_ > 1)  // every part has weights of its own
    return program->read_as(weights_, plain, {kWeight, 0, plain.bytes()});
  if (weights_ == plain) return {kWeight, 0, 0};
  if (prepare_.empty()) {
    shared_bytes_ = weights_.bytes();
    prepare_.store(plain, {kWeight, 0, 0}, weights_, {kShared, 0, 0});
  }
  return {kShared, 0, 0};
}

void ConvMap::build(Program* program, Dim images, const Desc* weights) {
  bool forward = kind_ == ConvKind::kForward;
  bool fused_bias = forward && has_bias_;
  Operation operation = geometry_.operation(kind_, images, layout_, fused_bias, weights);
  if (!weights) weights_ = operation.desc(kQueryWeights);
  Place weight = weight_place(program);
  Desc data = geometry_.data_desc(images, Layout::kPlain);
  Desc result = geometry_.result_desc(images, Layout::kPlain);
  size_t data_step = parts_ > 1 ? 0 : geometry_.data_image_bytes();
  size_t result_step = geometry_.result_image_bytes();
  Place data_place{forward ? kSource : kDestination, 0, data_step};
  Place result_place{forward ? kDestination : kSource, 0, result_step};
  if (forward) {
    Desc source = operation.desc(kQuerySrc), destination = operation.desc(kQueryDst);
    Place from = program->read_as(source, data, data_place);
    Place to = program->write_as(destination, result, result_place);
    std::vector<Program::Use> uses{{kArgSrc, source, from}, {kArgWeights, weights_, weight},
                                   {kArgDst, destination, to}};
    if (fused_bias)
      uses.push_back({kArgBias, Desc::plain({geometry_.layer.out_channels}),
                      {kBias, 0, parts_ > 1 ? size_t(geometry_.layer.out_channels) * sizeof(float) : 0}});
    program->add(operation, uses);
    if (!(destination == result)) program->store(destination, to, result, result_place);
  } else {
    Desc source = operation.desc(kQueryDiffDst), destination = operation.desc(kQueryDiffSrc);
    Place from = program->read_as(source, result, result_place);
    Place to = program->write_as(destination, data, data_place);
    program->add(operation, {{kArgDiffDst, source, from}, {kArgWeights, weights_, weight},
                             {kArgDiffSrc, destination, to}});
    if (!(destination == data)) program->store(destination, to, data, data_place);
  }
}

void ConvMap::add_bias(void* const* bases, Dim image, Dim images) const {
  Dim channels = geometry_.layer.in_channels, plane = product(geometry_.layer.in);
  float* values = static_cast<float*>(bases[kDestination]) + image * channels * plane;
  for (Dim i = 0; i < images; ++i, values += channels * plane)
    add_to_channels(values, static_cast<const float*>(bases[kBias]), channels, plane);
}

bool ConvMap::run_chunk(void* const* bases, Dim chunk) const {
  if (parts_ > 1) return chunk_.run(bases, size_t(chunk));
  Dim begin = chunk * images_, end = std::min(geometry_.layer.batch, begin + images_);
  bool good = true;
  if (end - begin == images_)
    good = chunk_.run(bases, size_t(begin));
  else
    for (Dim image = begin; good && image < end; ++image) good = single_.run(bases, size_t(image));
  if (has_bias_ && kind_ == ConvKind::kBackwardData) add_bias(bases, begin, end - begin);
  return good;
}

void ConvMap::run_chunks(void* context, int64_t begin, int64_t end) {
  Run* run = static_cast<Run*>(context);
  OneThread one;
  Scratch local(std::max(run->stage->chunk_.local_bytes(), run->stage->single_.local_bytes()));
  void* bases[kBases];
  std::copy(run->bases, run->bases + kBases, bases);
  bases[kLocal] = local.data();
  bool good = local.ok();
  for (int64_t chunk = begin; good && chunk < end; ++chunk) good = run->stage->run_chunk(bases, chunk);
  if (!good) run->good.store(false, std::memory_order_relaxed);
}

bool ConvMap::run(const RunArgs* args) const {
  Scratch shared(shared_bytes_);
  if (!shared.ok()) return false;
  Run run{this, {source_.address(args), weight_.address(args),
                 has_bias_ ? bias_.address(args) : nullptr, destination_.address(args),
                 shared.data(), nullptr}};
  if (!prepare_.empty()) {
    OneThread one;
    Scratch local(prepare_.local_bytes());
    run.bases[kLocal] = local.data();
    if (!local.ok() || !prepare_.run(run.bases, 0)) return false;
  }
  Dim chunks = parts_ > 1 ? parts_ : (geometry_.layer.batch + images_ - 1) / images_;
  if (chunks == 1)
    run_chunks(&run, 0, 1);
  else
    parallel_for(chunks, 1, &run_chunks, &run);
  return run.good.load(std::memory_order_relaxed);
}

// d_bias: sums over images and positions of each channel.
class ChannelSums : public Stage {
 public:
  ChannelSums(Dim batch, Dim channels, Dim plane, Operand values, Operand sums)
      : batch_(batch), channels_(channels), plane_(plane), values_(values), sums_(sums) {
    ns = double(batch) * double(channels) * double(plane) / 6;
  }

  bool run(const RunArgs* args) const override {
    Run run{this, static_cast<const float*>(values_.address(args)),
            static_cast<float*>(sums_.address(args))};
    Dim grain = std::max<Dim>(1, Dim(double(channels_) * kSerialNs / std::max(ns, 1.0)));
    parallel_for(channels_, grain, &run_channels, &run);
    return true;
  }

 private:
  struct Run {
    const ChannelSums* stage;
    const float* values;
    float* sums;
  };
  static void run_channels(void* context, int64_t begin, int64_t end) {
    const Run* run = static_cast<Run*>(context);
    const ChannelSums& self = *run->stage;
    for (Dim c = begin; c < end; ++c) {
      float total = 0;
      for (Dim image = 0; image < self.batch_; ++image)
        total += sum_values(run->values + (image * self.channels_ + c) * self.plane_, self.plane_);
      run->sums[c] = total;
    }
  }

  Dim batch_, channels_, plane_;
  Operand values_, sums_;
};

struct StagedKernel : Kernel {
  std::vector<std::unique_ptr<Stage>> stages;
  StagedKernel() : Kernel(&run_kernel, &destroy_kernel, 0) {}
  void add(std::unique_ptr<Stage> stage) {
    cost_ns += stage->ns;
    stages.push_back(std::move(stage));
  }
  static void destroy_kernel(Kernel* self) { delete static_cast<StagedKernel*>(self); }
  static int run_kernel(Kernel* self, const RunArgs* args) {
    for (const auto& stage : static_cast<StagedKernel*>(self)->stages)
      if (!stage->run(args)) {
        std::snprintf(args->error, kErrorBytes, "oneDNN could not run a convolution (out of memory?)");
        return 1;
      }
    return 0;
  }
};

// Builds a kernel, or gives nullptr where oneDNN declines.
template <class Fill>
Kernel* build_staged(Fill fill) {
  if (!api()) return nullptr;
  std::unique_ptr<StagedKernel> kernel(new StagedKernel());
  try {
    OneThread one;  // primitives are planned for the threads they will run on
    fill(kernel.get());
  } catch (const Unsupported&) {
    return nullptr;
  }
  return kernel.release();
}

}  // namespace

std::unique_ptr<Stage> make_conv_map(const Convolution& layer, Direction direction, Operand source,
                                     Operand weight, Operand destination, const Operand* bias) {
  return std::unique_ptr<Stage>(
      new ConvMap(layer, direction, source, weight, destination, bias));
}

Kernel* make_convolution(const Convolution& layer) {
  return build_staged([&](StagedKernel* kernel) {
    Operand bias = input(2);
    kernel->add(make_conv_map(layer, Direction::kForward, input(0), input(1), output(0),
                              layer.bias ? &bias : nullptr));
  });
}

Kernel* make_deconvolution(const Convolution& layer) {
  return build_staged([&](StagedKernel* kernel) {
    Operand bias = input(2);
    kernel->add(make_conv_map(layer, Direction::kBackward, input(0), input(1), output(0),
                              layer.bias ? &bias : nullptr));
  });
}

Kernel* make_backward_convolution(const Convolution& layer, const Wanted& wanted) {
  return build_staged([&](StagedKernel* kernel) {
    int made = 0;
    if (wanted.data)
      kernel->add(make_conv_map(layer, Direction::kBackward, input(0), input(2), output(made++), nullptr));
    if (wanted.weight) kernel->add(make_conv_weights(layer, input(1), input(0), output(made++)));
    if (wanted.bias)
      kernel->add(std::unique_ptr<Stage>(new ChannelSums(
          layer.batch, layer.out_channels, product(layer.out), input(0), output(made++))));
  });
}

Kernel* make_backward_deconvolution(const Convolution& layer, const Wanted& wanted) {
  return build_staged([&](StagedKernel* kernel) {
    int made = 0;
    if (wanted.data)
      kernel->add(make_conv_map(layer, Direction::kForward, input(0), input(2), output(made++), nullptr));
    if (wanted.weight) kernel->add(make_conv_weights(layer, input(0), input(1), output(made++)));
    if (wanted.bias)
      kernel->add(std::unique_ptr<Stage>(new ChannelSums(
          layer.batch, layer.in_channels, product(layer.in), input(0), output(made++))));
  });
}

}  // namespace dnnl
}  // namespace weft
