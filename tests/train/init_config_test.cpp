#include "train/init_config.h"

#include <cmath>

#include "base/check.h"
#include "ingot/init.h"
#include "ingot/io.h"
#include "ingot/ops.h"
#include "ingot/train.h"
#include "train/toy_run.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

class InitConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    root = fresh_folder(testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(root / "data");
    write_toy_data(root / "data");
  }
  void TearDown() override { fs::remove_all(root); }

  /// The toy config with an init_cfg of the model, written below it.
  TrainConfig load(const std::string& init_cfg, const std::vector<std::string>& set = {}) const {
    write_text(root / "toy.yaml", toy_config(root / "data"));
    write_text(root / "config.yaml", "_base_: toy.yaml\nmodel:\n  init_cfg: " + init_cfg + "\n");
    return load_train_config(root / "config.yaml", set);
  }
  std::string refusal(const std::string& init_cfg) const {
    std::string text = error_of([&] { load(init_cfg); });
    const std::string file = (root / "config.yaml").string();
    for (size_t at = 0; (at = text.find(file)) != text.npos;) text.replace(at, file.size(), "config.yaml");
    return text;
  }

  fs::path root;
};

TEST_F(InitConfigTest, OneRuleOrAListOfThemWithOneLayerOrAList) {
  const InitCfg one = load("{type: Xavier, layer: Linear}").model.init_cfg;
  ASSERT_EQ(one.size(), 1u);
  EXPECT_THAT(one[0].layer, ElementsAre("Linear"));
  const InitCfg two =
      load("[{type: Kaiming, layer: [Conv2d, Linear]}, {type: Constant, val: 2, layer: _BatchNorm}]").model.init_cfg;
  ASSERT_EQ(two.size(), 2u);
  EXPECT_THAT(two[0].layer, ElementsAre("Conv2d", "Linear"));
  EXPECT_EQ(std::get<ConstantInit>(two[1].type).val, 2);
  EXPECT_TRUE(load("[]").model.init_cfg.empty());
}

TEST_F(InitConfigTest, EveryTypeReadsItsKeysAndHasMMEnginesDefaults) {
  const auto text = [&](const std::string& rule) { return to_string(load(rule).model.init_cfg.at(0).type); };
  EXPECT_EQ(text("{type: Constant, val: 3, layer: Linear}"), "Constant(val=3)");
  EXPECT_EQ(text("{type: Xavier, layer: Linear}"), "Xavier(gain=1, distribution=normal)");
  EXPECT_EQ(text("{type: Xavier, layer: Linear, gain: 2, distribution: uniform}"),
            "Xavier(gain=2, distribution=uniform)");
  EXPECT_EQ(text("{type: Normal, layer: Linear}"), "Normal(mean=0, std=1)");
  EXPECT_EQ(text("{type: Normal, layer: Linear, mean: 1, std: 0.01}"), "Normal(mean=1, std=0.01)");
  EXPECT_EQ(text("{type: TruncNormal, layer: Linear, a: -1}"), "TruncNormal(mean=0, std=1, a=-1, b=2)");
  EXPECT_EQ(text("{type: Uniform, layer: Linear, b: 0.5}"), "Uniform(a=0, b=0.5)");
  EXPECT_EQ(text("{type: Kaiming, layer: Linear}"),
            "Kaiming(a=0, mode=fan_out, nonlinearity=relu, distribution=normal)");
  EXPECT_EQ(text("{type: Kaiming, layer: Linear, a: 1, mode: fan_in, nonlinearity: leaky_relu, distribution: uniform}"),
            "Kaiming(a=1, mode=fan_in, nonlinearity=leaky_relu, distribution=uniform)");
  EXPECT_EQ(text("{type: Caffe2Xavier, layer: Linear}"), "Caffe2Xavier()");
  EXPECT_EQ(text("{type: Orthogonal, layer: Linear, gain: 2}"), "Orthogonal(gain=2)");
  EXPECT_EQ(text("{type: Pretrained, checkpoint: a/b.safetensors, prefix: backbone}"),
            "Pretrained(checkpoint=a/b.safetensors, prefix=backbone)");
}

TEST_F(InitConfigTest, OverridesAndBiases) {
  const InitCfg rules = load(
                            "{type: Constant, val: 1, layer: Linear, bias: 2,"
                            " override: [{name: conv1}, {name: fc1, type: Normal, std: 2, bias_prob: 0.1},"
                            " {name: fc2, type: Pretrained, checkpoint: x}]}")
                            .model.init_cfg;
  ASSERT_EQ(rules.at(0).override.size(), 3u);
  EXPECT_EQ(rules[0].bias, 2);
  EXPECT_EQ(rules[0].override[0].name, "conv1");
  EXPECT_FALSE(rules[0].override[0].type.has_value());
  EXPECT_EQ(to_string(*rules[0].override[1].type), "Normal(mean=0, std=2)");
  EXPECT_EQ(rules[0].override[1].bias_prob, 0.1);
  EXPECT_EQ(name_of(*rules[0].override[2].type), "Pretrained");
  EXPECT_EQ(load("{type: Constant, val: 1, override: {name: fc1}}").model.init_cfg.at(0).override.size(), 1u);
}

TEST_F(InitConfigTest, TheResolvedConfigReadsBackToTheSameText) {
  const std::string text =
      to_yaml(load("[{type: Kaiming, layer: _ConvNd, override: {name: conv1}},"
                   " {type: Normal, layer: Linear, override: {name: fc1, type: Xavier}},"
                   " {type: Pretrained, checkpoint: x}]"));
  EXPECT_THAT(text, AllOf(HasSubstr("type: Kaiming"), HasSubstr("mode: fan_out"), HasSubstr("layer: [_ConvNd]")));
  write_text(root / "resolved.yaml", text);
  EXPECT_EQ(to_yaml(load_train_config(root / "resolved.yaml")), text);
}

TEST_F(InitConfigTest, SettingsReachARuleThatStandsAloneOrInAList) {
  EXPECT_EQ(to_string(load("{type: Normal, layer: Linear}", {"model.init_cfg.std=0.5"}).model.init_cfg.at(0).type),
            "Normal(mean=0, std=0.5)");
  EXPECT_EQ(to_string(load("[{type: Normal, layer: Linear}]", {"model.init_cfg.0.std=0.5"}).model.init_cfg.at(0).type),
            "Normal(mean=0, std=0.5)");
}

TEST_F(InitConfigTest, WhatIsNotKnownIsAnErrorWithItsLineAndTheNearestName) {
  EXPECT_EQ(refusal("\n    - {type: Kaimin, layer: Linear}"),
            "config.yaml:4: model.init_cfg[0] has the unknown type 'Kaimin'; did you mean 'Kaiming'?");
  EXPECT_EQ(refusal("\n    - {type: Kaiming, layr: Linear}"),
            "config.yaml:4: unknown key 'layr' in model.init_cfg[0] (Kaiming); did you mean 'layer'?");
  EXPECT_EQ(
      refusal("{type: Kaiming, layer: Linear, mode: fanin}"),
      "config.yaml:3: model.init_cfg.mode is 'fanin', one of fan_in, fan_out is expected; did you mean 'fan_in'?");
  EXPECT_EQ(refusal("{type: Constant, layer: Linear}"), "config.yaml:3: model.init_cfg (Constant) has no 'val'");
  EXPECT_EQ(refusal("{layer: Linear}"),
            "config.yaml:3: model.init_cfg needs a 'type', one of Constant, Xavier, Normal, TruncNormal, Uniform, "
            "Kaiming, Caffe2Xavier, Orthogonal, Pretrained");
  EXPECT_EQ(refusal("Kaiming"), "config.yaml:3: model.init_cfg is 'Kaiming', a map with a 'type' is expected");
  EXPECT_EQ(refusal("{type: Pretrained, checkpoint: x, layer: Linear}"),
            "config.yaml:3: unknown key 'layer' in model.init_cfg (Pretrained)");
  EXPECT_EQ(refusal("{type: Pretrained}"), "config.yaml:3: model.init_cfg (Pretrained) has no 'checkpoint'");
  EXPECT_EQ(refusal("{type: Normal, layer: Linear, std: -1}"),
            "config.yaml:3: model.init_cfg.std is -1, it must be at least 0");
  EXPECT_EQ(refusal("{type: Normal, layer: Linear, bias_prob: 2}"),
            "config.yaml:3: model.init_cfg.bias_prob is 2, it must be from 0 to 1");
}

TEST_F(InitConfigTest, AnOverrideHasANameAloneOrAType) {
  EXPECT_EQ(refusal("{type: Normal, layer: Linear, override: {name: fc1, std: 2}}"),
            "config.yaml:3: model.init_cfg.override has 'std' but no 'type', which it needs for that");
  EXPECT_EQ(refusal("{type: Normal, layer: Linear, override: [{type: Normal}]}"),
            "config.yaml:3: model.init_cfg.override[0] (Normal) has no 'name'");
  EXPECT_EQ(refusal("{type: Normal, layer: Linear, override: [{}]}"),
            "config.yaml:3: model.init_cfg.override[0] has no 'name'");
  EXPECT_EQ(refusal("{type: Normal, layer: Linear, override: {name: fc1, type: Normal, layer: Linear}}"),
            "config.yaml:3: unknown key 'layer' in model.init_cfg.override (Normal)");
}

TEST_F(InitConfigTest, WhatMatchesNothingIsAnErrorBeforeAnyDataIsRead) {
  EXPECT_THAT(refusal("{type: Kaiming, layer: Con2d}"),
              AllOf(HasSubstr("config.yaml:3: model: init_cfg[0] (Kaiming) of SmallCnn matches nothing: there is no "
                              "module of type Con2d among "),
                    EndsWith("; did you mean 'Conv2d'?")));
  EXPECT_THAT(refusal("{type: Kaiming}"), HasSubstr("init_cfg[0] (Kaiming) of SmallCnn sets nothing"));
  EXPECT_THAT(refusal("{type: Constant, val: 1, override: {name: fc3}}"),
              HasSubstr("override 'fc3' is not a child of it; did you mean 'fc1'?"));
  EXPECT_THAT(refusal("{type: Kaiming, layer: _BatchNorm}"), HasSubstr("Kaiming needs a weight of two dimensions"));
  EXPECT_THAT(refusal("{type: Kaiming, layer: Linear, nonlinearity: rel}"), HasSubstr("did you mean 'relu'?"));
}

TEST_F(InitConfigTest, ARunStartsFromItsRulesAndWritesThem) {
  load("{type: Constant, val: 0.5, layer: Linear, bias: 0.25}");
  Trainer trainer(load_train_config(root / "config.yaml"), {.out = root / "run"});
  const Module& model = trainer.model();
  EXPECT_THAT(model.named_tensors().at("fc1.weight").to_vector<float>(), Each(0.5F));
  EXPECT_EQ(model.init_info("fc1.bias"), "Constant(val=0.5), bias=0.25 by init_cfg[0] of SmallCnn");
  EXPECT_EQ(model.init_info("conv1.weight"), "default of Conv2d");
  trainer.run();
  EXPECT_THAT(read_text(root / "run/config.yaml"), HasSubstr("type: Constant"));
}

TEST_F(InitConfigTest, ARunStartsFromAnotherRunsCheckpointAndNeedsItNoMoreAfterwards) {
  TrainConfig first = load("[]");
  first.epochs = 1, first.scheduler.clear();
  train(first, {.out = root / "first"});
  const fs::path from = root / "first/best.safetensors";

  TrainConfig second = load("{type: Pretrained, checkpoint: " + from.string() + "}");
  second.seed = 5;
  testing::internal::CaptureStderr();
  Trainer trainer(second, {.out = root / "second", .stop = [](int64_t step) { return step >= 2; }});
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "ingot: " + from.string() + ": tensors loaded into SmallCnn: 16\n");
  const auto trained = load_safetensors(from).tensors.at("model.fc1.weight").to_vector<float>();
  EXPECT_EQ(trainer.model().named_tensors().at("fc1.weight").to_vector<float>(), trained);
  EXPECT_TRUE(trainer.run().interrupted);

  fs::remove_all(root / "first");
  EXPECT_FALSE(train(second, {.out = root / "second", .resume = true}).interrupted);
  EXPECT_EQ(open_run(root / "second").config.model.init_cfg.size(), 1u);
  EXPECT_THAT(error_of([&] { Trainer(second, {.out = root / "third"}); }),
              HasSubstr("best.safetensors: No such file or directory"));
}

/// The documentation's two lines.
TEST_F(InitConfigTest, ConvolutionsByKaimingAndLinearLayersByXavierInTwoLines) {
  fs::copy(std::string(INGOT_SOURCE_DIR) + "/configs/kaiming_xavier.yaml", root);
  write_text(root / "fashion_mnist.yaml", toy_config(root / "data"));
  const TrainConfig config = load_train_config(root / "kaiming_xavier.yaml", {"model.widths=[32, 64, 256]"});
  Trainer trainer(config, {.out = root / "run"});
  const auto tensors = trainer.model().named_tensors();
  const auto std_of = [&](const char* name) { return std::sqrt(var(tensors.at(name)).item<double>()); };
  EXPECT_NEAR(std_of("conv2.weight"), std::sqrt(2.0 / (64 * 9)), 1e-3);
  EXPECT_NEAR(std_of("fc1.weight"), std::sqrt(2.0 / (64 * 4 + 256)), 1e-3);
  for (const auto& [name, x] : trainer.model().named_parameters())
    EXPECT_THAT(trainer.model().init_info(name), HasSubstr(name.starts_with("conv") ? "Kaiming("
                                                           : name.starts_with("fc") ? "Xavier("
                                                                                    : "default of BatchNorm2d"));
  EXPECT_EQ(trainer.run().epochs, 3);
}

}  // namespace
}  // namespace ingot
