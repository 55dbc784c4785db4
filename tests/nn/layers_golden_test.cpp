#include <fmt/format.h>

#include "golden.h"
#include "ingot/graph.h"
#include "ingot/nn.h"

// Layers beside PyTorch's, by scripts/golden.py: the names in their state, results, gradients and moved buffers.
namespace ingot {
namespace {

struct LayerCase {
  std::string name;
  std::function<std::unique_ptr<Module>()> make;
  bool train = false;
  std::function<Tensor(Module&, const Tensors&)> call = [](Module& m, const Tensors& in) { return m.call(in)[0]; };
};
void PrintTo(const LayerCase& c, std::ostream* out) { *out << c.name; }

template <class M, class... A>
std::function<std::unique_ptr<Module>()> layer(A... args) {
  return [=] { return std::make_unique<M>(args...); };
}

class Golden : public testing::TestWithParam<LayerCase> {};

TEST_P(Golden, IsPyTorchs) {
  const LayerCase& c = GetParam();
  const TensorMap& all = golden("layers");
  const auto below = [&](const std::string& part) {
    TensorsByName found;
    const std::string prefix = c.name + "/" + part + "/";
    for (auto it = all.lower_bound(prefix); it != all.end() && it->first.starts_with(prefix); ++it)
      found.emplace_back(it->first.substr(prefix.size()), it->second);
    return found;
  };
  ASSERT_TRUE(all.contains(c.name + "/out")) << c.name;
  for (const auto& [dtype, tolerance] : {std::pair(DType::f64, 1e-10), std::pair(DType::f32, 2e-5)}) {
    const auto module = c.make();
    module->to(dtype);
    module->train(c.train);
    module->load_state_dict(below("state"));
    Tensors in;
    for (int i = 0; all.contains(fmt::format("{}/in{}", c.name, i)); ++i) {
      const Tensor& x = all.at(fmt::format("{}/in{}", c.name, i));
      in.push_back(is_floating(x.dtype()) ? contiguous(cast(x, dtype)) : x);
    }
    const bool differentiable = all.contains(c.name + "/d0");
    if (differentiable) in[0].set_requires_grad();
    const Tensor out = c.call(*module, in);
    const std::string what = c.name + " in " + std::string(name_of(dtype));
    expect_close(out, all.at(c.name + "/out"), tolerance, what);
    backward(out, cast(all.at(c.name + "/grad"), dtype));
    if (differentiable) expect_close(in[0].grad(), all.at(c.name + "/d0"), tolerance, what + ", gradient");
    size_t gradients = 0;
    for (const auto& [name, parameter] : module->named_parameters()) {
      if (!all.contains(c.name + "/dstate/" + name)) continue;
      ++gradients;
      expect_close(parameter.grad(), all.at(c.name + "/dstate/" + name), tolerance, what + ", gradient of " + name);
    }
    EXPECT_EQ(gradients, below("dstate").size());
    for (const auto& [name, buffer] : below("after"))
      for (const auto& [own, value] : module->named_buffers())
        if (own == name) expect_close(value, buffer, tolerance, what + ", " + name);
  }
}

Tensors inputs_of(const LayerCase& c) {
  Tensors in;
  for (int i = 0; golden("layers").contains(fmt::format("{}/in{}", c.name, i)); ++i)
    in.push_back(golden("layers").at(fmt::format("{}/in{}", c.name, i)));
  return in;
}

// Whatever the layer: a deep copy, the printed form, and the graph of a trace with a first size that is open.
TEST_P(Golden, CopiesPrintsAndTraces) {
  const LayerCase& c = GetParam();
  const auto module = c.make();
  module->eval();
  const Tensors in = inputs_of(c);
  const NoGrad no_grad;
  const Tensor expected = c.call(*module, in);
  const auto same = [&](const Tensor& found) {
    EXPECT_THAT(found.to_vector<float>(), testing::Pointwise(testing::FloatNear(1e-5F), expected.to_vector<float>()));
  };
  const auto copy = module->clone();
  EXPECT_EQ(copy->str(), module->str());
  EXPECT_TRUE(module->str().starts_with(std::string(module->type_name()) + "(")) << module->str();
  for (Tensor& parameter : module->parameters()) fill(parameter, 0);
  same(c.call(*copy, in));

  std::vector<InputSpec> specs;
  for (size_t i = 0; i < in.size(); ++i)
    specs.push_back({.name = fmt::format("x{}", i), .dtype = in[i].dtype(), .shape = in[i].shape()});
  if (in.size() == 1) specs[0].shape[0] = Dim::symbol("n", in[0].size(0));
  const Traced traced =
      check_trace([&](const Tensors& x) { return Tensors{c.call(*copy, x)}; }, specs, copy->named_tensors());
  EXPECT_TRUE(traced.fixed.empty());
  same(interpret(traced.graph, in)[0]);
}

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

INSTANTIATE_TEST_SUITE_P(Layers, Golden, testing::ValuesIn(layer_cases()), [](const auto& info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
});

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
