#include <gmock/gmock.h>

#include "ingot/graph.h"
#include "ingot/models.h"

namespace ingot {
namespace {

using testing::FloatNear;
using testing::HasSubstr;
using testing::Pointwise;

/// Traced for any batch, a model computes what it does eagerly, and its parameters keep their names.
TEST(Traced, ModelsRunAsGraphsForAnyBatch) {
  for (const char* name : {"lenet", "small_cnn", "resnet18"}) {
    const SeedScope seed(1);
    const auto model = make_model(name, {.num_classes = 4, .in_channels = 1});
    model->eval();
    const Traced traced =
        check_trace([&](const Tensors& in) { return model->call(in); },
                    {{.name = "x", .shape = {Dim::symbol("n", 3), 1, 28, 28}}}, model->named_tensors());
    EXPECT_TRUE(traced.fixed.empty()) << name;
    EXPECT_THAT(to_string(traced.graph), HasSubstr("@conv1.weight"));
    const Tensor x = normal({5, 1, 28, 28}, 0, 1, RandomKey{2});
    const NoGrad no_grad;
    EXPECT_THAT(interpret(traced.graph, {x})[0].to_vector<float>(),
                Pointwise(FloatNear(1e-5F), model->call({x})[0].to_vector<float>()))
        << name;
  }
}

}  // namespace
}  // namespace ingot
