#include "ingot/init_cfg.h"

#include <gmock/gmock.h>

#include <cmath>

#include "error_of.h"
#include "ingot/models.h"

namespace ingot {
namespace {

using testing::Each;

std::vector<float> values(const Tensor& x) { return x.to_vector<float>(); }
std::vector<float> values(const std::optional<Tensor>& x) { return x->to_vector<float>(); }
double std_of(const Tensor& x) { return std::sqrt(var(x).item<double>()); }

InitRule constant(double val, std::vector<std::string> layer, double bias = 0) {
  return {.type = ConstantInit{val}, .layer = std::move(layer), .bias = bias};
}

/// What a user writes: two layers, a block, and rules of its own.
class Head : public ModuleOf<Head> {
 public:
  Head() {
    child("cls", cls);
    child("reg", reg);
  }
  Tensor forward(const Tensor& x) { return reg(x) + cls(x); }
  Conv2d cls{3, 3, 1}, reg{3, 3, 1};
};

class Net : public ModuleOf<Net> {
 public:
  Net() {
    child("conv", conv);
    child("bn", bn);
    child("head", head);
    child("fc", fc);
  }
  Tensor forward(const Tensor& x) { return fc(flatten(head(bn(conv(x))), 1)); }
  Conv2d conv{3, 3, 3};
  BatchNorm2d bn{3};
  Head head;
  Linear fc{3, 4};
};

/// The text of the error with which these rules are refused.
std::string refusal(InitCfg rules) {
  return error_of([&] {
    Net net;
    net.set_init_cfg(std::move(rules));
    init_weights(net, 0);
  });
}

TEST(InitCfg, ConvolutionsByKaimingAndLinearLayersByXavier) {
  SmallCnn net;
  net.set_init_cfg({{.type = KaimingInit{}, .layer = {"_ConvNd"}},  //
                    {.type = XavierInit{}, .layer = {"Linear"}}});
  init_weights(net, 3);
  EXPECT_NEAR(std_of(net.conv2.weight), std::sqrt(2.0 / (64 * 9)), 1e-3);  // fan_out
  EXPECT_NEAR(std_of(net.fc1.weight), std::sqrt(2.0 / (64 * 49 + 128)), 1e-4);
  EXPECT_THAT(values(net.fc1.bias), Each(0.0F));
  EXPECT_THAT(values(net.bn1.weight), Each(1.0F));
  EXPECT_EQ(net.init_info("conv1.weight"),
            "Kaiming(a=0, mode=fan_out, nonlinearity=relu, distribution=normal), bias=0 by init_cfg[0] of SmallCnn");
  EXPECT_EQ(net.init_info("fc2.bias"), "Xavier(gain=1, distribution=normal), bias=0 by init_cfg[1] of SmallCnn");
  EXPECT_EQ(net.init_info("bn1.weight"), "default of BatchNorm2d");
  EXPECT_EQ(net.fc1.init_info("weight"), net.init_info("fc1.weight"));
}

TEST(InitCfg, ValuesAreThoseOfTheFunctionsWithTheParametersKey) {
  Net net;
  net.set_init_cfg({{.type = KaimingInit{}, .layer = {"Conv2d"}}});
  init_weights(net, 7);
  const RandomKey key = parameter_key(random_key(7, "init", "head.reg"), "weight");
  const Tensor expected = kaiming_normal_(empty({3, 3, 1, 1}), {.mode = FanMode::fan_out, .nonlinearity = "relu"}, key);
  EXPECT_EQ(values(net.head.reg.weight), values(expected));
}

/// All initialisers against the functions of init.h, with MMEngine's defaults.
TEST(InitCfg, EachInitialiserSetsWeightAndBias) {
  const RandomKey key{9}, weight_key = parameter_key(key, "weight");
  const auto check = [&](const Initializer& how, const std::function<void(const Tensor&)>& same) {
    Linear layer(6, 5);
    init_layer(layer, how, 0.25, key);
    const Tensor expected = empty({5, 6});
    same(expected);
    EXPECT_EQ(values(layer.weight), values(expected)) << to_string(how);
    EXPECT_THAT(values(layer.bias), Each(0.25F)) << to_string(how);
  };
  check(ConstantInit{3}, [](const Tensor& x) { constant_(x, 3); });
  check(XavierInit{}, [&](const Tensor& x) { xavier_normal_(x, 1, weight_key); });
  check(XavierInit{.gain = 2, .distribution = Distribution::uniform},
        [&](const Tensor& x) { xavier_uniform_(x, 2, weight_key); });
  check(NormalInit{.mean = 1, .std = 2}, [&](const Tensor& x) { normal_(x, 1, 2, weight_key); });
  check(TruncNormalInit{.std = 3}, [&](const Tensor& x) { trunc_normal_(x, {.std = 3}, weight_key); });
  check(UniformInit{}, [&](const Tensor& x) { uniform_(x, 0, 1, weight_key); });
  check(KaimingInit{},
        [&](const Tensor& x) { kaiming_normal_(x, {.mode = FanMode::fan_out, .nonlinearity = "relu"}, weight_key); });
  check(KaimingInit{.a = 0.2, .nonlinearity = "leaky_relu", .distribution = Distribution::uniform},
        [&](const Tensor& x) {
          kaiming_uniform_(x, {.a = 0.2, .mode = FanMode::fan_out, .nonlinearity = "leaky_relu"}, weight_key);
        });
  check(Caffe2XavierInit{}, [&](const Tensor& x) { caffe2_xavier_(x, weight_key); });
  check(OrthogonalInit{.gain = 2}, [&](const Tensor& x) { orthogonal_(x, 2, weight_key); });
  ReLU relu;
  EXPECT_EQ(error_of([&] { init_layer(relu, ConstantInit{1}); }), "ReLU has neither weight nor bias to set");
}

TEST(InitCfg, KaimingHasMMEnginesDefaultsUnderOneNameAndPyTorchsUnderTheOther) {
  Linear layer(6, 5);
  kaiming_init(layer, {}, 0, RandomKey{9});
  const double by_name = std_of(layer.weight);
  kaiming_normal_(layer.weight, {}, parameter_key(RandomKey{9}, "weight"));
  EXPECT_NEAR(by_name / std_of(layer.weight), std::sqrt(6.0 / 5.0), 1e-5);  // fan_out 5, fan_in 6
  EXPECT_THAT(values(layer.bias), Each(0.0F));

  const auto weight_of = [&](const std::function<void()>& set) {
    set();
    return values(layer.weight);
  };
  const RandomKey key{4};
  const auto same = [&](const Initializer& how) { return weight_of([&] { init_layer(layer, how, 0, key); }); };
  EXPECT_EQ(weight_of([&] { constant_init(layer, 2); }), same(ConstantInit{2}));
  EXPECT_EQ(weight_of([&] { xavier_init(layer, {.gain = 2}, 0, key); }), same(XavierInit{.gain = 2}));
  EXPECT_EQ(weight_of([&] { normal_init(layer, {.std = 2}, 0, key); }), same(NormalInit{.std = 2}));
  EXPECT_EQ(weight_of([&] { trunc_normal_init(layer, {.a = 0}, 0, key); }), same(TruncNormalInit{.a = 0}));
  EXPECT_EQ(weight_of([&] { uniform_init(layer, {.a = -1}, 0, key); }), same(UniformInit{.a = -1}));
  EXPECT_EQ(weight_of([&] { caffe2_xavier_init(layer, 0, key); }), same(Caffe2XavierInit{}));
}

TEST(InitCfg, LaterRulesWinAndBasesMatch) {
  Net net;
  net.set_init_cfg({constant(1, {"_ConvNd", "Linear"}, 5), constant(2, {"_BatchNorm"}), constant(3, {"Linear"})});
  init_weights(net, 0);
  EXPECT_THAT(values(net.conv.weight), Each(1.0F));
  EXPECT_THAT(values(net.conv.bias), Each(5.0F));
  EXPECT_THAT(values(net.head.cls.weight), Each(1.0F));
  EXPECT_THAT(values(net.bn.weight), Each(2.0F));
  EXPECT_THAT(values(net.bn.bias), Each(0.0F));
  EXPECT_THAT(values(net.fc.weight), Each(3.0F));
  EXPECT_THAT(values(net.fc.bias), Each(0.0F));
}

TEST(InitCfg, OverridesComeAfterTheirRuleAndBeforeTheNext) {
  Net net;
  net.set_init_cfg({{.type = ConstantInit{1},
                     .layer = {"Conv2d"},
                     .bias = 2,
                     .override = {{.name = "head", .type = ConstantInit{3}, .bias = 4}, {.name = "fc"}}},
                    {.type = ConstantInit{6}, .override = {{.name = "conv", .type = ConstantInit{7}}}}});
  init_weights(net, 0);
  EXPECT_THAT(values(net.head.cls.weight), Each(3.0F));  // descendants, too
  EXPECT_THAT(values(net.head.reg.bias), Each(4.0F));
  EXPECT_THAT(values(net.fc.weight), Each(1.0F));  // the rule's own settings
  EXPECT_THAT(values(net.fc.bias), Each(2.0F));
  EXPECT_THAT(values(net.conv.weight), Each(7.0F));
  EXPECT_THAT(values(net.conv.bias), Each(0.0F));  // not inherited where there is a type
  EXPECT_EQ(net.init_info("head.reg.bias"), "Constant(val=3), bias=4 by init_cfg[0] of Net");
  EXPECT_EQ(net.init_info("conv.weight"), "Constant(val=7), bias=0 by init_cfg[1] of Net");
}

TEST(InitCfg, DescendantsRulesComeAfterTheirParents) {
  Net net;
  net.head.reg.set_init_cfg({constant(4, {"Conv2d"})});
  net.head.set_init_cfg({constant(2, {"Conv2d"}), {.type = ConstantInit{3}, .override = {{.name = "cls"}}}});
  net.set_init_cfg({constant(1, {"Conv2d"}), {.type = ConstantInit{9}, .override = {{.name = "head"}}}});
  init_weights(net, 0);
  EXPECT_THAT(values(net.conv.weight), Each(1.0F));
  EXPECT_THAT(values(net.head.cls.weight), Each(3.0F));
  EXPECT_THAT(values(net.head.reg.weight), Each(4.0F));
  EXPECT_EQ(net.init_info("head.cls.weight"), "Constant(val=3), bias=0 by init_cfg[1] of 'head' (Head)");
  EXPECT_EQ(net.init_info("head.reg.weight"), "Constant(val=4), bias=0 by init_cfg[0] of 'head.reg' (Conv2d)");
}

TEST(InitCfg, ABiasCanComeFromAProbability) {
  Net net;
  net.set_init_cfg(
      {{.type = NormalInit{.std = 0.01}, .layer = {"Linear"}, .bias_prob = 0.01},
       {.type = ConstantInit{}, .override = {{.name = "conv", .type = ConstantInit{}, .bias_prob = 0.9}}}});
  init_weights(net, 0);
  EXPECT_THAT(values(net.fc.bias), Each(static_cast<float>(-std::log(99))));
  EXPECT_THAT(values(net.conv.bias), Each(testing::FloatEq(static_cast<float>(std::log(9)))));
}

/// A user's own module: a parameter named weight is enough, and the rules are part of the class.
class Scale : public ModuleOf<Scale> {
 public:
  Scale() {
    parameter("weight", weight, ones({4}));
    parameter("shift", shift, ones({4}));
    set_init_cfg({constant(3, {"Scale"})});
  }
  Tensor forward(const Tensor& x) const { return x * weight + shift; }
  Tensor weight, shift;
};

TEST(InitCfg, AUsersModuleCarriesRulesAndCopiesKeepThem) {
  Sequential net(Linear(4, 4), Scale());
  const auto copy = net.clone();
  init_weights(net, 0);
  EXPECT_THAT(values(net.get<Scale>(1).weight), Each(3.0F));
  EXPECT_EQ(net.init_info("1.weight"), "Constant(val=3), bias=0 by init_cfg[0] of '1' (Scale)");
  EXPECT_EQ(net.init_info("1.shift"), "as it was built");
  EXPECT_EQ(copy->init_info("1.weight"), "as it was built");
  init_weights(*copy, 0);
  EXPECT_THAT(values(copy->submodule("1").parameters()[0]), Each(3.0F));
  EXPECT_EQ(net.clone()->init_info("0.bias"), "default of Linear");
  EXPECT_EQ(error_of([&] { net.init_info("1.wieght"); }),
            "Sequential has no parameter '1.wieght'; did you mean 'weight'?");
}

TEST(InitCfg, ATieTakesTheValueOfItsFirstName) {
  Sequential net(Linear(4, 4), Linear(4, 4)), apart(Linear(4, 4), Linear(4, 4));
  net.get<Linear>(1).weight = net.get<Linear>(0).weight;
  for (Sequential* s : {&net, &apart}) {
    s->set_init_cfg({{.type = NormalInit{}, .layer = {"Linear"}}});
    init_weights(*s, 2);
  }
  EXPECT_EQ(values(net.get<Linear>(1).weight), values(apart.get<Linear>(0).weight));
}

TEST(InitCfg, ASecondTimeSetsAllAnewAndWarns) {
  Net net;
  net.set_init_cfg({{.type = NormalInit{}, .layer = {"Conv2d"}}});
  testing::internal::CaptureStderr();
  init_weights(net, 1);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  const auto first = values(net.conv.weight);
  zeros_(net.conv.weight);
  testing::internal::CaptureStderr();
  init_weights(net, 1);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "ingot: warning: init_weights of Net has run before: all parameters are set anew\n");
  EXPECT_EQ(values(net.conv.weight), first);
  testing::internal::CaptureStderr();
  init_weights(net.head, 1);
  EXPECT_NE(testing::internal::GetCapturedStderr(), "");
}

TEST(InitCfg, WhatMatchesNothingIsAnError) {
  EXPECT_EQ(refusal({{.type = KaimingInit{}}}),
            "init_cfg[0] (Kaiming) of Net sets nothing: it names neither a layer nor an override. Which layers it is "
            "for is said by their type, such as layer: Linear");
  EXPECT_EQ(refusal({constant(1, {"Linear"}), constant(1, {"Conv3d"})}),
            "init_cfg[1] (Constant) of Net matches nothing: there is no module of type Conv3d among "
            "BatchNorm2d, Conv2d, Head, Linear, Net; did you mean 'Conv2d'?");
  EXPECT_EQ(refusal({constant(1, {"LSTM", "GRU"})}),
            "init_cfg[0] (Constant) of Net matches nothing: there is no module of type LSTM or GRU among "
            "BatchNorm2d, Conv2d, Head, Linear, Net");
  EXPECT_EQ(refusal({constant(1, {"Head"})}),
            "init_cfg[0] (Constant) of Net matches nothing: Head has neither weight nor bias");
  EXPECT_EQ(refusal({{.type = ConstantInit{1}, .layer = {"Linear"}, .override = {{.name = "haed"}}}}),
            "init_cfg[0] (Constant) of Net: override 'haed' is not a child of it; did you mean 'head'?");
  EXPECT_EQ(refusal({{.type = ConstantInit{1}, .override = {{.name = "head.cls"}}}}),
            "init_cfg[0] (Constant) of Net: override 'head.cls' is not a child of it");
  Sequential net(Linear(2, 2), ReLU());
  net.set_init_cfg({{.type = ConstantInit{1}, .override = {{.name = "1"}}}});
  EXPECT_EQ(error_of([&] { init_weights(net, 0); }),
            "init_cfg[0] (Constant) of Sequential: override '1' matches nothing: there is no weight and no bias in it");
}

TEST(InitCfg, ARefusedRuleChangesNothing) {
  Net net;
  net.head.set_init_cfg({constant(1, {"Linear"})});
  const auto before = values(net.conv.weight);
  EXPECT_EQ(error_of([&] { init_weights(net, 0); }),
            "init_cfg[0] (Constant) of 'head' (Head) matches nothing: there is no module of type Linear among "
            "Conv2d, Head");
  EXPECT_EQ(error_of([&] { check_init_cfg(net); }), error_of([&] { init_weights(net, 0); }));
  EXPECT_EQ(values(net.conv.weight), before);
}

TEST(InitCfg, AMisspeltTypeBesideOneThatMatchesIsWarnedOf) {
  const auto warned = [](std::vector<std::string> layer) {
    Net net;
    net.set_init_cfg({constant(1, std::move(layer))});
    testing::internal::CaptureStderr();
    init_weights(net, 0);
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(warned({"Conv2d", "Linaer"}),
            "ingot: warning: init_cfg[0] (Constant) of Net: there is no module of type Linaer; did you mean "
            "'Linear'?\n");
  EXPECT_EQ(warned({"_BatchNorm", "GroupNorm"}), "");
  EXPECT_EQ(warned({"Conv1d", "Conv2d"}), "");
}

TEST(InitCfg, ContradictionsAreRefusedWhereTheyAreSet) {
  EXPECT_EQ(refusal({{.type = XavierInit{}, .layer = {"_BatchNorm"}}}),
            "init_cfg[0] (Xavier) of Net: Xavier needs a weight of two dimensions or more, that of 'bn' (BatchNorm2d) "
            "is [3]");
  EXPECT_EQ(refusal({{.type = ConstantInit{}, .layer = {"Linear"}, .bias = 1, .bias_prob = 0.1}}),
            "init_cfg[0] (Constant) of Net: bias 1 and bias_prob 0.1 exclude each other");
  EXPECT_EQ(refusal({{.type = ConstantInit{}, .layer = {"Linear"}, .bias_prob = 1}}),
            "init_cfg[0] (Constant) of Net: bias_init_with_prob of 1: a probability between 0 and 1 is expected");
  EXPECT_EQ(refusal({{.type = ConstantInit{}, .override = {{.name = "fc", .bias = 1}}}}),
            "init_cfg[0] (Constant) of Net: override 'fc' has a bias but no type: with its name alone it takes all "
            "from the rule, else it needs a type");
  EXPECT_EQ(refusal({{.type = ConstantInit{}, .override = {{}}}}),
            "init_cfg[0] (Constant) of Net: an override has no name");
  EXPECT_EQ(refusal({{.type = KaimingInit{.nonlinearity = "rleu"}, .layer = {"Linear"}}}),
            "init_cfg[0] (Kaiming) of Net: no gain is known for the nonlinearity 'rleu'; did you mean 'relu'?");
  EXPECT_EQ(refusal({{.type = NormalInit{.std = -1}, .layer = {"Linear"}}}),
            "init_cfg[0] (Normal) of Net: std is -1, it must not be negative");
  EXPECT_EQ(refusal({{.type = TruncNormalInit{.std = 0}, .layer = {"Linear"}}}),
            "init_cfg[0] (TruncNormal) of Net: std is 0, it must be positive");
  EXPECT_EQ(refusal({{.type = TruncNormalInit{.a = 1, .b = 1}, .layer = {"Linear"}}}),
            "init_cfg[0] (TruncNormal) of Net: a is 1 and b 1: the bounds are the wrong way round");
  EXPECT_EQ(refusal({{.type = UniformInit{.a = 1, .b = 0}, .layer = {"Linear"}}}),
            "init_cfg[0] (Uniform) of Net: a is 1 and b 0: the bounds are the wrong way round");
  EXPECT_EQ(refusal({{.type = PretrainedInit{}}}), "init_cfg[0] (Pretrained) of Net: it has no checkpoint");
  EXPECT_EQ(refusal({{.type = PretrainedInit{"x"}, .layer = {"Linear"}}}),
            "init_cfg[0] (Pretrained) of Net: it takes a checkpoint and a prefix, no layer, bias or override");
  EXPECT_EQ(refusal({{.type = ConstantInit{}, .override = {{.name = "fc", .type = PretrainedInit{"x"}, .bias = 1}}}}),
            "init_cfg[0] (Constant) of Net: override 'fc': Pretrained takes no bias");
}

}  // namespace
}  // namespace ingot
