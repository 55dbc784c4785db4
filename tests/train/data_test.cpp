#include <fmt/format.h>

#include "ingot/data_loader.h"
#include "ingot/image_io.h"
#include "ingot/train.h"
#include "train/toy_run.h"

// Data sets as a training config names them.
namespace ingot {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class DataTest : public testing::Test {
 protected:
  void SetUp() override { root = fresh_folder(testing::UnitTest::GetInstance()->current_test_info()->name()); }
  void TearDown() override { fs::remove_all(root); }

  TrainConfig folder_config(const std::vector<std::string>& set = {}) const {
    if (!fs::exists(root / "images")) write_toy_folder(root / "images");
    write_text(root / "config.yaml", toy_folder_config(root / "images"));
    return load_train_config(root / "config.yaml", set);
  }

  fs::path root;
};

/// The files of a part of a folder, by the bytes of their images.
std::vector<std::vector<int>> contents(const DatasetHandle& set) {
  std::vector<std::vector<int>> out;
  for (int64_t i = 0; i < set->size(); ++i) out.push_back(set->get(i).input.to_vector<int>());
  std::sort(out.begin(), out.end());
  return out;
}

TEST_F(DataTest, FoldersNameTheClassesAndImagesGetOneSize) {
  const TrainingData data = load_data(folder_config().data);
  EXPECT_THAT(data.task.class_names, ElementsAre("blue", "green", "red"));
  EXPECT_EQ(data.task.input, (Shape{3, 8, 8}));
  EXPECT_EQ(data.train->size(), 45);
  EXPECT_EQ(data.validation->size(), 15);
  EXPECT_EQ(data.test->size(), 18);
  for (int64_t i = 0; i < 18; ++i) {
    const Sample sample = data.test->get(i);
    EXPECT_EQ(sample.input.shape(), data.task.input);
    EXPECT_EQ(sample.input.dtype(), DType::u8);
    EXPECT_EQ(sample.target.item<int64_t>(), i / 6);
  }
  const TrainingData grey = load_data(folder_config({"data.channels=gray", "data.resize=[9,12]"}).data);
  EXPECT_EQ(grey.task.input, (Shape{1, 8, 8}));
  EXPECT_EQ(load_data(folder_config({"data.center_crop=[]", "data.resize=[6,7]"}).data).test->get(0).input.shape(),
            (Shape{3, 6, 7}));
}

TEST_F(DataTest, EvaluationResizesAsTheTransformsDo) {
  const TrainConfig config = folder_config();
  const auto& source = std::get<ImageFolderConfig>(config.data.source);
  const ImageFolder raw(source.root / "test");
  const auto sized = load_test_data(config.data, raw.classes());
  const Compose transform({Resize(10), CenterCrop(8)});
  for (int64_t i = 0; i < raw.size(); ++i)
    EXPECT_EQ(sized->get(i).input.to_vector<int>(), transform.apply(raw.get(i).input, {}).to_vector<int>()) << i;
}

TEST_F(DataTest, WhatIsHeldOutIsDrawnOnceAndForAll) {
  const DataConfig config = folder_config().data;
  const TrainingData once = load_data(config), again = load_data(config);
  EXPECT_EQ(contents(once.validation), contents(again.validation));
  std::vector<int64_t> held_out(3);
  for (int64_t i = 0; i < once.validation->size(); ++i)
    ++held_out[static_cast<size_t>(once.validation->get(i).target.item<int64_t>())];
  for (const int64_t count : held_out) EXPECT_GT(count, 0);  // the last 15 files are all red
  auto both = contents(once.train);
  const TransformedDataset train(once.train, Compose({Resize(10), CenterCrop(8)}));
  both = contents(train);
  for (const auto& image : contents(once.validation)) EXPECT_FALSE(std::binary_search(both.begin(), both.end(), image));
  EXPECT_THAT(error_of([&] { load_data(folder_config({"data.validation=60"}).data); }),
              HasSubstr("data.validation holds 60 images out, but there are only 60 to train on"));
}

TEST_F(DataTest, FewerTrainingImagesAreThoseThatMoreBeginWith) {
  for (const bool folder : {true, false}) {
    const auto config = [&](const std::vector<std::string>& set) {
      if (folder) return folder_config(set);
      fs::create_directories(root / "toy");
      write_toy_data(root / "toy", {.train = 60, .test = 6});
      write_text(root / "toy.yaml", toy_config(root / "toy"));
      return load_train_config(root / "toy.yaml", set);
    };
    const TrainingData whole = load_data(config({}).data), some = load_data(config({"data.train_samples=12"}).data);
    ASSERT_EQ(some.train->size(), 12);
    for (int64_t i = 0; i < 12; ++i)
      EXPECT_EQ(some.train->get(i).input.to_vector<int>(), whole.train->get(i).input.to_vector<int>()) << i;
    EXPECT_EQ(contents(some.validation), contents(whole.validation));
    EXPECT_NE(some.task.mean, whole.task.mean);  // it is measured on what is trained on
    EXPECT_EQ(some.hash, whole.hash);
    const int64_t most = whole.train->size();
    const auto with = [&](int64_t n) { return config({"data.train_samples=" + std::to_string(n)}).data; };
    EXPECT_EQ(load_data(with(most)).train->size(), most);
    EXPECT_THAT(error_of([&] { load_data(with(most + 1)); }),
                HasSubstr(fmt::format("data.train_samples is {}, but there are only {} images beside the {} that "
                                      "data.validation holds out",
                                      most + 1, most, 60 - most)));
  }
}

TEST_F(DataTest, ARunResumesWithItsNumberOfImagesOnly) {
  const auto some = [&](const char* number) {
    return folder_config({std::string("data.train_samples=") + number, "epochs=2"});
  };
  const TrainResult whole = train(some("20"), {.out = root / "whole"});
  EXPECT_EQ(whole.steps, 6);
  EXPECT_TRUE(train(some("20"), {.out = root / "part", .stop = [](int64_t step) { return step >= 4; }}).interrupted);
  EXPECT_THAT(error_of([&] { train(some("30"), {.out = root / "part", .resume = true}); }),
              AllOf(HasSubstr("the run has 'train_samples: 20'"), HasSubstr("the config 'train_samples: 30'")));
  train(some("20"), {.out = root / "part", .resume = true});
  EXPECT_EQ(read_text(root / "part/last.safetensors"), read_text(root / "whole/last.safetensors"));
}

TEST_F(DataTest, MeanAndStdAreThoseOfTheTrainingImagesOrGiven) {
  const TrainingData data = load_data(folder_config({"data.num_workers=2"}).data);
  const TransformedDataset train(data.train,
                                 Compose({Resize(10), CenterCrop(8), ToDtype(DType::f64, {.scale = true})}));
  for (size_t c = 0; c < 3; ++c) {
    double n = 0, sum = 0, squares = 0;
    for (int64_t i = 0; i < train.size(); ++i) {
      const auto values = train.get(i).input.to_vector<double>();
      for (size_t k = c * 64; k < (c + 1) * 64; ++k) n += 1, sum += values[k], squares += values[k] * values[k];
    }
    EXPECT_NEAR(data.task.mean[c], sum / n, 1e-12);
    EXPECT_NEAR(data.task.std[c], std::sqrt(squares / n - sum / n * sum / n), 1e-12);
  }
  const Task given = load_data(folder_config({"data.mean=[0.1,0.2,0.3]", "data.std=2"}).data).task;
  EXPECT_THAT(given.mean, ElementsAre(0.1, 0.2, 0.3));
  EXPECT_THAT(given.std, ElementsAre(2, 2, 2));
  EXPECT_THAT(error_of([&] { load_data(folder_config({"data.mean=[1,2]", "data.std=[1,2]"}).data); }),
              HasSubstr("data.mean has 2 numbers, the images have 3 channels"));
}

TEST_F(DataTest, FoldersThatDoNotFitAreRefused) {
  const DataConfig config = folder_config().data;
  fs::create_directories(root / "images/test/yellow");
  EXPECT_THAT(error_of([&] { load_data(config); }), HasSubstr("test/yellow: is none of the 3 classes"));
  fs::remove(root / "images/test/yellow");
  write_text(root / "images/train/blue/9999.png", "no image");
  EXPECT_THAT(error_of([&] { load_data(config); }), HasSubstr("blue/9999.png: neither a PNG nor a JPEG"));
  fs::create_directories(root / "images/train/\xff");
  write_png(root / "images/train/\xff/a.png", zeros({3, 9, 9}, DType::u8));
  EXPECT_THAT(error_of([&] { load_data(config); }), HasSubstr("is not UTF-8"));
  fs::remove_all(root / "images/test");
  fs::remove_all(root / "images/train/\xff");
  EXPECT_THAT(error_of([&] { load_data(config); }), HasSubstr("images/test: there is no such folder"));
}

TEST_F(DataTest, AFolderTrainsAndResumesWithTheSameBits) {
  const std::vector<std::string> set{"data.num_workers=2", "epochs=3"};
  const TrainResult whole = train(folder_config(set), {.out = root / "whole"});
  EXPECT_EQ(whole.steps, 15);
  TrainOptions part{.out = root / "part", .stop = [](int64_t step) { return step >= 7; }};
  EXPECT_TRUE(train(folder_config(set), part).interrupted);
  train(folder_config(set), {.out = root / "part", .resume = true});
  for (const char* name : {"last.safetensors", "best.safetensors"})
    EXPECT_EQ(read_text(root / "part" / name), read_text(root / "whole" / name)) << name;
  write_png(root / "images/train/red/more.png", zeros({3, 9, 9}, DType::u8));
  EXPECT_THAT(error_of([&] { train(folder_config(set), {.out = root / "part", .resume = true}); }),
              HasSubstr("trained on other data"));
}

TEST_F(DataTest, BadImagesAreLeftOutWhereTheConfigSaysSo) {
  folder_config();
  for (const char* part : {"train", "test"})
    for (const char* name : {"blue/a.png", "green/b.jpg", "red/c.png"})
      write_text(root / "images" / part / name, "no image");
  const TrainConfig config = folder_config({"data.on_error=skip", "epochs=1", "data.validation=20"});
  testing::internal::CaptureStderr();
  const TrainResult result = train(config, {.out = root / "run"});
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("samples that fail are left out; the first: sample "));
  EXPECT_EQ(result.epochs, 1);
  const ingot::Run run = open_run(root / "run");
  const auto images = load_test_data(run.config.data, run.task.class_names);
  EXPECT_EQ(images->size(), 21);
  EXPECT_EQ(evaluate(*run.model, images, run.task, {.on_error = OnError::skip}).samples, 18);
  EXPECT_THAT(error_of([&] { evaluate(*run.model, images, run.task); }), HasSubstr("neither a PNG nor a JPEG"));
}

TEST_F(DataTest, SmallCnnWantsSquares) {
  EXPECT_THAT(error_of([&] { Trainer(folder_config({"data.center_crop=[8,6]"}), {.out = root / "run"}); }),
              HasSubstr("small_cnn takes square images, these are [3, 8, 6]"));
}

/// Rows sorted by class: 8x8 images, those of class c of the level 50 * c.
std::string table(int a_class, const std::vector<std::string>& classes) {
  std::string text = "label";
  for (int i = 0; i < 64; ++i) text += ",p" + std::to_string(i);
  for (size_t c = 0; c < classes.size(); ++c)
    for (int row = 0; row < a_class; ++row) {
      text += "\n" + classes[c];
      for (int i = 0; i < 64; ++i) text += "," + std::to_string(50 * c + static_cast<size_t>((row + i) % 7));
    }
  return text + "\n";
}

TEST_F(DataTest, TablesTrainWithTheirClassesNames) {
  write_text(root / "train.csv", table(20, {"cat", "dog", "eel"}));
  write_text(root / "test.csv", table(4, {"eel", "cat"}));
  const std::string text = "model: {type: small_cnn, widths: [4, 4, 4]}\ndata: {type: csv, root: " + root.string() +
                           ", shape: [1, 8, 8], validation: 15, batch_size: 9}\noptimizer: {type: SGD, lr: 0.1}\n";
  write_text(root / "config.yaml", text);
  const TrainConfig config = load_train_config(root / "config.yaml");
  const TrainingData data = load_data(config.data);
  EXPECT_THAT(data.task.class_names, ElementsAre("cat", "dog", "eel"));
  EXPECT_EQ(data.task.input, (Shape{1, 8, 8}));
  EXPECT_EQ(data.test->get(0).target.item<int64_t>(), 2);
  std::vector<int64_t> held_out(3);
  for (int64_t i = 0; i < 15; ++i) ++held_out[static_cast<size_t>(data.validation->get(i).target.item<int64_t>())];
  for (const int64_t count : held_out) EXPECT_GT(count, 0);
  EXPECT_GT(train(config, {.out = root / "run"}).best_accuracy, 0.5);
  write_text(root / "test.csv", table(4, {"eel", "ant"}));
  EXPECT_THAT(error_of([&] { load_data(config.data); }), AllOf(HasSubstr("test.csv:6: row 4"), HasSubstr("'ant'")));
}

void write_cifar(const fs::path& path, int records, int labels) {
  std::string bytes;
  for (int i = 0; i < records; ++i) {
    bytes += std::string(static_cast<size_t>(labels), static_cast<char>(i % 10));
    for (int k = 0; k < 3072; ++k) bytes += static_cast<char>(i * 20 + k % 16);
  }
  write_text(path, bytes);
}

TEST_F(DataTest, CifarTrainsResizedAndCropped) {
  for (int i = 1; i <= 5; ++i) write_cifar(root / ("data_batch_" + std::to_string(i) + ".bin"), 4, 1);
  write_cifar(root / "test_batch.bin", 5, 1);
  write_cifar(root / "train.bin", 12, 2);
  write_cifar(root / "test.bin", 5, 2);
  for (const auto& [type, classes] : {std::pair("cifar10", 10), std::pair("cifar100, labels: coarse", 20)}) {
    write_text(root / "config.yaml", std::string("model: {type: small_cnn, widths: [2, 2, 2]}\ndata: {type: ") + type +
                                         ", root: " + root.string() +
                                         ", validation: 2, batch_size: 4, resize: 12, center_crop: 8}\n"
                                         "optimizer: {type: SGD, lr: 0.1}\nepochs: 1\n");
    const TrainConfig config = load_train_config(root / "config.yaml");
    Trainer trainer(config, {.out = root / type});
    EXPECT_EQ(trainer.task().classes(), classes);
    EXPECT_EQ(trainer.task().input, (Shape{3, 8, 8}));
    EXPECT_EQ(trainer.run().epochs, 1);
  }
}

}  // namespace
}  // namespace ingot
