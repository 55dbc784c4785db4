#include "ingot/averaging.h"

#include <gmock/gmock.h>

#include "error_of.h"
#include "ingot/nn.h"
#include "nn/wave.h"

namespace ingot {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pointwise;

Sequential network() { return Sequential(Conv2d(2, 3, 1), BatchNorm2d(3), Flatten(), Linear(12, 2)); }

std::vector<double> first_values(const Module& module) {
  std::vector<double> out;
  for (const auto& [name, x] : module.named_parameters()) out.push_back(x.to_vector<double>().front());
  return out;
}
/// Sets all parameters to a value and the running statistics to others.
void set_to(Module& module, double value) {
  for (auto [name, x] : module.state_dict())
    if (x.dtype() == DType::f32) fill(x, name.find("running") == std::string::npos ? value : 10 * value);
}

TEST(AveragedModel, IsTheMeanOfWhatItWasShown) {
  Sequential model = network();
  AveragedModel average(model);
  for (const double value : {1.0, 4.0, -2.0}) {
    set_to(model, value);
    average.update_parameters(model);
  }
  EXPECT_EQ(average.n_averaged(), 3);
  EXPECT_THAT(first_values(average.module()), ElementsAre(1, 1, 1, 1, 1, 1));
  const auto& norm = dynamic_cast<const BatchNorm2d&>(average.module().submodule("1"));
  EXPECT_EQ(norm.running_mean->to_vector<float>()[0], -20);  // the last one's
  EXPECT_THAT(first_values(model), ElementsAre(-2, -2, -2, -2, -2, -2));
}

TEST(AveragedModel, FollowsExponentiallyWithBuffers) {
  Sequential model = network();
  AveragedModel average(model, {.ema_decay = 0.75, .use_buffers = true});
  double expected = 0;
  for (const double value : {1.0, 4.0, -2.0}) {
    set_to(model, value);
    average.update_parameters(model);
    expected = average.n_averaged() == 1 ? value : 0.75 * expected + 0.25 * value;
    EXPECT_THAT(first_values(average.module()), Pointwise(DoubleNear(1e-6), std::vector<double>(6, expected)));
  }
  const auto& norm = dynamic_cast<const BatchNorm2d&>(average.module().submodule("1"));
  EXPECT_NEAR(norm.running_mean->to_vector<float>()[0], 10 * expected, 1e-5);
  EXPECT_EQ(error_of([&] { AveragedModel(model, {.ema_decay = 1.5}); }),
            "AveragedModel: ema_decay is 1.5, it must be in [0, 1]");
}

TEST(AveragedModel, ItsStateComesBackUnderPyTorchsNames) {
  Sequential model = network();
  AveragedModel first(model), second(network());
  set_to(model, 3);
  first.update_parameters(model);
  const TensorsByName state = first.state_dict();
  EXPECT_EQ(state[0].first, "n_averaged");
  EXPECT_EQ(state[1].first, "module.0.weight");
  second.load_state_dict(state);
  EXPECT_EQ(second.n_averaged(), 1);
  EXPECT_EQ(first_values(second.module()), first_values(model));
  EXPECT_THAT(error_of([&] { second.load_state_dict(model.state_dict()); }), HasSubstr("the state has '0.weight'"));
  EXPECT_THAT(error_of([&] { second.load_state_dict({state.begin() + 1, state.end()}); }),
              HasSubstr("the state has no 'n_averaged'"));
  EXPECT_THAT(error_of([&] { first.update_parameters(Linear(2, 2)); }), HasSubstr("2 tensors, the average 9"));
}

TEST(UpdateBn, StatisticsAreThoseOfAllBatches) {
  Sequential model = network();
  auto& norm = dynamic_cast<BatchNorm2d&>(model.submodule("1"));
  model.eval();
  norm.train();
  const Tensor x = cast(wave({8, 2, 2, 2}), DType::f32);
  const auto batches = [&](Module& m) {
    for (int i = 0; i < 4; ++i) m.call({slice(x, 0, 2 * i, 2 * i + 2)});
  };
  update_bn(model, batches);
  // Means over equal batches are the mean of all; the mean of their unbiased variances is not that of all.
  const Tensor y = model[0].call({x})[0];
  const auto mean_of_all = mean(y, {0, 2, 3}).to_vector<float>();
  EXPECT_THAT(norm.running_mean->to_vector<float>(), Pointwise(testing::FloatNear(1e-6f), mean_of_all));
  std::vector<float> variances(3);
  for (int i = 0; i < 4; ++i) {
    const Tensor part = slice(y, 0, 2 * i, 2 * i + 2);
    const Tensor off = part - mean(part, {0, 2, 3}, true);
    const auto squares = sum(off * off, {0, 2, 3}).to_vector<float>();
    for (size_t c = 0; c < 3; ++c) variances[c] += squares[c] / 7 / 4;
  }
  EXPECT_THAT(norm.running_var->to_vector<float>(), Pointwise(testing::FloatNear(1e-5f), variances));
  EXPECT_EQ(norm.num_batches_tracked->item<int64_t>(), 4);
  EXPECT_EQ(norm.options.momentum, 0.1);
  EXPECT_FALSE(model.is_training());
  EXPECT_TRUE(norm.is_training());
  EXPECT_THROW(update_bn(model, [](Module&) { throw Error("stop"); }), Error);
  EXPECT_EQ(norm.options.momentum, 0.1);
  EXPECT_FALSE(model.is_training());
}

}  // namespace
}  // namespace ingot
