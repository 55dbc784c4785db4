#include <nlohmann/json.hpp>

#include "ingot/ops.h"
#include "ingot/train.h"
#include "train/toy_run.h"

// Linear SVMs through the ordinary pipeline.
namespace ingot {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::vector<std::vector<std::string>> kCases{{"loss.multi_class=one_vs_rest", "loss.squared=false"},
                                                   {"loss.multi_class=one_vs_rest", "loss.squared=true"},
                                                   {"loss.multi_class=crammer_singer", "loss.squared=false"},
                                                   {"loss.multi_class=crammer_singer", "loss.squared=true"}};

class SvmTraining : public testing::Test {
 protected:
  void SetUp() override {
    root = fresh_folder(testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(root / "data");
    write_toy_data(root / "data");
  }
  void TearDown() override { fs::remove_all(root); }

  TrainConfig config(const std::string& optimizer, std::vector<std::string> set = {}) const {
    write_text(root / "config.yaml", "model: {type: linear}\ndata: {type: idx, root: " + (root / "data").string() +
                                         ", train_samples: 150, validation: 40, mean: 0, std: 1, batch_size: 25}\n"
                                         "loss: {type: svm, C: 0.1}\noptimizer: " +
                                         optimizer + "\nepochs: 14\nlog_interval: 1\n");
    return load_train_config(root / "config.yaml", set);
  }
  std::vector<EpochRecord> epochs(const TrainConfig& c, const char* out) const {
    train(c, {.out = root / out, .overwrite = true});
    return read_log(root / out).epochs;
  }

  fs::path root;
};

TEST_F(SvmTraining, TheSolverClosesTheGap) {
  for (const auto& set : {kCases[0], kCases[3]}) {
    const auto log = epochs(config("{type: SvmSolver}", set), "run");
    ASSERT_EQ(log.size(), 14u);
    const EpochRecord& last = log.back();
    ASSERT_TRUE(last.svm && last.svm->dual);
    EXPECT_GE(last.svm->objective, *last.svm->dual * (1 - 1e-6));
    EXPECT_LT(last.svm->objective - *last.svm->dual, 1e-3 * last.svm->objective) << set[0] << set[1];
    EXPECT_LT(last.svm->objective, log.front().svm->objective);
    EXPECT_EQ(last.svm->samples, 150);
    EXPECT_GT(last.svm->support_vectors, 3);
    EXPECT_NEAR(last.train_loss, last.svm->objective / (0.1 * 150), 1e-9);
    EXPECT_NEAR(last.train_accuracy, static_cast<double>(last.svm->right) / 150, 1e-12);
    EXPECT_GT(last.val_accuracy, 0.8);
  }
}

TEST_F(SvmTraining, SGDComesNear) {
  const double least = *epochs(config("{type: SvmSolver}"), "run").back().svm->dual;
  const auto log =
      epochs(config("{type: SGD, lr: 0.01, momentum: 0.9}", {"epochs=40", "scheduler=[{type: PolynomialLR}]"}), "sgd");
  const SvmReport& found = *log.back().svm;
  EXPECT_GE(found.objective, least * (1 - 1e-6));
  EXPECT_LT(found.objective, 1.05 * least);
  EXPECT_FALSE(found.dual.has_value());
  EXPECT_LE(150 - found.zero_loss, found.support_vectors);
  EXPECT_NEAR(log.back().train_loss, found.objective / (0.1 * 150), 0.02 * log.back().train_loss);
}

TEST_F(SvmTraining, AStepsLossIsTheObjective) {
  // One batch of all images: the first step's loss is that of the initial weights.
  const TrainConfig c = config("{type: SGD, lr: 1.0e-12}", {"data.batch_size=150", "epochs=1"});
  train(c, {.out = root / "run"});
  const TrainLog log = read_log(root / "run");
  EXPECT_NEAR(log.steps.at(0).loss, log.epochs.at(0).svm->objective / (0.1 * 150), 1e-5);
}

TEST_F(SvmTraining, ResumesWithTheSameBits) {
  for (const char* optimizer : {"{type: SvmSolver}", "{type: SGD, lr: 0.01}"}) {
    const TrainConfig c = config(optimizer, {kCases[2][0], "epochs=5"});
    train(c, {.out = root / "whole", .overwrite = true});
    TrainOptions part{.out = root / "part", .overwrite = true, .stop = [](int64_t step) { return step >= 3; }};
    EXPECT_TRUE(train(c, part).interrupted);
    EXPECT_FALSE(train(c, {.out = root / "part", .resume = true}).interrupted);
    for (const char* name : {"last.safetensors", "best.safetensors"})
      EXPECT_EQ(read_text(root / "part" / name), read_text(root / "whole" / name)) << optimizer << name;
    const auto whole = read_log(root / "whole").epochs, joined = read_log(root / "part").epochs;
    ASSERT_EQ(joined.size(), whole.size());
    for (size_t i = 0; i < whole.size(); ++i) EXPECT_EQ(joined[i].svm->objective, whole[i].svm->objective);
  }
}

TEST_F(SvmTraining, AskedToStopInTheLastRoundItIsDone) {
  TrainOptions options{.out = root / "run", .stop = [](int64_t step) { return step >= 14; }};
  EXPECT_FALSE(train(config("{type: SvmSolver}"), options).interrupted);
}

TEST_F(SvmTraining, TheTableHasItsColumns) {
  epochs(config("{type: SvmSolver}"), "run");
  const std::string table = read_text(root / "run/log.csv");
  const std::string header = table.substr(0, table.find('\n')), row = table.substr(header.size() + 1);
  EXPECT_THAT(header, HasSubstr("best,objective,dual,zero_loss,support_vectors,least_margin,largest_margin"));
  EXPECT_EQ(std::count(header.begin(), header.end(), ','),
            std::count(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(row.find('\n')), ','));
}

TEST_F(SvmTraining, RefusesWhatDoesNotGoWithIt) {
  const auto refusal = [&](const std::string& optimizer, std::vector<std::string> set) {
    return error_of([&] { config(optimizer, std::move(set)); });
  };
  const std::string solver = "{type: SvmSolver}", sgd = "{type: SGD, lr: 0.1}";
  EXPECT_THAT(refusal(solver, {"loss={type: cross_entropy}"}),
              HasSubstr("SvmSolver minimises the loss svm and no other"));
  EXPECT_THAT(refusal(sgd, {"model.type=small_cnn"}), HasSubstr("the loss svm is for the model linear, not small_cnn"));
  EXPECT_THAT(refusal("{type: AdamW}", {}), HasSubstr("weight_decay is 0.01, it must be 0"));
  EXPECT_THAT(refusal(sgd, {"data.augment=[{type: RandomHorizontalFlip}]"}), HasSubstr("data.augment must be empty"));
  EXPECT_THAT(refusal(sgd, {"data.on_error=skip"}), HasSubstr("data.on_error must be raise"));
  EXPECT_THAT(refusal(solver, {"scheduler=[{type: PolynomialLR}]"}), HasSubstr("SvmSolver has no learning rate"));
  EXPECT_THAT(refusal(solver, {"average={type: SWA}"}), HasSubstr("SvmSolver has no steps to average over"));
  EXPECT_THAT(refusal(solver, {"clip_grad_norm=1"}), HasSubstr("SvmSolver does not clip gradients"));
  EXPECT_THAT(refusal(solver, {"loss.C=0"}), HasSubstr("C is 0, it must be positive"));
  EXPECT_THAT(refusal(solver, {"optimizer.growth=0.5"}), HasSubstr("growth is 0.5, it must be at least 1"));
  EXPECT_THAT(refusal(solver, {"loss.multi_class=all"}), HasSubstr("one of one_vs_rest, crammer_singer"));
}

}  // namespace
}  // namespace ingot
