#include <gmock/gmock.h>

#include <csignal>

#include <nlohmann/json.hpp>

#include "cli/process.h"
#include "ingot/file_datasets.h"
#include "train/toy_run.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class TrainVerb : public testing::Test {
 protected:
  void SetUp() override {
    root = fresh_folder(testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(root / "data");
    write_toy_data(root / "data");
    write_text(config(), toy_config(root / "data"));
  }
  void TearDown() override { fs::remove_all(root); }

  std::string config() const { return root / "config.yaml"; }
  std::string out() const { return root / "run"; }
  std::vector<std::string> train_arguments(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments{"train", config(), "--out", out()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  fs::path root;
};

TEST_F(TrainVerb, TrainsAndEvaluates) {
  const Finished trained = ingot(train_arguments());
  EXPECT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.out, AllOf(StartsWith("best validation accuracy "), HasSubstr(" of 3, ")));
  EXPECT_THAT(trained.err,
              AllOf(StartsWith("ingot: epoch 1/3  loss "), HasSubstr("epoch 3/3"), testing::Not(HasSubstr("\r"))));

  const Finished shown = ingot({"eval", out()});
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out, AllOf(StartsWith("accuracy "), HasSubstr("on 60 test images"), HasSubstr("stripes")));

  const Finished evaluated = ingot({"eval", out(), "--json", "--threads", "1"});
  EXPECT_EQ(evaluated.code, 0);
  const json result = json::parse(evaluated.out);
  EXPECT_GE(result.at("accuracy").get<double>(), 0.0);
  EXPECT_LE(result.at("accuracy").get<double>(), 1.0);
  EXPECT_GT(result.at("loss").get<double>(), 0.0);
  EXPECT_EQ(result.at("samples"), 60);
  EXPECT_GT(result.at("samples_per_s").get<double>(), 0.0);
  EXPECT_EQ(result.at("per_class").size(), 3u);
  EXPECT_TRUE(result.at("per_class").contains("stripes"));
  EXPECT_EQ(json::parse(read_text(root / "run/eval.json")).at("accuracy"), result.at("accuracy"));
}

TEST_F(TrainVerb, JsonIsOneObject) {
  const Finished trained = ingot(train_arguments({"--json", "--set", "epochs=2", "--set", "seed=3"}));
  EXPECT_EQ(trained.code, 0) << trained.err;
  const json result = json::parse(trained.out);
  EXPECT_EQ(result.at("epochs"), 2);
  EXPECT_EQ(result.at("steps"), 14);
  EXPECT_EQ(result.at("interrupted"), false);
  for (const char* key : {"best_accuracy", "best_epoch", "seconds"}) EXPECT_TRUE(result.at(key).is_number()) << key;
}

TEST_F(TrainVerb, SavesTestImagesUnderTheirNames) {
  ASSERT_EQ(
      ingot(train_arguments({"--set", "epochs=2", "--set", "data.class_names=[T-shirt/top, Bag, Ankle boot]"})).code,
      0);
  ASSERT_EQ(ingot({"eval", out(), "--save-images", root / "images", "--count", "5"}).code, 0);
  const IdxDataset test(root / "data", false);
  const std::vector<std::string> names{"t_shirt_top", "bag", "ankle_boot"};
  for (int64_t i = 0; i < 5; ++i) {
    const Sample sample = test.get(i);
    const auto name = "000" + std::to_string(i) + "_" + names[size_t(sample.target.item<int64_t>())] + ".png";
    EXPECT_EQ(read_png(root / "images" / name).to_vector<int>(), sample.input.to_vector<int>()) << name;
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(root / "images"), fs::directory_iterator()), 5);
}

TEST_F(TrainVerb, ControlCSavesAndResumeGoesOnWithTheSameBits) {
  ASSERT_EQ(ingot({"train", config(), "--out", root / "whole", "--set", "epochs=40"}).code, 0);
  Process process(ingot_command(train_arguments({"--set", "epochs=40"})));
  ASSERT_TRUE(process.wait_for("epoch  3/40"));
  process.signal(SIGINT);
  const Finished stopped = process.finish();
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_THAT(stopped.err, HasSubstr("saved; go on with --resume"));
  EXPECT_EQ(ingot(train_arguments({"--set", "epochs=40", "--resume"})).code, 0);
  EXPECT_EQ(read_text(root / "run/last.safetensors"), read_text(root / "whole/last.safetensors"));
}

TEST_F(TrainVerb, AKilledRunResumesWithTheSameBits) {
  ASSERT_EQ(ingot({"train", config(), "--out", root / "whole", "--set", "epochs=40"}).code, 0);
  Process process(ingot_command(train_arguments({"--set", "epochs=40"})));
  ASSERT_TRUE(process.wait_for("epoch  5/40"));
  process.signal(SIGKILL);
  EXPECT_EQ(process.finish().code, 128 + SIGKILL);
  EXPECT_EQ(ingot(train_arguments({"--set", "epochs=40", "--resume"})).code, 0);
  for (const char* name : {"last.safetensors", "best.safetensors"})
    EXPECT_EQ(read_text(root / "run" / name), read_text(root / "whole" / name));
}

TEST_F(TrainVerb, InputThatIsRefusedEndsWithTwo) {
  const auto refused = [](const Finished& r, const std::string& text) {
    EXPECT_EQ(r.code, 2) << r.err;
    EXPECT_EQ(r.out, "");
    EXPECT_THAT(r.err, AllOf(StartsWith("ingot: "), HasSubstr(text)));
  };
  refused(ingot({"train", root / "none.yaml", "--out", out()}), "none.yaml");
  refused(ingot(train_arguments({"--set", "optimizer.momentun=1"})), "did you mean 'momentum'?");
  refused(ingot(train_arguments({"--resume"})), "there is no run to resume");
  refused(ingot({"eval", root / "none"}), "there is no such run folder");
  refused(ingot(train_arguments({"--set", "data.class_names=[a, b]"})), "is outside [0, 2)");
  ASSERT_EQ(ingot(train_arguments()).code, 0);
  refused(ingot(train_arguments()), "holds a run already");
  EXPECT_EQ(ingot(train_arguments({"--overwrite"})).code, 0);
  fs::resize_file(root / "run/best.safetensors", 1000);
  refused(ingot({"eval", out()}), "best.safetensors");
}

TEST_F(TrainVerb, WorkThatFailsEndsWithOne) {
  write_text(root / "file", "");
  const Finished unwritable = ingot({"train", config(), "--out", root / "file/run"});
  EXPECT_EQ(unwritable.code, 1);
  EXPECT_THAT(unwritable.err, HasSubstr("file/run: cannot make the folder"));
  const Finished nan = ingot(train_arguments(
      {"--set", "optimizer.lr=1e30", "--set", "clip_grad_norm=null", "--set", "scheduler=[]", "--set", "epochs=20"}));
  EXPECT_EQ(nan.code, 1);
  EXPECT_THAT(nan.err, AllOf(HasSubstr("the loss is "), HasSubstr("comes out of [")));
}

}  // namespace
}  // namespace ingot
