#include <gmock/gmock.h>

#include <cmath>

#include "error_of.h"
#include "ingot/init.h"
#include "ingot/models.h"

namespace ingot {
namespace {

double variance(const Tensor& x) { return var(x).item<double>(); }

TEST(Lsuv, EveryLayersOutputGetsUnitVariance) {
  const SeedScope seed(1);
  Sequential net(Conv2d(3, 8, 3), Tanh(), Conv2d(8, 8, 3, {.stride = 2}), ReLU(), Flatten(), Linear(8 * 4 * 4, 20),
                 ReLU(), Linear(20, 5));
  const Tensor batch = normal({16, 3, 12, 12}, 0.3, 5, RandomKey{2});
  const auto layers = lsuv_(net, batch, {.tol = 1e-3}, RandomKey{3});
  ASSERT_EQ(layers.size(), 4u);
  const std::vector<std::string> names{"0", "2", "5", "7"};
  std::vector<Tensor> outputs;
  std::vector<HookHandle> hooks;
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(layers[i].name, names[i]);
    EXPECT_EQ(layers[i].steps, 1);  // the output is linear in the weight
    EXPECT_NEAR(layers[i].variance, 1, 1e-3);
    hooks.push_back(net.submodule(names[i]).on_forward(
        [&](const Module&, const Tensors&, const Tensors& out) { outputs.push_back(out[0]); }));
  }
  net(batch);
  ASSERT_EQ(outputs.size(), 4u);
  for (const Tensor& y : outputs) EXPECT_NEAR(variance(y), 1, 1e-3);
}

TEST(Lsuv, WeightsAreScaledOrthonormalOnesAndBiasesZero) {
  Linear layer(6, 4);
  Tensor same = orthogonal_(empty({4, 6}), 1, parameter_key(RandomKey{3}, ""));
  lsuv_(layer, normal({64, 6}, 0, 3, RandomKey{1}), {}, RandomKey{3});
  const auto ratio = (layer.weight / same).to_vector<float>();
  EXPECT_THAT(ratio, testing::Each(testing::FloatNear(ratio[0], 1e-5F)));
  EXPECT_NEAR(ratio[0], 1.0 / 3, 0.05);
  EXPECT_THAT(layer.bias->to_vector<float>(), testing::Each(0.0F));
  EXPECT_EQ(layer.init_info("bias"), "lsuv_ with tol 0.1");
}

TEST(Lsuv, ALayerWithinToleranceIsNotDivided) {
  Linear layer(6, 4);
  const auto done = lsuv_(layer, normal({640, 6}, 0, 1, RandomKey{1}), {.tol = 0.2}, RandomKey{3});
  EXPECT_EQ(done.at(0).steps, 0);
  EXPECT_NE(done.at(0).variance, 1);
}

/// Its output goes with the root of the weight, so that a division falls short.
class Root : public ModuleOf<Root> {
 public:
  Root() { parameter("weight", weight, zeros({4, 4})); }
  Tensor forward(const Tensor& x) const {
    const Tensor y = linear(x, weight);
    return y / sqrt(abs(y) + 1e-3);
  }
  Tensor weight;
};

TEST(Lsuv, DividesAgainUntilTheVarianceIsWithinTolerance) {
  Root layer;
  const Tensor batch = normal({500, 4}, 0, 10, RandomKey{2});
  const auto done = lsuv_(layer, batch, {.tol = 0.01, .layers = {"Root"}});
  EXPECT_GT(done.at(0).steps, 2);
  EXPECT_LT(std::abs(done.at(0).variance - 1), 0.01);
  testing::internal::CaptureStderr();
  const auto short_of = lsuv_(layer, batch, {.tol = 0.01, .max_steps = 1, .layers = {"Root"}});
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::MatchesRegex("ingot: warning: lsuv_: the output of '' has variance .* after 1 steps\n"));
  EXPECT_EQ(short_of.at(0).steps, 1);
  EXPECT_GT(std::abs(short_of.at(0).variance - 1), 0.01);
}

TEST(Lsuv, LeavesModesStatisticsAndHooksAsTheyWere) {
  SmallCnn net({.conv1 = 4, .conv2 = 4, .hidden = 8, .dropout = 0.5});
  net.bn2.eval();
  const Tensor batch = normal({8, 1, 28, 28}, 0, 1, RandomKey{1});
  EXPECT_EQ(lsuv_(net, batch).size(), 4u);
  EXPECT_TRUE(net.is_training());
  EXPECT_TRUE(net.dropout.is_training());
  EXPECT_FALSE(net.bn2.is_training());
  EXPECT_THAT(net.bn1.running_mean->to_vector<float>(), testing::Each(0.0F));
  for (Module* m : net.modules()) EXPECT_FALSE(m->has_hooks());
  EXPECT_FALSE(net.fc1.weight.grad().defined());
}

TEST(Lsuv, TheSameKeyGivesTheSameWeights) {
  Linear a(6, 4), b(6, 4);
  const Tensor batch = normal({64, 6}, 0, 3, RandomKey{1});
  lsuv_(a, batch, {}, RandomKey{3});
  lsuv_(b, batch, {}, RandomKey{3});
  EXPECT_EQ(a.weight.to_vector<float>(), b.weight.to_vector<float>());
}

TEST(Lsuv, Refuses) {
  Sequential net(Linear(4, 4), ReLU());
  EXPECT_EQ(error_of([&] { lsuv_(net, zeros({3, 4})); }), "lsuv_: the output of Linear '0' is constant");
  EXPECT_EQ(error_of([&] { lsuv_(net, full({3, 4}, INFINITY)); }), "lsuv_: the output of Linear '0' is not finite");
  EXPECT_EQ(error_of([&] { lsuv_(net, zeros({3, 4}), {.layers = {"Conv2d", "Linaer"}}); }),
            "lsuv_: Sequential has no layer of the types Conv2d, Linaer");
  EXPECT_EQ(error_of([&] { lsuv_(net, zeros({3, 4}), {.layers = {"ReLU"}}); }), "lsuv_: ReLU '1' has no weight");
}

}  // namespace
}  // namespace ingot
