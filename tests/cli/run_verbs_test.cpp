#include <gmock/gmock.h>

#include "cli/command.h"

namespace ingot {
namespace {

using testing::HasSubstr;
using testing::Not;

/// A run on a data set of its own, with its engine.
class RunVerbs : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const fs::path data = scratch_folder() / "data", config = scratch_folder() / "config.yaml";
    fs::create_directories(data);
    write_toy_data(data);
    std::string text = toy_config(data);
    text.replace(text.find("stripes"), 7, "'str<i>pes'");
    write_text(config, text);
    run_ = (scratch_folder() / "run").string();
    engine_ = run_ + "/model.ingot";
    trained_ = run_line("train " + config.string() + " --out " + run_);
    built_ = run_line("build " + run_ + " -o " + engine_ + " --no-timing");
  }
  void SetUp() override {
    ASSERT_EQ(trained_.code, 0) << trained_.err;
    ASSERT_EQ(built_.code, 0) << built_.err;
  }

  static inline std::string run_, engine_;
  static inline Outcome trained_, built_;
};

TEST_F(RunVerbs, BuildFoldsEveryBatchNorm) {
  const auto report = nlohmann::json::parse(read_text(run_ + "/model.report.json"));
  EXPECT_EQ(report.at("passes").at("passes").at("fold_conv_batch_norm").at("applied"), 2);
  EXPECT_THAT(report.at("graph").at("after").get<std::string>(), Not(HasSubstr("batch_norm(")));
}

TEST_F(RunVerbs, CompareRunsOverTheTestImages) {
  const Outcome o = run_line("compare " + run_ + " " + engine_ + " --json --per-layer");
  ASSERT_EQ(o.code, 0) << o.out << o.err;
  EXPECT_EQ(o.json().at("samples"), 60);
  EXPECT_TRUE(o.json().at("passed").get<bool>());
  EXPECT_EQ(run_line("compare " + run_ + " " + engine_ + " --json --count 7").json().at("samples"), 7);
}

TEST_F(RunVerbs, CompareFailsBelowWhatRoundingAllows) {
  const Outcome o = run_line("compare " + run_ + " " + engine_ + " --rtol 0 --atol 0");
  EXPECT_EQ(o.code, 1);
  EXPECT_THAT(o.out, HasSubstr("MISMATCH"));
}

TEST_F(RunVerbs, BenchLeavesItsTimesInTheRun) {
  const Outcome o = run_line("bench " + run_ + " " + engine_ + " --warmup 0 --duration 0.1 --json");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(nlohmann::json::parse(read_text(run_ + "/bench.json")), o.json());
  EXPECT_EQ(o.json().at("models").size(), 3u);
}

TEST_F(RunVerbs, EngineAndRunPredictTheSameNamedClasses) {
  const std::string images = (scratch_folder() / "images").string();
  ASSERT_EQ(run_line("eval " + run_ + " --save-images " + images + " --count 3").code, 0);
  std::string files;
  for (const auto& file : fs::directory_iterator(images)) files += " " + file.path().string();
  const Outcome engine = run_line("predict " + engine_ + files + " --top 3 --json");
  const Outcome run = run_line("predict " + run_ + files + " --top 3 --json");
  ASSERT_EQ(engine.code, 0) << engine.err;
  ASSERT_EQ(run.code, 0) << run.err;
  const auto a = engine.json().at("images"), b = run.json().at("images");
  ASSERT_EQ(a.size(), 3u);
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t k = 0; k < 3; ++k) {
      const auto &x = a[i].at("top")[k], &y = b[i].at("top")[k];
      EXPECT_EQ(x.at("name"), y.at("name"));
      EXPECT_NEAR(x.at("probability").get<double>(), y.at("probability").get<double>(), 1e-5);
      EXPECT_THAT(x.at("name").get<std::string>(), testing::AnyOf("top", "str<i>pes", "bottom"));
    }
}

TEST_F(RunVerbs, ReportHoldsImagesAndCurves) {
  ASSERT_EQ(run_line("eval " + run_).code, 0);
  const Outcome o = run_line("report " + run_ + " --images 4 --json");
  ASSERT_EQ(o.code, 0) << o.err;
  const std::string page = read_text(run_ + "/report.html");
  EXPECT_EQ(o.json().at("bytes"), page.size());
  for (const char* part : {"data:image/png;base64,", "Loss by epoch", "Confusion matrix", "fold_conv_batch_norm"})
    EXPECT_THAT(page, HasSubstr(part));
  EXPECT_THAT(page, Not(HasSubstr("str<i>pes")));
}

TEST_F(RunVerbs, ReportWithoutTheDataSetSaysSo) {
  const fs::path copy = scratch_folder() / "copy";
  fs::remove_all(copy);
  fs::copy(run_, copy, fs::copy_options::recursive);
  fs::remove(copy / "best.safetensors");
  const Outcome o = run_line("report " + copy.string());
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.err, HasSubstr("best.safetensors"));
  EXPECT_THAT(read_text(copy / "report.html"), HasSubstr("There are no test images to show"));
}

TEST_F(RunVerbs, InspectAndSummaryReadARun) {
  EXPECT_EQ(run_line("inspect " + run_ + " --json").json().at("class_names").size(), 3u);
  EXPECT_EQ(run_line("inspect " + run_ + "/best.safetensors").code, 0);
  const Outcome o = run_line("summary " + run_ + " --json");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(o.json().at("input"), nlohmann::json::array({1, 1, 8, 8}));
}

TEST_F(RunVerbs, ADamagedRunIsRefused) {
  const fs::path copy = scratch_folder() / "damaged";
  fs::remove_all(copy);
  fs::copy(run_, copy, fs::copy_options::recursive);
  fs::resize_file(copy / "best.safetensors", 100);
  const std::string build = "build -o " + (scratch_folder() / "never.ingot").string() + " ";
  for (const std::string& verb : {build, std::string("summary "), std::string("inspect "), std::string("bench ")}) {
    const Outcome o = run_line(verb + copy.string());
    EXPECT_EQ(o.code, 2) << verb << o.err;
    EXPECT_THAT(o.err, HasSubstr("best.safetensors")) << verb;
  }
  EXPECT_EQ(run_line("summary " + scratch_folder().string()).code, 2);
}

}  // namespace
}  // namespace ingot
