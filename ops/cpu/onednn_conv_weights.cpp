// The gradient of a convolution's weights.
#include <algorithm>
#include <atomic>

#include "engine/core/engine.hpp"
#include "ops/cpu/onednn_conv.hpp"

namespace weft {
namespace dnnl {

namespace {

enum Base { kData, kGrad, kPartial, kResult, kLocal, kBases };

constexpr double kSerialNs = 80000;  // less work than this stays on one thread
constexpr double kChunkNs = 120000;  // images are grouped up to this much work
constexpr Dim kAddGrain = 16384;    // values
constexpr Dim kMostPartial = 1 << 25;  // values that all ranges together may sum into

struct Addition {
  float* total;
  const float* parts;
  Dim count, stride;  // values of a part; distance of parts
};

void add_parts(void* context, int64_t begin, int64_t end) {
  const Addition* addition = static_cast<Addition*>(context);
  for (Dim part = 0; part < addition->count; ++part) {
    const float* from = addition->parts + part * addition->stride;
    for (int64_t i = begin; i < end; ++i) addition->total[i] += from[i];
  }
}

// The images are cut into one range per core. Each range sums into weights of its own; the ranges
// are added in order, so that results do not depend on which thread did what.
class ConvWeights : public Stage {
 public:
  ConvWeights(const Convolution& layer, Operand data, Operand out_grad, Operand d_weight);
  bool run(const RunArgs* args) const override;

 private:
  struct Run {
    const ConvWeights* stage;
    void* bases[kBases];
    std::atomic<bool> good{true};
  };

  void build(Program* program, Dim images, const Desc* weights);
  static void run_ranges(void* context, int64_t begin, int64_t end);
  bool run_range(void** bases, Dim range) const;
  bool accumulate(void** bases, float* partial, bool first, const Program& program, Dim image) const;
  bool direct() const { return ranges_ == 1 && plain_; }
  void* partial_at(void* const* bases, Dim range) const {
    return static_cast<char*>(bases[kPartial]) + range * Dim(partial_bytes_);
  }

  ConvGeometry geometry_;
  Operand data_, out_grad_, d_weight_;
  Layout layout_;
  Dim ranges_, per_range_, images_;
  Program chunk_, single_;
  SplitReorder finish_;
  Desc weights_;
  bool plain_ = false;  // the primitives write the weights as the caller wants them
  size_t partial_bytes_ = 0;
};

ConvWeights::ConvWeights(const Convolution& layer, Operand data, Operand out_grad, Operand d_weight)
    : geometry_(layer), data_(data), out_grad_(out_grad), d_weight_(d_weight),
      layout_(choose_layout(layer, ConvKind::kBackwardWeights)),
      chunk_(kLocal), single_(kLocal) {
  double image_ns = geometry_.image_ns();
  ns = image_ns * double(layer.batch);
  ranges_ = ns < kSerialNs ? 1 : std::min<Dim>(layer.batch, std::max(1, core_count()));
  Dim values = Dim(Desc::plain(geometry_.weight_shape).bytes() / sizeof(float));
  ranges_ = std::max<Dim>(1, std::min(ranges_, kMostPartial / values));
  per_range_ = (layer.batch + ranges_ - 1) / ranges_;
  ranges_ = (layer.batch + per_range_ - 1) / per_range_;
  // Gemm-based plain primitives add up images themselves; the others are fastest on few images,
  // whose rearranged values still lie in the cache.
  images_ = layout_ == Layout::kPlain || layout_ == Layout::kGiven
                ? per_range_
                : std::max<Dim>(1, std::min<Dim>(per_range_, Dim(kChunkNs / image_ns)));
  build(&chunk_, images_, nullptr);
  if (per_range_ % images_ != 0 || layer.batch % per_range_ % images_ != 0)
    build(&single_, 1, &weights_);
  Desc wanted = Desc::plain(geometry_.weight_shape);
  plain_ = weights_ == wanted;
  partial_bytes_ = (weights_.bytes() + 63) / 64 * 64;
  if (!plain_) finish_.build(weights_, wanted, geometry_.weight_shape);
}

void ConvWeights::build(Program* program, Dim images, const Desc* weights) {
  Operation operation =
      geometry_.operation(ConvKind::kBackwardWeights, images, layout_, false, weights);
  if (!weights) weights_ = operation.desc(kQueryDiffWeights);
  Desc data = operation.desc(kQuerySrc), grad = operation.desc(kQueryDiffDst);
  Place from = program->read_as(data, geometry_.given_data(images),
                                {kData, 0, geometry_.data_image_bytes()});
  Place grad_from = program->read_as(grad, geometry_.given_result(images),
                                     {kGrad, 0, geometry_.result_image_bytes()});
  program->add(operation, {{kArgSrc, data, from}, {kArgDiffDst, grad, grad_from},
                           {kArgDiffWeights, weights_, {kPartial, 0, 0}}});
}

// Runs `program` at `image`; its weights become (first) or are added to `partial`.
bool ConvWeights::accumulate(void** bases, float* partial, bool first, const Program& program,
                             Dim image) const {
  if (first) {
    bases[kPartial] = partial;
    return program.run(bases, size_t(image));
  }
  Scratch more(partial_bytes_);
  if (!more.ok()) return false;
  bases[kPartial] = more.data();
  if (!program.run(bases, size_t(image))) return false;
  Addition addition{partial, static_cast<float*>(more.data()), 1, 0};
  add_parts(&addition, 0, int64_t(weights_.bytes() / sizeof(float)));
  return true;
}

bool ConvWeights::run_range(void** bases, Dim range) const {
  Dim begin = range * per_range_, end = std::min(geometry_.layer.batch, begin + per_range_);
  float* partial = static_cast<float*>(bases[kPartial]);
  bool good = true;
  for (Dim image = begin; good && image < end;) {
    bool whole = end - image >= images_;
    good = accumulate(bases, partial, image == begin, whole ? chunk_ : single_, image);
    image += whole ? images_ : 1;
  }
  return good;
}

void ConvWeights::run_ranges(void* context, int64_t begin, int64_t end) {
  Run* run = static_cast<Run*>(context);
  const ConvWeights* stage = run->stage;
  OneThread one;
  Scratch local(std::max(stage->chunk_.local_bytes(), stage->single_.local_bytes()));
  bool good = local.ok();
  for (int64_t range = begin; good && range < end; ++range) {
    void* bases[kBases];
    std::copy(run->bases, run->bases + kBases, bases);
    bases[kLocal] = local.data();
    bases[kPartial] = stage->direct() ? bases[kResult] : stage->partial_at(run->bases, range);
    good = stage->run_range(bases, range);
  }
  if (!good) run->good.store(false, std::memory_order_relaxed);
}

bool ConvWeights::run(const RunArgs* args) const {
  Scratch partials(direct() ? 0 : partial_bytes_ * size_t(ranges_));
  if (!partials.ok()) return false;
  Run run{this, {data_.address(args), out_grad_.address(args), partials.data(),
                 d_weight_.address(args), nullptr}};
  if (ranges_ == 1)
    run_ranges(&run, 0, 1);
  else
    parallel_for(ranges_, 1, &run_ranges, &run);
  if (!run.good.load(std::memory_order_relaxed)) return false;
  if (direct()) return true;
  int64_t count = int64_t(weights_.bytes() / sizeof(float));
  float* total = static_cast<float*>(partials.data());
  if (ranges_ > 1) {
    Dim stride = Dim(partial_bytes_ / sizeof(float));
    Addition addition{total, total + stride, ranges_ - 1, stride};
    parallel_for(count, kAddGrain, &add_parts, &addition);
  }
  if (plain_) {
    std::copy(total, total + count, static_cast<float*>(d_weight_.address(args)));
    return true;
  }
  return finish_.run(total, d_weight_.address(args));
}

}  // namespace

std::unique_ptr<Stage> make_conv_weights(const Convolution& layer, Operand data, Operand out_grad,
                                         Operand d_weight) {
  if (winograd_pays(layer, ConvKind::kBackwardWeights)) return make_winograd_weights(layer, data, out_grad, d_weight);
  if (product_pays(layer, ConvKind::kBackwardWeights)) return make_product_weights(layer, data, out_grad, d_weight);
  return std::unique_ptr<Stage>(new ConvWeights(layer, data, out_grad, d_weight));
}

}  // namespace dnnl
}  // namespace weft
