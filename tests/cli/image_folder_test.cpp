#include <gmock/gmock.h>

#include "cli/command.h"
#include "ingot/data_loader.h"
#include "ingot/image_io.h"
#include "ingot/ops.h"
#include "ingot/train.h"
#include "jpeg_file.h"

// A folder of PNG and JPEG images of different sizes, from training to predictions.
namespace ingot {
namespace {

using testing::HasSubstr;

class ImageFolderVerbs : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const fs::path data = scratch_folder() / "photos", config = scratch_folder() / "photos.yaml";
    write_toy_folder(data);
    write_text(config, toy_folder_config(data));
    run_ = (scratch_folder() / "photo_run").string();
    engine_ = run_ + "/model.ingot";
    trained_ = run_line("train " + config.string() + " --out " + run_);
    built_ = run_line("build " + run_ + " -o " + engine_ + " --no-timing");
  }
  void SetUp() override {
    ASSERT_EQ(trained_.code, 0) << trained_.err;
    ASSERT_EQ(built_.code, 0) << built_.err;
  }
  static fs::path data() { return scratch_folder() / "photos"; }

  static inline std::string run_, engine_;
  static inline Outcome trained_, built_;
};

TEST_F(ImageFolderVerbs, EvaluatesWithTheFoldersAsClasses) {
  const Outcome o = run_line("eval " + run_ + " --json");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(o.json().at("samples"), 18);
  EXPECT_EQ(o.json().at("class_names"), (std::vector<std::string>{"blue", "green", "red"}));
  EXPECT_GT(o.json().at("accuracy").get<double>(), 0.8);
  const std::string images = (scratch_folder() / "photo_images").string();
  ASSERT_EQ(run_line("eval " + run_ + " --save-images " + images + " --count 2").code, 0);
  EXPECT_EQ(read_image(images + "/0000_blue.png").shape(), (Shape{3, 8, 8}));
}

/// The probabilities of class 0, 1, ... that the library's evaluation gives each test image.
std::vector<std::vector<double>> evaluated(const std::string& folder) {
  const Run run = open_run(folder);
  const DatasetHandle images = normalised(load_test_data(run.config.data, run.task.class_names), run.task);
  const NoGrad no_grad;
  std::vector<std::vector<double>> out;
  for (int64_t i = 0; i < images->size(); ++i) {
    const Tensor x = unsqueeze(images->get(i).input, 0);
    out.push_back(softmax(cast(run.model->call({x})[0], DType::f64), 1).to_vector<double>());
  }
  return out;
}

TEST_F(ImageFolderVerbs, PredictsAsEvaluationSeesTheImages) {
  const ImageFolder raw(data() / "test");
  std::string files;
  for (const auto& file : raw.samples()) files += " " + (raw.root() / file.path).string();
  const auto wanted = evaluated(run_);
  for (const std::string& model : {run_, engine_}) {
    const Outcome o = run_line("predict " + model + files + " --json");
    ASSERT_EQ(o.code, 0) << o.err;
    const auto images = o.json().at("images");
    ASSERT_EQ(images.size(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i)
      for (const auto& guess : images[i].at("top"))
        EXPECT_NEAR(guess.at("probability").get<double>(), wanted[i][guess.at("class").get<size_t>()], 1e-5)
            << model << " " << images[i].at("image");
  }
}

TEST_F(ImageFolderVerbs, PredictTakesImagesOfAnySizeAndColour) {
  const fs::path photo = scratch_folder() / "a.jpg", grey = scratch_folder() / "grey.png";
  write_text(photo, encode_jpeg(concat({full({1, 57, 91}, 190, DType::u8), full({2, 57, 91}, 60, DType::u8)}, 0)));
  write_png(grey, full({1, 8, 40}, 100, DType::u8));
  const Outcome o = run_line("predict " + engine_ + " " + photo.string() + " " + grey.string() + " --json");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(o.json().at("images")[0].at("top")[0].at("name"), "red");
  write_text(photo, "no image");
  const Outcome bad = run_line("predict " + engine_ + " " + photo.string());
  EXPECT_EQ(bad.code, 2);
  EXPECT_THAT(bad.err, HasSubstr(photo.string() + ": neither a PNG nor a JPEG"));
}

TEST_F(ImageFolderVerbs, TheOtherVerbsRun) {
  const Outcome compared = run_line("compare " + run_ + " " + engine_ + " --json");
  EXPECT_EQ(compared.code, 0) << compared.out << compared.err;
  EXPECT_EQ(compared.json().at("samples"), 18);
  const Outcome reported = run_line("report " + run_);
  EXPECT_EQ(reported.code, 0) << reported.err;
  EXPECT_THAT(read_text(run_ + "/report.html"), HasSubstr("data:image/png;base64,"));
  const Outcome inspected = run_line("inspect " + engine_ + " --json");
  EXPECT_EQ(inspected.json().at("preprocessing").at("resize"), std::vector<int>{10});
  EXPECT_EQ(inspected.json().at("preprocessing").at("center_crop"), std::vector<int>{8});
  EXPECT_THAT(run_line("inspect " + engine_).out, HasSubstr("resize [10], center_crop [8]"));
}

TEST_F(ImageFolderVerbs, BadFilesEndTrainingUnlessTheyAreLeftOut) {
  const fs::path copy = fresh_folder("bad_photos");
  fs::copy(data(), copy / "photos", fs::copy_options::recursive);
  write_text(copy / "photos/train/red/bad.jpg", "\xff\xd8\xff no more");
  write_text(copy / "config.yaml", toy_folder_config("photos"));
  const Outcome refused = run_line("train config.yaml --out run", copy);
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("photos/train/red/bad.jpg: not a sound JPEG"));
  const Outcome skipped = run_line("train config.yaml --out run --set data.on_error=skip --set epochs=1", copy);
  EXPECT_EQ(skipped.code, 0) << skipped.err;
  EXPECT_THAT(skipped.err, HasSubstr("bad.jpg: not a sound JPEG"));
  const Outcome misspelt = run_line("train config.yaml --out run --set data.rezise=9", copy);
  EXPECT_EQ(misspelt.code, 2);
  EXPECT_THAT(misspelt.err, HasSubstr("did you mean 'resize'?"));
  fs::remove_all(copy);
}

}  // namespace
}  // namespace ingot
