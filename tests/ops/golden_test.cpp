#include "golden.h"

namespace ingot {
namespace {

Tensor conv(const Tensors& in, const Conv2dOptions& options) {
  return conv2d(in[0], in[1], in.size() > 2 ? std::optional(in[2]) : std::nullopt, options);
}

GoldenCase convolution(const std::string& name, const Conv2dOptions& options) {
  return {"conv2d." + name, [options](const Tensors& in) { return conv(in, options); }};
}
GoldenCase max_pool(const std::string& name, const PoolOptions& options) {
  return {"max_pool2d." + name, [options](const Tensors& in) { return max_pool2d(in[0], options); }};
}
GoldenCase avg_pool(const std::string& name, const PoolOptions& options) {
  return {"avg_pool2d." + name, [options](const Tensors& in) { return avg_pool2d(in[0], options); }};
}
GoldenCase adaptive(int64_t h, int64_t w) {
  return {"adaptive_avg_pool2d." + std::to_string(h) + "x" + std::to_string(w),
          [=](const Tensors& in) { return adaptive_avg_pool2d(in[0], Pair(h, w)); }};
}
GoldenCase unary(const std::string& name, Tensor (*fn)(const Tensor&)) {
  return {name, [fn](const Tensors& in) { return fn(in[0]); }};
}

const GoldenCase kCases[] = {
    convolution("plain", {.padding = 1}),
    convolution("one_sample", {}),
    convolution("pointwise", {}),
    convolution("stride", {.stride = Pair(2, 3), .padding = Pads(1, 2, 1, 2)}),
    convolution("groups", {.padding = 1, .groups = 2}),
    convolution("depthwise", {.stride = 2, .groups = 5}),
    convolution("dilation", {.padding = Pads(2, 1, 2, 1), .dilation = Pair(2, 3)}),
    convolution("uneven_padding", {.stride = 2, .padding = Pads(2, 0, 1, 3)}),
    max_pool("padding", {.kernel = 3, .stride = 2, .padding = 1}),
    max_pool("ceil", {.kernel = Pair(2, 3), .stride = 2, .ceil_mode = true}),
    max_pool("ceil_padding", {.kernel = 2, .stride = 2, .padding = 1, .ceil_mode = true}),
    max_pool("dilation", {.kernel = 2, .stride = 1, .padding = 1, .dilation = Pair(2, 3)}),
    avg_pool("plain", {.kernel = Pair(3, 2)}),
    avg_pool("floor_counted", {.kernel = 3, .stride = 2, .padding = 1}),
    avg_pool("floor_uncounted", {.kernel = 3, .stride = 2, .padding = 1, .count_include_pad = false}),
    avg_pool("ceil_counted", {.kernel = 3, .stride = 2, .padding = 1, .ceil_mode = true}),
    avg_pool("ceil_uncounted", {.kernel = 3, .stride = 2, .padding = 1, .ceil_mode = true, .count_include_pad = false}),
    adaptive(3, 2),
    adaptive(4, 5),
    adaptive(9, 6),
    adaptive(1, 1),
    {"softmax.last", [](const Tensors& in) { return softmax(in[0]); }},
    {"softmax.channels", [](const Tensors& in) { return softmax(in[0], 1); }},
    {"softmax.huge", [](const Tensors& in) { return softmax(in[0]); }},
    {"log_softmax.last", [](const Tensors& in) { return log_softmax(in[0]); }},
    {"log_softmax.huge", [](const Tensors& in) { return log_softmax(in[0]); }},
    unary("relu6", relu6),
    {"leaky_relu", [](const Tensors& in) { return leaky_relu(in[0], 0.2); }},
    {"elu", [](const Tensors& in) { return elu(in[0], 0.7); }},
    unary("sigmoid", sigmoid),
    unary("tanh", tanh),
    unary("silu", silu),
    unary("gelu", gelu),
    unary("hardswish", hardswish),
    unary("hardsigmoid", hardsigmoid),
    unary("mish", mish),
    {"linear", [](const Tensors& in) { return linear(in[0], in[1], in[2]); }},
    {"var", [](const Tensors& in) { return var(in[0], {0, 2}); }},
};

class Golden : public testing::TestWithParam<GoldenCase> {};

TEST_P(Golden, IsWhatPyTorchComputes) { expect_golden("ops", GetParam()); }

INSTANTIATE_TEST_SUITE_P(Ops, Golden, testing::ValuesIn(kCases), golden_name);

}  // namespace
}  // namespace ingot
