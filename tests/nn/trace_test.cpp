#include <gmock/gmock.h>

#include "ingot/graph.h"
#include "ingot/models.h"

namespace ingot {
namespace {

using testing::FloatNear;
using testing::HasSubstr;
using testing::Pointwise;

/// Running statistics that fit: with those of the start, some networks' scores all but vanish.
void take_statistics(Module& model, const Tensor& x) {
  for (Module* module : model.modules())
    if (auto* norm = dynamic_cast<BatchNorm2d*>(module)) norm->options.momentum = 1;
  const NoGrad no_grad;
  model.train();
  model.call({x});
}

/// Traced for any batch, a model computes what it does eagerly, and its parameters keep their names.
TEST(Traced, ModelsRunAsGraphsForAnyBatch) {
  const std::pair<const char*, int64_t> models[] = {{"lenet", 28},       {"small_cnn", 28},
                                                    {"resnet18", 28},    {"mobilenet_v3_small", 32},
                                                    {"densenet121", 32}, {"shufflenet_v2_x0_5", 32}};
  for (const auto& [name, side] : models) {
    const SeedScope seed(1);
    const auto model = make_model(name, {.num_classes = 4, .in_channels = 1});
    const Tensor x = normal({5, 1, side, side}, 0, 1, RandomKey{2});
    take_statistics(*model, x);
    model->eval();
    const Traced traced =
        check_trace([&](const Tensors& in) { return model->call(in); },
                    {{.name = "x", .shape = {Dim::symbol("n", 3), 1, side, side}}}, model->named_tensors());
    EXPECT_TRUE(traced.fixed.empty()) << name;
    EXPECT_THAT(to_string(traced.graph), HasSubstr("@" + model->named_parameters()[0].first));
    const NoGrad no_grad;
    EXPECT_THAT(interpret(traced.graph, {x})[0].to_vector<float>(),
                Pointwise(FloatNear(1e-5F), model->call({x})[0].to_vector<float>()))
        << name;
  }
}

}  // namespace
}  // namespace ingot
