#include <gmock/gmock.h>

#include <cstdlib>

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

// Four processes that write one engine file would only get into each other's way.
TEST(Usage, VerbsForOneProcessRefuseToBeSeveral) {
  ::setenv("OMPI_COMM_WORLD_SIZE", "4", 1);
  const Finished o = ingot({"build", "zoo:lenet", "-o", "lenet.ingot"});
  ::unsetenv("OMPI_COMM_WORLD_SIZE");
  EXPECT_EQ(o.code, 2);
  EXPECT_THAT(o.err, testing::StartsWith("ingot: ingot build is for one process, mpirun started several"));
}

}  // namespace
}  // namespace ingot
