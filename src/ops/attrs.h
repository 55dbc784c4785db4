#pragma once

#include <cmath>

#include "autograd/attrs.h"
#include "ingot/dtype.h"

// The attributes of every op. Each struct lists its fields once; printing, parsing, comparing and storing follow.
namespace ingot {

struct AlphaAttrs {  // leaky_relu's slope, elu's scale
  double alpha = 0;
  static constexpr auto fields = std::tuple{field("alpha", &AlphaAttrs::alpha)};
};

struct ClampAttrs {
  double low = -INFINITY, high = INFINITY;
  static constexpr auto fields = std::tuple{field("low", &ClampAttrs::low), field("high", &ClampAttrs::high)};
};

struct CastAttrs {
  DType dtype = DType::f32;
  static constexpr auto fields = std::tuple{field("dtype", &CastAttrs::dtype)};
};

struct SizeAttrs {
  Dim value = 0;
  DType dtype = DType::f32;
  static constexpr auto fields = std::tuple{field("value", &SizeAttrs::value), field("dtype", &SizeAttrs::dtype)};
};

struct ReduceAttrs {
  std::vector<int64_t> dims;  // ascending, not negative
  bool keepdim = false;
  static constexpr auto fields = std::tuple{field("dims", &ReduceAttrs::dims), field("keepdim", &ReduceAttrs::keepdim)};
};

struct DimAttrs {  // argmax, softmax, concat
  int64_t dim = 0;
  static constexpr auto fields = std::tuple{field("dim", &DimAttrs::dim)};
};

struct CrossEntropyAttrs {
  int64_t ignore_index = -100;
  double label_smoothing = 0;
  static constexpr auto fields = std::tuple{field("ignore_index", &CrossEntropyAttrs::ignore_index),
                                            field("label_smoothing", &CrossEntropyAttrs::label_smoothing)};
};

struct ShapeAttrs {  // reshape, expand
  Shape shape;
  static constexpr auto fields = std::tuple{field("shape", &ShapeAttrs::shape)};
};

struct PermuteAttrs {
  std::vector<int64_t> dims;
  static constexpr auto fields = std::tuple{field("dims", &PermuteAttrs::dims)};
};

struct SliceAttrs {
  int64_t dim = 0;
  Dim start = 0, end = 0;  // within the size
  int64_t step = 1;
  static constexpr auto fields = std::tuple{field("dim", &SliceAttrs::dim), field("start", &SliceAttrs::start),
                                            field("end", &SliceAttrs::end), field("step", &SliceAttrs::step)};
};

struct SliceGradAttrs : SliceAttrs {
  Shape shape;  // of the tensor that was sliced
  static constexpr auto fields = std::tuple_cat(SliceAttrs::fields, std::tuple{field("shape", &SliceGradAttrs::shape)});
};

struct PadAttrs {
  std::vector<int64_t> before, after;  // by dimension
  double value = 0;
  static constexpr auto fields = std::tuple{field("before", &PadAttrs::before), field("after", &PadAttrs::after),
                                            field("value", &PadAttrs::value)};
};

struct IndexAttrs {  // gather
  int64_t dim = 0;
  static constexpr auto fields = std::tuple{field("dim", &IndexAttrs::dim)};
};

struct ScatterAttrs {
  int64_t dim = 0;
  Shape shape;
  static constexpr auto fields = std::tuple{field("dim", &ScatterAttrs::dim), field("shape", &ScatterAttrs::shape)};
};

struct Conv2dAttrs {
  Pair stride{1};
  Pads padding{0};
  Pair dilation{1};
  int64_t groups = 1;
  static constexpr auto fields =
      std::tuple{field("stride", &Conv2dAttrs::stride), field("padding", &Conv2dAttrs::padding),
                 field("dilation", &Conv2dAttrs::dilation), field("groups", &Conv2dAttrs::groups)};
  ConvGeometry geometry() const {
    return {.stride = stride, .dilation = dilation, .padding = padding, .groups = groups};
  }
};

struct ConvGradAttrs : Conv2dAttrs {
  Shape shape;  // of the gradient: the input's or the weight's
  static constexpr auto fields = std::tuple_cat(Conv2dAttrs::fields, std::tuple{field("shape", &ConvGradAttrs::shape)});
};

struct ConvFusedAttrs : Conv2dAttrs {
  Activation activation = Activation::none;
  double alpha = 0;
  static constexpr auto fields = std::tuple_cat(
      Conv2dAttrs::fields,
      std::tuple{field("activation", &ConvFusedAttrs::activation), field("alpha", &ConvFusedAttrs::alpha)});
};

struct DepthwisePointwiseAttrs : ConvFusedAttrs {  // of the depthwise convolution; the 1x1 has an activation alone
  Activation pointwise_activation = Activation::none;
  double pointwise_alpha = 0;
  static constexpr auto fields = std::tuple_cat(
      ConvFusedAttrs::fields, std::tuple{field("pointwise_activation", &DepthwisePointwiseAttrs::pointwise_activation),
                                         field("pointwise_alpha", &DepthwisePointwiseAttrs::pointwise_alpha)});
};

struct ConvSiblingsAttrs : Conv2dAttrs {  // of all; each has an activation of its own
  std::vector<Activation> activations;    // of each, or nothing for none anywhere
  std::vector<double> alphas;             // of each, or nothing for 0 everywhere
  static constexpr auto fields = std::tuple_cat(
      Conv2dAttrs::fields,
      std::tuple{field("activations", &ConvSiblingsAttrs::activations), field("alphas", &ConvSiblingsAttrs::alphas)});
  /// Of one sibling.
  ConvFusedAttrs of(size_t i) const {
    ConvFusedAttrs out;
    static_cast<Conv2dAttrs&>(out) = *this;
    if (!activations.empty()) out.activation = activations[i];
    if (!alphas.empty()) out.alpha = alphas[i];
    return out;
  }
};

struct LinearFusedAttrs {
  Activation activation = Activation::none;
  double alpha = 0;
  static constexpr auto fields =
      std::tuple{field("activation", &LinearFusedAttrs::activation), field("alpha", &LinearFusedAttrs::alpha)};
};

struct LayerNormAttrs {
  double eps = 1e-5;
  static constexpr auto fields = std::tuple{field("eps", &LayerNormAttrs::eps)};
};

struct ActivationGradAttrs {
  Activation activation = Activation::none;
  double alpha = 0;
  static constexpr auto fields =
      std::tuple{field("activation", &ActivationGradAttrs::activation), field("alpha", &ActivationGradAttrs::alpha)};
};

struct BatchNormAttrs {
  double eps = 1e-5;
  static constexpr auto fields = std::tuple{field("eps", &BatchNormAttrs::eps)};
};

struct BatchNormFusedAttrs {
  double eps = 1e-5;
  bool relu = false;
  static constexpr auto fields =
      std::tuple{field("eps", &BatchNormFusedAttrs::eps), field("relu", &BatchNormFusedAttrs::relu)};
};

struct BatchNormGradAttrs : BatchNormFusedAttrs {
  bool residual = false;  // it was added, and its gradient is a result
  static constexpr auto fields =
      std::tuple_cat(BatchNormFusedAttrs::fields, std::tuple{field("residual", &BatchNormGradAttrs::residual)});
};

struct PoolAttrs {
  Pair kernel{2}, stride{2}, dilation{1};
  Pads padding{0};
  bool ceil_mode = false, count_include_pad = true;
  static constexpr auto fields =
      std::tuple{field("kernel", &PoolAttrs::kernel),       field("stride", &PoolAttrs::stride),
                 field("dilation", &PoolAttrs::dilation),   field("padding", &PoolAttrs::padding),
                 field("ceil_mode", &PoolAttrs::ceil_mode), field("count_include_pad", &PoolAttrs::count_include_pad)};
  PoolGeometry geometry() const {
    return {.kernel = kernel, .stride = stride, .dilation = dilation, .padding = padding};
  }
};

struct PoolGradAttrs : PoolAttrs {
  Shape shape;  // of the pooled tensor
  static constexpr auto fields = std::tuple_cat(PoolAttrs::fields, std::tuple{field("shape", &PoolGradAttrs::shape)});
};

struct AdaptivePoolAttrs {
  Pair output{1};
  static constexpr auto fields = std::tuple{field("output", &AdaptivePoolAttrs::output)};
};

struct DropoutAttrs {
  double p = 0.5;
  uint64_t key = 0, counter = 0;
  static constexpr auto fields = std::tuple{field("p", &DropoutAttrs::p), field("key", &DropoutAttrs::key),
                                            field("counter", &DropoutAttrs::counter)};
};

}  // namespace ingot
