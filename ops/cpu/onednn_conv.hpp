// The three primitives of a convolution as stages of a kernel.
#pragma once

#include <memory>
#include <vector>

#include "ops/cpu/onednn.hpp"
#include "ops/cpu/onednn_program.hpp"

namespace weft {
namespace dnnl {

// Input or output number `index` of the kernel.
struct Operand {
  bool output;
  int index;
  void* address(const RunArgs* args) const {
    return output ? args->outputs[index] : args->inputs[index];
  }
};

inline Operand input(int index) { return {false, index}; }
inline Operand output(int index) { return {true, index}; }

// A part of a kernel that runs after the part before it.
struct Stage {
  double ns = 0;  // estimate, one core
  virtual ~Stage() = default;
  virtual bool run(const RunArgs* args) const = 0;
};

enum class Direction { kForward, kBackward };
enum class ConvKind { kForward, kBackwardData, kBackwardWeights };

// From the convolution's data to its result (forward), or the reverse: an image at a time, with
// the weights rearranged once. `bias` (optional) is added to the destination's channels.
std::unique_ptr<Stage> make_conv_map(const Convolution& layer, Direction direction, Operand source,
                                     Operand weight, Operand destination, const Operand* bias,
                                     const Operand* residual = nullptr);

// The gradient of the weights from the convolution's data and the gradient of its result.
std::unique_ptr<Stage> make_conv_weights(const Convolution& layer, Operand data, Operand out_grad,
                                         Operand d_weight);

// The same by Winograd's method, where winograd_fits().
bool winograd_fits(const Convolution& layer);
bool winograd_pays(const Convolution& layer, ConvKind kind);
std::unique_ptr<Stage> make_winograd_map(const Convolution& layer, bool backward, Operand source, Operand weight,
                                         Operand destination, const Operand* bias, const Operand* residual);
std::unique_ptr<Stage> make_winograd_weights(const Convolution& layer, Operand data, Operand out_grad,
                                             Operand d_weight);
std::unique_ptr<Stage> make_winograd_pack(const Convolution& layer);

// The same for plain arrays as products of gathered windows, where product_fits().
bool product_fits(const Convolution& layer);
bool product_pays(const Convolution& layer, ConvKind kind);
std::unique_ptr<Stage> make_product_map(const Convolution& layer, bool backward, Operand source, Operand weight,
                                        Operand destination, const Operand* bias);
std::unique_ptr<Stage> make_product_weights(const Convolution& layer, Operand data, Operand out_grad,
                                            Operand d_weight);

// The layouts that oneDNN works in for one of the primitives.
enum class Layout { kPlain, kChannelsLast, kAny, kGiven };  // kGiven: the arrays' own blocks
Layout choose_layout(const Convolution& layer, ConvKind kind);

// Shapes, and one primitive over `batch` images.
struct ConvGeometry {
  explicit ConvGeometry(const Convolution& layer);
  Operation operation(ConvKind kind, Dim batch, Layout layout, bool bias, const Desc* weights) const;
  Shape data_shape(Dim batch) const;
  Shape result_shape(Dim batch) const;
  Desc data_desc(Dim batch, Layout layout) const;
  Desc result_desc(Dim batch, Layout layout) const;
  Desc given_data(Dim batch) const;    // as the arrays are
  Desc given_result(Dim batch) const;
  Desc packed_weight() const;          // as a blocked forward convolution takes them
  size_t data_image_bytes() const;
  size_t result_image_bytes() const;
  double image_ns() const;

  Convolution layer;
  Shape weight_shape, dilates;
};

}  // namespace dnnl
}  // namespace weft
