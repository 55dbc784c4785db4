#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <random>

#include "cli/command.h"
#include "ingot/io.h"

// Whatever a user gives the command, it ends with 1 or 2 and a few lines that say what is wrong and where.
namespace ingot {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr int kFailed = 1, kRefused = 2;

void expect_error(const Outcome& o, int code, const std::string& says, const std::string& what) {
  EXPECT_EQ(o.code, code) << what << "\n" << o.err;
  EXPECT_EQ(o.out, "") << what;
  EXPECT_THAT(o.err, AllOf(StartsWith("ingot: "), HasSubstr(says))) << what;
  EXPECT_LE(std::count(o.err.begin(), o.err.end(), '\n'), 4) << what << "\n" << o.err;
}

class BadInput : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    prepared_ = scratch_folder() / "bad_input";
    fs::create_directories(prepared_ / "data");
    write_toy_data(prepared_ / "data");
    write_text(prepared_ / "config.yaml", toy_config("data"));
    for (const char* line : {"train config.yaml --out run --set epochs=1 --set scheduler=[]",
                             "build run -o run/model.ingot --no-timing", "build zoo:lenet -o lenet.ingot --no-timing"})
      ASSERT_EQ(run_line(line, prepared_).code, 0) << line;
  }
  void SetUp() override {
    folder_ = fresh_folder("bad");
    fs::copy(prepared_, folder_, fs::copy_options::recursive);
  }
  void TearDown() override { fs::remove_all(folder_); }

  Outcome run(const std::string& line) const { return run_line(line, folder_); }
  void expect_refused(const std::string& line, const std::string& says) const {
    expect_error(run(line), kRefused, says, line);
  }
  /// The text of a file changed by `change`.
  template <class Change>
  void damage(const std::string& name, const Change& change) const {
    std::string bytes = read_text(prepared_ / name);
    change(bytes);
    write_text(folder_ / name, bytes);
  }
  void flip(const std::string& name, size_t byte, size_t bit) const {
    damage(name, [&](std::string& b) { b[byte] = static_cast<char>(b[byte] ^ (1 << bit % 8)); });
  }

  static inline fs::path prepared_;
  fs::path folder_;
};

TEST_F(BadInput, ConfigsAreRefusedWithFileAndLine) {
  const auto config = [&](const std::string& from, const std::string& to) {
    damage("config.yaml", [&](std::string& text) { text.replace(text.find(from), from.size(), to); });
  };
  const std::string train = "train config.yaml --out new";
  config("momentum: 0.9", "momentun: 0.9");
  expect_refused(train, "config.yaml:15: unknown key 'momentun' in optimizer (SGD); did you mean 'momentum'?");
  config("epochs: 3", "epochs: three");
  expect_refused(train, "config.yaml:19: ");
  config("epochs: 3", "epochs: [3");
  expect_refused(train, "config.yaml:");
  config("type: small_cnn", "type: smal_cnn");
  expect_refused(train, "did you mean 'small_cnn'?");
  expect_refused("train none.yaml --out new", "none.yaml");
  expect_refused("train data --out new", "data");
  EXPECT_FALSE(fs::exists(folder_ / "new"));
}

TEST_F(BadInput, DataIsRefusedWithItsFile) {
  const std::string images = "data/train-images-idx3-ubyte", labels = "data/train-labels-idx1-ubyte";
  const std::string train = "train config.yaml --out new";
  damage(images, [](std::string& b) { b.resize(b.size() - 1); });
  expect_refused(train, images + ": truncated");
  damage(images, [](std::string& b) { b[2] = 77; });
  expect_refused(train, images);
  damage(images, [](std::string& b) { b.clear(); });
  expect_refused(train, images);
  damage(images, [](std::string&) {});
  damage(labels, [](std::string& b) { b[100] = 3; });
  expect_refused(train, labels);
  damage(labels, [](std::string& b) { b = "nothing of the kind"; });
  expect_refused(train, labels);
  fs::remove(folder_ / labels);
  expect_refused(train, "train-labels-idx1-ubyte");
  EXPECT_FALSE(fs::exists(folder_ / "new"));
}

TEST_F(BadInput, DamagedEnginesAreRefused) {
  const std::string engine = "lenet.ingot", whole = read_text(prepared_ / engine);
  uint64_t weights = 0;
  std::memcpy(&weights, whole.data() + 32, sizeof weights);  // where the header says that they begin
  ASSERT_LT(weights, whole.size());
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    damage(engine, [&](std::string& b) { b.resize(random() % b.size()); });
    expect_refused("inspect " + engine, engine);
    flip(engine, random() % weights, random());
    expect_refused("inspect " + engine, engine);
    flip(engine, weights + random() % (whole.size() - weights), random());
    expect_refused("inspect --verify " + engine, engine);
    damage(engine, [&](std::string& b) { std::generate(b.begin(), b.begin() + 4096, std::ref(random)); });
    expect_refused("inspect " + engine, engine);
  }
  EXPECT_EQ(run("inspect --verify run/model.ingot").code, 0);
}

TEST_F(BadInput, DamagedCheckpointsAreRefused) {
  const std::string name = "run/best.safetensors", whole = read_text(prepared_ / name);
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    flip(name, random() % whole.size(), random());
    expect_refused("eval run", name);
    damage(name, [&](std::string& b) { b.resize(random() % b.size()); });
    expect_refused("build run -o new.ingot", name);
  }
  EXPECT_FALSE(fs::exists(folder_ / "new.ingot"));
  fs::copy(prepared_ / name, folder_ / name, fs::copy_options::overwrite_existing);
  EXPECT_EQ(run("inspect --verify " + name).code, 0);
}

TEST_F(BadInput, ForeignSafetensorsAreRefusedWhereTheirHeaderIsDamaged) {
  const std::string name = "foreign.safetensors";
  save_safetensors(folder_ / name, {{"x", ones({4, 4})}});
  const std::string whole = read_text(folder_ / name);
  for (size_t length = 0; length < whole.size(); length += 7) {
    write_text(folder_ / name, whole.substr(0, length));
    expect_refused("inspect " + name, name);
  }
  write_text(folder_ / name, whole);
  expect_refused("inspect --verify " + name, "has no content_hash");
}

TEST_F(BadInput, DamagedPyTorchCheckpointsAreRefused) {
  const std::string name = "weights.pth";
  save_torch(folder_ / name, TorchValue(TensorMap{{"x", ones({4, 4})}}));
  const std::string whole = read_text(folder_ / name);
  for (size_t length = 0; length < whole.size(); length += 37) {
    write_text(folder_ / name, whole.substr(0, length));
    expect_refused("inspect " + name, name);
    expect_refused("convert " + name + " new.safetensors", name);
  }
  std::string system = whole;
  system.replace(system.find("torch._utils\n_rebuild_tensor_v2"), 12, "posix.system");
  write_text(folder_ / name, system);
  expect_refused("inspect " + name, "it names 'posix.system._rebuild_tensor_v2', which is not one of the types");
  EXPECT_FALSE(fs::exists(folder_ / "new.safetensors"));
}

TEST_F(BadInput, AFullDiskFailsAndLeavesWhatWasThere) {
  // No file may grow beyond 2 KiB; without the signal, writing fails as it does on a full disk.
  const auto fails = [&](const std::string& line, const std::string& name) {
    const std::string limited = "trap '' XFSZ; ulimit -f 2; exec " INGOT_BINARY " " + line;
    const Outcome o = {Process({"/bin/bash", "-c", limited}, folder_).finish()};
    EXPECT_EQ(o.code, kFailed) << line << o.err;
    EXPECT_THAT(o.err, HasSubstr(name + ": cannot write")) << line;
  };
  write_text(folder_ / "run/report.html", "old");
  fails("build run -o run/model.ingot --no-timing", "run/model.ingot");
  fails("report run", "run/report.html");
  fails("convert run/best.safetensors new.pth", "new.pth");
  fails("convert run/best.safetensors new.safetensors", "new.safetensors");
  fails("train config.yaml --out new", ".safetensors");
  EXPECT_EQ(read_text(folder_ / "run/report.html"), "old");
  EXPECT_EQ(read_text(folder_ / "run/model.ingot"), read_text(prepared_ / "run/model.ingot"));
  const Outcome o = {Process({"/bin/bash", "-c", "exec " INGOT_BINARY " summary zoo:lenet >/dev/full"}).finish()};
  EXPECT_EQ(o.code, kFailed);
  EXPECT_THAT(o.err, StartsWith("ingot: "));
}

TEST_F(BadInput, AFolderThatCannotBeWrittenFails) {
  write_text(folder_ / "file", "");
  for (const char* line : {"train config.yaml --out file/new", "eval run --save-images file/images",
                           "build run -o file/new.ingot --no-timing", "report run -o file/report.html",
                           "convert run/best.safetensors file/new.pth"})
    expect_error(run(line), kFailed, "file/", line);
}

}  // namespace
}  // namespace ingot
