// Convolution and deconvolution, forward and with respect to the data.
#include "ops/cpu/onednn_conv.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
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
constexpr Dim kSmallPlane = 28 * 28, kTinyPlane = 14 * 14;
constexpr size_t kLargeWeights = 1 << 20;  // bytes that each chunk would fetch anew

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

// The post-operation's kind in oneDNN; alpha and beta mean the same there.
int function_of(Activation activation) {
  switch (activation) {
    case Activation::kNone: return 0;
    case Activation::kRelu: return kEltwiseRelu;
    case Activation::kSigmoid: return kEltwiseLogistic;
    case Activation::kTanh: return kEltwiseTanh;
    case Activation::kSoftRelu: return kEltwiseSoftRelu;
    case Activation::kElu: return kEltwiseElu;
    case Activation::kGelu: return kEltwiseGeluErf;
    default: return kEltwiseClip;
  }
}

void add_residual(float* values, const float* residual, Dim n, bool relu) {
  for (Dim i = 0; i < n; ++i) {
    float value = values[i] + residual[i];
    values[i] = relu && value < 0 ? 0.0f : value;
  }
}

void add_to_channels(float* values, const float* bias, Dim channels, Dim plane) {
  for (Dim c = 0; c < channels; ++c, values += plane)
    for (Dim i = 0; i < plane; ++i) values[i] += bias[c];
}

}  // namespace

namespace {

std::atomic<bool> winograd_allowed{true};
constexpr Dim kProductChannels = 16, kProductPositions = 192;  // with fewer, packing the weights costs too much
constexpr Dim kWinogradChannels = 32;  // with fewer, the transforms cost what the products save

Dim winograd_tiles(const Convolution& layer) {
  return layer.batch * ((layer.out[0] + 3) / 4) * ((layer.out[1] + 3) / 4);
}

bool winograd_may(const Convolution& layer) {
  return winograd_allowed.load(std::memory_order_relaxed) && winograd_fits(layer) &&
         std::min(layer.in_channels, layer.out_channels) >= kWinogradChannels;
}

}  // namespace

void allow_winograd(bool allowed) { winograd_allowed.store(allowed, std::memory_order_relaxed); }

// Transformed weights are four times as many: with few tiles, reading them takes longer than it saves.
bool winograd_suits(const Convolution& layer) { return winograd_may(layer) && winograd_tiles(layer) >= 16; }

bool winograd_pays(const Convolution& layer, ConvKind kind) {
  return winograd_may(layer) && winograd_tiles(layer) >= (kind == ConvKind::kBackwardWeights ? 24 : 48);
}

// Windows of plain arrays, where measured faster than oneDNN's primitives with their changes of layout
// (docs/decisions/0170-strided-convolutions.md and 0240-faster-products-of-windows.md have the tables).
bool product_pays(const Convolution& layer, ConvKind kind) {
  Dim plane = product(layer.out);
  bool pointwise = all_equal(layer.kernel, 1), unit_stride = all_equal(layer.stride, 1);
  if (!product_fits(layer) || layer.batch * plane < kProductPositions ||
      std::min(layer.in_channels, layer.out_channels) < kProductChannels)
    return false;
  if (unit_stride) return pointwise && plane < kTinyPlane && kind == ConvKind::kForward;
  switch (kind) {
    case ConvKind::kForward: return plane < kTinyPlane || (pointwise && plane >= kSmallPlane);
    case ConvKind::kBackwardData: return plane < kSmallPlane;
    default: return plane >= kTinyPlane;
  }
}

// Measured for ResNet-50's and LeNet's layers on AVX2, layout changes included, batches cut into
// single images: docs/decisions/0010-onednn.md has the table.
Layout choose_layout(const Convolution& layer, ConvKind kind) {
  bool pointwise = all_equal(layer.kernel, 1);
  bool unit_stride = all_equal(layer.stride, 1);
  Dim in = layer.in_channels, out = layer.out_channels, plane = product(layer.out);
  bool even = in % 8 == 0 && out % 8 == 0;
  if (layer.block) return Layout::kGiven;
  if (layer.groups > 1) return Layout::kAny;
  switch (kind) {
    case ConvKind::kForward:
      if (pointwise)  // of small planes the product pays where changing the layout means more data than results
        return unit_stride && plane >= (in > out ? kTinyPlane : kSmallPlane) ? Layout::kPlain : Layout::kAny;
      return in <= kFewChannels ? Layout::kAny : Layout::kChannelsLast;
    case ConvKind::kBackwardData:
      if (pointwise) return unit_stride && even && plane < kSmallPlane ? Layout::kAny : Layout::kPlain;
      if (in <= kFewChannels) return Layout::kPlain;
      return even ? Layout::kAny : Layout::kChannelsLast;
    default:
      if (pointwise)  // of small planes the product pays where changing the layout means more data than results
        return unit_stride && plane >= (in > out ? kTinyPlane : kSmallPlane) ? Layout::kPlain : Layout::kAny;
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

Desc ConvGeometry::given_data(Dim batch) const {
  if (!layer.block || layer.plain_data) return Desc::plain(data_shape(batch));
  return Desc::tagged(data_shape(batch), layer.block == 8 ? kTag_nChw8c : kTag_nChw16c);
}

Desc ConvGeometry::given_result(Dim batch) const {
  if (!layer.block) return Desc::plain(result_shape(batch));
  return Desc::tagged(result_shape(batch), layer.block == 8 ? kTag_nChw8c : kTag_nChw16c);
}

Desc ConvGeometry::packed_weight() const {
  if (layer.plain_data)
    return Desc::tagged(weight_shape, layer.block == 8 ? kTag_Ohwi8o : kTag_Ohwi16o);
  return Desc::tagged(weight_shape, layer.block == 8 ? kTag_OIhw8i8o : kTag_OIhw16i16o);
}

Desc ConvGeometry::data_desc(Dim batch, Layout layout) const {
  if (layout == Layout::kGiven) return given_data(batch);
  return with_layout(data_shape(batch), layout);
}

Desc ConvGeometry::result_desc(Dim batch, Layout layout) const {
  if (layout == Layout::kGiven) return given_result(batch);
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
  // Of plain arrays, whose layout is not the primitive's, the residual is added afterwards.
  if (kind == ConvKind::kForward && !(layer.residual && !layer.block))
    attributes.finish_with(layer.residual, function_of(layer.activation), layer.alpha, layer.beta);
  Desc data = data_desc(batch, layout), result = result_desc(batch, layout);
  Desc weight = weights ? *weights
                : layer.packed && kind == ConvKind::kForward ? packed_weight()
                        : layout == Layout::kPlain ? Desc::plain(weight_shape) : Desc::any(weight_shape);
  const Dim *strides = layer.stride.data(), *pad = layer.pad.data();
  Operation forward;
  Desc bias_desc;
  if (bias) bias_desc = Desc::plain({layer.out_channels});
  check(api()->convolution_forward_primitive_desc_create(
      &forward.handle, api()->engine, kForwardTraining, kConvolutionDirect, data,
      kind == ConvKind::kForward ? weight : Desc::any(weight_shape), bias_desc, result, strides,
      dilates.data(), pad, pad, attributes));
  // The given blocks are a wish of the graph's: it asks before, and goes without where they are slow.
  auto refuse = [layout](const Operation& made) {
    if (layout == Layout::kGiven && made.is_reference()) throw Unsupported();
  };
  if (kind == ConvKind::kForward) {
    refuse(forward);
    return forward;
  }
  Operation backward;
  if (kind == ConvKind::kBackwardData)
    check(api()->convolution_backward_data_primitive_desc_create(
        &backward.handle, api()->engine, kConvolutionDirect, data, weight, result, strides,
        dilates.data(), pad, pad, forward.handle, attributes));
  else
    check(api()->convolution_backward_weights_primitive_desc_create(
        &backward.handle, api()->engine, kConvolutionDirect, data, weight, nullptr, result, strides,
        dilates.data(), pad, pad, forward.handle, attributes));
  refuse(backward);
  return backward;
}

namespace {

enum Base { kSource, kWeight, kBias, kResidual, kDestination, kShared, kLocal, kBases };

// One direction of a convolution over all images.
class ConvMap : public Stage {
 public:
  ConvMap(const Convolution& layer, Direction direction, Operand source, Operand weight,
          Operand destination, const Operand* bias, const Operand* residual);
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
  void residual_piece(void* const* bases, Dim chunk, bool before) const;

  ConvGeometry geometry_;
  ConvKind kind_;
  Operand source_, weight_, destination_, bias_, residual_;
  bool has_bias_, has_residual_;
  Layout layout_;
  Dim images_ = 1;      // of one chunk
  Dim parts_ = 1;       // a single image is cut into ranges of output channels instead
  Program chunk_, single_;
  SplitReorder prepare_;
  Desc weights_;        // as the primitives want them
  size_t shared_bytes_ = 0;
};

ConvMap::ConvMap(const Convolution& layer, Direction direction, Operand source, Operand weight,
                 Operand destination, const Operand* bias, const Operand* residual)
    : geometry_(layer),
      kind_(direction == Direction::kForward ? ConvKind::kForward : ConvKind::kBackwardData),
      source_(source), weight_(weight), destination_(destination),
      bias_(bias ? *bias : Operand{false, 0}), 
      residual_(residual ? *residual : Operand{false, 0}),
      has_bias_(bias != nullptr), has_residual_(residual != nullptr),
      layout_(choose_layout(layer, kind_)), chunk_(kLocal), single_(kLocal) {
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
    Dim most = (layer.batch + cores - 1) / cores;
    bool large = Desc::plain(geometry_.weight_shape).bytes() > kLargeWeights;
    images_ = large ? most : std::max<Dim>(1, std::min<Dim>(Dim(kChunkNs / image_ns), most));
  }
  build(&chunk_, images_, nullptr);
  if (layer.batch % images_ != 0) build(&single_, 1, &weights_);
}

Place ConvMap::weight_place(Program* program) {
  Desc plain = Desc::plain(geometry_.weight_shape);
  if (geometry_.layer.packed && kind_ == ConvKind::kForward)
    return {kWeight, 0, parts_ > 1 ? plain.bytes() : 0};
  if (parts_ > 1)  // every part has weights of its own
    return program->read_as(weights_, plain, {kWeight, 0, plain.bytes()});
  if (weights_ == plain) return {kWeight, 0, 0};
  if (prepare_.empty()) {
    shared_bytes_ = weights_.bytes();
    prepare_.build(plain, weights_, geometry_.weight_shape);
  }
  return {kShared, 0, 0};
}

void ConvMap::build(Program* program, Dim images, const Desc* weights) {
  bool forward = kind_ == ConvKind::kForward;
  bool fused_bias = forward && has_bias_;
  Operation operation = geometry_.operation(kind_, images, layout_, fused_bias, weights);
  if (!weights) weights_ = operation.desc(kQueryWeights);
  Place weight = weight_place(program);
  Desc data = geometry_.given_data(images), result = geometry_.given_result(images);
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

// Before: the residual goes to where the primitive adds to it. After: it is added here.
void ConvMap::residual_piece(void* const* bases, Dim chunk, bool before) const {
  if (!has_residual_ || before != (geometry_.layer.block != 0)) return;
  Dim image = Dim(geometry_.result_image_bytes() / sizeof(float));
  Dim begin = chunk, end = chunk + 1;
  if (parts_ == 1) {
    begin = chunk * images_;
    end = std::min(geometry_.layer.batch, begin + images_);
  }
  float* to = static_cast<float*>(bases[kDestination]) + begin * image;
  const float* from = static_cast<const float*>(bases[kResidual]) + begin * image;
  if (!before)
    add_residual(to, from, (end - begin) * image, geometry_.layer.activation == Activation::kRelu);
  else if (to != from)
    std::memcpy(to, from, size_t((end - begin) * image) * sizeof(float));
}

bool ConvMap::run_chunk(void* const* bases, Dim chunk) const {
  residual_piece(bases, chunk, true);
  if (parts_ > 1) {
    bool ran = chunk_.run(bases, size_t(chunk));
    residual_piece(bases, chunk, false);
    return ran;
  }
  Dim begin = chunk * images_, end = std::min(geometry_.layer.batch, begin + images_);
  bool good = true;
  if (end - begin == images_)
    good = chunk_.run(bases, size_t(begin));
  else
    for (Dim image = begin; good && image < end; ++image) good = single_.run(bases, size_t(image));
  if (has_bias_ && kind_ == ConvKind::kBackwardData) add_bias(bases, begin, end - begin);
  residual_piece(bases, chunk, false);
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
                 has_bias_ ? bias_.address(args) : nullptr,
                 has_residual_ ? residual_.address(args) : nullptr, destination_.address(args),
                 shared.data(), nullptr}};
  if (!prepare_.empty() && !prepare_.run(run.bases[kWeight], run.bases[kShared])) return false;
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
  ChannelSums(Dim batch, Dim channels, Dim plane, Dim block, Operand values, Operand sums)
      : batch_(batch), channels_(channels), plane_(plane), block_(block), values_(values), sums_(sums) {
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
    if (self.block_) return self.sum_blocks(run, begin, end);
    for (Dim c = begin; c < end; ++c) {
      float total = 0;
      for (Dim image = 0; image < self.batch_; ++image)
        total += sum_values(run->values + (image * self.channels_ + c) * self.plane_, self.plane_);
      run->sums[c] = total;
    }
  }

  void sum_blocks(const Run* run, Dim begin, Dim end) const {
    for (Dim c = begin; c < end; ++c) run->sums[c] = 0;
    for (Dim image = 0; image < batch_; ++image)
      for (Dim c = begin; c < end;) {  // ranges may begin within a block
        Dim lane = c % block_, lanes = std::min(block_ - lane, end - c);
        const float* at = run->values + (image * channels_ + c - lane) * plane_ + lane;
        for (Dim i = 0; i < plane_; ++i, at += block_)
          for (Dim k = 0; k < lanes; ++k) run->sums[c + k] += at[k];
        c += lanes;
      }
  }

  Dim batch_, channels_, plane_, block_;
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
                                     Operand weight, Operand destination, const Operand* bias,
                                     const Operand* residual) {
  bool backward = direction == Direction::kBackward;
  if (layer.winograd && !winograd_fits(layer)) throw Unsupported();
  if (layer.winograd || (!(backward && bias) &&
                         winograd_pays(layer, backward ? ConvKind::kBackwardData : ConvKind::kForward)))
    return make_winograd_map(layer, backward, source, weight, destination, bias, residual);
  if (product_pays(layer, backward ? ConvKind::kBackwardData : ConvKind::kForward))
    return make_product_map(layer, backward, source, weight, destination, bias);
  return std::unique_ptr<Stage>(
      new ConvMap(layer, direction, source, weight, destination, bias, residual));
}

Kernel* make_convolution(const Convolution& layer) {
  return build_staged([&](StagedKernel* kernel) {
    Operand bias = input(2), residual = input(layer.bias ? 3 : 2);
    kernel->add(make_conv_map(layer, Direction::kForward, input(0), input(1), output(0),
                              layer.bias ? &bias : nullptr, layer.residual ? &residual : nullptr));
  });
}

namespace {

// The weights of a blocked convolution in its own order.
class PackWeight : public Stage {
 public:
  explicit PackWeight(const Convolution& layer) {
    ConvGeometry geometry(layer);
    Desc plain = Desc::plain(geometry.weight_shape), packed = geometry.packed_weight();
    if (packed.bytes() != plain.bytes()) throw Unsupported();  // padded: no array of these has that shape
    reorder_.build(plain, packed, geometry.weight_shape);
    ns = double(plain.bytes()) / 8;
  }
  bool run(const RunArgs* args) const override { return reorder_.run(args->inputs[0], args->outputs[0]); }

 private:
  SplitReorder reorder_;
};

}  // namespace

Kernel* make_pack_weight(const Convolution& layer) {
  return build_staged([&](StagedKernel* kernel) {
    if (layer.winograd && !winograd_fits(layer)) throw Unsupported();
    kernel->add(layer.winograd ? make_winograd_pack(layer) : std::unique_ptr<Stage>(new PackWeight(layer)));
  });
}

int64_t preferred_block() {
  if (!api()) return 0;
  Convolution layer;
  layer.batch = 1;
  layer.in_channels = layer.out_channels = 64;
  layer.groups = 1;
  layer.in = layer.out = {56, 56};
  layer.kernel = {3, 3};
  layer.stride = layer.dilate = layer.pad = {1, 1};
  layer.bias = false;
  try {
    OneThread one;
    Desc chosen = ConvGeometry(layer).operation(ConvKind::kBackwardWeights, 1, Layout::kAny, false, nullptr).desc(kQuerySrc);
    for (int64_t block : {8, 16}) {
      layer.block = block;
      if (chosen == ConvGeometry(layer).given_data(1)) return block;
    }
  } catch (const Unsupported&) {
  }
  return 0;
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
          layer.batch, layer.out_channels, product(layer.out), layer.block, input(0), output(made++))));
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
          layer.batch, layer.in_channels, product(layer.in), 0, input(0), output(made++))));
  });
}

}  // namespace dnnl
}  // namespace weft
