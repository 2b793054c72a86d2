// Stages of a convolution by Winograd's method: groups of tiles, spread over the cores.
#include "ops/cpu/winograd.hpp"

#include <algorithm>
#include <atomic>

#include "engine/core/engine.hpp"
#include "ops/cpu/blocks.hpp"
#include "ops/cpu/onednn_conv.hpp"
#include "ops/cpu/target.hpp"

namespace weft {

namespace avx2 {
const WinogradLoops* winograd_table();
const BlockLoops* block_loops();
}  // namespace avx2

const WinogradLoops* winograd_loops() {
#if WEFT_HAVE_AVX2_TARGET
  if (cpu_has_avx2()) return avx2::winograd_table();
#endif
  return nullptr;
}

namespace dnnl {

namespace {

constexpr double kFlopsPerNs = 130;     // one core, in multiplications of the direct method
constexpr Dim kGroupTiles = 48;         // of one group: what it reads and writes stays in the cache
constexpr Dim kGradientTiles = 384;     // summed at once in the gradient of the weights

bool is(const Shape& shape, Dim value) {
  return shape.size() == 2 && shape[0] == value && shape[1] == value;
}

WinogradShape shape_of(const Convolution& layer, bool backward) {
  WinogradShape shape;
  shape.batch = layer.batch;
  shape.in_channels = backward ? layer.out_channels : layer.in_channels;
  shape.out_channels = backward ? layer.in_channels : layer.out_channels;
  for (int axis = 0; axis < 2; ++axis) {
    shape.in[axis] = backward ? layer.out[axis] : layer.in[axis];
    shape.out[axis] = backward ? layer.in[axis] : layer.out[axis];
    shape.pad[axis] = backward ? 2 - layer.pad[axis] : layer.pad[axis];
  }
  return shape;
}

double cost(const Convolution& layer) {
  return 18.0 * double(layer.batch * layer.in_channels) * double(layer.out_channels) *
         double(layer.out[0] * layer.out[1]) / kFlopsPerNs;
}

// Plain arrays are brought into blocks and back; blocked ones are used where they lie.
struct Reblocking {
  Dim blocks, plane;
  const float* from;
  float* to;
  bool blocked;  // the direction
  static void run(void* context, int64_t begin, int64_t end) {
    const Reblocking* self = static_cast<Reblocking*>(context);
    const BlockLoops* table = avx2::block_loops();
    for (int64_t i = begin; i < end; ++i)
      (self->blocked ? table->to_blocked : table->from_blocked)(
          self->from + i * self->plane * 8, self->plane, 8, self->to + i * self->plane * 8);
  }
};

void reblock(Dim blocks, Dim plane, const float* from, float* to, bool blocked) {
  Reblocking work{blocks, plane, from, to, blocked};
  parallel_for(blocks, std::max<Dim>(1, 16384 / plane), &Reblocking::run, &work);
}

class WinogradMap : public Stage {
 public:
  WinogradMap(const Convolution& layer, bool backward, Operand source, Operand weight,
              Operand destination, const Operand* bias, const Operand* residual)
      : shape_(shape_of(layer, backward)), backward_(backward), plain_(layer.block == 0),
        transformed_(layer.winograd && !backward), relu_(layer.activation == Activation::kRelu),
        source_(source), weight_(weight), destination_(destination),
        bias_(bias ? *bias : Operand{false, -1}), residual_(residual ? *residual : Operand{false, -1}) {
    ns = cost(layer);
    tiles_ = shape_.batch * shape_.image_tiles();
    Dim cores = std::max(1, core_count());
    Dim groups = (tiles_ + kGroupTiles - 1) / kGroupTiles;
    if (tiles_ >= 2 * cores) groups = (groups + cores - 1) / cores * cores;
    group_ = (tiles_ + groups - 1) / groups;
  }

  bool run(const RunArgs* args) const override {
    Dim in_values = shape_.batch * shape_.in_channels * shape_.in[0] * shape_.in[1];
    Dim out_values = shape_.batch * shape_.out_channels * shape_.out[0] * shape_.out[1];
    Scratch source(plain_ ? size_t(in_values) * sizeof(float) : 0);
    Scratch result(plain_ ? size_t(out_values) * sizeof(float) : 0);
    Scratch residual(plain_ && residual_.index >= 0 ? size_t(out_values) * sizeof(float) : 0);
    Scratch weight(transformed_ ? 0 : size_t(shape_.weight_values()) * sizeof(float));
    if (!source.ok() || !result.ok() || !residual.ok() || !weight.ok()) return false;
    auto at = [args](const Operand& operand) {
      return operand.index < 0 ? nullptr : static_cast<float*>(operand.address(args));
    };
    Run run{this, at(source_), at(weight_), at(destination_), {at(bias_), at(residual_), relu_}};
    if (plain_) {
      Dim in_plane = shape_.in[0] * shape_.in[1], out_plane = shape_.out[0] * shape_.out[1];
      reblock(in_values / in_plane / 8, in_plane, run.source, static_cast<float*>(source.data()), true);
      run.source = static_cast<float*>(source.data());
      if (run.finish.residual) {
        reblock(out_values / out_plane / 8, out_plane, run.finish.residual, static_cast<float*>(residual.data()), true);
        run.finish.residual = static_cast<float*>(residual.data());
      }
      run.destination = static_cast<float*>(result.data());
    }
    if (!transformed_) {
      run.raw_weight = run.weight;
      run.weight = static_cast<float*>(weight.data());
      parallel_for(shape_.out_channels / 16, 1, &run_weights, &run);
    }
    parallel_for((tiles_ + group_ - 1) / group_, 1, &run_groups, &run);
    if (!run.good.load(std::memory_order_relaxed)) return false;
    if (plain_) {
      Dim plane = shape_.out[0] * shape_.out[1];
      reblock(out_values / plane / 8, plane, run.destination, at(destination_), false);
    }
    return true;
  }

 private:
  struct Run {
    const WinogradMap* stage;
    float *source, *weight, *destination;
    WinogradFinish finish;
    const float* raw_weight = nullptr;
    std::atomic<bool> good{true};
    Run(const WinogradMap* stage_, float* source_, float* weight_, float* destination_, WinogradFinish finish_)
        : stage(stage_), source(source_), weight(weight_), destination(destination_), finish(finish_) {}
  };

  static void run_weights(void* context, int64_t begin, int64_t end) {
    Run* run = static_cast<Run*>(context);
    for (int64_t panel = begin; panel < end; ++panel)
      winograd_loops()->weights(&run->stage->shape_, run->raw_weight, panel, run->stage->backward_, run->weight);
  }

  static void run_groups(void* context, int64_t begin, int64_t end) {
    Run* run = static_cast<Run*>(context);
    const WinogradMap& self = *run->stage;
    const WinogradShape& shape = self.shape_;
    const WinogradLoops* table = winograd_loops();
    Dim inner = kWinogradPoints * shape.in_channels * self.group_;
    Scratch local(size_t(inner + kWinogradPoints * shape.out_channels * self.group_) * sizeof(float));
    if (!local.ok()) {
      run->good.store(false, std::memory_order_relaxed);
      return;
    }
    float *v = static_cast<float*>(local.data()), *m = v + inner;
    for (int64_t group = begin; group < end; ++group) {
      Dim first = group * self.group_, count = std::min(self.group_, self.tiles_ - first);
      table->inputs(&shape, run->source, first, count, 0, shape.in_channels / 8, v);
      table->multiply(&shape, v, run->weight, count, m);
      table->results(&shape, m, first, count, &run->finish, run->destination);
    }
  }

  WinogradShape shape_;
  bool backward_, plain_, transformed_, relu_;
  Operand source_, weight_, destination_, bias_, residual_;
  Dim tiles_, group_;
};

class WinogradWeights : public Stage {
 public:
  WinogradWeights(const Convolution& layer, Operand data, Operand out_grad, Operand d_weight)
      : shape_(shape_of(layer, false)), plain_(layer.block == 0), data_(data), out_grad_(out_grad),
        d_weight_(d_weight) {
    ns = cost(layer);
    tiles_ = shape_.batch * shape_.image_tiles();
    Dim parts = (tiles_ + kGradientTiles - 1) / kGradientTiles;
    part_ = (tiles_ + parts - 1) / parts;
  }

  bool run(const RunArgs* args) const override {
    Dim in_plane = shape_.in[0] * shape_.in[1], out_plane = shape_.out[0] * shape_.out[1];
    Dim in_blocks = shape_.batch * shape_.in_channels / 8, out_blocks = shape_.batch * shape_.out_channels / 8;
    Scratch data(plain_ ? size_t(in_blocks * in_plane * 8) * sizeof(float) : 0);
    Scratch grad(plain_ ? size_t(out_blocks * out_plane * 8) * sizeof(float) : 0);
    Scratch v(size_t(kWinogradPoints * shape_.in_channels * part_) * sizeof(float));
    Scratch w(size_t(kWinogradPoints * shape_.out_channels * part_) * sizeof(float));
    if (!data.ok() || !grad.ok() || !v.ok() || !w.ok()) return false;
    Run run{this, static_cast<const float*>(data_.address(args)), static_cast<const float*>(out_grad_.address(args)),
            static_cast<float*>(d_weight_.address(args)), static_cast<float*>(v.data()), static_cast<float*>(w.data())};
    if (plain_) {
      reblock(in_blocks, in_plane, run.data, static_cast<float*>(data.data()), true);
      reblock(out_blocks, out_plane, run.grad, static_cast<float*>(grad.data()), true);
      run.data = static_cast<float*>(data.data());
      run.grad = static_cast<float*>(grad.data());
    }
    Dim ranges = (shape_.in_channels / 8 + kWinogradRange - 1) / kWinogradRange;
    for (run.first = 0; run.first < tiles_; run.first += part_) {
      run.count = std::min(part_, tiles_ - run.first);
      parallel_for((shape_.in_channels + shape_.out_channels) / 8, 1, &run_transforms, &run);
      parallel_for(shape_.out_channels / 16 * ranges, 1, &run_products, &run);
    }
    return run.good.load(std::memory_order_relaxed);
  }

 private:
  struct Run {
    const WinogradWeights* stage;
    const float *data, *grad;
    float *d_weight, *v, *w;
    Dim first = 0, count = 0;
    std::atomic<bool> good{true};
    Run(const WinogradWeights* stage_, const float* data_, const float* grad_, float* d_weight_, float* v_, float* w_)
        : stage(stage_), data(data_), grad(grad_), d_weight(d_weight_), v(v_), w(w_) {}
  };

  static void run_transforms(void* context, int64_t begin, int64_t end) {
    Run* run = static_cast<Run*>(context);
    const WinogradShape& shape = run->stage->shape_;
    Dim inputs = shape.in_channels / 8;
    if (begin < inputs)
      winograd_loops()->inputs(&shape, run->data, run->first, run->count, begin, std::min(end, inputs), run->v);
    if (end > inputs)
      winograd_loops()->gradients(&shape, run->grad, run->first, run->count, std::max<Dim>(begin - inputs, 0),
                                  end - inputs, run->w);
  }

  static void run_products(void* context, int64_t begin, int64_t end) {
    Run* run = static_cast<Run*>(context);
    const WinogradShape& shape = run->stage->shape_;
    Scratch local(size_t(kWinogradScratch) * sizeof(float));
    if (!local.ok()) {
      run->good.store(false, std::memory_order_relaxed);
      return;
    }
    Dim blocks = shape.in_channels / 8, ranges = (blocks + kWinogradRange - 1) / kWinogradRange;
    for (int64_t unit = begin; unit < end; ++unit) {
      Dim from = unit % ranges * kWinogradRange, to = std::min(blocks, from + kWinogradRange);
      winograd_loops()->weight_gradients(&shape, run->v, run->w, run->count, unit / ranges, from, to,
                                         run->first == 0, run->d_weight, static_cast<float*>(local.data()));
    }
  }

  WinogradShape shape_;
  bool plain_;
  Operand data_, out_grad_, d_weight_;
  Dim tiles_, part_;
};

class WinogradPack : public Stage {
 public:
  explicit WinogradPack(const Convolution& layer) : shape_(shape_of(layer, false)) {
    ns = double(shape_.weight_values()) / 2;
  }
  bool run(const RunArgs* args) const override {
    Run run{&shape_, static_cast<const float*>(args->inputs[0]), static_cast<float*>(args->outputs[0])};
    parallel_for(shape_.out_channels / 16, 1, &run_panels, &run);
    return true;
  }

 private:
  struct Run {
    const WinogradShape* shape;
    const float* weight;
    float* u;
  };
  static void run_panels(void* context, int64_t begin, int64_t end) {
    Run* run = static_cast<Run*>(context);
    for (int64_t panel = begin; panel < end; ++panel)
      winograd_loops()->weights(run->shape, run->weight, panel, false, run->u);
  }
  WinogradShape shape_;
};

}  // namespace

bool winograd_fits(const Convolution& layer) {
  return winograd_loops() && is(layer.kernel, 3) && is(layer.stride, 1) && is(layer.dilate, 1) &&
         layer.pad.size() == 2 && layer.pad[0] <= 2 && layer.pad[1] <= 2 && layer.groups == 1 &&
         layer.in_channels % 16 == 0 && layer.out_channels % 16 == 0 && !layer.plain_data && !layer.packed &&
         (layer.block == 0 || layer.block == 8) &&
         layer.relu_or_none();
}

std::unique_ptr<Stage> make_winograd_map(const Convolution& layer, bool backward, Operand source, Operand weight,
                                         Operand destination, const Operand* bias, const Operand* residual) {
  return std::unique_ptr<Stage>(new WinogradMap(layer, backward, source, weight, destination, bias, residual));
}

std::unique_ptr<Stage> make_winograd_weights(const Convolution& layer, Operand data, Operand out_grad,
                                             Operand d_weight) {
  return std::unique_ptr<Stage>(new WinogradWeights(layer, data, out_grad, d_weight));
}

std::unique_ptr<Stage> make_winograd_pack(const Convolution& layer) {
  return std::unique_ptr<Stage>(new WinogradPack(layer));
}

}  // namespace dnnl
}  // namespace weft
