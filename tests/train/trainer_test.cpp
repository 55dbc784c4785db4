#include <sys/resource.h>

#include <csignal>
#include <limits>

#include "ingot/init.h"
#include "ingot/io.h"
#include "ingot/ops.h"
#include "ingot/train.h"
#include "train/toy_run.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::StartsWith;

class TrainerTest : public ToyRunTest {
 protected:
  TrainConfig config(const std::vector<std::string>& set = {}) const {
    return load_train_config(root / "config.yaml", set);
  }
  TrainOptions options(const std::string& out) const { return {.out = root / out}; }
  TrainOptions resuming(const std::string& out) const { return {.out = root / out, .resume = true}; }

  /// Trains the steps up to this one and saves.
  TrainResult train_until(int64_t last_step, TrainOptions how, const std::vector<std::string>& set = {}) const {
    how.stop = [last_step](int64_t step) { return step >= last_step; };
    return train(config(set), how);
  }
};

TEST_F(TrainerTest, LearnsAndLeavesARunFolder) {
  std::vector<EpochRecord> seen;
  int64_t steps_seen = 0;
  TrainOptions how = options("run");
  how.on_epoch = [&](const EpochRecord& record) { seen.push_back(record); };
  how.on_step = [&](const TrainProgress& p) {
    ++steps_seen;
    EXPECT_EQ(p.batches, 7);  // 200 images by 32
    EXPECT_EQ(p.epoch, (steps_seen - 1) / 7 + 1);
    EXPECT_EQ(p.batch, (steps_seen - 1) % 7 + 1);
    EXPECT_GE(p.seconds_left, 0);
  };
  const TrainResult result = train(config({"epochs=6"}), how);
  EXPECT_FALSE(result.interrupted);
  EXPECT_EQ(result.epochs, 6);
  EXPECT_EQ(result.steps, 42);
  EXPECT_EQ(steps_seen, 42);
  EXPECT_GT(result.best_accuracy, 0.9);
  ASSERT_EQ(seen.size(), 6u);
  EXPECT_LT(seen.back().train_loss, seen.front().train_loss);
  for (const char* name : {"config.yaml", "best.safetensors", "last.safetensors", "log.jsonl", "log.csv"})
    EXPECT_TRUE(fs::exists(root / "run" / name)) << name;

  const TrainLog log = read_log(root / "run");
  ASSERT_EQ(log.epochs.size(), 6u);
  EXPECT_EQ(log.steps.size(), 21u);
  EXPECT_EQ(log.steps[3].step, 8);
  EXPECT_EQ(log.steps[3].epoch, 2);
  EXPECT_DOUBLE_EQ(log.epochs[5].val_accuracy, seen[5].val_accuracy);
  double best = 0;
  for (const EpochRecord& r : log.epochs) best = std::max(best, r.val_accuracy);
  EXPECT_DOUBLE_EQ(best, result.best_accuracy);
  EXPECT_DOUBLE_EQ(log.epochs[size_t(result.best_epoch - 1)].val_accuracy, best);
  EXPECT_THAT(read_text(root / "run/log.csv"), StartsWith("epoch,step,lr,train_loss,"));
}

TEST_F(TrainerTest, WarmUpAndCosineMoveTheRateWithEveryStep) {
  train(config({"log_interval=1"}), options("run"));
  const TrainLog log = read_log(root / "run");
  ASSERT_EQ(log.steps.size(), 21u);
  EXPECT_NEAR(log.steps[0].lr, 0.005, 1e-12);
  EXPECT_NEAR(log.steps[1].lr, 0.005 + 0.045 / 7, 1e-12);
  EXPECT_NEAR(log.steps[7].lr, 0.05, 1e-12);
  EXPECT_NEAR(log.steps[14].lr, 0.025, 1e-12);  // half of the 14 steps of cosine
  EXPECT_LT(log.steps[20].lr, 0.001);
}

TEST_F(TrainerTest, MathIsTheConfigs) {
  EXPECT_EQ(config().math, Math::fast);
  train(config({"math=strict"}), options("run"));
  EXPECT_EQ(math(), Math::strict);
  EXPECT_EQ(open_run(root / "run").config.math, Math::strict);
  set_math(Math::fast);
}

TEST_F(TrainerTest, ARunFolderOpensWithItsBestWeights) {
  const TrainResult result = train(config(), options("run"));
  const ingot::Run run = open_run(root / "run");
  EXPECT_FALSE(run.model->is_training());
  EXPECT_EQ(run.task.input, (Shape{1, 8, 8}));
  EXPECT_THAT(run.task.class_names, testing::ElementsAre("top", "stripes", "bottom"));
  const TrainingData data = load_data(run.config.data);
  EXPECT_EQ(run.task.mean, data.task.mean);
  const EvalResult again = evaluate(*run.model, data.validation, run.task);
  EXPECT_DOUBLE_EQ(again.accuracy, result.best_accuracy);
  EXPECT_EQ(to_yaml(run.config), read_text(root / "run/config.yaml"));
}

TEST_F(TrainerTest, EvaluationCountsWhatTheClassifierSays) {
  const TrainingData data = load_data(config().data);
  // Always the second class.
  const Classifier classify = [](const Tensor& x) {
    return expand(from_vector<float>({0, 2, 0}, {1, 3}), {x.size(0), 3});
  };
  const EvalResult r = evaluate(classify, data.test, data.task, {.batch_size = 7});
  EXPECT_EQ(r.samples, 60);
  int64_t stripes = 0, all = 0;
  for (size_t c = 0; c < 3; ++c) {
    stripes += c == 1 ? r.confusion[c][1] : 0;
    all += r.confusion[c][1];
    EXPECT_EQ(r.confusion[c][0] + r.confusion[c][2], 0);
  }
  EXPECT_EQ(all, 60);
  EXPECT_DOUBLE_EQ(r.accuracy, static_cast<double>(stripes) / 60);
  EXPECT_THAT(r.per_class, testing::ElementsAre(0, 1, 0));
  const double log_sum = std::log(2 + std::exp(2.0));
  const double expected = (static_cast<double>(stripes) * (log_sum - 2) + static_cast<double>(60 - stripes) * log_sum);
  EXPECT_NEAR(r.loss, expected / 60, 1e-6);
}

// ---- Resuming

TEST_F(TrainerTest, AResumedRunHasTheBitsOfAnUninterruptedOne) {
  train(config(), options("whole"));
  // In the middle of an epoch, at its last batch, and after it.
  int64_t from = 0;
  for (const int64_t stop : {3, 7, 8, 13, 21}) {
    const std::string out = "run" + std::to_string(stop);
    const TrainResult part = train_until(stop, options(out));
    EXPECT_TRUE(part.interrupted);
    EXPECT_EQ(part.steps, stop);
    const TrainResult rest = train(config(), resuming(out));
    EXPECT_FALSE(rest.interrupted);
    for (const char* name : {"last.safetensors", "best.safetensors", "config.yaml"})
      EXPECT_EQ(read_text(root / out / name), read_text(root / "whole" / name)) << name << " stopped at " << stop;
    from = stop;
  }
  EXPECT_EQ(from, 21);
}

TEST_F(TrainerTest, ManyInterruptionsAndWorkersChangeNothing) {
  train(config(), options("whole"));
  train_until(2, options("run"));
  for (const int64_t stop : {5, 9, 14, 16}) train_until(stop, resuming("run"));
  train(config(), resuming("run"));
  EXPECT_EQ(read_text(root / "run/last.safetensors"), read_text(root / "whole/last.safetensors"));
  train(config({"data.num_workers=2"}), options("workers"));
  EXPECT_EQ(read_text(root / "workers/last.safetensors"), read_text(root / "whole/last.safetensors"));
}

TEST_F(TrainerTest, EveryOptimizerResumesExactly) {
  for (const char* optimizer : {"{type: Adam, lr: 0.01}", "{type: AdamW, lr: 0.01, amsgrad: true}",
                                "{type: Adagrad, lr: 0.05}", "{type: SGD, lr: 0.05}"}) {
    std::string text = toy_config(root / "data");
    text.replace(text.find("optimizer:"), text.find("scheduler:") - text.find("optimizer:"),
                 std::string("optimizer: ") + optimizer + "\n");
    write_text(root / "config.yaml", text);
    TrainOptions whole = options("whole"), part = options("part");
    whole.overwrite = part.overwrite = true;
    train(config(), whole);
    train_until(10, part);
    train(config(), resuming("part"));
    EXPECT_EQ(read_text(root / "part/last.safetensors"), read_text(root / "whole/last.safetensors")) << optimizer;
  }
}

TEST_F(TrainerTest, APlateauLowersTheRateAndResumesExactly) {
  // Everything is a bad epoch after the first: a loss has to get better by 1000.
  const std::vector<std::string> set{
      "epochs=5",
      "scheduler=[{type: ReduceLROnPlateau, factor: 0.5, patience: 1, threshold: 1000, threshold_mode: abs}]"};
  std::vector<double> rates;
  TrainOptions how = options("whole");
  how.on_epoch = [&](const EpochRecord& record) { rates.push_back(record.lr); };
  train(config(set), how);
  EXPECT_THAT(rates, testing::ElementsAre(0.05, 0.05, 0.05, 0.025, 0.025));
  for (const int64_t stop : {3, 16, 23}) {
    fs::remove_all(root / "parts");
    train_until(stop, options("parts"), set);
    train(config(set), resuming("parts"));
    EXPECT_EQ(read_text(root / "parts/last.safetensors"), read_text(root / "whole/last.safetensors")) << stop;
  }
  const TrainConfig accuracy = config({"scheduler=[{type: ReduceLROnPlateau, monitor: val_accuracy}]"});
  EXPECT_EQ(std::get<ReduceLROnPlateauConfig>(accuracy.scheduler[0]).monitor, "val_accuracy");
}

TEST_F(TrainerTest, AveragesResumeExactly) {
  for (const char* average : {"average={type: EMA, decay: 0.9}", "average={type: SWA, start: 0.4}"}) {
    TrainOptions whole = options("whole"), part = options("part");
    whole.overwrite = part.overwrite = true;
    train(config({average}), whole);
    int64_t steps = 0;
    for (const int64_t stop : {5, 13, 19}) {
      part.stop = [&](int64_t step) { return (steps = step) >= stop; };
      train(config({average}), part);
      part.overwrite = false, part.resume = true;
    }
    EXPECT_EQ(steps, 19);
    train(config({average}), resuming("part"));
    for (const char* name : {"last.safetensors", "best.safetensors"})
      EXPECT_EQ(read_text(root / "part" / name), read_text(root / "whole" / name)) << average << ' ' << name;
  }
}

TEST_F(TrainerTest, TheAverageIsWhatIsValidatedAndSaved) {
  const TrainConfig averaged = config({"average={type: SWA, start: 0.5}", "clip_grad_norm=null"});
  TrainOptions with = options("run");
  std::unique_ptr<Trainer> trainer;
  std::vector<double> mean(4);
  int64_t count = 0;
  const int64_t steps = 3 * 7;  // 200 images in batches of 32
  with.stop = [&](int64_t step) {
    if (2 * step <= steps) return false;
    const auto values = trainer->model().named_parameters()[1].second.to_vector<double>();
    ++count;
    for (size_t i = 0; i < mean.size(); ++i) mean[i] += (values.at(i) - mean[i]) / static_cast<double>(count);
    return false;
  };
  std::vector<double> accuracies;
  with.on_epoch = [&](const EpochRecord& record) { accuracies.push_back(record.val_accuracy); };
  trainer = std::make_unique<Trainer>(averaged, with);
  EXPECT_EQ(trainer->run().steps, steps);
  EXPECT_EQ(count, 11);
  const ingot::Run run = open_run(root / "run", "last");
  EXPECT_THAT(run.model->named_parameters()[1].second.to_vector<double>(),
              testing::Pointwise(testing::DoubleNear(1e-6), mean));
  EXPECT_EQ(evaluate(*run.model, load_data(averaged.data).validation, run.task).accuracy, accuracies.back());
}

TEST_F(TrainerTest, AKilledRunIsLoggedOnce) {
  train(config(), options("whole"));
  const TrainLog whole = read_log(root / "whole");
  train_until(10, options("run"));
  // What a run that was killed later would have left: lines after its checkpoint, the last one cut.
  const auto log = root / "run/log.jsonl";
  write_text(log,
             read_text(log) + R"({"kind":"step","epoch":2,"step":12,"lr":0.1,"loss":9})" + "\n" +
                 R"({"kind":"epoch","epoch":2,"step":14,"lr":0.1,"train_loss":9,"train_accuracy":0,"val_loss":9,)" +
                 R"("val_accuracy":1,"seconds":1,"samples_per_s":1,"best":true})" + "\n" + R"({"kind":"st)");
  train(config(), resuming("run"));
  const TrainLog resumed = read_log(root / "run");
  ASSERT_EQ(resumed.steps.size(), whole.steps.size());
  for (size_t i = 0; i < whole.steps.size(); ++i) {
    EXPECT_EQ(resumed.steps[i].step, whole.steps[i].step);
    EXPECT_EQ(resumed.steps[i].loss, whole.steps[i].loss);
  }
  ASSERT_EQ(resumed.epochs.size(), whole.epochs.size());
  for (size_t i = 0; i < whole.epochs.size(); ++i) {
    EXPECT_EQ(resumed.epochs[i].train_loss, whole.epochs[i].train_loss);
    EXPECT_EQ(resumed.epochs[i].val_accuracy, whole.epochs[i].val_accuracy);
  }
  const std::string csv = read_text(root / "run/log.csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 4);
}

TEST_F(TrainerTest, ARunKilledInItsFirstEpochResumesFromTheStart) {
  train(config(), options("whole"));
  train_until(2, options("run"));
  fs::remove(root / "run/last.safetensors");
  train(config(), resuming("run"));
  EXPECT_EQ(read_text(root / "run/last.safetensors"), read_text(root / "whole/last.safetensors"));
}

TEST_F(TrainerTest, AFinishedRunResumesToNothing) {
  const TrainResult whole = train(config(), options("run"));
  const std::string before = read_text(root / "run/last.safetensors");
  const TrainResult again = train(config(), resuming("run"));
  EXPECT_EQ(again.steps, whole.steps);
  EXPECT_EQ(again.best_accuracy, whole.best_accuracy);
  EXPECT_EQ(read_text(root / "run/last.safetensors"), before);
}

TEST_F(TrainerTest, TheSeedDecides) {
  train(config({"epochs=2"}), options("a"));
  train(config({"epochs=2"}), options("b"));
  train(config({"epochs=2", "seed=1"}), options("c"));
  EXPECT_EQ(read_text(root / "a/last.safetensors"), read_text(root / "b/last.safetensors"));
  EXPECT_NE(read_text(root / "a/last.safetensors"), read_text(root / "c/last.safetensors"));
}

// ---- What is refused

TEST_F(TrainerTest, AnExistingRunIsNotOverwrittenByAccident) {
  train(config({"epochs=1", "scheduler=[]"}), options("run"));
  const std::string before = read_text(root / "run/last.safetensors");
  EXPECT_THAT(error_of([&] { train(config(), options("run")); }),
              AllOf(HasSubstr("holds a run already"), HasSubstr("--resume"), HasSubstr("--overwrite")));
  EXPECT_EQ(read_text(root / "run/last.safetensors"), before);

  write_text(root / "run/eval.json", "{}");
  write_text(root / "run/notes.txt", "mine");
  TrainOptions over = options("run");
  over.overwrite = true;
  train(config(), over);
  EXPECT_NE(read_text(root / "run/last.safetensors"), before);
  EXPECT_FALSE(fs::exists(root / "run/eval.json"));
  EXPECT_EQ(read_text(root / "run/notes.txt"), "mine");
}

TEST_F(TrainerTest, OnlyTheSameRunResumes) {
  EXPECT_THAT(error_of([&] { train(config(), resuming("run")); }), HasSubstr("there is no run to resume"));
  train_until(3, options("run"));
  EXPECT_THAT(error_of([&] { train(config({"optimizer.lr=0.5"}), resuming("run")); }),
              AllOf(HasSubstr("run/config.yaml:"), HasSubstr("the run has 'lr: 0.05', the config 'lr: 0.5'")));
  write_toy_data(root / "data", {.train = 241});
  EXPECT_THAT(error_of([&] { train(config(), resuming("run")); }), HasSubstr("was trained on other data"));
}

TEST_F(TrainerTest, ALossThatIsNoNumberStopsTheRunAndNamesTheLayer) {
  train_until(3, options("run"), {"scheduler=[]"});
  Trainer trainer(config({"scheduler=[]"}), resuming("run"));
  auto& weight = dynamic_cast<SmallCnn&>(trainer.model()).conv2.weight;
  weight.mutable_data<float>()[5] = std::numeric_limits<float>::infinity();
  const std::string before = read_text(root / "run/last.safetensors");
  EXPECT_THAT(error_of([&] { trainer.run(); }),
              AllOf(HasSubstr("the loss is "), HasSubstr("nan in step 4 (epoch 1, batch 4)"),
                    HasSubstr("comes out of [conv2d] conv2, whose input conv2.weight is not finite")));
  EXPECT_EQ(read_text(root / "run/last.safetensors"), before);
}

TEST_F(TrainerTest, ARateThatIsFarTooHighEndsInAnError) {
  const std::string error = error_of([&] {
    train(config({"scheduler=[]", "optimizer.lr=1e30", "clip_grad_norm=null", "epochs=20"}), options("run"));
  });
  EXPECT_THAT(error, ContainsRegex("the loss is -?(nan|inf) in step [0-9]+ \\(epoch [0-9]+, batch [0-9]+\\): the first "
                                   "value that is not finite comes out of"));
}

TEST_F(TrainerTest, AFolderThatCannotBeWrittenIsAnError) {
  write_text(root / "file", "");
  EXPECT_THAT(error_of([&] { train(config(), options("file")); }), HasSubstr("file: is not a folder"));
  EXPECT_THAT(error_of([&] { train(config(), options("file/run")); }), HasSubstr("file/run: cannot make the folder"));
}

/// Files above this size cannot be written, as on a full disk.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST_F(TrainerTest, OnAFullDiskTheOldCheckpointSurvives) {
  train_until(3, options("run"));
  const std::string before = read_text(root / "run/last.safetensors");
  Trainer trainer(config(), resuming("run"));
  {
    const FileLimit full(before.size() / 2);
    EXPECT_THAT(error_of([&] { trainer.run(); }), AllOf(HasSubstr(".safetensors: cannot write"), HasSubstr("large")));
  }
  EXPECT_EQ(read_text(root / "run/last.safetensors"), before);
  EXPECT_FALSE(fs::exists(root / "run/best.safetensors"));
  train(config(), options("whole"));
  train(config(), resuming("run"));
  EXPECT_EQ(read_text(root / "run/last.safetensors"), read_text(root / "whole/last.safetensors"));
}

TEST_F(TrainerTest, DataThatDoesNotFitIsRefused) {
  EXPECT_THAT(error_of([&] { load_data(config({"data.validation=240"}).data); }),
              HasSubstr("data.validation holds 240 images out, but there are only 240 to train on"));
  EXPECT_THAT(error_of([&] { load_data(config({"data.class_names=[a, b]"}).data); }),
              ContainsRegex("train-labels-idx1-ubyte: label 2 at index [0-9]+ is outside \\[0, 2\\)"));
  EXPECT_THAT(error_of([&] { load_data(config({"data.class_names=[a, b, a]"}).data); }), HasSubstr("occurs twice"));
  EXPECT_THAT(error_of([&] { Trainer(config({"data.drop_last=true", "data.batch_size=500"}), options("run")); }),
              HasSubstr("leaves no batch"));
  write_idx(root / "data/t10k-images-idx3-ubyte", {60, 4, 4}, std::vector<uint8_t>(60 * 16));
  EXPECT_THAT(error_of([&] { load_data(config().data); }),
              HasSubstr("the training images are [1, 8, 8], the test images [1, 4, 4]"));
  fs::resize_file(root / "data/train-images-idx3-ubyte", 1000);
  EXPECT_THAT(error_of([&] { load_data(config().data); }), HasSubstr("train-images-idx3-ubyte: truncated"));
  fs::remove(root / "data/train-images-idx3-ubyte");
  EXPECT_THAT(error_of([&] { load_data(config().data); }), HasSubstr("train-images-idx3-ubyte"));
}

TEST_F(TrainerTest, ADamagedCheckpointIsRefused) {
  train(config({"model.widths=[1,1,2]", "epochs=1", "scheduler=[]"}), options("run"));
  const auto path = root / "run/best.safetensors";
  const std::string good = read_text(path);
  ASSERT_LT(good.size(), 20'000u);
  open_run(root / "run");
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
    write_text(path, bad);
    ASSERT_THAT(error_of([&] { open_run(root / "run"); }), HasSubstr("best.safetensors: ")) << "byte " << at;
  }
  for (size_t length = 0; length < good.size(); length += 7) {
    write_text(path, good.substr(0, length));
    ASSERT_THAT(error_of([&] { open_run(root / "run"); }), HasSubstr("best.safetensors: ")) << "length " << length;
  }
  write_text(path, good + "x");
  EXPECT_THAT(error_of([&] { open_run(root / "run"); }), HasSubstr("best.safetensors: "));
  save_safetensors(path, {{"weight", zeros({2})}});
  EXPECT_THAT(error_of([&] { open_run(root / "run"); }), HasSubstr("is not a checkpoint of a training run"));
}

TEST_F(TrainerTest, AFolderWithoutARunIsRefused) {
  EXPECT_THAT(error_of([&] { open_run(root / "nothing"); }), HasSubstr("there is no such run folder"));
  EXPECT_THAT(error_of([&] { open_run(root / "data"); }), HasSubstr("is not a run folder, it has no config.yaml"));
  train_until(2, options("run"));
  EXPECT_THAT(error_of([&] { open_run(root / "run"); }), HasSubstr("has the first epoch ended?"));
  EXPECT_EQ(open_run(root / "run", "last").config.epochs, 3);
  EXPECT_THAT(error_of([&] { open_run(root / "run", "first"); }), HasSubstr("not 'first'"));
  write_text(root / "run/config.yaml", read_text(root / "run/config.yaml") + "more: 1\n");
  EXPECT_THAT(error_of([&] { open_run(root / "run", "last"); }), HasSubstr("unknown key 'more'"));
}

}  // namespace
}  // namespace ingot
