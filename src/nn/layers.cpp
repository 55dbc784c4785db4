#include "ingot/init.h"
#include "ingot/nn.h"
#include "nn/activation.h"
#include "nn/refuse.h"
#include "nn/text.h"

namespace ingot {
namespace {

int64_t stride_of(const Pool1dOptions& p) { return p.stride.value_or(p.kernel); }
Pair stride_of(const PoolOptions& p) { return p.stride.value_or(p.kernel); }
Triple stride_of(const Pool3dOptions& p) { return p.stride.value_or(p.kernel); }

template <class Options>
std::string window_text(const Options& p) {
  return fmt::format("kernel_size={}, stride={}, padding={}", python_text(p.kernel), python_text(stride_of(p)),
                     python_text(p.padding));
}
template <class Options>
std::string max_text(const Options& p) {
  return fmt::format("{}, dilation={}, ceil_mode={}", window_text(p), python_text(p.dilation),
                     python_text(p.ceil_mode));
}
template <class Options>
std::string lp_text(double norm, const Options& p) {
  return fmt::format("norm_type={}, kernel_size={}, stride={}, ceil_mode={}", python_text(norm), python_text(p.kernel),
                     python_text(stride_of(p)), python_text(p.ceil_mode));
}

std::string_view name_of(Interpolation mode, size_t sides) {
  switch (mode) {
    case Interpolation::nearest:
      return "nearest";
    case Interpolation::nearest_exact:
      return "nearest-exact";
    case Interpolation::linear:
      return sides == 3 ? "trilinear" : sides == 2 ? "bilinear" : "linear";
    case Interpolation::cubic:
      return "bicubic";
  }
  return "";
}

}  // namespace

std::string MaxPool1d::extra_repr() const { return max_text(options); }
std::string MaxPool2d::extra_repr() const { return max_text(options); }
std::string MaxPool3d::extra_repr() const { return max_text(options); }
std::string AvgPool1d::extra_repr() const { return window_text(options); }
std::string AvgPool2d::extra_repr() const { return window_text(options); }
std::string AvgPool3d::extra_repr() const { return window_text(options); }
std::string LPPool1d::extra_repr() const { return lp_text(norm_type, options); }
std::string LPPool2d::extra_repr() const { return lp_text(norm_type, options); }
std::string AdaptiveAvgPool1d::extra_repr() const { return fmt::format("output_size={}", output_size); }
std::string AdaptiveAvgPool2d::extra_repr() const { return "output_size=" + python_tuple(output_size); }
std::string AdaptiveAvgPool3d::extra_repr() const { return "output_size=" + python_tuple(output_size); }
std::string AdaptiveMaxPool1d::extra_repr() const { return fmt::format("output_size={}", output_size); }
std::string AdaptiveMaxPool2d::extra_repr() const { return "output_size=" + python_tuple(output_size); }
std::string AdaptiveMaxPool3d::extra_repr() const { return "output_size=" + python_tuple(output_size); }

std::unique_ptr<Module> make_activation(Activation kind) {
  switch (kind) {
    case Activation::relu:
      return std::make_unique<ReLU>();
    case Activation::relu6:
      return std::make_unique<ReLU6>();
    case Activation::sigmoid:
      return std::make_unique<Sigmoid>();
    case Activation::tanh:
      return std::make_unique<Tanh>();
    case Activation::silu:
      return std::make_unique<SiLU>();
    case Activation::gelu:
      return std::make_unique<GELU>();
    case Activation::hardswish:
      return std::make_unique<Hardswish>();
    case Activation::hardsigmoid:
      return std::make_unique<Hardsigmoid>();
    case Activation::mish:
      return std::make_unique<Mish>();
    case Activation::none:
    case Activation::leaky_relu:
    case Activation::elu:
      break;
  }
  fail("a network's layers take an activation without parameters");
}

std::string LeakyReLU::extra_repr() const { return "negative_slope=" + python_text(negative_slope); }
std::string ELU::extra_repr() const { return "alpha=" + python_text(alpha); }
std::string GELU::extra_repr() const {
  return fmt::format("approximate='{}'", approximate == Approximate::none ? "none" : "tanh");
}
std::string Softplus::extra_repr() const {
  return fmt::format("beta={}, threshold={}", python_text(beta), python_text(threshold));
}
std::string Softmax::extra_repr() const { return fmt::format("dim={}", dim); }
std::string LogSoftmax::extra_repr() const { return fmt::format("dim={}", dim); }
std::string PReLU::extra_repr() const { return fmt::format("num_parameters={}", num_parameters); }

Tensor Softplus::forward(const Tensor& x) const {
  const Tensor scaled = beta == 1 ? x : x * beta;
  const Tensor y = softplus(scaled);
  return where(scaled > threshold, x, beta == 1 ? y : y * (1 / beta));
}

PReLU::PReLU(int64_t count, double start) : num_parameters(count), init(start) {
  require(count >= 1, "PReLU", "num_parameters is {}, it must be positive", count);
  parameter("weight", weight, empty({count}));
  draw_initial_values();
}
void PReLU::reset_parameters(RandomKey) { constant_(weight, init); }

std::string Flatten::extra_repr() const { return fmt::format("start_dim={}, end_dim={}", start_dim, end_dim); }

PadBase::PadBase(size_t sides, std::vector<int64_t> pads, PadMode how, double fill)
    : padding(std::move(pads)), mode(how), value(fill) {
  require(padding.size() == 2 * sides, "Pad", "{} values are given, {} sides need {}", padding.size(), sides,
          2 * sides);
}
Tensor PadBase::forward(const Tensor& x) const {
  const auto rank = static_cast<size_t>(x.rank()), sides = padding.size() / 2;
  require(rank > sides, type_name(), "x is {}, it must have more than {} dimensions", to_string(x.shape()), sides);
  std::vector<int64_t> before(rank), after(rank);
  for (size_t side = 0; side < sides; ++side) {
    before[rank - 1 - side] = padding[2 * side];
    after[rank - 1 - side] = padding[2 * side + 1];
  }
  return mode == PadMode::constant ? pad(x, before, after, value) : pad(x, before, after, mode);
}
std::string PadBase::extra_repr() const {
  std::string text = "(";
  for (size_t i = 0; i < padding.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(padding[i]);
  text += ")";
  return value == 0 ? text : fmt::format("padding={}, value={}", text, python_text(value));
}

std::string Upsample::extra_repr() const {
  const bool by_size = !options.size.empty();
  const size_t sides = by_size ? options.size.size() : options.scale_factor.size();
  std::string values;
  for (size_t i = 0; i < sides; ++i)
    values +=
        (i == 0 ? "" : ", ") + (by_size ? fmt::format("{}", options.size[i]) : python_text(options.scale_factor[i]));
  if (sides > 1) values = "(" + values + ")";
  return fmt::format("{}={}, mode='{}'", by_size ? "size" : "scale_factor", values,
                     name_of(options.mode, sides == 1 ? 2 : sides));
}
std::string PixelShuffle::extra_repr() const { return fmt::format("upscale_factor={}", upscale_factor); }
std::string PixelUnshuffle::extra_repr() const { return fmt::format("downscale_factor={}", downscale_factor); }
std::string ChannelShuffle::extra_repr() const { return fmt::format("groups={}", groups); }

Embedding::Embedding(int64_t count, int64_t dim, const EmbeddingOptions& o)
    : num_embeddings(count), embedding_dim(dim), padding_idx(o.padding_idx) {
  require(count > 0 && dim > 0, "Embedding", "{} embeddings of {} elements: both must be positive", count, dim);
  if (padding_idx) {
    require(*padding_idx >= -count && *padding_idx < count, "Embedding", "padding_idx {} is outside {} embeddings",
            *padding_idx, count);
    if (*padding_idx < 0) *padding_idx += count;
  }
  parameter("weight", weight, empty({count, dim}));
  draw_initial_values();
}
Tensor Embedding::forward(const Tensor& index) const {
  require(index.dtype() == DType::i64, "Embedding", "the index must be i64, it is {}", name_of(index.dtype()));
  Tensor rows = index_select(weight, 0, flatten(index));
  if (padding_idx)
    rows = where(unsqueeze(eq(flatten(index), scalar(static_cast<double>(*padding_idx), DType::i64)), 1), detach(rows),
                 rows);
  Shape shape = index.shape();
  shape.push_back(embedding_dim);
  return reshape(rows, shape);
}
void Embedding::reset_parameters(RandomKey key) {
  normal_(weight, 0, 1, parameter_key(key, "weight"));
  if (padding_idx) constant_(select(weight, 0, *padding_idx), 0);
}
std::string Embedding::extra_repr() const {
  const std::string text = fmt::format("{}, {}", num_embeddings, embedding_dim);
  return padding_idx ? fmt::format("{}, padding_idx={}", text, *padding_idx) : text;
}

}  // namespace ingot
