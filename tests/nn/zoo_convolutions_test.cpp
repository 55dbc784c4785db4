#include <gmock/gmock.h>

#include <map>

#include "ingot/graph.h"
#include "ingot/models.h"
#include "ir/node.h"
#include "kernels/conv_onednn.h"
#include "ops/attrs.h"
#include "tensor/impl.h"

// No network of the zoo meets one of oneDNN's reference loops, which are a hundred times slower.
namespace ingot {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr int64_t kBatch = 2;

struct Convolution {
  Shape x, weight, y;
  ConvGeometry geometry;
};

Shape usual_images(const std::string& net) {
  if (net == "linear" || net == "lenet" || net == "small_cnn") return {kBatch, 1, 28, 28};
  const int64_t side = net == "inception_v3" ? 299 : 224;
  return {kBatch, 3, side, side};
}

/// The distinct ones of all networks, by a text that names the first network and what sets them apart.
std::map<std::string, Convolution> convolutions_of_the_zoo() {
  std::map<std::string, std::pair<std::string, Convolution>> found;
  for (const std::string& net : model_names()) {
    const SkipInit only_shapes_count;
    const auto model = make_model(net);
    model->eval();
    const auto call = [&](const Tensors& in) { return model->call(in); };
    const Graph graph = trace(call, {{.name = "x", .shape = usual_images(net)}}).graph;
    for (const Node* node : graph.nodes_of("conv2d")) {
      const auto& attrs = node->as<Conv2dAttrs>();
      const Convolution conv{node->input(0)->spec.shape,
                             node->input(1)->spec.shape,
                             node->result().spec.shape,
                             {attrs.stride, attrs.dilation, attrs.padding, attrs.groups}};
      found.try_emplace(fmt::format("{} * {} {}", to_string(conv.x), to_string(conv.weight), to_string(node->attrs)),
                        net, conv);
    }
  }
  std::map<std::string, Convolution> out;
  for (const auto& [text, named] : found) out.emplace(named.first + ": " + text, named.second);
  return out;
}

TEST(Zoo, NoConvolutionRunsOnAReferenceImplementation) {
  const auto is_fast = AllOf(Not("plain"), Not(StartsWith("ref")), Not(HasSubstr("gemm:ref")));
  const auto all = convolutions_of_the_zoo();
  EXPECT_GT(all.size(), 500U);
  for (const auto& [text, conv] : all)
    for (const DType dtype : {DType::f32, DType::bf16}) {
      SCOPED_TRACE(fmt::format("{} {}", text, name_of(dtype)));
      const Tensor x = empty(conv.x, dtype), weight = empty(conv.weight, dtype), y = empty(conv.y, dtype);
      const Array xs = array_of(x), weights = array_of(weight), ys = array_of(y);
      const ConvGeometry& g = conv.geometry;
      EXPECT_THAT(kernels::conv_onednn_implementation({.x = xs, .weight = weights, .geometry = g, .y = ys}), is_fast);
      EXPECT_THAT(kernels::conv_onednn_grad_input_implementation(ys, weights, g, xs), is_fast);
      EXPECT_THAT(kernels::conv_onednn_grad_weight_implementation(xs, ys, g, weights), is_fast);
    }
}

}  // namespace
}  // namespace ingot
