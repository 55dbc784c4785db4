#include <gmock/gmock.h>

#include "cli/process.h"

namespace ingot {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

TEST(Usage, VersionIsPrinted) {
  const Finished version = ingot({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_THAT(version.out, StartsWith("ingot "));
}

TEST(Usage, MistakesEndWithTwoAndOneError) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> mistakes{
      {{}, "subcommand"},
      {{"trian"}, "there is no command 'trian'; did you mean 'train'?"},
      {{"train"}, "config"},
      {{"train", "configs/fashion_mnist.yaml"}, "--out"},
      {{"train", "a.yaml", "--out", "b", "--resum"}, "--resum"},
      {{"train", "a.yaml", "--out", "b", "--resume", "--overwrite"}, "--resume"},
      {{"train", "a.yaml", "--out", "b", "--threads", "0"}, "--threads"},
      {{"eval", "runs/x", "--count", "3"}, "--save-images"},
      {{"eval", "runs/x", "--checkpoint", "middle"}, "--checkpoint"},
  };
  for (const auto& [arguments, word] : mistakes) {
    const Finished r = ingot(arguments);
    EXPECT_EQ(r.code, 2) << r.err;
    EXPECT_EQ(r.out, "");
    EXPECT_THAT(r.err, AllOf(StartsWith("ingot: "), HasSubstr(word), HasSubstr("--help`")));
  }
}

}  // namespace
}  // namespace ingot
