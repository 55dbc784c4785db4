#include <fmt/ranges.h>
#include <gmock/gmock.h>

#include "ingot/train.h"
#include "train/toy_run.h"

namespace ingot {
namespace {

using testing::HasSubstr;

class AttentionConfigTest : public testing::Test {
 protected:
  void SetUp() override { folder = fresh_folder(testing::UnitTest::GetInstance()->current_test_info()->name()); }
  /// The toy config with this model.
  std::string with_model(const std::string& model) const {
    const std::string text = toy_config("/data");
    return "model: {" + model + "}\n" + text.substr(text.find("data:"));
  }
  TrainConfig load(const std::string& text) const {
    write_text(folder / "config.yaml", text);
    return load_train_config(folder / "config.yaml");
  }
  std::string refusal(const std::string& model) const {
    return error_of([&] { load(with_model(model)); });
  }

  std::filesystem::path folder;
};

TEST_F(AttentionConfigTest, EveryKindIsReadAndWrittenBack) {
  const std::pair<std::string, std::vector<std::string>> kinds[] = {
      {"SE", {"reduction: 4", "identity_start: true"}},
      {"ECA", {"kernel_size: 5"}},
      {"CBAM", {"reduction: 8", "kernel_size: 3"}},
      {"BAM", {"dilation: 2"}},
      {"CoordAttention", {"reduction: 8"}},
      {"GC", {"reduction: 4"}},
      {"NonLocal", {"mode: dot_product", "sub_sample: true"}},
      {"SK", {"branches: 3", "least: 16", "groups: 4"}},
      {"SimAM", {"lambda: 0.001"}},
      {"TripletAttention", {"kernel_size: 3"}},
      {"MHSA", {"heads: 8", "size: [4, 2]"}}};
  for (const auto& [name, keys] : kinds) {
    const auto c =
        load(with_model(fmt::format("type: resnet18, attention: {{type: {}, {}}}", name, fmt::join(keys, ", "))));
    ASSERT_TRUE(c.model.options.attention) << name;
    EXPECT_EQ(name_of(c.model.options.attention->kind), name);
    const std::string text = to_yaml(c);
    EXPECT_EQ(to_yaml(load(text)), text);
    for (const std::string& key : keys) EXPECT_THAT(text, HasSubstr(key)) << name;
  }
  const auto c = load(with_model("type: resnet18, attention: {type: MHSA, heads: 8, size: [4, 2]}"));
  const auto& mhsa = std::get<MHSAOptions>(c.model.options.attention->kind);
  EXPECT_EQ(mhsa.heads, 8);
  EXPECT_EQ(*mhsa.size, Pair(4, 2));
}

TEST_F(AttentionConfigTest, PositionAndStagesAreForAllKinds) {
  const auto c = load(with_model("type: mobilenet_v2, attention: {type: ECA, position: output, stages: [1, 5]}"));
  EXPECT_EQ(c.model.options.attention->position, AttentionPosition::output);
  EXPECT_EQ(c.model.options.attention->stages, (std::vector<int64_t>{1, 5}));
  EXPECT_EQ(load(with_model("type: resnet18, attention: {type: ECA, stages: 3}")).model.options.attention->stages,
            (std::vector<int64_t>{3}));
  EXPECT_FALSE(load(with_model("type: resnet18, attention: null")).model.options.attention);
}

TEST_F(AttentionConfigTest, WhatCannotBeIsRefusedWithItsLine) {
  EXPECT_THAT(refusal("type: resnet18, attention: {type: SEE}"), HasSubstr("did you mean 'SE'"));
  EXPECT_THAT(refusal("type: resnet18, attention: {type: ECA, reduction: 4}"),
              HasSubstr("config.yaml:1: unknown key 'reduction' in model.attention (ECA)"));
  EXPECT_THAT(refusal("type: small_cnn, attention: {type: SE}"),
              HasSubstr("config.yaml:1: model: the model small_cnn has no option attention"));
  EXPECT_THAT(refusal("type: resnet18, attention: {type: SE, position: conv}"),
              HasSubstr("config.yaml:1: model: SE cannot stand in the place of a convolution"));
  EXPECT_THAT(refusal("type: resnet18, attention: {type: SE, stages: [1, 9]}"),
              HasSubstr("config.yaml:1: model: there is no stage 9: the network has stages 1 to 4"));
  EXPECT_THAT(refusal("type: resnet18, attention: {type: SE, reduction: 0}"),
              HasSubstr("model.attention.reduction is 0, it must be at least 1"));
  EXPECT_THAT(refusal("type: resnet18, attention: {type: MHSA, size: [4]}"), HasSubstr("model.attention.size has 1"));
}

}  // namespace
}  // namespace ingot
