#include "ingot/optim.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>

#include "error_of.h"
#include "golden.h"
#include "ingot/ops.h"
#include "nn/wave.h"

namespace ingot {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;
using testing::Pointwise;

using Make = std::function<std::unique_ptr<Optimizer>(const Tensors&)>;

template <class O, class Options>
Make make(const Options& options) {
  return [options](const Tensors& params) { return std::make_unique<O>(params, options); };
}

/// A gradient that is neither constant nor that of a simple function.
Tensor gradient_at(const Tensor& theta, int step) {
  std::vector<double> g = theta.to_vector<double>();
  for (double& v : g) v = std::cos(2 * v + step) + 0.5 * v;
  Tensor x = cast(from_vector(g, theta.shape()), theta.dtype());
  return x;
}

struct Trajectory {
  const char* name;
  Make make;
  double direction = 1;  // -1 where the optimiser maximises
};

class Trajectories : public testing::TestWithParam<Trajectory> {};

// 200 steps in f64; the second parameter has no gradient in the first three.
TEST_P(Trajectories, ArePyTorchs) {
  Tensor a = wave({5}).set_requires_grad(), b = wave({4}, 0.9, 0.4).set_requires_grad();
  const auto optimizer = GetParam().make({a, b});
  constexpr int kSteps = 200, kWithout = 3, kEvery = 10;
  Tensors rows;
  for (int step = 0; step < kSteps; ++step) {
    a.set_grad(gradient_at(a, step) * GetParam().direction);
    if (step >= kWithout) b.set_grad(gradient_at(b, step) * GetParam().direction);
    optimizer->step();
    if (step % kEvery == kEvery - 1) rows.push_back(concat({detach(a), detach(b)}, 0));
  }
  expect_close(stack(rows), golden("optim").at(GetParam().name), 1e-9, GetParam().name);
}

INSTANTIATE_TEST_SUITE_P(
    Golden, Trajectories,
    testing::Values(
        Trajectory{"sgd", make<SGD>(SGDOptions{.lr = 0.1})},
        Trajectory{"sgd_momentum",
                   make<SGD>(SGDOptions{.lr = 0.1, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.05})},
        Trajectory{"sgd_nesterov",
                   make<SGD>(SGDOptions{.lr = 0.05, .momentum = 0.8, .weight_decay = 0.01, .nesterov = true})},
        Trajectory{"sgd_maximize",
                   make<SGD>(SGDOptions{.lr = 0.05, .momentum = 0.8, .weight_decay = 0.01, .maximize = true}), -1},
        Trajectory{"adagrad", make<Adagrad>(AdagradOptions{.lr = 0.2})},
        Trajectory{
            "adagrad_options",
            make<Adagrad>(AdagradOptions{
                .lr = 0.2, .lr_decay = 0.1, .weight_decay = 0.02, .initial_accumulator_value = 0.3, .maximize = true}),
            -1},
        Trajectory{"adam", make<Adam>(AdamOptions{})},
        Trajectory{"adam_options", make<Adam>(AdamOptions{.lr = 0.05, .betas = {0.8, 0.95}, .weight_decay = 0.03})},
        Trajectory{"adam_amsgrad", make<Adam>(AdamOptions{.lr = 0.05, .eps = 1e-3, .amsgrad = true, .maximize = true}),
                   -1},
        Trajectory{"adamw", make<AdamW>(AdamWOptions{.lr = 0.05})},
        Trajectory{"adamw_amsgrad",
                   make<AdamW>(AdamWOptions{.lr = 0.05, .weight_decay = 0.3, .amsgrad = true, .maximize = true}), -1},
        Trajectory{"adadelta",
                   make<Adadelta>(AdadeltaOptions{.lr = 0.7, .rho = 0.8, .eps = 1e-3, .weight_decay = 0.02})},
        Trajectory{"rmsprop", make<RMSprop>(RMSpropOptions{.lr = 0.05, .alpha = 0.9, .weight_decay = 0.02})},
        Trajectory{"rmsprop_momentum", make<RMSprop>(RMSpropOptions{.lr = 0.02, .momentum = 0.8})},
        Trajectory{"rmsprop_centered",
                   make<RMSprop>(RMSpropOptions{.lr = 0.02, .eps = 1e-2, .centered = true, .maximize = true}), -1},
        Trajectory{"rmsprop_centered_momentum",
                   make<RMSprop>(RMSpropOptions{.lr = 0.01, .momentum = 0.5, .centered = true})},
        Trajectory{"rprop", make<Rprop>(RpropOptions{.lr = 0.1, .etas = {0.6, 1.3}, .step_sizes = {0.01, 0.3}})},
        Trajectory{"asgd", make<ASGD>(ASGDOptions{.lr = 0.1, .lambd = 0.05, .t0 = 40, .weight_decay = 0.02})},
        Trajectory{"adamax",
                   make<Adamax>(AdamaxOptions{.lr = 0.05, .betas = {0.8, 0.9}, .weight_decay = 0.02, .maximize = true}),
                   -1},
        Trajectory{"nadam", make<NAdam>(NAdamOptions{.lr = 0.05, .weight_decay = 0.02, .momentum_decay = 0.04})},
        Trajectory{"radam", make<RAdam>(RAdamOptions{.lr = 0.05, .betas = {0.9, 0.95}, .weight_decay = 0.02})},
        Trajectory{"lion", make<Lion>(LionOptions{.lr = 0.05, .betas = {0.8, 0.95}, .weight_decay = 0.1})},
        Trajectory{"lamb", make<Lamb>(LambOptions{.lr = 0.05, .weight_decay = 0.1})},
        Trajectory{"lamb_always_adapts", make<Lamb>(LambOptions{.lr = 0.05, .weight_decay = 0, .always_adapt = true})},
        Trajectory{"lamb_without_decay", make<Lamb>(LambOptions{.lr = 0.05, .weight_decay = 0})}),
    [](const auto& info) { return info.param.name; });

TEST(Optimizer, StepsEveryElementOfLargeParametersOfAnyLayoutAlike) {
  const Shape shape{33, 7, 5, 3};
  for (const Layout layout : {Layout::row_major, Layout::channels_last}) {
    Tensor x = empty(shape, DType::f32, layout);
    copy_into(x, wave(shape, 0.01, 0, DType::f32));
    x.set_requires_grad();
    SGD sgd({x}, {.lr = 0.5, .momentum = 0.9});
    for (int step = 0; step < 3; ++step) {
      x.set_grad(wave(shape, 0.02, step, DType::f32));  // in the default layout, whatever the parameter's
      sgd.step();
    }
    auto theta = wave(shape, 0.01, 0, DType::f32).to_vector<float>();
    std::vector<float> buffer(theta.size(), 0);
    for (int step = 0; step < 3; ++step) {
      const auto g = wave(shape, 0.02, step, DType::f32).to_vector<float>();
      for (size_t i = 0; i < theta.size(); ++i) {
        buffer[i] = step == 0 ? g[i] : 0.9F * buffer[i] + g[i];
        theta[i] -= 0.5F * buffer[i];
      }
    }
    EXPECT_THAT(x.to_vector<float>(), Pointwise(FloatNear(1e-5F), theta));
  }
}

TEST(Optimizer, Bf16ParametersKeepTheirStateInF32) {
  Tensor x = full({64}, 1, DType::bf16).set_requires_grad();
  AdamW adam({x}, {.lr = 0.125, .weight_decay = 0});
  for (int step = 0; step < 4; ++step) {
    x.set_grad(full({64}, 3, DType::bf16));
    adam.step();
  }
  EXPECT_THAT(x.to_vector<float>(), testing::Each(0.5F));
  EXPECT_EQ(adam.state_dict().state.at(0).at("exp_avg").dtype(), DType::f32);
}

TEST(Optimizer, SkipsParametersWithoutGradient) {
  Tensor a = ones({2}).set_requires_grad(), b = ones({2}).set_requires_grad();
  Adam adam({a, b}, {.weight_decay = 1});
  a.set_grad(ones({2}));
  adam.step();
  EXPECT_THAT(b.to_vector<float>(), ElementsAre(1, 1));
  EXPECT_FALSE(adam.state_dict().state.contains(1));
  adam.zero_grad();
  EXPECT_FALSE(a.grad().defined());
}

TEST(Optimizer, GroupsOverrideAnyOption) {
  Tensor a = ones({1}).set_requires_grad(), b = ones({1}).set_requires_grad();
  const SGDOptions options{.lr = 0.1, .weight_decay = 1};
  SGDOptions bare = options;
  bare.weight_decay = 0;
  SGD sgd({{{a}, options}, {{b}, bare}});
  a.set_grad(zeros({1}));
  b.set_grad(zeros({1}));
  sgd.set_lr(0, 0.5);
  sgd.step();
  EXPECT_EQ(a.item<float>(), 0.5F);
  EXPECT_EQ(b.item<float>(), 1.0F);
  EXPECT_EQ(sgd.lr(1), 0.1);
  EXPECT_EQ(sgd.options(1).weight_decay, 0);
}

TEST(Optimizer, RefusesParametersTwiceAndOptionsOutOfRange) {
  Tensor a = ones({1}).set_requires_grad(), b = ones({1}).set_requires_grad();
  EXPECT_EQ(error_of([&] { SGD({{{a}, {.lr = 1}}, {{b, a}, {.lr = 1}}}); }),
            "SGD: parameter 1 of group 1, [1], is in the optimiser already");
  EXPECT_EQ(error_of([&] { SGD({a}, {}); }), "SGD needs a learning rate: lr is not given");
  EXPECT_THAT(error_of([&] { SGD({a}, {.lr = 1, .nesterov = true}); }), HasSubstr("nesterov needs momentum above 0"));
  EXPECT_EQ(error_of([&] { Adam({a}, {.betas = {0.9, 1}}); }), "a beta is 1, it must be in [0, 1)");
  EXPECT_EQ(error_of([&] { Adagrad({a}, {.lr = -1}); }), "lr is -1, it must not be negative");
  EXPECT_THAT(error_of([&] { Adam({a * 2.0}); }), HasSubstr("is not a leaf"));
}

TEST(Optimizer, AResumedRunGoesOnAsTheOldOne) {
  for (const bool amsgrad : {false, true}) {
    Tensor a = wave({5}).set_requires_grad(), b = wave({3}).set_requires_grad();
    Adam first({a, b}, {.lr = 0.1, .amsgrad = amsgrad});
    const auto run = [](Optimizer& optimizer, Tensor& x, int from, int to) {
      for (int step = from; step < to; ++step) {
        x.set_grad(gradient_at(x, step));
        optimizer.step();
      }
    };
    run(first, a, 0, 4);
    Tensor a2 = clone(a).set_requires_grad(), b2 = clone(b).set_requires_grad();
    Adam second({a2, b2}, {.lr = 7});
    second.load_state_dict(first.state_dict());
    EXPECT_EQ(second.lr(), 0.1);
    run(first, a, 4, 8);
    run(second, a2, 4, 8);
    EXPECT_EQ(a.to_vector<double>(), a2.to_vector<double>());
  }
}

TEST(Optimizer, StateHasPyTorchsLayout) {
  Tensor a = ones({2}).set_requires_grad(), b = ones({3}).set_requires_grad();
  AdamW adam({{{a}, {}}, {{b}, {.lr = 0.5}}});
  b.set_grad(ones({3}));
  adam.step();
  const OptimizerState state = adam.state_dict();
  ASSERT_EQ(state.param_groups.size(), 2u);
  EXPECT_THAT(state.param_groups[1].params, ElementsAre(1));
  EXPECT_EQ(std::get<double>(state.param_groups[1].options.at("lr")), 0.5);
  EXPECT_THAT(std::get<std::vector<double>>(state.param_groups[0].options.at("betas")), ElementsAre(0.9, 0.999));
  EXPECT_FALSE(std::get<bool>(state.param_groups[0].options.at("amsgrad")));
  EXPECT_FALSE(state.state.contains(0));
  EXPECT_EQ(state.state.at(1).at("step").item<float>(), 1);
  EXPECT_EQ(state.state.at(1).at("exp_avg").shape(), Shape{3});
  EXPECT_FALSE(state.state.at(1).contains("max_exp_avg_sq"));
}

TEST(Optimizer, LoadingRefusesAnotherShapeOfState) {
  Tensor a = ones({2}).set_requires_grad();
  SGD sgd({a}, {.lr = 1, .momentum = 0.5});
  OptimizerState state = sgd.state_dict();
  state.state[0]["momentum_buffer"] = ones({3});
  EXPECT_EQ(error_of([&] { sgd.load_state_dict(state); }),
            "SGD: 'momentum_buffer' of parameter 0 is [3] in the state, it must be [2]");
  state.state[0] = {{"exp_avg", ones({2})}};
  EXPECT_EQ(error_of([&] { sgd.load_state_dict(state); }),
            "SGD: the state of parameter 0 has 'exp_avg', which SGD does not keep");
  state.param_groups[0].params = {0, 1};
  EXPECT_EQ(error_of([&] { sgd.load_state_dict(state); }),
            "SGD: group 0 of the state has 2 parameters, the optimiser's has 1");
  state.param_groups.clear();
  EXPECT_EQ(error_of([&] { sgd.load_state_dict(state); }), "SGD: the state has 0 parameter groups, the optimiser 1");
}

TEST(Clip, NormScalesAllGradientsTogether) {
  Tensor a = ones({2}).set_requires_grad(), b = ones({1}).set_requires_grad(), c = ones({1}).set_requires_grad();
  a.set_grad(from_vector<float>({3, 0}, {2}));
  b.set_grad(from_vector<float>({-4}, {1}));
  EXPECT_NEAR(clip_grad_norm({a, b, c}, 10), 5, 1e-12);
  EXPECT_EQ(a.grad().to_vector<float>()[0], 3);
  EXPECT_NEAR(clip_grad_norm({a, b, c}, 1), 5, 1e-12);
  EXPECT_NEAR(a.grad().to_vector<float>()[0], 0.6, 1e-6);
  EXPECT_NEAR(b.grad().item<float>(), -0.8, 1e-6);
  EXPECT_NEAR(clip_grad_norm({a, b}, 9, {.norm_type = INFINITY}), 0.8, 1e-6);
  EXPECT_NEAR(clip_grad_norm({a, b}, 9, {.norm_type = 1}), 1.4, 1e-6);
  a.set_grad(from_vector<float>({NAN, 0}, {2}));
  EXPECT_EQ(error_of([&] { clip_grad_norm({a}, 1, {.error_if_nonfinite = true}); }),
            "the norm of the gradients is nan");
}

TEST(Clip, NormIsPyTorchs) {
  const TensorMap& file = golden("optim");
  const auto check = [&](const std::string& name, double max_norm, double norm_type) {
    Tensor a = zeros({3, 4}, DType::f64).set_requires_grad(), b = zeros({5}, DType::f64).set_requires_grad();
    a.set_grad(clone(file.at("clip/" + name + "/in0")));
    b.set_grad(clone(file.at("clip/" + name + "/in1")));
    const double norm = clip_grad_norm({a, b}, max_norm, {.norm_type = norm_type});
    EXPECT_NEAR(norm, file.at("clip/" + name + "/norm").item<double>(), 1e-12) << name;
    expect_close(a.grad(), file.at("clip/" + name + "/out0"), 1e-12, name);
    expect_close(b.grad(), file.at("clip/" + name + "/out1"), 1e-12, name);
  };
  check("small", 0.5, 2);
  check("large", 100, 2);
  check("one", 1.5, 1);
  check("three", 0.5, 3);
  check("infinity", 0.5, INFINITY);
}

TEST(Clip, ValueClampsElements) {
  Tensor a = ones({3}).set_requires_grad();
  a.set_grad(from_vector<float>({3, -0.5, -7}, {3}));
  clip_grad_value({a}, 1);
  EXPECT_THAT(a.grad().to_vector<float>(), ElementsAre(1, -0.5, -1));
}

}  // namespace
}  // namespace ingot
