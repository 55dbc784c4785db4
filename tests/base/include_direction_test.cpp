#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

// What each folder may include directly; it may also include whatever those reach.
const std::map<std::string, std::vector<std::string>> kBelow{
    {"base", {}},
    {"tensor", {"base"}},
    {"kernels", {"base"}},
    {"autograd", {"tensor"}},
    {"io", {"tensor"}},
    {"ops", {"autograd", "kernels"}},
    {"nn", {"ops", "io"}},
    {"optim", {"nn"}},
    {"data", {"tensor", "kernels"}},
    {"dist", {"nn", "optim"}},
    {"ir", {"ops"}},
    {"onnx", {"ir"}},
    {"runtime", {"ops"}},
    {"engine", {"ir", "runtime"}},
    {"train", {"nn", "optim", "dist", "data", "io"}},
    {"diagnose", {"train", "ir"}},
    {"cli", {"diagnose", "train", "onnx", "engine"}},
};

// The folder that each public header belongs to.
const std::map<std::string, std::string> kPublic{
    {"error.h", "base"},
    {"dtype.h", "base"},
    {"geometry.h", "base"},
    {"math.h", "base"},
    {"random.h", "base"},
    {"rank.h", "base"},
    {"threads.h", "base"},
    {"dim.h", "tensor"},
    {"shape.h", "tensor"},
    {"fixed_vector.h", "base"},
    {"tensor.h", "tensor"},
    {"autograd.h", "autograd"},
    {"ops.h", "ops"},
    {"nn.h", "nn"},
    {"module.h", "nn"},
    {"schedulers.h", "optim"},
    {"communicator.h", "dist"},
    {"collectives.h", "dist"},
    {"data_parallel.h", "dist"},
    {"sharded.h", "dist"},
    {"launch.h", "dist"},
    {"sync_batch_norm.h", "dist"},
    {"dataset.h", "data"},
    {"data_loader.h", "data"},
    {"sampler.h", "data"},
    {"transforms.h", "data"},
    {"models.h", "nn"},
    {"losses.h", "nn"},
    {"init.h", "nn"},
    {"averaging.h", "optim"},
    {"lbfgs.h", "optim"},
    {"optim.h", "optim"},
    {"svm.h", "optim"},
    {"io.h", "io"},
    {"data.h", "data"},
    {"graph.h", "ir"},
    {"engine.h", "engine"},
    {"runtime.h", "runtime"},
    {"train.h", "train"},
    {"diagnose.h", "diagnose"},
    {"cli.h", "cli"},
    {"init_cfg.h", "nn"},
    {"image_io.h", "data"},
    {"file_datasets.h", "data"},
};

std::set<std::string> reachable(const std::string& folder) {
  std::set<std::string> out{folder};
  for (const auto& below : kBelow.at(folder)) out.merge(reachable(below));
  return out;
}

std::string folder_of(const std::string& include) {
  const auto slash = include.find('/');
  const std::string first = include.substr(0, slash);
  if (first == "ingot") {
    const std::string header = include.substr(slash + 1);
    if (header.starts_with("nn/")) return "nn";
    const auto it = kPublic.find(header);
    return it == kPublic.end() ? "unknown public header " + include : it->second;
  }
  return kBelow.contains(first) ? first : "";
}

void check(const fs::path& file, const std::string& folder) {
  const auto allowed = reachable(folder);
  std::ifstream in(file);
  static const std::regex kInclude("^\\s*#\\s*include \"([^\"]+)\"");
  std::smatch match;
  for (std::string line; std::getline(in, line);) {
    if (!std::regex_search(line, match, kInclude)) continue;
    const std::string target = folder_of(match[1]);
    if (target.empty()) continue;
    EXPECT_TRUE(allowed.contains(target)) << file << " of " << folder << " includes " << match[1] << " of " << target;
  }
}

TEST(IncludeDirection, PointsDownOnly) {
  const fs::path root = INGOT_SOURCE_DIR;
  size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root / "src")) {
    const auto extension = entry.path().extension();
    if (extension != ".h" && extension != ".cpp") continue;
    const std::string folder = fs::relative(entry.path(), root / "src").begin()->string();
    ASSERT_TRUE(kBelow.contains(folder)) << folder << " stands in no row";
    check(entry.path(), folder);
    ++files;
  }
  for (const auto& entry : fs::recursive_directory_iterator(root / "include")) {
    if (!entry.is_regular_file()) continue;
    const std::string folder = folder_of(fs::relative(entry.path(), root / "include").string());
    ASSERT_TRUE(kBelow.contains(folder)) << folder << " belongs to no folder";
    check(entry.path(), folder);
    ++files;
  }
  EXPECT_GT(files, 50u);
}

}  // namespace
