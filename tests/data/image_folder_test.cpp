#include <gmock/gmock.h>

#include <fstream>

#include "data/scratch.h"
#include "data/toy.h"
#include "ingot/file_datasets.h"
#include "ingot/io.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class ImageFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    root = scratch("folder");
    fs::remove_all(root);
    image("dog/b.png", 3, 2, 4, 10);
    image("dog/a.PNG", 1, 3, 3, 20);
    image("dog/more/c.png", 3, 1, 1, 30);
    image("cat/x.png", 3, 5, 2, 40);
    write("cat/x.txt", "no image");
    write("cat/.hidden.png", "no image");
    write("cat/.cache/y.png", "no image");
    write("notes.txt", "no class");
    jpeg("ant/j.JPEG", "420");
    jpeg("ant/k.jpg", "gray");
  }
  /// Every value is `value`.
  void image(const std::string& path, int64_t channels, int64_t height, int64_t width, double value) const {
    fs::create_directories((root / path).parent_path());
    write_png(root / path, full({channels, height, width}, value, DType::u8));
  }
  void write(const std::string& path, const std::string& content) const {
    fs::create_directories((root / path).parent_path());
    std::ofstream(root / path, std::ios::binary) << content;
  }
  void jpeg(const std::string& path, const std::string& name) const {
    static const auto golden = load_safetensors(INGOT_SOURCE_DIR "/tests/golden/images.safetensors").tensors;
    const auto bytes = golden.at(name + "/file").to_vector<uint8_t>();
    write(path, {bytes.begin(), bytes.end()});
  }

  fs::path root;
};

std::vector<std::string> paths(const ImageFolder& set) {
  std::vector<std::string> out;
  for (const auto& file : set.samples()) out.push_back(file.path);
  return out;
}

TEST_F(ImageFolderTest, ClassesAndFilesAreSorted) {
  const ImageFolder set(root);
  EXPECT_THAT(set.classes(), ElementsAre("ant", "cat", "dog"));
  EXPECT_THAT(paths(set),
              ElementsAre("ant/j.JPEG", "ant/k.jpg", "cat/x.png", "dog/a.PNG", "dog/b.png", "dog/more/c.png"));
  EXPECT_EQ(set.size(), 6);
  EXPECT_EQ(set.get(2).target.item<int64_t>(), 1);
  EXPECT_EQ(set.get(2).input.shape(), Shape({3, 5, 2}));
  EXPECT_EQ(set.get(0).input.shape(), Shape({3, 29, 37}));
  EXPECT_EQ(set.get(3).input.shape(), Shape({3, 3, 3}));  // grey, as colour
  EXPECT_THAT(set.get(5).input.to_vector<int>(), ElementsAre(30, 30, 30));
  EXPECT_THAT(error_of([&] { set.get(6); }), HasSubstr("index 6 is outside the data set's [0, 6)"));
  const ImageFolder grey(root, {.mode = ImageReadMode::gray});
  EXPECT_EQ(grey.get(0).input.shape(), Shape({1, 29, 37}));
  EXPECT_THAT(grey.get(5).input.to_vector<int>(), ElementsAre(30));
  EXPECT_EQ(ImageFolder(root, {.mode = ImageReadMode::unchanged}).get(1).input.shape(), Shape({1, 29, 37}));
}

TEST_F(ImageFolderTest, ClassesCanBeGiven) {
  const ImageFolder set(root, {.classes = {"dog", "ant", "eel", "cat"}});
  EXPECT_EQ(set.samples()[0].path, "dog/a.PNG");
  EXPECT_EQ(set.samples()[5].path, "cat/x.png");
  EXPECT_EQ(set.samples()[5].target, 3);
  EXPECT_EQ(error_of([&] { ImageFolder(root, {.classes = {"dog", "cats", "ant"}}); }),
            (root / "cat").string() + ": is none of the 3 classes; did you mean 'cats'?");
  EXPECT_THAT(error_of([&] { ImageFolder(root, {.classes = {"dog", "dog"}}); }), HasSubstr("'dog' occurs twice"));
}

TEST_F(ImageFolderTest, WhatIsNoSetOfClassesIsRefused) {
  EXPECT_EQ(error_of([] { ImageFolder("/no/such/folder"); }), "/no/such/folder: there is no such folder");
  EXPECT_THAT(error_of([&] { ImageFolder(root / "cat"); }), HasSubstr("has no folders; each class is expected"));
  fs::create_directories(root / "empty");
  EXPECT_THAT(error_of([&] { ImageFolder{root}; }), HasSubstr("empty: has no image; files ending in .png, .jpg or"));
  fs::remove(root / "empty");
  fs::create_directories(root / "alone/empty");
  EXPECT_THAT(error_of([&] { ImageFolder(root / "alone", {.classes = {"empty"}}); }), HasSubstr("has no image"));
}

TEST_F(ImageFolderTest, LinksAreFollowedButNotForEver) {
  fs::create_directory_symlink(root / "dog", root / "wolf");
  EXPECT_EQ(ImageFolder(root).size(), 9);
  fs::create_directory_symlink("..", root / "cat/up");
  EXPECT_THAT(error_of([&] { ImageFolder{root}; }), HasSubstr("more than 32 folders deep: does a link lead back?"));
}

TEST_F(ImageFolderTest, TheFingerprintIsOfNamesSizesAndClasses) {
  const uint64_t before = ImageFolder(root).fingerprint();
  EXPECT_EQ(ImageFolder(root).fingerprint(), before);
  EXPECT_NE(ImageFolder(root, {.classes = {"dog", "cat", "ant"}}).fingerprint(), before);
  image("cat/x.png", 3, 50, 20, 40);
  const uint64_t larger = ImageFolder(root).fingerprint();
  EXPECT_NE(larger, before);
  fs::rename(root / "cat/x.png", root / "cat/y.png");
  EXPECT_NE(ImageFolder(root).fingerprint(), larger);
}

// Sizes differ, so a transform makes them alike; bad files are errors of their samples, or left out.
TEST_F(ImageFolderTest, LoadsBatchesAndNamesBadFiles) {
  write("cat/x.png", "\x89PNG broken");
  write("dog/more/c.png", "GIF89a");
  const auto view = TransformedDataset(ImageFolder(root), Compose({Resize(8), CenterCrop(8), ToDtype(DType::f32)}));
  std::vector<Seen> seen;
  for (const int workers : {0, 2}) {
    DataLoader loader(view, {.batch_size = 2, .num_workers = workers});
    Epoch epoch = loader.epoch(0);
    EXPECT_EQ(epoch.next()->input.shape(), Shape({2, 3, 8, 8}));
    EXPECT_THAT(error_of([&] { epoch.next(); }),
                AllOf(testing::StartsWith("sample 2: " + (root / "cat/x.png").string()), HasSubstr("not a sound PNG")));
    EXPECT_EQ(error_of([&] { epoch.next(); }), "sample 5: " + (root / "dog/more/c.png").string() +
                                                   ": neither a PNG nor a JPEG: begins with 47 49 46 38");
    EXPECT_FALSE(epoch.next().has_value());
    DataLoader skipping(view, {.batch_size = 2, .num_workers = workers, .on_error = OnError::skip});
    seen.push_back(drain(skipping.epoch(0)));
    EXPECT_EQ(skipping.skipped(), 2);
  }
  EXPECT_EQ(seen[0], seen[1]);
  ASSERT_EQ(seen[0].size(), 3u);
  EXPECT_EQ(seen[0][1].size(), 3u * 8 * 8);
}

}  // namespace
}  // namespace ingot
