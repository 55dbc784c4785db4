#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>

#include "error_of.h"
#include "ingot/init_cfg.h"
#include "ingot/io.h"
#include "ingot/models.h"

namespace ingot {
namespace {

using testing::Each;
using testing::HasSubstr;

std::vector<float> values(const Tensor& x) { return x.to_vector<float>(); }

/// Files of a test and what it logs.
class Pretrained : public testing::Test {
 protected:
  void SetUp() override {
    file_ =
        std::filesystem::path(testing::TempDir()) / ("ingot_pretrained_" + std::to_string(::getpid()) + ".safetensors");
  }
  void TearDown() override { std::filesystem::remove(file_); }

  /// A state whose values are all `value`, under a prefix.
  static TensorMap state(const Module& module, double value, const std::string& prefix = "") {
    TensorMap out;
    for (const auto& [name, x] : module.state_dict()) out.emplace(prefix + name, full(x.shape(), value));
    return out;
  }
  void save(const TensorMap& tensors) const { save_safetensors(file_, tensors); }
  std::string init(Module& module, const std::string& prefix = "") const {
    module.set_init_cfg({{.type = PretrainedInit{file_, prefix}}});
    testing::internal::CaptureStderr();
    const std::string error = error_of([&] { init_weights(module, 0); });
    std::string text = testing::internal::GetCapturedStderr() + error;
    for (size_t at = 0; (at = text.find(file_.string())) != text.npos;) text.replace(at, file_.string().size(), "FILE");
    return text;
  }

  std::filesystem::path file_;
};

TEST_F(Pretrained, LoadsByNameAndSaysSo) {
  Sequential net(Linear(2, 3), Linear(3, 1));
  save(state(net, 5));
  EXPECT_EQ(init(net), "ingot: FILE: tensors loaded into Sequential: 4\n");
  EXPECT_THAT(values(net.get<Linear>(1).weight), Each(5.0F));
  EXPECT_EQ(net.init_info("1.weight"), "Pretrained(checkpoint=" + file_.string() + ") by init_cfg[0] of Sequential");
}

TEST_F(Pretrained, ListsWhatIsMissingUnexpectedOrOfAnotherShape) {
  Sequential net(Linear(2, 3), Linear(3, 1));
  TensorMap tensors = state(net, 5);
  tensors.erase("0.bias");
  tensors.emplace("2.weight", ones({2}));
  tensors.emplace("2.bias", ones({2}));
  tensors.at("1.weight") = ones({10, 3});
  save(tensors);
  EXPECT_EQ(init(net),
            "ingot: FILE: tensors loaded into Sequential: 2\n"
            "ingot: warning: FILE: left out as not in the file: 0.bias\n"
            "ingot: warning: FILE: left out as not in the module: 2.bias, 2.weight\n"
            "ingot: warning: FILE: left out as of another shape: 1.weight is [10, 3] there, [1, 3] here\n");
  EXPECT_EQ(net.init_info("0.bias"), "default of Linear");
  EXPECT_EQ(net.init_info("1.weight"), "default of Linear");
  EXPECT_THAT(values(net.get<Linear>(0).weight), Each(5.0F));
}

TEST_F(Pretrained, ComesLastWhereverItStands) {
  Sequential net(Linear(2, 2), Linear(2, 2));
  save({{"0.weight", full({2, 2}, 5)}});
  net[0].set_init_cfg({{.type = ConstantInit{3}, .layer = {"Linear"}}});
  net.set_init_cfg({{.type = PretrainedInit{file_}}, {.type = ConstantInit{2}, .layer = {"Linear"}}});
  init_weights(net, 0);
  EXPECT_THAT(values(net.get<Linear>(0).weight), Each(5.0F));
  EXPECT_THAT(values(net.get<Linear>(1).weight), Each(2.0F));
}

TEST_F(Pretrained, APrefixChoosesAPart) {
  Sequential net(Linear(2, 2), ReLU());
  TensorMap tensors = state(net, 5, "backbone.");
  tensors.emplace("backbone2.0.weight", zeros({2, 2}));
  save(tensors);
  for (const char* prefix : {"backbone", "backbone."}) {
    EXPECT_THAT(init(net, prefix), HasSubstr("FILE: tensors loaded into Sequential: 2\n"));
    EXPECT_THAT(values(net.get<Linear>(0).weight), Each(5.0F));
  }
  EXPECT_EQ(net.init_info("0.bias"),
            "Pretrained(checkpoint=" + file_.string() + ", prefix=backbone.) by init_cfg[0] of Sequential");
}

TEST_F(Pretrained, AnOverrideLoadsAChildAfterAllElse) {
  Sequential net(Linear(2, 2), Linear(2, 2));
  save({{"weight", full({2, 2}, 5)}});
  net.set_init_cfg(
      {{.type = ConstantInit{1}, .layer = {"Linear"}, .override = {{.name = "1", .type = PretrainedInit{file_}}}},
       {.type = ConstantInit{2}, .layer = {"Linear"}}});
  init_weights(net, 0);
  EXPECT_THAT(values(net.get<Linear>(0).weight), Each(2.0F));
  EXPECT_THAT(values(net.get<Linear>(1).weight), Each(5.0F));
}

TEST_F(Pretrained, NamesThatDoNotFitAtAllAreAnError) {
  Sequential net(Linear(2, 2), ReLU());
  save(state(net, 5, "module."));
  EXPECT_EQ(init(net),
            "FILE: none of its tensors fits Sequential; not in the file: 0.weight, 0.bias; "
            "not in the module: module.0.bias, module.0.weight");
  EXPECT_THAT(init(net, "backbone"),
              HasSubstr("FILE: has no tensor below the prefix 'backbone.'; its tensors are module.0.bias, "
                        "module.0.weight"));
  save({{"0.weight", zeros({3, 3})}});
  EXPECT_THAT(init(net), HasSubstr("FILE: none of its tensors fits Sequential; not in the file: 0.bias; "
                                   "of another shape: 0.weight is [3, 3] there, [2, 2] here"));
  std::filesystem::remove(file_);
  EXPECT_THAT(init(net), HasSubstr("FILE: No such file or directory"));
}

TEST_F(Pretrained, CastsToTheModulesType) {
  Sequential net(Linear(2, 2), ReLU());
  save({{"0.weight", full({2, 2}, 0.3, DType::f64)}, {"0.bias", cast(full({2}, 0.5), DType::bf16)}});
  EXPECT_THAT(init(net), HasSubstr("loaded into Sequential: 2"));
  EXPECT_THAT(values(net.get<Linear>(0).weight), Each(0.3F));
  EXPECT_THAT(values(*net.get<Linear>(0).bias), Each(0.5F));
  save({{"0.bias", cast(full({2}, 0.25), DType::f16)}});
  init(net);
  EXPECT_THAT(values(*net.get<Linear>(0).bias), Each(0.25F));
}

TEST_F(Pretrained, ReadsTheModelOfATrainingRunsCheckpoint) {
  Sequential net(Linear(2, 2), ReLU());
  TensorMap tensors = state(net, 5, "model.");
  tensors.emplace("optimizer.0.momentum_buffer", ones({2, 2}));
  save_safetensors(file_, tensors, {{kRunCheckpoint, "1"}, {kContentHash, hash_tensors(tensors)}});
  EXPECT_EQ(init(net), "ingot: FILE: tensors loaded into Sequential: 2\n");
  EXPECT_THAT(values(net.get<Linear>(0).weight), Each(5.0F));
}

}  // namespace
}  // namespace ingot
