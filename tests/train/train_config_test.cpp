#include "base/check.h"
#include "ingot/ops.h"
#include "ingot/train.h"
#include "train/build.h"
#include "train/toy_run.h"

namespace ingot {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;

constexpr const char* kFile = "config.yaml";

class TrainConfigTest : public testing::Test {
 protected:
  void SetUp() override { folder = fresh_folder(testing::UnitTest::GetInstance()->current_test_info()->name()); }

  TrainConfig load(const std::string& text, const std::vector<std::string>& set = {}) const {
    write_text(folder / kFile, text);
    return load_train_config(folder / kFile, set);
  }
  std::string refusal(const std::string& text, const std::vector<std::string>& set = {}) const {
    return error_of([&] { load(text, set); });
  }
  std::string toy() const { return toy_config("/data"); }
  /// The toy config with one piece of it replaced.
  std::string toy(const std::string& from, const std::string& to) const {
    std::string text = toy();
    const size_t at = text.find(from);
    CHECK(at != text.npos, "the toy config has no '{}'", from);
    return text.replace(at, from.size(), to);
  }

  /// The toy config with another data section.
  std::string with_data(const std::string& data) const {
    const std::string text = toy();
    const size_t begin = text.find("data:");
    return text.substr(0, begin) + "data: " + data + "\n" + text.substr(text.find("loss:"));
  }

  std::filesystem::path folder;
};

TEST_F(TrainConfigTest, ReadsEverySection) {
  const TrainConfig c = load(toy());
  EXPECT_EQ(c.model.type, "small_cnn");
  EXPECT_EQ(c.model.options.widths, (std::vector<int64_t>{4, 8, 16}));
  EXPECT_EQ(c.model.options.dropout, 0.25);
  const auto& source = std::get<IdxConfig>(c.data.source);
  EXPECT_EQ(source.root, "/data");
  EXPECT_THAT(source.class_names, testing::ElementsAre("top", "stripes", "bottom"));
  EXPECT_EQ(c.data.validation, 40);
  EXPECT_EQ(c.data.train_samples, std::nullopt);
  ASSERT_EQ(c.data.augment.size(), 2u);
  EXPECT_EQ(std::get<RandomCropConfig>(c.data.augment[0]).padding, 1);
  EXPECT_EQ(std::get<RandomHorizontalFlipConfig>(c.data.augment[1]).p, 0.5);
  EXPECT_EQ(std::get<CrossEntropyConfig>(c.loss).label_smoothing, 0.05);
  EXPECT_EQ(std::get<SGDOptions>(c.optimizer).momentum, 0.9);
  EXPECT_FALSE(std::get<SGDOptions>(c.optimizer).nesterov);
  ASSERT_EQ(c.scheduler.size(), 2u);
  EXPECT_EQ(std::get<LinearLRConfig>(c.scheduler[0]).total_iters, 1);
  EXPECT_EQ(std::get<CosineAnnealingLRConfig>(c.scheduler[1]).T_max, std::nullopt);
  EXPECT_EQ(c.epochs, 3);
  EXPECT_EQ(c.seed, 0u);
  EXPECT_EQ(c.clip_grad_norm, 5);
}

TEST_F(TrainConfigTest, TheResolvedConfigReadsBackToTheSameText) {
  const std::string text = to_yaml(load(toy()));
  EXPECT_EQ(to_yaml(load(text)), text);
  const std::string adam =
      to_yaml(load(toy("type: SGD\n  lr: 0.05\n  momentum: 0.9", "type: AdamW\n  betas: [0.8, 0.9]")));
  EXPECT_THAT(adam, AllOf(HasSubstr("type: AdamW"), HasSubstr("betas: [0.8, 0.9]"), HasSubstr("weight_decay: 0.01")));
  EXPECT_EQ(to_yaml(load(adam)), adam);
}

TEST_F(TrainConfigTest, EveryOptimizerIsReadWithAllOfItsOptions) {
  for (const char* type : {"Adam", "AdamW", "Adagrad", "Adadelta", "RMSprop", "Rprop", "ASGD", "Adamax", "NAdam",
                           "RAdam", "Lamb", "Lion"}) {
    const TrainConfig c = load(toy("type: SGD\n  lr: 0.05\n  momentum: 0.9", fmt::format("type: {}", type)));
    const std::string text = to_yaml(c);
    EXPECT_EQ(to_yaml(load(text)), text) << type;
    EXPECT_THAT(text, HasSubstr("maximize: false")) << type;
    Tensor x = zeros({1}).set_requires_grad();
    const auto optimizer = make_optimizer(c.optimizer, {x});
    EXPECT_EQ(optimizer->type_name(), type);
    // All that the state names can be said.
    const OptimizerState state = optimizer->state_dict();
    for (const auto& [name, option] : state.param_groups[0].options)
      EXPECT_THAT(text, HasSubstr("  " + name + ": ")) << type;
    EXPECT_THAT(refusal(toy("type: SGD\n  lr: 0.05\n  momentum: 0.9", fmt::format("type: {}\n  lr: -1", type))),
                HasSubstr("optimizer.lr is -1, it must be at least 0"));
  }
  const TrainConfig c = load(
      toy("type: SGD\n  lr: 0.05\n  momentum: 0.9", "type: Rprop\n  lr: 0.5\n  etas: [0.25, 1.5]\n  maximize: true"));
  const auto& rprop = std::get<RpropOptions>(c.optimizer);
  EXPECT_EQ(rprop.lr, 0.5);
  EXPECT_EQ(rprop.etas, (std::array{0.25, 1.5}));
  EXPECT_TRUE(rprop.maximize);
  EXPECT_THAT(refusal(toy("momentum: 0.9", "momentum: [0.9]")), HasSubstr("optimizer.momentum"));
  EXPECT_THAT(refusal(toy("type: SGD\n  lr: 0.05\n  momentum: 0.9", "type: Lion\n  betas: [0.5]")),
              HasSubstr("optimizer.betas has 1 element"));
  EXPECT_THAT(refusal(toy("type: SGD\n  lr: 0.05\n  momentum: 0.9", "type: Lion\n  betas: [0.5, 1.5]")),
              ContainsRegex("config.yaml:12: optimizer: a beta is 1.5"));
}

TEST_F(TrainConfigTest, SchedulesCountInEpochsAndMoveWithEveryStep) {
  const std::string both =
      "scheduler:\n  - {type: LinearLR, start_factor: 0.1, total_iters: 1}\n  - {type: CosineAnnealingLR}\n";
  constexpr int64_t kEpochs = 3, kSteps = 10;  // steps an epoch
  /// Rates of base 0.05 at the ends of epochs and in the middle of the second.
  const auto rates = [&](const std::string& schedule) {
    const TrainConfig c = load(toy(both, "scheduler: [" + schedule + "]\n"));
    EXPECT_EQ(to_yaml(load(to_yaml(c))), to_yaml(c));
    Tensor x = zeros({1}).set_requires_grad();
    const auto optimizer = make_optimizer(c.optimizer, {x});
    const auto made = make_scheduler(c.scheduler, *optimizer, kEpochs, kSteps);
    std::vector<double> out;
    for (const int64_t t : {int64_t{0}, kSteps, kSteps * 3 / 2, kSteps * 2, kSteps * 3})
      out.push_back(made->closed_form(0.05, t));
    return out;
  };
  const auto are = [](std::vector<double> values) { return testing::Pointwise(testing::DoubleNear(1e-12), values); };
  EXPECT_THAT(rates("{type: MultiStepLR, milestones: [1, 1.5]}"), are({0.05, 0.005, 0.0005, 0.0005, 0.0005}));
  EXPECT_THAT(rates("{type: StepLR, gamma: 0.5}"), are({0.05, 0.025, 0.025, 0.0125, 0.00625}));
  EXPECT_THAT(rates("{type: ExponentialLR, gamma: 0.25}"), are({0.05, 0.0125, 0.00625, 0.003125, 0.00078125}));
  EXPECT_THAT(rates("{type: PolynomialLR}"), are({0.05, 0.1 / 3, 0.025, 0.05 / 3, 0}));
  EXPECT_THAT(rates("{type: PolynomialLR, total_iters: 2, power: 2}"), are({0.05, 0.0125, 0.003125, 0, 0}));
  EXPECT_THAT(rates("{type: CosineAnnealingWarmRestarts, T_0: 1, T_mult: 2}"),
              are({0.05, 0.05, 0.0426776695296637, 0.025, 0.05}));
  const std::vector<double> cycle = rates("{type: OneCycleLR, max_lr: 1, pct_start: 0.5, anneal_strategy: linear}");
  EXPECT_NEAR(cycle[0], 0.04, 1e-12);
  EXPECT_GT(cycle[2], 0.9);
  EXPECT_NEAR(cycle[4], 4e-6, 1e-12);
  EXPECT_THAT(rates("{type: CyclicLR, base_lr: 0.1, max_lr: 0.5, step_size_up: 1}"), are({0.1, 0.5, 0.3, 0.1, 0.5}));
  EXPECT_THAT(refusal(toy(both, "scheduler: [{type: OneCycleLR}]\n")), HasSubstr("has no 'max_lr'"));
  EXPECT_THAT(refusal(toy(both, "scheduler: [{type: CyclicLR, base_lr: 0, max_lr: 1, mode: square}]\n")),
              HasSubstr("mode is 'square'"));
  EXPECT_THAT(refusal(toy("type: SGD\n  lr: 0.05\n  momentum: 0.9", "type: Adagrad"),
                      {"scheduler=[{type: OneCycleLR, max_lr: 1}]"}),
              HasSubstr("scheduler: Adagrad has no momentum"));
}

TEST_F(TrainConfigTest, TheConfigsOfTheRepositoryAreSound) {
  int configs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(INGOT_SOURCE_DIR) + "/configs")) {
    load_train_config(entry.path());
    ++configs;
  }
  EXPECT_GE(configs, 1);
}

TEST_F(TrainConfigTest, SettingsReachEverySection) {
  const TrainConfig c =
      load(toy(), {"optimizer={type: Adagrad, lr: 0.5}", "model.type=lenet", "model.widths=null", "model.dropout=null",
                   "data.augment=[]", "scheduler.0.total_iters=0.5", "seed=7", "loss={type: multi_margin, p: 2}"});
  EXPECT_EQ(std::get<AdagradOptions>(c.optimizer).lr, 0.5);
  EXPECT_EQ(c.model.type, "lenet");
  EXPECT_TRUE(c.data.augment.empty());
  EXPECT_EQ(std::get<LinearLRConfig>(c.scheduler[0]).total_iters, 0.5);
  EXPECT_EQ(c.seed, 7u);
  EXPECT_EQ(std::get<MultiMarginConfig>(c.loss).p, 2);
}

TEST_F(TrainConfigTest, UnknownKeysAreErrorsWithTheirLineAndTheNearestName) {
  EXPECT_THAT(
      refusal(toy("momentum: 0.9", "momentun: 0.9")),
      ContainsRegex("config.yaml:15: unknown key 'momentun' in optimizer \\(SGD\\); did you mean 'momentum'\\?"));
  EXPECT_THAT(refusal(toy("epochs: 3", "epoch: 3")),
              HasSubstr("unknown key 'epoch' in the config; did you mean 'epochs'?"));
  EXPECT_THAT(refusal(toy("padding: 1", "pading: 1")), HasSubstr("did you mean 'padding'?"));
  EXPECT_THAT(refusal(toy(), {"data.batchsize=3"}),
              AllOf(HasSubstr("--set data.batchsize=3"), HasSubstr("'batch_size'")));
}

TEST_F(TrainConfigTest, WrongTypesAndRangesAreErrors) {
  EXPECT_THAT(refusal(toy("lr: 0.05", "lr: fast")), HasSubstr("optimizer.lr is 'fast', a number is expected"));
  EXPECT_THAT(refusal(toy("epochs: 3", "epochs: 2.5")), HasSubstr("epochs is '2.5', a whole number is expected"));
  EXPECT_THAT(refusal(toy("epochs: 3", "epochs: 0")), HasSubstr("epochs is 0, it must be at least 1"));
  EXPECT_THAT(refusal(toy("batch_size: 32", "batch_size: 0")),
              HasSubstr("data.batch_size is 0, it must be at least 1"));
  EXPECT_THAT(refusal(toy("validation: 40", "train_samples: 0")),
              HasSubstr("data.train_samples is 0, it must be at least 1"));
  EXPECT_THAT(refusal(toy("dropout: 0.25", "dropout: 1.5")), HasSubstr("model.dropout is 1.5, it must be from 0 to 1"));
  EXPECT_THAT(refusal(toy("p: 0.5", "p: -1")), HasSubstr("it must be from 0 to 1"));
  EXPECT_THAT(refusal(toy("  lr: 0.05\n", "")), HasSubstr("optimizer (SGD) has no 'lr'"));
  EXPECT_THAT(refusal(toy() + "seed: -1\n"), HasSubstr("seed is -1"));
}

TEST_F(TrainConfigTest, UnknownTypesNameTheNearest) {
  EXPECT_THAT(refusal(toy("type: SGD", "type: SDG")),
              HasSubstr("optimizer has the unknown type 'SDG'; did you mean 'SGD'?"));
  EXPECT_THAT(refusal(toy("type: small_cnn", "type: smal_cnn")), HasSubstr("did you mean 'small_cnn'?"));
  EXPECT_THAT(refusal(toy("type: idx", "type: idz")),
              HasSubstr("data has the unknown type 'idz'; did you mean 'idx'?"));
  EXPECT_THAT(refusal(toy("type: LinearLR", "type: Linear")), HasSubstr("did you mean 'LinearLR'?"));
  EXPECT_THAT(refusal(toy("type: cross_entropy", "type: crossentropy")), HasSubstr("did you mean 'cross_entropy'?"));
  EXPECT_THAT(refusal(toy("type: RandomCrop", "type: RandomCrops")), HasSubstr("did you mean 'RandomCrop'?"));
}

TEST_F(TrainConfigTest, WhatOnlyTheObjectCanSayHasAPlaceToo) {
  EXPECT_THAT(refusal(toy("type: small_cnn", "type: lenet")),
              ContainsRegex("config.yaml:1: model: the model lenet has no option widths"));
  EXPECT_THAT(refusal(toy("[4, 8, 16]", "[4, 8]")), HasSubstr("model: small_cnn has 3 widths"));
  EXPECT_THAT(refusal(toy("momentum: 0.9", "nesterov: true")), HasSubstr("optimizer: nesterov needs momentum"));
  EXPECT_THAT(refusal(toy("total_iters: 1}", "total_iters: 3}")), HasSubstr("scheduler: schedule 1 would begin after"));
  EXPECT_THAT(refusal(toy("start_factor: 0.1", "start_factor: 0")),
              HasSubstr("scheduler: LinearLR: start_factor is 0"));
  EXPECT_THAT(refusal(toy("{type: LinearLR, start_factor: 0.1, total_iters: 1}", "{type: CosineAnnealingLR}")),
              HasSubstr("schedule 0 lasts to the end of training, but another follows it"));
}

TEST_F(TrainConfigTest, DataSetsHaveTheirOwnKeys) {
  const auto data = [&](const std::string& text) { return load(with_data(text)).data; };
  const auto folder = data("{type: image_folder, root: x, channels: gray, resize: [40, 50], center_crop: 32}");
  EXPECT_EQ(std::get<ImageFolderConfig>(folder.source).channels, ImageReadMode::gray);
  EXPECT_EQ(std::get<ImageFolderConfig>(folder.source).train, "train");
  EXPECT_THAT(folder.resize, testing::ElementsAre(40, 50));
  EXPECT_THAT(folder.center_crop, testing::ElementsAre(32));
  EXPECT_EQ(folder.on_error, OnError::raise);
  const auto csv = data("{type: csv, root: x, shape: [1, 8, 9], delimiter: ';', test: y.csv, on_error: skip}");
  EXPECT_THAT(std::get<CsvConfig>(csv.source).shape, testing::ElementsAre(1, 8, 9));
  EXPECT_EQ(std::get<CsvConfig>(csv.source).test, "y.csv");
  EXPECT_EQ(csv.on_error, OnError::skip);
  EXPECT_EQ(std::get<Cifar100Config>(data("{type: cifar100, root: x, labels: coarse}").source).labels,
            CifarLabels::coarse);
  EXPECT_EQ(std::get<Cifar10Config>(data("{type: cifar10, root: x, mean: 0.5, std: [0.2]}").source).root, "x");
  for (const char* text : {"{type: image_folder, root: x, center_crop: [3, 4]}", "{type: cifar100, root: x}",
                           "{type: csv, root: x, delimiter: \"\\t\", shape: [3, 2, 2], class_names: [a, b]}",
                           "{type: cifar10, root: x, mean: [0, 0.5, 1], std: [1, 2, 3]}", "{type: fashion_mnist}"}) {
    const std::string written = to_yaml(load(with_data(text)));
    EXPECT_EQ(to_yaml(load(written)), written) << text;
  }
}

TEST_F(TrainConfigTest, DataSetsRefuseWhatIsNotTheirs) {
  const auto data = [&](const std::string& text) { return refusal(with_data(text)); };
  EXPECT_THAT(data("{type: mnist, root: x, class_names: [a]}"),
              HasSubstr("config.yaml:2: unknown key 'class_names' in data (mnist)"));
  EXPECT_THAT(data("{type: cifar10, root: x, labels: fine}"), HasSubstr("unknown key 'labels' in data (cifar10)"));
  EXPECT_THAT(data("{type: cifar100, root: x, labels: both}"), HasSubstr("data.labels is 'both', one of fine, coarse"));
  EXPECT_THAT(data("{type: image_folder, root: x, center_crops: 8}"), HasSubstr("did you mean 'center_crop'?"));
  EXPECT_THAT(data("{type: image_folders, root: x}"), HasSubstr("did you mean 'image_folder'?"));
  EXPECT_THAT(data("{root: x}"),
              HasSubstr("data needs a 'type', one of fashion_mnist, mnist, idx, cifar10, cifar100,"));
  for (const char* type : {"mnist", "idx", "cifar10", "cifar100", "image_folder"})
    EXPECT_THAT(data(std::string("{type: ") + type + "}"), HasSubstr("has no 'root'")) << type;
  EXPECT_THAT(data("{type: csv, root: x}"), HasSubstr("data (csv) has no 'shape'"));
  EXPECT_THAT(data("{type: csv, root: x, shape: [8, 8]}"), HasSubstr("data.shape has 2 elements, 3 are expected"));
  EXPECT_THAT(data("{type: csv, root: x, shape: [2, 8, 8]}"),
              HasSubstr("config.yaml:2: data: shape begins with 2 channels, 1 or 3 are expected"));
  EXPECT_THAT(data("{type: csv, root: x, shape: [1, 8, 8], delimiter: ', '}"),
              HasSubstr("delimiter is ', ', one character is expected"));
}

TEST_F(TrainConfigTest, SizesThatCannotBeAreRefused) {
  const auto data = [&](const std::string& text) {
    return refusal(with_data("{type: image_folder, root: x, " + text + "}"));
  };
  constexpr const char* kSizes = "image_folder needs center_crop, or resize with height and width";
  EXPECT_THAT(data("num_workers: 0"), AllOf(HasSubstr("config.yaml:2: data: "), HasSubstr(kSizes)));
  EXPECT_THAT(data("resize: 32"), HasSubstr(kSizes));
  EXPECT_THAT(data("resize: [1, 2, 3]"), HasSubstr("resize has 3 numbers"));
  EXPECT_THAT(data("center_crop: [1, 2, 3]"), HasSubstr("center_crop has 3 numbers"));
  EXPECT_THAT(data("resize: 0"), HasSubstr("data.resize is 0, it must be from 1 to 65536"));
  EXPECT_THAT(data("center_crop: 100000"), HasSubstr("it must be from 1 to 65536"));
  EXPECT_THAT(data("resize: 30, center_crop: 32"), HasSubstr("center_crop 32 x 32 is larger than what resize makes"));
  EXPECT_THAT(data("resize: [40, 30], center_crop: [40, 31]"), HasSubstr("center_crop 40 x 31 is larger"));
  EXPECT_THAT(data("center_crop: 8, mean: 0.5"), HasSubstr("mean and std are given together or not at all"));
  EXPECT_THAT(data("center_crop: 8, mean: [0.5, 0.4], std: [1, 2, 3]"), HasSubstr("mean has 2 numbers and std 3"));
  EXPECT_THAT(data("center_crop: 8, mean: .nan, std: 1"), HasSubstr("mean nan must be finite"));
  EXPECT_THAT(data("center_crop: 8, mean: 0.5, std: 0"), HasSubstr("std 0 must be positive"));
  EXPECT_THAT(data("center_crop: 8, channels: red"), HasSubstr("data.channels is 'red', one of rgb, gray"));
  EXPECT_THAT(data("center_crop: 8, on_error: ignore"), HasSubstr("data.on_error is 'ignore', one of raise, skip"));
}

TEST_F(TrainConfigTest, AFileThatIsNotThereOrNotYamlIsAnError) {
  EXPECT_THAT(error_of([&] { load_train_config(folder / "none.yaml"); }), HasSubstr("none.yaml: No such file"));
  EXPECT_THAT(refusal("model: [1, 2"), HasSubstr("config.yaml:"));
  EXPECT_THAT(refusal(""), AllOf(HasSubstr("has no 'model'"), HasSubstr("has no 'optimizer'")));
}

}  // namespace
}  // namespace ingot
