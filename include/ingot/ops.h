#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "ingot/autograd.h"
#include "ingot/geometry.h"
#include "ingot/tensor.h"

// Functions on tensors. All of them run eagerly, are recorded for gradients where an input requires one, and can be
// traced. Operands of one call share a dtype (f32, f64 or bf16 unless said otherwise); cast() first where they differ.
// Errors begin with the op's name and the path of the module that is running.
namespace ingot {

// ---- Elementwise, with NumPy's broadcasting. A double on either side takes the tensor's dtype.

Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
Tensor pow(const Tensor& a, const Tensor& b);
/// NaN wins; at equality the gradient is halved between both.
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);

inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
#define INGOT_WITH_SCALAR(name)                                                           \
  inline Tensor name(const Tensor& a, double b) { return name(a, scalar(b, a.dtype())); } \
  inline Tensor name(double a, const Tensor& b) { return name(scalar(a, b.dtype()), b); }
INGOT_WITH_SCALAR(pow)
INGOT_WITH_SCALAR(maximum)
INGOT_WITH_SCALAR(minimum)
INGOT_WITH_SCALAR(operator+)
INGOT_WITH_SCALAR(operator-)
INGOT_WITH_SCALAR(operator*)
INGOT_WITH_SCALAR(operator/)

/// Comparisons give bool and no gradient.
Tensor eq(const Tensor& a, const Tensor& b);
Tensor ne(const Tensor& a, const Tensor& b);
Tensor lt(const Tensor& a, const Tensor& b);
Tensor le(const Tensor& a, const Tensor& b);
Tensor gt(const Tensor& a, const Tensor& b);
Tensor ge(const Tensor& a, const Tensor& b);
inline Tensor operator<(const Tensor& a, const Tensor& b) { return lt(a, b); }
inline Tensor operator<=(const Tensor& a, const Tensor& b) { return le(a, b); }
inline Tensor operator>(const Tensor& a, const Tensor& b) { return gt(a, b); }
inline Tensor operator>=(const Tensor& a, const Tensor& b) { return ge(a, b); }
INGOT_WITH_SCALAR(eq)
INGOT_WITH_SCALAR(ne)
INGOT_WITH_SCALAR(operator<)
INGOT_WITH_SCALAR(operator<=)
INGOT_WITH_SCALAR(operator>)
INGOT_WITH_SCALAR(operator>=)
#undef INGOT_WITH_SCALAR
/// a where the bool `condition` holds, b elsewhere; the three broadcast.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);

Tensor neg(const Tensor& x);
inline Tensor operator-(const Tensor& x) { return neg(x); }
Tensor abs(const Tensor& x);
Tensor sign(const Tensor& x);
Tensor square(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor rsqrt(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor reciprocal(const Tensor& x);
Tensor floor(const Tensor& x);
Tensor erf(const Tensor& x);
Tensor expm1(const Tensor& x);
Tensor log1p(const Tensor& x);
/// log(1 + e^x), without overflow.
Tensor softplus(const Tensor& x);
/// min(max(x, low), high); the gradient passes where low <= x <= high.
Tensor clamp(const Tensor& x, double low, double high);

Tensor relu(const Tensor& x);
Tensor relu6(const Tensor& x);
Tensor leaky_relu(const Tensor& x, double slope = 0.01);
Tensor elu(const Tensor& x, double alpha = 1.0);
Tensor sigmoid(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor silu(const Tensor& x);
Tensor gelu(const Tensor& x);       // by erf
Tensor gelu_tanh(const Tensor& x);  // by tanh: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
/// Klambauer et al. 2017: scale * elu(x, alpha) with constants that keep mean 0 and variance 1.
Tensor selu(const Tensor& x);
/// x above 0, slope * x elsewhere; the slope has one element, or one per channel (dimension 1). He et al. 2015.
Tensor prelu(const Tensor& x, const Tensor& slope);
Tensor hardswish(const Tensor& x);
Tensor hardsigmoid(const Tensor& x);
Tensor mish(const Tensor& x);
/// Any of them by its kind, as fused ops and configs name them.
Tensor activate(const Tensor& x, Activation kind, double alpha = 0.0);

/// To another dtype, rounding to nearest even; its gradient is cast back.
Tensor cast(const Tensor& x, DType dtype);

// ---- Reductions over `dims` (all where empty). Kept dimensions have size 1.

Tensor sum(const Tensor& x, std::vector<int64_t> dims = {}, bool keepdim = false);
Tensor mean(const Tensor& x, std::vector<int64_t> dims = {}, bool keepdim = false);
/// Ties share the gradient evenly.
Tensor amax(const Tensor& x, std::vector<int64_t> dims = {}, bool keepdim = false);
Tensor amin(const Tensor& x, std::vector<int64_t> dims = {}, bool keepdim = false);
/// Population variance (correction 0) or Bessel's (1).
Tensor var(const Tensor& x, std::vector<int64_t> dims = {}, int64_t correction = 1, bool keepdim = false);
/// Index (i64) of the largest element along `dim`, the first of ties.
Tensor argmax(const Tensor& x, int64_t dim = -1, bool keepdim = false);
/// Sums what broadcasting spread: the result has `shape`.
Tensor sum_to(const Tensor& x, const Shape& shape);

// ---- Shapes. Views share storage where strides allow.

/// One size may be -1 (the rest) and a 0 keeps the size at its place.
Tensor reshape(const Tensor& x, const Shape& shape);
Tensor flatten(const Tensor& x, int64_t start_dim = 0, int64_t end_dim = -1);
Tensor permute(const Tensor& x, std::vector<int64_t> dims);
Tensor transpose(const Tensor& x, int64_t a, int64_t b);
Tensor squeeze(const Tensor& x, int64_t dim);
Tensor unsqueeze(const Tensor& x, int64_t dim);
/// Repeats sizes of 1 without copying. -1 keeps a size.
Tensor expand(const Tensor& x, const Shape& shape);
/// x[..., start:end:step, ...] along `dim`; negative bounds count from the end, bounds outside are clamped, step >= 1.
Tensor slice(const Tensor& x, int64_t dim, int64_t start, int64_t end, int64_t step = 1);
/// x[..., index, ...] with the dimension removed.
Tensor select(const Tensor& x, int64_t dim, int64_t index);
Tensor concat(const std::vector<Tensor>& parts, int64_t dim);
Tensor stack(const std::vector<Tensor>& parts, int64_t dim = 0);
/// Adds before[d] and after[d] elements of `value` at both ends of each dimension; negative numbers cut off.
Tensor pad(const Tensor& x, std::vector<int64_t> before, std::vector<int64_t> after, double value = 0);
/// What lies outside a tensor: a constant; its mirror image without (reflect) or with (replicate: only) its edge
/// repeated; or the tensor itself again (circular).
enum class PadMode : uint8_t { constant, reflect, replicate, circular };
/// As pad(). Throws Error where a mirror image would reach past the opposite edge.
Tensor pad(const Tensor& x, const std::vector<int64_t>& before, const std::vector<int64_t>& after, PadMode mode);
/// [N,C*r*r,H,W] -> [N,C,H*r,W*r], Shi et al. 2016, and its inverse.
Tensor pixel_shuffle(const Tensor& x, int64_t upscale_factor);
Tensor pixel_unshuffle(const Tensor& x, int64_t downscale_factor);
/// Channels of g groups dealt out in turn: [N,g*n,...] as [N,n*g,...]. Zhang et al. 2018.
Tensor channel_shuffle(const Tensor& x, int64_t groups);
/// Dense in the default layout; the tensor itself where it is so already.
Tensor contiguous(const Tensor& x);
/// out[i][j] = x[index[i][j]][j] for dim 0, and so on; index i64, same rank. Throws Error where an index is outside.
Tensor gather(const Tensor& x, int64_t dim, const Tensor& index);
/// x's places `index` (i64, one dimension) along `dim`, in that order.
Tensor index_select(const Tensor& x, int64_t dim, const Tensor& index);
/// One row per index (i64): [n, classes] of 0 and 1.
Tensor one_hot(const Tensor& index, int64_t classes, DType dtype = DType::f32);

// ---- Products

/// [..., M, K] x [..., K, N] -> [..., M, N]; leading dimensions broadcast; 1-D operands as in PyTorch.
Tensor matmul(const Tensor& a, const Tensor& b);
/// y = x weight^T + bias: x [..., I], weight [O, I], bias [O] or none.
Tensor linear(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias = {});

struct Conv2dOptions {
  Pair stride{1};
  Pads padding{0};
  Pair dilation{1};
  int64_t groups = 1;
};
/// 2-D convolution (cross-correlation, as in every framework):
///   y[n,o,i,j] = bias[o] + sum_{c,u,v} x[n,c, i*stride+u*dilation-pad, j*...] * weight[o,c,u,v]
/// x [N,C,H,W], weight [O,C/groups,KH,KW], bias [O] or none; result [N,O,H',W'] with
/// H' = floor((H + pad_top + pad_bottom - dilation*(KH-1) - 1) / stride) + 1.
/// Throws Error if C, O or the weight do not divide by `groups`, or H' or W' would be less than 1.
Tensor conv2d(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias = {},
              const Conv2dOptions& options = {});
struct Conv1dOptions {
  int64_t stride = 1, padding = 0, dilation = 1, groups = 1;
};
/// x [N,C,L], weight [O,C/groups,K], bias [O] or none; result [N,O,L'].
Tensor conv1d(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias = {},
              const Conv1dOptions& options = {});
struct Conv3dOptions {
  Triple stride{1}, padding{0}, dilation{1};
  int64_t groups = 1;
};
/// x [N,C,D,H,W], weight [O,C/groups,KD,KH,KW], bias [O] or none; result [N,O,D',H',W']. It gathers KD copies of x.
Tensor conv3d(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias = {},
              const Conv3dOptions& options = {});
struct ConvTranspose2dOptions {
  Pair stride{1};
  Pads padding{0};
  Pair output_padding{0};
  Pair dilation{1};
  int64_t groups = 1;
};
/// The transpose of conv2d as a linear map: x [N,C,H,W], weight [C,O/groups,KH,KW], bias [O] or none; result
/// [N,O,H',W'] with H' = (H-1)*stride - pad_top - pad_bottom + dilation*(KH-1) + output_padding + 1.
/// Throws Error unless output_padding is smaller than the stride or the dilation.
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias = {},
                        const ConvTranspose2dOptions& options = {});
/// activation(conv2d(x, weight, bias) + residual), fused. residual has the result's shape, or none.
Tensor conv2d_fused(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias,
                    const std::optional<Tensor>& residual, const Conv2dOptions& options, Activation activation,
                    double alpha = 0.0);
/// activation(linear(x, weight, bias)), fused.
Tensor linear_fused(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias, Activation activation,
                    double alpha = 0.0);

// ---- Normalisation

struct BatchNormResult {
  Tensor y, mean, var;  // mean and biased variance of the batch, per channel, for the module's running statistics
};
/// Training: y = (x - mean) / sqrt(var + eps) * gamma + beta per channel (dimension 1) with the batch's statistics.
/// x [N,C,...], gamma and beta [C] or none. Ioffe & Szegedy 2015. Differentiates twice; mean and var carry no gradient.
BatchNormResult batch_norm_train(const Tensor& x, const std::optional<Tensor>& gamma, const std::optional<Tensor>& beta,
                                 double eps = 1e-5);
/// The same fused with a residual and a ReLU: y = relu(bn(x) + residual).
BatchNormResult batch_norm_train_fused(const Tensor& x, const std::optional<Tensor>& gamma,
                                       const std::optional<Tensor>& beta, const std::optional<Tensor>& residual,
                                       bool relu, double eps = 1e-5);
/// Inference: the same with given statistics [C].
Tensor batch_norm(const Tensor& x, const Tensor& mean, const Tensor& var, const std::optional<Tensor>& gamma,
                  const std::optional<Tensor>& beta, double eps = 1e-5);
/// relu(batch_norm(...)), fused.
Tensor batch_norm_relu(const Tensor& x, const Tensor& mean, const Tensor& var, const std::optional<Tensor>& gamma,
                       const std::optional<Tensor>& beta, double eps = 1e-5);

/// y = (x - mean) / sqrt(var + eps) * gamma + beta over the last dimensions, whose sizes are `normalized_shape`; gamma
/// and beta of that shape, or none. Ba et al. 2016. Differentiates twice.
Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const std::optional<Tensor>& gamma = {},
                  const std::optional<Tensor>& beta = {}, double eps = 1e-5);
/// The same over each sample's channels by groups, x [N,C,...]; gamma and beta [C]. Wu & He 2018.
Tensor group_norm(const Tensor& x, int64_t groups, const std::optional<Tensor>& gamma = {},
                  const std::optional<Tensor>& beta = {}, double eps = 1e-5);
/// The same over each sample's channels one by one, x [N,C,d...]. Ulyanov et al. 2016.
Tensor instance_norm(const Tensor& x, const std::optional<Tensor>& gamma = {}, const std::optional<Tensor>& beta = {},
                     double eps = 1e-5);

// ---- Pooling over [N,C,H,W]

struct PoolOptions {
  Pair kernel{2};
  std::optional<Pair> stride;  // none: the kernel
  Pads padding{0};
  Pair dilation{1};  // max only
  bool ceil_mode = false;
  bool count_include_pad = true;  // average only
};
Tensor max_pool2d(const Tensor& x, const PoolOptions& options);
Tensor avg_pool2d(const Tensor& x, const PoolOptions& options);
/// Bins as PyTorch cuts them: [floor(i*H/H'), ceil((i+1)*H/H')).
Tensor adaptive_avg_pool2d(const Tensor& x, Pair output);

/// The first of equal maxima takes the gradient.
Tensor adaptive_max_pool2d(const Tensor& x, Pair output);

// ---- Pooling over [N,C,L] and [N,C,D,H,W]

struct Pool1dOptions {
  int64_t kernel = 2;
  std::optional<int64_t> stride;  // none: the kernel
  int64_t padding = 0, dilation = 1;
  bool ceil_mode = false;
  bool count_include_pad = true;
};
struct Pool3dOptions {
  Triple kernel{2};
  std::optional<Triple> stride;
  Triple padding{0}, dilation{1};
  bool ceil_mode = false;
  bool count_include_pad = true;
};
Tensor max_pool1d(const Tensor& x, const Pool1dOptions& options);
Tensor avg_pool1d(const Tensor& x, const Pool1dOptions& options);
Tensor max_pool3d(const Tensor& x, const Pool3dOptions& options);
Tensor avg_pool3d(const Tensor& x, const Pool3dOptions& options);
Tensor adaptive_avg_pool1d(const Tensor& x, int64_t output);
Tensor adaptive_avg_pool3d(const Tensor& x, Triple output);
Tensor adaptive_max_pool1d(const Tensor& x, int64_t output);
Tensor adaptive_max_pool3d(const Tensor& x, Triple output);
/// (sum of x^p over the window)^(1/p).
Tensor lp_pool1d(const Tensor& x, double norm_type, const Pool1dOptions& options);
Tensor lp_pool2d(const Tensor& x, double norm_type, const PoolOptions& options);

// ---- Resampling of [N,C,d...], one to three dimensions

enum class Interpolation : uint8_t { nearest, nearest_exact, linear, cubic };
struct InterpolateOptions {
  Interpolation mode = Interpolation::nearest;
  std::vector<int64_t> size;  // of the result, or else
  std::vector<double> scale_factor;
  bool align_corners = false;  // linear and cubic: the corners' centres meet, not the corners
};
/// Each output place reads the input at (i + 1/2) / scale - 1/2 (i / scale for nearest, i (n-1) / (n'-1) with
/// align_corners), scale = n'/n unless scale_factor gave it; linear and cubic (Keys 1981, a = -3/4) blend neighbours,
/// edges repeat. One value in size or scale_factor stands for all dimensions. No antialiasing. Sides must be numbers.
Tensor interpolate(const Tensor& x, const InterpolateOptions& options);

// ---- Softmax, dropout

Tensor softmax(const Tensor& x, int64_t dim = -1);
Tensor log_softmax(const Tensor& x, int64_t dim = -1);
/// x / (1-p) where kept, else 0. Which are kept is a function of (key, counter + sample, place in the sample): the same
/// for every layout, thread count and split of the batch. `counter` is the number of the batch's first sample.
Tensor dropout(const Tensor& x, double p, RandomKey key, uint64_t counter = 0);

// ---- Gradients

struct BackwardOptions {
  bool retain_graph = false;  // keep what backward saved for another pass
  bool create_graph = false;  // record the gradients too, for second derivatives; implies retain_graph
  /// Called before the first gradient with a predicate: which leaves this backward will reach.
  std::function<void(const std::function<bool(const Tensor& leaf)>& reaches)> on_start;
};
/// Adds d(output)/d(leaf) to the grad() of every leaf that requires one. `output` has one element unless `grad` is
/// given.
void backward(const Tensor& output, const Tensor& grad = {}, const BackwardOptions& options = {});
/// The gradients of `outputs` (weighted by `grads`; ones where empty) with respect to `inputs`; grad() stays untouched.
/// Undefined where no output depends on an input.
Tensors grad(const Tensors& outputs, const Tensors& inputs, const Tensors& grads = {},
             const BackwardOptions& options = {});

/// Writes `from` (cast and broadcast) over `to` in place; counts a write.
void copy_into(Tensor& to, const Tensor& from);
/// Sets every element in place.
void fill(Tensor& x, double value);

/// Compares gradients of sum(fn(inputs) * fixed random weights) with central differences in f64. Throws Error that
/// names the input, the element and both values where |analytic - numeric| > atol + rtol * |numeric|.
struct GradcheckOptions {
  double eps = 1e-6, atol = 1e-5, rtol = 1e-3;
  bool second = false;  // also check the gradient of the gradient
};
void gradcheck(const std::function<Tensors(const Tensors&)>& fn, const Tensors& inputs,
               const GradcheckOptions& options = {});

}  // namespace ingot
