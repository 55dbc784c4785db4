#include "layer_case.h"

namespace ingot {
namespace {

class Golden : public testing::TestWithParam<LayerCase> {};
TEST_P(Golden, IsPyTorchs) { expect_golden_layer("layers", GetParam()); }
TEST_P(Golden, CopiesPrintsAndTraces) { expect_copies_prints_and_traces("layers", GetParam()); }

std::vector<LayerCase> layer_cases() {
  std::vector<LayerCase> all{
      {"Conv1d", layer<Conv1d>(4, 6, 3, Conv1dLayerOptions{.stride = 2, .padding = 1, .dilation = 2, .groups = 2})},
      {"Conv1d.circular", layer<Conv1d>(4, 3, 3, Conv1dLayerOptions{.padding = 1, .padding_mode = PadMode::circular})},
      {"Conv2d.same", layer<Conv2d>(4, 3, Pair(4, 2),
                                    ConvOptions{.padding = same_padding({4, 2}, {1, 2}), .dilation = {1, 2}})},
      {"Conv2d.reflect",
       layer<Conv2d>(
           4, 3, 3,
           ConvOptions{.stride = 2, .padding = {2, 1, 2, 1}, .bias = false, .padding_mode = PadMode::reflect})},
      {"Conv3d", layer<Conv3d>(4, 6, Triple(3, 2, 3),
                               Conv3dLayerOptions{.stride = {2, 1, 2}, .padding = {1, 0, 1}, .groups = 2})},
      {"Conv3d.dilated",
       layer<Conv3d>(4, 3, 2,
                     Conv3dLayerOptions{.padding = 1, .dilation = {2, 1, 1}, .padding_mode = PadMode::replicate})},
      {"ConvTranspose2d",
       layer<ConvTranspose2d>(
           4, 6, Pair(3, 2),
           ConvTransposeOptions{.stride = 2, .padding = {1, 0, 1, 0}, .output_padding = 1, .groups = 2})},
      {"ConvTranspose2d.dilated",
       layer<ConvTranspose2d>(4, 3, 3,
                              ConvTransposeOptions{.output_padding = {2, 0}, .bias = false, .dilation = 3})},
      {"Linear", layer<Linear>(6, 5)},
      {"BatchNorm1d", layer<BatchNorm1d>(4), true},
      {"BatchNorm3d", layer<BatchNorm3d>(4, BatchNormOptions{.momentum = {}}), true},
      {"BatchNorm3d.eval", layer<BatchNorm3d>(4, BatchNormOptions{.affine = false})},
      {"LayerNorm", layer<LayerNorm>(Shape{7, 6})},
      {"LayerNorm.plain", layer<LayerNorm>(6, LayerNormOptions{.eps = 1e-3, .elementwise_affine = false})},
      {"GroupNorm", layer<GroupNorm>(2, 4)},
      {"InstanceNorm1d", layer<InstanceNorm1d>(4, BatchNormOptions{.affine = true, .track_running_stats = false}),
       true},
      {"InstanceNorm2d", layer<InstanceNorm2d>(4), true},
      {"InstanceNorm2d.tracked", layer<InstanceNorm2d>(4, BatchNormOptions{}), true},
      {"InstanceNorm3d.tracked_eval", layer<InstanceNorm3d>(4, BatchNormOptions{.affine = false})},
      {"PReLU", layer<PReLU>(4)},
      {"PReLU.one", layer<PReLU>()},
      {"Softplus", layer<Softplus>(2.0, 1.0)},
      {"AdaptiveAvgPool1d", layer<AdaptiveAvgPool1d>(4)},
      {"AdaptiveAvgPool2d", layer<AdaptiveAvgPool2d>(Pair(3, 4))},
      {"AdaptiveAvgPool3d", layer<AdaptiveAvgPool3d>(Triple(2, 4, 3))},
      {"AdaptiveMaxPool1d", layer<AdaptiveMaxPool1d>(4)},
      {"AdaptiveMaxPool2d", layer<AdaptiveMaxPool2d>(Pair(3, 4))},
      {"AdaptiveMaxPool3d", layer<AdaptiveMaxPool3d>(Triple(2, 4, 3))},
      {"ReflectionPad1d", layer<ReflectionPad1d>(std::vector<int64_t>{2, 1})},
      {"ReflectionPad3d", layer<ReflectionPad3d>(std::vector<int64_t>{1, 2, 0, 1, 2, 1})},
      {"ReplicationPad2d", layer<ReplicationPad2d>(std::vector<int64_t>{1, 2, 3, 0})},
      {"ConstantPad3d", layer<ConstantPad3d>(std::vector<int64_t>{1, 2, 0, 1, 2, 1}, 0.5)},
      {"ZeroPad2d", layer<ZeroPad2d>(std::vector<int64_t>{1, 2, -1, 0})},
      {"Embedding", layer<Embedding>(7, 3, EmbeddingOptions{.padding_idx = -2})},
      {"MultiheadAttention", layer<MultiheadAttention>(8, 2)},
      {"MultiheadAttention.weights", layer<MultiheadAttention>(8, 4, MultiheadAttentionOptions{.batch_first = true}),
       false, [](Module& m, const Tensors& in) { return m.call(in)[1]; }},
      {"MultiheadAttention.kdim",
       layer<MultiheadAttention>(8, 2, MultiheadAttentionOptions{.bias = false, .kdim = 6, .vdim = 4})},
      {"MultiheadAttention.masked",
       layer<MultiheadAttention>(8, 2, MultiheadAttentionOptions{.add_bias_kv = true, .add_zero_attn = true}), false,
       [](Module& m, const Tensors& in) {
         const Tensor padding = from_vector<bool>({false, false, true, false, false, false, true, false, false, true},
                                                  {2, 5});
         const Tensor causal = gt(expand(unsqueeze(arange(5), 0), {3, 5}), unsqueeze(arange(3), 1) + 1.0);
         return dynamic_cast<MultiheadAttention&>(m)(in[0], in[1], in[2],
                                                     AttentionMasks{.key_padding = padding, .attention = causal})
             .first;
       }},
      {"TransformerEncoderLayer",
       layer<TransformerEncoderLayer>(8, 2, TransformerEncoderLayerOptions{.dim_feedforward = 12, .dropout = 0}), true},
      {"TransformerEncoderLayer.norm_first",
       layer<TransformerEncoderLayer>(8, 2,
                                      TransformerEncoderLayerOptions{.dim_feedforward = 12,
                                                                     .dropout = 0,
                                                                     .activation = Activation::gelu,
                                                                     .batch_first = true,
                                                                     .norm_first = true}),
       true},
      {"TransformerEncoder",
       [] {
         return std::make_unique<TransformerEncoder>(
             TransformerEncoderLayer(8, 2, {.dim_feedforward = 12, .dropout = 0}), 2, LayerNorm(8));
       },
       true},
  };
  for (const bool ceil : {false, true}) {
    const std::string tag = ceil ? ".ceil" : "";
    const Pool1dOptions one{.kernel = 3, .stride = 2, .padding = 1, .ceil_mode = ceil};
    Pool3dOptions three{.kernel = {2, 3, 2},
                        .stride = Triple(2, 2, 1),
                        .padding = {1, 1, 0},
                        .ceil_mode = ceil,
                        .count_include_pad = !ceil};
    all.push_back({"MaxPool1d" + tag, layer<MaxPool1d>(one)});
    all.push_back({"MaxPool3d" + tag, layer<MaxPool3d>(three)});
    all.push_back({"AvgPool1d" + tag, layer<AvgPool1d>(one)});
    all.push_back({"AvgPool3d" + tag, layer<AvgPool3d>(three)});
    all.push_back({"LPPool1d" + tag, layer<LPPool1d>(2.0, Pool1dOptions{.kernel = 3, .stride = 2, .ceil_mode = ceil})});
    all.push_back(
        {"LPPool2d" + tag, layer<LPPool2d>(2.0, PoolOptions{.kernel = {3, 2}, .stride = Pair(2), .ceil_mode = ceil})});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Layers, Golden, testing::ValuesIn(layer_cases()), layer_name);

// ---- Functions

class Resampling : public testing::TestWithParam<GoldenCase> {};
TEST_P(Resampling, IsPyTorchs) { expect_golden("layers", GetParam()); }

std::vector<GoldenCase> resampling_cases() {
  const auto resize = [](const std::string& name, const InterpolateOptions& options) {
    return GoldenCase{"interpolate." + name, [options](const Tensors& in) { return interpolate(in[0], options); }};
  };
  const auto padding = [](const std::string& name, PadMode mode) {
    return GoldenCase{"pad." + name,
                      [mode](const Tensors& in) { return pad(in[0], {0, 0, 1, 2}, {0, 0, 3, 1}, mode); }};
  };
  using enum Interpolation;
  return {
      resize("nearest.1", {.mode = nearest, .size = {8}}),
      resize("nearest-exact.1", {.mode = nearest_exact, .size = {8}}),
      resize("linear.1", {.mode = linear, .size = {8}}),
      resize("nearest.2", {.mode = nearest, .size = {7, 3}}),
      resize("nearest.scale", {.scale_factor = {2}}),
      resize("bilinear.2", {.mode = linear, .size = {7, 3}}),
      resize("bicubic.2", {.mode = cubic, .size = {7, 3}}),
      resize("trilinear.3", {.mode = linear, .size = {5, 3, 4}}),
      resize("bilinear.corners", {.mode = linear, .size = {7, 3}, .align_corners = true}),
      resize("bicubic.corners", {.mode = cubic, .size = {7, 3}, .align_corners = true}),
      resize("bilinear.scale", {.mode = linear, .scale_factor = {1.7, 0.6}}),
      resize("bicubic.scale", {.mode = cubic, .scale_factor = {1.7, 0.6}}),
      padding("reflect", PadMode::reflect),
      padding("replicate", PadMode::replicate),
      padding("circular", PadMode::circular),
      {"pixel_shuffle", [](const Tensors& in) { return pixel_shuffle(in[0], 2); }},
      {"pixel_unshuffle", [](const Tensors& in) { return pixel_unshuffle(in[0], 2); }},
      {"channel_shuffle", [](const Tensors& in) { return channel_shuffle(in[0], 3); }},
      {"gelu_tanh", [](const Tensors& in) { return gelu_tanh(in[0]); }},
      {"selu", [](const Tensors& in) { return selu(in[0]); }},
  };
}

INSTANTIATE_TEST_SUITE_P(Functions, Resampling, testing::ValuesIn(resampling_cases()), [](const auto& info) {
  std::string name = golden_name(info);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace ingot
