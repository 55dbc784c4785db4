#include <gmock/gmock.h>

#include "base/file.h"
#include "error_of.h"
#include "ingot/io.h"

namespace ingot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Key;

std::filesystem::path scratch(const std::string& name) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "ingot_checkpoint_tensors";
  std::filesystem::create_directories(folder);
  return folder / name;
}

TEST(CheckpointTensors, OfSafetensorsAreAll) {
  const auto path = scratch("weights.pth");  // the name says nothing
  save_safetensors(path, {{"model.a", ones({2})}, {"b", full({1}, 3)}});
  const TensorMap tensors = load_checkpoint_tensors(path);
  EXPECT_THAT(tensors, ElementsAre(Key("b"), Key("model.a")));
  EXPECT_EQ(tensors.at("b").item<float>(), 3);
}

TEST(CheckpointTensors, OfARunAreTheModels) {
  const auto path = scratch("last.safetensors");
  const TensorMap all{{"model.conv.weight", ones({2})}, {"optimizer.0.exp_avg", zeros({2})}};
  save_safetensors(path, all, {{kRunCheckpoint, "1"}, {kContentHash, hash_tensors(all)}});
  EXPECT_THAT(load_checkpoint_tensors(path), ElementsAre(Key("conv.weight")));
  std::string bytes = read_file(path);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_file_atomic(path, bytes);
  EXPECT_THAT(error_of([&] { load_checkpoint_tensors(path); }), HasSubstr("its content was damaged"));
}

TEST(CheckpointTensors, OtherFilesAreRefused) {
  const auto path = scratch("other");
  for (const char* content : {"", "PNG", "something else altogether"}) {
    write_file_atomic(path, std::string_view(content));
    EXPECT_EQ(error_of([&] { load_checkpoint_tensors(path); }),
              path.string() + ": is neither a safetensors file nor what torch.save wrote");
  }
  EXPECT_THAT(error_of([&] { load_checkpoint_tensors(scratch("none")); }), HasSubstr("No such file"));
}

}  // namespace
}  // namespace ingot
