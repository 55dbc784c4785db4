// Training on several ranks, here threads of the test.
#include <atomic>
#include <limits>
#include <mutex>

#include "ingot/communicator.h"
#include "ingot/io.h"
#include "ingot/nn.h"
#include "ingot/train.h"
#include "train/toy_run.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class RanksTest : public ToyRunTest {
 protected:
  TrainConfig config(const std::vector<std::string>& set = {}) const {
    return load_train_config(root / "config.yaml", set);
  }
  /// Result of rank 0.
  TrainResult train_on(int ranks, const std::string& out, const std::vector<std::string>& set = {},
                       TrainOptions how = {}) const {
    how.out = root / out;
    TrainResult result;
    run_as_ranks(ranks, [&] {
      const TrainResult own = train(config(set), how);
      if (world().rank() == 0) result = own;
    });
    return result;
  }
  TensorsByName weights(const std::string& run) const { return open_run(root / run, "last").model->state_dict(); }
};

double worst_difference(const TensorsByName& a, const TensorsByName& b) {
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const auto x = a[i].second.to_vector<double>(), y = b[i].second.to_vector<double>();
    for (size_t k = 0; k < x.size(); ++k) worst = std::max(worst, std::abs(x[k] - y[k]) / (1 + std::abs(y[k])));
  }
  return worst;
}

// 200 images in batches of 32: three ranks have 10, 11 and 11, and of the last batch 2, 3 and 3.
TEST_F(RanksTest, TrainTheSameNetworkAsOne) {
  const std::vector<std::string> few{"epochs=1", "scheduler=[]"};
  train_on(1, "one", few);
  const TrainLog one = read_log(root / "one");
  for (const int ranks : {2, 3, 4}) {
    const std::string out = "ranks" + std::to_string(ranks);
    const TrainResult result = train_on(ranks, out, few);
    EXPECT_EQ(result.steps, 7);
    EXPECT_LT(worst_difference(weights(out), weights("one")), 2e-4) << ranks;
    const TrainLog log = read_log(root / out);
    EXPECT_NEAR(log.epochs[0].train_loss, one.epochs[0].train_loss, 1e-4);
    EXPECT_NEAR(log.epochs[0].val_loss, one.epochs[0].val_loss, 1e-3);
    EXPECT_EQ(log.steps.size(), one.steps.size());
    EXPECT_EQ(read_text(root / out / "config.yaml"), read_text(root / "one" / "config.yaml"));
  }
}

TEST_F(RanksTest, DeterministicRunsHaveTheSameBitsOnAnyNumberOfRanks) {
  const std::vector<std::string> set{"distributed.deterministic=true", "data.batch_size=64"};
  train_on(1, "one", set);
  for (const int ranks : {2, 4}) {
    const std::string out = "ranks" + std::to_string(ranks);
    train_on(ranks, out, set);
    for (const char* name : {"last.safetensors", "best.safetensors"})
      EXPECT_EQ(read_text(root / out / name), read_text(root / "one" / name)) << ranks << name;
  }
  // Any rank may ask to stop; the run goes on with more ranks, and then with fewer.
  TrainOptions part;
  for (const auto& [ranks, stop] : {std::pair(2, 3), std::pair(4, 6)}) {
    part.stop = [stop = stop](int64_t step) { return world().rank() == 1 && step >= stop; };
    const TrainResult result = train_on(ranks, "part", set, part);
    EXPECT_TRUE(result.interrupted);
    EXPECT_EQ(result.steps, stop + 1);
    part.resume = true;
  }
  part.stop = nullptr;
  train_on(1, "part", set, part);
  EXPECT_EQ(read_text(root / "part" / "last.safetensors"), read_text(root / "one" / "last.safetensors"));
}

TEST_F(RanksTest, RunsGoOnOnAnotherNumberOfRanks) {
  train_on(2, "whole");
  TrainOptions how;
  how.stop = [](int64_t step) { return step >= 9; };
  EXPECT_TRUE(train_on(3, "part", {}, how).interrupted);
  how = {.resume = true};
  EXPECT_EQ(train_on(2, "part", {}, how).steps, 21);
  EXPECT_LT(worst_difference(weights("part"), weights("whole")), 2e-2);
}

TEST_F(RanksTest, OnlyTheFirstShowsAndWrites) {
  std::atomic<int> epochs{0}, steps{0};
  TrainOptions how;
  how.on_epoch = [&](const EpochRecord&) { epochs += 1 + 100 * world().rank(); };
  how.on_step = [&](const TrainProgress&) { steps += 1 + 100 * world().rank(); };
  train_on(3, "run", {}, how);
  EXPECT_EQ(epochs, 3);
  EXPECT_EQ(steps, 21);
}

TEST_F(RanksTest, EvaluateEachImageOnce) {
  train_on(1, "run", {"epochs=1", "scheduler=[]"});
  const ingot::Run run = open_run(root / "run");
  const DatasetHandle images = load_test_data(run.config.data, run.task.class_names);
  const EvalResult alone = evaluate(*run.model, images, run.task);
  for (const int ranks : {2, 3, 4, 7})
    for (const bool deterministic : {false, true})
      run_as_ranks(ranks, [&] {
        const auto model = run.model->clone();
        const EvalResult own =
            evaluate(*model, images, run.task, {.batch_size = 9, .by_ranks = true, .deterministic = deterministic});
        EXPECT_EQ(own.confusion, alone.confusion);
        EXPECT_EQ(own.samples, 60);
        EXPECT_NEAR(own.loss, alone.loss, 1e-6);
        EXPECT_EQ(own.accuracy, alone.accuracy);
      });
}

TEST_F(RanksTest, WithoutSynchronisedNormsBuffersAreTheFirstOnes) {
  const TrainResult result = train_on(2, "run", {"distributed.sync_batch_norm=false", "epochs=6"});
  EXPECT_GT(result.best_accuracy, 0.8);
  train_on(2, "sync", {"epochs=6"});
  EXPECT_GT(worst_difference(weights("run"), weights("sync")), 1e-3);
}

// Batches of 3 leave one of four ranks without an image.
TEST_F(RanksTest, AnImageNeedNotBeThereForEachRank) {
  for (const char* sync : {"true", "false"}) {
    const std::vector<std::string> set{"epochs=1", "scheduler=[]", "data.batch_size=3", "data.train_samples=30",
                                       std::string("distributed.sync_batch_norm=") + sync};
    EXPECT_EQ(train_on(4, "run", set, {.overwrite = true}).steps, 10);
    for (const auto& [name, value] : weights("run"))
      for (const double v : value.to_vector<double>()) EXPECT_TRUE(std::isfinite(v)) << name;
  }
}

TEST_F(RanksTest, ExchangeOncePerNormAndBucket) {
  run_as_ranks(2, [&] {
    Trainer trainer(config({"epochs=1", "scheduler=[]", "distributed.check_interval=1000"}), {.out = root / "run"});
    int64_t norms = 0;
    for (Module* m : trainer.model().modules()) norms += m->is_a("_BatchNorm") ? 1 : 0;
    const RankTraffic before = trainer.traffic();
    trainer.run();
    const RankTraffic now = trainer.traffic();
    EXPECT_EQ((now.gradients - before.gradients).collectives, 7);  // one bucket
    // Besides: the buckets' order, one comparison, the evaluation's 3 classes, 2 numbers, and the end.
    EXPECT_EQ((now.statistics - before.statistics).collectives, 7 * 2 * norms + 1 + 1 + 5 + 1);
  });
}

TEST_F(RanksTest, SaysWhereALossStopsBeingFinite) {
  const std::string text = error_of([&] { train_on(2, "run", {"optimizer.lr=1e38", "clip_grad_norm=null"}); });
  EXPECT_THAT(text, AllOf(HasSubstr("the loss is "), HasSubstr("in step 2 (epoch 1, batch 2): on rank 0, the first")));
}

TEST_F(RanksTest, RefuseWhatDoesNotFitTogether) {
  const auto refuse = [&](int ranks, const std::vector<std::string>& set) {
    return error_of([&] { train_on(ranks, "run", set); });
  };
  EXPECT_THAT(refuse(3, {"distributed.deterministic=true", "data.batch_size=64"}),
              HasSubstr("data.batch_size 64 is not divided by 3 ranks of shards of 16 images"));
  EXPECT_THAT(refuse(2, {"distributed.deterministic=true", "distributed.sync_batch_norm=false"}),
              HasSubstr("deterministic needs sync_batch_norm"));
  EXPECT_THAT(refuse(2, {"distributed.deterministic=true", "distributed.compress=true"}),
              HasSubstr("deterministic does not go with compress"));
  EXPECT_THAT(refuse(2, {"distributed.deterministic=true", "average={type: SWA}"}),
              HasSubstr("deterministic does not go with SWA"));
  EXPECT_EQ(error_of([&] {
              run_as_ranks(2,
                           [&] { train(config({world().rank() == 0 ? "seed=1" : "seed=2"}), {.out = root / "run"}); });
            }),
            "rank 1 has another config: 'seed: 2' where rank 0 has 'seed: 1'");
  EXPECT_THAT(error_of([&] {
                run_as_ranks(2, [&] { train(config(), {.out = root / ("run" + std::to_string(world().rank()))}); });
              }),
              HasSubstr("rank 1 has another run folder: "));
  EXPECT_FALSE(fs::exists(root / "run"));
}

}  // namespace
}  // namespace ingot
